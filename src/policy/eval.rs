//! Carrying out a policy: `(program, facts, live snapshot) → decision`, pure and total.

mod candidates;

use std::borrow::Cow;
use std::sync::Arc;

use smallvec::SmallVec;

pub use candidates::output_limit;
use candidates::{Needs, Ordered};

use super::cond::Operand;
use super::models::duration;
use super::plan::{
    ArmChoice, Candidates, Decision, Denied, NoCandidate, Plan, PlanReason, Removal, RemovedBy,
    Step,
};
use super::program::{
    Assumption, CapBreach, Hold, Member, ModelSet, Program, Require, Settings, Target,
};
use super::schema::{Attr, AttrRef};
use super::value::{Facts, Value};
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

    fn worked_out(&self, declared: &super::cond::Declared) -> Value<'_> {
        self.facts.worked_out(declared)
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
    match decide_listening(program, situation, &mut ()) {
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
        (route, _) => {
            let mut settings = (*program.defaults).clone();
            for tune in tunes {
                settings = settings.overlaid(tune);
            }
            if let Some(route) = route {
                settings = settings.overlaid(&route.body);
            }
            Arc::new(settings)
        }
    };
    let builder = Builder {
        program,
        situation,
        filters,
        settings: if route.is_none() { as_requested(settings) } else { settings },
        requested: route.is_none(),
        route: route.map_or_else(|| "requested".into(), |route| route.rule.name.clone()),
        line: route.map(|route| route.rule.line),
        needs: Needs::of(situation.facts),
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
        route: Arc::default(),
        line: None,
        needs: Needs::of(situation.facts),
    };
    builder.removed_by(&Member { model, when: None }, settings)
}

/// A named model is answered by that model or by an error, never by another.
fn as_requested(settings: Arc<Settings>) -> Arc<Settings> {
    let degrades = |settings: &Settings| matches!(&settings.cap, Some(cap) if matches!(cap.breach, CapBreach::Degrade(_)));
    if settings.fallback.is_none() && !degrades(&settings) {
        return settings;
    }
    let mut settings = (*settings).clone();
    settings.fallback = None;
    if let Some(cap) = &mut settings.cap
        && matches!(cap.breach, CapBreach::Degrade(_))
    {
        cap.breach = CapBreach::Deny(None);
    }
    Arc::new(settings)
}

/// The decision under way, after the rules have been matched.
struct Builder<'a> {
    program: &'a Program,
    situation: &'a Situation<'a>,
    filters: SmallVec<[&'a Require; 4]>,
    settings: Arc<Settings>,
    requested: bool,
    route: Arc<str>,
    line: Option<u32>,
    needs: Needs,
}

impl Builder<'_> {
    fn build(&self, target: Target, listener: &mut dyn Listener) -> Decision {
        let reason = if self.requested { PlanReason::Requested } else { PlanReason::Matched };
        let mut capped = CapWatch { listener, removed_by_cap: false };
        if let Some(plan) = self.plan(target, reason, &mut capped) {
            return Decision::Plan(plan);
        }
        let over_cap = capped.removed_by_cap;
        match (&self.settings.cap, over_cap) {
            (Some(cap), true) => match &cap.breach {
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
                let Ordered { candidates, passed_over } =
                    self.candidates(target, &name, &self.settings, listener);
                if !candidates.is_empty() {
                    let settings = self.settings.clone();
                    steps.push(Step { name, candidates, passed_over, escalate: None, settings });
                }
            }
            Some(ladder) => {
                for step in &ladder.steps {
                    let settings = if step.body == Settings::default() {
                        self.settings.clone()
                    } else {
                        Arc::new(self.settings.overlaid(&step.body))
                    };
                    let target = self.follow_splits(step.target)?;
                    let Ordered { candidates, passed_over } =
                        self.candidates(target, &step.name, &settings, listener);
                    if !candidates.is_empty() {
                        let escalate = step.escalate.clone();
                        steps.push(Step {
                            name: step.name.clone(),
                            candidates,
                            passed_over,
                            escalate,
                            settings,
                        });
                    }
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
            let name: Arc<str> = "fallback".into();
            let settings = self.settings.clone();
            let passed_over = true;
            steps.push(Step { name, candidates, passed_over, escalate: None, settings });
            return Some(self.finish(reason, arm, steps, None, ladder));
        }
        Some(self.finish(reason, arm, steps, fallback, ladder))
    }

    fn finish(
        &self,
        reason: PlanReason,
        arm: Option<ArmChoice>,
        steps: SmallVec<[Step; 1]>,
        fallback: Option<(Candidates, crate::error_class::ErrorSet)>,
        ladder: Option<&super::program::Ladder>,
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
            steps,
            fallback,
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
        let mut hasher = blake3::Hasher::new();
        let mut mix = |text: &str| {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        };
        mix(&split.salt);
        mix(&split.name);
        let mut sticky = !split.by.is_empty();
        for operand in &split.by {
            match text_of(operand, facts) {
                Some(text) => mix(&text),
                None => sticky = false,
            }
        }
        if !sticky && let Value::Str(id) = facts.get(&AttrRef::plain(Attr::RequestId)) {
            mix(id);
        }
        let hash = hasher.finalize();
        let mut word = [0u8; 8];
        word.copy_from_slice(&hash.as_bytes()[..8]);
        let bucket = (u64::from_le_bytes(word) % 10_000) as u32;
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

fn text_of<'a>(operand: &'a Operand, facts: &'a dyn Facts) -> Option<Cow<'a, str>> {
    match operand.value(facts) {
        Value::Absent => None,
        Value::Str(text) => Some(Cow::Borrowed(text)),
        Value::Bool(bool) => Some(Cow::Borrowed(if bool { "true" } else { "false" })),
        Value::Int(int) => Some(Cow::Owned(int.to_string())),
        Value::Float(float) => Some(Cow::Owned(float.to_string())),
        Value::Set(set) => Some(Cow::Owned(set.iter().map(|s| &**s).collect::<Vec<_>>().join(","))),
    }
}

#[cfg(test)]
mod tests;
