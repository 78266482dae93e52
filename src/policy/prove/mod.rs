//! What can be proved of a policy: which rules can match, what falls through, whether its promises
//! hold for all requests.
//!
//! Every condition is a union of boxes over independent axes ([`axes`]), and every question comes down
//! to one: does a box hold a point that some others do not cover ([`escape`])? A finding comes with a
//! request that shows it, found by the search and put to the evaluator before it is told.
//!
//! [`findings`] asks everything that `check` tells of a policy; [`Prover`] answers single questions.

pub mod axes;
mod bite;
mod bounds;
mod cells;
mod dead;
pub mod escape;
mod example;
mod findings;
mod gaps;
mod invariants;
mod parts;
mod promised;
mod prover;
mod repeats;
mod replaced;
mod retiring;
mod samples;
mod shape;
#[cfg(test)]
mod tests;
mod texts;

mod tunes;
mod unused;

pub use example::example;
pub use findings::{Subject, findings, gap};
pub use prover::{Prover, Reach, RuleRef, Stops, TooComplex};
