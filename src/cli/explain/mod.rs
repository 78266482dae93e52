//! `pointsman explain`

mod dead;
mod decision;
mod print;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::check::Checked;
use super::{DONE, FAILED, ended, output};
use crate::caller::Caller;
use crate::catalog::Catalog;
use crate::dialect::{Dialect, Request};
use crate::facts::{Inputs, Rates, RequestFacts};
use crate::ids::RequestId;
use crate::policy::nearby::{self, nearby};
use crate::policy::program::Program;
use crate::policy::syntax::yaml::is_yaml;
use crate::policy::testing::TestRequest;
use crate::policy::trace::{Recording, trace};
use crate::policy::trial::{Trial, enabled};
use crate::policy::value::Facts;
use crate::policy::{codes, syntax};

/// Say why a request goes where it goes, what would change that, and what a code like P2003 means.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  pointsman explain P2003\n  pointsman explain prod.policy \
--request request.json\n  pointsman explain prod.policy --given 'key.tier = pro, task = code'\n  \
pointsman explain prod.policy --why-dead enterprise-code\n  pointsman explain \
req_019add4a1f2c7d3c8f7a6b5c4d3e2f10\n  pointsman explain prod.policy --request gemini.json --api \
gemini --model gemini-2.5-flash")]
pub struct Args {
    /// A code of the language, a policy file, or the id of a decision.
    what: String,
    /// A file with the body of a request; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    request: Option<PathBuf>,
    /// A plain request but for these attributes, written as in a `test`; may be repeated.
    #[arg(long, value_name = "ATTRIBUTE = VALUE, …", conflicts_with = "request")]
    given: Vec<String>,
    /// Say which rules keep this one from ever matching.
    #[arg(long, value_name = "RULE", conflicts_with_all = ["request", "given"])]
    why_dead: Option<String>,
    /// The gateway that made the decision.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    gateway: String,
    /// The key that sent the request, where the gateway has keys.
    #[arg(long, env = "POINTSMAN_KEY", hide_env_values = true)]
    key: Option<String>,
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
    let told = match (RequestId::parse(&args.what), &args.why_dead) {
        (Some(id), _) => decision::explain(id, &args.gateway, args.key.as_deref()),
        (None, Some(rule)) => return dead::explain(args, rule),
        (None, None) => explain(args),
    };
    ended(told.map(|told| {
        if args.json {
            output::line(told.to_string());
        } else {
            print::print(&told);
        }
        told["decision"]["outcome"] == "plan"
    }))
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
        let told = json!({
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

/// The policy that is asked about, compiled; and its catalogue.
fn program(args: &Args) -> Result<(Arc<Program>, Arc<Catalog>), String> {
    let (catalog, _) =
        super::check::catalog_of(args.config.clone()).map_err(|problems| problems.to_string())?;
    let program = super::check::compile(args.what.as_ref(), &catalog)?.program()?;
    Ok((program, catalog))
}

/// The trace of a request under a policy with all models healthy, and what would change it. Which
/// providers are configured is not known here: all are taken to be.
fn explain(args: &Args) -> Result<Value, String> {
    let (program, catalog) = program(args)?;
    match (&args.request, args.given.is_empty()) {
        (Some(request), _) => {
            let facts = request_facts(args, request, &program, &catalog)?;
            Ok(told(&Trial::of(&program), &facts))
        }
        (None, false) => {
            let program = given(args, &catalog)?;
            let Some(test) = program.tests.last() else { return Err("nothing is given".into()) };
            let enabled = enabled(&catalog, program.sources.text());
            let request = TestRequest::of(test, &program, &enabled);
            Ok(told(&Trial::of_test(&program, &request), &request))
        }
        (None, true) => Err("say of which request: `--request FILE` with its body, or `--given \
                             'key.tier = pro'` with its attributes"
            .to_owned()),
    }
}

fn told(trial: &Trial<'_>, facts: &dyn Facts) -> Value {
    let program = trial.program;
    let recording = Recording::of(facts);
    let (decision, removed) = trial.decide(&recording);
    let mut told = trace(program, &recording.recorded(), &decision, &removed);
    let around = nearby(program, facts, &|facts| Some(trial.outcome(facts)));
    told["would_change"] = nearby::to_json(&around, program, &decision);
    told
}

/// The policy with one more test: a plain request but for what the command line says of it.
fn given(args: &Args, catalog: &Arc<Catalog>) -> Result<Arc<Program>, String> {
    let path = Path::new(&args.what);
    let (file, mut text) = super::check::read(path)?;
    if is_yaml(&file) {
        text = syntax::format(&syntax::parse_file(&file, &text).file);
    }
    let test = format!("test \"the command line\" {{\n  given {}\n}}\n", args.given.join(", "));
    let path = path.with_extension("policy");
    let compiled = super::check::compile_text(&path, &format!("{text}\n{test}"), catalog);
    Checked { file, compiled, files: Vec::new() }.program()
}

fn request_facts(
    args: &Args,
    request: &Path,
    program: &Program,
    catalog: &Arc<Catalog>,
) -> Result<RequestFacts, String> {
    let body = if request.as_os_str() == "-" {
        std::io::read_to_string(std::io::stdin()).map(String::into_bytes)
    } else {
        std::fs::read(request)
    };
    let body = body.map_err(|error| format!("{}: {error}", request.display()))?;
    let address = Some((&*args.model, false));
    let request = Request::read(args.api.dialect(), Bytes::from(body), address);
    let request = Arc::new(request.map_err(|error| error.to_string())?);
    Ok(RequestFacts::new(Inputs {
        id: RequestId::fresh(),
        request,
        path: args.api.path(&args.model),
        headers: headers(&args.headers)?,
        client_ip: None,
        caller: Arc::new(Caller::open()),
        now: jiff::Timestamp::now(),
        rates: Rates::default(),
        session_model: None,
        catalog: catalog.clone(),
        enabled: Arc::new(enabled(catalog, program.sources.text())),
    }))
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
