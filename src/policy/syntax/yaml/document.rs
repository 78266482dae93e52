//! The part of YAML that a policy needs, read so that every character keeps its place.
//!
//! Maps, lists, plain and quoted texts, block texts, `[ ]` and `{ }`, comments. No anchors, aliases,
//! tags, merge keys or further documents: a policy names what it uses twice, and without them no
//! small file can stand for a large one. Every scalar is text; what it means is the language's
//! business, so `no` and `09:00` are what they look like.

use std::collections::HashMap;

use crate::policy::codes;
use crate::policy::diagnostic::Diagnostic;

use super::super::scan::{MAX_NESTING, span};
use super::super::tree::Span;

/// A value and where it stands.
#[derive(Debug)]
pub struct Node {
    /// From its first byte to behind its last.
    pub span: Span,
    /// What it is.
    pub kind: Kind,
}

/// See [`Node`].
#[derive(Debug)]
pub enum Kind {
    /// Nothing, `~` or `null`.
    Null,
    /// A text.
    Scalar(Scalar),
    /// A list.
    List(Vec<Item>),
    /// A map, in the order of the file.
    Map(Vec<(Scalar, Node)>),
}

/// An element of a list.
#[derive(Debug)]
pub struct Item {
    /// Where its `-` stands; in `[ ]`, where the element itself begins.
    pub start: u32,
    /// The element.
    pub node: Node,
}

/// A text, and where each of its bytes comes from.
#[derive(Debug, Clone)]
pub struct Scalar {
    /// What it says.
    pub text: String,
    /// For every byte of the text, the place that says it.
    pub places: Vec<Span>,
    /// The whole of it, with its quotes.
    pub span: Span,
    /// Whether it stands without quotes.
    pub plain: bool,
}

/// A `#` and what follows it.
#[derive(Debug, Clone, Copy)]
pub struct Comment {
    /// Where it stands.
    pub span: Span,
    /// Whether nothing else stands on its line.
    pub alone: bool,
    /// How far in it stands, in bytes.
    pub column: usize,
}

/// A file.
#[derive(Debug, Default)]
pub struct Document {
    /// What stands in it; an empty file has none.
    pub root: Option<Node>,
    /// Its comments, in order.
    pub comments: Vec<Comment>,
    /// Keys that stand twice in their map.
    pub faults: Vec<Diagnostic>,
}

/// What keeps the rest of a text from being read.
pub type Fault = Box<Diagnostic>;

/// Reads a text.
///
/// # Errors
/// The first place that is no YAML, or none that a policy may use.
pub fn read(text: &str) -> Result<Document, Fault> {
    let mut reader = Reader { text, at: 0, depth: 0, document: Document::default() };
    reader.skip()?;
    if reader.marker("---") {
        reader.at += 3;
        reader.skip()?;
    }
    if !reader.done() {
        let root = reader.block(-1, true)?;
        reader.skip()?;
        if reader.marker("---") || reader.marker("...") {
            let at = reader.at;
            let (message, label) = ("a policy is one document", "a second one begins here");
            return Err(fault(codes::YAML_FEATURE, span(at, at + 3), message, label));
        }
        if !reader.done() {
            return Err(reader.unexpected());
        }
        reader.document.root = Some(root);
    }
    Ok(reader.document)
}

/// What stands at the place where a plain text ends.
pub(super) const INDICATORS: &str = "-?:,[]{}#&*!|>'\"%@`";

/// Reads from left to right.
pub(super) struct Reader<'t> {
    pub text: &'t str,
    pub at: usize,
    depth: usize,
    pub document: Document,
}

impl Reader<'_> {
    /// The byte so many behind the next; 0 behind the end.
    pub fn byte(&self, ahead: usize) -> u8 {
        self.text.as_bytes().get(self.at + ahead).copied().unwrap_or(0)
    }

    pub fn done(&self) -> bool {
        self.at >= self.text.len()
    }

    /// Whether a blank, a line's end or the text's end stands so many bytes ahead.
    pub fn gap(&self, ahead: usize) -> bool {
        self.at + ahead >= self.text.len()
            || matches!(self.byte(ahead), b' ' | b'\t' | b'\r' | b'\n')
    }

    /// How far the next byte is from the start of its line.
    pub fn column(&self) -> usize {
        column(self.text, self.at)
    }

    fn marker(&self, marker: &str) -> bool {
        self.column() == 0 && self.text[self.at..].starts_with(marker) && self.gap(3)
    }

    /// Steps over blanks, comments and line ends; whether there was a line end.
    pub fn skip(&mut self) -> Result<bool, Fault> {
        let mut crossed = false;
        loop {
            match self.byte(0) {
                b' ' | b'\r' => self.at += 1,
                b'\n' => {
                    crossed = true;
                    self.at += 1;
                }
                b'\t' => {
                    let start = self.at - self.column();
                    let indents = self.text[start..self.at].trim_matches([' ', '-']).is_empty();
                    if indents {
                        let place = span(self.at, self.at + 1);
                        let message = "YAML is indented with spaces";
                        let tab = Diagnostic::error(codes::YAML, place, message, "this is a tab");
                        return Err(Box::new(tab.help("write two spaces instead")));
                    }
                    self.at += 1;
                }
                b'#' if self.at == 0 || matches!(self.before(), b' ' | b'\t' | b'\n' | b'\r') => {
                    let rest = &self.text[self.at..];
                    let line = &rest[..rest.find('\n').unwrap_or(rest.len())];
                    let column = self.column();
                    let alone = self.text[self.at - column..self.at].trim().is_empty();
                    let place = span(self.at, self.at + line.trim_end().len());
                    self.document.comments.push(Comment { span: place, alone, column });
                    self.at += line.len();
                }
                _ => return Ok(crossed),
            }
        }
    }

    fn before(&self) -> u8 {
        self.at.checked_sub(1).map_or(b'\n', |at| self.text.as_bytes()[at])
    }

    /// Any value, at the place where it begins, inside of what stands at the column `parent`.
    /// `opens`: whether a map or a list may begin here in the block layout.
    fn block(&mut self, parent: isize, opens: bool) -> Result<Node, Fault> {
        self.deeper()?;
        let start = self.at;
        let node = match self.byte(0) {
            b'-' if self.gap(1) && opens => self.list(),
            b'-' if self.gap(1) => {
                let message = "a list begins on a line of its own";
                Err(fault(codes::YAML, span(start, start + 1), message, "not behind a key"))
            }
            _ => match self.key_here()? {
                true if opens => self.map(),
                true => Err(self.colon_in_text(start)),
                false => match self.byte(0) {
                    b'|' | b'>' => self.block_text(parent).map(of_scalar),
                    b'[' | b'{' => self.flow(),
                    b'"' | b'\'' => self.quoted().map(of_scalar),
                    _ => self.plain(parent).map(of_scalar),
                },
            },
        };
        self.depth -= 1;
        node
    }

    fn deeper(&mut self) -> Result<(), Fault> {
        self.depth += 1;
        if self.depth <= MAX_NESTING {
            return Ok(());
        }
        let label = format!("at most {MAX_NESTING} levels of nesting are read");
        let place = span(self.at, self.at);
        Err(Box::new(Diagnostic::error(codes::TOO_DEEP, place, "this is nested too deep", label)))
    }

    /// Whether a key and its colon stand here, on one line.
    fn key_here(&mut self) -> Result<bool, Fault> {
        let (start, comments) = (self.at, self.document.comments.len());
        let found = match self.byte(0) {
            b'"' | b'\'' => {
                let ended = self.quoted().is_ok() && !self.text[start..self.at].contains('\n');
                while matches!(self.byte(0), b' ' | b'\t') {
                    self.at += 1;
                }
                ended && self.byte(0) == b':' && self.gap(1)
            }
            b'[' | b'{' | b'|' | b'>' => false,
            _ => self.plain_key().is_some(),
        };
        self.at = start;
        self.document.comments.truncate(comments);
        Ok(found)
    }

    /// Where the colon behind a plain key stands.
    fn plain_key(&self) -> Option<usize> {
        let rest = &self.text.as_bytes()[self.at..];
        for (index, byte) in rest.iter().enumerate() {
            match byte {
                b'\n' => return None,
                b'#' if index > 0 && matches!(rest[index - 1], b' ' | b'\t') => return None,
                b':' if self.gap(index + 1) => return Some(self.at + index),
                _ => {}
            }
        }
        None
    }

    fn list(&mut self) -> Result<Node, Fault> {
        let (start, column) = (self.at, self.column());
        let mut items: Vec<Item> = Vec::new();
        loop {
            let dash = self.at;
            self.at += 1;
            let crossed = self.skip()?;
            let deeper = !self.done() && (!crossed || self.column() > column);
            let node = match deeper {
                true => self.block(column as isize, true)?,
                false => nothing(dash + 1),
            };
            items.push(Item { start: dash as u32, node });
            if !self.next_line(column)? || self.byte(0) != b'-' || !self.gap(1) {
                break;
            }
        }
        let end = items.last().map_or(start + 1, |item| item.node.span.end as usize);
        Ok(Node { span: span(start, end), kind: Kind::List(items) })
    }

    fn map(&mut self) -> Result<Node, Fault> {
        let (start, column) = (self.at, self.column());
        let mut entries: Vec<(Scalar, Node)> = Vec::new();
        loop {
            let key = match self.byte(0) {
                b'"' | b'\'' => self.quoted()?,
                _ => {
                    self.starts_plain()?;
                    let colon = self.plain_key().unwrap_or(self.at);
                    let text = self.text[self.at..colon].trim_end();
                    let key = Scalar::copied(self.at, text);
                    self.at = colon;
                    key
                }
            };
            self.skip()?;
            let colon = self.at;
            self.at += 1; // `key_here` has seen it
            let crossed = self.skip()?;
            let node = if self.done() {
                nothing(colon + 1)
            } else if !crossed {
                self.block(column as isize, false)?
            } else if self.column() > column {
                self.block(column as isize, true)?
            } else if self.column() == column && self.byte(0) == b'-' && self.gap(1) {
                self.block(column as isize - 1, true)?
            } else {
                nothing(colon + 1)
            };
            entries.push((key, node));
            if !self.next_line(column)? {
                break;
            }
            if !self.key_here()? {
                return Err(self.no_key());
            }
        }
        self.twice(&entries);
        let end = entries.last().map_or(start, |(_, node)| node.span.end as usize);
        Ok(Node { span: span(start, end), kind: Kind::Map(entries) })
    }

    /// Whether the next line goes on with what stands at this column.
    fn next_line(&mut self, column: usize) -> Result<bool, Fault> {
        self.skip()?;
        if self.done() || self.marker("---") || self.marker("...") {
            return Ok(false);
        }
        let here = self.column();
        let begins = self.text[self.at - here..self.at].trim().is_empty();
        if !begins || here > column {
            return Err(self.unexpected());
        }
        Ok(here == column)
    }

    fn twice(&mut self, entries: &[(Scalar, Node)]) {
        let mut seen: HashMap<&str, Span> = HashMap::new();
        for (key, _) in entries {
            if let Some(first) = seen.insert(&key.text, key.span) {
                let message = format!("`{}` stands twice in this map", key.text);
                let found = Diagnostic::error(codes::YAML_TWICE, key.span, message, "the second")
                    .also(first, "the first")
                    .help("what is said several times is a list of maps: one map for each");
                self.document.faults.push(found);
            }
        }
    }

    /// `[ ]` and `{ }`, or whatever stands inside of them.
    fn flow(&mut self) -> Result<Node, Fault> {
        self.deeper()?;
        let start = self.at;
        let node = match self.byte(0) {
            b'[' => self.flow_list()?,
            b'{' => self.flow_map()?,
            b'"' | b'\'' => of_scalar(self.quoted()?),
            _ => {
                let scalar = self.flow_plain()?;
                if scalar.text.is_empty() {
                    return Err(self.unexpected());
                }
                of_scalar(scalar)
            }
        };
        debug_assert!(node.span.start as usize == start);
        self.depth -= 1;
        Ok(node)
    }

    fn flow_list(&mut self) -> Result<Node, Fault> {
        let start = self.at;
        self.at += 1;
        let mut items = Vec::new();
        while !self.closes(start, b']')? {
            let node = self.flow()?;
            items.push(Item { start: node.span.start, node });
            self.separates(start, b']')?;
        }
        Ok(Node { span: span(start, self.at), kind: Kind::List(items) })
    }

    fn flow_map(&mut self) -> Result<Node, Fault> {
        let start = self.at;
        self.at += 1;
        let mut entries = Vec::new();
        while !self.closes(start, b'}')? {
            let quoted = matches!(self.byte(0), b'"' | b'\'');
            let key = if quoted { self.quoted()? } else { self.flow_plain()? };
            self.skip()?;
            let after = |byte| matches!(byte, b',' | b'}');
            if self.byte(0) != b':' || !(quoted || self.gap(1) || after(self.byte(1))) {
                let message = "a key in `{ }` is followed by `:` and a blank";
                let label = "expected `:` here";
                return Err(fault(codes::YAML, span(self.at, self.at), message, label));
            }
            self.at += 1;
            let colon = self.at;
            self.skip()?;
            let node = match after(self.byte(0)) {
                true => nothing(colon),
                false => self.flow()?,
            };
            entries.push((key, node));
            self.separates(start, b'}')?;
        }
        self.twice(&entries);
        Ok(Node { span: span(start, self.at), kind: Kind::Map(entries) })
    }

    /// Whether the bracket is closed here.
    fn closes(&mut self, start: usize, bracket: u8) -> Result<bool, Fault> {
        self.skip()?;
        if self.done() {
            let opener = &self.text[start..start + 1];
            let message = format!("this `{opener}` is never closed");
            let place = span(start, start + 1);
            let label = format!("no `{}` for it", char::from(bracket));
            return Err(fault(codes::UNCLOSED_BRACKET, place, message, label));
        }
        let closed = self.byte(0) == bracket;
        self.at += usize::from(closed);
        Ok(closed)
    }

    /// Steps over the comma behind an element; before the closing bracket there need not be one.
    fn separates(&mut self, start: usize, bracket: u8) -> Result<(), Fault> {
        self.skip()?;
        match self.byte(0) {
            b',' => self.at += 1,
            byte if byte == bracket || self.done() => {}
            b':' => return Err(self.colon_in_text(self.at)),
            _ => {
                let opener = &self.text[start..start + 1];
                let message = format!("elements inside `{opener}` are separated by commas");
                let label = format!("expected `,` or `{}`", char::from(bracket));
                let found = fault(codes::YAML, span(self.at, self.at), message, label);
                let help = "a text with brackets or commas in it needs quotes here";
                return Err(Box::new((*found).help(help)));
            }
        }
        Ok(())
    }

    /// Refuses what starts like a feature of YAML that policies do without.
    pub fn no_feature(&self) -> Result<(), Fault> {
        let (byte, place) = (self.byte(0), span(self.at, self.at + 1));
        let message = match byte {
            b'&' | b'*' => "anchors and aliases are not read in a policy",
            b'!' => "tags are not read in a policy",
            b'?' if self.gap(1) => "keys with `?` are not read in a policy",
            b'%' | b'@' | b'`' | b',' | b']' | b'}' => {
                let message = format!("a text that starts with `{}` needs quotes", byte as char);
                return Err(fault(codes::YAML, place, message, "here"));
            }
            _ => return Ok(()),
        };
        let found = Diagnostic::error(codes::YAML_FEATURE, place, message, "starts here");
        Err(Box::new(match byte {
            b'&' => found.help("give what is used twice a name: a pool, or a condition in `lets`"),
            _ => found.help("a text that starts like this needs quotes"),
        }))
    }

    pub(super) fn colon_in_text(&self, at: usize) -> Fault {
        let message = "a text with `: ` in it needs quotes";
        let line = self.text[at..].lines().next().unwrap_or_default();
        let colon = at + line.find(": ").or_else(|| line.rfind(':')).unwrap_or(0);
        let label = "YAML takes this colon for the end of a key";
        fault(codes::YAML, span(colon, colon + 1), message, label)
    }

    fn no_key(&self) -> Fault {
        let line = self.text[self.at..].lines().next().unwrap_or_default().trim_end();
        let place = span(self.at, self.at + line.len());
        if self.no_feature().is_err() {
            return self.no_feature().err().unwrap_or_else(|| self.unexpected());
        }
        let message = "a line of a map is `key: value`";
        let found = Diagnostic::error(codes::YAML, place, message, "no colon follows a key here");
        Box::new(match line.starts_with("- ") {
            true => found.help("a list stands alone below its key, not among the keys of a map"),
            false => found,
        })
    }

    fn unexpected(&self) -> Fault {
        let (column, rest) = (self.column(), &self.text[self.at..]);
        let first = rest.chars().next().map_or(0, char::len_utf8);
        let place = span(self.at, self.at + first);
        if self.text[self.at - column..self.at].trim().is_empty() {
            let message = "this line is indented in a way that fits no line above";
            return fault(codes::YAML, place, message, "begins in this column");
        }
        let message = "this cannot stand here in YAML";
        let found = Diagnostic::error(codes::YAML, place, message, "expected the end of the line");
        Box::new(found.help("a text that goes on behind quotes or brackets needs quotes itself"))
    }
}

/// How far a byte is from the start of its line.
pub fn column(text: &str, at: usize) -> usize {
    at - text[..at].rfind('\n').map_or(0, |newline| newline + 1)
}

pub(super) fn fault(
    code: crate::policy::diagnostic::Code,
    place: Span,
    message: impl Into<String>,
    label: impl Into<String>,
) -> Fault {
    Box::new(Diagnostic::error(code, place, message, label))
}

fn nothing(at: usize) -> Node {
    Node { span: span(at, at), kind: Kind::Null }
}

fn of_scalar(scalar: Scalar) -> Node {
    let null = scalar.plain && matches!(&*scalar.text, "~" | "null");
    let kind = if null { Kind::Null } else { Kind::Scalar(scalar.clone()) };
    Node { span: scalar.span, kind }
}
