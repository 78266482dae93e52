//! Reading a client's body: what every dialect does alike, and what can be wrong with it.

use bytes::Bytes;

use super::json::{JsonError, Kind, Scanner};
use super::object::{Field, Object};
use super::shape::{RequestShape, Segment, SegmentRole};

/// Why a body is not a request. The texts are for the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ReadError {
    /// What was found, where, and what is expected.
    pub message: String,
    /// The field at fault: `temperature`, `messages[2].role`.
    pub param: Option<String>,
    /// A stable word: `invalid_json`, `missing_field`, `invalid_type`, `duplicate_field`.
    pub code: &'static str,
}

/// What goes wrong during the scan; the texts are made when it is over.
#[derive(Debug)]
pub enum Fault {
    /// Broken JSON.
    Json(JsonError),
    /// A field that is not as it should be.
    Field(ReadError),
}

impl From<JsonError> for Fault {
    fn from(error: JsonError) -> Fault {
        Fault::Json(error)
    }
}

impl From<ReadError> for Fault {
    fn from(error: ReadError) -> Fault {
        Fault::Field(error)
    }
}

impl ReadError {
    /// A field that has to be there is not.
    pub fn missing(param: impl Into<String>) -> ReadError {
        let param = param.into();
        ReadError {
            message: format!("`{param}` is missing"),
            param: Some(param),
            code: "missing_field",
        }
    }

    /// A field's value cannot be.
    pub fn invalid(param: impl Into<String>, message: impl Into<String>) -> ReadError {
        ReadError { message: message.into(), param: Some(param.into()), code: "invalid_value" }
    }
}

/// Reads a body that is one JSON object. The visitor is shown each field with its value ahead; what
/// it leaves is skipped.
///
/// # Errors
/// When it is no JSON object, nests too deep or has a field twice, and what the visitor reports.
pub fn object(
    body: Bytes,
    mut visit: impl FnMut(&mut Scanner<'_>, &str) -> Result<(), Fault>,
) -> Result<Object, ReadError> {
    let text = std::str::from_utf8(&body).map_err(|error| {
        let error = JsonError { what: "invalid UTF-8", at: error.valid_up_to() };
        invalid_json(&error, &body)
    })?;
    let mut fields = Vec::new();
    let mut scanner = Scanner::new(text);
    let mut scan = || {
        let kind = scanner.kind()?;
        if kind != Kind::Object {
            return Err(Fault::Field(ReadError {
                message: format!("the body must be a JSON object, but it is {}", kind.described()),
                param: None,
                code: "invalid_type",
            }));
        }
        scanner.object(|scanner, key| {
            let name = key.cow();
            let start = scanner.offset();
            visit(scanner, &name)?;
            let end =
                if scanner.offset() == start { scanner.skip()?.end } else { scanner.offset() };
            fields.push(Field { name: name.into(), key: key.quoted(), value: start..end });
            Ok::<(), Fault>(())
        })?;
        Ok(scanner.end()?)
    };
    scan().map_err(|fault| match fault {
        Fault::Json(error) => invalid_json(&error, &body),
        Fault::Field(error) => error,
    })?;
    let object = Object { body, fields };
    match object.duplicate() {
        Some(name) => Err(ReadError {
            message: format!("`{name}` occurs twice in the body"),
            param: Some(name.to_owned()),
            code: "duplicate_field",
        }),
        None => Ok(object),
    }
}

fn invalid_json(error: &JsonError, body: &[u8]) -> ReadError {
    let (line, column) = error.position(body);
    ReadError {
        message: format!(
            "the body is not valid JSON: {} (line {line}, column {column})",
            error.what
        ),
        param: None,
        code: "invalid_json",
    }
}

/// A field has another type than it must.
///
/// # Errors
/// Always.
pub fn wrong_type<T>(param: &str, expected: &str, found: Kind) -> Result<T, Fault> {
    Err(Fault::Field(ReadError {
        message: format!("`{param}` must be {expected}, but it is {}", found.described()),
        param: Some(param.to_owned()),
        code: "invalid_type",
    }))
}

/// `true` or `false`.
///
/// # Errors
/// Broken JSON, or anything else.
pub fn boolean(scanner: &mut Scanner<'_>, name: &str) -> Result<bool, Fault> {
    let kind = scanner.kind()?;
    match scanner.bool()? {
        Some(yes) => Ok(yes),
        None => wrong_type(name, "true or false", kind),
    }
}

/// A number.
///
/// # Errors
/// Broken JSON, or anything else.
pub fn number(scanner: &mut Scanner<'_>, name: &str) -> Result<f64, Fault> {
    let kind = scanner.kind()?;
    match scanner.float()? {
        Some(number) => Ok(number),
        None => wrong_type(name, "a number", kind),
    }
}

/// A whole number that is not negative.
///
/// # Errors
/// Broken JSON, or anything else.
pub fn count(scanner: &mut Scanner<'_>, name: &str) -> Result<u64, Fault> {
    let kind = scanner.kind()?;
    match scanner.count()? {
        Some(count) => Ok(count),
        None if kind == Kind::Number => Err(Fault::Field(ReadError {
            message: format!("`{name}` must not be negative"),
            param: Some(name.to_owned()),
            code: "invalid_value",
        })),
        None => wrong_type(name, "a whole number", kind),
    }
}

/// The tools that are offered, as OpenAI's chat and Anthropic list them: how many, where they stand,
/// and whether the prompt is to be cached up to one of them.
///
/// # Errors
/// Broken JSON, or anything but an array.
pub fn tools(scanner: &mut Scanner<'_>, name: &str, shape: &mut RequestShape) -> Result<(), Fault> {
    let kind = scanner.kind()?;
    if kind != Kind::Array {
        return wrong_type(name, "an array", kind);
    }
    let start = scanner.offset();
    let mut tools = 0u32;
    scanner.array(|scanner, _| {
        tools = tools.saturating_add(1);
        if scanner.kind()? == Kind::Object {
            scanner.object(|_, key| {
                shape.cache_control |= key.raw == "cache_control";
                Ok::<(), Fault>(())
            })?;
        }
        Ok::<(), Fault>(())
    })?;
    shape.tools = shape.tools.saturating_add(tools);
    if tools > 0 {
        let range = start..scanner.offset();
        shape.segments.push(Segment { role: SegmentRole::Tools, range });
    }
    Ok(())
}

/// The session and the end user, where the metadata of OpenAI's APIs name them.
///
/// # Errors
/// Broken JSON, or no object.
pub fn metadata(scanner: &mut Scanner<'_>, shape: &mut RequestShape) -> Result<(), Fault> {
    scanner.object(|scanner, key| {
        match &*key.cow() {
            "session_id" => {
                shape.session = scanner.text()?.map(|session| session.into_owned());
            }
            "user_id" => {
                let user = scanner.text()?.map(|user| user.into_owned());
                shape.user = shape.user.take().or(user);
            }
            _ => {}
        }
        Ok(())
    })
}
