//! Pools, ladders and splits: what a request can be sent to.

use std::sync::Arc;

use super::Checker;
use super::bodies::Place;
use crate::catalog::ModelIdx;
use crate::policy::codes;
use crate::policy::cond::{Cond, DeclaredSource, Op, Operand, Reading};
use crate::policy::diagnostic::Diagnostic;
use crate::policy::models::StaticModel;
use crate::policy::program::{
    Arm, Hold, Ladder, LadderStep, Member, Pick, PickBy, Pool, Settings, Split, Target,
};
use crate::policy::schema::{Attr, Type};
use crate::policy::syntax::tree::{
    self, Item, Name, PickStrategy, Rung, SetExpr, SetOp, SetTerm, Share, Span,
};

/// The most steps a ladder may have once steps that go to other ladders are unfolded.
const MOST_STEPS: usize = 16;
/// How deep targets may be nested in others of their kind.
const MOST_NESTED: usize = 16;
/// The most arms that a split may have, with those of its inner splits.
const MOST_WAYS: usize = 10_000;

/// All targets of a policy, at the indices that [`Target`] names.
pub(super) struct Targets {
    pub pools: Vec<Pool>,
    pub ladders: Vec<Ladder>,
    pub splits: Vec<Split>,
}

/// A pool as written.
struct PoolItem<'a> {
    unit: usize,
    name: &'a Name,
    set: &'a SetExpr,
    pick: Option<&'a tree::Pick>,
}

struct LadderItem<'a> {
    unit: usize,
    name: &'a Name,
    rungs: &'a tree::Block<Rung>,
}

impl<'a> Checker<'a> {
    /// The targets of these files, in the order in which their names were collected.
    pub(super) fn resolve_targets(&mut self, units: &[usize]) -> Targets {
        let (mut pools, mut ladders, mut splits) = (Vec::new(), Vec::new(), Vec::new());
        for &unit in units {
            for line in &self.units[unit].tree.items {
                match &line.node {
                    Item::Pool { name, set, pick } => {
                        pools.push(PoolItem { unit, name, set, pick: pick.as_ref() });
                    }
                    Item::Ladder { name, rungs } => ladders.push(LadderItem { unit, name, rungs }),
                    Item::Split { .. } | Item::Experiment { .. } => splits.push((unit, &line.node)),
                    _ => {}
                }
            }
        }
        let mut resolved: Vec<Option<Vec<Member>>> = vec![None; pools.len()];
        for (index, item) in pools.iter().enumerate() {
            self.within(item.unit, |it| {
                it.pool_members(index, &pools, &mut resolved, &mut Vec::new())
            });
        }
        let pools = pools
            .iter()
            .zip(resolved)
            .map(|(item, members)| Pool {
                name: self.full_name(item.unit, item.name),
                span: item.name.span,
                members: members.unwrap_or_default(),
                pick: item.pick.map_or(Pick { by: PickBy::First, of: None }, |pick| {
                    self.within(item.unit, |it| it.pick(pick))
                }),
            })
            .collect();

        let flat: Vec<Option<Vec<LadderStep>>> = (0..ladders.len())
            .map(|index| self.ladder_steps(index, &ladders, &mut Vec::new(), true))
            .collect();
        let ladders = ladders
            .iter()
            .zip(flat)
            .map(|(item, steps)| {
                self.within(item.unit, |it| it.ladder(item, steps.unwrap_or_default()))
            })
            .collect();

        let splits: Vec<Split> = splits
            .into_iter()
            .filter_map(|(unit, item)| self.within(unit, |it| it.split_or_experiment(item)))
            .collect();
        self.refuse_endless_splits(&splits);
        Targets { pools, ladders, splits }
    }

    /// What people call a target of a file.
    fn full_name(&self, unit: usize, name: &Name) -> Arc<str> {
        format!("{}{}", self.units[unit].prefix, name.node).into()
    }

    fn split_or_experiment(&mut self, item: &'a Item) -> Option<Split> {
        match item {
            Item::Split { name, by, arms } => {
                let arms: Vec<&tree::Arm> = arms.lines.iter().map(|line| &line.node).collect();
                Some(self.split(name, by.as_ref(), &arms))
            }
            Item::Experiment { name, by, lines } => Some(self.experiment(name, by, lines)),
            _ => None,
        }
    }

    // ---- pools -------------------------------------------------------------------------------

    fn pool_members(
        &mut self,
        index: usize,
        pools: &[PoolItem<'a>],
        resolved: &mut Vec<Option<Vec<Member>>>,
        under_way: &mut Vec<usize>,
    ) -> Vec<Member> {
        if let Some(members) = &resolved[index] {
            return members.clone();
        }
        let item = &pools[index];
        if under_way.contains(&index) {
            self.report(
                Diagnostic::error(
                    codes::CYCLE,
                    item.name.span,
                    format!("pool `{}` contains itself", item.name.node),
                    "leads back to its own definition",
                )
                .note(circle(under_way.iter().map(|i| pools[*i].name.node.as_str()), item.name)),
            );
            resolved[index] = Some(Vec::new());
            return Vec::new();
        }
        if self.too_nested("pool", item.name, under_way) {
            resolved[index] = Some(Vec::new());
            return Vec::new();
        }
        under_way.push(index);
        let before = self.diagnostics.len();
        let (members, later) = self.within(item.unit, |it| {
            let mut members = it.term(&item.set.first, pools, resolved, under_way);
            for (op, term) in &item.set.rest {
                let other = it.term(term, pools, resolved, under_way);
                members = match op {
                    SetOp::Plus => plus(members, other),
                    SetOp::Except => except(members, &other),
                };
                let conditions = members.iter().filter_map(|member| member.when.as_deref());
                let weight = conditions.map(|cond| cond.tests().len()).sum();
                if !it.carries(weight, item.name.span) {
                    members.clear();
                    break;
                }
            }
            (members, mentions_later(it, item.set))
        });
        under_way.pop();
        if members.is_empty() && self.diagnostics.len() == before && !later {
            let by_condition = matches!(item.set.first.node, SetTerm::Models(_));
            let message = format!("pool `{}` has no model", item.name.node);
            // A pool that follows the catalogue may have one tomorrow.
            self.report(if by_condition {
                let label = "nothing in the catalogue fits now";
                Diagnostic::warning(codes::EMPTY_POOL, item.name.span, message, label)
                    .help("`pointsman models` shows what the catalogue knows of each model")
                    .note("until one fits, requests that go there are answered with 503")
            } else {
                let label = "nothing is left";
                Diagnostic::error(codes::EMPTY_POOL, item.name.span, message, label)
                    .help("`except` takes away every model that is there")
            });
        }
        resolved[index] = Some(members.clone());
        members
    }

    fn term(
        &mut self,
        term: &'a tree::Spanned<SetTerm>,
        pools: &[PoolItem<'a>],
        resolved: &mut Vec<Option<Vec<Member>>>,
        under_way: &mut Vec<usize>,
    ) -> Vec<Member> {
        match &term.node {
            SetTerm::Models(cond) => {
                let cond = cond.as_ref().map_or(Cond::TRUE, |cond| self.model_cond(cond));
                self.models_where(cond)
            }
            SetTerm::Name(name) => {
                let target =
                    tree::Target { kind: tree::TargetKind::Name(name.clone()), span: term.span };
                self.pool_or_model(&target, pools, resolved, under_way)
            }
            SetTerm::List(targets) => {
                let mut members = Vec::new();
                for target in targets {
                    let more = self.pool_or_model(target, pools, resolved, under_way);
                    for member in more {
                        let twice = members.iter().any(|known: &Member| {
                            known.model == member.model && known.when.is_none()
                        });
                        if twice && matches!(target.kind, tree::TargetKind::Model(_)) {
                            self.report(Diagnostic::warning(
                                codes::LISTED_TWICE,
                                target.span,
                                "this model is in the list already",
                                "again here",
                            ));
                        }
                        if !twice {
                            members.push(member);
                        }
                    }
                }
                members
            }
        }
    }

    fn pool_or_model(
        &mut self,
        target: &tree::Target,
        pools: &[PoolItem<'a>],
        resolved: &mut Vec<Option<Vec<Member>>>,
        under_way: &mut Vec<usize>,
    ) -> Vec<Member> {
        match self.target(target) {
            Some(Target::Model(model)) => vec![Member { model, when: None }],
            Some(Target::Pool(index)) => self.pool_members(index, pools, resolved, under_way),
            Some(_) => {
                self.report(
                    Diagnostic::error(
                        codes::WRONG_TARGET,
                        target.span,
                        "a pool is made of models and other pools",
                        "not a pool",
                    )
                    .help("name its pools here, or send the route to it directly"),
                );
                Vec::new()
            }
            None => Vec::new(),
        }
    }

    /// The models for which the condition holds. Models for embeddings are meant only where it speaks
    /// of them: no conversation can go there.
    fn models_where(&mut self, cond: Cond) -> Vec<Member> {
        use crate::policy::cond::Operand;
        self.seen.pools.push(cond.clone());
        let live = cond
            .tests()
            .iter()
            .any(|test| matches!(&test.operand, Operand::Attr(attr) if attr.attr.def().live));
        let when = live.then(|| Arc::new(cond.clone()));
        let embeddings = cond.mentions(crate::policy::schema::Attr::Embeddings);
        self.catalog()
            .models()
            .iter()
            .enumerate()
            .filter(|(_, model)| embeddings || !model.capabilities.embeddings)
            .filter(|(_, model)| live || cond.holds(&StaticModel(model)))
            .map(|(index, _)| Member { model: ModelIdx(index as u32), when: when.clone() })
            .collect()
    }

    pub(super) fn pick(&mut self, pick: &tree::Pick) -> Pick {
        let by = match &pick.strategy.node {
            PickStrategy::Cheapest => PickBy::Cheapest,
            PickStrategy::Fastest => PickBy::Fastest,
            PickStrategy::Best => PickBy::Best,
            PickStrategy::First => PickBy::First,
            PickStrategy::LeastBusy => PickBy::LeastBusy,
            PickStrategy::RoundRobin => PickBy::RoundRobin,
            PickStrategy::Script(file, knobs) => {
                let number =
                    Reading::Number { ty: Type::Float(None), low: i64::MIN, high: i64::MAX };
                match self.script(file, knobs, crate::script::Entry::Rank, &number) {
                    Some(script) => {
                        self.ranks.push(script);
                        PickBy::Script(self.ranks.len() - 1)
                    }
                    None => PickBy::First,
                }
            }
        };
        if let Some(of) = &pick.of
            && of.node == 0
        {
            self.report(Diagnostic::error(
                codes::OUT_OF_RANGE,
                of.span,
                "the best of 0 is nobody",
                "must be at least 1",
            ));
        }
        Pick {
            by,
            of: pick.of.as_ref().map(|of| u32::try_from(of.node).unwrap_or(u32::MAX).max(1)),
        }
    }

    // ---- ladders -----------------------------------------------------------------------------

    /// The steps of a ladder, those of inner ladders unfolded. `report` is off for repeats.
    fn ladder_steps(
        &mut self,
        index: usize,
        ladders: &[LadderItem<'a>],
        under_way: &mut Vec<usize>,
        report: bool,
    ) -> Option<Vec<LadderStep>> {
        self.within(ladders[index].unit, |it| {
            it.ladder_steps_here(index, ladders, under_way, report)
        })
    }

    fn ladder_steps_here(
        &mut self,
        index: usize,
        ladders: &[LadderItem<'a>],
        under_way: &mut Vec<usize>,
        report: bool,
    ) -> Option<Vec<LadderStep>> {
        let item = &ladders[index];
        if let Some(from) = under_way.iter().position(|known| *known == index) {
            let way = &under_way[from..];
            // Every ladder of the circle finds it; the first of the file tells.
            if way.iter().all(|other| index <= *other) {
                self.report(
                    Diagnostic::error(
                        codes::LEADS_BACK,
                        item.name.span,
                        format!("ladder `{}` leads back to itself", item.name.node),
                        "never ends",
                    )
                    .note(circle(way.iter().map(|i| ladders[*i].name.node.as_str()), item.name)),
                );
            }
            return None;
        }
        if self.too_nested("ladder", item.name, under_way) {
            return None;
        }
        under_way.push(index);
        let written: Vec<_> = item
            .rungs
            .lines
            .iter()
            .filter_map(|line| match &line.node {
                Rung::Step { name, to, escalate, body } => {
                    Some((name, to, escalate.as_ref(), body.as_ref()))
                }
                _ => None,
            })
            .collect();
        let kept = self.diagnostics.len();
        let incomplete = self.names.broken.contains(item.name.node.as_str());
        let mut steps = Vec::new();
        for (position, (name, to, escalate, body)) in written.iter().enumerate() {
            let last = position + 1 == written.len();
            match (escalate, last) {
                _ if incomplete => {}
                (None, false) => self.report(
                    Diagnostic::error(
                        codes::STEP_WITHOUT_ESCALATE,
                        name.span,
                        format!("step `{}` never gives way to the next", name.node),
                        "no `escalate when`",
                    )
                    .help("add `escalate when failed`, or drop the steps behind it"),
                ),
                (Some(cond), true) => self.report(
                    Diagnostic::error(
                        codes::LAST_STEP_ESCALATES,
                        cond.span,
                        format!("step `{}` is the last one", name.node),
                        "there is nothing to escalate to",
                    )
                    .help("remove `escalate when …`, or add a step"),
                ),
                _ => {}
            }
            let escalate = escalate.map(|cond| self.attempt_cond(cond));
            let body = body.map_or_else(Settings::default, |body| self.settings(body, Place::Step));
            let (name, span): (Arc<str>, Span) = (name.node.as_str().into(), name.span);
            match self.target(to) {
                Some(Target::Ladder(inner)) => {
                    let Some(inner) = self.ladder_steps(inner, ladders, under_way, false) else {
                        continue;
                    };
                    for step in inner {
                        // An answer of the inner ladder is judged by both: climb on if either says.
                        let escalate = match (step.escalate, &escalate) {
                            (Some(own), Some(outer)) => {
                                Some(Arc::new(Cond::Or(vec![(*own).clone(), outer.clone()])))
                            }
                            (own, outer) => own.or(outer.clone().map(Arc::new)),
                        };
                        steps.push(LadderStep {
                            name: format!("{name}.{}", step.name).into(),
                            escalate,
                            body: body.overlaid(&step.body),
                            ..step
                        });
                    }
                }
                Some(target) => steps.push(LadderStep {
                    name,
                    span,
                    target,
                    escalate: escalate.map(Arc::new),
                    body,
                }),
                None => {}
            }
        }
        under_way.pop();
        if !report {
            // Each ladder's own faults are reported once, when it is resolved for itself.
            let endless =
                |found: &Diagnostic| [codes::LEADS_BACK, codes::TOO_DEEP].contains(&found.code);
            let own: Vec<Diagnostic> = self.diagnostics.drain(kept..).filter(endless).collect();
            self.diagnostics.extend(own);
        }
        if steps.len() > MOST_STEPS {
            self.report(Diagnostic::error(
                codes::OUT_OF_RANGE,
                item.name.span,
                format!("ladder `{}` has {} steps", item.name.node, steps.len()),
                format!("at most {MOST_STEPS}"),
            ));
        }
        Some(steps)
    }

    fn ladder(&mut self, item: &LadderItem<'a>, steps: Vec<LadderStep>) -> Ladder {
        let mut ladder = Ladder {
            name: self.full_name(item.unit, item.name),
            span: item.name.span,
            steps,
            max_cost: None,
            deadline: None,
            hold: None,
        };
        let mut hold_span = None;
        let mut names = std::collections::HashSet::new();
        let mut any_step = false;
        for line in &item.rungs.lines {
            let (word, twice) = match &line.node {
                Rung::Step { name, .. } => {
                    any_step = true;
                    if !names.insert(name.node.as_str()) {
                        self.report(Diagnostic::error(
                            codes::DUPLICATE_NAME,
                            name.span,
                            format!("two steps are called `{}`", name.node),
                            "again here",
                        ));
                    }
                    ("step", false)
                }
                Rung::MaxCost(amount) => {
                    let twice = ladder.max_cost.is_some();
                    ladder.max_cost = self.money(amount);
                    ("max_cost", twice)
                }
                Rung::Deadline(time) => {
                    let twice = ladder.deadline.is_some();
                    ladder.deadline = self.duration(time);
                    ("deadline", twice)
                }
                Rung::Hold(hold) => {
                    let twice = ladder.hold.is_some();
                    ladder.hold = Some(self.hold(hold));
                    hold_span = Some(hold.span);
                    ("hold", twice)
                }
            };
            if twice {
                self.report(
                    Diagnostic::error(
                        codes::SAID_TWICE,
                        line.span,
                        format!("`{word}` is said twice"),
                        "again here",
                    )
                    .help("keep one of them"),
                );
            }
        }
        if !any_step && !self.names.broken.contains(item.name.node.as_str()) {
            self.report(
                Diagnostic::error(
                    codes::NO_STEPS,
                    item.name.span,
                    format!("ladder `{}` has no steps", item.name.node),
                    "nothing to climb",
                )
                .help("add lines such as `step draft -> small escalate when failed`"),
            );
        }
        if ladder.hold != Some(Hold::Full) {
            self.refuse_late_checks(item, hold_span);
        }
        ladder
    }

    /// A check that needs the whole answer cannot reject what the client has seen already.
    fn refuse_late_checks(&mut self, item: &LadderItem<'a>, hold: Option<Span>) {
        for line in &item.rungs.lines {
            let Rung::Step { escalate: Some(cond), .. } = &line.node else { continue };
            // The condition was checked with its step; here only its shape is looked at again.
            let kept = self.diagnostics.len();
            let checked = self.attempt_cond(cond);
            self.diagnostics.truncate(kept);
            let mut late = Vec::new();
            late_tests(&checked, &mut late);
            for span in late {
                let raw = &self.text[span.range()];
                let mut diagnostic = Diagnostic::error(
                    codes::LATE_CHECK,
                    span,
                    "this check needs the whole answer, but the step streams",
                    "known only at the end",
                );
                diagnostic = match hold {
                    Some(hold) => diagnostic
                        .also(hold, "the client sees bytes before the end")
                        .fix("hold the stream back (adds latency)", hold, "full"),
                    None => diagnostic
                        .also(item.name.span, "nothing is held back without `hold`")
                        .help("add the line `hold full` to the ladder (adds latency for streams)"),
                };
                self.report(diagnostic.help(format!(
                    "or only ask it without a stream: `not request.stream and {raw}`"
                )));
            }
        }
    }

    // ---- splits ------------------------------------------------------------------------------

    pub(super) fn split(
        &mut self,
        name: &'a Name,
        by: Option<&'a tree::By>,
        lines: &[&tree::Arm],
    ) -> Split {
        let shares = self.shares(name, lines);
        let mut below = 0;
        let mut seen = std::collections::HashSet::new();
        let mut checked = Vec::new();
        for (arm, share) in lines.iter().zip(shares) {
            below += share;
            let target = self.target(&arm.to);
            let arm_name = match (&arm.name, &arm.to.kind) {
                (Some(name), _) => name.node.as_str(),
                (None, tree::TargetKind::Name(name) | tree::TargetKind::Model(name)) => name,
            };
            if !seen.insert(arm_name) {
                self.report(
                    Diagnostic::error(
                        codes::DUPLICATE_NAME,
                        arm.name.as_ref().map_or(arm.to.span, |name| name.span),
                        format!("two arms are called `{arm_name}`"),
                        "again here",
                    )
                    .help("name them: `first 10% -> target`"),
                );
            }
            if let Some(target) = target {
                checked.push(Arm { name: arm_name.into(), below: below.min(10_000), target });
            }
        }
        Split {
            name: self.full_name(self.unit, name),
            span: name.span,
            by: by.map_or_else(Vec::new, |by| self.by(by)),
            salt: by
                .and_then(|by| by.salt.as_ref())
                .map_or_else(|| "".into(), |salt| salt.node.as_str().into()),
            arms: checked,
            experiment: None,
        }
    }

    pub(super) fn by(&mut self, by: &tree::By) -> Vec<crate::policy::cond::Operand> {
        let scope = super::conditions::Scope::Request;
        by.attrs.iter().filter_map(|attr| Some(self.resolve(attr, scope)?.operand)).collect()
    }

    /// The share of each arm in basis points, `rest` worked out.
    pub(super) fn shares(&mut self, name: &Name, arms: &[&tree::Arm]) -> Vec<u32> {
        let said: u32 = arms
            .iter()
            .map(|arm| match arm.share.node {
                Share::Percent(share) => share.0,
                Share::Rest => 0,
            })
            .fold(0, u32::saturating_add);
        if self.names.broken.contains(name.node.as_str()) {
            return vec![0; arms.len()]; // An arm that could not be read has its share, too.
        }
        let rests: Vec<Span> = arms
            .iter()
            .filter(|arm| arm.share.node == Share::Rest)
            .map(|arm| arm.share.span)
            .collect();
        for arm in arms {
            if matches!(arm.share.node, Share::Percent(share) if share.0 == 0) {
                self.report(
                    Diagnostic::error(
                        codes::EMPTY_ARM,
                        arm.share.span,
                        "an arm with 0 % gets nobody",
                        "never taken",
                    )
                    .help("remove the arm"),
                );
            }
        }
        if let [first, second, ..] = rests.as_slice() {
            self.report(
                Diagnostic::error(
                    codes::SHARES,
                    *second,
                    "two arms cannot both have the rest",
                    "again here",
                )
                .also(*first, "this one has it"),
            );
        }
        let whole = crate::units::BasisPoints::WHOLE.0;
        if said > whole
            || (rests.is_empty() && said != whole)
            || (said == whole && !rests.is_empty())
        {
            let sum = crate::units::BasisPoints(said).to_string().replace('%', " %");
            let mut diagnostic = Diagnostic::error(
                codes::SHARES,
                name.span,
                match rests.first() {
                    Some(_) if said == whole => {
                        format!("the arms of `{}` leave nothing for `rest`", name.node)
                    }
                    _ => format!("the shares of split `{}` sum to {sum}", name.node),
                },
                "must be 100 %",
            );
            for arm in arms {
                if let Share::Percent(share) = arm.share.node {
                    let share = share.to_string().replace('%', " %");
                    diagnostic = diagnostic.also(arm.share.span, share);
                }
            }
            if let (true, true, Some(arm)) = (rests.is_empty(), said < 2 * whole, arms.first()) {
                diagnostic = diagnostic.fix("make one arm the remainder", arm.share.span, "rest");
            }
            self.report(diagnostic);
        }
        arms.iter()
            .map(|arm| match arm.share.node {
                Share::Percent(share) => share.0,
                Share::Rest => whole.saturating_sub(said),
            })
            .collect()
    }

    /// Refuses splits that lead back to themselves, and such as nobody could follow.
    fn refuse_endless_splits(&mut self, splits: &[Split]) {
        let inner = |split: usize| {
            splits[split].arms.iter().filter_map(|arm| match arm.target {
                Target::Split(next) => Some(next),
                _ => None,
            })
        };
        // Depth and ways of the splits whose inner splits are known; the others are in circles, or
        // lead there.
        let mut known: Vec<Option<(usize, usize)>> = vec![None; splits.len()];
        let settle = |known: &mut Vec<Option<(usize, usize)>>, split: usize| {
            if known[split].is_some() {
                return false;
            }
            let within: Option<Vec<_>> = inner(split).map(|next| known[next]).collect();
            known[split] = within.map(|within| {
                let depth = within.iter().map(|(depth, _)| depth + 1).max().unwrap_or(1);
                let models = splits[split].arms.len() - within.len();
                let ways = within.iter().fold(models, |sum, (_, ways)| sum.saturating_add(*ways));
                (depth, ways)
            });
            known[split].is_some()
        };
        // Either order of declaration is done in one round.
        loop {
            let up = (0..splits.len()).filter(|split| settle(&mut known, *split)).count();
            let down = (0..splits.len()).rev().filter(|split| settle(&mut known, *split)).count();
            if up + down == 0 {
                break;
            }
        }
        let too_much = |it: &Option<(usize, usize)>| {
            it.is_some_and(|(depth, ways)| depth > MOST_NESTED || ways > MOST_WAYS)
        };
        if let Some(split) = known.iter().position(too_much) {
            let label = format!("at most {MOST_NESTED} levels, and {MOST_WAYS} arms in all");
            self.report(
                Diagnostic::error(
                    codes::TOO_DEEP,
                    splits[split].span,
                    format!("split `{}` is nested too deep", splits[split].name),
                    label,
                )
                .help("write the shares of the inner splits into one"),
            );
        }
        // From any split that is not settled, the way leads into a circle.
        let open = |split: &usize| known[*split].is_none();
        let mut way: Vec<usize> = (0..splits.len()).find(open).into_iter().collect();
        while let Some(next) = way.last().and_then(|last| inner(*last).find(open)) {
            let Some(from) = way.iter().position(|split| *split == next) else {
                way.push(next);
                continue;
            };
            let circle = &way[from..];
            let first = (0..circle.len()).min_by_key(|at| circle[*at]).unwrap_or(0);
            let start = &splits[circle[first]];
            let before = &splits[circle[(first + circle.len() - 1) % circle.len()]];
            self.report(
                Diagnostic::error(
                    codes::LEADS_BACK,
                    start.span,
                    format!("split `{}` leads back to itself", start.name),
                    "never ends",
                )
                .also(before.span, "one of these arms goes back")
                .help("send that arm to a pool or a ladder"),
            );
            return;
        }
    }

    /// Refuses pools or ladders that are nested past [`MOST_NESTED`].
    fn too_nested(&mut self, what: &str, name: &Name, under_way: &[usize]) -> bool {
        let too_deep = under_way.len() >= MOST_NESTED;
        if too_deep {
            self.report(
                Diagnostic::error(
                    codes::TOO_DEEP,
                    name.span,
                    format!("{what} `{}` is nested too deep", name.node),
                    format!("at most {MOST_NESTED} levels"),
                )
                .help("name the models themselves"),
            );
        }
        too_deep
    }
}

fn plus(mut members: Vec<Member>, more: Vec<Member>) -> Vec<Member> {
    for member in more {
        match members.iter_mut().find(|known| known.model == member.model) {
            None => members.push(member),
            Some(known) => {
                known.when = match (known.when.take(), member.when) {
                    (Some(a), Some(b)) => {
                        Some(Arc::new(Cond::Or(vec![(*a).clone(), (*b).clone()])))
                    }
                    _ => None,
                };
            }
        }
    }
    members
}

fn except(members: Vec<Member>, less: &[Member]) -> Vec<Member> {
    members
        .into_iter()
        .filter_map(|member| {
            let Some(taken) = less.iter().find(|other| other.model == member.model) else {
                return Some(member);
            };
            let unless = (**taken.when.as_ref()?).clone().negated();
            let when = match member.when {
                Some(when) => (*when).clone().and(unless),
                None => unless,
            };
            Some(Member { model: member.model, when: Some(Arc::new(when)) })
        })
        .collect()
}

fn mentions_later(checker: &Checker<'_>, set: &SetExpr) -> bool {
    let terms = std::iter::once(&set.first).chain(set.rest.iter().map(|(_, term)| term));
    let later = |name: &str| checker.is_lost(name);
    terms.into_iter().any(|term| match &term.node {
        SetTerm::Name(name) => later(name),
        SetTerm::List(targets) => targets
            .iter()
            .any(|target| matches!(&target.kind, tree::TargetKind::Name(name) if later(name))),
        SetTerm::Models(_) => false,
    })
}

fn circle<'n>(way: impl Iterator<Item = &'n str>, back: &'n Name) -> String {
    let names: Vec<&str> = way.chain([back.node.as_str()]).collect();
    format!("the way: {}", names.join(" → "))
}

/// The places of tests that need the end of a streamed answer and can be reached on one.
fn late_tests(cond: &Cond, found: &mut Vec<Span>) {
    match cond {
        Cond::And(all) if all.iter().any(never_streams) => {}
        Cond::And(all) | Cond::Or(all) => all.iter().for_each(|cond| late_tests(cond, found)),
        Cond::Not(inner) => late_tests(inner, found),
        Cond::Test(test) => {
            let late = match &test.operand {
                Operand::Attr(attr) => NEEDS_THE_END.contains(&attr.attr),
                Operand::Declared(it) => matches!(it.source, Some(DeclaredSource::Judge(_))),
            };
            if late {
                found.push(test.span);
            }
        }
    }
}

/// What is known only once the answer is complete.
const NEEDS_THE_END: [Attr; 10] = [
    Attr::Truncated,
    Attr::InvalidJson,
    Attr::SchemaViolation,
    Attr::ToolCallMissing,
    Attr::ToolCallInvalid,
    Attr::ResponseTokens,
    Attr::AttemptCost,
    Attr::Repeats,
    Attr::WrongLanguage,
    Attr::Unsafe,
];

fn never_streams(cond: &Cond) -> bool {
    let streams = |cond: &Cond| {
        matches!(cond, Cond::Test(test) if test.op == Op::IsTrue
            && matches!(&test.operand, crate::policy::cond::Operand::Attr(attr)
                if attr.attr == Attr::RequestStream))
    };
    match cond {
        Cond::Not(inner) => streams(inner),
        Cond::And(all) => all.iter().any(never_streams),
        _ => false,
    }
}
