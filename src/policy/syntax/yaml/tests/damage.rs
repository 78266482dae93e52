//! What holds for every text that is called YAML.

use proptest::prelude::*;

use super::super::super::tests::{generate, properties::spans};
use super::super::super::tree::{File, Span};
use super::super::super::{
    MAX_FILE_BYTES, MAX_FINDINGS, MAX_LINE_BYTES, MAX_NESTING, format as format_text,
    parse as parse_text, render, to_json,
};
use super::super::{format, parse};
use crate::policy::codes;
use crate::policy::sources::Sources;

const HAND: &str = include_str!("hand.yaml");

/// Reads a text and looks at everything that comes back.
fn survey(text: &str) -> Result<(), TestCaseError> {
    let parsed = parse(text);
    let inside = |span: Span| text.get(span.range()).is_some();
    for found in &parsed.diagnostics {
        prop_assert!(inside(found.primary.span), "{found:#?}");
        prop_assert!(found.secondary.iter().all(|label| inside(label.span)), "{found:#?}");
        let mut edits = found.fixes.iter().flat_map(|fix| &fix.edits);
        prop_assert!(edits.all(|edit| inside(edit.span)), "{found:#?}");
        render(found, &Sources::of("x.yaml", text), true);
        to_json(found, &Sources::of("x.yaml", text));
    }
    for span in spans(&parsed.file) {
        prop_assert!(inside(span), "{span:?}");
    }
    if parsed.is_ok() {
        let printed = format_text(&parsed.file);
        prop_assert_eq!(&parse_text(&printed).file, &parsed.file, "{}\n{}", text, printed);
        prop_assert_eq!(&format_text(&parse_text(&printed).file), &printed, "{}", text);
        let yaml = format(&parsed.file);
        prop_assert_eq!(&parse(&yaml).file, &parsed.file, "{}\n{}", text, yaml);
        // What is written, other readers of YAML take, too; but for comments that no text could hold.
        let odd = |c: char| c != '\n' && (c.is_control() || !(' '..'\u{d7ff}').contains(&c));
        if !yaml.contains(odd) {
            let theirs = serde_yaml::from_str::<serde_yaml::Value>(&yaml);
            prop_assert!(theirs.is_ok(), "{theirs:?}\n{yaml}");
        }
        prop_assert_eq!(format(&parse(&yaml).file), yaml);
    }
    Ok(())
}

const BITS: &[&str] = &[
    "\"",
    "'",
    "{",
    "}",
    "[",
    "]",
    "->",
    ": ",
    ":",
    ",",
    ", ",
    "#",
    " # x",
    "\n",
    "\n\n",
    "\n  ",
    "\t",
    "  ",
    "- ",
    "|",
    ">",
    "|-\n",
    "&a ",
    "*a",
    "!t ",
    "<<: ",
    "---\n",
    "~",
    "null",
    "yes",
    "on: ",
    "5m",
    "$0.00000000001",
    "\\",
    "\u{e9}",
    "\u{feff}",
    "\r\n",
    "not ",
    "and",
    "== ",
    "<= ",
    "a: b\n",
];

/// A policy in YAML, cut and stitched.
fn damaged() -> impl Strategy<Value = String> {
    let whole = prop_oneof![
        Just(HAND.to_owned()),
        Just(HAND.to_owned()),
        generate::file().prop_map(|file: File| format(&file)),
    ];
    let cuts = prop::collection::vec(
        (any::<prop::sample::Index>(), 0usize..12, prop::sample::select(BITS.to_vec())),
        0..4,
    );
    (whole, cuts).prop_map(|(mut text, cuts)| {
        for (at, len, bit) in cuts {
            let floor =
                |at: usize| (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            let start = floor(at.index(text.len() + 1));
            let end = floor((start + len).min(text.len())).max(start);
            text.replace_range(start..end, bit);
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn damaged_policies_are_read(text in damaged()) {
        survey(&text)?;
    }
}

proptest! {
    #[test]
    fn any_text_is_read(text in "(?s).{0,120}") {
        survey(&text)?;
    }

    /// Nothing that a text says can end the statement it belongs to.
    #[test]
    fn a_text_stays_where_it_is(said in prop_oneof![
        "(a|->|x|\n|\\{|\\}|;|#|\"|and|==| |route r when y -> z|default){0,8}",
        "[ -~\n]{0,20}",
    ]) {
        let quoted = super::super::write::quote::quoted(&said);
        let yaml = format!(
            "routes:\n- name: r\n  when: {quoted}\n  to: p\n- name: s\n  when: a\n  to: {quoted}\n- default: p\n"
        );
        let items = parse(&yaml).file.items.len();
        prop_assert!((1..=3).contains(&items), "{}", yaml);
        survey(&yaml)?;
    }
}

/// The code of the only finding.
fn refusal(text: &str) -> &'static str {
    let found = parse(text).diagnostics;
    assert_eq!(found.len(), 1, "{:?}", found.first());
    found[0].code.0
}

#[test]
fn what_is_too_large_or_too_deep_is_refused() {
    assert_eq!(refusal(&"a\n".repeat(MAX_FILE_BYTES)), codes::TOO_LARGE.0);
    assert_eq!(refusal(&"a".repeat(MAX_LINE_BYTES + 1)), codes::TOO_LARGE.0);
    assert_eq!(refusal(&"[".repeat(60_000)), codes::TOO_DEEP.0);
    assert_eq!(refusal(&format!("lets: {}", "{ a: ".repeat(1_000))), codes::TOO_DEEP.0);
    assert_eq!(refusal(&"- ".repeat(1_000)), codes::TOO_DEEP.0);
    let nest = |depth: usize| format!("assumes: ['{}a{}']\n", "(".repeat(depth), ")".repeat(depth));
    assert!(parse(&nest(MAX_NESTING)).is_ok());
    assert_eq!(refusal(&nest(MAX_NESTING + 1)), codes::TOO_DEEP.0);
    assert_eq!(refusal(&nest(10_000)), codes::TOO_DEEP.0);
}

#[test]
fn a_statement_may_be_longer_than_a_line_of_the_language() {
    let members = "    - acme/a-model-with-a-name\n".repeat(5_000);
    let parsed = parse(&format!("pools:\n  p:\n    members:\n{members}routes:\n- default: p\n"));
    assert!(parsed.is_ok() && parsed.file.items.len() == 2, "{:?}", parsed.diagnostics);
}

#[test]
fn a_large_file_is_read_in_bounded_time() {
    let started = std::time::Instant::now();
    for line in [
        "- name: r  # why\n  when: a\n  to: p\n",
        "# c\n- default: p\n",
        "- name: r\n  when: a b\n  to: p\n",
        "- x\n",
        "\n# y\n",
    ] {
        let text = format!("routes:\n{}", line.repeat(400_000 / line.len()));
        assert!(parse(&text).diagnostics.len() <= MAX_FINDINGS);
    }
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}
