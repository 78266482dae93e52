//! The YAML reader against the one that the rest of the program uses.

use proptest::prelude::*;

use super::super::document::{self, Kind, Node};

/// The same value as the other reader has it, with every scalar as the text it was written as.
fn same(ours: &Node, theirs: &serde_yaml::Value) -> bool {
    use serde_yaml::Value;
    match (&ours.kind, theirs) {
        (Kind::Null, Value::Null) => true,
        (Kind::Scalar(scalar), Value::String(text)) => scalar.text == *text,
        // `TRUE`, `0x10`, `Null` and their like are text to us.
        (Kind::Scalar(scalar), Value::Bool(_) | Value::Number(_) | Value::Null) => scalar.plain,
        (Kind::List(items), Value::Sequence(values)) => {
            items.len() == values.len()
                && items.iter().zip(values).all(|(item, value)| same(&item.node, value))
        }
        (Kind::Map(entries), Value::Mapping(map)) => {
            entries.len() == map.len()
                && entries.iter().zip(map).all(|((key, node), (name, value))| {
                    name.as_str().is_none_or(|name| name == key.text) && same(node, value)
                })
        }
        _ => false,
    }
}

/// Whether we read a text exactly as the other reader does, or refuse it.
fn agrees(text: &str) -> Result<(), TestCaseError> {
    let Ok(document) = document::read(text) else { return Ok(()) };
    if !document.faults.is_empty() {
        return Ok(());
    }
    // The other reader is stricter about tabs and about where a key may end; what it takes, it has to
    // read as we do.
    let Ok(theirs) = serde_yaml::from_str::<serde_yaml::Value>(text) else { return Ok(()) };
    let same = match &document.root {
        Some(root) => same(root, &theirs),
        None => theirs.is_null(),
    };
    prop_assert!(same, "{text:?}\n{theirs:?}\n{document:#?}");
    Ok(())
}

const BITS: &[&str] = &[
    "a",
    "b: ",
    "c:",
    "- ",
    "-",
    "\n",
    "\n",
    "\n  ",
    "\n    ",
    "\n  - ",
    "\n- ",
    " ",
    "  ",
    "[",
    "]",
    "{",
    "}",
    ", ",
    "\"",
    "'",
    "\\n",
    "\\",
    "''",
    "#",
    " # x",
    "|",
    ">",
    "|-",
    ">+",
    "\n\n",
    "x y",
    "~",
    "null",
    "1",
    ": ",
    "a: b\n",
    "key: value",
    "\n b",
    "\t",
    "&a ",
    "*a",
    "!t ",
    "? ",
    "é",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_we_read_is_what_others_read(bits in prop::collection::vec(prop::sample::select(BITS.to_vec()), 0..16)) {
        agrees(&bits.concat())?;
    }
}

proptest! {
    #[test]
    fn no_text_goes_wrong(text in "[a-z:\\-\\[\\]{}&*!\"' \n\t#|>%@,0-9é\r]{0,80}") {
        if !text.contains('\r') {
            agrees(&text)?;
        }
        document::read(&text).ok();
    }

    #[test]
    fn block_texts_say_what_others_read(
        head in "[|>][-+]?[2]?",
        lines in prop::collection::vec("( {0,4}[a-z#:]{0,3}( [a-z])?)?", 0..6),
        end in prop::sample::select(vec!["", "\n", "\n\nz: 1\n"]),
    ) {
        let lines: Vec<_> = lines.iter().map(|line| format!("  {line}")).collect();
        agrees(&format!("k: {head}\n{}{end}", lines.join("\n")))?;
    }
}

#[test]
fn every_byte_of_a_text_knows_its_place() {
    let text = "a: plain text\n   goes on\nb: 'it''s'\nc: \"x\\ty\\u00e9\"\nd: |\n  one\n  two\ne: >\n  one\n  two\n";
    let document = document::read(text).unwrap();
    let Some(Kind::Map(entries)) = document.root.map(|root| root.kind) else { panic!("a map") };
    let shown: Vec<_> = entries
        .iter()
        .map(|(_, node)| {
            let Kind::Scalar(scalar) = &node.kind else { panic!("a text") };
            assert_eq!(scalar.text.len(), scalar.places.len());
            let places = scalar
                .text
                .char_indices()
                .map(|(at, c)| (c.to_string(), text[scalar.places[at].range()].to_owned()));
            let told: Vec<_> = places.filter(|(c, from)| c != from).collect();
            format!("{:?} {told:?}", scalar.text)
        })
        .collect();
    insta::assert_snapshot!(shown.join("\n"), @r#"
    "plain text goes on" [(" ", "\n   ")]
    "it's" [("'", "''")]
    "x\tyé" [("\t", "\\t"), ("é", "\\u00e9")]
    "one\ntwo\n" []
    "one two\n" [(" ", "\n")]
    "#);
}
