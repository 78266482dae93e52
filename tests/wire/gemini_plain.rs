//! An independent, simple-minded reading with plain `serde_json` values, and what makes two requests
//! equal.

use pointsman::dialect::answer::Finish;
use serde_json::{Map, Value, json};

use crate::harness::{Plain, Reader};

pub const READER: Reader = Reader { whole, stream };

fn text(value: &Value) -> String {
    value.as_str().unwrap_or("").to_owned()
}

fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

fn whole(body: &Value) -> Plain {
    let mut plain = Plain::default();
    add(&mut plain, body);
    plain.complete = false;
    plain
}

fn stream(events: &[(String, Value)]) -> Plain {
    let mut plain = Plain::default();
    events.iter().for_each(|(_, event)| add(&mut plain, event));
    plain
}

fn add(plain: &mut Plain, body: &Value) {
    plain.error |= body["error"].is_object();
    let usage = &body["usageMetadata"];
    let names = [
        "promptTokenCount",
        "toolUsePromptTokenCount",
        "candidatesTokenCount",
        "thoughtsTokenCount",
    ];
    if names.iter().any(|name| usage[name].is_u64()) {
        let [prompt, tools, answer, thoughts] = names.map(|name| count(&usage[name]));
        let cached = count(&usage["cachedContentTokenCount"]);
        plain.usage = Some([prompt + tools, answer + thoughts, cached, thoughts]);
    }
    let candidates = body["candidates"].as_array();
    if candidates.is_none_or(Vec::is_empty) && !body["promptFeedback"]["blockReason"].is_null() {
        plain.refusal = text(&body["promptFeedback"]["blockReasonMessage"]);
        plain.finish = Some(Finish::ContentFilter);
        plain.complete = true;
    }
    let Some(candidate) = candidates.and_then(|all| all.first()) else { return };
    for part in candidate["content"]["parts"].as_array().into_iter().flatten() {
        if part["thought"] == true {
            plain.thinking += &text(&part["text"]);
        } else {
            plain.text += &text(&part["text"]);
        }
        let call = &part["functionCall"];
        if call["name"].is_string() {
            let args = if call["args"].is_object() { call["args"].clone() } else { json!({}) };
            plain.calls.push((text(&call["id"]), text(&call["name"]), args));
        }
        for piece in call["partialArgs"].as_array().into_iter().flatten() {
            let (_, _, args) = plain.calls.last_mut().unwrap();
            grow(args, piece["jsonPath"].as_str().unwrap(), &piece["stringValue"]);
        }
    }
    plain.complete = !candidate["finishReason"].is_null();
    if plain.complete {
        let reason = &candidate["finishReason"];
        plain.finish = Some(match (reason.as_str(), reason.as_u64()) {
            (Some("STOP"), _) | (_, Some(1)) => Finish::Stop,
            (Some("MAX_TOKENS"), _) => Finish::Length,
            (Some("SAFETY" | "MODEL_ARMOR"), _) => {
                plain.refusal = text(&candidate["finishMessage"]);
                Finish::ContentFilter
            }
            _ => Finish::Other,
        });
    }
}

/// Adds to a text deep inside.
fn grow(args: &mut Value, path: &str, more: &Value) {
    let path = path.trim_start_matches("$.").replace('[', ".").replace(']', "");
    let mut at = args;
    for step in path.split('.') {
        at = match step.parse::<usize>() {
            Ok(index) => {
                if !at.is_array() {
                    *at = json!([]);
                }
                let items = at.as_array_mut().unwrap();
                if items.len() == index {
                    items.push(Value::Null);
                }
                &mut items[index]
            }
            Err(_) => {
                if !at.is_object() {
                    *at = json!({});
                }
                at.as_object_mut().unwrap().entry(step).or_insert(Value::Null)
            }
        };
    }
    *at = Value::String(text(at) + text(more).as_str());
}

fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |mut name, word| {
        if let Some(initial) = word.chars().next() {
            name.extend(initial.to_uppercase());
            name.push_str(&word[initial.len_utf8()..]);
        }
        name
    })
}

/// A field, whichever way its name is written.
fn get<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    let fields = value.as_object()?;
    let found = fields.iter().find(|(key, _)| camel(key) == name);
    found.map(|(_, value)| value).filter(|value| !value.is_null())
}

fn list(value: Option<&Value>) -> Vec<&Value> {
    match value {
        Some(Value::Array(items)) => items.iter().collect(),
        Some(one) => vec![one],
        None => Vec::new(),
    }
}

pub fn instructions(body: &Value) -> Option<&Value> {
    get(body, "systemInstruction")
}

/// Everything that is said in words.
pub fn said(body: &Value) -> Vec<String> {
    let contents = list(get(body, "contents")).into_iter().chain(instructions(body));
    let parts = contents.flat_map(|content| list(get(content, "parts")));
    parts.filter_map(|part| part["text"].as_str().map(str::to_owned)).collect()
}

/// Whether the user says something in words: in the last message that is more than results.
pub fn asks_in_words(body: &Value) -> bool {
    let contents = list(get(body, "contents"));
    let asks = |content: &&&Value| {
        let parts = list(get(content, "parts"));
        content["role"] != "model"
            && !parts.iter().all(|part| get(part, "functionResponse").is_some())
    };
    let last = contents.iter().rev().find(asks);
    last.is_some_and(|last| {
        list(get(last, "parts"))
            .iter()
            .any(|part| part["text"].is_string() || get(part, "functionResponse").is_some())
    })
}

/// Every tool by itself.
pub fn tools(body: &Value) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for entry in list(get(body, "tools")) {
        for (name, value) in entry.as_object().unwrap() {
            match camel(name).as_str() {
                _ if value.is_null() => {}
                "functionDeclarations" => {
                    all.extend(
                        list(Some(value)).into_iter().map(|it| (text(&it["name"]), function(it))),
                    );
                }
                name => all.push((name.to_owned(), value.clone())),
            }
        }
    }
    all
}

fn function(function: &Value) -> Value {
    let schema = get(function, "parametersJsonSchema").or_else(|| get(function, "parameters"));
    json!({"description": text(&function["description"]), "schema": schema.map(schema_of)})
}

/// A schema with its types in small letters.
fn schema_of(schema: &Value) -> Value {
    match schema {
        Value::Array(items) => items.iter().map(schema_of).collect(),
        Value::Object(fields) => {
            let known = ["", "string", "number", "integer", "boolean", "array", "object", "null"];
            let one = |(name, value): (&String, &Value)| {
                let value = match (name.as_str(), value) {
                    ("type", Value::String(word)) => word.to_lowercase().into(),
                    ("type", Value::Number(number)) => {
                        known[usize::try_from(number.as_u64().unwrap()).unwrap()].into()
                    }
                    (_, value) => schema_of(value),
                };
                (name.clone(), value)
            };
            Value::Object(fields.iter().map(one).collect())
        }
        plain => plain.clone(),
    }
}

/// How a request is written is one thing, what it says another. Equal are: both spellings of names,
/// null and absent, one part and a list of one, consecutive messages of one role and one message
/// (but results stand apart), thoughts in pieces, schemas of either kind, tools in one entry or
/// several, defaults and nothing. Ids that are made up and the mark of unsigned calls are left out,
/// and so are media types of files that Google stores itself, and the blank message that we begin with
/// where the model spoke first.
pub fn normal(body: &Value) -> Value {
    let mut all = Map::new();
    for (name, value) in body.as_object().unwrap() {
        let name = camel(name);
        let value = match name.as_str() {
            _ if value.is_null() => continue,
            "model" => continue,
            "contents" => contents(value),
            "systemInstruction" => {
                let texts = list(get(value, "parts")).into_iter().map(|part| part["text"].clone());
                texts.filter(|text| text != "").collect()
            }
            "tools" => {
                let mut tools = tools(body);
                tools.sort_by(|one, other| one.0.cmp(&other.0));
                tools.into_iter().map(|(name, tool)| json!([name, tool])).collect()
            }
            "generationConfig" => generation(value),
            "toolConfig" => {
                let mut config = camels(value);
                if let Some(mode) = config.pointer_mut("/functionCallingConfig/mode") {
                    *mode = text(mode).to_uppercase().into();
                }
                config
            }
            _ => value.clone(),
        };
        let empty = [json!([]), json!({})].contains(&value);
        if !empty {
            all.insert(name, value);
        }
    }
    Value::Object(all)
}

/// All names in camelCase, nothing null.
fn camels(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(camels).collect(),
        Value::Object(fields) => fields
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (camel(name), camels(value)))
            .collect(),
        plain => plain.clone(),
    }
}

fn generation(value: &Value) -> Value {
    let mut all = Map::new();
    for (name, value) in value.as_object().unwrap() {
        let name = camel(name);
        match name.as_str() {
            _ if value.is_null() => {}
            "candidateCount" if *value == 1 => {}
            "responseLogprobs" if *value == false => {}
            "responseMimeType" if *value == "text/plain" => {}
            "responseModalities" if *value == json!(["TEXT"]) => {}
            "responseSchema" | "responseJsonSchema" => {
                all.insert("schema".into(), schema_of(value));
            }
            "thinkingConfig" => {
                let mut thinking = camels(value);
                let fields = thinking.as_object_mut().unwrap();
                if let Some(level) = fields.get_mut("thinkingLevel") {
                    *level = text(level).to_uppercase().into();
                }
                // Nothing is shown where nothing is thought.
                let off = fields.get("thinkingBudget") == Some(&json!(0));
                fields.retain(|name, value| name != "includeThoughts" || (*value == true && !off));
                if !fields.is_empty() {
                    all.insert(name, thinking);
                }
            }
            _ => {
                let value = match value.as_f64() {
                    Some(number) => json!(number),
                    None => value.clone(),
                };
                all.insert(name, value);
            }
        }
    }
    Value::Object(all)
}

fn contents(value: &Value) -> Value {
    let mut turns: Vec<(String, bool, Vec<Value>)> = Vec::new();
    for content in list(Some(value)) {
        let role = if content["role"] == "model" { "model" } else { "user" };
        for part in list(get(content, "parts")) {
            let Some(part) = self::part(part) else { continue };
            let is_result = part["functionResponse"].is_object();
            match turns.last_mut() {
                Some((last, results, parts)) if last == role && *results == is_result => {
                    parts.push(part);
                }
                _ => turns.push((role.to_owned(), is_result, vec![part])),
            }
        }
    }
    if turns.first().is_some_and(|(_, _, parts)| *parts == [json!({"text": " "})]) {
        turns.remove(0);
    }
    turns.into_iter().map(|(role, _, parts)| json!([role, thoughts(parts)])).collect()
}

fn part(part: &Value) -> Option<Value> {
    let mut all = Map::new();
    for (name, value) in part.as_object().unwrap() {
        let name = camel(name);
        match name.as_str() {
            _ if value.is_null() => {}
            "thought" if *value == false => {}
            "thoughtSignature" if text(value).starts_with("c2tpcF90aG91Z2h0") => {}
            "functionCall" | "functionResponse" => {
                let mut fields = Map::new();
                for (name, value) in value.as_object().unwrap() {
                    let value = if name == "parts" { camels(value) } else { value.clone() };
                    if !text(&value).starts_with("call_gemini_") {
                        fields.insert(name.clone(), value);
                    }
                }
                if name == "functionCall" {
                    fields.entry("args").or_insert(json!({}));
                }
                all.insert(name, Value::Object(fields));
            }
            "fileData" | "inlineData" => {
                let mut fields = camels(value);
                let uri = text(&fields["fileUri"]);
                if uri.contains("generativelanguage.googleapis.com")
                    || uri.contains("youtu")
                    || uri.starts_with("gs://")
                {
                    fields.as_object_mut().unwrap().remove("mimeType");
                }
                if let Some(Value::String(data)) = fields.get_mut("data") {
                    *data = data.replace('-', "+").replace('_', "/");
                }
                all.insert(name, fields);
            }
            _ => drop(all.insert(name, value.clone())),
        }
    }
    let blank = all.is_empty() || (all.len() == 1 && all.get("text") == Some(&json!("")));
    (!blank).then_some(Value::Object(all))
}

/// Thoughts up to their signature are one.
fn thoughts(parts: Vec<Value>) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    for part in parts {
        match all.last_mut() {
            Some(last)
                if last["thought"] == true
                    && part["thought"] == true
                    && last["thoughtSignature"].is_null() =>
            {
                last["text"] = (text(&last["text"]) + text(&part["text"]).as_str()).into();
                if !part["thoughtSignature"].is_null() {
                    last["thoughtSignature"] = part["thoughtSignature"].clone();
                }
            }
            _ => all.push(part),
        }
    }
    all
}
