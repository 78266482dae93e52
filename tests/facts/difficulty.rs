//! Whether `difficulty` sends the right prompts to the strong model: the bench's own measures.

use pointsman::policy::schema::{Attr, AttrRef};
use pointsman::policy::value::{Facts, Value};

use crate::bench::{prompt, rows};
use crate::{asked, data};

/// One prompt of a pool: how hard it looks, how well either model did, and what it weighs.
struct Row {
    score: f64,
    cheap: f64,
    strong: f64,
    weight: f64,
}

/// Its name, the cheap models, the strong ones, the data sets.
type Pool =
    (&'static str, &'static [&'static str], &'static [&'static str], &'static [&'static str]);

/// Pools, and whether a bound is asserted: `alpaca-eval` is looked at, never tuned on.
const POOLS: [Pool; 7] = [
    (
        "mixtral -> gpt-4",
        &["mixtral-8x7b-instruct-v0.1"],
        &["gpt-4-1106-preview"],
        &["routellm-mmlu", "routellm-gsm8k", "routellm-mtbench"],
    ),
    (
        "8b -> nemotron 51b",
        &["llama-3.1-8b-instruct"],
        &["llama-3.1-nemotron-51b-instruct"],
        &["llmrouter"],
    ),
    (
        "haiku -> sonnet",
        &["claude-3-haiku-20240307"],
        &["claude-3-5-sonnet-20241022", "claude-3-5-sonnet-20240620"],
        &["zeroeval-gsm", "zeroeval-crux", "bfcl"],
    ),
    (
        "4o-mini -> o1-mini",
        &["gpt-4o-mini-2024-07-18"],
        &["o1-mini-2024-09-12"],
        &["zeroeval-gsm", "zeroeval-crux"],
    ),
    (
        "llama 8b -> 70b",
        &["llama-3.1-8b-instruct", "llama-3-8b-instruct"],
        &["llama-3.1-70b-instruct", "llama-3-70b-instruct"],
        &["mmlu-pro", "zeroeval-gsm", "zeroeval-crux", "bfcl"],
    ),
    ("flash -> pro", &["gemini-1.5-flash-002"], &["gemini-1.5-pro-002"], &["mmlu-pro"]),
    (
        "instant -> gpt-4 (alpaca)",
        &["claude-instant-1.2"],
        &["gpt-4-1106-preview"],
        &["alpaca-eval"],
    ),
];

#[test]
fn the_strong_model_gets_what_needs_it() {
    let Some(root) = data("POINTSMAN_ROUTING_BENCH", "routing-bench", "datasets.json") else {
        return;
    };
    println!("\n{:<28} {:>6} {:>7} {:>7} {:>7}", "pool", "rows", "gap", "AUC", "APGR");
    let mut sum = 0.0;
    for (name, cheap, strong, datasets) in POOLS {
        let mut pool = Vec::new();
        for dataset in datasets {
            pool.extend(of_dataset(&root, dataset, cheap, strong));
        }
        let gain = |row: &Row| (row.strong - row.cheap) * row.weight;
        let gap =
            pool.iter().map(gain).sum::<f64>() / pool.iter().map(|row| row.weight).sum::<f64>();
        let (auc, apgr) = (auc(&pool), apgr(&mut pool));
        println!("{name:<28} {:>6} {gap:>7.3} {auc:>7.3} {apgr:>7.3}", pool.len());
        // A gap of next to nothing makes the share of it that was recovered mean nothing.
        assert!((0.0..=1.0).contains(&auc) && (apgr > 0.4 || gap < 0.02), "{name}: {auc} {apgr}");
        if !name.contains("alpaca") {
            sum += apgr;
        }
    }
    let mean = sum / (POOLS.len() - 1) as f64;
    println!("{:<28} {:>6} {:>7} {:>7} {mean:>7.3}", "mean without alpaca", "", "", "");
    assert!(mean > 0.5, "worse than chance: {mean}");
}

fn of_dataset(root: &std::path::Path, dataset: &str, cheap: &[&str], strong: &[&str]) -> Vec<Row> {
    let found: Vec<Row> = rows(root, dataset)
        .iter()
        .filter_map(|row| {
            let score_of = |names: &[&str]| {
                names.iter().find_map(|name| row["models"][name]["score"].as_f64())
            };
            let (cheap, strong) = (score_of(cheap)?, score_of(strong)?);
            let score = match asked(prompt(row)).get(&AttrRef::plain(Attr::Difficulty)) {
                Value::Float(score) => score,
                other => panic!("{other:?}"),
            };
            Some(Row { score, cheap, strong, weight: 0.0 })
        })
        .collect();
    // Every data set counts the same, in proportion to its rows below 400.
    let weight = found.len().min(400) as f64 / found.len().max(1) as f64;
    found.into_iter().map(|row| Row { weight, ..row }).collect()
}

/// The chance that a prompt where the strong model did better looks harder than one where it did not.
fn auc(pool: &[Row]) -> f64 {
    let (mut right, mut all) = (0.0, 0.0);
    let (needs, others): (Vec<&Row>, Vec<&Row>) =
        pool.iter().partition(|row| row.strong > row.cheap);
    for need in &needs {
        for other in &others {
            let weight = need.weight * other.weight;
            all += weight;
            right += weight
                * match need.score.total_cmp(&other.score) {
                    std::cmp::Ordering::Greater => 1.0,
                    std::cmp::Ordering::Equal => 0.5,
                    std::cmp::Ordering::Less => 0.0,
                };
        }
    }
    right / all
}

/// The mean share of the quality gap that is recovered, over all shares of strong calls; prompts of
/// one score are mixed at random.
fn apgr(pool: &mut [Row]) -> f64 {
    pool.sort_by(|a, b| b.score.total_cmp(&a.score));
    let weight: f64 = pool.iter().map(|row| row.weight).sum();
    let gap: f64 = pool.iter().map(|row| (row.strong - row.cheap) * row.weight).sum();
    let (mut area, mut recovered) = (0.0, 0.0);
    for tied in pool.chunk_by(|a, b| a.score == b.score) {
        let share: f64 = tied.iter().map(|row| row.weight).sum::<f64>() / weight;
        let gain = tied.iter().map(|row| (row.strong - row.cheap) * row.weight).sum::<f64>() / gap;
        area += share * (recovered + gain / 2.0);
        recovered += gain;
    }
    area
}
