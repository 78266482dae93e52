//! What a plan's changes come to where they are spliced into a body: the part of it that is the same
//! in every dialect.

use std::ops::Range;

use super::edits::{Change, Edits, Param, ParamValue, PromptEdit};
use super::json;
use super::shape::Effort;

/// What all edits of a system prompt come to.
#[derive(Debug, Default)]
pub struct PromptTexts<'e> {
    before: Vec<&'e str>,
    instead: Option<&'e str>,
    after: Vec<&'e str>,
}

impl<'e> PromptTexts<'e> {
    /// Of edits in their order; nothing where there are none.
    pub fn of(edits: &'e [PromptEdit]) -> Option<PromptTexts<'e>> {
        let mut it = PromptTexts::default();
        for edit in edits {
            match edit {
                PromptEdit::Prepend(text) => it.before.insert(0, text.as_ref()),
                PromptEdit::Append(text) => it.after.push(text.as_ref()),
                PromptEdit::Replace(text) => {
                    it = PromptTexts { instead: Some(text.as_ref()), ..PromptTexts::default() };
                }
            }
        }
        (!edits.is_empty()).then_some(it)
    }

    /// Whether the prompt that was there goes.
    pub fn replaces(&self) -> bool {
        self.instead.is_some()
    }

    /// The whole prompt, where nothing that was there stays.
    pub fn whole(&self) -> String {
        let texts = self.before.iter().chain(&self.instead).chain(&self.after);
        texts.copied().collect::<Vec<_>>().join("\n\n")
    }

    /// What goes in front of a prompt that stays, and what behind it: as the inside of a JSON string,
    /// or, where `part` writes one, as parts of a list with their commas.
    pub fn ends(&self, part: Option<&dyn Fn(&str) -> String>) -> (Option<String>, Option<String>) {
        let said = |texts: &[&str]| Some(texts.join("\n\n")).filter(|text| !text.is_empty());
        let first = said(&self.before).map(|text| format!("{text}\n\n"));
        let last = said(&self.after).map(|text| format!("\n\n{text}"));
        match part {
            Some(part) => (
                first.map(|text| format!("{},", part(&text))),
                last.map(|text| format!(",{}", part(&text))),
            ),
            None => (first.map(|text| escaped(&text)), last.map(|text| escaped(&text))),
        }
    }

    /// The same as replacements in a body, around what lies `inside` of quotes or brackets.
    pub fn around(
        &self,
        inside: Range<usize>,
        part: Option<&dyn Fn(&str) -> String>,
    ) -> Vec<(Range<usize>, String)> {
        let (first, last) = self.ends(part);
        let first = first.map(|text| (inside.start..inside.start, text));
        let last = last.map(|text| (inside.end..inside.end, text));
        first.into_iter().chain(last).collect()
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    json::escape_into(&mut out, text);
    out
}

static WITH_LOGPROBS: (Param, Change) = (Param::Logprobs, Change::Replace(ParamValue::Bool(true)));

impl Edits {
    /// The changes of parameters, the wish for log probabilities among them.
    pub fn changes(&self) -> impl Iterator<Item = &(Param, Change)> {
        self.params.iter().chain(self.logprobs.then_some(&WITH_LOGPROBS))
    }
}

impl Change {
    /// The value that has to be set; nothing where what is there may stay, or is taken out. `passed`:
    /// whether what is there lies beyond a limit, above (sign 1) or below (−1).
    pub fn wanted(&self, passed: impl Fn(&ParamValue, f64) -> bool) -> Option<&ParamValue> {
        match self {
            Change::Remove => None,
            Change::Replace(value) => Some(value),
            Change::AtMost(limit) => passed(limit, 1.0).then_some(limit),
            Change::AtLeast(limit) => passed(limit, -1.0).then_some(limit),
        }
    }
}

impl ParamValue {
    /// The value as JSON; nothing where JSON has no way to write it.
    pub fn json(&self) -> Option<String> {
        Some(match self {
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

    /// Whether what is going to be sent lies beyond this limit, above (sign 1) or below (−1).
    /// `current`: its value as JSON. Without one the provider's default counts; where that is not
    /// known, the worst is assumed.
    pub fn is_passed(&self, param: Param, current: Option<&str>, sign: f64) -> bool {
        let limit = match self {
            ParamValue::Int(number) => Some(*number as f64), // exact up to 2⁵³
            ParamValue::Float(number) => Some(*number),
            ParamValue::Text(word) => effort_rank(word),
            ParamValue::Bool(_) | ParamValue::Texts(_) => None,
        };
        let Some(limit) = limit else { return false };
        let default = match param {
            Param::Temperature | Param::TopP | Param::N => Some(1.0),
            Param::FrequencyPenalty | Param::PresencePenalty | Param::TopLogprobs => Some(0.0),
            Param::MaxOutput => Some(f64::INFINITY),
            _ => None,
        };
        let current = current.and_then(rank).or(default);
        current.is_none_or(|value| (value - limit) * sign > 0.0)
    }
}

/// Where a JSON value stands in its order, if it has one.
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
