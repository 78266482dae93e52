//! `pointsman serve`

use std::net::SocketAddr;
use std::path::PathBuf;

use super::{DONE, FAILED, output};
use crate::gateway::serve::{Options, Running, load};
use crate::telemetry::{self, Redactor};

/// What clients are told, in the help of the commands that serve them.
pub(super) const CLIENTS: &str = "\
Clients keep their SDKs and change the base URL:
  OpenAI      http://ADDRESS/v1   chat/completions, responses, completions, embeddings
  Anthropic   http://ADDRESS      v1/messages, v1/messages/count_tokens
  Google      http://ADDRESS      v1beta/models/MODEL:generateContent and its like
The model `auto` leaves the choice to the policy; a model that is named answers, or an error.";

/// Run the gateway.
#[derive(Debug, clap::Args)]
#[command(after_help = CLIENTS)]
pub struct Args {
    /// The configuration; `pointsman.yaml` in this folder where there is one.
    #[arg(long, short, env = "POINTSMAN_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Listen here instead of where the configuration says.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Vec<SocketAddr>,
    /// Let operators connect here: `pointsman policy`, metrics. Without this and without `admin:`
    /// in the configuration they cannot.
    #[arg(long, value_name = "ADDRESS:PORT")]
    admin: Vec<SocketAddr>,
    /// Append a line for every decided request to this file; `pointsman simulate` reads it.
    #[arg(long, value_name = "FILE")]
    decision_log: Option<PathBuf>,
    /// Use this policy instead of the configured ones.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// How fast the built-in provider answers: 1 as its models say, 0 without any delay.
    #[arg(long, value_name = "FACTOR", hide = true)]
    sim_speed: Option<f64>,
}

pub(super) fn run(args: Args) -> u8 {
    let options = Options {
        config: args.config,
        listen: args.listen,
        admin: args.admin,
        decision_log: args.decision_log,
        policy_file: args.policy,
        sim_speed: args.sim_speed,
        ..Options::default()
    };
    start(options, |_| {})
}

/// Starts a gateway and runs it to its end; `ready` is called when it listens.
pub(super) fn start(options: Options, ready: impl FnOnce(&Running)) -> u8 {
    let config = match load(&options) {
        Ok(config) => config,
        Err(problems) => {
            output::problem(problems.to_string());
            return FAILED;
        }
    };
    let redactor = Redactor::default();
    let level = std::env::var("POINTSMAN_LOG").ok();
    if let Err(error) = telemetry::init(&config.log, level.as_deref(), redactor.clone()) {
        output::problem(error.to_string());
        return FAILED;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::problem(format!("the runtime does not start: {error}"));
            return FAILED;
        }
    };
    runtime.block_on(async {
        match Running::start(options, config, redactor).await {
            Ok(running) => {
                ready(&running);
                for address in &running.addresses {
                    tracing::info!("listening on http://{address}");
                }
                for address in &running.admin_addresses {
                    tracing::info!("operators connect to http://{address}");
                }
                running.run().await;
                DONE
            }
            Err(problems) => {
                output::problem(problems.to_string());
                FAILED
            }
        }
    })
}
