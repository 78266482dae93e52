use bytes::Bytes;

use super::*;
use crate::dialect::framing::Wire;
use crate::dialect::gemini_generate::stream;
use crate::dialect::part::{MediaKind, Source};
use crate::dialect::quirks::Quirks;
use crate::dialect::stream::StreamEnd;
use crate::dialect::usage::UsageSource;
use crate::error_class::ErrorClass;

fn answer(json: &str) -> Answer {
    read(json.as_bytes()).unwrap()
}

fn streamed(events: &[&str]) -> Result<Answer, StreamEnd> {
    let text: String = events.iter().map(|event| format!("data: {event}\r\n\r\n")).collect();
    let mut machine = stream(Wire::Sse, Quirks::NONE);
    machine.push(Bytes::from(text));
    machine.finish()
}

/// An event of one candidate with these parts.
fn event(parts: &str, more: &str) -> String {
    format!(r#"{{"candidates":[{{"content":{{"parts":[{parts}]}},"index":0{more}}}]}}"#)
}

#[test]
fn parts_are_told_apart_by_kind_and_signature() {
    let parts = [
        r#"{"text":"th","thought":true}"#,
        r#"{"text":"ink","thought":true}"#,
        r#"{"text":"","thought":true,"thoughtSignature":"c2ln"}"#,
        r#"{"text":"a"}"#,
        r#"{"text":""}"#,
        r#"{"text":"b"}"#,
        r#"{"text":"c","thoughtSignature":"Yw=="}"#,
        r#"{"text":"d"}"#,
        r#"{"functionCall":{"name":"f","args":{"x": 1}},"thoughtSignature":"Zg=="}"#,
        r#"{"functionCall":{"id":"i","name":"g"}}"#,
        r#"{"executableCode":{"code":"1"}}"#,
        r#"{"inlineData":{"mimeType":"image/png","data":"AAAA"}}"#,
        r#"{"text":"","thoughtSignature":"ZW5k"}"#,
    ];
    let whole = answer(&event(&parts.join(","), r#","finishReason":"STOP""#));
    let signed = |value: &'static str| {
        Some(crate::dialect::part::Signature {
            dialect: Dialect::GeminiGenerate,
            value: value.into(),
        })
    };
    let image = Source::Base64 { mime: "image/png".into(), data: "AAAA".into() };
    let native = Body::Native {
        dialect: Dialect::GeminiGenerate,
        json: r#"{"executableCode":{"code":"1"}}"#.into(),
    };
    let expected = [
        Part::thinking("think").signed(signed("c2ln")),
        Part::text("ab"),
        Part::text("c").signed(signed("Yw==")),
        Part::text("d"),
        Part::call("", "f", r#"{"x": 1}"#).signed(signed("Zg==")),
        Part::call("i", "g", "{}"),
        Part::new(native),
        Part::new(Body::Media(crate::dialect::part::Media::new(MediaKind::Image, image))),
        Part::text("").signed(signed("ZW5k")),
    ];
    assert_eq!(whole.choices[0].parts, expected);

    let mut events: Vec<String> = parts.iter().map(|part| event(part, "")).collect();
    events.push(event("", r#","finishReason":1"#));
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    assert_eq!(streamed(&events).unwrap(), whole, "a stream comes to the same");
    assert!(matches!(streamed(&events[..5]), Err(StreamEnd::Truncated(_))));
}

#[test]
fn arguments_come_in_pieces() {
    let call = |fields: &str| event(&format!(r#"{{"functionCall":{{{fields}}}}}"#), "");
    let events = [
        call(r#""name":"f","id":"i","willContinue":true"#),
        call(
            r#""partialArgs":[{"jsonPath":"$.a","stringValue":"x","willContinue":true}],"willContinue":true"#,
        ),
        call(
            r#""partialArgs":[{"jsonPath":"$.a","stringValue":"y"},{"jsonPath":"$.n[0]","numberValue":1.5}],"willContinue":true"#,
        ),
        call(""),
        call(r#""name":"g","partialArgs":[{"jsonPath":"$.b","boolValue":true}]"#),
        call(r#""name":"h","willContinue":true"#),
        event("", r#","finishReason":"STOP""#),
    ];
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    let answer = streamed(&events).unwrap();
    let calls: Vec<_> =
        answer.choices[0].tool_calls().map(|call| (&*call.name, &*call.arguments)).collect();
    assert_eq!(calls, [("f", r#"{"a":"xy","n":[1.5]}"#), ("g", r#"{"b":true}"#), ("h", "{}")]);

    let torn = call(
        r#""name":"g","partialArgs":[{"jsonPath":"$.b","boolValue":true},{"jsonPath":"$.b.c","boolValue":true}]"#,
    );
    let Err(StreamEnd::Failed(error, _)) = streamed(&[&torn]) else { panic!("no failure") };
    assert_eq!(error.class, ErrorClass::InvalidResponse);
}

#[test]
fn a_candidate_that_goes_on_is_not_at_its_end() {
    let said = event(r#"{"text":"a"}"#, r#","finishReason":"STOP""#);
    let more = event(r#"{"text":"b"}"#, "");
    assert!(streamed(&[&said]).is_ok());
    assert!(streamed(&[&said, &more]).is_err());
    assert_eq!(streamed(&[&said, &more, &said]).unwrap().choices[0].text(), "aba");
}

#[test]
fn a_blocked_prompt_is_an_answer_that_says_why() {
    let json = r#"{"promptFeedback":{"blockReason":"SAFETY","blockReasonMessage":"No."},"usageMetadata":{"promptTokenCount":3}}"#;
    let whole = answer(json);
    let choice = whole.primary().unwrap();
    assert_eq!((&*choice.refusal(), choice.finish), ("No.", Some(Finish::ContentFilter)));
    assert_eq!(streamed(&[json]).unwrap(), whole);
    let filtered = answer(&event("", r#","finishReason":"SAFETY","finishMessage":"Hm.""#));
    assert_eq!(filtered.primary().unwrap().refusal(), "Hm.");
    let fine = answer(&event(
        r#"{"text":"a"}"#,
        r#","finishReason":"MALFORMED_FUNCTION_CALL","finishMessage":"x""#,
    ));
    let choice = fine.primary().unwrap();
    assert_eq!((&*choice.refusal(), choice.finish), ("", Some(Finish::Other)));
}

#[test]
fn sources_are_found_by_their_words() {
    let json = r#"{"candidates":[{"citationMetadata":{"citationSources":[{"startIndex":0,"endIndex":4,"uri":"https://c.test"}]},
        "groundingMetadata":{
          "groundingChunks":[{"web":{"uri":"https://a.test","title":"A"}},{"retrievedContext":{"title":"doc","text":"quoted"}}],
          "groundingSupports":[
            {"segment":{"endIndex":4,"text":"ähm"},"groundingChunkIndices":[0,1]},
            {"segment":{"startIndex":1,"endIndex":99,"text":"next"},"groundingChunkIndices":[1,7]},
            {"segment":{"startIndex":1,"endIndex":2,"text":"nowhere"},"groundingChunkIndices":[0]}]},
        "content":{"parts":[{"text":"ähm. "},{"functionCall":{"name":"f"}},{"text":"next"}]},"finishReason":"STOP"}]}"#;
    let it = answer(json);
    let cited = |at: usize| match &it.choices[0].parts[at].body {
        Body::Text { citations, .. } => citations
            .iter()
            .map(|citation| (citation.url.as_deref(), citation.title.as_deref(), citation.range))
            .collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    let (a, doc) = ((Some("https://a.test"), Some("A")), (None, Some("doc")));
    assert_eq!(
        cited(0),
        [
            (a.0, a.1, Some((0, 3))),
            (doc.0, doc.1, Some((0, 3))),
            (Some("https://c.test"), None, Some((0, 3)))
        ]
    );
    assert_eq!(cited(2), [(doc.0, doc.1, Some((0, 4))), (a.0, a.1, None)]);
    // A source without words supports the whole, and is told once.
    let bare = r#","groundingMetadata":{"groundingChunks":[{"web":{"uri":"u"}}]}"#;
    let (first, last) =
        (event(r#"{"text":"x"}"#, bare), event("", &format!("{bare},\"finishReason\":\"STOP\"")));
    let twice = streamed(&[&first, &last]).unwrap();
    let Body::Text { citations, .. } = &twice.choices[0].parts[0].body else { panic!() };
    assert_eq!((citations.len(), citations[0].range), (1, None));
}

#[test]
fn probabilities_are_listed() {
    let json = event(
        r#"{"text":"ab"}"#,
        r#","finishReason":"STOP","logprobsResult":{
            "topCandidates":[{"candidates":[{"token":"a","logProbability":-1},{"token":"z","logProbability":-2}]},{}],
            "chosenCandidates":[{"token":"a","logProbability":-1},{"token":"b"}]}"#,
    );
    let it = answer(&json);
    let logprobs = &it.choices[0].logprobs;
    assert_eq!((logprobs.mean(), logprobs.tokens.len()), (Some(-0.5), 2));
    assert_eq!(logprobs.tokens[0].top, [("a".to_owned(), -1.0), ("z".to_owned(), -2.0)]);
}

#[test]
fn errors_and_what_is_no_answer() {
    let it = answer(r#"{"error":{"code":429,"message":"slow","status":"RESOURCE_EXHAUSTED"}}"#);
    assert_eq!(it.error.unwrap().class, ErrorClass::RateLimited);
    for body in ["", "[]", "<html>", "{}", r#"{"candidates":[]}"#, r#"{"candidates":[{}]"#] {
        let error = read(body.as_bytes()).unwrap_err();
        assert_eq!(error.class, ErrorClass::InvalidResponse, "{body}");
    }
    assert!(read(b"\xff{}").is_err());
    let empty = answer(
        r#"{"candidates":[{}],"modelVersion":"v","responseId":"r","usageMetadata":{"trafficType":1}}"#,
    );
    assert_eq!((&*empty.model, &*empty.id), ("v", "r"));
    assert_eq!(empty.usage_source, UsageSource::None);
    assert_eq!(empty.choices[0].finish, None);
}

#[test]
fn an_endless_list_of_parts_is_refused() {
    let parts = vec![r#"{"functionCall":{"name":"f","args":{}}}"#; 1025].join(",");
    assert_eq!(read(event(&parts, "").as_bytes()).unwrap_err().code, "too_many_parts");
}

#[test]
fn calls_without_ids_get_some_for_openais_clients() {
    let call = r#"{"functionCall":{"name":"f","args":{}}},{"functionCall":{"name":"g","args":{}}}"#;
    let json = event(call, r#","finishReason":"STOP""#);
    let context = crate::dialect::passage::Context {
        id: "req_0123456789abcdef0123456789abcdef".into(),
        model: "m".into(),
        created: 1,
        request: std::sync::Arc::new(crate::dialect::Request::from(
            crate::dialect::openai_chat::Request::read(Bytes::from_static(
                br#"{"model":"m","messages":[],"stream":true}"#,
            ))
            .unwrap(),
        )),
    };
    let side = crate::dialect::passage::client_side(Dialect::OpenAiChat);
    let mut named = answer(&json);
    named.name_calls(&context.id);
    let whole: serde_json::Value = serde_json::from_slice(&side.write(&named, &context)).unwrap();
    let calls = &whole["choices"][0]["message"]["tool_calls"];
    assert_eq!(calls[0]["id"], "call_made_0123456789abcdef_0_0");
    assert_eq!(calls[1]["id"], "call_made_0123456789abcdef_0_1");
    let machine = stream(Wire::Sse, Quirks::NONE).translated(side.writer(&context));
    let mut machine = machine.naming(&context.id);
    let events = machine.push(Bytes::from(format!("data: {json}\n\n")));
    let told = String::from_utf8_lossy(&events[0].raw).into_owned();
    assert!(
        told.contains("call_made_0123456789abcdef_0_0")
            && told.contains("call_made_0123456789abcdef_0_1")
    );
}

#[test]
fn calls_without_ids_have_the_ids_that_their_client_was_told() {
    let call = r#"{"functionCall":{"name":"f","args":{}},"thoughtSignature":"AA=="},{"functionCall":{"name":"g","args":{}}}"#;
    let json = event(call, r#","finishReason":"STOP""#);
    for dialect in [Dialect::OpenAiChat, Dialect::OpenAiResponses, Dialect::AnthropicMessages] {
        let body = Bytes::from_static(br#"{"contents":[]}"#);
        let request = crate::dialect::gemini_generate::Request::read(body, "m", true).unwrap();
        let context = crate::dialect::passage::Context {
            id: "req_0123456789abcdef0123456789abcdef".into(),
            model: "m".into(),
            created: 1,
            request: std::sync::Arc::new(crate::dialect::Request::from(request)),
        };
        let passage = crate::dialect::Passage::of(dialect, &[Dialect::GeminiGenerate]).unwrap();
        let mut machine = passage.stream(&Quirks::NONE, &context).unwrap();
        let events = machine.push(Bytes::from(format!("data: {json}\n\n")));
        let streamed = machine.answer().clone();
        let whole = passage.read(Bytes::from(json.clone()), &Quirks::NONE, &context).unwrap();
        for (answer, told) in [(&streamed, &events[0].raw), (&whole.0, &whole.1)] {
            let told = String::from_utf8_lossy(told);
            let ids: Vec<&str> = answer.choices[0]
                .parts
                .iter()
                .filter_map(|part| match &part.body {
                    Body::Call(call) => Some(&*call.id),
                    _ => None,
                })
                .collect();
            assert!(ids.len() == 2 && ids[0] != ids[1], "{ids:?}");
            assert!(ids.iter().all(|id| !id.is_empty() && told.contains(id)), "{dialect}: {told}");
        }
    }
}
