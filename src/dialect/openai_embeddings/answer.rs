//! Reading answers, and writing those of other dialects.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::request::Request;
use crate::dialect::answer::Answer;
use crate::dialect::error::UpstreamError;
use crate::dialect::json::{JsonError, Kind, Scanner};
use crate::dialect::passage::Context;
use crate::dialect::quirks::Quirks;
use crate::dialect::sink::Sink;
use crate::dialect::usage::Usage;
use crate::dialect::write::{JsonOut, object};

/// Reads an answer: its id, model and usage. The vectors go on as they came.
///
/// # Errors
/// When it is none, or has no vectors, or is an error under a good status.
pub fn read(body: &[u8], quirks: &Quirks) -> Result<Answer, UpstreamError> {
    let mut answer = Answer::default();
    let mut sink = Sink::new(&mut answer);
    let (mut vectors, mut error) = (0, None);
    scan(body, |scanner, key| {
        match (key, scanner.kind()?) {
            ("id", Kind::String) => sink.id(&scanner.string()?.cow()),
            ("model", Kind::String) => sink.model(&scanner.string()?.cow()),
            ("data", Kind::Array) => scanner.array(|_, _| {
                vectors += 1;
                Ok::<(), JsonError>(())
            })?,
            ("usage", Kind::Object) => {
                if let Some(usage) = Usage::read(scanner, quirks)? {
                    sink.usage(usage);
                }
            }
            ("error", Kind::Object | Kind::String) => error = Some(scanner.raw()?),
            _ => {}
        }
        Ok(())
    })?;
    if let Some(error) = error {
        return Err(UpstreamError::from_json(200, error));
    }
    expect(vectors, None)?;
    Ok(answer)
}

/// Walks over the fields of an answer's object.
pub(in crate::dialect) fn scan<'b>(
    body: &'b [u8],
    mut visit: impl FnMut(&mut Scanner<'b>, &str) -> Result<(), JsonError>,
) -> Result<(), UpstreamError> {
    let broken = |what: String| UpstreamError::invalid("invalid_json", what);
    let text = std::str::from_utf8(body)
        .map_err(|_| broken("the answer is not valid UTF-8".to_owned()))?;
    let mut scanner = Scanner::new(text);
    scanner
        .object(|scanner, key| visit(scanner, &key.cow()))
        .and_then(|()| scanner.end())
        .map_err(|error| broken(format!("the answer is not valid JSON: {error}")))
}

/// Makes sure that there are vectors, and as many as were asked for.
fn expect(found: usize, asked: Option<usize>) -> Result<(), UpstreamError> {
    match asked {
        _ if found == 0 => {
            Err(UpstreamError::invalid("no_embeddings", "the answer has no embeddings"))
        }
        Some(asked) if asked != found => Err(UpstreamError::invalid(
            "wrong_count",
            format!("the answer has {found} embeddings for {asked} texts"),
        )),
        _ => Ok(()),
    }
}

/// Writes an answer of another dialect: these vectors, each a JSON array of numbers.
///
/// # Errors
/// When there are others than were asked for, or one of them is no list; of numbers, where they are
/// to be packed.
pub(in crate::dialect) fn write(
    vectors: &[&str],
    request: &Request,
    answer: &Answer,
    context: &Context,
) -> Result<Bytes, UpstreamError> {
    expect(vectors.len(), Some(request.shape().segments.len()))?;
    if !vectors.iter().all(|vector| vector.starts_with('[')) {
        return Err(no_list());
    }
    let packed: Vec<String> = match request.base64() {
        true => vectors.iter().map(|vector| packed(vector)).collect::<Result<_, _>>()?,
        false => Vec::new(),
    };
    let model = if answer.model.is_empty() { &context.model } else { &answer.model };
    let size: usize = vectors.iter().map(|vector| vector.len() + 64).sum();
    let entry = |w: &mut JsonOut<'_>, index: usize| {
        w.field_str("object", "embedding");
        w.field_int("index", index as u64);
        match packed.get(index) {
            Some(packed) => w.field_str("embedding", packed),
            None => w.field_raw("embedding", vectors[index]),
        }
    };
    Ok(Bytes::from(object(size + 256, |w| {
        w.field_str("object", "list");
        w.field_array("data", |w| {
            (0..vectors.len()).for_each(|index| w.object(|w| entry(w, index)));
        });
        w.field_str("model", model);
        w.field_object("usage", |w| {
            w.field_int("prompt_tokens", answer.usage.prompt().0);
            w.field_int("total_tokens", answer.usage.total().0);
        });
    })))
}

/// A vector as OpenAI packs them: the numbers in four bytes each, the lowest first, in base64.
fn packed(vector: &str) -> Result<String, UpstreamError> {
    let mut bytes = Vec::with_capacity(vector.len() / 2);
    let mut wrong = false;
    let scanned = Scanner::new(vector).array(|scanner, _| {
        match scanner.float()? {
            Some(number) => bytes.extend_from_slice(&(number as f32).to_le_bytes()),
            None => wrong = true,
        }
        Ok::<(), JsonError>(())
    });
    match scanned {
        Ok(()) if !wrong => Ok(STANDARD.encode(bytes)),
        _ => Err(no_list()),
    }
}

fn no_list() -> UpstreamError {
    UpstreamError::invalid("invalid_vector", "an embedding is no list of numbers")
}
