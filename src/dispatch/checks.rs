//! Is the answer what was asked for? The checks behind `escalate when`.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::dialect::answer::{Answer, Finish};
use crate::dialect::openai_chat::Request;
use crate::dialect::shape::{Format, ToolChoice};

/// What the costlier checks found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Verdicts {
    /// JSON was asked for and did not come.
    pub invalid_json: bool,
    /// It came, and breaks the schema.
    pub schema_violation: bool,
    /// A call was required and did not come.
    pub tool_call_missing: bool,
    /// A call names no offered tool, or its arguments break the tool's schema.
    pub tool_call_invalid: bool,
}

/// How refusals begin. Only short answers count: a long one that apologises still answers.
const REFUSALS: [&str; 14] = [
    "i'm sorry, but i can't",
    "i'm sorry, but i cannot",
    "i'm sorry, i can't",
    "i am sorry, but i can",
    "sorry, but i can't",
    "sorry, i can't",
    "i can't help with",
    "i cannot help with",
    "i can't assist",
    "i cannot assist",
    "i'm unable to",
    "i am unable to",
    "i'm not able to help",
    "i won't be able to help",
];
const LONGEST_REFUSAL: usize = 400;

/// Whether the model declined.
pub fn refused(answer: &Answer) -> bool {
    let Some(choice) = answer.primary() else { return false };
    if !choice.refusal.is_empty() || choice.finish == Some(Finish::ContentFilter) {
        return true;
    }
    if !choice.tool_calls.is_empty() || choice.text.len() > LONGEST_REFUSAL {
        return false;
    }
    let text = choice.text.trim_start().to_lowercase().replace('’', "'");
    REFUSALS.iter().any(|refusal| text.starts_with(refusal))
}

/// Whether there is neither text nor a call nor a refusal.
pub fn empty(answer: &Answer) -> bool {
    answer.choices.iter().all(|choice| {
        choice.text.trim().is_empty() && choice.refusal.is_empty() && choice.tool_calls.is_empty()
    })
}

/// Holds a complete answer against its request.
pub fn judge(request: &Request, answer: &Answer) -> Verdicts {
    let mut verdicts = Verdicts::default();
    let Some(choice) = answer.primary() else { return verdicts };
    let shape = request.shape();
    let calls = &choice.tool_calls;

    if shape.format != Format::Text && calls.is_empty() && choice.refusal.is_empty() {
        match serde_json::from_str::<Value>(&choice.text) {
            Err(_) => verdicts.invalid_json = true,
            Ok(json) => {
                let schema = request.field("response_format").and_then(answer_schema);
                verdicts.schema_violation = schema.is_some_and(|schema| !satisfies(&schema, &json));
            }
        }
    }
    let required = matches!(shape.tool_choice, ToolChoice::Required | ToolChoice::Named);
    verdicts.tool_call_missing = required && calls.is_empty();
    if !calls.is_empty() {
        let tools = request.field("tools").map(offered_tools).unwrap_or_default();
        verdicts.tool_call_invalid = calls.iter().any(|call| {
            let Some(tool) = tools.iter().find(|tool| tool.name == call.name) else { return true };
            // A tool without parameters may be called with nothing at all.
            let arguments = if call.arguments.trim().is_empty() { "{}" } else { &call.arguments };
            match serde_json::from_str::<Value>(arguments) {
                Err(_) => true,
                Ok(arguments) => {
                    tool.parameters.as_ref().is_some_and(|schema| !satisfies(schema, &arguments))
                }
            }
        });
    }
    verdicts
}

/// A schema that cannot be compiled judges nothing: that is the client's and the provider's affair.
fn satisfies(schema: &Value, instance: &Value) -> bool {
    jsonschema::validator_for(schema).map_or(true, |validator| validator.is_valid(instance))
}

fn answer_schema(response_format: &str) -> Option<Value> {
    #[derive(Deserialize)]
    struct ResponseFormat {
        json_schema: Option<JsonSchema>,
    }
    #[derive(Deserialize)]
    struct JsonSchema {
        schema: Option<Value>,
    }
    serde_json::from_str::<ResponseFormat>(response_format).ok()?.json_schema?.schema
}

struct Tool {
    name: String,
    parameters: Option<Value>,
}

fn offered_tools(tools: &str) -> Vec<Tool> {
    #[derive(Deserialize)]
    struct Offered<'a> {
        #[serde(borrow)]
        function: Option<&'a RawValue>,
        #[serde(borrow)]
        custom: Option<&'a RawValue>,
    }
    #[derive(Deserialize)]
    struct Function {
        name: String,
        parameters: Option<Value>,
    }
    let Ok(offered) = serde_json::from_str::<Vec<Offered<'_>>>(tools) else { return Vec::new() };
    offered
        .into_iter()
        .filter_map(|tool| tool.function.or(tool.custom))
        .filter_map(|function| serde_json::from_str::<Function>(function.get()).ok())
        .map(|Function { name, parameters }| Tool { name, parameters })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::answer::{Choice, ToolCall};
    use bytes::Bytes;

    fn request(body: &str) -> Request {
        Request::read(Bytes::copy_from_slice(body.as_bytes())).unwrap()
    }

    fn saying(text: &str) -> Answer {
        let choice = Choice { text: text.into(), ..Choice::default() };
        Answer { choices: vec![choice], ..Answer::default() }
    }

    fn calling(name: &str, arguments: &str) -> Answer {
        let call =
            ToolCall { name: name.into(), arguments: arguments.into(), ..ToolCall::default() };
        let choice = Choice { tool_calls: vec![call], ..Choice::default() };
        Answer { choices: vec![choice], ..Answer::default() }
    }

    #[test]
    fn refusals_are_short_and_begin_with_it() {
        assert!(refused(&saying("I’m sorry, but I can't help with that.")));
        assert!(!refused(&saying("Sorry is the hardest word.")));
        assert!(!refused(&saying(&format!("I'm sorry, but I can't {}", "x".repeat(400)))));
    }

    #[test]
    fn json_is_held_against_its_schema() {
        let request = request(
            r#"{"model":"m","messages":[],"response_format":{"type":"json_schema","json_schema":
            {"name":"n","schema":{"type":"object","required":["a"],"properties":{"a":{"type":"integer"}}}}}}"#,
        );
        assert!(judge(&request, &saying("not json")).invalid_json);
        assert!(judge(&request, &saying(r#"{"a":"x"}"#)).schema_violation);
        assert_eq!(judge(&request, &saying(r#"{"a":1}"#)), Verdicts::default());
    }

    #[test]
    fn calls_are_held_against_the_tools() {
        let request = request(
            r#"{"model":"m","messages":[],"tool_choice":"required","tools":[{"type":"function",
            "function":{"name":"f","parameters":{"type":"object","required":["x"]}}}]}"#,
        );
        assert!(judge(&request, &saying("no")).tool_call_missing);
        assert!(judge(&request, &calling("g", "{}")).tool_call_invalid);
        assert!(judge(&request, &calling("f", "{")).tool_call_invalid);
        assert!(judge(&request, &calling("f", "{}")).tool_call_invalid);
        assert_eq!(judge(&request, &calling("f", r#"{"x":1}"#)), Verdicts::default());
    }
}
