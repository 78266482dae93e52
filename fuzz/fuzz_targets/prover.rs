//! Small policies, put together from the bytes: proving them ends, examples are what the evaluator says
//! (debug assertions within), a policy does not differ from itself, and every request nearby is another.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pointsman::policy::diff::diff;
use pointsman::policy::nearby::nearby;
use pointsman::policy::plain::Said;
use pointsman::policy::trial::Trial;
use pointsman_fuzz::{Choices, compiled};

const HEAD: &str = "enum tier = free | pro | max\n\
    attribute key.tier: tier from key.meta[\"plan\"] else free\n\
    schedule office = mon..fri 08:00..18:00 UTC\n\
    pool small = [sim/small, sim/tiny] pick first\n\
    pool large = models where context >= 100k and not local pick best\n";

const TESTS: [&str; 24] = [
    "input.tokens < 2k",
    "input.tokens >= 2k",
    "input.tokens in 1k..8k",
    "total.tokens < 4k",
    "task == code",
    "task in [code, chat]",
    "key.tier == pro",
    "key.tier != free",
    "key.meta[\"plan\"] == \"max\"",
    "key.meta[\"plan\"] is present",
    "key.tags has \"beta\"",
    "key.tags has any [\"beta\", \"sla\"]",
    "key.team like \"a*\"",
    "key.team like \"*b\"",
    "key.team == \"ab\"",
    "key.team matches /^a+b?$/",
    "key.team is absent",
    "request.stream",
    "request.model == \"auto\"",
    "request.model like \"openai/*\"",
    "time in office",
    "time.hour < 9",
    "difficulty > 0.5",
    "request.max_output > 1k",
];

const TARGETS: [&str; 4] = ["small", "large", "sim/medium", "requested"];
const CLAIMS: [&str; 5] = [
    "every model where local",
    "no model where provider == \"sim\"",
    "some model where context >= 100k",
    "never denied",
    "always denied",
];

fn condition(from: &mut Choices<'_>, depth: usize) -> String {
    match from.below(if depth == 0 { 1 } else { 5 }) {
        3 => format!("not ({})", condition(from, depth - 1)),
        2 => format!("({}) or ({})", condition(from, depth - 1), condition(from, depth - 1)),
        1 | 4 => format!("({}) and ({})", condition(from, depth - 1), condition(from, depth - 1)),
        _ => from.one_of(&TESTS).to_string(),
    }
}

fn policy(from: &mut Choices<'_>) -> String {
    let mut text = HEAD.to_owned();
    for index in 0..from.below(8) {
        let kind = from.below(8);
        let when = condition(from, 2);
        text += &match kind {
            0 => format!("deny d{index} when {when} because \"no\"\n"),
            1 => format!("require q{index} when {when} only models where context >= 32k\n"),
            2 => format!("tune t{index} when {when} {{ set temperature = 0.{index} }}\n"),
            3 => format!("assume {when}\n"),
            4 => format!("invariant i{index} when {when} {{ {} }}\n", from.one_of(&CLAIMS)),
            _ => format!("route r{index} when {when} -> {}\n", from.one_of(&TARGETS)),
        };
    }
    text + "default -> small\n"
}

fuzz_target!(|data: &[u8]| {
    let text = policy(&mut Choices::new(data));
    let Some(program) = compiled("fuzz.policy", &text).program else { return };
    if let Ok(found) = diff(&program, &program) {
        assert!(found.changes.is_empty(), "differs from itself: {:?}\n{text}", found.changes);
    }
    let trial = Trial::of(&program);
    let plain = Said::default();
    let here = trial.outcome(&plain);
    for near in nearby(&program, &plain, &|facts| Some(trial.outcome(facts))) {
        assert!(near.outcome != here, "nearby is the same: {}\n{text}", near.change);
    }
});
