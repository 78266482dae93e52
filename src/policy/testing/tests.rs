//! What tests say, case by case, over the built-in catalogue.

use std::sync::{Arc, LazyLock};

use super::{Tested, run};
use crate::catalog::Catalog;
use crate::ids::PolicyName;
use crate::policy::program::Program;
use crate::policy::{Surroundings, compile};

static CATALOG: LazyLock<Arc<Catalog>> = LazyLock::new(|| Arc::new(Catalog::embedded()));

const POOLS: &str = "\
pool small = [openai/gpt-5-nano, google/gemini-2.5-flash-lite] pick first
pool medium = [openai/gpt-5-mini] pick first
pool large = [openai/gpt-5] pick first
";

const LADDER: &str = "\
ladder climb {
  deadline 1min
  hold full
  step a -> small escalate when failed or refused
  step b -> medium escalate when refused or invalid_json { retry 2 on overloaded backoff 200ms..2s }
  step c -> large { timeout attempt 10s }
}
default -> climb
";

fn program(text: &str) -> Arc<Program> {
    let text = format!("{POOLS}{text}");
    let files = |_: &str| Err("no files".to_owned());
    let surroundings = Surroundings::new(&CATALOG, &files);
    let compiled = compile(&PolicyName::new("test"), "test.policy", &text, &surroundings);
    compiled.program.unwrap_or_else(|| panic!("{text}\n{:#?}", compiled.diagnostics))
}

fn tested(policy: &str, tests: &str) -> Tested {
    run(&program(&format!("{policy}{tests}")), |_| true)
}

/// The tests hold.
#[track_caller]
fn holds(policy: &str, tests: &str) {
    let tested = tested(policy, tests);
    assert!(!tested.results.is_empty());
    let failures: Vec<_> = tested.failures().map(|it| (&it.message, &it.notes)).collect();
    assert!(failures.is_empty(), "{failures:#?}");
}

/// One test of these lines fails with this code and message.
#[track_caller]
fn fails(policy: &str, lines: &str, code: &str, message: &str) -> Vec<String> {
    let tested = tested(policy, &format!("test \"it\" {{\n{lines}\n}}\n"));
    let found: Vec<_> = tested.failures().collect();
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!((found[0].code.0, found[0].message.as_str()), (code, message), "{found:#?}");
    found[0].notes.clone()
}

#[test]
fn a_climb_is_played_through() {
    holds(
        LADDER,
        r#"
test "the first answer is taken" {
  expect answered by small
  expect attempts == 1
}
test "a refusal climbs" {
  attempt 1 refused after 2s
  expect answered by medium
  expect attempts == 2 and latency == 2s and reason == escalated and status == 200
  expect model == "openai/gpt-5-mini" and cost < $0.31
}
test "an error asks the next one of the step first" {
  attempt 1 server_error
  attempt 2 ok
  expect answered by small
  expect reason == fallback and model == "google/gemini-2.5-flash-lite"
}
test "retries wait as long as they may" {
  attempt 1 refused
  attempt 2 overloaded
  attempt 3 overloaded
  attempt 4 ok
  expect attempts == 4 and latency == 600ms
  expect answered by medium
}
test "what is no reason to climb ends it" {
  attempt 1 refused
  attempt 2 bad_request
  expect answered by small
  expect reason == matched and status == 200 and attempts == 2
}
test "the best rejected answer is better than none" {
  attempt 1 refused
  attempt 2 invalid_json
  attempt 3 timed_out
  expect answered by medium
  expect latency == 10s
}
test "an error nobody mends is told" {
  attempt 1 bad_request
  attempt 2 bad_request
  expect status == 400 and attempts == 2
  expect model is absent
}
"#,
    );
}

#[test]
fn time_runs_out_as_scripted() {
    holds(
        LADDER,
        r#"
test "the deadline ends the climb" {
  attempt 1 refused after 60s
  expect attempts == 1 and latency == 1min
  expect answered by small
}
"#,
    );
    fails(
        LADDER,
        "attempt 1 refused after 61s\nexpect answered by small",
        "P6003",
        "attempt 1 cannot take so long",
    );
    fails(
        LADDER,
        "attempt 1 refused\nattempt 2 refused\nattempt 3 ok after 11s\nexpect answered by large",
        "P6003",
        "attempt 3 cannot take so long",
    );
    // Without a word, an attempt that times out takes its clock.
    let route = "default -> small { timeout total 40s, ttft 4s }\n";
    holds(
        route,
        r#"
test "a stream" {
  given request.stream = true
  attempt 1 timed_out
  expect latency == 4s and reason == fallback
}
test "no stream" {
  attempt 1 timed_out
  expect latency == 40s and status == 504
}
"#,
    );
}

#[test]
fn money_runs_out_too() {
    let policy = "ladder l {\n  max_cost $0.004\n  hold full\n  step a -> small escalate when refused\n  step c -> large\n}\ndefault -> l\n";
    holds(
        policy,
        r#"
test "the dear step is not made" {
  given request.max_output = 1k
  attempt 1 refused
  expect attempts == 1 and max_cost == $0.004
  expect answered by small
}
"#,
    );
}

const ROUTES: &str = "\
enum tier = free | pro
attribute key.tier: tier from key.meta[\"plan\"] else free
attribute signal.risk: float 0..1 from header \"x-risk\" else 0.5
schedule office = mon..fri 09:00..18:00 UTC
deny blocked when user.id == \"mallory\" because \"No\" status 451
deny risky when signal.risk > 0.9 because \"Too risky\"
require small-talk when key.tier == free only models where price.output <= $1/Mtok
route quick when input.tokens < 2k -> small
route hard when task in [code, math] and difficulty > 0.6 -> large
route nights when time not in office -> medium
route named when request.model like \"openai/*\" -> requested
default -> small { fallback medium on bad_request }
";

#[test]
fn a_request_is_plain_but_for_what_is_given() {
    holds(
        ROUTES,
        r#"
test "short" { expect route == quick }
test "hard" {
  given input.tokens = 3k, task = code, difficulty = 0.9, key.tier = pro
  expect route == hard
  expect every model in large
}
test "free keys get what they pay for" {
  given input.tokens = 3k, task = code, difficulty = 0.9
  expect status == 503 and route == hard
  expect attempts == 0
}
test "sizes go together" {
  given total.tokens = 5k, request.max_output = 1k, task = code, difficulty = 0.9, key.tier = pro
  expect route == hard
}
test "by bytes" {
  given request.bytes = 400KiB
  expect route != quick
}
test "night" {
  given time.hour = 22, input.tokens = 3k, key.tier = pro
  expect route == nights
}
test "weekend" {
  given time.weekday = sun, input.tokens = 3k, key.tier = pro
  expect route == nights
}
test "an instant" {
  given time = "2026-09-12T10:00:00Z", input.tokens = 3k, key.tier = pro
  expect route == nights
}
test "a named model" {
  given request.model = "openai/gpt-5", input.tokens = 3k, key.tier = pro
  expect route == named
  expect model == "openai/gpt-5" and reason == matched
}
test "refused" {
  given user.id = "mallory"
  expect denied by blocked
  expect status == 451 and route is absent
}
test "refused twice" {
  given user.id = "mallory", signal.risk = 0.95
  expect denied by risky
  expect denied by blocked
}
test "a fallback by its class" {
  given input.tokens = 3k, key.tier = pro
  attempt 1 bad_request
  expect answered by medium
  expect reason == fallback
}
test "unavailable models are asked last" {
  given model["openai/gpt-5-nano"].available = false, input.tokens = 1k
  expect model == "google/gemini-2.5-flash-lite" and reason == fallback
}
test "models by what they are" {
  expect every model where price.output <= $1/Mtok
}
"#,
    );
}

#[test]
fn second_copies_are_models_of_the_plan_too() {
    let policy = "default -> small { hedge after 1s to large }\n";
    holds(policy, "test \"t\" {\n  expect some model in large\n  expect answered by small\n}\n");
    fails(
        policy,
        "expect every model in small",
        "P6001",
        "expected every model in small; openai/gpt-5 is in the plan too",
    );
}

#[test]
fn messages_say_what_was_and_why() {
    let notes = fails(
        ROUTES,
        "given input.tokens = 1_200, task = code\nexpect route == hard",
        "P6001",
        "expected route == hard; it was `quick`, because input.tokens < 2k (input.tokens = 1_200)",
    );
    assert_eq!(notes[0], "`hard` does not match: difficulty > 0.6 (difficulty = 0)");
    assert_eq!(notes[1], "attempt 1: `small`, openai/gpt-5-nano: ok");
    let notes = fails(
        ROUTES,
        "expect denied by blocked",
        "P6001",
        "expected denied by blocked; it was not denied",
    );
    assert_eq!(notes[0], "`blocked` does not match: user.id == \"mallory\" (user.id = absent)");
    fails(
        ROUTES,
        "expect attempts == 2 and status == 200",
        "P6001",
        "expected attempts == 2; it was 1",
    );
    fails(
        ROUTES,
        "expect every model in large",
        "P6001",
        "expected every model in large; openai/gpt-5-nano is in the plan too",
    );
    fails(
        ROUTES,
        "expect answered by large",
        "P6001",
        "expected answered by large; openai/gpt-5-nano answered",
    );
    fails(
        ROUTES,
        "given user.id = \"mallory\"\nexpect denied by risky",
        "P6001",
        "expected denied by risky; it was denied by `blocked`",
    );
    fails(
        ROUTES,
        "given input.tokens = 3k, key.tier = pro\nexpect every model in small",
        "P6001",
        "expected every model in small; openai/gpt-5-mini is in the plan too",
    );
}

#[test]
fn what_cannot_be_is_no_test() {
    let contradiction = |lines: &str, message: &str| {
        fails(ROUTES, lines, "P6003", message);
    };
    contradiction(
        "given input.tokens = 1k, input.tokens = 2k\nexpect route == quick",
        "`input.tokens` cannot be 2_000 here",
    );
    contradiction(
        "given time.hour = 3, time = \"2026-09-14T10:00:00Z\"\nexpect route == quick",
        "`time.hour` cannot be 3 here",
    );
    contradiction(
        "given total.tokens = 1k, input.tokens = 1_500\nexpect route == quick",
        "`total.tokens` cannot be 1_000 here",
    );
    contradiction(
        "attempt 1 ok\nattempt 1 refused\nexpect route == quick",
        "attempt 1 ends in two ways",
    );
    fails(
        &format!("assume input.tokens < 1M\n{ROUTES}"),
        "given input.tokens = 2M\nexpect status == 503",
        "P6003",
        "this test is about a request that the policy takes to be impossible",
    );
    fails(ROUTES, "attempt 2 ok\nexpect route == quick", "P6002", "attempt 2 is never made");
    fails(
        ROUTES,
        "given user.id = \"mallory\"\nattempt 1 ok\nexpect denied",
        "P6002",
        "attempt 1 is never made",
    );
    fails(ROUTES, "given input.tokens = 1k", "P6004", "this test expects nothing");
}

const MONEY: &str = "\
budget team $2_000 per month per key.team {
  at 80% warn
  at 95% degrade to small
  at 100% deny \"The team budget is used up\"
}
budget user $5 per day per user.id when key.env == prod {
  at 100% degrade to medium
}
limit rpm 60/min per key.id else deny
limit tokens 200k tokens/min per key.team else queue 20s
limit hourly 100/hour per key.id when key.env == dev else warn
require eu when data.residency == eu only models where region == eu-west
route hard when difficulty > 0.6 -> large
default -> medium
";

#[test]
fn the_strictest_breach_of_budgets_and_limits_applies() {
    holds(
        MONEY,
        r#"
test "below every mark" {
  given budget["team"].used = 79.99%, difficulty = 0.9
  expect every model in large
  expect reason == matched
}
test "a warning changes nothing" {
  given budget["team"].used = 80%, difficulty = 0.9
  expect every model in large
}
test "degraded" {
  given budget["team"].used = 96%, difficulty = 0.9
  expect route == hard and reason == degraded
  expect every model in small
}
test "denied" {
  given budget["team"].used = 100%
  expect denied by team
  expect status == 402 and attempts == 0
}
test "what is left says it too" {
  given budget["team"].left = $50, difficulty = 0.9
  expect every model in small
}
test "and what was spent" {
  given spend.team.month = $1_950, difficulty = 0.9
  expect every model in small
}
test "the first of two degrades" {
  given budget["team"].used = 96%, budget["user"].used = 120%, difficulty = 0.9
  expect every model in small
}
test "the other alone" {
  given budget["user"].used = 120%, difficulty = 0.9
  expect every model in medium
}
test "not for others" {
  given budget["user"].used = 120%, difficulty = 0.9, key.env = dev
  expect every model in large
}
test "a rate" {
  given rate.key.rpm = 60
  expect denied by rpm
  expect status == 429
}
test "not yet" {
  given rate.key.rpm = 59
  expect status == 200 and latency == 0s
}
test "a queue before a degrade" {
  given rate.key.tpm = 200k, budget["team"].used = 96%
  expect status == 200 and latency == 20s
  expect every model in medium
}
test "a deny before a queue" {
  given rate.key.tpm = 200k, rate.key.rpm = 100
  expect denied by rpm
}
test "constraints stay" {
  given budget["team"].used = 96%, data.residency = eu
  expect status == 503
}
test "a named model is that or an error" {
  given request.model = "openai/gpt-5", budget["team"].used = 96%
  expect denied by team
}
"#,
    );
}

#[test]
fn coverage_names_what_was_never_seen() {
    let text = format!(
        "{ROUTES}test \"short\" {{ expect route == quick }}\n\
         test \"mallory\" {{\n  given user.id = \"mallory\"\n  expect denied\n}}\n"
    );
    let program = program(&text);
    let coverage = run(&program, |_| true).coverage;
    // Two denials, a requirement, five routes.
    assert_eq!((coverage.rules().seen, coverage.rules().of), (3, 8));
    let gaps: Vec<String> = coverage.gaps().into_iter().map(|gap| gap.what).collect();
    for expected in [
        "deny `risky` never matches",
        "`signal.risk > 0.9` is never true",
        "`key.tier == free` is never false",
        "`input.tokens < 2k` is never false",
        "`task in [code, math]` is never looked at",
        "`default` never takes a request",
        "the fallback is never asked",
    ] {
        assert!(gaps.iter().any(|gap| gap == expected), "{expected}: {gaps:#?}");
    }
    assert!(!gaps.iter().any(|gap| gap.contains("mallory")), "{gaps:#?}");
    assert_eq!((coverage.branches_taken().seen, coverage.branches_taken().of), (0, 1));
    let all = run(&program, |test| &*test.name == "nothing");
    assert!(all.results.is_empty());
    assert_eq!(all.coverage.total().seen, 0);
}

#[test]
fn coverage_speaks_of_tests_as_they_are_written() {
    let conditions = [
        "user.id != \"a!=b\"",
        "user.id not in [\"a\"]",
        "user.id is absent",
        "request.stream == false",
        "request.stream != true",
        "not request.audio == true",
    ];
    for condition in conditions {
        let policy = format!("route r when {condition} -> small\ndefault -> large\n");
        let coverage = tested(&policy, "test \"t\" { expect route == r }\n").coverage;
        let gaps: Vec<String> = coverage.gaps().into_iter().map(|gap| gap.what).collect();
        let expected = match condition.strip_prefix("not ") {
            Some(inner) => format!("`{inner}` is never true"),
            None => format!("`{condition}` is never false"),
        };
        assert_eq!(gaps, [expected.as_str(), "`default` never takes a request"]);
    }
}

#[test]
fn coverage_sees_steps_marks_and_arms() {
    let tests = r#"
test "climbs" {
  attempt 1 refused
  expect answered by medium
}
"#;
    let coverage = tested(LADDER, tests).coverage;
    assert_eq!((coverage.branches_taken().seen, coverage.branches_taken().of), (2, 3));
    let gaps: Vec<String> = coverage.gaps().into_iter().map(|gap| gap.what).collect();
    assert_eq!(gaps, ["step `c` of `climb` is never reached"]);
    let coverage = tested(MONEY, "test \"d\" {\n  given budget[\"team\"].used = 96%\n  expect status == 200\n}\ntest \"l\" {\n  given rate.key.rpm = 60\n  expect denied\n}\n").coverage;
    assert_eq!((coverage.branches_taken().seen, coverage.branches_taken().of), (2, 7));
    let split = "split s by user.id {\n  50% -> small\n  rest -> large\n}\nroute c when input.tokens < 1k -> s { cap $0.0001 per request else degrade to small }\ndefault -> s\n";
    let coverage = tested(
        split,
        "test \"d\" {\n  given user.id = \"u\", request.max_output = 1\n  expect status == 200\n}\n",
    )
    .coverage;
    assert_eq!((coverage.branches_taken().seen, coverage.branches_taken().of), (1, 3));
}

#[test]
fn a_thousand_tests_take_no_time() {
    let tests: String = (0..1_000)
        .map(|n| {
            format!(
                "test \"{n}\" {{\n  given input.tokens = {n}, budget[\"team\"].used = 96%\n  \
                 attempt 1 server_error\n  expect every model in small\n}}\n"
            )
        })
        .collect();
    let program = program(&format!("{MONEY}{tests}"));
    let start = std::time::Instant::now();
    let tested = run(&program, |_| true);
    let took = start.elapsed();
    assert_eq!((tested.results.len(), tested.failures().count()), (1_000, 0));
    // Optimised it is a few milliseconds; the bound leaves room for builds that are not, on
    // machines that are busy.
    assert!(took.as_secs() < 5, "{took:?}");
}
