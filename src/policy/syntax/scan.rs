//! A quick look at a text before (and when) the grammar meets it: its pieces, its comments, which
//! bracket belongs to which, and whether it is within bounds.
//!
//! pest recurses as deep as its input is nested, so the bounds are checked here, without recursion.

use crate::policy::codes;
use crate::policy::diagnostic::Diagnostic;

use super::tree::Span;
use super::words;

/// The largest policy file: 1 MiB.
pub const MAX_FILE_BYTES: usize = 1 << 20;
/// The longest line: 64 KiB.
pub const MAX_LINE_BYTES: usize = 64 << 10;
/// How deep brackets (and `not`s in a row) may be nested; of `not`s among brackets, twice as many.
pub const MAX_NESTING: usize = 64;

/// What a piece of text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A name or keyword, with hyphens but without dots.
    Word,
    /// Starts with a digit or `$`: `8k`, `$3/Mtok`, `2026-09-01`, and misspelt relatives.
    Amount,
    /// A quoted text or a `/pattern/`.
    Quoted,
    /// A text whose quotes do not end.
    Unclosed,
    /// The end of a line.
    Newline,
    /// Anything else: one sign such as `->` or `{`, or one odd character.
    Sign,
}

/// A piece of text.
#[derive(Debug, Clone, Copy)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// Where it stands.
    pub span: Span,
}

/// All pieces of a text.
pub struct Scan<'t> {
    /// The text.
    pub text: &'t str,
    /// Its pieces, in order, without blanks and comments.
    pub tokens: Vec<Token>,
    /// Its comments, in order.
    pub comments: Vec<Span>,
    /// For a bracket, the token it belongs with; `None` for everything else, and for brackets
    /// without a partner.
    pub partner: Vec<Option<usize>>,
    /// Brackets and quotes that are never closed, or never opened.
    pub faults: Vec<Diagnostic>,
    /// The token that goes past [`MAX_NESTING`]; nothing behind it has been matched.
    deep: Option<usize>,
}

/// A span from byte offsets. Texts are at most [`MAX_FILE_BYTES`] long, so nothing is cut off.
pub fn span(start: usize, end: usize) -> Span {
    Span { start: start as u32, end: end as u32 }
}

/// Refuses a text that is too large to be looked at.
pub fn too_large(text: &str) -> Option<Diagnostic> {
    let (at, what, limit, size) = if text.len() > MAX_FILE_BYTES {
        (0, "file", MAX_FILE_BYTES, text.len())
    } else {
        let line = text.split('\n').find(|line| line.len() > MAX_LINE_BYTES)?;
        (line.as_ptr() as usize - text.as_ptr() as usize, "line", MAX_LINE_BYTES, line.len())
    };
    Some(
        Diagnostic::error(
            codes::TOO_LARGE,
            span(at, at),
            format!("this {what} is too large: {size} bytes"),
            format!("a {what} may have {limit} bytes"),
        )
        .help(match what {
            "file" => "split it with `import` and `delegate`",
            _ => "break the line inside its brackets",
        }),
    )
}

/// Cuts a text into pieces. Total: every text has a scan.
pub fn scan(text: &str) -> Scan<'_> {
    let mut scan = Scan {
        text,
        tokens: vec![],
        comments: vec![],
        partner: vec![],
        faults: vec![],
        deep: None,
    };
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let (kind, len) = match first {
            ' ' | '\t' | '\r' => {
                at += 1;
                continue;
            }
            '#' => {
                let len = line_end(rest);
                scan.comments.push(span(at, at + rest[..len].trim_end().len()));
                at += len;
                continue;
            }
            '\n' => (Kind::Newline, 1),
            '"' => quoted(rest),
            '/' if scan.tokens.last().is_some_and(|t| scan.str(*t) == "matches") => pattern(rest),
            'a'..='z' | 'A'..='Z' | '_' => (Kind::Word, word(rest)),
            '0'..='9' => (Kind::Amount, amount(rest)),
            '$' if rest[1..].starts_with(|c: char| c.is_ascii_digit()) => {
                (Kind::Amount, 1 + amount(&rest[1..]))
            }
            _ => (Kind::Sign, sign(rest, first)),
        };
        scan.tokens.push(Token { kind, span: span(at, at + len) });
        at += len;
    }
    scan.match_brackets();
    scan
}

impl<'t> Scan<'t> {
    /// A token's text.
    pub fn str(&self, token: Token) -> &'t str {
        &self.text[token.span.range()]
    }

    /// The text of the token with this number; empty past the end.
    pub fn text_of(&self, index: usize) -> &'t str {
        self.tokens.get(index).map_or("", |token| self.str(*token))
    }

    /// The number of the first token at or behind a byte.
    pub fn index_at(&self, byte: usize) -> usize {
        self.tokens.partition_point(|token| (token.span.start as usize) < byte)
    }

    /// Whether the token is the first of its line. Past the end there is no token.
    pub fn starts_line(&self, index: usize) -> bool {
        index < self.tokens.len() && (index == 0 || self.tokens[index - 1].kind == Kind::Newline)
    }

    /// Whether the token stands in the first column.
    pub fn in_first_column(&self, index: usize) -> bool {
        let Some(token) = self.tokens.get(index) else { return false };
        token.span.start == 0 || self.text[..token.span.start as usize].ends_with('\n')
    }

    /// Whether an item plainly starts here: a word that opens one, and what follows such a word.
    ///
    /// Inside of brackets no healthy text looks like this (an attribute is never followed by a
    /// plain word), so brackets may be counted afresh here without losing depth.
    pub fn looks_like_item(&self, index: usize) -> bool {
        if !words::ITEMS.contains(&self.text_of(index)) {
            return false;
        }
        let next = self.text_of(index + 1);
        let (kind, word) = match self.tokens.get(index + 1) {
            Some(token) => (token.kind, self.text_of(index)),
            None => return false,
        };
        match kind {
            Kind::Word => !words::RESERVED.contains(&next),
            Kind::Quoted => matches!(word, "import" | "alias" | "test"),
            Kind::Amount => word == "language",
            _ => matches!((word, next), ("default", "->") | ("defaults", "{")),
        }
    }

    /// Refuses a text that is nested past [`MAX_NESTING`].
    pub fn too_deep(&self) -> Option<Diagnostic> {
        let token = self.tokens[self.deep?];
        Some(
            Diagnostic::error(
                codes::TOO_DEEP,
                token.span,
                "this is nested too deep",
                format!("at most {MAX_NESTING} levels of nesting are read"),
            )
            .help("name parts of the condition with `let`"),
        )
    }

    fn match_brackets(&mut self) {
        self.partner = vec![None; self.tokens.len()];
        let mut open: Vec<usize> = Vec::new();
        let mut faults = Vec::new();
        let mut nots = 0;
        // The `not`s in front of each opening bracket: they nest, too.
        let mut nots_before = vec![0; self.tokens.len()];
        for index in 0..self.tokens.len() {
            let token = self.tokens[index];
            // In a file with a lost bracket the next item would count as inside; nobody writes an
            // item at the start of a line inside brackets, so there the count begins afresh.
            if !open.is_empty() && self.in_first_column(index) && self.looks_like_item(index) {
                faults.extend(open.drain(..).map(|opener| self.unclosed(opener)));
            }
            match self.str(token) {
                "not" => nots += 1,
                "\n" => {}
                "(" => nots_before[index] = std::mem::take(&mut nots),
                _ => nots = 0,
            }
            match self.str(token) {
                "(" | "[" | "{" => open.push(index),
                closer @ (")" | "]" | "}") => {
                    let fits = |opener: &usize| closes(self.text_of(*opener), closer);
                    match open.iter().rposition(fits) {
                        // A `)` never closes over a `{`: then the `)` is the stray one.
                        Some(at)
                            if closer == "}"
                                || !open[at..].iter().any(|o| self.text_of(*o) == "{") =>
                        {
                            faults.extend(open.drain(at + 1..).map(|o| self.unclosed(o)));
                            if let Some(opener) = open.pop() {
                                self.partner[opener] = Some(index);
                                self.partner[index] = Some(opener);
                            }
                        }
                        _ => faults.push(stray(closer, token.span)),
                    }
                }
                _ => {}
            }
            if token.kind == Kind::Unclosed {
                faults.push(self.unclosed_text(token));
            }
            let outer = || open.iter().map(|opener| nots_before[*opener]).sum::<usize>();
            if open.len().max(nots) > MAX_NESTING || nots + outer() > 2 * MAX_NESTING {
                self.deep = Some(index);
                return;
            }
        }
        faults.extend(open.drain(..).map(|opener| self.unclosed(opener)));
        self.faults = faults;
    }

    fn unclosed(&self, opener: usize) -> Diagnostic {
        let token = self.tokens[opener];
        let (what, closer) = match self.str(token) {
            "{" => ("block", "}"),
            "[" => ("list", "]"),
            _ => ("bracket", ")"),
        };
        Diagnostic::error(
            codes::UNCLOSED_BRACKET,
            token.span,
            format!("this {what} is never closed"),
            format!("no `{closer}` for this `{}`", self.str(token)),
        )
    }

    fn unclosed_text(&self, token: Token) -> Diagnostic {
        let (start, end) = (token.span.start as usize, token.span.end as usize);
        if self.str(token).starts_with('/') {
            return Diagnostic::error(
                codes::UNCLOSED_TEXT,
                span(start, start + 1),
                "this pattern is never closed",
                "no `/` ends it on this line",
            );
        }
        if self.str(token).starts_with("\"\"\"") {
            return Diagnostic::error(
                codes::UNCLOSED_TEXT,
                span(start, start + 3),
                "this text is never closed",
                "no `\"\"\"` ends it",
            );
        }
        Diagnostic::error(
            codes::UNCLOSED_TEXT,
            span(start, start + 1),
            "this text is never closed",
            "no `\"` ends it on this line",
        )
        .help("a text over several lines stands between `\"\"\"` and `\"\"\"`")
        .fix(
            "end the text here, if it goes on to the end of the line",
            span(end, end),
            "\"",
        )
    }
}

fn stray(closer: &str, at: Span) -> Diagnostic {
    let opener = match closer {
        "}" => "{",
        "]" => "[",
        _ => "(",
    };
    Diagnostic::error(
        codes::STRAY_BRACKET,
        at,
        format!("there is no `{opener}` for this `{closer}`"),
        "nothing to close here",
    )
    .fix("remove it", at, "")
}

fn closes(opener: &str, closer: &str) -> bool {
    matches!((opener, closer), ("(", ")") | ("[", "]") | ("{", "}"))
}

fn line_end(rest: &str) -> usize {
    rest.find('\n').unwrap_or(rest.len())
}

fn quoted(rest: &str) -> (Kind, usize) {
    if let Some(body) = rest.strip_prefix("\"\"\"") {
        return match body.find("\"\"\"") {
            Some(end) => (Kind::Quoted, end + 6),
            None => (Kind::Unclosed, rest[..line_end(rest)].trim_end().len()),
        };
    }
    until(rest, b'"')
}

fn pattern(rest: &str) -> (Kind, usize) {
    until(rest, b'/')
}

/// From a delimiter to its like on the same line, minding backslashes.
fn until(rest: &str, delimiter: u8) -> (Kind, usize) {
    let line = &rest.as_bytes()[..line_end(rest)];
    let mut at = 1;
    while at < line.len() {
        match line[at] {
            b'\\' => at += 1,
            byte if byte == delimiter => return (Kind::Quoted, at + 1),
            _ => {}
        }
        at += 1;
    }
    (Kind::Unclosed, rest[..line.len()].trim_end().len())
}

fn word(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        let inside = bytes[at].is_ascii_alphanumeric() || bytes[at] == b'_';
        let hyphen = bytes[at] == b'-' && bytes.get(at + 1).is_some_and(|b| is_word(*b));
        if !inside && !hyphen {
            break;
        }
        at += 1;
    }
    at
}

fn amount(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        let next = bytes.get(at + 1).copied().unwrap_or(b' ');
        let goes_on = match bytes[at] {
            b'%' => true,
            b'.' | b':' | b'-' => next.is_ascii_digit(),
            b'/' => next.is_ascii_alphabetic(),
            byte => is_word(byte),
        };
        if !goes_on {
            break;
        }
        at += 1;
    }
    at
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn sign(rest: &str, first: char) -> usize {
    const PAIRS: [&str; 12] =
        ["->", "=>", "==", "!=", "<=", ">=", "=<", "<>", "&&", "||", "..", ":="];
    match PAIRS.iter().find(|pair| rest.starts_with(**pair)) {
        Some(pair) => pair.len(),
        None => first.len_utf8(),
    }
}
