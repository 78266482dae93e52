//! `pointsman convert`

mod import;
mod spelling;

use std::path::{Path, PathBuf};

use super::{FAILED, output};

/// Write a policy in its other spelling, as YAML or in the language's own: nothing is lost on the way,
/// comments included. Or make a policy of another gateway's configuration: LiteLLM, Portkey,
/// OpenRouter, Cloudflare AI Gateway; then what became of the source goes to standard error.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  pointsman convert prod.policy prod.policy.yaml\n  pointsman \
convert prod.policy.yaml prod.policy\n  pointsman convert --from litellm config.yaml -o main.policy \
--config-out pointsman.yaml")]
pub struct Args {
    /// The file to convert; `-` is standard input.
    file: PathBuf,
    /// Where to write the policy; the ending says in which spelling. Without it, or with `-`, it
    /// goes to standard output.
    #[arg(value_name = "TO", conflicts_with = "output")]
    to_file: Option<PathBuf>,
    /// Whose configuration it is; without it a policy is known by its content, and so are the others.
    #[arg(long, value_enum, value_name = "KIND")]
    from: Option<import::From>,
    /// The same as TO.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The spelling to write, where the ending of TO does not say it.
    #[arg(long, value_enum, value_name = "SPELLING")]
    to: Option<spelling::Spelling>,
    /// Write over a policy that is there.
    #[arg(long)]
    force: bool,
    /// Write providers, models and keys here, as a `pointsman.yaml`; a file that is there already is
    /// kept.
    #[arg(long, value_name = "FILE")]
    config_out: Option<PathBuf>,
    /// Print policy, configuration and report as JSON.
    #[arg(long)]
    json: bool,
}

impl Args {
    /// The file to write, unless it is standard output.
    fn target(&self) -> Option<&Path> {
        let named = self.to_file.as_deref().or(self.output.as_deref());
        named.filter(|path| path.as_os_str() != "-")
    }
}

pub(super) fn run(args: &Args) -> u8 {
    let done = import::read(&args.file).and_then(|text| {
        let policy = args.from.is_none() && spelling::is_policy(&args.file, &text);
        if policy { spelling::run(args, &text) } else { import::run(args, &text) }
    });
    done.unwrap_or_else(|problem| {
        output::problem(problem);
        FAILED
    })
}
