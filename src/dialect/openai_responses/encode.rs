//! From the neutral form to a request.

use std::borrow::Cow;

use super::decode::is_note;
use super::request::LOGPROBS;
use crate::dialect::Dialect;
use crate::dialect::conversation::{
    Conversation, Format, Function, Message, Role, Tool, ToolChoice,
};
use crate::dialect::edits::{Encoded, Loss, LossKind, Param};
use crate::dialect::json::{JsonError, Kind, Scanner};
use crate::dialect::part::{Body, Part};
use crate::dialect::passage::Inexpressible;
use crate::dialect::quirks::Quirks;
use crate::dialect::write::{JsonOut, object};

/// OpenAI refuses lower limits on the answer's length.
const LEAST_OUTPUT: u64 = 16;

/// Writes a request for a provider with these quirks.
///
/// # Errors
/// When it speaks of something that this dialect cannot carry.
pub(super) fn encode(
    conversation: &Conversation<'_>,
    quirks: &Quirks,
) -> Result<Encoded, Inexpressible> {
    let mut encoder = Encoder { conversation, quirks, losses: Vec::new(), impossible: None };
    if conversation.audio.is_some() {
        encoder.impossible = Some("the model's provider answers in no sound".to_owned());
    }
    let body = object(4096, |w| encoder.request(w));
    match encoder.impossible {
        Some(what) => Err(Inexpressible::new(what)),
        None => Ok(Encoded { body: body.into(), losses: encoder.losses }),
    }
}

pub(super) struct Encoder<'c> {
    pub(super) conversation: &'c Conversation<'c>,
    pub(super) quirks: &'c Quirks,
    losses: Vec<Loss>,
    pub(super) impossible: Option<String>,
}

impl<'c> Encoder<'c> {
    pub(super) fn lose(
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

    /// Whether the request came in this dialect: then what only it knows can be kept.
    fn is_own(&self) -> bool {
        self.conversation.origin == Dialect::OpenAiResponses
    }

    /// Whether answers are stored: never unless the client asks.
    pub(super) fn stores(&self) -> bool {
        self.conversation.store == Some(true) && !self.quirks.unsupported.contains(&Param::Store)
    }

    fn request(&mut self, w: &mut JsonOut<'_>) {
        let it = self.conversation;
        w.field_str("model", &it.model);
        let messages = self.instructions(w);
        w.field_array("input", |w| {
            messages.iter().for_each(|message| self.message(w, message));
        });
        if it.stream {
            w.field_bool("stream", true);
        }
        self.sampling(w);
        self.reasoning(w);
        self.text(w);
        self.tools(w);
        if self.takes(Param::User, it.user.is_some()) {
            w.maybe_str("user", it.user.as_deref());
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
        if self.takes(Param::Store, it.store == Some(true)) {
            w.field_bool("store", true);
        } else if !self.quirks.unsupported.contains(&Param::Store) {
            // The default would be to store.
            w.field_bool("store", false);
        }
        self.include(w);
        if let Some(metadata) = &it.metadata {
            w.field_raw("metadata", metadata);
        }
        if it.safety.is_some() {
            self.lose("safety_settings", LossKind::Dropped, "there are none there");
        }
        for (name, json) in &it.extras {
            // Those are written in places of their own.
            let placed = match &**name {
                "verbosity" => matches!(it.origin, Dialect::OpenAiResponses | Dialect::OpenAiChat),
                "include" => self.is_own(),
                name => self.is_own() && is_note(name),
            };
            if placed {
                continue;
            }
            match self.is_own() {
                true => w.field_raw(name, json),
                false => {
                    self.lose(name.to_string(), LossKind::Dropped, "it is unknown there");
                }
            }
        }
    }

    /// All system text in front of everything else; gives the messages that follow it.
    fn instructions(&self, w: &mut JsonOut<'_>) -> &'c [Message<'c>] {
        let messages = &self.conversation.messages;
        let plain = |message: &&Message<'_>| {
            message.role == Role::System
                && message.parts.iter().all(|part| matches!(part.body, Body::Text { .. }))
        };
        let leading = messages.iter().take_while(plain).count();
        if leading == messages.len() {
            // Something has to be left as the input.
            return messages;
        }
        let mut text = String::new();
        for part in messages[..leading].iter().flat_map(|message| &message.parts) {
            let next = part.main_text();
            // Blank lines between them, unless there are already.
            if !text.is_empty() && !text.ends_with('\n') && !next.starts_with('\n') {
                text.push_str("\n\n");
            }
            text.push_str(next);
        }
        if !text.is_empty() {
            w.field_str("instructions", &text);
        }
        &messages[leading..]
    }

    fn sampling(&mut self, w: &mut JsonOut<'_>) {
        let it = &self.conversation.sampling;
        if let Some(wanted) = it.max_output {
            let given = wanted.0.max(LEAST_OUTPUT);
            if given > wanted.0 {
                self.lose(
                    Param::MaxOutput.name(),
                    LossKind::Clamped,
                    format!("{wanted} to {given}"),
                );
            }
            w.field_int("max_output_tokens", given);
        }
        if let Some(wanted) = it.temperature {
            let limit = self.quirks.max_temperature.map(|hundredths| f64::from(hundredths) / 100.0);
            let given = limit.map_or(wanted, |limit| wanted.min(limit));
            if given < wanted {
                self.lose("temperature", LossKind::Clamped, format!("{wanted} to {given}"));
            }
            w.field_float("temperature", given);
        }
        w.maybe_float("top_p", it.top_p);
        let unknown = [
            (Param::TopK, it.top_k.is_some()),
            (Param::N, it.n.is_some_and(|n| n != 1)),
            (Param::Seed, it.seed.is_some()),
            (Param::Stop, !it.stop.is_empty()),
            (Param::FrequencyPenalty, it.frequency_penalty.is_some_and(|penalty| penalty != 0.0)),
            (Param::PresencePenalty, it.presence_penalty.is_some_and(|penalty| penalty != 0.0)),
            (Param::LogitBias, it.logit_bias.as_deref().is_some_and(|bias| bias != "{}")),
        ];
        for (param, given) in unknown {
            if given {
                self.lose(param.name(), LossKind::Dropped, "it is unknown there");
            }
        }
        if self.takes(Param::Logprobs, it.logprobs == Some(true))
            && self.takes(Param::TopLogprobs, it.top_logprobs.is_some())
        {
            w.maybe_int("top_logprobs", it.top_logprobs);
        }
    }

    fn reasoning(&mut self, w: &mut JsonOut<'_>) {
        let it = self.conversation;
        let words = it.reasoning.in_words();
        if words.is_none() && it.reasoning.enabled == Some(true) {
            self.lose("reasoning", LossKind::Dropped, "it is the model's own choice there");
        }
        if let (Some(budget), None, Some(words)) =
            (it.reasoning.budget, &it.reasoning.effort, &words)
        {
            let note = format!("a budget of {budget} tokens is sent as the effort `{words}`");
            self.lose("reasoning.budget", LossKind::Emulated, note);
        }
        let summary = it.reasoning.summary.as_deref().filter(|summary| *summary != "omitted");
        let others = || {
            let own = self.is_own();
            it.extras.iter().filter_map(move |(name, json)| {
                Some((name.strip_prefix("reasoning.").filter(|_| own)?, json))
            })
        };
        let given = words.is_some() || summary.is_some() || others().next().is_some();
        if given && !self.quirks.unsupported.contains(&Param::Reasoning) {
            w.field_object("reasoning", |w| {
                w.maybe_str("effort", words.as_deref());
                w.maybe_str("summary", summary);
                others().for_each(|(name, json)| w.field_raw(name, json));
            });
        }
        let _ = self.takes(Param::Reasoning, given);
    }

    fn text(&mut self, w: &mut JsonOut<'_>) {
        let it = self.conversation;
        let openai = matches!(it.origin, Dialect::OpenAiResponses | Dialect::OpenAiChat);
        let verbosity = it.extras.iter().find(|(name, _)| openai && name == "verbosity");
        if it.format == Format::Text && verbosity.is_none() {
            return;
        }
        w.field_object("text", |w| {
            match &it.format {
                Format::Text => {}
                Format::Json => w.field_object("format", |w| w.field_str("type", "json_object")),
                Format::Schema { name, description, schema, strict } => {
                    w.field_object("format", |w| {
                        w.field_str("type", "json_schema");
                        // A name has to be there.
                        w.field_str("name", name.as_deref().unwrap_or("answer"));
                        w.maybe_str("description", description.as_deref());
                        w.field_raw("schema", schema);
                        w.maybe_bool("strict", *strict);
                    });
                }
            }
            w.maybe_raw("verbosity", verbosity.map(|(_, json)| &**json));
        });
    }

    /// Whether the model is likely to think. Others may refuse to be asked for what they thought.
    fn thinks(&self) -> bool {
        let it = self.conversation;
        let thought = |part: &Part<'_>| matches!(part.body, Body::Thinking { .. });
        let wanted =
            !it.reasoning.is_off() && (!it.reasoning.is_unset() || it.reasoning.summary.is_some());
        wanted
            || is_thinker(&it.model)
            || it.messages.iter().any(|message| message.parts.iter().any(thought))
    }

    /// Log probabilities where they are wanted; encrypted thinking where nothing is stored, so that
    /// it can come back; and what the client asked for itself.
    fn include(&mut self, w: &mut JsonOut<'_>) {
        let it = self.conversation;
        let mut includes: Vec<&str> = Vec::new();
        if it.sampling.logprobs == Some(true) && !self.quirks.unsupported.contains(&Param::Logprobs)
        {
            includes.push(LOGPROBS);
        }
        let can_say = !self.quirks.unsupported.contains(&Param::Store)
            && !self.quirks.unsupported.contains(&Param::Reasoning);
        if can_say && !self.stores() && self.thinks() {
            includes.push("reasoning.encrypted_content");
        }
        let asked = it.extras.iter().find(|(name, _)| self.is_own() && name == "include");
        if includes.is_empty() && asked.is_none() {
            return;
        }
        w.field_array("include", |w| {
            includes.iter().for_each(|include| w.string(include));
            if let Some((_, json)) = asked {
                // It was read once already.
                let _ = Scanner::new(json).array(|scanner, _| {
                    w.raw(scanner.raw()?);
                    Ok::<(), JsonError>(())
                });
            }
        });
    }

    fn tools(&mut self, w: &mut JsonOut<'_>) {
        let it = self.conversation;
        let sendable = |tool: &&Tool<'_>| match tool {
            Tool::Function(_) | Tool::FreeForm { .. } => true,
            Tool::Native { dialect, .. } => *dialect == Dialect::OpenAiResponses,
        };
        for tool in it.tools.iter().filter(|tool| !sendable(tool)) {
            let note = format!("`{}` is a tool of {} itself", tool.name(), it.origin);
            self.lose("tools", LossKind::Dropped, note);
        }
        if !it.tools.iter().any(|tool| sendable(&tool)) {
            return;
        }
        let own = self.is_own();
        w.field_array("tools", |w| {
            it.tools.iter().filter(sendable).for_each(|tool| write_tool(w, tool, own));
        });
        match &it.tool_choice {
            None => {}
            Some(ToolChoice::Auto) => w.field_str("tool_choice", "auto"),
            Some(ToolChoice::None) => w.field_str("tool_choice", "none"),
            Some(ToolChoice::Required) => w.field_str("tool_choice", "required"),
            Some(ToolChoice::Named(name)) => {
                w.field_object("tool_choice", |w| self.named(w, name));
            }
            Some(ToolChoice::Allowed { names, required }) => w.field_object("tool_choice", |w| {
                w.field_str("type", "allowed_tools");
                w.field_str("mode", if *required { "required" } else { "auto" });
                w.field_array("tools", |w| {
                    names.iter().for_each(|name| w.object(|w| self.named(w, name)));
                });
            }),
        }
        if self.takes(Param::ParallelTools, it.parallel_tools.is_some()) {
            w.maybe_bool("parallel_tool_calls", it.parallel_tools);
        }
    }

    fn named(&self, w: &mut JsonOut<'_>, wanted: &str) {
        let free_form =
            |tool: &Tool<'_>| matches!(tool, Tool::FreeForm { name, .. } if name == wanted);
        let custom = self.conversation.tools.iter().any(free_form);
        w.field_str("type", if custom { "custom" } else { "function" });
        w.field_str("name", wanted);
    }
}

/// Whether a model thinks, by its name: OpenAI's o-series, GPT-5 and what follows it, and the open
/// models. The chat versions of GPT-5 do not.
fn is_thinker(model: &str) -> bool {
    let name = model.rsplit('/').next().unwrap_or(model);
    let number = |rest: &str| {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest[..end].parse::<u32>().ok()
    };
    let begins = |start: &str| name.strip_prefix(start);
    begins("o").and_then(number).is_some()
        || begins("gpt-oss").is_some()
        || begins("codex").is_some()
        || begins("gpt-").and_then(number).is_some_and(|number| number >= 5)
            && !name.contains("-chat")
}

/// `own`: what is unsaid means what it means in this dialect.
fn write_tool(w: &mut JsonOut<'_>, tool: &Tool<'_>, own: bool) {
    match tool {
        Tool::Function(Function { name, description, parameters, strict, .. }) => w.object(|w| {
            w.field_str("type", "function");
            w.field_str("name", name);
            w.maybe_str("description", description.as_deref());
            w.field_raw(
                "parameters",
                parameters.as_deref().unwrap_or(r#"{"type":"object","properties":{}}"#),
            );
            // Here alone unsaid means strict, which few schemas are made for.
            w.maybe_bool("strict", strict.or((!own).then_some(false)));
        }),
        Tool::FreeForm { name, description, format } => w.object(|w| {
            w.field_str("type", "custom");
            w.field_str("name", name);
            w.maybe_str("description", description.as_deref());
            if let Some(format) = format {
                w.field_raw("format", &grammar(format));
            }
        }),
        Tool::Native { json, .. } => w.raw(json),
    }
}

/// The form of free text: the grammar that is an object of its own in `openai.chat` lies flat here.
fn grammar(json: &str) -> Cow<'_, str> {
    let mut inner = None;
    let scanned = Scanner::new(json).object(|scanner, key| {
        if key.raw == "grammar" && scanner.kind()? == Kind::Object {
            inner = Some(scanner.raw()?);
        }
        Ok::<(), JsonError>(())
    });
    let inner = inner.filter(|_| scanned.is_ok()).and_then(|it| it.trim().strip_prefix('{'));
    match inner {
        Some(rest) if rest.trim() != "}" => Cow::Owned(format!(r#"{{"type":"grammar",{rest}"#)),
        _ => Cow::Borrowed(json),
    }
}
