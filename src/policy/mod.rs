//! The policy language: pure, without I/O, usable as a library.
//!
//! `syntax` reads text into a tree, `check` gives every name a meaning and every value a type,
//! `program` is the compiled form, `eval` carries it out, `plan` is what comes of it.

pub mod check;
pub mod codes;
pub mod cond;
pub mod diagnostic;
pub mod eval;
mod load;
pub mod models;
pub mod plain;
pub mod plan;
pub mod program;
pub mod prove;
pub mod schedule;
pub mod schema;
pub mod sources;
pub mod syntax;
pub mod table;
pub mod trace;
pub mod value;

use std::sync::Arc;

pub use check::Surroundings;

use crate::ids::PolicyName;

/// A policy's text, compiled; with everything there is to say about it.
#[derive(Debug)]
pub struct Compiled {
    /// The program; there is none if a finding is an error, or if the file only declares names for
    /// others.
    pub program: Option<Arc<program::Program>>,
    /// The tree of the policy's own file, as far as it could be read.
    pub tree: syntax::tree::File,
    /// Its texts; every place points into them.
    pub sources: Arc<sources::Sources>,
    /// What was found, in the order of the texts.
    pub diagnostics: Vec<diagnostic::Diagnostic>,
}

impl Compiled {
    /// Whether nothing that was found is an error.
    pub fn is_good(&self) -> bool {
        self.diagnostics.iter().all(|found| found.severity < diagnostic::Severity::Error)
    }
}

/// Reads, checks and compiles a policy. `file` is its name for people.
pub fn compile(
    name: &PolicyName,
    file: &str,
    text: &str,
    surroundings: &Surroundings<'_>,
) -> Compiled {
    let loaded = load::load(file, text, surroundings);
    let sources = Arc::new(loaded.sources);
    let readable =
        loaded.diagnostics.iter().all(|found| found.severity < diagnostic::Severity::Error);
    let check::Checked { program, diagnostics: found, seen } =
        check::check(name, &sources, &loaded.units, surroundings);
    let is_error = |found: &diagnostic::Diagnostic| found.severity == diagnostic::Severity::Error;
    let sound = readable && !found.iter().any(is_error);
    let mut diagnostics = loaded.diagnostics;
    diagnostics.extend(found);
    if let Some(program) = &program {
        let subject = prove::Subject {
            program,
            units: &loaded.units,
            seen: &seen,
            today: surroundings.today,
        };
        if sound {
            diagnostics.extend(prove::findings(&subject));
        } else if readable && !seen.incomplete {
            // What is wrong elsewhere may hide a gap, but makes none.
            diagnostics.extend(prove::gap(&subject));
        }
    }
    let sound = !diagnostics.iter().any(is_error);
    diagnostics.sort_by_key(|diagnostic| diagnostic.primary.span.start);
    let tree = loaded.units.into_iter().next().map_or_else(syntax::tree::File::empty, |it| it.tree);
    Compiled { program: program.filter(|_| sound).map(Arc::new), tree, sources, diagnostics }
}
