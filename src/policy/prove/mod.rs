//! What can be proved of a policy: which rules can match, what falls through, whether its promises
//! hold for all requests.
//!
//! Every condition is a union of boxes over independent axes ([`axes`]), and every question comes down
//! to one: does a box hold a point that some others do not cover ([`escape`])? A finding comes with a
//! request that shows it, found by the search and put to the evaluator before it is told.

pub mod axes;
pub mod escape;
mod prover;
mod samples;
mod texts;

pub use prover::{Prover, Reach, RuleRef, TooComplex};
pub use samples::spelt;
