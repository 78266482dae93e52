//! How streams are cut into events: event streams, lines of JSON, one long JSON array, and the
//! binary frames of AWS.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::aws_frames::{self, FrameError};
use super::sse::{Framer, TooLong};

/// The ways in which streams are framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wire {
    /// Server-sent events.
    Sse,
    /// One JSON value a line.
    Lines,
    /// One JSON array whose items are the events.
    Array,
    /// AWS event-stream frames.
    Aws,
}

impl Wire {
    /// The media type of such a stream.
    pub const fn content_type(self) -> &'static str {
        match self {
            Wire::Sse => "text/event-stream",
            Wire::Lines => "application/x-ndjson",
            Wire::Array => "application/json",
            Wire::Aws => "application/vnd.amazon.eventstream",
        }
    }
}

/// One event with all of its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The event as received, with whatever ends it. A slice of the chunk where it lies in one.
    pub raw: Bytes,
    /// Its payload; empty for comments.
    pub data: Bytes,
    /// Its name; empty where it has none.
    pub event: Bytes,
    /// Whether its end was there; without, the connection may have ended inside the event.
    pub terminated: bool,
}

/// What is wrong with a framing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// An event is longer than any real one.
    #[error(transparent)]
    TooLong(#[from] TooLong),
    /// A binary frame is broken.
    #[error(transparent)]
    Broken(#[from] FrameError),
}

impl FramingError {
    /// A stable word for it.
    pub const fn code(self) -> &'static str {
        match self {
            FramingError::TooLong(_) => "event_too_long",
            FramingError::Broken(_) => "invalid_frame",
        }
    }
}

/// Cuts a byte stream into events. However the bytes are chunked, the events are the same.
#[derive(Debug)]
pub enum Framing {
    /// Server-sent events.
    Sse(Framer),
    /// Anything whose events end where a scan says so.
    Scanned(Scanned),
}

impl Framing {
    /// At the beginning of a stream whose events have at most this many bytes.
    pub fn new(wire: Wire, most: usize) -> Framing {
        let cut = match wire {
            Wire::Sse => return Framing::Sse(Framer::new(most)),
            Wire::Lines => Cut::Lines,
            Wire::Array => Cut::Array(Items::default()),
            Wire::Aws => Cut::Aws,
        };
        Framing::Scanned(Scanned::new(cut, most))
    }

    /// Takes in a chunk; the events are fetched with [`Framing::next`].
    ///
    /// # Errors
    /// When an event is too long or broken; the events before it can still be fetched, later chunks
    /// are ignored.
    pub fn push(&mut self, chunk: &Bytes) -> Result<(), FramingError> {
        match self {
            Framing::Sse(framer) => Ok(framer.push(chunk)?),
            Framing::Scanned(scanned) => scanned.push(chunk),
        }
    }

    /// The next event.
    #[expect(clippy::should_implement_trait, reason = "more may come after it was empty")]
    pub fn next(&mut self) -> Option<Frame> {
        match self {
            Framing::Sse(framer) => framer.next(),
            Framing::Scanned(scanned) => scanned.ready.pop_front(),
        }
    }

    /// The bytes behind the last event, when the stream has ended.
    pub fn finish(&mut self) -> Option<Frame> {
        match self {
            Framing::Sse(framer) => framer.finish(),
            Framing::Scanned(scanned) => scanned.finish(),
        }
    }
}

/// Events whose ends are found by looking at what has come so far.
#[derive(Debug)]
pub struct Scanned {
    cut: Cut,
    /// The most bytes of one event.
    most: usize,
    carry: BytesMut,
    /// How far the carried bytes were looked at.
    looked: usize,
    ready: VecDeque<Frame>,
    failed: bool,
}

#[derive(Debug)]
enum Cut {
    Lines,
    Array(Items),
    Aws,
}

/// Where in a JSON array the scan is.
#[derive(Debug, Default)]
struct Items {
    depth: usize,
    in_string: bool,
    escaped: bool,
    /// Where the item under way began.
    start: usize,
}

impl Scanned {
    fn new(cut: Cut, most: usize) -> Scanned {
        let (carry, ready) = (BytesMut::new(), VecDeque::new());
        Scanned { cut, most, carry, looked: 0, ready, failed: false }
    }

    fn push(&mut self, chunk: &Bytes) -> Result<(), FramingError> {
        if self.failed {
            return Err(TooLong { most: self.most }.into());
        }
        self.carry.extend_from_slice(chunk);
        let outcome = loop {
            match self.take() {
                Ok(true) => {}
                Ok(false) if self.carry.len() > self.most => {
                    break Err(TooLong { most: self.most }.into());
                }
                other => break other.map(drop),
            }
        };
        self.failed |= outcome.is_err();
        outcome
    }

    /// Takes the next whole event out of the carried bytes.
    fn take(&mut self) -> Result<bool, FramingError> {
        let plain = |raw: Bytes, from: usize, to: usize| Frame {
            data: raw.slice(from..to),
            raw,
            event: Bytes::new(),
            terminated: true,
        };
        let frame = match &mut self.cut {
            Cut::Lines => {
                let Some(end) = memchr::memchr(b'\n', &self.carry[self.looked..]) else {
                    self.looked = self.carry.len();
                    return Ok(false);
                };
                let end = self.looked + end;
                let raw = self.carry.split_to(end + 1).freeze();
                plain(raw, 0, end)
            }
            Cut::Array(items) => {
                let Some((start, end)) = items.scan(&self.carry, self.looked) else {
                    self.looked = self.carry.len();
                    return Ok(false);
                };
                let raw = self.carry.split_to(end).freeze();
                *items = Items { depth: 1, ..Items::default() };
                plain(raw, start, end)
            }
            Cut::Aws => {
                let Some(length) = aws_frames::length(&self.carry)? else { return Ok(false) };
                if self.carry.len() < length {
                    return Ok(false);
                }
                let raw = self.carry.split_to(length).freeze();
                let message = aws_frames::read(&raw)?;
                let event = raw.slice(message.event);
                let (event, data) = match message.error {
                    None => (event, raw.slice(message.payload)),
                    Some(words) => (ERROR, error(&event, &raw[words])),
                };
                Frame { data, event, raw, terminated: true }
            }
        };
        self.looked = 0;
        self.ready.push_back(frame);
        Ok(true)
    }

    fn finish(&mut self) -> Option<Frame> {
        let rest = std::mem::take(&mut self.carry);
        // What is left of an array is its closing bracket, of frames a broken one.
        let is_event = matches!(self.cut, Cut::Lines) && !rest.trim_ascii().is_empty();
        if is_event && !self.failed {
            let raw = rest.freeze();
            self.ready.push_back(Frame {
                data: raw.clone(),
                raw,
                event: Bytes::new(),
                terminated: false,
            });
        }
        self.ready.pop_front()
    }
}

/// The name of an event that ends a stream in failure, whatever the dialect.
const ERROR: Bytes = Bytes::from_static(b"error");

/// An error that a binary frame has in its headers, as JSON.
fn error(code: &[u8], message: &[u8]) -> Bytes {
    let [code, message] = [code, message].map(String::from_utf8_lossy);
    Bytes::from(serde_json::json!({ "code": code, "message": message }).to_string())
}

impl Items {
    /// Goes on from `looked`; where an item of the array ends, says where it lies.
    fn scan(&mut self, bytes: &[u8], looked: usize) -> Option<(usize, usize)> {
        for (at, byte) in bytes.iter().enumerate().skip(looked) {
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => {
                    if self.depth == 1 {
                        self.start = at;
                    }
                    self.depth += 1;
                }
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 1 {
                        return Some((self.start, at + 1));
                    }
                }
                _ => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::sse::MAX_EVENT;

    fn data(wire: Wire, text: &[u8], size: usize) -> Vec<(String, bool)> {
        let mut framing = Framing::new(wire, MAX_EVENT);
        let mut frames = Vec::new();
        for chunk in text.chunks(size) {
            framing.push(&Bytes::copy_from_slice(chunk)).unwrap();
            frames.extend(std::iter::from_fn(|| framing.next()));
        }
        frames.extend(framing.finish());
        let text = |frame: &Frame| String::from_utf8_lossy(frame.data.trim_ascii()).into_owned();
        frames.iter().map(|frame| (text(frame), frame.terminated)).collect()
    }

    #[test]
    fn lines_and_arrays_are_cut_alike_in_any_chunks() {
        for size in [1, 2, 3, 7, 1000] {
            let lines = data(Wire::Lines, b"{\"a\":1}\r\n\n{\"b\":\"x\\n\"}\n{\"c", size);
            let expected =
                [("{\"a\":1}", true), ("", true), ("{\"b\":\"x\\n\"}", true), ("{\"c", false)];
            assert_eq!(lines, expected.map(|(text, whole)| (text.to_owned(), whole)));
            let array = data(
                Wire::Array,
                br#"[{"a":"]}\""},
                {"b":[1,{}]}] "#,
                size,
            );
            let expected = [(r#"{"a":"]}\""}"#, true), (r#"{"b":[1,{}]}"#, true)];
            assert_eq!(array, expected.map(|(text, whole)| (text.to_owned(), whole)));
        }
    }

    #[test]
    fn an_endless_line_is_refused() {
        let mut framing = Framing::new(Wire::Lines, MAX_EVENT);
        let chunk = Bytes::from(vec![b'x'; MAX_EVENT / 2 + 1]);
        assert!(framing.push(&chunk).is_ok());
        assert_eq!(framing.push(&chunk), Err(FramingError::TooLong(TooLong { most: MAX_EVENT })));
        assert_eq!(framing.finish(), None);
    }
}
