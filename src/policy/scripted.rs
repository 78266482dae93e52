//! What attributes mean to a script, and what a script's answers mean to a policy.
//!
//! A script sees the attributes that its header names, nested as they are written: `input.tokens` is
//! `req.input.tokens`, `header["x-team"]` is `req.header["x-team"]`. Counts are whole numbers; money
//! is dollars, prices dollars per million tokens (per image, per request, per minute), durations
//! seconds and percentages shares of one, all as floats; dates are texts (`2026-01-31`) and sets
//! lists of texts. What is absent is `()`. Answers are read in the same units.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::cond::{DeclaredSource, Operand, Reading};
use super::plain::Said;
use super::schema::{Attr, AttrRef, SCHEMA, Subject, Type};
use super::value::{Facts, OwnedValue, Value, Worked, float_key};
use crate::script::{Datum, Failure, LONGEST_TEXT, List, Reason, Record, Script};

/// Nano-dollars in a dollar, nanoseconds in a second.
const NANO: f64 = 1e9;
/// Basis points in one.
const SHARES: f64 = 10_000.0;

/// A script with the attributes that it sees.
#[derive(Debug)]
pub struct BoundScript {
    /// The script.
    pub script: Script,
    /// What it sees.
    pub inputs: Vec<Input>,
}

/// An attribute that a script sees.
#[derive(Debug, Clone)]
pub struct Input {
    /// Where it stands in `req`.
    pub path: Vec<Arc<str>>,
    /// Which it is.
    pub operand: Operand,
    /// Its type, which says how it is shown.
    pub ty: Type,
}

impl BoundScript {
    /// What `fn value(req)` says, as the declared type has it. Failures are counted.
    pub fn value(&self, reading: &Reading, facts: &dyn Facts) -> Result<OwnedValue, Failure> {
        let answer = self.script.call(vec![self.request(facts)], self.deadline());
        self.counted(answer.and_then(|answer| read(reading, &answer)))
    }

    /// What `fn judge(req, answer)` says of an answer: 0 to 1, or absent. Failures are counted.
    pub fn judge(&self, facts: &dyn Facts, answer: Record) -> Result<OwnedValue, Failure> {
        let arguments = vec![self.request(facts), Datum::from_map(answer)];
        let answer = self.script.call(arguments, self.deadline());
        self.counted(answer.and_then(|answer| read(&Reading::share(), &answer)))
    }

    /// What `fn rank(req, model)` says of a model. Failures are counted.
    pub fn rank(
        &self,
        request: Datum,
        model: &dyn Facts,
        deadline: Instant,
    ) -> Result<f64, Failure> {
        let answer = self.script.call(vec![request, described(model)], deadline);
        let number = Reading::Number { ty: Type::Float(None), low: i64::MIN, high: i64::MAX };
        match self.counted(answer.and_then(|answer| read(&number, &answer)))? {
            OwnedValue::Float(rank) => Ok(rank),
            _ => Ok(0.0),
        }
    }

    /// When a call that begins now must be over.
    pub fn deadline(&self) -> Instant {
        Instant::now() + self.script.limits().timeout
    }

    /// The map `req`.
    pub fn request(&self, facts: &dyn Facts) -> Datum {
        let mut request = Record::new();
        for input in &self.inputs {
            insert(&mut request, &input.path, datum(input.operand.value(facts), &input.ty));
        }
        Datum::from_map(request)
    }

    fn counted<T>(&self, outcome: Result<T, Failure>) -> Result<T, Failure> {
        if let Err(failure) = &outcome {
            self.script.failures().count(failure.reason);
        }
        outcome
    }

    /// Runs the script once on a plain request, with all the time it needs, and reads its answer as the place asks for. This is how a policy's check tries it.
    ///
    /// # Errors
    /// When it fails or says something that cannot be used.
    pub fn tried(&self, reading: &Reading, model: Option<&dyn Facts>) -> Result<(), Failure> {
        /// Steps are limited all the same.
        const PATIENCE: Duration = Duration::from_secs(5);
        let request = self.request(&Said::default());
        let arguments = match self.script.entry() {
            crate::script::Entry::Value => vec![request],
            crate::script::Entry::Judge => vec![request, Datum::from_map(no_answer())],
            crate::script::Entry::Rank => {
                let Some(model) = model else { return Ok(()) };
                vec![request, described(model)]
            }
        };
        let answer = self.script.call(arguments, Instant::now() + PATIENCE)?;
        read(reading, &answer).map(|_| ())
    }
}

/// An answer as judges see it, of which nothing is known.
pub fn no_answer() -> Record {
    let mut answer = Record::new();
    answer.insert("text".into(), "".into());
    answer.insert("chars".into(), 0_i64.into());
    answer.insert("tokens".into(), 0_i64.into());
    answer.insert("finish".into(), Datum::UNIT);
    answer.insert("refusal".into(), "".into());
    answer.insert("tool_calls".into(), Datum::from_array(List::new()));
    answer.insert("json".into(), Datum::UNIT);
    answer
}

/// The most elements of a list that is shown to a script.
pub const MOST_LISTED: usize = 256;

/// JSON as a script sees it. Where there is more of it than a script may hold, the rest is left out:
/// elements and members behind the first [`MOST_LISTED`] of all, texts beyond their limit together.
pub fn json(value: &serde_json::Value) -> Datum {
    fn shown(value: &serde_json::Value, elements: &mut usize, bytes: &mut usize) -> Datum {
        fn fitting(text: &str, bytes: &mut usize) -> String {
            let text = &text[..text.floor_char_boundary(*bytes)];
            *bytes -= text.len();
            text.to_owned()
        }
        match value {
            serde_json::Value::Null => Datum::UNIT,
            serde_json::Value::Bool(bool) => (*bool).into(),
            serde_json::Value::Number(number) => match number.as_i64() {
                Some(int) => int.into(),
                None => number.as_f64().unwrap_or(f64::NAN).into(),
            },
            serde_json::Value::String(string) => fitting(string, bytes).into(),
            serde_json::Value::Array(array) => {
                let mut list = List::new();
                for value in array {
                    if *elements == 0 {
                        break;
                    }
                    *elements -= 1;
                    list.push(shown(value, elements, bytes));
                }
                Datum::from_array(list)
            }
            serde_json::Value::Object(object) => {
                let mut record = Record::new();
                for (name, value) in object {
                    if *elements == 0 {
                        break;
                    }
                    *elements -= 1;
                    let name = fitting(name, bytes);
                    record.insert(name.into(), shown(value, elements, bytes));
                }
                Datum::from_map(record)
            }
        }
    }
    shown(value, &mut MOST_LISTED.clone(), &mut (LONGEST_TEXT / 2).clone())
}

/// The map `model`: every attribute of a model, nested as it is written; the plain `quality` is
/// `quality.overall`.
fn described(model: &dyn Facts) -> Datum {
    let mut record = Record::new();
    for (attr, def) in Attr::ALL.iter().zip(SCHEMA) {
        if def.subject == Subject::Model {
            let name = if *attr == Attr::Quality { "quality.overall" } else { def.name };
            let path: Vec<Arc<str>> = name.split('.').map(Arc::from).collect();
            insert(&mut record, &path, datum(model.get(&AttrRef::plain(*attr)), &def.ty));
        }
    }
    Datum::from_map(record)
}

fn insert(record: &mut Record, path: &[Arc<str>], value: Datum) {
    match path {
        [] => {}
        [name] => _ = record.insert((&**name).into(), value),
        [name, rest @ ..] => {
            let inner =
                record.entry((&**name).into()).or_insert_with(|| Datum::from_map(Record::new()));
            if let Ok(mut inner) = inner.as_map_mut() {
                insert(&mut inner, rest, value);
            }
        }
    }
}

fn datum(value: Value<'_>, ty: &Type) -> Datum {
    match (value, ty) {
        (Value::Absent, _) => Datum::UNIT,
        (Value::Bool(bool), _) => bool.into(),
        (Value::Float(float), _) => float.into(),
        (Value::Int(nano), Type::Money | Type::Price(_) | Type::Duration) => {
            (nano as f64 / NANO).into()
        }
        (Value::Int(share), Type::Percent) => (share as f64 / SHARES).into(),
        (Value::Int(days), Type::Date) => date(days).into(),
        (Value::Int(int), _) => int.into(),
        (Value::Str(text), _) => shortened(text).into(),
        (Value::Set(set), _) => Datum::from_array(
            set.iter().take(MOST_LISTED).map(|text| shortened(text).into()).collect(),
        ),
    }
}

/// As much of a text as a script may hold.
pub fn shortened(text: &str) -> &str {
    &text[..text.floor_char_boundary(LONGEST_TEXT)]
}

fn date(days: i64) -> String {
    let epoch = jiff::civil::Date::constant(1970, 1, 1);
    let date = jiff::Span::new().try_days(days).and_then(|span| epoch.checked_add(span));
    date.map_or_else(|_| String::new(), |date| date.to_string())
}

/// A script's answer as a value of a type; `()` is none.
fn read(reading: &Reading, answer: &Datum) -> Result<OwnedValue, Failure> {
    if answer.is_unit() {
        return Ok(OwnedValue::Absent);
    }
    let wrong = |expected: &str| {
        let message = format!("the answer is {}, not {expected}", kind(answer));
        Err(Failure::new(Reason::Type, message))
    };
    match reading {
        Reading::Bool => match answer.as_bool() {
            Ok(bool) => Ok(OwnedValue::Bool(bool)),
            Err(_) => wrong("a yes or no"),
        },
        Reading::Text | Reading::OneOf(_) => {
            let Some(text) = answer.read_lock::<rhai::ImmutableString>() else {
                return wrong("a text");
            };
            match reading {
                Reading::OneOf(words) => match words.iter().find(|word| ***word == **text) {
                    Some(word) => Ok(OwnedValue::Str(word.clone())),
                    None => {
                        let words: Vec<&str> = words.iter().map(|word| &**word).collect();
                        let message =
                            format!("the answer {:?} is none of {}", &**text, words.join(", "));
                        Err(Failure::new(Reason::Range, message))
                    }
                },
                _ => Ok(OwnedValue::Str(text.as_str().into())),
            }
        }
        Reading::Number { ty, low, high } => {
            let Some(value) = number(ty, answer) else { return wrong(ty.name()) };
            let within = |key: i64| *low <= key && key <= *high;
            if value.as_value().order_key().is_some_and(within) {
                return Ok(value);
            }
            let message = format!("the answer {answer} is out of range");
            Err(Failure::new(Reason::Range, message))
        }
    }
}

/// A number in the unit of the type; `None` for what is no number of this type.
fn number(ty: &Type, answer: &Datum) -> Option<OwnedValue> {
    let float = || answer.as_float().or_else(|_| answer.as_int().map(|int| int as f64)).ok();
    let scaled = |by: f64| {
        let units = (float()? * by).round();
        // Beyond 2^53 the float itself is not exact any more.
        (units.abs() < 9.0e18).then_some(OwnedValue::Int(units as i64))
    };
    match ty {
        Type::Float(_) => float().map(OwnedValue::Float),
        Type::Money | Type::Price(_) | Type::Duration => scaled(NANO),
        Type::Percent => scaled(SHARES),
        // `floor` and its like give floats.
        _ => match answer.as_int() {
            Ok(int) => Some(OwnedValue::Int(int)),
            Err(_) => float().filter(|float| float.fract() == 0.0).and_then(|_| scaled(1.0)),
        },
    }
}

fn kind(answer: &Datum) -> &'static str {
    match answer.type_name() {
        "bool" => "a yes or no",
        "i64" => "a whole number",
        "f64" => "a number",
        "string" | "char" => "a text",
        "array" => "a list",
        "map" => "a map",
        _ => "something else",
    }
}

impl Reading {
    /// A number from 0 to 1.
    pub fn share() -> Reading {
        let key = |float| float_key(float).unwrap_or(0);
        Reading::Number { ty: Type::Float(Some((0, 100))), low: key(0.0), high: key(1.0) }
    }
}

/// What was worked out for one request or attempt, each once, in the order in which it was asked
/// for.
#[derive(Debug, Default)]
pub struct Memo(OnceLock<Box<Remembered>>);

#[derive(Debug)]
struct Remembered {
    source: DeclaredSource,
    worked: Worked,
    next: Memo,
}

impl Memo {
    /// What is known of this source, or what `work` finds out. `work` may ask for others meanwhile.
    pub fn get_or(&self, source: &DeclaredSource, work: &dyn Fn() -> Worked) -> &Worked {
        let mut at = self;
        let mut found = None;
        loop {
            match at.0.get() {
                Some(known) if known.source.is(source) => return &known.worked,
                Some(known) => at = &known.next,
                None => {
                    let worked = found.take().unwrap_or_else(work);
                    let new = Remembered { source: source.clone(), worked, next: Memo::default() };
                    // Somebody may have been here while it was worked out.
                    if let Err(mine) = at.0.set(Box::new(new)) {
                        found = Some(mine.worked);
                    }
                }
            }
        }
    }
}

impl DeclaredSource {
    /// Whether both are the same script, or the same question to a classifier.
    fn is(&self, other: &DeclaredSource) -> bool {
        match (self, other) {
            (DeclaredSource::Attr(a), DeclaredSource::Attr(b)) => a == b,
            (DeclaredSource::Script(a), DeclaredSource::Script(b))
            | (DeclaredSource::Judge(a), DeclaredSource::Judge(b)) => Arc::ptr_eq(a, b),
            (
                DeclaredSource::Classifier { name: a, timeout: x },
                DeclaredSource::Classifier { name: b, timeout: y },
            ) => a == b && x == y,
            _ => false,
        }
    }
}

impl Worked {
    /// What a script said, or why it said nothing.
    pub fn by(script: &Script, outcome: Result<OwnedValue, Failure>) -> Worked {
        match outcome {
            Ok(value) => Worked::Said(value),
            Err(failure) => Worked::Failed(format!("script {}: {failure}", script.name()).into()),
        }
    }
}

#[cfg(test)]
mod tests;
