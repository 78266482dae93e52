//! The most that a request may cost, how often providers are asked for it, and how long it may take.

use std::sync::Arc;
use std::time::Duration;

use super::bite::sized;
use super::cells::{Cell, Leaf, Role, Steps, leaves, ways};
use super::escape::{Region, Room};
use super::example::{about, say_int};
use super::findings::Search;
use super::invariants::{Promise, Verdict, changes_models, said_count};
use super::prover::{Reach, RuleRef, Stops};
use crate::catalog::{ModelIdx, worst_case};
use crate::policy::course::{DEFAULT_TOTAL, MOST_CANDIDATES};
use crate::policy::diagnostic::Diagnostic;
use crate::policy::eval::output_limit;
use crate::policy::plain::Said;
use crate::policy::program::{Breach, CapBreach, Settings, Target};
use crate::policy::schema::Attr;
use crate::units::{NanoDollars, Tokens};

/// One way in which requests of a route may be answered.
struct Course {
    route: usize,
    cell: Cell,
    steps: Steps,
    fallback: Vec<Leaf>,
    /// The most that all attempts together may cost.
    allowance: Option<NanoDollars>,
}

const GIVEN_UP: &str = "the search was given up: too many rules overlap";

impl Search<'_> {
    /// Every way in which requests of a premise may be answered; `None` where there are too many.
    fn courses(
        &self,
        premise: &[Region],
        matters: &dyn Fn(&Settings) -> bool,
    ) -> Option<Vec<Course>> {
        let program = self.program;
        let mut all = Vec::new();
        for (index, route) in program.routes.iter().enumerate() {
            let rooms = self.rooms_within(index, premise);
            if rooms.is_empty() {
                continue;
            }
            let stops = self.prover.before(RuleRef::Route(index));
            for cell in self.cells(&rooms, &stops, Some(index), matters)? {
                let fallback = cell.settings.fallback.iter().flat_map(|fallback| {
                    let role = Role::Fallback(fallback.at.0);
                    fallback.to.iter().flat_map(move |to| leaves(program, *to, role))
                });
                let fallback: Vec<Leaf> = fallback.collect();
                let mut targets = vec![route.target];
                if let Some(cap) = &cell.settings.cap
                    && let CapBreach::Degrade(to) = cap.breach
                {
                    targets.push(to);
                }
                for target in targets {
                    for (steps, ladder) in self.ways_with_ladder(target) {
                        let cap = cell.settings.cap.as_ref();
                        let cap =
                            cap.filter(|cap| cap.breach != CapBreach::Warn).map(|it| it.amount);
                        let allowance =
                            match (cap, ladder.and_then(|it| program.ladders[it].max_cost)) {
                                (Some(a), Some(b)) => Some(a.min(b)),
                                (a, b) => a.or(b),
                            };
                        let (cell, fallback) = (cell.clone(), fallback.clone());
                        all.push(Course { route: index, cell, steps, fallback, allowance });
                    }
                }
            }
        }
        Some(all)
    }

    fn ways_with_ladder(&self, target: Target) -> Vec<(Steps, Option<usize>)> {
        let program = self.program;
        match target {
            Target::Split(index) => super::cells::arms(&program.splits[index])
                .into_iter()
                .flat_map(|(_, target)| self.ways_with_ladder(target))
                .collect(),
            Target::Ladder(index) => {
                ways(program, target).into_iter().map(|steps| (steps, Some(index))).collect()
            }
            target => ways(program, target).into_iter().map(|steps| (steps, None)).collect(),
        }
    }

    /// The rooms of a course with as few demands as possible: there the most models are left.
    fn plainest(&self, course: &Course) -> Reach {
        let mut stops: Stops = course.cell.stops.clone();
        stops.more.extend((0..self.program.requires.len()).map(RuleRef::Require));
        match self.prover.any_escapes(&course.cell.rooms, &stops, &[]) {
            Reach::Here(room) => Reach::Here(room),
            _ => self.prover.any_escapes(&course.cell.rooms, &course.cell.stops, &[]),
        }
    }

    // ---- attempts --------------------------------------------------------------------------------

    pub(super) fn max_attempts(
        &self,
        promise: Promise<'_>,
        most: u64,
        premise: &[Region],
    ) -> Verdict {
        let Some(courses) = self.courses(premise, &changes_attempts) else {
            return Verdict::Open("too many `tune`s overlap here".to_owned());
        };
        let mut open = None;
        for course in &courses {
            let possible = |leaf: &Leaf| -> Vec<ModelIdx> {
                let own = leaf.settings(&course.cell.settings);
                let models = leaf.models.iter().map(|it| it.0);
                let kept: Vec<ModelIdx> = models.filter(|it| leaf.keeps(&own, *it)).collect();
                // Of named models there is one.
                if leaf.requested { vec![ModelIdx(0)] } else { kept }
            };
            if attempts(course, &possible) <= most {
                continue;
            }
            let room = match self.plainest(course) {
                Reach::Here(room) => room,
                Reach::Never(_) => continue,
                Reach::Undecided => {
                    open = Some(GIVEN_UP);
                    continue;
                }
            };
            let (said, _) = self.prover.request(&room);
            let left = |leaf: &Leaf| -> Vec<ModelIdx> {
                let own = leaf.settings(&course.cell.settings);
                let mut models = possible(leaf);
                models.retain(|model| leaf.requested || self.left(&said, *model, &own));
                models
            };
            let made = attempts(course, &left);
            if made > most && self.comes_to(&said, Some(course.route)) {
                let retries = course.cell.settings.retry.map_or(0, |retry| retry.times);
                let found =
                    self.bound_broken(promise, course, &said, format!("up to {made} attempts"));
                let found = found.note(format!(
                    "counted: at most {MOST_CANDIDATES} candidates a step, {retries} retries each, \
                     the fallback behind every step, and second copies"
                ));
                let found = found.help("shorten the pools, retry less, or name a shorter fallback");
                return Verdict::Broken(Box::new(found));
            }
            open = Some("the bound that was found is above the claim, and no request reaches it");
        }
        open.map_or(Verdict::Holds, |why| Verdict::Open(why.to_owned()))
    }

    fn bound_broken(
        &self,
        promise: Promise<'_>,
        course: &Course,
        said: &Said,
        label: String,
    ) -> Diagnostic {
        let program = self.program;
        let mut found = self
            .broken(promise, label)
            .also(program.routes[course.route].rule.span, "this route takes the request");
        if let Some((_, span)) = course.steps.first().and_then(|leaf| leaf.way.first()) {
            found = found.also(*span, "and goes this way");
        } else if let Some(pool) = course.steps.first().and_then(|leaf| leaf.pool) {
            found = found.also(program.pools[pool].span, "and goes here");
        }
        found.note(self.example_of(promise, said))
    }

    // ---- cost ------------------------------------------------------------------------------------

    pub(super) fn max_cost(
        &self,
        promise: Promise<'_>,
        most: NanoDollars,
        premise: &[Region],
    ) -> Verdict {
        let matters = |it: &Settings| changes_models(it) || it.retry.is_some();
        let Some(courses) = self.courses(premise, &matters) else {
            return Verdict::Open("too many `tune`s overlap here".to_owned());
        };
        let mut open = None;
        for course in &courses {
            if course.allowance.is_some_and(|allowance| allowance <= most) {
                continue;
            }
            if self.bound(course).is_some_and(|bound| bound <= most) {
                continue;
            }
            match self.prover.any_escapes(&course.cell.rooms, &course.cell.stops, &[]) {
                Reach::Never(_) => continue,
                Reach::Undecided => open = Some(GIVEN_UP),
                Reach::Here(_) => match self.dear_request(course, most) {
                    None => {
                        open = Some(
                            "the bound that was found is above the claim, and no request was found that reaches it",
                        )
                    }
                    Some((said, cost)) => {
                        let label = match cost {
                            Some(cost) => format!("could cost up to ${}", about(cost)),
                            None => "has no upper bound".to_owned(),
                        };
                        let mut found = self.bound_broken(promise, course, &said, label);
                        found = match course.allowance {
                            Some(allowance) => found.note(format!("the cap allows ${allowance}")),
                            None => found.note(
                                "no `cap` and no `max_cost` bounds it; a request may ask for \
                                 any number of answers (`request.n`)",
                            ),
                        };
                        let found = found.help(format!(
                            "add `cap ${most} per request else deny \"…\"` to the route or the `defaults`"
                        ));
                        return Verdict::Broken(Box::new(found));
                    }
                },
            }
        }
        open.map_or(Verdict::Holds, |why| Verdict::Open(why.to_owned()))
    }

    /// What all attempts of a course cost at most; `None` where nothing bounds it.
    fn bound(&self, course: &Course) -> Option<NanoDollars> {
        let n = self.most_answers(&course.cell.rooms);
        let worst = |leaf: &Leaf| -> Option<Vec<NanoDollars>> {
            let own = leaf.settings(&course.cell.settings);
            if leaf.requested {
                return None;
            }
            let models = leaf.models.iter().map(|it| it.0).filter(|it| leaf.keeps(&own, *it));
            models
                .map(|model| {
                    let one = self.most(course.route, model, &own)?;
                    Some(NanoDollars(one.0.checked_mul(n)?))
                })
                .collect()
        };
        self.summed(course, &worst).map(|sum| course.allowance.map_or(sum, |it| it.min(sum)))
    }

    fn summed(
        &self,
        course: &Course,
        worst: &dyn Fn(&Leaf) -> Option<Vec<NanoDollars>>,
    ) -> Option<NanoDollars> {
        let mut sum: u64 = 0;
        let mut add = |costs: Vec<NanoDollars>, times: u64| {
            costs.iter().for_each(|cost| sum = sum.saturating_add(cost.0.saturating_mul(times)));
        };
        for step in &course.steps {
            let own = step.settings(&course.cell.settings);
            let tries = tries(&own);
            let mut costs = worst(step)?;
            costs.sort_unstable_by(|a, b| b.cmp(a));
            costs.truncate(MOST_CANDIDATES);
            add(costs, tries);
            for leaf in &course.fallback {
                add(worst(leaf)?, tries);
            }
            if let Some(hedge) = &course.cell.settings.hedge {
                let copies = leaves(self.program, hedge.to, Role::Hedge(hedge.at.0));
                for leaf in &copies {
                    add(worst(leaf)?, u64::from(hedge.max));
                }
            }
        }
        Some(NanoDollars(sum))
    }

    /// A request of a course that could cost more than this, and how much.
    fn dear_request(
        &self,
        course: &Course,
        most: NanoDollars,
    ) -> Option<(Said, Option<NanoDollars>)> {
        let Reach::Here(room) = self.plainest(course) else { return None };
        let (said, certain) = self.prover.request(&room);
        if course.steps.iter().any(|leaf| leaf.requested) && course.allowance.is_none() {
            return Some((said, None));
        }
        // What it costs if everything but the last attempt goes wrong, and the cheap ones are away.
        let cost = |said: &Said| -> Option<NanoDollars> {
            let worst = |leaf: &Leaf| -> Option<Vec<NanoDollars>> {
                let own = leaf.settings(&course.cell.settings);
                let mut costs: Vec<NanoDollars> = leaf
                    .models
                    .iter()
                    .map(|it| it.0)
                    .filter(|model| leaf.keeps(&own, *model) && self.left(said, *model, &own))
                    .filter_map(|model| self.worst(said, model, &own))
                    .collect();
                costs.sort_unstable_by(|a, b| b.cmp(a));
                costs.truncate(MOST_CANDIDATES);
                Some(costs)
            };
            let sum = self.summed(course, &worst)?;
            Some(course.allowance.map_or(sum, |it| it.min(sum)))
        };
        let mut tries: Vec<Said> = Vec::new();
        let mut inputs: Vec<Said> = vec![said.clone()];
        if self.shape.is_free(Attr::RequestMaxOutput) {
            for output in [1_000, 100] {
                let mut less = said.clone();
                say_int(&mut less, Attr::RequestMaxOutput, output);
                inputs.push(less);
            }
        }
        if self.shape.is_free(Attr::InputTokens) {
            for tokens in [1_000, 10_000, 100_000] {
                let mut long = said.clone();
                say_int(&mut long, Attr::InputTokens, tokens);
                inputs.push(long);
            }
        }
        for said in inputs {
            tries.push(said.clone());
            if self.shape.is_free(Attr::RequestN) {
                tries.extend((1..24).map(|power| sized(&said, 1 << power)));
            }
        }
        tries.retain(|it| !certain || self.prover.axes.holds(&room, it));
        tries.into_iter().find_map(|said| {
            let cost = cost(&said)?;
            (cost > most && self.comes_to(&said, Some(course.route))).then_some((said, Some(cost)))
        })
    }

    /// The worst case of a request on a model.
    fn worst(&self, said: &Said, model: ModelIdx, settings: &Settings) -> Option<NanoDollars> {
        let input = Tokens(said_count(said, Attr::InputTokens).unwrap_or(0));
        let limit = output_limit(said_count(said, Attr::RequestMaxOutput).map(Tokens), settings);
        let images = said_count(said, Attr::RequestImages).unwrap_or(0);
        let images = u32::try_from(images).unwrap_or(u32::MAX);
        let one = worst_case(&self.program.catalog[model], input, images, limit)?;
        let n = said_count(said, Attr::RequestN).unwrap_or(1).max(1);
        Some(NanoDollars(one.0.saturating_mul(n)))
    }

    // ---- latency ---------------------------------------------------------------------------------

    pub(super) fn max_latency(
        &self,
        promise: Promise<'_>,
        most: Duration,
        premise: &[Region],
    ) -> Verdict {
        let program = self.program;
        let matters = |it: &Settings| it.timeouts.total.is_some() || it.cap.is_some();
        let Some(courses) = self.courses(premise, &matters) else {
            return Verdict::Open("too many `tune`s overlap here".to_owned());
        };
        let mut open = None;
        for course in &courses {
            let declared = course.cell.settings.timeouts.total;
            let ladder = match program.routes[course.route].target {
                Target::Ladder(index) => program.ladders[index].deadline,
                _ => None,
            };
            let total = declared.unwrap_or(DEFAULT_TOTAL);
            let time = ladder.map_or(total, |deadline| deadline.min(total));
            let waits = self.longest_wait(&course.cell.rooms);
            if time.saturating_add(waits) <= most {
                continue;
            }
            match self.prover.any_escapes(&course.cell.rooms, &course.cell.stops, &[]) {
                Reach::Never(_) => {}
                Reach::Undecided => open = Some(GIVEN_UP),
                Reach::Here(room) => {
                    let Some(said) = self.shown(&room, Some(course.route)) else {
                        open = Some("a regular expression is involved");
                        continue;
                    };
                    let time = time.saturating_add(waits);
                    let found = self.bound_broken(
                        promise,
                        course,
                        &said,
                        format!("may take up to {time:?}"),
                    );
                    let found = match (declared, ladder) {
                        (None, None) => found.note(format!(
                            "no `timeout total` is declared, so the gateway's own of {DEFAULT_TOTAL:?} holds"
                        )),
                        _ => found,
                    };
                    let found = if waits.is_zero() {
                        found
                    } else {
                        found.note(format!("{waits:?} of it in the queue of a limit or budget"))
                    };
                    let found = found
                        .note("reckoned from declared clocks, never from measured latency")
                        .help("set `timeout total` on the route or in `defaults`");
                    return Verdict::Broken(Box::new(found));
                }
            }
        }
        open.map_or(Verdict::Holds, |why| Verdict::Open(why.to_owned()))
    }

    /// How long requests of these rooms may wait for room in a limit or a budget.
    fn longest_wait(&self, rooms: &[Room]) -> Duration {
        let program = self.program;
        let meets = |when| {
            let regions = self.prover.regions(when).unwrap_or_default();
            regions.iter().any(|region| rooms.iter().any(|room| region.meets(room)))
        };
        let wait = |breach: &Breach| match breach {
            Breach::Queue(time) => Some(*time),
            _ => None,
        };
        let limits = program.limits.iter().filter_map(|it| Some((&it.rule, wait(&it.breach)?)));
        let budgets = program.budgets.iter().flat_map(|budget| {
            budget.marks.iter().filter_map(move |it| Some((&budget.rule, wait(&it.breach)?)))
        });
        let waits = limits.chain(budgets).filter(|(rule, _)| meets(&rule.when));
        waits.map(|(_, time)| time).max().unwrap_or_default()
    }
}

fn changes_attempts(settings: &Settings) -> bool {
    settings.retry.is_some()
        || settings.fallback.is_some()
        || settings.hedge.is_some()
        || !settings.only.is_empty()
        || settings.cap.is_some()
}

/// How often one model is asked.
fn tries(settings: &Settings) -> u64 {
    1 + u64::from(settings.retry.map_or(0, |retry| retry.times))
}

/// How many attempts a course may take, with these models of its leaves.
fn attempts(course: &Course, models: &dyn Fn(&Leaf) -> Vec<ModelIdx>) -> u64 {
    let request: &Arc<Settings> = &course.cell.settings;
    let asked: Vec<Vec<ModelIdx>> = course.steps.iter().map(models).collect();
    let mut fallback: Vec<ModelIdx> = Vec::new();
    for model in course.fallback.iter().flat_map(models) {
        // Who is in a step is not asked again as a fallback.
        if !fallback.contains(&model) && !asked.iter().any(|step| step.contains(&model)) {
            fallback.push(model);
        }
    }
    let mut count = 0;
    for (step, asked) in course.steps.iter().zip(&asked) {
        if asked.is_empty() {
            continue;
        }
        let own = step.settings(request);
        let candidates = asked.len().min(MOST_CANDIDATES) + fallback.len();
        count += candidates as u64 * tries(&own);
        count += request.hedge.as_ref().map_or(0, |hedge| u64::from(hedge.max));
    }
    if count == 0 {
        count = fallback.len().min(MOST_CANDIDATES) as u64 * tries(request);
    }
    count
}
