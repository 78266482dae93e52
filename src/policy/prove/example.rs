//! Requests and figures as people read them.

use crate::catalog::Model;
use crate::policy::cond::{Cond, Operand, Test};
use crate::policy::models::StaticModel;
use crate::policy::plain::Said;
use crate::policy::schema::{Attr, AttrRef, Type};
use crate::policy::spelling::written;
use crate::policy::value::{Facts, OwnedValue, Value};
use crate::units::NanoDollars;

/// A request in words: `key.tier = free, input.tokens = 128_001, everything else default`.
pub fn example(said: &Said) -> String {
    let mut parts: Vec<String> = Vec::new();
    for (operand, value) in said.operands() {
        let auto = matches!(operand, Operand::Attr(attr) if attr.attr == Attr::RequestAuto);
        let unsaid = matches!(operand, Operand::Attr(attr) if attr.attr == Attr::RequestModel)
            && *value == OwnedValue::Str("auto".into());
        if !auto && !unsaid {
            parts.push(format!("{operand} = {}", written(value.as_value(), &operand.value_type())));
        }
    }
    for (name, value) in said.sets() {
        if !matches!(value, OwnedValue::Set(set) if set.is_empty()) {
            parts.push(format!("{name} = {}", written(value.as_value(), &Type::Set)));
        }
    }
    if said.now() != Said::default().now() {
        parts.push(format!("time = \"{}\"", said.now()));
    }
    if parts.is_empty() {
        return "a plain request, everything default".to_owned();
    }
    parts.push("everything else default".to_owned());
    parts.join(", ")
}

/// The same, with what these conditions look at said first, also where it is as in a plain request.
pub(super) fn example_for(said: &Said, conds: &[&Cond]) -> String {
    let mut whole = Said::default();
    for test in conds.iter().flat_map(|cond| cond.tests()) {
        let operand = &test.operand;
        let shown = match operand {
            Operand::Attr(attr) => {
                let def = attr.attr.def();
                !matches!(attr.attr, Attr::RequestAuto | Attr::RequestModel)
                    && !matches!(def.ty, Type::Set | Type::Time)
                    && !matches!(attr.attr, Attr::TimeHour | Attr::TimeWeekday | Attr::TimeDate)
            }
            Operand::Declared(_) => true,
        };
        if shown && !whole.operands().any(|(known, _)| known == operand) {
            whole.say(operand, operand.value(said).to_owned());
        }
    }
    for (operand, value) in said.operands() {
        // What is declared is what its source says; one of the two is enough.
        let known = whole.operands().any(|(known, _)| match (known, operand) {
            (Operand::Declared(declared), Operand::Attr(attr)) => {
                matches!(&declared.source, Some(crate::policy::cond::DeclaredSource::Attr(it)) if it == attr)
            }
            _ => false,
        });
        if !known {
            whole.say(operand, value.clone());
        }
    }
    whole.at(said.now());
    let mut text = example(&whole);
    for (name, value) in said.sets() {
        if !matches!(value, OwnedValue::Set(set) if set.is_empty()) {
            text = format!("{name} = {}, {text}", written(value.as_value(), &Type::Set));
        }
    }
    text
}

/// An amount as people say it: never less than it is.
pub(super) fn about(amount: NanoDollars) -> NanoDollars {
    let unit = match amount.0 {
        1_000_000_000.. => 10_000_000,
        1_000_000.. => 100_000,
        _ => 1,
    };
    NanoDollars(amount.0.div_ceil(unit).saturating_mul(unit))
}

/// The figures of a model for which a condition holds or does not: `$15/Mtok`, `region = us`.
pub(super) fn figures(model: &Model, cond: &Cond, holds: bool) -> String {
    let facts = StaticModel(model);
    let guilty = |test: &Test| test.holds(&facts) == holds;
    let tests = cond.tests();
    let mut told: Vec<String> = Vec::new();
    let chosen = tests.iter().filter(|test| guilty(test));
    // A condition with `not` may owe its outcome to any of its tests.
    let chosen: Vec<_> =
        if chosen.clone().next().is_some() { chosen.collect() } else { tests.iter().collect() };
    for test in chosen {
        let value = test.operand.value(&facts);
        let ty = test.operand.value_type();
        let spelled = written(value, &ty);
        let clear = matches!(ty, Type::Price(_)) && value != Value::Absent;
        let figure = if clear { spelled } else { format!("{} = {spelled}", test.operand) };
        if !told.contains(&figure) {
            told.push(figure);
        }
    }
    told.truncate(2);
    told.join(", ")
}

/// Says what the model is called by the client.
pub(super) fn say_model(said: &mut Said, id: &str) {
    let model = Operand::Attr(AttrRef::plain(Attr::RequestModel));
    said.say(&model, OwnedValue::Str(id.into()));
}

/// Says a number.
pub(super) fn say_int(said: &mut Said, attr: Attr, value: i64) {
    said.say(&Operand::Attr(AttrRef::plain(attr)), OwnedValue::Int(value));
}

/// Names in a sentence: `a`, `a and b`, `a, b and 3 more`.
pub(super) fn listed(names: &[String]) -> String {
    const MOST: usize = 4;
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] if names.len() <= MOST => format!("{} and {last}", first.join(", ")),
        _ => format!("{} and {} more", names[..MOST - 1].join(", "), names.len() - MOST + 1),
    }
}
