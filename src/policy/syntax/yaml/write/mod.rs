//! From the tree to YAML.

mod bodies;
mod items;
mod layout;
pub mod quote;

use std::collections::HashSet;

use super::super::format::doc::Doc;
use super::super::tree::{Block, File, Line};
use layout::{Entry, Group, Value};

/// Prints a policy as YAML. Formatting what was formatted changes nothing, and the tree stays the
/// same.
pub fn format(file: &File) -> String {
    let mut parts = parts(lines(&file.items, items::item));
    let mut out = String::new();
    if parts.len() <= 1 {
        let entries = parts.pop().unwrap_or_default();
        layout::group(&Group { entries, tail: &file.tail, tall: true }, false, 0, &mut out);
    } else {
        let entries = parts.into_iter().map(part).collect();
        layout::group(&Group { entries, tail: &file.tail, tall: true }, true, 0, &mut out);
    }
    out
}

/// Where a line of a block goes.
enum Piece<'a> {
    /// Behind a key of its own.
    One(&'static str, Value<'a>),
    /// Behind a name, in the map behind a key.
    Pair(&'static str, String, Value<'a>),
    /// Into the list behind a key.
    Row(&'static str, Value<'a>),
}

/// The lines of a block as the entries of a map in which a key may come several times.
fn lines<'a, T>(lines: &'a [Line<T>], piece: impl Fn(&'a T) -> Piece<'a>) -> Vec<Entry<'a>> {
    let mut entries: Vec<Entry<'a>> = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let around = |key: String, value: Value<'a>| Entry {
            key,
            value,
            // Nothing stands before a first line that it could be set off from.
            blank: line.trivia.blank_before && index > 0,
            before: &line.trivia.before,
            after: line.trivia.after.as_deref(),
        };
        let (key, name, value) = match piece(&line.node) {
            Piece::One(key, value) => {
                entries.push(around(key.to_owned(), value));
                continue;
            }
            Piece::Pair(key, name, value) => (key, Some(name), value),
            Piece::Row(key, value) => (key, None, value),
        };
        let map = name.is_some();
        let tall = !matches!(key, "set" | "tag" | "floor" | "log");
        let mut entry = around(name.unwrap_or_default(), value);
        if let Some(last) = entries.last_mut().filter(|last| last.key == key)
            && let Value::Map(group) | Value::List(group) = &mut last.value
            && !(map && group.entries.iter().any(|other| other.key == entry.key))
        {
            group.entries.push(entry);
            continue;
        }
        // What stands before the first of a group stands before the group.
        let (blank, before) = (std::mem::take(&mut entry.blank), std::mem::take(&mut entry.before));
        let group = Group { entries: vec![entry], tail: &[], tall };
        let value = if map { Value::Map(group) } else { Value::List(group) };
        entries.push(Entry { key: key.to_owned(), value, blank, before, after: None });
    }
    entries
}

/// Cuts entries into maps in which no key comes twice.
fn parts(entries: Vec<Entry<'_>>) -> Vec<Vec<Entry<'_>>> {
    let mut parts: Vec<Vec<Entry<'_>>> = Vec::new();
    let mut seen: HashSet<String> = HashSet::new();
    for entry in entries {
        if !seen.insert(entry.key.clone()) || parts.is_empty() {
            seen = HashSet::from([entry.key.clone()]);
            parts.push(Vec::new());
        }
        if let Some(part) = parts.last_mut() {
            part.push(entry);
        }
    }
    parts
}

/// One of several maps. What stands before its first entry stands before it.
fn part(mut entries: Vec<Entry<'_>>) -> Entry<'_> {
    let first = entries.first_mut();
    let (blank, before) = first.map_or((false, &[][..]), |first| {
        (std::mem::take(&mut first.blank), std::mem::take(&mut first.before))
    });
    let map = Value::Map(Group { entries, tail: &[], tall: true });
    Entry { blank, before, ..Entry::new("", map) }
}

/// Adds a block to the keys of its statement: its lines are further keys, or, where a key would come
/// twice, a list of maps behind the key `list`. The comments behind the last line are returned.
fn block<'a, T>(
    entries: &mut Vec<Entry<'a>>,
    list: &str,
    block: &'a Block<T>,
    piece: impl Fn(&'a T) -> Piece<'a>,
) -> &'a [String] {
    let mut parts = parts(lines(&block.lines, piece));
    match parts.len() {
        1 => {
            entries.append(&mut parts[0]);
            return &block.tail;
        }
        _ => {
            let inside = parts.into_iter().map(part).collect();
            let group = Group { entries: inside, tail: &block.tail, tall: true };
            entries.push(Entry::new(list, Value::List(group)));
        }
    }
    &[]
}

/// A block that is a list behind a key.
fn rows<'a, T>(
    key: &'static str,
    block: &'a Block<T>,
    value: impl Fn(&'a T) -> Value<'a>,
) -> Entry<'a> {
    let mut group = Group { entries: Vec::new(), tail: &block.tail, tall: true };
    for mut entry in lines(&block.lines, |node| Piece::Row(key, value(node))) {
        if let Value::List(list) = &mut entry.value {
            // All are of one key, so there is one group; what was lifted out of it goes back.
            if let Some(first) = list.entries.first_mut() {
                first.before = entry.before;
            }
            group.entries.append(&mut list.entries);
        }
    }
    Entry::new(key, Value::List(group))
}

/// A map, on one line where it fits.
fn map<'a>(entries: Vec<Entry<'a>>) -> Value<'a> {
    Value::Map(Group { entries, tail: &[], tall: false })
}

/// A map of several lines.
fn tall<'a>(entries: Vec<Entry<'a>>, tail: &'a [String]) -> Value<'a> {
    Value::Map(Group { entries, tail, tall: true })
}

fn list<'a>(values: impl IntoIterator<Item = Value<'a>>) -> Value<'a> {
    let entries = values.into_iter().map(|value| Entry::new("", value)).collect();
    Value::List(Group { entries, tail: &[], tall: false })
}

fn code<'a>(text: impl Into<Doc>) -> Value<'a> {
    Value::Code(text.into())
}
