//! The event that tells clients that a stream broke off.

use bytes::Bytes;

use crate::dialect::client_error::ClientError;
use crate::dialect::write::event as written;

/// `{"type": "error", "code", "message", "param", "sequence_number"}`. Which number comes next is not
/// known here; nobody reads it of an error.
pub(super) fn event(error: &ClientError<'_>) -> Bytes {
    let ClientError { message, param, code, request_id, .. } = error;
    let mut out = Vec::with_capacity(256);
    written(&mut out, "error", |w| {
        w.field_str("type", "error");
        w.field_str("code", code);
        w.field_str("message", message);
        match param {
            Some(param) => w.field_str("param", param),
            None => w.field_null("param"),
        }
        w.field_int("sequence_number", 0);
        w.field_str("request_id", request_id);
    });
    Bytes::from(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::passage::ProviderSide as _;
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
        let bytes = event(&error);
        insta::assert_snapshot!(String::from_utf8_lossy(&bytes).trim_end(), @r#"
        event: error
        data: {"type":"error","code":"upstream_stalled","message":"a \"line\"\nand more","param":null,"sequence_number":0,"request_id":"req_1"}
        "#);
        let events = super::super::Responses.stream(&Quirks::NONE).push(bytes);
        let EventKind::Error(read) = &events[0].kind else { panic!("{events:?}") };
        assert_eq!((&*read.message, &*read.code), (error.message, error.code));
    }
}
