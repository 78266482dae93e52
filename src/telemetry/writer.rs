//! The last thing before the file: whatever an event says, it goes through here.

use std::io::{self, Write};

use memchr::memrchr;
use tracing_subscriber::fmt::MakeWriter;

use super::redact::Redactor;

/// The most that is held back while waiting for the end of a line, in bytes.
const LONGEST_LINE: usize = 1 << 20;

/// Makes writers that take secrets out of what is written.
#[derive(Debug)]
pub struct Redacting<W> {
    inner: W,
    redactor: Redactor,
}

impl<W> Redacting<W> {
    /// Puts the redactor in front of what `inner` makes.
    pub fn new(inner: W, redactor: Redactor) -> Redacting<W> {
        Redacting { inner, redactor }
    }
}

impl<'w, W: MakeWriter<'w>> MakeWriter<'w> for Redacting<W> {
    type Writer = RedactingWriter<W::Writer>;
    fn make_writer(&'w self) -> Self::Writer {
        RedactingWriter::new(self.inner.make_writer(), self.redactor.clone())
    }
    fn make_writer_for(&'w self, meta: &tracing::Metadata<'_>) -> Self::Writer {
        RedactingWriter::new(self.inner.make_writer_for(meta), self.redactor.clone())
    }
}

/// Writes whole lines, so that no secret slips through in two halves.
#[derive(Debug)]
pub struct RedactingWriter<W: Write> {
    inner: W,
    redactor: Redactor,
    /// The beginning of a line whose end has not come yet.
    held: Vec<u8>,
}

impl<W: Write> RedactingWriter<W> {
    fn new(inner: W, redactor: Redactor) -> Self {
        RedactingWriter { inner, redactor, held: Vec::new() }
    }

    fn pass(&mut self, bytes: &[u8]) -> io::Result<()> {
        let text = String::from_utf8_lossy(bytes);
        self.inner.write_all(self.redactor.redact(&text).as_bytes())
    }

    fn release(&mut self) -> io::Result<()> {
        let held = std::mem::take(&mut self.held);
        if held.is_empty() { Ok(()) } else { self.pass(&held) }
    }
}

impl<W: Write> Write for RedactingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (lines, rest) = bytes.split_at(memrchr(b'\n', bytes).map_or(0, |end| end + 1));
        if self.held.is_empty() {
            // The usual case: the subscriber hands over a whole event at once.
            if !lines.is_empty() {
                self.pass(lines)?;
            }
        } else if !lines.is_empty() {
            self.held.extend_from_slice(lines);
            self.release()?;
        }
        self.held.extend_from_slice(rest);
        if self.held.len() > LONGEST_LINE {
            self.release()?;
        }
        Ok(bytes.len())
    }

    /// Passes on whole lines only; the rest of one follows with its end, or on drop.
    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<W: Write> Drop for RedactingWriter<W> {
    fn drop(&mut self) {
        // Nobody is left to tell about a log that cannot be written.
        let _ = self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_two_writes_is_still_one() {
        let mut out = Vec::new();
        for cut in 0..=31 {
            let line = b"key sk-abcdefghijklmnop12345 end\nand";
            let mut writer = RedactingWriter::new(&mut out, Redactor::default());
            writer.write_all(&line[..cut]).unwrap();
            writer.flush().unwrap();
            writer.write_all(&line[cut..]).unwrap();
            drop(writer);
            assert_eq!(String::from_utf8_lossy(&out), "key [redacted] end\nand");
            out.clear();
        }
    }
}
