use super::*;

fn read(body: &str) -> Result<Request, ReadError> {
    Request::read(Bytes::copy_from_slice(body.as_bytes()))
}

#[test]
fn one_scan_finds_the_facts_and_the_texts() {
    let body = r#"{"model":"m","instructions":"Be \"brief\".","stream":true,"max_output_tokens":50,
        "temperature":0.5,"reasoning":{"effort":"low","summary":"auto"},"include":["message.output_text.logprobs"],
        "text":{"format":{"type":"json_schema","name":"s","schema":{"type":"object"}}},
        "tools":[{"type":"function","name":"f"}],"tool_choice":{"type":"function","name":"f"},
        "parallel_tool_calls":false,"safety_identifier":"ann","user":"bob","metadata":{"session_id":"s1"},
        "input":[{"role":"developer","content":"Rules."},
            {"role":"user","content":[{"type":"input_text","text":"one"},{"type":"input_image","image_url":"x"},
                {"type":"input_file","file_id":"f"},{"type":"input_audio","input_audio":{}}]},
            {"type":"reasoning","id":"rs","summary":[{"type":"summary_text","text":"hm"}]},
            {"type":"function_call","call_id":"c","name":"f","arguments":"{}"},
            {"type":"function_call_output","call_id":"c","output":"42"}]}"#;
    let request = read(body).unwrap();
    let shape = request.shape();
    assert_eq!((shape.api, &*shape.model, shape.stream), (Api::Responses, "m", true));
    assert_eq!((shape.max_output, shape.temperature), (Some(Tokens(50)), Some(0.5)));
    assert_eq!((shape.reasoning, shape.format), (Effort::Low, Format::JsonSchema));
    assert_eq!((shape.tools, shape.tool_choice), (1, ToolChoice::Named));
    assert_eq!((shape.images, shape.files, shape.audio), (1, 1, true));
    assert_eq!((shape.messages, shape.user_turns, shape.tool_results), (5, 1, true));
    assert_eq!((shape.user.as_deref(), shape.session.as_deref()), (Some("ann"), Some("s1")));
    assert!(shape.logprobs && shape.has_system && shape.parallel_tools == Some(false));
    let texts = |role| shape.texts(body.as_bytes(), role).collect::<Vec<_>>();
    assert_eq!(texts(SegmentRole::System), ["Be \"brief\".", "Rules."]);
    assert_eq!(texts(SegmentRole::LastUser), ["one"]);
    assert_eq!(texts(SegmentRole::Other), ["hm", "{}", "42"]);
    assert_eq!(texts(SegmentRole::Tools).len(), 2);
}

#[test]
fn a_text_is_input_enough() {
    let request = read(r#"{"input":"hi","model":"m"}"#).unwrap();
    let body = request.object().body();
    let texts: Vec<_> = request.shape().texts(body, SegmentRole::LastUser).collect();
    assert_eq!(texts, ["hi"]);
    assert!(read(r#"{"model":"m","previous_response_id":"resp_1"}"#).is_ok());
}

#[test]
fn what_is_wrong_is_said() {
    for (body, param) in [
        (r#"{"input":"x"}"#, "model"),
        (r#"{"model":"m"}"#, "input"),
        (r#"{"model":"m","input":null}"#, "input"),
        (r#"{"model":"m","input":3}"#, "input"),
        (r#"{"model":"m","input":["x"]}"#, "input[0]"),
        (r#"{"model":"m","input":[{"role":1}]}"#, "input[0].role"),
        (r#"{"model":"m","input":"x","temperature":"hot"}"#, "temperature"),
        (r#"{"model":"m","input":"x","tools":{}}"#, "tools"),
        (r#"{"model":"m","input":"x","max_output_tokens":-1}"#, "max_output_tokens"),
    ] {
        assert_eq!(read(body).unwrap_err().param.as_deref(), Some(param), "{body}");
    }
}
