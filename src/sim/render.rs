//! Answers in OpenAI's form: one object, or the events of a stream.

use fastrand::Rng;
use serde::Serialize;

use super::answer::{Answer, Choice, Said, Usage, letters};
use super::request::Request;
use super::tokens;

/// One server-sent event and how many tokens were written for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) tokens: u64,
    pub(super) data: Vec<u8>,
}

/// How many tokens go into one delta, at least and at most.
const TOKENS_PER_DELTA: std::ops::RangeInclusive<usize> = 1..=4;

/// Serialises what cannot fail to serialise: our own structures with text keys.
pub(super) fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

/// What all objects of one answer share.
#[derive(Clone, Serialize)]
struct Head<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    service_tier: &'static str,
    system_fingerprint: &'a str,
}

#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    choices: Vec<WholeChoice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<UsageBody>,
}

#[derive(Serialize)]
struct WholeChoice<'a> {
    index: usize,
    message: Message<'a>,
    logprobs: Option<LogProbs>,
    finish_reason: &'static str,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<Vec<CallBody<'a>>>,
    annotations: [(); 0],
}

#[derive(Serialize)]
struct CallBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    function: FunctionBody<'a>,
}

#[derive(Serialize)]
struct FunctionBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    arguments: &'a str,
}

#[derive(Serialize)]
struct UsageBody {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    prompt_tokens_details: PromptDetails,
    completion_tokens_details: CompletionDetails,
}

#[derive(Serialize)]
struct PromptDetails {
    cached_tokens: u64,
    audio_tokens: u64,
}

#[derive(Serialize)]
struct CompletionDetails {
    reasoning_tokens: u64,
    audio_tokens: u64,
    accepted_prediction_tokens: u64,
    rejected_prediction_tokens: u64,
}

impl From<Usage> for UsageBody {
    fn from(usage: Usage) -> UsageBody {
        UsageBody {
            prompt_tokens: usage.prompt,
            completion_tokens: usage.completion,
            total_tokens: usage.total,
            prompt_tokens_details: PromptDetails { cached_tokens: usage.cached, audio_tokens: 0 },
            completion_tokens_details: CompletionDetails {
                reasoning_tokens: usage.reasoning,
                audio_tokens: 0,
                accepted_prediction_tokens: 0,
                rejected_prediction_tokens: 0,
            },
        }
    }
}

#[derive(Serialize)]
struct LogProbs {
    content: Option<Vec<TokenProb>>,
    refusal: Option<Vec<TokenProb>>,
}

#[derive(Serialize)]
struct TokenProb {
    #[serde(flatten)]
    token: Alternative,
    top_logprobs: Vec<Alternative>,
}

#[derive(Clone, Serialize)]
struct Alternative {
    token: String,
    logprob: f64,
    bytes: Vec<u8>,
}

impl Alternative {
    fn new(token: String, probability: f64) -> Alternative {
        let logprob = (probability.max(1e-9).ln() * 1e6).round() / 1e6;
        Alternative { logprob, bytes: token.clone().into_bytes(), token }
    }
}

/// The probabilities of the tokens of a text. The typical one is the choice's confidence; the
/// alternatives share what is left, halving each time.
fn log_probs(text: &str, confidence: f64, top: usize, rng: &mut Rng) -> Vec<TokenProb> {
    tokens::pieces(text)
        .map(|piece| {
            let own = confidence.powf(0.5 + rng.f64());
            let chosen = Alternative::new(piece.to_owned(), own);
            let mut rest = 1.0 - own;
            let others = OTHERS.iter().filter(|other| **other != piece).map(|other| {
                rest /= 2.0;
                Alternative::new((*other).to_owned(), rest)
            });
            let mut top_logprobs: Vec<_> =
                std::iter::once(chosen.clone()).chain(others).take(top).collect();
            top_logprobs.sort_by(|a, b| b.logprob.total_cmp(&a.logprob));
            TokenProb { token: chosen, top_logprobs }
        })
        .collect()
}

/// What might have stood there instead: the commonest English tokens.
const OTHERS: &[&str] = &[
    " the", ",", ".", " and", " of", " to", " a", " in", " is", " that", " it", " for", " was",
    " on", " are", " as", " with", " at", " be", " this", " from",
];

/// Renders the answers to one request.
pub(super) struct Renderer<'a> {
    request: &'a Request,
    id: String,
    fingerprint: String,
    created: u64,
}

impl<'a> Renderer<'a> {
    /// A renderer of answers made at this time (seconds since 1970).
    pub(super) fn new(request: &'a Request, created: u64) -> Renderer<'a> {
        let mut rng = Rng::with_seed(request.seed);
        Renderer {
            request,
            id: format!("chatcmpl-{}", letters(&mut rng, 29)),
            fingerprint: format!("fp_sim_{}", request.model.name),
            created,
        }
    }

    /// The answer's id.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    fn head(&self, object: &'static str) -> Head<'_> {
        Head {
            id: &self.id,
            object,
            created: self.created,
            model: self.request.model.name,
            service_tier: "default",
            system_fingerprint: &self.fingerprint,
        }
    }

    fn probabilities(
        &self,
        choice: &Choice,
        refusal: bool,
        text: &str,
        rng: &mut Rng,
    ) -> Option<LogProbs> {
        let list = log_probs(text, choice.confidence, self.request.logprobs?, rng);
        Some(match refusal {
            true => LogProbs { content: None, refusal: Some(list) },
            false => LogProbs { content: Some(list), refusal: None },
        })
    }

    /// The whole answer as one object.
    pub(super) fn whole(&self, answer: &Answer, with_usage: bool) -> Vec<u8> {
        let choices = answer.choices.iter().enumerate().map(|(index, choice)| {
            let mut rng = Rng::with_seed(choice.seed);
            let mut message = Message {
                role: "assistant",
                content: None,
                reasoning_content: choice.reasoning.as_deref(),
                refusal: None,
                tool_calls: None,
                annotations: [],
            };
            let mut logprobs = None;
            match &choice.said {
                Said::Text(text) => {
                    message.content = Some(text);
                    logprobs = self.probabilities(choice, false, text, &mut rng);
                }
                Said::Refusal(text) => {
                    message.refusal = Some(text);
                    logprobs = self.probabilities(choice, true, text, &mut rng);
                }
                Said::Calls(calls) => {
                    message.tool_calls = Some(
                        calls
                            .iter()
                            .map(|call| CallBody {
                                index: None,
                                id: Some(&call.id),
                                kind: Some("function"),
                                function: FunctionBody {
                                    name: Some(&call.name),
                                    arguments: &call.arguments,
                                },
                            })
                            .collect(),
                    );
                }
            }
            WholeChoice { index, message, logprobs, finish_reason: choice.finish.name() }
        });
        json(&Whole {
            head: self.head("chat.completion"),
            choices: choices.collect(),
            usage: with_usage.then(|| answer.usage.into()),
        })
    }

    /// The answer as the events of a stream, without the closing `[DONE]`: the roles, the deltas
    /// of all choices by turns, the finish reasons, and the usage if it was asked for.
    pub(super) fn events(&self, answer: &Answer, with_usage: bool) -> Vec<Event> {
        let mut lanes: Vec<std::vec::IntoIter<Event>> = answer
            .choices
            .iter()
            .enumerate()
            .map(|(index, choice)| self.lane(index, choice).into_iter())
            .collect();
        let mut events = Vec::new();
        loop {
            let before = events.len();
            events.extend(lanes.iter_mut().filter_map(Iterator::next));
            if events.len() == before {
                break;
            }
        }
        if self.request.include_usage && with_usage {
            let chunk = Chunk {
                head: self.head("chat.completion.chunk"),
                choices: [].as_slice(),
                usage: Some(Some(answer.usage.into())),
            };
            events.push(Event { tokens: 0, data: json(&chunk) });
        }
        events
    }

    /// The events of one choice.
    fn lane(&self, index: usize, choice: &Choice) -> Vec<Event> {
        // Cuts have a generator of their own, so that the other one gives a stream the same
        // probabilities as the whole answer.
        let mut cutter = Rng::with_seed(!choice.seed);
        let mut rng = Rng::with_seed(choice.seed);
        let mut events = Vec::new();
        let mut send = |tokens, delta, logprobs, finish_reason| {
            let chunk = Chunk {
                head: self.head("chat.completion.chunk"),
                choices: &[ChunkChoice { index, delta, logprobs, finish_reason }],
                // While usage is to come, every chunk says that it is not this one.
                usage: self.request.include_usage.then_some(None),
            };
            events.push(Event { tokens, data: json(&chunk) });
        };
        let is_text = !matches!(choice.said, Said::Calls(_));
        let opening = Delta {
            role: Some("assistant"),
            content: Some(Some("").filter(|_| is_text)),
            refusal: Some(None),
            ..Delta::default()
        };
        // Thinking that is not shown still takes its time before anything comes.
        let hidden = if choice.reasoning.is_some() { 0 } else { choice.reasoning_tokens };
        send(hidden, opening, None, None);
        for (tokens, piece) in deltas(choice.reasoning.as_deref().unwrap_or(""), &mut cutter) {
            let delta = Delta { reasoning_content: Some(piece), ..Delta::default() };
            send(tokens, delta, None, None);
        }
        match &choice.said {
            Said::Text(text) | Said::Refusal(text) => {
                let refusal = matches!(choice.said, Said::Refusal(_));
                for (tokens, piece) in deltas(text, &mut cutter) {
                    let delta = match refusal {
                        true => Delta { refusal: Some(Some(piece)), ..Delta::default() },
                        false => Delta { content: Some(Some(piece)), ..Delta::default() },
                    };
                    let logprobs = self.probabilities(choice, refusal, piece, &mut rng);
                    send(tokens, delta, logprobs, None);
                }
            }
            Said::Calls(calls) => {
                for (i, call) in calls.iter().enumerate() {
                    let opening = CallBody {
                        index: Some(i),
                        id: Some(&call.id),
                        kind: Some("function"),
                        function: FunctionBody { name: Some(&call.name), arguments: "" },
                    };
                    let delta = Delta { tool_calls: Some([opening]), ..Delta::default() };
                    send(tokens::count(&call.name), delta, None, None);
                    for (tokens, arguments) in deltas(&call.arguments, &mut cutter) {
                        let more = CallBody {
                            index: Some(i),
                            id: None,
                            kind: None,
                            function: FunctionBody { name: None, arguments },
                        };
                        let delta = Delta { tool_calls: Some([more]), ..Delta::default() };
                        send(tokens, delta, None, None);
                    }
                }
            }
        }
        send(0, Delta::default(), None, Some(choice.finish.name()));
        events
    }
}

/// Cuts a text into deltas of a few tokens.
fn deltas<'t>(text: &'t str, rng: &mut Rng) -> Vec<(u64, &'t str)> {
    let mut cut = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let mut count = 0;
        let length = tokens::pieces(rest)
            .take(rng.usize(TOKENS_PER_DELTA))
            .map(|piece| {
                count += 1;
                piece.len()
            })
            .sum();
        let (piece, behind) = rest.split_at(length);
        cut.push((count, piece));
        rest = behind;
    }
    cut
}

#[derive(Serialize)]
struct Chunk<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    choices: &'a [ChunkChoice<'a>],
    /// Absent, `null` (to come), or there.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<UsageBody>>,
}

#[derive(Serialize)]
struct ChunkChoice<'a> {
    index: usize,
    delta: Delta<'a>,
    logprobs: Option<LogProbs>,
    finish_reason: Option<&'static str>,
}

#[derive(Default, Serialize)]
struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[CallBody<'a>; 1]>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::answer;
    use serde_json::{Value, json};

    fn both(body: Value) -> (Value, Vec<Value>) {
        let request = Request::read(body.to_string().as_bytes(), None).unwrap();
        let answer = answer::answer(&request, &[], 0);
        let renderer = Renderer::new(&request, 1_700_000_000);
        let read = |data: &[u8]| serde_json::from_slice::<Value>(data).unwrap();
        let events = renderer.events(&answer, true);
        (read(&renderer.whole(&answer, true)), events.iter().map(|e| read(&e.data)).collect())
    }

    #[test]
    fn a_whole_answer_has_openais_form() {
        let (whole, _) =
            both(json!({"model": "large", "messages": [{"role": "user", "content": "Say pong"}]}));
        let mut expected = json!({
            "object": "chat.completion", "created": 1_700_000_000, "model": "large",
            "service_tier": "default", "system_fingerprint": "fp_sim_large",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "pong", "refusal": null, "annotations": []}, "logprobs": null, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 8, "completion_tokens": 1, "total_tokens": 9,
                "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}},
        });
        expected["id"] = whole["id"].clone();
        assert_eq!(whole, expected);
    }

    #[test]
    fn the_deltas_add_up_to_the_whole() {
        let (whole, events) = both(json!({
            "model": "medium", "n": 2, "stream": true, "stream_options": {"include_usage": true},
            "logprobs": true, "top_logprobs": 3,
            "messages": [{"role": "user", "content": "Explain tides"}]}));
        let (usage, chunks) = events.split_last().unwrap();
        assert_eq!((&usage["choices"], &usage["usage"]), (&json!([]), &whole["usage"]));
        for index in 0..2 {
            let lane: Vec<&Value> =
                chunks.iter().map(|c| &c["choices"][0]).filter(|c| c["index"] == index).collect();
            assert_eq!(
                lane[0]["delta"],
                json!({"role": "assistant", "content": "", "refusal": null})
            );
            assert_eq!(lane.last().unwrap()["delta"], json!({}));
            assert_eq!(lane.last().unwrap()["finish_reason"], "stop");
            let text: String = lane.iter().filter_map(|c| c["delta"]["content"].as_str()).collect();
            assert_eq!(whole["choices"][index]["message"]["content"], text);
            let probabilities: Vec<Value> = lane
                .iter()
                .filter_map(|c| c["logprobs"]["content"].as_array().cloned())
                .flatten()
                .collect();
            assert_eq!(whole["choices"][index]["logprobs"]["content"], Value::Array(probabilities));
        }
        assert!(
            chunks.iter().all(|chunk| chunk["usage"].is_null() && chunk.get("usage").is_some())
        );
    }

    #[test]
    fn tool_calls_open_with_their_name() {
        let (whole, events) = both(json!({
            "model": "large", "stream": true,
            "messages": [{"role": "user", "content": "Weather in Paris and Rome?"}],
            "tools": [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}]}));
        assert_eq!(whole["choices"][0]["finish_reason"], "tool_calls");
        let calls = whole["choices"][0]["message"]["tool_calls"].as_array().unwrap();
        assert_eq!(calls.len(), 2);
        for (i, call) in calls.iter().enumerate() {
            let parts: Vec<&Value> = events
                .iter()
                .map(|event| &event["choices"][0]["delta"]["tool_calls"][0])
                .filter(|part| part["index"] == i)
                .collect();
            assert_eq!(
                (&parts[0]["id"], &parts[0]["function"]["name"]),
                (&call["id"], &call["function"]["name"])
            );
            let arguments: String =
                parts.iter().filter_map(|part| part["function"]["arguments"].as_str()).collect();
            assert_eq!(call["function"]["arguments"], arguments);
        }
        assert!(events.iter().all(|event| event.get("usage").is_none()));
    }
}
