//! How many tokens a text has, without a tokenizer: one pass over its characters.
//!
//! The weights were fitted against OpenAI's `o200k_base` over recorded requests and public
//! prompts; `tests/facts` measures the error against exact counts. Money is never settled by an
//! estimate where a provider reports usage.

use crate::units::Tokens;

/// What the format around each message costs.
const PER_MESSAGE: u64 = 4;
/// What the format around the whole request costs.
const PER_REQUEST: u64 = 3;
/// A picture of common size, as most providers count it.
const PER_IMAGE: u64 = 765;
/// A short recording.
const PER_SOUND: u64 = 500;
/// A page or two.
const PER_FILE: u64 = 1_000;

/// The tokens of everything in a request that is not text.
pub fn overhead(messages: u32, images: u32, audio: bool, files: u32) -> Tokens {
    Tokens(
        PER_REQUEST
            + PER_MESSAGE * u64::from(messages)
            + PER_IMAGE * u64::from(images)
            + PER_SOUND * u64::from(audio)
            + PER_FILE * u64::from(files),
    )
}

/// The tokens of one text.
pub fn estimate(text: &str) -> Tokens {
    let mut meter = TextMeter::default();
    meter.add(text);
    meter.tokens()
}

/// What an accented letter adds to its word, in thousandths of a token.
const ACCENT: u64 = 250;

/// What a space before a number adds, in thousandths of a token.
const NUMBER_SPACE: u64 = 750;

/// Adds up the tokens of pieces of text.
#[derive(Debug, Clone, Copy, Default)]
pub struct TextMeter {
    /// In thousandths of a token.
    milli: u64,
    chars: u64,
}

/// What a run of characters belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Letter,
    Digit,
    Space,
    Newline,
    Punctuation,
    /// Letters of two bytes: Cyrillic, Greek, Arabic.
    Wide,
    /// Letters of three bytes: CJK, Hangul, Indic scripts.
    Ideograph,
    /// Four bytes: emoji and rare signs.
    Rare,
}

impl TextMeter {
    /// Adds a text.
    pub fn add(&mut self, text: &str) {
        let mut chars = text.chars().peekable();
        while let Some(first) = chars.next() {
            let class = class_of(first);
            let (mut run, mut capitals) = (1u64, u64::from(first.is_ascii_uppercase()));
            let mut accents = u64::from(!first.is_ascii());
            while let Some(next) = chars.next_if(|next| class_of(*next) == class) {
                run += 1;
                capitals += u64::from(next.is_ascii_uppercase());
                accents += u64::from(!next.is_ascii());
            }
            self.chars += run;
            self.milli += weight(class, run, capitals);
            if class == Class::Space && chars.peek().is_some_and(char::is_ascii_digit) {
                // A space joins the word behind it, but never a number.
                self.milli += NUMBER_SPACE;
            }
            if class == Class::Letter {
                // Words with accents are rarer, so they are cut up more often.
                self.milli += accents * ACCENT;
            }
        }
    }

    /// Adds JSON that a provider shows its model in another, terser form (tool definitions).
    pub fn add_json(&mut self, text: &str) {
        let before = self.milli;
        self.add(text);
        let added = self.milli - before;
        self.milli = before + added * 9 / 10;
    }

    /// The tokens so far, rounded up.
    pub fn tokens(&self) -> Tokens {
        Tokens(self.milli.div_ceil(1_000))
    }

    /// The characters so far.
    pub fn chars(&self) -> u64 {
        self.chars
    }
}

fn class_of(c: char) -> Class {
    match c {
        'a'..='z' | 'A'..='Z' | '\u{c0}'..='\u{24f}' => Class::Letter,
        '0'..='9' => Class::Digit,
        '\n' | '\r' => Class::Newline,
        ' ' | '\t' => Class::Space,
        c if c.is_ascii() => Class::Punctuation,
        c if c.len_utf8() == 2 => Class::Wide,
        // General punctuation: dashes, quotation marks, ellipses.
        '\u{2000}'..='\u{206f}' => Class::Punctuation,
        c if c.len_utf8() == 3 => Class::Ideograph,
        _ => Class::Rare,
    }
}

/// The weight of a run in thousandths of a token.
fn weight(class: Class, run: u64, capitals: u64) -> u64 {
    match class {
        // Common words are one token whatever their length; long or shouted ones are cut up.
        Class::Letter if capitals > 1 && capitals * 2 > run => 500 + run * 330,
        Class::Letter => match run {
            0..=6 => 1_000,
            7..=9 => 1_120,
            10..=13 => 1_350,
            _ => run * 190 + capitals * 150,
        },
        Class::Digit => run.div_ceil(3) * 1_000,
        // A single space belongs to the word behind it; indentation is a token of its own.
        Class::Space if run == 1 => 0,
        Class::Space => 750 + run * 6,
        Class::Newline => 700,
        Class::Punctuation => match run {
            1 => 900,
            2 => 1_030,
            3 => 1_100,
            _ => 650 + run * 170,
        },
        Class::Wide => 250 + run * 240,
        Class::Ideograph => run * 720,
        Class::Rare => run * 1_900,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_nothing_and_more_is_more() {
        assert_eq!(estimate(""), Tokens(0));
        let short = estimate("The quick brown fox.");
        assert!((4..=6).contains(&short.0), "{short}");
        assert!(estimate(&"The quick brown fox. ".repeat(50)) > short);
    }

    #[test]
    fn pieces_add_up() {
        let mut meter = TextMeter::default();
        meter.add("one two");
        meter.add("three");
        assert_eq!(meter.chars(), 12);
        assert_eq!(meter.tokens(), Tokens(3));
    }
}
