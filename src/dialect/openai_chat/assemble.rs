//! From a stream to a whole answer and back, for answers that are kept and replayed.
//!
//! This is not on the path of a request that is only passed through, so it works on trees and
//! keeps the fields that nobody here knows.

use bytes::Bytes;
use serde_json::{Map, Value, json};

/// Random padding that some providers send against traffic analysis.
const PADDING: [&str; 2] = ["obfuscation", "p"];

/// The fields of a message whose pieces are strung together.
const TEXTS: [&str; 4] = ["content", "reasoning", "reasoning_content", "refusal"];

/// What is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AssembleError {
    /// A payload that is no JSON object.
    #[error("not a JSON object")]
    NotAnObject,
    /// No choice in all of it.
    #[error("there are no choices")]
    NoChoices,
}

/// Builds one whole answer from the chunks of a stream.
#[derive(Debug, Default)]
pub struct Assembler {
    answer: Map<String, Value>,
    choices: Vec<Map<String, Value>>,
}

impl Assembler {
    /// Takes in the payload of an event; `[DONE]` and empty ones are passed over.
    ///
    /// # Errors
    /// When it is no JSON object.
    pub fn push(&mut self, data: &[u8]) -> Result<(), AssembleError> {
        let data = data.trim_ascii();
        if data.is_empty() || data == b"[DONE]" {
            return Ok(());
        }
        let Ok(Value::Object(chunk)) = serde_json::from_slice(data) else {
            return Err(AssembleError::NotAnObject);
        };
        for (name, value) in chunk {
            match (name.as_str(), value) {
                ("choices", Value::Array(choices)) => {
                    choices
                        .into_iter()
                        .enumerate()
                        .for_each(|(at, choice)| self.choice(at, choice));
                }
                (name, _) if PADDING.contains(&name) => {}
                ("id" | "model" | "created", value) => {
                    let old = self.answer.entry(name).or_insert(Value::Null);
                    if is_blank(old) {
                        *old = value;
                    }
                }
                (_, value) => keep_last(&mut self.answer, name, value),
            }
        }
        Ok(())
    }

    /// The whole answer.
    ///
    /// # Errors
    /// When there was no choice.
    pub fn finish(mut self) -> Result<Bytes, AssembleError> {
        if self.choices.is_empty() {
            return Err(AssembleError::NoChoices);
        }
        self.choices.sort_by_key(|choice| choice["index"].as_u64());
        for choice in &mut self.choices {
            if let Some(Value::Array(calls)) = choice["message"].get_mut("tool_calls") {
                calls
                    .iter_mut()
                    .filter_map(Value::as_object_mut)
                    .for_each(|call| drop(call.remove("index")));
            }
        }
        self.answer.insert("object".into(), "chat.completion".into());
        self.answer.insert("choices".into(), self.choices.into_iter().map(Value::from).collect());
        Ok(Bytes::from(Value::from(self.answer).to_string()))
    }

    fn choice(&mut self, position: usize, choice: Value) {
        let Value::Object(choice) = choice else { return };
        let index = choice.get("index").and_then(Value::as_u64).unwrap_or(position as u64);
        let at =
            self.choices.iter().position(|choice| choice["index"] == index).unwrap_or_else(|| {
                let mut new = Map::new();
                new.insert("index".into(), index.into());
                new.insert("message".into(), json!({"role": "assistant"}));
                new.insert("finish_reason".into(), Value::Null);
                self.choices.push(new);
                self.choices.len() - 1
            });
        let whole = &mut self.choices[at];
        let has_delta = choice.contains_key("delta");
        for (name, value) in choice {
            match (name.as_str(), value) {
                ("index", _) => {}
                // Some repeat everything said so far beside the delta.
                ("message", _) if has_delta => {}
                ("delta", Value::Object(delta)) => {
                    if let Some(Value::Object(message)) = whole.get_mut("message") {
                        delta
                            .into_iter()
                            .for_each(|(name, value)| merge_field(message, name, value));
                    }
                }
                ("logprobs", Value::Object(piece)) => {
                    let old = whole.entry(name).or_insert(Value::Null);
                    if !old.is_object() {
                        *old = json!({});
                    }
                    if let Some(old) = old.as_object_mut() {
                        piece.into_iter().for_each(|(name, value)| extend(old, name, value));
                    }
                }
                (_, value) => keep_last(whole, name, value),
            }
        }
    }
}

/// Empty strings too: some fill all they do not know with them.
fn is_blank(value: &Value) -> bool {
    value.is_null() || value == "" || *value == 0
}

fn keep_last(map: &mut Map<String, Value>, name: String, value: Value) {
    let old = map.entry(name).or_insert(Value::Null);
    let empty = value.is_null() || value == "";
    match (old, value) {
        (old, _) if empty && !old.is_null() => {}
        (Value::Object(old), Value::Object(value)) => {
            value.into_iter().for_each(|(name, value)| keep_last(old, name, value));
        }
        (old, value) => *old = value,
    }
}

fn extend(map: &mut Map<String, Value>, name: String, value: Value) {
    match (map.get_mut(&name), value) {
        (Some(Value::Array(old)), Value::Array(more)) => old.extend(more),
        (_, value) => keep_last(map, name, value),
    }
}

/// Strings joined; anything else kept last.
fn join(map: &mut Map<String, Value>, name: String, value: Value) {
    match (map.get_mut(&name), value) {
        (Some(Value::String(old)), Value::String(more)) => old.push_str(&more),
        (Some(old), more) if more.is_null() && !old.is_null() => {}
        (_, value) => drop(map.insert(name, value)),
    }
}

/// Adds one field of a delta to the message.
fn merge_field(message: &mut Map<String, Value>, name: String, value: Value) {
    match (name.as_str(), value) {
        ("content", value @ Value::Array(_)) => merge_parts(message, value),
        ("content", value @ Value::String(_))
            if message.get("content").is_some_and(Value::is_array) =>
        {
            merge_parts(message, json!([{"type": "text", "text": value}]));
        }
        (text, value) if TEXTS.contains(&text) => join(message, name, value),
        ("tool_calls", Value::Array(calls)) => {
            let old = message.entry(name).or_insert(Value::Null);
            if !old.is_array() {
                *old = json!([]);
            }
            if let Some(old) = old.as_array_mut() {
                calls.into_iter().for_each(|call| merge_call(old, call));
            }
        }
        ("function_call" | "audio", Value::Object(piece)) => {
            let old = message.entry(name).or_insert(Value::Null);
            if !old.is_object() {
                *old = json!({});
            }
            if let Some(old) = old.as_object_mut() {
                for (name, value) in piece {
                    match name.as_str() {
                        "arguments" | "data" | "transcript" => join(old, name, value),
                        _ => keep_last(old, name, value),
                    }
                }
            }
        }
        ("reasoning_details", Value::Array(details)) => {
            let old = message.entry(name).or_insert(Value::Null);
            if !old.is_array() {
                *old = json!([]);
            }
            if let Some(old) = old.as_array_mut() {
                details.into_iter().for_each(|detail| merge_detail(old, detail));
            }
        }
        (_, value @ Value::Array(_)) => extend(message, name, value),
        (_, value) => keep_last(message, name, value),
    }
}

/// Mistral: content becomes a list of parts, possibly after it began as a string.
fn merge_parts(message: &mut Map<String, Value>, more: Value) {
    let old = message.entry("content").or_insert(Value::Null);
    if !old.is_array() {
        let text = old.take();
        *old = match text {
            Value::String(text) if !text.is_empty() => json!([{"type": "text", "text": text}]),
            _ => json!([]),
        };
    }
    let (Some(parts), Value::Array(more)) = (old.as_array_mut(), more) else { return };
    for part in more {
        let text = match parts.last_mut() {
            Some(last) if last["type"] == part["type"] => match part["type"].as_str() {
                Some("text") => Some((last, "text")),
                Some("thinking") => Some((last, "thinking")),
                _ => None,
            },
            _ => None,
        };
        match text {
            Some((Value::Object(last), "text")) => join(last, "text".into(), part["text"].clone()),
            Some((Value::Object(last), name)) => match part[name].clone() {
                Value::Array(pieces) => {
                    // The thinking's own parts are joined in the same way.
                    let mut inner = Map::new();
                    inner.insert("content".into(), last.remove(name).unwrap_or_default());
                    merge_parts(&mut inner, Value::Array(pieces));
                    last.insert(name.into(), inner.remove("content").unwrap_or_default());
                }
                piece => join(last, name.into(), piece),
            },
            _ => parts.push(part),
        }
    }
}

/// The same rules as for reading: an index may be shared, an id may be missing.
fn merge_call(calls: &mut Vec<Value>, piece: Value) {
    let text = |value: &Value, path: &str| {
        value.pointer(path).and_then(Value::as_str).unwrap_or("").to_owned()
    };
    let (id, name) = (text(&piece, "/id"), text(&piece, "/function/name"));
    let known =
        calls.iter().rposition(|call| piece["index"].is_null() || call["index"] == piece["index"]);
    let continues = |call: &Value| {
        let (old_id, old_name) = (text(call, "/id"), text(call, "/function/name"));
        if !id.is_empty() && !old_id.is_empty() {
            return id == old_id;
        }
        if name.is_empty() || old_name.is_empty() {
            return !piece["index"].is_null() || name.is_empty();
        }
        let arguments = text(call, "/function/arguments");
        name == old_name && serde_json::from_str::<serde::de::IgnoredAny>(&arguments).is_err()
    };
    let (Some(at), Value::Object(fields)) = (known.filter(|at| continues(&calls[*at])), &piece)
    else {
        calls.push(piece);
        return;
    };
    let Some(call) = calls[at].as_object_mut() else { return };
    for (name, value) in fields {
        match (name.as_str(), value) {
            ("function" | "custom", Value::Object(function)) => {
                let old = call.entry(name.clone()).or_insert_with(|| json!({}));
                let Some(old) = old.as_object_mut() else { continue };
                for (name, value) in function {
                    match name.as_str() {
                        "arguments" | "input" => join(old, name.clone(), value.clone()),
                        _ => keep_last(old, name.clone(), value.clone()),
                    }
                }
            }
            ("id", _) if !is_blank(call.get("id").unwrap_or(&Value::Null)) => {}
            _ => keep_last(call, name.clone(), value.clone()),
        }
    }
}

/// Pieces of one detail share its type and index.
pub(super) fn merge_detail(details: &mut Vec<Value>, piece: Value) {
    let same = |old: &&mut Value| old["type"] == piece["type"] && old["index"] == piece["index"];
    let last = details.last_mut().filter(same).and_then(Value::as_object_mut);
    match (last, piece) {
        (Some(last), Value::Object(fields)) => {
            for (name, value) in fields {
                match name.as_str() {
                    "text" | "summary" => join(last, name, value),
                    _ => keep_last(last, name, value),
                }
            }
        }
        (_, piece) => details.push(piece),
    }
}

/// The events of a stream that says what this whole answer says, `[DONE]` included.
///
/// # Errors
/// When the body is no answer.
pub fn replay(body: &[u8], include_usage: bool) -> Result<Vec<Bytes>, AssembleError> {
    let Ok(Value::Object(mut rest)) = serde_json::from_slice(body) else {
        return Err(AssembleError::NotAnObject);
    };
    let Some(Value::Array(choices)) = rest.remove("choices") else {
        return Err(AssembleError::NoChoices);
    };
    rest.remove("object");
    let usage = rest.remove("usage");
    // What every chunk carries; whatever else there is comes once, in the last one.
    let mut head = Map::new();
    head.insert("object".into(), "chat.completion.chunk".into());
    for name in ["id", "created", "model", "system_fingerprint", "service_tier"] {
        if let Some(value) = rest.remove(name) {
            head.insert(name.into(), value);
        }
    }
    let chunk = |choices: Value| {
        let mut chunk = head.clone();
        chunk.insert("choices".into(), choices);
        chunk
    };
    let mut chunks = Vec::new();
    for choice in choices {
        let Value::Object(mut choice) = choice else { continue };
        let index = choice.remove("index").unwrap_or_else(|| json!(0));
        let logprobs = choice.remove("logprobs");
        let mut piece = |delta: Value, logprobs: Option<&Value>| {
            let mut piece = json!({"index": index, "delta": delta, "finish_reason": null});
            if let (Some(logprobs), Some(piece)) = (logprobs, piece.as_object_mut()) {
                piece.insert("logprobs".into(), logprobs.clone());
            }
            chunks.push(chunk(json!([piece])));
        };
        let mut message = match choice.remove("message") {
            Some(Value::Object(message)) => message,
            _ => Map::new(),
        };
        let mut texts = Vec::new();
        for name in ["reasoning", "reasoning_content", "content", "refusal"] {
            match message.get_mut(name) {
                Some(Value::String(text)) => texts.push((name, std::mem::take(text))),
                _ => continue,
            }
        }
        let calls = match message.remove("tool_calls") {
            Some(Value::Array(calls)) if !calls.is_empty() => calls,
            Some(other) => {
                message.insert("tool_calls".into(), other);
                Vec::new()
            }
            None => Vec::new(),
        };
        piece(Value::Object(message), None);
        texts.retain(|(_, text)| !text.is_empty());
        // Probabilities belong to the content; without any they go with whatever comes.
        let mut logprobs = logprobs.as_ref();
        for (name, text) in texts {
            let probable =
                if matches!(name, "content" | "refusal") { logprobs.take() } else { None };
            piece(json!({ name: text }), probable);
        }
        for (at, mut call) in calls.into_iter().enumerate() {
            if let Some(call) = call.as_object_mut() {
                call.insert("index".into(), at.into());
            }
            piece(json!({"tool_calls": [call]}), logprobs.take());
        }
        choice.insert("index".into(), index.clone());
        choice.insert("delta".into(), json!({}));
        choice.entry("finish_reason").or_insert(Value::Null);
        if let Some(logprobs) = logprobs {
            choice.insert("logprobs".into(), logprobs.clone());
        }
        chunks.push(chunk(json!([choice])));
    }
    let Some(last) = chunks.last_mut() else { return Err(AssembleError::NoChoices) };
    last.extend(rest);
    if let Some(usage) = usage.filter(|_| include_usage) {
        let mut extra = chunk(json!([]));
        extra.insert("usage".into(), usage);
        chunks.push(extra);
    }
    let events = chunks.into_iter().map(|chunk| format!("data: {}\n\n", Value::from(chunk)));
    Ok(events.map(Bytes::from).chain([Bytes::from_static(b"data: [DONE]\n\n")]).collect())
}

#[cfg(test)]
#[path = "assemble_tests.rs"]
mod tests;
