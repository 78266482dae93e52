//! `openai.responses`: requests, answers and streams, and what its clients are told of chat.

use bytes::Bytes;
use pointsman::dialect::openai_responses::Request;
use pointsman::dialect::passage::{self, client_side, provider_side};
use pointsman::dialect::shape::{Api, SegmentRole};
use pointsman::dialect::{Dialect, Edits, Quirks};
use serde_json::Value;

use crate::corpus::{self, Body, Exchange};
use crate::harness::{self, Reader};
use crate::{openai_chat, openai_responses_plain as plain};

const READER: Reader = Reader { whole: plain::of_body, stream: plain::of_stream };

#[test]
fn every_recorded_exchange_is_understood() {
    let Some(exchanges) = corpus::load(&["openai.responses"]) else { return };
    let (mut requests, mut complete, mut errors) = (0, 0, 0);
    harness::each(&exchanges, |exchange| {
        if let Some(body) = &exchange.request {
            check_request(exchange, body);
            requests += 1;
        }
        match &exchange.body {
            Body::Json(body) if exchange.status >= 400 => {
                openai_chat::check_error(exchange, body);
                errors += 1;
            }
            _ => {
                let dialect = Dialect::OpenAiResponses;
                let whole = harness::check_answer(exchange, dialect, &Quirks::NONE, &READER);
                complete += usize::from(whole);
            }
        }
    });
    println!("{requests} requests, {complete} complete answers, {errors} errors");
    assert!(requests > 200 && complete > 240 && errors > 10, "the corpus is another one");
}

fn check_request(exchange: &Exchange, body: &Value) {
    let id = &exchange.id;
    for text in [serde_json::to_string(body).unwrap(), serde_json::to_string_pretty(body).unwrap()]
    {
        let bytes = Bytes::from(text);
        let request = Request::read(bytes.clone()).unwrap_or_else(|error| panic!("{id}: {error}"));
        assert_eq!(request.encode(&Edits::default(), &Quirks::NONE).body, bytes, "{id}");
        let shape = request.shape();
        assert_eq!((shape.api, &*shape.model), (Api::Responses, body["model"].as_str().unwrap()));
        assert_eq!(shape.stream, body["stream"] == true);
        assert_eq!(shape.tools as usize, body["tools"].as_array().map_or(0, Vec::len));
        let said = shape.segments.iter().filter(|segment| segment.role != SegmentRole::Tools);
        let said: Vec<String> =
            said.map(|segment| segment.text(&bytes).unwrap().into_owned()).collect();
        for text in plain::said(body) {
            assert!(said.contains(&text), "{id}: {text:?}");
        }
        let edits = Edits { model: Some("other".into()), ..Edits::default() };
        let encoded = request.encode(&edits, &Quirks::NONE);
        let mut expected = body.clone();
        expected["model"] = "other".into();
        assert_eq!(serde_json::from_slice::<Value>(&encoded.body).unwrap(), expected);

        let decoded = request.decode();
        if plain::needs_state(body) {
            assert!(decoded.unwrap_err().what.contains("name a model"), "{id}");
            continue;
        }
        let conversation = decoded.unwrap_or_else(|error| panic!("{id}: {error}"));
        let side = provider_side(Dialect::OpenAiResponses).unwrap();
        let again = side.encode(&conversation, &Quirks::NONE).unwrap();
        let again: Value = serde_json::from_slice(&again.body).unwrap();
        assert_eq!(plain::normal(&again), plain::normal(body), "{id}");
    }
}

/// Chat's answers told to clients that speak Responses, whole and streamed.
#[test]
fn what_chat_answers_is_told_in_responses() {
    let Some(exchanges) = corpus::load(&["openai.chat", "mistral.chat"]) else { return };
    let from = Dialect::OpenAiChat;
    let mut told = 0;
    harness::each(&exchanges, |exchange| {
        if exchange.status >= 400 {
            return;
        }
        let quirks = openai_chat::quirks(exchange);
        match &exchange.body {
            Body::Json(body) => {
                let read = provider_side(from).unwrap().read(body.to_string().as_bytes(), &quirks);
                if let Some(answer) = read.ok().filter(|answer| answer.error.is_none()) {
                    harness::check_clients(exchange, &answer, from);
                    told += 1;
                }
            }
            body => {
                let bytes = harness::bytes_of(body);
                let mut stream = passage::untranslated(from, &quirks).unwrap();
                stream.push(Bytes::from(bytes.clone()));
                if let Ok(answer) = stream.finish() {
                    harness::check_translations(exchange, &bytes, from, &quirks, &answer);
                    told += 1;
                }
            }
        }
    });
    assert!(told > 800, "{told}");
}

/// Kept answers are streamed to clients that want streams, and say the same.
#[test]
fn answers_are_replayed_as_streams() {
    let Some(exchanges) = corpus::load(&["openai.responses"]) else { return };
    let dialect = Dialect::OpenAiResponses;
    harness::each(&exchanges, |exchange| {
        let Body::Json(body) = &exchange.body else { return };
        if exchange.status >= 400 || body["status"] == "queued" {
            return;
        }
        let bytes = body.to_string().into_bytes();
        let pieces = passage::replay(dialect, &bytes, &harness::context()).unwrap();
        let mut stream = passage::untranslated(dialect, &Quirks::NONE).unwrap();
        for piece in pieces {
            stream.push(piece);
        }
        let answer = stream.finish().unwrap();
        let expected = harness::Plain { complete: true, ..plain::of_body(body) };
        let expected = harness::Plain {
            // Usage is written also where there was none.
            usage: expected.usage.or(Some([0; 4])),
            ..expected
        };
        assert_eq!(harness::plain_of(&answer, true), expected, "{}", exchange.id);
        if exchange.provider == "mistralrs" {
            return; // its thinking stands beside the output, and comes as an item of it
        }
        // The items that only this dialect has come back as they were.
        let whole = client_side(dialect).write(&answer, &harness::context());
        let whole: Value = serde_json::from_slice(&whole).unwrap();
        let items = |body: &Value, kinds: [&str; 3]| -> Vec<Value> {
            let items = body["output"].as_array().unwrap().iter();
            let other = |item: &&Value| !kinds.contains(&item["type"].as_str().unwrap());
            items.filter(other).cloned().collect()
        };
        let kinds = ["message", "function_call", "image_generation_call"];
        assert_eq!(items(&whole, kinds), items(body, kinds), "{}", exchange.id);
    });
}
