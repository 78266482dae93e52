//! Cloudflare AI Gateway: universal endpoints, dynamic routes, a gateway's settings.

use std::collections::{HashMap, HashSet};

use super::condition;
use super::plan::{Lower, Plan};
use super::portkey::{speaks_of_tags, tags_note};
use super::providers::home;
use super::registry::{Deployment, Secret};
use super::source::Node;
use super::write::{self, Policy, attr, block, deny, literal, name};
use super::{Kind, Work};
use crate::policy::syntax::tree::{
    AttrPath, Breach, CacheStmt, Cond, File, Item, LimitAmount, Mark, Stmt,
};

/// Keys that only the settings of a gateway have.
pub const SETTINGS: &[&str] =
    &["rate_limiting_limit", "cache_ttl", "cache_invalidate_on_update", "collect_logs"];

/// The deepest route that is followed.
const MOST_DEPTH: usize = 40;

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
        dynamic(&elements, &title, work, &mut policy);
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

fn headers_of(headers: &Node<'_>, work: &Work<'_>, keys: &mut Vec<Secret>) -> Vec<Stmt> {
    let mut retry = Retry::default();
    let mut stmts = Vec::new();
    for (key, value) in headers.entries() {
        let number = || value.number();
        match key.to_lowercase().as_str() {
            "authorization" | "x-api-key" | "api-key" | "x-goog-api-key" => {
                let text = value.text().unwrap_or_default();
                let text = text.trim_start_matches("Bearer ").trim_start_matches("bearer ");
                match Secret::read(text) {
                    Secret::Env(variable) => keys.push(Secret::Env(variable)),
                    Secret::Literal(_) => work.report.drop(
                        &value,
                        "a credential",
                        "keys are not copied; the provider's usual environment variable is read",
                    ),
                }
            }
            "content-type" | "accept" => {
                work.report.drop(&value, format!("`{key}`"), "Pointsman sets it")
            }
            "cf-aig-cache-ttl" | "cf-cache-ttl" => {
                if let Some(stmt) = number().and_then(write::cache) {
                    work.report.taken(value.path(), "`cache exact ttl`");
                    stmts.push(stmt);
                }
            }
            "cf-aig-skip-cache" | "cf-skip-cache" => {
                if value.scalar().as_deref() == Some("true") {
                    work.report.taken(value.path(), "`cache off`");
                    stmts.push(Stmt::Cache(CacheStmt::Off));
                }
            }
            "cf-aig-max-attempts" => retry.attempts = number(),
            "cf-aig-retry-delay" => retry.delay = number(),
            "cf-aig-backoff" => retry.backoff = value.text(),
            "cf-aig-request-timeout" => {
                if let Some(stmt) = number().and_then(|ms| write::timeout("ttft", ms)) {
                    work.report.taken(value.path(), "`timeout ttft`");
                    stmts.push(stmt);
                }
            }
            "cf-aig-authorization" => {
                work.report.drop(
                    &value,
                    "the gateway's token",
                    "give clients `keys:` in pointsman.yaml",
                );
            }
            "cf-aig-collect-log" => {
                if value.scalar().as_deref() == Some("false") {
                    let share = write::at(crate::policy::syntax::tree::LogShare::Off);
                    stmts.push(Stmt::Log { what: name("bodies"), share });
                    work.report.changed(
                        value.path(),
                        "`log bodies off`",
                        "that a request was made is still logged",
                    );
                }
            }
            "cf-aig-metadata" => tags_note_of(&value, work),
            _ => {
                work.report.drop(&value, format!("the header `{key}`"), "no setting stands for it")
            }
        }
    }
    stmts.extend(retry.stmt(headers.path(), work));
    one_cache(stmts)
}

fn tags_note_of(value: &Node<'_>, work: &Work<'_>) {
    value.done();
    work.report.taken(value.path(), "tags, which clients send");
    tags_note(work, "cf-aig-metadata");
}

/// `cache off` wins over a time to live.
fn one_cache(mut stmts: Vec<Stmt>) -> Vec<Stmt> {
    if stmts.contains(&Stmt::Cache(CacheStmt::Off)) {
        stmts.retain(|stmt| !matches!(stmt, Stmt::Cache(CacheStmt::On { .. })));
    }
    stmts
}

fn config_of(config: &Node<'_>, work: &Work<'_>) -> Vec<Stmt> {
    let mut stmts = Vec::new();
    let number = |key: &str| config.get(key).and_then(|it| it.number());
    if let Some(stmt) = number("requestTimeout").and_then(|ms| write::timeout("ttft", ms)) {
        work.report.taken(config.path(), "`timeout ttft`");
        stmts.push(stmt);
    }
    let retry = Retry {
        attempts: number("maxAttempts"),
        delay: number("retryDelay"),
        backoff: config.text_of("backoff"),
    };
    stmts.extend(retry.stmt(config.path(), work));
    if let Some(stmt) = number("cacheTtl").and_then(write::cache) {
        stmts.push(stmt);
    }
    if config.is_on("skipCache") {
        stmts.push(Stmt::Cache(CacheStmt::Off));
    }
    one_cache(stmts)
}

#[derive(Default)]
struct Retry {
    attempts: Option<f64>,
    delay: Option<f64>,
    backoff: Option<String>,
}

impl Retry {
    fn stmt(self, path: &str, work: &Work<'_>) -> Option<Stmt> {
        let attempts = self.attempts.filter(|it| (1.0..=100.0).contains(it))? as u64;
        if self.backoff.as_deref().is_some_and(|backoff| backoff != "exponential") {
            work.report.changed(
                path,
                "waits between retries grow exponentially",
                "Pointsman knows no other backoff",
            );
        }
        work.report.taken(path, format!("`retry {attempts}`"));
        Some(write::retry(attempts, &["transient"], self.delay))
    }
}

/// A graph of elements.
struct Graph<'s, 'w, 'c> {
    elements: HashMap<String, Node<'s>>,
    work: &'w mut Work<'c>,
    /// The limits on the way, with the conditions they stand under.
    limits: Vec<Limited<'s>>,
    way: Vec<Cond>,
    followed: usize,
    /// How many choices on the way no condition can say: shares, failures.
    unsure: usize,
    visited: HashSet<String>,
}

struct Limited<'s> {
    node: Node<'s>,
    when: Vec<Cond>,
    else_plan: Option<Plan>,
}

fn dynamic(elements: &Node<'_>, title: &str, work: &mut Work<'_>, policy: &mut Policy) {
    let mut graph = Graph {
        elements: HashMap::new(),
        work,
        limits: Vec::new(),
        way: Vec::new(),
        followed: 0,
        unsure: 0,
        visited: HashSet::new(),
    };
    let mut start = None;
    for element in elements.items() {
        let Some(id) = element.get("id").and_then(|it| it.scalar()) else { continue };
        if element.text_of("type").as_deref() == Some("start") {
            start = Some(id.clone());
        }
        if let Some(position) = element.get("position") {
            graph.work.report.drop(&position, "a position", "it is the editor's");
        }
        graph.elements.insert(id, element);
    }
    let plan = start.and_then(|start| graph.follow(&start, 0));
    let Graph { limits, visited, .. } = graph;
    for element in elements.items() {
        if element.text_of("type").as_deref() == Some("end") {
            element.get("outputs").iter().for_each(|outputs| _ = outputs.entries());
        } else if !visited.contains(element.path()) {
            work.report.drop(&element, "an element", "no way leads to it");
        }
    }
    let names: Vec<String> =
        (!title.is_empty()).then(|| format!("dynamic/{title}")).into_iter().collect();
    if !names.is_empty() {
        work.report.taken("", format!("clients may go on sending `model: \"dynamic/{title}\"`"));
    }
    let mut lower = Lower { policy, report: &work.report };
    for limited in limits {
        limit(limited, &mut lower, &names);
    }
    match plan {
        Some(plan) => lower.rules(&plan, &names, if title.is_empty() { "dynamic" } else { title }),
        None => lower.no_default(),
    }
}

impl<'s> Graph<'s, '_, '_> {
    fn output(&self, node: &Node<'s>, name: &str) -> Option<String> {
        let output = node.get("outputs").and_then(|it| it.get(name)).or_else(|| node.get(name))?;
        output_id(&output)
    }

    fn follow(&mut self, id: &str, depth: usize) -> Option<Plan> {
        self.followed += 1;
        if depth > MOST_DEPTH || self.followed > 500 {
            self.work.report.left("elements", "a part of the route", "it goes round in a circle");
            return None;
        }
        let node = self.elements.get(id)?.clone();
        self.visited.insert(node.path().to_owned());
        let properties = node.get("properties");
        match node.text_of("type")?.as_str() {
            "start" => {
                let next = self.output(&node, "next")?;
                self.follow(&next, depth + 1)
            }
            "end" => None,
            "conditional" => {
                let query =
                    properties.as_ref().and_then(|it| it.first(&["conditions", "condition"]));
                let (yes, no) = (self.output(&node, "true"), self.output(&node, "false"));
                let cond = query.as_ref().map(condition::query);
                let otherwise = |graph: &mut Self| {
                    no.as_deref().and_then(|no| graph.follow(no, depth + 1)).map(Box::new)
                };
                match (cond, query) {
                    (Some(Ok(cond)), Some(query)) => {
                        self.work.report.taken(node.path(), "a condition of routes");
                        if speaks_of_tags(&query) {
                            tags_note(self.work, "cf-aig-metadata");
                        }
                        self.way.push(cond.clone());
                        let yes = yes.as_deref().and_then(|yes| self.follow(yes, depth + 1));
                        self.way.pop();
                        self.way.push(write::not(cond.clone()));
                        let otherwise = otherwise(self);
                        self.way.pop();
                        let cases = yes.map(|yes| (cond, yes)).into_iter().collect();
                        Some(Plan::Branch { cases, otherwise })
                    }
                    (Some(Err(why)), Some(query)) => {
                        self.work.report.drop(
                            &query,
                            "a condition",
                            format!("{why}; taken as false"),
                        );
                        otherwise(self).map(|plan| *plan)
                    }
                    _ => otherwise(self).map(|plan| *plan),
                }
            }
            "percentage" => self.percentage(&node, depth),
            "rate_limit" | "rate" | "budget" | "budget_limit" => {
                let ok = self.output(&node, "success")?;
                let fallback = self.output(&node, "fallback");
                let plan = self.follow(&ok, depth + 1);
                let else_plan = fallback.as_deref().and_then(|id| self.follow(id, depth + 1));
                if self.unsure > 0 {
                    let why =
                        "it counts a share of the requests, or only those that failed elsewhere";
                    self.work.report.drop(&node, "a limit", why);
                } else {
                    let when = self.way.clone();
                    self.limits.push(Limited { node, when, else_plan });
                }
                plan
            }
            "model" => self.model(&node, depth),
            other => {
                let what = format!("an element `{other}`");
                self.work.report.drop(&node, what, "Pointsman has nothing like it");
                let next = self.output(&node, "next").or_else(|| self.output(&node, "success"))?;
                self.follow(&next, depth + 1)
            }
        }
    }

    fn percentage(&mut self, node: &Node<'s>, depth: usize) -> Option<Plan> {
        let outputs = node.get("outputs")?;
        let mut arms: Vec<(f64, Plan)> = Vec::new();
        let (mut said, mut rest) = (0.0, None);
        for (key, output) in outputs.entries() {
            let to = output_id(&output);
            let share = key.trim_end_matches('%').parse::<f64>().ok().filter(|it| it.is_finite());
            let share = share.or_else(|| output.get("percentage").and_then(|it| it.number()));
            self.unsure += 1;
            let plan = to.as_deref().and_then(|to| self.follow(to, depth + 1));
            self.unsure -= 1;
            match (share, plan) {
                (Some(share), plan) => {
                    said += share;
                    match plan {
                        Some(plan) => arms.push((share, plan)),
                        None => self.work.report.left(
                            output.path(),
                            format!("{key} of the requests"),
                            "they end without a model; the other arms have them",
                        ),
                    }
                }
                (None, plan) => rest = plan,
            }
        }
        if let Some(rest) = rest.filter(|_| said < 100.0) {
            arms.push((100.0 - said, rest));
        }
        self.work.report.taken(node.path(), "a split");
        (!arms.is_empty()).then_some(Plan::Split { name: "traffic".into(), by: None, arms })
    }

    fn model(&mut self, node: &Node<'s>, depth: usize) -> Option<Plan> {
        let properties = node.get("properties");
        let properties = properties.as_ref();
        let provider = properties.and_then(|it| it.text_of("provider")).unwrap_or_default();
        let model = properties.and_then(|it| it.text_of("model"));
        let number = |key: &str| properties.and_then(|it| it.get(key)).and_then(|it| it.number());
        let mut settings = Vec::new();
        settings.extend(number("timeout").and_then(|ms| write::timeout("ttft", ms)));
        if let Some(retries) = number("retries").filter(|it| (1.0..=100.0).contains(it)) {
            settings.push(write::retry(retries as u64, &["transient"], None));
        }
        let id = model_id(&provider, model.as_deref(), None, Vec::new(), node, self.work);
        let next = self.output(node, "success");
        let success_ends = next.as_deref().is_none_or(|next| {
            self.elements
                .get(next)
                .is_none_or(|next| next.text_of("type").as_deref() == Some("end"))
        });
        if !success_ends {
            self.work.report.left(
                node.path(),
                "what follows an answer",
                "a model's answer ends the request here",
            );
        }
        let fallback = self.output(node, "fallback");
        self.unsure += 1;
        let fallback = fallback.as_deref().and_then(|id| self.follow(id, depth + 1));
        self.unsure -= 1;
        let Some(id) = id else { return fallback };
        self.work.report.taken(node.path(), format!("`{id}`"));
        let own = Plan::model(id).with(settings);
        Some(match fallback {
            // One list of steps instead of lists within lists.
            Some(Plan::Fallback { steps, on }) => {
                Plan::Fallback { steps: std::iter::once(own).chain(steps).collect(), on }
            }
            Some(next) => Plan::Fallback { steps: vec![own, next], on: Vec::new() },
            None => own,
        })
    }
}

/// `{ "elementId": "x" }`, or `"x"`.
fn output_id(output: &Node<'_>) -> Option<String> {
    output.first(&["elementId", "element_id"]).unwrap_or_else(|| output.clone()).scalar()
}

/// `limit` or `budget` of a rate element.
fn limit(limited: Limited<'_>, lower: &mut Lower<'_>, names: &[String]) {
    let Limited { node, mut when, else_plan } = limited;
    let Some(properties) = node.get("properties") else { return };
    let kind = properties.first(&["limitType", "limit_type"]).and_then(|it| it.text());
    let key = properties.text_of("key").unwrap_or_default();
    let amount = properties.get("limit").and_then(|it| it.number());
    let seconds = properties.first(&["interval", "window"]).and_then(|it| it.number());
    let technique = properties.text_of("technique");
    let per = match key.split_once('.') {
        Some(("metadata", field)) => Some(attr("tag", Some(field))),
        Some(("headers", field)) => Some(attr("header", Some(&field.to_lowercase()))),
        _ if key.is_empty() => None,
        _ => Some(attr("user.id", None)),
    };
    let else_to = else_plan.as_ref().and_then(|plan| lower.route(plan)).map(|(to, body)| {
        if !body.is_empty() {
            lower.report.changed(
                node.path(),
                "the settings of what answers above the limit are dropped",
                "a degraded request keeps the settings of its route",
            );
        }
        to
    });
    if !names.is_empty() {
        let model = attr("request.model", None);
        let all = std::iter::once("auto").chain(names.iter().map(String::as_str));
        let values = all.map(write::text_value).collect();
        when.insert(0, write::one_of(model, values, false));
    }
    let breach =
        else_to.map_or_else(|| deny("The limit is reached; try again later"), Breach::Degrade);
    let item = item(lower, kind.as_deref(), amount, seconds, per, write::all(when), breach);
    match item {
        Ok(item) => {
            lower.report.taken(node.path(), "a `limit` or `budget`");
            if technique.as_deref() == Some("sliding") && matches!(item, Item::Budget { .. }) {
                lower.report.changed(
                    node.path(),
                    "the window is the calendar's",
                    "budgets begin anew with the hour, day, week or month",
                );
            }
            lower.policy.rule(item, &[]);
        }
        Err(why) => lower.report.left(node.path(), "a limit", why),
    }
}

fn item(
    lower: &mut Lower<'_>,
    kind: Option<&str>,
    amount: Option<f64>,
    seconds: Option<f64>,
    per: Option<AttrPath>,
    when: Option<Cond>,
    breach: Breach,
) -> Result<Item, String> {
    let per =
        per.ok_or("it is counted for all callers together; ours are per key, team, user or tag")?;
    let amount = amount.filter(|amount| *amount > 0.0).ok_or("it says no amount")?;
    let period = match seconds.unwrap_or_default() as u64 {
        1 => "second",
        60 => "minute",
        3_600 => "hour",
        86_400 => "day",
        604_800 => "week",
        2_592_000 | 2_678_400 => "month",
        other => {
            return Err(format!(
                "a window of {other} seconds is none of ours (minute, hour, day, week, month)"
            ));
        }
    };
    if kind == Some("cost") {
        let amount = write::dollars(amount).ok_or("the amount cannot be written")?;
        if !["hour", "day", "week", "month"].contains(&period) {
            return Err("budgets are per hour, day, week or month".to_owned());
        }
        let share = literal("100%").ok_or("no share")?;
        let marks = block(vec![Mark { share, breach }]);
        let called = name(&lower.policy.name("budget"));
        let period = name(period);
        return Ok(Item::Budget { name: called, amount, period, per, when, marks });
    }
    let text = format!("{}/{period}", amount.round().max(1.0));
    let rate = literal(&text).ok_or_else(|| format!("`{text}` cannot be written"))?;
    let called = name(&lower.policy.name("requests"));
    Ok(Item::Limit { name: called, amount: LimitAmount::Rate(rate), per, when, breach })
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
        let eq = crate::policy::syntax::tree::CompareOp::Eq;
        stmts.push(Stmt::Only(write::compare(attr("retention", None), eq, zero)));
        work.report.taken("zdr", "`only models where retention == zero`");
    }
    if node.get("collect_logs").and_then(|it| it.bool()) == Some(false) {
        let share = write::at(crate::policy::syntax::tree::LogShare::Off);
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
