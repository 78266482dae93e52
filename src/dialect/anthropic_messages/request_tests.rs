use serde_json::{Value, json};

use super::*;

fn read(body: &Value) -> Request {
    Request::read(Bytes::from(body.to_string())).unwrap()
}

fn refused(body: &str) -> ReadError {
    Request::read(Bytes::copy_from_slice(body.as_bytes())).unwrap_err()
}

#[test]
fn one_scan_finds_what_there_is() {
    let body = json!({
        "model": "claude-x", "max_tokens": 100, "stream": true, "temperature": 0.5, "top_p": 0.9,
        "system": [{"type": "text", "text": "Be \"brief\".", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "content": "first"},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "hm", "signature": "sig"},
                {"type": "tool_use", "id": "t", "name": "find", "input": {"q": ["deep"]}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "t", "content": [
                    {"type": "text", "text": "found"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
                ]},
                {"type": "text", "text": "and now?"},
                {"type": "document", "title": "doc", "source":
                    {"type": "text", "media_type": "text/plain", "data": "long text"}},
            ]},
        ],
        "tools": [{"name": "find", "input_schema": {"type": "object"}}],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": true},
        "thinking": {"type": "enabled", "budget_tokens": 5000},
        "output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}},
        "metadata": {"user_id": "user_1_account_2_session_3-4"},
    });
    let request = read(&body);
    let shape = request.shape();
    assert_eq!((&*shape.model, shape.api, shape.stream), ("claude-x", Api::Messages, true));
    assert_eq!((shape.max_output, shape.temperature), (Some(Tokens(100)), Some(0.5)));
    assert_eq!((shape.messages, shape.user_turns, shape.tools), (3, 2, 1));
    assert_eq!((shape.images, shape.files), (1, 1));
    assert_eq!((shape.tool_choice, shape.parallel_tools), (ToolChoice::Required, Some(false)));
    assert_eq!((shape.reasoning, shape.format), (Effort::Medium, Format::JsonSchema));
    assert!(shape.has_system && shape.cache_control && shape.tool_results);
    assert_eq!(shape.user.as_deref(), Some("user_1_account_2_session_3-4"));
    assert_eq!(shape.session.as_deref(), Some("3-4"));
    let texts = |role| shape.texts(request.object().body(), role).collect::<Vec<_>>();
    assert_eq!(texts(SegmentRole::System), ["Be \"brief\"."]);
    let mut last = texts(SegmentRole::LastUser);
    last.sort();
    assert_eq!(last, ["and now?", "doc", "long text"]);
    let mut other = texts(SegmentRole::Other);
    other.sort();
    assert_eq!(other, ["deep", "find", "first", "found", "hm"]);
    assert_eq!(texts(SegmentRole::Tools).len(), 2);
}

#[test]
fn efforts_are_read_from_wherever_they_are() {
    let effort = |more: Value| {
        let mut body = json!({"model": "m", "max_tokens": 1, "messages": []});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        read(&body).shape().reasoning
    };
    assert_eq!(effort(json!({})), Effort::Unset);
    assert_eq!(effort(json!({"thinking": {"type": "disabled"}})), Effort::None);
    assert_eq!(effort(json!({"thinking": {"type": "adaptive"}})), Effort::High);
    assert_eq!(effort(json!({"output_config": {"effort": "low"}})), Effort::Low);
    let thinking = json!({"type": "enabled", "budget_tokens": 1024});
    assert_eq!(effort(json!({"thinking": thinking})), Effort::Low);
}

#[test]
fn sessions_are_named_in_two_ways() {
    assert_eq!(session_of("user_a_account__session_b").as_deref(), Some("b"));
    assert_eq!(session_of(r#"{"device_id":"d","session_id":"s"}"#).as_deref(), Some("s"));
    assert_eq!(session_of("ann"), None);
    assert_eq!(session_of(r#"{"session_id":"s""#), None);
}

#[test]
fn faults_name_their_fields() {
    let message = |body: &str| refused(body).message;
    assert_eq!(message(r#"{"model":"m","messages":[]}"#), "`max_tokens` is missing");
    assert_eq!(message(r#"{"max_tokens":1,"messages":[]}"#), "`model` is missing");
    assert_eq!(message(r#"{"model":"m","max_tokens":1}"#), "`messages` is missing");
    let with =
        |more: &str| message(&format!(r#"{{"model":"m","max_tokens":1,"messages":[],{more}}}"#));
    assert_eq!(
        with(r#""system":1"#),
        "`system` must be a string or an array of blocks, but it is a number"
    );
    assert_eq!(with(r#""tools":{}"#), "`tools` must be an array, but it is an object");
    assert_eq!(with(r#""thinking":true"#), "`thinking` must be an object, but it is a boolean");
    assert_eq!(with(r#""model":"n""#), "`model` occurs twice in the body");
    assert_eq!(
        message(r#"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":3}]}"#),
        "`messages[0].content` must be a string or an array of blocks, but it is a number"
    );
    let counted = Request::read_count(Bytes::from_static(br#"{"model":"m","messages":[]}"#));
    assert!(counted.is_ok());
}
