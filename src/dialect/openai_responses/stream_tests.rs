use bytes::Bytes;

use super::super::Responses;
use crate::dialect::answer::{Answer, Finish};
use crate::dialect::passage::ProviderSide as _;
use crate::dialect::quirks::Quirks;
use crate::dialect::stream::{EventKind, StreamEnd};
use crate::error_class::ErrorClass;

fn run(events: &[&str]) -> (Vec<EventKind>, Result<Answer, StreamEnd>) {
    let mut stream = Responses.stream(&Quirks::NONE);
    let text: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    let kinds = stream.push(Bytes::from(text)).into_iter().map(|event| event.kind).collect();
    (kinds, stream.finish())
}

const END: &str = r#"{"type":"response.completed","response":{"id":"r","status":"completed","output":[{"type":"reasoning","id":"rs","summary":[{"type":"summary_text","text":"a"},{"type":"summary_text","text":"b"}]},{"type":"message","id":"m","content":[{"type":"output_text","text":"hello","annotations":[{"type":"url_citation","url":"u"}],"logprobs":[{"token":"hello","logprob":-1}]}]},{"type":"function_call","id":"fc","call_id":"c","name":"f","arguments":"{}"}],"usage":{"input_tokens":1,"output_tokens":2}}}"#;

fn check(answer: &Answer) {
    let choice = &answer.choices[0];
    assert_eq!((&*choice.reasoning(), &*choice.text()), ("a\n\nb", "hello"));
    assert_eq!(choice.parts.len(), 3, "{choice:?}");
    let call = choice.tool_calls().next().unwrap();
    assert_eq!((&*call.id, &*call.name, &*call.arguments), ("c", "f", "{}"));
    let crate::dialect::part::Body::Text { citations, .. } = &choice.parts[1].body else {
        panic!()
    };
    assert_eq!((citations.len(), choice.logprobs.tokens.len()), (1, 1));
    assert!(choice.parts[0].signature.is_some());
    assert_eq!((choice.finish, answer.usage.total().0), (Some(Finish::ToolCalls), 3));
}

#[test]
fn what_comes_late_or_again_counts_once() {
    let created = r#"{"type":"response.created","response":{"id":"r","output":[]}}"#;
    // Only at the end.
    check(&run(&[created, END]).1.unwrap());
    // In complete items.
    let items = [
        r#"{"type":"response.output_item.done","output_index":0,"item":{"type":"reasoning","id":"rs","summary":[{"type":"summary_text","text":"a"},{"type":"summary_text","text":"b"}]}}"#,
        r#"{"type":"response.output_text.done","output_index":1,"item_id":"m","content_index":0,"text":"hello"}"#,
        r#"{"type":"response.function_call_arguments.done","output_index":2,"item_id":"fc","arguments":"{}"}"#,
    ];
    check(&run(&[&[created][..], &items, &[END]].concat()).1.unwrap());
    // In pieces, with all that repeats them.
    let pieces = [
        r#"{"type":"response.output_item.added","output_index":0,"item":{"type":"reasoning","id":"rs","summary":[]}}"#,
        r#"{"type":"response.reasoning_summary_part.added","output_index":0,"item_id":"rs","summary_index":0,"part":{"type":"summary_text","text":""}}"#,
        r#"{"type":"response.reasoning_summary_text.delta","output_index":0,"item_id":"rs","summary_index":0,"delta":"a"}"#,
        r#"{"type":"response.reasoning_summary_text.done","output_index":0,"item_id":"rs","summary_index":0,"text":"a"}"#,
        r#"{"type":"response.reasoning_summary_text.delta","output_index":0,"item_id":"rs","summary_index":1,"delta":"b"}"#,
        items[0],
        r#"{"type":"response.output_item.added","output_index":1,"item":{"type":"message","id":"m","content":[]}}"#,
        r#"{"type":"response.output_text.delta","output_index":1,"item_id":"m","content_index":1,"delta":"hel","logprobs":[]}"#,
        r#"{"type":"response.output_text.delta","output_index":1,"item_id":"m","content_index":1,"delta":"l","logprobs":[{"token":"hello","logprob":-1}]}"#,
        r#"{"type":"response.output_text.annotation.added","output_index":1,"item_id":"m","content_index":1,"annotation":{"type":"url_citation","url":"u"}}"#,
        r#"{"type":"response.output_item.done","output_index":1,"item":{"type":"message","id":"m","content":[{"type":"output_text","text":"hello","annotations":[{"type":"url_citation","url":"u"}],"logprobs":[{"token":"hello","logprob":-1}]}]}}"#,
        r#"{"type":"response.output_item.added","output_index":2,"item":{"type":"function_call","id":"fc","call_id":"c","name":"f","arguments":""}}"#,
        r#"{"type":"response.function_call_arguments.delta","output_index":2,"item_id":"fc","delta":"{"}"#,
        items[2],
        "[DONE]",
    ];
    let (kinds, answer) = run(&[&[created][..], &pieces[..14], &[END], &pieces[14..]].concat());
    check(&answer.unwrap());
    assert_eq!(kinds[15], EventKind::Done);
    assert_eq!(kinds[16], EventKind::Other);
}

#[test]
fn only_the_last_event_makes_it_complete() {
    let delta =
        r#"{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"x"}"#;
    assert!(matches!(run(&[delta]).1, Err(StreamEnd::Truncated(_))));
    assert!(matches!(run(&[delta, "[DONE]"]).1, Err(StreamEnd::Truncated(_))));
    let incomplete = r#"{"type":"response.incomplete","response":{"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"output":[]}}"#;
    let answer = run(&[delta, incomplete]).1.unwrap();
    assert_eq!((answer.choices[0].finish, &*answer.choices[0].text()), (Some(Finish::Length), "x"));
}

#[test]
fn pieces_without_a_place_belong_to_the_item_under_way() {
    let delta = r#"{"type":"response.output_text.delta","delta":"x"}"#;
    let answer = run(&[delta, delta, r#"{"type":"response.completed","response":{}}"#]).1.unwrap();
    assert_eq!((answer.choices[0].parts.len(), &*answer.choices[0].text()), (1, "xx"));
}

#[test]
fn failures_are_errors() {
    let failed = r#"{"type":"response.failed","response":{"status":"failed","output":[],"error":{"code":"server_error","message":"oops"}}}"#;
    let plain =
        r#"{"type":"error","code":"rate_limit_exceeded","message":"slow down","param":null}"#;
    for (event, class) in [(failed, ErrorClass::ServerError), (plain, ErrorClass::RateLimited)] {
        let (kinds, end) = run(&[event]);
        assert!(matches!(kinds[0], EventKind::Error(_)));
        let Err(StreamEnd::Failed(error, _)) = end else { panic!("{end:?}") };
        assert_eq!(error.class, class, "{error:?}");
    }
    assert!(matches!(run(&["{\"type\":"]).1, Err(StreamEnd::Failed(..))));
}
