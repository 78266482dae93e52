//! The neutral form of a request, between a client's dialect and a provider's.
//!
//! It borrows from the body it was read from, and exists only where the two dialects differ: within
//! one dialect the client's bytes are spliced instead.

use std::borrow::Cow;
use std::collections::HashMap;

use super::Dialect;
use super::edits::{Change, Edits, Param, ParamValue, PromptEdit};
use super::part::{Body, Part, Text};
use super::shape::Effort;
use crate::units::Tokens;

/// A request for an answer, whatever dialect it came in.
#[derive(Debug, Clone, PartialEq)]
pub struct Conversation<'a> {
    /// The dialect it was read from.
    pub origin: Dialect,
    /// The model's name as it is to be sent.
    pub model: Text<'a>,
    /// Whether a stream is wanted.
    pub stream: bool,
    /// What was said so far, instructions first.
    pub messages: Vec<Message<'a>>,
    /// The tools that are offered.
    pub tools: Vec<Tool<'a>>,
    /// Whether tools may or must be called.
    pub tool_choice: Option<ToolChoice<'a>>,
    /// Whether several calls at once are wanted.
    pub parallel_tools: Option<bool>,
    /// What the answer has to look like.
    pub format: Format<'a>,
    /// How it is sampled.
    pub sampling: Sampling<'a>,
    /// The longest answer that the model writes, where it is known: for dialects that want a limit
    /// where nobody set one.
    pub longest: Option<Tokens>,
    /// How much is to be thought.
    pub reasoning: Reasoning<'a>,
    /// Which class of service: `auto`, `default`, `flex`, `priority`, `standard_only` …
    pub service_tier: Option<Text<'a>>,
    /// The end user.
    pub user: Option<Text<'a>>,
    /// Whether the provider may keep the answer.
    pub store: Option<bool>,
    /// Tags of the client's, as a JSON object.
    pub metadata: Option<Text<'a>>,
    /// What groups requests with a common beginning for the provider's cache.
    pub cache_key: Option<Text<'a>>,
    /// What is to be said in sound, as OpenAI's JSON.
    pub audio: Option<Text<'a>>,
    /// Gemini's safety settings, as JSON.
    pub safety: Option<Text<'a>>,
    /// Fields of the origin's dialect that have no neutral meaning, as JSON.
    pub extras: Vec<(Text<'a>, Text<'a>)>,
}

/// Who said something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The operator of the application; also what OpenAI calls the developer.
    System,
    /// The user; also what tools came to, where a dialect has no role for them.
    User,
    /// The model.
    Assistant,
    /// A tool.
    Tool,
}

/// A message.
#[derive(Debug, Clone, PartialEq)]
pub struct Message<'a> {
    /// Who said it.
    pub role: Role,
    /// What was said.
    pub parts: Vec<Part<'a>>,
    /// The speaker's name among several of one role.
    pub name: Option<Text<'a>>,
}

impl<'a> Message<'a> {
    /// A message.
    pub fn new(role: Role, parts: Vec<Part<'a>>) -> Message<'a> {
        Message { role, parts, name: None }
    }
}

/// A tool that is offered.
#[derive(Debug, Clone, PartialEq)]
pub enum Tool<'a> {
    /// A function of the client's.
    Function(Function<'a>),
    /// A tool that takes free text; the format is OpenAI's JSON.
    FreeForm {
        /// Its name.
        name: Text<'a>,
        /// What it does.
        description: Option<Text<'a>>,
        /// The grammar, as OpenAI's JSON.
        format: Option<Text<'a>>,
    },
    /// A tool that a provider carries out itself: a search, a sandbox. The whole entry as JSON.
    Native {
        /// Whose it is.
        dialect: Dialect,
        /// Its name or type, for messages.
        name: Text<'a>,
        /// The entry.
        json: Text<'a>,
    },
}

/// A function of the client's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Function<'a> {
    /// Its name.
    pub name: Text<'a>,
    /// What it does.
    pub description: Option<Text<'a>>,
    /// The JSON schema of its arguments; nothing where it takes none.
    pub parameters: Option<Text<'a>>,
    /// Whether the arguments must follow the schema.
    pub strict: Option<bool>,
    /// The prompt is to be cached up to here.
    pub cache: Option<super::part::CacheMark>,
}

impl Tool<'_> {
    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Tool::Function(function) => &function.name,
            Tool::FreeForm { name, .. } | Tool::Native { name, .. } => name,
        }
    }
}

/// Whether tools may or must be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolChoice<'a> {
    /// As the model sees fit.
    Auto,
    /// None.
    None,
    /// At least one.
    Required,
    /// This one.
    Named(Text<'a>),
    /// One of these; `required` says whether it must.
    Allowed {
        /// Their names.
        names: Vec<Text<'a>>,
        /// At least one of them.
        required: bool,
    },
}

/// What an answer has to look like.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Format<'a> {
    /// Anything.
    #[default]
    Text,
    /// Any JSON object.
    Json,
    /// JSON that follows a schema.
    Schema {
        /// The schema's name.
        name: Option<Text<'a>>,
        /// What it is for.
        description: Option<Text<'a>>,
        /// The schema, as JSON.
        schema: Text<'a>,
        /// Whether the answer must follow it to the letter.
        strict: Option<bool>,
    },
}

/// How an answer is sampled.
#[derive(Debug, Clone, PartialEq, Default)]
#[allow(missing_docs, reason = "the names are the usual ones of all dialects")]
pub struct Sampling<'a> {
    /// The most tokens of the answer, thinking included.
    pub max_output: Option<Tokens>,
    pub temperature: Option<f64>,
    pub top_p: Option<f64>,
    pub top_k: Option<u64>,
    pub seed: Option<i64>,
    /// How many answers.
    pub n: Option<u32>,
    pub stop: Vec<Text<'a>>,
    pub frequency_penalty: Option<f64>,
    pub presence_penalty: Option<f64>,
    pub logprobs: Option<bool>,
    pub top_logprobs: Option<u32>,
    /// A JSON object of token ids and biases.
    pub logit_bias: Option<Text<'a>>,
}

/// How much is to be thought.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reasoning<'a> {
    /// In words: `none`, `minimal`, `low`, `medium`, `high`, and what lies above at some.
    pub effort: Option<Text<'a>>,
    /// In tokens.
    pub budget: Option<Tokens>,
    /// Switched on or off without a measure; `Some(true)` without budget leaves it to the model.
    pub enabled: Option<bool>,
    /// Whether the thinking, or a summary of it, is to be shown; `auto`, `concise`, `detailed`, or
    /// `omitted`.
    pub summary: Option<Text<'a>>,
}

/// What share of the thinking each effort stands for, in tokens: the budgets Google documents for
/// its own OpenAI-compatible endpoint
/// (<https://ai.google.dev/gemini-api/docs/openai#thinking>).
const BUDGETS: [(Effort, u64); 4] = [
    (Effort::Minimal, 1_024),
    (Effort::Low, 1_024),
    (Effort::Medium, 8_192),
    (Effort::High, 24_576),
];

impl Reasoning<'_> {
    /// Whether nothing is said about thinking.
    pub fn is_unset(&self) -> bool {
        self.effort.is_none() && self.budget.is_none() && self.enabled.is_none()
    }

    /// Whether thinking is switched off.
    pub fn is_off(&self) -> bool {
        self.enabled == Some(false)
            || self.effort.as_deref() == Some("none")
            || (self.effort.is_none() && self.budget == Some(Tokens(0)))
    }

    /// The budget, or what the effort comes to in tokens.
    pub fn in_tokens(&self) -> Option<Tokens> {
        self.budget.or_else(|| {
            let effort = Effort::from_word(self.effort.as_deref()?);
            BUDGETS.iter().find(|(word, _)| *word == effort).map(|(_, budget)| Tokens(*budget))
        })
    }

    /// The effort, or the word that the budget comes nearest to.
    pub fn in_words(&self) -> Option<Text<'_>> {
        if let Some(effort) = &self.effort {
            return Some(Cow::Borrowed(effort));
        }
        if self.is_off() {
            return Some(Cow::Borrowed("none"));
        }
        let Tokens(budget) = self.budget?;
        Some(Cow::Borrowed(match budget {
            0 => "none",
            1..=1_024 => "low",
            1_025..=8_192 => "medium",
            _ => "high",
        }))
    }
}

impl<'a> Conversation<'a> {
    /// A request of `origin` in which nothing is said yet.
    pub fn new(origin: Dialect) -> Conversation<'a> {
        Conversation {
            origin,
            model: Cow::Borrowed(""),
            stream: false,
            messages: Vec::new(),
            tools: Vec::new(),
            tool_choice: None,
            parallel_tools: None,
            format: Format::Text,
            sampling: Sampling::default(),
            longest: None,
            reasoning: Reasoning::default(),
            service_tier: None,
            user: None,
            store: None,
            metadata: None,
            cache_key: None,
            audio: None,
            safety: None,
            extras: Vec::new(),
        }
    }

    /// Makes the changes that a plan wants.
    pub fn apply(&mut self, edits: &Edits) {
        if let Some(model) = &edits.model {
            self.model = Cow::Owned(model.to_string());
        }
        if let Some(stream) = edits.stream {
            self.stream = stream;
        }
        if edits.logprobs {
            self.sampling.logprobs = Some(true);
        }
        self.longest = edits.longest;
        for (param, change) in &edits.params {
            self.change(*param, change);
        }
        for edit in &edits.prompt {
            self.edit_prompt(edit);
        }
    }

    fn change(&mut self, param: Param, change: &Change) {
        let sampling = &mut self.sampling;
        match param {
            Param::Temperature => float(&mut sampling.temperature, change, 1.0),
            Param::TopP => float(&mut sampling.top_p, change, 1.0),
            Param::FrequencyPenalty => float(&mut sampling.frequency_penalty, change, 0.0),
            Param::PresencePenalty => float(&mut sampling.presence_penalty, change, 0.0),
            Param::TopK => whole(&mut sampling.top_k, change, None),
            Param::Seed => {
                let mut seed = sampling.seed.and_then(|seed| u64::try_from(seed).ok());
                whole(&mut seed, change, None);
                sampling.seed = seed.and_then(|seed| i64::try_from(seed).ok());
            }
            Param::N => {
                let mut n = sampling.n.map(u64::from);
                whole(&mut n, change, Some(1));
                sampling.n = n.map(|n| u32::try_from(n).unwrap_or(u32::MAX));
            }
            Param::TopLogprobs => {
                let mut top = sampling.top_logprobs.map(u64::from);
                whole(&mut top, change, Some(0));
                sampling.top_logprobs = top.map(|top| u32::try_from(top).unwrap_or(u32::MAX));
            }
            Param::MaxOutput => {
                let mut most = sampling.max_output.map(|tokens| tokens.0);
                whole(&mut most, change, Some(u64::MAX));
                sampling.max_output = most.map(Tokens);
            }
            Param::Logprobs => flag(&mut sampling.logprobs, change),
            Param::ParallelTools => flag(&mut self.parallel_tools, change),
            Param::Store => flag(&mut self.store, change),
            Param::ServiceTier => word(&mut self.service_tier, change),
            Param::User => word(&mut self.user, change),
            Param::Reasoning => self.change_reasoning(change),
            Param::Stop => match change {
                Change::Replace(ParamValue::Texts(stops)) => {
                    sampling.stop = stops.iter().map(|stop| Cow::Owned(stop.to_string())).collect();
                }
                Change::Replace(ParamValue::Text(stop)) => {
                    sampling.stop = vec![Cow::Owned(stop.to_string())];
                }
                Change::Remove => sampling.stop.clear(),
                _ => {}
            },
            Param::LogitBias => {
                if *change == Change::Remove {
                    sampling.logit_bias = None;
                }
            }
            Param::StreamOptions | Param::Role => {}
        }
    }

    fn change_reasoning(&mut self, change: &Change) {
        let (limit, above) = match change {
            Change::Remove => return self.reasoning = Reasoning::default(),
            Change::Replace(ParamValue::Text(word)) => {
                let effort = Some(Cow::Owned(word.to_string()));
                self.reasoning = Reasoning {
                    effort,
                    summary: self.reasoning.summary.take(),
                    ..Reasoning::default()
                };
                return;
            }
            Change::AtMost(ParamValue::Text(word)) => (word, true),
            Change::AtLeast(ParamValue::Text(word)) => (word, false),
            _ => return,
        };
        let bound = Effort::from_word(limit);
        // Unsaid is the provider's default, which may lie on either side.
        let now = self.reasoning.in_words().map(|word| Effort::from_word(&word));
        let beyond = now.is_none_or(|now| if above { now > bound } else { now < bound });
        if beyond {
            self.change_reasoning(&Change::Replace(ParamValue::Text(limit.clone())));
        }
    }

    fn edit_prompt(&mut self, edit: &PromptEdit) {
        let is_system = |message: &Message<'_>| message.role == Role::System;
        let first = self.messages.iter().position(is_system);
        let with = |text: &str| Part::text(text.to_owned());
        let (text, at) = match edit {
            PromptEdit::Prepend(text) => (with(&format!("{text}\n\n")), 0),
            PromptEdit::Append(text) => (with(&format!("\n\n{text}")), usize::MAX),
            PromptEdit::Replace(text) => {
                self.messages.retain(|message| !is_system(message));
                self.messages.insert(0, Message::new(Role::System, vec![with(text)]));
                return;
            }
        };
        match first {
            Some(first) => {
                let parts = &mut self.messages[first].parts;
                parts.insert(at.min(parts.len()), text);
            }
            None => {
                let text = Part::text(text.main_text().trim().to_owned());
                self.messages.insert(0, Message::new(Role::System, vec![text]));
            }
        }
    }

    /// The instructions in front of everything else, and what follows them.
    pub fn split_system(&self) -> (Vec<&Part<'a>>, &[Message<'a>]) {
        let leading = self.messages.iter().take_while(|message| message.role == Role::System);
        let count = leading.clone().count();
        (leading.flat_map(|message| &message.parts).collect(), &self.messages[count..])
    }

    /// The client's functions.
    pub fn functions(&self) -> impl Iterator<Item = &Function<'a>> {
        self.tools.iter().filter_map(|tool| match tool {
            Tool::Function(function) => Some(function),
            _ => None,
        })
    }

    /// The names of the tools that calls are of, by the calls' ids: results name calls, and some
    /// dialects want the tool. Of an id that occurs twice the last one counts.
    pub fn tools_of_calls(&self) -> HashMap<&str, &str> {
        let parts = self.messages.iter().flat_map(|message| &message.parts);
        let calls = parts.filter_map(|part| match &part.body {
            Body::Call(call) => Some((&*call.id, &*call.name)),
            _ => None,
        });
        calls.collect()
    }
}

fn number(value: &ParamValue) -> Option<f64> {
    match value {
        ParamValue::Int(int) => Some(*int as f64),
        ParamValue::Float(float) if float.is_finite() => Some(*float),
        _ => None,
    }
}

/// Without a value the provider's default counts.
fn float(to: &mut Option<f64>, change: &Change, default: f64) {
    let now = to.unwrap_or(default);
    match change {
        Change::Remove => *to = None,
        Change::Replace(value) => *to = number(value).or(*to),
        Change::AtMost(limit) => {
            *to = number(limit).filter(|limit| now > *limit).or(*to);
        }
        Change::AtLeast(limit) => {
            *to = number(limit).filter(|limit| now < *limit).or(*to);
        }
    }
}

/// Without a value and a default the limit itself is taken.
fn whole(to: &mut Option<u64>, change: &Change, default: Option<u64>) {
    let int =
        |value: &ParamValue| number(value).filter(|value| *value >= 0.0).map(|value| value as u64);
    let now = to.or(default);
    match change {
        Change::Remove => *to = None,
        Change::Replace(value) => *to = int(value).or(*to),
        Change::AtMost(limit) => {
            *to = int(limit).filter(|limit| now.is_none_or(|now| now > *limit)).or(*to);
        }
        Change::AtLeast(limit) => {
            *to = int(limit).filter(|limit| now.is_none_or(|now| now < *limit)).or(*to);
        }
    }
}

fn flag(to: &mut Option<bool>, change: &Change) {
    match change {
        Change::Remove => *to = None,
        Change::Replace(ParamValue::Bool(value)) => *to = Some(*value),
        _ => {}
    }
}

fn word(to: &mut Option<Text<'_>>, change: &Change) {
    match change {
        Change::Remove => *to = None,
        Change::Replace(ParamValue::Text(value)) => *to = Some(Cow::Owned(value.to_string())),
        _ => {}
    }
}

#[cfg(test)]
#[path = "conversation_tests.rs"]
mod tests;
