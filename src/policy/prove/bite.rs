//! Caps, floors, conditions on models, budgets and limits that never bite, or always do (P4007).

use std::collections::BTreeMap;

use super::cells::{Leaf, Role, everybody, leaves};
use super::example::about;
use super::findings::Search;
use super::prover::{Reach, RuleRef, Stops};
use super::shape::Found;
use crate::catalog::{Model, ModelIdx, worst_case};
use crate::policy::codes;
use crate::policy::diagnostic::Diagnostic;
use crate::policy::eval::output_limit;
use crate::policy::plain::Said;
use crate::policy::program::{Breach, CapBreach, ModelFilter, Settings, Target};
use crate::policy::schema::Attr;
use crate::policy::syntax::tree::Span;
use crate::units::{NanoDollars, Tokens};

/// What a directive does over all routes for which it holds.
struct Bite {
    span: Span,
    never: bool,
    always: bool,
    text: String,
    /// The most that one request could cost, for a cap.
    most: Option<NanoDollars>,
}

impl Search<'_> {
    pub fn bites(&mut self) {
        let mut caps: BTreeMap<(u32, u32), Bite> = BTreeMap::new();
        let mut filters: BTreeMap<(u32, u32), Bite> = BTreeMap::new();
        for index in 0..self.program.routes.len() {
            if matches!(self.routes[index], Reach::Never(_)) {
                continue;
            }
            self.look_at_caps(index, &mut caps);
            self.look_at_filters(index, &mut filters);
        }
        for bite in caps.into_values() {
            let (message, label, help) = match (bite.never, bite.always) {
                (true, _) => {
                    let most = bite.most.map_or_else(String::new, |most| {
                        format!(": an answer costs at most ${}", about(most))
                    });
                    (
                        format!("this cap can never bite{most}"),
                        "above every worst case",
                        "lower it, or remove it",
                    )
                }
                (_, true) => (
                    "this cap always bites: every request could cost more".to_owned(),
                    "below every worst case",
                    "raise it, or name cheaper models",
                ),
                _ => continue,
            };
            let mut found =
                Diagnostic::warning(codes::NEVER_BITES, bite.span, message, label).help(help);
            if bite.never {
                found = found.note(
                    "reckoned for one answer (`request.n` = 1) and the longest prompt and answer \
                     that the models take",
                );
            }
            self.report(found);
        }
        for bite in filters.into_values() {
            let (message, label, help) = match (bite.never, bite.always) {
                (_, true) => (
                    format!("`{}` leaves no model at all", bite.text),
                    "removes every candidate",
                    "relax it, or send the route to other models",
                ),
                (true, _) => (
                    format!("`{}` removes no model", bite.text),
                    "every candidate fits anyway",
                    "remove it, or make it stricter",
                ),
                _ => continue,
            };
            let found =
                Diagnostic::warning(codes::NEVER_BITES, bite.span, message, label).help(help);
            self.report(found);
        }
        self.idle_budgets();
    }

    fn look_at_caps(&self, index: usize, caps: &mut BTreeMap<(u32, u32), Bite>) {
        let program = self.program;
        let route = &program.routes[index];
        for settings in self.settings_of(index) {
            let Some(cap) = settings.cap.as_ref() else { continue };
            // A named model may be any, and `warn` removes none.
            if cap.breach == CapBreach::Warn || route.target == Target::Requested {
                let span = cap.at.0;
                caps.insert((span.start, span.end), useful(span));
                continue;
            }
            let mut all: Vec<Leaf> = leaves(program, route.target, Role::Main);
            if let Some(fallback) = &settings.fallback {
                let role = Role::Fallback(fallback.at.0);
                all.extend(fallback.to.iter().flat_map(|to| leaves(program, *to, role)));
            }
            if let CapBreach::Degrade(to) = cap.breach {
                all.extend(leaves(program, to, Role::Degrade(cap.at.0)));
            }
            let span = cap.at.0;
            let bite = caps.entry((span.start, span.end)).or_insert(Bite {
                never: true,
                always: true,
                most: Some(NanoDollars(0)),
                ..useful(span)
            });
            let rooms = self.prover.rooms_of(RuleRef::Route(index));
            let stops = self.prover.before(RuleRef::Route(index));
            for leaf in &all {
                let own = leaf.settings(&settings);
                for (model, _) in leaf.models.iter().filter(|it| leaf.keeps(&own, it.0)) {
                    match self.most(index, *model, &own) {
                        Some(most) if most <= cap.amount => {
                            bite.most = bite.most.map(|known| known.max(most));
                        }
                        _ => bite.never = false,
                    }
                    if bite.always && leaf.role == Role::Main {
                        let left =
                            self.shape.leaves(&self.prover, &rooms, &stops, *model, &own, false);
                        let uncapped = Settings { cap: None, ..(*own).clone() };
                        bite.always = !matches!(left, Found::Request(..) | Found::Undecided)
                            && matches!(
                                self.shape.leaves(
                                    &self.prover,
                                    &rooms,
                                    &stops,
                                    *model,
                                    &uncapped,
                                    false
                                ),
                                Found::Request(..)
                            );
                    }
                }
            }
        }
    }

    /// The most that one answer of a model can cost on a route; `None` where nothing bounds it.
    pub fn most(&self, index: usize, model: ModelIdx, settings: &Settings) -> Option<NanoDollars> {
        let described = &self.program.catalog[model];
        let prices = described.prices.as_ref()?;
        if prices.image.is_some_and(|price| price.0 > 0) && described.capabilities.vision {
            return None;
        }
        let longest = self.longest_prompt(index).min(described.context);
        Some(dearest(described, longest, settings))
    }

    /// The longest prompt that comes to a route, by its own condition.
    fn longest_prompt(&self, index: usize) -> Tokens {
        let mut longest = Tokens(0);
        let input = crate::policy::cond::Operand::Attr(crate::policy::schema::AttrRef::plain(
            Attr::InputTokens,
        ));
        let Some(axis) = self.prover.axes.axis_with(&input) else { return Tokens(u64::MAX) };
        for room in self.prover.rooms_of(RuleRef::Route(index)) {
            for point in room.points(axis) {
                let most = self.prover.axes.most(axis, point, &input);
                longest = longest.max(most.map_or(Tokens(u64::MAX), Tokens));
            }
        }
        longest
    }

    fn look_at_filters(&self, index: usize, filters: &mut BTreeMap<(u32, u32), Bite>) {
        let program = self.program;
        let route = &program.routes[index];
        let all_settings = self.settings_of(index);
        for settings in &all_settings {
            let all = everybody(program, route.target, settings);
            let requested = all.iter().any(|leaf| leaf.requested);
            for leaf in &all {
                let own = leaf.settings(settings);
                for filter in &own.only {
                    let span = filter.at.0;
                    let bite = filters.entry((span.start, span.end)).or_insert(Bite {
                        never: true,
                        always: true,
                        text: filter.text.to_string(),
                        ..useful(span)
                    });
                    if filter.live.is_none() && self.is_false(&filter.cond) {
                        bite.always = false; // Told where its condition is looked at.
                        bite.never = false;
                        continue;
                    }
                    let live = filter.live.is_some();
                    let passes = |model: &ModelIdx| passes(filter, *model);
                    let models = || leaf.models.iter().map(|it| it.0);
                    // An `only` says what must hold even when the pool grows.
                    bite.never &=
                        filter.is_floor && !live && !requested && models().all(|it| passes(&it));
                    bite.always &= !live && !requested && !models().any(|it| passes(&it));
                }
            }
        }
    }

    /// Whether no model at all can meet a condition.
    fn is_false(&self, cond: &crate::policy::cond::Cond) -> bool {
        let tests = cond.tests();
        let axes = super::axes::Axes::of(crate::policy::table::classes::Space::spanned_by(
            tests.iter().copied(),
        ));
        tests.len() > 1 && axes.regions(cond).is_ok_and(|regions| regions.is_empty())
    }

    fn idle_budgets(&mut self) {
        let program = self.program;
        let stops = Stops { denies: program.denies.len(), ..Stops::default() };
        let budgets = program.budgets.iter().map(|it| ("budget", &it.rule));
        let limits = program.limits.iter().map(|it| ("limit", &it.rule));
        let mut found = Vec::new();
        for (kind, rule) in budgets.chain(limits) {
            let rooms = self.rooms(&rule.when);
            let alone = self.prover.regions(&rule.own).is_ok_and(|own| own.is_empty());
            if alone || rooms.is_empty() {
                continue;
            }
            if let Reach::Never(by) = self.prover.any_escapes(&rooms, &stops, &[]) {
                let message = format!("{kind} `{}` can never bite", rule.name);
                let mut one =
                    Diagnostic::warning(codes::NEVER_BITES, rule.span, message, "counts nobody");
                for deny in self.prover.fewest(&rooms, by) {
                    one = one.also(self.rule(deny).span, "its requests are denied here");
                }
                found.push(one.help("remove it"));
            }
        }
        for budget in &program.budgets {
            let denies = budget.marks.iter().find(|mark| matches!(mark.breach, Breach::Deny(_)));
            let Some(deny) = denies else { continue };
            for mark in budget.marks.iter().filter(|mark| mark.share > deny.share) {
                let message = format!(
                    "the mark at {} of budget `{}` is never reached",
                    mark.share, budget.rule.name
                );
                let label = format!("everything is denied at {} already", deny.share);
                found.push(
                    Diagnostic::warning(codes::NEVER_BITES, budget.rule.span, message, label)
                        .help("remove the mark, or put it below"),
                );
            }
        }
        self.found.extend(found);
    }
}

fn useful(span: Span) -> Bite {
    Bite { span, never: false, always: false, text: String::new(), most: None }
}

fn passes(filter: &ModelFilter, model: ModelIdx) -> bool {
    filter.pass.contains(model)
}

/// The most that one answer can cost, for prompts up to this length.
pub(super) fn dearest(model: &Model, longest: Tokens, settings: &Settings) -> NanoDollars {
    let limit = output_limit(None, settings);
    // A longer prompt leaves less room for the answer, and may cost more by the token: the dearest
    // lies where the answer has its full length still, at a step of the prices, or at the end.
    let answer = limit.unwrap_or(model.max_output).min(model.max_output);
    let steps = model.prices.iter().flat_map(|prices| prices.above.iter().map(|(at, _)| at.0));
    let mut prompts: Vec<u64> = steps.flat_map(|at| [at, at + 1]).collect();
    prompts.extend([model.context.0.saturating_sub(answer.0), model.context.0, longest.0, 0]);
    let costs = prompts
        .into_iter()
        .map(|prompt| Tokens(prompt.min(longest.0)))
        .filter_map(|prompt| worst_case(model, prompt, 0, limit));
    costs.max().unwrap_or(NanoDollars(0))
}

/// The request with other sizes.
pub(super) fn sized(said: &Said, n: u64) -> Said {
    let mut said = said.clone();
    super::example::say_int(&mut said, Attr::RequestN, i64::try_from(n).unwrap_or(i64::MAX));
    said
}
