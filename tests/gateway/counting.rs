//! Counting tokens, and listing models, as the clients of each dialect do.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, Uri};
use serde_json::{Value, json};

use crate::corpus::{self, Body};
use crate::support::{COUNT, Door, Reply, Setup, read, serve};

/// A provider that counts, and keeps what it is asked.
struct Counter {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<(String, HeaderMap, Value)>>>,
    answer: Arc<Mutex<(StatusCode, String)>>,
}

impl Counter {
    async fn start() -> Counter {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let answer = Arc::new(Mutex::new((StatusCode::OK, String::new())));
        let (keep, told) = (seen.clone(), answer.clone());
        let count = move |uri: Uri, headers: HeaderMap, body: Bytes| async move {
            let body = serde_json::from_slice(&body).unwrap();
            keep.lock().unwrap().push((uri.path().to_owned(), headers, body));
            told.lock().unwrap().clone()
        };
        let address = serve(Router::new().fallback(axum::routing::post(count))).await;
        Counter { address, seen, answer }
    }

    async fn behind(&self, models: &str) -> Door {
        let provider = |name: &str, kind: &str, path: &str| {
            format!(
                "  {name}: {{ kind: {kind}, base_url: \"http://{}{path}\", api_key: k, models: \
                 [{models}] }}",
                self.address
            )
        };
        Setup::policy("default -> claude/m")
            .tail(&provider("claude", "anthropic-compatible", "/v1"))
            .tail(&provider("google", "gemini-compatible", "/v1beta"))
            .open()
            .await
    }

    fn says(&self, status: u16, answer: &Value) {
        let status = StatusCode::from_u16(status).unwrap();
        *self.answer.lock().unwrap() = (status, answer.to_string());
    }

    fn take(&self) -> Vec<(String, HeaderMap, Value)> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

async fn post(door: &Door, path: &str, body: &Value) -> Reply {
    let request = door.client.post(format!("{}{path}", door.url));
    let request = request.header("anthropic-beta", "b1").header("cookie", "secret");
    read(request.body(body.to_string()).send().await.unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_provider_of_the_model_is_asked() {
    let counter = Counter::start().await;
    let door = counter.behind("m").await;
    let said = json!({"input_tokens": 77, "more": true});
    counter.says(200, &said);
    let body = json!({"model": "auto", "messages": [{"role": "user", "content": COUNT}]});
    let reply = post(&door, "/v1/messages/count_tokens", &body).await;
    assert_eq!((reply.status, reply.json()), (200, said));
    let seen = counter.take();
    let (path, headers, sent) = &seen[0];
    assert_eq!((seen.len(), path.as_str()), (1, "/v1/messages/count_tokens"));
    assert_eq!(*sent, json!({"model": "m", "messages": body["messages"]}));
    assert_eq!(headers["x-api-key"], "k");
    assert_eq!(headers["anthropic-beta"], "b1");
    assert_eq!(headers["anthropic-version"], "2023-06-01");
    assert!(headers["x-request-id"].to_str().unwrap().starts_with("req_"), "{headers:?}");
    assert!(!headers.contains_key("cookie"));

    let said = json!({"totalTokens": 78});
    counter.says(200, &said);
    let inner = json!({"model": "models/google/m", "contents": [{"parts": [{"text": COUNT}]}]});
    let body = json!({"generateContentRequest": inner});
    let reply = post(&door, "/v1beta/models/google/m:countTokens", &body).await;
    assert_eq!((reply.status, reply.json()), (200, said));
    let (path, headers, sent) = &counter.take()[0];
    assert_eq!(path, "/v1beta/models/m:countTokens");
    assert_eq!(sent["generateContentRequest"]["model"], "models/m");
    assert!(!headers.contains_key("anthropic-beta"));
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_goes_wrong_there_is_an_estimate() {
    let counter = Counter::start().await;
    let door = counter.behind("m").await;
    let body = json!({"model": "auto", "messages": [{"role": "user", "content": COUNT}]});
    for (status, said) in
        [(500, json!({"error": {}})), (404, json!({})), (200, json!("no")), (200, json!({"a": 1}))]
    {
        counter.says(status, &said);
        let reply = post(&door, "/v1/messages/count_tokens", &body).await;
        assert_eq!(reply.status, 200, "{status} {said}");
        let tokens = reply.json()["input_tokens"].as_u64().unwrap();
        assert!((4..40).contains(&tokens), "{tokens}");
        assert_eq!(counter.take().len(), 1, "asked once");
    }
    // A model of another dialect cannot count for this client.
    let body = json!({"model": "google/m", "messages": [{"role": "user", "content": COUNT}]});
    let reply = post(&door, "/v1/messages/count_tokens", &body).await;
    assert!(reply.json()["input_tokens"].as_u64().unwrap() > 3, "{}", reply.text());
    assert!(counter.take().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn recorded_counts_go_through() {
    let apis = ["anthropic.count_tokens", "gemini.count_tokens"];
    let Some(exchanges) = corpus::load(&apis) else { return };
    let counter = Counter::start().await;
    let mut models = vec!["m".to_owned()];
    for exchange in &exchanges {
        let Some(body) = &exchange.request else { continue };
        let model = match exchange.path.split_once("/models/") {
            Some((_, rest)) => rest.split(':').next().unwrap(),
            None => body["model"].as_str().unwrap(),
        };
        if !models.iter().any(|known| known == model) {
            models.push(model.to_owned());
        }
    }
    let door = counter.behind(&models.join(", ")).await;
    let mut checked = 0;
    for exchange in &exchanges {
        let (Some(body), Body::Json(answer)) = (&exchange.request, &exchange.body) else {
            continue;
        };
        checked += 1;
        counter.says(exchange.status, answer);
        let (mut sent, mut path) = (body.clone(), exchange.path.clone());
        match exchange.path.split_once("/models/") {
            Some((_, rest)) => path = format!("/v1beta/models/google/{rest}"),
            None => sent["model"] = format!("claude/{}", body["model"].as_str().unwrap()).into(),
        }
        let reply = post(&door, &path, &sent).await;
        assert_eq!(reply.status, 200, "{}: {}", exchange.id, reply.text());
        let seen = counter.take();
        assert_eq!(seen.len(), 1, "{}", exchange.id);
        assert_eq!(seen[0].2, *body, "{}", exchange.id);
        if exchange.status == 200 {
            assert_eq!(reply.json(), *answer, "{}", exchange.id);
        }
    }
    assert_eq!(checked, 14);
}

async fn get(door: &Door, path: &str, header: (&str, &str)) -> Value {
    let url = format!("{}{path}", door.url);
    let reply = read(door.client.get(url).header(header.0, header.1).send().await.unwrap()).await;
    reply.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn models_are_listed_in_the_clients_own_shape() {
    let door = Setup::policy("default -> sim/m").model("m", "small").open().await;
    let anthropic = ("anthropic-version", "2023-06-01");
    let list = get(&door, "/v1/models?limit=20", anthropic).await;
    assert_eq!(list["has_more"], false);
    assert_eq!(list["first_id"], "auto");
    let models = list["data"].as_array().unwrap();
    let model = models.iter().find(|model| model["id"] == "sim/m").unwrap();
    assert_eq!((&model["type"], &model["display_name"]), (&json!("model"), &json!("sim/m")));
    assert_eq!(get(&door, "/v1/models/sim/m", anthropic).await, *model);
    assert_eq!(get(&door, "/v1/models/sim/x", anthropic).await["type"], "error");

    let google = ("x-goog-api-key", "k");
    for version in ["v1", "v1beta"] {
        let list = get(&door, &format!("/{version}/models?pageSize=50"), google).await;
        let models = list["models"].as_array().unwrap();
        let model = models.iter().find(|model| model["name"] == "models/sim/m").unwrap();
        assert_eq!(model["inputTokenLimit"], 32_000);
        assert_eq!(get(&door, &format!("/{version}/models/sim/m"), google).await, *model);
        let error = get(&door, &format!("/{version}/models/sim/x"), google).await;
        assert_eq!(error["error"]["status"], "NOT_FOUND");
    }
    assert_eq!(door.get("/v1beta/models/auto").await.json()["name"], "models/auto");
    assert_eq!(door.get("/v1/models").await.json()["object"], "list");
}

#[tokio::test(flavor = "multi_thread")]
async fn googles_clients_may_speak_of_version_1() {
    let door = Setup::policy("default -> sim/m").model("m", "small").open().await;
    let body = json!({"contents": [{"role": "user", "parts": [{"text": COUNT}]}]});
    let text = |reply: Reply| {
        reply.json()["candidates"][0]["content"]["parts"][0]["text"].as_str().unwrap().to_owned()
    };
    let old = text(post(&door, "/v1beta/models/sim/m:generateContent", &body).await);
    assert_eq!(text(post(&door, "/v1/models/sim/m:generateContent", &body).await), old);
    let stream = post(&door, "/v1/models/sim/m:streamGenerateContent?alt=sse", &body).await;
    assert!(stream.is_stream() && stream.text().contains("finishReason"), "{}", stream.text());
    let unknown = post(&door, "/v1/models/sim/m:dance", &body).await;
    assert_eq!((unknown.status, &unknown.json()["error"]["code"]), (404, &json!(404)));
}
