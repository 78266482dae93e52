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
pub mod value;
