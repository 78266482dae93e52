//! `pointsman diff`

use std::path::PathBuf;

use super::check::{catalog_of, compile};
use super::{ended, output};
use crate::policy::diff::{self, told};

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
    ended(compared(args))
}

fn compared(args: &Args) -> Result<bool, String> {
    let (catalog, _) = catalog_of(args.config.clone()).map_err(|problems| problems.to_string())?;
    let (old, new) = (compile(&args.old, &catalog)?, compile(&args.new, &catalog)?);
    let (old, new) = (old.program()?, new.program()?);
    let diff = diff::diff(&old, &new).map_err(|error| error.to_string())?;
    if args.json {
        output::line(told::json(&diff, &catalog).to_string());
    } else {
        output::line(told::text(&diff, &catalog));
    }
    Ok(diff.changes.is_empty() && !diff.undecided)
}
