//! How many tokens a request has, before it is sent.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::ingress::Ingress;
use super::intake;
use super::state::Gateway;
use crate::dialect::Dialect;
use crate::ids::RequestId;

/// Answers `count_tokens` and its like.
pub async fn tokens(gateway: Arc<Gateway>, ingress: Ingress, body: Body) -> Response {
    let (id, dialect) = (RequestId::fresh(), ingress.dialect);
    let ingress = Ingress { counts: true, ..ingress };
    let decisive = match intake::decide_request(&gateway, id, ingress, body).await {
        Ok(decisive) => decisive,
        Err(error) => return error.in_dialect(dialect),
    };
    let tokens = decisive.facts.input_tokens().0;
    let name = match dialect {
        Dialect::GeminiGenerate => "totalTokens",
        _ => "input_tokens",
    };
    Json(json!({ name: tokens })).into_response()
}
