//! One attempt: from sending to something that can be checked, with every clock running.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, header};
use tokio::time::Instant;

use super::forward::{Forward, Tail, read_out};
use super::outcome::Record;
use super::{Job, timed_out};
use crate::catalog::Model;
use crate::dialect::object::without_logprobs;
use crate::dialect::passage::{self, Context, Passage};
use crate::dialect::{Answer, Encoded, Event, EventKind, Loss, Stream, StreamEnd, UpstreamError};
use crate::error_class::ErrorClass;
use crate::facts::tokens;
use crate::policy::course::{DEFAULT_HEADERS_WHOLE, DEFAULT_TTFT};
use crate::policy::plan::Step;
use crate::policy::program::{Hold, Timeouts};
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
    /// Only we asked for log probabilities, so the client does not get them.
    pub strip_logprobs: bool,
    /// When the request's time is up.
    pub deadline: Instant,
    /// Whether the plan's `hold` concerns this step.
    pub held: bool,
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

impl Attempt<'_> {
    /// Makes the attempt, up to the point where its answer is complete, or its stream has been
    /// held back for long enough to be committed.
    pub async fn run(&self, record: &mut Record) -> Result<Opened, UpstreamError> {
        let said = self.step.settings.timeouts;
        let timeouts = said.or(self.job.clocks);
        let limit = timeouts
            .attempt
            .map_or(self.deadline, |attempt| self.deadline.min(Instant::now() + attempt));
        let shape = self.job.request.shape();
        record.sent(&self.encoded.losses);

        let client = self
            .job
            .endpoints
            .client(said.connect.unwrap_or_else(|| self.provider.connect_timeout()))
            .map_err(transport)?;
        let call = Call::Generate {
            dialect: self.passage.dialect(),
            model: &self.described.upstream_name,
            stream: shape.stream,
        };
        let body = self.encoded.body.clone();
        let sending = client.send(self.provider, call, body, super::extra(&self.job.facts));
        let clock = if shape.stream {
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
        let (content, checked) = match (shape.stream, is_events) {
            (false, false) => self.whole(response, limit, record).await?,
            (true, true) => self.stream(response, limit, timeouts, record).await?,
            (true, false) => self.whole_as_stream(response, limit, record).await?,
            (false, true) => {
                return Err(UpstreamError::invalid(
                    "unexpected_stream",
                    "the provider sent a stream that nobody asked for",
                ));
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

    async fn whole(
        &self,
        response: Response,
        limit: Instant,
        record: &mut Record,
    ) -> Result<(OpenedContent, Option<Answer>), UpstreamError> {
        let (mut body, answer) = self.read_whole(response, limit, record).await?;
        if self.strip_logprobs {
            body = without_logprobs(&body).unwrap_or(body);
        }
        let checked = self.step.escalate.is_some().then(|| answer.clone());
        Ok((OpenedContent::Whole { body, answer: Box::new(answer) }, checked))
    }

    /// Some answer a request for a stream with a whole answer, or with an error under status 200.
    async fn whole_as_stream(
        &self,
        response: Response,
        limit: Instant,
        record: &mut Record,
    ) -> Result<(OpenedContent, Option<Answer>), UpstreamError> {
        let (body, answer) = self.read_whole(response, limit, record).await?;
        if !self.passage.is_direct() {
            // What is forwarded is the answer in the client's words, which may have lost them.
            self.job.thoughts.keep(&self.job.facts.inputs().caller.tenant, &answer);
        }
        // The body is in the client's dialect by now, and so is the stream that is made of it.
        let client = self.job.request.dialect();
        let mut machine = passage::untranslated(client, self.provider.quirks())?;
        let events = passage::replay(client, &body, &self.context())?;
        let held: Vec<Event> = events.into_iter().flat_map(|event| machine.push(event)).collect();
        let checked = self.step.escalate.is_some().then_some(answer);
        Ok((OpenedContent::Stream(self.forward(held, machine, None)), checked))
    }

    async fn stream(
        &self,
        mut response: Response,
        limit: Instant,
        timeouts: Timeouts,
        record: &mut Record,
    ) -> Result<(OpenedContent, Option<Answer>), UpstreamError> {
        let mut machine = self.passage.stream(self.provider.quirks(), &self.context())?;
        let mut held: Vec<Event> = Vec::new();
        let hold = if self.held { self.job.plan.hold } else { Hold::None };
        let idle = timeouts.idle.unwrap_or(DEFAULT_IDLE);
        let ttft = timeouts.ttft.unwrap_or(DEFAULT_TTFT);
        let started = Instant::now();
        // The client waits for its first token since it asked, not since headers came.
        let first_due = started + ttft.saturating_sub(record.elapsed());
        let mut first_token = false;
        let mut ended = false;
        while !ended && !self.held_enough(hold, first_token, &machine, started) {
            // Signs of life (comments) must not put off the clock for the first token.
            let clock = if first_token {
                idle
            } else {
                first_due.saturating_duration_since(Instant::now())
            };
            let patience = match hold {
                Hold::For(time) if first_token => {
                    clock.min((started + time).saturating_duration_since(Instant::now()))
                }
                _ => clock,
            };
            let what = if first_token { "the stream stalled" } else { "no first token came" };
            let chunk = match within(patience, limit, what, response.chunk()).await {
                // The time to hold back is over, which is no fault of the stream's.
                Err(_) if patience < clock && Instant::now() < limit => break,
                outcome => outcome?.map_err(transport)?,
            };
            let events = match chunk {
                Some(chunk) => machine.push(chunk),
                None => {
                    ended = true;
                    machine.last_event().into_iter().collect()
                }
            };
            for event in events {
                match &event.kind {
                    EventKind::Error(error) => return Err((**error).clone()),
                    EventKind::Delta(seen)
                        if !first_token && (seen.content() || seen.finish.is_some()) =>
                    {
                        first_token = true;
                        record.first_token();
                    }
                    _ => {}
                }
                held.push(event);
            }
            if machine.is_complete()
                && matches!(held.last(), Some(Event { kind: EventKind::Done, .. }))
            {
                ended = true;
            }
        }
        if ended && !machine.is_complete() {
            return Err(match machine.finish() {
                Err(StreamEnd::Failed(error, _)) => *error,
                _ => UpstreamError::invalid("truncated", "the stream broke off before its end"),
            });
        }
        let checked = self.step.escalate.is_some().then(|| machine.answer().clone());
        let tail = if ended {
            read_out(response);
            None
        } else {
            Some(Tail { response, idle, limit })
        };
        Ok((OpenedContent::Stream(self.forward(held, machine, tail)), checked))
    }

    fn held_enough(
        &self,
        hold: Hold,
        first_token: bool,
        machine: &Stream,
        started: Instant,
    ) -> bool {
        first_token
            && match hold {
                Hold::None => true,
                Hold::Full => false,
                Hold::For(time) => started.elapsed() >= time,
                Hold::Tokens(count) => machine
                    .answer()
                    .primary()
                    .is_some_and(|choice| tokens::estimate(&choice.text()) >= count),
            }
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
