//! Values that conditions look at, and where they come from.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::schema::AttrRef;

/// The value of one attribute, borrowed from whoever computed it.
///
/// Everything counted (tokens, money, durations, shares, bytes, dates) is an `Int` in the unit of
/// its [`super::schema::Type`], so that comparing is one integer comparison.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// There is none. Every positive test on it is false.
    Absent,
    /// A truth value.
    Bool(bool),
    /// A count in the type's unit.
    Int(i64),
    /// A ratio.
    Float(f64),
    /// A text or the member of an enum.
    Str(&'a str),
    /// A set of texts.
    Set(&'a BTreeSet<Arc<str>>),
}

impl Value<'_> {
    /// The position of a number in one total order of integers; `None` for what is not a number.
    ///
    /// Floats are mapped so that their order is kept, which lets one kind of interval serve both.
    pub fn order_key(self) -> Option<i64> {
        match self {
            Value::Int(int) => Some(int),
            Value::Float(float) => float_key(float),
            _ => None,
        }
    }

    /// A copy that owns its text, for the record of a decision.
    pub fn to_owned(self) -> OwnedValue {
        match self {
            Value::Absent => OwnedValue::Absent,
            Value::Bool(bool) => OwnedValue::Bool(bool),
            Value::Int(int) => OwnedValue::Int(int),
            Value::Float(float) => OwnedValue::Float(float),
            Value::Str(text) => OwnedValue::Str(text.into()),
            Value::Set(set) => OwnedValue::Set(set.clone()),
        }
    }
}

/// Maps a float to an integer of the same order; `None` for NaN.
pub fn float_key(float: f64) -> Option<i64> {
    if float.is_nan() {
        return None;
    }
    // -0.0 and 0.0 are one number. Negative floats order by descending bits, hence the flip.
    let bits = (float + 0.0).to_bits() as i64;
    Some(if bits < 0 { bits ^ i64::MAX } else { bits })
}

/// The float that [`float_key`] maps to this integer.
pub fn key_float(key: i64) -> f64 {
    let bits = if key < 0 { key ^ i64::MAX } else { key };
    f64::from_bits(bits as u64)
}

/// A value that owns its text.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the same as in Value")]
pub enum OwnedValue {
    Absent,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(Arc<str>),
    Set(BTreeSet<Arc<str>>),
}

impl OwnedValue {
    /// The value, borrowed.
    pub fn as_value(&self) -> Value<'_> {
        match self {
            OwnedValue::Absent => Value::Absent,
            OwnedValue::Bool(bool) => Value::Bool(*bool),
            OwnedValue::Int(int) => Value::Int(*int),
            OwnedValue::Float(float) => Value::Float(*float),
            OwnedValue::Str(text) => Value::Str(text),
            OwnedValue::Set(set) => Value::Set(set),
        }
    }
}

/// Whatever conditions are evaluated against: a request, a model, an attempt.
///
/// Implementations compute lazily; the evaluator asks only for what a live rule needs. The same
/// attribute must give the same value for as long as the object lives.
pub trait Facts {
    /// The attribute's value, or [`Value::Absent`].
    fn get(&self, attr: &AttrRef) -> Value<'_>;

    /// What a script or a classifier says of the request, for an attribute that a policy declares.
    /// Absent where there is nobody to ask, or no usable answer: then the declared `else` holds.
    fn worked_out(&self, _declared: &super::cond::Declared) -> Value<'_> {
        Value::Absent
    }

    /// The instant of the decision; schedules are resolved against it.
    fn now(&self) -> jiff::Timestamp;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn float_keys_keep_the_order(a in any::<f64>(), b in any::<f64>()) {
            if let (Some(x), Some(y)) = (float_key(a), float_key(b)) {
                prop_assert_eq!(a.partial_cmp(&b), Some(x.cmp(&y)));
            }
        }
    }

    #[test]
    fn keys_lead_back_to_their_floats() {
        for float in [0.0, 1.0, -1.0, 0.72, -1.1, f64::MAX, f64::MIN, 1e-300] {
            assert_eq!(key_float(float_key(float).unwrap()), float);
        }
    }

    #[test]
    fn both_zeros_are_one_number() {
        assert_eq!(float_key(0.0), float_key(-0.0));
        assert_eq!(float_key(f64::NAN), None);
    }
}
