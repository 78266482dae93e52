//! The items of a request's input: messages, thinking, calls and their results.

use std::borrow::Cow;

use super::decode::{Fault, held, note};
use super::pieces::{annotation, joined_paragraphs};
use super::{MADE_UP, SIGNS};
use crate::dialect::Dialect;
use crate::dialect::conversation::{Conversation, Message, Role};
use crate::dialect::json::{JsonError, Kind, Scanner};
use crate::dialect::openai_chat::heard;
use crate::dialect::part::{
    Body, CacheMark, Media, MediaKind, Part, Signature, Source, Text, ToolCall, ToolResult,
    mime_of_name,
};

type Read<T> = Result<T, JsonError>;

/// What the fields of an item say, whatever its type.
#[derive(Default)]
struct Item<'a> {
    kind: Option<Text<'a>>,
    role: Text<'a>,
    id: Text<'a>,
    name: Text<'a>,
    call: Text<'a>,
    content: Vec<Part<'a>>,
    summary: Vec<Part<'a>>,
    output: Vec<Part<'a>>,
    arguments: Text<'a>,
    encrypted: Option<Text<'a>>,
}

/// Adds an item to the conversation. What the model made one after the other is one message.
pub(super) fn item<'a>(scanner: &mut Scanner<'a>, to: &mut Conversation<'a>) -> Result<(), Fault> {
    if scanner.kind()? != Kind::Object {
        return Ok(());
    }
    let json = scanner.clone().raw()?;
    let mut it = Item::default();
    scanner.object(|scanner, key| {
        match (key.raw, scanner.kind()?) {
            ("type", _) => it.kind = scanner.text()?,
            ("role", _) => it.role = scanner.text()?.unwrap_or_default(),
            ("id", _) => it.id = scanner.text()?.unwrap_or_default(),
            ("name", _) => it.name = scanner.text()?.unwrap_or_default(),
            ("call_id", _) => it.call = scanner.text()?.unwrap_or_default(),
            ("content", _) => parts(scanner, &mut it.content)?,
            ("summary", _) => parts(scanner, &mut it.summary)?,
            ("output", _) => parts(scanner, &mut it.output)?,
            ("arguments" | "input", Kind::String) => it.arguments = scanner.string()?.cow(),
            ("encrypted_content", _) => it.encrypted = scanner.text()?,
            ("phase", Kind::String) => note(&mut to.extras, "input.phase"),
            ("namespace", Kind::String) => note(&mut to.extras, "input.namespace"),
            _ => {}
        }
        Ok::<(), JsonError>(())
    })?;
    let kind = it.kind.as_deref().unwrap_or(if it.role.is_empty() { "" } else { "message" });
    match kind {
        "message" => message(it, to),
        "reasoning" => reasoning(it, json, to),
        "function_call" | "custom_tool_call" => {
            let free_form = kind == "custom_tool_call";
            let (id, name, arguments) = (it.call, it.name, it.arguments);
            let call = ToolCall { id, name, arguments, free_form };
            by_model(to, vec![Part::new(Body::Call(call))], false);
        }
        "function_call_output" | "custom_tool_call_output" => {
            let free_form = kind == "custom_tool_call_output";
            let parts = it.output;
            let result = ToolResult { call: it.call, parts, free_form, ..ToolResult::default() };
            let part = Part::new(Body::Result(result));
            to.messages.push(Message::new(Role::Tool, vec![part]));
        }
        "item_reference" => return Err(Fault::Refused(held("what an `item_reference` names"))),
        kind => {
            let native = Body::Native { dialect: Dialect::OpenAiResponses, json: json.into() };
            let by_client = kind.ends_with("_output") || kind.ends_with("_response");
            match by_client {
                true => to.messages.push(Message::new(Role::Tool, vec![Part::new(native)])),
                false => by_model(to, vec![Part::new(native)], false),
            }
        }
    }
    Ok(())
}

fn message<'a>(it: Item<'a>, to: &mut Conversation<'a>) {
    let role = match &*it.role {
        "system" | "developer" => Role::System,
        "assistant" => return by_model(to, it.content, true),
        _ => Role::User,
    };
    to.messages.push(Message::new(role, it.content));
}

/// Adds to what the model said last; two messages of its own stay two.
fn by_model<'a>(to: &mut Conversation<'a>, parts: Vec<Part<'a>>, is_message: bool) {
    let said = |part: &Part<'_>| matches!(part.body, Body::Text { .. } | Body::Refusal(_));
    let parts: Vec<Part<'a>> = parts.into_iter().filter(|part| !part.is_blank()).collect();
    if parts.is_empty() {
        return;
    }
    match to.messages.last_mut() {
        Some(Message { role: Role::Assistant, parts: before, .. })
            if !(is_message && before.last().is_some_and(said)) =>
        {
            before.extend(parts);
        }
        _ => to.messages.push(Message::new(Role::Assistant, parts)),
    }
}

/// Thinking is signed with its whole item, which goes back as it came. What carries our mark was
/// signed in another dialect, and may sign another piece; what we made ourselves of unsigned
/// thinking is unsigned again.
fn reasoning<'a>(it: Item<'a>, json: &'a str, to: &mut Conversation<'a>) {
    let encrypted = it.encrypted.filter(|encrypted| !encrypted.is_empty());
    if let Some((what, value)) =
        encrypted.as_deref().and_then(|it| it.strip_prefix(SIGNS)).and_then(|it| it.split_once(':'))
    {
        let signature = Signature::read(Dialect::OpenAiResponses, value.to_owned().into());
        return sign(to, what, signature);
    }
    let shown = if it.content.is_empty() { &it.summary } else { &it.content };
    let text: Text<'a> = joined_paragraphs(shown.iter().map(Part::main_text)).into();
    let made_up = it.id.strip_prefix("rs_").is_some_and(|rest| rest.starts_with(MADE_UP));
    let own = || Signature { dialect: Dialect::OpenAiResponses, value: json.into() };
    let redacted = shown.is_empty() && encrypted.is_some();
    let signature = match encrypted.map(|it| Signature::read(Dialect::OpenAiResponses, it)) {
        Some(foreign) if foreign.dialect != Dialect::OpenAiResponses => Some(foreign),
        None if made_up || it.id.is_empty() => None,
        _ => Some(own()),
    };
    let part = Part::new(Body::Thinking { text, redacted }).signed(signature);
    by_model(to, vec![part], false);
}

/// Signs the last piece of a kind.
fn sign<'a>(to: &mut Conversation<'a>, what: &str, signature: Signature<'a>) {
    let is = |part: &&mut Part<'_>| match part.body {
        Body::Call(_) => what == "call",
        Body::Thinking { .. } => what == "thinking",
        Body::Text { .. } => what == "text",
        _ => false,
    };
    let by_model = to.messages.iter_mut().rev().filter(|message| message.role == Role::Assistant);
    let mut parts = by_model.flat_map(|message| message.parts.iter_mut().rev());
    if let Some(part) = parts.find(is) {
        part.signature = Some(signature);
    }
}

/// A text, or parts of all kinds.
fn parts<'a>(scanner: &mut Scanner<'a>, to: &mut Vec<Part<'a>>) -> Read<()> {
    match scanner.kind()? {
        Kind::String => {
            let text = scanner.string()?.cow();
            if !text.is_empty() {
                to.push(Part::text(text));
            }
            Ok(())
        }
        Kind::Array => scanner.array(|scanner, _| {
            if scanner.kind()? == Kind::Object {
                to.extend(part(scanner)?);
            }
            Ok(())
        }),
        _ => Ok(()),
    }
}

fn part<'a>(scanner: &mut Scanner<'a>) -> Read<Option<Part<'a>>> {
    let json = scanner.clone().raw()?;
    let (mut kind, mut text, mut cache) = (Cow::Borrowed(""), None, None);
    let (mut citations, mut media) = (Vec::new(), None);
    let mut file = File::default();
    scanner.object(|scanner, key| {
        match (key.raw, scanner.kind()?) {
            ("type", _) => kind = scanner.text()?.unwrap_or_default(),
            ("text" | "refusal", Kind::String) => text = scanner.text()?,
            ("annotations", Kind::Array) => scanner.array(|scanner, _| {
                citations.extend(annotation(scanner)?);
                Ok::<(), JsonError>(())
            })?,
            ("image_url" | "file_url", Kind::String) => file.url = scanner.text()?,
            // The form of `openai.chat`.
            ("image_url", Kind::Object) => scanner.object(|scanner, key| {
                match key.raw {
                    "url" => file.url = scanner.text()?,
                    "detail" => file.detail = scanner.text()?,
                    _ => {}
                }
                Ok::<(), JsonError>(())
            })?,
            ("detail", _) => file.detail = scanner.text()?,
            ("file_id", _) => file.id = scanner.text()?,
            ("filename", _) => file.name = scanner.text()?,
            ("file_data", _) => file.data = scanner.text()?,
            ("input_audio", Kind::Object) => media = heard(scanner)?,
            ("prompt_cache_breakpoint", Kind::Object) => cache = Some(CacheMark::Usual),
            _ => {}
        }
        Ok::<(), JsonError>(())
    })?;
    let body = match &*kind {
        "input_text" | "output_text" | "text" | "summary_text" | "reasoning_text" => {
            Body::Text { text: text.unwrap_or_default(), citations }
        }
        "refusal" => Body::Refusal(text.unwrap_or_default()),
        "input_image" => file.media(MediaKind::Image, json),
        "input_file" => file.media(MediaKind::Document, json),
        _ => media.map_or_else(|| native(json), Body::Media),
    };
    Ok(Some(Part::new(body).marked(cache)))
}

fn native(json: &str) -> Body<'_> {
    Body::Native { dialect: Dialect::OpenAiResponses, json: json.into() }
}

#[derive(Default)]
struct File<'a> {
    url: Option<Text<'a>>,
    id: Option<Text<'a>>,
    name: Option<Text<'a>>,
    data: Option<Text<'a>>,
    detail: Option<Text<'a>>,
}

impl<'a> File<'a> {
    fn media(self, kind: MediaKind, json: &'a str) -> Body<'a> {
        let mut media = match (self.data.or(self.url), self.id) {
            (Some(place), _) if place.contains(':') => Media::of_url(kind, place),
            (Some(data), _) => {
                let mime = self.name.as_deref().and_then(mime_of_name);
                let mime = mime.unwrap_or("application/pdf").into();
                Media::new(kind, Source::Base64 { mime, data })
            }
            (None, Some(id)) => {
                Media::new(kind, Source::File { id, dialect: Dialect::OpenAiResponses })
            }
            (None, None) => return native(json),
        };
        (media.name, media.detail) = (self.name, self.detail);
        Body::Media(media)
    }
}
