//! Texts for members of type `string`: by pattern, by format, or by the member's name.

use serde_json::{Map, Value};

use super::{Generator, is_place};
use crate::sim::pattern;

pub(super) const WORDS: &[&str] = &[
    "amber", "harbour", "lantern", "meadow", "copper", "willow", "granite", "saffron", "beacon",
    "orchard", "velvet", "quarry", "juniper", "cobalt", "thistle", "marble", "ember", "linen",
];

impl Generator<'_> {
    pub(super) fn string(&mut self, schema: &Map<String, Value>, name: &str) -> String {
        if let Some(text) = schema
            .get("pattern")
            .and_then(Value::as_str)
            .and_then(|pattern| pattern::example(pattern, &mut self.rng))
        {
            return text;
        }
        if let Some(text) =
            schema.get("format").and_then(Value::as_str).and_then(|format| self.formatted(format))
        {
            return text;
        }
        let bound = |word: &str| schema.get(word).and_then(Value::as_u64);
        let least = bound("minLength").unwrap_or(0).min(10_000) as usize;
        let most = bound("maxLength").unwrap_or(2_000).min(10_000) as usize;
        let mut text = self.named(name);
        while text.chars().count() < least {
            text.push(' ');
            let word = self.word();
            text.push_str(word);
        }
        if text.chars().count() > most {
            text = text.chars().take(most).collect();
        }
        text
    }

    fn word(&mut self) -> &'static str {
        self.rng.choice(WORDS.iter()).copied().unwrap_or("amber")
    }

    /// A text of a format of JSON Schema 2020-12, section 7.3.
    fn formatted(&mut self, format: &str) -> Option<String> {
        let (day, hour) = (self.rng.u32(1..=28), self.rng.u32(0..=23));
        let word = self.word();
        Some(match format {
            "date-time" => format!("2026-03-{day:02}T{hour:02}:30:00Z"),
            "date" => format!("2026-03-{day:02}"),
            "time" => format!("{hour:02}:30:00Z"),
            "duration" => format!("P{day}D"),
            "email" | "idn-email" => match self.hints.emails.is_empty() {
                true => format!("{word}@example.com"),
                false => self.hints.emails.remove(0),
            },
            "hostname" | "idn-hostname" => format!("{word}.example.com"),
            "ipv4" => format!("192.0.2.{day}"),
            "ipv6" => format!("2001:db8::{day}"),
            "uri" | "iri" | "uri-reference" | "iri-reference" => {
                format!("https://example.com/{word}")
            }
            "uri-template" => format!("https://example.com/{word}/{{id}}"),
            "uuid" => {
                let bits = self.rng.u128(..);
                uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid().to_string()
            }
            "json-pointer" => format!("/{word}"),
            "relative-json-pointer" => format!("1/{word}"),
            "regex" => format!("^{word}$"),
            _ => return None,
        })
    }

    /// A text that suits a member of this name.
    fn named(&mut self, name: &str) -> String {
        let name = name.to_lowercase();
        let is = |words: &[&str]| words.iter().any(|word| name.contains(word));
        let next = |list: &mut Vec<String>, otherwise: &str| match list.is_empty() {
            true => otherwise.to_owned(),
            false => list.remove(0),
        };
        if is_place(&name) {
            return next(&mut self.hints.places, "Paris");
        }
        if is(&["email", "recipient", "mail"]) {
            return next(&mut self.hints.emails, "alex@example.com");
        }
        if is(&["file", "path"]) {
            return "notes.txt".to_owned();
        }
        if is(&["name", "person", "author", "customer", "user", "company", "symbol", "ticker"]) {
            return next(&mut self.hints.names, "Alex Morgan");
        }
        if is(&["country"]) {
            return "France".to_owned();
        }
        if is(&["date", "day"]) {
            return "2026-03-14".to_owned();
        }
        if is(&["timezone"]) {
            return "UTC".to_owned();
        }
        if is(&["time"]) {
            return "09:30".to_owned();
        }
        if is(&["currency"]) {
            return "EUR".to_owned();
        }
        if is(&["phone"]) {
            return "+1 555 0100".to_owned();
        }
        if is(&["url", "link"]) {
            return "https://example.com/".to_owned();
        }
        if is(&["query", "question", "search", "input", "prompt", "expression"]) {
            return self.hints.prompt.chars().take(200).collect();
        }
        let told = ["answer", "summary", "result", "text", "expla", "reason", "descr", "content"];
        if is(&told) || is(&["message", "body", "response", "output", "final", "step"]) {
            return self.hints.answer.clone();
        }
        let (first, second) = (self.word(), self.word());
        format!("{first} {second}")
    }
}
