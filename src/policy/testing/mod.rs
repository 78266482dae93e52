//! Trying a policy: each of its `test` blocks is one request, decided and played through as the
//! gateway would, with providers that do what the test scripts.
//!
//! Nothing here has a clock or a network, so a test gives the same result everywhere and at any time.

mod coverage;
mod judge;
mod outcome;
mod play;
mod request;
mod say;

use std::sync::Arc;

pub use coverage::{Coverage, Gap, Share};

use super::diagnostic::Diagnostic;
use super::eval::{Listener, Situation, decide_listening};
use super::plan::{Decision, Removal, RemovedBy};
use super::program::{ModelSet, Program, TestCase};
use super::syntax::tree::Span;
use super::trial;
use crate::catalog::ModelIdx;
use outcome::Upshot;
pub use request::TestRequest;

/// What came of one test.
#[derive(Debug, Clone)]
pub struct TestResult {
    /// Its name.
    pub name: Arc<str>,
    /// Where the name stands.
    pub span: Span,
    /// Why it fails; empty if it does not.
    pub failures: Vec<Diagnostic>,
}

impl TestResult {
    /// Whether everything came as expected.
    pub fn is_good(&self) -> bool {
        self.failures.is_empty()
    }
}

/// What came of a policy's tests.
#[derive(Debug)]
pub struct Tested {
    /// Each test that was run, in the order of the texts.
    pub results: Vec<TestResult>,
    /// What of the policy they saw.
    pub coverage: Coverage,
}

impl Tested {
    /// Everything that was not as expected.
    pub fn failures(&self) -> impl Iterator<Item = &Diagnostic> {
        self.results.iter().flat_map(|result| &result.failures)
    }
}

/// Runs the tests of a policy that are wanted.
pub fn run(program: &Program, wanted: impl Fn(&TestCase) -> bool) -> Tested {
    let tests: Vec<&TestCase> = program.tests.iter().filter(|test| wanted(test)).collect();
    let mut coverage = Coverage::of(program);
    if tests.is_empty() {
        return Tested { results: Vec::new(), coverage };
    }
    let enabled = trial::enabled(&program.catalog, program.sources.text());
    let results = tests.into_iter().map(|test| one(test, program, &enabled, &mut coverage));
    Tested { results: results.collect(), coverage }
}

fn one(
    test: &TestCase,
    program: &Program,
    enabled: &ModelSet,
    coverage: &mut Coverage,
) -> TestResult {
    let request = TestRequest::of(test, program, enabled);
    let situation = Situation {
        facts: &request,
        live: &request.live,
        enabled,
        allowed: &|_| true,
        named: request.named,
        meter: &request,
        remembered: &|_| None,
        seed: 0,
        turn: 0,
    };
    let mut removed = Removed::default();
    let mut decision = decide_listening(program, &situation, &mut removed);
    if let Decision::NoCandidate(nobody) = &mut decision {
        nobody.removed = removed.0;
    }
    let played = match &decision {
        Decision::Plan(plan) => Some(play::play(plan, test, &request, program)),
        _ => None,
    };
    let upshot = Upshot::new(decision, played, &request, program);
    coverage.add(&request, &upshot, program);
    let failures = judge::failures(test, &request, &upshot, program);
    TestResult { name: test.name.clone(), span: test.span, failures }
}

/// What was left out.
#[derive(Default)]
struct Removed(Vec<Removal>);

impl Listener for Removed {
    fn removed(&mut self, step: &Arc<str>, model: ModelIdx, by: RemovedBy) {
        self.0.push(Removal { step: step.clone(), model, by });
    }
}

#[cfg(test)]
mod tests;
