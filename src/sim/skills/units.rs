//! Conversions between units.

use super::{Question, Solution};

struct Unit {
    symbol: &'static str,
    names: &'static [&'static str],
    kind: &'static str,
    /// How many of the kind's base units one of these is, and where its zero lies.
    factor: f64,
    zero: f64,
}

const fn unit(
    kind: &'static str,
    symbol: &'static str,
    factor: f64,
    names: &'static [&'static str],
) -> Unit {
    Unit { symbol, names, kind, factor, zero: 0.0 }
}

/// Factors are exact by definition (international yard and pound, 1959; SI), except where a unit
/// is a convention.
const UNITS: &[Unit] = &[
    unit("length", "mm", 0.001, &["millimeter", "millimetre"]),
    unit("length", "cm", 0.01, &["centimeter", "centimetre"]),
    unit("length", "m", 1.0, &["meter", "metre"]),
    unit("length", "km", 1000.0, &["kilometer", "kilometre", "kms"]),
    unit("length", "in", 0.0254, &["inch", "inche"]),
    unit("length", "ft", 0.3048, &["foot", "feet"]),
    unit("length", "yd", 0.9144, &["yard"]),
    unit("length", "mi", 1609.344, &["mile"]),
    unit("mass", "mg", 1e-6, &["milligram"]),
    unit("mass", "g", 0.001, &["gram", "gramme"]),
    unit("mass", "kg", 1.0, &["kilogram", "kilo"]),
    unit("mass", "oz", 0.028_349_523_125, &["ounce"]),
    unit("mass", "lb", 0.453_592_37, &["pound", "lbs"]),
    unit("mass", "t", 1000.0, &["tonne"]),
    unit("volume", "ml", 0.001, &["milliliter", "millilitre"]),
    unit("volume", "l", 1.0, &["liter", "litre"]),
    unit("volume", "gal", 3.785_411_784, &["gallon"]),
    unit("volume", "pt", 0.473_176_473, &["pint"]),
    unit("time", "s", 1.0, &["second", "sec"]),
    unit("time", "min", 60.0, &["minute"]),
    unit("time", "h", 3600.0, &["hour", "hr"]),
    unit("time", "d", 86_400.0, &["day"]),
    unit("time", "wk", 604_800.0, &["week"]),
    unit("speed", "km/h", 1.0 / 3.6, &["kmh", "kph"]),
    unit("speed", "mph", 0.447_04, &[]),
    unit("data", "KB", 1e3, &["kilobyte", "kb"]),
    unit("data", "MB", 1e6, &["megabyte", "mb"]),
    unit("data", "GB", 1e9, &["gigabyte", "gb"]),
    unit("data", "TB", 1e12, &["terabyte", "tb"]),
    Unit {
        symbol: "°C", names: &["celsius", "c"], kind: "temperature", factor: 1.0, zero: 273.15
    },
    Unit {
        symbol: "°F",
        names: &["fahrenheit", "f"],
        kind: "temperature",
        factor: 5.0 / 9.0,
        zero: 255.372_222_222_222_2,
    },
    unit("temperature", "K", 1.0, &["kelvin"]),
];

fn find(word: &str) -> Option<&'static Unit> {
    let word = word.trim_start_matches('°');
    let lower = word.to_lowercase();
    let singular = lower.strip_suffix('s').filter(|stem| stem.len() > 2).unwrap_or(&lower);
    UNITS.iter().find(|u| u.symbol == word || u.names.iter().any(|&n| n == lower || n == singular))
}

/// `convert 5 km to miles`, `how many feet are in 3 meters?`, `100 F in C`.
pub(super) fn convert(question: &mut Question<'_>) -> Option<Solution> {
    if !question.says(&["convert", "how many", "how much", " to ", " in "]) {
        return None;
    }
    let mut amount: Option<f64> = None;
    let mut from = None;
    let mut to = None;
    let mut before = "";
    // Units in prose are too many; a conversion is asked for in one short sentence.
    if question.text.len() > 300 {
        return None;
    }
    for word in question.text.split(|c: char| c.is_whitespace() || "?!,;:".contains(c)) {
        let word = word.trim_end_matches('.');
        let split = word
            .find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-'))
            .unwrap_or(word.len());
        let (digits, name) = word.split_at(split);
        let number = digits.parse::<f64>().ok();
        let counted = number.is_some() || before.parse::<f64>().is_ok();
        match find(if number.is_some() { name } else { word }) {
            // "in" is an inch only behind a number.
            Some(unit) if word != "in" || counted => {
                let one = matches!(before, "a" | "an" | "one");
                if (counted || one) && from.is_none() {
                    from = Some(unit);
                    amount = Some(number.or_else(|| before.parse().ok()).unwrap_or(1.0));
                } else if to.is_none() {
                    to = Some(unit);
                }
            }
            _ => {}
        }
        before = word;
    }
    let (from, to, amount) = (from?, to?, amount?);
    if from.kind != to.kind || std::ptr::eq(from, to) {
        return None;
    }
    let result = (amount * from.factor + from.zero - to.zero) / to.factor;
    let upside_down = amount * to.factor / from.factor + 1.0;
    let told = |number: f64| {
        format!("{} {} = {} {}", plain(amount), from.symbol, plain(number), to.symbol)
    };
    Some(Solution { right: told(result), wrong: told(upside_down) })
}

/// At most four places, no trailing zeros.
fn plain(number: f64) -> String {
    let text = format!("{number:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use crate::sim::skills::{Question, solve};

    #[test]
    fn conversions() {
        for (text, expected) in [
            ("Convert 5 km to miles", "5 km = 3.1069 mi"),
            ("What is 100 fahrenheit in celsius?", "100 °F = 37.7778 °C"),
            ("convert 20°C to °F", "20 °C = 68 °F"),
            ("How many seconds are in a day?", "1 d = 86400 s"),
            ("how many minutes in 2.5 hours", "2.5 h = 150 min"),
            ("Convert 10kg to pounds.", "10 kg = 22.0462 lb"),
        ] {
            assert_eq!(solve(Question::new(text, &[], 1)).right, expected, "{text}");
        }
    }
}
