//! Encoding a request: splicing what changes into the bytes that came.

use std::ops::Range;

use super::request::{LOGPROBS, Request};
use crate::dialect::changes::PromptTexts;
use crate::dialect::edits::{
    Change, Edits, Encoded, Loss, LossKind, Param, ParamValue, PromptEdit,
};
use crate::dialect::json::{self, JsonError, Kind, Scanner};
use crate::dialect::object::Splice;
use crate::dialect::quirks::Quirks;

impl Request {
    /// The body with the edits made, for a provider with these quirks. What is not edited stays
    /// byte for byte as it came; without any change the result *is* the body that came.
    pub fn encode(&self, edits: &Edits, quirks: &Quirks) -> Encoded {
        let effort = self.places.effort.clone().map(|effort| &self.object.body()[effort]);
        let effort = effort.map(|effort| String::from_utf8_lossy(effort).into_owned());
        let mut encoding = Encoding {
            request: self,
            splice: Splice::new(&self.object),
            losses: Vec::new(),
            effort,
        };
        if let Some(model) = edits.model.as_deref().filter(|model| *model != self.shape().model) {
            encoding.splice.set("model", json::quote(model));
        }
        if let Some(stream) = edits.stream.filter(|stream| *stream != self.shape().stream) {
            encoding.splice.set("stream", stream.to_string());
            if !stream {
                encoding.splice.remove("stream_options"); // refused where nothing is streamed
            }
        }
        encoding.params(edits);
        encoding.quirks(quirks);
        encoding.prompt(&edits.prompt);
        Encoded { body: encoding.splice.body(), losses: encoding.losses }
    }
}

struct Encoding<'a> {
    request: &'a Request,
    splice: Splice<'a>,
    losses: Vec<Loss>,
    /// The effort that is going to be sent, as JSON.
    effort: Option<String>,
}

impl Encoding<'_> {
    fn loss(&mut self, param: Param, how: LossKind, note: impl Into<String>) {
        self.losses.push(Loss { param: param.name().into(), how, note: note.into() });
    }

    fn params(&mut self, edits: &Edits) {
        for (param, change) in edits.changes() {
            if *change == Change::Remove {
                self.remove_param(*param);
                continue;
            }
            let wanted = change.wanted(|limit, sign| self.beyond(*param, limit, sign));
            if let Some(value) = wanted {
                self.set_param(*param, value);
            }
        }
    }

    /// Whether the value that would be sent lies beyond the limit, above (sign 1) or below (−1).
    fn beyond(&self, param: Param, limit: &ParamValue, sign: f64) -> bool {
        let current = match param {
            Param::Reasoning => self.effort.as_deref(),
            param => field(param).and_then(|name| self.splice.value(name)),
        };
        limit.is_passed(param, current, sign)
    }

    fn set_param(&mut self, param: Param, value: &ParamValue) {
        match (param, value, field(param)) {
            (Param::Logprobs, ParamValue::Bool(wanted), _) => self.ask_logprobs(*wanted),
            (Param::Reasoning, ParamValue::Text(word), _) => self.set_effort(json::quote(word)),
            (Param::Logprobs | Param::Reasoning, ..) => {}
            (_, value, Some(name)) => {
                if let Some(value) = value.json() {
                    self.splice.set(name, value);
                }
            }
            (param, _, None) => self.loss(param, LossKind::Dropped, "it is unknown there"),
        }
    }

    fn remove_param(&mut self, param: Param) {
        match param {
            Param::Logprobs => {
                self.ask_logprobs(false);
                self.splice.remove("top_logprobs");
            }
            Param::Reasoning => {
                self.effort = None;
                self.splice.remove("reasoning");
            }
            param => {
                if let Some(name) = field(param) {
                    self.splice.remove(name);
                }
            }
        }
    }

    fn set_effort(&mut self, value: String) {
        self.effort = Some(value.clone());
        let object = &self.request.object;
        let index = self.splice.index("reasoning").filter(|_| self.splice.given("reasoning"));
        let index = index.filter(|index| object.body()[object.fields[*index].value.start] == b'{');
        let Some(index) = index else {
            return self.splice.set("reasoning", format!(r#"{{"effort":{value}}}"#));
        };
        let whole = &object.fields[index].value;
        let inside = whole.start + 1..whole.end - 1;
        let patch = match &self.request.places.effort {
            Some(effort) => (effort.clone(), value),
            None if object.body()[inside.clone()].iter().all(u8::is_ascii_whitespace) => {
                (inside, format!(r#""effort":{value}"#))
            }
            None => (inside.start..inside.start, format!(r#""effort":{value},"#)),
        };
        self.splice.patch(index, vec![patch]);
    }

    fn ask_logprobs(&mut self, wanted: bool) {
        let mut includes: Vec<String> = Vec::new();
        if let Some(json) = self.splice.value("include") {
            let mut scanner = Scanner::new(json);
            // What is no list was never one of ours to keep.
            let _ = scanner.array(|scanner, _| {
                includes.push(scanner.raw()?.to_owned());
                Ok::<(), JsonError>(())
            });
        }
        let ours = json::quote(LOGPROBS);
        if includes.contains(&ours) == wanted {
            return;
        }
        match wanted {
            true => includes.push(ours),
            false => includes.retain(|include| *include != ours),
        }
        self.splice.set("include", format!("[{}]", includes.join(",")));
    }

    fn quirks(&mut self, quirks: &Quirks) {
        for &param in quirks.unsupported {
            let said = match param {
                Param::Logprobs => {
                    let asked = self.splice.value("include");
                    asked.filter(|json| json.contains(LOGPROBS)).map(|_| "`logprobs`".to_owned())
                }
                param => field(param).and_then(|name| self.splice.value(name)).map(str::to_owned),
            };
            if let Some(value) = said.filter(|value| value != "null" && value != "false") {
                let shown: String = value.chars().take(40).collect();
                self.loss(param, LossKind::Dropped, format!("{shown} is not supported there"));
            }
            self.remove_param(param);
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

    /// The instructions are the system prompt; where there are none, the first system message is.
    fn prompt(&mut self, edits: &[PromptEdit]) {
        let Some(texts) = PromptTexts::of(edits) else { return };
        if texts.replaces() {
            self.splice.set("instructions", json::quote(&texts.whole()));
            return self.remove_systems();
        }
        let object = &self.request.object;
        let said = object.field("instructions").is_some_and(|json| json.len() > "\"\"".len());
        let place = match self.splice.index("instructions") {
            Some(index) if said && self.splice.given("instructions") => {
                Some((index, object.fields[index].value.clone(), Kind::String))
            }
            _ => {
                let first = self.request.places.systems.first();
                let content = first.and_then(|system| system.content.clone());
                let index = self.splice.index("input");
                index.zip(content).map(|(index, (range, kind))| (index, range, kind))
            }
        };
        let Some((index, whole, kind)) = place else {
            return self.splice.set("instructions", json::quote(&texts.whole()));
        };
        let inside = whole.start + 1..whole.end - 1;
        if object.body()[inside.clone()].iter().all(u8::is_ascii_whitespace) {
            return self.splice.patch(index, vec![(whole, json::quote(&texts.whole()))]);
        }
        let part = |text: &str| format!(r#"{{"type":"input_text","text":{}}}"#, json::quote(text));
        let patches = match kind {
            Kind::Array => texts.around(inside, Some(&part)),
            _ => texts.around(inside, None),
        };
        self.splice.patch(index, patches);
    }

    fn remove_systems(&mut self) {
        let places = &self.request.places;
        let Some(index) = self.splice.index("input") else { return };
        let removed = |item: &usize| places.systems.iter().any(|system| system.item == *item);
        let leading = (0..places.items.len()).take_while(removed).count();
        let mut patches: Vec<(Range<usize>, String)> = Vec::new();
        // Those in front go with the comma behind them, the others with the one before.
        if leading > 0 {
            let end = match places.items.get(leading) {
                Some(next) => next.start,
                None => places.items[leading - 1].end,
            };
            patches.push((places.items[0].start..end, String::new()));
        }
        for item in (leading..places.items.len()).filter(removed) {
            patches.push((places.items[item - 1].end..places.items[item].end, String::new()));
        }
        if !patches.is_empty() {
            self.splice.patch(index, patches);
        }
    }
}

/// The name of a parameter in this dialect; nothing where it has none.
fn field(param: Param) -> Option<&'static str> {
    Some(match param {
        Param::Temperature => "temperature",
        Param::TopP => "top_p",
        Param::MaxOutput => "max_output_tokens",
        Param::Reasoning => "reasoning",
        Param::TopLogprobs => "top_logprobs",
        Param::ParallelTools => "parallel_tool_calls",
        Param::ServiceTier => "service_tier",
        Param::User => "user",
        Param::Store => "store",
        Param::StreamOptions => "stream_options",
        Param::TopK
        | Param::Seed
        | Param::N
        | Param::Stop
        | Param::FrequencyPenalty
        | Param::PresencePenalty
        | Param::Logprobs
        | Param::LogitBias
        | Param::Role => return None,
    })
}

#[cfg(test)]
#[path = "splice_tests.rs"]
mod tests;
