//! Bodies, ladders and tests.

use std::collections::HashSet;

use super::super::super::format::block::{expect, hold};
use super::super::super::format::doc::Doc;
use super::super::super::format::expr::{cond, literal, order, path, target, value};
use super::super::super::tree::{
    Binding, BindingValue, Block, CacheStmt, LogShare, Name, PromptPlace, Rung, SetParamOp, Stmt,
    TestLine,
};
use super::items::breach;
use super::layout::{Entry, Value};
use super::{Piece, block, code, list, map, tall};

/// Adds a body to the keys of its statement; the comments behind its last line are returned.
pub fn body<'a>(entries: &mut Vec<Entry<'a>>, body: &'a Block<Stmt>) -> &'a [String] {
    block(entries, "body", body, stmt)
}

/// A line of a ladder.
pub fn rung(rung: &Rung) -> Piece<'_> {
    match rung {
        Rung::Step { name, to, escalate, body: directives } => {
            let mut entries = vec![
                Entry::new("name", code(&*name.node)),
                Entry::new("to", Value::Code(target(to))),
            ];
            let escalate = escalate.as_ref();
            entries.extend(escalate.map(|it| Entry::new("escalate_when", Value::Code(cond(it)))));
            let tail = directives.as_ref().map(|it| body(&mut entries, it)).unwrap_or_default();
            Piece::Row("steps", tall(entries, tail))
        }
        Rung::MaxCost(amount) => Piece::One("max_cost", code(literal(&amount.node))),
        Rung::Deadline(time) => Piece::One("deadline", code(literal(&time.node))),
        Rung::Hold(amount) => Piece::One("hold", code(hold(&amount.node))),
    }
}

fn errors<'a>(names: Option<&'a Vec<Name>>) -> Option<Entry<'a>> {
    names.map(|names| Entry::new("if", list(names.iter().map(|name| code(&*name.node)))))
}

/// A line of a body.
fn stmt(stmt: &Stmt) -> Piece<'_> {
    match stmt {
        Stmt::Only(models) => Piece::One("only", Value::Code(cond(models))),
        Stmt::Timeout(clocks) => {
            let mut names = HashSet::new();
            Piece::One(
                "timeout",
                match clocks.iter().all(|(name, _)| names.insert(&name.node)) {
                    true => map(clocks
                        .iter()
                        .map(|(what, time)| Entry::new(&*what.node, code(literal(&time.node))))
                        .collect()),
                    false => list(clocks.iter().map(|(what, time)| {
                        code(format!("{} {}", what.node, literal(&time.node)))
                    })),
                },
            )
        }
        Stmt::Retry { times, on: None, backoff: None } => {
            Piece::One("retry", code(times.node.to_string()))
        }
        Stmt::Retry { times, on, backoff } => {
            let mut entries = vec![Entry::new("times", code(times.node.to_string()))];
            entries.extend(errors(on.as_ref()));
            entries.extend(backoff.as_ref().map(|(first, longest)| {
                let longest = longest.as_ref().map(|time| format!("..{}", literal(&time.node)));
                let first = literal(&first.node);
                Entry::new("backoff", code(format!("{first}{}", longest.unwrap_or_default())))
            }));
            Piece::One("retry", map(entries))
        }
        Stmt::Fallback { to, on } => {
            let to = list(to.iter().map(|to| Value::Code(target(to))));
            Piece::One(
                "fallback",
                match errors(on.as_ref()) {
                    Some(errors) => map(vec![Entry::new("to", to), errors]),
                    None => to,
                },
            )
        }
        Stmt::Hedge { after, to, max } => {
            let mut entries = vec![
                Entry::new("after", Value::Code(value(after))),
                Entry::new("to", Value::Code(target(to))),
            ];
            entries.extend(max.iter().map(|it| Entry::new("max", code(it.node.to_string()))));
            Piece::One("hedge", map(entries))
        }
        Stmt::Cap { amount, breach: action } => {
            let amount = Entry::new("amount", code(literal(&amount.node)));
            Piece::One("cap", map(vec![amount, breach(action)]))
        }
        Stmt::Cache(CacheStmt::Off) => Piece::One("cache", code("off")),
        Stmt::Cache(CacheStmt::On { semantic, ttl, key }) => {
            let semantic =
                semantic.as_ref().map(|it| Entry::new("semantic", code(it.node.to_string())));
            let ttl = Entry::new("ttl", code(literal(&ttl.node)));
            let mut entries: Vec<_> = semantic.into_iter().chain([ttl]).collect();
            entries.extend(
                key.as_ref().map(|key| {
                    Entry::new("key", list(key.iter().map(|it| Value::Code(value(it)))))
                }),
            );
            Piece::One("cache", map(entries))
        }
        Stmt::Set { param, op, value: to } => {
            let sign = match op {
                SetParamOp::Replace => "",
                SetParamOp::AtMost => "<= ",
                SetParamOp::AtLeast => ">= ",
            };
            let to = Doc::Cat(vec![sign.into(), value(to)]);
            Piece::Pair("set", param.node.clone(), Value::Code(to))
        }
        Stmt::Prompt { place, from_file, text } => {
            let place = match place {
                PromptPlace::Prepend => "prepend",
                PromptPlace::Append => "append",
                PromptPlace::Replace => "replace",
            };
            let file = if *from_file { "_file" } else { "" };
            let text = Value::Text(text.node.clone());
            Piece::Row("prompt", map(vec![Entry::new(format!("{place}{file}"), text)]))
        }
        Stmt::Shadow { share, to } => {
            let share = Entry::new("share", code(literal(&share.node)));
            Piece::One("shadow", map(vec![share, Entry::new("to", Value::Code(target(to)))]))
        }
        Stmt::Sticky { by, ttl } => {
            let by = Entry::new("by", code(path(by)));
            Piece::One("sticky", map(vec![by, Entry::new("for", code(literal(&ttl.node)))]))
        }
        Stmt::Tag { name, value: to } => {
            Piece::Pair("tag", name.node.clone(), Value::Code(value(to)))
        }
        Stmt::Floor { attr, at_least } => {
            Piece::Pair("floor", path(attr), code(literal(&at_least.node)))
        }
        Stmt::Pick(by) => Piece::One("pick", Value::Code(order(by))),
        Stmt::Log { what, share } => {
            let share = match share.node {
                LogShare::On => "on".to_owned(),
                LogShare::Off => "off".to_owned(),
                LogShare::Percent(share) => share.to_string(),
            };
            Piece::Pair("log", what.node.clone(), code(share))
        }
        Stmt::Hold(amount) => Piece::One("hold", code(hold(&amount.node))),
    }
}

/// A line of a test.
pub fn test(line: &TestLine) -> Piece<'_> {
    match line {
        TestLine::Given(bindings) => Piece::One("given", given(bindings)),
        TestLine::Attempt { number, outcome, after } => {
            let after = after.as_ref().map(|time| format!(" after {}", literal(&time.node)));
            let after = after.unwrap_or_default();
            Piece::Row("attempts", code(format!("{} {}{after}", number.node, outcome.node)))
        }
        TestLine::Expect(expectation) => Piece::Row("expect", Value::Code(expect(expectation))),
    }
}

fn given(bindings: &[Binding]) -> Value<'_> {
    let bound = |binding: &Binding| match &binding.value {
        BindingValue::One(one) => value(one),
        BindingValue::List(values) => super::super::super::format::expr::list(&values.node),
    };
    let mut attrs = HashSet::new();
    if !bindings.iter().all(|binding| attrs.insert(path(&binding.attr))) {
        return list(bindings.iter().map(|binding| {
            let attr = format!("{} = ", path(&binding.attr)).into();
            Value::Code(Doc::Cat(vec![attr, bound(binding)]))
        }));
    }
    map(bindings
        .iter()
        .map(|binding| {
            let to = match &binding.value {
                BindingValue::One(one) => Value::Code(value(one)),
                BindingValue::List(values) => {
                    list(values.node.iter().map(|it| Value::Code(value(it))))
                }
            };
            Entry::new(path(&binding.attr), to)
        })
        .collect())
}
