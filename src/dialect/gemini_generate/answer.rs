//! Reading answers: whole ones, and the events of streams, which have the same shape.

use super::arguments::{Arguments, OutOfOrder};
use super::grounding;
use super::names::{FINISH_REASONS, camel, each, word};
use super::piece::{CallPiece, Piece};
use super::usage::Reported;
use crate::dialect::Dialect;
use crate::dialect::answer::{Answer, Choice, Finish, TokenLogprob};
use crate::dialect::error::UpstreamError;
use crate::dialect::json::{JsonError, Kind, Scanner};
use crate::dialect::part::{Body, Part, Text, ToolCall};
use crate::dialect::sink::{Sink, TooMany};

/// Reads a complete answer. It is tolerant: fields of a type that nobody expects are passed over.
/// An error under status 200 is in [`Answer::error`].
///
/// # Errors
/// [`crate::error_class::ErrorClass::InvalidResponse`] for what is no JSON object, or has neither
/// candidates nor an error nor the reason why the prompt was blocked.
pub(super) fn read(body: &[u8]) -> Result<Answer, UpstreamError> {
    let text = std::str::from_utf8(body)
        .map_err(|_| UpstreamError::invalid("invalid_json", "the answer is not valid UTF-8"))?;
    let mut answer = Answer::default();
    Reader::default().body(text, &mut Sink::new(&mut answer)).map_err(|fault| match fault {
        Fault::Json(error) => {
            UpstreamError::invalid("invalid_json", format!("the answer is not valid JSON: {error}"))
        }
        fault => fault.into(),
    })?;
    if answer.choices.is_empty() && answer.error.is_none() {
        return Err(UpstreamError::invalid("no_choices", "the answer has no candidates"));
    }
    Ok(answer)
}

/// What goes wrong while a body is read.
pub(super) enum Fault {
    Json(JsonError),
    TooMany(TooMany),
    Arguments(OutOfOrder),
}

impl From<JsonError> for Fault {
    fn from(error: JsonError) -> Fault {
        Fault::Json(error)
    }
}

impl From<TooMany> for Fault {
    fn from(error: TooMany) -> Fault {
        Fault::TooMany(error)
    }
}

impl From<OutOfOrder> for Fault {
    fn from(error: OutOfOrder) -> Fault {
        Fault::Arguments(error)
    }
}

impl From<Fault> for UpstreamError {
    fn from(fault: Fault) -> UpstreamError {
        match fault {
            Fault::Json(error) => {
                let message = format!("an event of the stream is not an answer: {error}");
                UpstreamError::invalid("invalid_event", message)
            }
            Fault::TooMany(error) => error.into(),
            Fault::Arguments(OutOfOrder) => {
                let message = "the arguments of a call come in an order that makes no object";
                UpstreamError::invalid("invalid_event", message)
            }
        }
    }
}

type Outcome = Result<(), Fault>;

/// Reads bodies or events into a sink; remembers which calls go on.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// The calls that go on in the next event, by choice.
    calls: Vec<OpenCall>,
    /// The choices whose last event had a finish reason. A candidate that goes on after one, as it
    /// does where code was run, is not at its end.
    ended: Vec<u32>,
}

#[derive(Debug)]
struct OpenCall {
    choice: u32,
    at: usize,
    arguments: Arguments,
}

impl Reader {
    /// Whether every candidate is at its end.
    pub(super) fn is_complete(&self, answer: &Answer) -> bool {
        !answer.choices.is_empty()
            && answer.choices.iter().all(|choice| self.ended.contains(&choice.index))
    }

    /// Takes in what a body or an event says.
    pub(super) fn body(&mut self, text: &str, sink: &mut Sink<'_>) -> Outcome {
        let mut feedback = None;
        let mut scanner = Scanner::new(text);
        scanner.object(|scanner, key| {
            let (name, kind) = (key.cow(), scanner.kind()?);
            match (&*camel(&name), kind) {
                ("candidates", Kind::Array) => {
                    scanner.array(|scanner, position| self.candidate(scanner, position, sink))?;
                }
                ("promptFeedback", Kind::Object) => feedback = Some(scanner.raw()?),
                ("usageMetadata", Kind::Object) => {
                    let reported = Reported::read(scanner)?;
                    if let Some(usage) = reported.disjoint() {
                        sink.usage(usage);
                    }
                    if let Some(tier) = &reported.tier {
                        sink.service_tier(tier);
                    }
                }
                ("modelVersion", Kind::String) => sink.model(&scanner.string()?.cow()),
                ("responseId", Kind::String) => sink.id(&scanner.string()?.cow()),
                ("error", Kind::Object | Kind::String) => {
                    sink.error(UpstreamError::from_json(200, scanner.raw()?));
                }
                _ => {}
            }
            Ok::<(), Fault>(())
        })?;
        scanner.end()?;
        match feedback {
            Some(feedback) => self.feedback(feedback, sink),
            None => Ok(()),
        }
    }

    /// A prompt that was blocked has no candidates: it is one answer that says why.
    fn feedback(&mut self, json: &str, sink: &mut Sink<'_>) -> Outcome {
        let (mut blocked, mut message) = (false, None);
        Scanner::new(json).object(|scanner, key| {
            match &*camel(&key.cow()) {
                "blockReason" => blocked = scanner.kind()? != Kind::Null,
                "blockReasonMessage" => message = scanner.text()?,
                _ => {}
            }
            Ok::<(), JsonError>(())
        })?;
        if !blocked || !sink.answer().choices.is_empty() {
            return Ok(());
        }
        if let Some(message) = message.filter(|message| !message.is_empty()) {
            sink.part(0, Part::new(Body::Refusal(message.into_owned().into())))?;
        }
        sink.finish(0, Finish::ContentFilter)?;
        self.ended.push(0);
        Ok(())
    }

    fn candidate(
        &mut self,
        scanner: &mut Scanner<'_>,
        position: usize,
        sink: &mut Sink<'_>,
    ) -> Outcome {
        sink.seen.choice = true;
        if scanner.kind()? != Kind::Object {
            return Ok(());
        }
        // The fields come in any order; what is said comes first, and its end last.
        let mut index = u32::try_from(position).unwrap_or(u32::MAX);
        let (mut content, mut sources, mut logprobs) = (None, [None; 2], None);
        let (mut reason, mut message) = (None::<Text<'_>>, None);
        scanner.object(|scanner, key| {
            let (name, kind) = (key.cow(), scanner.kind()?);
            match (&*camel(&name), kind) {
                ("index", _) => {
                    if let Some(said) = scanner.count()? {
                        index = u32::try_from(said).unwrap_or(u32::MAX);
                    }
                }
                ("content", Kind::Object) => content = Some(scanner.raw()?),
                ("groundingMetadata", Kind::Object) => sources[0] = Some(scanner.raw()?),
                ("citationMetadata", Kind::Object) => sources[1] = Some(scanner.raw()?),
                ("logprobsResult", Kind::Object) => logprobs = Some(scanner.raw()?),
                ("finishReason", _) => reason = word(scanner, FINISH_REASONS)?,
                ("finishMessage", _) => message = scanner.text()?,
                _ => {}
            }
            Ok::<(), Fault>(())
        })?;
        sink.choice(index)?;
        if let Some(content) = content {
            self.content(content, index, sink)?;
        }
        if let Some(json) = logprobs {
            sink.logprobs(index, tokens(json)?)?;
        }
        let [grounding, citations] = sources;
        if let Some(json) = grounding {
            grounding::grounding(json, index, sink)?;
        }
        if let Some(json) = citations {
            grounding::citations(json, index, sink)?;
        }
        self.ended.retain(|ended| *ended != index);
        let Some(finish) = reason.as_deref().and_then(finish_of) else { return Ok(()) };
        self.end_call(index, sink);
        if let (Finish::ContentFilter, Some(message)) = (finish, message) {
            sink.part(index, Part::new(Body::Refusal(message.into_owned().into())))?;
        }
        sink.finish(index, finish)?;
        self.ended.push(index);
        Ok(())
    }

    fn content(&mut self, json: &str, choice: u32, sink: &mut Sink<'_>) -> Outcome {
        Scanner::new(json).object(|scanner, key| {
            if key.raw != "parts" {
                return Ok(());
            }
            each(scanner, |scanner, _| match Piece::read(scanner)? {
                Some(piece) => self.part(piece, choice, sink),
                None => Ok(()),
            })
        })
    }

    fn part(&mut self, mut piece: Piece<'_>, choice: u32, sink: &mut Sink<'_>) -> Outcome {
        let signature = piece.signature.clone();
        if piece.native || piece.response.is_some() {
            let json = piece.json.to_owned().into();
            let body = Body::Native { dialect: Dialect::GeminiGenerate, json };
            sink.part(choice, Part::new(body))?;
        } else if let Some(call) = piece.call.take() {
            let at = self.call(call, choice, sink)?;
            let signed = |at: usize, sink: &Sink<'_>| {
                let choice = sink.answer().choice(choice);
                choice.and_then(|choice| choice.parts.get(at)?.signature.as_ref()).is_some()
            };
            if let (Some(at), Some(signature)) = (at, signature)
                && !signed(at, sink)
            {
                sink.sign(choice, at, owned(signature));
            }
        } else if let Some(media) = piece.media.take() {
            let part = Part::new(Body::Media(media)).signed(signature);
            sink.part(choice, part.into_owned())?;
        } else if let Some(part) = piece.words() {
            words(part, choice, sink)?;
        }
        Ok(())
    }

    /// A call, or more of one; gives its place.
    fn call(
        &mut self,
        piece: CallPiece<'_>,
        choice: u32,
        sink: &mut Sink<'_>,
    ) -> Result<Option<usize>, Fault> {
        let whole = piece.whole_arguments();
        let known = self.calls.iter().position(|call| call.choice == choice);
        let open = match known {
            Some(known) if piece.name.is_empty() && whole.is_none() => known,
            _ => {
                self.end_call(choice, sink);
                let goes_on = piece.continues || !piece.partial.is_empty();
                if piece.name.is_empty() && whole.is_none() && !goes_on {
                    return Ok(None);
                }
                let (arguments, free_form) = match whole {
                    Some((text, free_form)) => (text.into_owned(), free_form),
                    None if goes_on => (String::new(), false),
                    None => ("{}".to_owned(), false),
                };
                let is_whole = !arguments.is_empty();
                let call = ToolCall {
                    id: piece.id.into_owned().into(),
                    name: piece.name.into_owned().into(),
                    arguments: arguments.into(),
                    free_form,
                };
                let at = sink.part(choice, Part::new(Body::Call(call)))?;
                if is_whole {
                    return Ok(Some(at));
                }
                self.calls.push(OpenCall { choice, at, arguments: Arguments::default() });
                self.calls.len() - 1
            }
        };
        let call = &mut self.calls[open];
        let at = call.at;
        for argument in &piece.partial {
            let more = call.arguments.add(argument)?;
            sink.more(choice, at, &more);
        }
        if !piece.continues {
            self.end_call(choice, sink);
        }
        Ok(Some(at))
    }

    fn end_call(&mut self, choice: u32, sink: &mut Sink<'_>) {
        if let Some(known) = self.calls.iter().position(|call| call.choice == choice) {
            let call = self.calls.swap_remove(known);
            sink.more(choice, call.at, &call.arguments.end());
        }
    }
}

fn owned(
    signature: crate::dialect::part::Signature<'_>,
) -> crate::dialect::part::Signature<'static> {
    crate::dialect::part::Signature {
        dialect: signature.dialect,
        value: signature.value.into_owned().into(),
    }
}

/// Text or thinking. It goes on the part before it if that is of the same kind, until one of them is
/// signed: what a signature stands on must stay apart. But a thought's signature that comes behind
/// it, on no words at all, is the thought's.
fn words(part: Part<'_>, choice: u32, sink: &mut Sink<'_>) -> Outcome {
    let parts = &sink.choice(choice)?.parts;
    let open = parts.last().filter(|last| {
        last.signature.is_none()
            && matches!(
                (&last.body, &part.body),
                (Body::Text { .. }, Body::Text { .. })
                    | (Body::Thinking { .. }, Body::Thinking { .. })
            )
    });
    let at = open.map(|_| parts.len() - 1);
    let is_thinking = matches!(part.body, Body::Thinking { .. });
    match (at, &part.signature) {
        (Some(at), None) => sink.more(choice, at, part.main_text()),
        (Some(at), Some(signature)) if is_thinking && part.main_text().is_empty() => {
            sink.sign(choice, at, owned(signature.clone()));
        }
        _ => drop(sink.part(choice, part.into_owned())?),
    }
    Ok(())
}

/// Reads a finish reason; an unspecified one is none.
fn finish_of(reason: &str) -> Option<Finish> {
    Some(match reason {
        "" | "FINISH_REASON_UNSPECIFIED" => return None,
        "STOP" => Finish::Stop,
        "MAX_TOKENS" => Finish::Length,
        "SAFETY"
        | "RECITATION"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "MODEL_ARMOR"
        | "IMAGE_SAFETY"
        | "IMAGE_RECITATION"
        | "IMAGE_PROHIBITED_CONTENT" => Finish::ContentFilter,
        _ => Finish::Other,
    })
}

/// The tokens of `logprobsResult`: two lists side by side.
fn tokens(json: &str) -> Result<Vec<TokenLogprob>, JsonError> {
    let (mut chosen, mut tops) = (Vec::new(), Vec::new());
    Scanner::new(json).object(|scanner, key| match &*camel(&key.cow()) {
        "chosenCandidates" => each(scanner, |scanner, _| {
            let (token, logprob) = token(scanner)?;
            chosen.push(TokenLogprob { token, logprob, ..TokenLogprob::default() });
            Ok(())
        }),
        "topCandidates" => each(scanner, |scanner, _| {
            let mut top = Vec::new();
            if scanner.kind()? == Kind::Object {
                scanner.object(|scanner, key| match key.raw {
                    "candidates" => each(scanner, |scanner, _| {
                        top.push(token(scanner)?);
                        Ok::<(), JsonError>(())
                    }),
                    _ => Ok(()),
                })?;
            }
            tops.push(top);
            Ok(())
        }),
        _ => Ok(()),
    })?;
    for (token, top) in chosen.iter_mut().zip(tops) {
        token.top = top;
    }
    Ok(chosen)
}

fn token(scanner: &mut Scanner<'_>) -> Result<(String, f64), JsonError> {
    // A probability of 1 is left out like every zero.
    let (mut token, mut logprob) = (String::new(), 0.0);
    if scanner.kind()? == Kind::Object {
        scanner.object(|scanner, key| {
            match &*camel(&key.cow()) {
                "token" => token = scanner.text()?.unwrap_or_default().into_owned(),
                "logProbability" => logprob = scanner.float()?.unwrap_or(0.0),
                _ => {}
            }
            Ok::<(), JsonError>(())
        })?;
    }
    Ok((token, logprob))
}

/// The texts of a choice with how many bytes stand before each.
pub(super) fn texts(choice: &Choice) -> impl Iterator<Item = (usize, usize, &str)> {
    let mut before = 0;
    choice.parts.iter().enumerate().filter_map(move |(at, part)| match &part.body {
        Body::Text { text, .. } => {
            let base = before;
            before += text.len();
            Some((at, base, &**text))
        }
        _ => None,
    })
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
