//! Errors as clients get them: OpenAI's shape, a stable code, what happened and what to do.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use super::headers;
use crate::dialect::object::with_top_level_field;
use crate::dialect::{ClientError, Dialect, ReadError, UpstreamError};
use crate::error_class::ErrorClass;
use crate::ids::RequestId;
use crate::telemetry::redact;

/// An error on its way to a client.
#[derive(Debug, Clone)]
pub struct ApiError {
    /// The status.
    pub status: StatusCode,
    /// A stable word.
    pub code: &'static str,
    /// What happened and what to do.
    pub message: String,
    /// The field at fault.
    pub param: Option<String>,
    /// When to come back, in seconds.
    pub retry_after: Option<u64>,
    /// The request.
    pub id: RequestId,
    /// One more field beside the error, for endpoints that belong to no dialect.
    pub detail: Option<Box<(&'static str, serde_json::Value)>>,
}

/// The request may not cost as much as an attempt could.
const CAP_EXCEEDED: &str = "cap_exceeded";

impl ApiError {
    /// An error.
    pub fn new(
        id: RequestId,
        status: StatusCode,
        code: &'static str,
        message: impl Into<String>,
    ) -> ApiError {
        let message = message.into();
        ApiError { status, code, message, param: None, retry_after: None, id, detail: None }
    }

    /// With one more field beside the error.
    pub fn with(mut self, name: &'static str, value: serde_json::Value) -> ApiError {
        self.detail = Some(Box::new((name, value)));
        self
    }

    /// With the field at fault.
    pub fn param(mut self, param: impl Into<String>) -> ApiError {
        self.param = Some(param.into());
        self
    }

    /// A body that is no request.
    pub fn of_read(id: RequestId, error: ReadError) -> ApiError {
        ApiError {
            param: error.param,
            ..ApiError::new(id, StatusCode::BAD_REQUEST, error.code, error.message)
        }
    }

    /// The last error of a plan that failed. Upstream's status keeps its meaning; whatever is wrong
    /// with our credential is our fault, not the caller's.
    pub fn of_upstream(id: RequestId, error: &UpstreamError, model: Option<&str>) -> ApiError {
        let (code, hint) = match error.class {
            ErrorClass::RateLimited => (
                "rate_limited",
                "the provider limits its rate; try again later, or name a fallback in the policy",
            ),
            ErrorClass::Overloaded => ("overloaded", "the provider has no capacity right now"),
            ErrorClass::Timeout => ("timeout", "the provider took longer than the policy allows"),
            ErrorClass::Connect => ("connect", "there is no connection to the provider"),
            ErrorClass::ServerError => ("server_error", "the provider failed"),
            ErrorClass::Auth => (
                "provider_auth",
                "the provider does not accept the gateway's credential; the operator has to mend it",
            ),
            ErrorClass::QuotaExhausted if error.code == CAP_EXCEEDED => (CAP_EXCEEDED, ""),
            ErrorClass::QuotaExhausted => (
                "provider_quota",
                "the gateway's account at the provider is used up; the operator has to mend it",
            ),
            ErrorClass::BadRequest => match error.status {
                404 => ("not_found", ""),
                413 => ("request_too_large", ""),
                _ => ("invalid_request", ""),
            },
            ErrorClass::ContextExceeded => ("context_length_exceeded", ""),
            ErrorClass::ContentFiltered => ("content_filter", ""),
            ErrorClass::Unsupported => ("unsupported", ""),
            ErrorClass::InvalidResponse => {
                ("invalid_upstream_response", "what the provider sent is no answer")
            }
            ErrorClass::Canceled => ("canceled", ""),
        };
        let status = match code {
            CAP_EXCEEDED => StatusCode::PAYMENT_REQUIRED,
            _ => StatusCode::from_u16(error.class.client_status(Some(error.status)))
                .unwrap_or(StatusCode::BAD_GATEWAY),
        };
        let said = redact(error.message.trim());
        let who = model.map_or_else(String::new, |model| format!("{model}: "));
        let message = match (hint, &*said) {
            ("", "") => format!("{who}the provider refused the request"),
            ("", said) => format!("{who}{said}"),
            (hint, "") => format!("{who}{hint}"),
            (hint, said) => format!("{who}{hint} ({said})"),
        };
        ApiError {
            param: error.param.clone(),
            retry_after: error.retry_after.map(|wait| wait.as_secs_f64().ceil() as u64),
            ..ApiError::new(id, status, code, message)
        }
    }

    /// The answer in a client's dialect.
    pub fn in_dialect(self, dialect: Dialect) -> Response {
        let id = self.id.to_string();
        let body = ClientError {
            status: self.status.as_u16(),
            message: &self.message,
            param: self.param.as_deref(),
            code: self.code,
            request_id: &id,
        }
        .body(dialect);
        let detail = self.detail.as_deref();
        let detailed = detail
            .and_then(|(name, value)| with_top_level_field(&body, name, &value.to_string()).ok());
        let body = detailed.unwrap_or(body);
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let answer = response.headers_mut();
        answer.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Ok(id) = HeaderValue::from_str(&id) {
            if let Some(name) = headers::id_of_dialect(dialect) {
                answer.insert(name, id.clone());
            }
            answer.insert(headers::ID, id);
        }
        if let Some(seconds) = self.retry_after {
            answer.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl IntoResponse for ApiError {
    /// In OpenAI's shape, for endpoints that belong to no dialect.
    fn into_response(self) -> Response {
        self.in_dialect(Dialect::OpenAiChat)
    }
}
