//! The entries.
//!
//! Base URLs and variable names are those of the providers' own documentation. A quirk is here
//! only where the provider's documentation or its recorded traffic shows it, and so is a dialect
//! besides `openai.chat`.

use super::{Auth, Entry, Paths, Place};
use crate::dialect::Dialect::{
    self, AnthropicMessages, BedrockConverse, CohereChat, CohereEmbed, GeminiEmbed, GeminiGenerate,
    OllamaChat, OpenAiChat, OpenAiCompletions, OpenAiEmbeddings, OpenAiResponses,
};
use crate::dialect::edits::Param;
use crate::dialect::quirks::{EndMarker, MaxOutputField, Quirks};

const CLOUD: Entry = Entry {
    id: "",
    name: "",
    base_url: None,
    base_url_env: None,
    env_lacks: "",
    key_env: &[],
    auth: Auth::Bearer,
    paths: Paths::Plain,
    speaks: &[OpenAiChat],
    speaks_by_name: &[],
    any_dialect: false,
    quirks: Quirks::NONE,
    headers: &[],
    passes: &[],
    place: Place::Cloud,
};

const LOCAL: Entry = Entry {
    place: Place::Local,
    quirks: Quirks { end: EndMarker::Either, ..Quirks::NONE },
    ..CLOUD
};

/// The version of Anthropic's API that the dialect is written for.
const ANTHROPIC_VERSION: &[(&str, &str)] = &[("anthropic-version", "2023-06-01")];

const CHAT_EMBED: &[Dialect] = &[OpenAiChat, OpenAiEmbeddings];
const CHAT_RESPONSES: &[Dialect] = &[OpenAiChat, OpenAiResponses];
const CHAT_COMPLETIONS_EMBED: &[Dialect] = &[OpenAiChat, OpenAiEmbeddings, OpenAiCompletions];
const ALL_OF_OPENAI: &[Dialect] =
    &[OpenAiChat, OpenAiResponses, OpenAiEmbeddings, OpenAiCompletions];

const LEGACY: Quirks = Quirks { max_output_field: MaxOutputField::Legacy, ..Quirks::NONE };

/// All providers.
pub const PROVIDERS: &[Entry] = &[
    Entry {
        id: "openai",
        name: "OpenAI",
        base_url: Some("https://api.openai.com/v1"),
        base_url_env: Some("OPENAI_BASE_URL"),
        key_env: &["OPENAI_API_KEY"],
        speaks: ALL_OF_OPENAI,
        passes: &["openai-beta"],
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
        // Responses: recorded.
        speaks: CHAT_RESPONSES,
        quirks: Quirks {
            no_developer_role: true,
            // Calls without their thinking are refused.
            thinking_goes_back: true,
            unsupported: &[Param::N],
            ..LEGACY
        },
        ..CLOUD
    },
    Entry {
        id: "qwen",
        name: "Alibaba Cloud Model Studio",
        base_url: Some("https://dashscope-intl.aliyuncs.com/compatible-mode/v1"),
        base_url_env: Some("DASHSCOPE_BASE_URL"),
        key_env: &["DASHSCOPE_API_KEY"],
        // alibabacloud.com/help/en/model-studio/embedding-interfaces-compatible-with-openai
        speaks: CHAT_EMBED,
        quirks: Quirks { no_developer_role: true, ..LEGACY },
        ..CLOUD
    },
    Entry {
        id: "mistral",
        name: "Mistral AI",
        base_url: Some("https://api.mistral.ai/v1"),
        base_url_env: Some("MISTRAL_BASE_URL"),
        key_env: &["MISTRAL_API_KEY"],
        // docs.mistral.ai/api/endpoint/embeddings
        speaks: CHAT_EMBED,
        quirks: Quirks {
            usage_unasked: true,
            random_seed: true,
            output_dimension: true,
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
        // console.groq.com/docs/responses-api
        speaks: CHAT_RESPONSES,
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
        // docs.x.ai/docs/api-reference#create-new-response
        speaks: CHAT_RESPONSES,
        ..CLOUD
    },
    Entry {
        id: "together",
        name: "Together AI",
        base_url: Some("https://api.together.xyz/v1"),
        base_url_env: Some("TOGETHER_BASE_URL"),
        key_env: &["TOGETHER_API_KEY"],
        // docs.together.ai/reference/embeddings, /reference/completions
        speaks: CHAT_COMPLETIONS_EMBED,
        quirks: LEGACY,
        ..CLOUD
    },
    Entry {
        id: "fireworks",
        name: "Fireworks AI",
        base_url: Some("https://api.fireworks.ai/inference/v1"),
        base_url_env: Some("FIREWORKS_BASE_URL"),
        key_env: &["FIREWORKS_API_KEY"],
        // docs.fireworks.ai/api-reference: responses, embeddings, completions
        speaks: ALL_OF_OPENAI,
        ..CLOUD
    },
    Entry {
        id: "moonshot",
        name: "Moonshot AI",
        base_url: Some("https://api.moonshot.ai/v1"),
        base_url_env: Some("MOONSHOT_BASE_URL"),
        key_env: &["MOONSHOT_API_KEY"],
        quirks: Quirks {
            no_developer_role: true,
            thinking_goes_back: true,
            max_temperature: Some(100),
            ..LEGACY
        },
        ..CLOUD
    },
    Entry {
        id: "zai",
        name: "Z.ai",
        base_url: Some("https://api.z.ai/api/paas/v4"),
        base_url_env: Some("ZAI_BASE_URL"),
        key_env: &["ZAI_API_KEY", "ZHIPUAI_API_KEY"],
        // docs.bigmodel.cn/api-reference: the embedding models
        speaks: CHAT_EMBED,
        quirks: Quirks {
            no_developer_role: true,
            thinking_goes_back: true,
            max_temperature: Some(100),
            ..LEGACY
        },
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
        // Completions: recorded.
        speaks: &[OpenAiChat, OpenAiCompletions],
        quirks: Quirks { end: EndMarker::Finish, no_developer_role: true, ..LEGACY },
        ..CLOUD
    },
    Entry {
        id: "openrouter",
        name: "OpenRouter",
        base_url: Some("https://openrouter.ai/api/v1"),
        base_url_env: Some("OPENROUTER_BASE_URL"),
        key_env: &["OPENROUTER_API_KEY"],
        // openrouter.ai/docs/api-reference: responses, embeddings, completions
        speaks: ALL_OF_OPENAI,
        quirks: Quirks { cache_marks: true, ..Quirks::NONE },
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
        paths: Paths::Azure { default_version: "2024-10-21" },
        // learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle
        speaks: &[OpenAiChat, OpenAiResponses, OpenAiEmbeddings],
        ..CLOUD
    },
    Entry {
        id: "google",
        name: "Google Gemini",
        base_url: Some("https://generativelanguage.googleapis.com/v1beta"),
        base_url_env: Some("GOOGLE_GEMINI_BASE_URL"),
        env_lacks: "/v1beta",
        key_env: &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
        auth: Auth::GoogKey,
        speaks: &[GeminiGenerate, GeminiEmbed],
        ..CLOUD
    },
    Entry {
        id: "vertex",
        name: "Google Vertex AI",
        base_url: Some("https://{host}/v1/projects/{project}/locations/{location}"),
        auth: Auth::GoogleOAuth,
        paths: Paths::Vertex,
        speaks: &[GeminiGenerate],
        speaks_by_name: &[("claude-", &[AnthropicMessages])],
        quirks: Quirks { model_in_path: true, ..Quirks::NONE },
        passes: &["anthropic-beta"],
        ..CLOUD
    },
    Entry {
        id: "anthropic",
        name: "Anthropic",
        base_url: Some("https://api.anthropic.com/v1"),
        base_url_env: Some("ANTHROPIC_BASE_URL"),
        env_lacks: "/v1",
        key_env: &["ANTHROPIC_API_KEY"],
        auth: Auth::XApiKey,
        speaks: &[AnthropicMessages],
        headers: ANTHROPIC_VERSION,
        passes: &["anthropic-beta"],
        ..CLOUD
    },
    Entry {
        id: "bedrock",
        name: "Amazon Bedrock",
        base_url: Some("https://bedrock-runtime.{region}.amazonaws.com"),
        base_url_env: Some("AWS_ENDPOINT_URL_BEDROCK_RUNTIME"),
        key_env: &["AWS_BEARER_TOKEN_BEDROCK"],
        auth: Auth::SigV4 { service: "bedrock" },
        speaks: &[BedrockConverse],
        ..CLOUD
    },
    Entry {
        id: "deepinfra",
        name: "DeepInfra",
        base_url: Some("https://api.deepinfra.com/v1/openai"),
        base_url_env: Some("DEEPINFRA_BASE_URL"),
        key_env: &["DEEPINFRA_API_KEY", "DEEPINFRA_TOKEN"],
        // deepinfra.com/docs/openai_api
        speaks: CHAT_COMPLETIONS_EMBED,
        quirks: LEGACY,
        ..CLOUD
    },
    Entry {
        id: "sambanova",
        name: "SambaNova",
        base_url: Some("https://api.sambanova.ai/v1"),
        base_url_env: Some("SAMBANOVA_BASE_URL"),
        key_env: &["SAMBANOVA_API_KEY"],
        // docs.sambanova.ai: the OpenAI-compatible embeddings API
        speaks: CHAT_EMBED,
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
        base_url: Some("https://api.cohere.com/v2"),
        base_url_env: Some("CO_API_URL"),
        env_lacks: "/v2",
        key_env: &["COHERE_API_KEY", "CO_API_KEY"],
        speaks: &[CohereChat, CohereEmbed],
        ..CLOUD
    },
    Entry {
        id: "voyage",
        name: "Voyage AI",
        base_url: Some("https://api.voyageai.com/v1"),
        base_url_env: Some("VOYAGE_BASE_URL"),
        key_env: &["VOYAGE_API_KEY"],
        speaks: &[OpenAiEmbeddings],
        // docs.voyageai.com/reference/embeddings-api
        quirks: Quirks {
            output_dimension: true,
            no_float_format: true,
            unsupported: &[Param::User],
            ..Quirks::NONE
        },
        ..CLOUD
    },
    Entry {
        id: "ollama",
        name: "Ollama",
        base_url: Some("http://127.0.0.1:11434/v1"),
        base_url_env: Some("OLLAMA_BASE_URL"),
        key_env: &["OLLAMA_API_KEY"],
        // docs.ollama.com/api/openai-compatibility
        speaks: &[OpenAiChat, OllamaChat, OpenAiResponses, OpenAiEmbeddings, OpenAiCompletions],
        ..LOCAL
    },
    Entry {
        id: "vllm",
        name: "vLLM",
        base_url: Some("http://127.0.0.1:8000/v1"),
        base_url_env: Some("VLLM_BASE_URL"),
        key_env: &["VLLM_API_KEY"],
        // docs.vllm.ai/en/latest/serving/openai_compatible_server
        speaks: ALL_OF_OPENAI,
        ..LOCAL
    },
    Entry {
        id: "lmstudio",
        name: "LM Studio",
        base_url: Some("http://127.0.0.1:1234/v1"),
        base_url_env: Some("LMSTUDIO_BASE_URL"),
        key_env: &["LMSTUDIO_API_KEY"],
        // lmstudio.ai/docs/developer/openai-compat
        speaks: ALL_OF_OPENAI,
        ..LOCAL
    },
    Entry {
        id: "llamacpp",
        name: "llama.cpp",
        // Its own default is 8080, where we listen ourselves.
        base_url: None,
        base_url_env: Some("LLAMACPP_BASE_URL"),
        key_env: &["LLAMACPP_API_KEY"],
        // The server's own README.
        speaks: ALL_OF_OPENAI,
        ..LOCAL
    },
    Entry {
        id: "openai-compatible",
        name: "an OpenAI-compatible server",
        base_url_env: Some("OPENAI_COMPATIBLE_BASE_URL"),
        key_env: &["OPENAI_COMPATIBLE_API_KEY"],
        any_dialect: true,
        speaks: CHAT_EMBED,
        ..LOCAL
    },
    Entry {
        id: "anthropic-compatible",
        name: "a server that speaks Anthropic's format",
        base_url_env: Some("ANTHROPIC_COMPATIBLE_BASE_URL"),
        key_env: &["ANTHROPIC_COMPATIBLE_API_KEY"],
        auth: Auth::XApiKey,
        speaks: &[AnthropicMessages],
        any_dialect: true,
        headers: ANTHROPIC_VERSION,
        passes: &["anthropic-beta"],
        ..LOCAL
    },
    Entry {
        id: "gemini-compatible",
        name: "a server that speaks Gemini's format",
        base_url_env: Some("GEMINI_COMPATIBLE_BASE_URL"),
        key_env: &["GEMINI_COMPATIBLE_API_KEY"],
        auth: Auth::GoogKey,
        speaks: &[GeminiGenerate, GeminiEmbed],
        any_dialect: true,
        ..LOCAL
    },
    Entry {
        id: "sim",
        name: "built-in simulator",
        // Faults and latencies on demand.
        passes: &["x-sim-"],
        place: Place::BuiltIn,
        ..CLOUD
    },
];
