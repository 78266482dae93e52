//! What another policy would have decided: the requests of a decision log, decided anew.
//!
//! `line` is one line of the log, `facts` what it has on a request. [`Replay`] decides lines and
//! adds them up; `report` is what comes of it. Nothing is sent anywhere: what models would have
//! answered, nobody knows.

pub mod facts;
pub mod line;
mod report;
mod tally;

use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

pub use report::{Example, ModelRow, Money, Report};

use crate::catalog::live::{ModelLive, Percentiles};
use crate::catalog::{Catalog, Live, ModelIdx, Pieces, cost};
use crate::dialect::Usage;
use crate::ids::{ModelId, RequestId};
use crate::policy::cond::Glob;
use crate::policy::eval::{Situation, WithLive, decide};
use crate::policy::plan::{AffinityKey, Decision};
use crate::policy::program::{ModelSet, Program};
use crate::policy::schema::{Attr, AttrRef};
use crate::policy::value::{Facts, Value};
use crate::units::{BasisPoints, Tokens};
use line::{Kind, Line, LiveBits, Text};
use tally::{Chain, Choice, Tally};

/// What an answer is taken to have where the log does not say and the client set no limit.
const USUAL_ANSWER: Tokens = Tokens(500);

/// What is compared: a draft with another policy, or with what was decided at the time.
#[derive(Debug, Clone)]
pub struct Replay {
    /// The policy that might come.
    pub draft: Arc<Program>,
    /// The one it is compared with; what the log says where there is none.
    pub baseline: Option<Arc<Program>>,
}

/// Decides lines anew, one after the other. Each thread has one of its own.
pub struct Worker {
    replay: Replay,
    catalog: Arc<Catalog>,
    /// The headers that the draft asks for.
    headers: Vec<AttrRef>,
    /// The providers of the last line, and what they come to: they hardly ever change.
    providers: Vec<String>,
    enabled: ModelSet,
    /// A snapshot that is written anew for every line, and which models differ from fresh ones.
    live: Live,
    touched: Vec<ModelIdx>,
    /// Who `sticky` went by in the last line.
    remembered: Vec<(String, ModelIdx)>,
    tally: Tally,
}

impl Worker {
    /// Nothing decided yet.
    pub fn new(replay: Replay) -> Worker {
        let catalog = replay.draft.catalog.clone();
        let headers = replay.draft.asks().into_iter().filter(|asked| asked.attr == Attr::Header);
        let headers: Vec<AttrRef> = headers.collect();
        let tally = Tally { headers: vec![false; headers.len()], ..Tally::default() };
        Worker {
            headers,
            providers: Vec::new(),
            enabled: ModelSet::of(&catalog, |_| true),
            live: Live::fresh(catalog.models().len()),
            touched: Vec::new(),
            remembered: Vec::new(),
            tally,
            catalog,
            replay,
        }
    }

    /// Decides one line. What is none is counted.
    pub fn line(&mut self, number: u64, text: &str) {
        if text.trim().is_empty() {
            return;
        }
        match serde_json::from_str::<Line<'_>>(text) {
            Ok(line) => self.decide(number, text, line),
            Err(error) => {
                self.tally.broken += 1;
                self.tally.first_broken.get_or_insert((number, error.to_string()));
            }
        }
    }

    /// With what another thread has decided.
    #[must_use]
    pub fn with(mut self, other: Worker) -> Worker {
        self.tally.merge(other.tally);
        self
    }

    /// What it all comes to.
    pub fn report(mut self) -> Report {
        let tally = std::mem::take(&mut self.tally);
        report::of(&mut self, tally)
    }

    fn decide(&mut self, number: u64, text: &str, line: Line<'_>) {
        let Line { id, at, facts, providers, key_models, turn, live, decision, result, .. } = line;
        let facts = facts.at(at);
        self.tally.lines += 1;
        for name in facts.unknown() {
            count(&mut self.tally.unknown, name);
        }
        for (asked, known) in self.headers.iter().zip(&mut self.tally.headers) {
            *known = *known || facts.get(asked) != Value::Absent;
        }
        self.surroundings(&providers, &live);
        self.remember(&decision);
        let key = Key::of(&key_models);
        let (draft, baseline) = (self.replay.draft.clone(), self.replay.baseline.clone());
        let after = self.choice(&self.decision(&draft, &id, turn, &facts, &key));
        let before = match &baseline {
            Some(baseline) => self.choice(&self.decision(baseline, &id, turn, &facts, &key)),
            None => self.logged(&decision),
        };
        let usage = self.usage(&facts, &result);
        self.outcome(&decision, &result);
        let images = match facts.get(&AttrRef::plain(Attr::RequestImages)) {
            Value::Int(images) => u32::try_from(images).unwrap_or(u32::MAX),
            _ => 0,
        };
        let pieces = Pieces { images, requests: 1 };
        let costs = |chain: &Chain| -> SmallVec<[Option<u64>; 2]> {
            let prices = |model: &Option<ModelIdx>| self.catalog[(*model)?].prices.as_ref();
            chain.iter().map(|model| Some(cost(prices(model)?, &usage, pieces).0)).collect()
        };
        let (costs_before, costs_after) = (costs(&before.chain), costs(&after.chain));
        self.tally.before.add(&before, &costs_before);
        self.tally.after.add(&after, &costs_after);
        let (answered, answers) = (before.kind == Kind::Plan, after.kind == Kind::Plan);
        self.tally.newly_refused += u64::from(answered && !answers);
        self.tally.newly_answered += u64::from(!answered && answers);
        self.tally.route_changes += u64::from(before.rule != after.rule);
        self.tally.model_changes += u64::from(before.first() != after.first());
        if before != after {
            self.tally.change(before, after, number, text);
        }
    }

    /// Who answered last; nobody under a policy that goes by something else than the one of the time.
    fn recall(&self, key: &AffinityKey) -> Option<ModelIdx> {
        let key = key.to_string();
        self.remembered.iter().find(|(known, _)| *known == key).map(|(_, model)| *model)
    }

    /// Takes over who was remembered to have answered last.
    fn remember(&mut self, decision: &line::Decided<'_>) {
        self.remembered.clear();
        for remembered in decision.steps.iter().filter_map(|step| step.remembered.as_ref()) {
            if let Some(model) = self.catalog.get(&ModelId::new(&*remembered.model)) {
                self.remembered.push((remembered.key.to_string(), model));
            }
        }
    }

    /// Takes over which providers there were and how the models were doing.
    fn surroundings(&mut self, providers: &[Text<'_>], live: &LiveBits<'_>) {
        let same = self.providers.len() == providers.len()
            && self.providers.iter().zip(providers).all(|(known, now)| **known == **now);
        if !same {
            self.providers = providers.iter().map(|name| name.to_string()).collect();
            let catalog = &self.catalog;
            self.enabled = ModelSet::of(catalog, |model| {
                let provider = catalog[model].provider.as_str();
                self.providers.is_empty() || self.providers.iter().any(|name| name == provider)
            });
        }
        for model in self.touched.drain(..) {
            self.live.models[model.index()] = ModelLive::FRESH;
        }
        (self.live.router_inflight, self.live.router_queue) = (live.inflight, live.queue);
        self.live.degraded = live.degraded;
        for bits in &live.models {
            let Some(model) = self.catalog.get(&ModelId::new(&*bits.id)) else { continue };
            let both = |times: Option<(u64, u64)>| Percentiles {
                p50: times.map(|(p50, _)| Duration::from_nanos(p50)),
                p95: times.map(|(_, p95)| Duration::from_nanos(p95)),
            };
            // The snapshot has every model of the catalogue.
            self.live.models[model.index()] = ModelLive {
                available: !bits.out,
                ttft: both(bits.ttft_ns),
                latency: both(bits.latency_ns),
                error_rate: BasisPoints(bits.error_rate_bp),
                inflight: bits.inflight,
            };
            self.touched.push(model);
        }
    }

    fn decision(
        &self,
        program: &Program,
        id: &str,
        turn: u64,
        facts: &dyn Facts,
        key: &Key,
    ) -> Decision {
        let overlaid = WithLive { facts, live: &self.live, program };
        let remembered = |key: &AffinityKey| self.recall(key);
        let allowed = |model: &crate::catalog::Model| key.allows(&model.id);
        decide(program, &self.situation(&overlaid, id, turn, &allowed, &remembered))
    }

    fn situation<'s>(
        &'s self,
        facts: &'s dyn Facts,
        id: &str,
        turn: u64,
        allowed: &'s dyn Fn(&crate::catalog::Model) -> bool,
        remembered: &'s dyn Fn(&AffinityKey) -> Option<ModelIdx>,
    ) -> Situation<'s> {
        let named = match facts.get(&AttrRef::plain(Attr::RequestModel)) {
            Value::Str(name) => {
                let configured = |provider: &crate::ids::ProviderId| {
                    self.providers.is_empty()
                        || self.providers.iter().any(|name| name == provider.as_str())
                };
                self.catalog.find(name, configured)
            }
            _ => None,
        };
        Situation {
            facts,
            live: &self.live,
            enabled: &self.enabled,
            allowed,
            named,
            meter: &(),
            remembered,
            seed: RequestId::parse(id).map_or(0, |id| id.as_u128() as u64),
            turn,
        }
    }

    fn choice(&self, decision: &Decision) -> Choice {
        let chain = match decision {
            Decision::Plan(plan) => {
                plan.steps.iter().map(|step| step.candidates.first().copied()).collect()
            }
            _ => Chain::new(),
        };
        let rule = decision.rule().map_or("", |rule| rule).into();
        Choice { kind: Kind::of(decision), rule, chain }
    }

    /// What was decided at the time.
    fn logged(&mut self, decision: &line::Decided<'_>) -> Choice {
        let mut chain = Chain::new();
        for step in &decision.steps {
            let Some(first) = step.models.first() else { continue };
            let model = self.catalog.get(&ModelId::new(&**first));
            if model.is_none() {
                count(&mut self.tally.unknown_models, first);
            }
            chain.push(model);
        }
        let rule = decision.route.as_deref().unwrap_or_default().into();
        Choice { kind: decision.outcome, rule, chain }
    }

    /// What one answer used; estimated where nobody knows.
    fn usage(&mut self, facts: &dyn Facts, result: &line::Ended<'_>) -> Usage {
        let known = result.attempts.iter().rev().filter(|it| it.usage.is_some());
        let taken = known.clone().find(|attempt| &*attempt.verdict == "accepted");
        if let Some(usage) = taken.or(known.clone().next()).and_then(|attempt| attempt.usage) {
            return usage;
        }
        self.tally.estimated += 1;
        let count = |attr| match facts.get(&AttrRef::plain(attr)) {
            Value::Int(count) => u64::try_from(count).ok().map(Tokens),
            _ => None,
        };
        let output = count(Attr::RequestMaxOutput).map_or(USUAL_ANSWER, |it| it.min(USUAL_ANSWER));
        Usage { input: count(Attr::InputTokens).unwrap_or_default(), output, ..Usage::default() }
    }

    /// What the log says about models: how long they take, how often their answers will not do.
    fn outcome(&mut self, decision: &line::Decided<'_>, result: &line::Ended<'_>) {
        self.tally.billed += u128::from(result.cost_nano);
        let mut rejected = false;
        for attempt in &result.attempts {
            let (accepted, refused) =
                (&*attempt.verdict == "accepted", &*attempt.verdict == "rejected");
            rejected |= refused;
            let Some(model) = self.catalog.get(&ModelId::new(&*attempt.model)) else { continue };
            if !accepted && !refused {
                continue;
            }
            let seen = self.tally.seen.entry(model).or_default();
            // Whole microseconds up to an hour and more.
            seen.latency.extend(attempt.ms.map(|ms| (ms * 1_000.0) as u32));
            if decision.steps.iter().any(|step| step.checked && *step.name == *attempt.step) {
                seen.checked += 1;
                seen.rejected += u64::from(refused);
            }
        }
        self.tally.escalated += u64::from(rejected);
    }
}

/// Which models a key may use.
struct Key(Vec<Glob>);

impl Key {
    fn of(patterns: &[Text<'_>]) -> Key {
        Key(patterns.iter().map(|pattern| Glob::new(pattern)).collect())
    }

    fn allows(&self, model: &ModelId) -> bool {
        self.0.is_empty() || self.0.iter().any(|glob| glob.matches(model.as_str()))
    }
}

fn count(counts: &mut std::collections::BTreeMap<String, u64>, name: &str) {
    match counts.get_mut(name) {
        Some(count) => *count += 1,
        None => drop(counts.insert(name.to_owned(), 1)),
    }
}

#[cfg(test)]
mod tests;
