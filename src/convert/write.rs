//! Pieces of a policy's tree that were not read from text.

use std::collections::HashSet;

use crate::policy::syntax::parse_literal;
use crate::policy::syntax::tree::{
    Arm, AttrPart, AttrPath, Block, Breach, CacheStmt, CompareOp, Cond, CondKind, File, Item, Line,
    Literal, LiteralValue, Membership, Name, Pick, PickStrategy, SetExpr, SetParamOp, SetTerm,
    Share, Span, Spanned, Stmt, Target, TargetKind, Test, Text, Trivia, Value, ValueKind,
};
use crate::policy::syntax::words::RESERVED;
use crate::units::BasisPoints;

/// A node that stands nowhere.
pub fn at<T>(node: T) -> Spanned<T> {
    Spanned::new(node, Span::default())
}

/// A name or a text.
pub fn name(text: &str) -> Name {
    at(text.to_owned())
}

/// A constant as it would be written; `None` if no policy can say it.
pub fn literal(text: &str) -> Option<Spanned<Literal>> {
    parse_literal(text).map(at)
}

/// A text as a constant.
pub fn text_literal(text: &str) -> Literal {
    Literal { value: LiteralValue::String(text.to_owned()), raw: String::new() }
}

/// A text as an operand.
pub fn text_value(text: &str) -> Value {
    Value { kind: ValueKind::Literal(text_literal(text)), span: Span::default() }
}

/// A word as an operand.
pub fn word_value(word: &str) -> Value {
    Value { kind: ValueKind::Name(word.to_owned()), span: Span::default() }
}

/// A constant as an operand.
pub fn literal_value(text: &str) -> Option<Value> {
    let literal = parse_literal(text)?;
    Some(Value { kind: ValueKind::Literal(literal), span: Span::default() })
}

/// A duration in the largest unit that says it exactly.
pub fn duration(milliseconds: f64) -> Option<Spanned<Literal>> {
    if !(1.0..=1e12).contains(&milliseconds) {
        return None;
    }
    let ms = milliseconds.round() as u64;
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s")];
    let text = units
        .iter()
        .find(|(unit, _)| ms.is_multiple_of(*unit))
        .map_or_else(|| format!("{ms}ms"), |(unit, word)| format!("{}{word}", ms / unit));
    literal(&text)
}

/// An amount of money.
pub fn dollars(amount: f64) -> Option<Spanned<Literal>> {
    (0.0..1e9).contains(&amount).then(|| decimal(amount)).and_then(|it| literal(&format!("${it}")))
}

/// A number with at most nine decimals and no exponent.
pub fn decimal(number: f64) -> String {
    let text = format!("{number:.9}");
    match text.trim_end_matches('0').trim_end_matches('.') {
        // Of what is too small only the sign would be left.
        "-" | "-0" => "0".to_owned(),
        text => text.to_owned(),
    }
}

/// `a.b["c"]`
pub fn attr(words: &str, index: Option<&str>) -> AttrPath {
    let mut parts: Vec<AttrPart> =
        words.split('.').map(|word| AttrPart::Word(word.to_owned())).collect();
    parts.extend(index.map(|index| AttrPart::Index(index.to_owned())));
    AttrPath { parts, span: Span::default() }
}

/// A condition.
pub fn cond(kind: CondKind) -> Cond {
    Cond { kind, span: Span::default() }
}

/// One attribute and what is asked of it.
pub fn atom(attr: AttrPath, test: Option<Test>) -> Cond {
    cond(CondKind::Atom { attr, test })
}

/// `attr op value`
pub fn compare(attr: AttrPath, op: CompareOp, value: Value) -> Cond {
    atom(attr, Some(Test::Compare(at(op), value)))
}

/// `attr in [..]`, `attr == …` for one value.
pub fn one_of(attr: AttrPath, mut values: Vec<Value>, negated: bool) -> Cond {
    if values.len() == 1
        && let Some(value) = values.pop()
    {
        let op = if negated { CompareOp::Ne } else { CompareOp::Eq };
        return compare(attr, op, value);
    }
    atom(attr, Some(Test::In { negated, set: Membership::List(at(values)) }))
}

/// `attr like [..]`
pub fn like(attr: AttrPath, globs: &[String]) -> Cond {
    atom(attr, Some(Test::Like(globs.iter().map(|glob| name(glob)).collect())))
}

/// All of them; `None` for none.
pub fn all(mut conds: Vec<Cond>) -> Option<Cond> {
    if conds.len() < 2 {
        return conds.pop();
    }
    let mut flat = Vec::new();
    for one in conds {
        match one.kind {
            CondKind::And(inner) => flat.extend(inner),
            kind => flat.push(cond(kind)),
        }
    }
    Some(cond(CondKind::And(flat)))
}

/// One of them; `None` for none.
pub fn any(mut conds: Vec<Cond>) -> Option<Cond> {
    if conds.len() < 2 { conds.pop() } else { Some(cond(CondKind::Or(conds))) }
}

/// Not that.
pub fn not(inner: Cond) -> Cond {
    cond(CondKind::Not(Box::new(inner)))
}

/// A model as a target.
pub fn model(id: &str) -> Target {
    Target { kind: TargetKind::Model(id.to_owned()), span: Span::default() }
}

/// A pool, a split or a ladder as a target.
pub fn named(name: &str) -> Target {
    Target { kind: TargetKind::Name(name.to_owned()), span: Span::default() }
}

/// Lines without comments.
pub fn block<T>(nodes: Vec<T>) -> Block<T> {
    Block { lines: nodes.into_iter().map(|node| line(node, &[], false)).collect(), tail: vec![] }
}

/// A body, if anything is in it.
pub fn body(stmts: Vec<Stmt>) -> Option<Block<Stmt>> {
    (!stmts.is_empty()).then(|| block(stmts))
}

/// A line with comments before it.
pub fn line<T>(node: T, comments: &[String], blank_before: bool) -> Line<T> {
    let before = comments.iter().flat_map(|text| text.lines()).map(|text| {
        // What is quoted from the source may hold anything.
        let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        format!("# {clean}")
    });
    let trivia = Trivia { blank_before, before: before.collect(), after: None };
    Line { node, span: Span::default(), trivia }
}

/// `pick …`
pub fn pick(strategy: PickStrategy) -> Pick {
    Pick { strategy: at(strategy), of: None }
}

/// `[a, b]`
pub fn list(targets: Vec<Target>) -> SetExpr {
    SetExpr { first: at(SetTerm::List(targets)), rest: Vec::new() }
}

/// `models where …`
pub fn models_where(cond: Cond) -> SetExpr {
    SetExpr { first: at(SetTerm::Models(Some(cond))), rest: Vec::new() }
}

/// `set param = value`
pub fn set(param: &str, op: SetParamOp, value: Value) -> Stmt {
    Stmt::Set { param: name(param), op, value }
}

/// `timeout clock …`
pub fn timeout(clock: &str, milliseconds: f64) -> Option<Stmt> {
    Some(Stmt::Timeout(vec![(name(clock), duration(milliseconds)?)]))
}

/// `retry n on … backoff …`; at most as often as a policy may.
pub fn retry(times: u64, on: &[&str], backoff: Option<f64>) -> Stmt {
    let on = (!on.is_empty()).then(|| on.iter().map(|class| name(class)).collect());
    let backoff = backoff.and_then(duration).map(|first| (first, None));
    Stmt::Retry { times: at(times.min(MOST_RETRIES)), on, backoff }
}

/// More retries than this no policy may have.
pub const MOST_RETRIES: u64 = 10;

/// `fallback a, b on …`
pub fn fallback(to: Vec<Target>, on: &[&str]) -> Stmt {
    let on = (!on.is_empty()).then(|| on.iter().map(|class| name(class)).collect());
    Stmt::Fallback { to, on }
}

/// `cache exact ttl …`
pub fn cache(seconds: f64) -> Option<Stmt> {
    Some(Stmt::Cache(CacheStmt::On { semantic: None, ttl: duration(seconds * 1000.0)?, key: None }))
}

/// `deny "…"`
pub fn deny(why: &str) -> Breach {
    let text: Text = name(why);
    Breach::Deny(Some(text))
}

/// The arms of a split: weights as shares of the whole, the last one has the rest. Targets without a
/// weight are left out.
pub fn arms(weighted: &[(f64, Target)]) -> Vec<Arm> {
    let weighted: Vec<_> = weighted.iter().filter(|(weight, _)| *weight > 0.0).collect();
    let sum: f64 = weighted.iter().map(|(weight, _)| weight).sum();
    let whole = f64::from(BasisPoints::WHOLE.0);
    let mut shares: Vec<(u32, &Target)> = weighted
        .iter()
        .map(|(weight, target)| ((weight / sum * whole).round() as u32, target))
        .filter(|(share, _)| *share > 0)
        .collect();
    // Rounding up may have taken what belongs to the last.
    let others: u32 = shares.iter().rev().skip(1).map(|(share, _)| share).sum();
    if let Some(excess) = (others + 1).checked_sub(BasisPoints::WHOLE.0)
        && let Some((largest, _)) = shares.iter_mut().max_by_key(|(share, _)| *share)
    {
        *largest = largest.saturating_sub(excess);
    }
    let last = shares.len().saturating_sub(1);
    let mut seen: Vec<String> = Vec::new();
    shares
        .into_iter()
        .enumerate()
        .map(|(index, (share, target))| {
            let share =
                if index == last { Share::Rest } else { Share::Percent(BasisPoints(share)) };
            let (TargetKind::Model(text) | TargetKind::Name(text)) = &target.kind;
            let twice = seen.contains(text);
            seen.push(text.clone());
            let name = twice.then(|| name(&format!("arm-{}", index + 1)));
            Arm { name, share: at(share), to: target.clone() }
        })
        .collect()
}

/// Words that are no good as names, though the grammar may take them.
const AVOIDED: &[&str] =
    &["models", "requested", "default", "defaults", "auto", "rest", "any", "all", "none", "off"];

/// A policy in the making: its declarations, then its rules.
#[derive(Debug, Default)]
pub struct Policy {
    declared: Vec<Line<Item>>,
    rules: Vec<Line<Item>>,
    names: HashSet<String>,
}

impl Policy {
    /// A name like this one that nothing else has: lower case, with hyphens.
    pub fn name(&mut self, like: &str) -> String {
        let mut base = String::new();
        for c in like.chars() {
            match c {
                c if c.is_ascii_alphanumeric() => base.push(c.to_ascii_lowercase()),
                _ if base.is_empty() || base.ends_with('-') => {}
                _ => base.push('-'),
            }
            if base.len() >= 60 {
                break;
            }
        }
        let base = base.trim_matches('-');
        let starts_well = base.starts_with(|c: char| c.is_ascii_alphabetic());
        let base = match base {
            "" => "group".to_owned(),
            word if RESERVED.contains(&word) || AVOIDED.contains(&word) => format!("{word}-group"),
            word if !starts_well => format!("m-{word}"),
            word => word.to_owned(),
        };
        let mut name = base.clone();
        let mut number = 2;
        while !self.names.insert(name.clone()) {
            name = format!("{base}-{number}");
            number += 1;
        }
        name
    }

    /// Adds a pool, a split or a ladder.
    pub fn declare(&mut self, item: Item, comments: &[String]) {
        let blank = !comments.is_empty();
        self.declared.push(line(item, comments, blank));
    }

    /// Adds a rule.
    pub fn rule(&mut self, item: Item, comments: &[String]) {
        let blank = !comments.is_empty() || self.rules.is_empty();
        self.rules.push(line(item, comments, blank));
    }

    /// The policy, under a comment.
    pub fn file(self, comments: &[String]) -> File {
        let mut items = vec![line(Item::Language(at(1)), comments, false)];
        let mut declared = self.declared;
        if let Some(first) = declared.first_mut() {
            first.trivia.blank_before = true;
        }
        items.extend(declared);
        items.extend(self.rules);
        File { items, tail: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zero_has_no_sign() {
        assert_eq!(decimal(-0.0), "0");
        assert_eq!(decimal(-1e-12), "0");
        assert_eq!(decimal(-0.5), "-0.5");
        assert_eq!(decimal(10.0), "10");
    }
}
