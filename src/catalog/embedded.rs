//! The rows that come with the binary: one file per provider, see `data/README.md`.

use super::spec::ProviderModels;

macro_rules! files {
    ($($provider:literal),* $(,)?) => {
        /// Each provider's name and the text of its file, in the catalogue's order.
        pub(super) const FILES: &[(&str, &str)] =
            &[$(($provider, include_str!(concat!("data/", $provider, ".yaml")))),*];
    };
}

files![
    "openai",
    "anthropic",
    "google",
    "vertex",
    "mistral",
    "deepseek",
    "xai",
    "qwen",
    "moonshot",
    "zai",
    "minimax",
    "cohere",
    "voyage",
    "perplexity",
    "azure",
    "bedrock",
    "groq",
    "cerebras",
    "sambanova",
    "together",
    "fireworks",
    "deepinfra",
    "nvidia",
    "openrouter",
    "ollama",
    "local",
    "sim",
];

/// The rows of all files.
pub(super) fn rows() -> Vec<ProviderModels> {
    FILES.iter().map(|(provider, text)| parse(provider, text)).collect()
}

#[allow(clippy::expect_used, reason = "the text is a constant, and a test reads every file")]
fn parse(provider: &str, text: &str) -> ProviderModels {
    serde_yaml::from_str(text).expect(provider)
}
