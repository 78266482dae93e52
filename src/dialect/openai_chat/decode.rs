//! From a request to the neutral form.

use std::borrow::Cow;

use super::messages_in::message;
use super::request::Request;
use crate::dialect::Dialect;
use crate::dialect::conversation::{Conversation, Format, Function, Tool, ToolChoice};
use crate::dialect::json::{JsonError, Kind, Scanner};
use crate::dialect::part::{CacheMark, Text};
use crate::dialect::passage::Inexpressible;
use crate::units::Tokens;

pub(super) type Read<T> = Result<T, JsonError>;

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
        "seed" | "random_seed" => sampling.seed = scanner.int()?,
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
            ("cache_control", Kind::Object) => cache = Some(CacheMark::read(scanner)?),
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

#[cfg(test)]
#[path = "translate_tests.rs"]
mod tests;
