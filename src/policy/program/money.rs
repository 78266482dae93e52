//! `budget` and `limit`: what is spent or sent at most.

use std::sync::Arc;
use std::time::Duration;

use super::{Rule, Target};
use crate::policy::cond::Operand;
use crate::units::{BasisPoints, NanoDollars};

/// `budget team-month $2_000 per month per key.team { … }`
#[derive(Debug, Clone)]
pub struct Budget {
    /// Name, whose requests it counts, place.
    pub rule: Rule,
    /// How much per period.
    pub amount: NanoDollars,
    /// The period.
    pub period: Period,
    /// Per whom.
    pub per: Operand,
    /// What happens at which share of it, the lowest first.
    pub marks: Vec<Mark>,
}

/// A period of the calendar, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Period {
    Hour,
    Day,
    Week,
    Month,
}

impl Period {
    /// The words of policies.
    pub const WORDS: [&str; 4] = ["hour", "day", "week", "month"];

    /// What a word means.
    pub fn from_word(word: &str) -> Option<Period> {
        Some(match word {
            "hour" => Period::Hour,
            "day" => Period::Day,
            "week" => Period::Week,
            "month" => Period::Month,
            _ => return None,
        })
    }
}

/// `at 95% degrade to small`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// At which share of the budget.
    pub share: BasisPoints,
    /// What happens.
    pub breach: Breach,
}

/// `limit fair-share 40 concurrent per key.team else queue 15s`
#[derive(Debug, Clone)]
pub struct Limit {
    /// Name, whose requests it counts, place.
    pub rule: Rule,
    /// How much.
    pub amount: LimitAmount,
    /// Per whom.
    pub per: Operand,
    /// What happens above it.
    pub breach: Breach,
}

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitAmount {
    /// So many requests in a time.
    Requests(u64, Duration),
    /// So many tokens in a time.
    Tokens(u64, Duration),
    /// So many requests at once.
    Concurrent(u64),
}

/// What happens when a budget or a limit is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Breach {
    /// Go on, and say so.
    Warn,
    /// Use this instead.
    Degrade(Target),
    /// Wait this long for room.
    Queue(Duration),
    /// Refuse, with these words.
    Deny(Option<Arc<str>>),
}
