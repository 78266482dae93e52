//! Text to tree and back.
//!
//! [`parse`] reads a policy and never gives up early; [`format`] prints a tree in the one canonical
//! layout; [`render`] and [`to_json`] show a [`Diagnostic`] to people and to tools.

mod format;
mod grammar;
mod lower;
mod mistakes;
mod recover;
mod render;
pub mod scan;
pub mod spans;
#[cfg(test)]
pub(crate) mod tests;
pub mod tree;
pub mod words;
pub mod yaml;

pub use format::format;
pub use render::{Position, position, render, to_json};
pub use scan::{MAX_FILE_BYTES, MAX_LINE_BYTES, MAX_NESTING};

use std::cmp::Reverse;

use super::diagnostic::{Diagnostic, Severity};
use grammar::Rule;
use tree::File;

/// The most findings that are reported for one text; the last of them says how many more there are.
pub const MAX_FINDINGS: usize = 200;

/// What [`parse`] yields.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// All statements that could be read.
    pub file: File,
    /// What is wrong, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
    /// Names of statements that are unreadable or have unreadable lines, so that the checker does
    /// not call them unknown or incomplete as well.
    pub broken: Vec<String>,
}

impl Parsed {
    /// Whether the text is a policy as it stands.
    pub fn is_ok(&self) -> bool {
        self.diagnostics.iter().all(|diagnostic| diagnostic.severity < Severity::Error)
    }

    /// A text that is not read at all.
    fn refused(diagnostic: Diagnostic) -> Parsed {
        let broken = vec!["default".to_owned()];
        Parsed { file: File::empty(), diagnostics: vec![diagnostic], broken }
    }

    /// Puts the findings in order, and no more of them than anybody reads.
    fn settle(&mut self) {
        settle(&mut self.diagnostics);
    }
}

/// Puts findings in order, and no more of them than anybody reads. Errors go before what is less.
pub(super) fn settle(found: &mut Vec<Diagnostic>) {
    let more = found.len().saturating_sub(MAX_FINDINGS);
    if more > 0 {
        found.sort_by_key(|it| (Reverse(it.severity), it.primary.span.start));
        found.truncate(MAX_FINDINGS);
    }
    found.sort_by_key(|it| it.primary.span.start);
    if more > 0
        && let Some(last) = found.last_mut()
    {
        last.notes.push(format!("{more} more findings are not shown"));
    }
}

/// Reads a policy. Total: whatever the text, there is a tree and a list of findings.
///
/// Texts past [`MAX_FILE_BYTES`], [`MAX_LINE_BYTES`] or [`MAX_NESTING`] are refused unread.
pub fn parse(text: &str) -> Parsed {
    // Editors of some systems put a byte order mark first; blanks keep every byte in its place.
    let unmarked = text.strip_prefix('\u{feff}').map(|rest| format!("   {rest}"));
    let text = unmarked.as_deref().unwrap_or(text);
    let mut parsed = match scan::too_large(text) {
        Some(diagnostic) => Parsed::refused(diagnostic),
        None => read(text),
    };
    parsed.settle();
    parsed
}

/// Reads a text, however long it is.
fn read(text: &str) -> Parsed {
    let scan = scan::scan(text);
    if let Some(diagnostic) = scan.too_deep() {
        return Parsed::refused(diagnostic);
    }
    match grammar::run(Rule::file, text).map(|mut pairs| pairs.next()) {
        Ok(Some(pair)) => {
            let mut lower = lower::Lower::new(&scan);
            let file = lower.file(pair);
            Parsed { file, diagnostics: lower.diagnostics, broken: Vec::new() }
        }
        other => {
            let found = recover::recover(&scan, other.err());
            Parsed { file: found.file, diagnostics: found.diagnostics, broken: found.broken }
        }
    }
}

/// Reads the file of a policy, in whichever of the two spellings its name says.
pub fn parse_file(file: &str, text: &str) -> Parsed {
    match yaml::is_yaml(file) {
        true => yaml::parse(text),
        false => parse(text),
    }
}

/// Prints the file of a policy, in whichever of the two spellings its name says.
pub fn format_file(file: &str, tree: &File) -> String {
    match yaml::is_yaml(file) {
        true => yaml::format(tree),
        false => format(tree),
    }
}

/// Reads one constant on its own, as it would be written in a policy: `8k`, `$0.02`, `2s`. `None`
/// for anything else, and for a constant with a fault.
pub fn parse_literal(text: &str) -> Option<tree::Literal> {
    let value = grammar::run(Rule::value, text).ok()?.next()?;
    let whole = value.as_str().len() == text.len();
    let pair = value.into_inner().next().filter(|pair| whole && pair.as_rule() != Rule::name)?;
    let scan = scan::scan(text);
    let mut lower = lower::Lower::new(&scan);
    let literal = lower.literal(pair).node;
    lower.diagnostics.is_empty().then_some(literal)
}
