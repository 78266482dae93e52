//! Google's schemas, a dialect of OpenAPI's, as the JSON schemas that all others know: types in small
//! letters, `nullable` as a type, numbers without quotes.

use std::borrow::Cow;

use super::names::{TYPES, camel, word};
use crate::dialect::json::{JsonError, Kind, Scanner};
use crate::dialect::write::JsonOut;

/// The JSON schema that says what a schema of Google's says; a JSON schema stays one.
pub(super) fn to_json_schema(schema: &str) -> Result<String, JsonError> {
    let mut out = Vec::with_capacity(schema.len());
    one(&mut Scanner::new(schema), &mut JsonOut::new(&mut out))?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

/// Whether null is allowed, and whether a type says what is.
fn look_ahead(mut scanner: Scanner<'_>) -> Result<(bool, bool), JsonError> {
    let (mut nullable, mut typed) = (false, false);
    scanner.object(|scanner, key| {
        match key.raw {
            "nullable" => nullable = scanner.bool()? == Some(true),
            "type" => typed = true,
            _ => {}
        }
        Ok::<(), JsonError>(())
    })?;
    Ok((nullable, typed))
}

fn one(scanner: &mut Scanner<'_>, w: &mut JsonOut<'_>) -> Result<(), JsonError> {
    if scanner.kind()? != Kind::Object {
        w.raw(scanner.raw()?);
        return Ok(());
    }
    let (nullable, typed) = look_ahead(scanner.clone())?;
    let mut outcome = Ok(());
    w.object(|w| {
        outcome = scanner.object(|scanner, key| {
            let (name, kind) = (key.cow(), scanner.kind()?);
            match (&*camel(&name), kind) {
                ("nullable", Kind::Bool) => {}
                ("type", Kind::String | Kind::Number) => types(scanner, nullable, w.key("type"))?,
                ("enum", Kind::Array) if nullable => {
                    with_null(scanner, "null", w.key("enum"), raw)?;
                }
                (name @ ("properties" | "$defs" | "definitions"), Kind::Object) => {
                    map(scanner, w.key(name))?;
                }
                ("defs", Kind::Object) => map(scanner, w.key("defs"))?,
                // Where no type says so, one of the alternatives must.
                ("anyOf", Kind::Array) if nullable && !typed => {
                    with_null(scanner, r#"{"type":"null"}"#, w.key("anyOf"), one)?;
                }
                (name @ ("anyOf" | "oneOf" | "allOf" | "prefixItems" | "items"), Kind::Array) => {
                    list(scanner, w.key(name))?;
                }
                (name @ ("items" | "additionalProperties" | "not"), _) => {
                    one(scanner, w.key(name))?;
                }
                // Whole numbers of 64 bits are strings in Google's JSON.
                (name, Kind::String) if is_limit(name) => {
                    let text = scanner.string()?;
                    let digits = !text.raw.is_empty()
                        && text.raw.len() < 20
                        && text.raw.bytes().all(|byte| byte.is_ascii_digit());
                    match text.raw.parse::<u64>() {
                        Ok(number) if digits => w.field_int(name, number),
                        _ => w.field_str(name, &text.cow()),
                    }
                }
                (name, _) if is_limit(name) || name == "propertyOrdering" => {
                    w.field_raw(name, scanner.raw()?);
                }
                _ => w.field_raw(&name, scanner.raw()?),
            }
            Ok::<(), JsonError>(())
        });
    });
    outcome
}

fn is_limit(name: &str) -> bool {
    matches!(
        name,
        "minItems" | "maxItems" | "minLength" | "maxLength" | "minProperties" | "maxProperties"
    )
}

fn types(scanner: &mut Scanner<'_>, nullable: bool, w: &mut JsonOut<'_>) -> Result<(), JsonError> {
    let name = word(scanner, TYPES)?.unwrap_or_default();
    let name = match TYPES.contains(&&*name) {
        true => Cow::Owned(name.to_ascii_lowercase()),
        false => name,
    };
    match nullable && name != "null" {
        true => w.array(|w| {
            w.string(&name);
            w.string("null");
        }),
        false => w.string(&name),
    }
    Ok(())
}

fn map(scanner: &mut Scanner<'_>, w: &mut JsonOut<'_>) -> Result<(), JsonError> {
    let mut outcome = Ok(());
    w.object(|w| {
        outcome = scanner.object(|scanner, key| one(scanner, w.key(&key.cow())));
    });
    outcome
}

fn list(scanner: &mut Scanner<'_>, w: &mut JsonOut<'_>) -> Result<(), JsonError> {
    let mut outcome = Ok(());
    w.array(|w| outcome = scanner.array(|scanner, _| one(scanner, w)));
    outcome
}

fn with_null(
    scanner: &mut Scanner<'_>,
    null: &str,
    w: &mut JsonOut<'_>,
    item: fn(&mut Scanner<'_>, &mut JsonOut<'_>) -> Result<(), JsonError>,
) -> Result<(), JsonError> {
    let (mut outcome, mut there) = (Ok(()), false);
    w.array(|w| {
        outcome = scanner.array(|scanner, _| {
            there |= scanner.kind()? == Kind::Null;
            item(scanner, w)
        });
        if !there {
            w.raw(null);
        }
    });
    outcome
}

fn raw(scanner: &mut Scanner<'_>, w: &mut JsonOut<'_>) -> Result<(), JsonError> {
    w.raw(scanner.raw()?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn converted(schema: &Value) -> Value {
        serde_json::from_str(&to_json_schema(&schema.to_string()).unwrap()).unwrap()
    }

    #[test]
    fn types_are_written_small_wherever_they_are() {
        let schema = json!({
            "type": "OBJECT", "required": ["type"], "property_ordering": ["type", "b"],
            "properties": {
                "type": {"type": "STRING", "enum": ["STRING", "x"], "format": "enum"},
                "b": {"type": "ARRAY", "min_items": "1", "items": {"type": "INTEGER", "nullable": true}},
                "c": {"any_of": [{"type": "NUMBER"}, {"type": 4}], "nullable": true},
                "d": {"type": "STRING", "nullable": true, "enum": ["a"], "description": "NUMBER"},
            },
        });
        let expected = json!({
            "type": "object", "required": ["type"], "propertyOrdering": ["type", "b"],
            "properties": {
                "type": {"type": "string", "enum": ["STRING", "x"], "format": "enum"},
                "b": {"type": "array", "minItems": 1, "items": {"type": ["integer", "null"]}},
                "c": {"anyOf": [{"type": "number"}, {"type": "boolean"}, {"type": "null"}]},
                "d": {"type": ["string", "null"], "enum": ["a", null], "description": "NUMBER"},
            },
        });
        assert_eq!(converted(&schema), expected);
        assert_eq!(converted(&expected), expected, "a JSON schema stays as it is");
    }

    #[test]
    fn what_is_no_schema_stays_as_it_is() {
        for odd in [json!(true), json!({"type": ["string", "null"], "items": false}), json!([])] {
            assert_eq!(converted(&odd), odd);
        }
        assert!(to_json_schema("{").is_err());
    }
}
