//! From the neutral form to a request.

use crate::dialect::Dialect;
use crate::dialect::conversation::{
    Conversation, Format, Function, Message, Role, Tool, ToolChoice,
};
use crate::dialect::edits::{Encoded, LossKind, Param};
use crate::dialect::losses::{Losses, NO_PARAMETERS};
use crate::dialect::part::{Body, Media, MediaKind, Part, Source, Text, joined};
use crate::dialect::passage::Inexpressible;
use crate::dialect::quirks::Quirks;
use crate::dialect::write::{JsonOut, object};

/// Fields of Cohere's own that a client of another dialect may send along.
const OWN: [&str; 4] = ["documents", "citation_options", "safety_mode", "priority"];
/// The most stop sequences it takes.
const MAX_STOPS: usize = 5;

/// Writes a request.
///
/// # Errors
/// When it speaks of media other than images.
pub(super) fn encode(it: &Conversation<'_>, quirks: &Quirks) -> Result<Encoded, Inexpressible> {
    let mut encoder = Encoder { it, quirks, losses: Losses::default() };
    let body = object(4096, |w| encoder.request(w));
    encoder.losses.encoded(body)
}

struct Encoder<'c> {
    it: &'c Conversation<'c>,
    quirks: &'c Quirks,
    losses: Losses,
}

impl Encoder<'_> {
    fn request(&mut self, w: &mut JsonOut<'_>) {
        let it = self.it;
        let tools = self.losses.tools(it, Dialect::CohereChat, false);
        // It takes no format together with tools.
        let instruction = match tools.is_empty() {
            true => None,
            false => self.losses.format_in_words(&it.format),
        };
        w.field_str("model", &it.model);
        w.field_bool("stream", it.stream);
        w.field_array("messages", |w| {
            if let Some(instruction) = instruction {
                w.object(|w| {
                    w.field_str("role", "system");
                    w.field_str("content", &instruction);
                });
            }
            it.messages.iter().for_each(|message| self.message(w, message));
        });
        if tools.is_empty() {
            match &it.format {
                Format::Text => {}
                Format::Json => {
                    w.field_object("response_format", |w| w.field_str("type", "json_object"));
                }
                Format::Schema { schema, .. } => w.field_object("response_format", |w| {
                    w.field_str("type", "json_object");
                    w.field_raw("json_schema", schema);
                }),
            }
        } else {
            self.tools(w, &tools);
        }
        self.sampling(w);
        self.reasoning(w);
        for (name, json) in it.extras.iter().filter(|(name, _)| OWN.contains(&&**name)) {
            w.field_raw(name, json);
        }
        self.losses.uncommon(it, &OWN);
        let parts = || it.messages.iter().flat_map(|message| &message.parts);
        self.losses.unknown(&[
            (Param::ServiceTier.name(), it.service_tier.is_some()),
            (Param::TopLogprobs.name(), it.sampling.top_logprobs.is_some_and(|top| top > 0)),
            ("cache_control", parts().any(|part| part.cache.is_some())),
        ]);
    }

    fn tools(&mut self, w: &mut JsonOut<'_>, tools: &[&Tool<'_>]) {
        w.field_array("tools", |w| {
            for tool in tools {
                match tool {
                    Tool::Function(function) => write_function(w, function),
                    Tool::Native { json, .. } => w.raw(json),
                    Tool::FreeForm { .. } => {}
                }
            }
        });
        // It is one word for all of them.
        let strict =
            |tool: &&&Tool<'_>| matches!(tool, Tool::Function(it) if it.strict == Some(true));
        match tools.iter().filter(strict).count() {
            0 => {}
            count if count == tools.len() => w.field_bool("strict_tools", true),
            _ => {
                let note = "not all of the tools are strict";
                self.losses.note("tools.strict", LossKind::Dropped, note);
            }
        }
        // `auto` has no word.
        match &self.it.tool_choice {
            Some(
                ToolChoice::Required
                | ToolChoice::Named(_)
                | ToolChoice::Allowed { required: true, .. },
            ) => w.field_str("tool_choice", "REQUIRED"),
            Some(ToolChoice::None) => w.field_str("tool_choice", "NONE"),
            None | Some(ToolChoice::Auto | ToolChoice::Allowed { .. }) => {}
        }
    }

    fn sampling(&mut self, w: &mut JsonOut<'_>) {
        let (it, quirks, losses) = (&self.it.sampling, self.quirks, &mut self.losses);
        let hottest = quirks.max_temperature.map_or(f64::MAX, |limit| f64::from(limit) / 100.0);
        w.maybe_int("max_tokens", it.max_output.map(|tokens| tokens.0));
        let warmth = losses.within(quirks, Param::Temperature, it.temperature, (0.0, hottest));
        w.maybe_float("temperature", warmth);
        w.maybe_float("p", losses.within(quirks, Param::TopP, it.top_p, (0.01, 0.99)));
        // Above 500 it is refused.
        let top = losses.taken(quirks, Param::TopK, it.top_k);
        if let Some(top) = top.filter(|top| *top > 500) {
            losses.note(Param::TopK.name(), LossKind::Clamped, format!("{top} to 500"));
        }
        w.maybe_int("k", top.map(|top| top.min(500)));
        match losses.taken(quirks, Param::Seed, it.seed) {
            Some(seed) if seed < 0 => {
                losses.note(Param::Seed.name(), LossKind::Dropped, "it is not negative there");
            }
            seed => w.maybe_int("seed", seed),
        }
        if !it.stop.is_empty() {
            if it.stop.len() > MAX_STOPS {
                let note = format!("it takes {MAX_STOPS} of them");
                losses.note(Param::Stop.name(), LossKind::Clamped, note);
            }
            w.field_array("stop_sequences", |w| {
                it.stop.iter().take(MAX_STOPS).for_each(|stop| w.string(stop));
            });
        }
        for (name, param, penalty) in [
            ("frequency_penalty", Param::FrequencyPenalty, it.frequency_penalty),
            ("presence_penalty", Param::PresencePenalty, it.presence_penalty),
        ] {
            w.maybe_float(name, losses.within(quirks, param, penalty, (0.0, 1.0)));
        }
        let wanted = it.logprobs.filter(|wanted| *wanted);
        w.maybe_bool("logprobs", losses.taken(quirks, Param::Logprobs, wanted));
    }

    fn reasoning(&mut self, w: &mut JsonOut<'_>) {
        let it = &self.it.reasoning;
        if it.is_unset() || self.losses.taken(self.quirks, Param::Reasoning, Some(())).is_none() {
            return;
        }
        w.field_object("thinking", |w| {
            if it.is_off() {
                return w.field_str("type", "disabled");
            }
            w.field_str("type", "enabled");
            let budget = it.in_tokens();
            if let (Some(effort), None) = (&it.effort, it.budget) {
                let note = match budget {
                    Some(budget) => {
                        format!("the effort `{effort}` is sent as a budget of {budget} tokens")
                    }
                    None => format!("the effort `{effort}` is left to the model"),
                };
                self.losses.note("reasoning", LossKind::Emulated, note);
            }
            w.maybe_int("token_budget", budget.map(|tokens| tokens.0));
        });
    }

    fn message(&mut self, w: &mut JsonOut<'_>, message: &Message<'_>) {
        match message.role {
            Role::System => {
                let text = joined(message.parts.iter().map(Part::main_text));
                if !text.is_empty() {
                    w.object(|w| {
                        w.field_str("role", "system");
                        w.field_str("content", &text);
                    });
                }
            }
            Role::Assistant => self.assistant(w, &message.parts),
            Role::User | Role::Tool => self.user(w, &message.parts),
        }
    }

    /// Results of tools are messages of their own; what else was said follows them, and so do the
    /// images that a tool returned.
    fn user(&mut self, w: &mut JsonOut<'_>, parts: &[Part<'_>]) {
        let mut rest: Vec<&Part<'_>> = Vec::new();
        for part in parts {
            let Body::Result(result) = &part.body else {
                rest.push(part);
                continue;
            };
            w.object(|w| {
                w.field_str("role", "tool");
                w.field_str("tool_call_id", &result.call);
                w.field_str("content", &self.losses.result_text(result));
            });
            if result.has_media() {
                let note = "images of a tool's result are sent in a message of their own";
                self.losses.note("tool_result.media", LossKind::Emulated, note);
                let media = |part: &&Part<'_>| !matches!(part.body, Body::Text { .. });
                rest.extend(result.parts.iter().filter(media));
            }
        }
        match rest[..] {
            [] => {}
            [Part { body: Body::Text { text, .. }, .. }] => w.object(|w| {
                w.field_str("role", "user");
                w.field_str("content", text);
            }),
            _ => w.object(|w| {
                w.field_str("role", "user");
                w.field_array("content", |w| rest.iter().for_each(|part| self.part(w, part)));
            }),
        }
    }

    fn part(&mut self, w: &mut JsonOut<'_>, part: &Part<'_>) {
        let mut text = |text: &str| {
            w.object(|w| {
                w.field_str("type", "text");
                w.field_str("text", text);
            });
        };
        match &part.body {
            Body::Text { text: it, .. } | Body::Refusal(it) => text(it),
            Body::Media(
                media @ Media {
                    kind: MediaKind::Image,
                    source: Source::Url { .. } | Source::Base64 { .. },
                    ..
                },
            ) => w.object(|w| {
                w.field_str("type", "image_url");
                w.field_object("image_url", |w| {
                    w.maybe_str("url", media.url().as_deref());
                    w.maybe_str("detail", media.detail.as_deref());
                });
            }),
            Body::Media(media) => match self.losses.document_text(media) {
                Some(document) => text(&document),
                None => self.losses.refuse_media(media),
            },
            Body::Native { dialect: Dialect::CohereChat, json } => w.raw(json),
            Body::Native { dialect, .. } => {
                let note = format!("a part that only {dialect} knows");
                self.losses.note("content", LossKind::Dropped, note);
            }
            Body::Thinking { .. } | Body::Call(_) | Body::Result(_) => {}
        }
    }

    /// What is said before calls is their plan; thinking is not signed here.
    fn assistant(&mut self, w: &mut JsonOut<'_>, parts: &[Part<'_>]) {
        let (mut thoughts, mut said, mut calls) = (Vec::new(), Vec::<&Text<'_>>::new(), Vec::new());
        for part in parts {
            match &part.body {
                Body::Text { text, .. } | Body::Refusal(text) => said.push(text),
                Body::Call(call) => calls.push(call),
                Body::Thinking { .. } if part.signature.is_some() => {
                    let note = "it is signed by another kind of provider";
                    self.losses.note("thinking", LossKind::Dropped, note);
                }
                Body::Thinking { text, .. } if !text.is_empty() => thoughts.push(text),
                Body::Thinking { .. } => {}
                Body::Media(media) => {
                    let note =
                        format!("an {} of the assistant's cannot be sent back", media.kind.name());
                    self.losses.note("assistant.media", LossKind::Dropped, note);
                }
                Body::Native { .. } | Body::Result(_) => {
                    let note = "a step that the other provider made itself is left out";
                    self.losses.note("assistant.native", LossKind::Dropped, note);
                }
            }
        }
        let text = joined(said.iter().map(|text| &***text));
        if text.is_empty() && thoughts.is_empty() && calls.is_empty() {
            return;
        }
        let is_plan = !calls.is_empty();
        w.object(|w| {
            w.field_str("role", "assistant");
            match thoughts[..] {
                [] if is_plan || text.is_empty() => {}
                [] => w.field_str("content", &text),
                _ => w.field_array("content", |w| {
                    for thought in &thoughts {
                        w.object(|w| {
                            w.field_str("type", "thinking");
                            w.field_str("thinking", thought);
                        });
                    }
                    if !is_plan && !text.is_empty() {
                        w.object(|w| {
                            w.field_str("type", "text");
                            w.field_str("text", &text);
                        });
                    }
                }),
            }
            if !is_plan {
                return;
            }
            if !text.is_empty() {
                w.field_str("tool_plan", &text);
            }
            w.field_array("tool_calls", |w| {
                for call in calls {
                    w.object(|w| {
                        w.field_str("id", &call.id);
                        w.field_str("type", "function");
                        w.field_object("function", |w| {
                            w.field_str("name", &call.name);
                            let said = call.arguments.trim();
                            w.field_str("arguments", if said.is_empty() { "{}" } else { said });
                        });
                    });
                }
            });
        });
    }
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
