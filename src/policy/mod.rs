//! The policy language: pure, without I/O, usable as a library.
//!
//! `syntax` reads text into a tree, `check` gives every name a meaning and every value a type,
//! `program` is the compiled form, `eval` carries it out, `plan` is what comes of it. `scripted` is
//! where scripts come in.

pub mod check;
pub mod codes;
pub mod cond;
pub mod course;
pub mod diagnostic;
pub mod diff;
pub mod eval;
pub mod load;
pub mod models;
pub mod nearby;
pub mod plain;
pub mod plan;
pub mod program;
pub mod prove;
pub mod schedule;
pub mod schema;
pub mod scripted;
pub mod sources;
pub mod spelling;
pub mod syntax;
pub mod table;
pub mod testing;
pub mod trace;
pub mod trial;
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

impl Compiled {
    /// With what its own tests refute, if nothing else is wrong. The program stays, for who wants to
    /// look into it.
    pub fn tested(mut self) -> Compiled {
        if let Some(program) = self.program.as_ref().filter(|_| self.is_good()) {
            let tested = testing::run(program, |_| true);
            self.diagnostics.extend(tested.failures().cloned());
            syntax::settle(&mut self.diagnostics);
        }
        self
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
    let mut sources = Arc::new(loaded.sources);
    let readable =
        loaded.diagnostics.iter().all(|found| found.severity < diagnostic::Severity::Error);
    let check::Checked { program, diagnostics: mut found, seen, attached } =
        check::check(name, &sources, &loaded.units, surroundings);
    for script in attached {
        Arc::make_mut(&mut sources).add(&script.file, &script.text);
    }
    let is_error = |found: &diagnostic::Diagnostic| found.severity == diagnostic::Severity::Error;
    let sound = readable && !found.iter().any(is_error);
    if let Some(program) = &program {
        let subject = prove::Subject {
            program,
            units: &loaded.units,
            seen: &seen,
            today: surroundings.today,
        };
        if sound {
            found.extend(prove::findings(&subject));
        } else if readable && !seen.incomplete {
            // What is wrong elsewhere may hide a gap, but makes none.
            found.extend(prove::gap(&subject));
        }
    }
    syntax::yaml::fit_fixes(&sources, &mut found);
    let mut diagnostics = loaded.diagnostics;
    diagnostics.extend(found);
    let sound = !diagnostics.iter().any(is_error);
    syntax::settle(&mut diagnostics);
    let tree = loaded.units.into_iter().next().map_or_else(syntax::tree::File::empty, |it| it.tree);
    Compiled { program: program.filter(|_| sound).map(Arc::new), tree, sources, diagnostics }
}
