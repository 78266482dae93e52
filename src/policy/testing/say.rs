//! Values, rules and attempts in the words of policies.

use std::time::Duration;

use super::outcome::Upshot;
use super::play::Attempt;
use crate::policy::cond::{Cond, Op, Operand, Test};
use crate::policy::course::Ending;
use crate::policy::plan::Decision;
use crate::policy::program::{Breach, Outcome, Program, Rule};
use crate::policy::schema::Type;
use crate::policy::spelling::{spelt, written};
use crate::policy::syntax::tree::Span;
use crate::policy::value::Facts;

/// A time in the largest unit that it is a whole number of.
pub fn time(time: Duration) -> String {
    spelt(&Type::Duration, i64::try_from(time.as_nanos()).unwrap_or(i64::MAX))
}

/// `input.tokens = 1_200`
pub fn operand(operand: &Operand, facts: &dyn Facts) -> String {
    format!("{operand} = {}", written(operand.value(facts), &operand.value_type()))
}

/// What stands at a place, on one line.
pub fn source(program: &Program, span: Span) -> String {
    program.sources.slice(span).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `input.tokens < 2k (input.tokens = 1_200)`
fn test(test: &Test, program: &Program, facts: &dyn Facts) -> String {
    let value = match test.op {
        Op::During(_) => format!("time = {}", facts.now()),
        _ => operand(&test.operand, facts),
    };
    format!("{} ({value})", source(program, test.span))
}

/// Why a condition holds or not: its tests that say so, each with what it saw.
pub fn because(cond: &Cond, program: &Program, facts: &dyn Facts) -> String {
    let mut decisive = Vec::new();
    decide(cond, cond.holds(facts), facts, &mut decisive);
    decisive.retain(|test| test.span.end > 0);
    let mut said: Vec<String> = Vec::new();
    for one in decisive {
        let text = test(one, program, facts);
        if !said.contains(&text) {
            said.push(text);
        }
    }
    said.join(" and ")
}

/// The tests that make a condition true, or false.
fn decide<'a>(cond: &'a Cond, holds: bool, facts: &dyn Facts, found: &mut Vec<&'a Test>) {
    match cond {
        Cond::And(all) | Cond::Or(all) => {
            let parts = all.iter().filter(|part| part.holds(facts) == holds);
            parts.for_each(|part| decide(part, holds, facts, found));
        }
        Cond::Not(inner) => decide(inner, !holds, facts, found),
        Cond::Test(test) => found.push(test),
    }
}

/// Why a rule took the request.
pub fn why_taken(rule: &Rule, is_default: bool, program: &Program, facts: &dyn Facts) -> String {
    let because = because(&rule.when, program, facts);
    match (is_default, because.as_str()) {
        (true, _) => "no route before it matches".into(),
        (false, "") => "it takes everybody".into(),
        (false, because) => because.to_owned(),
    }
}

fn ended(outcome: Outcome) -> String {
    let word = match outcome {
        Outcome::Failed(class) => return class.name().to_owned(),
        Outcome::Ok => "ok",
        Outcome::Refused => "refused",
        Outcome::Empty => "empty",
        Outcome::Truncated => "truncated",
        Outcome::InvalidJson => "invalid_json",
        Outcome::SchemaViolation => "schema_violation",
        Outcome::ToolCallMissing => "tool_call_missing",
        Outcome::ToolCallInvalid => "tool_call_invalid",
        Outcome::Repeats => "repeats",
        Outcome::WrongLanguage => "wrong_language",
        Outcome::Unsafe => "unsafe",
    };
    word.to_owned()
}

/// `attempt 1: step draft, openai/gpt-5-nano: refused after 2s, rejected by the step`
fn attempt(number: usize, attempt: &Attempt, program: &Program) -> String {
    let place = if attempt.is_fallback { "fallback".into() } else { format!("`{}`", attempt.step) };
    let model = &program.catalog[attempt.model].id;
    let mut text = format!("attempt {number}: {place}, {model}: {}", ended(attempt.outcome));
    if !attempt.took.is_zero() {
        text += &format!(" after {}", time(attempt.took));
    }
    if !attempt.wait.is_zero() {
        text += &format!(", {} after the one before", time(attempt.wait));
    }
    if attempt.rejected {
        text += ", rejected";
    }
    text
}

/// What happened, line by line.
pub fn course(upshot: &Upshot<'_>, program: &Program) -> Vec<String> {
    let mut lines = Vec::new();
    match &upshot.decision {
        Decision::Denied(denied) => lines.push(format!(
            "the request is denied by `{}` with status {}: {}",
            denied.rule, denied.status, denied.because
        )),
        Decision::UnknownModel => lines.push("there is no such model, and no route for it".into()),
        Decision::NoCandidate(nobody) => {
            lines.push(format!("route `{}` has no model for this request", nobody.route));
            const MOST: usize = 4;
            for removal in nobody.removed.iter().take(MOST) {
                let model = &program.catalog[removal.model].id;
                lines.push(format!("{model} is left out: {}", removal.by));
            }
            if nobody.removed.len() > MOST {
                lines.push(format!("and {} more", nobody.removed.len() - MOST));
            }
        }
        Decision::Plan(plan) => {
            if let Some(reached) = &plan.reached {
                let what = match (&reached.breach, reached.mark) {
                    (Breach::Queue(time_), _) => format!("queue {}", time(*time_)),
                    (Breach::Degrade(_), _) => "degrade".into(),
                    (Breach::Deny(_), _) => "deny".into(),
                    (Breach::Warn, _) => "warn".into(),
                };
                let at = reached.mark.map_or_else(String::new, |mark| format!(" at {mark}"));
                lines.push(format!("`{}` is reached{at}: {what}", reached.rule));
            }
        }
    }
    let Some(played) = &upshot.played else { return lines };
    for (index, one) in played.attempts.iter().enumerate() {
        lines.push(attempt(index + 1, one, program));
    }
    if played.too_dear > 0 {
        lines.push("who costs more than what is left of the allowance is not asked".into());
    }
    match &played.ending {
        Ending::NobodyAsked => lines.push("nobody could be asked".into()),
        Ending::Rejected(index) if *index + 1 < played.attempts.len() => {
            lines.push(format!("the client gets the rejected answer of attempt {}", index + 1));
        }
        _ => {}
    }
    lines
}
