//! What of a policy its tests have seen: rules that matched, tests of conditions that came out both
//! ways, branches of plans that were taken.

use std::collections::HashMap;

use super::outcome::Upshot;
use super::request::TestRequest;
use super::say;
use crate::policy::cond::{Cond, Op};
use crate::policy::plan::{Decision, Plan, PlanReason, Reached};
use crate::policy::program::{Breach, CapBreach, Program, Rule, Settings, Target};
use crate::policy::syntax::tree::Span;

/// So many of so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Share {
    /// Seen.
    pub seen: usize,
    /// There are.
    pub of: usize,
}

impl Share {
    /// In percent, rounded down; of nothing, everything was seen.
    pub fn percent(self) -> usize {
        (self.seen * 100).checked_div(self.of).unwrap_or(100)
    }
}

impl std::ops::Add for Share {
    type Output = Share;
    fn add(self, other: Share) -> Share {
        Share { seen: self.seen + other.seen, of: self.of + other.of }
    }
}

/// Something that no test saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Where it stands.
    pub span: Span,
    /// What it is: `route `hard` never takes a request`.
    pub what: String,
}

/// What the tests of one policy have seen.
#[derive(Debug, Clone, Default)]
pub struct Coverage {
    /// Denials, requirements, tunes and routes.
    rules: Vec<Point>,
    /// Each test of a condition, once per place.
    tests: Vec<Sides>,
    by_place: HashMap<Span, usize>,
    branches: Vec<(Branch, Point)>,
}

#[derive(Debug, Clone)]
struct Point {
    span: Span,
    what: String,
    seen: bool,
}

/// A test of a condition comes out in two ways.
#[derive(Debug, Clone)]
struct Sides {
    span: Span,
    text: String,
    /// Whether it is written the other way round than it is carried out: `!=`, `not in`.
    negated: bool,
    seen: [bool; 2],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Branch {
    Step { ladder: usize, step: usize },
    Arm { split: usize, arm: usize },
    Fallback(Span),
    Cap(Span),
    Mark { budget: usize, mark: usize },
    Limit(usize),
}

fn point(span: Span, what: String) -> Point {
    Point { span, what, seen: false }
}

/// The rules that every request is held against, in their order: denials, requirements, tunes.
fn standing(program: &Program) -> impl Iterator<Item = (&'static str, &Rule)> {
    let denies = program.denies.iter().map(|it| ("deny", &it.rule));
    let requires = program.requires.iter().map(|it| ("require", &it.rule));
    let tunes = program.tunes.iter().map(|it| ("tune", &it.rule));
    denies.chain(requires).chain(tunes)
}

impl Coverage {
    /// Nothing seen yet.
    pub fn of(program: &Program) -> Coverage {
        let mut coverage = Coverage::default();
        for (kind, rule) in standing(program) {
            let what = format!("{kind} `{}` never matches", rule.name);
            coverage.rules.push(point(rule.span, what));
            coverage.conditions(&rule.when, program);
        }
        for route in &program.routes {
            let kind = if route.is_default { "" } else { "route " };
            let what = format!("{kind}`{}` never takes a request", route.rule.name);
            coverage.rules.push(point(route.rule.span, what));
            coverage.conditions(&route.rule.when, program);
        }
        coverage.branches(program);
        coverage
    }

    fn conditions(&mut self, cond: &Cond, program: &Program) {
        // What a route says without being written (`request.auto`) has no place.
        for test in cond.tests().iter().filter(|test| test.span.end > 0) {
            if !self.by_place.contains_key(&test.span) {
                self.by_place.insert(test.span, self.tests.len());
                let text = say::source(program, test.span);
                let negated = is_negated(&text, &test.op);
                self.tests.push(Sides { span: test.span, text, negated, seen: [false; 2] });
            }
        }
    }

    fn branches(&mut self, program: &Program) {
        for (ladder, it) in program.ladders.iter().enumerate() {
            for (step, one) in it.steps.iter().enumerate() {
                let what = format!("step `{}` of `{}` is never reached", one.name, it.name);
                self.branches.push((Branch::Step { ladder, step }, point(one.span, what)));
            }
        }
        let inner = inner_splits(program);
        for (split, it) in program.splits.iter().enumerate() {
            // Of splits within others a plan tells only the outer one.
            for (arm, one) in it.arms.iter().enumerate().filter(|_| !inner.contains(&split)) {
                let what = format!("arm `{}` of `{}` is never taken", one.name, it.name);
                self.branches.push((Branch::Arm { split, arm }, point(it.span, what)));
            }
        }
        for settings in all_settings(program) {
            if let Some(fallback) = &settings.fallback {
                let span = fallback.at.0;
                let what = "the fallback is never asked".to_owned();
                self.branches.push((Branch::Fallback(span), point(span, what)));
            }
            if let Some(cap) = settings.cap.as_ref().filter(|cap| cap.breach != CapBreach::Warn) {
                let span = cap.at.0;
                let what = "the cap never bites".to_owned();
                self.branches.push((Branch::Cap(span), point(span, what)));
            }
        }
        for (budget, it) in program.budgets.iter().enumerate() {
            self.conditions(&it.rule.when, program);
            for (mark, one) in it.marks.iter().enumerate() {
                let what = format!("budget `{}` is never at {}", it.rule.name, one.share);
                let branch = Branch::Mark { budget, mark };
                self.branches.push((branch, point(it.rule.span, what)));
            }
        }
        for (limit, it) in program.limits.iter().enumerate() {
            self.conditions(&it.rule.when, program);
            let what = format!("limit `{}` is never reached", it.rule.name);
            self.branches.push((Branch::Limit(limit), point(it.rule.span, what)));
        }
    }

    /// Adds what one test saw.
    pub(super) fn add(
        &mut self,
        request: &TestRequest<'_>,
        upshot: &Upshot<'_>,
        program: &Program,
    ) {
        let denies = program.denies.len();
        let mut denied = false;
        for (index, (_, rule)) in standing(program).enumerate() {
            // Behind a denial nothing else matters.
            if denied && index >= denies {
                return;
            }
            let holds = self.observe(&rule.when, request);
            self.rules[index].seen |= holds;
            denied |= holds && index < denies;
        }
        if denied {
            return;
        }
        let money = program.budgets.iter().map(|it| &it.rule);
        for rule in money.chain(program.limits.iter().map(|it| &it.rule)) {
            self.observe(&rule.when, request);
        }
        match &upshot.decision {
            Decision::Denied(denial) if !denial.over_cap => {
                let breach = Breach::Deny(None);
                self.reached(&Reached { rule: denial.rule.clone(), mark: None, breach }, program);
                return;
            }
            Decision::Plan(Plan { reached: Some(reached), .. }) => self.reached(reached, program),
            _ => {}
        }
        let before = denies + program.requires.len() + program.tunes.len();
        let taken = upshot.route();
        for (index, route) in program.routes.iter().enumerate() {
            self.observe(&route.rule.when, request);
            if taken.is_some_and(|taken| *taken == route.rule.name) {
                self.rules[before + index].seen = true;
                if let Decision::Denied(_) = upshot.decision {
                    let tunes = program.tunes.iter().filter(|it| it.rule.when.holds(request));
                    let tunes = tunes.map(|tune| &tune.settings);
                    self.capped(&program.settings(tunes, Some(route)));
                }
                break;
            }
        }
        if let Some(plan) = upshot.plan() {
            self.plan(plan, upshot, program);
        }
    }

    fn plan(&mut self, plan: &Plan, upshot: &Upshot<'_>, program: &Program) {
        let by_budget = matches!(&plan.reached, Some(Reached { breach: Breach::Degrade(_), .. }));
        if plan.reason == PlanReason::Degraded && !by_budget {
            self.capped(&plan.settings);
        }
        if let Some(choice) = &plan.arm {
            let split = program.splits.iter().position(|split| split.name == choice.split);
            let arm = split.and_then(|split| {
                program.splits[split].arms.iter().position(|arm| arm.name == choice.arm)
            });
            if let (Some(split), Some(arm)) = (split, arm) {
                self.take(Branch::Arm { split, arm });
            }
        }
        let ladder = plan
            .ladder
            .as_ref()
            .and_then(|name| program.ladders.iter().position(|ladder| ladder.name == *name));
        for attempt in upshot.played.iter().flat_map(|played| &played.attempts) {
            if let Some(ladder) = ladder {
                let steps = &program.ladders[ladder].steps;
                if let Some(step) = steps.iter().position(|step| step.name == attempt.step) {
                    self.take(Branch::Step { ladder, step });
                }
            }
            let only_fallback = ladder.is_none() && *attempt.step == *"fallback";
            if let (Some(fallback), true) =
                (&plan.settings.fallback, attempt.is_fallback || only_fallback)
            {
                self.take(Branch::Fallback(fallback.at.0));
            }
        }
    }

    fn capped(&mut self, settings: &Settings) {
        if let Some(cap) = &settings.cap {
            self.take(Branch::Cap(cap.at.0));
        }
    }

    fn reached(&mut self, reached: &Reached, program: &Program) {
        if let Some(limit) = program.limits.iter().position(|it| it.rule.name == reached.rule) {
            self.take(Branch::Limit(limit));
        }
        let Some(budget) = program.budgets.iter().position(|it| it.rule.name == reached.rule)
        else {
            return;
        };
        let marks = program.budgets[budget].marks.iter();
        // A denial does not say its mark; a budget has one at most that denies.
        let mark = marks.clone().position(|mark| match reached.mark {
            Some(share) => mark.share == share,
            None => matches!(mark.breach, Breach::Deny(_)),
        });
        if let Some(mark) = mark {
            self.take(Branch::Mark { budget, mark });
        }
    }

    fn take(&mut self, branch: Branch) {
        let found = self.branches.iter_mut().filter(|(known, _)| *known == branch);
        found.for_each(|(_, point)| point.seen = true);
    }

    /// Notes how each test of a condition came out; whether the whole holds.
    fn observe(&mut self, cond: &Cond, request: &TestRequest<'_>) -> bool {
        // Tests of one place (`like ["a*", "b*"]`) are one for people: true if one of them is.
        let mut places: Vec<(usize, bool)> = Vec::new();
        for test in cond.tests() {
            let Some(index) = self.by_place.get(&test.span) else { continue };
            let holds = test.holds(request);
            match places.iter_mut().find(|(known, _)| known == index) {
                Some((_, any)) => *any |= holds,
                None => places.push((*index, holds)),
            }
        }
        for (index, holds) in places {
            let test = &mut self.tests[index];
            test.seen[usize::from(holds != test.negated)] = true;
        }
        cond.holds(request)
    }

    /// The rules that matched.
    pub fn rules(&self) -> Share {
        Share { seen: self.rules.iter().filter(|it| it.seen).count(), of: self.rules.len() }
    }

    /// The tests of conditions, each counted once for true and once for false.
    pub fn conditions_seen(&self) -> Share {
        let seen = self.tests.iter().flat_map(|it| it.seen).filter(|seen| *seen).count();
        Share { seen, of: self.tests.len() * 2 }
    }

    /// The branches of plans: steps, arms, fallbacks, caps, marks of budgets, limits.
    pub fn branches_taken(&self) -> Share {
        let seen = self.branches.iter().filter(|(_, it)| it.seen).count();
        Share { seen, of: self.branches.len() }
    }

    /// All together.
    pub fn total(&self) -> Share {
        self.rules() + self.conditions_seen() + self.branches_taken()
    }

    /// What was never seen, in the order of the texts.
    pub fn gaps(&self) -> Vec<Gap> {
        let points = self.rules.iter().chain(self.branches.iter().map(|(_, point)| point));
        let unseen = points.filter(|it| !it.seen);
        let mut gaps: Vec<Gap> =
            unseen.map(|it| Gap { span: it.span, what: it.what.clone() }).collect();
        for one in &self.tests {
            let never = match one.seen {
                [true, true] => continue,
                [false, false] => "looked at",
                [true, false] => "true",
                [false, true] => "false",
            };
            gaps.push(Gap { span: one.span, what: format!("`{}` is never {never}", one.text) });
        }
        gaps.sort_by_key(|gap| gap.span.start);
        gaps
    }
}

/// Whether a test's text says the opposite of what the test asks.
fn is_negated(text: &str, op: &Op) -> bool {
    // What stands between quotes is no operator.
    let words: String = text.split('"').step_by(2).collect();
    match op {
        Op::IsTrue => words.contains("!=") != words.ends_with("false"),
        Op::Present => words.ends_with("absent"),
        _ => words.contains("!=") || words.contains(" not in "),
    }
}

/// Every piece of settings that is written somewhere.
fn all_settings(program: &Program) -> impl Iterator<Item = &Settings> {
    let tunes = program.tunes.iter().map(|tune| &tune.settings);
    let routes = program.routes.iter().map(|route| &route.body);
    let steps = program.ladders.iter().flat_map(|ladder| &ladder.steps);
    std::iter::once(&*program.defaults).chain(tunes).chain(routes).chain(steps.map(|it| &it.body))
}

/// Splits that are targets of other splits, of steps or of fallbacks.
fn inner_splits(program: &Program) -> Vec<usize> {
    let arms = program.splits.iter().flat_map(|split| &split.arms).map(|arm| arm.target);
    let steps = program.ladders.iter().flat_map(|ladder| &ladder.steps).map(|step| step.target);
    let fallbacks = all_settings(program).flat_map(|settings| &settings.fallback);
    let fallbacks = fallbacks.flat_map(|fallback| fallback.to.iter().copied());
    let splits = arms.chain(steps).chain(fallbacks).filter_map(|target| match target {
        Target::Split(index) => Some(index),
        _ => None,
    });
    splits.collect()
}
