//! The words of the language by the place they may stand in: for cutting, for "did you mean", and
//! for editors.

use super::grammar::Rule;

/// Words that start an item.
pub const ITEMS: &[&str] = &[
    "language",
    "import",
    "enum",
    "attribute",
    "let",
    "schedule",
    "assume",
    "pool",
    "ladder",
    "split",
    "experiment",
    "budget",
    "limit",
    "deny",
    "require",
    "defaults",
    "tune",
    "route",
    "default",
    "delegate",
    "alias",
    "invariant",
    "test",
];

/// Words that carry a statement on when a line starts with them.
pub const CONTINUE: &[&str] = &[
    "and", "or", "when", "else", "escalate", "because", "status", "from", "plus", "except", "over",
];

/// The same, but only outside of blocks: inside, each of these starts a line of its own.
pub const CONTINUE_ITEM: &[&str] = &["pick", "only", "to", "where"];

/// Words and signs after which a statement goes on with the next line.
pub const DANGLING: &[&str] = &[
    "and", "or", "not", "when", "where", "because", "->", ",", "=", "|", "plus", "except", "else",
];

/// Words that are never names.
pub const RESERVED: &[&str] = &[
    "and", "or", "not", "in", "is", "has", "like", "matches", "when", "where", "on", "else",
    "because", "true", "false",
];

/// What a block's lines are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The file itself.
    File,
    /// The body of a route, `default`, `defaults`, `tune` or step.
    Body,
    /// A ladder.
    Ladder,
    /// A split.
    Split,
    /// An experiment.
    Experiment,
    /// A budget.
    Budget,
    /// An invariant.
    Invariant,
    /// A test.
    Test,
}

impl Place {
    /// The block that follows a statement with this first word.
    pub fn of(keyword: &str) -> Option<Place> {
        Some(match keyword {
            "route" | "default" | "defaults" | "tune" | "step" => Place::Body,
            "ladder" => Place::Ladder,
            "split" => Place::Split,
            "experiment" => Place::Experiment,
            "budget" => Place::Budget,
            "invariant" => Place::Invariant,
            "test" => Place::Test,
            _ => return None,
        })
    }

    /// The words a line here may start with.
    pub fn words(self) -> &'static [&'static str] {
        match self {
            Place::File => ITEMS,
            Place::Body => &[
                "only", "floor", "timeout", "retry", "fallback", "hedge", "cap", "set", "prompt",
                "cache", "sticky", "shadow", "tag", "log", "pick", "hold",
            ],
            Place::Ladder => &["step", "max_cost", "deadline", "hold"],
            Place::Split => &["rest"],
            Place::Experiment => &["arm", "ramp", "metric", "guard", "ends"],
            Place::Budget => &["at"],
            Place::Invariant => &[
                "every",
                "some",
                "no",
                "never",
                "always",
                "max_cost",
                "max_attempts",
                "max_latency",
                "route",
            ],
            Place::Test => &["given", "attempt", "expect"],
        }
    }

    /// What such a line is called.
    pub fn line(self) -> &'static str {
        match self {
            Place::File => "statement",
            Place::Body => "directive",
            Place::Ladder => "ladder line",
            Place::Split => "arm",
            Place::Experiment => "experiment line",
            Place::Budget => "budget line",
            Place::Invariant => "claim",
            Place::Test => "test line",
        }
    }

    /// The rule that reads one such line and nothing else.
    pub(super) fn rule(self) -> Rule {
        match self {
            Place::File => Rule::only_item,
            Place::Body => Rule::only_stmt,
            Place::Ladder => Rule::only_rung,
            Place::Split => Rule::only_arm,
            Place::Experiment => Rule::only_trial,
            Place::Budget => Rule::only_mark,
            Place::Invariant => Rule::only_claim,
            Place::Test => Rule::only_probe,
        }
    }
}

/// The error class that providers report with this HTTP status, for people who think in statuses.
pub fn error_class_of_status(status: u16) -> Option<&'static str> {
    Some(match status {
        401 | 403 => "auth",
        402 => "quota_exhausted",
        408 | 504 => "timeout",
        413 => "context_exceeded",
        429 => "rate_limited",
        503 | 529 => "overloaded",
        500..600 => "server_error",
        400..500 => "bad_request",
        _ => return None,
    })
}
