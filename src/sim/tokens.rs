//! A stand-in for a tokenizer: about as many pieces as a BPE would make, without its tables.

/// The pieces of a text; put together again they are the text.
///
/// A piece is one blank (if there is one) and then up to eight letters, up to three digits, a run
/// of white space, or one other character. On English prose that comes within a tenth of what
/// `o200k_base` counts.
pub(super) struct Pieces<'a>(&'a str);

/// Splits a text into its pieces.
pub(super) fn pieces(text: &str) -> Pieces<'_> {
    Pieces(text)
}

/// How many tokens a text has.
pub(super) fn count(text: &str) -> u64 {
    pieces(text).count() as u64
}

/// The first `limit` tokens of a text, and whether anything was left out.
pub(super) fn head(text: &str, limit: u64) -> (&str, bool) {
    let end: usize =
        pieces(text).take(usize::try_from(limit).unwrap_or(usize::MAX)).map(str::len).sum();
    (&text[..end], end < text.len())
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let text = self.0;
        let blank = usize::from(text.chars().next()? == ' ');
        let body = &text[blank..];
        let length = match body.chars().next() {
            Some(c) if c.is_ascii_digit() => run(body, 3, |c| c.is_ascii_digit()),
            Some(c) if c.is_alphabetic() => run(body, 8, char::is_alphabetic),
            Some(c) if c.is_whitespace() => run(body, 16, char::is_whitespace),
            Some(c) => c.len_utf8(),
            None => 0,
        };
        let (piece, rest) = text.split_at(blank + length);
        self.0 = rest;
        Some(piece)
    }
}

/// The length in bytes of the first run of at most `most` characters that belong.
fn run(text: &str, most: usize, belongs: impl Fn(char) -> bool) -> usize {
    text.chars().take(most).take_while(|&c| belongs(c)).map(char::len_utf8).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_keep_their_blank() {
        let found: Vec<_> = pieces("Hello, world: 12345 tokens").collect();
        assert_eq!(found, ["Hello", ",", " world", ":", " 123", "45", " tokens"]);
    }

    #[test]
    fn the_head_ends_between_tokens() {
        assert_eq!(head("one two three", 2), ("one two", true));
        assert_eq!(head("one two three", 9), ("one two three", false));
        assert_eq!(head("one", 0), ("", true));
    }

    proptest! {
        #[test]
        fn pieces_are_the_text(text in "\\PC*|[ \\n a-z0-9é.]*") {
            prop_assert_eq!(pieces(&text).collect::<String>(), text);
        }
    }
}
