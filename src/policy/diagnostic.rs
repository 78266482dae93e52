//! What the language says to its writers: a code, a place, a reason, a way out.
//!
//! This is plain data. `syntax::render` turns it into text; JSON and editors read it as it is.

use serde::Serialize;

use super::syntax::tree::Span;

/// A stable number, `P` and four digits; see [`super::codes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Code(pub &'static str);

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

/// How bad it is. Only errors keep a policy from loading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Note,
    /// Probably not what was meant.
    Warning,
    /// The policy does not load.
    Error,
}

/// A place in the file, with a word about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What is there.
    pub text: String,
}

/// Text that replaces what stands at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// What is replaced; empty where text is only inserted.
    pub span: Span,
    /// The new text.
    pub text: String,
}

/// A change that makes the finding go away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// What it does, in the imperative: "say per what".
    pub title: String,
    /// The changes, in order, not overlapping.
    pub edits: Vec<Edit>,
}

/// One finding about a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Its number.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub message: String,
    /// The place it is about.
    pub primary: Label,
    /// Other places that explain it.
    pub secondary: Vec<Label>,
    /// Ways out, in words.
    pub help: Vec<String>,
    /// Background.
    pub notes: Vec<String>,
    /// Ways out that can be applied.
    pub fixes: Vec<Fix>,
}

impl Diagnostic {
    /// An error at a place.
    pub fn error(
        code: Code,
        span: Span,
        message: impl Into<String>,
        label: impl Into<String>,
    ) -> Self {
        Self::new(Severity::Error, code, span, message, label)
    }

    /// A warning at a place.
    pub fn warning(
        code: Code,
        span: Span,
        message: impl Into<String>,
        label: impl Into<String>,
    ) -> Self {
        Self::new(Severity::Warning, code, span, message, label)
    }

    fn new(
        severity: Severity,
        code: Code,
        span: Span,
        message: impl Into<String>,
        label: impl Into<String>,
    ) -> Self {
        Diagnostic {
            code,
            severity,
            message: message.into(),
            primary: Label { span, text: label.into() },
            secondary: Vec::new(),
            help: Vec::new(),
            notes: Vec::new(),
            fixes: Vec::new(),
        }
    }

    /// Moves all its places by as many bytes.
    pub fn shift(&mut self, by: u32) {
        let moved = |span: &mut Span| *span = Span { start: span.start + by, end: span.end + by };
        moved(&mut self.primary.span);
        self.secondary.iter_mut().for_each(|label| moved(&mut label.span));
        self.fixes.iter_mut().flat_map(|fix| &mut fix.edits).for_each(|edit| moved(&mut edit.span));
    }

    /// Adds a second place.
    pub fn also(mut self, span: Span, text: impl Into<String>) -> Self {
        self.secondary.push(Label { span, text: text.into() });
        self
    }

    /// Adds a way out in words.
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help.push(text.into());
        self
    }

    /// Adds background.
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.notes.push(text.into());
        self
    }

    /// Adds a way out that replaces one place.
    pub fn fix(
        mut self,
        title: impl Into<String>,
        span: Span,
        replacement: impl Into<String>,
    ) -> Self {
        let edits = vec![Edit { span, text: replacement.into() }];
        self.fixes.push(Fix { title: title.into(), edits });
        self
    }
}

/// The nearest of `candidates` to `word`, if it is near enough to be what was meant.
///
/// The distance is capped at a third of the word's length (at least one), so that no wild guess is
/// offered.
pub fn did_you_mean<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance > 0 && *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::did_you_mean;

    #[test]
    fn suggestions_are_near_or_absent() {
        let words = ["timeout", "retry", "fallback"];
        assert_eq!(did_you_mean("timout", words), Some("timeout"));
        assert_eq!(did_you_mean("unknown_function", words), None);
        assert_eq!(did_you_mean("retry", words), None);
    }
}
