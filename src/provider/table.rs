//! The providers we know, as data.
//!
//! Base URLs and variable names are those of the providers' own documentation. A quirk is here
//! only where the provider's documentation or its recorded traffic shows it.

use crate::dialect::Dialect;
use crate::dialect::edits::Param;
use crate::dialect::quirks::{EndMarker, MaxOutputField, Quirks};

/// One provider.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The short name that policies use.
    pub id: &'static str,
    /// The name for people.
    pub name: &'static str,
    /// Where its API is; nothing where every customer has an address of his own.
    pub base_url: Option<&'static str>,
    /// The variable that says another address.
    pub base_url_env: Option<&'static str>,
    /// The variables that may hold the key; the first that is set counts.
    pub key_env: &'static [&'static str],
    /// How the key is sent.
    pub auth: Auth,
    /// How the address of a call is made.
    pub paths: Paths,
    /// The dialects that it speaks, its favourite first: a client's own is taken where it is among
    /// them, so that bytes go through as they are, and else the favourite.
    pub speaks: &'static [Dialect],
    /// How it departs from the dialect.
    pub quirks: Quirks,
    /// Client headers with these beginnings are passed on.
    pub passes: &'static [&'static str],
    /// Where it runs.
    pub place: Place,
}

/// How a key is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// `authorization: Bearer KEY`
    Bearer,
    /// `api-key: KEY`
    ApiKey,
    /// No key is needed; one that is set is sent as a bearer.
    Optional,
}

/// How the address of a call is made from the base URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paths {
    /// The dialect's own path behind the base URL, such as `BASE/chat/completions`.
    Plain,
    /// `BASE/openai/deployments/MODEL/chat/completions?api-version=VERSION`
    AzureDeployments {
        /// The version where the operator says none.
        default_version: &'static str,
    },
}

/// Where a provider runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// On the provider's machines.
    Cloud,
    /// On the operator's.
    Local,
    /// In this process.
    BuiltIn,
}

const CLOUD: Entry = Entry {
    id: "",
    name: "",
    base_url: None,
    base_url_env: None,
    key_env: &[],
    auth: Auth::Bearer,
    paths: Paths::Plain,
    speaks: &[Dialect::OpenAiChat],
    quirks: Quirks::NONE,
    passes: &[],
    place: Place::Cloud,
};

const LOCAL: Entry = Entry {
    auth: Auth::Optional,
    place: Place::Local,
    quirks: Quirks { end: EndMarker::Either, ..Quirks::NONE },
    ..CLOUD
};

const LEGACY: Quirks = Quirks { max_output_field: MaxOutputField::Legacy, ..Quirks::NONE };

/// All providers.
pub const PROVIDERS: &[Entry] = &[
    Entry {
        id: "openai",
        name: "OpenAI",
        base_url: Some("https://api.openai.com/v1"),
        base_url_env: Some("OPENAI_BASE_URL"),
        key_env: &["OPENAI_API_KEY"],
        // Reasoning models refuse the old name.
        quirks: Quirks { max_output_field: MaxOutputField::Completion, ..Quirks::NONE },
        ..CLOUD
    },
    Entry {
        id: "deepseek",
        name: "DeepSeek",
        base_url: Some("https://api.deepseek.com/v1"),
        base_url_env: Some("DEEPSEEK_BASE_URL"),
        key_env: &["DEEPSEEK_API_KEY"],
        quirks: Quirks { no_developer_role: true, unsupported: &[Param::N], ..LEGACY },
        ..CLOUD
    },
    Entry {
        id: "qwen",
        name: "Alibaba Cloud Model Studio",
        base_url: Some("https://dashscope-intl.aliyuncs.com/compatible-mode/v1"),
        base_url_env: Some("DASHSCOPE_BASE_URL"),
        key_env: &["DASHSCOPE_API_KEY"],
        quirks: Quirks { no_developer_role: true, ..LEGACY },
        ..CLOUD
    },
    Entry {
        id: "mistral",
        name: "Mistral AI",
        base_url: Some("https://api.mistral.ai/v1"),
        base_url_env: Some("MISTRAL_BASE_URL"),
        key_env: &["MISTRAL_API_KEY"],
        quirks: Quirks {
            usage_unasked: true,
            random_seed: true,
            no_developer_role: true,
            unsupported: &[Param::LogitBias, Param::User],
            ..LEGACY
        },
        ..CLOUD
    },
    Entry {
        id: "groq",
        name: "Groq",
        base_url: Some("https://api.groq.com/openai/v1"),
        base_url_env: Some("GROQ_BASE_URL"),
        key_env: &["GROQ_API_KEY"],
        quirks: Quirks {
            unsupported: &[Param::Logprobs, Param::TopLogprobs, Param::LogitBias],
            ..Quirks::NONE
        },
        ..CLOUD
    },
    Entry {
        id: "xai",
        name: "xAI",
        base_url: Some("https://api.x.ai/v1"),
        base_url_env: Some("XAI_BASE_URL"),
        key_env: &["XAI_API_KEY"],
        ..CLOUD
    },
    Entry {
        id: "together",
        name: "Together AI",
        base_url: Some("https://api.together.xyz/v1"),
        base_url_env: Some("TOGETHER_BASE_URL"),
        key_env: &["TOGETHER_API_KEY"],
        quirks: LEGACY,
        ..CLOUD
    },
    Entry {
        id: "fireworks",
        name: "Fireworks AI",
        base_url: Some("https://api.fireworks.ai/inference/v1"),
        base_url_env: Some("FIREWORKS_BASE_URL"),
        key_env: &["FIREWORKS_API_KEY"],
        ..CLOUD
    },
    Entry {
        id: "moonshot",
        name: "Moonshot AI",
        base_url: Some("https://api.moonshot.ai/v1"),
        base_url_env: Some("MOONSHOT_BASE_URL"),
        key_env: &["MOONSHOT_API_KEY"],
        quirks: Quirks { no_developer_role: true, max_temperature: Some(100), ..LEGACY },
        ..CLOUD
    },
    Entry {
        id: "zai",
        name: "Z.ai",
        base_url: Some("https://api.z.ai/api/paas/v4"),
        base_url_env: Some("ZAI_BASE_URL"),
        key_env: &["ZAI_API_KEY", "ZHIPUAI_API_KEY"],
        quirks: Quirks { no_developer_role: true, max_temperature: Some(100), ..LEGACY },
        ..CLOUD
    },
    Entry {
        id: "minimax",
        name: "MiniMax",
        base_url: Some("https://api.minimax.io/v1"),
        base_url_env: Some("MINIMAX_BASE_URL"),
        key_env: &["MINIMAX_API_KEY"],
        quirks: Quirks {
            no_developer_role: true,
            max_temperature: Some(100),
            end: EndMarker::Either,
            unsupported: &[Param::N],
            ..Quirks::NONE
        },
        ..CLOUD
    },
    Entry {
        id: "cerebras",
        name: "Cerebras",
        base_url: Some("https://api.cerebras.ai/v1"),
        base_url_env: Some("CEREBRAS_BASE_URL"),
        key_env: &["CEREBRAS_API_KEY"],
        quirks: Quirks { end: EndMarker::Finish, ..Quirks::NONE },
        ..CLOUD
    },
    Entry {
        id: "perplexity",
        name: "Perplexity",
        base_url: Some("https://api.perplexity.ai"),
        base_url_env: Some("PERPLEXITY_BASE_URL"),
        key_env: &["PERPLEXITY_API_KEY", "PPLX_API_KEY"],
        quirks: Quirks {
            end: EndMarker::Finish,
            usage_unasked: true,
            no_developer_role: true,
            unsupported: &[Param::N, Param::Seed, Param::Logprobs, Param::TopLogprobs],
            ..LEGACY
        },
        ..CLOUD
    },
    Entry {
        id: "writer",
        name: "Writer",
        base_url: Some("https://api.writer.com/v1"),
        base_url_env: Some("WRITER_BASE_URL"),
        key_env: &["WRITER_API_KEY"],
        quirks: Quirks { end: EndMarker::Finish, no_developer_role: true, ..LEGACY },
        ..CLOUD
    },
    Entry {
        id: "openrouter",
        name: "OpenRouter",
        base_url: Some("https://openrouter.ai/api/v1"),
        base_url_env: Some("OPENROUTER_BASE_URL"),
        key_env: &["OPENROUTER_API_KEY"],
        ..CLOUD
    },
    Entry {
        id: "tokenmix",
        name: "TokenMix",
        base_url: Some("https://api.tokenmix.ai/v1"),
        base_url_env: Some("TOKENMIX_BASE_URL"),
        key_env: &["TOKENMIX_API_KEY"],
        quirks: Quirks { end: EndMarker::Either, ..Quirks::NONE },
        ..CLOUD
    },
    Entry {
        id: "azure",
        name: "Azure OpenAI",
        base_url_env: Some("AZURE_OPENAI_ENDPOINT"),
        key_env: &["AZURE_OPENAI_API_KEY"],
        auth: Auth::ApiKey,
        paths: Paths::AzureDeployments { default_version: "2024-10-21" },
        ..CLOUD
    },
    Entry {
        id: "google",
        name: "Google Gemini",
        base_url: Some("https://generativelanguage.googleapis.com/v1beta/openai"),
        base_url_env: None,
        key_env: &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
        quirks: Quirks {
            hidden_reasoning: true,
            no_developer_role: true,
            end: EndMarker::Either,
            ..LEGACY
        },
        ..CLOUD
    },
    Entry {
        id: "anthropic",
        name: "Anthropic",
        base_url: Some("https://api.anthropic.com/v1"),
        base_url_env: None,
        key_env: &["ANTHROPIC_API_KEY"],
        quirks: Quirks {
            max_temperature: Some(100),
            unsupported: &[
                Param::N,
                Param::Seed,
                Param::Logprobs,
                Param::TopLogprobs,
                Param::LogitBias,
                Param::FrequencyPenalty,
                Param::PresencePenalty,
                Param::ServiceTier,
                Param::Store,
            ],
            ..Quirks::NONE
        },
        ..CLOUD
    },
    Entry {
        id: "deepinfra",
        name: "DeepInfra",
        base_url: Some("https://api.deepinfra.com/v1/openai"),
        base_url_env: Some("DEEPINFRA_BASE_URL"),
        key_env: &["DEEPINFRA_API_KEY", "DEEPINFRA_TOKEN"],
        quirks: LEGACY,
        ..CLOUD
    },
    Entry {
        id: "sambanova",
        name: "SambaNova",
        base_url: Some("https://api.sambanova.ai/v1"),
        base_url_env: Some("SAMBANOVA_BASE_URL"),
        key_env: &["SAMBANOVA_API_KEY"],
        quirks: Quirks { no_developer_role: true, ..LEGACY },
        ..CLOUD
    },
    Entry {
        id: "nvidia",
        name: "NVIDIA NIM",
        base_url: Some("https://integrate.api.nvidia.com/v1"),
        base_url_env: Some("NVIDIA_BASE_URL"),
        key_env: &["NVIDIA_API_KEY"],
        quirks: Quirks { no_developer_role: true, ..LEGACY },
        ..CLOUD
    },
    Entry {
        id: "cohere",
        name: "Cohere",
        base_url: Some("https://api.cohere.ai/compatibility/v1"),
        base_url_env: None,
        key_env: &["COHERE_API_KEY", "CO_API_KEY"],
        quirks: Quirks {
            max_temperature: Some(100),
            unsupported: &[
                Param::N,
                Param::LogitBias,
                Param::ParallelTools,
                Param::Store,
                Param::ServiceTier,
                Param::User,
            ],
            ..LEGACY
        },
        ..CLOUD
    },
    Entry {
        id: "ollama",
        name: "Ollama",
        base_url: Some("http://127.0.0.1:11434/v1"),
        base_url_env: Some("OLLAMA_BASE_URL"),
        key_env: &["OLLAMA_API_KEY"],
        ..LOCAL
    },
    Entry {
        id: "vllm",
        name: "vLLM",
        base_url: Some("http://127.0.0.1:8000/v1"),
        base_url_env: Some("VLLM_BASE_URL"),
        key_env: &["VLLM_API_KEY"],
        ..LOCAL
    },
    Entry {
        id: "lmstudio",
        name: "LM Studio",
        base_url: Some("http://127.0.0.1:1234/v1"),
        base_url_env: Some("LMSTUDIO_BASE_URL"),
        key_env: &["LMSTUDIO_API_KEY"],
        ..LOCAL
    },
    Entry {
        id: "llamacpp",
        name: "llama.cpp",
        // Its own default is 8080, where we listen ourselves.
        base_url: None,
        base_url_env: Some("LLAMACPP_BASE_URL"),
        key_env: &["LLAMACPP_API_KEY"],
        ..LOCAL
    },
    Entry {
        id: "openai-compatible",
        name: "an OpenAI-compatible server",
        base_url_env: Some("OPENAI_COMPATIBLE_BASE_URL"),
        key_env: &["OPENAI_COMPATIBLE_API_KEY"],
        ..LOCAL
    },
    Entry {
        id: "sim",
        name: "built-in simulator",
        auth: Auth::Optional,
        // Faults and latencies on demand.
        passes: &["x-sim-"],
        place: Place::BuiltIn,
        ..CLOUD
    },
];

/// The entry with this id.
pub fn entry(id: &str) -> Option<&'static Entry> {
    PROVIDERS.iter().find(|entry| entry.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_usable() {
        for (at, it) in PROVIDERS.iter().enumerate() {
            assert!(!it.id.is_empty() && !it.name.is_empty());
            assert!(PROVIDERS[..at].iter().all(|other| other.id != it.id), "{} twice", it.id);
            if let Some(url) = it.base_url {
                let url = reqwest::Url::parse(url).unwrap();
                assert_eq!(url.scheme() == "https", it.place == Place::Cloud, "{}", it.id);
                assert!(!url.path().ends_with('/') || url.path() == "/", "{}", it.id);
            } else {
                assert!(it.base_url_env.is_some() || it.place == Place::BuiltIn, "{}", it.id);
            }
            assert!(it.place != Place::Cloud || !it.key_env.is_empty(), "{}", it.id);
        }
        assert!(entry("openai").is_some() && entry("nobody").is_none());
    }
}
