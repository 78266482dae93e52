//! Hashes that decide: which arm of a split, which share of the traffic, who is who.

use std::borrow::Cow;

use crate::policy::cond::Operand;
use crate::policy::plan::AffinityKey;
use crate::policy::value::{Facts, Value};

/// A hash of texts, each with its length, so that no two lists of them are one.
#[derive(Default)]
pub(super) struct Mix(blake3::Hasher);

impl Mix {
    pub fn add(&mut self, text: &str) {
        self.0.update(&(text.len() as u64).to_le_bytes());
        self.0.update(text.as_bytes());
    }

    /// Which of 10 000 equal shares it falls into.
    pub fn bucket(&self) -> u32 {
        let mut word = [0u8; 8];
        word.copy_from_slice(&self.0.finalize().as_bytes()[..8]);
        (u64::from_le_bytes(word) % 10_000) as u32
    }

    /// The key of an affinity.
    pub fn key(&self) -> AffinityKey {
        let mut key = [0u8; 16];
        key.copy_from_slice(&self.0.finalize().as_bytes()[..16]);
        AffinityKey(key)
    }
}

/// What stands for a value in a hash; nothing for one that is absent.
pub(super) fn text_of<'a>(operand: &'a Operand, facts: &'a dyn Facts) -> Option<Cow<'a, str>> {
    match operand.value(facts) {
        Value::Absent => None,
        Value::Str(text) => Some(Cow::Borrowed(text)),
        Value::Bool(bool) => Some(Cow::Borrowed(if bool { "true" } else { "false" })),
        Value::Int(int) => Some(Cow::Owned(int.to_string())),
        Value::Float(float) => Some(Cow::Owned(float.to_string())),
        Value::Set(set) => Some(Cow::Owned(set.iter().map(|s| &**s).collect::<Vec<_>>().join(","))),
    }
}
