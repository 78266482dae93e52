use bytes::Bytes;
use insta::assert_snapshot;
use serde_json::{Value, json};

use super::*;

const PLAIN: &str =
    r#"{ "model": "auto", "max_tokens": 5000, "messages": [{"role":"user","content":"hi"}] }"#;

fn encode_for(body: &str, edits: Edits, quirks: &Quirks) -> (String, String) {
    let request = Request::read(Bytes::copy_from_slice(body.as_bytes())).unwrap();
    let encoded = request.encode(&edits, quirks);
    let losses: Vec<String> = encoded
        .losses
        .iter()
        .map(|loss| format!("{} {:?}: {}", loss.param, loss.how, loss.note))
        .collect();
    (String::from_utf8(encoded.body.to_vec()).unwrap(), losses.join("; "))
}

fn encode(body: &str, edits: Edits) -> String {
    let (body, losses) = encode_for(body, edits, &Quirks::NONE);
    if losses.is_empty() { body } else { format!("{body}\n{losses}") }
}

fn set(param: Param, change: Change) -> Edits {
    Edits { params: vec![(param, change)], ..Edits::default() }
}

fn text(word: &str) -> ParamValue {
    ParamValue::Text(word.into())
}

fn to(model: &str) -> Edits {
    Edits { model: Some(model.into()), ..Edits::default() }
}

#[test]
fn without_edits_the_bytes_are_the_same_ones() {
    let request = Request::read(Bytes::from_static(PLAIN.as_bytes())).unwrap();
    let encoded = request.encode(&to("auto"), &Quirks::NONE);
    assert_eq!(encoded.body.as_ptr(), request.object().body().as_ptr());
    assert_eq!(encoded.losses, []);
}

#[test]
fn parameters_are_set_where_they_are() {
    use Change::{AtLeast, AtMost, Remove, Replace};
    let with = |more: &str, param, change| {
        encode(
            &format!(r#"{{"model":"m","max_tokens":500,"messages":[]{more}}}"#),
            set(param, change),
        )
    };
    let int = ParamValue::Int;
    assert_snapshot!(with("", Param::MaxOutput, AtMost(int(100))), @r#"{"model":"m","max_tokens":100,"messages":[]}"#);
    assert_snapshot!(with("", Param::MaxOutput, AtMost(int(900))), @r#"{"model":"m","max_tokens":500,"messages":[]}"#);
    assert_snapshot!(with("", Param::MaxOutput, Remove), @r#"
    {"model":"m","max_tokens":500,"messages":[]}
    max_output Dropped: a limit has to be there
    "#);
    assert_snapshot!(with("", Param::Temperature, AtMost(ParamValue::Float(0.3))), @r#"{"model":"m","max_tokens":500,"messages":[],"temperature":0.3}"#);
    assert_snapshot!(with("", Param::Temperature, Replace(ParamValue::Float(1.5))), @r#"
    {"model":"m","max_tokens":500,"messages":[],"temperature":1}
    temperature Clamped: 1.5 to 1
    "#);
    assert_snapshot!(with(r#","top_k":5"#, Param::TopK, AtLeast(int(9))), @r#"{"model":"m","max_tokens":500,"messages":[],"top_k":9}"#);
    assert_snapshot!(with("", Param::Stop, Replace(text("a\""))), @r#"{"model":"m","max_tokens":500,"messages":[],"stop_sequences":["a\""]}"#);
    assert_snapshot!(with("", Param::User, Replace(text("ann"))), @r#"{"model":"m","max_tokens":500,"messages":[],"metadata":{"user_id":"ann"}}"#);
    assert_snapshot!(with("", Param::ServiceTier, Replace(text("default"))), @r#"{"model":"m","max_tokens":500,"messages":[],"service_tier":"standard_only"}"#);
    assert_snapshot!(with("", Param::Seed, Replace(int(1))), @r#"
    {"model":"m","max_tokens":500,"messages":[]}
    seed Dropped: it is unknown there
    "#);
    let no = || Replace(ParamValue::Bool(false));
    assert_snapshot!(with(r#","tools":[{"name":"f"}]"#, Param::ParallelTools, no()), @r#"{"model":"m","max_tokens":500,"messages":[],"tools":[{"name":"f"}],"tool_choice":{"type":"auto","disable_parallel_tool_use":true}}"#);
    assert_snapshot!(with(r#","tool_choice":{"type":"any"}"#, Param::ParallelTools, no()), @r#"{"model":"m","max_tokens":500,"messages":[],"tool_choice":{"type":"any","disable_parallel_tool_use":true}}"#);
    assert_snapshot!(with(r#","tool_choice":{"disable_parallel_tool_use":true,"type":"any"}"#, Param::ParallelTools, Remove), @r#"{"model":"m","max_tokens":500,"messages":[],"tool_choice":{"type":"any"}}"#);
}

#[test]
fn thinking_is_set_as_the_model_takes_it() {
    use Change::{AtLeast, AtMost, Remove, Replace};
    let with = |model: &str, more: &str, change| {
        let body = format!(r#"{{"model":"m","max_tokens":5000,"messages":[]{more}}}"#);
        encode(&body, Edits { model: Some(model.into()), ..set(Param::Reasoning, change) })
    };
    assert_snapshot!(with("claude-sonnet-5", "", Replace(text("low"))), @r#"{"model":"claude-sonnet-5","max_tokens":5000,"messages":[],"thinking":{"type":"adaptive","display":"summarized"},"output_config":{"effort":"low"}}"#);
    assert_snapshot!(with("claude-haiku-4-5", r#","temperature":0.2"#, Replace(text("low"))), @r#"
    {"model":"claude-haiku-4-5","max_tokens":5000,"messages":[],"thinking":{"type":"enabled","budget_tokens":1024}}
    reasoning Emulated: the effort `low` is sent as a budget of 1024 tokens; temperature Dropped: it does not go together with thinking
    "#);
    // Nothing said is no thinking, which is less than low.
    assert_snapshot!(with("claude-haiku-4-5", "", AtMost(text("low"))), @r#"{"model":"claude-haiku-4-5","max_tokens":5000,"messages":[]}"#);
    let adaptive = r#","thinking":{"type":"adaptive"},"output_config":{"effort":"high","x":1}"#;
    assert_snapshot!(with("claude-sonnet-5", adaptive, AtMost(text("low"))), @r#"{"model":"claude-sonnet-5","max_tokens":5000,"messages":[],"thinking":{"type":"adaptive","display":"summarized"},"output_config":{"x":1,"effort":"low"}}"#);
    assert_snapshot!(with("claude-sonnet-5", adaptive, AtLeast(text("low"))), @r#"{"model":"claude-sonnet-5","max_tokens":5000,"messages":[],"thinking":{"type":"adaptive"},"output_config":{"effort":"high","x":1}}"#);
    assert_snapshot!(with("claude-sonnet-5", adaptive, Remove), @r#"{"model":"claude-sonnet-5","max_tokens":5000,"messages":[],"output_config":{"x":1}}"#);
    assert_snapshot!(with("claude-haiku-4-5", adaptive, Replace(text("none"))), @r#"{"model":"claude-haiku-4-5","max_tokens":5000,"messages":[],"thinking":{"type":"disabled"},"output_config":{"x":1}}"#);
}

#[test]
fn another_model_gets_what_it_takes() {
    let body = r#"{"model":"auto","max_tokens":5000,"messages":[],"temperature":0.5,"top_p":1,"thinking":{"type":"enabled","budget_tokens":2000}}"#;
    assert_snapshot!(encode(body, to("claude-haiku-4-5")), @r#"{"model":"claude-haiku-4-5","max_tokens":5000,"messages":[],"temperature":0.5,"top_p":1,"thinking":{"type":"enabled","budget_tokens":2000}}"#);
    assert_snapshot!(encode(body, to("claude-opus-4-7")), @r#"
    {"model":"claude-opus-4-7","max_tokens":5000,"messages":[],"top_p":1,"thinking":{"type":"adaptive","display":"summarized"},"output_config":{"effort":"medium"}}
    reasoning.budget Emulated: a budget of 2000 tokens is sent as the effort `medium`; temperature Dropped: it does not go together with thinking
    "#);
    let adaptive =
        r#"{"model":"auto","max_tokens":5000,"messages":[],"thinking":{"type":"adaptive"}}"#;
    assert_snapshot!(encode(adaptive, to("claude-haiku-4-5")), @r#"
    {"model":"claude-haiku-4-5","max_tokens":5000,"messages":[],"thinking":{"type":"enabled","budget_tokens":3750}}
    reasoning Clamped: the limit on the answer leaves 3750 tokens for thinking
    "#);
    assert_snapshot!(encode(adaptive, to("someone-elses")), @r#"{"model":"someone-elses","max_tokens":5000,"messages":[],"thinking":{"type":"adaptive"}}"#);
}

#[test]
fn prompts_are_edited_inside_of_what_is_there() {
    let edits = |edits: &[PromptEdit]| Edits { prompt: edits.to_vec(), ..Edits::default() };
    let both = || edits(&[PromptEdit::Prepend("a".into()), PromptEdit::Append("z".into())]);
    let with = |system: &str, edits| {
        encode(&format!(r#"{{"model":"m","max_tokens":1,"messages":[]{system}}}"#), edits)
    };
    assert_snapshot!(with("", both()), @r#"{"model":"m","max_tokens":1,"messages":[],"system":"a\n\nz"}"#);
    assert_snapshot!(with(r#","system":"x\"""#, both()), @r#"{"model":"m","max_tokens":1,"messages":[],"system":"a\n\nx\"\n\nz"}"#);
    assert_snapshot!(with(r#","system":[{"type":"text","text":"x"}]"#, both()), @r#"{"model":"m","max_tokens":1,"messages":[],"system":[{"type":"text","text":"a\n\n"},{"type":"text","text":"x"},{"type":"text","text":"\n\nz"}]}"#);
    assert_snapshot!(with(r#","system":[]"#, both()), @r#"{"model":"m","max_tokens":1,"messages":[],"system":"a\n\nz"}"#);
    let replaced = edits(&[PromptEdit::Prepend("a".into()), PromptEdit::Replace("new".into())]);
    assert_snapshot!(with(r#","system":"x""#, replaced), @r#"{"model":"m","max_tokens":1,"messages":[],"system":"new"}"#);
}

#[test]
fn what_others_signed_stays_behind() {
    let thought =
        |signature: &str| json!({"type": "thinking", "thinking": "hm", "signature": signature});
    let body = json!({"model": "m", "max_tokens": 1, "messages": [
        {"role": "assistant", "content": [thought("own"), thought("pointsman:gemini.generate:x"), {"type": "text", "text": "a"}]},
        {"role": "assistant", "content": [{"type": "redacted_thinking", "data": "pointsman.call:t:pointsman:gemini.generate:x"}]},
        {"role": "assistant", "content": [thought(""), {"type": "text", "text": "b"}]},
        {"role": "user", "content": "c"},
    ]});
    let messages = |quirks: &Quirks| {
        let (body, losses) = encode_for(&body.to_string(), Edits::default(), quirks);
        assert_eq!(losses.matches("thinking Dropped").count(), 1);
        serde_json::from_str::<Value>(&body).unwrap()["messages"].take()
    };
    assert_eq!(
        messages(&Quirks::NONE),
        json!([
            {"role": "assistant", "content": [thought("own"), {"type": "text", "text": "a"}]},
            {"role": "assistant", "content": [{"type": "text", "text": "…"}]},
            {"role": "assistant", "content": [{"type": "text", "text": "b"}]},
            {"role": "user", "content": "c"},
        ])
    );
    let amid = json!({"model": "m", "max_tokens": 5000, "thinking": {"type": "enabled", "budget_tokens": 1024}, "messages": [
        {"role": "assistant", "content": [thought(""), {"type": "tool_use", "id": "t", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t"}]},
    ]});
    let (sent, losses) = encode_for(&amid.to_string(), Edits::default(), &Quirks::NONE);
    assert!(!sent.contains("thinking") && losses.contains("reasoning Dropped"), "{sent} {losses}");
    let unsigned = messages(&Quirks { thinking_goes_back: true, ..Quirks::NONE });
    assert_eq!(unsigned[2]["content"][0], thought(""));
}

#[test]
fn quirks_take_out_what_is_not_supported() {
    let body = r#"{"model":"m","max_tokens":1,"messages":[],"temperature":0.9,"top_k":3,"thinking":{"type":"adaptive"},"output_config":{"effort":"low"},"metadata":{"user_id":"u"}}"#;
    let quirks = Quirks {
        unsupported: &[Param::TopK, Param::Reasoning, Param::User, Param::ParallelTools],
        max_temperature: Some(50),
        ..Quirks::NONE
    };
    let (body, losses) = encode_for(body, Edits::default(), &quirks);
    assert_snapshot!(body, @r#"{"model":"m","max_tokens":1,"messages":[],"temperature":0.5}"#);
    assert_snapshot!(losses, @"top_k Dropped: it is not supported there; reasoning Dropped: it is not supported there; user Dropped: it is not supported there; temperature Clamped: 0.9 to 0.5");
}

#[test]
fn on_vertex_the_address_names_the_model() {
    let quirks = Quirks { model_in_path: true, ..Quirks::NONE };
    let vertex = |body: &str, edits: Edits| encode_for(body, edits, &quirks).0;
    let body = r#"{"model":"claude-3-7-sonnet@20250219","max_tokens":5,"messages":[]}"#;
    assert_snapshot!(vertex(body, Edits::default()), @r#"{"max_tokens":5,"messages":[],"anthropic_version":"vertex-2023-10-16"}"#);
    let other = Edits { model: Some("claude-sonnet-5".into()), ..Edits::default() };
    let body = r#"{"max_tokens":5,"anthropic_version":"x","model":"m","messages":[],"top_k":3}"#;
    assert_snapshot!(vertex(body, other), @r#"{"max_tokens":5,"anthropic_version":"vertex-2023-10-16","messages":[]}"#);
}
