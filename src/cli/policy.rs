//! `pointsman policy`: stage, diff, activate, roll back, by way of the admin listener.

use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;
use reqwest::{Client, Method, Url};
use serde_json::{Map, Value, json};

use super::{DONE, FAILED, FAULTS, output};

/// The longest that the gateway may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Try a new version of a policy, take it into service, and back.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  pointsman policy stage main.policy\n  pointsman policy diff\n  \
pointsman policy activate --note 'cheaper nights'\n  pointsman policy rollback\n\nThe token of \
`admin.token` is taken from POINTSMAN_ADMIN_TOKEN."
)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
    /// Where the gateway's admin listener is.
    #[arg(
        long,
        global = true,
        env = "POINTSMAN_ADMIN",
        default_value = "http://127.0.0.1:8081",
        value_name = "URL"
    )]
    admin: String,
    /// Print what the gateway says as JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the policies: what is active since when, and what waits.
    List,
    /// Check a file with the gateway and let it wait. No request is decided by it.
    Stage {
        /// The policy's new text.
        file: PathBuf,
        /// The policy; the file's name where unsaid.
        #[arg(long)]
        name: Option<String>,
    },
    /// Drop what waits.
    Unstage(Which),
    /// Show what the waiting version changes.
    Diff(Which),
    /// Let the waiting version decide from now on.
    Activate {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        order: Order,
    },
    /// Let an earlier version decide again: the one before, or the one that is named.
    Rollback {
        #[command(flatten)]
        which: Which,
        /// The version to go back to.
        #[arg(long, value_name = "GENERATION")]
        to: Option<String>,
        #[command(flatten)]
        order: Order,
    },
    /// List the versions that were active, the latest first; or print the text of one.
    Versions {
        #[command(flatten)]
        which: Which,
        /// Print the text of this version.
        #[arg(long, value_name = "GENERATION")]
        show: Option<String>,
    },
}

#[derive(Debug, clap::Args)]
struct Which {
    /// The policy; the only one, or the default one, where unsaid.
    #[arg(long)]
    name: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Order {
    /// Do it only if this version is active now.
    #[arg(long, value_name = "GENERATION")]
    expect: Option<String>,
    /// What to note about it.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

impl Order {
    fn told(&self) -> Map<String, Value> {
        let by = ["USER", "USERNAME"].iter().find_map(|name| std::env::var(name).ok());
        let said = [("expect", &self.expect), ("note", &self.note), ("by", &by)];
        let said = said.into_iter().filter_map(|(name, value)| Some((name, value.clone()?)));
        said.map(|(name, value)| (name.to_owned(), json!(value))).collect()
    }
}

/// Why a command did not come to its end.
enum Trouble {
    /// The gateway says no, and why.
    Refused(Value),
    /// It could not be asked.
    Unasked(String),
}

pub(super) fn run(args: &Args) -> u8 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(carry_out(args)),
        Err(error) => Err(Trouble::Unasked(format!("the runtime does not start: {error}"))),
    };
    match done {
        Ok(told) => {
            if args.json {
                output::line(told.to_string());
            } else {
                print(&args.command, &told);
            }
            DONE
        }
        Err(Trouble::Refused(told)) => {
            if args.json {
                output::line(told.to_string());
            } else {
                refused(&told);
            }
            FAULTS
        }
        Err(Trouble::Unasked(why)) => {
            output::problem(why);
            FAILED
        }
    }
}

async fn carry_out(args: &Args) -> Result<Value, Trouble> {
    let admin = Admin::at(&args.admin)?;
    match &args.command {
        Command::List => admin.ask(Method::GET, &["policies"], "").await,
        Command::Stage { file, name } => {
            let text = std::fs::read_to_string(file)
                .map_err(|error| Trouble::Unasked(format!("{}: {error}", file.display())))?;
            let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let name = name.clone().unwrap_or(stem);
            admin.ask(Method::PUT, &["policies", &name, "staged"], text).await
        }
        Command::Unstage(which) => {
            let name = admin.name(which).await?;
            admin.ask(Method::DELETE, &["policies", &name, "staged"], "").await
        }
        Command::Diff(which) => {
            let name = admin.name(which).await?;
            admin.ask(Method::GET, &["policies", &name, "diff"], "").await
        }
        Command::Activate { which, order } => {
            let name = admin.name(which).await?;
            let order = Value::Object(order.told()).to_string();
            admin.ask(Method::POST, &["policies", &name, "activate"], order).await
        }
        Command::Rollback { which, to, order } => {
            let name = admin.name(which).await?;
            let mut order = order.told();
            order.extend(to.iter().map(|to| ("to".to_owned(), json!(to))));
            let order = Value::Object(order).to_string();
            admin.ask(Method::POST, &["policies", &name, "rollback"], order).await
        }
        Command::Versions { which, show } => {
            let name = admin.name(which).await?;
            let mut path = vec!["policies", &name, "versions"];
            path.extend(show.as_deref());
            admin.ask(Method::GET, &path, "").await
        }
    }
}

/// The gateway's admin listener.
struct Admin {
    client: Client,
    url: Url,
    token: Option<String>,
}

impl Admin {
    fn at(url: &str) -> Result<Admin, Trouble> {
        let unasked = |why: String| Trouble::Unasked(why);
        let url: Url = url.parse().map_err(|error| unasked(format!("{url}: {error}")))?;
        if url.cannot_be_a_base() {
            return Err(unasked(format!("{url}: write `http://ADDRESS:PORT`")));
        }
        let client = Client::builder().no_proxy().timeout(PATIENCE).build();
        let client = client.map_err(|error| unasked(format!("no HTTP client: {error}")))?;
        let token = std::env::var("POINTSMAN_ADMIN_TOKEN").ok().filter(|token| !token.is_empty());
        Ok(Admin { client, url, token })
    }

    /// The policy that is meant.
    async fn name(&self, which: &Which) -> Result<String, Trouble> {
        if let Some(name) = &which.name {
            return Ok(name.clone());
        }
        let told = self.ask(Method::GET, &["policies"], "").await?;
        let name = match told["policies"].as_array().map(Vec::as_slice) {
            Some([one]) => &one["name"],
            _ => &told["default"],
        };
        Ok(name.as_str().unwrap_or_default().to_owned())
    }

    async fn ask(
        &self,
        method: Method,
        path: &[&str],
        body: impl Into<reqwest::Body>,
    ) -> Result<Value, Trouble> {
        let mut url = self.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        let mut request = self.client.request(method, url).body(body);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let lost = |error: reqwest::Error| {
            let why = std::error::Error::source(&error)
                .map_or_else(|| error.to_string(), |source| format!("{error}: {source}"));
            Trouble::Unasked(format!(
                "the admin listener does not answer at {}: {why}\n\
                 `admin:` in pointsman.yaml or `serve --admin ADDRESS:PORT` opens it, `--admin URL` \
                 says where it is",
                self.url
            ))
        };
        let response = request.send().await.map_err(lost)?;
        let good = response.status().is_success();
        let body = response.bytes().await.map_err(lost)?;
        let told = if body.is_empty() { Ok(json!({})) } else { serde_json::from_slice(&body) };
        match told {
            Ok(told) if good => Ok(told),
            Ok(told) => Err(Trouble::Refused(told)),
            Err(_) => Err(Trouble::Unasked(format!("{} is no admin listener", self.url))),
        }
    }
}

fn refused(told: &Value) {
    findings(told);
    let message = told["error"]["message"].as_str();
    output::problem(message.map_or_else(|| told.to_string(), str::to_owned));
}

fn findings(told: &Value) {
    for found in told["findings"].as_array().into_iter().flatten() {
        output::line(format!(
            "{}[{}]: {}:{}:{}: {}",
            word(&found["severity"]),
            word(&found["code"]),
            word(&found["file"]),
            found["line"],
            found["column"],
            word(&found["message"])
        ));
        for help in found["help"].as_array().into_iter().flatten() {
            output::line(format!("    help: {}", word(help)));
        }
    }
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}

fn print(command: &Command, told: &Value) {
    let name = word(&told["name"]);
    match command {
        Command::List => list(told),
        Command::Stage { .. } => {
            findings(told);
            output::line(format!(
                "{name}@{} waits; `pointsman policy diff` shows what it changes, `pointsman policy \
                 activate` lets it decide",
                word(&told["generation"])
            ));
        }
        Command::Unstage(_) => output::line("nothing waits any more"),
        Command::Diff(_) => diff(told),
        Command::Activate { .. } | Command::Rollback { .. } => output::line(format!(
            "{name}@{} decides now, instead of {}; it was written to {}",
            word(&told["generation"]),
            told["before"].as_str().unwrap_or("nothing"),
            word(&told["file"])
        )),
        Command::Versions { show: Some(_), .. } => {
            output::line(word(&told["text"]).trim_end_matches('\n'));
        }
        Command::Versions { show: None, .. } => versions(told),
    }
}

fn list(told: &Value) {
    let title = ["policy", "active", "since", "versions", "waiting", "file"];
    let mut rows = vec![title.map(str::to_owned).to_vec()];
    for policy in told["policies"].as_array().into_iter().flatten() {
        let (active, name) = (&policy["active"], word(&policy["name"]));
        let default = if policy["name"] == told["default"] { " (default)" } else { "" };
        rows.push(vec![
            format!("{name}{default}"),
            word(&active["generation"]).to_owned(),
            word(&active["since"]).to_owned(),
            policy["versions"].to_string(),
            word(&policy["staged"]["generation"]).to_owned(),
            word(&active["file"]).to_owned(),
        ]);
    }
    output::table(&rows);
}

fn diff(told: &Value) {
    output::line(format!(
        "{}: {} → {}",
        word(&told["name"]),
        told["active"].as_str().unwrap_or("nothing"),
        word(&told["staged"])
    ));
    let changes = &told["changes"];
    for (sign, key) in [("+", "added"), ("-", "removed"), ("~", "changed")] {
        for name in changes[key].as_array().into_iter().flatten() {
            output::line(format!("  {sign} {}", word(name)));
        }
    }
    if let Some(requests) = changes["told"].as_str().filter(|told| !told.is_empty()) {
        output::line(format!("\n{requests}"));
    }
    let lines = word(&changes["lines"]);
    output::line(if lines.is_empty() { "the texts are the same" } else { "" });
    output::line(lines.trim_end_matches('\n'));
}

fn versions(told: &Value) {
    let title = ["generation", "at", "why", "by", "note"];
    let mut rows = vec![title.map(str::to_owned).to_vec()];
    for (index, entry) in told["versions"].as_array().into_iter().flatten().enumerate() {
        let active = if index == 0 && entry["generation"] == told["active"] { " *" } else { "" };
        rows.push(vec![
            format!("{}{active}", word(&entry["generation"])),
            word(&entry["at"]).to_owned(),
            word(&entry["why"]).replace('_', " "),
            word(&entry["by"]).to_owned(),
            word(&entry["note"]).to_owned(),
        ]);
    }
    output::table(&rows);
}
