//! Reading the conversation.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::fields::{array, given, invalid_value, missing, object, string, wrong_type};
use super::{ApiError, Message, Result};

pub(super) fn read_messages(body: &Map<String, Value>) -> Result<Vec<Message>> {
    let list = array("messages", body.get("messages").ok_or_else(|| missing("messages"))?)?;
    if list.is_empty() {
        return Err(ApiError::invalid(
            "messages",
            Some("empty_array"),
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an \
             empty array instead.",
        ));
    }
    let mut open = BTreeSet::new();
    let mut messages = Vec::with_capacity(list.len());
    for (i, value) in list.iter().enumerate() {
        let message = read_message(i, value)?;
        match &message.call_id {
            Some(id) if !open.remove(id) => {
                return Err(ApiError::invalid(
                    format!("messages.[{i}].role"),
                    None,
                    "Invalid parameter: messages with role 'tool' must be a response to a \
                     preceeding message with 'tool_calls'.",
                ));
            }
            None if !open.is_empty() => return Err(unanswered(&open)),
            _ => open.extend(message.calls.iter().map(|(id, ..)| id.clone())),
        }
        messages.push(message);
    }
    if open.is_empty() { Ok(messages) } else { Err(unanswered(&open)) }
}

fn unanswered(open: &BTreeSet<String>) -> ApiError {
    let ids = open.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    ApiError::invalid(
        "messages",
        None,
        format!(
            "An assistant message with 'tool_calls' must be followed by tool messages responding \
             to each 'tool_call_id'. The following tool_call_ids did not have response messages: \
             {ids}"
        ),
    )
}

fn read_message(i: usize, value: &Value) -> Result<Message> {
    let at = |member: &str| format!("messages[{i}].{member}");
    let fields = object(&format!("messages[{i}]"), value)?;
    let role = string(&at("role"), fields.get("role").ok_or_else(|| missing(&at("role")))?)?;
    if !["system", "developer", "user", "assistant", "tool", "function"].contains(&role) {
        let supported = "'system', 'assistant', 'user', 'function', 'tool', and 'developer'";
        return Err(invalid_value(&at("role"), role, supported));
    }
    let mut message = Message { role: role.to_owned(), ..Message::default() };
    match given(fields, "content") {
        Some(Value::String(text)) => message.text.clone_from(text),
        Some(Value::Array(parts)) => {
            for (j, part) in parts.iter().enumerate() {
                read_part(&mut message, &at(&format!("content[{j}]")), part)?;
            }
        }
        Some(other) => {
            return Err(wrong_type(&at("content"), "one of a string or array of objects", other));
        }
        None if role == "assistant" => {}
        None => return Err(missing(&at("content"))),
    }
    if role == "assistant" {
        for call in
            given(fields, "tool_calls").map_or(Ok(&Vec::new()), |v| array(&at("tool_calls"), v))?
        {
            let text = |pointer: &str| {
                call.pointer(pointer).and_then(Value::as_str).map(str::to_owned).ok_or_else(|| {
                    missing(&at(&format!("tool_calls[]{}", pointer.replace('/', "."))))
                })
            };
            message.calls.push((
                text("/id")?,
                text("/function/name")?,
                text("/function/arguments")?,
            ));
        }
    }
    if role == "tool" {
        let id = fields.get("tool_call_id").ok_or_else(|| missing(&at("tool_call_id")))?;
        message.call_id = Some(string(&at("tool_call_id"), id)?.to_owned());
    }
    Ok(message)
}

fn read_part(message: &mut Message, at: &str, part: &Value) -> Result<()> {
    let kind = object(at, part)?.get("type").ok_or_else(|| missing(&format!("{at}.type")))?;
    let kind = string(&format!("{at}.type"), kind)?;
    let inner = |pointer: &str| {
        part.pointer(pointer)
            .and_then(Value::as_str)
            .ok_or_else(|| missing(&format!("{at}{}", pointer.replace('/', "."))))
    };
    match kind {
        "text" | "refusal" => {
            if !message.text.is_empty() {
                message.text.push('\n');
            }
            message.text.push_str(inner(&format!("/{kind}"))?);
        }
        "image_url" => message.images.push(inner("/image_url/url")?.to_owned()),
        "input_audio" | "file" => {
            return Err(ApiError::invalid(
                at,
                None,
                format!("Invalid content type. {kind} is only supported by certain models."),
            ));
        }
        other => {
            let supported = "'text', 'image_url', 'input_audio', 'refusal', and 'file'";
            return Err(invalid_value(&format!("{at}.type"), other, supported));
        }
    }
    Ok(())
}
