//! Encoding a request: splicing what changes into the bytes that came.

use std::ops::Range;

use bytes::Bytes;

use super::request::Request;
use crate::dialect::edits::{
    Change, Edits, Encoded, Loss, LossKind, Param, ParamValue, PromptEdit,
};
use crate::dialect::json::{self, Kind};
use crate::dialect::quirks::{MaxOutputField, Quirks};
use crate::dialect::shape::Effort;

impl Request {
    /// The body with the edits made, for a provider with these quirks. What is not edited stays
    /// byte for byte as it came; without any change the result *is* the body that came.
    pub fn encode(&self, edits: &Edits, quirks: &Quirks) -> Encoded {
        let mut splice = Splice {
            request: self,
            slots: vec![Slot::default(); self.fields.len()],
            appended: Vec::new(),
            losses: Vec::new(),
        };
        if let Some(model) = edits.model.as_deref().filter(|model| *model != self.shape().model) {
            splice.set("model", json::quote(model));
        }
        splice.stream(edits, quirks);
        splice.params(edits);
        splice.quirks(quirks);
        splice.messages(edits, quirks);
        let body = splice.body();
        Encoded { body, losses: splice.losses }
    }
}

/// What becomes of a top-level field.
#[derive(Debug, Clone, Default)]
struct Slot {
    removed: bool,
    key: Option<&'static str>,
    /// Replacements within the body, in rising order, not overlapping.
    patches: Vec<(Range<usize>, String)>,
}

struct Splice<'a> {
    request: &'a Request,
    slots: Vec<Slot>,
    appended: Vec<(&'static str, String)>,
    losses: Vec<Loss>,
}

impl Splice<'_> {
    fn index(&self, name: &str) -> Option<usize> {
        self.request.fields.iter().position(|field| &*field.name == name)
    }

    /// The value of a field as it is going to be sent.
    fn value(&self, name: &str) -> Option<&str> {
        if let Some((_, value)) = self.appended.iter().find(|(appended, _)| *appended == name) {
            return Some(value);
        }
        let index = self.index(name)?;
        match &self.slots[index] {
            slot if slot.removed => None,
            slot => match slot.patches.first() {
                Some((range, value)) if *range == self.request.fields[index].value => Some(value),
                _ => self.request.field(name),
            },
        }
    }

    /// A field that is there and not null.
    fn given(&self, name: &str) -> bool {
        self.value(name).is_some_and(|value| value != "null")
    }

    fn set(&mut self, name: &'static str, value: String) {
        if let Some(index) = self.index(name) {
            let range = self.request.fields[index].value.clone();
            self.slots[index] = Slot { patches: vec![(range, value)], ..Slot::default() };
            return;
        }
        match self.appended.iter_mut().find(|(appended, _)| *appended == name) {
            Some((_, old)) => *old = value,
            None => self.appended.push((name, value)),
        }
    }

    fn remove(&mut self, name: &str) {
        if let Some(index) = self.index(name) {
            self.slots[index].removed = true;
        }
        self.appended.retain(|(appended, _)| *appended != name);
    }

    fn loss(&mut self, param: Param, how: LossKind, note: String) {
        self.losses.push(Loss { param: param.name(), how, note });
    }

    fn stream(&mut self, edits: &Edits, quirks: &Quirks) {
        let asked = self.request.shape().stream;
        let stream = edits.stream.unwrap_or(asked);
        if stream != asked {
            self.set("stream", stream.to_string());
        }
        if !stream {
            if asked {
                self.remove("stream_options"); // refused where nothing is streamed
            }
        } else if quirks.usage_unasked {
            if self.given("stream_options") {
                let note = "usage comes without being asked for, and the field is unknown there";
                self.loss(Param::StreamOptions, LossKind::Emulated, note.to_owned());
            }
            self.remove("stream_options");
        } else if edits.include_usage && !self.request.shape().include_usage {
            self.include_usage();
        }
    }

    fn include_usage(&mut self) {
        const ASK: &str = r#""include_usage":true"#;
        let old = self.index("stream_options").filter(|_| self.given("stream_options"));
        let Some(index) = old else { return self.set("stream_options", format!("{{{ASK}}}")) };
        let whole = self.request.fields[index].value.clone();
        let inside = whole.start + 1..whole.end - 1;
        let patch = match &self.request.places.include_usage {
            Some(value) => (value.clone(), "true".to_owned()),
            None if self.request.body[inside.clone()].iter().all(u8::is_ascii_whitespace) => {
                (inside, ASK.to_owned())
            }
            None => (inside.start..inside.start, format!("{ASK},")),
        };
        self.slots[index].patches = vec![patch];
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
        let current = fields(param).iter().find(|field| self.given(field));
        let current = current.and_then(|field| self.value(field)).and_then(rank).or_else(|| {
            let effort = self.effort_place().filter(|_| param == Param::Reasoning)?;
            rank(std::str::from_utf8(&self.request.body[effort.1]).ok()?)
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
        let index = self.index("reasoning")?;
        let slot = &self.slots[index];
        (!slot.removed && slot.patches.is_empty()).then_some((index, effort))
    }

    fn set_param(&mut self, param: Param, value: String) {
        if param == Param::Reasoning
            && let Some(effort) = self.request.places.effort.clone()
            && let Some(index) = self.index("reasoning")
        {
            self.slots[index] = Slot { patches: vec![(effort, value.clone())], ..Slot::default() };
            if self.given("reasoning_effort") {
                self.set("reasoning_effort", value);
            }
            return;
        }
        let names = fields(param);
        let present = names.iter().find(|name| self.given(name)).or(names.first());
        let Some(&name) = present else { return };
        // Two names for one thing must not contradict each other.
        names.iter().filter(|other| **other != name).for_each(|other| self.remove(other));
        self.set(name, value);
    }

    fn remove_param(&mut self, param: Param) {
        fields(param).iter().for_each(|name| self.remove(name));
        if param == Param::Reasoning {
            self.remove("reasoning");
        }
    }

    fn quirks(&mut self, quirks: &Quirks) {
        for &param in quirks.unsupported {
            let said = fields(param).iter().find_map(|name| self.value(name)).map(str::to_owned);
            let idle =
                |value: &str| matches!((param, value), (_, "null" | "false") | (Param::N, "1"));
            if let Some(value) = said.filter(|value| !idle(value)) {
                let shown: String = value.chars().take(40).collect();
                self.loss(param, LossKind::Dropped, format!("{shown} is not supported there"));
            }
            self.remove_param(param);
        }
        match quirks.max_output_field {
            MaxOutputField::Either if self.index("max_completion_tokens").is_some() => {}
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
        let value = self.value("temperature").and_then(|value| value.parse::<f64>().ok());
        if let (Some(limit), Some(value)) = (limit, value)
            && value > limit
        {
            self.set("temperature", limit.to_string());
            self.loss(Param::Temperature, LossKind::Clamped, format!("{value} to {limit}"));
        }
    }

    fn rename(&mut self, param: Param, from: &'static str, to: &'static str) {
        let Some(value) = self.value(from).map(str::to_owned) else { return };
        if self.given(to) || value == "null" {
            return self.remove(from);
        }
        self.remove(to);
        match self.index(from) {
            Some(index) => self.slots[index].key = Some(to),
            None => {
                self.remove(from);
                return self.set(to, value); // our own addition: nobody loses a name
            }
        }
        self.loss(param, LossKind::Renamed, format!("`{from}` is sent as `{to}`"));
    }

    fn messages(&mut self, edits: &Edits, quirks: &Quirks) {
        let Some(index) = self.index("messages") else { return };
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
        self.slots[index].patches = patches;
    }

    fn body(&self) -> Bytes {
        let (request, slots) = (self.request, &self.slots);
        let same = |slot: &Slot| !slot.removed && slot.key.is_none() && slot.patches.is_empty();
        if self.appended.is_empty() && slots.iter().all(same) {
            return request.body.clone();
        }
        let body = &request.body;
        let added = slots.iter().flat_map(|slot| &slot.patches).map(|(_, text)| text.len());
        let appended = self.appended.iter().map(|(name, value)| name.len() + value.len() + 4);
        let mut out = Vec::with_capacity(body.len() + added.chain(appended).sum::<usize>() + 32);
        let (Some(first), Some(last)) = (request.fields.first(), request.fields.last()) else {
            return request.body.clone(); // cannot be: a request has a model
        };
        out.extend_from_slice(&body[..first.key.start]);
        let mut any = false;
        for (index, (field, slot)) in request.fields.iter().zip(slots).enumerate() {
            if slot.removed {
                continue;
            }
            if any {
                // What stood before the field: a comma and white space.
                out.extend_from_slice(&body[request.fields[index - 1].value.end..field.key.start]);
            }
            any = true;
            match slot.key {
                Some(key) => out.extend_from_slice(json::quote(key).as_bytes()),
                None => out.extend_from_slice(&body[field.key.clone()]),
            }
            let mut at = field.key.end;
            for (range, text) in &slot.patches {
                out.extend_from_slice(&body[at..range.start]);
                out.extend_from_slice(text.as_bytes());
                at = range.end;
            }
            out.extend_from_slice(&body[at..field.value.end]);
        }
        for (name, value) in &self.appended {
            if std::mem::replace(&mut any, true) {
                out.push(b',');
            }
            out.extend_from_slice(json::quote(name).as_bytes());
            out.push(b':');
            out.extend_from_slice(value.as_bytes());
        }
        out.extend_from_slice(&body[last.value.end..]);
        Bytes::from(out)
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
    let empty = || request.body[inside.clone()].iter().all(u8::is_ascii_whitespace);
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
