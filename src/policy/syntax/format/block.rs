//! The lines of blocks.

use super::super::tree::{
    Arm, Binding, BindingValue, CacheStmt, Claim, Expectation, ExperimentLine, Hold, LogShare,
    Mark, PromptPlace, Quantifier, Rung, SetParamOp, Share, Stmt, TestLine,
};
use super::Printed;
use super::doc::Doc;
use super::expr::{
    breach, cat, commas, cond, goes, list, literal, on, path, pick, quote, target, value, when,
};
use super::item::clauses;

/// A line of a ladder.
pub fn rung(rung: &Rung) -> Printed<'_> {
    match rung {
        Rung::Step { name, to, escalate, body } => {
            let climb = escalate.as_ref().map(|cond| cat(["escalate ".into(), when(cond)]));
            let head = cat([format!("step {} ", name.node).into(), goes(to)]);
            Printed::maybe(clauses(head, climb), body.as_ref(), stmt)
        }
        Rung::MaxCost(amount) => text(format!("max_cost {}", literal(&amount.node))),
        Rung::Deadline(time) => text(format!("deadline {}", literal(&time.node))),
        Rung::Hold(amount) => text(format!("hold {}", hold(&amount.node))),
    }
}

/// An arm of a split.
pub fn arm(arm: &Arm) -> Printed<'_> {
    let name = arm.name.as_ref().map(|name| format!("{} ", name.node)).unwrap_or_default();
    let share = match &arm.share.node {
        Share::Percent(share) => share.to_string(),
        Share::Rest => "rest".to_owned(),
    };
    Printed::line(cat([format!("{name}{share} ").into(), goes(&arm.to)]))
}

/// A line of an experiment.
pub fn trial(line: &ExperimentLine) -> Printed<'_> {
    match line {
        ExperimentLine::Arm(line) => Printed::line(cat(["arm ".into(), arm(line).head])),
        ExperimentLine::Ramp { arm, shares, every, from } => {
            let shares: Vec<_> = shares.iter().map(|share| literal(&share.node)).collect();
            let from = from.as_ref().map(|date| format!(" from {}", literal(&date.node)));
            let (shares, every) = (shares.join(" .. "), literal(&every.node));
            let from = from.unwrap_or_default();
            text(format!("ramp {} {shares} every {every}{from}", arm.node))
        }
        ExperimentLine::Metric(names) => {
            let names = names.iter().map(|name| name.node.as_str().into()).collect();
            Printed::line(cat(["metric ".into(), separated(names)]))
        }
        ExperimentLine::Guard { cond: held, over, halt_to } => {
            let over = over.as_ref().map(|o| format!("over {} samples", literal(&o.node)).into());
            let halt = format!("else halt to {}", halt_to.node).into();
            let head = cat(["guard ".into(), cond(held)]);
            Printed::line(clauses(head, over.into_iter().chain([halt])))
        }
        ExperimentLine::Ends { date, to } => {
            Printed::line(cat([format!("ends {} ", literal(&date.node)).into(), goes(to)]))
        }
    }
}

/// A line of a budget.
pub fn mark(mark: &Mark) -> Printed<'_> {
    Printed::line(cat([format!("at {} ", literal(&mark.share.node)).into(), breach(&mark.breach)]))
}

/// A line of a body.
pub fn stmt(stmt: &Stmt) -> Printed<'_> {
    Printed::line(match stmt {
        Stmt::Only(models) => cat(["only models where ".into(), cond(models)]),
        Stmt::Timeout(clauses) => {
            let each = clauses
                .iter()
                .map(|(what, time)| format!("{} {}", what.node, literal(&time.node)).into());
            cat(["timeout ".into(), separated(each.collect())])
        }
        Stmt::Retry { times, on: errors, backoff } => {
            let backoff = backoff.as_ref().map(|(first, longest)| {
                let longest = longest.as_ref().map(|time| format!("..{}", literal(&time.node)));
                format!(" backoff {}{}", literal(&first.node), longest.unwrap_or_default())
            });
            let backoff = backoff.unwrap_or_default();
            format!("retry {}{}{backoff}", times.node, on(errors.as_ref())).into()
        }
        Stmt::Fallback { to, on: errors } => cat([
            "fallback ".into(),
            separated(to.iter().map(target).collect()),
            on(errors.as_ref()).into(),
        ]),
        Stmt::Hedge { after, to, max } => {
            let max = max.as_ref().map(|max| format!(" max {}", max.node)).unwrap_or_default();
            cat(["hedge after ".into(), value(after), " to ".into(), target(to), max.into()])
        }
        Stmt::Cap { amount, breach: action } => {
            let head = format!("cap {} per request", literal(&amount.node));
            clauses(head, [cat(["else ".into(), breach(action)])])
        }
        Stmt::Cache(CacheStmt::Off) => "cache off".into(),
        Stmt::Cache(CacheStmt::On { semantic, ttl, key }) => {
            let mode = match semantic {
                Some(least) => format!("semantic {}", least.node),
                None => "exact".to_owned(),
            };
            let head = format!("cache {mode} ttl {}", literal(&ttl.node)).into();
            match key {
                Some(key) => cat([head, " key ".into(), list(key)]),
                None => head,
            }
        }
        Stmt::Set { param, op, value: to } => {
            let sign = match op {
                SetParamOp::Replace => "=",
                SetParamOp::AtMost => "<=",
                SetParamOp::AtLeast => ">=",
            };
            cat([format!("set {} {sign} ", param.node).into(), value(to)])
        }
        Stmt::Prompt { place, from_file, text } => {
            let place = match place {
                PromptPlace::Prepend => "prepend",
                PromptPlace::Append => "append",
                PromptPlace::Replace => "replace",
            };
            let file = if *from_file { "file " } else { "" };
            format!("prompt {place} {file}{}", quote(&text.node)).into()
        }
        Stmt::Shadow { share, to } => {
            cat([format!("shadow {} to ", literal(&share.node)).into(), target(to)])
        }
        Stmt::Sticky { by, ttl } => {
            format!("sticky by {} for {}", path(by), literal(&ttl.node)).into()
        }
        Stmt::Tag { name, value: to } => cat([format!("tag {} = ", name.node).into(), value(to)]),
        Stmt::Floor { attr, at_least } => {
            format!("floor {} >= {}", path(attr), literal(&at_least.node)).into()
        }
        Stmt::Pick(order) => pick(order),
        Stmt::Log { what, share } => {
            let share = match share.node {
                LogShare::On => "on".to_owned(),
                LogShare::Off => "off".to_owned(),
                LogShare::Percent(share) => share.to_string(),
            };
            format!("log {} {share}", what.node).into()
        }
        Stmt::Hold(amount) => format!("hold {}", hold(&amount.node)).into(),
    })
}

/// A line of an invariant.
pub fn claim(claim: &Claim) -> Printed<'_> {
    Printed::line(match claim {
        Claim::Models(how_many, models) => {
            cat([quantifier(*how_many).into(), " model where ".into(), cond(models)])
        }
        Claim::NoShadow => "no shadow".into(),
        Claim::Denied { always: true } => "always denied".into(),
        Claim::Denied { always: false } => "never denied".into(),
        Claim::Bound { what, at_most } => {
            format!("{} <= {}", what.node, literal(&at_most.node)).into()
        }
        Claim::RouteIn(routes) => cat(["route in ".into(), list(&routes.node)]),
    })
}

/// A line of a test.
pub fn probe(line: &TestLine) -> Printed<'_> {
    Printed::line(match line {
        TestLine::Given(bindings) => {
            let each = |binding: &Binding| {
                let to = match &binding.value {
                    BindingValue::One(one) => value(one),
                    BindingValue::List(values) => list(&values.node),
                };
                cat([format!("{} = ", path(&binding.attr)).into(), to])
            };
            cat(["given ".into(), separated(bindings.iter().map(each).collect())])
        }
        TestLine::Attempt { number, outcome, after } => {
            let after = after.as_ref().map(|time| format!(" after {}", literal(&time.node)));
            let after = after.unwrap_or_default();
            format!("attempt {} {}{after}", number.node, outcome.node).into()
        }
        TestLine::Expect(expectation) => cat(["expect ".into(), expect(expectation)]),
    })
}

/// What a test expects.
pub fn expect(expectation: &Expectation) -> Doc {
    match expectation {
        Expectation::ModelsIn(how_many, pool) => {
            format!("{} model in {}", quantifier(*how_many), pool.node).into()
        }
        Expectation::ModelsWhere(how_many, models) => {
            cat([quantifier(*how_many).into(), " model where ".into(), cond(models)])
        }
        Expectation::Denied(None) => "denied".into(),
        Expectation::Denied(Some(by)) => format!("denied by {}", by.node).into(),
        Expectation::AnsweredBy(by) => cat(["answered by ".into(), target(by)]),
        Expectation::Cond(held) => cond(held),
    }
}

/// Elements with commas, the later ones further in where the line is broken.
fn separated(elements: Vec<Doc>) -> Doc {
    Doc::Group(vec![Doc::Nest(vec![commas(elements)])])
}

/// How much is held back: `full`, `64 tokens`.
pub fn hold(hold: &Hold) -> String {
    match hold {
        Hold::None => "none".to_owned(),
        Hold::Full => "full".to_owned(),
        Hold::Tokens(amount) | Hold::For(amount) => literal(amount),
    }
}

fn quantifier(quantifier: Quantifier) -> &'static str {
    match quantifier {
        Quantifier::Every => "every",
        Quantifier::Some => "some",
        Quantifier::No => "no",
    }
}

fn text<'a>(text: String) -> Printed<'a> {
    Printed::line(text.into())
}
