//! From the neutral form to a request: all but what was said.

use super::content::Content;
use super::family::Family;
use super::reasoning::Thinking;
use crate::dialect::Dialect;
use crate::dialect::conversation::{Conversation, Format, Function, Tool, ToolChoice};
use crate::dialect::edits::{Encoded, LossKind, Param};
use crate::dialect::losses::{Losses, NO_PARAMETERS};
use crate::dialect::part::CacheMark;
use crate::dialect::passage::Inexpressible;
use crate::dialect::quirks::Quirks;
use crate::dialect::write::{JsonOut, object};

/// Fields of Bedrock's own that a client of another dialect may send along.
const OWN: [&str; 4] = [
    "guardrailConfig",
    "performanceConfig",
    "requestMetadata",
    "additionalModelResponseFieldPaths",
];

/// Writes a request.
///
/// # Errors
/// When it speaks of media that cannot be sent, or of tools whose names are not allowed.
pub(super) fn encode(it: &Conversation<'_>, quirks: &Quirks) -> Result<Encoded, Inexpressible> {
    let mut losses = Losses::default();
    let family = Family::of(&it.model);
    let thinking = Thinking::of(it, family, quirks, &mut losses);
    let tools = offered(it, &mut losses);

    let mut content = Content::new(it, family, !tools.is_empty(), &mut losses);
    content.messages();
    let structured = family.is_structured(&it.model);
    // Claude refuses schemas that leave objects open, as those that are not strict may do.
    let schema = match &it.format {
        Format::Schema { strict, .. }
            if structured && (*strict == Some(true) || !family.is_claude()) =>
        {
            true
        }
        format => {
            content.instruct(format);
            false
        }
    };
    let (system, turns) = content.finish();

    let mut encoder = Encoder { it, family, quirks, thinking, losses };
    let body = object(4096, |w| {
        w.field_array("messages", |w| turns.iter().for_each(|turn| turn.write(w)));
        if !system.is_empty() {
            w.field_array("system", |w| w.raw(&system));
        }
        encoder.sampling(w);
        if !tools.is_empty() {
            w.field_object("toolConfig", |w| encoder.tools(w, &tools, structured));
        }
        if schema {
            w.field_object("outputConfig", |w| output(w, &it.format));
        }
        encoder.additional(w);
        encoder.rest(w);
    });
    encoder.losses.encoded(body)
}

/// The tools that may be called. There is no word for "none": then none are offered.
fn offered<'c>(it: &'c Conversation<'c>, losses: &mut Losses) -> Vec<&'c Tool<'c>> {
    if it.tool_choice == Some(ToolChoice::None) {
        if !it.tools.is_empty() {
            losses.note("tool_choice", LossKind::Emulated, "no tools are offered");
        }
        return Vec::new();
    }
    let tools = losses.tools(it, Dialect::BedrockConverse, true);
    for tool in &tools {
        // It would come back under another name that the client does not know.
        if let Tool::Function(Function { name, .. }) = tool
            && !is_name(name)
        {
            losses.refuse(format!(
                "the model's provider takes no tool named `{name}`: a name has up to 64 letters, \
                 digits, `_` and `-`"
            ));
        }
    }
    tools
}

pub(super) fn is_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    matches!(name.len(), 1..=64) && name.bytes().all(fits)
}

/// `{"type":"default"}`, where the model takes it.
pub(super) fn cache_point(
    w: &mut JsonOut<'_>,
    mark: CacheMark,
    family: Family,
    losses: &mut Losses,
) {
    if !family.caches() {
        return losses.note("cache_control", LossKind::Dropped, "the model takes no such marks");
    }
    let hour = mark == CacheMark::Hour && family.is_claude_since((4, 5));
    if mark == CacheMark::Hour && !hour {
        losses.note("cache_control", LossKind::Clamped, "an hour to five minutes");
    }
    w.object(|w| {
        w.field_object("cachePoint", |w| {
            w.field_str("type", "default");
            if hour {
                w.field_str("ttl", "1h");
            }
        });
    });
}

/// The schema stands in there as a text.
fn output(w: &mut JsonOut<'_>, format: &Format<'_>) {
    let Format::Schema { name, description, schema, .. } = format else { return };
    w.field_object("textFormat", |w| {
        w.field_str("type", "json_schema");
        w.field_object("structure", |w| {
            w.field_object("jsonSchema", |w| {
                w.maybe_str("name", name.as_deref());
                w.maybe_str("description", description.as_deref());
                w.field_str("schema", schema);
            });
        });
    });
}

struct Encoder<'c> {
    it: &'c Conversation<'c>,
    family: Family,
    quirks: &'c Quirks,
    thinking: Thinking,
    losses: Losses,
}

impl Encoder<'_> {
    fn sampling(&mut self, w: &mut JsonOut<'_>) {
        let (it, quirks) = (&self.it.sampling, self.quirks);
        let hottest = quirks.max_temperature.map_or(1.0, |limit| f64::from(limit) / 100.0);
        let hottest = hottest.min(1.0);
        let mut warmth =
            self.losses.within(quirks, Param::Temperature, it.temperature, (0.0, hottest));
        let mut top_p = self.losses.within(quirks, Param::TopP, it.top_p, (0.0, 1.0));
        if let Some(note) = self.no_sampling() {
            for (param, value) in [(Param::Temperature, &mut warmth), (Param::TopP, &mut top_p)] {
                // 1 is the default of both.
                if value.take().is_some_and(|value| value != 1.0) {
                    self.losses.note(param.name(), LossKind::Dropped, note);
                }
            }
        } else if self.family.is_claude_since((4, 1)) && warmth.is_some() && top_p.take().is_some()
        {
            let note = "the model takes it or the temperature, not both";
            self.losses.note(Param::TopP.name(), LossKind::Dropped, note);
        }
        let most = it.max_output.map(|tokens| tokens.0);
        let has_stop = !it.stop.is_empty();
        if most.is_none() && warmth.is_none() && top_p.is_none() && !has_stop {
            return;
        }
        w.field_object("inferenceConfig", |w| {
            w.maybe_int("maxTokens", most);
            w.maybe_float("temperature", warmth);
            w.maybe_float("topP", top_p);
            if has_stop {
                w.field_array("stopSequences", |w| it.stop.iter().for_each(|it| w.string(it)));
            }
        });
    }

    /// Why nothing may be said about sampling, if so.
    fn no_sampling(&self) -> Option<&'static str> {
        if self.family.is_claude_since((4, 7)) {
            Some("the model takes none")
        } else if self.thinking.is_claudes() {
            Some("the model takes none while it thinks")
        } else {
            None
        }
    }

    fn tools(&mut self, w: &mut JsonOut<'_>, tools: &[&Tool<'_>], structured: bool) {
        w.field_array("tools", |w| {
            for tool in tools {
                let function = match tool {
                    Tool::Function(function) => function,
                    Tool::Native { json, .. } => {
                        w.raw(json);
                        continue;
                    }
                    Tool::FreeForm { .. } => continue,
                };
                let mut strict = function.strict == Some(true);
                if strict && !structured {
                    let note = "the model follows no schema to the letter";
                    self.losses.note("tools.strict", LossKind::Dropped, note);
                    strict = false;
                }
                w.object(|w| {
                    w.field_object("toolSpec", |w| write_function(w, function, strict));
                });
                if let Some(mark) = function.cache {
                    cache_point(w, mark, self.family, &mut self.losses);
                }
            }
        });
        // `auto` is what unsaid means, and some models refuse every word about it.
        let only = match &self.it.tool_choice {
            Some(ToolChoice::Required | ToolChoice::Allowed { required: true, .. }) => None,
            Some(ToolChoice::Named(name)) => Some(name),
            _ => return,
        };
        if self.thinking.is_claudes() {
            let note = "the model may not be made to call tools while it thinks";
            return self.losses.note("tool_choice", LossKind::Dropped, note);
        }
        w.field_object("toolChoice", |w| match only {
            None => w.field_object("any", |_| {}),
            Some(name) => w.field_object("tool", |w| w.field_str("name", name)),
        });
    }

    /// What is the model's own, and has no place in the body for all.
    fn additional(&mut self, w: &mut JsonOut<'_>) {
        let mut top = self.losses.taken(self.quirks, Param::TopK, self.it.sampling.top_k);
        let note = match self.family {
            Family::Claude { .. } => self.no_sampling(),
            Family::Nova { .. } => None,
            _ => Some("the model has no word for it"),
        };
        if let (Some(_), Some(note)) = (top, note) {
            self.losses.note(Param::TopK.name(), LossKind::Dropped, note);
            top = None;
        }
        if top.is_none() && self.thinking == Thinking::Unsaid {
            return;
        }
        w.field_object("additionalModelRequestFields", |w| {
            self.thinking.write(w);
            match (top, self.family) {
                (Some(top), Family::Nova { .. }) => {
                    w.field_object("inferenceConfig", |w| w.field_int("topK", top));
                }
                (top, _) => w.maybe_int("top_k", top),
            }
        });
    }

    fn rest(&mut self, w: &mut JsonOut<'_>) {
        let it = self.it;
        let tier = match it.service_tier.as_deref() {
            None | Some("auto") => None,
            // Anthropic's word for no priority.
            Some("standard_only") => Some("default"),
            tier => tier,
        };
        let tier = self.losses.taken(self.quirks, Param::ServiceTier, tier);
        if let Some(tier) = tier {
            w.field_object("serviceTier", |w| w.field_str("type", tier));
        }
        for (name, json) in it.extras.iter().filter(|(name, _)| OWN.contains(&&**name)) {
            w.field_raw(name, json);
        }
        self.losses.uncommon(it, &OWN);
        let sampling = &it.sampling;
        self.losses.unknown(&[
            (Param::Seed.name(), sampling.seed.is_some()),
            (
                Param::FrequencyPenalty.name(),
                sampling.frequency_penalty.is_some_and(|it| it != 0.0),
            ),
            (Param::PresencePenalty.name(), sampling.presence_penalty.is_some_and(|it| it != 0.0)),
            (Param::Logprobs.name(), sampling.logprobs == Some(true)),
        ]);
    }
}

fn write_function(w: &mut JsonOut<'_>, function: &Function<'_>, strict: bool) {
    w.field_str("name", &function.name);
    // An empty one is refused.
    w.maybe_str("description", function.description.as_deref().filter(|it| !it.is_empty()));
    w.field_object("inputSchema", |w| {
        // An empty object stands for no arguments, but lacks the type that has to be there.
        let schema = function.parameters.as_deref().filter(|json| json.contains(':'));
        w.field_raw("json", schema.unwrap_or(NO_PARAMETERS));
    });
    if strict {
        w.field_bool("strict", true);
    }
}
