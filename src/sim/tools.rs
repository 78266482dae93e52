//! Which tool a prompt calls for, with which arguments, and what to say to its result.

use serde_json::Value;

use super::hints::{Hints, PLACES};
use super::request::{Message, Request, Tool, ToolChoice};
use super::schema;

/// A call the prompt wants.
#[derive(Debug, Clone)]
pub(super) struct Wish<'a> {
    pub(super) tool: &'a Tool,
    /// The one place this call is about, when the prompt names several.
    place: Option<String>,
}

impl Wish<'_> {
    /// Arguments that satisfy the tool's schema, as text.
    pub(super) fn arguments(&self, prompt: &str, seed: u64) -> String {
        let mut hints = Hints::of(prompt, prompt);
        if let Some(place) = &self.place {
            hints = hints.about(place);
        }
        schema::generate(&self.tool.parameters, &hints, seed).to_string()
    }
}

/// Words in a tool's name that say nothing about what it is for.
const EMPTY: &[&str] = &[
    "about",
    "and",
    "call",
    "current",
    "data",
    "find",
    "for",
    "from",
    "function",
    "get",
    "given",
    "info",
    "information",
    "into",
    "lookup",
    "make",
    "query",
    "return",
    "returns",
    "run",
    "set",
    "that",
    "the",
    "this",
    "tool",
    "use",
    "user",
    "value",
    "with",
    "your",
];

/// Words of a prompt and the word in a tool's name they ask for.
const SYNONYMS: &[(&str, &str)] = &[
    ("add", "calculator"),
    ("cold", "weather"),
    ("cost", "price"),
    ("forecast", "weather"),
    ("google", "search"),
    ("look", "search"),
    ("mail", "email"),
    ("meeting", "calendar"),
    ("multiply", "calculator"),
    ("o'clock", "time"),
    ("rain", "weather"),
    ("sunny", "weather"),
    ("temperature", "weather"),
    ("umbrella", "weather"),
    ("warm", "weather"),
];

/// The calls this request asks for: none when there is nothing to call, when the model was told
/// not to, or when the last message already brings the results.
pub(super) fn wanted(request: &Request) -> Vec<Wish<'_>> {
    let answered = request.messages.last().is_some_and(|message| message.role == "tool");
    if request.tools.is_empty() || request.tool_choice == ToolChoice::None {
        return Vec::new();
    }
    let prompt = request.question();
    let prompt_words = words(prompt);
    let mut ranked: Vec<(u32, &Tool)> =
        request.tools.iter().map(|tool| (relevance(tool, &prompt_words), tool)).collect();
    // Stable: of equally relevant tools the first one offered.
    ranked.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    let chosen: Vec<&Tool> = match &request.tool_choice {
        ToolChoice::Named(name) => request.tools.iter().filter(|t| t.name == *name).collect(),
        ToolChoice::Required if ranked[0].0 < 2 => vec![ranked[0].1],
        _ if answered => Vec::new(),
        _ => {
            let best = ranked[0].0;
            // A second tool must be named about as clearly as the best one.
            let near = |score: u32| score >= 2 && score * 2 > best;
            ranked.iter().filter(|(score, _)| near(*score)).map(|(_, tool)| *tool).collect()
        }
    };
    let several = request.parallel_tool_calls && request.model.capabilities.parallel_tools;
    let places = Hints::of(prompt, "").places;
    let mut wishes = Vec::new();
    for tool in chosen {
        let takes_place = tool.parameters.get("properties").and_then(Value::as_object).is_some_and(
            |properties| {
                properties.iter().any(|(name, inner)| {
                    schema::is_place(name) && inner.get("type").is_none_or(|kind| kind == "string")
                })
            },
        );
        match takes_place && !places.is_empty() {
            true => {
                wishes.extend(places.iter().map(|place| Wish { tool, place: Some(place.clone()) }))
            }
            false => wishes.push(Wish { tool, place: None }),
        }
    }
    wishes.truncate(if several { 16 } else { 1 });
    wishes
}

fn words(text: &str) -> Vec<String> {
    let mut found: Vec<String> = text
        .split(|c: char| !c.is_alphanumeric() && c != '\'')
        .filter(|word| word.chars().count() >= 3)
        .map(|word| word.trim_end_matches("'s").to_lowercase())
        .take(2_000)
        .collect();
    let meant: Vec<String> = SYNONYMS
        .iter()
        .filter(|(word, _)| found.iter().any(|f| alike(f, word)))
        .map(|(_, concept)| (*concept).to_owned())
        .collect();
    found.extend(meant);
    found.retain(|word| !EMPTY.contains(&word.as_str()));
    found.sort();
    found.dedup();
    found
}

/// Two points for each word of the tool's name in the prompt, one for each of its description.
fn relevance(tool: &Tool, prompt: &[String]) -> u32 {
    let mut spaced = String::new();
    for c in tool.name.chars() {
        if c.is_uppercase() || matches!(c, '_' | '-') {
            spaced.push(' ');
        }
        spaced.extend(c.to_lowercase().filter(|c| c.is_alphanumeric()));
    }
    let hits = |words: &[String]| {
        words.iter().filter(|word| prompt.iter().any(|p| alike(p, word))).count() as u32
    };
    2 * hits(&words(&spaced)) + hits(&words(&tool.description))
}

/// Whether two words are the same but for their endings.
fn alike(one: &str, other: &str) -> bool {
    let shared = one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
    let longest = one.len().max(other.len());
    one == other || (shared >= 4 && longest - shared <= 3)
}

/// What to say when the last messages are tool results.
pub(super) fn tell_results(messages: &[Message]) -> Option<String> {
    if messages.last()?.role != "tool" {
        return None;
    }
    let results: Vec<&Message> =
        messages.iter().rev().take_while(|message| message.role == "tool").collect();
    let lines: Vec<String> = results
        .iter()
        .rev()
        .map(|result| {
            let call = messages
                .iter()
                .rev()
                .flat_map(|message| &message.calls)
                .find(|(id, ..)| Some(id) == result.call_id.as_ref());
            let subject = call.and_then(|(_, name, arguments)| subject(name, arguments));
            let told = match serde_json::from_str(&result.text) {
                Ok(value) => tell(&value),
                Err(_) => result.text.trim().to_owned(),
            };
            match subject {
                Some(subject) => format!("{subject}: {told}"),
                None => told,
            }
        })
        .collect();
    Some(match lines.as_slice() {
        [one] => format!("Here is what I found. {one}."),
        several => format!("Here is what I found:\n- {}", several.join("\n- ")),
    })
}

/// What a call was about: the place or else the first text in its arguments.
fn subject(name: &str, arguments: &str) -> Option<String> {
    let arguments: Value = serde_json::from_str(arguments).ok()?;
    let texts: Vec<&str> = arguments.as_object()?.values().filter_map(Value::as_str).collect();
    let place = texts.iter().find(|text| PLACES.iter().any(|(place, _)| place == *text));
    let subject = place.or(texts.first()).map(|text| (*text).to_owned());
    Some(subject.filter(|text| text.len() <= 80).unwrap_or_else(|| name.replace('_', " ")))
}

fn tell(value: &Value) -> String {
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| format!("{} {}", name.replace('_', " "), tell(value)))
            .collect::<Vec<_>>()
            .join(", "),
        Value::Array(items) => items.iter().map(tell).collect::<Vec<_>>().join("; "),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn request(model: &str, prompt: &str, extra: Value) -> Request {
        let mut body = json!({
            "model": model,
            "messages": [{"role": "user", "content": prompt}],
            "tools": [
                {"type": "function", "function": {"name": "get_weather", "description": "Current weather of a city", "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "unit": {"enum": ["celsius", "fahrenheit"]}}, "required": ["city"]}}},
                {"type": "function", "function": {"name": "sendEmail", "description": "Send a message to somebody", "parameters": {"type": "object", "properties": {"recipient": {"type": "string", "format": "email"}, "body": {"type": "string"}}, "required": ["recipient", "body"]}}},
            ],
        });
        if let (Some(body), Value::Object(extra)) = (body.as_object_mut(), extra) {
            body.extend(extra);
        }
        Request::read(body.to_string().as_bytes(), None).unwrap()
    }

    fn calls(request: &Request) -> Vec<(String, Value)> {
        wanted(request)
            .iter()
            .map(|wish| {
                let arguments = wish.arguments(request.question(), 1);
                (wish.tool.name.clone(), serde_json::from_str(&arguments).unwrap())
            })
            .collect()
    }

    #[test]
    fn the_tool_that_is_meant_is_called_once_for_each_city() {
        let asked = request("large", "Will it rain in Paris and Tokyo, in celsius?", json!({}));
        assert_eq!(
            calls(&asked),
            [
                ("get_weather".to_owned(), json!({"city": "Paris", "unit": "celsius"})),
                ("get_weather".to_owned(), json!({"city": "Tokyo", "unit": "celsius"})),
            ]
        );
        let one =
            request("large", "Weather in Paris and Tokyo?", json!({"parallel_tool_calls": false}));
        assert_eq!(calls(&one).len(), 1);
        let small = request("small", "Weather in Paris and Tokyo?", json!({}));
        assert_eq!(calls(&small).len(), 1, "small cannot make parallel calls");
    }

    #[test]
    fn other_prompts_call_nothing_unless_they_must() {
        assert!(calls(&request("large", "What is the capital of France?", json!({}))).is_empty());
        let must = request("large", "Hello", json!({"tool_choice": "required"}));
        assert_eq!(calls(&must).len(), 1);
        let named = json!({"tool_choice": {"type": "function", "function": {"name": "sendEmail"}}});
        let named = request("large", "Weather in Rome? Tell bob@example.net", named);
        assert_eq!(calls(&named)[0].1["recipient"], "bob@example.net");
        let none = request("large", "Weather in Rome?", json!({"tool_choice": "none"}));
        assert!(calls(&none).is_empty());
    }

    #[test]
    fn results_are_told() {
        let messages = json!([
            {"role": "user", "content": "Weather in Paris and Rome?"},
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "get_weather", "arguments": "{\"city\":\"Paris\"}"}},
                {"id": "b", "type": "function", "function": {"name": "get_weather", "arguments": "{\"city\":\"Rome\"}"}}]},
            {"role": "tool", "tool_call_id": "a", "content": "{\"temperature_c\":18,\"sky\":\"clear\"}"},
            {"role": "tool", "tool_call_id": "b", "content": "24 and sunny"},
        ]);
        let asked = request("large", "", json!({"messages": messages}));
        assert!(wanted(&asked).is_empty());
        insta::assert_snapshot!(tell_results(&asked.messages).unwrap(), @r"
        Here is what I found:
        - Paris: sky clear, temperature c 18
        - Rome: 24 and sunny
        ");
    }
}
