//! What somebody probably meant by a statement that the grammar refuses.
//!
//! A statement comes with the place where the grammar stopped and what it would have taken there.
//! Each function here knows one mistake; the first that recognises its own explains the statement.
//! Where none does, small repairs are tried out on the grammar itself, and as a last resort the
//! message says what could have stood there.

mod literals;
mod repair;
mod signs;
mod words;

use std::ops::Range;

use crate::policy::codes;
use crate::policy::diagnostic::Diagnostic;

use super::grammar::{self, Rule, Stop, Wanted, wanted};
use super::scan::{Kind, Scan, span};
use super::tree::Span;
use super::words::Place;

/// A statement that could not be read.
pub struct Scene<'s, 't> {
    scan: &'s Scan<'t>,
    /// What kind of line it is.
    place: Place,
    /// Its tokens.
    pub piece: Range<usize>,
    /// Where its text starts in the file.
    start: usize,
    /// What the grammar saw: its text, or its head with an empty block.
    source: String,
    /// The token where the grammar stopped; the end of `piece` if it wanted more.
    at: usize,
    /// The rules it tried there.
    rules: Vec<Rule>,
    /// The words and signs it would have taken.
    words: Vec<&'static str>,
    /// The kinds of things it would have taken.
    kinds: Vec<&'static str>,
}

/// In this order: what is certain first.
const MISTAKES: &[fn(&Scene<'_, '_>) -> Option<Diagnostic>] = &[
    signs::quotes,
    signs::other_comment,
    words::unknown_first_word,
    words::two_statements,
    signs::brace_on_next_line,
    signs::missing_brace,
    literals::ambiguous_minutes,
    literals::space_before_unit,
    literals::wrong_unit,
    literals::currency_behind,
    literals::short_clock_or_date,
    literals::status_code,
    words::nameless,
    words::default_with_condition,
    signs::several_targets,
    signs::arithmetic,
    signs::single_equals,
    signs::programmers_logic,
    signs::other_comparison,
    signs::wrong_arrow,
    signs::round_list,
    signs::comparison_without_attribute,
    words::other_test,
    words::if_then,
    words::upper_case,
    literals::missing_unit,
    signs::colon,
    signs::comma,
    words::missing_quotes,
    words::misspelt,
    repair::unfinished,
    repair::insertion,
    repair::misspelt_before,
    repair::removal,
];

/// Says what is wrong with a statement.
pub fn explain(scene: &Scene<'_, '_>) -> Diagnostic {
    MISTAKES.iter().find_map(|mistake| mistake(scene)).unwrap_or_else(|| scene.plain(codes::SYNTAX))
}

impl<'s, 't> Scene<'s, 't> {
    /// The scene of a failed parse. `head` is what the grammar saw, if not the piece itself.
    pub fn new(
        scan: &'s Scan<'t>,
        place: Place,
        piece: Range<usize>,
        start: usize,
        head: Option<&str>,
        stop: &Stop,
    ) -> Self {
        let (_, end) = super::recover::bytes(scan, &piece);
        let source = head.unwrap_or(&scan.text[start..end]).to_owned();
        let byte = start + stop.at;
        let mut at = scan.index_at(byte);
        if at > piece.start && scan.tokens[at - 1].span.end as usize > byte {
            at -= 1;
        }
        while at < piece.end && scan.tokens[at].kind == Kind::Newline {
            at += 1;
        }
        let (mut words, mut kinds) = (Vec::new(), Vec::new());
        for rule in &stop.expected {
            match wanted(*rule) {
                Wanted::Word(word) => words.push(word),
                Wanted::Words(some) => words.extend_from_slice(some),
                Wanted::Kind(kind) if !kinds.contains(&kind) => kinds.push(kind),
                Wanted::Kind(_) | Wanted::Nothing => {}
            }
        }
        let at = at.clamp(piece.start, piece.end);
        Scene { scan, place, piece, start, source, at, rules: stop.expected.clone(), words, kinds }
    }

    /// The text of a token of the statement; empty outside of it.
    fn text(&self, index: usize) -> &'t str {
        if self.piece.contains(&index) { self.scan.text_of(index) } else { "" }
    }

    fn kind(&self, index: usize) -> Option<Kind> {
        self.scan.tokens.get(index).filter(|_| self.piece.contains(&index)).map(|t| t.kind)
    }

    fn span(&self, index: usize) -> Span {
        self.scan.tokens.get(index).map_or_else(|| self.end(), |token| token.span)
    }

    /// The last token before the stop.
    fn before(&self) -> Option<usize> {
        let found = (self.piece.start..self.at).rev();
        found.into_iter().find(|index| self.kind(*index) != Some(Kind::Newline))
    }

    /// Right behind the last token before the stop: where something is missing.
    fn gap(&self) -> Span {
        match self.before() {
            Some(index) => {
                let end = self.span(index).end as usize;
                span(end, end)
            }
            None => {
                let start = self.span(self.at).start as usize;
                span(start, start)
            }
        }
    }

    fn end(&self) -> Span {
        let (_, end) = super::recover::bytes(self.scan, &self.piece);
        span(end, end)
    }

    /// The place to point at: the token at the stop, or the end where more was wanted.
    fn here(&self) -> Span {
        match self.kind(self.at) {
            Some(_) if !self.stops_at_line_end() => self.span(self.at),
            _ => self.gap(),
        }
    }

    /// Whether the statement seems complete up to a line end, and the next line is not understood.
    fn stops_at_line_end(&self) -> bool {
        self.at > self.piece.start && self.scan.starts_line(self.at)
    }

    fn wants(&self, word: &str) -> bool {
        self.words.contains(&word)
    }

    fn wants_rule(&self, rules: &[Rule]) -> bool {
        self.rules.iter().any(|rule| rules.contains(rule))
    }

    /// The statement's first word.
    fn keyword(&self) -> &'t str {
        self.text(self.piece.start)
    }

    /// Whether the statement can be read once this part of it (of the file) is replaced.
    fn reads_with(&self, place: Span, text: &str) -> bool {
        self.stop_with(place, text).is_none()
    }

    /// Where the grammar stops, as a byte counted from the end, with this part replaced.
    fn stop_with(&self, place: Span, text: &str) -> Option<usize> {
        // Trying out is for statements that people write by hand.
        if self.source.len() > 4096 {
            return Some(usize::MAX);
        }
        let (Some(from), Some(to)) = (
            (place.start as usize).checked_sub(self.start),
            (place.end as usize).checked_sub(self.start),
        ) else {
            return Some(usize::MAX);
        };
        let (Some(head), Some(tail)) = (self.source.get(..from), self.source.get(to..)) else {
            return Some(usize::MAX);
        };
        let trial = format!("{head}{text}{tail}");
        let stop = grammar::run(self.place.rule(), &trial).err()?;
        Some(trial.len() - stop.at)
    }

    /// How far the grammar got, as a byte counted from the end.
    fn left(&self) -> usize {
        (self.start + self.source.len()).saturating_sub(self.here().start as usize)
    }

    /// What stands at the stop, in a person's words.
    fn found(&self) -> String {
        if self.stops_at_line_end() || self.kind(self.at).is_none() {
            return "the end of the statement".to_owned();
        }
        match self.text(self.at) {
            long if long.chars().count() > 40 => "this".to_owned(),
            short => format!("`{short}`"),
        }
    }

    /// "expected …, found …", for what no other function explains.
    fn plain(&self, code: crate::policy::diagnostic::Code) -> Diagnostic {
        let wanted = self.wanted();
        let (message, label) = match wanted.is_empty() {
            true => (format!("{} is not understood here", self.found()), "not understood".into()),
            false => {
                (format!("expected {wanted}, found {}", self.found()), format!("expected {wanted}"))
            }
        };
        Diagnostic::error(code, self.here(), message, label)
    }

    /// "a duration, `on` or `backoff`": at most eight things.
    fn wanted(&self) -> String {
        let mut things: Vec<String> = self.kinds.iter().map(|kind| (*kind).to_owned()).collect();
        for word in &self.words {
            let word = format!("`{word}`");
            if !things.contains(&word) {
                things.push(word);
            }
        }
        things.truncate(8);
        match things.pop() {
            None => String::new(),
            Some(only) if things.is_empty() => only,
            Some(last) => format!("{} or {last}", things.join(", ")),
        }
    }
}
