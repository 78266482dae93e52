//! Encoding a request: splicing what changes into the bytes that came.

use std::ops::Range;

use super::request::Request;
use crate::dialect::edits::{
    Change, Edits, Encoded, Loss, LossKind, Param, ParamValue, PromptEdit,
};
use crate::dialect::json::{self, Kind};
use crate::dialect::object::Splice;
use crate::dialect::quirks::{MaxOutputField, Quirks};
use crate::dialect::shape::Effort;

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
        let logprobs = (Param::Logprobs, Change::Replace(ParamValue::Bool(true)));
        for (param, change) in edits.params.iter().chain(edits.logprobs.then_some(&logprobs)) {
            let wanted = match change {
                Change::Remove => {
                    self.remove_param(*param);
                    continue;
                }
                Change::Replace(value) => Some(value),
                Change::AtMost(limit) => self.beyond(*param, limit, 1.0).then_some(limit),
                Change::AtLeast(limit) => self.beyond(*param, limit, -1.0).then_some(limit),
            };
            if let Some(value) = wanted.and_then(written) {
                self.set_param(*param, value);
            }
        }
    }

    /// Whether the value that would be sent lies beyond the limit, above (sign 1) or below (−1).
    fn beyond(&self, param: Param, limit: &ParamValue, sign: f64) -> bool {
        let Some(limit) = rank_of(limit) else { return false };
        let current = fields(param).iter().find(|field| self.splice.given(field));
        let current =
            current.and_then(|field| self.splice.value(field)).and_then(rank).or_else(|| {
                let effort = self.effort_place().filter(|_| param == Param::Reasoning)?;
                rank(std::str::from_utf8(&self.request.object.body[effort.1]).ok()?)
            });
        // Without a value the provider's default counts; where it is not known, assume the worst.
        let default = match param {
            Param::Temperature | Param::TopP | Param::N => Some(1.0),
            Param::FrequencyPenalty | Param::PresencePenalty | Param::TopLogprobs => Some(0.0),
            Param::MaxOutput => Some(f64::INFINITY),
            _ => None,
        };
        current.or(default).is_none_or(|value| (value - limit) * sign > 0.0)
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

/// A value as JSON; nothing where JSON has no way to write it.
fn written(value: &ParamValue) -> Option<String> {
    Some(match value {
        ParamValue::Int(number) => number.to_string(),
        ParamValue::Float(number) if number.is_finite() => number.to_string(),
        ParamValue::Float(_) => return None,
        ParamValue::Bool(yes) => yes.to_string(),
        ParamValue::Text(text) => json::quote(text),
        ParamValue::Texts(texts) => {
            let texts: Vec<String> = texts.iter().map(|text| json::quote(text)).collect();
            format!("[{}]", texts.join(","))
        }
    })
}

/// Where a value stands in its order, if it has one.
fn rank_of(value: &ParamValue) -> Option<f64> {
    match value {
        ParamValue::Int(number) => Some(*number as f64), // exact up to 2⁵³
        ParamValue::Float(number) => Some(*number),
        ParamValue::Text(word) => effort_rank(word),
        ParamValue::Bool(_) | ParamValue::Texts(_) => None,
    }
}

fn rank(json: &str) -> Option<f64> {
    match json.strip_prefix('"').and_then(|word| word.strip_suffix('"')) {
        Some(word) => effort_rank(word),
        None => json.parse().ok(),
    }
}

fn effort_rank(word: &str) -> Option<f64> {
    match Effort::from_word(word) {
        Effort::Unset => None,
        // Above `high`, though the policy language has no word for it.
        Effort::High if word != "high" => Some(f64::from(Effort::High as u8) + 1.0),
        effort => Some(f64::from(effort as u8)),
    }
}

/// The replacements within `messages` that make the prompt edits.
fn prompt_patches(request: &Request, edits: &[PromptEdit]) -> Vec<(Range<usize>, String)> {
    if edits.is_empty() {
        return Vec::new();
    }
    let (mut before, mut instead, mut after) = (Vec::new(), None, Vec::new());
    for edit in edits {
        match edit {
            PromptEdit::Prepend(text) => before.insert(0, text.as_ref()),
            PromptEdit::Append(text) => after.push(text.as_ref()),
            PromptEdit::Replace(text) => {
                (before, instead, after) = (Vec::new(), Some(text.as_ref()), Vec::new());
            }
        }
    }
    let all: Vec<&str> =
        before.iter().copied().chain(instead).chain(after.iter().copied()).collect();
    let all = all.join("\n\n");
    let places = &request.places;
    let Some((first, others)) = places.systems.split_first() else {
        return vec![new_message(request, &all)];
    };
    let mut patches = Vec::new();
    if instead.is_some() {
        patches.extend(others.iter().map(|other| (other.with_comma.clone(), String::new())));
    }
    let Some((content, kind)) = first.content.clone() else {
        patches.push(new_message(request, &all));
        return patches;
    };
    let inside = content.start + 1..content.end - 1;
    let empty = || request.object.body[inside.clone()].iter().all(u8::is_ascii_whitespace);
    match kind {
        Kind::String | Kind::Array if instead.is_none() && !empty() => {
            let part = |text: &str| format!(r#"{{"type":"text","text":{}}}"#, json::quote(text));
            if !before.is_empty() {
                let text = format!("{}\n\n", before.join("\n\n"));
                let text = match kind {
                    Kind::String => escaped(&text),
                    _ => part(&text) + ",",
                };
                patches.push((inside.start..inside.start, text));
            }
            if !after.is_empty() {
                let text = format!("\n\n{}", after.join("\n\n"));
                let text = match kind {
                    Kind::String => escaped(&text),
                    _ => format!(",{}", part(&text)),
                };
                patches.push((inside.end..inside.end, text));
            }
        }
        // Nothing there that could be kept.
        _ => patches.push((content, json::quote(&all))),
    }
    patches
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    json::escape_into(&mut out, text);
    out
}

fn new_message(request: &Request, text: &str) -> (Range<usize>, String) {
    let at = request.places.first_message;
    let comma = if request.places.no_messages { "" } else { "," };
    (at..at, format!(r#"{{"role":"system","content":{}}}{comma}"#, json::quote(text)))
}

#[cfg(test)]
#[path = "splice_tests.rs"]
mod tests;
