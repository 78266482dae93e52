//! A diagnostic as text for people and as JSON for tools.

use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Patch, Renderer, Snippet};
use serde_json::{Value, json};

use crate::policy::diagnostic::{Diagnostic, Fix, Label, Severity};
use crate::policy::sources::{Place, Sources};

use super::tree::Span;

/// A place as editors count: from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

/// Where a byte stands. A byte past the end, or inside a character, counts as the place before it.
pub fn position(text: &str, byte: usize) -> Position {
    let byte = floor_char_boundary(text, byte);
    let before = &text[..byte];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Position {
        line: before.bytes().filter(|b| *b == b'\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
    }
}

/// The diagnostic in rustc's look, with each fix as a patch. `color` is for terminals.
pub fn render(diagnostic: &Diagnostic, sources: &Sources, color: bool) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let primary = sources.locate(diagnostic.primary.span);
    let mut snippet = Snippet::source(primary.text).path(&**primary.file).annotation(
        AnnotationKind::Primary
            .span(range(primary.text, primary.span))
            .label(diagnostic.primary.text.as_str()),
    );
    let mut elsewhere: Vec<(Place<'_>, &Label)> = Vec::new();
    for label in &diagnostic.secondary {
        let place = sources.locate(label.span);
        if Arc::ptr_eq(place.file, primary.file) {
            let place = range(place.text, place.span);
            snippet = snippet.annotation(AnnotationKind::Context.span(place).label(&*label.text));
        } else {
            elsewhere.push((place, label));
        }
    }
    let mut main =
        level.primary_title(diagnostic.message.as_str()).id(diagnostic.code.0).element(snippet);
    for (place, label) in elsewhere {
        let context = AnnotationKind::Context.span(range(place.text, place.span));
        main = main.element(
            Snippet::source(place.text).path(&**place.file).annotation(context.label(&*label.text)),
        );
    }
    for help in &diagnostic.help {
        main = main.element(Level::HELP.message(help.as_str()));
    }
    for note in &diagnostic.notes {
        main = main.element(Level::NOTE.message(note.as_str()));
    }
    let mut report: Vec<Group<'_>> = vec![main];
    report.extend(diagnostic.fixes.iter().filter_map(|fix| patch(fix, sources)));
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    renderer.render(&report)
}

/// A fix as a patch; it lies within one file.
fn patch<'a>(fix: &'a Fix, sources: &'a Sources) -> Option<Group<'a>> {
    let file = sources.locate(fix.edits.first()?.span);
    let patches = fix.edits.iter().map(|edit| {
        let place = sources.locate(edit.span);
        Patch::new(range(place.text, place.span), edit.text.as_str())
    });
    let snippet = Snippet::source(file.text).path(&**file.file).patches(patches);
    Some(Level::HELP.secondary_title(fix.title.as_str()).element(snippet))
}

/// The diagnostic as JSON. Lines and columns count from 1, columns in characters; `end_column` is
/// one past the last character.
pub fn to_json(diagnostic: &Diagnostic, sources: &Sources) -> Value {
    let mut value = place(sources, diagnostic.primary.span);
    let label = |label: &Label| {
        let mut value = place(sources, label.span);
        value["text"] = json!(label.text);
        value
    };
    let labels: Vec<Value> = diagnostic.secondary.iter().map(label).collect();
    let fixes: Vec<Value> = diagnostic
        .fixes
        .iter()
        .map(|fix| {
            let edits = fix.edits.iter().map(|edit| {
                let mut value = place(sources, edit.span);
                value["replacement"] = json!(edit.text);
                value
            });
            json!({ "title": fix.title, "edits": edits.collect::<Vec<_>>() })
        })
        .collect();
    value["code"] = json!(diagnostic.code.0);
    value["severity"] = json!(diagnostic.severity);
    value["message"] = json!(diagnostic.message);
    value["label"] = json!(diagnostic.primary.text);
    value["labels"] = json!(labels);
    value["help"] = json!(diagnostic.help);
    value["notes"] = json!(diagnostic.notes);
    value["fixes"] = json!(fixes);
    value
}

fn place(sources: &Sources, span: Span) -> Value {
    let Place { file, text, span } = sources.locate(span);
    let (start, end) = (position(text, span.start as usize), position(text, span.end as usize));
    json!({
        "file": file,
        "line": start.line,
        "column": start.column,
        "end_line": end.line,
        "end_column": end.column,
    })
}

/// A span that is sure to be inside the text, whatever text it is shown with.
fn range(text: &str, span: Span) -> std::ops::Range<usize> {
    let start = floor_char_boundary(text, span.start as usize);
    start..floor_char_boundary(text, span.end as usize).max(start)
}

fn floor_char_boundary(text: &str, byte: usize) -> usize {
    let mut byte = byte.min(text.len());
    while !text.is_char_boundary(byte) {
        byte -= 1;
    }
    byte
}
