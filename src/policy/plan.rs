//! What a policy yields: whom to ask, in which order, within which bounds.

use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use super::cond::Cond;
use super::program::{Breach, HedgeAfter, Hold, Settings};
use crate::catalog::ModelIdx;
use crate::error_class::ErrorSet;
use crate::units::{BasisPoints, NanoDollars};

/// Models to ask, one after the other.
pub type Candidates = SmallVec<[ModelIdx; 4]>;

/// The outcome of a decision.
#[derive(Debug, Clone)]
#[allow(
    clippy::large_enum_variant,
    reason = "nearly every decision is a plan, which a box would only make dearer"
)]
pub enum Decision {
    /// Carry this out.
    Plan(Plan),
    /// A `deny` rule matched, or the breach of a budget, a limit or the cap is a refusal.
    Denied(Denied),
    /// There is a rule for this request, but every model was removed.
    NoCandidate(NoCandidate),
    /// The client named a model that is not in the catalogue, and no rule takes such requests.
    UnknownModel,
}

impl Decision {
    /// The rule that took the request: a route, or the `deny` that refused it.
    pub fn rule(&self) -> Option<&Arc<str>> {
        match self {
            Decision::Plan(plan) => Some(&plan.route),
            Decision::Denied(denied) => Some(&denied.rule),
            Decision::NoCandidate(nobody) => Some(&nobody.route),
            Decision::UnknownModel => None,
        }
    }
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
    /// The ladder that it climbs.
    pub ladder: Option<Arc<str>>,
    /// The budget or limit that is used up and does not deny: the strictest one. A `queue` is to be
    /// waited for before the first attempt.
    pub reached: Option<Reached>,
    /// What is tried, bottom first; at least one step, each with at least one candidate.
    pub steps: SmallVec<[Step; 1]>,
    /// Who is asked when all candidates of a step have failed in one of these ways.
    pub fallback: Option<(Candidates, ErrorSet)>,
    /// The copies whose answers are thrown away: those that this request is in the sample of.
    pub shadows: Vec<ShadowCopy>,
    /// What holds for the request as a whole.
    pub settings: Arc<Settings>,
    /// How much of a stream is kept back.
    pub hold: Hold,
    /// The most that all attempts together may cost.
    pub max_cost: Option<NanoDollars>,
    /// The time for all steps together, where a ladder sets one.
    pub deadline: Option<Duration>,
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
    /// Who is asked as well where an attempt is slow; `None` where nobody may be.
    pub hedge: Option<Box<Hedging>>,
    /// What is remembered of who answered; `None` where nothing is, or nobody is there to remember.
    pub sticky: Option<Box<Affinity>>,
    /// The request's settings with the step's own.
    pub settings: Arc<Settings>,
}

/// Second copies of a step's attempts. They keep to what the step's candidates keep to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hedging {
    /// How long an attempt has before the first copy is sent; each further one waits as long again.
    pub after: HedgeAfter,
    /// Whom copies go to, in order; at least one. A model gets one copy at most.
    pub candidates: Candidates,
    /// How many copies there may be besides the first; at least 1.
    pub max: u32,
}

/// A copy of the request whose answer is thrown away. It keeps to what the request keeps to: what is
/// not allowed to answer is not shown the question either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShadowCopy {
    /// Who is asked: the first that is left of the target.
    pub model: ModelIdx,
    /// How much of the traffic is copied.
    pub share: BasisPoints,
}

/// Who is who to `sticky`: a hash of the policy, the route, the step and the caller's own value. The
/// tenant is for the store to add.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AffinityKey(pub [u8; 16]);

/// 32 hexadecimal digits, as records have them.
impl std::fmt::Display for AffinityKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// What `sticky` made of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Affinity {
    /// Under which key the model that answers is to be remembered.
    pub key: AffinityKey,
    /// For how long.
    pub ttl: Duration,
    /// Who answered last.
    pub remembered: Option<ModelIdx>,
    /// Whether that one is asked first. It is not where it is no candidate any more, or rests.
    pub kept: bool,
}

/// Why a plan is as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlanReason {
    /// A rule matched.
    Matched,
    /// The client named the model.
    Requested,
    /// A cap or a budget sent it to a cheaper target.
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

/// A budget's mark or a limit that is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// The budget or limit.
    pub rule: Arc<str>,
    /// The share of a budget at which its mark stands; `None` of a limit.
    pub mark: Option<BasisPoints>,
    /// What happens.
    pub breach: Breach,
}

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// The rule: a `deny`, a budget, a limit, or the route whose cap was breached.
    pub rule: Arc<str>,
    /// What the client is told.
    pub because: Arc<str>,
    /// The HTTP status.
    pub status: u16,
    /// Whether it is the cap's.
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

impl PlanReason {
    /// The word of traces and response headers.
    pub fn word(self) -> &'static str {
        match self {
            PlanReason::Matched => "matched",
            PlanReason::Requested => "requested",
            PlanReason::Degraded => "degraded",
            PlanReason::Arm => "arm",
        }
    }
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
