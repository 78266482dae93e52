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
        use StatusCode as S;
        let (status, code, hint) = match error.class {
            ErrorClass::RateLimited => (
                S::TOO_MANY_REQUESTS,
                "rate_limited",
                "the provider limits its rate; try again later, or name a fallback in the policy",
            ),
            ErrorClass::Overloaded => {
                (S::SERVICE_UNAVAILABLE, "overloaded", "the provider has no capacity right now")
            }
            ErrorClass::Timeout => {
                (S::GATEWAY_TIMEOUT, "timeout", "the provider took longer than the policy allows")
            }
            ErrorClass::Connect => {
                (S::BAD_GATEWAY, "connect", "there is no connection to the provider")
            }
            ErrorClass::ServerError => match error.status {
                503 => (S::SERVICE_UNAVAILABLE, "server_error", "the provider failed"),
                504 => (S::GATEWAY_TIMEOUT, "server_error", "the provider failed"),
                500 => (S::INTERNAL_SERVER_ERROR, "server_error", "the provider failed"),
                _ => (S::BAD_GATEWAY, "server_error", "the provider failed"),
            },
            ErrorClass::Auth => (
                S::BAD_GATEWAY,
                "provider_auth",
                "the provider does not accept the gateway's credential; the operator has to mend it",
            ),
            ErrorClass::QuotaExhausted if error.code == "cap_exceeded" => {
                (S::PAYMENT_REQUIRED, "cap_exceeded", "")
            }
            ErrorClass::QuotaExhausted => (
                S::SERVICE_UNAVAILABLE,
                "provider_quota",
                "the gateway's account at the provider is used up; the operator has to mend it",
            ),
            ErrorClass::BadRequest => match error.status {
                404 => (S::NOT_FOUND, "not_found", ""),
                413 => (S::PAYLOAD_TOO_LARGE, "request_too_large", ""),
                422 => (S::UNPROCESSABLE_ENTITY, "invalid_request", ""),
                _ => (S::BAD_REQUEST, "invalid_request", ""),
            },
            ErrorClass::ContextExceeded => (S::BAD_REQUEST, "context_length_exceeded", ""),
            ErrorClass::ContentFiltered => (S::BAD_REQUEST, "content_filter", ""),
            // "The model is not found, or does not support this" is one message of Google's.
            ErrorClass::Unsupported if error.status == 404 => (S::NOT_FOUND, "unsupported", ""),
            ErrorClass::Unsupported => (S::BAD_REQUEST, "unsupported", ""),
            ErrorClass::InvalidResponse => {
                (S::BAD_GATEWAY, "invalid_upstream_response", "what the provider sent is no answer")
            }
            ErrorClass::Canceled => (S::from_u16(499).unwrap_or(S::BAD_REQUEST), "canceled", ""),
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
