//! The policy language: pure, without I/O, usable as a library.
//!
//! `syntax` reads text into a tree, `check` gives every name a meaning and every value a type,
//! `program` is the compiled form, `eval` carries it out, `plan` is what comes of it.

pub mod diagnostic;
pub mod syntax;
