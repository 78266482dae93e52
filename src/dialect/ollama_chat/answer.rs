//! Reading answers. A line of a stream has the shape of a whole answer: what it says is added to
//! what came before, and the last one is marked as such.

use std::borrow::Cow;

use crate::dialect::answer::{Answer, Finish};
use crate::dialect::error::UpstreamError;
use crate::dialect::fault::{self, Outcome};
use crate::dialect::json::{JsonError, Kind, Scanner};
use crate::dialect::openai_chat::token_logprob;
use crate::dialect::part::Part;
use crate::dialect::sink::{Run, Sink};
use crate::dialect::stream::{Decoder, Mark};
use crate::dialect::usage::Usage;
use crate::units::Tokens;

/// Reads a whole answer.
///
/// # Errors
/// When it is none, or is an error.
pub(super) fn read(body: &[u8]) -> Result<Answer, UpstreamError> {
    let mut answer = Answer::default();
    line(fault::text(body)?, &mut Sink::new(&mut answer)).map_err(fault::Fault::of_answer)?;
    match (answer.choices.is_empty(), answer.error.is_some()) {
        (true, false) => Err(UpstreamError::invalid("no_message", "the answer has no message")),
        _ => Ok(answer),
    }
}

/// Reads the lines of a stream.
#[derive(Debug, Default)]
pub(super) struct Lines {
    done: bool,
}

impl Decoder for Lines {
    fn event(&mut self, _: &str, data: &str, sink: &mut Sink<'_>) -> Result<Mark, UpstreamError> {
        self.done |= line(data, sink).map_err(fault::Fault::of_event)?;
        Ok(if self.done { Mark::Done } else { Mark::Piece })
    }

    fn is_complete(&self, _: &Answer) -> bool {
        self.done
    }
}

/// Takes in a line; gives whether it is the last one.
fn line(text: &str, sink: &mut Sink<'_>) -> Outcome<bool> {
    let (mut done, mut reason) = (false, None);
    let (mut prompt, mut completion) = (None, None);
    fault::object(text, |scanner, key| {
        match (key.raw, scanner.kind()?) {
            ("model", Kind::String) => sink.model(&scanner.string()?.cow()),
            ("message", Kind::Object) => message(scanner, sink)?,
            ("logprobs", Kind::Array) => logprobs(scanner, sink)?,
            ("done", Kind::Bool) => done = scanner.bool()? == Some(true),
            ("done_reason", Kind::String) => reason = scanner.text()?,
            ("prompt_eval_count", Kind::Number) => prompt = scanner.count()?,
            ("eval_count", Kind::Number) => completion = scanner.count()?,
            ("error", kind) if kind != Kind::Null => {
                sink.error(UpstreamError::from_json(200, scanner.raw()?));
            }
            _ => {}
        }
        Ok(())
    })?;
    if prompt.is_some() || completion.is_some() {
        // A prompt that is wholly cached is not counted at all.
        sink.usage(Usage {
            input: Tokens(prompt.unwrap_or(0)),
            output: Tokens(completion.unwrap_or(0)),
            ..Usage::default()
        });
    }
    if done {
        sink.finish(0, finish_of(reason.as_deref().unwrap_or_default()))?;
    }
    Ok(done)
}

/// It says `stop` also when it calls tools.
fn finish_of(reason: &str) -> Finish {
    match reason {
        "length" => Finish::Length,
        // Older versions give no reason; `load` and `unload` answer requests without messages.
        "" | "stop" | "load" | "unload" => Finish::Stop,
        _ => Finish::Other,
    }
}

fn message(scanner: &mut Scanner<'_>, sink: &mut Sink<'_>) -> Outcome {
    sink.choice(0)?;
    let (mut thinking, mut content, mut calls) = (None, None, None);
    scanner.object(|scanner, key| {
        match (key.raw, scanner.kind()?) {
            ("thinking", Kind::String) => thinking = scanner.text()?,
            ("content", Kind::String) => content = scanner.text()?,
            ("tool_calls", Kind::Array) => calls = Some(scanner.raw()?),
            _ => {}
        }
        Ok::<(), JsonError>(())
    })?;
    sink.run_on(0, Run::Thinking, &thinking.unwrap_or_default())?;
    sink.run_on(0, Run::Text, &content.unwrap_or_default())?;
    match calls {
        Some(calls) => Scanner::new(calls).array(|scanner, _| call(scanner, sink)),
        None => Ok(()),
    }
}

/// A call comes whole. Its index says nothing: on streams each line begins at 0 again.
fn call(scanner: &mut Scanner<'_>, sink: &mut Sink<'_>) -> Outcome {
    if scanner.kind()? != Kind::Object {
        return Ok(());
    }
    let (mut id, mut name, mut arguments) = (Cow::Borrowed(""), Cow::Borrowed(""), "");
    scanner.object(|scanner, key| {
        match (key.raw, scanner.kind()?) {
            ("id", Kind::String) => id = scanner.string()?.cow(),
            ("function", Kind::Object) => scanner.object(|scanner, key| {
                match (key.raw, scanner.kind()?) {
                    ("name", Kind::String) => name = scanner.string()?.cow(),
                    ("arguments", Kind::Object) => arguments = scanner.raw()?,
                    _ => {}
                }
                Ok::<(), JsonError>(())
            })?,
            _ => {}
        }
        Ok::<(), JsonError>(())
    })?;
    let arguments = if arguments.is_empty() { "{}" } else { arguments };
    let call = Part::call(id.into_owned(), name.into_owned(), arguments.to_owned());
    sink.part(0, call)?;
    Ok(())
}

/// OpenAI's form of them, without the object around.
fn logprobs(scanner: &mut Scanner<'_>, sink: &mut Sink<'_>) -> Outcome {
    let mut tokens = Vec::new();
    scanner.array(|scanner, _| {
        tokens.extend(token_logprob(scanner)?);
        Ok::<(), JsonError>(())
    })?;
    Ok(sink.logprobs(0, tokens)?)
}
