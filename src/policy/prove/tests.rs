//! Random small policies: every verdict is what trying all requests with the evaluator shows.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;

use crate::catalog::{Catalog, Live, ModelIdx, ProviderModels};
use crate::ids::{ModelId, PolicyName};
use crate::policy::check::Surroundings;
use crate::policy::cond::Operand;
use crate::policy::diagnostic::Severity;
use crate::policy::eval::{Situation, decide};
use crate::policy::plain::Said;
use crate::policy::plan::Decision;
use crate::policy::program::{Claim, ModelSet, Program};
use crate::policy::schema::{Attr, AttrRef};
use crate::policy::syntax::tree::Quantifier;
use crate::policy::value::OwnedValue;
use crate::policy::{Compiled, compile};

/// Four models, the later the dearer and better; only `c` and `d` see pictures, `a` has no tools.
const MODELS: &str = "
- provider: t
  defaults: { region: us, date: 2026-01-01, source: test }
  models:
    a: { context: 8000, max_output: 2000, price: { input: 1, output: 1 }, can: [json], quality: { overall: 10, source: test } }
    b: { context: 32000, max_output: 4000, price: { input: 10, output: 10 }, can: [tools, json], quality: { overall: 40, source: test }, region: eu }
    c: { context: 64000, max_output: 8000, price: { input: 20, output: 20 }, can: [tools, json, vision], quality: { overall: 70, source: test } }
    d: { context: 128000, max_output: 16000, price: { input: 100, output: 100 }, can: [tools, json, vision], quality: { overall: 95, source: test }, region: eu }
";

static CATALOG: LazyLock<Arc<Catalog>> = LazyLock::new(|| {
    let rows: Vec<ProviderModels> = serde_yaml::from_str(MODELS).unwrap();
    Arc::new(Catalog::extended(&rows).unwrap())
});

fn compiled(text: &str) -> Compiled {
    let files = |_: &str| Err("none".to_owned());
    let surroundings = Surroundings::new(&CATALOG, &files);
    compile(&PolicyName::new("test"), "test.policy", text, &surroundings)
}

/// Two requests' ids that are dealt to different arms of `parts`.
static ARMS: LazyLock<[String; 2]> = LazyLock::new(|| {
    let text = format!("{TARGETS_TEXT}default -> parts\n");
    let program = compiled(&text).program.unwrap();
    let shape = super::shape::Shape::of(&super::Prover::new(&program, &[]).unwrap());
    let arm = |id: &String| {
        let mut said = Said::default();
        let operand = Operand::Attr(AttrRef::plain(Attr::RequestId));
        said.say(&operand, OwnedValue::Str(id.as_str().into()));
        match shape.decide(&program, &said) {
            Decision::Plan(plan) => plan.arm.unwrap().arm,
            other => panic!("{other:?}"),
        }
    };
    let ids = || (0..100).map(|id| id.to_string());
    ["first", "second"].map(|wanted| ids().find(|id| &*arm(id) == wanted).unwrap())
});

const TARGETS_TEXT: &str = "pool one = [t/a, t/b] pick first\npool two = [t/c, t/d] pick first\n\
    ladder climb { hold full; step x -> one escalate when failed; step y -> t/c }\n\
    split parts { first 50% -> one; second rest -> t/d }\n";

/// The attributes that policies speak of: a condition for each of their values, and a value that is
/// none of those.
const SUBJECTS: [(Attr, &[&str]); 8] = [
    (Attr::RequestStream, &["request.stream", "not request.stream"]),
    (
        Attr::KeyTier,
        &["key.tier == free", "key.tier != free", "key.tier in [free, pro]", "key.tier == pro"],
    ),
    (
        Attr::Task,
        &["task == code", "task in [code, chat]", "task not in [chat, math]", "task == chat"],
    ),
    (
        Attr::KeyTeam,
        &[
            "key.team == \"x\"",
            "key.team is absent",
            "key.team != \"x\"",
            "key.team like \"x*\"",
            "key.team in [\"x\", \"y\"]",
        ],
    ),
    (Attr::RequestTools, &["request.tools > 0", "request.tools == 0", "request.tools > 2"]),
    (Attr::RequestImages, &["request.images > 0", "request.images in 1..3"]),
    (
        Attr::InputTokens,
        &[
            "input.tokens > 4k",
            "input.tokens < 1k",
            "input.tokens in 1k..10k",
            "input.tokens >= 40k",
        ],
    ),
    (
        Attr::RequestModel,
        &["request.model == \"t/a\"", "request.model like \"t/*\"", "request.model != \"auto\""],
    ),
];

/// A value for every class that the conditions above tell apart.
fn values(attr: Attr, text: &str) -> Vec<OwnedValue> {
    let texts = |texts: &[&str]| texts.iter().map(|it| OwnedValue::Str((*it).into())).collect();
    match attr {
        Attr::RequestStream => vec![OwnedValue::Bool(false), OwnedValue::Bool(true)],
        Attr::KeyTier => texts(&["free", "pro", "enterprise"]),
        Attr::Task => texts(&["chat", "code", "math", "other"]),
        Attr::KeyTeam => {
            let mut all: Vec<OwnedValue> = texts(&["x", "y", "xy", "z"]);
            all.push(OwnedValue::Absent);
            all
        }
        Attr::RequestTools => [0, 1, 3].map(OwnedValue::Int).into(),
        Attr::RequestImages => [0, 1, 3].map(OwnedValue::Int).into(),
        // The least of each class that the policy tells apart: whoever fits it fits for some.
        Attr::InputTokens => {
            let cuts = [(1_000, "1k"), (4_001, "> 4k"), (10_000, "..10k"), (40_000, "40k")];
            let cuts = cuts.into_iter().filter(|(_, written)| text.contains(written));
            [10].into_iter().chain(cuts.map(|(cut, _)| cut)).map(OwnedValue::Int).collect()
        }
        _ => texts(&["auto", "auto/x", "t/a", "t/b", "t/c", "t/d", "nobody/else"]),
    }
}

#[derive(Debug, Clone)]
enum Written {
    Atom(usize, usize),
    Not(Box<Written>),
    And(Vec<Written>),
    Or(Vec<Written>),
}

impl Written {
    /// In the language, over these subjects.
    fn text(&self, subjects: &[usize]) -> String {
        match self {
            Written::Atom(subject, test) => {
                let (_, tests) = SUBJECTS[subjects[subject % subjects.len()]];
                tests[test % tests.len()].to_owned()
            }
            Written::Not(inner) => format!("not ({})", inner.text(subjects)),
            Written::And(all) => join(all, subjects, " and "),
            Written::Or(any) => join(any, subjects, " or "),
        }
    }
}

fn join(parts: &[Written], subjects: &[usize], word: &str) -> String {
    let parts: Vec<String> = parts.iter().map(|it| format!("({})", it.text(subjects))).collect();
    parts.join(word)
}

fn condition() -> impl Strategy<Value = Written> {
    let atom = (0..8usize, 0..8usize).prop_map(|(subject, test)| Written::Atom(subject, test));
    atom.prop_recursive(2, 5, 3, |inner| {
        prop_oneof![
            3 => prop::collection::vec(inner.clone(), 2..4).prop_map(Written::And),
            1 => prop::collection::vec(inner.clone(), 2..3).prop_map(Written::Or),
            1 => inner.prop_map(|it| Written::Not(Box::new(it))),
        ]
    })
}

const FILTERS: [&str; 4] = ["quality >= 60", "region == eu", "price.output <= $10/Mtok", "tools"];
const TARGETS: [&str; 6] = ["one", "two", "climb", "parts", "t/b", "t/d"];
const SETTINGS: [&str; 5] = [
    "set temperature = 0",
    "set temperature = 1",
    "timeout total 9s",
    "set max_output <= 1k",
    "fallback t/c on any",
];
const CLAIMS: [&str; 8] = [
    "every model where quality >= 30",
    "every model where region == eu",
    "no model where quality >= 90",
    "no model where not tools",
    "route in [r0, r1]",
    "never denied",
    "always denied",
    "some model where tools",
];

#[derive(Debug, Clone)]
struct Draw {
    subjects: Vec<usize>,
    denies: Vec<Written>,
    requires: Vec<(Written, usize)>,
    tunes: Vec<(Written, usize)>,
    routes: Vec<(Written, usize, Option<usize>)>,
    default: Option<usize>,
    invariants: Vec<(Option<Written>, usize)>,
}

fn draw() -> impl Strategy<Value = Draw> {
    (
        prop::sample::subsequence((0..SUBJECTS.len()).collect::<Vec<_>>(), 2..=4),
        prop::collection::vec(condition(), 0..3),
        prop::collection::vec((condition(), 0..FILTERS.len()), 0..3),
        prop::collection::vec((condition(), 0..SETTINGS.len()), 0..3),
        prop::collection::vec(
            (condition(), 0..TARGETS.len(), prop::option::weighted(0.3, 0..FILTERS.len())),
            2..6,
        ),
        prop::option::weighted(0.7, 0..TARGETS.len()),
        prop::collection::vec((prop::option::of(condition()), 0..CLAIMS.len()), 0..3),
    )
        .prop_map(|(subjects, denies, requires, tunes, routes, default, invariants)| Draw {
            subjects,
            denies,
            requires,
            tunes,
            routes,
            default,
            invariants,
        })
}

impl Draw {
    fn text(&self) -> String {
        let mut text = TARGETS_TEXT.to_owned();
        let when = |cond: &Written| cond.text(&self.subjects);
        for (index, cond) in self.denies.iter().enumerate() {
            text += &format!("deny d{index} when {} because \"no\"\n", when(cond));
        }
        for (index, (cond, filter)) in self.requires.iter().enumerate() {
            let filter = FILTERS[*filter];
            text += &format!("require q{index} when {} only models where {filter}\n", when(cond));
        }
        for (index, (cond, setting)) in self.tunes.iter().enumerate() {
            text += &format!("tune t{index} when {} {{ {} }}\n", when(cond), SETTINGS[*setting]);
        }
        for (index, (cond, target, only)) in self.routes.iter().enumerate() {
            let target = TARGETS[*target];
            let body = only
                .map_or_else(String::new, |it| format!(" {{ only models where {} }}", FILTERS[it]));
            text += &format!("route r{index} when {} -> {target}{body}\n", when(cond));
        }
        if let Some(target) = self.default {
            text += &format!("default -> {}\n", TARGETS[target]);
        }
        for (index, (cond, claim)) in self.invariants.iter().enumerate() {
            let cond = cond.as_ref().map_or_else(String::new, |it| format!("when {} ", when(it)));
            text += &format!("invariant i{index} {cond}{{ {} }}\n", CLAIMS[*claim]);
        }
        text
    }

    /// Every request that differs for some policy over these subjects, each with ids for both arms.
    fn requests(&self) -> Vec<Said> {
        let text = self.text();
        let mut all = vec![Said::default()];
        for subject in &self.subjects {
            let attr = SUBJECTS[*subject].0;
            // Of what a policy does not speak, requests are as usual.
            if !text.contains(attr.def().name) {
                continue;
            }
            let operand = Operand::Attr(AttrRef::plain(attr));
            all = all
                .iter()
                .flat_map(|known| {
                    values(attr, &text).into_iter().map(|value| {
                        let mut said = known.clone();
                        said.say(&operand, value);
                        said
                    })
                })
                .collect();
        }
        all
    }
}

/// One request, tried.
struct Trial {
    said: Said,
    denied: Vec<usize>,
    route: Option<usize>,
    decisions: Vec<Decision>,
}

fn try_all(program: &Program, requests: Vec<Said>) -> Vec<Trial> {
    let live = Live::fresh(CATALOG.models().len());
    let enabled = ModelSet::of(&CATALOG, |_| true);
    let id = Operand::Attr(AttrRef::plain(Attr::RequestId));
    let model = AttrRef::plain(Attr::RequestModel);
    let split = program
        .routes
        .iter()
        .any(|route| matches!(route.target, crate::policy::program::Target::Split(_)));
    let ids: &[String] = if split { &*ARMS } else { &ARMS[..1] };
    let mut trials = Vec::new();
    for said in requests {
        use crate::policy::value::{Facts, Value};
        let named = match said.get(&model) {
            Value::Str(name) => CATALOG.get(&ModelId::new(name)),
            _ => None,
        };
        let matches = program.table.decide(&said);
        let decisions = ids.iter().map(|one| {
            let mut said = said.clone();
            said.say(&id, OwnedValue::Str(one.as_str().into()));
            let situation = Situation {
                facts: &said,
                live: &live,
                enabled: &enabled,
                allowed: &|_| true,
                named,
                remembered: &|_| None,
                meter: &(),
                seed: 0,
                turn: 0,
            };
            decide(program, &situation)
        });
        let decisions = decisions.collect();
        let all = matches.all.iter().map(|it| *it as usize);
        let denied = all.filter(|it| *it < program.denies.len()).collect();
        let route = matches.first.map(|it| it as usize);
        trials.push(Trial { said, denied, route, decisions });
    }
    trials
}

impl Trial {
    fn passes(&self) -> bool {
        self.denied.is_empty()
    }
    fn touched(&self) -> Vec<Vec<ModelIdx>> {
        let plans = self.decisions.iter().filter_map(|decision| match decision {
            Decision::Plan(plan) => Some(plan),
            _ => None,
        });
        plans
            .map(|plan| {
                let steps = plan.steps.iter().flat_map(|step| step.candidates.iter().copied());
                let fallback = plan.fallback.iter().flat_map(|(models, _)| models.iter().copied());
                steps.chain(fallback).collect()
            })
            .collect()
    }
}

fn named(compiled: &Compiled, code: &str) -> BTreeSet<String> {
    let found = compiled.diagnostics.iter().filter(|it| it.code.0 == code);
    found.map(|it| compiled.sources.slice(it.primary.span).to_owned()).collect()
}

fn differ(what: &str, text: &str, found: &BTreeSet<String>, expected: &BTreeSet<String>) -> String {
    format!("{what}: found {found:?}, but trying all requests shows {expected:?}\n{text}")
}

fn program(draw: &Draw, text: &str) -> Option<(Compiled, Arc<Program>)> {
    let whole = compiled(text);
    // A broken promise keeps the policy from loading; its rules can be tried without it.
    let program = match &whole.program {
        Some(program) => program.clone(),
        None => {
            let bare = Draw { invariants: Vec::new(), default: draw.default, ..draw.clone() };
            compiled(&bare.text()).program?
        }
    };
    Some((whole, program))
}

fn check_rules(draw: &Draw) -> Result<(), TestCaseError> {
    let text = draw.text();
    let found = compiled(&text);
    let wrong = found.diagnostics.iter().find(|it| {
        it.severity == Severity::Error && !matches!(it.code.0, "P4004" | "P5001" | "P5002")
    });
    prop_assert!(wrong.is_none(), "{text}{wrong:#?}");
    // Without a `default` there is no program to try; with one nothing else changes.
    let with_default = Draw { default: Some(draw.default.unwrap_or(0)), ..draw.clone() };
    let Some((_, program)) = program(&with_default, &with_default.text()) else {
        return Err(TestCaseError::fail(format!("does not compile\n{text}")));
    };
    let trials = try_all(&program, draw.requests());

    // P4004: a request that leaves the choice to the policy comes to the default.
    let default = program.routes.len() - 1;
    let gap = trials.iter().any(|it| it.passes() && it.route == Some(default));
    let told = found.diagnostics.iter().any(|it| it.code.0 == "P4004");
    prop_assert_eq!(told, gap && draw.default.is_none(), "gap\n{}", text);

    // P4001 and P4002: no request is stopped by the rule.
    let dead = |rule: &crate::policy::program::Rule, first: &dyn Fn(&Trial) -> bool| {
        let reached = trials.iter().any(|it| rule.when.holds(&it.said) && first(it));
        let possible = trials.iter().any(|it| rule.own.holds(&it.said));
        (!reached && possible).then(|| rule.name.to_string())
    };
    let mut expected: BTreeSet<String> = BTreeSet::new();
    for (index, deny) in program.denies.iter().enumerate() {
        expected.extend(dead(&deny.rule, &|it| it.denied.first() == Some(&index)));
    }
    for require in &program.requires {
        expected.extend(dead(&require.rule, &Trial::passes));
    }
    for tune in &program.tunes {
        expected.extend(dead(&tune.rule, &Trial::passes));
    }
    for (index, route) in program.routes[..default].iter().enumerate() {
        expected.extend(dead(&route.rule, &|it| it.passes() && it.route == Some(index)));
    }
    let told = named(&found, "P4001");
    prop_assert!(told == expected, "{}", differ("P4001", &text, &told, &expected));
    let rules = (program.denies.iter().map(|it| &it.rule))
        .chain(program.requires.iter().map(|it| &it.rule))
        .chain(program.tunes.iter().map(|it| &it.rule))
        .chain(program.routes.iter().map(|it| &it.rule));
    let never = rules.filter(|rule| !trials.iter().any(|it| rule.own.holds(&it.said))).count();
    let told = found.diagnostics.iter().filter(|it| it.code.0 == "P4002").count();
    let premises = draw.invariants.iter().filter(|it| it.0.is_some()).count();
    prop_assert!((never..=never + premises).contains(&told), "P4002: {told}, not {never}\n{text}");

    // P4006: both match, and the later one has the last word of the two.
    let mut expected = BTreeSet::new();
    for (later, (_, setting)) in draw.tunes.iter().enumerate() {
        for (earlier, (_, other)) in draw.tunes[..later].iter().enumerate() {
            let third = draw.tunes[later + 1..].iter().enumerate();
            let third: Vec<usize> = third
                .filter(|(_, (_, setting))| *setting < 2)
                .map(|(index, _)| later + 1 + index)
                .collect();
            let rule = |index: usize| &program.tunes[index].rule.when;
            let both = trials.iter().any(|it| {
                it.passes()
                    && rule(earlier).holds(&it.said)
                    && rule(later).holds(&it.said)
                    && !third.iter().any(|third| rule(*third).holds(&it.said))
            });
            if both && setting + other == 1 {
                expected.insert(format!("t{later}"));
            }
        }
    }
    let told = named(&found, "P4006");
    prop_assert!(told == expected, "{}", differ("P4006", &text, &told, &expected));
    Ok(())
}

fn check_models(draw: &Draw) -> Result<(), TestCaseError> {
    let draw = &Draw { default: Some(draw.default.unwrap_or(0)), ..draw.clone() };
    let text = draw.text();
    let Some((found, program)) = program(draw, &text) else {
        return Err(TestCaseError::fail(format!("does not compile\n{text}")));
    };
    let trials = try_all(&program, draw.requests());

    // P4005: some request of the route has no candidate.
    let mut expected = BTreeSet::new();
    for trial in trials.iter().filter(|it| it.passes()) {
        let empty = trial.decisions.iter().any(|it| matches!(it, Decision::NoCandidate(_)));
        if let (true, Some(route)) = (empty, trial.route) {
            expected.insert(program.routes[route].rule.name.to_string());
        }
    }
    let told = named(&found, "P4005");
    prop_assert!(told == expected, "{}", differ("P4005", &text, &told, &expected));

    // P5001 and P5003, claim by claim. The claims stand in the text, not in the bare program.
    let claims = compiled_claims(draw);
    for (index, (premise, claim)) in claims.iter().enumerate() {
        let mentions = premise.mentions(Attr::RequestModel);
        let within = || trials.iter().filter(|it| premise.holds(&it.said));
        let breaks = |trial: &&Trial| -> bool {
            match claim {
                Claim::Models(quantifier, filter) => trial.touched().iter().any(|models| {
                    let mut passing = models.iter().map(|model| filter.pass.contains(*model));
                    match quantifier {
                        Quantifier::Every => !passing.all(|it| it),
                        Quantifier::No => passing.any(|it| it),
                        Quantifier::Some => !passing.any(|it| it),
                    }
                }),
                Claim::NeverDenied => !trial.passes(),
                Claim::AlwaysDenied => trial.passes(),
                Claim::RouteIn(names) => {
                    trial.passes()
                        && match trial.route {
                            Some(route) => !names.contains(&program.routes[route].rule.name),
                            None => true,
                        }
                }
                _ => false,
            }
        };
        let by_policy = |it: &&Trial| it.route.is_some() || mentions;
        let (broken, weak) = match claim {
            Claim::NeverDenied | Claim::AlwaysDenied => (within().any(|it| breaks(&it)), false),
            Claim::Models(Quantifier::Some, _) => {
                (within().filter(|it| it.route.is_some()).any(|it| breaks(&it)), false)
            }
            Claim::Models(..) => {
                let broken = within().filter(by_policy).any(|it| breaks(&it));
                (broken, !broken && within().any(|it| breaks(&it)))
            }
            _ => (within().filter(by_policy).any(|it| breaks(&it)), false),
        };
        let line = found
            .sources
            .text()
            .lines()
            .position(|line| line.starts_with(&format!("invariant i{index} ")));
        let here = |code: &str| {
            found.diagnostics.iter().any(|it| {
                it.code.0 == code
                    && found.sources.line(it.primary.span) as usize == line.unwrap_or(0) + 1
            })
        };
        prop_assert!(!here("P5002"), "i{index} is undecided\n{text}");
        // The catalogue has more models that can be named than are tried.
        let agrees = here("P5001") == broken || (mentions && !broken);
        prop_assert!(agrees, "i{index}: broken: {broken}\n{text}");
        let agrees = here("P5003") || !weak;
        prop_assert!(agrees, "i{index}: named\n{text}");
    }
    Ok(())
}

/// The checked claims of a draw, whether or not they hold.
fn compiled_claims(draw: &Draw) -> Vec<(crate::policy::cond::Cond, Claim)> {
    let claims = draw.invariants.iter().enumerate().map(|(index, _)| {
        // One at a time over a policy in which all hold for want of routes to break them.
        let mut only = draw.clone();
        only.invariants = vec![draw.invariants[index].clone()];
        let loaded = crate::policy::load::load(
            "test.policy",
            &only.text(),
            &Surroundings::new(&CATALOG, &|_| Err("none".to_owned())),
        );
        let sources = Arc::new(loaded.sources);
        let surroundings = Surroundings::new(&CATALOG, &|_| Err("none".to_owned()));
        let checked = crate::policy::check::check(
            &PolicyName::new("test"),
            &sources,
            &loaded.units,
            &surroundings,
        );
        let program = checked.program.unwrap();
        let invariant = &program.invariants[0];
        (invariant.rule.when.clone(), invariant.claims[0].0.clone())
    });
    claims.collect()
}

/// More with `PROPTEST_CASES`.
fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|it| it.parse().ok());
    ProptestConfig {
        cases: cases.unwrap_or(700),
        max_shrink_iters: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]
    #[test]
    fn rules_are_dead_where_no_request_shows_otherwise(draw in draw()) {
        check_rules(&draw)?;
    }

    #[test]
    fn models_and_promises_are_as_trying_shows(draw in draw()) {
        check_models(&draw)?;
    }
}

#[test]
fn models_that_retire_are_told_by_the_day() {
    let text = "pool p = [anthropic/claude-sonnet-4-5, t/a] pick first\ndefault -> p\n";
    let on = |day: &str| {
        let files = |_: &str| Err("none".to_owned());
        let surroundings = Surroundings::new(&CATALOG, &files).on(day.parse().unwrap());
        let compiled = compile(&PolicyName::new("test"), "test.policy", text, &surroundings);
        let found = compiled.diagnostics.into_iter().find(|it| it.code.0 == "P4014");
        found.map(|it| (it.message, it.primary.text, it.fixes.len()))
    };
    assert_eq!(on("2026-10-30"), None);
    let (message, label, fixes) = on("2026-10-31").unwrap();
    assert_eq!(message, "anthropic/claude-sonnet-4-5 retires on 2026-11-30");
    assert_eq!((&*label, fixes), ("30 days left", 1));
    assert_eq!(on("2026-12-01").unwrap().1, "gone");
    assert!(compiled(text).diagnostics.is_empty(), "no day, no word");
}

#[test]
fn a_search_that_is_given_up_is_no_proof() {
    let program =
        compiled(&format!("{TARGETS_TEXT}route r when task == code -> two\ndefault -> climb\n"));
    let program = program.program.unwrap();
    let budget = super::escape::Budget(0);
    let prover = super::Prover::within(&program, &[], budget).unwrap();
    assert_eq!(prover.reach(super::RuleRef::Route(0)), super::Reach::Undecided);
}
