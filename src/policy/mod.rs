//! The policy language: pure, without I/O, usable as a library.
//!
//! `syntax` reads text into a tree, `check` gives every name a meaning and every value a type,
//! `program` is the compiled form, `eval` carries it out, `plan` is what comes of it.

pub mod check;
pub mod codes;
pub mod cond;
pub mod diagnostic;
pub mod eval;
pub mod models;
pub mod plan;
pub mod program;
pub mod schedule;
pub mod schema;
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
    /// The program; there is one if and only if no finding is an error.
    pub program: Option<Arc<program::Program>>,
    /// The tree, as far as the text could be read.
    pub tree: syntax::tree::File,
    /// What was found, in the order of the text.
    pub diagnostics: Vec<diagnostic::Diagnostic>,
}

/// Reads, checks and compiles a policy. `file` is its name for people.
pub fn compile(
    name: &PolicyName,
    file: &str,
    text: &str,
    surroundings: &Surroundings<'_>,
) -> Compiled {
    let parsed = syntax::parse(text);
    let readable = parsed.is_ok();
    let (program, found) =
        check::check(name, file, text, &parsed.file, &parsed.broken, surroundings);
    let mut diagnostics = parsed.diagnostics;
    diagnostics.extend(found);
    diagnostics.sort_by_key(|diagnostic| diagnostic.primary.span.start);
    Compiled { program: program.filter(|_| readable).map(Arc::new), tree: parsed.file, diagnostics }
}
