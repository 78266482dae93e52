//! Each fault as it is seen on the wire.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use serde_json::{Value, json};

use crate::support::{Sim, body};

const PROMPT: &str = "Count from 1 to 30";

#[tokio::test]
async fn statuses_with_their_bodies_and_headers() {
    let sim = Sim::start().await;
    for status in [400, 401, 402, 403, 404, 408, 413, 422, 429, 500, 502, 503, 504, 529] {
        for stream in [false, true] {
            let asked = json!({"stream": stream});
            let answer = sim.ask(&format!("small!{status}"), PROMPT, asked).await;
            assert_eq!(answer.status, status);
            assert!(answer.json()["error"]["message"].is_string());
            let retry = (status == 429).then_some("1");
            assert_eq!(answer.header("retry-after"), retry, "{status}");
        }
    }
    let overloaded = sim.ask("small!529=3", PROMPT, json!({})).await;
    assert_eq!(overloaded.json()["error"]["type"], "overloaded_error");
    assert_eq!(overloaded.header("retry-after"), Some("3"));
    let millis = sim.ask("small!429=250ms", PROMPT, json!({})).await;
    assert_eq!(
        (millis.header("retry-after"), millis.header("retry-after-ms")),
        (None, Some("250"))
    );
    let date = sim.ask("small!429=date", PROMPT, json!({})).await;
    assert!(httpdate::parse_http_date(date.header("retry-after").unwrap()).is_ok());
    assert_eq!(sim.ask("small!429=none", PROMPT, json!({})).await.header("retry-after"), None);
    for (fault, status, code) in [
        ("quota", 429, "insufficient_quota"),
        ("context", 400, "context_length_exceeded"),
        ("filter", 400, "content_filter"),
    ] {
        let answer = sim.ask(&format!("small!{fault}"), PROMPT, json!({})).await;
        assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (status, Some(code)));
    }
}

#[tokio::test]
async fn a_fault_holds_for_the_first_requests_only() {
    let sim = Sim::start().await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(sim.ask("small!429@2+503@1", PROMPT, json!({})).await.status);
    }
    assert_eq!(statuses, [429, 429, 503, 200]);
    assert_eq!(sim.stats("small").await["faulted"], 3);
    let asked = body("small", PROMPT, json!({})).to_string();
    assert_eq!(sim.ask_raw(asked.clone(), &[("x-sim-fault", "500@1")]).await.status, 500);
    assert_eq!(sim.ask_raw(asked, &[("x-sim-fault", "500@1")]).await.status, 200);
}

#[tokio::test]
async fn bodies_that_are_no_answers() {
    let sim = Sim::start().await;
    let page = sim.ask("small!html", PROMPT, json!({})).await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.text().starts_with("<!DOCTYPE html>"));
    let page = sim.stream("small!html-502", PROMPT).await;
    assert_eq!((page.status, page.header("content-type")), (502, Some("text/html")));
    for stream in [false, true] {
        let garbage = sim.ask("small!garbage", PROMPT, json!({"stream": stream})).await;
        assert_eq!(garbage.status, 200);
        assert!(std::str::from_utf8(&garbage.body).is_err());
        let error = sim.ask("small!error-in-200", PROMPT, json!({"stream": stream})).await;
        assert_eq!((error.status, error.header("content-type")), (200, Some("application/json")));
        assert_eq!(error.json()["error"]["type"], "server_error");
    }
}

#[tokio::test]
async fn answers_that_are_not_what_was_asked_for() {
    let sim = Sim::start().await;
    let choice = |answer: &crate::support::Answer| answer.json()["choices"][0].clone();
    let empty = choice(&sim.ask("small!empty", PROMPT, json!({})).await);
    assert_eq!(
        (&empty["message"]["content"], &empty["finish_reason"]),
        (&json!(""), &json!("stop"))
    );
    let refused = choice(&sim.ask("small!refuse", PROMPT, json!({})).await);
    assert!(refused["message"]["refusal"].is_string() && refused["message"]["content"].is_null());
    let cut = choice(&sim.ask("small!truncate", PROMPT, json!({})).await);
    assert_eq!(cut["finish_reason"], "length");
    let filtered = choice(&sim.ask("small!filter=answer", PROMPT, json!({})).await);
    assert_eq!(filtered["finish_reason"], "content_filter");
    let format = json!({"response_format": {"type": "json_object"}});
    let broken = sim.ask("small!bad-json", "Say hello as JSON", format).await;
    assert!(serde_json::from_str::<Value>(&broken.content()).is_err());
    assert!(sim.ask("small!no-usage", PROMPT, json!({})).await.json().get("usage").is_none());
    let usage = sim.ask("small!wrong-usage", PROMPT, json!({})).await.json()["usage"].clone();
    assert_ne!(
        usage["total_tokens"].as_u64(),
        Some(
            usage["prompt_tokens"].as_u64().unwrap() + usage["completion_tokens"].as_u64().unwrap()
        )
    );
    let tools = json!({"tools": [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}]});
    let forgot = choice(&sim.ask("large!no-tool", "Weather in Rome?", tools.clone()).await);
    assert_eq!(forgot["finish_reason"], "stop");
    let called = choice(&sim.ask("large!bad-tool-args", "Weather in Rome?", tools).await);
    assert_eq!(called["message"]["tool_calls"][0]["function"]["arguments"], "{}");
}

#[tokio::test]
async fn streams_that_end_too_early() {
    let sim = Sim::start().await;
    let good = sim.stream("small", PROMPT).await.events();
    let cut = sim.stream("small!cut=3", PROMPT).await;
    assert!(cut.broken);
    assert_eq!(cut.events().len(), 3);
    let ended = sim.stream("small!fin=3", PROMPT).await;
    assert!(!ended.broken);
    assert_eq!(ended.events().len(), 3);
    let undone = sim.stream("small!no-done", PROMPT).await;
    assert!(!undone.broken);
    assert_eq!(undone.events().len(), good.len() - 1);
    let failed = sim.stream("small!error-event=3", PROMPT).await.events();
    assert_eq!(failed.len(), 4);
    assert!(failed[3].starts_with(r#"{"error""#));
    let failed = sim.stream("small!error-first", PROMPT).await;
    assert_eq!((failed.status, failed.events().len()), (200, 1));
    assert!(failed.events()[0].starts_with(r#"{"error""#));
    let malformed = sim.stream("small!malformed=3", PROMPT).await.events();
    let broken: Vec<usize> = malformed
        .iter()
        .enumerate()
        .filter(|(_, data)| *data != "[DONE]" && serde_json::from_str::<Value>(data).is_err())
        .map(|(i, _)| i)
        .collect();
    assert_eq!((broken, malformed.len()), (vec![3], good.len()));
    let half = sim.ask("small!cut=1", PROMPT, json!({})).await;
    assert!(half.broken && !half.body.is_empty());
    let half = sim.ask("small!fin=1", PROMPT, json!({})).await;
    assert!(!half.broken && serde_json::from_slice::<Value>(&half.body).is_err());
}

#[tokio::test]
async fn a_stalled_stream_stays_open_until_the_client_leaves() {
    let sim = Sim::start().await;
    let asked = body("small!stall=2", PROMPT, json!({"stream": true})).to_string();
    let mut pieces = sim.send(asked, &[]).await.bytes_stream();
    let mut seen = String::new();
    while seen.matches("data: ").count() < 2 || !seen.ends_with("\n\n") {
        seen.push_str(std::str::from_utf8(&pieces.next().await.unwrap().unwrap()).unwrap());
    }
    assert!(tokio::time::timeout(Duration::from_millis(100), pieces.next()).await.is_err());
    assert_eq!(seen.matches("data: ").count(), 2);
    assert_eq!(sim.stats("small").await["in_flight"], 1);
    drop(pieces);
    while sim.stats("small").await["in_flight"] != 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(sim.stats("small").await["hung_up"], 1);
}

#[tokio::test]
async fn slow_headers_and_slow_first_tokens() {
    let sim = Sim::start().await;
    let asked =
        |fault| body(&format!("small!{fault}"), PROMPT, json!({"stream": true})).to_string();
    let began = Instant::now();
    sim.send(asked("slow-headers=150ms"), &[]).await;
    assert!(began.elapsed() >= Duration::from_millis(150));
    // Here the headers come although the first token is an hour away.
    let mut pieces = sim.send(asked("slow-first=3600s"), &[]).await.bytes_stream();
    assert!(tokio::time::timeout(Duration::from_millis(50), pieces.next()).await.is_err());
    let began = Instant::now();
    sim.ask_raw(asked("slow-first=100ms"), &[]).await;
    assert!(began.elapsed() >= Duration::from_millis(100));
}

#[tokio::test]
async fn bytes_in_unusual_shapes_are_the_same_events() {
    let sim = Sim::start().await;
    let good = sim.stream("small", PROMPT).await;
    let crlf = sim.stream("small!crlf", PROMPT).await;
    assert!(crlf.text().contains("\r\n\r\n") && !crlf.text().replace("\r\n", "").contains('\n'));
    assert_eq!(crlf.content(), good.content());
    let chopped = sim.stream("small!chop=1", "Say pong").await;
    assert_eq!(chopped.content(), "pong");
    let huge = sim.stream("small!huge-line=3000000", PROMPT).await;
    assert!(huge.body.len() > 3_000_000);
    assert_eq!(huge.content(), good.content());
    let huge = sim.ask("small!huge-line=3000000", PROMPT, json!({})).await;
    assert_eq!(huge.content(), good.content());
    let began = Instant::now();
    let slow = sim.ask("small!slow-body=2000", PROMPT, json!({})).await;
    assert_eq!(slow.content(), good.content());
    assert!(began.elapsed().as_secs_f64() >= slow.body.len() as f64 / 2000.0 * 0.9);
}
