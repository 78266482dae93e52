//! What attempts came to: the log of a request, and an attempt as facts for `escalate when`.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use tokio::time::Instant;

use super::checks::{self, Verdicts};
use crate::catalog::ModelIdx;
use crate::dialect::answer::{Answer, Finish};
use crate::dialect::shape::Api;
use crate::dialect::{Loss, Request, UpstreamError, Usage, UsageSource};
use crate::error_class::ErrorClass;
use crate::facts::RequestFacts;
use crate::policy::models::duration;
use crate::policy::schema::{Attr, AttrRef, Subject};
use crate::policy::value::{Facts, Value};
use crate::units::NanoDollars;

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is under way.
    Running,
    /// Its answer was taken.
    Accepted,
    /// Its answer was not good enough for its step.
    Rejected,
    /// It failed.
    Failed,
    /// The stream broke off after its beginning had gone to the client.
    Broken,
    /// The client went away.
    Canceled,
    /// Another copy of the same request was faster.
    HedgedAway,
    /// The answer of a shadow: nobody sees it.
    Discarded,
    /// It was not made.
    Skipped,
}

impl Verdict {
    /// Its word in records.
    pub const fn name(self) -> &'static str {
        match self {
            Verdict::Running => "running",
            Verdict::Accepted => "accepted",
            Verdict::Rejected => "rejected",
            Verdict::Failed => "failed",
            Verdict::Broken => "broken",
            Verdict::Canceled => "canceled",
            Verdict::HedgedAway => "hedged_away",
            Verdict::Discarded => "discarded",
            Verdict::Skipped => "skipped",
        }
    }
}

/// How far an attempt came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Connecting and sending.
    Send,
    /// The answer's headers have come.
    Headers,
    /// The first content has come.
    FirstToken,
    /// The end has come.
    Terminal,
}

/// One attempt.
#[derive(Debug, Clone)]
pub struct AttemptRecord {
    /// Whom it asked.
    pub model: ModelIdx,
    /// In which step.
    pub step: Arc<str>,
    /// How many there were before it at the same model.
    pub retry: u32,
    /// Whether it is a copy that was sent because the attempt before it was slow.
    pub hedge: bool,
    /// How far it came.
    pub phase: Phase,
    /// How it ended.
    pub verdict: Verdict,
    /// The class of its error.
    pub error: Option<ErrorClass>,
    /// Words about its end, fit for operators; never shown to clients as they are.
    pub note: Option<String>,
    /// The HTTP status.
    pub status: Option<u16>,
    /// From the start of the attempt to the answer's headers.
    pub headers: Option<Duration>,
    /// To the first content.
    pub ttft: Option<Duration>,
    /// To the end.
    pub total: Option<Duration>,
    /// What it used.
    pub usage: Usage,
    /// How we know.
    pub usage_source: UsageSource,
    /// What it cost; `None` for an unpriced model.
    pub cost: Option<NanoDollars>,
    /// What its request had to leave out.
    pub losses: Vec<Loss>,
}

/// The attempts of one request, written down as they happen, so that they can be told even when
/// the client is gone.
#[derive(Debug, Default)]
pub struct Log(Mutex<Vec<AttemptRecord>>);

impl Log {
    /// The attempts so far.
    pub fn attempts(&self) -> Vec<AttemptRecord> {
        self.lock().clone()
    }

    /// How many were made.
    pub fn count(&self) -> usize {
        self.lock().iter().filter(|attempt| attempt.verdict != Verdict::Skipped).count()
    }

    /// What they cost together, as far as it is known.
    pub fn cost(&self) -> NanoDollars {
        self.lock().iter().filter_map(|attempt| attempt.cost).sum()
    }

    pub(super) fn begin(self: &Arc<Self>, model: ModelIdx, step: &Arc<str>, retry: u32) -> Record {
        let mut attempts = self.lock();
        attempts.push(AttemptRecord {
            model,
            step: step.clone(),
            retry,
            hedge: false,
            phase: Phase::Send,
            verdict: Verdict::Running,
            error: None,
            note: None,
            status: None,
            headers: None,
            ttft: None,
            total: None,
            usage: Usage::default(),
            usage_source: UsageSource::None,
            cost: Some(NanoDollars::ZERO),
            losses: Vec::new(),
        });
        Record { log: self.clone(), index: attempts.len() - 1, started: Instant::now(), ttft: None }
    }

    /// A copy of an attempt that is under way.
    pub(super) fn begin_copy(self: &Arc<Self>, model: ModelIdx, step: &Arc<str>) -> Record {
        let record = self.begin(model, step, 0);
        record.with(|attempt| attempt.hedge = true);
        record
    }

    pub(super) fn skipped(self: &Arc<Self>, model: ModelIdx, step: &Arc<str>, why: &str) {
        let record = self.begin(model, step, 0);
        record.with(|attempt| {
            attempt.verdict = Verdict::Skipped;
            attempt.note = Some(why.to_owned());
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<AttemptRecord>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The pen that writes one attempt's record. Dropped while the attempt runs, it writes that the
/// client went away.
#[derive(Debug)]
pub struct Record {
    log: Arc<Log>,
    index: usize,
    started: Instant,
    ttft: Option<Duration>,
}

impl Record {
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    pub(super) fn ttft(&self) -> Option<Duration> {
        self.ttft
    }

    pub(super) fn sent(&self, losses: &[Loss]) {
        self.with(|attempt| attempt.losses = losses.to_vec());
    }

    pub(super) fn headers(&self, status: u16) {
        let elapsed = self.elapsed();
        self.with(|attempt| {
            attempt.phase = Phase::Headers;
            attempt.status = Some(status);
            attempt.headers = Some(elapsed);
        });
    }

    pub(super) fn first_token(&mut self) {
        let elapsed = self.elapsed();
        self.ttft = Some(elapsed);
        self.with(|attempt| {
            attempt.phase = Phase::FirstToken;
            attempt.ttft = Some(elapsed);
        });
    }

    pub(super) fn fail(&self, error: &UpstreamError) {
        self.end(Verdict::Failed, |attempt| {
            attempt.error = Some(error.class);
            attempt.note = Some(format!("{}: {}", error.code, error.message));
            if error.status != 0 {
                attempt.status.get_or_insert(error.status);
            }
        });
    }

    pub(super) fn answered(&self, answer: &Answer, cost: Option<NanoDollars>, accepted: bool) {
        let verdict = if accepted { Verdict::Accepted } else { Verdict::Rejected };
        self.end(verdict, |attempt| {
            attempt.phase = Phase::Terminal;
            attempt.usage = answer.usage;
            attempt.usage_source = answer.usage_source;
            attempt.cost = cost;
        });
    }

    pub(super) fn hedged_away(&self, usage: Usage, cost: Option<NanoDollars>) {
        self.end(Verdict::HedgedAway, |attempt| {
            attempt.usage = usage;
            attempt.usage_source = UsageSource::Estimated;
            attempt.cost = cost;
        });
    }

    pub(super) fn discarded(&self, answer: &Answer, cost: Option<NanoDollars>) {
        self.answered(answer, cost, true);
        self.with(|attempt| attempt.verdict = Verdict::Discarded);
    }

    pub(super) fn broken(&self, error: &UpstreamError, answer: &Answer, cost: Option<NanoDollars>) {
        self.end(Verdict::Broken, |attempt| {
            attempt.error = Some(error.class);
            attempt.note = Some(format!("{}: {}", error.code, error.message));
            attempt.usage = answer.usage;
            attempt.usage_source = answer.usage_source;
            attempt.cost = cost;
        });
    }

    pub(super) fn canceled(&self, answer: &Answer, cost: Option<NanoDollars>) {
        self.end(Verdict::Canceled, |attempt| {
            attempt.error = Some(ErrorClass::Canceled);
            attempt.usage = answer.usage;
            attempt.usage_source = answer.usage_source;
            attempt.cost = cost;
        });
    }

    fn end(&self, verdict: Verdict, write: impl FnOnce(&mut AttemptRecord)) {
        let elapsed = self.elapsed();
        self.with(|attempt| {
            attempt.verdict = verdict;
            attempt.total = Some(elapsed);
            write(attempt);
        });
    }

    fn with(&self, write: impl FnOnce(&mut AttemptRecord)) {
        if let Some(attempt) = self.log.lock().get_mut(self.index) {
            write(attempt);
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let elapsed = self.elapsed();
        self.with(|attempt| {
            if attempt.verdict == Verdict::Running {
                attempt.verdict = Verdict::Canceled;
                attempt.error = Some(ErrorClass::Canceled);
                attempt.total = Some(elapsed);
            }
        });
    }
}

/// An attempt as `escalate when` sees it; what it does not know is asked of the request.
pub struct AttemptFacts<'a> {
    request: &'a RequestFacts,
    result: Result<(&'a Request, &'a Answer), &'a UpstreamError>,
    verdicts: OnceLock<Verdicts>,
    elapsed: Option<Duration>,
    cost: Option<NanoDollars>,
}

impl<'a> AttemptFacts<'a> {
    /// An attempt that gave an answer, or the beginning of one.
    pub fn answered(
        facts: &'a RequestFacts,
        request: &'a Request,
        answer: &'a Answer,
        elapsed: Duration,
    ) -> AttemptFacts<'a> {
        AttemptFacts {
            request: facts,
            result: Ok((request, answer)),
            verdicts: OnceLock::new(),
            elapsed: Some(elapsed),
            cost: None,
        }
    }

    /// An attempt that failed.
    pub fn failed(facts: &'a RequestFacts, error: &'a UpstreamError) -> AttemptFacts<'a> {
        AttemptFacts {
            request: facts,
            result: Err(error),
            verdicts: OnceLock::new(),
            elapsed: None,
            cost: None,
        }
    }

    /// With what it cost.
    pub fn with_cost(mut self, cost: Option<NanoDollars>) -> AttemptFacts<'a> {
        self.cost = cost;
        self
    }

    fn verdict(&self, pick: impl Fn(&Verdicts) -> bool) -> Value<'static> {
        let Ok((request, answer)) = self.result else { return Value::Bool(false) };
        Value::Bool(pick(self.verdicts.get_or_init(|| checks::judge(request, answer))))
    }

    fn of_answer(&self, ask: impl Fn(&Answer) -> bool) -> Value<'static> {
        Value::Bool(self.result.is_ok_and(|(_, answer)| ask(answer)))
    }
}

impl Facts for AttemptFacts<'_> {
    fn now(&self) -> Timestamp {
        self.request.now()
    }

    fn get(&self, attr: &AttrRef) -> Value<'_> {
        if attr.attr.def().subject != Subject::Attempt {
            return self.request.get(attr);
        }
        let error = self.result.err();
        let choice = self.result.ok().and_then(|(_, answer)| answer.primary());
        let float = |float: Option<f64>| float.map_or(Value::Absent, Value::Float);
        match attr.attr {
            Attr::Failed => Value::Bool(error.is_some()),
            Attr::Error => error.map_or(Value::Absent, |error| Value::Str(error.class.name())),
            Attr::TimedOut => {
                Value::Bool(error.is_some_and(|error| error.class == ErrorClass::Timeout))
            }
            Attr::Refused => match error {
                Some(error) => Value::Bool(error.class == ErrorClass::ContentFiltered),
                None => self.of_answer(checks::refused),
            },
            Attr::Truncated => {
                Value::Bool(choice.is_some_and(|choice| choice.finish == Some(Finish::Length)))
            }
            // Vectors are no text, and yet something.
            Attr::Empty if self.request.inputs().request.shape().api == Api::Embeddings => {
                Value::Bool(false)
            }
            Attr::Empty => self.of_answer(checks::empty),
            Attr::InvalidJson => self.verdict(|verdicts| verdicts.invalid_json),
            Attr::SchemaViolation => self.verdict(|verdicts| verdicts.schema_violation),
            Attr::ToolCallMissing => self.verdict(|verdicts| verdicts.tool_call_missing),
            Attr::ToolCallInvalid => self.verdict(|verdicts| verdicts.tool_call_invalid),
            Attr::LogprobMean => float(choice.and_then(|choice| choice.logprobs.mean())),
            Attr::LogprobMin => float(choice.and_then(|choice| choice.logprobs.min())),
            Attr::ResponseTokens => {
                let tokens = self.result.map_or(0, |(_, answer)| answer.usage.completion().0);
                Value::Int(i64::try_from(tokens).unwrap_or(i64::MAX))
            }
            Attr::AttemptCost => self.cost.map_or(Value::Int(0), |cost| {
                Value::Int(i64::try_from(cost.0).unwrap_or(i64::MAX))
            }),
            Attr::AttemptLatency => duration(self.elapsed),
            _ => Value::Absent,
        }
    }
}
