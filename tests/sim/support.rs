//! A running sim and a client for it.
#![allow(clippy::unwrap_used, reason = "a helper of tests: a panic is how it reports")]

use futures_util::StreamExt;
use pointsman::sim::{Server, Settings};
use serde_json::{Value, json};
use tokio::sync::oneshot;

/// A sim of the test's own, stopped when dropped.
pub struct Sim {
    pub url: String,
    client: reqwest::Client,
    _stop: oneshot::Sender<()>,
}

/// An answer, read to its end or to where it broke.
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Vec<u8>,
    /// Whether the connection broke before the body ended.
    pub broken: bool,
}

impl Sim {
    /// A sim without delays.
    pub async fn start() -> Sim {
        Sim::start_with(Settings { speed: 0.0, ..Settings::default() }).await
    }

    pub async fn start_with(settings: Settings) -> Sim {
        let server = Server::bind("127.0.0.1:0").await.unwrap().with(settings);
        let url = format!("http://{}", server.local_addr());
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(server.serve(async {
            let _ = stopped.await;
        }));
        Sim { url, client: reqwest::Client::builder().no_proxy().build().unwrap(), _stop: stop }
    }

    pub async fn send(&self, body: String, headers: &[(&str, &str)]) -> reqwest::Response {
        let mut request = self.client.post(format!("{}/v1/chat/completions", self.url)).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }

    pub async fn ask_raw(&self, body: String, headers: &[(&str, &str)]) -> Answer {
        read(self.send(body, headers).await).await
    }

    /// Asks a model something.
    pub async fn ask(&self, model: &str, prompt: &str, extra: Value) -> Answer {
        self.ask_raw(body(model, prompt, extra).to_string(), &[]).await
    }

    /// Asks for a stream.
    pub async fn stream(&self, model: &str, prompt: &str) -> Answer {
        self.ask(model, prompt, json!({"stream": true})).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        read(self.client.get(format!("{}{path}", self.url)).send().await.unwrap()).await
    }

    pub async fn post(&self, path: &str) -> Answer {
        read(self.client.post(format!("{}{path}", self.url)).send().await.unwrap()).await
    }

    /// The counts of a model.
    pub async fn stats(&self, model: &str) -> Value {
        self.get("/_sim/stats").await.json()["models"][model].clone()
    }
}

/// A request body.
pub fn body(model: &str, prompt: &str, extra: Value) -> Value {
    let mut body = json!({"model": model, "messages": [{"role": "user", "content": prompt}]});
    body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    body
}

async fn read(response: reqwest::Response) -> Answer {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let mut stream = response.bytes_stream();
    let (mut body, mut broken) = (Vec::new(), false);
    while let Some(piece) = stream.next().await {
        match piece {
            Ok(bytes) => body.extend_from_slice(&bytes),
            Err(_) => broken = true,
        }
    }
    Answer { status, headers, body, broken }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|why| panic!("{why}: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The data of the events, in order.
    pub fn events(&self) -> Vec<String> {
        self.text()
            .replace("\r\n", "\n")
            .split("\n\n")
            .filter_map(|event| event.strip_prefix("data: ").map(str::to_owned))
            .collect()
    }

    /// The text of the first choice, whole or put together from its deltas.
    pub fn content(&self) -> String {
        if self.header("content-type") == Some("application/json") {
            return self.json()["choices"][0]["message"]["content"].as_str().unwrap().to_owned();
        }
        self.events()
            .iter()
            .filter_map(|data| serde_json::from_str::<Value>(data).ok())
            .filter_map(|event| event["choices"][0]["delta"]["content"].as_str().map(str::to_owned))
            .collect()
    }
}
