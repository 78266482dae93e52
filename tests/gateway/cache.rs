//! Answers that were given before: to whom, how long, and never a bad one.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{COUNT, Door, Reply, Setup, attempts, body, until};

fn caching(model: &str, upstream: &str, terms: &str) -> Setup {
    Setup::policy(format!("default -> sim/{model} {{ cache exact {terms} }}"))
        .model(model, upstream)
}

async fn ask(door: &Door, extra: Value) -> Reply {
    door.ask_with(&body("auto", COUNT, extra), &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_answer_costs_nothing() {
    let door = caching("m", "small", "ttl 1h").open().await;
    let first = ask(&door, json!({})).await;
    assert_eq!((first.own("cache"), first.own("reason")), ("miss", "matched"));
    assert_ne!(first.own("cost"), "0");
    let second = ask(&door, json!({})).await;
    assert_eq!((second.own("cache"), second.own("reason")), ("hit", "cached"));
    assert_eq!((second.own("cost"), second.own("attempts")), ("0", "0"));
    assert_eq!(second.own("model"), first.own("model"));
    assert_eq!(second.body, first.body);
    assert_ne!(second.own("id"), first.own("id"));
    assert_eq!(door.received().await, 1);
}

/// What a client puts together of a stream.
fn gist(reply: &Reply) -> (String, Value) {
    if !reply.is_stream() {
        let choice = &reply.json()["choices"][0];
        return (reply.content(), choice["finish_reason"].clone());
    }
    assert!(reply.is_done(), "{}", reply.text());
    let events = reply.events();
    let parsed = events.iter().filter_map(|data| serde_json::from_str::<Value>(data).ok());
    let mut finish = parsed.map(|event| event["choices"][0]["finish_reason"].clone());
    (reply.content(), finish.rfind(|finish| !finish.is_null()).unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn whole_answers_and_streams_stand_for_each_other() {
    for first_streams in [false, true] {
        let door = caching("m", "small", "ttl 1h").open().await;
        let first = ask(&door, json!({"stream": first_streams})).await;
        assert_eq!(first.own("cache"), "miss");
        until("the answer is kept", || async {
            ask(&door, json!({"stream": first_streams})).await.own("cache") == "hit"
        })
        .await;
        let second = ask(&door, json!({"stream": !first_streams})).await;
        assert_eq!(second.own("cache"), "hit");
        assert_eq!(second.is_stream(), !first_streams);
        assert_eq!(gist(&first), gist(&second));
        let usage = json!({"stream": true, "stream_options": {"include_usage": true}});
        let replayed = ask(&door, usage).await;
        let shown =
            replayed.events().iter().filter(|data| data.contains("\"prompt_tokens\"")).count();
        assert_eq!((replayed.own("cache"), shown), ("hit", 1), "{}", replayed.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tool_calls_are_replayed_as_they_were() {
    let tools = json!({"tools": [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}]});
    let door = caching("m", "large", "ttl 1h").open().await;
    let asked = |stream| {
        let mut asked = body("auto", "Weather in Paris and Tokyo?", tools.clone());
        asked["stream"] = json!(stream);
        asked
    };
    let whole = door.ask_with(&asked(false), &[]).await;
    let calls = whole.json()["choices"][0]["message"]["tool_calls"].clone();
    assert_eq!(calls.as_array().unwrap().len(), 2, "{}", whole.text());
    let stream = door.ask_with(&asked(true), &[]).await;
    assert_eq!(stream.own("cache"), "hit");
    let mut replayed: Vec<(Value, String, String)> = Vec::new();
    for data in stream.events() {
        let Ok(event) = serde_json::from_str::<Value>(&data) else { continue };
        for call in event["choices"][0]["delta"]["tool_calls"].as_array().into_iter().flatten() {
            let index = usize::try_from(call["index"].as_u64().unwrap()).unwrap();
            if replayed.len() <= index {
                replayed.resize(index + 1, Default::default());
            }
            let slot = &mut replayed[index];
            if !call["id"].is_null() {
                slot.0 = call["id"].clone();
            }
            slot.1 += call["function"]["name"].as_str().unwrap_or("");
            slot.2 += call["function"]["arguments"].as_str().unwrap_or("");
        }
    }
    for (call, (id, name, arguments)) in calls.as_array().unwrap().iter().zip(replayed) {
        assert_eq!(call["id"], id);
        assert_eq!(
            (&call["function"]["name"], &call["function"]["arguments"]),
            (&json!(name), &json!(arguments))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_forgotten_when_its_time_is_up() {
    let door = caching("m", "small", "ttl 500ms").open().await;
    ask(&door, json!({})).await;
    assert_eq!(ask(&door, json!({})).await.own("cache"), "hit");
    until("the answer is forgotten", || async {
        ask(&door, json!({})).await.own("cache") == "miss"
    })
    .await;
    // A header may shorten the time, and cannot lengthen it.
    let door = caching("m", "small", "ttl 1h").open().await;
    let brief = [("x-pointsman-cache-ttl", "300ms")];
    door.ask_with(&body("auto", COUNT, json!({})), &brief).await;
    until("the answer is forgotten", || async {
        ask(&door, json!({})).await.own("cache") == "miss"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_matters_is_in_the_key_and_nothing_else() {
    let door = caching("m", "small", "ttl 1h").open().await;
    assert_eq!(ask(&door, json!({"temperature": 0.0})).await.own("cache"), "miss");
    for same in [
        json!({"temperature": 0}),
        json!({"temperature": 0.0, "n": 1}),
        json!({"temperature": 0.0, "user": "somebody"}),
        json!({"temperature": 0.0, "stream": true}),
    ] {
        assert_eq!(ask(&door, same.clone()).await.own("cache"), "hit", "{same}");
    }
    for other in [
        json!({}),
        json!({"temperature": 0.1}),
        json!({"temperature": 0.0, "seed": 1}),
        json!({"temperature": 0.0, "max_tokens": 5}),
        json!({"temperature": 0.0, "stop": ["5"]}),
        json!({"temperature": 0.0, "logprobs": true}),
        json!({"temperature": 0.0, "response_format": {"type": "json_object"}}),
    ] {
        assert_eq!(ask(&door, other.clone()).await.own("cache"), "miss", "{other}");
    }
    let other = body("auto", "Count from 1 to 21", json!({"temperature": 0.0}));
    assert_eq!(door.ask_with(&other, &[]).await.own("cache"), "miss");
    // Named, it has no route, so nothing says that it may be kept.
    assert_eq!(door.ask("sim/m", COUNT).await.own("cache"), "off");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_names_the_parts_of_the_key() {
    let door = caching("m", "small", "ttl 1h key [model, messages, user.id]").open().await;
    let keyed = |user: &str, temperature: f64| json!({"user": user, "temperature": temperature});
    assert_eq!(ask(&door, keyed("ann", 0.0)).await.own("cache"), "miss");
    assert_eq!(ask(&door, keyed("ann", 0.9)).await.own("cache"), "hit");
    assert_eq!(ask(&door, keyed("bob", 0.0)).await.own("cache"), "miss");
    assert_eq!(ask(&door, json!({})).await.own("cache"), "miss");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_shared_across_tenants() {
    let keys = "keys:\n  - { id: a, key: the-first-key-of-one, tenant: one }\n  \
        - { id: b, key: the-second-key-of-one, tenant: one }\n  - { id: c, key: the-key-of-two-here, tenant: two }\n  \
        - { id: d, key: the-key-of-nobody-d }\n  - { id: e, key: the-key-of-nobody-e }";
    let door = caching("m", "small", "ttl 1h").more(keys).open().await;
    let asked = body("auto", COUNT, json!({}));
    let cache = async |key: &str| {
        door.ask_with(&asked, &[("x-api-key", key)]).await.own("cache").to_owned()
    };
    assert_eq!(cache("the-first-key-of-one").await, "miss");
    assert_eq!(cache("the-second-key-of-one").await, "hit");
    assert_eq!(cache("the-key-of-two-here").await, "miss");
    assert_eq!(cache("the-key-of-nobody-d").await, "miss");
    assert_eq!(cache("the-key-of-nobody-e").await, "miss");
    assert_eq!(cache("the-key-of-nobody-e").await, "hit");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_can_do_without() {
    let door = caching("m", "small", "ttl 1h").open().await;
    ask(&door, json!({})).await;
    for control in ["no-cache", "no-store", "max-age=0, no-cache"] {
        let headers = [("cache-control", control)];
        let reply = door.ask_with(&body("auto", COUNT, json!({})), &headers).await;
        assert_eq!((reply.status, reply.own("cache")), (200, "bypass"), "{control}");
    }
    assert_eq!(door.received().await, 4);
    let off = Setup::policy("default -> sim/small { cache off }").open().await;
    let ttl = [("x-pointsman-cache-ttl", "1h")];
    for _ in 0..2 {
        assert_eq!(off.ask_with(&body("auto", COUNT, json!({})), &ttl).await.own("cache"), "off");
    }
    let unsaid = Setup::policy("default -> sim/small").open().await;
    assert_eq!(unsaid.ask_with(&body("auto", COUNT, json!({})), &ttl).await.own("cache"), "miss");
    assert_eq!(unsaid.ask_with(&body("auto", COUNT, json!({})), &ttl).await.own("cache"), "hit");
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_errors_nor_fragments_are_kept() {
    for (fault, stream) in [
        ("500", false),
        ("429=none", true),
        ("400", false),
        ("html", false),
        ("error-in-200", true),
        ("cut=8", true),
        ("fin=8", true),
        ("error-event=8", true),
        ("no-done", true),
        ("malformed=8", true),
    ] {
        let door = caching("m", &format!("small!{fault}@1"), "ttl 1h").open().await;
        let asked = body("auto", COUNT, json!({"stream": stream}));
        let bad = door.ask_with(&asked, &[("x-sim-rate", "100")]).await;
        assert!(bad.status != 200 || bad.late_error().is_some(), "{fault}: {}", bad.text());
        let good = door.ask_with(&asked, &[]).await;
        assert_eq!((good.status, good.own("cache")), (200, "miss"), "{fault}");
        assert!(good.content().ends_with("20"), "{fault}: {}", good.content());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_its_client_left_is_not_kept() {
    let door = caching("m", "small", "ttl 1h").open().await;
    let asked = body("auto", COUNT, json!({"stream": true}));
    let mut response = door.send(&asked, &[("x-sim-rate", "20")]).await;
    response.chunk().await.unwrap();
    drop(response);
    until("the provider is let go", || async { door.count("small", "hung_up").await == 1 }).await;
    assert_eq!(ask(&door, json!({})).await.own("cache"), "miss");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_its_ladder_rejected_is_not_kept() {
    let policy = "ladder climb {\nhold full\nstep a -> sim/low escalate when refused\nstep b -> sim/high\n}\n\
        default -> climb { cache exact ttl 1h }";
    let door = Setup::policy(policy)
        .model("low", "small!refuse@1")
        .model("high", "large!500@1")
        .open()
        .await;
    let kept = ask(&door, json!({})).await;
    assert_eq!((kept.status, kept.own("model")), (200, "sim/low"), "{}", kept.text());
    assert_eq!(attempts(&door.decision(&kept).await), ["sim/low rejected", "sim/high failed"]);
    let next = ask(&door, json!({})).await;
    assert_eq!((next.own("cache"), next.own("model")), ("miss", "sim/low"));
    assert!(next.content().ends_with("20"), "{}", next.content());
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_equal_requests_are_one_to_the_provider() {
    for stream in [false, true] {
        let door = caching("m", "small!slow-headers=500ms", "ttl 1h").open().await;
        let asked = body("auto", COUNT, json!({"stream": stream}));
        let replies =
            futures_util::future::join_all((0..50).map(|_| door.ask_with(&asked, &[]))).await;
        assert_eq!(door.received().await, 1, "stream {stream}");
        let count =
            |cache: &str| replies.iter().filter(|reply| reply.own("cache") == cache).count();
        assert_eq!((count("miss"), count("coalesced") + count("hit")), (1, 49), "stream {stream}");
        let first = replies[0].content();
        for reply in &replies {
            assert_eq!((reply.status, reply.content()), (200, first.clone()));
            if reply.own("cache") == "coalesced" {
                assert_eq!((reply.own("reason"), reply.own("cost")), ("coalesced", "0"));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_first_hangs_up_another_asks() {
    let door = caching("m", "small!slow-headers=60s@1", "ttl 1h").open().await;
    let door = &door;
    let asked = body("auto", COUNT, json!({}));
    let leader = tokio::spawn({
        let request = door.client.post(format!("{}/v1/chat/completions", door.url));
        let request = request.body(asked.to_string());
        async move { request.send().await }
    });
    until("the first has asked", || async { door.count("small", "in_flight").await == 1 }).await;
    let others = (0..5).map(|_| door.ask_with(&asked, &[]));
    let others = async {
        let hang_up = async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            leader.abort();
        };
        futures_util::future::join(futures_util::future::join_all(others), hang_up).await.0
    };
    let replies = tokio::time::timeout(Duration::from_secs(15), others).await.unwrap();
    assert!(replies.iter().all(|reply| reply.status == 200));
    assert_eq!(door.received().await, 2, "one for the client who left, one for the others");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_first_fails_each_gets_an_answer() {
    let door = caching("m", "small!slow-headers=200ms+500@1", "ttl 1h").open().await;
    let asked = body("auto", COUNT, json!({}));
    let replies = futures_util::future::join_all((0..10).map(|_| door.ask_with(&asked, &[]))).await;
    let failed = replies.iter().filter(|reply| reply.status != 200).count();
    assert_eq!(failed, 1, "only the first met the fault");
    assert_eq!(door.received().await, 2);
}
