//! Places as editors count them: lines from 0, columns in UTF-16 code units from 0.

use lsp_types::{Position, Range};

use crate::policy::syntax::tree::Span;

/// The lines of a text, for turning bytes into positions and back.
#[derive(Debug, Clone)]
pub struct Lines {
    /// The first byte of each line.
    starts: Vec<usize>,
}

impl Lines {
    /// Of this text. A line ends with `\n`, `\r\n` or a lone `\r`, as the protocol has it.
    pub fn of(text: &str) -> Lines {
        let bytes = text.as_bytes();
        let ends = bytes.iter().enumerate().filter(|(at, byte)| match byte {
            b'\n' => true,
            b'\r' => bytes.get(at + 1) != Some(&b'\n'),
            _ => false,
        });
        Lines { starts: std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect() }
    }

    /// Where a byte stands. One past the end, or inside a character, counts as the place before it.
    pub fn position(&self, text: &str, byte: usize) -> Position {
        let mut byte = byte.min(text.len());
        while !text.is_char_boundary(byte) {
            byte -= 1;
        }
        let line = self.starts.partition_point(|start| *start <= byte).saturating_sub(1);
        let start = self.starts.get(line).copied().unwrap_or(0);
        let column: usize = text[start..byte].chars().map(char::len_utf16).sum();
        Position { line: line as u32, character: column as u32 }
    }

    /// The byte at a position. A column past the end of its line counts as the end, a line past the
    /// last as the end of the text, the second half of a surrogate pair as the character's start.
    pub fn byte(&self, text: &str, position: Position) -> usize {
        let Some(start) = self.starts.get(position.line as usize).copied() else {
            return text.len();
        };
        let end = self.starts.get(position.line as usize + 1).copied().unwrap_or(text.len());
        let line = text[start..end].trim_end_matches(['\n', '\r']);
        let mut left = position.character as usize;
        for (at, char) in line.char_indices() {
            if left < char.len_utf16() {
                return start + at;
            }
            left -= char.len_utf16();
        }
        start + line.len()
    }

    /// Where a piece of the text stands.
    pub fn range(&self, text: &str, span: Span) -> Range {
        let start = self.position(text, span.start as usize);
        let end = self.position(text, span.end as usize);
        Range { start, end: end.max(start) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(line: u32, character: u32) -> Position {
        Position { line, character }
    }

    #[test]
    fn columns_are_utf16() {
        // One byte, two bytes, four bytes and two code units, one byte.
        let text = "aä😀b\r\nx\rlast";
        let lines = Lines::of(text);
        for (byte, position) in [
            (0, at(0, 0)),
            (1, at(0, 1)),
            (3, at(0, 2)),
            (7, at(0, 4)),
            (8, at(0, 5)),
            (10, at(1, 0)),
        ] {
            assert_eq!(lines.position(text, byte), position, "byte {byte}");
            assert_eq!(lines.byte(text, position), byte, "{position:?}");
        }
        assert_eq!(lines.byte(text, at(0, 3)), 3, "inside of a surrogate pair");
        assert_eq!(lines.byte(text, at(0, 99)), 8, "before the line's end");
        assert_eq!(lines.byte(text, at(2, 0)), 12, "a lone carriage return ends a line");
        assert_eq!(lines.byte(text, at(9, 9)), text.len());
        assert_eq!(lines.position(text, 5), at(0, 2), "inside of a character");
        assert_eq!(lines.position(text, 999), at(2, 4));
    }

    proptest! {
        #[test]
        fn every_character_is_found_again(text in "[a😀ä\r\n]{0,30}") {
            let lines = Lines::of(&text);
            for (byte, char) in text.char_indices() {
                // What ends a line stands behind the last column there is.
                if !matches!(char, '\r' | '\n') {
                    prop_assert_eq!(lines.byte(&text, lines.position(&text, byte)), byte);
                }
            }
        }

        #[test]
        fn no_position_is_outside(text in ".{0,30}", line in 0u32..5, character in 0u32..40) {
            let byte = Lines::of(&text).byte(&text, at(line, character));
            prop_assert!(text.is_char_boundary(byte));
        }
    }
}
