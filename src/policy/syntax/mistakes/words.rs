//! Words that are unknown, misspelt, in capitals, from another language, or should be in quotes.

use crate::policy::codes;
use crate::policy::diagnostic::{Diagnostic, did_you_mean};

use super::super::grammar::Rule;
use super::super::scan::{Kind, span};
use super::super::tree::Span;
use super::super::words::{Place, RESERVED};
use super::Scene;

/// First words of other languages, and what they are called here.
const SYNONYMS: &[(Place, &str, &str)] = &[
    (Place::File, "rule", "route"),
    (Place::File, "match", "route"),
    (Place::File, "case", "route"),
    (Place::File, "otherwise", "default"),
    (Place::File, "else", "default"),
    (Place::File, "fallback", "default"),
    (Place::File, "group", "pool"),
    (Place::File, "models", "pool"),
    (Place::File, "block", "deny"),
    (Place::File, "reject", "deny"),
    (Place::File, "forbid", "deny"),
    (Place::File, "include", "import"),
    (Place::File, "use", "import"),
    (Place::File, "const", "let"),
    (Place::File, "var", "let"),
    (Place::File, "define", "let"),
    (Place::File, "assert", "invariant"),
    (Place::File, "ratelimit", "limit"),
    (Place::File, "version", "language"),
    (Place::File, "cascade", "ladder"),
    (Place::Body, "require", "only"),
    (Place::Body, "retries", "retry"),
    (Place::Body, "header", "tag"),
    (Place::Body, "fallbacks", "fallback"),
    (Place::Body, "mirror", "shadow"),
    (Place::Body, "system", "prompt"),
    (Place::Body, "logging", "log"),
    (Place::Body, "max_cost", "cap"),
    (Place::Ladder, "cap", "max_cost"),
    (Place::Ladder, "timeout", "deadline"),
    (Place::Ladder, "rung", "step"),
    (Place::Ladder, "tier", "step"),
    (Place::Experiment, "variant", "arm"),
    (Place::Experiment, "end", "ends"),
    (Place::Invariant, "all", "every"),
    (Place::Invariant, "any", "some"),
    (Place::Invariant, "none", "no"),
    (Place::Test, "when", "given"),
    (Place::Test, "then", "expect"),
    (Place::Test, "assert", "expect"),
];

/// Parameters of a model, which `set` sets.
const PARAMETERS: &[&str] = &[
    "temperature",
    "top_p",
    "max_output",
    "max_tokens",
    "reasoning",
    "seed",
    "stop",
    "frequency_penalty",
    "presence_penalty",
];

/// `timout total 30s`, `rout code when …`
pub fn unknown_first_word(scene: &Scene<'_, '_>) -> Option<Diagnostic> {
    let (word, words) = (scene.keyword(), scene.place.words());
    let named_arm = scene.place == Place::Split;
    if scene.kind(scene.piece.start) != Some(Kind::Word) || words.contains(&word) || named_arm {
        return None;
    }
    let at = scene.span(scene.piece.start);
    if word == "if" || word == "unless" {
        return Some(
            Diagnostic::error(
                codes::OTHER_LANGUAGE,
                at,
                format!("there is no `{word}`"),
                "rules are routes with a condition",
            )
            .help("write `route NAME when CONDITION -> TARGET`; the first that matches wins")
            .help("what may not happen at all is `deny NAME when CONDITION because \"…\"`"),
        );
    }
    let lower = word.to_lowercase();
    if words.contains(&lower.as_str()) {
        return Some(lower_case(at, word, &lower));
    }
    let line = scene.place.line();
    let (code, label) = match scene.place {
        Place::File => (codes::UNKNOWN_STATEMENT, "no statement starts like this".to_owned()),
        Place::Body => (codes::UNKNOWN_DIRECTIVE, "not a route directive".to_owned()),
        _ => (codes::UNKNOWN_DIRECTIVE, format!("no {line} starts like this")),
    };
    let mut error = Diagnostic::error(code, at, format!("unknown {line} `{word}`"), label);
    if scene.place == Place::Body && PARAMETERS.contains(&lower.as_str()) {
        let name = if lower == "max_tokens" { "max_output" } else { &lower };
        let next = scene.text(scene.piece.start + 1);
        let sign = if matches!(next, "=" | "<=" | ">=") { "" } else { " =" };
        let place = if next == ":" { at.to(scene.span(scene.piece.start + 1)) } else { at };
        error =
            error.fix(format!("set the parameter `{name}`"), place, format!("set {name}{sign}"));
    } else if scene.place == Place::File && scene.text(scene.piece.start + 1) == ":" {
        let yaml = "this looks like YAML: a policy in YAML stands in a file that ends in `.yaml`";
        return Some(error.help(yaml));
    } else if let Some(near) = near(scene, &lower, words) {
        error = error.fix(format!("did you mean `{near}`?"), at, near);
    }
    let name = match scene.place {
        Place::File => "statements",
        Place::Body => "directives here",
        _ => "lines here",
    };
    Some(error.note(format!("{name}: {}", words.join(", "))))
}

fn near<'a>(scene: &Scene<'_, '_>, word: &str, words: &[&'a str]) -> Option<&'a str> {
    let synonym = SYNONYMS
        .iter()
        .find(|(place, other, _)| *place == scene.place && *other == word)
        .map(|(_, _, meant)| *meant);
    synonym.or_else(|| did_you_mean(word, words.iter().copied()))
}

/// `route when task == code -> p`, `route "code" when …`
pub fn nameless(scene: &Scene<'_, '_>) -> Option<Diagnostic> {
    let named = scene.place == Place::File && scene.wants_rule(&[Rule::ident]);
    if !named || scene.at != scene.piece.start + 1 {
        return None;
    }
    let (word, here, keyword) = (scene.text(scene.at), scene.here(), scene.keyword());
    let inside = word.trim_matches('"');
    let is_name = inside.starts_with(|c: char| c.is_ascii_alphabetic())
        && inside.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    if scene.kind(scene.at) == Some(Kind::Quoted) {
        let error = Diagnostic::error(
            codes::SYNTAX,
            here,
            format!("the name of a {keyword} is a word, not a text"),
            "names stand without quotes",
        );
        return Some(match is_name {
            true => error.fix("write it without quotes", here, inside),
            false => error.help("names are made of letters, digits, `-` and `_`"),
        });
    }
    if !RESERVED.contains(&word) {
        return None;
    }
    let error = Diagnostic::error(
        codes::SYNTAX,
        here,
        format!("`{word}` cannot be the name of a {keyword}"),
        "a word of the language",
    );
    let example = if keyword == "pool" { "= [..]" } else { word };
    Some(error.help(format!("every {keyword} has a name: `{keyword} NAME {example} …`")))
}

/// `default when …`
pub fn default_with_condition(scene: &Scene<'_, '_>) -> Option<Diagnostic> {
    let here = scene.here();
    (scene.keyword() == "default" && matches!(scene.text(scene.at), "when" | "if")).then(|| {
        Diagnostic::error(
            codes::SYNTAX,
            here,
            "`default` has no condition: it takes every request that no route took",
            "no condition here",
        )
        .help("write `route NAME when …` for some requests, and `default -> TARGET` below it")
    })
}

/// Another statement begins where this one should have ended.
pub fn two_statements(scene: &Scene<'_, '_>) -> Option<Diagnostic> {
    let word = scene.text(scene.at);
    let starts = scene.place.words().contains(&word) && scene.at > scene.piece.start;
    // What stands before it must be a statement of its own.
    let cut = scene.span(scene.at);
    let rest = Span { start: cut.start, end: (scene.start + scene.source.len()) as u32 };
    if !starts || scene.wants(word) || scene.wants("{") && !scene.reads_with(rest, "") {
        return None;
    }
    if !scene.reads_with(rest, "") {
        return None;
    }
    let gap = scene.gap();
    let line = scene.place.line();
    Some(
        Diagnostic::error(
            codes::TWO_ON_A_LINE,
            cut,
            format!("a {line} ends at the end of its line"),
            format!("another {line} begins here"),
        )
        .fix("put it on a line of its own, or behind a `;`", gap, ";"),
    )
}

/// `if`, `then`, `unless`, `where` for `when`
pub fn if_then(scene: &Scene<'_, '_>) -> Option<Diagnostic> {
    let (word, here) = (scene.text(scene.at), scene.here());
    let meant = match word {
        "if" | "where" if scene.wants("when") => "when",
        "when" if scene.wants("where") => "where",
        "unless" if scene.wants("when") => "when not",
        "then" if scene.wants("->") => "->",
        "otherwise" if scene.wants("else") => "else",
        _ => return None,
    };
    Some(
        Diagnostic::error(
            codes::OTHER_LANGUAGE,
            here,
            format!("`{word}` is written `{meant}` here"),
            format!("`{meant}` is meant"),
        )
        .fix(format!("write `{meant}`"), here, meant),
    )
}

/// Tests of other languages, and what they are called here.
const TESTS: &[(&str, &str)] = &[
    ("equals", "=="),
    ("eq", "=="),
    ("ne", "!="),
    ("gt", ">"),
    ("ge", ">="),
    ("gte", ">="),
    ("lt", "<"),
    ("le", "<="),
    ("lte", "<="),
    ("contains", "has"),
    ("includes", "has"),
    ("matching", "matches"),
    ("exists", "is present"),
    ("under", "<"),
    ("over", ">"),
];

/// `task equals chat`, `task is chat`
pub fn other_test(scene: &Scene<'_, '_>) -> Option<Diagnostic> {
    let word = scene.text(scene.at);
    let (place, written, meant) = if scene.wants_rule(&[Rule::existence]) {
        // `is` was read as the start of `is present`.
        let is = scene.before().filter(|i| scene.text(*i) == "is")?;
        (scene.span(is), "is", "==")
    } else {
        let found = TESTS.iter().find(|(written, _)| *written == word && scene.wants("=="))?;
        (scene.here(), found.0, found.1)
    };
    let helps = scene.stop_with(place, meant).is_none_or(|left| left < scene.left());
    helps.then(|| {
        Diagnostic::error(
            codes::OTHER_LANGUAGE,
            place,
            format!("`{written}` is written `{meant}` here"),
            format!("`{meant}` is meant"),
        )
        .fix(format!("write `{meant}`"), place, meant)
    })
}

/// `WHEN`, `Deny`
pub fn upper_case(scene: &Scene<'_, '_>) -> Option<Diagnostic> {
    let word = scene.text(scene.at);
    let lower = word.to_lowercase();
    (lower != word && scene.kind(scene.at) == Some(Kind::Word) && scene.wants(&lower))
        .then(|| lower_case(scene.here(), word, &lower))
}

fn lower_case(at: Span, word: &str, lower: &str) -> Diagnostic {
    Diagnostic::error(
        codes::UPPER_CASE,
        at,
        format!("keywords are lower case: `{lower}`, not `{word}`"),
        "not a keyword like this",
    )
    .fix(format!("write `{lower}`"), at, lower)
}

/// `because Images need a plan`
pub fn missing_quotes(scene: &Scene<'_, '_>) -> Option<Diagnostic> {
    let words = matches!(scene.kind(scene.at)?, Kind::Word | Kind::Amount);
    if !words || !scene.wants_rule(&[Rule::string]) {
        return None;
    }
    // The text goes on to the end of the line, or to what can follow a text.
    let is_end = |i: &usize| {
        matches!(scene.kind(*i), None | Some(Kind::Newline | Kind::Quoted))
            || matches!(scene.text(*i), "{" | "}" | ";" | "->" | "status" | "as" | "ttl" | "]")
            || (scene.text(*i) == "," && scene.wants_rule(&[Rule::globs]))
    };
    let end = (scene.at + 1..=scene.piece.end).find(is_end)?;
    let last = (scene.at..end).next_back()?;
    let place = scene.span(scene.at).to(scene.span(last));
    let text = scene.scan.text[place.range()].trim_end();
    if scene.place == Place::Body
        && scene.stop_with(place, "\"\"").is_some_and(|l| l >= scene.left())
    {
        return None;
    }
    let place = span(place.start as usize, place.start as usize + text.len());
    let plain = !text.contains(['"', '\\']);
    let error = Diagnostic::error(
        codes::MISSING_QUOTES,
        place,
        "a text stands in double quotes",
        "quotes are missing around this",
    );
    Some(match plain {
        true => error.fix("put it in quotes", place, format!("\"{text}\"")),
        false => error,
    })
}

/// `downgrade to cheap`, `pick cheapst`
pub fn misspelt(scene: &Scene<'_, '_>) -> Option<Diagnostic> {
    if scene.kind(scene.at) != Some(Kind::Word) || scene.stops_at_line_end() {
        return None;
    }
    let (word, here) = (scene.text(scene.at), scene.here());
    // Every word of two letters is near to "in", and one letter to every sign.
    let words = scene.words.iter().copied().filter(|w| w.starts_with(char::is_alphabetic));
    let near = did_you_mean(&word.to_lowercase(), words).filter(|_| word.len() > 2)?;
    let helps = scene.stop_with(here, near).is_none_or(|left| left < scene.left());
    helps.then(|| {
        let wanted = scene.wanted();
        Diagnostic::error(
            codes::MISSPELT,
            here,
            format!("`{word}` is not understood here"),
            format!("expected {wanted}"),
        )
        .fix(format!("did you mean `{near}`?"), here, near)
    })
}
