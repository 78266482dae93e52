//! From the tree to typed values. All errors are collected, none stops the reading.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::error::{ConfigError, ConfigErrors};
use super::tree::{Key, Located, Node, Raw, Source, Spot, Value};
use super::values::{ByteSize, parse_duration, parse_money, parse_size};
use crate::policy::diagnostic::did_you_mean;
use crate::units::NanoDollars;

/// What a configuration may ask of the world around it.
pub(super) struct Outside<'a> {
    /// The value of an environment variable.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// The content of a file.
    pub file: &'a dyn Fn(&Path) -> io::Result<String>,
}

/// Reads one file and remembers what it came across.
pub(super) struct Reader<'a> {
    source: Arc<Source>,
    outside: &'a Outside<'a>,
    errors: Vec<ConfigError>,
    /// Doubtful, but not wrong.
    pub warnings: Vec<ConfigError>,
    /// Every secret that was read.
    pub secrets: Vec<SecretString>,
    /// Every other file that was read.
    pub files: Vec<PathBuf>,
}

/// A type that a node can be read as. `None` means that an error was recorded.
pub(super) trait FromNode: Sized {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self>;
}

impl<'a> Reader<'a> {
    pub fn new(source: Arc<Source>, outside: &'a Outside<'a>) -> Reader<'a> {
        Reader {
            source,
            outside,
            errors: Vec::new(),
            warnings: Vec::new(),
            secrets: Vec::new(),
            files: Vec::new(),
        }
    }

    /// Records an error at a node. Always `None`, so that it can end a reading.
    pub fn error<T>(&mut self, id: usize, message: String, help: Option<String>) -> Option<T> {
        let at = self.source.place(id);
        self.errors.push(ConfigError { help, ..self.source.error(at, message) });
        None
    }

    fn warn(&mut self, id: usize, message: String, help: String) {
        let at = self.source.place(id);
        self.warnings.push(ConfigError { help: Some(help), ..self.source.error(at, message) });
    }

    /// The value, unless an error was recorded on the way to it.
    pub fn finish<T>(&mut self, value: Option<T>) -> Result<T, ConfigErrors> {
        self.errors.sort_by_key(|error| error.at);
        match value {
            Some(value) if self.errors.is_empty() => Ok(value),
            _ => Err(ConfigErrors(std::mem::take(&mut self.errors))),
        }
    }

    /// Where a node is, to be kept with its value.
    pub fn spot(&self, id: usize) -> Spot {
        Spot { source: Arc::clone(&self.source), node: id }
    }

    /// The path as seen from the folder of the file.
    fn path(&self, text: &str) -> PathBuf {
        self.source.folder.join(text)
    }

    /// The entries of a map, duplicates reported. A section with nothing in it is an empty map:
    /// that is what is left when all its lines are commented out.
    pub fn map<'n>(&mut self, node: &'n Node) -> Option<&'n [(Key, Node)]> {
        let entries = match &node.value {
            Value::Map(entries) => entries.as_slice(),
            Value::Null => &[],
            other => return self.mismatch(node, "a map (`name: value` lines)", other),
        };
        let mut seen = BTreeMap::new();
        for (key, _) in entries {
            if let Some(first) = seen.insert(key.name.as_str(), key.id) {
                let line = self.source.place(first).map_or(0, |(line, _)| line);
                let message = format!("`{}` is given twice; the first is on line {line}", key.name);
                self.error::<()>(key.id, message, Some("keep one of them".into()));
            }
        }
        Some(entries)
    }

    /// The entries of a section, whose keys are all known.
    pub fn section<'n>(&mut self, node: &'n Node, known: &[&str]) -> Option<&'n [(Key, Node)]> {
        let entries = self.map(node)?;
        for (key, _) in entries.iter().filter(|(key, _)| !known.contains(&key.name.as_str())) {
            let help = match did_you_mean(&key.name, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("keys here: {}", known.join(", ")),
            };
            self.error::<()>(key.id, format!("unknown key `{}`", key.name), Some(help));
        }
        Some(entries)
    }

    fn mismatch<T>(&mut self, node: &Node, expected: &str, found: &Value) -> Option<T> {
        let message = format!("expected {expected}, found {}", found.describe());
        let help = match found {
            Value::Null => Some("give a value or remove the key".into()),
            Value::Bool(_) | Value::Whole(_) | Value::Number(_) if expected.contains("text") => {
                Some("put it in quotes to make it text".into())
            }
            _ => None,
        };
        self.error(node.id, message, help)
    }

    /// A text with its variables filled in.
    pub fn text(&mut self, node: &Node, expected: &str) -> Option<String> {
        match &node.value {
            Value::Text(text) => self.expand(node.id, text),
            other => self.mismatch(node, expected, other),
        }
    }

    /// Fills in `${NAME}`; `$${` stands for a plain `${`.
    fn expand(&mut self, id: usize, text: &str) -> Option<String> {
        let (mut out, mut rest, mut good) = (String::with_capacity(text.len()), text, true);
        while let Some(start) = rest.find("${") {
            if rest[..start].ends_with('$') {
                out.push_str(&rest[..start - 1]);
                out.push_str("${");
                rest = &rest[start + 2..];
                continue;
            }
            out.push_str(&rest[..start]);
            let Some(end) = rest[start..].find('}').map(|end| start + end) else {
                let help = "write `${NAME}`, or `$${` for a plain `${`";
                return self.error(id, "a `${` without its `}`".into(), Some(help.into()));
            };
            match self.variable(id, &rest[start + 2..end]) {
                Some(value) => out.push_str(&value),
                None => good = false,
            }
            rest = &rest[end + 1..];
        }
        out.push_str(rest);
        good.then_some(out)
    }

    fn variable(&mut self, id: usize, name: &str) -> Option<String> {
        let well_formed = !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !well_formed {
            let help = "a name has letters, digits and `_`; defaults are not supported";
            return self.error(
                id,
                format!("`${{{name}}}` does not name an environment variable"),
                Some(help.into()),
            );
        }
        (self.outside.env)(name).or_else(|| {
            let help = format!("set it (`export {name}=…`) or remove this entry");
            self.error(id, format!("the environment variable `{name}` is not set"), Some(help))
        })
    }

    /// A text that some function makes a value of.
    pub fn parsed<T>(
        &mut self,
        node: &Node,
        expected: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.text(node, expected)?;
        parse(&text).map_or_else(|message| self.error(node.id, message, None), Some)
    }

    /// A secret: `${NAME}`, `file:PATH`, or (with a warning) the text itself.
    pub fn secret(&mut self, node: &Node) -> Option<SecretString> {
        let text = self.text(node, "text (a secret)")?;
        let secret = match text.strip_prefix("file:") {
            Some(path) => {
                let path = self.path(path);
                let content = (self.outside.file)(&path);
                self.files.push(path.clone());
                match content {
                    Ok(content) => content.trim_end_matches(['\n', '\r']).to_owned(),
                    Err(error) => {
                        let message = format!("cannot read {}: {error}", path.display());
                        return self.error(node.id, message, None);
                    }
                }
            }
            None => text,
        };
        if secret.trim().is_empty() {
            let help = "check the variable or file it comes from, or remove the key";
            return self.error(node.id, "this secret is empty".into(), Some(help.into()));
        }
        let literal = matches!(&node.value, Value::Text(text)
            if !text.contains("${") && !text.starts_with("file:") && !text.starts_with("hash:"));
        if literal {
            self.warn(
                node.id,
                "a secret stands here in plain text".into(),
                "write `${NAME}` or `file:PATH` instead".into(),
            );
        }
        let secret = SecretString::from(secret);
        self.secrets.push(secret.clone());
        Some(secret)
    }
}

impl FromNode for String {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.text(node, "text")
    }
}

impl FromNode for bool {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match &node.value {
            Value::Bool(value) => Some(*value),
            Value::Text(_) => reader.parsed(node, "", |text| {
                text.parse().map_err(|_| format!("expected `true` or `false`, found `{text}`"))
            }),
            other => reader.mismatch(node, "`true` or `false`", other),
        }
    }
}

impl FromNode for usize {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let parse = |text: &str| {
            let message = format!("expected a whole number, found `{text}`");
            text.replace('_', "").parse().map_err(|_| message)
        };
        match &node.value {
            Value::Whole(value) => usize::try_from(*value).ok().or_else(|| {
                reader.error(node.id, format!("{value} is more than this machine can count"), None)
            }),
            Value::Text(_) => reader.parsed(node, "", parse),
            other => reader.mismatch(node, "a whole number", other),
        }
    }
}

/// A measure is text with a unit; a bare number gets the parser's message about units.
fn measured<T>(
    node: &Node,
    reader: &mut Reader<'_>,
    expected: &str,
    parse: fn(&str) -> Result<T, String>,
) -> Option<T> {
    let number = match &node.value {
        Value::Whole(value) => value.to_string(),
        Value::Number(value) => value.to_string(),
        _ => return reader.parsed(node, expected, parse),
    };
    parse(&number).map_or_else(|message| reader.error(node.id, message, None), Some)
}

impl FromNode for Duration {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        measured(node, reader, "a span of time such as `10s`", parse_duration)
    }
}

impl FromNode for ByteSize {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        measured(node, reader, "a size such as `20MB`", parse_size)
    }
}

impl FromNode for NanoDollars {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        measured(node, reader, "an amount of money such as `$0.05`", parse_money)
    }
}

impl FromNode for SecretString {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.secret(node)
    }
}

impl FromNode for PathBuf {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let text = reader.text(node, "text (a path)")?;
        if text.is_empty() {
            return reader.error(node.id, "this path is empty".into(), None);
        }
        Some(reader.path(&text))
    }
}

impl FromNode for SocketAddr {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parsed(node, "an address such as `127.0.0.1:8080`", |text| {
            text.replacen("localhost:", "127.0.0.1:", 1).parse().map_err(|_| {
                format!("`{text}` is not an address and a port, such as `127.0.0.1:8080`")
            })
        })
    }
}

impl FromNode for jiff::civil::Date {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parsed(node, "text (a date)", |text| {
            let message = format!("`{text}` is not a date; it is written 2026-01-31");
            // jiff also reads a date out of a longer timestamp; a day is meant here.
            if text.len() == 10 { text.parse().map_err(|_| message) } else { Err(message) }
        })
    }
}

impl FromNode for Raw {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        Some(Raw(reader.spot(node.id)))
    }
}

impl<T: FromNode> FromNode for Located<T> {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        Some(Located::new(T::read(node, reader)?, reader.spot(node.id)))
    }
}

impl<T: FromNode> FromNode for Option<T> {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match node.value {
            Value::Null => Some(None),
            _ => T::read(node, reader).map(Some),
        }
    }
}

impl<T: FromNode> FromNode for Vec<T> {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match &node.value {
            Value::List(items) => {
                // Read them all before giving up, so that every error is told.
                let read: Vec<_> = items.iter().map(|item| T::read(item, reader)).collect();
                read.into_iter().collect()
            }
            Value::Null => Some(Vec::new()),
            other => reader.mismatch(node, "a list", other),
        }
    }
}

impl<T: FromNode + Ord> FromNode for BTreeSet<T> {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        Some(Vec::read(node, reader)?.into_iter().collect())
    }
}

impl<T: FromNode> FromNode for BTreeMap<String, T> {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let entries = reader.map(node)?;
        let read: Vec<_> = entries
            .iter()
            .map(|(key, node)| T::read(node, reader).map(|value| (key.name.clone(), value)))
            .collect();
        read.into_iter().collect()
    }
}

/// Declares sections: one place for a key's name, type, default, check and documentation.
///
/// `= default` is what holds where the key is absent; a section all of whose keys have one is
/// `Default`. `; check` is a function from the value to a complaint.
macro_rules! section {
    ($(#[$meta:meta])* pub struct $name:ident {
        $($(#[$doc:meta])* pub $field:ident : $type:ty = $default:expr $(; $check:expr)?,)*
    }) => {
        section! { @build $(#[$meta])* pub struct $name {
            $($(#[$doc])* pub $field: $type [ Some($default) ] [ $($check)? ],)*
        } }
        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default),* }
            }
        }
    };
    ($(#[$meta:meta])* pub struct $name:ident {
        required { $($(#[$rdoc:meta])* pub $rfield:ident : $rtype:ty $(; $rcheck:expr)?,)* }
        optional { $($(#[$doc:meta])* pub $field:ident : $type:ty = $default:expr $(; $check:expr)?,)* }
    }) => {
        section! { @build $(#[$meta])* pub struct $name {
            $($(#[$rdoc])* pub $rfield: $rtype [ None ] [ $($rcheck)? ],)*
            $($(#[$doc])* pub $field: $type [ Some($default) ] [ $($check)? ],)*
        } }
    };
    (@build $(#[$meta:meta])* pub struct $name:ident {
        $($(#[$doc:meta])* pub $field:ident : $type:ty [ $default:expr ] [ $($check:expr)? ],)*
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone)]
        pub struct $name { $($(#[$doc])* pub $field: $type),* }

        impl $crate::config::reader::FromNode for $name {
            fn read(
                node: &$crate::config::tree::Node,
                reader: &mut $crate::config::reader::Reader<'_>,
            ) -> Option<Self> {
                let entries = reader.section(node, &[$(stringify!($field)),*])?;
                $(let $field: Option<$type> =
                    match entries.iter().find(|(key, _)| key.name == stringify!($field)) {
                        Some((_, node)) => {
                            let value = <$type as $crate::config::reader::FromNode>::read(node, reader);
                            $(let value = value.and_then(|value| match ($check)(&value) {
                                Ok(()) => Some(value),
                                Err(message) => reader.error(node.id, message, None),
                            });)?
                            value
                        }
                        None => $default.or_else(|| reader.error(
                            node.id,
                            format!("`{}` is missing here", stringify!($field)),
                            None,
                        )),
                    };)*
                Some(Self { $($field: $field?),* })
            }
        }
    };
}

/// Declares a closed set of words.
macro_rules! words {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$doc])* $variant),* }

        impl $name {
            /// The word for it.
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word),* }
            }
        }

        impl $crate::config::reader::FromNode for $name {
            fn read(
                node: &$crate::config::tree::Node,
                reader: &mut $crate::config::reader::Reader<'_>,
            ) -> Option<Self> {
                const WORDS: &[(&str, $name)] = &[$(($word, $name::$variant)),*];
                $crate::config::reader::one_of(node, reader, WORDS)
            }
        }
    };
}

pub(super) use {section, words};

/// One of a closed set of words.
pub(super) fn one_of<T: Copy>(
    node: &Node,
    reader: &mut Reader<'_>,
    words: &[(&str, T)],
) -> Option<T> {
    let all = || words.iter().map(|(word, _)| *word);
    let listed = all().collect::<Vec<_>>().join(", ");
    let text = reader.text(node, &format!("text: one of {listed}"))?;
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
        return Some(*value);
    }
    let near = crate::policy::diagnostic::did_you_mean(&text, all());
    let help = near.map(|near| format!("did you mean `{near}`?"));
    reader.error(node.id, format!("`{text}` is none of {listed}"), help)
}

/// Whether a secret is long enough that nobody guesses it.
pub(super) fn long_enough(secret: &SecretString, least: usize) -> Result<(), String> {
    let length = secret.expose_secret().len();
    if length < least {
        return Err(format!("{length} characters are too few for a secret; use at least {least}"));
    }
    Ok(())
}
