//! The members of a request, with the complaints OpenAI makes about them.

use serde_json::{Map, Value};

use super::{ApiError, Result};

/// A member that is there and not null.
pub(super) fn given<'a>(body: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    body.get(name).filter(|value| !value.is_null())
}

pub(super) fn wrong_type(param: &str, expected: &str, found: &Value) -> ApiError {
    let found = match found {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    ApiError::invalid(
        param,
        Some("invalid_type"),
        format!("Invalid type for '{param}': expected {expected}, but got {found} instead."),
    )
}

pub(super) fn missing(param: &str) -> ApiError {
    ApiError::invalid(
        param,
        Some("missing_required_parameter"),
        format!("Missing required parameter: '{param}'."),
    )
}

pub(super) fn invalid_value(param: &str, found: &str, supported: &str) -> ApiError {
    ApiError::invalid(
        param,
        Some("invalid_value"),
        format!("Invalid value: '{found}'. Supported values are: {supported}."),
    )
}

pub(super) fn object<'a>(param: &str, value: &'a Value) -> Result<&'a Map<String, Value>> {
    value.as_object().ok_or_else(|| wrong_type(param, "an object", value))
}

pub(super) fn array<'a>(param: &str, value: &'a Value) -> Result<&'a Vec<Value>> {
    value.as_array().ok_or_else(|| wrong_type(param, "an array", value))
}

pub(super) fn string<'a>(param: &str, value: &'a Value) -> Result<&'a str> {
    value.as_str().ok_or_else(|| wrong_type(param, "a string", value))
}

pub(super) fn flag(body: &Map<String, Value>, name: &str) -> Result<Option<bool>> {
    given(body, name)
        .map(|value| value.as_bool().ok_or_else(|| wrong_type(name, "a boolean", value)))
        .transpose()
}

pub(super) fn integer(
    body: &Map<String, Value>,
    name: &str,
    low: i64,
    high: i64,
) -> Result<Option<u64>> {
    let Some(value) = given(body, name) else { return Ok(None) };
    let found = value.as_i64().ok_or_else(|| wrong_type(name, "an integer", value))?;
    if (low..=high).contains(&found) {
        return Ok(Some(found.unsigned_abs()));
    }
    let (side, word, bound, code) = match found < low {
        true => ("below minimum", ">=", low, "integer_below_min_value"),
        false => ("above maximum", "<=", high, "integer_above_max_value"),
    };
    Err(ApiError::invalid(
        name,
        Some(code),
        format!(
            "Invalid '{name}': integer {side} value. Expected a value {word} {bound}, but got \
             {found} instead."
        ),
    ))
}

pub(super) fn number(body: &Map<String, Value>, name: &str, low: f64, high: f64) -> Result<()> {
    let Some(value) = given(body, name) else { return Ok(()) };
    let found = value.as_f64().ok_or_else(|| wrong_type(name, "a decimal", value))?;
    if (low..=high).contains(&found) {
        return Ok(());
    }
    let (side, word, bound, code) = match found < low {
        true => ("below minimum", ">=", low, "decimal_below_min_value"),
        false => ("above maximum", "<=", high, "decimal_above_max_value"),
    };
    Err(ApiError::invalid(
        name,
        Some(code),
        format!(
            "Invalid '{name}': decimal {side} value. Expected a value {word} {bound}, but got \
             {found} instead."
        ),
    ))
}
