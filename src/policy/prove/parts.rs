//! Conditions that are false on their own (P4002), and parts of conditions that change nothing
//! (P4003).

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::axes::Axes;
use super::escape::{Budget, Escape, Region, Room, escape};
use super::findings::Search;
use crate::policy::codes;
use crate::policy::cond::{Cond, Op, Operand, Test};
use crate::policy::diagnostic::Diagnostic;
use crate::policy::program::{ModelFilter, Program};
use crate::policy::schema::Type;
use crate::policy::syntax::tree::Span;
use crate::policy::table::classes::Space;

/// A part of a condition by its place, and what tells it from others at the same place.
type Key = (u32, u32, String);

/// What is wrong with a part, and in how many of its uses.
#[derive(Default)]
struct Part {
    looked_at: usize,
    wrong: usize,
    told: Option<Told>,
}

/// Message, label, and a second place with its label.
type Told = (String, String, Option<(Span, String)>);

/// The parts of conditions, each looked at wherever it is used: what a `let` names is only told where
/// no use needs it.
struct Parts {
    found: BTreeMap<Key, Part>,
    /// How much may still be looked at, so that no file takes long.
    left: u64,
}

/// Pairs of boxes that are compared over all conditions.
const ALLOWANCE: u64 = 40_000_000;

/// A larger condition is not taken apart.
const MOST_TESTS: usize = 48;

impl Search<'_> {
    pub fn dead_parts(&mut self) {
        let program = self.program;
        let mut parts = Parts { found: BTreeMap::new(), left: ALLOWANCE };
        let mut wrong: Vec<Diagnostic> = Vec::new();
        let mut told: HashSet<(u32, u32)> = HashSet::new();
        let rules = program.rules().chain(program.invariants.iter().map(|it| &it.rule));
        let mut look = |cond: &Cond, span: Option<Span>, axes: &Axes| {
            let Some(false_here) = parts.look(cond, axes) else { return };
            let Some(whole) = span.or_else(|| extent(cond)) else { return };
            if false_here && told.insert((whole.start, whole.end)) {
                wrong.push(contradiction(cond, whole, axes));
            }
        };
        for rule in rules {
            look(&rule.own, self.written_when(rule.span), &self.prover.axes);
        }
        for assumption in &program.assumptions {
            look(&assumption.cond, Some(assumption.span), &self.prover.axes);
        }
        let mut filters: Vec<(&Cond, Option<Span>)> = Vec::new();
        for filter in filters_of(program) {
            filters.push((&filter.cond, Some(filter.at.0)));
        }
        filters.extend(self.seen.pools.iter().map(|cond| (cond, None)));
        let steps = program.ladders.iter().flat_map(|ladder| &ladder.steps);
        let escalations: Vec<Arc<Cond>> = steps.filter_map(|it| it.escalate.clone()).collect();
        filters.extend(escalations.iter().map(|cond| (&**cond, None)));
        for (cond, span) in filters {
            let tests = cond.tests();
            if tests.len() > 1 {
                look(cond, span, &Axes::of(Space::spanned_by(tests.iter().copied())));
            }
        }
        wrong.extend(parts.findings());
        for one in wrong {
            if !self.in_library(one.primary.span) {
                self.report(one);
            }
        }
    }
}

/// All conditions on models of the rules.
fn filters_of(program: &Program) -> Vec<&ModelFilter> {
    let settings = std::iter::once(&*program.defaults)
        .chain(program.tunes.iter().map(|it| &it.settings))
        .chain(program.routes.iter().map(|it| &it.body))
        .chain(program.ladders.iter().flat_map(|it| &it.steps).map(|it| &it.body));
    let own = settings.flat_map(|settings| settings.only.iter().map(|it| &**it));
    let mut all: Vec<&ModelFilter> =
        own.chain(program.requires.iter().map(|it| &*it.only)).collect();
    let claims = program.invariants.iter().flat_map(|it| &it.claims);
    all.extend(claims.filter_map(|(claim, _)| match claim {
        crate::policy::program::Claim::Models(_, filter) => Some(&**filter),
        _ => None,
    }));
    all
}

/// Where a condition stands: from its first test to its last.
fn extent(cond: &Cond) -> Option<Span> {
    let spans = cond.tests().into_iter().map(|test| test.span).filter(|span| span.end > 0);
    spans.reduce(|a, b| Span { start: a.start.min(b.start), end: a.end.max(b.end) })
}

fn contradiction(cond: &Cond, whole: Span, axes: &Axes) -> Diagnostic {
    let help = "did you mean `or`? Or remove what can never match";
    let message = "this condition is false on its own";
    // As few of its parts as contradict each other.
    let mut needed: Vec<&Cond> = match cond {
        Cond::And(all) => all.iter().collect(),
        _ => Vec::new(),
    };
    let mut index = 0;
    while index < needed.len() && needed.len() > 1 {
        let mut fewer = needed.clone();
        fewer.remove(index);
        let rest = Cond::And(fewer.iter().map(|it| (*it).clone()).collect());
        match axes.regions(&rest) {
            Ok(regions) if regions.is_empty() => needed = fewer,
            _ => index += 1,
        }
    }
    let spans: Vec<Span> = needed.iter().filter_map(|part| extent(part)).collect();
    if let ([first, second], 2) = (spans.as_slice(), needed.len())
        && first.end <= second.start
    {
        let label = "no value fits this and the other";
        return Diagnostic::warning(codes::ALWAYS_FALSE, *second, message, label)
            .also(*first, "the other")
            .help(help);
    }
    Diagnostic::warning(codes::ALWAYS_FALSE, whole, message, "no value fits all of it").help(help)
}

impl Parts {
    /// The regions of a condition; none are told where time is up.
    fn regions(&mut self, cond: &Cond, axes: &Axes) -> Option<Vec<Region>> {
        /// About what it takes to see that there are too many.
        const TOO_MANY: u64 = 60_000;
        if self.left == 0 {
            return None;
        }
        let regions = axes.regions(cond).ok();
        let pairs = regions.as_ref().map_or(TOO_MANY, |it| 1 + (it.len() * it.len()) as u64);
        self.left = self.left.saturating_sub(pairs);
        regions
    }

    /// Takes a condition apart; whether it is false as a whole. `None` where it is too large.
    fn look(&mut self, cond: &Cond, axes: &Axes) -> Option<bool> {
        let tests = cond.tests().len();
        if tests == 0 || tests > MOST_TESTS {
            return None;
        }
        let regions = self.regions(cond, axes)?;
        if regions.is_empty() {
            return Some(true);
        }
        if tests > 1 && covers(axes, &regions) && !matches!(cond, Cond::Test(_)) {
            let whole = extent(cond)?;
            self.tell(whole, "whole", true, always_true);
            return Some(false);
        }
        self.part(cond, false, &Vec::new(), axes);
        Some(false)
    }

    fn part(&mut self, cond: &Cond, negated: bool, context: &[Cond], axes: &Axes) {
        match (cond, negated) {
            (Cond::Not(inner), _) => self.part(inner, !negated, context, axes),
            (Cond::And(all), false) | (Cond::Or(all), true) => {
                for (index, part) in all.iter().enumerate() {
                    let mut wider = context.to_vec();
                    let others = all.iter().enumerate().filter(|(other, _)| *other != index);
                    wider.extend(others.map(|(_, other)| signed(other, negated)));
                    self.part(part, negated, &wider, axes);
                }
            }
            (Cond::Or(any), false) | (Cond::And(any), true) => {
                self.branches(any, negated, context, axes);
                for part in any {
                    self.part(part, negated, context, axes);
                }
            }
            (Cond::Test(test), _) => self.test(test, negated, context, axes),
        }
    }

    /// The branches of an `or`: one that cannot hold, or whose every case another covers, is dead.
    fn branches(&mut self, any: &[Cond], negated: bool, context: &[Cond], axes: &Axes) {
        if any.len() < 2 {
            return;
        }
        let mut within = |part: &Cond| {
            let mut all = context.to_vec();
            all.push(signed(part, negated));
            self.regions(&Cond::And(all), axes)
        };
        let regions = any.iter().map(&mut within).collect::<Option<Vec<Vec<Region>>>>();
        let Some(regions) = regions else { return };
        let mut alive: Vec<bool> = vec![true; any.len()];
        for index in (0..any.len()).rev() {
            let Some(span) = extent(&any[index]) else { continue };
            let others: Vec<&Region> = (0..any.len())
                .filter(|other| *other != index && alive[*other])
                .flat_map(|other| &regions[other])
                .collect();
            let covered = regions[index].iter().all(|region| {
                let room = axes.everything().cut(region);
                room.is_none_or(|room| is_covered(&room, &others))
            });
            alive[index] = !covered;
            let empty = regions[index].is_empty();
            let by = (0..any.len()).find(|other| {
                *other != index && alive[*other] && {
                    let one: Vec<&Region> = regions[*other].iter().collect();
                    let rooms = regions[index].iter().filter_map(|it| axes.everything().cut(it));
                    rooms.into_iter().all(|room| is_covered(&room, &one))
                }
            });
            let what = described(&any[index]);
            self.tell(span, &format!("branch {what:?}"), covered, || {
                let label = if empty {
                    "can never hold here".to_owned()
                } else {
                    "every request that it lets in, another part lets in already".to_owned()
                };
                let message = match &what {
                    Some(what) => format!("`{what}` changes nothing in this condition"),
                    None => "this part of an `or` changes nothing".to_owned(),
                };
                let other = by.filter(|_| !empty).and_then(|other| extent(&any[other]));
                let other = other.filter(|other| *other != span);
                (message, label, other.map(|other| (other, "covered by this".to_owned())))
            });
        }
    }

    fn test(&mut self, test: &Arc<Test>, negated: bool, context: &[Cond], axes: &Axes) {
        if test.span.end == 0 {
            return;
        }
        let this = signed(&Cond::Test(test.clone()), negated);
        let words = match (&test.op, &test.operand) {
            (Op::OneOf(_), Operand::Attr(attr)) => attr.attr.def().ty == Type::String,
            _ => false,
        };
        // There is always one more text, and to write them all out takes long where there are many.
        if !words || negated {
            let opposite = signed(&Cond::Test(test.clone()), !negated);
            let Some(against) = self.regions(&opposite, axes) else { return };
            self.tell(test.span, "test", against.is_empty(), always_true);
        }
        let Op::OneOf(words) = &test.op else { return };
        if negated || words.len() < 2 || words.len() > MOST_TESTS {
            return;
        }
        if self.regions(&this, axes).is_none_or(|it| it.is_empty()) {
            return;
        }
        for (index, word) in words.iter().enumerate() {
            let twice = words[..index].contains(word);
            let one = Cond::test(test.operand.clone(), Op::OneOf(vec![word.clone()]), test.span);
            let mut all = context.to_vec();
            all.push(one);
            let never = !context.is_empty()
                && self.regions(&Cond::And(all), axes).is_some_and(|regions| regions.is_empty());
            self.tell(test.span, &format!("word {word} {twice}"), never || twice, || {
                let label = if twice { "listed twice" } else { "the rest rules it out" };
                (format!("`{word}` changes nothing in this list"), label.to_owned(), None)
            });
        }
    }

    fn tell(&mut self, span: Span, what: &str, wrong: bool, told: impl FnOnce() -> Told) {
        let part = self.found.entry((span.start, span.end, what.to_owned())).or_default();
        part.looked_at += 1;
        if wrong {
            part.wrong += 1;
            part.told.get_or_insert_with(told);
        }
    }

    fn findings(self) -> impl Iterator<Item = Diagnostic> {
        let wrong = self.found.into_iter().filter(|(_, part)| part.wrong == part.looked_at);
        wrong.filter_map(|((start, end, _), part)| {
            let (message, label, other) = part.told?;
            let span = Span { start, end };
            let found = Diagnostic::warning(codes::DEAD_PART, span, message, label);
            Some(match other {
                Some((span, label)) => found.also(span, label),
                None => found,
            })
        })
    }
}

fn always_true() -> Told {
    ("this is always true".to_owned(), "holds for every request".to_owned(), None)
}

fn signed(cond: &Cond, negated: bool) -> Cond {
    if negated { cond.clone().negated() } else { cond.clone() }
}

fn covers(axes: &Axes, regions: &[Region]) -> bool {
    is_covered(&axes.everything(), &regions.iter().collect::<Vec<_>>())
}

fn is_covered(room: &Room, others: &[&Region]) -> bool {
    matches!(escape(room, others, Budget(20_000)), Escape::Covered(_))
}

/// What tells a part from others that stand at the same place: the pattern of a list.
fn described(cond: &Cond) -> Option<String> {
    let Cond::Test(test) = cond else { return None };
    let operand: &Operand = &test.operand;
    match &test.op {
        Op::Like(glob) => Some(format!("{operand} like {:?}", glob.as_str())),
        Op::Has(element) => Some(format!("{operand} has {element:?}")),
        _ => None,
    }
}
