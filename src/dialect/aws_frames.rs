//! AWS event-stream frames: length-prefixed binary messages with headers and checksums
//! (<https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html>).
//!
//! ```text
//! total length u32 | headers length u32 | CRC-32 of both | headers | payload | CRC-32 of all before
//! ```

use std::ops::Range;

use super::sse::MAX_EVENT;

/// The lengths and their checksum.
const PRELUDE: usize = 12;
/// A header's value is a string.
const STRING: u8 = 7;

/// What is wrong with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A checksum does not match.
    #[error("a frame of the stream has a wrong checksum")]
    Checksum,
    /// The lengths cannot be.
    #[error("a frame of the stream has impossible lengths")]
    Length,
}

/// Where the parts of a message lie in its frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The value of `:event-type`, or of `:exception-type` (such names end with `Exception`), or of
    /// `:error-code`.
    pub event: Range<usize>,
    /// The value of `:error-message`, where the frame is an error: those have no payload.
    pub error: Option<Range<usize>>,
    /// The payload.
    pub payload: Range<usize>,
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map(u32::from_be_bytes)
}

/// How long the frame is that begins here; nothing until its lengths are there.
///
/// # Errors
/// When the checksum of the lengths is wrong, or they cannot be.
pub fn length(bytes: &[u8]) -> Result<Option<usize>, FrameError> {
    let (Some(total), Some(headers), Some(sum)) = (word(bytes, 0), word(bytes, 4), word(bytes, 8))
    else {
        return Ok(None);
    };
    if crc32fast::hash(&bytes[..8]) != sum {
        return Err(FrameError::Checksum);
    }
    let (total, headers) = (total as usize, headers as usize);
    if total > MAX_EVENT + PRELUDE || total < headers.saturating_add(PRELUDE + 4) {
        return Err(FrameError::Length);
    }
    Ok(Some(total))
}

/// Reads a whole frame.
///
/// # Errors
/// When a checksum is wrong, or its parts do not fit into it.
pub fn read(frame: &[u8]) -> Result<Message, FrameError> {
    let total = length(frame)?.filter(|total| *total == frame.len()).ok_or(FrameError::Length)?;
    if word(frame, total - 4) != Some(crc32fast::hash(&frame[..total - 4])) {
        return Err(FrameError::Checksum);
    }
    let headers = word(frame, 4).unwrap_or(0) as usize;
    let end = PRELUDE + headers;
    let mut message = Message { event: 0..0, error: None, payload: end..total - 4 };
    let mut at = PRELUDE;
    while at < end {
        let name_length = usize::from(frame[at]);
        let name = frame.get(at + 1..at + 1 + name_length).ok_or(FrameError::Length)?;
        at += 1 + name_length;
        let kind = *frame.get(at).ok_or(FrameError::Length)?;
        at += 1;
        // The fixed lengths of the other types, by their number.
        let (value, next) = match kind {
            0 | 1 => (at..at, at),
            2 => (at..at + 1, at + 1),
            3 => (at..at + 2, at + 2),
            4 => (at..at + 4, at + 4),
            5 | 8 => (at..at + 8, at + 8),
            9 => (at..at + 16, at + 16),
            6 | STRING => {
                let two = frame.get(at..at + 2).and_then(|two| two.try_into().ok());
                let length = usize::from(two.map(u16::from_be_bytes).ok_or(FrameError::Length)?);
                (at + 2..at + 2 + length, at + 2 + length)
            }
            _ => return Err(FrameError::Length),
        };
        if next > end {
            return Err(FrameError::Length);
        }
        match (name, kind) {
            (b":event-type" | b":exception-type", STRING) => message.event = value,
            (b":error-code", STRING) => {
                message.event = value;
                message.error.get_or_insert(end..end);
            }
            (b":error-message", STRING) => message.error = Some(value),
            _ => {}
        }
        at = next;
    }
    Ok(message)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A frame as AWS would send it.
    pub(crate) fn frame(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
        let mut head = Vec::new();
        for (name, value) in headers {
            head.push(name.len() as u8);
            head.extend_from_slice(name.as_bytes());
            head.push(STRING);
            head.extend_from_slice(&(value.len() as u16).to_be_bytes());
            head.extend_from_slice(value.as_bytes());
        }
        let total = PRELUDE + head.len() + payload.len() + 4;
        let mut out = Vec::new();
        out.extend_from_slice(&(total as u32).to_be_bytes());
        out.extend_from_slice(&(head.len() as u32).to_be_bytes());
        out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
        out.extend_from_slice(&head);
        out.extend_from_slice(payload);
        out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
        out
    }

    #[test]
    fn a_frame_is_read_and_a_flipped_bit_is_seen() {
        let whole = frame(&[(":event-type", "messageStop"), (":message-type", "event")], b"{}");
        let message = read(&whole).unwrap();
        assert_eq!(&whole[message.event.clone()], b"messageStop");
        assert_eq!(&whole[message.payload.clone()], b"{}");
        for at in 0..whole.len() {
            let mut broken = whole.clone();
            broken[at] ^= 1;
            assert!(read(&broken).is_err(), "{at}");
        }
        for cut in 0..PRELUDE {
            assert_eq!(length(&whole[..cut]), Ok(None));
        }
    }

    #[test]
    fn an_error_says_so_in_its_headers() {
        let headers = [
            (":message-type", "error"),
            (":error-code", "InternalFailure"),
            (":error-message", "sorry"),
        ];
        let whole = frame(&headers, b"");
        let message = read(&whole).unwrap();
        assert_eq!(&whole[message.event], b"InternalFailure");
        assert_eq!(&whole[message.error.unwrap()], b"sorry");
        let whole = frame(&headers[..2], b"");
        assert!(read(&whole).unwrap().error.unwrap().is_empty());
    }
}
