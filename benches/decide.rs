//! What one decision costs: `cargo bench --bench decide`.
//!
//! The facts are already there; measured is matching all rules and building the plan. The bars are
//! 1 µs for 100 rules and 5 µs for 10,000.

#![allow(missing_docs)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use jiff::Timestamp;
use pointsman::catalog::{Catalog, Live};
use pointsman::ids::PolicyName;
use pointsman::policy::eval::{Situation, decide};
use pointsman::policy::plan::Decision;
use pointsman::policy::program::{ModelSet, Program};
use pointsman::policy::schema::{Attr, AttrRef};
use pointsman::policy::value::{Facts, Value};
use pointsman::policy::{Surroundings, compile};

/// A request of the last team but one: every rule has to be ruled out.
struct Request {
    team: String,
}

impl Facts for Request {
    fn get(&self, attr: &AttrRef) -> Value<'_> {
        match attr.attr {
            Attr::RequestAuto => Value::Bool(true),
            Attr::RequestModel => Value::Str("auto"),
            Attr::RequestFormat => Value::Str("text"),
            Attr::RequestTools | Attr::RequestImages => Value::Int(0),
            Attr::RequestN => Value::Int(1),
            Attr::RequestBytes => Value::Int(2_000),
            Attr::RequestStream | Attr::RequestAudio | Attr::RequestLogprobs => Value::Bool(false),
            Attr::InputTokens => Value::Int(500),
            Attr::Task => Value::Str("code"),
            Attr::Difficulty => Value::Float(0.4),
            Attr::KeyTeam => Value::Str(&self.team),
            Attr::KeyTier => Value::Str("pro"),
            _ => Value::Absent,
        }
    }
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
}

/// Rules of the shapes people write: a team, a task, a size, a tier, a difficulty.
fn policy(rules: usize) -> String {
    let mut text = String::from(
        "pool small = [sim/small] pick first\npool large = [sim/medium, sim/large] pick best\n\
         deny big when input.tokens > 100k because \"too big\"\n\
         tune calm when key.tier == free { set temperature = 0.2 }\n",
    );
    for i in 0..rules {
        let condition = match i % 4 {
            0 => format!("key.team == \"team-{i}\" and task in [code, math]"),
            1 => format!("key.team == \"team-{i}\" and input.tokens < {}k", i % 60 + 1),
            2 => format!("key.team == \"team-{i}\" and not request.stream"),
            _ => format!("key.team == \"team-{i}\" and difficulty > 0.{}", i % 9 + 1),
        };
        let _ = writeln!(text, "route r{i} when {condition} -> large");
    }
    text += "default -> small\n";
    text
}

fn program(rules: usize, catalog: &Arc<Catalog>) -> Arc<Program> {
    let surroundings = Surroundings::new(catalog, &|_| Err("none".into()));
    let compiled =
        compile(&PolicyName::new("bench"), "bench.policy", &policy(rules), &surroundings);
    compiled.program.unwrap_or_else(|| panic!("{:?}", compiled.diagnostics))
}

fn decisions(criterion: &mut Criterion) {
    let catalog = Arc::new(Catalog::embedded());
    let live = Live::fresh(catalog.models().len());
    let enabled = ModelSet::of(&catalog, |_| true);
    let mut group = criterion.benchmark_group("decide");
    for rules in [10, 100, 1_000, 10_000] {
        let program = program(rules, &catalog);
        // The last rule of a kind that matches these facts.
        let facts = Request { team: format!("team-{}", (rules - 1) / 4 * 4) };
        let situation = Situation {
            facts: &facts,
            live: &live,
            enabled: &enabled,
            allowed: &|_| true,
            named: None,
            meter: &(),
            remembered: &|_| None,
            seed: 7,
            turn: 0,
        };
        assert!(matches!(decide(&program, &situation), Decision::Plan(_)));
        group.bench_with_input(BenchmarkId::new("rules", rules), &program, |bencher, program| {
            bencher.iter(|| decide(black_box(program), black_box(&situation)));
        });
    }
    group.finish();
}

criterion_group!(benches, decisions);
criterion_main!(benches);
