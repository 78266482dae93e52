//! Watching a provider's stream go by: what each event is, what the whole comes to, whether it
//! ended, and, where the client speaks another dialect, its translation.

use bytes::Bytes;

use super::answer::{Answer, Finish};
use super::error::UpstreamError;
use super::framing::{Frame, Framing, Wire};
use super::json;
use super::sink::{Seen, Sink, Writer};
use super::sse::MAX_EVENT;
use super::usage::UsageSource;

/// Reads the events of one dialect's streams.
pub trait Decoder: Send + Sync + std::fmt::Debug {
    /// Takes in the payload of one event.
    ///
    /// # Errors
    /// When it cannot be read, or says that the provider failed.
    fn event(&mut self, name: &str, data: &str, sink: &mut Sink<'_>)
    -> Result<Mark, UpstreamError>;

    /// Whether the end was seen that marks complete streams.
    fn is_complete(&self, answer: &Answer) -> bool;

    /// The most bytes that one event may have.
    fn longest_event(&self) -> usize {
        MAX_EVENT
    }
}

/// What a decoder says of an event, besides what it has put into the sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// A piece of the answer, or something about it.
    Piece,
    /// The event that ends a complete stream.
    Done,
}

/// One event of a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The bytes for the client: as received, or translated; empty where there is nothing to say.
    pub raw: Bytes,
    /// Its payload as the provider sent it.
    pub data: Bytes,
    /// What it is.
    pub kind: EventKind,
}

/// What an event is.
#[derive(Debug, Clone, PartialEq)]
pub enum EventKind {
    /// Something about a choice.
    Delta(Seen),
    /// Usage, and nothing about any choice. In `openai.chat` it is withheld from clients that did
    /// not ask.
    Usage,
    /// A comment or a blank line: a sign of life.
    Comment,
    /// The provider failed midway, or what it sends cannot be read.
    Error(Box<UpstreamError>),
    /// The dialect's mark of a complete stream.
    Done,
    /// A prologue, metadata.
    Other,
}

/// Why a stream is not complete.
#[derive(Debug, Clone, PartialEq)]
pub enum StreamEnd {
    /// It just ended. The answer is what came until then.
    Truncated(Box<Answer>),
    /// The provider said so, or what it sent could not be read.
    Failed(Box<UpstreamError>, Box<Answer>),
}

/// The state of a stream. Feed it the chunks as they come, in any sizes.
#[derive(Debug)]
pub struct Stream {
    framing: Framing,
    decoder: Box<dyn Decoder>,
    answer: Answer,
    writer: Option<Box<dyn Writer>>,
    /// The request's id, of which the ids of calls are made that have none.
    request: Option<String>,
    error: Option<UpstreamError>,
}

impl Stream {
    /// At the beginning of a stream that is framed like this.
    pub fn new(wire: Wire, decoder: Box<dyn Decoder>) -> Stream {
        Stream {
            framing: Framing::new(wire, decoder.longest_event()),
            decoder,
            answer: Answer::default(),
            writer: None,
            request: None,
            error: None,
        }
    }

    /// The same, translated for a client.
    pub fn translated(mut self, writer: Box<dyn Writer>) -> Stream {
        self.writer = Some(writer);
        self
    }

    /// The same, giving ids to calls that have none, so that their results can name them.
    pub fn naming(mut self, request: &str) -> Stream {
        self.request = Some(request.to_owned());
        self
    }

    /// Whether the events are translated.
    pub fn is_translated(&self) -> bool {
        self.writer.is_some()
    }

    /// Takes in a chunk and returns the events that it completes.
    pub fn push(&mut self, chunk: Bytes) -> Vec<Event> {
        let framed = self.framing.push(&chunk);
        let mut events = Vec::new();
        while let Some(frame) = self.framing.next() {
            events.push(self.event(frame));
        }
        if let (Err(error), None) = (framed, &self.error) {
            let error = UpstreamError::invalid(error.code(), error.to_string());
            events.push(Event { raw: Bytes::new(), data: Bytes::new(), kind: self.fail(error) });
        }
        events
    }

    /// What has come so far. Usage that came before the end is marked as partial only by
    /// [`Stream::finish`].
    pub fn answer(&self) -> &Answer {
        &self.answer
    }

    /// Whether the end was seen that this provider marks complete streams with.
    pub fn is_complete(&self) -> bool {
        self.error.is_none() && self.decoder.is_complete(&self.answer)
    }

    /// The bytes that came after the last event's end, as an event: call it once at the end of the
    /// stream, before [`Stream::finish`].
    pub fn last_event(&mut self) -> Option<Event> {
        let frame = self.framing.finish()?;
        Some(self.event(frame))
    }

    /// The end of a translated stream in the client's dialect; nothing where the events go on as
    /// they came.
    pub fn translated_end(&mut self) -> Option<Bytes> {
        let mut out = Vec::new();
        self.writer.as_mut()?.end(&self.answer, &mut out);
        Some(Bytes::from(out))
    }

    /// The answer, when the stream is complete.
    ///
    /// # Errors
    /// With what there is of the answer, when the stream failed or just ended.
    pub fn finish(mut self) -> Result<Answer, StreamEnd> {
        let _ = self.last_event();
        if self.is_complete() {
            return Ok(self.answer);
        }
        if self.answer.usage_source == UsageSource::Reported {
            self.answer.usage_source = UsageSource::Partial;
        }
        let answer = Box::new(self.answer);
        Err(match self.error {
            Some(error) => StreamEnd::Failed(Box::new(error), answer),
            None => StreamEnd::Truncated(answer),
        })
    }

    fn fail(&mut self, error: UpstreamError) -> EventKind {
        self.error.get_or_insert_with(|| error.clone());
        EventKind::Error(Box::new(error))
    }

    fn event(&mut self, frame: Frame) -> Event {
        let mut out = Vec::new();
        let kind = self.kind(&frame, &mut out);
        let raw = if self.writer.is_some() { Bytes::from(out) } else { frame.raw };
        Event { raw, data: frame.data, kind }
    }

    fn kind(&mut self, frame: &Frame, out: &mut Vec<u8>) -> EventKind {
        let data = frame.data.trim_ascii();
        if data.is_empty() {
            return EventKind::Comment;
        }
        let text = std::str::from_utf8(data).unwrap_or("");
        if !frame.terminated && !json::is_valid(text) && text != "[DONE]" {
            // The connection broke off inside the event: that is no fault of its contents, and
            // none of them may count.
            return EventKind::Other;
        }
        let name = std::str::from_utf8(&frame.event).unwrap_or("");
        if name == "error" {
            return self.fail(UpstreamError::from_json(200, text));
        }
        let before = self.answer.error.is_some();
        let mut sink = match &mut self.writer {
            Some(writer) => Sink::writing(&mut self.answer, &mut **writer, out),
            None => Sink::new(&mut self.answer),
        };
        sink = sink.naming(self.request.as_deref());
        let mark = self.decoder.event(name, text, &mut sink);
        let seen = sink.seen;
        match (mark, self.answer.error.clone().filter(|_| !before)) {
            (Err(error), _) | (Ok(_), Some(error)) => self.fail(error),
            (Ok(_), None) if seen.finish == Some(Finish::Error) => {
                self.fail(UpstreamError::finish_error())
            }
            (Ok(Mark::Done), None) => EventKind::Done,
            (Ok(Mark::Piece), None) if seen.choice => EventKind::Delta(seen),
            (Ok(Mark::Piece), None) if seen.usage => EventKind::Usage,
            (Ok(Mark::Piece), None) => EventKind::Other,
        }
    }
}
