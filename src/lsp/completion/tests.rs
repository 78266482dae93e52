use std::sync::Arc;

use lsp_types::Uri;

use super::*;
use crate::catalog::Catalog;
use crate::lsp::position::Lines;

const BEFORE: &str = r#"enum tier = free | pro
attribute key.tier: tier from key.meta["plan"] else free
attribute data.residency: enum any | eu from header "x" else any
let heavy = input.tokens > 32k
let orgs = ["acme"]
schedule office = mon..fri 09:00..18:00 Europe/Berlin
pool small = [openai/gpt-5-nano]
budget month $5 per month per key.team {
  at 100% warn
}
ladder climb {
  step a -> small escalate when failed
  step b -> openai/gpt-5
}
route first when heavy -> small
"#;

/// What is offered at the cursor `‸` of a text behind the declarations above.
fn offered(text: &str) -> Vec<String> {
    let text = format!("{BEFORE}{text}");
    let byte = text.find('‸').expect("a cursor");
    let text = text.replace('‸', "");
    let mut workspace = Workspace::new(Arc::new(Catalog::embedded()), Vec::new());
    let uri = Uri("untitled:policy".into());
    let position = Lines::of(&text).position(&text, byte);
    workspace.open(uri, 1, text);
    workspace.refresh();
    let items = complete(&workspace, "untitled:policy", position, true);
    items.into_iter().map(|item| item.label).collect()
}

fn has(text: &str, wanted: &[&str], unwanted: &[&str]) {
    let labels = offered(text);
    for word in wanted {
        assert!(labels.iter().any(|it| it == word), "{text}: no {word} in {labels:?}");
    }
    for word in unwanted {
        assert!(!labels.iter().any(|it| it == word), "{text}: {word} in {labels:?}");
    }
}

#[test]
fn lines_start_with_the_words_of_their_block() {
    has("‸", &["route", "pool", "default", "test"], &["retry", "and"]);
    has("ro‸", &["route"], &[]);
    has("default -> small {\n  ‸\n}", &["retry", "cap", "timeout"], &["route", "step"]);
    has("ladder l {\n  ‸", &["step", "hold"], &["retry"]);
    has("test \"t\" {\n  ‸", &["given", "expect"], &[]);
    has("budget b $5 per day per key.id {\n  ‸", &["at"], &[]);
}

#[test]
fn conditions_offer_what_they_may_speak_of() {
    has(
        "route r when ‸",
        &["input.tokens", "heavy", "key.tier", "header[\"…\"]", "not"],
        &["context", "failed", "request.auto", "orgs"],
    );
    has("route r when heavy and input.to‸", &["input.tokens"], &["price.output"]);
    has("pool p = models where ‸", &["price.output", "context"], &["input.tokens"]);
    has("pool p = models where tools and not ‸", &["vision"], &["task"]);
    has("ladder l {\n  step a -> small escalate when ‸", &["failed", "input.tokens"], &["context"]);
    has("require r when heavy only models where ‸", &["region"], &["task"]);
    has("test \"t\" {\n  expect ‸", &["route", "attempts", "every model"], &["task"]);
    has("experiment e by user.id {\n  guard ‸", &["error_rate", "refusal_rate"], &["task"]);
    has("default -> small {\n  only models ‸", &["where"], &[]);
}

#[test]
fn values_fit_the_attribute() {
    has("route r when task == ‸", &["code", "chat"], &["pro"]);
    has("route r when key.tier == ‸", &["free", "pro"], &["enterprise"]);
    has("route r when key.tier in [free, ‸", &["pro"], &["code"]);
    has("route r when data.residency not in [‸", &["eu"], &[]);
    has("route r when time in ‸", &["office"], &["orgs"]);
    has("route r when key.org in ‸", &["orgs"], &["office"]);
    has("route r when input.tokens > 3‸", &["3k", "3M"], &["3s"]);
    has("pool p = models where price.output < $2‸", &["$2/Mtok"], &["$2k"]);
    has("test \"t\" {\n  given key.tier = ‸", &["pro"], &[]);
    has("test \"t\" {\n  expect route == ‸", &["first", "default"], &[]);
    has("route r when key.tags ‸", &["has"], &["=="]);
    has("route r when heavy ‸", &["and", "->"], &["=="]);
}

#[test]
fn targets_are_names_and_models() {
    has("default -> ‸", &["small", "climb", "requested", "openai/gpt-5"], &["heavy"]);
    has("pool p = [openai/‸", &["openai/gpt-5", "small"], &["climb"]);
    has("default -> small {\n  fallback ‸", &["climb"], &["requested"]);
    has("default -> small {\n  cap $1 per request else degrade to ‸", &["small"], &[]);
    has("test \"t\" {\n  expect every model in ‸", &["small"], &["climb"]);
    has("route r when pool[\"‸", &["small"], &["climb"]);
    has("route r when budget[\"‸\"].used > 5%", &["month"], &[]);
}

#[test]
fn directives_offer_their_words() {
    has("default -> small {\n  fallback climb on ‸", &["transient", "rate_limited"], &["small"]);
    has("default -> small {\n  retry 1 on timeout, ‸", &["overloaded"], &[]);
    has("default -> small {\n  timeout ‸", &["total", "ttft"], &[]);
    has("default -> small {\n  timeout total 60s, ‸", &["idle"], &[]);
    has("default -> small {\n  timeout total 6‸", &["6s", "6min"], &["6%"]);
    has("default -> small {\n  set ‸", &["temperature", "on_lossy"], &[]);
    has("default -> small {\n  set reasoning = ‸", &["low"], &["unset"]);
    has("default -> small {\n  cache exact ttl 1h key [‸", &["messages"], &[]);
    has("pool p = models pick ‸", &["cheapest"], &[]);
    has("attribute x.y: ‸", &["tokens", "tier"], &["heavy"]);
    has("test \"t\" {\n  attempt 1 ‸", &["refused", "timeout"], &[]);
}

#[test]
fn nothing_is_offered_in_comments_and_texts() {
    assert_eq!(offered("# ‸"), Vec::<String>::new());
    assert_eq!(offered("deny x when heavy because \"a ‸"), Vec::<String>::new());
}

#[test]
fn broken_text_around_is_no_trouble() {
    has("route x when (((\nroute y when ‸\ndefault ->", &["task"], &[]);
    has("pool q = [\ndefault -> ‸", &["small"], &[]);
}
