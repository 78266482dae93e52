//! From an HTTP request to a decision: who, what, which policy, which plan.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt;

use super::decisions::Decided;
use super::error::ApiError;
use super::ingress::Ingress;
use super::state::Gateway;
use super::traffic::Counted;
use super::world::World;
use crate::caller::Caller;
use crate::catalog::{Live, Lookup, ModelIdx};
use crate::dialect::Request;
use crate::dispatch::Log;
use crate::facts::{Inputs, RequestFacts, session};
use crate::ids::{PolicyName, RequestId};
use crate::policy::diagnostic::did_you_mean;
use crate::policy::eval::{Listener, Situation, WithLive, decide_watched};
use crate::policy::plan::{Decision, NoCandidate, Plan, Removal, RemovedBy};
use crate::policy::program::{Assumption, Program};
use crate::policy::syntax::tree::Span;
use crate::policy::trace::Recording;

/// A request that has been read and decided.
pub struct Decisive {
    /// Its id.
    pub id: RequestId,
    /// The world it lives in.
    pub world: Arc<World>,
    /// Who sent it.
    pub caller: Arc<Caller>,
    /// As sent.
    pub request: Arc<Request>,
    /// What the policy could look at.
    pub facts: Arc<RequestFacts>,
    /// The decision, for the record.
    pub decided: Arc<Decided>,
    /// How the models were doing.
    pub live: Arc<Live>,
    /// Its turn among all requests.
    pub turn: u64,
    /// Counts as under way.
    pub counted: Counted,
}

/// How much of a body that is refused is read all the same, and for how long: a client that is still
/// sending when its connection closes never sees the answer.
const READ_OFF: (usize, Duration) = (64 << 20, Duration::from_secs(1));

/// Reads a body, bounded.
pub async fn read_body(
    id: RequestId,
    headers: &HeaderMap,
    mut body: Body,
    limit: usize,
) -> Result<Bytes, ApiError> {
    let refused = match headers.get(header::CONTENT_ENCODING) {
        Some(encoding) if encoding.as_bytes() != b"identity" => ApiError::new(
            id,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_encoding",
            "compressed request bodies are not read; send it without `content-encoding`",
        ),
        _ => match collect(&mut body, headers, limit).await {
            Ok(Some(body)) => return Ok(body),
            Ok(None) => {
                let message = format!("the request body is larger than {limit} bytes");
                ApiError::new(id, StatusCode::PAYLOAD_TOO_LARGE, "request_too_large", message)
            }
            Err(_) => {
                let message = "the request body broke off before its end";
                return Err(ApiError::new(id, StatusCode::BAD_REQUEST, "incomplete_body", message));
            }
        },
    };
    // A client that asks first sends nothing when the answer is no.
    if !headers.contains_key(header::EXPECT) {
        let reading_off = async {
            let mut left = READ_OFF.0;
            while let Some(Ok(frame)) = body.frame().await {
                left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
                if left == 0 {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(READ_OFF.1, reading_off).await;
    }
    Err(refused)
}

/// The whole body; nothing if it is longer than the limit, by its own word or as it comes.
async fn collect(
    body: &mut Body,
    headers: &HeaderMap,
    limit: usize,
) -> Result<Option<Bytes>, axum::Error> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let announced = announced.and_then(|length| length.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Ok(None);
    }
    let mut first = Bytes::new();
    let mut rest: Vec<u8> = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        if first.len() + rest.len() + data.len() > limit {
            return Ok(None);
        }
        match (first.is_empty(), rest.is_empty()) {
            // Most bodies come in one piece, which need not be copied.
            (true, true) => first = data,
            (_, true) => {
                rest.reserve_exact(announced.unwrap_or(0).max(first.len() + data.len()));
                rest.extend_from_slice(&std::mem::take(&mut first));
                rest.extend_from_slice(&data);
            }
            (_, false) => rest.extend_from_slice(&data),
        }
    }
    Ok(Some(if rest.is_empty() { first } else { Bytes::from(rest) }))
}

/// Authenticates, reads and decides a request. Nothing has been sent anywhere when this returns.
pub async fn decide_request(
    gateway: &Gateway,
    id: RequestId,
    ingress: Ingress,
    body: Body,
) -> Result<Decisive, ApiError> {
    let Ingress { dialect, path, address, peer, headers, counts } = ingress;
    let world = gateway.world.load_full();
    let caller = authenticate(&world, id, &headers)?;
    let body = read_body(id, &headers, body, gateway.body_limit).await?;
    let address = address.as_ref().map(|address| (&*address.model, address.stream));
    let read = if counts { Request::read_count } else { Request::read };
    let request = read(dialect, body, address);
    let request = Arc::new(request.map_err(|error| ApiError::of_read(id, error))?);

    let program = program_for(&world, id, &request.shape().model)?;
    let now = jiff::Timestamp::now();
    let (counted, rates) = gateway.traffic.count(&caller.key, now.as_second());
    let session_model = session(&headers, &request)
        .and_then(|session| gateway.sessions.get(&(caller.tenant.to_string(), session.to_owned())));
    let facts = Arc::new(RequestFacts::new(Inputs {
        id,
        request: request.clone(),
        path,
        headers,
        client_ip: peer.map(|peer| peer.ip()),
        caller: caller.clone(),
        now,
        rates,
        session_model,
        catalog: world.catalog.clone(),
        enabled: world.enabled.clone(),
    }));
    let live = world.health.live();
    let turn = gateway.turn.fetch_add(1, Ordering::Relaxed);
    let decided = Arc::new(decide_with(gateway, &world, program, &facts, &live, turn));
    gateway.decisions.remember(id, decided.clone());
    Ok(Decisive { id, world, caller, request, facts, decided, live, turn, counted })
}

/// Who sent it.
pub fn authenticate(
    world: &World,
    id: RequestId,
    headers: &HeaderMap,
) -> Result<Arc<Caller>, ApiError> {
    world.keyring.authenticate(headers).map_err(|error| {
        ApiError::new(id, StatusCode::UNAUTHORIZED, error.code(), error.to_string())
    })
}

/// `auto/NAME` is decided by the policy with that name, everything else by the default one.
fn program_for(world: &World, id: RequestId, model: &str) -> Result<Arc<Program>, ApiError> {
    let name = match model.strip_prefix("auto/") {
        Some(name) => PolicyName::new(name),
        None => world.default_policy.clone(),
    };
    world.policies.get(&name).cloned().ok_or_else(|| {
        let known = world.policies.keys().map(PolicyName::as_str);
        let message = match did_you_mean(name.as_str(), known.clone()) {
            Some(near) => format!("there is no policy `{name}`; did you mean `auto/{near}`?"),
            None => format!(
                "there is no policy `{name}`; there is: {}",
                known.map(|name| format!("auto/{name}")).collect::<Vec<_>>().join(", ")
            ),
        };
        ApiError::new(id, StatusCode::NOT_FOUND, "unknown_policy", message).param("model")
    })
}

/// The model a client named, where the catalogue knows it and it is clear which is meant.
fn named(world: &World, model: &str) -> Option<ModelIdx> {
    world.catalog.find(model, |provider| world.endpoints.has(provider))
}

fn decide_with(
    gateway: &Gateway,
    world: &World,
    program: Arc<Program>,
    facts: &RequestFacts,
    live: &Live,
    turn: u64,
) -> Decided {
    let started = Instant::now();
    let caller = facts.inputs().caller.clone();
    let overlaid = WithLive { facts, live, program: &program };
    let recording = Recording::of(&overlaid);
    let (id, request) = (facts.inputs().id, &facts.inputs().request);
    let situation = Situation {
        facts: &recording,
        live,
        enabled: &world.enabled,
        allowed: &|model| caller.allows(&model.id),
        named: named(world, &request.shape().model),
        remembered: &|key| {
            let model = gateway.affinities.find(&caller.tenant, key)?;
            world.catalog.get(&model)
        },
        meter: &(),
        // The low bits of the id are random.
        seed: id.as_u128() as u64,
        turn,
    };
    let explain = facts.inputs().headers.get(super::headers::EXPLAIN).is_some();
    let mut watch = Watch { broken: Vec::new(), removed: explain.then(Vec::new) };
    let decision = decide_watched(&program, &situation, &mut watch);
    let removed = match &decision {
        Decision::NoCandidate(nobody) => nobody.removed.clone(),
        _ => watch.removed.unwrap_or_default(),
    };
    let took = started.elapsed();
    for assumption in watch.broken {
        let policy = program.name.as_str().into();
        gateway.metrics.assumption_broken(policy, program.sources.at(assumption).into());
    }
    let facts_asked = recording.recorded();
    Decided {
        tenant: caller.tenant.clone(),
        at: facts.inputs().now,
        requested: request.shape().model.clone(),
        program,
        facts: facts_asked,
        decision,
        removed,
        log: Arc::new(Log::default()),
        shadows: Arc::new(Log::default()),
        took,
    }
}

/// Listens to a decision: to what it leaves out only where somebody asks for it.
struct Watch {
    broken: Vec<Span>,
    removed: Option<Vec<Removal>>,
}

impl Listener for Watch {
    fn removed(&mut self, step: &Arc<str>, model: ModelIdx, by: RemovedBy) {
        if let Some(removed) = &mut self.removed {
            removed.removed(step, model, by);
        }
    }

    fn assumption_broken(&mut self, assumption: &Assumption) {
        self.broken.push(assumption.span);
    }
}

impl Decisive {
    /// The plan, or the error that stands in its place.
    pub fn plan(&self) -> Result<&Plan, ApiError> {
        match &self.decided.decision {
            Decision::Plan(plan) => Ok(plan),
            Decision::Denied(denied) => {
                let status = StatusCode::from_u16(denied.status).unwrap_or(StatusCode::FORBIDDEN);
                let code = if denied.over_cap { "cap_exceeded" } else { "denied_by_policy" };
                let message = format!("{} (rule `{}`)", denied.because, denied.rule);
                Err(ApiError::new(self.id, status, code, message))
            }
            Decision::NoCandidate(nobody) => Err(self.nobody(nobody)),
            Decision::UnknownModel => {
                Err(unknown_model(&self.world, self.id, &self.decided.requested))
            }
        }
    }

    fn nobody(&self, nobody: &NoCandidate) -> ApiError {
        let catalog = &self.world.catalog;
        if nobody.requested && nobody.removed.iter().any(|removal| removal.by == RemovedBy::Key) {
            let message = format!(
                "this key may not use `{}`; ask the operator, or send `model: \"auto\"`",
                self.decided.requested
            );
            return ApiError::new(self.id, StatusCode::FORBIDDEN, "model_not_allowed", message)
                .param("model");
        }
        let mut reasons: Vec<String> = nobody
            .removed
            .iter()
            .map(|removal| {
                format!("{}: {}", catalog.models()[removal.model.index()].id, removal.by)
            })
            .collect();
        reasons.sort();
        reasons.dedup();
        let more = reasons.len().saturating_sub(8);
        reasons.truncate(8);
        let mut message = format!("no model is left for this request (route `{}`)", nobody.route);
        if !reasons.is_empty() {
            message += ": ";
            message += &reasons.join("; ");
        }
        if more > 0 {
            message += &format!("; and {more} more");
        }
        ApiError::new(self.id, StatusCode::SERVICE_UNAVAILABLE, "no_candidate", message)
    }
}

/// The error for a model that is not there, with near names.
pub fn unknown_model(world: &World, id: RequestId, model: &str) -> ApiError {
    let enabled = |provider: &crate::ids::ProviderId| world.endpoints.has(provider);
    let message = match world.catalog.by_name(model, enabled) {
        Lookup::Ambiguous(ids) => {
            let names: Vec<String> = ids.iter().map(|id| format!("`{id}`")).collect();
            format!("`{model}` is offered by several providers; name one of {}", names.join(", "))
        }
        Lookup::Unknown { near } if !near.is_empty() => {
            let names: Vec<String> = near.iter().map(|id| format!("`{id}`")).collect();
            format!("there is no model `{model}`; did you mean {}?", names.join(" or "))
        }
        _ => format!(
            "there is no model `{model}`; `GET /v1/models` lists them, and `auto` leaves the choice \
             to the policy"
        ),
    };
    ApiError::new(id, StatusCode::NOT_FOUND, "model_not_found", message).param("model")
}
