//! Which models are left for a step, and in which order they are asked.

use std::sync::Arc;
use std::time::Instant;

use super::{Builder, Listener};
use crate::catalog::{Model, ModelIdx, worst_case};
use crate::dialect::edits::{Param, ParamValue};
use crate::policy::models::LiveModel;
use crate::policy::plan::{Candidates, RemovedBy};
use crate::policy::program::{CapBreach, Member, ModelFilter, Pick, PickBy, Settings, Target};
use crate::policy::schema::{Attr, AttrRef};
use crate::policy::syntax::tree::SetParamOp;
use crate::policy::value::{Facts, Value, float_key};
use crate::script::Datum;
use crate::units::{NanoDollars, Tokens};

/// What the request itself demands of a model.
pub(super) struct Needs {
    /// Vectors, and no conversation.
    embeddings: bool,
    tools: bool,
    vision: bool,
    audio: bool,
    json: bool,
    json_schema: bool,
    logprobs: bool,
    max_output: Option<Tokens>,
    bytes: u64,
    images: u32,
    n: u64,
}

impl Needs {
    pub(super) fn of(facts: &dyn Facts) -> Needs {
        let get = |attr| facts.get(&AttrRef::plain(attr));
        let count = |attr| match get(attr) {
            Value::Int(count) => u64::try_from(count).unwrap_or(0),
            _ => 0,
        };
        let format = get(Attr::RequestFormat);
        Needs {
            embeddings: get(Attr::RequestApi) == Value::Str("embeddings"),
            tools: count(Attr::RequestTools) > 0,
            vision: count(Attr::RequestImages) > 0,
            audio: get(Attr::RequestAudio) == Value::Bool(true),
            json: format == Value::Str("json_object"),
            json_schema: format == Value::Str("json_schema"),
            logprobs: get(Attr::RequestLogprobs) == Value::Bool(true),
            max_output: match get(Attr::RequestMaxOutput) {
                Value::Int(count) => Some(Tokens(u64::try_from(count).unwrap_or(0))),
                _ => None,
            },
            bytes: count(Attr::RequestBytes),
            images: u32::try_from(count(Attr::RequestImages)).unwrap_or(u32::MAX),
            n: count(Attr::RequestN).max(1),
        }
    }

    fn lacking(&self, model: &Model) -> Option<&'static str> {
        let can = &model.capabilities;
        [
            (self.embeddings, can.embeddings, "embeddings"),
            (!self.embeddings, !can.embeddings, "a model that converses"),
            (self.tools, can.tools, "tools"),
            (self.vision, can.vision, "vision"),
            (self.audio, can.audio, "audio"),
            (self.json, can.json || can.json_schema, "json"),
            (self.json_schema, can.json_schema, "json_schema"),
            (self.logprobs, can.logprobs, "logprobs"),
        ]
        .into_iter()
        .find_map(|(needed, there, name)| (needed && !there).then_some(name))
    }
}

/// A target's models that are left, in the order in which they are asked.
#[derive(Default)]
pub(super) struct Ordered {
    pub candidates: Candidates,
    /// See [`Step::passed_over`](crate::policy::plan::Step::passed_over).
    pub passed_over: bool,
}

impl Builder<'_> {
    pub(super) fn candidates(
        &self,
        target: Target,
        step: &Arc<str>,
        settings: &Settings,
        listener: &mut dyn Listener,
    ) -> Ordered {
        let single;
        let (members, pool_pick): (&[Member], Pick) = match target {
            Target::Pool(index) => {
                let pool = &self.program.pools[index];
                (&pool.members, pool.pick)
            }
            Target::Model(model) => {
                single = [Member { model, when: None }];
                (&single, Pick { by: PickBy::First, of: None })
            }
            Target::Requested => {
                let Some(model) = self.situation.named else { return Ordered::default() };
                single = [Member { model, when: None }];
                (&single, Pick { by: PickBy::First, of: None })
            }
            // Splits were followed and ladders unfolded before.
            Target::Split(_) | Target::Ladder(_) => return Ordered::default(),
        };
        let mut kept = Candidates::new();
        for member in members {
            match self.removed_by(member, settings) {
                None => kept.push(member.model),
                Some(by) => listener.removed(step, member.model, by),
            }
        }
        let passed_over = self.order(&mut kept, settings.pick.unwrap_or(pool_pick), settings);
        Ordered { candidates: kept, passed_over }
    }

    pub(super) fn removed_by(&self, member: &Member, settings: &Settings) -> Option<RemovedBy> {
        let model = self.model(member.model);
        let live = LiveModel { model, live: self.situation.live.model(member.model) };
        if !self.situation.enabled.contains(member.model) {
            return Some(RemovedBy::ProviderOff);
        }
        if !(self.situation.allowed)(model) {
            return Some(RemovedBy::Key);
        }
        if member.when.as_ref().is_some_and(|when| !when.holds(&live)) {
            return Some(RemovedBy::Pool);
        }
        let passes = |filter: &ModelFilter| {
            filter.pass.contains(member.model)
                && filter.live.as_ref().is_none_or(|cond| cond.holds(&live))
        };
        if let Some(require) = self.filters.iter().find(|require| !passes(&require.only)) {
            return Some(RemovedBy::Require(require.rule.name.clone(), require.only.text.clone()));
        }
        if let Some(only) = settings.only.iter().find(|filter| !passes(filter)) {
            return Some(RemovedBy::Only(only.text.clone()));
        }
        // What a client asks of a model it named itself is between it and the provider.
        if !(self.requested && self.situation.named == Some(member.model)) {
            if let Some(lacking) = self.needs.lacking(model) {
                return Some(RemovedBy::Lacks(lacking));
            }
            if self.needs.max_output.is_some_and(|wanted| wanted > model.max_output)
                && self.output_limit(settings).is_none_or(|limit| limit > model.max_output)
            {
                return Some(RemovedBy::MaxOutput);
            }
            if !self.fits(model) {
                return Some(RemovedBy::Context);
            }
        }
        let cap = settings.cap.as_ref()?;
        if cap.breach == CapBreach::Warn {
            return None;
        }
        match self.worst_case(model, settings) {
            None => Some(RemovedBy::Unpriced),
            Some(worst) if worst > cap.amount => Some(RemovedBy::Cap(worst)),
            Some(_) => None,
        }
    }

    fn fits(&self, model: &Model) -> bool {
        if self.needs.embeddings {
            return true; // each of its texts has the whole window
        }
        let answer = self.needs.max_output.unwrap_or_default();
        // A token is at least a byte, so most requests fit without counting.
        if self.needs.bytes.saturating_add(answer.0) <= model.context.0 {
            return true;
        }
        self.input_tokens() + answer <= model.context
    }

    fn input_tokens(&self) -> Tokens {
        match self.situation.facts.get(&AttrRef::plain(Attr::InputTokens)) {
            Value::Int(count) => Tokens(u64::try_from(count).unwrap_or(0)),
            _ => Tokens(0),
        }
    }

    /// The most tokens the answer may have, by the client's word and the policy's.
    fn output_limit(&self, settings: &Settings) -> Option<Tokens> {
        output_limit(self.needs.max_output, settings)
    }

    fn worst_case(&self, model: &Model, settings: &Settings) -> Option<NanoDollars> {
        let limit = self.output_limit(settings);
        let worst = worst_case(model, self.input_tokens(), self.needs.images, limit)?;
        Some(NanoDollars(worst.0.saturating_mul(self.needs.n)))
    }

    /// Brings the models into the order of `pick`; says whether the one that `pick` wants first has
    /// to stand back because it rests.
    fn order(&self, models: &mut Candidates, pick: Pick, settings: &Settings) -> bool {
        if models.len() > 1 {
            let live = |model: &ModelIdx| self.situation.live.model(*model);
            match pick.by {
                PickBy::First => {}
                PickBy::Cheapest => models.sort_by_cached_key(|model| {
                    self.worst_case(self.model(*model), settings).unwrap_or(NanoDollars(u64::MAX))
                }),
                PickBy::Fastest => models
                    .sort_by_key(|model| live(model).ttft.p95.unwrap_or(std::time::Duration::MAX)),
                PickBy::Best => models.sort_by(|a, b| {
                    let quality = |model: &ModelIdx| {
                        self.model(*model).quality.as_ref().map_or(-1.0, |quality| quality.overall)
                    };
                    quality(b).total_cmp(&quality(a))
                }),
                PickBy::LeastBusy => models.sort_by_key(|model| live(model).inflight),
                PickBy::Script(index) => {
                    self.rank(index, models);
                    let ranks = self.ranks.borrow();
                    models.sort_by_cached_key(|model| std::cmp::Reverse(ranks.of(index, *model)));
                }
                PickBy::RoundRobin => {
                    let turn = (self.situation.turn % models.len() as u64) as usize;
                    models.rotate_left(turn);
                }
            }
            if let Some(of) = pick.of {
                let of = (of as usize).min(models.len());
                let turn = (self.situation.seed % of as u64) as usize;
                models[..of].rotate_left(turn);
            }
            // What cools down or has its breaker open is asked last, not left out: if all do, one
            // must still be tried.
            if models.iter().any(|model| !live(model).available) {
                let wanted = models[0];
                models.sort_by_key(|model| !live(model).available);
                return models[0] != wanted;
            }
        }
        false
    }
}

/// What scripts said of models in one decision: each is asked once, however many steps and fallbacks
/// name it.
#[derive(Default)]
pub(super) struct Ranks {
    /// Script, model, what it said as an order key.
    said: Vec<(usize, ModelIdx, i64)>,
    /// By script: what it is shown of the request, and when its time for the whole decision is over.
    asked: Vec<(usize, Datum, Instant)>,
}

impl Ranks {
    fn find(&self, script: usize, model: ModelIdx) -> Option<i64> {
        let mut said = self.said.iter();
        said.find(|(by, of, _)| (*by, *of) == (script, model)).map(|(_, _, rank)| *rank)
    }

    fn of(&self, script: usize, model: ModelIdx) -> i64 {
        self.find(script, model).unwrap_or(0)
    }
}

impl Builder<'_> {
    /// Asks a script for the ranks of those models of which it has not said anything yet. What it
    /// fails to say, or says too late, counts as 0.
    fn rank(&self, index: usize, models: &Candidates) {
        let script = &self.program.ranks[index];
        let mut ranks = self.ranks.borrow_mut();
        let asked = match ranks.asked.iter().position(|(by, ..)| *by == index) {
            Some(at) => at,
            None => {
                let request = script.request(self.situation.facts);
                ranks.asked.push((index, request, script.deadline()));
                ranks.asked.len() - 1
            }
        };
        let (_, request, deadline) = ranks.asked[asked].clone();
        for &model in models {
            if ranks.find(index, model).is_none() {
                let live =
                    LiveModel { model: self.model(model), live: self.situation.live.model(model) };
                let rank = script.rank(request.clone(), &live, deadline).unwrap_or(0.0);
                ranks.said.push((index, model, float_key(rank).unwrap_or(0)));
            }
        }
    }
}

/// The most tokens the answer may have: what the client wants, as the policy's settings change it.
pub fn output_limit(wanted: Option<Tokens>, settings: &Settings) -> Option<Tokens> {
    let mut limit = wanted;
    for parameter in &settings.parameters {
        let (Param::MaxOutput, ParamValue::Int(value)) = (parameter.name, &parameter.value) else {
            continue;
        };
        let value = Tokens(u64::try_from(*value).unwrap_or(0));
        limit = match parameter.op {
            SetParamOp::Replace => Some(value),
            SetParamOp::AtMost => Some(limit.map_or(value, |limit| limit.min(value))),
            SetParamOp::AtLeast => limit.map(|limit| limit.max(value)),
        };
    }
    limit
}
