//! Playing a plan through: providers do what the test scripts, and otherwise answer at once.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::request::TestRequest;
use crate::catalog::{ModelIdx, worst_case};
use crate::error_class::ErrorClass;
use crate::policy::cond::{Cond, Declared};
use crate::policy::course::{
    Course, DEFAULT_HEADERS_WHOLE, DEFAULT_TOTAL, DEFAULT_TTFT, Ending, Failing, Next, Served,
    Tried, Turn, Ways,
};
use crate::policy::eval::output_limit;
use crate::policy::models::duration;
use crate::policy::plan::Plan;
use crate::policy::program::{Breach, Outcome, Program, Scripted, TestCase};
use crate::policy::schema::{Attr, AttrRef, Subject};
use crate::policy::value::{Facts, Value, WorkedOut};
use crate::units::{NanoDollars, Tokens};

/// The tokens of an answer that is not empty.
const ANSWER_TOKENS: i64 = 200;

/// What came of a plan.
pub struct Played<'a> {
    /// The attempts that were made, in order.
    pub attempts: Vec<Attempt>,
    /// How it ended; of an answer, the attempt that gave it, from 0.
    pub ending: Ending<usize, Failure>,
    /// Attempts, the waits between them, and the wait of a `queue`.
    pub latency: Duration,
    /// The worst case of all attempts made.
    pub cost: NanoDollars,
    /// How often somebody was not asked, because the money that was left did not suffice.
    pub too_dear: usize,
    /// Scripted attempts that take longer than their clock lets them, with that clock.
    pub overlong: Vec<(&'a Scripted, Duration)>,
}

/// One attempt.
pub struct Attempt {
    /// In which step.
    pub step: Arc<str>,
    /// Whom it asked.
    pub model: ModelIdx,
    /// Whether that was a fallback.
    pub is_fallback: bool,
    /// Why it would be the one that answers.
    pub served: Served,
    /// How it ended.
    pub outcome: Outcome,
    /// Whether the step's condition rejected the answer.
    pub rejected: bool,
    /// The wait before it.
    pub wait: Duration,
    /// How long it took.
    pub took: Duration,
}

/// The error of a scripted attempt.
#[derive(Debug, Clone, Copy)]
pub struct Failure {
    /// Its class.
    pub class: ErrorClass,
    took: Duration,
}

impl Failing for Failure {
    fn class(&self) -> ErrorClass {
        self.class
    }
    fn retry_after(&self) -> Option<Duration> {
        None
    }
}

/// Time that passes only as the test says. Waits are as long as they can be.
struct Clockwork<'a> {
    request: &'a TestRequest<'a>,
    deadline: Duration,
    elapsed: Duration,
}

impl Ways<Failure> for Clockwork<'_> {
    fn out_of_time(&self) -> bool {
        self.elapsed >= self.deadline
    }
    fn another_key(&mut self, _: &Turn<'_>, _: &Failure) -> bool {
        false
    }
    fn wait(
        &mut self,
        _: &Turn<'_>,
        ceiling: Duration,
        asked: Option<Duration>,
    ) -> Option<Duration> {
        let wait = asked.unwrap_or_default().max(ceiling);
        (self.elapsed + wait < self.deadline).then_some(wait)
    }
    fn escalates(&mut self, cond: &Cond, error: &Failure) -> bool {
        let outcome = Outcome::Failed(error.class);
        let facts = AttemptFacts { request: self.request, outcome, took: error.took, cost: None };
        cond.holds(&facts)
    }
}

/// Plays the plan of a test through.
pub fn play<'a>(
    plan: &Plan,
    test: &'a TestCase,
    request: &TestRequest<'_>,
    program: &Program,
) -> Played<'a> {
    let clocks = plan.settings.timeouts;
    let total = clocks.total.unwrap_or(DEFAULT_TOTAL);
    let deadline = plan.deadline.map_or(total, |deadline| deadline.min(total));
    let mut clockwork = Clockwork { request, deadline, elapsed: Duration::ZERO };
    let mut left = plan.max_cost;
    let mut played = Played {
        attempts: Vec::new(),
        ending: Ending::NobodyAsked,
        latency: Duration::ZERO,
        cost: NanoDollars::ZERO,
        too_dear: 0,
        overlong: Vec::new(),
    };
    let mut course = Course::of(plan);
    let mut next = course.start(&mut clockwork);
    loop {
        let turn = match next {
            Next::Ask(turn) => turn,
            Next::End(ending) => {
                played.ending = ending;
                break;
            }
        };
        clockwork.elapsed += turn.wait;
        let worst = worst(turn.model, plan, request, program);
        if left.is_some_and(|left| worst.is_none_or(|worst| worst > left)) {
            played.too_dear += 1;
            next = course.follow(Tried::TooDear, &mut clockwork);
            continue;
        }
        let number = played.attempts.len() as u64 + 1;
        let scripted = test.attempts.iter().find(|scripted| scripted.number == number);
        let outcome = scripted.map_or(Outcome::Ok, |scripted| scripted.outcome);
        let said = scripted.and_then(|scripted| scripted.after);
        let clock = attempt_clock(&turn, request).min(deadline.saturating_sub(clockwork.elapsed));
        let longest = turn.step.settings.timeouts.attempt.unwrap_or(Duration::MAX);
        let longest = longest.min(deadline.saturating_sub(clockwork.elapsed));
        let took = match (said, outcome) {
            (Some(said), _) => said,
            (None, Outcome::Failed(ErrorClass::Timeout)) => clock,
            (None, _) => Duration::ZERO,
        };
        if let (Some(scripted), true) = (scripted, took > longest) {
            played.overlong.push((scripted, longest));
        }
        clockwork.elapsed += took;
        // As in the gateway: errors cost nothing.
        let cost = match outcome {
            Outcome::Failed(_) => None,
            _ => usual(turn.model, plan, request, program),
        };
        played.cost += cost.unwrap_or_default();
        let facts = AttemptFacts { request, outcome, took, cost };
        let rejected = !matches!(outcome, Outcome::Failed(_))
            && turn.step.escalate.as_ref().is_some_and(|cond| cond.holds(&facts));
        played.attempts.push(Attempt {
            step: turn.step.name.clone(),
            model: turn.model,
            is_fallback: turn.is_fallback,
            served: turn.served,
            outcome,
            rejected,
            wait: turn.wait,
            took,
        });
        let index = played.attempts.len() - 1;
        let tried = match outcome {
            Outcome::Failed(class) => Tried::Failed(Failure { class, took }),
            _ => {
                left = left.map(|left| left.saturating_sub(cost.unwrap_or_default()));
                if rejected { Tried::Rejected(Some(index)) } else { Tried::Accepted(index) }
            }
        };
        next = course.follow(tried, &mut clockwork);
    }
    let queued = match plan.reached.as_ref().map(|reached| &reached.breach) {
        Some(Breach::Queue(time)) => *time,
        _ => Duration::ZERO,
    };
    played.latency = queued + clockwork.elapsed;
    played
}

/// The first clock that runs out for an attempt that never answers.
fn attempt_clock(turn: &Turn<'_>, request: &TestRequest<'_>) -> Duration {
    let said = turn.step.settings.timeouts;
    let attempt = said.attempt.unwrap_or(Duration::MAX);
    let stream = request.get(&AttrRef::plain(Attr::RequestStream)) == Value::Bool(true);
    let first_sign = if stream {
        let ttft = said.ttft.unwrap_or(DEFAULT_TTFT);
        said.headers.map_or(ttft, |headers| headers.min(ttft))
    } else {
        said.headers.unwrap_or(DEFAULT_HEADERS_WHOLE)
    };
    attempt.min(first_sign)
}

fn count(facts: &dyn Facts, attr: Attr) -> Option<u64> {
    match facts.get(&AttrRef::plain(attr)) {
        Value::Int(count) => u64::try_from(count).ok(),
        _ => None,
    }
}

/// The tokens of the answer that a scripted attempt gives, unless it may not have so many.
const USUAL_ANSWER: Tokens = Tokens(500);

/// The most that one attempt at a model may cost; `None` if the model is unpriced.
pub fn worst(
    model: ModelIdx,
    plan: &Plan,
    request: &TestRequest<'_>,
    program: &Program,
) -> Option<NanoDollars> {
    cost_of(model, longest(plan, request), request, program)
}

/// What one attempt at a model costs that gives a usual answer; `None` if the model is unpriced.
fn usual(
    model: ModelIdx,
    plan: &Plan,
    request: &TestRequest<'_>,
    program: &Program,
) -> Option<NanoDollars> {
    let answer = longest(plan, request).map_or(USUAL_ANSWER, |limit| limit.min(USUAL_ANSWER));
    cost_of(model, Some(answer), request, program)
}

/// The most tokens the answer may have.
fn longest(plan: &Plan, request: &TestRequest<'_>) -> Option<Tokens> {
    let wanted = count(request, Attr::RequestMaxOutput).map(Tokens);
    output_limit(wanted, &plan.settings)
}

/// What an attempt costs whose answer has at most so many tokens.
fn cost_of(
    model: ModelIdx,
    limit: Option<Tokens>,
    request: &TestRequest<'_>,
    program: &Program,
) -> Option<NanoDollars> {
    let input = Tokens(count(request, Attr::InputTokens).unwrap_or(0));
    let images = count(request, Attr::RequestImages).unwrap_or(0);
    let images = u32::try_from(images).unwrap_or(u32::MAX);
    let worst = worst_case(&program.catalog[model], input, images, limit)?;
    let n = count(request, Attr::RequestN).unwrap_or(1).max(1);
    Some(NanoDollars(worst.0.saturating_mul(n)))
}

/// A scripted attempt as `escalate when` sees it.
struct AttemptFacts<'a> {
    request: &'a TestRequest<'a>,
    outcome: Outcome,
    took: Duration,
    cost: Option<NanoDollars>,
}

impl Facts for AttemptFacts<'_> {
    fn now(&self) -> Timestamp {
        self.request.now()
    }

    fn worked_out<'a>(&'a self, declared: &Declared, through: &dyn Facts) -> Option<WorkedOut<'a>> {
        self.request.worked_out(declared, through)
    }

    fn get(&self, attr: &AttrRef) -> Value<'_> {
        if attr.attr.def().subject != Subject::Attempt {
            return self.request.get(attr);
        }
        let error = match self.outcome {
            Outcome::Failed(class) => Some(class),
            _ => None,
        };
        let ended = |outcome: Outcome| Value::Bool(self.outcome == outcome);
        match attr.attr {
            Attr::Failed => Value::Bool(error.is_some()),
            Attr::Error => error.map_or(Value::Absent, |class| Value::Str(class.name())),
            Attr::TimedOut => ended(Outcome::Failed(ErrorClass::Timeout)),
            Attr::Refused => Value::Bool(
                self.outcome == Outcome::Refused || error == Some(ErrorClass::ContentFiltered),
            ),
            Attr::Truncated => ended(Outcome::Truncated),
            Attr::Empty => ended(Outcome::Empty),
            Attr::InvalidJson => ended(Outcome::InvalidJson),
            Attr::SchemaViolation => ended(Outcome::SchemaViolation),
            Attr::ToolCallMissing => ended(Outcome::ToolCallMissing),
            Attr::ToolCallInvalid => ended(Outcome::ToolCallInvalid),
            Attr::Repeats => ended(Outcome::Repeats),
            Attr::WrongLanguage => ended(Outcome::WrongLanguage),
            Attr::Unsafe => ended(Outcome::Unsafe),
            Attr::ResponseTokens => match self.outcome {
                Outcome::Failed(_) | Outcome::Empty => Value::Int(0),
                _ => Value::Int(ANSWER_TOKENS),
            },
            Attr::AttemptCost => {
                let cost = self.cost.unwrap_or_default();
                Value::Int(i64::try_from(cost.0).unwrap_or(i64::MAX))
            }
            Attr::AttemptLatency | Attr::AttemptTtft => duration(Some(self.took)),
            _ => Value::Absent,
        }
    }
}
