//! What a replay comes to: who is asked, what it costs, how long it takes, what changes most.

use std::collections::BTreeMap;

use serde::Serialize;

use super::line::{Kind, Line};
use super::tally::{Chain, Choice, Side, Tally};
use super::{Key, Worker};
use crate::catalog::{Catalog, ModelIdx};
use crate::policy::eval::{WithLive, decide};
use crate::policy::plan::AffinityKey;
use crate::policy::program::{Program, Rule};
use crate::policy::trace::{Recording, trace};
use crate::units::NanoDollars;

/// How many changes are told.
const TOLD_CHANGES: usize = 10;
/// How many facts are told of an example.
const TOLD_FACTS: usize = 6;

/// What a replay comes to. Shares are between 0 and 1.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Requests that were decided anew.
    pub requests: u64,
    /// Lines that could not be read, and the first of them.
    pub broken_lines: u64,
    /// Its number and what is wrong with it.
    pub first_broken_line: Option<(u64, String)>,
    /// What `before` is: `log`, or the baseline's name and generation.
    pub before: String,
    /// The draft's name and generation.
    pub after: String,
    /// Requests whose route is another.
    pub route_changes: u64,
    /// Requests whose first model is another.
    pub model_changes: u64,
    /// Requests that were answered and would not be.
    pub newly_refused: u64,
    /// Requests that were not answered and would be.
    pub newly_answered: u64,
    /// How many requests come to what, before and after.
    pub outcomes: BTreeMap<Kind, (u64, u64)>,
    /// How many requests each rule takes, before and after.
    pub routes: BTreeMap<String, (u64, u64)>,
    /// Who is asked first, before and after.
    pub models: Vec<ModelRow>,
    /// What it costs.
    pub money: Money,
    /// The share of requests that go up a step: as logged, before, after. Expected, except the first.
    pub escalated: (f64, f64, f64),
    /// The mean of the models' median latencies over requests and their steps, in milliseconds,
    /// before and after; of those requests for which it is known.
    pub latency_ms: (Option<f64>, Option<f64>),
    /// The share of requests for which it is.
    pub latency_known: (f64, f64),
    /// The changes that most requests see.
    pub changes: Vec<Example>,
    /// Changed requests that are not among them.
    pub other_changes: u64,
    /// What to keep in mind.
    pub notes: Vec<String>,
}

/// One model before and after.
#[derive(Debug, Serialize)]
pub struct ModelRow {
    /// Which.
    pub model: String,
    /// Requests that ask it first, before.
    pub before: u64,
    /// And after.
    pub after: u64,
    /// The median time of its answers in the log, in milliseconds.
    pub latency_ms: Option<f64>,
    /// The share of its checked answers that would not do, by the log.
    pub rejected: Option<f64>,
}

/// What requests cost, in nano-dollars.
#[derive(Debug, Serialize)]
pub struct Money {
    /// As paid.
    pub billed: NanoDollars,
    /// Expected, before.
    pub before: NanoDollars,
    /// Expected, after.
    pub after: NanoDollars,
    /// Requests whose tokens are estimated.
    pub estimated: u64,
    /// Requests that ask a model without a price, before and after; they count as nothing.
    pub unpriced: (u64, u64),
}

/// One kind of change.
#[derive(Debug, Serialize)]
pub struct Example {
    /// How many requests see it.
    pub requests: u64,
    /// Where they went.
    pub before: String,
    /// Where they would go.
    pub after: String,
    /// The first of them.
    pub id: String,
    /// Its line in the log.
    pub line: u64,
    /// Its facts that the rule looks at.
    pub facts: BTreeMap<String, serde_json::Value>,
}

pub(super) fn of(worker: &mut Worker, mut tally: Tally) -> Report {
    let catalog = worker.catalog.clone();
    let mut seen: BTreeMap<ModelIdx, (Option<f64>, Option<f64>)> = BTreeMap::new();
    for (model, known) in &mut tally.seen {
        let rejected = (known.checked > 0).then(|| known.rejected as f64 / known.checked as f64);
        seen.insert(*model, (median(&mut known.latency), rejected));
    }
    let expected = |side: &Side| Expected::of(side, &seen);
    let (before, after) = (expected(&tally.before), expected(&tally.after));
    let name = |program: &Program| format!("{}@{}", program.name, program.generation);
    let plans = share_of(tally.before.kinds.get(&Kind::Plan).copied().unwrap_or(0));
    let notes = notes(worker, &tally, &before, &after);
    let draft = &worker.replay.draft;
    let baseline = worker.replay.baseline.as_deref();
    Report {
        requests: tally.lines,
        broken_lines: tally.broken,
        before: baseline.map_or_else(|| "log".to_owned(), name),
        after: name(draft),
        route_changes: tally.route_changes,
        model_changes: tally.model_changes,
        newly_refused: tally.newly_refused,
        newly_answered: tally.newly_answered,
        outcomes: both(&tally.before.kinds, &tally.after.kinds),
        routes: both(
            &tally.before.routes.iter().map(|(name, count)| (name.to_string(), *count)).collect(),
            &tally.after.routes.iter().map(|(name, count)| (name.to_string(), *count)).collect(),
        ),
        models: models(&tally, &seen, &catalog),
        money: Money {
            billed: NanoDollars(u64::try_from(tally.billed).unwrap_or(u64::MAX)),
            before: before.cost(),
            after: after.cost(),
            estimated: tally.estimated,
            unpriced: (before.unpriced, after.unpriced),
        },
        escalated: (plans(tally.escalated as f64), before.escalated(), after.escalated()),
        latency_ms: (before.latency(), after.latency()),
        latency_known: (before.latency_known(), after.latency_known()),
        first_broken_line: tally.first_broken.take(),
        changes: examples(worker, &mut tally, &catalog),
        other_changes: tally.other_changes,
        notes,
    }
}

/// What one side is expected to come to.
#[derive(Default)]
struct Expected {
    requests: f64,
    nano: f64,
    unpriced: u64,
    climbing: f64,
    time: f64,
    timed: f64,
    /// Checked steps of models whose answers the log knows nothing about.
    unchecked: u64,
}

impl Expected {
    fn of(side: &Side, seen: &BTreeMap<ModelIdx, (Option<f64>, Option<f64>)>) -> Expected {
        let mut sum = Expected::default();
        for (chain, of_chain) in &side.chains {
            let requests = of_chain.requests as f64;
            sum.requests += requests;
            sum.unpriced += of_chain.unpriced;
            // The share that comes as far as the step.
            let (mut reach, mut time) = (1.0, Some(0.0));
            for (step, model) in chain.iter().enumerate() {
                let (latency, rejected) =
                    model.and_then(|model| seen.get(&model).copied()).unwrap_or_default();
                sum.nano += reach * of_chain.cost.get(step).copied().unwrap_or(0) as f64;
                if reach > 0.0 {
                    time = time.zip(latency).map(|(time, latency)| time + reach * latency);
                }
                if step + 1 == chain.len() {
                    break;
                }
                if rejected.is_none() {
                    sum.unchecked += of_chain.requests;
                }
                reach *= rejected.unwrap_or(0.0);
                if step == 0 {
                    sum.climbing += requests * reach;
                }
            }
            if let Some(time) = time.filter(|_| !chain.is_empty()) {
                sum.time += requests * time;
                sum.timed += requests;
            }
        }
        sum
    }

    fn cost(&self) -> NanoDollars {
        // A float has 53 bits: exact to the nano-dollar up to nine million dollars.
        NanoDollars(self.nano.round() as u64)
    }
    fn escalated(&self) -> f64 {
        ratio(self.climbing, self.requests)
    }
    fn latency(&self) -> Option<f64> {
        (self.timed > 0.0).then(|| self.time / self.timed)
    }
    fn latency_known(&self) -> f64 {
        ratio(self.timed, self.requests)
    }
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

fn share_of(whole: u64) -> impl Fn(f64) -> f64 {
    move |part| ratio(part, whole as f64)
}

/// In milliseconds.
fn median(micros: &mut [u32]) -> Option<f64> {
    let middle = micros.len().checked_sub(1)? / 2;
    let (_, median, _) = micros.select_nth_unstable(middle);
    Some(f64::from(*median) / 1_000.0)
}

fn both<K: Ord + Clone>(
    before: &BTreeMap<K, u64>,
    after: &BTreeMap<K, u64>,
) -> BTreeMap<K, (u64, u64)> {
    let count = |counts: &BTreeMap<K, u64>, key: &K| counts.get(key).copied().unwrap_or(0);
    let keys = before.keys().chain(after.keys());
    keys.map(|key| (key.clone(), (count(before, key), count(after, key)))).collect()
}

fn models(
    tally: &Tally,
    seen: &BTreeMap<ModelIdx, (Option<f64>, Option<f64>)>,
    catalog: &Catalog,
) -> Vec<ModelRow> {
    let firsts = |side: &Side| {
        let mut counts: BTreeMap<Option<ModelIdx>, u64> = BTreeMap::new();
        for (chain, sum) in &side.chains {
            *counts.entry(chain.first().copied().flatten()).or_default() += sum.requests;
        }
        counts
    };
    let counts = both(&firsts(&tally.before), &firsts(&tally.after));
    let mut rows: Vec<ModelRow> = counts
        .into_iter()
        .map(|(model, (before, after))| {
            let (latency_ms, rejected) =
                model.and_then(|model| seen.get(&model).copied()).unwrap_or_default();
            ModelRow { model: named(model, catalog), before, after, latency_ms, rejected }
        })
        .collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.before.max(row.after)));
    rows
}

fn named(model: Option<ModelIdx>, catalog: &Catalog) -> String {
    model.map_or_else(|| "(not in the catalogue)".into(), |model| catalog[model].id.to_string())
}

fn shown(choice: &Choice, catalog: &Catalog) -> String {
    let chain = |chain: &Chain| {
        chain.iter().map(|model| named(*model, catalog)).collect::<Vec<_>>().join(", then ")
    };
    match choice.kind {
        Kind::Plan => format!("{} → {}", choice.rule, chain(&choice.chain)),
        Kind::Denied => format!("denied by {}", choice.rule),
        Kind::NoCandidate => format!("{} → no model left", choice.rule),
        Kind::UnknownModel => "unknown model".into(),
    }
}

fn examples(worker: &mut Worker, tally: &mut Tally, catalog: &Catalog) -> Vec<Example> {
    let mut changes: Vec<_> = tally.changes.drain().collect();
    changes.sort_by_key(|(_, change)| (std::cmp::Reverse(change.requests), change.line));
    let rest = changes.iter().skip(TOLD_CHANGES).map(|(_, change)| change.requests);
    tally.other_changes += rest.sum::<u64>();
    changes.truncate(TOLD_CHANGES);
    let told = changes.into_iter().filter_map(|((before, after), change)| {
        let line: Line<'_> = serde_json::from_str(&change.text).ok()?;
        Some(Example {
            requests: change.requests,
            before: shown(&before, catalog),
            after: shown(&after, catalog),
            id: line.id.to_string(),
            line: change.line,
            facts: facts_that_matter(worker, line),
        })
    });
    told.collect()
}

/// The facts that the deciding rule of the draft looks at; where it looks at none (a default takes
/// everything), those that the rules before it looked at.
fn facts_that_matter(worker: &mut Worker, line: Line<'_>) -> BTreeMap<String, serde_json::Value> {
    worker.surroundings(&line.providers, &line.live);
    worker.remember(&line.decision);
    let draft = worker.replay.draft.clone();
    let key = Key::of(&line.key_models);
    let facts = line.facts.at(line.at);
    let overlaid = WithLive { facts: &facts, live: &worker.live, program: &draft };
    let recording = Recording::of(&overlaid);
    let allowed = |model: &crate::catalog::Model| key.allows(&model.id);
    let remembered = |key: &AffinityKey| worker.recall(key);
    let situation = worker.situation(&recording, &line.id, line.turn, &allowed, &remembered);
    let decision = decide(&draft, &situation);
    let told = trace(&draft, &recording.recorded(), &decision, &[]);
    let rules = || {
        let routes = draft.routes.iter().map(|route| &route.rule);
        routes.chain(draft.denies.iter().map(|deny| &deny.rule))
    };
    // What was not written but is implied stands nowhere.
    let looks_at = |rule: &Rule| -> Vec<String> {
        let written = rule.when.tests().into_iter().filter(|test| test.span.end > 0);
        written.map(|test| test.operand.to_string()).collect()
    };
    let deciding = rules().find(|rule| Some(&rule.name) == decision.rule());
    let mut looked_at = deciding.map(looks_at).unwrap_or_default();
    if looked_at.is_empty() {
        looked_at = rules().flat_map(looks_at).collect();
    }
    let inputs = told["inputs"].as_object().cloned().unwrap_or_default();
    let matter = inputs.into_iter().filter(|(name, _)| looked_at.contains(name));
    matter.take(TOLD_FACTS).collect()
}

fn notes(worker: &Worker, tally: &Tally, before: &Expected, after: &Expected) -> Vec<String> {
    let mut notes = Vec::new();
    let mut note = |text: String| notes.push(text);
    if tally.broken > 0
        && let Some((line, why)) = &tally.first_broken
    {
        note(format!("{} lines cannot be read; the first is line {line}: {why}", tally.broken));
    }
    for (name, count) in &tally.unknown {
        note(format!("the log has an attribute `{name}` that is not known here ({count} lines)"));
    }
    for (name, count) in &tally.unknown_models {
        note(format!(
            "`{name}` is not in the catalogue ({count} requests); `--config` says which one is meant"
        ));
    }
    for (asked, seen) in worker.headers.iter().zip(&tally.headers) {
        let own = asked.index.as_deref().is_some_and(|name| name.starts_with("x-pointsman-"));
        if !seen && !own && tally.lines > 0 {
            note(format!(
                "the draft looks at {asked}, and no line has it: headers are recorded where a \
                 policy that was loaded at the time names them"
            ));
        }
    }
    if tally.estimated > 0 {
        note(format!("the tokens of {} requests are estimated", tally.estimated));
    }
    let unchecked = before.unchecked + after.unchecked;
    if unchecked > 0 {
        note(
            "some checked steps have models whose answers the log never saw checked; they are \
             taken to pass"
                .to_owned(),
        );
    }
    note(
        "costs and times after the change are expected: the tokens are those of the answers that \
         were given, fallbacks and retries are left out"
            .to_owned(),
    );
    notes
}
