//! Where in the language a cursor stands: which block, which statement, what before it. It is read
//! from the pieces of the text, not from the tree, so that it is right while a line is being typed.

use crate::policy::syntax::scan::{Kind, Scan, scan, too_large};
use crate::policy::syntax::tree::Span;
use crate::policy::syntax::words::{CONTINUE, CONTINUE_ITEM, DANGLING, Place};

/// A cursor's surroundings.
pub struct Context<'t> {
    scan: Scan<'t>,
    /// The statement's tokens before the word that is being typed, without line ends.
    statement: Vec<usize>,
    /// The block the statement is in; `None` between the braces of a script's settings.
    pub place: Option<Place>,
    /// The word that is being typed.
    pub typed: Span,
    /// The text in quotes that the cursor is in.
    text: Option<usize>,
    /// The token that opened the innermost `[` or `(` of the statement.
    bracket: Option<usize>,
    /// Whether nothing but blanks stands before the word on its line, and there are some.
    pub indented: bool,
}

/// What is open at a place.
enum Open {
    /// `[` or `(`
    Bracket(usize),
    /// `{`, with the block it begins, and where the statement it belongs to begins.
    Brace(Option<Place>, usize),
}

impl<'t> Context<'t> {
    /// The surroundings of a byte. `None` in comments, and in texts too large to be looked at.
    pub fn at(text: &'t str, byte: usize) -> Option<Context<'t>> {
        if too_large(text).is_some() {
            return None;
        }
        let scan = scan(text);
        let here = byte as u32;
        let line = text[..byte].rfind('\n').map_or(0, |at| at as u32 + 1);
        if scan.comments.iter().any(|it| (line..here).contains(&it.start)) {
            return None;
        }
        let quoted = scan.tokens.iter().position(|token| {
            let within = token.span.start < here && here < token.span.end;
            match token.kind {
                Kind::Quoted => within,
                // It goes on to the end of its line; blanks there are not counted as its own.
                Kind::Unclosed => {
                    let start = token.span.start as usize;
                    start < byte && !text[start..byte].contains('\n')
                }
                _ => false,
            }
        });
        let start = match quoted {
            Some(index) => {
                let token = &text[scan.tokens[index].span.range()];
                let quotes = if token.starts_with("\"\"\"") { 3 } else { 1 };
                (scan.tokens[index].span.start as usize + quotes).min(byte)
            }
            None => word_start(text, byte),
        };
        let typed = Span { start: start as u32, end: here };
        let before = scan.tokens.partition_point(|token| token.span.end <= typed.start);
        let before = quoted.map_or(before, |quoted| before.min(quoted));
        let line = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let indent = &text[line..start];
        let indented = !indent.is_empty() && indent.trim().is_empty();
        let mut context = Context {
            scan,
            statement: Vec::new(),
            place: Some(Place::File),
            typed,
            text: quoted,
            bracket: None,
            indented,
        };
        context.read(before);
        Some(context)
    }

    fn read(&mut self, before: usize) {
        let scan = &self.scan;
        let mut open: Vec<Open> = Vec::new();
        let mut start = 0;
        for index in 0..before {
            if scan.starts_line(index) && scan.looks_like_item(index) {
                // Whatever was open before it has been forgotten to be closed.
                open.clear();
                start = index;
            }
            let text = match scan.tokens[index].kind {
                Kind::Newline => "\n",
                Kind::Sign => scan.text_of(index),
                _ => continue,
            };
            match text {
                "{" => {
                    open.push(Open::Brace(self.block_of(start, index), start));
                    start = index + 1;
                }
                "}" => {
                    while let Some(last) = open.pop() {
                        if let Open::Brace(_, outer) = last {
                            start = outer;
                            break;
                        }
                    }
                }
                "[" | "(" => open.push(Open::Bracket(index)),
                "]" | ")" if matches!(open.last(), Some(Open::Bracket(_))) => _ = open.pop(),
                "\n" | ";" if !matches!(open.last(), Some(Open::Bracket(_))) => {
                    let inside = matches!(open.last(), Some(Open::Brace(..)));
                    if text == ";" || !self.goes_on(index, before, inside) {
                        start = index + 1;
                    }
                }
                _ => {}
            }
        }
        self.bracket = match open.last() {
            Some(Open::Bracket(index)) if *index >= start => Some(*index),
            _ => None,
        };
        let block = open.iter().rev().find_map(|it| match it {
            Open::Brace(place, _) => Some(*place),
            Open::Bracket(_) => None,
        });
        self.place = block.unwrap_or(Some(Place::File));
        let is_line_end = |index: &usize| scan.tokens[*index].kind == Kind::Newline;
        self.statement = (start..before).filter(|index| !is_line_end(index)).collect();
    }

    /// The block that a brace begins.
    fn block_of(&self, start: usize, brace: usize) -> Option<Place> {
        let mut words = (start..brace).filter(|it| self.scan.tokens[*it].kind != Kind::Newline);
        let first = words.next().map_or("", |index| self.scan.text_of(index));
        Place::of(first)
    }

    /// Whether a statement goes on behind a line's end.
    fn goes_on(&self, newline: usize, before: usize, inside: bool) -> bool {
        let last = newline.checked_sub(1).map_or("", |index| self.scan.text_of(index));
        if DANGLING.contains(&last) {
            return true;
        }
        let next = (newline + 1..before).find(|it| self.scan.tokens[*it].kind != Kind::Newline);
        let next = next.map_or("", |index| self.scan.text_of(index));
        next == "->" || CONTINUE.contains(&next) || (!inside && CONTINUE_ITEM.contains(&next))
    }

    /// How many tokens the statement has before the cursor.
    pub fn len(&self) -> usize {
        self.statement.len()
    }

    /// The text of one of the statement's tokens; empty where there is none.
    pub fn word_at(&self, index: usize) -> &'t str {
        self.statement.get(index).map_or("", |token| self.scan.text_of(*token))
    }

    /// The text of a token counted from the cursor, the last before it is number 0.
    pub fn back(&self, steps: usize) -> &'t str {
        self.len().checked_sub(steps + 1).map_or("", |index| self.word_at(index))
    }

    /// Whether the statement has this word before the cursor.
    pub fn has(&self, word: &str) -> bool {
        (0..self.len()).any(|index| self.word_at(index) == word)
    }

    /// The number of the last token before the cursor that is one of these.
    pub fn last_of(&self, words: &[&str]) -> Option<usize> {
        (0..self.len()).rev().find(|index| words.contains(&self.word_at(*index)))
    }

    /// What has been typed of the word so far.
    pub fn prefix(&self) -> &'t str {
        &self.scan.text[self.typed.range()]
    }

    /// The words around the text in quotes that the cursor is in: what stands before its quotes.
    pub fn in_text(&self) -> Option<(&'t str, &'t str)> {
        self.text.map(|_| (self.back(0), self.back(1)))
    }

    /// The opening bracket that the cursor is in, and the number of its token in the statement.
    pub fn bracket(&self) -> Option<(&'t str, usize)> {
        let token = self.bracket?;
        let index = self.statement.iter().position(|it| *it == token)?;
        Some((self.scan.text_of(token), index))
    }

    /// The dotted name (with brackets, as an attribute has) that ends with a token of the statement;
    /// and the number of its first token.
    pub fn path_ending(&self, last: usize) -> Option<(&'t str, usize)> {
        let token = |index: usize| self.statement.get(index).map(|it| self.scan.tokens[*it]);
        let end = token(last)?.span.end;
        let mut first = last;
        while first > 0
            && let (Some(before), Some(this)) = (token(first - 1), token(first))
            && before.span.end == this.span.start
            && (before.kind == Kind::Word
                || matches!(self.word_at(first - 1), "." | "[" | "]")
                || (before.kind == Kind::Quoted && self.word_at(first) == "]"))
        {
            first -= 1;
        }
        let start = token(first)?.span.start;
        Some((&self.scan.text[start as usize..end as usize], first))
    }

    /// The keyword or name that the cursor is on, and the block it is in; nothing in quotes.
    pub fn word(&self) -> Option<(String, Place, Span)> {
        let (here, place) = (self.typed.end, self.place?);
        let on = |span: Span| span.start <= here && here <= span.end;
        let mut words = self.scan.tokens.iter().filter(|it| it.kind == Kind::Word && on(it.span));
        let span = words.next_back()?.span;
        Some((self.scan.text[span.range()].to_owned(), place, span))
    }
}

/// Where the word before a byte begins. Words have dots and hyphens inside, models slashes, and
/// then colons too.
fn word_start(text: &str, byte: usize) -> usize {
    let before = &text[..byte];
    let is_part = |it: char| it.is_ascii_alphanumeric() || "_-./:@$".contains(it);
    let start = before.char_indices().rev().take_while(|(_, it)| is_part(*it)).last();
    let mut start = start.map_or(byte, |(at, _)| at);
    if let Some(dots) = before[start..].rfind("..") {
        start += dots + 2;
    }
    if !before[start..].contains('/')
        && let Some(colon) = before[start..].rfind(':')
    {
        start += colon + 1;
    }
    start
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let byte = text.find('‸').expect("a cursor");
        let text = text.replace('‸', "");
        let Some(it) = Context::at(&text, byte) else { return "nothing".into() };
        let words: Vec<&str> = (0..it.len()).map(|index| it.word_at(index)).collect();
        let place = it.place.map_or("settings".into(), |place| format!("{place:?}"));
        format!("{place}: {} ‸{}", words.join(" "), it.prefix())
    }

    #[test]
    fn the_statement_before_the_cursor_is_found() {
        for (text, expected) in [
            ("rou‸", "File:  ‸rou"),
            ("pool p = [a/b, open‸", "File: pool p = [ a/b , ‸open"),
            ("route r when input.tok‸", "File: route r when ‸input.tok"),
            ("route r when a ->‸", "File: route r when a -> ‸"),
            ("route r\n  when a and\n  b‸", "File: route r when a and ‸b"),
            ("default -> p {\n  retry 1\n  tim‸\n}", "Body:  ‸tim"),
            ("default -> p {\n  timeout total 3‸", "Body: timeout total ‸3"),
            ("default -> p { cache off; lo‸ }", "Body:  ‸lo"),
            (
                "ladder l {\n  step a -> b escalate when fai‸\n}",
                "Ladder: step a -> b escalate when ‸fai",
            ),
            ("ladder l {\n  step a -> b {\n    ‸\n  }\n}", "Body:  ‸"),
            ("route x when a -> p {\ndefault -> ‸", "File: default -> ‸"),
            ("attribute a: int from script \"x\" { ti‸", "settings:  ‸ti"),
            ("# a com‸ment", "nothing"),
            ("import \"sha‸\"", "File: import ‸sha"),
            ("route r when pool[\"a‸", "File: route r when pool [ ‸a"),
            ("schedule s = mon..f‸", "File: schedule s = mon .. ‸f"),
            ("attribute a:t‸", "File: attribute a : ‸t"),
            ("pool p = [ollama/qwen3:8‸", "File: pool p = [ ‸ollama/qwen3:8"),
        ] {
            // A model's id is several pieces; what matters is the order.
            let shown = shown(text).replace("a / b", "a/b");
            assert_eq!(shown, expected, "{text}");
        }
    }

    #[test]
    fn attributes_before_the_cursor_are_found_whole() {
        let text = "route r when a and budget[\"m\"].used == ";
        let context = Context::at(text, text.len()).expect("no comment");
        let (path, first) = context.path_ending(context.len() - 2).expect("a path");
        assert_eq!(path, "budget[\"m\"].used");
        assert_eq!(context.word_at(first - 1), "and");
    }
}
