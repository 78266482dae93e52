//! The documentation tells the truth: every block of `docs/language.md` is compiled, tried and run.
//!
//! The words behind a block's opening fence say what it is:
//!
//! - `policy`: a whole policy. Nothing is found in it, its tests pass, and it is formatted.
//! - `file=NAME`: what later blocks import and run under this name, in any language.
//! - `part`: one file of several, which only makes sense with the others.
//! - `prelude`: the pools that the fragments below it stand among.
//! - `fragment`: statements without the pools that they name.
//! - `body`: lines of a route.
//! - `error=CODE`: what is found in it.
//! - `console`: commands behind `$ `, and what they print; `…` stands for anything.
//!
//! `UPDATE=1` lays policies out anew and writes what commands print.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::process::{Command, Stdio};

use pointsman::ids::PolicyName;
use pointsman::policy::diagnostic::{Diagnostic, Severity};
use pointsman::policy::syntax::{format, parse, render};
use pointsman::policy::{Surroundings, compile};

use crate::{CATALOG, path};

const GUIDE: &str = "docs/language.md";

/// What stands between two fences.
struct Block<'t> {
    /// The line of its opening fence.
    line: usize,
    /// Where its text is in the page.
    place: Range<usize>,
    language: &'t str,
    marks: Vec<&'t str>,
    text: &'t str,
}

impl<'t> Block<'t> {
    fn is(&self, mark: &str) -> bool {
        self.marks.contains(&mark)
    }
    fn value(&self, key: &str) -> Option<&'t str> {
        self.marks.iter().find_map(|mark| mark.strip_prefix(key)?.strip_prefix('='))
    }
}

fn blocks(page: &str) -> Vec<Block<'_>> {
    let mut found = Vec::new();
    let mut open: Option<(usize, &str, usize)> = None;
    let mut at = 0;
    for (index, line) in page.split_inclusive('\n').enumerate() {
        match (open, line.trim_end().strip_prefix("```")) {
            (None, Some(info)) => open = Some((index + 1, info, at + line.len())),
            (Some((number, info, start)), Some("")) => {
                let mut words = info.split_whitespace();
                let language = words.next().unwrap_or_default();
                let marks = words.collect();
                let place = start..at;
                found.push(Block { line: number, language, marks, text: &page[start..at], place });
                open = None;
            }
            _ => {}
        }
        at += line.len();
    }
    assert!(open.is_none(), "a block is never closed");
    found
}

#[test]
fn every_block_of_the_language_guide_is_true() {
    let page = std::fs::read_to_string(path(GUIDE)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut files = HashMap::new();
    let mut prelude = "";
    let update = std::env::var_os("UPDATE").is_some();
    let mut wrong = Vec::new();
    let all = blocks(&page);
    assert!(all.iter().filter(|block| block.language == "policy").count() >= 36);
    let mut anew = Vec::new();
    for block in &all {
        if let Some(name) = block.value("file") {
            let file = folder.path().join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, block.text).unwrap();
            files.insert(name.to_owned(), block.text.to_owned());
        }
        if block.is("prelude") {
            prelude = block.text;
        }
        let told = match block.language {
            "policy" => policy(block, prelude, &files),
            "console" => Ok(commands(block, folder.path())),
            _ => continue,
        };
        match told {
            Ok(text) if text == block.text => {}
            Ok(text) if update => anew.push((block.place.clone(), text)),
            Ok(text) => wrong.push(format!("{GUIDE}:{}: should be:\n{text}", block.line)),
            Err(reason) => wrong.push(format!("{GUIDE}:{}: {reason}", block.line)),
        }
    }
    if update {
        let mut updated = page.clone();
        for (place, text) in anew.into_iter().rev() {
            updated.replace_range(place, &text);
        }
        std::fs::write(path(GUIDE), updated).unwrap();
    }
    assert!(wrong.is_empty(), "UPDATE=1 takes layouts and outputs over\n{}", wrong.join("\n"));
}

/// The text of a block as it should be, or what is wrong with it.
fn policy(
    block: &Block<'_>,
    prelude: &str,
    files: &HashMap<String, String>,
) -> Result<String, String> {
    let (head, tail) = match () {
        () if block.is("body") => (
            format!("{prelude}route example when task == code -> small {{\n"),
            "}\ndefault -> large\n",
        ),
        () if block.is("fragment") => (prelude.to_owned(), "default -> small\n"),
        () => (String::new(), ""),
    };
    let text = format!("{head}{}{tail}", block.text);
    let read = |name: &str| files.get(name).cloned().ok_or_else(|| "no such file".to_owned());
    let surroundings = Surroundings::new(&CATALOG, &read);
    let compiled =
        compile(&PolicyName::new("guide"), "guide.policy", &text, &surroundings).tested();
    if let Some(code) = block.value("error") {
        let codes: Vec<&str> = compiled.diagnostics.iter().map(|found| found.code.0).collect();
        return match codes.contains(&code) {
            true => Ok(block.text.to_owned()),
            false => Err(format!("found {codes:?}, not {code}")),
        };
    }
    if block.is("part") || block.is("prelude") {
        let parsed = parse(block.text);
        return match parsed.diagnostics.first() {
            None => Ok(format(&parsed.file)),
            Some(found) => Err(found.message.clone()),
        };
    }
    // Nobody uses all of the prelude's pools at once.
    let counts = |found: &&Diagnostic| {
        let here = head.len()..head.len() + block.text.len();
        found.severity == Severity::Error || here.contains(&(found.primary.span.start as usize))
    };
    let found: Vec<String> = compiled
        .diagnostics
        .iter()
        .filter(counts)
        .map(|found| render(found, &compiled.sources, false))
        .collect();
    if !found.is_empty() {
        return Err(found.join("\n"));
    }
    if block.is("body") {
        let laid_out = format(&parse(&format!("defaults {{\n{}}}\n", block.text)).file);
        let lines: Vec<&str> = laid_out.lines().collect();
        let lines = lines[1..lines.len() - 1].iter();
        return Ok(lines
            .map(|line| format!("{}\n", line.strip_prefix("  ").unwrap_or(line)))
            .collect());
    }
    Ok(format(&parse(block.text).file))
}

/// The commands of a block, each with what it prints; as shown, where that fits.
fn commands(block: &Block<'_>, folder: &Path) -> String {
    let mut told = String::new();
    for shown in block.text.split("$ ").skip(1) {
        let (command, shown) = shown.split_once('\n').unwrap();
        let mut words = words(command).into_iter();
        assert_eq!(words.next().as_deref(), Some("pointsman"), "{command}");
        let output = Command::new(env!("CARGO_BIN_EXE_pointsman"))
            .args(words)
            .current_dir(folder)
            .env_clear()
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        let said: String = said.lines().map(|line| format!("{}\n", line.trim_end())).collect();
        told += &format!("$ {command}\n");
        told += &if fits(shown, &said) { shown.to_owned() } else { lasting(&said) };
    }
    told
}

/// The words of a command line; single quotes hold blanks.
fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, piece) in command.split('\'').enumerate() {
        match index % 2 {
            0 => words.extend(piece.split_whitespace().map(str::to_owned)),
            _ => words.push(piece.to_owned()),
        }
    }
    words
}

/// Whether something is as it is shown, where `…` stands for anything.
fn fits(shown: &str, said: &str) -> bool {
    let mut pieces = shown.split('…');
    let Some(mut rest) = said.strip_prefix(pieces.next().unwrap_or_default()) else { return false };
    let pieces: Vec<&str> = pieces.collect();
    let Some((last, between)) = pieces.split_last() else { return rest.is_empty() };
    for piece in between {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last)
}

/// Without what changes from day to day: names of versions, which depend on the whole catalogue, and
/// times.
fn lasting(said: &str) -> String {
    let mut told = said.to_owned();
    for before in ["generation ", "catalogue ", "finished in "] {
        let mut pieces = told.split(before);
        let mut without = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            let rest = piece.trim_start_matches(|c: char| c.is_ascii_hexdigit() || c == '.');
            without += &format!("{before}…{rest}");
        }
        told = without;
    }
    told
}

#[test]
fn what_is_left_out_fits_anything() {
    assert!(fits("a\n", "a\n"));
    assert!(fits("a … c\n", "a b c\n"));
    assert!(fits("…c\n", "a b c\n"));
    assert!(fits("a\n…", "a\nb\n"));
    assert!(!fits("a\n", "a\nb\n"));
    assert!(!fits("a … d … c\n", "a b c\n"));
    assert_eq!(
        words("pointsman explain p --given 'a = b, c'"),
        ["pointsman", "explain", "p", "--given", "a = b, c"]
    );
    assert_eq!(lasting("good (generation 12ab34)\n"), "good (generation …)\n");
}
