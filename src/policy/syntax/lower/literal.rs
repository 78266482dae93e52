//! Constants, exactly: no amount of money ever passes through a float.

use jiff::civil::Date;

use crate::policy::codes;
use crate::policy::diagnostic::{Code, Diagnostic};
use crate::units::{BasisPoints, NanoDollars};

use super::super::grammar::Rule;
use super::super::scan::span;
use super::super::tree::{Literal, LiteralValue, PriceUnit, Span, Spanned};
use super::{Lower, P, kids};

/// What is wrong with a constant: its code, the sentence, and what to write instead.
struct Fault {
    code: Code,
    message: String,
    instead: Option<String>,
}

/// A number as written, without its suffix: `digits × 10^-scale`.
struct Decimal {
    digits: u128,
    scale: u32,
}

/// How often a smaller unit goes into the one that was written.
const SUFFIXES: [(&str, u128); 4] =
    [("Ki", 1 << 10), ("Mi", 1 << 20), ("k", 1_000), ("M", 1_000_000)];
const DURATIONS: [(&str, u128); 7] = [
    ("us", 1_000),
    ("ms", 1_000_000),
    ("min", 60_000_000_000),
    ("s", 1_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
    ("w", 604_800_000_000_000),
];
const SIZES: [(&str, u128); 6] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
];
/// Seconds of a rate's period. A month has no fixed length; a rate takes it as 30 days.
const PERIODS: [(&str, i64); 11] = [
    ("second", 1),
    ("sec", 1),
    ("s", 1),
    ("minute", 60),
    ("min", 60),
    ("hour", 3_600),
    ("h", 3_600),
    ("day", 86_400),
    ("d", 86_400),
    ("week", 604_800),
    ("month", 2_592_000),
];

impl Lower<'_> {
    /// Any literal.
    pub fn literal(&mut self, pair: P<'_>) -> Spanned<Literal> {
        let place = self.span(&pair);
        // A rate or a count of tokens may have been written with more blanks than it needs.
        let raw = match pair.as_rule() {
            Rule::rate => {
                let squeezed = pair.as_str().split_whitespace().collect::<Vec<_>>().join(" ");
                squeezed.replace(" /", "/").replace("/ ", "/")
            }
            Rule::tokens => pair.as_str().split_whitespace().collect::<Vec<_>>().join(" "),
            _ => pair.as_str().to_owned(),
        };
        let value = match read(pair, &raw) {
            Some(Read::Value(value, fault)) => {
                if let Some(fault) = fault {
                    self.literal_fault(fault, place);
                }
                value
            }
            _ => LiteralValue::String(self.unescape(&raw, place)),
        };
        Spanned::new(Literal { value, raw }, place)
    }

    /// A whole number without a unit.
    pub fn count(&mut self, pair: P<'_>) -> Spanned<u64> {
        let place = self.span(&pair);
        let value = without_underscores(pair.as_str()).parse().unwrap_or_else(|_| {
            self.literal_fault(too_large("18446744073709551615"), place);
            u64::MAX
        });
        Spanned::new(value, place)
    }

    /// A number that may have decimals, such as a similarity.
    pub fn float(&mut self, pair: P<'_>) -> Spanned<f64> {
        let value = without_underscores(pair.as_str()).parse().unwrap_or(f64::MAX);
        Spanned::new(value, self.span(&pair))
    }

    /// A share of the whole.
    pub fn percent(&mut self, pair: P<'_>) -> BasisPoints {
        match self.literal(pair).node.value {
            LiteralValue::Percent(share) => share,
            _ => BasisPoints(0),
        }
    }

    fn literal_fault(&mut self, fault: Fault, place: Span) {
        let mut diagnostic =
            Diagnostic::error(fault.code, place, fault.message, "cannot be held exactly");
        if matches!(fault.code, codes::BAD_DATE | codes::BAD_CLOCK) {
            diagnostic.primary.text = "does not exist".to_owned();
        } else if fault.code == codes::TOO_LARGE_NUMBER {
            diagnostic.primary.text = "too large".to_owned();
        }
        if let Some(instead) = fault.instead {
            diagnostic = diagnostic.fix(format!("write `{instead}`"), place, instead);
        }
        self.report(diagnostic);
    }

    /// The text between quotes. Between `"""` everything stands for itself.
    pub fn unescape(&mut self, raw: &str, place: Span) -> String {
        if raw.len() >= 6 && raw.starts_with("\"\"\"") {
            return raw[3..raw.len() - 3].to_owned();
        }
        let body = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
        let mut text = String::with_capacity(body.len());
        let mut rest = body;
        while let Some(next) = rest.chars().next() {
            let at = place.start as usize + 1 + (body.len() - rest.len());
            if next != '\\' {
                text.push(next);
                rest = &rest[next.len_utf8()..];
                continue;
            }
            match escape(rest) {
                Ok((c, len)) => {
                    text.push(c);
                    rest = &rest[len..];
                }
                Err(len) => {
                    let written = &rest[..len];
                    self.report(
                        Diagnostic::error(
                            codes::BAD_ESCAPE,
                            span(at, at + len),
                            format!("`{written}` means nothing in a text"),
                            "not an escape",
                        )
                        .note(r#"escapes are \" \\ \n \r \t \0 and \u{1F600}"#)
                        .fix(
                            "a backslash itself is written twice",
                            span(at, at),
                            "\\",
                        ),
                    );
                    text.push_str(written);
                    rest = &rest[len..];
                }
            }
        }
        text
    }
}

/// Reads one escape: the character and the escape's length; or the length of what is not one.
fn escape(rest: &str) -> Result<(char, usize), usize> {
    let letter = rest[1..].chars().next().ok_or(1usize)?;
    let simple = match letter {
        '"' => '"',
        '\\' => '\\',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        '0' => '\0',
        'u' => {
            let hex = rest[2..].strip_prefix('{').and_then(|r| r.split_once('}')).ok_or(2usize)?.0;
            let digits = (1..=6).contains(&hex.len()) && hex.bytes().all(|b| b.is_ascii_hexdigit());
            let c = match digits {
                true => u32::from_str_radix(hex, 16).ok().and_then(char::from_u32),
                false => None,
            };
            return c.map(|c| (c, hex.len() + 4)).ok_or(2);
        }
        other => return Err(1 + other.len_utf8()),
    };
    Ok((simple, 2))
}

enum Read {
    Value(LiteralValue, Option<Fault>),
    Text,
}

/// The value of a literal that is not a text, and what is wrong with it.
fn read(pair: P<'_>, raw: &str) -> Option<Read> {
    let (value, fault) = match pair.as_rule() {
        Rule::bool => (LiteralValue::Bool(raw == "true"), None),
        Rule::number => number(raw),
        Rule::tokens => {
            let (count, fault) = whole(kids(pair).next()?.as_str());
            (LiteralValue::Tokens(count), fault)
        }
        Rule::money | Rule::dollars => money(raw),
        Rule::percent => percent(raw),
        Rule::duration => {
            let (nanos, fault) = in_unit(raw, &DURATIONS, "a nanosecond");
            (LiteralValue::Duration(nanos), fault)
        }
        Rule::bytes => {
            let (bytes, fault) = in_unit(raw, &SIZES, "a byte");
            (LiteralValue::Bytes(bytes), fault)
        }
        Rule::rate => {
            let mut parts = kids(pair);
            let tokens = parts.has(Rule::k_tokens);
            let (count, not_whole) = whole(parts.next()?.as_str());
            let period = parts.next()?.as_str();
            let seconds = PERIODS.iter().find(|(word, _)| *word == period)?.1;
            let none = "a rate is a positive number";
            let found =
                not_whole.or_else(|| (count <= 0).then(|| fault(codes::NOT_A_COUNT, none, None)));
            (LiteralValue::Rate { count, tokens, seconds }, found)
        }
        Rule::clock => clock(raw),
        Rule::date => date(raw),
        _ => return Some(Read::Text),
    };
    Some(Read::Value(value, fault))
}

fn number(raw: &str) -> (LiteralValue, Option<Fault>) {
    let (digits, factor) = suffix(raw, &SUFFIXES);
    let plain = digits.trim_start_matches('-');
    let negative = digits.starts_with('-');
    if let Some(value) = (!plain.contains('.') || factor > 1)
        .then(|| decimal(plain).map(|d| scaled(&d, factor)))
        .flatten()
        && let Scaled::Exact(value) = value
    {
        return match i64::try_from(value) {
            Ok(value) => (LiteralValue::Int(if negative { -value } else { value }), None),
            Err(_) => (LiteralValue::Int(i64::MAX), Some(too_large("9_223_372_036_854_775_807"))),
        };
    }
    match without_underscores(digits).parse::<f64>() {
        Ok(value) if value.is_finite() && plain.contains('.') => {
            (LiteralValue::Float(value * factor as f64), None)
        }
        _ => (LiteralValue::Int(i64::MAX), Some(too_large("9_223_372_036_854_775_807"))),
    }
}

/// A number that has to be whole once its suffix is applied.
fn whole(raw: &str) -> (i64, Option<Fault>) {
    match number(raw) {
        (LiteralValue::Int(value), fault) => (value, fault),
        (LiteralValue::Float(value), _) => {
            let nearest = value.round() as i64;
            let message = "tokens and requests are counted in whole numbers";
            (nearest, Some(fault(codes::NOT_A_COUNT, message, None)))
        }
        _ => (0, Some(too_large("9_223_372_036_854_775_807"))),
    }
}

fn money(raw: &str) -> (LiteralValue, Option<Fault>) {
    let (amount, unit) = match raw.split_once('/') {
        Some((amount, unit)) => (amount, Some(unit)),
        None => (raw, None),
    };
    let (digits, factor) = suffix(&amount[1..], &SUFFIXES);
    let factor = factor * if unit == Some("ktok") { 1_000 } else { 1 };
    let scaled = decimal(digits).map_or(Scaled::TooLarge, |d| scaled(&d, factor * 1_000_000_000));
    let per = unit.map(|unit| format!("/{unit}")).unwrap_or_default();
    let (nanos, fault) = match scaled {
        Scaled::Exact(value) => match u64::try_from(value) {
            Ok(nanos) => (nanos, None),
            Err(_) => (u64::MAX, Some(too_large("$18_446_744_073"))),
        },
        Scaled::Between(below) => {
            let nearest = u64::try_from(below + 1).unwrap_or(u64::MAX);
            let written = NanoDollars(match unit {
                Some("ktok") => nearest.div_ceil(1_000),
                _ => nearest,
            });
            let message = "money is not counted finer than a billionth of a dollar";
            let instead = format!("${written}{per}");
            (nearest, Some(fault(codes::TOO_FINE_MONEY, message, Some(instead))))
        }
        Scaled::TooLarge => (u64::MAX, Some(too_large("$18_446_744_073"))),
    };
    let amount = NanoDollars(nanos);
    let value = match unit {
        None => LiteralValue::Money(amount),
        Some("image") => LiteralValue::Price(amount, PriceUnit::Image),
        Some("request") => LiteralValue::Price(amount, PriceUnit::Request),
        Some("minute") => LiteralValue::Price(amount, PriceUnit::Minute),
        Some(_) => LiteralValue::Price(amount, PriceUnit::Mtok),
    };
    (value, fault)
}

fn percent(raw: &str) -> (LiteralValue, Option<Fault>) {
    let digits = raw.trim_end_matches('%');
    let (points, fault) = match decimal(digits).map(|d| scaled(&d, 100)) {
        Some(Scaled::Exact(value)) => match u32::try_from(value) {
            Ok(points) => (points, None),
            Err(_) => (u32::MAX, Some(too_large("42_949_672%"))),
        },
        Some(Scaled::Between(below)) => {
            // Never down to nothing: 0 % of the traffic is another policy.
            let nearest = u32::try_from(below.max(1)).unwrap_or(u32::MAX);
            let message = "percentages are not counted finer than 0.01 %";
            let instead = BasisPoints(nearest).to_string();
            (nearest, Some(fault(codes::TOO_FINE_PERCENT, message, Some(instead))))
        }
        _ => (u32::MAX, Some(too_large("42_949_672%"))),
    };
    (LiteralValue::Percent(BasisPoints(points)), fault)
}

fn in_unit(raw: &str, units: &[(&str, u128)], smallest: &str) -> (i64, Option<Fault>) {
    let (digits, factor) = suffix(raw, units);
    match decimal(digits).map(|d| scaled(&d, factor)) {
        Some(Scaled::Exact(value)) => match i64::try_from(value) {
            Ok(value) => (value, None),
            Err(_) => (i64::MAX, Some(too_large("292 years, or 9 EB"))),
        },
        Some(Scaled::Between(below)) => {
            let message = format!("nothing is counted finer than {smallest} here");
            let nearest = i64::try_from(below).unwrap_or(i64::MAX);
            (nearest, Some(fault(codes::NOT_A_COUNT, message, None)))
        }
        _ => (i64::MAX, Some(too_large("292 years, or 9 EB"))),
    }
}

fn clock(raw: &str) -> (LiteralValue, Option<Fault>) {
    let (hour, minute) = raw.split_once(':').unwrap_or(("0", "0"));
    let (hour, minute) = (hour.parse::<u16>().unwrap_or(99), minute.parse::<u16>().unwrap_or(99));
    if minute < 60 && (hour < 24 || (hour, minute) == (24, 0)) {
        return (LiteralValue::Clock(hour * 60 + minute), None);
    }
    let message = format!("there is no time of day `{raw}`");
    (LiteralValue::Clock(0), Some(fault(codes::BAD_CLOCK, message, None)))
}

fn date(raw: &str) -> (LiteralValue, Option<Fault>) {
    let mut parts = raw.split('-');
    let mut part = || parts.next().and_then(|p| p.parse::<i16>().ok()).unwrap_or(0);
    let (year, month, day) = (part(), part(), part());
    let small = |n: i16| i8::try_from(n).unwrap_or(0);
    match Date::new(year, small(month), small(day)) {
        Ok(date) => (LiteralValue::Date(date), None),
        Err(_) => {
            // The last day of a month that exists is the likely meaning of a 31st that does not.
            let last = Date::new(year, small(month), 1).ok().map(|first| first.last_of_month());
            let instead = last.filter(|_| day <= 31 && day > 0).map(|last| last.to_string());
            let message = format!("there is no day `{raw}` in the calendar");
            let value = LiteralValue::Date(last.unwrap_or(Date::constant(2000, 1, 1)));
            (value, Some(fault(codes::BAD_DATE, message, instead)))
        }
    }
}

fn fault(code: Code, message: impl Into<String>, instead: Option<String>) -> Fault {
    Fault { code, message: message.into(), instead }
}

fn too_large(limit: &str) -> Fault {
    fault(codes::TOO_LARGE_NUMBER, format!("this number is too large; the most is {limit}"), None)
}

/// Splits a unit off; the factor is 1 where there is none.
fn suffix<'a>(raw: &'a str, units: &[(&str, u128)]) -> (&'a str, u128) {
    units
        .iter()
        .filter_map(|(unit, factor)| raw.strip_suffix(unit).map(|digits| (digits, *factor)))
        .find(|(digits, _)| digits.ends_with(|c: char| c.is_ascii_digit() || c == '_'))
        .unwrap_or((raw, 1))
}

fn without_underscores(raw: &str) -> String {
    raw.chars().filter(|c| *c != '_').collect()
}

/// `None` where it has more digits than anything we count could have.
fn decimal(raw: &str) -> Option<Decimal> {
    let plain = without_underscores(raw);
    let (whole, part) = plain.split_once('.').unwrap_or((&plain, ""));
    let (whole, part) = (whole.trim_start_matches('0'), part.trim_end_matches('0'));
    // 20 digits before the point are past every limit; 18 after it are finer than every unit, and
    // one more digit is enough to say "finer".
    if whole.len() > 20 {
        return None;
    }
    let part = match part.len() > 15 {
        true => format!("{}1", &part[..15]),
        false => part.to_owned(),
    };
    let digits = format!("0{whole}{part}").parse().ok()?;
    Some(Decimal { digits, scale: part.len() as u32 })
}

/// A number in a smaller unit.
enum Scaled {
    Exact(u128),
    /// Between this and the next.
    Between(u128),
    TooLarge,
}

fn scaled(decimal: &Decimal, factor: u128) -> Scaled {
    let Some(product) = decimal.digits.checked_mul(factor) else { return Scaled::TooLarge };
    let divisor = 10u128.pow(decimal.scale);
    match product % divisor {
        0 => Scaled::Exact(product / divisor),
        _ => Scaled::Between(product / divisor),
    }
}
