//! Writing an answer of another dialect as a stream of events.
//!
//! Texts and thoughts become items that are done as soon as the next one begins; what comes late for
//! one that is done begins another. Calls stay open to the end, since their pieces may be mixed.
//! Here items begin and end; `events_parts` says which pieces go where.

use super::answer_out::{Item, Kind, Piece, Status, response};
use crate::dialect::answer::{Answer, Choice};
use crate::dialect::openai_chat::logprob_out;
use crate::dialect::part::{Body, Part};
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
    pub(super) items: Vec<Item>,
    /// How many tokens' probabilities were told.
    pub(super) rated: usize,
    /// The parts whose thoughts went out, and how long their signatures were then.
    signed: Vec<(usize, usize)>,
}

/// What an event is about: an item, and a piece of it.
#[derive(Clone, Copy)]
pub(super) struct Spot {
    pub(super) item: usize,
    pub(super) piece: usize,
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

    pub(super) fn event(
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
    pub(super) fn about(
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
    pub(super) fn open(
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

    pub(super) fn close_item(&mut self, choice: &Choice, spot: Spot, out: &mut Vec<u8>) {
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

    pub(super) fn close_piece(&mut self, choice: &Choice, spot: Spot, out: &mut Vec<u8>) {
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
                    tokens.unwrap_or_default().iter().for_each(|token| logprob_out(w, token));
                });
            });
        }
        self.about(out, "response.content_part.done", spot, index, |piece, w| {
            w.field_object("part", |w| piece.write(w, choice));
        });
    }
}

/// A piece of an item: of a part, from here on.
pub(super) fn piece(at: usize, from: usize) -> Piece {
    Piece { at, from, to: None, citations: 0..0, tokens: 0..0 }
}

pub(super) fn is_refusal(choice: &Choice, at: usize) -> bool {
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
