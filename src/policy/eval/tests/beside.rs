//! Hedges, shadows and `sticky`: what a plan has beside its main path.

use super::*;
use crate::policy::program::HedgeAfter;
use crate::units::BasisPoints;

fn hedge(plan: &Plan) -> String {
    plan.steps[0].hedge.as_ref().map_or("none".into(), |hedge| names(&hedge.candidates))
}

fn shadows(plan: &Plan) -> String {
    names(&plan.shadows.iter().map(|shadow| shadow.model).collect::<Vec<_>>())
}

#[test]
fn a_hedge_goes_where_the_request_may_go() {
    let program = with_all(
        "require vision when request.images > 0 only models where vision\n\
         default -> t/d { hedge after p95 to all max 2 }\n",
    );
    let plan = ask().plan(&program);
    let hedging = plan.steps[0].hedge.as_ref().unwrap();
    assert_eq!(
        (hedging.after, hedging.max, hedge(&plan).as_str()),
        (HedgeAfter::P95, 2, "d c b a")
    );
    assert_eq!(hedge(&ask().int("request.images", 1).plan(&program)), "d c");
    assert_eq!(hedge(&ask().int("request.tools", 1).plan(&program)), "d c b");
    assert_eq!(hedge(&Request { forbidden: vec![idx("c")], ..ask() }.plan(&program)), "d b a");
    assert_eq!(hedge(&Request { off: vec![idx("a")], ..ask() }.plan(&program)), "d c b");
}

#[test]
fn a_hedge_keeps_to_the_cap_and_to_its_steps_conditions() {
    let program = with_all(
        "ladder climb { step low -> t/a escalate when failed { only models where quality < 50 }\n\
         step high -> t/d }\n\
         default -> climb { hedge after 1s to all; cap $0.10 per request else warn }\n",
    );
    let plan = ask().plan(&program);
    assert_eq!(hedge(&plan), "b a", "the step's own condition");
    assert_eq!(names(&plan.steps[1].hedge.as_ref().unwrap().candidates), "d c b a");
    let capped =
        with_all("default -> t/a { hedge after 1s to all; cap $0.05 per request else deny }\n");
    assert_eq!(hedge(&ask().plan(&capped)), "c b a");
    let nobody =
        with_all("default -> t/a { hedge after 1s to t/d; cap $0.05 per request else deny }\n");
    assert_eq!(hedge(&ask().plan(&nobody)), "none");
}

#[test]
fn a_named_model_is_hedged_with_itself_alone() {
    let program = with_all("defaults { hedge after 1s to all }\ndefault -> all\n");
    assert_eq!(hedge(&ask().naming("t/b").plan(&program)), "b");
    let other = with_all("defaults { hedge after 1s to t/c }\ndefault -> all\n");
    assert_eq!(hedge(&ask().naming("t/b").plan(&other)), "none");
}

#[test]
fn a_shadow_takes_its_share_by_the_requests_id() {
    let program = with_all("default -> t/a { shadow 5% to t/d; shadow 20% to t/c }\n");
    let of = |n: i32| shadows(&ask().text("request.id", &format!("r{n}")).plan(&program));
    let (mut both, mut dear, mut cheap) = (0, 0, 0);
    for n in 0..4_000 {
        let found = of(n);
        assert_eq!(found, of(n), "a replay sees the same");
        dear += u32::from(found.contains('d'));
        cheap += u32::from(found.contains('c'));
        both += u32::from(found == "d c");
    }
    assert!((140..=260).contains(&dear) && (700..=900).contains(&cheap), "{dear} {cheap}");
    // One percent, if they are drawn independently.
    assert!((15..=70).contains(&both), "{both}");
    let all = ask().plan(&with_all("default -> t/a { shadow 100% to t/b }\n"));
    assert_eq!((shadows(&all).as_str(), all.shadows[0].share), ("b", BasisPoints(10_000)));
}

#[test]
fn a_shadow_sees_no_request_that_its_model_may_not_answer() {
    let program = with_all(
        "require quiet when key.team == \"legal\" only models where not trains_on_data\n\
         defaults { shadow 100% to t/c }\n\
         default -> all { cap $0.05 per request else warn }\n",
    );
    assert_eq!(shadows(&ask().plan(&program)), "c");
    assert_eq!(shadows(&ask().text("key.team", "legal").plan(&program)), "");
    assert_eq!(shadows(&Request { forbidden: vec![idx("c")], ..ask() }.plan(&program)), "");
    assert_eq!(shadows(&ask().with("request.audio", OwnedValue::Bool(true)).plan(&program)), "");
    // Nobody sees the answer, so a named model may have one; its needs are looked at all the same.
    assert_eq!(shadows(&ask().naming("t/b").plan(&program)), "c");
    let audio = ask().with("request.audio", OwnedValue::Bool(true)).naming("t/d");
    assert_eq!(shadows(&audio.plan(&program)), "");
}

#[test]
fn who_answered_last_is_asked_first_if_it_is_there_and_well() {
    let program = with_all("default -> all { sticky by session.id for 30min }\n");
    let asked = |remembered| Request { remembered, ..ask().text("session.id", "s") };
    let kept = |plan: &Plan| plan.steps[0].sticky.as_ref().map(|sticky| sticky.kept);
    let plan = asked(Some(idx("b"))).plan(&program);
    assert_eq!((only_step(&plan).as_str(), kept(&plan)), ("b d c a", Some(true)));
    assert_eq!(plan.steps[0].sticky.as_ref().unwrap().ttl, Duration::from_secs(1_800));
    let plan = asked(None).plan(&program);
    assert_eq!((only_step(&plan).as_str(), kept(&plan)), ("d c b a", Some(false)));
    let resting = asked(Some(idx("b"))).live("b", |live| live.available = false).plan(&program);
    assert_eq!((only_step(&resting).as_str(), kept(&resting)), ("d c a b", Some(false)));
    // What a condition has removed does not come back.
    let images = asked(Some(idx("b"))).int("request.images", 1).plan(&program);
    assert_eq!((only_step(&images).as_str(), kept(&images)), ("d c", Some(false)));
    let stranger = asked(Some(idx("free"))).plan(&program);
    assert_eq!((only_step(&stranger).as_str(), kept(&stranger)), ("d c b a", Some(false)));
    let nobody = Request { remembered: Some(idx("b")), ..ask() }.plan(&program);
    assert_eq!((only_step(&nobody).as_str(), kept(&nobody)), ("d c b a", None));
}

#[test]
fn whoever_is_kept_was_not_passed_over() {
    let program = with_all("default -> all { sticky by session.id for 1h }\n");
    let asked = |remembered| Request { remembered, ..ask().text("session.id", "s") };
    let resting = |remembered| asked(remembered).live("d", |live| live.available = false);
    assert!(resting(None).plan(&program).steps[0].passed_over);
    assert!(!resting(Some(idx("b"))).plan(&program).steps[0].passed_over);
}

#[test]
fn sessions_steps_and_routes_are_remembered_apart() {
    let program = with_all(
        "defaults { sticky by session.id for 1h }\n\
         ladder climb { step low -> t/a escalate when failed; step high -> t/d }\n\
         route code when task == code -> all\nroute climb when task == math -> climb\n\
         default -> all\n",
    );
    let keys = |task: &str, session: &str| {
        let plan = ask().text("task", task).text("session.id", session).plan(&program);
        let keys: Vec<_> = plan.steps.iter().map(|it| it.sticky.as_ref().unwrap().key).collect();
        keys
    };
    assert_eq!(keys("chat", "s"), keys("chat", "s"));
    let mut all: Vec<_> = [("chat", "s"), ("chat", "t"), ("code", "s"), ("math", "s")]
        .iter()
        .flat_map(|(task, session)| keys(task, session))
        .collect();
    let count = all.len();
    all.sort_by_key(|key| key.0);
    all.dedup();
    assert_eq!((all.len(), count), (5, 5));
}

#[test]
fn none_of_it_climbs_a_ladder() {
    for words in ["shadow 1% to climb", "hedge after 1s to climb"] {
        let text = format!(
            "ladder climb {{ step low -> t/a escalate when failed; step high -> t/d }}\n\
             default -> t/a {{ {words} }}\n"
        );
        let files = |_: &str| Err("no files".to_owned());
        let surroundings = Surroundings::new(&CATALOG, &files);
        let compiled = compile(&PolicyName::new("test"), "test.policy", &text, &surroundings);
        let found = &compiled.diagnostics[0];
        assert!(found.message.contains("cannot climb a ladder"), "{found:?}");
    }
}
