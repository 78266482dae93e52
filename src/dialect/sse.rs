//! Framing of event streams (WHATWG HTML, section 9.2, "Server-sent events"), as incremental and
//! copy-free as the chunks allow.

use std::collections::VecDeque;

use bytes::Bytes;

use super::framing::Frame;

/// The most bytes one event may have.
pub const MAX_EVENT: usize = 1 << 20;

/// The most in dialects whose events hold whole images, or say the whole answer again at the end.
pub const MAX_LARGE_EVENT: usize = 32 << 20;

/// An event is longer than it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event of the stream is longer than {most} bytes")]
pub struct TooLong {
    /// How long it may be.
    pub most: usize,
}

/// Cuts a byte stream into events. However the bytes are chunked, the events are the same.
#[derive(Debug)]
pub struct Framer {
    /// The most bytes of one event.
    most: usize,
    /// The beginning of an event whose end has not come yet.
    carry: Vec<u8>,
    /// The current line has bytes already.
    in_line: bool,
    /// The last byte was a CR: an LF that follows belongs to it.
    after_cr: bool,
    /// The line that this CR ended was blank.
    blank: bool,
    /// Something was framed already, so no byte order mark can come.
    begun: bool,
    ready: VecDeque<Frame>,
    failed: bool,
}

impl Framer {
    /// At the beginning of a stream whose events have at most this many bytes.
    pub fn new(most: usize) -> Framer {
        Framer {
            most,
            carry: Vec::new(),
            in_line: false,
            after_cr: false,
            blank: false,
            begun: false,
            ready: VecDeque::new(),
            failed: false,
        }
    }

    /// Takes in a chunk; the events are fetched with [`Framer::next`].
    ///
    /// # Errors
    /// When an event is too long; the events before it can still be fetched, later chunks are
    /// ignored.
    pub fn push(&mut self, chunk: &Bytes) -> Result<(), TooLong> {
        let (mut start, mut at) = (0, 0);
        while at < chunk.len() {
            if std::mem::take(&mut self.after_cr) {
                at += usize::from(chunk[at] == b'\n');
                if std::mem::take(&mut self.blank) {
                    self.emit(chunk, start, at)?;
                    start = at;
                }
                continue;
            }
            let Some(hop) = memchr::memchr2(b'\n', b'\r', &chunk[at..]) else {
                self.in_line = true;
                break;
            };
            let blank = !self.in_line && hop == 0;
            self.in_line = false;
            at += hop + 1;
            if chunk[at - 1] == b'\r' {
                // Whether an LF belongs to this line end shows with the next byte only.
                (self.after_cr, self.blank) = (true, blank);
            } else if blank {
                self.emit(chunk, start, at)?;
                start = at;
            }
        }
        self.check(self.carry.len() + chunk.len() - start)?;
        self.carry.extend_from_slice(&chunk[start..]);
        Ok(())
    }

    fn check(&mut self, length: usize) -> Result<(), TooLong> {
        self.failed |= length > self.most;
        if self.failed { Err(TooLong { most: self.most }) } else { Ok(()) }
    }

    fn emit(&mut self, chunk: &Bytes, start: usize, end: usize) -> Result<(), TooLong> {
        self.check(self.carry.len() + end - start)?;
        let raw = if self.carry.is_empty() {
            chunk.slice(start..end)
        } else {
            self.carry.extend_from_slice(&chunk[start..end]);
            Bytes::from(std::mem::take(&mut self.carry))
        };
        self.frame(raw, true);
        Ok(())
    }

    fn frame(&mut self, raw: Bytes, terminated: bool) {
        let mut at = 0;
        if !std::mem::replace(&mut self.begun, true) && raw.starts_with(b"\xef\xbb\xbf") {
            at = 3;
        }
        let mut data = Bytes::new();
        let mut event = Bytes::new();
        let mut several: Option<Vec<u8>> = None;
        let mut lines = 0;
        while at < raw.len() {
            let end = memchr::memchr2(b'\n', b'\r', &raw[at..]).map_or(raw.len(), |hop| at + hop);
            let line = &raw[at..end];
            let colon = memchr::memchr(b':', line);
            let name = &line[..colon.unwrap_or(line.len())];
            let value = colon.map_or(end, |colon| at + colon + 1);
            let value = value + usize::from(raw[value..end].first() == Some(&b' '));
            match name {
                b"data" => {
                    lines += 1;
                    if lines == 1 {
                        data = raw.slice(value..end);
                    } else {
                        let joined = several.get_or_insert_with(|| data.to_vec());
                        joined.push(b'\n');
                        joined.extend_from_slice(&raw[value..end]);
                    }
                }
                b"event" => event = raw.slice(value..end),
                _ => {}
            }
            at = end + 1;
        }
        if let Some(joined) = several {
            data = Bytes::from(joined);
        }
        self.ready.push_back(Frame { raw, data, event, terminated });
    }

    /// The next event.
    #[expect(clippy::should_implement_trait, reason = "more may come after it was empty")]
    pub fn next(&mut self) -> Option<Frame> {
        self.ready.pop_front()
    }

    /// The bytes behind the last event, when the stream has ended without a blank line.
    pub fn finish(&mut self) -> Option<Frame> {
        if !self.carry.is_empty() && !self.failed {
            // A blank line whose CR was the stream's last byte is a complete one.
            let terminated = self.after_cr && self.blank;
            let raw = Bytes::from(std::mem::take(&mut self.carry));
            self.frame(raw, terminated);
        }
        self.next()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frames(chunks: &[&[u8]]) -> Vec<Frame> {
        let mut framer = Framer::new(MAX_EVENT);
        let mut out = Vec::new();
        for chunk in chunks {
            framer.push(&Bytes::copy_from_slice(chunk)).unwrap();
            out.extend(std::iter::from_fn(|| framer.next()));
        }
        out.extend(framer.finish());
        out
    }

    fn data(chunks: &[&[u8]]) -> Vec<String> {
        frames(chunks).iter().map(|frame| String::from_utf8_lossy(&frame.data).into()).collect()
    }

    #[test]
    fn all_line_ends_and_spacings() {
        assert_eq!(data(&[b"data: a\n\ndata:b\r\n\r\ndata: c\r\rdata: d\n"]), ["a", "b", "c", "d"]);
        assert_eq!(data(&[b"\xef\xbb\xbfdata: a\n\n"]), ["a"]);
        assert_eq!(data(&[b"data: a\ndata:\ndata:  b\n\n"]), ["a\n\n b"]);
        assert_eq!(data(&[b": hello\n\nid: 3\nevent: error\ndata\n\n"]), ["", ""]);
        assert_eq!(frames(&[b"event: error\ndata: x\n\n"])[0].event, "error");
        assert_eq!(data(&[b"data: a\n\n\n\ndata: b\n\n"]), ["a", "", "", "b"]);
    }

    #[test]
    fn an_event_in_one_chunk_is_not_copied() {
        let chunk = Bytes::from_static(b"data: a\n\ndata: b\n\n");
        let mut framer = Framer::new(MAX_EVENT);
        framer.push(&chunk).unwrap();
        framer.next().unwrap();
        let frame = framer.next().unwrap();
        assert_eq!(frame.raw.as_ptr(), chunk[9..].as_ptr());
        assert_eq!(frame.data.as_ptr(), chunk[15..].as_ptr());
    }

    #[test]
    fn crlf_cut_in_the_middle_is_one_line_end() {
        let cut = frames(&[b"data: a\r", b"\n\r", b"\ndata: b\r\n\r\n"]);
        assert_eq!(cut, frames(&[b"data: a\r\n\r\ndata: b\r\n\r\n"]));
        assert_eq!(cut.len(), 2);
        assert_eq!(cut[0].raw, "data: a\r\n\r\n");
    }

    #[test]
    fn what_the_stream_breaks_off_in_is_marked() {
        let cut = frames(&[b"data: a\n\ndata: {\"b"]);
        assert!(cut[0].terminated && !cut[1].terminated);
    }

    #[test]
    fn an_endless_event_is_refused_and_not_kept() {
        let mut framer = Framer::new(MAX_EVENT);
        let chunk = Bytes::from(vec![b'x'; MAX_EVENT / 2]);
        assert_eq!(framer.push(&chunk), Ok(()));
        assert_eq!(framer.push(&chunk), Ok(()));
        assert_eq!(framer.push(&chunk), Err(TooLong { most: MAX_EVENT }));
        assert_eq!(framer.push(&chunk), Err(TooLong { most: MAX_EVENT }));
        assert!(framer.carry.len() <= MAX_EVENT);
        assert_eq!(framer.finish(), None);
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_events(
            text in prop::collection::vec(prop::sample::select(
                vec!["data:", "event: e", ":", " ", "a", "é", "\n", "\r", "\r\n", "\n\n", "\u{feff}"]), 0..40),
            cuts in prop::collection::vec(1usize..6, 1..40),
        ) {
            let text = text.concat().into_bytes();
            let mut chunks = Vec::new();
            let (mut rest, mut sizes) = (&text[..], cuts.iter().cycle());
            while !rest.is_empty() {
                let (chunk, left) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
                chunks.push(chunk);
                rest = left;
            }
            let whole = frames(&[&text]);
            prop_assert_eq!(frames(&chunks), whole.clone());
            let joined: Vec<u8> = whole.iter().flat_map(|frame| frame.raw.to_vec()).collect();
            prop_assert_eq!(joined, text);
        }
    }
}
