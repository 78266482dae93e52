//! What a provider's error means, read from its status, headers and body.
//!
//! Providers spell errors in at least nine shapes and give the same status to very different
//! troubles, so the body decides first and the status last.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use serde_json::Value;

use crate::error_class::ErrorClass;

/// The longest pause that a provider can make us take.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(60);

/// An error that a provider answered with, or that an answer turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamError {
    /// What kind of trouble it is.
    pub class: ErrorClass,
    /// The HTTP status; of an error under status 200, the status that its body names, or 200.
    pub status: u16,
    /// The provider's own code or type; empty where there is none.
    pub code: String,
    /// The provider's words. They may quote keys and account names: redact before showing them.
    pub message: String,
    /// When to come back, where it says so: 0 to 60 seconds.
    pub retry_after: Option<Duration>,
    /// The request's field at fault, where it says so.
    pub param: Option<String>,
}

impl UpstreamError {
    /// An error of our own finding: an answer that is not one.
    pub fn invalid(code: &str, message: impl Into<String>) -> UpstreamError {
        UpstreamError {
            class: ErrorClass::InvalidResponse,
            status: 200,
            code: code.to_owned(),
            message: message.into(),
            retry_after: None,
            param: None,
        }
    }

    /// An answer that ended because its provider failed midway.
    pub fn finish_error() -> UpstreamError {
        let message = "the provider ended the answer with the finish reason `error`";
        UpstreamError {
            class: ErrorClass::ServerError,
            ..UpstreamError::invalid("finish_error", message)
        }
    }

    /// Reads an answer with an error status. `now` is for the HTTP dates and epochs that some
    /// providers say when to come back with.
    pub fn from_response(
        status: u16,
        headers: &HeaderMap,
        body: &[u8],
        now: SystemTime,
    ) -> UpstreamError {
        let mut error = match (serde_json::from_slice::<Value>(body), amazon_type(headers)) {
            (Ok(value), Some(code)) => UpstreamError::named(status, code, &value.to_string()),
            (Ok(value), None) => UpstreamError::from_value(status, &value),
            (Err(_), _) => UpstreamError::from_page(status, headers, body),
        };
        if matches!(
            error.class,
            ErrorClass::RateLimited | ErrorClass::Overloaded | ErrorClass::ServerError
        ) {
            error.retry_after = retry_after(headers, now).or(error.retry_after);
        }
        error
    }

    /// Reads an error object found in an answer of `status` (200 inside streams): the value of an
    /// `error` field, or a whole body.
    pub fn from_json(status: u16, json: &str) -> UpstreamError {
        match serde_json::from_str::<Value>(json) {
            Ok(value) => UpstreamError::from_value(status, &value),
            Err(_) => UpstreamError::invalid("invalid_json", "an error that is not valid JSON"),
        }
    }

    /// Reads an error whose code stands outside of its JSON: in the name of an event.
    pub fn named(status: u16, code: &str, json: &str) -> UpstreamError {
        let inner = serde_json::from_str(json).unwrap_or(Value::Null);
        UpstreamError::from_value(status, &serde_json::json!({"code": code, "error": inner}))
    }

    fn from_value(status: u16, value: &Value) -> UpstreamError {
        let mut fields = Fields::default();
        fields.read(value, 0);
        let status = match (status, fields.status) {
            (200..300, Some(inner)) => inner,
            (outer, _) => outer,
        };
        let message = match (fields.message, &fields.inner) {
            (message, Some(inner)) if !message.contains(inner.as_str()) => {
                format!("{message}: {inner}")
            }
            (message, _) => message,
        };
        let words =
            [&fields.code, &fields.kind, &fields.name].map(|word| word.to_ascii_lowercase());
        UpstreamError {
            class: classify(status, &words, &message.to_ascii_lowercase()),
            status,
            code: [fields.code, fields.kind, fields.name]
                .into_iter()
                .find(|word| !word.is_empty())
                .unwrap_or_default(),
            message,
            retry_after: fields.retry_after.map(clamp),
            param: fields.param,
        }
    }

    /// A body that is no JSON: a proxy's page, or plain words.
    fn from_page(status: u16, headers: &HeaderMap, body: &[u8]) -> UpstreamError {
        let text: Cow<'_, str> = String::from_utf8_lossy(&body[..body.len().min(512)]);
        let text = text.trim();
        let html = is_html(headers, body);
        let class = match status {
            // A captive portal or a wrong base URL answers 401, 403 and 404 with pages; our
            // credential is not to blame for those.
            200..=428 | 430..=499 if html => ErrorClass::InvalidResponse,
            _ => classify(status, &Default::default(), &text.to_ascii_lowercase()),
        };
        let message = match (html, text) {
            (true, _) => format!("status {status} with a web page where JSON was expected"),
            (false, "") => format!("status {status} without a body"),
            (false, text) => text.to_owned(),
        };
        let code = if html { "upstream_not_api" } else { "" };
        UpstreamError { class, status, code: code.into(), message, retry_after: None, param: None }
    }
}

/// Whether an answer is a web page rather than an API's answer, whatever its status.
pub fn is_html(headers: &HeaderMap, body: &[u8]) -> bool {
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    first == Some(&b'<')
        || headers
            .get(http::header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|kind| kind.starts_with("text/html"))
}

/// AWS names the error in a header: `ThrottlingException:http://internal.amazon.com/…`.
fn amazon_type(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get("x-amzn-errortype")?.to_str().ok()?;
    value.split([':', '#']).next().map(str::trim).filter(|code| !code.is_empty())
}

/// What the nine shapes have in common.
#[derive(Debug, Default)]
struct Fields {
    message: String,
    code: String,
    kind: String,
    /// Google's status name.
    name: String,
    status: Option<u16>,
    param: Option<String>,
    /// What a gateway's upstream said.
    inner: Option<String>,
    retry_after: Option<Duration>,
}

impl Fields {
    /// Reads a value and what is nested in it; what was found first, further out, stays, but for
    /// the message.
    fn read(&mut self, value: &Value, depth: u8) {
        let object = match value {
            Value::String(text) => return self.set_message(text),
            // Google wraps streams' errors into an array.
            Value::Array(items) => {
                return items.first().into_iter().for_each(|item| self.read_nested(item, depth));
            }
            Value::Object(object) => object,
            _ => return,
        };
        for (key, value) in object {
            match (key.as_str(), value) {
                ("message" | "msg", Value::String(text)) => self.set_message(text),
                ("code", Value::String(text)) => set(&mut self.code, text),
                ("code" | "status_code" | "status" | "raw_status_code", Value::Number(number)) => {
                    let code = number.as_u64().and_then(|code| u16::try_from(code).ok());
                    self.status = self.status.or(code.filter(|code| (400..600).contains(code)));
                }
                ("type", Value::String(text)) if text != "error" => set(&mut self.kind, text),
                ("status" | "reason", Value::String(text)) => {
                    if !self.name.is_empty() {
                        self.name.push(' ');
                    }
                    self.name.push_str(text);
                }
                ("param", Value::String(text)) => self.param = Some(text.clone()),
                ("retryDelay", Value::String(text)) => self.retry_after = duration(text),
                ("raw", Value::String(text)) => {
                    let mut nested = Fields::default();
                    match serde_json::from_str::<Value>(text) {
                        Ok(value) => nested.read_nested(&value, depth),
                        Err(_) => nested.set_message(text),
                    }
                    set(&mut self.code, &nested.code);
                    self.inner = Some(nested.message).filter(|text| !text.is_empty());
                }
                ("error" | "errors" | "detail" | "details" | "metadata", nested) => {
                    if key == "details" && matches!(nested, Value::String(_)) {
                        continue; // repeats the message
                    }
                    match nested {
                        Value::Array(items) if key == "details" => {
                            items.iter().for_each(|item| self.read_nested(item, depth));
                        }
                        nested => self.read_nested(nested, depth),
                    }
                }
                _ => {}
            }
        }
    }

    fn read_nested(&mut self, value: &Value, depth: u8) {
        if depth < 4 {
            self.read(value, depth + 1);
        }
    }

    fn set_message(&mut self, text: &str) {
        set(&mut self.message, text);
    }
}

fn set(to: &mut String, text: &str) {
    if to.is_empty() {
        text.clone_into(to);
    }
}

/// Codes and phrases that decide the class before the status does, in this order. Codes are
/// compared with the provider's code, type and status name; phrases are looked for in its message.
/// All are in lower case.
const SIGNS: &[(ErrorClass, &[&str], &[&str])] = &[
    (
        ErrorClass::ContextExceeded,
        &["context_length_exceeded", "too_many_prompt_tokens", "exceed_context_size_error"],
        &[
            "context length",
            "context window",
            "context size",
            "prompt is too long",
            "total length of all messages is too long",
            "input token count exceeds",
            "exceeds the maximum number of tokens allowed",
            "too many input tokens",
            "number of input tokens exceeds",
            "input is too long",
        ],
    ),
    (
        ErrorClass::ContentFiltered,
        &[
            "content_filter",
            "content_policy_violation",
            "responsibleaipolicyviolation",
            "data_inspection_failed",
        ],
        &[
            "content management policy",
            "violates usage guidelines",
            "content policy",
            "safety system",
        ],
    ),
    // Google says "exceeded your current quota" for limits per minute, under this name.
    (ErrorClass::RateLimited, &["resource_exhausted"], &[]),
    (
        ErrorClass::QuotaExhausted,
        &[
            "insufficient_quota",
            "billing_hard_limit_reached",
            "billing_not_active",
            "insufficient_balance",
            "enforced_spend_limit_reached",
            "arrearage",
            "exceeded_current_quota_error",
            "servicequotaexceededexception",
        ],
        &[
            "insufficient balance",
            "insufficient credits",
            "exceeded your current quota",
            "credit balance is too low",
            "account balance",
            "spending limit",
        ],
    ),
    (
        ErrorClass::Overloaded,
        &[
            "overloaded_error",
            "overloaded",
            "server_is_overloaded",
            "engine_overloaded_error",
            "service_unavailable_error",
            "model_overloaded",
            "queue_exceeded",
            "serviceunavailableexception",
            "slow_down",
        ],
        &[
            "overloaded",
            "at capacity",
            "over capacity",
            "no capacity",
            "too much traffic",
            "high traffic",
            "high demand",
        ],
    ),
    (
        ErrorClass::Auth,
        &[
            "invalid_api_key",
            "authentication_error",
            "api_key_invalid",
            "unauthenticated",
            "permission_denied",
            "invalid_authentication_error",
        ],
        &["incorrect api key", "invalid api key", "api key not valid", "invalid api-key"],
    ),
    (
        ErrorClass::RateLimited,
        &[
            "rate_limit_exceeded",
            "ratelimitreached",
            "rate_limit_error",
            "rate_limit_reached_error",
            "too_many_requests",
            "throttlingexception",
        ],
        &["rate limit", "rate-limited", "too many requests", "throttl"],
    ),
    (ErrorClass::Timeout, &["modeltimeoutexception"], &[]),
    (
        ErrorClass::ServerError,
        &[
            "internalserverexception",
            "internalfailure",
            "modelerrorexception",
            "modelstreamerrorexception",
        ],
        &[],
    ),
    // The same request is wrong everywhere, even where its message says "not supported".
    (
        ErrorClass::BadRequest,
        &[
            "invalid_parameter_combination",
            "model_not_found",
            "tool_use_failed",
            "invalid_image_format",
            "invalid_image_url",
            "model_decommissioned",
        ],
        &[],
    ),
    (
        ErrorClass::Unsupported,
        &["unsupported_parameter", "unsupported_value", "unsupported_model"],
        &[
            "not supported",
            "does not support",
            "doesn't support",
            "not enabled for this model",
            "unsupported",
        ],
    ),
];

/// The class of an error. `words` are its code, type and status name, `message` its message, all in
/// lower case.
fn classify(status: u16, words: &[String; 3], message: &str) -> ErrorClass {
    // What these say is final; a word in their message is an accident.
    match status {
        401 => return ErrorClass::Auth,
        402 => return ErrorClass::QuotaExhausted,
        529 => return ErrorClass::Overloaded,
        _ => {}
    }
    let sign = SIGNS.iter().find(|(_, codes, phrases)| {
        words.iter().any(|word| word.split(' ').any(|word| codes.contains(&word)))
            || phrases.iter().any(|phrase| message.contains(phrase))
    });
    match (status, sign) {
        // "Your region is not supported": whatever the words, this account may not.
        (403, Some(&(ErrorClass::Unsupported | ErrorClass::BadRequest, ..)) | None) => {
            ErrorClass::Auth
        }
        (_, Some(&(class, ..))) => class,
        (408, _) => ErrorClass::Timeout,
        (429, _) => ErrorClass::RateLimited,
        (501, _) => ErrorClass::Unsupported,
        (400..500, _) => ErrorClass::BadRequest,
        (500..600, _) => ErrorClass::ServerError,
        (300..400, _) => ErrorClass::InvalidResponse,
        // An error under status 200 that names no status of its own.
        (_, None)
            if words
                .iter()
                .any(|word| matches!(&**word, "invalid_request_error" | "validationexception")) =>
        {
            ErrorClass::BadRequest
        }
        _ => ErrorClass::ServerError,
    }
}

/// When the headers say to come back, at most a minute from `now`: `retry-after-ms`, `retry-after`
/// (seconds or an HTTP date, RFC 9110, section 10.2.3), else the `x-ratelimit-reset*` of what is
/// used up.
pub fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let millis = text("retry-after-ms").and_then(|text| text.parse::<f64>().ok());
    // Azure sends 0 ms beside `retry-after: 1`.
    let millis = millis.filter(|ms| *ms > 0.0).and_then(|ms| seconds(ms / 1000.0));
    let after = || {
        let text = text("retry-after")?;
        text.parse().ok().and_then(seconds).or_else(|| {
            let date = httpdate::parse_http_date(text).ok()?;
            Some(date.duration_since(now).unwrap_or_default())
        })
    };
    millis.or_else(after).or_else(|| limit_reset(headers, now)).map(clamp)
}

/// The latest reset of those limits of which nothing remains; of all where that is not said.
fn limit_reset(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let resets = headers.iter().filter_map(|(name, value)| {
        let which = name.as_str().strip_prefix("x-ratelimit-reset")?;
        let remaining = headers.get(format!("x-ratelimit-remaining{which}"));
        let left = remaining.and_then(|value| value.to_str().ok()).is_some_and(|left| left != "0");
        (!left).then_some(reset(value.to_str().ok()?, now)?)
    });
    resets.max()
}

/// A reset is a duration (`6m0s`, `120ms`), seconds from now, or an epoch in seconds or
/// milliseconds.
fn reset(text: &str, now: SystemTime) -> Option<Duration> {
    let Ok(number) = text.parse::<f64>() else { return duration(text) };
    let epoch = match number {
        1e12.. => seconds(number / 1000.0)?,
        1e9.. => seconds(number)?,
        _ => return seconds(number),
    };
    let at = SystemTime::UNIX_EPOCH.checked_add(epoch)?;
    Some(at.duration_since(now).unwrap_or_default())
}

/// A duration as Go prints it: `1h2m3.5s`, `120ms`.
fn duration(text: &str) -> Option<Duration> {
    let (mut rest, mut sum) = (text.trim(), 0.0);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|char: char| !char.is_ascii_digit() && char != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        rest = &rest[end..];
        let (unit, factor) = [("ms", 0.001), ("us", 1e-6), ("h", 3600.0), ("m", 60.0), ("s", 1.0)]
            .into_iter()
            .find(|(unit, _)| rest.starts_with(unit))?;
        sum += number * factor;
        rest = &rest[unit.len()..];
    }
    seconds(sum)
}

fn seconds(number: f64) -> Option<Duration> {
    // Negative means now.
    Duration::try_from_secs_f64(number.max(0.0)).ok().filter(|_| number.is_finite())
}

fn clamp(pause: Duration) -> Duration {
    pause.min(MAX_RETRY_AFTER)
}

#[cfg(test)]
#[path = "error_tests.rs"]
mod tests;
