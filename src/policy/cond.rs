//! Checked conditions: every name resolved, every constant in its attribute's unit.
//!
//! [`Cond::holds`] is the meaning of a condition. The class table (`table`) computes the same
//! answer faster; a property test holds the two together.

use std::sync::Arc;

use super::schedule::Schedule;
use super::schema::{Attr, AttrRef};
use super::syntax::tree::Span;
use super::value::{Facts, Value};

/// A condition whose names and types have been checked.
#[derive(Debug, Clone, PartialEq)]
pub enum Cond {
    /// All of these hold. Of none: true.
    And(Vec<Cond>),
    /// One of these holds. Of none: false.
    Or(Vec<Cond>),
    /// This does not hold.
    Not(Box<Cond>),
    /// One attribute against constants.
    Test(Arc<Test>),
}

/// One attribute against constants.
#[derive(Debug, Clone)]
pub struct Test {
    /// Which attribute.
    pub operand: Operand,
    /// What is asked of it.
    pub op: Op,
    /// Where it stands, for traces.
    pub span: Span,
}

impl PartialEq for Test {
    fn eq(&self, other: &Self) -> bool {
        self.operand == other.operand && self.op == other.op
    }
}

/// What a test looks at: an attribute of the schema, or one the policy declares.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Operand {
    /// Of the schema.
    Attr(AttrRef),
    /// Of the policy.
    Declared(Arc<Declared>),
}

/// An attribute declared by a policy: `attribute key.tier: tier from key.meta["plan"] else free`.
#[derive(Debug, Clone)]
pub struct Declared {
    /// Its name as written.
    pub name: Arc<str>,
    /// Where the raw value comes from; `None` is always the default.
    pub source: Option<DeclaredSource>,
    /// How a text from the source becomes a value.
    pub reading: Reading,
    /// What it is when the source has none, or an impossible one.
    pub default: super::value::OwnedValue,
}

/// Where a declared attribute's raw value comes from.
#[derive(Debug, Clone)]
pub enum DeclaredSource {
    /// An attribute of the schema.
    Attr(AttrRef),
    /// A script's `fn value(req)`.
    Script(Arc<crate::script::Script>),
    /// A named function of the host's.
    Classifier {
        /// Which.
        name: Arc<str>,
        /// How long it may take.
        timeout: Option<std::time::Duration>,
    },
}

impl PartialEq for DeclaredSource {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (DeclaredSource::Attr(a), DeclaredSource::Attr(b)) => a == b,
            (DeclaredSource::Script(a), DeclaredSource::Script(b)) => a.name == b.name,
            (
                DeclaredSource::Classifier { name: a, .. },
                DeclaredSource::Classifier { name: b, .. },
            ) => a == b,
            _ => false,
        }
    }
}

/// The same attribute is one that always has the same value. In one policy its name says so; of two
/// policies each may declare it in its own way.
impl PartialEq for Declared {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && self.source == other.source
            && self.reading == other.reading
            && self.default == other.default
    }
}
impl Eq for Declared {}
impl std::hash::Hash for Declared {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

/// How the text of a header, a tag or a key's field becomes a declared attribute's value.
#[derive(Debug, Clone, PartialEq)]
pub enum Reading {
    /// `true`, `false`.
    Bool,
    /// A number or a quantity, read like a literal of the language, within these bounds
    /// (inclusive, as order keys).
    Number {
        /// The type, which says how the text is read.
        ty: super::schema::Type,
        /// The lowest allowed.
        low: i64,
        /// The highest allowed.
        high: i64,
    },
    /// As it is.
    Text,
    /// One of these words.
    OneOf(Arc<[Arc<str>]>),
}

/// What a test asks.
#[derive(Debug, Clone)]
pub enum Op {
    /// It is true.
    IsTrue,
    /// Its order key lies in one of these closed intervals.
    Within(Vec<(i64, i64)>),
    /// It is one of these texts.
    OneOf(Vec<Arc<str>>),
    /// It matches this pattern.
    Like(Glob),
    /// It matches this regular expression.
    Matches(regex::Regex),
    /// The set holds this element.
    Has(Arc<str>),
    /// There is a value.
    Present,
    /// The instant lies in this schedule.
    During(Arc<Schedule>),
}

impl PartialEq for Op {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Op::IsTrue, Op::IsTrue) | (Op::Present, Op::Present) => true,
            (Op::Within(a), Op::Within(b)) => a == b,
            (Op::OneOf(a), Op::OneOf(b)) => a == b,
            (Op::Like(a), Op::Like(b)) => a == b,
            (Op::Matches(a), Op::Matches(b)) => a.as_str() == b.as_str(),
            (Op::Has(a), Op::Has(b)) => a == b,
            (Op::During(a), Op::During(b)) => a == b,
            _ => false,
        }
    }
}

impl Cond {
    /// The condition that always holds.
    pub const TRUE: Cond = Cond::And(Vec::new());

    /// A test as a condition.
    pub fn test(operand: Operand, op: Op, span: Span) -> Cond {
        Cond::Test(Arc::new(Test { operand, op, span }))
    }

    /// Both of them.
    pub fn and(self, other: Cond) -> Cond {
        match (self, other) {
            (Cond::And(mut all), Cond::And(more)) => {
                all.extend(more);
                Cond::And(all)
            }
            (Cond::And(mut all), one) => {
                all.push(one);
                Cond::And(all)
            }
            (one, Cond::And(mut all)) => {
                all.insert(0, one);
                Cond::And(all)
            }
            (a, b) => Cond::And(vec![a, b]),
        }
    }

    /// Its opposite.
    pub fn negated(self) -> Cond {
        match self {
            Cond::Not(inner) => *inner,
            other => Cond::Not(Box::new(other)),
        }
    }

    /// Whether it holds for these facts.
    pub fn holds(&self, facts: &dyn Facts) -> bool {
        match self {
            Cond::And(all) => all.iter().all(|cond| cond.holds(facts)),
            Cond::Or(any) => any.iter().any(|cond| cond.holds(facts)),
            Cond::Not(inner) => !inner.holds(facts),
            Cond::Test(test) => test.holds(facts),
        }
    }

    /// Every test in it, left to right.
    pub fn tests(&self) -> Vec<&Arc<Test>> {
        let mut found = Vec::new();
        self.collect_tests(&mut found);
        found
    }

    fn collect_tests<'a>(&'a self, found: &mut Vec<&'a Arc<Test>>) {
        match self {
            Cond::And(all) | Cond::Or(all) => {
                all.iter().for_each(|cond| cond.collect_tests(found));
            }
            Cond::Not(inner) => inner.collect_tests(found),
            Cond::Test(test) => found.push(test),
        }
    }

    /// Whether a test in it looks at this attribute.
    pub fn mentions(&self, attr: Attr) -> bool {
        self.tests()
            .iter()
            .any(|test| matches!(&test.operand, Operand::Attr(found) if found.attr == attr))
    }
}

impl Test {
    /// Whether it holds for these facts.
    pub fn holds(&self, facts: &dyn Facts) -> bool {
        match &self.op {
            Op::During(schedule) => schedule.contains(facts.now()),
            op => op.accepts(self.operand.value(facts)),
        }
    }
}

impl Op {
    /// Whether the value passes. Schedules are not asked here: they need the instant.
    pub fn accepts(&self, value: Value<'_>) -> bool {
        match self {
            Op::IsTrue => value == Value::Bool(true),
            Op::Within(intervals) => value.order_key().is_some_and(|key| {
                intervals.iter().any(|(low, high)| (*low..=*high).contains(&key))
            }),
            Op::OneOf(texts) => {
                matches!(value, Value::Str(text) if texts.iter().any(|one| **one == *text))
            }
            Op::Like(glob) => matches!(value, Value::Str(text) if glob.matches(text)),
            Op::Matches(regex) => matches!(value, Value::Str(text) if regex.is_match(text)),
            Op::Has(element) => matches!(value, Value::Set(set) if set.contains(element)),
            Op::Present => value != Value::Absent,
            Op::During(_) => false,
        }
    }
}

impl Operand {
    /// Its value among these facts.
    pub fn value<'a>(&'a self, facts: &'a dyn Facts) -> Value<'a> {
        match self {
            Operand::Attr(attr) => facts.get(attr),
            Operand::Declared(declared) => declared.value(facts),
        }
    }

    /// The type of its values.
    pub fn value_type(&self) -> super::schema::Type {
        use super::schema::{Members, Type};
        match self {
            Operand::Attr(attr) => attr.attr.def().ty.clone(),
            Operand::Declared(declared) => match &declared.reading {
                Reading::Bool => Type::Bool,
                Reading::Text => Type::String,
                Reading::OneOf(words) => Type::Enum(Members::Declared(words.clone())),
                Reading::Number { ty, .. } => ty.clone(),
            },
        }
    }

    /// The cost of asking.
    pub fn cost(&self) -> super::schema::Cost {
        match self {
            Operand::Attr(attr) => attr.attr.def().cost,
            Operand::Declared(declared) => match &declared.source {
                None => super::schema::Cost::Free,
                Some(DeclaredSource::Attr(source)) => source.attr.def().cost,
                Some(DeclaredSource::Script(_) | DeclaredSource::Classifier { .. }) => {
                    super::schema::Cost::Expensive
                }
            },
        }
    }
}

impl std::fmt::Display for Operand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Operand::Attr(attr) => attr.fmt(f),
            Operand::Declared(declared) => f.write_str(&declared.name),
        }
    }
}

impl Declared {
    fn value<'a>(&'a self, facts: &'a dyn Facts) -> Value<'a> {
        let raw = match &self.source {
            None => Value::Absent,
            Some(DeclaredSource::Attr(source)) => facts.get(source),
            Some(DeclaredSource::Script(_) | DeclaredSource::Classifier { .. }) => {
                facts.worked_out(self)
            }
        };
        self.reading.read(raw).unwrap_or_else(|| self.default.as_value())
    }
}

impl Reading {
    fn read<'a>(&'a self, raw: Value<'a>) -> Option<Value<'a>> {
        match (self, raw) {
            (Reading::Text, Value::Str(_)) | (Reading::Bool, Value::Bool(_)) => Some(raw),
            (Reading::Bool, Value::Str("true")) => Some(Value::Bool(true)),
            (Reading::Bool, Value::Str("false")) => Some(Value::Bool(false)),
            (Reading::OneOf(words), Value::Str(text)) => {
                words.iter().find(|word| ***word == *text).map(|word| Value::Str(word))
            }
            (Reading::Number { ty, low, high }, raw) => {
                let value = match raw {
                    Value::Str(text) => super::check::quantity(ty, text)?,
                    number => number,
                };
                let key = value.order_key()?;
                (*low <= key && key <= *high).then_some(value)
            }
            _ => None,
        }
    }
}

/// A pattern with `*` (any text) and `?` (any one character).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Glob {
    pattern: Arc<str>,
}

impl Glob {
    /// Takes any text; there is no wrong pattern.
    pub fn new(pattern: &str) -> Glob {
        Glob { pattern: pattern.into() }
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.pattern
    }

    /// Whether the whole text matches. Time is at most pattern times text, never exponential.
    pub fn matches(&self, text: &str) -> bool {
        let mut pattern = self.pattern.chars();
        let mut rest = text.chars();
        // After the last `*`: where to take up again when the tail does not fit here.
        let mut retry: Option<(std::str::Chars<'_>, std::str::Chars<'_>)> = None;
        loop {
            match (pattern.next(), rest.clone().next()) {
                (Some('*'), _) => retry = Some((pattern.clone(), rest.clone())),
                (Some('?'), Some(_)) => {
                    rest.next();
                }
                (Some(want), Some(have)) if want == have => {
                    rest.next();
                }
                (None, None) => return true,
                _ => {
                    let Some((after_star, mut from)) = retry.take() else { return false };
                    if from.next().is_none() {
                        return false;
                    }
                    rest = from.clone();
                    pattern = after_star.clone();
                    retry = Some((after_star, from));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn globs() {
        for (pattern, text, expected) in [
            ("gpt-5*", "gpt-5-nano", true),
            ("gpt-5*", "gpt-4", false),
            ("*", "", true),
            ("a*b*c", "aXXbYYc", true),
            ("a*b*c", "aXXbYY", false),
            ("?at", "cat", true),
            ("?at", "at", false),
            ("*ab", "aab", true),
            ("", "", true),
            ("", "x", false),
            ("ab*bc", "abc", false),
            ("a*b*c*d", "a1b2c3d", true),
            ("a*b*c*d", "a1c2b3d", false),
        ] {
            assert_eq!(Glob::new(pattern).matches(text), expected, "{pattern} {text}");
        }
    }

    proptest! {
        #[test]
        fn globs_agree_with_regular_expressions(pattern in "[ab*?]{0,8}", text in "[ab]{0,10}") {
            let regex: String = pattern.chars().map(|c| match c {
                '*' => ".*".to_owned(), '?' => ".".to_owned(), c => c.to_string(),
            }).collect();
            let regex = regex::Regex::new(&format!("^{regex}$")).unwrap();
            prop_assert_eq!(Glob::new(&pattern).matches(&text), regex.is_match(&text));
        }
    }
}
