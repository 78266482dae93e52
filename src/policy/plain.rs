//! A plain request: what every attribute is of which nothing is said, in tests and in examples of the
//! prover. A short chat without tools, from a key without any special traits.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::LazyLock;

use jiff::Timestamp;

use super::cond::{Declared, DeclaredSource, Operand};
use super::models::days;
use super::schedule::{DAYS, weekday_index};
use super::schema::{Attr, AttrRef, Type};
use super::spelling::written;
use super::value::{Facts, OwnedValue, Value, WorkedOut};

/// The tokens of a plain prompt.
const PROMPT_TOKENS: i64 = 100;
/// When it comes: a Wednesday at noon.
pub const NOON: Timestamp = Timestamp::constant(1_763_553_600, 0);

/// What a plain request has for an attribute.
pub fn plain(attr: Attr) -> Value<'static> {
    static NOTHING: LazyLock<BTreeSet<std::sync::Arc<str>>> = LazyLock::new(BTreeSet::new);
    match attr {
        Attr::RequestModel => Value::Str("auto"),
        Attr::RequestAuto | Attr::KeyAllowsModel | Attr::ModelAvailable => Value::Bool(true),
        Attr::RequestId => Value::Str("example"),
        Attr::RequestPath => Value::Str("/v1/chat/completions"),
        Attr::RequestN | Attr::RequestMessages | Attr::RateKeyConcurrent => Value::Int(1),
        Attr::RequestBytes | Attr::InputChars => Value::Int(4 * PROMPT_TOKENS),
        Attr::InputTokens | Attr::InputLastTokens | Attr::TotalTokens => Value::Int(PROMPT_TOKENS),
        Attr::KeyId | Attr::KeyName => Value::Str("key"),
        Attr::PoolHealthy => Value::Int(10),
        Attr::TimeHour => Value::Int(12),
        Attr::TimeWeekday => Value::Str("wed"),
        Attr::TimeDate => Value::Int(NOON.as_second().div_euclid(86_400)),
        attr if attr.def().optional => Value::Absent,
        attr => match &attr.def().ty {
            Type::Bool => Value::Bool(false),
            Type::Float(_) => Value::Float(0.0),
            Type::String => Value::Str(""),
            Type::Enum(members) => match members {
                super::schema::Members::Fixed(words) => {
                    words.first().map_or(Value::Absent, |word| Value::Str(word))
                }
                super::schema::Members::Declared(_) => Value::Absent,
            },
            Type::Set => Value::Set(&NOTHING),
            Type::Time => Value::Absent,
            _ => Value::Int(0),
        },
    }
}

/// A plain request but for what is said of it. What follows from that follows: the date from the
/// instant, the sum of tokens from its parts.
#[derive(Debug, Clone, Default)]
pub struct Said {
    values: Vec<(Operand, OwnedValue)>,
    sets: BTreeMap<String, OwnedValue>,
    now: Option<Timestamp>,
}

impl Said {
    /// Says what an operand is. Sets grow by what is said of them.
    pub fn say(&mut self, operand: &Operand, value: OwnedValue) {
        if let OwnedValue::Set(more) = &value {
            let known = self.sets.entry(operand.to_string());
            let known = known.or_insert_with(|| OwnedValue::Set(BTreeSet::new()));
            if let OwnedValue::Set(known) = known {
                known.extend(more.iter().cloned());
            }
            return;
        }
        self.values.push((operand.clone(), value));
    }

    /// Says when it comes.
    pub fn at(&mut self, now: Timestamp) {
        self.now = Some(now);
    }

    /// The operands that something was said of, with the latest word on each; without sets.
    pub fn operands(&self) -> impl Iterator<Item = (&Operand, &OwnedValue)> {
        let last = |index: usize, operand: &Operand| {
            !self.values[index + 1..].iter().any(|(later, _)| later == operand)
        };
        let values = self.values.iter().enumerate();
        values.filter(move |(index, (operand, _))| last(*index, operand)).map(|(_, (a, b))| (a, b))
    }

    /// The sets that something was said of.
    pub fn sets(&self) -> impl Iterator<Item = (&str, &OwnedValue)> {
        self.sets.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// What was said, each as it would be written in a test: `key.tier = free`.
    pub fn told(&self) -> Vec<String> {
        let values = self.values.iter().map(|(operand, said)| {
            format!("{operand} = {}", written(said.as_value(), &operand.value_type()))
        });
        let sets = self.sets.iter().filter(|(_, set)| **set != OwnedValue::Set(BTreeSet::new()));
        let sets =
            sets.map(|(name, set)| format!("{name} = {}", written(set.as_value(), &Type::Set)));
        let moment = self.now.map(|now| format!("time = \"{now}\""));
        values.chain(sets).chain(moment).collect()
    }

    /// What was said of an attribute, or follows from it; `None` where nothing was.
    pub fn about(&self, attr: &AttrRef) -> Option<Value<'_>> {
        self.find(attr).map(OwnedValue::as_value).or_else(|| self.derived(attr.attr))
    }

    /// When the request comes, if that was said.
    pub fn moment(&self) -> Option<Timestamp> {
        self.now
    }

    fn find(&self, attr: &AttrRef) -> Option<&OwnedValue> {
        let of_attr = |operand: &Operand| matches!(operand, Operand::Attr(known) if known == attr);
        // The latest word counts.
        let own = self.values.iter().rev().find(|(operand, _)| of_attr(operand));
        // A declared attribute's value is what its source says.
        let declared = || {
            self.values.iter().rev().find(|(operand, _)| {
                matches!(operand, Operand::Declared(declared)
                    if matches!(&declared.source, Some(DeclaredSource::Attr(source)) if source == attr))
            })
        };
        own.or_else(declared).map(|(_, value)| value).or_else(|| {
            if attr.attr.def().ty == Type::Set { self.sets.get(&attr.to_string()) } else { None }
        })
    }

    fn int(&self, attr: Attr) -> Option<i64> {
        match self.find(&AttrRef::plain(attr)) {
            Some(OwnedValue::Int(int)) => Some(*int),
            _ => None,
        }
    }

    /// What follows from other things that were said.
    fn derived(&self, attr: Attr) -> Option<Value<'_>> {
        let utc = || Some(self.now?.to_zoned(jiff::tz::TimeZone::UTC));
        match attr {
            Attr::RequestAuto => match self.find(&AttrRef::plain(Attr::RequestModel))? {
                OwnedValue::Str(model) => {
                    Some(Value::Bool(&**model == "auto" || model.starts_with("auto/")))
                }
                _ => None,
            },
            Attr::TimeHour => Some(Value::Int(utc()?.hour().into())),
            Attr::TimeWeekday => Some(Value::Str(DAYS[weekday_index(utc()?.weekday())])),
            Attr::TimeDate => Some(Value::Int(days(utc()?.date()))),
            Attr::TotalTokens => {
                let (input, output) =
                    (self.int(Attr::InputTokens), self.int(Attr::RequestMaxOutput));
                (input.is_some() || output.is_some()).then(|| {
                    Value::Int(input.unwrap_or(PROMPT_TOKENS).saturating_add(output.unwrap_or(0)))
                })
            }
            Attr::InputTokens => {
                let total = self.int(Attr::TotalTokens)?;
                let output = self.int(Attr::RequestMaxOutput).unwrap_or(0);
                Some(Value::Int(total.saturating_sub(output).max(0)))
            }
            Attr::InputLastTokens => self.int(Attr::InputTokens).map(Value::Int),
            Attr::RequestBytes | Attr::InputChars => {
                self.int(Attr::InputTokens).map(|tokens| Value::Int(tokens.saturating_mul(4)))
            }
            _ => None,
        }
    }
}

impl Facts for Said {
    fn get(&self, attr: &AttrRef) -> Value<'_> {
        self.about(attr).unwrap_or_else(|| plain(attr.attr))
    }

    fn worked_out<'a>(&'a self, declared: &Declared, _: &dyn Facts) -> Option<WorkedOut<'a>> {
        let said = self.values.iter().rev().find(|(operand, _)| {
            matches!(operand, Operand::Declared(known) if known.name == declared.name)
        });
        said.map(|(_, value)| WorkedOut::Said(value.as_value()))
    }

    fn now(&self) -> Timestamp {
        self.now.unwrap_or(NOON)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_follows() {
        let mut said = Said::default();
        assert_eq!(said.get(&AttrRef::plain(Attr::RequestAuto)), Value::Bool(true));
        assert_eq!(said.get(&AttrRef::plain(Attr::TimeWeekday)), Value::Str("wed"));
        assert_eq!(said.get(&AttrRef::plain(Attr::TimeHour)), Value::Int(12));
        let of = |attr| Operand::Attr(AttrRef::plain(attr));
        said.say(&of(Attr::InputTokens), OwnedValue::Int(5_000));
        said.say(&of(Attr::RequestMaxOutput), OwnedValue::Int(500));
        said.say(&of(Attr::RequestModel), OwnedValue::Str("openai/gpt-5".into()));
        assert_eq!(said.get(&AttrRef::plain(Attr::TotalTokens)), Value::Int(5_500));
        assert_eq!(said.get(&AttrRef::plain(Attr::RequestBytes)), Value::Int(20_000));
        assert_eq!(said.get(&AttrRef::plain(Attr::RequestAuto)), Value::Bool(false));
        said.say(&of(Attr::KeyTags), OwnedValue::Set(["a".into()].into()));
        said.say(&of(Attr::KeyTags), OwnedValue::Set(["b".into()].into()));
        let Value::Set(tags) = said.get(&AttrRef::plain(Attr::KeyTags)) else { panic!() };
        assert_eq!(tags.len(), 2);
    }

    #[test]
    fn every_attribute_of_a_request_has_a_plain_value_of_its_type() {
        for attr in Attr::ALL {
            let def = attr.def();
            if def.subject == crate::policy::schema::Subject::Request && !def.optional {
                let is_time = def.ty == Type::Time;
                assert_eq!(plain(*attr) == Value::Absent, is_time, "{}", def.name);
            }
        }
    }
}
