//! What goes wrong while an answer is read.

use super::error::UpstreamError;
use super::json::{JsonError, Scanner, Str};
use super::sink::TooMany;

/// Why a body or an event cannot be read.
#[derive(Debug)]
pub enum Fault {
    /// Broken JSON, or not what has to be there.
    Json(JsonError),
    /// More parts than any real answer has.
    TooMany(TooMany),
}

/// What reading comes to.
pub type Outcome<T = ()> = Result<T, Fault>;

impl From<JsonError> for Fault {
    fn from(error: JsonError) -> Fault {
        Fault::Json(error)
    }
}

impl From<TooMany> for Fault {
    fn from(error: TooMany) -> Fault {
        Fault::TooMany(error)
    }
}

impl Fault {
    /// The error of a whole answer.
    pub fn of_answer(self) -> UpstreamError {
        self.told("invalid_json", "the answer is not valid JSON")
    }

    /// The error of an event.
    pub fn of_event(self) -> UpstreamError {
        self.told("invalid_event", "an event of the stream cannot be read")
    }

    fn told(self, code: &str, what: &str) -> UpstreamError {
        match self {
            Fault::Json(error) => UpstreamError::invalid(code, format!("{what}: {error}")),
            Fault::TooMany(error) => error.into(),
        }
    }
}

/// The text of a whole answer.
///
/// # Errors
/// When it is none.
pub fn text(body: &[u8]) -> Result<&str, UpstreamError> {
    std::str::from_utf8(body)
        .map_err(|_| UpstreamError::invalid("invalid_json", "the answer is not valid UTF-8"))
}

/// Walks the members of a text that is one object, see [`Scanner::object`].
///
/// # Errors
/// When it is none, and what the visitor reports.
pub fn object<'a>(
    text: &'a str,
    visit: impl FnMut(&mut Scanner<'a>, Str<'a>) -> Outcome,
) -> Outcome {
    let mut scanner = Scanner::new(text);
    scanner.object(visit)?;
    Ok(scanner.end()?)
}
