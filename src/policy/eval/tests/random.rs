//! Random small policies against random requests: decisions are total, repeatable, and no
//! candidate escapes a constraint.

use proptest::prelude::*;

use super::*;

const CONDITIONS: [&str; 10] = [
    "task == code",
    "request.tools > 0",
    "input.tokens > 4k",
    "not request.stream",
    "key.team in [\"x\", \"y\"]",
    "key.team is absent",
    "user.id like \"u*\"",
    "request.images > 0 or task in [chat, math]",
    "request.max_output >= 2k and not (key.team == \"x\")",
    "request.model != \"auto\"",
];
const FILTERS: [&str; 6] = [
    "quality >= 40",
    "tools",
    "price.output <= $20/Mtok",
    "region == eu or vision",
    "not trains_on_data",
    "error_rate < 5%",
];
const TARGETS: [&str; 6] = ["one", "two", "climb", "parts", "t/c", "t/a"];
const BREACHES: [&str; 3] = ["deny", "warn", "degrade to two"];

#[derive(Debug, Clone)]
struct Draw {
    denies: Vec<usize>,
    requires: Vec<(usize, usize)>,
    tunes: Vec<(usize, usize)>,
    routes: Vec<(usize, usize, usize)>,
    default: usize,
    cap: Option<(u32, usize)>,
}

fn draw() -> impl Strategy<Value = Draw> {
    let condition = 0..CONDITIONS.len();
    (
        prop::collection::vec(condition.clone(), 0..2),
        prop::collection::vec((condition.clone(), 0..FILTERS.len()), 0..3),
        prop::collection::vec((condition.clone(), 0..FILTERS.len()), 0..3),
        prop::collection::vec((condition, 0..TARGETS.len(), 0..FILTERS.len()), 0..4),
        0..TARGETS.len(),
        prop::option::of((1u32..40, 0..BREACHES.len())),
    )
        .prop_map(|(denies, requires, tunes, routes, default, cap)| Draw {
            denies,
            requires,
            tunes,
            routes,
            default,
            cap,
        })
}

fn text(draw: &Draw) -> String {
    let mut text = String::from(
        "pool one = [t/a, t/b, t/c] pick cheapest\npool two = [t/d, t/b] pick best of 2\n\
         ladder climb { hold full; step s1 -> one escalate when failed; step s2 -> parts }\n\
         split parts by user.id { x 30% -> two; y rest -> t/d }\n",
    );
    for (i, when) in draw.denies.iter().enumerate() {
        text += &format!("deny d{i} when {} because \"no\"\n", CONDITIONS[*when]);
    }
    for (i, (when, filter)) in draw.requires.iter().enumerate() {
        text += &format!(
            "require q{i} when {} only models where {}\n",
            CONDITIONS[*when], FILTERS[*filter]
        );
    }
    let beside = "hedge after p95 to two max 2; shadow 50% to one; sticky by user.id for 1h";
    if draw.cap.is_none() {
        text += &format!("defaults {{ {beside} }}\n");
    }
    if let Some((cents, breach)) = draw.cap {
        text += &format!(
            "defaults {{ {beside}; fallback two; cap ${:.2} per request else {} }}\n",
            f64::from(cents) / 100.0,
            BREACHES[breach]
        );
    }
    for (i, (when, filter)) in draw.tunes.iter().enumerate() {
        text += &format!(
            "tune t{i} when {} {{ only models where {} }}\n",
            CONDITIONS[*when], FILTERS[*filter]
        );
    }
    for (i, (when, to, filter)) in draw.routes.iter().enumerate() {
        text += &format!(
            "route r{i} when {} -> {} {{ only models where {} }}\n",
            CONDITIONS[*when], TARGETS[*to], FILTERS[*filter]
        );
    }
    format!("{text}default -> {}\n", TARGETS[draw.default])
}

fn request() -> impl Strategy<Value = Request> {
    let maybe = |values: &'static [&'static str]| prop::option::of(prop::sample::select(values));
    (
        prop::sample::select(&["chat", "code", "math"][..]),
        (0i64..3, 0i64..2, any::<bool>()),
        prop::sample::select(&[10i64, 3_999, 4_000, 4_001, 60_000, i64::MAX][..]),
        prop::option::of(prop::sample::select(&[0i64, 1, 2_000, 9_000, i64::MAX][..])),
        maybe(&["x", "y", "z"]),
        maybe(&["u1", "u2", "other"]),
        maybe(&["t/a", "t/d", "nobody/knows"]),
        (0u32..20_000, any::<u64>(), any::<u64>()),
    )
        .prop_map(
            |(
                task,
                (tools, images, stream),
                tokens,
                output,
                team,
                user,
                named,
                (errors, seed, turn),
            )| {
                let mut request = ask()
                    .text("task", task)
                    .int("request.tools", tools)
                    .int("request.images", images)
                    .with("request.stream", OwnedValue::Bool(stream))
                    .int("input.tokens", tokens)
                    .int("request.bytes", tokens)
                    .without("request.max_output")
                    .live("b", |it| it.error_rate = crate::units::BasisPoints(errors))
                    .live("c", |it| it.available = errors % 2 == 0);
                for (attr, value) in [("key.team", team), ("user.id", user)] {
                    if let Some(value) = value {
                        request = request.text(attr, value);
                    }
                }
                if let Some(output) = output {
                    request = request.int("request.max_output", output);
                }
                if let Some(named) = named {
                    request = request.naming(named);
                }
                Request { seed, turn, ..request }
            },
        )
}

proptest! {
    #[test]
    fn decisions_are_total_repeatable_and_keep_every_constraint(draw in draw(), request in request()) {
        let program = program(&text(&draw));
        let decision = request.decide(&program);
        prop_assert_eq!(format!("{decision:?}"), format!("{:?}", request.decide(&program)));
        let Decision::Plan(plan) = decision else { return Ok(()) };
        prop_assert!(plan.steps.iter().all(|step| !step.candidates.is_empty()));
        prop_assert!(program.denies.iter().all(|deny| !deny.rule.when.holds(&request)));
        let fallback = plan.fallback.iter().flat_map(|(models, _)| models);
        let hedges = plan.steps.iter().filter_map(|step| step.hedge.as_ref());
        let copies = hedges.flat_map(|hedge| &hedge.candidates);
        let copies = copies.chain(plan.shadows.iter().map(|shadow| &shadow.model));
        let main = plan.steps.iter().flat_map(|step| &step.candidates).chain(fallback);
        for model in main.chain(copies) {
            let live = crate::policy::models::LiveModel {
                model: &CATALOG[*model],
                live: request.live.model(*model),
            };
            let requires = program.requires.iter().filter(|rule| rule.rule.when.holds(&request));
            let route = program.routes.iter().find(|route| route.rule.when.holds(&request));
            let tunes = program.tunes.iter().filter(|tune| tune.rule.when.holds(&request));
            let only = requires
                .map(|rule| &rule.only)
                .chain(tunes.flat_map(|tune| &tune.settings.only))
                .chain(route.into_iter().flat_map(|route| &route.body.only));
            for filter in only {
                let passes = filter.pass.contains(*model)
                    && filter.live.as_ref().is_none_or(|cond| cond.holds(&live));
                prop_assert!(passes, "{} escapes `{}`", CATALOG[*model].id, filter.text);
            }
        }
        if request.named.is_some() && plan.reason == PlanReason::Requested {
            prop_assert_eq!(plan.steps.len(), 1);
            prop_assert!(plan.fallback.is_none());
            let hedge = plan.steps[0].hedge.as_ref();
            let stays = |model: &ModelIdx| plan.steps[0].candidates.contains(model);
            prop_assert!(hedge.is_none_or(|hedge| hedge.candidates.iter().all(stays)));
        }
    }
}
