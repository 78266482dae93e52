//! The pages of the codes: their examples are true, and `docs/codes.md` is made of them.

use std::fmt::Write;
use std::ops::Range;

use pointsman::ids::PolicyName;
use pointsman::policy::codes::{PAGES, Page};
use pointsman::policy::diagnostic::{Diagnostic, Severity};
use pointsman::policy::{Surroundings, compile};

use crate::{CATALOG, path};

const PAGE: &str = "docs/codes.md";

/// Codes whose examples are no statements that could be compiled by themselves: texts past the limits,
/// a code of earlier versions, YAML (`syntax::tests` reads that), models that retire; scripts, imported
/// files and what waits for a later version have a test of their own.
const NOT_COMPILED: &[&str] = &[
    "P0001", "P0002", "P0040", "P0041", "P0042", "P0043", "P0044", "P2010", "P3001", "P3016",
    "P3017", "P3018", "P3900", "P4014",
];

/// What the examples take for granted: each line is added where an example uses its name and does not
/// declare it.
const DECLARED: &[(&str, &str)] = &[
    ("a", "pool a = [sim/tiny]"),
    ("b", "pool b = [sim/small]"),
    ("p", "pool p = [sim/tiny]"),
    ("q", "pool q = [sim/small]"),
    ("small", "pool small = [sim/tiny, sim/small]"),
    ("large", "pool large = [sim/large]"),
    ("cheap", "pool cheap = [sim/tiny]"),
    ("vision", "pool vision = [sim/vision]"),
    ("text-only", "pool text-only = [sim/reasoner]"),
    (
        "climb",
        "ladder climb { hold full; step a -> sim/tiny escalate when failed; step b -> sim/small }",
    ),
    ("a", "let a = request.stream"),
    ("b", "let b = request.audio"),
    ("c", "let c = request.logprobs"),
    ("d", "let d = request.has_system"),
    ("e", "let e = request.cache_control"),
    ("f", "let f = request.tool_results"),
    ("g", "let g = request.n > 1"),
    ("h", "let h = request.images > 1"),
    ("i", "let i = request.files > 1"),
    ("j", "let j = request.messages > 5"),
    ("k", "let k = input.tokens > 5k"),
    ("l", "let l = request.tools > 3"),
    ("m", "let m = key.env == dev"),
    ("n", "let n = task == math"),
    ("o", "let o = session.turn > 3"),
    ("p", "let p = request.bytes > 1MB"),
    ("q", "let q = router.queue > 5"),
    ("r", "let r = router.inflight > 5"),
    ("tier", "enum tier = free | pro | enterprise"),
];

/// An example may be whole statements or lines of some block.
const AROUND: &[(&str, &str)] = &[
    ("", "default -> p\n"),
    ("", ""),
    ("route w when request.audio -> p {\n", "}\ndefault -> q\n"),
    ("budget w $1 per day per key.id {\n", "}\ndefault -> q\n"),
    ("experiment w by user.id {\narm one 10% -> p\narm two rest -> q\n", "}\ndefault -> w\n"),
    ("ladder w {\n", "}\ndefault -> w\n"),
    ("route quick when input.tokens < 2k -> p\n", "default -> q\n"),
    ("pool w = small\n", "default -> w\n"),
    ("test \"w\" {\nexpect status == 200\n", "}\ndefault -> w\npool w = [sim/tiny, sim/small]\n"),
    (
        "test \"w\" {\nexpect status == 200\n",
        "}\nladder w {\nhold full\nstep a -> sim/tiny escalate when refused\nstep b -> sim/small\n}\ndefault -> w\n",
    ),
];

const TARGETS: &[&str] = &["pool", "ladder", "split", "experiment"];

fn declares(text: &str, line: &str) -> bool {
    let head = line.split(" =").next().unwrap_or_default();
    let name = head.split_whitespace().nth(1).unwrap_or_default();
    let words: &[&str] = match TARGETS.iter().any(|word| head.starts_with(word)) {
        true => TARGETS,
        false => &["let", "enum", "schedule"],
    };
    text.lines().any(|line| {
        let mut found = line.split_whitespace();
        found.next().is_some_and(|word| words.contains(&word)) && found.next() == Some(name)
    })
}

fn uses(text: &str, name: &str) -> bool {
    let words = text.split(|c: char| !(c.is_alphanumeric() || c == '-' || c == '_'));
    words.into_iter().any(|word| word == name)
}

/// What is found in an example between other lines, and where it stands.
fn found(example: &str, around: (&str, &str)) -> (Vec<Diagnostic>, Range<usize>) {
    let (head, tail) = around;
    let body = format!("{head}{example}\n{tail}");
    let mut text = String::new();
    for (name, line) in DECLARED {
        if uses(&body, name) && !declares(&body, line) {
            writeln!(text, "{line}").unwrap();
        }
    }
    let from = text.len() + head.len();
    text += &body;
    let files = |name: &str| match name {
        "house-style.txt" => Ok("Be brief.".to_owned()),
        _ => Err("no such file".to_owned()),
    };
    let surroundings = Surroundings::new(&CATALOG, &files);
    let compiled = compile(&PolicyName::new("p"), "p.policy", &text, &surroundings).tested();
    (compiled.diagnostics, from..from + example.len() + 1)
}

#[test]
fn examples_of_the_pages_are_true() {
    let mut wrong = Vec::new();
    for page in PAGES.iter().filter(|page| !NOT_COMPILED.contains(&page.code.0)) {
        let inside = |found: &Diagnostic, place: &Range<usize>| {
            let span = found.primary.span;
            (span.start as usize) < place.end
                && place.start < (span.end as usize).max(span.start as usize + 1)
        };
        let is_bad = |around| {
            let (all, place) = found(page.bad, around);
            all.iter().any(|one| one.code == page.code && inside(one, &place))
        };
        let is_good = |around| {
            let (all, place) = found(page.good, around);
            !all.iter().any(|one| {
                inside(one, &place) && (one.code == page.code || one.severity == Severity::Error)
            })
        };
        if !AROUND.iter().any(|around| is_bad(*around)) {
            wrong.push(told(page, "not found in", page.bad));
        }
        if !AROUND.iter().any(|around| is_good(*around)) {
            wrong.push(told(page, "something is wrong with", page.good));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn told(page: &Page, what: &str, example: &str) -> String {
    let mut told = format!("{} {what}\n{example}", page.code);
    for around in AROUND {
        let (all, place) = found(example, *around);
        for one in all {
            let (span, code) = (one.primary.span, one.code);
            write!(told, "\n  {code} {span:?} of {place:?} {}", one.message).unwrap();
        }
        told += "\n  --";
    }
    told
}

/// The examples of a code.
fn examples(code: &str) -> (&'static str, &'static str) {
    let page = pointsman::policy::codes::page(code).unwrap();
    (page.bad, page.good)
}

/// The codes of what is found in a policy that names one other file, and of what it waits for.
fn codes_with(text: &str, file: &str, content: &str) -> Vec<&'static str> {
    let files = |name: &str| match name == file {
        true => Ok(content.to_owned()),
        false => Err("no such file".to_owned()),
    };
    let surroundings = Surroundings::new(&CATALOG, &files);
    let compiled = compile(&PolicyName::new("p"), "p.policy", text, &surroundings);
    let waiting = compiled.program.iter().flat_map(|program| &program.waiting);
    compiled.diagnostics.iter().chain(waiting).map(|found| found.code.0).collect()
}

#[test]
fn examples_that_need_other_files_are_true() {
    let (bad, good) = examples("P2010");
    let scored = "attribute signal.x: float 0..1 from script \"x.rhai\" else 0\n\
                  route r when signal.x > 0.5 -> sim/small\ndefault -> sim/tiny\n";
    assert_eq!(codes_with(scored, "x.rhai", bad), ["P2010"]);
    assert_eq!(codes_with(scored, "x.rhai", good), [] as [&str; 0]);

    let (bad, good) = examples("P3016");
    let importing = "import \"x.policy\" as x\ndefault -> sim/tiny\n";
    assert_eq!(codes_with(importing, "x.policy", bad), ["P3016"]);
    let team = "route code when task == code -> sim/small\n";
    let delegating = format!("{good}\ndefault -> sim/tiny\n");
    assert_eq!(codes_with(&delegating, "teams/search.policy", team), [] as [&str; 0]);

    let (bad, good) = examples("P3900");
    let codes = |text: &str| codes_with(&format!("{text}\ndefault -> sim/large\n"), "", "");
    assert_eq!(codes(bad), ["P3900"]);
    assert_eq!(codes(good), [] as [&str; 0]);
}

/// Words in lines of at most so many characters.
fn wrapped(text: &str, width: usize) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        if lines.last().is_some_and(|line| line.len() + 1 + word.len() > width) {
            lines.push(String::new());
        }
        let Some(line) = lines.last_mut() else { continue };
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.join("\n")
}

const RANGES: &[(&str, &str)] = &[
    ("P0", "Layout and syntax"),
    ("P1", "Names"),
    ("P2", "Types and units"),
    ("P3", "Structure"),
    ("P4", "Analysis"),
    ("P5", "Proofs"),
    ("P6", "Tests"),
];

/// `UPDATE=1` writes it anew.
#[test]
fn the_page_of_all_codes_is_up_to_date() {
    let mut page = "# What the findings mean\n\nEvery finding has a code that keeps its meaning for ever. \
        `pointsman explain P2003` prints one of these entries,\nand editors show it on hover. This page is \
        made of the same texts; `UPDATE=1 cargo test --test policies` writes it anew.\n"
        .to_owned();
    for (range, title) in RANGES {
        write!(page, "\n## {range}: {title}\n").unwrap();
        for entry in PAGES.iter().filter(|page| page.code.0.starts_with(range)) {
            let language = match entry.code.0 {
                yaml if yaml.starts_with("P004") => "yaml",
                "P2010" => "rhai",
                _ => "policy",
            };
            let Page { code, title, explanation, bad, good } = entry;
            let explanation = wrapped(explanation, 120);
            write!(
                page,
                "\n### {code}: {title}\n\n{explanation}\n\nWrong:\n\n```{language}\n{bad}\n```\n\nRight:\n\n\
                 ```{language}\n{good}\n```\n"
            )
            .unwrap();
        }
    }
    let entries = page.lines().filter(|line| line.starts_with("### ")).count();
    assert_eq!(entries, PAGES.len(), "a code is in no range");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path(PAGE), &page).unwrap();
    }
    let before = std::fs::read_to_string(path(PAGE)).unwrap_or_default();
    assert!(before == page, "{PAGE} is out of date: UPDATE=1 writes it anew");
}
