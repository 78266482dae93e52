//! Rhai, fenced: compiling and calling the small scripts that a policy names.
//!
//! A script is a pure function. It sees what it is given, calls only the functions listed in
//! [`fence`], and stops at hard limits on its operations, its time, its depth and the size of its
//! data. What attributes mean to a script, and what its answers mean to a policy, is told in
//! [`crate::policy::scripted`].

mod fence;
mod header;
#[cfg(test)]
mod tests;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rhai::{AST, CallFnOptions, Engine, EvalAltResult, Scope};

pub use fence::LONGEST_TEXT;
pub use header::{Mention, mentions};
/// What scripts are given and give back.
pub use rhai::{Array as List, Dynamic as Datum, Map as Record};

/// The longest source that is read, in bytes.
pub const LONGEST_SOURCE: usize = 64 * 1024;

/// What a script must offer, by where it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// `attribute … from script`: `fn value(req)`
    Value,
    /// `pick script`: `fn rank(req, model)`
    Rank,
    /// `judge[..]`: `fn judge(req, answer)`
    Judge,
}

impl Entry {
    /// Name and parameters.
    fn signature(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Entry::Value => ("value", &["req"]),
            Entry::Rank => ("rank", &["req", "model"]),
            Entry::Judge => ("judge", &["req", "answer"]),
        }
    }
}

/// How much a script may do in one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Steps of the interpreter.
    pub max_ops: u64,
    /// Wall clock. This is a net below `max_ops`: which of the two stops a script may differ from
    /// machine to machine, that it stops does not.
    pub timeout: Duration,
}

impl Limits {
    /// The most steps that a policy may grant.
    pub const MOST_OPS: u64 = 200_000;
    /// The longest time that a policy may grant.
    pub const LONGEST: Duration = Duration::from_millis(50);
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { max_ops: 20_000, timeout: Duration::from_millis(2) }
    }
}

/// Why a script cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScriptError {
    /// It is too long.
    #[error("the script has more than {} KiB", LONGEST_SOURCE / 1024)]
    TooLong,
    /// It is not Rhai.
    #[error("{message}")]
    Syntax {
        /// Where.
        at: Option<Spot>,
        /// What the compiler says.
        message: String,
    },
    /// It lacks its function.
    #[error("the script has no `fn {name}({})`", parameters.join(", "))]
    NoEntry {
        /// The function's name.
        name: &'static str,
        /// Its parameters.
        parameters: &'static [&'static str],
    },
}

/// A place in a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spot {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
}

impl Spot {
    fn of(position: rhai::Position) -> Option<Spot> {
        Some(Spot { line: position.line()?, column: position.position().unwrap_or(1) })
    }

    /// The byte of the source that the place names.
    pub fn byte(self, source: &str) -> usize {
        let mut lines = source.split_inclusive('\n');
        let before: usize = lines.by_ref().take(self.line.saturating_sub(1)).map(str::len).sum();
        let line = lines.next().unwrap_or_default().trim_end_matches(['\r', '\n']);
        let mut chars = line.char_indices();
        before + chars.nth(self.column.saturating_sub(1)).map_or(line.len(), |(at, _)| at)
    }
}

/// Why a call gave nothing that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The script failed: a type it cannot add, a name it does not know, `throw`.
    Error,
    /// It was stopped at a limit.
    Limit,
    /// Its answer is of another type than declared.
    Type,
    /// Its answer lies outside of the declared range.
    Range,
}

impl Reason {
    /// All of them.
    pub const ALL: [Reason; 4] = [Reason::Error, Reason::Limit, Reason::Type, Reason::Range];

    /// The word for it in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Error => "error",
            Reason::Limit => "limit",
            Reason::Type => "type",
            Reason::Range => "range",
        }
    }
}

/// A call that came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Of which kind.
    pub reason: Reason,
    /// What happened, for operators and writers of policies.
    pub message: String,
    /// Where in the script, where that is known.
    pub at: Option<Spot>,
}

impl Failure {
    /// A failure without a place.
    pub fn new(reason: Reason, message: impl Into<String>) -> Failure {
        Failure { reason, message: message.into(), at: None }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.at {
            Some(at) => write!(f, "line {}, column {}: {}", at.line, at.column, self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// How often a script failed, by [`Reason`].
#[derive(Debug, Default)]
pub struct Failures([AtomicU64; 4]);

impl Failures {
    /// Counts one.
    pub fn count(&self, reason: Reason) {
        self.0[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How many there were.
    pub fn of(&self, reason: Reason) -> u64 {
        self.0[reason as usize].load(Ordering::Relaxed)
    }
}

/// A compiled script, shared by all requests.
pub struct Script {
    name: Arc<str>,
    entry: Entry,
    limits: Limits,
    /// Of its text.
    digest: blake3::Hash,
    engine: Engine,
    ast: AST,
    failures: Failures,
}

impl std::fmt::Debug for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Script({:?}, {:?}, {:?})", self.entry, self.limits, self.digest.to_hex())
    }
}

impl Script {
    /// Compiles a script and looks for its entry point. Nothing of it is run.
    ///
    /// # Errors
    /// With the place of a syntax error, or the function that is missing.
    pub fn compile(
        name: &str,
        source: &str,
        entry: Entry,
        limits: Limits,
    ) -> Result<Script, ScriptError> {
        if source.len() > LONGEST_SOURCE {
            return Err(ScriptError::TooLong);
        }
        let engine = fence::engine(limits.max_ops);
        let ast = engine.compile(source).map_err(|error| ScriptError::Syntax {
            at: Spot::of(error.position()),
            message: error.err_type().to_string(),
        })?;
        let (function, parameters) = entry.signature();
        let found = ast
            .iter_functions()
            .any(|found| found.name == function && found.params.len() == parameters.len());
        if !found {
            return Err(ScriptError::NoEntry { name: function, parameters });
        }
        let failures = Failures::default();
        let digest = blake3::hash(source.as_bytes());
        Ok(Script { name: name.into(), entry, limits, digest, engine, ast, failures })
    }

    /// Its file, as the policy names it.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// What it is used for.
    pub fn entry(&self) -> Entry {
        self.entry
    }

    /// How much it may do in one call.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Whether it says the same as another of whatever it is given.
    pub fn says_as(&self, other: &Script) -> bool {
        (self.entry, self.limits, self.digest) == (other.entry, other.limits, other.digest)
    }

    /// How often it failed.
    pub fn failures(&self) -> &Failures {
        &self.failures
    }

    /// Calls its function with these arguments, one for each parameter; it is stopped at the
    /// deadline. Failures are not counted here.
    ///
    /// # Errors
    /// When the script fails or meets a limit.
    pub fn call(&self, arguments: Vec<Datum>, deadline: Instant) -> Result<Datum, Failure> {
        let (function, _) = self.entry.signature();
        let options = CallFnOptions::new().eval_ast(false).rewind_scope(true);
        let mut scope = Scope::new();
        let call = || {
            let (engine, ast) = (&self.engine, &self.ast);
            engine.call_fn_with_options::<Datum>(options, &mut scope, ast, function, arguments)
        };
        // A fault of the interpreter is the script's failure, not the request's.
        match fence::until(deadline, || catch_unwind(AssertUnwindSafe(call))) {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(self.failure(*error)),
            Err(_) => Err(Failure::new(Reason::Error, "the interpreter failed")),
        }
    }

    fn failure(&self, error: EvalAltResult) -> Failure {
        let mut error = innermost(error);
        let at = Spot::of(error.take_position());
        let limit = |message: String| Failure { reason: Reason::Limit, message, at };
        match error {
            EvalAltResult::ErrorTooManyOperations(_) => {
                limit(format!("stopped after {} operations", self.limits.max_ops))
            }
            EvalAltResult::ErrorTerminated(..) => {
                limit(format!("stopped after {:?}", self.limits.timeout))
            }
            EvalAltResult::ErrorStackOverflow(_) => {
                limit("functions call each other too deeply".into())
            }
            EvalAltResult::ErrorTooManyVariables(_) => limit("too many variables".into()),
            EvalAltResult::ErrorDataTooLarge(what, _) => limit(format!("{what} is over the limit")),
            other => Failure { reason: Reason::Error, message: other.to_string(), at },
        }
    }
}

/// What went wrong where it went wrong, without the calls that led there.
fn innermost(error: EvalAltResult) -> EvalAltResult {
    match error {
        EvalAltResult::ErrorInFunctionCall(_, _, inner, _) => innermost(*inner),
        other => other,
    }
}

/// Compiles a text and calls it with empty arguments, as tests that make scripts up do.
///
/// # Errors
/// In words, when it does not compile, fails or meets a limit.
pub fn trial(source: &str, entry: Entry, limits: Limits) -> Result<Datum, String> {
    let script = Script::compile("trial", source, entry, limits).map_err(|it| it.to_string())?;
    let (_, parameters) = entry.signature();
    let arguments = parameters.iter().map(|_| Datum::from_map(Record::new())).collect();
    script.call(arguments, Instant::now() + limits.timeout).map_err(|it| it.to_string())
}
