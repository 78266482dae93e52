//! An answer as the gateway sees it, whatever dialect it came in: for checks, money and the ledger.

use super::error::UpstreamError;
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
    /// An error beside or instead of the choices, although the status was 200.
    pub error: Option<UpstreamError>,
}

/// One of an answer's choices.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Choice {
    /// Its index.
    pub index: u32,
    /// What was said.
    pub text: String,
    /// What was thought, as far as it is shown.
    pub reasoning: String,
    /// Why the model refused.
    pub refusal: String,
    /// The tools it calls.
    pub tool_calls: Vec<ToolCall>,
    /// Why it ended; nothing where the provider does not say (yet).
    pub finish: Option<Finish>,
    /// How sure the model was of its tokens.
    pub logprobs: Logprobs,
}

/// A call of a tool.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ToolCall {
    /// Its index as the provider counts; 0 where it does not. Several calls may share one.
    pub index: u32,
    /// The id that the result must name; some providers give none.
    pub id: String,
    /// The tool.
    pub name: String,
    /// The arguments as the model wrote them: JSON, if it did well.
    pub arguments: String,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// It was done, or met a stop sequence.
    Stop,
    /// The limit on its length.
    Length,
    /// It calls tools. Not every provider says so when it does: look at the calls.
    ToolCalls,
    /// A content filter.
    ContentFilter,
    /// The provider failed midway.
    Error,
    /// Something of the provider's own.
    Other,
}

/// The mean and the lowest log probability of an answer's tokens.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Logprobs {
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

    /// Whether nothing at all was said, thought, called or refused.
    pub fn is_empty(&self) -> bool {
        self.choices.iter().all(|choice| {
            choice.text.is_empty()
                && choice.reasoning.is_empty()
                && choice.refusal.is_empty()
                && choice.tool_calls.is_empty()
        })
    }
}
