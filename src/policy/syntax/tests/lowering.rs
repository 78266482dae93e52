//! From text to tree.

use jiff::civil::date;

use super::super::parse;
use super::super::tree::*;
use super::{read, samples};
use crate::policy::codes;
use crate::units::{BasisPoints, NanoDollars};

fn item(text: &str) -> Item {
    let mut items = read(text).items;
    assert_eq!(items.len(), 1, "{text}");
    items.remove(0).node
}

/// The value of a literal, as the operand of a comparison.
fn literal(text: &str) -> LiteralValue {
    match item(&format!("assume x == {text}")) {
        Item::Assume(Cond {
            kind: CondKind::Atom { test: Some(Test::Compare(_, value)), .. },
            ..
        }) => match value.kind {
            ValueKind::Literal(literal) => {
                assert_eq!(literal.raw, text);
                literal.value
            }
            ValueKind::Name(name) => panic!("{name} is a name"),
        },
        other => panic!("{other:?}"),
    }
}

/// The code of the only finding about a literal.
fn fault(text: &str) -> &'static str {
    let text = format!("assume x == {text}\n");
    let found = parse(&text).diagnostics;
    assert_eq!(found.len(), 1, "{text}: {found:#?}");
    found[0].code.0
}

#[test]
fn literals_are_exact() {
    use LiteralValue::*;
    let dollars = NanoDollars;
    for (text, value) in [
        ("true", Bool(true)),
        ("false", Bool(false)),
        ("12", Int(12)),
        ("-12", Int(-12)),
        ("1_000", Int(1_000)),
        ("8k", Int(8_000)),
        ("1.5k", Int(1_500)),
        ("4Ki", Int(4_096)),
        ("2M", Int(2_000_000)),
        ("2Mi", Int(2_097_152)),
        ("0.72", Float(0.72)),
        ("-1.1", Float(-1.1)),
        ("8k tokens", Tokens(8_000)),
        ("$0.02", Money(dollars(20_000_000))),
        ("$2_000", Money(dollars(2_000_000_000_000))),
        ("$1.5k", Money(dollars(1_500_000_000_000))),
        ("$0.000000001", Money(dollars(1))),
        ("$18_446_744_073.709551615", Money(dollars(u64::MAX))),
        ("$3/Mtok", Price(dollars(3_000_000_000), PriceUnit::Mtok)),
        ("$0.0000001/ktok", Price(dollars(100_000), PriceUnit::Mtok)),
        ("$0.04/image", Price(dollars(40_000_000), PriceUnit::Image)),
        ("$1/request", Price(dollars(1_000_000_000), PriceUnit::Request)),
        ("$0.006/minute", Price(dollars(6_000_000), PriceUnit::Minute)),
        ("5%", Percent(BasisPoints(500))),
        ("0.5%", Percent(BasisPoints(50))),
        ("33.33%", Percent(BasisPoints(3_333))),
        ("120%", Percent(BasisPoints(12_000))),
        ("250us", Duration(250_000)),
        ("250ms", Duration(250_000_000)),
        ("1.5s", Duration(1_500_000_000)),
        ("10min", Duration(600_000_000_000)),
        ("1h", Duration(3_600_000_000_000)),
        ("7d", Duration(604_800_000_000_000)),
        ("1w", Duration(604_800_000_000_000)),
        ("512KiB", Bytes(524_288)),
        ("1MB", Bytes(1_000_000)),
        ("60/min", Rate { count: 60, tokens: false, seconds: 60 }),
        ("200k tokens/min", Rate { count: 200_000, tokens: true, seconds: 60 }),
        ("1/month", Rate { count: 1, tokens: false, seconds: 2_592_000 }),
        ("\"a\\n\\u{e9}\"", String("a\né".into())),
        ("\"\"\"a\\n\"b\"\"\"", String("a\\n\"b".into())),
        ("09:30", Clock(570)),
        ("24:00", Clock(1_440)),
        ("2026-09-01", Date(date(2026, 9, 1))),
    ] {
        assert_eq!(literal(text), value, "{text}");
    }
}

#[test]
fn a_rate_may_have_blanks_and_is_spelt_without() {
    let text = "limit l 200k   tokens / min per key.id else warn";
    let Item::Limit { amount: LimitAmount::Rate(rate), .. } = item(text) else { panic!() };
    assert_eq!(rate.node.raw, "200k tokens/min");
}

#[test]
fn faults_of_literals_have_codes_and_places() {
    for (text, code) in [
        ("$0.0000000001", codes::TOO_FINE_MONEY),
        ("$0.00000000000000000000000000000000000001", codes::TOO_FINE_MONEY),
        ("$99_999_999_999", codes::TOO_LARGE_NUMBER),
        ("0.001%", codes::TOO_FINE_PERCENT),
        ("99999999999%", codes::TOO_LARGE_NUMBER),
        ("9223372036854775808", codes::TOO_LARGE_NUMBER),
        ("99999999999999999999999999999999999999999999999999", codes::TOO_LARGE_NUMBER),
        ("999999999999d", codes::TOO_LARGE_NUMBER),
        ("0.0001us", codes::NOT_A_COUNT),
        ("0.5 tokens", codes::NOT_A_COUNT),
        ("0/min", codes::NOT_A_COUNT),
        ("2026-02-30", codes::BAD_DATE),
        ("2026-13-01", codes::BAD_DATE),
        ("25:00", codes::BAD_CLOCK),
        ("09:60", codes::BAD_CLOCK),
        (r#""a\d""#, codes::BAD_ESCAPE),
        (r#""a\u{110000}""#, codes::BAD_ESCAPE),
    ] {
        assert_eq!(fault(text), code.0, "{text}");
    }
}

#[test]
fn a_faulty_literal_keeps_its_statement_and_its_place() {
    let text = "cap-less\ndefaults { cap $0.0000000015 per request else deny }\n";
    let parsed = parse(text);
    let fine = &parsed.diagnostics[1];
    assert_eq!(&text[fine.primary.span.range()], "$0.0000000015");
    assert_eq!(fine.fixes[0].edits[0].text, "$0.000000002");
    let Item::Defaults(body) = &parsed.file.items[0].node else { panic!() };
    let Stmt::Cap { amount, .. } = &body.lines[0].node else { panic!() };
    assert_eq!(amount.node.value, LiteralValue::Money(NanoDollars(2)));
}

#[test]
fn every_statement_has_its_tree() {
    for (name, text) in [
        ("basics", samples::BASICS),
        ("conditions", samples::CONDITIONS),
        ("own_attributes", samples::OWN_ATTRIBUTES),
        ("pools", samples::POOLS),
        ("ladder", samples::LADDER),
        ("body", samples::BODY),
        ("experiment", samples::EXPERIMENT),
        ("budgets", samples::BUDGETS),
        ("residency", samples::RESIDENCY),
        ("platform", samples::PLATFORM),
        ("proofs", samples::PROOFS),
    ] {
        let lines: Vec<String> = read(text).items.iter().map(|line| outline(&line.node)).collect();
        insta::assert_snapshot!(format!("tree_{name}"), lines.join("\n"));
    }
}

/// The tree without places, one line per item, so that a person can check it.
fn outline(item: &Item) -> String {
    let text = format!("{item:?}");
    let spans = regex::Regex::new(r"(, )?span: Span \{ start: \d+, end: \d+ \}").unwrap();
    let trivia = regex::Regex::new(r", trivia: Trivia \{[^{}]*\}|, tail: \[[^\]]*\]").unwrap();
    let text = spans.replace_all(&text, "");
    let text = trivia.replace_all(&text, "").replace("Spanned { node: ", "~{ ");
    text.replace("Line { node: ", "\n    { ")
}

#[test]
fn spans_cover_what_they_name() {
    let text = samples::BODY;
    let file = read(text);
    let Item::Route { name, when, to, body: Some(body) } = &file.items[0].node else { panic!() };
    let slice = |span: Span| &text[span.range()];
    assert_eq!(slice(name.span), "chat");
    assert_eq!(slice(when.span), "task == chat");
    assert_eq!(slice(to.span), "main");
    assert_eq!(slice(body.lines[1].span), "floor quality >= 60");
    assert!(slice(file.items[0].span).starts_with("route chat"));
    assert!(slice(file.items[0].span).ends_with('}'));
    let logs: Vec<_> = body
        .lines
        .iter()
        .filter_map(|line| match &line.node {
            Stmt::Log { share, .. } => Some(slice(share.span)),
            _ => None,
        })
        .collect();
    assert_eq!(logs, ["off", "on", "2.5%"]);
}

#[test]
fn holds_point_at_their_operand() {
    let text = "ladder l {\n  hold full # all\n  step a -> b { hold none # no\n }\n}\n";
    let Item::Ladder { rungs, .. } = item(text) else { panic!() };
    let Rung::Hold(hold) = &rungs.lines[0].node else { panic!() };
    assert_eq!(&text[hold.span.range()], "full");
    let Rung::Step { body: Some(body), .. } = &rungs.lines[1].node else { panic!() };
    let Stmt::Hold(hold) = &body.lines[0].node else { panic!() };
    assert_eq!(&text[hold.span.range()], "none");
    assert_eq!(rungs.lines[0].trivia.after.as_deref(), Some("# all"));
}

#[test]
fn brackets_keep_their_meaning() {
    let cond = |text: &str| match item(&format!("assume {text}")) {
        Item::Assume(cond) => cond,
        other => panic!("{other:?}"),
    };
    assert_eq!(cond("(a)"), cond("a"));
    assert_eq!(cond("a and b or c"), cond("(a and b) or c"));
    assert_ne!(cond("a and b or c"), cond("a and (b or c)"));
    assert_eq!(cond("not a and b"), cond("(not a) and b"));
}

#[test]
fn names_that_begin_like_keywords_are_names() {
    read("pool in-house = models\nroute not-mine when has_code and orders > 3 -> in-house\n");
    read("pool best-ones = models pick first\ndefault->best-ones\n");
    read("assume route == a and model == \"b\" and default is present\n");
}
