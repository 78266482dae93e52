//! What a plan changes in a request, and what a target could not carry: the same for all dialects.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;

use crate::units::Tokens;

/// Changes to one request. The default changes nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Edits {
    /// The model's name at the provider.
    pub model: Option<Arc<str>>,
    /// Force streaming on or off.
    pub stream: Option<bool>,
    /// Ask for usage at the end of the stream; has an effect only on streams.
    pub include_usage: bool,
    /// Ask for the log probabilities of the answer's tokens.
    pub logprobs: bool,
    /// The longest answer that the model writes, where it is known. It is no limit by itself.
    pub longest: Option<Tokens>,
    /// Parameter changes, in this order.
    pub params: Vec<(Param, Change)>,
    /// Changes to the system prompt, in this order.
    pub prompt: Vec<PromptEdit>,
}

/// A parameter that a policy may set, dialect-neutral.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are the documentation: LANGUAGE, section 9")]
pub enum Param {
    Temperature,
    TopP,
    TopK,
    MaxOutput,
    Reasoning,
    Seed,
    N,
    Stop,
    FrequencyPenalty,
    PresencePenalty,
    Logprobs,
    TopLogprobs,
    ParallelTools,
    ServiceTier,
    User,
    Store,
    LogitBias,
    StreamOptions,
    Role,
}

impl Param {
    /// All that a policy can name.
    pub const SETTABLE: &[Param] = &[
        Param::Temperature,
        Param::TopP,
        Param::TopK,
        Param::MaxOutput,
        Param::Reasoning,
        Param::Seed,
        Param::N,
        Param::Stop,
        Param::FrequencyPenalty,
        Param::PresencePenalty,
        Param::Logprobs,
        Param::TopLogprobs,
        Param::ParallelTools,
        Param::ServiceTier,
        Param::User,
        Param::Store,
    ];

    /// The word policies and loss reports use.
    pub const fn name(self) -> &'static str {
        match self {
            Param::Temperature => "temperature",
            Param::TopP => "top_p",
            Param::TopK => "top_k",
            Param::MaxOutput => "max_output",
            Param::Reasoning => "reasoning",
            Param::Seed => "seed",
            Param::N => "n",
            Param::Stop => "stop",
            Param::FrequencyPenalty => "frequency_penalty",
            Param::PresencePenalty => "presence_penalty",
            Param::Logprobs => "logprobs",
            Param::TopLogprobs => "top_logprobs",
            Param::ParallelTools => "parallel_tools",
            Param::ServiceTier => "service_tier",
            Param::User => "user",
            Param::Store => "store",
            Param::LogitBias => "logit_bias",
            Param::StreamOptions => "stream_options",
            Param::Role => "role",
        }
    }

    /// The settable parameter with this name.
    pub fn from_name(name: &str) -> Option<Param> {
        Param::SETTABLE.iter().copied().find(|param| param.name() == name)
    }
}

/// What happens to a parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Set, whatever was there.
    Replace(ParamValue),
    /// Not more than this; also where the client left it to a default that may be more.
    AtMost(ParamValue),
    /// Not less than this; also where the client left it to a default that may be less.
    AtLeast(ParamValue),
    /// Taken out.
    Remove,
}

/// A parameter's value.
#[derive(Debug, Clone, PartialEq)]
pub enum ParamValue {
    /// A whole number.
    Int(i64),
    /// A number; one that JSON cannot write (NaN, infinite) is ignored.
    Float(f64),
    /// `true` or `false`.
    Bool(bool),
    /// A word or text. Reasoning efforts are ordered: none, minimal, low, medium, high.
    Text(Arc<str>),
    /// Several texts, as for `stop`.
    Texts(Vec<Arc<str>>),
}

/// A change to the system prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PromptEdit {
    /// Text before it, and a blank line.
    Prepend(Arc<str>),
    /// A blank line and text behind it.
    Append(Arc<str>),
    /// Text instead of it; instead of all system messages if there are several.
    Replace(Arc<str>),
}

/// A request ready to be sent.
#[derive(Debug, Clone)]
pub struct Encoded {
    /// The body.
    pub body: Bytes,
    /// What the target cannot carry as it was.
    pub losses: Vec<Loss>,
}

/// A parameter that the target's dialect or its quirks cannot carry as it was.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Loss {
    /// The parameter's neutral name, see [`Param::name`]; the client's own where it has none.
    pub param: Cow<'static, str>,
    /// What became of it.
    pub how: LossKind,
    /// In words.
    pub note: String,
}

impl Loss {
    /// Whether the provider is told less than was asked: not where it is told the same in other
    /// words.
    pub fn is_real(&self) -> bool {
        matches!(self.how, LossKind::Dropped | LossKind::Clamped)
    }
}

/// What became of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LossKind {
    /// Left out.
    Dropped,
    /// Brought into the range that is allowed there.
    Clamped,
    /// Sent under another name.
    Renamed,
    /// Reached by other means.
    Emulated,
}
