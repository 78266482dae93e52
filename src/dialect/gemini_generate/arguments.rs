//! The arguments of a call that a stream brings value by value, each with its path: they become the
//! text of one JSON object, written on as they come.

use super::piece::{PartialArgument, PartialValue};
use crate::dialect::json;

/// Arguments under way.
#[derive(Debug, Default)]
pub(super) struct Arguments {
    /// The objects and arrays that are open, outermost first.
    open: Vec<Frame>,
    /// The path of the text that is open.
    text: Option<String>,
}

/// An object or array that is open.
#[derive(Debug)]
enum Frame {
    /// The keys so far; the last one is the one under way.
    Object(Vec<String>),
    /// How many items there are; the last one is the one under way.
    Array(usize),
}

/// A step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

/// A value that cannot be written behind those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OutOfOrder;

impl Arguments {
    /// What a value adds to the text.
    ///
    /// # Errors
    /// When its place lies before what was written already, or its path cannot be read.
    pub(super) fn add(&mut self, piece: &PartialArgument<'_>) -> Result<String, OutOfOrder> {
        let mut out = String::new();
        if self.text.as_deref() == Some(&*piece.path) {
            if let PartialValue::Text(text) = &piece.value {
                json::escape_into(&mut out, text);
            }
        } else {
            self.end_text(&mut out);
            self.enter(&path(&piece.path).ok_or(OutOfOrder)?, &mut out)?;
            match &piece.value {
                PartialValue::Json(json) => out.push_str(json),
                PartialValue::Text(text) => {
                    out.push('"');
                    json::escape_into(&mut out, text);
                    self.text = Some(piece.path.to_string());
                }
                PartialValue::Nothing => {
                    out.push('"');
                    self.text = Some(piece.path.to_string());
                }
            }
        }
        if !piece.continues {
            self.end_text(&mut out);
        }
        Ok(out)
    }

    /// What ends the text.
    pub(super) fn end(mut self) -> String {
        let mut out = String::new();
        if self.open.is_empty() {
            out.push('{');
            self.open.push(Frame::Object(Vec::new()));
        }
        self.end_text(&mut out);
        while self.leave(&mut out) {}
        out
    }

    fn end_text(&mut self, out: &mut String) {
        if self.text.take().is_some() {
            out.push('"');
        }
    }

    fn leave(&mut self, out: &mut String) -> bool {
        match self.open.pop() {
            Some(Frame::Object(_)) => out.push('}'),
            Some(Frame::Array(_)) => out.push(']'),
            None => return false,
        }
        true
    }

    /// Closes what does not lead to a place, and opens what does.
    fn enter(&mut self, steps: &[Step], out: &mut String) -> Result<(), OutOfOrder> {
        let Some(first) = steps.first() else { return Err(OutOfOrder) };
        if self.open.is_empty() {
            self.begin(first, out);
        }
        // All but the last step lead through objects and arrays that may be open already.
        let through = steps.len().min(self.open.len()) - 1;
        let common = (0..through).take_while(|&at| self.open[at].is_at(&steps[at])).count();
        while self.open.len() > common + 1 {
            self.leave(out);
        }
        for (at, step) in steps.iter().enumerate().skip(common) {
            let frame = self.open.last_mut().ok_or(OutOfOrder)?;
            frame.advance(step, out)?;
            if let Some(next) = steps.get(at + 1) {
                self.begin(next, out);
            }
        }
        Ok(())
    }

    fn begin(&mut self, step: &Step, out: &mut String) {
        let (bracket, frame) = match step {
            Step::Key(_) => ('{', Frame::Object(Vec::new())),
            Step::Index(_) => ('[', Frame::Array(0)),
        };
        out.push(bracket);
        self.open.push(frame);
    }
}

impl Frame {
    fn is_at(&self, step: &Step) -> bool {
        match (self, step) {
            (Frame::Object(keys), Step::Key(key)) => keys.last() == Some(key),
            (Frame::Array(count), Step::Index(index)) => *count == index + 1,
            _ => false,
        }
    }

    fn advance(&mut self, step: &Step, out: &mut String) -> Result<(), OutOfOrder> {
        let first = match (self, step) {
            (Frame::Object(keys), Step::Key(key)) if !keys.contains(key) => {
                keys.push(key.clone());
                keys.len() == 1
            }
            (Frame::Array(count), Step::Index(index)) if count == index => {
                *count += 1;
                *count == 1
            }
            _ => return Err(OutOfOrder),
        };
        if !first {
            out.push(',');
        }
        if let Step::Key(key) = step {
            out.push_str(&json::quote(key));
            out.push(':');
        }
        Ok(())
    }
}

/// The steps of a path such as `$.a[0]['b c']` (RFC 9535, without its wildcards and filters).
fn path(text: &str) -> Option<Vec<Step>> {
    let mut rest = text.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(name) = rest.strip_prefix('.') {
            let end = name.find(['.', '[']).unwrap_or(name.len());
            steps.push(Step::Key(name[..end].to_owned()));
            rest = &name[end..];
        } else {
            let inside = rest.strip_prefix('[')?;
            let quote = inside.chars().next().filter(|quote| matches!(quote, '\'' | '"'));
            let (step, after) = match quote {
                Some(quote) => quoted(&inside[1..], quote)?,
                None => {
                    let (digits, after) = inside.split_once(']')?;
                    (Step::Index(digits.parse().ok()?), after)
                }
            };
            steps.push(step);
            rest = after;
        }
    }
    Some(steps)
}

/// A key in quotes and what stands behind its bracket.
fn quoted(text: &str, quote: char) -> Option<(Step, &str)> {
    let (mut key, mut chars) = (String::new(), text.char_indices());
    while let Some((at, char)) = chars.next() {
        match char {
            '\\' => key.push(chars.next()?.1),
            _ if char == quote => {
                return Some((Step::Key(key), text[at + 1..].strip_prefix(']')?));
            }
            _ => key.push(char),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: &str, text: &str, continues: bool) -> PartialArgument<'static> {
        PartialArgument {
            path: path.to_owned().into(),
            value: PartialValue::Text(text.to_owned().into()),
            continues,
        }
    }

    fn value(path: &str, json: &'static str) -> PartialArgument<'static> {
        PartialArgument {
            path: path.to_owned().into(),
            value: PartialValue::Json(json),
            continues: false,
        }
    }

    fn all(pieces: &[PartialArgument<'_>]) -> Result<String, OutOfOrder> {
        let mut arguments = Arguments::default();
        let mut out = String::new();
        for piece in pieces {
            out += &arguments.add(piece)?;
        }
        Ok(out + arguments.end().as_str())
    }

    #[test]
    fn values_become_one_object() {
        let pieces = [
            text("$.a.list[0].x", "1\"", true),
            text("$.a.list[0].x", "2", true),
            text("$.a.list[0].x", "", false),
            value("$.a.list[0].y", "true"),
            value("$.a.list[1].x", "null"),
            text("$.a['b c'][0][0]", "z", true),
            value("$.n", "1.5"),
            text("$.open", "left", true),
        ];
        let expected = r#"{"a":{"list":[{"x":"1\"2","y":true},{"x":null}],"b c":[["z"]]},"n":1.5,"open":"left"}"#;
        assert_eq!(all(&pieces).unwrap(), expected);
        assert_eq!(all(&[]).unwrap(), "{}");
    }

    #[test]
    fn what_cannot_be_written_on_is_refused() {
        let a = || value("$.a", "1");
        let odd = [
            vec![a(), a()],
            vec![value("$.l[1]", "1")],
            vec![value("$.o.x", "1"), a(), value("$.o.y", "1")],
            vec![a(), value("$[0]", "1")],
            vec![a(), value("$.a.b", "1")],
            vec![value("$", "1")],
            vec![value("a", "1")],
            vec![value("$.l[x]", "1")],
            vec![value("$['x", "1")],
        ];
        for pieces in &odd {
            assert_eq!(all(pieces), Err(OutOfOrder), "{pieces:?}");
        }
    }
}
