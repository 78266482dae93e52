//! Who stays with the model that answered: `sticky`, and the facts about a session.

use serde_json::json;

use crate::support::{COUNT, Door, Reply, Setup, body};

async fn asked(door: &Door, session: &str, stream: bool) -> Reply {
    let asked = body("auto", COUNT, json!({"stream": stream}));
    door.ask_with(&asked, &[("x-pointsman-session", session)]).await
}

fn sticky(pick: &str, a: &str, b: &str) -> Setup {
    Setup::policy(format!(
        "pool both = [sim/a, sim/b] pick {pick}\n\
         default -> both {{ sticky by session.id for 30min }}"
    ))
    .model("a", a)
    .model("b", b)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_stays_with_its_model() {
    let door = sticky("round-robin", "small", "medium").open().await;
    let mut models = Vec::new();
    for session in ["one", "two", "three"] {
        let first = asked(&door, session, false).await;
        let told = door.decision(&first).await["decision"]["steps"][0]["sticky"].clone();
        assert_eq!(told, json!({"remembered": null, "kept": false, "ttl_ms": 1_800_000}));
        let model = first.own("model").to_owned();
        // Streams and whole answers alike.
        for stream in [true, false, true, true] {
            let reply = asked(&door, session, stream).await;
            assert_eq!((reply.own("model"), reply.own("reason")), (model.as_str(), "matched"));
            let told = door.decision(&reply).await["decision"]["steps"][0]["sticky"].clone();
            assert_eq!(told, json!({"remembered": model, "kept": true, "ttl_ms": 1_800_000}));
        }
        models.push(model);
    }
    assert!(models.contains(&"sim/a".into()) && models.contains(&"sim/b".into()), "{models:?}");
    // Whoever has no session takes turns.
    let (first, second) = (door.ask("auto", COUNT).await, door.ask("auto", COUNT).await);
    assert_ne!(first.own("model"), second.own("model"));
    let told = door.decision(&first).await["decision"]["steps"][0]["sticky"].clone();
    assert!(told.is_null(), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_the_model_that_answered_that_is_remembered() {
    for stream in [false, true] {
        let door = sticky("first", "small!500@1", "medium").open().await;
        let first = asked(&door, "s", stream).await;
        assert_eq!((first.own("model"), first.own("reason")), ("sim/b", "fallback"));
        let second = asked(&door, "s", stream).await;
        assert_eq!((second.own("model"), second.own("reason")), ("sim/b", "matched"));
        assert_eq!(asked(&door, "another", stream).await.own("model"), "sim/a");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_broke_is_no_answer() {
    let door = sticky("first", "small!cut=6@1", "medium").open().await;
    let broken = asked(&door, "s", true).await;
    assert_eq!(broken.own("model"), "sim/a");
    assert!(!broken.is_done());
    let next = asked(&door, "s", true).await;
    let told = door.decision(&next).await["decision"]["steps"][0]["sticky"].clone();
    assert_eq!(told["remembered"], json!(null), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_moves_when_its_model_rests() {
    let door = sticky("round-robin", "small", "medium").open().await;
    let first = asked(&door, "s", false).await.own("model").to_owned();
    let named = body(&first, COUNT, json!({}));
    let limited = door.ask_with(&named, &[("x-sim-fault", "429=60")]).await;
    assert_eq!(limited.status, 429);
    let moved = asked(&door, "s", false).await;
    assert_eq!(moved.status, 200);
    assert_ne!(moved.own("model"), first);
    let told = door.decision(&moved).await["decision"]["steps"][0]["sticky"].clone();
    assert_eq!((&told["remembered"], &told["kept"]), (&json!(first), &json!(false)));
    // And stays where it went.
    for _ in 0..3 {
        assert_eq!(asked(&door, "s", false).await.own("model"), moved.own("model"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_may_ask_for_the_sessions_last_model_and_turn() {
    let policy = "route again when session.model == \"sim/b\" and session.turn > 1 -> sim/b\n\
                  default -> sim/a";
    let door = Setup::policy(policy).model("a", "small").model("b", "medium").open().await;
    let turns = |metadata: bool| {
        let mut asked = body("auto", COUNT, json!({}));
        asked["messages"] = json!([
            {"role": "user", "content": "hi"}, {"role": "assistant", "content": "hi"},
            {"role": "user", "content": COUNT},
        ]);
        if metadata {
            asked["metadata"] = json!({"session_id": "m"});
        }
        asked
    };
    // Both ways to name a session.
    for (headers, metadata) in [(&[("x-pointsman-session", "h")][..], false), (&[], true)] {
        assert_eq!(door.ask_with(&turns(metadata), headers).await.own("model"), "sim/a");
        let mut named = turns(metadata);
        named["model"] = json!("sim/b");
        assert_eq!(door.ask_with(&named, headers).await.own("model"), "sim/b");
        let again = door.ask_with(&turns(metadata), headers).await;
        assert_eq!((again.own("model"), again.own("route")), ("sim/b", "again"), "{metadata}");
        let mut first_turn = turns(metadata);
        first_turn["messages"] = json!([{"role": "user", "content": COUNT}]);
        assert_eq!(door.ask_with(&first_turn, headers).await.own("model"), "sim/a");
    }
}
