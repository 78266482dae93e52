//! Numbers without their unit, with a strange one, or written another way.

use crate::policy::codes;
use crate::policy::diagnostic::Diagnostic;

use super::super::grammar::Rule;
use super::super::scan::Kind;
use super::super::words::error_class_of_status;
use super::Scene;

/// Units as people write them, and as the language does.
const UNITS: &[(&str, &str)] = &[
    ("sec", "s"),
    ("secs", "s"),
    ("second", "s"),
    ("seconds", "s"),
    ("S", "s"),
    ("mins", "min"),
    ("minute", "min"),
    ("minutes", "min"),
    ("hr", "h"),
    ("hrs", "h"),
    ("hour", "h"),
    ("hours", "h"),
    ("H", "h"),
    ("day", "d"),
    ("days", "d"),
    ("week", "w"),
    ("weeks", "w"),
    ("msec", "ms"),
    ("msecs", "ms"),
    ("millis", "ms"),
    ("milliseconds", "ms"),
    ("micros", "us"),
    ("K", "k"),
    ("ki", "Ki"),
    ("KI", "Ki"),
    ("mi", "Mi"),
    ("kb", "KB"),
    ("kB", "KB"),
    ("Kb", "KB"),
    ("mb", "MB"),
    ("Mb", "MB"),
    ("gb", "GB"),
    ("kib", "KiB"),
    ("mib", "MiB"),
    ("gib", "GiB"),
    ("tok", " tokens"),
    ("tokens", " tokens"),
    ("percent", "%"),
    ("pct", "%"),
];
const SHORT_UNITS: &[&str] =
    &["us", "ms", "s", "min", "h", "d", "w", "k", "M", "Ki", "Mi", "KB", "MB", "KiB", "MiB", "%"];

/// The number at the stop (or the one that the stop is in the middle of), cut into digits and unit.
fn amount<'t>(scene: &Scene<'_, 't>) -> Option<(&'t str, &'t str)> {
    (scene.kind(scene.at) == Some(Kind::Amount)).then(|| split(scene.text(scene.at)))
}

fn split(text: &str) -> (&str, &str) {
    let number = |c: char| c.is_ascii_digit() || matches!(c, '.' | '_' | '$');
    text.split_at(text.find(|c| !number(c)).unwrap_or(text.len()))
}

/// `5m`
pub fn ambiguous_minutes(scene: &Scene<'_, '_>) -> Option<Diagnostic> {
    let (digits, unit) = amount(scene)?;
    if unit != "m" || digits.contains('$') {
        return None;
    }
    let here = scene.here();
    let mut error = Diagnostic::error(
        codes::AMBIGUOUS_MINUTES,
        here,
        format!("`{digits}m` could be minutes or millions"),
        "say which",
    );
    for (title, unit) in [("minutes", "min"), ("millions", "M")] {
        let fixed = format!("{digits}{unit}");
        // Where only one of them can stand, the other is no way out.
        if scene.stop_with(here, &fixed).is_none_or(|left| left < scene.left()) {
            error = error.fix(title, here, fixed);
        }
    }
    Some(error)
}

/// `15 s`
pub fn space_before_unit(scene: &Scene<'_, '_>) -> Option<Diagnostic> {
    // The number may have been read as one, or refused for want of its unit.
    let number = match scene.kind(scene.at)? {
        Kind::Amount => scene.at,
        _ => scene.before()?,
    };
    if scene.kind(number) != Some(Kind::Amount) || !split(scene.text(number)).1.is_empty() {
        return None;
    }
    let unit = scene.text(number + 1);
    let known = SHORT_UNITS.contains(&unit).then_some(unit);
    let meant = known.or_else(|| {
        let long = UNITS.iter().find(|(written, _)| *written == unit && *written != "tokens")?;
        Some(long.1)
    })?;
    let place = scene.span(number).to(scene.span(number + 1));
    let fixed = format!("{}{meant}", scene.text(number));
    if scene.stop_with(place, &fixed).is_some_and(|left| left >= scene.left()) {
        return None;
    }
    Some(
        Diagnostic::error(
            codes::SPACE_IN_NUMBER,
            place,
            "a number and its unit are written together",
            "one space too many",
        )
        .fix("join them", place, fixed),
    )
}

/// `30sec`, `8K`, `$3/token`
pub fn wrong_unit(scene: &Scene<'_, '_>) -> Option<Diagnostic> {
    let (digits, unit) = amount(scene)?;
    let here = scene.here();
    let letters = unit.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    if !letters {
        return None;
    }
    if let Some(per) = unit.strip_prefix('/').filter(|_| digits.starts_with('$')) {
        if ["Mtok", "ktok", "image", "request", "minute"].contains(&per) {
            return None;
        }
        let mut error = Diagnostic::error(
            codes::UNKNOWN_UNIT,
            here,
            format!("there is no price per `{per}`"),
            "not a unit of prices",
        )
        .note("prices are per Mtok, ktok, image, request or minute");
        let million = ["mtok", "MTok", "M", "Mtokens", "1M", "mtokens", "MTOK", "million"];
        if million.contains(&per) {
            error = error.fix("per million tokens", here, format!("{digits}/Mtok"));
        }
        return Some(error);
    }
    if let Some((_, meant)) = UNITS.iter().find(|(written, _)| *written == unit) {
        return Some(
            Diagnostic::error(
                codes::UNKNOWN_UNIT,
                here,
                format!("`{unit}` is written `{}`", meant.trim()),
                "not a unit",
            )
            .fix(format!("write `{digits}{meant}`"), here, format!("{digits}{meant}")),
        );
    }
    let known = SHORT_UNITS.contains(&unit) || unit.contains(['-', ':', '/', '.']);
    (!known).then(|| {
        Diagnostic::error(
            codes::UNKNOWN_UNIT,
            here,
            format!("there is no unit `{unit}`"),
            "not a number with a unit",
        )
        .note("durations: us, ms, s, min, h, d, w; counts: k, M, Ki, Mi; sizes: KB, MB, KiB, MiB")
    })
}

/// `5$`, `5 €`
pub fn currency_behind(scene: &Scene<'_, '_>) -> Option<Diagnostic> {
    let number = match scene.kind(scene.at)? {
        Kind::Amount => scene.at,
        _ => scene.before()?,
    };
    let (digits, suffix) = split(scene.text(number));
    let currency = scene.text(number + 1);
    if scene.kind(number) != Some(Kind::Amount)
        || !suffix.is_empty()
        || !matches!(currency, "$" | "€" | "£" | "USD" | "EUR" | "dollars" | "usd" | "cents")
    {
        return None;
    }
    let place = scene.span(number).to(scene.span(number + 1));
    let error = Diagnostic::error(
        codes::MISSING_UNIT,
        place,
        "money is in US dollars, with the sign in front",
        "not an amount of money",
    );
    Some(match currency {
        "$" | "USD" | "usd" | "dollars" => error.fix("write it so", place, format!("${digits}")),
        _ => error,
    })
}

/// `9:00`, `2026-9-1`
pub fn short_clock_or_date(scene: &Scene<'_, '_>) -> Option<Diagnostic> {
    let number = match scene.kind(scene.at)? {
        Kind::Amount => scene.at,
        _ => return None,
    };
    let text = scene.text(number);
    let here = scene.here();
    let pads = |separator: char, widths: &[usize]| {
        let parts: Vec<&str> = text.split(separator).collect();
        let fits = parts.len() == widths.len()
            && parts.iter().zip(widths).all(|(part, width)| {
                !part.is_empty() && part.len() <= *width && part.bytes().all(|b| b.is_ascii_digit())
            });
        fits.then(|| {
            let padded = parts.iter().zip(widths).map(|(p, w)| format!("{p:0>w$}", w = *w));
            padded.collect::<Vec<_>>().join(&separator.to_string())
        })
    };
    let (code, what, meant) = match (pads(':', &[2, 2]), pads('-', &[4, 2, 2])) {
        (Some(clock), _) => (codes::BAD_CLOCK, "a time of day is written `HH:MM`", clock),
        (_, Some(date)) => (codes::BAD_DATE, "a date is written `YYYY-MM-DD`", date),
        _ => return None,
    };
    (meant != text).then(|| {
        Diagnostic::error(code, here, what, "digits are missing").fix(
            format!("write `{meant}`"),
            here,
            meant,
        )
    })
}

/// `retry 2 on 429`
pub fn status_code(scene: &Scene<'_, '_>) -> Option<Diagnostic> {
    let recovers = matches!(scene.keyword(), "retry" | "fallback");
    let listed = matches!(scene.before().map(|i| scene.text(i)), Some("on" | ","));
    let status: u16 = scene.text(scene.at).parse().ok()?;
    let class = error_class_of_status(status).filter(|_| recovers && listed)?;
    let here = scene.here();
    Some(
        Diagnostic::error(
            codes::UNKNOWN_ERROR_CLASS,
            here,
            format!("`{status}` is a status; errors are named by their class"),
            format!("`{class}` is meant"),
        )
        .fix(format!("use `{class}`"), here, class),
    )
}

/// `95 -> cheap`, `timeout total 30`, `cap 0.05 per request`
pub fn missing_unit(scene: &Scene<'_, '_>) -> Option<Diagnostic> {
    let (digits, unit) = amount(scene)?;
    let here = scene.here();
    if unit.starts_with('/') && digits.starts_with('$') && scene.wants_rule(&[Rule::dollars]) {
        return Some(
            Diagnostic::error(
                codes::UNKNOWN_UNIT,
                here,
                "a price is not an amount of money",
                "this is a price per something",
            )
            .fix(format!("write `{digits}`"), here, digits),
        );
    }
    if !unit.is_empty() {
        return None;
    }
    let error =
        |message: &str, label: &str| Diagnostic::error(codes::MISSING_UNIT, here, message, label);
    let money = digits.starts_with('$');
    if !money && scene.wants_rule(&[Rule::percent, Rule::share, Rule::arm]) {
        let fixed = format!("{digits}%");
        return Some(error("a share needs a `%`", "this is a bare number").fix(
            format!("write `{fixed}`"),
            here,
            fixed,
        ));
    }
    if !money && scene.wants_rule(&[Rule::duration]) {
        let (seconds, millis) = (format!("{digits}s"), format!("{digits}ms"));
        return Some(
            error("a duration needs a unit", "seconds? milliseconds?")
                .fix("seconds", here, seconds)
                .fix("milliseconds", here, millis),
        );
    }
    if !money && scene.wants_rule(&[Rule::dollars, Rule::money]) {
        let fixed = format!("${digits}");
        return Some(error("an amount of money starts with `$`", "this is a bare number").fix(
            format!("write `{fixed}`"),
            here,
            fixed,
        ));
    }
    if !money && scene.wants_rule(&[Rule::rate, Rule::concurrent]) {
        return Some(
            error("a limit needs a rate or `concurrent`", "how many of what?")
                .fix("per minute", here, format!("{digits}/min"))
                .fix("at the same time", here, format!("{digits} concurrent")),
        );
    }
    None
}
