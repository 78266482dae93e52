//! Errors as OpenAI's clients read them, in a body or as the last event of a stream. The other APIs
//! of OpenAI's have the same shape.

use bytes::Bytes;

use crate::dialect::client_error::ClientError;
use crate::dialect::write::{JsonOut, object};

/// OpenAI's word for the kind of error; SDKs show it.
pub(in crate::dialect) fn kind(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        429 => "rate_limit_error",
        400..=499 => "invalid_request_error",
        _ => "server_error",
    }
}

/// `{"error": {"message", "type", "param", "code", "request_id"}}`
pub(in crate::dialect) fn body(error: &ClientError<'_>) -> Bytes {
    let ClientError { status, message, param, code, request_id } = error;
    let fields = |w: &mut JsonOut<'_>| {
        w.field_str("message", message);
        w.field_str("type", kind(*status));
        match param {
            Some(param) => w.field_str("param", param),
            None => w.field_null("param"),
        }
        w.field_str("code", code);
        w.field_str("request_id", request_id);
    };
    Bytes::from(object(256, |w| w.field_object("error", fields)))
}

/// The event that ends a broken stream. No `[DONE]` may follow it.
pub(in crate::dialect) fn event(error: &ClientError<'_>) -> Bytes {
    Bytes::from([b"event: error\ndata: ", &*body(error), b"\n\n"].concat())
}

#[cfg(test)]
mod tests {
    use super::super::stream;
    use super::*;
    use crate::dialect::quirks::Quirks;
    use crate::dialect::stream::EventKind;

    #[test]
    fn what_we_write_is_what_we_read() {
        let error = ClientError {
            status: 502,
            message: "a \"line\"\nand more",
            param: None,
            code: "upstream_stalled",
            request_id: "req_1",
        };
        insta::assert_snapshot!(String::from_utf8_lossy(&event(&error)).trim_end(), @r#"
        event: error
        data: {"error":{"message":"a \"line\"\nand more","type":"server_error","param":null,"code":"upstream_stalled","request_id":"req_1"}}
        "#);
        let events = stream(Quirks::NONE).push(event(&error));
        let EventKind::Error(read) = &events[0].kind else { panic!("{events:?}") };
        assert_eq!((&*read.message, &*read.code), (error.message, error.code));
    }
}
