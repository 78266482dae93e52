//! Cheap first, then climb: what makes a step give way, and what the client sees of it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{COUNT, Door, HARD, Reply, Setup, attempts, body, nanos, sum_of_costs};

fn ladder(terms: &str, when: &str) -> String {
    format!(
        "ladder climb {{\n{terms}\nstep low -> sim/low escalate when {when}\nstep high -> sim/high\n}}\n\
         default -> climb\n"
    )
}

fn climbing(when: &str, low: &str) -> Setup {
    Setup::policy(ladder("hold full", when))
        .priced("low", low, 0.1, 0.4)
        .priced("high", "large", 2.5, 10.0)
}

/// The answer came from the upper step, and everything about it adds up.
async fn climbed(what: &str, door: &Door, reply: &Reply, low: &str) {
    assert_eq!(reply.status, 200, "{what}: {}", reply.text());
    assert_eq!((reply.own("model"), reply.own("attempts")), ("sim/high", "2"), "{what}");
    assert_eq!(reply.own("reason"), "escalated", "{what}");
    let decision = door.decision(reply).await;
    assert_eq!(
        attempts(&decision),
        [format!("sim/low {low}"), "sim/high accepted".into()],
        "{what}"
    );
    costs_add_up(what, reply, &decision);
}

/// The cost that was said is the sum over the attempts, and each attempt's is its usage's.
fn costs_add_up(what: &str, reply: &Reply, decision: &Value) {
    let said = match reply.own("cost") {
        "" => {
            let text = reply.text();
            let line = text.lines().find_map(|line| line.strip_prefix(": x-pointsman-cost: "));
            nanos(line.unwrap_or_else(|| panic!("{what}: no cost in {text}")))
        }
        cost => nanos(cost),
    };
    assert_eq!(said, sum_of_costs(decision), "{what}: {decision}");
    assert_eq!(said, nanos(decision["cost"].as_str().unwrap()), "{what}");
    for attempt in decision["attempts"].as_array().unwrap() {
        if attempt["usage_source"] != "reported" {
            continue;
        }
        // Nano-dollars per thousand tokens, so that it stays whole.
        let (input, output) =
            if attempt["model"] == "sim/low" { (100, 400) } else { (2_500, 10_000) };
        let count = |name: &str| attempt["usage"][name].as_u64().unwrap_or(0);
        let expected = count("input") * input + count("output") * output;
        assert_eq!(nanos(attempt["cost"].as_str().unwrap()), expected, "{what}: {attempt}");
    }
}

const WAYS: &[(&str, &str, &str)] = &[
    ("refused", "small!refuse", "rejected"),
    ("truncated", "small!truncate", "rejected"),
    ("empty", "small!empty", "rejected"),
    ("failed", "small!500", "failed"),
    ("error == rate_limited", "small!429=none", "failed"),
    ("timed_out", "small!408", "failed"),
    ("response.tokens < 10k", "small", "rejected"),
    ("attempt.cost > $0.0000001", "small", "rejected"),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_reason_to_climb_climbs() {
    for (when, low, verdict) in WAYS {
        let door = climbing(when, low).open().await;
        let right = door.ask("sim/high", COUNT).await.content();
        for stream in [false, true] {
            let what = format!("{when}, stream {stream}");
            let reply = door.ask_with(&body("auto", COUNT, json!({"stream": stream})), &[]).await;
            climbed(&what, &door, &reply, verdict).await;
            assert_eq!(reply.content(), right, "{what}");
            assert!(!stream || reply.is_done(), "{what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_good_enough_stays() {
    let door =
        climbing("refused or invalid_json or truncated or empty or failed", "small").open().await;
    for stream in [false, true] {
        let reply = door.ask_with(&body("auto", COUNT, json!({"stream": stream})), &[]).await;
        assert_eq!((reply.own("model"), reply.own("attempts")), ("sim/low", "1"));
        assert_eq!(reply.own("reason"), "matched");
        costs_add_up("good enough", &reply, &door.decision(&reply).await);
    }
    assert_eq!(door.count("large", "requests").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn json_is_held_against_what_was_asked_for() {
    let object = json!({"response_format": {"type": "json_object"}});
    let door = climbing("invalid_json", "small!bad-json").open().await;
    for stream in [false, true] {
        let mut asked = body("auto", "Give me a JSON object about Anna", object.clone());
        asked["stream"] = json!(stream);
        let reply = door.ask_with(&asked, &[]).await;
        climbed("invalid_json", &door, &reply, "rejected").await;
        assert!(serde_json::from_str::<Value>(&reply.content()).is_ok(), "{}", reply.content());
    }
    // A schema that nothing satisfies: well-formed JSON must be told from JSON that fits.
    let schema = json!({"type": "object", "required": ["age"], "properties": {"age": {"type": "integer"}}, "not": {"required": ["age"]}});
    let format = json!({"response_format": {"type": "json_schema", "json_schema": {"name": "person", "schema": schema}}});
    let door = climbing("schema_violation", "large").open().await;
    let reply = door.ask_with(&body("auto", "Anna is 34", format), &[]).await;
    climbed("schema_violation", &door, &reply, "rejected").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tool_calls_are_held_against_the_tools() {
    let tools = json!({
        "tools": [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}],
        "tool_choice": "required",
    });
    for (when, low) in
        [("tool_call_missing", "small!no-tool"), ("tool_call_invalid", "small!bad-tool-args")]
    {
        let door = climbing(when, low).open().await;
        for stream in [false, true] {
            let mut asked = body("auto", "Weather in Paris?", tools.clone());
            asked["stream"] = json!(stream);
            let reply = door.ask_with(&asked, &[]).await;
            climbed(when, &door, &reply, "rejected").await;
            assert!(reply.text().contains("get_weather"), "{when}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unsure_model_gives_way_and_its_probabilities_stay_here() {
    let door = climbing("logprob.mean < -0.5", "tiny").open().await;
    for stream in [false, true] {
        let asked = |prompt| body("auto", prompt, json!({"stream": stream}));
        let unsure = door.ask_with(&asked("What is 2 + 3 + 4 + 5 + 6?"), &[]).await;
        climbed("unsure", &door, &unsure, "rejected").await;
        let sure = door.ask_with(&asked("Hello"), &[]).await;
        assert_eq!(sure.own("model"), "sim/low", "{}", sure.text());
        assert_eq!(door.last_body().await["logprobs"], true);
        assert!(!sure.text().contains("\"logprob\""), "nobody asked for them: {}", sure.text());
        assert!(!sure.content().is_empty());
    }
    let asked = body("auto", "Hello", json!({"logprobs": true}));
    let reply = door.ask_with(&asked, &[]).await;
    assert!(reply.json()["choices"][0]["logprobs"]["content"].is_array(), "this client asked");
}

/// With little held back, a refusal that shows in time must climb, and nothing of it be seen.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_seen_in_what_is_held_back() {
    for hold in ["hold full", "hold 11 tokens", "hold 2s"] {
        let door = Setup::policy(ladder(hold, "refused"))
            .priced("low", "tiny", 0.1, 0.4)
            .priced("high", "large", 2.5, 10.0)
            .open()
            .await;
        let right = door.ask("sim/high", HARD).await.content();
        let asked = body("auto", HARD, json!({"stream": true}));
        // Slow enough that the first tokens come alone.
        let reply = door.ask_with(&asked, &[("x-sim-rate", "60")]).await;
        assert_eq!(reply.status, 200, "{hold}: {}", reply.text());
        assert_eq!(reply.own("model"), "sim/high", "{hold}: {}", reply.text());
        assert_eq!(reply.own("reason"), "escalated", "{hold}");
        assert_eq!(reply.content(), right, "{hold}");
        assert!(!reply.text().contains("sorry"), "{hold}: {}", reply.text());
        assert!(reply.is_done(), "{hold}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_held_back_for_a_while_goes_on_as_it_comes() {
    for hold in ["hold none", "hold 3 tokens", "hold 100ms"] {
        let door = Setup::policy(ladder(hold, "failed"))
            .model("low", "small")
            .model("high", "large")
            .open()
            .await;
        let asked = body("auto", "Count from 1 to 60", json!({"stream": true}));
        let started = Instant::now();
        let mut response = door.send(&asked, &[("x-sim-rate", "40")]).await;
        response.chunk().await.unwrap().unwrap();
        let first = started.elapsed();
        let rest = crate::support::read(response).await;
        assert!(rest.is_done(), "{hold}");
        // 179 tokens at 40 a second take 4 seconds and more; the first must not wait for them.
        assert!(started.elapsed() > first + Duration::from_secs(1), "{hold}: {first:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_climb_stops_where_the_money_ends_and_keeps_its_best() {
    let door = Setup::policy(ladder("hold full\nmax_cost $0.05", "refused"))
        .priced("low", "small!refuse", 1.0, 1.0)
        .priced("high", "large", 1000.0, 1000.0)
        .open()
        .await;
    for stream in [false, true] {
        let asked = body("auto", COUNT, json!({"stream": stream, "max_tokens": 100}));
        let reply = door.ask_with(&asked, &[]).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!((reply.own("model"), reply.own("attempts")), ("sim/low", "1"));
        assert!(!stream || reply.is_done(), "{}", reply.text());
        assert!(reply.text().contains("sorry"), "{}", reply.text());
        let decision = door.decision(&reply).await;
        assert_eq!(attempts(&decision), ["sim/low rejected", "sim/high skipped"]);
    }
    assert_eq!(door.count("large", "requests").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_no_step_can_afford_is_refused() {
    let door = Setup::policy(ladder("hold full\nmax_cost $0.0001", "refused"))
        .priced("low", "small", 1000.0, 1000.0)
        .priced("high", "large", 1000.0, 1000.0)
        .open()
        .await;
    let reply = door.ask("auto", COUNT).await;
    assert_eq!((reply.status, reply.code().as_str()), (402, "cap_exceeded"), "{}", reply.text());
    assert_eq!(door.received().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deadline_ends_the_climb_with_the_best_so_far() {
    let door = Setup::policy(ladder("hold full\ndeadline 2s", "refused"))
        .model("low", "small!refuse")
        .model("high", "large!slow-headers=60s")
        .open()
        .await;
    for stream in [false, true] {
        let started = Instant::now();
        let reply = door.ask_with(&body("auto", COUNT, json!({"stream": stream})), &[]).await;
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
        assert_eq!((reply.status, reply.own("model")), (200, "sim/low"), "{}", reply.text());
        assert!(reply.text().contains("sorry"));
        let decision = door.decision(&reply).await;
        assert_eq!(attempts(&decision), ["sim/low rejected", "sim/high failed"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_answer_is_better_than_an_error_from_above() {
    for fault in ["500", "429=none", "400", "html", "cut=0"] {
        let door = Setup::policy(ladder("hold full", "refused"))
            .model("low", "small!refuse")
            .model("high", &format!("large!{fault}"))
            .open()
            .await;
        for stream in [false, true] {
            let reply = door.ask_with(&body("auto", COUNT, json!({"stream": stream})), &[]).await;
            assert_eq!((reply.status, reply.own("model")), (200, "sim/low"), "{fault}");
            assert!(reply.text().contains("sorry"), "{fault}");
            assert!(!stream || reply.is_done(), "{fault}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_steps_cost_what_three_answers_cost() {
    let policy = "ladder climb {\nhold full\nstep a -> sim/low escalate when refused\n\
                  step b -> sim/mid escalate when refused\nstep c -> sim/high\n}\ndefault -> climb";
    let door = Setup::policy(policy)
        .priced("low", "tiny", 0.1, 0.4)
        .priced("mid", "small", 2.5, 10.0)
        .priced("high", "large", 2.5, 10.0)
        .open()
        .await;
    for stream in [false, true] {
        let reply = door.ask_with(&body("auto", HARD, json!({"stream": stream})), &[]).await;
        assert_eq!(
            (reply.own("model"), reply.own("attempts")),
            ("sim/high", "3"),
            "{}",
            reply.text()
        );
        let decision = door.decision(&reply).await;
        assert_eq!(
            attempts(&decision),
            ["sim/low rejected", "sim/mid rejected", "sim/high accepted"]
        );
        costs_add_up("three", &reply, &decision);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_that_is_no_reason_to_climb_is_told() {
    let door = climbing("refused", "small!500").open().await;
    let reply = door.ask("auto", COUNT).await;
    assert_eq!((reply.status, reply.own("attempts")), (500, "1"), "{}", reply.text());
    assert_eq!(door.count("large", "requests").await, 0);
}
