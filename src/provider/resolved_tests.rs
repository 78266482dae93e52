use insta::assert_snapshot;

use super::super::table::entry;
use super::*;

fn resolve(
    id: &str,
    settings: Settings,
    env: &[(&str, &str)],
) -> Result<Option<Provider>, ProviderError> {
    let env: Vec<(String, String)> =
        env.iter().map(|(k, v)| (k.to_string(), (*v).into())).collect();
    Provider::resolve(entry(id).unwrap(), settings, &move |name| {
        env.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
    })
}

fn prepared(provider: &Provider, call: Call<'_>) -> String {
    let (url, headers) = prepare(provider, call).unwrap();
    let headers: Vec<String> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    format!("{url} [{}]", headers.join(", "))
}

fn prepare(provider: &Provider, call: Call<'_>) -> Option<(Url, HeaderMap)> {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_160);
    provider.prepare(call, b"{}", None, now)
}

const fn chat(model: &str) -> Call<'_> {
    Call::Generate { dialect: Dialect::OpenAiChat, model, stream: false }
}

const CHAT: Call<'_> = chat("m");

#[test]
fn a_provider_is_on_when_its_key_is_set() {
    assert!(resolve("openai", Settings::default(), &[]).unwrap().is_none());
    assert!(resolve("openai", Settings::default(), &[("OPENAI_API_KEY", " ")]).unwrap().is_none());
    let it = resolve("openai", Settings::default(), &[("OPENAI_API_KEY", "k\n")]).unwrap().unwrap();
    assert_snapshot!(prepared(&it, CHAT), @"https://api.openai.com/v1/chat/completions [authorization: Bearer k]");
    assert_snapshot!(prepared(&it, Call::Models), @"https://api.openai.com/v1/models [authorization: Bearer k]");
    assert!(!format!("{it:?} {:?}", prepare(&it, CHAT)).contains("Bearer"));
}

#[test]
fn local_servers_are_on_when_somebody_mentions_them() {
    assert!(resolve("ollama", Settings::default(), &[]).unwrap().is_none());
    let base =
        Settings { base_url: Some("http://10.0.0.1:11434/v1/".into()), ..Settings::default() };
    let it = resolve("ollama", base, &[]).unwrap().unwrap();
    assert_snapshot!(prepared(&it, CHAT), @"http://10.0.0.1:11434/v1/chat/completions []");
    let it = resolve("sim", Settings::default(), &[]).unwrap().unwrap();
    assert!(prepare(&it, CHAT).is_none() && it.origin().is_none());
}

#[test]
fn azure_has_deployments_and_a_header_of_its_own() {
    let env =
        [("AZURE_OPENAI_API_KEY", "k"), ("AZURE_OPENAI_ENDPOINT", "https://x.openai.azure.com")];
    let it = resolve("azure", Settings::default(), &env).unwrap().unwrap();
    let call = chat("../a?b");
    assert_snapshot!(prepared(&it, call), @"https://x.openai.azure.com/openai/deployments/..%2Fa%3Fb/chat/completions?api-version=2024-10-21 [api-key: k]");
    assert!(resolve("azure", Settings::default(), &env[..1]).unwrap().is_none());
}

#[test]
fn wrong_settings_say_what_to_do() {
    let fail = |base: &str, headers: &[(&str, &str)]| {
        let headers = headers.iter().map(|(k, v)| (k.to_string(), (*v).into())).collect();
        let settings = Settings { base_url: Some(base.into()), headers, ..Settings::default() };
        resolve("openai", settings, &[("OPENAI_API_KEY", "k")]).unwrap_err().to_string()
    };
    assert_snapshot!(fail("api.openai.com", &[]), @"provider `openai`: the base URL `api.openai.com` is none: relative URL without a base; it begins with https://");
    assert_snapshot!(fail("file:///etc", &[]), @"provider `openai`: the base URL must be http or https, not file");
    assert_snapshot!(fail("https://u:p@h", &[]), @"provider `openai`: the base URL must not hold a user name or password; set the key");
    assert_snapshot!(fail("https://h/?a", &[]), @"provider `openai`: the base URL must not have a query or fragment");
    assert_snapshot!(fail("https://h", &[("Authorization", "x")]), @"provider `openai`: the header `authorization` is ours to set");
    assert_snapshot!(fail("https://h", &[("x-a", "b\nc")]), @"provider `openai`: `x-a` is no valid header");
    let error = resolve("openai", Settings::default(), &[("OPENAI_API_KEY", "a\nb")]).unwrap_err();
    assert_snapshot!(error, @"provider `openai`: the key has characters that no HTTP header may have");
}

/// Every entry whose key is a key: with it, the call of its favourite dialect.
#[test]
fn every_entry_sends_its_key_its_own_way() {
    let mut lines = Vec::new();
    for entry in super::super::table::PROVIDERS {
        let account = matches!(entry.auth, Auth::SigV4 { .. } | Auth::GoogleOAuth);
        if account || entry.place == Place::BuiltIn {
            continue;
        }
        let settings = Settings {
            base_url: entry.base_url.is_none().then(|| "https://h".to_owned()),
            credential: Some("KEY".into()),
            ..Settings::default()
        };
        let it = Provider::resolve(entry, settings, &|_| None).unwrap().unwrap();
        let call = Call::Generate { dialect: it.speaks("m")[0], model: "m", stream: false };
        lines.push(format!("{}: {}", entry.id, prepared(&it, call)));
    }
    assert_snapshot!(lines.join("\n"), @r"
    openai: https://api.openai.com/v1/chat/completions [authorization: Bearer KEY]
    deepseek: https://api.deepseek.com/v1/chat/completions [authorization: Bearer KEY]
    qwen: https://dashscope-intl.aliyuncs.com/compatible-mode/v1/chat/completions [authorization: Bearer KEY]
    mistral: https://api.mistral.ai/v1/chat/completions [authorization: Bearer KEY]
    groq: https://api.groq.com/openai/v1/chat/completions [authorization: Bearer KEY]
    xai: https://api.x.ai/v1/chat/completions [authorization: Bearer KEY]
    together: https://api.together.xyz/v1/chat/completions [authorization: Bearer KEY]
    fireworks: https://api.fireworks.ai/inference/v1/chat/completions [authorization: Bearer KEY]
    moonshot: https://api.moonshot.ai/v1/chat/completions [authorization: Bearer KEY]
    zai: https://api.z.ai/api/paas/v4/chat/completions [authorization: Bearer KEY]
    minimax: https://api.minimax.io/v1/chat/completions [authorization: Bearer KEY]
    cerebras: https://api.cerebras.ai/v1/chat/completions [authorization: Bearer KEY]
    perplexity: https://api.perplexity.ai/chat/completions [authorization: Bearer KEY]
    writer: https://api.writer.com/v1/chat/completions [authorization: Bearer KEY]
    openrouter: https://openrouter.ai/api/v1/chat/completions [authorization: Bearer KEY]
    tokenmix: https://api.tokenmix.ai/v1/chat/completions [authorization: Bearer KEY]
    azure: https://h/openai/deployments/m/chat/completions?api-version=2024-10-21 [api-key: KEY]
    google: https://generativelanguage.googleapis.com/v1beta/models/m:generateContent [x-goog-api-key: KEY]
    anthropic: https://api.anthropic.com/v1/messages [anthropic-version: 2023-06-01, x-api-key: KEY]
    deepinfra: https://api.deepinfra.com/v1/openai/chat/completions [authorization: Bearer KEY]
    sambanova: https://api.sambanova.ai/v1/chat/completions [authorization: Bearer KEY]
    nvidia: https://integrate.api.nvidia.com/v1/chat/completions [authorization: Bearer KEY]
    cohere: https://api.cohere.com/v2/chat [authorization: Bearer KEY]
    voyage: https://api.voyageai.com/v1/embeddings [authorization: Bearer KEY]
    ollama: http://127.0.0.1:11434/v1/chat/completions [authorization: Bearer KEY]
    vllm: http://127.0.0.1:8000/v1/chat/completions [authorization: Bearer KEY]
    lmstudio: http://127.0.0.1:1234/v1/chat/completions [authorization: Bearer KEY]
    llamacpp: https://h/chat/completions [authorization: Bearer KEY]
    openai-compatible: https://h/chat/completions [authorization: Bearer KEY]
    anthropic-compatible: https://h/messages [anthropic-version: 2023-06-01, x-api-key: KEY]
    gemini-compatible: https://h/models/m:generateContent [x-goog-api-key: KEY]
    ");
}

const MODEL: &str = "anthropic.claude-haiku-4-5-20251001-v1:0";

const CONVERSE: Call<'_> =
    Call::Generate { dialect: Dialect::BedrockConverse, model: MODEL, stream: true };

#[test]
fn bedrock_signs_requests_or_sends_its_own_key() {
    let keys = [
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_SESSION_TOKEN", "token"),
        ("AWS_REGION", "eu-west-1"),
    ];
    // The keys of the account are there for anything; nobody has said that it has models.
    assert!(resolve("bedrock", Settings::default(), &keys).unwrap().is_none());
    let named = || Settings { id: Some(ProviderId::new("bedrock")), ..Settings::default() };
    let it = resolve("bedrock", named(), &keys).unwrap().unwrap();
    assert_snapshot!(prepared(&it, CONVERSE), @"https://bedrock-runtime.eu-west-1.amazonaws.com/model/anthropic.claude-haiku-4-5-20251001-v1%3A0/converse-stream [x-amz-date: 20150830T123600Z, authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/eu-west-1/bedrock/aws4_request, SignedHeaders=host;x-amz-date;x-amz-security-token, Signature=17db624bc80eec5f49fec21f071aea30ba7dab9ea68f3a4aa6d0f4928da12cb3, x-amz-security-token: token]");
    assert!(!format!("{:?}", prepare(&it, CONVERSE)).contains("Signature"));

    let key = [("AWS_BEARER_TOKEN_BEDROCK", "KEY"), ("AWS_DEFAULT_REGION", "us-west-2")];
    let it = resolve("bedrock", Settings::default(), &key).unwrap().unwrap();
    assert_snapshot!(prepared(&it, CONVERSE), @"https://bedrock-runtime.us-west-2.amazonaws.com/model/anthropic.claude-haiku-4-5-20251001-v1%3A0/converse-stream [authorization: Bearer KEY]");
    assert!(resolve("bedrock", Settings::default(), &key[..1]).unwrap().is_none());

    let fail = |settings, env: &[(&str, &str)]| resolve("bedrock", settings, env).unwrap_err();
    assert_snapshot!(fail(named(), &keys[..3]), @"provider `bedrock`: it is not said where: set `region`, or `AWS_REGION`");
    let region = |region: &str| Settings { region: Some(region.into()), ..named() };
    assert_snapshot!(fail(region("evil.example/"), &keys), @"provider `bedrock`: `evil.example/` is no region");
    assert_snapshot!(fail(Settings { access_key_id: Some("A".into()), ..region("r") }, &[]), @"provider `bedrock`: `access_key_id` without `secret_access_key`");
    assert!(resolve("bedrock", region("r"), &[]).unwrap().is_none());
}

#[test]
fn vertex_lies_in_a_project_and_a_place() {
    let settings = |location: &str| Settings {
        id: Some(ProviderId::new("vertex")),
        credential: Some("TOKEN".into()),
        project: Some("my-project".into()),
        location: Some(location.into()),
        ..Settings::default()
    };
    let call = |dialect| Call::Generate { dialect, model: "m", stream: false };
    let (gemini, claude) = (call(Dialect::GeminiGenerate), call(Dialect::AnthropicMessages));
    let it = resolve("vertex", settings("global"), &[]).unwrap().unwrap();
    assert_snapshot!(prepared(&it, gemini), @"https://aiplatform.googleapis.com/v1/projects/my-project/locations/global/publishers/google/models/m:generateContent [authorization: Bearer TOKEN]");
    assert_eq!(it.speaks("gemini-2.5-pro"), [Dialect::GeminiGenerate]);
    assert_eq!(it.speaks("claude-sonnet-4-5@20250929"), [Dialect::AnthropicMessages]);
    let it = resolve("vertex", settings("europe-west4"), &[]).unwrap().unwrap();
    assert_snapshot!(prepared(&it, claude), @"https://europe-west4-aiplatform.googleapis.com/v1/projects/my-project/locations/europe-west4/publishers/anthropic/models/m:rawPredict [authorization: Bearer TOKEN]");
    let it = resolve("vertex", settings("eu"), &[]).unwrap().unwrap();
    assert_snapshot!(it.origin().unwrap(), @"https://aiplatform.eu.rep.googleapis.com:443");
    let fail = |settings, env: &[(&str, &str)]| resolve("vertex", settings, env).unwrap_err();
    assert_snapshot!(fail(settings("a/../b"), &[]), @"provider `vertex`: `a/../b` is no location");
    assert_snapshot!(fail(Settings { project: None, ..settings("global") }, &[]), @"provider `vertex`: it is not said where: set `project` and `location`, or `GOOGLE_CLOUD_PROJECT` and `GOOGLE_CLOUD_LOCATION`");
    let file = Settings {
        credential: None,
        credentials_file: Some("/nowhere.json".into()),
        ..settings("global")
    };
    assert_snapshot!(fail(file, &[]), @"provider `vertex`: the credentials /nowhere.json: cannot be read: No such file or directory (os error 2)");
    let nothing = Settings { credential: None, ..settings("global") };
    assert!(resolve("vertex", nothing, &[]).unwrap().is_none());
}

#[test]
fn a_variable_by_the_custom_of_libraries_ends_before_the_version() {
    let messages =
        Call::Generate { dialect: Dialect::AnthropicMessages, model: "m", stream: false };
    for base in ["https://h", "https://h/", "https://h/v1", "https://h/v1/"] {
        let env = [("ANTHROPIC_API_KEY", "k"), ("ANTHROPIC_BASE_URL", base)];
        let it = resolve("anthropic", Settings::default(), &env).unwrap().unwrap();
        assert_eq!(prepare(&it, messages).unwrap().0.as_str(), "https://h/v1/messages");
    }
}

#[test]
fn the_operator_may_say_the_dialect() {
    let with = |id: &str, dialect| {
        let settings = Settings {
            base_url: Some("https://h".into()),
            credential: Some("k".into()),
            dialect: Some(dialect),
            ..Settings::default()
        };
        resolve(id, settings, &[])
    };
    let it = with("openai", Dialect::OpenAiResponses).unwrap().unwrap();
    assert_eq!(it.speaks("m"), [Dialect::OpenAiResponses, Dialect::OpenAiEmbeddings]);
    let it = with("openai-compatible", Dialect::AnthropicMessages).unwrap().unwrap();
    assert_eq!(it.speaks("m"), [Dialect::AnthropicMessages, Dialect::OpenAiEmbeddings]);
    let error = with("openai", Dialect::CohereChat).unwrap_err();
    assert_snapshot!(error, @"provider `openai`: it does not speak `cohere.chat`, but openai.chat, openai.responses, openai.embeddings, openai.completions");
    // A server of one's own needs no key.
    let settings = Settings { base_url: Some("http://h:1/v1".into()), ..Settings::default() };
    let it = resolve("anthropic-compatible", settings, &[]).unwrap().unwrap();
    let call = Call::Generate { dialect: it.speaks("m")[0], model: "m", stream: false };
    assert_snapshot!(prepared(&it, call), @"http://h:1/v1/messages [anthropic-version: 2023-06-01]");
}
