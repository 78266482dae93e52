//! Which events each piece of an answer becomes.

use super::answer_out::{Item, Kind, annotation};
use super::events_out::{Events, Spot, is_refusal, piece};
use super::item::thought_texts;
use crate::dialect::Dialect;
use crate::dialect::answer::Choice;
use crate::dialect::openai_chat::logprob_out;
use crate::dialect::part::{Body, MediaKind, Part};

impl Events {
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
    pub(super) fn text(&mut self, choice: &Choice, at: usize, text: &str, out: &mut Vec<u8>) {
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

    /// A part that has just begun; it may be whole.
    pub(super) fn part(&mut self, choice: &Choice, at: usize, out: &mut Vec<u8>) {
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

    /// A citation of a part.
    pub(super) fn cite(&mut self, choice: &Choice, at: usize, index: usize, out: &mut Vec<u8>) {
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
    pub(super) fn sign(&mut self, choice: &Choice, at: usize, out: &mut Vec<u8>) {
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

    /// An item that carries the signature of a part that was told before.
    pub(super) fn signature(&mut self, choice: &Choice, at: usize, out: &mut Vec<u8>) {
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
                tokens[new].iter().for_each(|token| logprob_out(w, token));
            });
        });
    }

    /// Probabilities that came behind their text.
    pub(super) fn logprobs(&mut self, choice: &Choice, out: &mut Vec<u8>) {
        let message = |item: &Item| item.open && item.kind == Kind::Message;
        let Some(item) = self.items.iter().rposition(message) else { return };
        let spot = Spot { item, piece: self.items[item].pieces.len() - 1 };
        let refused = is_refusal(choice, self.items[item].pieces[spot.piece].at);
        if self.rated < choice.logprobs.tokens.len() && !refused {
            self.text_delta(choice, spot, "", out);
        }
    }
}
