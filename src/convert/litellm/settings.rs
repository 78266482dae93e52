//! All but the model list.

use super::super::Work;
use super::super::registry::Secret;
use super::super::source::Node;
use super::super::write::{self, attr, block, deny, literal, name};
use super::elsewhere::{elsewhere, sections};
use crate::policy::syntax::tree::{Item, Mark, PickStrategy, Stmt};

/// How long an answer is kept where the source does not say, in seconds.
const CACHE_SECONDS: f64 = 3600.0;

/// What the settings say.
pub struct Settings {
    pub pick: PickStrategy,
    /// Whether deployments are chosen by chance, so that weights count.
    pub shuffles: bool,
    pub fallbacks: Fallbacks,
    /// Alias, group, path.
    pub aliases: Vec<(String, String, String)>,
    pub defaults: Vec<Stmt>,
    pub limits: Vec<Item>,
    pub tag_filtering: bool,
    pub completion_model: Option<String>,
}

/// Who answers where a group fails.
#[derive(Default)]
pub struct Fallbacks {
    pub any: Vec<From>,
    pub context: Vec<From>,
    pub content: Vec<From>,
    pub default: Vec<String>,
}

/// The fallbacks of one group.
pub struct From {
    pub from: String,
    pub to: Vec<String>,
}

impl Settings {
    pub fn read(root: &Node<'_>, work: &mut Work<'_>) -> Settings {
        let router = root.get("router_settings");
        let litellm = root.get("litellm_settings");
        let general = root.get("general_settings");
        // The router's own setting wins.
        let both: Vec<&Node<'_>> = [&router, &litellm].into_iter().flatten().collect();
        let first = |key: &str| both.iter().find_map(|it| it.get(key));
        let mut settings = Settings {
            pick: PickStrategy::RoundRobin,
            shuffles: true,
            fallbacks: Fallbacks::default(),
            aliases: Vec::new(),
            defaults: Vec::new(),
            limits: Vec::new(),
            tag_filtering: both.iter().any(|it| it.is_on("enable_tag_filtering")),
            completion_model: general.as_ref().and_then(|it| it.text_of("completion_model")),
        };
        settings.strategy(first("routing_strategy"), work);
        for node in &both {
            let read = |key: &str| node.get(key).map(|it| fallbacks(&it, work)).unwrap_or_default();
            let (all, any) = read("fallbacks").into_iter().partition(|it| it.from == "*");
            let all: Vec<From> = all;
            settings.fallbacks.any.extend::<Vec<From>>(any);
            settings.fallbacks.default.extend(all.into_iter().flat_map(|it| it.to));
            settings.fallbacks.context.extend(read("context_window_fallbacks"));
            settings.fallbacks.content.extend(read("content_policy_fallbacks"));
            if let Some(list) = node.get("default_fallbacks") {
                let names = list.items().iter().filter_map(Node::text).collect::<Vec<_>>();
                work.report.taken(list.path(), "the fallback of every group without its own");
                settings.fallbacks.default.extend(names);
            }
            for (alias, group) in
                node.get("model_group_alias").map(|it| it.entries()).unwrap_or_default()
            {
                let path = group.path().to_owned();
                let target = if group.is_map() { group.text_of("model") } else { group.text() };
                if let Some(hidden) = group.get("hidden") {
                    work.report.drop(
                        &hidden,
                        "`hidden`",
                        "`GET /v1/models` lists the models of the catalogue",
                    );
                }
                if let Some(target) = target {
                    settings.aliases.push((alias, target, path));
                }
            }
        }
        settings.retries(&both, work);
        settings.clocks(&both, work);
        settings.cache(&both, work);
        settings.budgets(root, work);
        for node in &both {
            always_so(node, work);
        }
        if let Some(general) = &general {
            keys(general, work);
        }
        for node in [&router, &litellm, &general].into_iter().flatten() {
            elsewhere(node, work);
        }
        sections(root, work);
        settings
    }

    fn strategy(&mut self, node: Option<Node<'_>>, work: &Work<'_>) {
        let Some(node) = node else { return };
        let strategy = node.text().unwrap_or_default();
        let path = node.path();
        let (pick, shuffles) = match strategy.as_str() {
            "simple-shuffle" | "" => {
                work.report.changed(
                    path,
                    "`pick round-robin`, or a split by weight",
                    "deployments take turns instead of being drawn",
                );
                (PickStrategy::RoundRobin, true)
            }
            "least-busy" => {
                work.report.taken(path, "`pick least-busy`");
                (PickStrategy::LeastBusy, false)
            }
            "latency-based-routing" => {
                work.report.taken(path, "`pick fastest` (by the time to the first token)");
                (PickStrategy::Fastest, false)
            }
            "cost-based-routing" => {
                work.report.taken(path, "`pick cheapest` (by the worst case of the request)");
                (PickStrategy::Cheapest, false)
            }
            "usage-based-routing" | "usage-based-routing-v2" => {
                work.report.changed(
                    path,
                    "`pick least-busy`",
                    "it goes by requests in flight, not by tokens of the last minute",
                );
                (PickStrategy::LeastBusy, false)
            }
            other => {
                work.report.left(
                    path,
                    format!("the strategy `{other}`"),
                    "Pointsman has none like it; deployments take turns",
                );
                (PickStrategy::RoundRobin, true)
            }
        };
        (self.pick, self.shuffles) = (pick, shuffles);
    }

    fn retries(&mut self, both: &[&Node<'_>], work: &Work<'_>) {
        let first = |key: &str| both.iter().find_map(|it| it.get(key));
        let after = first("retry_after").and_then(|it| it.number()).filter(|it| *it > 0.0);
        let backoff = after.map(|seconds| seconds * 1000.0);
        for key in ["num_retries", "retry_after"] {
            overruled(both, key, work);
        }
        if let Some(policy) = first("retry_policy") {
            let classes = [
                ("TimeoutErrorRetries", &["timeout"][..]),
                ("RateLimitErrorRetries", &["rate_limited"]),
                ("InternalServerErrorRetries", &["server_error", "overloaded", "connect"]),
                ("AuthenticationErrorRetries", &["auth"]),
                ("BadRequestErrorRetries", &["bad_request"]),
                ("ContentPolicyViolationErrorRetries", &["content_filtered"]),
            ];
            let (mut most, mut on, mut counts) = (0, Vec::new(), Vec::new());
            for (key, names) in classes {
                let Some(count) = policy.get(key).and_then(|it| it.count()) else { continue };
                if count > 0 {
                    most = most.max(count);
                    on.extend(names);
                    counts.push(count);
                }
            }
            if most > 0 {
                if counts.iter().any(|count| *count != most) {
                    work.report.changed(
                        policy.path(),
                        format!("up to {most} retries on each of these errors"),
                        "a route has one number of retries",
                    );
                }
                work.report.taken(policy.path(), format!("`retry {most} on {}`", on.join(", ")));
                self.defaults.push(write::retry(most, &on, backoff));
                if let Some(node) = first("num_retries") {
                    work.report.drop(&node, "`num_retries`", "`retry_policy` says more");
                }
                return;
            }
        }
        let Some(node) = first("num_retries") else { return };
        match node.count() {
            Some(0) => work.report.taken(node.path(), "no retries, which is also the default here"),
            Some(count) => {
                if count > write::MOST_RETRIES {
                    work.report.changed(
                        node.path(),
                        format!("`retry {}`", write::MOST_RETRIES),
                        "more are not allowed; name a fallback",
                    );
                }
                work.report.taken(node.path(), "`retry … on transient`");
                self.defaults.push(write::retry(count, &["transient"], backoff));
            }
            None => {}
        }
    }

    fn clocks(&mut self, both: &[&Node<'_>], work: &Work<'_>) {
        let mut clocks = Vec::new();
        for (key, clock) in
            [("timeout", "total"), ("request_timeout", "attempt"), ("stream_timeout", "ttft")]
        {
            overruled(both, key, work);
            let Some(value) = both.iter().find_map(|it| it.get(key)) else { continue };
            let time = value.number().and_then(|seconds| write::duration(seconds * 1000.0));
            if let Some(time) = time {
                work.report.taken(value.path(), format!("`timeout {clock}`"));
                clocks.push((name(clock), time));
            }
        }
        if !clocks.is_empty() {
            self.defaults.push(Stmt::Timeout(clocks));
        }
    }

    fn cache(&mut self, both: &[&Node<'_>], work: &Work<'_>) {
        let on = both.iter().any(|it| it.is_on("cache") || it.is_on("cache_responses"));
        for node in both {
            for key in ["cache", "cache_responses"] {
                if let Some(found) = node.get(key) {
                    found.done();
                }
            }
        }
        let params = both.iter().find_map(|it| it.get("cache_params"));
        let params = params.as_ref();
        let path = params.map_or("litellm_settings.cache", |it| it.path());
        let kind = params.and_then(|it| it.text_of("type"));
        let ttl = params.and_then(|it| it.get("ttl")).and_then(|it| it.number());
        let mode = params.and_then(|it| it.get("mode"));
        if !on {
            if let Some(params) = params {
                work.report.drop(params, "the cache's settings", "`cache: true` is not there");
            }
            return;
        }
        let opt_in = mode.is_some_and(|mode| {
            let off = mode.text().as_deref() == Some("default_off");
            if off {
                work.report.left(
                    mode.path(),
                    "the cache",
                    "it is off by default there; add `cache exact ttl 1h` to the routes that want it",
                );
            }
            off
        });
        if !opt_in {
            if ttl.is_none() {
                work.report.changed(
                    path,
                    "answers are kept for an hour",
                    "the source says no `ttl`",
                );
            }
            if let Some(stmt) = write::cache(ttl.unwrap_or(CACHE_SECONDS)) {
                work.report.taken(path, "`cache exact`");
                self.defaults.push(stmt);
            }
        }
        match kind.as_deref() {
            None | Some("local") => {}
            Some(kind) if kind.contains("semantic") => work.report.changed(
                path,
                "an exact cache in the gateway's memory",
                "semantic caches are not in this version",
            ),
            Some(kind) => work.report.changed(
                path,
                format!("a cache in the gateway's memory instead of `{kind}`"),
                "its size is `cache.max_bytes` in pointsman.yaml",
            ),
        }
        for (key, value) in params.map(|it| it.entries()).unwrap_or_default() {
            if !["type", "ttl", "mode"].contains(&key.as_str()) {
                work.report.drop(
                    &value,
                    format!("`{key}`"),
                    "the cache is in the gateway's memory",
                );
            }
        }
    }

    fn budgets(&mut self, root: &Node<'_>, work: &Work<'_>) {
        for section in ["litellm_settings", "general_settings", "router_settings"] {
            let Some(node) = root.get(section) else { continue };
            let duration = node.get("budget_duration");
            let period = duration.as_ref().and_then(|it| it.text());
            let period = period.as_deref().and_then(period_of);
            if let Some(duration) = duration.filter(|_| node.get("max_end_user_budget").is_none()) {
                work.report.drop(
                    &duration,
                    "`budget_duration`",
                    "no budget was taken over with it",
                );
            }
            if let Some(limit) = node.get("max_end_user_budget") {
                let item = limit
                    .number()
                    .and_then(|amount| budget("end-user-budget", amount, period?, "user.id"));
                match item {
                    Some(item) => {
                        work.report.taken(limit.path(), "`budget end-user-budget … per user.id`");
                        self.limits.push(item);
                    }
                    None => work.report.drop(
                        &limit,
                        "the end users' budget",
                        "budgets are per hour, day, week or month: write \
                         `budget NAME $5 per day per user.id { at 100% deny }`",
                    ),
                }
            }
            if let Some(limit) = node.get("max_budget") {
                work.report.drop(
                    &limit,
                    "the budget of the whole proxy",
                    "budgets here are per key, user, team or organisation: write \
                     `budget NAME $100 per month per key.org { at 100% deny }`",
                );
            }
        }
        if let Some(config) =
            root.get("router_settings").and_then(|it| it.get("provider_budget_config"))
        {
            work.report.drop(
                &config,
                "budgets of providers",
                "budgets here are of callers, not of providers; set a limit at the provider",
            );
        }
    }
}

/// `[{"a": ["b"]}]`, `{"a": ["b"]}`, and fallbacks that are dicts with a `model`.
fn fallbacks(node: &Node<'_>, work: &Work<'_>) -> Vec<From> {
    let mut found = Vec::new();
    for map in node.items_or_self() {
        for (from, list) in map.entries() {
            let mut to = Vec::new();
            for one in list.items_or_self() {
                let name = if one.is_map() { one.text_of("model") } else { one.scalar() };
                to.extend(name);
            }
            let whose = match from.as_str() {
                "*" => "the fallback of every group without its own".to_owned(),
                from => format!("`fallback` of `{from}`"),
            };
            work.report.taken(list.path(), whose);
            found.push(From { from, to });
        }
    }
    found
}

/// A setting of both sections: the router's counts.
fn overruled(both: &[&Node<'_>], key: &str, work: &Work<'_>) {
    for node in both.iter().filter_map(|it| it.get(key)).skip(1) {
        work.report.drop(&node, format!("`{key}`"), "`router_settings` says otherwise, and wins");
    }
}

fn period_of(duration: &str) -> Option<&'static str> {
    Some(match duration.trim() {
        "1h" | "60m" | "3600s" => "hour",
        "1d" | "24h" | "86400s" | "daily" => "day",
        "7d" | "1w" | "weekly" => "week",
        "30d" | "1mo" | "monthly" => "month",
        _ => return None,
    })
}

fn budget(called: &str, amount: f64, period: &str, per: &str) -> Option<Item> {
    let marks =
        block(vec![Mark { share: literal("100%")?, breach: deny("The budget is used up") }]);
    Some(Item::Budget {
        name: name(called),
        amount: write::dollars(amount)?,
        period: name(period),
        per: attr(per, None),
        when: None,
        marks,
    })
}

/// What Pointsman does without being told.
fn always_so(node: &Node<'_>, work: &Work<'_>) {
    for (key, what) in [
        (
            "drop_params",
            "always so: what a provider cannot be told is left out, and the answer says so",
        ),
        ("modify_params", "always so: requests are put into the provider's own form"),
        ("enable_pre_call_checks", "always so: a model whose context is too small is passed over"),
        ("enable_tag_filtering", "routes by the header `x-litellm-tags`"),
    ] {
        let Some(found) = node.get(key) else { continue };
        match found.bool() {
            Some(true) => work.report.taken(found.path(), what),
            _ => {
                found.done();
                work.report.changed(found.path(), format!("`{key}` is not off"), what);
            }
        }
    }
}

/// The master key becomes a client's key.
fn keys(general: &Node<'_>, work: &mut Work<'_>) {
    let Some(key) = general.get("master_key") else { return };
    let Some(text) = key.scalar() else { return };
    let secret = Secret::read(&text);
    let variable = match &secret {
        Secret::Env(variable) => variable.clone(),
        Secret::Literal(_) => "LITELLM_MASTER_KEY".to_owned(),
    };
    work.registry.client_key("master", Secret::Env(variable.clone()));
    work.report.changed(
        key.path(),
        format!("the key `master` in pointsman.yaml, read from `{variable}`"),
        "it may use all models; keys that LiteLLM keeps in its database are not in the file, add them \
         under `keys:`",
    );
}
