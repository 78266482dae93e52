//! Reading a request: one scan for its shape and for where its texts lie.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;

use super::config;
use super::names::{camel, each};
use crate::dialect::Dialect;
use crate::dialect::conversation::{self, Conversation};
use crate::dialect::json::{Kind, Scanner};
use crate::dialect::object::Object;
use crate::dialect::part::{MediaKind, mime_of_name};
use crate::dialect::read::{self, Fault, ReadError, wrong_type};
use crate::dialect::shape::{Api, Effort, Format, RequestShape, Segment, SegmentRole, ToolChoice};

/// A request that was read, with its bytes as they came.
#[derive(Debug, Clone)]
pub struct Request {
    pub(super) object: Object,
    pub(super) system: Option<SystemPlace>,
    shape: RequestShape,
}

/// Where the instructions lie.
#[derive(Debug, Clone)]
pub(super) struct SystemPlace {
    pub(super) value: Range<usize>,
    pub(super) kind: Kind,
    /// Its `parts`: a list, or one without its brackets.
    pub(super) parts: Option<(Range<usize>, Kind)>,
}

impl Request {
    /// Reads a body. The model and whether a stream is wanted are said by the URL. The body of
    /// `countTokens`, which wraps a request, is read as well.
    ///
    /// # Errors
    /// When it is no JSON object, lacks `contents`, has a known field of a wrong type, a field
    /// twice, or nests too deep. Unknown fields are no errors.
    pub fn read(body: Bytes, model: &str, stream: bool) -> Result<Request, ReadError> {
        let shape = RequestShape {
            model: model.to_owned(),
            api: Api::Chat,
            stream,
            // Google's streams always say it.
            include_usage: true,
            n: 1,
            ..RequestShape::default()
        };
        let mut reader = Reader { shape, ..Reader::default() };
        let object = read::object(body, |scanner, name| reader.field(scanner, name))?;
        let Reader { mut shape, system, last_user, seen } = reader;
        if !seen.iter().any(|name| name == "contents") {
            return Err(ReadError::missing("contents"));
        }
        for segment in &mut shape.segments[last_user] {
            segment.role = SegmentRole::LastUser;
        }
        shape.bytes = object.body().len();
        Ok(Request { object, system, shape })
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
    system: Option<SystemPlace>,
    /// The segments of the last user message so far.
    last_user: Range<usize>,
    /// The fields so far, in camelCase.
    seen: Vec<String>,
}

/// What a message is made of.
#[derive(Default)]
struct Content {
    parts: u32,
    results: u32,
}

impl Reader {
    /// Reads a known field; leaves an unknown one alone.
    fn field(&mut self, scanner: &mut Scanner<'_>, name: &str) -> Result<(), Fault> {
        let kind = scanner.kind()?;
        let field = camel(name);
        if self.seen.iter().any(|seen| *seen == field) {
            // Two spellings of one field: different readers would take different ones.
            return Err(Fault::Field(ReadError {
                message: format!("`{field}` occurs twice in the body"),
                param: Some(name.to_owned()),
                code: "duplicate_field",
            }));
        }
        self.seen.push(field.clone().into_owned());
        match (&*field, kind) {
            ("contents", Kind::Array | Kind::Object) => {
                each(scanner, |scanner, index| self.content(scanner, index))?;
            }
            ("contents", _) => return wrong_type(name, "an array of contents", kind),
            (_, Kind::Null) => {}
            ("generateContentRequest", Kind::Object) => {
                scanner.object(|scanner, key| self.field(scanner, &key.cow()))?;
            }
            ("systemInstruction", Kind::Object | Kind::String) => self.instructions(scanner)?,
            ("systemInstruction", _) => return wrong_type(name, "a content", kind),
            ("tools", Kind::Array | Kind::Object) => self.tools(scanner)?,
            ("tools", _) => return wrong_type(name, "an array of tools", kind),
            ("toolConfig", Kind::Object) => self.tool_config(scanner)?,
            ("generationConfig", Kind::Object) => self.generation(scanner)?,
            ("toolConfig" | "generationConfig", _) => return wrong_type(name, "an object", kind),
            ("cachedContent", _) => self.shape.cache_control = true,
            ("labels", Kind::Object) => scanner.object(|scanner, key| {
                match &*key.cow() {
                    "session_id" => self.shape.session = scanner.text()?.map(Cow::into_owned),
                    "user_id" => self.shape.user = scanner.text()?.map(Cow::into_owned),
                    _ => {}
                }
                Ok::<(), Fault>(())
            })?,
            _ => {}
        }
        Ok(())
    }

    fn segment(&mut self, role: SegmentRole, range: Range<usize>) {
        self.shape.segments.push(Segment { role, range });
    }

    fn generation(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Fault> {
        let mut config = Conversation::new(Dialect::GeminiGenerate);
        config::generation(&mut scanner.clone(), &mut config)?;
        let shape = &mut self.shape;
        shape.max_output = config.sampling.max_output;
        shape.temperature = config.sampling.temperature;
        shape.top_p = config.sampling.top_p;
        shape.n = config.sampling.n.unwrap_or(1);
        shape.logprobs = config.sampling.logprobs == Some(true);
        let effort = config.reasoning.in_words();
        shape.reasoning = effort.map_or(Effort::Unset, |word| Effort::from_word(&word));
        shape.format = match config.format {
            conversation::Format::Text => Format::Text,
            conversation::Format::Json => Format::JsonObject,
            conversation::Format::Schema { .. } => Format::JsonSchema,
        };
        scanner.object(|scanner, key| {
            if matches!(&*camel(&key.cow()), "responseSchema" | "responseJsonSchema") {
                let range = scanner.skip()?;
                self.segment(SegmentRole::Tools, range);
            }
            Ok(())
        })
    }

    fn tools(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Fault> {
        let mut tools = Vec::new();
        config::tools(&mut scanner.clone(), &mut tools)?;
        self.shape.tools = u32::try_from(tools.len()).unwrap_or(u32::MAX);
        let range = scanner.skip()?;
        if !tools.is_empty() {
            self.segment(SegmentRole::Tools, range);
        }
        Ok(())
    }

    fn tool_config(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Fault> {
        let mut config = Conversation::new(Dialect::GeminiGenerate);
        config::tool_config(scanner, &mut config)?;
        self.shape.tool_choice = match config.tool_choice {
            None => ToolChoice::Unset,
            Some(conversation::ToolChoice::None) => ToolChoice::None,
            Some(conversation::ToolChoice::Auto) => ToolChoice::Auto,
            Some(conversation::ToolChoice::Allowed { required: false, .. }) => ToolChoice::Auto,
            Some(conversation::ToolChoice::Named(_)) => ToolChoice::Named,
            Some(_) => ToolChoice::Required,
        };
        Ok(())
    }

    fn instructions(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Fault> {
        let (start, kind, first) = (scanner.offset(), scanner.kind()?, self.shape.segments.len());
        let mut parts = None;
        match kind {
            Kind::String => {
                let range = scanner.string()?.range();
                self.segment(SegmentRole::System, range);
            }
            _ => scanner.object(|scanner, key| {
                if camel(&key.cow()) == "parts" {
                    let (start, kind) = (scanner.offset(), scanner.kind()?);
                    self.parts(scanner, &mut Content::default())?;
                    if scanner.offset() > start {
                        parts = Some((start..scanner.offset(), kind));
                    }
                }
                Ok::<(), Fault>(())
            })?,
        }
        for segment in &mut self.shape.segments[first..] {
            segment.role = SegmentRole::System;
        }
        self.shape.has_system = true;
        self.shape.messages = self.shape.messages.saturating_add(1);
        self.system = Some(SystemPlace { value: start..scanner.offset(), kind, parts });
        Ok(())
    }

    fn content(&mut self, scanner: &mut Scanner<'_>, index: usize) -> Result<(), Fault> {
        let kind = scanner.kind()?;
        if kind != Kind::Object {
            return wrong_type(&format!("contents[{index}]"), "an object", kind);
        }
        let (first, mut role, mut content) = (self.shape.segments.len(), None, Content::default());
        scanner.object(|scanner, key| {
            let kind = scanner.kind()?;
            match (key.raw, kind) {
                ("role", Kind::String) => role = scanner.text()?,
                ("role", Kind::Null) => {}
                ("role", _) => {
                    return wrong_type(&format!("contents[{index}].role"), "a string", kind);
                }
                ("parts", Kind::Array | Kind::Object) => self.parts(scanner, &mut content)?,
                ("parts", Kind::Null) => {}
                ("parts", _) => {
                    let param = format!("contents[{index}].parts");
                    return wrong_type(&param, "an array of parts", kind);
                }
                _ => {}
            }
            Ok(())
        })?;
        self.shape.messages = self.shape.messages.saturating_add(1);
        let only_results = content.results > 0 && content.results == content.parts;
        self.shape.tool_results = only_results;
        match role.as_deref() {
            Some("model" | "assistant" | "function") => {}
            Some("system") => {
                for segment in &mut self.shape.segments[first..] {
                    segment.role = SegmentRole::System;
                }
                self.shape.has_system = true;
            }
            _ if only_results => {}
            _ => {
                self.shape.user_turns = self.shape.user_turns.saturating_add(1);
                self.last_user = first..self.shape.segments.len();
            }
        }
        Ok(())
    }

    fn parts(&mut self, scanner: &mut Scanner<'_>, content: &mut Content) -> Result<(), Fault> {
        each(scanner, |scanner, _| {
            content.parts = content.parts.saturating_add(1);
            if scanner.kind()? != Kind::Object {
                return Ok(());
            }
            scanner.object(|scanner, key| {
                match (&*camel(&key.cow()), scanner.kind()?) {
                    ("text", Kind::String) => {
                        let range = scanner.string()?.range();
                        self.segment(SegmentRole::Other, range);
                    }
                    ("inlineData" | "fileData", Kind::Object) => self.media(scanner)?,
                    (name @ ("functionCall" | "functionResponse"), Kind::Object) => {
                        content.results += u32::from(name == "functionResponse");
                        self.call(scanner)?;
                    }
                    (
                        "executableCode" | "codeExecutionResult" | "toolCall" | "toolResponse",
                        Kind::Object,
                    ) => {
                        let range = scanner.skip()?;
                        self.segment(SegmentRole::Other, range);
                    }
                    _ => {}
                }
                Ok::<(), Fault>(())
            })
        })
    }

    /// A call's or result's name and JSON; a result may have media too.
    fn call(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Fault> {
        scanner.object(|scanner, key| {
            match (key.raw, scanner.kind()?) {
                ("name", Kind::String) => {
                    let range = scanner.string()?.range();
                    self.segment(SegmentRole::Other, range);
                }
                ("args" | "response", Kind::Object) => {
                    let range = scanner.skip()?;
                    self.segment(SegmentRole::Other, range);
                }
                ("parts", _) => self.parts(scanner, &mut Content::default())?,
                _ => {}
            }
            Ok(())
        })
    }

    fn media(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Fault> {
        let mut kind = None;
        scanner.object(|scanner, key| {
            match (&*camel(&key.cow()), scanner.kind()?) {
                ("mimeType", Kind::String) => {
                    kind = Some(MediaKind::of_mime(&scanner.string()?.cow()));
                }
                ("fileUri", Kind::String) => {
                    let by_name = mime_of_name(&scanner.string()?.cow()).map(MediaKind::of_mime);
                    kind = kind.or(by_name);
                }
                _ => {}
            }
            Ok::<(), Fault>(())
        })?;
        match kind.unwrap_or(MediaKind::Document) {
            MediaKind::Image => self.shape.images = self.shape.images.saturating_add(1),
            MediaKind::Audio => self.shape.audio = true,
            MediaKind::Video | MediaKind::Document => {
                self.shape.files = self.shape.files.saturating_add(1);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
