//! Requests: read in one scan, changed by splicing, and made a conversation of.

use bytes::Bytes;

use crate::dialect::Dialect;
use crate::dialect::conversation::{Conversation, Message, Role};
use crate::dialect::edits::{Change, Edits, Encoded, Loss, LossKind, Param, ParamValue};
use crate::dialect::json::{self, JsonError, Kind, Scanner};
use crate::dialect::object::{Object, Splice};
use crate::dialect::part::{Part, Text};
use crate::dialect::passage::Inexpressible;
use crate::dialect::quirks::Quirks;
use crate::dialect::read::{self, Fault, ReadError, boolean, count, number, wrong_type};
use crate::dialect::shape::{Api, RequestShape, Segment, SegmentRole};
use crate::units::Tokens;

/// A request that was read, with its bytes as they came.
#[derive(Debug, Clone)]
pub struct Request {
    object: Object,
    shape: RequestShape,
}

impl Request {
    /// Reads a body.
    ///
    /// # Errors
    /// When it is no JSON object, lacks `model` or `prompt`, has a known field of a wrong type, a
    /// field twice, or nests too deep. Unknown fields are no errors.
    pub fn read(body: Bytes) -> Result<Request, ReadError> {
        let mut shape = RequestShape { api: Api::Completions, n: 1, ..RequestShape::default() };
        let (mut has_model, mut has_prompt) = (false, false);
        let object = read::object(body, |scanner, name| {
            has_model |= name == "model";
            has_prompt |= name == "prompt";
            field(&mut shape, scanner, name)
        })?;
        for (name, given) in [("model", has_model), ("prompt", has_prompt)] {
            if !given {
                return Err(ReadError::missing(name));
            }
        }
        shape.bytes = object.body().len();
        Ok(Request { object, shape })
    }

    /// The body and its fields.
    pub fn object(&self) -> &Object {
        &self.object
    }

    /// What classification and routing look at.
    pub fn shape(&self) -> &RequestShape {
        &self.shape
    }

    /// The body with the edits made. What is not edited stays byte for byte as it came; without any
    /// change the result *is* the body that came. There is no system prompt to edit.
    pub fn encode(&self, edits: &Edits, quirks: &Quirks) -> Encoded {
        let (mut splice, mut losses) = (Splice::new(&self.object), Vec::new());
        if let Some(model) = edits.model.as_deref().filter(|model| *model != self.shape.model) {
            splice.set("model", json::quote(model));
        }
        let stream = edits.stream.unwrap_or(self.shape.stream);
        if stream != self.shape.stream {
            splice.set("stream", stream.to_string());
        }
        if !stream && self.shape.stream {
            splice.remove("stream_options"); // refused where nothing is streamed
        }
        if stream && edits.include_usage && !self.shape.include_usage && !quirks.usage_unasked {
            splice.set("stream_options", r#"{"include_usage":true}"#.to_owned());
        }
        let mut lose = |param: Param, note: &str| {
            let how = LossKind::Dropped;
            losses.push(Loss { param: param.name().into(), how, note: note.to_owned() });
        };
        for (param, change) in &edits.params {
            let Some(name) = name_of(*param) else {
                if *change != Change::Remove {
                    lose(*param, "it is unknown there");
                }
                continue;
            };
            change_field(&mut splice, name, change);
        }
        if edits.logprobs && !splice.given("logprobs") {
            splice.set("logprobs", "1".to_owned());
        }
        if !edits.prompt.is_empty() {
            lose(Param::Role, "there is no system prompt that could be changed");
        }
        for param in quirks.unsupported {
            let Some(name) = name_of(*param) else { continue };
            if splice.given(name) {
                lose(*param, "it is not supported there");
            }
            splice.remove(name);
        }
        Encoded { body: splice.body(), losses }
    }

    /// The neutral form: one message of the user's.
    ///
    /// # Errors
    /// When the prompt is more or other than one text, or the answer is to be something that no
    /// conversation has.
    pub fn decode(&self) -> Result<Conversation<'_>, Inexpressible> {
        let mut conversation = Conversation::new(Dialect::OpenAiCompletions);
        conversation.stream = self.shape.stream;
        for name in self.object.names() {
            let Some(json) = self.object.field(name).filter(|json| *json != "null") else {
                continue;
            };
            if let Some(why) = refused(name, json) {
                return Err(Inexpressible::new(format!(
                    "{why}, which only models can that continue texts: name one of a provider \
                     with this API",
                )));
            }
            neutral(&mut conversation, name, json)
                .map_err(|error| Inexpressible::new(format!("`{name}` cannot be read: {error}")))?;
        }
        Ok(conversation)
    }
}

/// Reads a known field; leaves an unknown one alone.
fn field(shape: &mut RequestShape, scanner: &mut Scanner<'_>, name: &str) -> Result<(), Fault> {
    let kind = scanner.kind()?;
    if kind == Kind::Null && name != "model" && name != "prompt" {
        return Ok(()); // as good as absent
    }
    match name {
        "model" => match scanner.text()? {
            Some(model) => shape.model = model.into_owned(),
            None => return wrong_type(name, "a string", kind),
        },
        "prompt" => {
            let mut prompt = |scanner: &mut Scanner<'_>| {
                if scanner.kind()? == Kind::String {
                    let range = scanner.string()?.range();
                    shape.segments.push(Segment { role: SegmentRole::LastUser, range });
                }
                Ok::<(), Fault>(())
            };
            match kind {
                Kind::String => prompt(scanner)?,
                Kind::Array => scanner.array(|scanner, _| prompt(scanner))?,
                Kind::Null => {}
                _ => return wrong_type(name, "a string or an array", kind),
            }
            (shape.messages, shape.user_turns) = (1, 1);
        }
        "stream" => shape.stream = boolean(scanner, name)?,
        "stream_options" if kind == Kind::Object => scanner.object(|scanner, key| {
            if key.cow() == "include_usage" {
                shape.include_usage = scanner.bool()? == Some(true);
            }
            Ok::<(), Fault>(())
        })?,
        "max_tokens" => shape.max_output = Some(Tokens(count(scanner, name)?)),
        "temperature" => shape.temperature = Some(number(scanner, name)?),
        "top_p" => shape.top_p = Some(number(scanner, name)?),
        "n" => shape.n = u32::try_from(count(scanner, name)?).unwrap_or(u32::MAX),
        // How many of the most probable tokens; OpenAI takes `true` for 1.
        "logprobs" => {
            shape.logprobs = scanner.bool()?.unwrap_or(true);
        }
        "user" => match scanner.text()? {
            Some(user) => shape.user = Some(user.into_owned()),
            None => return wrong_type(name, "a string", kind),
        },
        _ => {}
    }
    Ok(())
}

/// The name of a parameter in this dialect; nothing where it has none.
fn name_of(param: Param) -> Option<&'static str> {
    Some(match param {
        Param::Temperature => "temperature",
        Param::TopP => "top_p",
        Param::MaxOutput => "max_tokens",
        Param::Seed => "seed",
        Param::N => "n",
        Param::Stop => "stop",
        Param::FrequencyPenalty => "frequency_penalty",
        Param::PresencePenalty => "presence_penalty",
        Param::Logprobs | Param::TopLogprobs => "logprobs",
        Param::User => "user",
        Param::LogitBias => "logit_bias",
        Param::StreamOptions => "stream_options",
        _ => return None,
    })
}

fn change_field(splice: &mut Splice<'_>, name: &'static str, change: &Change) {
    let number = |value: &ParamValue| match value {
        ParamValue::Int(number) => Some(*number as f64), // exact up to 2⁵³
        ParamValue::Float(number) => Some(*number),
        _ => None,
    };
    // Without a value the provider's default counts.
    let now = splice.value(name).and_then(|value| value.parse().ok()).unwrap_or(match name {
        "frequency_penalty" | "presence_penalty" => 0.0,
        "max_tokens" => 16.0,
        _ => 1.0,
    });
    let value = match change {
        Change::Remove => return splice.remove(name),
        Change::Replace(value) => Some(value),
        Change::AtMost(limit) => {
            Some(limit).filter(|limit| number(limit).is_some_and(|it| now > it))
        }
        Change::AtLeast(limit) => {
            Some(limit).filter(|limit| number(limit).is_some_and(|it| now < it))
        }
    };
    let written = value.and_then(|value| match value {
        ParamValue::Int(number) => Some(number.to_string()),
        ParamValue::Float(number) => number.is_finite().then(|| number.to_string()),
        ParamValue::Bool(true) => Some("1".to_owned()),
        ParamValue::Bool(false) => Some("null".to_owned()),
        ParamValue::Text(text) => Some(json::quote(text)),
        ParamValue::Texts(texts) => {
            let texts: Vec<String> = texts.iter().map(|text| json::quote(text)).collect();
            Some(format!("[{}]", texts.join(",")))
        }
    });
    if let Some(written) = written {
        splice.set(name, written);
    }
}

/// What no conversation can say.
fn refused(name: &str, json: &str) -> Option<&'static str> {
    let is_one_text = || {
        let mut scanner = Scanner::new(json);
        let (mut texts, mut others) = (0, 0);
        let scanned = match scanner.kind() {
            Ok(Kind::Array) => scanner.array(|scanner, _| {
                match scanner.kind()? {
                    Kind::String => texts += 1,
                    _ => others += 1,
                }
                Ok::<(), JsonError>(())
            }),
            _ => return true,
        };
        scanned.is_ok() && (texts, others) == (1, 0)
    };
    match name {
        "prompt" if !is_one_text() && json.contains('"') => {
            Some("`prompt` holds several texts at once")
        }
        "prompt" if !is_one_text() => Some("`prompt` is given as tokens"),
        "suffix" if json != "\"\"" => Some("`suffix` asks for text in front of another"),
        "echo" if json == "true" => Some("`echo` asks for the prompt to be repeated"),
        "best_of" if json != "1" => Some("`best_of` asks for the best of several answers"),
        _ => None,
    }
}

fn neutral<'a>(to: &mut Conversation<'a>, name: &'a str, json: &'a str) -> Result<(), JsonError> {
    let mut scanner = Scanner::new(json);
    let scanner = &mut scanner;
    let kind = scanner.kind()?;
    let sampling = &mut to.sampling;
    match name {
        "model" => to.model = scanner.text()?.unwrap_or_default(),
        "prompt" => {
            let text = texts(scanner)?.into_iter().next().unwrap_or_default();
            to.messages.push(Message::new(Role::User, vec![Part::text(text)]));
        }
        "max_tokens" => sampling.max_output = scanner.count()?.map(Tokens),
        "temperature" => sampling.temperature = scanner.float()?,
        "top_p" => sampling.top_p = scanner.float()?,
        "n" => sampling.n = scanner.count()?.and_then(|n| u32::try_from(n).ok()),
        "seed" => sampling.seed = scanner.float()?.map(|seed| seed as i64),
        "stop" => sampling.stop = texts(scanner)?,
        "frequency_penalty" => sampling.frequency_penalty = scanner.float()?,
        "presence_penalty" => sampling.presence_penalty = scanner.float()?,
        "logit_bias" if kind == Kind::Object => sampling.logit_bias = Some(json.into()),
        "logprobs" => match scanner.count()? {
            Some(top) => {
                sampling.logprobs = Some(true);
                sampling.top_logprobs = u32::try_from(top).ok();
            }
            None => sampling.logprobs = scanner.bool()?,
        },
        "user" => to.user = scanner.text()?,
        // How an answer travels, and what is as good as unsaid.
        "stream" | "stream_options" | "echo" | "best_of" | "suffix" => {}
        name => to.extras.push((name.into(), json.into())),
    }
    Ok(())
}

fn texts<'a>(scanner: &mut Scanner<'a>) -> Result<Vec<Text<'a>>, JsonError> {
    let mut texts = Vec::new();
    match scanner.kind()? {
        Kind::String => texts.push(scanner.string()?.cow()),
        Kind::Array => scanner.array(|scanner, _| {
            texts.extend(scanner.text()?);
            Ok::<(), JsonError>(())
        })?,
        _ => {}
    }
    Ok(texts)
}
