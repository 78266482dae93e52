//! A policy that is being spelt out, and where in the YAML each of its bytes comes from.

use super::super::scan::span;
use super::super::tree::Span;
use super::document::Scalar;

/// Text with places.
#[derive(Debug, Default)]
pub struct Out {
    /// The text.
    pub text: String,
    places: Vec<Span>,
    /// The place of what stands in the text only because the language wants it there.
    pub anchor: Span,
}

impl Out {
    /// Adds a word of the language.
    pub fn word(&mut self, word: &str) {
        self.text.push_str(word);
        self.places.extend(std::iter::repeat_n(self.anchor, word.len()));
    }

    /// Adds a part of a scalar as it is, without what `text` has blanked out of it.
    pub fn copy(&mut self, scalar: &Scalar, from: usize, text: &str) {
        self.text.push_str(text);
        self.places.extend_from_slice(&scalar.places[from..from + text.len()]);
    }

    /// Adds what a scalar says as a text in quotes.
    pub fn quoted(&mut self, scalar: &Scalar) {
        let start = self.places.len();
        self.word("\"");
        for (index, c) in scalar.text.char_indices() {
            let length = self.text.len();
            match c {
                '"' => self.text.push_str("\\\""),
                '\\' => self.text.push_str("\\\\"),
                '\n' => self.text.push_str("\\n"),
                '\r' => self.text.push_str("\\r"),
                c => self.text.push(c),
            }
            let place = scalar.places[index];
            self.places.extend(std::iter::repeat_n(place, self.text.len() - length));
        }
        self.word("\"");
        // The quotes of the two spellings are each other's.
        let (first, last) = (scalar.span.start, scalar.span.end);
        self.places[start] = Span { start: first, end: last.min(first + 1) };
        let end = self.places.len() - 1;
        self.places[end] = Span { start: first.max(last.saturating_sub(1)), end: last };
    }

    /// Adds another text behind this one.
    pub fn append(&mut self, other: Out) {
        self.text.push_str(&other.text);
        self.places.extend(other.places);
    }

    /// Where in the YAML a place of this text comes from.
    pub fn origin(&self, place: Span) -> Span {
        let end = (place.end as usize).min(self.places.len());
        let start = (place.start as usize).min(end);
        match &self.places[start..end] {
            [] => {
                let before = start.checked_sub(1).and_then(|at| self.places.get(at));
                let at = match (self.places.get(start), before) {
                    (_, Some(before)) => before.end,
                    (Some(here), None) => here.start,
                    (None, None) => 0,
                };
                span(at as usize, at as usize)
            }
            places => Span {
                start: places.iter().map(|place| place.start).min().unwrap_or(0),
                end: places.iter().map(|place| place.end).max().unwrap_or(0),
            },
        }
    }
}
