//! What a policy says about the way a request is answered, besides by whom.

use std::sync::Arc;
use std::time::Duration;

use super::{At, ModelFilter, Pick, Target};
use crate::dialect::edits::{Param, ParamValue};
use crate::error_class::ErrorSet;
use crate::policy::cond::Operand;
use crate::policy::syntax::tree::{PromptPlace, SetParamOp};
use crate::units::{BasisPoints, NanoDollars, Tokens};

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
    /// A second copy where the first is slow.
    pub hedge: Option<Hedge>,
    /// Copies whose answers are thrown away.
    pub shadows: Vec<Shadow>,
    /// What keeps a caller with the model that answered last.
    pub sticky: Option<Sticky>,
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
    /// Where it stands.
    pub at: At,
}

/// `hedge after 1500ms to fast max 1`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hedge {
    /// How long the first copy has to bring its first token.
    pub after: HedgeAfter,
    /// Where the second goes.
    pub to: Target,
    /// How many copies besides the first; at least 1.
    pub max: u32,
    /// Where it stands.
    pub at: At,
}

/// See [`Hedge`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HedgeAfter {
    /// This long.
    Time(Duration),
    /// As long as the model's first token took lately in half of all cases.
    P50,
    /// As long as it took in 95 % of all cases.
    P95,
}

/// `shadow 1% to fast`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shadow {
    /// How much of the traffic.
    pub share: BasisPoints,
    /// Where the copy goes.
    pub to: Target,
    /// Where it stands.
    pub at: At,
}

/// `sticky by session.id for 30min`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sticky {
    /// Who stays.
    pub by: Operand,
    /// For how long after the last answer.
    pub ttl: Duration,
}

/// `cap $0.03 per request else …`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cap {
    /// The most, all attempts together.
    pub amount: NanoDollars,
    /// What happens when no candidate costs less.
    pub breach: CapBreach,
    /// Where it stands.
    pub at: At,
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
        merged.hedge = later.hedge.clone().or(merged.hedge);
        merged.shadows.extend(later.shadows.iter().cloned());
        merged.sticky = later.sticky.clone().or(merged.sticky);
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

    /// What holds before a route to this target says its own. Where that is the model the client
    /// named, nobody else takes its place unless the route itself says so.
    pub fn before(mut self, target: Target) -> Settings {
        if target == Target::Requested {
            self.fallback = None;
            if let Some(cap) = &mut self.cap
                && matches!(cap.breach, CapBreach::Degrade(_))
            {
                cap.breach = CapBreach::Deny(None);
            }
        }
        self
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
                at: At::default(),
            }),
            ..Settings::default()
        };
        for (a, b) in [(1, 2), (2, 1)] {
            let merged = cap(a).overlaid(&cap(b));
            assert_eq!(merged.cap.unwrap().amount, NanoDollars::from_dollars(1));
        }
    }
}
