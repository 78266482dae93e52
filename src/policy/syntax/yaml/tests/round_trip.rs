//! There and back again.

use proptest::prelude::*;

use super::super::super::tests::{generate, samples};
use super::super::super::tree::File;
use super::super::super::{format as format_text, parse as parse_text, render};
use super::super::{format, parse};
use super::read;
use crate::policy::sources::Sources;

/// A tree, to YAML and back: the same tree, the same text, and the same YAML again.
fn returns(tree: &File) -> Result<(), TestCaseError> {
    let yaml = format(tree);
    let parsed = parse(&yaml);
    let sources = Sources::of("t.yaml", &yaml);
    let messages: Vec<_> = parsed.diagnostics.iter().map(|d| render(d, &sources, false)).collect();
    prop_assert!(messages.is_empty(), "{}\n{yaml}", messages.join("\n"));
    prop_assert_eq!(&parsed.file, tree, "{}", yaml);
    prop_assert_eq!(format_text(&parsed.file), format_text(tree), "{}", yaml);
    prop_assert_eq!(format(&parsed.file), yaml);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_tree_survives(file in generate::file()) {
        // What a text cannot say (a comment in front of nothing) no YAML needs to.
        returns(&parse_text(&format_text(&file)).file)?;
        let bare = format(&file);
        prop_assert_eq!(&parse(&bare).file, &file, "{}", bare);
        // It is YAML to others as well.
        prop_assert!(serde_yaml::from_str::<serde_yaml::Value>(&bare).is_ok(), "{}", bare);
    }
}

#[test]
fn every_sample_survives() {
    for text in samples::ALL {
        let parsed = parse_text(text);
        assert!(parsed.is_ok());
        returns(&parsed.file).unwrap_or_else(|error| panic!("{error}\n{text}"));
    }
}

#[test]
fn comments_and_blank_lines_survive() {
    insta::assert_snapshot!(format(&parse_text(samples::LAYOUT).file));
}

#[test]
fn bodies_and_blocks() {
    insta::assert_snapshot!(format(&parse_text(samples::BODY).file));
}

#[test]
fn a_policy_written_by_hand() {
    let yaml = include_str!("hand.yaml");
    let tree = read(yaml);
    returns(&tree).unwrap();
    assert_eq!(parse_text(&format_text(&tree)).file, tree);
    insta::assert_snapshot!(format_text(&tree));
    insta::assert_snapshot!(format(&tree));
}
