//! Units of measure as types: money, prices, tokens, shares.
//!
//! Nothing here is a float. A request costs whole nano-dollars, a price is nano-dollars per million
//! units, a share is basis points; so sums are exact and two machines agree to the last digit.

use std::fmt;
use std::ops::{Add, AddAssign};

use serde::{Deserialize, Serialize};

/// A count of tokens.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Tokens(pub u64);

impl Add for Tokens {
    type Output = Tokens;
    fn add(self, other: Tokens) -> Tokens {
        Tokens(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Tokens {
    fn add_assign(&mut self, other: Tokens) {
        *self = *self + other;
    }
}

impl fmt::Display for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An amount of money in units of 10⁻⁹ US dollar.
///
/// The largest amount is about 18 billion dollars; sums saturate there instead of wrapping.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct NanoDollars(pub u64);

impl NanoDollars {
    /// No money.
    pub const ZERO: NanoDollars = NanoDollars(0);

    /// Whole dollars.
    pub const fn from_dollars(dollars: u64) -> NanoDollars {
        NanoDollars(dollars * 1_000_000_000)
    }

    /// The difference, never below zero.
    pub fn saturating_sub(self, other: NanoDollars) -> NanoDollars {
        NanoDollars(self.0.saturating_sub(other.0))
    }
}

impl Add for NanoDollars {
    type Output = NanoDollars;
    fn add(self, other: NanoDollars) -> NanoDollars {
        NanoDollars(self.0.saturating_add(other.0))
    }
}

impl AddAssign for NanoDollars {
    fn add_assign(&mut self, other: NanoDollars) {
        *self = *self + other;
    }
}

impl std::iter::Sum for NanoDollars {
    fn sum<I: Iterator<Item = NanoDollars>>(iter: I) -> NanoDollars {
        iter.fold(NanoDollars::ZERO, Add::add)
    }
}

/// Plain decimal dollars without a sign or trailing zeros: `0.00104`, `12`.
impl fmt::Display for NanoDollars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, nano) = (self.0 / 1_000_000_000, self.0 % 1_000_000_000);
        if nano == 0 {
            return write!(f, "{whole}");
        }
        let digits = format!("{nano:09}");
        write!(f, "{whole}.{}", digits.trim_end_matches('0'))
    }
}

/// A price: nano-dollars per million units (tokens, unless said otherwise).
///
/// Per million, so that `$0.0375/Mtok` (37.5 nano-dollars a token) stays a whole number.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct PricePerMillion(pub u64);

impl PricePerMillion {
    /// What `count` units cost, in 10⁻¹⁵ dollar, so that a sum over several classes is rounded once.
    pub fn femto_dollars(self, count: Tokens) -> u128 {
        u128::from(self.0) * u128::from(count.0)
    }

    /// What `count` units cost, rounded up to the next nano-dollar.
    pub fn cost(self, count: Tokens) -> NanoDollars {
        round_up(self.femto_dollars(count))
    }
}

/// Femto-dollars to nano-dollars, rounded up: we never charge less than we owe.
pub fn round_up(femto_dollars: u128) -> NanoDollars {
    NanoDollars(u64::try_from(femto_dollars.div_ceil(1_000_000)).unwrap_or(u64::MAX))
}

impl fmt::Display for PricePerMillion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${}/Mtok", NanoDollars(self.0))
    }
}

/// A share in hundredths of a percent: 10 000 is the whole.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct BasisPoints(pub u32);

impl BasisPoints {
    /// One hundred percent.
    pub const WHOLE: BasisPoints = BasisPoints(10_000);
}

impl fmt::Display for BasisPoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / 100, self.0 % 100);
        match part {
            0 => write!(f, "{whole}%"),
            p if p % 10 == 0 => write!(f, "{whole}.{}%", p / 10),
            p => write!(f, "{whole}.{p:02}%"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_prints_as_plain_dollars() {
        assert_eq!(NanoDollars(1_040_000).to_string(), "0.00104");
        assert_eq!(NanoDollars::from_dollars(12).to_string(), "12");
        assert_eq!(NanoDollars(1).to_string(), "0.000000001");
    }

    #[test]
    fn a_price_below_a_nano_dollar_per_token_is_exact() {
        let price = PricePerMillion(37_500_000); // $0.0375/Mtok
        assert_eq!(price.cost(Tokens(2)), NanoDollars(75));
        assert_eq!(price.cost(Tokens(1)), NanoDollars(38));
        assert_eq!(price.to_string(), "$0.0375/Mtok");
    }

    #[test]
    fn shares_print_as_percent() {
        assert_eq!(BasisPoints(500).to_string(), "5%");
        assert_eq!(BasisPoints(50).to_string(), "0.5%");
        assert_eq!(BasisPoints(3_333).to_string(), "33.33%");
    }
}
