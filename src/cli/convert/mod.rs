//! `pointsman convert`

mod spelling;

/// Write a policy in its other spelling: as YAML, or in the language's own. Nothing is lost on the
/// way, comments included, and the way back leads to the same text.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  pointsman convert prod.policy prod.policy.yaml\n  pointsman \
convert prod.policy.yaml prod.policy\n  pointsman convert prod.policy")]
pub struct Args {
    #[command(flatten)]
    spelling: spelling::Args,
}

pub(super) fn run(args: &Args) -> u8 {
    spelling::run(&args.spelling)
}
