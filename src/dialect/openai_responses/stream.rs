//! The events of a stream.

use std::borrow::Cow;

use super::answer::{Fault, Outcome, Response};
use super::items::{ContentKind, Items, Place};
use crate::dialect::answer::Answer;
use crate::dialect::error::UpstreamError;
use crate::dialect::json::{JsonError, Kind, Scanner};
use crate::dialect::quirks::Quirks;
use crate::dialect::sink::Sink;
use crate::dialect::sse::MAX_LARGE_EVENT;
use crate::dialect::stream::{Decoder, Mark};

/// Reads the events of one stream.
#[derive(Debug)]
pub(super) struct Events {
    quirks: Quirks,
    items: Items,
    done: bool,
}

impl Events {
    pub(super) fn new(quirks: Quirks) -> Events {
        Events { quirks, items: Items::default(), done: false }
    }
}

/// What the fields of an event say, whatever its type.
#[derive(Default)]
struct Event<'a> {
    kind: &'a str,
    place: Place<'a>,
    /// The index of a part within its item.
    part: u64,
    delta: Option<Cow<'a, str>>,
    text: Option<Cow<'a, str>>,
    /// The JSON that the event brings: an item, a part, an annotation or a response.
    json: Option<&'a str>,
    logprobs: Option<&'a str>,
}

impl<'a> Event<'a> {
    fn read(data: &'a str) -> Result<Event<'a>, JsonError> {
        let mut it = Event::default();
        let mut scanner = Scanner::new(data);
        scanner.object(|scanner, key| {
            match (key.raw, scanner.kind()?) {
                ("type", Kind::String) => it.kind = scanner.string()?.raw,
                ("output_index", _) => it.place.index = scanner.count()?,
                ("item_id", Kind::String) => it.place.id = scanner.string()?.raw,
                ("content_index" | "summary_index", _) => {
                    it.part = scanner.count()?.unwrap_or_default();
                }
                ("delta", Kind::String) => it.delta = scanner.text()?,
                ("text" | "refusal" | "arguments" | "input", Kind::String) => {
                    it.text = scanner.text()?;
                }
                ("item" | "part" | "annotation" | "response", Kind::Object) => {
                    it.json = Some(scanner.raw()?);
                }
                ("logprobs", Kind::Array) => it.logprobs = Some(scanner.raw()?),
                _ => {}
            }
            Ok::<(), JsonError>(())
        })?;
        scanner.end()?;
        Ok(it)
    }
}

impl Events {
    fn take(&mut self, name: &str, event: &Event<'_>, sink: &mut Sink<'_>) -> Result<Mark, Fault> {
        let kind = if event.kind.is_empty() { name } else { event.kind };
        let (what, step) = kind.rsplit_once('.').unwrap_or((kind, ""));
        match (what, step) {
            ("response", "created" | "queued" | "in_progress") => {
                if let Some(json) = event.json {
                    Response::read(json)?.begin(sink);
                }
            }
            ("response", "completed" | "incomplete" | "failed") => {
                let response = Response::read(event.json.unwrap_or("{}"))?;
                response.finish(&mut self.items, sink, &self.quirks, step)?;
                if step != "failed" {
                    sink.choice(0)?;
                    self.done = true;
                    return Ok(Mark::Done);
                }
            }
            ("response.output_item", "added") => {
                if let Some(json) = event.json {
                    self.items.begun(event.place, json, sink)?;
                }
            }
            ("response.output_item", "done") => {
                if let Some(json) = event.json {
                    self.items.finished(event.place, json, sink)?;
                }
            }
            (
                "response.content_part"
                | "response.reasoning_summary_part"
                | "response.reasoning_part",
                "done",
            ) => {
                if let Some(json) = event.json {
                    self.items.part_done(event.place, event.part, json, sink)?;
                }
            }
            ("response.output_text.annotation", "added") => {
                let spot = self.items.spot(event.place, ContentKind::Text, event.part)?;
                if let Some(json) = event.json {
                    self.items.cite(spot, json, sink)?;
                }
            }
            (what, "delta" | "done") => {
                if let Some(content) = content(what) {
                    self.text(event, content, sink)?;
                }
            }
            _ => {}
        }
        Ok(Mark::Piece)
    }

    fn text(&mut self, event: &Event<'_>, kind: ContentKind, sink: &mut Sink<'_>) -> Outcome {
        let spot = self.items.spot(event.place, kind, event.part)?;
        if let Some(delta) = &event.delta {
            self.items.push(spot, delta, sink)?;
            if let Some(logprobs) = event.logprobs {
                self.items.rate(spot, logprobs, sink)?;
            }
        } else if let Some(text) = &event.text {
            // Its probabilities come again with the part.
            self.items.complete(spot, text, sink)?;
        }
        Ok(())
    }
}

/// What kind of text an event is about.
fn content(what: &str) -> Option<ContentKind> {
    Some(match what {
        "response.output_text" => ContentKind::Text,
        "response.refusal" => ContentKind::Refusal,
        "response.reasoning_summary_text" => ContentKind::Summary,
        "response.reasoning_text" => ContentKind::Reasoning,
        "response.function_call_arguments" | "response.custom_tool_call_input" => {
            ContentKind::Arguments
        }
        _ => return None,
    })
}

impl Decoder for Events {
    fn event(
        &mut self,
        name: &str,
        data: &str,
        sink: &mut Sink<'_>,
    ) -> Result<Mark, UpstreamError> {
        // Some send a `[DONE]`, which says nothing new.
        if self.done || data == "[DONE]" {
            return Ok(Mark::Piece);
        }
        let taken = Event::read(data).map_err(Fault::Json).and_then(|event| {
            let failed = event.kind == "error";
            if failed { Ok(None) } else { self.take(name, &event, sink).map(Some) }
        });
        match taken {
            Ok(Some(mark)) => Ok(mark),
            Ok(None) => Err(UpstreamError::from_json(200, data)),
            Err(Fault::TooMany(error)) => Err(error.into()),
            Err(Fault::Json(error)) => {
                let message = format!("an event of the stream cannot be read: {error}");
                Err(UpstreamError::invalid("invalid_event", message))
            }
        }
    }

    fn is_complete(&self, _: &Answer) -> bool {
        self.done
    }

    /// The last event says the whole answer again, and much of the request.
    fn longest_event(&self) -> usize {
        MAX_LARGE_EVENT
    }
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
