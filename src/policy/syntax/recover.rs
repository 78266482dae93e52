//! Reading what can be read of a text that the grammar refuses.
//!
//! The text is cut into statements by its lines, each is parsed alone, and a broken one with a block
//! is read as its head and the lines of its block. So one run reports every broken statement, and
//! the healthy ones, even inside a broken block, are in the tree.

use std::ops::Range;

use crate::policy::codes;
use crate::policy::diagnostic::{Diagnostic, did_you_mean};

use super::MAX_FINDINGS;
use super::grammar::{self, Rule, Stop};
use super::lower::{Lower, P};
use super::mistakes::{self, Scene};
use super::scan::{Kind, Scan};
use super::tree::{
    Arm, Block, Claim, ExperimentLine, File, Item, Line, Mark, Rung, Stmt, TestLine,
};
use super::words::{CONTINUE, CONTINUE_ITEM, DANGLING, Place};

/// What could be read, and everything that could not.
pub struct Recovered {
    /// The healthy statements.
    pub file: File,
    /// What is wrong, in the order of the file.
    pub diagnostics: Vec<Diagnostic>,
    /// Names that broken statements seem to declare.
    pub broken: Vec<String>,
}

/// Reads statement by statement. `stop` is where the file as a whole could not be read.
pub fn recover(scan: &Scan<'_>, stop: Option<Stop>) -> Recovered {
    let mut recovery = Recovery {
        scan,
        lower: Lower::new(scan),
        diagnostics: scan.faults.iter().take(MAX_FINDINGS).cloned().collect(),
        broken: Vec::new(),
    };
    let mut items = Vec::new();
    recovery.pieces::<Item>(0..scan.tokens.len(), Place::File, 0, &mut items);
    let from = items.last().map_or(0, |line: &Line<Item>| line.span.end);
    let tail = recovery.lower.tail(&mut items, from, scan.text.len() as u32);
    let mut diagnostics = recovery.diagnostics;
    diagnostics.append(&mut recovery.lower.diagnostics);
    if diagnostics.is_empty()
        && let Some(stop) = stop
    {
        // Every piece is fine and the whole is not: never let that pass for a healthy file.
        let scene = Scene::new(scan, Place::File, 0..scan.tokens.len(), 0, None, &stop);
        diagnostics.push(mistakes::explain(&scene));
    }
    Recovered { file: File { items, tail }, diagnostics, broken: recovery.broken }
}

struct Recovery<'s, 't> {
    scan: &'s Scan<'t>,
    lower: Lower<'t>,
    diagnostics: Vec<Diagnostic>,
    broken: Vec<String>,
}

/// A kind of line that blocks are made of.
trait Piece: Sized {
    /// Reads one.
    fn lower(lower: &mut Lower<'_>, pair: P<'_>) -> Option<Self>;
    /// Gives a statement, read without its block, the lines that were read from the block.
    fn graft(&mut self, _lines: Lines) {}
}

/// The lines of any block.
enum Lines {
    Stmts(Vec<Line<Stmt>>),
    Rungs(Vec<Line<Rung>>),
    Arms(Vec<Line<Arm>>),
    Trials(Vec<Line<ExperimentLine>>),
    Marks(Vec<Line<Mark>>),
    Claims(Vec<Line<Claim>>),
    Probes(Vec<Line<TestLine>>),
}

impl Piece for Item {
    fn lower(lower: &mut Lower<'_>, pair: P<'_>) -> Option<Self> {
        lower.item(pair)
    }
    fn graft(&mut self, lines: Lines) {
        match (self, lines) {
            (
                Item::Route { body: Some(block), .. } | Item::Default { body: Some(block), .. },
                Lines::Stmts(lines),
            )
            | (Item::Defaults(block) | Item::Tune { body: block, .. }, Lines::Stmts(lines)) => {
                fill(block, lines);
            }
            (Item::Ladder { rungs, .. }, Lines::Rungs(lines)) => fill(rungs, lines),
            (Item::Split { arms, .. }, Lines::Arms(lines)) => fill(arms, lines),
            (Item::Experiment { lines: block, .. }, Lines::Trials(lines)) => fill(block, lines),
            (Item::Budget { marks, .. }, Lines::Marks(lines)) => fill(marks, lines),
            (Item::Invariant { claims, .. }, Lines::Claims(lines)) => fill(claims, lines),
            (Item::Test { lines: block, .. }, Lines::Probes(lines)) => fill(block, lines),
            _ => {}
        }
    }
}

impl Piece for Rung {
    fn lower(lower: &mut Lower<'_>, pair: P<'_>) -> Option<Self> {
        lower.rung(pair)
    }
    fn graft(&mut self, lines: Lines) {
        if let (Rung::Step { body: Some(block), .. }, Lines::Stmts(lines)) = (self, lines) {
            fill(block, lines);
        }
    }
}

macro_rules! plain_piece {
    ($($ty:ty, $read:ident;)*) => {
        $(impl Piece for $ty {
            fn lower(lower: &mut Lower<'_>, pair: P<'_>) -> Option<Self> {
                lower.$read(pair)
            }
        })*
    };
}

plain_piece! {
    Stmt, stmt;
    Arm, arm;
    ExperimentLine, trial;
    Mark, mark;
    Claim, claim;
    TestLine, probe;
}

fn fill<T>(block: &mut Block<T>, lines: Vec<Line<T>>) {
    block.lines = lines;
}

impl Recovery<'_, '_> {
    /// Reads the statements in a range of tokens; `from` is where the space before them starts.
    fn pieces<T: Piece>(
        &mut self,
        range: Range<usize>,
        place: Place,
        mut from: u32,
        lines: &mut Vec<Line<T>>,
    ) {
        let mut foreign = false;
        for piece in cut(self.scan, range, place) {
            // What is indented below a statement of another language belongs to that statement.
            if foreign && !self.scan.in_first_column(piece.start) && !self.is_known(&piece, place) {
                continue;
            }
            let found = self.diagnostics.len();
            foreign = place == Place::File && !self.is_known(&piece, place);
            self.piece(piece, place, &mut from, lines);
            foreign &= self.diagnostics.len() > found;
        }
    }

    fn piece<T: Piece>(
        &mut self,
        piece: Range<usize>,
        place: Place,
        from: &mut u32,
        lines: &mut Vec<Line<T>>,
    ) {
        let (start, end) = self.bytes(&piece);
        if self.scan.partner[piece.start].is_none()
            && matches!(self.scan.text_of(piece.start), "}" | ")" | "]")
        {
            return; // A stray bracket; the scan has said so.
        }
        let text = &self.scan.text[start..end];
        match grammar::run(place.rule(), text) {
            Ok(mut pairs) => {
                self.lower.base = start;
                let inner = pairs.next().and_then(|whole| whole.into_inner().next());
                if let Some(pair) = inner.filter(|pair| pair.as_rule() != Rule::EOI) {
                    self.lower.line(pair, lines, from, &mut T::lower);
                }
            }
            Err(stop) => self.broken(piece, place, stop, from, lines),
        }
    }

    fn broken<T: Piece>(
        &mut self,
        piece: Range<usize>,
        place: Place,
        stop: Stop,
        from: &mut u32,
        lines: &mut Vec<Line<T>>,
    ) {
        if self.diagnostics.len() >= MAX_FINDINGS {
            return;
        }
        let (start, end) = self.bytes(&piece);
        let word = self.scan.text_of(piece.start);
        let known = place.words().contains(&word);
        let near = || did_you_mean(word, place.words().iter().copied());
        let keyword = if known { word } else { near().unwrap_or(word) };
        let block = Place::of(keyword)
            .filter(|_| place == Place::File || keyword == "step")
            .and_then(|inside| Some((inside, self.block_of(&piece)?)));
        let Some((inside, open)) = block else {
            self.lose(&piece, place);
            let faulty = self.has_fault(&piece);
            self.diagnose(Scene::new(self.scan, place, piece, start, None, &stop), faulty);
            return;
        };
        let close = self.scan.partner[open].unwrap_or(piece.end);
        let body_start = self.scan.tokens[open].span.end as usize;
        let found = self.diagnostics.len();
        let inner = self.block(inside, open + 1..close, body_start as u32);
        if found < self.diagnostics.len() {
            // Lines are missing, so the checker cannot judge the block as a whole.
            self.lose(&piece, place);
        }

        // The head, with the block's inside blanked out so that every byte keeps its place.
        let mut head = self.scan.text[start..body_start].to_owned();
        match self.scan.tokens.get(close).filter(|_| close < piece.end) {
            Some(closer) => {
                let closer = closer.span.start as usize;
                head.push_str(&" ".repeat(closer - body_start));
                head.push_str(&self.scan.text[closer..end]);
            }
            None => head.push('}'),
        }
        match grammar::run(place.rule(), &head) {
            Ok(mut pairs) => {
                self.lower.base = start;
                if let Some(pair) = pairs.next().and_then(|whole| whole.into_inner().next()) {
                    let count = lines.len();
                    self.lower.line(pair, lines, from, &mut T::lower);
                    if let Some(line) = lines.get_mut(count) {
                        line.node.graft(inner);
                    }
                }
                if found == self.diagnostics.len() {
                    // Head and lines are fine, the whole is not: two lines that run together.
                    let faulty = self.has_fault(&piece);
                    self.diagnose(Scene::new(self.scan, place, piece, start, None, &stop), faulty);
                }
            }
            Err(stop) => {
                self.lose(&piece, place);
                let after = close.saturating_add(1).min(piece.end);
                let faulty =
                    self.has_fault(&(piece.start..open)) || self.has_fault(&(after..piece.end));
                let head = Some(head.as_str());
                self.diagnose(Scene::new(self.scan, place, piece, start, head, &stop), faulty);
            }
        }
    }

    fn block(&mut self, inside: Place, range: Range<usize>, from: u32) -> Lines {
        macro_rules! lines {
            ($variant:ident) => {{
                let mut lines = Vec::new();
                self.pieces(range, inside, from, &mut lines);
                Lines::$variant(lines)
            }};
        }
        match inside {
            Place::File | Place::Body => lines!(Stmts),
            Place::Ladder => lines!(Rungs),
            Place::Split => lines!(Arms),
            Place::Experiment => lines!(Trials),
            Place::Budget => lines!(Marks),
            Place::Invariant => lines!(Claims),
            Place::Test => lines!(Probes),
        }
    }

    /// Remembers the name that an unreadable item would have declared.
    fn lose(&mut self, piece: &Range<usize>, place: Place) {
        // Somebody's default may be in what is no statement at all, or runs together with another.
        let holds_default = || piece.clone().any(|index| self.scan.text_of(index) == "default");
        if place == Place::File && (!self.is_known(piece, place) || holds_default()) {
            self.broken.push("default".to_owned());
        }
        let name = piece.start + 1;
        let is_word = self.scan.tokens.get(name).is_some_and(|token| token.kind == Kind::Word);
        if place == Place::File && piece.contains(&name) && is_word {
            // An attribute's name goes on behind dots and brackets.
            let rest = &self.scan.text[self.scan.tokens[name].span.start as usize..];
            let end = rest.find([' ', '\t', '\r', '\n', ':', '=', '{']).unwrap_or(rest.len());
            self.broken.push(rest[..end].to_owned());
        }
    }

    /// Explains a statement. Where the scan has already found a bracket or a quote at fault, only
    /// what explains that better is added.
    fn diagnose(&mut self, scene: Scene<'_, '_>, faulty: bool) {
        let diagnostic = mistakes::explain(&scene);
        if faulty && diagnostic.code != codes::MISSING_BRACE {
            return;
        }
        if diagnostic.code == codes::MISSING_BRACE {
            // Its `}` has nothing to close only because of that.
            let (start, _) = self.bytes(&scene.piece);
            let mut after = scene.piece.end..self.scan.tokens.len();
            let next = after.find(|index| self.scan.tokens[*index].kind != Kind::Newline);
            let end = next.map_or(self.scan.text.len(), |i| self.scan.tokens[i].span.start as usize);
            self.diagnostics.retain(|other| {
                other.code != codes::STRAY_BRACKET
                    || !(start..=end).contains(&(other.primary.span.start as usize))
            });
        }
        self.diagnostics.push(diagnostic);
    }

    /// Whether the piece starts with a word that lines here start with.
    fn is_known(&self, piece: &Range<usize>, place: Place) -> bool {
        place.words().contains(&self.scan.text_of(piece.start))
    }

    /// The opening brace of the piece's block.
    fn block_of(&self, piece: &Range<usize>) -> Option<usize> {
        let mut index = piece.start;
        while index < piece.end {
            match self.scan.text_of(index) {
                "{" => return Some(index),
                "(" | "[" => index = self.scan.partner[index].unwrap_or(index),
                _ => {}
            }
            index += 1;
        }
        None
    }

    /// Whether the scan has already reported something about these tokens.
    fn has_fault(&self, piece: &Range<usize>) -> bool {
        self.scan.tokens[piece.clone()].iter().zip(piece.clone()).any(|(token, index)| {
            token.kind == Kind::Unclosed
                || (self.scan.partner[index].is_none()
                    && matches!(self.scan.str(*token), "(" | ")" | "[" | "]" | "{" | "}"))
        })
    }

    fn bytes(&self, piece: &Range<usize>) -> (usize, usize) {
        bytes(self.scan, piece)
    }
}

/// From the first byte of a piece to behind its last.
pub fn bytes(scan: &Scan<'_>, piece: &Range<usize>) -> (usize, usize) {
    let first = scan.tokens.get(piece.start).map_or(scan.text.len(), |t| t.span.start as usize);
    let last = piece.end.checked_sub(1).and_then(|last| scan.tokens.get(last));
    (first, last.map_or(first, |t| t.span.end as usize).max(first))
}

/// Cuts a range of tokens into statements: at line ends and `;` outside of brackets, where the next
/// line does not carry the statement on.
fn cut(scan: &Scan<'_>, range: Range<usize>, place: Place) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    let mut start: Option<usize> = None;
    let mut last = range.start; // one past the last token of the piece that is not a line end
    let mut braced = false; // whether the piece has a block already
    let mut index = range.start;
    while index < range.end {
        let (token, word) = (scan.tokens[index], scan.text_of(index));
        let ends = word == ";";
        let begins = token.kind != Kind::Newline && !ends;
        if ends {
            pieces.extend(start.take().map(|first| first..last));
        } else if begins {
            if let Some(first) = start
                && scan.starts_line(index)
                && !goes_on(scan, first..last, braced, index, place)
            {
                pieces.push(first..last);
                start = None;
            }
            if start.is_none() {
                (start, braced) = (Some(index), false);
            }
            braced |= word == "{";
            // A whole bracket at once: nothing inside of it ends a statement.
            if matches!(word, "(" | "[" | "{")
                && let Some(partner) = scan.partner[index]
                && partner < range.end
            {
                index = partner;
            } else if word == "{" && place == Place::File && scan.partner[index].is_none() {
                // A block that is never closed goes on to the next item.
                while index + 1 < range.end
                    && !(scan.in_first_column(index + 1) && scan.looks_like_item(index + 1))
                {
                    index += 1;
                }
            }
            last = index + 1;
        }
        index += 1;
    }
    pieces.extend(start.map(|first| first..last));
    pieces
}

/// Whether the line that starts at `index` carries on the statement `piece`.
fn goes_on(scan: &Scan<'_>, piece: Range<usize>, braced: bool, index: usize, place: Place) -> bool {
    let Range { start: first, end: last } = piece;
    let word = scan.text_of(index);
    if place == Place::File && scan.in_first_column(index) && scan.looks_like_item(index) {
        return false;
    }
    if CONTINUE.contains(&word) || matches!(word, "->" | "=>" | "{" | "|") {
        return true;
    }
    if place == Place::File && CONTINUE_ITEM.contains(&word) {
        return true;
    }
    if last > first && DANGLING.contains(&scan.text_of(last - 1)) {
        return true;
    }
    // Lines of a block whose `{` is missing.
    place == Place::File
        && !scan.looks_like_item(index)
        && !braced
        && Place::of(scan.text_of(first)).is_some_and(|block| {
            block.words().contains(&word)
                || (block == Place::Split && scan.tokens[index].kind == Kind::Amount)
        })
}
