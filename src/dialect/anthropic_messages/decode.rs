//! From a request to the neutral form.

use std::borrow::Cow;

use super::OWN;
use super::blocks::{Read, parts, parts_cited};
use super::request::Request;
use crate::dialect::conversation::{
    Conversation, Format, Function, Message, Reasoning, Role, Tool, ToolChoice,
};
use crate::dialect::json::{JsonError, Kind, Scanner};
use crate::dialect::part::{CacheMark, Part, Text};
use crate::dialect::passage::Inexpressible;
use crate::units::Tokens;

/// The name, among the extras, of the wish that answers quote from documents.
pub(super) const DOCUMENT_CITATIONS: &str = "document.citations";

impl Request {
    /// The neutral form. What has no neutral meaning is in its extras; details of fields are there
    /// under a name with dots: `tools.search.defer_loading`.
    ///
    /// # Errors
    /// Never for a request that was read; broken JSON was refused then.
    pub fn decode(&self) -> Result<Conversation<'_>, Inexpressible> {
        let mut it = Conversation::new(OWN);
        it.stream = self.shape().stream;
        let object = self.object();
        let mut system = Vec::new();
        for name in object.names() {
            let Some(json) = object.field(name).filter(|json| *json != "null") else { continue };
            let read = match name {
                "system" => parts(&mut Scanner::new(json)).map(|found| system = found),
                name => field(&mut it, name, json),
            };
            read.map_err(|error| Inexpressible::new(format!("`{name}` cannot be read: {error}")))?;
        }
        if !system.is_empty() {
            it.messages.insert(0, Message::new(Role::System, system));
        }
        Ok(it)
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
                if scanner.kind()? == Kind::Object {
                    let message = message(scanner, &mut to.extras)?;
                    to.messages.push(message);
                }
                Ok::<(), JsonError>(())
            })?;
        }
        "max_tokens" => sampling.max_output = scanner.count()?.map(Tokens),
        "temperature" => sampling.temperature = scanner.float()?,
        "top_p" => sampling.top_p = scanner.float()?,
        "top_k" => sampling.top_k = scanner.count()?,
        "stop_sequences" if kind == Kind::Array => scanner.array(|scanner, _| {
            sampling.stop.extend(scanner.text()?);
            Ok::<(), JsonError>(())
        })?,
        "thinking" if kind == Kind::Object => thinking(scanner, &mut to.reasoning)?,
        "output_config" if kind == Kind::Object => output_config(to, scanner)?,
        // The name it had in beta.
        "output_format" if kind == Kind::Object => to.format = format(scanner)?,
        "tools" if kind == Kind::Array => scanner.array(|scanner, _| {
            if scanner.kind()? == Kind::Object {
                let tool = tool(scanner, &mut to.extras)?;
                to.tools.push(tool);
            }
            Ok::<(), JsonError>(())
        })?,
        "tool_choice" if kind == Kind::Object => tool_choice(to, scanner)?,
        "metadata" if kind == Kind::Object => {
            let mut others = false;
            scanner.object(|scanner, key| {
                match key.raw {
                    "user_id" => to.user = scanner.text()?,
                    _ => others = true,
                }
                Ok::<(), JsonError>(())
            })?;
            to.metadata = others.then_some(json.into());
        }
        "service_tier" => to.service_tier = scanner.text()?,
        // How an answer travels, which each dialect says in its own way.
        "stream" => {}
        name => to.extras.push((name.into(), json.into())),
    }
    Ok(())
}

/// `{"type": "enabled", "budget_tokens": 1024, "display": "omitted"}`, or of type `disabled` or
/// `adaptive`.
pub(super) fn thinking<'a>(scanner: &mut Scanner<'a>, to: &mut Reasoning<'a>) -> Read<()> {
    scanner.object(|scanner, key| {
        match key.raw {
            "type" => to.enabled = scanner.text()?.map(|kind| kind != "disabled"),
            "budget_tokens" => to.budget = scanner.count()?.map(Tokens),
            "display" => to.summary = scanner.text()?,
            _ => {}
        }
        Ok(())
    })
}

fn output_config<'a>(to: &mut Conversation<'a>, scanner: &mut Scanner<'a>) -> Read<()> {
    scanner.object(|scanner, key| {
        match (&*key.cow(), scanner.kind()?) {
            ("effort", Kind::String) => to.reasoning.effort = scanner.text()?,
            ("format", Kind::Object) => to.format = format(scanner)?,
            (_, Kind::Null) => {}
            (name, _) => {
                to.extras.push((format!("output_config.{name}").into(), scanner.raw()?.into()));
            }
        }
        Ok(())
    })
}

fn format<'a>(scanner: &mut Scanner<'a>) -> Read<Format<'a>> {
    let mut schema = None;
    scanner.object(|scanner, key| {
        if key.raw == "schema" {
            schema = Some(Cow::Borrowed(scanner.raw()?));
        }
        Ok::<(), JsonError>(())
    })?;
    Ok(schema.map_or(Format::Text, |schema| Format::Schema {
        name: None,
        description: None,
        schema,
        // It is followed to the letter here, but what is strict elsewhere takes fewer schemas.
        strict: None,
    }))
}

type Extras<'a> = Vec<(Text<'a>, Text<'a>)>;

fn tool<'a>(scanner: &mut Scanner<'a>, extras: &mut Extras<'a>) -> Read<Tool<'a>> {
    let json = scanner.clone().raw()?;
    let (mut kind, mut function, mut details) = (None, Function::default(), Vec::new());
    scanner.object(|scanner, key| {
        match (&*key.cow(), scanner.kind()?) {
            ("type", _) => kind = scanner.text()?,
            ("name", _) => function.name = scanner.text()?.unwrap_or_default(),
            ("description", _) => function.description = scanner.text()?,
            ("strict", _) => function.strict = scanner.bool()?,
            ("input_schema", Kind::Object) => function.parameters = Some(scanner.raw()?.into()),
            ("cache_control", Kind::Object) => function.cache = Some(CacheMark::read(scanner)?),
            // What is neither would be refused anywhere.
            ("input_schema" | "cache_control", _) | (_, Kind::Null) => {}
            (name, _) => details.push((name.to_owned(), scanner.raw()?)),
        }
        Ok::<(), JsonError>(())
    })?;
    match kind {
        Some(kind) if kind != "custom" => {
            let name = if function.name.is_empty() { kind } else { function.name };
            Ok(Tool::Native { dialect: OWN, name, json: json.into() })
        }
        _ => {
            let named = |name: String| Cow::Owned(format!("tools.{}.{name}", function.name));
            extras.extend(details.into_iter().map(|(name, json)| (named(name), json.into())));
            Ok(Tool::Function(function))
        }
    }
}

fn tool_choice<'a>(to: &mut Conversation<'a>, scanner: &mut Scanner<'a>) -> Read<()> {
    let (mut kind, mut name) = (None, None);
    scanner.object(|scanner, key| {
        match key.raw {
            "type" => kind = scanner.text()?,
            "name" => name = scanner.text()?,
            "disable_parallel_tool_use" => {
                to.parallel_tools = scanner.bool()?.map(|disabled| !disabled);
            }
            _ => {}
        }
        Ok::<(), JsonError>(())
    })?;
    to.tool_choice = match (kind.as_deref(), name) {
        (Some("auto"), _) => Some(ToolChoice::Auto),
        (Some("any"), _) => Some(ToolChoice::Required),
        (Some("none"), _) => Some(ToolChoice::None),
        (Some("tool"), Some(name)) => Some(ToolChoice::Named(name)),
        _ => None,
    };
    Ok(())
}

fn message<'a>(scanner: &mut Scanner<'a>, extras: &mut Extras<'a>) -> Read<Message<'a>> {
    let (mut role, mut content): (Text<'a>, Vec<Part<'a>>) = (Cow::Borrowed(""), Vec::new());
    scanner.object(|scanner, key| {
        match key.raw {
            "role" => role = scanner.text()?.unwrap_or_default(),
            "content" => {
                let mut cited = false;
                content = parts_cited(scanner, &mut cited)?;
                // It is the same for all documents of a request.
                if cited && !extras.iter().any(|(name, _)| name == DOCUMENT_CITATIONS) {
                    extras.push((DOCUMENT_CITATIONS.into(), r#"{"enabled":true}"#.into()));
                }
            }
            _ => {}
        }
        Ok::<(), JsonError>(())
    })?;
    let role = match &*role {
        "assistant" => Role::Assistant,
        "system" => Role::System,
        _ => Role::User,
    };
    Ok(Message::new(role, content))
}

#[cfg(test)]
#[path = "translate_tests.rs"]
mod tests;
