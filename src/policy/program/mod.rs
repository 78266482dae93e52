//! A policy in its compiled form: names are indices, conditions are checked, settings are merged.

mod money;
mod proofs;
mod settings;

use std::sync::Arc;
use std::time::Duration;

pub use money::*;
pub use proofs::*;
pub use settings::*;

use super::cond::{Cond, DeclaredSource, Operand};
use super::diagnostic::Diagnostic;
use super::schema::{AttrRef, Subject};
use super::scripted::BoundScript;
use super::sources::Sources;
use super::syntax::tree::Span;
use super::table::Table;
use crate::catalog::{Catalog, ModelIdx};
use crate::ids::{Generation, PolicyName};
use crate::script::Reason;
use crate::units::NanoDollars;

/// A compiled policy, immutable and shared by all requests that it decides.
#[derive(Debug)]
pub struct Program {
    /// Its name.
    pub name: PolicyName,
    /// The hash of its texts, of the files they name and of the catalogue it was compiled against.
    pub generation: Generation,
    /// Its texts; every [`Span`] points into them.
    pub sources: Arc<Sources>,
    /// The models it speaks of.
    pub catalog: Arc<Catalog>,
    /// All conditions of `denies`, `requires`, `tunes`, the negations of those `assumptions` that are
    /// watched (in this order) and `routes`.
    pub table: Table,
    /// Who is refused.
    pub denies: Vec<Deny>,
    /// Who may use only some models.
    pub requires: Vec<Require>,
    /// Whose settings differ.
    pub tunes: Vec<Tune>,
    /// Who goes where; aliases are routes too, and the default is the last.
    pub routes: Vec<Route>,
    /// The settings everyone starts from.
    pub defaults: Arc<Settings>,
    /// The pools.
    pub pools: Vec<Pool>,
    /// The ladders.
    pub ladders: Vec<Ladder>,
    /// The splits and the experiments.
    pub splits: Vec<Split>,
    /// What is spent at most, over time.
    pub budgets: Vec<Budget>,
    /// How much is sent at most, over time or at once.
    pub limits: Vec<Limit>,
    /// The scripts that `pick script` names.
    pub ranks: Vec<Arc<BoundScript>>,
    /// All scripts, in the order in which the policy names them.
    pub scripts: Vec<Arc<BoundScript>>,
    /// What is taken for granted of all requests.
    pub assumptions: Vec<Assumption>,
    /// What holds for all requests.
    pub invariants: Vec<Invariant>,
    /// Single requests and what comes of them.
    pub tests: Vec<TestCase>,
    /// Statements that this version cannot carry out: the policy can be checked, proved and tested,
    /// but not activated.
    pub waiting: Vec<Diagnostic>,
}

impl Program {
    /// How often each script failed since the policy was loaded, and why: name, reason, count.
    pub fn script_failures(&self) -> impl Iterator<Item = (&str, Reason, u64)> {
        self.scripts.iter().flat_map(|bound| {
            let script = &bound.script;
            Reason::ALL.map(|reason| (&**script.name(), reason, script.failures().of(reason)))
        })
    }

    /// Every rule that a decision looks at: denials, requirements, tunes, routes, budgets, limits.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        (self.denies.iter().map(|it| &it.rule))
            .chain(self.requires.iter().map(|it| &it.rule))
            .chain(self.tunes.iter().map(|it| &it.rule))
            .chain(self.routes.iter().map(|it| &it.rule))
            .chain(self.budgets.iter().map(|it| &it.rule))
            .chain(self.limits.iter().map(|it| &it.rule))
    }

    /// Every condition on requests: of its rules and promises, and what it takes for granted.
    pub fn conditions(&self) -> impl Iterator<Item = &Cond> {
        let promises = self.invariants.iter().map(|it| &it.rule);
        let assumed = self.assumptions.iter().map(|it| &it.cond);
        self.rules().chain(promises).map(|rule| &rule.when).chain(assumed)
    }

    /// What holds for requests that these `tune`s match, on a route or (`None`) for a named model.
    pub fn settings<'t>(
        &self,
        tunes: impl Iterator<Item = &'t Settings>,
        route: Option<&Route>,
    ) -> Settings {
        let mut settings = (*self.defaults).clone();
        for tune in tunes {
            settings = settings.overlaid(tune);
        }
        match route {
            Some(route) => settings.before(route.target).overlaid(&route.body),
            None => settings.before(Target::Requested),
        }
    }

    /// The attributes that a decision may ask a request for, each once, in no particular order.
    pub fn asks(&self) -> Vec<AttrRef> {
        let escalations = self.ladders.iter().flat_map(|ladder| &ladder.steps);
        let escalations = escalations.filter_map(|step| step.escalate.as_deref());
        let assumed = self.assumptions.iter().map(|assumption| &assumption.cond);
        let rules = self.rules().map(|rule| &rule.when);
        let conds = rules.chain(escalations).chain(assumed);
        let tested = conds.flat_map(Cond::tests).map(|test| &test.operand);
        let split = self.splits.iter().flat_map(|split| &split.by);
        let counted = self.budgets.iter().map(|budget| &budget.per);
        let counted = counted.chain(self.limits.iter().map(|limit| &limit.per));
        let mut asked: Vec<AttrRef> = Vec::new();
        let seen = self.scripts.iter().flat_map(|script| &script.inputs);
        let seen = seen.map(|input| &input.operand);
        for operand in tested.chain(split).chain(counted).chain(seen) {
            let attr = match operand {
                Operand::Attr(attr) => Some(attr),
                Operand::Declared(declared) => match &declared.source {
                    Some(DeclaredSource::Attr(attr)) => Some(attr),
                    _ => None,
                },
            };
            let new = attr.filter(|attr| {
                attr.attr.def().subject == Subject::Request && !asked.contains(attr)
            });
            asked.extend(new.cloned());
        }
        asked
    }
}

/// What every rule has.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Its name; of one in a delegated file, `delegate.name`.
    pub name: Arc<str>,
    /// For whom it is.
    pub when: Cond,
    /// What is written of it: without what its `delegate` and a route's unwritten rule add.
    pub own: Cond,
    /// Where its name stands.
    pub span: Span,
    /// Its line in its file, counted from 1.
    pub line: u32,
}

/// Where something stands. It is not part of what is compared.
#[derive(Clone, Copy, Default)]
pub struct At(pub Span);

impl PartialEq for At {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
impl Eq for At {}
impl std::fmt::Debug for At {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("At")
    }
}

/// `deny`
#[derive(Debug, Clone)]
pub struct Deny {
    /// Name, condition, place.
    pub rule: Rule,
    /// What the client is told.
    pub because: Arc<str>,
    /// The HTTP status.
    pub status: u16,
}

/// `require`
#[derive(Debug, Clone)]
pub struct Require {
    /// Name, condition, place.
    pub rule: Rule,
    /// The models that are left.
    pub only: Arc<ModelFilter>,
}

/// `tune`
#[derive(Debug, Clone)]
pub struct Tune {
    /// Name, condition, place.
    pub rule: Rule,
    /// What it changes.
    pub settings: Settings,
}

/// `route`, `alias` or `default`
#[derive(Debug, Clone)]
pub struct Route {
    /// Name, condition, place.
    pub rule: Rule,
    /// Where it goes.
    pub target: Target,
    /// Whether it takes everybody who comes to it: `default`.
    pub is_default: bool,
    /// Its own settings.
    pub body: Settings,
    /// The defaults with its own settings: what holds when no `tune` matches.
    pub settings: Arc<Settings>,
}

/// Where a request can go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target {
    /// `pools[i]`
    Pool(usize),
    /// `ladders[i]`
    Ladder(usize),
    /// `splits[i]`
    Split(usize),
    /// This very model.
    Model(ModelIdx),
    /// The model the client named.
    Requested,
}

/// Models to choose from.
#[derive(Debug, Clone)]
pub struct Pool {
    /// Its name; of an imported one, with the prefix: `shared.cheap`.
    pub name: Arc<str>,
    /// Where its name stands.
    pub span: Span,
    /// Its members, in order.
    pub members: Vec<Member>,
    /// The order in which they are asked.
    pub pick: Pick,
}

/// A member of a pool.
#[derive(Debug, Clone)]
pub struct Member {
    /// Which model.
    pub model: ModelIdx,
    /// When it belongs to the pool, where that changes with live figures.
    pub when: Option<Arc<Cond>>,
}

/// In which order models are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pick {
    /// By what.
    pub by: PickBy,
    /// The load is spread among this many of the first.
    pub of: Option<u32>,
}

/// See [`Pick`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PickBy {
    /// The least worst-case cost of this request.
    Cheapest,
    /// The least time to the first token, lately.
    Fastest,
    /// The highest quality.
    Best,
    /// As they are listed.
    First,
    /// The fewest attempts under way.
    LeastBusy,
    /// Each in turn.
    RoundRobin,
    /// `ranks[i]` says a number for each; the highest first.
    Script(usize),
}

/// Cheap first, then climb.
#[derive(Debug, Clone)]
pub struct Ladder {
    /// Its name; of an imported one, with the prefix.
    pub name: Arc<str>,
    /// Where its name stands.
    pub span: Span,
    /// Its steps, bottom first. A step that goes to another ladder has been unfolded.
    pub steps: Vec<LadderStep>,
    /// The most that all steps together may cost.
    pub max_cost: Option<NanoDollars>,
    /// The time for the whole climb.
    pub deadline: Option<Duration>,
    /// How much of a stream is kept back.
    pub hold: Option<Hold>,
}

/// One step of a ladder.
#[derive(Debug, Clone)]
pub struct LadderStep {
    /// Its name.
    pub name: Arc<str>,
    /// Where its name stands.
    pub span: Span,
    /// A pool, a model, a split or `requested`.
    pub target: Target,
    /// When its answer is not taken; the last step has none.
    pub escalate: Option<Arc<Cond>>,
    /// Its own settings.
    pub body: Settings,
}

/// A division of the traffic.
#[derive(Debug, Clone)]
pub struct Split {
    /// Its name; of an imported one, with the prefix.
    pub name: Arc<str>,
    /// Where its name stands.
    pub span: Span,
    /// What keeps a caller in its arm; the request's id where empty or absent.
    pub by: Vec<Operand>,
    /// Mixed into the hash.
    pub salt: Arc<str>,
    /// Its arms, in order.
    pub arms: Vec<Arm>,
    /// What is watched, where it is an `experiment`.
    pub experiment: Option<Experiment>,
}

/// What an `experiment` does besides dividing.
#[derive(Debug, Clone, PartialEq)]
pub struct Experiment {
    /// Which arm grows to which shares, how long each lasts, and from when on.
    pub ramp: Option<Ramp>,
    /// What is measured.
    pub metrics: Vec<Arc<str>>,
    /// When it ends, and what answers from then on.
    pub ends: Option<(jiff::civil::Date, Target)>,
    /// The arms that take over where a guard's condition breaks.
    pub halts: Vec<Arc<str>>,
}

/// `ramp next 1% .. 10% every 2d from 2026-09-01`
#[derive(Debug, Clone, PartialEq)]
pub struct Ramp {
    /// The arm that grows.
    pub arm: Arc<str>,
    /// Its shares, in order.
    pub shares: Vec<crate::units::BasisPoints>,
    /// How long each lasts.
    pub every: Duration,
    /// The day it starts; that of the activation if unsaid.
    pub from: Option<jiff::civil::Date>,
}

/// One arm of a split.
#[derive(Debug, Clone)]
pub struct Arm {
    /// Its name.
    pub name: Arc<str>,
    /// It takes the buckets (of 10 000) below this one that the arms before it left.
    pub below: u32,
    /// Where it goes.
    pub target: Target,
}

/// A condition on models, worked out for the catalogue as far as it is fixed.
#[derive(Debug, Clone)]
pub struct ModelFilter {
    /// Whether it is a `floor`, which only makes sense where it bites.
    pub is_floor: bool,
    /// Its text, for traces: `tools and price.output <= $4/Mtok`.
    pub text: Arc<str>,
    /// Which models pass, as a bitset over the catalogue; all where the condition is live.
    pub pass: ModelSet,
    /// The whole condition, where it looks at live figures.
    pub live: Option<Cond>,
    /// The whole condition.
    pub cond: Cond,
    /// Where it stands.
    pub at: At,
}

/// A set of models of one catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelSet(Vec<u64>);

impl ModelSet {
    /// The models of a catalogue that pass a test.
    pub fn of(catalog: &Catalog, pass: impl Fn(ModelIdx) -> bool) -> ModelSet {
        let count = catalog.models().len();
        let mut words = vec![0u64; count.div_ceil(64)];
        for index in (0..count).filter(|index| pass(ModelIdx(*index as u32))) {
            words[index / 64] |= 1 << (index % 64);
        }
        ModelSet(words)
    }

    /// Whether the model is in it. A model of another catalogue is not.
    pub fn contains(&self, model: ModelIdx) -> bool {
        let index = model.0 as usize;
        self.0.get(index / 64).is_some_and(|word| word & (1 << (index % 64)) != 0)
    }
}

impl PartialEq for ModelFilter {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && self.pass == other.pass
    }
}
