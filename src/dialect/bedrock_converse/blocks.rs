//! Content blocks, whole or in the pieces of a stream, put into a sink.

use std::borrow::Cow;

use crate::dialect::Dialect;
use crate::dialect::fault::{Fault, Outcome};
use crate::dialect::json::{JsonError, Kind, Scanner};
use crate::dialect::part::{Body, Citation, Media, MediaKind, Part, Signature, Source};
use crate::dialect::sink::Sink;
use crate::dialect::write::object;

/// The block under way: on streams one follows the other.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    number: Option<u64>,
    /// Its part, as soon as there is something in it.
    at: Option<usize>,
    /// What closes its JSON, where it is a native one.
    close: &'static str,
    /// The format of its image.
    format: String,
}

fn native(json: impl Into<Cow<'static, str>>) -> Part<'static> {
    Part::new(Body::Native { dialect: Dialect::BedrockConverse, json: json.into() })
}

impl Blocks {
    /// Goes over to the block with this number.
    pub(super) fn turn_to(&mut self, number: u64, sink: &mut Sink<'_>) {
        if self.number != Some(number) {
            self.stop(sink);
            self.number = Some(number);
        }
    }

    /// The block is complete.
    pub(super) fn stop(&mut self, sink: &mut Sink<'_>) {
        let before = std::mem::take(self);
        let Some(at) = before.at else { return };
        let parts = sink.answer().primary().map_or(&[][..], |choice| &choice.parts);
        match parts.get(at).map(|part| &part.body) {
            // A call without arguments has an empty object of them.
            Some(Body::Call(call)) if call.arguments.is_empty() => sink.more(0, at, "{}"),
            Some(Body::Native { json, .. }) if json.ends_with(':') => {
                sink.more(0, at, "{}");
                sink.more(0, at, before.close);
            }
            Some(Body::Native { .. }) => sink.more(0, at, before.close),
            _ => {}
        }
    }

    fn begin(&mut self, part: Part<'static>, sink: &mut Sink<'_>) -> Outcome {
        self.at = Some(sink.part(0, part)?);
        Ok(())
    }

    /// More of the block's text; it becomes a part with its first character.
    fn grow(
        &mut self,
        text: &str,
        part: fn(String) -> Part<'static>,
        sink: &mut Sink<'_>,
    ) -> Outcome {
        match self.at {
            _ if text.is_empty() => Ok(()),
            Some(at) => {
                sink.more(0, at, text);
                Ok(())
            }
            None => self.begin(part(text.to_owned()), sink),
        }
    }

    /// Thinking whose text is withheld has nothing but this.
    fn sign(&mut self, value: &str, redacted: bool, sink: &mut Sink<'_>) -> Outcome {
        if self.at.is_none() {
            self.begin(Part::new(Body::Thinking { text: "".into(), redacted }), sink)?;
        }
        if let Some(at) = self.at {
            let dialect = Dialect::BedrockConverse;
            sink.sign(0, at, Signature { dialect, value: value.to_owned().into() });
        }
        Ok(())
    }

    /// A citation stands in the block of the words that it supports, but Nova's sources from the
    /// web have a block of their own, behind those words.
    fn cite(&mut self, citation: Citation<'_>, sink: &mut Sink<'_>) -> Outcome {
        let parts = sink.answer().primary().map_or(&[][..], |choice| &choice.parts);
        let is_text = |part: &Part<'_>| matches!(part.body, Body::Text { .. });
        let behind = citation.url.is_some() && parts.last().is_some_and(is_text);
        let last = parts.len().saturating_sub(1);
        let at = match self.at {
            Some(at) => at,
            None if behind => last,
            None => {
                self.begin(Part::text(""), sink)?;
                self.at.unwrap_or_default()
            }
        };
        sink.cite(0, at, citation.into_owned());
        Ok(())
    }

    /// A whole block.
    pub(super) fn whole(&mut self, scanner: &mut Scanner<'_>, sink: &mut Sink<'_>) -> Outcome {
        let json = scanner.clone().raw()?;
        let mut known = false;
        scanner.object(|scanner, key| {
            known |= match (key.raw, scanner.kind()?) {
                ("citationsContent", Kind::Object) => self.cited(scanner, sink)?,
                ("toolUse", Kind::Object) => {
                    let call = Call::read(scanner)?;
                    let arguments = call.input.unwrap_or("{}").to_owned();
                    !call.is_servers() && {
                        self.begin(Part::call(call.id(), call.name(), arguments), sink)?;
                        true
                    }
                }
                ("image", Kind::Object) => {
                    let (format, data) = image(scanner)?;
                    self.format = format.unwrap_or_default().into_owned();
                    self.image(data, sink)?;
                    true
                }
                (name, _) => self.delta(name, scanner, sink)?,
            };
            Ok::<(), Fault>(())
        })?;
        match known {
            true => Ok(()),
            false => sink.part(0, native(json.to_owned())).map(drop).map_err(Fault::from),
        }
    }

    fn cited(&mut self, scanner: &mut Scanner<'_>, sink: &mut Sink<'_>) -> Outcome<bool> {
        let (mut content, mut citations) = (None, None);
        scanner.object(|scanner, key| {
            match (key.raw, scanner.kind()?) {
                ("content", Kind::Array) => content = Some(scanner.clone()),
                ("citations", Kind::Array) => citations = Some(scanner.clone()),
                _ => {}
            }
            Ok::<(), JsonError>(())
        })?;
        if let Some(mut content) = content {
            self.grow(&texts(&mut content)?, Part::text, sink)?;
        }
        if let Some(mut citations) = citations {
            citations.array(|scanner, _| self.cite(citation(scanner)?, sink))?;
        }
        Ok(true)
    }

    /// How a block of a stream begins; text and thinking have no beginning.
    pub(super) fn start(&mut self, scanner: &mut Scanner<'_>, sink: &mut Sink<'_>) -> Outcome {
        let json = scanner.clone().raw()?;
        scanner.object(|scanner, key| match (key.raw, scanner.kind()?) {
            ("toolUse", Kind::Object) => {
                let call = Call::read(scanner)?;
                if call.is_servers() {
                    return self.start_native(&call, "toolUse", "input", "", "}}", sink);
                }
                self.begin(Part::call(call.id(), call.name(), String::new()), sink)
            }
            ("toolResult", Kind::Object) => {
                let result = Call::read(scanner)?;
                self.start_native(&result, "toolResult", "content", "[", "]}}", sink)
            }
            ("image", Kind::Object) => {
                self.format = image(scanner)?.0.unwrap_or_default().into_owned();
                Ok(())
            }
            // Its pieces are passed over.
            _ => sink.part(0, native(json.to_owned())).map(drop).map_err(Fault::from),
        })
    }

    /// A step that the provider makes itself. Its JSON grows with the stream, as text does.
    fn start_native(
        &mut self,
        it: &Call<'_>,
        kind: &str,
        field: &str,
        open: &str,
        close: &'static str,
        sink: &mut Sink<'_>,
    ) -> Outcome {
        let whole = object(128, |w| {
            w.field_object(kind, |w| {
                w.maybe_str("toolUseId", it.id.as_deref());
                w.maybe_str("name", it.name.as_deref());
                w.maybe_str("type", it.kind.as_deref());
                w.maybe_str("status", it.status.as_deref());
                w.field_raw(field, open);
            });
        });
        let mut json = String::from_utf8(whole).unwrap_or_default();
        json.truncate(json.len().saturating_sub("}}".len()));
        self.close = close;
        self.begin(native(json), sink)
    }

    /// A piece of the block under way, or the one field of a whole block; gives whether it is known.
    pub(super) fn delta(
        &mut self,
        name: &str,
        scanner: &mut Scanner<'_>,
        sink: &mut Sink<'_>,
    ) -> Outcome<bool> {
        match (name, scanner.kind()?) {
            ("text", Kind::String) => self.grow(&scanner.string()?.cow(), Part::text, sink)?,
            ("reasoningContent", Kind::Object) => self.reasoning(scanner, sink)?,
            ("citation", Kind::Object) => self.cite(citation(scanner)?, sink)?,
            ("toolUse", Kind::Object) => {
                let (Some(at), piece) = (self.at, Call::read(scanner)?) else { return Ok(true) };
                sink.more(0, at, &piece.piece.unwrap_or_default());
            }
            ("toolResult", Kind::Array) if self.at.is_some() => self.result(scanner, sink)?,
            ("image", Kind::Object) => {
                let (_, data) = image(scanner)?;
                self.image(data, sink)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn reasoning(&mut self, scanner: &mut Scanner<'_>, sink: &mut Sink<'_>) -> Outcome {
        let (mut text, mut signature, mut redacted) = (None, None, None);
        let mut piece = |scanner: &mut Scanner<'_>, name: &str| {
            match (name, scanner.kind()?) {
                ("text", Kind::String) => text = Some(scanner.string()?.cow().into_owned()),
                ("signature", Kind::String) => {
                    signature = Some(scanner.string()?.cow().into_owned());
                }
                ("redactedContent", Kind::String) => {
                    redacted = Some(scanner.string()?.cow().into_owned());
                }
                _ => {}
            }
            Ok::<(), JsonError>(())
        };
        scanner.object(|scanner, key| match (key.raw, scanner.kind()?) {
            ("reasoningText", Kind::Object) => {
                scanner.object(|scanner, key| piece(scanner, key.raw))
            }
            _ => piece(scanner, key.raw),
        })?;
        self.grow(&text.unwrap_or_default(), Part::thinking, sink)?;
        if let Some(value) = signature.filter(|value| !value.is_empty()) {
            self.sign(&value, false, sink)?;
        }
        match redacted.filter(|value| !value.is_empty()) {
            Some(value) => self.sign(&value, true, sink),
            None => Ok(()),
        }
    }

    /// What a tool of the provider's came to, in pieces.
    fn result(&mut self, scanner: &mut Scanner<'_>, sink: &mut Sink<'_>) -> Outcome {
        let Some(at) = self.at else { return Ok(()) };
        scanner.array(|scanner, _| {
            let item = scanner.raw()?;
            let parts = sink.answer().primary().map_or(&[][..], |choice| &choice.parts);
            let is_first = parts.get(at).is_some_and(|part| part.main_text().ends_with('['));
            if !is_first {
                sink.more(0, at, ",");
            }
            sink.more(0, at, item);
            Ok(())
        })
    }

    fn image(&mut self, data: Option<String>, sink: &mut Sink<'_>) -> Outcome {
        let Some(data) = data else { return Ok(()) };
        let mime = format!("image/{}", if self.format.is_empty() { "png" } else { &self.format });
        let source = Source::Base64 { mime: mime.into(), data: data.into() };
        self.begin(Part::new(Body::Media(Media::new(MediaKind::Image, source))), sink)
    }
}

/// A call of a tool, what it came to, or a piece of one.
#[derive(Default)]
struct Call<'a> {
    id: Option<Cow<'a, str>>,
    name: Option<Cow<'a, str>>,
    kind: Option<Cow<'a, str>>,
    status: Option<Cow<'a, str>>,
    /// The arguments, whole.
    input: Option<&'a str>,
    /// A piece of their JSON.
    piece: Option<Cow<'a, str>>,
}

impl<'a> Call<'a> {
    fn read(scanner: &mut Scanner<'a>) -> Result<Call<'a>, JsonError> {
        let mut call = Call::default();
        scanner.object(|scanner, key| {
            match (key.raw, scanner.kind()?) {
                ("toolUseId", _) => call.id = scanner.text()?,
                ("name", _) => call.name = scanner.text()?,
                ("type", _) => call.kind = scanner.text()?,
                ("status", _) => call.status = scanner.text()?,
                ("input", Kind::String) => call.piece = scanner.text()?,
                ("input", Kind::Object) => call.input = Some(scanner.raw()?),
                _ => {}
            }
            Ok::<(), JsonError>(())
        })?;
        Ok(call)
    }

    fn is_servers(&self) -> bool {
        self.kind.as_deref() == Some("server_tool_use")
    }

    fn id(&self) -> String {
        self.id.as_deref().unwrap_or_default().to_owned()
    }

    fn name(&self) -> String {
        self.name.as_deref().unwrap_or_default().to_owned()
    }
}

/// An image's format and bytes.
fn image<'a>(
    scanner: &mut Scanner<'a>,
) -> Result<(Option<Cow<'a, str>>, Option<String>), JsonError> {
    let (mut format, mut data) = (None, None);
    scanner.object(|scanner, key| {
        match (key.raw, scanner.kind()?) {
            ("format", _) => format = scanner.text()?,
            ("source", Kind::Object) => scanner.object(|scanner, key| {
                if key.raw == "bytes" {
                    data = scanner.text()?.map(Cow::into_owned);
                }
                Ok::<(), JsonError>(())
            })?,
            _ => {}
        }
        Ok::<(), JsonError>(())
    })?;
    Ok((format, data))
}

/// `[{"text": "…"}, …]`, one behind the other.
fn texts(scanner: &mut Scanner<'_>) -> Result<String, JsonError> {
    let mut whole = String::new();
    scanner.array(|scanner, _| match scanner.kind()? {
        Kind::Object => scanner.object(|scanner, key| {
            if key.raw == "text" {
                whole.push_str(&scanner.text()?.unwrap_or_default());
            }
            Ok(())
        }),
        _ => Ok::<(), JsonError>(()),
    })?;
    Ok(whole)
}

fn citation<'a>(scanner: &mut Scanner<'a>) -> Result<Citation<'a>, JsonError> {
    let json = scanner.clone().raw()?;
    let native = Some((Dialect::BedrockConverse, json.into()));
    let mut citation = Citation { native, ..Citation::default() };
    if scanner.kind()? != Kind::Object {
        return Ok(citation);
    }
    scanner.object(|scanner, key| {
        match (key.raw, scanner.kind()?) {
            ("title", _) => citation.title = scanner.text()?,
            // Where a result of a search came from; any text.
            ("source", _) => {
                let source = scanner.text()?.filter(|source| source.starts_with("http"));
                citation.url = citation.url.take().or(source);
            }
            ("sourceContent", Kind::Array) => {
                citation.quote =
                    Some(texts(scanner)?.into()).filter(|it: &Cow<'_, str>| !it.is_empty());
            }
            ("location", Kind::Object) => scanner.object(|scanner, key| {
                if key.raw != "web" || scanner.kind()? != Kind::Object {
                    return Ok(());
                }
                scanner.object(|scanner, key| {
                    match key.raw {
                        "url" => citation.url = scanner.text()?,
                        "domain" => citation.title = citation.title.take().or(scanner.text()?),
                        _ => {}
                    }
                    Ok::<(), JsonError>(())
                })
            })?,
            _ => {}
        }
        Ok::<(), JsonError>(())
    })?;
    Ok(citation)
}
