//! The formatter.

use super::super::{format, parse};
use super::{read, samples};

#[test]
fn formatting_keeps_the_meaning_and_is_stable() {
    for text in samples::ALL {
        let tree = read(text);
        let formatted = format(&tree);
        assert_eq!(read(&formatted), tree, "{text}\n---\n{formatted}");
        assert_eq!(format(&read(&formatted)), formatted);
    }
}

#[test]
fn no_comment_is_lost() {
    for text in samples::ALL {
        let formatted = format(&read(text));
        let count = |text: &str| super::super::scan::scan(text).comments.len();
        assert_eq!(count(text), count(&formatted), "{formatted}");
    }
}

#[test]
fn lines_are_at_most_100_columns() {
    for text in samples::ALL {
        for line in format(&read(text)).lines() {
            assert!(line.chars().count() <= 100, "{line}");
        }
    }
}

#[test]
fn comments_and_blank_lines() {
    insta::assert_snapshot!(format(&read(samples::LAYOUT)));
}

#[test]
fn every_form_of_a_condition() {
    insta::assert_snapshot!(format(&read(samples::CONDITIONS)));
}

#[test]
fn bodies_and_blocks() {
    insta::assert_snapshot!(format(&read(samples::BODY)));
}

#[test]
fn what_is_too_long_is_broken() {
    let text = "pool p = models where region in [alpha-north, beta-north, gamma-north, delta-north, epsilon-north, zeta-north] and (tools or json_schema and vision) and price.output <= $5/Mtok plus [acme/one, acme/two] except old pick best of 3\n\
        deny somebody when key.org not in [\"acme\", \"acme-labs\"] and key.env in [prod, staging] because \"Unknown organisation, please write to us\" status 403\n\
        route a when key.team == \"a-team-with-a-name\" and input.tokens > 100k or session.turn > 30 and request.stream -> p { cache exact ttl 1h key [model, messages, tools, user.id, session.id, request.format, request.tools, input.tokens] }\n\
        test \"t\" { given key.tier = pro, key.team = \"a-team-with-a-name\", input.tokens = 12k, request.stream = false, task = code }\n";
    let tree = read(text);
    let formatted = format(&tree);
    assert_eq!(read(&formatted), tree, "{formatted}");
    insta::assert_snapshot!(formatted);
}

#[test]
fn a_comment_inside_an_expression_moves_before_the_statement() {
    let text = "route a when x # why\n  and y # and why\n  -> p # at the end\n";
    insta::assert_snapshot!(format(&read(text)), @r"
    # why
    # and why
    route a when x and y -> p  # at the end
    ");
}

#[test]
fn a_tree_without_spellings_is_printed_too() {
    use super::super::tree::*;
    let none = Span::default();
    let text = Literal { value: LiteralValue::String("a\nb".into()), raw: String::new() };
    let value = Value { kind: ValueKind::Literal(text), span: none };
    let tag = Stmt::Tag { name: Spanned::new("x".into(), none), value };
    let line = Line { node: tag, span: none, trivia: Trivia::default() };
    let body = Block { lines: vec![line], tail: vec![] };
    let item = Line { node: Item::Defaults(body), span: none, trivia: Trivia::default() };
    let file = File { items: vec![item], tail: vec![] };
    assert_eq!(parse(&format(&file)).file, file);
}
