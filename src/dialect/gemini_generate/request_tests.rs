use serde_json::json;

use super::*;

fn read(body: &serde_json::Value) -> Result<Request, ReadError> {
    Request::read(Bytes::from(body.to_string()), "gemini-x", true)
}

#[test]
fn the_shape_is_told() {
    let request = read(&json!({
        "system_instruction": {"parts": {"text": "Be brief."}},
        "contents": [
            {"role": "user", "parts": [{"text": "first"}]},
            {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {"a": "\"q\""}}}]},
            {"role": "function", "parts": [{"functionResponse": {"name": "f", "response": {}}}]},
            {"parts": [
                {"text": "l\u{e4}st"},
                {"inline_data": {"mime_type": "image/png", "data": "AA=="}},
                {"fileData": {"fileUri": "gs://b/x.mp3"}},
                {"fileData": {"fileUri": "gs://b/x", "mimeType": "application/pdf"}},
            ]},
        ],
        "tools": [{"functionDeclarations": [{"name": "f"}, {"name": "g"}], "googleSearch": {}, "codeExecution": null}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
        "generationConfig": {"maxOutputTokens": "100", "temperature": 0.5, "topP": 0.9, "candidateCount": 2,
            "responseLogprobs": true, "responseMimeType": "application/json", "responseSchema": {"type": "OBJECT"},
            "thinkingConfig": {"thinkingLevel": "LOW"}},
        "cachedContent": "cachedContents/x",
        "labels": {"session_id": "s", "user_id": "u"},
        "unheardOf": [1],
    }))
    .unwrap();
    let shape = request.shape();
    assert_eq!((&*shape.model, shape.stream, shape.api), ("gemini-x", true, Api::Chat));
    assert_eq!((shape.messages, shape.user_turns, shape.tools, shape.n), (5, 2, 3, 2));
    assert_eq!((shape.images, shape.audio, shape.files), (1, true, 1));
    assert_eq!(
        (shape.max_output, shape.temperature, shape.top_p),
        (Some(crate::units::Tokens(100)), Some(0.5), Some(0.9))
    );
    assert_eq!((shape.format, shape.reasoning), (Format::JsonSchema, Effort::Low));
    assert_eq!((shape.tool_choice, shape.tool_results), (ToolChoice::Named, false));
    assert!(shape.logprobs && shape.has_system && shape.cache_control && shape.include_usage);
    assert_eq!((shape.session.as_deref(), shape.user.as_deref()), (Some("s"), Some("u")));
    let body = request.object().body();
    let texts = |role| shape.texts(body, role).collect::<Vec<_>>();
    assert_eq!(texts(SegmentRole::System), ["Be brief."]);
    assert_eq!(texts(SegmentRole::LastUser), ["läst"]);
    assert_eq!(
        texts(SegmentRole::Other),
        ["first", r#"{"a":"\"q\""}"#, "f", "f", "{}"]
            .map(|text| crate::dialect::json::unescape(text).into_owned())
    );
    assert_eq!(texts(SegmentRole::Tools).len(), 2);
}

#[test]
fn results_alone_are_no_turn_of_the_users() {
    let request = read(&json!({"contents": [
        {"role": "user", "parts": [{"text": "a"}]},
        {"role": "model", "parts": [{"functionCall": {"name": "f"}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {}}}]},
    ]}))
    .unwrap();
    assert_eq!((request.shape().user_turns, request.shape().tool_results), (1, true));
}

#[test]
fn what_is_no_request_is_refused() {
    for (body, param) in [
        (json!({}), "contents"),
        (json!({"contents": "x"}), "contents"),
        (json!({"contents": null}), "contents"),
        (json!({"contents": [1]}), "contents[0]"),
        (json!({"contents": [{"role": 1}]}), "contents[0].role"),
        (json!({"contents": [{"parts": 1}]}), "contents[0].parts"),
        (json!({"contents": [], "tools": 1}), "tools"),
        (
            json!({"contents": [], "generationConfig": {"temperature": "hot"}}),
            "generationConfig.temperature",
        ),
        (
            json!({"contents": [], "systemInstruction": {}, "system_instruction": {}}),
            "system_instruction",
        ),
    ] {
        let error = read(&body).unwrap_err();
        assert_eq!(error.param.as_deref(), Some(param), "{body}");
    }
    assert!(Request::read(Bytes::from_static(b"[]"), "m", false).is_err());
    assert!(Request::read(Bytes::from_static(b"\xff"), "m", false).is_err());
}

#[test]
fn a_request_to_count_is_read_inside_its_wrapping() {
    let request = read(&json!({"generateContentRequest": {"model": "models/m",
        "contents": [{"parts": [{"text": "x"}]}], "systemInstruction": "s"}}))
    .unwrap();
    assert_eq!((request.shape().messages, request.shape().has_system), (2, true));
    let conversation = request.decode().unwrap();
    assert_eq!(conversation.messages.len(), 2);
    assert!(conversation.extras.is_empty());
}
