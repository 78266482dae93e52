//! Promises about models: `every model where …`, `no …`, `some …`.

use std::rc::Rc;
use std::sync::Arc;

use super::bite::sized;
use super::cells::{Cell, Leaf, Role, everybody, leaves};
use super::escape::{Region, Room};
use super::example::{example, example_for, figures, listed, say_model};
use super::findings::Search;
use super::invariants::{GIVEN_UP, Promise, REGEX, Verdict, changes_models, said_count};
use super::prover::{RuleRef, Stops};
use super::shape::Found;
use crate::catalog::{ModelIdx, worst_case};
use crate::policy::codes;
use crate::policy::cond::{Cond, Op, Operand};
use crate::policy::diagnostic::Diagnostic;
use crate::policy::eval::output_limit;
use crate::policy::plain::Said;
use crate::policy::plan::Decision;
use crate::policy::program::{Claim, ModelFilter, Settings, Target};
use crate::policy::schema::{Attr, AttrRef};
use crate::policy::syntax::tree::{Quantifier, Span};
use crate::units::Tokens;

/// A request that comes to a model it must not come to.
struct Breaker {
    route: usize,
    leaf: Leaf,
    model: ModelIdx,
    said: Said,
}

/// What makes two named models alike: the cell by its number, the requests that name them, which
/// conditions they pass, and where their shape rules them out.
type Alike = (usize, Vec<Room>, Vec<bool>, Rc<Vec<Region>>);

impl Search<'_> {
    pub(super) fn all_models(
        &self,
        promise: Promise<'_>,
        quantifier: Quantifier,
        filter: &ModelFilter,
        premise: &[Region],
    ) -> Verdict {
        let program = self.program;
        if filter.live.is_some() {
            return Verdict::Open("it depends on live figures, which may be anything".to_owned());
        }
        let wrong = |model: ModelIdx| filter.pass.contains(model) == (quantifier == Quantifier::No);
        let without_shadows =
            promise.invariant.claims.iter().any(|(claim, _)| matches!(claim, Claim::NoShadow));
        let asks_for_names = promise.invariant.rule.when.mentions(Attr::RequestModel);
        let mut breakers: Vec<Breaker> = Vec::new();
        let mut open: Option<&str> = None;
        for index in 0..program.routes.len() {
            let rooms = self.rooms_within(index, premise);
            if rooms.is_empty() {
                continue;
            }
            let stops = self.prover.before(RuleRef::Route(index));
            let route = &program.routes[index];
            let Some(cells) = self.cells(&rooms, &stops, Some(index), &changes_models) else {
                open = Some("too many `tune`s overlap here");
                continue;
            };
            'cells: for cell in &cells {
                for leaf in everybody(program, route.target, &cell.settings) {
                    let shadow = matches!(leaf.role, Role::Shadow(_)) && without_shadows;
                    if shadow || (leaf.requested && !asks_for_names) {
                        continue;
                    }
                    match self.leaf_breaks(index, cell, &leaf, &wrong) {
                        Ok(None) => {}
                        Ok(Some(breaker)) => {
                            breakers.push(breaker);
                            break 'cells;
                        }
                        Err(why) => open = Some(why),
                    }
                }
            }
        }
        if breakers.is_empty()
            && asks_for_names
            && let Some(found) = self.named_breaks(promise, quantifier, filter, premise)
        {
            return Verdict::Broken(Box::new(found));
        }
        if breakers.is_empty() {
            return open.map_or(Verdict::Holds, |why| Verdict::Open(why.to_owned()));
        }
        let others: Vec<String> = breakers[1..]
            .iter()
            .map(|it| {
                format!(
                    "{} (line {})",
                    self.called(RuleRef::Route(it.route)),
                    self.program.routes[it.route].rule.line
                )
            })
            .collect();
        let found = self.broken_by(promise, quantifier, filter, &breakers[0]);
        Verdict::Broken(Box::new(match others.is_empty() {
            true => found,
            false => found.note(format!("so do {}", listed(&others))),
        }))
    }

    /// A request of a cell for which a wrong model of a leaf is left.
    fn leaf_breaks(
        &self,
        route: usize,
        cell: &Cell,
        leaf: &Leaf,
        wrong: &dyn Fn(ModelIdx) -> bool,
    ) -> Result<Option<Breaker>, &'static str> {
        let program = self.program;
        let settings = leaf.settings(&cell.settings);
        let rooms = match leaf.role {
            Role::Budget(index) => self.within_rule(&cell.rooms, &program.budgets[index].rule.when),
            Role::Limit(index) => self.within_rule(&cell.rooms, &program.limits[index].rule.when),
            _ => cell.rooms.clone(),
        };
        let named: Vec<ModelIdx> =
            (0..program.catalog.models().len() as u32).map(ModelIdx).collect();
        let models: Vec<ModelIdx> = match leaf.requested {
            true => named,
            false => leaf.models.iter().map(|(model, _)| *model).collect(),
        };
        let mut refuted: Vec<(Vec<bool>, Rc<Vec<Region>>)> = Vec::new();
        let mut open = None;
        for model in models.into_iter().filter(|it| wrong(*it) && leaf.keeps(&settings, *it)) {
            let rooms = match leaf.requested {
                true => self.naming(&rooms, model),
                false => rooms.clone(),
            };
            // Models that the same requests rule out need no second look.
            let takes: Vec<bool> =
                program.requires.iter().map(|it| it.only.pass.contains(model)).collect();
            let same = (takes, self.shape.barred(&self.prover, model, &settings, false));
            if !leaf.requested && refuted.contains(&same) {
                continue;
            }
            let found =
                self.shape.leaves(&self.prover, &rooms, &cell.stops, model, &settings, false);
            match found {
                Found::Never => refuted.push(same),
                Found::Undecided => open = Some(GIVEN_UP),
                Found::Request(said, certain) => {
                    let mut said = *said;
                    if leaf.requested {
                        say_model(&mut said, program.catalog[model].id.as_str());
                    }
                    if matches!(leaf.role, Role::Degrade(_)) {
                        match self.degrades_to(route, &said, model, &cell.settings) {
                            Some(shown) => said = shown,
                            None if self.never_degrades(route, model, &cell.settings) => continue,
                            None => {
                                open =
                                    Some("whether the cap ever degrades to it depends on prices");
                                continue;
                            }
                        }
                    }
                    if self.comes_to(&said, Some(route)) {
                        let leaf = leaf.clone();
                        return Ok(Some(Breaker { route, leaf, model, said }));
                    }
                    debug_assert!(!certain, "route {route}: {}", example(&said));
                    open = Some(REGEX);
                }
            }
        }
        open.map_or(Ok(None), Err)
    }

    pub(super) fn within_rule(&self, rooms: &[Room], when: &Cond) -> Vec<Room> {
        self.cut(rooms, &self.prover.regions(when).unwrap_or_default())
    }

    /// Those requests of some rooms that name a model.
    fn naming(&self, rooms: &[Room], model: ModelIdx) -> Vec<Room> {
        let axes = &self.prover.axes;
        let operands = [Attr::RequestModel, Attr::RequestAuto];
        let mut found = operands.into_iter().map(|it| Operand::Attr(AttrRef::plain(it)));
        let Some(axis) = found.find_map(|operand| axes.axis_with(&operand)) else {
            return rooms.to_vec();
        };
        let mut said = Said::default();
        say_model(&mut said, self.program.catalog[model].id.as_str());
        match axes.place(axis, &said) {
            Some(point) => self.cut(rooms, &[axes.only(axis, std::iter::once(point))]),
            None => Vec::new(),
        }
    }

    /// A request like this one whose cap leaves nobody of its route, so that a model is asked instead.
    fn degrades_to(
        &self,
        route: usize,
        said: &Said,
        model: ModelIdx,
        settings: &Arc<Settings>,
    ) -> Option<Said> {
        let program = self.program;
        let cap = settings.cap.as_ref()?.amount;
        let fits = |said: &Said| {
            self.comes_to(said, Some(route))
                && self.shape.removed(program, said, model, settings, false).is_none()
                && match self.shape.decide(program, said) {
                    Decision::Plan(plan) => {
                        plan.reason == crate::policy::plan::PlanReason::Degraded
                            && plan.steps.iter().any(|step| step.candidates.contains(&model))
                    }
                    _ => false,
                }
        };
        for variant in self.shape.variants(program, said, model) {
            if fits(&variant) {
                return Some(variant);
            }
            if !self.shape.is_free(Attr::RequestN) {
                continue;
            }
            // As many answers as the cap allows of this model are too many of a dearer one.
            let input = Tokens(said_count(&variant, Attr::InputTokens).unwrap_or(0));
            let wanted = said_count(&variant, Attr::RequestMaxOutput).map(Tokens);
            let limit = output_limit(wanted, settings);
            let one = worst_case(&program.catalog[model], input, 0, limit)?;
            let answers = cap.0.checked_div(one.0).unwrap_or(0).max(1);
            let more = sized(&variant, answers);
            if fits(&more) {
                return Some(more);
            }
        }
        None
    }

    /// Whether the cap never leaves this model while it rules out all of the route: some model there
    /// costs no more, whatever the request.
    fn never_degrades(&self, route: usize, model: ModelIdx, settings: &Arc<Settings>) -> bool {
        let program = self.program;
        let target = program.routes[route].target;
        let ways = super::cells::ways(program, target);
        let dearer = &program.catalog[model];
        ways.iter().all(|way| {
            way.iter().any(|leaf| {
                let own = leaf.settings(settings);
                leaf.body.is_none()
                    && leaf.models.iter().any(|(index, always)| {
                        *always && leaf.keeps(&own, *index) && {
                            let cheap = &program.catalog[*index];
                            let required = program.requires.iter().all(|it| {
                                !it.only.pass.contains(model) || it.only.pass.contains(*index)
                            });
                            cheap.id == dearer.id || (required && never_dearer(cheap, dearer))
                        }
                    })
            })
        })
    }

    fn broken_by(
        &self,
        promise: Promise<'_>,
        quantifier: Quantifier,
        filter: &ModelFilter,
        breaker: &Breaker,
    ) -> Diagnostic {
        let program = self.program;
        let model = &program.catalog[breaker.model];
        let figure = figures(model, &filter.cond, quantifier == Quantifier::No);
        let label = format!("broken by {} ({figure})", model.id);
        let route = RuleRef::Route(breaker.route);
        let mut found =
            self.broken(promise, label).also(self.rule(route).span, "this route takes the request");
        let leaf = &breaker.leaf;
        found =
            match leaf.role {
                Role::Main => found,
                Role::Fallback(span) => found.also(span, "this fallback may ask the model"),
                Role::Hedge(span) => found.also(span, "this copy may go to the model"),
                Role::Shadow(span) => found.also(span, "this shadow may go to the model"),
                Role::Degrade(span) => found.also(span, "this cap may degrade to the model"),
                Role::Budget(index) => found
                    .also(program.budgets[index].rule.span, "this budget may degrade to the model"),
                Role::Limit(index) => found
                    .also(program.limits[index].rule.span, "this limit may degrade to the model"),
            };
        if let Some((_, span)) = leaf.way.last() {
            found = found.also(*span, "by this way");
        }
        if let Some(pool) = leaf.pool {
            found = found.also(program.pools[pool].span, "and this pool may give the model");
        }
        let conds = [&promise.invariant.rule.own, &self.rule(route).own];
        found = found.note(format!("example: {}", example_for(&breaker.said, &conds)));
        let mut ways_out = Vec::new();
        if self.program.routes[breaker.route].is_default {
            ways_out.push("take these requests with a route above".to_owned());
        } else if let Some(other) = self.other_than(promise.invariant) {
            ways_out.push(format!("narrow the route (`and {other}`)"));
        }
        let claim = match quantifier {
            Quantifier::No => format!("not ({})", filter.text),
            _ => filter.text.to_string(),
        };
        if leaf.pool.is_some() {
            ways_out.push(format!("narrow the pool (`and {claim}`)"));
        }
        let help = match promise.invariant.rule.own == Cond::TRUE {
            true => format!("`require NAME only models where {claim}`"),
            false => {
                let when = self.written_when(promise.invariant.rule.span);
                let when = when.map_or("…", |span| program.sources.slice(span));
                let when = when.split_whitespace().collect::<Vec<_>>().join(" ");
                format!("`require NAME when {when} only models where {claim}`")
            }
        };
        ways_out.push(help);
        found.help(ways_out.join(", or "))
    }

    // ---- named models --------------------------------------------------------------------------

    /// Whether a client that names a model gets one that the claim forbids.
    pub(super) fn named_breaks(
        &self,
        promise: Promise<'_>,
        quantifier: Quantifier,
        filter: &ModelFilter,
        premise: &[Region],
    ) -> Option<Diagnostic> {
        let program = self.program;
        let counts = promise.invariant.rule.when.mentions(Attr::RequestModel);
        if quantifier == Quantifier::Some || filter.live.is_some() {
            return None;
        }
        let wrong = |model: ModelIdx| filter.pass.contains(model) == (quantifier == Quantifier::No);
        let auto = Operand::Attr(AttrRef::plain(Attr::RequestAuto));
        let not_auto = Cond::test(auto, Op::IsTrue, Span::default()).negated();
        let rooms = self.prover.rooms_in(&self.prover.axes.everything(), premise);
        let mut rooms = self.within_rule(&rooms, &not_auto);
        let allows = Operand::Attr(AttrRef::plain(Attr::KeyAllowsModel));
        if self.prover.axes.axis_with(&allows).is_some() {
            rooms = self.within_rule(&rooms, &Cond::test(allows, Op::IsTrue, Span::default()));
        }
        let stops =
            Stops { denies: program.denies.len(), routes: program.routes.len(), more: Vec::new() };
        let cells = self.cells(&rooms, &stops, None, &changes_models)?;
        /// So many are named; of the rest nothing is learnt.
        const MOST_NAMES: usize = 4;
        let mut names: Vec<String> = Vec::new();
        let mut shown: Option<(ModelIdx, Said)> = None;
        let mut refuted: Vec<Alike> = Vec::new();
        let all = (0..program.catalog.models().len() as u32).map(ModelIdx);
        'models: for model in all.filter(|model| wrong(*model)) {
            for (number, cell) in cells.iter().enumerate() {
                let rooms = self.naming(&cell.rooms, model);
                let takes = program.requires.iter().map(|it| it.only.pass.contains(model));
                let keeps = cell.settings.only.iter().map(|it| it.pass.contains(model));
                let barred = self.shape.barred(&self.prover, model, &cell.settings, true);
                let same = (number, rooms.clone(), takes.chain(keeps).collect(), barred);
                if refuted.contains(&same) {
                    continue;
                }
                let found = self.shape.leaves(
                    &self.prover,
                    &rooms,
                    &cell.stops,
                    model,
                    &cell.settings,
                    true,
                );
                if let Found::Request(said, _) = found
                    && self.comes_to(&said, None)
                {
                    names.push(program.catalog[model].id.to_string());
                    shown.get_or_insert((model, *said));
                    if names.len() == MOST_NAMES {
                        break 'models;
                    }
                    continue 'models;
                }
                refuted.push(same);
            }
        }
        let (model, said) = shown?;
        let figure = figures(&program.catalog[model], &filter.cond, quantifier == Quantifier::No);
        let only = match quantifier {
            Quantifier::No => format!("not ({})", filter.text),
            _ => filter.text.to_string(),
        };
        let when = match self.written_when(promise.invariant.rule.span) {
            Some(span) => {
                let when = program.sources.slice(span);
                format!(" when {}", when.split_whitespace().collect::<Vec<_>>().join(" "))
            }
            None => String::new(),
        };
        let help = format!("add `require NAME{when} only models where {only}`");
        let example = format!("example: {}", example_for(&said, &[&promise.invariant.rule.own]));
        if counts {
            let label = format!("a client that names {} gets it ({figure})", names[0]);
            return Some(self.broken(promise, label).note(example).help(help));
        }
        let name = &promise.invariant.rule.name;
        let message = format!(
            "invariant `{name}` holds only for requests that leave the choice to the policy"
        );
        let label = format!("a client that names {} gets it ({figure})", names[0]);
        let mut found = Diagnostic::warning(codes::NAMED_MODELS, promise.span, message, label);
        if names.len() > 1 {
            let more = if names.len() == MOST_NAMES { ", and maybe more" } else { "" };
            found = found.note(format!("so does one that names {}{more}", listed(&names[1..])));
        }
        Some(found.note(example).help(help))
    }

    // ---- some ----------------------------------------------------------------------------------

    pub(super) fn some_model(
        &self,
        promise: Promise<'_>,
        filter: &ModelFilter,
        premise: &[Region],
    ) -> Verdict {
        let program = self.program;
        if filter.live.is_some() {
            return Verdict::Open("it depends on live figures, which may be anything".to_owned());
        }
        let mut open = None;
        for index in 0..program.routes.len() {
            let rooms = self.rooms_within(index, premise);
            let route = &program.routes[index];
            if rooms.is_empty() || route.target == Target::Requested {
                continue;
            }
            let stops = self.prover.before(RuleRef::Route(index));
            let Some(cells) = self.cells(&rooms, &stops, Some(index), &changes_models) else {
                open = Some("too many `tune`s overlap here");
                continue;
            };
            for cell in &cells {
                let fallback: Vec<Leaf> = cell
                    .settings
                    .fallback
                    .iter()
                    .flat_map(|fallback| {
                        let role = Role::Fallback(fallback.at.0);
                        fallback.to.iter().flat_map(move |to| leaves(program, *to, role))
                    })
                    .collect();
                for way in super::cells::ways(program, route.target) {
                    let mut all = way;
                    all.extend(fallback.iter().cloned());
                    match self.only_others(index, cell, &all, filter) {
                        Ok(None) => {}
                        Ok(Some(said)) => {
                            let label = "none of its models is such a one".to_owned();
                            let found = self
                                .broken(promise, label)
                                .also(route.rule.span, "this route takes the request")
                                .note(self.example_of(promise, &said))
                                .help("add such a model to its pool or a fallback");
                            return Verdict::Broken(Box::new(found));
                        }
                        Err(why) => open = Some(why),
                    }
                }
            }
        }
        open.map_or(Verdict::Holds, |why| Verdict::Open(why.to_owned()))
    }

    /// A request that is left some model, but none that passes.
    fn only_others(
        &self,
        route: usize,
        cell: &Cell,
        all: &[Leaf],
        filter: &ModelFilter,
    ) -> Result<Option<Said>, &'static str> {
        let program = self.program;
        let (mut good, mut others) = (Vec::new(), Vec::new());
        for leaf in all {
            let own = leaf.settings(&cell.settings);
            for (model, _) in leaf.models.iter().filter(|it| leaf.keeps(&own, it.0)) {
                match filter.pass.contains(*model) {
                    true => good.push((*model, own.clone())),
                    false => others.push((*model, own.clone())),
                }
            }
        }
        let mut open = None;
        for (model, own) in &others {
            // Whatever takes the good ones away, this one must stay; tried with all requires of the
            // policy in and out.
            let mut rooms = vec![cell.rooms.clone()];
            for require in 0..program.requires.len() {
                let cut = self.cut(&cell.rooms, self.prover.regions_of(RuleRef::Require(require)));
                if !cut.is_empty() {
                    rooms.push(cut);
                }
            }
            for (good, own) in &good {
                for region in self.shape.barred(&self.prover, *good, own, false).iter() {
                    let cut = self.cut(&cell.rooms, std::slice::from_ref(region));
                    if !cut.is_empty() {
                        rooms.push(cut);
                    }
                }
            }
            for rooms in &rooms {
                match self.shape.leaves(&self.prover, rooms, &cell.stops, *model, own, false) {
                    Found::Never => {}
                    Found::Undecided => open = Some(GIVEN_UP),
                    Found::Request(said, _) => {
                        let gone = good.iter().all(|(good, own)| !self.left(&said, *good, own));
                        if gone && self.comes_to(&said, Some(route)) {
                            return Ok(Some(*said));
                        }
                    }
                }
            }
        }
        open.map_or(Ok(None), Err)
    }

    /// Whether a model is left for a request that comes where these settings hold.
    pub(super) fn left(&self, said: &Said, model: ModelIdx, settings: &Settings) -> bool {
        let requires = self.program.requires.iter();
        let mut forbidding = requires.filter(|it| !it.only.pass.contains(model));
        !forbidding.any(|it| it.rule.when.holds(said))
            && self.shape.removed(self.program, said, model, settings, false).is_none()
    }
}

/// Whether a model takes all that another takes, and never costs more.
fn never_dearer(cheap: &crate::catalog::Model, dear: &crate::catalog::Model) -> bool {
    let (Some(a), Some(b)) = (&cheap.prices, &dear.prices) else { return false };
    let flat = a.above.is_empty() && b.above.is_empty();
    let output =
        |it: &crate::catalog::model::TokenPrices| it.output.max(it.reasoning.unwrap_or(it.output));
    let write =
        |it: &crate::catalog::model::TokenPrices| it.input.max(it.cache_write.unwrap_or(it.input));
    let (can, needs) = (&cheap.capabilities, &dear.capabilities);
    let able = can.embeddings == needs.embeddings
        && can.tools >= needs.tools
        && can.vision >= needs.vision
        && can.audio >= needs.audio
        && (can.json || can.json_schema) >= (needs.json || needs.json_schema)
        && can.json_schema >= needs.json_schema
        && can.logprobs >= needs.logprobs;
    flat && able
        && write(&a.base) <= write(&b.base)
        && output(&a.base) <= output(&b.base)
        && a.image.unwrap_or_default() <= b.image.unwrap_or_default()
        && a.request.unwrap_or_default() <= b.request.unwrap_or_default()
        && cheap.context >= dear.context
        && cheap.max_output == dear.max_output
}
