//! What was said, as Bedrock wants it: turns that alternate and begin with the user's, results of
//! tools in front, no empty text, and no calls of tools where none are offered.

use std::borrow::Cow;
use std::collections::HashMap;

use super::encode::{cache_point, is_name};
use super::family::Family;
use crate::dialect::Dialect;
use crate::dialect::conversation::{Conversation, Format, Message, Role};
use crate::dialect::edits::LossKind;
use crate::dialect::losses::{self, Losses};
use crate::dialect::part::{
    Body, CacheMark, Media, MediaKind, Part, Signature, Source, ToolCall, ToolResult,
};
use crate::dialect::write::JsonOut;

/// Blocks of content, with commas between.
#[derive(Debug, Default)]
struct Blocks(Vec<u8>);

impl Blocks {
    fn push(&mut self, block: impl FnOnce(&mut JsonOut<'_>)) {
        let before = self.0.len();
        if before > 0 {
            self.0.push(b',');
        }
        block(&mut JsonOut::new(&mut self.0));
        // Nothing came after all.
        if before > 0 && self.0.len() == before + 1 {
            self.0.truncate(before);
        }
    }

    /// A block of text; an empty one is refused, and one of blanks says nothing.
    fn text(&mut self, text: &str) -> bool {
        let says = !text.trim().is_empty();
        if says {
            self.verbatim(text);
        }
        says
    }

    fn verbatim(&mut self, text: &str) {
        self.push(|w| w.object(|w| w.field_str("text", text)));
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn json(self) -> String {
        String::from_utf8(self.0).unwrap_or_default()
    }
}

/// What one side said until the other went on.
#[derive(Debug, Default)]
struct Draft {
    assistant: bool,
    results: Blocks,
    blocks: Blocks,
    has_text: bool,
    has_document: bool,
}

/// A turn, ready to be written.
pub(super) struct Turn {
    role: &'static str,
    results: String,
    blocks: String,
}

impl Turn {
    pub(super) fn write(&self, w: &mut JsonOut<'_>) {
        w.object(|w| {
            w.field_str("role", self.role);
            w.field_array("content", |w| {
                for blocks in [&self.results, &self.blocks] {
                    if !blocks.is_empty() {
                        w.raw(blocks);
                    }
                }
            });
        });
    }
}

/// Everything that was said.
pub(super) struct Content<'e, 'c> {
    it: &'c Conversation<'c>,
    /// The tools that calls are of, by the calls' ids.
    called: HashMap<&'c str, &'c str>,
    family: Family,
    /// Tools are offered: only then there may be calls and results.
    has_tools: bool,
    losses: &'e mut Losses,
    /// The names of documents, of which no two may be the same.
    names: Vec<String>,
    system: Blocks,
    turns: Vec<Draft>,
}

impl<'e, 'c> Content<'e, 'c> {
    pub(super) fn new(
        it: &'c Conversation<'c>,
        family: Family,
        has_tools: bool,
        losses: &'e mut Losses,
    ) -> Content<'e, 'c> {
        let (names, turns) = (Vec::new(), Vec::new());
        Content {
            it,
            called: it.tools_of_calls(),
            family,
            has_tools,
            losses,
            names,
            system: Blocks::default(),
            turns,
        }
    }

    /// Takes in all messages.
    pub(super) fn messages(&mut self) {
        let (system, rest) = self.it.split_system();
        for part in system {
            let mut blocks = std::mem::take(&mut self.system);
            if blocks.text(part.main_text()) {
                self.mark(&mut blocks, part.cache);
            }
            self.system = blocks;
        }
        rest.iter().for_each(|message| self.message(message));
    }

    /// Says in the instructions what the answer has to look like.
    pub(super) fn instruct(&mut self, format: &Format<'_>) {
        if let Some(words) = self.losses.format_in_words(format) {
            self.system.text(&words);
        }
    }

    /// The instructions, and the turns.
    pub(super) fn finish(mut self) -> (String, Vec<Turn>) {
        let mut system = self.system.json();
        if self.turns.first().is_some_and(|turn| turn.assistant) {
            let note = "a conversation begins with the user's words";
            self.losses.note("messages", LossKind::Emulated, note);
            let mut first = Draft::default();
            first.blocks.text("(The conversation begins with your words.)");
            self.turns.insert(0, first);
        }
        let mut turns: Vec<Turn> = Vec::with_capacity(self.turns.len());
        for mut turn in self.turns {
            if turn.has_document && !turn.has_text {
                let note = "a document comes with words";
                self.losses.note("document", LossKind::Emulated, note);
                turn.blocks.text("(See the document.)");
            }
            turns.push(Turn {
                role: if turn.assistant { "assistant" } else { "user" },
                results: turn.results.json(),
                blocks: turn.blocks.json(),
            });
        }
        if turns.is_empty() && !system.is_empty() {
            // Instructions alone are refused.
            let note = "instructions alone are sent as the user's words";
            self.losses.note("messages", LossKind::Emulated, note);
            let blocks = std::mem::take(&mut system);
            turns.push(Turn { role: "user", results: String::new(), blocks });
        }
        (system, turns)
    }

    /// The turn of this side that goes on, or a new one. It is taken out, and put back by
    /// [`Content::put`].
    fn take(&mut self, assistant: bool) -> Draft {
        match self.turns.pop() {
            Some(turn) if turn.assistant == assistant => turn,
            other => {
                self.turns.extend(other);
                Draft { assistant, ..Draft::default() }
            }
        }
    }

    /// Puts a turn back, unless nothing was said in it.
    fn put(&mut self, turn: Draft) {
        if !turn.results.is_empty() || !turn.blocks.is_empty() {
            self.turns.push(turn);
        }
    }

    fn message(&mut self, message: &'c Message<'c>) {
        let mut turn = self.take(message.role == Role::Assistant);
        if message.role == Role::System {
            let note = "a later one is sent as the user's words";
            self.losses.note("messages.system", LossKind::Emulated, note);
        }
        for part in &message.parts {
            match message.role {
                Role::Assistant => self.assistant(&mut turn, part),
                Role::User | Role::Tool | Role::System => self.user(&mut turn, part),
            }
        }
        self.put(turn);
    }

    fn user(&mut self, turn: &mut Draft, part: &'c Part<'c>) {
        let before = turn.blocks.0.len();
        let marks = part.cache.is_some() && self.family.caches();
        match &part.body {
            Body::Text { text, .. } | Body::Refusal(text) => {
                turn.has_text |= turn.blocks.text(text);
                // Blanks are taken, and the mark has to stay where it is.
                if marks && !text.is_empty() && turn.blocks.0.len() == before {
                    turn.blocks.verbatim(text);
                }
            }
            Body::Media(media) => {
                turn.has_document |= media.kind == MediaKind::Document;
                self.media(&mut turn.blocks, media);
                // A mark may not follow these at once.
                if marks && matches!(media.kind, MediaKind::Document | MediaKind::Video) {
                    turn.blocks.verbatim("\n");
                }
            }
            Body::Result(result) if self.has_tools => {
                self.result(&mut turn.results, result);
                if part.cache.is_some() {
                    let mut results = std::mem::take(&mut turn.results);
                    self.mark(&mut results, part.cache);
                    turn.results = results;
                }
            }
            Body::Result(result) => turn.has_text |= self.told_result(&mut turn.blocks, result),
            Body::Native { dialect: Dialect::BedrockConverse, json } => {
                turn.blocks.push(|w| w.raw(json));
            }
            Body::Native { dialect, .. } => {
                let note = format!("a part that only {dialect} knows");
                self.losses.note("content", LossKind::Dropped, note);
            }
            Body::Thinking { .. } | Body::Call(_) => {}
        }
        if turn.blocks.0.len() > before {
            self.mark(&mut turn.blocks, part.cache);
        }
    }

    fn assistant(&mut self, turn: &mut Draft, part: &'c Part<'c>) {
        let before = turn.blocks.0.len();
        match &part.body {
            Body::Text { text, .. } | Body::Refusal(text) => {
                turn.blocks.text(text);
            }
            Body::Thinking { text, redacted } => {
                self.thinking(&mut turn.blocks, text, *redacted, part.signature.as_ref());
            }
            Body::Call(call) if self.has_tools => self.call(&mut turn.blocks, call),
            Body::Call(call) => {
                self.lose_tools();
                let said = if call.arguments.trim().is_empty() { "{}" } else { &call.arguments };
                turn.blocks.text(&format!("[I call the tool `{}` with {said}]", call.name));
            }
            Body::Native { dialect: Dialect::BedrockConverse, json } => {
                turn.blocks.push(|w| w.raw(json));
            }
            Body::Media(media) => {
                let note =
                    format!("an {} of the assistant's cannot be sent back", media.kind.name());
                self.losses.note("assistant.media", LossKind::Dropped, note);
            }
            Body::Native { .. } | Body::Result(_) => {
                let note = "a step that the other provider made itself is left out";
                self.losses.note("assistant.native", LossKind::Dropped, note);
            }
        }
        if turn.blocks.0.len() > before {
            self.mark(&mut turn.blocks, part.cache);
        }
    }

    fn mark(&mut self, blocks: &mut Blocks, mark: Option<CacheMark>) {
        if let Some(mark) = mark {
            blocks.push(|w| cache_point(w, mark, self.family, self.losses));
        }
    }

    fn thinking(
        &mut self,
        blocks: &mut Blocks,
        text: &str,
        redacted: bool,
        signature: Option<&Signature<'_>>,
    ) {
        let Some(value) = signature.and_then(|it| it.for_signer(Dialect::BedrockConverse)) else {
            let note = match signature {
                Some(_) => "it is signed by another kind of provider",
                None => "it is not signed",
            };
            return self.losses.note("thinking", LossKind::Dropped, note);
        };
        blocks.push(|w| {
            w.object(|w| {
                w.field_object("reasoningContent", |w| {
                    if redacted {
                        return w.field_str("redactedContent", value);
                    }
                    w.field_object("reasoningText", |w| {
                        w.field_str("text", text);
                        w.field_str("signature", value);
                    });
                });
            });
        });
    }

    fn lose_tools(&mut self) {
        let note = "without tools on offer, earlier calls and their results are told in words";
        self.losses.note("tool_calls", LossKind::Emulated, note);
    }

    fn call(&mut self, blocks: &mut Blocks, call: &ToolCall<'_>) {
        let name = match is_name(&call.name) {
            true => Cow::Borrowed(&*call.name),
            false => {
                let note = format!("an earlier call of `{}` has another name", call.name);
                self.losses.note("tool_calls.name", LossKind::Renamed, note);
                let fits = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-');
                let name = call.name.chars().take(64);
                let name: String = name.map(|char| if fits(char) { char } else { '_' }).collect();
                Cow::Owned(if name.is_empty() { "tool".to_owned() } else { name })
            }
        };
        blocks.push(|w| {
            w.object(|w| {
                w.field_object("toolUse", |w| {
                    w.field_str("toolUseId", &self.id(&call.id));
                    w.field_str("name", &name);
                    losses::arguments(w, "input", &call.arguments);
                });
            });
        });
    }

    /// An id of another provider's that is not allowed here is replaced, in calls and results
    /// alike. It does not come back to the client.
    fn id<'i>(&self, id: &'i str) -> Cow<'i, str> {
        let fits = |byte: u8| {
            byte.is_ascii_alphanumeric()
                || matches!(byte, b'_' | b'-')
                // Kimi's ids have these, and it wants to see them again.
                || (matches!(byte, b'.' | b':') && !self.family.is_claude())
        };
        match matches!(id.len(), 1..=64) && id.bytes().all(fits) {
            true => Cow::Borrowed(id),
            false => {
                let hash = blake3::hash(id.as_bytes()).to_hex();
                Cow::Owned(format!("call_{}", &hash[..32]))
            }
        }
    }

    fn result(&mut self, to: &mut Blocks, result: &'c ToolResult<'c>) {
        let mut inner = Blocks::default();
        let takes_status = self.family.takes_status();
        let mut failed = result.error && !takes_status;
        if failed {
            let note = "the text says that it failed";
            self.losses.note("tool_result.is_error", LossKind::Emulated, note);
        }
        for part in &result.parts {
            match &part.body {
                Body::Text { text, .. } if failed => {
                    inner.text(&format!("Error: {text}"));
                    failed = false;
                }
                Body::Text { text, .. } => drop(inner.text(text)),
                Body::Media(media) => self.media(&mut inner, media),
                Body::Native { dialect: Dialect::BedrockConverse, json } => {
                    inner.push(|w| w.raw(json));
                }
                _ => {
                    let note = "a part that is neither text nor media";
                    self.losses.note("tool_result", LossKind::Dropped, note);
                }
            }
        }
        if inner.is_empty() {
            inner.text(if failed { "Error" } else { "(no output)" });
        }
        let inner = inner.json();
        to.push(|w| {
            w.object(|w| {
                w.field_object("toolResult", |w| {
                    w.field_str("toolUseId", &self.id(&result.call));
                    w.field_array("content", |w| w.raw(&inner));
                    if result.error && takes_status {
                        w.field_str("status", "error");
                    }
                });
            });
        });
    }

    /// What a tool came to, in words.
    fn told_result(&mut self, blocks: &mut Blocks, result: &'c ToolResult<'c>) -> bool {
        self.lose_tools();
        let name = result.name.as_deref().or_else(|| self.called.get(&*result.call).copied());
        let how = if result.error { "failed" } else { "answers" };
        let text = result.text();
        let said =
            blocks.text(&format!("[The tool `{}` {how}: {text}]", name.unwrap_or("unknown")));
        for part in &result.parts {
            if let Body::Media(media) = &part.body {
                self.media(blocks, media);
            }
        }
        said
    }

    fn media(&mut self, blocks: &mut Blocks, media: &Media<'_>) {
        let format = media.mime().and_then(|mime| format_of(media.kind, mime));
        let is_s3 = matches!(&media.source, Source::Url { url, .. } if url.starts_with("s3://"));
        let here = matches!(media.source, Source::Base64 { .. } | Source::Text(_)) || is_s3;
        let Some(format) = format.filter(|_| here) else {
            return self.losses.refuse_media(media);
        };
        let name = match media.kind {
            MediaKind::Document => Some(self.name(media.name.as_deref())),
            _ => None,
        };
        blocks.push(|w| {
            w.object(|w| {
                w.field_object(media.kind.name(), |w| {
                    w.field_str("format", format);
                    w.maybe_str("name", name.as_deref());
                    w.field_object("source", |w| match &media.source {
                        Source::Base64 { data, .. } => w.field_str("bytes", data),
                        Source::Text(text) => w.field_str("text", text),
                        Source::Url { url, .. } => {
                            w.field_object("s3Location", |w| w.field_str("uri", url));
                        }
                        Source::File { .. } => {}
                    });
                });
            });
        });
    }

    /// A document's name: letters, digits, single blanks, hyphens and brackets alone, and not twice.
    fn name(&mut self, given: Option<&str>) -> String {
        let fits = |char: char| {
            char.is_ascii_alphanumeric() || matches!(char, ' ' | '-' | '(' | ')' | '[' | ']')
        };
        let stem = given.map_or("", |name| name.rsplit_once('.').map_or(name, |(stem, _)| stem));
        let plain: String =
            stem.chars().map(|char| if fits(char) { char } else { '-' }).take(180).collect();
        let plain = plain.split_whitespace().collect::<Vec<_>>().join(" ");
        let plain = if plain.is_empty() { "Document".to_owned() } else { plain };
        let numbered = (2..).map(|number| format!("{plain} ({number})"));
        let mut names = std::iter::once(plain.clone()).chain(numbered);
        let name = names.find(|name| !self.names.contains(name)).unwrap_or(plain);
        self.names.push(name.clone());
        name
    }
}

/// Bedrock's word for a media type.
fn format_of(kind: MediaKind, mime: &str) -> Option<&'static str> {
    let formats: &[(&str, &str)] = match kind {
        MediaKind::Image => &[
            ("image/png", "png"),
            ("image/jpeg", "jpeg"),
            ("image/jpg", "jpeg"),
            ("image/gif", "gif"),
            ("image/webp", "webp"),
        ],
        MediaKind::Video => &[
            ("video/mp4", "mp4"),
            ("video/quicktime", "mov"),
            ("video/webm", "webm"),
            ("video/x-matroska", "mkv"),
            ("video/x-flv", "flv"),
            ("video/mpeg", "mpeg"),
            ("video/x-ms-wmv", "wmv"),
            ("video/3gpp", "three_gp"),
        ],
        MediaKind::Document => &[
            ("application/pdf", "pdf"),
            ("text/csv", "csv"),
            ("application/msword", "doc"),
            ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"),
            ("application/vnd.ms-excel", "xls"),
            ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"),
            ("text/html", "html"),
            ("text/markdown", "md"),
            ("application/json", "txt"),
            ("text/", "txt"),
        ],
        // Only few models hear, and none in a way that all of them share.
        MediaKind::Audio => &[],
    };
    formats.iter().find(|(known, _)| mime.starts_with(known)).map(|(_, format)| *format)
}
