//! An independent, simple-minded reading of Responses with plain `serde_json` values.

use pointsman::dialect::answer::Finish;
use serde_json::{Map, Value, json};

use crate::harness::{Plain, arguments};

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn add(plain: &mut Plain, item: &Value) {
    match text(&item["type"]) {
        "message" => {
            for part in list(&item["content"]) {
                plain.text += text(&part["text"]);
                plain.refusal += text(&part["refusal"]);
            }
        }
        "reasoning" => {
            let full = list(&item["content"]).next().is_some();
            let shown = if full { &item["content"] } else { &item["summary"] };
            let texts: Vec<&str> = list(shown).map(|part| text(&part["text"])).collect();
            plain.thinking += &texts.join("\n\n");
        }
        "function_call" | "custom_tool_call" => {
            let said = item.get("arguments").unwrap_or(&item["input"]);
            plain.calls.push((
                text(&item["call_id"]).to_owned(),
                text(&item["name"]).to_owned(),
                arguments(text(said)),
            ));
        }
        _ => {}
    }
}

/// What stands beside the output.
fn end(plain: &mut Plain, body: &Value) {
    let count = |value: &Value| value.as_u64().unwrap_or(0);
    let usage = &body["usage"];
    plain.usage = usage.is_object().then(|| {
        [
            count(&usage["input_tokens"]),
            count(&usage["output_tokens"]),
            count(&usage["input_tokens_details"]["cached_tokens"]),
            count(&usage["output_tokens_details"]["reasoning_tokens"]),
        ]
    });
    plain.error = body["error"].is_object();
    plain.finish = match (text(&body["status"]), text(&body["incomplete_details"]["reason"])) {
        ("completed", _) if !plain.calls.is_empty() => Some(Finish::ToolCalls),
        ("completed", _) => Some(Finish::Stop),
        ("incomplete", "max_output_tokens") => Some(Finish::Length),
        ("incomplete", "content_filter") => Some(Finish::ContentFilter),
        _ => None,
    };
}

pub fn of_body(body: &Value) -> Plain {
    let mut plain = Plain { thinking: text(&body["reasoning"]).to_owned(), ..Plain::default() };
    list(&body["output"]).for_each(|item| add(&mut plain, item));
    end(&mut plain, body);
    plain
}

/// What the complete items of a stream say; some recordings have several streams behind one another,
/// of which the first counts.
pub fn of_stream(events: &[(String, Value)]) -> Plain {
    let mut plain = Plain::default();
    for (_, event) in events {
        match text(&event["type"]) {
            "response.output_item.done" => add(&mut plain, &event["item"]),
            "response.completed" | "response.incomplete" => {
                end(&mut plain, &event["response"]);
                plain.complete = true;
                return plain;
            }
            _ => {}
        }
    }
    plain
}

/// The texts of a request.
pub fn said(body: &Value) -> Vec<String> {
    let mut texts: Vec<&str> = Vec::new();
    texts.extend(body["instructions"].as_str());
    texts.extend(body["input"].as_str());
    for item in list(&body["input"]) {
        for name in ["content", "output", "arguments"] {
            texts.extend(item[name].as_str());
        }
        for name in ["content", "output", "summary"] {
            texts.extend(list(&item[name]).filter_map(|part| part["text"].as_str()));
        }
    }
    texts.into_iter().map(str::to_owned).collect()
}

/// Whether a request builds on what only its provider holds.
pub fn needs_state(body: &Value) -> bool {
    ["previous_response_id", "conversation", "prompt"].iter().any(|name| !body[name].is_null())
        || body["background"] == true
        || list(&body["input"]).any(|item| item["type"] == "item_reference")
}

/// A request in one of its equivalent spellings.
pub fn normal(body: &Value) -> Value {
    let mut body = body.as_object().unwrap().clone();
    body.retain(|_, value| !value.is_null());
    if let Some(input) = body["input"].as_str() {
        body["input"] = json!([{"role": "user", "content": input}]);
    }
    let items: Vec<Value> = list(&body["input"]).filter_map(item).collect();
    instructions(&mut body, items);
    // What is so without being said, and what we ask for so that thinking comes back.
    body.retain(|name, value| match name.as_str() {
        "stream" | "store" | "background" => *value != false,
        "stream_options" => false,
        "truncation" => value != "disabled",
        _ => true,
    });
    if let Some(include) = body.get_mut("include") {
        let include = include.as_array_mut().unwrap();
        include.retain(|include| include != "reasoning.encrypted_content");
        if include.is_empty() {
            body.remove("include");
        }
    }
    if let Some(reasoning) = body.get_mut("reasoning") {
        let reasoning = reasoning.as_object_mut().unwrap();
        reasoning.retain(|_, value| !value.is_null());
        if reasoning.is_empty() {
            body.remove("reasoning");
        }
    }
    if body.get("text").is_some_and(|text| *text == json!({"format": {"type": "text"}})) {
        body.remove("text");
    }
    tools(&mut body);
    for name in ["temperature", "top_p"] {
        if let Some(number) = body.get(name).and_then(Value::as_f64) {
            body.insert(name.to_owned(), number.into());
        }
    }
    Value::Object(body)
}

/// Leading system messages are instructions.
fn instructions(body: &mut Map<String, Value>, mut items: Vec<Value>) {
    let system = |item: &Value| item["role"] == "system" && item["content"].is_string();
    let leading = items.iter().take_while(|item| system(item)).count();
    if leading < items.len() {
        let mut texts: Vec<String> =
            body.get("instructions").map(|it| text(it).to_owned()).into_iter().collect();
        texts.extend(items.drain(..leading).map(|item| text(&item["content"]).to_owned()));
        let mut whole = String::new();
        for text in texts {
            let apart = whole.is_empty() || whole.ends_with('\n') || text.starts_with('\n');
            whole += if apart { "" } else { "\n\n" };
            whole += &text;
        }
        body.remove("instructions");
        if !whole.is_empty() {
            body.insert("instructions".into(), whole.into());
        }
    }
    body.insert("input".into(), items.into());
}

/// Ids, statuses and phases say nothing of what was said; a text alone needs no list.
fn item(item: &Value) -> Option<Value> {
    let mut item = item.as_object().unwrap().clone();
    let kind = item.get("type").map_or("message", |kind| kind.as_str().unwrap()).to_owned();
    match &*kind {
        "message" => {
            for name in ["type", "id", "status", "phase"] {
                item.remove(name);
            }
            let role = match text(&item["role"]) {
                "developer" | "system" => "system",
                "assistant" => "assistant",
                _ => "user",
            };
            let parts = match &item["content"] {
                Value::String(text) => vec![json!({"type": "text", "text": text})],
                parts => parts.as_array().unwrap().iter().map(part).collect(),
            };
            let parts: Vec<Value> = parts;
            let says_nothing = parts.iter().all(|part| part["text"] == "");
            if role == "assistant" && says_nothing {
                return None;
            }
            let alone = parts.len() == 1 && role != "assistant" && parts[0]["type"] == "text";
            item["content"] = if alone { parts[0]["text"].clone() } else { Value::from(parts) };
            item["role"] = role.into();
        }
        "function_call" | "function_call_output" | "custom_tool_call" => {
            for name in ["id", "status", "namespace"] {
                item.remove(name);
            }
            if let Some(parts) = item.get("output").and_then(Value::as_array) {
                item["output"] = parts.iter().map(part).collect();
            }
            if item.get("arguments").is_some_and(|arguments| text(arguments).is_empty()) {
                item["arguments"] = "{}".into();
            }
        }
        // Without an id or anything encrypted it is our own kind of unsigned thinking.
        _ => {}
    }
    Some(Value::Object(item))
}

fn part(part: &Value) -> Value {
    match text(&part["type"]) {
        "input_text" | "output_text" => json!({"type": "text", "text": part["text"]}),
        _ => part.clone(),
    }
}

/// The form of chat is understood too; what is deferred is the provider's own concern.
fn tools(body: &mut Map<String, Value>) {
    if list(body.get("tools").unwrap_or(&Value::Null)).next().is_none() {
        for name in ["tools", "tool_choice", "parallel_tool_calls"] {
            body.remove(name);
        }
    }
    let flat = |it: &mut Value| {
        let it = it.as_object_mut().unwrap();
        if let Some(Value::Object(function)) = it.remove("function") {
            it.extend(function);
        }
        if it["type"] == "function" {
            it.remove("defer_loading");
            it.retain(|_, value| !value.is_null());
        }
    };
    for tool in body.get_mut("tools").and_then(Value::as_array_mut).into_iter().flatten() {
        flat(tool);
    }
    if let Some(choice) = body.get_mut("tool_choice").filter(|choice| choice.is_object()) {
        flat(choice);
    }
}
