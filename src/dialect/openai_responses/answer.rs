//! Reading answers: whole ones, and those that streams begin and end with.

use super::items::Items;
use crate::dialect::answer::{Answer, Finish};
use crate::dialect::error::UpstreamError;
use crate::dialect::json::{JsonError, Kind, Scanner};
use crate::dialect::part::{Body, Part};
use crate::dialect::quirks::Quirks;
use crate::dialect::sink::{Sink, TooMany};
use crate::dialect::usage::Usage;
use crate::error_class::ErrorClass;

/// What goes wrong while a body is read.
pub(super) enum Fault {
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

pub(super) type Outcome = Result<(), Fault>;

/// Reads a complete answer. It is tolerant: fields of a type that nobody expects are passed over.
/// An error under status 200 is in [`Answer::error`].
///
/// # Errors
/// [`ErrorClass::InvalidResponse`] for what is no JSON object, or has neither output nor an error.
pub(super) fn read(body: &[u8], quirks: &Quirks) -> Result<Answer, UpstreamError> {
    let text = std::str::from_utf8(body)
        .map_err(|_| UpstreamError::invalid("invalid_json", "the answer is not valid UTF-8"))?;
    let mut answer = Answer::default();
    let mut sink = Sink::new(&mut answer);
    let read = Response::read(text).map_err(Fault::Json);
    let known = read.and_then(|response| {
        let known = response.output.is_some() || response.error.is_some();
        response.finish(&mut Items::default(), &mut sink, quirks, "")?;
        Ok(known)
    });
    match known {
        Ok(true) => Ok(answer),
        Ok(false) => Err(UpstreamError::invalid("no_output", "the answer has no output")),
        Err(Fault::TooMany(error)) => Err(error.into()),
        Err(Fault::Json(error)) => Err(UpstreamError::invalid(
            "invalid_json",
            format!("the answer is not valid JSON: {error}"),
        )),
    }
}

/// The fields of a response object, in whatever order they came.
#[derive(Default)]
pub(super) struct Response<'a> {
    id: &'a str,
    model: &'a str,
    tier: &'a str,
    status: &'a str,
    reason: &'a str,
    error: Option<&'a str>,
    usage: Option<&'a str>,
    output: Option<&'a str>,
    /// Thinking beside the output: mistral.rs has it there.
    reasoning: Option<std::borrow::Cow<'a, str>>,
}

impl<'a> Response<'a> {
    pub(super) fn read(json: &'a str) -> Result<Response<'a>, JsonError> {
        let mut it = Response::default();
        let mut scanner = Scanner::new(json);
        scanner.object(|scanner, key| {
            match (key.raw, scanner.kind()?) {
                // Words of their own making, never escaped.
                ("id", Kind::String) => it.id = scanner.string()?.raw,
                ("model", Kind::String) => it.model = scanner.string()?.raw,
                ("service_tier", Kind::String) => it.tier = scanner.string()?.raw,
                ("status", Kind::String) => it.status = scanner.string()?.raw,
                ("incomplete_details", Kind::Object) => scanner.object(|scanner, key| {
                    if key.raw == "reason" && scanner.kind()? == Kind::String {
                        it.reason = scanner.string()?.raw;
                    }
                    Ok::<(), JsonError>(())
                })?,
                ("error", kind) if kind != Kind::Null => it.error = Some(scanner.raw()?),
                ("usage", Kind::Object) => it.usage = Some(scanner.raw()?),
                ("output", Kind::Array) => it.output = Some(scanner.raw()?),
                ("reasoning", Kind::String) => it.reasoning = scanner.text()?,
                _ => {}
            }
            Ok::<(), JsonError>(())
        })?;
        scanner.end()?;
        // An empty error means none.
        it.error = it.error.filter(|json| !matches!(*json, "\"\"" | "{}" | "false"));
        Ok(it)
    }

    /// What is known when an answer begins.
    pub(super) fn begin(&self, sink: &mut Sink<'_>) {
        sink.id(self.id);
        sink.model(self.model);
    }

    /// Takes in a complete answer; of a stream, what it did not say yet. `event` is the status that
    /// the stream's event names, where the answer itself names none.
    pub(super) fn finish(
        &self,
        items: &mut Items,
        sink: &mut Sink<'_>,
        quirks: &Quirks,
        event: &str,
    ) -> Outcome {
        self.begin(sink);
        if !self.tier.is_empty() {
            sink.service_tier(self.tier);
        }
        let status = if self.status.is_empty() { event } else { self.status };
        if let Some(json) = self.usage
            && let Some(usage) = Usage::read(&mut Scanner::new(json), quirks)?
        {
            sink.usage(usage);
        }
        if self.output.is_some() {
            sink.choice(0)?;
        }
        if let Some(text) = self.reasoning.as_deref().filter(|text| !text.is_empty()) {
            sink.part(0, Part::thinking(text.to_owned()))?;
        }
        if let Some(output) = self.output {
            items.all(output, sink)?;
        }
        if let Some(error) = self.error {
            sink.error(UpstreamError::from_json(200, error));
        } else if status == "failed" {
            let message = "the provider failed without saying why";
            sink.error(UpstreamError {
                class: ErrorClass::ServerError,
                ..UpstreamError::invalid("failed", message)
            });
        }
        let calls = || {
            let choice = sink.answer().choice(0);
            choice.is_some_and(|choice| {
                choice.parts.iter().any(|part| matches!(part.body, Body::Call(_)))
            })
        };
        let finish = match (status, self.reason) {
            ("incomplete", "max_output_tokens" | "max_tokens" | "length") => Finish::Length,
            ("incomplete", "content_filter") => Finish::ContentFilter,
            ("incomplete" | "cancelled", _) => Finish::Other,
            ("completed" | "", _) if calls() => Finish::ToolCalls,
            ("completed" | "", _) => Finish::Stop,
            // Failed, or still on its way.
            _ => return Ok(()),
        };
        if sink.answer().error.is_none() {
            sink.finish(0, finish)?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
