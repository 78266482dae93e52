//! A small pretty printer after Wadler: text with places where a line may be broken.

/// The widest line, in characters.
pub const WIDTH: usize = 100;
/// One step of indentation.
pub const INDENT: usize = 2;

/// Something to print.
#[derive(Debug, Clone)]
pub enum Doc {
    /// As it is.
    Text(String),
    /// A blank, or a line break if the group is broken.
    Line,
    /// Nothing, or a line break if the group is broken.
    Soft,
    /// The first where the group is on one line, the second where it is broken.
    Either(&'static str, &'static str),
    /// All of these.
    Cat(Vec<Doc>),
    /// All of these, one step further in.
    Nest(Vec<Doc>),
    /// All of these on one line if they fit, else broken at each of its own places.
    Group(Vec<Doc>),
}

impl From<&str> for Doc {
    fn from(text: &str) -> Doc {
        Doc::Text(text.to_owned())
    }
}

impl From<String> for Doc {
    fn from(text: String) -> Doc {
        Doc::Text(text)
    }
}

/// Prints a document that starts at this indentation.
pub fn print(doc: &Doc, indent: usize, out: &mut String) {
    let mut column = indent;
    // What is left to print, last first: indentation, whether broken, what.
    let mut todo: Vec<(usize, bool, &Doc)> = vec![(indent, true, doc)];
    while let Some((indent, broken, doc)) = todo.pop() {
        match doc {
            Doc::Text(text) => {
                out.push_str(text);
                column = match text.rfind('\n') {
                    Some(newline) => text[newline + 1..].chars().count(),
                    None => column + text.chars().count(),
                };
            }
            Doc::Either(flat, apart) => {
                let text = if broken { apart } else { flat };
                out.push_str(text);
                column += text.len();
            }
            Doc::Line | Doc::Soft if broken => {
                out.push('\n');
                out.extend(std::iter::repeat_n(' ', indent));
                column = indent;
            }
            Doc::Line => {
                out.push(' ');
                column += 1;
            }
            Doc::Soft => {}
            Doc::Cat(parts) => {
                todo.extend(parts.iter().rev().map(|part| (indent, broken, part)));
            }
            Doc::Nest(parts) => {
                todo.extend(parts.iter().rev().map(|part| (indent + INDENT, broken, part)));
            }
            Doc::Group(parts) => {
                let flat = fits(parts, &todo, WIDTH.saturating_sub(column));
                todo.extend(parts.iter().rev().map(|part| (indent, !flat, part)));
            }
        }
    }
}

/// Prints a document on one line, however long that gets.
pub fn flat(doc: &Doc) -> String {
    let mut out = String::new();
    let mut todo = vec![doc];
    while let Some(doc) = todo.pop() {
        match doc {
            Doc::Text(text) => out.push_str(text),
            Doc::Either(flat, _) => out.push_str(flat),
            Doc::Line => out.push(' '),
            Doc::Soft => {}
            Doc::Cat(parts) | Doc::Nest(parts) | Doc::Group(parts) => {
                todo.extend(parts.iter().rev())
            }
        }
    }
    out
}

/// Whether these, and what follows up to the next possible line break, fit into so many columns.
fn fits(parts: &[Doc], after: &[(usize, bool, &Doc)], width: usize) -> bool {
    let mut room = width;
    let mut todo: Vec<(bool, &Doc)> = parts.iter().rev().map(|part| (false, part)).collect();
    let mut rest = after.iter().rev();
    loop {
        let (broken, doc) = match todo.pop() {
            Some(next) => next,
            None => match rest.next() {
                Some((_, broken, doc)) => (*broken, *doc),
                None => return true,
            },
        };
        let used = match doc {
            Doc::Text(text) => match text.find('\n') {
                Some(newline) => return text[..newline].chars().count() <= room,
                None => text.chars().count(),
            },
            Doc::Line | Doc::Soft if broken => return true,
            Doc::Line => 1,
            Doc::Soft => 0,
            Doc::Either(flat, apart) => {
                if broken {
                    apart.len()
                } else {
                    flat.len()
                }
            }
            Doc::Cat(parts) | Doc::Nest(parts) | Doc::Group(parts) => {
                todo.extend(parts.iter().rev().map(|part| (broken, part)));
                0
            }
        };
        match room.checked_sub(used) {
            Some(left) => room = left,
            None => return false,
        }
    }
}
