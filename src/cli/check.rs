//! `pointsman check`

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use super::{DONE, FAILED, FAULTS, output};
use crate::catalog::Catalog;
use crate::gateway::serve::{Options, load};
use crate::gateway::world::{self, Problems};
use crate::ids::PolicyName;
use crate::policy::diagnostic::Severity;
use crate::policy::{self, Compiled, Surroundings, syntax};

/// Check policies. Without files: those of the configuration, and the configuration itself.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Policy files, or folders of them.
    files: Vec<PathBuf>,
    /// The configuration whose models and policies are meant.
    #[arg(long, short, env = "POINTSMAN_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print the findings as JSON.
    #[arg(long)]
    json: bool,
}

/// A policy file that was read and compiled.
pub(super) struct Checked {
    pub file: String,
    pub text: String,
    pub compiled: Compiled,
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
            Ok(checked) => all.push(checked),
            Err(error) => {
                output::problem(error);
                return FAILED;
            }
        }
    }
    report(&all, args.json)
}

fn report(all: &[Checked], as_json: bool) -> u8 {
    let count = |severity: Severity| {
        let findings = all.iter().flat_map(|checked| &checked.compiled.diagnostics);
        findings.filter(|finding| finding.severity == severity).count()
    };
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    if as_json {
        let findings: Vec<Value> = all
            .iter()
            .flat_map(|checked| {
                let findings = checked.compiled.diagnostics.iter();
                findings.map(|finding| syntax::to_json(finding, &checked.compiled.sources))
            })
            .collect();
        output::line(
            json!({ "findings": findings, "errors": errors, "warnings": warnings }).to_string(),
        );
    } else {
        for checked in all {
            for finding in &checked.compiled.diagnostics {
                let sources = &checked.compiled.sources;
                output::line(syntax::render(finding, sources, output::colors()));
                output::line("");
            }
            if let Some(program) = &checked.compiled.program {
                output::line(format!(
                    "{}: good ({} routes, {} pools, generation {})",
                    checked.file,
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
            } else if checked.compiled.is_good() {
                output::line(format!("{}: good (names for other policies)", checked.file));
            }
        }
        if errors + warnings > 0 {
            output::line(format!("{errors} errors, {warnings} warnings"));
            if errors > 0 {
                output::line("`pointsman explain CODE` says more about a code");
            }
        }
    }
    if errors > 0 { FAULTS } else { DONE }
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
            let found = world::policy_files(path)
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
    let file = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|error| format!("{file}: {error}"))?;
    let text = String::from_utf8(bytes)
        .map_err(|error| format!("{file}: this is no text: {}", error.utf8_error()))?;
    let folder = path.parent().map(Path::to_owned).unwrap_or_default();
    let files =
        |name: &str| std::fs::read_to_string(folder.join(name)).map_err(|error| error.to_string());
    let name = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into());
    let surroundings = Surroundings::new(catalog, &files).on(jiff::Zoned::now().date());
    let compiled = policy::compile(&PolicyName::new(name), &file, &text, &surroundings);
    Ok(Checked { file, text, compiled })
}
