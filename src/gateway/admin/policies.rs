//! A policy from stage to roll back. The file on disk is always the truth: an activation writes it,
//! so that a restart, a hot reload and version control see what decides.

use std::io;
use std::path::Path as FilePath;
use std::sync::{Arc, PoisonError};

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::changes::changes;
use super::draft::Draft;
use super::error;
use super::versions::{Entry, Versions, Why, replace};
use crate::gateway::error::ApiError;
use crate::gateway::intake::read_body;
use crate::gateway::state::Gateway;
use crate::gateway::world::World;
use crate::ids::{PolicyName, RequestId};
use crate::policy::diagnostic::{Severity, did_you_mean};
use crate::policy::program::Program;

/// The longest policy, in bytes.
const LONGEST: usize = 4 << 20;

type Answer = Result<Response, ApiError>;

/// What goes with an activation or a roll back.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Order {
    /// The generation that must be active, so that nobody replaces what they have not seen.
    expect: Option<String>,
    /// The generation to go back to; the one before where unsaid.
    to: Option<String>,
    /// Who gives the order, by their own word.
    by: Option<String>,
    /// What they say about it.
    note: Option<String>,
}

/// `GET /policies`
pub(super) async fn list(State(gateway): State<Arc<Gateway>>) -> Answer {
    aside(move || {
        let (world, kept) = (gateway.world.load_full(), kept(&gateway)?);
        let mut names: Vec<PolicyName> = world.policies.keys().cloned().collect();
        // New ones wait under a name that does not decide yet.
        names.extend(kept.names().into_iter().filter(|name| {
            !world.policies.contains_key(name)
                && known(&world, name.as_str()).is_ok()
                && kept.staged(name).is_ok_and(|it| it.is_some())
        }));
        let told = names.iter().map(|name| told(&world, kept, name));
        let told = told.collect::<Result<Vec<_>, _>>()?;
        Ok(Json(json!({ "default": world.default_policy, "policies": told })).into_response())
    })
    .await
}

/// `GET /policies/{name}/versions`
pub(super) async fn versions(
    State(gateway): State<Arc<Gateway>>,
    Path(name): Path<String>,
) -> Answer {
    aside(move || {
        let (world, kept) = (gateway.world.load_full(), kept(&gateway)?);
        let name = known(&world, &name)?;
        let history = kept.history(&name).map_err(unreadable)?;
        let active = world.policies.get(&name).map(|program| program.generation.to_string());
        let versions: Vec<_> = history.iter().rev().collect();
        let told = json!({ "name": name, "active": active, "versions": versions });
        Ok(Json(told).into_response())
    })
    .await
}

/// `GET /policies/{name}/versions/{generation}`
pub(super) async fn version(
    State(gateway): State<Arc<Gateway>>,
    Path((name, generation)): Path<(String, String)>,
) -> Answer {
    aside(move || {
        let (world, kept) = (gateway.world.load_full(), kept(&gateway)?);
        let name = known(&world, &name)?;
        let text = text_of(&world, kept, &name, &generation)?;
        let history = kept.history(&name).map_err(unreadable)?;
        let entries: Vec<_> = history.iter().filter(|it| it.generation == generation).collect();
        let told =
            json!({ "name": name, "generation": generation, "text": text, "active_at": entries });
        Ok(Json(told).into_response())
    })
    .await
}

/// `PUT /policies/{name}/staged`: the body is a policy. It is kept if there is nothing wrong with
/// it; no request is decided by it.
pub(super) async fn stage(
    State(gateway): State<Arc<Gateway>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let body = read_body(RequestId::fresh(), &headers, body, LONGEST).await?;
    aside(move || {
        let text = String::from_utf8(body.into()).map_err(|_| {
            error(StatusCode::BAD_REQUEST, "not_text", "a policy is text, in UTF-8")
        })?;
        let (world, kept) = (gateway.world.load_full(), kept(&gateway)?);
        let draft = Draft::of(&world, &known(&world, &name)?, text)?;
        draft.program()?;
        let name = &draft.source.name;
        kept.stage(name, &draft.source.text).map_err(unwritable)?;
        tracing::info!(policy = %name, generation = draft.generation(), "policy staged");
        Ok(Json(draft.told()).into_response())
    })
    .await
}

/// `GET /policies/{name}/staged`
pub(super) async fn staged(
    State(gateway): State<Arc<Gateway>>,
    Path(name): Path<String>,
) -> Answer {
    aside(move || {
        let (world, kept) = (gateway.world.load_full(), kept(&gateway)?);
        let name = known(&world, &name)?;
        let draft = Draft::of(&world, &name, waiting(kept, &name)?)?;
        let mut told = draft.told();
        told["text"] = json!(draft.source.text);
        Ok(Json(told).into_response())
    })
    .await
}

/// `DELETE /policies/{name}/staged`
pub(super) async fn unstage(
    State(gateway): State<Arc<Gateway>>,
    Path(name): Path<String>,
) -> Answer {
    aside(move || {
        let name = known(&gateway.world.load(), &name)?;
        match kept(&gateway)?.unstage(&name).map_err(unwritable)? {
            true => Ok(StatusCode::NO_CONTENT.into_response()),
            false => Err(nothing_staged(&name)),
        }
    })
    .await
}

/// `GET /policies/{name}/diff`: what the staged text would change.
pub(super) async fn diff(State(gateway): State<Arc<Gateway>>, Path(name): Path<String>) -> Answer {
    aside(move || {
        let (world, kept) = (gateway.world.load_full(), kept(&gateway)?);
        let name = known(&world, &name)?;
        let draft = Draft::of(&world, &name, waiting(kept, &name)?)?;
        let active = world.policies.get(&name);
        let new = draft.program().ok();
        let changes = changes(active.map(|old| &**old), &draft.source.text, new.map(|new| &**new));
        let told = json!({
            "name": name,
            "active": active.map(|program| program.generation.to_string()),
            "staged": draft.generation(),
            "changes": changes,
        });
        Ok(Json(told).into_response())
    })
    .await
}

/// `POST /policies/{name}/activate`: what is staged decides from now on.
pub(super) async fn activate(
    State(gateway): State<Arc<Gateway>>,
    Path(name): Path<String>,
    body: Bytes,
) -> Answer {
    let order = order(&body)?;
    aside(move || {
        let _one_at_a_time = gateway.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let (world, kept) = (gateway.world.load_full(), kept(&gateway)?);
        let name = known(&world, &name)?;
        if order.to.is_some() {
            let message = "`to` is for roll backs; what is staged is activated";
            return Err(error(StatusCode::BAD_REQUEST, "invalid_request", message));
        }
        expected(&world, &name, &order)?;
        let text = waiting(kept, &name)?;
        let told =
            enforce(&gateway, &world, Draft::of(&world, &name, text)?, Why::Activated, order)?;
        kept.unstage(&name).map_err(unwritable)?;
        Ok(Json(told).into_response())
    })
    .await
}

/// `POST /policies/{name}/rollback`: an earlier version decides again.
pub(super) async fn rollback(
    State(gateway): State<Arc<Gateway>>,
    Path(name): Path<String>,
    body: Bytes,
) -> Answer {
    let order = order(&body)?;
    aside(move || {
        let _one_at_a_time = gateway.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let (world, kept) = (gateway.world.load_full(), kept(&gateway)?);
        let name = known(&world, &name)?;
        expected(&world, &name, &order)?;
        let to = match &order.to {
            Some(to) => to.clone(),
            None => before(&world, kept, &name)?,
        };
        let text = text_of(&world, kept, &name, &to)?;
        let draft = Draft::of(&world, &name, text)?;
        let told = enforce(&gateway, &world, draft, Why::RolledBack, order)?;
        Ok(Json(told).into_response())
    })
    .await
}

/// Keeps what the files say, where it is not what was active before.
pub fn note_loaded(kept: &Versions, world: &World) {
    for source in world.sources.values().filter(|source| source.path.is_some()) {
        let Some(program) = world.policies.get(&source.name) else { continue };
        let noted = kept.history(&source.name).and_then(|history| {
            let generation = program.generation.to_string();
            if history.last().is_some_and(|last| last.generation == generation) {
                return Ok(());
            }
            kept.keep(&source.name, &generation, &source.text)?;
            kept.note(&source.name, &entry(program, Why::Loaded, Order::default()))
        });
        if let Err(error) = noted {
            tracing::warn!(policy = %source.name, "its version cannot be kept: {error}");
        }
    }
}

/// Lets a draft decide from now on: its text is kept, then written to the policy's file, then the
/// world is swapped. Whatever fails before that leaves all as it was.
fn enforce(
    gateway: &Gateway,
    world: &World,
    draft: Draft,
    why: Why,
    order: Order,
) -> Result<Value, ApiError> {
    let program = draft.program()?.clone();
    let name = draft.source.name.clone();
    let before = world.policies.get(&name).map(|active| active.generation);
    if before == Some(program.generation) {
        let message = format!("`{name}@{}` is active already", program.generation);
        return Err(error(StatusCode::CONFLICT, "already_active", message));
    }
    let Some(path) = draft.source.path.clone() else {
        let message = format!(
            "the policy `{name}` comes with the program and has no file to be written to; name one \
             with `policy:` or a folder with `policies:` in pointsman.yaml"
        );
        return Err(error(StatusCode::CONFLICT, "no_policy_file", message));
    };
    let dependants = draft.dependants(world)?;
    let (kept, generation) = (kept(gateway)?, program.generation.to_string());
    kept.keep(&name, &generation, &draft.source.text).map_err(unwritable)?;
    replace(&path, &draft.source.text).map_err(|error| not_replaced(&path, &error))?;
    let entry = entry(&program, why, order);
    let mut next = world.with_policy(draft.source, program);
    for (source, program) in dependants {
        next = next.with_policy(source, program);
    }
    gateway.enter(next);
    gateway.metrics.reloaded(true, entry.at);
    tracing::info!(
        policy = %name, generation, before = before.map(tracing::field::display),
        by = entry.by, note = entry.note, why = ?entry.why,
        "policy changed by an operator"
    );
    kept.note(&name, &entry).map_err(|why| {
        let message = format!("`{name}@{generation}` decides now, but that cannot be noted: {why}");
        error(StatusCode::INTERNAL_SERVER_ERROR, "state_dir", message)
    })?;
    note_loaded(kept, &gateway.world.load());
    Ok(json!({
        "name": name,
        "generation": generation,
        "before": before.map(|generation| generation.to_string()),
        "since": entry.at,
        "file": path.display().to_string(),
    }))
}

fn entry(program: &Program, why: Why, order: Order) -> Entry {
    let others = program.sources.files().enumerate().skip(1).map(|(index, file)| {
        let hash = blake3::hash(program.sources.file_text(index).as_bytes());
        (file.to_string(), hash.to_hex().to_string())
    });
    Entry {
        at: jiff::Timestamp::now(),
        generation: program.generation.to_string(),
        why,
        by: order.by,
        note: order.note,
        files: others.collect(),
    }
}

/// The generation that was active before the one that is.
fn before(world: &World, kept: &Versions, name: &PolicyName) -> Result<String, ApiError> {
    let active = world.policies.get(name).map(|program| program.generation.to_string());
    let history = kept.history(name).map_err(unreadable)?;
    let earlier = history.into_iter().rev().map(|entry| entry.generation);
    earlier.into_iter().find(|generation| Some(generation) != active.as_ref()).ok_or_else(|| {
        let message = format!("there is no earlier version of `{name}` to go back to");
        error(StatusCode::CONFLICT, "no_earlier_version", message)
    })
}

fn text_of(
    world: &World,
    kept: &Versions,
    name: &PolicyName,
    generation: &str,
) -> Result<String, ApiError> {
    if let Some(active) = world.policies.get(name)
        && active.generation.to_string() == generation
    {
        return Ok(active.sources.file_text(0).to_owned());
    }
    kept.text(name, generation).map_err(unreadable)?.ok_or_else(|| {
        let message = format!(
            "there is no version {generation:?} of `{name}`; GET /policies/{name}/versions lists them"
        );
        error(StatusCode::NOT_FOUND, "unknown_version", message)
    })
}

fn expected(world: &World, name: &PolicyName, order: &Order) -> Result<(), ApiError> {
    let active = world.policies.get(name).map(|program| program.generation.to_string());
    match &order.expect {
        Some(expect) if active.as_ref() != Some(expect) => {
            let message = match active {
                Some(active) => format!("`{name}@{active}` is active, and not {expect}"),
                None => format!("no version of `{name}` is active, and so not {expect}"),
            };
            Err(error(StatusCode::CONFLICT, "not_as_expected", message))
        }
        _ => Ok(()),
    }
}

fn waiting(kept: &Versions, name: &PolicyName) -> Result<String, ApiError> {
    kept.staged(name).map_err(unreadable)?.ok_or_else(|| nothing_staged(name))
}

fn told(world: &World, kept: &Versions, name: &PolicyName) -> Result<Value, ApiError> {
    let history = kept.history(name).map_err(unreadable)?;
    let active = world.policies.get(name).map(|program| {
        let generation = program.generation.to_string();
        let since = history.iter().rev().find(|entry| entry.generation == generation);
        json!({
            "generation": generation,
            "file": program.sources.files().next(),
            "since": since.map(|entry| entry.at),
        })
    });
    let staged = match kept.staged(name).map_err(unreadable)? {
        Some(text) => {
            let draft = Draft::of(world, name, text)?;
            json!({
                "generation": draft.generation(),
                "errors": draft.count(Severity::Error),
                "warnings": draft.count(Severity::Warning),
            })
        }
        None => Value::Null,
    };
    let mut versions: Vec<&str> = history.iter().map(|entry| entry.generation.as_str()).collect();
    versions.sort_unstable();
    versions.dedup();
    Ok(json!({
        "name": name,
        "active": active,
        "staged": staged,
        "versions": versions.len(),
    }))
}

/// The policy of this name, or a name that a new one may have.
fn known(world: &World, name: &str) -> Result<PolicyName, ApiError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    let may_be = world.folder.is_some() && !name.starts_with('.') && name.bytes().all(plain);
    if world.sources.contains_key(name) || (may_be && (1..=100).contains(&name.len())) {
        return Ok(PolicyName::new(name));
    }
    Err(unknown(world, name))
}

pub(super) fn unknown(world: &World, name: &str) -> ApiError {
    let names = world.sources.keys().map(PolicyName::as_str);
    let help = match did_you_mean(name, names.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there is: {}", names.collect::<Vec<_>>().join(", ")),
    };
    let message =
        format!("there is no policy `{name}`, and none of that name can be added; {help}");
    error(StatusCode::NOT_FOUND, "unknown_policy", message)
}

fn nothing_staged(name: &PolicyName) -> ApiError {
    let message = format!("nothing is staged for `{name}`; PUT /policies/{name}/staged does it");
    error(StatusCode::NOT_FOUND, "nothing_staged", message)
}

fn kept(gateway: &Gateway) -> Result<&Versions, ApiError> {
    gateway.versions.as_ref().ok_or_else(|| {
        error(StatusCode::INTERNAL_SERVER_ERROR, "state_dir", "no versions are kept here")
    })
}

fn unreadable(why: io::Error) -> ApiError {
    let message = format!("the state directory cannot be read: {why}");
    error(StatusCode::INTERNAL_SERVER_ERROR, "state_dir", message)
}

fn unwritable(why: io::Error) -> ApiError {
    let message = format!("the state directory cannot be written: {why}");
    error(StatusCode::INTERNAL_SERVER_ERROR, "state_dir", message)
}

fn not_replaced(path: &FilePath, why: &io::Error) -> ApiError {
    let message = format!(
        "{} cannot be written, so the policy stays as it is: {why}; make the file and its folder \
         writable, or change the file by the way it came",
        path.display()
    );
    error(StatusCode::CONFLICT, "file_not_writable", message)
}

fn order(body: &[u8]) -> Result<Order, ApiError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Order::default());
    }
    serde_json::from_slice(body).map_err(|why| {
        let message = format!("the body is no order ({why}); it may have expect, to, by and note");
        error(StatusCode::BAD_REQUEST, "invalid_request", message)
    })
}

/// Files are read and policies compiled where no request waits for it.
async fn aside(work: impl FnOnce() -> Answer + Send + 'static) -> Answer {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| {
        let message = "the gateway failed on this request; it was logged";
        Err(error(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", message))
    })
}
