//! Through the neutral form and back: what another dialect would be told, and what comes of it.

use bytes::Bytes;
use serde_json::{Value, json};

use super::*;
use crate::dialect::edits::LossKind;
use crate::dialect::openai_chat::encode::encode;
use crate::dialect::quirks::Quirks;

fn read(body: &Value) -> Request {
    Request::read(Bytes::from(body.to_string())).unwrap()
}

fn around(body: &Value, quirks: &Quirks) -> (Value, Vec<String>) {
    let request = read(body);
    let encoded = encode(&request.decode().unwrap(), quirks).unwrap();
    let losses = encoded.losses.iter().map(|loss| format!("{}:{:?}", loss.param, loss.how));
    (serde_json::from_slice(&encoded.body).unwrap(), losses.collect())
}

#[test]
fn a_request_with_everything_comes_back_as_it_was() {
    let body = json!({
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "name": "ann", "content": [
                {"type": "text", "text": "What is \"this\"?\n"},
                {"type": "image_url", "image_url": {"url": "https://x.test/a.png", "detail": "low"}},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                {"type": "input_audio", "input_audio": {"data": "BBBB", "format": "mp3"}},
                {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,CCCC"}},
            ]},
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"a\": 1}"}},
                {"id": "c2", "type": "custom", "custom": {"name": "g", "input": "raw"}},
            ]},
            {"role": "tool", "tool_call_id": "c1", "content": "42"},
            {"role": "tool", "tool_call_id": "c2", "content": "ok"},
            {"role": "assistant", "content": "It is 42."},
            {"role": "user", "content": "Thanks"},
        ],
        "stream": true,
        "stream_options": {"include_usage": true},
        "max_tokens": 100, "temperature": 0.5, "top_p": 0.9, "n": 2, "seed": 7,
        "stop": ["a", "b"], "frequency_penalty": 0.1, "presence_penalty": -0.1,
        "logprobs": true, "top_logprobs": 3, "logit_bias": {"1": 2},
        "reasoning_effort": "low",
        "response_format": {"type": "json_schema", "json_schema":
            {"name": "s", "schema": {"type": "object"}, "strict": true}},
        "tools": [
            {"type": "function", "function":
                {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": true}},
            {"type": "custom", "custom": {"name": "g", "format": {"type": "text"}}},
            {"type": "web_search_preview"},
        ],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "parallel_tool_calls": false,
        "user": "u", "service_tier": "flex", "prompt_cache_key": "k", "verbosity": "low",
    });
    let (again, losses) = around(&body, &Quirks::NONE);
    assert_eq!(again, body);
    assert!(losses.is_empty(), "{losses:?}");
}

#[test]
fn what_a_provider_does_not_take_is_told() {
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "x"}],
        "seed": 1, "n": 2, "temperature": 2, "user": "u"});
    let quirks = Quirks {
        unsupported: &[Param::N, Param::User],
        random_seed: true,
        max_temperature: Some(100),
        ..Quirks::NONE
    };
    let (again, losses) = around(&body, &quirks);
    assert_eq!(
        again,
        json!({"model": "m", "messages": [{"role": "user", "content": "x"}],
        "temperature": 1, "random_seed": 1})
    );
    assert_eq!(losses, ["temperature:Clamped", "n:Dropped", "user:Dropped"]);
}

use crate::dialect::edits::Param;

#[test]
fn signed_thinking_goes_back_to_whom_it_came_from() {
    let mut conversation = Conversation::new(Dialect::AnthropicMessages);
    let signature =
        |dialect, value: &'static str| Some(Signature { dialect, value: Cow::Borrowed(value) });
    let details = r#"[{"type":"reasoning.text","text":"a","index":0}][{"type":"reasoning.text","text":"b","signature":"s","index":0}]"#;
    conversation.messages.push(Message::new(
        Role::Assistant,
        vec![
            Part::thinking("ab").signed(signature(Dialect::OpenAiChat, details)),
            Part::thinking("x").signed(signature(Dialect::AnthropicMessages, "sig")),
            Part::text("y"),
        ],
    ));
    let encoded = encode(&conversation, &Quirks::NONE).unwrap();
    let body: Value = serde_json::from_slice(&encoded.body).unwrap();
    assert_eq!(
        body["messages"][0],
        json!({"role": "assistant", "content": "y", "reasoning_details":
            [{"type": "reasoning.text", "text": "ab", "signature": "s", "index": 0}]})
    );
    assert_eq!(encoded.losses[0].how, LossKind::Dropped);
}

#[test]
fn what_cannot_be_said_is_refused() {
    let mut conversation = Conversation::new(Dialect::AnthropicMessages);
    let source = Source::File { id: "f".into(), dialect: Dialect::AnthropicMessages };
    let file = Part::new(Body::Media(Media::new(MediaKind::Image, source)));
    conversation.messages.push(Message::new(Role::User, vec![file]));
    let error = encode(&conversation, &Quirks::NONE).unwrap_err();
    assert_eq!(error.what, "the model's provider takes no image from another provider's store");
}

#[test]
fn the_thoughts_of_a_stream_have_their_text_beside_them() {
    let message = |details: Value| {
        let body = json!({"model": "m", "messages": [{"role": "assistant", "content": "y",
            "reasoning_content": "hm", "reasoning_details": details}]});
        let request = read(&body);
        let conversation = request.decode().unwrap();
        let parts = conversation.messages.into_iter().next().unwrap().parts;
        parts.into_iter().map(Part::into_owned).collect::<Vec<_>>()
    };
    let signature = Signature { dialect: Dialect::AnthropicMessages, value: "sig".into() };
    let detail = |text: &str| {
        json!({"type": "reasoning.text", "text": text,
        "signature": signature.written(Dialect::OpenAiChat)})
    };
    let signed = Part::thinking("hm").signed(Some(signature.clone()));
    assert_eq!(message(json!([detail("")])), [signed.clone(), Part::text("y")]);
    assert_eq!(message(json!([detail("hm")])), [signed, Part::text("y")]);
    // Nobody can tell which of them thought what.
    let two = message(json!([detail(""), detail("")]));
    assert_eq!(two, [Part::thinking("hm"), Part::text("y")]);
}

#[test]
fn a_late_id_is_no_new_call() {
    let piece = |id: &'static str| crate::dialect::openai_chat::pieces::CallPiece {
        id: id.into(),
        ..crate::dialect::openai_chat::pieces::CallPiece::default()
    };
    let mut call = crate::dialect::part::ToolCall { name: "f".into(), ..Default::default() };
    call.identify("req_0123456789abcdef", 0, 2);
    assert!(call.id.ends_with("0123456789abcdef_0_2") && call.id.len() <= 40, "{}", call.id);
    assert!(piece("c1").continues(&call));
    call.id = "c2".into();
    assert!(!piece("c1").continues(&call) && piece("c2").continues(&call));
}
