//! Embeddings: OpenAI's and its imitators', as they came; Google's and Cohere's, translated.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use pointsman::dialect::passage::Context;
use pointsman::dialect::shape::{Api, SegmentRole};
use pointsman::dialect::{
    Answer, Dialect, Edits, Passage, Quirks, Request, UpstreamError, UsageSource, openai_embeddings,
};
use pointsman::error_class::ErrorClass;
use serde_json::{Value, json};

use crate::corpus::{self, Body, Exchange};
use crate::harness;

fn read(body: &Value) -> Request {
    let request = openai_embeddings::Request::read(Bytes::from(body.to_string()));
    Request::from(request.unwrap_or_else(|error| panic!("{error}: {body}")))
}

fn context(request: &Request) -> Context {
    Context { id: "r".into(), model: "p/m".into(), created: 1, request: Arc::new(request.clone()) }
}

fn json_of(exchange: &Exchange) -> &Value {
    match &exchange.body {
        Body::Json(body) => body,
        _ => panic!("{}: embeddings are never streamed", exchange.id),
    }
}

/// An error says what it is; `None` for anything else.
fn check_error(exchange: &Exchange) -> Option<()> {
    if exchange.status < 400 {
        return None;
    }
    let body = json_of(exchange).to_string();
    let error = UpstreamError::from_response(
        exchange.status,
        &exchange.headers,
        body.as_bytes(),
        SystemTime::UNIX_EPOCH,
    );
    assert!(!error.message.is_empty(), "{}", exchange.id);
    let expected = match exchange.status {
        401 => ErrorClass::Auth,
        // Google answers a bad key with 400.
        400 if body.contains("API_KEY_INVALID") => ErrorClass::Auth,
        500 => error.class,
        // It also says that the model may not be made for this.
        404 if body.contains("not supported for embedContent") => ErrorClass::Unsupported,
        _ => ErrorClass::BadRequest,
    };
    assert_eq!(error.class, expected, "{}: {error:?}", exchange.id);
    Some(())
}

#[test]
fn openai_and_its_imitators_go_through_as_they_are() {
    let Some(exchanges) = corpus::load(&["openai.embeddings"]) else { return };
    let passage = Passage::of(Dialect::OpenAiEmbeddings, &[Dialect::OpenAiEmbeddings]).unwrap();
    assert!(passage.is_direct());
    let mut answers: BTreeMap<String, usize> = BTreeMap::new();
    harness::each(&exchanges, |exchange| {
        let stand_in = json!({ "model": "m", "input": "text" });
        let recorded = exchange.request.as_ref().unwrap_or(&stand_in);
        let request = read(recorded);
        check_request(&request, recorded);
        if check_error(exchange).is_some() {
            return;
        }
        let body = json_of(exchange);
        let bytes = Bytes::from(body.to_string());
        let (answer, out) = passage.read(bytes.clone(), &Quirks::NONE, &context(&request)).unwrap();
        assert_eq!(out, bytes);
        assert!(answer.choices.is_empty());
        assert_eq!(answer.model, body["model"].as_str().unwrap());
        let usage = &body["usage"];
        // Voyage says the total alone.
        let prompt = usage["prompt_tokens"].as_u64().or(usage["total_tokens"].as_u64()).unwrap();
        assert_eq!((answer.usage.prompt().0, answer.usage.completion().0), (prompt, 0));
        *answers.entry(exchange.provider.clone()).or_default() += 1;
    });
    println!("{answers:?}");
    assert!(answers.values().sum::<usize>() > 40, "{answers:?}");
}

fn check_request(request: &Request, recorded: &Value) {
    let shape = request.shape();
    assert_eq!(shape.api, Api::Embeddings);
    assert_eq!(shape.model, recorded["model"].as_str().unwrap());
    let texts: Vec<String> =
        shape.texts(request.body(), SegmentRole::LastUser).map(|text| text.into_owned()).collect();
    let expected: Vec<&str> = match &recorded["input"] {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        other => panic!("{other}"),
    };
    assert_eq!(texts, expected);
    let encoded = request.encode(&Edits::default(), &Quirks::NONE);
    assert_eq!(&encoded.body, request.body());
    let edits = Edits { model: Some("other".into()), ..Edits::default() };
    let mut edited = recorded.clone();
    edited["model"] = "other".into();
    let encoded: Value =
        serde_json::from_slice(&request.encode(&edits, &Quirks::NONE).body).unwrap();
    assert_eq!(encoded, edited);
    // Tokens mean something to their own model only.
    let tokens = recorded["input"].as_array().is_some_and(|items| !items[0].is_string());
    for other in [Dialect::GeminiEmbed, Dialect::CohereEmbed] {
        let passage = Passage::of(Dialect::OpenAiEmbeddings, &[other]).unwrap();
        let encoded = passage.encode(request, &Edits::default(), &Quirks::NONE, |_| {});
        assert_eq!(encoded.is_err(), tokens, "{recorded}");
    }
}

/// A recorded request of another dialect in neutral words: texts, length, purpose.
type Asked = (Vec<String>, Option<u64>, Option<String>);

/// Translates what was asked there and back, with numbers and in base64.
fn check_translation(
    exchange: &Exchange,
    dialect: Dialect,
    asked: Option<&Asked>,
    ask: impl Fn(&Value) -> Asked,
    vectors: &[&Value],
    tokens: Option<u64>,
) {
    let id = &exchange.id;
    let passage = Passage::of(Dialect::OpenAiEmbeddings, &[dialect]).unwrap();
    for format in ["float", "base64"] {
        let mut body = json!({ "model": "m", "encoding_format": format });
        match asked {
            Some((texts, dimensions, purpose)) => {
                body["input"] = json!(texts);
                body["dimensions"] = json!(dimensions);
                body["input_type"] = json!(purpose);
            }
            None => body["input"] = json!(vec!["text"; vectors.len()]),
        }
        let request = read(&body);
        let encoded = passage.encode(&request, &Edits::default(), &Quirks::NONE, |_| {}).unwrap();
        if let Some(asked) = asked {
            let again = ask(&serde_json::from_slice(&encoded.body).unwrap());
            assert_eq!(&again, asked, "{id}");
            assert!(encoded.losses.is_empty(), "{id}: {:?}", encoded.losses);
        }
        if exchange.status >= 400 {
            continue;
        }
        let answer = Bytes::from(json_of(exchange).to_string());
        let (answer, out) = passage.read(answer, &Quirks::NONE, &context(&request)).unwrap();
        check_usage(&answer, tokens, id);
        let out: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(out["object"], "list", "{id}");
        assert_eq!(out["model"], "p/m", "{id}");
        assert_eq!(out["usage"]["prompt_tokens"], tokens.unwrap_or(0), "{id}");
        let data = out["data"].as_array().unwrap();
        assert_eq!(data.len(), vectors.len(), "{id}");
        for (index, (entry, vector)) in data.iter().zip(vectors).enumerate() {
            assert_eq!(entry["index"], index, "{id}");
            match &entry["embedding"] {
                Value::String(packed) => {
                    let bytes = BASE64.decode(packed).unwrap();
                    let numbers: Vec<f32> = bytes
                        .chunks(4)
                        .map(|four| f32::from_le_bytes(four.try_into().unwrap()))
                        .collect();
                    let vector = vector.as_array().unwrap();
                    let expected: Vec<f32> =
                        vector.iter().map(|number| number.as_f64().unwrap() as f32).collect();
                    assert_eq!((format, numbers), ("base64", expected), "{id}");
                }
                numbers => assert_eq!((format, numbers), ("float", *vector), "{id}"),
            }
        }
    }
}

fn check_usage(answer: &Answer, tokens: Option<u64>, id: &str) {
    let known = answer.usage_source == UsageSource::Reported;
    let read = known.then(|| answer.usage.prompt().0);
    assert_eq!(read, tokens, "{id}");
    assert_eq!(answer.usage.completion().0, 0, "{id}");
}

#[test]
fn cohere_is_translated() {
    let Some(exchanges) = corpus::load(&["cohere.embed"]) else { return };
    harness::each(&exchanges, |exchange| {
        check_error(exchange);
        let body = json_of(exchange);
        let empty = Vec::new();
        let vectors = body["embeddings"]["float"].as_array().unwrap_or(&empty);
        let vectors: Vec<&Value> = vectors.iter().collect();
        let ask = |body: &Value| -> Asked {
            assert_eq!(body["embedding_types"], json!(["float"]));
            (
                serde_json::from_value(body["texts"].clone()).unwrap(),
                body["output_dimension"].as_u64(),
                body["input_type"].as_str().map(str::to_owned),
            )
        };
        // Two recordings embed pictures, which no client of ours can ask for.
        let asked = exchange.request.as_ref().filter(|body| body["texts"].is_array()).map(ask);
        let tokens = body["meta"]["billed_units"]["input_tokens"].as_u64();
        check_translation(exchange, Dialect::CohereEmbed, asked.as_ref(), ask, &vectors, tokens);
    });
}

#[test]
fn gemini_is_translated() {
    let Some(exchanges) = corpus::load(&["gemini.embed"]) else { return };
    harness::each(&exchanges, |exchange| {
        // The same for one text, which we never ask for.
        if exchange.path.ends_with(":embedContent") {
            return;
        }
        check_error(exchange);
        let body = json_of(exchange);
        let empty = Vec::new();
        let vectors = body["embeddings"].as_array().unwrap_or(&empty);
        let vectors: Vec<&Value> = vectors.iter().map(|it| &it["values"]).collect();
        let ask = |body: &Value| -> Asked {
            let requests = body["requests"].as_array().unwrap();
            let text = |request: &Value| {
                let parts = request["content"]["parts"].as_array().unwrap();
                parts.iter().map(|part| part["text"].as_str().unwrap()).collect::<String>()
            };
            let first = &requests[0];
            assert!(first["model"].as_str().unwrap().starts_with("models/"));
            // One recording spells it Google's other way.
            let size = &first["outputDimensionality"];
            let size = size.as_u64().or(first["output_dimensionality"].as_u64());
            let purpose = first["taskType"].as_str().map(str::to_owned);
            (requests.iter().map(text).collect(), size, purpose)
        };
        let asked = ask(exchange.request.as_ref().unwrap());
        let tokens = body["usageMetadata"]["promptTokenCount"].as_u64();
        check_translation(exchange, Dialect::GeminiEmbed, Some(&asked), ask, &vectors, tokens);
    });
}
