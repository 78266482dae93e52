//! YAML as a tree whose nodes can be found again in the file.
//!
//! The YAML reader tells positions only when it fails. So nodes are numbered in the order in which
//! they are read; to ask where node *k* is, the text is read again and made to fail there. That
//! costs nothing until there is an error to report, and then the exact line and column come from the
//! parser itself. The same second reading hands a node over to any `Deserialize` type.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;

use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess,
    Visitor,
};

use super::error::ConfigError;

/// A configuration file: its name, where it lies, what it says.
#[derive(Debug)]
pub(super) struct Source {
    /// As the operator named it.
    pub file: String,
    /// What relative paths in it are relative to.
    pub folder: PathBuf,
    /// Its content.
    pub text: String,
}

/// One value of the file.
#[derive(Debug)]
pub(super) struct Node {
    /// Its number in reading order.
    pub id: usize,
    /// What it is.
    pub value: Value,
}

/// What a node is.
#[derive(Debug)]
pub(super) enum Value {
    Null,
    Bool(bool),
    /// A whole number that is not negative.
    Whole(u64),
    /// Any other number.
    Number(f64),
    Text(String),
    List(Vec<Node>),
    /// In the order of the file; duplicates are still there.
    Map(Vec<(Key, Node)>),
}

/// A key of a map.
#[derive(Debug)]
pub(super) struct Key {
    pub id: usize,
    pub name: String,
}

impl Value {
    /// What it is, for error messages.
    pub fn describe(&self) -> String {
        match self {
            Value::Null => "nothing".into(),
            Value::Bool(value) => format!("`{value}`"),
            Value::Whole(value) => format!("the number {value}"),
            Value::Number(value) => format!("the number {value}"),
            Value::Text(_) => "text".into(),
            Value::List(_) => "a list".into(),
            Value::Map(_) => "a map".into(),
        }
    }
}

impl Source {
    /// The whole file as a tree. An empty file is an empty node.
    ///
    /// # Errors
    /// Text that is not YAML, or uses what a configuration has no use for (tags, several documents).
    pub fn tree(&self) -> Result<Node, ConfigError> {
        let next = Cell::new(0);
        Grow(&next)
            .deserialize(serde_yaml::Deserializer::from_str(&self.text))
            .map_err(|error| self.yaml_error(&error))
    }

    /// Reads one node as something else.
    pub fn read<T: DeserializeOwned>(&self, id: usize) -> Result<T, ConfigError> {
        let (next, found) = (Cell::new(0), RefCell::new(None));
        Pick { next: &next, wanted: id, found: &found }
            .deserialize(serde_yaml::Deserializer::from_str(&self.text))
            .map_err(|error| self.yaml_error(&error))?;
        found.into_inner().ok_or_else(|| self.error(None, "the value could not be found again"))
    }

    /// Line and column of a node, counted from 1.
    pub fn place(&self, id: usize) -> Option<(usize, usize)> {
        self.read::<Nothing>(id).err().and_then(|error| error.at)
    }

    /// An error at a place of this file.
    pub fn error(&self, at: Option<(usize, usize)>, message: impl Into<String>) -> ConfigError {
        ConfigError { file: self.file.clone(), at, message: message.into(), help: None }
    }

    fn yaml_error(&self, error: &serde_yaml::Error) -> ConfigError {
        let at = error.location().map(|place| (place.line(), place.column()));
        let message = error.to_string();
        // The parser ends its message with the place, which we print in front.
        let message = message.split(" at line ").next().unwrap_or_default();
        let mut error = self.error(at, message);
        let line = at.and_then(|(line, _)| self.text.lines().nth(line.saturating_sub(1)));
        error.help = line.and_then(help_with_yaml).map(str::to_owned);
        error
    }
}

/// The ways of writing a line that YAML takes for something else.
fn help_with_yaml(line: &str) -> Option<&'static str> {
    let bracket = line.find(['[', '{']);
    let variable = line.find("${");
    if line.starts_with([' ', '\t']) && line.trim_start_matches(' ').starts_with('\t') {
        Some("indent with spaces; YAML knows no tabs")
    } else if variable.is_some_and(|v| bracket.is_some_and(|b| b < v)) {
        Some("inside [ ] and { } a variable needs quotes: [\"${NAME}\"]")
    } else if line.split_once(": ").is_some_and(|(_, value)| value.contains(": ")) {
        Some("a text with `: ` in it needs quotes")
    } else {
        None
    }
}

/// A node of a file, remembered for later messages.
#[derive(Clone)]
pub(super) struct Spot {
    pub source: Arc<Source>,
    pub node: usize,
}

impl fmt::Debug for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.source.file, self.node)
    }
}

/// A value that knows where it was written, for whoever checks it later.
#[derive(Clone)]
pub struct Located<T> {
    value: T,
    spot: Option<Spot>,
}

impl<T> Located<T> {
    pub(super) fn new(value: T, spot: Spot) -> Located<T> {
        Located { value, spot: Some(spot) }
    }

    /// A value that stands in no file (a default, a test).
    pub fn nowhere(value: T) -> Located<T> {
        Located { value, spot: None }
    }

    /// The value alone.
    pub fn into_inner(self) -> T {
        self.value
    }

    /// An error about this value, at the place where it was written.
    pub fn error(&self, message: impl Into<String>, help: Option<String>) -> ConfigError {
        match &self.spot {
            Some(Spot { source, node }) => {
                ConfigError { help, ..source.error(source.place(*node), message) }
            }
            None => ConfigError {
                file: "configuration".into(),
                at: None,
                message: message.into(),
                help,
            },
        }
    }
}

impl<T> Deref for Located<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Debug> fmt::Debug for Located<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

/// A part of the file that another module gives its type to.
#[derive(Debug, Clone)]
pub struct Raw(pub(super) Spot);

impl Raw {
    /// Reads it as `T` (`serde_yaml::Value` for the tree itself).
    ///
    /// # Errors
    /// Whatever does not fit `T`, with the exact line and column.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        self.0.source.read(self.0.node)
    }

    /// An error about this part as a whole, at its beginning.
    pub fn error(&self, message: impl Into<String>, help: Option<String>) -> ConfigError {
        Located::new((), self.0.clone()).error(message, help)
    }
}

fn take(next: &Cell<usize>) -> usize {
    next.replace(next.get() + 1)
}

/// Builds the tree.
struct Grow<'c>(&'c Cell<usize>);

impl<'de> DeserializeSeed<'de> for Grow<'_> {
    type Value = Node;
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Node, D::Error> {
        let id = take(self.0);
        Ok(Node { id, value: from.deserialize_any(GrowVisitor(self.0))? })
    }
}

struct GrowVisitor<'c>(&'c Cell<usize>);

impl<'de> Visitor<'de> for GrowVisitor<'_> {
    type Value = Value;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value without a YAML tag")
    }
    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_none<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }
    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Whole(value))
    }
    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        Ok(u64::try_from(value).map_or(Value::Number(value as f64), Value::Whole))
    }
    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(value))
    }
    fn visit_str<E: de::Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }
    fn visit_enum<A: EnumAccess<'de>>(self, _: A) -> Result<Value, A::Error> {
        Err(de::Error::custom("YAML tags (`!name`) have no meaning here; write the value alone"))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Grow(self.0))? {
            list.push(item);
        }
        Ok(Value::List(list))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Vec::new();
        while let Some(Node { id, value }) = entries.next_key_seed(Grow(self.0))? {
            let name = match value {
                Value::Text(name) => name,
                other => {
                    let found = other.describe();
                    return Err(de::Error::custom(format!(
                        "a key must be text, but here is {found}: put it in quotes"
                    )));
                }
            };
            map.push((Key { id, name }, entries.next_value_seed(Grow(self.0))?));
        }
        Ok(Value::Map(map))
    }
}

/// Finds one node again and reads it as `T`; numbers nodes exactly as [`Grow`] does.
struct Pick<'c, T> {
    next: &'c Cell<usize>,
    wanted: usize,
    found: &'c RefCell<Option<T>>,
}

impl<T> Clone for Pick<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Pick<'_, T> {}

impl<'de, T: DeserializeOwned> DeserializeSeed<'de> for Pick<'_, T> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        if take(self.next) == self.wanted {
            self.found.replace(Some(T::deserialize(from)?));
            Ok(())
        } else {
            from.deserialize_any(self)
        }
    }
}

impl<'de, T: DeserializeOwned> Visitor<'de> for Pick<'_, T> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value without a YAML tag")
    }
    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_none<E: de::Error>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_bool<E: de::Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E: de::Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E: de::Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E: de::Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E: de::Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(self)?.is_some() {}
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while entries.next_key_seed(self)?.is_some() {
            entries.next_value_seed(self)?;
        }
        Ok(())
    }
}

/// The type nothing can be read as: reading it fails exactly where the node is.
struct Nothing(PhantomData<()>);

impl<'de> de::Deserialize<'de> for Nothing {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(NothingVisitor)
    }
}

struct NothingVisitor;

impl Visitor<'_> for NothingVisitor {
    type Value = Nothing;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn source(text: &str) -> Source {
        Source { file: "t.yaml".into(), folder: PathBuf::new(), text: text.into() }
    }

    fn places(source: &Source, node: &Node, out: &mut Vec<String>) {
        let (line, column) = source.place(node.id).expect("every node is somewhere");
        out.push(format!("{line}:{column} {}", node.value.describe()));
        match &node.value {
            Value::List(items) => items.iter().for_each(|item| places(source, item, out)),
            Value::Map(entries) => {
                for (key, value) in entries {
                    let (line, column) = source.place(key.id).expect("every key is somewhere");
                    out.push(format!("{line}:{column} key {}", key.name));
                    places(source, value, out);
                }
            }
            _ => {}
        }
    }

    #[test]
    fn every_node_is_found_again() {
        let source = source("a: 1\nlist:\n  - x\n  - y: {z: true}\nlast: -1.5\nempty:\n");
        let tree = source.tree().expect("good YAML");
        let mut out = Vec::new();
        places(&source, &tree, &mut out);
        insta::assert_snapshot!(out.join("\n"), @r"
    1:1 a map
    1:1 key a
    1:4 the number 1
    2:1 key list
    3:3 a list
    3:5 text
    4:5 a map
    4:5 key y
    4:8 a map
    4:9 key z
    4:12 `true`
    5:1 key last
    5:7 the number -1.5
    6:1 key empty
    6:7 nothing
    ");
    }

    #[test]
    fn a_part_is_read_as_another_type_with_its_own_positions() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Row {
            #[allow(dead_code)]
            name: String,
        }
        let source = Arc::new(source("rows:\n  - name: a\n    size: 3\n"));
        let Value::Map(entries) = source.tree().expect("good YAML").value else { panic!("a map") };
        let raw = Raw(Spot { source, node: entries[0].1.id });
        let error = raw.parse::<Vec<Row>>().expect_err("`size` is unknown");
        assert_eq!(error.at, Some((3, 5)));
        let value = raw.parse::<serde_yaml::Value>().expect("anything is a value");
        assert_eq!(value[0]["size"], 3);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[a-z:\\-\\[\\]{}&*!\"' \n\t#|>%@,0-9]{0,80}") {
            let source = source(&text);
            if let Ok(tree) = source.tree() {
                let mut out = Vec::new();
                places(&source, &tree, &mut out);
            }
        }
    }
}
