use proptest::prelude::*;

use super::super::stream;
use super::*;
use crate::dialect::quirks::Quirks;

fn assemble(events: &[Bytes]) -> Value {
    let mut stream = stream(Quirks::NONE);
    let mut assembler = Assembler::default();
    for event in events.iter().flat_map(|event| stream.push(event.clone())) {
        assembler.push(&event.data).unwrap();
    }
    assert!(stream.finish().is_ok());
    serde_json::from_slice(&assembler.finish().unwrap()).unwrap()
}

fn chunks(chunks: &[Value]) -> Value {
    let mut assembler = Assembler::default();
    chunks.iter().for_each(|chunk| assembler.push(chunk.to_string().as_bytes()).unwrap());
    serde_json::from_slice(&assembler.finish().unwrap()).unwrap()
}

fn delta(delta: Value) -> Value {
    json!({"choices": [{"index": 0, "delta": delta}]})
}

#[test]
fn mistral_parts_and_strings_become_one_list() {
    let whole = chunks(&[
        delta(json!({"role": "assistant", "content": ""})),
        delta(
            json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "h"}]}]}),
        ),
        delta(
            json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "m"}]}]}),
        ),
        delta(json!({"content": "a"})),
        delta(json!({"content": "b"})),
    ]);
    assert_eq!(
        whole["choices"][0]["message"]["content"],
        json!([{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "ab"}])
    );
}

#[test]
fn unknown_fields_and_details_survive() {
    let detail = |text: &str| json!([{"type": "reasoning.text", "index": 0, "text": text, "signature": null}]);
    let whole = chunks(&[
        json!({"id": "", "obfuscation": "xx", "choices": []}),
        json!({"id": "i", "citations": ["u"], "choices": [{"delta": {"reasoning_details": detail("a"), "channel": "analysis"}, "message": {"content": "no"}}]}),
        delta(json!({"reasoning_details": detail("b"), "channel": "analysis", "annotations": [1]})),
        delta(
            json!({"reasoning_details": [{"type": "reasoning.text", "index": 0, "signature": "s"}], "annotations": [2]}),
        ),
        json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "native_finish_reason": "end"}], "usage": {"total_tokens": 1}}),
    ]);
    assert_eq!(
        whole,
        json!({"id": "i", "object": "chat.completion", "citations": ["u"], "usage": {"total_tokens": 1}, "choices": [{
            "index": 0, "finish_reason": "stop", "native_finish_reason": "end", "message": {
                "role": "assistant", "channel": "analysis", "annotations": [1, 2],
                "reasoning_details": [{"type": "reasoning.text", "index": 0, "text": "ab", "signature": "s"}]}}]})
    );
}

#[test]
fn what_is_no_answer_is_refused() {
    assert_eq!(Assembler::default().push(b"[]"), Err(AssembleError::NotAnObject));
    assert_eq!(Assembler::default().finish(), Err(AssembleError::NoChoices));
    assert_eq!(replay(b"{}", true), Err(AssembleError::NoChoices));
    assert_eq!(replay(br#"{"choices":[]}"#, true), Err(AssembleError::NoChoices));
}

prop_compose! {
    fn any_choice()(
        content in prop::option::of(any::<String>()),
        reasoning in prop::option::of(any::<String>()),
        calls in prop::collection::vec(("[a-z]{1,4}", any::<String>()), 0..3),
        logprobs in prop::collection::vec(-9i8..0, 0..3),
        finish in prop::option::of(prop::sample::select(vec!["stop", "length"])),
        extra in any::<Option<u8>>(),
    ) -> Value {
        let mut message = json!({"role": "assistant", "content": content});
        if let Some(reasoning) = reasoning {
            message["reasoning_content"] = json!(reasoning);
        }
        if !calls.is_empty() {
            message["tool_calls"] = calls.iter().enumerate()
                .map(|(at, (name, arguments))| json!({"id": format!("call_{at}"), "type": "function", "function": {"name": name, "arguments": arguments}}))
                .collect();
        }
        if let Some(extra) = extra {
            message["extra"] = json!({"x": extra});
        }
        let mut choice = json!({"message": message, "finish_reason": finish});
        if !logprobs.is_empty() {
            choice["logprobs"] = json!({"content": logprobs.iter().map(|p| json!({"logprob": p})).collect::<Vec<_>>()});
        }
        choice
    }
}

proptest! {
    #[test]
    fn a_replayed_answer_assembles_to_itself(
        mut choices in prop::collection::vec(any_choice(), 1..3), usage in any::<Option<u16>>(),
    ) {
        for (at, choice) in choices.iter_mut().enumerate() {
            choice["index"] = json!(at);
        }
        let mut answer = json!({"id": "i", "object": "chat.completion", "created": 3, "model": "m",
            "choices": choices, "pointsman": {"cost": 1}});
        if let Some(usage) = usage {
            answer["usage"] = json!({"total_tokens": usage});
        }
        let events = replay(answer.to_string().as_bytes(), true).unwrap();
        prop_assert_eq!(assemble(&events), answer);
    }
}
