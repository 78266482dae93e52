//! What reaches the provider: what the policy changes, and not a byte more.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use serde_json::{Value, json};

use crate::support::{COUNT, Door, Reply, Setup, body, serve};

/// A provider that keeps the bytes it is sent.
struct Scribe {
    address: std::net::SocketAddr,
    seen: Arc<Mutex<Vec<(HeaderMap, String)>>>,
}

const WHOLE: &str = "{ \"id\":\"x\",\"object\":\"chat.completion\",\"unknown\":[1.0e0],\
    \"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"caf\\u00e9\"},\
    \"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5} }";

const EVENTS: &str = ": hello\n\n\
    data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"caf\\u00e9\"}}],\"odd\": 1.0e0}\n\n\
    data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n\
    data: {\"id\":\"x\",\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5}}\n\n\
    data: [DONE]\n\n";

impl Scribe {
    async fn start() -> Scribe {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let keep = seen.clone();
        let answer = move |headers: HeaderMap, body: Bytes| async move {
            let text = String::from_utf8(body.to_vec()).unwrap();
            let stream = serde_json::from_str::<Value>(&text).unwrap()["stream"] == true;
            keep.lock().unwrap().push((headers, text));
            let (kind, body) = match stream {
                true => ("text/event-stream", EVENTS),
                false => ("application/json", WHOLE),
            };
            ([("content-type", kind)], body).into_response()
        };
        let router = Router::new().route("/v1/chat/completions", axum::routing::post(answer));
        let address = serve(router).await;
        Scribe { address, seen }
    }

    async fn behind(&self, policy: &str) -> Door {
        let provider = format!(
            "  local: {{ kind: openai-compatible, base_url: \"http://{}/v1\", api_key: local-secret-key, models: [m] }}",
            self.address
        );
        Setup::policy(policy).tail(&provider).open().await
    }

    fn last(&self) -> (HeaderMap, String) {
        self.seen.lock().unwrap().last().cloned().expect("a request")
    }
}

/// A body as no serializer would write it.
const ODD: &str = "{\n  \"zeta\" : {\"b\":1, \"a\":[ 1.50, 2e3, -0.0 ]},\n\t\"messages\":[ {\"content\":\
    \"caf\\u00e9 \\ud83d\\ude00 \\/ \",\"role\":\"user\", \"name\":\"x\"} ] ,\"model\":\"auto\",\
    \"temperature\":1.0, \"metadata\":{\"model\":\"not this\"},\"alpha\":null }";

#[tokio::test(flavor = "multi_thread")]
async fn what_no_rule_changes_arrives_byte_for_byte() {
    let scribe = Scribe::start().await;
    let door = scribe.behind("default -> local/m").await;
    let reply = crate::support::read(door.send_raw(ODD, &[]).await).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(scribe.last().1, ODD.replace("\"auto\"", "\"m\""));
    assert_eq!(reply.text(), WHOLE, "and the answer comes back as it was");

    let streamed = ODD.replace("\"alpha\":null", "\"stream\":true");
    let reply = crate::support::read(door.send_raw(streamed.clone(), &[]).await).await;
    let (_, sent) = scribe.last();
    let sent_value: Value = serde_json::from_str(&sent).unwrap();
    assert_eq!(sent_value["stream_options"]["include_usage"], true);
    let head = streamed.replace("\"auto\"", "\"m\"");
    let head = head.trim_end().trim_end_matches('}').trim_end();
    assert!(sent.starts_with(head), "{sent}");
    for part in EVENTS.split_inclusive("\n\n").filter(|part| part.contains("\"delta\"")) {
        assert!(reply.text().contains(part), "{part}: {}", reply.text());
    }
    assert!(!reply.text().contains("prompt_tokens"), "nobody asked for usage: {}", reply.text());
    assert!(reply.is_done());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_s_own_headers_and_key_stay_here() {
    let scribe = Scribe::start().await;
    let door = scribe.behind("default -> local/m").await;
    let headers = [
        ("authorization", "Bearer client-secret"),
        ("x-api-key", "client-secret"),
        ("cookie", "session=client-secret"),
        ("x-pointsman-explain", "1"),
        ("x-pointsman-session", "client-secret"),
        ("x-forwarded-for", "203.0.113.9"),
        ("openai-organization", "client-secret"),
    ];
    let reply = door.ask_with(&body("local/m", "Hi", json!({})), &headers).await;
    assert_eq!(reply.status, 200);
    let (seen, _) = scribe.last();
    assert_eq!(seen["authorization"], "Bearer local-secret-key");
    let all = format!("{seen:?}");
    assert!(!all.contains("client-secret") && !all.contains("203.0.113.9"), "{all}");
    assert!(!all.contains("x-pointsman"), "{all}");
    assert_eq!(seen["x-request-id"], reply.own("id"));
    assert!(!reply.text().contains("local-secret-key"));
}

fn usage_chunks(reply: &Reply) -> usize {
    let events = reply.events();
    let parsed = events.iter().filter_map(|data| serde_json::from_str::<Value>(data).ok());
    parsed.filter(|event| event["usage"].is_object()).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_is_always_asked_for_and_shown_to_those_who_asked() {
    let door = Setup::policy("default -> sim/small").open().await;
    for (options, chunks) in [
        (json!({}), 0),
        (json!({"stream_options": {"include_usage": false}}), 0),
        (json!({"stream_options": null}), 0),
        (json!({"stream_options": {}}), 0),
        (json!({"stream_options": {"include_usage": true}}), 1),
        (json!({"stream_options": {"include_usage": true, "include_obfuscation": false}}), 1),
    ] {
        let mut asked = body("auto", COUNT, options.clone());
        asked["stream"] = json!(true);
        let reply = door.ask_with(&asked, &[]).await;
        assert!(reply.is_done(), "{options}: {}", reply.text());
        assert_eq!(door.last_body().await["stream_options"]["include_usage"], true, "{options}");
        assert_eq!(usage_chunks(&reply), chunks, "{options}: {}", reply.text());
        let attempt = door.decision(&reply).await["attempts"][0].clone();
        assert_eq!(attempt["usage_source"], "reported", "{options}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn set_prompt_and_tune_arrive() {
    let policy = "tune calm when request.n >= 1 {\nset temperature = 0.2\nset max_output <= 100\n}\n\
        tune late when request.tools == 0 { set top_p = 0.5 }\n\
        tune never when request.tools > 5 { set top_p = 0.1 }\n\
        route brief when header[\"x-brief\"] == \"1\" -> sim/small {\nset max_output <= 10\nset temperature = 0.9\n\
        prompt prepend \"Be brief.\"\n}\ndefault -> sim/small";
    let door = Setup::policy(policy).open().await;
    door.ask_with(
        &body("auto", COUNT, json!({"temperature": 1.5, "max_tokens": 5000, "seed": 7})),
        &[],
    )
    .await;
    let seen = door.last_body().await;
    assert_eq!(seen["temperature"], 0.2, "{seen}");
    assert_eq!(seen["max_tokens"], 100, "{seen}");
    assert_eq!((&seen["top_p"], &seen["seed"]), (&json!(0.5), &json!(7)), "{seen}");
    assert_eq!(seen["messages"], json!([{"role": "user", "content": COUNT}]));

    door.ask_with(&body("auto", COUNT, json!({"max_tokens": 50})), &[]).await;
    assert_eq!(door.last_body().await["max_tokens"], 50, "a clamp does not raise");
    door.ask_with(&body("auto", COUNT, json!({"max_completion_tokens": 5000})), &[]).await;
    let seen = door.last_body().await;
    assert_eq!(seen["max_completion_tokens"], 100, "{seen}");

    let messages =
        json!([{"role": "system", "content": "You are kind."}, {"role": "user", "content": COUNT}]);
    door.ask_with(&json!({"model": "auto", "messages": messages}), &[("x-brief", "1")]).await;
    let seen = door.last_body().await;
    let system = seen["messages"][0]["content"].as_str().unwrap();
    assert!(system.starts_with("Be brief.") && system.ends_with("You are kind."), "{seen}");
    assert_eq!(
        (&seen["temperature"], seen["messages"].as_array().unwrap().len()),
        (&json!(0.9), 2)
    );
    assert_eq!(
        seen.get("max_tokens").or(seen.get("max_completion_tokens")),
        Some(&json!(10)),
        "{seen}"
    );

    door.ask_with(&body("auto", COUNT, json!({})), &[("x-brief", "1")]).await;
    let seen = door.last_body().await;
    assert_eq!(seen["messages"][0], json!({"role": "system", "content": "Be brief."}));
    // A named model keeps the guards and the tuning, and leaves the routes.
    door.ask_with(&body("sim/small", COUNT, json!({})), &[("x-brief", "1")]).await;
    let seen = door.last_body().await;
    assert_eq!((&seen["temperature"], &seen["messages"][0]["role"]), (&json!(0.2), &json!("user")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_is_put_behind_or_in_place() {
    for (placing, expected) in [("append", "Old.New."), ("replace", "New.")] {
        let policy = format!("default -> sim/small {{ prompt {placing} \"New.\" }}");
        let door = Setup::policy(policy).open().await;
        let messages =
            json!([{"role": "system", "content": "Old."}, {"role": "user", "content": "Hi"}]);
        door.ask_with(&json!({"model": "auto", "messages": messages}), &[]).await;
        let seen = door.last_body().await;
        let system: String =
            seen["messages"][0]["content"].as_str().unwrap().split_whitespace().collect();
        assert_eq!(system, expected, "{placing}: {seen}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_explanation_is_part_of_the_answer_where_it_was_asked_for() {
    let door = Setup::policy("default -> sim/small").model("shut", "small!500").open().await;
    let explain = [("x-pointsman-explain", "1")];
    let whole = door.ask_with(&body("auto", COUNT, json!({})), &explain).await;
    assert_eq!(whole.json()["pointsman"]["attempts"][0]["model"], "sim/small");
    let failed = door.ask_with(&body("sim/shut", COUNT, json!({})), &explain).await;
    assert_eq!(failed.json()["pointsman"]["attempts"][0]["error"], "server_error");
    let stream = door.ask_with(&body("auto", COUNT, json!({"stream": true})), &explain).await;
    assert!(stream.is_done());
    let explained = stream.events().iter().filter(|data| data.contains("\"pointsman\"")).count();
    assert_eq!(explained, 1);
    assert!(!door.ask("auto", COUNT).await.text().contains("pointsman"));
}
