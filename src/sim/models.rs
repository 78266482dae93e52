//! The models the sim has, as one table.

use std::time::Duration;

use crate::catalog::model::{Capabilities, TokenPrices};
use crate::units::{PricePerMillion, Tokens};

/// One model of the sim: what a catalogue says about it, and how it behaves.
#[derive(Debug, Clone)]
pub struct SimModel {
    /// What requests call it, without the provider: `small`.
    pub name: &'static str,
    /// How big it pretends to be.
    pub size: SizeClass,
    /// The most tokens that prompt and answer may have together.
    pub context: Tokens,
    /// The most tokens an answer may have.
    pub max_output: Tokens,
    /// What it can do; a request for anything else gets a 400.
    pub capabilities: Capabilities,
    /// From the request to the first event of the answer.
    pub first_token: Duration,
    /// How fast it writes (and thinks).
    pub tokens_per_second: u32,
    /// What it would cost if it were real.
    pub prices: TokenPrices,
    /// The difficulty (0 to 100, see the module documentation) up to which it answers rightly.
    pub quality: u32,
    /// What it does with a prompt just above its quality.
    pub(super) beyond: Failing,
    /// What it does with a prompt [`FAR`] or more above its quality.
    pub(super) far_beyond: Failing,
    /// Whether it shows its thinking in `reasoning_content`, as DeepSeek does.
    pub(super) shows_reasoning: bool,
}

/// How many points of difficulty above its quality count as far.
pub(super) const FAR: u32 = 25;

/// The size of a model, in the words of price lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the names are the documentation")]
pub enum SizeClass {
    Tiny,
    Small,
    Medium,
    Large,
}

/// How a model fails at what is too hard for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failing {
    /// A plausible answer that is wrong; JSON that does not parse; a tool that is not called.
    Wrong,
    /// An apology in the content.
    RefuseInText,
    /// An apology in the message's `refusal` field.
    RefuseInField,
}

/// All of them, from the smallest to the largest.
pub fn models() -> &'static [SimModel] {
    MODELS
}

/// The model with this name.
pub(super) fn find(name: &str) -> Option<&'static SimModel> {
    MODELS.iter().find(|model| model.name == name)
}

const BASIC: Capabilities = Capabilities {
    tools: true,
    parallel_tools: false,
    json: true,
    json_schema: true,
    vision: false,
    audio: false,
    reasoning: false,
    logprobs: true,
    open_weights: true,
    local: true,
    embeddings: false,
};
const FULL: Capabilities = Capabilities { parallel_tools: true, ..BASIC };
const THINKS: Capabilities = Capabilities { reasoning: true, logprobs: false, ..FULL };

/// Prices in thousandths of a dollar per million tokens.
const fn prices(input: u64, cached: u64, output: u64) -> TokenPrices {
    const fn milli_dollars(amount: u64) -> PricePerMillion {
        PricePerMillion(amount * 1_000_000)
    }
    TokenPrices {
        input: milli_dollars(input),
        output: milli_dollars(output),
        cached: Some(milli_dollars(cached)),
        cache_write: None,
        cache_write_1h: None,
        reasoning: None,
        audio_input: None,
        audio_output: None,
        image_output: None,
    }
}

const MODELS: &[SimModel] = &[
    SimModel {
        name: "tiny",
        size: SizeClass::Tiny,
        context: Tokens(8_192),
        max_output: Tokens(2_048),
        capabilities: BASIC,
        first_token: Duration::from_millis(5),
        tokens_per_second: 2_000,
        prices: prices(20, 10, 60),
        quality: 15,
        beyond: Failing::Wrong,
        far_beyond: Failing::RefuseInText,
        shows_reasoning: false,
    },
    SimModel {
        name: "small",
        size: SizeClass::Small,
        context: Tokens(32_768),
        max_output: Tokens(8_192),
        capabilities: BASIC,
        first_token: Duration::from_millis(8),
        tokens_per_second: 1_500,
        prices: prices(100, 25, 400),
        quality: 35,
        beyond: Failing::Wrong,
        far_beyond: Failing::RefuseInField,
        shows_reasoning: false,
    },
    SimModel {
        name: "medium",
        size: SizeClass::Medium,
        context: Tokens(131_072),
        max_output: Tokens(16_384),
        capabilities: FULL,
        first_token: Duration::from_millis(12),
        tokens_per_second: 1_000,
        prices: prices(400, 100, 1_600),
        quality: 55,
        beyond: Failing::Wrong,
        far_beyond: Failing::Wrong,
        shows_reasoning: false,
    },
    SimModel {
        name: "vision",
        size: SizeClass::Medium,
        context: Tokens(131_072),
        max_output: Tokens(16_384),
        capabilities: Capabilities { vision: true, ..FULL },
        first_token: Duration::from_millis(15),
        tokens_per_second: 800,
        prices: prices(600, 150, 2_400),
        quality: 65,
        beyond: Failing::Wrong,
        far_beyond: Failing::RefuseInText,
        shows_reasoning: false,
    },
    SimModel {
        name: "large",
        size: SizeClass::Large,
        context: Tokens(262_144),
        max_output: Tokens(32_768),
        capabilities: Capabilities { vision: true, ..FULL },
        first_token: Duration::from_millis(20),
        tokens_per_second: 600,
        prices: prices(2_500, 250, 10_000),
        quality: 90,
        beyond: Failing::Wrong,
        far_beyond: Failing::Wrong,
        shows_reasoning: false,
    },
    SimModel {
        name: "thinker",
        size: SizeClass::Large,
        context: Tokens(131_072),
        max_output: Tokens(65_536),
        capabilities: THINKS,
        first_token: Duration::from_millis(15),
        tokens_per_second: 2_000,
        prices: prices(550, 140, 2_190),
        quality: 95,
        beyond: Failing::Wrong,
        far_beyond: Failing::Wrong,
        shows_reasoning: true,
    },
    SimModel {
        name: "reasoner",
        size: SizeClass::Large,
        context: Tokens(200_000),
        max_output: Tokens(100_000),
        capabilities: Capabilities { vision: true, open_weights: false, ..THINKS },
        first_token: Duration::from_millis(25),
        tokens_per_second: 2_000,
        prices: prices(5_000, 500, 20_000),
        quality: 100,
        beyond: Failing::Wrong,
        far_beyond: Failing::Wrong,
        shows_reasoning: false,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_the_table_climbs() {
        for (i, model) in MODELS.iter().enumerate() {
            assert_eq!(MODELS.iter().position(|m| m.name == model.name), Some(i));
            assert!(model.max_output < model.context && model.tokens_per_second > 0);
        }
        assert!(MODELS.windows(2).all(|pair| pair[0].quality < pair[1].quality));
    }
}
