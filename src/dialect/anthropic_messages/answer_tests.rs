use bytes::Bytes;
use serde_json::{Value, json};

use super::super::stream::stream;
use super::*;
use crate::dialect::Dialect;
use crate::dialect::part::{Body, Part, Signature};
use crate::dialect::stream::{EventKind, StreamEnd};
use crate::error_class::ErrorClass;

fn events(events: &[Value]) -> String {
    let event = |it: &Value| format!("event: {}\ndata: {it}  \n\n", it["type"].as_str().unwrap());
    events.iter().map(event).collect()
}

fn run(text: &str) -> (Vec<EventKind>, Result<Answer, StreamEnd>) {
    let mut machine = stream();
    let events = machine.push(Bytes::copy_from_slice(text.as_bytes()));
    (events.into_iter().map(|event| event.kind).collect(), machine.finish())
}

fn start(index: u64, block: Value) -> Value {
    json!({"type": "content_block_start", "index": index, "content_block": block})
}

fn delta(index: u64, delta: Value) -> Value {
    json!({"type": "content_block_delta", "index": index, "delta": delta})
}

fn stop(index: u64) -> Value {
    json!({"type": "content_block_stop", "index": index})
}

/// One of everything.
fn streamed() -> Vec<Value> {
    let search = json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}});
    let found = json!({"type": "web_search_tool_result", "tool_use_id": "s", "content": []});
    let cited = json!({"type": "web_search_result_location", "url": "https://x.test", "title": "X",
        "cited_text": "x", "encrypted_index": "e"});
    vec![
        json!({"type": "message_start", "message": {"id": "msg", "model": "claude", "content": [],
            "usage": {"input_tokens": 10, "cache_creation_input_tokens": 7, "cache_read_input_tokens": 3,
                "cache_creation": {"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 2},
                "output_tokens": 1, "service_tier": "standard"}}}),
        json!({"type": "ping"}),
        start(0, json!({"type": "thinking", "thinking": "", "signature": ""})),
        delta(0, json!({"type": "thinking_delta", "thinking": "hm"})),
        delta(0, json!({"type": "signature_delta", "signature": "sig"})),
        stop(0),
        start(1, json!({"type": "redacted_thinking", "data": "dark"})),
        stop(1),
        start(2, search),
        delta(2, json!({"type": "input_json_delta", "partial_json": ""})),
        delta(2, json!({"type": "input_json_delta", "partial_json": "{\"q\":"})),
        delta(2, json!({"type": "input_json_delta", "partial_json": "1}"})),
        stop(2),
        start(3, found),
        stop(3),
        start(4, json!({"type": "text", "text": "", "citations": []})),
        delta(4, json!({"type": "text_delta", "text": "a"})),
        delta(4, json!({"type": "citations_delta", "citation": cited})),
        delta(4, json!({"type": "text_delta", "text": "b"})),
        stop(4),
        start(5, json!({"type": "tool_use", "id": "t", "name": "f", "input": {}})),
        delta(5, json!({"type": "input_json_delta", "partial_json": ""})),
        stop(5),
        json!({"type": "message_delta", "delta": {"stop_reason": "stop_sequence", "stop_sequence": "!"},
            "usage": {"input_tokens": 20, "output_tokens": 30,
                "output_tokens_details": {"thinking_tokens": 12}}}),
        json!({"type": "message_stop"}),
    ]
}

#[test]
fn a_stream_and_a_whole_answer_say_the_same() {
    let body = json!({"id": "msg", "type": "message", "model": "claude", "content": [
            {"type": "thinking", "thinking": "hm", "signature": "sig"},
            {"type": "redacted_thinking", "data": "dark"},
            {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"q": 1}},
            {"type": "web_search_tool_result", "tool_use_id": "s", "content": []},
            {"type": "text", "text": "ab", "citations": [{"type": "web_search_result_location",
                "url": "https://x.test", "title": "X", "cited_text": "x", "encrypted_index": "e"}]},
            {"type": "tool_use", "id": "t", "name": "f", "input": {}},
        ], "stop_reason": "stop_sequence", "stop_sequence": "!",
        "usage": {"input_tokens": 20, "cache_creation_input_tokens": 7, "cache_read_input_tokens": 3,
            "cache_creation": {"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 2},
            "output_tokens": 30, "output_tokens_details": {"thinking_tokens": 12},
            "service_tier": "standard"}});
    let whole = read(body.to_string().as_bytes()).unwrap();
    let (kinds, answer) = run(&events(&streamed()));
    assert_eq!(answer.unwrap(), whole);
    assert!(matches!(kinds[0], EventKind::Delta(seen) if seen.usage && !seen.content()));
    assert_eq!((&kinds[1], kinds.last()), (&EventKind::Other, Some(&EventKind::Done)));
    // Nothing but pings is hidden from anybody.
    assert_eq!(kinds.iter().filter(|kind| !matches!(kind, EventKind::Delta(_))).count(), 2);

    let choice = whole.primary().unwrap();
    assert_eq!((choice.finish, choice.stop_sequence.as_deref()), (Some(Finish::Stop), Some("!")));
    let signature = |value: &'static str| {
        Some(Signature { dialect: Dialect::AnthropicMessages, value: value.into() })
    };
    assert_eq!(choice.parts[0], Part::thinking("hm").signed(signature("sig")));
    let dark = Body::Thinking { text: "".into(), redacted: true };
    assert_eq!(choice.parts[1], Part::new(dark).signed(signature("dark")));
    let Body::Text { citations, .. } = &choice.parts[4].body else { panic!() };
    assert_eq!(citations[0].url.as_deref(), Some("https://x.test"));
    let usage = whole.usage;
    assert_eq!((usage.input, usage.cache_read), (Tokens(20), Tokens(3)));
    assert_eq!((usage.cache_write, usage.cache_write_1h), (Tokens(5), Tokens(2)));
    assert_eq!((usage.output, usage.reasoning), (Tokens(18), Tokens(12)));
}

#[test]
fn it_is_complete_only_with_its_marker() {
    let text = events(&streamed());
    let end = text.find("event: message_stop").unwrap()
        + "event: message_stop\ndata: {\"type\":\"message_stop\"}".len();
    for cut in 0..text.len() {
        assert_eq!(run(&text[..cut]).1.is_ok(), cut >= end, "{cut}");
    }
}

#[test]
fn every_stop_reason_is_known() {
    let finish = |reason: &str| {
        let body = json!({"content": [], "stop_reason": reason}).to_string();
        read(body.as_bytes()).unwrap().primary().unwrap().finish
    };
    for (reason, expected) in [
        ("end_turn", Finish::Stop),
        ("max_tokens", Finish::Length),
        ("tool_use", Finish::ToolCalls),
        ("pause_turn", Finish::Pause),
        ("refusal", Finish::Refusal),
        ("model_context_window_exceeded", Finish::ContextFull),
        ("something_new", Finish::Other),
    ] {
        assert_eq!(finish(reason), Some(expected));
    }
}

#[test]
fn errors_end_streams_and_are_no_answers() {
    let error =
        json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}});
    let mut broken = streamed()[..4].to_vec();
    broken.push(error.clone());
    broken.push(json!({"type": "message_stop"}));
    let (_, end) = run(&events(&broken));
    let Err(StreamEnd::Failed(failure, answer)) = end else { panic!("{end:?}") };
    assert_eq!((failure.class, &*answer.choices[0].reasoning()), (ErrorClass::Overloaded, "hm"));
    // Without the event's name too.
    let (_, end) = run(&format!("data: {error}\n\n"));
    assert!(matches!(end, Err(StreamEnd::Failed(..))));

    let failure = read(error.to_string().as_bytes()).unwrap_err();
    assert_eq!((failure.class, &*failure.message), (ErrorClass::Overloaded, "Overloaded"));
    for body in ["[]", "{}", "", "{\"content\":"] {
        assert_eq!(read(body.as_bytes()).unwrap_err().class, ErrorClass::InvalidResponse, "{body}");
    }
    let (_, end) = run("event: content_block_delta\ndata: {\"type\":\n\n");
    assert!(matches!(end, Err(StreamEnd::Failed(..))));
}

#[test]
fn unknown_blocks_and_deltas_are_kept() {
    let compaction = json!({"type": "compaction", "content": "ab"});
    let text = events(&[
        start(0, json!({"type": "compaction", "content": ""})),
        delta(0, json!({"type": "compaction_delta", "content": "a"})),
        delta(0, json!({"type": "compaction_delta", "content": "b"})),
        delta(9, json!({"type": "text_delta", "text": "of no block"})),
        stop(0),
        json!({"type": "something_new", "index": 3}),
        json!({"type": "message_stop"}),
    ]);
    let answer = run(&text).1.unwrap();
    let Body::Native { json, .. } = &answer.choices[0].parts[0].body else { panic!() };
    assert_eq!(serde_json::from_str::<Value>(json).unwrap(), compaction);
    let whole = json!({"content": [compaction], "stop_reason": null}).to_string();
    assert_eq!(read(whole.as_bytes()).unwrap().choices, answer.choices);
}

proptest::proptest! {
    #[test]
    fn garbled_streams_never_panic(at in 0usize..4000, byte in 0u8..128, cut in 0usize..4000) {
        let mut bytes = events(&streamed()).into_bytes();
        let length = bytes.len();
        bytes[at % length] = byte;
        bytes.remove(cut % length);
        let mut machine = stream();
        machine.push(Bytes::from(bytes));
        let _ = machine.finish();
    }
}
