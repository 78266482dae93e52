//! A stream before its commit point: nothing of it has gone to the client yet.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::attempt::{transport, within};
use super::outcome::Record;
use crate::dialect::{Event, EventKind, Stream, StreamEnd, UpstreamError};
use crate::facts::tokens;
use crate::policy::program::Hold;
use crate::provider::Response;

/// A stream that is read before anything of it goes to the client.
pub(super) struct Reading {
    pub machine: Stream,
    pub response: Response,
    pub held: Vec<Event>,
    /// Whether its first token has come.
    has_content: bool,
    pub ended: bool,
    /// When its headers had come.
    since: Instant,
    /// When the attempt's time is up.
    pub limit: Instant,
    /// The longest pause between two chunks.
    pub idle: Duration,
}

impl Reading {
    /// Of an answer whose headers have come.
    pub fn of(machine: Stream, response: Response, limit: Instant, idle: Duration) -> Box<Reading> {
        Box::new(Reading {
            machine,
            response,
            held: Vec::new(),
            has_content: false,
            ended: false,
            since: Instant::now(),
            limit,
            idle,
        })
    }

    /// Waits for the first token.
    pub async fn begin(
        mut self: Box<Self>,
        ttft: Duration,
        record: &mut Record,
    ) -> Result<Box<Reading>, UpstreamError> {
        // The client waits for its first token since it asked, not since headers came.
        let due = self.since + ttft.saturating_sub(record.elapsed());
        while !self.ended && !self.has_content {
            // Signs of life (comments) must not put off the clock for the first token.
            let clock = due.saturating_duration_since(Instant::now());
            let chunk = self.response.chunk();
            let chunk = within(clock, self.limit, "no first token came", chunk).await?;
            self.take(chunk.map_err(transport)?, record)?;
        }
        self.unless_truncated()
    }

    /// Reads on until the policy lets the client see it.
    pub async fn hold_back(
        mut self: Box<Self>,
        hold: Hold,
        record: &mut Record,
    ) -> Result<Box<Reading>, UpstreamError> {
        while !self.ended && !self.held_enough(hold) {
            let patience = match hold {
                Hold::For(time) => {
                    self.idle.min((self.since + time).saturating_duration_since(Instant::now()))
                }
                _ => self.idle,
            };
            let chunk = self.response.chunk();
            let chunk = match within(patience, self.limit, "the stream stalled", chunk).await {
                // The time to hold back is over, which is no fault of the stream's.
                Err(_) if patience < self.idle && Instant::now() < self.limit => break,
                outcome => outcome?.map_err(transport)?,
            };
            self.take(chunk, record)?;
        }
        self.unless_truncated()
    }

    fn take(&mut self, chunk: Option<Bytes>, record: &mut Record) -> Result<(), UpstreamError> {
        let events = match chunk {
            Some(chunk) => self.machine.push(chunk),
            None => {
                self.ended = true;
                self.machine.last_event().into_iter().collect()
            }
        };
        for event in events {
            match &event.kind {
                EventKind::Error(error) => return Err((**error).clone()),
                EventKind::Delta(seen)
                    if !self.has_content && (seen.content() || seen.finish.is_some()) =>
                {
                    self.has_content = true;
                    record.first_token();
                }
                _ => {}
            }
            self.held.push(event);
        }
        if self.machine.is_complete()
            && matches!(self.held.last(), Some(Event { kind: EventKind::Done, .. }))
        {
            self.ended = true;
        }
        Ok(())
    }

    fn held_enough(&self, hold: Hold) -> bool {
        match hold {
            Hold::None => true,
            Hold::Full => false,
            Hold::For(time) => self.since.elapsed() >= time,
            Hold::Tokens(count) => self
                .machine
                .answer()
                .primary()
                .is_some_and(|choice| tokens::estimate(&choice.text()) >= count),
        }
    }

    fn unless_truncated(self: Box<Self>) -> Result<Box<Reading>, UpstreamError> {
        if !self.ended || self.machine.is_complete() {
            return Ok(self);
        }
        Err(match self.machine.finish() {
            Err(StreamEnd::Failed(error, _)) => *error,
            _ => UpstreamError::invalid("truncated", "the stream broke off before its end"),
        })
    }
}
