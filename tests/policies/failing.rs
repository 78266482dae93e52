//! Policies whose tests fail: each failure is told at the right line, with what came instead and why.
//!
//! `NAME.stderr` and the marks in the policies are as for the broken ones.

use pointsman::policy::diagnostic::Diagnostic;
use pointsman::policy::syntax::render;
use pointsman::policy::testing;

use crate::broken::{line, marked, same_as_before};
use crate::{compiled, policies};

const FOLDER: &str = "tests/policies/failing";

#[test]
fn every_failing_test_is_explained() {
    let all = policies(FOLDER);
    assert!(all.len() >= 8, "only {}", all.len());
    let mut wrong = Vec::new();
    for (file, text) in &all {
        if let Err(reason) = explained(file, text) {
            wrong.push(format!("{file}: {reason}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), all.len(), wrong.join("\n"));
}

fn explained(file: &str, text: &str) -> Result<(), String> {
    let compiled = compiled(file, text);
    let shown = |found: &mut dyn Iterator<Item = &Diagnostic>| {
        let shown: Vec<String> = found.map(|one| render(one, &compiled.sources, false)).collect();
        shown.join("\n\n") + "\n"
    };
    let Some(program) = &compiled.program else {
        return Err(format!("it does not compile:\n{}", shown(&mut compiled.diagnostics.iter())));
    };
    let tested = testing::run(program, |_| true);
    same_as_before(FOLDER, file, &shown(&mut tested.failures()))?;
    let mut lines: Vec<(usize, &str)> =
        tested.failures().map(|one| (line(text, one), one.code.0)).collect();
    lines.sort_unstable();
    let marked = marked(text);
    if lines.is_empty() || lines != marked {
        return Err(format!("marked {marked:?}, found {lines:?}"));
    }
    Ok(())
}

/// The tests that the example policies bring along hold.
#[test]
fn the_examples_pass_their_own_tests() {
    let mut count = 0;
    for (file, text) in policies("policies") {
        let compiled = compiled(&file, &text);
        let Some(program) = &compiled.program else { panic!("{file} does not compile") };
        let tested = testing::run(program, |_| true);
        let failures: Vec<String> =
            tested.failures().map(|one| render(one, &compiled.sources, false)).collect();
        assert!(failures.is_empty(), "{}", failures.join("\n"));
        count += tested.results.len();
    }
    assert!(count >= 2, "{count}");
}
