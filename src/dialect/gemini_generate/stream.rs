//! The events of a stream, each an answer of its own with what is new.

use super::answer::Reader;
use crate::dialect::answer::Answer;
use crate::dialect::error::UpstreamError;
use crate::dialect::framing::Wire;
use crate::dialect::quirks::Quirks;
use crate::dialect::sink::Sink;
use crate::dialect::sse::MAX_LARGE_EVENT;
use crate::dialect::stream::{Decoder, Mark, Stream};

/// A stream that is framed like this: as server-sent events where `alt=sse` was asked for, as one
/// JSON array where it was not.
pub fn stream(wire: Wire, _: Quirks) -> Stream {
    Stream::new(wire, Box::new(Events(Reader::default())))
}

#[derive(Debug)]
struct Events(Reader);

impl Decoder for Events {
    fn event(&mut self, _: &str, data: &str, sink: &mut Sink<'_>) -> Result<Mark, UpstreamError> {
        self.0.body(data, sink)?;
        Ok(Mark::Piece)
    }

    /// There is no mark of the end but that every candidate says why it ended.
    fn is_complete(&self, answer: &Answer) -> bool {
        self.0.is_complete(answer)
    }

    /// An image comes in one event.
    fn longest_event(&self) -> usize {
        MAX_LARGE_EVENT
    }
}
