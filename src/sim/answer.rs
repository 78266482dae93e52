//! What a model answers: its quality against the difficulty of the request, the faults asked for,
//! and the limits.

use fastrand::Rng;
use serde_json::{Value, json};

use super::difficulty;
use super::fault::Fault;
use super::hints::Hints;
use super::models::{FAR, Failing};
use super::request::{Effort, Format, Request, ToolChoice};
use super::skills::{self, Question};
use super::tools::{self, Wish};
use super::{schema, tokens};

/// A whole answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    pub(super) choices: Vec<Choice>,
    pub(super) usage: Usage,
}

/// One of the `n` answers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Choice {
    pub(super) said: Said,
    pub(super) finish: Finish,
    /// Thinking that is shown.
    pub(super) reasoning: Option<String>,
    /// Tokens of thinking, shown or not.
    pub(super) reasoning_tokens: u64,
    /// The probability of its typical token.
    pub(super) confidence: f64,
    /// Its own, so that choices differ.
    pub(super) seed: u64,
}

/// What a choice says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    Text(String),
    Refusal(String),
    Calls(Vec<Call>),
}

/// A tool call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) arguments: String,
}

/// Why a choice ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finish {
    Stop,
    Length,
    ToolCalls,
    ContentFilter,
}

impl Finish {
    /// OpenAI's word.
    pub(super) fn name(self) -> &'static str {
        match self {
            Finish::Stop => "stop",
            Finish::Length => "length",
            Finish::ToolCalls => "tool_calls",
            Finish::ContentFilter => "content_filter",
        }
    }
}

/// The tokens of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) prompt: u64,
    pub(super) completion: u64,
    pub(super) total: u64,
    pub(super) cached: u64,
    pub(super) reasoning: u64,
}

const APOLOGY: &str = "I'm sorry, but I can't help with that.";

/// Answers a request; `cached` of its prompt tokens came from the prompt cache.
pub(super) fn answer(request: &Request, faults: &[Fault], cached: u64) -> Answer {
    let wishes = match faults.contains(&Fault::NoTool) {
        true => Vec::new(),
        false => tools::wanted(request),
    };
    let hardness = difficulty::of(request, &wishes);
    let choices: Vec<Choice> =
        (0..request.n).map(|i| choose(request, &wishes, hardness, faults, i)).collect();
    let reasoning = choices.iter().map(|choice| choice.reasoning_tokens).sum();
    let completion = choices.iter().map(Choice::visible_tokens).sum::<u64>() + reasoning;
    let prompt = request.prompt_tokens;
    let usage = match faults.contains(&Fault::WrongUsage) {
        true => Usage { prompt: 1, completion: 1_000_000, total: 7, cached: 12, reasoning },
        false => Usage { prompt, completion, total: prompt + completion, cached, reasoning },
    };
    Answer { choices, usage }
}

impl Choice {
    fn visible_tokens(&self) -> u64 {
        match &self.said {
            Said::Text(text) | Said::Refusal(text) => tokens::count(text),
            Said::Calls(calls) => calls
                .iter()
                .map(|call| tokens::count(&call.name) + tokens::count(&call.arguments))
                .sum(),
        }
    }
}

fn choose(
    request: &Request,
    wishes: &[Wish<'_>],
    hardness: u32,
    faults: &[Fault],
    index: u32,
) -> Choice {
    let model = request.model;
    let seed = request.seed.wrapping_add(u64::from(index).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let margin = model.quality as f64 - f64::from(hardness);
    let failing = match hardness.saturating_sub(model.quality) {
        0 => None,
        gap if gap >= FAR => Some(model.far_beyond),
        _ => Some(model.beyond),
    };
    let has = |fault: Fault| faults.contains(&fault);
    let mut said = match failing {
        Some(Failing::RefuseInText) => Said::Text(APOLOGY.to_owned()),
        Some(Failing::RefuseInField) => Said::Refusal(APOLOGY.to_owned()),
        failing => speak(request, wishes, failing.is_none(), seed),
    };
    if has(Fault::Refuse) {
        said = Said::Refusal(APOLOGY.to_owned());
    }
    if has(Fault::Empty) {
        said = Said::Text(String::new());
    }
    match &mut said {
        Said::Calls(calls) if has(Fault::BadToolArgs) => {
            for (call, wish) in calls.iter_mut().zip(wishes) {
                call.arguments = break_arguments(&wish.tool.parameters, &call.arguments);
            }
        }
        Said::Text(text) if has(Fault::BadJson) => *text = break_json(text),
        _ => {}
    }
    let finish = match &said {
        Said::Calls(_) => Finish::ToolCalls,
        _ if has(Fault::FilterAnswer) => Finish::ContentFilter,
        _ => Finish::Stop,
    };
    let (reasoning_tokens, reasoning) = think(request, hardness);
    // The logistic curve: one half a little beyond what the model can do.
    let confidence = (1.0 / (1.0 + (-(margin + 5.0) / 10.0).exp())).clamp(0.05, 0.999);
    let mut choice = Choice { said, finish, reasoning, reasoning_tokens, confidence, seed };
    choice.limit(request, has(Fault::Truncate) || has(Fault::FilterAnswer));
    choice
}

/// What the model says if it says something: the right thing or a wrong one.
fn speak(request: &Request, wishes: &[Wish<'_>], able: bool, seed: u64) -> Said {
    let must_call = matches!(request.tool_choice, ToolChoice::Required | ToolChoice::Named(_));
    if !wishes.is_empty() && (able || must_call) {
        let mut rng = Rng::with_seed(seed);
        let calls = wishes.iter().map(|wish| {
            let right = wish.arguments(request.question(), seed);
            Call {
                id: format!("call_{}", letters(&mut rng, 24)),
                name: wish.tool.name.clone(),
                arguments: match able {
                    true => right,
                    false => break_arguments(&wish.tool.parameters, &right),
                },
            }
        });
        return Said::Calls(calls.collect());
    }
    if !wishes.is_empty() {
        return Said::Text("I don't have access to live data, so I can't look that up.".to_owned());
    }
    let told = tools::tell_results(&request.messages);
    let solution = skills::solve(Question::new(request.question(), request.images(), seed));
    let text = match told {
        Some(told) if able => told,
        Some(_) => "The tool did not give me what I needed.".to_owned(),
        None if able => solution.right,
        None => solution.wrong,
    };
    let json = match &request.format {
        Format::Text => return Said::Text(text),
        Format::Json => loose_json(request, &text),
        Format::Schema { schema, .. } => {
            let hints = Hints::of(request.question(), &text);
            schema::generate(schema, &hints, seed)
        }
    };
    let json = json.to_string();
    Said::Text(if able { json } else { break_json(&json) })
}

/// JSON where any will do: the answer and what the prompt mentions.
fn loose_json(request: &Request, text: &str) -> Value {
    let hints = Hints::of(request.question(), text);
    let mut object = json!({"answer": text});
    if let Some(object) = object.as_object_mut() {
        for (name, list) in [("names", hints.names), ("places", hints.places)] {
            if !list.is_empty() {
                object.insert(name.to_owned(), json!(list));
            }
        }
    }
    object
}

/// What a model gets that loses the thread at the end of a long line: no closing bracket.
fn break_json(text: &str) -> String {
    let cut = text.trim_end().trim_end_matches(['}', ']', '"']);
    format!("{cut},")
}

/// Arguments that do not satisfy the tool's schema: without one member if that is enough to break
/// it, else not even JSON.
fn break_arguments(parameters: &Value, arguments: &str) -> String {
    let Ok(Value::Object(members)) = serde_json::from_str(arguments) else {
        return "{\"".to_owned();
    };
    let without = |name: &String| {
        let mut fewer = members.clone();
        fewer.remove(name);
        Value::Object(fewer)
    };
    match jsonschema::validator_for(parameters) {
        Ok(validator) => members.keys().map(without).find(|fewer| !validator.is_valid(fewer)),
        Err(_) => None,
    }
    .map_or_else(|| break_json(arguments), |fewer| fewer.to_string())
}

/// Letters and digits as in OpenAI's ids.
pub(super) fn letters(rng: &mut Rng, count: usize) -> String {
    std::iter::repeat_with(|| rng.alphanumeric()).take(count).collect()
}

/// How much a model thinks, and what it shows of it.
fn think(request: &Request, hardness: u32) -> (u64, Option<String>) {
    if !request.model.capabilities.reasoning {
        return (0, None);
    }
    let base = match request.effort {
        Effort::None => return (0, None),
        Effort::Minimal => 16,
        Effort::Low => 48,
        Effort::Medium => 128,
        Effort::High => 512,
    };
    let wanted = base + base * u64::from(hardness) / 20;
    if !request.model.shows_reasoning {
        return (wanted, None);
    }
    const THOUGHTS: &[&str] = &[
        "Let me see what is being asked.",
        "The question can be split into smaller parts.",
        "First I take the part that everything else depends on.",
        "Let me check that against a simple case.",
        "That holds, but is there an exception?",
        "I see none that matters here.",
        "Now I put the parts together.",
        "Let me go over it once more from the end.",
        "That agrees with the first result.",
    ];
    let text = THOUGHTS.iter().cycle().take(wanted.div_ceil(8) as usize).copied();
    let text = text.collect::<Vec<_>>().join(" ");
    let (shown, _) = tokens::head(&text, wanted);
    (tokens::count(shown), Some(shown.to_owned()))
}

impl Choice {
    /// Applies stop sequences and the token limit, which thinking uses up first.
    fn limit(&mut self, request: &Request, halve: bool) {
        if let Said::Text(text) = &mut self.said {
            let stops = request.stop.iter().filter(|stop| !stop.is_empty());
            if let Some(at) = stops.filter_map(|stop| text.find(stop.as_str())).min() {
                text.truncate(at);
            }
        }
        let room = request.model.context.0.saturating_sub(request.prompt_tokens);
        let limit =
            request.max_tokens.unwrap_or(u64::MAX).min(request.model.max_output.0).min(room);
        let half = if halve { self.visible_tokens() / 2 } else { u64::MAX };
        if self.reasoning_tokens > limit {
            self.reasoning_tokens = limit;
            if let Some(text) = &mut self.reasoning {
                *text = tokens::head(text, limit).0.to_owned();
            }
        }
        let mut left = (limit - self.reasoning_tokens).min(half);
        let mut cut = |text: &mut String| {
            let (head, was_cut) = tokens::head(text, left);
            left -= tokens::count(head);
            *text = head.to_owned();
            was_cut
        };
        let was_cut = match &mut self.said {
            Said::Text(text) | Said::Refusal(text) => cut(text),
            Said::Calls(calls) => {
                let mut was_cut = false;
                calls.retain_mut(|call| {
                    let keep = !was_cut;
                    was_cut |= cut(&mut call.name.clone()) || cut(&mut call.arguments);
                    keep
                });
                was_cut
            }
        };
        if was_cut && self.finish != Finish::ContentFilter {
            self.finish = Finish::Length;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(model: &str, prompt: &str, extra: Value) -> Answer {
        let mut body = json!({"model": model, "messages": [{"role": "user", "content": prompt}]});
        if let (Some(body), Value::Object(extra)) = (body.as_object_mut(), extra) {
            body.extend(extra);
        }
        let request = Request::read(body.to_string().as_bytes(), None).unwrap();
        let faults: Vec<Fault> = request.faults.iter().map(|injection| injection.fault).collect();
        answer(&request, &faults, 0)
    }

    fn text(answer: &Answer) -> &str {
        match &answer.choices[0].said {
            Said::Text(text) => text,
            other => panic!("not text: {other:?}"),
        }
    }

    #[test]
    fn the_ladder_climbs() {
        let sum = "What is (17 * 23 + 4) / 5 - 3 * 8?";
        assert!(text(&ask("small", sum, json!({}))).ends_with("= 55"));
        assert!(!text(&ask("tiny", sum, json!({}))).ends_with("= 55"));
        let proof = "Prove that the square root of 2 is irrational.";
        assert_eq!(text(&ask("tiny", proof, json!({}))), APOLOGY);
        let refused = ask("small", proof, json!({}));
        assert_eq!(refused.choices[0].said, Said::Refusal(APOLOGY.to_owned()));
        assert!(!text(&ask("medium", proof, json!({}))).contains("contradiction"));
        assert!(text(&ask("large", proof, json!({}))).contains("contradiction"));
    }

    #[test]
    fn the_unsure_have_low_confidence() {
        let sure = ask("large", "Hello", json!({})).choices[0].confidence;
        let edge = ask("tiny", "What is 2 + 3 + 4?", json!({})).choices[0].confidence;
        let lost = ask("tiny", "What is 2 + 3 + 4 + 5 + 6?", json!({})).choices[0].confidence;
        assert!(sure > 0.99 && sure > edge && edge > lost && lost < 0.5, "{sure} {edge} {lost}");
    }

    #[test]
    fn schemas_hold_for_the_able_and_break_for_the_small() {
        let schema = json!({"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}, "tags": {"type": "array", "items": {"enum": ["a", "b"]}}}, "required": ["name", "age", "tags"], "additionalProperties": false});
        let format = json!({"response_format": {"type": "json_schema", "json_schema": {"name": "person", "strict": true, "schema": schema}}});
        let good = ask("large", "Anna is 34", format.clone());
        let value: Value = serde_json::from_str(text(&good)).unwrap();
        assert!(jsonschema::is_valid(&schema, &value), "{value}");
        assert_eq!((&value["name"], &value["age"]), (&json!("Anna"), &json!(34)));
        let bad = ask("tiny", "Anna is 34", format.clone());
        assert!(serde_json::from_str::<Value>(text(&bad)).is_err());
        let broken = ask("large!bad-json", "Anna is 34", format);
        assert!(serde_json::from_str::<Value>(text(&broken)).is_err());
    }

    #[test]
    fn limits_and_stops() {
        let count = "Count from 1 to 100";
        let cut = ask("large", count, json!({"max_tokens": 5}));
        assert_eq!((text(&cut), cut.choices[0].finish), ("1, 2, 3", Finish::Length));
        assert_eq!(cut.usage.completion, 5);
        let stopped = ask("large", count, json!({"stop": [", 4"]}));
        assert_eq!((text(&stopped), stopped.choices[0].finish), ("1, 2, 3", Finish::Stop));
        let thought = ask("reasoner", count, json!({"max_completion_tokens": 50}));
        assert_eq!((text(&thought), thought.usage.reasoning), ("", 50));
        assert_eq!(thought.choices[0].finish, Finish::Length);
    }

    #[test]
    fn the_same_request_gets_the_same_answer_and_choices_differ() {
        let once = ask("medium", "Explain tides", json!({"n": 3}));
        assert_eq!(once, ask("medium", "Explain tides", json!({"n": 3, "user": "x"})));
        assert_ne!(once.choices[0].said, once.choices[1].said);
        assert_ne!(once, ask("medium", "Explain tides", json!({"n": 3, "seed": 2})));
    }

    #[test]
    fn thinking_is_counted_and_one_model_shows_it() {
        let hidden = ask("reasoner", "What is 2 + 2?", json!({"reasoning_effort": "high"}));
        assert!(hidden.choices[0].reasoning.is_none() && hidden.usage.reasoning > 500);
        let shown = ask("thinker", "What is 2 + 2?", json!({}));
        let thoughts = shown.choices[0].reasoning.as_deref().unwrap();
        assert_eq!(tokens::count(thoughts), shown.usage.reasoning);
        let none = ask("reasoner", "What is 2 + 2?", json!({"reasoning_effort": "none"}));
        assert_eq!(none.usage.reasoning, 0);
    }

    #[test]
    fn faults_change_the_answer() {
        let tool = json!({"tool_choice": "required", "tools": [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}]});
        let called = ask("large!bad-tool-args", "Weather in Rome?", tool.clone());
        let Said::Calls(calls) = &called.choices[0].said else { panic!("{called:?}") };
        assert_eq!(calls[0].arguments, "{}");
        assert_eq!(called.choices[0].finish, Finish::ToolCalls);
        assert!(matches!(
            ask("large!no-tool", "Weather in Rome?", tool).choices[0].said,
            Said::Text(_)
        ));
        assert_eq!(text(&ask("large!empty", "Hello", json!({}))), "");
        assert_eq!(ask("large!truncate", "Hello", json!({})).choices[0].finish, Finish::Length);
        let filtered = ask("large!filter=answer", "Hello", json!({}));
        assert_eq!(filtered.choices[0].finish, Finish::ContentFilter);
        let usage = ask("large!wrong-usage", "Hello", json!({})).usage;
        assert_ne!(usage.total, usage.prompt + usage.completion);
    }
}
