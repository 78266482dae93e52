//! Encoding a request: splicing what changes into the bytes that came.

use std::ops::Range;

use bytes::Bytes;

use super::config;
use super::encode::budget;
use super::names::camel;
use super::request::{Request, SystemPlace};
use crate::dialect::Dialect;
use crate::dialect::changes::PromptTexts;
use crate::dialect::conversation::Conversation;
use crate::dialect::edits::{Change, Edits, Encoded, Loss, LossKind, Param, PromptEdit};
use crate::dialect::json::{self, Kind, Scanner};
use crate::dialect::object::{Object, Splice};
use crate::dialect::quirks::Quirks;
use crate::dialect::write::JsonOut;

impl Request {
    /// The body with the edits made, for a provider with these quirks. What is not edited stays
    /// byte for byte as it came; without any change the result *is* the body that came.
    pub fn encode(&self, edits: &Edits, quirks: &Quirks) -> Encoded {
        let mut splice = Splice::new(&self.object);
        let mut losses = Vec::new();
        self.model(edits, &mut splice);
        self.generation(edits, quirks, &mut splice, &mut losses);
        self.prompt(&edits.prompt, &mut splice);
        Encoded { body: splice.body(), losses }
    }

    /// The model stands in the URL. Some clients repeat it in the body, where it must not
    /// contradict.
    fn model(&self, edits: &Edits, splice: &mut Splice<'_>) {
        let repeated = self.object.field("model").filter(|model| model.starts_with('"'));
        if let (Some(model), Some(repeated)) = (&edits.model, repeated)
            && **model != *self.shape().model
        {
            let prefix = if repeated.starts_with("\"models/") { "models/" } else { "" };
            splice.set("model", json::quote(&format!("{prefix}{model}")));
        }
    }

    /// Parameters are changed in neutral form; what differs then is written.
    fn generation(
        &self,
        edits: &Edits,
        quirks: &Quirks,
        splice: &mut Splice<'_>,
        losses: &mut Vec<Loss>,
    ) {
        let asked = !edits.params.is_empty() || edits.logprobs;
        if !asked && quirks.unsupported.is_empty() && quirks.max_temperature.is_none() {
            return;
        }
        let place = index(&self.object, "generationConfig");
        let given = place
            .map(|place| self.object.fields[place].value.clone())
            .filter(|range| self.object.body[range.start] == b'{');
        let inner = match &given {
            Some(range) => Object::read(self.object.body.slice(range.clone())),
            None => Object::read(Bytes::from_static(b"{}")),
        };
        let Ok(inner) = inner else { return };
        let text = std::str::from_utf8(&inner.body).unwrap_or("{}");
        let mut before = Conversation::new(Dialect::GeminiGenerate);
        // It was read once already.
        let _ = config::generation(&mut Scanner::new(text), &mut before);
        let mut after = before.clone();
        after.apply(&Edits {
            logprobs: edits.logprobs,
            params: edits.params.clone(),
            ..Edits::default()
        });
        unsupported(quirks, &mut after, losses);
        unknown(&before, &after, losses);
        if let Some(changed) = changed(&inner, &before, &after) {
            match place {
                Some(place) => {
                    let range = self.object.fields[place].value.clone();
                    splice.patch(place, vec![(range, changed)]);
                }
                None => splice.set("generationConfig", changed),
            }
        }
    }

    fn prompt(&self, edits: &[PromptEdit], splice: &mut Splice<'_>) {
        let Some(texts) = PromptTexts::of(edits) else { return };
        let place = index(&self.object, "systemInstruction");
        if let (Some(place), Some(system), false) = (place, &self.system, texts.replaces())
            && let Some(patches) = self.around(system, &texts)
        {
            return splice.patch(place, patches);
        }
        let whole = format!("{{\"parts\":[{}]}}", part(&texts.whole()));
        match place {
            Some(place) => {
                let range = self.object.fields[place].value.clone();
                splice.patch(place, vec![(range, whole)]);
            }
            None => splice.set("systemInstruction", whole),
        }
    }

    /// Texts before and behind instructions that stay; nothing where there are none.
    fn around(
        &self,
        system: &SystemPlace,
        texts: &PromptTexts<'_>,
    ) -> Option<Vec<(Range<usize>, String)>> {
        let (range, kind) = match &system.parts {
            Some(parts) => parts.clone(),
            None if system.kind == Kind::String => (system.value.clone(), Kind::String),
            None => return None,
        };
        let inside = range.start + 1..range.end - 1;
        if self.object.body[inside.clone()].iter().all(u8::is_ascii_whitespace) {
            return None;
        }
        let (first, last) = match kind {
            Kind::String => texts.ends(None),
            _ => texts.ends(Some(&part)),
        };
        let (start, end, open, close) = match kind {
            // A part without the brackets of its list.
            Kind::Object => (range.start, range.end, "[", "]"),
            _ => (inside.start, inside.end, "", ""),
        };
        Some(vec![
            (start..start, format!("{open}{}", first.unwrap_or_default())),
            (end..end, format!("{}{close}", last.unwrap_or_default())),
        ])
    }
}

fn part(text: &str) -> String {
    format!("{{\"text\":{}}}", json::quote(text))
}

/// The place of a field, whichever way its name is written.
fn index(object: &Object, name: &str) -> Option<usize> {
    object.fields.iter().position(|field| camel(&field.name) == name)
}

/// Takes out what the provider refuses.
fn unsupported(quirks: &Quirks, it: &mut Conversation<'_>, losses: &mut Vec<Loss>) {
    for &param in quirks.unsupported {
        let given = it.clone();
        it.apply(&Edits { params: vec![(param, Change::Remove)], ..Edits::default() });
        let idle = param == Param::N && given.sampling.n == Some(1);
        if *it != given && !idle {
            let note = "it is not supported there".to_owned();
            losses.push(Loss { param: param.name().into(), how: LossKind::Dropped, note });
        }
    }
    let limit = quirks.max_temperature.map(|hundredths| f64::from(hundredths) / 100.0);
    if let (Some(limit), Some(value)) = (limit, it.sampling.temperature)
        && value > limit
    {
        it.sampling.temperature = Some(limit);
        let note = format!("{value} to {limit}");
        losses.push(Loss { param: Param::Temperature.name().into(), how: LossKind::Clamped, note });
    }
}

/// Notes the changes that this dialect has no fields for.
fn unknown(before: &Conversation<'_>, after: &Conversation<'_>, losses: &mut Vec<Loss>) {
    let odd = [
        (Param::ParallelTools, before.parallel_tools != after.parallel_tools),
        (Param::ServiceTier, before.service_tier != after.service_tier),
        (Param::User, before.user != after.user),
        (Param::Store, before.store != after.store),
    ];
    for (param, _) in odd.iter().filter(|(_, changed)| *changed) {
        let note = "it is unknown there".to_owned();
        losses.push(Loss { param: param.name().into(), how: LossKind::Dropped, note });
    }
}

/// The changed `generationConfig`; nothing where nothing changed.
fn changed(inner: &Object, before: &Conversation<'_>, after: &Conversation<'_>) -> Option<String> {
    let (old, new) = (&before.sampling, &after.sampling);
    let float = |value: Option<f64>| value.map(|value| value.to_string());
    let int = |value: Option<u64>| value.map(|value| value.to_string());
    let stops = || {
        let mut out = Vec::new();
        JsonOut::new(&mut out).array(|w| new.stop.iter().for_each(|stop| w.string(stop)));
        String::from_utf8_lossy(&out).into_owned()
    };
    let fields: [(&'static str, bool, Option<String>); 11] = [
        ("temperature", old.temperature != new.temperature, float(new.temperature)),
        ("topP", old.top_p != new.top_p, float(new.top_p)),
        ("topK", old.top_k != new.top_k, int(new.top_k)),
        (
            "maxOutputTokens",
            old.max_output != new.max_output,
            int(new.max_output.map(|tokens| tokens.0)),
        ),
        ("seed", old.seed != new.seed, new.seed.map(|seed| seed.to_string())),
        ("candidateCount", old.n != new.n, int(new.n.map(u64::from))),
        ("stopSequences", old.stop != new.stop, (!new.stop.is_empty()).then(stops)),
        (
            "frequencyPenalty",
            old.frequency_penalty != new.frequency_penalty,
            float(new.frequency_penalty),
        ),
        (
            "presencePenalty",
            old.presence_penalty != new.presence_penalty,
            float(new.presence_penalty),
        ),
        (
            "responseLogprobs",
            old.logprobs != new.logprobs,
            new.logprobs.map(|wanted| wanted.to_string()),
        ),
        ("logprobs", old.top_logprobs != new.top_logprobs, int(new.top_logprobs.map(u64::from))),
    ];
    let mut splice = Splice::new(inner);
    let mut any = false;
    for (name, differs, value) in fields {
        if differs {
            any = true;
            put(inner, &mut splice, name, value);
        }
    }
    if before.reasoning != after.reasoning {
        any = true;
        put(inner, &mut splice, "thinkingConfig", Some(thinking(inner, before, after)));
    }
    any.then(|| String::from_utf8_lossy(&splice.body()).into_owned())
}

/// The changed `thinkingConfig`: as a level where the client measures in levels.
fn thinking(inner: &Object, before: &Conversation<'_>, after: &Conversation<'_>) -> String {
    let given = index(inner, "thinkingConfig")
        .map(|place| inner.body.slice(inner.fields[place].value.clone()));
    let empty = || Object { body: Bytes::from_static(b"{}"), fields: Vec::new() };
    let config = given.and_then(|body| Object::read(body).ok()).unwrap_or_else(empty);
    let mut splice = Splice::new(&config);
    let in_levels = before.reasoning.effort.is_some() && !after.reasoning.is_off();
    let level = after.reasoning.effort.as_deref().filter(|_| in_levels);
    let level = level.map(|level| json::quote(&level.to_ascii_uppercase()));
    let tokens = budget(&after.reasoning).filter(|_| level.is_none());
    if after.reasoning.is_off() {
        put(&config, &mut splice, "includeThoughts", None);
    }
    put(&config, &mut splice, "thinkingLevel", level);
    put(&config, &mut splice, "thinkingBudget", tokens.map(|tokens| tokens.to_string()));
    String::from_utf8_lossy(&splice.body()).into_owned()
}

/// Sets or removes a field, under the name that it has.
fn put(object: &Object, splice: &mut Splice<'_>, name: &'static str, value: Option<String>) {
    match (index(object, name), value) {
        (Some(place), Some(value)) => {
            splice.patch(place, vec![(object.fields[place].value.clone(), value)]);
        }
        (Some(place), None) => splice.remove(&object.fields[place].name),
        (None, Some(value)) => splice.set(name, value),
        (None, None) => {}
    }
}

#[cfg(test)]
#[path = "splice_tests.rs"]
mod tests;
