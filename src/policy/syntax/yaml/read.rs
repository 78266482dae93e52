//! From YAML to the tree: the policy is spelt out in the language itself, and then read.
//!
//! So there is one grammar and one set of messages for both spellings. What is spelt out remembers
//! where in the YAML each byte comes from, and all places lead back there. A text is only taken over
//! if its own rule reads all of it, so that none can end the statement it belongs to.

use std::collections::BTreeMap;

use crate::policy::codes;
use crate::policy::diagnostic::{Code, Diagnostic, did_you_mean};

use super::super::MAX_FINDINGS;
use super::super::scan::{scan, span};
use super::super::tree::Span;
use super::super::words::Place;
use super::document::{Comment, Item, Kind, Node, Scalar, column};
use super::out::Out;
use super::shapes::Shape;

/// Spells out a document.
pub struct Reader<'d> {
    text: &'d str,
    /// Where its lines begin.
    lines: Vec<u32>,
    /// The comments that stand nowhere yet, by their place.
    comments: BTreeMap<u32, Comment>,
    /// What has been spelt out.
    pub out: Out,
    /// What is wrong with the YAML, at places in it.
    pub diagnostics: Vec<Diagnostic>,
    /// Names of statements that are unreadable, wholly or in part.
    pub broken: Vec<String>,
    /// Whether the statement that is being read cannot be.
    failed: bool,
    /// Whether a line inside of the item that is being read could not be.
    lost: bool,
    /// Comments inside of the texts of the statement that is being read.
    inner: Vec<String>,
}

/// The keys of one map that were asked for by name.
#[derive(Clone, Copy)]
pub struct Fields<'d> {
    /// All of them, in order.
    pub entries: &'d [(Scalar, Node)],
    /// Where they stand.
    pub place: Span,
}

/// Whether YAML 1.1 takes this word for true or false.
fn is_switch(word: &str) -> bool {
    let lower = word.to_ascii_lowercase();
    matches!(&*lower, "on" | "off" | "yes" | "no" | "y" | "n")
}

impl<'d> Fields<'d> {
    /// What stands behind a key.
    pub fn get(&self, key: &str) -> Option<&'d Node> {
        self.entry(key).map(|(_, node)| node)
    }

    /// A key and what stands behind it.
    pub fn entry(&self, key: &str) -> Option<&'d (Scalar, Node)> {
        self.entries.iter().find(|(found, _)| found.text == key)
    }
}

impl<'d> Reader<'d> {
    pub fn new(text: &'d str, comments: Vec<Comment>) -> Self {
        let breaks = text.match_indices('\n').map(|(at, _)| at as u32 + 1);
        Reader {
            text,
            lines: std::iter::once(0).chain(breaks).collect(),
            comments: comments.into_iter().map(|one| (one.span.start, one)).collect(),
            out: Out::default(),
            diagnostics: Vec::new(),
            broken: Vec::new(),
            failed: false,
            lost: false,
            inner: Vec::new(),
        }
    }

    /// The YAML.
    pub fn source(&self) -> &'d str {
        self.text
    }

    // ---- comments ---------------------------------------------------------------------------

    /// Takes the comments between two places: all, or only those alone on their line.
    pub fn lead(&mut self, from: u32, to: u32, all: bool) {
        for comment in self.take(from, to, |comment| all || comment.alone) {
            self.comment(comment);
        }
        if self.blank_above(to) {
            self.out.word("\n");
        }
    }

    fn take(&mut self, from: u32, to: u32, wanted: impl Fn(&Comment) -> bool) -> Vec<Comment> {
        let inside = self.comments.range(from..to.max(from)).map(|(_, comment)| *comment);
        let taken: Vec<Comment> = inside.filter(wanted).collect();
        for comment in &taken {
            self.comments.remove(&comment.span.start);
        }
        taken
    }

    fn comment(&mut self, comment: Comment) {
        if comment.alone && self.blank_above(comment.span.start) {
            self.out.word("\n");
        }
        let said = self.text[comment.span.range()].to_owned();
        self.out.word(&said);
        self.out.word("\n");
    }

    /// Whether the line above is empty.
    fn blank_above(&self, at: u32) -> bool {
        let at = at as usize;
        let above = &self.text[..at - column(self.text, at)];
        above.strip_suffix('\n').is_some_and(|above| {
            above[above.rfind('\n').map_or(0, |newline| newline + 1)..].trim().is_empty()
        })
    }

    /// The comments behind the last line of a block, as far in as the block is.
    pub fn tail(&mut self, end: u32, least: usize) {
        let mut at = end as usize;
        loop {
            let rest = &self.text[at..];
            at = self.text.len() - rest.trim_start().len();
            if !self.text[at..].starts_with('#') {
                return;
            }
            // One that is not there has been taken by the line that it stands behind.
            let found = self.comments.get(&(at as u32)).copied();
            if let Some(comment) = found.filter(|comment| comment.alone) {
                if comment.column < least {
                    return;
                }
                self.comments.remove(&comment.span.start);
                self.comment(comment);
            }
            at += self.text[at..].find('\n').unwrap_or(self.text.len() - at);
        }
    }

    /// What is left at the end.
    pub fn rest(&mut self) {
        self.lead(0, self.text.len() as u32, true);
    }

    // ---- lines ------------------------------------------------------------------------------

    /// Spells out one statement or one line of a block. `from` is where what stands before it ends;
    /// `nested` says whether it has lines of its own.
    pub fn line(&mut self, from: u32, place: Span, nested: bool, spell: impl FnOnce(&mut Self)) {
        self.lead(from, place.start, false);
        let before = std::mem::take(&mut self.out);
        let (failed, inner) = (std::mem::take(&mut self.failed), std::mem::take(&mut self.inner));
        let head = self.text[place.range()].lines().next().unwrap_or_default().trim_end().len();
        self.out.anchor = span(place.start as usize, place.start as usize + head);
        spell(self);
        let anchor = before.anchor;
        let mut statement = std::mem::replace(&mut self.out, before);
        let after = self.after(place, nested);
        for comment in self.take(place.start, place.end, |_| true) {
            self.comment(comment);
        }
        for comment in std::mem::replace(&mut self.inner, inner) {
            self.out.word(&comment);
            self.out.word("\n");
        }
        if let Some(comment) = after {
            statement.word("  ");
            statement.word(&self.text[comment.span.range()]);
        }
        statement.word("\n");
        if std::mem::replace(&mut self.failed, failed) {
            self.lost = true;
        } else {
            self.out.append(statement);
            self.out.anchor = anchor;
        }
    }

    /// The comment that belongs to a line: behind its end, or behind its head.
    fn after(&mut self, place: Span, nested: bool) -> Option<Comment> {
        // A comment ends its line, so it is the only one.
        let behind = |from: u32| {
            let line = self.lines.partition_point(|start| *start <= from);
            let end = self.lines.get(line).copied().unwrap_or(u32::MAX);
            let (_, comment) = self.comments.range(from..end).next()?;
            (!comment.alone).then_some(*comment)
        };
        let found = match nested {
            true => behind(place.start),
            false => behind(place.end).or_else(|| behind(place.start)),
        }?;
        self.comments.remove(&found.span.start)
    }

    /// Like [`Reader::line`], for a whole statement of this name.
    pub fn item(
        &mut self,
        from: u32,
        place: Span,
        nested: bool,
        name: &str,
        spell: impl FnOnce(&mut Self),
    ) {
        self.lead(from, place.start, true);
        self.lost = false;
        self.line(from, place, nested, spell);
        if self.lost {
            self.broken.push(name.to_owned());
        }
    }

    /// `{`, the lines, their comments, `}`. The block ends at `end`; what belongs to it stands at
    /// least in column `least`.
    pub fn block(&mut self, end: u32, least: usize, lines: impl FnOnce(&mut Self)) {
        self.out.word(" {\n");
        lines(self);
        self.tail(end, least);
        self.out.word("}");
    }

    // ---- findings ---------------------------------------------------------------------------

    /// Reports a fault; the statement is not taken over.
    pub fn fault(&mut self, found: Diagnostic) {
        self.failed = true;
        self.diagnostics.push(found);
    }

    /// Says that something else belongs here.
    pub fn shape(&mut self, node: &Node, wanted: &str) {
        let found = match &node.kind {
            Kind::Null => "nothing stands here",
            Kind::Scalar(_) => "this is a text",
            Kind::List(_) => "this is a list",
            Kind::Map(_) => "this is a map",
        };
        let first = self.text[node.span.range()].lines().next().unwrap_or_default().trim_end();
        let start = node.span.start as usize;
        let place = span(start, start + first.len());
        let message = format!("{wanted} is expected here");
        let mut found = Diagnostic::error(codes::YAML_SHAPE, place, message, found);
        if let Kind::Scalar(said) = &node.kind
            && is_switch(&said.text)
        {
            found = found.note(format!(
                "`{}` is true or false only in YAML 1.1; here it is a word like any other",
                said.text
            ));
        }
        self.fault(found);
    }

    /// A key that means nothing here.
    pub fn unknown(&mut self, key: &Scalar, what: &str, known: &[&str]) {
        let word = key.text.as_str();
        let message = format!("{what} has no key `{word}`");
        let mut found = Diagnostic::error(codes::YAML_KEY, key.span, message, "not known here");
        let lower = word.to_ascii_lowercase();
        let near = did_you_mean(word, known.iter().copied());
        if matches!(&*lower, "on" | "true") && known.contains(&"if") {
            found = found
                .note(
                    "YAML 1.1 reads a bare `on` as `true`, so the error classes stand behind `if`",
                )
                .fix("write `if`", key.span, "if");
        } else if is_switch(&lower) {
            found = found.note(format!("YAML 1.1 reads a bare `{word}` as true or false"));
        } else if word == "<<" {
            let message = "merge keys are not read in a policy";
            found = Diagnostic::error(codes::YAML_FEATURE, key.span, message, "starts here");
        } else if let Some(near) = near {
            found = found.fix(format!("did you mean `{near}`?"), key.span, near);
        } else {
            found = found.help(format!("it has {}", known.join(", ")));
        }
        self.fault(found);
    }

    fn complain(&mut self, code: Code, place: Span, message: String, label: &str) {
        self.fault(Diagnostic::error(code, place, message, label));
    }

    // ---- values -----------------------------------------------------------------------------

    /// The text that a node has to be.
    pub fn scalar(&mut self, node: &'d Node, wanted: &str) -> Option<&'d Scalar> {
        match &node.kind {
            Kind::Scalar(scalar) => Some(scalar),
            _ => {
                self.shape(node, wanted);
                None
            }
        }
    }

    /// The entries of a map; of nothing, none.
    pub fn entries(&mut self, node: &'d Node, wanted: &str) -> &'d [(Scalar, Node)] {
        match &node.kind {
            Kind::Map(entries) => entries,
            Kind::Null => &[],
            _ => {
                self.shape(node, wanted);
                &[]
            }
        }
    }

    /// The elements of a list; of nothing, none.
    pub fn items(&mut self, node: &'d Node, wanted: &str) -> &'d [Item] {
        match &node.kind {
            Kind::List(items) => items,
            Kind::Null => &[],
            _ => {
                self.shape(node, wanted);
                &[]
            }
        }
    }

    /// A map with these keys, and with those of a body if it may have one.
    pub fn fields(
        &mut self,
        node: &'d Node,
        what: &str,
        must: &[&str],
        may: &[&str],
        body: bool,
    ) -> Option<Fields<'d>> {
        let Kind::Map(entries) = &node.kind else {
            self.shape(node, &format!("a map with {}", must.join(", ")));
            return None;
        };
        let directives = if body { Place::Body.words() } else { &[] };
        let known: Vec<&str> = [must, may, directives].concat();
        for (key, _) in entries {
            if !known.contains(&key.text.as_str()) {
                self.unknown(key, what, &known);
            }
        }
        let first = entries.first().map_or(node.span, |(key, _)| key.span);
        for key in must {
            if !entries.iter().any(|(found, _)| found.text == *key) {
                let message = format!("{what} needs the key `{key}`");
                self.complain(codes::YAML_KEY, first, message, "missing in this map");
            }
        }
        Some(Fields { entries, place: node.span })
    }

    /// Takes over a text of the language.
    pub fn put(&mut self, node: &'d Node, shape: Shape) {
        if let Some(scalar) = self.scalar(node, shape.what) {
            self.put_scalar(scalar, shape);
        }
    }

    pub fn put_scalar(&mut self, scalar: &Scalar, shape: Shape) {
        let mut said = scalar.text.clone();
        if said.contains('#') {
            for comment in scan(&scalar.text).comments {
                self.inner.push(scalar.text[comment.range()].to_owned());
                let blanks = " ".repeat((comment.end - comment.start) as usize);
                said.replace_range(comment.range(), &blanks);
            }
        }
        let from = said.len() - said.trim_start().len();
        let said = said.trim();
        if scan(said).too_deep().is_none() && shape.holds(said) {
            self.out.copy(scalar, from, said);
        } else {
            self.explain(scalar, from, said, shape);
        }
    }

    /// Says what is wrong with a text, as the last thing in a statement that is otherwise sound.
    fn explain(&mut self, scalar: &Scalar, from: usize, said: &str, shape: Shape) {
        self.failed = true;
        if self.diagnostics.len() >= MAX_FINDINGS {
            return;
        }
        let mut frame = Out::default();
        frame.anchor = scalar.span;
        frame.word(shape.head);
        let start = frame.text.len();
        frame.copy(scalar, from, said);
        let end = frame.text.len();
        frame.word(shape.foot);
        let found = super::super::parse(&frame.text).diagnostics;
        let none = found.is_empty();
        for mut one in found {
            let inside = |place: Span| start <= place.start as usize && place.end as usize <= end;
            one.fixes.retain(|fix| fix.edits.iter().all(|edit| inside(edit.span)));
            super::places(&mut one, |place| frame.origin(place));
            self.diagnostics.push(one);
        }
        if none {
            let message = format!("{} is expected here, and nothing more", shape.what);
            self.complain(codes::YAML_SHAPE, scalar.span, message, "this is something else");
        }
    }

    /// Takes over a text that people or models read.
    pub fn text(&mut self, node: &'d Node) {
        if let Some(scalar) = self.scalar(node, "a text") {
            self.out.quoted(scalar);
        }
    }

    /// Several texts of the language, or one.
    pub fn joined(&mut self, node: &'d Node, shape: Shape, between: &str) {
        let Kind::List(items) = &node.kind else { return self.put(node, shape) };
        if items.is_empty() {
            let message = format!("{} is expected in this list", shape.what);
            self.complain(codes::YAML_SHAPE, node.span, message, "it is empty");
        }
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.out.word(between);
            }
            self.put(&item.node, shape);
        }
    }

    /// `[a, b]`
    pub fn list(&mut self, node: &'d Node, shape: Shape) {
        self.out.word("[");
        if !matches!(&node.kind, Kind::List(items) if items.is_empty()) {
            self.joined(node, shape, ", ");
        }
        self.out.word("]");
    }

    /// What stands behind a key that is there, with a word in front.
    pub fn clause(&mut self, fields: &Fields<'d>, key: &str, word: &str, shape: Shape) {
        if let Some(node) = fields.get(key) {
            self.out.word(word);
            self.put(node, shape);
        }
    }

    /// What happens when an amount is reached: one of four keys.
    pub fn breach(&mut self, fields: &Fields<'d>, what: &str) {
        const KEYS: [&str; 4] = ["warn", "degrade_to", "queue", "deny"];
        let said: Vec<_> = KEYS.iter().filter_map(|key| fields.entry(key)).collect();
        let [(key, node)] = said.as_slice() else {
            let place = fields.entries.first().map_or(fields.place, |(key, _)| key.span);
            let message = format!("{what} says what happens then, with one of {}", KEYS.join(", "));
            let label = if said.is_empty() { "it says nothing" } else { "it says several things" };
            return self.complain(codes::YAML_KEY, place, message, label);
        };
        match key.text.as_str() {
            "warn" => {
                if !matches!(&node.kind, Kind::Scalar(scalar) if scalar.text == "true") {
                    self.shape(node, "`true`");
                }
                self.out.word("warn");
            }
            "degrade_to" => {
                self.out.word("degrade to ");
                self.put(node, super::shapes::TARGET);
            }
            "queue" => {
                self.out.word("queue ");
                self.put(node, super::shapes::DURATION);
            }
            _ => {
                self.out.word("deny");
                if !matches!(node.kind, Kind::Null) {
                    self.out.word(" ");
                    self.text(node);
                }
            }
        }
    }
}
