//! `openai.chat` and its imitators: requests, answers, streams, and the quirks of the provider table.

use std::collections::BTreeMap;
use std::time::SystemTime;

use bytes::Bytes;
use pointsman::dialect::answer::Answer;
use pointsman::dialect::error::UpstreamError;
use pointsman::dialect::object::with_top_level_field;
use pointsman::dialect::openai_chat::assemble::{Assembler, replay};
use pointsman::dialect::openai_chat::{Request, answer, stream};
use pointsman::dialect::quirks::EndMarker;
use pointsman::dialect::usage::UsageSource;
use pointsman::dialect::{Edits, EventKind, Quirks, StreamEnd};
use pointsman::error_class::ErrorClass;

use crate::corpus::{self, Exchange};
use crate::openai_chat_plain as plain;

/// What was looked at, by provider.
#[derive(Default)]
struct Counts {
    requests: usize,
    answers: usize,
    streams: usize,
    incomplete: usize,
    errors: usize,
}

#[test]
fn every_recorded_exchange_is_understood() {
    let Some(exchanges) = corpus::load(&["openai.chat", "mistral.chat"]) else { return };
    let mut table: BTreeMap<String, Counts> = BTreeMap::new();
    let mut failures = Vec::new();
    for exchange in &exchanges {
        let counts = table.entry(exchange.provider.clone()).or_default();
        let checked =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(exchange, counts)));
        if checked.is_err() {
            failures.push(exchange.id.clone());
        }
    }
    println!(
        "{:16} {:>8} {:>8} {:>8} {:>10} {:>8}",
        "provider", "requests", "answers", "streams", "incomplete", "errors"
    );
    let mut all = Counts::default();
    for (provider, it) in &table {
        println!(
            "{provider:16} {:>8} {:>8} {:>8} {:>10} {:>8}",
            it.requests, it.answers, it.streams, it.incomplete, it.errors
        );
        all.requests += it.requests;
        all.answers += it.answers;
        all.streams += it.streams;
        all.incomplete += it.incomplete;
        all.errors += it.errors;
    }
    println!(
        "{:16} {:>8} {:>8} {:>8} {:>10} {:>8}",
        "all", all.requests, all.answers, all.streams, all.incomplete, all.errors
    );
    assert!(failures.is_empty(), "{} of {}: {failures:#?}", failures.len(), exchanges.len());
    assert!(
        all.answers > 500 && all.streams > 250,
        "the corpus is not the one this was written for"
    );
}

fn check(exchange: &Exchange, counts: &mut Counts) {
    if let Some(body) = &exchange.request {
        check_request(exchange, body);
        counts.requests += 1;
    }
    match (&exchange.body, exchange.status) {
        (corpus::Body::Json(body), 400..) => {
            check_error(exchange, body);
            counts.errors += 1;
        }
        (corpus::Body::Json(body), _) => {
            check_answer(exchange, body);
            counts.answers += 1;
        }
        (corpus::Body::Lines(_) | corpus::Body::Frames { .. }, _) => panic!("no event stream"),
        (corpus::Body::Sse(text), _) => {
            counts.incomplete += usize::from(!check_stream(exchange, text));
            counts.streams += 1;
        }
    }
}

pub fn quirks(exchange: &Exchange) -> Quirks {
    let id = match exchange.provider.as_str() {
        // Its imitation of OpenAI, which is no entry of its own, hides thinking in the total.
        "gemini" => {
            return Quirks { hidden_reasoning: true, end: EndMarker::Either, ..Quirks::NONE };
        }
        "alibaba" => "qwen",
        provider => provider,
    };
    let known = pointsman::provider::table::entry(id).map(|entry| entry.quirks);
    known.unwrap_or(Quirks { end: EndMarker::Either, ..Quirks::NONE })
}

fn check_request(exchange: &Exchange, body: &serde_json::Value) {
    for text in [serde_json::to_string(body).unwrap(), serde_json::to_string_pretty(body).unwrap()]
    {
        let bytes = Bytes::from(text);
        let request = match Request::read(bytes.clone()) {
            Ok(request) => request,
            Err(error) => {
                // Two recordings ask for what no provider took, a temperature in words and no
                // model at all.
                let wrong = body["temperature"].is_string() || !body["model"].is_string();
                assert!(wrong, "{}: {error}", exchange.id);
                return;
            }
        };
        assert_eq!(request.encode(&Edits::default(), &Quirks::NONE).body, bytes, "{}", exchange.id);
        let shape = request.shape();
        assert_eq!(shape.model, body["model"]);
        assert_eq!(shape.stream, body["stream"] == true);
        assert_eq!(shape.include_usage, body["stream_options"]["include_usage"] == true);
        let messages = body["messages"].as_array().unwrap();
        assert_eq!(shape.messages as usize, messages.len());
        let tools = body["tools"].as_array().map_or(0, Vec::len)
            + body["functions"].as_array().map_or(0, Vec::len);
        assert_eq!(shape.tools as usize, tools);
        let texts: Vec<String> = shape
            .segments
            .iter()
            .filter(|segment| segment.role != pointsman::dialect::shape::SegmentRole::Tools)
            .map(|segment| segment.text(&bytes).unwrap().into_owned())
            .collect();
        // Everything that was said in words is in some segment.
        for text in messages.iter().flat_map(plain::said) {
            assert!(texts.contains(&text), "{}: {text:?}", exchange.id);
        }
        let encoded = request.encode(
            &Edits { model: Some("other".into()), include_usage: true, ..Edits::default() },
            &Quirks::NONE,
        );
        let mut expected = body.clone();
        expected["model"] = "other".into();
        if shape.stream {
            expected["stream_options"]["include_usage"] = true.into();
        }
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&encoded.body).unwrap(), expected);
    }
}

pub fn check_error(exchange: &Exchange, body: &serde_json::Value) {
    let text = body.to_string();
    let error = UpstreamError::from_response(
        exchange.status,
        &exchange.headers,
        text.as_bytes(),
        SystemTime::UNIX_EPOCH,
    );
    use ErrorClass::*;
    let sensible: &[ErrorClass] = match exchange.status {
        400 | 413 | 422 => &[BadRequest, Unsupported, ContextExceeded, ContentFiltered, Auth],
        401 => &[Auth],
        402 => &[QuotaExhausted],
        403 => &[Auth, ContentFiltered],
        404 => &[BadRequest, Unsupported],
        429 => &[RateLimited, QuotaExhausted, Overloaded],
        501 => &[Unsupported],
        500.. => &[ServerError, Overloaded, Unsupported, ContextExceeded],
        _ => &[],
    };
    assert!(sensible.contains(&error.class), "{}: {error:?}", exchange.id);
    assert!(!error.message.is_empty(), "{}", exchange.id);
    assert!(error.message.starts_with(plain::error_message(body)), "{}: {error:?}", exchange.id);
}

fn compare(exchange: &Exchange, answer: &Answer, expected: &plain::Answer) {
    let id = &exchange.id;
    assert_eq!(answer.choices.len(), expected.choices.len(), "{id}");
    for (is, should) in answer.choices.iter().zip(&expected.choices) {
        assert_eq!(is.index, should.index, "{id}");
        assert_eq!(&*is.text(), should.text, "{id}");
        assert_eq!(&*is.reasoning(), should.reasoning, "{id}");
        assert_eq!(&*is.refusal(), should.refusal, "{id}");
        let calls: Vec<(&str, &str, &str)> =
            is.tool_calls().map(|call| (&*call.id, &*call.name, &*call.arguments)).collect();
        let expected: Vec<(&str, &str, &str)> = should
            .calls
            .iter()
            .map(|(id, name, arguments)| (&**id, &**name, &**arguments))
            .collect();
        assert_eq!(calls, expected, "{id}");
        assert_eq!(is.finish, should.finish.as_deref().and_then(plain::finish), "{id}");
    }
    match &expected.usage {
        None => assert_eq!(answer.usage_source, UsageSource::None, "{id}"),
        Some(usage) => {
            assert_ne!(answer.usage_source, UsageSource::None, "{id}");
            plain::check_usage(&answer.usage, usage, &exchange.provider, id);
        }
    }
}

fn check_answer(exchange: &Exchange, body: &serde_json::Value) {
    let bytes = Bytes::from(body.to_string());
    let read = answer::read(&bytes, &quirks(exchange)).unwrap();
    let expected = plain::of_body(body);
    compare(exchange, &read, &expected);
    let has_error = body.get("error").is_some() || body["choices"][0].get("error").is_some();
    assert_eq!(read.error.is_some(), has_error, "{}", exchange.id);
    if read.choices.is_empty() {
        return;
    }

    let with = with_top_level_field(&bytes, "pointsman", r#"{"a":1}"#).unwrap();
    let mut expected = body.clone();
    expected["pointsman"] = serde_json::json!({"a": 1});
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&with).unwrap(), expected);

    // Replayed as a stream it says the same, and so does what is assembled from that stream.
    let mut machine =
        stream(Quirks { hidden_reasoning: quirks(exchange).hidden_reasoning, ..Quirks::NONE });
    let mut assembler = Assembler::default();
    for event in replay(&bytes, true).unwrap() {
        for event in machine.push(event) {
            assembler.push(&event.data).unwrap();
        }
    }
    if read.error.is_some() {
        return; // a stream with an error in it is no complete one
    }
    let replayed = machine.finish().unwrap();
    let assembled = answer::read(&assembler.finish().unwrap(), &quirks(exchange)).unwrap();
    compare(exchange, &replayed, &plain::of_body(body));
    compare(exchange, &assembled, &plain::of_body(body));
}

/// Runs a stream in chunks of this size.
fn run(
    text: &[u8],
    size: usize,
    quirks: Quirks,
) -> (Vec<(Bytes, EventKind)>, Result<Answer, StreamEnd>) {
    let mut machine = stream(quirks);
    let mut events = Vec::new();
    for chunk in text.chunks(size) {
        events.extend(machine.push(Bytes::copy_from_slice(chunk)));
    }
    events.extend(machine.last_event());
    (events.into_iter().map(|event| (event.raw, event.kind)).collect(), machine.finish())
}

/// Whether the stream is a complete one.
fn check_stream(exchange: &Exchange, text: &str) -> bool {
    let (id, quirks) = (&exchange.id, quirks(exchange));
    let (events, end) = run(text.as_bytes(), text.len().max(1), quirks);
    for size in [1, 2, 3, 7, 1000] {
        let (again, end_again) = run(text.as_bytes(), size, quirks);
        assert!(again == events, "{id} in chunks of {size}");
        assert_eq!(end_again, end, "{id} in chunks of {size}");
    }
    let forwarded: Vec<u8> = events.iter().flat_map(|(raw, _)| raw.to_vec()).collect();
    assert_eq!(forwarded, text.as_bytes(), "{id}");

    let expected = plain::of_stream(text);
    let (answer, error, complete) = match &end {
        Ok(answer) => (answer, None, true),
        Err(StreamEnd::Truncated(answer)) => (&**answer, None, false),
        Err(StreamEnd::Failed(error, answer)) => (&**answer, Some(error), false),
    };
    compare(exchange, answer, &expected);
    assert_eq!(error.is_some(), expected.error, "{id}: {error:?}");

    // Cut at any event it is complete only from its marker on.
    let (mut length, mut cut) = (0, stream(quirks));
    let marker = plain::end_of_stream(text, quirks.end);
    for (at, (raw, _)) in events.iter().enumerate() {
        let mut complete = cut.is_complete();
        if at + 4 > events.len() {
            complete |= run(&text.as_bytes()[..length], 1 << 20, quirks).1.is_ok();
        }
        assert!(!complete || marker.is_some_and(|marker| length >= marker), "{id} cut at {length}");
        cut.push(raw.clone());
        length += raw.len();
    }
    assert_eq!(complete, marker.is_some() && !expected.error, "{id}: {end:?}");

    if !expected.choices.is_empty() && !expected.error {
        let mut assembler = Assembler::default();
        let mut machine = stream(quirks);
        for event in machine.push(Bytes::copy_from_slice(text.as_bytes())) {
            assembler.push(&event.data).unwrap();
        }
        let assembled = assembler.finish().unwrap();
        let read = answer::read(&assembled, &quirks).unwrap();
        compare(exchange, &read, &expected);
        let value: serde_json::Value = serde_json::from_slice(&assembled).unwrap();
        assert!(plain::keeps_fields(text, &value), "{id}: {value}");
    }
    complete
}

/// The flags of the provider table against what was recorded of the providers.
#[test]
fn quirks_are_as_recorded() {
    let Some(exchanges) = corpus::load(&["openai.chat", "mistral.chat"]) else { return };
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for exchange in exchanges.iter().filter(|exchange| exchange.status < 400) {
        let id = &exchange.id;
        let Some(entry) = pointsman::provider::table::entry(&exchange.provider) else { continue };
        let request = exchange.request.as_ref().map_or(&serde_json::Value::Null, |request| request);
        if let corpus::Body::Sse(text) = &exchange.body {
            let failed = plain::of_stream(text).error;
            match entry.quirks.end {
                EndMarker::Finish if !text.contains("[DONE]") => {
                    *seen.entry(entry.id).or_default() += 1;
                }
                EndMarker::Done if !failed => assert!(text.contains("[DONE]"), "{id}"),
                _ => {}
            }
            let asked = request["stream_options"]["include_usage"] == true;
            let reported = plain::of_stream(text).usage.is_some();
            if entry.quirks.usage_unasked && request.is_object() {
                assert!(!asked && reported, "{id}");
                *seen.entry("usage_unasked").or_default() += 1;
            }
        }
        if entry.quirks.random_seed && request.is_object() {
            assert!(request.get("seed").is_none(), "{id}");
            *seen.entry("random_seed").or_default() +=
                usize::from(request.get("random_seed").is_some());
        }
        let (old, new) = ("max_tokens", "max_completion_tokens");
        use pointsman::dialect::quirks::MaxOutputField::*;
        match entry.quirks.max_output_field {
            Legacy => {
                assert!(request.get(new).is_none(), "{id}");
                *seen.entry(old).or_default() += usize::from(request.get(old).is_some());
            }
            Completion => *seen.entry(new).or_default() += usize::from(request.get(new).is_some()),
            Either => {}
        }
        let shape = Request::read(Bytes::from(request.to_string()));
        if let Ok(shape) = &shape {
            let developer =
                shape.object().body().windows(18).any(|window| window == br#""role":"developer""#);
            assert!(!(entry.quirks.no_developer_role && developer), "{id}");
        }
        if let (Some(limit), Ok(request)) = (entry.quirks.max_temperature, &shape) {
            assert!(request.shape().temperature.unwrap_or(0.0) <= f64::from(limit) / 100.0, "{id}");
        }
    }
    for flag in [
        "cerebras",
        "writer",
        "perplexity",
        "usage_unasked",
        "random_seed",
        "max_tokens",
        "max_completion_tokens",
    ] {
        assert!(seen.get(flag).is_some_and(|count| *count > 0), "{flag}: {seen:?}");
    }
}
