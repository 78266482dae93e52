//! From the neutral form to a request.

use std::collections::HashMap;

use super::config::VALIDATED;
use super::turns::{Item, Turn, Turns};
use crate::dialect::Dialect;
use crate::dialect::conversation::{Conversation, Format, Reasoning, Tool, ToolChoice};
use crate::dialect::edits::{Encoded, LossKind, Param};
use crate::dialect::json::{self, Kind, Scanner};
use crate::dialect::losses::Losses;
use crate::dialect::part::{Body, Media, MediaKind, Part, Source, ToolCall, ToolResult};
use crate::dialect::passage::Inexpressible;
use crate::dialect::quirks::Quirks;
use crate::dialect::write::{JsonOut, object};

/// What becomes of wishes for caching.
const CACHES: &str = "it caches by itself";

/// Writes a request for a provider with these quirks. The model and whether a stream is wanted are
/// not in it.
///
/// # Errors
/// When it speaks of something that this dialect cannot carry.
pub(super) fn encode(
    conversation: &Conversation<'_>,
    quirks: &Quirks,
) -> Result<Encoded, Inexpressible> {
    let mut losses = Losses::default();
    let turns = Turns::of(conversation, &mut losses);
    let called = conversation.tools_of_calls();
    let mut encoder = Encoder { it: conversation, quirks, losses, called };
    let body = object(4096, |w| encoder.request(w, &turns));
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
    fn is_own(&self) -> bool {
        self.it.origin == Dialect::GeminiGenerate
    }

    /// Whether the provider takes a parameter; notes the loss where it does not.
    fn takes(&mut self, param: Param, given: bool) -> bool {
        self.losses.takes(self.quirks, param, given)
    }

    /// A field of the origin's that goes back under its own name.
    fn extra(&self, name: &str) -> Option<&str> {
        let extra = self.it.extras.iter().find(|(known, _)| self.is_own() && known == name);
        extra.map(|(_, json)| &**json)
    }

    fn request(&mut self, w: &mut JsonOut<'_>, turns: &Turns<'_>) {
        let it = self.it;
        if !turns.system.is_empty() {
            w.field_object("systemInstruction", |w| {
                w.field_array("parts", |w| {
                    turns.system.iter().for_each(|text| w.object(|w| w.field_str("text", text)));
                });
            });
        }
        w.field_array("contents", |w| turns.all.iter().for_each(|turn| self.turn(w, turn)));
        self.tools(w);
        self.generation(w);
        w.maybe_raw("safetySettings", it.safety.as_deref());
        w.maybe_str("cachedContent", turns.cached.as_deref());
        let unknown = "it is unknown there";
        let tier = it.service_tier.as_deref();
        self.losses.dropped(
            Param::ServiceTier.name(),
            tier.is_some_and(|tier| !matches!(tier, "auto" | "default" | "standard_only")),
            unknown,
        );
        self.losses.dropped(Param::User.name(), it.user.is_some(), unknown);
        self.losses.dropped(Param::Store.name(), it.store == Some(true), unknown);
        self.losses.dropped("metadata", it.metadata.is_some(), unknown);
        if it.cache_key.is_some() {
            self.losses.note("prompt_cache_key", LossKind::Emulated, CACHES);
        }
        self.losses.dropped("audio", it.audio.is_some(), "the answer comes in words");
        for (name, json) in &it.extras {
            if !self.is_own() {
                self.losses.dropped(name.to_string(), true, unknown);
            } else if !name.contains('.') {
                w.field_raw(name, json);
            }
        }
    }

    fn generation(&mut self, w: &mut JsonOut<'_>) {
        let fields = object(256, |w| self.generation_fields(w));
        if fields != b"{}" {
            w.field_raw("generationConfig", &String::from_utf8_lossy(&fields));
        }
    }

    fn generation_fields(&mut self, w: &mut JsonOut<'_>) {
        let it = &self.it.sampling;
        w.maybe_int("maxOutputTokens", it.max_output.map(|tokens| tokens.0));
        if let Some(wanted) = it.temperature {
            let limit = self.quirks.max_temperature.map(|hundredths| f64::from(hundredths) / 100.0);
            let given = limit.map_or(wanted, |limit| wanted.min(limit));
            if given < wanted {
                let note = format!("{wanted} to {given}");
                self.losses.note(Param::Temperature.name(), LossKind::Clamped, note);
            }
            w.field_float("temperature", given);
        }
        w.maybe_float("topP", it.top_p);
        if self.takes(Param::TopK, it.top_k.is_some()) {
            w.maybe_int("topK", it.top_k);
        }
        if self.takes(Param::N, it.n.is_some_and(|n| n != 1)) {
            w.maybe_int("candidateCount", it.n);
        }
        if self.takes(Param::Seed, it.seed.is_some())
            && let Some(wanted) = it.seed
        {
            // It has 32 bits there.
            let given = wanted.clamp(i64::from(i32::MIN), i64::from(i32::MAX));
            if given != wanted {
                let note = format!("{wanted} to {given}");
                self.losses.note(Param::Seed.name(), LossKind::Clamped, note);
            }
            w.field_int("seed", given);
        }
        if self.takes(Param::Stop, !it.stop.is_empty()) {
            w.field_array("stopSequences", |w| it.stop.iter().for_each(|stop| w.string(stop)));
        }
        if self.takes(Param::FrequencyPenalty, it.frequency_penalty.is_some()) {
            w.maybe_float("frequencyPenalty", it.frequency_penalty);
        }
        if self.takes(Param::PresencePenalty, it.presence_penalty.is_some()) {
            w.maybe_float("presencePenalty", it.presence_penalty);
        }
        if self.takes(Param::Logprobs, it.logprobs == Some(true)) {
            w.field_bool("responseLogprobs", true);
            if self.takes(Param::TopLogprobs, it.top_logprobs.is_some()) {
                w.maybe_int("logprobs", it.top_logprobs);
            }
        }
        let bias = it.logit_bias.is_some();
        self.losses.dropped(Param::LogitBias.name(), bias, "it is unknown there");
        match &self.it.format {
            Format::Text => {}
            Format::Json => w.field_str("responseMimeType", "application/json"),
            Format::Schema { schema, .. } => {
                w.field_str("responseMimeType", "application/json");
                w.field_raw("responseJsonSchema", schema);
            }
        }
        self.thinking(w);
        for (name, json) in self.it.extras.iter().filter(|_| self.is_own()) {
            if let Some(name) = name.strip_prefix("generationConfig.") {
                w.field_raw(name, json);
            }
        }
    }

    fn thinking(&mut self, w: &mut JsonOut<'_>) {
        let it = &self.it.reasoning;
        let summary = it.summary.as_deref();
        if (it.is_unset() && summary.is_none_or(|summary| summary == "omitted"))
            || !self.takes(Param::Reasoning, true)
        {
            return;
        }
        let level = it.effort.as_deref().filter(|_| self.is_own());
        let budget = budget(it);
        if let (Some(effort), None, None) = (&it.effort, budget, level) {
            let note = format!("the effort `{effort}` is unknown there");
            self.losses.note(Param::Reasoning.name(), LossKind::Dropped, note);
        }
        w.field_object("thinkingConfig", |w| {
            match level {
                Some(level) => w.field_str("thinkingLevel", &level.to_ascii_uppercase()),
                None => w.maybe_int("thinkingBudget", budget),
            }
            if !it.is_off() && summary != Some("omitted") {
                w.field_bool("includeThoughts", true);
            }
        });
    }

    fn tools(&mut self, w: &mut JsonOut<'_>) {
        let it = self.it;
        let own = Dialect::GeminiGenerate;
        let native = || {
            it.tools.iter().filter_map(|tool| match tool {
                Tool::Native { dialect, json, .. } if *dialect == own => Some(&**json),
                _ => None,
            })
        };
        for tool in &it.tools {
            let note = match tool {
                Tool::Native { dialect, .. } if *dialect == own => continue,
                Tool::Native { .. } => {
                    format!("`{}` is a tool of {} itself", tool.name(), it.origin)
                }
                Tool::FreeForm { name, .. } => format!("`{name}` takes free text"),
                Tool::Function(function) => {
                    let strict = function.strict == Some(true);
                    let note = "it is not promised that arguments follow the schema";
                    self.losses.dropped("tools.strict", strict, note);
                    if function.cache.is_some() {
                        self.losses.note("cache_control", LossKind::Emulated, CACHES);
                    }
                    continue;
                }
            };
            self.losses.note("tools", LossKind::Dropped, note);
        }
        let has_functions = it.functions().next().is_some();
        if has_functions || native().next().is_some() {
            w.field_array("tools", |w| {
                if has_functions {
                    w.object(|w| {
                        w.field_array("functionDeclarations", |w| {
                            for function in it.functions() {
                                w.object(|w| {
                                    w.field_str("name", &function.name);
                                    w.maybe_str("description", function.description.as_deref());
                                    let schema = function.parameters.as_deref();
                                    w.maybe_raw("parametersJsonSchema", schema);
                                });
                            }
                        });
                    });
                }
                native().for_each(|json| w.raw(json));
            });
        }
        let parallel = has_functions && it.parallel_tools == Some(false);
        let note = "the model may call several tools at once";
        self.losses.dropped(Param::ParallelTools.name(), parallel, note);
        let config = object(64, |w| self.tool_config(w, has_functions));
        if config != b"{}" {
            w.field_raw("toolConfig", &String::from_utf8_lossy(&config));
        }
    }

    fn tool_config(&mut self, w: &mut JsonOut<'_>, has_functions: bool) {
        let it = self.it;
        if let Some(choice) = it.tool_choice.as_ref().filter(|_| has_functions || self.is_own()) {
            let one;
            let (mode, names) = match choice {
                ToolChoice::Auto if self.extra(VALIDATED).is_some() => ("VALIDATED", &[][..]),
                ToolChoice::Auto => ("AUTO", &[][..]),
                ToolChoice::None => ("NONE", &[][..]),
                ToolChoice::Required => ("ANY", &[][..]),
                ToolChoice::Named(name) => {
                    one = [name.clone()];
                    ("ANY", &one[..])
                }
                ToolChoice::Allowed { names, required: true } => ("ANY", &names[..]),
                // Names are refused with AUTO.
                ToolChoice::Allowed { names, required: false } => ("VALIDATED", &names[..]),
            };
            w.field_object("functionCallingConfig", |w| {
                w.field_str("mode", mode);
                if !names.is_empty() {
                    w.field_array("allowedFunctionNames", |w| {
                        names.iter().for_each(|name| w.string(name));
                    });
                }
            });
        }
        for (name, json) in it.extras.iter().filter(|_| self.is_own()) {
            if let Some(name) = name.strip_prefix("toolConfig.").filter(|name| !name.contains('.'))
            {
                w.field_raw(name, json);
            }
        }
    }

    fn turn(&mut self, w: &mut JsonOut<'_>, turn: &Turn<'_>) {
        w.object(|w| {
            w.field_str("role", turn.role);
            w.field_array("parts", |w| turn.items.iter().for_each(|item| self.item(w, item)));
        });
    }

    fn item(&mut self, w: &mut JsonOut<'_>, item: &Item<'_>) {
        match item {
            Item::Text(text) => w.object(|w| w.field_str("text", text)),
            Item::Result(result) => w.object(|w| {
                w.field_object("functionResponse", |w| self.result(w, result));
            }),
            Item::Call { call, signature } => w.object(|w| {
                w.field_object("functionCall", |w| {
                    if !call.id.is_empty() {
                        w.field_str("id", &call.id);
                    }
                    w.field_str("name", &call.name);
                    arguments(w, call, ["input", "input"]);
                });
                w.maybe_str("thoughtSignature", signature.as_deref());
            }),
            Item::Part(part) => self.part(w, part),
        }
    }

    fn part(&mut self, w: &mut JsonOut<'_>, part: &Part<'_>) {
        if part.cache.is_some() {
            self.losses.note("cache_control", LossKind::Emulated, CACHES);
        }
        let own = part.signature.as_ref().and_then(|it| it.for_signer(Dialect::GeminiGenerate));
        match &part.body {
            Body::Text { text, .. } | Body::Refusal(text) => w.object(|w| {
                w.field_str("text", text);
                w.maybe_str("thoughtSignature", own);
            }),
            Body::Thinking { text, .. } => w.object(|w| {
                w.field_str("text", text);
                w.field_bool("thought", true);
                w.maybe_str("thoughtSignature", own);
            }),
            Body::Media(media) => self.media(w, media, own),
            Body::Native { json, .. } => w.raw(json),
            // They are items of their own.
            Body::Call(_) | Body::Result(_) => {}
        }
    }

    fn result(&mut self, w: &mut JsonOut<'_>, result: &ToolResult<'_>) {
        if !result.call.is_empty() {
            w.field_str("id", &result.call);
        }
        let name = result.name.as_deref().or_else(|| self.called.get(&*result.call).copied());
        w.field_str("name", name.unwrap_or(&result.call));
        let text = result.text();
        w.key("response");
        if result.error {
            w.object(|w| w.field_str("error", &text));
        } else if is_object(&text) {
            w.raw(&text);
        } else {
            w.object(|w| w.field_str("result", &text));
        }
        if self.is_own() && result.has_media() {
            w.field_array("parts", |w| {
                for part in &result.parts {
                    if let Body::Media(media) = &part.body {
                        self.media(w, media, None);
                    }
                }
            });
        }
    }

    fn media(&mut self, w: &mut JsonOut<'_>, media: &Media<'_>, signature: Option<&str>) {
        let own = self.is_own();
        let file = |w: &mut JsonOut<'_>, uri: &str, mime: Option<&str>| {
            w.object(|w| {
                w.field_object("fileData", |w| {
                    w.field_str("fileUri", uri);
                    w.maybe_str("mimeType", mime);
                });
                w.maybe_str("thoughtSignature", signature);
                resolution(w, media, own);
            });
        };
        match &media.source {
            Source::Base64 { mime, data } => w.object(|w| {
                w.field_object("inlineData", |w| {
                    w.field_str("mimeType", mime);
                    w.field_str("data", data);
                });
                w.maybe_str("thoughtSignature", signature);
                resolution(w, media, own);
            }),
            Source::Url { url, .. } => file(w, url, media.mime()),
            Source::File { id, dialect: Dialect::GeminiGenerate } => file(w, id, media.mime()),
            Source::Text(text) => {
                self.losses.note("document", LossKind::Emulated, "a text document is sent as text");
                w.object(|w| match &media.name {
                    Some(name) => w.field_str("text", &format!("{name}\n\n{text}")),
                    None => w.field_str("text", text),
                });
            }
            Source::File { .. } => {
                let kind = media.kind.name();
                self.losses.refuse(format!(
                    "the model's provider takes no {kind} from another provider's store"
                ));
                w.null();
            }
        }
        let detail = media.detail.as_deref().filter(|detail| *detail != "auto" && !own);
        let lost = detail.is_some() && media.kind == MediaKind::Image;
        self.losses.dropped("image.detail", lost, "it is the provider's choice there");
    }
}

/// How closely it is to be looked at, in Google's words.
fn resolution(w: &mut JsonOut<'_>, media: &Media<'_>, own: bool) {
    if let Some(detail) = media.detail.as_deref().filter(|_| own) {
        let level = format!("MEDIA_RESOLUTION_{}", detail.to_ascii_uppercase());
        w.field_object("mediaResolution", |w| w.field_str("level", &level));
    }
}

/// The tokens that may be thought: 0 for none, −1 for as many as the model sees fit.
pub(super) fn budget(reasoning: &Reasoning<'_>) -> Option<i64> {
    if reasoning.is_off() {
        return Some(0);
    }
    match reasoning.in_tokens() {
        Some(tokens) => Some(i64::try_from(tokens.0).unwrap_or(i64::MAX)),
        None => (reasoning.enabled == Some(true)).then_some(-1),
    }
}

/// The arguments of a call. They have to be an object here: others are wrapped, under the first
/// name where they should be JSON, under the second where the tool takes free text.
pub(super) fn arguments(w: &mut JsonOut<'_>, call: &ToolCall<'_>, names: [&str; 2]) {
    let [broken, free] = names;
    match &*call.arguments {
        text if call.free_form => w.field_object("args", |w| w.field_str(free, text)),
        text if text.trim().is_empty() => w.field_object("args", |_| {}),
        text if is_object(text) => w.field_raw("args", text),
        text => w.field_object("args", |w| w.field_str(broken, text)),
    }
}

/// Whether a text is one JSON object.
pub(super) fn is_object(text: &str) -> bool {
    Scanner::new(text).kind() == Ok(Kind::Object) && json::is_valid(text)
}
