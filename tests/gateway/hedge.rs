//! A copy of a slow attempt: who wins, who is let go, what it costs, and how many there may be.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{COUNT, Door, HARD, Reply, Setup, attempts, body, nanos, sum_of_costs, until};

/// Never answers by itself, in either form.
const NEVER: &str = "small!slow-headers=60s";

fn hedged(rule: &str, slow: &str, fast: &str) -> Setup {
    Setup::policy(format!("default -> sim/slow {{ {rule} }}"))
        .model("slow", slow)
        .model("fast", fast)
}

async fn asked(door: &Door, stream: bool) -> Reply {
    door.ask_with(&body("auto", COUNT, json!({"stream": stream, "max_tokens": 200})), &[]).await
}

async fn let_go(door: &Door, model: &str) {
    until("the slower one is let go", || async {
        door.count(model, "hung_up").await == 1 && door.count(model, "in_flight").await == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_copy_of_a_slow_attempt_answers_and_the_slow_one_is_let_go() {
    // Both ways of being slow: nothing at all, and headers without a token.
    for (slow, stream) in [(NEVER, false), (NEVER, true), ("small!slow-first=60s", true)] {
        let door = hedged("hedge after 20ms to sim/fast", slow, "medium").open().await;
        let reply = asked(&door, stream).await;
        let what = format!("{slow}, stream {stream}: {}", reply.text());
        assert_eq!((reply.status, reply.own("model")), (200, "sim/fast"), "{what}");
        assert_eq!((reply.own("reason"), reply.own("attempts")), ("hedged", "2"), "{what}");
        assert!(!stream || reply.is_done(), "{what}");
        let_go(&door, "small").await;
        let decision = door.decision(&reply).await;
        assert_eq!(attempts(&decision), ["sim/slow hedged_away", "sim/fast accepted"], "{what}");
        let tried = decision["attempts"].as_array().unwrap();
        assert_eq!((&tried[0]["hedge"], &tried[1]["hedge"]), (&json!(false), &json!(true)));
        // The prompt was sent, so it is taken to be paid for.
        assert_eq!(tried[0]["usage_source"], "estimated", "{decision}");
        assert!(nanos(tried[0]["cost"].as_str().unwrap()) > 0, "{decision}");
        assert_eq!(nanos(decision["cost"].as_str().unwrap()), sum_of_costs(&decision));
        if !stream {
            assert_eq!(nanos(reply.own("cost")), sum_of_costs(&decision));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_still_wins_if_it_is_faster_than_its_copy() {
    for stream in [false, true] {
        let slow = "medium!slow-headers=300ms";
        let door = hedged("hedge after 20ms to sim/fast", slow, NEVER).open().await;
        let reply = asked(&door, stream).await;
        assert_eq!((reply.status, reply.own("model")), (200, "sim/slow"), "{}", reply.text());
        assert_eq!((reply.own("reason"), reply.own("attempts")), ("matched", "2"));
        let_go(&door, "small").await;
        let decision = door.decision(&reply).await;
        assert_eq!(attempts(&decision), ["sim/slow accepted", "sim/fast hedged_away"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_in_time_is_not_copied() {
    for after in ["30s", "p50", "p95"] {
        // Nothing is known of the model yet, so there is no percentile to go by.
        let rule = format!("hedge after {after} to sim/fast");
        let door = hedged(&rule, "small!slow-headers=100ms", "medium").open().await;
        for stream in [false, true] {
            let reply = asked(&door, stream).await;
            assert_eq!((reply.own("model"), reply.own("attempts")), ("sim/slow", "1"), "{after}");
            assert_eq!(reply.own("reason"), "matched");
        }
        assert_eq!(door.received().await, 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_usual_lately_is_what_a_model_is_measured_by() {
    let door = hedged("hedge after p95 to sim/fast", "small", "medium").open().await;
    for _ in 0..5 {
        assert_eq!(asked(&door, false).await.own("attempts"), "1");
    }
    // The header makes both slow; that there is a copy shows that the figure is known. The figures of
    // the last few milliseconds may still be missing.
    until("the figure is known", || async {
        let headers = [("x-sim-fault", "slow-headers=1s")];
        let reply = door.ask_with(&body("auto", COUNT, json!({})), &headers).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.own("attempts") == "2"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_failure_leaves_the_other_running() {
    for stream in [false, true] {
        let slow = "medium!slow-headers=500ms";
        let door = hedged("hedge after 10ms to sim/fast", slow, "small!500").open().await;
        let reply = asked(&door, stream).await;
        assert_eq!((reply.status, reply.own("model")), (200, "sim/slow"), "{}", reply.text());
        let decision = door.decision(&reply).await;
        assert_eq!(attempts(&decision), ["sim/slow accepted", "sim/fast failed"]);

        let slow = "small!slow-headers=300ms+500";
        let fast = "medium!slow-headers=800ms";
        let door = hedged("hedge after 10ms to sim/fast", slow, fast).open().await;
        let reply = asked(&door, stream).await;
        assert_eq!((reply.status, reply.own("model")), (200, "sim/fast"), "{}", reply.text());
        assert_eq!(reply.own("reason"), "hedged");
        let decision = door.decision(&reply).await;
        assert_eq!(attempts(&decision), ["sim/slow failed", "sim/fast accepted"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_all_fail_the_first_ones_error_is_told() {
    for (slow, fast) in [("400ms+503", "1ms+422"), ("200ms+503", "400ms+422")] {
        let (slow, fast) =
            (format!("small!slow-headers={slow}"), format!("medium!slow-headers={fast}"));
        let door = hedged("hedge after 10ms to sim/fast", &slow, &fast).open().await;
        for stream in [false, true] {
            let reply = asked(&door, stream).await;
            assert_eq!((reply.status, reply.own("model")), (503, "sim/slow"), "{}", reply.text());
            let decision = door.decision(&reply).await;
            assert_eq!(attempts(&decision), ["sim/slow failed", "sim/fast failed"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_in_time_is_for_the_fallback_and_not_for_a_copy() {
    let rule = "hedge after 20s to sim/fast; fallback sim/fast on server_error";
    let door = hedged(rule, "small!500", "medium").open().await;
    let reply = asked(&door, false).await;
    assert_eq!((reply.status, reply.own("reason")), (200, "fallback"));
    let decision = door.decision(&reply).await;
    assert_eq!(attempts(&decision), ["sim/slow failed", "sim/fast accepted"]);
    assert_eq!(decision["attempts"][1]["hedge"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn further_copies_go_to_further_models() {
    let policy = "pool others = [sim/hung, sim/fast] pick first\n\
                  default -> sim/slow { hedge after 10ms to others max MAX }";
    let setup = |max: &str| {
        Setup::policy(policy.replace("MAX", max))
            .model("slow", NEVER)
            .model("hung", "large!slow-headers=60s")
            .model("fast", "medium")
    };
    let door = setup("2").open().await;
    let reply = asked(&door, true).await;
    assert_eq!((reply.status, reply.own("model")), (200, "sim/fast"), "{}", reply.text());
    let decision = door.decision(&reply).await;
    assert_eq!(
        attempts(&decision),
        ["sim/slow hedged_away", "sim/hung hedged_away", "sim/fast accepted"]
    );
    let told = &decision["decision"]["steps"][0]["hedge"];
    assert_eq!(*told, json!({"after": "10ms", "candidates": ["sim/hung", "sim/fast"], "max": 2}));
    let_go(&door, "small").await;
    let_go(&door, "large").await;

    let door = setup("1").model("late", "medium").more("timeouts: { total: 500ms }").open().await;
    let reply = asked(&door, false).await;
    assert_eq!((reply.status, reply.own("attempts")), (504, "2"), "one copy and no more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_may_be_hedged_with_itself() {
    let policy = "default -> sim/slow { hedge after 500ms to sim/slow }";
    let door = Setup::policy(policy).model("slow", "small!slow-headers=60s@1").open().await;
    let reply = asked(&door, true).await;
    assert_eq!((reply.status, reply.own("reason")), (200, "hedged"), "{}", reply.text());
    let decision = door.decision(&reply).await;
    assert_eq!(attempts(&decision), ["sim/slow hedged_away", "sim/slow accepted"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_named_model_is_answered_by_no_other() {
    let policy = "defaults { hedge after 5ms to sim/fast }\ndefault -> sim/fast";
    let door = Setup::policy(policy)
        .model("slow", "small!slow-headers=150ms")
        .model("fast", "medium")
        .open()
        .await;
    let reply = door.ask("sim/slow", COUNT).await;
    assert_eq!((reply.own("model"), reply.own("attempts")), ("sim/slow", "1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_allowance_is_for_all_copies_together() {
    // Up to 200 tokens for $2 per million: one answer costs at most $0.0004 and a little.
    for (cap, sent) in [("$0.0006", 1), ("$0.0012", 2)] {
        let rule = format!("hedge after 5ms to sim/fast; cap {cap} per request else deny");
        let door = hedged(&rule, "small!slow-headers=1s", "medium").open().await;
        let reply = asked(&door, false).await;
        assert_eq!((reply.status, door.received().await), (200, sent), "{}", reply.text());
        let decision = door.decision(&reply).await;
        let expected = match sent {
            1 => ["sim/slow accepted", "sim/fast skipped"],
            _ => ["sim/slow hedged_away", "sim/fast accepted"],
        };
        assert_eq!(attempts(&decision), expected, "{cap}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_all_is_slow_copies_add_a_tenth() {
    let slow = "small!slow-headers=40ms";
    let door = hedged("hedge after 1ms to sim/fast", slow, "medium!slow-headers=40ms").open().await;
    let all = (0..100).map(|_| asked(&door, false));
    for reply in futures_util::future::join_all(all).await {
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    // A tenth, and five that are always allowed.
    let received = door.received().await;
    assert!((110..=115).contains(&received), "{received} calls for 100 requests");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copys_answer_is_held_against_the_steps_condition() {
    let policy = "ladder climb {\nhold full\nstep low -> sim/slow escalate when refused\n\
                  step high -> sim/high\n}\ndefault -> climb { hedge after 1s to sim/fast }";
    let door = Setup::policy(policy)
        .model("slow", NEVER)
        .model("fast", "medium!refuse")
        .model("high", "large")
        .open()
        .await;
    for stream in [false, true] {
        let asked = body("auto", HARD, json!({"stream": stream}));
        let reply = door.ask_with(&asked, &[]).await;
        assert_eq!((reply.status, reply.own("model")), (200, "sim/high"), "{}", reply.text());
        assert_eq!(reply.own("reason"), "escalated");
        let decision = door.decision(&reply).await;
        assert_eq!(
            attempts(&decision),
            ["sim/slow hedged_away", "sim/fast rejected", "sim/high accepted"]
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_leaves_all_copies() {
    for stream in [false, true] {
        let door =
            hedged("hedge after 10ms to sim/fast", NEVER, "medium!slow-headers=60s").open().await;
        let asked = body("auto", COUNT, json!({"stream": stream}));
        let both = until("both work on it", || async {
            door.count("small", "in_flight").await == 1
                && door.count("medium", "in_flight").await == 1
        });
        tokio::select! {
            answer = door.send(&asked, &[]) => panic!("an answer: {}", answer.status()),
            () = both => {}
        }
        let_go(&door, "small").await;
        let_go(&door, "medium").await;
        let requests = door.requests().await;
        let id = requests[0]["headers"]["x-request-id"].as_str().unwrap();
        until("the record says so", || async {
            attempts(&door.decision_of(id).await) == ["sim/slow canceled", "sim/fast canceled"]
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_copied_once_a_stream_has_begun() {
    for hold in ["hold none", "hold full"] {
        let rule = format!("hedge after 500ms to sim/fast; {hold}");
        let door = hedged(&rule, "small", "medium").open().await;
        let started = Instant::now();
        let asked = body("auto", COUNT, json!({"stream": true}));
        let reply = door.ask_with(&asked, &[("x-sim-rate", "20")]).await;
        assert!(reply.is_done(), "{}", reply.text());
        assert!(started.elapsed() > Duration::from_millis(500), "{:?}", started.elapsed());
        assert_eq!((reply.own("attempts"), door.received().await), ("1", 1), "{hold}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dialects_are_hedged_alike() {
    let door = hedged("hedge after 20ms to sim/fast", NEVER, "medium").open().await;
    let asked: Value = json!({"model": "auto", "max_tokens": 200, "messages": [{"role": "user", "content": COUNT}]});
    let sent = door
        .client
        .post(format!("{}/v1/messages", door.url))
        .header("content-type", "application/json")
        .body(asked.to_string());
    let reply = crate::support::read(sent.send().await.unwrap()).await;
    assert_eq!((reply.status, reply.own("reason")), (200, "hedged"), "{}", reply.text());
    assert_eq!(reply.json()["type"], "message");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quote_counts_the_copies() {
    let mut most = Vec::new();
    for rule in ["retry 0", "hedge after p95 to sim/fast"] {
        let door = hedged(rule, "small", "medium").open().await;
        let asked = body("auto", COUNT, json!({"max_tokens": 200}));
        let sent = door
            .client
            .post(format!("{}/v1/quote", door.url))
            .header("content-type", "application/json")
            .body(asked.to_string());
        let quote = crate::support::read(sent.send().await.unwrap()).await.json();
        most.push(nanos(quote["quote"]["cost"]["maximum"].as_str().unwrap()));
    }
    // Both models cost the same.
    assert_eq!(most[1], 2 * most[0]);
}
