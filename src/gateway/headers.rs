//! The headers of our own, on requests and on answers.

use std::fmt;

use http::HeaderName;
use serde::Serialize;

use crate::dialect::Dialect;

macro_rules! own_headers {
    ($($(#[$doc:meta])* $name:ident = $text:literal),* $(,)?) => {
        $($(#[$doc])* pub const $name: HeaderName = HeaderName::from_static($text);)*

        /// All of them. None is ever passed on to a provider.
        pub const ALL: &[&str] = &[$($text),*];
    };
}

own_headers! {
    /// Answer: the id of the request.
    ID = "x-pointsman-id",
    /// Answer: the model that answered.
    MODEL = "x-pointsman-model",
    /// Answer: the model the client asked for.
    REQUESTED = "x-pointsman-requested",
    /// Answer: the route that was taken.
    ROUTE = "x-pointsman-route",
    /// Answer: the policy that decided, as `name@generation`.
    POLICY = "x-pointsman-policy",
    /// Answer: how many attempts were made.
    ATTEMPTS = "x-pointsman-attempts",
    /// Answer: why this model, one of [`Reason`].
    REASON = "x-pointsman-reason",
    /// Answer: what it cost, in dollars.
    COST = "x-pointsman-cost",
    /// Answer: what the cache did.
    CACHE = "x-pointsman-cache",
    /// Answer: the arm of an experiment the request was assigned to.
    ARM = "x-pointsman-arm",
    /// Answer: parameters the model could not be given.
    LOSSES = "x-pointsman-losses",
    /// Request: `1` asks for the decision in the answer's body.
    EXPLAIN = "x-pointsman-explain",
    /// Request: how long the answer may be kept, as a duration.
    CACHE_TTL = "x-pointsman-cache-ttl",
}

/// The header in which a dialect's own SDK looks for the request's id, to show it to people.
pub fn id_of_dialect(dialect: Dialect) -> Option<HeaderName> {
    match dialect {
        Dialect::OpenAiChat
        | Dialect::OpenAiResponses
        | Dialect::OpenAiCompletions
        | Dialect::OpenAiEmbeddings => Some(HeaderName::from_static("x-request-id")),
        Dialect::AnthropicMessages => Some(HeaderName::from_static("request-id")),
        _ => None,
    }
}

/// How all of them begin.
pub const PREFIX: &str = "x-pointsman-";

/// Whether a header is one of ours, also one that we do not know (yet).
pub fn is_own(name: &HeaderName) -> bool {
    name.as_str().starts_with(PREFIX)
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $word:literal),* $(,)?) => {
        /// Why a request was answered by the model that answered it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Reason { $($(#[$doc])* $variant),* }

        impl Reason {
            /// All of them.
            pub const ALL: &[Reason] = &[$(Reason::$variant),*];

            /// The word in the header, the ledger and the metrics.
            pub const fn as_str(self) -> &'static str {
                match self { $(Reason::$variant => $word),* }
            }
        }
    };
}

reasons! {
    /// A route of the policy chose it.
    Matched = "matched",
    /// The client named it.
    Requested = "requested",
    /// What was chosen first failed.
    Fallback = "fallback",
    /// A cheaper answer did not pass its check.
    Escalated = "escalated",
    /// A budget or limit asked for less.
    Degraded = "degraded",
    /// It was started second and answered first.
    Hedged = "hedged",
    /// It answered the same request before.
    Cached = "cached",
    /// It answered the same request at the same time.
    Coalesced = "coalesced",
    /// An experiment assigned it.
    Arm = "arm",
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_header_is_recognised_as_ours() {
        for name in ALL {
            assert!(is_own(&HeaderName::from_static(name)));
        }
        assert!(!is_own(&http::header::AUTHORIZATION));
    }

    #[test]
    fn a_reason_reads_the_same_everywhere() {
        for reason in Reason::ALL {
            let json = serde_json::to_value(reason).expect("a word");
            assert_eq!(json, reason.as_str());
            assert_eq!(reason.to_string(), reason.as_str());
        }
    }
}
