//! From the neutral form to a request.

use super::messages_out::cache;
use crate::dialect::Dialect;
use crate::dialect::conversation::{Conversation, Format, Function, Tool, ToolChoice};
use crate::dialect::edits::{Encoded, LossKind, Param};
use crate::dialect::losses::Losses;
use crate::dialect::part::CacheMark;
use crate::dialect::passage::Inexpressible;
use crate::dialect::quirks::{MaxOutputField, Quirks};
use crate::dialect::write::{JsonOut, object};

/// Writes a request for a provider with these quirks.
///
/// # Errors
/// When it speaks of something that this dialect cannot carry.
pub(super) fn encode(
    conversation: &Conversation<'_>,
    quirks: &Quirks,
) -> Result<Encoded, Inexpressible> {
    let mut encoder = Encoder { conversation, quirks, losses: Losses::default() };
    let body = object(4096, |w| encoder.request(w));
    encoder.losses.encoded(body)
}

pub(super) struct Encoder<'c> {
    conversation: &'c Conversation<'c>,
    pub(super) quirks: &'c Quirks,
    pub(super) losses: Losses,
}

impl Encoder<'_> {
    fn request(&mut self, w: &mut JsonOut<'_>) {
        let it = self.conversation;
        w.field_str("model", &it.model);
        w.field_array("messages", |w| {
            it.messages.iter().for_each(|message| self.message(w, message))
        });
        if it.stream {
            w.field_bool("stream", true);
            if !self.quirks.usage_unasked {
                w.field_object("stream_options", |w| w.field_bool("include_usage", true));
            }
        }
        self.sampling(w);
        self.reasoning(w);
        self.format(w);
        self.tools(w);
        if self.losses.takes(self.quirks, Param::User, it.user.is_some()) {
            w.maybe_str("user", it.user.as_deref());
        }
        if self.losses.takes(self.quirks, Param::Store, it.store == Some(true)) {
            w.maybe_bool("store", it.store);
        }
        let tier = it.service_tier.as_deref().map(|tier| match tier {
            // Anthropic's word for no priority.
            "standard_only" => "default",
            tier => tier,
        });
        if self.losses.takes(self.quirks, Param::ServiceTier, tier.is_some()) {
            w.maybe_str("service_tier", tier);
        }
        w.maybe_str("prompt_cache_key", it.cache_key.as_deref());
        if let Some(audio) = &it.audio {
            w.field_raw("audio", audio);
            w.field_raw("modalities", r#"["text","audio"]"#);
        }
        if let Some(metadata) = &it.metadata {
            // Elsewhere it is refused unless answers are stored.
            match it.store {
                Some(true) => w.field_raw("metadata", metadata),
                _ => self.losses.note(
                    "metadata",
                    LossKind::Dropped,
                    "it is for stored answers there",
                ),
            }
        }
        if it.safety.is_some() {
            self.losses.note("safety_settings", LossKind::Dropped, "there are none there");
        }
        for (name, json) in &it.extras {
            if it.origin == Dialect::OpenAiChat {
                w.field_raw(name, json);
            } else {
                self.losses.note(name.to_string(), LossKind::Dropped, "it is unknown there");
            }
        }
    }

    fn sampling(&mut self, w: &mut JsonOut<'_>) {
        let it = &self.conversation.sampling;
        let most = match self.quirks.max_output_field {
            MaxOutputField::Completion => "max_completion_tokens",
            MaxOutputField::Either | MaxOutputField::Legacy => "max_tokens",
        };
        w.maybe_int(most, it.max_output.map(|tokens| tokens.0));
        if let Some(wanted) = it.temperature {
            let limit = self.quirks.max_temperature.map(|hundredths| f64::from(hundredths) / 100.0);
            let given = limit.map_or(wanted, |limit| wanted.min(limit));
            if given < wanted {
                self.losses.note("temperature", LossKind::Clamped, format!("{wanted} to {given}"));
            }
            w.field_float("temperature", given);
        }
        w.maybe_float("top_p", it.top_p);
        if it.top_k.is_some() {
            self.losses.note(Param::TopK.name(), LossKind::Dropped, "it is unknown there");
        }
        if self.losses.takes(self.quirks, Param::N, it.n.is_some_and(|n| n != 1)) {
            w.maybe_int("n", it.n);
        }
        if self.losses.takes(self.quirks, Param::Seed, it.seed.is_some()) {
            let name = if self.quirks.random_seed { "random_seed" } else { "seed" };
            w.maybe_int(name, it.seed);
        }
        if !it.stop.is_empty() {
            w.field_array("stop", |w| it.stop.iter().for_each(|stop| w.string(stop)));
        }
        if self.losses.takes(self.quirks, Param::FrequencyPenalty, it.frequency_penalty.is_some()) {
            w.maybe_float("frequency_penalty", it.frequency_penalty);
        }
        if self.losses.takes(self.quirks, Param::PresencePenalty, it.presence_penalty.is_some()) {
            w.maybe_float("presence_penalty", it.presence_penalty);
        }
        if self.losses.takes(self.quirks, Param::Logprobs, it.logprobs == Some(true)) {
            w.field_bool("logprobs", true);
            if self.losses.takes(self.quirks, Param::TopLogprobs, it.top_logprobs.is_some()) {
                w.maybe_int("top_logprobs", it.top_logprobs);
            }
        }
        if self.losses.takes(self.quirks, Param::LogitBias, it.logit_bias.is_some()) {
            w.maybe_raw("logit_bias", it.logit_bias.as_deref());
        }
    }

    fn reasoning(&mut self, w: &mut JsonOut<'_>) {
        let it = &self.conversation.reasoning;
        let Some(words) = it.in_words() else {
            if it.enabled == Some(true) {
                self.losses.note(
                    "reasoning",
                    LossKind::Dropped,
                    "it is the model's own choice there",
                );
            }
            return;
        };
        if let (Some(budget), None) = (it.budget, &it.effort) {
            let note = format!("a budget of {budget} tokens is sent as the effort `{words}`");
            self.losses.note("reasoning.budget", LossKind::Emulated, note);
        }
        if self.losses.takes(self.quirks, Param::Reasoning, true) {
            w.field_str("reasoning_effort", &words);
        }
    }

    fn format(&mut self, w: &mut JsonOut<'_>) {
        match &self.conversation.format {
            Format::Text => {}
            Format::Json => {
                w.field_object("response_format", |w| w.field_str("type", "json_object"));
            }
            Format::Schema { name, description, schema, strict } => {
                w.field_object("response_format", |w| {
                    w.field_str("type", "json_schema");
                    w.field_object("json_schema", |w| {
                        // A name has to be there.
                        w.field_str("name", name.as_deref().unwrap_or("answer"));
                        w.maybe_str("description", description.as_deref());
                        w.field_raw("schema", schema);
                        w.maybe_bool("strict", *strict);
                    });
                });
            }
        }
    }

    fn tools(&mut self, w: &mut JsonOut<'_>) {
        let it = self.conversation;
        let sendable = |tool: &&Tool<'_>| match tool {
            Tool::Function(_) | Tool::FreeForm { .. } => true,
            Tool::Native { dialect, .. } => *dialect == Dialect::OpenAiChat,
        };
        for tool in it.tools.iter().filter(|tool| !sendable(tool)) {
            let note = format!("`{}` is a tool of {} itself", tool.name(), it.origin);
            self.losses.note("tools", LossKind::Dropped, note);
        }
        if !it.tools.iter().any(|tool| sendable(&tool)) {
            return;
        }
        w.field_array("tools", |w| {
            it.tools.iter().filter(sendable).for_each(|tool| self.tool(w, tool));
        });
        match &it.tool_choice {
            None => {}
            Some(ToolChoice::Auto) => w.field_str("tool_choice", "auto"),
            Some(ToolChoice::None) => w.field_str("tool_choice", "none"),
            Some(ToolChoice::Required) => w.field_str("tool_choice", "required"),
            Some(ToolChoice::Named(name)) => w.field_object("tool_choice", |w| {
                w.field_str("type", "function");
                w.field_object("function", |w| w.field_str("name", name));
            }),
            Some(ToolChoice::Allowed { names, required }) => w.field_object("tool_choice", |w| {
                w.field_str("type", "allowed_tools");
                w.field_object("allowed_tools", |w| {
                    w.field_str("mode", if *required { "required" } else { "auto" });
                    w.field_array("tools", |w| {
                        names.iter().for_each(|name| {
                            w.object(|w| {
                                w.field_str("type", "function");
                                w.field_object("function", |w| w.field_str("name", name));
                            });
                        });
                    });
                });
            }),
        }
        if self.losses.takes(self.quirks, Param::ParallelTools, it.parallel_tools.is_some()) {
            w.maybe_bool("parallel_tool_calls", it.parallel_tools);
        }
    }

    fn tool(&mut self, w: &mut JsonOut<'_>, tool: &Tool<'_>) {
        match tool {
            Tool::Function(it) => w.object(|w| {
                let Function { name, description, parameters, strict, cache: mark } = it;
                w.field_str("type", "function");
                w.field_object("function", |w| {
                    w.field_str("name", name);
                    w.maybe_str("description", description.as_deref());
                    w.maybe_raw("parameters", parameters.as_deref());
                    w.maybe_bool("strict", *strict);
                });
                cache(w, self.cache_mark(*mark));
            }),
            Tool::FreeForm { name, description, format } => w.object(|w| {
                w.field_str("type", "custom");
                w.field_object("custom", |w| {
                    w.field_str("name", name);
                    w.maybe_str("description", description.as_deref());
                    w.maybe_raw("format", format.as_deref());
                });
            }),
            Tool::Native { json, .. } => w.raw(json),
        }
    }

    /// A mark of what is to be cached, where the provider takes any; the others cache by themselves.
    pub(super) fn cache_mark(&mut self, mark: Option<CacheMark>) -> Option<CacheMark> {
        if mark.is_some() && !self.quirks.cache_marks {
            self.losses.note("cache_control", LossKind::Emulated, "it caches by itself");
            return None;
        }
        mark
    }
}

/// Arguments of a call without any are an empty object, not nothing.
pub(super) fn arguments(text: &str) -> &str {
    if text.trim().is_empty() { "{}" } else { text }
}
