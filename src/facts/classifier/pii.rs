//! Personal data and secrets, by their form; numbers that carry a check digit are checked.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use regex::Regex;

/// What is told apart.
pub(super) const KINDS: &[&str] = &["secret", "email", "iban", "card", "ssn", "phone", "ip"];

/// A pattern of this file.
fn pattern(text: &str) -> Option<Regex> {
    // The tests look for something of each kind, so none of the patterns is wrong.
    Regex::new(&super::plain(text)).ok()
}

macro_rules! patterns {
    ($($name:ident = $text:expr;)*) => {
        $(static $name: LazyLock<Option<Regex>> = LazyLock::new(|| pattern($text));)*
    };
}

patterns! {
    SECRET = concat!(
        r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----",
        r"|\bsk-[A-Za-z0-9_-]{20,}",
        r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
        r"|\bgh[pousr]_[A-Za-z0-9]{36}",
        r"|\bglpat-[A-Za-z0-9_-]{20}",
        r"|\bxox[abprs]-[A-Za-z0-9-]{10,}",
        r"|\bAIza[0-9A-Za-z_-]{35}",
        r"|\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
    );
    ASSIGNED = r#"(?i)(?:\b|_)(?:password|passwd|pwd|api[_-]?key|secret[_-]?key|access[_-]?token|passwort)\b["']?\s{0,3}(?::|=|\bis\b|\bist\b)\s{0,3}["']?([^\s"',;]{8,80})"#;
    EMAIL = r"\b[A-Za-z0-9][A-Za-z0-9._%+-]{0,63}@((?:[A-Za-z0-9-]{1,63}\.){1,4}[A-Za-z]{2,18})\b";
    IBAN = r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b";
    CARD = r"\b[3-6][0-9]{3}(?:[ -]?[0-9]){9,15}\b";
    SSN = r"\b([0-9]{3})-([0-9]{2})-([0-9]{4})\b";
    PHONE = concat!(
        r"\+[1-9][0-9]{0,2}[ ./()-]{0,2}[0-9]{1,4}(?:[ ./()-]{0,2}[0-9]{2,8}){1,4}\b",
        r"|\([2-9][0-9]{2}\) ?[0-9]{3}[-. ][0-9]{4}\b",
        r"|\b[2-9][0-9]{2}([-.])[0-9]{3}[-.][0-9]{4}\b",
        r"|\b0[1-9][0-9]{1,4} ?[/-] ?[0-9]{3,4} ?[0-9]{2,5}\b",
    );
    IP = r"\b[0-9]{1,3}(?:\.[0-9]{1,3}){3}\b|\b[0-9a-fA-F]{1,4}:(?:[0-9a-fA-F]{0,4}:){2,6}[0-9a-fA-F]{1,4}\b";
}

/// The first kind of [`KINDS`] of which there is something.
pub(super) fn find(text: &str) -> Option<&'static str> {
    let any = |pattern: &LazyLock<Option<Regex>>, real: &dyn Fn(&str) -> bool| {
        pattern.as_ref().is_some_and(|it| it.find_iter(text).any(|found| real(found.as_str())))
    };
    // The many texts without a digit or a sign of these are done quickly.
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    if any(&SECRET, &|_| true) || assigned(text) {
        Some("secret")
    } else if text.contains('@') && any(&EMAIL, &real_address) {
        Some("email")
    } else if digits < 4 {
        None
    } else if any(&IBAN, &iban) {
        Some("iban")
    } else if any(&CARD, &card) {
        Some("card")
    } else if any(&SSN, &social_security) {
        Some("ssn")
    } else if any(&PHONE, &phone) {
        Some("phone")
    } else if any(&IP, &public_address) {
        Some("ip")
    } else {
        None
    }
}

/// `password = hunter2hunter2`, and not `password = os.environ[..]`.
fn assigned(text: &str) -> bool {
    let Some(pattern) = ASSIGNED.as_ref() else { return false };
    pattern.captures_iter(text).any(|found| {
        let value = found.get(1).map_or("", |value| value.as_str());
        let lower = value.to_ascii_lowercase();
        let stand_in =
            ["your", "xxx", "***", "...", "<", "$", "{", "(", "example", "changeme", "env"];
        let mixed = value.bytes().any(|b| b.is_ascii_digit())
            && value.bytes().any(|b| b.is_ascii_alphabetic());
        mixed && !stand_in.iter().any(|word| lower.contains(word))
    })
}

/// Not one of the names that are set aside for examples.
fn real_address(address: &str) -> bool {
    let domain = address.rsplit('@').next().unwrap_or_default().to_ascii_lowercase();
    let reserved = ["example.com", "example.org", "example.net"];
    let reserved_end = [".example", ".test", ".invalid", ".localhost", ".png", ".jpg", ".svg"];
    !reserved.iter().any(|name| domain == *name || domain.ends_with(&format!(".{name}")))
        && !reserved_end.iter().any(|end| domain.ends_with(end))
}

/// ISO 7064: as a number in base 36, read from its fifth sign on, one more than a multiple of 97.
fn iban(text: &str) -> bool {
    let signs: Vec<u8> = text.bytes().filter(|byte| *byte != b' ').collect();
    if !(15..=34).contains(&signs.len()) {
        return false;
    }
    let rest = signs[4..].iter().chain(&signs[..4]).fold(0_u32, |rest, sign| match sign {
        b'0'..=b'9' => (rest * 10 + u32::from(sign - b'0')) % 97,
        sign => (rest * 100 + u32::from(sign.to_ascii_uppercase()).saturating_sub(55)) % 97,
    });
    rest == 1
}

/// Luhn.
fn card(text: &str) -> bool {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(10)).collect();
    if !(13..=19).contains(&digits.len()) || digits.iter().all(|digit| *digit == digits[0]) {
        return false;
    }
    let sum: u32 = (digits.iter().rev().enumerate())
        .map(|(at, digit)| match (at % 2, digit * 2) {
            (0, _) => *digit,
            (_, double) if double > 9 => double - 9,
            (_, double) => double,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Areas and serials that were never given out are no numbers of people.
fn social_security(text: &str) -> bool {
    let (area, group, serial) = (&text[..3], &text[4..6], &text[7..]);
    area != "000" && area != "666" && !area.starts_with('9') && group != "00" && serial != "0000"
}

fn phone(text: &str) -> bool {
    (8..=15).contains(&text.bytes().filter(u8::is_ascii_digit).count())
}

/// An address that names somebody's machine in the world, and no version number.
fn public_address(text: &str) -> bool {
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        let [a, b, c, d] = address.octets();
        let reserved = address.is_private()
            || address.is_loopback()
            || address.is_unspecified()
            || address.is_link_local()
            || address.is_broadcast()
            || address.is_documentation()
            || a >= 224;
        // `1.2.3.4` and `10.0.0.1` are examples and versions.
        return !reserved && [a, b, c, d].iter().filter(|octet| **octet > 9).count() >= 2;
    }
    text.parse::<Ipv6Addr>().is_ok_and(|address| {
        let first = address.segments()[0];
        first & 0xe000 == 0x2000 && address.segments()[..2] != [0x2001, 0x0db8]
    })
}
