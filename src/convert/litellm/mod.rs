//! LiteLLM's `config.yaml`.
//!
//! `deployments` reads the model list, `settings` the rest; here they become targets and routes.

mod deployments;
mod elsewhere;
mod settings;

use super::plan::{header_word, merged};
use super::source::Node;
use super::write::{
    self, Policy, attr, block, compare, fallback, like, model, name, named, one_of, text_value,
};
use super::{Kind, Work};
use crate::policy::syntax::tree::{
    Arm, CompareOp, Cond, File, Item, PickStrategy, Share, Stmt, Target,
};
use deployments::{Group, Wildcard};
use settings::{Fallbacks, Settings};

/// The header in which clients send LiteLLM's tags.
const TAGS_HEADER: &str = "x-litellm-tags";

pub fn convert(root: &Node<'_>, work: &mut Work<'_>) -> File {
    let mut policy = Policy::default();
    let settings = Settings::read(root, work);
    let list = deployments::read(root, work);
    let mut groups: Vec<Ready> = Vec::new();
    for group in &list.groups {
        if let Some(ready) = declare(group, &settings, &mut policy, work) {
            groups.push(ready);
        }
    }
    limits(&settings, &mut policy);
    if !settings.defaults.is_empty() {
        let comment = "What holds for all requests unless their route says otherwise.";
        policy.rule(Item::Defaults(block(settings.defaults.clone())), &[comment.to_owned()]);
    }
    closed(&groups, &list.wildcards, &settings, &mut policy, work);
    for ready in &groups {
        routes(ready, &groups, &list.wildcards, &settings, &mut policy, work);
    }
    for wildcard in &list.wildcards {
        wildcard_route(wildcard, &groups, &list.wildcards, &settings, &mut policy, work);
    }
    aliases(&groups, &settings, work);
    default(&groups, &list.wildcards, &settings, &mut policy, work);
    let title = format!("Converted from a configuration of {}.", Kind::LiteLlm.title());
    policy.file(&[title, "Clients keep the model names they use.".to_owned()])
}

/// A model group whose target is declared.
struct Ready {
    name: String,
    path: String,
    /// Where its requests go.
    target: Target,
    /// What others fall back to: the same without shares.
    plain: Target,
    /// What its route says besides fallbacks.
    body: Vec<Stmt>,
    /// Its targets by tag, where deployments have tags.
    tagged: Vec<(String, Target)>,
}

fn declare(
    group: &Group,
    settings: &Settings,
    policy: &mut Policy,
    work: &Work<'_>,
) -> Option<Ready> {
    let all: Vec<&deployments::Member> = group.members.iter().collect();
    let path = all.first()?.path.clone();
    let comments = |members: &[&deployments::Member]| {
        let sources: Vec<&str> = members.iter().map(|it| it.source.as_str()).collect();
        vec![format!("{}: {}", group.name, sources.join(", "))]
    };
    let mut tags: Vec<String> = Vec::new();
    let mut tagged = Vec::new();
    if settings.tag_filtering {
        for member in &group.members {
            for tag in &member.tags {
                if !tags.contains(tag) {
                    tags.push(tag.clone());
                }
            }
        }
    }
    for tag in tags.iter().filter(|tag| *tag != "default") {
        let of_tag: Vec<_> = all.iter().copied().filter(|it| it.tags.contains(tag)).collect();
        let like = format!("{}-{tag}", group.name);
        let (_, plain) = pool(&like, &of_tag, settings, policy, &comments(&of_tag), None);
        tagged.push((tag.clone(), plain));
    }
    let untagged: Vec<_> = all
        .iter()
        .copied()
        .filter(|it| {
            tags.is_empty() || it.tags.is_empty() || it.tags.iter().any(|t| t == "default")
        })
        .collect();
    let members = if untagged.is_empty() { all } else { untagged };
    let shown = comments(&members);
    let (target, plain) =
        pool(&group.name, &members, settings, policy, &shown, Some((work, &path)));
    shares(group, target != plain, settings, work);
    let mut body = group.body(work);
    if target != plain {
        // A share's model failed: the others of the group are asked.
        body.push(fallback(vec![plain.clone()], &["any"]));
    }
    work.report
        .taken(&path, format!("clients' `{}` goes to {}", group.name, shown_target(&target)));
    Some(Ready { name: group.name.clone(), path, target, plain, body, tagged })
}

/// What became of weights, rates and tags.
fn shares(group: &Group, split: bool, settings: &Settings, work: &Work<'_>) {
    for member in &group.members {
        let at = |key: &str| format!("{}.litellm_params.{key}", member.path);
        for (index, key) in member.shares.iter().enumerate() {
            let rate = *key != "weight";
            match (split && index == 0, rate) {
                (true, false) => work.report.taken(&at(key), "its share of the group"),
                (true, true) => work.report.changed(
                    &at(key),
                    "a deployment's rate is its share of the group, and no limit",
                    PROVIDER_LIMITS,
                ),
                (false, true) => {
                    work.report.left(&at(key), "a deployment's rate", PROVIDER_LIMITS);
                }
                (false, false) => work.report.left(
                    &at(key),
                    "a weight",
                    "the group has one target, equal weights, an order, or a strategy without weights",
                ),
            }
        }
        if !member.tags.is_empty() && !settings.tag_filtering {
            let why = "`enable_tag_filtering` is not on, so LiteLLM does not go by them either";
            work.report.left(&at("tags"), "tags", why);
        }
    }
}

/// Why a deployment's rate is no limit here.
const PROVIDER_LIMITS: &str = "limits are per key, team or user here: `limit NAME 100/min per key.id \
                               else …`; a provider's own limit makes Pointsman turn to the next model";

fn shown_target(target: &Target) -> String {
    let (crate::policy::syntax::tree::TargetKind::Model(text)
    | crate::policy::syntax::tree::TargetKind::Name(text)) = &target.kind;
    format!("`{text}`")
}

/// The target of some deployments: with their shares, and without.
fn pool(
    like: &str,
    members: &[&deployments::Member],
    settings: &Settings,
    policy: &mut Policy,
    comments: &[String],
    report: Option<(&Work<'_>, &str)>,
) -> (Target, Target) {
    let mut sorted: Vec<&deployments::Member> = members.to_vec();
    sorted.sort_by(|a, b| a.order.total_cmp(&b.order));
    let mut ids: Vec<&str> = Vec::new();
    let mut weights: Vec<f64> = Vec::new();
    for member in &sorted {
        match ids.iter().position(|id| *id == member.id) {
            Some(known) => weights[known] += member.weight.unwrap_or(0.0),
            None => {
                ids.push(&member.id);
                weights.push(member.weight.unwrap_or(0.0));
            }
        }
    }
    if let [one] = ids.as_slice() {
        return (model(one), model(one));
    }
    let ordered = sorted.windows(2).any(|pair| matches!(pair, [a, b] if a.order != b.order));
    let weighted = weights.iter().any(|it| *it > 0.0)
        && weights.windows(2).any(|pair| matches!(pair, [a, b] if a != b))
        && settings.shuffles;
    let pick = if ordered { PickStrategy::First } else { settings.pick.clone() };
    if ordered && let Some((work, path)) = report {
        work.report.changed(
            path,
            "`pick first`: deployments are asked in their `order`",
            "those of one order are asked in the order of the file",
        );
    }
    let pool_name =
        policy.name(if weighted { format!("{like}-all") } else { like.to_owned() }.as_str());
    let set = write::list(ids.iter().map(|id| model(id)).collect());
    let item = Item::Pool { name: name(&pool_name), set, pick: Some(write::pick(pick)) };
    policy.declare(item, comments);
    let plain = named(&pool_name);
    if !weighted || ordered {
        return (plain.clone(), plain);
    }
    let shares: Vec<(f64, Target)> =
        weights.iter().zip(&ids).map(|(weight, id)| (*weight, model(id))).collect();
    let arms: Vec<Arm> = write::arms(&shares);
    if arms.len() < 2 || !arms.iter().any(|arm| arm.share.node == Share::Rest) {
        return (plain.clone(), plain);
    }
    let split = policy.name(like);
    policy.declare(Item::Split { name: name(&split), by: None, arms: block(arms) }, &[]);
    (named(&split), plain)
}

/// `limit` and `budget` statements.
fn limits(settings: &Settings, policy: &mut Policy) {
    for item in &settings.limits {
        policy.rule(item.clone(), &[]);
    }
}

/// LiteLLM answers the names of its list only.
fn closed(
    groups: &[Ready],
    wildcards: &[Wildcard],
    settings: &Settings,
    policy: &mut Policy,
    work: &Work<'_>,
) {
    if groups.is_empty() || wildcards.iter().any(|it| it.pattern == "*") {
        return;
    }
    let is_auto = |name: &str| name == "auto" || name.starts_with("auto/");
    let mut globs: Vec<String> = vec!["auto".into(), "auto/*".into()];
    let named = groups.iter().map(|group| &group.name);
    let answered = |group: &String| groups.iter().any(|ready| ready.name == *group);
    let aliased = settings.aliases.iter().filter(|(_, group, _)| answered(group));
    let aliased = aliased.map(|(alias, ..)| alias);
    globs.extend(named.chain(aliased).filter(|name| !is_auto(name)).cloned());
    globs.extend(wildcards.iter().map(|it| it.pattern.clone()));
    let when = write::not(like(attr("request.model", None), &globs));
    let because = name("This model is not served here");
    let rule = policy.name("unlisted-model");
    let status = Some(write::at(404));
    let comment = "Only listed names are answered. Without this rule clients may also name any other \
                   model of the configured providers.";
    policy.rule(Item::Deny { name: name(&rule), when, because, status }, &[comment.to_owned()]);
    work.report.taken("model_list", "`deny unlisted-model`: other names are refused, as before");
}

/// The names by which clients call a group.
fn names(ready: &Ready, settings: &Settings) -> Vec<String> {
    let aliases = settings.aliases.iter().filter(|(_, group, _)| *group == ready.name);
    std::iter::once(ready.name.clone()).chain(aliases.map(|(alias, ..)| alias.clone())).collect()
}

fn routes(
    ready: &Ready,
    groups: &[Ready],
    wildcards: &[Wildcard],
    settings: &Settings,
    policy: &mut Policy,
    work: &Work<'_>,
) {
    let own = (ready.name.as_str(), ready.body.as_slice());
    let body = merged(
        fallbacks(own, groups, wildcards, &settings.fallbacks, work).into_iter().collect(),
        &ready.body,
    );
    let names = names(ready, settings);
    let (autos, names): (Vec<String>, Vec<String>) = names.into_iter().partition(|it| it == "auto");
    if !autos.is_empty() {
        work.report.changed(
            &ready.path,
            "the group `auto` is the policy's default",
            "`auto` is how clients leave the choice to Pointsman",
        );
    }
    let is_model = |names: &[String]| -> Option<Cond> {
        let values: Vec<_> = names.iter().map(|name| text_value(name)).collect();
        (!values.is_empty()).then(|| one_of(attr("request.model", None), values, false))
    };
    for (tag, target) in &ready.tagged {
        let Some(when) = is_model(&names) else { continue };
        let when = write::all(vec![when, header_word(TAGS_HEADER, tag)]);
        let Some(when) = when else { continue };
        let route = policy.name(&format!("{}-{tag}-route", ready.name));
        let (to, body) = (target.clone(), write::body(body.clone()));
        policy.rule(Item::Route { name: name(&route), when, to, body }, &[]);
        work.report.changed(
            &ready.path,
            format!("the tag `{tag}` is read from the header `{TAGS_HEADER}`"),
            "tags in a request's `metadata` and of LiteLLM's teams are not seen",
        );
    }
    if body.is_empty() {
        for from in &names {
            let item = Item::Alias { from: name(from), to: ready.target.clone() };
            policy.rule(item, &[]);
        }
        return;
    }
    let Some(when) = is_model(&names) else { return };
    let route = policy.name(&format!("{}-route", ready.name));
    let (to, body) = (ready.target.clone(), write::body(body));
    policy.rule(Item::Route { name: name(&route), when, to, body }, &[]);
}

/// One list for all classes: a route has one `fallback`.
fn fallbacks(
    (group, body): (&str, &[Stmt]),
    groups: &[Ready],
    wildcards: &[Wildcard],
    lists: &Fallbacks,
    work: &Work<'_>,
) -> Option<Stmt> {
    let own = body.iter().find_map(|stmt| match stmt {
        Stmt::Fallback { to, .. } => Some(to.clone()),
        _ => None,
    });
    let mut to: Vec<Target> = own.unwrap_or_default();
    let mut classes: Vec<&str> = if to.is_empty() { Vec::new() } else { vec!["any"] };
    let mut kinds = 0;
    for (class, list) in [
        ("any", &lists.any),
        ("context_exceeded", &lists.context),
        ("content_filtered", &lists.content),
    ] {
        let mut found = list.iter().filter(|it| it.from == group).peekable();
        let by_default = (class == "any" && found.peek().is_none()).then_some(&lists.default);
        let names = found.flat_map(|it| &it.to).chain(by_default.into_iter().flatten());
        let mut any = false;
        for wanted in names {
            if *wanted == group {
                continue;
            }
            let ready = groups.iter().find(|ready| ready.name == *wanted);
            if let Some(ready) = ready {
                unkept(group, ready, work);
            }
            let listed = || listed_by_wildcard(wanted, wildcards, work);
            match ready.map(|ready| ready.plain.clone()).or_else(listed) {
                Some(target) => {
                    any = true;
                    if !to.contains(&target) {
                        to.push(target);
                    }
                }
                None => work.report.left(
                    "",
                    format!("the fallback of `{group}` to `{wanted}`"),
                    "no model group of this name was taken over",
                ),
            }
        }
        if any {
            kinds += 1;
            if !classes.contains(&class) {
                classes.push(class);
            }
        }
    }
    if to.is_empty() {
        return None;
    }
    if classes.contains(&"any") {
        classes = vec!["any"];
    }
    if kinds > 1 {
        work.report.changed(
            "",
            format!("`{group}` has one list of fallbacks for errors of all kinds"),
            "a route has one list; models whose context is too small are passed over before they are \
             asked",
        );
    }
    Some(fallback(to, &classes))
}

/// Says which settings of a group do not hold where it answers for another.
fn unkept(group: &str, fallback: &Ready, work: &Work<'_>) {
    let lost = fallback.body.iter().filter_map(|stmt| match stmt {
        Stmt::Set { param, .. } => Some(param.node.as_str()),
        Stmt::Timeout(_) => Some("timeout"),
        Stmt::Retry { .. } => Some("retry"),
        _ => None,
    });
    let lost: Vec<String> = lost.map(|word| format!("`{word}`")).collect();
    if !lost.is_empty() {
        work.report.left(
            &fallback.path,
            format!("{} where `{}` answers for `{group}`", lost.join(", "), fallback.name),
            "a fallback has the settings of the route that failed; a `ladder` has settings for each of \
             its steps",
        );
    }
}

/// A model of the catalogue that a wildcard lets clients name just so.
fn listed_by_wildcard(wanted: &str, wildcards: &[Wildcard], work: &Work<'_>) -> Option<Target> {
    let covers = |it: &&Wildcard| {
        it.same_names && crate::policy::cond::Glob::new(&it.pattern).matches(wanted)
    };
    wildcards.iter().find(covers)?;
    let known = work.registry.catalog().models().iter().any(|it| it.id.as_str() == wanted);
    known.then(|| model(wanted))
}

fn wildcard_route(
    wildcard: &Wildcard,
    groups: &[Ready],
    wildcards: &[Wildcard],
    settings: &Settings,
    policy: &mut Policy,
    work: &Work<'_>,
) {
    let path = &wildcard.path;
    let fallback =
        fallbacks((&wildcard.pattern, &[]), groups, wildcards, &settings.fallbacks, work);
    if wildcard.same_names && fallback.is_none() {
        work.report.taken(
            path,
            format!("`{}`: a model that is named so is asked itself", wildcard.pattern),
        );
        return;
    }
    let route = policy.name(&format!("{}-named", wildcard.pattern));
    let model = attr("request.model", None);
    let when = match wildcard.pattern.as_str() {
        // Who leaves the choice to the gateway has named nothing.
        "*" => write::not(like(model, &["auto".to_owned(), "auto/*".to_owned()])),
        pattern => like(model, &[pattern.to_owned()]),
    };
    let to = named("requested");
    let body = write::body(fallback.into_iter().collect());
    policy.rule(Item::Route { name: name(&route), when, to, body }, &[]);
    if wildcard.same_names {
        let what = format!("`{}`: the named model itself, then its fallback", wildcard.pattern);
        work.report.taken(path, what);
        return;
    }
    work.report.changed(
        path,
        format!("`{}` stands for models of the catalogue", wildcard.pattern),
        "a name without its provider is found where exactly one configured provider has it; models \
         the catalogue lacks need a row in pointsman.yaml",
    );
}

fn aliases(groups: &[Ready], settings: &Settings, work: &Work<'_>) {
    for (alias, group, path) in &settings.aliases {
        if groups.iter().any(|ready| ready.name == *group) {
            work.report.taken(path, format!("`{alias}` goes where `{group}` goes"));
        } else {
            work.report.left(
                path,
                format!("the alias `{alias}`"),
                format!("there is no group `{group}`"),
            );
        }
    }
}

fn default(
    groups: &[Ready],
    wildcards: &[Wildcard],
    settings: &Settings,
    policy: &mut Policy,
    work: &Work<'_>,
) {
    let by_name = |name: &String| groups.iter().find(|group| group.name == *name);
    let chosen = groups
        .iter()
        .find(|group| group.name == "auto")
        .or_else(|| settings.completion_model.as_ref().and_then(by_name))
        .or_else(|| settings.fallbacks.default.iter().find_map(by_name))
        .or(groups.first());
    let Some(ready) = chosen else {
        let mut lower = super::plan::Lower { policy, report: &work.report };
        if let Some(provider) = wildcards.iter().find_map(|it| it.provider) {
            let set = write::models_where(compare(
                attr("provider", None),
                CompareOp::Eq,
                text_value(provider),
            ));
            let pool = lower.policy.name(&format!("{provider}-models"));
            let pick = Some(write::pick(PickStrategy::Best));
            lower.policy.declare(Item::Pool { name: name(&pool), set, pick }, &[]);
            let item = Item::Default { to: named(&pool), body: None };
            lower.policy.rule(item, &["Clients that leave the choice to the gateway.".to_owned()]);
            work.report.changed(
                "",
                "`default`",
                "LiteLLM has no `auto`; any model of the first provider answers it",
            );
        } else {
            lower.no_default();
        }
        return;
    };
    let own = (ready.name.as_str(), ready.body.as_slice());
    let body = merged(
        fallbacks(own, groups, wildcards, &settings.fallbacks, work).into_iter().collect(),
        &ready.body,
    );
    let item = Item::Default { to: ready.target.clone(), body: write::body(body) };
    policy.rule(item, &["Clients that leave the choice to the gateway (`auto`).".to_owned()]);
    if ready.name != "auto" {
        work.report.changed(
            "",
            format!("`auto` is answered by `{}`", ready.name),
            "LiteLLM has no `auto`, and every policy needs a default; put there whom you want",
        );
    }
}
