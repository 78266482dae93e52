use bytes::Bytes;
use serde_json::{Value, json};

use super::*;
use crate::dialect::answer::Finish;
use crate::dialect::openai_chat::Request;
use crate::dialect::part::Body;
use crate::dialect::stream::StreamEnd;
use crate::dialect::{Dialect, EventKind};
use crate::error_class::ErrorClass;
use crate::units::Tokens;

fn sent(body: &Value) -> (Value, Vec<String>) {
    let request = Request::read(Bytes::from(body.to_string())).unwrap();
    let encoded = Chat.encode(&request.decode().unwrap(), &Quirks::NONE).unwrap();
    let losses = encoded.losses.iter().map(|loss| format!("{}:{:?}", loss.param, loss.how));
    (serde_json::from_slice(&encoded.body).unwrap(), losses.collect())
}

fn tool(name: &str, strict: bool) -> Value {
    json!({"type": "function", "function": {"name": name, "strict": strict,
        "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}}}})
}

#[test]
fn a_request_of_openai_chat_is_sent() {
    let (body, losses) = sent(&json!({
        "model": "command-a", "stream": true, "reasoning": {"max_tokens": 500},
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": "https://x.test/a.png", "detail": "low"}}]},
            {"role": "assistant", "reasoning_content": "hm", "content": "I look it up.", "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": ""}}]},
            {"role": "tool", "tool_call_id": "c1", "content": "42"},
            {"role": "assistant", "content": "It is 42."},
            {"role": "user", "content": "Thanks"},
        ],
        "tools": [tool("f", true), tool("g", true)], "tool_choice": "required",
        "max_tokens": 9, "temperature": 0.5, "top_p": 0.9, "top_k": 4, "seed": 1, "stop": "x",
        "frequency_penalty": 0.1, "presence_penalty": 0.2, "logprobs": true, "safety_mode": "OFF",
    }));
    let function = |name: &str| {
        let mut tool = tool(name, true);
        tool["function"].as_object_mut().unwrap().remove("strict");
        tool
    };
    assert_eq!(
        body,
        json!({
            "model": "command-a", "stream": true,
            "thinking": {"type": "enabled", "token_budget": 500},
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image_url", "image_url": {"url": "https://x.test/a.png", "detail": "low"}}]},
                {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm"}],
                    "tool_plan": "I look it up.", "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
                {"role": "tool", "tool_call_id": "c1", "content": "42"},
                {"role": "assistant", "content": "It is 42."},
                {"role": "user", "content": "Thanks"},
            ],
            "tools": [function("f"), function("g")], "strict_tools": true,
            "tool_choice": "REQUIRED",
            "max_tokens": 9, "temperature": 0.5, "p": 0.9, "k": 4, "seed": 1,
            "stop_sequences": ["x"], "frequency_penalty": 0.1, "presence_penalty": 0.2,
            "logprobs": true, "safety_mode": "OFF",
        })
    );
    assert!(losses.is_empty(), "{losses:?}");
}

#[test]
fn what_it_has_no_words_for_is_told() {
    let (body, losses) = sent(&json!({
        "model": "c", "messages": [{"role": "user", "content": "x"}], "top_p": 1, "seed": -1,
        "frequency_penalty": -0.5, "reasoning_effort": "low", "top_k": 900,
        "stop": ["1", "2", "3", "4", "5", "6"],
        "tools": [tool("f", true), tool("g", false), {"type": "web_search_preview"}],
        "tool_choice": "auto", "response_format": {"type": "json_object"},
    }));
    let message =
        json!({"role": "system", "content": "Answer with one JSON object and nothing else."});
    assert_eq!(body["messages"][0], message);
    assert_eq!(
        (&body["p"], &body["k"], &body["frequency_penalty"]),
        (&json!(0.99), &json!(500), &json!(0))
    );
    assert_eq!(body["thinking"], json!({"type": "enabled", "token_budget": 1024}));
    assert_eq!(body["stop_sequences"].as_array().unwrap().len(), 5);
    for absent in ["seed", "tool_choice", "response_format", "strict_tools"] {
        assert_eq!(body.get(absent), None, "{absent}");
    }
    assert_eq!(
        losses,
        [
            "tools:Dropped",
            "response_format:Emulated",
            "tools.strict:Dropped",
            "top_p:Clamped",
            "top_k:Clamped",
            "seed:Dropped",
            "stop:Clamped",
            "frequency_penalty:Clamped",
            "reasoning:Emulated",
        ]
    );
}

fn everything() -> Value {
    json!({
        "id": "i",
        "message": {
            "citations": [{"start": 0, "end": 2, "text": "It", "sources": [
                {"type": "document", "id": "d", "document": {"title": "t", "text": "q", "url": "u"}},
                {"type": "tool", "id": "c:0", "tool_output": {"content": "w"}}]}],
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "null"}}],
            "tool_plan": "I plan.",
            "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "It is."},
                {"type": "hologram", "data": 1}],
        },
        "finish_reason": "TOOL_CALL",
        "logprobs": [{"token_ids": [1, 2], "text": "It is", "logprobs": [-0.5, -1.5]}],
        "usage": {"billed_units": {"input_tokens": 1, "output_tokens": 1}, "cached_tokens": 4,
            "tokens": {"input_tokens": 10, "output_tokens": 9, "reasoning_tokens": 3, "image_tokens": 2}},
    })
}

#[test]
fn a_wrong_byte_anywhere_does_no_harm() {
    let whole = everything().to_string();
    for at in 0..whole.len() {
        for byte in [b'{', b'"', b']', b'0'] {
            let mut body = whole.clone().into_bytes();
            body[at] = byte;
            let _ = Chat.read(&body, &Quirks::NONE);
            let mut stream = Chat.stream(&Quirks::NONE);
            let text = String::from_utf8(body).unwrap();
            let event = format!("data: {{\"type\":\"content-delta\",\"delta\":{text}}}\n\n");
            stream.push(Bytes::from(event));
            let _ = stream.finish();
        }
    }
}

#[test]
fn an_answer_is_read_whatever_its_order() {
    let body = everything();
    let answer = Chat.read(body.to_string().as_bytes(), &Quirks::NONE).unwrap();
    let choice = answer.primary().unwrap();
    let texts: Vec<&str> = choice.parts.iter().map(|part| part.main_text()).collect();
    assert_eq!(texts, ["hm", "It is.", r#"{"data":1,"type":"hologram"}"#, "I plan.", "{}"]);
    assert!(matches!(choice.parts[2].body, Body::Native { dialect: Dialect::CohereChat, .. }));
    let Body::Text { citations, .. } = &choice.parts[1].body else { panic!() };
    let found: Vec<_> =
        citations.iter().map(|it| (it.url.as_deref(), it.quote.as_deref())).collect();
    assert_eq!(found, [(Some("u"), Some("q")), (None, Some("w"))]);
    assert_eq!(citations[0].range, Some((0, 2)));
    assert_eq!(choice.finish, Some(Finish::ToolCalls));
    assert_eq!(choice.logprobs.mean(), Some(-1.0));
    let usage = answer.usage;
    assert_eq!((usage.input, usage.cache_read), (Tokens(8), Tokens(4)));
    assert_eq!((usage.output, usage.reasoning), (Tokens(6), Tokens(3)));
    assert_eq!(answer.id, "i");
}

fn event(data: Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap())
}

fn message(kind: &str, index: u64, message: Value) -> String {
    event(json!({"type": kind, "index": index, "delta": {"message": message}}))
}

#[test]
fn a_stream_says_what_a_whole_answer_says() {
    let arguments = |text: &str| json!({"tool_calls": {"function": {"arguments": text}}});
    let start = |id: &str, name: &str| json!({"tool_calls": {"id": id, "type": "function", "function": {"name": name, "arguments": ""}}});
    let mut text = event(json!({"id": "i", "type": "message-start", "delta": {"message":
        {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}}}));
    for piece in [
        message("content-start", 0, json!({"content": {"type": "thinking", "thinking": ""}})),
        message("content-delta", 0, json!({"content": {"thinking": "hm"}})),
        message("content-end", 0, json!({})),
        message("content-start", 1, json!({"content": {"type": "text", "text": ""}})),
        message("content-delta", 1, json!({"content": {"text": "It"}})),
        message("content-delta", 1, json!({"content": {"text": " is."}})),
        message("citation-start", 0, json!({"citations": {"start": 0, "end": 2, "sources": []}})),
        message("tool-plan-delta", 0, json!({"tool_plan": "I "})),
        message("tool-plan-delta", 0, json!({"tool_plan": "plan."})),
        message("tool-call-start", 0, start("a", "f")),
        message("tool-call-delta", 0, arguments("{\"x\":")),
        message("tool-call-delta", 0, arguments("1}")),
        event(json!({"type": "tool-call-end", "index": 0})),
        message("tool-call-start", 1, start("b", "g")),
        event(json!({"type": "tool-call-end", "index": 1})),
        message("tool-call-start", 2, start("c", "g")),
        message("tool-call-delta", 2, arguments("null")),
        event(json!({"type": "tool-call-end", "index": 2})),
        event(json!({"type": "surprise", "index": 2, "delta": {"x": 1}})),
    ] {
        text.push_str(&piece);
    }
    let usage = json!({"tokens": {"input_tokens": 10, "output_tokens": 9}});
    let end = event(
        json!({"type": "message-end", "delta": {"finish_reason": "TOOL_CALL", "usage": usage}}),
    );

    let mut stream = Chat.stream(&Quirks::NONE);
    stream.push(Bytes::from(text.clone()));
    assert!(matches!(stream.finish(), Err(StreamEnd::Truncated(_))));

    let mut stream = Chat.stream(&Quirks::NONE);
    let events = stream.push(Bytes::from(format!("{text}{end}data: [DONE]\n\n")));
    assert_eq!(events[events.len() - 2].kind, EventKind::Done);
    let streamed = stream.finish().unwrap();

    let call = |id: &str, name: &str, arguments: &str| json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}});
    let whole = json!({"id": "i", "finish_reason": "TOOL_CALL", "usage": usage, "message": {
        "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "It is."}],
        "tool_plan": "I plan.", "citations": [{"end": 2, "sources": [], "start": 0}],
        "tool_calls": [call("a", "f", "{\"x\":1}"), call("b", "g", "{}"), call("c", "g", "null")]}});
    assert_eq!(Chat.read(whole.to_string().as_bytes(), &Quirks::NONE).unwrap(), streamed);
}

#[test]
fn an_error_at_the_end_is_one() {
    for (reason, class) in [("ERROR", ErrorClass::ServerError), ("TIMEOUT", ErrorClass::Timeout)] {
        let text = event(json!({"type": "message-end",
            "delta": {"finish_reason": reason, "error": "it broke"}}));
        let mut stream = Chat.stream(&Quirks::NONE);
        stream.push(Bytes::from(text));
        let Err(StreamEnd::Failed(error, _)) = stream.finish() else { panic!() };
        assert_eq!((error.class, &*error.message), (class, "it broke"));
    }
    for body in ["", "[]", "{}", r#"{"message":"not found"}"#, r#"{"message":{}"#] {
        assert!(Chat.read(body.as_bytes(), &Quirks::NONE).is_err(), "{body}");
    }
}
