//! `gemini.generate` at the Gemini API and at Vertex AI: requests, answers, streams and errors.

use std::collections::BTreeMap;
use std::time::SystemTime;

use bytes::Bytes;
use pointsman::dialect::answer::{Answer, Finish};
use pointsman::dialect::edits::{Change, Param, ParamValue, PromptEdit};
use pointsman::dialect::error::UpstreamError;
use pointsman::dialect::framing::Wire;
use pointsman::dialect::gemini_generate::{Request, stream};
use pointsman::dialect::passage;
use pointsman::dialect::shape::SegmentRole;
use pointsman::dialect::{Dialect, Edits, Quirks, StreamEnd};
use pointsman::error_class::ErrorClass;
use serde_json::{Value, json};

use crate::corpus::{self, Body, Exchange};
use crate::gemini_plain::{self as plain, READER, normal};
use crate::harness;

const DIALECT: Dialect = Dialect::GeminiGenerate;

fn read(exchange: &Exchange, bytes: Bytes) -> Request {
    let model = exchange.path.split("models/").nth(1).and_then(|rest| rest.split(':').next());
    let streams = exchange.api == "gemini.stream";
    let read = Request::read(bytes, model.unwrap_or_default(), streams);
    let request = read.unwrap_or_else(|error| panic!("{}: {error}", exchange.id));
    assert_eq!(request.shape().stream, streams, "{}", exchange.id);
    assert_eq!(request.shape().model, model.unwrap_or_default(), "{}", exchange.id);
    request
}

#[test]
fn every_recorded_request_is_understood() {
    let apis = ["gemini.generate", "gemini.stream", "gemini.count_tokens"];
    let Some(exchanges) = corpus::load(&apis) else { return };
    let mut count = 0;
    harness::each(&exchanges, |exchange| {
        let Some(body) = &exchange.request else { return };
        count += 1;
        for text in
            [serde_json::to_string(body).unwrap(), serde_json::to_string_pretty(body).unwrap()]
        {
            let bytes = Bytes::from(text);
            let request = read(exchange, bytes.clone());
            let encoded = request.encode(&Edits::default(), &Quirks::NONE);
            assert_eq!(encoded.body, bytes);
            check_shape(&request, body, &bytes);
            check_round(&request, body, &exchange.id);
        }
    });
    assert!(count > 240, "{count}");
}

fn check_shape(request: &Request, body: &Value, bytes: &Bytes) {
    let body = if body["generateContentRequest"].is_object() {
        &body["generateContentRequest"]
    } else {
        body
    };
    let shape = request.shape();
    let texts: Vec<String> = shape
        .segments
        .iter()
        .filter(|segment| segment.role != SegmentRole::Tools)
        .map(|segment| segment.text(bytes).unwrap().into_owned())
        .collect();
    for text in plain::said(body) {
        assert!(texts.contains(&text), "{text:?}");
    }
    let contents = body["contents"].as_array().unwrap();
    let system = usize::from(plain::instructions(body).is_some());
    assert_eq!(shape.messages as usize, contents.len() + system);
    assert_eq!(shape.has_system, system > 0);
    assert_eq!(shape.tools as usize, plain::tools(body).len());
    let last = shape.segments.iter().filter(|segment| segment.role == SegmentRole::LastUser);
    assert_eq!(last.count() > 0, plain::asks_in_words(body));
}

/// Through the neutral form and back.
fn check_round(request: &Request, body: &Value, id: &str) {
    let conversation = request.decode().unwrap();
    let side = passage::provider_side(DIALECT).unwrap();
    let encoded = side.encode(&conversation, &Quirks::NONE).unwrap();
    let again: Value = serde_json::from_slice(&encoded.body).unwrap();
    let body = if body["generateContentRequest"].is_object() {
        &body["generateContentRequest"]
    } else {
        body
    };
    let (is, should) = (normal(&again), normal(body));
    for name in is.as_object().unwrap().keys().chain(should.as_object().unwrap().keys()) {
        let (is, should) = (&is[name], &should[name]);
        assert_eq!(is, should, "{id}: {name}\n{is:#}\n{should:#}");
    }
}

#[test]
fn every_recorded_answer_is_read_and_told_to_every_client() {
    let Some(exchanges) = corpus::load(&["gemini.generate", "gemini.stream"]) else { return };
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    harness::each(&exchanges, |exchange| {
        let kind = match &exchange.body {
            body if exchange.status >= 400 => {
                check_error(exchange, body);
                "errors"
            }
            Body::Json(Value::Array(items)) => {
                check_array(exchange, items);
                "arrays"
            }
            body => {
                let complete = harness::check_answer(exchange, DIALECT, &Quirks::NONE, &READER);
                assert!(complete, "{}", exchange.id);
                if matches!(body, Body::Sse(_)) { "streams" } else { "answers" }
            }
        };
        *counts.entry(kind).or_default() += 1;
    });
    println!("{counts:?}");
    let expected = [("answers", 164), ("arrays", 6), ("errors", 29), ("streams", 62)];
    assert_eq!(counts, BTreeMap::from(expected));
}

fn check_error(exchange: &Exchange, body: &Body) {
    let Body::Json(body) = body else { panic!("{}: no JSON", exchange.id) };
    let text = body.to_string();
    let error = UpstreamError::from_response(
        exchange.status,
        &exchange.headers,
        text.as_bytes(),
        SystemTime::UNIX_EPOCH,
    );
    let message = body["error"]["message"].as_str().unwrap();
    assert!(error.message.starts_with(message), "{}: {error:?}", exchange.id);
    use ErrorClass::*;
    let class = match message {
        text if text.contains("API key not valid") || text.contains("API Key not found") => Auth,
        text if text.contains("input token count") => ContextExceeded,
        text if text.contains("not supported") => Unsupported,
        _ => BadRequest,
    };
    assert_eq!(error.class, class, "{}: {error:?}", exchange.id);
}

/// A stream that is one JSON array comes to the same as its events.
fn check_array(exchange: &Exchange, items: &[Value]) {
    let id = &exchange.id;
    let events: Vec<_> = items.iter().map(|item| (String::new(), item.clone())).collect();
    let expected = (READER.stream)(&events);
    let text = serde_json::to_string_pretty(&Value::from(items)).unwrap();
    let run = |text: &str, size: usize| {
        let mut machine = stream(Wire::Array, Quirks::NONE);
        let mut events = Vec::new();
        for chunk in text.as_bytes().chunks(size) {
            events.extend(machine.push(Bytes::copy_from_slice(chunk)));
        }
        (events.len(), machine.finish())
    };
    let (count, end) = run(&text, text.len());
    assert_eq!(count, items.len(), "{id}");
    assert_eq!(harness::plain_of(end.as_ref().unwrap(), true), expected, "{id}");
    for size in [1, 3, 1000] {
        assert_eq!(run(&text, size).1, end, "{id} in chunks of {size}");
    }
    let last = text.rfind("\"candidates\"").unwrap();
    let (_, cut) = run(&text[..last], 1000);
    assert!(matches!(cut, Err(StreamEnd::Truncated(_))), "{id}");
}

/// Answers of other providers, as Gemini's clients are told of them.
#[test]
fn answers_of_other_dialects_reach_clients_of_this_one() {
    let Some(exchanges) = corpus::load(&["openai.chat", "mistral.chat"]) else { return };
    let side = passage::provider_side(Dialect::OpenAiChat).unwrap();
    let (mut wholes, mut streams) = (0, 0);
    harness::each(&exchanges, |exchange| match &exchange.body {
        _ if exchange.status >= 400 => {}
        Body::Json(body) => {
            let Ok(answer) = side.read(body.to_string().as_bytes(), &Quirks::NONE) else { return };
            if answer.error.is_some() {
                return;
            }
            wholes += 1;
            let written = passage::whole(DIALECT, &answer, &harness::context());
            check_told(&answer, &written, &exchange.id);
        }
        Body::Sse(text) => {
            let quirks =
                Quirks { end: pointsman::dialect::quirks::EndMarker::Either, ..Quirks::NONE };
            let writer = passage::client_side(DIALECT).writer(&harness::context());
            let mut machine =
                passage::untranslated(Dialect::OpenAiChat, &quirks).unwrap().translated(writer);
            let mut out = Vec::new();
            for event in machine.push(Bytes::copy_from_slice(text.as_bytes())) {
                out.extend_from_slice(&event.raw);
            }
            let before_end = out.len();
            out.extend_from_slice(&machine.translated_end().unwrap());
            let Ok(answer) = machine.finish() else { return };
            streams += 1;
            let run = |bytes: &[u8]| {
                let mut machine = stream(Wire::Sse, Quirks::NONE);
                machine.push(Bytes::copy_from_slice(bytes));
                machine.finish()
            };
            assert!(run(&out[..before_end]).is_err(), "{}", exchange.id);
            let again = run(&out).unwrap();
            compare(&answer, &again, &format!("{} {}", exchange.id, String::from_utf8_lossy(&out)));
        }
        _ => {}
    });
    println!("{wholes} answers, {streams} streams");
    assert!(wholes > 500 && streams > 250);
}

fn check_told(answer: &Answer, written: &[u8], id: &str) {
    let side = passage::provider_side(DIALECT).unwrap();
    let again = side.read(written, &Quirks::NONE).unwrap();
    compare(answer, &again, &format!("{id} {}", String::from_utf8_lossy(written)));
}

fn compare(answer: &Answer, again: &Answer, id: &str) {
    assert_eq!(answer.choices.len(), again.choices.len(), "{id}");
    for (was, is) in answer.choices.iter().zip(&again.choices) {
        assert_eq!(is.text(), format!("{}{}", was.text(), was.refusal()), "{id}");
        assert_eq!(is.reasoning(), was.reasoning(), "{id}");
        let calls = |choice: &pointsman::dialect::answer::Choice| {
            let calls = choice.tool_calls().map(|call| {
                let arguments = harness::arguments(&call.arguments);
                (call.id.to_string(), call.name.to_string(), arguments, call.free_form)
            });
            calls.collect::<Vec<_>>()
        };
        assert_eq!(calls(is), calls(was), "{id}");
        assert_eq!(is.logprobs.tokens.len(), was.logprobs.tokens.len(), "{id}");
        let cut = |finish| matches!(finish, Some(Finish::Length | Finish::ContextFull));
        assert_eq!(cut(is.finish), cut(was.finish), "{id}");
        let signed = |choice: &pointsman::dialect::answer::Choice| {
            let signed = choice.parts.iter().filter(|part| part.signature.is_some());
            signed.map(|part| part.signature.clone().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(signed(is), signed(was), "{id}");
    }
    let figures = |answer: &Answer| {
        let it = &answer.usage;
        [it.prompt(), it.completion(), it.cache_read, it.reasoning, it.audio_in, it.audio_out]
    };
    assert_eq!(figures(again), figures(answer), "{id}");
}

/// Requests of OpenAI's clients, as Google is told of them.
#[test]
fn requests_of_other_dialects_are_written_for_google() {
    let Some(exchanges) = corpus::load(&["openai.chat"]) else { return };
    let (mut count, mut impossible) = (0, 0);
    harness::each(&exchanges, |exchange| {
        let Some(body) = &exchange.request else { return };
        let bytes = Bytes::from(body.to_string());
        let Ok(request) = pointsman::dialect::openai_chat::Request::read(bytes) else { return };
        let side = passage::provider_side(DIALECT).unwrap();
        let encoded = match side.encode(&request.decode().unwrap(), &Quirks::NONE) {
            Ok(encoded) => encoded,
            Err(error) => {
                assert!(error.what.contains("another provider's store"), "{error}");
                impossible += 1;
                return;
            }
        };
        count += 1;
        let again: Value = serde_json::from_slice(&encoded.body).unwrap();
        let contents = again["contents"].as_array().unwrap();
        assert_eq!(contents[0]["role"], "user", "{again}");
        for content in contents {
            assert!(!content["parts"].as_array().unwrap().is_empty(), "{again}");
        }
        // What we write we read, and it says the same when it is written again.
        let read = Request::read(encoded.body.clone(), "m", false).unwrap();
        let twice = side.encode(&read.decode().unwrap(), &Quirks::NONE).unwrap();
        let twice: Value = serde_json::from_slice(&twice.body).unwrap();
        assert_eq!(normal(&twice), normal(&again), "{}", exchange.id);
    });
    println!("{count} requests, {impossible} with files of another store");
    assert!(count > 700, "{count}");
}

#[test]
fn a_mid_stream_error_fails_the_stream() {
    let error = json!({"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}});
    let first = json!({"candidates": [{"content": {"parts": [{"text": "a"}]}, "index": 0}]});
    let text = format!("data: {first}\r\n\r\ndata: {error}\r\n\r\n");
    let mut machine = stream(Wire::Sse, Quirks::NONE);
    machine.push(Bytes::from(text));
    let Err(StreamEnd::Failed(error, answer)) = machine.finish() else { panic!("no failure") };
    assert_eq!((error.class, &*answer.choices[0].text()), (ErrorClass::Overloaded, "a"));
}

/// Whatever is put in the place of some bytes, nothing panics, and what is read can be written.
#[test]
fn broken_bodies_never_panic() {
    let Some(exchanges) = corpus::load(&["gemini.generate", "gemini.stream"]) else { return };
    let side = passage::provider_side(DIALECT).unwrap();
    let edits = Edits {
        logprobs: true,
        params: vec![(Param::Reasoning, Change::Replace(ParamValue::Text("low".into())))],
        prompt: vec![PromptEdit::Append("more".into())],
        ..Edits::default()
    };
    let mut read = 0;
    for (index, exchange) in exchanges.iter().enumerate() {
        for round in 0..12 {
            let spoil = |text: String| {
                let mut bytes = text.into_bytes();
                let at = (index * 7919 + round * 104_729) % bytes.len();
                let with: &[u8] =
                    [&b"{"[..], b"]", b"\"", b"null", b"1", b",", b"\xff", b""][round % 8];
                let end = (at + round % 3).min(bytes.len());
                bytes.splice(at..end, with.iter().copied());
                bytes
            };
            if let Some(request) = &exchange.request {
                let bytes = Bytes::from(spoil(request.to_string()));
                if let Ok(request) = Request::read(bytes, "m", false) {
                    read += 1;
                    let spliced = request.encode(&edits, &Quirks::NONE).body;
                    assert!(serde_json::from_slice::<Value>(&spliced).is_ok(), "{}", exchange.id);
                    if let Ok(encoded) = side.encode(&request.decode().unwrap(), &Quirks::NONE) {
                        let valid = serde_json::from_slice::<Value>(&encoded.body).is_ok();
                        assert!(valid, "{}", exchange.id);
                    }
                }
            }
            match &exchange.body {
                Body::Json(body) => {
                    if let Ok(answer) = side.read(&spoil(body.to_string()), &Quirks::NONE) {
                        let written = passage::whole(DIALECT, &answer, &harness::context());
                        assert!(serde_json::from_slice::<Value>(&written).is_ok());
                    }
                }
                Body::Sse(text) => {
                    let writer =
                        passage::client_side(Dialect::OpenAiChat).writer(&harness::context());
                    let mut machine = stream(Wire::Sse, Quirks::NONE).translated(writer);
                    machine.push(Bytes::from(spoil(text.clone())));
                    let _ = machine.finish();
                }
                _ => {}
            }
        }
    }
    assert!(read > 500, "{read}");
}
