//! The layout of a YAML policy: two blanks per level, maps and lists on one line where they fit into
//! 100 columns, long conditions over several lines, comments where they belong.

use super::super::super::format::doc::{Doc, INDENT, WIDTH, flat, print};
use super::quote;

/// Something to write.
#[derive(Debug)]
pub enum Value<'a> {
    /// A text of the language.
    Code(Doc),
    /// A text for people and models.
    Text(String),
    /// Nothing.
    Null,
    /// A list.
    List(Group<'a>),
    /// A map.
    Map(Group<'a>),
}

/// The inside of a list or a map.
#[derive(Debug, Default)]
pub struct Group<'a> {
    /// Its elements.
    pub entries: Vec<Entry<'a>>,
    /// Comments behind the last of them.
    pub tail: &'a [String],
    /// Whether each element has lines of its own, even where all would fit on one.
    pub tall: bool,
}

/// An element, with what stands around it.
#[derive(Debug)]
pub struct Entry<'a> {
    /// Its key; in a list it has none.
    pub key: String,
    /// Its value.
    pub value: Value<'a>,
    /// Whether a blank line stands before it and its comments.
    pub blank: bool,
    /// The comments before it; an empty one is a blank line.
    pub before: &'a [String],
    /// The comment behind it.
    pub after: Option<&'a str>,
}

impl<'a> Entry<'a> {
    /// Without comments.
    pub fn new(key: impl Into<String>, value: Value<'a>) -> Self {
        Entry { key: key.into(), value, blank: false, before: &[], after: None }
    }

    fn is_bare(&self) -> bool {
        !self.blank && self.before.is_empty() && self.after.is_none()
    }
}

/// Writes the elements of a map (or, with `dashes`, of a list) at an indentation.
pub fn group(group: &Group<'_>, dashes: bool, indent: usize, out: &mut String) {
    for entry in &group.entries {
        before(entry, indent, out);
        pad(indent, out);
        match dashes {
            true => item(entry, indent, out),
            false => pair(entry, entry.after, indent, out),
        }
    }
    comments(group.tail, indent, out);
}

fn before(entry: &Entry<'_>, indent: usize, out: &mut String) {
    if entry.blank {
        blank(out);
    }
    comments(entry.before, indent, out);
}

fn item(entry: &Entry<'_>, indent: usize, out: &mut String) {
    out.push_str("- ");
    let group = match &entry.value {
        Value::Map(map) if !map.entries.is_empty() => map,
        _ => return value(&entry.value, "", entry.after, indent, out),
    };
    if let Some(line) = in_one_line(&entry.value, indent + INDENT) {
        out.push_str(&line);
        return end(entry.after, out);
    }
    for (index, inner) in group.entries.iter().enumerate() {
        if index > 0 {
            before(inner, indent + INDENT, out);
            pad(indent + INDENT, out);
        }
        // A comment behind the element stands behind its first line, which then is one line.
        match (index, entry.after, &inner.value) {
            (0, Some(comment), Value::Code(doc)) => {
                let key = quote::code(&inner.key, false);
                let code = quote::code(&flat(doc), false);
                out.push_str(&format!("{key}: {code}"));
                end(Some(comment), out);
            }
            (0, Some(comment), _) => pair(inner, Some(comment), indent + INDENT, out),
            _ => pair(inner, inner.after, indent + INDENT, out),
        }
    }
    comments(group.tail, indent + INDENT, out);
}

fn pair(entry: &Entry<'_>, after: Option<&str>, indent: usize, out: &mut String) {
    let key = format!("{}: ", quote::code(&entry.key, false));
    value(&entry.value, &key, after, indent, out);
}

/// Writes a value behind its key; what goes on in further lines stands further in.
fn value(value: &Value<'_>, key: &str, after: Option<&str>, indent: usize, out: &mut String) {
    match value {
        Value::Null => out.push_str(&format!("{key}null")),
        Value::Text(text) => out.push_str(&format!("{key}{}", quote::text(text, false))),
        Value::Code(doc) => out.push_str(&folded(doc, key, indent)),
        Value::List(inner) | Value::Map(inner) => {
            let column = indent + key.chars().count();
            if let Some(line) = in_one_line(value, column) {
                out.push_str(key);
                out.push_str(&line);
            } else {
                let list = matches!(value, Value::List(_));
                out.push_str(key.trim_end());
                if inner.entries.is_empty() {
                    out.push_str(if list { " []" } else { " {}" });
                }
                end(after, out);
                return group(inner, list, indent + INDENT, out);
            }
        }
    }
    end(after, out);
}

fn end(after: Option<&str>, out: &mut String) {
    if let Some(comment) = after {
        out.push_str("  ");
        out.push_str(comment.trim_end());
    }
    out.push('\n');
}

/// A text of the language, over several lines if it is long. YAML reads a line's end as a blank.
fn folded(doc: &Doc, key: &str, indent: usize) -> String {
    let whole = flat(doc);
    if !whole.chars().all(quote::printable) {
        return format!("{key}{}", quote::code(&whole, false));
    }
    let plain = quote::plain_code(&whole, false);
    let lead = format!("{key}{}", if plain { "" } else { "\"" });
    let mut printed = String::new();
    let inside = Doc::Nest(vec![doc.clone()]);
    print(&Doc::Cat(vec![Doc::Text(lead.clone()), inside]), indent, &mut printed);
    let said = &printed[lead.len()..];
    match plain {
        true => format!("{key}{said}"),
        false => format!("{key}{}", quote::lines(said)),
    }
}

/// A list or a map in brackets, if it may be and fits.
fn in_one_line(value: &Value<'_>, column: usize) -> Option<String> {
    let line = flow(value)?;
    (column + line.chars().count() <= WIDTH).then_some(line)
}

fn flow(value: &Value<'_>) -> Option<String> {
    match value {
        Value::Null => Some("null".to_owned()),
        Value::Text(text) => Some(quote::text(text, true)),
        Value::Code(doc) => {
            let code = flat(doc);
            // Rather a line of its own than quotes.
            let better = !quote::plain_code(&code, true) && quote::plain_code(&code, false);
            (!better).then(|| quote::code(&code, true))
        }
        Value::List(group) | Value::Map(group) => {
            if group.tall && !group.entries.is_empty() || !group.tail.is_empty() {
                return None;
            }
            let map = matches!(value, Value::Map(_));
            let mut parts = Vec::with_capacity(group.entries.len());
            for entry in &group.entries {
                if !entry.is_bare() {
                    return None;
                }
                let inner = flow(&entry.value)?;
                parts.push(match map {
                    true => format!("{}: {inner}", quote::code(&entry.key, true)),
                    false => inner,
                });
            }
            let parts = parts.join(", ");
            Some(match map {
                true if parts.is_empty() => "{}".to_owned(),
                true => format!("{{ {parts} }}"),
                false => format!("[{parts}]"),
            })
        }
    }
}

fn comments(comments: &[String], indent: usize, out: &mut String) {
    for comment in comments {
        let comment = comment.trim_end();
        if comment.is_empty() {
            blank(out);
            continue;
        }
        pad(indent, out);
        out.push_str(comment);
        out.push('\n');
    }
}

fn blank(out: &mut String) {
    if !out.is_empty() && !out.ends_with("\n\n") {
        out.push('\n');
    }
}

fn pad(indent: usize, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', indent));
}
