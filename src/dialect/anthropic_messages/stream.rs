//! The events of a stream: a message begins, its blocks come one by one in pieces, and it ends.

use super::OWN;
use super::answer::{Counts, Stop};
use super::blocks::{Block, citation};
use crate::dialect::answer::Answer;
use crate::dialect::error::UpstreamError;
use crate::dialect::fault::{Fault, Outcome};
use crate::dialect::framing::Wire;
use crate::dialect::json::{JsonError, Kind, Scanner};
use crate::dialect::part::{Body, Part, Signature, Text};
use crate::dialect::sink::{MAX_ITEMS, Sink, TooMany};
use crate::dialect::stream::{Decoder, Mark, Stream};
use crate::dialect::write::JsonOut;

/// A stream at its beginning.
pub(super) fn stream() -> Stream {
    Stream::new(Wire::Sse, Box::new(Events::default()))
}

#[derive(Debug, Default)]
struct Events {
    counts: Counts,
    /// The blocks that are open, by their numbers; there is rarely more than one.
    open: Vec<(u64, Open)>,
    done: bool,
}

#[derive(Debug)]
enum Open {
    /// A part of the answer, and its place.
    Part(usize),
    /// A block that this dialect alone knows.
    Native(Native),
}

/// A block that only clients of this dialect can be told about. They are told as it comes; for the
/// answer it is put together, and is a part of it when it ends.
#[derive(Debug)]
struct Native {
    start: String,
    /// What was added to its members: to `input` JSON, to others text.
    added: Vec<(String, String)>,
}

impl Decoder for Events {
    fn event(
        &mut self,
        name: &str,
        data: &str,
        sink: &mut Sink<'_>,
    ) -> Result<Mark, UpstreamError> {
        let event = Event::read(data).map_err(|error| Fault::from(error).of_event())?;
        let kind = if event.kind.is_empty() { name } else { &event.kind };
        match kind {
            "message_stop" => {
                self.done = true;
                return Ok(Mark::Done);
            }
            "error" => return Err(UpstreamError::from_json(200, data)),
            _ => {}
        }
        self.take_in(kind, &event, sink).map_err(Fault::of_event)?;
        Ok(Mark::Piece)
    }

    fn is_complete(&self, _: &Answer) -> bool {
        self.done
    }
}

/// An event's members; its type may stand behind all others.
#[derive(Default)]
struct Event<'a> {
    kind: Text<'a>,
    index: u64,
    message: Option<&'a str>,
    block: Option<&'a str>,
    delta: Option<&'a str>,
    usage: Option<&'a str>,
}

impl<'a> Event<'a> {
    fn read(data: &'a str) -> Result<Event<'a>, JsonError> {
        let mut event = Event::default();
        let mut scanner = Scanner::new(data);
        scanner.object(|scanner, key| {
            match (&*key.cow(), scanner.kind()?) {
                ("type", _) => event.kind = scanner.text()?.unwrap_or_default(),
                ("index", _) => event.index = scanner.count()?.unwrap_or(0),
                ("message", Kind::Object) => event.message = Some(scanner.raw()?),
                ("content_block", Kind::Object) => event.block = Some(scanner.raw()?),
                ("delta", Kind::Object) => event.delta = Some(scanner.raw()?),
                ("usage", Kind::Object) => event.usage = Some(scanner.raw()?),
                _ => {}
            }
            Ok::<(), JsonError>(())
        })?;
        scanner.end()?;
        Ok(event)
    }
}

impl Events {
    fn take_in(&mut self, kind: &str, event: &Event<'_>, sink: &mut Sink<'_>) -> Outcome {
        match (kind, event) {
            ("message_start", Event { message: Some(json), .. }) => {
                sink.choice(0)?;
                Scanner::new(json).object(|scanner, key| {
                    match (&*key.cow(), scanner.kind()?) {
                        ("id", Kind::String) => sink.id(&scanner.string()?.cow()),
                        ("model", Kind::String) => sink.model(&scanner.string()?.cow()),
                        ("usage", Kind::Object) => self.counts.read(scanner, sink)?,
                        _ => {}
                    }
                    Ok::<(), Fault>(())
                })?;
            }
            ("content_block_start", Event { block: Some(json), index, .. }) => {
                sink.seen.choice = true;
                if self.open.len() == MAX_ITEMS {
                    return Err(TooMany.into());
                }
                let open = begin(Block::read(&mut Scanner::new(json))?, sink)?;
                self.open.extend(open.map(|open| (*index, open)));
            }
            ("content_block_delta", Event { delta: Some(json), index, .. }) => {
                sink.seen.choice = true;
                let open = self.open.iter_mut().rev().find(|(at, _)| at == index);
                if let Some((_, open)) = open {
                    open.add(&Delta::read(json)?, sink)?;
                }
            }
            ("content_block_stop", Event { index, .. }) => {
                sink.seen.choice = true;
                if let Some(at) = self.open.iter().rposition(|(at, _)| at == index) {
                    self.open.remove(at).1.end(sink)?;
                }
            }
            ("message_delta", Event { delta, usage, .. }) => {
                if let Some(json) = usage {
                    self.counts.read(&mut Scanner::new(json), sink)?;
                }
                if let Some(json) = delta {
                    let mut stop = Stop::default();
                    Scanner::new(json).object(|scanner, key| stop.field(&key.cow(), scanner))?;
                    stop.tell(sink)?;
                }
            }
            // Pings, and what may be added one day.
            _ => {}
        }
        Ok(())
    }
}

/// Begins a block.
fn begin(block: Block<'_>, sink: &mut Sink<'_>) -> Outcome<Option<Open>> {
    let start = block.json;
    let mut open = None;
    for mut part in block.parts()? {
        if let Body::Native { .. } = part.body {
            open = Some(Open::Native(Native { start: start.to_owned(), added: Vec::new() }));
            continue;
        }
        if let Body::Call(call) = &mut part.body
            && call.arguments == "{}"
        {
            // It stands for what is to come.
            call.arguments = "".into();
        }
        open = Some(Open::Part(sink.part(0, part.into_owned())?));
    }
    Ok(open)
}

impl Open {
    fn add(&mut self, delta: &Delta<'_>, sink: &mut Sink<'_>) -> Outcome {
        let at = match self {
            Open::Part(at) => *at,
            Open::Native(native) => {
                native.add(delta);
                return Ok(());
            }
        };
        match &*delta.kind {
            "citations_delta" => {
                if let Some(json) = delta.citation
                    && let Some(citation) = citation(&mut Scanner::new(json))?
                {
                    sink.cite(0, at, citation.into_owned());
                }
            }
            "signature_delta" => {
                if let Some(value) = delta.text("signature").filter(|value| !value.is_empty()) {
                    // It comes whole; if it comes again, the last one counts.
                    sink.amend(0, at, |part| part.signature = None);
                    let signature = Signature::read(OWN, value.to_owned().into());
                    sink.sign(0, at, signature);
                }
            }
            _ => {
                for name in ["text", "partial_json", "thinking"] {
                    sink.more(0, at, delta.text(name).unwrap_or_default());
                }
            }
        }
        Ok(())
    }

    fn end(self, sink: &mut Sink<'_>) -> Outcome {
        match self {
            Open::Native(native) => {
                let json = native.finish()?.into();
                sink.part(0, Part::new(Body::Native { dialect: OWN, json }))?;
            }
            Open::Part(at) => {
                let part = sink.answer().primary().and_then(|choice| choice.parts.get(at));
                // No arguments are an empty object.
                if let Some(Part { body: Body::Call(call), .. }) = part
                    && call.arguments.is_empty()
                {
                    sink.more(0, at, "{}");
                }
            }
        }
        Ok(())
    }
}

/// What is added to a block.
#[derive(Default)]
struct Delta<'a> {
    kind: Text<'a>,
    texts: Vec<(Text<'a>, Text<'a>)>,
    citation: Option<&'a str>,
}

impl<'a> Delta<'a> {
    fn read(json: &'a str) -> Result<Delta<'a>, JsonError> {
        let mut delta = Delta::default();
        Scanner::new(json).object(|scanner, key| {
            match (&*key.cow(), scanner.kind()?) {
                ("type", _) => delta.kind = scanner.text()?.unwrap_or_default(),
                ("citation", Kind::Object) => delta.citation = Some(scanner.raw()?),
                (_, Kind::String) => delta.texts.push((key.cow(), scanner.string()?.cow())),
                _ => {}
            }
            Ok::<(), JsonError>(())
        })?;
        Ok(delta)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.texts.iter().find(|(known, _)| known == name).map(|(_, text)| &**text)
    }
}

impl Native {
    fn add(&mut self, delta: &Delta<'_>) {
        for (name, text) in &delta.texts {
            let name = if name == "partial_json" { "input" } else { name };
            match self.added.iter_mut().find(|(known, _)| known == name) {
                Some((_, all)) => all.push_str(text),
                None => self.added.push((name.to_owned(), text.to_string())),
            }
        }
    }

    /// The whole block.
    fn finish(mut self) -> Result<String, JsonError> {
        if self.added.iter().all(|(_, text)| text.is_empty()) {
            return Ok(self.start);
        }
        let mut out = Vec::with_capacity(self.start.len() + 256);
        let mut failed = Ok(());
        JsonOut::new(&mut out).object(|w| {
            failed = Scanner::new(&self.start).object(|scanner, key| {
                let name = key.cow();
                let before = scanner.raw()?;
                let at = self.added.iter().position(|(known, _)| *known == name);
                match at.map(|at| self.added.swap_remove(at).1) {
                    None => w.field_raw(&name, before),
                    Some(input) if name == "input" => {
                        let whole = crate::dialect::json::is_valid(&input);
                        w.field_raw(&name, if whole { &input } else { before });
                    }
                    Some(text) => {
                        let begun = Scanner::new(before).text()?.unwrap_or_default();
                        w.field_str(&name, &format!("{begun}{text}"));
                    }
                }
                Ok::<(), JsonError>(())
            });
            for (name, text) in &self.added {
                w.field_str(name, text);
            }
        });
        failed?;
        Ok(String::from_utf8(out).unwrap_or(self.start))
    }
}
