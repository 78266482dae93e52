//! Whatever is done to a policy, compiling it ends, with spans inside of the text.

use proptest::prelude::*;

use crate::{compiled, policies};

/// Words and signs that matter to the language, to be thrown in anywhere.
const PIECES: [&str; 24] = [
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "\"",
    "\n",
    "->",
    "when ",
    " and ",
    " not ",
    "5m",
    "$1/Mtok",
    "99999999999999999999",
    "..",
    "#",
    ";",
    "default",
    "rest",
    "\u{feff}",
    "日本",
    "let a = a\n",
    "=",
];

#[derive(Debug, Clone)]
enum Damage {
    Cut(usize, usize),
    Insert(usize, usize),
    Repeat(usize, usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    let place = 0usize..6_000;
    prop_oneof![
        (place.clone(), 1usize..80).prop_map(|(at, len)| Damage::Cut(at, len)),
        (place.clone(), 0..PIECES.len()).prop_map(|(at, piece)| Damage::Insert(at, piece)),
        (place, 1usize..120).prop_map(|(at, len)| Damage::Repeat(at, len)),
    ]
}

fn damaged(text: &str, damage: &Damage) -> String {
    let at = |byte: usize| text.floor_char_boundary(byte % (text.len() + 1));
    match damage {
        Damage::Cut(from, len) => {
            let (from, to) = (at(*from), text.floor_char_boundary(at(*from) + len));
            format!("{}{}", &text[..from], &text[to..])
        }
        Damage::Insert(place, piece) => {
            format!("{}{}{}", &text[..at(*place)], PIECES[*piece], &text[at(*place)..])
        }
        Damage::Repeat(from, len) => {
            let (from, to) = (at(*from), text.floor_char_boundary(at(*from) + len));
            format!("{}{}", &text[..to], &text[from..])
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn damaged_policies_never_panic(which in any::<prop::sample::Index>(), all in prop::collection::vec(damage(), 1..6)) {
        let sound = policies("policies");
        let (file, mut text) = sound[which.index(sound.len())].clone();
        for one in &all {
            text = damaged(&text, one);
        }
        let compiled = compiled(&file, &text);
        let errors = compiled
            .diagnostics
            .iter()
            .filter(|one| one.severity == pointsman::policy::diagnostic::Severity::Error)
            .count();
        prop_assert!(compiled.program.is_none() || errors == 0);
        for one in &compiled.diagnostics {
            prop_assert!(compiled.sources.text().get(one.primary.span.range()).is_some(), "{:?}", one);
            for edit in one.fixes.iter().flat_map(|fix| &fix.edits) {
                prop_assert!(compiled.sources.text().get(edit.span.range()).is_some(), "{:?}", one);
            }
            pointsman::policy::syntax::render(one, &compiled.sources, false);
        }
    }
}
