//! An independent, simple-minded reading with plain `serde_json` values.

use pointsman::dialect::Usage;
use pointsman::dialect::answer::Finish;
use pointsman::dialect::quirks::EndMarker;
use serde_json::Value;

#[derive(Default)]
pub struct Answer {
    pub choices: Vec<Choice>,
    pub usage: Option<Value>,
    pub error: bool,
}

#[derive(Default)]
pub struct Choice {
    pub index: u32,
    pub text: String,
    pub reasoning: String,
    pub refusal: String,
    pub calls: Vec<(String, String, String)>,
    pub finish: Option<String>,
    slots: Vec<u64>,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or("").to_owned()
}

/// The texts of a message's content.
pub fn said(message: &Value) -> Vec<String> {
    match &message["content"] {
        Value::String(text) => vec![text.clone()],
        Value::Array(parts) => {
            parts.iter().filter_map(|part| part["text"].as_str().map(str::to_owned)).collect()
        }
        _ => Vec::new(),
    }
}

fn add(choice: &mut Choice, message: &Value) {
    match &message["content"] {
        Value::Array(parts) => {
            for part in parts {
                match part["type"].as_str() {
                    Some("thinking") => {
                        for piece in part["thinking"].as_array().unwrap() {
                            choice.reasoning += &text(&piece["text"]);
                        }
                    }
                    _ => choice.text += &text(&part["text"]),
                }
            }
        }
        content => choice.text += &text(content),
    }
    let thought = [&message["reasoning_content"], &message["reasoning"]];
    choice.reasoning +=
        &thought.map(text).into_iter().find(|text| !text.is_empty()).unwrap_or_default();
    choice.refusal += &text(&message["refusal"]);
    for call in message["tool_calls"].as_array().into_iter().flatten() {
        let function =
            if call["function"].is_object() { &call["function"] } else { &call["custom"] };
        let arguments = match &function["arguments"] {
            Value::Null => text(&function["input"]),
            Value::String(arguments) => arguments.clone(),
            object => object.to_string(),
        };
        let (id, name) = (text(&call["id"]), text(&function["name"]));
        let slot = call["index"].as_u64().unwrap_or(u64::MAX);
        // A new call has an id of its own; its pieces have none, or the same.
        let old = choice.slots.iter().rposition(|old| *old == slot && slot != u64::MAX);
        match old.filter(|old| id.is_empty() || choice.calls[*old].0 == id) {
            Some(old) => choice.calls[old].2 += &arguments,
            None => {
                choice.slots.push(slot);
                choice.calls.push((id, name, arguments));
            }
        }
    }
    let legacy = &message["function_call"];
    if !text(&legacy["name"]).is_empty() {
        choice.slots.push(u64::MAX);
        choice.calls.push((String::new(), text(&legacy["name"]), text(&legacy["arguments"])));
    }
}

fn add_all(answer: &mut Answer, body: &Value, place: &str) {
    for choice in body["choices"].as_array().into_iter().flatten() {
        let index = u32::try_from(choice["index"].as_u64().unwrap_or(0)).unwrap();
        let at =
            answer.choices.iter().position(|choice| choice.index == index).unwrap_or_else(|| {
                answer.choices.push(Choice { index, ..Choice::default() });
                answer.choices.len() - 1
            });
        add(&mut answer.choices[at], &choice[place]);
        if let Some(finish) = choice["finish_reason"].as_str().filter(|finish| !finish.is_empty()) {
            answer.choices[at].finish = Some(finish.to_owned());
        }
    }
    answer.choices.sort_by_key(|choice| choice.index);
    for usage in [&body["x_groq"]["usage"], &body["usage"]] {
        if usage.is_object() {
            answer.usage = Some(usage.clone());
        }
    }
    answer.error |= body["error"].is_object();
}

pub fn of_body(body: &Value) -> Answer {
    let mut answer = Answer::default();
    // A whole answer's calls are all different ones.
    let mut body = body.clone();
    for choice in body["choices"].as_array_mut().into_iter().flatten() {
        for call in choice["message"]["tool_calls"].as_array_mut().into_iter().flatten() {
            call.as_object_mut().unwrap().remove("index");
        }
    }
    add_all(&mut answer, &body, "message");
    answer
}

fn payloads(text: &str) -> Vec<(usize, String)> {
    let mut at = 0;
    let mut payloads = Vec::new();
    for line in text.split_inclusive('\n') {
        at += line.len();
        if let Some(data) = line.strip_prefix("data:") {
            payloads.push((at, data.trim().to_owned()));
        }
    }
    payloads
}

pub fn of_stream(text: &str) -> Answer {
    let mut answer = Answer::default();
    for (_, data) in payloads(text) {
        if data != "[DONE]" {
            add_all(&mut answer, &serde_json::from_str(&data).unwrap(), "delta");
        }
    }
    answer
}

/// Behind which byte the stream is complete.
pub fn end_of_stream(text: &str, end: EndMarker) -> Option<usize> {
    let mut open = std::collections::BTreeMap::new();
    let (mut done, mut finished) = (None, None);
    for (at, data) in payloads(text) {
        if data == "[DONE]" {
            done = Some(at);
            continue;
        }
        let chunk: Value = serde_json::from_str(&data).unwrap();
        for choice in chunk["choices"].as_array().into_iter().flatten() {
            let finish = choice["finish_reason"].as_str().unwrap_or("");
            *open.entry(choice["index"].as_u64().unwrap_or(0)).or_insert(true) &= finish.is_empty();
        }
        if finished.is_none() && !open.is_empty() && open.values().all(|open| !open) {
            finished = Some(at);
        }
    }
    // A choice may still begin after the others have ended.
    let finished = finished.filter(|_| open.values().all(|open| !open));
    match end {
        EndMarker::Done => done,
        EndMarker::Finish => finished,
        EndMarker::Either => [done, finished].into_iter().flatten().min(),
    }
}

pub fn finish(reason: &str) -> Option<Finish> {
    Some(match reason {
        "stop" => Finish::Stop,
        "length" => Finish::Length,
        "tool_calls" | "function_call" => Finish::ToolCalls,
        "content_filter" => Finish::ContentFilter,
        "error" => Finish::Error,
        _ => Finish::Other,
    })
}

pub fn error_message(body: &Value) -> &str {
    [
        &body["error"]["message"],
        &body["error"],
        &body["message"],
        &body["detail"],
        &body["detail"][0]["msg"],
    ]
    .into_iter()
    .find_map(Value::as_str)
    .unwrap_or("")
}

pub fn check_usage(is: &Usage, usage: &Value, provider: &str, id: &str) {
    let count = |value: &Value| value.as_u64().unwrap_or(0);
    let (prompt, completion) = (count(&usage["prompt_tokens"]), count(&usage["completion_tokens"]));
    let total = count(&usage["total_tokens"]);
    let cached = [
        &usage["prompt_tokens_details"]["cached_tokens"],
        &usage["prompt_cache_hit_tokens"],
        &usage["cached_tokens"],
        &usage["num_cached_tokens"],
        &usage["cache_read_input_tokens"],
    ];
    let cached = cached.map(count).into_iter().max().unwrap_or(0);
    let reasoning = count(&usage["completion_tokens_details"]["reasoning_tokens"]);
    if cached <= prompt && reasoning <= completion {
        assert_eq!(is.total().0, total, "{id}: the parts sum to the total");
    } else {
        assert!(is.total().0 >= total, "{id}");
    }
    assert_eq!(is.cache_read.0, cached, "{id}");
    if provider == "gemini" {
        assert_eq!(is.reasoning.0, total - prompt - completion, "{id}");
    } else {
        assert_eq!(is.reasoning.0, reasoning, "{id}");
    }
    if provider == "xai" {
        assert_eq!(is.output.0, completion, "{id}: thinking is outside the completion");
    }
    assert!(is.output.0 <= completion, "{id}");
}

/// Whether the assembled answer has every top-level and message field that the stream had.
pub fn keeps_fields(text: &str, assembled: &Value) -> bool {
    let padding = ["obfuscation", "p"];
    payloads(text).iter().filter(|(_, data)| data != "[DONE]").all(|(_, data)| {
        let chunk: Value = serde_json::from_str(data).unwrap();
        let top =
            chunk.as_object().unwrap().keys().filter(|name| !padding.contains(&name.as_str()));
        let deltas = chunk["choices"].as_array().into_iter().flatten().all(|choice| {
            let index = &choice["index"];
            let whole = assembled["choices"]
                .as_array()
                .unwrap()
                .iter()
                .find(|whole| whole["index"] == *index);
            let names = choice["delta"].as_object().into_iter().flat_map(|delta| delta.keys());
            names.into_iter().all(|name| whole.unwrap()["message"].get(name).is_some())
        });
        top.into_iter().all(|name| assembled.get(name).is_some()) && deltas
    })
}
