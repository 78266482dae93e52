//! `anthropic.messages`: Anthropic itself, and Anthropic's models on Vertex AI.

use std::time::SystemTime;

use bytes::Bytes;
use pointsman::dialect::answer::{Answer, Finish};
use pointsman::dialect::anthropic_messages::Request;
use pointsman::dialect::error::UpstreamError;
use pointsman::dialect::passage;
use pointsman::dialect::shape::{Api, SegmentRole};
use pointsman::dialect::{Dialect, Edits, Quirks, StreamEnd};
use pointsman::error_class::ErrorClass;
use serde_json::{Value, json};

use crate::corpus::{self, Body, Exchange};
use crate::harness::{self, Plain, Reader};

const READER: Reader = Reader { whole, stream };

#[test]
fn every_recorded_exchange_is_understood() {
    let apis = ["anthropic.messages", "anthropic.vertex"];
    let Some(mut exchanges) = corpus::load(&apis) else { return };
    for exchange in &mut exchanges {
        // The recorder put two answers of one conversation one behind the other.
        if exchange.id == "anthropic-anthropic.messages-stream-012f5149ff"
            && let Body::Sse(text) = &mut exchange.body
        {
            let second = text.rfind("event: message_start").unwrap();
            assert!(second > 0);
            text.truncate(second);
        }
    }
    let (mut requests, mut complete, mut errors) = (0, 0, 0);
    harness::each(&exchanges, |exchange| {
        if let Some(body) = &exchange.request {
            check_request(exchange, body, Request::read);
            requests += 1;
        }
        if exchange.status >= 400 {
            check_error(exchange);
            errors += 1;
            return;
        }
        let dialect = Dialect::AnthropicMessages;
        if harness::check_answer(exchange, dialect, &Quirks::NONE, &READER) {
            check_rewritten(exchange);
            complete += 1;
        }
    });
    println!("{requests} requests, {complete} complete answers, {errors} errors");
    assert_eq!(requests, 223);
    // All that are no errors are complete ones.
    assert_eq!((complete, errors), (222, 17));
}

#[test]
fn requests_for_counting_need_no_limit() {
    let Some(exchanges) = corpus::load(&["anthropic.count_tokens"]) else { return };
    harness::each(&exchanges, |exchange| {
        let body = exchange.request.as_ref().unwrap();
        let bytes = Bytes::from(body.to_string());
        assert_eq!(Request::read(bytes).unwrap_err().param.as_deref(), Some("max_tokens"));
        check_request(exchange, body, Request::read_count);
        if exchange.status >= 400 {
            check_error(exchange);
        }
    });
    assert_eq!(exchanges.len(), 8);
}

fn check_request(
    exchange: &Exchange,
    body: &Value,
    read: fn(Bytes) -> Result<Request, pointsman::dialect::ReadError>,
) {
    let id = &exchange.id;
    let mut body = body.clone();
    if exchange.api == "anthropic.vertex" {
        // There the model is in the URL.
        let model = exchange.path.split("/models/").nth(1).unwrap().split(':').next().unwrap();
        body["model"] = model.into();
    }
    let bytes = Bytes::from(serde_json::to_string_pretty(&body).unwrap());
    let request = read(bytes.clone()).unwrap_or_else(|error| panic!("{id}: {error}"));
    let untouched = request.encode(&Edits::default(), &Quirks::NONE);
    assert_eq!((untouched.body, untouched.losses.len()), (bytes.clone(), 0), "{id}");

    let shape = request.shape();
    assert_eq!(shape.api, Api::Messages);
    assert_eq!(shape.model, body["model"]);
    assert_eq!(shape.stream, body["stream"] == true);
    assert_eq!(shape.messages as usize, body["messages"].as_array().unwrap().len());
    assert_eq!(shape.tools as usize, body["tools"].as_array().map_or(0, Vec::len));
    let texts: Vec<String> = shape
        .segments
        .iter()
        .filter(|segment| segment.role != SegmentRole::Tools)
        .map(|segment| segment.text(&bytes).unwrap().into_owned())
        .collect();
    for text in said(&body["system"]).into_iter().chain(said(&body["messages"])) {
        assert!(texts.contains(&text), "{id}: {text:?} is in no segment");
    }

    let conversation = request.decode().unwrap();
    let side = passage::provider_side(Dialect::AnthropicMessages).unwrap();
    let again = side.encode(&conversation, &Quirks::NONE).unwrap();
    let mut again: Value = serde_json::from_slice(&again.body).unwrap();
    if body.get("max_tokens").is_none() {
        again.as_object_mut().unwrap().remove("max_tokens");
    }
    let (again, expected) = (normal(again), normal(body.clone()));
    assert_eq!(again, expected, "{id}");
    if exchange.api == "anthropic.vertex" {
        // And so it is not in the body, whichever way that was made.
        let recorded = normal(exchange.request.clone().unwrap());
        let quirks = Quirks { model_in_path: true, ..Quirks::NONE };
        let spliced = request.encode(&Edits::default(), &quirks).body;
        let encoded = side.encode(&conversation, &quirks).unwrap().body;
        // What another dialect's client says has no version of its own.
        body.as_object_mut().unwrap().remove("anthropic_version");
        let plain = read(Bytes::from(body.to_string())).unwrap();
        let foreign = side.encode(&plain.decode().unwrap(), &quirks).unwrap().body;
        for sent in [spliced, encoded, foreign] {
            assert_eq!(normal(serde_json::from_slice(&sent).unwrap()), recorded, "{id}");
        }
    }
}

fn read_stream(dialect: Dialect, quirks: &Quirks, bytes: Vec<u8>) -> Result<Answer, StreamEnd> {
    let mut machine = passage::untranslated(dialect, quirks).unwrap();
    machine.push(Bytes::from(bytes));
    machine.finish()
}

/// An answer that was kept goes out whole or as a stream, whichever way it came in: it must say the
/// same, down to the provider's own blocks.
fn check_rewritten(exchange: &Exchange) {
    let (id, dialect) = (&exchange.id, Dialect::AnthropicMessages);
    let context = harness::context();
    let side = passage::provider_side(dialect).unwrap();
    let bytes = harness::bytes_of(&exchange.body);
    match &exchange.body {
        Body::Json(_) => {
            let answer = side.read(&bytes, &Quirks::NONE).unwrap();
            let pieces = passage::replay(dialect, &bytes, &context).unwrap().concat();
            let again = read_stream(dialect, &Quirks::NONE, pieces).unwrap();
            assert_eq!(again, said_only(answer), "{id}");
        }
        _ => {
            let answer = read_stream(dialect, &Quirks::NONE, bytes).unwrap();
            let written = passage::whole(dialect, &answer, &context);
            let again = side.read(&written, &Quirks::NONE).unwrap();
            assert_eq!(again, said_only(answer), "{id}");
        }
    }
}

/// Without the texts that say nothing: they are not written, since they would be refused if they
/// were sent back.
fn said_only(mut answer: Answer) -> Answer {
    for choice in &mut answer.choices {
        choice.parts.retain(|part| !part.is_blank());
    }
    answer
}

/// What other providers answer, written for clients of this dialect.
#[test]
fn answers_of_openais_imitators_can_be_said_here() {
    let Some(exchanges) = corpus::load(&["openai.chat", "mistral.chat"]) else { return };
    let (from, to) = (Dialect::OpenAiChat, Dialect::AnthropicMessages);
    let side = passage::provider_side(to).unwrap();
    let mut said = 0;
    harness::each(&exchanges, |exchange| {
        if exchange.status >= 400 {
            return;
        }
        let quirks = crate::openai_chat::quirks(exchange);
        let (bytes, context) = (harness::bytes_of(&exchange.body), harness::context());
        let (answer, again, written) = match &exchange.body {
            Body::Json(_) => {
                let read = passage::provider_side(from).unwrap().read(&bytes, &quirks);
                let answer = read.unwrap();
                let written = passage::whole(to, &answer, &context);
                (answer, side.read(&written, &Quirks::NONE).unwrap(), written.to_vec())
            }
            _ => {
                let Ok(answer) = read_stream(from, &quirks, bytes.clone()) else { return };
                let writer = passage::client_side(to).writer(&context);
                let mut machine = passage::untranslated(from, &quirks).unwrap().translated(writer);
                let events = machine.push(Bytes::from(bytes));
                let mut out: Vec<u8> = events.iter().flat_map(|event| event.raw.to_vec()).collect();
                out.extend(machine.last_event().into_iter().flat_map(|event| event.raw));
                out.extend_from_slice(&machine.translated_end().unwrap());
                let again = read_stream(to, &Quirks::NONE, out.clone()).unwrap();
                (answer, again, out)
            }
        };
        if answer.choices.is_empty() || answer.error.is_some() {
            return;
        }
        let mut expected = harness::essence(&answer, to);
        let calls = answer.primary().into_iter().flat_map(|choice| choice.tool_calls());
        for (call, (_, _, arguments)) in calls.zip(&mut expected.calls) {
            // Arguments are always an object: nothing is an empty one, free text stands in one.
            if arguments.is_null() {
                *arguments = json!({});
            } else if call.free_form && !arguments.is_object() {
                *arguments = json!({"input": arguments.take()});
            }
        }
        let shown = || String::from_utf8_lossy(&written).into_owned();
        assert_eq!(harness::essence(&again, to), expected, "{}: {}", exchange.id, shown());
        said += 1;
    });
    println!("{said} answers");
    assert!(said > 800, "{said}");
}

/// Everything that was said in words.
fn said(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(said).collect(),
        Value::Object(members) => members
            .iter()
            .filter(|(name, _)| matches!(name.as_str(), "text" | "thinking" | "content" | "input"))
            .flat_map(|(_, value)| said(value))
            .collect(),
        _ => Vec::new(),
    }
}

/// One spelling for what can be said in several ways.
fn normal(value: Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(items) => Value::Array(items.into_iter().map(normal).collect()),
        Value::Object(members) => {
            let mut members: serde_json::Map<String, Value> = members
                .into_iter()
                .filter(|(name, value)| {
                    let default = match name.as_str() {
                        "is_error" | "stream" | "disable_parallel_tool_use" => json!(false),
                        "ttl" => json!("5m"),
                        "system" => json!([]),
                        _ => Value::Null,
                    };
                    *value != default
                })
                .map(|(name, value)| (name, normal(value)))
                .collect();
            for name in ["content", "system"] {
                // A string is one block of text.
                if let Some(Value::String(text)) = members.get(name) {
                    members.insert(name.into(), json!([{"type": "text", "text": text}]));
                }
            }
            Value::Object(members)
        }
        value => value,
    }
}

fn check_error(exchange: &Exchange) {
    let Body::Json(body) = &exchange.body else { panic!("{}: an odd error", exchange.id) };
    let error = UpstreamError::from_response(
        exchange.status,
        &exchange.headers,
        body.to_string().as_bytes(),
        SystemTime::UNIX_EPOCH,
    );
    use ErrorClass::*;
    let sensible: &[ErrorClass] = match exchange.status {
        400 => &[BadRequest, Unsupported, ContextExceeded],
        401 => &[Auth],
        404 => &[BadRequest],
        _ => &[],
    };
    assert!(sensible.contains(&error.class), "{}: {error:?}", exchange.id);
    assert_eq!(error.message, body["error"]["message"], "{}", exchange.id);
    assert_eq!(error.code, body["error"]["type"], "{}", exchange.id);
}

fn finish(reason: &Value) -> Option<Finish> {
    Some(match reason.as_str()? {
        "end_turn" | "stop_sequence" => Finish::Stop,
        "max_tokens" => Finish::Length,
        "tool_use" => Finish::ToolCalls,
        other => panic!("a stop reason that was not recorded: {other}"),
    })
}

fn usage(counts: &Value) -> Option<[u64; 4]> {
    let count = |name: &str| counts[name].as_u64().unwrap_or(0);
    let prompt = count("input_tokens")
        + count("cache_creation_input_tokens")
        + count("cache_read_input_tokens");
    let thinking = counts["output_tokens_details"]["thinking_tokens"].as_u64().unwrap_or(0);
    let figures = [prompt, count("output_tokens"), count("cache_read_input_tokens"), thinking];
    counts.is_object().then_some(figures)
}

fn whole(body: &Value) -> Plain {
    let mut plain = Plain {
        finish: finish(&body["stop_reason"]),
        usage: usage(&body["usage"]),
        error: body["type"] == "error",
        ..Plain::default()
    };
    for block in body["content"].as_array().into_iter().flatten() {
        match block["type"].as_str().unwrap() {
            "text" => plain.text.push_str(block["text"].as_str().unwrap()),
            "thinking" => plain.thinking.push_str(block["thinking"].as_str().unwrap()),
            "tool_use" => plain.calls.push((
                block["id"].as_str().unwrap().to_owned(),
                block["name"].as_str().unwrap().to_owned(),
                block["input"].clone(),
            )),
            _ => {}
        }
    }
    plain
}

fn stream(events: &[(String, Value)]) -> Plain {
    let mut message = Value::Null;
    let mut inputs: Vec<String> = Vec::new();
    let (mut complete, mut error) = (false, false);
    for (name, event) in events {
        assert_eq!(event["type"], **name);
        let index = event["index"].as_u64().unwrap_or(0) as usize;
        match name.as_str() {
            "message_start" => message = event["message"].clone(),
            "content_block_start" => {
                let content = message["content"].as_array_mut().unwrap();
                assert_eq!(content.len(), index);
                content.push(event["content_block"].clone());
                inputs.push(String::new());
            }
            "content_block_delta" => {
                let (delta, block) = (&event["delta"], &mut message["content"][index]);
                for field in ["text", "thinking"] {
                    if let Some(more) = delta[field].as_str() {
                        block[field] = (block[field].as_str().unwrap().to_owned() + more).into();
                    }
                }
                inputs[index].push_str(delta["partial_json"].as_str().unwrap_or_default());
            }
            "message_delta" => {
                message["stop_reason"] = event["delta"]["stop_reason"].clone();
                for (name, count) in event["usage"].as_object().unwrap() {
                    message["usage"][name] = count.clone();
                }
            }
            "message_stop" => complete = true,
            "error" => error = true,
            _ => {}
        }
    }
    for (index, input) in inputs.iter().enumerate() {
        if message["content"][index]["type"] == "tool_use" {
            message["content"][index]["input"] = harness::arguments(input);
        }
    }
    Plain { complete, error, ..whole(&message) }
}
