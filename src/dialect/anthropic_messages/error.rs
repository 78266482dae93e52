//! Errors as Anthropic's clients read them, in a body or as the last event of a stream.

use bytes::Bytes;

use crate::dialect::client_error::ClientError;
use crate::dialect::write::object;

/// Anthropic's word for the kind of error; SDKs choose their exceptions by the status, and show this
/// (<https://platform.claude.com/docs/en/api/errors>).
fn kind(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        400..=499 => "invalid_request_error",
        503 | 529 => "overloaded_error",
        504 => "timeout_error",
        _ => "api_error",
    }
}

/// `{"type": "error", "error": {"type", "message", "code", "param"?}, "request_id"}`: the code is
/// ours, clients that do not know it pass over it.
pub(super) fn body(error: &ClientError<'_>) -> Bytes {
    let ClientError { status, message, param, code, request_id } = error;
    Bytes::from(object(256, |w| {
        w.field_str("type", "error");
        w.field_object("error", |w| {
            w.field_str("type", kind(*status));
            w.field_str("message", message);
            w.field_str("code", code);
            w.maybe_str("param", *param);
        });
        w.field_str("request_id", request_id);
    }))
}

/// The event that ends a broken stream. No `message_stop` may follow it.
pub(super) fn event(error: &ClientError<'_>) -> Bytes {
    Bytes::from([b"event: error\ndata: ", &*body(error), b"\n\n"].concat())
}

#[cfg(test)]
mod tests {
    use super::super::stream::stream;
    use super::*;
    use crate::dialect::stream::EventKind;
    use crate::error_class::ErrorClass;

    #[test]
    fn what_we_write_is_what_we_read() {
        let error = ClientError {
            status: 503,
            message: "a \"line\"\nand more",
            param: None,
            code: "no_candidates",
            request_id: "req_1",
        };
        insta::assert_snapshot!(String::from_utf8_lossy(&event(&error)).trim_end(), @r#"
        event: error
        data: {"type":"error","error":{"type":"overloaded_error","message":"a \"line\"\nand more","code":"no_candidates"},"request_id":"req_1"}
        "#);
        let events = stream().push(event(&error));
        let EventKind::Error(read) = &events[0].kind else { panic!("{events:?}") };
        assert_eq!((&*read.message, &*read.code), (error.message, error.code));
        assert_eq!(read.class, ErrorClass::Overloaded);
    }

    #[test]
    fn every_status_has_anthropics_word() {
        let words = [400, 402, 404, 413, 422, 429, 500, 504, 529].map(kind);
        assert_eq!(
            words,
            [
                "invalid_request_error",
                "billing_error",
                "not_found_error",
                "request_too_large",
                "invalid_request_error",
                "rate_limit_error",
                "api_error",
                "timeout_error",
                "overloaded_error",
            ]
        );
    }
}
