//! `model_list`: model groups and their deployments.

use super::super::Work;
use super::super::portkey::parameter;
use super::super::providers::{Home, home, of_address};
use super::super::registry::{Deployment, Facts, Secret, account, plain};
use super::super::source::Node;
use super::super::write;
use crate::policy::syntax::tree::{SetParamOp, Stmt};

/// The deployments of one name.
pub struct Group {
    pub name: String,
    pub members: Vec<Member>,
}

/// A deployment that was taken over.
pub struct Member {
    pub path: String,
    /// The model in policies.
    pub id: String,
    /// The model as LiteLLM names it.
    pub source: String,
    pub weight: Option<f64>,
    /// Its keys that may be a share: `weight`, `rpm`, `tpm`.
    pub shares: Vec<&'static str>,
    pub order: f64,
    pub tags: Vec<String>,
    settings: Vec<Stmt>,
}

/// A name with a star.
pub struct Wildcard {
    pub pattern: String,
    pub path: String,
    /// Whether clients name models just as Pointsman does.
    pub same_names: bool,
    pub provider: Option<&'static str>,
}

/// All of them.
#[derive(Default)]
pub struct List {
    pub groups: Vec<Group>,
    pub wildcards: Vec<Wildcard>,
}

impl Group {
    /// What all deployments say alike.
    pub fn body(&self, work: &Work<'_>) -> Vec<Stmt> {
        let Some(first) = self.members.first() else { return Vec::new() };
        let agreed: Vec<Stmt> = first
            .settings
            .iter()
            .filter(|stmt| self.members.iter().all(|other| other.settings.contains(stmt)))
            .cloned()
            .collect();
        for member in &self.members {
            if member.settings.iter().any(|stmt| !agreed.contains(stmt)) {
                work.report.left(
                    &format!("{}.litellm_params", member.path),
                    "parameters that not all deployments of the group share",
                    "a route sets parameters for all of its models; make two groups of them",
                );
            }
        }
        agreed
    }
}

/// Modes of models that hold conversations or embed.
const MODES: &[&str] = &["chat", "completion", "responses", "embedding"];

pub fn read(root: &Node<'_>, work: &mut Work<'_>) -> List {
    let mut list = List::default();
    let Some(models) = root.get("model_list") else { return list };
    let mut members: Vec<(String, Member)> = Vec::new();
    for node in models.items() {
        let params = node.get("litellm_params");
        let source = params.as_ref().and_then(|it| it.text_of("model"));
        let name = node.get("model_name").and_then(|it| it.scalar()).or_else(|| source.clone());
        let (Some(params), Some(source), Some(name)) = (params, source, name) else {
            work.report.drop(&node, "a model", "it has no `litellm_params.model`");
            continue;
        };
        if source.contains('*') || name.contains('*') {
            wildcard(&mut list, &node, &params, &name, &source, work);
        } else if let Some(member) = member(&node, &params, &source, work) {
            members.push((name, member));
        }
    }
    for (name, member) in members {
        match list.groups.iter_mut().find(|group| group.name == name) {
            Some(group) => group.members.push(member),
            None => list.groups.push(Group { name, members: vec![member] }),
        }
    }
    list
}

/// Whether a model is known by its name to make images or to deal with sound alone.
fn makes_media(source: &str) -> bool {
    let name = source.rsplit('/').next().unwrap_or_default().to_lowercase();
    let starts =
        ["dall-e", "gpt-image", "whisper", "tts-", "imagen", "stable-diffusion", "sora", "veo-"];
    starts.iter().any(|start| name.starts_with(start))
        || name.contains("-transcribe")
        || name.ends_with("-tts")
}

/// The provider and the model's name there.
fn place(source: &str, params: &Node<'_>) -> (Option<Home>, String, String) {
    let custom = params.text_of("custom_llm_provider");
    let (prefix, rest) = match source.split_once('/') {
        Some((prefix, rest)) if home(prefix).is_some() || custom.is_none() => (prefix, rest),
        _ => ("", source),
    };
    if let Some(custom) = custom
        && prefix.is_empty()
    {
        return (home(&custom), rest.to_owned(), custom);
    }
    match home(prefix) {
        Some(Home::Known("bedrock")) => {
            let mut model = rest;
            for way in ["converse/", "converse_like/", "invoke/"] {
                model = model.strip_prefix(way).unwrap_or(model);
            }
            // `bedrock/us-east-1/anthropic.claude…` has the region first.
            if let Some((region, rest)) = model.split_once('/')
                && region.split('-').count() == 3
                && !region.contains(['.', ':'])
            {
                model = rest;
            }
            (home(prefix), model.to_owned(), prefix.to_owned())
        }
        Some(Home::Known("azure")) => {
            let model = rest.strip_prefix("responses/").unwrap_or(rest);
            (home(prefix), model.to_owned(), prefix.to_owned())
        }
        Some(Home::Known("openai")) => {
            let model = rest.strip_prefix("responses/").unwrap_or(rest);
            (home(prefix), model.to_owned(), prefix.to_owned())
        }
        Some(known) => (Some(known), rest.to_owned(), prefix.to_owned()),
        // A bare name is of whoever makes such models.
        None if prefix.is_empty() => {
            let maker = [
                ("claude", "anthropic"),
                ("gemini", "google"),
                ("command", "cohere"),
                ("mistral", "mistral"),
                ("deepseek", "deepseek"),
                ("grok", "xai"),
            ];
            let known = maker.iter().find(|(start, _)| rest.starts_with(start));
            let id = known.map_or("openai", |(_, id)| *id);
            (home(id), rest.to_owned(), id.to_owned())
        }
        None => (None, rest.to_owned(), prefix.to_owned()),
    }
}

fn member(node: &Node<'_>, params: &Node<'_>, source: &str, work: &mut Work<'_>) -> Option<Member> {
    let info = node.get("model_info");
    let info = info.as_ref();
    let mode = info.and_then(|it| it.text_of("mode"));
    if let Some(mode) = mode.as_deref().filter(|mode| !MODES.contains(mode)) {
        let why = "Pointsman has conversations and embeddings so far";
        work.report.drop(node, format!("`{source}` ({mode})"), why);
        return None;
    }
    if mode.is_none() && makes_media(source) {
        let why = "by its name it makes or hears images or sound, and Pointsman has conversations and \
                   embeddings so far; if it holds conversations, say `model_info.mode: chat`";
        work.report.drop(node, format!("`{source}`"), why);
        return None;
    }
    if source.starts_with("auto_router/") {
        work.report.drop(
            node,
            "an auto router",
            "say what it goes by in routes: `route code when task == code -> …`, `difficulty > 0.6`",
        );
        return None;
    }
    let (home, model, prefix) = place(source, params);
    let base =
        params.first(&["api_base", "base_url"]).and_then(|it| it.text()).map(|it| plain(&it));
    let by_address = base.as_deref().and_then(of_address).map(|entry| Home::Known(entry.id));
    let home = match (home, by_address) {
        // `openai/…` at OpenRouter's address means OpenRouter.
        (Some(Home::Known("openai" | "openai-compatible")), Some(known)) => known,
        (None, _) if base.is_some() => Home::Known("openai-compatible"),
        (Some(home), _) => home,
        (None, _) => {
            work.report.drop(
                node,
                format!("`{source}`"),
                format!(
                    "Pointsman knows no provider `{prefix}`; if its address speaks OpenAI's format, \
                     add it to pointsman.yaml with `kind: openai-compatible`"
                ),
            );
            return None;
        }
    };
    let mut deployment = Deployment::of(home, model);
    // An OpenAI client's address ends before the version at some, behind it at others.
    deployment.base_url = base.map(|base| match home {
        Home::Known("ollama") if !base.trim_end_matches('/').ends_with("/v1") => {
            format!("{}/v1", base.trim_end_matches('/'))
        }
        Home::Known("anthropic") if !base.trim_end_matches('/').ends_with("/v1") => {
            format!("{}/v1", base.trim_end_matches('/'))
        }
        _ => base,
    });
    if let Some(key) = params.get("api_key").and_then(|it| it.scalar()) {
        deployment.keys.push(Secret::read(&key));
    }
    if home == Home::Known("ollama") && deployment.base_url.is_none() {
        deployment.base_url = Some("http://127.0.0.1:11434/v1".to_owned());
    }
    deployment.settings = account(
        params,
        &[
            ("api_version", "api_version"),
            ("aws_region_name", "region"),
            ("aws_access_key_id", "access_key_id"),
            ("aws_secret_access_key", "secret_access_key"),
            ("aws_session_token", "session_token"),
            ("aws_profile_name", "profile"),
            ("vertex_project", "project"),
            ("vertex_ai_project", "project"),
            ("vertex_location", "location"),
            ("vertex_ai_location", "location"),
        ],
    );
    credentials_file(params, &mut deployment, work);
    deployment.facts = facts(params, info, mode.as_deref());
    let id = work.registry.model(&deployment, &work.report, node.path());
    for key in ["input_cost_per_token", "output_cost_per_token", "cache_read_input_token_cost"] {
        let said = info.and_then(|it| it.get(key)).or_else(|| params.get(key));
        if let Some(price) = said.filter(|it| it.number().is_some()) {
            work.report.taken(price.path(), format!("the price of `{id}`, per million tokens"));
        }
    }
    let settings = settings(params, work);
    described(params, info, work);
    let number = |key: &str| params.get(key).and_then(|it| it.number()).filter(|it| *it > 0.0);
    let shares: Vec<(&'static str, f64)> = ["weight", "rpm", "tpm"]
        .into_iter()
        .filter_map(|key| number(key).map(|value| (key, value)))
        .collect();
    let tags = params.get("tags").map(|it| it.items()).unwrap_or_default();
    let order = params.get("order").and_then(|it| it.number());
    Some(Member {
        path: node.path().to_owned(),
        id,
        source: source.to_owned(),
        weight: shares.first().map(|(_, value)| *value),
        shares: shares.into_iter().map(|(key, _)| key).collect(),
        order: order.unwrap_or(f64::from(u16::MAX)),
        tags: tags.iter().filter_map(Node::text).collect(),
        settings,
    })
}

fn credentials_file(params: &Node<'_>, deployment: &mut Deployment, work: &Work<'_>) {
    let Some(node) = params.first(&["vertex_credentials", "vertex_ai_credentials"]) else { return };
    let text = node.text().unwrap_or_default();
    match Secret::read(&text) {
        Secret::Literal(path) if !path.trim_start().starts_with('{') && !path.is_empty() => {
            deployment.settings.push(("credentials_file", Secret::Literal(path)));
        }
        _ => work.report.drop(
            &node,
            "an account's credentials",
            "put them into a file and name it: `providers.vertex.credentials_file`, or set \
             GOOGLE_APPLICATION_CREDENTIALS",
        ),
    }
}

fn facts(params: &Node<'_>, info: Option<&Node<'_>>, mode: Option<&str>) -> Facts {
    let number = |key: &str| {
        let here = info.and_then(|info| info.get(key)).or_else(|| params.get(key));
        here.and_then(|it| it.number())
    };
    let per_million = |key: &str| number(key).map(|price| price * 1e6);
    let count = |key: &str| {
        info.and_then(|info| info.get(key)).and_then(|it| it.count()).filter(|count| *count > 0)
    };
    let (input, output) = (count("max_input_tokens"), count("max_output_tokens"));
    // `max_tokens` is the longest answer, and of what embeds the longest text.
    let most = count("max_tokens");
    let embeds = mode == Some("embedding");
    let mut facts = Facts {
        base_model: info.and_then(|it| it.text_of("base_model")),
        context: input.or(most.filter(|_| embeds)),
        max_output: output.or(most),
        input: per_million("input_cost_per_token"),
        output: per_million("output_cost_per_token"),
        cached: per_million("cache_read_input_token_cost"),
        can: Vec::new(),
        cannot: Vec::new(),
    };
    let base = params.text_of("base_model");
    facts.base_model = facts.base_model.or(base);
    for (key, words) in [
        ("supports_function_calling", &["tools"][..]),
        ("supports_parallel_function_calling", &["parallel_tools"]),
        ("supports_vision", &["vision"]),
        ("supports_response_schema", &["json_schema", "json"]),
        ("supports_reasoning", &["reasoning"]),
        ("supports_audio_input", &["audio"]),
    ] {
        match info.and_then(|info| info.get(key)).and_then(|it| it.bool()) {
            Some(true) => facts.can.extend(words),
            Some(false) => facts.cannot.extend(words),
            None => {}
        }
    }
    if mode == Some("embedding") {
        facts.can.push("embeddings");
    }
    facts
}

fn settings(params: &Node<'_>, work: &Work<'_>) -> Vec<Stmt> {
    let mut stmts = Vec::new();
    for key in [
        "temperature",
        "top_p",
        "top_k",
        "presence_penalty",
        "frequency_penalty",
        "max_tokens",
        "max_completion_tokens",
        "seed",
        "n",
        "stop",
        "reasoning_effort",
        "parallel_tool_calls",
        "service_tier",
        "user",
    ] {
        let Some(value) = params.get(key) else { continue };
        let op = if key.starts_with("max") { SetParamOp::AtMost } else { SetParamOp::Replace };
        if let Some(stmt) = parameter(key, &value, op, work)
            && !stmts.iter().any(|known| {
                matches!((known, &stmt),
                (Stmt::Set { param: a, .. }, Stmt::Set { param: b, .. }) if a == b)
            })
        {
            work.report.changed(
                value.path(),
                "the policy's value wins over the client's",
                "with LiteLLM the client's own value does",
            );
            stmts.push(stmt);
        }
    }
    let seconds = |key: &str| params.get(key).and_then(|it| it.number()).map(|it| it * 1000.0);
    stmts.extend(seconds("timeout").and_then(|ms| write::timeout("attempt", ms)));
    let ttft = seconds("stream_timeout").and_then(|ms| write::timeout("ttft", ms));
    if ttft.is_some() {
        work.report.taken(&format!("{}.stream_timeout", params.path()), "`timeout ttft`");
    }
    stmts.extend(ttft);
    let retries = params.first(&["max_retries", "num_retries"]).and_then(|it| it.count());
    stmts.extend(retries.map(|retries| write::retry(retries, &["transient"], None)));
    stmts
}

/// What a deployment has and the result has not.
fn described(params: &Node<'_>, info: Option<&Node<'_>>, work: &Work<'_>) {
    for (key, why) in [
        ("organization", "set the header `openai-organization` in `providers.NAME.headers`"),
        ("extra_headers", "set `providers.NAME.headers` in pointsman.yaml"),
        ("headers", "set `providers.NAME.headers` in pointsman.yaml"),
        ("extra_body", "clients send such fields themselves; they are passed on"),
        ("thinking", "use `set reasoning = low | medium | high` in the route"),
        ("drop_params", "what a provider cannot be told is always left out and reported"),
        ("additional_drop_params", "what a provider cannot be told is always left out"),
        ("max_parallel_requests", "use `limit NAME 40 concurrent per key.team else queue 15s`"),
        ("max_budget", "use `budget NAME $100 per month per key.team { … }`"),
        ("budget_duration", "use `budget NAME $100 per month per key.team { … }`"),
        ("aws_role_name", "roles are not assumed; use a profile or keys of the role"),
        ("aws_session_name", "roles are not assumed; use a profile or keys of the role"),
        ("aws_bedrock_runtime_endpoint", "set `providers.bedrock.base_url`"),
        ("tenant_id", "Azure's directory accounts are not in this version; use an API key"),
        ("client_id", "Azure's directory accounts are not in this version; use an API key"),
        ("client_secret", "Azure's directory accounts are not in this version; use an API key"),
        ("azure_ad_token", "Azure's directory accounts are not in this version; use an API key"),
        ("mock_response", "use the built-in provider `sim`"),
        ("cache_control_injection_points", "clients mark what is to be cached"),
        ("region_name", "use `only models where region in [..]`"),
        ("use_in_pass_through", "Pointsman passes nothing through unread"),
        ("merge_reasoning_content_in_choices", "reasoning comes in the client's own format"),
        ("guardrails", "Pointsman runs no guardrails"),
        ("input_cost_per_second", "prices here are per token, image or request"),
        ("output_cost_per_second", "prices here are per token, image or request"),
    ] {
        if let Some(found) = params.get(key) {
            work.report.drop(&found, format!("`{key}`"), why);
        }
    }
    for (key, value) in info.map(|info| info.entries()).unwrap_or_default() {
        let why = match key.as_str() {
            "id" | "db_model" | "description" | "display_name" | "created_at" | "updated_at" => {
                "it is for people, and for LiteLLM itself"
            }
            "access_groups" | "team_id" | "team_public_model_name" => {
                "say in `keys[].models` of pointsman.yaml who may use which models"
            }
            "version"
            | "litellm_provider"
            | "health_check_model"
            | "disable_background_health_check"
            | "health_check_timeout" => "Pointsman watches the traffic itself",
            key if key.contains("cost_per") || key.contains("token_cost") => {
                // Those that a row has were read already.
                if matches!(
                    key,
                    "input_cost_per_token"
                        | "output_cost_per_token"
                        | "cache_read_input_token_cost"
                ) {
                    continue;
                }
                "prices here are per token, image or request, and said in pointsman.yaml"
            }
            key if key.starts_with("supports_") => {
                if value.bool().is_some() && SUPPORTED.contains(&key) {
                    continue;
                }
                "no word of `can` stands for it"
            }
            _ => continue,
        };
        work.report.drop(&value, format!("`{key}`"), why);
    }
}

const SUPPORTED: &[&str] = &[
    "supports_function_calling",
    "supports_parallel_function_calling",
    "supports_vision",
    "supports_response_schema",
    "supports_reasoning",
    "supports_audio_input",
];

fn wildcard(
    list: &mut List,
    node: &Node<'_>,
    params: &Node<'_>,
    name: &str,
    source: &str,
    work: &mut Work<'_>,
) {
    let (home, model, prefix) = match source {
        "*" => (None, "*".to_owned(), String::new()),
        source => place(source, params),
    };
    let base = params.first(&["api_base", "base_url"]).and_then(|it| it.text());
    if source != "*" && home.is_none()
        || (base.is_some() && matches!(home, Some(Home::Known("openai"))))
    {
        work.report.drop(
            node,
            format!("`{name}`"),
            format!("what `{prefix}` serves is not known; list its models under `providers:`"),
        );
        return;
    }
    let provider = match home {
        Some(Home::Known(id)) => Some(id),
        _ => None,
    };
    if let Some(home) = home {
        // The provider belongs into the configuration, whichever of its models are asked.
        let mut deployment = Deployment::of(home, String::new());
        deployment.base_url = base.map(|base| plain(&base));
        if let Some(key) = params.get("api_key").and_then(|it| it.scalar()) {
            deployment.keys.push(Secret::read(&key));
        }
        work.registry.provider(&deployment, &work.report, node.path());
    }
    let same_names = match provider {
        Some(provider) => name == format!("{provider}/*") && model == "*",
        None => name == "*",
    };
    if let Some(info) = node.get("model_info") {
        work.report.drop(&info, "`model_info`", "it cannot hold for models that are not named");
    }
    let (pattern, path) = (name.to_owned(), node.path().to_owned());
    list.wildcards.push(Wildcard { pattern, path, same_names, provider });
}
