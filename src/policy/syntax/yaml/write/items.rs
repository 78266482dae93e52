//! Statements.

use super::super::super::format::doc::Doc;
use super::super::super::format::expr::{
    cond, knobs, literal, order, path, quote, set_term, target,
};
use super::super::super::format::{block as lines_of, expr};
use super::super::super::tree::{
    Arm, Breach, By, ExperimentLine, Item, LetBody, LimitAmount, Mark, SetExpr, SetOp, SetTerm,
    Share, Source, TypeExpr,
};
use super::bodies::{body, rung, test};
use super::layout::{Entry, Value};
use super::{Piece, block, code, list, map, rows, tall};

/// Any statement.
pub fn item(item: &Item) -> Piece<'_> {
    match item {
        Item::Language(version) => Piece::One("language", code(version.node.to_string())),
        Item::Import { path, alias: None } => Piece::Row("imports", Value::Text(path.node.clone())),
        Item::Import { path, alias: Some(alias) } => {
            let file = Entry::new("file", Value::Text(path.node.clone()));
            Piece::Row("imports", map(vec![file, Entry::new("as", code(&*alias.node))]))
        }
        Item::Enum { name, members } => {
            let members = list(members.iter().map(|member| code(&*member.node)));
            Piece::Pair("enums", name.node.clone(), members)
        }
        Item::Attribute { attr, ty, source, default } => {
            let ty = type_expr(&ty.node);
            let mut entries = vec![Entry::new("type", code(ty))];
            entries.extend(source.as_ref().map(|it| Entry::new("from", Value::Code(from(it)))));
            entries.extend(
                default.as_ref().map(|it| Entry::new("else", Value::Code(expr::value(it)))),
            );
            let value = match entries.len() {
                1 => entries.remove(0).value,
                _ => map(entries),
            };
            Piece::Pair("attributes", path(attr), value)
        }
        Item::Let { name, body } => {
            let body = match body {
                LetBody::List(values) => {
                    list(values.node.iter().map(|it| Value::Code(expr::value(it))))
                }
                LetBody::Cond(body) => Value::Code(cond(body)),
            };
            Piece::Pair("lets", name.node.clone(), body)
        }
        Item::Schedule(schedule) => {
            let to = schedule.to.as_ref().map(|to| format!("..{}", to.node)).unwrap_or_default();
            let hours = schedule
                .hours
                .as_ref()
                .map(|(open, close)| format!(" {}..{}", literal(&open.node), literal(&close.node)));
            let hours = hours.unwrap_or_default();
            let text = format!("{}{to}{hours} {}", schedule.from.node, schedule.zone.node);
            Piece::Pair("schedules", schedule.name.node.clone(), code(text))
        }
        Item::Assume(fact) => Piece::Row("assumes", Value::Code(cond(fact))),
        Item::Pool { name, set, pick } => {
            let mut entries = pool(set);
            entries.extend(pick.as_ref().map(|it| Entry::new("pick", Value::Code(order(it)))));
            Piece::Pair("pools", name.node.clone(), map(entries))
        }
        Item::Ladder { name, rungs } => {
            let mut entries = Vec::new();
            let tail = block(&mut entries, "lines", rungs, rung);
            Piece::Pair("ladders", name.node.clone(), tall(entries, tail))
        }
        Item::Split { name, by: keys, arms } => {
            let mut entries = Vec::new();
            keys.iter().for_each(|keys| by(keys, &mut entries));
            entries.push(rows("arms", arms, arm));
            Piece::Pair("splits", name.node.clone(), tall(entries, &[]))
        }
        Item::Experiment { name, by: keys, lines } => {
            let mut entries = Vec::new();
            by(keys, &mut entries);
            let tail = block(&mut entries, "lines", lines, trial);
            Piece::Pair("experiments", name.node.clone(), tall(entries, tail))
        }
        Item::Budget { name, amount, period, per, when, marks } => {
            let mut entries = vec![
                Entry::new("amount", code(literal(&amount.node))),
                Entry::new("per", list([code(&*period.node), code(path(per))])),
            ];
            entries.extend(when.as_ref().map(|it| Entry::new("when", Value::Code(cond(it)))));
            entries.push(rows("at", marks, mark));
            Piece::Pair("budgets", name.node.clone(), tall(entries, &[]))
        }
        Item::Limit { name, amount, per, when, breach: action } => {
            let (key, amount) = match amount {
                LimitAmount::Rate(rate) => ("rate", rate),
                LimitAmount::Concurrent(count) => ("concurrent", count),
            };
            let mut entries = vec![
                Entry::new(key, code(literal(&amount.node))),
                Entry::new("per", code(path(per))),
            ];
            entries.extend(when.as_ref().map(|it| Entry::new("when", Value::Code(cond(it)))));
            entries.push(breach(action));
            Piece::Pair("limits", name.node.clone(), map(entries))
        }
        Item::Deny { name, when, because, status } => {
            let mut entries = vec![
                Entry::new("when", Value::Code(cond(when))),
                Entry::new("because", Value::Text(because.node.clone())),
            ];
            let status = status.as_ref().map(|it| Entry::new("status", code(it.node.to_string())));
            entries.extend(status);
            Piece::Pair("deny", name.node.clone(), tall(entries, &[]))
        }
        Item::Require { name, when, only } => {
            let when = when.as_ref().map(|it| Entry::new("when", Value::Code(cond(it))));
            let only = Entry::new("only", Value::Code(cond(only)));
            let entries = when.into_iter().chain([only]).collect();
            Piece::Pair("require", name.node.clone(), tall(entries, &[]))
        }
        Item::Defaults(directives) => {
            // Where a key comes twice, the section is the list itself.
            let mut entries = Vec::new();
            let tail = body(&mut entries, directives);
            let nested = matches!(entries.as_slice(), [only] if only.key == "body");
            let value = match nested {
                true => entries.remove(0).value,
                false => tall(entries, tail),
            };
            Piece::One("defaults", value)
        }
        Item::Tune { name, when, body: directives } => {
            let mut entries = vec![
                Entry::new("name", code(&*name.node)),
                Entry::new("when", Value::Code(cond(when))),
            ];
            let tail = body(&mut entries, directives);
            Piece::Row("tunes", tall(entries, tail))
        }
        Item::Route { name, when, to, body: directives } => {
            let mut entries = vec![
                Entry::new("name", code(&*name.node)),
                Entry::new("when", Value::Code(cond(when))),
                Entry::new("to", Value::Code(target(to))),
            ];
            let tail = directives.as_ref().map(|it| body(&mut entries, it)).unwrap_or_default();
            Piece::Row("routes", tall(entries, tail))
        }
        Item::Default { to, body: directives } => {
            let mut entries = vec![Entry::new("default", Value::Code(target(to)))];
            let tail = directives.as_ref().map(|it| body(&mut entries, it)).unwrap_or_default();
            Piece::Row("routes", tall(entries, tail))
        }
        Item::Delegate { name, when, to } => {
            let entries = vec![
                Entry::new("delegate", code(&*name.node)),
                Entry::new("when", Value::Code(cond(when))),
                Entry::new("file", Value::Text(to.node.clone())),
            ];
            Piece::Row("routes", tall(entries, &[]))
        }
        Item::Alias { from, to } => {
            let from = Entry::new("alias", Value::Text(from.node.clone()));
            Piece::Row("routes", map(vec![from, Entry::new("to", Value::Code(target(to)))]))
        }
        Item::Invariant { name, when, claims } => {
            let when = when.as_ref().map(|it| Entry::new("when", Value::Code(cond(it))));
            let claims = rows("claims", claims, |claim| Value::Code(lines_of::claim(claim).head));
            let entries = when.into_iter().chain([claims]).collect();
            Piece::Pair("invariants", name.node.clone(), tall(entries, &[]))
        }
        Item::Test { name, lines } => {
            let mut entries = vec![Entry::new("name", Value::Text(name.node.clone()))];
            let tail = block(&mut entries, "lines", lines, test);
            Piece::Row("tests", tall(entries, tail))
        }
    }
}

fn type_expr(ty: &TypeExpr) -> String {
    match ty {
        TypeExpr::Scalar { name, range: None } => name.clone(),
        TypeExpr::Scalar { name, range: Some(range) } => {
            format!("{name} {}..{}", literal(&range.from.node), literal(&range.to.node))
        }
        TypeExpr::Enum(members) => {
            let members: Vec<&str> = members.iter().map(|member| member.node.as_str()).collect();
            format!("enum {}", members.join(" | "))
        }
        TypeExpr::Named(name) => name.clone(),
    }
}

fn from(source: &Source) -> Doc {
    let named = |word: &str, name: &str, settings| {
        Doc::Cat(vec![format!("{word} {}", quote(name)).into(), knobs(settings)])
    };
    match source {
        Source::Script(file, settings) => named("script", &file.node, settings),
        Source::Classifier(name, settings) => named("classifier", &name.node, settings),
        Source::Header(name) => named("header", &name.node, &[]),
        Source::Attr(attr) => path(attr).into(),
    }
}

/// A set that is `first plus … except …` has keys for its terms; any other is one text.
fn pool(set: &SetExpr) -> Vec<Entry<'_>> {
    let ops: Vec<SetOp> = set.rest.iter().map(|(op, _)| *op).collect();
    use SetOp::{Except, Plus};
    if !matches!(ops.as_slice(), [] | [Plus] | [Except] | [Plus, Except]) {
        return vec![Entry::new("set", Value::Code(expr::set_expr(set)))];
    }
    let first = match &set.first.node {
        SetTerm::List(_) => Entry::new("members", term(&set.first.node)),
        SetTerm::Models(Some(models)) => Entry::new("models_where", Value::Code(cond(models))),
        other => Entry::new("set", Value::Code(set_term(other))),
    };
    let rest = set.rest.iter().map(|(op, other)| {
        Entry::new(if *op == Plus { "plus" } else { "except" }, term(&other.node))
    });
    std::iter::once(first).chain(rest).collect()
}

fn term(term: &SetTerm) -> Value<'_> {
    match term {
        SetTerm::List(targets) => list(targets.iter().map(|it| Value::Code(target(it)))),
        term => Value::Code(set_term(term)),
    }
}

fn by<'a>(by: &'a By, entries: &mut Vec<Entry<'a>>) {
    let attrs = match by.attrs.as_slice() {
        [one] => code(path(one)),
        several => list(several.iter().map(|attr| code(path(attr)))),
    };
    entries.push(Entry::new("by", attrs));
    entries.extend(by.salt.iter().map(|it| Entry::new("salt", Value::Text(it.node.clone()))));
}

fn arm(arm: &Arm) -> Value<'_> {
    let name = arm.name.as_ref().map(|name| Entry::new("name", code(&*name.node)));
    let share = match &arm.share.node {
        Share::Percent(share) => share.to_string(),
        Share::Rest => "rest".to_owned(),
    };
    let rest = [Entry::new("share", code(share)), Entry::new("to", Value::Code(target(&arm.to)))];
    map(name.into_iter().chain(rest).collect())
}

fn trial(line: &ExperimentLine) -> Piece<'_> {
    match line {
        ExperimentLine::Arm(line) => Piece::Row("arms", arm(line)),
        ExperimentLine::Ramp { arm, shares, every, from } => {
            let shares = list(shares.iter().map(|share| code(literal(&share.node))));
            let mut entries = vec![
                Entry::new("arm", code(&*arm.node)),
                Entry::new("shares", shares),
                Entry::new("every", code(literal(&every.node))),
            ];
            entries.extend(from.iter().map(|it| Entry::new("from", code(literal(&it.node)))));
            Piece::Row("ramps", map(entries))
        }
        ExperimentLine::Metric(names) => {
            Piece::One("metrics", list(names.iter().map(|name| code(&*name.node))))
        }
        ExperimentLine::Guard { cond: held, over, halt_to } => {
            let mut entries = vec![Entry::new("holds", Value::Code(cond(held)))];
            entries.extend(over.iter().map(|it| Entry::new("over", code(literal(&it.node)))));
            entries.push(Entry::new("halt_to", code(&*halt_to.node)));
            Piece::Row("guards", map(entries))
        }
        ExperimentLine::Ends { date, to } => {
            let date = Entry::new("date", code(literal(&date.node)));
            Piece::One("ends", map(vec![date, Entry::new("to", Value::Code(target(to)))]))
        }
    }
}

fn mark(mark: &Mark) -> Value<'_> {
    map(vec![Entry::new("share", code(literal(&mark.share.node))), breach(&mark.breach)])
}

/// What happens when an amount is reached.
pub fn breach(breach: &Breach) -> Entry<'_> {
    match breach {
        Breach::Warn => Entry::new("warn", code("true")),
        Breach::Degrade(to) => Entry::new("degrade_to", Value::Code(target(to))),
        Breach::Queue(time) => Entry::new("queue", code(literal(&time.node))),
        Breach::Deny(None) => Entry::new("deny", Value::Null),
        Breach::Deny(Some(why)) => Entry::new("deny", Value::Text(why.node.clone())),
    }
}
