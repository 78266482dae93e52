//! Errors as OpenAI words them.

use serde::Serialize;

/// An error answer: a status and OpenAI's `{"error": {message, type, param, code}}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiError {
    pub(super) status: u16,
    pub(super) kind: &'static str,
    pub(super) code: Option<&'static str>,
    pub(super) param: Option<String>,
    pub(super) message: String,
}

impl ApiError {
    /// A 400 that blames one parameter.
    pub(super) fn invalid(
        param: impl Into<String>,
        code: Option<&'static str>,
        message: impl Into<String>,
    ) -> ApiError {
        ApiError {
            status: 400,
            kind: "invalid_request_error",
            code,
            param: Some(param.into()),
            message: message.into(),
        }
    }

    /// An error that blames no parameter.
    pub(super) fn plain(
        status: u16,
        kind: &'static str,
        code: Option<&'static str>,
        message: impl Into<String>,
    ) -> ApiError {
        ApiError { status, kind, code, param: None, message: message.into() }
    }

    /// The prompt does not fit.
    pub(super) fn context(limit: u64, prompt: u64) -> ApiError {
        ApiError::invalid(
            "messages",
            Some("context_length_exceeded"),
            format!(
                "This model's maximum context length is {limit} tokens. However, your messages \
                 resulted in {prompt} tokens. Please reduce the length of the messages."
            ),
        )
    }

    /// What a provider says with this status.
    pub(super) fn of_status(status: u16) -> ApiError {
        let (kind, code, message) = match status {
            401 => (
                "invalid_request_error",
                Some("invalid_api_key"),
                "Incorrect API key provided: sim-****. You can find your API key in your account.",
            ),
            402 => ("insufficient_quota", Some("insufficient_balance"), "Insufficient balance."),
            403 => (
                "invalid_request_error",
                Some("unsupported_country_region_territory"),
                "Country, region, or territory not supported.",
            ),
            404 => (
                "invalid_request_error",
                Some("model_not_found"),
                "The model does not exist or you do not have access to it.",
            ),
            408 => ("timeout", None, "The request took too long to arrive."),
            413 => ("invalid_request_error", None, "The request is too large."),
            422 => ("invalid_request_error", None, "The request could not be processed."),
            429 => (
                "requests",
                Some("rate_limit_exceeded"),
                "Rate limit reached for requests per minute (RPM): Limit 60, Used 60, Requested 1. \
                 Please try again later.",
            ),
            503 => (
                "server_error",
                Some("server_overloaded"),
                "That model is currently overloaded with other requests. You can retry your \
                 request.",
            ),
            400 => ("invalid_request_error", None, "The request is invalid (asked for by `!400`)."),
            504 => ("server_error", None, "The upstream service took too long."),
            502 => ("server_error", None, "Bad gateway."),
            _ => (
                "server_error",
                None,
                "The server had an error while processing your request. Sorry about that!",
            ),
        };
        ApiError::plain(status, kind, code, message)
    }

    /// The body.
    pub(super) fn body(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Body<'a> {
            error: Inner<'a>,
        }
        #[derive(Serialize)]
        struct Inner<'a> {
            message: &'a str,
            #[serde(rename = "type")]
            kind: &'a str,
            param: Option<&'a str>,
            code: Option<&'a str>,
        }
        let body = Body {
            error: Inner {
                message: &self.message,
                kind: self.kind,
                param: self.param.as_deref(),
                code: self.code,
            },
        };
        super::render::json(&body)
    }
}
