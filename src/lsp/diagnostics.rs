//! Findings as editors show them, each at the file it is about; and the changes that mend them.

use std::collections::{BTreeMap, HashMap};

use lsp_types::{
    Code, CodeAction, CodeActionKind, CodeActionParams, CodeActionResponse, Diagnostic as Shown,
    DiagnosticRelatedInformation, DiagnosticSeverity, DiagnosticTag, Message, TextEdit, Uri,
    WorkspaceEdit,
};

use super::documents::{Policy, Workspace, path_of};
use crate::policy::codes;
use crate::policy::diagnostic::{Code as Number, Diagnostic, Fix, Severity};

/// Findings about things that nothing ever comes to: they are shown faded. Those without a name here
/// are found by the analysis.
const SUPERFLUOUS: &[Number] =
    &[codes::BEHIND_DEFAULT, Number("P4001"), Number("P4002"), Number("P4003"), Number("P4011")];

/// Everything there is to show, by the path of the file. Every file of every policy that was checked
/// is there, if only with nothing to show.
pub fn all(workspace: &Workspace) -> BTreeMap<String, Vec<Shown>> {
    let mut all: BTreeMap<String, Vec<Shown>> = BTreeMap::new();
    for policy in workspace.policies() {
        let sources = &policy.loaded.sources;
        for file in sources.files() {
            all.entry(file.to_string()).or_default();
        }
        for finding in policy.findings.iter().flatten() {
            let file = sources.locate(finding.primary.span).file.to_string();
            let shown = shown(workspace, policy, finding);
            // A file may be part of several policies, and of one more than once.
            let of_file = all.entry(file).or_default();
            if !of_file.contains(&shown) {
                of_file.push(shown);
            }
        }
    }
    all
}

fn shown(workspace: &Workspace, policy: &Policy, finding: &Diagnostic) -> Shown {
    let range = policy.range(finding.primary.span);
    let related = |label: &crate::policy::diagnostic::Label| DiagnosticRelatedInformation {
        location: workspace.location(policy, label.span),
        message: label.text.clone(),
    };
    let related: Vec<_> = finding.secondary.iter().map(related).collect();
    Shown {
        range,
        severity: Some(match finding.severity {
            Severity::Error => DiagnosticSeverity::Error,
            Severity::Warning => DiagnosticSeverity::Warning,
            Severity::Note => DiagnosticSeverity::Information,
        }),
        code: Some(Code::String(finding.code.to_string())),
        source: Some("pointsman".into()),
        message: Message::String(message(finding)),
        tags: SUPERFLUOUS.contains(&finding.code).then(|| vec![DiagnosticTag::Unnecessary]),
        related_information: (!related.is_empty()).then_some(related),
        ..Shown::new(
            range,
            None,
            None,
            None,
            None,
            Message::String(String::new()),
            None,
            None,
            None,
        )
    }
}

/// What is wrong, what is at the place, and what to do, one line each.
fn message(finding: &Diagnostic) -> String {
    let mut lines = vec![finding.message.clone()];
    if !finding.primary.text.is_empty() && finding.primary.text != finding.message {
        lines.push(finding.primary.text.clone());
    }
    lines.extend(finding.help.iter().map(|help| format!("help: {help}")));
    lines.extend(finding.notes.iter().map(|note| format!("note: {note}")));
    lines.join("\n")
}

/// The page of a code as Markdown.
pub fn page(code: &str) -> Option<String> {
    let page = codes::page(code)?;
    Some(format!(
        "**{}**: {}\n\n{}\n\nwrong:\n\n```policy\n{}\n```\n\nright:\n\n```policy\n{}\n```",
        page.code, page.title, page.explanation, page.bad, page.good
    ))
}

/// The codes of the findings at a place of a file.
pub fn codes_at(policy: &Policy, byte: u32) -> Vec<&'static str> {
    let findings = policy.findings.iter().flatten();
    let here = findings.filter(|it| it.primary.span.start <= byte && byte <= it.primary.span.end);
    here.map(|it| it.code.0).collect()
}

/// What can be done about the findings in a range.
pub fn actions(workspace: &Workspace, params: &CodeActionParams) -> Vec<CodeActionResponse> {
    let path = path_of(&params.text_document.uri);
    let wanted = |kind: &CodeActionKind| match &params.context.only {
        None => true,
        Some(only) => only.iter().any(|it| {
            let (it, kind) = (name(it), name(kind));
            kind == it || kind.strip_prefix(&*it).is_some_and(|rest| rest.starts_with('.'))
        }),
    };
    let mut found: Vec<CodeAction> = Vec::new();
    let mut sure: Vec<TextEdit> = Vec::new();
    for policy in workspace.of(&path) {
        let sources = &policy.loaded.sources;
        for finding in policy.findings.iter().flatten() {
            if *sources.locate(finding.primary.span).file.as_ref() != *path {
                continue;
            }
            let diagnostic = shown(workspace, policy, finding);
            let touches = diagnostic.range.start <= params.range.end
                && params.range.start <= diagnostic.range.end;
            if touches && wanted(&CodeActionKind::QuickFix) {
                for fix in &finding.fixes {
                    let action = CodeAction {
                        title: fix.title.clone(),
                        kind: Some(CodeActionKind::QuickFix),
                        diagnostics: Some(vec![diagnostic.clone()]),
                        is_preferred: Some(is_sure(finding)),
                        edit: Some(edit(edits(workspace, policy, fix))),
                        ..CodeAction::default()
                    };
                    if !found.contains(&action) {
                        found.push(action);
                    }
                }
            }
            if let [fix] = finding.fixes.as_slice()
                && is_sure(finding)
            {
                let uri = workspace.uri(&path);
                let own = edits(workspace, policy, fix).remove(&uri).unwrap_or_default();
                if own.iter().all(|new| sure.iter().all(|old| apart(old, new))) {
                    sure.extend(own);
                }
            }
        }
    }
    if !sure.is_empty() && wanted(&CodeActionKind::SourceFixAll) {
        found.push(CodeAction {
            title: "Mend all that can be mended safely".into(),
            kind: Some(CodeActionKind::SourceFixAll),
            edit: Some(edit(HashMap::from([(workspace.uri(&path), sure)]))),
            ..CodeAction::default()
        });
    }
    found.into_iter().map(CodeActionResponse::CodeAction).collect()
}

/// Whether there is one way out and it is no guess: guesses are put as questions.
fn is_sure(finding: &Diagnostic) -> bool {
    let guesses = |help: &String| help.starts_with("did you mean");
    matches!(finding.fixes.as_slice(), [fix] if !fix.title.ends_with('?'))
        && !finding.help.iter().any(guesses)
}

fn name(kind: &CodeActionKind) -> String {
    serde_json::to_value(kind)
        .ok()
        .and_then(|it| it.as_str().map(str::to_owned))
        .unwrap_or_default()
}

fn apart(a: &TextEdit, b: &TextEdit) -> bool {
    a.range.end < b.range.start || b.range.end < a.range.start
}

fn edits(workspace: &Workspace, policy: &Policy, fix: &Fix) -> HashMap<Uri, Vec<TextEdit>> {
    let mut edits: HashMap<Uri, Vec<TextEdit>> = HashMap::new();
    for change in &fix.edits {
        let at = workspace.location(policy, change.span);
        edits
            .entry(at.uri)
            .or_default()
            .push(TextEdit { range: at.range, new_text: change.text.clone() });
    }
    edits
}

/// Changes of texts, by file.
pub fn edit(changes: HashMap<Uri, Vec<TextEdit>>) -> WorkspaceEdit {
    WorkspaceEdit { changes: Some(changes), ..WorkspaceEdit::default() }
}
