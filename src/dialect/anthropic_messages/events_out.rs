//! Writing the events of a stream for a client that speaks this dialect: one block is open at a time,
//! and is closed before the next begins. Only calls whose arguments come by turns stay open together:
//! clients tell blocks apart by their numbers, and take one that is closed for complete.

use super::answer_out::{
    block, citation, head, is_written, signature, stop, usage, words_for, written,
};
use super::content::is_object;
use crate::dialect::answer::Answer;
use crate::dialect::json;
use crate::dialect::part::{Body, Media, MediaKind, Part, ToolCall};
use crate::dialect::passage::Context;
use crate::dialect::sink::{Delta, Writer};
use crate::dialect::write::{JsonOut, event};

/// The choice that is written, whichever comes first.
const CHOICE: u32 = 0;

/// Writes the events.
#[derive(Debug)]
pub(super) struct Events {
    context: Context,
    begun: bool,
    /// The part under way. Its block is opened when there is something to say.
    current: Option<usize>,
    /// The parts that have blocks, with the blocks' numbers; the last one counts.
    blocks: Vec<(usize, u32)>,
    /// Whether the part under way has its block open.
    open: bool,
    /// How many blocks there are.
    count: u32,
    /// Parts whose signatures came while or after their blocks were written.
    owed: Vec<usize>,
    /// Blocks of calls that were left amid their arguments: they end last, since more may come.
    unfinished: Vec<u32>,
}

impl Events {
    pub(super) fn new(context: &Context) -> Events {
        Events {
            context: context.clone(),
            begun: false,
            current: None,
            blocks: Vec::new(),
            open: false,
            count: 0,
            owed: Vec::new(),
            unfinished: Vec::new(),
        }
    }

    fn begin(&mut self, answer: &Answer, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        event(out, "message_start", |w| {
            w.field_str("type", "message_start");
            w.field_object("message", |w| {
                head(w, answer, &self.context);
                w.field_array("content", |_| {});
                w.field_null("stop_reason");
                w.field_null("stop_sequence");
                w.field_object("usage", |w| usage(w, answer));
            });
        });
    }

    /// The number of a part's block.
    fn number(&self, at: usize) -> Option<u32> {
        self.blocks.iter().rev().find(|(part, _)| *part == at).map(|(_, number)| *number)
    }

    fn start(&mut self, out: &mut Vec<u8>, content: impl FnOnce(&mut JsonOut<'_>)) -> u32 {
        let number = self.count;
        self.count += 1;
        event(out, "content_block_start", |w| {
            w.field_str("type", "content_block_start");
            w.field_int("index", number);
            content(w.key("content_block"));
        });
        number
    }

    fn stop(out: &mut Vec<u8>, number: u32) {
        event(out, "content_block_stop", |w| {
            w.field_str("type", "content_block_stop");
            w.field_int("index", number);
        });
    }

    /// Opens the block of the part under way, where it is not open yet.
    fn ensure_open(&mut self, part: &Part<'_>, at: usize, out: &mut Vec<u8>) {
        if self.open {
            return;
        }
        let number = self.start(out, |w| block(w, part, false));
        self.blocks.push((at, number));
        self.open = true;
        if let Body::Call(call) = &part.body
            && call.free_form
        {
            delta(out, number, "input_json_delta", "partial_json", r#"{"input":""#);
        }
    }

    /// A block that comes in one piece.
    fn whole(&mut self, out: &mut Vec<u8>, content: impl FnOnce(&mut JsonOut<'_>)) -> u32 {
        let number = self.start(out, content);
        Events::stop(out, number);
        number
    }

    /// A block that carries a signature for which there is no place otherwise.
    fn signature(&mut self, part: &Part<'_>, at: usize, out: &mut Vec<u8>) {
        if part.signature.is_some() {
            let number = self.whole(out, |w| signature(w, part));
            if let Body::Thinking { .. } = part.body {
                self.blocks.push((at, number));
            }
        }
    }

    /// Ends the block of the part under way.
    fn close(&mut self, answer: &Answer, out: &mut Vec<u8>) {
        if let Some(at) = self.current.take()
            && let Some(part) = self.part(answer, at)
        {
            let was_open = std::mem::replace(&mut self.open, false);
            match &part.body {
                Body::Thinking { redacted: true, .. } => self.signature(part, at, out),
                Body::Thinking { .. } if was_open || part.signature.is_some() => {
                    self.open = was_open;
                    self.ensure_open(part, at, out);
                    let number = self.number(at).unwrap_or(0);
                    if let Some(signature) = &part.signature {
                        delta(out, number, "signature_delta", "signature", &written(signature));
                    }
                    Events::stop(out, number);
                    self.open = false;
                }
                Body::Media(media)
                    if !was_open
                        && media.kind != MediaKind::Image
                        && !words_for(media).is_empty() =>
                {
                    let words = words_for(media);
                    self.ensure_open(part, at, out);
                    let number = self.number(at).unwrap_or(0);
                    delta(out, number, "text_delta", "text", &words);
                    Events::stop(out, number);
                    self.open = false;
                }
                Body::Call(call) if was_open && is_unfinished(call) => {
                    self.unfinished.extend(self.number(at));
                }
                body if was_open => {
                    let number = self.number(at).unwrap_or(0);
                    if matches!(body, Body::Call(call) if call.free_form) {
                        delta(out, number, "input_json_delta", "partial_json", "\"}");
                    }
                    Events::stop(out, number);
                }
                _ => {}
            }
        }
        for at in std::mem::take(&mut self.owed) {
            if let Some(part) = self.part(answer, at) {
                self.signature(part, at, out);
            }
        }
    }

    fn part<'p>(&self, answer: &'p Answer, at: usize) -> Option<&'p Part<'static>> {
        answer.choice(CHOICE)?.parts.get(at)
    }

    /// A new part.
    fn part_begins(&mut self, answer: &Answer, part: &Part<'_>, at: usize, out: &mut Vec<u8>) {
        self.close(answer, out);
        if !is_written(&part.body) {
            return;
        }
        self.current = Some(at);
        match &part.body {
            // Its signature, which is all there is, may follow.
            Body::Thinking { redacted: true, .. } => {}
            Body::Native { .. } => {
                self.whole(out, |w| block(w, part, true));
                self.current = None;
            }
            Body::Media(Media { kind: MediaKind::Image, .. }) => {
                self.whole(out, |w| block(w, part, true));
                self.current = None;
                self.signature(part, at, out);
            }
            Body::Call(call) => {
                // In front of the call: thinking may not be the last thing of a turn.
                self.signature(part, at, out);
                self.ensure_open(part, at, out);
                if call.arguments != "null" {
                    self.text(answer, part, at, &call.arguments, out);
                }
            }
            Body::Text { citations, .. } => {
                self.text(answer, part, at, part.main_text(), out);
                for it in citations {
                    self.cite(part, at, it, out);
                }
                if part.signature.is_some() {
                    self.owed.push(at);
                }
            }
            _ => self.text(answer, part, at, part.main_text(), out),
        }
    }

    /// More of a part's text.
    fn text(&mut self, answer: &Answer, part: &Part<'_>, at: usize, text: &str, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        let (kind, field) = match &part.body {
            Body::Text { .. } | Body::Refusal(_) | Body::Media(_) => ("text_delta", "text"),
            Body::Thinking { redacted: false, .. } => ("thinking_delta", "thinking"),
            Body::Call(_) => ("input_json_delta", "partial_json"),
            _ => return,
        };
        // Text and thinking go on in a new block where the old one is closed. Of calls that would
        // make two, so they go on by the number of the old one, which is all that SDKs look at.
        let goes_back =
            self.current != Some(at) && kind == "input_json_delta" && self.number(at).is_some();
        if !goes_back {
            if self.current != Some(at) {
                self.close(answer, out);
                self.current = Some(at);
            }
            self.ensure_open(part, at, out);
        }
        let number = self.number(at).unwrap_or(0);
        match &part.body {
            // It is the inside of a JSON string.
            Body::Call(call) if call.free_form => {
                let mut inside = String::with_capacity(text.len() + 8);
                json::escape_into(&mut inside, text);
                delta(out, number, kind, field, &inside);
            }
            _ => delta(out, number, kind, field, text),
        }
    }

    fn cite(
        &mut self,
        part: &Part<'_>,
        at: usize,
        it: &crate::dialect::part::Citation<'_>,
        out: &mut Vec<u8>,
    ) {
        if self.current == Some(at) {
            self.ensure_open(part, at, out);
        }
        let Some(number) = self.number(at) else { return };
        event(out, "content_block_delta", |w| {
            w.field_str("type", "content_block_delta");
            w.field_int("index", number);
            w.field_object("delta", |w| {
                w.field_str("type", "citations_delta");
                citation(w.key("citation"), it);
            });
        });
    }

    /// A signature that came behind its part.
    fn signed(&mut self, part: &Part<'_>, at: usize, out: &mut Vec<u8>) {
        match (&part.body, self.number(at)) {
            // It is written when the block ends.
            (Body::Thinking { .. }, _) if self.current == Some(at) => {}
            (Body::Thinking { redacted: false, .. }, Some(number)) => {
                if let Some(signature) = &part.signature {
                    delta(out, number, "signature_delta", "signature", &written(signature));
                }
            }
            (Body::Thinking { .. }, Some(_)) => {}
            _ if self.owed.contains(&at) => {}
            _ => self.owed.push(at),
        }
    }
}

/// Whether the arguments of a call have begun and make no object yet.
fn is_unfinished(call: &ToolCall<'_>) -> bool {
    !call.free_form && !call.arguments.trim().is_empty() && !is_object(&call.arguments)
}

/// `{"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "…"}}`
fn delta(out: &mut Vec<u8>, number: u32, kind: &str, field: &str, text: &str) {
    event(out, "content_block_delta", |w| {
        w.field_str("type", "content_block_delta");
        w.field_int("index", number);
        w.field_object("delta", |w| {
            w.field_str("type", kind);
            w.field_str(field, text);
        });
    });
}

impl Writer for Events {
    fn delta(&mut self, answer: &Answer, delta: Delta<'_>, out: &mut Vec<u8>) {
        let (index, at) = match delta {
            Delta::Part { choice, at }
            | Delta::Text { choice, at, .. }
            | Delta::Signature { choice, at }
            | Delta::Citation { choice, at } => (choice, at),
            // Why it ends goes out at the end; probabilities have no place here.
            Delta::Logprobs { .. } | Delta::Finish { .. } => return,
        };
        if index != CHOICE {
            return;
        }
        let Some(part) = self.part(answer, at) else { return };
        self.begin(answer, out);
        match delta {
            Delta::Part { .. } => self.part_begins(answer, part, at, out),
            Delta::Text { text, .. } => self.text(answer, part, at, text, out),
            Delta::Signature { .. } => self.signed(part, at, out),
            Delta::Citation { .. } => {
                if let Body::Text { citations, .. } = &part.body
                    && let Some(it) = citations.last()
                {
                    self.cite(part, at, it, out);
                }
            }
            Delta::Logprobs { .. } | Delta::Finish { .. } => {}
        }
    }

    fn end(&mut self, answer: &Answer, out: &mut Vec<u8>) {
        self.begin(answer, out);
        self.close(answer, out);
        for number in std::mem::take(&mut self.unfinished) {
            Events::stop(out, number);
        }
        event(out, "message_delta", |w| {
            w.field_str("type", "message_delta");
            w.field_object("delta", |w| stop(w, answer.choice(CHOICE)));
            w.field_object("usage", |w| usage(w, answer));
        });
        event(out, "message_stop", |w| w.field_str("type", "message_stop"));
    }
}
