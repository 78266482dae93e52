//! Reading a request: one scan for its shape and for where everything lies.

use std::ops::Range;

use bytes::Bytes;

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
    /// The items of `input`; none where it is a text.
    pub items: Vec<Range<usize>>,
    /// The system messages among them.
    pub systems: Vec<SystemItem>,
    /// The value of `reasoning.effort`, which may be null.
    pub effort: Option<Range<usize>>,
}

/// A system or developer message.
#[derive(Debug, Clone)]
pub(super) struct SystemItem {
    /// Its place among the items.
    pub item: usize,
    pub content: Option<(Range<usize>, Kind)>,
}

/// Fields that name something that the provider keeps, which may stand for the input.
pub(super) const STATE: [&str; 3] = ["previous_response_id", "conversation", "prompt"];

/// The include that asks for log probabilities.
pub(super) const LOGPROBS: &str = "message.output_text.logprobs";

impl Request {
    /// Reads a body.
    ///
    /// # Errors
    /// When it is no JSON object, lacks `model` or any input, has a known field of a wrong type, a
    /// field twice, or nests too deep. Unknown fields are no errors.
    pub fn read(body: Bytes) -> Result<Request, ReadError> {
        let mut reader = Reader::default();
        let object = read::object(body, |scanner, name| reader.field(scanner, name))?;
        let Reader { places, mut shape, has_model, has_input, last_user } = reader;
        if !has_model {
            return Err(ReadError::missing("model"));
        }
        if !has_input {
            return Err(ReadError::missing("input"));
        }
        for segment in &mut shape.segments[last_user] {
            segment.role = SegmentRole::LastUser;
        }
        // Usage comes with the last event, always.
        (shape.api, shape.n, shape.include_usage) = (Api::Responses, 1, true);
        shape.bytes = object.body().len();
        Ok(Request { object, places, shape })
    }

    /// The body and its fields.
    pub fn object(&self) -> &Object {
        &self.object
    }

    /// What classification and routing look at.
    pub fn shape(&self) -> &RequestShape {
        &self.shape
    }
}

#[derive(Default)]
struct Reader {
    shape: RequestShape,
    places: Places,
    /// The segments of the last user message so far.
    last_user: Range<usize>,
    has_model: bool,
    has_input: bool,
}

impl Reader {
    /// Reads a known field; leaves an unknown one alone.
    fn field(&mut self, scanner: &mut Scanner<'_>, name: &str) -> Result<(), Fault> {
        let kind = scanner.kind()?;
        if kind == Kind::Null && name != "model" && name != "input" {
            return Ok(()); // as good as absent
        }
        let shape = &mut self.shape;
        match name {
            "model" => match scanner.text()? {
                Some(model) => (shape.model, self.has_model) = (model.into_owned(), true),
                None => return wrong_type(name, "a string", kind),
            },
            "input" => self.input(scanner, name)?,
            name if STATE.contains(&name) => self.has_input = true,
            "instructions" if kind == Kind::String => {
                let text = scanner.string()?.range();
                shape.has_system |= !text.is_empty();
                self.segment(SegmentRole::System, text);
            }
            "instructions" => return wrong_type(name, "a string", kind),
            "stream" => shape.stream = boolean(scanner, name)?,
            "background" | "store" => drop(boolean(scanner, name)?),
            "max_output_tokens" => shape.max_output = Some(Tokens(count(scanner, name)?)),
            "temperature" => shape.temperature = Some(number(scanner, name)?),
            "top_p" => shape.top_p = Some(number(scanner, name)?),
            "top_logprobs" => shape.logprobs |= count(scanner, name)? > 0,
            "parallel_tool_calls" => shape.parallel_tools = Some(boolean(scanner, name)?),
            "include" if kind == Kind::Array => scanner.array(|scanner, _| {
                self.shape.logprobs |= scanner.text()?.as_deref() == Some(LOGPROBS);
                Ok::<(), Fault>(())
            })?,
            "reasoning" if kind == Kind::Object => self.reasoning(scanner)?,
            "reasoning" => return wrong_type(name, "an object", kind),
            "text" if kind == Kind::Object => self.text(scanner)?,
            "text" => return wrong_type(name, "an object", kind),
            "tools" if kind == Kind::Array => self.tools(scanner)?,
            "tools" => return wrong_type(name, "an array", kind),
            "tool_choice" => {
                shape.tool_choice = match kind {
                    Kind::String => match &*scanner.string()?.cow() {
                        "none" => ToolChoice::None,
                        "auto" => ToolChoice::Auto,
                        "required" => ToolChoice::Required,
                        _ => ToolChoice::Named,
                    },
                    Kind::Object => ToolChoice::Named,
                    _ => return wrong_type(name, "a string or an object", kind),
                }
            }
            "safety_identifier" => shape.user = scanner.text()?.map(|user| user.into_owned()),
            "user" => {
                let user = scanner.text()?.map(|user| user.into_owned());
                shape.user = shape.user.take().or(user);
            }
            "metadata" if kind == Kind::Object => read::metadata(scanner, &mut self.shape)?,
            _ => {}
        }
        Ok(())
    }

    fn segment(&mut self, role: SegmentRole, range: Range<usize>) {
        self.shape.segments.push(Segment { role, range });
    }

    fn reasoning(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Fault> {
        scanner.object(|scanner, key| {
            if key.cow() == "effort" {
                if let Some(word) = scanner.clone().text()? {
                    self.shape.reasoning = Effort::from_word(&word);
                }
                self.places.effort = Some(scanner.skip()?);
            }
            Ok(())
        })
    }

    fn text(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Fault> {
        scanner.object(|scanner, key| {
            if key.cow() != "format" || scanner.kind()? != Kind::Object {
                return Ok(());
            }
            scanner.object(|scanner, key| {
                match &*key.cow() {
                    "type" => match scanner.text()?.as_deref() {
                        Some("json_object") => self.shape.format = Format::JsonObject,
                        Some("json_schema") => self.shape.format = Format::JsonSchema,
                        _ => {}
                    },
                    "schema" => {
                        let range = scanner.skip()?;
                        self.segment(SegmentRole::Tools, range);
                    }
                    _ => {}
                }
                Ok(())
            })
        })
    }

    fn tools(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Fault> {
        let start = scanner.offset();
        let mut tools = 0u32;
        scanner.array(|_, _| {
            tools = tools.saturating_add(1);
            Ok::<(), Fault>(())
        })?;
        self.shape.tools = tools;
        if tools > 0 {
            self.segment(SegmentRole::Tools, start..scanner.offset());
        }
        Ok(())
    }

    fn input(&mut self, scanner: &mut Scanner<'_>, name: &str) -> Result<(), Fault> {
        match scanner.kind()? {
            Kind::String => {
                self.last_user = self.shape.segments.len()..self.shape.segments.len() + 1;
                let text = scanner.string()?.range();
                self.segment(SegmentRole::Other, text);
                (self.shape.messages, self.shape.user_turns) = (1, 1);
            }
            Kind::Array => scanner.array(|scanner, index| {
                let kind = scanner.kind()?;
                if kind != Kind::Object {
                    return wrong_type(&format!("input[{index}]"), "an object", kind);
                }
                let start = scanner.offset();
                self.item(scanner, index)?;
                self.places.items.push(start..scanner.offset());
                Ok(())
            })?,
            // The provider may know what it is about.
            Kind::Null => return Ok(()),
            kind => return wrong_type(name, "a string or an array of items", kind),
        }
        self.has_input = true;
        Ok(())
    }

    fn item(&mut self, scanner: &mut Scanner<'_>, index: usize) -> Result<(), Fault> {
        let first_segment = self.shape.segments.len();
        let (mut kind, mut role, mut content) = (None, None, None);
        scanner.object(|scanner, key| {
            let (value, start) = (scanner.kind()?, scanner.offset());
            match (&*key.cow(), value) {
                ("type", _) => kind = scanner.text()?,
                ("role", Kind::String) => role = scanner.text()?,
                ("role", _) => {
                    return wrong_type(&format!("input[{index}].role"), "a string", value);
                }
                ("content" | "output" | "arguments" | "input", Kind::String) => {
                    let text = scanner.string()?.range();
                    self.segment(SegmentRole::Other, text);
                }
                // Thinking that was sent back counts as prompt.
                ("content" | "output" | "summary", Kind::Array) => self.parts(scanner)?,
                _ => {}
            }
            if key.raw == "content" && scanner.offset() > start {
                content = Some((start..scanner.offset(), value));
            }
            Ok(())
        })?;
        let segments = first_segment..self.shape.segments.len();
        self.shape.messages = self.shape.messages.saturating_add(1);
        let kind = kind.as_deref().unwrap_or("message");
        self.shape.tool_results = kind.ends_with("_output");
        match role.as_deref().filter(|_| kind == "message") {
            Some("system" | "developer") => {
                for segment in &mut self.shape.segments[segments] {
                    segment.role = SegmentRole::System;
                }
                self.shape.has_system = true;
                self.places.systems.push(SystemItem { item: index, content });
            }
            Some("user") => {
                self.shape.user_turns += 1;
                self.last_user = segments;
            }
            _ => {}
        }
        Ok(())
    }

    fn parts(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Fault> {
        scanner.array(|scanner, _| {
            if scanner.kind()? != Kind::Object {
                return Ok(());
            }
            scanner.object(|scanner, key| {
                match (&*key.cow(), scanner.kind()?) {
                    ("type", Kind::String) => match &*scanner.string()?.cow() {
                        "input_image" => self.shape.images = self.shape.images.saturating_add(1),
                        "input_audio" => self.shape.audio = true,
                        "input_file" => self.shape.files = self.shape.files.saturating_add(1),
                        _ => {}
                    },
                    ("text" | "refusal", Kind::String) => {
                        let text = scanner.string()?.range();
                        self.segment(SegmentRole::Other, text);
                    }
                    ("prompt_cache_breakpoint", Kind::Object) => self.shape.cache_control = true,
                    _ => {}
                }
                Ok(())
            })
        })
    }
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
