//! Where decoders put what they find: it is added to the [`Answer`], and told to the writer of the
//! client's dialect at once where there is one. So a stream and a whole answer come to the same.

use super::answer::{Answer, Choice, Finish, TokenLogprob};
use super::error::UpstreamError;
use super::part::{Body, Citation, Part, Signature};
use super::usage::{Usage, UsageSource};

/// The most choices, and parts of a choice, that are told apart; more is no answer but an attack.
pub const MAX_ITEMS: usize = 1024;

/// What has just been added to an answer. The answer itself holds it already.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Delta<'d> {
    /// A new part: the last one of its choice. It may be whole, or only its beginning.
    Part {
        /// The index of the choice.
        choice: u32,
        /// The place of the part in it.
        at: usize,
    },
    /// More of a part's main text.
    Text {
        /// The index of the choice.
        choice: u32,
        /// The place of the part in it.
        at: usize,
        /// What was added.
        text: &'d str,
    },
    /// A part was signed.
    Signature {
        /// The index of the choice.
        choice: u32,
        /// The place of the part in it.
        at: usize,
    },
    /// A citation was added to a text: its last one.
    Citation {
        /// The index of the choice.
        choice: u32,
        /// The place of the part in it.
        at: usize,
    },
    /// Tokens were listed with their probabilities.
    Logprobs {
        /// The index of the choice.
        choice: u32,
        /// The place of the first new one.
        from: usize,
    },
    /// A choice ended.
    Finish {
        /// The index of the choice.
        choice: u32,
    },
}

/// Writes an answer in a client's dialect while it comes.
pub trait Writer: Send + Sync + std::fmt::Debug {
    /// Writes what was just added to the answer.
    fn delta(&mut self, answer: &Answer, delta: Delta<'_>, out: &mut Vec<u8>);

    /// Writes the end of a complete answer: finish, usage, the dialect's marker.
    fn end(&mut self, answer: &Answer, out: &mut Vec<u8>);
}

/// What one body or event had in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Seen {
    /// Anything about a choice, even if it is empty.
    pub choice: bool,
    /// Text, or media.
    pub text: bool,
    /// Thinking.
    pub reasoning: bool,
    /// A tool call, or a piece of one.
    pub tool_call: bool,
    /// A refusal.
    pub refusal: bool,
    /// Usage.
    pub usage: bool,
    /// A finish reason of some choice.
    pub finish: Option<Finish>,
}

impl Seen {
    /// Whether there was anything that a reader of the answer would see.
    pub fn content(&self) -> bool {
        self.text || self.reasoning || self.tool_call || self.refusal
    }
}

/// An answer has more parts than any real one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer has more than {MAX_ITEMS} choices or parts")]
pub struct TooMany;

impl From<TooMany> for UpstreamError {
    fn from(error: TooMany) -> UpstreamError {
        UpstreamError::invalid("too_many_parts", error.to_string())
    }
}

/// Takes in what a decoder finds.
pub struct Sink<'s> {
    answer: &'s mut Answer,
    writer: Option<(&'s mut (dyn Writer + 'static), &'s mut Vec<u8>)>,
    /// The request's id, of which the ids of calls are made that have none.
    request: Option<&'s str>,
    /// What has come in so far.
    pub seen: Seen,
}

impl<'s> Sink<'s> {
    /// Adds to the answer, and tells nobody.
    pub fn new(answer: &'s mut Answer) -> Sink<'s> {
        Sink { answer, writer: None, request: None, seen: Seen::default() }
    }

    /// Adds to the answer, and writes it at once.
    pub fn writing(
        answer: &'s mut Answer,
        writer: &'s mut (dyn Writer + 'static),
        out: &'s mut Vec<u8>,
    ) -> Sink<'s> {
        Sink { answer, writer: Some((writer, out)), request: None, seen: Seen::default() }
    }

    /// The same, giving ids to calls that have none, see
    /// [`ToolCall::ensure_id`](super::part::ToolCall::ensure_id).
    pub fn naming(mut self, request: Option<&'s str>) -> Sink<'s> {
        self.request = request;
        self
    }

    /// What there is so far.
    pub fn answer(&self) -> &Answer {
        self.answer
    }

    fn tell(&mut self, delta: Delta<'_>) {
        if let Some((writer, out)) = &mut self.writer {
            writer.delta(self.answer, delta, out);
        }
    }

    /// The provider's id of the answer; the first one counts.
    pub fn id(&mut self, id: &str) {
        if self.answer.id.is_empty() {
            self.answer.id.push_str(id);
        }
    }

    /// The model that answers; the first one counts.
    pub fn model(&mut self, model: &str) {
        if self.answer.model.is_empty() {
            self.answer.model.push_str(model);
        }
    }

    /// The class of service.
    pub fn service_tier(&mut self, tier: &str) {
        self.answer.service_tier = Some(tier.to_owned());
    }

    /// There is a choice with this index.
    ///
    /// # Errors
    /// When there are too many.
    pub fn choice(&mut self, index: u32) -> Result<&mut Choice, TooMany> {
        self.seen.choice = true;
        let choices = &mut self.answer.choices;
        let at = match choices.binary_search_by_key(&index, |choice| choice.index) {
            Ok(at) => at,
            Err(_) if choices.len() == MAX_ITEMS => return Err(TooMany),
            Err(at) => {
                choices.insert(at, Choice { index, ..Choice::default() });
                at
            }
        };
        Ok(&mut choices[at])
    }

    /// A new part of a choice; gives its place.
    ///
    /// # Errors
    /// When there are too many.
    pub fn part(&mut self, index: u32, mut part: Part<'static>) -> Result<usize, TooMany> {
        let has_text = !part.main_text().is_empty();
        self.see(&part.body, has_text);
        let request = self.request;
        let parts = &mut self.choice(index)?.parts;
        let at = parts.len();
        if at == MAX_ITEMS {
            return Err(TooMany);
        }
        if let (Some(request), Body::Call(call)) = (request, &mut part.body) {
            call.ensure_id(request, index, at);
        }
        parts.push(part);
        self.tell(Delta::Part { choice: index, at });
        Ok(at)
    }

    fn see(&mut self, body: &Body<'_>, has_text: bool) {
        match body {
            Body::Text { .. } => self.seen.text |= has_text,
            Body::Media(_) | Body::Native { .. } | Body::Result(_) => self.seen.text = true,
            Body::Thinking { redacted, .. } => self.seen.reasoning |= has_text || *redacted,
            Body::Refusal(_) => self.seen.refusal |= has_text,
            Body::Call(_) => self.seen.tool_call = true,
        }
    }

    fn at(&mut self, index: u32, at: usize) -> Option<&mut Part<'static>> {
        self.choice(index).ok()?.parts.get_mut(at)
    }

    /// More of a part's main text.
    pub fn more(&mut self, index: u32, at: usize, text: &str) {
        if text.is_empty() {
            return;
        }
        let Some(part) = self.at(index, at) else { return };
        part.push_text(text);
        let seen = match &part.body {
            Body::Text { .. } | Body::Media(_) | Body::Native { .. } | Body::Result(_) => {
                Seen { text: true, ..self.seen }
            }
            Body::Thinking { .. } => Seen { reasoning: true, ..self.seen },
            Body::Refusal(_) => Seen { refusal: true, ..self.seen },
            Body::Call(_) => Seen { tool_call: true, ..self.seen },
        };
        self.seen = seen;
        self.tell(Delta::Text { choice: index, at, text });
    }

    /// Text of a kind of which a choice has one running part: it is added to the last part of that
    /// kind, or begins one. For dialects whose answers are not made of parts.
    ///
    /// # Errors
    /// When there are too many parts.
    pub fn run_on(&mut self, index: u32, kind: Run, text: &str) -> Result<(), TooMany> {
        let parts = &self.choice(index)?.parts;
        let last = parts.iter().rposition(|part| kind.is(&part.body));
        match last {
            Some(at) => self.more(index, at, text),
            None if text.is_empty() => {}
            None => drop(self.part(index, kind.part(text))?),
        }
        Ok(())
    }

    /// A part's signature.
    pub fn sign(&mut self, index: u32, at: usize, signature: Signature<'static>) {
        let Some(part) = self.at(index, at) else { return };
        match &mut part.signature {
            // Some sign in pieces.
            Some(known) => known.value.to_mut().push_str(&signature.value),
            none => *none = Some(signature),
        }
        self.tell(Delta::Signature { choice: index, at });
    }

    /// A citation of a part's text.
    pub fn cite(&mut self, index: u32, at: usize, citation: Citation<'static>) {
        let Some(Part { body: Body::Text { citations, .. }, .. }) = self.at(index, at) else {
            return;
        };
        citations.push(citation);
        self.tell(Delta::Citation { choice: index, at });
    }

    /// Changes a part in a way that no writer can tell any more: the name or id of a call that came
    /// late.
    pub fn amend(&mut self, index: u32, at: usize, change: impl FnOnce(&mut Part<'static>)) {
        if let Some(part) = self.at(index, at) {
            change(part);
        }
    }

    /// Tokens with their probabilities.
    ///
    /// # Errors
    /// When there are too many choices.
    pub fn logprobs(&mut self, index: u32, tokens: Vec<TokenLogprob>) -> Result<(), TooMany> {
        if tokens.is_empty() {
            return Ok(());
        }
        let logprobs = &mut self.choice(index)?.logprobs;
        let from = logprobs.tokens.len();
        for token in tokens {
            logprobs.add(token.logprob);
            logprobs.tokens.push(token);
        }
        self.tell(Delta::Logprobs { choice: index, from });
        Ok(())
    }

    /// A choice ended.
    ///
    /// # Errors
    /// When there are too many choices.
    pub fn finish(&mut self, index: u32, finish: Finish) -> Result<(), TooMany> {
        self.choice(index)?.finish = Some(finish);
        self.seen.finish = Some(finish);
        self.tell(Delta::Finish { choice: index });
        Ok(())
    }

    /// What was used so far; repeated usage grows or stays, so the last counts.
    pub fn usage(&mut self, usage: Usage) {
        (self.answer.usage, self.answer.usage_source) = (usage, UsageSource::Reported);
        self.seen.usage = true;
    }

    /// An error beside the choices; the first one counts.
    pub fn error(&mut self, error: UpstreamError) {
        self.answer.error.get_or_insert(error);
    }
}

/// The kinds of text of which a choice has one running part in some dialects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// What is said.
    Text,
    /// What is thought.
    Thinking,
    /// Why the model declines.
    Refusal,
}

impl Run {
    fn is(self, body: &Body<'_>) -> bool {
        match body {
            Body::Text { .. } => self == Run::Text,
            Body::Thinking { redacted, .. } => self == Run::Thinking && !redacted,
            Body::Refusal(_) => self == Run::Refusal,
            _ => false,
        }
    }

    fn part(self, text: &str) -> Part<'static> {
        match self {
            Run::Text => Part::text(text.to_owned()),
            Run::Thinking => Part::thinking(text.to_owned()),
            Run::Refusal => Part::new(Body::Refusal(text.to_owned().into())),
        }
    }
}

impl Answer {
    /// Writes the whole answer as a stream.
    pub fn replay(&self, writer: &mut dyn Writer, out: &mut Vec<u8>) {
        for choice in &self.choices {
            let index = choice.index;
            for at in 0..choice.parts.len() {
                writer.delta(self, Delta::Part { choice: index, at }, out);
            }
            if !choice.logprobs.tokens.is_empty() {
                writer.delta(self, Delta::Logprobs { choice: index, from: 0 }, out);
            }
            if choice.finish.is_some() {
                writer.delta(self, Delta::Finish { choice: index }, out);
            }
        }
        writer.end(self, out);
    }
}
