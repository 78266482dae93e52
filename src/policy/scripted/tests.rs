use std::cell::Cell;
use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use jiff::Timestamp;

use super::*;
use crate::catalog::{Catalog, Live, ModelIdx, ProviderModels};
use crate::ids::PolicyName;
use crate::policy::cond::Declared;
use crate::policy::eval::{Situation, decide, decide_listening};
use crate::policy::plain::plain;
use crate::policy::plan::Decision;
use crate::policy::program::{ModelSet, Program};
use crate::policy::syntax::render;
use crate::policy::trace::{Recording, trace};
use crate::policy::value::WorkedOut;
use crate::policy::{Compiled, Surroundings, compile};

const MODELS: &str = "
- provider: t
  defaults: { region: us, retention: unknown, trains_on_data: true, date: 2026-01-01, source: test }
  models:
    a: { context: 8000, max_output: 2000, price: { input: 1, output: 3 }, can: [json], quality: { overall: 10, source: test } }
    b: { context: 32000, max_output: 4000, price: { input: 10, output: 10 }, can: [tools], quality: { overall: 40, source: test } }
    c: { context: 64000, max_output: 8000, price: { input: 20, output: 20 }, can: [tools], quality: { overall: 70, source: test } }
";

static CATALOG: LazyLock<Arc<Catalog>> = LazyLock::new(|| {
    let rows: Vec<ProviderModels> = serde_yaml::from_str(MODELS).unwrap();
    Arc::new(Catalog::extended(&rows).unwrap())
});

fn compiled(policy: &str, scripts: &[(&str, &str)]) -> Compiled {
    let files = |name: &str| {
        let found = scripts.iter().find(|(known, _)| *known == name);
        found.map(|(_, source)| (*source).to_owned()).ok_or_else(|| "no such file".to_owned())
    };
    let surroundings = Surroundings::new(&CATALOG, &files);
    compile(&PolicyName::new("test"), "folder/test.policy", policy, &surroundings)
}

fn told(compiled: &Compiled) -> String {
    let shown = compiled.diagnostics.iter().map(|one| render(one, &compiled.sources, false));
    shown.collect::<Vec<_>>().join("\n")
}

fn program(policy: &str, scripts: &[(&str, &str)]) -> Arc<Program> {
    let compiled = compiled(policy, scripts);
    compiled.program.clone().unwrap_or_else(|| panic!("{}", told(&compiled)))
}

/// Facts by name that ask scripts and keep what they say, as those of a request do.
#[derive(Default)]
struct Told {
    values: HashMap<&'static str, OwnedValue>,
    memo: Memo,
    runs: Cell<u32>,
}

impl Told {
    fn with(mut self, attr: &'static str, value: OwnedValue) -> Told {
        self.values.insert(attr, value);
        self
    }
}

impl Facts for Told {
    fn get(&self, attr: &AttrRef) -> Value<'_> {
        let value = self.values.get(attr.to_string().as_str());
        value.map_or_else(|| plain(attr.attr), OwnedValue::as_value)
    }
    fn worked_out<'a>(&'a self, declared: &Declared, through: &dyn Facts) -> Option<WorkedOut<'a>> {
        let source = declared.source.as_ref()?;
        let DeclaredSource::Script(script) = source else { return None };
        let worked = self.memo.get_or(source, &|| {
            self.runs.set(self.runs.get() + 1);
            Worked::by(&script.script, script.value(&declared.reading, through))
        });
        Some(worked.borrowed())
    }
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
}

fn decided(program: &Program, facts: &dyn Facts, live: &Live) -> Decision {
    decide(program, &situation(program, facts, live))
}

fn situation<'a>(program: &Program, facts: &'a dyn Facts, live: &'a Live) -> Situation<'a> {
    static ALL: LazyLock<ModelSet> = LazyLock::new(|| ModelSet::of(&CATALOG, |_| true));
    assert!(Arc::ptr_eq(&program.catalog, &CATALOG));
    Situation {
        facts,
        live,
        enabled: &ALL,
        allowed: &|_| true,
        remembered: &|_| None,
        meter: &(),
        named: None,
        seed: 0,
        turn: 0,
    }
}

fn order(decision: &Decision) -> Vec<&'static str> {
    let Decision::Plan(plan) = decision else { panic!("{decision:?}") };
    let name = |model: &ModelIdx| CATALOG.models()[model.index()].id.as_str();
    plan.steps.iter().flat_map(|step| step.candidates.iter().map(name)).collect()
}

fn route(decision: &Decision) -> String {
    let Decision::Plan(plan) = decision else { panic!("{decision:?}") };
    plan.route.to_string()
}

const RISK: &str = "attribute signal.risk: float 0..1 from script \"risk.rhai\" { timeout 50ms } else 0.5\n\
                    pool p = [t/a]\nroute high when signal.risk > 0.7 -> p\n\
                    route middle when signal.risk > 0.3 -> p\ndefault -> p\n";

#[test]
fn a_script_decides_and_is_asked_once() {
    let program = program(
        RISK,
        &[(
            "risk.rhai",
            "// uses: input.tokens\nfn value(req) { if req.input.tokens > 100 { 0.9 } else { 0 } }",
        )],
    );
    let live = Live::default();
    for (tokens, expected) in [(1_000, "high"), (10, "default")] {
        let facts = Told::default().with("input.tokens", OwnedValue::Int(tokens));
        assert_eq!(route(&decided(&program, &facts, &live)), expected);
        assert_eq!(route(&decided(&program, &facts, &live)), expected);
        assert_eq!(facts.runs.get(), 1);
    }
    assert!(Reason::ALL.iter().all(|reason| program.scripts[0].script.failures().of(*reason) == 0));
}

#[test]
fn a_script_that_no_live_rule_needs_is_not_asked() {
    let policy = "attribute risk: float 0..1 from script \"r.rhai\" else 0.5\npool p = [t/a]\n\
                  route early when request.stream -> p\nroute late when risk > 0.7 -> p\ndefault -> p\n";
    let program = program(policy, &[("r.rhai", "fn value(req) { 1.0 }")]);
    let facts = Told::default().with("request.stream", OwnedValue::Bool(true));
    assert_eq!(route(&decided(&program, &facts, &Live::default())), "early");
    assert_eq!(facts.runs.get(), 0);
}

#[test]
fn failures_give_the_else_value_are_counted_and_told() {
    // Each of them is sound on the request of the check, which has a hundred tokens.
    for (body, reason, says) in [
        ("throw \"no idea\"", Reason::Error, "line 3, column"),
        ("loop {}", Reason::Limit, "stopped after"),
        ("\"high\"", Reason::Type, "the answer is a text, not a number"),
        ("7.5", Reason::Range, "the answer 7.5 is out of range"),
        ("0.0 / 0.0", Reason::Range, "out of range"),
    ] {
        let source = format!(
            "// uses: input.tokens\nfn value(req) {{ if req.input.tokens == 100 {{ return 0.1; }}\n{body} }}"
        );
        let program = program(RISK, &[("risk.rhai", &source)]);
        let facts = Told::default().with("input.tokens", OwnedValue::Int(5));
        let live = Live::default();
        let recording = Recording::of(&facts);
        let mut removed = Vec::new();
        let situation = situation(&program, &recording, &live);
        let decision = decide_listening(&program, &situation, &mut removed);
        assert_eq!(route(&decision), "middle", "{body}");
        let failed: Vec<_> = program.script_failures().filter(|(.., count)| *count > 0).collect();
        assert_eq!(failed, [("risk.rhai", reason, 1)], "{body}");
        let trace = trace(&program, &recording.recorded(), &decision, &removed);
        let why = trace["failures"]["signal.risk"].as_str().unwrap();
        assert!(why.starts_with("script risk.rhai: ") && why.contains(says), "{why}");
        assert_eq!(trace["routes"][1]["because"][0]["value"], 0.5, "{trace}");
        // What the script looked at is part of the record.
        assert_eq!(trace["inputs"]["input.tokens"], 5);
    }
}

#[test]
fn attributes_come_in_their_units_and_go_back_in_them() {
    let uses = "// uses: hint.max_cost, key.age, request.bytes, time.date, key.tags\n\
                // uses: header[\"x-team\"], request.temperature, model[\"t/a\"].error_rate\n";
    for (ty, body, fallback, expected) in [
        ("money", "req.hint.max_cost * 2", "$0", OwnedValue::Int(50_000_000)),
        ("duration", "req.key.age / 2", "0s", OwnedValue::Int(750_000_000)),
        ("percent", "req.model[\"t/a\"].error_rate + 0.05", "0%", OwnedValue::Int(1_500)),
        ("int", "req.request.bytes + 1", "0", OwnedValue::Int(43)),
        ("tokens", "(req.request.bytes / 2.0).floor()", "0", OwnedValue::Int(21)),
        ("bool", "req.time.date == \"2026-11-27\"", "false", OwnedValue::Bool(true)),
        (
            "string",
            "req.key.tags[0] + req.header[\"x-team\"]",
            "\"\"",
            OwnedValue::Str("onesearch".into()),
        ),
        ("float", "if req.request.temperature == () { 2 } else { 3 }", "0", OwnedValue::Float(2.0)),
        ("enum low | high", "\"high\"", "low", OwnedValue::Str("high".into())),
        ("string", "()", "\"none\"", OwnedValue::Absent),
    ] {
        let policy = format!(
            "attribute own: {ty} from script \"s.rhai\" {{ timeout 50ms }} else {fallback}\npool p = [t/a]\ndefault -> p\n"
        );
        // A request of defaults lacks what is absent.
        let guarded = "if req.hint.max_cost == () || req.key.age == () || req.key.tags.is_empty() { return (); }";
        let source = format!("{uses}fn value(req) {{ {guarded} {body} }}");
        let program = program(&policy, &[("s.rhai", &source)]);
        let set = BTreeSet::from([Arc::from("one"), Arc::from("two")]);
        let facts = Told::default()
            .with("hint.max_cost", OwnedValue::Int(25_000_000))
            .with("key.age", OwnedValue::Int(1_500_000_000))
            .with("request.bytes", OwnedValue::Int(42))
            .with("time.date", OwnedValue::Int(20_784))
            .with("key.tags", OwnedValue::Set(set))
            .with("header[\"x-team\"]", OwnedValue::Str("search".into()))
            .with("model[\"t/a\"].error_rate", OwnedValue::Int(1_000));
        assert_eq!(program.scripts[0].value(&reading(ty), &facts), Ok(expected), "{ty}: {body}");
    }
}

fn reading(ty: &str) -> Reading {
    let number = |ty| Reading::Number { ty, low: i64::MIN, high: i64::MAX };
    match ty {
        "money" => number(Type::Money),
        "duration" => number(Type::Duration),
        "percent" => number(Type::Percent),
        "int" => number(Type::Int),
        "tokens" => number(Type::Tokens),
        "float" => number(Type::Float(None)),
        "bool" => Reading::Bool,
        "string" => Reading::Text,
        _ => Reading::OneOf(["low".into(), "high".into()].into()),
    }
}

#[test]
fn a_script_ranks_models_and_ties_keep_the_order() {
    let policy = "pool p = [t/a, t/b, t/c] pick script \"rank.rhai\" { timeout 50ms }\n\
                  default -> p\n";
    let live = Live::default();
    for (body, expected) in [
        ("model.quality.overall", ["t/c", "t/b", "t/a"]),
        ("-model.price.output", ["t/a", "t/b", "t/c"]),
        ("1", ["t/a", "t/b", "t/c"]),
        ("if model.id == \"t/b\" { throw 1 } else { -1.0 }", ["t/b", "t/a", "t/c"]),
        ("if model.tools { model.context } else { 0.0 / 0.0 }", ["t/c", "t/b", "t/a"]),
        (
            "if model.id == \"t/c\" { \"best\" } else { model.max_output * -1 }",
            ["t/c", "t/a", "t/b"],
        ),
        ("if req.request.stream { 1.0 } else { model.quality.overall }", ["t/c", "t/b", "t/a"]),
    ] {
        let source = format!("// uses: request.stream\nfn rank(req, model) {{ {body} }}");
        // The first model of the catalogue is the one that the check tries.
        let program = program(policy, &[("rank.rhai", &source)]);
        let decision = decided(&program, &Told::default(), &live);
        assert_eq!(order(&decision), expected, "{body}");
    }
}

#[test]
fn a_model_is_ranked_once_per_decision_and_in_bounded_time() {
    let policy = "pool p = [t/a, t/b, t/c] pick script \"rank.rhai\"\n\
                  ladder l { step one -> p escalate when failed\nstep two -> p }\n\
                  route l when request.stream -> l\ndefault -> p\n";
    // Only its failures can be counted from outside.
    let source = "fn rank(req, model) { if model.id.starts_with(\"t/\") { throw 1 } else { 1 } }";
    let program = program(policy, &[("rank.rhai", source)]);
    let facts = Told::default().with("request.stream", OwnedValue::Bool(true));
    let decision = decided(&program, &facts, &Live::default());
    assert_eq!(order(&decision), ["t/a", "t/b", "t/c", "t/a", "t/b", "t/c"]);
    let failures = program.ranks[0].script.failures();
    assert_eq!(failures.of(Reason::Error) + failures.of(Reason::Limit), 3);
}

#[test]
fn what_is_wrong_with_a_script_is_shown_in_it() {
    let attribute = "attribute own: float 0..1 from script \"s.rhai\" else 0\ndefault -> t/a\n";
    let shown = |source: &str| told(&compiled(attribute, &[("s.rhai", source)]));
    insta::assert_snapshot!(shown("// Ä\nfn value(req) {\n  let x = ;\n}\n"));
    insta::assert_snapshot!(shown("// uses: input.tokns, task\nfn value(req) { 1 }\n"));
    insta::assert_snapshot!(shown("// uses: task, quality, time, 1+1\nfn value(req) { 1 }\n"));
    insta::assert_snapshot!(shown(
        "// uses: key.team\nfn value(req) {\n  req.key.team.len() / 10.0\n}\n"
    ));
    insta::assert_snapshot!(shown("fn value(req) { \"high\" }"));
    insta::assert_snapshot!(shown("fn value(req) { loop {} }"));
    insta::assert_snapshot!(shown("fn rank(req, model) { 1 }"));
    insta::assert_snapshot!(shown(&"// long\n".repeat(20_000)));
}

#[test]
fn what_is_wrong_around_a_script_is_told() {
    let sound = &[
        ("s.rhai", "fn value(req) { 1 }"),
        ("r.rhai", "// uses: own\nfn rank(req, model) { req.own }"),
        ("j.rhai", "fn judge(req, answer) { 7 }"),
        ("again.rhai", "// uses: own\nfn value(req) { req.own }"),
        ("../up.rhai", "fn judge(req, answer) { answer.text.len() / 10 }"),
    ];
    let shown = |policy: &str| told(&compiled(policy, sound));
    insta::assert_snapshot!(shown(
        "attribute own: float from script \"s.rhai\" { max_ops 5M, timeout 1s, max_opps 1 } else 0\n\
         attribute other: float from script \"again.rhai\" else 0\n\
         attribute none: float from script \"none.rhai\" else 0\n\
         pool p = [t/a] pick script \"r.rhai\"\n\
         ladder l { hold full\nstep a -> p escalate when judge[\"j\"] < 0.5 or judge[\"up\"] < 0.5\nstep b -> p }\n\
         default -> l\n"
    ));
    insta::assert_snapshot!(shown(
        "attribute a: string from classifier \"pee\" else \"x\"\n\
         attribute b: bool from classifier \"language\" { timeout 1us } else false\n\
         attribute c: enum cat | dog from classifier \"task\" { max_ops 5 } else cat\n\
         default -> t/a\n"
    ));
}

#[test]
fn scripts_and_classifiers_that_are_sound_are_taken() {
    let program = program(
        "attribute own: float 0..1 from script \"s.rhai\" { max_ops 1000, timeout 1ms } else 0\n\
         attribute kind: enum secret | email | other from classifier \"pii-kind\" { timeout 30ms } else other\n\
         attribute hard: float 0..1 from classifier \"difficulty\" else 0.5\n\
         pool p = [t/a, t/b] pick script \"r.rhai\"\n\
         ladder l { hold full\nstep a -> p escalate when judge[\"j\"] < 0.5 or judge[\"j.rhai\"] is absent\nstep b -> p }\n\
         deny leak when kind == secret or signal.pii or signal.jailbreak because \"no\"\n\
         default -> l\n",
        &[
            ("s.rhai", "fn value(req) { 1 }"),
            ("r.rhai", "// uses: own, kind, key.tier\nfn rank(req, model) { req.own }"),
            ("j.rhai", "fn judge(req, answer) { if answer.json == () { 1 } else { 0.0 } }"),
        ],
    );
    assert!(program.waiting.is_empty(), "{:?}", program.waiting);
    // A judge that is named twice is one.
    assert_eq!(program.scripts.len(), 3);
    assert_eq!(program.scripts[0].script.limits().max_ops, 1_000);
    assert_eq!(program.scripts[0].script.limits().timeout, Duration::from_millis(1));
}

#[test]
fn a_judge_needs_the_whole_answer() {
    let found = compiled(
        "ladder l { step a -> t/a escalate when judge[\"j\"] < 0.5 or repeats\nstep b -> t/b }\ndefault -> l\n",
        &[("j.rhai", "fn judge(req, answer) { 1 }")],
    );
    let codes: Vec<_> = found.diagnostics.iter().map(|one| one.code.0).collect();
    assert_eq!(codes, ["P4013", "P4013"], "{}", told(&found));
}

#[test]
fn the_generation_follows_the_scripts() {
    let one = program(RISK, &[("risk.rhai", "fn value(req) { 1 }")]);
    let other = program(RISK, &[("risk.rhai", "fn value(req) { 0 }")]);
    assert_ne!(one.generation, other.generation);
}

#[test]
fn json_is_cut_to_what_a_script_may_hold() {
    let large = serde_json::json!({ "a": vec!["x".repeat(100); 1_000], "b": 1 });
    let shown = json(&large);
    let map = shown.as_map_ref().unwrap();
    let list = map["a"].as_array_ref().unwrap();
    assert_eq!(list.len(), MOST_LISTED - 1);
    let bytes: usize = list.iter().map(|text| text.as_immutable_string_ref().unwrap().len()).sum();
    assert!(bytes <= LONGEST_TEXT / 2);
    let small = serde_json::json!({ "a": [1, 2.5, true, null, "x"] });
    assert_eq!(format!("{:?}", json(&small)), r#"#{"a": [1, 2.5, true, (), "x"]}"#);
}

#[test]
fn what_was_worked_out_stays_even_when_others_are_asked_meanwhile() {
    let source = |name: &str| DeclaredSource::Classifier { name: name.into(), timeout: None };
    let memo = Memo::default();
    let said = |int| Worked::Said(OwnedValue::Int(int));
    let outer = memo.get_or(&source("outer"), &|| {
        assert_eq!(memo.get_or(&source("inner"), &|| said(1)), &said(1));
        said(2)
    });
    assert_eq!(outer, &said(2));
    for (name, int) in [("inner", 1), ("outer", 2)] {
        assert_eq!(memo.get_or(&source(name), &|| panic!("known")), &said(int), "{name}");
    }
}
