//! The events of a stream.

use super::answer::{about, finish_of};
use super::blocks::Blocks;
use crate::dialect::answer::Answer;
use crate::dialect::error::UpstreamError;
use crate::dialect::fault::{self, Fault, Outcome};
use crate::dialect::json::{Kind, Scanner};
use crate::dialect::sink::Sink;
use crate::dialect::stream::{Decoder, Mark};

/// Reads the events of a stream.
#[derive(Debug, Default)]
pub(super) struct Events {
    blocks: Blocks,
    stopped: bool,
}

impl Decoder for Events {
    fn event(
        &mut self,
        name: &str,
        data: &str,
        sink: &mut Sink<'_>,
    ) -> Result<Mark, UpstreamError> {
        if name.ends_with("Exception") {
            return Err(UpstreamError::named(200, name, data));
        }
        self.take(name, data, sink).map_err(Fault::of_event)?;
        // The message is complete before its usage comes, which is the very last.
        Ok(if self.stopped && name == "metadata" { Mark::Done } else { Mark::Piece })
    }

    fn is_complete(&self, _: &Answer) -> bool {
        self.stopped
    }
}

impl Events {
    fn take(&mut self, name: &str, data: &str, sink: &mut Sink<'_>) -> Outcome {
        match name {
            "messageStart" => {
                sink.choice(0)?;
            }
            "contentBlockStart" | "contentBlockDelta" | "contentBlockStop" => {
                let (mut number, mut start, mut delta) = (0, None, None);
                fault::object(data, |scanner, key| {
                    match (key.raw, scanner.kind()?) {
                        ("contentBlockIndex", _) => number = scanner.count()?.unwrap_or(0),
                        ("start", Kind::Object) => start = Some(scanner.clone()),
                        ("delta", Kind::Object) => delta = Some(scanner.clone()),
                        _ => {}
                    }
                    Ok(())
                })?;
                self.block(name, number, start, delta, sink)?;
            }
            "messageStop" => fault::object(data, |scanner, key| {
                if key.raw == "stopReason" && scanner.kind()? == Kind::String {
                    let finish = finish_of(&scanner.string()?.cow());
                    self.blocks.stop(sink);
                    sink.finish(0, finish)?;
                    self.stopped = true;
                }
                Ok(())
            })?,
            "metadata" => fault::object(data, |scanner, key| Ok(about(key.raw, scanner, sink)?))?,
            _ => {}
        }
        Ok(())
    }

    fn block(
        &mut self,
        name: &str,
        number: u64,
        start: Option<Scanner<'_>>,
        delta: Option<Scanner<'_>>,
        sink: &mut Sink<'_>,
    ) -> Outcome {
        sink.choice(0)?;
        self.blocks.turn_to(number, sink);
        if let Some(mut start) = start {
            self.blocks.start(&mut start, sink)?;
        }
        if let Some(mut delta) = delta {
            delta.object(|scanner, key| {
                // There is no telling what pieces of an unknown kind come to.
                self.blocks.delta(key.raw, scanner, sink)?;
                Ok::<(), Fault>(())
            })?;
        }
        if name == "contentBlockStop" {
            self.blocks.stop(sink);
        }
        Ok(())
    }
}
