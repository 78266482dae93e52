//! From the neutral form to a request.

use std::borrow::Cow;

use super::content::{Blocks, cache};
use super::marks::Marks;
use super::thinking::{FORCED, Model, Plan, THOUGHTLESS};
use super::turns::{Turn, Turns, is_thoughtless};
use super::{OWN, VERSION, VERTEX_VERSION};
use crate::dialect::conversation::{Conversation, Format, Function, Tool, ToolChoice};
use crate::dialect::edits::{Encoded, LossKind, Param};
use crate::dialect::json::{Kind, Scanner};
use crate::dialect::losses::Losses;
use crate::dialect::passage::Inexpressible;
use crate::dialect::quirks::Quirks;
use crate::dialect::write::{JsonOut, object};

/// What a model is told where any JSON object is wanted: there is no switch for that without a
/// schema.
const JSON_ONLY: &str = "Answer with a single valid JSON object and nothing else: no other words, \
                         no code fence.";

/// Writes a request for a provider with these quirks.
///
/// # Errors
/// When it speaks of something that this dialect cannot carry.
pub(super) fn encode(
    conversation: &Conversation<'_>,
    quirks: &Quirks,
) -> Result<Encoded, Inexpressible> {
    let exact = conversation.origin == OWN;
    let mut losses = Losses::default();
    let (system, messages) = Turns::new(quirks, &mut losses, exact).of(conversation);
    let pieces = || system.iter().chain(messages.iter().flat_map(|turn| &turn.pieces));
    let marks = Marks::of(conversation.functions(), pieces(), &mut losses);
    let mut encoder = Encoder { it: conversation, quirks, exact, losses, marks: &marks };
    let blocks = Blocks::of(conversation, &marks);
    let body = object(4096, |w| {
        match quirks.model_in_path {
            true => w.field_str(VERSION, VERTEX_VERSION),
            false => w.field_str("model", &conversation.model),
        }
        let plan = encoder.plan(&messages);
        w.field_int("max_tokens", plan.max_tokens);
        let json_only = conversation.format == Format::Json;
        if !system.is_empty() && !json_only {
            blocks.content(w, "system", &system);
        } else if json_only {
            blocks.content_and(w, "system", &system, JSON_ONLY);
            encoder.losses.note(
                "format",
                LossKind::Emulated,
                "the model is asked for JSON in words",
            );
        }
        w.field_array("messages", |w| {
            for turn in &messages {
                w.object(|w| {
                    w.field_str("role", turn.role);
                    blocks.content(w, "content", &turn.pieces);
                });
            }
        });
        if conversation.stream {
            w.field_bool("stream", true);
        }
        encoder.sampling(w, &plan);
        if let Some(thinking) = &plan.thinking {
            plan.write(w.key("thinking"), thinking);
        }
        encoder.output_config(w, &plan);
        encoder.tools(w);
        encoder.others(w);
    });
    encoder.losses.encoded(body)
}

struct Encoder<'c> {
    it: &'c Conversation<'c>,
    quirks: &'c Quirks,
    exact: bool,
    losses: Losses,
    marks: &'c Marks,
}

impl<'c> Encoder<'c> {
    /// Whether the provider takes a parameter; notes the loss where it does not.
    fn takes(&mut self, param: Param, given: bool) -> bool {
        self.losses.takes(self.quirks, param, given)
    }

    fn lose(&mut self, param: Param, given: bool, note: &str) {
        self.losses.dropped(param.name(), given, note);
    }

    fn plan(&mut self, turns: &[Turn<'_>]) -> Plan<'c> {
        let it = self.it;
        let most = it.sampling.max_output;
        if self.exact {
            return Plan::as_it_is(&it.reasoning, most);
        }
        let forced = matches!(
            it.tool_choice,
            Some(
                ToolChoice::Required
                    | ToolChoice::Named(_)
                    | ToolChoice::Allowed { required: true, .. }
            )
        );
        let hindrance =
            if forced { Some(FORCED) } else { is_thoughtless(turns).then_some(THOUGHTLESS) };
        let model = Model::of(&it.model);
        let plan = Plan::of(&it.reasoning, model, (most, it.longest), hindrance, &mut self.losses);
        match self.takes(Param::Reasoning, !it.reasoning.is_unset()) {
            true => plan,
            false => Plan { max_tokens: plan.max_tokens, ..Plan::default() },
        }
    }

    fn sampling(&mut self, w: &mut JsonOut<'_>, plan: &Plan<'_>) {
        let it = self.it;
        let sampling = &it.sampling;
        let (temperature, top_p, top_k) = match self.exact {
            true => (sampling.temperature, sampling.top_p, sampling.top_k),
            false => self.sampled(plan),
        };
        w.maybe_float("temperature", temperature);
        w.maybe_float("top_p", top_p);
        w.maybe_int("top_k", top_k);
        if self.takes(Param::Stop, !sampling.stop.is_empty()) {
            // A blank one is refused.
            let stops = || sampling.stop.iter().filter(|stop| !stop.trim().is_empty());
            if stops().count() < sampling.stop.len() {
                self.losses.note(
                    "stop",
                    LossKind::Dropped,
                    "a blank stop sequence is refused there",
                );
            }
            if stops().next().is_some() {
                w.field_array("stop_sequences", |w| stops().for_each(|stop| w.string(stop)));
            }
        }
        let unknown = "it is unknown there";
        self.lose(Param::Seed, sampling.seed.is_some(), unknown);
        self.lose(Param::N, sampling.n.is_some_and(|n| n > 1), "there is always one answer there");
        self.lose(
            Param::FrequencyPenalty,
            sampling.frequency_penalty.is_some_and(not_zero),
            unknown,
        );
        self.lose(Param::PresencePenalty, sampling.presence_penalty.is_some_and(not_zero), unknown);
        self.lose(Param::Logprobs, sampling.logprobs == Some(true), unknown);
        self.lose(Param::LogitBias, sampling.logit_bias.is_some(), unknown);
    }

    /// Temperature, nucleus and rank, as far as the model takes them.
    fn sampled(&mut self, plan: &Plan<'_>) -> (Option<f64>, Option<f64>, Option<u64>) {
        let sampling = &self.it.sampling;
        let temperature = sampling
            .temperature
            .filter(|_| self.takes(Param::Temperature, sampling.temperature.is_some()));
        let top_p = sampling.top_p.filter(|_| self.takes(Param::TopP, sampling.top_p.is_some()));
        let top_k = sampling.top_k.filter(|_| self.takes(Param::TopK, sampling.top_k.is_some()));
        // What is the default anyway needs not be said, and is refused by some beside the other.
        let temperature = temperature.filter(|value| *value != 1.0);
        let top_p = top_p.filter(|value| *value < 1.0);
        if !Model::of(&self.it.model).is_sampled() {
            let note = "the model takes no such parameter";
            self.lose(Param::Temperature, temperature.is_some(), note);
            self.lose(Param::TopP, top_p.is_some(), note);
            self.lose(Param::TopK, top_k.is_some(), note);
            return (None, None, None);
        }
        if plan.thinks() {
            let note = "it does not go together with thinking";
            self.lose(Param::Temperature, temperature.is_some(), note);
            self.lose(Param::TopP, top_p.is_some_and(|value| value < 0.95), note);
            self.lose(Param::TopK, top_k.is_some(), note);
            return (None, top_p.filter(|value| *value >= 0.95), None);
        }
        let highest = self.quirks.max_temperature.map_or(1.0, |most| f64::from(most) / 100.0);
        let clamped = temperature.map(|wanted| wanted.clamp(0.0, highest.min(1.0)));
        if let (Some(wanted), Some(given)) = (temperature, clamped)
            && wanted != given
        {
            self.losses.note("temperature", LossKind::Clamped, format!("{wanted} to {given}"));
        }
        // Newer models refuse both at once.
        let both = temperature.is_some() && top_p.is_some();
        self.lose(Param::TopP, both, "it does not go together with a temperature");
        (clamped, top_p.filter(|_| !both), top_k)
    }

    fn output_config(&mut self, w: &mut JsonOut<'_>, plan: &Plan<'_>) {
        let it = self.it;
        let prefix = "output_config.";
        let extras = || {
            it.extras
                .iter()
                .filter(|_| self.exact)
                .filter_map(move |(name, json)| Some((name.strip_prefix(prefix)?, json)))
        };
        let schema = match &it.format {
            Format::Schema { schema, .. } => Some(schema),
            _ => None,
        };
        if plan.effort.is_none() && schema.is_none() && extras().next().is_none() {
            return;
        }
        w.field_object("output_config", |w| {
            w.maybe_str("effort", plan.effort.as_deref());
            if let Some(schema) = schema {
                w.field_object("format", |w| {
                    w.field_str("type", "json_schema");
                    w.field_raw("schema", schema);
                });
            }
            extras().for_each(|(name, json)| w.field_raw(name, json));
        });
    }

    fn tools(&mut self, w: &mut JsonOut<'_>) {
        let it = self.it;
        let allowed = match &it.tool_choice {
            Some(ToolChoice::Allowed { names, .. }) => {
                let note = "only the tools that are allowed are offered";
                self.losses.note("tool_choice", LossKind::Emulated, note);
                Some(names)
            }
            _ => None,
        };
        let mut sent = Vec::new();
        for tool in &it.tools {
            if allowed.is_some_and(|names| !names.iter().any(|name| name == tool.name())) {
                continue;
            }
            match tool {
                Tool::Native { dialect, name, .. } if *dialect != OWN => {
                    let note = format!("`{name}` is a tool of {dialect} itself");
                    self.losses.note("tools", LossKind::Dropped, note);
                }
                Tool::FreeForm { name, .. } => {
                    let note = format!("`{name}` takes its text as the argument `input`");
                    self.losses.note("tools", LossKind::Emulated, note);
                    sent.push(tool);
                }
                tool => sent.push(tool),
            }
        }
        if sent.is_empty() {
            return;
        }
        w.field_array("tools", |w| sent.iter().for_each(|tool| self.tool(w, tool)));
        let parallel = it.parallel_tools;
        let serial =
            self.takes(Param::ParallelTools, parallel.is_some()) && parallel == Some(false);
        let (kind, name) = match &it.tool_choice {
            None if serial => ("auto", None),
            None => return,
            Some(ToolChoice::Auto | ToolChoice::Allowed { required: false, .. }) => ("auto", None),
            Some(ToolChoice::None) => ("none", None),
            Some(ToolChoice::Required | ToolChoice::Allowed { required: true, .. }) => {
                ("any", None)
            }
            Some(ToolChoice::Named(name)) => ("tool", Some(name)),
        };
        w.field_object("tool_choice", |w| {
            w.field_str("type", kind);
            w.maybe_str("name", name.map(|name| &**name));
            if serial && kind != "none" {
                w.field_bool("disable_parallel_tool_use", true);
            }
        });
    }

    fn tool(&self, w: &mut JsonOut<'_>, tool: &Tool<'_>) {
        match tool {
            Tool::Function(Function { name, description, parameters, strict, cache: mark }) => {
                w.object(|w| {
                    w.field_str("name", name);
                    w.maybe_str("description", description.as_deref());
                    match parameters.as_deref().filter(|_| self.exact) {
                        Some(parameters) => w.field_raw("input_schema", parameters),
                        None => w.field_raw("input_schema", &schema(parameters.as_deref())),
                    }
                    w.maybe_bool("strict", strict.filter(|strict| *strict || self.exact));
                    let prefix = format!("tools.{name}.");
                    for (name, json) in self.it.extras.iter().filter(|_| self.exact) {
                        if let Some(name) = name.strip_prefix(&*prefix) {
                            w.field_raw(name, json);
                        }
                    }
                    cache(w, self.marks.tool(*mark));
                });
            }
            Tool::FreeForm { name, description, format } => w.object(|w| {
                w.field_str("name", name);
                let grammar = format.as_deref().map(|it| format!("The format of `input`: {it}"));
                let words: Vec<&str> =
                    description.as_deref().into_iter().chain(grammar.as_deref()).collect();
                if !words.is_empty() {
                    w.field_str("description", &words.join("\n\n"));
                }
                w.field_raw(
                    "input_schema",
                    r#"{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}"#,
                );
            }),
            Tool::Native { json, .. } => w.raw(json),
        }
    }

    fn others(&mut self, w: &mut JsonOut<'_>) {
        let it = self.it;
        match (&it.metadata, self.exact) {
            (Some(metadata), true) => w.field_raw("metadata", metadata),
            (metadata, _) => {
                if metadata.is_some() {
                    let note = "it has room for the user alone there";
                    self.losses.note("metadata", LossKind::Dropped, note);
                }
                if self.takes(Param::User, it.user.is_some()) {
                    w.field_object("metadata", |w| w.maybe_str("user_id", it.user.as_deref()));
                }
            }
        }
        if self.takes(Param::ServiceTier, it.service_tier.is_some()) {
            self.service_tier(w);
        }
        self.lose(Param::Store, it.store == Some(true), "answers are not stored there");
        for (name, given) in [
            ("prompt_cache_key", it.cache_key.is_some()),
            ("audio", it.audio.is_some()),
            ("safety_settings", it.safety.is_some()),
        ] {
            if given {
                self.losses.note(name, LossKind::Dropped, "it is unknown there");
            }
        }
        for (name, json) in &it.extras {
            if !self.exact {
                self.losses.note(name.to_string(), LossKind::Dropped, "it is unknown there");
            } else if !(name.contains('.') || self.quirks.model_in_path && name == VERSION) {
                w.field_raw(name, json);
            }
        }
    }

    fn service_tier(&mut self, w: &mut JsonOut<'_>) {
        let Some(tier) = self.it.service_tier.as_deref() else { return };
        let (sent, note) = match tier {
            "auto" | "standard_only" => (tier, None),
            "default" | "standard" => ("standard_only", None),
            // Priority is given to those who bought it, and to them always.
            "priority" => ("auto", Some("`priority` is sent as `auto`")),
            _ => {
                let note = format!("`{tier}` is unknown there");
                return self.losses.note("service_tier", LossKind::Dropped, note);
            }
        };
        w.field_str("service_tier", sent);
        if let Some(note) = note {
            self.losses.note("service_tier", LossKind::Emulated, note);
        }
    }
}

fn not_zero(value: f64) -> bool {
    value != 0.0
}

/// A schema of arguments: it has to be there, and to say that they are an object.
fn schema(parameters: Option<&str>) -> Cow<'_, str> {
    let Some(json) = parameters else {
        return Cow::Borrowed(r#"{"type":"object","properties":{}}"#);
    };
    let (mut typed, mut any) = (false, false);
    let mut scanner = Scanner::new(json);
    let scanned = scanner.object(|_, key| {
        any = true;
        typed |= key.raw == "type";
        Ok::<(), crate::dialect::json::JsonError>(())
    });
    if typed || scanned.is_err() || Scanner::new(json).kind() != Ok(Kind::Object) {
        return Cow::Borrowed(json);
    }
    let comma = if any { "," } else { "" };
    let inside = json.trim_start().strip_prefix('{').unwrap_or("}");
    Cow::Owned(format!(r#"{{"type":"object"{comma}{inside}"#))
}
