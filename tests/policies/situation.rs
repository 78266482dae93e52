//! Requests by the values of a few attributes, and decisions on them.

use std::collections::HashMap;

use jiff::Timestamp;
use pointsman::catalog::Live;
use pointsman::ids::ModelId;
use pointsman::policy::eval::{Situation, decide};
use pointsman::policy::plan::{Decision, Plan};
use pointsman::policy::program::{ModelSet, Program};
use pointsman::policy::schema::AttrRef;
use pointsman::policy::value::{Facts, OwnedValue, Value};

use crate::CATALOG;

/// A request: an ordinary one of a developer's key, and what is said of it.
pub struct Request {
    values: HashMap<String, OwnedValue>,
    now: Timestamp,
    named: Option<String>,
}

impl Request {
    /// A short question that leaves the choice to the policy.
    pub fn new() -> Request {
        let request = Request {
            values: HashMap::new(),
            now: "2026-11-18T10:00:00Z".parse().unwrap(), // a Wednesday
            named: None,
        };
        request
            .with("request.auto", OwnedValue::Bool(true))
            .text("request.model", "auto")
            .text("request.id", "00000000-0000-0000-0000-000000000001")
            .text("request.format", "text")
            .text("request.api", "chat")
            .text("task", "chat")
            .text("key.tier", "free")
            .text("key.env", "dev")
            .text("data.residency", "any")
            .text("data.class", "internal")
            .int("input.tokens", 200)
            .int("request.bytes", 800)
            .with("difficulty", OwnedValue::Float(0.3))
    }

    pub fn with(mut self, attr: &str, value: OwnedValue) -> Request {
        self.values.insert(attr.to_owned(), value);
        self
    }
    pub fn text(self, attr: &str, text: &str) -> Request {
        self.with(attr, OwnedValue::Str(text.into()))
    }
    pub fn int(self, attr: &str, int: i64) -> Request {
        self.with(attr, OwnedValue::Int(int))
    }
    pub fn yes(self, attr: &str) -> Request {
        self.with(attr, OwnedValue::Bool(true))
    }
    /// So many tokens of prompt.
    pub fn tokens(self, count: i64) -> Request {
        self.int("input.tokens", count).int("request.bytes", count * 4)
    }
    /// The client names its model itself.
    pub fn naming(mut self, model: &str) -> Request {
        self.named = Some(model.to_owned());
        self.with("request.auto", OwnedValue::Bool(false)).text("request.model", model)
    }
    pub fn at(mut self, instant: &str) -> Request {
        self.now = instant.parse().unwrap();
        self
    }

    pub fn decide(&self, program: &Program) -> Decision {
        let named = self.named.as_ref().and_then(|name| CATALOG.get(&ModelId::new(name.as_str())));
        let live = Live::fresh(CATALOG.models().len());
        let situation = Situation {
            facts: self,
            live: &live,
            enabled: &ModelSet::of(&CATALOG, |_| true),
            allowed: &|_| true,
            named,
            meter: &(),
            remembered: &|_| None,
            seed: 0,
            turn: 0,
        };
        decide(program, &situation)
    }

    /// The plan; fails where there is none.
    #[track_caller]
    pub fn plan(&self, program: &Program) -> Plan {
        match self.decide(program) {
            Decision::Plan(plan) => plan,
            other => panic!("no plan but {other:?}"),
        }
    }
}

impl Facts for Request {
    fn get(&self, attr: &AttrRef) -> Value<'_> {
        self.values.get(&attr.to_string()).map_or(Value::Absent, OwnedValue::as_value)
    }
    fn now(&self) -> Timestamp {
        self.now
    }
}

/// The models of a plan's step, in order.
pub fn ids(plan: &Plan, step: usize) -> Vec<&'static str> {
    plan.steps[step].candidates.iter().map(|model| CATALOG[*model].id.as_str()).collect()
}
