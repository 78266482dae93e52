//! `assume`, `invariant` and `test`: what is taken for granted, what is proved, what is tried.

use std::sync::Arc;
use std::time::Duration;

use super::{ModelFilter, Rule, Target};
use crate::error_class::ErrorClass;
use crate::policy::cond::{Cond, Operand};
use crate::policy::syntax::tree::{Quantifier, Span};
use crate::policy::value::OwnedValue;
use crate::units::NanoDollars;

/// `assume not (key.tier == free and key.tags has "sla")`
#[derive(Debug, Clone)]
pub struct Assumption {
    /// What is taken for granted.
    pub cond: Cond,
    /// Where it stands.
    pub span: Span,
    /// Whether it is watched at run time: not where it asks for what a script or classifier says.
    pub watched: bool,
}

/// `invariant free-stays-cheap when key.tier == free { … }`
#[derive(Debug, Clone)]
pub struct Invariant {
    /// Name, for whom it holds, place.
    pub rule: Rule,
    /// What holds, each with its place.
    pub claims: Vec<(Claim, Span)>,
}

/// A line of an invariant.
#[derive(Debug, Clone)]
pub enum Claim {
    /// `every model where …`, `some …`, `no …`: of all models that the plan could ever ask.
    Models(Quantifier, Arc<ModelFilter>),
    /// `no shadow`
    NoShadow,
    /// `never denied`
    NeverDenied,
    /// `always denied`
    AlwaysDenied,
    /// `max_cost <= $0.05`: the worst case of all attempts together.
    MaxCost(NanoDollars),
    /// `max_attempts <= 6`
    MaxAttempts(u64),
    /// `max_latency <= 2min`, by the declared clocks.
    MaxLatency(Duration),
    /// `route in [a, b]`: names of routes, or `default`.
    RouteIn(Vec<Arc<str>>),
}

/// `test "name" { … }`: one request and what comes of it.
#[derive(Debug, Clone)]
pub struct TestCase {
    /// Its name.
    pub name: Arc<str>,
    /// Where the name stands.
    pub span: Span,
    /// What is said of the request. What is not said is as in a plain request.
    pub given: Vec<Given>,
    /// How attempts end; the others succeed.
    pub attempts: Vec<Scripted>,
    /// What is expected, each with its place.
    pub expects: Vec<(Expect, Span)>,
}

/// `given key.tier = pro`
#[derive(Debug, Clone)]
pub struct Given {
    /// Which attribute.
    pub operand: Operand,
    /// Its value.
    pub value: OwnedValue,
    /// Where it stands.
    pub span: Span,
}

/// `attempt 1 refused after 2s`
#[derive(Debug, Clone)]
pub struct Scripted {
    /// Which attempt, from 1.
    pub number: u64,
    /// How it ends.
    pub outcome: Outcome,
    /// After how long; at once if unsaid.
    pub after: Option<Duration>,
    /// Where it stands.
    pub span: Span,
}

/// How a scripted attempt ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "as the attributes of attempts are called")]
pub enum Outcome {
    Ok,
    Refused,
    Empty,
    Truncated,
    InvalidJson,
    SchemaViolation,
    ToolCallMissing,
    ToolCallInvalid,
    Repeats,
    WrongLanguage,
    Unsafe,
    /// An error of this class.
    Failed(ErrorClass),
}

impl Outcome {
    /// The words of policies that are no error classes.
    pub const WORDS: [&str; 12] = [
        "ok",
        "refused",
        "empty",
        "truncated",
        "invalid_json",
        "schema_violation",
        "tool_call_missing",
        "tool_call_invalid",
        "repeats",
        "wrong_language",
        "unsafe",
        "timed_out",
    ];

    /// What a word means: one of [`Outcome::WORDS`] or an error class.
    pub fn from_word(word: &str) -> Option<Outcome> {
        Some(match word {
            "ok" => Outcome::Ok,
            "refused" => Outcome::Refused,
            "empty" => Outcome::Empty,
            "truncated" => Outcome::Truncated,
            "invalid_json" => Outcome::InvalidJson,
            "schema_violation" => Outcome::SchemaViolation,
            "tool_call_missing" => Outcome::ToolCallMissing,
            "tool_call_invalid" => Outcome::ToolCallInvalid,
            "repeats" => Outcome::Repeats,
            "wrong_language" => Outcome::WrongLanguage,
            "unsafe" => Outcome::Unsafe,
            "timed_out" => Outcome::Failed(ErrorClass::Timeout),
            class => Outcome::Failed(ErrorClass::from_name(class)?),
        })
    }
}

/// What a test expects.
#[derive(Debug, Clone)]
pub enum Expect {
    /// `every model in small`, `some model in small`: the members of the pool.
    ModelsIn(Quantifier, Target),
    /// `every model where …`
    ModelsWhere(Quantifier, Arc<ModelFilter>),
    /// `denied`, `denied by frozen`
    Denied(Option<Arc<str>>),
    /// `answered by large`: one of its models gave the answer.
    AnsweredBy(Target),
    /// `attempts == 2 and cost <= $0.10`: attributes of the outcome.
    Outcome(Cond),
}
