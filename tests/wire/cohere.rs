//! `cohere.chat`, version 2: answers, streams, errors.

use pointsman::dialect::answer::Finish;
use pointsman::dialect::{Dialect, Quirks};
use pointsman::error_class::ErrorClass;
use serde_json::{Value, json};

use crate::corpus::{self, Body};
use crate::harness::{self, Plain, Reader, arguments};
use crate::requests;

const READER: Reader = Reader { whole, stream };

#[test]
fn every_recorded_answer_is_understood() {
    let Some(exchanges) = corpus::load(&["cohere.chat"]) else { return };
    let (mut answers, mut streams, mut errors) = (0, 0, 0);
    harness::each(&exchanges, |exchange| {
        if exchange.status >= 400 {
            harness::check_error(exchange, |error, body| {
                assert_eq!((error.class, exchange.status), (ErrorClass::Auth, 401));
                assert_eq!(error.message, body["message"].as_str().unwrap());
            });
            errors += 1;
            return;
        }
        let complete = harness::check_answer(exchange, Dialect::CohereChat, &Quirks::NONE, &READER);
        assert!(complete, "{} is not complete", exchange.id);
        match exchange.body {
            Body::Sse(_) => streams += 1,
            _ => answers += 1,
        }
    });
    println!("cohere.chat: {answers} answers, {streams} streams, {errors} errors");
    assert!(answers >= 32 && streams >= 13 && errors >= 1);
}

fn finish(reason: &Value) -> Option<Finish> {
    Some(match reason.as_str()? {
        "COMPLETE" | "STOP_SEQUENCE" => Finish::Stop,
        "TOOL_CALL" => Finish::ToolCalls,
        "MAX_TOKENS" => Finish::Length,
        other => panic!("{other}"),
    })
}

fn usage(usage: &Value) -> Option<[u64; 4]> {
    let count = |name: &str| usage["tokens"][name].as_u64().unwrap_or(0);
    let cached = usage["cached_tokens"].as_u64().unwrap_or(0);
    let prompt = count("input_tokens") + count("image_tokens");
    let figures = [prompt, count("output_tokens"), cached, count("reasoning_tokens")];
    usage.is_object().then_some(figures)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn call(call: &Value) -> (String, String, Value) {
    let function = &call["function"];
    let said = match text(&function["arguments"]) {
        "null" => "{}",
        said => said,
    };
    (text(&call["id"]).to_owned(), text(&function["name"]).to_owned(), arguments(said))
}

fn whole(body: &Value) -> Plain {
    let message = &body["message"];
    let list = |name: &str| message[name].as_array().into_iter().flatten();
    let said = |name: &str| list("content").map(|part| text(&part[name])).collect::<String>();
    Plain {
        text: said("text") + text(&message["tool_plan"]),
        thinking: said("thinking"),
        calls: list("tool_calls").map(call).collect(),
        finish: finish(&body["finish_reason"]),
        usage: usage(&body["usage"]),
        error: !message.is_object(),
        ..Plain::default()
    }
}

fn stream(events: &[(String, Value)]) -> Plain {
    let mut plain = Plain::default();
    let mut pieces: Vec<String> = Vec::new();
    for (name, data) in events {
        let (delta, message) = (&data["delta"], &data["delta"]["message"]);
        match name.as_str() {
            "content-start" | "content-delta" => {
                plain.text.push_str(text(&message["content"]["text"]));
                plain.thinking.push_str(text(&message["content"]["thinking"]));
            }
            "tool-plan-delta" => plain.text.push_str(text(&message["tool_plan"])),
            "tool-call-start" => {
                plain.calls.push(call(&message["tool_calls"]));
                pieces.push(text(&message["tool_calls"]["function"]["arguments"]).to_owned());
            }
            "tool-call-delta" => {
                let piece = text(&message["tool_calls"]["function"]["arguments"]);
                pieces[data["index"].as_u64().unwrap() as usize].push_str(piece);
            }
            "message-end" => {
                plain.finish = finish(&delta["finish_reason"]);
                plain.usage = usage(&delta["usage"]);
                plain.complete = true;
            }
            _ => {}
        }
    }
    for (call, piece) in plain.calls.iter_mut().zip(pieces) {
        call.2 = arguments(if piece == "null" { "{}" } else { &piece });
    }
    plain
}

#[test]
fn requests_are_sent_as_they_were_recorded() {
    let Some(exchanges) = corpus::load(&["cohere.chat"]) else { return };
    let mut compared = 0;
    harness::each(&exchanges, |exchange| {
        compared += usize::from(requests::check(exchange, Dialect::CohereChat, chat, plain));
    });
    println!("cohere.chat: {compared} requests");
    assert!(compared >= 38);
}

/// The same request in `openai.chat`.
fn chat(_: &corpus::Exchange, it: &Value) -> Option<Value> {
    let messages = it["messages"].as_array()?.iter().map(|message| {
        let mut message = message.clone();
        if let Some(parts) = message["content"].as_array_mut() {
            let thought = parts.iter().find(|part| part["type"] == "thinking").cloned();
            parts.retain(|part| part["type"] != "thinking");
            if let Some(thought) = thought {
                message["reasoning_content"] = thought["thinking"].clone();
            }
        }
        message
    });
    let format = match &it["response_format"]["json_schema"] {
        Value::Null => Value::Null,
        schema => json!({"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}),
    };
    let choice = it["tool_choice"].as_str().map(str::to_lowercase);
    let reasoning =
        it["thinking"].as_object().map(|it| json!({"enabled": it["type"] == "enabled"}));
    Some(json!({
        "model": it["model"], "messages": messages.collect::<Vec<_>>(), "stream": it["stream"],
        "tools": it["tools"], "tool_choice": choice, "response_format": format,
        "temperature": it["temperature"], "max_tokens": it["max_tokens"], "seed": it["seed"],
        "stop": it["stop_sequences"], "reasoning": reasoning, "documents": it["documents"],
    }))
}

fn plain(it: Value) -> Value {
    let mut it = requests::without_empties(it);
    for message in it["messages"].as_array_mut().unwrap() {
        let words = match message["content"].as_array().map(Vec::as_slice) {
            Some([part]) if part["type"] == "text" => part["text"].clone(),
            _ => continue,
        };
        message["content"] = if words == "" { Value::Null } else { words };
    }
    it["stream"] = it["stream"].as_bool().unwrap_or(false).into();
    requests::without_empties(it)
}
