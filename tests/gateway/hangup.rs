//! Clients that go away: the provider is let go at once, and the record says what happened.

use serde_json::json;

use crate::support::{COUNT, Door, Setup, attempts, body, until};

/// The id of the last request, as the provider saw it.
async fn last_id(door: &Door) -> String {
    let requests = door.requests().await;
    requests.last().expect("a request")["headers"]["x-request-id"].as_str().unwrap().to_owned()
}

/// Goes away as soon as the provider works on it; there must be no answer by then.
async fn leave_before_the_answer(door: &Door, asked: &serde_json::Value) {
    let works =
        until("the provider works on it", || async { door.count("small", "in_flight").await == 1 });
    tokio::select! {
        answer = door.send(asked, &[]) => panic!("an answer: {}", answer.status()),
        () = works => {}
    }
}

async fn is_let_go(door: &Door, model: &str) {
    until("the provider is let go", || async {
        door.count(model, "hung_up").await == 1 && door.count(model, "in_flight").await == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_answer_began() {
    for stream in [false, true] {
        let policy = "pool both = [sim/slow, sim/medium] pick first\n\
                      default -> both { retry 2 on any backoff 1ms..5ms }";
        let door = Setup::policy(policy).model("slow", "small!slow-headers=60s").open().await;
        let asked = body("auto", COUNT, json!({"stream": stream}));
        leave_before_the_answer(&door, &asked).await;
        is_let_go(&door, "small").await;
        let id = last_id(&door).await;
        until("the record says so", || async {
            attempts(&door.decision_of(&id).await) == ["sim/slow canceled"]
        })
        .await;
        let decision = door.decision_of(&id).await;
        assert_eq!(decision["attempts"][0]["error"], "canceled", "{decision}");
        assert_eq!(door.received().await, 1, "nobody else is asked for a client who is gone");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_the_middle_of_a_stream() {
    let door = Setup::policy("default -> sim/slow").model("slow", "small!stall=6").open().await;
    let asked = body("auto", COUNT, json!({"stream": true}));
    let mut response = door.send(&asked, &[("x-sim-rate", "200")]).await;
    let id = response.headers()["x-pointsman-id"].to_str().unwrap().to_owned();
    assert!(response.chunk().await.unwrap().is_some());
    assert_eq!(door.count("small", "in_flight").await, 1);
    drop(response);
    is_let_go(&door, "small").await;
    until("the record says so", || async {
        attempts(&door.decision_of(&id).await) == ["sim/slow canceled"]
    })
    .await;
    let decision = door.decision_of(&id).await;
    let attempt = &decision["attempts"][0];
    assert_eq!(attempt["usage_source"], "estimated", "{attempt}");
    assert!(attempt["usage"]["output"].as_u64().unwrap() >= 1, "{attempt}");
    assert_ne!(attempt["cost"], "$0", "what came was paid for: {attempt}");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_stream_is_still_held_back() {
    let policy = "ladder climb {\nhold full\nstep a -> sim/slow escalate when refused\n\
                  step b -> sim/medium\n}\ndefault -> climb";
    let door = Setup::policy(policy).model("slow", "small!stall=6").open().await;
    let asked = body("auto", COUNT, json!({"stream": true}));
    leave_before_the_answer(&door, &asked).await;
    is_let_go(&door, "small").await;
    let id = last_id(&door).await;
    until("the record says so", || async {
        attempts(&door.decision_of(&id).await) == ["sim/slow canceled"]
    })
    .await;
    assert_eq!(door.received().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_leave_nothing_behind() {
    let door = Setup::policy("default -> sim/slow").model("slow", "small!stall=3").open().await;
    let asked = body("auto", COUNT, json!({"stream": true}));
    let all = (0..100).map(|index| {
        let (door, asked) = (&door, &asked);
        async move {
            let mut response = door.send(asked, &[]).await;
            if index % 2 == 0 {
                let _ = response.chunk().await;
            }
        }
    });
    futures_util::future::join_all(all).await;
    until("all are let go", || async { door.count("small", "in_flight").await == 0 }).await;
    assert_eq!(door.count("small", "hung_up").await, 100);
    assert_eq!(door.ask("sim/medium", COUNT).await.status, 200);
}
