//! `pointsman fmt`

use std::io::Read;
use std::path::PathBuf;

use super::{DONE, FAILED, FAULTS, output};
use crate::policy::sources::Sources;
use crate::policy::syntax;

/// Lay policies out in the one canonical way. Comments stay.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Policy files, or folders of them, in either spelling; `-` is standard input, which has to
    /// be in the language's own.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Change nothing; exit with 1 if something would change.
    #[arg(long)]
    check: bool,
    /// Print which files changed as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> u8 {
    if args.files.iter().any(|file| file.as_os_str() == "-") {
        return standard_input(args.check);
    }
    let files = match super::check::files_of(&args.files) {
        Ok(files) => files,
        Err(problems) => {
            output::problem(problems.to_string());
            return FAILED;
        }
    };
    let (mut changed, mut broken) = (Vec::new(), false);
    for file in files {
        let shown = file.display().to_string();
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) => {
                output::problem(format!("{shown}: {error}"));
                return FAILED;
            }
        };
        let Some(formatted) = formatted(&shown, &text) else {
            broken = true;
            continue;
        };
        if formatted == text {
            continue;
        }
        if !args.check
            && let Err(error) = std::fs::write(&file, &formatted)
        {
            output::problem(format!("{shown}: {error}"));
            return FAILED;
        }
        changed.push(shown);
    }
    if args.json {
        output::line(serde_json::json!({ "changed": changed }).to_string());
    } else {
        let word = if args.check { "would change" } else { "changed" };
        changed.iter().for_each(|file| output::line(format!("{word}: {file}")));
    }
    if broken || (args.check && !changed.is_empty()) { FAULTS } else { DONE }
}

fn standard_input(check: bool) -> u8 {
    let mut text = String::new();
    if let Err(error) = std::io::stdin().read_to_string(&mut text) {
        output::problem(format!("standard input: {error}"));
        return FAILED;
    }
    match formatted("standard input", &text) {
        Some(formatted) if check => {
            if formatted == text {
                DONE
            } else {
                FAULTS
            }
        }
        Some(formatted) => {
            output::line(formatted.trim_end_matches('\n'));
            DONE
        }
        None => FAULTS,
    }
}

/// The text in its canonical layout; findings are printed where it cannot be read.
fn formatted(file: &str, text: &str) -> Option<String> {
    let parsed = syntax::parse_file(file, text);
    if parsed.is_ok() {
        return Some(syntax::format_file(file, &parsed.file));
    }
    let sources = Sources::of(file, text);
    for finding in &parsed.diagnostics {
        output::problem(syntax::render(finding, &sources, false));
    }
    None
}
