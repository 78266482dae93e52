use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::super::{Request, Responses};
use crate::dialect::Dialect;
use crate::dialect::answer::{Answer, Finish, TokenLogprob};
use crate::dialect::part::{Body, Citation, Part, Signature};
use crate::dialect::passage::{ClientSide as _, Context, ProviderSide as _};
use crate::dialect::quirks::Quirks;
use crate::dialect::sink::{Run, Sink};
use crate::dialect::usage::Usage;
use crate::units::Tokens;

fn context() -> Context {
    let body = json!({"model": "m", "input": "x", "stream": true, "instructions": "Be brief.",
        "temperature": 0.5, "metadata": {"a": "b"}, "tools": [{"type": "function", "name": "f"}]});
    Context {
        id: "req_7".into(),
        model: "m".into(),
        created: 1,
        request: Arc::new(Request::read(Bytes::from(body.to_string())).unwrap().into()),
    }
}

fn signature(value: &'static str) -> Signature<'static> {
    Signature { dialect: Dialect::AnthropicMessages, value: value.into() }
}

/// An answer with all kinds of pieces, some of which come late.
fn tell(sink: &mut Sink<'_>) {
    sink.id("msg_1");
    sink.model("claude");
    sink.run_on(0, Run::Thinking, "let me").unwrap();
    sink.run_on(0, Run::Thinking, " think").unwrap();
    sink.sign(0, 0, signature("SIG"));
    sink.run_on(0, Run::Text, "Hel").unwrap();
    sink.run_on(0, Run::Text, "lo").unwrap();
    let token = TokenLogprob { token: "Hello".into(), logprob: -0.25, ..TokenLogprob::default() };
    sink.logprobs(0, vec![token]).unwrap();
    sink.cite(0, 1, Citation { url: Some("https://x.test".into()), ..Citation::default() });
    let first = sink.part(0, Part::call("c1", "f", "")).unwrap();
    let second = sink.part(0, Part::call("c2", "g", "{}")).unwrap();
    sink.more(0, first, "{\"a\":");
    sink.sign(0, second, Signature { dialect: Dialect::GeminiGenerate, value: "GS".into() });
    sink.more(0, first, "1}");
    sink.run_on(0, Run::Text, " again").unwrap();
    sink.run_on(0, Run::Refusal, "No.").unwrap();
    sink.finish(0, Finish::ToolCalls).unwrap();
    sink.usage(Usage {
        input: Tokens(3),
        cache_read: Tokens(2),
        output: Tokens(4),
        reasoning: Tokens(1),
        ..Usage::default()
    });
}

fn streamed() -> (Answer, String) {
    let (mut answer, mut out) = (Answer::default(), Vec::new());
    let mut writer = Responses.writer(&context());
    tell(&mut Sink::writing(&mut answer, &mut *writer, &mut out));
    writer.end(&answer, &mut out);
    (answer, String::from_utf8(out).unwrap())
}

fn events(text: &str) -> Vec<Value> {
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.map(|json| serde_json::from_str(json).unwrap()).collect()
}

#[test]
fn events_are_numbered_and_name_their_items() {
    let (_, text) = streamed();
    let events = events(&text);
    let mut items: Vec<Value> = Vec::new();
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], number as u64);
        match event["type"].as_str().unwrap() {
            "response.output_item.added" => {
                assert_eq!(event["output_index"], items.len() as u64);
                items.push(event["item"]["id"].clone());
            }
            "response.output_item.done" => {
                let at = event["output_index"].as_u64().unwrap() as usize;
                assert_eq!(event["item"]["id"], items[at]);
            }
            _ if event["item_id"].is_string() => {
                let at = event["output_index"].as_u64().unwrap() as usize;
                assert_eq!(event["item_id"], items[at]);
            }
            _ => {}
        }
    }
    assert_eq!(items[0], "rs_pm_7_0");
    let created = &events[0]["response"];
    assert_eq!((&created["status"], &created["output"]), (&json!("in_progress"), &json!([])));
    assert_eq!(
        (&created["instructions"], &created["temperature"]),
        (&json!("Be brief."), &json!(0.5))
    );
    assert_eq!((&created["top_p"], &created["metadata"]), (&json!(1.0), &json!({"a": "b"})));
    let kinds = |events: &[Value]| -> Vec<String> {
        events
            .iter()
            .map(|event| event["type"].as_str().unwrap()["response.".len()..].to_owned())
            .collect()
    };
    assert_eq!(
        kinds(&events[2..18]),
        [
            "output_item.added",
            "reasoning_summary_part.added",
            "reasoning_summary_text.delta",
            "reasoning_summary_text.delta",
            "reasoning_summary_text.done",
            "reasoning_summary_part.done",
            "output_item.done",
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "output_text.delta",
            "output_text.delta",
            "output_text.annotation.added",
            "output_text.done",
            "content_part.done",
            "output_item.done",
        ]
    );
}

#[test]
fn whole_and_streamed_say_the_same() {
    let (answer, text) = streamed();
    let end = events(&text).pop().unwrap();
    let last = &end["response"];
    let items: Vec<&str> =
        last["output"].as_array().unwrap().iter().map(|it| it["type"].as_str().unwrap()).collect();
    assert_eq!(
        items,
        ["reasoning", "message", "function_call", "function_call", "reasoning", "message"]
    );
    assert_eq!(last["output"][0]["encrypted_content"], "pointsman:anthropic.messages:SIG");
    assert_eq!(last["output"][2]["arguments"], "{\"a\":1}");
    assert_eq!(last["output"][4]["encrypted_content"], "signs-call:pointsman:gemini.generate:GS");
    let texts: Vec<&Value> = last["output"][5]["content"].as_array().unwrap().iter().collect();
    assert_eq!((&texts[0]["text"], &texts[1]["refusal"]), (&json!(" again"), &json!("No.")));
    assert_eq!(
        last["usage"],
        json!({"input_tokens": 5, "input_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 0}, "output_tokens": 5,
            "output_tokens_details": {"reasoning_tokens": 1}, "total_tokens": 10})
    );
    assert_eq!((&last["id"], &last["model"]), (&json!("resp_msg_1"), &json!("claude")));

    let whole = Responses.write(&answer, &context());
    let mut stream = Responses.stream(&Quirks::NONE);
    stream.push(Bytes::from(text));
    for read in [Responses.read(&whole, &Quirks::NONE).unwrap(), stream.finish().unwrap()] {
        let (is, should) = (&read.choices[0], &answer.choices[0]);
        assert_eq!(
            (is.text(), is.refusal(), is.reasoning()),
            (should.text(), should.refusal(), should.reasoning())
        );
        assert!(is.tool_calls().eq(should.tool_calls()));
        assert_eq!((is.logprobs.tokens.len(), read.usage), (1, answer.usage));
    }
}

/// What the client sends back of an answer is what its provider said, signatures and all.
#[test]
fn an_answer_comes_back_with_the_next_request() {
    let (answer, _) = streamed();
    let whole: Value = serde_json::from_slice(&Responses.write(&answer, &context())).unwrap();
    let body = json!({"model": "m", "input": whole["output"]});
    let request = Request::read(Bytes::from(body.to_string())).unwrap();
    let conversation = request.decode().unwrap();
    let parts: Vec<&Part<'_>> =
        conversation.messages.iter().flat_map(|message| &message.parts).collect();
    let signatures: Vec<_> = parts.iter().map(|part| part.signature.clone()).collect();
    assert_eq!(signatures[0], Some(signature("SIG")));
    let call = |part: &Part<'_>| matches!(&part.body, Body::Call(call) if call.id == "c2");
    let signed = parts.iter().find(|part| call(part)).unwrap().signature.as_ref().unwrap();
    assert_eq!((signed.dialect, &*signed.value), (Dialect::GeminiGenerate, "GS"));
}

#[test]
fn an_answer_cut_short_says_so() {
    let mut answer = Answer::default();
    let mut sink = Sink::new(&mut answer);
    sink.run_on(0, Run::Text, "x").unwrap();
    sink.finish(0, Finish::Length).unwrap();
    let whole: Value = serde_json::from_slice(&Responses.write(&answer, &context())).unwrap();
    assert_eq!(
        (&whole["status"], &whole["incomplete_details"]["reason"]),
        (&json!("incomplete"), &json!("max_output_tokens"))
    );
    let mut out = Vec::new();
    answer.replay(&mut *Responses.writer(&context()), &mut out);
    assert!(String::from_utf8(out).unwrap().contains("event: response.incomplete\n"));
}

#[test]
fn nothing_said_is_an_empty_answer() {
    let mut out = Vec::new();
    let mut writer = Responses.writer(&context());
    writer.end(&Answer::default(), &mut out);
    let events = events(std::str::from_utf8(&out).unwrap());
    assert_eq!(events.len(), 3);
    assert_eq!(events[2]["response"]["output"], json!([]));
}

#[test]
fn thinking_without_its_text_is_not_withheld_altogether() {
    for redacted in [false, true] {
        let part = Part::new(Body::Thinking { text: "".into(), redacted });
        let part = part.signed(Some(signature("sig")));
        let mut answer = Answer::default();
        let mut sink = Sink::new(&mut answer);
        sink.part(0, part.clone()).unwrap();
        sink.part(0, Part::text("Hello")).unwrap();
        let body: Value = serde_json::from_slice(&Responses.write(&answer, &context())).unwrap();
        let next = json!({"model": "m", "input": body["output"]}).to_string();
        let request = Request::read(Bytes::from(next)).unwrap();
        let conversation = request.decode().unwrap();
        assert_eq!(conversation.messages[0].parts[0].clone().into_owned(), part);
    }
}
