//! What it costs to prove a policy: `cargo bench --bench prove`.
//!
//! Measured is all of `compile`: reading, checking and every finding of the prover, over 24 attributes.
//! The bar is 100 ms for 1,000 rules.

#![allow(missing_docs)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use pointsman::catalog::Catalog;
use pointsman::ids::PolicyName;
use pointsman::policy::{Compiled, Surroundings, compile};

const HEAD: &str = "pool small = [sim/small] pick first\npool large = [sim/medium, sim/large] pick best\n\
    deny big when input.tokens > 100k because \"too big\"\n\
    require home when data.class == restricted only models where local\n\
    tune calm when key.tier == free { set temperature = 0.2 }\n\
    invariant local when data.class == restricted { every model where local }\n";

/// Twenty tests of as many attributes.
const TESTS: [&str; 20] = [
    "task == code",
    "key.tier == pro",
    "key.env == staging",
    "request.stream",
    "request.tools > 2",
    "request.messages > 10",
    "difficulty > 0.6",
    "input.has_code",
    "input.has_url",
    "request.has_system",
    "request.n == 1",
    "key.tags has \"beta\"",
    "key.org == \"acme\"",
    "session.turn > 3",
    "request.tool_results",
    "request.cache_control",
    "hint.latency == batch",
    "client.country == \"DE\"",
    "user.id is present",
    "request.reasoning == high",
];

/// Short conditions that overlap, each of two or three tests.
fn overlapping(rules: usize) -> String {
    let mut text = HEAD.to_owned();
    for i in 0..rules {
        let (a, b, c) = (i % 20, (i / 20 + i + 1) % 20, (i * 7 + 3) % 20);
        let mut condition = format!("{} and {}", TESTS[a], TESTS[b]);
        if i % 3 == 0 {
            let _ = write!(condition, " and not {}", TESTS[c].replace(" is present", " is absent"));
        }
        let _ = writeln!(
            text,
            "route r{i} when {condition} and input.tokens < {}k -> {}",
            i % 60 + 2,
            if i % 2 == 0 { "small" } else { "large" }
        );
    }
    text + "default -> small\n"
}

/// Every rule names a team.
fn teams(rules: usize) -> String {
    let mut text = HEAD.to_owned();
    for i in 0..rules {
        let test = TESTS[i % 20];
        let _ = writeln!(text, "route r{i} when key.team == \"team-{i}\" and {test} -> large");
    }
    text + "default -> small\n"
}

fn compiled(text: &str, catalog: &Arc<Catalog>) -> Compiled {
    let surroundings = Surroundings::new(catalog, &|_| Err("none".into()));
    compile(&PolicyName::new("bench"), "bench.policy", text, &surroundings)
}

fn proofs(criterion: &mut Criterion) {
    let catalog = Arc::new(Catalog::embedded());
    let mut group = criterion.benchmark_group("prove");
    group.sample_size(10);
    for rules in [100, 300, 1_000] {
        for (shape, text) in [("overlapping", overlapping(rules)), ("teams", teams(rules))] {
            assert!(compiled(&text, &catalog).program.is_some());
            group.bench_with_input(BenchmarkId::new(shape, rules), &text, |bencher, text| {
                bencher.iter(|| compiled(black_box(text), &catalog));
            });
        }
    }
    let text = teams(10_000);
    group.bench_with_input(BenchmarkId::new("teams", 10_000), &text, |bencher, text| {
        bencher.iter(|| compiled(black_box(text), &catalog));
    });
    group.finish();
}

criterion_group!(benches, proofs);
criterion_main!(benches);
