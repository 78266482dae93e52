//! The closed set of ways an attempt can fail, shared by the language (`retry 2 on rate_limited`)
//! and by the attempt loop.

use std::fmt;

use serde::Serialize;

macro_rules! error_classes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal),* $(,)?) => {
        /// Why an attempt failed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
        #[serde(rename_all = "snake_case")]
        #[repr(u8)]
        pub enum ErrorClass { $($(#[$doc])* $variant),* }

        impl ErrorClass {
            /// All of them, in the order of the documentation.
            pub const ALL: &[ErrorClass] = &[$(ErrorClass::$variant),*];

            /// The word policies and responses use.
            pub const fn name(self) -> &'static str {
                match self { $(ErrorClass::$variant => $name),* }
            }
        }
    };
}

error_classes! {
    /// 429: too many requests; comes with a cool-down.
    RateLimited = "rate_limited",
    /// 503 or 529 with a body that says so: the provider has no capacity right now.
    Overloaded = "overloaded",
    /// One of our clocks ran out.
    Timeout = "timeout",
    /// No connection: refused, unreachable, DNS, TLS.
    Connect = "connect",
    /// Any other 5xx.
    ServerError = "server_error",
    /// 401 or 403 from the provider: our credential is at fault, not the caller.
    Auth = "auth",
    /// 400, 404, 413 or 422: this request will fail there again.
    BadRequest = "bad_request",
    /// The prompt does not fit the model's context window.
    ContextExceeded = "context_exceeded",
    /// The provider's content filter refused prompt or answer.
    ContentFiltered = "content_filtered",
    /// 402, `insufficient_quota` and its like: permanent until the operator acts.
    QuotaExhausted = "quota_exhausted",
    /// The model cannot do what the request asks.
    Unsupported = "unsupported",
    /// An answer that is not one: HTML, broken JSON, a stream without its end.
    InvalidResponse = "invalid_response",
    /// The client went away.
    Canceled = "canceled",
}

impl ErrorClass {
    /// The HTTP status that the client of a plan that ended in this error gets. Upstream's status,
    /// where there is one, tells errors of one class apart.
    pub fn client_status(self, upstream: Option<u16>) -> u16 {
        match (self, upstream) {
            (ErrorClass::RateLimited, _) => 429,
            (ErrorClass::Overloaded, _) => 503,
            (ErrorClass::Timeout, _) => 504,
            (ErrorClass::ServerError, Some(status @ (500 | 503 | 504))) => status,
            // Our credential is our fault, not the caller's.
            (
                ErrorClass::Connect
                | ErrorClass::ServerError
                | ErrorClass::Auth
                | ErrorClass::InvalidResponse,
                _,
            ) => 502,
            (ErrorClass::QuotaExhausted, _) => 503,
            (ErrorClass::BadRequest, Some(status @ (404 | 413 | 422))) => status,
            // "The model is not found, or does not support this" is one message of Google's.
            (ErrorClass::Unsupported, Some(404)) => 404,
            (
                ErrorClass::BadRequest
                | ErrorClass::ContextExceeded
                | ErrorClass::ContentFiltered
                | ErrorClass::Unsupported,
                _,
            ) => 400,
            (ErrorClass::Canceled, _) => 499,
        }
    }

    /// The class with this name.
    pub fn from_name(name: &str) -> Option<ErrorClass> {
        ErrorClass::ALL.iter().copied().find(|class| class.name() == name)
    }
}

impl fmt::Display for ErrorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of error classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ErrorSet(u16);

impl ErrorSet {
    /// None of them.
    pub const NONE: ErrorSet = ErrorSet(0);

    /// The shorthand `transient`: waiting or going elsewhere may help.
    pub const TRANSIENT: ErrorSet = ErrorSet::of(&[
        ErrorClass::RateLimited,
        ErrorClass::Overloaded,
        ErrorClass::Timeout,
        ErrorClass::Connect,
        ErrorClass::ServerError,
        ErrorClass::InvalidResponse,
    ]);

    /// What moves on to the next candidate when a policy says nothing: everything transient, and
    /// faults of our credential; not what the same request would meet everywhere.
    pub const DEFAULT_FALLBACK: ErrorSet = ErrorSet(
        ErrorSet::TRANSIENT.0 | ErrorSet::of(&[ErrorClass::Auth, ErrorClass::QuotaExhausted]).0,
    );

    /// The shorthand `any`: everything but the client's own departure.
    pub const ANY: ErrorSet =
        ErrorSet(ErrorSet::of(ErrorClass::ALL).0 & !ErrorSet::of(&[ErrorClass::Canceled]).0);

    /// The set of these.
    pub const fn of(classes: &[ErrorClass]) -> ErrorSet {
        let (mut bits, mut i) = (0u16, 0);
        while i < classes.len() {
            bits |= 1 << classes[i] as u16;
            i += 1;
        }
        ErrorSet(bits)
    }

    /// Whether the class is in the set.
    pub const fn contains(self, class: ErrorClass) -> bool {
        self.0 & (1 << class as u16) != 0
    }

    /// Both sets together.
    pub const fn union(self, other: ErrorSet) -> ErrorSet {
        ErrorSet(self.0 | other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways() {
        for &class in ErrorClass::ALL {
            assert_eq!(ErrorClass::from_name(class.name()), Some(class));
        }
        assert_eq!(ErrorClass::from_name("nonsense"), None);
    }

    #[test]
    fn a_bad_request_does_not_fall_back_by_default() {
        assert!(!ErrorSet::DEFAULT_FALLBACK.contains(ErrorClass::BadRequest));
        assert!(ErrorSet::DEFAULT_FALLBACK.contains(ErrorClass::RateLimited));
        assert!(!ErrorSet::ANY.contains(ErrorClass::Canceled));
    }
}
