//! `pointsman test`

mod junit;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::check::{Checked, catalog_of, compile, files_of};
use super::{DONE, FAILED, FAULTS, output};
use crate::catalog::Catalog;
use crate::gateway::reload::Watcher;
use crate::policy::diagnostic::{Diagnostic, Severity};
use crate::policy::sources::Sources;
use crate::policy::syntax;
use crate::policy::testing::{self, Share, TestResult, Tested};

/// Run the tests of policies. Without files: those of the configuration.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  pointsman test prod.policy\n  pointsman test policies \
--coverage\n  pointsman test policies --watch --filter budget\n  pointsman test policies --junit \
results.xml")]
pub struct Args {
    /// Policy files, or folders of them.
    files: Vec<PathBuf>,
    /// The configuration whose models and policies are meant.
    #[arg(long, short, env = "POINTSMAN_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Run the tests again whenever a policy changes, or a file that it is made of.
    #[arg(long)]
    watch: bool,
    /// Print the results as JSON.
    #[arg(long)]
    json: bool,
    /// Write the results into a file, in the format of JUnit.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// List what of the policies no test sees.
    #[arg(long)]
    coverage: bool,
    /// Run only the tests whose names hold this text.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
}

/// One policy file and what came of it.
struct Suite {
    checked: Checked,
    /// `None` where it does not compile, or only declares names for other policies.
    tested: Option<Tested>,
    /// How many of its tests were not wanted.
    filtered: usize,
}

impl Suite {
    fn of(checked: Checked, filter: Option<&str>) -> Suite {
        let Some(program) = checked.compiled.program.clone() else {
            return Suite { checked, tested: None, filtered: 0 };
        };
        let tested =
            testing::run(&program, |test| filter.is_none_or(|text| test.name.contains(text)));
        let filtered = program.tests.len() - tested.results.len();
        Suite { checked, tested: Some(tested), filtered }
    }

    fn sources(&self) -> &Sources {
        &self.checked.compiled.sources
    }

    /// Why it does not compile.
    fn errors(&self) -> impl Iterator<Item = &Diagnostic> {
        let found = self.checked.compiled.diagnostics.iter();
        found.filter(|it| it.severity == Severity::Error)
    }

    fn results(&self) -> impl Iterator<Item = &TestResult> {
        self.tested.iter().flat_map(|tested| &tested.results)
    }
}

/// All policies, once.
struct Round {
    suites: Vec<Suite>,
    took: Duration,
}

/// What came of all tests together.
#[derive(Default)]
struct Count {
    passed: usize,
    failed: usize,
    filtered: usize,
    /// Policies that do not compile.
    broken: usize,
}

impl Round {
    fn count(&self) -> Count {
        let mut count = Count::default();
        for suite in &self.suites {
            let good = suite.results().filter(|result| result.is_good()).count();
            count.passed += good;
            count.failed += suite.results().count() - good;
            count.filtered += suite.filtered;
            count.broken += usize::from(suite.errors().next().is_some());
        }
        count
    }
}

pub(super) fn run(args: &Args) -> u8 {
    if args.watch { watch(args) } else { once(args) }
}

fn once(args: &Args) -> u8 {
    let told = round(args).and_then(|round| tell(&round, args));
    told.unwrap_or_else(|problem| {
        output::problem(problem);
        FAILED
    })
}

/// Runs the tests, and again after every change, until the program is ended.
fn watch(args: &Args) -> u8 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            output::problem(format!("the runtime does not start: {error}"));
            return FAILED;
        }
    };
    runtime.block_on(async {
        loop {
            // Watched before they are run, so that no change in between is lost.
            let watcher = Watcher::new(made_of(args));
            once(args);
            match watcher {
                Ok(mut watcher) => {
                    const WAITING: &str = "waiting for changes";
                    // Among the results it would be no JSON.
                    if args.json {
                        output::problem(WAITING)
                    } else {
                        output::line(WAITING)
                    }
                    watcher.next().await;
                }
                Err(error) => {
                    output::problem(format!("changes of files cannot be watched: {error}"));
                    return FAILED;
                }
            }
        }
    })
}

/// Every file that the policies are made of, as far as they can be found; and what was named.
fn made_of(args: &Args) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = args.files.iter().chain(&args.config).cloned().collect();
    if let Ok((catalog, files)) = sought(args) {
        for file in &files {
            paths.push(file.clone());
            paths.extend(compile(file, &catalog).into_iter().flat_map(|checked| checked.files));
        }
    }
    paths.sort();
    paths.dedup();
    paths
}

/// The models, and the policy files that are meant.
fn sought(args: &Args) -> Result<(Arc<Catalog>, Vec<PathBuf>), String> {
    let (catalog, configured) =
        catalog_of(args.config.clone()).map_err(|problems| problems.to_string())?;
    let named = if args.files.is_empty() { configured } else { args.files.clone() };
    let files = files_of(&named).map_err(|problems| problems.to_string())?;
    if files.is_empty() {
        return Err("there is no policy to test: name a file".into());
    }
    Ok((catalog, files))
}

fn round(args: &Args) -> Result<Round, String> {
    let (catalog, files) = sought(args)?;
    let started = Instant::now();
    let suites = files
        .iter()
        .map(|file| Ok(Suite::of(compile(file, &catalog)?, args.filter.as_deref())))
        .collect::<Result<_, String>>()?;
    Ok(Round { suites, took: started.elapsed() })
}

/// Tells what came of it, in all forms that are wanted; the exit code.
fn tell(round: &Round, args: &Args) -> Result<u8, String> {
    if let Some(file) = &args.junit {
        std::fs::write(file, junit::report(round))
            .map_err(|error| format!("{}: {error}", file.display()))?;
    }
    if args.json {
        output::line(told(round).to_string());
    } else {
        print(round, args.coverage);
    }
    let count = round.count();
    Ok(if count.failed + count.broken > 0 { FAULTS } else { DONE })
}

fn print(round: &Round, with_gaps: bool) {
    let colors = output::colors();
    for suite in &round.suites {
        let file = &suite.checked.file;
        for error in suite.errors() {
            output::line(syntax::render(error, suite.sources(), colors));
            output::line("");
        }
        let Some(tested) = &suite.tested else { continue };
        if tested.results.is_empty() {
            continue;
        }
        let count = tested.results.len();
        output::line(format!("{file}: {count} {}", if count == 1 { "test" } else { "tests" }));
        for result in &tested.results {
            let end = if result.is_good() { "ok" } else { "FAILED" };
            output::line(format!("test {} ... {end}", result.name));
        }
        output::line("");
        for failure in tested.failures() {
            output::line(syntax::render(failure, suite.sources(), colors));
            output::line("");
        }
        print_coverage(suite, tested, with_gaps);
    }
    let count = round.count();
    let end = if count.failed + count.broken == 0 { "ok" } else { "FAILED" };
    let mut summary =
        format!("test result: {end}. {} passed; {} failed", count.passed, count.failed);
    if count.broken > 0 {
        summary += &format!("; {} of the policies do not compile", count.broken);
    }
    if count.filtered > 0 {
        summary += &format!("; {} filtered out", count.filtered);
    }
    output::line(format!("{summary}; finished in {:.2}s", round.took.as_secs_f64()));
}

fn print_coverage(suite: &Suite, tested: &Tested, with_gaps: bool) {
    let coverage = &tested.coverage;
    let shares = [
        ("rules", coverage.rules()),
        ("conditions", coverage.conditions_seen()),
        ("branches", coverage.branches_taken()),
    ];
    let shares = shares.map(|(name, share)| format!("{name} {}/{}", share.seen, share.of));
    let total = coverage.total().percent();
    output::line(format!("coverage: {total}% ({})", shares.join(", ")));
    if with_gaps {
        for gap in coverage.gaps() {
            output::line(format!("  {}: {}", suite.sources().at(gap.span), gap.what));
        }
    }
    output::line("");
}

/// The results as JSON.
fn told(round: &Round) -> Value {
    let count = round.count();
    let policies = round.suites.iter().map(|suite| {
        let findings = |found: &mut dyn Iterator<Item = &Diagnostic>| -> Vec<Value> {
            found.map(|it| syntax::to_json(it, suite.sources())).collect()
        };
        let tests: Vec<Value> = suite
            .results()
            .map(|result| {
                json!({
                    "name": result.name,
                    "at": suite.sources().at(result.span),
                    "ok": result.is_good(),
                    "failures": findings(&mut result.failures.iter()),
                })
            })
            .collect();
        json!({
            "file": suite.checked.file,
            "errors": findings(&mut suite.errors()),
            "tests": tests,
            "filtered": suite.filtered,
            "coverage": suite.tested.as_ref().map(|tested| coverage_told(suite, tested)),
        })
    });
    json!({
        "policies": policies.collect::<Vec<_>>(),
        "passed": count.passed,
        "failed": count.failed,
        "filtered": count.filtered,
        "broken": count.broken,
    })
}

fn coverage_told(suite: &Suite, tested: &Tested) -> Value {
    let coverage = &tested.coverage;
    let share =
        |share: Share| json!({ "seen": share.seen, "of": share.of, "percent": share.percent() });
    let gaps = coverage
        .gaps()
        .into_iter()
        .map(|gap| json!({ "at": suite.sources().at(gap.span), "what": gap.what }));
    json!({
        "total": share(coverage.total()),
        "rules": share(coverage.rules()),
        "conditions": share(coverage.conditions_seen()),
        "branches": share(coverage.branches_taken()),
        "gaps": gaps.collect::<Vec<_>>(),
    })
}
