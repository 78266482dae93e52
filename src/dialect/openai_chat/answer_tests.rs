use bytes::Bytes;

use super::*;
use crate::dialect::object::{with_top_level_field, without_logprobs};
use crate::dialect::usage::UsageSource;
use crate::error_class::ErrorClass;

fn answer(json: &str) -> Answer {
    read(json.as_bytes(), &Quirks::NONE).unwrap()
}

#[test]
fn reads_what_providers_make_of_a_message() {
    let it = answer(
        r#"{"id":"x","model":"m","choices":[{"index":1,"message":{"content":"two"}},{"message":{
          "content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]},{"type":"text","text":"a"},"b"],
          "tool_calls":[{"function":{"name":"f","arguments":{"a": 1}}},{"id":"i","custom":{"name":"g","input":"raw"}},
             {"id":"j","custom":{"name":"","input":""},"function":{"name":"h","arguments":"{}"}}],
          "function_call":{"name":"","arguments":""},"refusal":"","audio":null},
          "index":0,"finish_reason":"","logprobs":{"content":[{"logprob":-1.0},{"logprob":-3}]}}]}"#,
    );
    assert_eq!(it.choices.iter().map(|choice| choice.index).collect::<Vec<_>>(), [0, 1]);
    let first = it.primary().unwrap();
    assert_eq!((&*first.text(), &*first.reasoning(), first.finish), ("ab", "hm", None));
    let calls: Vec<_> = first.tool_calls().map(|call| (&*call.name, &*call.arguments)).collect();
    assert_eq!(calls, [("f", r#"{"a": 1}"#), ("g", "raw"), ("h", "{}")]);
    assert_eq!((first.logprobs.mean(), first.logprobs.min()), (Some(-2.0), Some(-3.0)));
    assert_eq!(it.usage_source, UsageSource::None);
}

#[test]
fn the_same_thought_under_two_names_is_one() {
    let it = answer(r#"{"choices":[{"message":{"reasoning":"a","reasoning_content":"a"}}]}"#);
    assert_eq!(it.primary().unwrap().reasoning(), "a");
}

#[test]
fn errors_under_status_200_are_found() {
    let it = answer(r#"{"error":{"code":502,"message":"broke"},"user_id":"u"}"#);
    assert_eq!(it.error.unwrap().class, ErrorClass::ServerError);
    let it = answer(
        r#"{"choices":[{"error":{"code":429,"message":"x"},"message":{"content":"half"}}]}"#,
    );
    assert_eq!(it.error.as_ref().unwrap().class, ErrorClass::RateLimited);
    assert_eq!(it.primary().unwrap().text(), "half");
}

#[test]
fn what_is_no_answer_is_refused() {
    for body in ["", "[]", "<html>", "{}", r#"{"choices":[]}"#, r#"{"choices":[{}]"#] {
        let error = read(body.as_bytes(), &Quirks::NONE).unwrap_err();
        assert_eq!(error.class, ErrorClass::InvalidResponse, "{body}");
    }
    assert!(read(b"\xff{}", &Quirks::NONE).is_err());
}

#[test]
fn pieces_of_calls_find_their_call() {
    let joined = |pieces: &[&str]| {
        let mut it = Answer::default();
        let mut reader = Reader::new(Place::Delta, Quirks::NONE);
        for piece in pieces {
            let chunk = format!(r#"{{"choices":[{{"delta":{{"tool_calls":[{piece}]}}}}]}}"#);
            assert!(reader.body(&chunk, &mut Sink::new(&mut it)).is_ok());
        }
        let calls = it.choices[0].tool_calls();
        calls.map(|call| format!("{}:{}{}", call.id, call.name, call.arguments)).collect::<Vec<_>>()
    };
    let start = r#"{"index":0,"id":"a","function":{"name":"f","arguments":""}}"#;
    let more = r#"{"index":0,"function":{"arguments":"{}"}}"#;
    assert_eq!(joined(&[start, more]), ["a:f{}"]);
    let other = r#"{"index":1,"id":"b","function":{"name":"g","arguments":"1"}}"#;
    assert_eq!(joined(&[start, other, more]), ["a:f{}", "b:g1"], "interleaved");
    let reused = r#"{"index":0,"id":"b","function":{"name":"f","arguments":"{}"}}"#;
    assert_eq!(joined(&[start, more, reused]), ["a:f{}", "b:f{}"], "one index for two");
    let bare = r#"{"function":{"name":"f","arguments":"{}"}}"#;
    assert_eq!(joined(&[bare, bare]), [":f{}", ":f{}"], "neither index nor id");
    let repeated = r#"{"index":0,"function":{"name":"f","arguments":"{}"}}"#;
    assert_eq!(joined(&[start, repeated]), ["a:f{}"], "the name in every piece");
}

#[test]
fn splices_into_whole_answers() {
    let body =
        Bytes::from_static(br#"{"choices":[{"logprobs":{"content":[]},"index":0},{"x":1}] }"#);
    assert_eq!(
        without_logprobs(&body).unwrap(),
        r#"{"choices":[{"logprobs":null,"index":0},{"x":1}] }"#
    );
    assert_eq!(
        with_top_level_field(&body, "pointsman", "{}").unwrap(),
        r#"{"choices":[{"logprobs":{"content":[]},"index":0},{"x":1}] ,"pointsman":{}}"#
    );
    assert_eq!(
        with_top_level_field(&Bytes::from_static(b" {} "), "a", "1").unwrap(),
        r#" {"a":1} "#
    );
    assert!(with_top_level_field(&Bytes::from_static(b"[]"), "a", "1").is_err());
}
