//! Finding and loading the recordings.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

/// One recorded exchange.
pub struct Exchange {
    pub id: String,
    pub provider: String,
    /// Which wire format, as the recordings name it.
    pub api: String,
    /// The path of the request's URL, with its query; empty where it was not recorded.
    pub path: String,
    pub request: Option<Value>,
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Body,
    /// What is in it, in the words of the recordings' index.
    pub features: Vec<String>,
}

pub enum Body {
    Json(Value),
    Sse(String),
    /// One JSON value a line.
    Lines(String),
    /// AWS event-stream frames, and what they hold: `[{"event", "data"}]`.
    Frames {
        bytes: Vec<u8>,
        events: Value,
    },
}

/// All wire formats that the tests walk through, as the recordings name them.
pub const WALKED: [&str; 16] = [
    "anthropic.count_tokens",
    "anthropic.messages",
    "anthropic.vertex",
    "bedrock.converse",
    "cohere.chat",
    "cohere.embed",
    "gemini.count_tokens",
    "gemini.embed",
    "gemini.generate",
    "gemini.stream",
    "mistral.chat",
    "ollama.chat",
    "openai.chat",
    "openai.completions",
    "openai.embeddings",
    "openai.responses",
];

/// The exchanges of these wire formats; nothing where there are no recordings on this machine.
pub fn load(apis: &[&str]) -> Option<Vec<Exchange>> {
    assert!(
        apis.iter().all(|api| WALKED.contains(api)),
        "{apis:?} has one that is not in `WALKED`"
    );
    let (root, index) = index()?;
    let wanted = index.iter().filter(|row| apis.contains(&row["api"].as_str().unwrap()));
    Some(wanted.map(|row| exchange(&root, row)).collect())
}

/// Where the recordings are, and a row for each of them.
pub fn index() -> Option<(PathBuf, Vec<Value>)> {
    let root = match std::env::var_os("POINTSMAN_WIRE") {
        Some(path) => PathBuf::from(path),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/wire"),
    };
    let index = match std::fs::read(root.join("index.json")) {
        Ok(index) => index,
        Err(error) => {
            let message = format!(
                "no recorded traffic in {} ({error}); POINTSMAN_WIRE says where it is",
                root.display()
            );
            assert!(std::env::var("CI").as_deref() != Ok("true"), "{message}");
            println!("skipped: {message}");
            return None;
        }
    };
    Some((root, serde_json::from_slice(&index).unwrap()))
}

fn exchange(root: &std::path::Path, row: &Value) -> Exchange {
    let file = std::fs::read(root.join(row["file"].as_str().unwrap())).unwrap();
    let it: Value = serde_json::from_slice(&file).unwrap();
    let response = &it["response"];
    let body = &response["body"];
    let mut headers = HeaderMap::new();
    for (name, value) in response["headers"].as_object().unwrap() {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.insert(name, HeaderValue::from_str(value.as_str().unwrap()).unwrap());
    }
    Exchange {
        id: it["id"].as_str().unwrap().to_owned(),
        provider: it["provider"].as_str().unwrap().to_owned(),
        api: it["api"].as_str().unwrap().to_owned(),
        path: it["request"]["url_path"].as_str().unwrap_or_default().to_owned(),
        request: Some(it["request"]["body"].clone()).filter(Value::is_object),
        status: u16::try_from(response["status"].as_u64().unwrap()).unwrap(),
        headers,
        body: match response["kind"].as_str().unwrap() {
            "json" => Body::Json(body.clone()),
            "sse" => Body::Sse(body.as_str().unwrap().to_owned()),
            "ndjson" => Body::Lines(body.as_str().unwrap().to_owned()),
            "aws-eventstream" => Body::Frames {
                bytes: BASE64.decode(body.as_str().unwrap()).unwrap(),
                events: response["events"].clone(),
            },
            kind => panic!("{}: a {kind} body", it["id"]),
        },
        features: row["features"]
            .as_array()
            .unwrap()
            .iter()
            .map(|feature| feature.as_str().unwrap().to_owned())
            .collect(),
    }
}
