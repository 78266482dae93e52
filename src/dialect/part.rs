//! The pieces of messages and answers, in neutral form: what two dialects have in common, and what
//! only one of them knows, kept as it came.

use std::borrow::Cow;

use super::Dialect;
use super::json::{JsonError, Scanner};

/// Text that is borrowed from a body wherever nothing in it was escaped.
pub type Text<'a> = Cow<'a, str>;

/// A piece of a message or of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Part<'a> {
    /// What it is.
    pub body: Body<'a>,
    /// What a provider signed it with; it must come back as it was, or thinking models lose their
    /// thread (and some refuse the request).
    pub signature: Option<Signature<'a>>,
    /// The client asks the provider to cache the prompt up to here.
    pub cache: Option<CacheMark>,
}

/// What a piece is.
#[derive(Debug, Clone, PartialEq)]
pub enum Body<'a> {
    /// Words.
    Text {
        /// The words.
        text: Text<'a>,
        /// Where they come from.
        citations: Vec<Citation<'a>>,
    },
    /// Why the model declines.
    Refusal(Text<'a>),
    /// Thinking that is shown, or whose text is withheld (then it is empty, and the signature holds
    /// what the provider needs).
    Thinking {
        /// The thinking, or a summary of it.
        text: Text<'a>,
        /// The provider keeps the text to itself.
        redacted: bool,
    },
    /// An image, sound, film or document.
    Media(Media<'a>),
    /// The model calls a tool.
    Call(ToolCall<'a>),
    /// What a tool call came to.
    Result(ToolResult<'a>),
    /// Something that one dialect alone knows: a search that the provider makes itself, its
    /// results, a reference to something it stores.
    Native {
        /// Whose it is.
        dialect: Dialect,
        /// The whole piece as JSON.
        json: Text<'a>,
    },
}

/// An image, sound, film or document.
#[derive(Debug, Clone, PartialEq)]
pub struct Media<'a> {
    /// What kind of thing it is.
    pub kind: MediaKind,
    /// Where its bytes are.
    pub source: Source<'a>,
    /// Its file name or title.
    pub name: Option<Text<'a>>,
    /// How closely an image is to be looked at: `low`, `high`, `auto`.
    pub detail: Option<Text<'a>>,
    /// What sound says, in words.
    pub transcript: Option<Text<'a>>,
    /// The provider's id of it, for sound that an answer brought.
    pub id: Option<Text<'a>>,
}

/// The kinds of media.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are the documentation")]
pub enum MediaKind {
    Image,
    Audio,
    Video,
    Document,
}

impl MediaKind {
    /// The word for it in messages to people.
    pub const fn name(self) -> &'static str {
        match self {
            MediaKind::Image => "image",
            MediaKind::Audio => "audio",
            MediaKind::Video => "video",
            MediaKind::Document => "document",
        }
    }

    /// The kind that a media type such as `image/png` stands for.
    pub fn of_mime(mime: &str) -> MediaKind {
        match mime.split('/').next() {
            Some("image") => MediaKind::Image,
            Some("audio") => MediaKind::Audio,
            Some("video") => MediaKind::Video,
            _ => MediaKind::Document,
        }
    }
}

/// Where the bytes of media are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source<'a> {
    /// Here, in base64.
    Base64 {
        /// Such as `image/png`.
        mime: Text<'a>,
        /// The bytes, standard alphabet, padded.
        data: Text<'a>,
    },
    /// At an address that the provider fetches them from.
    Url {
        /// The address.
        url: Text<'a>,
        /// Such as `image/png`, where it is known.
        mime: Option<Text<'a>>,
    },
    /// In the provider's own store.
    File {
        /// The provider's id.
        id: Text<'a>,
        /// Whose store it is.
        dialect: Dialect,
    },
    /// Plain text.
    Text(Text<'a>),
}

/// A call of a tool.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ToolCall<'a> {
    /// The id that the result must name; empty where the provider gives none.
    pub id: Text<'a>,
    /// The tool.
    pub name: Text<'a>,
    /// The arguments as the model wrote them: JSON, if it did well; any text for free-form tools.
    pub arguments: Text<'a>,
    /// The tool takes text in a form of its own instead of JSON.
    pub free_form: bool,
}

/// What a tool call came to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ToolResult<'a> {
    /// The id of the call.
    pub call: Text<'a>,
    /// The tool, where the client says.
    pub name: Option<Text<'a>>,
    /// Texts and media.
    pub parts: Vec<Part<'a>>,
    /// It failed.
    pub error: bool,
    /// The result of a free-form tool.
    pub free_form: bool,
}

/// How the ids of calls begin that we made up.
const MADE_UP: &str = "call_made_";

impl ToolCall<'_> {
    /// Gives it an id where its provider gives none: clients send it back with the result. It is made
    /// of the request's id and the call's place, and of the characters and the length that every
    /// dialect takes.
    pub fn ensure_id(&mut self, request: &str, choice: u32, at: usize) {
        if !self.id.is_empty() {
            return;
        }
        let plain = |char: char| if char.is_ascii_alphanumeric() { char } else { '_' };
        let request: String = request.chars().map(plain).collect();
        let tail = &request[request.len().saturating_sub(16)..];
        self.id = Cow::Owned(format!("{MADE_UP}{tail}_{choice}_{at}"));
    }

    /// Whether its id is one that we made up.
    pub fn has_made_up_id(&self) -> bool {
        self.id.starts_with(MADE_UP)
    }
}

impl<'a> ToolResult<'a> {
    /// Its texts, one behind the other.
    pub fn text(&self) -> Text<'_> {
        joined(self.parts.iter().filter_map(|part| match &part.body {
            Body::Text { text, .. } => Some(text.as_ref()),
            _ => None,
        }))
    }

    /// Whether there is something in it besides text.
    pub fn has_media(&self) -> bool {
        self.parts.iter().any(|part| !matches!(part.body, Body::Text { .. }))
    }
}

/// An opaque proof of a provider that a piece is its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature<'a> {
    /// Who signed, and alone can read it.
    pub dialect: Dialect,
    /// What it signed with.
    pub value: Text<'a>,
}

/// How a signature travels in a dialect that is not the signer's.
const FOREIGN: &str = "pointsman:";

impl<'a> Signature<'a> {
    /// A signature as it stands in a message of `dialect`: the dialect's own, or one of another
    /// dialect that [`Signature::written`] wrapped.
    pub fn read(dialect: Dialect, value: Text<'a>) -> Signature<'a> {
        let wrapped = value.strip_prefix(FOREIGN).and_then(|rest| rest.split_once(':'));
        match wrapped.and_then(|(name, value)| Some((Dialect::from_name(name)?, value.to_owned())))
        {
            Some((signer, value)) => Signature { dialect: signer, value: Cow::Owned(value) },
            None => Signature { dialect, value },
        }
    }

    /// The signature as it is written into a message of `dialect`, so that it comes back through
    /// clients which only know their own.
    pub fn written(&self, dialect: Dialect) -> Text<'_> {
        if self.dialect == dialect {
            Cow::Borrowed(&self.value)
        } else {
            Cow::Owned(format!("{FOREIGN}{}:{}", self.dialect.name(), self.value))
        }
    }

    /// The value, for its signer alone.
    pub fn for_signer(&self, dialect: Dialect) -> Option<&str> {
        (self.dialect == dialect).then_some(&*self.value)
    }

    fn into_owned(self) -> Signature<'static> {
        Signature { dialect: self.dialect, value: owned(self.value) }
    }
}

/// Where a text comes from.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Citation<'a> {
    /// The address of the source.
    pub url: Option<Text<'a>>,
    /// Its title.
    pub title: Option<Text<'a>>,
    /// The words that are cited.
    pub quote: Option<Text<'a>>,
    /// Which characters of the text it supports, from and to (exclusive), where it says.
    pub range: Option<(u64, u64)>,
    /// The whole citation as one dialect has it.
    pub native: Option<(Dialect, Text<'a>)>,
}

/// How long a prompt up to a mark is to be cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CacheMark {
    /// As long as is usual there: five minutes.
    Usual,
    /// An hour.
    Hour,
}

impl CacheMark {
    /// `{"type": "ephemeral", "ttl": "1h"}`, as Anthropic has it and others took it over.
    ///
    /// # Errors
    /// Broken JSON, or no object.
    pub fn read(scanner: &mut Scanner<'_>) -> Result<CacheMark, JsonError> {
        let mut mark = CacheMark::Usual;
        scanner.object(|scanner, key| {
            if key.raw == "ttl" && scanner.text()?.as_deref() == Some("1h") {
                mark = CacheMark::Hour;
            }
            Ok::<(), JsonError>(())
        })?;
        Ok(mark)
    }
}

impl<'a> Part<'a> {
    /// A plain piece.
    pub fn new(body: Body<'a>) -> Part<'a> {
        Part { body, signature: None, cache: None }
    }

    /// Words.
    pub fn text(text: impl Into<Text<'a>>) -> Part<'a> {
        Part::new(Body::Text { text: text.into(), citations: Vec::new() })
    }

    /// Thinking.
    pub fn thinking(text: impl Into<Text<'a>>) -> Part<'a> {
        Part::new(Body::Thinking { text: text.into(), redacted: false })
    }

    /// A call of a tool with JSON arguments.
    pub fn call(
        id: impl Into<Text<'a>>,
        name: impl Into<Text<'a>>,
        arguments: impl Into<Text<'a>>,
    ) -> Part<'a> {
        let (id, name, arguments) = (id.into(), name.into(), arguments.into());
        Part::new(Body::Call(ToolCall { id, name, arguments, free_form: false }))
    }

    /// The same, signed.
    pub fn signed(mut self, signature: Option<Signature<'a>>) -> Part<'a> {
        self.signature = signature;
        self
    }

    /// The same with a cache mark.
    pub fn marked(mut self, cache: Option<CacheMark>) -> Part<'a> {
        self.cache = cache;
        self
    }

    /// Its main text: what grows while a stream brings it.
    pub fn main_text(&self) -> &str {
        match &self.body {
            Body::Text { text, .. } | Body::Refusal(text) | Body::Thinking { text, .. } => text,
            Body::Call(call) => &call.arguments,
            Body::Native { json, .. } => json,
            Body::Media(media) => media.transcript.as_deref().unwrap_or_default(),
            Body::Result(_) => "",
        }
    }

    /// Adds to its main text.
    pub fn push_text(&mut self, more: &str) {
        let to = match &mut self.body {
            Body::Text { text, .. } | Body::Refusal(text) | Body::Thinking { text, .. } => text,
            Body::Call(call) => &mut call.arguments,
            Body::Native { json, .. } => json,
            Body::Media(media) => media.transcript.get_or_insert_default(),
            Body::Result(_) => return,
        };
        to.to_mut().push_str(more);
    }

    /// Whether it says nothing at all and is not signed either.
    pub fn is_blank(&self) -> bool {
        self.signature.is_none()
            && match &self.body {
                Body::Text { text, .. } | Body::Refusal(text) => text.is_empty(),
                Body::Thinking { text, redacted } => text.is_empty() && !redacted,
                _ => false,
            }
    }

    /// The same, independent of the body it was read from.
    pub fn into_owned(self) -> Part<'static> {
        Part {
            body: self.body.into_owned(),
            signature: self.signature.map(Signature::into_owned),
            cache: self.cache,
        }
    }
}

impl Body<'_> {
    fn into_owned(self) -> Body<'static> {
        match self {
            Body::Text { text, citations } => Body::Text {
                text: owned(text),
                citations: citations.into_iter().map(Citation::into_owned).collect(),
            },
            Body::Refusal(text) => Body::Refusal(owned(text)),
            Body::Thinking { text, redacted } => Body::Thinking { text: owned(text), redacted },
            Body::Media(media) => Body::Media(media.into_owned()),
            Body::Call(call) => Body::Call(ToolCall {
                id: owned(call.id),
                name: owned(call.name),
                arguments: owned(call.arguments),
                free_form: call.free_form,
            }),
            Body::Result(result) => Body::Result(ToolResult {
                call: owned(result.call),
                name: result.name.map(owned),
                parts: result.parts.into_iter().map(Part::into_owned).collect(),
                error: result.error,
                free_form: result.free_form,
            }),
            Body::Native { dialect, json } => Body::Native { dialect, json: owned(json) },
        }
    }
}

impl Media<'_> {
    fn into_owned(self) -> Media<'static> {
        Media {
            kind: self.kind,
            source: match self.source {
                Source::Base64 { mime, data } => {
                    Source::Base64 { mime: owned(mime), data: owned(data) }
                }
                Source::Url { url, mime } => Source::Url { url: owned(url), mime: mime.map(owned) },
                Source::File { id, dialect } => Source::File { id: owned(id), dialect },
                Source::Text(text) => Source::Text(owned(text)),
            },
            name: self.name.map(owned),
            detail: self.detail.map(owned),
            transcript: self.transcript.map(owned),
            id: self.id.map(owned),
        }
    }
}

impl<'a> Media<'a> {
    /// Media with nothing but its bytes.
    pub fn new(kind: MediaKind, source: Source<'a>) -> Media<'a> {
        Media { kind, source, name: None, detail: None, transcript: None, id: None }
    }

    /// What a `data:` address or a plain one stands for.
    pub fn of_url(kind: MediaKind, url: Text<'a>) -> Media<'a> {
        let source = match data_url(&url) {
            Some((mime, data)) => Source::Base64 {
                mime: Cow::Owned(mime.to_owned()),
                data: match &url {
                    // The data may be megabytes: it is only copied where it was already.
                    Cow::Borrowed(url) => Cow::Borrowed(&url[url.len() - data.len()..]),
                    Cow::Owned(_) => Cow::Owned(data.to_owned()),
                },
            },
            None => Source::Url { url, mime: None },
        };
        Media::new(kind, source)
    }

    /// The address that stands for its bytes: its own, or a `data:` one.
    pub fn url(&self) -> Option<Text<'_>> {
        match &self.source {
            Source::Url { url, .. } => Some(Cow::Borrowed(url)),
            Source::Base64 { mime, data } => Some(Cow::Owned(format!("data:{mime};base64,{data}"))),
            Source::File { .. } | Source::Text(_) => None,
        }
    }

    /// Its media type, as far as it is known.
    pub fn mime(&self) -> Option<&str> {
        match &self.source {
            Source::Base64 { mime, .. } => Some(mime),
            Source::Url { mime: Some(mime), .. } => Some(mime),
            Source::Url { url, .. } => mime_of_name(url),
            Source::Text(_) => Some("text/plain"),
            Source::File { .. } => self.name.as_deref().and_then(mime_of_name),
        }
    }
}

/// The media type and the base64 text of a `data:` address.
fn data_url(url: &str) -> Option<(&str, &str)> {
    let (head, data) = url.strip_prefix("data:")?.split_once(',')?;
    let mime = head.strip_suffix(";base64")?;
    Some((mime.split(';').next().unwrap_or(mime), data))
}

/// The media type that a file name or address ends like.
pub fn mime_of_name(name: &str) -> Option<&'static str> {
    let path = name.split(['?', '#']).next().unwrap_or(name);
    let ending = path.rsplit('.').next()?.to_ascii_lowercase();
    Some(match &*ending {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "heic" => "image/heic",
        "svg" => "image/svg+xml",
        "pdf" => "application/pdf",
        "txt" => "text/plain",
        "md" => "text/markdown",
        "html" | "htm" => "text/html",
        "csv" => "text/csv",
        "json" => "application/json",
        "doc" => "application/msword",
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "xls" => "application/vnd.ms-excel",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "mp3" => "audio/mpeg",
        "wav" => "audio/wav",
        "ogg" => "audio/ogg",
        "flac" => "audio/flac",
        "m4a" => "audio/mp4",
        "mp4" => "video/mp4",
        "mov" => "video/quicktime",
        "webm" => "video/webm",
        "mkv" => "video/x-matroska",
        "avi" => "video/x-msvideo",
        _ => return None,
    })
}

impl Citation<'_> {
    /// The same, independent of the body it was read from.
    pub fn into_owned(self) -> Citation<'static> {
        Citation {
            url: self.url.map(owned),
            title: self.title.map(owned),
            quote: self.quote.map(owned),
            range: self.range,
            native: self.native.map(|(dialect, json)| (dialect, owned(json))),
        }
    }
}

fn owned(text: Text<'_>) -> Text<'static> {
    Cow::Owned(text.into_owned())
}

/// Texts one behind the other; borrowed where there is only one.
pub fn joined<'t>(texts: impl Iterator<Item = &'t str>) -> Text<'t> {
    let mut whole: Text<'t> = Cow::Borrowed("");
    for text in texts.filter(|text| !text.is_empty()) {
        if whole.is_empty() {
            whole = Cow::Borrowed(text);
        } else {
            whole.to_mut().push_str(text);
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_comes_back_through_a_foreign_dialect() {
        let signed = Signature { dialect: Dialect::GeminiGenerate, value: "a:b/c=".into() };
        let wire = signed.written(Dialect::AnthropicMessages).into_owned();
        assert_eq!(wire, "pointsman:gemini.generate:a:b/c=");
        assert_eq!(Signature::read(Dialect::AnthropicMessages, wire.into()), signed);
        assert_eq!(signed.written(Dialect::GeminiGenerate), "a:b/c=");
        assert_eq!(signed.for_signer(Dialect::AnthropicMessages), None);
        let own = Signature::read(Dialect::AnthropicMessages, "pointsman:nobody:x".into());
        assert_eq!(own.dialect, Dialect::AnthropicMessages);
    }

    #[test]
    fn data_addresses_are_taken_apart_and_put_together() {
        let url = "data:image/png;base64,AAAA";
        let media = Media::of_url(MediaKind::Image, url.into());
        assert_eq!(media.source, Source::Base64 { mime: "image/png".into(), data: "AAAA".into() });
        assert_eq!(media.url().unwrap(), url);
        let plain = Media::of_url(MediaKind::Image, "https://x.test/a.JPG?b=c".into());
        assert_eq!(plain.mime(), Some("image/jpeg"));
        let broken = Media::of_url(MediaKind::Image, "data:image/png,plain".into());
        assert!(matches!(broken.source, Source::Url { .. }));
    }
}
