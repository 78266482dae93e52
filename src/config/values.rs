//! Values as people write them: `10s`, `256MiB`, `$0.05`.

use std::fmt;
use std::time::Duration;

use crate::units::NanoDollars;

/// A size in bytes, written `20MB` (powers of 1000) or `256MiB` (powers of 1024).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

impl ByteSize {
    /// So many times 1 000 000 bytes.
    pub const fn megabytes(count: u64) -> ByteSize {
        ByteSize(count * 1_000_000)
    }
    /// So many times 1 048 576 bytes.
    pub const fn mebibytes(count: u64) -> ByteSize {
        ByteSize(count << 20)
    }
    /// As an index type; as large as possible where it does not fit.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |(_, factor): &&(&str, u64)| self.0 >= *factor && self.0.is_multiple_of(*factor);
        match SIZES.iter().rev().find(fits) {
            Some((unit, factor)) => write!(f, "{}{unit}", self.0 / factor),
            None => write!(f, "{}B", self.0),
        }
    }
}

/// In the order of their factors.
const SIZES: &[(&str, u64)] = &[
    ("B", 1),
    ("kB", 1_000),
    ("KB", 1_000),
    ("KiB", 1 << 10),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
];

/// In nanoseconds.
const TIMES: &[(&str, u64)] = &[
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("min", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

const DOLLARS: &[(&str, u64)] = &[("", 1_000_000_000)];

/// Reads a span of time: a decimal number and `ms`, `s`, `m`, `h` or `d`.
///
/// # Errors
/// A sentence that says what is wrong and how it is written.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    measure(text, TIMES, "a span of time", "`10s`, `250ms`, `5m`, `1h`").map(Duration::from_nanos)
}

/// Reads a size: a decimal number and `B`, `kB`, `MB`, `GB`, `KiB`, `MiB` or `GiB`.
///
/// # Errors
/// A sentence that says what is wrong and how it is written.
pub fn parse_size(text: &str) -> Result<ByteSize, String> {
    measure(text, SIZES, "a size", "`20MB`, `256MiB`").map(ByteSize)
}

/// Reads an amount of money: `$` and a decimal number; `_` may group digits.
///
/// # Errors
/// A sentence that says what is wrong and how it is written.
pub fn parse_money(text: &str) -> Result<NanoDollars, String> {
    const HOW: &str = "`$0.05`, `$2_000`";
    let Some(amount) = text.trim().strip_prefix('$') else {
        return Err(format!("an amount of money begins with `$`: {HOW}"));
    };
    measure(amount, DOLLARS, "an amount of money", HOW).map(NanoDollars)
}

/// `12.5unit` → 12.5 × the unit's factor. Exact: no floats, and what can't be represented is an error.
fn measure(text: &str, units: &[(&str, u64)], what: &str, how: &str) -> Result<u64, String> {
    let text = text.trim();
    let end = text.find(|c: char| !matches!(c, '0'..='9' | '.' | '_')).unwrap_or(text.len());
    let (number, unit) = (text[..end].replace('_', ""), text[end..].trim_start());
    let (whole, fraction) = number.split_once('.').unwrap_or((&number, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || number.ends_with('.') {
        return Err(format!("`{text}` is not {what}; it is written {how}"));
    }
    if unit.is_empty() && !units.iter().any(|(name, _)| name.is_empty()) {
        return Err(format!("{what} needs a unit: {how}"));
    }
    let Some(&(_, factor)) = units.iter().find(|(name, _)| *name == unit) else {
        let near = units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit));
        return Err(match near {
            Some((name, _)) => format!("`{unit}` is not a unit here; did you mean `{name}`?"),
            None => format!("`{unit}` is not a known unit; {what} is written {how}"),
        });
    };
    exact(whole, fraction, factor).ok_or_else(|| format!("`{text}` is too large or too precise"))
}

fn exact(whole: &str, fraction: &str, factor: u64) -> Option<u64> {
    let fraction = fraction.trim_end_matches('0');
    let scale = 10u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let part = if fraction.is_empty() { 0 } else { fraction.parse::<u128>().ok()? };
    let scaled = whole.parse::<u128>().ok()?.checked_mul(scale)?.checked_add(part)?;
    let product = scaled.checked_mul(u128::from(factor))?;
    (product % scale == 0).then(|| u64::try_from(product / scale).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn units_are_read_exactly() {
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_duration(" 1.5 h "), Ok(Duration::from_secs(5400)));
        assert_eq!(parse_size("20MB"), Ok(ByteSize(20_000_000)));
        assert_eq!(parse_size("256MiB"), Ok(ByteSize(268_435_456)));
        assert_eq!(parse_size("0.5KiB"), Ok(ByteSize(512)));
        assert_eq!(parse_money("$0.05"), Ok(NanoDollars(50_000_000)));
        assert_eq!(parse_money("$2_000"), Ok(NanoDollars::from_dollars(2_000)));
        assert_eq!(parse_money("$0.000000001"), Ok(NanoDollars(1)));
    }

    #[test]
    fn what_is_not_a_measure_is_refused_with_a_reason() {
        let errors = [
            parse_duration("10").unwrap_err(),
            parse_duration("s").unwrap_err(),
            parse_duration("10 parsecs").unwrap_err(),
            parse_duration("-1s").unwrap_err(),
            parse_duration("1.2.3s").unwrap_err(),
            parse_duration("99999999999999999999d").unwrap_err(),
            parse_size("20mb").unwrap_err(),
            parse_size("0.3B").unwrap_err(),
            parse_money("0.05").unwrap_err(),
            parse_money("$0.0000000001").unwrap_err(),
        ];
        insta::assert_snapshot!(errors.join("\n"), @r"
    a span of time needs a unit: `10s`, `250ms`, `5m`, `1h`
    `s` is not a span of time; it is written `10s`, `250ms`, `5m`, `1h`
    `parsecs` is not a known unit; a span of time is written `10s`, `250ms`, `5m`, `1h`
    `-1s` is not a span of time; it is written `10s`, `250ms`, `5m`, `1h`
    `1.2.3s` is not a span of time; it is written `10s`, `250ms`, `5m`, `1h`
    `99999999999999999999d` is too large or too precise
    `mb` is not a unit here; did you mean `MB`?
    `0.3B` is too large or too precise
    an amount of money begins with `$`: `$0.05`, `$2_000`
    `0.0000000001` is too large or too precise
    ");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,40}") {
            let _ = (parse_duration(&text), parse_size(&text), parse_money(&text));
        }
        #[test]
        fn sizes_are_printed_as_they_are_read(size: u64) {
            prop_assert_eq!(parse_size(&ByteSize(size).to_string()), Ok(ByteSize(size)));
        }
    }
}
