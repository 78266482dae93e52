//! Retries, keys, fallbacks, and the one deadline of them all.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{COUNT, Setup, attempts, body};

fn retrying(rule: &str, upstream: &str) -> Setup {
    Setup::policy(format!("default -> sim/shaky {{ {rule} }}")).model("shaky", upstream)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_asks_the_same_model_as_often_as_the_policy_says() {
    let door = retrying("retry 2 on rate_limited, server_error backoff 1ms..5ms", "small!500@2")
        .open()
        .await;
    for stream in [false, true] {
        door.forget().await;
        let reply = door.ask_with(&body("auto", COUNT, json!({"stream": stream})), &[]).await;
        assert_eq!((reply.status, reply.own("attempts")), (200, "3"), "{}", reply.text());
        assert_eq!(reply.own("reason"), "matched");
        assert_eq!(door.received().await, 3);
        let decision = door.decision(&reply).await;
        assert_eq!(
            attempts(&decision),
            ["sim/shaky failed", "sim/shaky failed", "sim/shaky accepted"]
        );
        let retries: Vec<_> =
            decision["attempts"].as_array().unwrap().iter().map(|a| &a["retry"]).collect();
        assert_eq!(retries, [0, 1, 2]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_retries_cannot_mend_is_told_after_the_last() {
    let door = retrying("retry 2 on server_error backoff 1ms..5ms", "small!500").open().await;
    let reply = door.ask("auto", COUNT).await;
    assert_eq!((reply.status, reply.own("attempts")), (500, "3"));
    assert_eq!(door.received().await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_listed_errors_are_retried() {
    for fault in ["429=none", "400", "401", "quota", "html", "context"] {
        let door = retrying("retry 3 on server_error backoff 1ms..5ms", &format!("small!{fault}"))
            .open()
            .await;
        let reply = door.ask("auto", COUNT).await;
        assert_eq!(reply.own("attempts"), "1", "{fault}: {}", reply.text());
        assert_eq!(door.received().await, 1, "{fault}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_waits_as_long_as_the_provider_says() {
    let rule = "retry 1 on rate_limited backoff 1ms..2s";
    let door = retrying(rule, "small!429=300ms@1").open().await;
    let started = Instant::now();
    let reply = door.ask("auto", COUNT).await;
    assert_eq!((reply.status, reply.own("attempts")), (200, "2"));
    assert!(started.elapsed() >= Duration::from_millis(300), "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_wants_more_patience_than_the_policy_has_is_not_asked_again() {
    let door = retrying("retry 3 on rate_limited backoff 1ms..20ms", "small!429=7@1").open().await;
    let started = Instant::now();
    let reply = door.ask("auto", COUNT).await;
    assert_eq!((reply.status, reply.header("retry-after")), (429, Some("7")));
    assert_eq!(reply.own("attempts"), "1");
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn retries_are_a_share_of_the_traffic() {
    let door = retrying("retry 5 on server_error backoff 1ms..1ms", "small!500").open().await;
    for _ in 0..60 {
        assert_eq!(door.ask("auto", COUNT).await.status, 500);
    }
    // A fifth of the attempts and a reserve of ten: 60 + 10, and a fifth of all attempts.
    let received = door.received().await;
    assert!((65..=95).contains(&received), "{received} calls for 60 requests");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_refused_gives_way_to_the_next() {
    let door = Setup::policy("default -> sim/shaky")
        .model("shaky", "small!401@1")
        .provider("api_keys: [sim-key-number-one, sim-key-number-two]")
        .open()
        .await;
    let reply = door.ask("sim/shaky", COUNT).await;
    assert_eq!((reply.status, reply.own("attempts")), (200, "2"), "{}", reply.text());
    assert_eq!(reply.own("reason"), "requested");
    let used = |request: &serde_json::Value| request["headers"]["authorization"].clone();
    let keys: Vec<_> = door.requests().await.iter().map(used).collect();
    assert_eq!(keys, ["Bearer sim-key-number-one", "Bearer sim-key-number-two"]);
    // The first key stays aside.
    assert_eq!(door.ask("sim/shaky", COUNT).await.own("attempts"), "1");
    assert_eq!(used(&door.requests().await[2]), "Bearer sim-key-number-two");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_every_key_is_refused_the_operator_is_blamed() {
    let door = Setup::policy("default -> sim/shut")
        .model("shut", "small!401")
        .provider("api_keys: [sim-key-number-one, sim-key-number-two, sim-key-number-three]")
        .open()
        .await;
    let reply = door.ask("sim/shut", COUNT).await;
    assert_eq!((reply.status, reply.code().as_str()), (502, "provider_auth"));
    assert_eq!((reply.own("attempts"), door.received().await), ("3", 3));
    assert!(!reply.text().contains("sim-key"), "{}", reply.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_limited_for_a_moment_are_each_asked_once() {
    let door = Setup::policy("default -> sim/busy")
        .model("busy", "small!429=1ms")
        .provider("api_keys: [sim-key-number-one, sim-key-number-two]")
        .more("timeouts: { total: 3s }")
        .open()
        .await;
    let reply = door.ask("sim/busy", COUNT).await;
    assert_eq!((reply.status, reply.code().as_str()), (429, "rate_limited"));
    assert_eq!(door.received().await, 2, "the keys must not be tried in turn for ever");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fallback_answers_the_classes_it_names_and_no_others() {
    for (fault, on, moves) in [
        ("500", "server_error", true),
        ("429=none", "server_error, rate_limited", true),
        ("400", "any", true),
        ("context", "context_exceeded", true),
        ("filter", "content_filtered", true),
        ("500", "rate_limited", false),
        ("429=none", "timeout, server_error", false),
        ("400", "transient", false),
        ("404", "transient", false),
        ("413", "transient", false),
        ("422", "transient", false),
    ] {
        let policy = format!("default -> sim/first {{ fallback sim/second on {on} }}");
        let door = Setup::policy(policy)
            .model("first", &format!("small!{fault}"))
            .model("second", "medium")
            .open()
            .await;
        let reply = door.ask("auto", COUNT).await;
        let expected = if moves { ("sim/second", "2") } else { ("sim/first", "1") };
        assert_eq!((reply.own("model"), reply.own("attempts")), expected, "{fault} on {on}");
        assert_eq!(reply.status == 200, moves, "{fault} on {on}: {}", reply.text());
        if moves {
            assert_eq!(reply.own("reason"), "fallback", "{fault} on {on}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fallback_without_classes_does_not_answer_a_bad_request() {
    let door = Setup::policy("default -> sim/first { fallback sim/second }")
        .model("first", "small!400")
        .model("second", "medium")
        .open()
        .await;
    let reply = door.ask("auto", COUNT).await;
    assert_eq!((reply.status, reply.own("attempts")), (400, "1"));
    assert_eq!(door.count("medium", "requests").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn retries_come_before_the_next_one() {
    let policy =
        "default -> sim/first { retry 1 on server_error backoff 1ms..2ms\n fallback sim/second }";
    let door =
        Setup::policy(policy).model("first", "small!500").model("second", "medium").open().await;
    let reply = door.ask("auto", COUNT).await;
    assert_eq!(
        attempts(&door.decision(&reply).await),
        ["sim/first failed", "sim/first failed", "sim/second accepted"]
    );
    assert_eq!((reply.own("attempts"), reply.own("reason")), ("3", "fallback"));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_attempts_share_one_deadline() {
    let policy = "pool all = [sim/a, sim/b, sim/c, sim/d, sim/e] pick first\n\
                  default -> all { timeout total 700ms, attempt 300ms }";
    let mut setup = Setup::policy(policy);
    for name in ["a", "b", "c", "d", "e"] {
        setup = setup.model(name, "small!slow-headers=60s");
    }
    let door = setup.open().await;
    for stream in [false, true] {
        let started = Instant::now();
        let reply = door.ask_with(&body("auto", COUNT, json!({"stream": stream})), &[]).await;
        let took = started.elapsed();
        assert_eq!((reply.status, reply.code().as_str()), (504, "timeout"));
        assert!(took >= Duration::from_millis(650) && took < Duration::from_secs(4), "{took:?}");
        let made: u32 = reply.own("attempts").parse().unwrap();
        assert!((2..=3).contains(&made), "{made} attempts of 300 ms in 700 ms");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clock_for_the_first_token_runs_from_the_request_on() {
    let policy = "default -> sim/late { timeout ttft 300ms, headers 30s }";
    for fault in ["slow-headers=60s", "slow-first=60s", "slow-headers=200ms+slow-first=60s"] {
        let door = Setup::policy(policy).model("late", &format!("small!{fault}")).open().await;
        let started = Instant::now();
        let reply = door.stream("auto", COUNT).await;
        let took = started.elapsed();
        assert_eq!((reply.status, reply.code().as_str()), (504, "timeout"), "{fault}");
        assert!(took < Duration::from_secs(5), "{fault}: {took:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_answer_may_take_longer_than_the_headers_of_a_stream() {
    let door = Setup::policy("default -> sim/slow")
        .model("slow", "small!slow-headers=900ms")
        .more("timeouts: { headers: 200ms, ttft: 30s }")
        .open()
        .await;
    assert_eq!(door.ask("auto", COUNT).await.status, 200, "its headers come when it is written");
    assert_eq!(door.stream("auto", COUNT).await.status, 504);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_may_not_outlast_the_clock_of_its_attempt() {
    let policy = "default -> sim/endless { timeout attempt 800ms }";
    let door = Setup::policy(policy).model("endless", "small").open().await;
    let request = body("auto", "Count from 1 to 1000", json!({"stream": true}));
    let started = Instant::now();
    let reply = door.ask_with(&request, &[("x-sim-rate", "20")]).await;
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert_eq!(reply.status, 200);
    assert_eq!(reply.late_error().unwrap()["code"], "upstream_stalled");
    assert!(!reply.text().contains("[DONE]"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_where_nobody_listens_gives_way_at_once() {
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = dead.local_addr().unwrap();
    drop(dead);
    let policy = "pool both = [gone/m, sim/medium] pick first\ndefault -> both";
    let gone = format!(
        "  gone: {{ kind: openai-compatible, base_url: \"http://{address}/v1\", models: [m] }}"
    );
    let door = Setup::policy(policy).provider("connect_timeout: 2s").tail(&gone).open().await;
    let reply = door.ask("auto", COUNT).await;
    assert_eq!((reply.status, reply.own("attempts")), (200, "2"), "{}", reply.text());
    let named = door.ask("gone/m", COUNT).await;
    assert_eq!((named.status, named.code().as_str()), (502, "connect"));
    assert!(!named.text().contains(&address.port().to_string()), "{}", named.text());
}
