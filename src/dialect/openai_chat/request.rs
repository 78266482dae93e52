//! Reading a request: one scan for its shape and for where everything lies.

use std::ops::Range;

use bytes::Bytes;

use crate::dialect::json::{Kind, Scanner, Str};
use crate::dialect::object::Object;
use crate::dialect::read::{self, Fault, ReadError, boolean, count, number, wrong_type};
use crate::dialect::shape::{Effort, Format, RequestShape, Segment, SegmentRole, ToolChoice};
use crate::units::Tokens;

/// A request that was read, with its bytes as they came.
#[derive(Debug, Clone)]
pub struct Request {
    pub(super) object: Object,
    pub(super) places: Places,
    shape: RequestShape,
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

    /// The content of the first system or developer message, as it stands in the body (a JSON
    /// string, or an array of parts).
    pub fn system_prompt(&self) -> Option<&str> {
        let content = self.places.systems.first()?.content.clone()?;
        std::str::from_utf8(&self.object.body[content.0]).ok()
    }
}

/// Places inside of fields that splicing needs.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    /// Just behind the bracket of `messages`.
    pub first_message: usize,
    pub no_messages: bool,
    pub systems: Vec<SystemMessage>,
    /// The value of `stream_options.include_usage`.
    pub include_usage: Option<Range<usize>>,
    /// The value of `reasoning.effort`.
    pub effort: Option<Range<usize>>,
}

/// A system or developer message.
#[derive(Debug, Clone)]
pub(super) struct SystemMessage {
    /// From the end of the message before it (or the bracket) to its own end.
    pub with_comma: Range<usize>,
    /// The role with its quotes.
    pub role: Range<usize>,
    pub developer: bool,
    pub content: Option<(Range<usize>, Kind)>,
}

impl Request {
    /// Reads a body.
    ///
    /// # Errors
    /// When it is no JSON object, lacks `model` or `messages`, has a known field of a wrong type,
    /// a field twice, or nests too deep. Unknown fields are no errors.
    pub fn read(body: Bytes) -> Result<Request, ReadError> {
        let mut reader =
            Reader { shape: RequestShape { n: 1, ..Default::default() }, ..Default::default() };
        let object = read::object(body, |scanner, name| reader.field(scanner, name))?;
        let Reader { places, mut shape, found, last_user } = reader;
        if !found.model {
            return Err(ReadError::missing("model"));
        }
        if !found.messages {
            return Err(ReadError::missing("messages"));
        }
        for segment in &mut shape.segments[last_user] {
            segment.role = SegmentRole::LastUser;
        }
        shape.bytes = object.body().len();
        Ok(Request { object, places, shape })
    }
}

#[derive(Default)]
struct Reader {
    shape: RequestShape,
    places: Places,
    /// The segments of the last user message so far.
    last_user: Range<usize>,
    found: Found,
}

#[derive(Default)]
struct Found {
    model: bool,
    messages: bool,
    max_completion: bool,
}

impl Reader {
    /// Reads a known field; leaves an unknown one alone.
    fn field(&mut self, scanner: &mut Scanner<'_>, name: &str) -> Result<(), Fault> {
        let kind = scanner.kind()?;
        if kind == Kind::Null && name != "model" && name != "messages" {
            return Ok(()); // as good as absent, to OpenAI too
        }
        let shape = &mut self.shape;
        match name {
            "model" => match scanner.text()? {
                Some(model) => (shape.model, self.found.model) = (model.into_owned(), true),
                None => return wrong_type(name, "a string", kind),
            },
            "messages" if kind == Kind::Array => self.messages(scanner)?,
            "messages" => return wrong_type(name, "an array of messages", kind),
            "stream" => shape.stream = boolean(scanner, name)?,
            "stream_options" => self.stream_options(scanner, name)?,
            "max_completion_tokens" => {
                shape.max_output = Some(Tokens(count(scanner, name)?));
                self.found.max_completion = true;
            }
            "max_tokens" => {
                let limit = Tokens(count(scanner, name)?);
                if !self.found.max_completion {
                    shape.max_output = Some(limit);
                }
            }
            "temperature" => shape.temperature = Some(number(scanner, name)?),
            "top_p" => shape.top_p = Some(number(scanner, name)?),
            "n" => shape.n = u32::try_from(count(scanner, name)?).unwrap_or(u32::MAX),
            "presence_penalty" | "frequency_penalty" => drop(number(scanner, name)?),
            "seed" if kind != Kind::Number => return wrong_type(name, "a whole number", kind),
            "top_logprobs" => drop(count(scanner, name)?),
            "stop" if !matches!(kind, Kind::String | Kind::Array) => {
                return wrong_type(name, "a string or an array of strings", kind);
            }
            "logprobs" => shape.logprobs = boolean(scanner, name)?,
            "parallel_tool_calls" => shape.parallel_tools = Some(boolean(scanner, name)?),
            "reasoning_effort" => match scanner.text()? {
                Some(word) => shape.reasoning = Effort::from_word(&word),
                None => return wrong_type(name, "a string", kind),
            },
            "reasoning" if kind == Kind::Object => self.reasoning(scanner)?,
            "response_format" => self.response_format(scanner, name)?,
            "tools" | "functions" => read::tools(scanner, name, &mut self.shape)?,
            "tool_choice" => {
                shape.tool_choice = match kind {
                    Kind::String => match &*scanner.string()?.cow() {
                        "none" => ToolChoice::None,
                        "auto" => ToolChoice::Auto,
                        // Mistral's word.
                        "required" | "any" => ToolChoice::Required,
                        _ => ToolChoice::Named,
                    },
                    Kind::Object => ToolChoice::Named,
                    _ => return wrong_type(name, "a string or an object", kind),
                }
            }
            "user" => match scanner.text()? {
                Some(user) => shape.user = Some(user.into_owned()),
                None => return wrong_type(name, "a string", kind),
            },
            "safety_identifier" => {
                let user = scanner.text()?;
                shape.user = shape.user.take().or(user.map(|user| user.into_owned()));
            }
            "metadata" if kind == Kind::Object => read::metadata(scanner, shape)?,
            "cache_control" => shape.cache_control = true,
            _ => {}
        }
        Ok(())
    }

    fn stream_options(&mut self, scanner: &mut Scanner<'_>, name: &str) -> Result<(), Fault> {
        let kind = scanner.kind()?;
        if kind != Kind::Object {
            return wrong_type(name, "an object", kind);
        }
        scanner.object(|scanner, key| {
            if key.cow() == "include_usage" {
                let start = scanner.offset();
                self.shape.include_usage = scanner.bool()? == Some(true);
                let end =
                    if scanner.offset() == start { scanner.skip()?.end } else { scanner.offset() };
                self.places.include_usage = Some(start..end);
            }
            Ok(())
        })
    }

    /// OpenRouter's form: `{"effort": "low"}`.
    fn reasoning(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Fault> {
        scanner.object(|scanner, key| {
            if key.cow() == "effort" && scanner.kind()? == Kind::String {
                let word = scanner.string()?;
                self.places.effort = Some(word.quoted());
                self.shape.reasoning = Effort::from_word(&word.cow());
            }
            Ok(())
        })
    }

    fn response_format(&mut self, scanner: &mut Scanner<'_>, name: &str) -> Result<(), Fault> {
        let kind = scanner.kind()?;
        if kind != Kind::Object {
            return wrong_type(name, "an object", kind);
        }
        scanner.object(|scanner, key| {
            match &*key.cow() {
                "type" => match scanner.text()?.as_deref() {
                    Some("json_object") => self.shape.format = Format::JsonObject,
                    Some("json_schema") => self.shape.format = Format::JsonSchema,
                    _ => {}
                },
                "json_schema" | "schema" => {
                    let range = scanner.skip()?;
                    self.segment(SegmentRole::Tools, range);
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
        let mut end = scanner.offset() + 1;
        (self.places.first_message, self.places.no_messages) = (end, true);
        scanner.array(|scanner, index| {
            let kind = scanner.kind()?;
            if kind != Kind::Object {
                return wrong_type(&format!("messages[{index}]"), "an object", kind);
            }
            self.places.no_messages = false;
            self.message(scanner, index, end)?;
            end = scanner.offset();
            Ok(())
        })
    }

    fn message(
        &mut self,
        scanner: &mut Scanner<'_>,
        index: usize,
        lead: usize,
    ) -> Result<(), Fault> {
        let first_segment = self.shape.segments.len();
        let mut role: Option<Str<'_>> = None;
        let mut content = None;
        scanner.object(|scanner, key| {
            let kind = scanner.kind()?;
            match &*key.cow() {
                "role" if kind == Kind::String => role = Some(scanner.string()?),
                "role" => return wrong_type(&format!("messages[{index}].role"), "a string", kind),
                "content" => {
                    let start = scanner.offset();
                    match kind {
                        Kind::String => {
                            let text = scanner.string()?.range();
                            self.segment(SegmentRole::Other, text);
                        }
                        Kind::Array => self.parts(scanner)?,
                        Kind::Null => {
                            scanner.skip()?;
                        }
                        _ => {
                            let param = format!("messages[{index}].content");
                            return wrong_type(&param, "a string or an array of parts", kind);
                        }
                    }
                    content = Some((start..scanner.offset(), kind));
                }
                // Thinking that was sent back counts as prompt.
                "reasoning" | "reasoning_content" | "refusal" if kind == Kind::String => {
                    let text = scanner.string()?.range();
                    self.segment(SegmentRole::Other, text);
                }
                "tool_calls" if kind == Kind::Array => self.tool_calls(scanner)?,
                "cache_control" if kind == Kind::Object => self.shape.cache_control = true,
                _ => {}
            }
            Ok(())
        })?;
        let Some(role) = role else {
            return Err(ReadError::missing(format!("messages[{index}].role")).into());
        };
        let name = role.cow();
        let segments = first_segment..self.shape.segments.len();
        self.shape.messages = self.shape.messages.saturating_add(1);
        self.shape.tool_results = matches!(&*name, "tool" | "function");
        match &*name {
            "system" | "developer" => {
                for segment in &mut self.shape.segments[segments] {
                    segment.role = SegmentRole::System;
                }
                self.shape.has_system = true;
                self.places.systems.push(SystemMessage {
                    with_comma: lead..scanner.offset(),
                    role: role.quoted(),
                    developer: name == "developer",
                    content,
                });
            }
            "user" => {
                self.shape.user_turns += 1;
                self.last_user = segments;
            }
            _ => {}
        }
        Ok(())
    }

    fn parts(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Fault> {
        scanner.array(|scanner, _| {
            match scanner.kind()? {
                Kind::String => {
                    let text = scanner.string()?.range();
                    self.segment(SegmentRole::Other, text);
                }
                Kind::Object => self.part(scanner)?,
                _ => {}
            }
            Ok(())
        })
    }

    fn part(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Fault> {
        scanner.object(|scanner, key| {
            let kind = scanner.kind()?;
            match &*key.cow() {
                "type" if kind == Kind::String => match &*scanner.string()?.cow() {
                    "image_url" | "image" | "input_image" => {
                        self.shape.images = self.shape.images.saturating_add(1);
                    }
                    "input_audio" | "audio" | "audio_url" => self.shape.audio = true,
                    "file" | "input_file" | "document" | "document_url" | "video_url" => {
                        self.shape.files = self.shape.files.saturating_add(1);
                    }
                    _ => {}
                },
                "text" | "refusal" if kind == Kind::String => {
                    let text = scanner.string()?.range();
                    self.segment(SegmentRole::Other, text);
                }
                "thinking" if kind == Kind::Array => self.parts(scanner)?,
                "cache_control" if kind == Kind::Object => self.shape.cache_control = true,
                _ => {}
            }
            Ok(())
        })
    }

    fn tool_calls(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Fault> {
        scanner.array(|scanner, _| {
            if scanner.kind()? != Kind::Object {
                return Ok(());
            }
            scanner.object(|scanner, key| {
                if scanner.kind()? != Kind::Object || !matches!(key.raw, "function" | "custom") {
                    return Ok(());
                }
                scanner.object(|scanner, _| {
                    if scanner.kind()? == Kind::String {
                        let text = scanner.string()?.range();
                        self.segment(SegmentRole::Other, text);
                    }
                    Ok::<(), Fault>(())
                })
            })
        })
    }
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
