//! Carrying out a policy: `(program, facts, live snapshot) → decision`, pure and total.

mod beside;
mod candidates;
mod mix;
mod reached;

use std::cell::RefCell;
use std::sync::Arc;

use smallvec::SmallVec;

pub use candidates::output_limit;
use candidates::{Needs, Ordered, Ranks};
use mix::{Mix, text_of};
pub use reached::Meter;

use super::cond::Cond;
use super::models::duration;
use super::plan::{
    AffinityKey, ArmChoice, Candidates, Decision, Denied, NoCandidate, Plan, PlanReason, Reached,
    Removal, RemovedBy, Step,
};
use super::program::{
    Assumption, Breach, CapBreach, Hold, Member, ModelSet, Program, Require, Settings, Target,
};
use super::schema::{Attr, AttrRef};
use super::value::{Facts, Value, WorkedOut};
use crate::catalog::{Live, Model, ModelIdx};
use crate::units::NanoDollars;

/// Everything a decision depends on besides the policy.
pub struct Situation<'a> {
    /// The request, its sender, the moment; live figures laid over them with [`WithLive`].
    pub facts: &'a dyn Facts,
    /// How the models are doing.
    pub live: &'a Live,
    /// The models whose provider is configured.
    pub enabled: &'a ModelSet,
    /// Whether the caller's key allows a model.
    pub allowed: &'a dyn Fn(&Model) -> bool,
    /// The model the client named, where it is in the catalogue.
    pub named: Option<ModelIdx>,
    /// What is used of budgets and limits.
    pub meter: &'a dyn Meter,
    /// Who answered last, by the key of a `sticky`; asked only where a policy has one.
    pub remembered: &'a dyn Fn(&AffinityKey) -> Option<ModelIdx>,
    /// Spreads load among equals: different for different requests.
    pub seed: u64,
    /// Counts requests, for `pick round-robin`.
    pub turn: u64,
}

/// Is told what is left out of the plan. `()` does not listen.
pub trait Listener {
    /// A model was removed.
    fn removed(&mut self, step: &Arc<str>, model: ModelIdx, by: RemovedBy);

    /// Something that the policy takes for granted does not hold for this request.
    fn assumption_broken(&mut self, _: &Assumption) {}
}

impl Listener for () {
    fn removed(&mut self, _: &Arc<str>, _: ModelIdx, _: RemovedBy) {}
}

impl Listener for Vec<Removal> {
    fn removed(&mut self, step: &Arc<str>, model: ModelIdx, by: RemovedBy) {
        self.push(Removal { step: step.clone(), model, by });
    }
}

/// The facts of a request with the live figures that a policy may ask for laid over them.
pub struct WithLive<'a> {
    /// The request's own.
    pub facts: &'a dyn Facts,
    /// How the models are doing.
    pub live: &'a Live,
    /// Whose pools are meant.
    pub program: &'a Program,
}

impl Facts for WithLive<'_> {
    fn now(&self) -> jiff::Timestamp {
        self.facts.now()
    }

    fn worked_out<'a>(
        &'a self,
        declared: &super::cond::Declared,
        through: &dyn Facts,
    ) -> Option<WorkedOut<'a>> {
        self.facts.worked_out(declared, through)
    }

    fn get(&self, attr: &AttrRef) -> Value<'_> {
        let index = attr.index.as_deref().unwrap_or_default();
        let model = || {
            let id = crate::ids::ModelId::new(index);
            self.program.catalog.get(&id).map(|model| self.live.model(model))
        };
        let of_model = |read: fn(&crate::catalog::live::ModelLive) -> Value<'static>| {
            model().map_or(Value::Absent, read)
        };
        match attr.attr {
            Attr::PoolHealthy => {
                let pool = self.program.pools.iter().find(|pool| *pool.name == *index);
                let healthy = pool.map_or(0, |pool| {
                    let members = pool.members.iter();
                    members.filter(|member| self.live.model(member.model).available).count()
                });
                Value::Int(i64::try_from(healthy).unwrap_or(i64::MAX))
            }
            Attr::ModelAvailable => of_model(|model| Value::Bool(model.available)),
            Attr::ModelTtftP50 => of_model(|model| duration(model.ttft.p50)),
            Attr::ModelTtftP95 => of_model(|model| duration(model.ttft.p95)),
            Attr::ModelLatencyP50 => of_model(|model| duration(model.latency.p50)),
            Attr::ModelLatencyP95 => of_model(|model| duration(model.latency.p95)),
            Attr::ModelErrorRate => of_model(|model| Value::Int(model.error_rate.0.into())),
            Attr::ModelInflight => of_model(|model| Value::Int(model.inflight.into())),
            Attr::RouterInflight => Value::Int(self.live.router_inflight.into()),
            Attr::RouterQueue => Value::Int(self.live.router_queue.into()),
            Attr::RouterDegraded => Value::Bool(self.live.degraded),
            _ => self.facts.get(attr),
        }
    }
}

/// Decides one request.
pub fn decide(program: &Program, situation: &Situation<'_>) -> Decision {
    decide_watched(program, situation, &mut ())
}

/// Decides one request; where nobody is left, the decision says what removed each, even if the listener
/// does not care.
pub fn decide_watched(
    program: &Program,
    situation: &Situation<'_>,
    listener: &mut dyn Listener,
) -> Decision {
    match decide_listening(program, situation, listener) {
        // The common path does not write down removals; where they are the answer, decide again.
        Decision::NoCandidate(mut nobody) => {
            let mut removed = Vec::new();
            let decision = decide_listening(program, situation, &mut removed);
            if !matches!(decision, Decision::NoCandidate(_)) {
                return decision;
            }
            nobody.removed = removed;
            Decision::NoCandidate(nobody)
        }
        decision => decision,
    }
}

/// Decides one request and tells what was left out.
pub fn decide_listening(
    program: &Program,
    situation: &Situation<'_>,
    listener: &mut dyn Listener,
) -> Decision {
    let matches = program.table.decide(situation.facts);
    let (denies, requires) = (program.denies.len(), program.requires.len());
    let mut filters: SmallVec<[&Require; 4]> = SmallVec::new();
    let mut tunes: SmallVec<[&Settings; 4]> = SmallVec::new();
    for &rule in &matches.all {
        let rule = rule as usize;
        if rule < denies {
            let deny = &program.denies[rule];
            return Decision::Denied(Denied {
                rule: deny.rule.name.clone(),
                because: deny.because.clone(),
                status: deny.status,
                over_cap: false,
            });
        } else if rule < denies + requires {
            filters.push(&program.requires[rule - denies]);
        } else if let Some(tune) = program.tunes.get(rule - denies - requires) {
            tunes.push(&tune.settings);
        } else {
            let broken = rule - denies - requires - program.tunes.len();
            let mut watched = program.assumptions.iter().filter(|assumed| assumed.watched);
            if let Some(assumption) = watched.nth(broken) {
                listener.assumption_broken(assumption);
            }
        }
    }

    let reached = reached::strictest(program, situation);
    if let Some(reached @ Reached { breach: Breach::Deny(why), .. }) = &reached {
        return Decision::Denied(reached.denied(why.as_ref()));
    }

    let named = || situation.named.map(|_| Target::Requested);
    let (route, target) = match matches.first {
        Some(index) => {
            let route = &program.routes[index as usize];
            (Some(route), route.target)
        }
        None => match named() {
            Some(target) => (None, target),
            None => return Decision::UnknownModel,
        },
    };
    let settings = match (route, tunes.is_empty()) {
        (Some(route), true) => route.settings.clone(),
        (route, _) => Arc::new(program.settings(tunes.into_iter(), route)),
    };
    let builder = Builder {
        program,
        situation,
        filters,
        settings,
        requested: route.is_none(),
        reached,
        route: route.map_or_else(|| "requested".into(), |route| route.rule.name.clone()),
        line: route.map(|route| route.rule.line),
        needs: Needs::of(situation.facts),
        ranks: RefCell::default(),
    };
    builder.build(target, listener)
}

/// What removes a model whatever the rules say: its own settings, and the shape of the request.
pub(in crate::policy) fn removed_by_shape(
    program: &Program,
    situation: &Situation<'_>,
    model: ModelIdx,
    settings: &Settings,
    requested: bool,
) -> Option<RemovedBy> {
    let builder = Builder {
        program,
        situation,
        filters: SmallVec::new(),
        settings: Arc::default(),
        requested,
        reached: None,
        route: Arc::default(),
        line: None,
        needs: Needs::of(situation.facts),
        ranks: RefCell::default(),
    };
    builder.removed_by(&Member { model, when: None }, settings)
}

/// The decision under way, after the rules have been matched.
struct Builder<'a> {
    program: &'a Program,
    situation: &'a Situation<'a>,
    filters: SmallVec<[&'a Require; 4]>,
    settings: Arc<Settings>,
    requested: bool,
    /// The budget or limit that is used up, if any.
    reached: Option<Reached>,
    route: Arc<str>,
    line: Option<u32>,
    needs: Needs,
    /// Borrowed only within one ordering.
    ranks: RefCell<Ranks>,
}

impl Builder<'_> {
    fn build(&self, target: Target, listener: &mut dyn Listener) -> Decision {
        let mut capped = CapWatch { listener, removed_by_cap: false };
        let instead = match &self.reached {
            Some(reached) => match (&reached.breach, target == Target::Requested) {
                (Breach::Degrade(target), false) => Some(*target),
                // Who names a model gets that one or an error.
                (Breach::Degrade(_), true) => return Decision::Denied(reached.denied(None)),
                _ => None,
            },
            None => None,
        };
        let (target, reason) = match (instead, self.requested) {
            (Some(instead), _) => (instead, PlanReason::Degraded),
            (None, true) => (target, PlanReason::Requested),
            (None, false) => (target, PlanReason::Matched),
        };
        if let Some(plan) = self.plan(target, reason, &mut capped) {
            return Decision::Plan(plan);
        }
        let over_cap = capped.removed_by_cap;
        match (&self.settings.cap, over_cap) {
            (Some(cap), true) => match &cap.breach {
                // One degrade does not lead to another.
                CapBreach::Degrade(_) if instead.is_some() => self.too_expensive(None, cap.amount),
                CapBreach::Degrade(target) => {
                    let plan = self.plan(*target, PlanReason::Degraded, &mut capped);
                    plan.map_or_else(|| self.too_expensive(None, cap.amount), Decision::Plan)
                }
                CapBreach::Deny(why) => self.too_expensive(why.clone(), cap.amount),
                // `warn` keeps every candidate, so the cap removed none.
                CapBreach::Warn => self.nobody(),
            },
            _ => self.nobody(),
        }
    }

    fn nobody(&self) -> Decision {
        Decision::NoCandidate(NoCandidate {
            route: self.route.clone(),
            requested: self.requested,
            removed: Vec::new(),
        })
    }

    fn too_expensive(&self, why: Option<Arc<str>>, cap: NanoDollars) -> Decision {
        let because = why.unwrap_or_else(|| {
            format!("This request could cost more than the ${cap} allowed for one request").into()
        });
        Decision::Denied(Denied { rule: self.route.clone(), because, status: 402, over_cap: true })
    }

    /// The plan for a target; `None` if no candidate is left.
    fn plan(
        &self,
        mut target: Target,
        mut reason: PlanReason,
        listener: &mut dyn Listener,
    ) -> Option<Plan> {
        let mut arm = None;
        while let Target::Split(index) = target {
            let (choice, next) = self.choose_arm(index)?;
            // The outermost split is the one the caller is told about.
            arm.get_or_insert(choice);
            if reason == PlanReason::Matched {
                reason = PlanReason::Arm;
            }
            target = next;
        }
        let mut steps: SmallVec<[Step; 1]> = SmallVec::new();
        let ladder = match target {
            Target::Ladder(index) => Some(&self.program.ladders[index]),
            _ => None,
        };
        match ladder {
            None => {
                let name = self.name_of(target);
                steps.extend(self.step(target, name, &self.settings, None, listener));
            }
            Some(ladder) => {
                for step in &ladder.steps {
                    let settings = if step.body == Settings::default() {
                        self.settings.clone()
                    } else {
                        Arc::new(self.settings.overlaid(&step.body))
                    };
                    let target = self.follow_splits(step.target)?;
                    let (name, escalate) = (step.name.clone(), step.escalate.clone());
                    steps.extend(self.step(target, name, &settings, escalate, listener));
                }
                // Where the top steps fell away, the highest one left gives the answer.
                if let Some(last) = steps.last_mut() {
                    last.escalate = None;
                }
            }
        }
        let fallback = self.fallback(&steps, listener);
        if steps.is_empty() {
            // Only the fallback is left: it is the plan.
            let (candidates, _) = fallback.filter(|(candidates, _)| !candidates.is_empty())?;
            let kept = Ordered { candidates, passed_over: true };
            steps.push(self.step_of(kept, "fallback".into(), &self.settings, None, listener));
            return Some(self.finish(reason, arm, steps, None, ladder, listener));
        }
        Some(self.finish(reason, arm, steps, fallback, ladder, listener))
    }

    /// The step for a target; `None` if no candidate is left.
    fn step(
        &self,
        target: Target,
        name: Arc<str>,
        settings: &Arc<Settings>,
        escalate: Option<Arc<Cond>>,
        listener: &mut dyn Listener,
    ) -> Option<Step> {
        let kept = self.candidates(target, &name, settings, listener);
        if kept.candidates.is_empty() {
            return None;
        }
        Some(self.step_of(kept, name, settings, escalate, listener))
    }

    fn step_of(
        &self,
        mut kept: Ordered,
        name: Arc<str>,
        settings: &Arc<Settings>,
        escalate: Option<Arc<Cond>>,
        listener: &mut dyn Listener,
    ) -> Step {
        let sticky = settings.sticky.as_ref().and_then(|it| self.stay(it, &name, &mut kept));
        let hedge = settings.hedge.as_ref().and_then(|it| self.hedging(it, settings, listener));
        let Ordered { candidates, passed_over } = kept;
        let settings = settings.clone();
        Step { name, candidates, passed_over, escalate, hedge, sticky, settings }
    }

    fn finish(
        &self,
        reason: PlanReason,
        arm: Option<ArmChoice>,
        steps: SmallVec<[Step; 1]>,
        fallback: Option<(Candidates, crate::error_class::ErrorSet)>,
        ladder: Option<&super::program::Ladder>,
        listener: &mut dyn Listener,
    ) -> Plan {
        let cap = self.settings.cap.as_ref().and_then(|cap| match cap.breach {
            CapBreach::Warn => None,
            _ => Some(cap.amount),
        });
        let ladder_cost = ladder.and_then(|ladder| ladder.max_cost);
        Plan {
            route: self.route.clone(),
            line: self.line,
            reason,
            arm,
            ladder: ladder.map(|ladder| ladder.name.clone()),
            reached: self.reached.clone(),
            steps,
            fallback,
            shadows: self.shadows(listener),
            settings: self.settings.clone(),
            hold: ladder
                .and_then(|ladder| ladder.hold)
                .or(self.settings.hold)
                .unwrap_or(Hold::None),
            max_cost: match (cap, ladder_cost) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            },
            deadline: ladder.and_then(|ladder| ladder.deadline),
        }
    }

    fn fallback(
        &self,
        steps: &[Step],
        listener: &mut dyn Listener,
    ) -> Option<(Candidates, crate::error_class::ErrorSet)> {
        let fallback = self.settings.fallback.as_ref()?;
        let name: Arc<str> = "fallback".into();
        let mut all = Candidates::new();
        for target in &fallback.to {
            let Some(target) = self.follow_splits(*target) else { continue };
            let mut add = |target, settings: &Settings| {
                for model in self.candidates(target, &name, settings, listener).candidates {
                    let known = steps.iter().any(|step| step.candidates.contains(&model));
                    if !known && !all.contains(&model) {
                        all.push(model);
                    }
                }
            };
            match target {
                Target::Ladder(index) => {
                    for step in &self.program.ladders[index].steps {
                        if let Some(target) = self.follow_splits(step.target) {
                            add(target, &self.settings.overlaid(&step.body));
                        }
                    }
                }
                target => add(target, &self.settings),
            }
        }
        Some((all, fallback.on))
    }

    fn follow_splits(&self, mut target: Target) -> Option<Target> {
        while let Target::Split(index) = target {
            target = self.choose_arm(index)?.1;
        }
        Some(target)
    }

    fn choose_arm(&self, index: usize) -> Option<(ArmChoice, Target)> {
        let split = &self.program.splits[index];
        let facts = self.situation.facts;
        let mut mix = Mix::default();
        mix.add(&split.salt);
        mix.add(&split.name);
        let mut sticky = !split.by.is_empty();
        for operand in &split.by {
            match text_of(operand, facts) {
                Some(text) => mix.add(&text),
                None => sticky = false,
            }
        }
        if !sticky && let Value::Str(id) = facts.get(&AttrRef::plain(Attr::RequestId)) {
            mix.add(id);
        }
        let bucket = mix.bucket();
        let arm = split.arms.iter().find(|arm| bucket < arm.below)?;
        let choice = ArmChoice { split: split.name.clone(), arm: arm.name.clone(), sticky };
        Some((choice, arm.target))
    }

    fn name_of(&self, target: Target) -> Arc<str> {
        match target {
            Target::Pool(index) => self.program.pools[index].name.clone(),
            Target::Ladder(index) => self.program.ladders[index].name.clone(),
            Target::Split(index) => self.program.splits[index].name.clone(),
            Target::Model(model) => self.model(model).id.as_str().into(),
            Target::Requested => "requested".into(),
        }
    }

    fn model(&self, model: ModelIdx) -> &Model {
        &self.program.catalog.models()[model.index()]
    }
}

/// Notes whether the cap removed anything, and passes everything on.
struct CapWatch<'a> {
    listener: &'a mut dyn Listener,
    removed_by_cap: bool,
}

impl Listener for CapWatch<'_> {
    fn removed(&mut self, step: &Arc<str>, model: ModelIdx, by: RemovedBy) {
        self.removed_by_cap |= matches!(by, RemovedBy::Cap(_) | RemovedBy::Unpriced);
        self.listener.removed(step, model, by);
    }
}

#[cfg(test)]
mod tests;
