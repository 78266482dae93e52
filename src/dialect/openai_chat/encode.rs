//! From the neutral form to a request.

use std::borrow::Cow;

use serde_json::Value;

use crate::dialect::Dialect;
use crate::dialect::conversation::{
    Conversation, Format, Function, Message, Role, Tool, ToolChoice,
};
use crate::dialect::edits::{Encoded, Loss, LossKind, Param};
use crate::dialect::part::{Body, CacheMark, Media, MediaKind, Part, Source, ToolResult, joined};
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
    let mut encoder = Encoder { conversation, quirks, losses: Vec::new(), impossible: None };
    let body = object(4096, |w| encoder.request(w));
    match encoder.impossible {
        Some(what) => Err(Inexpressible::new(what)),
        None => Ok(Encoded { body: body.into(), losses: encoder.losses }),
    }
}

struct Encoder<'c> {
    conversation: &'c Conversation<'c>,
    quirks: &'c Quirks,
    losses: Vec<Loss>,
    impossible: Option<String>,
}

impl Encoder<'_> {
    fn lose(
        &mut self,
        param: impl Into<Cow<'static, str>>,
        how: LossKind,
        note: impl Into<String>,
    ) {
        let loss = Loss { param: param.into(), how, note: note.into() };
        if !self.losses.contains(&loss) {
            self.losses.push(loss);
        }
    }

    /// Whether the provider takes a parameter; notes the loss where it does not.
    fn takes(&mut self, param: Param, given: bool) -> bool {
        let refused = self.quirks.unsupported.contains(&param);
        if given && refused {
            self.lose(param.name(), LossKind::Dropped, "it is not supported there");
        }
        given && !refused
    }

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
        if self.takes(Param::User, it.user.is_some()) {
            w.maybe_str("user", it.user.as_deref());
        }
        if self.takes(Param::Store, it.store == Some(true)) {
            w.maybe_bool("store", it.store);
        }
        let tier = it.service_tier.as_deref().map(|tier| match tier {
            // Anthropic's word for no priority.
            "standard_only" => "default",
            tier => tier,
        });
        if self.takes(Param::ServiceTier, tier.is_some()) {
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
                _ => self.lose("metadata", LossKind::Dropped, "it is for stored answers there"),
            }
        }
        if it.safety.is_some() {
            self.lose("safety_settings", LossKind::Dropped, "there are none there");
        }
        for (name, json) in &it.extras {
            if it.origin == Dialect::OpenAiChat {
                w.field_raw(name, json);
            } else {
                self.lose(name.to_string(), LossKind::Dropped, "it is unknown there");
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
                self.lose("temperature", LossKind::Clamped, format!("{wanted} to {given}"));
            }
            w.field_float("temperature", given);
        }
        w.maybe_float("top_p", it.top_p);
        if it.top_k.is_some() {
            self.lose(Param::TopK.name(), LossKind::Dropped, "it is unknown there");
        }
        if self.takes(Param::N, it.n.is_some_and(|n| n != 1)) {
            w.maybe_int("n", it.n);
        }
        if self.takes(Param::Seed, it.seed.is_some()) {
            let name = if self.quirks.random_seed { "random_seed" } else { "seed" };
            w.maybe_int(name, it.seed);
        }
        if !it.stop.is_empty() {
            w.field_array("stop", |w| it.stop.iter().for_each(|stop| w.string(stop)));
        }
        if self.takes(Param::FrequencyPenalty, it.frequency_penalty.is_some()) {
            w.maybe_float("frequency_penalty", it.frequency_penalty);
        }
        if self.takes(Param::PresencePenalty, it.presence_penalty.is_some()) {
            w.maybe_float("presence_penalty", it.presence_penalty);
        }
        if self.takes(Param::Logprobs, it.logprobs == Some(true)) {
            w.field_bool("logprobs", true);
            if self.takes(Param::TopLogprobs, it.top_logprobs.is_some()) {
                w.maybe_int("top_logprobs", it.top_logprobs);
            }
        }
        if self.takes(Param::LogitBias, it.logit_bias.is_some()) {
            w.maybe_raw("logit_bias", it.logit_bias.as_deref());
        }
    }

    fn reasoning(&mut self, w: &mut JsonOut<'_>) {
        let it = &self.conversation.reasoning;
        let Some(words) = it.in_words() else {
            if it.enabled == Some(true) {
                self.lose("reasoning", LossKind::Dropped, "it is the model's own choice there");
            }
            return;
        };
        if let (Some(budget), None) = (it.budget, &it.effort) {
            let note = format!("a budget of {budget} tokens is sent as the effort `{words}`");
            self.lose("reasoning.budget", LossKind::Emulated, note);
        }
        if self.takes(Param::Reasoning, true) {
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
            self.lose("tools", LossKind::Dropped, note);
        }
        if !it.tools.iter().any(|tool| sendable(&tool)) {
            return;
        }
        w.field_array("tools", |w| {
            it.tools.iter().filter(sendable).for_each(|tool| write_tool(w, tool));
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
        if self.takes(Param::ParallelTools, it.parallel_tools.is_some()) {
            w.maybe_bool("parallel_tool_calls", it.parallel_tools);
        }
    }

    fn message(&mut self, w: &mut JsonOut<'_>, message: &Message<'_>) {
        // Nothing would be left of a message that only another dialect understands.
        let foreign = message.parts.iter().map(|part| match &part.body {
            Body::Native { dialect, .. } if *dialect != Dialect::OpenAiChat => Some(*dialect),
            _ => None,
        });
        if let Some(Some(dialect)) = foreign.reduce(|all, next| all.and(next)) {
            let note = format!("a step that only {dialect} knows");
            return self.lose("messages", LossKind::Dropped, note);
        }
        let named = |w: &mut JsonOut<'_>| w.maybe_str("name", message.name.as_deref());
        match message.role {
            Role::System => w.object(|w| {
                w.field_str("role", "system");
                named(w);
                self.content(w, &message.parts.iter().collect::<Vec<_>>());
            }),
            Role::Assistant => w.object(|w| {
                w.field_str("role", "assistant");
                named(w);
                self.assistant(w, &message.parts);
            }),
            Role::User | Role::Tool => self.user(w, message),
        }
    }

    /// Results of tools are messages of their own here; what else was said follows them, and so do
    /// the images that a tool returned, which its own message has no place for.
    fn user(&mut self, w: &mut JsonOut<'_>, message: &Message<'_>) {
        let mut rest: Vec<&Part<'_>> = Vec::new();
        for part in &message.parts {
            let Body::Result(result) = &part.body else {
                rest.push(part);
                continue;
            };
            w.object(|w| self.result(w, result));
            if result.has_media() {
                let note = "images of a tool's result are sent in a message of their own";
                self.lose("tool_result.media", LossKind::Emulated, note);
                rest.extend(
                    result.parts.iter().filter(|part| !matches!(part.body, Body::Text { .. })),
                );
            }
        }
        if !rest.is_empty() {
            w.object(|w| {
                w.field_str("role", "user");
                w.maybe_str("name", message.name.as_deref());
                self.content(w, &rest);
            });
        }
    }

    fn result(&mut self, w: &mut JsonOut<'_>, result: &ToolResult<'_>) {
        w.field_str("role", "tool");
        w.field_str("tool_call_id", &result.call);
        let text = result.text();
        if result.error {
            self.lose("tool_result.is_error", LossKind::Emulated, "the text says that it failed");
            w.field_str("content", &format!("Error: {text}"));
        } else {
            w.field_str("content", &text);
        }
    }

    fn assistant(&mut self, w: &mut JsonOut<'_>, parts: &[Part<'_>]) {
        let texts = parts.iter().filter_map(|part| match &part.body {
            Body::Text { text, .. } => Some(text.as_ref()),
            _ => None,
        });
        let text = joined(texts);
        let calls = || {
            parts.iter().filter_map(|part| match &part.body {
                Body::Call(call) => Some((call, &part.signature)),
                _ => None,
            })
        };
        let has_calls = calls().next().is_some();
        if text.is_empty() && has_calls {
            w.field_null("content");
        } else {
            w.field_str("content", &text);
        }
        if has_calls {
            w.field_array("tool_calls", |w| {
                for (call, signature) in calls() {
                    w.object(|w| {
                        w.field_str("id", &call.id);
                        if call.free_form {
                            w.field_str("type", "custom");
                            w.field_object("custom", |w| {
                                w.field_str("name", &call.name);
                                w.field_str("input", &call.arguments);
                            });
                        } else {
                            w.field_str("type", "function");
                            w.field_object("function", |w| {
                                w.field_str("name", &call.name);
                                w.field_str("arguments", arguments(&call.arguments));
                            });
                        }
                        let google = signature
                            .as_ref()
                            .and_then(|signature| signature.for_signer(Dialect::GeminiGenerate));
                        if let Some(value) = google.filter(|_| self.quirks.google_signatures) {
                            w.field_object("extra_content", |w| {
                                w.field_object("google", |w| {
                                    w.field_str("thought_signature", value)
                                });
                            });
                        }
                    });
                }
            });
        }
        for part in parts {
            match &part.body {
                Body::Text { .. } | Body::Call(_) => {}
                Body::Refusal(text) => w.field_str("refusal", text),
                Body::Thinking { text, .. } => {
                    let signature = part.signature.as_ref();
                    let own = signature.and_then(|it| it.for_signer(Dialect::OpenAiChat));
                    match own {
                        Some(details) => w.field_raw("reasoning_details", &merged(details)),
                        None if signature.is_some() => {
                            let note = "it is signed by another kind of provider";
                            self.lose("thinking", LossKind::Dropped, note);
                        }
                        None if self.quirks.thinking_goes_back => {
                            w.field_str("reasoning_content", text);
                        }
                        None => {}
                    }
                }
                Body::Media(Media {
                    kind: MediaKind::Audio,
                    source: Source::File { id, dialect },
                    ..
                }) if *dialect == Dialect::OpenAiChat => {
                    w.field_object("audio", |w| w.field_str("id", id));
                }
                Body::Media(media) => {
                    let note =
                        format!("an {} of the assistant's cannot be sent back", media.kind.name());
                    self.lose("assistant.media", LossKind::Dropped, note);
                }
                Body::Native { .. } | Body::Result(_) => {
                    let note = "a step that the other provider made itself is left out";
                    self.lose("assistant.native", LossKind::Dropped, note);
                }
            }
        }
    }

    fn content(&mut self, w: &mut JsonOut<'_>, parts: &[&Part<'_>]) {
        let plain =
            |part: &&Part<'_>| matches!(part.body, Body::Text { .. }) && part.cache.is_none();
        if let [part] = parts
            && plain(part)
        {
            return w.field_str("content", part.main_text());
        }
        w.field_array("content", |w| {
            for part in parts {
                self.part(w, part);
            }
        });
    }

    fn part(&mut self, w: &mut JsonOut<'_>, part: &Part<'_>) {
        match &part.body {
            Body::Text { text, .. } | Body::Refusal(text) => w.object(|w| {
                w.field_str("type", "text");
                w.field_str("text", text);
                if let Some(mark) = part.cache.filter(|_| self.quirks.cache_marks) {
                    w.field_object("cache_control", |w| {
                        w.field_str("type", "ephemeral");
                        if mark == CacheMark::Hour {
                            w.field_str("ttl", "1h");
                        }
                    });
                }
            }),
            Body::Media(media) => self.media(w, media),
            Body::Native { dialect: Dialect::OpenAiChat, json } => w.raw(json),
            Body::Native { dialect, .. } => {
                self.lose(
                    "content",
                    LossKind::Dropped,
                    format!("a part that only {dialect} knows"),
                );
            }
            Body::Thinking { .. } | Body::Call(_) | Body::Result(_) => {}
        }
    }

    fn media(&mut self, w: &mut JsonOut<'_>, media: &Media<'_>) {
        match (media.kind, &media.source) {
            (MediaKind::Image, Source::Url { .. } | Source::Base64 { .. }) => w.object(|w| {
                w.field_str("type", "image_url");
                w.field_object("image_url", |w| {
                    w.maybe_str("url", media.url().as_deref());
                    w.maybe_str("detail", media.detail.as_deref());
                });
            }),
            (MediaKind::Audio, Source::Base64 { mime, data }) => w.object(|w| {
                w.field_str("type", "input_audio");
                w.field_object("input_audio", |w| {
                    w.field_str("data", data);
                    let format = match &**mime {
                        "audio/mpeg" | "audio/mp3" => "mp3",
                        mime => mime.strip_prefix("audio/").unwrap_or("wav"),
                    };
                    w.field_str("format", format.trim_start_matches("x-"));
                });
            }),
            (MediaKind::Document, Source::Base64 { .. }) => w.object(|w| {
                w.field_str("type", "file");
                w.field_object("file", |w| {
                    w.field_str("filename", media.name.as_deref().unwrap_or("document.pdf"));
                    w.maybe_str("file_data", media.url().as_deref());
                });
            }),
            (MediaKind::Document, Source::Text(text)) => {
                let note = "a text document is sent as text";
                self.lose("document", LossKind::Emulated, note);
                w.object(|w| {
                    w.field_str("type", "text");
                    match &media.name {
                        Some(name) => w.field_str("text", &format!("{name}\n\n{text}")),
                        None => w.field_str("text", text),
                    }
                });
            }
            (_, Source::File { id, dialect }) if *dialect == Dialect::OpenAiChat => w.object(|w| {
                w.field_str("type", "file");
                w.field_object("file", |w| w.field_str("file_id", id));
            }),
            (MediaKind::Video, Source::Url { .. } | Source::Base64 { .. }) => w.object(|w| {
                w.field_str("type", "video_url");
                w.field_object("video_url", |w| w.maybe_str("url", media.url().as_deref()));
            }),
            (kind, _) => {
                let from = match media.source {
                    Source::File { .. } => "from another provider's store",
                    _ => "in this form",
                };
                self.impossible
                    .get_or_insert(format!("the model's provider takes no {} {from}", kind.name()));
                w.null();
            }
        }
    }
}

fn write_tool(w: &mut JsonOut<'_>, tool: &Tool<'_>) {
    match tool {
        Tool::Function(Function { name, description, parameters, strict, .. }) => w.object(|w| {
            w.field_str("type", "function");
            w.field_object("function", |w| {
                w.field_str("name", name);
                w.maybe_str("description", description.as_deref());
                w.maybe_raw("parameters", parameters.as_deref());
                w.maybe_bool("strict", *strict);
            });
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

/// Arguments of a call without any are an empty object, not nothing.
pub(super) fn arguments(text: &str) -> &str {
    if text.trim().is_empty() { "{}" } else { text }
}

/// Details that came in pieces are put together: those of one type and index are one.
fn merged(details: &str) -> Cow<'_, str> {
    // Each chunk of a stream brought an array of its own.
    let arrays = serde_json::Deserializer::from_str(details).into_iter::<Vec<Value>>();
    let arrays: Vec<Vec<Value>> = arrays.filter_map(Result::ok).collect();
    if arrays.len() < 2 {
        return Cow::Borrowed(details);
    }
    let mut whole: Vec<Value> = Vec::new();
    for piece in arrays.into_iter().flatten() {
        super::assemble::merge_detail(&mut whole, piece);
    }
    Cow::Owned(Value::from(whole).to_string())
}
