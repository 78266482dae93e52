//! How good the heuristics are: `cargo test --release --test facts -- --nocapture` prints the figures of
//! docs/facts.md.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bench;
mod difficulty;
mod tokens;

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use pointsman::caller::Caller;
use pointsman::catalog::Catalog;
use pointsman::dialect::openai_chat::Request;
use pointsman::facts::{Inputs, Rates, RequestFacts};
use pointsman::ids::RequestId;
use pointsman::policy::program::ModelSet;

static CATALOG: LazyLock<Arc<Catalog>> = LazyLock::new(|| Arc::new(Catalog::embedded()));

/// The facts of a chat request; `None` where the body is none.
fn facts(body: impl Into<Bytes>) -> Option<RequestFacts> {
    let request = Request::read(body.into()).ok()?;
    Some(RequestFacts::new(Inputs {
        id: RequestId::fresh(),
        request: Arc::new(request.into()),
        path: "/v1/chat/completions".into(),
        headers: http::HeaderMap::new(),
        client_ip: None,
        caller: Arc::new(Caller::open()),
        now: jiff::Timestamp::UNIX_EPOCH,
        rates: Rates::default(),
        session_model: None,
        catalog: CATALOG.clone(),
        enabled: Arc::new(ModelSet::of(&CATALOG, |_| true)),
    }))
}

/// A prompt as the only message of a request.
fn asked(prompt: &str) -> RequestFacts {
    let body = serde_json::json!({
        "model": "auto",
        "messages": [{ "role": "user", "content": prompt }],
    });
    facts(body.to_string()).unwrap()
}

/// A folder beside the repository with data that is not part of it. Where it is missing the test is
/// skipped, but not on the build server.
fn data(variable: &str, folder: &str, file: &str) -> Option<PathBuf> {
    let root = match std::env::var_os(variable) {
        Some(path) => PathBuf::from(path),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared").join(folder),
    };
    if root.join(file).is_file() {
        return Some(root);
    }
    let message = format!("no data in {}; {variable} says where it is", root.display());
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{message}");
    println!("skipped: {message}");
    None
}
