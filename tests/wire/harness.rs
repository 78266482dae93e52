//! What holds for every dialect: answers and streams are read as an independent reader reads them,
//! in any chunking; a stream that is cut is never complete; and what is written for a client's
//! dialect says the same.

use std::sync::Arc;

use bytes::Bytes;
use pointsman::dialect::answer::{Answer, Finish};
use pointsman::dialect::passage::{self, Context};
use pointsman::dialect::{
    Dialect, EventKind, Quirks, Request, StreamEnd, UpstreamError, UsageSource, openai_chat,
};
use serde_json::Value;

use crate::corpus::{Body, Exchange};

/// What an independent reader found in an answer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plain {
    pub text: String,
    pub thinking: String,
    pub refusal: String,
    /// Id (empty where the provider gives none), name, arguments.
    pub calls: Vec<(String, String, Value)>,
    pub finish: Option<Finish>,
    /// Prompt, completion, read from the cache, thinking: each including what lies inside of it.
    pub usage: Option<[u64; 4]>,
    /// The body says that it is an error.
    pub error: bool,
    /// Of a stream: its mark of a good end is there.
    pub complete: bool,
}

/// The independent reader of a dialect.
pub struct Reader {
    /// A whole answer.
    pub whole: fn(&Value) -> Plain,
    /// A stream: the names and payloads of its events.
    pub stream: fn(&[(String, Value)]) -> Plain,
}

/// The arguments of a call, as JSON where they are some.
pub fn arguments(text: &str) -> Value {
    let text = if text.trim().is_empty() { "{}" } else { text };
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// What our own reader found, in the same form.
pub fn plain_of(answer: &Answer, complete: bool) -> Plain {
    let Some(choice) = answer.primary() else {
        return Plain {
            complete,
            error: answer.error.is_some(),
            usage: usage(answer),
            ..Plain::default()
        };
    };
    Plain {
        text: choice.text().into_owned(),
        thinking: choice.reasoning().into_owned(),
        refusal: choice.refusal().into_owned(),
        calls: choice
            .tool_calls()
            .map(|call| (call.id.to_string(), call.name.to_string(), arguments(&call.arguments)))
            .collect(),
        finish: choice.finish,
        usage: usage(answer),
        error: answer.error.is_some(),
        complete,
    }
}

fn usage(answer: &Answer) -> Option<[u64; 4]> {
    let it = &answer.usage;
    let figures = [it.prompt(), it.completion(), it.cache_read, it.reasoning];
    (answer.usage_source != UsageSource::None).then(|| figures.map(|tokens| tokens.0))
}

/// The events of an event stream, naively.
pub fn events_of(body: &Body) -> Vec<(String, Value)> {
    let json = |text: &str| serde_json::from_str(text).unwrap_or(Value::String(text.to_owned()));
    match body {
        Body::Sse(text) => {
            let text = text.replace("\r\n", "\n");
            let blocks = text.split("\n\n").filter(|block| block.contains("data:"));
            blocks
                .map(|block| {
                    let field = |name: &str| {
                        let lines = block.lines().filter_map(|line| line.strip_prefix(name));
                        lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>()
                    };
                    (field("event:").concat(), json(&field("data:").join("\n")))
                })
                .collect()
        }
        Body::Lines(text) => text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .map(|line| (String::new(), json(line)))
            .collect(),
        Body::Frames { events, .. } => {
            let event = |it: &Value| (it["event"].as_str().unwrap().to_owned(), it["data"].clone());
            events.as_array().unwrap().iter().map(event).collect()
        }
        Body::Json(Value::Array(items)) => {
            items.iter().map(|item| (String::new(), item.clone())).collect()
        }
        Body::Json(_) => Vec::new(),
    }
}

/// The bytes of a stream as they came.
pub fn bytes_of(body: &Body) -> Vec<u8> {
    match body {
        Body::Sse(text) | Body::Lines(text) => text.clone().into_bytes(),
        Body::Frames { bytes, .. } => bytes.clone(),
        Body::Json(value) => value.to_string().into_bytes(),
    }
}

/// What writers are told of a request.
pub fn context() -> Context {
    let body =
        br#"{"model":"m","messages":[],"stream":true,"stream_options":{"include_usage":true}}"#;
    Context {
        id: "req_1".into(),
        model: "m".into(),
        created: 1,
        request: Arc::new(Request::from(
            openai_chat::Request::read(Bytes::from_static(body)).unwrap(),
        )),
    }
}

/// Runs a stream in chunks of this size.
fn run(
    dialect: Dialect,
    bytes: &[u8],
    size: usize,
    quirks: &Quirks,
) -> (Vec<(Bytes, EventKind)>, Result<Answer, StreamEnd>) {
    let mut machine = passage::untranslated(dialect, quirks).unwrap();
    let mut events = Vec::new();
    for chunk in bytes.chunks(size.max(1)) {
        events.extend(machine.push(Bytes::copy_from_slice(chunk)));
    }
    events.extend(machine.last_event());
    (events.into_iter().map(|event| (event.raw, event.kind)).collect(), machine.finish())
}

/// Checks the answer of one exchange, whole or streamed; says whether it was a complete one.
pub fn check_answer(
    exchange: &Exchange,
    dialect: Dialect,
    quirks: &Quirks,
    reader: &Reader,
) -> bool {
    let id = &exchange.id;
    match &exchange.body {
        Body::Json(body) if !body.is_array() => {
            let expected = (reader.whole)(body);
            let read =
                passage::provider_side(dialect).unwrap().read(body.to_string().as_bytes(), quirks);
            let Ok(answer) = read else {
                assert!(expected.error, "{id}: {read:?}");
                return false;
            };
            assert_eq!(plain_of(&answer, false), expected, "{id}");
            if !expected.error {
                check_clients(exchange, &answer, dialect);
            }
            !expected.error
        }
        body => check_stream(exchange, body, dialect, quirks, reader),
    }
}

fn check_stream(
    exchange: &Exchange,
    body: &Body,
    dialect: Dialect,
    quirks: &Quirks,
    reader: &Reader,
) -> bool {
    let (id, bytes) = (&exchange.id, bytes_of(body));
    let expected = (reader.stream)(&events_of(body));
    let (events, end) = run(dialect, &bytes, bytes.len(), quirks);
    for size in [1, 2, 3, 7, 1000] {
        let (again, end_again) = run(dialect, &bytes, size, quirks);
        assert!(again == events, "{id} in chunks of {size}");
        assert_eq!(end_again, end, "{id} in chunks of {size}");
    }
    let (answer, error, complete) = match &end {
        Ok(answer) => (answer, false, true),
        Err(StreamEnd::Truncated(answer)) => (&**answer, false, false),
        Err(StreamEnd::Failed(_, answer)) => (&**answer, true, false),
    };
    let read = Plain { error, ..plain_of(answer, complete) };
    assert_eq!(read, expected, "{id}");

    // Cut at any event's end it is never complete without its mark.
    let mut length = 0;
    for (at, (raw, kind)) in events.iter().enumerate() {
        length += raw.len();
        let is_last = at + 1 == events.len();
        let ends = matches!(kind, EventKind::Done)
            || matches!(kind, EventKind::Delta(seen) if seen.finish.is_some());
        let (_, cut) = run(dialect, &bytes[..length], 1 << 20, quirks);
        if ends || is_last {
            break;
        }
        assert!(cut.is_err(), "{id} is complete when cut behind event {at}");
    }

    if complete && !error {
        check_clients(exchange, answer, dialect);
        check_translations(exchange, &bytes, dialect, quirks, answer);
    }
    complete
}

/// The dialects that clients speak.
fn clients(from: Dialect) -> impl Iterator<Item = Dialect> {
    let all = [
        Dialect::OpenAiChat,
        Dialect::OpenAiResponses,
        Dialect::AnthropicMessages,
        Dialect::GeminiGenerate,
    ];
    all.into_iter()
        .filter(move |dialect| *dialect != from && passage::provider_side(*dialect).is_some())
}

/// What survives every translation.
pub fn essence(answer: &Answer, client: Dialect) -> Plain {
    let plain = plain_of(answer, false);
    let counts_thinking = client != Dialect::AnthropicMessages;
    let finish = match plain.finish {
        Some(Finish::Length | Finish::ContextFull) => Finish::Length,
        Some(Finish::ContentFilter | Finish::Refusal) => Finish::ContentFilter,
        _ if !plain.calls.is_empty() => Finish::ToolCalls,
        _ if !plain.refusal.is_empty() => Finish::ContentFilter,
        _ => Finish::Stop,
    };
    Plain {
        // A dialect without refusals says them as text.
        text: format!("{}{}", plain.text, plain.refusal),
        refusal: String::new(),
        // Ids that are missing are made up; what is no object becomes one where a dialect takes
        // nothing else.
        calls: plain
            .calls
            .into_iter()
            .map(|(_, name, arguments)| {
                let arguments = match arguments {
                    Value::Null => Value::Object(Default::default()),
                    Value::String(text) => serde_json::json!({ "input": text }),
                    other => other,
                };
                (String::new(), name, arguments)
            })
            .collect(),
        finish: Some(finish),
        usage: Some(plain.usage.map_or([0; 4], |[prompt, completion, cached, thinking]| {
            [prompt, completion, cached, if counts_thinking { thinking } else { 0 }]
        })),
        ..plain
    }
}

/// What each client is told as a whole answer reads the same.
pub fn check_clients(exchange: &Exchange, answer: &Answer, from: Dialect) {
    for client in clients(from) {
        let written = passage::whole(client, answer, &context());
        let again = passage::provider_side(client).unwrap().read(&written, &Quirks::NONE);
        let again = again.unwrap_or_else(|error| panic!("{} for {client}: {error:?}", exchange.id));
        let shown = || String::from_utf8_lossy(&written).into_owned();
        assert_eq!(
            essence(&again, client),
            essence(answer, client),
            "{} for {client}: {}",
            exchange.id,
            shown()
        );
    }
}

/// What each client is told as a stream reads the same, and ends only at its end.
pub fn check_translations(
    exchange: &Exchange,
    bytes: &[u8],
    dialect: Dialect,
    quirks: &Quirks,
    answer: &Answer,
) {
    for client in clients(dialect) {
        let writer = passage::client_side(client).writer(&context());
        let mut machine = passage::untranslated(dialect, quirks).unwrap().translated(writer);
        let mut out = Vec::new();
        for event in machine.push(Bytes::copy_from_slice(bytes)) {
            out.extend_from_slice(&event.raw);
        }
        out.extend(machine.last_event().into_iter().flat_map(|event| event.raw));
        let before_end = out.len();
        out.extend_from_slice(&machine.translated_end().unwrap());
        let id = format!("{} as a stream for {client}", exchange.id);
        let (_, cut) = run(client, &out[..before_end], 1 << 20, &Quirks::NONE);
        assert!(cut.is_err(), "{id}: complete before its end");
        let (_, end) = run(client, &out, 1 << 20, &Quirks::NONE);
        let shown = String::from_utf8_lossy(&out).into_owned();
        let again = end.unwrap_or_else(|end| panic!("{id}: {end:?}\n{shown}"));
        assert_eq!(essence(&again, client), essence(answer, client), "{id}: {shown}");
    }
}

/// Reads the error of an exchange, and shows it with its body.
pub fn check_error(exchange: &Exchange, check: impl FnOnce(&UpstreamError, &Value)) {
    let Body::Json(body) = &exchange.body else { panic!("{}: no JSON", exchange.id) };
    let (text, now) = (body.to_string(), std::time::SystemTime::UNIX_EPOCH);
    let headers = &exchange.headers;
    check(&UpstreamError::from_response(exchange.status, headers, text.as_bytes(), now), body);
}

/// Runs a check over exchanges and lists all that fail.
pub fn each(exchanges: &[Exchange], mut check: impl FnMut(&Exchange)) {
    let mut failures = Vec::new();
    for exchange in exchanges {
        let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(exchange)));
        if checked.is_err() {
            failures.push(exchange.id.clone());
        }
    }
    assert!(failures.is_empty(), "{} of {}: {failures:#?}", failures.len(), exchanges.len());
}
