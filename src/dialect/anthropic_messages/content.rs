//! Writing content blocks of requests.

use super::OWN;
use super::decode::DOCUMENT_CITATIONS;
use super::marks::Marks;
use super::turns::{Piece, is_sent_in_result};
use crate::dialect::conversation::Conversation;
use crate::dialect::json::{self, Kind, Scanner};
use crate::dialect::part::{
    Body, CacheMark, Media, MediaKind, Part, Source, Text, ToolCall, ToolResult,
};
use crate::dialect::write::JsonOut;

/// The media types of images that are taken.
const IMAGES: [&str; 4] = ["image/jpeg", "image/png", "image/gif", "image/webp"];

/// Why media cannot be sent; nothing where they can.
pub(super) fn refused(media: &Media<'_>) -> Option<String> {
    let is_text = |mime: &str| mime.starts_with("text/") || mime == "application/json";
    let fits = match (media.kind, &media.source) {
        (MediaKind::Image, Source::Base64 { mime, .. }) => IMAGES.contains(&&**mime),
        (MediaKind::Document, Source::Base64 { mime, data }) => {
            mime == "application/pdf" || (is_text(mime) && text_of_base64(data).is_some())
        }
        (MediaKind::Image | MediaKind::Document, Source::File { dialect, .. }) => *dialect == OWN,
        (MediaKind::Image, Source::Text(_)) => false,
        (MediaKind::Image | MediaKind::Document, _) => true,
        (MediaKind::Audio | MediaKind::Video, _) => false,
    };
    let name = media.kind.name();
    (!fits).then(|| match &media.source {
        Source::File { .. } if matches!(media.kind, MediaKind::Image | MediaKind::Document) => {
            format!("the model's provider takes no {name} from another provider's store")
        }
        Source::Base64 { mime, .. }
            if !matches!(media.kind, MediaKind::Audio | MediaKind::Video) =>
        {
            format!("the model's provider takes no {name} of the type {mime}")
        }
        _ => format!("the model's provider takes no {name}"),
    })
}

/// Whether a text is one JSON object.
pub(super) fn is_object(text: &str) -> bool {
    Scanner::new(text).kind() == Ok(Kind::Object) && json::is_valid(text)
}

/// A call's arguments as the object that they must be: nothing is an empty one, and what is none
/// stands inside of one.
pub(super) fn input(w: &mut JsonOut<'_>, call: &ToolCall<'_>) {
    let text = call.arguments.trim();
    w.key("input");
    match text {
        _ if call.free_form => w.object(|w| w.field_str("input", &call.arguments)),
        "" | "null" => w.object(|_| {}),
        text if is_object(text) => w.raw(text),
        text if json::is_valid(text) => w.object(|w| w.field_raw("input", text)),
        text => w.object(|w| w.field_str("input", text)),
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

/// Writes blocks.
pub(super) struct Blocks<'c> {
    /// Answers are to quote from documents.
    citations: Option<&'c str>,
    marks: &'c Marks,
}

/// Whether a part is written with its mark: thinking and blocks of the API's own have none of ours.
pub(super) fn is_marked(part: &Part<'_>) -> bool {
    part.cache.is_some()
        && !part.is_blank()
        && matches!(part.body, Body::Text { .. } | Body::Refusal(_) | Body::Media(_))
}

impl<'c> Blocks<'c> {
    pub(super) fn of(conversation: &'c Conversation<'_>, marks: &'c Marks) -> Blocks<'c> {
        let wish = conversation.extras.iter().find(|(name, _)| name == DOCUMENT_CITATIONS);
        Blocks { citations: wish.map(|(_, json)| &**json), marks }
    }

    /// Content with words of our own behind it.
    pub(super) fn content_and(
        &self,
        w: &mut JsonOut<'_>,
        name: &str,
        pieces: &[Piece<'_>],
        words: &'static str,
    ) {
        w.field_array(name, |w| {
            pieces.iter().for_each(|piece| self.piece(w, piece));
            self.piece(w, &Piece::Words(words));
        });
    }

    /// Content: a string where one plain text is all.
    pub(super) fn content(&self, w: &mut JsonOut<'_>, name: &str, pieces: &[Piece<'_>]) {
        if let [Piece::Part(part)] = pieces
            && let Some(text) = plain(part)
        {
            return w.field_str(name, text);
        }
        w.field_array(name, |w| pieces.iter().for_each(|piece| self.piece(w, piece)));
    }

    fn piece(&self, w: &mut JsonOut<'_>, piece: &Piece<'_>) {
        match piece {
            Piece::Part(part) => self.part(w, part),
            Piece::Call(part, call, id) => w.object(|w| {
                w.field_str("type", "tool_use");
                w.field_str("id", id);
                w.field_str("name", &call.name);
                input(w, call);
                cache(w, self.marks.block(part.cache));
            }),
            Piece::Result(part, result, id) => w.object(|w| {
                w.field_str("type", "tool_result");
                w.field_str("tool_use_id", id);
                self.result(w, result);
                cache(w, self.marks.block(part.cache));
            }),
            Piece::Words(words) => w.object(|w| {
                w.field_str("type", "text");
                w.field_str("text", words);
            }),
        }
    }

    fn result(&self, w: &mut JsonOut<'_>, result: &ToolResult<'_>) {
        let parts: Vec<&Part<'_>> = result
            .parts
            .iter()
            .filter(|part| is_sent_in_result(part) && !part.is_blank())
            .collect();
        match parts.as_slice() {
            [] => {}
            [part] if plain(part).is_some() => w.field_str("content", part.main_text()),
            parts => w.field_array("content", |w| parts.iter().for_each(|part| self.part(w, part))),
        }
        if result.error {
            w.field_bool("is_error", true);
        }
    }

    fn part(&self, w: &mut JsonOut<'_>, part: &Part<'_>) {
        let signature = part.signature.as_ref().and_then(|signature| signature.for_signer(OWN));
        match &part.body {
            Body::Text { text, citations } => w.object(|w| {
                w.field_str("type", "text");
                w.field_str("text", text);
                let own = || {
                    citations.iter().filter_map(|citation| match &citation.native {
                        Some((OWN, json)) => Some(json),
                        _ => None,
                    })
                };
                if own().next().is_some() {
                    w.field_array("citations", |w| own().for_each(|json| w.raw(json)));
                }
                cache(w, self.marks.block(part.cache));
            }),
            Body::Refusal(text) => w.object(|w| {
                w.field_str("type", "text");
                w.field_str("text", text);
                cache(w, self.marks.block(part.cache));
            }),
            Body::Thinking { redacted: true, .. } => w.object(|w| {
                w.field_str("type", "redacted_thinking");
                w.field_str("data", signature.unwrap_or_default());
            }),
            Body::Thinking { text, .. } => w.object(|w| {
                w.field_str("type", "thinking");
                w.field_str("thinking", text);
                w.field_str("signature", signature.unwrap_or_default());
            }),
            Body::Media(media) => self.media(w, media, part.cache),
            Body::Native { json, .. } => w.raw(json),
            // These are pieces of their own.
            Body::Call(_) | Body::Result(_) => {}
        }
    }

    fn media(&self, w: &mut JsonOut<'_>, media: &Media<'_>, mark: Option<CacheMark>) {
        let is_document = media.kind == MediaKind::Document;
        w.object(|w| {
            w.field_str("type", if is_document { "document" } else { "image" });
            w.field_object("source", |w| source(w, &media.source, is_document));
            if is_document {
                w.maybe_str("title", media.name.as_deref());
                w.maybe_raw("citations", self.citations);
            }
            cache(w, self.marks.block(mark));
        });
    }
}

/// The text of a part that is nothing but text.
fn plain<'p>(part: &'p Part<'_>) -> Option<&'p str> {
    match &part.body {
        Body::Text { text, citations } if citations.is_empty() && part.cache.is_none() => {
            Some(text)
        }
        _ => None,
    }
}

/// The members of a source.
pub(super) fn source(w: &mut JsonOut<'_>, source: &Source<'_>, is_document: bool) {
    let plain = |w: &mut JsonOut<'_>, text: &str| {
        w.field_str("type", "text");
        w.field_str("media_type", "text/plain");
        w.field_str("data", text);
    };
    match source {
        Source::Base64 { mime, data } => match text_of_base64(data) {
            Some(text) if is_document && mime != "application/pdf" => plain(w, &text),
            _ => {
                w.field_str("type", "base64");
                w.field_str("media_type", mime);
                w.field_str("data", data);
            }
        },
        Source::Url { url, .. } => {
            w.field_str("type", "url");
            w.field_str("url", url);
        }
        Source::File { id, .. } => {
            w.field_str("type", "file");
            w.field_str("file_id", id);
        }
        Source::Text(text) => plain(w, text),
    }
}

/// The text that base64 stands for; nothing where it is none.
fn text_of_base64(data: &str) -> Option<Text<'static>> {
    let mut bytes = Vec::with_capacity(data.len() / 4 * 3);
    let (mut bits, mut held) = (0u32, 0u32);
    for byte in data.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=') {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            // The lowest eight bits of what is left of those held.
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    String::from_utf8(bytes).ok().map(Text::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_text_where_it_is() {
        assert_eq!(text_of_base64("aGVsbG8gd8O2cmxk").unwrap(), "hello wörld");
        assert_eq!(text_of_base64("aGk=").unwrap(), "hi");
        assert_eq!(text_of_base64(""), Some("".into()));
        assert_eq!(text_of_base64("/w=="), None);
        assert_eq!(text_of_base64("a!"), None);
    }
}
