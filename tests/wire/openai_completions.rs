//! `openai.completions`: requests, answers and streams.

use bytes::Bytes;
use pointsman::dialect::answer::Finish;
use pointsman::dialect::openai_completions::Request;
use pointsman::dialect::quirks::EndMarker;
use pointsman::dialect::shape::Api;
use pointsman::dialect::{Dialect, Edits, Quirks};
use serde_json::{Value, json};

use crate::corpus::{self, Body, Exchange};
use crate::harness::{self, Plain, Reader};
use crate::openai_chat;

fn add(plain: &mut Plain, body: &Value) {
    if let Some(choice) = body["choices"].get(0) {
        plain.text += choice["text"].as_str().unwrap_or("");
        plain.finish = match choice["finish_reason"].as_str() {
            Some("stop") => Some(Finish::Stop),
            Some("length") => Some(Finish::Length),
            _ => plain.finish,
        };
    }
    // Writer's.
    plain.text += body["value"].as_str().unwrap_or("");
    if let Some(usage) = body["usage"].as_object() {
        let count = |name: &str| usage[name].as_u64().unwrap();
        plain.usage = Some([count("prompt_tokens"), count("completion_tokens"), 0, 0]);
    }
}

fn of_body(body: &Value) -> Plain {
    let mut plain = Plain::default();
    add(&mut plain, body);
    plain
}

fn of_stream(events: &[(String, Value)]) -> Plain {
    let mut plain = Plain::default();
    for (_, event) in events {
        plain.complete |= event == "[DONE]";
        add(&mut plain, event);
    }
    plain
}

const READER: Reader = Reader { whole: of_body, stream: of_stream };

#[test]
fn every_recorded_exchange_is_understood() {
    let Some(exchanges) = corpus::load(&["openai.completions"]) else { return };
    let (mut complete, mut errors) = (0, 0);
    harness::each(&exchanges, |exchange| {
        if let Some(body) = &exchange.request {
            check_request(exchange, body);
        }
        match &exchange.body {
            Body::Json(body) if exchange.status >= 400 => {
                openai_chat::check_error(exchange, body);
                errors += 1;
            }
            _ => {
                let quirks = Quirks { end: EndMarker::Done, ..Quirks::NONE };
                let dialect = Dialect::OpenAiCompletions;
                complete += usize::from(harness::check_answer(exchange, dialect, &quirks, &READER));
            }
        }
    });
    // One stream, Writer's, has neither a mark nor a finish reason: it never counts as complete.
    assert_eq!((complete, errors), (exchanges.len() - errors - 1, errors));
}

fn check_request(exchange: &Exchange, body: &Value) {
    let id = &exchange.id;
    let bytes = Bytes::from(body.to_string());
    let request = Request::read(bytes.clone()).unwrap_or_else(|error| panic!("{id}: {error}"));
    assert_eq!(request.encode(&Edits::default(), &Quirks::NONE).body, bytes, "{id}");
    let shape = request.shape();
    assert_eq!((shape.api, &*shape.model), (Api::Completions, body["model"].as_str().unwrap()));
    assert_eq!(shape.stream, body["stream"] == true);
    let texts: Vec<String> =
        shape.segments.iter().map(|it| it.text(&bytes).unwrap().into_owned()).collect();
    let text = match &body["prompt"] {
        Value::String(text) => text,
        Value::Array(items) if items.len() == 1 => items[0].as_str().unwrap(),
        _ => {
            assert!(request.decode().unwrap_err().what.contains("prompt"), "{id}");
            return;
        }
    };
    assert_eq!(texts, [text], "{id}");

    // Nothing can be translated into this dialect; chat is told the same.
    let conversation = request.decode().unwrap_or_else(|error| panic!("{id}: {error}"));
    let chat = pointsman::dialect::passage::provider_side(Dialect::OpenAiChat).unwrap();
    let encoded = chat.encode(&conversation, &Quirks::NONE).unwrap();
    let encoded: Value = serde_json::from_slice(&encoded.body).unwrap();
    assert_eq!(encoded["messages"], json!([{"role": "user", "content": text}]), "{id}");
    for name in ["model", "max_tokens", "stream", "user"] {
        let said = |body: &Value| body[name].clone();
        if !body[name].is_null() && body[name] != false {
            assert_eq!(said(&encoded), said(body), "{id}: {name}");
        }
    }
}
