//! Carrying out a plan: the one place where a decision meets the network.
//!
//! [`run`] is the one attempt loop, for streams and for whole answers. Up to the commit point (the
//! first byte for the client) every attempt can be thrown away and another made; behind it,
//! [`forward::Forward`] can only end honestly.

mod attempt;
mod checks;
mod count;
mod edits;
mod endpoints;
pub mod forward;
pub mod health;
mod outcome;
mod spending;
mod thoughts;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use tokio::time::Instant;

pub use count::count;
pub use endpoints::{Clients, Endpoints};
pub use forward::Forward;
pub use health::Health;
pub use outcome::{AttemptRecord, Log, Verdict};
pub use thoughts::Thoughts;

use crate::catalog::{Catalog, ModelIdx};
use crate::dialect::conversation::Conversation;
use crate::dialect::passage::Inexpressible;
use crate::dialect::{Answer, Passage, Request, UpstreamError, Usage};
use crate::error_class::{ErrorClass, ErrorSet};
use crate::facts::RequestFacts;
use crate::policy::plan::{DEFAULT_TOTAL, MOST_CANDIDATES, Plan, Step};
use crate::policy::program::{OnLossy, Retry, Timeouts};
use crate::provider::{Extra, Provider};
use attempt::{Attempt, Opened, OpenedContent};
use outcome::AttemptFacts;
use spending::Purse;

/// One request with its plan.
pub struct Job {
    /// What to do.
    pub plan: Plan,
    /// The request as the client sent it.
    pub request: Arc<Request>,
    /// Its facts; conditions on attempts may ask for them.
    pub facts: Arc<RequestFacts>,
    /// The models that the plan speaks of.
    pub catalog: Arc<Catalog>,
    /// The providers.
    pub endpoints: Arc<Endpoints>,
    /// How the models are doing.
    pub health: Arc<Health>,
    /// The clocks that hold where the policy says nothing.
    pub clocks: Timeouts,
    /// What is tried, written down as it happens.
    pub log: Arc<Log>,
    /// What models thought before they called the tools whose results come in now.
    pub thoughts: Thoughts,
}

/// What goes up with a request besides its body.
fn extra(facts: &RequestFacts) -> Extra<'_> {
    Extra { headers: &facts.inputs().headers, id: facts.id() }
}

/// Why this answer and no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Served {
    /// By whom the plan named first.
    AsPlanned,
    /// By a later candidate or a fallback, after errors.
    Fallback,
    /// By a higher step of the ladder.
    Escalated,
}

/// An answer for the client.
pub struct Delivery {
    /// Who answered.
    pub model: ModelIdx,
    /// Why that one.
    pub served: Served,
    /// The provider's headers that may go to the client.
    pub headers: HeaderMap,
    /// What the request had to leave out there.
    pub losses: Vec<crate::dialect::Loss>,
    /// Its step did not take it, and nothing better came: good enough for this client, not to be
    /// kept for others.
    pub rejected: bool,
    /// The answer itself.
    pub content: Content,
}

/// A whole answer, or a stream from the commit point on.
pub enum Content {
    /// Complete.
    Whole {
        /// What the provider sent.
        body: Bytes,
        /// What it used.
        usage: Usage,
    },
    /// Under way.
    Stream(Box<Forward>),
}

/// No answer.
#[derive(Debug)]
pub struct Failure {
    /// The last error.
    pub error: UpstreamError,
    /// Who gave it; `None` if nobody was asked.
    pub model: Option<ModelIdx>,
}

/// Carries out a plan until there is something for the client.
///
/// # Errors
/// When every attempt that the plan allows has failed. Dropping the future cancels what is under
/// way.
pub async fn run(job: Job) -> Result<Delivery, Failure> {
    let total = job.plan.settings.timeouts.or(job.clocks).total.unwrap_or(DEFAULT_TOTAL);
    let total = job.plan.deadline.map_or(total, |deadline| deadline.min(total));
    let climb = Climb {
        deadline: Instant::now() + total,
        purse: Purse::new(job.plan.max_cost),
        job: &job,
        best: None,
        last_error: None,
    };
    climb.run().await
}

/// The state of carrying out one plan.
struct Climb<'a> {
    job: &'a Job,
    deadline: Instant,
    purse: Purse,
    /// The best answer that was rejected: better than none if the climb has to stop.
    best: Option<Delivery>,
    last_error: Option<Failure>,
}

/// What came of one model.
enum Tried {
    /// An answer that is taken.
    Accepted(Box<Delivery>),
    /// An answer that the step's condition rejects; without one if only its beginning was read.
    Rejected(Option<Box<Delivery>>),
    /// An error.
    Failed(UpstreamError),
    /// It was not asked: the request cannot be put into words that it understands.
    Unfit(UpstreamError),
    /// It was not asked: the money or the time that is left does not suffice.
    Skipped,
}

/// What came of one step.
enum Stepped {
    /// The client gets this.
    Delivered(Box<Delivery>),
    /// The next step is to try.
    Climb,
    /// No other step may try.
    Stop,
}

impl Climb<'_> {
    async fn run(mut self) -> Result<Delivery, Failure> {
        for (position, step) in self.job.plan.steps.iter().enumerate() {
            match self.step(step, position).await {
                Stepped::Delivered(delivery) => return Ok(*delivery),
                Stepped::Climb if !self.out_of_time() => {}
                Stepped::Climb | Stepped::Stop => break,
            }
        }
        if let Some(best) = self.best {
            return Ok(best);
        }
        Err(self
            .last_error
            .unwrap_or_else(|| Failure { error: nobody_asked(&self.job.plan), model: None }))
    }

    /// One step: its candidates in order, then the fallback.
    async fn step(&mut self, step: &Step, position: usize) -> Stepped {
        let plan = &self.job.plan;
        let (fallback, fallback_on) = match &plan.fallback {
            Some((models, on)) => (models.as_slice(), *on),
            None => (&[][..], ErrorSet::NONE),
        };
        let candidates = step.candidates.iter().take(MOST_CANDIDATES);
        let candidates = candidates.map(|model| (*model, false));
        let candidates = candidates.chain(fallback.iter().map(|model| (*model, true)));
        let mut error: Option<UpstreamError> = None;
        let mut unfit = false;
        for (model, is_fallback) in candidates {
            let may_follow = match (&error, is_fallback) {
                (None, false) => true,
                // All candidates were too dear, or cannot be told what is asked: a fallback may be
                // cheaper or more versatile.
                (None, true) => self.purse.refused_any() || unfit,
                (Some(error), false) => ErrorSet::DEFAULT_FALLBACK.contains(error.class),
                (Some(error), true) => fallback_on.contains(error.class),
            };
            if !may_follow || self.out_of_time() {
                continue;
            }
            let instead = is_fallback || error.is_some() || step.passed_over;
            let served = match (position, instead) {
                (_, true) => Served::Fallback,
                (0, false) => Served::AsPlanned,
                (_, false) => Served::Escalated,
            };
            match self.model(step, model, served).await {
                Tried::Accepted(delivery) => return Stepped::Delivered(delivery),
                Tried::Rejected(delivery) => {
                    self.best = delivery.map(|delivery| *delivery).or(self.best.take());
                    return Stepped::Climb;
                }
                Tried::Failed(failed) => {
                    self.last_error = Some(Failure { error: failed.clone(), model: Some(model) });
                    error = Some(failed);
                }
                Tried::Unfit(failed) => {
                    self.last_error.get_or_insert(Failure { error: failed, model: Some(model) });
                    unfit = true;
                }
                Tried::Skipped => {}
            }
        }
        // Whether a failure climbs is for the step to say; without a word it does not.
        let climbs = match (&step.escalate, &error) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(cond), Some(error)) => cond.holds(&AttemptFacts::failed(&self.job.facts, error)),
        };
        if climbs { Stepped::Climb } else { Stepped::Stop }
    }

    fn out_of_time(&self) -> bool {
        Instant::now() >= self.deadline
    }

    /// One model, with its retries.
    async fn model(&mut self, step: &Step, model: ModelIdx, served: Served) -> Tried {
        let retry = step.settings.retry;
        let (mut tries, mut switches) = (0, 0);
        let provider = &self.job.catalog.models()[model.index()].provider;
        let Some(endpoint) = self.job.endpoints.endpoint(provider) else { return Tried::Skipped };
        loop {
            let (key, provider) = endpoint.pick();
            let outcome = self.attempt(step, model, provider, served, tries).await;
            let Tried::Failed(error) = &outcome else { return outcome };
            if let Some(aside) = keys_fault(error)
                && endpoint.put_aside(key, aside)
                && switches < endpoint.other_keys()
                && !self.out_of_time()
            {
                // Another key is no retry: what the policy allows of those is still to come.
                switches += 1;
                continue;
            }
            let Some(wait) = self.wait_before_retry(retry, tries, error, model) else {
                return outcome;
            };
            tokio::time::sleep(wait).await;
            tries += 1;
        }
    }

    /// How long to wait before the same model is asked again; `None` if it is not.
    fn wait_before_retry(
        &self,
        retry: Option<Retry>,
        tries: u32,
        error: &UpstreamError,
        model: ModelIdx,
    ) -> Option<Duration> {
        let retry = retry.filter(|retry| tries < retry.times && retry.on.contains(error.class))?;
        let ceiling = retry.first_wait.saturating_mul(1 << tries.min(16)).min(retry.longest_wait);
        // Full jitter: clients that failed together must not come back together.
        let jittered = ceiling.mul_f64(fastrand::f64());
        let wait = match error.retry_after {
            // The provider asks for more patience than the policy has.
            Some(asked) if asked > retry.longest_wait.max(ceiling) => return None,
            Some(asked) => asked.max(jittered),
            None => jittered,
        };
        let in_time = Instant::now() + wait < self.deadline;
        (in_time && self.job.health.may_retry(model)).then_some(wait)
    }

    async fn attempt(
        &mut self,
        step: &Step,
        model: ModelIdx,
        provider: &Provider,
        served: Served,
        tries: u32,
    ) -> Tried {
        let job = self.job;
        let described = &job.catalog.models()[model.index()];
        let images = job.facts.inputs().request.shape().images;
        if !self.purse.affords(described, &job.facts, &job.plan.settings) {
            job.log.skipped(model, &step.name, "the allowance for this request does not cover it");
            return Tried::Skipped;
        }
        if self.out_of_time() {
            return Tried::Failed(timed_out("the request's time is used up"));
        }
        let spoken = provider.speaks(&described.upstream_name);
        let Some(passage) = Passage::of(job.request.dialect(), spoken) else {
            let why = "its provider has no such endpoint";
            job.log.skipped(model, &step.name, why);
            return Tried::Unfit(Inexpressible::new(format!("{}: {why}", described.id)).into());
        };
        let probabilities =
            step.escalate.as_ref().is_some_and(|cond| edits::asks_for_probabilities(cond));
        let shape = job.request.shape();
        let edits = edits::edits(described, &step.settings, shape, probabilities);
        let restore = |conversation: &mut Conversation<'_>| {
            job.thoughts.restore(&job.facts.inputs().caller.tenant, conversation);
        };
        let encoded = passage.encode(&job.request, &edits, provider.quirks(), restore);
        let encoded = match encoded.map_err(|error| (error, OnLossy::Next)).and_then(|encoded| {
            let on_lossy = step.settings.on_lossy.unwrap_or(OnLossy::Allow);
            match encoded.losses.iter().find(|loss| loss.is_real()) {
                Some(loss) if on_lossy != OnLossy::Allow => {
                    let what =
                        format!("{} cannot be told `{}`: {}", described.id, loss.param, loss.note);
                    Err((Inexpressible::new(what), on_lossy))
                }
                _ => Ok(encoded),
            }
        }) {
            Ok(encoded) => encoded,
            Err((error, on_lossy)) => {
                job.log.skipped(model, &step.name, &error.what);
                return match on_lossy {
                    OnLossy::Reject => Tried::Failed(error.into()),
                    _ => Tried::Unfit(error.into()),
                };
            }
        };
        let mut record = job.log.begin(model, &step.name, tries);
        let attempt = Attempt {
            job,
            step,
            described,
            provider,
            passage,
            encoded,
            strip_logprobs: edits.logprobs && passage.is_direct(),
            deadline: self.deadline,
            held: step.escalate.is_some() || job.plan.steps.len() == 1,
        };
        let in_flight = job.health.begin(model);
        let opened = match attempt.run(&mut record).await {
            Ok(opened) => opened,
            Err(error) => {
                record.fail(&error);
                in_flight.failed(&error);
                return Tried::Failed(error);
            }
        };
        let Opened { headers, losses, content, checked } = opened;
        let cost_of = |answer: &Answer| spending::cost_of(described, &answer.usage, images);
        let rejected = match (&step.escalate, checked) {
            (Some(cond), Some(answer)) => {
                let answer = spending::with_usage(answer, &job.facts);
                let facts =
                    AttemptFacts::answered(&job.facts, &job.request, &answer, record.elapsed());
                cond.holds(&facts.with_cost(cost_of(&answer)))
            }
            _ => false,
        };
        let content = match content {
            OpenedContent::Whole { body, answer } => {
                let answer = spending::with_usage(*answer, &job.facts);
                let cost = cost_of(&answer);
                self.purse.spend(cost);
                if !passage.is_direct() {
                    job.thoughts.keep(&job.facts.inputs().caller.tenant, &answer);
                }
                record.answered(&answer, cost, !rejected);
                in_flight.answered(record.ttft(), record.elapsed());
                Content::Whole { body, usage: answer.usage }
            }
            OpenedContent::Stream(mut forward) => {
                if rejected {
                    let answer = spending::with_usage(forward.answer().clone(), &job.facts);
                    let cost = cost_of(&answer);
                    self.purse.spend(cost);
                    if !forward.is_complete() {
                        // What comes behind a rejected beginning is not waited for: dropping the
                        // stream cancels it, and what came until here is counted.
                        record.answered(&answer, cost, false);
                        in_flight.answered(record.ttft(), record.elapsed());
                        return Tried::Rejected(None);
                    }
                }
                let prices = described.prices.clone();
                let facts = job.facts.clone();
                let thoughts = job.thoughts.clone();
                let settlement = forward::Settlement { record, in_flight, prices, facts, thoughts };
                forward.settle_with(settlement, rejected);
                Content::Stream(forward)
            }
        };
        let delivery = Box::new(Delivery { model, served, headers, losses, rejected, content });
        if rejected { Tried::Rejected(Some(delivery)) } else { Tried::Accepted(delivery) }
    }
}

/// For how long an error puts the key aside that was used; `None` if it is not about the key.
fn keys_fault(error: &UpstreamError) -> Option<Duration> {
    match error.class {
        ErrorClass::Auth | ErrorClass::QuotaExhausted => Some(Duration::from_secs(60)),
        ErrorClass::RateLimited => Some(error.retry_after.unwrap_or(Duration::from_secs(1))),
        _ => None,
    }
}

/// An error for a clock that ran out.
fn timed_out(what: &str) -> UpstreamError {
    UpstreamError {
        class: ErrorClass::Timeout,
        status: 504,
        code: "timeout".into(),
        message: what.into(),
        retry_after: None,
        param: None,
    }
}

fn nobody_asked(plan: &Plan) -> UpstreamError {
    let message = match plan.max_cost {
        Some(most) => format!("no model could be asked for the ${most} that this request may cost"),
        None => "no model could be asked".into(),
    };
    UpstreamError {
        class: ErrorClass::QuotaExhausted,
        status: 402,
        code: "cap_exceeded".into(),
        message,
        retry_after: None,
        param: None,
    }
}
