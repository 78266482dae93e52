//! From a request to the neutral form.

use std::borrow::Cow;

use super::pieces::{citation, signature};
use super::request::Request;
use crate::dialect::Dialect;
use crate::dialect::conversation::{
    Conversation, Format, Function, Message, Role, Tool, ToolChoice,
};
use crate::dialect::json::{JsonError, Kind, Scanner};
use crate::dialect::part::{
    Body, CacheMark, Media, MediaKind, Part, Signature, Source, Text, ToolCall, ToolResult,
};
use crate::dialect::passage::Inexpressible;
use crate::units::Tokens;

type Read<T> = Result<T, JsonError>;

/// Fields that say how an answer travels, which each dialect says in its own way.
const DELIVERY: [&str; 2] = ["stream", "stream_options"];

impl Request {
    /// The neutral form. What has no neutral meaning is in its extras.
    ///
    /// # Errors
    /// Never for a request that was read; broken JSON was refused then.
    pub fn decode(&self) -> Result<Conversation<'_>, Inexpressible> {
        let mut conversation = Conversation::new(Dialect::OpenAiChat);
        conversation.stream = self.shape().stream;
        let object = self.object();
        for name in object.names() {
            let Some(json) = object.field(name).filter(|json| *json != "null") else { continue };
            field(&mut conversation, name, json)
                .map_err(|error| Inexpressible::new(format!("`{name}` cannot be read: {error}")))?;
        }
        Ok(conversation)
    }
}

fn field<'a>(to: &mut Conversation<'a>, name: &'a str, json: &'a str) -> Read<()> {
    let mut scanner = Scanner::new(json);
    let scanner = &mut scanner;
    let kind = scanner.kind()?;
    let sampling = &mut to.sampling;
    match name {
        "model" => to.model = scanner.text()?.unwrap_or_default(),
        "messages" if kind == Kind::Array => {
            scanner.array(|scanner, _| {
                let _: () = to.messages.extend(message(scanner)?);
                Ok::<(), JsonError>(())
            })?;
        }
        // The newer name counts where both are there.
        "max_completion_tokens" => sampling.max_output = scanner.count()?.map(Tokens),
        "max_tokens" => sampling.max_output = sampling.max_output.or(scanner.count()?.map(Tokens)),
        "temperature" => sampling.temperature = scanner.float()?,
        "top_p" => sampling.top_p = scanner.float()?,
        "top_k" => sampling.top_k = scanner.count()?,
        "n" => sampling.n = scanner.count()?.and_then(|n| u32::try_from(n).ok()),
        "seed" | "random_seed" => sampling.seed = scanner.float()?.map(|seed| seed as i64),
        "stop" => sampling.stop = texts(scanner)?,
        "frequency_penalty" => sampling.frequency_penalty = scanner.float()?,
        "presence_penalty" => sampling.presence_penalty = scanner.float()?,
        "logprobs" => sampling.logprobs = scanner.bool()?,
        "top_logprobs" => {
            sampling.top_logprobs = scanner.count()?.and_then(|top| u32::try_from(top).ok());
        }
        "logit_bias" if kind == Kind::Object => sampling.logit_bias = Some(json.into()),
        "reasoning_effort" => to.reasoning.effort = scanner.text()?,
        "reasoning" if kind == Kind::Object => reasoning(to, scanner)?,
        "response_format" if kind == Kind::Object => to.format = format(scanner)?,
        "tools" if kind == Kind::Array => {
            scanner.array(|scanner, _| {
                let _: () = to.tools.extend(tool(scanner)?);
                Ok::<(), JsonError>(())
            })?;
        }
        // The form before tools.
        "functions" if kind == Kind::Array => scanner.array(|scanner, _| {
            if scanner.kind()? == Kind::Object {
                to.tools.push(Tool::Function(function(scanner)?));
            }
            Ok::<(), JsonError>(())
        })?,
        "tool_choice" | "function_call" => to.tool_choice = tool_choice(scanner)?,
        "parallel_tool_calls" => to.parallel_tools = scanner.bool()?,
        "user" => to.user = to.user.take().or(scanner.text()?),
        "safety_identifier" => to.user = scanner.text()?,
        "store" => to.store = scanner.bool()?,
        "service_tier" => to.service_tier = scanner.text()?,
        "prompt_cache_key" => to.cache_key = scanner.text()?,
        "metadata" if kind == Kind::Object => to.metadata = Some(json.into()),
        "audio" if kind == Kind::Object => to.audio = Some(json.into()),
        // Text is what all dialects answer with unless told otherwise.
        "modalities" if json.contains("audio") || json.contains("image") => {
            to.extras.push((name.into(), json.into()));
        }
        "modalities" => {}
        name if DELIVERY.contains(&name) => {}
        name => to.extras.push((name.into(), json.into())),
    }
    Ok(())
}

fn texts<'a>(scanner: &mut Scanner<'a>) -> Read<Vec<Text<'a>>> {
    let mut texts = Vec::new();
    match scanner.kind()? {
        Kind::String => texts.push(scanner.string()?.cow()),
        Kind::Array => scanner.array(|scanner, _| {
            texts.extend(scanner.text()?);
            Ok::<(), JsonError>(())
        })?,
        _ => {}
    }
    Ok(texts)
}

/// OpenRouter's form.
fn reasoning<'a>(to: &mut Conversation<'a>, scanner: &mut Scanner<'a>) -> Read<()> {
    scanner.object(|scanner, key| {
        let reasoning = &mut to.reasoning;
        match key.raw {
            "effort" => reasoning.effort = scanner.text()?.or(reasoning.effort.take()),
            "max_tokens" => reasoning.budget = scanner.count()?.map(Tokens),
            "enabled" => reasoning.enabled = scanner.bool()?,
            "exclude" if scanner.bool()? == Some(true) => {
                reasoning.summary = Some("omitted".into());
            }
            _ => {}
        }
        Ok(())
    })
}

fn format<'a>(scanner: &mut Scanner<'a>) -> Read<Format<'a>> {
    let (mut kind, mut name, mut description) = (None, None, None);
    let (mut schema, mut strict) = (None, None);
    scanner.object(|scanner, key| {
        match key.raw {
            "type" => kind = scanner.text()?,
            "json_schema" if scanner.kind()? == Kind::Object => {
                scanner.object(|scanner, key| {
                    match key.raw {
                        "name" => name = scanner.text()?,
                        "description" => description = scanner.text()?,
                        "strict" => strict = scanner.bool()?,
                        "schema" => schema = Some(Cow::Borrowed(scanner.raw()?)),
                        _ => {}
                    }
                    Ok::<(), JsonError>(())
                })?
            }
            // Some take the schema beside the type.
            "schema" => schema = Some(Cow::Borrowed(scanner.raw()?)),
            _ => {}
        }
        Ok::<(), JsonError>(())
    })?;
    Ok(match (kind.as_deref(), schema) {
        (Some("json_schema" | "json_object"), Some(schema)) => {
            Format::Schema { name, description, schema, strict }
        }
        (Some("json_object" | "json_schema"), None) => Format::Json,
        _ => Format::Text,
    })
}

fn tool<'a>(scanner: &mut Scanner<'a>) -> Read<Option<Tool<'a>>> {
    if scanner.kind()? != Kind::Object {
        return Ok(None);
    }
    let json = scanner.clone().raw()?;
    let (mut kind, mut tool, mut cache) = (None, None, None);
    scanner.object(|scanner, key| {
        match (key.raw, scanner.kind()?) {
            ("type", Kind::String) => kind = scanner.text()?,
            ("function", Kind::Object) => tool = Some(Tool::Function(function(scanner)?)),
            ("custom", Kind::Object) => tool = Some(free_form(scanner)?),
            ("cache_control", Kind::Object) => cache = Some(cache_mark(scanner)?),
            _ => {}
        }
        Ok::<(), JsonError>(())
    })?;
    if let Some(Tool::Function(function)) = &mut tool {
        function.cache = cache;
    }
    let native = || Tool::Native {
        dialect: Dialect::OpenAiChat,
        name: kind.unwrap_or_default(),
        json: json.into(),
    };
    Ok(Some(tool.unwrap_or_else(native)))
}

fn function<'a>(scanner: &mut Scanner<'a>) -> Read<Function<'a>> {
    let mut function = Function::default();
    scanner.object(|scanner, key| {
        match (key.raw, scanner.kind()?) {
            ("name", _) => function.name = scanner.text()?.unwrap_or_default(),
            ("description", _) => function.description = scanner.text()?,
            ("strict", _) => function.strict = scanner.bool()?,
            ("parameters", Kind::Object) => function.parameters = Some(scanner.raw()?.into()),
            _ => {}
        }
        Ok::<(), JsonError>(())
    })?;
    Ok(function)
}

fn free_form<'a>(scanner: &mut Scanner<'a>) -> Read<Tool<'a>> {
    let (mut name, mut description, mut format) = (Cow::Borrowed(""), None, None);
    scanner.object(|scanner, key| {
        match key.raw {
            "name" => name = scanner.text()?.unwrap_or_default(),
            "description" => description = scanner.text()?,
            "format" => format = Some(Cow::Borrowed(scanner.raw()?)),
            _ => {}
        }
        Ok::<(), JsonError>(())
    })?;
    Ok(Tool::FreeForm { name, description, format })
}

fn tool_choice<'a>(scanner: &mut Scanner<'a>) -> Read<Option<ToolChoice<'a>>> {
    if scanner.kind()? == Kind::String {
        return Ok(Some(match &*scanner.string()?.cow() {
            "none" => ToolChoice::None,
            // Mistral's word.
            "required" | "any" => ToolChoice::Required,
            _ => ToolChoice::Auto,
        }));
    }
    let (mut name, mut names, mut required) = (None, Vec::new(), false);
    if scanner.kind()? == Kind::Object {
        scanner.object(|scanner, key| {
            match (key.raw, scanner.kind()?) {
                ("function" | "custom", Kind::Object) => scanner.object(|scanner, key| {
                    if key.raw == "name" {
                        name = scanner.text()?;
                    }
                    Ok::<(), JsonError>(())
                })?,
                ("name", Kind::String) => name = scanner.text()?,
                ("allowed_tools", Kind::Object) => scanner.object(|scanner, key| {
                    match (key.raw, scanner.kind()?) {
                        ("mode", _) => required = scanner.text()?.as_deref() == Some("required"),
                        ("tools", Kind::Array) => scanner.array(|scanner, _| {
                            names.extend(tool(scanner)?.map(|tool| match tool {
                                Tool::Function(Function { name, .. })
                                | Tool::FreeForm { name, .. }
                                | Tool::Native { name, .. } => name,
                            }));
                            Ok::<(), JsonError>(())
                        })?,
                        _ => {}
                    }
                    Ok::<(), JsonError>(())
                })?,
                _ => {}
            }
            Ok::<(), JsonError>(())
        })?;
    }
    Ok(match name {
        Some(name) => Some(ToolChoice::Named(name)),
        None if !names.is_empty() => Some(ToolChoice::Allowed { names, required }),
        None => None,
    })
}

/// `{"type": "ephemeral", "ttl": "1h"}`
fn cache_mark(scanner: &mut Scanner<'_>) -> Read<CacheMark> {
    let mut mark = CacheMark::Usual;
    scanner.object(|scanner, key| {
        if key.raw == "ttl" && scanner.text()?.as_deref() == Some("1h") {
            mark = CacheMark::Hour;
        }
        Ok::<(), JsonError>(())
    })?;
    Ok(mark)
}

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

fn message<'a>(scanner: &mut Scanner<'a>) -> Read<Option<Message<'a>>> {
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
                let mut piece = super::pieces::CallPiece::default();
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
            ("cache_control", Kind::Object) => draft.cache = Some(cache_mark(scanner)?),
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
            ("cache_control", Kind::Object) => cache = Some(cache_mark(scanner)?),
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

fn heard<'a>(scanner: &mut Scanner<'a>) -> Read<Option<Media<'a>>> {
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
            let mime = name.as_deref().and_then(crate::dialect::part::mime_of_name);
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
    let mut ahead = scanner.clone();
    let piece = super::pieces::CallPiece::read(scanner)?;
    let mut signed = None;
    ahead.object(|scanner, key| {
        if key.raw == "extra_content" && scanner.kind()? == Kind::Object {
            signed = signature(scanner)?;
        }
        Ok::<(), JsonError>(())
    })?;
    let signed = signed.map(|value| Signature::read(Dialect::GeminiGenerate, value));
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

#[cfg(test)]
#[path = "translate_tests.rs"]
mod tests;
