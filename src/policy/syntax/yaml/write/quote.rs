//! How a text is written so that YAML, of whichever version, reads it back as it is.

use super::super::document::INDICATORS;

/// Words that some version of YAML reads as something else than text.
const WORDS: [&str; 10] = ["true", "false", "yes", "no", "on", "off", "y", "n", "null", "~"];

/// Whether a text of the language can stand without quotes; `flow`: inside of brackets.
pub fn plain_code(text: &str, flow: bool) -> bool {
    let lower = text.to_ascii_lowercase();
    // What means true and false in the language means it in YAML.
    let word = WORDS.contains(&&*lower) && !matches!(text, "true" | "false");
    !word && plain(text, flow)
}

fn plain(text: &str, flow: bool) -> bool {
    let mut chars = text.chars();
    let (Some(first), second) = (chars.next(), chars.next()) else { return false };
    let starts = match first {
        '-' => second.is_some_and(|c| c != ' '),
        _ => !INDICATORS.contains(first),
    };
    starts
        && text.trim() == text
        && text.chars().all(printable)
        && !text.contains(": ")
        && !text.ends_with(':')
        && !text.contains(" #")
        && !(flow && (text.contains([',', '[', ']', '{', '}']) || odd_colon(text)))
}

/// Whether a colon stands before something else than a letter or a digit: inside of brackets some
/// readers then take it for the end of a key.
fn odd_colon(text: &str) -> bool {
    let behind = text.match_indices(':').map(|(at, _)| text[at + 1..].chars().next());
    behind.into_iter().any(|next| next.is_none_or(|c| !c.is_alphanumeric()))
}

/// Whether a character can stand in YAML as it is, and ends no line.
pub fn printable(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// A text of the language.
pub fn code(text: &str, flow: bool) -> String {
    if plain_code(text, flow) { text.to_owned() } else { quoted(text) }
}

/// A text for people: without quotes where it is plainly words.
pub fn text(text: &str, flow: bool) -> String {
    let words = text.starts_with(|c: char| c.is_ascii_alphabetic());
    let special = WORDS.contains(&&*text.to_ascii_lowercase());
    if words && !special && plain(text, flow) { text.to_owned() } else { quoted(text) }
}

/// A text in quotes: single ones where double ones would need backslashes.
pub fn quoted(text: &str) -> String {
    if text.contains(['"', '\\']) && text.chars().all(printable) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0' => out.push_str("\\0"),
            c if printable(c) => out.push(c),
            c if u32::from(c) < 0x100 => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => out.push_str(&format!("\\u{:04x}", u32::from(c))),
        }
    }
    out.push('"');
    out
}

/// Puts lines in quotes that hold nothing but printable characters; their ends are read as blanks.
pub fn lines(text: &str) -> String {
    match text.contains(['"', '\\']) {
        true => format!("'{}'", text.replace('\'', "''")),
        false => format!("\"{text}\""),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::document::{self, Kind};
    use super::{code, text};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(said in prop_oneof!["(?s).{0,12}", "[ -~\n]{0,12}", "[:#,\\[ a'\"-]{0,6}"]) {
            for written in [code(&said, false), text(&said, false)] {
                let yaml = format!("a: {written}\n");
                let read = document::read(&yaml).map_err(|found| TestCaseError::fail(format!("{found:?} {yaml}")))?;
                let Some(Kind::Map(entries)) = read.root.map(|root| root.kind) else { panic!("{yaml}") };
                let Kind::Scalar(scalar) = &entries[0].1.kind else { panic!("{yaml}") };
                prop_assert_eq!(&scalar.text, &said, "{}", yaml);
                let theirs: serde_yaml::Mapping = serde_yaml::from_str(&yaml).unwrap();
                prop_assert_eq!(theirs["a"].as_str().unwrap_or(&said), &said, "{}", yaml);
            }
            for written in [code(&said, true), text(&said, true)] {
                let yaml = format!("[{written}, {{ {written}: x }}]\n");
                let read = document::read(&yaml).map_err(|found| TestCaseError::fail(format!("{found:?} {yaml}")))?;
                let Some(Kind::List(items)) = read.root.map(|root| root.kind) else { panic!("{yaml}") };
                let Kind::Scalar(scalar) = &items[0].node.kind else { panic!("{yaml}") };
                prop_assert_eq!(&scalar.text, &said, "{}", yaml);
            }
        }
    }
}
