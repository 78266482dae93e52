//! The policies of `policies/`: they compile, they are formatted, and they do what they say.

use pointsman::policy::Compiled;
use pointsman::policy::plan::{Decision, PlanReason};
use pointsman::policy::program::{CacheDirective, Hold, Program};
use pointsman::policy::syntax::{format, parse, render, yaml};
use pointsman::units::NanoDollars;

use crate::situation::{Request, ids};
use crate::{CATALOG, compiled, path, policies};

fn messages(compiled: &Compiled) -> String {
    compiled.diagnostics.iter().map(|one| render(one, &compiled.sources, false)).collect()
}

fn program(file: &str) -> std::sync::Arc<Program> {
    let text = std::fs::read_to_string(path("policies").join(file)).unwrap();
    let compiled = compiled(file, &text);
    let messages = messages(&compiled);
    compiled.program.unwrap_or_else(|| panic!("{messages}"))
}

#[test]
fn every_example_compiles_without_a_word() {
    let all = policies("policies");
    assert!(all.len() >= 20);
    for (file, text) in all {
        let compiled = compiled(&file, &text).tested();
        assert!(compiled.diagnostics.is_empty(), "{}", messages(&compiled));
        let program = compiled.program.unwrap_or_else(|| panic!("{file} has no program"));
        assert!(!program.invariants.is_empty(), "{file} promises nothing");
        assert!(program.tests.len() >= 2, "{file} tries too little");
        assert!(program.tests.iter().any(|test| !test.attempts.is_empty()), "{file} never fails");
    }
}

/// Each says for whom it is, and the index leads to it.
#[test]
fn every_example_is_introduced() {
    let index = std::fs::read_to_string(path("policies/README.md")).unwrap();
    for (file, text) in policies("policies") {
        assert!(index.contains(&format!("]({file})")), "{file} is not in the index");
        let introduced = text.contains("# Who needs it: ") || file == "demo.policy";
        assert!(introduced, "{file} does not say who needs it");
    }
}

/// What people write without a fault in it: every word about these would be a false alarm.
#[test]
fn sound_policies_are_left_in_peace() {
    let all = policies("tests/policies/sound");
    assert!(all.len() >= 12);
    for (file, text) in all {
        let compiled = compiled(&file, &text);
        assert!(compiled.diagnostics.is_empty(), "{}", messages(&compiled));
    }
}

#[test]
fn what_needs_a_later_version_is_refused_for_nothing_else() {
    for file in [
        "09-experiment.policy",
        "10-ramp.policy",
        "11-budgets.policy",
        "12-many-teams.policy",
        "23-customers.policy",
    ] {
        let waiting: Vec<_> = program(file).waiting.iter().map(|one| one.code.0).collect();
        assert!(!waiting.is_empty() && waiting.iter().all(|code| *code == "P3900"), "{file}");
    }
}

#[test]
fn every_example_is_formatted() {
    for folder in ["policies", "policies/shared", "policies/teams"] {
        for (file, text) in policies(folder) {
            let formatted = format(&parse(&text).file);
            if std::env::var_os("UPDATE").is_some() && formatted != text {
                std::fs::write(path(folder).join(&file), &formatted).unwrap();
                continue;
            }
            assert_eq!(formatted, text, "{file}");
        }
    }
}

#[test]
fn every_example_is_the_same_as_yaml() {
    for folder in ["policies", "policies/shared", "policies/teams"] {
        for (file, text) in policies(folder) {
            let tree = parse(&text).file;
            let written = yaml::format(&tree);
            let back = yaml::parse(&written);
            assert!(back.is_ok(), "{file}\n{written}");
            assert_eq!(back.file, tree, "{file}");
            assert_eq!(format(&back.file), text, "{file}");
            assert_eq!(yaml::format(&back.file), written, "{file}");
            if folder != "policies" {
                continue; // Files that others import or delegate to.
            }
            let compiled = compiled(&format!("{file}.yaml"), &written);
            assert!(compiled.diagnostics.is_empty(), "{file}: {}", messages(&compiled));
        }
    }
}

#[test]
fn hello_auto_takes_the_cheapest_that_can() {
    let program = program("01-hello-auto.policy");
    let plan = Request::new().plan(&program);
    let first = &CATALOG[plan.steps[0].candidates[0]];
    let price = |model: &pointsman::catalog::Model| model.prices.as_ref().unwrap().base.output;
    assert!(price(first).0 > 0);
    let plan = Request::new().int("request.images", 1).yes("request.logprobs").plan(&program);
    for model in &plan.steps[0].candidates {
        let can = &CATALOG[*model].capabilities;
        assert!(can.vision && can.logprobs);
    }
}

#[test]
fn cheap_first_climbs_from_small_to_large() {
    let program = program("02-cheap-first.policy");
    let plan = Request::new().plan(&program);
    let steps: Vec<_> = plan.steps.iter().map(|step| &*step.name).collect();
    assert_eq!(steps, ["draft", "solid", "final"]);
    assert_eq!(ids(&plan, 0)[0], "local/qwen3-8b");
    assert_eq!(plan.hold, Hold::Full);
    assert!(plan.steps[2].escalate.is_none());
    let hard = Request::new()
        .with("difficulty", pointsman::policy::value::OwnedValue::Float(0.9))
        .plan(&program);
    assert_eq!((&*hard.route, hard.steps.len()), ("hard", 1));
}

#[test]
fn tiers_get_what_they_pay_for() {
    let program = program("03-tiers.policy");
    let free = Request::new().plan(&program);
    assert_eq!(&*free.route, "free");
    for model in &free.steps[0].candidates {
        let price = CATALOG[*model].prices.as_ref().unwrap().base.output;
        assert!(price.0 <= NanoDollars::from_dollars(1).0);
    }
    assert!(matches!(
        Request::new().tokens(5_000_000).decide(&program),
        Decision::Denied(_) | Decision::NoCandidate(_)
    ));
    // Even a free key that names a model stays below the line.
    assert!(matches!(
        Request::new().naming("anthropic/claude-sonnet-4.5").decide(&program),
        Decision::NoCandidate(_)
    ));
    let pro = |task| Request::new().text("key.meta[\"plan\"]", "pro").text("task", task);
    assert_eq!(&*pro("chat").plan(&program).route, "pro");
    let hard = pro("code").int("request.max_output", 1_000).plan(&program);
    assert_eq!((&*hard.route, hard.reason), ("pro-hard", PlanReason::Matched));
    let dear = pro("code").tokens(100_000).int("request.max_output", 8_000).plan(&program);
    assert!(dear.max_cost.unwrap() <= NanoDollars(100_000_000));
    let enterprise = Request::new().text("key.meta[\"plan\"]", "enterprise").plan(&program);
    assert_eq!(&*enterprise.route, "default");
}

#[test]
fn a_canary_keeps_its_users() {
    let program = program("04-canary.policy");
    let arm = |user: &str| {
        let plan = Request::new().text("key.env", "prod").text("user.id", user).plan(&program);
        let arm = plan.arm.unwrap();
        assert!(arm.sticky);
        arm.arm.to_string()
    };
    let users: Vec<String> = (0..1_000).map(|n| format!("user-{n}")).collect();
    let candidates = users.iter().filter(|user| arm(user) == "candidate").count();
    assert!((60..=140).contains(&candidates), "{candidates} of 1000");
    assert!(users.iter().all(|user| arm(user) == arm(user)));
    assert!(Request::new().plan(&program).arm.is_none());
}

#[test]
fn european_data_stays_in_europe() {
    let program = program("05-data-residency.policy");
    let eu = Request::new().text("key.meta[\"residency\"]", "eu");
    let plan = eu.plan(&program);
    assert_eq!(&*plan.route, "eu");
    assert_eq!(plan.settings.cache, Some(CacheDirective::Off));
    for model in plan.steps.iter().flat_map(|step| &step.candidates) {
        let model = &CATALOG[*model];
        let region = model.region.as_deref().unwrap_or_default();
        assert!(region.starts_with("eu") || model.capabilities.local, "{}", model.id);
    }
    let named = Request::new().text("key.meta[\"residency\"]", "eu").naming("openai/gpt-5");
    assert!(matches!(named.decide(&program), Decision::NoCandidate(_)));
    let home = Request::new().text("data.class", "restricted").plan(&program);
    assert!(home.steps[0].candidates.iter().all(|model| CATALOG[*model].capabilities.local));
}

#[test]
fn the_platform_refuses_strangers_and_thinks_less_at_night() {
    let program = program("06-platform.policy");
    assert!(
        matches!(Request::new().decide(&program), Decision::Denied(denied) if &*denied.rule == "unknown-org")
    );
    let ours = || Request::new().text("key.org", "acme").text("key.env", "prod");
    let preview = ours().naming("google/gemini-3-flash-preview").decide(&program);
    assert!(matches!(preview, Decision::Denied(denied) if &*denied.rule == "frozen-models"));
    let reasons = |request: Request| {
        let plan = request.plan(&program);
        plan.settings.parameters.iter().any(|parameter| parameter.name.name() == "reasoning")
    };
    assert!(!reasons(ours()));
    assert!(reasons(ours().at("2026-11-18T22:00:00Z")));
    let agent = ours().int("request.tools", 2).text("task", "agent").plan(&program);
    assert_eq!(&*agent.route, "agent");
    assert!(agent.steps[0].candidates.iter().all(|model| CATALOG[*model].capabilities.tools));
}

#[test]
fn aliases_replace_only_what_they_name() {
    let program = program("07-aliases.policy");
    for (named, expected) in [
        ("gpt-4", "openai/gpt-5-mini"),
        ("gpt-4o-mini", "openai/gpt-5"),
        ("claude-3-opus", "anthropic/claude-haiku-4.5"),
    ] {
        assert_eq!(ids(&Request::new().naming(named).plan(&program), 0), [expected], "{named}");
    }
    let exact = Request::new().naming("anthropic/claude-sonnet-4.5").plan(&program);
    assert_eq!(ids(&exact, 0), ["anthropic/claude-sonnet-4.5"]);
    assert_eq!(exact.reason, PlanReason::Requested);
    assert!(matches!(Request::new().naming("gpt-3").decide(&program), Decision::UnknownModel));
    let batch =
        |tokens| Request::new().naming("openai/gpt-5").text("hint.latency", "batch").tokens(tokens);
    let small = batch(100).int("request.max_output", 200).plan(&program);
    assert_eq!((&*small.route, ids(&small, 0)[0]), ("batch", "openai/gpt-5"));
    let large = batch(5_000).int("request.max_output", 4_000).plan(&program);
    assert_eq!(large.reason, PlanReason::Degraded);
}

#[test]
fn trouble_is_steered_around() {
    let program = program("08-incident.policy");
    let healthy = || Request::new().int("pool[\"main\"].healthy", 4);
    assert_eq!(&*healthy().plan(&program).route, "default");
    let shaky = healthy().int("model[\"openai/gpt-5-mini\"].error_rate", 3_000);
    assert_eq!(&*shaky.plan(&program).route, "main-is-shaky");
    assert_eq!(&*healthy().int("pool[\"main\"].healthy", 1).plan(&program).route, "main-is-shaky");
}

#[test]
fn the_demo_needs_only_the_built_in_provider() {
    let program = program("demo.policy");
    let models = program.pools.iter().flat_map(|pool| &pool.members);
    assert!(models.clone().count() > 5);
    assert!(models.into_iter().all(|member| CATALOG[member.model].provider.as_str() == "sim"));

    let free = Request::new().int("request.images", 5).decide(&program);
    assert!(matches!(free, Decision::Denied(denied) if denied.status == 402));
    assert_eq!(ids(&Request::new().naming("gpt-4o").plan(&program), 0), ["sim/large"]);
    let faq = Request::new().text("header[\"x-app\"]", "faq").plan(&program);
    assert!(matches!(faq.settings.cache, Some(CacheDirective::Exact { .. })));
    let code = Request::new().text("task", "code").text("key.tier", "pro").plan(&program);
    assert_eq!((&*code.route, ids(&code, 0)), ("code", vec!["sim/reasoner", "sim/large"]));
    let long = Request::new().text("task", "summarize").tokens(40_000).plan(&program);
    assert_eq!(&*long.route, "long");
    let chat = Request::new().text("user.id", "anna").plan(&program);
    assert_eq!(&*chat.arm.unwrap().split, "candidate");
    let other = Request::new().text("task", "other").plan(&program);
    assert_eq!(other.steps.len(), 3);
    assert_eq!((ids(&other, 0)[0], other.hold), ("sim/tiny", Hold::Full));
}
