//! The facts of a request as a decision log has them: written from a request, read as a fact source.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, LazyLock};

use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};

use super::line::Text;
use crate::policy::schema::{Attr, AttrRef, Cost, Index, Subject, Type};
use crate::policy::value::{Facts, Value};

/// What a log has on one request. Counted things are whole numbers in the unit of their type:
/// nano-dollars, nanoseconds, hundredths of a percent, days, bytes, tokens.
#[derive(Debug)]
pub struct RecordedFacts<'a> {
    /// The instant of the decision.
    now: jiff::Timestamp,
    /// Per attribute where its value is, counted from 1; 0 for none.
    places: [u8; Attr::ALL.len()],
    values: Vec<Kept<'a>>,
    /// Values with an index in brackets.
    indexed: Vec<(Attr, Text<'a>, Text<'a>)>,
    /// Names that are not in the schema.
    unknown: Vec<Text<'a>>,
}

#[derive(Debug)]
enum Kept<'a> {
    Absent,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(Text<'a>),
    Set(BTreeSet<Arc<str>>),
}

static NAMES: LazyLock<HashMap<&'static str, Attr>> =
    LazyLock::new(|| Attr::ALL.iter().map(|attr| (attr.def().name, *attr)).collect());

impl<'a> RecordedFacts<'a> {
    fn empty() -> RecordedFacts<'a> {
        RecordedFacts {
            now: jiff::Timestamp::UNIX_EPOCH,
            places: [0; Attr::ALL.len()],
            values: Vec::with_capacity(64),
            indexed: Vec::new(),
            unknown: Vec::new(),
        }
    }

    /// The facts of a request that a policy could ask for without a model or a script, and of the
    /// attributes with an index these: headers, tags, fields of the key's `meta`.
    pub fn of(facts: &'a dyn Facts, indexed: Vec<(Attr, Text<'a>, Text<'a>)>) -> RecordedFacts<'a> {
        let mut kept = RecordedFacts::empty();
        kept.now = facts.now();
        kept.indexed = indexed;
        for attr in Attr::ALL.iter().filter(|attr| is_recorded(**attr)) {
            let value = match facts.get(plain(*attr)) {
                Value::Absent => continue,
                Value::Bool(bool) => Kept::Bool(bool),
                Value::Int(int) => Kept::Int(int),
                Value::Float(float) => Kept::Float(float),
                Value::Str(text) => Kept::Str(Text(Cow::Borrowed(text))),
                Value::Set(set) => Kept::Set(set.clone()),
            };
            kept.put(*attr, value);
        }
        kept
    }

    /// As they were at this instant.
    pub fn at(mut self, now: jiff::Timestamp) -> RecordedFacts<'a> {
        self.now = now;
        self
    }

    /// What stands in the line and in no schema.
    pub fn unknown(&self) -> &[Text<'a>] {
        &self.unknown
    }

    fn put(&mut self, attr: Attr, value: Kept<'a>) {
        // More values than a byte counts cannot be: the schema has fewer attributes.
        if let (Some(place), Ok(number)) =
            (self.places.get_mut(attr as usize), u8::try_from(self.values.len() + 1))
        {
            *place = number;
            self.values.push(value);
        }
    }
}

/// An attribute without brackets, for as long as anybody needs it.
fn plain(attr: Attr) -> &'static AttrRef {
    static PLAIN: LazyLock<Vec<AttrRef>> =
        LazyLock::new(|| Attr::ALL.iter().map(|attr| AttrRef::plain(*attr)).collect());
    // One for each attribute, in the same order.
    &PLAIN[attr as usize]
}

/// Whether the log has it. Live figures are recorded as such; the text of messages is no attribute.
fn is_recorded(attr: Attr) -> bool {
    let def = attr.def();
    def.subject == Subject::Request
        && def.index == Index::None
        && def.cost < Cost::Expensive
        && def.waits_for.is_none()
        && def.ty != Type::Time
}

impl Facts for RecordedFacts<'_> {
    fn now(&self) -> jiff::Timestamp {
        self.now
    }

    fn get(&self, attr: &AttrRef) -> Value<'_> {
        if let Some(index) = &attr.index {
            let found = self
                .indexed
                .iter()
                .find(|(known, name, _)| *known == attr.attr && **name == **index);
            return found.map_or(Value::Absent, |(_, _, text)| Value::Str(text));
        }
        let place = self.places.get(attr.attr as usize).map_or(0, |place| usize::from(*place));
        match place.checked_sub(1).and_then(|place| self.values.get(place)) {
            None | Some(Kept::Absent) => Value::Absent,
            Some(Kept::Bool(bool)) => Value::Bool(*bool),
            Some(Kept::Int(int)) => Value::Int(*int),
            Some(Kept::Float(float)) => Value::Float(*float),
            Some(Kept::Str(text)) => Value::Str(text),
            Some(Kept::Set(set)) => Value::Set(set),
        }
    }
}

impl Serialize for RecordedFacts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for attr in Attr::ALL {
            match self.get(plain(*attr)) {
                Value::Absent => {}
                Value::Bool(bool) => map.serialize_entry(attr.def().name, &bool)?,
                Value::Int(int) => map.serialize_entry(attr.def().name, &int)?,
                Value::Float(float) => map.serialize_entry(attr.def().name, &float)?,
                Value::Str(text) => map.serialize_entry(attr.def().name, text)?,
                Value::Set(set) => map.serialize_entry(attr.def().name, set)?,
            }
        }
        for attr in [Attr::Header, Attr::Tag, Attr::KeyMeta] {
            let of = self.indexed.iter().filter(|(known, ..)| *known == attr);
            let values: Vec<_> = of.map(|(_, name, text)| (name, text)).collect();
            if !values.is_empty() {
                map.serialize_entry(attr.def().name, &Pairs(&values))?;
            }
        }
        map.end()
    }
}

struct Pairs<'p, 'a>(&'p [(&'p Text<'a>, &'p Text<'a>)]);

impl Serialize for Pairs<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for RecordedFacts<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Reading)
    }
}

struct Reading;

impl<'de> Visitor<'de> for Reading {
    type Value = RecordedFacts<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the facts of a request")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut facts = RecordedFacts::empty();
        while let Some(name) = map.next_key::<Text<'de>>()? {
            match NAMES.get(&*name) {
                None => {
                    map.next_value::<IgnoredAny>()?;
                    facts.unknown.push(name);
                }
                Some(attr) if attr.def().index != Index::None => {
                    let Pairings(pairs) = map.next_value()?;
                    facts.indexed.extend(pairs.into_iter().map(|(name, text)| (*attr, name, text)));
                }
                Some(attr) => {
                    let value = match (map.next_value()?, &attr.def().ty) {
                        (Kept::Int(int), Type::Float(_)) => Kept::Float(int as f64),
                        (value, _) => value,
                    };
                    facts.put(*attr, value);
                }
            }
        }
        Ok(facts)
    }
}

/// The entries of a map, in order.
struct Pairings<'a>(Vec<(Text<'a>, Text<'a>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairings<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Pairings<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("texts by name")
            }
            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairings(pairs))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Kept<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfAnyKind;
        impl<'de> Visitor<'de> for OfAnyKind {
            type Value = Kept<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a truth value, a number, a text or a list of texts")
            }
            fn visit_unit<E>(self) -> Result<Kept<'de>, E> {
                Ok(Kept::Absent)
            }
            fn visit_bool<E>(self, bool: bool) -> Result<Kept<'de>, E> {
                Ok(Kept::Bool(bool))
            }
            fn visit_i64<E>(self, int: i64) -> Result<Kept<'de>, E> {
                Ok(Kept::Int(int))
            }
            fn visit_u64<E>(self, int: u64) -> Result<Kept<'de>, E> {
                Ok(Kept::Int(i64::try_from(int).unwrap_or(i64::MAX)))
            }
            fn visit_f64<E>(self, float: f64) -> Result<Kept<'de>, E> {
                Ok(Kept::Float(float))
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Kept<'de>, E> {
                Ok(Kept::Str(Text(Cow::Borrowed(text))))
            }
            fn visit_str<E>(self, text: &str) -> Result<Kept<'de>, E> {
                Ok(Kept::Str(Text(Cow::Owned(text.to_owned()))))
            }
            fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Kept<'de>, S::Error> {
                let mut set = BTreeSet::new();
                while let Some(text) = seq.next_element::<Text<'de>>()? {
                    set.insert(Arc::from(&*text));
                }
                Ok(Kept::Set(set))
            }
        }
        deserializer.deserialize_any(OfAnyKind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_what_was_written() {
        let text = r#"{"request.auto":true,"request.model":"a\"b","request.temperature":1,"input.tokens":12,"difficulty":0.5,"key.tags":["a","b"],"header[]":{"x-team":"search"},"request.top_p":null}"#;
        let facts: RecordedFacts<'_> = serde_json::from_str(text).unwrap();
        let get = |attr| facts.get(plain(attr));
        assert_eq!(get(Attr::RequestAuto), Value::Bool(true));
        assert_eq!(get(Attr::RequestModel), Value::Str("a\"b"));
        assert_eq!(get(Attr::RequestTemperature), Value::Float(1.0));
        assert_eq!(get(Attr::InputTokens), Value::Int(12));
        assert_eq!(get(Attr::RequestTopP), Value::Absent);
        let header = |name: &str| AttrRef { attr: Attr::Header, index: Some(name.into()) };
        assert_eq!(facts.get(&header("x-team")), Value::Str("search"));
        assert_eq!(facts.get(&header("x-other")), Value::Absent);
        let again = serde_json::to_string(&facts).unwrap();
        let reread: RecordedFacts<'_> = serde_json::from_str(&again).unwrap();
        for attr in Attr::ALL {
            assert_eq!(reread.get(plain(*attr)), facts.get(plain(*attr)), "{attr:?}");
        }
        assert!(again.contains(r#""header[]":{"x-team":"search"}"#), "{again}");
    }

    #[test]
    fn unknown_names_are_passed_over_and_named() {
        let text = r#"{"request.mood":{"deep":[1]},"request.stream":true}"#;
        let facts: RecordedFacts<'_> = serde_json::from_str(text).unwrap();
        assert_eq!(facts.unknown().iter().map(|it| &**it).collect::<Vec<_>>(), ["request.mood"]);
        assert_eq!(facts.get(plain(Attr::RequestStream)), Value::Bool(true));
    }
}
