//! What a decision is, case by case, over a small catalogue.

mod beside;
mod random;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use jiff::Timestamp;

use super::{Situation, decide, decide_listening};
use crate::catalog::{Catalog, Live, Model, ModelIdx, ProviderModels};
use crate::ids::{ModelId, PolicyName};
use crate::policy::plan::{Decision, Plan, PlanReason, Removal, RemovedBy};
use crate::policy::program::{ModelSet, Program};
use crate::policy::schema::AttrRef;
use crate::policy::value::{Facts, OwnedValue, Value};
use crate::policy::{Surroundings, compile};
use crate::units::{NanoDollars, Tokens};

/// Four models: `a` is cheapest and weakest, `d` best and dearest; only `c` and `d` see images.
/// With 1000 tokens in and 1000 out they cost 0.2, 2, 4 and 20 cents.
const MODELS: &str = "
- provider: t
  defaults: { region: us, retention: unknown, trains_on_data: true, date: 2026-01-01, source: test }
  models:
    a: { context: 8000, max_output: 2000, price: { input: 1, output: 1 }, can: [json], quality: { overall: 10, source: test } }
    b: { context: 32000, max_output: 4000, price: { input: 10, output: 10 }, can: [tools, json, json_schema], quality: { overall: 40, source: test }, region: eu }
    c: { context: 64000, max_output: 8000, price: { input: 20, output: 20 }, can: [tools, json, json_schema, vision, logprobs], quality: { overall: 70, source: test } }
    d: { context: 128000, max_output: 16000, price: { input: 100, output: 100 }, can: [tools, json, json_schema, vision, audio], quality: { overall: 95, source: test }, trains_on_data: false }
    free: { context: 8000, max_output: 2000, can: [] }
    vectors: { context: 8000, price: { input: 0.1, output: 0 }, can: [embeddings] }
";

static CATALOG: LazyLock<Arc<Catalog>> = LazyLock::new(|| {
    let rows: Vec<ProviderModels> = serde_yaml::from_str(MODELS).unwrap();
    Arc::new(Catalog::extended(&rows).unwrap())
});

fn program(text: &str) -> Arc<Program> {
    let files = |_: &str| Err("no files".to_owned());
    let surroundings = Surroundings::new(&CATALOG, &files);
    let compiled = compile(&PolicyName::new("test"), "test.policy", text, &surroundings);
    compiled.program.unwrap_or_else(|| panic!("{text}\n{:#?}", compiled.diagnostics))
}

fn idx(name: &str) -> ModelIdx {
    CATALOG.get(&ModelId::new(format!("t/{name}"))).unwrap()
}

#[derive(Debug, Clone)]
struct Request {
    values: HashMap<String, OwnedValue>,
    now: Timestamp,
    named: Option<String>,
    remembered: Option<ModelIdx>,
    live: Live,
    off: Vec<ModelIdx>,
    forbidden: Vec<ModelIdx>,
    seed: u64,
    turn: u64,
}

/// 1000 tokens in, 1000 out, for whatever model.
fn ask() -> Request {
    Request {
        values: HashMap::new(),
        now: Timestamp::UNIX_EPOCH,
        named: None,
        remembered: None,
        live: Live::fresh(CATALOG.models().len()),
        off: Vec::new(),
        forbidden: Vec::new(),
        seed: 0,
        turn: 0,
    }
    .with("request.auto", OwnedValue::Bool(true))
    .text("request.model", "auto")
    .text("request.id", "r")
    .text("request.format", "text")
    .text("task", "chat")
    .int("request.bytes", 4_000)
    .int("input.tokens", 1_000)
    .int("request.max_output", 1_000)
}

impl Request {
    fn with(mut self, attr: &str, value: OwnedValue) -> Request {
        self.values.insert(attr.to_owned(), value);
        self
    }
    fn text(self, attr: &str, text: &str) -> Request {
        self.with(attr, OwnedValue::Str(text.into()))
    }
    fn int(self, attr: &str, int: i64) -> Request {
        self.with(attr, OwnedValue::Int(int))
    }
    fn without(mut self, attr: &str) -> Request {
        self.values.remove(attr);
        self
    }
    fn naming(mut self, model: &str) -> Request {
        self.named = Some(model.to_owned());
        self.with("request.auto", OwnedValue::Bool(false)).text("request.model", model)
    }
    fn live(
        mut self,
        model: &str,
        change: impl Fn(&mut crate::catalog::live::ModelLive),
    ) -> Request {
        change(&mut self.live.models[idx(model).index()]);
        self
    }

    fn situated<T>(&self, with: impl FnOnce(&Situation<'_>) -> T) -> T {
        let named = self.named.as_ref().and_then(|name| CATALOG.get(&ModelId::new(name.as_str())));
        let forbidden =
            |model: &Model| !self.forbidden.iter().any(|it| CATALOG[*it].id == model.id);
        with(&Situation {
            facts: self,
            live: &self.live,
            enabled: &ModelSet::of(&CATALOG, |model| !self.off.contains(&model)),
            allowed: &forbidden,
            named,
            meter: &(),
            remembered: &|_| self.remembered,
            seed: self.seed,
            turn: self.turn,
        })
    }
    fn decide(&self, program: &Program) -> Decision {
        self.situated(|situation| decide(program, situation))
    }
    #[track_caller]
    fn plan(&self, program: &Program) -> Plan {
        match self.decide(program) {
            Decision::Plan(plan) => plan,
            other => panic!("no plan but {other:?}"),
        }
    }
    fn removals(&self, program: &Program) -> Vec<Removal> {
        let mut removed = Vec::new();
        self.situated(|situation| decide_listening(program, situation, &mut removed));
        removed
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

fn names(models: &[ModelIdx]) -> String {
    models.iter().map(|model| CATALOG[*model].id.model()).collect::<Vec<_>>().join(" ")
}

/// The candidates of the only step.
#[track_caller]
fn only_step(plan: &Plan) -> String {
    assert_eq!(plan.steps.len(), 1);
    names(&plan.steps[0].candidates)
}

const ALL: &str = "pool all = [t/d, t/c, t/b, t/a] pick first\n";

fn with_all(rest: &str) -> Arc<Program> {
    program(&format!("{ALL}{rest}"))
}

#[test]
fn the_first_denial_of_the_file_is_told_before_anything_else() {
    let program = with_all(
        "deny one when request.images > 0 because \"no images\" status 402\n\
         deny two when task == chat and request.images > 0 because \"no\"\n\
         default -> all\n",
    );
    let Decision::Denied(denied) = ask().int("request.images", 1).decide(&program) else {
        panic!()
    };
    assert_eq!((&*denied.rule, &*denied.because, denied.status), ("one", "no images", 402));
    assert!(!denied.over_cap);
    // Guards come before the model is looked up.
    let unknown = ask().int("request.images", 1).naming("nobody/nothing").decide(&program);
    assert!(matches!(unknown, Decision::Denied(_)));
    assert_eq!(only_step(&ask().plan(&program)), "d c b a");
}

#[test]
fn constraints_are_joined_and_can_only_shrink() {
    let program = with_all(
        "require cheap when task == chat only models where price.output <= $20/Mtok\n\
         require eu when data.residency == eu only models where region == eu\n\
         route chat when task == chat -> all { only models where tools; floor quality >= 40 }\n\
         default -> all\n",
    );
    assert_eq!(only_step(&ask().plan(&program)), "c b");
    let eu = ask().text("data.residency", "eu");
    assert_eq!(only_step(&eu.plan(&program)), "b");
    assert_eq!(only_step(&ask().text("task", "code").plan(&program)), "d c b a");
    let removals = eu.removals(&program);
    let why = |name: &str| &removals.iter().find(|it| it.model == idx(name)).unwrap().by;
    assert!(matches!(why("d"), RemovedBy::Require(rule, _) if &**rule == "cheap"));
    assert!(
        matches!(why("c"), RemovedBy::Require(rule, text) if &**rule == "eu" && &**text == "region == eu")
    );
    let floor = ask().removals(&program);
    assert!(
        floor.iter().any(|it| it.model == idx("a")
            && matches!(&it.by, RemovedBy::Only(text) if &**text == "tools"))
    );
}

#[test]
fn conversations_and_embeddings_do_not_mix() {
    let all = program("default -> all\npool all = models where provider == \"t\" pick best\n");
    assert_eq!(only_step(&ask().plan(&all)), "d c b a free");
    let embed = || ask().text("request.api", "embeddings");
    assert!(embed().removals(&all).iter().all(|it| it.by == RemovedBy::Lacks("embeddings")));
    let both = program("default -> both\npool both = [t/a, t/vectors] pick first\n");
    assert_eq!(only_step(&ask().plan(&both)), "a");
    assert_eq!(only_step(&embed().int("request.bytes", 9_000_000).plan(&both)), "vectors");
    let asked = program(
        "default -> asked\npool asked = models where embeddings and provider == \"t\" pick cheapest\n",
    );
    assert_eq!(only_step(&embed().plan(&asked)), "vectors");
}

#[test]
fn what_the_request_implies_removes_models() {
    let program = with_all("default -> all\n");
    for (attr, value, left, lacking) in [
        ("request.tools", OwnedValue::Int(1), "d c b", RemovedBy::Lacks("tools")),
        ("request.images", OwnedValue::Int(2), "d c", RemovedBy::Lacks("vision")),
        ("request.audio", OwnedValue::Bool(true), "d", RemovedBy::Lacks("audio")),
        ("request.logprobs", OwnedValue::Bool(true), "c", RemovedBy::Lacks("logprobs")),
        (
            "request.format",
            OwnedValue::Str("json_schema".into()),
            "d c b",
            RemovedBy::Lacks("json_schema"),
        ),
        ("request.max_output", OwnedValue::Int(5_000), "d c", RemovedBy::MaxOutput),
    ] {
        let request = ask().with(attr, value);
        assert_eq!(only_step(&request.plan(&program)), left, "{attr}");
        assert!(request.removals(&program).iter().any(|it| it.by == lacking), "{attr}");
    }
    let json = ask().text("request.format", "json_object");
    assert_eq!(only_step(&json.plan(&program)), "d c b a");
    let long = ask().int("input.tokens", 40_000).int("request.bytes", 160_000);
    assert_eq!(only_step(&long.plan(&program)), "d c");
    assert!(long.removals(&program).iter().all(|it| it.by == RemovedBy::Context));
    // The answer counts, too: 63 500 and 1000 do not fit into 64 000.
    let full = ask().int("input.tokens", 63_500).int("request.bytes", 250_000);
    assert_eq!(only_step(&full.plan(&program)), "d");
    // A policy that shortens the answer makes it fit again.
    let clamped = with_all("default -> all { set max_output <= 1k }\n");
    assert_eq!(only_step(&ask().int("request.max_output", 5_000).plan(&clamped)), "d c b a");
}

#[test]
fn keys_and_providers_come_before_all_else() {
    let program = with_all("default -> all\n");
    let request = Request { off: vec![idx("d")], forbidden: vec![idx("b")], ..ask() };
    assert_eq!(only_step(&request.plan(&program)), "c a");
    let removals = request.removals(&program);
    assert!(removals.iter().any(|it| it.model == idx("d") && it.by == RemovedBy::ProviderOff));
    assert!(removals.iter().any(|it| it.model == idx("b") && it.by == RemovedBy::Key));
}

#[test]
fn nobody_left_says_what_removed_each() {
    let program = with_all("default -> all { only models where quality > 99 }\n");
    let Decision::NoCandidate(nobody) = ask().decide(&program) else { panic!() };
    assert_eq!((&*nobody.route, nobody.requested, nobody.removed.len()), ("default", false, 4));
}

#[test]
fn picks_order_the_candidates() {
    let by =
        |pick: &str| program(&format!("pool p = [t/b, t/d, t/a, t/c] pick {pick}\ndefault -> p\n"));
    let order = |pick: &str, request: &Request| only_step(&request.plan(&by(pick)));
    assert_eq!(order("first", &ask()), "b d a c");
    assert_eq!(order("cheapest", &ask()), "a b c d");
    assert_eq!(order("best", &ask()), "d c b a");
    let ms = |ms| Some(Duration::from_millis(ms));
    let measured =
        ask().live("c", |it| it.ttft.p95 = ms(100)).live("a", |it| it.ttft.p95 = ms(300));
    assert_eq!(order("fastest", &measured), "c a b d");
    let busy = ask().live("b", |it| it.inflight = 5).live("d", |it| it.inflight = 1);
    assert_eq!(order("least-busy", &busy), "a c d b");
    for (turn, expected) in [(0, "b d a c"), (1, "d a c b"), (5, "d a c b"), (u64::MAX, "c b d a")]
    {
        assert_eq!(order("round-robin", &Request { turn, ..ask() }), expected);
    }
    // `of 2` spreads the load among the two best and leaves the others where they are.
    let firsts: BTreeSet<String> =
        (0..8).map(|seed| order("best of 2", &Request { seed, ..ask() })).collect();
    assert_eq!(firsts, BTreeSet::from(["d c b a".to_owned(), "c d b a".to_owned()]));
    assert_eq!(order("best of 9", &Request { seed: 1, ..ask() }), "c b a d");
}

#[test]
fn the_last_pick_said_holds() {
    let program =
        with_all("tune t when task == code { pick cheapest }\ndefault -> all { pick best }\n");
    assert_eq!(only_step(&ask().text("task", "code").plan(&program)), "d c b a");
    let tuned = with_all("tune t when task == code { pick cheapest }\ndefault -> all\n");
    assert_eq!(only_step(&ask().text("task", "code").plan(&tuned)), "a b c d");
}

#[test]
fn the_unavailable_are_asked_last() {
    let program = with_all("default -> all\n");
    let down = |request: Request, name| request.live(name, |it| it.available = false);
    let order = |request: Request| {
        let plan = request.plan(&program);
        (only_step(&plan), plan.steps[0].passed_over)
    };
    assert_eq!(order(ask()), ("d c b a".into(), false));
    // Whoever answers instead of the first is a fallback, but not where the first is well.
    assert_eq!(order(down(down(ask(), "d"), "b")), ("c a d b".into(), true));
    assert_eq!(order(down(ask(), "b")), ("d c a b".into(), false));
    let all = ["a", "b", "c", "d"].into_iter().fold(ask(), down);
    assert_eq!(order(all), ("d c b a".into(), false));
}

#[test]
fn live_conditions_of_pools_are_asked_at_the_decision() {
    let program = program(
        "pool steady = models where provider == \"t\" and tools and error_rate < 5% pick best\n\
         pool rest = [t/a, t/b, t/c] except steady\n\
         route shaky when task == code -> rest\ndefault -> steady\n",
    );
    let shaky = ask().live("d", |it| it.error_rate = crate::units::BasisPoints(900));
    assert_eq!(only_step(&ask().plan(&program)), "d c b");
    assert_eq!(only_step(&shaky.plan(&program)), "c b");
    assert!(
        shaky.removals(&program).iter().any(|it| it.model == idx("d") && it.by == RemovedBy::Pool)
    );
    assert_eq!(only_step(&ask().text("task", "code").plan(&program)), "a");
    let c_shaky =
        ask().text("task", "code").live("c", |it| it.error_rate = crate::units::BasisPoints(900));
    assert_eq!(only_step(&c_shaky.plan(&program)), "a c");
}

#[test]
fn a_named_model_is_that_model_or_an_error() {
    let program = with_all(
        "defaults { fallback all; cap $0.50 per request else degrade to all }\n\
         require no when task == math only models where quality > 50\n\
         tune t when request.stream { set temperature = 0 }\n\
         alias \"gpt-4\" -> t/c\nalias \"old-*\" -> all\n\
         route everybody when task in [chat, math, code] -> all\ndefault -> all\n",
    );
    let plan = ask().naming("t/b").plan(&program);
    assert_eq!(
        (only_step(&plan).as_str(), plan.reason, &*plan.route),
        ("b", PlanReason::Requested, "requested")
    );
    assert_eq!(plan.line, None);
    assert!(plan.fallback.is_none(), "never another model");
    // Guards, constraints and tunes apply.
    let Decision::NoCandidate(nobody) = ask().naming("t/b").text("task", "math").decide(&program)
    else {
        panic!()
    };
    assert!(nobody.requested && nobody.removed.len() == 1);
    let streams = ask().naming("t/b").with("request.stream", OwnedValue::Bool(true)).plan(&program);
    assert_eq!(streams.settings.parameters.len(), 1);
    // What it lacks is between the client and the provider.
    assert_eq!(only_step(&ask().naming("t/a").int("request.tools", 3).plan(&program)), "a");
    // A cap refuses; it does not change the model.
    let dear = ask().naming("t/d").int("input.tokens", 100_000).decide(&program);
    assert!(matches!(dear, Decision::Denied(denied) if denied.over_cap && denied.status == 402));
    assert!(matches!(ask().naming("t/zzz").decide(&program), Decision::UnknownModel));
    let alias = ask().naming("gpt-4").plan(&program);
    assert_eq!(
        (only_step(&alias).as_str(), alias.reason, &*alias.route),
        ("c", PlanReason::Matched, "gpt-4")
    );
    assert_eq!(only_step(&ask().naming("old-thing").plan(&program)), "d c b a");
    assert_eq!(&*ask().plan(&program).route, "everybody");
}

#[test]
fn a_route_that_speaks_of_the_model_may_replace_it() {
    let program = with_all(
        "route swap when request.model == \"t/d\" and task == chat -> t/c\n\
         route keep when request.model != \"auto\" -> requested\ndefault -> all\n",
    );
    assert_eq!(only_step(&ask().naming("t/d").plan(&program)), "c");
    let kept = ask().naming("t/b").plan(&program);
    assert_eq!((only_step(&kept).as_str(), &*kept.route), ("b", "keep"));
    assert_eq!(only_step(&ask().plan(&program)), "d c b a");
}

#[test]
fn settings_are_laid_over_each_other_in_order() {
    let program = with_all(
        "defaults { timeout total 90s, ttft 9s; set temperature = 1; set max_output <= 4k; tag from = defaults }\n\
         tune one when task == chat { set temperature = 0.5; timeout ttft 5s }\n\
         tune two when task == chat { set temperature = 0.2; set max_output <= 2k; tag who = two }\n\
         default -> all { timeout total 30s; set max_output <= 3k; tag from = route }\n",
    );
    let plan = ask().plan(&program);
    let settings = &plan.settings;
    assert_eq!(settings.timeouts.total, Some(Duration::from_secs(30)));
    assert_eq!(settings.timeouts.ttft, Some(Duration::from_secs(5)));
    let parameters: Vec<String> = settings
        .parameters
        .iter()
        .map(|it| format!("{} {:?} {:?}", it.name.name(), it.op, it.value))
        .collect();
    assert_eq!(parameters, ["temperature Replace Float(0.2)", "max_output AtMost Int(2000)"]);
    let tags: BTreeSet<(&str, &str)> = settings.tags.iter().map(|(a, b)| (&**a, &**b)).collect();
    assert_eq!(tags, BTreeSet::from([("from", "route"), ("who", "two")]));
    assert_eq!(super::output_limit(Some(Tokens(9_000)), settings), Some(Tokens(2_000)));
}

#[test]
fn caps_deny_degrade_or_warn() {
    let cap = |breach: &str| {
        program(&format!(
            "pool dear = [t/d, t/c] pick first\npool cheap = [t/b, t/a] pick first\n\
             default -> dear {{ cap $0.03 per request else {breach} }}\n"
        ))
    };
    let Decision::Denied(denied) = ask().decide(&cap("deny \"too dear\"")) else { panic!() };
    assert_eq!((&*denied.because, denied.status, denied.over_cap), ("too dear", 402, true));
    let Decision::Denied(denied) = ask().decide(&cap("deny")) else { panic!() };
    assert!(denied.because.contains("$0.03"), "{}", denied.because);
    let degraded = ask().plan(&cap("degrade to cheap"));
    assert_eq!((only_step(&degraded).as_str(), degraded.reason), ("b a", PlanReason::Degraded));
    assert_eq!(degraded.max_cost, Some(NanoDollars(30_000_000)));
    let warned = ask().plan(&cap("warn"));
    assert_eq!((only_step(&warned).as_str(), warned.max_cost), ("d c", None));
    // A smaller request is below the cap on one of them, and nothing is breached.
    let small = ask().int("input.tokens", 100).int("request.max_output", 100);
    assert_eq!(only_step(&small.plan(&cap("degrade to cheap"))), "d c");
    let middle = ask().int("input.tokens", 500).int("request.max_output", 500);
    assert_eq!(only_step(&middle.plan(&cap("degrade to cheap"))), "c");
    // A degrade that breaches the cap itself ends in a refusal.
    let huge = ask().int("input.tokens", 6_000).int("request.max_output", 1_000);
    assert_eq!(only_step(&huge.plan(&cap("degrade to cheap"))), "a");
    let none = Request { off: vec![idx("a")], ..huge };
    assert!(
        matches!(none.decide(&cap("degrade to cheap")), Decision::Denied(denied) if denied.over_cap)
    );
}

#[test]
fn a_cap_keeps_out_what_has_no_price() {
    let program = program(
        "pool p = [t/free, t/a] pick first\ndefault -> p { cap $1 per request else deny }\n",
    );
    assert_eq!(only_step(&ask().plan(&program)), "a");
    assert!(ask().removals(&program).iter().any(|it| it.by == RemovedBy::Unpriced));
}

#[test]
fn fallbacks_follow_the_candidates_and_repeat_none() {
    let program = program(
        "pool p = [t/a, t/b] pick first\npool q = [t/b, t/c] pick first\n\
         ladder l { hold full; step one -> t/c escalate when failed; step two -> t/d }\n\
         default -> p { fallback q, l on timeout }\n",
    );
    let plan = ask().plan(&program);
    let (models, on) = plan.fallback.as_ref().unwrap();
    assert_eq!((only_step(&plan).as_str(), names(models).as_str()), ("a b", "c d"));
    assert!(on.contains(crate::error_class::ErrorClass::Timeout));
    assert!(!on.contains(crate::error_class::ErrorClass::RateLimited));
    // When the route itself has nobody, the fallback is the plan.
    let images = ask().int("request.images", 1).plan(&program);
    assert_eq!((only_step(&images).as_str(), images.fallback.is_none()), ("c d", true));
    assert!(images.steps[0].passed_over && !plan.steps[0].passed_over);
}

#[test]
fn ladders_are_unfolded_and_lose_steps_without_candidates() {
    let program = program(
        "ladder inner { hold full; step x -> t/a escalate when refused; step y -> t/b }\n\
         ladder outer { hold full; max_cost $0.40; deadline 20s\n\
           step low -> inner escalate when failed { set temperature = 0 }\n\
           step top -> t/d }\n\
         default -> outer { cap $0.50 per request else deny }\n",
    );
    let plan = ask().plan(&program);
    let steps: Vec<(String, String, bool)> = plan
        .steps
        .iter()
        .map(|step| (step.name.to_string(), names(&step.candidates), step.escalate.is_some()))
        .collect();
    let expected = [("low.x", "a", true), ("low.y", "b", true), ("top", "d", false)];
    let expected = expected.map(|(name, who, climbs)| (name.to_owned(), who.to_owned(), climbs));
    assert_eq!(steps, expected);
    assert_eq!(plan.max_cost, Some(NanoDollars(400_000_000)));
    assert_eq!(plan.deadline, Some(Duration::from_secs(20)));
    assert_eq!(plan.steps[0].settings.parameters.len(), 1);
    assert!(plan.settings.parameters.is_empty() && plan.steps[2].settings.parameters.is_empty());
    // Either condition makes the inner step give way.
    let escalate = plan.steps[0].escalate.as_ref().unwrap();
    for attr in ["refused", "failed"] {
        assert!(escalate.holds(&ask().with(attr, OwnedValue::Bool(true))), "{attr}");
    }
    assert!(!escalate.holds(&ask()));
    // The top falls away: the highest one left gives the answer.
    let no_top = Request { off: vec![idx("d")], ..ask() }.plan(&program);
    assert_eq!(no_top.steps.len(), 2);
    assert!(no_top.steps[1].escalate.is_none());
    let tools = ask().int("request.tools", 1).plan(&program);
    assert_eq!(names(&tools.steps[0].candidates), "b");
}

#[test]
fn arms_keep_their_callers_when_one_of_them_grows() {
    let split = |share: &str| {
        program(&format!(
            "split s by user.id salt \"x\" {{ new {share} -> t/a; old rest -> t/b }}\ndefault -> s\n"
        ))
    };
    let (five, ten) = (split("5%"), split("10%"));
    let arm = |program: &Program, user: &str| {
        let plan = ask().text("user.id", user).plan(program);
        let arm = plan.arm.clone().unwrap();
        assert_eq!((&*arm.split, arm.sticky, plan.reason), ("s", true, PlanReason::Arm));
        let expected = if &*arm.arm == "new" { "a" } else { "b" };
        assert_eq!(only_step(&plan), expected);
        arm.arm
    };
    let (mut before, mut after) = (0, 0);
    for n in 0..4_000 {
        let user = format!("user {n}");
        let (old, new) = (arm(&five, &user), arm(&ten, &user));
        before += u32::from(&*old == "new");
        after += u32::from(&*new == "new");
        assert!(&*old != "new" || &*new == "new", "{user} was thrown out");
    }
    assert!((140..=260).contains(&before) && (320..=480).contains(&after), "{before} {after}");
}

#[test]
fn without_the_attribute_a_split_goes_by_the_request() {
    let program = program("split s by user.id { new 50% -> t/a; old rest -> t/b }\ndefault -> s\n");
    let arms: BTreeSet<String> = (0..50)
        .map(|n| {
            let plan = ask().without("user.id").text("request.id", &format!("r{n}")).plan(&program);
            let arm = plan.arm.unwrap();
            assert!(!arm.sticky);
            arm.arm.to_string()
        })
        .collect();
    assert_eq!(arms.len(), 2);
}

#[test]
fn splits_within_splits_are_told_by_the_outer_one() {
    let program = program(
        "split inner by user.id { x 50% -> t/a; y rest -> t/b }\n\
         split outer by user.id { left 50% -> inner; right rest -> t/c }\ndefault -> outer\n",
    );
    let mut seen = BTreeSet::new();
    for n in 0..200 {
        let plan = ask().text("user.id", &n.to_string()).plan(&program);
        assert_eq!(&*plan.arm.as_ref().unwrap().split, "outer");
        seen.insert((plan.arm.as_ref().unwrap().arm.to_string(), only_step(&plan)));
    }
    // The same user falls into independent buckets, so all three ends are reached.
    assert_eq!(seen.len(), 3);
}

#[test]
fn nobody_takes_the_place_of_a_named_model_unless_its_route_says_so() {
    let program = program(
        "defaults { fallback t/a on transient; cap $0.000001 per request else degrade to t/a }\n\
         route own when request.model == \"t/d\" -> requested { fallback t/a on transient }\n\
         route named when request.model != \"auto\" -> requested\n\
         default -> t/d\n",
    );
    // The cap of the defaults denies instead of degrading.
    for model in ["t/c", "t/d"] {
        let decision = ask().naming(model).decide(&program);
        assert!(matches!(decision, Decision::Denied(denied) if denied.over_cap), "{model}");
    }
    let falls_back = |name: &str| {
        let route = program.routes.iter().find(|it| &*it.rule.name == name).unwrap();
        route.settings.fallback.is_some()
    };
    assert_eq!(["named", "own", "default"].map(falls_back), [false, true, true]);
}
