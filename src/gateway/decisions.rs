//! What was decided lately and why, for `GET /v1/decisions/{id}` and `x-pointsman-explain`.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::catalog::Catalog;
use crate::dispatch::{AttemptRecord, Log};
use crate::ids::{RequestId, TenantId};
use crate::policy::nearby;
use crate::policy::plan::{Decision, Removal};
use crate::policy::program::Program;
use crate::policy::trace::{Recorded, trace};
use crate::policy::trial::Trial;

/// How many decisions are remembered.
const REMEMBERED: u64 = 10_000;
/// And for how long.
const REMEMBERED_FOR: Duration = Duration::from_secs(3_600);

/// One decision: the facts it asked for and what came of it. No message text.
pub struct Decided {
    /// Whose request it was.
    pub tenant: TenantId,
    /// When it came.
    pub at: jiff::Timestamp,
    /// The model the client named.
    pub requested: String,
    /// Who decided.
    pub program: Arc<Program>,
    /// On which facts.
    pub facts: Recorded,
    /// What.
    pub decision: Decision,
    /// Who was left out; filled in only where it was asked for or is the reason.
    pub removed: Vec<Removal>,
    /// What was tried.
    pub log: Arc<Log>,
    /// The copies whose answers nobody sees. They are not part of what the request cost.
    pub shadows: Arc<Log>,
    /// How long deciding took.
    pub took: Duration,
}

impl Decided {
    /// For people and programs.
    pub fn told(&self, id: RequestId) -> Value {
        let mut told = trace(&self.program, &self.facts, &self.decision, &self.removed);
        let attempts = self.log.attempts();
        told["id"] = json!(id.to_string());
        told["at"] = json!(self.at.to_string());
        told["requested"] = json!(self.requested);
        told["decide_ns"] = json!(self.took.as_nanos() as u64);
        told["cost"] = json!(format!("${}", self.log.cost()));
        let catalog = &self.program.catalog;
        told["attempts"] = attempts.iter().map(|attempt| attempt_told(attempt, catalog)).collect();
        let shadows = self.shadows.attempts();
        told["shadows"] = shadows.iter().map(|attempt| attempt_told(attempt, catalog)).collect();
        told
    }

    /// The same, with what would change the answer as far as the recorded facts say. Takes
    /// milliseconds: not for the path of a request.
    pub fn told_with_what_would_change(&self, id: RequestId) -> Value {
        let mut told = self.told(id);
        let trial = Trial::of(&self.program);
        let facts = self.facts.guarded();
        let around = nearby::nearby(&self.program, &facts, &|moved| {
            facts.missed();
            let outcome = trial.outcome(moved);
            (!facts.missed()).then_some(outcome)
        });
        told["would_change"] = nearby::to_json(&around, &self.program, &self.decision);
        told
    }
}

/// One attempt. The provider's own words stay out: they may name accounts and addresses.
fn attempt_told(attempt: &AttemptRecord, catalog: &Catalog) -> Value {
    let millis = |time: Option<Duration>| time.map(|time| time.as_micros() as f64 / 1_000.0);
    json!({
        "model": catalog.models()[attempt.model.index()].id,
        "step": attempt.step,
        "retry": attempt.retry,
        "hedge": attempt.hedge,
        "phase": attempt.phase,
        "verdict": attempt.verdict,
        "error": attempt.error,
        "status": attempt.status,
        "headers_ms": millis(attempt.headers),
        "ttft_ms": millis(attempt.ttft),
        "ms": millis(attempt.total),
        "cost": attempt.cost.map(|cost| format!("${cost}")),
        "usage": attempt.usage,
        "usage_source": attempt.usage_source,
        "losses": attempt.losses,
    })
}

/// The latest decisions.
pub struct Decisions(moka::sync::Cache<u128, Arc<Decided>>);

impl Decisions {
    /// None yet.
    pub fn new() -> Decisions {
        let latest = moka::sync::Cache::builder()
            .max_capacity(REMEMBERED)
            .time_to_live(REMEMBERED_FOR)
            .build();
        Decisions(latest)
    }

    /// Remembers one.
    pub fn remember(&self, id: RequestId, decided: Arc<Decided>) {
        self.0.insert(id.as_u128(), decided);
    }

    /// Finds one, for its own tenant only.
    pub fn find(&self, id: RequestId, tenant: &TenantId) -> Option<Arc<Decided>> {
        self.0.get(&id.as_u128()).filter(|decided| decided.tenant == *tenant)
    }
}

impl Default for Decisions {
    fn default() -> Decisions {
        Decisions::new()
    }
}
