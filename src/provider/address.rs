//! The address of a call. A model's name is a part of some, and never more than one escaped segment:
//! it cannot lead to another endpoint, let alone to another host.

use std::borrow::Cow;
use std::fmt::Write as _;

use reqwest::Url;

use super::resolved::{Call, Origin};
use super::table::Paths;
use crate::dialect::Dialect;

/// The address of a call behind a base URL. Nothing where the provider has no such endpoint.
pub(super) fn address(
    base: &Url,
    paths: Paths,
    api_version: Option<&str>,
    call: Call<'_>,
) -> Option<Url> {
    let root = base.path().trim_end_matches('/');
    let (path, query) = match paths {
        Paths::Plain => plain(root, call)?,
        Paths::Vertex => vertex(root, call)?,
        Paths::Azure { default_version } => {
            azure(root, call, api_version.unwrap_or(default_version))?
        }
    };
    let mut url = base.clone();
    url.set_path(&path);
    if let Some((name, value)) = query {
        url.query_pairs_mut().append_pair(name, value);
    }
    (Origin::of(&url) == Origin::of(base)).then_some(url)
}

type Query<'q> = Option<(&'static str, &'q str)>;

/// Gemini streams are one JSON array unless events are asked for.
const EVENTS: Query<'static> = Some(("alt", "sse"));

fn plain(root: &str, call: Call<'_>) -> Option<(String, Query<'static>)> {
    let (dialect, model, stream) = match call {
        Call::Generate { dialect, model, stream } => (dialect, model, stream),
        Call::Count { dialect: Dialect::AnthropicMessages, .. } => {
            return Some((format!("{root}/messages/count_tokens"), None));
        }
        Call::Count { dialect: Dialect::GeminiGenerate, model } => {
            return Some((format!("{root}/models/{}:countTokens", segment(model)), None));
        }
        Call::Count { .. } => return None,
        Call::Models => return Some((format!("{root}/models"), None)),
    };
    Some(match dialect {
        Dialect::GeminiGenerate => {
            let (verb, query) = gemini_verb(stream);
            (format!("{root}/models/{}:{verb}", segment(model)), query)
        }
        Dialect::GeminiEmbed => {
            (format!("{root}/models/{}:batchEmbedContents", segment(model)), None)
        }
        Dialect::BedrockConverse => {
            let verb = if stream { "converse-stream" } else { "converse" };
            (format!("{root}/model/{}/{verb}", segment(model)), None)
        }
        // Its own API is not where its imitation of OpenAI's is.
        Dialect::OllamaChat => {
            (format!("{}/api/chat", root.strip_suffix("/v1").unwrap_or(root)), None)
        }
        _ => (format!("{root}/{}", endpoint(dialect)), None),
    })
}

fn azure<'q>(root: &str, call: Call<'_>, version: &'q str) -> Option<(String, Query<'q>)> {
    let version = Some(("api-version", version));
    Some(match call {
        // Newer than deployments, and without versions: the body names the deployment.
        Call::Generate { dialect: Dialect::OpenAiResponses, .. } => {
            (format!("{root}/openai/v1/responses"), None)
        }
        Call::Generate { dialect, model, .. } => {
            let endpoint = endpoint(dialect);
            (format!("{root}/openai/deployments/{}/{endpoint}", segment(model)), version)
        }
        Call::Count { .. } => return None,
        Call::Models => (format!("{root}/openai/models"), version),
    })
}

fn vertex(root: &str, call: Call<'_>) -> Option<(String, Query<'static>)> {
    let (dialect, model, stream) = match call {
        Call::Generate { dialect, model, stream } => (dialect, model, stream),
        Call::Count { dialect: Dialect::GeminiGenerate, model } => {
            let model = segment(model);
            return Some((format!("{root}/publishers/google/models/{model}:countTokens"), None));
        }
        Call::Count { .. } | Call::Models => return None,
    };
    let (publisher, (verb, query)) = match dialect {
        Dialect::GeminiGenerate => ("google", gemini_verb(stream)),
        Dialect::AnthropicMessages if stream => ("anthropic", ("streamRawPredict", None)),
        Dialect::AnthropicMessages => ("anthropic", ("rawPredict", None)),
        _ => return None,
    };
    Some((format!("{root}/publishers/{publisher}/models/{}:{verb}", segment(model)), query))
}

fn gemini_verb(stream: bool) -> (&'static str, Query<'static>) {
    if stream { ("streamGenerateContent", EVENTS) } else { ("generateContent", None) }
}

/// The endpoint of a dialect whose address has no model in it.
fn endpoint(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::OpenAiChat => "chat/completions",
        Dialect::OpenAiResponses => "responses",
        Dialect::OpenAiCompletions => "completions",
        Dialect::OpenAiEmbeddings => "embeddings",
        Dialect::AnthropicMessages => "messages",
        Dialect::CohereChat | Dialect::OllamaChat => "chat",
        Dialect::CohereEmbed => "embed",
        Dialect::GeminiGenerate | Dialect::GeminiEmbed => "models",
        Dialect::BedrockConverse => "model",
    }
}

/// A name as one segment of a path. `.` and `..` are steps, not names, and vanish.
fn segment(name: &str) -> Cow<'_, str> {
    match name {
        "." | ".." => Cow::Borrowed(""),
        // Vertex AI has it before a model's version, as it stands.
        name => escaped(name, b"@"),
    }
}

/// A text with everything escaped that is not always plain in an address, but for some characters.
pub(super) fn escaped<'t>(text: &'t str, keep: &[u8]) -> Cow<'t, str> {
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || keep.contains(&byte);
    if text.bytes().all(plain) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for byte in text.bytes() {
        if plain(byte) {
            out.push(char::from(byte));
        } else {
            // Writing into a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    const AZURE: Paths = Paths::Azure { default_version: "2024-10-21" };

    fn at(base: &str, paths: Paths, dialect: Dialect, model: &str, stream: bool) -> String {
        let call = Call::Generate { dialect, model, stream };
        let base = Url::parse(base).unwrap();
        address(&base, paths, None, call).map_or("none".to_owned(), |url| url.to_string())
    }

    #[test]
    fn every_dialect_has_its_place() {
        let plain = |dialect| at("https://h/v1", Paths::Plain, dialect, "m", true);
        assert_snapshot!(plain(Dialect::OpenAiChat), @"https://h/v1/chat/completions");
        assert_snapshot!(plain(Dialect::OpenAiResponses), @"https://h/v1/responses");
        assert_snapshot!(plain(Dialect::OpenAiCompletions), @"https://h/v1/completions");
        assert_snapshot!(plain(Dialect::OpenAiEmbeddings), @"https://h/v1/embeddings");
        assert_snapshot!(plain(Dialect::AnthropicMessages), @"https://h/v1/messages");
        assert_snapshot!(plain(Dialect::CohereChat), @"https://h/v1/chat");
        assert_snapshot!(plain(Dialect::CohereEmbed), @"https://h/v1/embed");
        assert_snapshot!(plain(Dialect::OllamaChat), @"https://h/api/chat");
        assert_snapshot!(at("http://h:1/p/", Paths::Plain, Dialect::OllamaChat, "m", true), @"http://h:1/p/api/chat");
        assert_snapshot!(plain(Dialect::GeminiGenerate), @"https://h/v1/models/m:streamGenerateContent?alt=sse");
        assert_snapshot!(at("https://h/v1", Paths::Plain, Dialect::GeminiGenerate, "m", false), @"https://h/v1/models/m:generateContent");
        assert_snapshot!(plain(Dialect::GeminiEmbed), @"https://h/v1/models/m:batchEmbedContents");
    }

    #[test]
    fn bedrock_escapes_models_as_aws_does() {
        let bedrock =
            |model, stream| at("https://h", Paths::Plain, Dialect::BedrockConverse, model, stream);
        assert_snapshot!(bedrock("amazon.nova-lite-v1:0", false), @"https://h/model/amazon.nova-lite-v1%3A0/converse");
        assert_snapshot!(
            bedrock("arn:aws:bedrock:us-east-1:0:inference-profile/us.anthropic.claude", true),
            @"https://h/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A0%3Ainference-profile%2Fus.anthropic.claude/converse-stream"
        );
    }

    #[test]
    fn vertex_has_publishers() {
        const BASE: &str = "https://h/v1/projects/p/locations/l";
        let vertex = |dialect, model, stream| at(BASE, Paths::Vertex, dialect, model, stream);
        assert_snapshot!(vertex(Dialect::GeminiGenerate, "gemini-3", false), @"https://h/v1/projects/p/locations/l/publishers/google/models/gemini-3:generateContent");
        assert_snapshot!(vertex(Dialect::GeminiGenerate, "gemini-3", true), @"https://h/v1/projects/p/locations/l/publishers/google/models/gemini-3:streamGenerateContent?alt=sse");
        assert_snapshot!(vertex(Dialect::AnthropicMessages, "claude-3@1", false), @"https://h/v1/projects/p/locations/l/publishers/anthropic/models/claude-3@1:rawPredict");
        assert_snapshot!(vertex(Dialect::AnthropicMessages, "claude-3", true), @"https://h/v1/projects/p/locations/l/publishers/anthropic/models/claude-3:streamRawPredict");
        assert_snapshot!(vertex(Dialect::OpenAiChat, "m", true), @"none");
    }

    #[test]
    fn azure_has_deployments_and_what_came_after() {
        let azure = |dialect| at("https://h", AZURE, dialect, "d", false);
        assert_snapshot!(azure(Dialect::OpenAiChat), @"https://h/openai/deployments/d/chat/completions?api-version=2024-10-21");
        assert_snapshot!(azure(Dialect::OpenAiEmbeddings), @"https://h/openai/deployments/d/embeddings?api-version=2024-10-21");
        assert_snapshot!(azure(Dialect::OpenAiResponses), @"https://h/openai/v1/responses");
    }

    #[test]
    fn few_count_tokens() {
        let base = Url::parse("https://h/v1").unwrap();
        let count = |paths, dialect| {
            let call = Call::Count { dialect, model: "m/x" };
            address(&base, paths, None, call).map_or("none".to_owned(), |url| url.to_string())
        };
        assert_snapshot!(count(Paths::Plain, Dialect::AnthropicMessages), @"https://h/v1/messages/count_tokens");
        assert_snapshot!(count(Paths::Plain, Dialect::GeminiGenerate), @"https://h/v1/models/m%2Fx:countTokens");
        assert_snapshot!(count(Paths::Vertex, Dialect::GeminiGenerate), @"https://h/v1/publishers/google/models/m%2Fx:countTokens");
        assert_snapshot!(count(Paths::Plain, Dialect::OpenAiChat), @"none");
        assert_snapshot!(count(Paths::Vertex, Dialect::AnthropicMessages), @"none");
        assert_snapshot!(count(AZURE, Dialect::OpenAiChat), @"none");
    }

    #[test]
    fn no_model_name_leads_to_another_place() {
        let names = [
            "..",
            ".",
            "//evil.example",
            "@evil.example",
            "%2e%2e",
            "",
            "a\r\nb",
            "#",
            "\\\\evil",
            "../../x",
            "m:countTokens?x=",
            "m/converse#",
            "ü",
            "%2F..",
            "?alt=json",
            "a b",
        ];
        let base = Url::parse("https://h/v1").unwrap();
        for &dialect in Dialect::ALL {
            for paths in [Paths::Plain, Paths::Vertex, AZURE] {
                let usual = at("https://h/v1", paths, dialect, "MODEL", false);
                let Ok(usual) = Url::parse(&usual) else { continue };
                for model in names {
                    let call = Call::Generate { dialect, model, stream: false };
                    let url = address(&base, paths, None, call).unwrap();
                    assert_eq!(Origin::of(&url), Origin::of(&base), "{url}");
                    let shape = |url: &Url| {
                        let path = url.path().to_owned();
                        let (start, end) = match usual.path().split_once("MODEL") {
                            Some((start, end)) => (start.to_owned(), end.to_owned()),
                            None => (usual.path().to_owned(), String::new()),
                        };
                        assert!(path.starts_with(&start) && path.ends_with(&end), "{path}");
                        path.split('/').count()
                    };
                    assert_eq!(shape(&url), shape(&usual), "{model}: {url}");
                    assert_eq!(url.query(), usual.query(), "{url}");
                    assert_eq!(url.fragment(), None, "{url}");
                }
            }
        }
    }
}
