//! The items of an answer, which streams bring in pieces and repeat when they are done. What was
//! taken in already is never taken again.

use std::borrow::Cow;

use super::answer::{Fault, Outcome};
use super::item::{Item, texts};
use super::pieces::{PARAGRAPH, annotation, joined_paragraphs};
use crate::dialect::Dialect;
use crate::dialect::answer::TokenLogprob;
use crate::dialect::json::{JsonError, Kind, Scanner};
use crate::dialect::openai_chat::token_logprob;
use crate::dialect::part::{Body, Media, MediaKind, Part, Signature, Source, ToolCall};
use crate::dialect::sink::{MAX_ITEMS, Sink, TooMany};

/// Where an item is, as far as an event says.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place<'a> {
    /// Its place in the output.
    pub index: Option<u64>,
    pub id: &'a str,
}

/// Above the indices of all parts that came before their item was complete.
const NEW: u64 = 1 << 32;

/// The items that have come so far.
#[derive(Debug, Default)]
pub(super) struct Items {
    slots: Vec<Slot>,
}

#[derive(Debug, Default)]
struct Slot {
    index: Option<u64>,
    id: String,
    contents: Vec<Content>,
    done: bool,
}

/// A text that an item is made of.
#[derive(Debug)]
struct Content {
    kind: ContentKind,
    /// Its index within the item.
    index: u64,
    /// The part that holds it.
    at: usize,
    /// Where in the part's text it begins.
    from: usize,
    cited: bool,
    rated: bool,
}

/// The kinds of text that items are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ContentKind {
    Text,
    Refusal,
    /// Thinking in summary.
    Summary,
    /// Thinking as it was thought.
    Reasoning,
    /// A call's arguments.
    Arguments,
}

impl ContentKind {
    fn is_thinking(self) -> bool {
        matches!(self, ContentKind::Summary | ContentKind::Reasoning)
    }

    fn is_said(self) -> bool {
        matches!(self, ContentKind::Text | ContentKind::Refusal)
    }
}

/// One text of one item.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot {
    slot: usize,
    kind: ContentKind,
    index: u64,
}

impl Items {
    /// The text at this place.
    ///
    /// # Errors
    /// When there are too many items.
    pub(super) fn spot(
        &mut self,
        place: Place<'_>,
        kind: ContentKind,
        index: u64,
    ) -> Result<Spot, TooMany> {
        Ok(Spot { slot: self.slot(place)?, kind, index })
    }

    fn find(&self, place: Place<'_>) -> Option<usize> {
        match place.index {
            // Some give several items one id.
            Some(index) => self.slots.iter().rposition(|slot| slot.index == Some(index)),
            // Where an event does not say, it is about the item under way.
            None if place.id.is_empty() => self.slots.len().checked_sub(1),
            None => self.by_id(place.id),
        }
    }

    fn by_id(&self, id: &str) -> Option<usize> {
        self.slots.iter().rposition(|slot| !id.is_empty() && slot.id == id)
    }

    fn slot(&mut self, place: Place<'_>) -> Result<usize, TooMany> {
        if let Some(at) = self.find(place) {
            return Ok(at);
        }
        if self.slots.len() == MAX_ITEMS {
            return Err(TooMany);
        }
        let (index, id) = (place.index, place.id.to_owned());
        self.slots.push(Slot { index, id, ..Slot::default() });
        Ok(self.slots.len() - 1)
    }

    fn known(&mut self, spot: Spot) -> Option<&mut Content> {
        let contents = &mut self.slots[spot.slot].contents;
        contents.iter_mut().find(|it| it.kind == spot.kind && it.index == spot.index)
    }

    /// More of a text.
    ///
    /// # Errors
    /// When there are too many parts.
    pub(super) fn push(&mut self, spot: Spot, text: &str, sink: &mut Sink<'_>) -> Outcome {
        if let Some(known) = self.known(spot) {
            sink.more(0, known.at, text);
        } else if !text.is_empty() {
            self.open(spot, text, sink)?;
        }
        Ok(())
    }

    /// Begins a text.
    fn open(&mut self, spot: Spot, text: &str, sink: &mut Sink<'_>) -> Result<(), TooMany> {
        let contents = &self.slots[spot.slot].contents;
        if contents.len() == MAX_ITEMS {
            return Err(TooMany);
        }
        let mut from = 0;
        let owned = || text.to_owned();
        let at = match spot.kind {
            ContentKind::Text => sink.part(0, Part::text(owned()))?,
            ContentKind::Refusal => sink.part(0, Part::new(Body::Refusal(owned().into())))?,
            ContentKind::Arguments => sink.part(0, Part::call("", "", owned()))?,
            ContentKind::Summary | ContentKind::Reasoning => {
                match contents.iter().rev().find(|it| it.kind.is_thinking()) {
                    None => sink.part(0, Part::thinking(owned()))?,
                    // Some say the same in full and in summary: what came first counts.
                    Some(other) if other.kind != spot.kind => return Ok(()),
                    // The paragraphs of one thought are one part: it is signed as a whole.
                    Some(other) => {
                        let at = other.at;
                        sink.more(0, at, PARAGRAPH);
                        from = text_of(sink, at).len();
                        sink.more(0, at, text);
                        at
                    }
                }
            }
        };
        let Spot { slot, kind, index } = spot;
        let content = Content { kind, index, at, from, cited: false, rated: false };
        self.slots[slot].contents.push(content);
        Ok(())
    }

    /// A text as a whole, of which its pieces may have brought all, some or nothing.
    ///
    /// # Errors
    /// When there are too many parts.
    pub(super) fn complete(&mut self, spot: Spot, text: &str, sink: &mut Sink<'_>) -> Outcome {
        let Some(known) = self.known(spot) else {
            return self.push(spot, text, sink);
        };
        let (at, from) = (known.at, known.from);
        let contents = &self.slots[spot.slot].contents;
        // A paragraph with another behind it cannot grow any more.
        if contents.iter().any(|it| it.at == at && it.from > from) {
            return Ok(());
        }
        let seen = text_of(sink, at).get(from..).unwrap_or_default();
        if let Some(rest) = text.strip_prefix(seen).filter(|rest| !rest.is_empty()) {
            sink.more(0, at, rest);
        }
        Ok(())
    }

    /// A citation of a text.
    ///
    /// # Errors
    /// Broken JSON, or too many parts.
    pub(super) fn cite(&mut self, spot: Spot, json: &str, sink: &mut Sink<'_>) -> Outcome {
        let Some(citation) = annotation(&mut Scanner::new(json))? else { return Ok(()) };
        if self.known(spot).is_none() {
            self.open(spot, "", sink)?;
        }
        if let Some(known) = self.known(spot) {
            known.cited = true;
            sink.cite(0, known.at, citation.into_owned());
        }
        Ok(())
    }

    /// Probabilities of a text's tokens.
    ///
    /// # Errors
    /// Broken JSON, or too many choices.
    pub(super) fn rate(&mut self, spot: Spot, json: &str, sink: &mut Sink<'_>) -> Outcome {
        let mut tokens: Vec<TokenLogprob> = Vec::new();
        Scanner::new(json).array(|scanner, _| {
            tokens.extend(token_logprob(scanner)?);
            Ok::<(), JsonError>(())
        })?;
        if let Some(known) = self.known(spot).filter(|_| !tokens.is_empty()) {
            known.rated = true;
        }
        Ok(sink.logprobs(0, tokens)?)
    }

    /// A part of a message or of a thought, complete; gives whether anything is in it.
    ///
    /// # Errors
    /// Broken JSON, or too many parts.
    fn part(
        &mut self,
        slot: usize,
        index: u64,
        json: &str,
        sink: &mut Sink<'_>,
    ) -> Result<bool, Fault> {
        let (mut kind, mut text) = ("", Cow::Borrowed(""));
        let (mut annotations, mut logprobs) = (None, None);
        Scanner::new(json).object(|scanner, key| {
            match (key.raw, scanner.kind()?) {
                ("type", Kind::String) => kind = scanner.string()?.raw,
                ("text" | "refusal", Kind::String) => text = scanner.string()?.cow(),
                ("annotations", Kind::Array) => annotations = Some(scanner.raw()?),
                ("logprobs", Kind::Array) => logprobs = Some(scanner.raw()?),
                _ => {}
            }
            Ok::<(), JsonError>(())
        })?;
        let kind = match kind {
            "output_text" | "text" => ContentKind::Text,
            "refusal" => ContentKind::Refusal,
            "summary_text" => ContentKind::Summary,
            "reasoning_text" => ContentKind::Reasoning,
            _ => return Ok(false),
        };
        let spot = Spot { slot, kind, index };
        self.complete(spot, &text, sink)?;
        if let Some(json) = annotations.filter(|_| self.known(spot).is_none_or(|it| !it.cited)) {
            let mut scanner = Scanner::new(json);
            scanner.array(|scanner, _| self.cite(spot, scanner.raw()?, sink))?;
        }
        if let Some(json) = logprobs.filter(|_| self.known(spot).is_none_or(|it| !it.rated)) {
            self.rate(spot, json, sink)?;
        }
        Ok(self.known(spot).is_some())
    }

    /// A part that an event completes.
    ///
    /// # Errors
    /// Broken JSON, or too many parts.
    pub(super) fn part_done(
        &mut self,
        place: Place<'_>,
        index: u64,
        json: &str,
        sink: &mut Sink<'_>,
    ) -> Outcome {
        let slot = self.slot(place)?;
        self.part(slot, index, json, sink).map(drop)
    }

    /// An item that begins: of calls it names the tool.
    ///
    /// # Errors
    /// Broken JSON, or too many items.
    pub(super) fn begun(&mut self, place: Place<'_>, json: &str, sink: &mut Sink<'_>) -> Outcome {
        let item = Item::read(json)?;
        let slot = self.slot(Place { id: item.id, ..place })?;
        match item.is_call() {
            true => self.call(slot, item, sink),
            false => Ok(()),
        }
    }

    /// All items of a complete answer; of a stream, those that it did not complete itself.
    ///
    /// # Errors
    /// Broken JSON, or too many items or parts.
    pub(super) fn all(&mut self, output: &str, sink: &mut Sink<'_>) -> Outcome {
        let streamed = !self.slots.is_empty();
        Scanner::new(output).array(|scanner, index| {
            if scanner.kind()? != Kind::Object {
                return Ok(());
            }
            let json = scanner.raw()?;
            // Where a stream leaves items out, they are numbered otherwise at its end.
            let known = self.by_id(Item::read(json)?.id).filter(|_| streamed);
            let index = known.map_or(Some(index as u64), |slot| self.slots[slot].index);
            self.finished(Place { index, id: "" }, json, sink)
        })
    }

    /// An item that is complete.
    ///
    /// # Errors
    /// Broken JSON, or too many items or parts.
    pub(super) fn finished(
        &mut self,
        place: Place<'_>,
        json: &str,
        sink: &mut Sink<'_>,
    ) -> Outcome {
        let item = Item::read(json)?;
        let slot = self.slot(Place { id: item.id, ..place })?;
        if std::mem::replace(&mut self.slots[slot].done, true) {
            return Ok(());
        }
        match item.kind {
            "message" => self.message(slot, &item, sink),
            "reasoning" => self.thought(slot, &item, json, sink),
            _ if item.is_call() => self.call(slot, item, sink),
            "image_generation_call" if !item.result.is_empty() => {
                let mime = format!("image/{}", item.format.unwrap_or("png")).into();
                let data = item.result.into_owned().into();
                let media = Media::new(MediaKind::Image, Source::Base64 { mime, data });
                sink.part(0, Part::new(Body::Media(media)))?;
                Ok(())
            }
            _ => {
                let json = json.to_owned().into();
                let native = Body::Native { dialect: Dialect::OpenAiResponses, json };
                sink.part(0, Part::new(native))?;
                Ok(())
            }
        }
    }

    /// Some number the parts of a message otherwise while they come, so they are told by their order.
    fn message(&mut self, slot: usize, item: &Item<'_>, sink: &mut Sink<'_>) -> Outcome {
        let Some(content) = item.content else { return Ok(()) };
        let came = self.slots[slot].contents.iter().filter(|it| it.kind.is_said());
        let came: Vec<u64> = came.map(|it| it.index).collect();
        let mut position = 0;
        Scanner::new(content).array(|scanner, index| {
            if scanner.kind()? == Kind::Object {
                let new = NEW + index as u64;
                let index = came.get(position).copied().unwrap_or(new);
                position += usize::from(self.part(slot, index, scanner.raw()?, sink)?);
            }
            Ok::<(), Fault>(())
        })
    }

    /// A thought's signature is its whole item: so it can go back as it came.
    fn thought(
        &mut self,
        slot: usize,
        item: &Item<'_>,
        json: &str,
        sink: &mut Sink<'_>,
    ) -> Outcome {
        let full = texts(item.content)?;
        let full = if full.is_empty() { texts(item.summary)? } else { full };
        let full = joined_paragraphs(full.iter().map(|text| &**text));
        let came = self.slots[slot].contents.iter().find(|it| it.kind.is_thinking());
        let at = match came.map(|it| it.at) {
            Some(at) => {
                let rest = full.strip_prefix(text_of(sink, at)).unwrap_or_default();
                sink.more(0, at, rest);
                at
            }
            None => {
                let redacted = item.encrypted && full.is_empty();
                sink.part(0, Part::new(Body::Thinking { text: full.into(), redacted }))?
            }
        };
        let value = json.to_owned().into();
        sink.sign(0, at, Signature { dialect: Dialect::OpenAiResponses, value });
        Ok(())
    }

    fn call(&mut self, slot: usize, item: Item<'_>, sink: &mut Sink<'_>) -> Outcome {
        let spot = Spot { slot, kind: ContentKind::Arguments, index: 0 };
        let id = if item.call.is_empty() { item.id } else { item.call };
        let Some(known) = self.known(spot) else {
            let call = ToolCall {
                id: id.to_owned().into(),
                name: item.name.into_owned().into(),
                arguments: item.arguments.into_owned().into(),
                free_form: item.kind == "custom_tool_call",
            };
            let at = sink.part(0, Part::new(Body::Call(call)))?;
            let content = Content {
                kind: ContentKind::Arguments,
                index: 0,
                at,
                from: 0,
                cited: false,
                rated: false,
            };
            self.slots[slot].contents.push(content);
            return Ok(());
        };
        let free_form = item.kind == "custom_tool_call";
        sink.amend(0, known.at, |part| {
            if let Body::Call(call) = &mut part.body {
                call.free_form |= free_form;
                if call.id.is_empty() {
                    call.id = id.to_owned().into();
                }
                if call.name.is_empty() {
                    call.name = item.name.into_owned().into();
                }
            }
        });
        self.complete(spot, &item.arguments, sink)
    }
}

fn text_of<'s>(sink: &'s Sink<'_>, at: usize) -> &'s str {
    let part = sink.answer().choice(0).and_then(|choice| choice.parts.get(at));
    part.map_or("", Part::main_text)
}
