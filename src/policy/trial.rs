//! What a policy does with a request that nobody sent: every provider is configured, every model well,
//! the key allows all.

use std::sync::Arc;

use super::eval::{Meter, Situation, WithLive, decide_listening, output_limit};
use super::plan::{Decision, Plan, Removal};
use super::program::{ModelSet, Program};
use super::schema::{Attr, AttrRef};
use super::testing::TestRequest;
use super::value::{Facts, Value};
use crate::catalog::{Catalog, Live, Lookup, ModelIdx, worst_case};
use crate::units::{NanoDollars, Tokens};

/// The provider that is built in. Its made-up quality would win against real models.
const BUILT_IN: &str = "sim";

/// A policy, ready to be tried.
pub struct Trial<'p> {
    /// The policy.
    pub program: &'p Program,
    live: Live,
    enabled: ModelSet,
    /// What was used of budgets and limits; nothing where nobody says.
    meter: Option<&'p dyn Meter>,
}

/// The models that take part where nothing says which providers are configured: all, but those of the
/// built-in provider only where a policy speaks of it.
pub fn enabled(catalog: &Catalog, texts: &str) -> ModelSet {
    let with_built_in = texts.contains("sim/") || texts.contains("\"sim\"");
    ModelSet::of(catalog, |model| {
        with_built_in || catalog.models()[model.index()].provider.as_str() != BUILT_IN
    })
}

impl<'p> Trial<'p> {
    /// For any number of requests.
    pub fn of(program: &'p Program) -> Trial<'p> {
        Trial {
            program,
            live: Live::fresh(program.catalog.models().len()),
            enabled: enabled(&program.catalog, program.sources.text()),
            meter: None,
        }
    }

    /// With figures as a test gives them: of models, budgets and limits.
    pub fn of_test(program: &'p Program, request: &'p TestRequest<'_>) -> Trial<'p> {
        Trial { live: request.live.clone(), meter: Some(request), ..Trial::of(program) }
    }

    /// Decides a request; who was left out, too.
    pub fn decide(&self, facts: &dyn Facts) -> (Decision, Vec<Removal>) {
        let overlaid = WithLive { facts, live: &self.live, program: self.program };
        // A test says itself how pools and models are doing.
        let facts: &dyn Facts = if self.meter.is_some() { facts } else { &overlaid };
        let named = match facts.get(&AttrRef::plain(Attr::RequestModel)) {
            Value::Str(name) => match self.program.catalog.by_name(name, |_| true) {
                Lookup::Found(model) => Some(model),
                Lookup::Ambiguous(_) | Lookup::Unknown { .. } => None,
            },
            _ => None,
        };
        let situation = Situation {
            facts,
            live: &self.live,
            enabled: &self.enabled,
            allowed: &|_| true,
            named,
            meter: self.meter.unwrap_or(&()),
            remembered: &|_| None,
            seed: 0,
            turn: 0,
        };
        let mut removed = Vec::new();
        let decision = decide_listening(self.program, &situation, &mut removed);
        (decision, removed)
    }

    /// What comes of a request, in short.
    pub fn outcome(&self, facts: &dyn Facts) -> Outcome {
        match self.decide(facts).0 {
            Decision::Plan(plan) => {
                let models = models_of(&plan);
                let worst = self.worst_case(&plan, facts);
                Outcome::Plan { route: plan.route.clone(), arm: plan.arm.is_some(), models, worst }
            }
            Decision::Denied(denied) => Outcome::Denied {
                rule: denied.rule,
                because: denied.because,
                status: denied.status,
            },
            Decision::NoCandidate(nobody) => Outcome::NoModel { route: nobody.route },
            Decision::UnknownModel => Outcome::UnknownModel,
        }
    }

    /// The most that one attempt of a plan can cost; `None` if a model has no price.
    fn worst_case(&self, plan: &Plan, facts: &dyn Facts) -> Option<NanoDollars> {
        let count = |attr| match facts.get(&AttrRef::plain(attr)) {
            Value::Int(count) => u64::try_from(count).ok(),
            _ => None,
        };
        let input = Tokens(count(Attr::InputTokens).unwrap_or(0));
        let images = count(Attr::RequestImages).and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
        let wanted = count(Attr::RequestMaxOutput).map(Tokens);
        let limit = output_limit(wanted, &plan.settings);
        models_of(plan)
            .iter()
            .map(|model| {
                worst_case(&self.program.catalog.models()[model.index()], input, images, limit)
            })
            .try_fold(NanoDollars(0), |most, worst| Some(most.max(worst?)))
    }
}

/// The models of a plan in the order in which they are asked, each once; those that only get second
/// copies come last.
pub fn models_of(plan: &Plan) -> Vec<ModelIdx> {
    let mut models: Vec<ModelIdx> = Vec::new();
    let fallback = plan.fallback.iter().flat_map(|(models, _)| models);
    let copies = plan.steps.iter().filter_map(|step| step.hedge.as_ref());
    let copies = copies.flat_map(|hedge| &hedge.candidates);
    let steps = plan.steps.iter().flat_map(|step| &step.candidates);
    for model in steps.chain(fallback).chain(copies) {
        if !models.contains(model) {
            models.push(*model);
        }
    }
    models
}

/// What comes of a request, in short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is answered.
    Plan {
        /// By which rule.
        route: Arc<str>,
        /// Whether a split chose among several ways.
        arm: bool,
        /// Who may be asked, in order.
        models: Vec<ModelIdx>,
        /// The most that one attempt can cost; `None` if that is unknown.
        worst: Option<NanoDollars>,
    },
    /// It is refused.
    Denied {
        /// By which rule.
        rule: Arc<str>,
        /// With which words.
        because: Arc<str>,
        /// With which status.
        status: u16,
    },
    /// No model is left.
    NoModel {
        /// On which route.
        route: Arc<str>,
    },
    /// The client names a model that nobody knows.
    UnknownModel,
}
