//! Marks of what is to be cached: the API takes four, and refuses a request with more.

use std::cell::Cell;

use super::content::is_marked;
use super::turns::{Piece, is_sent_in_result};
use crate::dialect::conversation::Function;
use crate::dialect::edits::LossKind;
use crate::dialect::losses::Losses;
use crate::dialect::part::{CacheMark, Part};

/// How many marks a request may have.
const MOST: usize = 4;

/// Which marks are written: the last ones of the prompt, where tools come first, then the
/// instructions, then the messages. They reach furthest, and what lies before them is cached too.
#[derive(Debug)]
pub(super) struct Marks {
    /// How many marks of tools are still to be left out.
    tools: Cell<usize>,
    /// And of blocks.
    blocks: Cell<usize>,
}

impl Marks {
    /// Counts the marks in a prompt.
    pub(super) fn of<'c>(
        tools: impl Iterator<Item = &'c Function<'c>>,
        pieces: impl Iterator<Item = &'c Piece<'c>>,
        losses: &mut Losses,
    ) -> Marks {
        let tools = tools.filter(|tool| tool.cache.is_some()).count();
        let blocks: usize = pieces.map(marks_of).sum();
        let surplus = (tools + blocks).saturating_sub(MOST);
        if surplus > 0 {
            let note = format!("the first {surplus} are left out: {MOST} are taken there");
            losses.note("cache_control", LossKind::Clamped, note);
        }
        let skipped = surplus.min(tools);
        Marks { tools: Cell::new(skipped), blocks: Cell::new(surplus - skipped) }
    }

    /// A tool's mark, unless it is left out.
    pub(super) fn tool(&self, mark: Option<CacheMark>) -> Option<CacheMark> {
        next(&self.tools, mark)
    }

    /// The same of a block: they must be asked for in the order of the prompt.
    pub(super) fn block(&self, mark: Option<CacheMark>) -> Option<CacheMark> {
        next(&self.blocks, mark)
    }
}

fn next(skipped: &Cell<usize>, mark: Option<CacheMark>) -> Option<CacheMark> {
    let left = skipped.get();
    if mark.is_some() && left > 0 {
        skipped.set(left - 1);
        return None;
    }
    mark
}

fn marks_of(piece: &Piece<'_>) -> usize {
    match piece {
        Piece::Part(part) => usize::from(is_marked(part)),
        Piece::Call(part, ..) => usize::from(part.cache.is_some()),
        Piece::Result(part, result, _) => {
            let sent = |part: &&Part<'_>| is_sent_in_result(part) && is_marked(part);
            result.parts.iter().filter(sent).count() + usize::from(part.cache.is_some())
        }
        Piece::Words(_) => 0,
    }
}
