//! Errors as our own clients read them: OpenAI's shape, in a body or as the last event of a stream.

use bytes::Bytes;
use serde_json::json;

use super::request::ReadError;

/// An error for a client that speaks this dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientError<'a> {
    /// What happened and what to do.
    pub message: &'a str,
    /// OpenAI's kind: `invalid_request_error`, `authentication_error`, `rate_limit_error`,
    /// `server_error` …
    pub kind: &'a str,
    /// The field at fault.
    pub param: Option<&'a str>,
    /// A stable word.
    pub code: &'a str,
    /// The request's id, to be found in logs.
    pub request_id: &'a str,
}

impl<'a> ClientError<'a> {
    /// The error of a body that could not be read.
    pub fn of_read(error: &'a ReadError, request_id: &'a str) -> ClientError<'a> {
        ClientError {
            message: &error.message,
            kind: "invalid_request_error",
            param: error.param.as_deref(),
            code: error.code,
            request_id,
        }
    }

    /// The body: `{"error":{"message","type","param","code","request_id"}}`.
    pub fn body(&self) -> Bytes {
        let ClientError { message, kind, param, code, request_id } = self;
        let error = json!({
            "message": message, "type": kind, "param": param, "code": code, "request_id": request_id,
        });
        Bytes::from(json!({ "error": error }).to_string())
    }

    /// The event that ends a broken stream. No `[DONE]` may follow it.
    pub fn event(&self) -> Bytes {
        Bytes::from([b"event: error\ndata: ", &*self.body(), b"\n\n"].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::super::stream::{EventKind, Stream};
    use super::*;
    use crate::dialect::quirks::Quirks;

    #[test]
    fn what_we_write_is_what_we_read() {
        let error = ClientError {
            message: "a \"line\"\nand more",
            kind: "server_error",
            param: None,
            code: "upstream_stalled",
            request_id: "req_1",
        };
        insta::assert_snapshot!(String::from_utf8_lossy(&error.event()).trim_end(), @r#"
        event: error
        data: {"error":{"code":"upstream_stalled","message":"a \"line\"\nand more","param":null,"request_id":"req_1","type":"server_error"}}
        "#);
        let events = Stream::new(Quirks::NONE).push(error.event());
        let EventKind::Error(read) = &events[0].kind else { panic!("{events:?}") };
        assert_eq!((&*read.message, &*read.code), (error.message, error.code));
    }
}
