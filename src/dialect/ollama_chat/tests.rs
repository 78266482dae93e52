use bytes::Bytes;
use serde_json::{Value, json};

use super::*;
use crate::dialect::answer::Finish;
use crate::dialect::conversation::{Message, Role};
use crate::dialect::openai_chat::Request;
use crate::dialect::part::{Part, Signature};
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

#[test]
fn a_request_of_openai_chat_is_sent() {
    let (body, losses) = sent(&json!({
        "model": "gpt-oss:20b", "stream": true, "reasoning_effort": "low", "keep_alive": "5m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]},
            {"role": "assistant", "reasoning_content": "hm", "content": null, "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}},
                {"id": "c2", "type": "function", "function": {"name": "g", "arguments": ""}},
                {"id": "c3", "type": "function", "function": {"name": "g", "arguments": "{\"a\""}}]},
            {"role": "tool", "tool_call_id": "c1", "content": "42"},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "description": "d",
            "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}}}},
            {"type": "function", "function": {"name": "g"}}],
        "max_tokens": 9, "temperature": 0.5, "top_p": 0.9, "top_k": 4, "seed": -1, "stop": "x",
        "frequency_penalty": 0.1, "presence_penalty": 0.2, "logprobs": true, "top_logprobs": 2,
        "response_format": {"type": "json_schema", "json_schema":
            {"name": "s", "schema": {"type": "object"}}},
    }));
    assert_eq!(
        body,
        json!({
            "model": "gpt-oss:20b", "stream": true, "think": "low", "keep_alive": "5m",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "What is this?", "images": ["AAAA"]},
                {"role": "assistant", "content": "", "thinking": "hm", "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "f", "arguments": {"a": 1}}},
                    {"id": "c2", "type": "function", "function": {"name": "g", "arguments": {}}},
                    {"id": "c3", "type": "function", "function":
                        {"name": "g", "arguments": {"input": "{\"a\""}}}]},
                {"role": "tool", "tool_name": "f", "tool_call_id": "c1", "content": "42"},
            ],
            "tools": [{"type": "function", "function": {"name": "f", "description": "d",
                "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}}}},
                {"type": "function", "function": {"name": "g",
                    "parameters": {"type": "object", "properties": {}}}}],
            "format": {"type": "object"}, "logprobs": true, "top_logprobs": 2,
            "options": {"num_predict": 9, "temperature": 0.5, "top_p": 0.9, "top_k": 4, "seed": -1,
                "stop": ["x"], "frequency_penalty": 0.1, "presence_penalty": 0.2},
        })
    );
    assert!(losses.is_empty(), "{losses:?}");
}

#[test]
fn what_it_has_no_words_for_is_told() {
    let tool = |name: &str| json!({"type": "function", "function": {"name": name}});
    let (body, losses) = sent(&json!({
        "model": "qwen3", "messages": [{"role": "user", "name": "ann", "content": "x"}],
        "reasoning_effort": "high", "n": 2, "user": "u", "verbosity": "low",
        "logit_bias": {"1": 2}, "parallel_tool_calls": false,
        "tools": [tool("f"), tool("g")],
        "tool_choice": {"type": "function", "function": {"name": "g"}},
    }));
    assert_eq!(body["think"], true);
    assert_eq!(body["tools"].as_array().unwrap().len(), 1);
    assert_eq!(
        losses,
        [
            "reasoning:Emulated",
            "tool_choice:Emulated",
            "tool_choice:Dropped",
            "n:Dropped",
            "logit_bias:Dropped",
            "user:Dropped",
            "parallel_tools:Dropped",
            "messages.name:Dropped",
            "verbosity:Dropped",
        ]
    );
}

#[test]
fn thinking_that_others_signed_is_left_out_and_addresses_are_refused() {
    let mut it = Conversation::new(Dialect::AnthropicMessages);
    let signature = Signature { dialect: Dialect::AnthropicMessages, value: "s".into() };
    let parts = vec![Part::thinking("a").signed(Some(signature)), Part::text("b")];
    it.messages.push(Message::new(Role::Assistant, parts));
    let encoded = Chat.encode(&it, &Quirks::NONE).unwrap();
    let body: Value = serde_json::from_slice(&encoded.body).unwrap();
    assert_eq!(body["messages"], json!([{"role": "assistant", "content": "b"}]));
    assert_eq!(encoded.losses[0].param, "thinking");

    let request = json!({"model": "m", "messages": [{"role": "user", "content":
        [{"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}]}]});
    let request = Request::read(Bytes::from(request.to_string())).unwrap();
    let error = Chat.encode(&request.decode().unwrap(), &Quirks::NONE).unwrap_err();
    assert_eq!(error.what, "the model's provider fetches no image from an address");
}

#[test]
fn a_stream_is_read_line_by_line() {
    let text = concat!(
        r#"{"model":"m","message":{"role":"assistant","content":"","thinking":"h"},"done":false}"#,
        "\n",
        r#"{"model":"m","message":{"role":"assistant","content":"","thinking":"m"},"done":false}"#,
        "\n",
        r#"{"message":{"content":"a","tool_calls":[{"function":{"index":0,"name":"f","arguments":{"x":1}}}]},"done":false,"logprobs":[{"token":"a","logprob":-0.5}]}"#,
        "\n",
        r#"{"message":{"content":"","tool_calls":[{"id":"c","function":{"index":0,"name":"f"}}]},"done":false}"#,
        "\n",
        r#"{"message":{"content":""},"done":true,"done_reason":"stop","eval_count":5}"#,
        "\n",
    );
    let mut stream = Chat.stream(&Quirks::NONE);
    let events = stream.push(Bytes::from_static(text.as_bytes()));
    assert_eq!(events.last().map(|event| &event.kind), Some(&EventKind::Done));
    let answer = stream.finish().unwrap();
    let choice = answer.primary().unwrap();
    assert_eq!((&*choice.reasoning(), &*choice.text()), ("hm", "a"));
    let calls: Vec<_> =
        choice.tool_calls().map(|it| (&*it.id, &*it.name, &*it.arguments)).collect();
    assert_eq!(calls, [("", "f", r#"{"x":1}"#), ("c", "f", "{}")]);
    assert_eq!(choice.finish, Some(Finish::Stop));
    assert_eq!(choice.logprobs.mean(), Some(-0.5));
    assert_eq!((answer.usage.input, answer.usage.output), (Tokens(0), Tokens(5)));
}

#[test]
fn an_error_line_is_an_error_and_no_end_is_none() {
    let mut stream = Chat.stream(&Quirks::NONE);
    stream.push(Bytes::from_static(b"{\"message\":{\"content\":\"a\"},\"done\":false}\n"));
    stream.push(Bytes::from_static(b"{\"error\":\"the model runner has crashed\"}\n"));
    let Err(StreamEnd::Failed(error, answer)) = stream.finish() else { panic!() };
    assert_eq!((error.class, &*answer.choices[0].text()), (ErrorClass::ServerError, "a"));

    let mut stream = Chat.stream(&Quirks::NONE);
    stream.push(Bytes::from_static(b"{\"message\":{\"content\":\"a\"},\"done\":false}\n{\"mess"));
    assert!(matches!(stream.finish(), Err(StreamEnd::Truncated(_))));
    for body in ["", "[]", "{}", "{\"message\":3}", "{\"message\":{}} x"] {
        assert!(Chat.read(body.as_bytes(), &Quirks::NONE).is_err(), "{body}");
    }
    let answer = Chat.read(br#"{"error":"boom"}"#, &Quirks::NONE).unwrap();
    assert_eq!(answer.error.unwrap().message, "boom");
}

#[test]
fn a_wrong_byte_anywhere_does_no_harm() {
    let line = concat!(
        r#"{"model":"m","message":{"content":"a","thinking":"h","tool_calls":[{"id":"c","#,
        r#""function":{"name":"f","arguments":{"x":1}}}]},"done":true,"done_reason":"stop","#,
        r#""prompt_eval_count":1,"eval_count":2,"logprobs":[{"token":"a","logprob":-1}]}"#,
    );
    for at in 0..line.len() {
        for byte in [b'{', b'"', b']', b'0'] {
            let mut body = line.as_bytes().to_vec();
            body[at] = byte;
            let _ = Chat.read(&body, &Quirks::NONE);
            let mut stream = Chat.stream(&Quirks::NONE);
            body.push(b'\n');
            stream.push(Bytes::from(body));
            let _ = stream.finish();
        }
    }
}
