//! Errors as our own clients read them, in each dialect's own shape.

use bytes::Bytes;

use super::Dialect;
use super::passage::client_side;

/// An error for a client, whatever it speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientError<'a> {
    /// The HTTP status, or the one that the error would have had before the stream began.
    pub status: u16,
    /// What happened and what to do.
    pub message: &'a str,
    /// The field at fault.
    pub param: Option<&'a str>,
    /// A stable word.
    pub code: &'a str,
    /// The request's id, to be found in logs.
    pub request_id: &'a str,
}

impl ClientError<'_> {
    /// The body of an answer.
    pub fn body(&self, dialect: Dialect) -> Bytes {
        client_side(dialect).error(self)
    }

    /// The event that ends a broken stream. No mark of a good end may follow it.
    pub fn event(&self, dialect: Dialect) -> Bytes {
        client_side(dialect).error_event(self)
    }
}
