//! `pointsman explain`

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use super::{DONE, FAILED, FAULTS, output};
use crate::caller::Caller;
use crate::catalog::{Live, Lookup};
use crate::dialect::{Dialect, Request};
use crate::facts::{Inputs, Rates, RequestFacts};
use crate::ids::RequestId;
use crate::policy::eval::{Situation, WithLive, decide_listening};
use crate::policy::plan::Decision;
use crate::policy::trace::{Recording, trace};
use crate::policy::{codes, syntax, trial};

/// Say why a request goes where it goes; or what a code like P2003 means.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  pointsman explain P2003\n  pointsman explain prod.policy \
--request request.json\n  pointsman explain prod.policy --request request.json --header \
'x-pointsman-tier: premium'\n  pointsman explain prod.policy --request gemini.json --api gemini \
--model gemini-2.5-flash")]
pub struct Args {
    /// A code of the language, or a policy file.
    what: String,
    /// A file with the body of a request; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    request: Option<PathBuf>,
    /// The API that the request is for.
    #[arg(long, value_enum, default_value_t = Api::Chat)]
    api: Api,
    /// The model, where the API has it in the address (`gemini`).
    #[arg(long, default_value = "auto", value_name = "NAME")]
    model: String,
    /// A header of the request.
    #[arg(long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// The configuration whose models are meant.
    #[arg(long, short, env = "POINTSMAN_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print it as JSON.
    #[arg(long)]
    json: bool,
}

/// The APIs that requests come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Api {
    /// POST /v1/chat/completions
    Chat,
    /// POST /v1/responses
    Responses,
    /// POST /v1/messages
    Messages,
    /// POST /v1beta/models/MODEL:generateContent
    Gemini,
    /// POST /v1/embeddings
    Embeddings,
    /// POST /v1/completions
    Completions,
}

impl Api {
    fn dialect(self) -> Dialect {
        match self {
            Api::Chat => Dialect::OpenAiChat,
            Api::Responses => Dialect::OpenAiResponses,
            Api::Messages => Dialect::AnthropicMessages,
            Api::Gemini => Dialect::GeminiGenerate,
            Api::Embeddings => Dialect::OpenAiEmbeddings,
            Api::Completions => Dialect::OpenAiCompletions,
        }
    }

    fn path(self, model: &str) -> String {
        match self {
            Api::Chat => "/v1/chat/completions".into(),
            Api::Responses => "/v1/responses".into(),
            Api::Messages => "/v1/messages".into(),
            Api::Gemini => format!("/v1beta/models/{model}:generateContent"),
            Api::Embeddings => "/v1/embeddings".into(),
            Api::Completions => "/v1/completions".into(),
        }
    }
}

pub(super) fn run(args: &Args) -> u8 {
    if looks_like_a_code(&args.what) {
        return page(&args.what, args.json);
    }
    let Some(request) = &args.request else {
        output::problem("name the request: `--request FILE` with its body");
        return FAILED;
    };
    match explain(args, request) {
        Ok((told, decided)) => {
            if args.json {
                output::line(told.to_string());
            } else {
                print(&told);
            }
            if decided { DONE } else { FAULTS }
        }
        Err(error) => {
            output::problem(error);
            FAILED
        }
    }
}

fn looks_like_a_code(what: &str) -> bool {
    let mut chars = what.chars();
    matches!(chars.next(), Some('P' | 'p'))
        && chars.clone().count() == 4
        && chars.all(|c| c.is_ascii_digit())
}

fn page(code: &str, as_json: bool) -> u8 {
    let Some(page) = codes::page(code) else {
        output::problem(format!("there is no code {}", code.to_uppercase()));
        return FAILED;
    };
    if as_json {
        let told = serde_json::json!({
            "code": page.code, "title": page.title, "explanation": page.explanation,
            "bad": page.bad, "good": page.good,
        });
        output::line(told.to_string());
        return DONE;
    }
    let indented =
        |text: &str| text.lines().map(|line| format!("    {line}\n")).collect::<String>();
    output::line(format!(
        "{}: {}\n\n{}\n\nwrong:\n\n{}\nright:\n\n{}",
        page.code,
        page.title,
        page.explanation,
        indented(page.bad),
        indented(page.good).trim_end_matches('\n')
    ));
    DONE
}

/// The trace of a request under a policy with all models healthy; and whether it got a plan.
fn explain(args: &Args, request: &std::path::Path) -> Result<(Value, bool), String> {
    let (catalog, _) =
        super::check::catalog_of(args.config.clone()).map_err(|problems| problems.to_string())?;
    let checked = super::check::compile(args.what.as_ref(), &catalog)?;
    let Some(program) = checked.compiled.program else {
        let findings = checked.compiled.diagnostics.iter();
        let shown = findings.map(|f| syntax::render(f, &checked.compiled.sources, false));
        return Err(shown.collect::<Vec<_>>().join("\n"));
    };
    let body = if request.as_os_str() == "-" {
        std::io::read_to_string(std::io::stdin()).map(String::into_bytes)
    } else {
        std::fs::read(request)
    };
    let body = body.map_err(|error| format!("{}: {error}", request.display()))?;
    let address = Some((&*args.model, false));
    let request = Request::read(args.api.dialect(), Bytes::from(body), address);
    let request = Arc::new(request.map_err(|error| error.to_string())?);
    let enabled = Arc::new(trial::enabled(&catalog, checked.compiled.sources.text()));
    let named = match catalog.by_name(&request.shape().model, |_| true) {
        Lookup::Found(model) => Some(model),
        Lookup::Ambiguous(_) | Lookup::Unknown { .. } => None,
    };
    let facts = RequestFacts::new(Inputs {
        id: RequestId::fresh(),
        request: request.clone(),
        path: args.api.path(&args.model),
        headers: headers(&args.headers)?,
        client_ip: None,
        caller: Arc::new(Caller::open()),
        now: jiff::Timestamp::now(),
        rates: Rates::default(),
        session_model: None,
        catalog: catalog.clone(),
        enabled: enabled.clone(),
    });
    let live = Live::fresh(catalog.models().len());
    let overlaid = WithLive { facts: &facts, live: &live, program: &program };
    let recording = Recording::of(&overlaid);
    let situation = Situation {
        facts: &recording,
        live: &live,
        enabled: &enabled,
        allowed: &|_| true,
        named,
        meter: &(),
        seed: 0,
        turn: 0,
    };
    let mut removed = Vec::new();
    let decision = decide_listening(&program, &situation, &mut removed);
    let told = trace(&program, &recording.recorded(), &decision, &removed);
    Ok((told, matches!(decision, Decision::Plan(_))))
}

fn headers(said: &[String]) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for header in said {
        let parsed = header.split_once(':').and_then(|(name, value)| {
            let name = HeaderName::try_from(name.trim()).ok()?;
            Some((name, HeaderValue::from_str(value.trim()).ok()?))
        });
        let Some((name, value)) = parsed else {
            return Err(format!("`{header}` is no header; write `name: value`"));
        };
        headers.append(name, value);
    }
    Ok(headers)
}

/// The first few of a list; `--json` has all.
fn shortened(names: &[String]) -> String {
    const SHOWN: usize = 6;
    let mut text = names[..names.len().min(SHOWN)].join(", ");
    if names.len() > SHOWN {
        text += &format!(" and {} more", names.len() - SHOWN);
    }
    text
}

/// The trace for people.
fn print(told: &Value) {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let decision = &told["decision"];
    let steps = decision["steps"].as_array().cloned().unwrap_or_default();
    let first = steps.first().and_then(|step| step["candidates"].as_array()?.first().cloned());
    match (decision["outcome"].as_str(), first) {
        (Some("plan"), Some(model)) => output::line(format!("→ {}", text(&model))),
        (Some("denied"), _) => output::line(format!(
            "→ denied by {}: {} (status {})",
            text(&decision["rule"]),
            text(&decision["because"]),
            decision["status"]
        )),
        (outcome, _) => output::line(format!("→ {}", outcome.unwrap_or("nothing"))),
    }
    for (title, key) in [
        ("guards", "guards"),
        ("constraints", "constraints"),
        ("settings", "tunes"),
        ("routes", "routes"),
    ] {
        let rules = told[key].as_array().cloned().unwrap_or_default();
        if rules.is_empty() {
            continue;
        }
        output::line(format!("\n{title}"));
        for rule in rules {
            let mark = match rule["matched"].as_bool() {
                Some(true) => "yes",
                Some(false) => "no",
                None => "not asked",
            };
            output::line(format!("  {:<24} {mark:<10} {}", text(&rule["name"]), text(&rule["at"])));
            for test in rule["because"].as_array().into_iter().flatten() {
                let shown = match test.get("value") {
                    Some(value) => format!(
                        "{:<44} = {:<18} {}",
                        text(&test["test"]),
                        text(value),
                        if test["holds"] == true { "yes" } else { "no" }
                    ),
                    None => format!("{:<44} not asked", text(&test["test"])),
                };
                output::line(format!("      {shown}"));
            }
        }
    }
    if !steps.is_empty() {
        output::line("\nmodels");
        for step in &steps {
            let candidates: Vec<String> =
                step["candidates"].as_array().into_iter().flatten().map(text).collect();
            output::line(format!("  {:<24} {}", text(&step["name"]), shortened(&candidates)));
        }
        if let Some(fallback) = decision["fallback"].as_array() {
            let fallback: Vec<String> = fallback.iter().map(text).collect();
            output::line(format!("  {:<24} {}", "fallback", shortened(&fallback)));
        }
    }
    let removed = told["removed"].as_array().cloned().unwrap_or_default();
    if !removed.is_empty() {
        output::line("\nleft out");
        for removal in removed.iter().take(12) {
            output::line(format!("  {:<40} {}", text(&removal["model"]), text(&removal["by"])));
        }
        if removed.len() > 12 {
            output::line(format!("  and {} more (--json has all)", removed.len() - 12));
        }
    }
    let settings = decision["settings"].as_object().cloned().unwrap_or_default();
    if !settings.is_empty() {
        output::line("\nwith");
        for (name, value) in settings {
            output::line(format!("  {name:<24} {}", text(&value)));
        }
    }
}
