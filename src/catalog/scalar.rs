//! Money and days as people write them. Money is read digit by digit: no float touches a price.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::units::NanoDollars;

/// Dollars, read exactly from decimal text such as `0.0375`, and kept as nano-dollars.
///
/// A YAML number may be plain or quoted; `1e-3`, signs, and more than nine decimals are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dollars(pub NanoDollars);

impl Dollars {
    /// Reads plain decimal text.
    pub fn parse(text: &str) -> Result<Dollars, String> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) || text.ends_with('.') {
            return Err(format!("`{text}` is not an amount of dollars: write it like 0.25"));
        }
        if fraction.len() > 9 {
            return Err(format!(
                "`{text}` has more than nine decimals: prices are kept to a billionth of a dollar"
            ));
        }
        format!("{whole}{fraction:0<9}")
            .parse()
            .map(|nano| Dollars(NanoDollars(nano)))
            .map_err(|_| format!("`{text}` is too many dollars"))
    }
}

impl<'de> Deserialize<'de> for Dollars {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Dollars;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an amount of dollars such as 0.25")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Dollars, E> {
                Dollars::parse(text).map_err(E::custom)
            }
            fn visit_u64<E: de::Error>(self, whole: u64) -> Result<Dollars, E> {
                self.visit_str(&whole.to_string())
            }
            // The shortest number that reads back the same is what was written, up to 15 digits.
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Dollars, E> {
                self.visit_str(&number.to_string())
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

impl Serialize for Dollars {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A day, such as `2026-11-22`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub jiff::civil::Date);

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Day).map_err(|_| {
            de::Error::custom(format!("`{text}` is not a day: write it like 2026-11-22"))
        })
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn prices_are_read_to_the_last_digit() {
        for (text, nano) in [
            ("0.0375", 37_500_000),
            ("3", 3_000_000_000),
            ("0.1", 100_000_000),
            ("0.000000001", 1),
            ("000.30", 300_000_000),
        ] {
            assert_eq!(Dollars::parse(text), Ok(Dollars(NanoDollars(nano))), "{text}");
            assert_eq!(serde_yaml::from_str::<Dollars>(text).unwrap().0, NanoDollars(nano));
        }
    }

    #[test]
    fn what_is_not_a_price_is_refused() {
        for text in ["", ".", "1.", ".5", "-1", "+1", "1e-3", "1_000", "0.0000000001", "NaN", "$1"]
        {
            assert!(Dollars::parse(text).is_err(), "{text}");
        }
        assert!(Dollars::parse("99999999999999999999").unwrap_err().contains("too many"));
    }

    #[test]
    fn days_are_days_of_the_calendar() {
        let day = |text| serde_yaml::from_str::<Day>(text);
        assert_eq!(day("2026-11-22").unwrap(), Day(jiff::civil::date(2026, 11, 22)));
        for text in ["2026-02-30", "22.11.2026", "soon", "2026"] {
            assert!(day(text).unwrap_err().to_string().contains("is not a day"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_amount_survives_text(nano: u64) {
            let amount = Dollars(NanoDollars(nano));
            prop_assert_eq!(Dollars::parse(&amount.0.to_string()), Ok(amount));
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = Dollars::parse(&text);
        }
    }
}
