//! What holds for every text and every tree.

use crate::policy::sources::Sources;
use proptest::prelude::*;

use super::super::tree::{File, Span};
use super::super::{
    MAX_FILE_BYTES, MAX_FINDINGS, MAX_LINE_BYTES, MAX_NESTING, format, parse, render, to_json,
};
use super::{generate, samples};
use crate::policy::codes;

/// Reads a text and looks at everything that comes back.
fn survey(text: &str) -> Result<(), TestCaseError> {
    let parsed = parse(text);
    let inside = |span: Span| text.get(span.range()).is_some();
    for found in &parsed.diagnostics {
        prop_assert!(inside(found.primary.span), "{found:#?}");
        prop_assert!(found.secondary.iter().all(|label| inside(label.span)), "{found:#?}");
        let mut edits = found.fixes.iter().flat_map(|fix| &fix.edits);
        prop_assert!(edits.all(|edit| inside(edit.span)), "{found:#?}");
        for word in ["k_", "p_l", "p_r", "only_", "set_term", "conj", "unary", "EOI"] {
            prop_assert!(text.contains(word) || !found.message.contains(word), "{found:#?}");
        }
        render(found, &Sources::of("x.policy", text), true);
        to_json(found, &Sources::of("x.policy", text));
    }
    for span in spans(&parsed.file) {
        prop_assert!(inside(span), "{span:?}");
    }
    // What was read is as good as what would have been read from its own print.
    let printed = format(&parsed.file);
    if parsed.is_ok() {
        let comments = |text: &str| super::super::scan::scan(text).comments.len();
        prop_assert_eq!(comments(text), comments(&printed), "{}", printed);
        prop_assert_eq!(format(&parse(&printed).file), printed.clone());
        prop_assert_eq!(parse(&printed).file, parsed.file, "{}", printed);
    }
    Ok(())
}

/// Every span of a tree; its debug text has them all.
pub fn spans(file: &File) -> Vec<Span> {
    let text = format!("{file:?}");
    let pieces = text.split("Span { start: ").skip(1);
    let number = |text: &str| text.split([',', ' ']).next().and_then(|n| n.parse().ok());
    pieces
        .filter_map(|piece| {
            let (start, rest) = piece.split_once(", end: ")?;
            Some(Span { start: number(start)?, end: number(rest)? })
        })
        .collect()
}

/// Pieces that mutations insert.
const BITS: &[&str] = &[
    "\"",
    "'",
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    "->",
    "=>",
    "=",
    "==",
    "&&",
    "||",
    "!",
    ",",
    ";",
    ":",
    "#",
    "\n",
    "\n\n",
    "\t",
    " ",
    "/",
    "\\",
    "\"\"\"",
    "$",
    "%",
    "5m",
    "15 s",
    "$3/token",
    "9:00",
    "2026-02-30",
    "not ",
    "and ",
    "or ",
    "when ",
    "route ",
    "default",
    "step ",
    "é",
    "€",
    "\u{0}",
    "\u{301}",
    "\r\n",
    "..",
    "hold",
    "else",
    "because",
    "if ",
    "then ",
    "0.00001%",
];

fn mutated() -> impl Strategy<Value = String> {
    let change = (any::<prop::sample::Index>(), 0usize..8, prop::sample::select(BITS.to_vec()));
    let base = prop::sample::select(samples::ALL.to_vec());
    (base, prop::collection::vec(change, 1..5)).prop_map(|(base, changes)| {
        let mut chars: Vec<char> = base.chars().collect();
        for (at, removed, inserted) in changes {
            let start = at.index(chars.len() + 1);
            let end = (start + removed).min(chars.len());
            chars.splice(start..end, inserted.chars());
        }
        chars.into_iter().collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn trees_survive_printing(file in generate::file()) {
        let printed = format(&file);
        let parsed = parse(&printed);
        let messages: Vec<_> =
            parsed.diagnostics.iter().map(|d| render(d, &Sources::of("x", &printed), false)).collect();
        prop_assert!(messages.is_empty(), "{}\n{printed}", messages.join("\n"));
        prop_assert_eq!(&parsed.file, &file, "{}", printed);
        prop_assert_eq!(format(&parsed.file), printed);
    }

    #[test]
    fn any_text_is_read(text in "(?s).{0,200}") {
        survey(&text)?;
    }

    #[test]
    fn any_words_are_read(bits in prop::collection::vec(prop::sample::select(BITS.to_vec()), 0..40)) {
        survey(&bits.concat())?;
        survey(&bits.join(" "))?;
    }

    #[test]
    fn damaged_policies_are_read(text in mutated()) {
        survey(&text)?;
    }
}

#[test]
fn texts_that_once_went_wrong() {
    for text in ["default -> p,", "default ->,,", "default -> p {\n cache off,", "route", "{", ","]
    {
        survey(text).unwrap();
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
    let nest = |depth: usize| format!("assume {}a{}\n", "(".repeat(depth), ")".repeat(depth));
    assert!(parse(&nest(MAX_NESTING)).is_ok());
    assert_eq!(refusal(&nest(MAX_NESTING + 1)), codes::TOO_DEEP.0);
    assert_eq!(refusal(&nest(10_000)), codes::TOO_DEEP.0);
    assert_eq!(refusal(&"(".repeat(60_000)), codes::TOO_DEEP.0);
    let nots = |count: usize| format!("assume {}a\n", "not ".repeat(count));
    assert!(parse(&nots(MAX_NESTING)).is_ok());
    assert_eq!(refusal(&nots(10_000)), codes::TOO_DEEP.0);
    assert_eq!(refusal(&"a".repeat(MAX_LINE_BYTES + 1)), codes::TOO_LARGE.0);
    assert_eq!(refusal(&"a\n".repeat(MAX_FILE_BYTES)), codes::TOO_LARGE.0);
    // Both at once: brackets around nots around brackets.
    let both = "(not not ".repeat(MAX_NESTING);
    assert!(parse(&format!("assume {both}a{}\n", ")".repeat(MAX_NESTING))).is_ok());
}

#[test]
fn brackets_are_counted_across_what_looks_like_an_item() {
    // A line inside brackets that starts like an item must not hide the depth from the count.
    let hidden = "(\ntest like \"a\" and ".repeat(10_000);
    assert_eq!(refusal(&format!("assume {hidden}")), codes::TOO_DEEP.0);
    let lines = "assume (\nroute x (\n".repeat(5_000);
    assert!(!parse(&lines).is_ok());
}

#[test]
fn a_large_broken_file_is_read_in_bounded_time() {
    let started = std::time::Instant::now();
    for line in
        ["x\n", "}\n", "route a when b c\n", "invariant a\n no shadow\n", "no shadow\n", "[\n"]
    {
        let text = format!("invariant i\n{}", line.repeat(200_000 / line.len()));
        let found = parse(&text).diagnostics;
        assert!(!found.is_empty() && found.len() <= MAX_FINDINGS);
    }
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}

#[test]
fn several_broken_statements_are_all_reported_and_the_healthy_are_kept() {
    let text = "pool a = models pick cheapst\n\
        route one when task = chat -> a {\n  timout total 3s\n  cache off\n  log bodies maybe\n}\n\
        pool b = models\n\
        ladder l {\n  step x -> a escalate whn failed {\n    cache off\n    hld full\n  }\n  hold full\n}\n\
        default -> a {\n  cache off\n  tag x == y\n}\n";
    let parsed = parse(text);
    let found: Vec<_> = parsed.diagnostics.iter().map(|d| &text[d.primary.span.range()]).collect();
    assert_eq!(found, ["cheapst", "=", "timout", "maybe", "whn", "hld", "=="]);
    insta::assert_snapshot!(format(&parsed.file), @r"
    pool b = models
    ladder l {
      hold full
    }
    default -> a {
      cache off
    }
    ");
    assert_eq!(parsed.broken, ["a", "one", "l", "default"]);
    let attribute = "attribute key.tier: tier form key.id else free\ndeny x when y\n";
    assert_eq!(parse(attribute).broken, ["key.tier", "x"]);
}
