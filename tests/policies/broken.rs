//! Every broken policy gets the right message at the right line, and fixes that work.
//!
//! `NAME.stderr` beside each is all that its writer sees; `UPDATE=1 cargo test` writes it anew.
//! Independently of that, `#~ CODE` in a policy says which findings its line has, and `#~^ CODE`
//! those of the line above.

use pointsman::policy::Compiled;
use pointsman::policy::diagnostic::{Diagnostic, Fix, Severity};
use pointsman::policy::syntax::{position, render};

use crate::{compiled, path, policies};

/// Policies that do not load.
const BROKEN: &str = "tests/policies/broken";
/// Policies that load, and about which there is something to say.
const WARNED: &str = "tests/policies/warned";

#[test]
fn every_broken_policy_is_explained() {
    all_are_explained(BROKEN, 80);
}

#[test]
fn every_doubtful_policy_is_explained() {
    all_are_explained(WARNED, 20);
}

fn all_are_explained(folder: &str, least: usize) {
    let all = policies(folder);
    assert!(all.len() >= least, "only {}", all.len());
    let mut wrong = Vec::new();
    for (file, text) in &all {
        if let Err(reason) = explained(folder, file, text) {
            wrong.push(format!("{file}: {reason}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), all.len(), wrong.join("\n"));
}

fn explained(folder: &str, file: &str, text: &str) -> Result<(), String> {
    let compiled = compiled(file, text);
    let found = &compiled.diagnostics;
    let shown: Vec<String> =
        found.iter().map(|one| render(one, &compiled.sources, false)).collect();
    same_as_before(folder, file, &(shown.join("\n\n") + "\n"))?;
    let loads = !found.iter().any(|one| one.severity == Severity::Error);
    if loads != compiled.program.is_some() || loads != (folder == WARNED) {
        return Err(format!("loads: {loads}, program: {}", compiled.program.is_some()));
    }
    let mut lines: Vec<(usize, &str)> =
        found.iter().map(|one| (line(text, one), one.code.0)).collect();
    lines.sort_unstable();
    let marked = marked(text);
    if lines != marked {
        return Err(format!("marked {marked:?}, found {lines:?}"));
    }
    for one in found {
        spans_lie_within(one, compiled.sources.text())?;
        fixes_work(one, &compiled, file, text)?;
    }
    Ok(())
}

pub fn same_as_before(folder: &str, file: &str, shown: &str) -> Result<(), String> {
    let snapshot = path(folder).join(file).with_extension("stderr");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&snapshot, shown).unwrap();
        return Ok(());
    }
    let before = std::fs::read_to_string(&snapshot).unwrap_or_default();
    if before == *shown {
        return Ok(());
    }
    Err(format!("the messages have changed (UPDATE=1 takes them over):\n{shown}"))
}

/// Line and code of every finding that the policy's comments announce.
pub fn marked(text: &str) -> Vec<(usize, &str)> {
    let mut marked = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let Some((_, marks)) = line.split_once("#~") else { continue };
        let codes = marks.trim_start_matches('^');
        let above = marks.len() - codes.len();
        marked.extend(codes.split_whitespace().map(|code| (index + 1 - above, code)));
    }
    marked.sort_unstable();
    marked
}

pub fn line(text: &str, finding: &Diagnostic) -> usize {
    position(text, finding.primary.span.start as usize).line
}

fn spans_lie_within(finding: &Diagnostic, text: &str) -> Result<(), String> {
    let labels =
        std::iter::once(&finding.primary).chain(&finding.secondary).map(|label| label.span);
    let edits = finding.fixes.iter().flat_map(|fix| &fix.edits).map(|edit| edit.span);
    for span in labels.chain(edits) {
        if text.get(span.range()).is_none() {
            return Err(format!("{span:?} of {} is not in the text", finding.code));
        }
    }
    Ok(())
}

/// A fix takes its finding away, and nothing is wrong with what it wrote.
fn fixes_work(
    finding: &Diagnostic,
    compiled: &Compiled,
    file: &str,
    text: &str,
) -> Result<(), String> {
    let same = |compiled: &Compiled| {
        compiled.diagnostics.iter().filter(|one| one.message == finding.message).count()
    };
    for fix in &finding.fixes {
        let fixed = applied(fix, text);
        let after = crate::compiled(file, &fixed);
        let written = fix.edits.first().map_or(0..0, |edit| {
            let start = edit.span.start;
            start..start + edit.text.len() as u32
        });
        let inside = |one: &&Diagnostic| {
            let span = one.primary.span;
            span.start < written.end && written.start < span.end
        };
        let before: Vec<&str> = compiled.diagnostics.iter().map(|one| &*one.message).collect();
        let mut new = after.diagnostics.iter().filter(|one| !before.contains(&&*one.message));
        if same(&after) >= same(compiled) || new.any(|one| inside(&one)) {
            let left: Vec<_> = after.diagnostics.iter().map(|one| &one.message).collect();
            return Err(format!("{}: after {:?} there is {left:#?}", finding.code, fix.title));
        }
    }
    Ok(())
}

fn applied(fix: &Fix, text: &str) -> String {
    let mut fixed = text.to_owned();
    for edit in fix.edits.iter().rev() {
        fixed.replace_range(edit.span.range(), &edit.text);
    }
    fixed
}

/// What is too large for a file in this folder.
#[test]
fn texts_past_the_limits_are_refused_unread() {
    let long_line = format!("pool p = [{}]\ndefault -> p\n", "openai/gpt-5-nano, ".repeat(5_000));
    let long_file = "# nothing\n".repeat(150_000);
    let deep = format!("route r when {}task == code\n", "(".repeat(10_000));
    for (text, code) in [(long_line, "P0001"), (long_file, "P0001"), (deep, "P0002")] {
        let found = compiled("large.policy", &text).diagnostics;
        let codes: Vec<_> = found.iter().map(|one| one.code.0).collect();
        assert_eq!(codes.first(), Some(&code), "{codes:?}");
        assert_eq!(codes.len(), 1, "{codes:?}");
    }
}
