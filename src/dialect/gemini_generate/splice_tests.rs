use serde_json::{Value, json};

use super::*;
use crate::dialect::edits::ParamValue;

const PLAIN: &str = r#"{ "contents": [{"parts":[{"text":"hi"}]}] }"#;

fn read(body: &str) -> Request {
    Request::read(Bytes::copy_from_slice(body.as_bytes()), "m", false).unwrap()
}

fn encode(body: &str, edits: &Edits) -> String {
    let encoded = read(body).encode(edits, &Quirks::NONE);
    String::from_utf8(encoded.body.to_vec()).unwrap()
}

fn params(params: &[(Param, Change)]) -> Edits {
    Edits { params: params.to_vec(), ..Edits::default() }
}

fn set(param: Param, value: ParamValue) -> (Param, Change) {
    (param, Change::Replace(value))
}

#[test]
fn model_and_stream_are_not_in_the_body() {
    let request = read(PLAIN);
    let edits = Edits {
        model: Some("other".into()),
        stream: Some(true),
        include_usage: true,
        ..Edits::default()
    };
    let encoded = request.encode(&edits, &Quirks::NONE);
    assert_eq!(encoded.body.as_ptr(), request.object().body().as_ptr());
    assert_eq!(encoded.losses, []);
    let repeated = r#"{"model":"models/m","contents":[]}"#;
    assert_eq!(encode(repeated, &edits), r#"{"model":"models/other","contents":[]}"#);
}

#[test]
fn sampling_is_changed_inside_the_configuration() {
    let edits = params(&[
        set(Param::Temperature, ParamValue::Float(0.5)),
        set(Param::Stop, ParamValue::Texts(vec!["a\"".into()])),
        (Param::MaxOutput, Change::AtMost(ParamValue::Int(50))),
        (Param::TopP, Change::Remove),
    ]);
    assert_eq!(
        encode(PLAIN, &edits),
        r#"{ "contents": [{"parts":[{"text":"hi"}]}],"generationConfig":{"temperature":0.5,"maxOutputTokens":50,"stopSequences":["a\""]} }"#
    );
    let body =
        r#"{"generation_config": { "max_output_tokens": 40, "topP":0.1, "x": 1 },"contents":[]}"#;
    assert_eq!(
        encode(body, &edits),
        r#"{"generation_config": { "max_output_tokens": 40, "x": 1,"temperature":0.5,"stopSequences":["a\""] },"contents":[]}"#
    );
    let body = r#"{"generationConfig":null,"contents":[]}"#;
    let logprobs = Edits { logprobs: true, ..Edits::default() };
    assert_eq!(
        encode(body, &logprobs),
        r#"{"generationConfig":{"responseLogprobs":true},"contents":[]}"#
    );
    let same = params(&[(Param::MaxOutput, Change::AtMost(ParamValue::Int(100)))]);
    let body = r#"{"generationConfig":{"maxOutputTokens": 100},"contents":[]}"#;
    assert_eq!(encode(body, &same), body);
}

#[test]
fn thinking_is_changed_in_the_clients_own_measure() {
    let effort = |word: &str| params(&[set(Param::Reasoning, ParamValue::Text(word.into()))]);
    let with = |config: &str, word: &str| {
        let body = format!(r#"{{"contents":[],"generationConfig":{config}}}"#);
        let body: Value = serde_json::from_str(&encode(&body, &effort(word))).unwrap();
        body["generationConfig"]["thinkingConfig"].clone()
    };
    assert_eq!(with("{}", "low"), json!({"thinkingBudget": 1024}));
    let shown = r#"{"thinkingConfig":{"thinking_budget":-1,"includeThoughts":true}}"#;
    assert_eq!(with(shown, "high"), json!({"thinking_budget": 24576, "includeThoughts": true}));
    assert_eq!(with(shown, "none"), json!({"thinking_budget": 0}));
    let level = r#"{"thinkingConfig":{"thinkingLevel":"HIGH"}}"#;
    assert_eq!(with(level, "low"), json!({"thinkingLevel": "LOW"}));
    assert_eq!(with(level, "none"), json!({"thinkingBudget": 0}));
}

#[test]
fn what_has_no_field_is_told() {
    let edits = params(&[
        set(Param::User, ParamValue::Text("u".into())),
        set(Param::Seed, ParamValue::Int(1)),
    ]);
    let quirks = Quirks {
        unsupported: &[Param::Seed, Param::TopK],
        max_temperature: Some(100),
        ..Quirks::NONE
    };
    let body = r#"{"contents":[],"generationConfig":{"topK":3,"temperature":2}}"#;
    let encoded = read(body).encode(&edits, &quirks);
    assert_eq!(encoded.body, r#"{"contents":[],"generationConfig":{"temperature":1}}"#);
    let losses: Vec<_> =
        encoded.losses.iter().map(|loss| format!("{}:{:?}", loss.param, loss.how)).collect();
    assert_eq!(losses, ["seed:Dropped", "top_k:Dropped", "temperature:Clamped", "user:Dropped"]);
}

#[test]
fn instructions_are_changed_around_what_is_there() {
    let prompt = |edits: &[PromptEdit]| Edits { prompt: edits.to_vec(), ..Edits::default() };
    let around =
        prompt(&[PromptEdit::Prepend("be\"fore".into()), PromptEdit::Append("behind".into())]);
    let with = |system: &str| {
        encode(&format!(r#"{{"system_instruction": {system} ,"contents":[]}}"#), &around)
    };
    assert_eq!(
        with(r#"{"role":"user","parts":[ {"text":"x"} ]}"#),
        r#"{"system_instruction": {"role":"user","parts":[{"text":"be\"fore\n\n"}, {"text":"x"} ,{"text":"\n\nbehind"}]} ,"contents":[]}"#
    );
    assert_eq!(
        with(r#"{"parts":{"text":"x"}}"#),
        r#"{"system_instruction": {"parts":[{"text":"be\"fore\n\n"},{"text":"x"},{"text":"\n\nbehind"}]} ,"contents":[]}"#
    );
    assert_eq!(
        with(r#""x""#),
        r#"{"system_instruction": "be\"fore\n\nx\n\nbehind" ,"contents":[]}"#
    );
    let whole = r#"{"parts":[{"text":"be\"fore\n\nbehind"}]}"#;
    for empty in ["null", "{}", r#"{"parts":[]}"#, r#""""#] {
        assert_eq!(with(empty), format!(r#"{{"system_instruction": {whole} ,"contents":[]}}"#));
    }
    let replace = prompt(&[PromptEdit::Replace("new".into())]);
    assert_eq!(
        encode(r#"{"contents":[],"systemInstruction":{"parts":[{"text":"x"}]}}"#, &replace),
        r#"{"contents":[],"systemInstruction":{"parts":[{"text":"new"}]}}"#
    );
    assert_eq!(
        encode(r#"{"contents":[]}"#, &replace),
        r#"{"contents":[],"systemInstruction":{"parts":[{"text":"new"}]}}"#
    );
}
