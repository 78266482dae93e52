//! A policy in its compiled form: names are indices, conditions are checked, settings are merged.

use std::sync::Arc;
use std::time::Duration;

use super::cond::{Cond, Operand};
use super::syntax::tree::{PromptPlace, SetParamOp};
use super::table::Table;
use crate::catalog::{Catalog, ModelIdx};
use crate::dialect::edits::{Param, ParamValue};
use crate::error_class::ErrorSet;
use crate::ids::{Generation, PolicyName};
use crate::units::{BasisPoints, NanoDollars, Tokens};

/// A compiled policy, immutable and shared by all requests that it decides.
#[derive(Debug)]
pub struct Program {
    /// Its name.
    pub name: PolicyName,
    /// The hash of its text and of the catalogue it was compiled against.
    pub generation: Generation,
    /// The file it came from, as people know it.
    pub file: Arc<str>,
    /// Its text; spans point into it.
    pub source: Arc<str>,
    /// The models it speaks of.
    pub catalog: Arc<Catalog>,
    /// All conditions of `denies`, `requires`, `tunes` (in this order) and `routes`.
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
    /// The splits.
    pub splits: Vec<Split>,
}

/// What every rule has.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Its name.
    pub name: Arc<str>,
    /// For whom it is.
    pub when: Cond,
    /// Its line in the file, counted from 1.
    pub line: u32,
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
    /// Its name.
    pub name: Arc<str>,
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
}

/// Cheap first, then climb.
#[derive(Debug, Clone)]
pub struct Ladder {
    /// Its name.
    pub name: Arc<str>,
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
    /// Its name.
    pub name: Arc<str>,
    /// What keeps a caller in its arm; the request's id where empty or absent.
    pub by: Vec<Operand>,
    /// Mixed into the hash.
    pub salt: Arc<str>,
    /// Its arms, in order.
    pub arms: Vec<Arm>,
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
    /// Its text, for traces: `tools and price.output <= $4/Mtok`.
    pub text: Arc<str>,
    /// Which models pass, as a bitset over the catalogue; all where the condition is live.
    pub pass: ModelSet,
    /// The whole condition, where it looks at live figures.
    pub live: Option<Cond>,
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

/// Everything a `defaults`, a `tune`, a route or a step can say. What it leaves out is `None` or
/// empty, and then what came before holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    /// The clocks.
    pub timeouts: Timeouts,
    /// Again with the same model.
    pub retry: Option<Retry>,
    /// Where to when all candidates have failed.
    pub fallback: Option<Fallback>,
    /// The most one request may cost.
    pub cap: Option<Cap>,
    /// Parameters that are replaced or clamped, one entry per parameter and operation.
    pub parameters: Vec<Parameter>,
    /// Texts put into the system prompt, in order.
    pub prompts: Vec<Prompt>,
    /// Whether and how long answers are kept.
    pub cache: Option<CacheDirective>,
    /// How much of a stream is kept back.
    pub hold: Option<Hold>,
    /// The order of the candidates.
    pub pick: Option<Pick>,
    /// Conditions that candidates must meet, all of them.
    pub only: Vec<Arc<ModelFilter>>,
    /// Labels.
    pub tags: Vec<(Arc<str>, Arc<str>)>,
    /// What share of bodies is written to the log.
    pub log_bodies: Option<BasisPoints>,
    /// What happens where a provider cannot be told everything that was asked.
    pub on_lossy: Option<OnLossy>,
}

/// `set on_lossy = …`: what happens where a provider cannot be told everything that was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnLossy {
    /// It is asked all the same, and the losses are listed.
    Allow,
    /// The next candidate is asked instead.
    Next,
    /// The request is refused.
    Reject,
}

impl OnLossy {
    /// The words of policies.
    pub const WORDS: &[&str] = &["allow", "next", "reject"];

    /// What a word means.
    pub fn from_word(word: &str) -> Option<OnLossy> {
        Some(match word {
            "allow" => OnLossy::Allow,
            "next" => OnLossy::Next,
            "reject" => OnLossy::Reject,
            _ => return None,
        })
    }
}

impl PartialEq for ModelFilter {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && self.pass == other.pass
    }
}

/// The clocks of a request; `None` where nothing was said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// The whole request, all attempts together.
    pub total: Option<Duration>,
    /// One attempt.
    pub attempt: Option<Duration>,
    /// An attempt's connection.
    pub connect: Option<Duration>,
    /// An attempt's response headers.
    pub headers: Option<Duration>,
    /// An attempt's first token.
    pub ttft: Option<Duration>,
    /// Between two tokens.
    pub idle: Option<Duration>,
}

impl Timeouts {
    /// These, and where they say nothing, those.
    pub fn or(self, earlier: Timeouts) -> Timeouts {
        Timeouts {
            total: self.total.or(earlier.total),
            attempt: self.attempt.or(earlier.attempt),
            connect: self.connect.or(earlier.connect),
            headers: self.headers.or(earlier.headers),
            ttft: self.ttft.or(earlier.ttft),
            idle: self.idle.or(earlier.idle),
        }
    }
}

/// `retry 2 on rate_limited backoff 200ms..2s`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// How often at most, per model.
    pub times: u32,
    /// On what.
    pub on: ErrorSet,
    /// The ceiling of the first wait; it doubles from wait to wait.
    pub first_wait: Duration,
    /// The ceiling it never passes.
    pub longest_wait: Duration,
}

/// `fallback fast on timeout`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fallback {
    /// Where to, in order.
    pub to: Vec<Target>,
    /// On what.
    pub on: ErrorSet,
}

/// `cap $0.03 per request else …`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cap {
    /// The most, all attempts together.
    pub amount: NanoDollars,
    /// What happens when no candidate costs less.
    pub breach: CapBreach,
}

/// See [`Cap`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CapBreach {
    /// Go on, and say so.
    Warn,
    /// Use this instead.
    Degrade(Target),
    /// Refuse, with these words.
    Deny(Option<Arc<str>>),
}

/// `set temperature = 0.2`
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Which.
    pub name: Param,
    /// Replace, or clamp.
    pub op: SetParamOp,
    /// To what.
    pub value: ParamValue,
}

/// `prompt prepend "…"`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// Where it goes.
    pub place: PromptPlace,
    /// What it says.
    pub text: Arc<str>,
}

/// `cache exact ttl 1h`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheDirective {
    /// Neither read nor written.
    Off,
    /// Answers to equal requests are kept.
    Exact {
        /// For how long.
        ttl: Duration,
        /// What must be equal; everything if `None`.
        key: Option<Vec<Arc<str>>>,
    },
}

/// How much of a stream is kept back before the client sees its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// Nothing.
    None,
    /// Until this many tokens have come.
    Tokens(Tokens),
    /// For this long.
    For(Duration),
    /// All of it.
    Full,
}

impl Settings {
    /// These settings with later ones laid over them: the later wins per key, caps take the
    /// least, conditions and labels add up.
    pub fn overlaid(&self, later: &Settings) -> Settings {
        let mut merged = self.clone();
        merged.timeouts = later.timeouts.or(self.timeouts);
        merged.retry = later.retry.or(self.retry);
        merged.fallback = later.fallback.clone().or(merged.fallback);
        merged.cap = match (merged.cap, &later.cap) {
            (Some(earlier), Some(later)) if earlier.amount < later.amount => Some(earlier),
            (earlier, later) => later.clone().or(earlier),
        };
        for parameter in &later.parameters {
            merged.set(parameter);
        }
        merged.prompts.extend(later.prompts.iter().cloned());
        merged.cache = later.cache.clone().or(merged.cache);
        merged.hold = later.hold.or(merged.hold);
        merged.pick = later.pick.or(merged.pick);
        merged.only.extend(later.only.iter().cloned());
        for (name, value) in &later.tags {
            merged.tags.retain(|(known, _)| known != name);
            merged.tags.push((name.clone(), value.clone()));
        }
        merged.log_bodies = later.log_bodies.or(merged.log_bodies);
        merged.on_lossy = later.on_lossy.or(merged.on_lossy);
        merged
    }

    /// A later replacement wins over what was set before; of two clamps the tighter one stays.
    fn set(&mut self, later: &Parameter) {
        let same = |known: &Parameter| known.name == later.name;
        match later.op {
            SetParamOp::Replace => self.parameters.retain(|known| !same(known)),
            op => {
                let tighter = |known: &Parameter| match (&known.value, &later.value) {
                    (ParamValue::Int(a), ParamValue::Int(b)) => match op {
                        SetParamOp::AtMost => a <= b,
                        _ => a >= b,
                    },
                    (ParamValue::Float(a), ParamValue::Float(b)) => match op {
                        SetParamOp::AtMost => a <= b,
                        _ => a >= b,
                    },
                    _ => false,
                };
                if self
                    .parameters
                    .iter()
                    .any(|known| same(known) && known.op == op && tighter(known))
                {
                    return;
                }
                self.parameters.retain(|known| !(same(known) && known.op == op));
            }
        }
        self.parameters.push(later.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clamp(value: i64) -> Parameter {
        Parameter { name: Param::MaxOutput, op: SetParamOp::AtMost, value: ParamValue::Int(value) }
    }

    #[test]
    fn the_tighter_clamp_stays_and_the_later_replacement_wins() {
        let with = |parameters| Settings { parameters, ..Settings::default() };
        let merged = with(vec![clamp(500)]).overlaid(&with(vec![clamp(900)]));
        assert_eq!(merged.parameters, [clamp(500)]);
        let merged = with(vec![clamp(900)]).overlaid(&with(vec![clamp(500)]));
        assert_eq!(merged.parameters, [clamp(500)]);
        let replace = Parameter { op: SetParamOp::Replace, ..clamp(7) };
        let merged = with(vec![clamp(900)]).overlaid(&with(vec![replace.clone()]));
        assert_eq!(merged.parameters, [replace]);
    }

    #[test]
    fn the_smaller_cap_holds() {
        let cap = |dollars| Settings {
            cap: Some(Cap {
                amount: NanoDollars::from_dollars(dollars),
                breach: CapBreach::Deny(None),
            }),
            ..Settings::default()
        };
        for (a, b) in [(1, 2), (2, 1)] {
            let merged = cap(a).overlaid(&cap(b));
            assert_eq!(merged.cap.unwrap().amount, NanoDollars::from_dollars(1));
        }
    }
}
