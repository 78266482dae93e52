//! `check --write-tests`: what breaks a promise, written down as a test.

use std::path::Path;

use super::check::Checked;
use crate::policy::codes;
use crate::policy::diagnostic::Diagnostic;
use crate::policy::sources::Sources;

/// Adds a test to the policy for every broken promise whose example can be written as one; how many.
///
/// # Errors
/// Where the file cannot be written.
pub(super) fn write(path: &Path, checked: &Checked) -> Result<usize, String> {
    let sources = &checked.compiled.sources;
    let mut text = sources.file_text(0).to_owned();
    let broken = checked.compiled.diagnostics.iter().filter(|found| found.code == codes::BROKEN);
    let mut written = 0;
    for found in broken {
        let Some(test) = test(found, sources).filter(|test| !text.contains(test.as_str())) else {
            continue;
        };
        if !text.ends_with('\n') {
            text.push('\n');
        }
        text += &format!("\n{test}");
        written += 1;
    }
    if written > 0 {
        std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(written)
}

/// A test that fails for as long as the promise does not hold.
fn test(found: &Diagnostic, sources: &Sources) -> Option<String> {
    let example = found.notes.iter().find_map(|note| note.strip_prefix("example: "))?;
    let given = example.trim_end_matches(", everything else default");
    let claim = sources.slice(found.primary.span).split_whitespace().collect::<Vec<_>>().join(" ");
    let expect = match claim.as_str() {
        "always denied" => "denied".to_owned(),
        "never denied" => "status == 200".to_owned(),
        "no shadow" => return None,
        claim if claim.starts_with("max_cost") => claim.to_owned(),
        claim if claim.starts_with("max_") => return None,
        claim => match claim.strip_prefix("no model where ") {
            Some(cond) => format!("every model where not ({cond})"),
            None => claim.to_owned(),
        },
    };
    let name = found.message.split('`').nth(1)?;
    let given = match given {
        "a plain request, everything default" => String::new(),
        given => format!("  given {given}\n"),
    };
    Some(format!("test \"{name} holds here, too\" {{\n{given}  expect {expect}\n}}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::syntax::tree::Span;

    #[test]
    fn an_example_becomes_a_test() {
        let sources = Sources::of("a.policy", "  no model where tags has \"preview\"\n");
        let span = Span { start: 2, end: 35 };
        let found = Diagnostic::error(codes::BROKEN, span, "invariant `calm` does not hold", "x")
            .note("example: key.env = prod, input.tokens = 128_001, everything else default");
        assert_eq!(
            test(&found, &sources).unwrap(),
            "test \"calm holds here, too\" {\n  given key.env = prod, input.tokens = 128_001\n  \
             expect every model where not (tags has \"preview\")\n}\n"
        );
    }
}
