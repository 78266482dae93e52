//! Shadows: copies that nobody sees the answers of.

use serde_json::{Value, json};

use crate::support::{COUNT, Door, Reply, Setup, attempts, body, nanos, sum_of_costs, until};

fn shadowed(rule: &str, shadow: &str) -> Setup {
    Setup::policy(format!("default -> sim/main {{ {rule} }}"))
        .model("main", "small")
        .model("other", shadow)
}

/// The shadows of a decision as `model verdict`.
fn shadows(decision: &Value) -> Vec<String> {
    attempts(&json!({ "attempts": decision["shadows"] }))
}

async fn shadows_are(door: &Door, reply: &Reply, expected: &[&str]) -> Value {
    until(&format!("the shadows are {expected:?}"), || async {
        shadows(&door.decision(reply).await) == expected
    })
    .await;
    door.decision(reply).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shadow_is_in_the_record_and_not_in_the_answer() {
    let plain = Setup::policy("default -> sim/main").model("main", "small").open().await;
    let door = shadowed("shadow 100% to sim/other", "medium").open().await;
    for stream in [false, true] {
        let asked = body("auto", COUNT, json!({"stream": stream}));
        let (expected, reply) =
            (plain.ask_with(&asked, &[]).await, door.ask_with(&asked, &[]).await);
        assert_eq!((reply.status, reply.content()), (200, expected.content()));
        assert_eq!((reply.own("model"), reply.own("attempts")), ("sim/main", "1"));
        assert_eq!((reply.own("reason"), reply.own("cost")), ("matched", expected.own("cost")));
        let decision = shadows_are(&door, &reply, &["sim/other discarded"]).await;
        assert_eq!(attempts(&decision), ["sim/main accepted"]);
        assert_eq!(nanos(decision["cost"].as_str().unwrap()), sum_of_costs(&decision));
        let shadow = &decision["shadows"][0];
        assert_eq!(shadow["usage_source"], "reported", "{shadow}");
        assert!(nanos(shadow["cost"].as_str().unwrap()) > 0 && shadow["ms"].is_number());
        let planned = &decision["decision"]["shadows"];
        assert_eq!(*planned, json!([{"model": "sim/other", "share": "100%"}]));
        // Nobody reads along, so no stream is asked for.
        let sent = door.last_body().await;
        assert_eq!(sent["model"], "medium", "{sent}");
        assert!(sent["stream"] != true && sent["stream_options"].is_null(), "{sent}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_a_shadow() {
    let door = shadowed("shadow 100% to sim/other", "medium!slow-headers=60s").open().await;
    for stream in [false, true] {
        let asked = body("auto", COUNT, json!({"stream": stream}));
        let reply = door.ask_with(&asked, &[]).await;
        assert_eq!(reply.status, 200);
        shadows_are(&door, &reply, &["sim/other running"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_to_shadows_says_nothing_about_a_model() {
    let policy = "pool both = [sim/other, sim/main] pick first\n\
                  route asks when header[\"x-asks\"] == \"both\" -> both\n\
                  default -> sim/main { shadow 100% to sim/other }";
    let door =
        Setup::policy(policy).model("main", "small").model("other", "medium!500@8").open().await;
    for _ in 0..8 {
        let reply = door.ask("auto", COUNT).await;
        assert_eq!((reply.status, reply.own("model")), (200, "sim/main"));
        shadows_are(&door, &reply, &["sim/other failed"]).await;
    }
    // Five failures in a row put a model aside; these were not its clients'.
    let reply = door.ask_with(&body("auto", COUNT, json!({})), &[("x-asks", "both")]).await;
    assert_eq!((reply.own("model"), reply.own("reason")), ("sim/other", "matched"));
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_from_the_cache_cast_none() {
    let door = shadowed("cache exact ttl 1h; shadow 100% to sim/other", "medium").open().await;
    let first = door.ask("auto", COUNT).await;
    shadows_are(&door, &first, &["sim/other discarded"]).await;
    let second = door.ask("auto", COUNT).await;
    assert_eq!(second.own("cache"), "hit");
    // What the shadow said was not kept either.
    assert_eq!(second.own("model"), "sim/main");
    assert_eq!(shadows(&door.decision(&second).await), [""; 0]);
    assert_eq!(door.received().await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_does_not_end_it() {
    let door = Setup::policy("default -> sim/stuck { shadow 100% to sim/other }")
        .model("stuck", "small!stall=6")
        .model("other", "medium!slow-headers=200ms")
        .open()
        .await;
    let mut response = door.send(&body("auto", COUNT, json!({"stream": true})), &[]).await;
    assert!(response.chunk().await.unwrap().is_some());
    let id = response.headers()["x-pointsman-id"].to_str().unwrap().to_owned();
    drop(response);
    until("the shadow answers", || async {
        shadows(&door.decision_of(&id).await) == ["sim/other discarded"]
    })
    .await;
    assert_eq!(attempts(&door.decision_of(&id).await), ["sim/stuck canceled"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_only_so_many_at_once() {
    let door = shadowed("shadow 100% to sim/other", "medium!slow-headers=60s").open().await;
    let all = futures_util::future::join_all((0..70).map(|_| door.ask("auto", COUNT))).await;
    let mut skipped = 0;
    for reply in &all {
        assert_eq!(reply.status, 200);
        let found = shadows(&door.decision(reply).await);
        skipped += usize::from(found == ["sim/other skipped"]);
    }
    assert_eq!(skipped, 70 - 64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_failed_is_shown_to_the_shadow_all_the_same() {
    let door = Setup::policy("default -> sim/main { shadow 100% to sim/other }")
        .model("main", "small!500")
        .model("other", "medium")
        .open()
        .await;
    let reply = door.ask("auto", COUNT).await;
    assert_eq!(reply.status, 500);
    shadows_are(&door, &reply, &["sim/other discarded"]).await;
}
