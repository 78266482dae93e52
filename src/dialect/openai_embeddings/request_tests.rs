use std::sync::Arc;

use insta::assert_snapshot;
use serde_json::json;

use super::*;
use crate::dialect::edits::{ParamValue, PromptEdit};
use crate::dialect::error::UpstreamError;
use crate::dialect::passage::{Context, Passage};
use crate::dialect::quirks::Quirks;
use crate::dialect::{Dialect, request};

fn read(body: &serde_json::Value) -> Request {
    Request::read(Bytes::from(body.to_string())).unwrap()
}

fn fails(body: &str) -> String {
    Request::read(Bytes::copy_from_slice(body.as_bytes())).unwrap_err().to_string()
}

/// The body for a provider, and what is lost on the way to it.
fn sent(to: Dialect, body: &serde_json::Value, edits: &Edits, quirks: &Quirks) -> String {
    let passage = Passage::of(Dialect::OpenAiEmbeddings, &[to]).unwrap();
    match passage.encode(&request::Request::from(read(body)), edits, quirks, |_| {}) {
        Ok(encoded) => {
            let losses: Vec<String> = encoded
                .losses
                .iter()
                .map(|loss| format!("{} {:?}: {}", loss.param, loss.how, loss.note))
                .collect();
            format!("{} {losses:?}", String::from_utf8_lossy(&encoded.body))
        }
        Err(error) => error.to_string(),
    }
}

fn answered(
    from: Dialect,
    asked: &serde_json::Value,
    body: &'static str,
) -> Result<String, UpstreamError> {
    let request = Arc::new(request::Request::from(read(asked)));
    let context = Context { id: "r".into(), model: "p/m".into(), created: 1, request };
    let passage = Passage::of(Dialect::OpenAiEmbeddings, &[from]).unwrap();
    let (_, body) = passage.read(Bytes::from_static(body.as_bytes()), &Quirks::NONE, &context)?;
    Ok(String::from_utf8_lossy(&body).into_owned())
}

fn full() -> serde_json::Value {
    json!({
        "model": "m", "input": ["a \"b\"", "c"], "dimensions": 256, "encoding_format": "float",
        "user": "u", "input_type": "query", "truncate": true,
    })
}

#[test]
fn what_is_no_request_is_refused_in_words() {
    assert_snapshot!(fails("[]"), @"the body must be a JSON object, but it is an array");
    assert_snapshot!(fails(r#"{"input":"a"}"#), @"`model` is missing");
    assert_snapshot!(fails(r#"{"model":"m"}"#), @"`input` is missing");
    assert_snapshot!(fails(r#"{"model":"m","input":7}"#), @"`input` must be a string or an array, but it is a number");
    assert_snapshot!(fails(r#"{"model":"m","input":"a","dimensions":"b"}"#), @"`dimensions` must be a whole number, but it is a string");
    assert_snapshot!(fails(r#"{"model":"m","input":"a","input":"b"}"#), @"`input` occurs twice in the body");
}

#[test]
fn tokens_and_other_things_stay_with_their_provider() {
    let edits = Edits::default();
    for (input, translated) in [
        (json!("a"), true),
        (json!(["a", "b"]), true),
        (json!([]), true),
        (json!([1, 2]), false),
        (json!([[1], [2, 3]]), false),
        (json!(["a", 1]), false),
        (json!([{ "content": [] }]), false),
    ] {
        let body = json!({ "model": "m", "input": input });
        let request = read(&body);
        assert_eq!(request.texts().is_ok(), translated, "{body}");
        assert_eq!(request.encode(&edits, &Quirks::NONE).body, request.object().body());
        assert_eq!(request.shape().api, Api::Embeddings);
    }
    let tokens = json!({ "model": "m", "input": [[1]] });
    assert_snapshot!(sent(Dialect::GeminiEmbed, &tokens, &edits, &Quirks::NONE), @"the texts are given as tokens of OpenAI's, which no other model has");
}

#[test]
fn each_provider_gets_its_own_words() {
    let edits = Edits { model: Some("other".into()), ..Edits::default() };
    let sent = |to, quirks| sent(to, &full(), &edits, &quirks);
    assert_snapshot!(sent(Dialect::OpenAiEmbeddings, Quirks::NONE), @r#"{"dimensions":256,"encoding_format":"float","input":["a \"b\"","c"],"input_type":"query","model":"other","truncate":true,"user":"u"} []"#);
    let voyage = crate::provider::table::entry("voyage").unwrap().quirks;
    assert_snapshot!(sent(Dialect::OpenAiEmbeddings, voyage), @r#"{"output_dimension":256,"input":["a \"b\"","c"],"input_type":"query","model":"other","truncate":true} ["user Dropped: not supported there", "dimensions Renamed: `dimensions` is sent as `output_dimension`"]"#);
    assert_snapshot!(sent(Dialect::GeminiEmbed, Quirks::NONE), @r#"{"requests":[{"model":"models/other","content":{"parts":[{"text":"a \"b\""}]},"taskType":"RETRIEVAL_QUERY","outputDimensionality":256},{"model":"models/other","content":{"parts":[{"text":"c"}]},"taskType":"RETRIEVAL_QUERY","outputDimensionality":256}]} ["truncate Dropped: not supported there", "user Dropped: not supported there"]"#);
    assert_snapshot!(sent(Dialect::CohereEmbed, Quirks::NONE), @r#"{"model":"other","texts":["a \"b\"","c"],"input_type":"search_query","embedding_types":["float"],"output_dimension":256} ["truncate Dropped: not supported there", "user Dropped: not supported there"]"#);
    let bare = json!({ "model": "m", "input": "a", "input_type": "poetry" });
    let none = Edits::default();
    assert_snapshot!(super::tests::sent(Dialect::CohereEmbed, &bare, &none, &Quirks::NONE), @r#"{"model":"m","texts":["a"],"input_type":"search_document","embedding_types":["float"]} ["input_type Dropped: `poetry` is unknown there", "input_type Emulated: it has to be said there what the texts are for; `search_document` is taken"]"#);
}

#[test]
fn edits_that_mean_nothing_here_are_losses() {
    let edits = Edits {
        params: vec![
            (Param::User, Change::Replace(ParamValue::Text("v".into()))),
            (Param::Temperature, Change::Replace(ParamValue::Int(1))),
        ],
        prompt: vec![PromptEdit::Append("x".into())],
        ..Edits::default()
    };
    let body = json!({ "model": "m", "input": "a" });
    assert_snapshot!(sent(Dialect::OpenAiEmbeddings, &body, &edits, &Quirks::NONE), @r#"{"input":"a","model":"m","user":"v"} ["temperature Dropped: embeddings have nothing of the kind", "prompt Dropped: embeddings have nothing of the kind"]"#);
}

#[test]
fn answers_come_back_as_openai_writes_them() {
    let asked = json!({ "model": "m", "input": ["a", "b"] });
    let packed = json!({ "model": "m", "input": ["a", "b"], "encoding_format": "base64" });
    let gemini = r#"{"embeddings":[{"values":[0.5, -1e-3]},{"values":[1]}],"usageMetadata":{"promptTokenCount":4}}"#;
    assert_snapshot!(answered(Dialect::GeminiEmbed, &asked, gemini).unwrap(), @r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5, -1e-3]},{"object":"embedding","index":1,"embedding":[1]}],"model":"p/m","usage":{"prompt_tokens":4,"total_tokens":4}}"#);
    assert_snapshot!(answered(Dialect::GeminiEmbed, &packed, gemini).unwrap(), @r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":"AAAAP28Sg7o="},{"object":"embedding","index":1,"embedding":"AACAPw=="}],"model":"p/m","usage":{"prompt_tokens":4,"total_tokens":4}}"#);
    let cohere =
        r#"{"id":"x","embeddings":{"float":[[1],[2]]},"meta":{"billed_units":{"input_tokens":3}}}"#;
    assert_snapshot!(answered(Dialect::CohereEmbed, &asked, cohere).unwrap(), @r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1]},{"object":"embedding","index":1,"embedding":[2]}],"model":"p/m","usage":{"prompt_tokens":3,"total_tokens":3}}"#);
    let fail = |from, asked, body| {
        let error = answered(from, asked, body).unwrap_err();
        format!("{} {}: {}", error.class.name(), error.code, error.message)
    };
    assert_snapshot!(fail(Dialect::CohereEmbed, &asked, r#"{"embeddings":{"float":[[1]]}}"#), @"invalid_response wrong_count: the answer has 1 embeddings for 2 texts");
    assert_snapshot!(fail(Dialect::GeminiEmbed, &asked, "{}"), @"invalid_response no_embeddings: the answer has no embeddings");
    assert_snapshot!(fail(Dialect::GeminiEmbed, &packed, r#"{"embeddings":[{"values":["x"]},{"values":[]}]}"#), @"invalid_response invalid_vector: an embedding is no list of numbers");
    assert_snapshot!(fail(Dialect::OpenAiEmbeddings, &asked, r#"{"data":[]}"#), @"invalid_response no_embeddings: the answer has no embeddings");
    assert_snapshot!(fail(Dialect::OpenAiEmbeddings, &asked, r#"{"error":{"message":"no","code":"c"}}"#), @"server_error c: no");
    assert_snapshot!(fail(Dialect::OpenAiEmbeddings, &asked, "[]"), @"invalid_response invalid_json: the answer is not valid JSON: expected an object at byte 0");
}

#[test]
fn embeddings_and_conversations_go_different_ways() {
    let both = [Dialect::CohereChat, Dialect::OpenAiChat, Dialect::CohereEmbed];
    let way = |client| Passage::of(client, &both).map(|passage| passage.dialect());
    assert_eq!(way(Dialect::OpenAiEmbeddings), Some(Dialect::CohereEmbed));
    assert_ne!(way(Dialect::OpenAiChat), Some(Dialect::CohereEmbed));
    assert_eq!(Passage::of(Dialect::OpenAiEmbeddings, &[Dialect::OpenAiChat]), None);
    assert_eq!(Passage::of(Dialect::OpenAiChat, &[Dialect::OpenAiEmbeddings]), None);
    assert!(request::Request::from(read(&full())).decode().is_err());
}
