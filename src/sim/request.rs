//! Reading a chat completion request, with the complaints OpenAI would make.
//!
//! Source of the format: the reference of `POST /v1/chat/completions` at platform.openai.com.

mod fields;
mod messages;

use serde_json::{Map, Value};

use self::fields::wrong_type;
use self::fields::{array, flag, given, integer, invalid_value, missing, number, object, string};
use self::messages::read_messages;
use super::error::ApiError;
use super::models::{self, SimModel};
use super::{fault, tokens};

/// A request that can be answered.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) model: &'static SimModel,
    pub(super) faults: Vec<fault::Injection>,
    pub(super) messages: Vec<Message>,
    pub(super) tools: Vec<Tool>,
    pub(super) tool_choice: ToolChoice,
    pub(super) parallel_tool_calls: bool,
    pub(super) format: Format,
    pub(super) stream: bool,
    pub(super) include_usage: bool,
    pub(super) n: u32,
    pub(super) stop: Vec<String>,
    pub(super) max_tokens: Option<u64>,
    /// How many alternatives beside each token, if log probabilities were asked for.
    pub(super) logprobs: Option<usize>,
    pub(super) effort: Effort,
    pub(super) prompt_tokens: u64,
    /// The hash of everything that shapes the answer (not of how it is delivered).
    pub(super) seed: u64,
}

/// One message of the conversation.
#[derive(Debug, Clone, Default)]
pub(super) struct Message {
    pub(super) role: String,
    pub(super) text: String,
    pub(super) images: Vec<String>,
    /// Calls an assistant made: id, name, arguments.
    pub(super) calls: Vec<(String, String, String)>,
    /// The call a tool's result belongs to.
    pub(super) call_id: Option<String>,
}

/// A function the model may call.
#[derive(Debug, Clone)]
pub(super) struct Tool {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) parameters: Value,
}

/// Whether and which tool is to be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ToolChoice {
    Auto,
    None,
    Required,
    Named(String),
}

/// The form the content is to have.
#[derive(Debug, Clone)]
pub(super) enum Format {
    Text,
    Json,
    Schema { schema: Value, strict: bool },
}

/// How much a reasoning model is to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effort {
    None,
    Minimal,
    Low,
    Medium,
    High,
}

type Result<T> = std::result::Result<T, ApiError>;

impl Request {
    /// Reads a body; `header_faults` is the value of `x-sim-fault`.
    pub(super) fn read(body: &[u8], header_faults: Option<&str>) -> Result<Request> {
        let not_json = || {
            ApiError::plain(
                400,
                "invalid_request_error",
                None,
                "We could not parse the JSON body of your request. The body must be a JSON object.",
            )
        };
        let body: Value = serde_json::from_slice(body).map_err(|_| not_json())?;
        let body = body.as_object().ok_or_else(not_json)?;
        let (model, faults) = read_model(body, header_faults)?;
        let messages = read_messages(body)?;
        let tools = read_tools(body)?;
        let tool_choice = read_tool_choice(body, &tools)?;
        let format = read_format(body)?;
        let seed = seed(model, body);
        let prompt_tokens = count_prompt(&messages, body);
        let logprobs = read_logprobs(body)?;
        let request = Request {
            model,
            faults,
            messages,
            tools,
            tool_choice,
            parallel_tool_calls: flag(body, "parallel_tool_calls")?.unwrap_or(true),
            format,
            stream: flag(body, "stream")?.unwrap_or(false),
            include_usage: match given(body, "stream_options") {
                Some(options) => {
                    let options = object("stream_options", options)?;
                    flag(options, "include_usage")?.unwrap_or(false)
                }
                None => false,
            },
            n: integer(body, "n", 1, 128)?.unwrap_or(1) as u32,
            stop: read_stop(body)?,
            max_tokens: match integer(body, "max_completion_tokens", 1, i64::MAX)? {
                Some(limit) => Some(limit),
                None => integer(body, "max_tokens", 1, i64::MAX)?,
            },
            logprobs,
            effort: read_effort(body)?,
            prompt_tokens,
            seed,
        };
        number(body, "temperature", 0.0, 2.0)?;
        number(body, "top_p", 0.0, 1.0)?;
        number(body, "presence_penalty", -2.0, 2.0)?;
        number(body, "frequency_penalty", -2.0, 2.0)?;
        integer(body, "seed", i64::MIN, i64::MAX)?;
        request.check_capabilities()?;
        Ok(request)
    }

    /// The last thing the user said.
    pub(super) fn question(&self) -> &str {
        self.messages.iter().rev().find(|m| m.role == "user").map_or("", |m| &m.text)
    }

    /// The pictures in the last user message.
    pub(super) fn images(&self) -> &[String] {
        self.messages.iter().rev().find(|m| m.role == "user").map_or(&[], |m| &m.images)
    }

    fn check_capabilities(&self) -> Result<()> {
        let can = self.model.capabilities;
        let unsupported = |param: &str, what: &str| {
            let name = self.model.name;
            Err(ApiError::invalid(
                param,
                Some("unsupported_parameter"),
                format!("Unsupported parameter: {what} not supported with the model `{name}`."),
            ))
        };
        if !can.vision && self.messages.iter().any(|m| !m.images.is_empty()) {
            return Err(ApiError::invalid(
                "messages",
                None,
                "Invalid content type. image_url is only supported by certain models.",
            ));
        }
        if !can.logprobs && self.logprobs.is_some() {
            return unsupported("logprobs", "'logprobs' is");
        }
        if !can.tools && !self.tools.is_empty() {
            return unsupported("tools", "'tools' are");
        }
        let limit = self.model.context.0;
        if self.prompt_tokens >= limit {
            return Err(ApiError::context(limit, self.prompt_tokens));
        }
        if let Some(asked) = self.max_tokens.filter(|&asked| asked > self.model.max_output.0) {
            return Err(ApiError::invalid(
                "max_tokens",
                Some("invalid_value"),
                format!(
                    "max_tokens is too large: {asked}. This model supports at most {} completion \
                     tokens.",
                    self.model.max_output
                ),
            ));
        }
        Ok(())
    }
}

fn read_model(
    body: &Map<String, Value>,
    header_faults: Option<&str>,
) -> Result<(&'static SimModel, Vec<fault::Injection>)> {
    let Some(field) = given(body, "model") else {
        return Err(ApiError::plain(
            400,
            "invalid_request_error",
            None,
            "you must provide a model parameter",
        ));
    };
    let field = string("model", field)?;
    let field = field.strip_prefix("sim/").unwrap_or(field);
    let (name, suffix) = match field.split_once('!') {
        Some((name, suffix)) => (name, Some(suffix)),
        None => (field, None),
    };
    let model = models::find(name).ok_or_else(|| unknown_model(name))?;
    let mut faults = Vec::new();
    for text in suffix.into_iter().chain(header_faults) {
        let read = fault::parse(text);
        faults.extend(read.map_err(|why| ApiError::invalid("model", Some("invalid_fault"), why))?);
    }
    Ok((model, faults))
}

/// The error for a model there is not.
pub(super) fn unknown_model(name: &str) -> ApiError {
    let near = models::models()
        .iter()
        .map(|model| (strsim::damerau_levenshtein(model.name, name), model.name))
        .min()
        .filter(|(distance, _)| *distance <= 2);
    let hint = match near {
        Some((_, near)) => format!(" Did you mean `{near}`?"),
        None => {
            let names: Vec<_> = models::models().iter().map(|model| model.name).collect();
            format!(" There are: {}.", names.join(", "))
        }
    };
    ApiError {
        param: Some("model".to_owned()),
        ..ApiError::plain(
            404,
            "invalid_request_error",
            Some("model_not_found"),
            format!("The model `{name}` does not exist or you do not have access to it.{hint}"),
        )
    }
}

fn read_tools(body: &Map<String, Value>) -> Result<Vec<Tool>> {
    let Some(list) = given(body, "tools") else { return Ok(Vec::new()) };
    let mut tools = Vec::new();
    for (i, tool) in array("tools", list)?.iter().enumerate() {
        let at = |member: &str| format!("tools[{i}].{member}");
        match object(&format!("tools[{i}]"), tool)?.get("type").and_then(Value::as_str) {
            Some("function") => {}
            Some(other) => return Err(invalid_value(&at("type"), other, "'function'")),
            None => return Err(missing(&at("type"))),
        }
        let function = tool.get("function").ok_or_else(|| missing(&at("function")))?;
        let function = object(&at("function"), function)?;
        let name = function.get("name").ok_or_else(|| missing(&at("function.name")))?;
        let name = string(&at("function.name"), name)?;
        let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || name.len() > 64 || !name.chars().all(legal) {
            return Err(ApiError::invalid(
                at("function.name"),
                Some("invalid_value"),
                format!(
                    "Invalid '{}': string does not match pattern. Expected a string that matches \
                     the pattern '^[a-zA-Z0-9_-]{{1,64}}$'.",
                    at("function.name")
                ),
            ));
        }
        let parameters = given(function, "parameters").cloned().unwrap_or_else(
            || serde_json::json!({"type": "object", "properties": {}, "additionalProperties": false}),
        );
        check_schema(&parameters, &at("function.parameters"), &format!("function '{name}'"))?;
        tools.push(Tool {
            name: name.to_owned(),
            description: function
                .get("description")
                .and_then(Value::as_str)
                .unwrap_or("")
                .to_owned(),
            parameters,
        });
    }
    Ok(tools)
}

fn check_schema(schema: &Value, param: &str, whose: &str) -> Result<()> {
    let complaint = |why: String| {
        Err(ApiError::invalid(
            param,
            Some("invalid_function_parameters")
                .filter(|_| param.starts_with("tools"))
                .or(Some("invalid_json_schema")),
            format!("Invalid schema for {whose}: {why}"),
        ))
    };
    match jsonschema::validator_for(schema) {
        Ok(_) => Ok(()),
        Err(why) => complaint(why.to_string()),
    }
}

fn read_tool_choice(body: &Map<String, Value>, tools: &[Tool]) -> Result<ToolChoice> {
    let Some(choice) = given(body, "tool_choice") else { return Ok(ToolChoice::Auto) };
    if tools.is_empty() {
        return Err(ApiError::invalid(
            "tool_choice",
            None,
            "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.",
        ));
    }
    if let Some(word) = choice.as_str() {
        return match word {
            "auto" => Ok(ToolChoice::Auto),
            "none" => Ok(ToolChoice::None),
            "required" => Ok(ToolChoice::Required),
            other => Err(invalid_value("tool_choice", other, "'none', 'auto', and 'required'")),
        };
    }
    object("tool_choice", choice)?;
    let name = choice
        .pointer("/function/name")
        .and_then(Value::as_str)
        .ok_or_else(|| missing("tool_choice.function"))?;
    if tools.iter().any(|tool| tool.name == name) {
        return Ok(ToolChoice::Named(name.to_owned()));
    }
    Err(ApiError::invalid(
        "tool_choice",
        None,
        format!("Tool choice '{name}' not found in 'tools' parameter."),
    ))
}

fn read_format(body: &Map<String, Value>) -> Result<Format> {
    let Some(format) = given(body, "response_format") else { return Ok(Format::Text) };
    let kind = object("response_format", format)?
        .get("type")
        .ok_or_else(|| missing("response_format.type"))?;
    match string("response_format.type", kind)? {
        "text" => Ok(Format::Text),
        "json_object" => Ok(Format::Json),
        "json_schema" => {
            let spec =
                format.get("json_schema").ok_or_else(|| missing("response_format.json_schema"))?;
            let spec = object("response_format.json_schema", spec)?;
            let name =
                spec.get("name").ok_or_else(|| missing("response_format.json_schema.name"))?;
            let name = string("response_format.json_schema.name", name)?;
            let schema = given(spec, "schema").cloned().unwrap_or(Value::Bool(true));
            check_schema(&schema, "response_format", &format!("response_format '{name}'"))?;
            Ok(Format::Schema { schema, strict: flag(spec, "strict")?.unwrap_or(false) })
        }
        other => Err(invalid_value(
            "response_format.type",
            other,
            "'json_object', 'json_schema', and 'text'",
        )),
    }
}

fn read_stop(body: &Map<String, Value>) -> Result<Vec<String>> {
    match given(body, "stop") {
        None => Ok(Vec::new()),
        Some(Value::String(one)) => Ok(vec![one.clone()]),
        Some(Value::Array(list)) if list.len() <= 4 => {
            list.iter().map(|value| string("stop", value).map(str::to_owned)).collect()
        }
        Some(Value::Array(list)) => Err(ApiError::invalid(
            "stop",
            Some("array_above_max_length"),
            format!(
                "Invalid 'stop': array too long. Expected an array with maximum length 4, but got \
                 an array with length {} instead.",
                list.len()
            ),
        )),
        Some(other) => Err(wrong_type("stop", "one of a string or array of strings", other)),
    }
}

fn read_logprobs(body: &Map<String, Value>) -> Result<Option<usize>> {
    let asked = flag(body, "logprobs")?.unwrap_or(false);
    let top = integer(body, "top_logprobs", 0, 20)?;
    match (asked, top) {
        (false, Some(_)) => Err(ApiError::invalid(
            "top_logprobs",
            None,
            "Invalid value for 'top_logprobs': 'top_logprobs' is only allowed when 'logprobs' is enabled.",
        )),
        (false, None) => Ok(None),
        (true, top) => Ok(Some(top.unwrap_or(0) as usize)),
    }
}

fn read_effort(body: &Map<String, Value>) -> Result<Effort> {
    let Some(value) = given(body, "reasoning_effort") else { return Ok(Effort::Medium) };
    match string("reasoning_effort", value)? {
        "none" => Ok(Effort::None),
        "minimal" => Ok(Effort::Minimal),
        "low" => Ok(Effort::Low),
        "medium" => Ok(Effort::Medium),
        "high" | "xhigh" => Ok(Effort::High),
        other => Err(invalid_value(
            "reasoning_effort",
            other,
            "'none', 'minimal', 'low', 'medium', 'high', and 'xhigh'",
        )),
    }
}

/// Tokens of the prompt, by the rule of OpenAI's cookbook: three a message and three to begin
/// the answer; 85 a picture; tools and schemas by their text.
fn count_prompt(messages: &[Message], body: &Map<String, Value>) -> u64 {
    let said: u64 = messages
        .iter()
        .map(|message| {
            let calls: u64 = message
                .calls
                .iter()
                .map(|(_, name, args)| tokens::count(name) + tokens::count(args))
                .sum();
            3 + tokens::count(&message.text) + 85 * message.images.len() as u64 + calls
        })
        .sum();
    let extra: u64 = ["tools", "response_format"]
        .iter()
        .filter_map(|name| given(body, name))
        .map(|value| tokens::count(&value.to_string()) / 2)
        .sum();
    said + extra + 3
}

/// Only what shapes the answer: so a stream says what the whole answer says, and a shorter limit
/// gives a prefix of the longer answer.
fn seed(model: &SimModel, body: &Map<String, Value>) -> u64 {
    const SHAPING: &[&str] = &[
        "messages",
        "tools",
        "tool_choice",
        "response_format",
        "seed",
        "temperature",
        "top_p",
        "reasoning_effort",
    ];
    let mut hasher = blake3::Hasher::new();
    hasher.update(model.name.as_bytes());
    for name in SHAPING {
        if let Some(value) = given(body, name) {
            hasher.update(name.as_bytes());
            // `Value` keeps its members sorted, so the order in the request does not matter.
            hasher.update(value.to_string().as_bytes());
        }
    }
    let mut first = [0; 8];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_le_bytes(first)
}
