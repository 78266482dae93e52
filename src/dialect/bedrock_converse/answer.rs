//! Reading whole answers, and what streams end with.

use super::blocks::Blocks;
use crate::dialect::answer::{Answer, Finish};
use crate::dialect::error::UpstreamError;
use crate::dialect::fault::{self, Fault};
use crate::dialect::json::{JsonError, Kind, Scanner};
use crate::dialect::sink::Sink;
use crate::dialect::usage::Usage;
use crate::units::Tokens;

/// Reads a whole answer.
///
/// # Errors
/// When it is none.
pub(super) fn read(body: &[u8]) -> Result<Answer, UpstreamError> {
    let mut answer = Answer::default();
    let sink = &mut Sink::new(&mut answer);
    let (mut reason, mut blocks) = (None, Blocks::default());
    fault::object(fault::text(body)?, |scanner, key| {
        match (key.raw, scanner.kind()?) {
            ("output", Kind::Object) => scanner.object(|scanner, key| {
                if key.raw != "message" || scanner.kind()? != Kind::Object {
                    return Ok(());
                }
                sink.choice(0)?;
                scanner.object(|scanner, key| {
                    if key.raw != "content" || scanner.kind()? != Kind::Array {
                        return Ok(());
                    }
                    scanner.array(|scanner, number| match scanner.kind()? {
                        Kind::Object => {
                            blocks.turn_to(number as u64, sink);
                            blocks.whole(scanner, sink)
                        }
                        _ => Ok(()),
                    })
                })
            })?,
            ("stopReason", Kind::String) => reason = scanner.text()?,
            (name, _) => about(name, scanner, sink)?,
        }
        Ok::<(), Fault>(())
    })
    .map_err(Fault::of_answer)?;
    if sink.answer().choices.is_empty() {
        return Err(UpstreamError::invalid("no_message", "the answer has no message"));
    }
    if let Some(reason) = reason {
        sink.finish(0, finish_of(&reason)).map_err(UpstreamError::from)?;
    }
    Ok(answer)
}

/// Fields about the answer as a whole: of a whole one, and of a stream's last event.
pub(super) fn about(
    name: &str,
    scanner: &mut Scanner<'_>,
    sink: &mut Sink<'_>,
) -> Result<(), JsonError> {
    match (name, scanner.kind()?) {
        ("usage", Kind::Object) => {
            if let Some(usage) = usage(scanner)? {
                sink.usage(usage);
            }
        }
        ("serviceTier", Kind::Object) => scanner.object(|scanner, key| {
            if key.raw == "type"
                && let Some(tier) = scanner.text()?
            {
                sink.service_tier(&tier);
            }
            Ok::<(), JsonError>(())
        })?,
        _ => {}
    }
    Ok(())
}

pub(super) fn finish_of(reason: &str) -> Finish {
    match reason {
        "end_turn" | "stop_sequence" => Finish::Stop,
        "tool_use" => Finish::ToolCalls,
        "max_tokens" => Finish::Length,
        "model_context_window_exceeded" => Finish::ContextFull,
        "guardrail_intervened" | "content_filtered" => Finish::ContentFilter,
        "refusal" => Finish::Refusal,
        // The model wrote what nobody can read.
        reason if reason.starts_with("malformed_") => Finish::Error,
        _ => Finish::Other,
    }
}

/// Cached tokens are not among the input; every count of them is there twice, under two names.
fn usage(scanner: &mut Scanner<'_>) -> Result<Option<Usage>, JsonError> {
    let (mut input, mut output) = (None, None);
    let (mut read, mut written, mut for_an_hour) = (0, 0, 0_u64);
    scanner.object(|scanner, key| {
        match (key.raw, scanner.kind()?) {
            ("inputTokens", _) => input = scanner.count()?,
            ("outputTokens", _) => output = scanner.count()?,
            ("cacheReadInputTokens", _) => read = scanner.count()?.unwrap_or(0),
            ("cacheWriteInputTokens", _) => written = scanner.count()?.unwrap_or(0),
            ("cacheDetails", Kind::Array) => scanner.array(|scanner, _| {
                let (mut count, mut hour) = (0, false);
                if scanner.kind()? == Kind::Object {
                    scanner.object(|scanner, key| {
                        match key.raw {
                            "inputTokens" => count = scanner.count()?.unwrap_or(0),
                            "ttl" => hour = scanner.text()?.as_deref() == Some("1h"),
                            _ => {}
                        }
                        Ok::<(), JsonError>(())
                    })?;
                }
                for_an_hour = if hour { count.saturating_add(for_an_hour) } else { for_an_hour };
                Ok::<(), JsonError>(())
            })?,
            _ => {}
        }
        Ok::<(), JsonError>(())
    })?;
    if input.is_none() && output.is_none() {
        return Ok(None);
    }
    let for_an_hour = for_an_hour.min(written);
    Ok(Some(Usage {
        input: Tokens(input.unwrap_or(0)),
        output: Tokens(output.unwrap_or(0)),
        cache_read: Tokens(read),
        cache_write: Tokens(written - for_an_hour),
        cache_write_1h: Tokens(for_an_hour),
        ..Usage::default()
    }))
}
