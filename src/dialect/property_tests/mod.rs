//! What holds for whatever comes in: nothing panics, what goes out is JSON that says each thing once,
//! and a stream says what a whole answer says, however its bytes are cut.

mod answers;
mod hostile;
mod samples;

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;

use super::json::{JsonError, Kind, Scanner};
use super::passage::Context;
use super::{Dialect, Request, openai_chat};

/// The dialects in which clients are told answers of others.
const CLIENTS: [Dialect; 4] = [
    Dialect::OpenAiChat,
    Dialect::OpenAiResponses,
    Dialect::AnthropicMessages,
    Dialect::GeminiGenerate,
];

/// The dialects whose answers are words.
const PROVIDERS: [Dialect; 8] = [
    Dialect::OpenAiChat,
    Dialect::OpenAiResponses,
    Dialect::OpenAiCompletions,
    Dialect::AnthropicMessages,
    Dialect::GeminiGenerate,
    Dialect::BedrockConverse,
    Dialect::CohereChat,
    Dialect::OllamaChat,
];

fn context() -> Context {
    let body =
        br#"{"model":"m","messages":[],"stream":true,"stream_options":{"include_usage":true}}"#;
    let request = openai_chat::Request::read(Bytes::from_static(body)).unwrap();
    let request = Arc::new(Request::from(request));
    Context { id: "req_1".into(), model: "m".into(), created: 1, request }
}

/// Makes sure that a text is JSON in which no object has a member twice.
fn check_json(text: &str) -> Result<(), JsonError> {
    fn value(scanner: &mut Scanner<'_>) -> Result<(), JsonError> {
        match scanner.kind()? {
            Kind::Object => {
                let mut names = HashSet::new();
                scanner.object(|scanner, key| {
                    if !names.insert(key.cow().into_owned()) {
                        return scanner.fail("a member that was there before");
                    }
                    value(scanner)
                })
            }
            Kind::Array => scanner.array(|scanner, _| value(scanner)),
            _ => scanner.skip().map(drop),
        }
    }
    let mut scanner = Scanner::new(text);
    value(&mut scanner)?;
    scanner.end()
}

/// The same of all that stands in an event stream.
fn check_events(bytes: &[u8]) -> Result<(), String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    for line in text.lines() {
        let Some(data) = line.strip_prefix("data: ") else {
            if line.is_empty() || line.starts_with("event: ") || line.starts_with(':') {
                continue;
            }
            return Err(format!("a line that belongs to nothing: {line}"));
        };
        if data != "[DONE]" {
            check_json(data).map_err(|error| format!("{error}: {data}"))?;
        }
    }
    Ok(())
}
