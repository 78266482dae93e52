//! What the recordings cover, counted: `docs/recorded.md` is this table, and the test keeps it true.
//! `UPDATE=1 cargo test --test wire coverage` writes it anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use crate::corpus::{self, Body, Exchange, WALKED};

/// Its page.
const PAGE: &str = "docs/recorded.md";

/// What is above the table.
const INTRODUCTION: &str = "\
# Recorded traffic

Exchanges between real clients and real providers that `cargo test --test wire` walks through: requests are read, changed and
translated; answers are read whole and as streams, in chunks of any size, cut at every event, and written anew in the dialect of
each client. The recordings are not part of the repository (`POINTSMAN_WIRE` says where they are). `cargo test --test wire
coverage` counts them and compares the counts with this page; `UPDATE=1` before it writes the page.

Each exchange is a whole answer, a stream, or an error: a status of 400 and more, or an error inside of an answer. *requests* are
those whose request was recorded too. *images* are in the request; what is right of *errors* may be in any of the three.

";

/// A column's name, and what it counts.
type Column = (&'static str, fn(&Exchange) -> bool);

/// The columns behind the first two.
const COLUMNS: [Column; 9] = [
    ("requests", |it| it.request.is_some()),
    ("whole answers", |it| !is_error(it) && !is_stream(it)),
    ("streams", |it| !is_error(it) && is_stream(it)),
    ("errors", is_error),
    ("tool calls", |it| has(it, &["tool_call", "server_tool_call", "finish_function_call"])),
    ("thinking", |it| has(it, &THINKING)),
    ("refusals", |it| has(it, &REFUSALS)),
    ("cached tokens", |it| has(it, &["usage_cached"])),
    ("images", |it| has(it, &["vision"])),
];

/// Thinking that an answer shows, keeps to itself, or is signed with.
const THINKING: [&str; 10] = [
    "reasoning",
    "reasoning_block",
    "reasoning_details",
    "reasoning_encrypted",
    "reasoning_item",
    "reasoning_omitted",
    "reasoning_raw_text",
    "reasoning_signature",
    "redacted_thinking",
    "think_tags",
];

/// The model declines, or the provider's filter stops it.
const REFUSALS: [&str; 4] =
    ["finish_content_filter", "finish_guardrail", "prompt_blocked", "refusal"];

fn has(exchange: &Exchange, any: &[&str]) -> bool {
    exchange.features.iter().any(|feature| any.contains(&&**feature))
}

fn is_error(exchange: &Exchange) -> bool {
    exchange.status >= 400 || has(exchange, &["choice_error", "error_in_200", "stream_error"])
}

fn is_stream(exchange: &Exchange) -> bool {
    match &exchange.body {
        // Google's streams without `alt=sse`.
        Body::Json(body) => body.is_array(),
        Body::Sse(_) | Body::Lines(_) | Body::Frames { .. } => true,
    }
}

#[test]
fn coverage() {
    let Some(exchanges) = corpus::load(&WALKED) else { return };
    let page = page(&exchanges) + &*left_out();
    println!("{page}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let hint = "`UPDATE=1 cargo test --test wire coverage` writes it anew";
    assert!(kept == page, "{PAGE} does not say what is recorded; {hint}");
}

fn page(exchanges: &[Exchange]) -> String {
    let mut rows: BTreeMap<(&str, &str), [usize; COLUMNS.len()]> = BTreeMap::new();
    let mut sums = [0; COLUMNS.len()];
    for exchange in exchanges {
        let row = rows.entry((&exchange.provider, &exchange.api)).or_default();
        for ((count, sum), (_, counts)) in row.iter_mut().zip(&mut sums).zip(COLUMNS) {
            let found = usize::from(counts(exchange));
            *count += found;
            *sum += found;
        }
    }
    let mut page = INTRODUCTION.to_owned();
    let names = COLUMNS.map(|(name, _)| name).join(" | ");
    let _ = writeln!(page, "| provider | wire format | {names} |");
    let _ = writeln!(page, "|---|---|{}", "---:|".repeat(COLUMNS.len()));
    for ((provider, api), counts) in rows {
        let _ = writeln!(page, "| {provider} | `{api}` | {} |", cells(counts));
    }
    let _ = writeln!(page, "| **all {}** | | {} |", exchanges.len(), cells(sums));
    page
}

/// The recordings that no test walks through.
fn left_out() -> String {
    let (_, index) = corpus::index().unwrap();
    let mut apis: BTreeMap<&str, usize> = BTreeMap::new();
    for api in index.iter().map(|row| row["api"].as_str().unwrap()) {
        if !WALKED.contains(&api) {
            *apis.entry(api).or_default() += 1;
        }
    }
    let listed: Vec<String> = apis.iter().map(|(api, count)| format!("`{api}` {count}")).collect();
    let listed = listed.join(", ");
    format!(
        "\nRecorded too, in formats that nothing here speaks or that are lists of models: {listed}.\n"
    )
}

/// Zeroes are left blank: what is there is to be seen.
fn cells(counts: [usize; COLUMNS.len()]) -> String {
    counts.map(|count| if count == 0 { String::new() } else { count.to_string() }).join(" | ")
}
