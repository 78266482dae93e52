//! How hard a request is: the documented measure that small models fail against.

use super::request::{Format, Request};
use super::skills::arithmetic;
use super::tools::Wish;

/// What each word in the question adds; a word counts once, and all of them together at most
/// [`MOST_FROM_WORDS`].
const WORDS: &[(&str, u32)] = &[
    ("algorithm", 15),
    ("analyse", 10),
    ("analyze", 10),
    ("architecture", 15),
    ("asymptotic", 20),
    ("code", 10),
    ("compare", 8),
    ("concurrent", 20),
    ("contract", 10),
    ("debug", 15),
    ("derive", 30),
    ("diagnose", 20),
    ("differential", 20),
    ("distributed", 15),
    ("eigenvalue", 25),
    ("function", 10),
    ("implement", 20),
    ("integral", 20),
    ("javascript", 8),
    ("jurisdiction", 20),
    ("legal", 10),
    ("lock-free", 30),
    ("medical", 10),
    ("optimise", 15),
    ("optimize", 15),
    ("plan", 5),
    ("proof", 40),
    ("prove", 60),
    ("python", 8),
    ("quantum", 20),
    ("race condition", 25),
    ("refactor", 25),
    ("rust", 10),
    ("sql", 12),
    ("step by step", 10),
    ("theorem", 20),
    ("trade-off", 12),
    ("why", 4),
];

/// The most that hard words add.
pub(super) const MOST_FROM_WORDS: u32 = 80;

/// The difficulty of a request that calls for these tools, from 0 to 100.
pub(super) fn of(request: &Request, wishes: &[Wish<'_>]) -> u32 {
    let question = request.question().to_lowercase();
    let from_words: u32 =
        WORDS.iter().filter(|(word, _)| has_word(&question, word)).map(|(_, points)| points).sum();
    let from_arithmetic =
        arithmetic::find(request.question()).map_or(0, |worked| 6 * worked.operations);
    let from_length = request.prompt_tokens.saturating_sub(200) / 100;
    let from_format = match &request.format {
        Format::Text => 0,
        Format::Json => 5,
        Format::Schema { schema, strict } => {
            let (members, depth) = shape(schema, 0);
            let strict = if *strict { 5 } else { 0 };
            5 + 2 * members + 5 * depth.saturating_sub(1) + strict
        }
    };
    let from_tools = match wishes.len() as u32 {
        0 => 0,
        calls => 10 + 6 * (calls - 1) + 3 * (request.tools.len() as u32).saturating_sub(1).min(5),
    };
    let from_pictures = 5 * request.images().len() as u32;
    (from_words.min(MOST_FROM_WORDS)
        + from_arithmetic
        + from_length.min(30) as u32
        + from_format.min(60)
        + from_tools
        + from_pictures)
        .min(100)
}

/// Whether the word stands in the text, alone or with an ending of up to three letters.
fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let behind = text[at + word.len()..].chars().take_while(|c| c.is_alphabetic()).count();
        before.is_none_or(|c| !c.is_alphanumeric()) && behind <= 3
    })
}

/// How many members a schema speaks of, and how deep its objects are nested.
fn shape(schema: &serde_json::Value, depth: u32) -> (u32, u32) {
    use serde_json::Value;
    if depth > 64 {
        return (0, 0);
    }
    let inner: Vec<(u32, u32)> = match schema {
        Value::Object(map) => map.values().map(|value| shape(value, depth + 1)).collect(),
        Value::Array(list) => list.iter().map(|value| shape(value, depth + 1)).collect(),
        _ => return (0, 0),
    };
    let own = schema.get("properties").and_then(Value::as_object).map(|p| p.len() as u32);
    let members = inner.iter().map(|(members, _)| members).sum::<u32>();
    let deepest = inner.iter().map(|(_, deep)| *deep).max().unwrap_or(0);
    (members + own.unwrap_or(0), deepest + u32::from(own.is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::tools;
    use serde_json::json;

    fn difficulty(prompt: &str) -> u32 {
        let body = json!({"model": "large", "messages": [{"role": "user", "content": prompt}]});
        let request = Request::read(body.to_string().as_bytes(), None).unwrap();
        of(&request, &tools::wanted(&request))
    }

    #[test]
    fn the_measure_climbs() {
        assert_eq!(difficulty("Hello there"), 0);
        assert_eq!(difficulty("What is 17 * 23?"), 6);
        assert_eq!(difficulty("What is (17 * 23 + 4) / 5 - 3 * 8?"), 30);
        assert_eq!(difficulty("Write a Python function that reverses a string."), 18);
        assert_eq!(difficulty("Prove that the square root of 2 is irrational."), 60);
        assert_eq!(difficulty("Implement a lock-free concurrent queue in Rust."), 80);
        assert_eq!(difficulty(&"word ".repeat(1_300)), 11);
        assert_eq!(difficulty("An improvement that I trust."), 0);
    }
}
