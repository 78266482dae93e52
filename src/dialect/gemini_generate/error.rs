//! Errors as Google's clients read them, in a body or as the last event of a stream.

use bytes::Bytes;

use crate::dialect::client_error::ClientError;
use crate::dialect::write::{JsonOut, object};

/// Google's word for a status.
fn status_name(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHENTICATED",
        402 | 429 => "RESOURCE_EXHAUSTED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        408 | 504 => "DEADLINE_EXCEEDED",
        409 => "ABORTED",
        499 => "CANCELLED",
        400..=498 => "INVALID_ARGUMENT",
        501 => "UNIMPLEMENTED",
        502 | 503 | 529 => "UNAVAILABLE",
        _ => "INTERNAL",
    }
}

/// `{"error": {"code", "message", "status", "details"}}`
pub(super) fn body(error: &ClientError<'_>) -> Bytes {
    let ClientError { status, message, param, code, request_id } = error;
    let info = |w: &mut JsonOut<'_>| {
        w.field_str("@type", "type.googleapis.com/google.rpc.ErrorInfo");
        w.field_str("reason", code);
        w.field_str("domain", "pointsman");
        w.field_object("metadata", |w| w.field_str("request_id", request_id));
    };
    let field = |w: &mut JsonOut<'_>, param: &str| {
        w.field_str("@type", "type.googleapis.com/google.rpc.BadRequest");
        w.field_array("fieldViolations", |w| {
            w.object(|w| {
                w.field_str("field", param);
                w.field_str("description", message);
            });
        });
    };
    let fields = |w: &mut JsonOut<'_>| {
        w.field_int("code", *status);
        w.field_str("message", message);
        w.field_str("status", status_name(*status));
        w.field_array("details", |w| {
            w.object(info);
            if let Some(param) = param {
                w.object(|w| field(w, param));
            }
        });
    };
    Bytes::from(object(512, |w| w.field_object("error", fields)))
}

/// The event that ends a broken stream.
pub(super) fn event(error: &ClientError<'_>) -> Bytes {
    Bytes::from([b"data: ", &*body(error), b"\n\n"].concat())
}

#[cfg(test)]
mod tests {
    use super::super::stream;
    use super::*;
    use crate::dialect::framing::Wire;
    use crate::dialect::quirks::Quirks;
    use crate::dialect::stream::EventKind;

    #[test]
    fn what_we_write_is_what_we_read() {
        let error = ClientError {
            status: 503,
            message: "a \"line\"\nand more",
            param: Some("contents[0].role"),
            code: "upstream_stalled",
            request_id: "req_1",
        };
        insta::assert_snapshot!(String::from_utf8_lossy(&event(&error)).trim_end(), @r#"data: {"error":{"code":503,"message":"a \"line\"\nand more","status":"UNAVAILABLE","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"upstream_stalled","domain":"pointsman","metadata":{"request_id":"req_1"}},{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":"contents[0].role","description":"a \"line\"\nand more"}]}]}}"#);
        let events = stream(Wire::Sse, Quirks::NONE).push(event(&error));
        let EventKind::Error(read) = &events[0].kind else { panic!("{events:?}") };
        assert_eq!((&*read.message, read.status), (error.message, 503));
        assert!(read.code.contains("upstream_stalled"), "{read:?}");
    }
}
