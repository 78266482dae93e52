//! How many tokens a request has, before it is sent: by the word of the provider that would get it,
//! where it counts in the client's dialect, else by our own estimate.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::json;

use super::exchange::json_answer;
use super::ingress::Ingress;
use super::intake::{self, Decisive};
use super::state::Gateway;
use crate::dialect::Dialect;
use crate::dispatch;
use crate::ids::RequestId;
use crate::policy::plan::Decision;

/// Answers `count_tokens` and its like.
pub async fn tokens(gateway: Arc<Gateway>, mut ingress: Ingress, body: Body) -> Response {
    let (id, dialect) = (RequestId::fresh(), ingress.dialect);
    ingress.counts = true;
    let decisive = match intake::decide_request(&gateway, id, ingress, body).await {
        Ok(decisive) => decisive,
        Err(error) => return error.in_dialect(dialect),
    };
    if let (Decision::UnknownModel, Err(error)) = (&decisive.decided.decision, decisive.plan()) {
        return error.in_dialect(dialect);
    }
    if let Some(counted) = asked(&decisive).await {
        return json_answer(counted);
    }
    let tokens = decisive.facts.input_tokens().0;
    let name = match dialect {
        Dialect::GeminiGenerate => "totalTokens",
        _ => "input_tokens",
    };
    Json(json!({ name: tokens })).into_response()
}

/// What the provider of the plan's first model says.
async fn asked(decisive: &Decisive) -> Option<Bytes> {
    let Decisive { world, request, facts, .. } = decisive;
    let plan = decisive.plan().ok()?;
    let step = plan.steps.first()?;
    let model = &world.catalog.models()[step.candidates.first()?.index()];
    dispatch::count(&world.endpoints, model, &step.settings, request, facts).await
}
