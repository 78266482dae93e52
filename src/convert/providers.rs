//! What other gateways call the providers.

use crate::provider::table::{self, Entry, Place};

/// Where models are served, as far as a name tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Home {
    /// A row of the table of providers.
    Known(&'static str),
    /// None of those, but its address speaks OpenAI's format.
    Compatible {
        /// The provider's name in the configuration.
        id: &'static str,
        /// The address.
        base_url: &'static str,
        /// The variable with the key.
        key_env: &'static str,
    },
}

/// Names, with `_` as `-`, and the provider's id in our table.
const NAMES: &[(&str, &str)] = &[
    ("azure-openai", "azure"),
    ("azureopenai", "azure"),
    ("azure-text", "azure"),
    ("amazon-bedrock", "bedrock"),
    ("aws-bedrock", "bedrock"),
    ("bedrock-converse", "bedrock"),
    ("gemini", "google"),
    ("google-ai-studio", "google"),
    ("vertex-ai", "vertex"),
    ("vertex-ai-beta", "vertex"),
    ("google-vertex-ai", "vertex"),
    ("google-vertex", "vertex"),
    ("together-ai", "together"),
    ("togetherai", "together"),
    ("fireworks-ai", "fireworks"),
    ("perplexity-ai", "perplexity"),
    ("mistral-ai", "mistral"),
    ("mistralai", "mistral"),
    ("cohere-chat", "cohere"),
    ("x-ai", "xai"),
    ("grok", "xai"),
    ("dashscope", "qwen"),
    ("alibaba", "qwen"),
    ("moonshotai", "moonshot"),
    ("z-ai", "zai"),
    ("zhipu", "zai"),
    ("zhipuai", "zai"),
    ("nvidia-nim", "nvidia"),
    ("nim", "nvidia"),
    ("voyageai", "voyage"),
    ("ollama-chat", "ollama"),
    ("hosted-vllm", "vllm"),
    ("lm-studio", "lmstudio"),
    ("llamafile", "llamacpp"),
    ("llama-cpp", "llamacpp"),
    ("text-completion-openai", "openai"),
    ("openai-like", "openai-compatible"),
    ("custom-openai", "openai-compatible"),
    ("litellm-proxy", "openai-compatible"),
];

/// Providers that are not in our table and document an address that speaks OpenAI's format.
const COMPATIBLE: &[(&str, Home)] = &[
    (
        "workers-ai",
        Home::Compatible {
            id: "workers-ai",
            base_url: "https://api.cloudflare.com/client/v4/accounts/${CLOUDFLARE_ACCOUNT_ID}/ai/v1",
            key_env: "CLOUDFLARE_API_TOKEN",
        },
    ),
    (
        "huggingface",
        Home::Compatible {
            id: "huggingface",
            base_url: "https://router.huggingface.co/v1",
            key_env: "HF_TOKEN",
        },
    ),
    (
        "github",
        Home::Compatible {
            id: "github",
            base_url: "https://models.github.ai/inference",
            key_env: "GITHUB_TOKEN",
        },
    ),
];

/// The provider with this name, in whichever gateway's spelling.
pub fn home(name: &str) -> Option<Home> {
    let name = name.trim().to_lowercase().replace('_', "-");
    let name = if name == "cloudflare" { "workers-ai" } else { name.as_str() };
    let id = NAMES.iter().find(|(theirs, _)| *theirs == name).map_or(name, |(_, ours)| *ours);
    match table::entry(id) {
        Some(entry) if entry.place != Place::BuiltIn => Some(Home::Known(entry.id)),
        _ => COMPATIBLE.iter().find(|(theirs, _)| *theirs == name).map(|(_, home)| *home),
    }
}

/// The provider that a name of the user's own making speaks of: `openai-prod-key`, `my-azure`.
pub fn guess(slug: &str) -> Option<Home> {
    let slug = slug.trim_start_matches('@').to_lowercase().replace(['_', ' '], "-");
    if let Some(home) = home(&slug) {
        return Some(home);
    }
    let words: Vec<&str> = slug.split('-').collect();
    // Two words before one: `azure-openai` is not OpenAI.
    for length in [3, 2, 1] {
        for part in words.windows(length) {
            let part = part.join("-");
            let part = match part.as_str() {
                "claude" => "anthropic",
                "gpt" | "oai" => "openai",
                "vertexai" => "vertex",
                "aws" => "bedrock",
                // Too common to mean a provider.
                "local" | "compatible" => continue,
                part => part,
            };
            if let Some(home) = home(part) {
                return Some(home);
            }
        }
    }
    None
}

/// The provider whose address this is.
pub fn of_address(url: &str) -> Option<&'static Entry> {
    let host = host(url)?;
    if host.ends_with(".openai.azure.com") || host.ends_with(".cognitiveservices.azure.com") {
        return table::entry("azure");
    }
    table::PROVIDERS.iter().find(|entry| {
        entry.place == Place::Cloud
            && entry.base_url.and_then(self::host).is_some_and(|known| known == host)
    })
}

/// The host of an address, without its port.
pub fn host(url: &str) -> Option<&str> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split(['/', '?', '#']).next()?;
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let host = if host.starts_with('[') { host } else { host.split(':').next()? };
    (!host.is_empty()).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_to_a_row_of_the_table() {
        for (theirs, ours) in NAMES {
            assert_eq!(home(theirs), Some(Home::Known(table::entry(ours).unwrap().id)));
            assert!(table::entry(theirs).is_none(), "{theirs} needs no other name");
        }
    }

    #[test]
    fn a_slug_of_ones_own_making_tells_its_provider() {
        let known = |slug| match guess(slug) {
            Some(Home::Known(id)) => id,
            Some(Home::Compatible { id, .. }) => id,
            None => "?",
        };
        assert_eq!(known("openai-prod-4f2a"), "openai");
        assert_eq!(known("@azure-openai-eu"), "azure");
        assert_eq!(known("my_vertex_ai"), "vertex");
        assert_eq!(known("claude-team"), "anthropic");
        assert_eq!(known("team-blue"), "?");
        assert_eq!(known("sim"), "?");
    }

    #[test]
    fn addresses_tell_their_provider() {
        let id = |url| of_address(url).map(|entry| entry.id);
        assert_eq!(id("https://openrouter.ai/api/v1"), Some("openrouter"));
        assert_eq!(id("https://x.openai.azure.com/"), Some("azure"));
        assert_eq!(id("http://10.0.0.5:8000/v1"), None);
        assert_eq!(host("http://user:pw@[::1]:80/x"), Some("[::1]:80"));
    }
}
