//! Through the neutral form and back, and to and from `openai.chat`.

use bytes::Bytes;
use serde_json::{Value, json};

use super::*;
use crate::dialect::conversation::{Message, Role};
use crate::dialect::edits::{LossKind, Param};
use crate::dialect::openai_chat;
use crate::dialect::part::{Body, Part, Signature};

fn read(body: &Value) -> Request {
    Request::read(Bytes::from(body.to_string())).unwrap()
}

fn shown(encoded: Encoded) -> (Value, Vec<String>) {
    let losses = encoded.losses.iter().map(|loss| format!("{}:{:?}", loss.param, loss.how));
    (serde_json::from_slice(&encoded.body).unwrap(), losses.collect())
}

#[test]
fn a_request_with_everything_comes_back_as_it_was() {
    let body = json!({
        "model": "m", "instructions": "Be brief.", "stream": true, "store": false,
        "input": [
            {"role": "user", "content": [
                {"type": "input_text", "text": "What is \"this\"?\n"},
                {"type": "input_image", "image_url": "https://x.test/a.png", "detail": "low"},
                {"type": "input_image", "file_id": "file-1"},
                {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,CCCC"},
                {"type": "input_file", "file_url": "https://x.test/a.pdf"},
                {"type": "input_audio", "input_audio": {"data": "BBBB", "format": "mp3"}},
            ]},
            {"type": "reasoning", "id": "rs_1", "encrypted_content": "E", "summary": []},
            {"type": "web_search_call", "id": "ws_1", "status": "completed"},
            {"role": "assistant", "content": [{"type": "output_text", "text": "Let me see."}]},
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{\"a\": 1}"},
            {"type": "custom_tool_call", "call_id": "c2", "name": "g", "input": "raw"},
            {"type": "function_call_output", "call_id": "c1", "output": [
                {"type": "input_text", "text": "this"},
                {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}]},
            {"type": "custom_tool_call_output", "call_id": "c2", "output": "ok"},
            {"role": "assistant", "content": [
                {"type": "output_text", "text": "It is 42."}, {"type": "refusal", "refusal": "No more."}]},
            {"role": "system", "content": "Go on."},
            {"role": "user", "content": "Thanks"},
            {"type": "mcp_approval_response", "approve": true, "approval_request_id": "m"},
        ],
        "max_output_tokens": 100, "temperature": 0.5, "top_p": 0.9, "top_logprobs": 3,
        "reasoning": {"effort": "low", "summary": "auto", "context": "all_turns"},
        "text": {"format": {"type": "json_schema", "name": "s", "schema": {"type": "object"}, "strict": true},
            "verbosity": "low"},
        "include": ["message.output_text.logprobs", "reasoning.encrypted_content", "web_search_call.action.sources"],
        "tools": [
            {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}},
            {"type": "custom", "name": "g", "format": {"type": "grammar", "syntax": "lark", "definition": "x"}},
            {"type": "web_search"},
        ],
        "tool_choice": {"type": "custom", "name": "g"}, "parallel_tool_calls": false,
        "user": "u", "service_tier": "flex", "prompt_cache_key": "k", "metadata": {"a": "b"},
        "max_tool_calls": 3,
    });
    let request = read(&body);
    let (again, losses) =
        shown(Responses.encode(&request.decode().unwrap(), &Quirks::NONE).unwrap());
    assert_eq!(again, body);
    assert!(losses.is_empty(), "{losses:?}");
}

#[test]
fn chat_is_told_what_it_understands_and_the_rest_is_a_loss() {
    let body = json!({
        "model": "m", "instructions": "Be brief.",
        "input": [
            {"type": "message", "role": "developer", "content": "And kind."},
            {"role": "user", "content": "Hi"},
            {"type": "reasoning", "id": "rs_1", "encrypted_content": "E", "summary": []},
            {"type": "message", "role": "assistant", "phase": "commentary", "content": [{"type": "output_text", "text": "Hm."}]},
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "42"},
            {"type": "tool_search_output", "tools": []},
        ],
        "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}},
            {"type": "web_search", "search_context_size": "low"}],
        "tool_choice": {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]},
        "text": {"format": {"type": "json_object"}}, "reasoning": {"effort": "high"},
        "max_output_tokens": 9, "truncation": "auto",
    });
    let request = read(&body);
    let chat = openai_chat::Chat.encode(&request.decode().unwrap(), &Quirks::NONE).unwrap();
    let (chat, losses) = shown(chat);
    assert_eq!(
        chat,
        json!({
            "model": "m", "max_tokens": 9, "reasoning_effort": "high",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "system", "content": "And kind."},
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": "Hm.", "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
                {"role": "tool", "tool_call_id": "c1", "content": "42"},
            ],
            "response_format": {"type": "json_object"},
            "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
            "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "required",
                "tools": [{"type": "function", "function": {"name": "f"}}]}},
        })
    );
    assert_eq!(
        losses,
        [
            "thinking:Dropped",
            "messages:Dropped",
            "tools:Dropped",
            "input.phase:Dropped",
            "truncation:Dropped"
        ]
    );
}

#[test]
fn chat_requests_become_ours() {
    let body = json!({
        "model": "m", "stream": true, "max_tokens": 5, "seed": 1, "n": 2, "stop": ["x"], "top_k": 3,
        "frequency_penalty": 0.5, "presence_penalty": 0, "logit_bias": {"1": 2},
        "logprobs": true, "top_logprobs": 2, "verbosity": "low",
        "messages": [
            {"role": "system", "content": "A"}, {"role": "developer", "content": "B"},
            {"role": "user", "content": [{"type": "text", "text": "x"},
                {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}]},
            {"role": "assistant", "content": null, "reasoning_content": "hm", "tool_calls": [
                {"id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}]},
            {"role": "tool", "tool_call_id": "c", "content": "1"},
        ],
        "tools": [{"type": "function", "function": {"name": "f"}}, {"type": "custom", "custom":
            {"name": "g", "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "x"}}}}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {}}},
    });
    let request = openai_chat::Request::read(Bytes::from(body.to_string())).unwrap();
    let (ours, losses) =
        shown(Responses.encode(&request.decode().unwrap(), &Quirks::NONE).unwrap());
    assert_eq!(
        ours,
        json!({
            "model": "m", "stream": true, "instructions": "A\n\nB", "max_output_tokens": 16, "top_logprobs": 2,
            "input": [
                {"role": "user", "content": [{"type": "input_text", "text": "x"},
                    {"type": "input_image", "image_url": "https://x.test/a.png"}]},
                {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c", "output": "1"},
            ],
            "text": {"format": {"type": "json_schema", "name": "s", "schema": {}}, "verbosity": "low"},
            "tools": [{"type": "function", "name": "f", "strict": false,
                    "parameters": {"type": "object", "properties": {}}},
                {"type": "custom", "name": "g", "format": {"type": "grammar", "syntax": "lark", "definition": "x"}}],
            "store": false, "include": ["message.output_text.logprobs", "reasoning.encrypted_content"],
        })
    );
    assert_eq!(
        losses,
        [
            "thinking:Dropped",
            "max_output:Clamped",
            "top_k:Dropped",
            "n:Dropped",
            "seed:Dropped",
            "stop:Dropped",
            "frequency_penalty:Dropped",
            "logit_bias:Dropped"
        ]
    );
}

#[test]
fn what_only_the_provider_holds_cannot_be_translated() {
    for extra in [
        json!({"previous_response_id": "resp_1"}),
        json!({"conversation": "conv_1"}),
        json!({"prompt": {"id": "pmpt_1"}}),
        json!({"background": true}),
        json!({"input": [{"type": "item_reference", "id": "msg_1"}]}),
    ] {
        let mut body = json!({"model": "m", "input": "x"});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let error = read(&body).decode().unwrap_err();
        assert!(error.what.contains("name a model of"), "{error}");
    }
}

#[test]
fn every_signature_finds_its_piece_again() {
    let body = json!({"model": "m", "input": [
        {"type": "reasoning", "id": "rs_pm_1_0", "summary": [{"type": "summary_text", "text": "a"}],
            "encrypted_content": "pointsman:anthropic.messages:S1"},
        {"type": "reasoning", "id": "rs_pm_1_1", "summary": [{"type": "summary_text", "text": "unsigned"}]},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "reasoning", "summary": [], "encrypted_content": "signs-call:pointsman:gemini.generate:S2"},
        {"type": "function_call", "call_id": "c2", "name": "f", "arguments": "{}"},
        {"type": "reasoning", "id": "rs_9", "summary": [], "encrypted_content": "own"},
    ]});
    let request = read(&body);
    let conversation = request.decode().unwrap();
    let parts = &conversation.messages[0].parts;
    let signed = |at: usize| parts[at].signature.as_ref().map(|it| (it.dialect, &*it.value));
    assert_eq!(parts.len(), 5);
    assert_eq!(signed(0), Some((Dialect::AnthropicMessages, "S1")));
    assert_eq!((signed(1), parts[1].main_text()), (None, "unsigned"));
    assert_eq!(signed(2), Some((Dialect::GeminiGenerate, "S2")));
    assert_eq!(signed(3), None);
    let item = r#"{"encrypted_content":"own","id":"rs_9","summary":[],"type":"reasoning"}"#;
    let (dialect, value) = signed(4).unwrap();
    assert_eq!(dialect, Dialect::OpenAiResponses);
    assert_eq!(
        serde_json::from_str::<Value>(value).unwrap(),
        serde_json::from_str::<Value>(item).unwrap()
    );
    assert!(matches!(parts[4].body, Body::Thinking { redacted: true, .. }));
}

use crate::dialect::Dialect;

#[test]
fn thinking_goes_back_whole_to_its_signer_alone() {
    let mut conversation = Conversation::new(Dialect::AnthropicMessages);
    let signed = |dialect, value: &'static str| {
        Part::thinking("x").signed(Some(Signature { dialect, value: value.into() }))
    };
    let own = r#"{"type":"reasoning","id":"rs","summary":[],"encrypted_content":"E"}"#;
    let stored = r#"{"type":"reasoning","id":"rs","summary":[{"type":"summary_text","text":"x"}]}"#;
    conversation.messages = vec![
        Message::new(Role::User, vec![Part::text("q")]),
        Message::new(
            Role::Assistant,
            vec![
                signed(Dialect::OpenAiResponses, own),
                signed(Dialect::OpenAiResponses, stored),
                signed(Dialect::AnthropicMessages, "sig"),
                Part::text("a"),
            ],
        ),
    ];
    let encoded = Responses.encode(&conversation, &Quirks::NONE).unwrap();
    assert_eq!(encoded.losses.len(), 2);
    assert!(encoded.losses.iter().all(|loss| loss.how == LossKind::Dropped));
    let (body, _) = shown(encoded);
    assert_eq!(body["input"][1], serde_json::from_str::<Value>(own).unwrap());
    assert_eq!(body["input"].as_array().unwrap().len(), 3);
    let quirks = Quirks { unsupported: &[Param::Store], ..Quirks::NONE };
    let (body, _) = shown(Responses.encode(&conversation, &quirks).unwrap());
    assert_eq!((body.get("store"), body.get("include")), (None, None));
}

#[test]
fn instructions_alone_are_input() {
    let mut conversation = Conversation::new(Dialect::OpenAiChat);
    conversation.messages.push(Message::new(Role::System, vec![Part::text("Go.")]));
    let (body, _) = shown(Responses.encode(&conversation, &Quirks::NONE).unwrap());
    assert_eq!(body["input"], json!([{"role": "system", "content": "Go."}]));
    conversation.audio = Some("{}".into());
    assert!(Responses.encode(&conversation, &Quirks::NONE).is_err());
}

#[test]
fn encrypted_thinking_is_asked_for_where_there_may_be_thinking() {
    let includes = |body: Value| {
        let request = openai_chat::Request::read(Bytes::from(body.to_string())).unwrap();
        let encoded = Responses.encode(&request.decode().unwrap(), &Quirks::NONE).unwrap();
        let body: Value = serde_json::from_slice(&encoded.body).unwrap();
        body["include"] == json!(["reasoning.encrypted_content"])
    };
    let plain =
        |model: &str| json!({"model": model, "messages": [{"role": "user", "content": "x"}]});
    for model in
        ["gpt-5", "gpt-5.1-codex", "gpt-6", "o1", "o3-mini", "o4-mini", "openai/gpt-oss-120b"]
    {
        assert!(includes(plain(model)), "{model}");
    }
    for model in ["gpt-4o", "gpt-4.1-mini", "gpt-3.5-turbo", "gpt-5-chat-latest", "omni", "m", ""] {
        assert!(!includes(plain(model)), "{model}");
    }
    let with = |name: &str, value: Value| {
        let mut body = plain("my-deployment");
        body[name] = value;
        body
    };
    assert!(includes(with("reasoning_effort", json!("low"))));
    assert!(!includes(with("reasoning_effort", json!("none"))));
    let said = json!([{"role": "assistant", "content": "y", "reasoning_content": "hm"}, {"role": "user", "content": "x"}]);
    assert!(includes(with("messages", said)));
}
