//! The texts that a policy is made of: its own file and those it imports or delegates to.
//!
//! All of them lie in one text, one behind the other, so that a [`Span`] says by itself which file
//! it is in, and everything that only slices need not know of files at all.

use std::sync::Arc;

use super::syntax::tree::Span;

/// The texts of one policy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    text: String,
    files: Vec<SourceFile>,
    /// Where the line breaks are.
    breaks: Vec<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct SourceFile {
    name: Arc<str>,
    start: u32,
    end: u32,
}

/// One file of a policy, and a place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// The file's name, as people know it.
    pub file: &'a Arc<str>,
    /// Its whole text.
    pub text: &'a str,
    /// The place, counted from the file's first byte.
    pub span: Span,
}

impl Sources {
    /// Of a single text.
    pub fn of(file: &str, text: &str) -> Sources {
        let mut sources = Sources::default();
        sources.add(file, text);
        sources
    }

    /// Adds a file; the number its places are shifted by.
    pub fn add(&mut self, file: &str, text: &str) -> u32 {
        if !self.files.is_empty() {
            self.breaks.push(self.text.len() as u32);
            self.text.push('\n');
        }
        let start = self.text.len() as u32;
        self.text.push_str(text);
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        self.breaks.extend(breaks.map(|(at, _)| start + at as u32));
        self.files.push(SourceFile { name: file.into(), start, end: self.text.len() as u32 });
        start
    }

    /// All texts, one behind the other.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What stands at a place; nothing for a place outside of the texts.
    pub fn slice(&self, span: Span) -> &str {
        self.text.get(span.range()).unwrap_or_default()
    }

    /// The name of every file, the policy's own first.
    pub fn files(&self) -> impl Iterator<Item = &Arc<str>> {
        self.files.iter().map(|file| &file.name)
    }

    /// The text of a file by its position in [`Sources::files`].
    pub fn file_text(&self, index: usize) -> &str {
        self.files.get(index).map_or("", |file| &self.text[file.start as usize..file.end as usize])
    }

    /// The number that a file's places are shifted by, by its position in [`Sources::files`].
    pub fn base(&self, index: usize) -> u32 {
        self.files.get(index).map_or(0, |file| file.start)
    }

    /// The file that a place is in; the first where it is in none.
    pub fn locate(&self, span: Span) -> Place<'_> {
        static NOWHERE: std::sync::LazyLock<Arc<str>> = std::sync::LazyLock::new(|| "".into());
        let after = self.files.partition_point(|file| file.start <= span.start);
        let Some(file) = self.files.get(after.saturating_sub(1)) else {
            return Place { file: &NOWHERE, text: "", span };
        };
        let within = |byte: u32| byte.clamp(file.start, file.end) - file.start;
        Place {
            file: &file.name,
            text: &self.text[file.start as usize..file.end as usize],
            span: Span { start: within(span.start), end: within(span.end) },
        }
    }

    /// `file:line` of a place, for people.
    pub fn at(&self, span: Span) -> String {
        let place = self.locate(span);
        format!("{}:{}", place.file, self.line(span))
    }

    /// The line of a place in its file, from 1.
    pub fn line(&self, span: Span) -> u32 {
        let after = self.files.partition_point(|file| file.start <= span.start);
        let start = self.files.get(after.saturating_sub(1)).map_or(0, |file| file.start);
        let before = |byte: u32| self.breaks.partition_point(|at| *at < byte);
        1 + (before(span.start) - before(start)) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_know_their_file() {
        let mut sources = Sources::of("a.policy", "one\ntwo\n");
        let base = sources.add("b.policy", "three\nfour\n");
        let four = Span { start: base + 6, end: base + 10 };
        assert_eq!(sources.slice(four), "four");
        assert_eq!(sources.at(four), "b.policy:2");
        let place = sources.locate(four);
        assert_eq!((&**place.file, place.span), ("b.policy", Span { start: 6, end: 10 }));
        assert_eq!(sources.at(Span { start: 4, end: 7 }), "a.policy:2");
        assert_eq!(sources.at(Span { start: 900, end: 901 }), "b.policy:3");
        assert_eq!(Sources::default().at(four), ":1");
    }
}
