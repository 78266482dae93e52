//! Messages as this dialect wants them: turns of user and assistant, the user's first, with what
//! tools came to at the beginning of the user's.

use super::OWN;
use super::content::{is_object, refused};
use super::ids::Ids;
use crate::dialect::conversation::{Conversation, Message, Role};
use crate::dialect::edits::{LossKind, Param};
use crate::dialect::losses::Losses;
use crate::dialect::part::{Body, Part, Text, ToolCall, ToolResult};
use crate::dialect::quirks::Quirks;

/// A message to be written.
#[derive(Debug, PartialEq)]
pub(super) struct Turn<'c> {
    pub role: &'static str,
    pub pieces: Vec<Piece<'c>>,
}

/// A block to be written.
#[derive(Debug, PartialEq)]
pub(super) enum Piece<'c> {
    /// Text, thinking, media, or a block of this dialect's own.
    Part(&'c Part<'c>),
    /// A call with its id.
    Call(&'c Part<'c>, &'c ToolCall<'c>, Text<'c>),
    /// A result with the id of its call.
    Result(&'c Part<'c>, &'c ToolResult<'c>, Text<'c>),
    /// Words of our own.
    Words(&'static str),
}

/// What is said first where a conversation begins with the assistant.
const OPENING: &str = "(The conversation begins with the assistant.)";

/// Puts the turns together.
pub(super) struct Turns<'c, 'l> {
    pub quirks: &'c Quirks,
    pub losses: &'l mut Losses,
    /// The request came in this dialect, so all is in order as it is.
    pub exact: bool,
    ids: Ids<'c>,
    turns: Vec<Turn<'c>>,
}

impl<'c, 'l> Turns<'c, 'l> {
    pub(super) fn new(quirks: &'c Quirks, losses: &'l mut Losses, exact: bool) -> Turns<'c, 'l> {
        Turns { quirks, losses, exact, ids: Ids::default(), turns: Vec::new() }
    }

    /// The parts of the system prompt, and the turns behind it.
    pub(super) fn of(
        &mut self,
        conversation: &'c Conversation<'c>,
    ) -> (Vec<Piece<'c>>, Vec<Turn<'c>>) {
        let (system, rest) = conversation.split_system();
        let mut system = self.pieces(system.into_iter(), Role::System);
        for message in rest {
            self.message(message);
        }
        let mut turns = std::mem::take(&mut self.turns);
        if self.exact {
            return (system, turns);
        }
        for turn in &mut turns {
            turn.pieces.sort_by_key(|piece| !matches!(piece, Piece::Result(..)));
        }
        match turns.first() {
            Some(first) if first.role == "assistant" => {
                let note = "the assistant may not begin, so a word of the user's was put in front";
                self.losses.note("messages", LossKind::Emulated, note);
                turns.insert(0, Turn { role: "user", pieces: vec![Piece::Words(OPENING)] });
            }
            None if !system.is_empty() => {
                let note = "a system prompt alone is sent as the user's message";
                self.losses.note(Param::Role.name(), LossKind::Emulated, note);
                turns.push(Turn { role: "user", pieces: std::mem::take(&mut system) });
            }
            _ => {}
        }
        (system, turns)
    }

    fn message(&mut self, message: &'c Message<'c>) {
        if message.name.is_some() {
            self.losses.note("name", LossKind::Dropped, "speakers of one role have no names there");
        }
        let role = match message.role {
            Role::Assistant => "assistant",
            Role::System if self.exact => "system",
            Role::System => {
                let note = "a system message behind the first turn is sent as the user's";
                self.losses.note(Param::Role.name(), LossKind::Emulated, note);
                "user"
            }
            Role::User | Role::Tool => "user",
        };
        let pieces = self.pieces(message.parts.iter(), message.role);
        match self.turns.last_mut() {
            _ if pieces.is_empty() => {}
            Some(last) if last.role == role && !self.exact => last.pieces.extend(pieces),
            _ => self.turns.push(Turn { role, pieces }),
        }
    }

    fn pieces(&mut self, parts: impl Iterator<Item = &'c Part<'c>>, role: Role) -> Vec<Piece<'c>> {
        parts.filter_map(|part| self.piece(part, role)).collect()
    }

    /// A part as it will be written; nothing, with the loss told, where it cannot be.
    fn piece(&mut self, part: &'c Part<'c>, role: Role) -> Option<Piece<'c>> {
        let mut drop = |param: &'static str, note: String| {
            self.losses.note(param, LossKind::Dropped, note);
            None
        };
        match &part.body {
            // Blank texts are refused, and say nothing.
            Body::Text { text, .. } | Body::Refusal(text) if text.trim().is_empty() => None,
            Body::Text { citations, .. } => {
                if citations.iter().any(|citation| !matches!(citation.native, Some((OWN, _)))) {
                    drop("citations", "citations of another dialect stay behind".to_owned());
                }
                Some(Piece::Part(part))
            }
            Body::Refusal(_) => Some(Piece::Part(part)),
            Body::Thinking { text, redacted } => {
                let signature = part.signature.as_ref();
                match signature.map(|signature| signature.dialect) {
                    Some(OWN) => Some(Piece::Part(part)),
                    Some(other) => drop("thinking", format!("it is signed by {other}")),
                    None if self.exact || (self.quirks.thinking_goes_back && !redacted) => {
                        Some(Piece::Part(part))
                    }
                    None if text.is_empty() => None,
                    None => drop("thinking", "it is not signed".to_owned()),
                }
            }
            Body::Media(media) if role == Role::Assistant => {
                let what = media.kind.name();
                drop("assistant.media", format!("an {what} of the assistant's cannot be sent back"))
            }
            Body::Media(media) => match refused(media) {
                None => Some(Piece::Part(part)),
                Some(what) => {
                    self.losses.refuse(what);
                    None
                }
            },
            Body::Call(call) => {
                if call.free_form
                    || !(call.arguments.trim().is_empty() || is_object(&call.arguments))
                {
                    let note = "arguments that are no JSON object are sent inside of one";
                    self.losses.note("tool_call.arguments", LossKind::Emulated, note);
                }
                Some(Piece::Call(part, call, self.ids.of_call(&call.id, &call.name)))
            }
            Body::Result(result) => {
                for inner in &result.parts {
                    if !is_sent_in_result(inner) {
                        drop(
                            "tool_result.media",
                            "a part that results have no place for".to_owned(),
                        );
                    }
                }
                let id = self.ids.of_result(&result.call, result.name.as_deref());
                Some(Piece::Result(part, result, id))
            }
            Body::Native { dialect: OWN, .. } => Some(Piece::Part(part)),
            Body::Native { dialect, .. } => {
                drop("content", format!("a part that only {dialect} knows"))
            }
        }
    }
}

/// Whether the last calls of tools were made without thinking that could be shown: the API wants it
/// while they are answered.
pub(super) fn is_thoughtless(turns: &[Turn<'_>]) -> bool {
    let [.., before, last] = turns else { return false };
    let first_is_thinking = matches!(
        before.pieces.first(),
        Some(Piece::Part(part)) if matches!(part.body, Body::Thinking { .. })
    );
    before.role == "assistant"
        && !first_is_thinking
        && last.pieces.iter().any(|piece| matches!(piece, Piece::Result(..)))
}

/// Whether a part of a result can be sent there.
pub(super) fn is_sent_in_result(part: &Part<'_>) -> bool {
    match &part.body {
        Body::Text { .. } | Body::Refusal(_) | Body::Native { dialect: OWN, .. } => true,
        Body::Media(media) => refused(media).is_none(),
        _ => false,
    }
}
