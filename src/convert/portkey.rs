//! Portkey's gateway configs.

use super::condition;
use super::plan::{Goal, Lower, Plan};
use super::providers::{Home, guess, home};
use super::registry::{Deployment, Secret, account, plain};
use super::source::Node;
use super::write::{self, Policy, attr, literal_value, set, text_value};
use super::{Kind, Work};
use crate::policy::syntax::tree::{CompareOp, File, PickStrategy, SetParamOp, Stmt};
use crate::policy::syntax::words::error_class_of_status;

/// What Portkey retries on where a config does not say.
const RETRIED: [u64; 5] = [429, 500, 502, 503, 504];
/// How long Portkey keeps an answer where a config does not say, in seconds.
const CACHE_SECONDS: f64 = 7.0 * 86_400.0;

pub fn convert(root: &Node<'_>, work: &mut Work<'_>) -> File {
    let mut policy = Policy::default();
    let config = root.get("config").filter(|config| config.is_map());
    let root = config.as_ref().unwrap_or(root);
    let title = root.text_of("name");
    let plan = target(root, work);
    let mut lower = Lower { policy: &mut policy, report: &work.report };
    match plan {
        Some(plan) => lower.rules(&plan, &[], title.as_deref().unwrap_or("portkey")),
        None => lower.no_default(),
    }
    work.report.changed(
        "",
        "clients send `model: \"auto\"`",
        "a client that names a model of the catalogue gets exactly that model; with Portkey the config \
         decides whatever the client names",
    );
    let mut comments =
        vec![format!("Converted from a configuration of {}.", Kind::Portkey.title())];
    comments.extend(title.map(|title| format!("Its name there: {title}.")));
    policy.file(&comments)
}

/// A config or one of its targets.
fn target(node: &Node<'_>, work: &mut Work<'_>) -> Option<Plan> {
    let settings = settings(node, work);
    let nested = node.get("targets").map(|targets| targets.items()).unwrap_or_default();
    let strategy = node.get("strategy");
    let mode =
        strategy.as_ref().and_then(|it| if it.is_text() { it.text() } else { it.text_of("mode") });
    if nested.is_empty() {
        let leaf = leaf(node, work)?;
        return Some(leaf.with(settings));
    }
    let mut plans: Vec<(Node<'_>, Option<String>, Plan)> = Vec::new();
    // With one target only, the others need no providers and models.
    let single = !matches!(mode.as_deref(), Some("loadbalance" | "fallback" | "conditional"));
    for inner in nested {
        if single && !plans.is_empty() {
            work.report.drop(&inner, "a target", "with this strategy only the first is asked");
            continue;
        }
        let name = inner.text_of("name");
        if let Some(plan) = target(&inner, work) {
            plans.push((inner, name, plan));
        }
    }
    let path = node.path().to_owned();
    let plan = match mode.as_deref() {
        Some("loadbalance") => {
            let by = sticky(strategy.as_ref(), work);
            let arms = plans
                .into_iter()
                .map(|(node, _, plan)| {
                    let weight = node.get("weight").and_then(|it| it.number()).unwrap_or(1.0);
                    if weight <= 0.0 {
                        work.report.left(
                            node.path(),
                            "a target with weight 0",
                            "it gets no request",
                        );
                    }
                    (weight, plan)
                })
                .collect();
            work.report.taken(&path, "a split by the targets' weights");
            Plan::Split { name: "balanced".into(), by, arms }
        }
        Some("fallback") => {
            let statuses = strategy
                .as_ref()
                .and_then(|it| it.first(&["on_status_codes", "onStatusCodes"]))
                .map(|codes| classes(&codes, work))
                .unwrap_or_default();
            for (node, ..) in &plans {
                if let Some(weight) = node.get("weight") {
                    work.report.drop(
                        &weight,
                        "a weight",
                        "targets of a fallback are asked in order",
                    );
                }
            }
            work.report.taken(&path, "targets asked one after the other");
            Plan::Fallback {
                steps: plans.into_iter().map(|(.., plan)| plan).collect(),
                on: statuses,
            }
        }
        Some("conditional") => conditional(strategy.as_ref(), &plans, work),
        other => {
            if !matches!(other, None | Some("single")) {
                work.report.left(
                    &path,
                    format!("the strategy `{}`", other.unwrap_or_default()),
                    "Pointsman has none like it; the first target answers",
                );
            }
            plans.pop().map(|(.., plan)| plan)?
        }
    };
    Some(plan.with(settings))
}

fn conditional(
    strategy: Option<&Node<'_>>,
    plans: &[(Node<'_>, Option<String>, Plan)],
    work: &mut Work<'_>,
) -> Plan {
    let named = |name: &str| {
        plans.iter().find(|(_, own, _)| own.as_deref() == Some(name)).map(|(.., plan)| plan.clone())
    };
    let mut cases = Vec::new();
    let conditions = strategy.and_then(|it| it.get("conditions"));
    for case in conditions.map(|it| it.items()).unwrap_or_default() {
        let then = case.text_of("then").unwrap_or_default();
        let Some(query) = case.get("query") else {
            work.report.drop(&case, "a condition without `query`", "nothing says when it holds");
            continue;
        };
        let Some(plan) = named(&then) else {
            work.report.drop(&case, "a condition", format!("no target `{then}` was taken over"));
            continue;
        };
        match condition::query(&query) {
            Ok(cond) => {
                work.report.taken(case.path(), format!("a route to `{then}`"));
                if speaks_of_tags(&query) {
                    tags_note(work, "x-portkey-metadata");
                }
                cases.push((cond, Plan::Called(then, Box::new(plan))));
            }
            Err(why) => work.report.drop(&query, "a condition", why),
        }
    }
    let default = strategy.and_then(|it| it.text_of("default"));
    let otherwise = default.as_deref().and_then(named).map(Box::new);
    Plan::Branch { cases, otherwise }
}

/// Whether a query looks at metadata.
pub fn speaks_of_tags(query: &Node<'_>) -> bool {
    query.entries().iter().any(|(key, value)| {
        key.starts_with("metadata.")
            || (key.starts_with('$') && value.items_or_self().iter().any(speaks_of_tags))
    })
}

/// Says how metadata arrives.
pub fn tags_note(work: &Work<'_>, header: &str) {
    work.report.changed(
        "",
        "metadata is read from tags",
        format!("clients send `x-pointsman-tags: name=value, …` instead of `{header}`"),
    );
}

fn sticky(
    strategy: Option<&Node<'_>>,
    work: &Work<'_>,
) -> Option<crate::policy::syntax::tree::AttrPath> {
    let sticky = strategy?.first(&["sticky_session", "stickySession", "sticky"])?;
    let enabled = sticky.get("enabled").and_then(|it| it.bool()).unwrap_or(true);
    let fields = sticky.first(&["hash_fields", "hashFields"]).map(|it| it.items())?;
    let field = fields.first().and_then(|it| it.text())?;
    let by = match field.split_once('.') {
        Some(("metadata", field)) => attr("tag", Some(field)),
        _ if field.ends_with("user") || field.ends_with("user_id") => attr("user.id", None),
        _ => attr("session.id", None),
    };
    work.report.changed(
        sticky.path(),
        format!("callers stay in their arm by `{by}`"),
        "an arm is a function of the value, so it needs no time to live",
    );
    sticky.done();
    enabled.then_some(by)
}

/// The error classes of a list of statuses.
pub fn classes(codes: &Node<'_>, work: &Work<'_>) -> Vec<&'static str> {
    let mut found = Vec::new();
    for code in codes.items() {
        let class = code
            .count()
            .and_then(|status| u16::try_from(status).ok())
            .filter(|status| !matches!(status, 246 | 446))
            .and_then(error_class_of_status);
        match class {
            Some(class) => add_class(&mut found, class),
            None => work.report.drop(
                &code,
                "a status",
                "no error class stands for it (246 and 446 are a guardrail's)",
            ),
        }
    }
    if found.contains(&"server_error") {
        // A gateway in between says 502 where there is no connection.
        add_class(&mut found, "connect");
    }
    found
}

fn add_class(found: &mut Vec<&'static str>, class: &'static str) {
    if !found.contains(&class) {
        found.push(class);
    }
}

fn settings(node: &Node<'_>, work: &mut Work<'_>) -> Vec<Stmt> {
    let mut stmts = Vec::new();
    if let Some(retry) = node.get("retry") {
        let attempts = retry.get("attempts").and_then(|it| it.count());
        let codes = retry.first(&["on_status_codes", "onStatusCodes"]);
        let mut on = codes.map(|codes| classes(&codes, work)).unwrap_or_default();
        if on.is_empty() {
            for status in RETRIED {
                let class = u16::try_from(status).ok().and_then(error_class_of_status);
                class.into_iter().for_each(|class| add_class(&mut on, class));
            }
        }
        if let Some(attempts) = attempts.filter(|attempts| *attempts > 0) {
            stmts.push(write::retry(attempts, &on, None));
            work.report.taken(retry.path(), format!("`retry {attempts} on {}`", on.join(", ")));
        }
        if let Some(after) = retry.first(&["use_retry_after_header", "useRetryAfterHeader"]) {
            after.done();
            work.report.taken(after.path(), "always so: a provider's Retry-After is kept to");
        }
    }
    if let Some(cache) = node.get("cache") {
        let mode = if cache.is_text() { cache.text() } else { cache.text_of("mode") };
        let age = cache.first(&["max_age", "maxAge"]).and_then(|it| it.number());
        if mode.as_deref() == Some("semantic") {
            work.report.changed(
                cache.path(),
                "an exact cache",
                "semantic caches are not in this version; equal requests are answered from the cache, \
                 similar ones are not",
            );
        }
        if age.is_none() {
            work.report.changed(
                cache.path(),
                "answers are kept for 7 days",
                "the source says no age",
            );
        }
        if let Some(stmt) = write::cache(age.unwrap_or(CACHE_SECONDS)) {
            work.report.taken(cache.path(), "`cache exact`");
            stmts.push(stmt);
        }
    }
    if let Some(time) = node.first(&["request_timeout", "requestTimeout"])
        && let Some(stmt) = time.number().and_then(|ms| write::timeout("attempt", ms))
    {
        work.report.taken(time.path(), "`timeout attempt`");
        stmts.push(stmt);
    }
    if let Some(params) = node.first(&["override_params", "overrideParams"]) {
        for (key, value) in params.entries() {
            if key != "model" {
                stmts.extend(parameter(&key, &value, SetParamOp::Replace, work));
            }
        }
    }
    for key in [
        "input_guardrails",
        "output_guardrails",
        "inputGuardrails",
        "outputGuardrails",
        "before_request_hooks",
        "after_request_hooks",
        "beforeRequestHooks",
        "afterRequestHooks",
        "default_input_guardrails",
        "default_output_guardrails",
    ] {
        if let Some(guardrails) = node.get(key) {
            work.report.drop(
                &guardrails,
                "guardrails",
                "Pointsman runs no guardrails; `deny` rules look at attributes of the request",
            );
        }
    }
    for (key, why) in [
        ("forward_headers", "set `providers.NAME.headers` in pointsman.yaml"),
        ("forwardHeaders", "set `providers.NAME.headers` in pointsman.yaml"),
        ("metadata", "it labels Portkey's logs; `tag name = value` in a route labels ours"),
        ("strict_open_ai_compliance", "answers always come in the client's own format"),
        ("strictOpenAiCompliance", "answers always come in the client's own format"),
        ("description", "it is for people"),
        ("id", "it is Portkey's own"),
        ("slug", "it is Portkey's own"),
        ("isDefault", "it is Portkey's own"),
    ] {
        if let Some(found) = node.get(key) {
            work.report.drop(&found, format!("`{key}`"), why);
        }
    }
    stmts
}

/// A parameter of the request as a `set`.
pub fn parameter(key: &str, value: &Node<'_>, op: SetParamOp, work: &Work<'_>) -> Option<Stmt> {
    let number = |low: f64, high: f64| {
        let number = value.number().filter(|number| (low..=high).contains(number))?;
        literal_value(&write::decimal(number))
    };
    let whole = || value.count().and_then(|count| literal_value(&count.to_string()));
    let (param, to) = match key {
        "temperature" => ("temperature", number(0.0, 2.0)),
        "top_p" => ("top_p", number(0.0, 1.0)),
        "presence_penalty" => ("presence_penalty", number(-2.0, 2.0)),
        "frequency_penalty" => ("frequency_penalty", number(-2.0, 2.0)),
        "max_tokens" | "max_completion_tokens" | "max_output_tokens" => {
            ("max_output", whole().filter(|_| value.count() > Some(0)))
        }
        "top_k" => ("top_k", whole()),
        "seed" => ("seed", whole()),
        "n" => ("n", whole().filter(|_| value.count() > Some(0))),
        "top_logprobs" => ("top_logprobs", whole()),
        "reasoning_effort" => {
            let effort = value
                .text()
                .filter(|effort| crate::policy::schema::REASONING[1..].contains(&effort.as_str()));
            ("reasoning", effort.map(|effort| write::word_value(&effort)))
        }
        "logprobs" => ("logprobs", value.bool().and_then(|it| literal_value(&it.to_string()))),
        "store" => ("store", value.bool().and_then(|it| literal_value(&it.to_string()))),
        "parallel_tool_calls" => {
            ("parallel_tools", value.bool().and_then(|it| literal_value(&it.to_string())))
        }
        "service_tier" => ("service_tier", value.text().map(|text| text_value(&text))),
        "stop" if value.is_text() => ("stop", value.text().map(|text| text_value(&text))),
        "user" => ("user", value.text().map(|text| text_value(&text))),
        _ => ("", None),
    };
    let Some(to) = to else {
        work.report.drop(
            value,
            format!("the parameter `{key}`"),
            "a policy cannot set it to this; clients go on sending it themselves",
        );
        return None;
    };
    let clamps = op != SetParamOp::Replace && param == "max_output";
    let op = if clamps { op } else { SetParamOp::Replace };
    work.report.taken(value.path(), format!("`set {param}`"));
    Some(set(param, op, to))
}

/// A target that asks one provider.
fn leaf(node: &Node<'_>, work: &mut Work<'_>) -> Option<Plan> {
    let params = node.first(&["override_params", "overrideParams"]);
    let mut model = params.as_ref().and_then(|params| params.text_of("model"));
    let slug = node.text_of("provider");
    let key = node.first(&["virtual_key", "virtualKey"]).and_then(|it| it.text());
    // `@provider/model` names both.
    let mut from_model = None;
    if let Some(text) = model.as_deref()
        && let Some((provider, rest)) = text.strip_prefix('@').and_then(|it| it.split_once('/'))
    {
        (from_model, model) = (Some(provider.to_owned()), Some(rest.to_owned()));
    }
    let words = [slug.as_deref(), from_model.as_deref(), key.as_deref()];
    let said: Vec<&str> = words.into_iter().flatten().collect();
    let known =
        said.iter().find_map(|word| home(word)).or_else(|| said.iter().find_map(|w| guess(w)));
    let url = node.first(&["custom_host", "customHost"]).and_then(|it| it.text());
    let by_url = url.as_ref().map(|_| Home::Known("openai-compatible"));
    let Some(home) = known.or(by_url) else {
        let what = said.first().map_or("a target without a provider".to_owned(), |word| {
            format!("the target at `{word}`")
        });
        work.report.drop(
            node,
            what,
            "nothing tells which provider that is; add `providers:` to pointsman.yaml and the model to \
             the policy",
        );
        return None;
    };
    if key.is_some() || slug.as_deref().is_some_and(|slug| slug.starts_with('@')) {
        work.report.changed(
            node.path(),
            format!("the key kept at Portkey is that of `{}` now", id_of(home)),
            "virtual keys stay with Portkey; put the provider's own key into the variable",
        );
    }
    let mut deployment = Deployment::of(home, "");
    deployment.base_url = url.map(|url| plain(&url));
    if let Some(key) = node.first(&["api_key", "apiKey"]).and_then(|it| it.text()) {
        deployment.keys.push(Secret::read(&key));
    }
    if let Some(resource) = node
        .first(&["resource_name", "resourceName", "azure_resource_name"])
        .and_then(|it| it.text())
    {
        deployment.base_url.get_or_insert(format!("https://{}.openai.azure.com", plain(&resource)));
    }
    let deployed = node
        .first(&["deployment_id", "deploymentId", "azure_deployment_id"])
        .and_then(|it| it.scalar());
    deployment.settings = account(
        node,
        &[
            ("api_version", "api_version"),
            ("apiVersion", "api_version"),
            ("azure_api_version", "api_version"),
            ("aws_region", "region"),
            ("awsRegion", "region"),
            ("aws_access_key_id", "access_key_id"),
            ("awsAccessKeyId", "access_key_id"),
            ("aws_secret_access_key", "secret_access_key"),
            ("awsSecretAccessKey", "secret_access_key"),
            ("aws_session_token", "session_token"),
            ("awsSessionToken", "session_token"),
            ("vertex_project_id", "project"),
            ("vertexProjectId", "project"),
            ("vertex_region", "location"),
            ("vertexRegion", "location"),
        ],
    );
    deployment.facts.base_model = model.clone();
    match deployed.or(model) {
        Some(model) => {
            deployment.model = model;
            let id = work.registry.model(&deployment, &work.report, node.path());
            work.report.taken(node.path(), format!("`{id}`"));
            Some(Plan::model(id))
        }
        None => any_of(node, home, work),
    }
}

fn id_of(home: Home) -> &'static str {
    match home {
        Home::Known(id) | Home::Compatible { id, .. } => id,
    }
}

/// The client chooses the model: any of the provider's.
fn any_of(node: &Node<'_>, home: Home, work: &Work<'_>) -> Option<Plan> {
    let id = id_of(home);
    let known = work.registry.catalog().models().iter().any(|it| it.provider.as_str() == id);
    if !known {
        work.report.left(
            node.path(),
            format!("the target at `{id}`"),
            "it leaves the model to the client, and the catalogue has no model of this provider",
        );
        return None;
    }
    work.report.changed(
        node.path(),
        format!("any model of `{id}`, the best first"),
        "the config leaves the model to the client, and a policy answers `auto`; narrow the pool",
    );
    let cond = write::compare(attr("provider", None), CompareOp::Eq, text_value(id));
    Some(Plan::Leaf {
        goal: Goal::Pool {
            name: format!("{id}-models"),
            set: write::models_where(cond),
            pick: PickStrategy::Best,
            comment: format!("The source names no model at {id}: narrow this down."),
        },
        settings: Vec::new(),
    })
}
