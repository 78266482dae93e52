//! From a request to the neutral form.

use std::borrow::Cow;

use super::input;
use super::request::{LOGPROBS, Request, STATE};
use crate::dialect::Dialect;
use crate::dialect::conversation::{
    Conversation, Format, Function, Message, Role, Tool, ToolChoice,
};
use crate::dialect::json::{JsonError, Kind, Scanner};
use crate::dialect::part::{Part, Text};
use crate::dialect::passage::Inexpressible;
use crate::units::Tokens;

/// Why a request has no neutral form.
#[derive(Debug)]
pub(super) enum Fault {
    Json(JsonError),
    Refused(Inexpressible),
}

impl From<JsonError> for Fault {
    fn from(error: JsonError) -> Fault {
        Fault::Json(error)
    }
}

/// The request builds on something that its provider alone holds.
pub(super) fn held(what: &str) -> Inexpressible {
    Inexpressible::new(format!(
        "{what} is known only to the provider that stored it: send the whole input with the \
         request, or name a model of that provider",
    ))
}

type Read<T> = Result<T, JsonError>;

impl Request {
    /// The neutral form. What has no neutral meaning is in its extras.
    ///
    /// # Errors
    /// When the request builds on something that only the provider has, such as an earlier answer.
    pub fn decode(&self) -> Result<Conversation<'_>, Inexpressible> {
        let mut conversation = Conversation::new(Dialect::OpenAiResponses);
        conversation.stream = self.shape().stream;
        let object = self.object();
        let given = |name: &str| object.field(name).filter(|json| *json != "null");
        if let Some(name) = STATE.into_iter().find(|name| given(name).is_some()) {
            return Err(held(&format!("what `{name}` names")));
        }
        if given("background") == Some("true") {
            return Err(Inexpressible::new(
                "an answer in the background is kept by its provider and cannot be fetched through \
                 another: leave `background` out, or name a model of a provider that has it",
            ));
        }
        // Instructions stand in front of the input, wherever their field is.
        let names = std::iter::once("instructions")
            .chain(object.names().filter(|name| *name != "instructions"));
        for name in names {
            let Some(json) = given(name) else { continue };
            field(&mut conversation, name, json).map_err(|fault| match fault {
                Fault::Json(error) => {
                    Inexpressible::new(format!("`{name}` cannot be read: {error}"))
                }
                Fault::Refused(refused) => refused,
            })?;
        }
        Ok(conversation)
    }
}

fn field<'a>(to: &mut Conversation<'a>, name: &'a str, json: &'a str) -> Result<(), Fault> {
    let mut scanner = Scanner::new(json);
    let scanner = &mut scanner;
    let kind = scanner.kind()?;
    let sampling = &mut to.sampling;
    match name {
        "model" => to.model = scanner.text()?.unwrap_or_default(),
        "instructions" => {
            if let Some(text) = scanner.text()?.filter(|text| !text.is_empty()) {
                to.messages.push(Message::new(Role::System, vec![Part::text(text)]));
            }
        }
        "input" if kind == Kind::Array => scanner.array(|scanner, _| input::item(scanner, to))?,
        "input" => {
            let text = scanner.text()?.unwrap_or_default();
            to.messages.push(Message::new(Role::User, vec![Part::text(text)]));
        }
        "max_output_tokens" => sampling.max_output = scanner.count()?.map(Tokens),
        "temperature" => sampling.temperature = scanner.float()?,
        "top_p" => sampling.top_p = scanner.float()?,
        "top_logprobs" => {
            sampling.top_logprobs = scanner.count()?.and_then(|top| u32::try_from(top).ok());
            if sampling.top_logprobs.is_some_and(|top| top > 0) {
                sampling.logprobs = Some(true);
            }
        }
        "include" if kind == Kind::Array => include(to, scanner)?,
        "reasoning" if kind == Kind::Object => reasoning(to, scanner)?,
        "text" if kind == Kind::Object => text(to, scanner)?,
        "tools" if kind == Kind::Array => {
            scanner.array(|scanner, _| {
                let tool = tool(scanner, &mut to.extras)?;
                to.tools.extend(tool);
                Ok::<(), JsonError>(())
            })?;
        }
        "tool_choice" => match tool_choice(scanner)? {
            Some(choice) => to.tool_choice = Some(choice),
            // A tool that the provider carries out itself.
            None => to.extras.push((name.into(), json.into())),
        },
        "parallel_tool_calls" => to.parallel_tools = scanner.bool()?,
        "user" => to.user = to.user.take().or(scanner.text()?),
        "safety_identifier" => to.user = scanner.text()?,
        "store" => to.store = scanner.bool()?,
        "service_tier" => to.service_tier = scanner.text()?,
        "prompt_cache_key" => to.cache_key = scanner.text()?,
        "metadata" if kind == Kind::Object => to.metadata = Some(json.into()),
        // How an answer travels, which each dialect says in its own way.
        "stream" | "stream_options" | "background" => {}
        // What all others do too.
        "truncation" if json == r#""disabled""# => {}
        name => to.extras.push((name.into(), json.into())),
    }
    Ok(())
}

/// What is to be in the answer besides the usual. Encrypted thinking is asked for wherever it can
/// be; of the rest all is kept that is not about log probabilities.
fn include<'a>(to: &mut Conversation<'a>, scanner: &mut Scanner<'a>) -> Read<()> {
    let mut others = Vec::new();
    scanner.array(|scanner, _| {
        let json = scanner.raw()?;
        match json.trim_matches('"') {
            LOGPROBS => to.sampling.logprobs = Some(true),
            "reasoning.encrypted_content" => {}
            _ => others.push(json),
        }
        Ok::<(), JsonError>(())
    })?;
    if !others.is_empty() {
        to.extras.push(("include".into(), format!("[{}]", others.join(",")).into()));
    }
    Ok(())
}

fn reasoning<'a>(to: &mut Conversation<'a>, scanner: &mut Scanner<'a>) -> Read<()> {
    scanner.object(|scanner, key| {
        match key.raw {
            "effort" => to.reasoning.effort = scanner.text()?,
            "summary" | "generate_summary" => {
                to.reasoning.summary = scanner.text()?.or(to.reasoning.summary.take());
            }
            name => {
                let json = scanner.raw()?;
                if json != "null" {
                    to.extras.push((format!("reasoning.{name}").into(), json.into()));
                }
            }
        }
        Ok(())
    })
}

fn text<'a>(to: &mut Conversation<'a>, scanner: &mut Scanner<'a>) -> Read<()> {
    scanner.object(|scanner, key| {
        match (key.raw, scanner.kind()?) {
            ("format", Kind::Object) => to.format = format(scanner)?,
            // The name that it has in `openai.chat`.
            ("verbosity", Kind::String) => {
                to.extras.push(("verbosity".into(), scanner.raw()?.into()));
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
        match (key.raw, scanner.kind()?) {
            ("type", _) => kind = scanner.text()?,
            ("name", _) => name = scanner.text()?,
            ("description", _) => description = scanner.text()?,
            ("strict", _) => strict = scanner.bool()?,
            ("schema", Kind::Object) => schema = Some(Cow::Borrowed(scanner.raw()?)),
            _ => {}
        }
        Ok::<(), JsonError>(())
    })?;
    Ok(match (kind.as_deref(), schema) {
        (Some("json_schema"), Some(schema)) => Format::Schema { name, description, schema, strict },
        (Some("json_schema" | "json_object"), _) => Format::Json,
        _ => Format::Text,
    })
}

/// Notes a field that only this dialect has, for the report of what another one loses.
pub(super) fn note(extras: &mut Vec<(Text<'_>, Text<'_>)>, path: &'static str) {
    if !extras.iter().any(|(name, _)| name == path) {
        extras.push((path.into(), "true".into()));
    }
}

/// Whether an extra is only such a note.
pub(super) fn is_note(name: &str) -> bool {
    name.contains('.')
}

fn tool<'a>(
    scanner: &mut Scanner<'a>,
    extras: &mut Vec<(Text<'a>, Text<'a>)>,
) -> Read<Option<Tool<'a>>> {
    if scanner.kind()? != Kind::Object {
        return Ok(None);
    }
    let json = scanner.clone().raw()?;
    let (mut kind, mut format) = (Cow::Borrowed(""), None);
    let mut function = Function::default();
    scanner.object(|scanner, key| {
        match (key.raw, scanner.kind()?) {
            ("type", Kind::String) => kind = scanner.string()?.cow(),
            ("format", Kind::Object) => format = Some(grammar(scanner)?),
            // The form of `openai.chat`, which is understood too.
            ("function", Kind::Object) => {
                scanner.object(|scanner, key| described(&mut function, key.raw, scanner))?
            }
            ("defer_loading", _) => note(extras, "tools.defer_loading"),
            _ => described(&mut function, key.raw, scanner)?,
        }
        Ok::<(), JsonError>(())
    })?;
    Ok(Some(match &*kind {
        "function" => Tool::Function(function),
        "custom" => {
            Tool::FreeForm { name: function.name, description: function.description, format }
        }
        _ => Tool::Native { dialect: Dialect::OpenAiResponses, name: kind, json: json.into() },
    }))
}

fn described<'a>(to: &mut Function<'a>, name: &str, scanner: &mut Scanner<'a>) -> Read<()> {
    match (name, scanner.kind()?) {
        ("name", _) => to.name = scanner.text()?.unwrap_or_default(),
        ("description", _) => to.description = scanner.text()?,
        ("strict", _) => to.strict = scanner.bool()?,
        ("parameters", Kind::Object) => to.parameters = Some(scanner.raw()?.into()),
        _ => {}
    }
    Ok(())
}

/// The form of free text, as `openai.chat` writes it: grammars are an object of their own there.
fn grammar<'a>(scanner: &mut Scanner<'a>) -> Read<Text<'a>> {
    let json = scanner.clone().raw()?;
    let (mut syntax, mut definition) = (None, None);
    scanner.object(|scanner, key| {
        match key.raw {
            "syntax" => syntax = Some(scanner.raw()?),
            "definition" => definition = Some(scanner.raw()?),
            _ => {}
        }
        Ok::<(), JsonError>(())
    })?;
    Ok(match syntax.zip(definition) {
        Some((syntax, definition)) => Cow::Owned(format!(
            r#"{{"type":"grammar","grammar":{{"syntax":{syntax},"definition":{definition}}}}}"#
        )),
        None => json.into(),
    })
}

/// Nothing for tools that the provider carries out itself.
fn tool_choice<'a>(scanner: &mut Scanner<'a>) -> Read<Option<ToolChoice<'a>>> {
    if let Some(word) = scanner.text()? {
        return Ok(Some(match &*word {
            "none" => ToolChoice::None,
            "required" => ToolChoice::Required,
            _ => ToolChoice::Auto,
        }));
    }
    let (mut name, mut names, mut required) = (None, Vec::new(), false);
    if scanner.kind()? == Kind::Object {
        scanner.object(|scanner, key| {
            match (key.raw, scanner.kind()?) {
                ("name", _) => name = scanner.text()?,
                ("function", Kind::Object) => name = named(scanner)?,
                ("mode", _) => required = scanner.text()?.as_deref() == Some("required"),
                ("tools", Kind::Array) => scanner.array(|scanner, _| {
                    if scanner.kind()? == Kind::Object {
                        names.extend(named(scanner)?);
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

fn named<'a>(scanner: &mut Scanner<'a>) -> Read<Option<Text<'a>>> {
    let mut name = None;
    scanner.object(|scanner, key| {
        if key.raw == "name" {
            name = scanner.text()?;
        }
        Ok::<(), JsonError>(())
    })?;
    Ok(name)
}
