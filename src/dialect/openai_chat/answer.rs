//! Reading answers, whole ones and the chunks of streams.

use super::pieces::{CallPiece, annotations, audio, images, logprobs};
use crate::dialect::Dialect;
use crate::dialect::answer::{Answer, Finish};
use crate::dialect::error::UpstreamError;
use crate::dialect::fault::{self, Fault, Outcome};
use crate::dialect::json::{JsonError, Kind, Scanner};
use crate::dialect::part::{Body, Part, Signature, ToolCall};
use crate::dialect::quirks::Quirks;
use crate::dialect::sink::{Run, Sink};
use crate::dialect::usage::Usage;

/// Reads a complete answer. It is tolerant: fields of a type that nobody expects are passed over.
/// An error under status 200 is in [`Answer::error`].
///
/// # Errors
/// [`crate::error_class::ErrorClass::InvalidResponse`] for what is no JSON object, or has neither
/// choices nor an error.
pub fn read(body: &[u8], quirks: &Quirks) -> Result<Answer, UpstreamError> {
    let mut answer = Answer::default();
    let mut reader = Reader::new(Place::Message, *quirks);
    let mut sink = Sink::new(&mut answer);
    let listed = reader.body(fault::text(body)?, &mut sink).map_err(Fault::of_answer)?;
    if answer.choices.is_empty() && answer.error.is_none() {
        // Some providers put the words of an error at the top, under status 200.
        if !listed {
            return Err(UpstreamError::invalid("no_choices", "the answer has no choices"));
        }
        return Err(UpstreamError::invalid("no_choices", "the answer's list of choices is empty"));
    }
    Ok(answer)
}

/// Where a choice keeps what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In a whole answer.
    Message,
    /// In a chunk. Some providers repeat everything said so far in `message`, beside `delta`.
    Delta,
}

/// Reads bodies or chunks into a sink; remembers which tool calls pieces belong to.
#[derive(Debug)]
pub(super) struct Reader {
    place: Place,
    quirks: Quirks,
    slots: Vec<Slot>,
}

/// Where the tool call is that a provider numbers like this.
#[derive(Debug, Clone, Copy)]
struct Slot {
    choice: u32,
    index: u32,
    at: usize,
}

impl Reader {
    pub(super) fn new(place: Place, quirks: Quirks) -> Reader {
        Reader { place, quirks, slots: Vec::new() }
    }

    pub(super) fn quirks(&self) -> &Quirks {
        &self.quirks
    }

    /// Takes in what a body or a chunk says; gives whether it has a list of choices, even if empty.
    pub(super) fn body(&mut self, text: &str, sink: &mut Sink<'_>) -> Outcome<bool> {
        let (mut listed, mut groq_usage) = (false, None);
        let quirks = self.quirks;
        let mut scanner = Scanner::new(text);
        scanner.object(|scanner, key| {
            let kind = scanner.kind()?;
            match &*key.cow() {
                "id" if kind == Kind::String => sink.id(&scanner.string()?.cow()),
                "model" if kind == Kind::String => sink.model(&scanner.string()?.cow()),
                "service_tier" if kind == Kind::String => {
                    sink.service_tier(&scanner.string()?.cow());
                }
                "choices" if kind == Kind::Array => {
                    listed = true;
                    scanner.array(|scanner, position| self.choice(scanner, position, sink))?;
                }
                "usage" => {
                    if let Some(usage) = Usage::read(scanner, &quirks)? {
                        sink.usage(usage);
                    }
                }
                "x_groq" if kind == Kind::Object => scanner.object(|scanner, key| {
                    if key.cow() == "usage" {
                        groq_usage = Usage::read(scanner, &quirks)?;
                    }
                    Ok::<(), JsonError>(())
                })?,
                "error" if kind != Kind::Null => error(sink, scanner.raw()?),
                _ => {}
            }
            Ok::<(), Fault>(())
        })?;
        scanner.end()?;
        if let Some(usage) = groq_usage.filter(|_| !sink.seen.usage) {
            sink.usage(usage);
        }
        Ok(listed)
    }

    fn choice(
        &mut self,
        scanner: &mut Scanner<'_>,
        position: usize,
        sink: &mut Sink<'_>,
    ) -> Outcome {
        sink.seen.choice = true;
        if scanner.kind()? != Kind::Object {
            return Ok(());
        }
        // The index may stand behind the content, so look for it first.
        let mut index = u32::try_from(position).unwrap_or(u32::MAX);
        scanner.clone().object(|scanner, key| {
            if key.raw == "index"
                && let Some(said) = scanner.count()?
            {
                index = u32::try_from(said).unwrap_or(u32::MAX);
            }
            Ok::<(), JsonError>(())
        })?;
        sink.choice(index)?;
        // The finish reason may stand in front of what it finishes.
        let mut finish = None;
        scanner.object(|scanner, key| {
            let kind = scanner.kind()?;
            match (&*key.cow(), self.place) {
                ("message", Place::Message) | ("delta", Place::Delta) if kind == Kind::Object => {
                    self.message(scanner, index, sink)?;
                }
                ("finish_reason", _) => {
                    finish = scanner.text()?.as_deref().and_then(finish_of).or(finish);
                }
                ("logprobs", _) if kind == Kind::Object => logprobs(scanner, index, sink)?,
                ("error", _) if kind != Kind::Null => error(sink, scanner.raw()?),
                _ => {}
            }
            Ok::<(), Fault>(())
        })?;
        if let Some(finish) = finish {
            sink.finish(index, finish)?;
        }
        Ok(())
    }

    fn message(&mut self, scanner: &mut Scanner<'_>, choice: u32, sink: &mut Sink<'_>) -> Outcome {
        // `reasoning_content` and `reasoning` may both be there and say the same. Thinking comes
        // before what is said, wherever its field stands.
        let (mut thought, mut details) = (None, None);
        scanner.clone().object(|scanner, key| {
            match (&*key.cow(), scanner.kind()?) {
                ("reasoning_content" | "reasoning", Kind::String) if thought.is_none() => {
                    thought = Some(scanner.string()?).filter(|text| !text.raw.is_empty());
                }
                ("reasoning_details", Kind::Array) => details = Some(scanner.raw()?),
                _ => {}
            }
            Ok::<(), JsonError>(())
        })?;
        if let Some(thought) = thought {
            sink.run_on(choice, Run::Thinking, &thought.cow())?;
        }
        if let Some(details) = details.filter(|details| *details != "[]") {
            self.reasoning_details(details, choice, sink)?;
        }
        scanner.object(|scanner, key| {
            let kind = scanner.kind()?;
            match &*key.cow() {
                "content" => content(scanner, choice, sink)?,
                "refusal" if kind == Kind::String => {
                    sink.run_on(choice, Run::Refusal, &scanner.string()?.cow())?;
                }
                "tool_calls" if kind == Kind::Array => {
                    scanner.array(|scanner, _| {
                        if scanner.kind()? != Kind::Object {
                            return Ok(());
                        }
                        let piece = CallPiece::read(scanner)?;
                        self.join(piece, choice, sink)
                    })?;
                }
                "function_call" if kind == Kind::Object => {
                    let mut piece = CallPiece::default();
                    piece.function(scanner)?;
                    // Some fill it with empty strings beside the real calls.
                    if !piece.name.is_empty() || !piece.arguments.is_empty() {
                        self.join(piece, choice, sink)?;
                    }
                }
                "audio" if kind == Kind::Object => audio(scanner, choice, sink)?,
                "images" if kind == Kind::Array => images(scanner, choice, sink)?,
                "annotations" if kind == Kind::Array => annotations(scanner, choice, sink)?,
                _ => {}
            }
            Ok::<(), Fault>(())
        })
    }

    /// OpenRouter's: the thinking as its provider wants it back. It stays as it is, as the
    /// signature of the thinking.
    fn reasoning_details(&self, json: &str, choice: u32, sink: &mut Sink<'_>) -> Outcome {
        let parts = &sink.choice(choice)?.parts;
        let thinking = |part: &Part<'_>| matches!(part.body, Body::Thinking { .. });
        let at = match parts.iter().rposition(thinking) {
            Some(at) => at,
            // Encrypted thinking alone.
            None => {
                sink.part(choice, Part::new(Body::Thinking { text: "".into(), redacted: true }))?
            }
        };
        let value = json.to_owned().into();
        sink.sign(choice, at, Signature { dialect: Dialect::OpenAiChat, value });
        Ok(())
    }

    /// Adds a piece to the call that it belongs to, or begins a new one with it.
    fn join(&mut self, piece: CallPiece<'_>, choice: u32, sink: &mut Sink<'_>) -> Outcome {
        sink.seen.tool_call = true;
        let known = self.slots.iter().rev().find(|slot| {
            self.place == Place::Delta
                && slot.choice == choice
                && piece.index.is_none_or(|index| index == slot.index)
        });
        let known = known.copied().filter(|slot| {
            let part = sink.answer().choice(choice).and_then(|choice| choice.parts.get(slot.at));
            matches!(part, Some(Part { body: Body::Call(call), .. }) if piece.continues(call))
        });
        let at = match known {
            Some(slot) => {
                sink.amend(choice, slot.at, |part| {
                    if let Body::Call(call) = &mut part.body {
                        if call.id.is_empty() {
                            call.id = piece.id.to_string().into();
                        }
                        if call.name.is_empty() {
                            call.name = piece.name.to_string().into();
                        }
                    }
                });
                sink.more(choice, slot.at, &piece.arguments);
                slot.at
            }
            None => {
                let call = ToolCall {
                    id: piece.id.to_string().into(),
                    name: piece.name.to_string().into(),
                    arguments: piece.arguments.into_owned().into(),
                    free_form: piece.free_form,
                };
                let at = sink.part(choice, Part::new(Body::Call(call)))?;
                self.slots.push(Slot { choice, index: piece.index.unwrap_or(0), at });
                at
            }
        };
        if let Some(value) = piece.signature {
            let signature = Signature::read(Dialect::GeminiGenerate, value.into_owned().into());
            sink.sign(choice, at, signature);
        }
        Ok(())
    }
}

fn error(sink: &mut Sink<'_>, json: &str) {
    // Empty ones mean none.
    if !matches!(json, "\"\"" | "{}" | "false") {
        sink.error(UpstreamError::from_json(200, json));
    }
}

/// Reads a finish reason; an empty one is none.
fn finish_of(reason: &str) -> Option<Finish> {
    Some(match reason {
        "" | "null" => return None,
        "stop" | "end_turn" | "eos" | "stop_sequence" => Finish::Stop,
        "length" | "max_tokens" | "model_length" => Finish::Length,
        "tool_calls" | "function_call" => Finish::ToolCalls,
        "content_filter" => Finish::ContentFilter,
        "error" => Finish::Error,
        _ => Finish::Other,
    })
}

/// Reads content: a string, or parts among which Mistral puts its thinking.
fn content(scanner: &mut Scanner<'_>, choice: u32, sink: &mut Sink<'_>) -> Outcome {
    match scanner.kind()? {
        Kind::String => Ok(sink.run_on(choice, Run::Text, &scanner.string()?.cow())?),
        Kind::Array => scanner.array(|scanner, _| match scanner.kind()? {
            Kind::String => content(scanner, choice, sink),
            Kind::Object => part(scanner, choice, sink),
            _ => Ok(()),
        }),
        _ => Ok(()),
    }
}

fn part(scanner: &mut Scanner<'_>, choice: u32, sink: &mut Sink<'_>) -> Outcome {
    scanner.object(|scanner, key| {
        match (&*key.cow(), scanner.kind()?) {
            ("text", Kind::String) => {
                sink.run_on(choice, Run::Text, &scanner.string()?.cow())?;
            }
            ("refusal", Kind::String) => {
                sink.run_on(choice, Run::Refusal, &scanner.string()?.cow())?;
            }
            ("thinking", _) => thinking(scanner, choice, sink)?,
            _ => {}
        }
        Ok(())
    })
}

/// Mistral's: a text, or texts in parts.
fn thinking(scanner: &mut Scanner<'_>, choice: u32, sink: &mut Sink<'_>) -> Outcome {
    match scanner.kind()? {
        Kind::String => Ok(sink.run_on(choice, Run::Thinking, &scanner.string()?.cow())?),
        Kind::Array => scanner.array(|scanner, _| match scanner.kind()? {
            Kind::String => thinking(scanner, choice, sink),
            Kind::Object => scanner.object(|scanner, key| match (key.raw, scanner.kind()?) {
                ("text", Kind::String) => thinking(scanner, choice, sink),
                _ => Ok(()),
            }),
            _ => Ok(()),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
