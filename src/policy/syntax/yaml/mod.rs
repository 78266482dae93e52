//! The YAML spelling of a policy.
//!
//! [`parse`] reads it into the same tree as the language's own spelling, [`format`] prints any tree
//! as YAML. Nothing is lost on the way: order, spelling of constants, comments, blank lines. What is
//! declared with a name is a map, what is tried in order is a list; a condition, a constant, a
//! target is a text in the language. Where a key would have to come twice, a list of maps stands
//! instead of one map, so that every order can be kept.

mod bodies;
mod document;
mod fixes;
mod items;
mod out;
mod read;
mod scalars;
mod shapes;
#[cfg(test)]
mod tests;
mod write;

pub use write::format;

use super::spans::Spans as _;
use super::tree::Span;
use super::{Parsed, scan};
use crate::policy::codes;
use crate::policy::diagnostic::{Diagnostic, Edit};
use crate::policy::sources::Sources;

/// Whether a file's name says that it is YAML.
pub fn is_yaml(file: &str) -> bool {
    let ending = file.rsplit_once('.').map_or("", |(_, ending)| ending);
    ending.eq_ignore_ascii_case("yaml") || ending.eq_ignore_ascii_case("yml")
}

/// Whether a text is YAML and has a section of a policy: other programs' YAML has other keys.
pub fn is_policy(text: &str) -> bool {
    use document::Kind;
    let Ok(document) = document::read(text) else { return false };
    let sections = |kind: &Kind| match kind {
        Kind::Map(entries) => {
            entries.iter().any(|(key, _)| items::SECTIONS.contains(&key.text.as_str()))
        }
        _ => false,
    };
    document.root.is_some_and(|root| match &root.kind {
        Kind::List(parts) => parts.iter().any(|part| sections(&part.node.kind)),
        kind => sections(kind),
    })
}

/// Reads a policy that is written in YAML. Total, like [`super::parse`], with the same bounds.
pub fn parse(text: &str) -> Parsed {
    let unmarked = text.strip_prefix('\u{feff}').map(|rest| format!("   {rest}"));
    let text = unmarked.as_deref().unwrap_or(text);
    let mut parsed = match scan::too_large(text) {
        Some(diagnostic) => Parsed::refused(diagnostic),
        None => match document::read(text) {
            Ok(document) => read(text, document),
            Err(fault) => Parsed::refused(*fault),
        },
    };
    if !parsed.is_ok() && is_in_the_language(text) {
        let first = scan::span(0, text.lines().next().map_or(0, str::len));
        let message = "this is a policy in the language's own spelling";
        let label = "no YAML, which the file's name says it is";
        let found = Diagnostic::error(codes::YAML_SHAPE, first, message, label);
        return Parsed::refused(found.help("end the name of the file in `.policy`"));
    }
    fixes::fit(text, &mut parsed.diagnostics);
    parsed.settle();
    parsed
}

/// Whether the first thing in a text is a statement that is not YAML.
fn is_in_the_language(text: &str) -> bool {
    let scan = scan::scan(text);
    let first = scan.tokens.iter().position(|token| token.kind != scan::Kind::Newline);
    first.is_some_and(|first| scan.looks_like_item(first))
}

fn read(text: &str, document: document::Document) -> Parsed {
    let mut reader = read::Reader::new(text, document.comments);
    reader.diagnostics = document.faults;
    if let Some(root) = &document.root {
        reader.file(root);
    }
    reader.rest();
    let read::Reader { out, mut diagnostics, mut broken, .. } = reader;
    let mut parsed = super::read(&out.text);
    parsed.file.spans(&mut |place| *place = out.origin(*place));
    for mut found in parsed.diagnostics {
        places(&mut found, |place| out.origin(place));
        diagnostics.push(found);
    }
    broken.extend(parsed.broken);
    Parsed { file: parsed.file, diagnostics, broken }
}

/// Moves all places of a finding.
fn places(found: &mut Diagnostic, to: impl Fn(Span) -> Span) {
    let labels = std::iter::once(&mut found.primary).chain(&mut found.secondary);
    labels.for_each(|label| label.span = to(label.span));
    found
        .fixes
        .iter_mut()
        .flat_map(|fix| &mut fix.edits)
        .for_each(|edit| edit.span = to(edit.span));
}

/// Makes the fixes of a checked policy's findings fit to be applied to those of its files that are
/// YAML: the checker writes the language, wherever a place leads.
pub fn fit_fixes(sources: &Sources, diagnostics: &mut [Diagnostic]) {
    for found in diagnostics.iter_mut().filter(|found| !found.fixes.is_empty()) {
        let edits = found.fixes.iter().flat_map(|fix| &fix.edits);
        let yaml = edits.map(|edit| (edit.span, sources.locate(edit.span)));
        let Some((span, place)) = yaml.into_iter().find(|(_, place)| is_yaml(place.file)) else {
            continue;
        };
        let base = span.start - place.span.start;
        let moved = |found: &mut Diagnostic, by: &dyn Fn(u32) -> u32| {
            let edits = found.fixes.iter_mut().flat_map(|fix| &mut fix.edits);
            edits.for_each(|Edit { span, .. }| {
                *span = Span { start: by(span.start), end: by(span.end) };
            });
        };
        // What lies in another file is past every text of this one, and so is told in words.
        moved(found, &|at| at.checked_sub(base).unwrap_or(u32::MAX));
        fixes::fit(place.text, std::slice::from_mut(found));
        moved(found, &|at| at + base);
    }
}
