//! `generationConfig`, `toolConfig` and `tools` in neutral form.

use std::borrow::Cow;

use super::names::{camel, count, each, float};
use super::schema::to_json_schema;
use crate::dialect::Dialect;
use crate::dialect::conversation::{Conversation, Format, Function, Tool, ToolChoice};
use crate::dialect::json::{Kind, Scanner};
use crate::dialect::part::Text;
use crate::dialect::read::{Fault, wrong_type};
use crate::units::Tokens;

type Read<T> = Result<T, Fault>;

/// The sampling, the thinking and the format. What has no neutral meaning goes to the extras, under
/// its name with `generationConfig.` in front.
pub(super) fn generation<'a>(scanner: &mut Scanner<'a>, to: &mut Conversation<'a>) -> Read<()> {
    let (mut mime, mut schema) = (None::<Text<'a>>, None::<Text<'a>>);
    scanner.object(|scanner, key| {
        let (name, kind) = (key.cow(), scanner.kind()?);
        if kind == Kind::Null {
            return Ok(());
        }
        let sampling = &mut to.sampling;
        match &*camel(&name) {
            "temperature" => sampling.temperature = Some(number(scanner, &name)?),
            "topP" => sampling.top_p = Some(number(scanner, &name)?),
            // It is a float in Google's JSON.
            "topK" => sampling.top_k = Some(number(scanner, &name)?.max(0.0) as u64),
            "seed" => sampling.seed = Some(number(scanner, &name)? as i64),
            "maxOutputTokens" => sampling.max_output = Some(Tokens(whole(scanner, &name)?)),
            "candidateCount" => {
                sampling.n = Some(u32::try_from(whole(scanner, &name)?).unwrap_or(u32::MAX));
            }
            "presencePenalty" => sampling.presence_penalty = Some(number(scanner, &name)?),
            "frequencyPenalty" => sampling.frequency_penalty = Some(number(scanner, &name)?),
            "stopSequences" if kind == Kind::Array => scanner.array(|scanner, _| {
                sampling.stop.extend(scanner.text()?);
                Ok::<(), Fault>(())
            })?,
            "stopSequences" => return wrong_type(&path(&name), "an array of strings", kind),
            "responseLogprobs" => match scanner.bool()? {
                Some(wanted) => sampling.logprobs = Some(wanted),
                None => return wrong_type(&path(&name), "true or false", kind),
            },
            "logprobs" => {
                let top = whole(scanner, &name)?;
                sampling.top_logprobs = Some(u32::try_from(top).unwrap_or(u32::MAX));
            }
            "thinkingConfig" if kind == Kind::Object => thinking(scanner, to)?,
            "responseMimeType" => mime = scanner.text()?,
            "responseSchema" if kind == Kind::Object => {
                schema = schema.take().or(Some(to_json_schema(scanner.raw()?)?.into()));
            }
            "responseJsonSchema" if kind == Kind::Object => schema = Some(scanner.raw()?.into()),
            name => {
                let json = scanner.raw()?;
                // Text is what all answer with unless told otherwise.
                let upper = json.to_ascii_uppercase();
                let is_text = name == "responseModalities"
                    && !["AUDIO", "IMAGE", "VIDEO"].iter().any(|other| upper.contains(other));
                if !is_text {
                    to.extras.push((path(name).into(), json.into()));
                }
            }
        }
        Ok::<(), Fault>(())
    })?;
    match (mime.as_deref(), schema) {
        (Some("application/json") | None, Some(schema)) => {
            to.format = Format::Schema { name: None, description: None, schema, strict: None };
        }
        (Some("application/json"), None) => to.format = Format::Json,
        (Some("text/plain") | None, None) => {}
        // One word out of several, without quotes.
        (Some(other), schema) => {
            let quoted = crate::dialect::json::quote(other);
            to.extras.push((path("responseMimeType").into(), quoted.into()));
            let schema = schema.map(|schema| (path("responseJsonSchema").into(), schema));
            to.extras.extend(schema);
        }
    }
    Ok(())
}

fn path(name: &str) -> String {
    format!("generationConfig.{name}")
}

fn number(scanner: &mut Scanner<'_>, name: &str) -> Read<f64> {
    let kind = scanner.kind()?;
    match float(scanner)? {
        Some(number) => Ok(number),
        None => wrong_type(&path(name), "a number", kind),
    }
}

fn whole(scanner: &mut Scanner<'_>, name: &str) -> Read<u64> {
    let kind = scanner.kind()?;
    match count(scanner)? {
        Some(count) => Ok(count),
        None => wrong_type(&path(name), "a whole number that is not negative", kind),
    }
}

fn thinking<'a>(scanner: &mut Scanner<'a>, to: &mut Conversation<'a>) -> Read<()> {
    let reasoning = &mut to.reasoning;
    scanner.object(|scanner, key| {
        let name = key.cow();
        match &*camel(&name) {
            "thinkingBudget" => match float(scanner)? {
                // As the model sees fit.
                Some(budget) if budget < 0.0 => reasoning.enabled = Some(true),
                Some(budget) => reasoning.budget = Some(Tokens(budget as u64)),
                None => {}
            },
            "thinkingLevel" => {
                reasoning.effort = scanner
                    .text()?
                    .map(|level| level.to_ascii_lowercase())
                    .filter(|level| level != "thinking_level_unspecified")
                    .map(Cow::Owned);
            }
            "includeThoughts" => {
                let shown = scanner.bool()?;
                reasoning.summary =
                    shown.map(|shown| if shown { "auto" } else { "omitted" }.into());
            }
            _ => {}
        }
        Ok(())
    })
}

/// Whether tools may or must be called.
pub(super) fn tool_config<'a>(scanner: &mut Scanner<'a>, to: &mut Conversation<'a>) -> Read<()> {
    scanner.object(|scanner, key| {
        let (name, kind) = (key.cow(), scanner.kind()?);
        match (&*camel(&name), kind) {
            (_, Kind::Null) => {}
            ("functionCallingConfig", Kind::Object) => calling(scanner, to)?,
            (name, _) => {
                let json = scanner.raw()?.into();
                to.extras.push((format!("toolConfig.{name}").into(), json));
            }
        }
        Ok(())
    })
}

/// Under this name the mode `VALIDATED` is kept: only Google has it.
pub(super) const VALIDATED: &str = "toolConfig.functionCallingConfig.mode";

fn calling<'a>(scanner: &mut Scanner<'a>, to: &mut Conversation<'a>) -> Read<()> {
    let (mut mode, mut names) = (None, Vec::new());
    scanner.object(|scanner, key| {
        match &*camel(&key.cow()) {
            "mode" => mode = scanner.text()?,
            "allowedFunctionNames" if scanner.kind()? == Kind::Array => {
                scanner.array(|scanner, _| {
                    names.extend(scanner.text()?);
                    Ok::<(), Fault>(())
                })?;
            }
            _ => {}
        }
        Ok::<(), Fault>(())
    })?;
    let mode = mode.map(|mode| mode.to_ascii_uppercase());
    let required = mode.as_deref() == Some("ANY");
    to.tool_choice = Some(match mode.as_deref() {
        Some("NONE") => ToolChoice::None,
        Some("ANY") if names.len() == 1 => ToolChoice::Named(names.remove(0)),
        _ if !names.is_empty() => ToolChoice::Allowed { names, required },
        Some("ANY") => ToolChoice::Required,
        Some("VALIDATED") => {
            to.extras.push((VALIDATED.into(), "\"VALIDATED\"".into()));
            ToolChoice::Auto
        }
        _ => ToolChoice::Auto,
    });
    Ok(())
}

/// The tools that are offered.
pub(super) fn tools<'a>(scanner: &mut Scanner<'a>, to: &mut Vec<Tool<'a>>) -> Read<()> {
    each(scanner, |scanner, _| {
        if scanner.kind()? != Kind::Object {
            return Ok(());
        }
        scanner.object(|scanner, key| {
            let name = key.cow();
            match (&*camel(&name), scanner.kind()?) {
                (_, Kind::Null) => {}
                ("functionDeclarations", _) => each(scanner, |scanner, _| {
                    if scanner.kind()? == Kind::Object {
                        to.push(Tool::Function(function(scanner)?));
                    }
                    Ok::<(), Fault>(())
                })?,
                (name, _) => {
                    let json = format!("{{\"{name}\":{}}}", scanner.raw()?);
                    to.push(Tool::Native {
                        dialect: Dialect::GeminiGenerate,
                        name: name.to_owned().into(),
                        json: json.into(),
                    });
                }
            }
            Ok::<(), Fault>(())
        })
    })
}

fn function<'a>(scanner: &mut Scanner<'a>) -> Read<Function<'a>> {
    let mut function = Function::default();
    scanner.object(|scanner, key| {
        match (&*camel(&key.cow()), scanner.kind()?) {
            ("name", _) => function.name = scanner.text()?.unwrap_or_default(),
            ("description", _) => {
                function.description = scanner.text()?.filter(|text| !text.is_empty());
            }
            ("parameters", Kind::Object) => {
                let schema = to_json_schema(scanner.raw()?)?;
                function.parameters = function.parameters.take().or(Some(schema.into()));
            }
            ("parametersJsonSchema", Kind::Object) => {
                function.parameters = Some(scanner.raw()?.into());
            }
            _ => {}
        }
        Ok::<(), Fault>(())
    })?;
    Ok(function)
}
