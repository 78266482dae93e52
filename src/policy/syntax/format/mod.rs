//! The one canonical layout of a policy.
//!
//! Printed from the tree alone: two blanks per level, one statement per line, lines of at most 100
//! columns where brackets and conditions allow, brackets wherever `and` and `or` meet, numbers as
//! they were spelt, comments where they stood (or before the statement they stood in), and at most
//! one blank line in a row.

pub(super) mod block;
pub(super) mod doc;
pub(super) mod expr;
mod item;

use super::tree::{Block, File, Line, Trivia};
use doc::{Doc, INDENT, print};

/// Prints a policy. Formatting what was formatted changes nothing, and the tree stays the same.
pub fn format(file: &File) -> String {
    let mut out = String::new();
    lines(&file.items, &file.tail, 0, &mut out, item::item);
    out
}

/// A statement: what is printed first, and the block behind it if it has one.
pub(super) struct Printed<'a> {
    /// What stands in front of the block.
    pub head: Doc,
    block: Option<Nested<'a>>,
}

/// Prints the lines of a block at an indentation.
type Nested<'a> = Box<dyn Fn(usize, &mut String) + 'a>;

impl<'a> Printed<'a> {
    fn line(head: Doc) -> Self {
        Printed { head, block: None }
    }

    fn with<T>(head: Doc, block: &'a Block<T>, each: fn(&T) -> Printed<'_>) -> Self {
        let print = move |indent: usize, out: &mut String| {
            lines(&block.lines, &block.tail, indent, out, each);
        };
        Printed { head, block: Some(Box::new(print)) }
    }

    fn maybe<T>(head: Doc, block: Option<&'a Block<T>>, each: fn(&T) -> Printed<'_>) -> Self {
        match block {
            Some(block) => Printed::with(head, block, each),
            None => Printed::line(head),
        }
    }
}

fn lines<T>(
    lines: &[Line<T>],
    tail: &[String],
    indent: usize,
    out: &mut String,
    each: fn(&T) -> Printed<'_>,
) {
    for (index, line) in lines.iter().enumerate() {
        let Trivia { blank_before, before, after } = &line.trivia;
        if *blank_before && index > 0 {
            out.push('\n');
        }
        comments(before, indent, out);
        pad(indent, out);
        let printed = each(&line.node);
        match &printed.block {
            None => print(&printed.head, indent, out),
            Some(block) => {
                print(&Doc::Cat(vec![printed.head, " {".into()]), indent, out);
                let empty = out.len();
                out.push('\n');
                block(indent + INDENT, out);
                if out.len() == empty + 1 {
                    out.truncate(empty);
                } else {
                    pad(indent, out);
                }
                out.push('}');
            }
        }
        if let Some(comment) = after {
            out.push_str("  ");
            out.push_str(comment.trim_end());
        }
        out.push('\n');
    }
    comments(tail, indent, out);
}

/// Whole-line comments; an empty one is a blank line.
fn comments(comments: &[String], indent: usize, out: &mut String) {
    for comment in comments {
        let comment = comment.trim_end();
        if comment.is_empty() {
            if !out.is_empty() && !out.ends_with("\n\n") {
                out.push('\n');
            }
            continue;
        }
        pad(indent, out);
        out.push_str(comment);
        out.push('\n');
    }
}

fn pad(indent: usize, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', indent));
}
