//! Is the answer what was asked for? The checks behind `escalate when`.

use serde_json::Value;

use crate::dialect::Request;
use crate::dialect::answer::{Answer, Finish};
use crate::dialect::shape::{Format, ToolChoice};
use crate::policy::scripted;
use crate::script::{Datum, Record};

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
    let declined = matches!(choice.finish, Some(Finish::ContentFilter | Finish::Refusal));
    if !choice.refusal().is_empty() || declined {
        return true;
    }
    let text = choice.text();
    if choice.calls_tools() || text.len() > LONGEST_REFUSAL {
        return false;
    }
    let text = text.trim_start().to_lowercase().replace('’', "'");
    REFUSALS.iter().any(|refusal| text.starts_with(refusal))
}

/// Whether there is neither text nor a call nor a refusal.
pub fn empty(answer: &Answer) -> bool {
    answer.choices.iter().all(|choice| {
        choice.text().trim().is_empty() && choice.refusal().is_empty() && !choice.calls_tools()
    })
}

/// Holds a complete answer against its request.
pub fn judge(request: &Request, answer: &Answer) -> Verdicts {
    let mut verdicts = Verdicts::default();
    let Some(choice) = answer.primary() else { return verdicts };
    let shape = request.shape();
    let calls_any = choice.calls_tools();

    if shape.format != Format::Text && !calls_any && choice.refusal().is_empty() {
        match serde_json::from_str::<Value>(&choice.text()) {
            Err(_) => verdicts.invalid_json = true,
            Ok(instance) => {
                let schema = request.answer_schema().as_deref().and_then(json);
                verdicts.schema_violation =
                    schema.is_some_and(|schema| !satisfies(&schema, &instance));
            }
        }
    }
    let required = matches!(shape.tool_choice, ToolChoice::Required | ToolChoice::Named);
    verdicts.tool_call_missing = required && !calls_any;
    if calls_any {
        let tools = request.functions();
        verdicts.tool_call_invalid = choice.tool_calls().any(|call| {
            let Some((_, schema)) = tools.iter().find(|(name, _)| *name == call.name) else {
                return true;
            };
            if call.free_form {
                return false;
            }
            // A tool without parameters may be called with nothing at all.
            let arguments = if call.arguments.trim().is_empty() { "{}" } else { &call.arguments };
            match serde_json::from_str::<Value>(arguments) {
                Err(_) => true,
                Ok(arguments) => {
                    let schema = schema.as_deref().and_then(json);
                    schema.is_some_and(|schema| !satisfies(&schema, &arguments))
                }
            }
        });
    }
    verdicts
}

/// The longest answer that is read as JSON for a judge, in bytes.
const LONGEST_JSON: usize = 64 * 1024;

/// The map `answer` of a judge.
pub fn described(answer: &Answer) -> Record {
    let mut record = scripted::no_answer();
    let Some(choice) = answer.primary() else { return record };
    let text = choice.text();
    let mut set = |name: &str, value: Datum| _ = record.insert(name.into(), value);
    let count = |count: u64| Datum::from(i64::try_from(count).unwrap_or(i64::MAX));
    set("text", scripted::shortened(&text).into());
    set("chars", count(text.chars().count() as u64));
    set("tokens", count(answer.usage.completion().0));
    set("refusal", scripted::shortened(&choice.refusal()).into());
    if let Some(finish) = choice.finish {
        set("finish", finish.name().into());
    }
    let calls = choice.tool_calls().map(|call| call.name.as_ref().into());
    set("tool_calls", Datum::from_array(calls.take(scripted::MOST_LISTED).collect()));
    let parsed = (text.len() <= LONGEST_JSON).then(|| serde_json::from_str(&text).ok()).flatten();
    set("json", parsed.map_or(Datum::UNIT, |json| scripted::json(&json)));
    record
}

fn json(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}

/// A schema that cannot be compiled judges nothing: that is the client's and the provider's affair.
fn satisfies(schema: &Value, instance: &Value) -> bool {
    jsonschema::validator_for(schema).map_or(true, |validator| validator.is_valid(instance))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::answer::Choice;
    use crate::dialect::openai_chat;
    use crate::dialect::part::Part;
    use bytes::Bytes;

    fn request(body: &str) -> Request {
        openai_chat::Request::read(Bytes::copy_from_slice(body.as_bytes())).unwrap().into()
    }

    fn saying(text: &str) -> Answer {
        let choice = Choice { parts: vec![Part::text(text.to_owned())], ..Choice::default() };
        Answer { choices: vec![choice], ..Answer::default() }
    }

    fn calling(name: &str, arguments: &str) -> Answer {
        let call = Part::call("", name.to_owned(), arguments.to_owned());
        let choice = Choice { parts: vec![call], ..Choice::default() };
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
