//! Content blocks, as they stand in requests and in answers alike.

use std::borrow::Cow;

use super::OWN;
use crate::dialect::json::{JsonError, Kind, Scanner};
use crate::dialect::part::{
    Body, CacheMark, Citation, Media, MediaKind, Part, Signature, Source, Text, ToolCall,
    ToolResult,
};

pub(super) type Read<T> = Result<T, JsonError>;

/// How the signature of a tool call, for which there is no place here, travels in a block of
/// withheld thinking: this, the call's id, a colon, and the signature in its foreign form.
const OF_CALL: &str = "pointsman.call:";

/// What begins the foreign form, with the colon before it.
const FOREIGN: &str = ":pointsman:";

/// The data of a block that carries a call's signature.
pub(super) fn call_signature(id: &str, signature: &Signature<'_>) -> String {
    // Always in the foreign form, since no provider of this dialect signs calls.
    let Signature { dialect, value } = signature;
    format!("{OF_CALL}{id}{FOREIGN}{}:{value}", dialect.name())
}

/// Whether a signature is not this dialect's own.
pub(super) fn is_foreign(signature: &str) -> bool {
    signature.starts_with(OF_CALL) || Signature::read(OWN, signature.into()).dialect != OWN
}

/// Blocks, or a string that stands for one of text.
pub(super) fn parts<'a>(scanner: &mut Scanner<'a>) -> Read<Vec<Part<'a>>> {
    parts_cited(scanner, &mut false)
}

/// The same; says whether there are documents among them that the answer is to quote from.
pub(super) fn parts_cited<'a>(scanner: &mut Scanner<'a>, cited: &mut bool) -> Read<Vec<Part<'a>>> {
    let mut parts = Vec::new();
    match scanner.kind()? {
        Kind::String => parts.push(Part::text(scanner.string()?.cow())),
        Kind::Array => scanner.array(|scanner, _| {
            match scanner.kind()? {
                Kind::Object => {
                    let block = Block::read(scanner)?;
                    *cited |= block.is_to_be_cited();
                    parts.extend(block.parts()?);
                }
                Kind::String => parts.push(Part::text(scanner.string()?.cow())),
                _ => {}
            }
            Ok::<(), JsonError>(())
        })?,
        _ => {}
    }
    Ok(with_call_signatures(parts))
}

/// Gives the calls the signatures back that came in blocks of their own.
fn with_call_signatures(mut parts: Vec<Part<'_>>) -> Vec<Part<'_>> {
    let carried = |part: &Part<'_>| {
        let Body::Thinking { redacted: true, .. } = part.body else { return None };
        let rest = part.signature.as_ref()?.value.strip_prefix(OF_CALL)?;
        // Ids may have colons too.
        let (at, _) = rest.match_indices(FOREIGN).next()?;
        let (id, signature) = (&rest[..at], &rest[at + 1..]);
        Some((id.to_owned(), Signature::read(OWN, signature.to_owned().into())))
    };
    let signatures: Vec<_> = parts.iter().filter_map(carried).collect();
    if signatures.is_empty() {
        return parts;
    }
    parts.retain(|part| carried(part).is_none());
    for (id, signature) in signatures {
        let call = parts.iter_mut().find(
            |part| matches!(&part.body, Body::Call(call) if call.id == id && part.signature.is_none()),
        );
        if let Some(call) = call {
            call.signature = Some(signature);
        }
    }
    parts
}

/// A block as it was found; its type may stand behind everything else, so what depends on it waits.
#[derive(Default)]
pub(super) struct Block<'a> {
    pub(super) kind: Text<'a>,
    pub(super) json: &'a str,
    text: Option<Text<'a>>,
    thinking: Option<Text<'a>>,
    signature: Option<Text<'a>>,
    data: Option<Text<'a>>,
    id: Option<Text<'a>>,
    name: Option<Text<'a>>,
    call: Option<Text<'a>>,
    error: bool,
    title: Option<Text<'a>>,
    context: Option<Text<'a>>,
    input: Option<&'a str>,
    content: Option<&'a str>,
    source: Option<&'a str>,
    citations: Option<&'a str>,
    cache: Option<CacheMark>,
}

impl<'a> Block<'a> {
    pub(super) fn read(scanner: &mut Scanner<'a>) -> Read<Block<'a>> {
        let mut block = Block { json: scanner.clone().raw()?, ..Block::default() };
        scanner.object(|scanner, key| {
            match (&*key.cow(), scanner.kind()?) {
                ("type", _) => block.kind = scanner.text()?.unwrap_or_default(),
                ("text", _) => block.text = scanner.text()?,
                ("thinking", _) => block.thinking = scanner.text()?,
                ("signature", _) => block.signature = scanner.text()?,
                ("data", _) => block.data = scanner.text()?,
                ("id", _) => block.id = scanner.text()?,
                ("name", _) => block.name = scanner.text()?,
                ("tool_use_id", _) => block.call = scanner.text()?,
                ("is_error", _) => block.error = scanner.bool()? == Some(true),
                ("title", _) => block.title = scanner.text()?,
                ("context", _) => block.context = scanner.text()?,
                ("input", _) => block.input = Some(scanner.raw()?),
                ("content", _) => block.content = Some(scanner.raw()?),
                ("source", Kind::Object) => block.source = Some(scanner.raw()?),
                ("citations", Kind::Array | Kind::Object) => block.citations = Some(scanner.raw()?),
                ("cache_control", Kind::Object) => block.cache = Some(CacheMark::read(scanner)?),
                _ => {}
            }
            Ok::<(), JsonError>(())
        })?;
        Ok(block)
    }

    /// Whether it is a document that the answer is to quote from.
    fn is_to_be_cited(&self) -> bool {
        let enabled = |json: &str| {
            let mut enabled = false;
            let scanned = Scanner::new(json).object(|scanner, key| {
                enabled |= key.raw == "enabled" && scanner.bool()? == Some(true);
                Ok::<(), JsonError>(())
            });
            scanned.is_ok() && enabled
        };
        self.kind == "document" && self.citations.is_some_and(enabled)
    }

    /// What it is in neutral form: one part, but for documents made of several.
    pub(super) fn parts(self) -> Read<Vec<Part<'a>>> {
        let cache = self.cache;
        let body = match &*self.kind {
            "text" => {
                let citations = match self.citations {
                    Some(json) if json.starts_with('[') => citations(&mut Scanner::new(json))?,
                    _ => Vec::new(),
                };
                Body::Text { text: self.text.unwrap_or_default(), citations }
            }
            "thinking" => {
                let text = self.thinking.unwrap_or_default();
                let body = Body::Thinking { text, redacted: false };
                return Ok(vec![Part::new(body).signed(signed(self.signature)).marked(cache)]);
            }
            "redacted_thinking" => {
                let body = Body::Thinking { text: Cow::Borrowed(""), redacted: true };
                return Ok(vec![Part::new(body).signed(signed(self.data)).marked(cache)]);
            }
            "tool_use" => Body::Call(ToolCall {
                id: self.id.unwrap_or_default(),
                name: self.name.unwrap_or_default(),
                arguments: arguments(self.input)?,
                free_form: false,
            }),
            "tool_result" => Body::Result(ToolResult {
                call: self.call.unwrap_or_default(),
                parts: match self.content {
                    Some(json) => parts(&mut Scanner::new(json))?,
                    None => Vec::new(),
                },
                error: self.error,
                ..ToolResult::default()
            }),
            "image" | "document" if self.source.is_some() => return self.media(),
            _ => Body::Native { dialect: OWN, json: self.json.into() },
        };
        Ok(vec![Part::new(body).marked(cache)])
    }

    fn media(self) -> Read<Vec<Part<'a>>> {
        let kind = if self.kind == "image" { MediaKind::Image } else { MediaKind::Document };
        let mut found = Found::default();
        Scanner::new(self.source.unwrap_or("{}")).object(|scanner, key| {
            match (&*key.cow(), scanner.kind()?) {
                ("type", _) => found.kind = scanner.text()?.unwrap_or_default(),
                ("media_type", _) => found.mime = scanner.text()?,
                ("data", _) => found.data = scanner.text()?,
                ("url", _) => found.url = scanner.text()?,
                ("file_id", _) => found.file = scanner.text()?,
                ("content", _) => found.content = Some(scanner.raw()?),
                _ => {}
            }
            Ok::<(), JsonError>(())
        })?;
        let mut all: Vec<Part<'a>> = Vec::new();
        // What is said of a document, but not cited from it.
        all.extend(self.context.map(Part::text));
        let source = match &*found.kind {
            "base64" => found.data.map(|data| Source::Base64 {
                mime: found.mime.unwrap_or(Cow::Borrowed(match kind {
                    MediaKind::Image => "image/png",
                    _ => "application/pdf",
                })),
                data,
            }),
            "text" => found.data.map(Source::Text),
            "url" => found.url.map(|url| Source::Url {
                url,
                mime: (kind == MediaKind::Document).then_some(Cow::Borrowed("application/pdf")),
            }),
            "file" => found.file.map(|id| Source::File { id, dialect: OWN }),
            // A document in blocks: its texts are one, but where there are images among them.
            "content" => {
                let blocks = match found.content {
                    Some(json) => parts(&mut Scanner::new(json))?,
                    None => Vec::new(),
                };
                if blocks.iter().any(|part| !matches!(part.body, Body::Text { .. })) {
                    all.extend(self.title.map(Part::text));
                    all.extend(blocks);
                    if let Some(last) = all.last_mut() {
                        last.cache = self.cache.or(last.cache);
                    }
                    return Ok(all);
                }
                let texts: Vec<&str> = blocks.iter().map(Part::main_text).collect();
                Some(Source::Text(texts.join("\n").into()))
            }
            _ => None,
        };
        let body = match source {
            Some(source) => Body::Media(Media { name: self.title, ..Media::new(kind, source) }),
            None => Body::Native { dialect: OWN, json: self.json.into() },
        };
        all.push(Part::new(body).marked(self.cache));
        Ok(all)
    }
}

/// A source's fields.
#[derive(Default)]
struct Found<'a> {
    kind: Text<'a>,
    mime: Option<Text<'a>>,
    data: Option<Text<'a>>,
    url: Option<Text<'a>>,
    file: Option<Text<'a>>,
    content: Option<&'a str>,
}

/// An empty signature is what we write where there is none.
fn signed(value: Option<Text<'_>>) -> Option<Signature<'_>> {
    let value = value.filter(|value| !value.is_empty())?;
    // It is read when its call is known.
    if value.starts_with(OF_CALL) {
        return Some(Signature { dialect: OWN, value });
    }
    Some(Signature::read(OWN, value))
}

/// Arguments are an object, or a string where they were no object when we wrote them.
fn arguments(input: Option<&str>) -> Read<Text<'_>> {
    let Some(json) = input else { return Ok(Cow::Borrowed("")) };
    Ok(Scanner::new(json).text()?.unwrap_or(Cow::Borrowed(json)))
}

fn citations<'a>(scanner: &mut Scanner<'a>) -> Read<Vec<Citation<'a>>> {
    let mut citations = Vec::new();
    scanner.array(|scanner, _| {
        citations.extend(citation(scanner)?);
        Ok::<(), JsonError>(())
    })?;
    Ok(citations)
}

/// A citation of whatever kind: of a page found, or of a place in a document.
pub(super) fn citation<'a>(scanner: &mut Scanner<'a>) -> Read<Option<Citation<'a>>> {
    if scanner.kind()? != Kind::Object {
        return Ok(None);
    }
    let json = scanner.clone().raw()?;
    let mut citation = Citation { native: Some((OWN, json.into())), ..Citation::default() };
    scanner.object(|scanner, key| {
        match key.raw {
            "url" => citation.url = scanner.text()?,
            "title" | "document_title" => {
                citation.title = scanner.text()?.or(citation.title.take())
            }
            "cited_text" => citation.quote = scanner.text()?,
            // Where a search result of the client's came from; mostly an address.
            "source" => {
                let source = scanner.text()?.filter(|source| source.starts_with("http"));
                citation.url = citation.url.take().or(source);
            }
            _ => {}
        }
        Ok::<(), JsonError>(())
    })?;
    Ok(Some(citation))
}
