//! An answer in neutral form, whatever dialect it came in: for checks, money, the ledger, and for
//! writing it in the client's dialect.

use super::error::UpstreamError;
use super::part::{Body, Part, Text, ToolCall, joined};
use super::usage::{Usage, UsageSource};

/// A complete answer, or what came of one.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Answer {
    /// The provider's id of it.
    pub id: String,
    /// The model that answered, as the provider names it; empty where it does not say.
    pub model: String,
    /// The choices by index; the first is the primary one.
    pub choices: Vec<Choice>,
    /// What it used.
    pub usage: Usage,
    /// How we know.
    pub usage_source: UsageSource,
    /// The class of service that it was given, where the provider says.
    pub service_tier: Option<String>,
    /// An error beside or instead of the choices, although the status was 200.
    pub error: Option<UpstreamError>,
}

/// One of an answer's choices.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Choice {
    /// Its index.
    pub index: u32,
    /// What was thought, said, called and refused, in order.
    pub parts: Vec<Part<'static>>,
    /// Why it ended; nothing where the provider does not say (yet).
    pub finish: Option<Finish>,
    /// The stop sequence that ended it, where the provider says which.
    pub stop_sequence: Option<String>,
    /// How sure the model was of its tokens.
    pub logprobs: Logprobs,
}

impl Choice {
    /// What was said.
    pub fn text(&self) -> Text<'_> {
        joined(self.parts.iter().filter_map(|part| match &part.body {
            Body::Text { text, .. } => Some(text.as_ref()),
            _ => None,
        }))
    }

    /// What was thought, as far as it is shown.
    pub fn reasoning(&self) -> Text<'_> {
        joined(self.parts.iter().filter_map(|part| match &part.body {
            Body::Thinking { text, .. } => Some(text.as_ref()),
            _ => None,
        }))
    }

    /// Why the model refused; empty where it did not say.
    pub fn refusal(&self) -> Text<'_> {
        joined(self.parts.iter().filter_map(|part| match &part.body {
            Body::Refusal(text) => Some(text.as_ref()),
            _ => None,
        }))
    }

    /// The tools it calls.
    pub fn tool_calls(&self) -> impl Iterator<Item = &ToolCall<'static>> {
        self.parts.iter().filter_map(|part| match &part.body {
            Body::Call(call) => Some(call),
            _ => None,
        })
    }

    /// Whether it calls a tool.
    pub fn calls_tools(&self) -> bool {
        self.tool_calls().next().is_some()
    }
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// It was done, or met a stop sequence.
    Stop,
    /// The limit on its length.
    Length,
    /// The context window was full.
    ContextFull,
    /// It calls tools. Not every provider says so when it does: look at the calls.
    ToolCalls,
    /// A content filter.
    ContentFilter,
    /// The model declined.
    Refusal,
    /// The provider paused a long turn; send the answer back to go on.
    Pause,
    /// The provider failed midway.
    Error,
    /// Something of the provider's own.
    Other,
}

impl Finish {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Finish::Stop => "stop",
            Finish::Length => "length",
            Finish::ContextFull => "context_full",
            Finish::ToolCalls => "tool_calls",
            Finish::ContentFilter => "content_filter",
            Finish::Refusal => "refusal",
            Finish::Pause => "pause",
            Finish::Error => "error",
            Finish::Other => "other",
        }
    }
}

/// One token of an answer and how probable it was.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TokenLogprob {
    /// The token.
    pub token: String,
    /// The natural logarithm of its probability.
    pub logprob: f64,
    /// Its bytes, where they are said.
    pub bytes: Option<Vec<u8>>,
    /// The most probable tokens in its place.
    pub top: Vec<(String, f64)>,
}

/// How sure a model was: every token, and the mean and the lowest log probability.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Logprobs {
    /// The tokens, as far as they were listed.
    pub tokens: Vec<TokenLogprob>,
    count: u64,
    sum: f64,
    min: f64,
}

impl Logprobs {
    /// Counts one token in.
    pub fn add(&mut self, logprob: f64) {
        if logprob.is_finite() {
            self.min = if self.count == 0 { logprob } else { self.min.min(logprob) };
            self.sum += logprob;
            self.count += 1;
        }
    }
    /// The mean; nothing where no token had one.
    pub fn mean(&self) -> Option<f64> {
        // Exact up to 2⁵³ tokens.
        (self.count > 0).then(|| self.sum / self.count as f64)
    }
    /// The lowest; nothing where no token had one.
    pub fn min(&self) -> Option<f64> {
        (self.count > 0).then_some(self.min)
    }
}

impl Answer {
    /// The first choice.
    pub fn primary(&self) -> Option<&Choice> {
        self.choices.first()
    }

    /// The choice with this index.
    pub fn choice(&self, index: u32) -> Option<&Choice> {
        let at = self.choices.binary_search_by_key(&index, |choice| choice.index).ok()?;
        self.choices.get(at)
    }

    /// Gives the calls ids that have none, see [`ToolCall::ensure_id`].
    pub fn name_calls(&mut self, request: &str) {
        for choice in &mut self.choices {
            for (at, part) in choice.parts.iter_mut().enumerate() {
                if let Body::Call(call) = &mut part.body {
                    call.ensure_id(request, choice.index, at);
                }
            }
        }
    }

    /// Whether nothing at all was said, thought, called or refused.
    pub fn is_empty(&self) -> bool {
        self.choices.iter().all(|choice| choice.parts.iter().all(Part::is_blank))
    }
}
