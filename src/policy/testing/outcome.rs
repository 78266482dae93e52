//! What came of a test's request, as `expect` sees it.

use std::sync::Arc;

use jiff::Timestamp;

use super::play::{Played, worst};
use super::request::TestRequest;
use crate::catalog::ModelIdx;
use crate::policy::course::{Ending, MOST_CANDIDATES, Served};
use crate::policy::models::duration;
use crate::policy::plan::{Decision, Plan};
use crate::policy::program::{Program, Target};
use crate::policy::schema::{Attr, AttrRef};
use crate::policy::value::{Facts, Value};
use crate::units::NanoDollars;

/// The status of a request that no model may take.
const NO_CANDIDATE: u16 = 503;
/// The status of a request for a model that is not there.
const UNKNOWN_MODEL: u16 = 404;
/// The status of a plan whose allowance covers no attempt.
const TOO_DEAR: u16 = 402;

/// A decision and what came of it.
pub struct Upshot<'a> {
    /// What was decided.
    pub decision: Decision,
    /// What came of the plan, where there is one.
    pub played: Option<Played<'a>>,
    /// The worst case of the whole plan.
    pub max_cost: Option<NanoDollars>,
    program: &'a Program,
}

impl<'a> Upshot<'a> {
    /// Of a decision and its plan, played through.
    pub fn new(
        decision: Decision,
        played: Option<Played<'a>>,
        request: &TestRequest<'_>,
        program: &'a Program,
    ) -> Upshot<'a> {
        let max_cost = match &decision {
            Decision::Plan(plan) => max_cost(plan, request, program),
            _ => None,
        };
        Upshot { decision, played, max_cost, program }
    }

    /// The plan, if there is one.
    pub fn plan(&self) -> Option<&Plan> {
        match &self.decision {
            Decision::Plan(plan) => Some(plan),
            _ => None,
        }
    }

    /// The route that took the request; `None` where it did not come so far.
    pub fn route(&self) -> Option<&Arc<str>> {
        match &self.decision {
            Decision::Plan(plan) => Some(&plan.route),
            Decision::NoCandidate(nobody) => Some(&nobody.route),
            Decision::Denied(denied) if denied.over_cap => Some(&denied.rule),
            Decision::Denied(_) | Decision::UnknownModel => None,
        }
    }

    /// The attempt whose answer the client gets.
    pub fn answer(&self) -> Option<&super::play::Attempt> {
        let played = self.played.as_ref()?;
        match played.ending {
            Ending::Accepted(index) | Ending::Rejected(index) => played.attempts.get(index),
            _ => None,
        }
    }

    fn reason(&self) -> Option<&'static str> {
        let plan = self.plan()?;
        Some(match self.answer().map(|answer| answer.served) {
            Some(Served::Fallback) => "fallback",
            Some(Served::Escalated) => "escalated",
            Some(Served::Hedged) => "hedged",
            Some(Served::AsPlanned) | None => plan.reason.word(),
        })
    }

    fn status(&self) -> u16 {
        match &self.decision {
            Decision::Denied(denied) => denied.status,
            Decision::NoCandidate(_) => NO_CANDIDATE,
            Decision::UnknownModel => UNKNOWN_MODEL,
            Decision::Plan(_) => match self.played.as_ref().map(|played| &played.ending) {
                Some(Ending::Failed(failure, _)) => failure.class.client_status(None),
                Some(Ending::NobodyAsked) => TOO_DEAR,
                _ => 200,
            },
        }
    }
}

fn money(amount: NanoDollars) -> Value<'static> {
    Value::Int(i64::try_from(amount.0).unwrap_or(i64::MAX))
}

impl Facts for Upshot<'_> {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn get(&self, attr: &AttrRef) -> Value<'_> {
        let played = self.played.as_ref();
        match attr.attr {
            Attr::OutcomeRoute => self.route().map_or(Value::Absent, |route| Value::Str(route)),
            Attr::OutcomeModel => match self.answer() {
                Some(answer) => Value::Str(self.program.catalog[answer.model].id.as_str()),
                None => Value::Absent,
            },
            Attr::OutcomeReason => self.reason().map_or(Value::Absent, Value::Str),
            Attr::OutcomeArm => match self.plan().and_then(|plan| plan.arm.as_ref()) {
                Some(choice) => Value::Str(&choice.arm),
                None => Value::Absent,
            },
            Attr::OutcomeAttempts => {
                let count = played.map_or(0, |played| played.attempts.len());
                Value::Int(i64::try_from(count).unwrap_or(i64::MAX))
            }
            Attr::OutcomeStatus => Value::Int(self.status().into()),
            Attr::OutcomeCost => money(played.map_or(NanoDollars::ZERO, |played| played.cost)),
            Attr::OutcomeMaxCost => self.max_cost.map_or(Value::Absent, money),
            Attr::OutcomeLatency => {
                duration(Some(played.map_or(std::time::Duration::ZERO, |played| played.latency)))
            }
            _ => Value::Absent,
        }
    }
}

/// The worst case of all attempts that a plan allows: every candidate of every step with its retries
/// and second copies, and the fallback behind each step; or the most that the plan may cost. `None` if a model of it is
/// unpriced and nothing limits the plan.
fn max_cost(plan: &Plan, request: &TestRequest<'_>, program: &Program) -> Option<NanoDollars> {
    let all = || -> Option<NanoDollars> {
        let mut sum = NanoDollars::ZERO;
        for step in &plan.steps {
            let tries = step.settings.retry.map_or(1, |retry| u64::from(retry.times) + 1);
            let fallback = plan.fallback.iter().flat_map(|(models, _)| models);
            for model in step.candidates.iter().take(MOST_CANDIDATES).chain(fallback) {
                let mut at_once = worst(*model, plan, request, program)?;
                if let Some(hedge) = &step.hedge {
                    let copies = hedge.candidates.iter().take(hedge.max as usize);
                    for copy in copies {
                        at_once += worst(*copy, plan, request, program)?;
                    }
                }
                sum += NanoDollars(at_once.0.saturating_mul(tries));
            }
        }
        Some(sum)
    };
    match (all(), plan.max_cost) {
        (Some(all), Some(most)) => Some(all.min(most)),
        (all, most) => most.or(all),
    }
}

/// Whether a model belongs to a target: to a pool, to a step of a ladder, to an arm of a split.
pub fn belongs(
    model: ModelIdx,
    target: Target,
    program: &Program,
    named: Option<ModelIdx>,
) -> bool {
    let inner = |target| belongs(model, target, program, named);
    match target {
        Target::Model(one) => one == model,
        Target::Requested => named == Some(model),
        Target::Pool(index) => {
            program.pools[index].members.iter().any(|member| member.model == model)
        }
        Target::Ladder(index) => program.ladders[index].steps.iter().any(|step| inner(step.target)),
        Target::Split(index) => program.splits[index].arms.iter().any(|arm| inner(arm.target)),
    }
}
