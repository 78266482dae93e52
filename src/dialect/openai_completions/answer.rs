//! Reading answers, whole ones and the chunks of streams.

use std::borrow::Cow;

use crate::dialect::answer::{Answer, Finish, TokenLogprob};
use crate::dialect::error::UpstreamError;
use crate::dialect::json::{JsonError, Kind, Scanner};
use crate::dialect::quirks::{EndMarker, Quirks};
use crate::dialect::sink::{Run, Sink, TooMany};
use crate::dialect::stream::{Decoder, Mark};
use crate::dialect::usage::Usage;

/// What goes wrong while a body is read.
enum Fault {
    Json(JsonError),
    TooMany(TooMany),
}

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

/// Reads a complete answer. An error under status 200 is in [`Answer::error`].
///
/// # Errors
/// [`crate::error_class::ErrorClass::InvalidResponse`] for what is no JSON object, or has neither
/// choices nor an error.
pub(super) fn read(body: &[u8], quirks: &Quirks) -> Result<Answer, UpstreamError> {
    let text = std::str::from_utf8(body)
        .map_err(|_| UpstreamError::invalid("invalid_json", "the answer is not valid UTF-8"))?;
    let mut answer = Answer::default();
    take(text, quirks, &mut Sink::new(&mut answer)).map_err(|fault| match fault {
        Fault::Json(error) => {
            UpstreamError::invalid("invalid_json", format!("the answer is not valid JSON: {error}"))
        }
        Fault::TooMany(error) => error.into(),
    })?;
    if answer.choices.is_empty() && answer.error.is_none() {
        return Err(UpstreamError::invalid("no_choices", "the answer has no choices"));
    }
    Ok(answer)
}

/// Takes in a body or a chunk, which have the same form.
fn take(text: &str, quirks: &Quirks, sink: &mut Sink<'_>) -> Result<(), Fault> {
    let mut scanner = Scanner::new(text);
    scanner.object(|scanner, key| {
        match (key.raw, scanner.kind()?) {
            ("id", Kind::String) => sink.id(&scanner.string()?.cow()),
            ("model", Kind::String) => sink.model(&scanner.string()?.cow()),
            ("service_tier", Kind::String) => sink.service_tier(&scanner.string()?.cow()),
            ("choices", Kind::Array) => scanner.array(|scanner, position| {
                if scanner.kind()? == Kind::Object {
                    choice(scanner, position, sink)?;
                }
                Ok::<(), Fault>(())
            })?,
            // Writer's chunks are that alone.
            ("value", Kind::String) => sink.run_on(0, Run::Text, &scanner.string()?.cow())?,
            ("usage", Kind::Object) => {
                if let Some(usage) = Usage::read(scanner, quirks)? {
                    sink.usage(usage);
                }
            }
            ("error", kind) if kind != Kind::Null => {
                sink.error(UpstreamError::from_json(200, scanner.raw()?));
            }
            _ => {}
        }
        Ok::<(), Fault>(())
    })?;
    Ok(scanner.end()?)
}

fn choice(scanner: &mut Scanner<'_>, position: usize, sink: &mut Sink<'_>) -> Result<(), Fault> {
    let mut index = u32::try_from(position).unwrap_or(u32::MAX);
    let (mut text, mut finish, mut tokens) = (Cow::Borrowed(""), None, Vec::new());
    scanner.object(|scanner, key| {
        match (key.raw, scanner.kind()?) {
            ("index", _) => {
                let said = scanner.count()?.and_then(|said| u32::try_from(said).ok());
                index = said.unwrap_or(index);
            }
            ("text", Kind::String) => text = scanner.string()?.cow(),
            ("finish_reason", Kind::String) => {
                finish = Some(match &*scanner.string()?.cow() {
                    "stop" => Finish::Stop,
                    "length" => Finish::Length,
                    "content_filter" => Finish::ContentFilter,
                    "error" => Finish::Error,
                    _ => Finish::Other,
                });
            }
            ("logprobs", Kind::Object) => tokens = logprobs(scanner)?,
            _ => {}
        }
        Ok::<(), JsonError>(())
    })?;
    sink.choice(index)?;
    sink.run_on(index, Run::Text, &text)?;
    sink.logprobs(index, tokens)?;
    if let Some(finish) = finish {
        sink.finish(index, finish)?;
    }
    Ok(())
}

/// `{"tokens": [], "token_logprobs": [], "top_logprobs": [{}]}`
fn logprobs(scanner: &mut Scanner<'_>) -> Result<Vec<TokenLogprob>, JsonError> {
    let (mut names, mut values, mut tops) = (Vec::new(), Vec::new(), Vec::new());
    scanner.object(|scanner, key| match (key.raw, scanner.kind()?) {
        ("tokens", Kind::Array) => scanner.array(|scanner, _| {
            names.push(scanner.text()?.unwrap_or_default().into_owned());
            Ok::<(), JsonError>(())
        }),
        ("token_logprobs", Kind::Array) => scanner.array(|scanner, _| {
            values.push(scanner.float()?);
            Ok(())
        }),
        ("top_logprobs", Kind::Array) => scanner.array(|scanner, _| {
            let mut top = Vec::new();
            if scanner.kind()? == Kind::Object {
                scanner.object(|scanner, key| {
                    let token = key.cow().into_owned();
                    top.extend(scanner.float()?.map(|logprob| (token, logprob)));
                    Ok::<(), JsonError>(())
                })?;
            }
            tops.push(top);
            Ok(())
        }),
        _ => Ok(()),
    })?;
    let mut tops = tops.into_iter();
    let tokens = names.into_iter().zip(values).filter_map(|(token, logprob)| {
        let top = tops.next().unwrap_or_default();
        Some(TokenLogprob { token, logprob: logprob?, bytes: None, top })
    });
    Ok(tokens.collect())
}

/// Reads the chunks of one stream.
#[derive(Debug)]
pub(super) struct Chunks {
    quirks: Quirks,
    done: bool,
}

impl Chunks {
    pub(super) fn new(quirks: Quirks) -> Chunks {
        Chunks { quirks, done: false }
    }
}

impl Decoder for Chunks {
    fn event(&mut self, _: &str, data: &str, sink: &mut Sink<'_>) -> Result<Mark, UpstreamError> {
        if data == "[DONE]" {
            self.done = true;
            return Ok(Mark::Done);
        }
        match take(data, &self.quirks, sink) {
            Ok(()) => Ok(Mark::Piece),
            Err(Fault::TooMany(error)) => Err(error.into()),
            Err(Fault::Json(error)) => {
                let message = format!("an event of the stream is not a chunk: {error}");
                Err(UpstreamError::invalid("invalid_event", message))
            }
        }
    }

    fn is_complete(&self, answer: &Answer) -> bool {
        let choices = &answer.choices;
        let finished = !choices.is_empty() && choices.iter().all(|choice| choice.finish.is_some());
        match self.quirks.end {
            EndMarker::Done => self.done,
            EndMarker::Finish => finished,
            EndMarker::Either => self.done || finished,
        }
    }
}
