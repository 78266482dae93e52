//! Cloudflare AI Gateway: universal endpoints and a gateway's settings; `route` has dynamic routes,
//! `headers` the settings of requests.

mod headers;
mod route;

use super::plan::{Lower, Plan};
use super::providers::home;
use super::registry::{Deployment, Secret};
use super::source::Node;
use super::write::{self, Policy, attr, block, name};
use super::{Kind, Work};
use crate::policy::syntax::tree::{CompareOp, File, Item, LogShare, Stmt};
use headers::{Retry, config_of, headers_of};

/// Keys that only the settings of a gateway have.
pub const SETTINGS: &[&str] =
    &["rate_limiting_limit", "cache_ttl", "cache_invalidate_on_update", "collect_logs"];

/// The answer of Cloudflare's API around what was asked for.
pub fn inner<'s>(root: &Node<'s>) -> Node<'s> {
    let mut inner = root.clone();
    for key in ["result", "route", "version"] {
        if inner.get("elements").is_none()
            && let Some(next) = inner.get(key).filter(|next| next.is_map())
        {
            inner = next;
        }
    }
    inner
}

pub fn convert(root: &Node<'_>, work: &mut Work<'_>) -> File {
    let mut policy = Policy::default();
    let mut comments =
        vec![format!("Converted from a configuration of {}.", Kind::Cloudflare.title())];
    let inner = inner(root);
    if root.is_list() {
        universal(root, work, &mut policy);
    } else if let Some(elements) = inner.get("elements") {
        let title = inner.text_of("name").unwrap_or_default();
        if !title.is_empty() {
            comments.push(format!("The dynamic route `{title}`."));
        }
        own_fields(root, work);
        own_fields(&inner, work);
        route::dynamic(&elements, &title, work, &mut policy);
    } else {
        gateway(&inner, work, &mut policy);
        own_fields(root, work);
        own_fields(&inner, work);
        Lower { policy: &mut policy, report: &work.report }.no_default();
    }
    policy.file(&comments)
}

fn own_fields(node: &Node<'_>, work: &Work<'_>) {
    for key in [
        "id",
        "account_id",
        "account_tag",
        "gateway_id",
        "created_at",
        "modified_at",
        "deployment",
        "success",
        "errors",
        "messages",
        "result_info",
        "version_id",
        "active",
        "is_default",
        "internal_id",
    ] {
        if let Some(found) = node.get(key) {
            work.report.drop(&found, format!("`{key}`"), "it is Cloudflare's own");
        }
    }
}

/// `[{provider, endpoint, headers, query}]`: one after the other.
fn universal(root: &Node<'_>, work: &mut Work<'_>, policy: &mut Policy) {
    let mut steps = Vec::new();
    for step in root.items() {
        let provider = step.text_of("provider").unwrap_or_default();
        let endpoint = step.text_of("endpoint").unwrap_or_default();
        let query = step.get("query");
        let named = query.as_ref().and_then(|query| query.text_of("model"));
        if let Some(query) = &query {
            query.done();
            work.report.changed(
                query.path(),
                "messages and parameters stay with the client",
                "it sends one request, in its own format, and every model gets it",
            );
        }
        let model = named.or_else(|| in_endpoint(&endpoint));
        let mut settings = Vec::new();
        let mut keys = Vec::new();
        if let Some(headers) = step.get("headers") {
            settings.extend(headers_of(&headers, work, &mut keys));
        }
        if let Some(config) = step.get("config") {
            settings.extend(config_of(&config, work));
        }
        let base_url = azure_address(&provider, &endpoint);
        let Some(id) = model_id(&provider, model.as_deref(), base_url, keys, &step, work) else {
            continue;
        };
        work.report.taken(step.path(), format!("`{id}`, number {}", steps.len() + 1));
        steps.push(Plan::model(id).with(settings));
    }
    let mut lower = Lower { policy, report: &work.report };
    if steps.is_empty() {
        lower.no_default();
    } else {
        lower.rules(&Plan::Fallback { steps, on: Vec::new() }, &[], "universal");
    }
}

/// The model in an endpoint such as `@cf/meta/llama-3.1-8b-instruct`, `v1/models/NAME:generateContent`,
/// `RESOURCE/DEPLOYMENT/chat/completions`.
fn in_endpoint(endpoint: &str) -> Option<String> {
    let path = endpoint.split('?').next().unwrap_or_default().trim_matches('/');
    if path.starts_with("@cf/") || path.starts_with("@hf/") {
        return Some(path.to_owned());
    }
    if let Some((_, rest)) = path.rsplit_once("models/") {
        let name = rest.rsplit_once(':').map_or(rest, |(name, _)| name);
        return (!name.is_empty()).then(|| name.to_owned());
    }
    if let Some(rest) = path.split_once("/model/").map(|(_, rest)| rest) {
        return rest.split('/').next().map(str::to_owned);
    }
    let deployment = path.strip_suffix("/chat/completions")?;
    let (_, name) = deployment.rsplit_once('/')?;
    (!name.is_empty() && name != "v1").then(|| name.to_owned())
}

fn azure_address(provider: &str, endpoint: &str) -> Option<String> {
    let (resource, _) = endpoint.split_once('/')?;
    let plain = resource.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    (provider == "azure-openai" && plain && !resource.is_empty())
        .then(|| format!("https://{resource}.openai.azure.com"))
}

fn model_id(
    provider: &str,
    model: Option<&str>,
    base_url: Option<String>,
    keys: Vec<Secret>,
    node: &Node<'_>,
    work: &mut Work<'_>,
) -> Option<String> {
    // `compat` and the newer endpoints name the provider in the model.
    let (provider, model) = match (provider, model.and_then(|model| model.split_once('/'))) {
        ("compat" | "" | "unified", Some((provider, model))) => (provider, Some(model)),
        _ => (provider, model),
    };
    let Some(model) = model.filter(|model| !model.is_empty()) else {
        work.report.left(node.path(), format!("a step at `{provider}`"), "it names no model");
        return None;
    };
    let Some(home) = home(provider) else {
        work.report.left(
            node.path(),
            format!("`{model}` at `{provider}`"),
            "Pointsman does not know this provider; if it speaks OpenAI's format, add it to \
             pointsman.yaml with `kind: openai-compatible` and a `base_url`",
        );
        return None;
    };
    let deployment = Deployment { base_url, keys, ..Deployment::of(home, model) };
    Some(work.registry.model(&deployment, &work.report, node.path()))
}

/// A gateway's settings, as the API gives them, or its headers alone.
fn gateway(node: &Node<'_>, work: &mut Work<'_>, policy: &mut Policy) {
    let mut stmts = Vec::new();
    let headers = node.get("headers").unwrap_or_else(|| node.clone());
    if headers.entries().iter().any(|(key, _)| key.to_lowercase().starts_with("cf-")) {
        stmts.extend(headers_of(&headers, work, &mut Vec::new()));
    }
    let number = |key: &str| node.get(key).and_then(|it| it.number());
    if let Some(ttl) = number("cache_ttl").filter(|ttl| *ttl > 0.0).and_then(write::cache) {
        work.report.taken("cache_ttl", "`cache exact ttl`");
        stmts.push(ttl);
    }
    let retry = Retry {
        attempts: number("retry_max_attempts"),
        delay: number("retry_delay"),
        backoff: node.text_of("retry_backoff"),
    };
    stmts.extend(retry.stmt("retry_max_attempts", work));
    if node.is_on("zdr") {
        let zero = write::word_value("zero");
        let eq = CompareOp::Eq;
        stmts.push(Stmt::Only(write::compare(attr("retention", None), eq, zero)));
        work.report.taken("zdr", "`only models where retention == zero`");
    }
    if node.get("collect_logs").and_then(|it| it.bool()) == Some(false) {
        let share = write::at(LogShare::Off);
        stmts.push(Stmt::Log { what: name("bodies"), share });
        work.report.changed(
            "collect_logs",
            "`log bodies off`",
            "that a request was made is logged",
        );
    }
    for key in ["rate_limiting_interval", "rate_limiting_limit", "rate_limiting_technique"] {
        if let Some(found) = node.get(key) {
            work.report.drop(
                &found,
                "the gateway's rate limit",
                "it counts all callers together; write `limit NAME 100/min per key.id else deny \"…\"`",
            );
        }
    }
    for key in [
        "dlp",
        "guardrails",
        "logpush",
        "logpush_public_key",
        "otel",
        "stripe",
        "log_management",
        "log_management_strategy",
        "authentication",
        "cache_invalidate_on_update",
        "store_id",
        "workers_ai_billing_mode",
    ] {
        if let Some(found) = node.get(key) {
            work.report.drop(&found, format!("`{key}`"), "Pointsman has no such setting");
        }
    }
    if !stmts.is_empty() {
        policy.rule(Item::Defaults(block(super::plan::unique(stmts))), &[]);
    }
}
