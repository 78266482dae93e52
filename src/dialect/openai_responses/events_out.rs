//! Writing an answer of another dialect as a stream of events.
//!
//! Texts and thoughts become items that are done as soon as the next one begins; what comes late for
//! one that is done begins another. Calls stay open to the end, since their pieces may be mixed.

use super::answer_out::{Item, Kind, Piece, Status, annotation, logprob, response};
use super::items::thought_texts;
use crate::dialect::Dialect;
use crate::dialect::answer::{Answer, Choice};
use crate::dialect::part::{Body, MediaKind, Part};
use crate::dialect::passage::Context;
use crate::dialect::sink::{Delta, Writer};
use crate::dialect::write::{JsonOut, event};

/// Writes the events of one answer.
#[derive(Debug)]
pub(super) struct Events {
    context: Context,
    /// Only the items are kept, and nothing is written.
    silent: bool,
    begun: bool,
    /// The number of the next event.
    number: u64,
    /// The choice that is told; there is but one in this dialect.
    choice: u32,
    items: Vec<Item>,
    /// How many tokens' probabilities were told.
    rated: usize,
    /// The parts whose thoughts went out, and how long their signatures were then.
    signed: Vec<(usize, usize)>,
}

/// What an event is about: an item, and a piece of it.
#[derive(Clone, Copy)]
struct Spot {
    item: usize,
    piece: usize,
}

impl Events {
    pub(super) fn new(context: &Context) -> Events {
        Events {
            context: context.clone(),
            silent: false,
            begun: false,
            number: 0,
            choice: 0,
            items: Vec::new(),
            rated: 0,
            signed: Vec::new(),
        }
    }

    /// One that only finds out what items there are.
    pub(super) fn silent(context: &Context, answer: &Answer) -> Events {
        let choice = answer.primary().map_or(0, |choice| choice.index);
        Events { silent: true, choice, ..Events::new(context) }
    }

    /// The choice that is told.
    fn told<'a>(&self, answer: &'a Answer) -> Option<&'a Choice> {
        answer.choice(self.choice)
    }

    /// The response as it is now; without a status, at its beginning.
    pub(super) fn response(&self, w: &mut JsonOut<'_>, answer: &Answer, status: Option<Status>) {
        let output = |w: &mut JsonOut<'_>| {
            if let Some(choice) = self.told(answer).filter(|_| status.is_some()) {
                self.items.iter().for_each(|item| w.object(|w| item.write(w, choice)));
            }
        };
        response(w, answer, &self.context, output, status);
    }

    fn event(
        &mut self,
        out: &mut Vec<u8>,
        name: &str,
        members: impl FnOnce(&Events, &mut JsonOut<'_>),
    ) {
        if self.silent {
            return;
        }
        event(out, name, |w| {
            w.field_str("type", name);
            w.field_int("sequence_number", self.number);
            members(self, w);
        });
        self.number += 1;
    }

    fn begin(&mut self, answer: &Answer, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        for name in ["response.created", "response.in_progress"] {
            self.event(out, name, |it, w| {
                w.field_object("response", |w| it.response(w, answer, None));
            });
        }
    }

    /// An event about an item or a piece of it.
    fn about(
        &mut self,
        out: &mut Vec<u8>,
        name: &str,
        spot: Spot,
        index: Option<&str>,
        members: impl FnOnce(&Piece, &mut JsonOut<'_>),
    ) {
        self.event(out, name, |it, w| {
            let item = &it.items[spot.item];
            w.field_str("item_id", &item.id);
            w.field_int("output_index", spot.item as u64);
            if let Some(index) = index {
                w.field_int(index, spot.piece as u64);
            }
            members(&item.pieces[spot.piece], w);
        });
    }

    /// A new item about a part.
    fn open(
        &mut self,
        choice: &Choice,
        kind: Kind,
        at: usize,
        from: usize,
        out: &mut Vec<u8>,
    ) -> Spot {
        self.close(choice, false, out);
        let item = self.items.len();
        let id = Item::id(kind, choice.parts.get(at), &self.context, item);
        self.items.push(Item { kind, id, pieces: Vec::new(), open: true });
        // The item says of its part what it can before any text.
        self.items[item].pieces.push(piece(at, from));
        self.event(out, "response.output_item.added", |it, w| {
            w.field_int("output_index", item as u64);
            w.field_object("item", |w| {
                it.items[item].write_begun(w, choice, true);
            });
        });
        Spot { item, piece: 0 }
    }

    /// Closes what is open; calls only at the end.
    fn close(&mut self, choice: &Choice, all: bool, out: &mut Vec<u8>) {
        for item in 0..self.items.len() {
            let Item { kind, open, pieces, .. } = &self.items[item];
            if !open || (*kind == Kind::Call && !all) {
                continue;
            }
            let spot = Spot { item, piece: pieces.len() - 1 };
            self.close_item(choice, spot, out);
        }
    }

    fn close_item(&mut self, choice: &Choice, spot: Spot, out: &mut Vec<u8>) {
        let Item { kind, pieces, .. } = &self.items[spot.item];
        let (kind, at) = (*kind, pieces[spot.piece].at);
        let part = choice.parts.get(at);
        match (kind, part.map(|part| &part.body)) {
            (Kind::Message | Kind::Thought, _) => self.close_piece(choice, spot, out),
            (Kind::Call, Some(Body::Call(call))) => {
                let (name, field) = match call.free_form {
                    true => ("response.custom_tool_call_input.done", "input"),
                    false => ("response.function_call_arguments.done", "arguments"),
                };
                let empty = call.arguments.trim().is_empty() && !call.free_form;
                self.about(out, name, spot, None, |_, w| {
                    w.field_str(field, if empty { "{}" } else { &call.arguments });
                });
            }
            _ => {}
        }
        if kind == Kind::Thought {
            let length =
                part.and_then(|part| part.signature.as_ref()).map_or(0, |it| it.value.len());
            self.signed.retain(|(other, _)| *other != at);
            self.signed.push((at, length));
        }
        self.items[spot.item].open = false;
        self.event(out, "response.output_item.done", |it, w| {
            w.field_int("output_index", spot.item as u64);
            w.field_object("item", |w| it.items[spot.item].write(w, choice));
        });
    }

    fn close_piece(&mut self, choice: &Choice, spot: Spot, out: &mut Vec<u8>) {
        let kind = self.items[spot.item].kind;
        let piece = &mut self.items[spot.item].pieces[spot.piece];
        let text = piece.text(choice);
        piece.to = Some(piece.from + text.len());
        if kind == Kind::Thought {
            if text.is_empty() {
                return; // nothing was shown
            }
            let index = Some("summary_index");
            self.about(out, "response.reasoning_summary_text.done", spot, index, |_, w| {
                w.field_str("text", text);
            });
            return self.about(out, "response.reasoning_summary_part.done", spot, index, |_, w| {
                w.field_object("part", |w| {
                    w.field_str("type", "summary_text");
                    w.field_str("text", text);
                });
            });
        }
        let index = Some("content_index");
        if is_refusal(choice, piece.at) {
            self.about(out, "response.refusal.done", spot, index, |_, w| {
                w.field_str("refusal", text);
            });
        } else {
            self.about(out, "response.output_text.done", spot, index, |piece, w| {
                w.field_str("text", text);
                w.field_array("logprobs", |w| {
                    let tokens = choice.logprobs.tokens.get(piece.tokens.clone());
                    tokens.unwrap_or_default().iter().for_each(|token| logprob(w, token));
                });
            });
        }
        self.about(out, "response.content_part.done", spot, index, |piece, w| {
            w.field_object("part", |w| piece.write(w, choice));
        });
    }

    /// The open item that a part's text grows in.
    fn growing(&self, at: usize) -> Option<Spot> {
        let item = self.items.iter().rposition(|item| {
            item.open && item.pieces.last().is_some_and(|piece| piece.at == at)
        })?;
        Some(Spot { item, piece: self.items[item].pieces.len() - 1 })
    }

    /// Where a message's text from `from` on goes.
    fn said(&mut self, choice: &Choice, at: usize, from: usize, out: &mut Vec<u8>) -> Spot {
        if let Some(spot) = self.growing(at) {
            return spot;
        }
        let message = |item: &Item| item.open && item.kind == Kind::Message;
        let spot = match self.items.iter().rposition(message) {
            Some(item) => {
                let last = self.items[item].pieces.len() - 1;
                self.close_piece(choice, Spot { item, piece: last }, out);
                self.items[item].pieces.push(piece(at, from));
                Spot { item, piece: last + 1 }
            }
            None => self.open(choice, Kind::Message, at, from, out),
        };
        let refusal = is_refusal(choice, at);
        self.about(out, "response.content_part.added", spot, Some("content_index"), |_, w| {
            w.field_object("part", |w| match refusal {
                true => {
                    w.field_str("type", "refusal");
                    w.field_str("refusal", "");
                }
                false => {
                    w.field_str("type", "output_text");
                    w.field_array("annotations", |_| {});
                    w.field_array("logprobs", |_| {});
                    w.field_str("text", "");
                }
            });
        });
        spot
    }

    /// Text that was just added to a part.
    fn text(&mut self, choice: &Choice, at: usize, text: &str, out: &mut Vec<u8>) {
        let Some(part) = choice.parts.get(at) else { return };
        let from = part.main_text().len().saturating_sub(text.len());
        match &part.body {
            Body::Text { .. } | Body::Refusal(_) => {
                let refusal = is_refusal(choice, at);
                let spot = self.said(choice, at, from, out);
                if refusal {
                    let index = Some("content_index");
                    return self.about(out, "response.refusal.delta", spot, index, |_, w| {
                        w.field_str("delta", text);
                    });
                }
                self.text_delta(choice, spot, text, out);
            }
            Body::Thinking { .. } => {
                let spot = self.growing(at);
                let spot = spot.unwrap_or_else(|| self.open(choice, Kind::Thought, at, from, out));
                let piece = &self.items[spot.item].pieces[spot.piece];
                let index = Some("summary_index");
                if piece.text(choice).len() == text.len() {
                    let name = "response.reasoning_summary_part.added";
                    self.about(out, name, spot, index, |_, w| {
                        w.field_object("part", |w| {
                            w.field_str("type", "summary_text");
                            w.field_str("text", "");
                        });
                    });
                }
                self.about(out, "response.reasoning_summary_text.delta", spot, index, |_, w| {
                    w.field_str("delta", text);
                });
            }
            Body::Call(call) => {
                let Some(spot) = self.growing(at) else { return };
                let name = match call.free_form {
                    true => "response.custom_tool_call_input.delta",
                    false => "response.function_call_arguments.delta",
                };
                self.about(out, name, spot, None, |_, w| w.field_str("delta", text));
            }
            Body::Media(_) | Body::Native { .. } | Body::Result(_) => {}
        }
    }

    fn part(&mut self, choice: &Choice, at: usize, out: &mut Vec<u8>) {
        let Some(part) = choice.parts.get(at) else { return };
        let image = |part: &Part<'_>| matches!(&part.body, Body::Media(media) if media.kind == MediaKind::Image);
        match &part.body {
            Body::Call(_) => drop(self.open(choice, Kind::Call, at, 0, out)),
            Body::Thinking { redacted, .. } if *redacted || part.signature.is_some() => {
                let signature = part.signature.as_ref();
                let own = signature.and_then(|it| it.for_signer(Dialect::OpenAiResponses));
                if let Some(json) = own {
                    return self.own_thought(choice, at, json, out);
                }
                self.open(choice, Kind::Thought, at, 0, out);
            }
            Body::Native { dialect: Dialect::OpenAiResponses, .. } => {
                let spot = self.open(choice, Kind::Native, at, 0, out);
                return self.close_item(choice, spot, out);
            }
            _ if image(part) => {
                let spot = self.open(choice, Kind::Image, at, 0, out);
                return self.close_item(choice, spot, out);
            }
            _ => {}
        }
        let text = part.main_text();
        if !text.is_empty() {
            self.text(choice, at, text, out);
        }
        if let Body::Text { citations, .. } = &part.body {
            (0..citations.len()).for_each(|index| self.cite(choice, at, index, out));
        }
        if part.signature.is_some() {
            self.sign(choice, at, out);
        }
    }

    /// A thought that came in this dialect is told as it is, paragraph for paragraph.
    fn own_thought(&mut self, choice: &Choice, at: usize, json: &str, out: &mut Vec<u8>) {
        let end = choice.parts.get(at).map_or(0, |part| part.main_text().len());
        // All of it is told here: nothing is left for the item to tell when it is closed.
        let spot = self.open(choice, Kind::Thought, at, end, out);
        for (list, kind, part, text) in [
            ("content", "reasoning_text", "content_part", "reasoning_text"),
            ("summary", "summary_text", "reasoning_summary_part", "reasoning_summary_text"),
        ] {
            let texts = thought_texts(json, list).unwrap_or_default();
            for (number, said) in texts.iter().enumerate() {
                let mut tell = |what: &str, step: &str, field: &str, said: &str| {
                    self.event(out, &format!("response.{what}.{step}"), |it, w| {
                        w.field_str("item_id", &it.items[spot.item].id);
                        w.field_int("output_index", spot.item as u64);
                        w.field_int(&format!("{list}_index"), number as u64);
                        match field {
                            "part" => w.field_object("part", |w| {
                                w.field_str("type", kind);
                                w.field_str("text", said);
                            }),
                            field => w.field_str(field, said),
                        }
                    });
                };
                tell(part, "added", "part", "");
                tell(text, "delta", "delta", said);
                tell(text, "done", "text", said);
                tell(part, "done", "part", said);
            }
        }
        self.close_item(choice, spot, out);
    }

    fn cite(&mut self, choice: &Choice, at: usize, index: usize, out: &mut Vec<u8>) {
        let Some(Part { body: Body::Text { text, citations }, .. }) = choice.parts.get(at) else {
            return;
        };
        let Some(citation) = citations.get(index) else { return };
        let spot = self.said(choice, at, text.len(), out);
        let piece = &mut self.items[spot.item].pieces[spot.piece];
        if piece.citations.is_empty() {
            piece.citations = index..index;
        }
        piece.citations.end = index + 1;
        let number = piece.citations.len() - 1;
        self.about(
            out,
            "response.output_text.annotation.added",
            spot,
            Some("content_index"),
            |_, w| {
                w.field_int("annotation_index", number as u64);
                let length = text.chars().count() as u64;
                annotation(w.key("annotation"), citation, length);
            },
        );
    }

    /// A thought carries its own signature; the others need an item behind them for it.
    fn sign(&mut self, choice: &Choice, at: usize, out: &mut Vec<u8>) {
        let Some(part) = choice.parts.get(at) else { return };
        match &part.body {
            Body::Thinking { .. } => {
                let known = |item: &Item| {
                    item.kind == Kind::Thought && item.pieces.iter().any(|piece| piece.at == at)
                };
                // Of one that is done already the rest follows at the end.
                if !self.items.iter().any(known) {
                    self.open(choice, Kind::Thought, at, 0, out);
                }
            }
            Body::Call(_) | Body::Text { .. } => self.signature(choice, at, out),
            _ => {}
        }
    }

    fn signature(&mut self, choice: &Choice, at: usize, out: &mut Vec<u8>) {
        let spot = self.open(choice, Kind::Signature, at, 0, out);
        self.close_item(choice, spot, out);
    }

    /// A piece of text, with the probabilities that were not told yet.
    fn text_delta(&mut self, choice: &Choice, spot: Spot, text: &str, out: &mut Vec<u8>) {
        let tokens = &choice.logprobs.tokens;
        let new = self.rated.min(tokens.len())..tokens.len();
        self.rated = tokens.len();
        let piece = &mut self.items[spot.item].pieces[spot.piece];
        if piece.tokens.is_empty() {
            piece.tokens = new.clone();
        }
        piece.tokens.end = new.end;
        self.about(out, "response.output_text.delta", spot, Some("content_index"), |_, w| {
            w.field_str("delta", text);
            w.field_array("logprobs", |w| {
                tokens[new].iter().for_each(|token| logprob(w, token));
            });
        });
    }

    /// Probabilities that came behind their text.
    fn logprobs(&mut self, choice: &Choice, out: &mut Vec<u8>) {
        let message = |item: &Item| item.open && item.kind == Kind::Message;
        let Some(item) = self.items.iter().rposition(message) else { return };
        let spot = Spot { item, piece: self.items[item].pieces.len() - 1 };
        let refused = is_refusal(choice, self.items[item].pieces[spot.piece].at);
        if self.rated < choice.logprobs.tokens.len() && !refused {
            self.text_delta(choice, spot, "", out);
        }
    }
}

fn piece(at: usize, from: usize) -> Piece {
    Piece { at, from, to: None, citations: 0..0, tokens: 0..0 }
}

fn is_refusal(choice: &Choice, at: usize) -> bool {
    matches!(choice.parts.get(at), Some(Part { body: Body::Refusal(_), .. }))
}

impl Writer for Events {
    fn delta(&mut self, answer: &Answer, delta: Delta<'_>, out: &mut Vec<u8>) {
        let (Delta::Part { choice: index, .. }
        | Delta::Text { choice: index, .. }
        | Delta::Signature { choice: index, .. }
        | Delta::Citation { choice: index, .. }
        | Delta::Logprobs { choice: index, .. }
        | Delta::Finish { choice: index }) = delta;
        if self.choice != index {
            return;
        }
        let Some(choice) = answer.choice(index) else { return };
        self.begin(answer, out);
        match delta {
            Delta::Part { at, .. } => self.part(choice, at, out),
            Delta::Text { at, text, .. } => self.text(choice, at, text, out),
            Delta::Signature { at, .. } => self.sign(choice, at, out),
            Delta::Citation { at, .. } => {
                if let Some(Part { body: Body::Text { citations, .. }, .. }) = choice.parts.get(at)
                {
                    self.cite(choice, at, citations.len().saturating_sub(1), out);
                }
            }
            Delta::Logprobs { .. } => self.logprobs(choice, out),
            Delta::Finish { .. } => {}
        }
    }

    fn end(&mut self, answer: &Answer, out: &mut Vec<u8>) {
        self.begin(answer, out);
        if let Some(choice) = self.told(answer) {
            self.close(choice, true, out);
            for (at, length) in std::mem::take(&mut self.signed) {
                let signature = choice.parts.get(at).and_then(|part| part.signature.as_ref());
                if signature.is_some_and(|signature| signature.value.len() > length) {
                    self.signature(choice, at, out);
                }
            }
        }
        let status = Status::of(answer);
        let name = format!("response.{}", status.name());
        self.event(out, &name, |it, w| {
            w.field_object("response", |w| it.response(w, answer, Some(status)));
        });
    }
}

#[cfg(test)]
#[path = "events_tests.rs"]
mod tests;
