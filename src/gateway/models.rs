//! The list of models, in the shape that the client's own library reads.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use serde_json::{Value, json};

use super::error::ApiError;
use super::ingress::with_key_of_query;
use super::intake;
use super::state::Gateway;
use super::world::World;
use crate::caller::Caller;
use crate::catalog::{Lookup, Model};
use crate::dialect::Dialect;
use crate::ids::RequestId;
use crate::units::NanoDollars;

/// Nothing says when the models were made.
const LONG_AGO: &str = "1970-01-01T00:00:00Z";

/// `GET /v1/models` and `GET /v1beta/models`
pub async fn list(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    let asked = Asked::by(&gateway, request);
    asked.answer(|world, caller| {
        let models = world.models().map(|(_, model)| model);
        let models = models.filter(|model| caller.allows(&model.id)).map(Told::Model);
        let policies = world.policies.keys().map(|name| Told::Policy(format!("auto/{name}")));
        let auto = Told::Policy("auto".to_owned());
        let told = std::iter::once(auto).chain(policies).chain(models);
        Ok(listed(asked.dialect, told.map(|told| told.to(asked.dialect)).collect()))
    })
}

/// `GET /v1/models/{id}` and `GET /v1beta/models/{id}`; ids have slashes.
pub async fn one(
    State(gateway): State<Arc<Gateway>>,
    Path(name): Path<String>,
    request: Request,
) -> Response {
    let asked = Asked::by(&gateway, request);
    asked.answer(|world, caller| {
        let policy = name.strip_prefix("auto/").unwrap_or(world.default_policy.as_str());
        let is_auto = name == "auto" || name.starts_with("auto/");
        if is_auto && world.policies.keys().any(|known| known.as_str() == policy) {
            return Ok(Told::Policy(name.clone()).to(asked.dialect));
        }
        match world.catalog.by_name(&name, |provider| world.endpoints.has(provider)) {
            Lookup::Found(index) if world.enabled.contains(index) => {
                let model = &world.catalog.models()[index.index()];
                caller.allows(&model.id).then(|| Told::Model(model).to(asked.dialect))
            }
            _ => None,
        }
        .ok_or_else(|| intake::unknown_model(world, asked.id, &name))
    })
}

/// Who asks, and in which dialect.
struct Asked {
    id: RequestId,
    world: Arc<World>,
    dialect: Dialect,
    headers: HeaderMap,
}

impl Asked {
    fn by(gateway: &Gateway, request: Request) -> Asked {
        let (parts, _) = request.into_parts();
        let mut headers = parts.headers;
        with_key_of_query(&mut headers, parts.uri.query().unwrap_or_default());
        let googles = ["x-goog-api-key", "x-goog-api-client"];
        let dialect = if parts.uri.path().starts_with("/v1beta/")
            || googles.iter().any(|name| headers.contains_key(*name))
        {
            Dialect::GeminiGenerate
        } else if headers.contains_key("anthropic-version") {
            Dialect::AnthropicMessages
        } else {
            Dialect::OpenAiChat
        };
        Asked { id: RequestId::fresh(), world: gateway.world.load_full(), dialect, headers }
    }

    fn answer(&self, tell: impl FnOnce(&World, &Caller) -> Result<Value, ApiError>) -> Response {
        let caller = intake::authenticate(&self.world, self.id, &self.headers);
        match caller.and_then(|caller| tell(&self.world, &caller)) {
            Ok(told) => Json(told).into_response(),
            Err(error) => error.in_dialect(self.dialect),
        }
    }
}

/// What can be named as the model of a request.
enum Told<'m> {
    /// The choice is the policy's.
    Policy(String),
    Model(&'m Model),
}

impl Told<'_> {
    fn id(&self) -> &str {
        match self {
            Told::Policy(name) => name,
            Told::Model(model) => model.id.as_str(),
        }
    }

    fn to(&self, dialect: Dialect) -> Value {
        match (dialect, self) {
            (Dialect::AnthropicMessages, _) => json!({
                "type": "model",
                "id": self.id(),
                "display_name": self.id(),
                "created_at": LONG_AGO,
            }),
            (Dialect::GeminiGenerate, told) => {
                let mut it = json!({
                    "name": format!("models/{}", self.id()),
                    "displayName": self.id(),
                    "supportedGenerationMethods": ["generateContent", "countTokens"],
                });
                if let Told::Model(model) = told {
                    it["inputTokenLimit"] = json!(model.context);
                    it["outputTokenLimit"] = json!(model.max_output);
                }
                it
            }
            (_, Told::Policy(name)) => {
                json!({ "id": name, "object": "model", "created": 0, "owned_by": "pointsman" })
            }
            (_, Told::Model(model)) => described(model),
        }
    }
}

/// All of them, on one page.
fn listed(dialect: Dialect, models: Vec<Value>) -> Value {
    match dialect {
        Dialect::AnthropicMessages => {
            let id = |model: Option<&Value>| model.map(|model| model["id"].clone());
            let (first, last) = (id(models.first()), id(models.last()));
            json!({ "data": models, "has_more": false, "first_id": first, "last_id": last })
        }
        Dialect::GeminiGenerate => json!({ "models": models }),
        _ => json!({ "object": "list", "data": models }),
    }
}

/// What is known of a model.
fn described(model: &Model) -> Value {
    let per_million = |price: crate::units::PricePerMillion| NanoDollars(price.0).to_string();
    let prices = model.prices.as_ref().map(|prices| {
        json!({
            "input": per_million(prices.base.input),
            "output": per_million(prices.base.output),
            "cached": prices.base.cached.map(per_million),
            "unit": "dollars per million tokens",
        })
    });
    json!({
        "id": model.id,
        "object": "model",
        "created": 0,
        "owned_by": model.provider,
        "context_length": model.context,
        "max_output_tokens": model.max_output,
        "region": model.region,
        "pricing": prices,
        "quality": model.quality.as_ref().map(|quality| quality.overall),
        "retires": model.retires.map(|date| date.to_string()),
    })
}
