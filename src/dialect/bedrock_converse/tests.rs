use bytes::Bytes;
use serde_json::{Value, json};

use super::*;
use crate::dialect::EventKind;
use crate::dialect::answer::Finish;
use crate::dialect::aws_frames::tests::frame;
use crate::dialect::part::Body;
use crate::dialect::stream::StreamEnd;
use crate::error_class::ErrorClass;
use crate::units::Tokens;

fn frames(events: &[(&str, Value)]) -> Bytes {
    let frames = events.iter().map(|(name, data)| {
        frame(&[(":event-type", name), (":message-type", "event")], data.to_string().as_bytes())
    });
    Bytes::from(frames.flatten().collect::<Vec<u8>>())
}

fn delta(number: u64, delta: Value) -> (&'static str, Value) {
    ("contentBlockDelta", json!({"contentBlockIndex": number, "delta": delta, "p": "abc"}))
}

fn start(number: u64, start: Value) -> (&'static str, Value) {
    ("contentBlockStart", json!({"contentBlockIndex": number, "start": start}))
}

fn stop(number: u64) -> (&'static str, Value) {
    ("contentBlockStop", json!({"contentBlockIndex": number}))
}

/// A stream of everything, and the same as a whole answer.
fn everything() -> (Vec<(&'static str, Value)>, Value) {
    let cited = json!({"location": {"documentChar": {"documentIndex": 0, "end": 3, "start": 0}},
        "sourceContent": [{"text": "q"}], "title": "t"});
    let web = json!({"location": {"web": {"domain": "x.test", "url": "https://x.test/"}}});
    let usage = json!({"inputTokens": 3, "outputTokens": 5, "totalTokens": 20,
        "cacheReadInputTokens": 2, "cacheWriteInputTokens": 10,
        "cacheDetails": [{"inputTokens": 4, "ttl": "5m"}, {"inputTokens": 6, "ttl": "1h"}]});
    let events = vec![
        ("messageStart", json!({"role": "assistant"})),
        delta(0, json!({"reasoningContent": {"text": "h"}})),
        delta(0, json!({"reasoningContent": {"text": "m"}})),
        delta(0, json!({"reasoningContent": {"signature": "sig"}})),
        stop(0),
        delta(1, json!({"reasoningContent": {"redactedContent": "xyz"}})),
        stop(1),
        start(
            2,
            json!({"toolUse": {"name": "search", "toolUseId": "s", "type": "server_tool_use"}}),
        ),
        delta(2, json!({"toolUse": {"input": "{\"q\":"}})),
        delta(2, json!({"toolUse": {"input": "1}"}})),
        stop(2),
        start(3, json!({"toolResult": {"toolUseId": "s", "type": "r", "status": "success"}})),
        delta(3, json!({"toolResult": [{"text": "a"}]})),
        delta(3, json!({"toolResult": [{"json": {"b": 1}}]})),
        stop(3),
        delta(4, json!({"citation": cited})),
        delta(4, json!({"text": "It"})),
        delta(4, json!({"text": " is."})),
        stop(4),
        delta(5, json!({"citation": web})),
        stop(5),
        delta(6, json!({"text": ""})),
        stop(6),
        start(7, json!({"toolUse": {"name": "f", "toolUseId": "c"}})),
        delta(7, json!({"toolUse": {"input": ""}})),
        delta(7, json!({"toolUse": {"input": "{\"x\""}})),
        delta(7, json!({"toolUse": {"input": ":1}"}})),
        stop(7),
        start(8, json!({"toolUse": {"name": "g", "toolUseId": "d", "type": "tool_use"}})),
        delta(8, json!({"toolUse": {"input": ""}})),
        stop(8),
        ("surprise", json!({"x": 1})),
        ("messageStop", json!({"stopReason": "tool_use"})),
        ("metadata", json!({"usage": usage, "serviceTier": {"type": "priority"}})),
    ];
    let whole = json!({
        "output": {"message": {"role": "assistant", "content": [
            {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "sig"}}},
            {"reasoningContent": {"redactedContent": "xyz"}},
            {"toolUse": {"toolUseId": "s", "name": "search", "type": "server_tool_use", "input": {"q": 1}}},
            {"toolResult": {"toolUseId": "s", "type": "r", "status": "success",
                "content": [{"text": "a"}, {"json": {"b": 1}}]}},
            {"citationsContent": {"content": [{"text": "It is."}], "citations": [cited]}},
            {"citationsContent": {"content": [], "citations": [web]}},
            {"text": ""},
            {"toolUse": {"toolUseId": "c", "name": "f", "input": {"x": 1}}},
            {"toolUse": {"toolUseId": "d", "name": "g", "input": {}}},
        ]}},
        "stopReason": "tool_use", "usage": usage, "serviceTier": {"type": "priority"},
    });
    (events, whole)
}

#[test]
fn a_stream_says_what_a_whole_answer_says() {
    let (events, whole) = everything();
    let mut stream = Converse.stream(&Quirks::NONE);
    let seen = stream.push(frames(&events));
    assert_eq!(seen.last().map(|event| &event.kind), Some(&EventKind::Done));
    let mut streamed = stream.finish().unwrap();
    let mut read = Converse.read(whole.to_string().as_bytes(), &Quirks::NONE).unwrap();
    // The order of a native block's fields says nothing.
    for answer in [&mut streamed, &mut read] {
        for part in &mut answer.choices[0].parts {
            if let Body::Native { json, .. } = &mut part.body {
                let value: Value = serde_json::from_str(json).unwrap();
                *json = value.to_string().into();
            }
        }
    }
    assert_eq!(streamed, read);

    let choice = read.primary().unwrap();
    assert_eq!((&*choice.reasoning(), &*choice.text()), ("hm", "It is."));
    let [thought, withheld, call, result, text, f, g] = &choice.parts[..] else {
        panic!("{choice:?}")
    };
    assert_eq!(thought.signature.as_ref().unwrap().value, "sig");
    assert!(matches!(withheld.body, Body::Thinking { redacted: true, .. }));
    assert_eq!(withheld.signature.as_ref().unwrap().value, "xyz");
    for (part, json) in [
        (call, &whole["output"]["message"]["content"][2]),
        (result, &whole["output"]["message"]["content"][3]),
    ] {
        assert_eq!(&serde_json::from_str::<Value>(part.main_text()).unwrap(), json);
    }
    let Body::Text { citations, .. } = &text.body else { panic!() };
    assert_eq!(
        (citations[0].title.as_deref(), citations[0].quote.as_deref()),
        (Some("t"), Some("q"))
    );
    assert_eq!(citations[1].url.as_deref(), Some("https://x.test/"));
    assert_eq!((f.main_text(), g.main_text()), ("{\"x\":1}", "{}"));
    assert_eq!(choice.finish, Some(Finish::ToolCalls));
    let usage = read.usage;
    assert_eq!((usage.input, usage.cache_read), (Tokens(3), Tokens(2)));
    assert_eq!((usage.cache_write, usage.cache_write_1h), (Tokens(4), Tokens(6)));
    assert_eq!((usage.total(), read.service_tier.as_deref()), (Tokens(20), Some("priority")));
}

#[test]
fn the_message_is_complete_without_its_metadata() {
    let (events, _) = everything();
    for count in 0..=events.len() {
        let mut stream = Converse.stream(&Quirks::NONE);
        stream.push(frames(&events[..count]));
        assert_eq!(stream.finish().is_ok(), count + 1 >= events.len(), "{count}");
    }
}

#[test]
fn exceptions_have_their_classes() {
    use ErrorClass::*;
    for (name, message, class) in [
        ("throttlingException", "Too many tokens, please wait.", RateLimited),
        ("modelStreamErrorException", "m", ServerError),
        ("internalServerException", "m", ServerError),
        ("serviceUnavailableException", "m", Overloaded),
        ("validationException", "m", BadRequest),
        ("validationException", "Input is too long for requested model.", ContextExceeded),
        ("modelTimeoutException", "m", Timeout),
    ] {
        let mut stream = Converse.stream(&Quirks::NONE);
        stream.push(frames(&[("messageStart", json!({})), delta(0, json!({"text": "a"}))]));
        let headers = [(":exception-type", name), (":message-type", "exception")];
        let data = json!({"message": message}).to_string();
        stream.push(Bytes::from(frame(&headers, data.as_bytes())));
        let Err(StreamEnd::Failed(error, answer)) = stream.finish() else { panic!() };
        assert_eq!((error.class, &*error.code, &*error.message), (class, name, message));
        assert_eq!(&*answer.choices[0].text(), "a");
    }
}

#[test]
fn reasons_are_read_and_what_is_unknown_is_kept() {
    let read = |body: Value| Converse.read(body.to_string().as_bytes(), &Quirks::NONE);
    let answer = |reason: &str, block: Value| {
        read(json!({"output": {"message": {"content": [block]}}, "stopReason": reason})).unwrap()
    };
    for (reason, finish) in [
        ("end_turn", Finish::Stop),
        ("stop_sequence", Finish::Stop),
        ("max_tokens", Finish::Length),
        ("guardrail_intervened", Finish::ContentFilter),
        ("content_filtered", Finish::ContentFilter),
        ("model_context_window_exceeded", Finish::ContextFull),
        ("malformed_tool_use", Finish::Error),
        ("brand_new", Finish::Other),
    ] {
        let read = answer(reason, json!({"text": "a"}));
        assert_eq!(read.choices[0].finish, Some(finish), "{reason}");
    }
    let unknown = json!({"hologram": {"format": "3d"}});
    let read_back = answer("end_turn", unknown.clone());
    assert!(matches!(read_back.choices[0].parts[0].body, Body::Native { .. }));
    assert_eq!(read_back.choices[0].parts[0].main_text(), unknown.to_string());
    let image =
        answer("end_turn", json!({"image": {"format": "png", "source": {"bytes": "AA=="}}}));
    let Body::Media(media) = &image.choices[0].parts[0].body else { panic!() };
    assert_eq!(media.url().unwrap(), "data:image/png;base64,AA==");
    for body in [json!([]), json!({}), json!({"message": "no"}), json!({"output": {}})] {
        assert!(read(body).is_err());
    }
    let empty = json!({"output": {"message": {"content": []}}, "stopReason": "end_turn"});
    assert!(read(empty).unwrap().is_empty());
}

#[test]
fn a_wrong_byte_anywhere_does_no_harm() {
    let (events, whole) = everything();
    let whole = whole.to_string();
    for at in 0..whole.len() {
        for byte in [b'{', b'"', b']', b'0'] {
            let mut body = whole.clone().into_bytes();
            body[at] = byte;
            let _ = Converse.read(&body, &Quirks::NONE);
        }
    }
    for (number, (name, data)) in events.iter().enumerate() {
        let data = data.to_string();
        for at in 0..data.len() {
            let mut broken = data.clone().into_bytes();
            broken[at] = if at % 2 == 0 { b'{' } else { b'"' };
            let mut stream = Converse.stream(&Quirks::NONE);
            stream.push(frames(&events[..number]));
            stream.push(Bytes::from(frame(&[(":event-type", name)], &broken)));
            stream.push(frames(&events[number + 1..]));
            let _ = stream.finish();
        }
    }
}
