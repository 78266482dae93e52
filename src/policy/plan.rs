//! What a policy yields: whom to ask, in which order, within which bounds.

use std::sync::Arc;

use smallvec::SmallVec;

use super::cond::Cond;
use super::program::{Hold, Settings};
use crate::catalog::ModelIdx;
use crate::error_class::ErrorSet;
use crate::units::NanoDollars;

/// The clock of the whole request, where nothing else is said.
pub const DEFAULT_TOTAL: std::time::Duration = std::time::Duration::from_secs(600);

/// How many of a step's candidates are asked at most. A pool may follow the whole catalogue, and an
/// outage of many must not turn one request into hundreds.
pub const MOST_CANDIDATES: usize = 8;

/// Models to ask, one after the other.
pub type Candidates = SmallVec<[ModelIdx; 4]>;

/// The outcome of a decision.
#[derive(Debug, Clone)]
pub enum Decision {
    /// Carry this out.
    Plan(Plan),
    /// A `deny` rule matched, or the cap's breach is a refusal.
    Denied(Denied),
    /// There is a rule for this request, but every model was removed.
    NoCandidate(NoCandidate),
    /// The client named a model that is not in the catalogue, and no rule takes such requests.
    UnknownModel,
}

/// How to answer one request.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The rule that decided: a route, an alias, `default`, or `requested`.
    pub route: Arc<str>,
    /// The rule's line in the policy; `None` for `requested`.
    pub line: Option<u32>,
    /// Why this plan.
    pub reason: PlanReason,
    /// The arm of a split.
    pub arm: Option<ArmChoice>,
    /// What is tried, bottom first; at least one step, each with at least one candidate.
    pub steps: SmallVec<[Step; 1]>,
    /// Who is asked when all candidates of a step have failed in one of these ways.
    pub fallback: Option<(Candidates, ErrorSet)>,
    /// What holds for the request as a whole.
    pub settings: Arc<Settings>,
    /// How much of a stream is kept back.
    pub hold: Hold,
    /// The most that all attempts together may cost.
    pub max_cost: Option<NanoDollars>,
    /// The time for all steps together, where a ladder sets one.
    pub deadline: Option<std::time::Duration>,
}

/// One step of a plan.
#[derive(Debug, Clone)]
pub struct Step {
    /// Its name in the ladder; the pool's or model's name without one.
    pub name: Arc<str>,
    /// Whom to ask, in order.
    pub candidates: Candidates,
    /// Whether somebody else should have been asked first: who `pick` wants first cools down or has
    /// its breaker open, or only the fallback is left. Then even the first attempt is a fallback.
    pub passed_over: bool,
    /// When the answer is not taken. `None`: whatever comes is the answer.
    pub escalate: Option<Arc<Cond>>,
    /// The request's settings with the step's own.
    pub settings: Arc<Settings>,
}

/// Why a plan is as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlanReason {
    /// A rule matched.
    Matched,
    /// The client named the model.
    Requested,
    /// A cap sent it to a cheaper target.
    Degraded,
    /// A split chose the target.
    Arm,
}

/// Which arm of which split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArmChoice {
    /// The split.
    pub split: Arc<str>,
    /// The arm.
    pub arm: Arc<str>,
    /// Whether the caller stays in it; not when the attributes it goes by are absent.
    pub sticky: bool,
}

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// The rule: a `deny`, or the route whose cap was breached.
    pub rule: Arc<str>,
    /// What the client is told.
    pub because: Arc<str>,
    /// The HTTP status.
    pub status: u16,
    /// Whether it is about money.
    pub over_cap: bool,
}

/// Nobody is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoCandidate {
    /// The rule that took the request.
    pub route: Arc<str>,
    /// Whether the client had named the model.
    pub requested: bool,
    /// Who was removed, and by what.
    pub removed: Vec<Removal>,
}

/// One model and what removed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// The step it was to be asked in.
    pub step: Arc<str>,
    /// The model.
    pub model: ModelIdx,
    /// What removed it.
    pub by: RemovedBy,
}

/// What removes a candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemovedBy {
    /// Its provider is not configured.
    ProviderOff,
    /// The caller's key does not allow it.
    Key,
    /// A `require` rule: its name and condition.
    Require(Arc<str>, Arc<str>),
    /// An `only` or a `floor`: its condition.
    Only(Arc<str>),
    /// A live condition of its pool.
    Pool,
    /// The request needs something it cannot do: `tools`, `vision` …
    Lacks(&'static str),
    /// Prompt and answer do not fit its context window.
    Context,
    /// Its longest answer is shorter than what was asked for.
    MaxOutput,
    /// Its worst case is above the cap.
    Cap(NanoDollars),
    /// It has no price, and there is a cap.
    Unpriced,
}

impl std::fmt::Display for RemovedBy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            RemovedBy::ProviderOff => f.write_str("its provider is not configured"),
            RemovedBy::Key => f.write_str("the key does not allow it"),
            RemovedBy::Require(rule, text) => {
                write!(f, "`require {rule}`: only models where {text}")
            }
            RemovedBy::Only(text) => write!(f, "only models where {text}"),
            RemovedBy::Pool => f.write_str("its pool's condition does not hold right now"),
            RemovedBy::Lacks(what) => write!(f, "the request needs {what}"),
            RemovedBy::Context => f.write_str("the request does not fit its context window"),
            RemovedBy::MaxOutput => f.write_str("its longest answer is shorter than asked for"),
            RemovedBy::Cap(worst) => write!(f, "could cost ${worst}, above the cap"),
            RemovedBy::Unpriced => f.write_str("it has no price, so the cap cannot be kept"),
        }
    }
}
