//! Reading a request: one scan for its shape and for where everything lies.

use std::ops::Range;

use bytes::Bytes;

use super::blocks::is_foreign;
use crate::dialect::conversation::Reasoning;
use crate::dialect::json::{Kind, Scanner};
use crate::dialect::object::Object;
use crate::dialect::read::{self, Fault, ReadError, boolean, count, number, wrong_type};
use crate::dialect::shape::{Api, Effort, Format, RequestShape, Segment, SegmentRole, ToolChoice};
use crate::units::Tokens;

/// A request that was read, with its bytes as they came.
#[derive(Debug, Clone)]
pub struct Request {
    pub(super) object: Object,
    pub(super) places: Places,
    shape: RequestShape,
}

/// Places inside of fields that splicing needs.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    /// The contents with thinking in them that Anthropic did not sign.
    pub unsigned: Vec<Vec<Item>>,
}

/// One block of a message's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    pub place: Range<usize>,
    pub proof: Proof,
}

/// Whether a block can go to a provider of this dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// It needs no signature, or has one of this dialect.
    Good,
    /// Thinking that nobody signed.
    Missing,
    /// Thinking that another dialect's provider signed, or a signature of something else that we
    /// sent as thinking.
    Foreign,
}

impl Request {
    /// The body and its fields.
    pub fn object(&self) -> &Object {
        &self.object
    }

    /// What classification and routing look at.
    pub fn shape(&self) -> &RequestShape {
        &self.shape
    }

    /// Reads a body.
    ///
    /// # Errors
    /// When it is no JSON object, lacks `model`, `messages` or `max_tokens`, has a known field of a
    /// wrong type, a field twice, or nests too deep. Unknown fields are no errors.
    pub fn read(body: Bytes) -> Result<Request, ReadError> {
        Request::read_with(body, true)
    }

    /// Reads a body whose tokens are to be counted: it needs no `max_tokens`.
    ///
    /// # Errors
    /// As [`Request::read`].
    pub fn read_count(body: Bytes) -> Result<Request, ReadError> {
        Request::read_with(body, false)
    }

    fn read_with(body: Bytes, generates: bool) -> Result<Request, ReadError> {
        let shape = RequestShape { n: 1, api: Api::Messages, ..Default::default() };
        let mut reader = Reader { shape, ..Default::default() };
        let object = read::object(body, |scanner, name| reader.field(scanner, name))?;
        let Reader { places, mut shape, found, last_user, reasoning, .. } = reader;
        for (name, there) in [
            ("model", found.model),
            ("messages", found.messages),
            ("max_tokens", shape.max_output.is_some() || !generates),
        ] {
            if !there {
                return Err(ReadError::missing(name));
            }
        }
        for at in last_user {
            shape.segments[at].role = SegmentRole::LastUser;
        }
        shape.reasoning = effort(&reasoning);
        shape.bytes = object.body().len();
        Ok(Request { object, places, shape })
    }
}

/// The effort that a request asks for; thinking without a measure is as much as `high`
/// (<https://platform.claude.com/docs/en/build-with-claude/effort>).
fn effort(reasoning: &Reasoning<'_>) -> Effort {
    if reasoning.is_off() {
        return Effort::None;
    }
    match reasoning.in_words() {
        Some(word) => Effort::from_word(&word),
        None if reasoning.enabled == Some(true) => Effort::High,
        None => Effort::Unset,
    }
}

#[derive(Default)]
struct Reader {
    shape: RequestShape,
    places: Places,
    /// The segments of the last thing that the user himself said.
    last_user: Vec<usize>,
    found: Found,
    reasoning: Reasoning<'static>,
}

#[derive(Default)]
struct Found {
    model: bool,
    messages: bool,
}

/// What one content has in it.
#[derive(Default)]
struct Content {
    items: Vec<Item>,
    /// Segments that are not inside of a tool's result.
    own: Vec<usize>,
    results: bool,
    others: bool,
}

impl Reader {
    /// Reads a known field; leaves an unknown one alone.
    fn field(&mut self, scanner: &mut Scanner<'_>, name: &str) -> Result<(), Fault> {
        let kind = scanner.kind()?;
        if kind == Kind::Null && !matches!(name, "model" | "messages" | "max_tokens") {
            return Ok(()); // as good as absent
        }
        let shape = &mut self.shape;
        match name {
            "model" => match scanner.text()? {
                Some(model) => (shape.model, self.found.model) = (model.into_owned(), true),
                None => return wrong_type(name, "a string", kind),
            },
            "messages" if kind == Kind::Array => self.messages(scanner)?,
            "messages" => return wrong_type(name, "an array of messages", kind),
            "system" => {
                shape.has_system = true;
                let first = shape.segments.len();
                self.content(scanner, name)?;
                for segment in &mut self.shape.segments[first..] {
                    segment.role = SegmentRole::System;
                }
            }
            "stream" => shape.stream = boolean(scanner, name)?,
            "max_tokens" => shape.max_output = Some(Tokens(count(scanner, name)?)),
            "temperature" => shape.temperature = Some(number(scanner, name)?),
            "top_p" => shape.top_p = Some(number(scanner, name)?),
            "top_k" => drop(count(scanner, name)?),
            "stop_sequences" if kind != Kind::Array => {
                return wrong_type(name, "an array of strings", kind);
            }
            "thinking" | "output_config" | "output_format" | "tool_choice" | "metadata"
                if kind != Kind::Object =>
            {
                return wrong_type(name, "an object", kind);
            }
            "thinking" => {
                let mut thinking = Reasoning::default();
                super::decode::thinking(scanner, &mut thinking)?;
                (self.reasoning.budget, self.reasoning.enabled) =
                    (thinking.budget, thinking.enabled);
            }
            "output_config" => self.output_config(scanner)?,
            "output_format" => self.format(scanner)?,
            "tools" => read::tools(scanner, name, &mut self.shape)?,
            "tool_choice" => self.tool_choice(scanner)?,
            "metadata" => self.metadata(scanner)?,
            "cache_control" => shape.cache_control = true,
            _ => {}
        }
        Ok(())
    }

    fn output_config(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Fault> {
        scanner.object(|scanner, key| {
            match (&*key.cow(), scanner.kind()?) {
                ("effort", Kind::String) => {
                    let word = scanner.string()?.cow();
                    self.reasoning.effort = Some(word.into_owned().into());
                }
                ("format", Kind::Object) => self.format(scanner)?,
                _ => {}
            }
            Ok(())
        })
    }

    fn format(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Fault> {
        scanner.object(|scanner, key| {
            match &*key.cow() {
                "type" if scanner.text()?.as_deref() == Some("json_schema") => {
                    self.shape.format = Format::JsonSchema;
                }
                "schema" => {
                    let range = scanner.skip()?;
                    self.segment(SegmentRole::Tools, range);
                }
                _ => {}
            }
            Ok(())
        })
    }

    fn tool_choice(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Fault> {
        scanner.object(|scanner, key| {
            match &*key.cow() {
                "type" => {
                    self.shape.tool_choice = match scanner.text()?.as_deref() {
                        Some("auto") => ToolChoice::Auto,
                        Some("any") => ToolChoice::Required,
                        Some("tool") => ToolChoice::Named,
                        Some("none") => ToolChoice::None,
                        _ => ToolChoice::Unset,
                    }
                }
                "disable_parallel_tool_use" => {
                    self.shape.parallel_tools = scanner.bool()?.map(|disabled| !disabled);
                }
                _ => {}
            }
            Ok(())
        })
    }

    fn metadata(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Fault> {
        scanner.object(|scanner, key| {
            match &*key.cow() {
                "user_id" => {
                    let user = scanner.text()?.map(|user| user.into_owned());
                    let session = user.as_deref().and_then(session_of);
                    self.shape.session = self.shape.session.take().or(session);
                    self.shape.user = user;
                }
                // Unknown to Anthropic, but clients that come here may say it.
                "session_id" => {
                    let session = scanner.text()?.map(|session| session.into_owned());
                    self.shape.session = session.or(self.shape.session.take());
                }
                _ => {}
            }
            Ok(())
        })
    }

    fn segment(&mut self, role: SegmentRole, range: Range<usize>) {
        self.shape.segments.push(Segment { role, range });
    }

    fn messages(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Fault> {
        self.found.messages = true;
        scanner.array(|scanner, index| {
            let kind = scanner.kind()?;
            if kind != Kind::Object {
                return wrong_type(&format!("messages[{index}]"), "an object", kind);
            }
            self.message(scanner, index)
        })
    }

    fn message(&mut self, scanner: &mut Scanner<'_>, index: usize) -> Result<(), Fault> {
        let first = self.shape.segments.len();
        let (mut role, mut content) = (None, Content::default());
        scanner.object(|scanner, key| {
            let kind = scanner.kind()?;
            match &*key.cow() {
                "role" if kind == Kind::String => role = Some(scanner.string()?.cow()),
                "role" => return wrong_type(&format!("messages[{index}].role"), "a string", kind),
                "content" => {
                    content = self.content(scanner, &format!("messages[{index}].content"))?;
                }
                _ => {}
            }
            Ok(())
        })?;
        let Some(role) = role else {
            return Err(ReadError::missing(format!("messages[{index}].role")).into());
        };
        self.shape.messages = self.shape.messages.saturating_add(1);
        self.shape.tool_results = content.results;
        match &*role {
            // Newer models take instructions between the turns too.
            "system" => {
                for segment in &mut self.shape.segments[first..] {
                    segment.role = SegmentRole::System;
                }
                self.shape.has_system = true;
            }
            "user" if content.others => {
                self.shape.user_turns += 1;
                self.last_user = content.own;
            }
            _ => {}
        }
        if content.items.iter().any(|item| item.proof != Proof::Good) {
            self.places.unsigned.push(content.items);
        }
        Ok(())
    }

    /// A string or blocks.
    fn content(&mut self, scanner: &mut Scanner<'_>, param: &str) -> Result<Content, Fault> {
        let mut content = Content::default();
        match scanner.kind()? {
            Kind::String => {
                content.own.push(self.shape.segments.len());
                content.others = true;
                let text = scanner.string()?.range();
                self.segment(SegmentRole::Other, text);
            }
            Kind::Array => scanner.array(|scanner, _| {
                if scanner.kind()? != Kind::Object {
                    return Ok(());
                }
                let (start, first) = (scanner.offset(), self.shape.segments.len());
                let (is_result, proof) = self.block(scanner)?;
                content.items.push(Item { place: start..scanner.offset(), proof });
                if is_result {
                    content.results = true;
                } else {
                    content.others = true;
                    content.own.extend(first..self.shape.segments.len());
                }
                Ok::<(), Fault>(())
            })?,
            kind => return wrong_type(param, "a string or an array of blocks", kind),
        }
        Ok(content)
    }

    /// One block; whether it is a tool's result, and how it is signed. Its type may stand behind
    /// everything else.
    fn block(&mut self, scanner: &mut Scanner<'_>) -> Result<(bool, Proof), Fault> {
        let (mut kind, mut proof) = (None, None);
        scanner.object(|scanner, key| {
            match (&*key.cow(), scanner.kind()?) {
                ("type", Kind::String) => kind = Some(scanner.string()?.cow()),
                ("text" | "thinking" | "title" | "context" | "name", Kind::String) => {
                    let text = scanner.string()?.range();
                    self.segment(SegmentRole::Other, text);
                }
                ("signature" | "data", Kind::String) => proof = Some(scanner.string()?.cow()),
                ("input", _) => self.strings(scanner)?,
                ("content", Kind::String | Kind::Array) => drop(self.content(scanner, "content")?),
                // Some results of the provider's own tools are one block.
                ("content", Kind::Object) => drop(self.block(scanner)?),
                ("source", Kind::Object) => self.source(scanner)?,
                ("cache_control", Kind::Object) => self.shape.cache_control = true,
                _ => {}
            }
            Ok::<(), Fault>(())
        })?;
        let shape = &mut self.shape;
        match kind.as_deref() {
            Some("image") => shape.images = shape.images.saturating_add(1),
            Some("document" | "container_upload") => shape.files = shape.files.saturating_add(1),
            Some("thinking" | "redacted_thinking") => {
                let proof = proof.filter(|proof| !proof.is_empty());
                return Ok((false, proof.map_or(Proof::Missing, |proof| proof_of(&proof))));
            }
            _ => {}
        }
        Ok((kind.as_deref() == Some("tool_result"), Proof::Good))
    }

    /// The text of a document, where it is text or blocks.
    fn source(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Fault> {
        let (mut is_text, mut data) = (false, None);
        scanner.object(|scanner, key| {
            match (&*key.cow(), scanner.kind()?) {
                ("type", _) => is_text = scanner.text()?.as_deref() == Some("text"),
                ("data", Kind::String) => data = Some(scanner.string()?.range()),
                ("content", Kind::String | Kind::Array) => drop(self.content(scanner, "content")?),
                _ => {}
            }
            Ok::<(), Fault>(())
        })?;
        if let Some(text) = data.filter(|_| is_text) {
            self.segment(SegmentRole::Other, text);
        }
        Ok(())
    }

    /// All strings in a value: the arguments of calls count as prompt.
    fn strings(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Fault> {
        // Recursion is bounded by the scanner's own depth.
        match scanner.kind()? {
            Kind::String => {
                let text = scanner.string()?.range();
                self.segment(SegmentRole::Other, text);
            }
            Kind::Object => scanner.object(|scanner, _| self.strings(scanner))?,
            Kind::Array => scanner.array(|scanner, _| self.strings(scanner))?,
            _ => {}
        }
        Ok(())
    }
}

fn proof_of(signature: &str) -> Proof {
    if is_foreign(signature) { Proof::Foreign } else { Proof::Good }
}

/// The session in the id that Claude Code gives its user: `user_…_account_…_session_…`, or JSON with
/// a `session_id`.
fn session_of(user: &str) -> Option<String> {
    if let Some((_, session)) = user.rsplit_once("_session_") {
        return Some(session.to_owned()).filter(|session| !session.is_empty());
    }
    let mut session = None;
    let scanned = Scanner::new(user).object(|scanner, key| {
        if key.raw == "session_id" {
            session = scanner.text()?.map(|session| session.into_owned());
        }
        Ok::<(), crate::dialect::json::JsonError>(())
    });
    session.filter(|_| scanned.is_ok())
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
