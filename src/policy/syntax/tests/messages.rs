//! What broken policies are told.

use super::super::{parse, render, to_json};
use crate::policy::codes;
use crate::policy::sources::Sources;

/// A name, and a broken text.
const BROKEN: &[(&str, &str)] = &[
    ("unknown_directive", "route a when b -> p {\n  timout total 30s\n}\n"),
    ("unknown_statement", "rout code when task == code -> p\n"),
    ("single_equals", "route chat when task = chat -> p\n"),
    ("double_equals_in_set", "defaults {\n  set temperature == 0.2\n}\n"),
    ("ampersands", "route a when b && c -> p\n"),
    ("bars", "route a when b || c -> p\n"),
    ("exclamation", "route a when !request.stream -> p\n"),
    ("missing_arrow", "route a when request.stream small\n"),
    ("missing_arrow_default", "default small\n"),
    ("no_target", "route a when request.stream\n"),
    ("fat_arrow", "default => small\n"),
    ("missing_because", "deny a when request.stream \"Not today\"\n"),
    ("nothing_because", "deny a when request.stream\n"),
    ("missing_quotes", "deny a when request.stream because Images need a plan status 403\n"),
    ("single_quotes", "deny a when request.stream because 'Not today'\n"),
    ("unclosed_text", "deny a when b because \"Not today\ndefault -> p\n"),
    ("unclosed_list", "pool p = [acme/one, acme/two pick first\ndefault -> p\n"),
    ("unclosed_block", "route a when b -> p {\n  timeout total 30s\n\ndefault -> p\n"),
    ("stray_brace", "default -> p\n}\n"),
    ("share_without_percent", "split canary by user.id {\n  95 -> cheap\n  rest -> dear\n}\n"),
    ("downgrade", "budget b $5 per day per user.id {\n  at 95% downgrade to cheap\n}\n"),
    ("invariant_without_brace", "invariant a when key.tier == free every model where local }\n"),
    ("invariant_brace_lost", "invariant a when key.tier == free\n  every model where local\n}\n"),
    ("missing_comma", "pool p = [acme/one acme/two]\n"),
    ("two_commas", "pool p = [acme/one,, acme/two]\n"),
    ("trailing_comma", "defaults {\n  timeout total 60s, ttft 4s,\n}\n"),
    ("comma_for_and", "route a when request.stream, request.tools > 1 -> p\n"),
    ("missing_else_cap", "defaults {\n  cap $0.05 per request deny \"Too dear\"\n}\n"),
    ("missing_else_limit", "limit l 60/min per key.id deny\n"),
    ("space_before_unit", "defaults {\n  timeout total 15 s\n}\n"),
    ("minutes_or_millions", "defaults {\n  sticky by session.id for 5m\n}\n"),
    ("seconds", "defaults {\n  timeout total 30sec\n}\n"),
    ("upper_case", "ROUTE a when b -> p\nroute c WHEN d -> p\n"),
    ("brace_on_next_line", "route a when b -> p\n{\n  cache off\n}\n"),
    ("two_statements", "defaults { cache off log bodies off }\n"),
    ("two_items", "default -> p route a when b -> c\n"),
    ("yaml", "defaults {\n  timeout: total 30s\n}\npool p: [acme/one]\n"),
    ("if_then", "if task == code then large\nroute a if task == code -> p\n"),
    ("then", "route a when task == code then p\n"),
    ("bare_duration", "defaults {\n  timeout total 30\n}\n"),
    ("bare_money", "defaults {\n  cap 0.05 per request else deny\n}\n"),
    ("money_behind", "defaults {\n  cap 5$ per request else deny\n}\n"),
    ("price_per_token", "pool p = models where price.output <= $3/token\n"),
    ("misspelt_models", "pool p = modles where tools\n"),
    ("misspelt_pick", "pool p = models pick cheapst\n"),
    ("misspelt_claim", "invariant a {\n  evry model where local\n  never deneid\n}\n"),
    ("misspelt_probe", "test \"t\" {\n  gven task = code\n  expect answerd by p\n}\n"),
    ("misspelt_cache", "defaults {\n  cache semantik 0.9 ttl 1h\n}\n"),
    ("misspelt_hold", "ladder l {\n  hold ful\n  stp a -> b\n}\n"),
    ("misspelt_experiment", "experiment e by user.id {\n  metrics cost\n  arm a 5 -> p\n}\n"),
    ("parameter_as_directive", "defaults {\n  temperature = 0.2\n}\n"),
    ("bad_date", "experiment e by user.id {\n  ends 2026-02-30 -> p\n  ends 2026-9-1 -> p\n}\n"),
    ("bad_clock", "schedule s = mon..fri 9:00..17:00 UTC\n"),
    ("bad_escape", "alias \"a\\d\" -> p\n"),
    ("too_fine", "defaults {\n  shadow 0.001% to p\n}\n"),
    ("round_list", "route a when task in (chat, code) -> p\n"),
    ("slashes", "// a comment\ndefault -> p\n"),
    ("range_in_two", "route a when input.tokens > 2k and < 8k -> p\n"),
    ("is_for_equals", "route a when task is chat -> p\n"),
    ("contains", "route a when key.tags contains \"x\" -> p\n"),
    ("comma_behind_directive", "defaults {\n  cache off,\n  log bodies off\n}\n"),
    ("arithmetic", "route a when input.tokens + 5 > 3 -> p\n"),
    ("colon_missing", "attribute key.tier tier else free\n"),
    ("nothing_at_all", "default ->\n"),
    ("odd_character", "default -> p €\n"),
    ("price_not_money", "defaults {\n  cap $3/Mtok per request else deny\n}\n"),
];

/// All messages about a text, as a terminal without colours shows them.
fn messages(text: &str) -> String {
    let parsed = parse(text);
    assert!(!parsed.is_ok(), "{text} is healthy");
    let messages: Vec<String> = parsed
        .diagnostics
        .iter()
        .map(|d| render(d, &Sources::of("prod.policy", text), false))
        .collect();
    messages.join("\n\n")
}

#[test]
fn broken_policies_are_explained() {
    for (name, text) in BROKEN {
        insta::assert_snapshot!(*name, messages(text));
    }
}

#[test]
fn every_fix_that_is_offered_helps() {
    // Several findings may need several fixes; here each text has one finding.
    let mut tried = 0;
    for (name, text) in BROKEN {
        let parsed = parse(text);
        let [only] = parsed.diagnostics.as_slice() else { continue };
        for fix in &only.fixes {
            let mut fixed = (*text).to_owned();
            for edit in fix.edits.iter().rev() {
                fixed.replace_range(edit.span.range(), &edit.text);
            }
            let again = parse(&fixed).diagnostics;
            // `5M` is a number where a duration is wanted: the one fix that asks what was meant.
            let asks = only.code == codes::AMBIGUOUS_MINUTES;
            assert!(again.is_empty() || asks, "{name}: {fixed}\n{again:#?}");
            tried += 1;
        }
    }
    assert!(tried > 40);
}

#[test]
fn json_counts_characters_from_one() {
    let text = "# é\ndeny é when x because 'é'\n";
    let found = &parse("deny a when b because 'é' # é\n").diagnostics[0];
    let json = to_json(found, &Sources::of("p.policy", "deny a when b because 'é' # é\n"));
    assert_eq!((&json["line"], &json["column"]), (&1.into(), &23.into()));
    assert_eq!((&json["end_line"], &json["end_column"]), (&1.into(), &26.into()));
    assert_eq!(json["code"], "P0006");
    assert_eq!(json["severity"], "error");
    assert_eq!(json["file"], "p.policy");
    assert_eq!(json["fixes"][0]["edits"][1]["replacement"], "\"");
    let position = super::super::position(text, text.len());
    assert_eq!((position.line, position.column), (3, 1));
}

#[test]
fn colours_only_where_asked_for() {
    let text = "default => a\n";
    let found = &parse(text).diagnostics[0];
    assert!(render(found, &Sources::of("p", text), true).contains('\u{1b}'));
    assert!(!render(found, &Sources::of("p", text), false).contains('\u{1b}'));
}

#[test]
fn codes_of_messages_have_pages_whose_examples_are_true() {
    use crate::policy::codes::{PAGES, page};
    for (_, text) in BROKEN {
        for found in parse(text).diagnostics {
            assert!(page(found.code.0).is_some(), "{}", found.code);
        }
    }
    // Examples of syntax may be whole statements, or lines of some block.
    let around = [
        ("", ""),
        ("defaults {\n", "\n}"),
        ("experiment e by user.id {\n", "\n}"),
        ("budget b $1 per day per key.id {\n", "\n}"),
    ];
    for page in PAGES.iter().filter(|page| page.code.0 < "P1003") {
        let reads = |text: &str| {
            around.iter().any(|(head, tail)| parse(&format!("{head}{text}{tail}\n")).is_ok())
        };
        assert!(reads(page.good), "{}: {}", page.code, page.good);
        if page.code != codes::TOO_LARGE && page.code != codes::TOO_DEEP {
            let found = around
                .iter()
                .flat_map(|(head, tail)| parse(&format!("{head}{}{tail}\n", page.bad)).diagnostics);
            assert!(found.into_iter().any(|d| d.code == page.code), "{}: {}", page.code, page.bad);
        }
    }
}
