//! Encoding a request: splicing what changes into the bytes that came.

use std::ops::Range;

use super::request::Request;
use crate::dialect::changes::PromptTexts;
use crate::dialect::edits::{
    Change, Edits, Encoded, Loss, LossKind, Param, ParamValue, PromptEdit,
};
use crate::dialect::json::{self, Kind};
use crate::dialect::object::Splice;
use crate::dialect::quirks::{MaxOutputField, Quirks};

impl Request {
    /// The body with the edits made, for a provider with these quirks. What is not edited stays
    /// byte for byte as it came; without any change the result *is* the body that came.
    pub fn encode(&self, edits: &Edits, quirks: &Quirks) -> Encoded {
        let mut encoding =
            Encoding { request: self, splice: Splice::new(&self.object), losses: Vec::new() };
        if let Some(model) = edits.model.as_deref().filter(|model| *model != self.shape().model) {
            encoding.splice.set("model", json::quote(model));
        }
        encoding.stream(edits, quirks);
        encoding.params(edits);
        encoding.quirks(quirks);
        encoding.messages(edits, quirks);
        Encoded { body: encoding.splice.body(), losses: encoding.losses }
    }
}

struct Encoding<'a> {
    request: &'a Request,
    splice: Splice<'a>,
    losses: Vec<Loss>,
}

impl Encoding<'_> {
    fn loss(&mut self, param: Param, how: LossKind, note: String) {
        self.losses.push(Loss { param: param.name().into(), how, note });
    }

    fn stream(&mut self, edits: &Edits, quirks: &Quirks) {
        let asked = self.request.shape().stream;
        let stream = edits.stream.unwrap_or(asked);
        if stream != asked {
            self.splice.set("stream", stream.to_string());
        }
        if !stream {
            if asked {
                self.splice.remove("stream_options"); // refused where nothing is streamed
            }
        } else if quirks.usage_unasked {
            if self.splice.given("stream_options") {
                let note = "usage comes without being asked for, and the field is unknown there";
                self.loss(Param::StreamOptions, LossKind::Emulated, note.to_owned());
            }
            self.splice.remove("stream_options");
        } else if edits.include_usage && !self.request.shape().include_usage {
            self.include_usage();
        }
    }

    fn include_usage(&mut self) {
        const ASK: &str = r#""include_usage":true"#;
        let old =
            self.splice.index("stream_options").filter(|_| self.splice.given("stream_options"));
        let Some(index) = old else {
            return self.splice.set("stream_options", format!("{{{ASK}}}"));
        };
        let whole = self.request.object.fields[index].value.clone();
        let inside = whole.start + 1..whole.end - 1;
        let patch = match &self.request.places.include_usage {
            Some(value) => (value.clone(), "true".to_owned()),
            None if self.request.object.body[inside.clone()]
                .iter()
                .all(u8::is_ascii_whitespace) =>
            {
                (inside, ASK.to_owned())
            }
            None => (inside.start..inside.start, format!("{ASK},")),
        };
        self.splice.patch(index, vec![patch]);
    }

    fn params(&mut self, edits: &Edits) {
        for (param, change) in edits.changes() {
            if *change == Change::Remove {
                self.remove_param(*param);
                continue;
            }
            let wanted = change.wanted(|limit, sign| self.beyond(*param, limit, sign));
            if let Some(value) = wanted.and_then(ParamValue::json) {
                self.set_param(*param, value);
            }
        }
    }

    /// Whether the value that would be sent lies beyond the limit, above (sign 1) or below (−1).
    fn beyond(&self, param: Param, limit: &ParamValue, sign: f64) -> bool {
        let current = fields(param).iter().find(|field| self.splice.given(field));
        let current = current.and_then(|field| self.splice.value(field)).or_else(|| {
            let effort = self.effort_place().filter(|_| param == Param::Reasoning)?;
            std::str::from_utf8(&self.request.object.body[effort.1]).ok()
        });
        limit.is_passed(param, current, sign)
    }

    /// The field `reasoning` and its effort, while both are going to be sent as they came.
    fn effort_place(&self) -> Option<(usize, Range<usize>)> {
        let effort = self.request.places.effort.clone()?;
        let index = self.splice.index("reasoning")?;
        self.splice.is_untouched(index).then_some((index, effort))
    }

    fn set_param(&mut self, param: Param, value: String) {
        if param == Param::Reasoning
            && let Some(effort) = self.request.places.effort.clone()
            && let Some(index) = self.splice.index("reasoning")
        {
            self.splice.patch(index, vec![(effort, value.clone())]);
            if self.splice.given("reasoning_effort") {
                self.splice.set("reasoning_effort", value);
            }
            return;
        }
        let names = fields(param);
        let present = names.iter().find(|name| self.splice.given(name)).or(names.first());
        let Some(&name) = present else { return };
        // Two names for one thing must not contradict each other.
        names.iter().filter(|other| **other != name).for_each(|other| self.splice.remove(other));
        self.splice.set(name, value);
    }

    fn remove_param(&mut self, param: Param) {
        fields(param).iter().for_each(|name| self.splice.remove(name));
        if param == Param::Reasoning {
            self.splice.remove("reasoning");
        }
    }

    fn quirks(&mut self, quirks: &Quirks) {
        for &param in quirks.unsupported {
            let said =
                fields(param).iter().find_map(|name| self.splice.value(name)).map(str::to_owned);
            let idle =
                |value: &str| matches!((param, value), (_, "null" | "false") | (Param::N, "1"));
            if let Some(value) = said.filter(|value| !idle(value)) {
                let shown: String = value.chars().take(40).collect();
                self.loss(param, LossKind::Dropped, format!("{shown} is not supported there"));
            }
            self.remove_param(param);
        }
        match quirks.max_output_field {
            MaxOutputField::Either if self.splice.index("max_completion_tokens").is_some() => {}
            MaxOutputField::Either => {
                self.rename(Param::MaxOutput, "max_completion_tokens", "max_tokens")
            }
            MaxOutputField::Completion => {
                self.rename(Param::MaxOutput, "max_tokens", "max_completion_tokens")
            }
            MaxOutputField::Legacy => {
                self.rename(Param::MaxOutput, "max_completion_tokens", "max_tokens")
            }
        }
        if quirks.random_seed {
            self.rename(Param::Seed, "seed", "random_seed");
        }
        let limit = quirks.max_temperature.map(|hundredths| f64::from(hundredths) / 100.0);
        let value = self.splice.value("temperature").and_then(|value| value.parse::<f64>().ok());
        if let (Some(limit), Some(value)) = (limit, value)
            && value > limit
        {
            self.splice.set("temperature", limit.to_string());
            self.loss(Param::Temperature, LossKind::Clamped, format!("{value} to {limit}"));
        }
    }

    fn rename(&mut self, param: Param, from: &'static str, to: &'static str) {
        let Some(value) = self.splice.value(from).map(str::to_owned) else { return };
        if self.splice.given(to) || value == "null" {
            return self.splice.remove(from);
        }
        self.splice.remove(to);
        match self.splice.index(from) {
            Some(index) => self.splice.rename(index, to),
            None => {
                self.splice.remove(from);
                return self.splice.set(to, value); // our own addition: nobody loses a name
            }
        }
        self.loss(param, LossKind::Renamed, format!("`{from}` is sent as `{to}`"));
    }

    fn messages(&mut self, edits: &Edits, quirks: &Quirks) {
        let Some(index) = self.splice.index("messages") else { return };
        let mut patches = prompt_patches(self.request, &edits.prompt);
        if quirks.no_developer_role {
            let mut renamed = false;
            for system in self.request.places.systems.iter().filter(|system| system.developer) {
                let inside = |range: &Range<usize>| {
                    range.start <= system.role.start && system.role.end <= range.end
                };
                if !patches.iter().any(|(range, _)| inside(range)) {
                    patches.push((system.role.clone(), r#""system""#.to_owned()));
                    renamed = true;
                }
            }
            if renamed {
                self.loss(
                    Param::Role,
                    LossKind::Renamed,
                    "`developer` is sent as `system`".to_owned(),
                );
            }
        }
        patches.sort_by_key(|(range, _)| (range.start, range.end));
        self.splice.patch(index, patches);
    }
}

/// The names of a parameter in this dialect; the first is the one we write.
fn fields(param: Param) -> &'static [&'static str] {
    match param {
        Param::Temperature => &["temperature"],
        Param::TopP => &["top_p"],
        Param::TopK => &["top_k"],
        Param::MaxOutput => &["max_completion_tokens", "max_tokens"],
        Param::Reasoning => &["reasoning_effort"],
        Param::Seed => &["seed", "random_seed"],
        Param::N => &["n"],
        Param::Stop => &["stop"],
        Param::FrequencyPenalty => &["frequency_penalty"],
        Param::PresencePenalty => &["presence_penalty"],
        Param::Logprobs => &["logprobs"],
        Param::TopLogprobs => &["top_logprobs"],
        Param::ParallelTools => &["parallel_tool_calls"],
        Param::ServiceTier => &["service_tier"],
        Param::User => &["user"],
        Param::Store => &["store"],
        Param::LogitBias => &["logit_bias"],
        Param::StreamOptions => &["stream_options"],
        Param::Role => &[],
    }
}

/// The replacements within `messages` that make the prompt edits.
fn prompt_patches(request: &Request, edits: &[PromptEdit]) -> Vec<(Range<usize>, String)> {
    let Some(texts) = PromptTexts::of(edits) else { return Vec::new() };
    let places = &request.places;
    let Some((first, others)) = places.systems.split_first() else {
        return vec![new_message(request, &texts.whole())];
    };
    let mut patches = Vec::new();
    if texts.replaces() {
        patches.extend(others.iter().map(|other| (other.with_comma.clone(), String::new())));
    }
    let Some((content, kind)) = first.content.clone() else {
        patches.push(new_message(request, &texts.whole()));
        return patches;
    };
    let inside = content.start + 1..content.end - 1;
    let empty = || request.object.body[inside.clone()].iter().all(u8::is_ascii_whitespace);
    match kind {
        Kind::String | Kind::Array if !texts.replaces() && !empty() => {
            let part = |text: &str| format!(r#"{{"type":"text","text":{}}}"#, json::quote(text));
            patches.extend(match kind {
                Kind::String => texts.around(inside, None),
                _ => texts.around(inside, Some(&part)),
            });
        }
        // Nothing there that could be kept.
        _ => patches.push((content, json::quote(&texts.whole()))),
    }
    patches
}

fn new_message(request: &Request, text: &str) -> (Range<usize>, String) {
    let at = request.places.first_message;
    let comma = if request.places.no_messages { "" } else { "," };
    (at..at, format!(r#"{{"role":"system","content":{}}}{comma}"#, json::quote(text)))
}

#[cfg(test)]
#[path = "splice_tests.rs"]
mod tests;
