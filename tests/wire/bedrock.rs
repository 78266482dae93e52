//! `bedrock.converse`: answers, streams of AWS frames, errors.

use pointsman::dialect::answer::Finish;
use pointsman::dialect::{Dialect, Quirks};
use pointsman::error_class::ErrorClass;
use serde_json::{Value, json};

use crate::corpus::{self, Body, Exchange};
use crate::harness::{self, Plain, Reader, arguments};
use crate::requests;

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

#[test]
fn requests_are_sent_as_they_were_recorded() {
    let Some(exchanges) = corpus::load(&["bedrock.converse"]) else { return };
    let mut compared = 0;
    harness::each(&exchanges, |exchange| {
        compared += usize::from(requests::check(exchange, Dialect::BedrockConverse, chat, plain));
    });
    println!("bedrock.converse: {compared} requests");
    assert!(compared >= 60);
}

/// What `openai.chat` has no words for; the last two are a model's own words that others share.
const UNSAYABLE: [&str; 9] = [
    "systemTool",
    "searchResult",
    "citations",
    "s3Location",
    "\"json\":{\"weather",
    "\"context\":",
    "\"video/mp4\"",
    "reasoning_config",
    "\"status\":\"error\"",
];

/// The same request in `openai.chat`.
fn chat(exchange: &Exchange, it: &Value) -> Option<Value> {
    let body = it.to_string();
    if UNSAYABLE.iter().any(|word| body.contains(word)) {
        return None;
    }
    let model = exchange.path.strip_prefix("/model/")?.split('/').next()?;
    let model = model.replace("%3A", ":").replace("%2F", "/");
    // It kept to the schema, but is not among those that are said to.
    if model.contains("claude-3-sonnet") && it["outputConfig"].is_object() {
        return None;
    }
    let mut messages = Vec::new();
    let system = parts(&it["system"])?;
    if !system.is_empty() {
        messages.push(json!({"role": "system", "content": system}));
    }
    for message in it["messages"].as_array()? {
        let blocks = message["content"].as_array()?;
        for result in blocks.iter().map(|block| &block["toolResult"]).filter(|it| it.is_object()) {
            let content = result["content"].as_array()?;
            if content.iter().any(|item| item["text"].is_null()) {
                return None;
            }
            messages.push(json!({"role": "tool", "tool_call_id": result["toolUseId"],
                "content": parts(&result["content"])?}));
        }
        let calls: Vec<Value> = blocks
            .iter()
            .map(|block| &block["toolUse"])
            .filter(|call| call.is_object())
            .map(|call| {
                json!({"id": call["toolUseId"], "type": "function", "function":
                    {"name": call["name"], "arguments": call["input"].to_string()}})
            })
            .collect();
        let thoughts: Vec<Value> = blocks
            .iter()
            .map(|block| &block["reasoningContent"]["reasoningText"])
            .filter(|thought| thought.is_object())
            .map(|thought| {
                let signature =
                    format!("pointsman:bedrock.converse:{}", text(&thought["signature"]));
                json!({"type": "reasoning.text", "text": thought["text"], "signature": signature})
            })
            .collect();
        let said = parts(&message["content"])?;
        if message["role"] == "assistant" {
            messages.push(json!({"role": "assistant", "content": said, "tool_calls": calls,
                "reasoning_details": thoughts}));
        } else if !said.is_empty() {
            messages.push(json!({"role": "user", "content": said}));
        }
    }
    let mut tools: Vec<Value> = Vec::new();
    for tool in it["toolConfig"]["tools"].as_array().into_iter().flatten() {
        let spec = &tool["toolSpec"];
        match tools.last_mut() {
            Some(before) if tool["cachePoint"].is_object() => {
                before["cache_control"] = json!({"type": "ephemeral"});
            }
            _ => tools.push(json!({"type": "function", "function": {
                "name": spec["name"], "description": spec["description"],
                "strict": spec["strict"], "parameters": spec["inputSchema"]["json"]}})),
        }
    }
    let choice = &it["toolConfig"]["toolChoice"];
    let choice = match (&choice["tool"]["name"], &choice["any"], &choice["auto"]) {
        (Value::String(name), ..) => json!({"type": "function", "function": {"name": name}}),
        (_, Value::Object(_), _) => json!("required"),
        (_, _, Value::Object(_)) => json!("auto"),
        _ => Value::Null,
    };
    let schema = &it["outputConfig"]["textFormat"]["structure"]["jsonSchema"];
    let format = schema.is_object().then(|| {
        json!({"type": "json_schema", "json_schema": {
            "name": schema["name"], "description": schema["description"], "strict": true,
            "schema": serde_json::from_str::<Value>(text(&schema["schema"])).unwrap()}})
    });
    let own = &it["additionalModelRequestFields"];
    let reasoning = match (&own["thinking"], &own["reasoning_effort"]) {
        (Value::Object(thinking), _) if thinking["type"] == "enabled" => {
            json!({"max_tokens": thinking["budget_tokens"]})
        }
        (Value::Object(_), _) => json!({"enabled": true, "effort": own["output_config"]["effort"]}),
        (_, Value::String(effort)) => json!({"effort": effort}),
        _ => Value::Null,
    };
    let limits = &it["inferenceConfig"];
    Some(json!({
        "model": model, "messages": messages, "tools": tools, "tool_choice": choice,
        "response_format": format, "reasoning": reasoning, "top_k": own["inferenceConfig"]["topK"],
        "max_tokens": limits["maxTokens"], "temperature": limits["temperature"],
        "top_p": limits["topP"], "stop": limits["stopSequences"],
        "guardrailConfig": it["guardrailConfig"],
    }))
}

/// Texts, images and documents, with the cache points as marks; nothing where there are others.
fn parts(blocks: &Value) -> Option<Vec<Value>> {
    let mut parts: Vec<Value> = Vec::new();
    for block in blocks.as_array().into_iter().flatten() {
        let (name, it) = block.as_object()?.iter().next()?;
        let url = |kind: &str| {
            format!("data:{kind};base64,{}", it["source"]["bytes"].as_str().unwrap_or_default())
        };
        parts.push(match name.as_str() {
            "text" => json!({"type": "text", "text": it}),
            "image" => {
                let kind = format!("image/{}", text(&it["format"]));
                json!({"type": "image_url", "image_url": {"url": url(&kind)}})
            }
            "document" => {
                let kind = match text(&it["format"]) {
                    "txt" => "text/plain",
                    "pdf" => "application/pdf",
                    other => panic!("{other}"),
                };
                json!({"type": "file", "file": {"filename": it["name"], "file_data": url(kind)}})
            }
            "video" => json!({"type": "video_url", "video_url": {"url": url("video/mp4")}}),
            "cachePoint" => {
                parts.last_mut()?["cache_control"] = json!({"type": "ephemeral"});
                continue;
            }
            "toolUse" | "toolResult" | "reasoningContent" => continue,
            other => panic!("{other}"),
        });
    }
    Some(parts)
}

fn plain(it: Value) -> Value {
    let mut it = requests::without_empties(it);
    if let Some(fields) = it.as_object_mut() {
        fields.retain(|_, value| *value != json!({}));
    }
    let messages = it["messages"].as_array_mut().unwrap();
    // Turns of one side are one.
    messages.dedup_by(|next, before| {
        let same = next["role"] == before["role"];
        if same {
            let more = next["content"].as_array().unwrap().clone();
            before["content"].as_array_mut().unwrap().extend(more);
        }
        same
    });
    for message in messages {
        for block in message["content"].as_array_mut().unwrap() {
            let block = block.as_object_mut().unwrap();
            if let Some(result) = block.get_mut("toolResult") {
                // It is what unsaid means.
                result.as_object_mut().unwrap().remove("status");
            }
        }
    }
    if it["toolConfig"]["toolChoice"]["auto"].is_object() {
        it["toolConfig"].as_object_mut().unwrap().remove("toolChoice");
    }
    let schema = it.pointer_mut("/outputConfig/textFormat/structure/jsonSchema");
    if let Some(schema) = schema {
        let json: Value = serde_json::from_str(text(&schema["schema"])).unwrap();
        schema["schema"] = json;
        schema.as_object_mut().unwrap().remove("name");
    }
    requests::prune(&mut it);
    it
}
