//! Tests of the YAML spelling.

mod damage;
mod documents;
mod round_trip;

use super::super::tree::File;
use super::parse;
use crate::policy::sources::Sources;

/// Reads a YAML policy that has to be healthy.
fn read(yaml: &str) -> File {
    let parsed = parse(yaml);
    let sources = Sources::of("t.yaml", yaml);
    let messages: Vec<_> =
        parsed.diagnostics.iter().map(|d| super::super::render(d, &sources, false)).collect();
    assert!(messages.is_empty(), "{}\n{yaml}", messages.join("\n"));
    parsed.file
}
