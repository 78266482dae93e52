//! Reading answers, whole ones and the chunks of streams, and splicing into whole ones.

use std::ops::Range;

use bytes::Bytes;

use crate::dialect::answer::{Answer, Choice, Finish, Logprobs, ToolCall};
use crate::dialect::error::UpstreamError;
use crate::dialect::json::{self, JsonError, Kind, Scanner};
use crate::dialect::quirks::Quirks;
use crate::dialect::usage::{Usage, UsageSource};

/// The most choices and tool calls that are told apart; more is not an answer but an attack.
const MAX_ITEMS: usize = 1024;

/// Reads a complete answer. It is tolerant: fields of a type that nobody expects are passed over.
/// An error under status 200 is in [`Answer::error`].
///
/// # Errors
/// [`crate::error_class::ErrorClass::InvalidResponse`] for what is no JSON object, or has neither
/// choices nor an error.
pub fn read(body: &[u8], quirks: &Quirks) -> Result<Answer, UpstreamError> {
    let text = std::str::from_utf8(body)
        .map_err(|_| UpstreamError::invalid("invalid_json", "the answer is not valid UTF-8"))?;
    let mut answer = Answer::default();
    let seen = absorb(&mut answer, text, Place::Message, quirks).map_err(|error| {
        UpstreamError::invalid("invalid_json", format!("the answer is not valid JSON: {error}"))
    })?;
    if answer.choices.is_empty() && answer.error.is_none() {
        // Some providers put the words of an error at the top, under status 200.
        if !seen.choices {
            return Err(UpstreamError::invalid("no_choices", "the answer has no choices"));
        }
        return Err(UpstreamError::invalid("no_choices", "the answer's list of choices is empty"));
    }
    Ok(answer)
}

/// Adds a field at the end of the body's object.
///
/// # Errors
/// When the body is no JSON object. `json` is taken as it is.
pub fn with_top_level_field(body: &Bytes, key: &str, json: &str) -> Result<Bytes, JsonError> {
    let (text, mut empty) = (utf8(body)?, true);
    let mut scanner = Scanner::new(text);
    scanner.object(|_, _| {
        empty = false;
        Ok::<(), JsonError>(())
    })?;
    let end = scanner.offset();
    scanner.end()?;
    let comma = if empty { "" } else { "," };
    let field = format!("{comma}{}:{json}", json::quote(key));
    Ok(replace(body, &[(end - 1..end - 1, &field)]))
}

/// Sets the `logprobs` of every choice to null: for answers whose probabilities only we asked for.
///
/// # Errors
/// When the body is no JSON object.
pub fn without_logprobs(body: &Bytes) -> Result<Bytes, JsonError> {
    let mut patches: Vec<(Range<usize>, &str)> = Vec::new();
    let mut scanner = Scanner::new(utf8(body)?);
    scanner.object(|scanner, key| {
        if key.cow() != "choices" || scanner.kind()? != Kind::Array {
            return Ok(());
        }
        scanner.array(|scanner, _| {
            if scanner.kind()? != Kind::Object {
                return Ok(());
            }
            scanner.object(|scanner, key| {
                if key.cow() == "logprobs" {
                    patches.push((scanner.skip()?, "null"));
                }
                Ok::<(), JsonError>(())
            })
        })
    })?;
    Ok(replace(body, &patches))
}

fn utf8(body: &[u8]) -> Result<&str, JsonError> {
    std::str::from_utf8(body)
        .map_err(|error| JsonError { what: "invalid UTF-8", at: error.valid_up_to() })
}

fn replace(body: &Bytes, patches: &[(Range<usize>, &str)]) -> Bytes {
    if patches.is_empty() {
        return body.clone();
    }
    let added: usize = patches.iter().map(|(_, text)| text.len()).sum();
    let (mut out, mut at) = (Vec::with_capacity(body.len() + added), 0);
    for (range, text) in patches {
        out.extend_from_slice(&body[at..range.start]);
        out.extend_from_slice(text.as_bytes());
        at = range.end;
    }
    out.extend_from_slice(&body[at..]);
    Bytes::from(out)
}

/// Where a choice keeps what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In a whole answer.
    Message,
    /// In a chunk. Some providers repeat everything said so far in `message`, beside `delta`.
    Delta,
}

/// What one body or chunk had in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Seen {
    /// A list of choices, even if empty.
    pub choices: bool,
    /// At least one choice.
    pub choice: bool,
    /// Text.
    pub text: bool,
    /// Thinking.
    pub reasoning: bool,
    /// A tool call, or a piece of one.
    pub tool_call: bool,
    /// A refusal.
    pub refusal: bool,
    /// Usage.
    pub usage: bool,
    /// A finish reason of some choice.
    pub finish: Option<Finish>,
}

impl Seen {
    /// Whether there was anything that a reader of the answer would see.
    pub fn content(&self) -> bool {
        self.text || self.reasoning || self.tool_call || self.refusal
    }
}

/// Adds what a body or a chunk says to the answer.
pub(super) fn absorb(
    answer: &mut Answer,
    text: &str,
    place: Place,
    quirks: &Quirks,
) -> Result<Seen, JsonError> {
    let mut seen = Seen::default();
    let mut groq_usage = None;
    let mut scanner = Scanner::new(text);
    scanner.object(|scanner, key| {
        let kind = scanner.kind()?;
        match &*key.cow() {
            "id" if answer.id.is_empty() => answer.id = owned(scanner)?,
            "model" if answer.model.is_empty() => answer.model = owned(scanner)?,
            "choices" if kind == Kind::Array => {
                seen.choices = true;
                scanner.array(|scanner, position| {
                    seen.choice = true;
                    choice(answer, scanner, position, place, &mut seen)
                })?;
            }
            "usage" => {
                if let Some(usage) = Usage::read(scanner, quirks)? {
                    // Repeated usage grows or stays: the last counts, they never add up.
                    (answer.usage, answer.usage_source) = (usage, UsageSource::Reported);
                    seen.usage = true;
                }
            }
            "x_groq" if kind == Kind::Object => scanner.object(|scanner, key| {
                if key.cow() == "usage" {
                    groq_usage = Usage::read(scanner, quirks)?;
                }
                Ok::<(), JsonError>(())
            })?,
            "error" if kind != Kind::Null => error(answer, scanner.raw()?),
            _ => {}
        }
        Ok::<(), JsonError>(())
    })?;
    scanner.end()?;
    if let Some(usage) = groq_usage.filter(|_| !seen.usage) {
        (answer.usage, answer.usage_source) = (usage, UsageSource::Reported);
        seen.usage = true;
    }
    Ok(seen)
}

fn error(answer: &mut Answer, json: &str) {
    // Empty ones mean none.
    if !matches!(json, "\"\"" | "{}" | "false") && answer.error.is_none() {
        answer.error = Some(UpstreamError::from_json(200, json));
    }
}

fn owned(scanner: &mut Scanner<'_>) -> Result<String, JsonError> {
    Ok(scanner.text()?.map(|text| text.into_owned()).unwrap_or_default())
}

fn choice(
    answer: &mut Answer,
    scanner: &mut Scanner<'_>,
    position: usize,
    place: Place,
    seen: &mut Seen,
) -> Result<(), JsonError> {
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
    let at = match answer.choices.binary_search_by_key(&index, |choice| choice.index) {
        Ok(at) => at,
        Err(_) if answer.choices.len() == MAX_ITEMS => return scanner.fail("too many choices"),
        Err(at) => {
            answer.choices.insert(at, Choice { index, ..Choice::default() });
            at
        }
    };
    scanner.object(|scanner, key| {
        let kind = scanner.kind()?;
        let choice = &mut answer.choices[at];
        match (&*key.cow(), place) {
            ("message", Place::Message) | ("delta", Place::Delta) if kind == Kind::Object => {
                message(choice, scanner, place, seen)?;
            }
            ("finish_reason", _) => {
                if let Some(reason) = scanner.text()?.as_deref().and_then(finish) {
                    (choice.finish, seen.finish) = (Some(reason), Some(reason));
                }
            }
            ("logprobs", _) if kind == Kind::Object => logprobs(&mut choice.logprobs, scanner)?,
            ("error", _) if kind != Kind::Null => error(answer, scanner.raw()?),
            _ => {}
        }
        Ok(())
    })
}

/// Reads a finish reason; an empty one is none.
fn finish(reason: &str) -> Option<Finish> {
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

fn message(
    choice: &mut Choice,
    scanner: &mut Scanner<'_>,
    place: Place,
    seen: &mut Seen,
) -> Result<(), JsonError> {
    // `reasoning_content` and `reasoning` may both be there and say the same.
    let mut thought: Option<String> = None;
    scanner.object(|scanner, key| {
        let kind = scanner.kind()?;
        match &*key.cow() {
            "content" => content(choice, scanner, seen)?,
            "reasoning_content" | "reasoning" => {
                if let Some(text) = scanner.text()?.filter(|text| !text.is_empty()) {
                    thought.get_or_insert_with(|| text.into_owned());
                }
            }
            "refusal" => {
                if let Some(text) = scanner.text()? {
                    choice.refusal.push_str(&text);
                    seen.refusal |= !text.is_empty();
                }
            }
            "tool_calls" if kind == Kind::Array => {
                scanner.array(|scanner, _| {
                    if scanner.kind()? != Kind::Object {
                        return Ok(());
                    }
                    let piece = CallPiece::read(scanner)?;
                    seen.tool_call = true;
                    if choice.tool_calls.len() == MAX_ITEMS {
                        return scanner.fail("too many tool calls");
                    }
                    piece.join(&mut choice.tool_calls, place);
                    Ok(())
                })?;
            }
            "function_call" if kind == Kind::Object => {
                let mut piece = CallPiece::default();
                piece.function(scanner)?;
                // Some fill it with empty strings beside the real calls.
                if !piece.call.name.is_empty() || !piece.call.arguments.is_empty() {
                    seen.tool_call = true;
                    piece.join(&mut choice.tool_calls, place);
                }
            }
            _ => {}
        }
        Ok::<(), JsonError>(())
    })?;
    if let Some(thought) = thought {
        choice.reasoning.push_str(&thought);
        seen.reasoning = true;
    }
    Ok(())
}

/// Reads content: a string, or parts among which Mistral puts its thinking.
fn content(
    choice: &mut Choice,
    scanner: &mut Scanner<'_>,
    seen: &mut Seen,
) -> Result<(), JsonError> {
    match scanner.kind()? {
        Kind::String => {
            let text = scanner.string()?.cow();
            choice.text.push_str(&text);
            seen.text |= !text.is_empty();
            Ok(())
        }
        Kind::Array => scanner.array(|scanner, _| match scanner.kind()? {
            Kind::String => content(choice, scanner, seen),
            Kind::Object => part(choice, scanner, seen),
            _ => Ok(()),
        }),
        _ => Ok(()),
    }
}

fn part(choice: &mut Choice, scanner: &mut Scanner<'_>, seen: &mut Seen) -> Result<(), JsonError> {
    scanner.object(|scanner, key| {
        match (&*key.cow(), scanner.kind()?) {
            ("text", Kind::String) => content(choice, scanner, seen)?,
            ("refusal", Kind::String) => {
                choice.refusal.push_str(&scanner.string()?.cow());
                seen.refusal = true;
            }
            ("thinking", Kind::String | Kind::Array) => {
                let (mut thinking, mut any) = (Choice::default(), Seen::default());
                content(&mut thinking, scanner, &mut any)?;
                choice.reasoning.push_str(&thinking.text);
                seen.reasoning |= any.text;
            }
            _ => {}
        }
        Ok(())
    })
}

/// A tool call, or what a chunk brings of one.
#[derive(Default)]
struct CallPiece {
    index: Option<u32>,
    call: ToolCall,
}

impl CallPiece {
    fn read(scanner: &mut Scanner<'_>) -> Result<CallPiece, JsonError> {
        let mut piece = CallPiece::default();
        scanner.object(|scanner, key| {
            let kind = scanner.kind()?;
            match &*key.cow() {
                "index" => {
                    let index = scanner.count()?;
                    piece.index = index.map(|index| u32::try_from(index).unwrap_or(u32::MAX));
                }
                "id" => piece.call.id = owned(scanner)?,
                "function" if kind == Kind::Object => piece.function(scanner)?,
                // Free-form tools; Snowflake sends an empty one beside the function.
                "custom" if kind == Kind::Object => piece.function(scanner)?,
                _ => {}
            }
            Ok::<(), JsonError>(())
        })?;
        piece.call.index = piece.index.unwrap_or(0);
        Ok(piece)
    }

    fn function(&mut self, scanner: &mut Scanner<'_>) -> Result<(), JsonError> {
        scanner.object(|scanner, key| {
            let to = match key.raw {
                "name" => &mut self.call.name,
                "arguments" | "input" => &mut self.call.arguments,
                _ => return Ok(()),
            };
            match scanner.kind()? {
                Kind::Null => {}
                Kind::String => to.push_str(&scanner.string()?.cow()),
                // Arguments as an object rather than as a text.
                _ => to.push_str(scanner.raw()?),
            }
            Ok(())
        })
    }

    /// Adds it to the call that it belongs to, or as a new one.
    fn join(self, calls: &mut Vec<ToolCall>, place: Place) {
        let known = calls.iter_mut().rev().find(|call| {
            place == Place::Delta && self.index.is_none_or(|index| index == call.index)
        });
        match known.filter(|call| self.continues(call)) {
            Some(call) => {
                if call.id.is_empty() {
                    call.id = self.call.id;
                }
                if call.name.is_empty() {
                    call.name = self.call.name;
                }
                call.arguments.push_str(&self.call.arguments);
            }
            None => calls.push(self.call),
        }
    }

    /// Whether this is more of `call`, rather than another one that shares its index, or has none.
    fn continues(&self, call: &ToolCall) -> bool {
        let CallPiece { index, call: piece } = self;
        if !piece.id.is_empty() && !call.id.is_empty() {
            return piece.id == call.id;
        }
        if piece.name.is_empty() || call.name.is_empty() {
            return index.is_some() || piece.name.is_empty();
        }
        // A name again: some repeat it with every piece, but after complete arguments it is new.
        piece.name == call.name && !json::is_valid(&call.arguments)
    }
}

fn logprobs(to: &mut Logprobs, scanner: &mut Scanner<'_>) -> Result<(), JsonError> {
    scanner.object(|scanner, key| {
        if key.raw != "content" || scanner.kind()? != Kind::Array {
            return Ok(());
        }
        scanner.array(|scanner, _| {
            if scanner.kind()? != Kind::Object {
                return Ok(());
            }
            scanner.object(|scanner, key| {
                if key.raw == "logprob"
                    && let Some(logprob) = scanner.float()?
                {
                    to.add(logprob);
                }
                Ok::<(), JsonError>(())
            })
        })
    })
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
