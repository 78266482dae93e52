//! Through the neutral form and back, and between the dialects.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::*;
use crate::dialect::answer::{Answer, Choice, Finish};
use crate::dialect::part::{Body, Media, MediaKind, Signature, Source, ToolCall};
use crate::dialect::passage::{Context, Passage, client_side, provider_side, whole};
use crate::dialect::quirks::Quirks;
use crate::dialect::{Dialect, Edits, openai_chat};

fn read(body: &Value) -> Request {
    Request::read(Bytes::from(body.to_string())).unwrap()
}

fn losses(encoded: &crate::dialect::Encoded) -> Vec<String> {
    encoded.losses.iter().map(|loss| format!("{}:{:?}", loss.param, loss.how)).collect()
}

/// What Anthropic is sent of a request in OpenAI's dialect.
fn from_openai(body: &Value) -> (Value, Vec<String>) {
    let request = openai_chat::Request::read(Bytes::from(body.to_string())).unwrap();
    let passage = Passage::of(Dialect::OpenAiChat, &[Dialect::AnthropicMessages]).unwrap();
    let encoded =
        passage.encode(&request.into(), &Edits::default(), &Quirks::NONE, |_| {}).unwrap();
    (serde_json::from_slice(&encoded.body).unwrap(), losses(&encoded))
}

/// What OpenAI is sent of a request in this dialect.
fn to_openai(body: &Value) -> (Value, Vec<String>) {
    let passage = Passage::of(Dialect::AnthropicMessages, &[Dialect::OpenAiChat]).unwrap();
    let request = read(body).into();
    let encoded = passage.encode(&request, &Edits::default(), &Quirks::NONE, |_| {}).unwrap();
    (serde_json::from_slice(&encoded.body).unwrap(), losses(&encoded))
}

fn everything() -> Value {
    let mark = json!({"type": "ephemeral", "ttl": "1h"});
    json!({
        "model": "claude-x",
        "max_tokens": 100,
        "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "content": [
                {"type": "text", "text": "What is \"this\"?\n", "cache_control": mark},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
                {"type": "image", "source": {"type": "url", "url": "https://x.test/a.png"}},
                {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
                {"type": "document", "title": "a", "citations": {"enabled": true},
                    "source": {"type": "base64", "media_type": "application/pdf", "data": "CCCC"}},
                {"type": "document", "citations": {"enabled": true},
                    "source": {"type": "text", "media_type": "text/plain", "data": "words"}},
                {"type": "document", "citations": {"enabled": true},
                    "source": {"type": "url", "url": "https://x.test/a.pdf"}},
                {"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": "r"}]},
                {"type": "container_upload", "file_id": "file_2"},
            ]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "hm", "signature": "sig"},
                {"type": "redacted_thinking", "data": "dark"},
                {"type": "text", "text": "I look.", "citations": [{"type": "char_location", "cited_text": "w",
                    "document_index": 0, "document_title": "a", "start_char_index": 0, "end_char_index": 1}]},
                {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"q": 1}},
                {"type": "web_search_tool_result", "tool_use_id": "s", "content": []},
                {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
                {"type": "tool_use", "id": "t2", "name": "g", "input": {}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": [
                    {"type": "text", "text": "seen"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "BBBB"}},
                ], "cache_control": {"type": "ephemeral"}},
                {"type": "tool_result", "tool_use_id": "t2", "is_error": true, "content": "no"},
                {"type": "text", "text": "Go on."},
            ]},
            {"role": "system", "content": "Mind the gap."},
        ],
        "stream": true,
        "temperature": 0.5, "top_p": 0.9, "top_k": 7,
        "stop_sequences": ["a", "b"],
        "thinking": {"type": "enabled", "budget_tokens": 2000, "display": "omitted"},
        "output_config": {"effort": "max", "format": {"type": "json_schema", "schema": {"type": "object"}},
            "task_budget": {"total": 3}},
        "tools": [
            {"name": "f", "description": "d", "input_schema": {"type": "object"}, "strict": true,
                "defer_loading": true, "cache_control": {"type": "ephemeral"}},
            {"name": "g", "input_schema": {"type": "object", "properties": {}}},
            {"type": "web_search_20250305", "name": "web_search", "max_uses": 3},
        ],
        "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": true},
        "metadata": {"user_id": "u"},
        "service_tier": "standard_only",
        "container": "c", "mcp_servers": [], "context_management": {"edits": []},
    })
}

#[test]
fn a_request_with_everything_comes_back_as_it_was() {
    let request = read(&everything());
    let conversation = request.decode().unwrap();
    let side = provider_side(Dialect::AnthropicMessages).unwrap();
    let encoded = side.encode(&conversation, &Quirks::NONE).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&encoded.body).unwrap(), everything());
    assert_eq!(losses(&encoded), [] as [&str; 0]);
}

#[test]
fn openai_is_told_what_can_be_told() {
    let mut body = everything();
    // OpenAI knows nothing of files in Anthropic's store.
    body["messages"][0]["content"].as_array_mut().unwrap().remove(3);
    body["messages"][0]["content"].as_array_mut().unwrap().remove(5);
    let (sent, losses) = to_openai(&body);
    assert_eq!(sent["messages"][0], json!({"role": "system", "content": "Be brief."}));
    assert_eq!(sent["messages"][2]["content"], "I look.");
    assert_eq!(
        sent["messages"][2]["tool_calls"][0]["function"],
        json!({"name": "f", "arguments": "{\"a\":1}"})
    );
    assert_eq!(
        sent["messages"][3],
        json!({"role": "tool", "tool_call_id": "t1", "content": "seen"})
    );
    assert_eq!(
        sent["messages"][4],
        json!({"role": "tool", "tool_call_id": "t2", "content": "Error: no"})
    );
    assert_eq!((&sent["user"], &sent["service_tier"]), (&json!("u"), &json!("default")));
    assert_eq!(sent["parallel_tool_calls"], false);
    for lost in [
        "thinking:Dropped",
        "tools:Dropped",
        "top_k:Dropped",
        "container:Dropped",
        "document.citations:Dropped",
        "tools.f.defer_loading:Dropped",
        "output_config.task_budget:Dropped",
    ] {
        assert!(losses.iter().any(|loss| loss == lost), "{lost}: {losses:?}");
    }
}

#[test]
fn openais_conversations_become_turns() {
    let body = json!({
        "model": "claude-haiku-4-5",
        "messages": [
            {"role": "system", "content": "One."},
            {"role": "developer", "content": "Two."},
            {"role": "assistant", "content": "Hello."},
            {"role": "user", "content": "Hi", "name": "ann"},
            {"role": "user", "content": ""},
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "functions.f:0", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}},
                {"id": "c2", "type": "function", "function": {"name": "g", "arguments": ""}},
                {"id": "c3", "type": "custom", "custom": {"name": "h", "input": "raw"}},
            ]},
            {"role": "tool", "tool_call_id": "functions.f:0", "content": "1"},
            {"role": "system", "content": "Be quick."},
            {"role": "tool", "tool_call_id": "c2", "content": "2"},
            {"role": "tool", "tool_call_id": "c3", "content": ""},
            {"role": "user", "content": [
                {"type": "text", "text": "Well?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                {"type": "file", "file": {"filename": "a.txt", "file_data": "data:text/plain;base64,aGk="}},
            ]},
        ],
        "tools": [
            {"type": "function", "function": {"name": "f", "parameters": {"properties": {}}, "strict": true}},
            {"type": "function", "function": {"name": "g", "strict": false}},
            {"type": "custom", "custom": {"name": "h", "description": "d"}},
            {"type": "web_search_preview"},
        ],
        "parallel_tool_calls": false,
        "response_format": {"type": "json_object"},
        "temperature": 1.7, "top_p": 0.5, "seed": 1, "n": 2, "frequency_penalty": 0, "presence_penalty": 1,
        "stop": ["x", " "], "user": "u", "service_tier": "flex", "store": true, "verbosity": "low",
    });
    let (sent, losses) = from_openai(&body);
    let text = |text: &str| json!({"type": "text", "text": text});
    let result = |id: &str, content: &str| json!({"type": "tool_result", "tool_use_id": id, "content": content});
    let expected = json!({
        "model": "claude-haiku-4-5",
        "max_tokens": 8192,
        "system": [text("One."), text("Two."), text("Answer with a single valid JSON object and nothing else: no other words, no code fence.")],
        "messages": [
            {"role": "user", "content": [text("(The conversation begins with the assistant.)")]},
            {"role": "assistant", "content": "Hello."},
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": [
                {"type": "tool_use", "id": "functions_f_0", "name": "f", "input": {"a": 1}},
                {"type": "tool_use", "id": "c2", "name": "g", "input": {}},
                {"type": "tool_use", "id": "c3", "name": "h", "input": {"input": "raw"}},
            ]},
            {"role": "user", "content": [
                result("functions_f_0", "1"),
                result("c2", "2"),
                {"type": "tool_result", "tool_use_id": "c3"},
                text("Be quick."),
                text("Well?"),
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
                {"type": "document", "title": "a.txt", "source": {"type": "text", "media_type": "text/plain", "data": "hi"}},
            ]},
        ],
        "temperature": 1,
        "stop_sequences": ["x"],
        "tools": [
            {"name": "f", "input_schema": {"type": "object", "properties": {}}, "strict": true},
            {"name": "g", "input_schema": {"type": "object", "properties": {}}},
            {"name": "h", "description": "d", "input_schema":
                {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}},
        ],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": true},
        "metadata": {"user_id": "u"},
    });
    assert_eq!(sent, expected);
    assert_eq!(
        losses,
        [
            "name:Dropped",
            "tool_call.arguments:Emulated",
            "role:Emulated",
            "messages:Emulated",
            "max_output:Emulated",
            "format:Emulated",
            "temperature:Clamped",
            "top_p:Dropped",
            "stop:Dropped",
            "seed:Dropped",
            "n:Dropped",
            "presence_penalty:Dropped",
            "tools:Emulated",
            "tools:Dropped",
            "service_tier:Dropped",
            "store:Dropped",
            "verbosity:Dropped"
        ]
    );
}

#[test]
fn thinking_excludes_what_the_api_refuses() {
    let base = json!({"model": "claude-haiku-4-5", "messages": [{"role": "user", "content": "x"}],
        "reasoning_effort": "low", "max_tokens": 2000, "temperature": 0.5, "top_p": 0.97,
        "tools": [{"type": "function", "function": {"name": "f"}}]});
    let (sent, losses) = from_openai(&base);
    assert_eq!(sent["thinking"], json!({"type": "enabled", "budget_tokens": 1024}));
    assert_eq!((&sent["temperature"], &sent["top_p"]), (&Value::Null, &json!(0.97)));
    assert_eq!(losses, ["reasoning:Emulated", "temperature:Dropped"]);

    let mut forced = base.clone();
    forced["tool_choice"] = "required".into();
    let (sent, losses) = from_openai(&forced);
    assert_eq!((&sent["thinking"], &sent["temperature"]), (&Value::Null, &json!(0.5)));
    assert_eq!(losses, ["reasoning:Dropped", "top_p:Dropped"]);

    // Amid tool calls whose thinking the client did not keep.
    let mut amid = base.clone();
    amid["messages"] = json!([{"role": "user", "content": "x"},
        {"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c", "content": "1"}]);
    let (sent, losses) = from_openai(&amid);
    assert_eq!((&sent["thinking"], &*losses[0]), (&Value::Null, "reasoning:Dropped"));
    amid["model"] = "claude-opus-4-6".into();
    assert_eq!(from_openai(&amid).0["thinking"], json!({"type": "adaptive"}));

    let mut newer = base.clone();
    newer["model"] = "claude-sonnet-5".into();
    let (sent, losses) = from_openai(&newer);
    assert_eq!(sent["output_config"], json!({"effort": "low"}));
    assert_eq!(losses, ["temperature:Dropped", "top_p:Dropped"]);
}

#[test]
fn a_prompt_alone_is_a_message() {
    let (sent, _) = from_openai(&json!({"model": "m", "max_tokens": 1,
        "messages": [{"role": "system", "content": "Sing."}]}));
    assert_eq!(
        sent,
        json!({"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "Sing."}]})
    );
}

#[test]
fn what_cannot_be_said_is_refused() {
    let refused = |part: Value| {
        let body = json!({"model": "m", "messages": [{"role": "user", "content": [part]}]});
        let request = openai_chat::Request::read(Bytes::from(body.to_string())).unwrap();
        let side = provider_side(Dialect::AnthropicMessages).unwrap();
        side.encode(&request.decode().unwrap(), &Quirks::NONE).unwrap_err().what
    };
    assert_eq!(
        refused(json!({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}})),
        "the model's provider takes no audio"
    );
    assert_eq!(
        refused(json!({"type": "image_url", "image_url": {"url": "data:image/heic;base64,AAAA"}})),
        "the model's provider takes no image of the type image/heic"
    );
    assert_eq!(
        refused(json!({"type": "file", "file": {"file_id": "f"}})),
        "the model's provider takes no document from another provider's store"
    );
}

fn context() -> Context {
    let request = read(&json!({"model": "m", "max_tokens": 1, "messages": []}));
    Context { id: "req-1".into(), model: "m".into(), created: 1, request: Arc::new(request.into()) }
}

fn signature(dialect: Dialect, value: &'static str) -> Option<Signature<'static>> {
    Some(Signature { dialect, value: value.into() })
}

/// An answer of another dialect's with one of everything.
fn foreign() -> Answer {
    let free =
        ToolCall { id: "x".into(), name: "h".into(), arguments: "ra\"w".into(), free_form: true };
    let image = Media::new(
        MediaKind::Image,
        Source::Base64 { mime: "image/png".into(), data: "AA".into() },
    );
    let parts = vec![
        Part::thinking("hm").signed(signature(Dialect::GeminiGenerate, "t")),
        Part::thinking("unsigned"),
        Part::new(Body::Thinking { text: "".into(), redacted: true })
            .signed(signature(Dialect::OpenAiChat, "d")),
        Part::text("said"),
        Part::new(Body::Native { dialect: Dialect::OpenAiResponses, json: "{}".into() }),
        Part::new(Body::Media(image)),
        Part::call("", "f", "{\"a\":1}").signed(signature(Dialect::GeminiGenerate, "s")),
        Part::call("c2", "g", ""),
        Part::new(Body::Call(free)),
        Part::new(Body::Refusal("no".into())),
    ];
    let choice = Choice { parts, finish: Some(Finish::ToolCalls), ..Choice::default() };
    let mut answer = Answer { id: "a".into(), choices: vec![choice], ..Answer::default() };
    answer.name_calls("req-1");
    answer
}

#[test]
fn foreign_answers_are_written_as_blocks() {
    let body: Value = serde_json::from_slice(&whole(OWN, &foreign(), &context())).unwrap();
    let call = json!({"type": "redacted_thinking", "data": "pointsman.call:call_made_req_1_0_6:pointsman:gemini.generate:s"});
    assert_eq!(
        body["content"],
        json!([
            {"type": "thinking", "thinking": "hm", "signature": "pointsman:gemini.generate:t"},
            {"type": "thinking", "thinking": "unsigned", "signature": ""},
            {"type": "redacted_thinking", "data": "pointsman:openai.chat:d"},
            {"type": "text", "text": "said"},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA"}},
            call,
            {"type": "tool_use", "id": "call_made_req_1_0_6", "name": "f", "input": {"a": 1}},
            {"type": "tool_use", "id": "c2", "name": "g", "input": {}},
            {"type": "tool_use", "id": "x", "name": "h", "input": {"input": "ra\"w"}},
            {"type": "text", "text": "no"},
        ])
    );
    assert_eq!((&body["stop_reason"], &body["model"]), (&json!("tool_use"), &json!("m")));

    // As a stream it is the same.
    let mut out = Vec::new();
    foreign().replay(&mut *client_side(OWN).writer(&context()), &mut out);
    let mut machine = super::super::stream::stream();
    machine.push(Bytes::from(out));
    let streamed = machine.finish().unwrap();
    let read =
        provider_side(OWN).unwrap().read(body.to_string().as_bytes(), &Quirks::NONE).unwrap();
    assert_eq!(streamed, read);
}

#[test]
fn signatures_survive_a_client_that_knows_none_of_them() {
    let written: Value = serde_json::from_slice(&whole(OWN, &foreign(), &context())).unwrap();
    let next = json!({"model": "m", "max_tokens": 1, "messages": [
        {"role": "user", "content": "x"}, {"role": "assistant", "content": written["content"]}]});
    let request = read(&next);
    let conversation = request.decode().unwrap();
    let parts = &conversation.messages[1].parts;
    assert_eq!(parts[0], Part::thinking("hm").signed(signature(Dialect::GeminiGenerate, "t")));
    assert_eq!(parts[1], Part::thinking("unsigned"));
    assert_eq!(parts[2].signature, signature(Dialect::OpenAiChat, "d"));
    let call = parts.iter().find(|part| matches!(part.body, Body::Call(_))).unwrap();
    assert_eq!(call.signature, signature(Dialect::GeminiGenerate, "s"));
    // And Anthropic is sent none of them.
    let encoded = request.encode(&Edits::default(), &Quirks::NONE);
    let sent = String::from_utf8_lossy(&encoded.body).into_owned();
    assert!(!sent.contains("thinking") && !sent.contains("pointsman"), "{sent}");
}

#[test]
fn on_vertex_the_address_names_the_model() {
    let body =
        json!({"model": "m", "max_tokens": 3, "messages": [{"role": "user", "content": "x"}]});
    let quirks = Quirks { model_in_path: true, ..Quirks::NONE };
    let request = openai_chat::Request::read(Bytes::from(body.to_string())).unwrap();
    let passage = Passage::of(Dialect::OpenAiChat, &[OWN]).unwrap();
    let edits = Edits { model: Some("claude-3-7-sonnet@20250219".into()), ..Edits::default() };
    let encoded = passage.encode(&request.into(), &edits, &quirks, |_| {}).unwrap();
    let sent: Value = serde_json::from_slice(&encoded.body).unwrap();
    let expected = json!({"anthropic_version": "vertex-2023-10-16", "max_tokens": 3,
        "messages": [{"role": "user", "content": "x"}]});
    assert_eq!(sent, expected);
}

#[test]
fn the_models_own_limit_counts_where_it_is_lower() {
    let body = json!({"model": "claude-3-haiku", "messages": [{"role": "user", "content": "x"}]});
    let request = openai_chat::Request::read(Bytes::from(body.to_string())).unwrap().into();
    let passage = Passage::of(Dialect::OpenAiChat, &[OWN]).unwrap();
    let limit = |longest: Option<u64>| {
        let edits = Edits { longest: longest.map(crate::units::Tokens), ..Edits::default() };
        let encoded = passage.encode(&request, &edits, &Quirks::NONE, |_| {}).unwrap();
        serde_json::from_slice::<Value>(&encoded.body).unwrap()["max_tokens"].as_u64()
    };
    assert_eq!(
        (limit(None), limit(Some(4096)), limit(Some(64_000))),
        (Some(8192), Some(4096), Some(8192))
    );
}

#[test]
fn no_more_than_four_marks_are_sent() {
    let marked =
        |text: &str| json!({"type": "text", "text": text, "cache_control": {"type": "ephemeral"}});
    let tool = |name: &str| {
        json!({"type": "function", "function": {"name": name},
        "cache_control": {"type": "ephemeral"}})
    };
    let body = |tools: Value| {
        json!({"model": "m", "max_tokens": 3, "tools": tools, "messages": [
            {"role": "system", "content": [marked("a")]},
            {"role": "user", "content": [marked("b"), marked("")]},
            {"role": "assistant", "tool_calls": [{"id": "c", "type": "function",
                "function": {"name": "f", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "c", "content": [marked("c")]},
        ]})
    };
    let marks = |sent: &Value| sent.to_string().matches("cache_control").count();
    // A result that is marked at its end is so within and without.
    let (four, lost) = from_openai(&body(json!([])));
    assert_eq!((marks(&four), lost.len()), (4, 0), "{four} {lost:?}");
    let (sent, lost) = from_openai(&body(json!([tool("f"), tool("g")])));
    assert_eq!((marks(&sent), &lost[..]), (4, &["cache_control:Clamped".to_owned()][..]));
    assert_eq!(sent["messages"], four["messages"]);
    assert_eq!(sent["system"], four["system"]);
    assert_eq!(marks(&sent["tools"]), 0);
}

#[test]
fn signatures_of_calls_with_odd_ids_come_back() {
    let signed = signature(Dialect::GeminiGenerate, "s:1");
    let call = Part::call("functions.f:0", "f", "{}").signed(signed.clone());
    let choice = Choice { parts: vec![call], ..Choice::default() };
    let answer = Answer { choices: vec![choice], ..Answer::default() };
    let written: Value = serde_json::from_slice(&whole(OWN, &answer, &context())).unwrap();
    let next = json!({"model": "m", "max_tokens": 1, "messages": [
        {"role": "assistant", "content": written["content"]}]});
    let request = read(&next);
    assert_eq!(request.decode().unwrap().messages[0].parts[0].signature, signed);
}
