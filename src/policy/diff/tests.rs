use std::collections::BTreeSet;
use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::catalog::Catalog;
use crate::ids::PolicyName;
use crate::policy::cond::Operand;
use crate::policy::schema::{Attr, AttrRef};
use crate::policy::value::OwnedValue;
use crate::policy::{Surroundings, compile};

static CATALOG: LazyLock<Arc<Catalog>> = LazyLock::new(|| Arc::new(Catalog::embedded()));

fn program(text: &str) -> Arc<Program> {
    let surroundings = Surroundings::new(&CATALOG, &|_| Err("none".to_owned()));
    let compiled = compile(&PolicyName::new("test"), "test.policy", text, &surroundings);
    compiled.program.unwrap_or_else(|| panic!("{text}\n{:#?}", compiled.diagnostics))
}

fn changes(old: &str, new: &str) -> Vec<(&'static str, String, String)> {
    let (old, new) = (program(old), program(new));
    let diff = diff(&old, &new).unwrap();
    assert!(!diff.undecided && !diff.more);
    let name = |rule: &Option<RuleName>| rule.as_ref().map_or("", |rule| &rule.name).to_owned();
    diff.changes
        .iter()
        .map(|change| {
            assert!(change.certain && change.before != change.after || change.kind == Kind::Tuned);
            (change.kind.word(), name(&change.old), name(&change.new))
        })
        .collect()
}

const BASE: &str = "route code when task == code -> sim/small\n\
                    route long when input.tokens > 32k -> sim/large\n\
                    default -> sim/tiny\n";

#[test]
fn what_does_the_same_is_no_change() {
    assert_eq!(changes(BASE, BASE), []);
    // Names of pools, comments, another spelling, a route that is split without effect.
    let same = "pool one = [sim/small]\n# said otherwise\n\
                route code when task == code and input.tokens > 5 -> one\n\
                route code-too when task == code -> one\n\
                route long when not (input.tokens <= 32k) -> sim/large\ndefault -> sim/tiny\n";
    let old = BASE.replace("-> sim/small", "-> one") + "pool one = [sim/small]\n";
    assert_eq!(changes(&old, same), []);
}

#[test]
fn moved_routes_and_changed_conditions_are_seen_where_they_matter() {
    let turned = "route long when input.tokens > 32k -> sim/large\n\
                  route code when task == code -> sim/small\ndefault -> sim/tiny\n";
    assert_eq!(changes(BASE, turned), [("routed", "code".into(), "long".into())]);
    let earlier = BASE.replace("32k", "16k");
    assert_eq!(changes(BASE, &earlier), [("routed", "default".into(), "long".into())]);
    let other = BASE.replace("-> sim/tiny", "-> sim/small");
    assert_eq!(changes(BASE, &other), [("routed", "default".into(), "default".into())]);
    // The move of a route past one that it never meets.
    let apart = "route a when key.env == prod -> sim/small\nroute b when key.env == dev -> sim/large\n\
                 default -> sim/tiny\n";
    let turned = "route b when key.env == dev -> sim/large\nroute a when key.env == prod -> sim/small\n\
                  default -> sim/tiny\n";
    assert_eq!(changes(apart, turned), []);
}

#[test]
fn denials_constraints_and_settings_are_seen() {
    let deny = format!("deny free when key.tier == free because \"no\"\n{BASE}");
    assert_eq!(changes(BASE, &deny), [("denied", "".into(), "free".into())]);
    assert_eq!(changes(&deny, BASE), [("allowed", "free".into(), "".into())]);
    let require = format!("require big when task == code only models where context > 1M\n{BASE}");
    assert_eq!(changes(BASE, &require)[0], ("restricted", "".into(), "big".into()));
    let tune = format!("tune cold when task == code {{ set temperature = 0 }}\n{BASE}");
    assert_eq!(changes(BASE, &tune), [("tuned", "".into(), "cold".into())]);
}

#[test]
fn a_declaration_that_changes_changes_who_is_meant() {
    let old = "enum tier = free | pro\nattribute key.tier: tier from key.meta[\"plan\"] else free\n\
               route pro when key.tier == pro -> sim/large\ndefault -> sim/tiny\n";
    let new = old.replace("else free", "else pro");
    assert_eq!(changes(old, &new), [("routed", "default".into(), "pro".into())]);
}

/// Conditions over a small world, as texts.
fn cond() -> impl Strategy<Value = String> {
    let test = prop::sample::select(vec![
        "task == code",
        "task in [code, math]",
        "task != chat",
        "key.tier == free",
        "key.tier != pro",
        "request.stream",
        "input.tokens > 8k",
        "input.tokens in 2k..9k",
        "key.team == \"a\"",
        "key.team like \"a*\"",
    ]);
    prop::collection::vec((test, any::<bool>()), 1..3).prop_map(|tests| {
        let tests: Vec<String> = tests
            .into_iter()
            .map(|(test, not)| if not { format!("not ({test})") } else { test.to_owned() })
            .collect();
        tests.join(" and ")
    })
}

fn policy() -> impl Strategy<Value = String> {
    let target = prop::sample::select(vec!["sim/tiny", "sim/small", "sim/large"]);
    let routes = prop::collection::vec((cond(), target), 1..5);
    (routes, prop::option::of(cond())).prop_map(|(routes, deny)| {
        let mut text = String::new();
        if let Some(deny) = deny {
            text += &format!("deny d when {deny} because \"no\"\n");
        }
        for (index, (cond, target)) in routes.iter().enumerate() {
            text += &format!("route r{index} when {cond} -> {target}\n");
        }
        text + "default -> sim/tiny\n"
    })
}

/// All requests of the small world.
fn world() -> impl Iterator<Item = Said> {
    // `extract` stands for all tasks that no condition names.
    let tasks = ["code", "math", "chat", "extract"];
    let tiers = ["free", "pro", "enterprise"];
    let teams = [None, Some("a"), Some("ab"), Some("b")];
    let tokens = [100, 2_000, 8_500, 9_000];
    let mut all = Vec::new();
    for task in tasks {
        for tier in tiers {
            for stream in [false, true] {
                for team in teams {
                    for tokens in tokens {
                        let mut said = Said::default();
                        let mut say = |attr, value| {
                            said.say(&Operand::Attr(AttrRef::plain(attr)), value);
                        };
                        say(Attr::Task, OwnedValue::Str(task.into()));
                        say(Attr::KeyTier, OwnedValue::Str(tier.into()));
                        say(Attr::RequestStream, OwnedValue::Bool(stream));
                        say(Attr::InputTokens, OwnedValue::Int(tokens));
                        let team = team.map_or(OwnedValue::Absent, |it| OwnedValue::Str(it.into()));
                        say(Attr::KeyTeam, team);
                        all.push(said);
                    }
                }
            }
        }
    }
    all.into_iter()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn the_comparison_agrees_with_trying_every_request(old in policy(), new in policy()) {
        let (old, new) = (program(&old), program(&new));
        let target = |outcome: &Outcome| match outcome {
            Outcome::Plan { models, .. } => Ok(models.clone()),
            _ => Err(()),
        };
        let name = |outcome: &Outcome| match outcome {
            Outcome::Plan { route, .. } => route.to_string(),
            _ => "denied".to_owned(),
        };
        let (before, after) = (Trial::of(&old), Trial::of(&new));
        let mut expected: BTreeSet<(String, String)> = BTreeSet::new();
        for request in world() {
            let (one, other) = (before.outcome(&request), after.outcome(&request));
            let denied = target(&one).is_err() != target(&other).is_err();
            if denied || target(&one) != target(&other) {
                expected.insert(if denied {
                    let now = target(&other).is_err();
                    (if now { "now" } else { "before" }.to_owned(), "denied".to_owned())
                } else {
                    (name(&one), name(&other))
                });
            }
        }
        let name = |rule: &Option<RuleName>| rule.as_ref().map_or("", |rule| &rule.name).to_owned();
        let found: BTreeSet<(String, String)> = diff(&old, &new)
            .unwrap()
            .changes
            .iter()
            .map(|change| match change.kind {
                Kind::Denied => ("now".to_owned(), "denied".to_owned()),
                Kind::Allowed => ("before".to_owned(), "denied".to_owned()),
                _ => (name(&change.old), name(&change.new)),
            })
            .collect();
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn rises_are_found() {
    let rise = |values: &[usize]| {
        let values: Vec<Option<usize>> = values.iter().map(|value| Some(*value)).collect();
        longest_rise(&values).len()
    };
    assert_eq!(rise(&[0, 1, 2]), 3);
    assert_eq!(rise(&[2, 0, 1]), 2);
    assert_eq!(rise(&[2, 1, 0]), 1);
    assert_eq!(longest_rise(&[None, Some(4), None]), [1]);
}

#[test]
fn what_becomes_of_named_models_is_seen() {
    let gone = "alias \"gpt-4\" -> sim/small\n";
    let with = format!("{gone}{BASE}");
    assert_eq!(changes(&with, BASE), [("routed", "gpt-4".into(), "".into())]);
    assert_eq!(changes(BASE, &with), [("routed", "".into(), "gpt-4".into())]);
    let steals = format!("route steal when request.model == \"sim/large\" -> sim/tiny\n{BASE}");
    assert_eq!(changes(BASE, &steals), [("routed", "".into(), "steal".into())]);
}

#[test]
fn refusals_budgets_and_limits_are_seen() {
    let deny = |said: &str| format!("deny free when key.tier == free because {said}\n{BASE}");
    let (old, new) = (program(&deny("\"no\"")), program(&deny("\"pay\" status 402")));
    let found = diff(&old, &new).unwrap();
    assert_eq!(found.changes.len(), 1);
    assert_ne!(found.changes[0].before, found.changes[0].after);
    let counted = |text: &str| {
        let (old, new) = (program(BASE), program(&format!("{text}\n{BASE}")));
        diff(&old, &new).unwrap().changes.iter().map(|it| it.kind.word()).collect::<Vec<_>>()
    };
    assert_eq!(counted("limit rpm 60/min per key.id else deny"), ["counted"]);
    assert_eq!(counted("budget b $5 per day per key.id { at 100% deny }"), ["counted"]);
}
