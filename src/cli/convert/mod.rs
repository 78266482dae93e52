//! `pointsman convert`

mod import;

use std::path::PathBuf;

/// Make a policy of another gateway's configuration: LiteLLM, Portkey, OpenRouter, Cloudflare AI
/// Gateway. The policy goes to standard output, what became of the source to standard error.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file to convert; `-` is standard input.
    file: PathBuf,
    /// Whose configuration it is.
    #[arg(long, value_enum, default_value = "auto", value_name = "KIND")]
    from: import::From,
    /// Write the policy here.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write providers, models and keys here, as a `pointsman.yaml`; a file that is there already is
    /// kept.
    #[arg(long, value_name = "FILE")]
    config_out: Option<PathBuf>,
    /// Print policy, configuration and report as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> u8 {
    import::run(args)
}
