//! Values as a policy would write them, with their units.

use super::schema::Type;
use super::syntax::tree::PriceUnit;
use super::value::{Value, key_float};
use crate::units::{BasisPoints, NanoDollars, PricePerMillion};

/// A value: `1_200`, `$0.1`, `2s`, `chat`, `"acme"`, `["a", "b"]`, `absent`.
pub fn written(value: Value<'_>, ty: &Type) -> String {
    match (value, ty) {
        (Value::Absent, _) => "absent".to_owned(),
        (Value::Bool(truth), _) => truth.to_string(),
        (Value::Float(float), _) => float.to_string(),
        (Value::Int(second), Type::Time) => jiff::Timestamp::from_second(second)
            .map_or_else(|_| second.to_string(), |instant| instant.to_string()),
        (Value::Int(count), Type::Date) => {
            let epoch = jiff::civil::Date::constant(1970, 1, 1);
            let days = jiff::Span::new().try_days(count).ok();
            let date = days.and_then(|days| epoch.checked_add(days).ok());
            date.map_or_else(|| count.to_string(), |date| date.to_string())
        }
        (Value::Int(count), Type::Price(unit)) => {
            let count = u64::try_from(count).unwrap_or(0);
            match unit {
                PriceUnit::Mtok => PricePerMillion(count).to_string(),
                PriceUnit::Image => format!("${}/image", NanoDollars(count)),
                PriceUnit::Request => format!("${}/request", NanoDollars(count)),
                PriceUnit::Minute => format!("${}/minute", NanoDollars(count)),
            }
        }
        (Value::Int(count), ty) => spelt(ty, count),
        (Value::Str(word), Type::Enum(_)) => word.to_owned(),
        (Value::Str(text), _) => format!("{text:?}"),
        (Value::Set(set), _) => {
            let elements: Vec<String> = set.iter().map(|one| format!("{one:?}")).collect();
            format!("[{}]", elements.join(", "))
        }
    }
}

/// The value that an order key stands for: `1_200`, `$0.1`, `2s`.
pub fn spelt(ty: &Type, key: i64) -> String {
    let count = u64::try_from(key).unwrap_or(0);
    match ty {
        Type::Money => format!("${}", NanoDollars(count)),
        Type::Percent => BasisPoints(u32::try_from(key).unwrap_or(u32::MAX)).to_string(),
        Type::Float(_) => key_float(key).to_string(),
        Type::Duration => {
            let units = [("d", 86_400_000_000_000), ("h", 3_600_000_000_000)];
            let units = units.into_iter().chain([("min", 60_000_000_000), ("s", 1_000_000_000)]);
            let units = units.chain([("ms", 1_000_000), ("us", 1_000)]);
            let mut units = units.filter(|(_, nanos)| key != 0 && key % nanos == 0);
            match units.next() {
                Some((unit, nanos)) => format!("{}{unit}", key / nanos),
                None if key == 0 => "0s".to_owned(),
                None => format!("{}us", key as f64 / 1_000.0),
            }
        }
        _ => grouped(key.into(), '_'),
    }
}

/// A number with a mark between its thousands: `128_001`, `128 001`.
pub fn grouped(number: i128, mark: char) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::from(if number < 0 { "-" } else { "" });
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(mark);
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_in_policies() {
        for (int, ty, expected) in [
            (1_200, Type::Tokens, "1_200"),
            (-1_234_567, Type::Int, "-1_234_567"),
            (100, Type::Int, "100"),
            (100_000_000, Type::Money, "$0.1"),
            (1_500_000_000, Type::Duration, "1500ms"),
            (90_000_000_000, Type::Duration, "90s"),
            (120_000_000_000, Type::Duration, "2min"),
            (9_600, Type::Percent, "96%"),
            (20_460, Type::Date, "2026-01-07"),
        ] {
            assert_eq!(written(Value::Int(int), &ty), expected);
        }
        assert_eq!(written(Value::Str("acme"), &Type::String), "\"acme\"");
        assert_eq!(written(Value::Absent, &Type::String), "absent");
    }
}
