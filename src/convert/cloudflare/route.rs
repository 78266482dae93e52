//! Dynamic routes: a graph of elements.

use std::collections::{HashMap, HashSet};

use super::super::condition;
use super::super::plan::{Lower, Plan};
use super::super::portkey::{speaks_of_tags, tags_note};
use super::super::source::Node;
use super::super::write::{self, attr, block, deny, literal, name};
use super::{Policy, Work, model_id};
use crate::policy::syntax::tree::{AttrPath, Breach, Cond, Item, LimitAmount, Mark};

/// The deepest route that is followed.
const MOST_DEPTH: usize = 40;

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

/// Makes routes of the elements of a dynamic route.
pub(super) fn dynamic(elements: &Node<'_>, title: &str, work: &mut Work<'_>, policy: &mut Policy) {
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
