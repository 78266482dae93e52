//! From pest's pairs to the tree.
//!
//! The grammar has already said that the shape is right, so every function here finds what it looks
//! for; where one does not, it returns `None` and the caller says that the statement could not be
//! read. What the grammar cannot say (a 31st of February) is a diagnostic, and the nearest value
//! stands in, so that the checker still sees the statement.

mod block;
mod expr;
mod item;
mod literal;

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::vec::IntoIter;

use pest::iterators::Pair;

use crate::policy::codes;
use crate::policy::diagnostic::Diagnostic;

use super::grammar::{Rule, spelling};
use super::scan::{Scan, span};
use super::tree::{Block, File, Line, Name, Span, Spanned, Text, Trivia};

/// A pair of our grammar.
pub(super) type P<'i> = Pair<'i, Rule>;

/// Lowers pairs, handing out comments and collecting faults on the way.
pub(super) struct Lower<'t> {
    text: &'t str,
    /// Where the text that pest saw starts in the file.
    pub base: usize,
    /// Comments that no line has taken yet: start to end.
    comments: BTreeMap<u32, u32>,
    /// What was wrong with literals.
    pub diagnostics: Vec<Diagnostic>,
}

/// The children of a pair: its content in order, and which keywords and signs it has.
struct Kids<'i> {
    content: Peekable<IntoIter<P<'i>>>,
    words: Vec<Rule>,
}

fn kids(pair: P<'_>) -> Kids<'_> {
    let (words, content): (Vec<_>, Vec<_>) =
        pair.into_inner().partition(|kid| spelling(kid.as_rule()).is_some());
    Kids {
        content: content.into_iter().peekable(),
        words: words.into_iter().map(|kid| kid.as_rule()).collect(),
    }
}

impl<'i> Kids<'i> {
    fn next(&mut self) -> Option<P<'i>> {
        self.content.next()
    }
    /// The next child, if it is one of these.
    fn opt(&mut self, rule: Rule) -> Option<P<'i>> {
        self.content.next_if(|kid| kid.as_rule() == rule)
    }
    fn has(&self, word: Rule) -> bool {
        self.words.contains(&word)
    }
    fn peek(&mut self) -> Option<Rule> {
        self.content.peek().map(|kid| kid.as_rule())
    }
}

impl<'t> Lower<'t> {
    /// For a text and its scan.
    pub fn new(scan: &Scan<'t>) -> Self {
        Lower {
            text: scan.text,
            base: 0,
            comments: scan.comments.iter().map(|c| (c.start, c.end)).collect(),
            diagnostics: Vec::new(),
        }
    }

    /// The whole file.
    pub fn file(&mut self, pair: P<'_>) -> File {
        let items = pair.into_inner().filter(|kid| kid.as_rule() != Rule::EOI).collect();
        let (items, tail) = self.lines(span(0, self.text.len()), items, Self::item);
        File { items, tail }
    }

    /// The lines of a block, each with its comments.
    fn block<T>(
        &mut self,
        pair: P<'_>,
        lower: impl FnMut(&mut Self, P<'_>) -> Option<T>,
    ) -> Block<T> {
        let place = self.span(&pair);
        let inside = Span { start: place.start + 1, end: place.end.saturating_sub(1) };
        let lines = pair.into_inner().filter(|kid| spelling(kid.as_rule()).is_none()).collect();
        let (lines, tail) = self.lines(inside, lines, lower);
        Block { lines, tail }
    }

    fn lines<T>(
        &mut self,
        region: Span,
        pairs: Vec<P<'_>>,
        mut lower: impl FnMut(&mut Self, P<'_>) -> Option<T>,
    ) -> (Vec<Line<T>>, Vec<String>) {
        let mut lines: Vec<Line<T>> = Vec::with_capacity(pairs.len());
        let mut from = region.start;
        for pair in pairs {
            self.line(pair, &mut lines, &mut from, &mut lower);
        }
        let tail = self.tail(&mut lines, from, region.end);
        (lines, tail)
    }

    /// One line and the comments between it and the line before, which ended at `from`.
    pub fn line<T>(
        &mut self,
        pair: P<'_>,
        lines: &mut Vec<Line<T>>,
        from: &mut u32,
        lower: &mut impl FnMut(&mut Self, P<'_>) -> Option<T>,
    ) {
        let place = self.trim(self.span(&pair));
        // Blocks inside take their comments first; what is left stands amid an expression.
        let node = lower(self, pair);
        let gap = self.gap(lines, *from, place.start);
        let mut before = gap.comments;
        before.extend(self.take(place.start, place.end).into_iter().map(|c| self.slice(c)));
        *from = place.end;
        match node {
            Some(node) => {
                let trivia = Trivia { blank_before: gap.blank_first, before, after: None };
                lines.push(Line { node, span: place, trivia });
            }
            None => self.diagnostics.push(Diagnostic::error(
                codes::SYNTAX,
                place,
                "this statement cannot be read",
                "not understood",
            )),
        }
    }

    /// The comments after the last line of a region.
    pub fn tail<T>(&mut self, lines: &mut [Line<T>], from: u32, end: u32) -> Vec<String> {
        let gap = self.gap(lines, from, end);
        let mut comments = gap.comments;
        while comments.last().is_some_and(String::is_empty) {
            comments.pop();
        }
        if gap.blank_first && !comments.is_empty() && !lines.is_empty() {
            comments.insert(0, String::new());
        }
        comments
    }

    /// Reads the space between two lines: a comment on the earlier line's own line is given to it,
    /// the others are returned, with an empty string for each blank line between or after them.
    fn gap<T>(&mut self, lines: &mut [Line<T>], from: u32, to: u32) -> Gap {
        let mut gap = Gap { blank_first: false, comments: Vec::new() };
        let mut at = from;
        for comment in self.take(from, to) {
            let newlines = self.newlines(at, comment.start);
            match lines.last_mut() {
                Some(line) if newlines == 0 && at == line.span.end => {
                    line.trivia.after = Some(self.slice(comment));
                }
                _ => {
                    if newlines > 1 && gap.comments.is_empty() {
                        gap.blank_first = true;
                    } else if newlines > 1 {
                        gap.comments.push(String::new());
                    }
                    gap.comments.push(self.slice(comment));
                }
            }
            at = comment.end;
        }
        if self.newlines(at, to) > 1 {
            match gap.comments.is_empty() {
                true => gap.blank_first = true,
                false => gap.comments.push(String::new()),
            }
        }
        gap
    }

    fn newlines(&self, from: u32, to: u32) -> usize {
        let range = from as usize..(to.max(from)) as usize;
        self.text.get(range).map_or(0, |gap| gap.bytes().filter(|b| *b == b'\n').count())
    }

    fn take(&mut self, from: u32, to: u32) -> Vec<Span> {
        let found: Vec<Span> = self
            .comments
            .range(from..to.max(from))
            .map(|(start, end)| Span { start: *start, end: *end })
            .collect();
        for comment in &found {
            self.comments.remove(&comment.start);
        }
        found
    }

    fn slice(&self, place: Span) -> String {
        self.text.get(place.range()).unwrap_or_default().to_owned()
    }

    /// Without the blanks and comments that pest skips before it finds that nothing more comes.
    fn trim(&self, place: Span) -> Span {
        let mut end = place.end;
        loop {
            let text = self.text.get(place.start as usize..end as usize).unwrap_or_default();
            let trimmed = place.start + text.trim_end().len() as u32;
            match self.comments.range(place.start..trimmed).next_back() {
                Some((start, stop)) if *stop == trimmed => end = *start,
                _ => return Span { start: place.start, end: trimmed },
            }
        }
    }

    /// Where a pair stands in the file.
    fn span(&self, pair: &P<'_>) -> Span {
        let place = pair.as_span();
        span(self.base + place.start(), self.base + place.end())
    }

    fn name(&self, pair: P<'_>) -> Name {
        Spanned::new(pair.as_str().to_owned(), self.span(&pair))
    }

    fn text(&mut self, pair: P<'_>) -> Text {
        let place = self.span(&pair);
        Spanned::new(self.unescape(pair.as_str(), place), place)
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }
}

/// See [`Lower::gap`].
struct Gap {
    blank_first: bool,
    comments: Vec<String>,
}
