//! Messages as Google wants them: the instructions apart, user and model by turns, the user first,
//! results in contents of their own, signatures on calls.

use std::borrow::Cow;

use super::signature::PLACEHOLDER;
use crate::dialect::Dialect;
use crate::dialect::conversation::{Conversation, Message, Role};
use crate::dialect::edits::LossKind;
use crate::dialect::losses::Losses;
use crate::dialect::part::{Body, Part, Source, Text, ToolCall, ToolResult};

/// A conversation in Google's order.
#[derive(Default)]
pub(super) struct Turns<'c> {
    pub(super) system: Vec<&'c str>,
    pub(super) all: Vec<Turn<'c>>,
    /// The name of a prompt that lies in Google's cache.
    pub(super) cached: Option<Text<'c>>,
    /// Media of results, which follow when all results of a turn are there.
    media: Vec<Item<'c>>,
}

/// One of `contents`.
pub(super) struct Turn<'c> {
    pub(super) role: &'static str,
    /// Results and nothing else.
    results: bool,
    pub(super) items: Vec<Item<'c>>,
}

/// One of `parts`.
pub(super) enum Item<'c> {
    Text(&'c str),
    Part(&'c Part<'c>),
    Call { call: &'c ToolCall<'c>, signature: Option<Text<'c>> },
    Result(&'c ToolResult<'c>),
}

impl<'c> Turns<'c> {
    pub(super) fn of(it: &'c Conversation<'c>, losses: &mut Losses) -> Turns<'c> {
        let (system, rest) = it.split_system();
        let mut turns = Turns::default();
        for part in system {
            match &part.body {
                Body::Text { text, .. } if text.is_empty() => {}
                Body::Text { text, .. } => turns.system.push(text),
                _ => losses.note("system", LossKind::Dropped, "instructions are words there"),
            }
        }
        for message in rest {
            turns.message(message, it.origin, losses);
        }
        turns.flush_media();
        if turns.all.first().is_none_or(|turn| turn.role != "user") {
            losses.note("messages", LossKind::Emulated, "a blank message of the user's begins");
            let items = vec![Item::Text(" ")];
            turns.all.insert(0, Turn { role: "user", results: false, items });
        }
        turns.sign(losses);
        turns
    }

    fn message(&mut self, message: &'c Message<'c>, origin: Dialect, losses: &mut Losses) {
        if message.name.is_some() {
            losses.note("messages.name", LossKind::Dropped, "speakers have no names there");
        }
        let role = match message.role {
            Role::Assistant => "model",
            Role::User | Role::Tool => "user",
            Role::System => {
                let note = "instructions behind the first message are sent as the user's";
                losses.note("system", LossKind::Emulated, note);
                "user"
            }
        };
        for part in &message.parts {
            self.part(role, part, origin, losses);
        }
    }

    fn part(
        &mut self,
        role: &'static str,
        part: &'c Part<'c>,
        origin: Dialect,
        losses: &mut Losses,
    ) {
        let own = Dialect::GeminiGenerate;
        let signed = part.signature.as_ref().and_then(|signature| signature.for_signer(own));
        match &part.body {
            Body::Result(result) => {
                self.push(role, true, Item::Result(result));
                if result.has_media() && origin != own {
                    let note = "images of a tool's result are sent beside it";
                    losses.note("tool_result.media", LossKind::Emulated, note);
                    let media =
                        result.parts.iter().filter(|part| matches!(part.body, Body::Media(_)));
                    self.media.extend(media.map(Item::Part));
                }
            }
            Body::Call(call) => {
                let signature = signed.map(Cow::Borrowed);
                self.push(role, false, Item::Call { call, signature });
            }
            Body::Text { text, .. } | Body::Refusal(text) => {
                if !text.is_empty() || signed.is_some() {
                    self.push(role, false, Item::Part(part));
                }
            }
            Body::Thinking { .. } => {
                let plain = part.signature.is_none() && origin == own;
                if signed.is_some() || plain {
                    self.push(role, false, Item::Part(part));
                } else {
                    let note = "only thinking that Google signed goes back there";
                    losses.note("thinking", LossKind::Dropped, note);
                }
            }
            Body::Media(media) => match &media.source {
                Source::File { id, dialect } if *dialect == own && is_cache(id) => {
                    self.cached = Some(Cow::Borrowed(id));
                }
                _ => self.push(role, false, Item::Part(part)),
            },
            Body::Native { dialect, .. } if *dialect == own => {
                self.push(role, false, Item::Part(part));
            }
            Body::Native { dialect, .. } => {
                let note = format!("a part that only {dialect} knows");
                losses.note("content", LossKind::Dropped, note);
            }
        }
    }

    /// Google counts the results in a content against the calls before it: they stand alone.
    fn push(&mut self, role: &'static str, results: bool, item: Item<'c>) {
        if !results {
            self.flush_media();
        }
        self.add(role, results, item);
    }

    fn add(&mut self, role: &'static str, results: bool, item: Item<'c>) {
        match self.all.last_mut() {
            Some(last) if last.role == role && last.results == results => last.items.push(item),
            _ => self.all.push(Turn { role, results, items: vec![item] }),
        }
    }

    fn flush_media(&mut self) {
        for item in std::mem::take(&mut self.media) {
            self.add("user", false, item);
        }
    }

    /// Gemini 3 refuses the current turn unless the first call of each step is signed.
    fn sign(&mut self, losses: &mut Losses) {
        let begins = |turn: &Turn<'_>| turn.role == "user" && !turn.results;
        let current = self.all.iter().rposition(begins).unwrap_or(0);
        for turn in &mut self.all[current..] {
            let first = turn.items.iter_mut().find_map(|item| match item {
                Item::Call { signature, .. } => Some(signature),
                _ => None,
            });
            if let Some(signature @ None) = first {
                *signature = Some(Cow::Borrowed(PLACEHOLDER));
                let note = "a call that Google did not sign is marked as unsigned";
                losses.note("tool_calls.signature", LossKind::Emulated, note);
            }
        }
    }
}

fn is_cache(id: &str) -> bool {
    id.split('/').any(|piece| piece == "cachedContents")
}
