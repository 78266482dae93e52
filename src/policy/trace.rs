//! Why a decision came out as it did: the rules with their operands' values, the models that were
//! left out and by what. Made on demand, from the facts that the decision asked for.

use std::cell::RefCell;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::cond::{Cond, Declared, DeclaredSource, Op, Operand, Test};
use super::plan::{Affinity, Decision, Hedging, Plan, Removal};
use super::program::{Breach, HedgeAfter, Hold, Program, Rule, Settings};
use super::schema::{AttrRef, Type};
use super::value::{Facts, OwnedValue, Value, Worked, WorkedOut};
use crate::catalog::{Catalog, ModelIdx};
use crate::units::{BasisPoints, NanoDollars, PricePerMillion};

/// Facts that remember what was asked of them, so that a decision can be told later without the
/// request.
pub struct Recording<'a> {
    facts: &'a dyn Facts,
    asked: RefCell<Vec<(AttrRef, OwnedValue)>>,
    worked_out: RefCell<Vec<(Arc<str>, Worked)>>,
}

impl<'a> Recording<'a> {
    /// Listens in on these.
    pub fn of(facts: &'a dyn Facts) -> Recording<'a> {
        Recording { facts, asked: RefCell::default(), worked_out: RefCell::default() }
    }

    /// What was asked, with the answers.
    pub fn recorded(self) -> Recorded {
        Recorded {
            now: self.facts.now(),
            values: self.asked.into_inner(),
            worked_out: self.worked_out.into_inner(),
        }
    }
}

impl Facts for Recording<'_> {
    fn get(&self, attr: &AttrRef) -> Value<'_> {
        let value = self.facts.get(attr);
        let mut asked = self.asked.borrow_mut();
        if !asked.iter().any(|(known, _)| known == attr) {
            asked.push((attr.clone(), value.to_owned()));
        }
        value
    }
    fn worked_out<'a>(&'a self, declared: &Declared, through: &dyn Facts) -> Option<WorkedOut<'a>> {
        let worked = self.facts.worked_out(declared, through)?;
        let mut known = self.worked_out.borrow_mut();
        if !known.iter().any(|(name, _)| *name == declared.name) {
            known.push((declared.name.clone(), worked.to_owned()));
        }
        Some(worked)
    }
    fn now(&self) -> Timestamp {
        self.facts.now()
    }
}

/// The facts that a decision asked for.
#[derive(Debug, Clone)]
pub struct Recorded {
    now: Timestamp,
    values: Vec<(AttrRef, OwnedValue)>,
    worked_out: Vec<(Arc<str>, Worked)>,
}

impl Recorded {
    fn find(&self, attr: &AttrRef) -> Option<&OwnedValue> {
        self.values.iter().find(|(known, _)| known == attr).map(|(_, value)| value)
    }

    fn knows(&self, operand: &Operand) -> bool {
        match operand {
            Operand::Attr(attr) => self.find(attr).is_some(),
            Operand::Declared(declared) => match &declared.source {
                None => true,
                Some(DeclaredSource::Attr(source)) => self.find(source).is_some(),
                Some(_) => self.worked_out.iter().any(|(known, _)| *known == declared.name),
            },
        }
    }
}

/// Facts that were recorded, and whether something else was asked of them since.
pub struct Guarded<'a> {
    facts: &'a Recorded,
    missing: std::cell::Cell<bool>,
}

impl Recorded {
    /// These, noticing questions that they cannot answer.
    pub fn guarded(&self) -> Guarded<'_> {
        Guarded { facts: self, missing: std::cell::Cell::new(false) }
    }
}

impl Guarded<'_> {
    /// Whether something was asked that was not recorded, since this was asked last.
    pub fn missed(&self) -> bool {
        self.missing.take()
    }
}

impl Facts for Guarded<'_> {
    fn get(&self, attr: &AttrRef) -> Value<'_> {
        if self.facts.find(attr).is_none() {
            self.missing.set(true);
        }
        self.facts.get(attr)
    }
    fn worked_out<'a>(&'a self, declared: &Declared, through: &dyn Facts) -> Option<WorkedOut<'a>> {
        if !self.facts.worked_out.iter().any(|(name, _)| *name == declared.name) {
            self.missing.set(true);
        }
        self.facts.worked_out(declared, through)
    }
    fn now(&self) -> Timestamp {
        self.facts.now()
    }
}

impl Facts for Recorded {
    fn get(&self, attr: &AttrRef) -> Value<'_> {
        self.find(attr).map_or(Value::Absent, OwnedValue::as_value)
    }
    fn worked_out<'a>(&'a self, declared: &Declared, _: &dyn Facts) -> Option<WorkedOut<'a>> {
        let known = self.worked_out.iter().find(|(name, _)| *name == declared.name);
        known.map(|(_, worked)| worked.borrowed())
    }
    fn now(&self) -> Timestamp {
        self.now
    }
}

/// The trace of a decision, as JSON for people and programs.
pub fn trace(
    program: &Program,
    facts: &Recorded,
    decision: &Decision,
    removed: &[Removal],
) -> Json {
    let inputs: serde_json::Map<String, Json> = facts
        .values
        .iter()
        .map(|(attr, value)| (attr.to_string(), shown(value.as_value(), &attr.attr.def().ty)))
        .collect();
    let route = match decision {
        Decision::Plan(plan) => Some(&plan.route),
        Decision::NoCandidate(nobody) => Some(&nobody.route),
        Decision::Denied(denied) if denied.over_cap => Some(&denied.rule),
        Decision::Denied(_) | Decision::UnknownModel => None,
    };
    let position =
        route.and_then(|name| program.routes.iter().position(|route| route.rule.name == *name));
    let tried = &program.routes[..position.map_or(0, |position| position + 1)];
    let told = |rule: &Rule| told(rule, program, facts);
    // A failure shows in no value: the `else` holds then, and may be what would have been said.
    let failures: serde_json::Map<String, Json> = facts
        .worked_out
        .iter()
        .filter_map(|(name, worked)| match worked {
            Worked::Failed(why) => Some((name.to_string(), json!(why))),
            Worked::Said(_) => None,
        })
        .collect();
    let mut told_all = json!({
        "policy": format!("{}@{}", program.name, program.generation),
        "inputs": inputs,
        "guards": program.denies.iter().map(|deny| told(&deny.rule)).collect::<Vec<_>>(),
        "constraints": program.requires.iter().map(|require| told(&require.rule)).collect::<Vec<_>>(),
        "tunes": program.tunes.iter().map(|tune| told(&tune.rule)).collect::<Vec<_>>(),
        "routes": tried.iter().map(|route| told(&route.rule)).collect::<Vec<_>>(),
        "removed": removed.iter().map(|removal| json!({
            "step": removal.step,
            "model": program.catalog.models()[removal.model.index()].id,
            "by": removal.by.to_string(),
        })).collect::<Vec<_>>(),
        "decision": decided(decision, &program.catalog),
    });
    if !failures.is_empty() {
        told_all["failures"] = Json::Object(failures);
    }
    told_all
}

/// One rule: whether it matched, and each of its tests with the value it saw.
fn told(rule: &Rule, program: &Program, facts: &Recorded) -> Json {
    let tests = rule.when.tests();
    let known =
        tests.iter().all(|test| matches!(test.op, Op::During(_)) || facts.knows(&test.operand));
    // A list of patterns or elements is several tests of one place; it is told once.
    let mut places: Vec<Vec<&Test>> = Vec::new();
    for test in tests.iter().filter(|test| test.span.end > 0) {
        match places.iter_mut().find(|place| place[0].span == test.span) {
            Some(place) => place.push(test),
            None => places.push(vec![test]),
        }
    }
    let because: Vec<Json> = places.iter().map(|place| place_told(place, program, facts)).collect();
    json!({
        "name": rule.name,
        "at": program.sources.at(rule.span),
        // What was not asked for could not change the outcome.
        "matched": if known { json!(rule.when.holds(facts)) } else { settled(&rule.when, facts) },
        "because": because,
    })
}

/// The truth of a condition of which not everything is known, where it is settled all the same.
fn settled(cond: &Cond, facts: &Recorded) -> Json {
    fn truth(cond: &Cond, facts: &Recorded) -> Option<bool> {
        match cond {
            Cond::And(all) => {
                let parts: Vec<_> = all.iter().map(|cond| truth(cond, facts)).collect();
                if parts.contains(&Some(false)) {
                    return Some(false);
                }
                (!parts.contains(&None)).then_some(true)
            }
            Cond::Or(any) => {
                let parts: Vec<_> = any.iter().map(|cond| truth(cond, facts)).collect();
                if parts.contains(&Some(true)) {
                    return Some(true);
                }
                (!parts.contains(&None)).then_some(false)
            }
            Cond::Not(inner) => truth(inner, facts).map(|truth| !truth),
            Cond::Test(test) => facts.knows(&test.operand).then(|| test.holds(facts)),
        }
    }
    json!(truth(cond, facts))
}

/// The tests that one place of the text stands for.
fn place_told(tests: &[&Test], program: &Program, facts: &Recorded) -> Json {
    let test = tests[0]; // a place is made with its first test
    let written = program.sources.slice(test.span);
    let written = written.split_whitespace().collect::<Vec<_>>().join(" ");
    let holds = match written.contains(" has all ") {
        true => tests.iter().all(|test| test.holds(facts)),
        false => tests.iter().any(|test| test.holds(facts)),
    };
    // The opposite of a test stands where the test stands.
    let negated = written.contains("!=")
        || written.contains(" not in ")
        || written.ends_with(" is absent")
        || written.ends_with(" is not present");
    let holds = holds != negated;
    if matches!(test.op, Op::During(_)) {
        return json!({ "test": written, "value": facts.now.to_string(), "holds": holds });
    }
    if !facts.knows(&test.operand) {
        return json!({ "test": written, "asked": false });
    }
    let value = match &test.operand {
        Operand::Attr(attr) => shown(test.operand.value(facts), &attr.attr.def().ty),
        Operand::Declared(declared) => {
            let ty = match &declared.reading {
                super::cond::Reading::Number { ty, .. } => ty.clone(),
                _ => Type::String,
            };
            shown(test.operand.value(facts), &ty)
        }
    };
    json!({ "test": written, "value": value, "holds": holds })
}

/// A value in its unit, as it would be written in a policy.
fn shown(value: Value<'_>, ty: &Type) -> Json {
    match (value, ty) {
        (Value::Absent, _) => Json::Null,
        (Value::Int(nano), Type::Money) => {
            json!(format!("${}", NanoDollars(u64::try_from(nano).unwrap_or(0))))
        }
        (Value::Int(price), Type::Price(_)) => {
            json!(PricePerMillion(u64::try_from(price).unwrap_or(0)).to_string())
        }
        (Value::Int(nanos), Type::Duration) => {
            json!(format!("{}ms", nanos / 1_000_000))
        }
        (Value::Int(share), Type::Percent) => {
            json!(BasisPoints(u32::try_from(share).unwrap_or(0)).to_string())
        }
        (Value::Bool(bool), _) => json!(bool),
        (Value::Int(int), _) => json!(int),
        (Value::Float(float), _) => json!(float),
        (Value::Str(text), _) => json!(text),
        (Value::Set(set), _) => json!(set),
    }
}

fn decided(decision: &Decision, catalog: &Catalog) -> Json {
    match decision {
        Decision::Plan(plan) => plan_told(plan, catalog),
        Decision::Denied(denied) => json!({
            "outcome": "denied",
            "rule": denied.rule,
            "because": denied.because,
            "status": denied.status,
        }),
        Decision::NoCandidate(nobody) => {
            json!({ "outcome": "no_candidate", "route": nobody.route })
        }
        Decision::UnknownModel => json!({ "outcome": "unknown_model" }),
    }
}

fn plan_told(plan: &Plan, catalog: &Catalog) -> Json {
    let names = |models: &[ModelIdx]| -> Vec<&str> {
        models.iter().map(|model| catalog.models()[model.index()].id.as_str()).collect()
    };
    json!({
        "outcome": "plan",
        "route": plan.route,
        "reason": plan.reason.word(),
        "budget": plan.reached.as_ref().map(|reached| json!({
            "rule": reached.rule,
            "mark": reached.mark.map(|mark| mark.to_string()),
            "action": match reached.breach {
                Breach::Warn => "warn",
                Breach::Degrade(_) => "degrade",
                Breach::Queue(_) => "queue",
                Breach::Deny(_) => "deny",
            },
        })),
        "arm": plan.arm.as_ref().map(|arm| {
            json!({ "split": arm.split, "arm": arm.arm, "sticky": arm.sticky })
        }),
        "steps": plan.steps.iter().map(|step| json!({
            "name": step.name,
            "candidates": names(&step.candidates),
            "checked": step.escalate.is_some(),
            "hedge": step.hedge.as_deref().map(|hedge| hedge_told(hedge, &names)),
            "sticky": step.sticky.as_deref().map(|sticky| sticky_told(sticky, &names)),
        })).collect::<Vec<_>>(),
        "shadows": plan.shadows.iter().map(|shadow| json!({
            "model": names(&[shadow.model])[0],
            "share": shadow.share.to_string(),
        })).collect::<Vec<_>>(),
        "fallback": plan.fallback.as_ref().map(|(models, _)| names(models)),
        "max_cost": plan.max_cost.map(|cost| format!("${cost}")),
        "hold": match plan.hold {
            Hold::None => json!("none"),
            Hold::Full => json!("full"),
            Hold::Tokens(tokens) => json!(format!("{tokens} tokens")),
            Hold::For(time) => json!(format!("{}ms", time.as_millis())),
        },
        "settings": settings_told(&plan.settings),
    })
}

fn hedge_told<'a>(hedge: &Hedging, names: &impl Fn(&[ModelIdx]) -> Vec<&'a str>) -> Json {
    json!({
        "after": match hedge.after {
            HedgeAfter::Time(time) => format!("{}ms", time.as_millis()),
            HedgeAfter::P50 => "p50".to_owned(),
            HedgeAfter::P95 => "p95".to_owned(),
        },
        "candidates": names(&hedge.candidates),
        "max": hedge.max,
    })
}

fn sticky_told<'a>(sticky: &Affinity, names: &impl Fn(&[ModelIdx]) -> Vec<&'a str>) -> Json {
    json!({
        "remembered": sticky.remembered.map(|model| names(&[model])[0]),
        "kept": sticky.kept,
        "ttl_ms": sticky.ttl.as_millis() as u64,
    })
}

fn settings_told(settings: &Settings) -> Json {
    let millis = |time: Option<std::time::Duration>| time.map(|time| time.as_millis() as u64);
    let clocks = settings.timeouts;
    let mut told = serde_json::Map::new();
    for (name, clock) in [
        ("timeout.total_ms", clocks.total),
        ("timeout.attempt_ms", clocks.attempt),
        ("timeout.connect_ms", clocks.connect),
        ("timeout.headers_ms", clocks.headers),
        ("timeout.ttft_ms", clocks.ttft),
        ("timeout.idle_ms", clocks.idle),
    ] {
        if let Some(millis) = millis(clock) {
            told.insert(name.into(), json!(millis));
        }
    }
    if let Some(retry) = settings.retry {
        told.insert("retry".into(), json!(retry.times));
    }
    if !settings.shadows.is_empty() {
        let shares = settings.shadows.iter().map(|shadow| shadow.share.to_string());
        told.insert("shadow".into(), json!(shares.collect::<Vec<_>>().join(", ")));
    }
    if let Some(cap) = &settings.cap {
        told.insert("cap".into(), json!(format!("${}", cap.amount)));
    }
    for parameter in &settings.parameters {
        let op = match parameter.op {
            super::syntax::tree::SetParamOp::Replace => "=",
            super::syntax::tree::SetParamOp::AtMost => "<=",
            super::syntax::tree::SetParamOp::AtLeast => ">=",
        };
        let value = match &parameter.value {
            crate::dialect::edits::ParamValue::Int(int) => json!(int),
            crate::dialect::edits::ParamValue::Float(float) => json!(float),
            crate::dialect::edits::ParamValue::Bool(bool) => json!(bool),
            crate::dialect::edits::ParamValue::Text(text) => json!(text),
            crate::dialect::edits::ParamValue::Texts(texts) => json!(texts),
        };
        told.insert(format!("set {} {op}", parameter.name.name()), value);
    }
    if !settings.tags.is_empty() {
        let tags: serde_json::Map<String, Json> =
            settings.tags.iter().map(|(name, value)| (name.to_string(), json!(value))).collect();
        told.insert("tags".into(), Json::Object(tags));
    }
    Json::Object(told)
}
