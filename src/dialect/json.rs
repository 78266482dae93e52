//! A pull scanner over JSON text (RFC 8259) that knows where every value lies.
//!
//! Splicing needs byte ranges and one pass; a tree has neither. The scanner validates what it
//! walks over exactly as `serde_json` does, stops at [`MAX_DEPTH`] levels, and skips whatever its
//! caller does not ask for.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

/// The deepest nesting of arrays and objects that is read; the same limit as `serde_json`'s.
pub const MAX_DEPTH: usize = 127;

/// Why a text is not the JSON that was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    /// What is wrong, in a few words.
    pub what: &'static str,
    /// The byte where it was noticed.
    pub at: usize,
}

impl JsonError {
    /// The line and column (both from 1, columns in bytes) of the place in `text`.
    pub fn position(&self, text: &[u8]) -> (usize, usize) {
        let before = &text[..self.at.min(text.len())];
        let line = memchr::memchr_iter(b'\n', before).count() + 1;
        let column = before.len() - memchr::memrchr(b'\n', before).map_or(0, |end| end + 1) + 1;
        (line, column)
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.what, self.at)
    }
}

impl std::error::Error for JsonError {}

/// What kind of value comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `{`
    Object,
    /// `[`
    Array,
    /// `"`
    String,
    /// `-` or a digit
    Number,
    /// `true` or `false`
    Bool,
    /// `null`
    Null,
}

impl Kind {
    /// The kind with its article, for messages.
    pub fn described(self) -> &'static str {
        match self {
            Kind::Object => "an object",
            Kind::Array => "an array",
            Kind::String => "a string",
            Kind::Number => "a number",
            Kind::Bool => "a boolean",
            Kind::Null => "null",
        }
    }
}

/// A string as it stands in the text: what is between the quotes, still escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Str<'a> {
    /// The text between the quotes.
    pub raw: &'a str,
    /// Where it begins.
    pub at: usize,
    /// Whether there is a backslash in it.
    pub escaped: bool,
}

impl<'a> Str<'a> {
    /// The string's meaning; borrowed when nothing was escaped.
    pub fn cow(self) -> Cow<'a, str> {
        if self.escaped { unescape(self.raw) } else { Cow::Borrowed(self.raw) }
    }
    /// The range between the quotes.
    pub fn range(self) -> Range<usize> {
        self.at..self.at + self.raw.len()
    }
    /// The range with its quotes.
    pub fn quoted(self) -> Range<usize> {
        self.at - 1..self.at + self.raw.len() + 1
    }
}

/// The place in a JSON text.
#[derive(Debug, Clone)]
pub struct Scanner<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

type Result<T> = std::result::Result<T, JsonError>;

impl<'a> Scanner<'a> {
    /// At the beginning of `text`.
    pub fn new(text: &'a str) -> Scanner<'a> {
        Scanner { text, at: 0, depth: 0 }
    }

    /// An error at this place.
    pub fn fail<T>(&self, what: &'static str) -> Result<T> {
        Err(JsonError { what, at: self.at })
    }

    /// The byte that comes next; behind white space after [`Scanner::kind`].
    pub fn offset(&self) -> usize {
        self.at
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn white(&mut self) -> Option<u8> {
        while let Some(byte) = self.byte() {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.at += 1;
        }
        None
    }

    /// Skips white space and says what comes.
    ///
    /// # Errors
    /// At the end of the text, and where no value can begin.
    pub fn kind(&mut self) -> Result<Kind> {
        match self.white() {
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::Array),
            Some(b'"') => Ok(Kind::String),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            Some(b't' | b'f') => Ok(Kind::Bool),
            Some(b'n') => Ok(Kind::Null),
            Some(_) => self.fail("expected a value"),
            None => self.fail("the text ends where a value was expected"),
        }
    }

    /// Walks the members of the object that comes next. The visitor may consume the value of each
    /// member; what it leaves is skipped.
    ///
    /// # Errors
    /// Broken JSON, not an object, too deep, or what the visitor reports.
    pub fn object<E: From<JsonError>>(
        &mut self,
        mut visit: impl FnMut(&mut Scanner<'a>, Str<'a>) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        self.open(b'{', "expected an object")?;
        if self.white() == Some(b'}') {
            self.close();
            return Ok(());
        }
        loop {
            if self.white() != Some(b'"') {
                return Ok(self.fail("expected a property name in double quotes")?);
            }
            let key = self.string()?;
            if self.white() != Some(b':') {
                return Ok(self.fail("expected `:` behind the property name")?);
            }
            self.at += 1;
            self.kind()?;
            let before = self.at;
            visit(self, key)?;
            if self.at == before {
                self.skip()?;
            }
            match self.white() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.close();
                    return Ok(());
                }
                _ => return Ok(self.fail("expected `,` or `}`")?),
            }
        }
    }

    /// Walks the items of the array that comes next, like [`Scanner::object`].
    ///
    /// # Errors
    /// Broken JSON, not an array, too deep, or what the visitor reports.
    pub fn array<E: From<JsonError>>(
        &mut self,
        mut visit: impl FnMut(&mut Scanner<'a>, usize) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        self.open(b'[', "expected an array")?;
        if self.white() == Some(b']') {
            self.close();
            return Ok(());
        }
        for index in 0.. {
            self.kind()?;
            let before = self.at;
            visit(self, index)?;
            if self.at == before {
                self.skip()?;
            }
            match self.white() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => return Ok(self.fail("expected `,` or `]`")?),
            }
        }
        self.close();
        Ok(())
    }

    fn open(&mut self, bracket: u8, what: &'static str) -> Result<()> {
        if self.white() != Some(bracket) {
            return self.fail(what);
        }
        if self.depth == MAX_DEPTH {
            return self.fail("nested deeper than 127 levels");
        }
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    fn close(&mut self) {
        self.depth -= 1;
        self.at += 1;
    }

    /// Walks over any value and says where it lies.
    ///
    /// # Errors
    /// Broken JSON or too deep.
    pub fn skip(&mut self) -> Result<Range<usize>> {
        let kind = self.kind()?;
        let start = self.at;
        match kind {
            // Recursion is bounded by MAX_DEPTH.
            Kind::Object => self.object(|_, _| Ok::<(), JsonError>(()))?,
            Kind::Array => self.array(|_, _| Ok::<(), JsonError>(()))?,
            Kind::String => drop(self.string()?),
            Kind::Number => drop(self.number()?),
            Kind::Bool | Kind::Null => self.word()?,
        }
        Ok(start..self.at)
    }

    /// The text of any value, as it stands.
    ///
    /// # Errors
    /// Broken JSON or too deep.
    pub fn raw(&mut self) -> Result<&'a str> {
        let range = self.skip()?;
        Ok(&self.text[range])
    }

    fn word(&mut self) -> Result<()> {
        let rest = &self.text[self.at..];
        let word = ["true", "false", "null"].into_iter().find(|word| rest.starts_with(word));
        match word {
            Some(word) => self.at += word.len(),
            None => return self.fail("expected a value"),
        }
        Ok(())
    }

    /// The string that comes next.
    ///
    /// # Errors
    /// Not a string, an unknown escape, a control character, or no end.
    pub fn string(&mut self) -> Result<Str<'a>> {
        if self.white() != Some(b'"') {
            return self.fail("expected a string");
        }
        let bytes = self.text.as_bytes();
        let (start, mut escaped) = (self.at + 1, false);
        self.at = start;
        loop {
            self.at += plain_prefix(&bytes[self.at..]);
            match bytes.get(self.at) {
                Some(b'"') => {
                    let raw = &self.text[start..self.at];
                    self.at += 1;
                    return Ok(Str { raw, at: start, escaped });
                }
                Some(b'\\') => {}
                Some(_) => return self.fail("a control character in a string must be escaped"),
                None => return self.fail("the text ends inside a string"),
            }
            escaped = true;
            let hex = |digits: &[u8]| digits.iter().all(u8::is_ascii_hexdigit);
            self.at += match bytes.get(self.at + 1) {
                Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
                Some(b'u') if bytes.get(self.at + 2..self.at + 6).is_some_and(hex) => 6,
                _ => return self.fail("an unknown escape in a string"),
            };
        }
    }

    /// The text of the number that comes next.
    ///
    /// # Errors
    /// Not a number.
    pub fn number(&mut self) -> Result<&'a str> {
        self.white();
        let bytes = self.text.as_bytes();
        let start = self.at;
        let mut at = start;
        let digits = |at: &mut usize| {
            let from = *at;
            while bytes.get(*at).is_some_and(u8::is_ascii_digit) {
                *at += 1;
            }
            *at - from
        };
        if bytes.get(at) == Some(&b'-') {
            at += 1;
        }
        let zero = bytes.get(at) == Some(&b'0');
        let whole = digits(&mut at);
        if whole == 0 || (zero && whole > 1) {
            return self.fail("a malformed number");
        }
        if bytes.get(at) == Some(&b'.') {
            at += 1;
            if digits(&mut at) == 0 {
                return self.fail("a malformed number");
            }
        }
        if matches!(bytes.get(at), Some(b'e' | b'E')) {
            at += 1;
            if matches!(bytes.get(at), Some(b'+' | b'-')) {
                at += 1;
            }
            if digits(&mut at) == 0 {
                return self.fail("a malformed number");
            }
        }
        self.at = at;
        Ok(&self.text[start..at])
    }

    /// The string that comes next, or nothing when it is something else (which is left).
    ///
    /// # Errors
    /// Broken JSON.
    pub fn text(&mut self) -> Result<Option<Cow<'a, str>>> {
        Ok(if self.kind()? == Kind::String { Some(self.string()?.cow()) } else { None })
    }

    /// The number that comes next, or nothing when it is something else (which is left).
    ///
    /// # Errors
    /// Broken JSON.
    pub fn float(&mut self) -> Result<Option<f64>> {
        Ok(if self.kind()? == Kind::Number { self.number()?.parse().ok() } else { None })
    }

    /// The whole number ≥ 0 that comes next; a fraction is cut off, and a negative one is nothing.
    ///
    /// # Errors
    /// Broken JSON.
    pub fn count(&mut self) -> Result<Option<u64>> {
        if self.kind()? != Kind::Number {
            return Ok(None);
        }
        let digits = self.number()?;
        Ok(digits.parse().ok().or_else(|| {
            // `1e3` and `12.0` are counts too; the cast saturates.
            digits.parse::<f64>().ok().filter(|value| *value >= 0.0).map(|value| value as u64)
        }))
    }

    /// The whole number that comes next, of either sign; a fraction is cut off.
    ///
    /// # Errors
    /// Broken JSON.
    pub fn int(&mut self) -> Result<Option<i64>> {
        if self.kind()? != Kind::Number {
            return Ok(None);
        }
        let digits = self.number()?;
        // As in `count`, the cast saturates.
        Ok(digits.parse().ok().or_else(|| digits.parse::<f64>().ok().map(|value| value as i64)))
    }

    /// The boolean that comes next, or nothing when it is something else (which is left).
    ///
    /// # Errors
    /// Broken JSON.
    pub fn bool(&mut self) -> Result<Option<bool>> {
        if self.kind()? != Kind::Bool {
            return Ok(None);
        }
        let yes = self.byte() == Some(b't');
        self.word()?;
        Ok(Some(yes))
    }

    /// Makes sure that nothing but white space is left.
    ///
    /// # Errors
    /// When there is.
    pub fn end(&mut self) -> Result<()> {
        match self.white() {
            None => Ok(()),
            Some(_) => self.fail("unexpected text behind the end of the JSON"),
        }
    }
}

/// How many bytes stand before the first quote, backslash or control character.
///
/// Code in prompts has an escape every few bytes, where a call of `memchr` for each costs more than
/// it finds: so the first bytes are looked at eight at a time, and only prose goes on with vectors.
fn plain_prefix(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const NEAR: usize = 32;
    let mut at = 0;
    while at < NEAR
        && let Some(word) = bytes.get(at..at + 8).and_then(|eight| <[u8; 8]>::try_from(eight).ok())
    {
        let word = u64::from_le_bytes(word);
        // The top bit of a byte is set where the byte is zero (below 0x20); bytes above the first
        // such one may be wrong, but only the first one counts.
        let zero = |word: u64| word.wrapping_sub(ONES) & !word;
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let found = zero(word ^ (ONES * u64::from(b'"'))) | zero(word ^ (ONES * u64::from(b'\\')));
        let found = (found | control) & (ONES * 0x80);
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let rest = &bytes[at..];
    let end = memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
    let plain = &rest[..end];
    // A fold without early exit, so that it runs on vectors.
    if plain.iter().fold(false, |bad, &byte| bad | (byte < 0x20)) {
        return at + plain.iter().position(|&byte| byte < 0x20).unwrap_or(end);
    }
    at + end
}

/// Whether a text is one JSON value and nothing else.
pub fn is_valid(text: &str) -> bool {
    let mut scanner = Scanner::new(text);
    scanner.skip().is_ok() && scanner.end().is_ok()
}

/// The meaning of a string's inside. Halves of surrogate pairs that stand alone, which JSON allows
/// and Unicode does not, become U+FFFD.
pub fn unescape(raw: &str) -> Cow<'_, str> {
    let Some(first) = memchr::memchr(b'\\', raw.as_bytes()) else { return Cow::Borrowed(raw) };
    let mut out = String::with_capacity(raw.len());
    out.push_str(&raw[..first]);
    let mut rest = &raw[first..];
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let Some(escape) = rest.chars().next() else { break };
        rest = &rest[escape.len_utf8()..];
        match escape {
            'b' => out.push('\u{8}'),
            'f' => out.push('\u{c}'),
            'n' => out.push('\n'),
            'r' => out.push('\r'),
            't' => out.push('\t'),
            'u' => {
                let (char, left) = unescape_unicode(rest);
                out.push(char);
                rest = left;
            }
            other => out.push(other),
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The character whose four hex digits begin `rest`, and what is behind it.
fn unescape_unicode(rest: &str) -> (char, &str) {
    let unit = |text: &str| text.get(..4).and_then(|hex| u16::from_str_radix(hex, 16).ok());
    let Some(high) = unit(rest) else { return (char::REPLACEMENT_CHARACTER, rest) };
    let behind = &rest[4..];
    let low = behind.strip_prefix("\\u").and_then(unit);
    let pair = low.map(|low| [high, low]).and_then(|pair| {
        let mut chars = char::decode_utf16(pair);
        match (chars.next(), chars.next()) {
            (Some(Ok(char)), None) => Some(char),
            _ => None,
        }
    });
    match pair {
        Some(char) => (char, &behind[6..]),
        None => (char::from_u32(u32::from(high)).unwrap_or(char::REPLACEMENT_CHARACTER), behind),
    }
}

/// Gives `text` as it must stand between quotes, piece by piece.
fn escape(text: &str, mut put: impl FnMut(&str)) {
    let (mut from, mut at) = (0, 0);
    loop {
        at += plain_prefix(&text.as_bytes()[at..]);
        let Some(&byte) = text.as_bytes().get(at) else { break };
        // What stops the scan is one byte long, so the cuts are between characters.
        put(&text[from..at]);
        match byte {
            b'"' => put("\\\""),
            b'\\' => put("\\\\"),
            b'\n' => put("\\n"),
            b'\r' => put("\\r"),
            b'\t' => put("\\t"),
            byte => put(&format!("\\u{byte:04x}")),
        }
        at += 1;
        from = at;
    }
    put(&text[from..]);
}

/// Appends `text` to `out` as it must stand between quotes.
pub fn escape_into(out: &mut String, text: &str) {
    escape(text, |piece| out.push_str(piece));
}

/// The same, into bytes.
pub fn escape_bytes(out: &mut Vec<u8>, text: &str) {
    escape(text, |piece| out.extend_from_slice(piece.as_bytes()));
}

/// `text` as a JSON string with its quotes.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    escape_into(&mut out, text);
    out.push('"');
    out
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
