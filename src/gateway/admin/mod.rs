//! What operators talk to: policies from stage to roll back, and the figures. A listener of its own
//! with a credential of its own; the keys of clients are worth nothing here.

mod changes;
mod draft;
mod policies;
pub mod versions;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::auth;
use super::error::ApiError;
use super::state::Gateway;
use crate::ids::RequestId;
use crate::telemetry::metrics;
pub use policies::note_loaded;

/// Every path there is, each with its methods and what it is for.
const ROUTES: &str = "GET /policies, GET /policies/NAME/versions[/GENERATION], PUT, GET or DELETE \
    /policies/NAME/staged, GET /policies/NAME/diff, POST /policies/NAME/activate, \
    POST /policies/NAME/rollback and GET /metrics";

/// All endpoints of the admin listener, for whoever presents `token`. Without one, for everybody
/// on this machine who is not a web page.
pub fn router(gateway: Arc<Gateway>, token: Option<&SecretString>) -> Router {
    let door = Door { token: token.map(|token| hash(token.expose_secret())) };
    Router::new()
        .route("/policies", get(policies::list))
        .route("/policies/{name}/versions", get(policies::versions))
        .route("/policies/{name}/versions/{generation}", get(policies::version))
        .route(
            "/policies/{name}/staged",
            put(policies::stage).get(policies::staged).delete(policies::unstage),
        )
        .route("/policies/{name}/diff", get(policies::diff))
        .route("/policies/{name}/activate", post(policies::activate))
        .route("/policies/{name}/rollback", post(policies::rollback))
        .route("/metrics", get(figures))
        .method_not_allowed_fallback(wrong_method)
        .fallback(not_found)
        // Around everything, so that not even what is not there can be found out without a token.
        .layer(middleware::from_fn_with_state(door, admit))
        .with_state(gateway)
}

async fn figures(State(gateway): State<Arc<Gateway>>) -> Response {
    for (name, program) in &gateway.world.load().policies {
        for (script, reason, count) in program.script_failures() {
            let policy = name.as_str().into();
            gateway.metrics.script_errors(policy, script.into(), reason.name(), count);
        }
    }
    let kind = HeaderValue::from_static(metrics::CONTENT_TYPE);
    ([(header::CONTENT_TYPE, kind)], gateway.metrics.text()).into_response()
}

async fn not_found(method: Method, uri: Uri) -> ApiError {
    let message = format!("there is no `{method} {}` here; there is {ROUTES}", uri.path());
    error(StatusCode::NOT_FOUND, "unknown_endpoint", message)
}

async fn wrong_method(method: Method, uri: Uri) -> ApiError {
    let message = format!("`{}` is not answered with {method}; there is {ROUTES}", uri.path());
    error(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
}

fn error(status: StatusCode, code: &'static str, message: impl Into<String>) -> ApiError {
    ApiError::new(RequestId::fresh(), status, code, message)
}

/// Who may come in.
#[derive(Clone)]
struct Door {
    /// The hash of the token: of one length, whatever is presented.
    token: Option<blake3::Hash>,
}

fn hash(token: &str) -> blake3::Hash {
    blake3::hash(token.as_bytes())
}

async fn admit(State(door): State<Door>, request: Request, next: Next) -> Response {
    match door.refuses(request.headers(), request.uri()) {
        Some(refusal) => refusal.into_response(),
        None => next.run(request).await,
    }
}

impl Door {
    fn refuses(&self, headers: &HeaderMap, uri: &Uri) -> Option<ApiError> {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let host = host.or(uri.authority().map(Authority::as_str));
        // Browsers say where a page is from. No page of another origin has any business here.
        if let Some(origin) = headers.get(header::ORIGIN) {
            let same = host.is_some_and(|host| {
                let origin = origin.to_str().ok();
                origin.and_then(|origin| origin.split_once("://")).is_some_and(|it| it.1 == host)
            });
            if !same {
                let message = "web pages of other origins are not answered here";
                return Some(error(StatusCode::FORBIDDEN, "foreign_origin", message));
            }
        }
        let Some(token) = &self.token else {
            // A name that leads here although it is not ours is how a web page gets around that.
            return (!host.is_some_and(is_loopback)).then(|| {
                let message = "without a token only requests to 127.0.0.1, [::1] and localhost \
                               are answered; set `admin.token`";
                error(StatusCode::FORBIDDEN, "foreign_host", message)
            });
        };
        let presented = headers.get(header::AUTHORIZATION);
        let presented = presented.and_then(|value| auth::bearer(value.as_bytes()));
        let good = presented
            .is_some_and(|presented| hash(presented).as_bytes().ct_eq(token.as_bytes()).into());
        (!good).then(|| {
            let message = "send `Authorization: Bearer TOKEN` with the token of `admin.token`";
            error(StatusCode::UNAUTHORIZED, "unauthorized", message)
        })
    }
}

fn is_loopback(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    let address = name.parse::<std::net::IpAddr>();
    name.eq_ignore_ascii_case("localhost")
        || address.is_ok_and(|ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(token: Option<&str>, said: &[(&'static str, &str)]) -> Option<u16> {
        let headers: HeaderMap = said
            .iter()
            .map(|(name, value)| {
                (header::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
            })
            .collect();
        let door = Door { token: token.map(hash) };
        let refusal = door.refuses(&headers, &Uri::from_static("/policies"));
        refusal.map(|error| error.status.as_u16())
    }

    #[test]
    fn with_a_token_it_alone_counts() {
        let token = Some("a-token-of-some-length");
        let good = ("authorization", "Bearer a-token-of-some-length");
        assert_eq!(refusal(token, &[good, ("host", "gateway.example:8081")]), None);
        for bad in ["Bearer a-token-of-some-lengt", "a-token-of-some-length", "Bearer ", "Basic x"]
        {
            assert_eq!(refusal(token, &[("authorization", bad), ("host", "127.0.0.1")]), Some(401));
        }
        assert_eq!(refusal(token, &[("host", "127.0.0.1")]), Some(401));
        assert_eq!(refusal(token, &[("x-api-key", "a-token-of-some-length")]), Some(401));
    }

    #[test]
    fn without_one_the_own_machine_comes_in_and_web_pages_do_not() {
        for host in ["127.0.0.1:8081", "localhost:8081", "[::1]:8081", "127.9.9.9", "LOCALHOST"] {
            assert_eq!(refusal(None, &[("host", host)]), None, "{host}");
        }
        for host in ["evil.example:8081", "localhost.evil.example", "10.0.0.1", ""] {
            assert_eq!(refusal(None, &[("host", host)]), Some(403), "{host}");
        }
        assert_eq!(refusal(None, &[]), Some(403));
        let here = ("host", "127.0.0.1:8081");
        assert_eq!(refusal(None, &[here, ("origin", "http://127.0.0.1:8081")]), None);
        for origin in ["http://evil.example", "null", "http://127.0.0.1:3000"] {
            assert_eq!(refusal(None, &[here, ("origin", origin)]), Some(403), "{origin}");
        }
    }
}
