use super::*;
use crate::dialect::Dialect;
use crate::dialect::part::{MediaKind, Source};

fn answer(body: &str) -> Answer {
    read(body.as_bytes(), &Quirks::NONE).unwrap()
}

#[test]
fn every_item_becomes_parts_in_order() {
    let it = answer(
        r#"{"id":"resp_1","model":"m","status":"completed","service_tier":"flex","output":[
            {"type":"reasoning","id":"rs","summary":[{"type":"summary_text","text":"a"},{"type":"summary_text","text":"b"}],"encrypted_content":"E"},
            {"type":"web_search_call","id":"ws","status":"completed"},
            {"type":"message","id":"msg","content":[{"type":"output_text","text":"hi","annotations":[
                {"type":"url_citation","url":"u","title":"t","start_index":0,"end_index":2}],
                "logprobs":[{"token":"hi","logprob":-0.5,"bytes":[104,105],"top_logprobs":[]}]},
                {"type":"refusal","refusal":"no"}]},
            {"type":"function_call","id":"fc","call_id":"c1","name":"f","arguments":"{\"a\":1}"},
            {"type":"custom_tool_call","id":"ct","call_id":"c2","name":"g","input":"raw"},
            {"type":"image_generation_call","id":"ig","result":"AAAA","output_format":"webp"},
            {"type":"reasoning","id":"rs2","summary":[],"encrypted_content":"F"}],
          "usage":{"input_tokens":10,"input_tokens_details":{"cached_tokens":4},"output_tokens":9,
            "output_tokens_details":{"reasoning_tokens":5},"total_tokens":19}}"#,
    );
    assert_eq!((&*it.id, it.service_tier.as_deref()), ("resp_1", Some("flex")));
    let parts = &it.choices[0].parts;
    assert_eq!(parts.len(), 8);
    assert_eq!(parts[0].main_text(), "a\n\nb");
    let signature = parts[0].signature.as_ref().unwrap();
    assert!(signature.value.starts_with(r#"{"type":"reasoning","id":"rs""#));
    assert!(matches!(&parts[1].body, Body::Native { dialect: Dialect::OpenAiResponses, .. }));
    let Body::Text { text, citations } = &parts[2].body else { panic!() };
    assert_eq!(
        (&**text, citations[0].url.as_deref(), citations[0].range),
        ("hi", Some("u"), Some((0, 2)))
    );
    assert!(matches!(&parts[3].body, Body::Refusal(why) if why == "no"));
    let calls: Vec<_> = it.choices[0].tool_calls().collect();
    assert_eq!(
        (&*calls[0].id, &*calls[0].arguments, calls[0].free_form),
        ("c1", "{\"a\":1}", false)
    );
    assert_eq!((&*calls[1].name, &*calls[1].arguments, calls[1].free_form), ("g", "raw", true));
    let Body::Media(image) = &parts[6].body else { panic!() };
    let source = Source::Base64 { mime: "image/webp".into(), data: "AAAA".into() };
    assert_eq!((image.kind, &image.source), (MediaKind::Image, &source));
    assert!(matches!(&parts[7].body, Body::Thinking { redacted: true, .. }));
    assert_eq!(it.choices[0].finish, Some(Finish::ToolCalls));
    assert_eq!(it.choices[0].logprobs.tokens.len(), 1);
    let usage = it.usage;
    assert_eq!(
        [usage.input.0, usage.cache_read.0, usage.output.0, usage.reasoning.0],
        [6, 4, 4, 5]
    );
}

#[test]
fn every_ending_is_told_apart() {
    let finish = |body: &str| answer(body).choices[0].finish;
    let ended = |status: &str, reason: &str| {
        finish(&format!(
            r#"{{"status":"{status}","incomplete_details":{{"reason":"{reason}"}},"output":[]}}"#
        ))
    };
    assert_eq!(ended("completed", ""), Some(Finish::Stop));
    assert_eq!(ended("incomplete", "max_output_tokens"), Some(Finish::Length));
    assert_eq!(ended("incomplete", "content_filter"), Some(Finish::ContentFilter));
    assert_eq!(ended("queued", ""), None);
    let failed = answer(
        r#"{"status":"failed","output":[],"error":{"code":"rate_limit_exceeded","message":"slow"}}"#,
    );
    assert_eq!(failed.error.unwrap().class, ErrorClass::RateLimited);
    assert!(answer(r#"{"status":"failed","output":[],"error":null}"#).error.is_some());
}

#[test]
fn what_is_no_answer_is_refused() {
    for body in ["", "[]", "{}", r#"{"output":{}}"#, "{\"output\":[", "\u{feff}x"] {
        let error = read(body.as_bytes(), &Quirks::NONE).unwrap_err();
        assert_eq!(error.class, ErrorClass::InvalidResponse, "{body}");
    }
    assert!(answer(r#"{"error":{"message":"no","code":"x"}}"#).error.is_some());
}
