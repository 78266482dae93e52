//! Reading the messages of a request.

use std::borrow::Cow;

use super::decode::Read;
use super::pieces::{CallPiece, citation};
use crate::dialect::Dialect;
use crate::dialect::conversation::{Message, Role};
use crate::dialect::json::{JsonError, Kind, Scanner};
use crate::dialect::part::{
    Body, CacheMark, Media, MediaKind, Part, Signature, Source, Text, ToolCall, ToolResult,
    mime_of_name,
};

/// A message under way.
#[derive(Default)]
struct Draft<'a> {
    role: Text<'a>,
    name: Option<Text<'a>>,
    thinking: Option<Text<'a>>,
    details: Vec<Part<'a>>,
    content: Vec<Part<'a>>,
    refusal: Option<Text<'a>>,
    calls: Vec<Part<'a>>,
    answers: Option<Text<'a>>,
    sound: Option<Part<'a>>,
    cache: Option<CacheMark>,
}

pub(super) fn message<'a>(scanner: &mut Scanner<'a>) -> Read<Option<Message<'a>>> {
    if scanner.kind()? != Kind::Object {
        return Ok(None);
    }
    let mut draft = Draft::default();
    scanner.object(|scanner, key| {
        match (&*key.cow(), scanner.kind()?) {
            ("role", _) => draft.role = scanner.text()?.unwrap_or_default(),
            ("name", _) => draft.name = scanner.text()?,
            ("content", _) => content(scanner, &mut draft.content)?,
            ("reasoning_content" | "reasoning", Kind::String) => {
                draft.thinking = draft.thinking.take().or(scanner.text()?);
            }
            ("reasoning_details", Kind::Array) => details(scanner, &mut draft.details)?,
            ("refusal", Kind::String) => draft.refusal = scanner.text()?,
            ("tool_calls", Kind::Array) => scanner.array(|scanner, _| {
                draft.calls.extend(call(scanner)?);
                Ok::<(), JsonError>(())
            })?,
            ("function_call", Kind::Object) => {
                let mut piece = CallPiece::default();
                piece.function(scanner)?;
                draft.calls.push(Part::call("", piece.name, piece.arguments));
            }
            ("tool_call_id", _) => draft.answers = scanner.text()?,
            ("audio", Kind::Object) => draft.sound = spoken(scanner)?,
            ("annotations", Kind::Array) => scanner.array(|scanner, _| {
                let found = citation(scanner)?;
                if let Some(Part { body: Body::Text { citations, .. }, .. }) =
                    draft.content.last_mut()
                {
                    citations.extend(found);
                }
                Ok::<(), JsonError>(())
            })?,
            ("cache_control", Kind::Object) => draft.cache = Some(CacheMark::read(scanner)?),
            _ => {}
        }
        Ok::<(), JsonError>(())
    })?;
    Ok(Some(draft.finish()))
}

impl<'a> Draft<'a> {
    fn finish(mut self) -> Message<'a> {
        if let (Some(cache), Some(last)) = (self.cache, self.content.last_mut()) {
            last.cache = Some(cache);
        }
        match &*self.role {
            "system" | "developer" => {
                Message { role: Role::System, parts: self.content, name: self.name }
            }
            "tool" | "function" => {
                let call = self.answers.unwrap_or_default();
                let parts = std::mem::take(&mut self.content);
                let cache = parts.last().and_then(|part| part.cache);
                let result = ToolResult { call, name: self.name, parts, ..ToolResult::default() };
                let part = Part::new(Body::Result(result)).marked(cache);
                Message::new(Role::Tool, vec![part])
            }
            "assistant" => {
                let mut parts = thoughts(self.details, self.thinking.unwrap_or_default());
                parts.append(&mut self.content);
                parts.extend(self.refusal.map(|text| Part::new(Body::Refusal(text))));
                parts.extend(self.sound);
                parts.append(&mut self.calls);
                Message { role: Role::Assistant, parts, name: self.name }
            }
            _ => Message { role: Role::User, parts: self.content, name: self.name },
        }
    }
}

/// The details say all that the plain thinking says, signed; but those of our streams leave out the
/// text that has gone before.
fn thoughts<'a>(mut details: Vec<Part<'a>>, text: Text<'a>) -> Vec<Part<'a>> {
    if text.is_empty() {
        return details;
    }
    let signed = !details.is_empty();
    let mut open = details.iter_mut().filter(
        |part| matches!(&part.body, Body::Thinking { text, redacted: false } if text.is_empty()),
    );
    match (open.next(), open.next()) {
        (Some(only), None) => only.push_text(&text),
        (None, _) if signed => {}
        // Whose text is which cannot be told, and thoughts of another text are refused.
        _ => return vec![Part::thinking(text)],
    }
    details
}

fn content<'a>(scanner: &mut Scanner<'a>, parts: &mut Vec<Part<'a>>) -> Read<()> {
    match scanner.kind()? {
        Kind::String => {
            let text = scanner.string()?.cow();
            if !text.is_empty() {
                parts.push(Part::text(text));
            }
            Ok(())
        }
        Kind::Array => scanner.array(|scanner, _| {
            parts.extend(match scanner.kind()? {
                Kind::String => Some(Part::text(scanner.string()?.cow())),
                Kind::Object => part(scanner)?,
                _ => None,
            });
            Ok(())
        }),
        _ => Ok(()),
    }
}

fn part<'a>(scanner: &mut Scanner<'a>) -> Read<Option<Part<'a>>> {
    let json = scanner.clone().raw()?;
    let (mut kind, mut text, mut media, mut cache) = (None, None, None, None);
    let mut thinking = Vec::new();
    scanner.object(|scanner, key| {
        match (&*key.cow(), scanner.kind()?) {
            ("type", _) => kind = scanner.text()?,
            ("text" | "refusal", Kind::String) => text = scanner.text()?,
            ("thinking", _) => content(scanner, &mut thinking)?,
            ("image_url", _) => media = place(scanner, MediaKind::Image)?,
            ("video_url", _) => media = place(scanner, MediaKind::Video)?,
            ("audio_url", _) => media = place(scanner, MediaKind::Audio)?,
            // Mistral's.
            ("document_url", _) => media = place(scanner, MediaKind::Document)?,
            ("input_audio", Kind::Object) => media = heard(scanner)?,
            ("file", Kind::Object) => media = file(scanner)?,
            ("cache_control", Kind::Object) => cache = Some(CacheMark::read(scanner)?),
            _ => {}
        }
        Ok::<(), JsonError>(())
    })?;
    let body = match (kind.as_deref(), media) {
        (_, Some(media)) => Body::Media(media),
        (Some("refusal"), None) => Body::Refusal(text.unwrap_or_default()),
        (Some("thinking"), None) => {
            let texts = thinking.iter().map(Part::main_text).collect::<Vec<_>>().concat();
            Body::Thinking { text: texts.into(), redacted: false }
        }
        (Some("text") | None, None) => match text {
            Some(text) => Body::Text { text, citations: Vec::new() },
            None => return Ok(None),
        },
        _ => Body::Native { dialect: Dialect::OpenAiChat, json: json.into() },
    };
    Ok(Some(Part::new(body).marked(cache)))
}

/// `{"url": "…", "detail": "low"}`, or the address alone.
fn place<'a>(scanner: &mut Scanner<'a>, kind: MediaKind) -> Read<Option<Media<'a>>> {
    if let Some(url) = scanner.text()? {
        return Ok(Some(Media::of_url(kind, url)));
    }
    let (mut url, mut detail) = (None, None);
    if scanner.kind()? == Kind::Object {
        scanner.object(|scanner, key| {
            match key.raw {
                "url" => url = scanner.text()?,
                "detail" => detail = scanner.text()?,
                _ => {}
            }
            Ok::<(), JsonError>(())
        })?;
    }
    Ok(url.map(|url| Media { detail, ..Media::of_url(kind, url) }))
}

/// `{"data": "…", "format": "mp3"}`, the same in all of OpenAI's APIs.
pub(in crate::dialect) fn heard<'a>(scanner: &mut Scanner<'a>) -> Read<Option<Media<'a>>> {
    let (mut data, mut format) = (None, None);
    scanner.object(|scanner, key| {
        match key.raw {
            "data" => data = scanner.text()?,
            "format" => format = scanner.text()?,
            _ => {}
        }
        Ok::<(), JsonError>(())
    })?;
    let mime = match format.as_deref() {
        Some("mp3") => Cow::Borrowed("audio/mpeg"),
        Some(format) => Cow::Owned(format!("audio/{format}")),
        None => Cow::Borrowed("audio/wav"),
    };
    Ok(data.map(|data| Media::new(MediaKind::Audio, Source::Base64 { mime, data })))
}

fn file<'a>(scanner: &mut Scanner<'a>) -> Read<Option<Media<'a>>> {
    let (mut id, mut name, mut data) = (None, None, None);
    scanner.object(|scanner, key| {
        match key.raw {
            "file_id" => id = scanner.text()?,
            "filename" => name = scanner.text()?,
            "file_data" => data = scanner.text()?,
            _ => {}
        }
        Ok::<(), JsonError>(())
    })?;
    let media = match (data, id) {
        (Some(data), _) if data.starts_with("data:") => {
            Some(Media::of_url(MediaKind::Document, data))
        }
        (Some(data), _) => {
            let mime = name.as_deref().and_then(mime_of_name);
            let mime = mime.unwrap_or("application/pdf").into();
            Some(Media::new(MediaKind::Document, Source::Base64 { mime, data }))
        }
        (None, Some(id)) => {
            let source = Source::File { id, dialect: Dialect::OpenAiChat };
            Some(Media::new(MediaKind::Document, source))
        }
        (None, None) => None,
    };
    Ok(media.map(|media| Media { name, ..media }))
}

/// What the assistant said aloud, named by its id.
fn spoken<'a>(scanner: &mut Scanner<'a>) -> Read<Option<Part<'a>>> {
    let mut id = None;
    scanner.object(|scanner, key| {
        if key.raw == "id" {
            id = scanner.text()?;
        }
        Ok::<(), JsonError>(())
    })?;
    Ok(id.map(|id| {
        let source = Source::File { id, dialect: Dialect::OpenAiChat };
        Part::new(Body::Media(Media::new(MediaKind::Audio, source)))
    }))
}

fn call<'a>(scanner: &mut Scanner<'a>) -> Read<Option<Part<'a>>> {
    if scanner.kind()? != Kind::Object {
        return Ok(None);
    }
    let piece = CallPiece::read(scanner)?;
    let signed = piece.signature.map(|value| Signature::read(Dialect::GeminiGenerate, value));
    let call = ToolCall {
        id: piece.id,
        name: piece.name,
        arguments: piece.arguments,
        free_form: piece.free_form,
    };
    Ok(Some(Part::new(Body::Call(call)).signed(signed)))
}

/// Thinking as its provider wants it back. What carries our mark was signed in another dialect; the
/// rest is of this one, and goes back whole.
fn details<'a>(scanner: &mut Scanner<'a>, parts: &mut Vec<Part<'a>>) -> Read<()> {
    let whole = scanner.clone().raw()?;
    scanner.array(|scanner, _| {
        if scanner.kind()? != Kind::Object {
            return Ok(());
        }
        let (mut text, mut value, mut redacted) = (Cow::Borrowed(""), None, false);
        scanner.object(|scanner, key| {
            match (key.raw, scanner.kind()?) {
                ("text" | "summary", Kind::String) => text = scanner.string()?.cow(),
                ("signature", Kind::String) => value = scanner.text()?,
                ("data", Kind::String) => (value, redacted) = (scanner.text()?, true),
                _ => {}
            }
            Ok::<(), JsonError>(())
        })?;
        let signature = value.map(|value| Signature::read(Dialect::OpenAiChat, value));
        parts.push(Part::new(Body::Thinking { text, redacted }).signed(signature));
        Ok(())
    })?;
    let native = |part: &Part<'_>| {
        part.signature.as_ref().is_none_or(|signature| signature.dialect == Dialect::OpenAiChat)
    };
    if !parts.is_empty() && parts.iter().all(native) {
        let text = parts.iter().map(Part::main_text).collect::<Vec<_>>().concat();
        let signature = Signature { dialect: Dialect::OpenAiChat, value: whole.into() };
        *parts = vec![Part::thinking(text).signed(Some(signature))];
    }
    Ok(())
}
