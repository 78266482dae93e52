//! Values that stand for all values: at least one for every combination of classes that occurs.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

use super::axes::{Sample, reading};
use super::texts::{other_than, representatives};
use crate::policy::cond::{Glob, Op, Operand, Reading};
use crate::policy::plain::plain;
use crate::policy::schema::{Attr, AttrRef, Type};
use crate::policy::spelling::spelt;
use crate::policy::table::classes::Dimension;
use crate::policy::value::{OwnedValue, Value, float_key, key_float};

/// For the dimensions of one operand, and of what is read from it. `None` if there are too many.
pub fn of_operand(root: &Operand, dims: &[&Dimension]) -> Option<Vec<Sample>> {
    let mut samples = Vec::new();
    let optional = match root {
        Operand::Attr(attr) => attr.attr.def().optional,
        Operand::Declared(_) => false,
    };
    if optional {
        samples.push(Sample::of(root, OwnedValue::Absent));
    }
    match kind(root) {
        Kind::Fixed => samples.push(Sample::default()),
        Kind::Words(words) => {
            samples.extend(words.iter().map(|word| text(root, word)));
        }
        Kind::Text => samples.extend(texts(root, dims)?.iter().map(|one| text(root, one))),
        Kind::Bool => {
            samples.extend([false, true].map(|truth| Sample::of(root, OwnedValue::Bool(truth))));
        }
        Kind::Number(ty, low, high) => {
            // Of all that read it, and of what is out of bounds for one of them.
            let mut cuts: Vec<i64> =
                dims.iter().filter_map(|dim| dim.cuts()).flatten().copied().collect();
            for dim in dims {
                if let Some(Reading::Number { low, high, .. }) = reading(&dim.operand) {
                    cuts.extend([Some(*low), high.checked_add(1)].into_iter().flatten());
                }
            }
            cuts.sort_unstable();
            cuts.dedup();
            let keys = keys(&cuts, low, high).into_iter();
            samples
                .extend(keys.map(|(low, high)| Sample::of(root, value(&ty, nice(&ty, low, high)))));
        }
    }
    Some(samples)
}

/// For one dimension, whatever else hangs together with it.
pub fn of_dimension(dim: &Dimension) -> Vec<Sample> {
    match dim.test() {
        Some(Op::Has(_)) => of_element(dim),
        Some(Op::During(_)) => of_time(&[dim]),
        _ => match &dim.operand {
            Operand::Attr(attr)
                if matches!(attr.attr, Attr::TimeHour | Attr::TimeWeekday | Attr::TimeDate) =>
            {
                of_time(&[dim])
            }
            operand => of_operand(operand, &[dim]).unwrap_or_default(),
        },
    }
}

/// For one element of a set: without it, and with it.
pub fn of_element(dim: &Dimension) -> Vec<Sample> {
    let Some(Op::Has(element)) = dim.test() else { return vec![Sample::default()] };
    [Default::default(), [element.clone()].into()]
        .map(|set| Sample::of(&dim.operand, OwnedValue::Set(set)))
        .into()
}

enum Kind {
    /// Always the declared value.
    Fixed,
    Words(Vec<String>),
    Text,
    Bool,
    /// A type with its bounds, as order keys.
    Number(Type, i64, i64),
}

fn kind(root: &Operand) -> Kind {
    match root {
        Operand::Attr(attr) => match &attr.attr.def().ty {
            Type::Enum(members) => Kind::Words(members.iter().map(str::to_owned).collect()),
            Type::String => Kind::Text,
            Type::Bool => Kind::Bool,
            ty => {
                let (low, high) = domain(attr.attr, ty);
                Kind::Number(ty.clone(), low, high)
            }
        },
        Operand::Declared(declared) => match (&declared.source, &declared.reading) {
            (None, _) => Kind::Fixed,
            (_, Reading::Bool) => Kind::Bool,
            (_, Reading::Text) => Kind::Text,
            (_, Reading::OneOf(words)) => {
                Kind::Words(words.iter().map(|word| word.to_string()).collect())
            }
            (_, Reading::Number { ty, low, high }) => Kind::Number(ty.clone(), *low, *high),
        },
    }
}

/// Which values an attribute can have, as order keys: counts are not negative.
fn domain(attr: Attr, ty: &Type) -> (i64, i64) {
    let key = |float: f64| float_key(float).unwrap_or(0);
    match ty {
        Type::Float(Some((low, high))) => {
            (key(f64::from(*low) / 100.0), key(f64::from(*high) / 100.0))
        }
        // Logarithms of probabilities are never above zero, everything else never below.
        Type::Float(None) if matches!(attr, Attr::LogprobMean | Attr::LogprobMin) => {
            (key(f64::MIN), key(0.0))
        }
        Type::Float(None) => (key(0.0), key(f64::MAX)),
        Type::Date => (i64::from(i32::MIN), i64::from(i32::MAX)),
        _ => (i64::from(attr == Attr::RequestN), i64::MAX),
    }
}

/// The intervals between cuts, as far as they lie in the domain.
fn keys(cuts: &[i64], low: i64, high: i64) -> Vec<(i64, i64)> {
    let starts = std::iter::once(low).chain(cuts.iter().copied().filter(|cut| *cut > low));
    let starts: Vec<i64> = starts.filter(|start| *start <= high).collect();
    let ends = starts.iter().skip(1).map(|next| next - 1).chain([high]);
    starts.iter().copied().zip(ends).collect()
}

/// A value of an interval that people like to read.
fn nice(ty: &Type, low: i64, high: i64) -> i64 {
    if !matches!(ty, Type::Float(_)) {
        return low;
    }
    let (from, to) = (key_float(low), key_float(high));
    // As few decimals as do.
    (0..=6)
        .filter_map(|decimals| {
            let unit = 10f64.powi(decimals);
            float_key((from * unit).ceil() / unit)
        })
        .find(|key| (low..=high).contains(key) && key_float(*key) <= to)
        .unwrap_or(low)
}

fn value(ty: &Type, key: i64) -> OwnedValue {
    match ty {
        Type::Float(_) => OwnedValue::Float(key_float(key)),
        _ => OwnedValue::Int(key),
    }
}

fn text(root: &Operand, text: &str) -> Sample {
    Sample::of(root, OwnedValue::Str(text.into()))
}

/// Texts for every way in which the dimensions can be matched.
fn texts(root: &Operand, dims: &[&Dimension]) -> Option<Vec<String>> {
    let mut words: Vec<String> = Vec::new();
    let mut globs: Vec<Glob> = Vec::new();
    let mut found: Vec<String> = Vec::new();
    if let Operand::Attr(attr) = root {
        if let Value::Str(plain) = plain(attr.attr) {
            words.push(plain.to_owned());
        }
        if attr.attr == Attr::RequestModel {
            globs.push(Glob::new("auto/*"));
        }
    }
    for dim in dims {
        words.extend(dim.names().into_iter().map(str::to_owned));
        match dim.test() {
            Some(Op::Like(glob)) => globs.push(glob.clone()),
            Some(Op::Matches(regex)) => found.extend(matching(regex)),
            _ => {}
        }
        match reading(&dim.operand) {
            Some(Reading::OneOf(members)) => {
                words.extend(members.iter().map(|member| member.to_string()));
            }
            Some(Reading::Bool) => words.extend(["false".to_owned(), "true".to_owned()]),
            Some(Reading::Number { ty, low, high }) => {
                let cuts = keys(dim.cuts().unwrap_or_default(), *low, *high);
                words.extend(cuts.into_iter().map(|(low, high)| spelt(ty, nice(ty, low, high))));
            }
            Some(Reading::Text) | None => {}
        }
    }
    let mut seen = std::collections::HashSet::new();
    words.retain(|word| seen.insert(word.clone()));
    globs.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    globs.dedup();
    let by_ref: Vec<&str> = words.iter().map(String::as_str).collect();
    let shortest = representatives(&globs.iter().collect::<Vec<_>>(), &by_ref)?;
    // Names people would use come before the shortest that do.
    let mut texts = words.clone();
    texts.push(other_than(&by_ref));
    texts.extend(globs.iter().map(|glob| glob.as_str().replace('*', "any").replace('?', "x")));
    texts.extend(found);
    texts.extend(shortest);
    Some(texts)
}

/// A few texts that a regular expression might match, and the shortest it surely does.
fn matching(regex: &regex::Regex) -> Vec<String> {
    use regex_syntax::hir::{Class, Hir, HirKind};
    fn shortest(hir: &Hir, text: &mut String) {
        match hir.kind() {
            HirKind::Literal(literal) => text.push_str(&String::from_utf8_lossy(&literal.0)),
            HirKind::Class(Class::Unicode(class)) => {
                let mut ranges = class.iter();
                let plain = class.iter().find(|range| range.end().is_ascii_alphanumeric());
                let chosen =
                    plain.map(|range| range.end()).or_else(|| Some(ranges.next()?.start()));
                text.extend(chosen);
            }
            HirKind::Class(Class::Bytes(class)) => {
                text.extend(class.iter().next().map(|range| char::from(range.start())));
            }
            HirKind::Repetition(times) => {
                (0..times.min.min(64)).for_each(|_| shortest(&times.sub, text))
            }
            HirKind::Capture(capture) => shortest(&capture.sub, text),
            HirKind::Concat(all) => all.iter().for_each(|hir| shortest(hir, text)),
            HirKind::Alternation(any) => {
                if let Some(first) = any.first() {
                    shortest(first, text);
                }
            }
            HirKind::Empty | HirKind::Look(_) => {}
        }
    }
    let Ok(hir) = regex_syntax::parse(regex.as_str()) else { return Vec::new() };
    let mut text = String::new();
    shortest(&hir, &mut text);
    [text.clone(), format!("{text}x"), format!("x{text}")]
        .into_iter()
        .filter(|text| regex.is_match(text))
        .collect()
}

/// For sizes: every part of the prompt is at most the prompt, and the total is prompt and answer.
/// `None` if there are more combinations than `most`.
pub fn of_sizes(dims: &[&Dimension], most: usize) -> Option<Vec<Sample>> {
    const WHOLE: i64 = 1 << 40;
    let attr = |dim: &Dimension| match &dim.operand {
        Operand::Attr(attr) => Some(attr.attr),
        Operand::Declared(_) => None,
    };
    // The intervals of each size; the answer's may be absent.
    let intervals = |wanted: Attr| -> Vec<Option<(i64, i64)>> {
        let dims: Vec<_> = dims.iter().filter(|dim| attr(dim) == Some(wanted)).collect();
        let cuts = dims.iter().find_map(|dim| dim.cuts()).unwrap_or_default();
        let found = keys(cuts, 0, WHOLE).into_iter().map(Some);
        match (wanted, dims.is_empty()) {
            (Attr::RequestMaxOutput, true) => vec![None],
            (Attr::RequestMaxOutput, false) => std::iter::once(None).chain(found).collect(),
            _ => found.collect(),
        }
    };
    let parts = [Attr::InputSystemTokens, Attr::InputLastTokens, Attr::InputCachedTokens];
    let mut partials: Vec<Vec<(i64, i64)>> = vec![Vec::new()];
    for part in parts {
        let choices: Vec<(i64, i64)> = intervals(part).into_iter().flatten().collect();
        partials = partials
            .iter()
            .flat_map(|known| {
                choices.iter().map(move |choice| {
                    let mut longer = known.clone();
                    longer.push(*choice);
                    longer
                })
            })
            .collect();
        if partials.len() > most {
            return None;
        }
    }
    let inputs: Vec<(i64, i64)> = intervals(Attr::InputTokens).into_iter().flatten().collect();
    let totals: Vec<(i64, i64)> = intervals(Attr::TotalTokens).into_iter().flatten().collect();
    let outputs = intervals(Attr::RequestMaxOutput);
    if partials.len() * inputs.len() * totals.len() * outputs.len() > most * 4 {
        return None;
    }
    let of = |attr| Operand::Attr(AttrRef::plain(attr));
    let said: Vec<Attr> = dims.iter().filter_map(|dim| attr(dim)).collect();
    let mut samples = Vec::new();
    for parts_of in &partials {
        let least = parts_of.iter().map(|(low, _)| *low).max().unwrap_or(0);
        for (low, high) in &inputs {
            let prompt = least.max(*low);
            if prompt > *high {
                continue;
            }
            for output in &outputs {
                for (total_low, total_high) in &totals {
                    let (from, to) = output.unwrap_or((0, 0));
                    // As small as possible, the answer raised first, then the prompt.
                    let answer = from.max(total_low - prompt).min(to);
                    let prompt = prompt.max(total_low - answer);
                    if prompt > *high || prompt + answer > *total_high {
                        continue;
                    }
                    let mut sample = Sample::default();
                    let mut say = |attr: Attr, value: i64| {
                        sample.values.push((of(attr), OwnedValue::Int(value)));
                    };
                    for (attr, (low, _)) in parts.iter().zip(parts_of) {
                        if said.contains(attr) {
                            say(*attr, *low);
                        }
                    }
                    say(Attr::InputTokens, prompt);
                    if output.is_some() {
                        say(Attr::RequestMaxOutput, answer);
                    }
                    samples.push(sample);
                }
            }
        }
    }
    Some(samples)
}

/// For everything that hangs on the instant: schedules, hours, days.
pub fn of_time(dims: &[&Dimension]) -> Vec<Sample> {
    let schedules = || {
        dims.iter().filter_map(|dim| match dim.test() {
            Some(Op::During(schedule)) => Some(schedule),
            _ => None,
        })
    };
    let attr = |wanted: Attr| move |dim: &&&Dimension| matches!(&dim.operand, Operand::Attr(attr) if attr.attr == wanted);
    let hourly = dims.iter().any(|dim| attr(Attr::TimeHour)(&dim));
    let cuts = dims.iter().find(attr(Attr::TimeDate)).and_then(|dim| dim.cuts());
    let mut samples = Vec::new();
    for (first, last) in spells(cuts.unwrap_or_default()) {
        let mut day = first;
        while day <= last {
            let mut moments: Vec<Timestamp> = Vec::new();
            let mut at = |zone: &TimeZone, minute: i64| {
                let midnight = day.to_zoned(zone.clone()).map(|zoned| zoned.timestamp());
                moments.extend(midnight.map(|it| it + SignedDuration::from_mins(minute)).ok());
            };
            at(&TimeZone::UTC, 12 * 60);
            at(&TimeZone::UTC, 0);
            if hourly {
                (0..24).for_each(|hour| at(&TimeZone::UTC, hour * 60));
            }
            for schedule in schedules() {
                let (from, to) = schedule.hours;
                at(&schedule.zone, from.into());
                at(&schedule.zone, to.into());
                at(&schedule.zone, i64::from(from) - 1);
                at(&schedule.zone, i64::from(to) - 1);
            }
            let moments =
                moments.into_iter().map(|now| Sample { now: Some(now), ..Sample::default() });
            samples.extend(moments);
            let Ok(next) = day.checked_add(1.day()) else { break };
            day = next;
        }
    }
    samples
}

/// The days to look at: of each stretch between two cuts as much as shows every weekday on both
/// sides of daylight saving time.
fn spells(cuts: &[i64]) -> Vec<(Date, Date)> {
    const SHOWN: i64 = 400;
    let epoch = Date::constant(1970, 1, 1);
    let date = |days: i64| epoch.checked_add(days.clamp(-700_000, 2_900_000).days()).ok();
    let today = 20_400; // late in 2025, as the plain request
    let mut spells = Vec::new();
    if cuts.is_empty() {
        spells.push((today, today + SHOWN));
    }
    for (index, cut) in cuts.iter().enumerate() {
        if index == 0 {
            spells.push((cut - SHOWN, cut - 1));
        }
        let end = cuts.get(index + 1).map_or(i64::MAX, |next| next - 1);
        spells.push((*cut, end.min(cut.saturating_add(SHOWN))));
    }
    spells.into_iter().filter_map(|(from, to)| Some((date(from)?, date(to)?))).collect()
}
