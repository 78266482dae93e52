//! Through the neutral form and back: what another dialect would be told, and what comes of it.

use bytes::Bytes;
use serde_json::{Value, json};

use super::*;
use crate::dialect::gemini_generate::encode::encode;
use crate::dialect::part::Signature;
use crate::dialect::quirks::Quirks;
use crate::dialect::{openai_chat, passage};

fn read(body: &Value) -> Request {
    Request::read(Bytes::from(body.to_string()), "gemini-x", false).unwrap()
}

/// Written for Google, with what is lost.
fn written(it: &Conversation<'_>) -> (Value, Vec<String>) {
    let encoded = encode(it, &Quirks::NONE).unwrap();
    let losses = encoded.losses.iter().map(|loss| format!("{}:{:?}", loss.param, loss.how));
    (serde_json::from_slice(&encoded.body).unwrap(), losses.collect())
}

/// From OpenAI's chat to Google.
fn from_chat(body: &Value) -> (Value, Vec<String>) {
    let request = openai_chat::Request::read(Bytes::from(body.to_string())).unwrap();
    written(&request.decode().unwrap())
}

/// From Google to OpenAI's chat.
fn to_chat(body: &Value) -> (Value, Vec<String>) {
    let request = read(body);
    let side = passage::provider_side(Dialect::OpenAiChat).unwrap();
    let encoded = side.encode(&request.decode().unwrap(), &Quirks::NONE).unwrap();
    let losses = encoded.losses.iter().map(|loss| format!("{}:{:?}", loss.param, loss.how));
    (serde_json::from_slice(&encoded.body).unwrap(), losses.collect())
}

fn everything() -> Value {
    json!({
        "systemInstruction": {"parts": [{"text": "Be brief."}, {"text": "And kind."}]},
        "contents": [
            {"role": "user", "parts": [
                {"text": "What is \"this\"?\n"},
                {"inlineData": {"mimeType": "image/png", "data": "AAAA"}, "mediaResolution": {"level": "MEDIA_RESOLUTION_LOW"}},
                {"fileData": {"fileUri": "https://x.test/a.mp4", "mimeType": "video/mp4"}},
                {"videoMetadata": {"startOffset": "2s"}},
                {"fileData": {"fileUri": "gs://bucket/a.pdf"}},
            ]},
            {"role": "model", "parts": [
                {"text": "hm", "thought": true, "thoughtSignature": "c2ln"},
                {"executableCode": {"language": "PYTHON", "code": "1"}},
                {"functionCall": {"id": "c1", "name": "f", "args": {"a": 1}}, "thoughtSignature": "c2ln"},
                {"functionCall": {"id": "c2", "name": "g", "args": {}}},
            ]},
            {"role": "user", "parts": [
                {"functionResponse": {"id": "c1", "name": "f", "response": {"result": "42"}}},
                {"functionResponse": {"id": "c2", "name": "g", "response": {"error": "broke"}, "parts": [
                    {"inlineData": {"mimeType": "image/png", "data": "BBBB"}}]}},
            ]},
            {"role": "model", "parts": [{"text": "It is 42.", "thoughtSignature": "ZW5k"}]},
            {"role": "user", "parts": [{"text": "Thanks"}]},
        ],
        "tools": [
            {"functionDeclarations": [
                {"name": "f", "description": "d", "parametersJsonSchema": {"type": "object"}},
                {"name": "g"},
            ]},
            {"googleSearch": {}},
        ],
        "toolConfig": {"functionCallingConfig": {"mode": "VALIDATED"}, "retrievalConfig": {"languageCode": "en"}},
        "generationConfig": {
            "maxOutputTokens": 100, "temperature": 0.5, "topP": 0.9, "topK": 3, "candidateCount": 2, "seed": 7,
            "stopSequences": ["a", "b"], "frequencyPenalty": 0.1, "presencePenalty": -0.1,
            "responseLogprobs": true, "logprobs": 3,
            "responseMimeType": "application/json", "responseJsonSchema": {"type": "object"},
            "thinkingConfig": {"thinkingBudget": 1000, "includeThoughts": true},
            "responseModalities": ["TEXT", "IMAGE"], "imageConfig": {"aspectRatio": "1:1"},
        },
        "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
        "cachedContent": "projects/p/locations/l/cachedContents/1",
        "labels": {"a": "b"},
    })
}

#[test]
fn a_request_with_everything_comes_back_as_it_was() {
    let body = everything();
    let request = read(&body);
    let (mut again, losses) = written(&request.decode().unwrap());
    // Its type is known by its name.
    again["contents"][0]["parts"][4]["fileData"].as_object_mut().unwrap().remove("mimeType");
    assert_eq!(again, body);
    assert!(losses.is_empty(), "{losses:?}");
}

#[test]
fn openai_is_told_in_its_own_words() {
    let mut body = everything();
    body.as_object_mut().unwrap().remove("cachedContent");
    body["contents"][0]["parts"].as_array_mut().unwrap().pop();
    body["tools"][0]["functionDeclarations"][0] = json!({"name": "f", "parameters":
        {"type": "OBJECT", "properties": {"a": {"type": "INTEGER", "nullable": true}}}});
    let (told, losses) = to_chat(&body);
    assert_eq!(told["model"], "gemini-x");
    assert_eq!(
        told["messages"],
        json!([
            {"role": "system", "content": [
                {"type": "text", "text": "Be brief."}, {"type": "text", "text": "And kind."}]},
            {"role": "user", "content": [
                {"type": "text", "text": "What is \"this\"?\n"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
                {"type": "video_url", "video_url": {"url": "https://x.test/a.mp4"}},
            ]},
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}},
                {"id": "c2", "type": "function", "function": {"name": "g", "arguments": "{}"}},
            ]},
            {"role": "tool", "tool_call_id": "c1", "content": "42"},
            {"role": "tool", "tool_call_id": "c2", "content": "Error: broke"},
            {"role": "user", "content": [
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,BBBB"}}]},
            {"role": "assistant", "content": "It is 42."},
            {"role": "user", "content": "Thanks"},
        ])
    );
    assert_eq!(
        told["tools"][0]["function"]["parameters"],
        json!({"type": "object", "properties": {"a": {"type": ["integer", "null"]}}})
    );
    assert_eq!(told["response_format"]["json_schema"]["schema"], json!({"type": "object"}));
    assert_eq!((&told["max_tokens"], &told["reasoning_effort"]), (&json!(100), &json!("low")));
    for lost in [
        "content:Dropped",
        "thinking:Dropped",
        "top_k:Dropped",
        "tools:Dropped",
        "safety_settings:Dropped",
        "labels:Dropped",
        "generationConfig.imageConfig:Dropped",
    ] {
        assert!(losses.iter().any(|loss| loss == lost), "{lost}: {losses:?}");
    }
}

#[test]
fn google_is_told_in_its_own_words() {
    let (told, losses) = from_chat(&json!({
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "name": "ann", "content": [
                {"type": "text", "text": "Look"},
                {"type": "image_url", "image_url": {"url": "https://x.test/a.png", "detail": "low"}},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                {"type": "input_audio", "input_audio": {"data": "BBBB", "format": "mp3"}},
                {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,CCCC"}},
            ]},
            {"role": "assistant", "content": "So", "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"a\": 1}"}},
                {"id": "c2", "type": "function", "function": {"name": "g", "arguments": ""}},
            ]},
            {"role": "tool", "tool_call_id": "c1", "content": "{\"x\": 1}"},
            {"role": "tool", "tool_call_id": "c2", "content": "ok"},
            {"role": "developer", "content": "Now be long."},
        ],
        "max_completion_tokens": 9, "n": 2, "seed": 5_000_000_000_i64, "stop": "x", "logprobs": true, "top_logprobs": 2,
        "reasoning_effort": "medium", "response_format": {"type": "json_object"},
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}, "strict": true}},
            {"type": "custom", "custom": {"name": "free"}}],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "parallel_tool_calls": false, "user": "u", "service_tier": "flex", "store": true,
        "metadata": {"a": "b"}, "logit_bias": {"1": 1}, "verbosity": "low",
    }));
    assert_eq!(
        told,
        json!({
            "systemInstruction": {"parts": [{"text": "Be brief."}]},
            "contents": [
                {"role": "user", "parts": [
                    {"text": "Look"},
                    {"fileData": {"fileUri": "https://x.test/a.png", "mimeType": "image/png"}},
                    {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
                    {"inlineData": {"mimeType": "audio/mpeg", "data": "BBBB"}},
                    {"inlineData": {"mimeType": "application/pdf", "data": "CCCC"}},
                ]},
                {"role": "model", "parts": [
                    {"text": "So"},
                    {"functionCall": {"id": "c1", "name": "f", "args": {"a": 1}}},
                    {"functionCall": {"id": "c2", "name": "g", "args": {}}},
                ]},
                {"role": "user", "parts": [
                    {"functionResponse": {"id": "c1", "name": "f", "response": {"x": 1}}},
                    {"functionResponse": {"id": "c2", "name": "g", "response": {"result": "ok"}}},
                ]},
                {"role": "user", "parts": [{"text": "Now be long."}]},
            ],
            "tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": {"type": "object"}}]}],
            "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
            "generationConfig": {"maxOutputTokens": 9, "candidateCount": 2, "seed": i32::MAX, "stopSequences": ["x"],
                "responseLogprobs": true, "logprobs": 2, "responseMimeType": "application/json",
                "thinkingConfig": {"thinkingBudget": 8192, "includeThoughts": true}},
        })
    );
    assert_eq!(
        losses,
        [
            "messages.name:Dropped",
            "system:Emulated",
            "image.detail:Dropped",
            "tools.strict:Dropped",
            "tools:Dropped",
            "parallel_tools:Dropped",
            "seed:Clamped",
            "logit_bias:Dropped",
            "service_tier:Dropped",
            "user:Dropped",
            "store:Dropped",
            "metadata:Dropped",
            "verbosity:Dropped"
        ]
    );
}

#[test]
fn thinking_is_asked_for_in_tokens() {
    let with = |fields: Value| {
        let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "x"}]});
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        from_chat(&body).0["generationConfig"]["thinkingConfig"].clone()
    };
    assert_eq!(with(json!({})), Value::Null);
    assert_eq!(with(json!({"reasoning_effort": "none"})), json!({"thinkingBudget": 0}));
    let shown = |budget: i64| json!({"thinkingBudget": budget, "includeThoughts": true});
    assert_eq!(with(json!({"reasoning_effort": "high"})), shown(24576));
    assert_eq!(with(json!({"reasoning": {"max_tokens": 5}})), shown(5));
    assert_eq!(with(json!({"reasoning": {"enabled": true}})), shown(-1));
    let hidden = json!({"reasoning": {"max_tokens": 5, "exclude": true}});
    assert_eq!(with(hidden), json!({"thinkingBudget": 5}));
}

#[test]
fn unsigned_calls_of_the_current_turn_are_marked() {
    let call = |id: &str| {
        json!({"role": "assistant", "content": null, "tool_calls": [
            {"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}},
            {"id": format!("{id}b"), "type": "function", "function": {"name": "f", "arguments": "{}"}}]})
    };
    let results = |id: &str| {
        [
            json!({"role": "tool", "tool_call_id": id, "content": "1"}),
            json!({"role": "tool", "tool_call_id": format!("{id}b"), "content": "2"}),
        ]
    };
    let [r1, r2] = results("c1");
    let [r3, r4] = results("c2");
    let (told, losses) = from_chat(&json!({"model": "m", "messages": [
        {"role": "user", "content": "a"}, call("c1"), r1, r2,
        {"role": "user", "content": "b"}, call("c2"), r3, r4,
    ]}));
    let mark = |content: usize, part: usize| {
        told["contents"][content]["parts"][part]["thoughtSignature"].clone()
    };
    assert_eq!((mark(1, 0), mark(1, 1)), (Value::Null, Value::Null), "an earlier turn");
    assert_eq!(mark(4, 0), crate::dialect::gemini_generate::signature::PLACEHOLDER);
    assert_eq!(mark(4, 1), Value::Null, "only the first of a step");
    assert_eq!(losses, ["tool_calls.signature:Emulated"]);
}

#[test]
fn signed_thinking_goes_back_to_whom_it_came_from() {
    let signature = |dialect, value: &'static str| Some(Signature { dialect, value: value.into() });
    let mut conversation = Conversation::new(Dialect::AnthropicMessages);
    conversation.messages.push(Message::new(Role::User, vec![Part::text("q")]));
    conversation.messages.push(Message::new(
        Role::Assistant,
        vec![
            Part::thinking("mine").signed(signature(Dialect::GeminiGenerate, "c2ln")),
            Part::thinking("yours").signed(signature(Dialect::AnthropicMessages, "sig")),
            Part::thinking("nobody's"),
            Part::call("c", "f", "{}").signed(signature(Dialect::GeminiGenerate, "Y2FsbA==")),
        ],
    ));
    let (told, losses) = written(&conversation);
    assert_eq!(
        told["contents"][1]["parts"],
        json!([
            {"text": "mine", "thought": true, "thoughtSignature": "c2ln"},
            {"functionCall": {"id": "c", "name": "f", "args": {}}, "thoughtSignature": "Y2FsbA=="},
        ])
    );
    assert_eq!(losses, ["thinking:Dropped"]);
}

#[test]
fn thinking_that_a_client_collected_from_a_stream_is_one_again() {
    let signed = Signature { dialect: Dialect::AnthropicMessages, value: "a/b+c=".into() };
    let wrapped = crate::dialect::gemini_generate::signature::written(&signed).into_owned();
    let request = read(&json!({"contents": [
        {"role": "user", "parts": [{"text": "q"}]},
        {"role": "model", "parts": [{"text": "he", "thought": true}]},
        {"role": "model", "parts": [{"text": "llo", "thought": true}]},
        {"role": "model", "parts": [{"text": "", "thought": true, "thoughtSignature": wrapped}]},
        {"role": "model", "parts": [{"text": "answer"}, {"text": ""}]},
    ]}));
    let conversation = request.decode().unwrap();
    let [_, answer] = &conversation.messages[..] else { panic!("{conversation:?}") };
    assert_eq!(answer.parts, [Part::thinking("hello").signed(Some(signed)), Part::text("answer")]);
}

#[test]
fn calls_without_ids_get_some_that_their_results_find() {
    let request = read(&json!({"contents": [
        {"role": "user", "parts": [{"text": "q"}]},
        {"role": "model", "parts": [
            {"functionCall": {"name": "f", "args": {}}}, {"functionCall": {"name": "g"}},
            {"functionCall": {"name": "f", "args": {"pointsman:arguments": "{\"cut"}}}]},
        {"role": "user", "parts": [
            {"functionResponse": {"name": "g", "response": {"result": "g1"}}},
            {"functionResponse": {"name": "f", "response": {"result": "f1"}}},
            {"functionResponse": {"name": "f", "response": {"result": 7}}}]},
    ]}));
    let conversation = request.decode().unwrap();
    let calls: Vec<_> = conversation.messages[1].parts.iter().map(Part::main_text).collect();
    assert_eq!(calls, ["{}", "{}", "{\"cut"]);
    let results: Vec<_> = conversation.messages[2]
        .parts
        .iter()
        .filter_map(|part| match &part.body {
            Body::Result(result) => Some((result.call.to_string(), result.text().into_owned())),
            _ => None,
        })
        .collect();
    let expected =
        [("call_gemini_2", "g1"), ("call_gemini_1", "f1"), ("call_gemini_3", "{\"result\":7}")];
    assert_eq!(results, expected.map(|(id, text)| (id.to_owned(), text.to_owned())));
}

#[test]
fn the_user_begins_and_images_of_results_follow_them() {
    let mut conversation = Conversation::new(Dialect::AnthropicMessages);
    let image = || {
        let source = Source::Base64 { mime: "image/png".into(), data: "AAAA".into() };
        Part::new(Body::Media(Media::new(MediaKind::Image, source)))
    };
    let result = |call: &'static str, parts| {
        Part::new(Body::Result(ToolResult { call: call.into(), parts, ..ToolResult::default() }))
    };
    conversation.messages.push(Message::new(
        Role::Assistant,
        vec![Part::call("c1", "f", "{}"), Part::call("c2", "g", "[1]")],
    ));
    conversation.messages.push(Message::new(
        Role::User,
        vec![
            result("c1", vec![Part::text("a"), image()]),
            result("c2", vec![]),
            Part::text("and?"),
        ],
    ));
    let (told, losses) = written(&conversation);
    let contents = &told["contents"];
    assert_eq!(contents[0], json!({"role": "user", "parts": [{"text": " "}]}));
    assert_eq!(contents[1]["parts"][1]["functionCall"]["args"], json!({"input": "[1]"}));
    assert_eq!(contents[2]["parts"].as_array().unwrap().len(), 2);
    assert_eq!(
        contents[3]["parts"],
        json!([{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}, {"text": "and?"}])
    );
    for lost in ["messages:Emulated", "tool_result.media:Emulated"] {
        assert!(losses.iter().any(|loss| loss == lost), "{lost}: {losses:?}");
    }
}

#[test]
fn files_of_another_store_are_refused() {
    let mut conversation = Conversation::new(Dialect::AnthropicMessages);
    let source = Source::File { id: "f".into(), dialect: Dialect::AnthropicMessages };
    let file = Part::new(Body::Media(Media::new(MediaKind::Image, source)));
    conversation.messages.push(Message::new(Role::User, vec![file]));
    let error = encode(&conversation, &Quirks::NONE).unwrap_err();
    assert_eq!(error.what, "the model's provider takes no image from another provider's store");
    // A prompt in Google's cache is such a file for others.
    let request = read(
        &json!({"contents": [{"parts": [{"text": "x"}]}], "cachedContent": "cachedContents/1"}),
    );
    let side = passage::provider_side(Dialect::OpenAiChat).unwrap();
    assert!(side.encode(&request.decode().unwrap(), &Quirks::NONE).is_err());
}

#[test]
fn nothing_is_lost_that_is_not_given() {
    let (told, losses) =
        from_chat(&json!({"model": "m", "messages": [{"role": "user", "content": "x"}],
        "service_tier": "auto", "store": false, "n": 1, "parallel_tool_calls": true}));
    assert_eq!(told, json!({"contents": [{"role": "user", "parts": [{"text": "x"}]}]}));
    assert!(losses.is_empty(), "{losses:?}");
}
