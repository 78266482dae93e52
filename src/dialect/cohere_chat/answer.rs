//! Reading answers. The events of a stream carry pieces of the same message, numbered: one item
//! where a whole answer has a list.

use std::borrow::Cow;

use crate::dialect::Dialect;
use crate::dialect::answer::{Answer, Finish, TokenLogprob};
use crate::dialect::error::UpstreamError;
use crate::dialect::fault::{self, Fault, Outcome};
use crate::dialect::json::{JsonError, Kind, Scanner};
use crate::dialect::part::{Body, Citation, Part};
use crate::dialect::sink::Sink;
use crate::dialect::usage::Usage;
use crate::error_class::ErrorClass;
use crate::units::Tokens;

/// Reads a whole answer.
///
/// # Errors
/// When it is none.
pub(super) fn read(body: &[u8]) -> Result<Answer, UpstreamError> {
    let mut answer = Answer::default();
    let (mut message, mut end) = (None, End::default());
    let sink = &mut Sink::new(&mut answer);
    let mut logs = None;
    let scan = fault::object(fault::text(body)?, |scanner, key| {
        match (key.raw, scanner.kind()?) {
            ("id", Kind::String) => sink.id(&scanner.string()?.cow()),
            ("message", Kind::Object) => message = Some(scanner.raw()?),
            ("logprobs", Kind::Array) => logs = Some(scanner.raw()?),
            (name, _) => end.field(name, scanner)?,
        }
        Ok(())
    });
    let Some(message) = message.filter(|_| scan.is_ok()) else {
        scan.map_err(Fault::of_answer)?;
        return Err(UpstreamError::invalid("no_message", "the answer has no message"));
    };
    let mut pieces = Pieces::default();
    let take = || {
        pieces.message(&mut Scanner::new(message), 0, sink)?;
        if let Some(logs) = logs {
            logprobs(&mut Scanner::new(logs), sink)?;
        }
        end.tell(sink)
    };
    take().map_err(Fault::of_answer)?;
    Ok(answer)
}

/// Where the pieces of a message belong.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    /// The number of a content item, and the place of its part.
    contents: Vec<(u64, usize)>,
    /// The same of the calls, which are numbered on their own.
    calls: Vec<(u64, usize)>,
    plan: Option<usize>,
}

fn place(of: &[(u64, usize)], number: u64) -> Option<usize> {
    of.iter().rev().find(|(known, _)| *known == number).map(|(_, at)| *at)
}

/// One item, or each of a list with its position.
fn each(
    scanner: &mut Scanner<'_>,
    number: u64,
    mut take: impl FnMut(&mut Scanner<'_>, u64) -> Outcome,
) -> Outcome {
    match scanner.kind()? {
        Kind::Object => take(scanner, number),
        Kind::Array => scanner.array(|scanner, position| match scanner.kind()? {
            Kind::Object => take(scanner, position as u64),
            _ => Ok(()),
        }),
        _ => Ok(()),
    }
}

impl Pieces {
    /// Takes in a message, or a piece of one whose item has this number. In which order its fields
    /// stand says nothing.
    pub(super) fn message(
        &mut self,
        scanner: &mut Scanner<'_>,
        number: u64,
        sink: &mut Sink<'_>,
    ) -> Outcome {
        sink.choice(0)?;
        let (mut content, mut plan, mut calls, mut citations) = (None, None, None, None);
        scanner.object(|scanner, key| {
            match (key.raw, scanner.kind()?) {
                ("content", Kind::String) => {
                    // As requests may have it; answers were not seen to.
                    let text = scanner.text()?.unwrap_or_default();
                    self.grow(sink, number, &text, Part::text)?;
                }
                ("content", _) => content = Some(scanner.clone()),
                ("tool_plan", Kind::String) => plan = scanner.text()?,
                ("tool_calls", _) => calls = Some(scanner.clone()),
                ("citations", _) => citations = Some(scanner.clone()),
                _ => {}
            }
            Ok::<(), Fault>(())
        })?;
        if let Some(mut scanner) = content {
            each(&mut scanner, number, |scanner, number| self.content(scanner, number, sink))?;
        }
        // What the model means to do is said to the user: it is text, not thinking.
        if let Some(plan) = plan.filter(|plan| !plan.is_empty()) {
            match self.plan {
                Some(at) => sink.more(0, at, &plan),
                None => self.plan = Some(sink.part(0, Part::text(plan.into_owned()))?),
            }
        }
        if let Some(mut scanner) = calls {
            each(&mut scanner, number, |scanner, number| self.call(scanner, number, sink))?;
        }
        if let Some(mut scanner) = citations {
            each(&mut scanner, number, |scanner, _| self.citation(scanner, sink))?;
        }
        Ok(())
    }

    fn content(&mut self, scanner: &mut Scanner<'_>, number: u64, sink: &mut Sink<'_>) -> Outcome {
        let whole = scanner.clone().raw()?;
        let (mut kind, mut text, mut thinking) = (None, None, None);
        scanner.object(|scanner, key| {
            match key.raw {
                "type" => kind = scanner.text()?,
                "text" => text = scanner.text()?,
                "thinking" => thinking = scanner.text()?,
                _ => {}
            }
            Ok::<(), JsonError>(())
        })?;
        match (thinking, text, kind.as_deref()) {
            (Some(thinking), ..) => self.grow(sink, number, &thinking, Part::thinking),
            (None, Some(text), _) => self.grow(sink, number, &text, Part::text),
            (None, None, Some("text" | "thinking") | None) => Ok(()),
            (None, None, Some(_)) => {
                let json = whole.to_owned().into();
                sink.part(0, Part::new(Body::Native { dialect: Dialect::CohereChat, json }))?;
                Ok(())
            }
        }
    }

    /// More of a content item; it becomes a part with its first character.
    fn grow(
        &mut self,
        sink: &mut Sink<'_>,
        number: u64,
        text: &str,
        part: fn(String) -> Part<'static>,
    ) -> Outcome {
        match place(&self.contents, number) {
            _ if text.is_empty() => {}
            Some(at) => sink.more(0, at, text),
            None => self.contents.push((number, sink.part(0, part(text.to_owned()))?)),
        }
        Ok(())
    }

    fn call(&mut self, scanner: &mut Scanner<'_>, number: u64, sink: &mut Sink<'_>) -> Outcome {
        let (mut id, mut name, mut arguments) = (None, None, Cow::Borrowed(""));
        scanner.object(|scanner, key| {
            match (key.raw, scanner.kind()?) {
                ("id", _) => id = scanner.text()?,
                ("function", Kind::Object) => scanner.object(|scanner, key| {
                    match (key.raw, scanner.kind()?) {
                        ("name", _) => name = scanner.text()?,
                        ("arguments", Kind::String) => arguments = scanner.string()?.cow(),
                        ("arguments", Kind::Object) => arguments = scanner.raw()?.into(),
                        _ => {}
                    }
                    Ok::<(), JsonError>(())
                })?,
                _ => {}
            }
            Ok::<(), JsonError>(())
        })?;
        // How it writes that there are none.
        if arguments == "null" {
            arguments = "{}".into();
        }
        match (place(&self.calls, number), name) {
            (Some(at), None) => sink.more(0, at, &arguments),
            (_, name) => {
                let name = name.unwrap_or_default().into_owned();
                let id = id.unwrap_or_default().into_owned();
                let at = sink.part(0, Part::call(id, name, arguments.into_owned()))?;
                self.calls.push((number, at));
            }
        }
        Ok(())
    }

    /// A call is complete: without arguments it has an empty object of them.
    pub(super) fn call_end(&self, number: u64, sink: &mut Sink<'_>) {
        let Some(at) = place(&self.calls, number) else { return };
        let parts = sink.answer().primary().map_or(&[][..], |choice| &choice.parts);
        if parts.get(at).is_some_and(|part| part.main_text().is_empty()) {
            sink.more(0, at, "{}");
        }
    }

    /// A citation names a span of the answer and all that supports it.
    fn citation(&self, scanner: &mut Scanner<'_>, sink: &mut Sink<'_>) -> Outcome {
        let whole = scanner.clone().raw()?;
        let (mut from, mut to, mut number) = (None, None, None);
        let (mut of_plan, mut sources) = (false, Vec::new());
        scanner.object(|scanner, key| {
            match (key.raw, scanner.kind()?) {
                ("start", _) => from = scanner.count()?,
                ("end", _) => to = scanner.count()?,
                ("content_index", _) => number = scanner.count()?,
                ("type", _) => of_plan = scanner.text()?.as_deref() == Some("PLAN"),
                ("sources", Kind::Array) => scanner.array(|scanner, _| {
                    sources.push(source(scanner)?);
                    Ok::<(), JsonError>(())
                })?,
                _ => {}
            }
            Ok::<(), JsonError>(())
        })?;
        let parts = sink.answer().primary().map_or(&[][..], |choice| &choice.parts);
        let said = self.contents.iter().rev().map(|(_, at)| *at);
        let mut said =
            said.filter(|at| matches!(parts.get(*at), Some(Part { body: Body::Text { .. }, .. })));
        let at = match number {
            _ if of_plan => self.plan,
            Some(number) => place(&self.contents, number),
            None => said.next(),
        };
        let Some(at) = at else { return Ok(()) };
        if sources.is_empty() {
            sources.push(Citation::default());
        }
        for source in sources {
            let citation = Citation {
                range: from.zip(to).filter(|(from, to)| from < to),
                native: Some((Dialect::CohereChat, whole.to_owned().into())),
                ..source
            };
            sink.cite(0, at, citation.into_owned());
        }
        Ok(())
    }
}

/// A document of the request's, or what a tool returned.
fn source<'a>(scanner: &mut Scanner<'a>) -> Result<Citation<'a>, JsonError> {
    let mut citation = Citation::default();
    if scanner.kind()? != Kind::Object {
        return Ok(citation);
    }
    scanner.object(|scanner, key| {
        if !matches!(key.raw, "document" | "tool_output") || scanner.kind()? != Kind::Object {
            return Ok(());
        }
        scanner.object(|scanner, key| {
            match key.raw {
                "url" => citation.url = scanner.text()?,
                "title" => citation.title = scanner.text()?,
                "text" | "snippet" | "content" => citation.quote = scanner.text()?,
                _ => {}
            }
            Ok::<(), JsonError>(())
        })
    })?;
    Ok(citation)
}

/// How an answer ended: fields of a whole answer, and of a stream's last event.
#[derive(Debug, Default)]
pub(super) struct End<'a> {
    reason: Option<Cow<'a, str>>,
    usage: Option<Usage>,
    error: Option<Cow<'a, str>>,
}

impl<'a> End<'a> {
    /// Takes in a field, if it is about the end.
    pub(super) fn field(&mut self, name: &str, scanner: &mut Scanner<'a>) -> Outcome {
        match (name, scanner.kind()?) {
            ("finish_reason", Kind::String) => self.reason = scanner.text()?,
            ("usage", Kind::Object) => self.usage = usage(scanner)?,
            ("error", Kind::String) => self.error = scanner.text()?,
            _ => {}
        }
        Ok(())
    }

    /// Tells it.
    pub(super) fn tell(self, sink: &mut Sink<'_>) -> Outcome {
        if let Some(usage) = self.usage {
            sink.usage(usage);
        }
        let reason = self.reason.unwrap_or_default();
        let finish = match &*reason {
            "" => return Ok(()),
            "COMPLETE" | "STOP_SEQUENCE" => Finish::Stop,
            "MAX_TOKENS" => Finish::Length,
            "TOOL_CALL" => Finish::ToolCalls,
            "ERROR_TOXIC" => Finish::ContentFilter,
            "ERROR_LIMIT" => Finish::ContextFull,
            "ERROR" | "TIMEOUT" => Finish::Error,
            _ => Finish::Other,
        };
        if finish == Finish::Error {
            let class = match &*reason {
                "TIMEOUT" => ErrorClass::Timeout,
                _ => ErrorClass::ServerError,
            };
            let words = self.error.unwrap_or("the provider ended the answer with an error".into());
            sink.error(UpstreamError { class, ..UpstreamError::invalid(&reason, words) });
        }
        Ok(sink.finish(0, finish)?)
    }
}

/// The tokens that the model saw and wrote; `billed_units` leaves out what Cohere added itself.
fn usage(scanner: &mut Scanner<'_>) -> Result<Option<Usage>, JsonError> {
    let (mut seen, mut billed, mut cached) = (None, None, 0);
    scanner.object(|scanner, key| {
        match (key.raw, scanner.kind()?) {
            ("tokens", Kind::Object) => seen = counts(scanner)?,
            ("billed_units", Kind::Object) => billed = counts(scanner)?,
            ("cached_tokens", _) => cached = scanner.count()?.unwrap_or(0),
            _ => {}
        }
        Ok::<(), JsonError>(())
    })?;
    // What is cached lies inside the prompt, and never exceeds it.
    Ok(seen.or(billed).map(|usage| {
        let cached = cached.min(usage.input.0);
        Usage { input: Tokens(usage.input.0 - cached), cache_read: Tokens(cached), ..usage }
    }))
}

fn counts(scanner: &mut Scanner<'_>) -> Result<Option<Usage>, JsonError> {
    let (mut input, mut output, mut images, mut thinking) = (None, None, 0, 0);
    scanner.object(|scanner, key| {
        match key.raw {
            "input_tokens" => input = scanner.count()?,
            "output_tokens" => output = scanner.count()?,
            // Images are counted beside the words, thinking is counted among them.
            "image_tokens" => images = scanner.count()?.unwrap_or(0),
            "reasoning_tokens" => thinking = scanner.count()?.unwrap_or(0),
            _ => {}
        }
        Ok::<(), JsonError>(())
    })?;
    if input.is_none() && output.is_none() {
        return Ok(None);
    }
    let output = output.unwrap_or(0);
    let thinking = thinking.min(output);
    Ok(Some(Usage {
        input: Tokens(input.unwrap_or(0).saturating_add(images)),
        output: Tokens(output - thinking),
        reasoning: Tokens(thinking),
        ..Usage::default()
    }))
}

/// Probabilities come for pieces of text; of several tokens in one, the first has all of its text.
pub(super) fn logprobs(scanner: &mut Scanner<'_>, sink: &mut Sink<'_>) -> Outcome {
    each(scanner, 0, |scanner, _| {
        let (mut text, mut tokens) = (None, Vec::new());
        scanner.object(|scanner, key| {
            match (key.raw, scanner.kind()?) {
                ("text", _) => text = scanner.text()?,
                ("logprobs", Kind::Array) => scanner.array(|scanner, _| {
                    let logprob = scanner.float()?;
                    tokens.extend(
                        logprob.map(|logprob| TokenLogprob { logprob, ..TokenLogprob::default() }),
                    );
                    Ok::<(), JsonError>(())
                })?,
                _ => {}
            }
            Ok::<(), JsonError>(())
        })?;
        if let (Some(text), Some(first)) = (text, tokens.first_mut()) {
            first.token = text.into_owned();
        }
        Ok(sink.logprobs(0, tokens)?)
    })
}
