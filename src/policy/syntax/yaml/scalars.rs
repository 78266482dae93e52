//! Plain, quoted and block texts: what they say, and where each byte of it is said.

use crate::policy::codes;

use super::super::scan::span;
use super::super::tree::Span;
use super::document::{Fault, INDICATORS, Reader, Scalar, fault};

impl Scalar {
    /// A text that says what stands there.
    pub fn copied(at: usize, text: &str) -> Scalar {
        let mut scalar = Scalar::begun(at);
        scalar.copy(at, text);
        scalar.span = span(at, at + text.len());
        scalar
    }

    fn begun(at: usize) -> Scalar {
        Scalar { text: String::new(), places: Vec::new(), span: span(at, at), plain: true }
    }

    /// Adds what stands at a place, as it stands there.
    fn copy(&mut self, at: usize, text: &str) {
        self.text.push_str(text);
        for (index, c) in text.char_indices() {
            let place = span(at + index, at + index + c.len_utf8());
            self.places.extend(std::iter::repeat_n(place, c.len_utf8()));
        }
    }

    /// Adds a character that is said by something else.
    fn say(&mut self, place: Span, c: char) {
        self.text.push(c);
        self.places.extend(std::iter::repeat_n(place, c.len_utf8()));
    }

    /// Adds what so many line ends say: one is a blank, more are one less.
    fn fold(&mut self, place: Span, newlines: usize) {
        match newlines {
            1 => self.say(place, ' '),
            more => (1..more).for_each(|_| self.say(place, '\n')),
        }
    }
}

impl Reader<'_> {
    /// A text without quotes, over as many lines as stand further in than `parent`.
    pub fn plain(&mut self, parent: isize) -> Result<Scalar, Fault> {
        self.starts_plain()?;
        let mut scalar = Scalar::begun(self.at);
        scalar.span = span(self.at, self.at);
        loop {
            let (start, rest) = (self.at, &self.text[self.at..]);
            let line = &rest[..rest.find('\n').unwrap_or(rest.len())];
            let comment = line
                .match_indices('#')
                .map(|(at, _)| at)
                .find(|at| *at > 0 && matches!(line.as_bytes()[*at - 1], b' ' | b'\t'));
            let said = line[..comment.unwrap_or(line.len())].trim_end();
            let colons = || said.match_indices(':').map(|(at, _)| at + 1);
            if colons().any(|at| at == said.len() || matches!(said.as_bytes()[at], b' ' | b'\t')) {
                return Err(self.colon_in_text(start));
            }
            scalar.copy(start, said);
            self.at = start + said.len();
            scalar.span.end = self.at as u32;
            if comment.is_some() {
                return Ok(scalar);
            }
            let Some((next, newlines)) = self.goes_on(parent) else { return Ok(scalar) };
            scalar.fold(span(self.at, next), newlines);
            self.at = next;
        }
    }

    /// Refuses a text that cannot start here without quotes.
    pub fn starts_plain(&self) -> Result<(), Fault> {
        self.no_feature()?;
        let first = char::from(self.byte(0));
        let lone = matches!(first, '-' | '?' | ':') && !self.gap(1);
        if INDICATORS.contains(first) && !lone {
            let message = format!("a text that starts with `{first}` needs quotes");
            return Err(fault(codes::YAML, span(self.at, self.at + 1), message, "here"));
        }
        Ok(())
    }

    /// Where the next line of a plain text begins, and how many line ends lie between.
    fn goes_on(&self, parent: isize) -> Option<(usize, usize)> {
        let rest = &self.text[self.at..];
        let next = rest.find(|c: char| !matches!(c, ' ' | '\t' | '\r' | '\n'))?;
        let newlines = rest[..next].matches('\n').count();
        let indent = next - rest[..next].rfind('\n')? - 1;
        let tabs = rest[..next].find('\n').is_some_and(|line| rest[line..next].contains('\t'));
        let inside = indent as isize > parent && !tabs && !rest[next..].starts_with('#');
        inside.then_some((self.at + next, newlines))
    }

    /// A text without quotes inside of brackets.
    pub fn flow_plain(&mut self) -> Result<Scalar, Fault> {
        self.starts_plain()?;
        let mut scalar = Scalar::begun(self.at);
        loop {
            let (start, bytes) = (self.at, self.text.as_bytes());
            let mut end = start;
            let mut index = start;
            while index < bytes.len() {
                let next = bytes.get(index + 1).copied().unwrap_or(b'\n');
                let ends = match bytes[index] {
                    b',' | b'[' | b']' | b'{' | b'}' | b'\n' => true,
                    b':' => matches!(
                        next,
                        b' ' | b'\t' | b'\r' | b'\n' | b',' | b'[' | b']' | b'{' | b'}'
                    ),
                    b'#' => index > start && matches!(bytes[index - 1], b' ' | b'\t'),
                    _ => false,
                };
                if ends {
                    break;
                }
                index += 1;
                if !matches!(bytes[index - 1], b' ' | b'\t' | b'\r') {
                    end = index;
                }
            }
            scalar.copy(start, &self.text[start..end]);
            scalar.span.end = end as u32;
            self.at = end;
            if bytes.get(index) != Some(&b'\n') {
                return Ok(scalar);
            }
            let Some((next, newlines)) = self.goes_on(-1) else { return Ok(scalar) };
            let sign = bytes[next];
            let colon = sign == b':'
                && matches!(bytes.get(next + 1), None | Some(b' ' | b'\t' | b'\r' | b'\n'));
            if colon || matches!(sign, b',' | b'[' | b']' | b'{' | b'}') {
                return Ok(scalar);
            }
            scalar.fold(span(end, next), newlines);
            self.at = next;
        }
    }

    /// A text in single or double quotes.
    pub fn quoted(&mut self) -> Result<Scalar, Fault> {
        let (start, quote) = (self.at, self.byte(0));
        let mut scalar = Scalar { plain: false, ..Scalar::begun(start) };
        self.at += 1;
        loop {
            let at = self.at;
            let Some(c) = self.text[at..].chars().next() else {
                let message = "this text is never closed";
                let label = format!("no `{}` ends it", char::from(quote));
                return Err(fault(codes::UNCLOSED_TEXT, span(start, start + 1), message, label));
            };
            match c {
                '\'' if quote == b'\'' && self.byte(1) == b'\'' => {
                    scalar.say(span(at, at + 2), '\'');
                    self.at += 2;
                }
                c if c == char::from(quote) => {
                    self.at += 1;
                    scalar.span = span(start, self.at);
                    return Ok(scalar);
                }
                '\\' if quote == b'"' => self.escape(&mut scalar)?,
                ' ' | '\t' | '\r' | '\n' => {
                    let rest = &self.text[at..];
                    let len = rest.find(|c: char| !matches!(c, ' ' | '\t' | '\r' | '\n'));
                    let blanks = &rest[..len.unwrap_or(rest.len())];
                    match blanks.matches('\n').count() {
                        0 => scalar.copy(at, blanks),
                        newlines => scalar.fold(span(at, at + blanks.len()), newlines),
                    }
                    self.at += blanks.len();
                }
                c => {
                    let text = &self.text[at..at + c.len_utf8()];
                    scalar.copy(at, text);
                    self.at += c.len_utf8();
                }
            }
        }
    }

    fn escape(&mut self, scalar: &mut Scalar) -> Result<(), Fault> {
        let at = self.at;
        let hex = |digits: usize| {
            let code = self.text.get(at + 2..at + 2 + digits)?;
            let code = code.bytes().all(|b| b.is_ascii_hexdigit()).then_some(code)?;
            char::from_u32(u32::from_str_radix(code, 16).ok()?).map(|c| (c, 2 + digits))
        };
        let said = match self.byte(1) {
            b'0' => Some(('\0', 2)),
            b'a' => Some(('\x07', 2)),
            b'b' => Some(('\x08', 2)),
            b't' | b'\t' => Some(('\t', 2)),
            b'n' => Some(('\n', 2)),
            b'v' => Some(('\x0b', 2)),
            b'f' => Some(('\x0c', 2)),
            b'r' => Some(('\r', 2)),
            b'e' => Some(('\x1b', 2)),
            b' ' => Some((' ', 2)),
            b'"' => Some(('"', 2)),
            b'/' => Some(('/', 2)),
            b'\\' => Some(('\\', 2)),
            b'N' => Some(('\u{85}', 2)),
            b'_' => Some(('\u{a0}', 2)),
            b'L' => Some(('\u{2028}', 2)),
            b'P' => Some(('\u{2029}', 2)),
            b'x' => hex(2),
            b'u' => hex(4),
            b'U' => hex(8),
            // A line end that says nothing, nor do the blanks behind it; empty lines do.
            b'\n' | b'\r' => {
                let rest = &self.text[at + 1..];
                let len = rest.find(|c: char| !matches!(c, ' ' | '\t' | '\r' | '\n'));
                let blanks = &rest[..len.unwrap_or(rest.len())];
                let place = span(at, at + 1 + blanks.len());
                (1..blanks.matches('\n').count()).for_each(|_| scalar.say(place, '\n'));
                self.at = place.end as usize;
                return Ok(());
            }
            _ => None,
        };
        match said {
            Some((c, len)) => {
                scalar.say(span(at, at + len), c);
                self.at += len;
                Ok(())
            }
            None => {
                let len = 1 + self.text[at + 1..].chars().next().map_or(0, char::len_utf8);
                let written = &self.text[at..at + len];
                let message = format!("`{written}` means nothing in double quotes");
                let found = fault(codes::BAD_ESCAPE, span(at, at + len), message, "not an escape");
                Err(Box::new((*found).help("between single quotes a backslash is a backslash")))
            }
        }
    }

    /// A text below a `|` or a `>`.
    pub fn block_text(&mut self, parent: isize) -> Result<Scalar, Fault> {
        let start = self.at;
        let literal = self.byte(0) == b'|';
        self.at += 1;
        let (mut chomp, mut indent) = (b' ', None);
        loop {
            match self.byte(0) {
                sign @ (b'-' | b'+') if chomp == b' ' => chomp = sign,
                digit @ b'1'..=b'9' if indent.is_none() => {
                    indent = Some(parent.max(0) as usize + usize::from(digit - b'0'));
                }
                _ => break,
            }
            self.at += 1;
        }
        let header = self.at;
        self.skip_line()?;
        let mut scalar = Scalar { plain: false, ..Scalar::begun(start) };
        scalar.span = span(start, header);
        let least = (parent + 1).max(1) as usize;
        let indent = indent.unwrap_or_else(|| self.first_indent().max(least));
        // As YAML has it: what a line end says depends on the lines before and behind it.
        let (mut leading, mut trailing): (Option<Span>, Vec<Span>) = (None, Vec::new());
        let mut leading_blank = false;
        while let Some((begin, line)) = self.block_line(indent, &mut trailing) {
            let blank = line.starts_with([' ', '\t']);
            if let Some(place) = leading.take() {
                if literal || leading_blank || blank {
                    scalar.say(place, '\n');
                } else if trailing.is_empty() {
                    scalar.say(place, ' ');
                }
            }
            trailing.drain(..).for_each(|place| scalar.say(place, '\n'));
            leading_blank = blank;
            scalar.copy(begin, line);
            self.at = begin + line.len();
            scalar.span.end = self.at as u32;
            if self.done() {
                break;
            }
            let newline = self.text[self.at..].find('\n').map_or(self.text.len(), |n| self.at + n);
            leading = (newline < self.text.len()).then(|| span(newline, newline + 1));
            self.at = newline;
        }
        if chomp != b'-'
            && let Some(place) = leading
        {
            scalar.say(place, '\n');
        }
        if chomp == b'+' {
            trailing.drain(..).for_each(|place| scalar.say(place, '\n'));
        }
        Ok(scalar)
    }

    /// The rest of a line that says nothing more.
    fn skip_line(&mut self) -> Result<(), Fault> {
        let rest = &self.text[self.at..];
        let line = &rest[..rest.find('\n').unwrap_or(rest.len())];
        let said = line.trim();
        let comment = said.starts_with('#') && line.starts_with([' ', '\t']);
        if !said.is_empty() && !comment {
            let message = "a text below `|` or `>` begins on the next line";
            return Err(fault(
                codes::YAML,
                span(self.at, self.at + line.len()),
                message,
                "not here",
            ));
        }
        if comment {
            let at = self.at + line.find('#').unwrap_or(0);
            let (place, column) =
                (span(at, at + said.len()), super::document::column(self.text, at));
            let comment = super::document::Comment { span: place, alone: false, column };
            self.document.comments.push(comment);
        }
        self.at += line.len();
        Ok(())
    }

    /// How far in the first line stands that is not blank, or a blank one before it.
    fn first_indent(&self) -> usize {
        let mut most = 0;
        for line in self.text[self.at..].split('\n').skip(1) {
            let line = line.trim_end_matches('\r');
            let content = line.trim_start_matches(' ');
            most = most.max(line.len() - content.len());
            if !content.is_empty() {
                break;
            }
        }
        most
    }

    /// The next line of a block text, from its indentation on; empty lines before it are noted.
    fn block_line(&self, indent: usize, empty: &mut Vec<Span>) -> Option<(usize, &str)> {
        let mut at = self.at;
        loop {
            // `at` is at the line end before the line.
            let line_start = at + self.text[at..].find('\n')? + 1;
            let rest = &self.text[line_start..];
            let line = &rest[..rest.find('\n').unwrap_or(rest.len())];
            let content = line.trim_start_matches(' ');
            let said = content.trim_end_matches('\r');
            let blanks = line.len() - content.len();
            if blanks >= indent && line.trim_end_matches('\r').len() > indent {
                return Some((line_start + indent, line[indent..].trim_end_matches('\r')));
            }
            if !said.is_empty() || line_start + line.len() >= self.text.len() {
                return None;
            }
            at = line_start + line.len();
            empty.push(span(at, at + 1));
        }
    }
}
