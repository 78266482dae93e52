use insta::assert_snapshot;

use super::*;

fn read(body: &str) -> Request {
    Request::read(Bytes::copy_from_slice(body.as_bytes())).unwrap()
}

fn refuse(body: &str) -> String {
    let error = Request::read(Bytes::copy_from_slice(body.as_bytes())).unwrap_err();
    format!("{} [{} {}]", error.message, error.code, error.param.unwrap_or_default())
}

#[test]
fn a_request_has_a_shape() {
    let request = read(
        r#"{"messages":[
            {"content":"be \"brief\"","role":"developer"},
            {"role":"user","content":"first"},
            {"role":"assistant","content":null,"tool_calls":[{"id":"c","function":{"name":"f","arguments":"{}"}}]},
            {"role":"tool","tool_call_id":"c","content":"42"},
            {"role":"user","content":[{"type":"text","text":"look:\n","cache_control":{"type":"ephemeral"}},
                {"type":"image_url","image_url":{"url":"data:"}},{"type":"file","file":{}},{"type":"input_audio"}]}],
          "mod\u0065l":"auto/x","stream":true,"stream_options":{"include_usage":true},"max_tokens":5,
          "max_completion_tokens":7,"temperature":0.5,"top_p":1,"n":2,"logprobs":true,"user":"u",
          "reasoning":{"effort":"low"},"response_format":{"type":"json_schema","json_schema":{"name":"x"}},
          "tools":[{"type":"function"},{}],"tool_choice":{"type":"function"},"parallel_tool_calls":false,
          "metadata":{"session_id":"s","user_id":"other"},"unknown":{"a":[1]},"seed":null}"#,
    );
    let shape = request.shape();
    assert_eq!((shape.model.as_str(), shape.stream, shape.include_usage), ("auto/x", true, true));
    assert_eq!((shape.max_output, shape.temperature, shape.n), (Some(Tokens(7)), Some(0.5), 2));
    assert_eq!((shape.reasoning, shape.format), (Effort::Low, Format::JsonSchema));
    assert_eq!((shape.tools, shape.tool_choice), (2, ToolChoice::Named));
    assert_eq!((shape.messages, shape.images, shape.files, shape.audio), (5, 1, 1, true));
    assert!(shape.has_system && shape.cache_control && shape.logprobs && !shape.tool_results);
    assert_eq!((shape.user.as_deref(), shape.session.as_deref()), (Some("u"), Some("s")));
    let texts = |role| shape.texts(request.object().body(), role).collect::<Vec<_>>();
    assert_eq!(texts(SegmentRole::System), ["be \"brief\""]);
    assert_eq!(texts(SegmentRole::LastUser), ["look:\n"]);
    assert_eq!(texts(SegmentRole::Other), ["first", "f", "{}", "42"]);
    assert_eq!(texts(SegmentRole::Tools), [r#"{"name":"x"}"#, r#"[{"type":"function"},{}]"#]);
    assert_eq!(request.object().field("unknown"), Some(r#"{"a":[1]}"#));
    assert_eq!(request.system_prompt(), Some(r#""be \"brief\"""#));
}

#[test]
fn a_tool_result_at_the_end_is_an_agent_at_work() {
    assert!(
        read(r#"{"model":"m","messages":[{"role":"tool","content":"x"}]}"#).shape().tool_results
    );
}

#[test]
fn errors_name_the_field_what_was_found_and_what_is_expected() {
    assert_snapshot!(refuse("{\n\"model\": x}"), @"the body is not valid JSON: expected a value (line 2, column 10) [invalid_json ]");
    assert_snapshot!(refuse("[]"), @"the body must be a JSON object, but it is an array [invalid_type ]");
    assert_snapshot!(refuse(r#"{"messages":[]}"#), @"`model` is missing [missing_field model]");
    assert_snapshot!(refuse(r#"{"model":"m"}"#), @"`messages` is missing [missing_field messages]");
    assert_snapshot!(refuse(r#"{"model":3,"messages":[]}"#), @"`model` must be a string, but it is a number [invalid_type model]");
    assert_snapshot!(refuse(r#"{"model":"m","messages":[{}]}"#), @"`messages[0].role` is missing [missing_field messages[0].role]");
    assert_snapshot!(refuse(r#"{"model":"m","messages":[{"role":"user","content":4}]}"#), @"`messages[0].content` must be a string or an array of parts, but it is a number [invalid_type messages[0].content]");
    assert_snapshot!(refuse(r#"{"model":"m","messages":[],"temperature":"hot"}"#), @"`temperature` must be a number, but it is a string [invalid_type temperature]");
    assert_snapshot!(refuse(r#"{"model":"m","messages":[],"max_tokens":-1}"#), @"`max_tokens` must not be negative [invalid_value max_tokens]");
    assert_snapshot!(refuse(r#"{"model":"m","messages":[],"m\u006fdel":"n"}"#), @"`model` occurs twice in the body [duplicate_field model]");
    assert_snapshot!(refuse(&format!(r#"{{"x":{}}}"#, "[".repeat(200))), @"the body is not valid JSON: nested deeper than 127 levels (line 1, column 132) [invalid_json ]");
}
