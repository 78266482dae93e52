//! Carrying out a plan: the one place where a decision meets the network.
//!
//! [`run`] makes the attempts, for streams and for whole answers; which one is next is for the plan's
//! [`Course`] to say. Up to the commit point (the first byte for the client) every attempt can be
//! thrown away and another made; behind it, [`forward::Forward`] can only end honestly.

pub mod affinity;
mod attempt;
mod checks;
mod count;
mod edits;
mod endpoints;
pub mod forward;
pub mod health;
mod hedge;
mod outcome;
mod reading;
pub mod shadow;
mod spending;
mod thoughts;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use tokio::time::Instant;

pub use affinity::Affinities;
pub use count::count;
pub use endpoints::{Clients, Endpoints};
pub use forward::Forward;
pub use health::Health;
pub use outcome::{AttemptRecord, Log, Verdict};
pub use shadow::Shadows;
pub use thoughts::Thoughts;

use crate::catalog::{Catalog, Model, ModelIdx};
use crate::dialect::{Answer, Request, UpstreamError, Usage};
use crate::error_class::ErrorClass;
use crate::facts::RequestFacts;
use crate::policy::cond::Cond;
use crate::policy::course::{
    self, Course, DEFAULT_TOTAL, Ending, Failing, Next, Served, Turn, Ways,
};
use crate::policy::plan::{Affinity, Plan, Step};
use crate::policy::program::Timeouts;
use crate::provider::{Extra, Provider};
use affinity::Stay;
use attempt::{Attempt, Opened, OpenedContent, Unfit};
use endpoints::Endpoint;
use hedge::Sent;
use outcome::AttemptFacts;
use spending::Purse;

/// One request with its plan.
#[derive(Clone)]
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
    /// Who answered whom, for `sticky`.
    pub affinities: Affinities,
}

impl Job {
    fn stay(&self, sticky: &Affinity, model: &Model) -> Stay {
        Stay {
            affinities: self.affinities.clone(),
            tenant: self.facts.inputs().caller.tenant.clone(),
            key: sticky.key,
            ttl: sticky.ttl,
            model: model.id.clone(),
        }
    }
}

/// What goes up with a request besides its body.
fn extra(facts: &RequestFacts) -> Extra<'_> {
    Extra { headers: &facts.inputs().headers, id: facts.id() }
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
    let mut climb = Climb {
        deadline: Instant::now() + total,
        purse: Purse::new(job.plan.max_cost),
        job: &job,
        key: 0,
    };
    let mut course = Course::of(&job.plan);
    let mut next = course.start(&mut climb);
    loop {
        next = match next {
            Next::Ask(turn) => {
                tokio::time::sleep(turn.wait).await;
                let tried = climb.turn(&turn).await;
                course.follow(tried, &mut climb)
            }
            Next::End(Ending::Accepted(delivery) | Ending::Rejected(delivery)) => {
                return Ok(*delivery);
            }
            Next::End(Ending::Failed(error, model)) => {
                return Err(Failure { error, model: Some(model) });
            }
            Next::End(Ending::NobodyAsked) => {
                return Err(Failure { error: nobody_asked(&job.plan), model: None });
            }
        };
    }
}

/// What carrying out one plan needs besides its course: time, money and keys.
struct Climb<'a> {
    job: &'a Job,
    deadline: Instant,
    purse: Purse,
    /// The number of the key that was used last.
    key: usize,
}

/// What came of one model.
type Tried = course::Tried<Box<Delivery>, UpstreamError>;

impl Failing for UpstreamError {
    fn class(&self) -> ErrorClass {
        self.class
    }
    fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl Ways<UpstreamError> for Climb<'_> {
    fn out_of_time(&self) -> bool {
        Instant::now() >= self.deadline
    }

    fn another_key(&mut self, turn: &Turn<'_>, error: &UpstreamError) -> bool {
        let Some(endpoint) = self.endpoint(turn.model) else { return false };
        keys_fault(error).is_some_and(|aside| endpoint.put_aside(self.key, aside))
            && turn.switches < endpoint.other_keys()
            && !self.out_of_time()
    }

    fn wait(
        &mut self,
        turn: &Turn<'_>,
        ceiling: Duration,
        asked: Option<Duration>,
    ) -> Option<Duration> {
        // Full jitter: clients that failed together must not come back together.
        let jittered = ceiling.mul_f64(fastrand::f64());
        let wait = asked.map_or(jittered, |asked| asked.max(jittered));
        let in_time = Instant::now() + wait < self.deadline;
        (in_time && self.job.health.may_retry(turn.model)).then_some(wait)
    }

    fn escalates(&mut self, cond: &Cond, error: &UpstreamError) -> bool {
        cond.holds(&AttemptFacts::failed(&self.job.facts, error))
    }
}

impl<'a> Climb<'a> {
    fn endpoint(&self, model: ModelIdx) -> Option<&'a Endpoint> {
        let provider = &self.job.catalog.models()[model.index()].provider;
        self.job.endpoints.endpoint(provider)
    }

    async fn turn(&mut self, turn: &Turn<'_>) -> Tried {
        let Some(endpoint) = self.endpoint(turn.model) else { return Tried::Gone };
        let (key, provider) = endpoint.pick();
        self.key = key;
        self.attempt(turn.step, turn.model, provider, turn.served, turn.retries).await
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
        let images = job.request.shape().images;
        let described = &job.catalog.models()[model.index()];
        if !self.purse.affords(described, &job.facts, &job.plan.settings) {
            job.log.skipped(model, &step.name, "the allowance for this request does not cover it");
            return Tried::TooDear;
        }
        if self.out_of_time() {
            return Tried::Failed(timed_out("the request's time is used up"));
        }
        let stream = job.request.shape().stream;
        let prepared = Attempt::prepare(job, step, model, provider, stream, self.deadline);
        let attempt = match prepared {
            Ok(attempt) => attempt,
            Err(Unfit { error, refuses: true }) => return Tried::Failed(error),
            Err(Unfit { error, refuses: false }) => return Tried::Unfit(error),
        };
        let first = Sent::first(attempt, model, tries);
        let (sent, begun) = match hedge::begin(first, &mut self.purse).await {
            Ok(begun) => begun,
            Err(error) => return Tried::Failed(error),
        };
        let served = if sent.is_copy() { Served::Hedged } else { served };
        let Sent { model, attempt, mut record, in_flight, .. } = sent;
        let Attempt { described, passage, .. } = attempt;
        let opened = match attempt.open(begun, &mut record).await {
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
        let stay = step.sticky.as_deref().map(|sticky| job.stay(sticky, described));
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
                if let Some(stay) = stay.filter(|_| !rejected) {
                    stay.remember();
                }
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
                let settlement =
                    forward::Settlement { record, in_flight, prices, facts, thoughts, stay };
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
