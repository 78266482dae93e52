//! One attempt: from sending to something that can be checked, with every clock running.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, header};
use tokio::time::Instant;

use super::forward::{Forward, Tail, read_out};
use super::outcome::Record;
use super::reading::Reading;
use super::{Job, edits, timed_out};
use crate::catalog::{Model, ModelIdx};
use crate::dialect::conversation::Conversation;
use crate::dialect::object::without_logprobs;
use crate::dialect::passage::{self, Context, Inexpressible, Passage};
use crate::dialect::{Answer, Encoded, Event, Loss, Stream, UpstreamError};
use crate::error_class::ErrorClass;
use crate::policy::course::{DEFAULT_HEADERS_WHOLE, DEFAULT_TTFT};
use crate::policy::plan::Step;
use crate::policy::program::{Hold, OnLossy};
use crate::provider::{Call, Provider, Response, TransportError};

const DEFAULT_HEADERS_STREAM: Duration = Duration::from_secs(30);
const DEFAULT_IDLE: Duration = Duration::from_secs(60);
/// More than any provider's longest answer.
const MOST_ANSWER_BYTES: usize = 64 << 20;
/// An error's words are needed, not its page.
const MOST_ERROR_BYTES: usize = 256 << 10;

/// Everything one attempt needs.
pub(super) struct Attempt<'a> {
    pub job: &'a Job,
    pub step: &'a Step,
    pub described: &'a Model,
    pub provider: &'a Provider,
    /// The dialect that the provider is spoken to in.
    pub passage: Passage,
    /// The body that goes there, and what it lost on the way.
    pub encoded: Encoded,
    /// Whether a stream is asked for.
    pub stream: bool,
    /// Only we asked for log probabilities, so the client does not get them.
    pub strip_logprobs: bool,
    /// When the request's time is up.
    pub deadline: Instant,
}

/// Why a model is not asked: the request cannot be put into words that it understands.
pub(super) struct Unfit {
    pub error: UpstreamError,
    /// Whether the policy wants the request refused for it.
    pub refuses: bool,
}

/// An answer that has begun: the first token of a stream has come, or the whole of any other answer.
pub(super) struct Begun {
    headers: HeaderMap,
    content: BegunContent,
}

enum BegunContent {
    Whole(Bytes, Answer),
    /// Some answer a request for a stream with a whole answer.
    WholeForStream(Bytes, Answer),
    Stream(Box<Reading>),
}

/// What came of an attempt that did not fail.
pub(super) struct Opened {
    pub headers: HeaderMap,
    pub losses: Vec<Loss>,
    pub content: OpenedContent,
    /// What the step's condition can look at; `None` where it has none.
    pub checked: Option<Answer>,
}

pub(super) enum OpenedContent {
    Whole { body: Bytes, answer: Box<Answer> },
    Stream(Box<Forward>),
}

impl Begun {
    /// The answer, where it is there as a whole.
    pub fn whole(self) -> Option<Answer> {
        match self.content {
            BegunContent::Whole(_, answer) | BegunContent::WholeForStream(_, answer) => {
                Some(answer)
            }
            BegunContent::Stream(_) => None,
        }
    }
}

impl<'a> Attempt<'a> {
    /// Writes the request for a model. Where that cannot be done, the log says why.
    pub fn prepare(
        job: &'a Job,
        step: &'a Step,
        model: ModelIdx,
        provider: &'a Provider,
        stream: bool,
        deadline: Instant,
    ) -> Result<Attempt<'a>, Unfit> {
        let described = &job.catalog.models()[model.index()];
        let unfit = |error: Inexpressible, why: &str, refuses: bool| {
            job.log.skipped(model, &step.name, why);
            Unfit { error: error.into(), refuses }
        };
        let spoken = provider.speaks(&described.upstream_name);
        let Some(passage) = Passage::of(job.request.dialect(), spoken) else {
            let why = "its provider has no such endpoint";
            return Err(unfit(Inexpressible::new(format!("{}: {why}", described.id)), why, false));
        };
        let probabilities =
            step.escalate.as_ref().is_some_and(|cond| edits::asks_for_probabilities(cond));
        let shape = job.request.shape();
        let mut edits = edits::edits(described, &step.settings, shape, probabilities);
        if stream != shape.stream {
            edits.stream = Some(stream);
        }
        let restore = |conversation: &mut Conversation<'_>| {
            job.thoughts.restore(&job.facts.inputs().caller.tenant, conversation);
        };
        let encoded = passage.encode(&job.request, &edits, provider.quirks(), restore);
        let encoded = encoded.map_err(|error| {
            let why = error.what.clone();
            unfit(error, &why, false)
        })?;
        let on_lossy = step.settings.on_lossy.unwrap_or(OnLossy::Allow);
        if on_lossy != OnLossy::Allow
            && let Some(loss) = encoded.losses.iter().find(|loss| loss.is_real())
        {
            let what = format!("{} cannot be told `{}`: {}", described.id, loss.param, loss.note);
            let refuses = on_lossy == OnLossy::Reject;
            return Err(unfit(Inexpressible::new(what.clone()), &what, refuses));
        }
        let strip_logprobs = edits.logprobs && passage.is_direct();
        Ok(Attempt {
            job,
            step,
            described,
            provider,
            passage,
            encoded,
            stream,
            strip_logprobs,
            deadline,
        })
    }

    /// Sends the request and waits until its answer has begun.
    pub async fn begin(&self, record: &mut Record) -> Result<Begun, UpstreamError> {
        let said = self.step.settings.timeouts;
        let timeouts = said.or(self.job.clocks);
        let limit = timeouts
            .attempt
            .map_or(self.deadline, |attempt| self.deadline.min(Instant::now() + attempt));
        record.sent(&self.encoded.losses);

        let client = self
            .job
            .endpoints
            .client(said.connect.unwrap_or_else(|| self.provider.connect_timeout()))
            .map_err(transport)?;
        let call = Call::Generate {
            dialect: self.passage.dialect(),
            model: &self.described.upstream_name,
            stream: self.stream,
        };
        let body = self.encoded.body.clone();
        let sending = client.send(self.provider, call, body, super::extra(&self.job.facts));
        let clock = if self.stream {
            // Many providers send headers and first token together.
            let ttft = timeouts.ttft.unwrap_or(DEFAULT_TTFT);
            timeouts.headers.unwrap_or(DEFAULT_HEADERS_STREAM).min(ttft)
        } else {
            // The gateway's own clock is made for streams; only a policy means whole answers too.
            let usual = self.job.clocks.headers.unwrap_or_default().max(DEFAULT_HEADERS_WHOLE);
            said.headers.unwrap_or(usual)
        };
        let response =
            within(clock, limit, "no answer began", sending).await?.map_err(transport)?;
        record.headers(response.status.as_u16());
        if !response.status.is_success() {
            return Err(self.error_answer(response, limit).await);
        }
        let headers = response.headers.clone();
        let is_events = headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|kind| kind.starts_with(self.passage.wire().content_type()));
        let content = match (self.stream, is_events) {
            (false, false) => {
                let (body, answer) = self.read_whole(response, limit, record).await?;
                BegunContent::Whole(body, answer)
            }
            (true, false) => {
                let (body, answer) = self.read_whole(response, limit, record).await?;
                BegunContent::WholeForStream(body, answer)
            }
            (true, true) => {
                let machine = self.passage.stream(self.provider.quirks(), &self.context())?;
                let idle = timeouts.idle.unwrap_or(DEFAULT_IDLE);
                let reading = Reading::of(machine, response, limit, idle);
                let ttft = timeouts.ttft.unwrap_or(DEFAULT_TTFT);
                BegunContent::Stream(reading.begin(ttft, record).await?)
            }
            (false, true) => {
                return Err(UpstreamError::invalid(
                    "unexpected_stream",
                    "the provider sent a stream that nobody asked for",
                ));
            }
        };
        Ok(Begun { headers, content })
    }

    /// Goes on to where the answer can be checked: a stream is held back for long enough to be
    /// committed.
    pub async fn open(&self, begun: Begun, record: &mut Record) -> Result<Opened, UpstreamError> {
        let Begun { headers, content } = begun;
        let checks = self.step.escalate.is_some();
        let (content, checked) = match content {
            BegunContent::Whole(mut body, answer) => {
                if self.strip_logprobs {
                    body = without_logprobs(&body).unwrap_or(body);
                }
                let checked = checks.then(|| answer.clone());
                (OpenedContent::Whole { body, answer: Box::new(answer) }, checked)
            }
            BegunContent::WholeForStream(body, answer) => self.whole_as_stream(&body, answer)?,
            BegunContent::Stream(reading) => {
                // The plan's `hold` concerns steps that are checked, and requests with one step.
                let held = checks || self.job.plan.steps.len() == 1;
                let hold = if held { self.job.plan.hold } else { Hold::None };
                let reading = reading.hold_back(hold, record).await?;
                let checked = checks.then(|| reading.machine.answer().clone());
                let Reading { machine, response, held, ended, limit, idle, .. } = *reading;
                let tail = if ended {
                    read_out(response);
                    None
                } else {
                    Some(Tail { response, idle, limit })
                };
                (OpenedContent::Stream(self.forward(held, machine, tail)), checked)
            }
        };
        Ok(Opened { headers, losses: self.encoded.losses.clone(), content, checked })
    }

    async fn error_answer(&self, response: Response, limit: Instant) -> UpstreamError {
        let (status, headers) = (response.status.as_u16(), response.headers.clone());
        let reading = response.read(MOST_ERROR_BYTES, DEFAULT_IDLE);
        let body = within(DEFAULT_IDLE, limit, "the error broke off", reading);
        let body = body.await.ok().and_then(Result::ok).unwrap_or_default();
        UpstreamError::from_response(status, &headers, &body, SystemTime::now())
    }

    async fn read_whole(
        &self,
        response: Response,
        limit: Instant,
        record: &mut Record,
    ) -> Result<(Bytes, Answer), UpstreamError> {
        let headers = response.headers.clone();
        let pause = self.step.settings.timeouts.idle.unwrap_or(DEFAULT_HEADERS_WHOLE);
        let reading = response.read(MOST_ANSWER_BYTES, pause);
        let body = within_limit(limit, "the answer did not end", reading).await?;
        let body = body.map_err(transport)?;
        if crate::dialect::error::is_html(&headers, &body) {
            return Err(UpstreamError::invalid(
                "html_page",
                "the provider sent a web page instead of an answer",
            ));
        }
        let (answer, body) = self.passage.read(body, self.provider.quirks(), &self.context())?;
        record.first_token();
        Ok((body, answer))
    }

    /// What whoever writes an answer for the client has to know.
    fn context(&self) -> Context {
        Context {
            id: self.job.facts.inputs().id.to_string(),
            model: self.described.id.to_string(),
            created: self.job.facts.inputs().now.as_second(),
            request: self.job.request.clone(),
        }
    }

    fn whole_as_stream(
        &self,
        body: &Bytes,
        answer: Answer,
    ) -> Result<(OpenedContent, Option<Answer>), UpstreamError> {
        if !self.passage.is_direct() {
            // What is forwarded is the answer in the client's words, which may have lost them.
            self.job.thoughts.keep(&self.job.facts.inputs().caller.tenant, &answer);
        }
        // The body is in the client's dialect by now, and so is the stream that is made of it.
        let client = self.job.request.dialect();
        let mut machine = passage::untranslated(client, self.provider.quirks())?;
        let events = passage::replay(client, body, &self.context())?;
        let held: Vec<Event> = events.into_iter().flat_map(|event| machine.push(event)).collect();
        let checked = self.step.escalate.is_some().then_some(answer);
        Ok((OpenedContent::Stream(self.forward(held, machine, None)), checked))
    }

    fn forward(&self, held: Vec<Event>, machine: Stream, tail: Option<Tail>) -> Box<Forward> {
        Box::new(Forward::new(held, machine, tail, self.strip_logprobs, self.context()))
    }
}

/// Waits no longer than the clock, nor past the limit.
pub(super) async fn within<T>(
    clock: Duration,
    limit: Instant,
    what: &str,
    future: impl Future<Output = T>,
) -> Result<T, UpstreamError> {
    let at = limit.min(Instant::now() + clock);
    tokio::time::timeout_at(at, future).await.map_err(|_| {
        if Instant::now() >= limit {
            timed_out(&format!("{what} before the time for it was up"))
        } else {
            timed_out(&format!("{what} within {clock:?}"))
        }
    })
}

async fn within_limit<T>(
    limit: Instant,
    what: &str,
    future: impl Future<Output = T>,
) -> Result<T, UpstreamError> {
    tokio::time::timeout_at(limit, future)
        .await
        .map_err(|_| timed_out(&format!("{what} before the time for it was up")))
}

pub(super) fn transport(error: TransportError) -> UpstreamError {
    let code = match error.class {
        ErrorClass::Connect => "connect",
        ErrorClass::Timeout => "timeout",
        ErrorClass::Auth => "no_token",
        _ => "broken_connection",
    };
    UpstreamError {
        class: error.class,
        status: 0,
        code: code.into(),
        message: error.what,
        retry_after: None,
        param: None,
    }
}
