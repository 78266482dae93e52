//! OpenRouter: the body of a request, or a preset.

use super::plan::{Goal, Lower, Plan, unique};
use super::portkey::parameter;
use super::providers::{Home, home};
use super::registry::{Deployment, everywhere};
use super::source::Node;
use super::write::{
    self, Policy, all, attr, compare, decimal, like, literal_value, set, text_value,
};
use super::{Kind, Work};
use crate::catalog::model::Retention;
use crate::policy::syntax::tree::{
    CompareOp, Cond, File, PickStrategy, PromptPlace, SetParamOp, Stmt, Target, TargetKind,
};

/// What an answer is made of: it stays in the request.
const CONVERSATION: &[&str] = &[
    "messages",
    "prompt",
    "input",
    "instructions",
    "stream",
    "stream_options",
    "tools",
    "tool_choice",
    "response_format",
    "text",
    "user",
    "session_id",
    "metadata",
    "modalities",
    "prediction",
    "logit_bias",
    "usage",
    "include",
    "structured_outputs",
    "image_config",
    "audio",
    "store",
    "previous_response_id",
    "trace",
    "include_reasoning",
];

/// Parameters that a preset sets for its requests.
const PARAMETERS: &[&str] = &[
    "temperature",
    "top_p",
    "top_k",
    "presence_penalty",
    "frequency_penalty",
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "seed",
    "n",
    "stop",
    "logprobs",
    "top_logprobs",
    "reasoning_effort",
    "parallel_tool_calls",
    "service_tier",
    "min_p",
    "top_a",
    "repetition_penalty",
    "verbosity",
];

/// Whether this is a preset: it has a name, and its settings inside.
pub fn is_preset(root: &Node<'_>) -> bool {
    let inner = preset(root);
    inner.path() != root.path() && (inner.get("model").is_some() || inner.get("models").is_some())
}

fn preset<'s>(root: &Node<'s>) -> Node<'s> {
    let mut inner = root.clone();
    for key in ["data", "designated_version", "config", "body", "request"] {
        if inner.get("model").is_none()
            && inner.get("models").is_none()
            && let Some(next) = inner.get(key).filter(|next| next.is_map())
        {
            inner = next;
        }
    }
    inner
}

pub fn convert(root: &Node<'_>, work: &mut Work<'_>) -> File {
    let mut policy = Policy::default();
    let body = preset(root);
    let is_request = ["messages", "prompt", "input"].iter().any(|key| body.get(key).is_some());
    let title = root
        .first(&["slug", "name"])
        .or_else(|| root.get("data").and_then(|it| it.first(&["slug", "name"])))
        .or_else(|| body.first(&["slug", "name"]))
        .and_then(|it| it.text());
    let mut settings = if is_request { stays(&body, work) } else { sets(&body, work) };
    let provider = body.get("provider");
    let wishes = provider.as_ref().map(|it| Wishes::read(it, work)).unwrap_or_default();
    settings.extend(wishes.settings.clone());
    extras(&body, work);
    if root.path() != body.path() {
        extras(root, work);
    }

    let mut names: Vec<Node<'_>> = body.get("model").into_iter().collect();
    names.extend(body.get("models").map(|it| it.items()).unwrap_or_default());
    let mut client_names: Vec<String> = Vec::new();
    let mut steps: Vec<Plan> = Vec::new();
    let mut seen: Vec<String> = Vec::new();
    for node in names {
        let Some(model) = node.text() else { continue };
        if seen.contains(&model) {
            continue;
        }
        seen.push(model.clone());
        if is_request && client_names.is_empty() && !model.is_empty() && model != "auto" {
            client_names.push(model.clone());
        }
        if let Some(plan) = asked(&model, &body, &wishes, &node, work) {
            steps.push(plan);
        }
    }
    if let Some(title) = &title {
        client_names.push(format!("@preset/{title}"));
    }
    if let Some(route) = body.get("route") {
        route.done();
        work.report.taken(route.path(), "models are asked in the order of the list");
    }
    if let Some(first) = client_names.first() {
        work.report.taken("", format!("clients may go on sending `model: {first:?}`"));
    }
    let name = title.as_deref().unwrap_or("request");
    let mut lower = Lower { policy: &mut policy, report: &work.report };
    if steps.is_empty() {
        lower.no_default();
    } else {
        let plan = Plan::Fallback { steps, on: Vec::new() }.with(settings);
        lower.rules(&plan, &client_names, name);
    }
    let mut comments =
        vec![format!("Converted from a configuration of {}.", Kind::OpenRouter.title())];
    comments.extend(title.map(|title| format!("The preset `{title}`.")));
    policy.file(&comments)
}

/// A request's own parameters: its client goes on sending them.
fn stays(body: &Node<'_>, work: &Work<'_>) -> Vec<Stmt> {
    for key in CONVERSATION.iter().chain(PARAMETERS).chain(&["reasoning"]) {
        if let Some(found) = body.get(key) {
            found.done();
            work.report.taken(found.path(), "stays in the request: the client goes on sending it");
        }
    }
    Vec::new()
}

/// A preset's parameters, for each request that uses it.
fn sets(body: &Node<'_>, work: &Work<'_>) -> Vec<Stmt> {
    let mut stmts = Vec::new();
    let inner = body.get("parameters");
    for holder in inner.iter().chain([body]) {
        for key in PARAMETERS {
            if let Some(value) = holder.get(key)
                && let Some(stmt) = parameter(key, &value, SetParamOp::Replace, work)
            {
                work.report.changed(
                    value.path(),
                    "the policy's value wins",
                    "with a preset the request's own value does",
                );
                stmts.push(stmt);
            }
        }
        if let Some(reasoning) = holder.get("reasoning") {
            if let Some(effort) = reasoning.get("effort") {
                stmts.extend(parameter("reasoning_effort", &effort, SetParamOp::Replace, work));
            }
            if reasoning.get("enabled").and_then(|it| it.bool()) == Some(false) {
                let none = write::word_value("none");
                stmts.push(set("reasoning", SetParamOp::Replace, none));
            }
        }
    }
    if let Some(system) = body.first(&["system_prompt", "system", "systemPrompt"])
        && let Some(text) = system.text().filter(|text| !text.trim().is_empty())
    {
        let text = write::name(&text.replace('\0', ""));
        stmts.push(Stmt::Prompt { place: PromptPlace::Prepend, from_file: false, text });
        work.report.taken(system.path(), "`prompt prepend`");
    }
    unique(stmts)
}

fn extras(body: &Node<'_>, work: &Work<'_>) {
    for (key, why) in [
        (
            "transforms",
            "Pointsman shortens no prompts; a model whose context is too small is passed over",
        ),
        ("plugins", "Pointsman searches nothing and reads no files for a model"),
        ("preset", "convert that preset's own file as well"),
        ("web_search_options", "it stays in the request, and reaches the providers that have it"),
        ("name", "it is for people"),
        ("description", "it is for people"),
        ("id", "it is OpenRouter's own"),
        ("version", "it is OpenRouter's own"),
        ("created_at", "it is OpenRouter's own"),
        ("updated_at", "it is OpenRouter's own"),
        ("status", "it is OpenRouter's own"),
        ("models_metadata", "it is OpenRouter's own"),
    ] {
        if key == "plugins" && uses_auto(body) {
            continue;
        }
        if let Some(found) = body.get(key) {
            work.report.drop(&found, format!("`{key}`"), why);
        }
    }
}

fn uses_auto(body: &Node<'_>) -> bool {
    body.text_of("model").is_some_and(|model| model.starts_with("openrouter/auto"))
}

/// What a request wishes of providers.
#[derive(Debug, Default)]
struct Wishes {
    order: Vec<String>,
    only: Vec<String>,
    ignore: Vec<String>,
    no_others: bool,
    pick: Option<PickStrategy>,
    /// Where `sort` stands.
    sorted: Option<String>,
    by_throughput: bool,
    zdr: bool,
    no_training: bool,
    conds: Vec<Cond>,
    settings: Vec<Stmt>,
}

impl Wishes {
    fn read(node: &Node<'_>, work: &Work<'_>) -> Wishes {
        let mut wishes = Wishes::default();
        let texts = |key: &str| -> Vec<String> {
            node.get(key)
                .map(|it| it.items_or_self().iter().filter_map(Node::text).collect())
                .unwrap_or_default()
        };
        (wishes.order, wishes.only, wishes.ignore) =
            (texts("order"), texts("only"), texts("ignore"));
        wishes.no_others = node.get("allow_fallbacks").and_then(|it| it.bool()) == Some(false);
        for (key, list) in
            [("order", &wishes.order), ("only", &wishes.only), ("ignore", &wishes.ignore)]
        {
            // Whether a restriction can be kept depends on the model.
            if !list.is_empty() && key != "only" {
                work.report.changed(
                    &format!("{}.{key}", node.path()),
                    "providers are asked directly where Pointsman knows them",
                    "that needs their own keys; OpenRouter's key is good at OpenRouter only",
                );
            }
        }
        if let Some(sort) = node.get("sort") {
            let by = if sort.is_text() { sort.text() } else { sort.text_of("by") };
            wishes.pick = match by.as_deref() {
                Some("price") => Some(PickStrategy::Cheapest),
                Some("throughput" | "latency") => Some(PickStrategy::Fastest),
                Some("exacto") => Some(PickStrategy::Best),
                _ => None,
            };
            wishes.sorted = wishes.pick.is_some().then(|| sort.path().to_owned());
            wishes.by_throughput = by.as_deref() == Some("throughput");
            if let Some(partition) = sort.get("partition") {
                work.report.drop(&partition, "a partition", "models are asked in their own order");
            }
        }
        if node.is_on("require_parameters") {
            let next = write::word_value("next");
            wishes.settings.push(set("on_lossy", SetParamOp::Replace, next));
            work.report
                .taken(&format!("{}.require_parameters", node.path()), "`set on_lossy = next`");
        }
        let collection = node.get("data_collection");
        if collection.and_then(|it| it.text()).as_deref() == Some("deny") {
            wishes.no_training = true;
            wishes.conds.push(write::not(write::atom(attr("trains_on_data", None), None)));
            let path = format!("{}.data_collection", node.path());
            work.report.taken(&path, "`only models where not trains_on_data`");
        }
        if node.is_on("zdr") {
            let zero = write::word_value("zero");
            wishes.zdr = true;
            wishes.conds.push(compare(attr("retention", None), CompareOp::Eq, zero));
            work.report
                .taken(&format!("{}.zdr", node.path()), "`only models where retention == zero`");
        }
        if let Some(max) = node.get("max_price") {
            for (key, price) in [("prompt", "price.input"), ("completion", "price.output")] {
                let value = max.get(key).and_then(|it| it.number());
                let literal = value
                    .filter(|it| (0.0..10_000.0).contains(it))
                    .and_then(|it| literal_value(&format!("${}/Mtok", decimal(it))));
                if let Some(literal) = literal {
                    wishes.conds.push(compare(attr(price, None), CompareOp::Le, literal));
                    work.report.taken(max.path(), format!("`{price} <=` this"));
                }
            }
        }
        for (key, why) in [
            ("quantizations", "the catalogue does not say how a provider quantises"),
            ("preferred_min_throughput", "use `ttft.p95` in a pool's condition, or `pick fastest`"),
            ("preferred_max_latency", "use `ttft.p95` in a pool's condition, or `timeout ttft`"),
            ("enforce_distillable_text", "the catalogue does not know licences"),
        ] {
            if let Some(found) = node.get(key) {
                work.report.drop(&found, format!("`{key}`"), why);
            }
        }
        wishes
    }

    /// What became of `sort`: only a pool has an order.
    fn sort_note(&self, written: bool, work: &Work<'_>) {
        let Some(path) = &self.sorted else { return };
        match (written, self.by_throughput) {
            (true, true) => work.report.changed(
                path,
                "`pick fastest`",
                "it goes by the time to the first token, not by tokens per second",
            ),
            (true, false) => work.report.taken(path, "the order of the pool"),
            (false, _) if self.order.is_empty() => {
                work.report.left(path, "`sort`", "one model is left, and nothing to put in order");
            }
            (false, _) => work.report.left(path, "`sort`", "`order` says in which order"),
        }
    }

    fn any(&self) -> bool {
        !(self.order.is_empty() && self.only.is_empty() && self.ignore.is_empty())
            || self.pick.is_some()
            || !self.conds.is_empty()
    }
}

/// The variants that OpenRouter writes behind a colon.
fn variant(model: &str) -> (&str, Option<&str>) {
    match model.rsplit_once(':') {
        Some((bare, suffix))
            if ["nitro", "floor", "exacto", "online", "free", "beta", "extended", "thinking"]
                .contains(&suffix) =>
        {
            (bare, Some(suffix))
        }
        _ => (model, None),
    }
}

/// Who is asked for a model of OpenRouter's.
fn asked(
    model: &str,
    body: &Node<'_>,
    wishes: &Wishes,
    node: &Node<'_>,
    work: &mut Work<'_>,
) -> Option<Plan> {
    let model = model.split('@').next().filter(|it| !it.is_empty()).unwrap_or(model);
    if model.starts_with('@') || model.is_empty() {
        work.report.drop(node, "a preset", "convert that preset's own file as well");
        return None;
    }
    let model = model.trim_start_matches('~');
    if model == "openrouter/auto" || model.starts_with("openrouter/auto-") {
        return auto(body, wishes, node, work);
    }
    let (bare, suffix) = variant(model);
    let pick = match suffix {
        Some("nitro") => Some(PickStrategy::Fastest),
        Some("floor") => Some(PickStrategy::Cheapest),
        _ => None,
    };
    match suffix {
        Some("online") => work.report.left(
            node.path(),
            "the search that `:online` adds",
            "Pointsman searches nothing itself; OpenRouter still does where it is asked",
        ),
        Some("nitro" | "floor") => {
            work.report.changed(
                node.path(),
                format!("`:{}` is the order of a pool", suffix.unwrap_or_default()),
                "it is worked out here, from live figures and the catalogue's prices",
            );
        }
        _ => {}
    }
    let through = match suffix {
        Some("nitro" | "floor") => bare,
        _ => model,
    };
    let deployment = Deployment::of(Home::Known("openrouter"), through);
    let pick = pick.or_else(|| wishes.pick.clone());
    if pick.is_none() && !wishes.any() {
        let id = work.registry.model(&deployment, &work.report, node.path());
        work.report.taken(node.path(), format!("`{id}`"));
        return Some(Plan::model(id));
    }
    // Direct providers, then OpenRouter itself.
    let catalog = work.registry.catalog();
    let everywhere: Vec<(String, String)> = everywhere(catalog, bare)
        .into_iter()
        .filter(|found| found.provider.as_str() != "openrouter")
        .map(|found| (found.provider.to_string(), found.id.to_string()))
        .collect();
    let named = |list: &[String]| -> Vec<String> {
        let mut ids = Vec::new();
        for slug in list {
            let provider = ours(slug);
            let found = everywhere.iter().find(|(known, _)| Some(known.as_str()) == provider);
            match found {
                Some((_, id)) if !ids.contains(id) => ids.push(id.clone()),
                Some(_) => {}
                None => work.report.left(
                    node.path(),
                    format!("`{bare}` at the provider `{slug}`"),
                    "the catalogue has it not there",
                ),
            }
        }
        ids
    };
    let mut ids: Vec<String> = named(&wishes.order);
    let mut only = named(&wishes.only);
    ids.append(&mut only);
    if wishes.order.is_empty() && wishes.only.is_empty() {
        ids.extend(everywhere.iter().map(|(_, id)| id.clone()));
    }
    if let Some(path) =
        body.get("provider").and_then(|it| it.get("only")).map(|it| it.path().to_owned())
        && !wishes.only.is_empty()
    {
        if ids.is_empty() {
            work.report.left(
                &path,
                format!("the restriction of `{bare}` to `{}`", wishes.only.join("`, `")),
                "the catalogue has the model at none of them, so OpenRouter is asked and may ask any \
                 provider; add the provider's own model to pointsman.yaml and name it in the route",
            );
        } else {
            work.report.changed(
                &path,
                "these providers are asked directly where Pointsman knows them",
                "that needs their own keys; OpenRouter's key is good at OpenRouter only",
            );
        }
    }
    let ignored: Vec<&str> = wishes.ignore.iter().filter_map(|slug| ours(slug)).collect();
    ids.retain(|id| !ignored.iter().any(|provider| id.starts_with(&format!("{provider}/"))));
    let closed = (wishes.no_others && !wishes.order.is_empty()) || !wishes.only.is_empty();
    if ids.is_empty() || !closed {
        ids.push(work.registry.model(&deployment, &work.report, node.path()));
    }
    let mut unique: Vec<String> = Vec::new();
    for id in ids {
        if !unique.contains(&id) {
            unique.push(id);
        }
    }
    let (ids, settings) = (unique, only_stmt(wishes));
    unknown_promises(wishes, &ids, node, work);
    if let [one] = ids.as_slice() {
        work.report.taken(node.path(), format!("`{one}`"));
        wishes.sort_note(false, work);
        return Some(Plan::model(one).with(settings));
    }
    work.report.taken(node.path(), format!("a pool of {} providers", ids.len()));
    let targets: Vec<Target> = ids
        .iter()
        .map(|id| Target { kind: TargetKind::Model(id.clone()), span: Default::default() })
        .collect();
    let pick = if wishes.order.is_empty() { pick } else { None };
    wishes.sort_note(pick.is_some(), work);
    let goal = Goal::Pool {
        name: bare.rsplit('/').next().unwrap_or(bare).to_owned(),
        set: write::list(targets),
        pick: pick.unwrap_or(PickStrategy::First),
        comment: format!("{model}, at the providers themselves where there is a key."),
    };
    Some(Plan::Leaf { goal, settings: Vec::new() }.with(settings))
}

/// Says where nothing is known to keep what is asked.
fn unknown_promises(wishes: &Wishes, ids: &[String], node: &Node<'_>, work: &Work<'_>) {
    let keeps = |id: &String| {
        let model = work.registry.catalog().models().iter().find(|it| it.id.as_str() == id);
        model.is_some_and(|model| {
            (!wishes.zdr || model.retention == Retention::Zero)
                && (!wishes.no_training || !model.trains_on_data)
        })
    };
    if (wishes.zdr || wishes.no_training) && !ids.iter().any(keeps) {
        work.report.changed(
            node.path(),
            "no model of this list is known to keep what is asked of data, so requests are refused",
            "if your account promises it, say so in pointsman.yaml: `models:` with `retention: zero` or \
             `trains_on_data: false`",
        );
    }
}

fn only_stmt(wishes: &Wishes) -> Vec<Stmt> {
    all(wishes.conds.clone()).map(Stmt::Only).into_iter().collect()
}

/// Our id of a provider by OpenRouter's slug, which may name an endpoint: `google-vertex/us-east5`.
fn ours(slug: &str) -> Option<&'static str> {
    let slug = slug.split('/').next().unwrap_or_default().to_lowercase().replace(' ', "-");
    match home(&slug)? {
        Home::Known(id) => Some(id),
        Home::Compatible { .. } => None,
    }
}

/// OpenRouter's own choice among all models: here a pool.
fn auto(body: &Node<'_>, wishes: &Wishes, node: &Node<'_>, work: &mut Work<'_>) -> Option<Plan> {
    let mut globs: Vec<String> = Vec::new();
    let mut allowed_paths: Vec<String> = Vec::new();
    for plugin in body.get("plugins").map(|it| it.items()).unwrap_or_default() {
        let is_auto = plugin.text_of("id").as_deref() == Some("auto-router");
        if !is_auto {
            work.report.drop(&plugin, "a plugin", "Pointsman searches nothing and reads no files");
            continue;
        }
        if let Some(enabled) = plugin.get("enabled") {
            enabled.done();
        }
        let allowed = plugin.first(&["allowed_models", "allowedModels"]);
        for pattern in allowed.map(|it| it.items()).unwrap_or_default() {
            globs.extend(pattern.text().map(|pattern| format!("openrouter/{pattern}")));
            allowed_paths.push(pattern.path().to_owned());
        }
    }
    let pick = wishes.pick.clone().unwrap_or(PickStrategy::Best);
    let order = match pick {
        PickStrategy::Cheapest => "the cheapest first",
        PickStrategy::Fastest => "the fastest first",
        _ => "the best first",
    };
    wishes.sort_note(true, work);
    work.report.changed(
        node.path(),
        format!("a pool of OpenRouter's models, {order}"),
        "its own router looks at the prompt; here conditions do: `route code when task == code -> …`",
    );
    let provider = compare(attr("provider", None), CompareOp::Eq, text_value("openrouter"));
    let known = |glob: &String| {
        let glob = crate::policy::cond::Glob::new(glob);
        work.registry.catalog().models().iter().any(|model| glob.matches(model.id.as_str()))
    };
    let cond = if globs.iter().any(known) {
        for (glob, path) in globs.iter().zip(&allowed_paths) {
            if known(glob) {
                work.report.taken(path, format!("`{glob}` is in the pool"));
            } else {
                work.report.left(path, format!("`{glob}`"), "the catalogue has none such");
            }
        }
        like(attr("id", None), &globs)
    } else {
        if !globs.is_empty() {
            work.report.left(
                node.path(),
                "the allowed models",
                "the catalogue has none of them at OpenRouter; all of OpenRouter's are allowed",
            );
        }
        provider
    };
    let chosen: Vec<crate::policy::cond::Glob> = if globs.iter().any(known) {
        globs.iter().map(|glob| crate::policy::cond::Glob::new(glob)).collect()
    } else {
        vec![crate::policy::cond::Glob::new("openrouter/*")]
    };
    let models = work.registry.catalog().models().iter();
    let ids: Vec<String> = models
        .map(|model| model.id.to_string())
        .filter(|id| chosen.iter().any(|glob| glob.matches(id)))
        .collect();
    unknown_promises(wishes, &ids, node, work);
    let goal = Goal::Pool {
        name: "auto-router".into(),
        set: write::models_where(cond),
        pick,
        comment: "What `openrouter/auto` may choose from.".into(),
    };
    Some(Plan::Leaf { goal, settings: Vec::new() }.with(only_stmt(wishes)))
}
