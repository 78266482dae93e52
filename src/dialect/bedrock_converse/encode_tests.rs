use bytes::Bytes;
use serde_json::{Value, json};

use super::*;
use crate::dialect::Dialect;
use crate::dialect::conversation::{Message, Role};
use crate::dialect::openai_chat::Request;
use crate::dialect::part::{Part, Signature};

const CLAUDE: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
const NEWEST: &str = "us.anthropic.claude-sonnet-5";
const NOVA: &str = "us.amazon.nova-2-lite-v1:0";

fn try_sent(model: &str, mut body: Value) -> Result<(Value, Vec<String>), Inexpressible> {
    body["model"] = model.into();
    let request = Request::read(Bytes::from(body.to_string())).unwrap();
    let encoded = Converse.encode(&request.decode().unwrap(), &Quirks::NONE)?;
    let losses = encoded.losses.iter().map(|loss| format!("{}:{:?}", loss.param, loss.how));
    Ok((serde_json::from_slice(&encoded.body).unwrap(), losses.collect()))
}

fn sent(model: &str, body: Value) -> (Value, Vec<String>) {
    try_sent(model, body).unwrap()
}

fn asking(more: Value) -> Value {
    let mut body = json!({"messages": [{"role": "user", "content": "x"}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

fn tool(name: &str) -> Value {
    json!({"type": "function", "function": {"name": name}})
}

#[test]
fn a_request_of_openai_chat_is_sent() {
    let (body, losses) = sent(
        CLAUDE,
        json!({
            "stream": true,
            "messages": [
                {"role": "system", "content": [
                    {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]},
                {"role": "user", "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "text", "text": ""},
                    {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,AAAA"}},
                    {"type": "file", "file": {"filename": "my_file.v2.pdf",
                        "file_data": "data:application/pdf;base64,BBBB"}},
                    {"type": "file", "file": {"filename": "my_file.v2.pdf",
                        "file_data": "data:application/pdf;base64,CCCC"}}]},
                {"role": "assistant", "content": "I look.", "tool_calls": [
                    {"id": "c:1", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}},
                    {"id": "c2", "type": "function", "function": {"name": "g", "arguments": ""}}]},
                {"role": "tool", "tool_call_id": "c:1", "content": "42"},
                {"role": "tool", "tool_call_id": "c2", "content": ""},
                {"role": "user", "content": "Well?"},
            ],
            "tools": [
                {"type": "function", "function": {"name": "f", "description": "d", "strict": true,
                    "parameters": {"type": "object", "properties": {}}},
                    "cache_control": {"type": "ephemeral", "ttl": "1h"}},
                tool("g")],
            "tool_choice": "required", "max_tokens": 9, "temperature": 0.5, "stop": ["x"],
            "top_k": 4, "service_tier": "priority",
            "response_format": {"type": "json_schema", "json_schema":
                {"name": "s", "description": "d", "strict": true, "schema": {"type": "object"}}},
        }),
    );
    let id = body["messages"][1]["content"][1]["toolUse"]["toolUseId"].clone();
    assert!(id.as_str().unwrap().starts_with("call_"));
    let document = |name: &str, bytes: &str| json!({"document": {"format": "pdf", "name": name, "source": {"bytes": bytes}}});
    assert_eq!(
        body,
        json!({
            "system": [{"text": "Be brief."}, {"cachePoint": {"type": "default"}}],
            "messages": [
                {"role": "user", "content": [
                    {"text": "What is this?"},
                    {"image": {"format": "jpeg", "source": {"bytes": "AAAA"}}},
                    document("my-file-v2", "BBBB"), document("my-file-v2 (2)", "CCCC")]},
                {"role": "assistant", "content": [
                    {"text": "I look."},
                    {"toolUse": {"toolUseId": id, "name": "f", "input": {"a": 1}}},
                    {"toolUse": {"toolUseId": "c2", "name": "g", "input": {}}}]},
                {"role": "user", "content": [
                    {"toolResult": {"toolUseId": id, "content": [{"text": "42"}]}},
                    {"toolResult": {"toolUseId": "c2", "content": [{"text": "(no output)"}]}},
                    {"text": "Well?"}]},
            ],
            "inferenceConfig": {"maxTokens": 9, "temperature": 0.5, "stopSequences": ["x"]},
            "toolConfig": {
                "tools": [
                    {"toolSpec": {"name": "f", "description": "d", "strict": true,
                        "inputSchema": {"json": {"type": "object", "properties": {}}}}},
                    {"cachePoint": {"type": "default", "ttl": "1h"}},
                    {"toolSpec": {"name": "g",
                        "inputSchema": {"json": {"type": "object", "properties": {}}}}}],
                "toolChoice": {"any": {}}},
            "outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema":
                {"name": "s", "description": "d", "schema": "{\"type\":\"object\"}"}}}},
            "additionalModelRequestFields": {"top_k": 4},
            "serviceTier": {"type": "priority"},
        })
    );
    assert!(losses.is_empty(), "{losses:?}");
}

#[test]
fn turns_alternate_and_begin_with_the_user() {
    let (body, losses) = sent(
        NOVA,
        json!({"messages": [
            {"role": "assistant", "content": "Hello"},
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": ""},
            {"role": "system", "content": "Be nice."},
            {"role": "user", "content": "b"},
        ]}),
    );
    assert_eq!(
        body["messages"],
        json!([
            {"role": "user", "content": [{"text": "(The conversation begins with your words.)"}]},
            {"role": "assistant", "content": [{"text": "Hello"}]},
            {"role": "user", "content": [{"text": "a"}, {"text": "Be nice."}, {"text": "b"}]},
        ])
    );
    assert_eq!(losses, ["messages.system:Emulated", "messages:Emulated"]);
    let (body, _) = sent(NOVA, json!({"messages": [{"role": "system", "content": "Go."}]}));
    assert_eq!(body, json!({"messages": [{"role": "user", "content": [{"text": "Go."}]}]}));
}

#[test]
fn without_tools_on_offer_calls_are_told_in_words() {
    for more in [json!({}), json!({"tools": [tool("f")], "tool_choice": "none"})] {
        let mut body = json!({"messages": [
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "c", "content": "42"},
        ]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let (body, losses) = sent(CLAUDE, body);
        assert_eq!(body.get("toolConfig"), None);
        assert_eq!(
            body["messages"],
            json!([
                {"role": "user", "content": [{"text": "a"}]},
                {"role": "assistant", "content": [{"text": "[I call the tool `f` with {}]"}]},
                {"role": "user", "content": [{"text": "[The tool `f` answers: 42]"}]},
            ])
        );
        assert!(losses.contains(&"tool_calls:Emulated".to_owned()), "{losses:?}");
    }
}

#[test]
fn each_family_is_told_to_think_in_its_own_words() {
    let own = |model: &str, more: Value| {
        let (body, losses) = sent(model, asking(more));
        (body["additionalModelRequestFields"].clone(), losses)
    };
    let budget = |tokens: u64| json!({"thinking": {"type": "enabled", "budget_tokens": tokens}});
    let (told, losses) = own(CLAUDE, json!({"reasoning": {"max_tokens": 2000}}));
    assert_eq!((told, losses), (budget(2000), vec![]));
    let more = json!({"reasoning_effort": "medium", "max_tokens": 3000, "temperature": 0.2,
        "top_p": 1, "top_k": 3});
    let (told, losses) = own(CLAUDE, more);
    assert_eq!(told, budget(2999));
    assert_eq!(losses, ["reasoning:Emulated", "temperature:Dropped", "top_k:Dropped"]);
    let (told, losses) = own(CLAUDE, json!({"reasoning_effort": "low", "max_tokens": 500}));
    assert_eq!((told, losses), (Value::Null, vec!["reasoning:Dropped".to_owned()]));
    let (told, _) = own(NEWEST, json!({"reasoning_effort": "minimal"}));
    let adaptive = json!({"type": "adaptive", "display": "summarized"});
    assert_eq!(told, json!({"thinking": adaptive, "output_config": {"effort": "low"}}));
    let (told, losses) =
        own(NOVA, json!({"reasoning_effort": "high", "max_tokens": 9, "top_k": 2}));
    let nova = json!({"type": "enabled", "maxReasoningEffort": "medium"});
    assert_eq!(told, json!({"reasoningConfig": nova, "inferenceConfig": {"topK": 2}}));
    assert_eq!(losses, ["reasoning:Clamped"]);
    let (told, _) = own("openai.gpt-oss-120b-1:0", json!({"reasoning_effort": "low"}));
    assert_eq!(told, json!({"reasoning_effort": "low"}));
    let (told, losses) = own("meta.llama3-1b", json!({"reasoning_effort": "low", "top_k": 2}));
    assert_eq!(told, Value::Null);
    assert_eq!(losses, ["reasoning:Dropped", "top_k:Dropped"]);
    let (told, losses) = own(CLAUDE, json!({"reasoning_effort": "none"}));
    assert_eq!((told, losses), (Value::Null, vec![]));
}

#[test]
fn what_it_has_no_words_for_is_told() {
    let (body, losses) = sent(
        NOVA,
        asking(json!({
            "temperature": 1.5, "n": 2, "seed": 1, "logprobs": true, "frequency_penalty": 0.5,
            "presence_penalty": 0, "response_format": {"type": "json_object"},
            "tools": [{"type": "function", "function": {"name": "f", "strict": true}}, tool("g")],
            "tool_choice": {"type": "allowed_tools", "allowed_tools":
                {"mode": "required", "tools": [tool("f")]}},
        })),
    );
    assert_eq!(body["inferenceConfig"], json!({"temperature": 1}));
    assert_eq!(body["toolConfig"]["tools"].as_array().unwrap().len(), 1);
    assert_eq!(body["toolConfig"]["toolChoice"], json!({"any": {}}));
    assert_eq!(body["system"][0]["text"], "Answer with one JSON object and nothing else.");
    assert_eq!(
        losses,
        [
            "tool_choice:Emulated",
            "response_format:Emulated",
            "temperature:Clamped",
            "tools.strict:Dropped",
            "n:Dropped",
            "seed:Dropped",
            "frequency_penalty:Dropped",
            "logprobs:Dropped",
        ]
    );
    let (body, losses) = sent(CLAUDE, asking(json!({"temperature": 0.5, "top_p": 0.5})));
    assert_eq!(body["inferenceConfig"], json!({"temperature": 0.5}));
    assert_eq!(losses, ["top_p:Dropped"]);
    let (body, losses) = sent(NEWEST, asking(json!({"temperature": 0.5, "top_p": 1})));
    assert_eq!(
        (body.get("inferenceConfig"), losses),
        (None, vec!["temperature:Dropped".to_owned()])
    );
}

#[test]
fn what_cannot_be_said_is_refused() {
    let url = json!([{"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}]);
    let sound = json!([{"type": "input_audio", "input_audio": {"data": "AA==", "format": "mp3"}}]);
    for (content, what) in [
        (url, "the model's provider fetches no image from an address"),
        (sound, "the model's provider takes no audio of this type"),
    ] {
        let body = json!({"messages": [{"role": "user", "content": content}]});
        assert_eq!(try_sent(CLAUDE, body).unwrap_err().what, what);
    }
    let error = try_sent(CLAUDE, asking(json!({"tools": [tool("a.b")]}))).unwrap_err();
    assert!(error.what.contains("no tool named `a.b`"), "{error}");
    let s3 = json!([{"type": "text", "text": "x"},
        {"type": "image_url", "image_url": {"url": "s3://bucket/a.png"}}]);
    let (body, _) = sent(NOVA, json!({"messages": [{"role": "user", "content": s3}]}));
    let image =
        json!({"image": {"format": "png", "source": {"s3Location": {"uri": "s3://bucket/a.png"}}}});
    assert_eq!(body["messages"][0]["content"][1], image);
}

#[test]
fn only_its_own_signatures_go_back() {
    let mut it = Conversation::new(Dialect::AnthropicMessages);
    it.model = CLAUDE.into();
    let signed = |dialect, value: &'static str| Some(Signature { dialect, value: value.into() });
    let redacted = crate::dialect::part::Body::Thinking { text: "".into(), redacted: true };
    it.messages.push(Message::new(Role::User, vec![Part::text("a")]));
    it.messages.push(Message::new(
        Role::Assistant,
        vec![
            Part::thinking("x").signed(signed(Dialect::BedrockConverse, "own")),
            Part::new(redacted).signed(signed(Dialect::BedrockConverse, "hidden")),
            Part::thinking("y").signed(signed(Dialect::AnthropicMessages, "foreign")),
            Part::thinking("z"),
            Part::text("b"),
        ],
    ));
    let encoded = Converse.encode(&it, &Quirks::NONE).unwrap();
    let body: Value = serde_json::from_slice(&encoded.body).unwrap();
    assert_eq!(
        body["messages"][1]["content"],
        json!([
            {"reasoningContent": {"reasoningText": {"text": "x", "signature": "own"}}},
            {"reasoningContent": {"redactedContent": "hidden"}},
            {"text": "b"},
        ])
    );
    let notes: Vec<&str> = encoded.losses.iter().map(|loss| &*loss.note).collect();
    assert_eq!(notes, ["it is signed by another kind of provider", "it is not signed"]);
}
