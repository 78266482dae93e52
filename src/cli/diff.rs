//! `pointsman diff`

use std::path::PathBuf;

use super::check::{Checked, catalog_of, compile};
use super::{DONE, FAILED, FAULTS, output};
use crate::policy::diff::{self, told};
use crate::policy::syntax;

/// Say which requests fare otherwise under a new version of a policy, each with an example.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Not the lines are compared but what they do: a request that another rule takes, another set of models,
a refusal. Exact over all requests the conditions tell apart.\n
Exit codes: 0 no request fares otherwise, 1 some do, 2 a policy cannot be read.\n
Example:\n  git show HEAD:prod.policy > old.policy && pointsman diff old.policy prod.policy")]
pub struct Args {
    /// The policy as it was.
    old: PathBuf,
    /// The policy as it shall be.
    new: PathBuf,
    /// The configuration whose models are meant.
    #[arg(long, short, env = "POINTSMAN_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print it as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> u8 {
    match compared(args) {
        Ok(same) => {
            if same {
                DONE
            } else {
                FAULTS
            }
        }
        Err(error) => {
            output::problem(error);
            FAILED
        }
    }
}

fn compared(args: &Args) -> Result<bool, String> {
    let (catalog, _) = catalog_of(args.config.clone()).map_err(|problems| problems.to_string())?;
    let (old, new) = (compile(&args.old, &catalog)?, compile(&args.new, &catalog)?);
    let (old, new) = (program(old)?, program(new)?);
    let diff = diff::diff(&old, &new).map_err(|error| error.to_string())?;
    if args.json {
        output::line(told::json(&diff, &catalog).to_string());
    } else {
        output::line(told::text(&diff, &catalog));
    }
    Ok(diff.changes.is_empty() && !diff.undecided)
}

fn program(checked: Checked) -> Result<std::sync::Arc<crate::policy::program::Program>, String> {
    let Checked { file, compiled, .. } = checked;
    compiled.program.clone().ok_or_else(|| {
        let findings = compiled.diagnostics.iter();
        let shown: Vec<String> =
            findings.map(|found| syntax::render(found, &compiled.sources, false)).collect();
        match shown.is_empty() {
            true => format!("{file} only declares names for other policies"),
            false => shown.join("\n\n"),
        }
    })
}
