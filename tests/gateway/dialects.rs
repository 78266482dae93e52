//! Clients of every dialect in front of a provider that speaks openai.chat.

use serde_json::{Value, json};

use crate::support::{COUNT, Door, HARD, Reply, Setup, read};

const CODE: &str = "default -> sim/m";

/// How one dialect asks, and where the answer's text stands.
struct Client {
    name: &'static str,
    path: fn(model: &str, stream: bool) -> String,
    body: fn(model: &str, prompt: &str, stream: bool) -> Value,
    text: fn(&Value) -> Vec<&Value>,
    /// The text of an event, and whether the event says that the stream is complete.
    piece: fn(&Value) -> (&Value, bool),
    error: fn(&Value) -> &Value,
}

const CLIENTS: [Client; 4] = [
    Client {
        name: "messages",
        path: |_, _| "/v1/messages".into(),
        body: |model, prompt, stream| {
            json!({"model": model, "max_tokens": 1000, "stream": stream,
                "messages": [{"role": "user", "content": prompt}]})
        },
        text: |body| {
            body["content"].as_array().unwrap().iter().map(|block| &block["text"]).collect()
        },
        piece: |event| (&event["delta"]["text"], event["type"] == "message_stop"),
        error: |body| &body["error"]["code"],
    },
    Client {
        name: "responses",
        path: |_, _| "/v1/responses".into(),
        body: |model, prompt, stream| json!({"model": model, "input": prompt, "stream": stream}),
        text: |body| {
            let items = body["output"].as_array().unwrap().iter();
            items
                .filter_map(|item| item["content"].as_array())
                .flatten()
                .map(|part| &part["text"])
                .collect()
        },
        piece: |event| match event["type"].as_str() {
            Some("response.output_text.delta") => (&event["delta"], false),
            kind => (&Value::Null, kind == Some("response.completed")),
        },
        error: |body| &body["error"]["code"],
    },
    Client {
        name: "gemini",
        path: |model, stream| {
            let verb = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
            format!("/v1beta/models/{model}:{verb}")
        },
        body: |_, prompt, _| json!({"contents": [{"role": "user", "parts": [{"text": prompt}]}]}),
        text: |body| {
            let parts = body["candidates"][0]["content"]["parts"].as_array().unwrap();
            parts.iter().map(|part| &part["text"]).collect()
        },
        piece: |event| {
            let candidate = &event["candidates"][0];
            (&candidate["content"]["parts"][0]["text"], candidate["finishReason"].is_string())
        },
        error: |body| &body["error"]["details"][0]["reason"],
    },
    Client {
        name: "completions",
        path: |_, _| "/v1/completions".into(),
        body: |model, prompt, stream| json!({"model": model, "prompt": prompt, "stream": stream, "max_tokens": 500}),
        text: |body| vec![&body["choices"][0]["text"]],
        piece: |event| (&event["choices"][0]["text"], event == "[DONE]"),
        error: |body| &body["error"]["code"],
    },
];

async fn ask(door: &Door, client: &Client, model: &str, prompt: &str, stream: bool) -> Reply {
    let body = (client.body)(model, prompt, stream);
    let url = format!("{}{}", door.url, (client.path)(model, stream));
    read(door.client.post(url).body(body.to_string()).send().await.unwrap()).await
}

fn events(reply: &Reply) -> Vec<Value> {
    let json = |data: String| serde_json::from_str(&data).unwrap_or(Value::String(data));
    reply.events().into_iter().map(json).collect()
}

/// The text of an answer, whole or streamed, and whether a stream is complete.
fn text_of(client: &Client, reply: &Reply) -> (String, bool) {
    let words = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    if !reply.is_stream() {
        return ((client.text)(&reply.json()).into_iter().map(words).collect(), true);
    }
    let events = events(reply);
    let text = events.iter().map(|event| words((client.piece)(event).0)).collect();
    (text, events.last().is_some_and(|event| (client.piece)(event).1))
}

#[tokio::test(flavor = "multi_thread")]
async fn whole_answers_and_streams_say_the_same() {
    let door = Setup::policy(CODE).model("m", "small").open().await;
    let plain = door.ask("auto", COUNT).await.content();
    for client in &CLIENTS {
        for stream in [false, true] {
            let reply = ask(&door, client, "auto", COUNT, stream).await;
            assert_eq!(reply.status, 200, "{}: {}", client.name, reply.text());
            assert_eq!(reply.is_stream(), stream, "{}", client.name);
            let (text, complete) = text_of(client, &reply);
            assert_eq!(
                (text, complete),
                (plain.clone(), true),
                "{}: {}",
                client.name,
                reply.text()
            );
            assert_eq!((reply.own("model"), reply.own("reason")), ("sim/m", "matched"));
            if client.name == "messages" {
                // Where the SDK itself looks for it.
                assert_eq!(reply.header("request-id"), Some(reply.own("id")));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ladder_climbs_for_every_client() {
    let policy = "ladder l { hold full\n step a -> sim/s escalate when failed or refused\n \
                  step b -> sim/m }\ndefault -> l";
    let door = Setup::policy(policy).model("s", "small").model("m", "large").open().await;
    for client in &CLIENTS {
        for stream in [false, true] {
            let reply = ask(&door, client, "auto", HARD, stream).await;
            let (text, complete) = text_of(client, &reply);
            assert_eq!((reply.own("reason"), complete), ("escalated", true), "{}", client.name);
            assert!(!text.to_lowercase().contains("sorry"), "{}: {text}", client.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_have_the_shape_of_the_dialect() {
    let door = Setup::policy(CODE).model("m", "small").model("bad", "small!429=7").open().await;
    for client in &CLIENTS {
        for stream in [false, true] {
            let unknown = ask(&door, client, "sim/nothing", COUNT, stream).await;
            let named = match client.name {
                "messages" => Some("request-id"),
                "gemini" => None,
                _ => Some("x-request-id"),
            };
            if let Some(named) = named {
                assert_eq!(unknown.header(named), Some(unknown.own("id")), "{}", client.name);
            }
            let code = (client.error)(&unknown.json()).clone();
            assert_eq!((unknown.status, code), (404, json!("model_not_found")), "{}", client.name);
            let limited = ask(&door, client, "sim/bad", COUNT, stream).await;
            let code = (client.error)(&limited.json()).clone();
            assert_eq!((limited.status, code), (429, json!("rate_limited")), "{}", client.name);
            assert_eq!(limited.header("retry-after"), Some("7"));
        }
        let url = format!("{}{}", door.url, (client.path)("auto", false));
        let broken = read(door.client.post(url).body("{\"model\": ").send().await.unwrap()).await;
        let code = (client.error)(&broken.json()).clone();
        assert_eq!((broken.status, code), (400, json!("invalid_json")), "{}", client.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_stream_ends_with_an_error_and_is_never_complete() {
    let door = Setup::policy("default -> sim/cut").model("cut", "small!cut=3").open().await;
    for client in &CLIENTS {
        let reply = ask(&door, client, "auto", COUNT, true).await;
        let (text, complete) = text_of(client, &reply);
        assert!(!text.is_empty() && !complete, "{}: {}", client.name, reply.text());
        let last = events(&reply).pop().unwrap();
        assert!(last.to_string().contains("upstream_truncated"), "{}: {last}", client.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kept_answers_are_replayed_in_the_clients_dialect() {
    let policy = "default -> sim/m { cache exact ttl 1h }";
    let door = Setup::policy(policy).model("m", "small").open().await;
    for client in &CLIENTS {
        let first = ask(&door, client, "auto", COUNT, false).await;
        assert_eq!(first.own("cache"), "miss", "{}", client.name);
        let again = ask(&door, client, "auto", COUNT, false).await;
        assert_eq!((again.own("cache"), &again.body), ("hit", &first.body), "{}", client.name);
        let stream = ask(&door, client, "auto", COUNT, true).await;
        assert_eq!(stream.own("cache"), "hit", "{}", client.name);
        assert_eq!(text_of(client, &stream), text_of(client, &first), "{}", client.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_provider_cannot_be_told_is_listed_or_refused() {
    let ask = |door: &Door| {
        let body = json!({"model": "auto", "max_tokens": 100, "top_k": 5,
            "messages": [{"role": "user", "content": COUNT}]});
        let request = door.client.post(format!("{}/v1/messages", door.url)).body(body.to_string());
        async move { read(request.send().await.unwrap()).await }
    };
    let door = Setup::policy(CODE).model("m", "small").open().await;
    let told = ask(&door).await;
    assert_eq!((told.status, told.own("losses")), (200, "top_k=dropped"));
    for (word, status) in [("allow", 200), ("next", 400), ("reject", 400)] {
        let policy = format!("default -> sim/m {{ set on_lossy = {word} }}");
        let door = Setup::policy(policy).model("m", "small").open().await;
        let reply = ask(&door).await;
        assert_eq!(reply.status, status, "{word}: {}", reply.text());
        if status == 400 {
            assert!(reply.text().contains("top_k"), "{}", reply.text());
            assert_eq!(door.received().await, 0, "nothing is sent");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn googles_streams_are_an_array_unless_events_are_wanted() {
    let door = Setup::policy(CODE).model("m", "small").open().await;
    let body = json!({"contents": [{"parts": [{"text": COUNT}]}]});
    let url = format!("{}/v1beta/models/auto:streamGenerateContent", door.url);
    let reply = read(door.client.post(url).body(body.to_string()).send().await.unwrap()).await;
    assert!(reply.header("content-type").unwrap().starts_with("application/json"));
    let items = reply.json();
    let parts = items.as_array().unwrap().iter();
    let text: String = parts
        .filter_map(|item| item["candidates"][0]["content"]["parts"][0]["text"].as_str())
        .collect();
    assert_eq!(text, door.ask("auto", COUNT).await.content());
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_counted_before_anything_is_sent() {
    let door = Setup::policy(CODE).model("m", "small").open().await;
    let url = format!("{}/v1/messages/count_tokens", door.url);
    let body = json!({"model": "auto", "messages": [{"role": "user", "content": COUNT}]});
    let counted = read(door.client.post(url).body(body.to_string()).send().await.unwrap()).await;
    assert!(counted.json()["input_tokens"].as_u64().unwrap() > 3, "{}", counted.text());
    let url = format!("{}/v1beta/models/auto:countTokens", door.url);
    let body = json!({"contents": [{"parts": [{"text": COUNT}]}]});
    let counted = read(door.client.post(url).body(body.to_string()).send().await.unwrap()).await;
    assert!(counted.json()["totalTokens"].as_u64().unwrap() > 3, "{}", counted.text());
    assert_eq!(door.received().await, 0);
}
