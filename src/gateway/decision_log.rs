//! The decision log: a line for every decided request, written by a thread of its own.
//!
//! A request hands over what it knows and goes on. What has to be worked out for the line, such as
//! facts that nobody asked for, is worked out by the writer. Where it cannot keep up, lines are lost
//! and counted; no request ever waits.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use http::HeaderMap;

use super::decisions::Decided;
use super::headers;
use super::world::World;
use crate::catalog::live::ModelLive;
use crate::catalog::{Catalog, Live, ModelIdx};
use crate::dialect::UsageSource;
use crate::dispatch::AttemptRecord;
use crate::facts::RequestFacts;
use crate::ids::{ModelId, RequestId};
use crate::policy::plan::{Decision, Plan, PlanReason};
use crate::policy::schema::Attr;
use crate::replay::facts::RecordedFacts;
use crate::replay::line::{
    Attempt, Decided as DecidedLine, Ended, Kind, Line, LiveBits, ModelBits, Remembered, Step,
    Text, shared,
};
use crate::telemetry::redact;

/// How many requests may wait to be written.
const WAITING: usize = 8_192;
/// And how many bytes their bodies may have together: they are kept until then.
const WAITING_BYTES: usize = 128 << 20;

/// Headers whose value is a credential. They are never written, whoever names them.
const CREDENTIALS: &[&str] = &[
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "x-amz-security-token",
];

/// A request that has ended.
pub struct Finished {
    /// Its id.
    pub id: RequestId,
    /// The world it lived in.
    pub world: Arc<World>,
    /// What could be looked at.
    pub facts: Arc<RequestFacts>,
    /// How the models were doing when it was decided.
    pub live: Arc<Live>,
    /// Its turn.
    pub turn: u64,
    /// What was decided.
    pub decided: Arc<Decided>,
    /// The status it was answered with.
    pub status: u16,
    /// Who answered.
    pub model: Option<ModelId>,
    /// Whether the cache did.
    pub cached: bool,
    /// How long it took.
    pub took: Duration,
}

enum Message {
    Finished(Box<Finished>),
    /// Write all that came before, then say so.
    Flush(SyncSender<()>),
}

/// Where finished requests are handed over.
#[derive(Debug)]
pub struct DecisionLog {
    sender: SyncSender<Message>,
    /// The bytes of the bodies that wait.
    waiting: Arc<AtomicUsize>,
}

impl DecisionLog {
    /// Opens the file, to append to it, and starts the writer.
    ///
    /// # Errors
    /// When the file cannot be opened or the thread not be started.
    pub fn open(path: &Path) -> io::Result<DecisionLog> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let (sender, receiver) = sync_channel(WAITING);
        let waiting = Arc::new(AtomicUsize::new(0));
        let writer = Writer { out: BufWriter::new(file), waiting: waiting.clone(), failed: false };
        std::thread::Builder::new()
            .name("decision-log".into())
            .spawn(move || writer.run(&receiver))?;
        Ok(DecisionLog { sender, waiting })
    }

    /// Hands a request over; whether there was room for it.
    #[must_use]
    pub fn write(&self, finished: Finished) -> bool {
        let bytes = finished.facts.inputs().request.body().len();
        if self.waiting.fetch_add(bytes, Ordering::Relaxed) > WAITING_BYTES
            || self.sender.try_send(Message::Finished(Box::new(finished))).is_err()
        {
            self.waiting.fetch_sub(bytes, Ordering::Relaxed);
            return false;
        }
        true
    }

    /// Waits until everything that was handed over is in the file, or until the time is up.
    pub fn flush(&self, patience: Duration) {
        let (done, wait) = sync_channel(1);
        if self.sender.try_send(Message::Flush(done)).is_ok() {
            // A writer that is gone or too slow is nothing that waiting could help.
            let _ = wait.recv_timeout(patience);
        }
    }
}

struct Writer {
    out: BufWriter<File>,
    waiting: Arc<AtomicUsize>,
    /// Whether the last line could not be written; said once, not a thousand times.
    failed: bool,
}

impl Writer {
    fn run(mut self, receiver: &Receiver<Message>) {
        while let Ok(first) = receiver.recv() {
            self.take(first);
            // What has piled up goes out together.
            while let Ok(next) = receiver.try_recv() {
                self.take(next);
            }
            let flushed = self.out.flush();
            self.note(flushed);
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Finished(finished) => {
                let written = write_line(&finished, &mut self.out);
                self.note(written);
                let bytes = finished.facts.inputs().request.body().len();
                self.waiting.fetch_sub(bytes, Ordering::Relaxed);
            }
            Message::Flush(done) => {
                let flushed = self.out.flush();
                self.note(flushed);
                // Whoever waited may have given up.
                let _ = done.try_send(());
            }
        }
    }

    fn note(&mut self, result: io::Result<()>) {
        if let Err(error) = &result
            && !self.failed
        {
            tracing::error!("the decision log cannot be written: {error}");
        }
        self.failed = result.is_err();
    }
}

fn write_line(finished: &Finished, out: &mut impl Write) -> io::Result<()> {
    let Finished { world, facts, decided, .. } = finished;
    let inputs = facts.inputs();
    let (id, catalog) = (finished.id.to_string(), &world.catalog);
    let policy = format!("{}@{}", decided.program.name, decided.program.generation);
    let (arm, attempts) = (arm(&decided.decision), decided.log.attempts());
    let line = Line {
        id: Text::from(&*id),
        at: decided.at,
        policy: Text::from(&*policy),
        facts: RecordedFacts::of(&**facts, indexed(world, facts)),
        providers: world.endpoints.ids().map(|id| Text::from(id.as_str())).collect(),
        key_models: inputs.caller.models.iter().map(|glob| Text::from(glob.as_str())).collect(),
        turn: finished.turn,
        live: live_bits(&finished.live, catalog),
        decision: decision(&decided.decision, arm.as_deref(), catalog),
        result: Ended {
            status: finished.status,
            model: finished.model.as_ref().map(|model| Text::from(model.as_str())),
            cached: finished.cached,
            ms: millis(finished.took),
            cost_nano: decided.log.cost().0,
            attempts: attempts.iter().map(|it| attempt(it, catalog)).collect(),
        },
    };
    serde_json::to_writer(&mut *out, &line)?;
    out.write_all(b"\n")
}

/// Headers, tags, and fields of the key's `meta`.
fn indexed<'a>(world: &'a World, facts: &'a RequestFacts) -> Vec<(Attr, Text<'a>, Text<'a>)> {
    let inputs = facts.inputs();
    let mut found = Vec::new();
    let mut add = |attr, name: &'a str, value: &'a str| {
        found.push((attr, Text::from(name), Text(redact(value))));
    };
    for (name, value) in told(&inputs.headers, &world.named_headers) {
        add(Attr::Header, name, value);
    }
    for tags in inputs.headers.get_all("x-pointsman-tags") {
        let tags = tags.to_str().unwrap_or_default().split(',');
        for (name, value) in tags.filter_map(|tag| tag.split_once('=')) {
            add(Attr::Tag, name.trim(), value.trim());
        }
    }
    for (name, value) in &inputs.caller.meta {
        add(Attr::KeyMeta, name, value);
    }
    found
}

/// Our own headers and those that a policy names; the first value of each, as policies see it.
fn told<'a>(
    headers: &'a HeaderMap,
    named: &'a [Arc<str>],
) -> impl Iterator<Item = (&'a str, &'a str)> {
    let is_told = |name: &str| {
        (name.starts_with(headers::PREFIX) || named.iter().any(|it| **it == *name))
            && !CREDENTIALS.contains(&name)
    };
    let names = headers.keys().filter(move |name| is_told(name.as_str()));
    names.filter_map(|name| Some((name.as_str(), headers.get(name)?.to_str().ok()?.trim())))
}

fn live_bits<'a>(live: &Live, catalog: &'a Catalog) -> LiveBits<'a> {
    let models = live.models.iter().zip(catalog.models());
    let differing = models.filter(|(live, _)| **live != ModelLive::FRESH);
    let both = |of: crate::catalog::live::Percentiles| {
        Some((of.p50?.as_nanos() as u64, of.p95?.as_nanos() as u64))
    };
    LiveBits {
        inflight: live.router_inflight,
        queue: live.router_queue,
        degraded: live.degraded,
        models: differing
            .map(|(live, model)| ModelBits {
                id: Text::from(model.id.as_str()),
                out: !live.available,
                ttft_ns: both(live.ttft),
                latency_ns: both(live.latency),
                error_rate_bp: live.error_rate.0,
                inflight: live.inflight,
            })
            .collect(),
    }
}

fn arm(decision: &Decision) -> Option<String> {
    let Decision::Plan(Plan { arm: Some(arm), .. }) = decision else { return None };
    Some(format!("{}/{}", arm.split, arm.arm))
}

fn decision<'a>(
    decision: &'a Decision,
    arm: Option<&'a str>,
    catalog: &'a Catalog,
) -> DecidedLine<'a> {
    let plan = match decision {
        Decision::Plan(plan) => Some(plan),
        _ => None,
    };
    DecidedLine {
        outcome: Kind::of(decision),
        route: decision.rule().map(shared),
        reason: plan.map(|plan| {
            Text::from(match plan.reason {
                PlanReason::Matched => "matched",
                PlanReason::Requested => "requested",
                PlanReason::Degraded => "degraded",
                PlanReason::Arm => "arm",
            })
        }),
        arm: arm.map(Text::from),
        steps: plan
            .iter()
            .flat_map(|plan| &plan.steps)
            .map(|step| Step {
                name: shared(&step.name),
                models: step.candidates.iter().map(|model| name(*model, catalog)).collect(),
                checked: step.escalate.is_some(),
                remembered: step.sticky.as_ref().and_then(|sticky| {
                    let model = name(sticky.remembered?, catalog);
                    Some(Remembered { key: Text::from(sticky.key.to_string()), model })
                }),
            })
            .collect(),
        max_cost_nano: plan.and_then(|plan| plan.max_cost).map(|cost| cost.0),
    }
}

fn attempt<'a>(attempt: &'a AttemptRecord, catalog: &'a Catalog) -> Attempt<'a> {
    Attempt {
        model: name(attempt.model, catalog),
        step: shared(&attempt.step),
        retry: attempt.retry,
        verdict: Text::from(attempt.verdict.name()),
        error: attempt.error.map(|error| Text::from(error.name())),
        status: attempt.status,
        ttft_ms: attempt.ttft.map(millis),
        ms: attempt.total.map(millis),
        cost_nano: attempt.cost.map(|cost| cost.0),
        usage: (attempt.usage_source != UsageSource::None).then_some(attempt.usage),
    }
}

fn name(model: ModelIdx, catalog: &Catalog) -> Text<'_> {
    Text::from(catalog.models().get(model.index()).map_or("", |model| model.id.as_str()))
}

fn millis(time: Duration) -> f64 {
    time.as_micros() as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn only_named_headers_and_our_own_are_told_and_never_a_credential() {
        let mut headers = HeaderMap::new();
        for name in
            ["authorization", "x-team", "x-other", "x-pointsman-tier", "cookie", "x-api-key"]
        {
            headers.insert(name, HeaderValue::from_static("value"));
        }
        let named: Vec<Arc<str>> = ["authorization", "x-team", "x-api-key"].map(Arc::from).to_vec();
        let mut told: Vec<_> = told(&headers, &named).map(|(name, _)| name).collect();
        told.sort_unstable();
        assert_eq!(told, ["x-pointsman-tier", "x-team"]);
    }
}
