//! A decision that a running gateway made lately.

use serde_json::Value;

use crate::ids::RequestId;

/// What the gateway tells about a decision.
///
/// # Errors
/// Where it cannot be asked, or does not know the decision.
pub(super) fn explain(id: RequestId, gateway: &str, key: Option<&str>) -> Result<Value, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("the runtime does not start: {error}"))?;
    runtime.block_on(async {
        let url = format!("{}/v1/decisions/{id}", gateway.trim_end_matches('/'));
        let mut request = reqwest::Client::new().get(&url);
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        let lost = |error: reqwest::Error| {
            format!("no gateway answers at {gateway}: {error}; `--gateway URL` says where it is")
        };
        let response = request.send().await.map_err(lost)?;
        let status = response.status();
        let body = response.bytes().await.map_err(lost)?;
        let told: Value = serde_json::from_slice(&body)
            .map_err(|_| format!("{gateway} is no gateway: it answers {status}"))?;
        if status.is_success() {
            return Ok(told);
        }
        let message = told["error"]["message"].as_str();
        Err(message.map_or_else(|| format!("the gateway answers {status}"), str::to_owned))
    })
}
