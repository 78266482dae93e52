//! Writing the items of a request's input.

use super::encode::Encoder;
use super::pieces::PARAGRAPH;
use crate::dialect::Dialect;
use crate::dialect::conversation::{Message, Role};
use crate::dialect::edits::LossKind;
use crate::dialect::json::{JsonError, Kind, Scanner};
use crate::dialect::part::{Body, Media, MediaKind, Part, Source, ToolResult};
use crate::dialect::write::JsonOut;

const OWN: Dialect = Dialect::OpenAiResponses;

impl Encoder<'_> {
    pub(super) fn message(&mut self, w: &mut JsonOut<'_>, message: &Message<'_>) {
        match message.role {
            Role::Assistant => self.by_model(w, &message.parts),
            Role::System => {
                w.object(|w| {
                    w.field_str("role", "system");
                    self.content(w, &message.parts.iter().collect::<Vec<_>>());
                });
            }
            Role::User | Role::Tool => self.by_user(w, message),
        }
        if message.name.is_some() {
            self.lose("messages.name", LossKind::Dropped, "speakers have no names there");
        }
    }

    /// Results of tools are items of their own; what else was said follows them.
    fn by_user(&mut self, w: &mut JsonOut<'_>, message: &Message<'_>) {
        let mut rest: Vec<&Part<'_>> = Vec::new();
        for part in &message.parts {
            match &part.body {
                Body::Result(result) => w.object(|w| self.result(w, result)),
                // An item that was the client's to add, not a part of what the user said.
                Body::Native { dialect: OWN, json } if message.role == Role::Tool => w.raw(json),
                Body::Native { dialect, .. } if *dialect != OWN => self.foreign(*dialect),
                _ => rest.push(part),
            }
        }
        if !rest.is_empty() {
            w.object(|w| {
                w.field_str("role", "user");
                self.content(w, &rest);
            });
        }
    }

    fn foreign(&mut self, dialect: Dialect) {
        self.lose("content", LossKind::Dropped, format!("a part that only {dialect} knows"));
    }

    fn result(&mut self, w: &mut JsonOut<'_>, result: &ToolResult<'_>) {
        let kind =
            if result.free_form { "custom_tool_call_output" } else { "function_call_output" };
        w.field_str("type", kind);
        w.field_str("call_id", &result.call);
        if result.error {
            self.lose("tool_result.is_error", LossKind::Emulated, "the text says that it failed");
        }
        let failed = if result.error { "Error: " } else { "" };
        if !result.has_media() {
            return w.field_str("output", &format!("{failed}{}", result.text()));
        }
        w.field_array("output", |w| {
            if result.error {
                text(w, "input_text", failed.trim_end());
            }
            result.parts.iter().for_each(|part| self.part(w, part));
        });
    }

    /// What the model said, thought and called, each in items of their own, in order.
    fn by_model(&mut self, w: &mut JsonOut<'_>, parts: &[Part<'_>]) {
        let said = |part: &Part<'_>| match &part.body {
            Body::Text { text, .. } => !text.is_empty(),
            Body::Refusal(_) => true,
            _ => false,
        };
        let mut rest = parts;
        while let Some((part, others)) = rest.split_first() {
            let run = rest.iter().take_while(|part| said(part)).count();
            if run > 0 {
                w.object(|w| {
                    w.field_str("role", "assistant");
                    w.field_array("content", |w| {
                        for part in &rest[..run] {
                            match &part.body {
                                Body::Refusal(why) => w.object(|w| {
                                    w.field_str("type", "refusal");
                                    w.field_str("refusal", why);
                                }),
                                _ => text(w, "output_text", part.main_text()),
                            }
                        }
                    });
                });
                rest = &rest[run..];
                continue;
            }
            rest = others;
            match &part.body {
                Body::Thinking { text, .. } => self.thinking(w, part, text),
                Body::Call(call) => w.object(|w| {
                    let (kind, field) = match call.free_form {
                        true => ("custom_tool_call", "input"),
                        false => ("function_call", "arguments"),
                    };
                    w.field_str("type", kind);
                    w.field_str("call_id", &call.id);
                    w.field_str("name", &call.name);
                    let empty = call.arguments.trim().is_empty() && !call.free_form;
                    w.field_str(field, if empty { "{}" } else { &call.arguments });
                }),
                Body::Native { dialect: OWN, json } => w.raw(json),
                Body::Media(media) => {
                    let note =
                        format!("an {} of the assistant's cannot be sent back", media.kind.name());
                    self.lose("assistant.media", LossKind::Dropped, note);
                }
                Body::Native { .. } | Body::Result(_) => {
                    let note = "a step that the other provider made itself is left out";
                    self.lose("assistant.native", LossKind::Dropped, note);
                }
                Body::Text { .. } | Body::Refusal(_) => {}
            }
        }
    }

    /// Signed thinking is its whole item; the provider takes no other.
    fn thinking(&mut self, w: &mut JsonOut<'_>, part: &Part<'_>, text: &str) {
        let Some(signature) = &part.signature else {
            if !text.is_empty() {
                self.lose("thinking", LossKind::Dropped, "it is not signed");
            }
            return;
        };
        let Some(item) = signature.for_signer(OWN) else {
            let note = "it is signed by another kind of provider";
            return self.lose("thinking", LossKind::Dropped, note);
        };
        // An item without its content is a reference to what the provider stored.
        let own = self.conversation.origin == OWN;
        match own || self.stores() || is_self_contained(item).unwrap_or(false) {
            true => w.raw(item),
            false => self.lose("thinking", LossKind::Dropped, "its content was not sent along"),
        }
    }

    /// One plain text alone is a string.
    fn content(&mut self, w: &mut JsonOut<'_>, parts: &[&Part<'_>]) {
        if let [Part { body: Body::Text { text, .. }, .. }] = parts {
            return w.field_str("content", text);
        }
        w.field_array("content", |w| parts.iter().for_each(|part| self.part(w, part)));
    }

    fn part(&mut self, w: &mut JsonOut<'_>, part: &Part<'_>) {
        match &part.body {
            Body::Text { text: it, .. } | Body::Refusal(it) => text(w, "input_text", it),
            Body::Media(media) => self.media(w, media),
            Body::Native { dialect: OWN, json } => w.raw(json),
            Body::Native { dialect, .. } => self.foreign(*dialect),
            Body::Thinking { .. } | Body::Call(_) | Body::Result(_) => {}
        }
    }

    fn media(&mut self, w: &mut JsonOut<'_>, media: &Media<'_>) {
        // The two dialects of OpenAI's have one store.
        let stored = match &media.source {
            Source::File { id, dialect: OWN | Dialect::OpenAiChat } => Some(&**id),
            _ => None,
        };
        match (media.kind, &media.source) {
            (MediaKind::Image, Source::Url { .. } | Source::Base64 { .. }) => w.object(|w| {
                w.field_str("type", "input_image");
                w.maybe_str("image_url", media.url().as_deref());
                w.maybe_str("detail", media.detail.as_deref());
            }),
            (MediaKind::Image, _) if stored.is_some() => w.object(|w| {
                w.field_str("type", "input_image");
                w.maybe_str("file_id", stored);
                w.maybe_str("detail", media.detail.as_deref());
            }),
            (MediaKind::Document, _) if stored.is_some() => w.object(|w| {
                w.field_str("type", "input_file");
                w.maybe_str("file_id", stored);
            }),
            (MediaKind::Document, Source::Base64 { .. }) => w.object(|w| {
                w.field_str("type", "input_file");
                w.field_str("filename", media.name.as_deref().unwrap_or("document.pdf"));
                w.maybe_str("file_data", media.url().as_deref());
            }),
            (MediaKind::Document, Source::Url { url, .. }) => w.object(|w| {
                w.field_str("type", "input_file");
                w.field_str("file_url", url);
            }),
            (MediaKind::Document, Source::Text(it)) => {
                self.lose("document", LossKind::Emulated, "a text document is sent as text");
                match &media.name {
                    Some(name) => text(w, "input_text", &format!("{name}{PARAGRAPH}{it}")),
                    None => text(w, "input_text", it),
                }
            }
            (MediaKind::Audio, Source::Base64 { mime, data }) => w.object(|w| {
                w.field_str("type", "input_audio");
                w.field_object("input_audio", |w| {
                    w.field_str("data", data);
                    let format = match &**mime {
                        "audio/mpeg" | "audio/mp3" => "mp3",
                        mime => mime.strip_prefix("audio/").unwrap_or("wav"),
                    };
                    w.field_str("format", format.trim_start_matches("x-"));
                });
            }),
            (kind, source) => {
                let from = match source {
                    Source::File { .. } => "from another provider's store",
                    _ => "in this form",
                };
                self.impossible
                    .get_or_insert(format!("the model's provider takes no {} {from}", kind.name()));
            }
        }
    }
}

fn text(w: &mut JsonOut<'_>, kind: &str, text: &str) {
    w.object(|w| {
        w.field_str("type", kind);
        w.field_str("text", text);
    });
}

/// Whether a reasoning item brings its content along, encrypted or plain.
fn is_self_contained(item: &str) -> Result<bool, JsonError> {
    let mut any = false;
    Scanner::new(item).object(|scanner, key| {
        any |= match (key.raw, scanner.kind()?) {
            ("encrypted_content", Kind::String) => !scanner.string()?.raw.is_empty(),
            ("content", Kind::Array) => !scanner.raw()?.trim_matches(['[', ']', ' ']).is_empty(),
            _ => false,
        };
        Ok::<(), JsonError>(())
    })?;
    Ok(any)
}
