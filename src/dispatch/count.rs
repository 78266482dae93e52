//! Asking a provider how many tokens a request has, before it is sent.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use super::{Endpoints, edits};
use crate::catalog::Model;
use crate::dialect::{Dialect, Edits, Request};
use crate::facts::RequestFacts;
use crate::policy::program::Settings;
use crate::provider::Call;

/// How long counting may take: there is an estimate to fall back on.
const PATIENCE: Duration = Duration::from_secs(10);
/// More than any count.
const MOST_BYTES: usize = 64 << 10;

/// What the model's own provider answers when it is asked how many tokens this request has. Nothing
/// where it cannot be asked in the request's dialect, or does not say.
pub async fn count(
    endpoints: &Endpoints,
    model: &Model,
    settings: &Settings,
    request: &Request,
    facts: &Arc<RequestFacts>,
) -> Option<Bytes> {
    let dialect = request.dialect();
    let field = field(dialect)?;
    let (_, provider) = endpoints.endpoint(&model.provider)?.pick();
    if !provider.speaks(&model.upstream_name).contains(&dialect) {
        return None;
    }
    // Of what the policy changes only the prompt and the model are counted.
    let edits = Edits {
        params: Vec::new(),
        logprobs: false,
        ..edits::edits(model, settings, request.shape(), false)
    };
    let body = match wrapped(request) {
        None => request.encode(&edits, provider.quirks()).body,
        Some(inner) if edits.prompt.is_empty() => rewrapped(inner, &model.upstream_name)?,
        Some(_) => return None,
    };
    let call = Call::Count { dialect, model: &model.upstream_name };
    let asked = async {
        let client = endpoints.client(provider.connect_timeout())?;
        let answer = client.send(provider, call, body, super::extra(facts)).await?;
        let status = answer.status;
        answer.read(MOST_BYTES, PATIENCE).await.map(|body| (status, body))
    };
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok((status, body))) if status.is_success() => {
            let told: Value = serde_json::from_slice(&body).ok()?;
            told[field].is_u64().then_some(body)
        }
        Ok(Ok((status, _))) => {
            tracing::debug!(request = facts.id(), %status, "the provider counts no tokens");
            None
        }
        Ok(Err(error)) => {
            tracing::debug!(request = facts.id(), %error, "the provider counts no tokens");
            None
        }
        Err(_) => None,
    }
}

/// Where the number stands, in dialects whose providers count.
fn field(dialect: Dialect) -> Option<&'static str> {
    match dialect {
        Dialect::AnthropicMessages => Some("input_tokens"),
        Dialect::GeminiGenerate => Some("totalTokens"),
        _ => None,
    }
}

/// The whole request that a body of Google's `countTokens` may wrap.
fn wrapped(request: &Request) -> Option<&str> {
    match request {
        Request::Gemini(request) => request.object().field("generateContentRequest"),
        _ => None,
    }
}

/// The same, about this model: its name stands inside as well as in the address.
fn rewrapped(inner: &str, model: &str) -> Option<Bytes> {
    let mut inner: Value = serde_json::from_str(inner).ok()?;
    inner.as_object_mut()?.insert("model".to_owned(), format!("models/{model}").into());
    Some(Bytes::from(serde_json::json!({ "generateContentRequest": inner }).to_string()))
}
