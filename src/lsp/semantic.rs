//! The colours of a text, for editors that read no TextMate grammar.

use lsp_types::{Position, SemanticToken, SemanticTokensLegend};

use super::documents::{Document, Policy};
use super::index::{Kind, Spot, What};
use super::words;
use crate::policy::syntax::scan::{Kind as Piece, Scan, scan, too_large};
use crate::policy::syntax::tree::Span;
use crate::policy::syntax::words::Place;

/// The types of tokens; their numbers are their positions.
const TYPES: [&str; 12] = [
    "comment",
    "string",
    "number",
    "regexp",
    "keyword",
    "property",
    "type",
    "class",
    "variable",
    "enumMember",
    "function",
    "namespace",
];

/// What the numbers in the answer mean.
pub fn legend() -> SemanticTokensLegend {
    SemanticTokensLegend::new(TYPES.map(str::to_owned).to_vec(), Vec::new())
}

/// The pieces of a text with their types, each counted from the one before.
pub fn tokens(policy: &Policy, unit: usize, document: &Document) -> Vec<SemanticToken> {
    if too_large(&document.text).is_some() {
        return Vec::new();
    }
    let scan = scan(&document.text);
    let comments = scan.comments.iter().map(|span| (*span, "comment"));
    let mut typed: Vec<(Span, &str)> = comments.collect();
    let base = policy.loaded.sources.base(unit);
    let mut spots = Innermost { left: &policy.index.spots, open: Vec::new() };
    for (index, token) in scan.tokens.iter().enumerate() {
        let here = Span { start: token.span.start + base, end: token.span.end + base };
        let spot = spots.covering(here);
        if let Some(ty) = type_of(policy, &scan, index, spot) {
            typed.push((token.span, ty));
        }
    }
    typed.sort_by_key(|(span, _)| span.start);
    let mut found = Vec::new();
    let mut before = Position::new(0, 0);
    for (span, ty) in typed {
        let number = TYPES.iter().position(|it| *it == ty).unwrap_or(0);
        // A text over several lines is several tokens.
        let mut start = span.start;
        for line in document.text[span.range()].split_inclusive('\n') {
            let end = start + line.trim_end_matches(['\r', '\n']).len() as u32;
            let range = document.lines.range(&document.text, Span { start, end });
            start += line.len() as u32;
            if range.start == range.end {
                continue;
            }
            let line = range.start.line - before.line;
            let column = range.start.character - if line == 0 { before.character } else { 0 };
            let length = range.end.character - range.start.character;
            found.push(SemanticToken {
                delta_line: line,
                delta_start: column,
                length,
                token_type: number as u32,
                token_modifiers_bitset: 0,
            });
            before = range.start;
        }
    }
    found
}

fn type_of(
    policy: &Policy,
    scan: &Scan<'_>,
    index: usize,
    spot: Option<&What>,
) -> Option<&'static str> {
    let named = |number: &usize| match policy.index.declarations[*number].kind {
        Kind::Pool | Kind::Ladder | Kind::Split | Kind::Experiment => "class",
        Kind::Condition | Kind::List | Kind::Schedule => "variable",
        Kind::Enum => "type",
        Kind::Member => "enumMember",
        Kind::Attribute => "property",
        Kind::Prefix => "namespace",
        _ => "function",
    };
    let text = scan.text_of(index);
    Some(match (scan.tokens.get(index)?.kind, spot) {
        (Piece::Newline, _) => return None,
        (Piece::Sign, Some(What::Model(_))) => "type",
        (Piece::Sign, _) => return None,
        (Piece::Quoted | Piece::Unclosed, _) if text.starts_with('/') => "regexp",
        (Piece::Quoted | Piece::Unclosed, _) => "string",
        (Piece::Word | Piece::Amount, Some(What::Declared(it) | What::Used(it))) => named(it),
        (Piece::Word, Some(What::Attribute(_))) => "property",
        (Piece::Word | Piece::Amount, Some(What::Model(_))) => "type",
        (Piece::Amount, _) => "number",
        (Piece::Word, Some(What::Literal(..))) => "number",
        (Piece::Word, _) if words::is_of_the_language(text) => "keyword",
        (Piece::Word, _) if words::doc(text, Place::Body).is_some() => "enumMember",
        (Piece::Word, _) => "variable",
    })
}

/// Finds the innermost spot at places that are asked for in the order of the text.
struct Innermost<'a> {
    left: &'a [Spot],
    open: Vec<&'a Spot>,
}

impl<'a> Innermost<'a> {
    fn covering(&mut self, place: Span) -> Option<&'a What> {
        while let Some((first, rest)) = self.left.split_first()
            && first.span.start <= place.start
        {
            self.open.push(first);
            self.left = rest;
        }
        self.open.retain(|spot| spot.span.end > place.start);
        self.open.iter().rev().find(|spot| spot.span.end >= place.end).map(|spot| &spot.what)
    }
}
