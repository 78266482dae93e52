//! What would change the answer: the requests nearest to a given one with which the policy does
//! something else.
//!
//! The request is moved along one axis of the policy's space at a time and decided anew.

use serde_json::{Value as Json, json};

use super::cond::{Declared, Op, Operand};
use super::plain::Said;
use super::plan::Decision;
use super::program::Program;
use super::prove::Prover;
use super::prove::axes::{Axis, Sample};
use super::schema::{Attr, AttrRef};
use super::spelling::spelt;
use super::trial::Outcome;
use super::value::{Facts, OwnedValue, Value, WorkedOut};

/// The most requests that are tried.
const MOST_TRIED: usize = 5_000;

/// A request nearby, and what comes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nearby {
    /// How it differs: `input.tokens < 2k`.
    pub change: String,
    /// What comes of it.
    pub outcome: Outcome,
}

/// Looks around a request. `outcome` says what comes of facts; `None` where that cannot be known.
pub fn nearby(
    program: &Program,
    facts: &dyn Facts,
    outcome: &dyn Fn(&dyn Facts) -> Option<Outcome>,
) -> Vec<Nearby> {
    let (Ok(prover), Some(base)) = (Prover::new(program, &[]), outcome(facts)) else {
        return Vec::new();
    };
    let mut found: Vec<Nearby> = Vec::new();
    let mut tried = 0;
    for (index, axis) in prover.axes.axes().iter().enumerate() {
        let here = prover.axes.classes_of(index, facts);
        let at = axis.points.iter().position(|point| point.classes == here).unwrap_or(axis.plain);
        // The nearest first, on either side.
        let mut order: Vec<usize> = (0..axis.points.len()).filter(|point| *point != at).collect();
        order.sort_by_key(|point| point.abs_diff(at));
        let mut told: Vec<Outcome> = Vec::new();
        for point in order {
            tried += 1;
            if tried > MOST_TRIED {
                return found;
            }
            let there = &axis.points[point];
            if !there.certain || there.classes == here {
                continue;
            }
            let moved = Moved::of(facts, &there.sample, element(&prover, axis));
            let Some(outcome) = outcome(&moved) else { continue };
            let other = differs(&base, &outcome) && outcome != Outcome::UnknownModel;
            if other && !told.iter().any(|known| !differs(known, &outcome)) {
                let change = told_change(&prover, axis, point, at);
                told.push(outcome.clone());
                found.push(Nearby { change, outcome });
            }
        }
    }
    found
}

/// The requests nearby as JSON, told beside what was decided.
pub fn to_json(around: &[Nearby], program: &Program, decision: &Decision) -> Json {
    let same_route = match decision {
        Decision::Plan(plan) => Some(&plan.route),
        _ => None,
    };
    let first = |models: &[crate::catalog::ModelIdx]| {
        let first = models.first().map(|model| &program.catalog.models()[model.index()].id);
        first.map_or("nobody", |id| id.as_str())
    };
    let told = |near: &Nearby| {
        let (outcome, told) = match &near.outcome {
            Outcome::Plan { route, models, .. } if same_route == Some(route) => {
                ("plan", format!("the same route, first {}", first(models)))
            }
            Outcome::Plan { route, models, .. } => {
                ("plan", format!("route `{route}`, first {}", first(models)))
            }
            Outcome::Denied { rule, status, .. } => {
                ("denied", format!("refused by `{rule}` ({status})"))
            }
            Outcome::NoModel { route } => {
                ("no_candidate", format!("route `{route}`, no model is left"))
            }
            Outcome::UnknownModel => ("unknown_model", "unknown model".to_owned()),
        };
        json!({ "change": near.change, "outcome": outcome, "told": told })
    };
    around.iter().map(told).collect()
}

/// Whether two outcomes are not the same answer: another rule, or another model that is asked first.
fn differs(one: &Outcome, other: &Outcome) -> bool {
    match (one, other) {
        (
            Outcome::Plan { route: a, models: first, .. },
            Outcome::Plan { route: b, models: second, .. },
        ) => a != b || first.first() != second.first(),
        (one, other) => one != other,
    }
}

/// The element of a set that an axis is about.
fn element<'a>(prover: &'a Prover<'_>, axis: &Axis) -> Option<&'a str> {
    match prover.axes.dimension(*axis.dimensions.first()?).test()? {
        Op::Has(element) => Some(element),
        _ => None,
    }
}

/// How a point differs from where the request is, as a condition would say it.
fn told_change(prover: &Prover<'_>, axis: &Axis, point: usize, at: usize) -> String {
    let there = &axis.points[point];
    if let ([dimension], Some(class)) = (axis.dimensions.as_slice(), there.classes.first()) {
        let dimension = prover.axes.dimension(*dimension);
        let (operand, ty) = (&dimension.operand, dimension.operand.value_type());
        let class = *class as usize;
        match (dimension.test(), dimension.cuts()) {
            (Some(Op::IsTrue), _) => {
                return format!("{}{operand}", if class == 1 { "" } else { "not " });
            }
            (Some(Op::Has(element)), _) => {
                let not = if class == 1 { "" } else { "not " };
                return format!("{not}{operand} has {element:?}");
            }
            (Some(Op::During(schedule)), _) => {
                let not = if class == 1 { "" } else { "not " };
                return format!("time {not}in {}", schedule.name);
            }
            (None, Some(_)) if class == 0 => return format!("{operand} is absent"),
            (None, Some(cuts)) => {
                let lower = class.checked_sub(2).and_then(|cut| cuts.get(cut));
                let upper = cuts.get(class - 1);
                return match (lower, upper) {
                    (_, Some(upper)) if point < at => format!("{operand} < {}", spelt(&ty, *upper)),
                    (Some(lower), _) => format!("{operand} >= {}", spelt(&ty, *lower)),
                    _ => format!("another {operand}"),
                };
            }
            _ => {}
        }
    }
    let mut said = Said::default();
    there.sample.say_to(&mut said);
    let told: Vec<String> = said.told().iter().map(|one| one.replacen(" = ", " == ", 1)).collect();
    told.join(" and ").replace("== absent", "is absent")
}

/// A request, moved along one axis.
struct Moved<'a> {
    facts: &'a dyn Facts,
    said: Said,
}

impl<'a> Moved<'a> {
    fn of(facts: &'a dyn Facts, sample: &Sample, element: Option<&str>) -> Moved<'a> {
        let mut said = Said::default();
        match (element, sample.values.first()) {
            // With or without the element, the others stay.
            (Some(element), Some((operand @ Operand::Attr(attr), OwnedValue::Set(with)))) => {
                let mut set = match facts.get(attr) {
                    Value::Set(set) => set.clone(),
                    _ => Default::default(),
                };
                if with.is_empty() {
                    set.remove(element);
                } else {
                    set.insert(element.into());
                }
                said.say(operand, OwnedValue::Set(set));
            }
            _ => sample.say_to(&mut said),
        }
        Moved { facts, said }
    }
}

impl Facts for Moved<'_> {
    fn get(&self, attr: &AttrRef) -> Value<'_> {
        let size = |attr| match self.said.about(&AttrRef::plain(attr)) {
            Some(value) => value,
            None => self.facts.get(&AttrRef::plain(attr)),
        };
        if attr.attr == Attr::TotalTokens
            && self.said.about(attr).is_some()
            && let Value::Int(input) = size(Attr::InputTokens)
        {
            let output = match size(Attr::RequestMaxOutput) {
                Value::Int(output) => output,
                _ => 0,
            };
            return Value::Int(input.saturating_add(output));
        }
        self.said.about(attr).unwrap_or_else(|| self.facts.get(attr))
    }

    fn worked_out<'a>(&'a self, declared: &Declared, through: &dyn Facts) -> Option<WorkedOut<'a>> {
        let said = self.said.worked_out(declared, through);
        said.or_else(|| self.facts.worked_out(declared, through))
    }

    fn now(&self) -> jiff::Timestamp {
        self.said.moment().unwrap_or_else(|| self.facts.now())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::catalog::Catalog;
    use crate::ids::PolicyName;
    use crate::policy::trial::Trial;
    use crate::policy::{Surroundings, compile};

    #[test]
    fn the_nearest_other_answers_are_named() {
        let catalog = Arc::new(Catalog::embedded());
        let surroundings = Surroundings::new(&catalog, &|_| Err("none".to_owned()));
        let text = "deny blocked when key.tags has \"blocked\" because \"no\"\n\
                    route quick when input.tokens < 2k -> sim/tiny\n\
                    route code when task == code -> sim/large\n\
                    default -> sim/small\n";
        let compiled = compile(&PolicyName::new("test"), "test.policy", text, &surroundings);
        let program = compiled.program.unwrap();
        let mut said = Said::default();
        let tokens = Operand::Attr(AttrRef::plain(Attr::InputTokens));
        said.say(&tokens, OwnedValue::Int(3_000));
        let trial = Trial::of(&program);
        let mut found: Vec<(String, String)> =
            nearby(&program, &said, &|facts| Some(trial.outcome(facts)))
                .into_iter()
                .map(|near| match near.outcome {
                    Outcome::Plan { route, .. } => (near.change, route.to_string()),
                    Outcome::Denied { rule, .. } => (near.change, rule.to_string()),
                    other => panic!("{other:?}"),
                })
                .collect();
        found.sort();
        let expected = [
            ("input.tokens < 2_000", "quick"),
            ("key.tags has \"blocked\"", "blocked"),
            ("task == code", "code"),
        ];
        let expected: Vec<(String, String)> =
            expected.map(|(a, b)| (a.to_owned(), b.to_owned())).into();
        assert_eq!(found, expected);
    }
}
