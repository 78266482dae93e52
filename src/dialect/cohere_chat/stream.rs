//! The events of a stream.

use super::answer::{End, Pieces, logprobs};
use crate::dialect::answer::Answer;
use crate::dialect::error::UpstreamError;
use crate::dialect::fault::{self, Fault, Outcome};
use crate::dialect::json::{Kind, Scanner};
use crate::dialect::sink::Sink;
use crate::dialect::stream::{Decoder, Mark};

/// Reads the events of a stream.
#[derive(Debug, Default)]
pub(super) struct Events {
    pieces: Pieces,
    ended: bool,
}

impl Decoder for Events {
    fn event(&mut self, _: &str, data: &str, sink: &mut Sink<'_>) -> Result<Mark, UpstreamError> {
        // It comes behind the end, and not always.
        if data == "[DONE]" {
            return Ok(Mark::Piece);
        }
        let ends = self.take(data, sink).map_err(Fault::of_event)?;
        self.ended |= ends;
        Ok(if ends { Mark::Done } else { Mark::Piece })
    }

    fn is_complete(&self, _: &Answer) -> bool {
        self.ended
    }
}

impl Events {
    /// Takes in an event; gives whether it is the last one. Its type stands in its data, as it does
    /// in its name.
    fn take(&mut self, data: &str, sink: &mut Sink<'_>) -> Outcome<bool> {
        let (mut kind, mut number) = (None, 0);
        let (mut delta, mut logs): (Option<Scanner<'_>>, Option<Scanner<'_>>) = (None, None);
        fault::object(data, |scanner, key| {
            match (key.raw, scanner.kind()?) {
                ("type", _) => kind = scanner.text()?,
                ("id", Kind::String) => sink.id(&scanner.string()?.cow()),
                ("index", _) => number = scanner.count()?.unwrap_or(0),
                ("delta", Kind::Object) => delta = Some(scanner.clone()),
                ("logprobs", _) => logs = Some(scanner.clone()),
                _ => {}
            }
            Ok(())
        })?;
        let ends = kind.as_deref() == Some("message-end");
        if kind.as_deref() == Some("tool-call-end") {
            self.pieces.call_end(number, sink);
        }
        if let Some(mut logs) = logs {
            logprobs(&mut logs, sink)?;
        }
        let Some(mut delta) = delta else { return Ok(ends) };
        let (mut message, mut end): (Option<Scanner<'_>>, _) = (None, End::default());
        delta.object(|scanner, key| {
            match (key.raw, scanner.kind()?) {
                ("message", Kind::Object) => message = Some(scanner.clone()),
                (name, _) => end.field(name, scanner)?,
            }
            Ok::<(), Fault>(())
        })?;
        if let Some(mut message) = message {
            self.pieces.message(&mut message, number, sink)?;
        }
        if ends {
            end.tell(sink)?;
        }
        Ok(ends)
    }
}
