use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::*;
use crate::dialect::gemini_generate::answer::read;
use crate::dialect::part::{Citation, Signature};
use crate::dialect::quirks::Quirks;
use crate::dialect::sink::Sink;
use crate::dialect::usage::Usage;
use crate::dialect::{Request, gemini_generate, openai_chat};
use crate::units::Tokens;

fn context() -> Context {
    let body = Bytes::from_static(br#"{"contents":[]}"#);
    let request = gemini_generate::Request::read(body, "m", true).unwrap();
    Context {
        id: "req_1".into(),
        model: "m".into(),
        created: 1,
        request: Arc::new(Request::from(request)),
    }
}

/// The events of a stream as JSON.
fn events(out: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(out).unwrap();
    let blocks = text.split("\n\n").filter_map(|block| block.strip_prefix("data: "));
    blocks.map(|data| serde_json::from_str(data).unwrap()).collect()
}

/// The parts of an event.
fn parts(event: &Value) -> &Value {
    &event["candidates"][0]["content"]["parts"]
}

fn foreign(value: &'static str) -> Option<Signature<'static>> {
    Some(Signature { dialect: Dialect::AnthropicMessages, value: value.into() })
}

/// An answer as a stream would bring it, and what is written meanwhile.
fn told(tell: impl FnOnce(&mut Sink<'_>)) -> (Answer, Vec<u8>) {
    let (mut answer, mut out) = (Answer::default(), Vec::new());
    let mut writer: Box<dyn Writer> = Box::new(Chunks::new(&context()));
    tell(&mut Sink::writing(&mut answer, &mut *writer, &mut out));
    writer.end(&answer, &mut out);
    (answer, out)
}

#[test]
fn a_stream_tells_everything_in_its_time() {
    let (answer, out) = told(|sink| {
        sink.id("id");
        let thought = sink.part(0, Part::thinking("he")).unwrap();
        sink.more(0, thought, "llo");
        sink.sign(0, thought, foreign("si").unwrap());
        sink.sign(0, thought, foreign("g").unwrap());
        let text = sink.part(0, Part::text("")).unwrap();
        sink.more(0, text, "wörd");
        sink.cite(
            0,
            text,
            Citation { url: Some("u".into()), range: Some((1, 3)), ..Citation::default() },
        );
        let call = sink.part(0, Part::call("c1", "f", "")).unwrap();
        sink.more(0, call, "{\"a\":\n");
        sink.more(0, call, "1}");
        let open = sink.part(0, Part::call("c2", "g", "{\"cut")).unwrap();
        sink.part(0, Part::text("!")).unwrap();
        sink.more(0, open, " off");
        sink.finish(0, Finish::Length).unwrap();
        sink.usage(Usage {
            input: Tokens(3),
            output: Tokens(2),
            reasoning: Tokens(1),
            ..Usage::default()
        });
    });
    let events = events(&out);
    let wrapped =
        crate::dialect::gemini_generate::signature::written(&foreign("sig").unwrap()).into_owned();
    let said: Vec<&Value> = events.iter().map(parts).collect();
    assert_eq!(
        said,
        [
            &json!([{"text": "he", "thought": true}]),
            &json!([{"text": "llo", "thought": true}]),
            &json!([{"text": "", "thought": true, "thoughtSignature": wrapped}]),
            &json!([{"text": "wörd"}]),
            &json!([{"functionCall": {"id": "c1", "name": "f", "args": {"a": 1}}}]),
            &json!([{"text": "!"}]),
            &json!([{"functionCall": {"id": "c2", "name": "g", "args": {"pointsman:arguments": "{\"cut off"}}}]),
            &json!([{"text": ""}]),
        ]
    );
    let (last, before) = events.split_last().unwrap();
    for event in before {
        assert_eq!(event["candidates"][0]["finishReason"], Value::Null);
        assert_eq!((&event["modelVersion"], &event["responseId"]), (&json!("m"), &json!("id")));
    }
    assert_eq!(last["candidates"][0]["finishReason"], "MAX_TOKENS");
    assert_eq!(
        last["candidates"][0]["groundingMetadata"]["groundingSupports"][0]["segment"],
        json!({"startIndex": 1, "endIndex": 4, "text": "ör"})
    );
    assert_eq!(last["usageMetadata"]["totalTokenCount"], 6);

    // As a whole it says the same, and so does what is read of both.
    let whole = read(&whole(&answer, &context())).unwrap();
    let mut machine = gemini_generate::stream(crate::dialect::framing::Wire::Sse, Quirks::NONE);
    machine.push(Bytes::from(out));
    let streamed = machine.finish().unwrap();
    for again in [&whole, &streamed] {
        let (was, is) = (&answer.choices[0], &again.choices[0]);
        assert_eq!((is.text(), is.reasoning()), (was.text(), was.reasoning()));
        assert_eq!(is.parts[0].signature, foreign("sig"));
        let cut = is.tool_calls().nth(1).unwrap();
        assert_eq!((&*cut.arguments, cut.free_form), ("{\"cut off", false));
        assert_eq!(again.usage, answer.usage);
    }
}

#[test]
fn answers_say_how_they_ended() {
    for (finish, reason) in [
        (None, "STOP"),
        (Some(Finish::ToolCalls), "STOP"),
        (Some(Finish::ContextFull), "MAX_TOKENS"),
        (Some(Finish::Refusal), "SAFETY"),
        (Some(Finish::Other), "OTHER"),
    ] {
        let choice = Choice { finish, ..Choice::default() };
        let answer = Answer { choices: vec![choice], ..Answer::default() };
        let body: Value = serde_json::from_slice(&whole(&answer, &context())).unwrap();
        let expected = json!({"content": {"parts": [{"text": ""}], "role": "model"},
            "finishReason": reason, "index": 0});
        assert_eq!(body["candidates"][0], expected);
    }
    let refusal = Part::new(Body::Refusal("no".into()));
    let choice = Choice { parts: vec![refusal], finish: Some(Finish::Stop), ..Choice::default() };
    let answer = Answer { choices: vec![choice], ..Answer::default() };
    let body: Value = serde_json::from_slice(&whole(&answer, &context())).unwrap();
    assert_eq!(parts(&body), &json!([{"text": "no"}]));
    assert_eq!(body["candidates"][0]["finishReason"], "SAFETY");
}

#[test]
fn an_answer_of_openais_comes_out_in_googles_words() {
    let body = json!({"id": "x", "model": "gpt", "choices": [
        {"index": 0, "finish_reason": "tool_calls", "message": {"content": "hi", "reasoning_content": "hm",
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}]},
            "logprobs": {"content": [{"token": "hi", "logprob": -0.5, "top_logprobs": [{"token": "hi", "logprob": -0.5}]}]}},
        {"index": 1, "finish_reason": "length", "message": {"content": "yo"}}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15,
            "prompt_tokens_details": {"cached_tokens": 4}, "completion_tokens_details": {"reasoning_tokens": 2}}});
    let answer = openai_chat::answer::read(body.to_string().as_bytes(), &Quirks::NONE).unwrap();
    let written: Value = serde_json::from_slice(&whole(&answer, &context())).unwrap();
    assert_eq!(
        written,
        json!({
            "candidates": [
                {"content": {"parts": [{"text": "hm", "thought": true}, {"text": "hi"},
                    {"functionCall": {"id": "c", "name": "f", "args": {}}}], "role": "model"},
                    "logprobsResult": {"chosenCandidates": [{"token": "hi", "logProbability": -0.5}],
                        "topCandidates": [{"candidates": [{"token": "hi", "logProbability": -0.5}]}]},
                    "finishReason": "STOP", "index": 0},
                {"content": {"parts": [{"text": "yo"}], "role": "model"},
                    "finishReason": "MAX_TOKENS", "index": 1},
            ],
            "usageMetadata": {"promptTokenCount": 10, "cachedContentTokenCount": 4, "candidatesTokenCount": 3,
                "thoughtsTokenCount": 2, "totalTokenCount": 15,
                "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 10}]},
            "modelVersion": "gpt", "responseId": "x",
        })
    );
}

#[test]
fn an_own_answer_is_replayed_as_it_was() {
    let body = r#"{"candidates":[{"content":{"role":"model","parts":[
        {"text":"t","thought":true,"thoughtSignature":"c2ln"},
        {"executableCode":{"code":"1\n",
            "language":"PYTHON"}},
        {"inlineData":{"mimeType":"image/png","data":"AAAA"}},
        {"functionCall":{"name":"f","args":{"a":1}},"thoughtSignature":"c2ln"},
        {"text":"","thoughtSignature":"ZW5k"}]},"finishReason":"STOP","index":0}]}"#;
    let answer = read(body.as_bytes()).unwrap();
    let mut out = Vec::new();
    answer.replay(&mut Chunks::new(&context()), &mut out);
    let said: Vec<Value> = events(&out).iter().map(|event| parts(event)[0].clone()).collect();
    let expected: Value = serde_json::from_str(body).unwrap();
    let expected = expected["candidates"][0]["content"]["parts"].as_array().unwrap().clone();
    assert_eq!(said[..5], expected[..]);
}
