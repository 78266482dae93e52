//! The routes of the sim.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use serde_json::{Value, json};

use super::Settings;
use super::answer;
use super::error::ApiError;
use super::fault::{self, Fault, RetryAfter};
use super::models::{self, SimModel, models};
use super::play;
use super::render::Renderer;
use super::request::{Request, unknown_model};
use super::script::{self, Pace};
use super::stats::{Memory, Ticket};

/// The most a request body may have.
const BODY_LIMIT: usize = 32 << 20;

/// Who sent a request, as the accept loop knows it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) SocketAddr);

struct Sim {
    settings: Settings,
    memory: Memory,
}

type Shared = State<Arc<Sim>>;

/// The sim as a service, for a server of one's own. Requests that come through [`super::Server`]
/// reach `/_sim/` only from the machine itself; with another server, guarding it is its job.
pub fn router(settings: Settings) -> Router {
    let memory = Memory::new(settings.remembered_requests);
    Router::new()
        .route("/v1/chat/completions", post(chat))
        .route("/v1/models", get(list_models))
        .route("/v1/models/{name}", get(show_model))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/_sim/stats", get(stats))
        .route("/_sim/requests", get(requests))
        .route("/_sim/reset", post(reset))
        .fallback(|method: Method, uri: Uri| async move {
            let message = format!("Invalid URL ({method} {})", uri.path());
            refuse(&ApiError::plain(404, "invalid_request_error", None, message))
        })
        .method_not_allowed_fallback(|method: Method, uri: Uri| async move {
            let message = format!("Not allowed to {method} on {}", uri.path());
            refuse(&ApiError::plain(405, "invalid_request_error", None, message))
        })
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(Arc::new(Sim { settings, memory }))
}

fn json_response(status: u16, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    set(&mut response, header::CONTENT_TYPE, "application/json");
    response
}

fn set(response: &mut Response, name: HeaderName, value: &str) {
    // Ids and numbers of our own; a value that could not be sent would be left out.
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

fn refuse(error: &ApiError) -> Response {
    json_response(error.status, error.body())
}

fn now() -> SystemTime {
    SystemTime::now()
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, ApiError> {
    let read = |value: &'a HeaderValue| {
        value.to_str().map_err(|_| {
            ApiError::invalid(
                name,
                Some("invalid_header"),
                format!("The header {name} is no text."),
            )
        })
    };
    headers.get(name).map(read).transpose()
}

async fn chat(
    State(sim): Shared,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(rejection) => {
            sim.memory.count_invalid();
            let status = rejection.status().as_u16();
            let message = match status {
                413 => format!("The request is larger than {} MB.", BODY_LIMIT >> 20),
                _ => "The request's body could not be read.".to_owned(),
            };
            return refuse(&ApiError::plain(status, "invalid_request_error", None, message));
        }
    };
    sim.memory.keep(uri.path(), &headers, &body);
    let read = header(&headers, "x-sim-fault")
        .and_then(|faults| Request::read(&body, faults))
        .and_then(|request| Ok((pace(&headers, request.model, sim.settings.speed)?, request)));
    match read {
        Ok((pace, request)) => reply(&sim, &request, pace).await,
        Err(error) => {
            sim.memory.count_invalid();
            refuse(&error)
        }
    }
}

/// The model's pace at this speed, unless the request asks for another.
fn pace(headers: &HeaderMap, model: &SimModel, speed: f64) -> Result<Pace, ApiError> {
    let scale = if speed > 0.0 { 1.0 / speed } else { 0.0 };
    let bad = |name: &str, example: &str| {
        ApiError::invalid(
            name,
            Some("invalid_header"),
            format!("Invalid {name}; write `{example}`."),
        )
    };
    let first = match header(headers, "x-sim-latency")? {
        Some(text) => fault::duration(text).ok_or_else(|| bad("x-sim-latency", "300ms"))?,
        None => model.first_token.mul_f64(scale),
    };
    let per_token = match header(headers, "x-sim-rate")? {
        Some(text) => {
            let rate = text.parse::<f64>().ok().filter(|rate| (0.001..=1e9).contains(rate));
            Duration::from_secs_f64(1.0 / rate.ok_or_else(|| bad("x-sim-rate", "50"))?)
        }
        None => Duration::from_secs_f64(scale / f64::from(model.tokens_per_second)),
    };
    Ok(Pace { first, per_token })
}

async fn reply(sim: &Sim, request: &Request, pace: Pace) -> Response {
    // From here on a client that hangs up drops this future or the body, and the ticket with it.
    let ticket = sim.memory.admit(request.model);
    let faults = sim.memory.strike(request);
    if !faults.is_empty() {
        ticket.faulted();
    }
    for fault in &faults {
        if let Fault::SlowHeaders(time) = fault {
            tokio::time::sleep(*time).await;
        }
    }
    let created = now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let renderer = Renderer::new(request, created);
    let replacement = faults.iter().copied().find(|fault| fault.replaces_answer());
    let mut response = match replacement {
        Some(fault) => replace(fault, request, &faults, ticket),
        None => {
            let cached = sim.memory.cached_tokens(request);
            let answer = answer::answer(request, &faults, cached);
            let with_usage = !faults.contains(&Fault::NoUsage);
            if request.stream {
                let events = renderer.events(&answer, with_usage);
                let body = play::body(script::stream(events, pace, &faults), ticket);
                event_stream(body)
            } else {
                let written = answer.usage.completion.min(request.model.max_output.0);
                let time = pace.first + pace.time_for(written);
                // Even a sleep of nothing lasts until the timer's next millisecond.
                if !time.is_zero() {
                    tokio::time::sleep(time).await;
                }
                let body = renderer.whole(&answer, with_usage);
                json_response(200, play::body(script::whole(body, &faults), ticket))
            }
        }
    };
    set(
        &mut response,
        HeaderName::from_static("x-request-id"),
        &renderer.id().replace("chatcmpl-", "req_"),
    );
    response
}

fn event_stream(body: Body) -> Response {
    let mut response = Response::new(body);
    set(&mut response, header::CONTENT_TYPE, "text/event-stream; charset=utf-8");
    set(&mut response, header::CACHE_CONTROL, "no-cache");
    response
}

/// The answer of a fault that stands in place of one.
fn replace(fault: Fault, request: &Request, faults: &[Fault], ticket: Ticket) -> Response {
    let (status, kind, body): (u16, &str, Vec<u8>) = match fault {
        Fault::Html => (200, "text/html; charset=utf-8", HTML.into()),
        Fault::Html502 => (502, "text/html", HTML_502.into()),
        Fault::Garbage if request.stream => {
            (200, "text/event-stream; charset=utf-8", b"data: \xff\xfe{\"id\xc3\x28\n\n".into())
        }
        Fault::Garbage => (200, "application/json", b"\xff\xfe{\"id\xc3\x28".into()),
        Fault::ErrorIn200 => (200, "application/json", ApiError::of_status(500).body()),
        Fault::Status(529, _) => {
            let body = json!({
                "type": "error",
                "error": {"type": "overloaded_error", "message": "Overloaded"},
                "request_id": format!("req_{:016x}", request.seed),
            });
            (529, "application/json", body.to_string().into())
        }
        Fault::Status(status, _) => {
            (status, "application/json", ApiError::of_status(status).body())
        }
        Fault::Quota => {
            let error = ApiError::plain(
                429,
                "insufficient_quota",
                Some("insufficient_quota"),
                "You exceeded your current quota, please check your plan and billing details.",
            );
            (429, "application/json", error.body())
        }
        Fault::Context => {
            let limit = request.model.context.0;
            (
                400,
                "application/json",
                ApiError::context(limit, limit + request.prompt_tokens).body(),
            )
        }
        // The remaining ones do not replace an answer, see `Fault::replaces_answer`.
        _ => {
            let error = ApiError::invalid(
                "prompt",
                Some("content_filter"),
                "The response was filtered due to the prompt triggering the content management \
                 policy. Please modify your prompt and retry.",
            );
            (400, "application/json", error.body())
        }
    };
    let mut response = json_response(status, play::body(script::whole(body, faults), ticket));
    set(&mut response, header::CONTENT_TYPE, kind);
    if let Fault::Status(_, retry) = fault {
        match retry {
            RetryAfter::Absent => {}
            RetryAfter::Seconds(s) => set(&mut response, header::RETRY_AFTER, &s.to_string()),
            RetryAfter::Millis(ms) => {
                let name = HeaderName::from_static("retry-after-ms");
                set(&mut response, name, &ms.to_string());
            }
            RetryAfter::Date => {
                let date = httpdate::fmt_http_date(now() + Duration::from_secs(2));
                set(&mut response, header::RETRY_AFTER, &date);
            }
        }
    }
    response
}

const HTML: &str = "<!DOCTYPE html>\n<html><head><title>Sign in to the network</title></head>\
<body><h1>Welcome</h1><p>Please accept the terms of use to go on.</p></body></html>\n";

const HTML_502: &str = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n\
<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n";

fn model_body(model: &SimModel) -> Value {
    // The day the table was written; OpenAI gives the day of release.
    json!({"id": model.name, "object": "model", "created": 1_767_225_600, "owned_by": "sim"})
}

async fn list_models() -> Response {
    let data: Vec<Value> = models().iter().map(model_body).collect();
    json_response(200, json!({"object": "list", "data": data}).to_string())
}

async fn show_model(Path(name): Path<String>) -> Response {
    match models::find(&name) {
        Some(model) => json_response(200, model_body(model).to_string()),
        None => refuse(&unknown_model(&name)),
    }
}

/// The refusal for everyone but the machine itself: requests are nobody else's business.
fn forbidden(extensions: &Extensions) -> Option<Response> {
    let Peer(address) = extensions.get::<Peer>()?;
    let message = "/_sim/ answers only on the machine itself.";
    (!address.ip().to_canonical().is_loopback())
        .then(|| refuse(&ApiError::plain(403, "invalid_request_error", None, message)))
}

async fn stats(State(sim): Shared, extensions: Extensions) -> Response {
    forbidden(&extensions).unwrap_or_else(|| json_response(200, sim.memory.stats().to_string()))
}

async fn requests(State(sim): Shared, extensions: Extensions) -> Response {
    forbidden(&extensions).unwrap_or_else(|| json_response(200, sim.memory.requests().to_string()))
}

async fn reset(State(sim): Shared, extensions: Extensions) -> Response {
    forbidden(&extensions).unwrap_or_else(|| {
        sim.memory.reset();
        StatusCode::NO_CONTENT.into_response()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_machine_itself_may_look_inside() {
        let from = |address: &str| {
            let mut extensions = Extensions::new();
            extensions.insert(Peer(address.parse().unwrap()));
            forbidden(&extensions).map(|response| response.status().as_u16())
        };
        assert_eq!(from("127.0.0.1:9"), None);
        assert_eq!(from("[::1]:9"), None);
        assert_eq!(from("[::ffff:127.0.0.1]:9"), None);
        assert_eq!(from("192.0.2.1:9"), Some(403));
    }
}
