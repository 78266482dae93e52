//! The one HTTP client. It knows nothing of dialects.

use std::error::Error;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::resolved::{Call, Provider};
use crate::dialect::Dialect;
use crate::error_class::ErrorClass;

/// The request's id; providers note it, and some repeat it.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Headers that come down: what limits and retries are decided by, and what support asks for.
const DOWN: [&str; 8] = [
    "content-type",
    "retry-after",
    "retry-after-ms",
    "x-request-id",
    "request-id",
    "x-amzn-requestid",
    "openai-processing-ms",
    "cf-ray",
];

/// And all that begin like this.
const DOWN_PREFIXES: [&str; 2] = ["x-ratelimit-", "anthropic-ratelimit-"];

/// Connections to all providers.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
}

/// What goes up with a body, besides the provider's own headers.
#[derive(Debug, Clone, Copy)]
pub struct Extra<'a> {
    /// The client's headers; only those are sent that the provider's entry lists.
    pub headers: &'a HeaderMap,
    /// The request's id.
    pub id: &'a str,
}

/// How the client is set.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// How long connecting may take, TLS included.
    pub connect_timeout: Duration,
    /// How long an idle connection is kept. Less than servers keep theirs, so that none is reused
    /// in the moment in which the other side closes it.
    pub pool_idle: Duration,
    /// A proxy for all calls. The environment's is never used.
    pub proxy: Option<String>,
}

impl Default for ClientSettings {
    fn default() -> ClientSettings {
        ClientSettings {
            connect_timeout: Duration::from_secs(2),
            pool_idle: Duration::from_secs(30),
            proxy: None,
        }
    }
}

/// Why there is no answer, or no more of it.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct TransportError {
    /// [`ErrorClass::Connect`] when nothing was sent, [`ErrorClass::Auth`] when there is no token to
    /// send it with, else [`ErrorClass::InvalidResponse`] for what broke off and
    /// [`ErrorClass::Timeout`] for what took too long.
    pub class: ErrorClass,
    /// What happened; names no address and no key.
    pub what: String,
}

impl Client {
    /// A client.
    ///
    /// # Errors
    /// When the system has no usable TLS roots, or the proxy's address is none.
    pub fn new(settings: &ClientSettings) -> Result<Client, TransportError> {
        let broken = |error: reqwest::Error| TransportError {
            class: ErrorClass::Connect,
            what: format!("the HTTP client cannot be set up: {}", causes(&error)),
        };
        let mut builder = reqwest::Client::builder()
            .connect_timeout(settings.connect_timeout)
            .pool_idle_timeout(settings.pool_idle)
            .tcp_nodelay(true)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never()) // retries are the plan's to decide
            .referer(false)
            .no_proxy()
            .user_agent(concat!("pointsman/", env!("CARGO_PKG_VERSION")));
        if let Some(proxy) = &settings.proxy {
            builder = builder.proxy(reqwest::Proxy::all(proxy).map_err(broken)?);
        }
        Ok(Client { http: builder.build().map_err(broken)? })
    }

    /// Sends a JSON body (an empty one as a GET) and waits for the answer's headers.
    /// Dropping the future, or the response, cancels the call.
    ///
    /// # Errors
    /// When no answer came. An answer with an error status is an answer.
    pub async fn send(
        &self,
        provider: &Provider,
        call: Call<'_>,
        body: Bytes,
        extra: Extra<'_>,
    ) -> Result<Response, TransportError> {
        let token = provider.token(&self.http).await?;
        let now = SystemTime::now();
        let Some((url, mut headers)) = provider.prepare(call, &body, token.as_ref(), now) else {
            let what = format!("the provider `{}` has no address for this call", provider.id());
            return Err(TransportError { class: ErrorClass::Connect, what });
        };
        headers.extend(allowed_up(extra.headers, provider.entry().passes));
        if let Ok(id) = HeaderValue::from_str(extra.id) {
            headers.insert(REQUEST_ID, id);
        }
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let request = if body.is_empty() {
            self.http.get(url)
        } else {
            let json = HeaderValue::from_static("application/json");
            headers.insert(header::CONTENT_TYPE, json);
            headers.insert(header::ACCEPT, HeaderValue::from_static(accepted(call)));
            self.http.post(url).body(body)
        };
        let response = request.headers(headers).send().await.map_err(|error| transport(&error))?;
        let headers = allowed_down(response.headers());
        Ok(Response { status: response.status(), headers, inner: response })
    }
}

/// What an answer may be. AWS's servers refuse a list.
fn accepted(call: Call<'_>) -> &'static str {
    match call {
        Call::Generate { dialect: Dialect::BedrockConverse, stream: true, .. } => {
            "application/vnd.amazon.eventstream"
        }
        Call::Generate { dialect: Dialect::BedrockConverse, .. } => "application/json",
        _ => "application/json, text/event-stream",
    }
}

/// An answer whose body is still coming. Dropping it cancels the call.
#[derive(Debug)]
pub struct Response {
    /// Its status.
    pub status: StatusCode,
    /// Those of its headers that are on the list.
    pub headers: HeaderMap,
    inner: reqwest::Response,
}

impl Response {
    /// The next chunk of the body, as it came; nothing at the end.
    ///
    /// # Errors
    /// When the connection broke off.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, TransportError> {
        self.inner.chunk().await.map_err(|error| transport(&error))
    }

    /// The whole body, read with no longer a pause than `pause` between two chunks.
    ///
    /// # Errors
    /// When the connection broke off or stalled, or the body is longer than `limit` bytes.
    pub async fn read(mut self, limit: usize, pause: Duration) -> Result<Bytes, TransportError> {
        let Some(first) = self.chunk_within(pause).await? else { return Ok(Bytes::new()) };
        let mut rest: Option<Vec<u8>> = None;
        loop {
            let length = rest.as_ref().map_or(first.len(), Vec::len);
            if length > limit {
                let what = format!("the answer is longer than {limit} bytes");
                return Err(TransportError { class: ErrorClass::InvalidResponse, what });
            }
            match self.chunk_within(pause).await? {
                Some(chunk) => {
                    rest.get_or_insert_with(|| first.to_vec()).extend_from_slice(&chunk);
                }
                None => return Ok(rest.map_or(first, Bytes::from)),
            }
        }
    }

    async fn chunk_within(&mut self, pause: Duration) -> Result<Option<Bytes>, TransportError> {
        tokio::time::timeout(pause, self.chunk()).await.unwrap_or_else(|_| {
            let what = format!("the answer stalled for {pause:?}");
            Err(TransportError { class: ErrorClass::Timeout, what })
        })
    }
}

fn allowed_up<'h>(
    headers: &'h HeaderMap,
    passes: &'static [&'static str],
) -> impl Iterator<Item = (HeaderName, HeaderValue)> + 'h {
    let listed = headers
        .iter()
        .filter(|(name, _)| passes.iter().any(|prefix| name.as_str().starts_with(prefix)));
    listed.map(|(name, value)| (name.clone(), value.clone()))
}

fn allowed_down(headers: &HeaderMap) -> HeaderMap {
    let listed = headers.iter().filter(|(name, _)| {
        let name = name.as_str();
        DOWN.contains(&name) || DOWN_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
    });
    listed.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn transport(error: &reqwest::Error) -> TransportError {
    let (class, what) = if error.is_connect() {
        (ErrorClass::Connect, "no connection to the provider")
    } else if error.is_timeout() {
        (ErrorClass::Timeout, "the provider took too long")
    } else {
        (ErrorClass::InvalidResponse, "the connection to the provider broke off")
    };
    TransportError { class, what: format!("{what}: {}", causes(error)) }
}

/// What lies under the error. The outermost text is left out: it holds the address.
pub(super) fn causes(error: &reqwest::Error) -> String {
    let chain = std::iter::successors(error.source(), |&error| error.source());
    let texts: Vec<String> = chain.map(ToString::to_string).collect();
    if texts.is_empty() { "no further details".to_owned() } else { texts.join(": ") }
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
