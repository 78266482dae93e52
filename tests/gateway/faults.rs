//! Every way a provider fails, met by a whole answer and by a stream, for a client that named its
//! model and for one that left the choice to the policy.

use serde_json::{Value, json};

use crate::support::{COUNT, Door, Reply, Setup, attempts, body};

/// How a request with a fault ends.
#[derive(Clone, Copy, PartialEq)]
enum End {
    /// As if there were no fault.
    Good,
    /// With this status, this code, this `retry-after`; and whether somebody else may be asked.
    Error(u16, &'static str, Option<u64>, bool),
    /// With an error event of this code behind the first tokens.
    Late(&'static str),
}

use End::{Error, Good, Late};

const MOVES: bool = true;
const STAYS: bool = false;

/// The fault, and what becomes of a whole answer and of a stream.
const FAULTS: &[(&str, End, End)] = {
    const fn both(fault: &'static str, end: End) -> (&'static str, End, End) {
        (fault, end, end)
    }
    const INVALID: End = Error(502, "invalid_upstream_response", None, MOVES);
    const FAILED: End = Error(502, "server_error", None, MOVES);
    const TIMEOUT: End = Error(504, "timeout", None, MOVES);
    &[
        both("429", Error(429, "rate_limited", Some(1), MOVES)),
        both("429=7", Error(429, "rate_limited", Some(7), MOVES)),
        both("429=3600", Error(429, "rate_limited", Some(60), MOVES)),
        both("429=250ms", Error(429, "rate_limited", Some(1), MOVES)),
        both("429=none", Error(429, "rate_limited", None, MOVES)),
        both("quota", Error(503, "provider_quota", None, MOVES)),
        both("400", Error(400, "invalid_request", None, STAYS)),
        both("401", Error(502, "provider_auth", None, MOVES)),
        both("402", Error(503, "provider_quota", None, MOVES)),
        both("404", Error(404, "not_found", None, STAYS)),
        both("408", TIMEOUT),
        both("413", Error(413, "request_too_large", None, STAYS)),
        both("422", Error(422, "invalid_request", None, STAYS)),
        both("500", Error(500, "server_error", None, MOVES)),
        both("502", FAILED),
        both("503", Error(503, "overloaded", None, MOVES)),
        both("504", Error(504, "server_error", None, MOVES)),
        both("529", Error(503, "overloaded", None, MOVES)),
        both("context", Error(400, "context_length_exceeded", None, STAYS)),
        both("filter", Error(400, "content_filter", None, STAYS)),
        both("error-in-200", FAILED),
        both("error-first", FAILED),
        both("html", INVALID),
        both("html-502", FAILED),
        both("garbage", INVALID),
        both("slow-headers=60s", TIMEOUT),
        both("slow-first=60s", TIMEOUT),
        both("stall=0", TIMEOUT),
        both("cut=0", INVALID),
        both("fin=0", INVALID),
        both("malformed=0", INVALID),
        both("error-event=0", FAILED),
        ("stall=8", TIMEOUT, Late("upstream_stalled")),
        ("cut=8", INVALID, Late("upstream_truncated")),
        ("fin=8", INVALID, Late("upstream_truncated")),
        ("error-event=8", FAILED, Late("upstream_truncated")),
        ("malformed=8", INVALID, Late("upstream_truncated")),
        ("no-done", Good, Late("upstream_truncated")),
        ("huge-line=2000000", Good, INVALID),
        both("filter=answer", Good),
        both("empty", Good),
        both("no-usage", Good),
        both("wrong-usage", Good),
        both("refuse", Good),
        both("truncate", Good),
        both("crlf", Good),
        both("chop=7", Good),
        both("slow-body=20000", Good),
    ]
};

/// Each fault's model is `sim/fN`; with `x-case: N` the policy asks it first, then `sim/spare`.
async fn open() -> Door {
    let mut policy = String::from("pool spare = [sim/spare] pick first\n");
    for index in 0..FAULTS.len() {
        policy += &format!("pool p{index} = [sim/f{index}, sim/spare] pick first\n");
    }
    for index in 0..FAULTS.len() {
        policy += &format!("route r{index} when header[\"x-case\"] == \"{index}\" -> p{index}\n");
    }
    policy += "default -> spare\n";
    let clocks = "timeouts: { headers: 2s, ttft: 2s, idle: 2s, total: 20s }";
    let mut setup =
        Setup::policy(policy + "tune clock when request.n >= 1 { timeout attempt 4s }\n")
            .more(clocks)
            .model("spare", "medium");
    for (index, (fault, ..)) in FAULTS.iter().enumerate() {
        setup = setup.model(&format!("f{index}"), &format!("small!{fault}"));
    }
    setup.open().await
}

/// Asks with a fault; streams are slow enough for their events to come one by one.
async fn ask(door: &Door, model: &str, index: usize, stream: bool) -> Reply {
    let case = index.to_string();
    let (rate, extra) = match stream {
        true => ("100", json!({"stream": true})),
        false => ("1000000", json!({})),
    };
    let headers = [("x-case", case.as_str()), ("x-sim-rate", rate)];
    door.ask_with(&body(model, COUNT, extra), &headers).await
}

fn is_error(what: &str, reply: &Reply, status: u16, code: &str, retry_after: Option<u64>) {
    assert_eq!((reply.status, reply.code()), (status, code.to_owned()), "{what}: {}", reply.text());
    let said = reply.header("retry-after").map(|seconds| seconds.parse::<u64>().unwrap());
    assert_eq!(said, retry_after, "{what}");
    assert_eq!(reply.json()["error"]["request_id"], reply.own("id"), "{what}");
    assert!(!reply.text().contains("127.0.0.1"), "{what}: {}", reply.text());
}

fn is_good(what: &str, reply: &Reply, stream: bool) {
    assert_eq!(reply.status, 200, "{what}: {}", reply.text());
    assert_eq!(reply.is_stream(), stream, "{what}");
    assert!(!reply.broken, "{what}");
    assert!(!stream || reply.is_done(), "{what}: {}", reply.text());
}

/// A late error: what came before it is the beginning of the right answer, once.
async fn is_late(what: &str, door: &Door, reply: &Reply, code: &str) {
    assert_eq!(reply.status, 200, "{what}: {}", reply.text());
    let error = reply.late_error().unwrap_or_else(|| panic!("{what}: {}", reply.text()));
    assert_eq!(error["code"], code, "{what}: {error}");
    assert_eq!(error["request_id"], reply.own("id"), "{what}");
    assert!(!reply.text().contains("[DONE]"), "{what}: {}", reply.text());
    let content = reply.content();
    assert!(
        content.starts_with("1, 2") && content.matches("1, 2").count() == 1,
        "{what}: {content}"
    );
    let decision = door.decision(reply).await;
    let verdicts = attempts(&decision);
    assert_eq!(verdicts.len(), 1, "{what}: {verdicts:?}");
    assert!(verdicts[0].ends_with(" broken"), "{what}: {verdicts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_named_model_answers_or_fails_as_what_it_is() {
    let door = &open().await;
    let cases = FAULTS.iter().enumerate().flat_map(|(index, (fault, whole, stream))| {
        [(index, fault, *whole, false), (index, fault, *stream, true)]
    });
    let asked = cases.map(|(index, fault, end, stream)| async move {
        let what = format!("{fault}, {}", if stream { "stream" } else { "whole" });
        let reply = ask(door, &format!("sim/f{index}"), index, stream).await;
        match end {
            Good => is_good(&what, &reply, stream),
            Error(status, code, retry, _) => is_error(&what, &reply, status, code, retry),
            Late(code) => is_late(&what, door, &reply, code).await,
        }
        assert_eq!(reply.own("model"), format!("sim/f{index}"), "{what}");
        assert_eq!(reply.own("attempts"), "1", "{what}");
        assert_eq!(reply.own("reason"), "requested", "{what}");
    });
    let all = all_of(asked).await;
    assert!(all.is_empty(), "{} cases:\n{}", all.len(), all.join("\n"));
    assert_eq!(door.count("medium", "requests").await, 0, "a named model is never replaced");
}

#[tokio::test(flavor = "multi_thread")]
async fn under_auto_the_next_one_answers_what_the_first_could_not() {
    // A gateway for each: a model that just failed would not be asked first again.
    for stream in [false, true] {
        let door = &open().await;
        let right = &door.ask("sim/spare", COUNT).await.content();
        let cases = FAULTS.iter().enumerate().map(|(index, (fault, whole, streamed))| {
            (index, fault, if stream { *streamed } else { *whole })
        });
        let asked = cases.map(|(index, fault, end)| async move {
            let what = format!("{fault}, {}", if stream { "stream" } else { "whole" });
            let reply = ask(door, "auto", index, stream).await;
            let first = format!("sim/f{index}");
            let model = match end {
                Error(_, _, _, MOVES) => {
                    is_good(&what, &reply, stream);
                    assert_eq!(&reply.content(), right, "{what}");
                    let verdicts = attempts(&door.decision(&reply).await);
                    let expected = [format!("{first} failed"), "sim/spare accepted".to_owned()];
                    assert!(verdicts == expected, "{what}: {verdicts:?}");
                    assert_eq!(reply.own("attempts"), "2", "{what}");
                    assert_eq!(reply.own("reason"), "fallback", "{what}");
                    "sim/spare".to_owned()
                }
                Error(status, code, retry, _) => {
                    is_error(&what, &reply, status, code, retry);
                    assert_eq!(reply.own("attempts"), "1", "{what}");
                    first
                }
                Good => {
                    is_good(&what, &reply, stream);
                    assert_eq!(reply.own("reason"), "matched", "{what}");
                    first
                }
                Late(code) => {
                    is_late(&what, door, &reply, code).await;
                    first
                }
            };
            assert_eq!(reply.own("model"), model, "{what}");
            assert_eq!(reply.own("requested"), "auto", "{what}");
            assert_eq!(reply.own("route"), format!("r{index}"), "{what}");
        });
        let all = all_of(asked).await;
        assert!(all.is_empty(), "{} cases:\n{}", all.len(), all.join("\n"));
    }
}

/// Runs all cases at once and returns what the failed ones said, so that one does not hide the rest.
async fn all_of(cases: impl Iterator<Item = impl Future<Output = ()>>) -> Vec<String> {
    use futures_util::FutureExt;
    let cases = cases.map(|case| std::panic::AssertUnwindSafe(case).catch_unwind());
    let outcomes = futures_util::future::join_all(cases).await;
    let said = outcomes.into_iter().filter_map(Result::err).map(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_else(|| "a panic without words".into())
    });
    said.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_refused_is_not_the_caller_s_fault() {
    let door = Setup::policy("default -> sim/barred").model("barred", "small!403").open().await;
    is_error("403", &door.ask("sim/barred", COUNT).await, 502, "provider_auth", None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_date_to_come_back_at_is_passed_on_in_seconds() {
    let door = Setup::policy("default -> sim/late").model("late", "small!429=date").open().await;
    let reply = door.ask("sim/late", COUNT).await;
    let seconds: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=2).contains(&seconds), "{seconds}");
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_that_is_missing_is_estimated_and_said_so() {
    let door = Setup::policy("default -> sim/mute").model("mute", "small!no-usage").open().await;
    for stream in [false, true] {
        let extra = json!({"stream": stream, "max_tokens": 4});
        let reply = door.ask_with(&body("sim/mute", COUNT, extra), &[]).await;
        let attempt: Value = door.decision(&reply).await["attempts"][0].clone();
        assert_eq!(attempt["usage_source"], "estimated", "{attempt}");
        assert!(attempt["usage"]["output"].as_u64().unwrap() <= 4, "{attempt}");
    }
}
