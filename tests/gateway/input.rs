//! Bad input of every kind: a clear answer, and the process serves on.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{COUNT, Door, Reply, Setup, body, read};

async fn open() -> Door {
    Setup::policy("default -> sim/small")
        .more("limits: { body_bytes: 1MB, header_read_timeout: 2s }")
        .open()
        .await
}

async fn serves_on(door: &Door) {
    assert_eq!(door.ask("auto", COUNT).await.status, 200);
}

async fn raw(door: &Door, body: impl Into<reqwest::Body>) -> Reply {
    read(door.send_raw(body, &[]).await).await
}

/// Bodies that are no JSON, or not an object.
const NO_JSON: &[&str] = &[
    "",
    " ",
    "{",
    "}",
    "[",
    "[]",
    "null",
    "true",
    "1",
    "\"text\"",
    "{]",
    "{\"model\"",
    "{\"model\":",
    "{\"model\":\"auto\"",
    "{\"model\":\"auto\",",
    "{\"model\":\"auto\",}",
    "{model:\"auto\"}",
    "{'model':'auto'}",
    "{\"model\":\"auto\"}{}",
    "{\"model\":\"auto\"} x",
    "\u{feff}{\"model\":\"auto\"}",
    "model=auto",
    "<xml/>",
    "{\"model\":\"au\nto\",\"messages\":[]}",
    "{\"model\":\"\\x\",\"messages\":[]}",
    "{\"model\":\"auto\",\"messages\":[01]}",
    "{\"model\":\"auto\",\"messages\":[.5]}",
    "{\"model\":\"auto\",\"messages\":[1.]}",
    "{\"model\":\"auto\",\"messages\":[+1]}",
    "{\"model\":\"auto\",\"messages\":[NaN]}",
    "{\"model\":\"auto\",\"messages\":[nul]}",
    "{\"model\":\"auto\" \"messages\":[]}",
];

/// Objects with something wrong in them, and the field that is blamed.
fn wrong() -> Vec<(Value, &'static str)> {
    let with = |extra: Value| body("auto", "Hi", extra);
    vec![
        (json!({}), "model"),
        (json!({"messages": []}), "model"),
        (json!({"model": "auto"}), "messages"),
        (json!({"model": null, "messages": []}), "model"),
        (json!({"model": 1, "messages": []}), "model"),
        (json!({"model": ["auto"], "messages": []}), "model"),
        (json!({"model": "auto", "messages": null}), "messages"),
        (json!({"model": "auto", "messages": "Hi"}), "messages"),
        (json!({"model": "auto", "messages": {}}), "messages"),
        (json!({"model": "auto", "messages": ["Hi"]}), "messages[0]"),
        (json!({"model": "auto", "messages": [{"role": 1, "content": "x"}]}), "messages[0].role"),
        (json!({"model": "auto", "messages": [{"content": "x"}]}), "messages[0].role"),
        (with(json!({"stream": "yes"})), "stream"),
        (with(json!({"stream": 1})), "stream"),
        (with(json!({"stream_options": true})), "stream_options"),
        (with(json!({"max_tokens": "100"})), "max_tokens"),
        (with(json!({"max_tokens": -1})), "max_tokens"),
        (with(json!({"max_completion_tokens": []})), "max_completion_tokens"),
        (with(json!({"temperature": "hot"})), "temperature"),
        (with(json!({"top_p": {}})), "top_p"),
        (with(json!({"n": "2"})), "n"),
        (with(json!({"n": -2})), "n"),
        (with(json!({"presence_penalty": true})), "presence_penalty"),
        (with(json!({"seed": "x"})), "seed"),
        (with(json!({"stop": 5})), "stop"),
        (with(json!({"logprobs": "yes"})), "logprobs"),
        (with(json!({"parallel_tool_calls": 1})), "parallel_tool_calls"),
        (with(json!({"reasoning_effort": 3})), "reasoning_effort"),
        (with(json!({"response_format": "json"})), "response_format"),
        (with(json!({"tools": {}})), "tools"),
        (with(json!({"tool_choice": 1})), "tool_choice"),
        (with(json!({"user": 7})), "user"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_no_request_is_told_what_is_wrong_with_it() {
    let door = open().await;
    for text in NO_JSON {
        let reply = raw(&door, *text).await;
        assert_eq!(reply.status, 400, "{text:?}: {}", reply.text());
        assert!(
            ["invalid_json", "invalid_type"].contains(&&*reply.code()),
            "{text:?}: {}",
            reply.text()
        );
        assert_eq!(reply.json()["error"]["type"], "invalid_request_error");
    }
    for (value, param) in wrong() {
        let reply = raw(&door, value.to_string()).await;
        assert_eq!(reply.status, 400, "{value}: {}", reply.text());
        assert_eq!(reply.json()["error"]["param"], param, "{value}: {}", reply.text());
        assert!(reply.json()["error"]["message"].as_str().unwrap().len() > 10);
    }
    let twice = "{\"model\":\"auto\",\"messages\":[],\"model\":\"sim/large\"}";
    let reply = raw(&door, twice).await;
    assert_eq!((reply.status, reply.code().as_str()), (400, "duplicate_field"));
    let escaped = "{\"model\":\"auto\",\"messages\":[],\"mod\\u0065l\":\"sim/large\"}";
    assert_eq!(raw(&door, escaped).await.code(), "duplicate_field");
    assert_eq!(raw(&door, b"{\"model\":\"\xff\xfe\",\"messages\":[]}".to_vec()).await.status, 400);
    assert_eq!(door.received().await, 0, "nothing of it reached a provider");
    serves_on(&door).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn depth_and_size_have_their_bounds() {
    let door = open().await;
    for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{\"a\":", "}]")] {
        for depth in [200, 100_000] {
            let nested = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            let text = format!("{{\"model\":\"auto\",\"messages\":[],\"deep\":{nested}}}");
            let expected = if text.len() > 1_000_000 { 413 } else { 400 };
            let reply = raw(&door, text).await;
            assert_eq!(reply.status, expected, "{open} {depth}: {}", reply.text());
        }
    }
    assert_eq!(raw(&door, "[".repeat(900_000)).await.status, 400);
    let long = "x".repeat(1_100_000);
    let reply = raw(&door, body("auto", &long, json!({})).to_string()).await;
    assert_eq!((reply.status, reply.code().as_str()), (413, "request_too_large"));
    // Without a length, it shows only as it comes.
    let pieces = (0..80).map(|_| Ok::<_, std::io::Error>(vec![b' '; 16_384]));
    let stream = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
    assert_eq!(raw(&door, stream).await.status, 413);
    serves_on(&door).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_methods_and_encodings_that_are_not_served() {
    let door = open().await;
    for path in [
        "/",
        "/v1",
        "/v1/chat",
        "/chat/completions",
        "/v1/chat/completions/",
        "/v1/nothing",
        "/_sim/stats",
    ] {
        let reply = door.get(path).await;
        assert_eq!((reply.status, reply.code().as_str()), (404, "unknown_endpoint"), "{path}");
    }
    for (method, path) in [
        ("GET", "/v1/chat/completions"),
        ("PUT", "/v1/chat/completions"),
        ("DELETE", "/v1/models"),
        ("POST", "/v1/models"),
        ("GET", "/v1/quote"),
        ("PATCH", "/healthz"),
    ] {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let sent = door.client.request(method.clone(), format!("{}{path}", door.url)).send().await;
        let reply = read(sent.unwrap()).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (405, "method_not_allowed"),
            "{method} {path}"
        );
        assert!(reply.header("allow").is_some(), "{method} {path}");
    }
    let asked = body("auto", COUNT, json!({}));
    for encoding in ["gzip", "br", "zstd", "deflate"] {
        let reply = door.ask_with(&asked, &[("content-encoding", encoding)]).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (415, "unsupported_encoding"),
            "{encoding}"
        );
    }
    assert_eq!(door.ask_with(&asked, &[("content-encoding", "identity")]).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_nobody_has() {
    let door = open().await;
    for (model, code, hint) in [
        ("sim/smal", "model_not_found", "sim/small"),
        ("", "model_not_found", ""),
        ("auto/nobody", "unknown_policy", "auto/main"),
        ("auto/mian", "unknown_policy", "auto/main"),
        ("../../etc/passwd", "model_not_found", ""),
        ("sim/small!500", "model_not_found", ""),
        ("caf\u{e9}\u{0}\u{202e}", "model_not_found", ""),
    ] {
        let reply = door.ask(model, COUNT).await;
        assert_eq!((reply.status, reply.code().as_str()), (404, code), "{model}: {}", reply.text());
        assert_eq!(reply.json()["error"]["param"], "model", "{model}");
        assert!(reply.text().contains(hint), "{model}: {}", reply.text());
    }
    let long = "x".repeat(100_000);
    assert_eq!(door.ask(&long, COUNT).await.status, 404);
    assert_eq!(door.received().await, 0);
    assert_eq!(door.get("/v1/models/sim/nobody").await.status, 404);
    assert_eq!(door.get("/v1/models/sim/small").await.json()["id"], "sim/small");
    assert_eq!(door.get("/v1/models/auto/main").await.status, 200);
    assert_eq!(door.get("/v1/decisions/not-an-id").await.code(), "unknown_decision");
}

/// What a server says to these bytes, until it closes or it is quiet.
async fn talk(door: &Door, bytes: &[u8]) -> String {
    let mut socket = TcpStream::connect(door.url.trim_start_matches("http://")).await.unwrap();
    // The server may close while we still write.
    let _ = socket.write_all(bytes).await;
    let (mut heard, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(Ok(count @ 1..)) =
        tokio::time::timeout(Duration::from_secs(5), socket.read(&mut buffer)).await
    {
        heard.extend_from_slice(&buffer[..count]);
    }
    String::from_utf8_lossy(&heard).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_and_nonsense_on_the_wire() {
    let door = open().await;
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\n";
    let many: String = (0..200).map(|index| format!("x-h{index}: y\r\n")).collect();
    let heard = talk(&door, format!("{head}{many}\r\n").as_bytes()).await;
    assert!(heard.starts_with("HTTP/1.1 431"), "{heard}");
    let long = format!("{head}x-long: {}\r\n\r\n", "y".repeat(200_000));
    let heard = talk(&door, long.as_bytes()).await;
    assert!(heard.starts_with("HTTP/1.1 431") || heard.is_empty(), "{heard}");
    for nonsense in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GARBAGE\r\n\r\n",
        b"POST /v1/chat/completions HTTP/9.9\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n{}",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ] {
        let heard = talk(&door, nonsense).await;
        assert!(heard.is_empty() || heard.starts_with("HTTP/1.1 400"), "{nonsense:?}: {heard}");
    }
    // Headers that never end are cut off, and a body that breaks off reaches nobody.
    let started = Instant::now();
    let heard = talk(&door, b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n").await;
    assert!(started.elapsed() < Duration::from_secs(5), "{heard}");
    let mut socket = TcpStream::connect(door.url.trim_start_matches("http://")).await.unwrap();
    let broken = format!("{head}content-length: 100\r\n\r\n{{\"model\":\"auto\"");
    socket.write_all(broken.as_bytes()).await.unwrap();
    drop(socket);
    assert_eq!(door.received().await, 0);
    serves_on(&door).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_at_the_edge_of_their_types_do_no_harm() {
    let door =
        Setup::policy("default -> sim/small { cap $0.01 per request else deny \"too dear\" }")
            .open()
            .await;
    for extra in [
        json!({"max_tokens": u64::MAX}),
        json!({"max_tokens": 0}),
        json!({"n": u64::MAX}),
        json!({"n": 0}),
        json!({"temperature": 1e308}),
        json!({"seed": i64::MIN}),
        json!({"max_tokens": 1e30}),
        json!({"top_logprobs": u64::MAX, "logprobs": true}),
    ] {
        for stream in [false, true] {
            let mut asked = body("auto", COUNT, extra.clone());
            asked["stream"] = json!(stream);
            let reply = door.ask_with(&asked, &[]).await;
            // What no model can write is nobody's to answer; everything else is the client's fault.
            let nobody = reply.status == 503 && reply.code() == "no_candidate";
            assert!(reply.status < 500 || nobody, "{extra}: {} {}", reply.status, reply.text());
        }
    }
    serves_on(&door).await;
}
