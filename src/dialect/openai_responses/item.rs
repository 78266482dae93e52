//! One item of an answer, as its JSON says it.

use std::borrow::Cow;

use crate::dialect::json::{JsonError, Kind, Scanner};

/// What the fields of an item say, whatever its type.
#[derive(Default)]
pub(super) struct Item<'a> {
    pub kind: &'a str,
    pub id: &'a str,
    pub call: &'a str,
    pub name: Cow<'a, str>,
    pub arguments: Cow<'a, str>,
    pub content: Option<&'a str>,
    pub summary: Option<&'a str>,
    pub encrypted: bool,
    pub result: Cow<'a, str>,
    pub format: Option<&'a str>,
}

impl<'a> Item<'a> {
    /// Reads it.
    ///
    /// # Errors
    /// Broken JSON.
    pub(super) fn read(json: &'a str) -> Result<Item<'a>, JsonError> {
        let mut it = Item::default();
        Scanner::new(json).object(|scanner, key| {
            match (key.raw, scanner.kind()?) {
                // Words of the API's own, never escaped.
                ("type", Kind::String) => it.kind = scanner.string()?.raw,
                ("id", Kind::String) => it.id = scanner.string()?.raw,
                ("call_id", Kind::String) => it.call = scanner.string()?.raw,
                ("output_format", Kind::String) => it.format = Some(scanner.string()?.raw),
                ("name", Kind::String) => it.name = scanner.string()?.cow(),
                ("arguments" | "input", Kind::String) => it.arguments = scanner.string()?.cow(),
                // Arguments as an object rather than as a text.
                ("arguments", Kind::Object) => it.arguments = scanner.raw()?.into(),
                ("content", Kind::Array) => it.content = Some(scanner.raw()?),
                ("summary", Kind::Array) => it.summary = Some(scanner.raw()?),
                ("encrypted_content", Kind::String) => {
                    it.encrypted = !scanner.string()?.raw.is_empty();
                }
                ("result", Kind::String) => it.result = scanner.string()?.cow(),
                _ => {}
            }
            Ok::<(), JsonError>(())
        })?;
        Ok(it)
    }

    pub(super) fn is_call(&self) -> bool {
        matches!(self.kind, "function_call" | "custom_tool_call")
    }
}

/// The texts of a list (`content` or `summary`) of a reasoning item.
///
/// # Errors
/// Broken JSON.
pub(super) fn thought_texts<'a>(item: &'a str, list: &str) -> Result<Vec<Cow<'a, str>>, JsonError> {
    let item = Item::read(item)?;
    texts(if list == "content" { item.content } else { item.summary })
}

/// The texts of a list of parts.
///
/// # Errors
/// Broken JSON.
pub(super) fn texts(list: Option<&str>) -> Result<Vec<Cow<'_, str>>, JsonError> {
    let mut texts = Vec::new();
    let Some(list) = list else { return Ok(texts) };
    Scanner::new(list).array(|scanner, _| {
        if scanner.kind()? != Kind::Object {
            return Ok(());
        }
        scanner.object(|scanner, key| {
            if key.raw == "text" {
                texts.extend(scanner.text()?);
            }
            Ok::<(), JsonError>(())
        })
    })?;
    Ok(texts)
}
