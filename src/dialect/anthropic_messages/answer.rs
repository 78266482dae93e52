//! Reading answers: whole ones, and what whole ones and streams have in common.

use super::blocks::Block;
use crate::dialect::answer::{Answer, Finish};
use crate::dialect::error::UpstreamError;
use crate::dialect::fault::{self, Fault, Outcome};
use crate::dialect::json::{JsonError, Kind, Scanner};
use crate::dialect::sink::{Sink, TooMany};
use crate::dialect::usage::Usage;
use crate::units::Tokens;

/// Reads a complete answer. It is tolerant: fields of a type that nobody expects are passed over.
///
/// # Errors
/// [`crate::error_class::ErrorClass::InvalidResponse`] for what is no JSON object or has no content;
/// what the body says where it is an error under a good status.
pub(super) fn read(body: &[u8]) -> Result<Answer, UpstreamError> {
    let text = fault::text(body)?;
    let mut answer = Answer::default();
    match message(text, &mut Sink::new(&mut answer)).map_err(Fault::of_answer)? {
        Found { error: true, .. } => Err(UpstreamError::from_json(200, text)),
        Found { content: false, .. } => {
            Err(UpstreamError::invalid("no_content", "the answer has no content"))
        }
        _ => Ok(answer),
    }
}

#[derive(Default)]
struct Found {
    content: bool,
    error: bool,
}

fn message(text: &str, sink: &mut Sink<'_>) -> Outcome<Found> {
    let (mut found, mut stop) = (Found::default(), Stop::default());
    let mut counts = Counts::default();
    let mut scanner = Scanner::new(text);
    scanner.object(|scanner, key| {
        match (&*key.cow(), scanner.kind()?) {
            ("id", Kind::String) => sink.id(&scanner.string()?.cow()),
            ("model", Kind::String) => sink.model(&scanner.string()?.cow()),
            ("content", Kind::Array) => {
                found.content = true;
                sink.choice(0)?;
                scanner.array(|scanner, _| {
                    if scanner.kind()? == Kind::Object {
                        for part in Block::read(scanner)?.parts()? {
                            sink.part(0, part.into_owned())?;
                        }
                    }
                    Ok::<(), Fault>(())
                })?;
            }
            ("usage", Kind::Object) => counts.read(scanner, sink)?,
            ("error", Kind::Object | Kind::String) => found.error = true,
            (name, _) => stop.field(name, scanner)?,
        }
        Ok::<(), Fault>(())
    })?;
    scanner.end()?;
    if found.content {
        stop.tell(sink)?;
    }
    Ok(found)
}

/// Why an answer ended.
#[derive(Default)]
pub(super) struct Stop {
    reason: Option<Finish>,
    sequence: Option<String>,
}

impl Stop {
    pub(super) fn field(&mut self, name: &str, scanner: &mut Scanner<'_>) -> Result<(), JsonError> {
        match name {
            "stop_reason" => self.reason = scanner.text()?.map(|reason| finish_of(&reason)),
            "stop_sequence" => self.sequence = scanner.text()?.map(|text| text.into_owned()),
            _ => {}
        }
        Ok(())
    }

    pub(super) fn tell(self, sink: &mut Sink<'_>) -> Result<(), TooMany> {
        if let Some(sequence) = self.sequence {
            sink.choice(0)?.stop_sequence = Some(sequence);
        }
        match self.reason {
            Some(reason) => sink.finish(0, reason),
            None => Ok(()),
        }
    }
}

fn finish_of(reason: &str) -> Finish {
    match reason {
        "end_turn" | "stop_sequence" => Finish::Stop,
        "max_tokens" => Finish::Length,
        "tool_use" => Finish::ToolCalls,
        "pause_turn" => Finish::Pause,
        "refusal" => Finish::Refusal,
        "model_context_window_exceeded" => Finish::ContextFull,
        _ => Finish::Other,
    }
}

/// The counts of usage as they were last said. They are totals: later ones take the place of
/// earlier ones, and what is not said again stays.
#[derive(Debug, Default)]
pub(super) struct Counts {
    input: u64,
    cache_read: u64,
    cache_write: u64,
    cache_write_1h: u64,
    output: u64,
    thinking: u64,
}

impl Counts {
    /// Takes in a usage object.
    pub(super) fn read(
        &mut self,
        scanner: &mut Scanner<'_>,
        sink: &mut Sink<'_>,
    ) -> Result<(), JsonError> {
        let mut known = false;
        scanner.object(|scanner, key| {
            let to = match (&*key.cow(), scanner.kind()?) {
                ("input_tokens", _) => &mut self.input,
                ("output_tokens", _) => &mut self.output,
                ("cache_read_input_tokens", _) => &mut self.cache_read,
                ("cache_creation_input_tokens", _) => &mut self.cache_write,
                ("cache_creation", Kind::Object) => {
                    return count_in(
                        scanner,
                        "ephemeral_1h_input_tokens",
                        &mut self.cache_write_1h,
                    );
                }
                ("output_tokens_details", Kind::Object) => {
                    return count_in(scanner, "thinking_tokens", &mut self.thinking);
                }
                ("service_tier", Kind::String) => {
                    sink.service_tier(&scanner.string()?.cow());
                    return Ok(());
                }
                _ => return Ok(()),
            };
            if let Some(count) = scanner.count()? {
                (*to, known) = (count, true);
            }
            Ok::<(), JsonError>(())
        })?;
        if known {
            sink.usage(self.disjoint());
        }
        Ok(())
    }

    /// The prompt's counts exclude each other already; what is written for an hour is a part of what
    /// is written, and thinking of what is answered.
    fn disjoint(&self) -> Usage {
        let hour = self.cache_write_1h.min(self.cache_write);
        let thinking = self.thinking.min(self.output);
        Usage {
            input: Tokens(self.input),
            cache_read: Tokens(self.cache_read),
            cache_write: Tokens(self.cache_write - hour),
            cache_write_1h: Tokens(hour),
            output: Tokens(self.output - thinking),
            reasoning: Tokens(thinking),
            ..Usage::default()
        }
    }
}

fn count_in(scanner: &mut Scanner<'_>, name: &str, to: &mut u64) -> Result<(), JsonError> {
    scanner.object(|scanner, key| {
        if key.raw == name {
            *to = scanner.count()?.unwrap_or(*to);
        }
        Ok(())
    })
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
