//! A trace for people.

use serde_json::Value;

use super::output;

/// The first few of a list; `--json` has all.
fn shortened(names: &[String]) -> String {
    const SHOWN: usize = 6;
    let mut text = names[..names.len().min(SHOWN)].join(", ");
    if names.len() > SHOWN {
        text += &format!(" and {} more", names.len() - SHOWN);
    }
    text
}

/// The trace for people.
pub(super) fn print(told: &Value) {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let decision = &told["decision"];
    let steps = decision["steps"].as_array().cloned().unwrap_or_default();
    let first = steps.first().and_then(|step| step["candidates"].as_array()?.first().cloned());
    match (decision["outcome"].as_str(), first) {
        (Some("plan"), Some(model)) => output::line(format!("→ {}", text(&model))),
        (Some("denied"), _) => output::line(format!(
            "→ denied by {}: {} (status {})",
            text(&decision["rule"]),
            text(&decision["because"]),
            decision["status"]
        )),
        (outcome, _) => output::line(format!("→ {}", outcome.unwrap_or("nothing"))),
    }
    for (title, key) in [
        ("guards", "guards"),
        ("constraints", "constraints"),
        ("settings", "tunes"),
        ("routes", "routes"),
    ] {
        let rules = told[key].as_array().cloned().unwrap_or_default();
        if rules.is_empty() {
            continue;
        }
        output::line(format!("\n{title}"));
        for rule in rules {
            let mark = match rule["matched"].as_bool() {
                Some(true) => "yes",
                Some(false) => "no",
                None => "not asked",
            };
            output::line(format!("  {:<24} {mark:<10} {}", text(&rule["name"]), text(&rule["at"])));
            for test in rule["because"].as_array().into_iter().flatten() {
                let shown = match test.get("value") {
                    Some(value) => format!(
                        "{:<44} = {:<18} {}",
                        text(&test["test"]),
                        text(value),
                        if test["holds"] == true { "yes" } else { "no" }
                    ),
                    None => format!("{:<44} not asked", text(&test["test"])),
                };
                output::line(format!("      {shown}"));
            }
        }
    }
    if let Some(budget) = decision["budget"].as_object() {
        output::line("\nbudget");
        for (what, value) in budget {
            output::line(format!("  {what:<24} {}", text(value)));
        }
    }
    if !steps.is_empty() {
        output::line("\nmodels");
        for step in &steps {
            let candidates: Vec<String> =
                step["candidates"].as_array().into_iter().flatten().map(text).collect();
            output::line(format!("  {:<24} {}", text(&step["name"]), shortened(&candidates)));
        }
        if let Some(fallback) = decision["fallback"].as_array() {
            let fallback: Vec<String> = fallback.iter().map(text).collect();
            output::line(format!("  {:<24} {}", "fallback", shortened(&fallback)));
        }
        for (step, hedge) in steps.iter().map(|step| (step, &step["hedge"])) {
            if let Some(candidates) = hedge["candidates"].as_array() {
                let candidates: Vec<String> = candidates.iter().map(text).collect();
                let name = format!("hedge of {}", text(&step["name"]));
                let after = text(&hedge["after"]);
                output::line(format!("  {name:<24} {} after {after}", shortened(&candidates)));
            }
        }
        for shadow in decision["shadows"].as_array().into_iter().flatten() {
            let share = text(&shadow["share"]);
            output::line(format!("  {:<24} {}", format!("shadow {share}"), text(&shadow["model"])));
        }
        for step in steps.iter().filter(|step| step["sticky"].is_object()) {
            let name = format!("sticky in {}", text(&step["name"]));
            let seconds = step["sticky"]["ttl_ms"].as_u64().unwrap_or_default() / 1_000;
            output::line(format!("  {name:<24} whoever answers stays first for {seconds} s"));
        }
    }
    let removed = told["removed"].as_array().cloned().unwrap_or_default();
    if !removed.is_empty() {
        output::line("\nleft out");
        for removal in removed.iter().take(12) {
            output::line(format!("  {:<40} {}", text(&removal["model"]), text(&removal["by"])));
        }
        if removed.len() > 12 {
            output::line(format!("  and {} more (--json has all)", removed.len() - 12));
        }
    }
    let settings = decision["settings"].as_object().cloned().unwrap_or_default();
    if !settings.is_empty() {
        output::line("\nwith");
        for (name, value) in settings {
            output::line(format!("  {name:<24} {}", text(&value)));
        }
    }
    let around = told["would_change"].as_array().cloned().unwrap_or_default();
    if !around.is_empty() {
        output::line("\nwhat would change the answer");
        for near in around {
            output::line(format!("  {:<44} → {}", text(&near["change"]), text(&near["told"])));
        }
    }
}
