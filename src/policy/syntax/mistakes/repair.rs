//! Repairs found by trying: what makes the statement readable is probably what was meant.

use crate::policy::codes;
use crate::policy::diagnostic::{Diagnostic, did_you_mean};

use super::super::scan::Kind;
use super::super::tree::Span;
use super::super::words::Place;
use super::Scene;

/// Signs and words that stand between other things, so that leaving one out is easily done.
const BETWEEN: &[&str] = &[
    "->", "because", "else", "when", "where", "=", "to", "per", "by", "for", "ttl", "request",
    "models", "after", "==", "and", "or", ",", "{", "from", ":", "on", "in", "model", "(", "[",
    ")", "]", "only",
];

/// One word or sign is missing: `route x when a small`, `limit … deny`.
pub fn insertion(scene: &Scene<'_, '_>) -> Option<Diagnostic> {
    let gap = scene.gap();
    let at_end = scene.kind(scene.at).is_none();
    let candidates = BETWEEN.iter().filter(|word| scene.wants(word));
    let found: Vec<&str> = candidates
        .filter(|word| !at_end && scene.reads_with(gap, &format!(" {word} ")))
        .copied()
        .take(3)
        .collect();
    let (first, others) = found.split_first()?;
    let mut names = format!("`{first}`");
    if let Some((last, middle)) = others.split_last() {
        middle.iter().for_each(|word| names.push_str(&format!(", `{word}`")));
        names.push_str(&format!(" or `{last}`"));
    }
    let code = match *first {
        "->" => codes::MISSING_ARROW,
        _ => codes::MISSING_WORD,
    };
    let mut error = Diagnostic::error(
        code,
        gap,
        format!("{names} is missing before {}", scene.found()),
        format!("expected {names}"),
    );
    for word in found {
        let blank = if matches!(word, ":" | "," | ")" | "]") { "" } else { " " };
        error = error.fix(format!("add `{word}`"), gap, format!("{blank}{word}"));
    }
    Some(error)
}

/// What a statement still needs when it ends too early, in order of importance.
const NEEDS: &[(&str, &str, &str)] = &[
    ("->", "this {} leads nowhere", "end it with `-> TARGET`: a pool, ladder, split or model"),
    ("because", "this {} does not say why", "end it with `because \"what the caller is told\"`"),
    ("else", "this {} does not say what happens", "add `else deny`, `else queue 10s`, …"),
];

/// The statement stops before it has said what it must.
pub fn unfinished(scene: &Scene<'_, '_>) -> Option<Diagnostic> {
    if scene.kind(scene.at).is_some() {
        return None;
    }
    let (word, message, help) = NEEDS.iter().find(|(word, _, _)| scene.wants(word))?;
    let code = if *word == "->" { codes::MISSING_ARROW } else { codes::MISSING_WORD };
    let message = message.replace("{}", &format!("`{}`", scene.keyword()));
    Some(
        Diagnostic::error(code, scene.gap(), message, format!("expected `{word}` here"))
            .help(*help),
    )
}

/// A keyword was misspelt so that it passed for a name: `pool p = modles where …`.
pub fn misspelt_before(scene: &Scene<'_, '_>) -> Option<Diagnostic> {
    const WORDS: &[&str] = &[
        "models",
        "script",
        "classifier",
        "header",
        "every",
        "some",
        "model",
        "denied",
        "answered",
        "enum",
        "not",
    ];
    let first = scene.at.saturating_sub(4).max(scene.piece.start + 1);
    (first..scene.at).rev().find_map(|index| {
        let word = scene.text(index);
        if scene.kind(index) != Some(Kind::Word) {
            return None;
        }
        let near = did_you_mean(&word.to_lowercase(), WORDS.iter().copied())?;
        let place = scene.span(index);
        scene.reads_with(place, near).then(|| {
            Diagnostic::error(
                codes::MISSPELT,
                place,
                format!("`{word}` is not understood here"),
                format!("`{near}` is meant"),
            )
            .fix(format!("did you mean `{near}`?"), place, near)
        })
    })
}

/// One thing is too much, or a statement goes on behind its end.
pub fn removal(scene: &Scene<'_, '_>) -> Option<Diagnostic> {
    scene.kind(scene.at)?;
    let here = scene.span(scene.at);
    // What somebody put into numbers and texts is not thrown away.
    let is_value = matches!(scene.kind(scene.at), Some(Kind::Amount | Kind::Quoted));
    // Words that stood apart must not run together.
    let joins = scene.scan.text_of(scene.at) == "..";
    if scene.at > scene.piece.start && !is_value && !joins && scene.reads_with(here, "") {
        let written = scene.found();
        return Some(
            Diagnostic::error(
                codes::SYNTAX,
                here,
                format!("{} is one thing too many", scene.found()),
                match scene.wanted() {
                    wanted if wanted.is_empty() => "not understood here".to_owned(),
                    wanted => format!("expected {wanted}"),
                },
            )
            .fix(format!("remove {written}"), here, ""),
        );
    }
    let rest = Span { start: here.start, end: (scene.start + scene.source.len()) as u32 };
    let ends = scene.place != Place::File && scene.reads_with(rest, "");
    ends.then(|| {
        let error = scene.plain(codes::SYNTAX);
        error.help(format!("the {} could end before this", scene.place.line()))
    })
}
