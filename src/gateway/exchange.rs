//! One request and its answer: cache, dispatch, and the decision disclosed.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::json;

use super::decision_log::Finished;
use super::error::ApiError;
use super::headers::{self, Reason};
use super::intake::Decisive;
use super::state::Gateway;
use crate::cache::{CacheKey, Lead, Lookup, Stored, key};
use crate::dialect::Dialect;
use crate::dialect::object::with_top_level_field;
use crate::dialect::passage::{self, Context};
use crate::dispatch::{self, Content, Delivery, Forward, Job, Log};
use crate::ids::ModelId;
use crate::policy::course::Served;
use crate::policy::plan::{Decision, Plan, PlanReason};
use crate::policy::program::CacheDirective;
use crate::telemetry::metrics::Outcome;
use crate::units::NanoDollars;

/// One request on its way to an answer. Dropped before the answer (the client went away), it still
/// writes its line into the log.
pub struct Exchange {
    gateway: Arc<Gateway>,
    decisive: Arc<Decisive>,
    log: Arc<Log>,
    account: Account,
    explain: bool,
}

/// What the cache did for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CacheUse {
    Off,
    Bypass,
    Miss,
    Hit,
    Joined,
}

impl CacheUse {
    fn name(self) -> &'static str {
        match self {
            CacheUse::Off => "off",
            CacheUse::Bypass => "bypass",
            CacheUse::Miss => "miss",
            CacheUse::Hit => "hit",
            CacheUse::Joined => "coalesced",
        }
    }
}

/// What the decision headers say.
struct Disclosure {
    model: Option<ModelId>,
    reason: Reason,
    cache: CacheUse,
    /// Not known yet on streams.
    cost: Option<NanoDollars>,
    losses: Vec<crate::dialect::Loss>,
}

impl Exchange {
    /// Begins.
    pub fn new(gateway: Arc<Gateway>, decisive: Decisive, started: Instant) -> Exchange {
        let log = decisive.decided.log.clone();
        let decisive = Arc::new(decisive);
        let in_flight = decisive.world.health.request();
        let account = Account {
            gateway: gateway.clone(),
            decisive: decisive.clone(),
            log: log.clone(),
            started,
            status: None,
            model: None,
            cached: false,
            _in_flight: in_flight,
        };
        let explain = decisive.facts.inputs().headers.get(headers::EXPLAIN).is_some();
        Exchange { gateway, decisive, log, account, explain }
    }

    /// Answers.
    pub async fn answer(self) -> Response {
        let decisive = self.decisive.clone();
        let plan = match decisive.plan() {
            Ok(plan) => plan,
            Err(error) => return self.refuse(error, None),
        };
        let (used, lead) = match self.cache_terms(plan) {
            Terms::Off => (CacheUse::Off, None),
            Terms::Bypass => (CacheUse::Bypass, None),
            Terms::Keep(key, ttl) => match &self.gateway.cache {
                None => (CacheUse::Off, None),
                Some(cache) => match cache.find(key).await {
                    Lookup::Hit(stored) => return self.cached(plan, &stored, CacheUse::Hit),
                    Lookup::Joined(stored) => return self.cached(plan, &stored, CacheUse::Joined),
                    Lookup::Miss(lead) => (CacheUse::Miss, Some((lead, ttl))),
                },
            },
        };
        let job = Job {
            plan: plan.clone(),
            request: decisive.request.clone(),
            facts: decisive.facts.clone(),
            catalog: decisive.world.catalog.clone(),
            endpoints: decisive.world.endpoints.clone(),
            health: decisive.world.health.clone(),
            clocks: decisive.world.clocks,
            log: self.log.clone(),
            thoughts: self.gateway.thoughts.clone(),
            affinities: self.gateway.affinities.clone(),
        };
        let shadows = (!plan.shadows.is_empty())
            .then(|| Job { log: decisive.decided.shadows.clone(), ..job.clone() });
        let outcome = dispatch::run(job).await;
        if let Some(shadows) = shadows {
            self.gateway.shadows.send(shadows);
        }
        match outcome {
            Ok(delivery) => self.deliver(plan, delivery, used, lead).await,
            Err(failure) => {
                let catalog = &decisive.world.catalog;
                let model = failure.model.map(|model| catalog.models()[model.index()].id.clone());
                let name = model.as_ref().map(ModelId::as_str);
                let error = ApiError::of_upstream(decisive.id, &failure.error, name);
                self.refuse(error, model)
            }
        }
    }

    // ---- cache -------------------------------------------------------------------------------

    fn cache_terms(&self, plan: &Plan) -> Terms {
        let inputs = self.decisive.facts.inputs();
        let header = |name: &str| inputs.headers.get(name).and_then(|value| value.to_str().ok());
        let asked = header(headers::CACHE_TTL.as_str())
            .and_then(|text| crate::config::parse_duration(text).ok());
        let (ttl, parts) = match (&plan.settings.cache, asked) {
            // What a policy forbids no header allows.
            (Some(CacheDirective::Off), _) => return Terms::Off,
            (Some(CacheDirective::Exact { ttl, key }), asked) => {
                (asked.map_or(*ttl, |asked| asked.min(*ttl)), key.as_ref())
            }
            (None, Some(asked)) => (asked, None),
            (None, None) => return Terms::Off,
        };
        let refused = header(header::CACHE_CONTROL.as_str())
            .is_some_and(|control| control.contains("no-cache") || control.contains("no-store"));
        if refused {
            return Terms::Bypass;
        }
        let targets = key::targets(plan, &self.decisive.world.catalog);
        let parts: Option<Vec<&str>> =
            parts.map(|parts| parts.iter().map(|part| &**part).collect());
        let extra = self.extra_key_parts(parts.as_deref().unwrap_or_default());
        let extra: Vec<(&str, &str)> =
            extra.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let scope = key::Scope {
            tenant: &self.decisive.caller.tenant,
            targets: &targets,
            extra: &extra,
            parts: parts.as_deref(),
            settings: &plan.settings,
        };
        CacheKey::of(&self.decisive.request, &scope).map_or(Terms::Off, |key| Terms::Keep(key, ttl))
    }

    /// The values of attributes that a policy wants in the key.
    fn extra_key_parts<'p>(&self, parts: &[&'p str]) -> Vec<(&'p str, String)> {
        use crate::policy::schema::{Attr, AttrRef};
        use crate::policy::value::{Facts, Value};
        let attrs = parts.iter().filter_map(|part| Some((*part, Attr::named(part)?)));
        attrs
            .map(|(name, attr)| {
                let value = match self.decisive.facts.get(&AttrRef::plain(attr)) {
                    Value::Str(text) => format!("={text}"),
                    _ => String::new(),
                };
                (name, value)
            })
            .collect()
    }

    fn cached(mut self, plan: &Plan, stored: &Stored, used: CacheUse) -> Response {
        let reason = if used == CacheUse::Joined { Reason::Coalesced } else { Reason::Cached };
        let disclosure = Disclosure {
            model: Some(stored.model.clone()),
            reason,
            cache: used,
            cost: Some(NanoDollars::ZERO),
            losses: Vec::new(),
        };
        self.account.cached = true;
        self.account.end(StatusCode::OK, Some(stored.model.clone()));
        let shape = self.decisive.request.shape();
        let mut response = if shape.stream {
            let context = self.context(&stored.model);
            let events = passage::replay(self.dialect(), &stored.body, &context);
            let events = events.unwrap_or_default();
            let mut body: Vec<u8> = Vec::with_capacity(stored.body.len() * 2);
            let last = events.len().saturating_sub(1);
            for (index, event) in events.iter().enumerate() {
                if index == last && self.explain && self.dialect() != Dialect::GeminiGenerate {
                    body.extend_from_slice(&explanation_event(&self.decisive));
                }
                body.extend_from_slice(event);
            }
            event_stream(Body::from(body))
        } else {
            json_answer(self.with_explanation(stored.body.clone()))
        };
        self.disclose(response.headers_mut(), Some(plan), &disclosure);
        response
    }

    // ---- the answer --------------------------------------------------------------------------

    async fn deliver(
        mut self,
        plan: &Plan,
        delivery: Delivery,
        used: CacheUse,
        lead: Option<(Lead, Duration)>,
    ) -> Response {
        let model = self.decisive.world.catalog.models()[delivery.model.index()].id.clone();
        let lead = lead.filter(|_| !delivery.rejected);
        self.remember_session(&model);
        let reason = match (delivery.served, plan.reason) {
            (Served::Fallback, _) => Reason::Fallback,
            (Served::Escalated, _) => Reason::Escalated,
            (Served::Hedged, _) => Reason::Hedged,
            (Served::AsPlanned, PlanReason::Matched) => Reason::Matched,
            (Served::AsPlanned, PlanReason::Requested) => Reason::Requested,
            (Served::AsPlanned, PlanReason::Degraded) => Reason::Degraded,
            (Served::AsPlanned, PlanReason::Arm) => Reason::Arm,
        };
        let mut disclosure = Disclosure {
            model: Some(model.clone()),
            reason,
            cache: used,
            cost: None,
            losses: delivery.losses,
        };
        let provider_headers = delivery.headers;
        match delivery.content {
            Content::Whole { body, usage } => {
                if let (Some((lead, ttl)), Some(cache)) = (&lead, &self.gateway.cache) {
                    let stored = Stored { body: body.clone(), model: model.clone(), ttl: *ttl };
                    cache.store(lead, stored).await;
                }
                drop(lead);
                disclosure.cost = Some(self.log.cost());
                self.decisive.counted.tokens(usage.total().0);
                self.account.end(StatusCode::OK, Some(model));
                let mut response = json_answer(self.with_explanation(body));
                pass_on(&provider_headers, response.headers_mut());
                self.disclose(response.headers_mut(), Some(plan), &disclosure);
                response
            }
            Content::Stream(forward) => {
                let mut answer = HeaderMap::new();
                pass_on(&provider_headers, &mut answer);
                self.disclose(&mut answer, Some(plan), &disclosure);
                let mut response = event_stream(self.stream_body(forward, model, lead));
                response.headers_mut().extend(answer);
                response
            }
        }
    }

    fn stream_body(
        mut self,
        mut forward: Box<Forward>,
        model: ModelId,
        lead: Option<(Lead, Duration)>,
    ) -> Body {
        if lead.is_some() {
            forward.collect();
        }
        let (decisive, explain, log) = (self.decisive.clone(), self.explain, self.log.clone());
        forward.with_epilogue(move |answer| {
            decisive.counted.tokens(answer.usage.total().0);
            if decisive.request.dialect() == Dialect::GeminiGenerate {
                // Google's own client takes a comment for a broken answer.
                Bytes::new()
            } else if explain {
                explanation_event(&decisive)
            } else {
                // A comment: every client passes it over, and whoever looks finds it.
                Bytes::from(format!(": {}: {}\n\n", headers::COST, log.cost()))
            }
        });
        let id = self.decisive.id.to_string();
        self.account.model = Some(model.clone());
        // Dropped in this order where the client goes away: the attempt ends before the account.
        let state = (forward, self, lead, id, model);
        let events = futures_util::stream::unfold(state, |mut state| async move {
            let (forward, exchange, lead, id, model) = &mut state;
            match forward.next(id).await {
                Some(bytes) => Some((Ok::<Bytes, Infallible>(bytes), state)),
                None => {
                    if let Some((lead, ttl)) = lead.as_ref()
                        && let Some(body) = forward.take_whole()
                        && let Some(cache) = &exchange.gateway.cache
                    {
                        cache.store(lead, Stored { body, model: model.clone(), ttl: *ttl }).await;
                    }
                    exchange.account.end(StatusCode::OK, Some(model.clone()));
                    None
                }
            }
        });
        Body::from_stream(events)
    }

    fn dialect(&self) -> Dialect {
        self.decisive.request.dialect()
    }

    /// What whoever writes an answer for the client has to know.
    fn context(&self, model: &ModelId) -> Context {
        Context {
            id: self.decisive.id.to_string(),
            model: model.to_string(),
            created: self.decisive.decided.at.as_second(),
            request: self.decisive.request.clone(),
        }
    }

    fn remember_session(&self, model: &ModelId) {
        if let Some(session) = self.decisive.facts.session() {
            let tenant = self.decisive.caller.tenant.to_string();
            self.gateway.sessions.insert((tenant, session.to_owned()), model.clone());
        }
    }

    fn with_explanation(&self, body: Bytes) -> Bytes {
        if !self.explain {
            return body;
        }
        let told = self.decisive.decided.told(self.decisive.id).to_string();
        with_top_level_field(&body, "pointsman", &told).unwrap_or(body)
    }

    fn refuse(mut self, error: ApiError, model: Option<ModelId>) -> Response {
        self.account.end(error.status, model.clone());
        let plan = self.decisive.plan().ok();
        let reason = match plan.map(|plan| plan.reason) {
            Some(PlanReason::Requested) => Reason::Requested,
            Some(PlanReason::Degraded) => Reason::Degraded,
            Some(PlanReason::Arm) => Reason::Arm,
            _ => Reason::Matched,
        };
        let disclosure = Disclosure {
            model,
            reason,
            cache: CacheUse::Off,
            cost: Some(self.log.cost()),
            losses: Vec::new(),
        };
        let mut response = error.in_dialect(self.dialect());
        self.disclose(response.headers_mut(), plan, &disclosure);
        if !self.explain {
            return response;
        }
        // Errors are explained too: there it matters most.
        let told = json!({ "pointsman": self.decisive.decided.told(self.decisive.id) });
        let (parts, body) = response.into_parts();
        explained_error(parts, body, &told)
    }

    fn disclose(&self, answer: &mut HeaderMap, plan: Option<&Plan>, disclosure: &Disclosure) {
        let decided = &self.decisive.decided;
        let mut say = |name: http::HeaderName, text: &str| {
            if let Ok(value) = HeaderValue::from_str(text) {
                answer.insert(name, value);
            }
        };
        let id = self.decisive.id.to_string();
        say(headers::ID, &id);
        if let Some(name) = headers::id_of_dialect(self.decisive.request.dialect()) {
            say(name, &id);
        }
        say(headers::REQUESTED, &decided.requested);
        say(headers::POLICY, &format!("{}@{}", decided.program.name, decided.program.generation));
        say(headers::ATTEMPTS, &self.log.count().to_string());
        say(headers::CACHE, disclosure.cache.name());
        if let Some(model) = &disclosure.model {
            say(headers::MODEL, model.as_str());
        }
        if let Some(cost) = disclosure.cost {
            say(headers::COST, &cost.to_string());
        }
        if let Some(plan) = plan {
            say(headers::ROUTE, &plan.route);
            say(headers::REASON, disclosure.reason.as_str());
            if let Some(arm) = &plan.arm {
                say(headers::ARM, &format!("{}/{}", arm.split, arm.arm));
            }
        }
        if !disclosure.losses.is_empty() {
            let losses: Vec<String> = disclosure
                .losses
                .iter()
                .map(|loss| format!("{}={:?}", loss.param, loss.how).to_lowercase())
                .collect();
            say(headers::LOSSES, &losses.join(", "));
        }
    }
}

/// Whether and how an answer is kept.
enum Terms {
    Off,
    Bypass,
    Keep(CacheKey, Duration),
}

/// An answer of JSON.
pub fn json_answer(body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

fn event_stream(body: Body) -> Response {
    let mut response = Response::new(body);
    let answer = response.headers_mut();
    answer
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    answer.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // nginx and its like buffer streams unless told otherwise.
    answer.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// The provider's limits are the client's business too; its request id is for support.
fn pass_on(provider: &HeaderMap, answer: &mut HeaderMap) {
    for (name, value) in provider {
        let name_text = name.as_str();
        if name_text.starts_with("x-ratelimit-") || name_text == "openai-processing-ms" {
            answer.insert(name.clone(), value.clone());
        }
    }
}

/// The decision as an event: in `openai.chat` a last chunk without choices; elsewhere a comment,
/// because clients may refuse events that they do not know.
fn explanation_event(decisive: &Decisive) -> Bytes {
    if decisive.request.dialect() != Dialect::OpenAiChat {
        let told = decisive.decided.told(decisive.id);
        return Bytes::from(format!(": pointsman: {told}\n\n"));
    }
    let chunk = json!({
        "id": decisive.id.to_string(),
        "object": "chat.completion.chunk",
        "created": decisive.decided.at.as_second(),
        "model": decisive.decided.requested,
        "choices": [],
        "pointsman": decisive.decided.told(decisive.id),
    });
    Bytes::from(format!("data: {chunk}\n\n"))
}

fn explained_error(parts: http::response::Parts, body: Body, told: &serde_json::Value) -> Response {
    // Our own error bodies are complete in memory, so this never waits.
    let collected = futures_util::FutureExt::now_or_never(http_body_util::BodyExt::collect(body));
    let bytes =
        collected.and_then(Result::ok).map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let told = told["pointsman"].to_string();
    let bytes = with_top_level_field(&bytes, "pointsman", &told).unwrap_or(bytes);
    Response::from_parts(parts, Body::from(bytes))
}

/// The line of a request in the log, written once, however the request ends.
struct Account {
    gateway: Arc<Gateway>,
    decisive: Arc<Decisive>,
    log: Arc<Log>,
    started: Instant,
    status: Option<StatusCode>,
    model: Option<ModelId>,
    cached: bool,
    _in_flight: dispatch::health::RequestInFlight,
}

impl Account {
    fn end(&mut self, status: StatusCode, model: Option<ModelId>) {
        self.status = Some(status);
        self.model = model.or(self.model.take());
    }

    fn outcome(&self) -> Outcome {
        match (&self.decisive.decided.decision, self.status) {
            (Decision::Denied(_), _) => Outcome::Denied,
            (Decision::NoCandidate(_) | Decision::UnknownModel, _) => Outcome::NoModel,
            (Decision::Plan(_), None) => Outcome::Canceled,
            (Decision::Plan(_), Some(status)) if !status.is_success() => Outcome::Failed,
            (Decision::Plan(_), Some(_)) if self.cached => Outcome::Cached,
            (Decision::Plan(_), Some(_)) => Outcome::Answered,
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        // Without a status the client went away before the end.
        let status = self.status.map_or(499, |status| status.as_u16());
        let decided = &self.decisive.decided;
        let plan = self.decisive.plan().ok();
        let tags = plan.map(|plan| {
            let tags = plan.settings.tags.iter().map(|(name, value)| format!("{name}={value}"));
            tags.collect::<Vec<_>>().join(",")
        });
        tracing::info!(
            request = %self.decisive.id,
            key = %self.decisive.caller.key,
            status,
            requested = %decided.requested,
            model = self.model.as_ref().map(ModelId::as_str),
            route = plan.map(|plan| &*plan.route),
            policy = %decided.program.generation,
            attempts = self.log.count(),
            cached = self.cached,
            cost = %self.log.cost(),
            ms = self.started.elapsed().as_millis() as u64,
            tags,
            "request"
        );
        let route = decided.decision.rule().cloned().unwrap_or_default();
        let policy = decided.program.name.text();
        self.gateway.metrics.request(policy, route, self.outcome());
        if let Some(log) = &self.gateway.decision_log {
            let written = log.write(Finished {
                id: self.decisive.id,
                world: self.decisive.world.clone(),
                facts: self.decisive.facts.clone(),
                live: self.decisive.live.clone(),
                turn: self.decisive.turn,
                decided: decided.clone(),
                status,
                model: self.model.clone(),
                cached: self.cached,
                took: self.started.elapsed(),
            });
            if !written && self.gateway.metrics.decision_lost() {
                tracing::warn!("the decision log cannot keep up: lines are lost, and counted");
            }
        }
        let share = plan.and_then(|plan| plan.settings.log_bodies);
        if share.is_some_and(|share| fastrand::u32(..10_000) < share.0) {
            let body = String::from_utf8_lossy(self.decisive.request.body());
            tracing::info!(request = %self.decisive.id, "body: {body}");
        }
    }
}
