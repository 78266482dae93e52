//! One entry of `parts`, as it stands in requests and answers.

use std::borrow::Cow;

use super::names::{camel, each};
use super::signature;
use crate::dialect::Dialect;
use crate::dialect::json::{JsonError, Kind, Scanner};
use crate::dialect::part::{Media, MediaKind, Part, Signature, Source, Text, mime_of_name};

/// The only field of arguments that are no JSON object, where a client was told of such a call.
pub(super) const BARE_ARGUMENTS: &str = "pointsman:arguments";
/// The same for a tool that takes free text.
pub(super) const BARE_INPUT: &str = "pointsman:input";

/// An entry of `parts`.
#[derive(Debug, Default)]
pub(super) struct Piece<'a> {
    pub(super) text: Option<Text<'a>>,
    pub(super) thought: bool,
    pub(super) signature: Option<Signature<'a>>,
    pub(super) media: Option<Media<'a>>,
    pub(super) call: Option<CallPiece<'a>>,
    pub(super) response: Option<ResponsePiece<'a>>,
    /// Which piece of a film is meant, as JSON.
    pub(super) video: Option<&'a str>,
    /// There is something in it that no other dialect knows.
    pub(super) native: bool,
    /// The whole entry as JSON.
    pub(super) json: &'a str,
}

/// A call, or what an event brings of one.
#[derive(Debug, Default)]
pub(super) struct CallPiece<'a> {
    pub(super) id: Text<'a>,
    pub(super) name: Text<'a>,
    /// The arguments as JSON, where they are there as a whole.
    pub(super) arguments: Option<&'a str>,
    pub(super) partial: Vec<PartialArgument<'a>>,
    /// More of it follows.
    pub(super) continues: bool,
}

/// One value inside of arguments, or a piece of a text there.
#[derive(Debug, Default)]
pub(super) struct PartialArgument<'a> {
    pub(super) path: Text<'a>,
    pub(super) value: PartialValue<'a>,
    /// More of the text follows.
    pub(super) continues: bool,
}

/// What a [`PartialArgument`] brings.
#[derive(Debug, Default)]
pub(super) enum PartialValue<'a> {
    #[default]
    Nothing,
    Text(Text<'a>),
    /// A number, `true`, `false` or `null`.
    Json(&'a str),
}

/// What a call came to.
#[derive(Debug, Default)]
pub(super) struct ResponsePiece<'a> {
    pub(super) id: Text<'a>,
    pub(super) name: Text<'a>,
    /// A JSON object.
    pub(super) response: Option<&'a str>,
    pub(super) media: Vec<Media<'a>>,
}

impl<'a> Piece<'a> {
    /// Reads an entry; nothing where it is no object.
    pub(super) fn read(scanner: &mut Scanner<'a>) -> Result<Option<Piece<'a>>, JsonError> {
        if scanner.kind()? != Kind::Object {
            return Ok(None);
        }
        let mut piece = Piece { json: scanner.clone().raw()?, ..Piece::default() };
        let mut detail = None;
        scanner.object(|scanner, key| {
            let (name, kind) = (key.cow(), scanner.kind()?);
            match (&*camel(&name), kind) {
                (_, Kind::Null) => {}
                ("text", Kind::String) => piece.text = scanner.text()?,
                ("thought", _) => piece.thought = scanner.bool()? == Some(true),
                ("thoughtSignature", Kind::String) => {
                    piece.signature = scanner.text()?.map(signature::read);
                }
                ("inlineData", Kind::Object) => piece.media = inline_data(scanner)?,
                ("fileData", Kind::Object) => piece.media = file_data(scanner)?,
                ("functionCall", Kind::Object) => piece.call = Some(CallPiece::read(scanner)?),
                ("functionResponse", Kind::Object) => {
                    piece.response = Some(ResponsePiece::read(scanner)?);
                }
                ("videoMetadata", Kind::Object) => piece.video = Some(scanner.raw()?),
                ("mediaResolution", Kind::Object) => detail = resolution(scanner)?,
                ("partMetadata", _) => {}
                _ => piece.native = true,
            }
            Ok::<(), JsonError>(())
        })?;
        if let Some(media) = &mut piece.media {
            media.detail = detail;
        }
        Ok(Some(piece))
    }

    /// The text or thinking of it, where it is one; an empty one only where it is signed.
    pub(super) fn words(self) -> Option<Part<'a>> {
        let text = self.text.unwrap_or_default();
        if text.is_empty() && self.signature.is_none() {
            return None;
        }
        let part = if self.thought { Part::thinking(text) } else { Part::text(text) };
        Some(part.signed(self.signature))
    }
}

impl<'a> CallPiece<'a> {
    fn read(scanner: &mut Scanner<'a>) -> Result<CallPiece<'a>, JsonError> {
        let mut piece = CallPiece::default();
        scanner.object(|scanner, key| {
            let (name, kind) = (key.cow(), scanner.kind()?);
            match (&*camel(&name), kind) {
                ("id", _) => piece.id = scanner.text()?.unwrap_or_default(),
                ("name", _) => piece.name = scanner.text()?.unwrap_or_default(),
                ("args", Kind::Object) => piece.arguments = Some(scanner.raw()?),
                ("partialArgs", _) => each(scanner, |scanner, _| {
                    if scanner.kind()? == Kind::Object {
                        piece.partial.push(PartialArgument::read(scanner)?);
                    }
                    Ok::<(), JsonError>(())
                })?,
                ("willContinue", _) => piece.continues = scanner.bool()? == Some(true),
                _ => {}
            }
            Ok::<(), JsonError>(())
        })?;
        Ok(piece)
    }

    /// The arguments, if they are there as a whole, and whether the tool takes free text.
    pub(super) fn whole_arguments(&self) -> Option<(Text<'a>, bool)> {
        let json = self.arguments?;
        let bare = bare_arguments(json).ok().flatten();
        Some(bare.unwrap_or((Cow::Borrowed(json), false)))
    }
}

/// Arguments that were wrapped because they are no object.
fn bare_arguments(json: &str) -> Result<Option<(Text<'_>, bool)>, JsonError> {
    if !json.contains("\"pointsman:") {
        return Ok(None);
    }
    let mut bare = None;
    Scanner::new(json).object(|scanner, key| {
        match key.raw {
            BARE_ARGUMENTS => bare = scanner.text()?.map(|text| (text, false)),
            BARE_INPUT => bare = scanner.text()?.map(|text| (text, true)),
            _ => {}
        }
        Ok::<(), JsonError>(())
    })?;
    Ok(bare)
}

impl<'a> PartialArgument<'a> {
    fn read(scanner: &mut Scanner<'a>) -> Result<PartialArgument<'a>, JsonError> {
        let mut piece = PartialArgument::default();
        scanner.object(|scanner, key| {
            let (name, kind) = (key.cow(), scanner.kind()?);
            match (&*camel(&name), kind) {
                ("jsonPath", _) => piece.path = scanner.text()?.unwrap_or_default(),
                ("stringValue", Kind::String) => {
                    piece.value = PartialValue::Text(scanner.string()?.cow());
                }
                ("numberValue", Kind::Number) | ("boolValue", Kind::Bool) => {
                    piece.value = PartialValue::Json(scanner.raw()?);
                }
                ("nullValue", _) => piece.value = PartialValue::Json("null"),
                ("willContinue", _) => piece.continues = scanner.bool()? == Some(true),
                _ => {}
            }
            Ok::<(), JsonError>(())
        })?;
        Ok(piece)
    }
}

impl<'a> ResponsePiece<'a> {
    fn read(scanner: &mut Scanner<'a>) -> Result<ResponsePiece<'a>, JsonError> {
        let mut piece = ResponsePiece::default();
        scanner.object(|scanner, key| {
            let (name, kind) = (key.cow(), scanner.kind()?);
            match (&*camel(&name), kind) {
                ("id", _) => piece.id = scanner.text()?.unwrap_or_default(),
                ("name", _) => piece.name = scanner.text()?.unwrap_or_default(),
                ("response", Kind::Object) => piece.response = Some(scanner.raw()?),
                ("parts", _) => each(scanner, |scanner, _| {
                    piece.media.extend(Piece::read(scanner)?.and_then(|piece| piece.media));
                    Ok::<(), JsonError>(())
                })?,
                _ => {}
            }
            Ok::<(), JsonError>(())
        })?;
        Ok(piece)
    }
}

fn inline_data<'a>(scanner: &mut Scanner<'a>) -> Result<Option<Media<'a>>, JsonError> {
    let (mut mime, mut data, mut name) = (None, None, None);
    scanner.object(|scanner, key| {
        match &*camel(&key.cow()) {
            "mimeType" => mime = scanner.text()?,
            "data" => data = scanner.text()?,
            "displayName" => name = scanner.text()?,
            _ => {}
        }
        Ok::<(), JsonError>(())
    })?;
    let mime = mime.unwrap_or(Cow::Borrowed("application/octet-stream"));
    Ok(data.map(|data| {
        let kind = MediaKind::of_mime(&mime);
        Media { name, ..Media::new(kind, Source::Base64 { mime, data: standard(data) }) }
    }))
}

/// Base64 in the standard alphabet: typed clients write the one for URLs.
fn standard(data: Text<'_>) -> Text<'_> {
    if !data.contains(['-', '_']) {
        return data;
    }
    Cow::Owned(data.replace('-', "+").replace('_', "/"))
}

fn file_data<'a>(scanner: &mut Scanner<'a>) -> Result<Option<Media<'a>>, JsonError> {
    let (mut mime, mut uri, mut name) = (None::<Text<'a>>, None::<Text<'a>>, None);
    scanner.object(|scanner, key| {
        match &*camel(&key.cow()) {
            "mimeType" => mime = scanner.text()?,
            "fileUri" => uri = scanner.text()?,
            "displayName" => name = scanner.text()?,
            _ => {}
        }
        Ok::<(), JsonError>(())
    })?;
    Ok(uri.map(|uri| {
        let kind = match mime.as_deref().or_else(|| mime_of_name(&uri)) {
            Some(mime) => MediaKind::of_mime(mime),
            None if is_youtube(&uri) => MediaKind::Video,
            None => MediaKind::Document,
        };
        let source = match is_stored(&uri) {
            true => Source::File { id: uri, dialect: Dialect::GeminiGenerate },
            false => Source::Url { url: uri, mime },
        };
        Media { name, ..Media::new(kind, source) }
    }))
}

/// Whether Google alone can read what is there.
fn is_stored(uri: &str) -> bool {
    uri.starts_with("gs://")
        || uri.starts_with("https://generativelanguage.googleapis.com/")
        || !uri.contains("://")
        || is_youtube(uri)
}

fn is_youtube(uri: &str) -> bool {
    let host = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    ["www.youtube.com/", "youtube.com/", "youtu.be/"].iter().any(|name| host.starts_with(name))
}

/// `{"level": "MEDIA_RESOLUTION_LOW"}`
fn resolution<'a>(scanner: &mut Scanner<'a>) -> Result<Option<Text<'a>>, JsonError> {
    let mut level = None;
    scanner.object(|scanner, key| {
        if key.raw == "level" {
            level = scanner.text()?;
        }
        Ok::<(), JsonError>(())
    })?;
    let level = level.as_deref().and_then(|level| level.strip_prefix("MEDIA_RESOLUTION_"));
    Ok(level.map(|level| Cow::Owned(level.to_ascii_lowercase())))
}
