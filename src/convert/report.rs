//! What became of each part of the source.

use std::cell::RefCell;
use std::fmt;

use serde::Serialize;

use super::source::Node;

/// How a part of the source fared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It is not in the result.
    LeftOut,
    /// It is in the result and means something else there.
    Changed,
    /// It is in the result.
    TakenOver,
}

impl Severity {
    /// The words of a heading.
    pub const fn title(self) -> &'static str {
        match self {
            Severity::LeftOut => "left out",
            Severity::Changed => "changed",
            Severity::TakenOver => "taken over",
        }
    }
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// How it fared.
    pub severity: Severity,
    /// Where it stands in the source: `model_list[2].litellm_params.rpm`; empty for the whole file.
    pub path: String,
    /// What it became, or what is missing now.
    pub what: String,
    /// Why, and what to do instead; empty where there is nothing to say.
    pub why: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.what)?;
        if !self.why.is_empty() {
            write!(f, " ({})", self.why)?;
        }
        Ok(())
    }
}

/// Collects notes; the same one is kept once.
#[derive(Debug, Default)]
pub struct Report(RefCell<Vec<Note>>);

impl Report {
    fn add(&self, severity: Severity, path: &str, what: String, why: String) {
        let note = Note { severity, path: path.to_owned(), what, why };
        let mut notes = self.0.borrow_mut();
        if !notes.contains(&note) {
            notes.push(note);
        }
    }

    /// It is in the result.
    pub fn taken(&self, path: &str, what: impl Into<String>) {
        self.add(Severity::TakenOver, path, what.into(), String::new());
    }

    /// It is in the result and means something else there.
    pub fn changed(&self, path: &str, what: impl Into<String>, why: impl Into<String>) {
        self.add(Severity::Changed, path, what.into(), why.into());
    }

    /// It is not in the result.
    pub fn left(&self, path: &str, what: impl Into<String>, why: impl Into<String>) {
        self.add(Severity::LeftOut, path, what.into(), why.into());
    }

    /// It is not in the result, with all that is below it.
    pub fn drop(&self, node: &Node<'_>, what: impl Into<String>, why: impl Into<String>) {
        node.done();
        self.left(node.path(), what, why);
    }

    /// All notes, in the order they were made.
    pub fn notes(&self) -> Vec<Note> {
        self.0.borrow().clone()
    }
}
