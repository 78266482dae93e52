//! One model as the catalogue describes it.

use std::sync::Arc;

use crate::ids::{ModelId, ProviderId};
use crate::units::{NanoDollars, PricePerMillion, Tokens};

/// Everything the policy and the money may know about a model.
#[derive(Debug, Clone)]
pub struct Model {
    /// `provider/model`, as policies and clients name it.
    pub id: ModelId,
    /// Who serves it.
    pub provider: ProviderId,
    /// What it is called in a request to the provider.
    pub upstream_name: Arc<str>,
    /// The line of models it belongs to: `gpt-5`, `claude-sonnet`.
    pub family: Arc<str>,
    /// The most tokens that prompt and answer may have together.
    pub context: Tokens,
    /// The most tokens an answer may have.
    pub max_output: Tokens,
    /// What it can do.
    pub capabilities: Capabilities,
    /// What it costs. `None` is *unpriced*, which is not the same as free.
    pub prices: Option<Prices>,
    /// Where it runs, as far as known: `us`, `eu-west`, `global`, `local`.
    pub region: Option<Arc<str>>,
    /// How long the provider keeps what it was sent.
    pub retention: Retention,
    /// Whether the provider may train on what it was sent.
    pub trains_on_data: bool,
    /// How good it is, by a public measure.
    pub quality: Option<Quality>,
    /// Free labels.
    pub tags: std::collections::BTreeSet<Arc<str>>,
    /// When the provider switches it off.
    pub retires: Option<jiff::civil::Date>,
    /// Where the row's facts were read.
    pub source: Arc<str>,
    /// When they were read.
    pub date: jiff::civil::Date,
}

/// What a model can do, one flag each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "the names are the documentation: LANGUAGE, section 5")]
pub struct Capabilities {
    pub tools: bool,
    pub parallel_tools: bool,
    pub json: bool,
    pub json_schema: bool,
    pub vision: bool,
    pub audio: bool,
    pub reasoning: bool,
    pub logprobs: bool,
    pub open_weights: bool,
    pub local: bool,
    /// Turns texts into vectors, and holds no conversations.
    pub embeddings: bool,
}

impl Capabilities {
    /// What it can do, in the words of the catalogue and of policies.
    pub fn words(&self) -> impl Iterator<Item = &'static str> {
        [
            (self.tools, "tools"),
            (self.parallel_tools, "parallel_tools"),
            (self.json, "json"),
            (self.json_schema, "json_schema"),
            (self.vision, "vision"),
            (self.audio, "audio"),
            (self.reasoning, "reasoning"),
            (self.logprobs, "logprobs"),
            (self.open_weights, "open_weights"),
            (self.local, "local"),
            (self.embeddings, "embeddings"),
        ]
        .into_iter()
        .filter_map(|(has, word)| has.then_some(word))
    }
}

/// The prices of one model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prices {
    /// The prices that hold from the first token on.
    pub base: TokenPrices,
    /// Prices that replace the base for the whole request once the prompt is longer than the
    /// threshold; sorted by threshold.
    pub above: Vec<(Tokens, TokenPrices)>,
    /// Per image in the prompt, where images are not counted as tokens.
    pub image: Option<NanoDollars>,
    /// Per request.
    pub request: Option<NanoDollars>,
}

/// Prices per million tokens of each disjoint class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenPrices {
    /// Prompt tokens that came from no cache.
    pub input: PricePerMillion,
    /// Answer tokens.
    pub output: PricePerMillion,
    /// Prompt tokens read from the provider's cache; the input price where unsaid.
    pub cached: Option<PricePerMillion>,
    /// Prompt tokens written to the provider's cache for 5 minutes; the input price where unsaid.
    pub cache_write: Option<PricePerMillion>,
    /// Prompt tokens written to the provider's cache for an hour.
    pub cache_write_1h: Option<PricePerMillion>,
    /// Thinking tokens; the output price where unsaid.
    pub reasoning: Option<PricePerMillion>,
    /// Sound in the prompt; the input price where unsaid.
    pub audio_input: Option<PricePerMillion>,
    /// Sound in the answer; the output price where unsaid.
    pub audio_output: Option<PricePerMillion>,
    /// Images in the answer; the output price where unsaid.
    pub image_output: Option<PricePerMillion>,
}

impl Prices {
    /// The token prices for a prompt of this length.
    pub fn at(&self, prompt: Tokens) -> &TokenPrices {
        self.above
            .iter()
            .rev()
            .find(|(threshold, _)| prompt > *threshold)
            .map_or(&self.base, |(_, prices)| prices)
    }
}

/// How long a provider keeps prompts and answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Retention {
    /// Not at all.
    Zero,
    /// Thirty days.
    Days30,
    /// Nobody says.
    #[default]
    Unknown,
}

impl Retention {
    /// The word policies use.
    pub fn name(self) -> &'static str {
        match self {
            Retention::Zero => "zero",
            Retention::Days30 => "days30",
            Retention::Unknown => "unknown",
        }
    }
}

/// How good a model is, from 0 to 100, by a public measure.
#[derive(Debug, Clone, PartialEq)]
pub struct Quality {
    /// Over all tasks.
    pub overall: f64,
    /// By task: `code`, `math`, `agent` …
    pub by_task: Vec<(Arc<str>, f64)>,
    /// Where the figures are published.
    pub source: Arc<str>,
}
