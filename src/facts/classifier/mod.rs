//! Classifiers: functions from a text to a label, a score or a yes or no, known by name.
//!
//! All of them are heuristics that read at most [`WINDOW`] bytes, so that each takes well under a
//! millisecond. A learned one would stand beside them behind the same trait. What they are worth is
//! told in `docs/facts.md`.

mod jailbreak;
mod pii;
#[cfg(test)]
mod tests;
mod unsafe_text;

use super::{difficulty, language, task};
use crate::dialect::shape::RequestShape;

/// The most text that a classifier reads, in bytes: three quarters from the beginning, the rest from
/// the end, since what is hidden stands at either end.
pub const WINDOW: usize = 16 * 1024;

/// What a classifier looks at.
#[derive(Debug, Clone, Copy)]
pub struct ClassifierInput<'a> {
    /// The last user turn, or as much of it as [`WINDOW`] lets through.
    pub text: &'a str,
    /// The request as a whole.
    pub shape: &'a RequestShape,
}

/// What a classifier can say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Yes or no.
    Flag,
    /// A number from 0 to 1.
    Score,
    /// One of these words.
    Label(&'static [&'static str]),
}

impl Kind {
    /// In words.
    pub fn told(self) -> &'static str {
        match self {
            Kind::Flag => "a yes or no",
            Kind::Score => "a number from 0 to 1",
            Kind::Label(_) => "a word",
        }
    }
}

/// What a classifier says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Opinion {
    /// Yes or no.
    Flag(bool),
    /// A number from 0 to 1.
    Score(f64),
    /// A word.
    Label(&'static str),
}

/// A function from a text to an opinion.
pub trait Classifier: Sync {
    /// What policies call it.
    fn name(&self) -> &'static str;

    /// What it can say.
    fn kind(&self) -> Kind;

    /// What it says; `None` where it cannot tell.
    fn classify(&self, input: &ClassifierInput<'_>) -> Option<Opinion>;
}

/// A classifier that is a function of this crate.
struct BuiltIn {
    name: &'static str,
    kind: Kind,
    ask: fn(&ClassifierInput<'_>) -> Option<Opinion>,
}

impl Classifier for BuiltIn {
    fn name(&self) -> &'static str {
        self.name
    }
    fn kind(&self) -> Kind {
        self.kind
    }
    fn classify(&self, input: &ClassifierInput<'_>) -> Option<Opinion> {
        (self.ask)(input)
    }
}

/// All classifiers there are.
pub static ALL: [&dyn Classifier; 7] = [
    &BuiltIn {
        name: "task",
        kind: Kind::Label(crate::policy::schema::TASKS),
        ask: |input| Some(Opinion::Label(task::classify(input.text, input.shape))),
    },
    &BuiltIn {
        name: "difficulty",
        kind: Kind::Score,
        ask: |input| {
            let task = task::classify(input.text, input.shape);
            Some(Opinion::Score(difficulty::estimate(input.text, task, input.shape)))
        },
    },
    &BuiltIn {
        name: "language",
        kind: Kind::Label(language::KNOWN),
        ask: |input| language::detect(input.text).map(Opinion::Label),
    },
    &BuiltIn { name: "pii", kind: Kind::Flag, ask: |input| Some(Opinion::Flag(pii(input.text))) },
    &BuiltIn {
        name: "pii-kind",
        kind: Kind::Label(pii::KINDS),
        ask: |input| pii::find(input.text).map(Opinion::Label),
    },
    &BuiltIn {
        name: "jailbreak",
        kind: Kind::Flag,
        ask: |input| Some(Opinion::Flag(jailbreak(input.text))),
    },
    &BuiltIn {
        name: "unsafe",
        kind: Kind::Flag,
        ask: |input| Some(Opinion::Flag(is_unsafe(input.text))),
    },
];

/// The classifier of this name.
pub fn named(name: &str) -> Option<&'static dyn Classifier> {
    ALL.into_iter().find(|classifier| classifier.name() == name)
}

/// A pattern of this module with its abbreviations spelled out: `~` is a few blanks. Ends of words and
/// letters are those of ASCII, since with those of Unicode a search takes far longer.
fn plain(pattern: &str) -> String {
    pattern
        .replace("~?", r"\s{0,3}")
        .replace('~', r"\s{1,3}")
        .replace(r"\b", r"(?-u:\b)")
        .replace(r"\w", "[0-9A-Za-z_]")
}

/// Whether the text holds personal data or secrets.
pub fn pii(text: &str) -> bool {
    pii::find(text).is_some()
}

/// Whether the text tries to talk a model out of its rules.
pub fn jailbreak(text: &str) -> bool {
    jailbreak::attempted(text)
}

/// Whether the text threatens, incites, or explains how to do grave harm.
pub fn is_unsafe(text: &str) -> bool {
    unsafe_text::found(text)
}

/// As much of some texts as a classifier reads.
pub fn window<'a>(pieces: impl Iterator<Item = impl AsRef<str> + 'a>) -> String {
    const HEAD: usize = WINDOW / 4 * 3;
    let mut text = String::new();
    let mut tail = String::new();
    for piece in pieces {
        let piece = piece.as_ref();
        let (head, rest) =
            piece.split_at(piece.floor_char_boundary(HEAD.saturating_sub(text.len())));
        text.push_str(head);
        if rest.is_empty() {
            text.push('\n');
            continue;
        }
        tail.push_str(&rest[rest.ceil_char_boundary(rest.len().saturating_sub(WINDOW - HEAD))..]);
        tail.push('\n');
        tail.drain(..tail.ceil_char_boundary(tail.len().saturating_sub(WINDOW - HEAD)));
    }
    if !tail.is_empty() {
        text.push('\n');
        text.push_str(&tail);
    }
    text
}
