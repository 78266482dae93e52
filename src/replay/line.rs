//! One line of a decision log: what was known of a request, what was decided, what came of it.
//!
//! Written and read with the same types, so that the two cannot drift apart.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::de::{Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use super::facts::RecordedFacts;
use crate::dialect::Usage;
use crate::policy::plan::Decision;

/// A text that is borrowed from the line wherever it can be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Text<'a>(pub Cow<'a, str>);

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Text(Cow::Owned(text))
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Text<'a> {
        Text(Cow::Borrowed(text))
    }
}

impl std::ops::Deref for Text<'_> {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrowing;
        impl<'de> Visitor<'de> for Borrowing {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
            fn visit_string<E>(self, text: String) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text)))
            }
        }
        deserializer.deserialize_str(Borrowing)
    }
}

/// One decided request.
#[derive(Debug, Serialize, Deserialize)]
pub struct Line<'a> {
    /// Its id.
    #[serde(borrow)]
    pub id: Text<'a>,
    /// When it was decided.
    pub at: jiff::Timestamp,
    /// The policy that decided: `name@generation`.
    #[serde(borrow)]
    pub policy: Text<'a>,
    /// What the policy could look at.
    #[serde(borrow)]
    pub facts: RecordedFacts<'a>,
    /// The providers that were configured; all where empty.
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub providers: Vec<Text<'a>>,
    /// The models the key may use, as patterns; all where empty.
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub key_models: Vec<Text<'a>>,
    /// The request's turn, for `pick round-robin`.
    #[serde(default)]
    pub turn: u64,
    /// How the models were doing.
    #[serde(borrow, default)]
    pub live: LiveBits<'a>,
    /// What was decided.
    #[serde(borrow)]
    pub decision: Decided<'a>,
    /// What came of it.
    #[serde(borrow)]
    pub result: Ended<'a>,
}

/// How the models were doing, where that was not as after a start.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LiveBits<'a> {
    /// Requests being answered.
    pub inflight: u32,
    /// Requests waiting.
    pub queue: u32,
    /// Whether the gateway ran without something it normally has.
    pub degraded: bool,
    /// By model.
    #[serde(borrow)]
    pub models: Vec<ModelBits<'a>>,
}

/// How one model was doing.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelBits<'a> {
    /// Which.
    #[serde(borrow)]
    pub id: Text<'a>,
    /// It could not be asked.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub out: bool,
    /// Time to the first token: the 50th and the 95th percentile, in nanoseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttft_ns: Option<(u64, u64)>,
    /// Time to the whole answer, the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ns: Option<(u64, u64)>,
    /// The share of attempts that failed, in hundredths of a percent.
    pub error_rate_bp: u32,
    /// Attempts under way.
    pub inflight: u32,
}

/// What a decision came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Models are asked.
    Plan,
    /// A rule refused it.
    Denied,
    /// A rule took it, and no model was left.
    NoCandidate,
    /// No rule took it, and no model has that name.
    UnknownModel,
}

impl Kind {
    /// What a decision came to.
    pub fn of(decision: &Decision) -> Kind {
        match decision {
            Decision::Plan(_) => Kind::Plan,
            Decision::Denied(_) => Kind::Denied,
            Decision::NoCandidate(_) => Kind::NoCandidate,
            Decision::UnknownModel => Kind::UnknownModel,
        }
    }
}

/// What was decided.
#[derive(Debug, Serialize, Deserialize)]
pub struct Decided<'a> {
    /// What it came to.
    pub outcome: Kind,
    /// The route, or the rule that refused.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub route: Option<Text<'a>>,
    /// Why the plan is as it is: `matched`, `requested`, `degraded`, `arm`.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text<'a>>,
    /// The split and its arm: `canary/new`.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub arm: Option<Text<'a>>,
    /// Whom to ask, step by step.
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step<'a>>,
    /// The most that all attempts together may cost, in nano-dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_cost_nano: Option<u64>,
}

/// One step of a plan.
#[derive(Debug, Serialize, Deserialize)]
pub struct Step<'a> {
    /// Its name.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// Whom to ask, in order.
    #[serde(borrow)]
    pub models: Vec<Text<'a>>,
    /// Whether its answer is looked at before it is taken.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub checked: bool,
    /// Who was remembered to have answered last, where there was a `sticky` and anybody was.
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    pub remembered: Option<Remembered<'a>>,
}

/// What `sticky` went by.
#[derive(Debug, Serialize, Deserialize)]
pub struct Remembered<'a> {
    /// Policy, route, step and caller as one hash.
    #[serde(borrow)]
    pub key: Text<'a>,
    /// The model.
    #[serde(borrow)]
    pub model: Text<'a>,
}

/// What came of a request.
#[derive(Debug, Serialize, Deserialize)]
pub struct Ended<'a> {
    /// The HTTP status; 499 where the client went away.
    pub status: u16,
    /// Who answered.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Text<'a>>,
    /// Whether the answer came from the cache.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cached: bool,
    /// From the request to the end of the answer, in milliseconds.
    #[serde(default)]
    pub ms: f64,
    /// What all attempts cost together, in nano-dollars.
    #[serde(default)]
    pub cost_nano: u64,
    /// What was tried.
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<Attempt<'a>>,
}

/// One attempt.
#[derive(Debug, Serialize, Deserialize)]
pub struct Attempt<'a> {
    /// Whom it asked.
    #[serde(borrow)]
    pub model: Text<'a>,
    /// In which step.
    #[serde(borrow)]
    pub step: Text<'a>,
    /// How many there were before it at the same model.
    #[serde(default)]
    pub retry: u32,
    /// How it ended: `accepted`, `rejected`, `failed`, `broken`, `canceled`, `skipped`.
    #[serde(borrow)]
    pub verdict: Text<'a>,
    /// The class of its error.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Text<'a>>,
    /// The HTTP status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// To the first content, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttft_ms: Option<f64>,
    /// To the end, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ms: Option<f64>,
    /// What it cost, in nano-dollars; absent where the model has no price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_nano: Option<u64>,
    /// What it used; absent where nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

/// A shared text as one of a line.
pub fn shared(text: &Arc<str>) -> Text<'_> {
    Text(Cow::Borrowed(text))
}
