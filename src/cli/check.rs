//! `pointsman check`

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use super::{DONE, FAILED, FAULTS, counterexamples, formats, output};
use crate::catalog::Catalog;
use crate::gateway::policy_files::{name_of, policies_of};
use crate::gateway::serve::{Options, load};
use crate::gateway::world::{self, Problems};
use crate::policy::diagnostic::Severity;
use crate::policy::program::Program;
use crate::policy::{self, Compiled, Surroundings, codes, syntax};

/// Check policies. Without files: those of the configuration, and the configuration itself.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Policy files, or folders of them.
    files: Vec<PathBuf>,
    /// The configuration whose models and policies are meant.
    #[arg(long, short, env = "POINTSMAN_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print the findings as JSON.
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// How findings are printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Write what breaks a promise into the policy, as tests that fail until it is mended.
    #[arg(long)]
    write_tests: bool,
}

/// How findings are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// One JSON object.
    Json,
    /// SARIF 2.1.0, for code hosts and dashboards.
    Sarif,
    /// Annotations of GitHub Actions.
    Github,
}

/// A policy file that was read and compiled.
pub(super) struct Checked {
    pub file: String,
    /// Every file that it is made of, itself included.
    pub files: Vec<PathBuf>,
    pub compiled: Compiled,
}

impl Checked {
    /// The program.
    ///
    /// # Errors
    /// With all that was found, where it does not compile; or where it only declares names.
    pub(super) fn program(self) -> Result<Arc<Program>, String> {
        let Checked { file, compiled, .. } = self;
        if compiled.program.is_none() && compiled.is_good() {
            return Err(format!("{file} only declares names for other policies"));
        }
        let findings = compiled.diagnostics.iter();
        let shown = findings.map(|found| syntax::render(found, &compiled.sources, false));
        compiled.program.clone().ok_or_else(|| shown.collect::<Vec<_>>().join("\n\n"))
    }
}

pub(super) fn run(args: &Args) -> u8 {
    let catalog = match catalog_of(args.config.clone()) {
        Ok((catalog, configured)) => {
            let files = if args.files.is_empty() { configured } else { args.files.clone() };
            files_of(&files).map(|files| (catalog, files))
        }
        Err(problems) => Err(problems),
    };
    let (catalog, files) = match catalog {
        Ok(found) => found,
        Err(problems) => {
            output::problem(problems.to_string());
            return FAILED;
        }
    };
    if files.is_empty() {
        output::problem("there is no policy to check: name a file");
        return FAILED;
    }
    let mut all = Vec::new();
    for file in &files {
        match compile(file, &catalog) {
            Ok(checked) => {
                match if args.write_tests { counterexamples::write(file, &checked) } else { Ok(0) }
                {
                    Ok(0) => {}
                    Ok(count) => {
                        output::problem(format!("{}: {count} tests written", checked.file))
                    }
                    Err(error) => {
                        output::problem(error);
                        return FAILED;
                    }
                }
                let compiled = checked.compiled.tested();
                all.push(Checked { compiled, ..checked });
            }
            Err(error) => {
                output::problem(error);
                return FAILED;
            }
        }
    }
    report(&all, if args.json { Format::Json } else { args.format })
}

fn report(all: &[Checked], format: Format) -> u8 {
    let findings = || {
        all.iter().flat_map(|Checked { compiled, .. }| {
            compiled.diagnostics.iter().map(|found| (found, &*compiled.sources))
        })
    };
    let count = |severity| findings().filter(|(found, _)| found.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    match format {
        Format::Text => for_people(all, errors, warnings),
        Format::Json => {
            let findings: Vec<Value> =
                findings().map(|(found, sources)| syntax::to_json(found, sources)).collect();
            let waiting: Vec<Value> = all
                .iter()
                .filter_map(|checked| checked.compiled.program.as_ref())
                .flat_map(|program| {
                    program.waiting.iter().map(|it| syntax::to_json(it, &program.sources))
                })
                .collect();
            let told = json!({
                "findings": findings, "errors": errors, "warnings": warnings, "waiting": waiting,
            });
            output::line(told.to_string());
        }
        Format::Sarif => output::line(formats::sarif(findings()).to_string()),
        Format::Github => {
            findings().for_each(|(found, sources)| output::line(formats::github(found, sources)));
        }
    }
    if errors > 0 { FAULTS } else { DONE }
}

fn for_people(all: &[Checked], errors: usize, warnings: usize) {
    for Checked { file, compiled, .. } in all {
        for finding in &compiled.diagnostics {
            output::line(syntax::render(finding, &compiled.sources, output::colors()));
            output::line("");
        }
        if let Some(program) = compiled.program.as_ref().filter(|_| compiled.is_good()) {
            output::line(format!(
                "{file}: good ({} routes, {} pools, generation {})",
                program.routes.len(),
                program.pools.len(),
                program.generation
            ));
            for waiting in &program.waiting {
                output::line(format!(
                    "{}: {}: {}, so `serve` refuses this policy",
                    program.sources.at(waiting.primary.span),
                    waiting.message,
                    waiting.primary.text
                ));
            }
        } else if compiled.is_good() {
            output::line(format!("{file}: good (names for other policies)"));
        }
    }
    if errors + warnings > 0 {
        output::line(format!("{errors} errors, {warnings} warnings"));
        if errors > 0 {
            output::line("`pointsman explain CODE` says more about a code");
            let mut findings = all.iter().flat_map(|checked| &checked.compiled.diagnostics);
            if findings.any(|found| found.code == codes::BROKEN) {
                output::line("`pointsman check --write-tests` saves broken promises as tests");
            }
        }
    }
}

/// The catalogue and the policies of a configuration.
pub(super) fn catalog_of(
    config: Option<PathBuf>,
) -> Result<(Arc<Catalog>, Vec<PathBuf>), Problems> {
    let config = load(&Options { config, ..Options::default() })?;
    let mut problems = Vec::new();
    let catalog = world::catalog(&config, &mut problems);
    if !problems.is_empty() {
        return Err(Problems(problems));
    }
    let policies = config.policy.iter().chain(&config.policies).map(|path| path.to_path_buf());
    Ok((catalog, policies.collect()))
}

/// The files that are meant; of a folder its policies.
pub(super) fn files_of(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Problems> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let found = policies_of(path)
                .map_err(|error| Problems(vec![format!("{}: {error}", path.display())]))?;
            files.extend(found);
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

/// Reads and compiles one file.
pub(super) fn compile(path: &Path, catalog: &Arc<Catalog>) -> Result<Checked, String> {
    let (file, text) = read(path)?;
    let read = RefCell::new(vec![path.to_owned()]);
    let compiled = compile_noting(path, &text, catalog, &|path| read.borrow_mut().push(path));
    Ok(Checked { file, files: read.into_inner(), compiled })
}

/// The name of a file for people, and its text.
pub(super) fn read(path: &Path) -> Result<(String, String), String> {
    let file = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|error| format!("{file}: {error}"))?;
    let text = String::from_utf8(bytes)
        .map_err(|error| format!("{file}: this is no text: {}", error.utf8_error()))?;
    Ok((file, text))
}

/// Compiles a text that stands at a path, or might.
pub(super) fn compile_text(path: &Path, text: &str, catalog: &Arc<Catalog>) -> Compiled {
    compile_noting(path, text, catalog, &|_| {})
}

/// Compiles a text, and tells which files it has read for that.
fn compile_noting(
    path: &Path,
    text: &str,
    catalog: &Arc<Catalog>,
    read: &dyn Fn(PathBuf),
) -> Compiled {
    let folder = path.parent().map(Path::to_owned).unwrap_or_default();
    let files = |name: &str| {
        let path = folder.join(name);
        let text = std::fs::read_to_string(&path).map_err(|error| error.to_string());
        read(path);
        text
    };
    let surroundings = Surroundings::new(catalog, &files).on(jiff::Zoned::now().date());
    policy::compile(&name_of(path), &path.display().to_string(), text, &surroundings)
}
