//! A running gateway with the built-in provider behind it, and a client that looks closely.
#![allow(clippy::unwrap_used, reason = "a helper of tests: a panic is how it reports")]

use std::future::Future;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use pointsman::gateway::accept::{self, AcceptLimits, Stop};
use pointsman::gateway::serve::{Options, Running, load};
use pointsman::telemetry::Redactor;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;

/// The question most tests ask: easy, and with an answer of many tokens.
pub const COUNT: &str = "Count from 1 to 20";
/// A question that is too hard for small models, which refuse it.
pub const HARD: &str = "Prove that the square root of 2 is irrational.";

/// The patience of every wait; nothing takes nearly as long unless it is broken.
const PATIENCE: Duration = Duration::from_secs(20);

/// A model's name, its name at the simulator, its prices for input and output.
type Row = (String, String, Option<(f64, f64)>);

/// What a gateway is started with.
#[derive(Default)]
pub struct Setup {
    models: Vec<Row>,
    policy: String,
    more: String,
    provider: String,
    tail: String,
}

impl Setup {
    /// With this policy.
    pub fn policy(text: impl Into<String>) -> Setup {
        Setup { policy: text.into(), ..Setup::default() }
    }

    /// With a model `sim/NAME` that is, to the provider, `upstream`: `small!500@2`.
    pub fn model(self, name: &str, upstream: &str) -> Setup {
        self.priced(name, upstream, 1.0, 2.0)
    }

    /// The same, with prices in dollars per million tokens.
    pub fn priced(mut self, name: &str, upstream: &str, input: f64, output: f64) -> Setup {
        self.models.push((name.to_owned(), upstream.to_owned(), Some((input, output))));
        self
    }

    /// With more lines in the configuration.
    pub fn more(mut self, lines: &str) -> Setup {
        self.more.push_str(lines);
        self.more.push('\n');
        self
    }

    /// With more lines in the configuration of the built-in provider.
    pub fn provider(mut self, lines: &str) -> Setup {
        self.provider.push_str("    ");
        self.provider.push_str(lines);
        self.provider.push('\n');
        self
    }

    /// With more providers.
    pub fn tail(mut self, lines: &str) -> Setup {
        self.tail.push_str(lines);
        self.tail.push('\n');
        self
    }

    fn config(&self, policy: &std::path::Path) -> String {
        let mut text = format!("policy: {}\n", policy.display());
        if !self.more.contains("listen:") {
            text += "listen: 127.0.0.1:0\n";
        }
        text += &self.more;
        text += "providers:\n  sim:\n    kind: sim\n";
        text += &self.provider;
        if !self.models.is_empty() {
            text += "    models:\n";
        }
        for (name, upstream, price) in &self.models {
            let (input, output) = price.unwrap_or_default();
            text += &format!(
                "      - {{ name: {name}, upstream: \"{upstream}\", context: 32000, max_output: \
                 4000, can: [tools, parallel_tools, json, json_schema, logprobs], price: {{ input: \
                 {input}, output: {output} }} }}\n"
            );
        }
        text + self.tail.as_str()
    }

    /// Starts the gateway, or says why it does not start.
    pub async fn try_open(self) -> Result<Door, String> {
        let folder = tempfile::tempdir().unwrap();
        let policy = folder.path().join("main.policy");
        std::fs::write(&policy, &self.policy).unwrap();
        let config = folder.path().join("pointsman.yaml");
        std::fs::write(&config, self.config(&policy)).unwrap();
        let running = start(config).await?;
        let admin = running.admin_addresses.first().map(|address| format!("http://{address}"));
        let url = format!("http://{}", running.addresses[0]);
        let sim = format!("http://{}", running.sim_address());
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Ok(Door { url, admin, sim, client, folder, _serving: tokio::spawn(running.run()) })
    }

    /// Starts the gateway.
    pub async fn open(self) -> Door {
        self.try_open().await.unwrap_or_else(|why| panic!("the gateway does not start:\n{why}"))
    }
}

/// A gateway that listens, with the configuration in a file.
pub async fn start(config: PathBuf) -> Result<Running, String> {
    let options = Options { config: Some(config), sim_speed: Some(0.0), ..Options::default() };
    let loaded = load(&options).map_err(|problems| problems.to_string())?;
    let running = Running::start(options, loaded, Redactor::default()).await;
    running.map_err(|problems| problems.to_string())
}

/// A running gateway; it ends with the test's runtime.
pub struct Door {
    pub url: String,
    /// Where operators connect, if they can.
    pub admin: Option<String>,
    pub sim: String,
    pub client: reqwest::Client,
    pub folder: TempDir,
    _serving: JoinHandle<()>,
}

/// An answer, read to its end or to where it broke.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// Whether the connection broke before the body ended.
    pub broken: bool,
}

/// The body of a request.
pub fn body(model: &str, prompt: &str, extra: Value) -> Value {
    let mut body = json!({"model": model, "messages": [{"role": "user", "content": prompt}]});
    body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    body
}

impl Door {
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Sends a chat completion; the answer's headers are there when this returns.
    pub async fn send(&self, body: &Value, headers: &[(&str, &str)]) -> reqwest::Response {
        self.send_raw(body.to_string(), headers).await
    }

    pub async fn send_raw(
        &self,
        body: impl Into<reqwest::Body>,
        headers: &[(&str, &str)],
    ) -> reqwest::Response {
        let mut request = self
            .client
            .post(format!("{}/v1/chat/completions", self.url))
            .header("content-type", "application/json")
            .body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }

    pub async fn ask_with(&self, body: &Value, headers: &[(&str, &str)]) -> Reply {
        read(self.send(body, headers).await).await
    }

    /// Asks a model something.
    pub async fn ask(&self, model: &str, prompt: &str) -> Reply {
        self.ask_with(&body(model, prompt, json!({})), &[]).await
    }

    /// Asks for a stream.
    pub async fn stream(&self, model: &str, prompt: &str) -> Reply {
        self.ask_with(&body(model, prompt, json!({"stream": true})), &[]).await
    }

    pub async fn get(&self, path: &str) -> Reply {
        read(self.client.get(format!("{}{path}", self.url)).send().await.unwrap()).await
    }

    /// What was decided about an answer's request.
    pub async fn decision(&self, reply: &Reply) -> Value {
        self.decision_of(reply.header("x-pointsman-id").expect("an id")).await
    }

    pub async fn decision_of(&self, id: &str) -> Value {
        let told = self.get(&format!("/v1/decisions/{id}")).await;
        assert_eq!(told.status, 200, "{}", told.text());
        told.json()
    }

    async fn inside(&self, path: &str) -> Value {
        let url = format!("{}/_sim/{path}", self.sim);
        read(self.client.get(url).send().await.unwrap()).await.json()
    }

    /// The provider's count of one kind for one of its models.
    pub async fn count(&self, model: &str, what: &str) -> u64 {
        self.inside("stats").await["models"][model][what].as_u64().unwrap()
    }

    /// How many requests reached the provider.
    pub async fn received(&self) -> u64 {
        self.inside("stats").await["received"].as_u64().unwrap()
    }

    /// The requests that reached the provider.
    pub async fn requests(&self) -> Vec<Value> {
        self.inside("requests").await.as_array().unwrap().clone()
    }

    /// The body of the last of them.
    pub async fn last_body(&self) -> Value {
        self.requests().await.last().expect("a request")["body"].clone()
    }

    pub async fn forget(&self) {
        let sent = self.client.post(format!("{}/_sim/reset", self.sim)).send().await.unwrap();
        assert_eq!(sent.status(), 204);
    }
}

/// A provider of the test's own; it ends with the test's runtime.
pub async fn serve(router: axum::Router) -> std::net::SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let limits = AcceptLimits::from(&pointsman::config::Limits::default());
    let (stop, stopped) = tokio::sync::watch::channel(Stop::Run);
    tokio::spawn(async move {
        accept::serve(listener, router, limits, None, stopped).await;
        drop(stop);
    });
    address
}

/// Reads an answer to its end.
pub async fn read(response: reqwest::Response) -> Reply {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let mut stream = response.bytes_stream();
    let (mut body, mut broken) = (Vec::new(), false);
    while let Some(piece) = stream.next().await {
        match piece {
            Ok(bytes) => body.extend_from_slice(&bytes),
            Err(_) => {
                broken = true;
                break;
            }
        }
    }
    Reply { status, headers, body, broken }
}

/// Asks again and again until the answer is yes.
pub async fn until<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let end = Instant::now() + PATIENCE;
    while !condition().await {
        assert!(Instant::now() < end, "this did not happen in {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|why| panic!("{why}: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// One of our own headers.
    pub fn own(&self, name: &str) -> &str {
        self.header(&format!("x-pointsman-{name}")).unwrap_or("")
    }

    pub fn is_stream(&self) -> bool {
        self.header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream"))
    }

    /// The data of the events, in order.
    pub fn events(&self) -> Vec<String> {
        let text = self.text().replace("\r\n", "\n");
        let lines = text.lines().filter_map(|line| line.strip_prefix("data: "));
        lines.map(str::to_owned).collect()
    }

    /// Whether the stream says that it is complete.
    pub fn is_done(&self) -> bool {
        self.events().last().is_some_and(|data| data == "[DONE]")
    }

    /// The error a stream ends with.
    pub fn late_error(&self) -> Option<Value> {
        let events = self.events();
        let last: Value = serde_json::from_str(events.last()?).ok()?;
        last.get("error").cloned()
    }

    /// The code of the error in the body.
    pub fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or("").to_owned()
    }

    /// The text of the first choice, whole or put together from its deltas.
    pub fn content(&self) -> String {
        if !self.is_stream() {
            let message = &self.json()["choices"][0]["message"];
            return message["content"].as_str().unwrap_or("").to_owned();
        }
        self.events()
            .iter()
            .filter_map(|data| serde_json::from_str::<Value>(data).ok())
            .filter_map(|event| event["choices"][0]["delta"]["content"].as_str().map(str::to_owned))
            .collect()
    }
}

/// Dollars as nano-dollars.
pub fn nanos(dollars: &str) -> u64 {
    let dollars = dollars.trim().trim_start_matches('$');
    let (whole, fraction) = dollars.split_once('.').unwrap_or((dollars, ""));
    format!("{whole}{fraction:0<9}").parse().unwrap()
}

/// The attempts of a decision as `model verdict`.
pub fn attempts(decision: &Value) -> Vec<String> {
    let attempts = decision["attempts"].as_array().expect("attempts");
    let word = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    attempts
        .iter()
        .map(|attempt| format!("{} {}", word(&attempt["model"]), word(&attempt["verdict"])))
        .collect()
}

/// What the attempts of a decision cost together.
pub fn sum_of_costs(decision: &Value) -> u64 {
    let attempts = decision["attempts"].as_array().expect("attempts");
    attempts.iter().filter_map(|attempt| attempt["cost"].as_str()).map(nanos).sum()
}
