//! Answers of our own making, one whole and one streamed in every dialect: thinking, text, two tool
//! calls and usage. They need nothing beside the repository, and say the same whoever reads them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::HeaderMap;
use pointsman::dialect::answer::Answer;
use pointsman::dialect::passage;
use pointsman::dialect::{Dialect, Quirks};
use serde_json::Value;

use crate::corpus::{Body, Exchange};
use crate::harness::{self, plain_of};

fn fixtures() -> Vec<(String, Value)> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire/fixtures");
    let mut found: Vec<(String, Value)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

fn check(answer: &Answer, expected: &Value, name: &str) {
    let plain = plain_of(answer, false);
    let calls: Vec<Value> = plain
        .calls
        .iter()
        .map(|(id, tool, arguments)| serde_json::json!([id, tool, arguments]))
        .collect();
    let finish = serde_json::to_value(plain.finish).unwrap();
    let found = serde_json::json!({
        "text": plain.text, "thinking": plain.thinking, "calls": calls, "finish": finish,
        "usage": plain.usage,
    });
    assert_eq!(found, *expected, "{name}");
}

#[test]
fn the_same_is_read_in_every_dialect_and_told_to_every_client() {
    let fixtures = fixtures();
    assert_eq!(fixtures.len(), 14);
    for (name, it) in &fixtures {
        let dialect = Dialect::from_name(it["dialect"].as_str().unwrap()).unwrap();
        let side = passage::provider_side(dialect).unwrap();
        let body = match it["kind"].as_str().unwrap() {
            "json" => Body::Json(it["body"].clone()),
            "aws-eventstream" => {
                let bytes = BASE64.decode(it["body"].as_str().unwrap()).unwrap();
                Body::Frames { bytes, events: Value::Null }
            }
            "ndjson" => Body::Lines(it["body"].as_str().unwrap().to_owned()),
            _ => Body::Sse(it["body"].as_str().unwrap().to_owned()),
        };
        let bytes = harness::bytes_of(&body);
        let answer = if let Body::Json(_) = body {
            side.read(&bytes, &Quirks::NONE).unwrap()
        } else {
            for size in [1, 2, 3, 7, 1000, bytes.len()] {
                let mut stream = side.stream(&Quirks::NONE);
                for (at, chunk) in bytes.chunks(size).enumerate() {
                    stream.push(Bytes::copy_from_slice(chunk));
                    let sent = (at * size + chunk.len()).min(bytes.len());
                    // The end of an answer is at the end of its stream, not somewhere before.
                    assert!(
                        !stream.is_complete() || sent * 10 > bytes.len() * 7,
                        "{name} at {sent}"
                    );
                }
                check(&stream.finish().unwrap(), &it["expected"], name);
            }
            let mut stream = side.stream(&Quirks::NONE);
            stream.push(Bytes::copy_from_slice(&bytes));
            stream.finish().unwrap()
        };
        check(&answer, &it["expected"], name);
        let exchange = Exchange {
            id: name.clone(),
            provider: "nobody".into(),
            api: dialect.name().into(),
            features: Vec::new(),
            path: String::new(),
            request: None,
            status: 200,
            headers: HeaderMap::new(),
            body,
        };
        harness::check_clients(&exchange, &answer, dialect);
        if !matches!(exchange.body, Body::Json(_)) {
            harness::check_translations(&exchange, &bytes, dialect, &Quirks::NONE, &answer);
        }
    }
}
