//! Tests of the language's front end, from outside.

mod generate;
mod layout;
mod lowering;
mod messages;
mod properties;
mod samples;

use super::tree::File;
use crate::policy::sources::Sources;

/// Parses a text that has to be healthy.
fn read(text: &str) -> File {
    let parsed = super::parse(text);
    let messages: Vec<_> = parsed
        .diagnostics
        .iter()
        .map(|d| super::render(d, &Sources::of("test", text), false))
        .collect();
    assert!(messages.is_empty(), "{}\n{text}", messages.join("\n"));
    parsed.file
}
