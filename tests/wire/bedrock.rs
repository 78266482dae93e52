//! `bedrock.converse`: answers, streams of AWS frames, errors.

use pointsman::dialect::answer::Finish;
use pointsman::dialect::{Dialect, Quirks};
use pointsman::error_class::ErrorClass;
use serde_json::Value;

use crate::corpus::{self, Body};
use crate::harness::{self, Plain, Reader, arguments};

const READER: Reader = Reader { whole, stream };

#[test]
fn every_recorded_answer_is_understood() {
    let Some(exchanges) = corpus::load(&["bedrock.converse"]) else { return };
    let (mut answers, mut streams, mut errors) = (0, 0, 0);
    harness::each(&exchanges, |exchange| {
        if exchange.status >= 400 {
            harness::check_error(exchange, |error, body| {
                let text = body["message"].as_str().unwrap();
                let class = match exchange.status {
                    _ if text.contains("Input Tokens Exceeded") => ErrorClass::ContextExceeded,
                    _ if text.contains("doesn't support") => ErrorClass::Unsupported,
                    403 => ErrorClass::Auth,
                    _ => ErrorClass::BadRequest,
                };
                assert_eq!((error.class, &*error.message), (class, text), "{}", exchange.id);
                if let Some(kind) = exchange.headers.get("x-amzn-errortype") {
                    assert!(kind.to_str().unwrap().starts_with(&error.code), "{error:?}");
                }
            });
            errors += 1;
            return;
        }
        let complete =
            harness::check_answer(exchange, Dialect::BedrockConverse, &Quirks::NONE, &READER);
        assert!(complete, "{} is not complete", exchange.id);
        match exchange.body {
            Body::Frames { .. } => streams += 1,
            _ => answers += 1,
        }
    });
    println!("bedrock.converse: {answers} answers, {streams} streams, {errors} errors");
    assert!(answers >= 70 && streams >= 22 && errors >= 10);
}

fn finish(reason: &Value) -> Option<Finish> {
    Some(match reason.as_str()? {
        "end_turn" | "stop_sequence" => Finish::Stop,
        "tool_use" => Finish::ToolCalls,
        "max_tokens" => Finish::Length,
        "guardrail_intervened" => Finish::ContentFilter,
        other => panic!("{other}"),
    })
}

fn usage(usage: &Value) -> Option<[u64; 4]> {
    let count = |name: &str| usage[name].as_u64().unwrap_or(0);
    let read = count("cacheReadInputTokens");
    let prompt = count("inputTokens") + read + count("cacheWriteInputTokens");
    assert_eq!(prompt + count("outputTokens"), count("totalTokens"));
    usage.is_object().then(|| [prompt, count("outputTokens"), read, 0])
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn whole(body: &Value) -> Plain {
    let message = &body["output"]["message"];
    let mut plain = Plain {
        finish: finish(&body["stopReason"]),
        usage: usage(&body["usage"]),
        error: !message.is_object(),
        ..Plain::default()
    };
    for block in message["content"].as_array().into_iter().flatten() {
        plain.text.push_str(text(&block["text"]));
        for piece in block["citationsContent"]["content"].as_array().into_iter().flatten() {
            plain.text.push_str(text(&piece["text"]));
        }
        plain.thinking.push_str(text(&block["reasoningContent"]["reasoningText"]["text"]));
        let call = &block["toolUse"];
        if call.is_object() && call["type"] != "server_tool_use" {
            let (id, name) = (text(&call["toolUseId"]), text(&call["name"]));
            plain.calls.push((id.to_owned(), name.to_owned(), call["input"].clone()));
        }
    }
    plain
}

fn stream(events: &[(String, Value)]) -> Plain {
    let mut plain = Plain::default();
    // By the number of their block.
    let mut calls: Vec<(u64, String, String, String)> = Vec::new();
    for (name, data) in events {
        let number = data["contentBlockIndex"].as_u64().unwrap_or(0);
        match name.as_str() {
            "contentBlockStart" => {
                let call = &data["start"]["toolUse"];
                if call.is_object() && call["type"] != "server_tool_use" {
                    let [id, name] = ["toolUseId", "name"].map(|key| text(&call[key]).to_owned());
                    calls.push((number, id, name, String::new()));
                }
            }
            "contentBlockDelta" => {
                let delta = &data["delta"];
                plain.text.push_str(text(&delta["text"]));
                plain.thinking.push_str(text(&delta["reasoningContent"]["text"]));
                for call in calls.iter_mut().filter(|call| call.0 == number) {
                    call.3.push_str(text(&delta["toolUse"]["input"]));
                }
            }
            "messageStop" => {
                plain.finish = finish(&data["stopReason"]);
                plain.complete = true;
            }
            "metadata" => plain.usage = usage(&data["usage"]),
            _ => {}
        }
    }
    let calls = calls.into_iter();
    plain.calls = calls.map(|(_, id, name, input)| (id, name, arguments(&input))).collect();
    plain
}
