//! What the fuzz targets share.

use std::sync::{Arc, LazyLock};

use pointsman::catalog::Catalog;
use pointsman::ids::PolicyName;
use pointsman::policy::diagnostic::Diagnostic;
use pointsman::policy::syntax::render;
use pointsman::policy::{Compiled, Surroundings, compile};

static CATALOG: LazyLock<Arc<Catalog>> = LazyLock::new(|| Arc::new(Catalog::embedded()));

/// Compiles against the built-in catalogue, without any other files. The findings can be shown, and
/// there is a program exactly if none of them is an error.
pub fn compiled(file: &str, text: &str) -> Compiled {
    let surroundings = Surroundings::new(&CATALOG, &|_| Err("there are no files here".to_owned()));
    let compiled = compile(&PolicyName::new("fuzz"), file, text, &surroundings);
    check_findings(&compiled.diagnostics, compiled.sources.text());
    for found in &compiled.diagnostics {
        render(found, &compiled.sources, false);
    }
    assert!(compiled.is_good() || compiled.program.is_none());
    compiled
}

/// Every place that findings name lies inside of the text, between characters.
pub fn check_findings(found: &[Diagnostic], text: &str) {
    for one in found {
        let edits = one.fixes.iter().flat_map(|fix| &fix.edits).map(|edit| edit.span);
        let others = one.secondary.iter().map(|label| label.span);
        for span in std::iter::once(one.primary.span).chain(others).chain(edits) {
            assert!(text.get(span.range()).is_some(), "outside of the text: {one:?}");
        }
    }
}

/// Choices that bytes make; behind their end it is always the first.
pub struct Choices<'d>(std::slice::Iter<'d, u8>);

impl<'d> Choices<'d> {
    /// Made by these bytes.
    pub fn new(data: &'d [u8]) -> Choices<'d> {
        Choices(data.iter())
    }

    /// A number below this one.
    pub fn below(&mut self, end: usize) -> usize {
        usize::from(self.0.next().copied().unwrap_or(0)) % end
    }

    /// One of these.
    pub fn one_of<'t, T>(&mut self, all: &'t [T]) -> &'t T {
        &all[self.below(all.len())]
    }
}
