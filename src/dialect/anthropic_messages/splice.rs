//! Encoding a request for a provider of the same dialect: splicing what changes into the bytes that
//! came.

use std::ops::Range;

use super::request::{Item, Proof, Request};
use super::thinking::{FORCED, Model, Plan, THOUGHTLESS};
use super::{VERSION, VERTEX_VERSION};
use crate::dialect::changes::PromptTexts;
use crate::dialect::conversation::Reasoning;
use crate::dialect::edits::{Change, Edits, Encoded, LossKind, Param, ParamValue, PromptEdit};
use crate::dialect::json::{self, JsonError, Kind, Scanner};
use crate::dialect::losses::Losses;
use crate::dialect::object::Splice;
use crate::dialect::quirks::Quirks;
use crate::dialect::shape::{Effort, ToolChoice};
use crate::dialect::write::{JsonOut, object};
use crate::units::Tokens;

impl Request {
    /// The body with the edits made, for a provider with these quirks. What is not edited stays
    /// byte for byte as it came; without any change the result *is* the body that came.
    pub fn encode(&self, edits: &Edits, quirks: &Quirks) -> Encoded {
        let model = edits.model.as_deref().unwrap_or(&self.shape().model);
        let mut encoding = Encoding {
            request: self,
            splice: Splice::new(&self.object),
            losses: Losses::default(),
            model: Model::of(model),
        };
        let other_model = model != self.shape().model;
        if quirks.model_in_path {
            encoding.splice.remove("model");
            encoding.splice.set(VERSION, json::quote(VERTEX_VERSION));
        } else if other_model {
            encoding.splice.set("model", json::quote(model));
        }
        if let Some(stream) = edits.stream.filter(|stream| *stream != self.shape().stream) {
            encoding.splice.set("stream", stream.to_string());
        }
        encoding.params(edits);
        if other_model {
            encoding.suit_the_model();
        }
        encoding.quirks(quirks);
        encoding.prompt(&edits.prompt);
        encoding.thoughts(quirks);
        Encoded { body: encoding.splice.body(), losses: encoding.losses.into_vec() }
    }
}

struct Encoding<'a> {
    request: &'a Request,
    splice: Splice<'a>,
    losses: Losses,
    /// The model that the request is sent to.
    model: Model,
}

impl Encoding<'_> {
    fn params(&mut self, edits: &Edits) {
        // The thinking has to fit into the limit, so it comes last.
        for (param, change) in edits.changes().filter(|(param, _)| *param != Param::Reasoning) {
            match param {
                Param::Temperature => self.number(*param, change, Some(1.0)),
                Param::TopP => self.number(*param, change, Some(1.0)),
                Param::TopK => self.number(*param, change, None),
                Param::MaxOutput if *change == Change::Remove => {
                    let note = "a limit has to be there";
                    self.losses.note(param.name(), LossKind::Dropped, note);
                }
                Param::MaxOutput => self.number(*param, change, Some(f64::INFINITY)),
                Param::Stop | Param::ServiceTier | Param::User | Param::ParallelTools => {
                    self.word(*param, change);
                }
                _ => self.unknown(*param, change),
            }
        }
        for (_, change) in edits.changes().filter(|(param, _)| *param == Param::Reasoning) {
            self.reasoning(change);
        }
    }

    /// A parameter that has a size. Without a value the provider's default counts; where it is not
    /// known, the worst.
    fn number(&mut self, param: Param, change: &Change, default: Option<f64>) {
        let Some(name) = field(param) else { return };
        let (limit, sign) = match change {
            Change::Remove => return self.splice.remove(name),
            Change::Replace(value) => (value, 0.0),
            Change::AtMost(value) => (value, 1.0),
            Change::AtLeast(value) => (value, -1.0),
        };
        let Some(mut wanted) = size(limit) else { return };
        let now = self.splice.value(name).and_then(|json| json.parse::<f64>().ok()).or(default);
        let beyond = now.is_none_or(|now| (now - wanted) * sign > 0.0);
        if sign != 0.0 && !beyond {
            return;
        }
        if param == Param::Temperature && wanted > 1.0 {
            self.losses.note(param.name(), LossKind::Clamped, format!("{wanted} to 1"));
            wanted = 1.0;
        }
        self.splice.set(name, wanted.to_string());
    }

    fn word(&mut self, param: Param, change: &Change) {
        let value = match change {
            Change::Remove => return self.take_out(param),
            Change::Replace(value) => value,
            Change::AtMost(_) | Change::AtLeast(_) => return,
        };
        match (param, value) {
            (Param::Stop, ParamValue::Text(stop)) => {
                self.splice.set("stop_sequences", format!("[{}]", json::quote(stop)));
            }
            (Param::Stop, ParamValue::Texts(stops)) => {
                let stops: Vec<String> = stops.iter().map(|stop| json::quote(stop)).collect();
                self.splice.set("stop_sequences", format!("[{}]", stops.join(",")));
            }
            (Param::ServiceTier, ParamValue::Text(tier)) => {
                let tier =
                    if matches!(&**tier, "default" | "standard") { "standard_only" } else { tier };
                self.splice.set("service_tier", json::quote(tier));
            }
            (Param::User, ParamValue::Text(user)) => {
                self.member("metadata", "user_id", Some(&json::quote(user)));
            }
            (Param::ParallelTools, ParamValue::Bool(parallel)) => {
                let chosen = self.splice.given("tool_choice");
                if chosen && self.request.shape().tool_choice != ToolChoice::None {
                    let disabled = (!parallel).then_some("true");
                    self.member("tool_choice", "disable_parallel_tool_use", disabled);
                } else if !chosen && !parallel && self.request.shape().tools > 0 {
                    let choice = r#"{"type":"auto","disable_parallel_tool_use":true}"#;
                    self.splice.set("tool_choice", choice.to_owned());
                }
            }
            _ => {}
        }
    }

    /// What no provider of this dialect knows.
    fn unknown(&mut self, param: Param, change: &Change) {
        let idle = match change {
            Change::Replace(value) => matches!(
                (param, value),
                (_, ParamValue::Bool(false)) | (Param::N, ParamValue::Int(1))
            ),
            Change::AtLeast(value) => param == Param::N && size(value).is_some_and(|n| n <= 1.0),
            Change::AtMost(_) | Change::Remove => true,
        };
        if !idle {
            self.losses.note(param.name(), LossKind::Dropped, "it is unknown there");
        }
    }

    /// Takes a parameter out; says whether it was there.
    fn take_out(&mut self, param: Param) {
        match param {
            Param::Reasoning => {
                self.splice.remove("thinking");
                self.member("output_config", "effort", None);
            }
            Param::User => self.member("metadata", "user_id", None),
            Param::ParallelTools => self.member("tool_choice", "disable_parallel_tool_use", None),
            param => field(param).into_iter().for_each(|name| self.splice.remove(name)),
        }
    }

    /// Sets or removes a member of a field that is an object.
    fn member(&mut self, name: &'static str, member: &str, value: Option<&str>) {
        let now = self.splice.value(name).filter(|json| *json != "null").unwrap_or("{}");
        let unchanged = value.is_none() && !has_member(now, member);
        let changed = with_member(now, member, value);
        match changed {
            _ if unchanged => {}
            Some(changed) if changed == "{}" => self.splice.remove(name),
            Some(changed) => self.splice.set(name, changed),
            None => {}
        }
    }

    fn reasoning(&mut self, change: &Change) {
        let (word, sign) = match change {
            Change::Remove => return self.take_out(Param::Reasoning),
            Change::Replace(ParamValue::Text(word)) => (word, 0),
            Change::AtMost(ParamValue::Text(word)) => (word, 1),
            Change::AtLeast(ParamValue::Text(word)) => (word, -1),
            _ => return,
        };
        let now = match self.request.shape().reasoning {
            Effort::Unset if self.model.thinks_by_itself() => Effort::High,
            Effort::Unset => Effort::None,
            effort => effort,
        };
        let limit = Effort::from_word(word);
        let within = match sign {
            1 => now <= limit,
            -1 => now >= limit,
            _ => false,
        };
        if !within {
            self.think(&Reasoning { effort: Some((&**word).into()), ..self.wish() });
        }
    }

    /// How the client wants it to be shown.
    fn wish(&self) -> Reasoning<'static> {
        let mut wish = Reasoning::default();
        if let Some(json) = self.request.object.field("thinking") {
            // It was read before.
            let _ = super::decode::thinking(&mut Scanner::new(json), &mut wish);
        }
        let summary = wish.summary.map(|summary| summary.into_owned().into());
        Reasoning { summary, ..Reasoning::default() }
    }

    /// Makes the model think as it is wished, and everything else suit that.
    fn think(&mut self, wish: &Reasoning<'_>) {
        let most = self.splice.value("max_tokens").and_then(|json| json.parse().ok());
        let choice = self.request.shape().tool_choice;
        let forced = matches!(choice, ToolChoice::Required | ToolChoice::Named).then_some(FORCED);
        let plan = Plan::of(wish, self.model, (most.map(Tokens), None), forced, &mut self.losses);
        match &plan.thinking {
            Some(thinking) => {
                let mut out = Vec::new();
                plan.write(&mut JsonOut::new(&mut out), thinking);
                self.splice.set("thinking", String::from_utf8_lossy(&out).into_owned());
            }
            None => self.splice.remove("thinking"),
        }
        let effort = plan.effort.as_deref().map(json::quote);
        self.member("output_config", "effort", effort.as_deref());
        if most.is_some_and(|most| most != plan.max_tokens) {
            self.splice.set("max_tokens", plan.max_tokens.to_string());
        }
        if plan.thinks() {
            self.drop_sampling(0.95, "it does not go together with thinking");
        }
    }

    /// Takes the parameters of sampling out that are not the default.
    fn drop_sampling(&mut self, least_top_p: f64, note: &str) {
        for (param, default) in
            [(Param::Temperature, Some(1.0)), (Param::TopP, Some(least_top_p)), (Param::TopK, None)]
        {
            let Some(name) = field(param) else { continue };
            let value = self.splice.value(name).and_then(|json| json.parse::<f64>().ok());
            let Some(value) = value else { continue };
            let fits = default.is_some_and(|default| match param {
                Param::TopP => value >= default,
                _ => value == default,
            });
            if !fits {
                self.losses.note(param.name(), LossKind::Dropped, note);
                self.splice.remove(name);
            }
        }
    }

    /// The client chose its parameters for the model that it named; another one may refuse them.
    fn suit_the_model(&mut self) {
        if !self.model.is_known() {
            return;
        }
        let index = self.splice.index("thinking");
        if let Some(index) = index.filter(|index| self.splice.is_untouched(*index))
            && let Some(json) = self.request.object.field("thinking")
        {
            let mut wish = Reasoning::default();
            let _ = super::decode::thinking(&mut Scanner::new(json), &mut wish);
            let config = self.splice.value("output_config").unwrap_or("{}").to_owned();
            wish.effort = text_member(&config, "effort").map(Into::into);
            let refused = match (wish.enabled, wish.budget) {
                (Some(true), Some(_)) => !self.model.takes_budgets(),
                (Some(true), None) => !self.model.takes_efforts(),
                (Some(false), _) => !self.model.takes_budgets(),
                (None, _) => false,
            };
            if refused {
                // What is left untouched is not a wish any more.
                debug_assert!(self.splice.is_untouched(index));
                self.think(&wish);
            }
        }
        if !self.model.is_sampled() {
            self.drop_sampling(1.0, "the model takes no such parameter");
        }
    }

    fn quirks(&mut self, quirks: &Quirks) {
        for &param in quirks.unsupported {
            let given = match param {
                Param::Reasoning => self.splice.given("thinking"),
                Param::User => self.splice.given("metadata"),
                Param::ParallelTools => {
                    let choice = self.splice.value("tool_choice").unwrap_or("{}");
                    has_member(choice, "disable_parallel_tool_use")
                }
                param => field(param).is_some_and(|name| self.splice.given(name)),
            };
            if given && param != Param::MaxOutput {
                self.losses.note(param.name(), LossKind::Dropped, "it is not supported there");
                self.take_out(param);
            }
        }
        let limit = quirks.max_temperature.map(|hundredths| f64::from(hundredths) / 100.0);
        let value = self.splice.value("temperature").and_then(|value| value.parse::<f64>().ok());
        if let (Some(limit), Some(value)) = (limit, value)
            && value > limit
        {
            self.splice.set("temperature", limit.to_string());
            self.losses.note("temperature", LossKind::Clamped, format!("{value} to {limit}"));
        }
    }

    fn prompt(&mut self, edits: &[PromptEdit]) {
        let Some(texts) = PromptTexts::of(edits) else { return };
        let object = &self.request.object;
        let index = self.splice.index("system");
        let place = index.map(|index| object.fields[index].value.clone());
        let kind = object.field("system").and_then(|json| Scanner::new(json).kind().ok());
        let inside = place.map(|place| place.start + 1..place.end.saturating_sub(1));
        let kept = inside.filter(|inside| {
            matches!(kind, Some(Kind::String | Kind::Array))
                && !object.body[inside.clone()].iter().all(u8::is_ascii_whitespace)
        });
        match (kept, index) {
            (Some(inside), Some(index)) if !texts.replaces() => {
                let block =
                    |text: &str| format!(r#"{{"type":"text","text":{}}}"#, json::quote(text));
                let patches = match kind {
                    Some(Kind::Array) => texts.around(inside, Some(&block)),
                    _ => texts.around(inside, None),
                };
                self.splice.patch(index, patches);
            }
            // Nothing there that could be kept.
            _ => self.splice.set("system", json::quote(&texts.whole())),
        }
    }

    /// Leaves thinking out that the provider did not sign: it would refuse the request.
    fn thoughts(&mut self, quirks: &Quirks) {
        let goes = |item: &Item| match item.proof {
            Proof::Good => true,
            Proof::Missing => quirks.thinking_goes_back,
            Proof::Foreign => false,
        };
        let body = &self.request.object.body;
        let mut patches: Vec<(Range<usize>, String)> = Vec::new();
        for items in &self.request.places.unsigned {
            let (Some(first), Some(last)) = (items.first(), items.last()) else { continue };
            if items.iter().all(goes) {
                continue;
            }
            let kept = items.iter().filter(|item| goes(item));
            let kept = kept.map(|item| String::from_utf8_lossy(&body[item.place.clone()]));
            let kept = match kept.collect::<Vec<_>>().join(",") {
                // A message without any content is refused.
                none if none.is_empty() => r#"{"type":"text","text":"…"}"#.to_owned(),
                kept => kept,
            };
            patches.push((first.place.start..last.place.end, kept));
        }
        if let Some(index) = self.splice.index("messages").filter(|_| !patches.is_empty()) {
            self.splice.patch(index, patches);
            let note = "thinking that another kind of provider signed, or none, is left out";
            self.losses.note("thinking", LossKind::Dropped, note);
            let kind = self.splice.value("thinking").and_then(|json| text_member(json, "type"));
            if self.request.shape().tool_results && kind.as_deref() == Some("enabled") {
                self.losses.note(Param::Reasoning.name(), LossKind::Dropped, THOUGHTLESS);
                self.splice.remove("thinking");
            }
        }
    }
}

/// The field of a parameter that has one to itself.
fn field(param: Param) -> Option<&'static str> {
    Some(match param {
        Param::Temperature => "temperature",
        Param::TopP => "top_p",
        Param::TopK => "top_k",
        Param::MaxOutput => "max_tokens",
        Param::Stop => "stop_sequences",
        Param::ServiceTier => "service_tier",
        _ => return None,
    })
}

fn size(value: &ParamValue) -> Option<f64> {
    match value {
        ParamValue::Int(number) => Some(*number as f64), // exact up to 2⁵³
        ParamValue::Float(number) => Some(*number).filter(|number| number.is_finite()),
        ParamValue::Bool(_) | ParamValue::Text(_) | ParamValue::Texts(_) => None,
    }
}

fn has_member(json: &str, name: &str) -> bool {
    let mut found = false;
    let scanned = Scanner::new(json).object(|_, key| {
        found |= key.cow() == name;
        Ok::<(), JsonError>(())
    });
    scanned.is_ok() && found
}

fn text_member(json: &str, name: &str) -> Option<String> {
    let mut found = None;
    let scanned = Scanner::new(json).object(|scanner, key| {
        if key.cow() == name {
            found = scanner.text()?.map(|text| text.into_owned());
        }
        Ok::<(), JsonError>(())
    });
    found.filter(|_| scanned.is_ok())
}

/// The object with a member set, or without it; nothing where it is no object.
fn with_member(json: &str, name: &str, value: Option<&str>) -> Option<String> {
    let mut scanned = Ok(());
    let out = object(json.len() + 64, |w| {
        scanned = Scanner::new(json).object(|scanner, key| {
            let (key, member) = (key.cow(), scanner.raw()?);
            if key != name {
                w.field_raw(&key, member);
            }
            Ok::<(), JsonError>(())
        });
        w.maybe_raw(name, value);
    });
    scanned.ok()?;
    String::from_utf8(out).ok()
}

#[cfg(test)]
#[path = "splice_tests.rs"]
mod tests;
