use bytes::Bytes;

use super::*;

fn encode(body: &str, edits: &Edits, quirks: &Quirks) -> (String, Vec<String>) {
    let request = Request::read(Bytes::copy_from_slice(body.as_bytes())).unwrap();
    let encoded = request.encode(edits, quirks);
    let losses = encoded.losses.iter().map(|loss| format!("{}:{:?}", loss.param, loss.how));
    (String::from_utf8(encoded.body.to_vec()).unwrap(), losses.collect())
}

fn with(body: &str, params: Vec<(Param, Change)>) -> (String, Vec<String>) {
    encode(body, &Edits { params, ..Edits::default() }, &Quirks::NONE)
}

fn prompt(body: &str, edits: &[PromptEdit]) -> String {
    encode(body, &Edits { prompt: edits.to_vec(), ..Edits::default() }, &Quirks::NONE).0
}

fn word(text: &str) -> ParamValue {
    ParamValue::Text(text.into())
}

#[test]
fn what_is_not_edited_stays_byte_for_byte() {
    let body = "{ \"model\" : \"a\" ,\n \"x\":[1, 2],\"input\":\"hi\"}";
    assert_eq!(encode(body, &Edits::default(), &Quirks::NONE).0, body);
    let edits = Edits { model: Some("b".into()), stream: Some(true), ..Edits::default() };
    let expected = "{ \"model\" : \"b\" ,\n \"x\":[1, 2],\"input\":\"hi\",\"stream\":true}";
    assert_eq!(encode(body, &edits, &Quirks::NONE).0, expected);
}

#[test]
fn efforts_are_set_in_their_place() {
    let at_most = |effort| vec![(Param::Reasoning, Change::AtMost(word(effort)))];
    for (body, expected) in [
        (
            r#"{"model":"m","input":"x"}"#,
            r#"{"model":"m","input":"x","reasoning":{"effort":"low"}}"#,
        ),
        (
            r#"{"model":"m","input":"x","reasoning":{"effort":"high","summary":"auto"}}"#,
            r#"{"model":"m","input":"x","reasoning":{"effort":"low","summary":"auto"}}"#,
        ),
        (
            r#"{"model":"m","input":"x","reasoning":{"summary":"auto"}}"#,
            r#"{"model":"m","input":"x","reasoning":{"effort":"low","summary":"auto"}}"#,
        ),
        (
            r#"{"model":"m","input":"x","reasoning":{"effort":null}}"#,
            r#"{"model":"m","input":"x","reasoning":{"effort":"low"}}"#,
        ),
        (
            r#"{"model":"m","input":"x","reasoning":{}}"#,
            r#"{"model":"m","input":"x","reasoning":{"effort":"low"}}"#,
        ),
        (
            r#"{"model":"m","input":"x","reasoning":{"effort":"minimal"}}"#,
            r#"{"model":"m","input":"x","reasoning":{"effort":"minimal"}}"#,
        ),
    ] {
        assert_eq!(with(body, at_most("low")).0, expected);
    }
    let twice = [at_most("high"), at_most("low")].concat();
    let body = r#"{"model":"m","input":"x","reasoning":{"effort":"xhigh"}}"#;
    assert_eq!(with(body, twice).0, r#"{"model":"m","input":"x","reasoning":{"effort":"low"}}"#);
}

#[test]
fn probabilities_are_asked_for_by_including_them() {
    let edits = Edits { logprobs: true, ..Edits::default() };
    let asked = |body: &str| encode(body, &edits, &Quirks::NONE).0;
    assert_eq!(
        asked(r#"{"model":"m","input":"x"}"#),
        r#"{"model":"m","input":"x","include":["message.output_text.logprobs"]}"#
    );
    let already = r#"{"model":"m","input":"x","include":["message.output_text.logprobs"]}"#;
    assert_eq!(asked(already), already);
    assert_eq!(
        asked(r#"{"model":"m","include":["a"],"input":"x"}"#),
        r#"{"model":"m","include":["a","message.output_text.logprobs"],"input":"x"}"#
    );
}

#[test]
fn what_the_dialect_has_no_words_for_is_told() {
    let params = vec![
        (Param::Seed, Change::Replace(ParamValue::Int(7))),
        (Param::MaxOutput, Change::AtMost(ParamValue::Int(100))),
        (Param::N, Change::AtMost(ParamValue::Int(1))),
    ];
    let (body, losses) = with(r#"{"model":"m","input":"x"}"#, params);
    assert_eq!(body, r#"{"model":"m","input":"x","max_output_tokens":100}"#);
    assert_eq!(losses, ["seed:Dropped"]);
    let quirks = Quirks {
        unsupported: &[Param::Store, Param::User, Param::Logprobs],
        max_temperature: Some(100),
        ..Quirks::NONE
    };
    let body = r#"{"model":"m","store":false,"user":"u","temperature":2,"include":["message.output_text.logprobs"],"input":"x"}"#;
    let (body, losses) = encode(body, &Edits::default(), &quirks);
    assert_eq!(body, r#"{"model":"m","temperature":1,"include":[],"input":"x"}"#);
    assert_eq!(losses, ["user:Dropped", "logprobs:Dropped", "temperature:Clamped"]);
}

#[test]
fn prompt_edits_find_the_instructions_or_the_first_system_message() {
    let (before, after) = (PromptEdit::Prepend("A".into()), PromptEdit::Append("Z".into()));
    let both = [before.clone(), after];
    for (body, expected) in [
        (r#"{"model":"m","input":"x"}"#, r#"{"model":"m","input":"x","instructions":"A\n\nZ"}"#),
        (
            r#"{"model":"m","instructions":"b\n","input":"x"}"#,
            r#"{"model":"m","instructions":"A\n\nb\n\n\nZ","input":"x"}"#,
        ),
        (
            r#"{"model":"m","input":[{"role":"system","content":"b"},{"role":"user","content":"x"}]}"#,
            r#"{"model":"m","input":[{"role":"system","content":"A\n\nb\n\nZ"},{"role":"user","content":"x"}]}"#,
        ),
        (
            r#"{"model":"m","input":[{"role":"developer","content":[{"type":"input_text","text":"b"}]}]}"#,
            r#"{"model":"m","input":[{"role":"developer","content":[{"type":"input_text","text":"A\n\n"},{"type":"input_text","text":"b"},{"type":"input_text","text":"\n\nZ"}]}]}"#,
        ),
    ] {
        assert_eq!(prompt(body, &both), expected);
    }
    let replace = [before, PromptEdit::Replace("R".into())];
    for (body, expected) in [
        (
            r#"{"model":"m","input":[{"role":"system","content":"a"}, {"role":"system","content":"b"}, {"role":"user","content":"x"}, {"role":"system","content":"c"}]}"#,
            r#"{"model":"m","input":[{"role":"user","content":"x"}],"instructions":"R"}"#,
        ),
        (
            r#"{"model":"m","instructions":"old","input":[{"role":"system","content":"a"}]}"#,
            r#"{"model":"m","instructions":"R","input":[]}"#,
        ),
    ] {
        assert_eq!(prompt(body, &replace), expected);
    }
}
