//! Writing the messages of a request.

use std::borrow::Cow;

use serde_json::Value;

use super::encode::{Encoder, arguments};
use crate::dialect::Dialect;
use crate::dialect::conversation::{Message, Role};
use crate::dialect::edits::LossKind;
use crate::dialect::json;
use crate::dialect::part::{Body, CacheMark, Media, MediaKind, Part, Source, ToolResult, joined};
use crate::dialect::write::JsonOut;

impl Encoder<'_> {
    pub(super) fn message(&mut self, w: &mut JsonOut<'_>, message: &Message<'_>) {
        // Nothing would be left of a message that only another dialect understands.
        let foreign = message.parts.iter().map(|part| match &part.body {
            Body::Native { dialect, .. } if *dialect != Dialect::OpenAiChat => Some(*dialect),
            _ => None,
        });
        if let Some(Some(dialect)) = foreign.reduce(|all, next| all.and(next)) {
            let note = format!("a step that only {dialect} knows");
            return self.losses.note("messages", LossKind::Dropped, note);
        }
        let named = |w: &mut JsonOut<'_>| w.maybe_str("name", message.name.as_deref());
        match message.role {
            Role::System => w.object(|w| {
                w.field_str("role", "system");
                named(w);
                self.content(w, &message.parts.iter().collect::<Vec<_>>());
            }),
            Role::Assistant => w.object(|w| {
                w.field_str("role", "assistant");
                named(w);
                self.assistant(w, &message.parts);
            }),
            Role::User | Role::Tool => self.user(w, message),
        }
    }

    /// Results of tools are messages of their own here; what else was said follows them, and so do
    /// the images that a tool returned, which its own message has no place for.
    fn user(&mut self, w: &mut JsonOut<'_>, message: &Message<'_>) {
        let mut rest: Vec<&Part<'_>> = Vec::new();
        for part in &message.parts {
            let Body::Result(result) = &part.body else {
                rest.push(part);
                continue;
            };
            w.object(|w| self.result(w, result));
            let beside = result.parts.iter().filter(|part| !matches!(part.body, Body::Text { .. }));
            rest.extend(beside.clone());
            if beside.clone().any(|part| matches!(part.body, Body::Media(_))) {
                let note = "images of a tool's result are sent in a message of their own";
                self.losses.note("tool_result.media", LossKind::Emulated, note);
            }
        }
        rest.retain(|part| match &part.body {
            Body::Native { dialect, .. } if *dialect != Dialect::OpenAiChat => {
                let note = format!("a part that only {dialect} knows");
                self.losses.note("content", LossKind::Dropped, note);
                false
            }
            _ => true,
        });
        if !rest.is_empty() {
            w.object(|w| {
                w.field_str("role", "user");
                w.maybe_str("name", message.name.as_deref());
                self.content(w, &rest);
            });
        }
    }

    fn result(&mut self, w: &mut JsonOut<'_>, result: &ToolResult<'_>) {
        w.field_str("role", "tool");
        w.field_str("tool_call_id", &result.call);
        let text = result.text();
        if result.error {
            self.losses.note(
                "tool_result.is_error",
                LossKind::Emulated,
                "the text says that it failed",
            );
            w.field_str("content", &format!("Error: {text}"));
        } else {
            w.field_str("content", &text);
        }
    }

    fn assistant(&mut self, w: &mut JsonOut<'_>, parts: &[Part<'_>]) {
        let texts = parts.iter().filter_map(|part| match &part.body {
            Body::Text { text, .. } => Some(text.as_ref()),
            _ => None,
        });
        let text = joined(texts);
        let calls = || {
            parts.iter().filter_map(|part| match &part.body {
                Body::Call(call) => Some((call, &part.signature)),
                _ => None,
            })
        };
        let has_calls = calls().next().is_some();
        if text.is_empty() && has_calls {
            w.field_null("content");
        } else {
            w.field_str("content", &text);
        }
        if has_calls {
            w.field_array("tool_calls", |w| {
                for (call, signature) in calls() {
                    w.object(|w| {
                        w.field_str("id", &call.id);
                        if call.free_form {
                            w.field_str("type", "custom");
                            w.field_object("custom", |w| {
                                w.field_str("name", &call.name);
                                w.field_str("input", &call.arguments);
                            });
                        } else {
                            w.field_str("type", "function");
                            w.field_object("function", |w| {
                                w.field_str("name", &call.name);
                                w.field_str("arguments", arguments(&call.arguments));
                            });
                        }
                        let google = signature
                            .as_ref()
                            .and_then(|signature| signature.for_signer(Dialect::GeminiGenerate));
                        if let Some(value) = google.filter(|_| self.quirks.google_signatures) {
                            w.field_object("extra_content", |w| {
                                w.field_object("google", |w| {
                                    w.field_str("thought_signature", value)
                                });
                            });
                        }
                    });
                }
            });
        }
        let refusals = parts.iter().filter_map(|part| match &part.body {
            Body::Refusal(text) => Some(text.as_ref()),
            _ => None,
        });
        w.maybe_str("refusal", Some(&*joined(refusals)).filter(|text| !text.is_empty()));
        self.thinking(w, parts);
        let mut sound = None;
        for part in parts {
            match &part.body {
                Body::Media(Media {
                    kind: MediaKind::Audio,
                    source: Source::File { id, dialect: Dialect::OpenAiChat },
                    ..
                }) if sound.is_none() => sound = Some(id),
                Body::Media(media) => {
                    let note =
                        format!("an {} of the assistant's cannot be sent back", media.kind.name());
                    self.losses.note("assistant.media", LossKind::Dropped, note);
                }
                Body::Native { .. } | Body::Result(_) => {
                    let note = "a step that the other provider made itself is left out";
                    self.losses.note("assistant.native", LossKind::Dropped, note);
                }
                Body::Text { .. } | Body::Call(_) | Body::Refusal(_) | Body::Thinking { .. } => {}
            }
        }
        if let Some(id) = sound {
            w.field_object("audio", |w| w.field_str("id", id));
        }
    }

    /// Thinking: signed details go back to those who wrote them, plain text to those who want it.
    fn thinking(&mut self, w: &mut JsonOut<'_>, parts: &[Part<'_>]) {
        let (mut details, mut texts): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
        for part in parts {
            let Body::Thinking { text, .. } = &part.body else { continue };
            let own = part.signature.as_ref().map(|it| it.for_signer(Dialect::OpenAiChat));
            let note = match own {
                Some(Some(own)) => {
                    details.push(own);
                    continue;
                }
                Some(None) => "it is signed by another kind of provider",
                None if text.is_empty() => continue,
                None if self.quirks.thinking_goes_back => {
                    texts.push(text);
                    continue;
                }
                None => "it does not go back there",
            };
            self.losses.note("thinking", LossKind::Dropped, note);
        }
        if !texts.is_empty() {
            w.field_str("reasoning_content", &joined(texts.into_iter()));
        }
        if !details.is_empty() {
            match merged(&details) {
                Some(details) => w.field_raw("reasoning_details", &details),
                None => self.losses.note("thinking", LossKind::Dropped, "its details are broken"),
            }
        }
    }

    fn content(&mut self, w: &mut JsonOut<'_>, parts: &[&Part<'_>]) {
        if let [part] = parts
            && matches!(part.body, Body::Text { .. })
            && self.cache_mark(part.cache).is_none()
        {
            return w.field_str("content", part.main_text());
        }
        if parts.is_empty() {
            // An empty list is refused.
            return w.field_str("content", "");
        }
        w.field_array("content", |w| {
            for part in parts {
                self.part(w, part);
            }
        });
    }

    fn part(&mut self, w: &mut JsonOut<'_>, part: &Part<'_>) {
        match &part.body {
            Body::Text { text, .. } | Body::Refusal(text) => w.object(|w| {
                w.field_str("type", "text");
                w.field_str("text", text);
                cache(w, self.cache_mark(part.cache));
            }),
            Body::Media(media) => self.media(w, media),
            Body::Native { dialect: Dialect::OpenAiChat, json } => w.raw(json),
            Body::Native { dialect, .. } => {
                self.losses.note(
                    "content",
                    LossKind::Dropped,
                    format!("a part that only {dialect} knows"),
                );
            }
            Body::Thinking { .. } | Body::Call(_) | Body::Result(_) => {}
        }
    }

    fn media(&mut self, w: &mut JsonOut<'_>, media: &Media<'_>) {
        match (media.kind, &media.source) {
            (MediaKind::Image, Source::Url { .. } | Source::Base64 { .. }) => w.object(|w| {
                w.field_str("type", "image_url");
                w.field_object("image_url", |w| {
                    w.maybe_str("url", media.url().as_deref());
                    w.maybe_str("detail", media.detail.as_deref());
                });
            }),
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
            (MediaKind::Document, Source::Base64 { .. }) => w.object(|w| {
                w.field_str("type", "file");
                w.field_object("file", |w| {
                    w.field_str("filename", media.name.as_deref().unwrap_or("document.pdf"));
                    w.maybe_str("file_data", media.url().as_deref());
                });
            }),
            (MediaKind::Document, Source::Text(text)) => {
                let note = "a text document is sent as text";
                self.losses.note("document", LossKind::Emulated, note);
                w.object(|w| {
                    w.field_str("type", "text");
                    match &media.name {
                        Some(name) => w.field_str("text", &format!("{name}\n\n{text}")),
                        None => w.field_str("text", text),
                    }
                });
            }
            (_, Source::File { id, dialect }) if *dialect == Dialect::OpenAiChat => w.object(|w| {
                w.field_str("type", "file");
                w.field_object("file", |w| w.field_str("file_id", id));
            }),
            (MediaKind::Video, Source::Url { .. } | Source::Base64 { .. }) => w.object(|w| {
                w.field_str("type", "video_url");
                w.field_object("video_url", |w| w.maybe_str("url", media.url().as_deref()));
            }),
            (kind, _) => {
                let from = match media.source {
                    Source::File { .. } => "from another provider's store",
                    _ => "in this form",
                };
                self.losses.refuse(format!("the model's provider takes no {} {from}", kind.name()));
                w.null();
            }
        }
    }
}

/// Where prompts are cached up to.
pub(super) fn cache(w: &mut JsonOut<'_>, mark: Option<CacheMark>) {
    if let Some(mark) = mark {
        w.field_object("cache_control", |w| {
            w.field_str("type", "ephemeral");
            if mark == CacheMark::Hour {
                w.field_str("ttl", "1h");
            }
        });
    }
}

/// Details that came in pieces are put together: those of one type and index are one. Nothing where
/// there are none that can be read.
pub(super) fn merged<'d>(details: &[&'d str]) -> Option<Cow<'d, str>> {
    // Each chunk of a stream brought an array of its own.
    let arrays = details
        .iter()
        .flat_map(|details| serde_json::Deserializer::from_str(details).into_iter::<Vec<Value>>());
    let mut arrays: Vec<Vec<Value>> = arrays.map_while(Result::ok).collect();
    match (&mut arrays[..], details) {
        ([], _) => None,
        ([_], [whole]) if json::is_valid(whole) => Some(Cow::Borrowed(whole)),
        (arrays, _) => {
            let mut whole: Vec<Value> = Vec::new();
            for piece in arrays.iter_mut().flat_map(std::mem::take) {
                super::assemble::merge_detail(&mut whole, piece);
            }
            Some(Cow::Owned(Value::from(whole).to_string()))
        }
    }
}
