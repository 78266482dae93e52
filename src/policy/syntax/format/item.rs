//! Items.

use super::super::tree::{Item, LetBody, LimitAmount, Source, TypeExpr};
use super::Printed;
use super::block::{arm, claim, mark, probe, rung, stmt, trial};
use super::doc::Doc;
use super::expr::{
    breach, by, cat, cond, goes, knobs, list, literal, path, pick, quote, set_expr, value, when,
};

/// A head whose further clauses each get a line of their own when they do not fit on one.
pub fn clauses(head: impl Into<Doc>, clauses: impl IntoIterator<Item = Doc>) -> Doc {
    let rest = clauses.into_iter().flat_map(|clause| [Doc::Line, clause]).collect();
    Doc::Group(vec![head.into(), Doc::Nest(rest)])
}

/// Any item.
pub fn item(item: &Item) -> Printed<'_> {
    let head = match item {
        Item::Language(version) => format!("language {}", version.node).into(),
        Item::Import { path, alias } => {
            let alias = alias.as_ref().map(|name| format!(" as {}", name.node));
            format!("import {}{}", quote(&path.node), alias.unwrap_or_default()).into()
        }
        Item::Enum { name, members } => clauses(format!("enum {} =", name.node), [bars(members)]),
        Item::Attribute { attr, ty, source, default } => {
            let ty = match &ty.node {
                TypeExpr::Scalar { name, range: None } => name.as_str().into(),
                TypeExpr::Scalar { name, range: Some(range) } => {
                    let (from, to) = (literal(&range.from.node), literal(&range.to.node));
                    format!("{name} {from}..{to}").into()
                }
                TypeExpr::Enum(members) => cat(["enum ".into(), bars(members)]),
                TypeExpr::Named(name) => name.as_str().into(),
            };
            let from = source.as_ref().map(|from| cat(["from ".into(), self::source(from)]));
            let default = default.as_ref().map(|v| cat(["else ".into(), value(v)]));
            let head = cat([format!("attribute {}: ", path(attr)).into(), ty]);
            clauses(head, from.into_iter().chain(default))
        }
        Item::Let { name, body } => {
            let body = match body {
                LetBody::List(values) => list(&values.node),
                LetBody::Cond(body) => cond(body),
            };
            cat([format!("let {} = ", name.node).into(), body])
        }
        Item::Schedule(schedule) => {
            let to = schedule.to.as_ref().map(|to| format!("..{}", to.node)).unwrap_or_default();
            let hours = schedule
                .hours
                .as_ref()
                .map(|(open, close)| format!(" {}..{}", literal(&open.node), literal(&close.node)));
            format!(
                "schedule {} = {}{to}{} {}",
                schedule.name.node,
                schedule.from.node,
                hours.unwrap_or_default(),
                schedule.zone.node
            )
            .into()
        }
        Item::Assume(fact) => cat(["assume ".into(), cond(fact)]),
        Item::Pool { name, set, pick: order } => {
            let order = order.as_ref().map(|order| vec![Doc::Line, pick(order)]);
            Doc::Group(vec![
                format!("pool {} = ", name.node).into(),
                Doc::Nest(
                    std::iter::once(set_expr(set)).chain(order.into_iter().flatten()).collect(),
                ),
            ])
        }
        Item::Ladder { name, rungs } => {
            return Printed::with(format!("ladder {}", name.node).into(), rungs, rung);
        }
        Item::Split { name, by: keys, arms } => {
            let head = match keys {
                Some(keys) => cat([format!("split {} ", name.node).into(), by(keys)]),
                None => format!("split {}", name.node).into(),
            };
            return Printed::with(head, arms, arm);
        }
        Item::Experiment { name, by: keys, lines } => {
            let head = cat([format!("experiment {} ", name.node).into(), by(keys)]);
            return Printed::with(head, lines, trial);
        }
        Item::Budget { name, amount, period, per, when: cond, marks } => {
            let (amount, per) = (literal(&amount.node), path(per));
            let head = format!("budget {} {amount} per {} per {per}", name.node, period.node);
            return Printed::with(clauses(head, cond.as_ref().map(when)), marks, mark);
        }
        Item::Limit { name, amount, per, when: cond, breach: action } => {
            let amount = match amount {
                LimitAmount::Rate(rate) => literal(&rate.node),
                LimitAmount::Concurrent(count) => format!("{} concurrent", literal(&count.node)),
            };
            let head = format!("limit {} {amount} per {}", name.node, path(per));
            let action = cat(["else ".into(), breach(action)]);
            clauses(head, cond.as_ref().map(when).into_iter().chain([action]))
        }
        Item::Deny { name, when: cond, because, status } => {
            let why = format!("because {}", quote(&because.node)).into();
            let status = status.as_ref().map(|s| format!("status {}", s.node).into());
            let rest = [when(cond), why].into_iter().chain(status);
            clauses(format!("deny {}", name.node), rest)
        }
        Item::Require { name, when: cond, only } => {
            let only = cat(["only models where ".into(), self::cond(only)]);
            let rest = cond.as_ref().map(when).into_iter().chain([only]);
            clauses(format!("require {}", name.node), rest)
        }
        Item::Defaults(body) => return Printed::with("defaults".into(), body, stmt),
        Item::Tune { name, when: cond, body } => {
            let head = clauses(format!("tune {}", name.node), [when(cond)]);
            return Printed::with(head, body, stmt);
        }
        Item::Route { name, when: cond, to, body } => {
            let head = clauses(format!("route {}", name.node), [when(cond), goes(to)]);
            return Printed::maybe(head, body.as_ref(), stmt);
        }
        Item::Default { to, body } => {
            let head = cat(["default ".into(), goes(to)]);
            return Printed::maybe(head, body.as_ref(), stmt);
        }
        Item::Delegate { name, when: cond, to } => {
            let file = format!("to {}", quote(&to.node)).into();
            clauses(format!("delegate {}", name.node), [when(cond), file])
        }
        Item::Alias { from, to } => clauses(format!("alias {}", quote(&from.node)), [goes(to)]),
        Item::Invariant { name, when: cond, claims } => {
            let head = clauses(format!("invariant {}", name.node), cond.as_ref().map(when));
            return Printed::with(head, claims, claim);
        }
        Item::Test { name, lines } => {
            return Printed::with(format!("test {}", quote(&name.node)).into(), lines, probe);
        }
    };
    Printed::line(head)
}

/// `a | b | c`, broken before the bars.
fn bars(members: &[super::super::tree::Name]) -> Doc {
    let mut parts = Vec::new();
    for member in members {
        if !parts.is_empty() {
            parts.extend([Doc::Line, "| ".into()]);
        }
        parts.push(member.node.as_str().into());
    }
    Doc::Group(vec![Doc::Nest(parts)])
}

fn source(source: &Source) -> Doc {
    match source {
        Source::Script(file, settings) => {
            cat([format!("script {}", quote(&file.node)).into(), knobs(settings)])
        }
        Source::Classifier(name, settings) => {
            cat([format!("classifier {}", quote(&name.node)).into(), knobs(settings)])
        }
        Source::Header(name) => format!("header {}", quote(&name.node)).into(),
        Source::Attr(attr) => path(attr).into(),
    }
}
