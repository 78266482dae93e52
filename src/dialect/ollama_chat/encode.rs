//! From the neutral form to a request.

use std::collections::HashMap;

use crate::dialect::Dialect;
use crate::dialect::conversation::{
    Conversation, Format, Function, Message, Role, Tool, ToolChoice,
};
use crate::dialect::edits::{Encoded, LossKind, Param};
use crate::dialect::losses::{self, Losses, NO_PARAMETERS};
use crate::dialect::part::{Body, Media, MediaKind, Part, Source, ToolCall, ToolResult};
use crate::dialect::passage::Inexpressible;
use crate::dialect::quirks::Quirks;
use crate::dialect::write::{JsonOut, object};

/// Writes a request.
///
/// # Errors
/// When it speaks of media that are not there as images in base64.
pub(super) fn encode(it: &Conversation<'_>, quirks: &Quirks) -> Result<Encoded, Inexpressible> {
    let called = it.tools_of_calls();
    let mut encoder = Encoder { it, quirks, losses: Losses::default(), called };
    let body = object(4096, |w| encoder.request(w));
    encoder.losses.encoded(body)
}

struct Encoder<'c> {
    it: &'c Conversation<'c>,
    quirks: &'c Quirks,
    losses: Losses,
    /// The tools that calls are of, by the calls' ids.
    called: HashMap<&'c str, &'c str>,
}

impl Encoder<'_> {
    fn request(&mut self, w: &mut JsonOut<'_>) {
        let it = self.it;
        w.field_str("model", &it.model);
        w.field_array("messages", |w| {
            it.messages.iter().for_each(|message| self.message(w, message));
        });
        // Unsaid it would be a stream.
        w.field_bool("stream", it.stream);
        self.reasoning(w);
        match &it.format {
            Format::Text => {}
            Format::Json => w.field_str("format", "json"),
            Format::Schema { schema, .. } => w.field_raw("format", schema),
        }
        self.tools(w);
        w.field_object("options", |w| self.options(w));
        let top = if it.sampling.logprobs == Some(true) { it.sampling.top_logprobs } else { None };
        let wanted = it.sampling.logprobs.filter(|wanted| *wanted);
        w.maybe_bool("logprobs", self.losses.taken(self.quirks, Param::Logprobs, wanted));
        w.maybe_int("top_logprobs", self.losses.taken(self.quirks, Param::TopLogprobs, top));
        let keep_alive = it.extras.iter().find(|(name, _)| name == "keep_alive");
        w.maybe_raw("keep_alive", keep_alive.map(|(_, json)| &**json));

        self.losses.uncommon(it, &["keep_alive"]);
        let parts = || it.messages.iter().flat_map(|message| &message.parts);
        self.losses.unknown(&[
            (Param::ServiceTier.name(), it.service_tier.is_some()),
            ("cache_control", parts().any(|part| part.cache.is_some())),
        ]);
    }

    fn options(&mut self, w: &mut JsonOut<'_>) {
        let (it, quirks, losses) = (&self.it.sampling, self.quirks, &mut self.losses);
        let any = (f64::MIN, f64::MAX);
        let hottest = quirks.max_temperature.map_or(f64::MAX, |limit| f64::from(limit) / 100.0);
        w.maybe_int("num_predict", it.max_output.map(|tokens| tokens.0));
        let warmth = losses.within(quirks, Param::Temperature, it.temperature, (0.0, hottest));
        w.maybe_float("temperature", warmth);
        w.maybe_float("top_p", losses.within(quirks, Param::TopP, it.top_p, any));
        w.maybe_int("top_k", losses.taken(quirks, Param::TopK, it.top_k));
        w.maybe_int("seed", losses.taken(quirks, Param::Seed, it.seed));
        let penalty = losses.within(quirks, Param::FrequencyPenalty, it.frequency_penalty, any);
        w.maybe_float("frequency_penalty", penalty);
        let penalty = losses.within(quirks, Param::PresencePenalty, it.presence_penalty, any);
        w.maybe_float("presence_penalty", penalty);
        if !it.stop.is_empty() {
            w.field_array("stop", |w| it.stop.iter().for_each(|stop| w.string(stop)));
        }
    }

    /// How much is thought can be said to `gpt-oss` alone; the others refuse words.
    fn reasoning(&mut self, w: &mut JsonOut<'_>) {
        let it = &self.it.reasoning;
        if it.is_unset() || self.losses.taken(self.quirks, Param::Reasoning, Some(())).is_none() {
            return;
        }
        let words = it.in_words();
        match words.as_deref() {
            _ if it.is_off() => w.field_bool("think", false),
            None => w.field_bool("think", true),
            Some(words) if self.it.model.contains("gpt-oss") => {
                let level = match words {
                    "minimal" | "low" => "low",
                    "medium" => "medium",
                    _ => "high",
                };
                if level != words || it.effort.is_none() {
                    let note = format!("it is sent as `{level}`");
                    self.losses.note("reasoning", LossKind::Emulated, note);
                }
                w.field_str("think", level);
            }
            Some(_) => {
                let note = "it thinks, but as much as it likes";
                self.losses.note("reasoning", LossKind::Emulated, note);
                w.field_bool("think", true);
            }
        }
    }

    fn tools(&mut self, w: &mut JsonOut<'_>) {
        let it = self.it;
        if it.tool_choice == Some(ToolChoice::None) {
            if !it.tools.is_empty() {
                let note = "no tools are offered";
                self.losses.note("tool_choice", LossKind::Emulated, note);
            }
            return;
        }
        let tools = self.losses.tools(it, Dialect::OllamaChat, false);
        if tools.is_empty() {
            return;
        }
        if let Some(
            ToolChoice::Required
            | ToolChoice::Named(_)
            | ToolChoice::Allowed { required: true, .. },
        ) = it.tool_choice
        {
            let note = "whether tools are called is the model's own choice there";
            self.losses.note("tool_choice", LossKind::Dropped, note);
        }
        if it.functions().any(|function| function.strict == Some(true)) {
            self.losses.note("tools.strict", LossKind::Dropped, "it is unknown there");
        }
        w.field_array("tools", |w| {
            for tool in tools {
                match tool {
                    Tool::Native { json, .. } => w.raw(json),
                    Tool::Function(function) => write_function(w, function),
                    Tool::FreeForm { .. } => {}
                }
            }
        });
    }

    fn message(&mut self, w: &mut JsonOut<'_>, message: &Message<'_>) {
        let results = message.parts.iter().filter_map(|part| match &part.body {
            Body::Result(result) => Some(result),
            _ => None,
        });
        for result in results {
            w.object(|w| self.result(w, result));
        }
        let rest = || message.parts.iter().filter(|part| !matches!(part.body, Body::Result(_)));
        if rest().next().is_none() {
            return;
        }
        w.object(|w| {
            w.field_str(
                "role",
                match message.role {
                    Role::System => "system",
                    Role::Assistant => "assistant",
                    Role::User | Role::Tool => "user",
                },
            );
            self.content(w, "", rest());
            if message.role == Role::Assistant {
                self.thought(w, &message.parts);
                calls(w, &message.parts);
            }
        });
    }

    fn result(&mut self, w: &mut JsonOut<'_>, result: &ToolResult<'_>) {
        w.field_str("role", "tool");
        let name = result.name.as_deref().or_else(|| self.called.get(&*result.call).copied());
        w.maybe_str("tool_name", name);
        // Not every version looks at it; it tells two calls of one tool apart.
        if !result.call.is_empty() {
            w.field_str("tool_call_id", &result.call);
        }
        let mut failed = "";
        if result.error {
            let note = "the text says that it failed";
            self.losses.note("tool_result.is_error", LossKind::Emulated, note);
            failed = "Error: ";
        }
        self.content(w, failed, result.parts.iter());
    }

    /// The texts, one behind the other, and the images beside them.
    fn content<'p>(
        &mut self,
        w: &mut JsonOut<'_>,
        before: &str,
        parts: impl Iterator<Item = &'p Part<'p>>,
    ) {
        let (mut text, mut images) = (before.to_owned(), Vec::new());
        for part in parts {
            match &part.body {
                Body::Text { text: more, .. } | Body::Refusal(more) => text.push_str(more),
                Body::Media(Media {
                    kind: MediaKind::Image,
                    source: Source::Base64 { data, .. },
                    ..
                }) => images.push(data),
                Body::Media(media) => match self.losses.document_text(media) {
                    Some(document) => text.push_str(&document),
                    None => self.losses.refuse_media(media),
                },
                Body::Native { dialect, .. } => {
                    let note = format!("a part that only {dialect} knows");
                    self.losses.note("content", LossKind::Dropped, note);
                }
                Body::Thinking { .. } | Body::Call(_) | Body::Result(_) => {}
            }
        }
        w.field_str("content", &text);
        if !images.is_empty() {
            w.field_array("images", |w| images.iter().for_each(|data| w.string(data)));
        }
    }

    fn thought(&mut self, w: &mut JsonOut<'_>, parts: &[Part<'_>]) {
        let mut thoughts = String::new();
        for part in parts {
            match &part.body {
                Body::Thinking { .. } if part.signature.is_some() => {
                    let note = "it is signed by another kind of provider";
                    self.losses.note("thinking", LossKind::Dropped, note);
                }
                Body::Thinking { text, .. } => thoughts.push_str(text),
                _ => {}
            }
        }
        if !thoughts.is_empty() {
            w.field_str("thinking", &thoughts);
        }
    }
}

fn calls(w: &mut JsonOut<'_>, parts: &[Part<'_>]) {
    let calls = || {
        parts.iter().filter_map(|part| match &part.body {
            Body::Call(call) => Some(call),
            _ => None,
        })
    };
    if calls().next().is_none() {
        return;
    }
    w.field_array("tool_calls", |w| {
        for ToolCall { id, name, arguments, .. } in calls() {
            w.object(|w| {
                if !id.is_empty() {
                    w.field_str("id", id);
                }
                w.field_str("type", "function");
                w.field_object("function", |w| {
                    w.field_str("name", name);
                    losses::arguments(w, "arguments", arguments);
                });
            });
        }
    });
}

fn write_function(w: &mut JsonOut<'_>, function: &Function<'_>) {
    w.object(|w| {
        w.field_str("type", "function");
        w.field_object("function", |w| {
            w.field_str("name", &function.name);
            w.maybe_str("description", function.description.as_deref());
            w.field_raw("parameters", function.parameters.as_deref().unwrap_or(NO_PARAMETERS));
        });
    });
}
