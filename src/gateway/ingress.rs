//! The endpoints that answer requests: one for each dialect that clients speak.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode};

use super::error::ApiError;
use super::exchange::Exchange;
use super::state::Gateway;
use super::{array, intake};
use crate::dialect::Dialect;
use crate::ids::RequestId;

/// What a request says about itself outside of its body.
pub struct Ingress {
    /// The dialect that its endpoint speaks.
    pub dialect: Dialect,
    /// The path of its address.
    pub path: String,
    /// What its address says, where a dialect puts it there.
    pub address: Option<Address>,
    /// Who sent it.
    pub peer: Option<SocketAddr>,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its tokens are to be counted, and nothing else.
    pub counts: bool,
}

/// What an address says about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The model.
    pub model: String,
    /// Whether a stream is wanted.
    pub stream: bool,
}

impl Ingress {
    /// What a request at an endpoint of this dialect says, and its body.
    pub fn of(dialect: Dialect, request: Request) -> (Ingress, Body) {
        let (parts, body) = request.into_parts();
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| *peer);
        let path = parts.uri.path().to_owned();
        let headers = parts.headers;
        (Ingress { dialect, path, address: None, peer, headers, counts: false }, body)
    }
}

/// Decides and answers a request.
async fn answer(gateway: Arc<Gateway>, (ingress, body): (Ingress, Body)) -> Response {
    let (id, started, dialect) = (RequestId::fresh(), Instant::now(), ingress.dialect);
    match intake::decide_request(&gateway, id, ingress, body).await {
        Ok(decisive) => Exchange::new(gateway.clone(), decisive, started).answer().await,
        Err(error) => {
            tracing::info!(
                request = %id, status = error.status.as_u16(), code = error.code,
                "{}", error.message
            );
            gateway.metrics.refused(error.code);
            error.in_dialect(dialect)
        }
    }
}

/// `POST /v1/chat/completions`
pub async fn chat(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    answer(gateway, Ingress::of(Dialect::OpenAiChat, request)).await
}

/// `POST /v1/completions`
pub async fn completions(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    answer(gateway, Ingress::of(Dialect::OpenAiCompletions, request)).await
}

/// `POST /v1/responses`
pub async fn responses(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    answer(gateway, Ingress::of(Dialect::OpenAiResponses, request)).await
}

/// `POST /v1/embeddings`
pub async fn embeddings(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    answer(gateway, Ingress::of(Dialect::OpenAiEmbeddings, request)).await
}

/// `POST /v1/messages`
pub async fn messages(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    answer(gateway, Ingress::of(Dialect::AnthropicMessages, request)).await
}

/// `POST /v1beta/models/MODEL:VERB`, and the same under `/v1`
pub async fn gemini(
    State(gateway): State<Arc<Gateway>>,
    Path(rest): Path<String>,
    request: Request,
) -> Response {
    let query = request.uri().query().unwrap_or_default().to_owned();
    let dialect = Dialect::GeminiGenerate;
    let (mut ingress, body) = Ingress::of(dialect, request);
    with_key_of_query(&mut ingress.headers, &query);
    let (model, verb) = rest.rsplit_once(':').unwrap_or((&rest, ""));
    let stream = verb == "streamGenerateContent";
    ingress.address = Some(Address { model: model.to_owned(), stream });
    match verb {
        "generateContent" => answer(gateway, (ingress, body)).await,
        "streamGenerateContent" => {
            let response = answer(gateway, (ingress, body)).await;
            if in_query(&query, "alt") == Some("sse") {
                response
            } else {
                array::of_events(response)
            }
        }
        "countTokens" => super::count::tokens(gateway, ingress, body).await,
        _ => {
            let message = format!(
                "there is no `{verb}` here; a model answers `:generateContent`, \
                 `:streamGenerateContent` and `:countTokens`"
            );
            let (id, status) = (RequestId::fresh(), StatusCode::NOT_FOUND);
            ApiError::new(id, status, "unknown_endpoint", message).in_dialect(dialect)
        }
    }
}

/// What a query says under a name, as it stands there.
fn in_query<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// Google's clients may send their key in the address.
pub fn with_key_of_query(headers: &mut HeaderMap, query: &str) {
    if let Some(key) = in_query(query, "key").and_then(|key| HeaderValue::from_str(key).ok()) {
        headers.entry("x-goog-api-key").or_insert(key);
    }
}

/// `POST /v1/messages/count_tokens`
pub async fn count_tokens(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    let (ingress, body) = Ingress::of(Dialect::AnthropicMessages, request);
    super::count::tokens(gateway, ingress, body).await
}
