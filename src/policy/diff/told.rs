//! A comparison for people and for programs.

use serde_json::{Value as Json, json};

use super::{Change, Diff, Kind, RuleName};
use crate::catalog::{Catalog, ModelIdx};
use crate::policy::prove::example;
use crate::policy::trial::Outcome;

/// How many models of a list people are shown.
const SHOWN_MODELS: usize = 4;

/// The comparison as JSON.
pub fn json(diff: &Diff, catalog: &Catalog) -> Json {
    json!({
        "changes": diff.changes.iter().map(|change| json!({
            "kind": change.kind.word(),
            "old": change.old.as_ref().map(rule),
            "new": change.new.as_ref().map(rule),
            "example": change.example.told(),
            "certain": change.certain,
            "before": outcome(&change.before, catalog),
            "after": outcome(&change.after, catalog),
        })).collect::<Vec<_>>(),
        "complete": !diff.undecided && !diff.more,
    })
}

fn rule(rule: &RuleName) -> Json {
    json!({ "name": rule.name, "at": rule.at })
}

fn outcome(outcome: &Outcome, catalog: &Catalog) -> Json {
    match outcome {
        Outcome::Plan { route, models, worst, .. } => json!({
            "outcome": "plan",
            "route": route,
            "models": ids(models, catalog),
            "worst_cost": worst.map(|worst| format!("${worst}")),
        }),
        Outcome::Denied { rule, because, status } => {
            json!({ "outcome": "denied", "rule": rule, "because": because, "status": status })
        }
        Outcome::NoModel { route } => json!({ "outcome": "no_candidate", "route": route }),
        Outcome::UnknownModel => json!({ "outcome": "unknown_model" }),
    }
}

fn ids<'a>(models: &[ModelIdx], catalog: &'a Catalog) -> Vec<&'a str> {
    models.iter().map(|model| catalog.models()[model.index()].id.as_str()).collect()
}

/// The comparison for people.
pub fn text(diff: &Diff, catalog: &Catalog) -> String {
    let mut text = String::new();
    for change in &diff.changes {
        text += &one(change, catalog);
        text.push('\n');
    }
    let kinds = match diff.changes.len() {
        0 => "no request fares otherwise".to_owned(),
        1 => "1 kind of requests fares otherwise".to_owned(),
        n => format!("{n} kinds of requests fare otherwise"),
    };
    text += &kinds;
    if diff.more {
        text += "; there are more than are shown";
    }
    if diff.undecided {
        text += "; some questions were too hard, so there may be more";
    }
    text
}

fn one(change: &Change, catalog: &Catalog) -> String {
    let named = |rule: &Option<RuleName>| {
        rule.as_ref().map_or_else(String::new, |rule| format!("`{}` ({})", rule.name, rule.at))
    };
    let (old, new) = (named(&change.old), named(&change.new));
    let title = match change.kind {
        Kind::Denied if change.old.is_some() => format!("refused otherwise, by {new}"),
        Kind::Denied => format!("refused now, by {new}"),
        Kind::Allowed => format!("no longer refused by {old}"),
        Kind::Routed if change.old.is_none() => format!("no route → {new}"),
        Kind::Routed if change.new.is_none() => format!("{old} → no route"),
        Kind::Routed => format!("{old} → {new}"),
        Kind::Restricted => format!("models restricted now, by {new}"),
        Kind::Freed => format!("models no longer restricted by {old}"),
        Kind::Counted if change.new.is_some() => format!("counted now, by {new}"),
        Kind::Counted => format!("no longer counted by {old}"),
        Kind::Tuned if change.new.is_some() => format!("settings given now, by {new}"),
        Kind::Tuned => format!("settings no longer given by {old}"),
    };
    let mut text = format!("{title}\n  for example  {}\n", example(&change.example));
    if !change.certain {
        text += "               (a pattern may keep this very request from existing)\n";
    }
    let (before, after) = (short(&change.before, catalog), short(&change.after, catalog));
    if before.0 != after.0 {
        text += &format!("  answered by  {} → {}\n", before.0, after.0);
    } else {
        text += &format!("  answered by  {} as before\n", before.0);
    }
    if before.1 != after.1 {
        let cost = |cost: Option<String>| cost.unwrap_or_else(|| "nothing".to_owned());
        text += &format!("  at most      {} → {} an attempt\n", cost(before.1), cost(after.1));
    }
    text
}

/// Who answers, and what an attempt costs at most.
fn short(outcome: &Outcome, catalog: &Catalog) -> (String, Option<String>) {
    match outcome {
        Outcome::Plan { models, worst, .. } => {
            let names = ids(models, catalog);
            let mut shown = names[..names.len().min(SHOWN_MODELS)].join(", ");
            if names.len() > SHOWN_MODELS {
                shown += &format!(" and {} more", names.len() - SHOWN_MODELS);
            }
            let cost = worst.map_or_else(|| "an unknown price".to_owned(), |it| format!("${it}"));
            (shown, Some(cost))
        }
        Outcome::Denied { rule, because, status } => {
            (format!("nobody: refused by `{rule}` ({status}: {because})"), None)
        }
        Outcome::NoModel { .. } => ("nobody: no model is left".to_owned(), None),
        Outcome::UnknownModel => ("nobody: unknown model".to_owned(), None),
    }
}
