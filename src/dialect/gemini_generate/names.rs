//! How Google spells JSON: every field in camelCase or in snake_case, numbers as strings where they
//! are long, enumerations as words or numbers, lists of one without their brackets.

use std::borrow::Cow;

use crate::dialect::json::{JsonError, Kind, Scanner};

/// The name of a field in camelCase, whichever way it was written.
pub(super) fn camel(name: &str) -> Cow<'_, str> {
    if !name.contains('_') {
        return Cow::Borrowed(name);
    }
    let (mut out, mut raise) = (String::with_capacity(name.len()), false);
    for char in name.chars() {
        if char == '_' {
            raise = !out.is_empty();
        } else if std::mem::take(&mut raise) {
            out.push(char.to_ascii_uppercase());
        } else {
            out.push(char);
        }
    }
    Cow::Owned(out)
}

/// The items of a list, or the one item that stands in its place.
pub(super) fn each<'a, E: From<JsonError>>(
    scanner: &mut Scanner<'a>,
    mut visit: impl FnMut(&mut Scanner<'a>, usize) -> Result<(), E>,
) -> Result<(), E> {
    match scanner.kind()? {
        Kind::Array => scanner.array(visit),
        Kind::Object => visit(scanner, 0),
        _ => Ok(()),
    }
}

/// A number, also in quotes; nothing where it is something else.
pub(super) fn float(scanner: &mut Scanner<'_>) -> Result<Option<f64>, JsonError> {
    Ok(match scanner.text()? {
        Some(text) => text.parse().ok().filter(|number: &f64| number.is_finite()),
        None => scanner.float()?,
    })
}

/// A whole number ≥ 0, also in quotes; nothing where it is something else.
pub(super) fn count(scanner: &mut Scanner<'_>) -> Result<Option<u64>, JsonError> {
    Ok(match scanner.text()? {
        Some(text) => text.parse().ok(),
        None => scanner.count()?,
    })
}

/// A word of an enumeration; clients that ask for numbers get numbers.
pub(super) fn word<'a>(
    scanner: &mut Scanner<'a>,
    words: &[&'static str],
) -> Result<Option<Cow<'a, str>>, JsonError> {
    Ok(match scanner.text()? {
        Some(word) => Some(word),
        None => {
            let number = scanner.count()?.and_then(|number| usize::try_from(number).ok());
            number.and_then(|number| words.get(number)).map(|word| Cow::Borrowed(*word))
        }
    })
}

/// Why an answer ended, in the order of Google's numbers.
pub(super) const FINISH_REASONS: &[&str] = &[
    "",
    "STOP",
    "MAX_TOKENS",
    "SAFETY",
    "RECITATION",
    "OTHER",
    "LANGUAGE",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "MALFORMED_FUNCTION_CALL",
    "IMAGE_SAFETY",
];

/// The kinds of tokens, in the order of Google's numbers.
pub(super) const MODALITIES: &[&str] = &["", "TEXT", "IMAGE", "VIDEO", "AUDIO", "DOCUMENT"];

/// The types of schemas, in the order of Google's numbers.
pub(super) const TYPES: &[&str] =
    &["", "STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_one_name() {
        assert_eq!(camel("system_instruction"), "systemInstruction");
        assert_eq!(camel("topK"), "topK");
        assert_eq!(camel("_a__b_"), "aB");
    }

    #[test]
    fn numbers_may_stand_in_quotes_and_words_be_numbers() {
        assert_eq!(count(&mut Scanner::new("\"12\"")), Ok(Some(12)));
        assert_eq!(count(&mut Scanner::new("\"x\"")), Ok(None));
        assert_eq!(float(&mut Scanner::new("0.5")), Ok(Some(0.5)));
        assert_eq!(word(&mut Scanner::new("2"), FINISH_REASONS), Ok(Some("MAX_TOKENS".into())));
        assert_eq!(word(&mut Scanner::new("99"), FINISH_REASONS), Ok(None));
        assert_eq!(word(&mut Scanner::new("\"NEW\""), FINISH_REASONS), Ok(Some("NEW".into())));
    }
}
