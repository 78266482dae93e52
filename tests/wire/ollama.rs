//! `ollama.chat`: answers, streams of lines, errors.

use pointsman::dialect::answer::Finish;
use pointsman::dialect::{Dialect, Quirks};
use pointsman::error_class::ErrorClass;
use serde_json::{Value, json};

use crate::corpus::{self, Body};
use crate::harness::{self, Plain, Reader};
use crate::requests;

const READER: Reader = Reader { whole, stream };

#[test]
fn every_recorded_answer_is_understood() {
    let Some(exchanges) = corpus::load(&["ollama.chat"]) else { return };
    let (mut answers, mut streams, mut errors) = (0, 0, 0);
    harness::each(&exchanges, |exchange| {
        if exchange.status >= 400 {
            harness::check_error(exchange, |error, body| {
                assert_eq!((error.class, exchange.status), (ErrorClass::BadRequest, 404));
                assert_eq!(error.message, body["error"].as_str().unwrap());
            });
            errors += 1;
            return;
        }
        let complete = harness::check_answer(exchange, Dialect::OllamaChat, &Quirks::NONE, &READER);
        assert!(complete, "{} is not complete", exchange.id);
        match exchange.body {
            Body::Lines(_) => streams += 1,
            _ => answers += 1,
        }
    });
    println!("ollama.chat: {answers} answers, {streams} streams, {errors} errors");
    assert!(answers >= 12 && streams >= 9 && errors >= 1);
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn whole(body: &Value) -> Plain {
    Plain { complete: false, ..stream(&[(String::new(), body.clone())]) }
}

fn stream(lines: &[(String, Value)]) -> Plain {
    let mut plain = Plain::default();
    for (_, line) in lines {
        let message = &line["message"];
        plain.text.push_str(text(&message["content"]));
        plain.thinking.push_str(text(&message["thinking"]));
        for call in message["tool_calls"].as_array().into_iter().flatten() {
            let (id, function) = (text(&call["id"]), &call["function"]);
            let name = text(&function["name"]).to_owned();
            plain.calls.push((id.to_owned(), name, function["arguments"].clone()));
        }
        if line["done"] == true {
            plain.finish = Some(match text(&line["done_reason"]) {
                "stop" => Finish::Stop,
                "length" => Finish::Length,
                other => panic!("{other}"),
            });
            let count = |name: &str| line[name].as_u64().unwrap_or(0);
            plain.usage = Some([count("prompt_eval_count"), count("eval_count"), 0, 0]);
            plain.complete = true;
        }
        plain.error |= !line["error"].is_null();
    }
    plain
}

#[test]
fn requests_are_sent_as_they_were_recorded() {
    let Some(exchanges) = corpus::load(&["ollama.chat"]) else { return };
    let mut compared = 0;
    harness::each(&exchanges, |exchange| {
        compared += usize::from(requests::check(exchange, Dialect::OllamaChat, chat, plain));
    });
    println!("ollama.chat: {compared} requests");
    assert!(compared >= 22);
}

/// The same request in `openai.chat`.
fn chat(_: &corpus::Exchange, it: &Value) -> Option<Value> {
    // Calls have no ids: results name the tool, and come in the calls' order.
    let mut open: Vec<(String, String)> = Vec::new();
    let mut count = 0;
    let mut messages = Vec::new();
    for message in it["messages"].as_array()? {
        let mut message = message.clone();
        if let Some(calls) = message["tool_calls"].as_array_mut() {
            for call in calls {
                let id = format!("call_{count}");
                count += 1;
                open.push((text(&call["function"]["name"]).to_owned(), id.clone()));
                call["id"] = id.into();
                call["function"]["arguments"] = call["function"]["arguments"].to_string().into();
            }
        }
        if message["role"] == "tool" {
            let at = open.iter().position(|(name, _)| message["tool_name"] == **name)?;
            message["tool_call_id"] = open.remove(at).1.into();
        }
        message["reasoning_content"] = message["thinking"].take();
        messages.push(message);
    }
    let format = match &it["format"] {
        Value::Object(_) => json!({"type": "json_schema", "json_schema":
            {"name": "x", "schema": it["format"]}}),
        _ => Value::Null,
    };
    let reasoning = it["think"].as_bool().map(|enabled| json!({"enabled": enabled}));
    Some(json!({
        "model": it["model"], "messages": messages, "stream": it["stream"], "tools": it["tools"],
        "response_format": format, "reasoning": reasoning,
        "max_tokens": it["options"]["num_predict"],
    }))
}

fn plain(it: Value) -> Value {
    let mut it = requests::without_empties(it);
    for message in it["messages"].as_array_mut().unwrap() {
        message.as_object_mut().unwrap().remove("tool_call_id");
        for call in message["tool_calls"].as_array_mut().into_iter().flatten() {
            call.as_object_mut().unwrap().remove("id");
        }
        requests::prune(message);
    }
    let fields = it.as_object_mut().unwrap();
    fields.retain(|name, value| name != "format" || *value != "");
    if fields.get("options") == Some(&json!({})) {
        fields.remove("options");
    }
    it
}
