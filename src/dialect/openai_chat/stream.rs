//! Watching a stream go by: what each event is, what the whole comes to, and whether it ended.

use bytes::Bytes;

use super::answer::{self, Place, Seen};
use crate::dialect::answer::{Answer, Finish};
use crate::dialect::error::UpstreamError;
use crate::dialect::json;
use crate::dialect::quirks::{EndMarker, Quirks};
use crate::dialect::sse::{Frame, Framer, TooLong};
use crate::dialect::usage::UsageSource;

/// One event of a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its bytes as received, to be forwarded; empty where the framing itself failed.
    pub raw: Bytes,
    /// Its payload: a chunk's JSON.
    pub data: Bytes,
    /// What it is.
    pub kind: EventKind,
}

/// What an event is.
#[derive(Debug, Clone, PartialEq)]
pub enum EventKind {
    /// A chunk with at least one choice.
    Delta(Seen),
    /// The extra chunk with usage and no choices; to be withheld from a client who did not ask.
    Usage,
    /// A comment or a blank line: a sign of life.
    Comment,
    /// The provider failed midway, or what it sends cannot be read.
    Error(Box<UpstreamError>),
    /// `[DONE]`
    Done,
    /// A chunk without choices and usage: a prologue, metadata.
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
    quirks: Quirks,
    framer: Framer,
    answer: Answer,
    done: bool,
    error: Option<UpstreamError>,
}

impl Stream {
    /// At the beginning of an answer of a provider with these quirks.
    pub fn new(quirks: Quirks) -> Stream {
        let (framer, answer) = (Framer::new(), Answer::default());
        Stream { quirks, framer, answer, done: false, error: None }
    }

    /// Takes in a chunk and returns the events that it completes.
    pub fn push(&mut self, chunk: Bytes) -> Vec<Event> {
        let framed = self.framer.push(&chunk);
        let mut events = Vec::new();
        while let Some(frame) = self.framer.next() {
            events.push(self.event(frame));
        }
        if let (Err(TooLong), None) = (framed, &self.error) {
            let error = UpstreamError::invalid("event_too_long", TooLong.to_string());
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
        let choices = &self.answer.choices;
        let finished = !choices.is_empty() && choices.iter().all(|choice| choice.finish.is_some());
        self.error.is_none()
            && match self.quirks.end {
                EndMarker::Done => self.done,
                EndMarker::Finish => finished,
                EndMarker::Either => self.done || finished,
            }
    }

    /// The bytes that came after the last blank line, as an event: call it once at the end of the
    /// stream, before [`Stream::finish`].
    pub fn last_event(&mut self) -> Option<Event> {
        let frame = self.framer.finish()?;
        Some(self.event(frame))
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
        let kind = self.kind(&frame);
        Event { raw: frame.raw, data: frame.data, kind }
    }

    fn kind(&mut self, frame: &Frame) -> EventKind {
        let data = frame.data.trim_ascii();
        if data.is_empty() {
            return EventKind::Comment;
        }
        if data == b"[DONE]" {
            self.done = true;
            return EventKind::Done;
        }
        let text = std::str::from_utf8(data).unwrap_or("");
        if !frame.terminated && !json::is_valid(text) {
            // The connection broke off inside the event: that is no fault of its contents, and
            // none of them may count.
            return EventKind::Other;
        }
        if &*frame.event == b"error" {
            return self.fail(UpstreamError::from_json(200, text));
        }
        let before = self.answer.error.is_some();
        match answer::absorb(&mut self.answer, text, Place::Delta, &self.quirks) {
            Err(error) => {
                let message = format!("an event of the stream is not a chunk: {error}");
                self.fail(UpstreamError::invalid("invalid_event", message))
            }
            Ok(seen) => match (self.answer.error.clone().filter(|_| !before), seen) {
                (Some(error), _) => self.fail(error),
                (None, seen) if seen.finish == Some(Finish::Error) => {
                    let message = "the provider ended the stream with the finish reason `error`";
                    self.fail(UpstreamError {
                        class: crate::error_class::ErrorClass::ServerError,
                        ..UpstreamError::invalid("finish_error", message)
                    })
                }
                (None, seen) if seen.choice => EventKind::Delta(seen),
                (None, seen) if seen.usage => EventKind::Usage,
                (None, _) => EventKind::Other,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error_class::ErrorClass;
    use crate::units::Tokens;

    const STREAM: &str = concat!(
        ": hello\n\n",
        "data: {\"id\":\"i\",\"model\":\"m\",\"choices\":[]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":\"ab\"}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}\n\n",
        "data: [DONE]\n\n",
    );

    fn quirks(end: EndMarker) -> Quirks {
        Quirks { end, ..Quirks::NONE }
    }

    fn run(text: &str, quirks: Quirks) -> (Vec<EventKind>, Result<Answer, StreamEnd>) {
        let mut stream = Stream::new(quirks);
        let kinds = stream.push(Bytes::copy_from_slice(text.as_bytes()));
        (kinds.into_iter().map(|event| event.kind).collect(), stream.finish())
    }

    #[test]
    fn every_event_has_its_kind() {
        let (kinds, answer) = run(STREAM, Quirks::NONE);
        let role = Seen { choices: true, choice: true, ..Seen::default() };
        let text = Seen { text: true, ..role };
        let finish = Seen { finish: Some(Finish::Stop), ..role };
        assert_eq!(
            kinds,
            [
                EventKind::Comment,
                EventKind::Other,
                EventKind::Delta(role),
                EventKind::Delta(text),
                EventKind::Delta(finish),
                EventKind::Usage,
                EventKind::Done
            ]
        );
        let answer = answer.unwrap();
        assert_eq!((&*answer.id, &*answer.model, &*answer.choices[0].text), ("i", "m", "ab"));
        assert_eq!(answer.usage.total(), Tokens(3));
    }

    #[test]
    fn cut_at_any_byte_it_is_complete_only_with_its_marker() {
        let marker = |end, mark: &str| {
            let complete_from = STREAM.find(mark).unwrap() + mark.len();
            for cut in 0..STREAM.len() {
                let (_, answer) = run(&STREAM[..cut], quirks(end));
                assert_eq!(answer.is_ok(), cut >= complete_from, "{end:?} {cut}");
            }
        };
        marker(EndMarker::Done, "[DONE]");
        marker(EndMarker::Finish, "\"finish_reason\":\"stop\"}]}");
        marker(EndMarker::Either, "\"finish_reason\":\"stop\"}]}");
    }

    #[test]
    fn an_error_event_is_the_end_even_if_done_follows() {
        let text = concat!(
            "data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"length\"}],\"usage\":{\"total_tokens\":4,\"prompt_tokens\":3}}\n\n",
            "data: {\"error\":{\"code\":400,\"message\":\"Token limit reached\"},\"choices\":[{\"delta\":{}}]}\n\n",
            "data: [DONE]\n\n",
        );
        let (kinds, end) = run(text, Quirks::NONE);
        assert!(matches!(kinds[1], EventKind::Error(_)));
        let Err(StreamEnd::Failed(error, answer)) = end else { panic!("{end:?}") };
        assert_eq!(error.class, ErrorClass::BadRequest);
        assert_eq!((&*answer.choices[0].text, answer.usage_source), ("a", UsageSource::Partial));
    }

    #[test]
    fn garbage_fails_and_a_cut_event_does_not() {
        let (_, end) = run("data: {\"choices\":\n\ndata: [DONE]\n\n", Quirks::NONE);
        assert!(matches!(end, Err(StreamEnd::Failed(..))), "{end:?}");
        let (_, end) = run("data: {\"choices\":", Quirks::NONE);
        assert!(matches!(end, Err(StreamEnd::Truncated(_))), "{end:?}");
    }

    #[test]
    fn an_endless_event_fails_once() {
        let mut stream = Stream::new(Quirks::NONE);
        let chunk = Bytes::from(vec![b'x'; 700_000]);
        assert_eq!(stream.push(chunk.clone()).len(), 0);
        assert!(matches!(stream.push(chunk.clone())[0].kind, EventKind::Error(_)));
        assert_eq!(stream.push(chunk).len(), 0);
        assert!(matches!(stream.finish(), Err(StreamEnd::Failed(..))));
    }
}
