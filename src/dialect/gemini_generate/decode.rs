//! From a request to the neutral form.

use std::borrow::Cow;

use super::config;
use super::names::{camel, each};
use super::piece::{Piece, ResponsePiece};
use super::request::Request;
use crate::dialect::Dialect;
use crate::dialect::conversation::{Conversation, Message, Role};
use crate::dialect::json::{JsonError, Kind, Scanner};
use crate::dialect::part::{Body, Media, MediaKind, Part, Source, Text, ToolCall, ToolResult};
use crate::dialect::passage::Inexpressible;
use crate::dialect::read::Fault;

/// How the ids begin that are made up for calls without one: other dialects need them.
pub(super) const MADE_UP: &str = "call_gemini_";

impl Request {
    /// The neutral form. What has no neutral meaning is in its extras.
    ///
    /// # Errors
    /// Never for a request that was read; broken JSON was refused then.
    pub fn decode(&self) -> Result<Conversation<'_>, Inexpressible> {
        let mut conversation = Conversation::new(Dialect::GeminiGenerate);
        conversation.model = Cow::Borrowed(&self.shape().model);
        conversation.stream = self.shape().stream;
        let mut reader =
            Reader { to: conversation, system: Vec::new(), cached: None, calls: Calls::default() };
        for name in self.object.names() {
            let Some(json) = self.object.field(name) else { continue };
            reader.field(name, json).map_err(|fault| {
                let what = match fault {
                    Fault::Json(error) => error.to_string(),
                    Fault::Field(error) => error.message,
                };
                Inexpressible::new(format!("`{name}` cannot be read: {what}"))
            })?;
        }
        Ok(reader.finish())
    }
}

struct Reader<'a> {
    to: Conversation<'a>,
    system: Vec<Part<'a>>,
    /// The name of a prompt that lies in Google's cache.
    cached: Option<Text<'a>>,
    calls: Calls<'a>,
}

/// The calls so far: those without an id get one, and so do their results.
#[derive(Default)]
struct Calls<'a> {
    count: usize,
    /// Id and tool of those that have no result yet.
    open: Vec<(Text<'a>, Text<'a>)>,
}

impl<'a> Calls<'a> {
    fn made(&mut self, id: Text<'a>, name: &Text<'a>) -> Text<'a> {
        self.count += 1;
        let id = match id.is_empty() {
            true => Cow::Owned(format!("{MADE_UP}{}", self.count)),
            false => id,
        };
        self.open.push((id.clone(), name.clone()));
        id
    }

    /// The call that a result answers: the one it names, or the first open one of its tool.
    fn answered(&mut self, id: Text<'a>, name: &str) -> Text<'a> {
        let fits = |open: &(Text<'a>, Text<'a>)| match id.is_empty() {
            true => open.1 == name,
            false => open.0 == id,
        };
        match self.open.iter().position(fits) {
            Some(at) => self.open.remove(at).0,
            None => id,
        }
    }
}

impl<'a> Reader<'a> {
    fn field(&mut self, name: &'a str, json: &'a str) -> Result<(), Fault> {
        let mut scanner = Scanner::new(json);
        let scanner = &mut scanner;
        match (&*camel(name), scanner.kind()?) {
            (_, Kind::Null) => {}
            // It stands in the URL.
            ("model", _) => {}
            ("contents", _) => each(scanner, |scanner, _| self.content(scanner))?,
            ("systemInstruction", Kind::String) => {
                self.system.extend(scanner.text()?.map(Part::text));
            }
            ("systemInstruction", _) => scanner.object(|scanner, key| {
                if camel(&key.cow()) == "parts" {
                    parts(scanner, &mut self.calls, &mut self.system)?;
                }
                Ok::<(), Fault>(())
            })?,
            ("tools", _) => config::tools(scanner, &mut self.to.tools)?,
            ("toolConfig", Kind::Object) => config::tool_config(scanner, &mut self.to)?,
            ("generationConfig", Kind::Object) => config::generation(scanner, &mut self.to)?,
            ("safetySettings", _) => self.to.safety = Some(json.into()),
            ("cachedContent", Kind::String) => self.cached = scanner.text()?,
            ("generateContentRequest", Kind::Object) => {
                let mut fields = Vec::new();
                scanner.object(|scanner, key| {
                    fields.push((key.raw, scanner.raw()?));
                    Ok::<(), JsonError>(())
                })?;
                fields.into_iter().try_for_each(|(name, json)| self.field(name, json))?;
            }
            (name, _) => self.to.extras.push((name.to_owned().into(), json.into())),
        }
        Ok(())
    }

    fn content(&mut self, scanner: &mut Scanner<'a>) -> Result<(), Fault> {
        let (mut role, mut list) = (None, None);
        scanner.object(|scanner, key| {
            match key.raw {
                "role" => role = scanner.text()?,
                "parts" => list = Some(scanner.clone()),
                _ => {}
            }
            Ok::<(), JsonError>(())
        })?;
        let role = match role.as_deref() {
            Some("model" | "assistant") => Role::Assistant,
            Some("system") => Role::System,
            _ => Role::User,
        };
        let messages = &mut self.to.messages;
        // Clients that collected a stream send every piece of it as a message of its own.
        let goes_on = role == Role::Assistant
            && messages.last().is_some_and(|last| last.role == Role::Assistant);
        if !goes_on {
            messages.push(Message::new(role, Vec::new()));
        }
        if let (Some(mut list), Some(message)) = (list, messages.last_mut()) {
            parts(&mut list, &mut self.calls, &mut message.parts)?;
        }
        if messages.last().is_some_and(|last| last.parts.is_empty()) {
            messages.pop();
        }
        Ok(())
    }

    fn finish(mut self) -> Conversation<'a> {
        if let Some(id) = self.cached {
            // It is a piece of the prompt that no other provider has.
            let source = Source::File { id, dialect: Dialect::GeminiGenerate };
            let part = Part::new(Body::Media(Media::new(MediaKind::Document, source)));
            match self.to.messages.iter_mut().find(|message| message.role == Role::User) {
                Some(message) => message.parts.insert(0, part),
                None => self.to.messages.insert(0, Message::new(Role::User, vec![part])),
            }
        }
        if !self.system.is_empty() {
            self.to.messages.insert(0, Message::new(Role::System, self.system));
        }
        self.to
    }
}

fn parts<'a>(
    scanner: &mut Scanner<'a>,
    calls: &mut Calls<'a>,
    to: &mut Vec<Part<'a>>,
) -> Result<(), Fault> {
    each(scanner, |scanner, _| {
        if let Some(piece) = Piece::read(scanner)? {
            part(piece, calls, to);
        }
        Ok(())
    })
}

fn part<'a>(mut piece: Piece<'a>, calls: &mut Calls<'a>, to: &mut Vec<Part<'a>>) {
    if piece.native {
        let json = piece.json.into();
        return to.push(Part::new(Body::Native { dialect: Dialect::GeminiGenerate, json }));
    }
    if let Some(video) = piece.video {
        let json = format!("{{\"videoMetadata\":{video}}}").into();
        to.push(Part::new(Body::Native { dialect: Dialect::GeminiGenerate, json }));
    }
    if let Some(call) = piece.call.take() {
        let (arguments, free_form) = call.whole_arguments().unwrap_or((Cow::Borrowed("{}"), false));
        let id = calls.made(call.id, &call.name);
        let call = ToolCall { id, name: call.name, arguments, free_form };
        return to.push(Part::new(Body::Call(call)).signed(piece.signature));
    }
    if let Some(response) = piece.response.take() {
        return to.push(Part::new(Body::Result(result(response, calls))));
    }
    if let Some(media) = piece.media.take() {
        return to.push(Part::new(Body::Media(media)).signed(piece.signature));
    }
    let Some(part) = piece.words() else { return };
    // Thinking that a stream brought in pieces is one, and its signature may have come last.
    if let (Body::Thinking { text, .. }, Some(last)) = (&part.body, to.last_mut())
        && matches!(last.body, Body::Thinking { .. })
        && last.signature.is_none()
    {
        last.push_text(text);
        last.signature = part.signature;
        return;
    }
    to.push(part);
}

fn result<'a>(piece: ResponsePiece<'a>, calls: &mut Calls<'a>) -> ToolResult<'a> {
    let (text, error) = match piece.response {
        None => (Cow::Borrowed(""), false),
        Some(json) => match only_text(json) {
            Some(("error", text)) => (text, true),
            Some((_, text)) => (text, false),
            None => (Cow::Borrowed(json), false),
        },
    };
    let mut parts = vec![Part::text(text)];
    parts.extend(piece.media.into_iter().map(|media| Part::new(Body::Media(media))));
    let call = calls.answered(piece.id, &piece.name);
    let name = Some(piece.name).filter(|name| !name.is_empty());
    ToolResult { call, name, parts, error, free_form: false }
}

/// The text of `{"result": "…"}` and `{"error": "…"}`, where there is nothing else.
fn only_text(json: &str) -> Option<(&'static str, Text<'_>)> {
    let (mut text, mut fields) = (None, 0);
    Scanner::new(json)
        .object(|scanner, key| {
            fields += 1;
            text = match key.raw {
                "result" => scanner.text()?.map(|text| ("result", text)),
                "error" => scanner.text()?.map(|text| ("error", text)),
                _ => None,
            };
            Ok::<(), JsonError>(())
        })
        .ok()?;
    text.filter(|_| fields == 1)
}

#[cfg(test)]
#[path = "translate_tests.rs"]
mod tests;
