//! The small endpoints: quotes, decisions, health.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method, StatusCode, Uri};
use serde_json::{Value, json};

use super::error::ApiError;
use super::headers;
use super::ingress::Ingress;
use super::intake;
use super::state::Gateway;
use crate::catalog::{Model, Pieces, cost, worst_case};
use crate::dialect::{Dialect, Usage};
use crate::ids::RequestId;
use crate::policy::eval::output_limit;
use crate::policy::plan::{Plan, Step};
use crate::units::{NanoDollars, Tokens};

/// What an answer is expected to have where the client sets no limit.
const USUAL_ANSWER: Tokens = Tokens(500);

/// `POST /v1/quote`: what would happen, why, and at what cost. Nothing is sent.
pub async fn quote(
    State(gateway): State<Arc<Gateway>>,
    request: Request,
) -> Result<Response, ApiError> {
    let id = RequestId::fresh();
    let (mut ingress, body) = Ingress::of(Dialect::OpenAiChat, request);
    ingress.headers.insert(headers::EXPLAIN, http::HeaderValue::from_static("1"));
    let decisive = intake::decide_request(&gateway, id, ingress, body).await?;
    let told = decisive.decided.told(id);
    let outcome = match decisive.plan() {
        Ok(plan) => {
            let catalog = &decisive.world.catalog;
            let input = decisive.facts.input_tokens();
            let shape = decisive.request.shape();
            let costs = costs(plan, catalog.models(), input, shape);
            let first = plan.steps.first().and_then(|step| step.candidates.first());
            json!({
                "outcome": "plan",
                "model": first.map(|model| &catalog.models()[model.index()].id),
                "route": plan.route,
                "input_tokens": input,
                "cost": costs,
            })
        }
        Err(error) => json!({
            "outcome": "error",
            "status": error.status.as_u16(),
            "code": error.code,
            "message": error.message,
        }),
    };
    let quote =
        json!({ "id": id.to_string(), "object": "quote", "quote": outcome, "pointsman": told });
    Ok(Json(quote).into_response())
}

/// Least, expected and most that a plan costs, in dollars; `null` where a model has no price.
fn costs(
    plan: &Plan,
    models: &[Model],
    input: Tokens,
    shape: &crate::dialect::RequestShape,
) -> Value {
    let n = u64::from(shape.n.max(1));
    let of = |model: &Model, output: Tokens| {
        let usage = Usage { input, output: Tokens(output.0 * n), ..Usage::default() };
        let pieces = Pieces { images: shape.images, requests: 1 };
        model.prices.as_ref().map(|prices| cost(prices, &usage, pieces))
    };
    let worst = |step: &Step, model: &Model| {
        let limit = output_limit(shape.max_output, &step.settings);
        worst_case(model, input, shape.images, limit)
            .map(|worst| NanoDollars(worst.0.saturating_mul(n)))
    };
    let candidates = || {
        plan.steps.iter().flat_map(|step| {
            step.candidates.iter().map(move |model| (step, &models[model.index()]))
        })
    };
    let first = candidates().next();
    let least = first.and_then(|(_, model)| of(model, Tokens(1)));
    let expected = first.and_then(|(step, model)| {
        let limit = output_limit(shape.max_output, &step.settings).unwrap_or(model.max_output);
        of(model, limit.min(USUAL_ANSWER))
    });
    // Every step may be paid for, each with its dearest candidate, the dearest copies of it, and
    // retries that were billed.
    let steps: Option<NanoDollars> = plan
        .steps
        .iter()
        .map(|step| {
            let tries = 1 + u64::from(step.settings.retry.map_or(0, |retry| retry.times));
            let each = step.candidates.iter().map(|model| worst(step, &models[model.index()]));
            let dearest = each.collect::<Option<Vec<_>>>()?.into_iter().max()?;
            let mut at_once = dearest;
            if let Some(hedge) = &step.hedge {
                let each = hedge.candidates.iter().map(|model| worst(step, &models[model.index()]));
                let mut copies = each.collect::<Option<Vec<_>>>()?;
                copies.sort_unstable_by(|a, b| b.cmp(a));
                at_once += copies.into_iter().take(hedge.max as usize).sum();
            }
            Some(NanoDollars(at_once.0.saturating_mul(tries)))
        })
        .sum::<Option<NanoDollars>>();
    let most = match (steps, plan.max_cost) {
        (Some(steps), Some(cap)) => Some(steps.min(cap)),
        (steps, cap) => steps.or(cap),
    };
    let told = |cost: Option<NanoDollars>| cost.map(|cost| format!("${cost}"));
    json!({ "minimum": told(least), "expected": told(expected), "maximum": told(most) })
}

/// `GET /v1/decisions/{id}`
pub async fn decision(
    State(gateway): State<Arc<Gateway>>,
    Path(asked): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (id, world) = (RequestId::fresh(), gateway.world.load_full());
    let caller = intake::authenticate(&world, id, &headers)?;
    let found = RequestId::parse(&asked)
        .and_then(|asked| Some((asked, gateway.decisions.find(asked, &caller.tenant)?)));
    let told = match found {
        Some((id, decided)) => {
            let told = tokio::task::spawn_blocking(move || decided.told_with_what_would_change(id));
            told.await.ok()
        }
        None => None,
    };
    match told {
        Some(told) => Ok(Json(told).into_response()),
        None => {
            let message = format!(
                "there is no decision `{asked}`; ids are in the header `x-pointsman-id`, and \
                 decisions are kept for an hour"
            );
            Err(ApiError::new(id, StatusCode::NOT_FOUND, "unknown_decision", message))
        }
    }
}

/// `GET /healthz`: the process lives.
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: it takes requests.
pub async fn readyz(State(gateway): State<Arc<Gateway>>) -> Response {
    if gateway.ready.load(Ordering::Relaxed) {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response()
    }
}

/// Every path that is not served.
pub async fn not_found(method: Method, uri: Uri) -> Response {
    let message = format!(
        "there is no `{method} {}` here; this gateway serves POST /v1/chat/completions, \
         /v1/responses, /v1/messages, /v1/embeddings, /v1/completions, /v1/quote and \
         /v1beta/models/MODEL:generateContent, GET /v1/models and GET /v1/decisions/ID (is the base \
         URL missing `/v1`?)",
        uri.path()
    );
    ApiError::new(RequestId::fresh(), StatusCode::NOT_FOUND, "unknown_endpoint", message)
        .into_response()
}

/// A path that is served, with another method.
pub async fn wrong_method(method: Method, uri: Uri) -> Response {
    let message = format!("`{}` is not answered with {method}", uri.path());
    let status = StatusCode::METHOD_NOT_ALLOWED;
    ApiError::new(RequestId::fresh(), status, "method_not_allowed", message).into_response()
}
