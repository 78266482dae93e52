//! The text of a configuration as a tree that remembers what was read of it.

use std::cell::RefCell;
use std::collections::HashSet;

use serde_yaml::Value;

use super::MAX_BYTES;

/// A configuration.
#[derive(Debug)]
pub struct Source {
    root: Value,
    read: RefCell<HashSet<String>>,
}

impl Source {
    /// Reads JSON (with comments and trailing commas, as people write it) or YAML.
    pub fn parse(text: &str) -> Result<Source, String> {
        if text.len() > MAX_BYTES {
            return Err(format!("the file is longer than {MAX_BYTES} bytes"));
        }
        let text = text.trim_start_matches('\u{feff}');
        let root = match text.trim_start().chars().next() {
            None => return Err("the file is empty".to_owned()),
            Some('{' | '[' | '/') => {
                let json = plain_json(text);
                // A YAML file may begin with a bracket, too.
                serde_json::from_str(&json).or_else(|error| {
                    serde_yaml::from_str(text)
                        .map_err(|_| format!("the file cannot be read as JSON: {error}"))
                })?
            }
            Some(_) => serde_yaml::from_str(text)
                .map_err(|error| format!("the file cannot be read as YAML: {error}"))?,
        };
        let mut root: Value = root;
        root.apply_merge().map_err(|error| format!("the file cannot be read: {error}"))?;
        Ok(Source { root, read: RefCell::default() })
    }

    /// The whole.
    pub fn root(&self) -> Node<'_> {
        Node { value: &self.root, path: String::new(), read: &self.read }
    }

    /// The paths that nobody read; of a part of which nothing was read its own path alone.
    pub fn unread(&self) -> Vec<String> {
        match unread(&self.root(), &self.read.borrow()) {
            Unread::Nothing => Vec::new(),
            Unread::All => vec![String::new()],
            Unread::Some(paths) => paths,
        }
    }
}

enum Unread {
    Nothing,
    All,
    Some(Vec<String>),
}

fn unread(node: &Node<'_>, read: &HashSet<String>) -> Unread {
    if read.contains(&node.path) {
        return Unread::Nothing;
    }
    let children = node.children();
    let (mut paths, mut all) = (Vec::new(), true);
    for child in &children {
        match unread(child, read) {
            Unread::Nothing => all = false,
            Unread::All => paths.push(child.path.clone()),
            Unread::Some(some) => {
                all = false;
                paths.extend(some);
            }
        }
    }
    match (all, paths.is_empty()) {
        (true, _) => Unread::All,
        (false, true) => Unread::Nothing,
        (false, false) => Unread::Some(paths),
    }
}

/// A value and its place.
#[derive(Debug, Clone)]
pub struct Node<'s> {
    value: &'s Value,
    path: String,
    read: &'s RefCell<HashSet<String>>,
}

impl<'s> Node<'s> {
    /// Its place: `model_list[2].litellm_params.rpm`.
    pub fn path(&self) -> &str {
        &self.path
    }

    fn child(&self, key: &str, value: &'s Value) -> Node<'s> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        let path = if key.is_empty() || !key.bytes().all(plain) {
            format!("{}[{key:?}]", self.path)
        } else if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        };
        Node { value, path, read: self.read }
    }

    fn children(&self) -> Vec<Node<'s>> {
        match self.value {
            Value::Mapping(map) => {
                map.iter().map(|(key, value)| self.child(&word(key), value)).collect()
            }
            Value::Sequence(items) => items
                .iter()
                .enumerate()
                .map(|(index, value)| Node {
                    value,
                    path: format!("{}[{index}]", self.path),
                    read: self.read,
                })
                .collect(),
            _ => Vec::new(),
        }
    }

    /// The value of a key; `null` is no value.
    pub fn get(&self, key: &str) -> Option<Node<'s>> {
        match self.value {
            Value::Mapping(map) => {
                map.get(key).filter(|value| !value.is_null()).map(|value| self.child(key, value))
            }
            _ => None,
        }
    }

    /// The value of the first of these keys that is there.
    pub fn first(&self, keys: &[&str]) -> Option<Node<'s>> {
        keys.iter().find_map(|key| self.get(key))
    }

    /// The elements of a list.
    pub fn items(&self) -> Vec<Node<'s>> {
        match self.value {
            Value::Sequence(items) => {
                if items.is_empty() {
                    self.done();
                }
                self.children()
            }
            _ => Vec::new(),
        }
    }

    /// The elements of a list, or the one value that stands in its place.
    pub fn items_or_self(&self) -> Vec<Node<'s>> {
        if self.is_list() { self.items() } else { vec![self.clone()] }
    }

    /// The entries of a map.
    pub fn entries(&self) -> Vec<(String, Node<'s>)> {
        match self.value {
            Value::Mapping(map) => {
                if map.is_empty() {
                    self.done();
                }
                map.iter()
                    .map(|(key, value)| {
                        let key = word(key);
                        let child = self.child(&key, value);
                        (key, child)
                    })
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    /// The text of a text.
    /// Control characters, which mean nothing in any name, are left out: not every reader of YAML
    /// takes them.
    pub fn text(&self) -> Option<String> {
        self.value.as_str().map(|text| {
            self.done();
            text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect()
        })
    }

    /// The text of a key's value.
    pub fn text_of(&self, key: &str) -> Option<String> {
        self.get(key)?.text()
    }

    /// A text, a number or a truth value as text.
    pub fn scalar(&self) -> Option<String> {
        match self.value {
            Value::String(_) | Value::Number(_) | Value::Bool(_) => {
                self.done();
                Some(word(self.value))
            }
            _ => None,
        }
    }

    /// A finite number, also one that is written as a text.
    pub fn number(&self) -> Option<f64> {
        let number = match self.value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        number.filter(|number: &f64| number.is_finite()).inspect(|_| self.done())
    }

    /// A whole number that is not negative.
    pub fn count(&self) -> Option<u64> {
        let number = self.number()?;
        // Up to here a float is exact.
        (number >= 0.0 && number.fract() == 0.0 && number < 9e15).then_some(number as u64)
    }

    /// A truth value.
    pub fn bool(&self) -> Option<bool> {
        self.value.as_bool().inspect(|_| self.done())
    }

    /// Whether the key's value is `true`.
    pub fn is_on(&self, key: &str) -> bool {
        self.get(key).and_then(|node| node.bool()).unwrap_or(false)
    }

    /// Whether it is a text.
    pub fn is_text(&self) -> bool {
        self.value.is_string()
    }

    /// Whether it is a list.
    pub fn is_list(&self) -> bool {
        self.value.is_sequence()
    }

    /// Whether it is a map.
    pub fn is_map(&self) -> bool {
        self.value.is_mapping()
    }

    /// Marks it and all below it as read.
    pub fn done(&self) {
        self.read.borrow_mut().insert(self.path.clone());
    }
}

fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(bool) => bool.to_string(),
        Value::Null => "null".to_owned(),
        _ => "?".to_owned(),
    }
}

/// JSON without the comments and the trailing commas that people put into it.
fn plain_json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek().copied()) {
            ('"', _) => {
                out.push(c);
                while let Some(c) = chars.next() {
                    out.push(c);
                    match c {
                        '\\' => out.extend(chars.next()),
                        '"' => break,
                        _ => {}
                    }
                }
            }
            ('/', Some('/')) => {
                while chars.peek().is_some_and(|c| *c != '\n') {
                    chars.next();
                }
            }
            ('/', Some('*')) => {
                let mut before = ' ';
                chars.next();
                for c in chars.by_ref() {
                    if before == '*' && c == '/' {
                        break;
                    }
                    before = c;
                }
                out.push(' ');
            }
            (']' | '}', _) => {
                let end = out.trim_end().len();
                if out[..end].ends_with(',') {
                    out.truncate(end - 1);
                }
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    out
}
