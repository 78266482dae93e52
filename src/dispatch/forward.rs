//! Behind the commit point: passing a stream on, event by event, to an honest end.
//!
//! There is no task and no queue between provider and client: the next event is read when the
//! client can take it, and dropping [`Forward`] (the client went away) drops the connection to the
//! provider with it and settles what was used.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::affinity::Stay;
use super::attempt::{transport, within};
use super::health::InFlight;
use super::outcome::Record;
use super::spending;
use super::thoughts::Thoughts;
use crate::catalog::{Pieces, cost, model::Prices};
use crate::dialect::object::without_logprobs;
use crate::dialect::openai_chat::assemble::Assembler;
use crate::dialect::passage::{self, Context};
use crate::dialect::{Answer, ClientError, Dialect, Event, EventKind, Stream, UpstreamError};
use crate::error_class::ErrorClass;
use crate::facts::RequestFacts;
use crate::provider::Response;

/// What is still to come from the provider.
pub(super) struct Tail {
    pub response: Response,
    /// The longest pause between two chunks.
    pub idle: Duration,
    /// When the time is up.
    pub limit: Instant,
}

/// What is written down when the stream ends, however it does.
pub(super) struct Settlement {
    pub record: Record,
    pub in_flight: InFlight,
    pub prices: Option<Prices>,
    pub facts: Arc<RequestFacts>,
    pub thoughts: Thoughts,
    /// Who is to stay with this model, once it has answered.
    pub stay: Option<Stay>,
}

/// Writes what is sent right before the end of a stream.
type Epilogue = Box<dyn FnOnce(&Answer) -> Bytes + Send>;

/// A stream from its commit point on.
pub struct Forward {
    head: VecDeque<Event>,
    machine: Stream,
    tail: Option<Tail>,
    strip_logprobs: bool,
    context: Context,
    /// Text that goes in front of the end: the decision, the cost.
    epilogue: Option<Epilogue>,
    settlement: Option<Settlement>,
    rejected: bool,
    ended: bool,
    /// The collected payloads, where the whole answer is wanted afterwards; none are needed where the
    /// answer is written anew.
    collected: Option<Vec<Bytes>>,
}

impl Forward {
    pub(super) fn new(
        held: Vec<Event>,
        machine: Stream,
        tail: Option<Tail>,
        strip_logprobs: bool,
        context: Context,
    ) -> Forward {
        Forward {
            head: held.into(),
            machine,
            tail,
            strip_logprobs,
            context,
            epilogue: None,
            settlement: None,
            rejected: false,
            ended: false,
            collected: None,
        }
    }

    pub(super) fn settle_with(&mut self, settlement: Settlement, rejected: bool) {
        self.settlement = Some(settlement);
        self.rejected = rejected;
        if self.is_complete() {
            self.settle(Ending::Complete);
        }
    }

    /// What has come so far.
    pub fn answer(&self) -> &Answer {
        self.machine.answer()
    }

    /// Whether the provider has sent everything.
    pub fn is_complete(&self) -> bool {
        self.tail.is_none()
    }

    /// Makes a piece of the stream that is sent right before its end.
    pub fn with_epilogue(&mut self, epilogue: impl FnOnce(&Answer) -> Bytes + Send + 'static) {
        self.epilogue = Some(Box::new(epilogue));
    }

    /// Keeps what comes, so that [`Forward::take_whole`] can give the whole answer.
    pub fn collect(&mut self) {
        self.collected = Some(Vec::new());
    }

    /// The whole answer in the client's dialect, of a stream that ended well; `None` for every
    /// other.
    pub fn take_whole(&mut self) -> Option<Bytes> {
        let complete = self.ended && self.machine.is_complete();
        let payloads = self.collected.take().filter(|_| complete)?;
        if !self.is_plain_chat() {
            return Some(passage::whole(self.client(), self.machine.answer(), &self.context));
        }
        let mut assembler = Assembler::default();
        payloads.iter().try_for_each(|payload| assembler.push(payload)).ok()?;
        assembler.finish().ok()
    }

    fn client(&self) -> Dialect {
        self.context.request.dialect()
    }

    /// Whether chunks of `openai.chat` go on as they came.
    fn is_plain_chat(&self) -> bool {
        self.client() == Dialect::OpenAiChat && !self.machine.is_translated()
    }

    /// The next bytes for the client; `None` at the end. `request_id` is for the error event that a
    /// broken stream ends with.
    pub async fn next(&mut self, request_id: &str) -> Option<Bytes> {
        loop {
            if self.ended {
                return None;
            }
            if let Some(event) = self.head.pop_front() {
                if let Some(bytes) = self.emit(event, request_id) {
                    return Some(bytes);
                }
                continue;
            }
            let Some(tail) = &mut self.tail else {
                // The provider has said all; some never say `[DONE]`, our clients expect it.
                return Some(self.finish(&Bytes::new()));
            };
            let reading =
                within(tail.idle, tail.limit, "the stream stalled", tail.response.chunk());
            match reading.await.and_then(|chunk| chunk.map_err(transport)) {
                Ok(Some(chunk)) => self.head.extend(self.machine.push(chunk)),
                Ok(None) => {
                    self.head.extend(self.machine.last_event());
                    self.tail = None;
                    if self.head.is_empty() && !self.machine.is_complete() {
                        return Some(self.break_off(&truncated(), request_id));
                    }
                }
                Err(error) => return Some(self.break_off(&error, request_id)),
            }
        }
    }

    fn emit(&mut self, event: Event, request_id: &str) -> Option<Bytes> {
        match &event.kind {
            EventKind::Done => return Some(self.finish(&event.raw)),
            EventKind::Error(error) => {
                let error = (**error).clone();
                return Some(self.break_off(&error, request_id));
            }
            EventKind::Usage | EventKind::Delta(_) | EventKind::Other => {
                if self.is_plain_chat()
                    && let Some(collected) = &mut self.collected
                {
                    collected.push(event.data.clone());
                }
            }
            EventKind::Comment => {}
        }
        let last = self.tail.is_none() && self.head.is_empty();
        if last && !self.machine.is_complete() {
            // The event itself is whole; what is missing is the end behind it.
            self.head.push_back(Event {
                raw: Bytes::new(),
                data: Bytes::new(),
                kind: EventKind::Error(Box::new(truncated())),
            });
        }
        if event.kind == EventKind::Usage
            && self.is_plain_chat()
            && !self.context.request.shape().include_usage
        {
            return None;
        }
        if self.strip_logprobs && !event.data.is_empty() {
            let data = without_logprobs(&event.data).unwrap_or(event.data);
            return Some([b"data: ", &*data, b"\n\n"].concat().into());
        }
        (!event.raw.is_empty()).then_some(event.raw)
    }

    /// The end as it should be: what is to be said before it, then the marker.
    fn finish(&mut self, mark: &Bytes) -> Bytes {
        if !self.machine.is_complete() {
            return self.break_off(&truncated(), "");
        }
        self.ended = true;
        if let Some(tail) = self.tail.take() {
            read_out(tail.response);
        }
        self.settle(Ending::Complete);
        let epilogue = self.epilogue.take().map(|write| write(self.machine.answer()));
        match self.machine.translated_end() {
            // The last event may have brought a piece of the answer with it.
            Some(end) => [&**mark, &*epilogue.unwrap_or_default(), &*end].concat().into(),
            None => {
                let mark = match &**mark {
                    b"" => passage::end_mark(self.client()),
                    mark => mark,
                };
                [&*epilogue.unwrap_or_default(), mark].concat().into()
            }
        }
    }

    /// The end of a stream that went wrong: an error event, and no marker of a good end.
    fn break_off(&mut self, error: &UpstreamError, request_id: &str) -> Bytes {
        self.ended = true;
        self.tail = None;
        self.collected = None;
        self.settle(Ending::Broken(error));
        let message = format!("the answer broke off: {}", crate::telemetry::redact(&error.message));
        let (status, code) = match error.class {
            ErrorClass::Timeout => (504, "upstream_stalled"),
            _ => (502, "upstream_truncated"),
        };
        ClientError { status, message: &message, param: None, code, request_id }
            .event(self.client())
    }

    fn settle(&mut self, ending: Ending<'_>) {
        let Some(settlement) = self.settlement.take() else { return };
        let answer = spending::with_usage(self.machine.answer().clone(), &settlement.facts);
        let images = settlement.facts.inputs().request.shape().images;
        let prices = settlement.prices.as_ref();
        let cost = prices.map(|prices| cost(prices, &answer.usage, Pieces { images, requests: 1 }));
        let record = &settlement.record;
        match ending {
            Ending::Complete => {
                if self.machine.is_translated() {
                    settlement.thoughts.keep(&settlement.facts.inputs().caller.tenant, &answer);
                }
                record.answered(&answer, cost, !self.rejected);
                if let Some(stay) = settlement.stay.as_ref().filter(|_| !self.rejected) {
                    stay.remember();
                }
                settlement.in_flight.answered(record.ttft(), record.elapsed());
            }
            Ending::Broken(error) => {
                record.broken(error, &answer, cost);
                settlement.in_flight.failed(error);
            }
            Ending::ClientGone => record.canceled(&answer, cost),
        }
    }
}

/// How a stream ended.
enum Ending<'a> {
    Complete,
    Broken(&'a UpstreamError),
    ClientGone,
}

/// Reads what lies behind the end of an answer, which is nothing but the end of its transfer: only
/// then can the connection be used again.
pub(super) fn read_out(mut response: Response) {
    tokio::spawn(tokio::time::timeout(Duration::from_secs(1), async move {
        while let Ok(Some(_)) = response.chunk().await {}
    }));
}

fn truncated() -> UpstreamError {
    UpstreamError::invalid("truncated", "the provider's stream ended before its end")
}

impl Drop for Forward {
    fn drop(&mut self) {
        self.settle(Ending::ClientGone);
    }
}

#[cfg(test)]
#[path = "forward_tests.rs"]
mod tests;
