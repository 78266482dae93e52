//! `pointsman demo`

use std::net::SocketAddr;

use super::output;
use crate::gateway::serve::{Options, Running};
use crate::gateway::world::DEMO_POLICY;

/// Run the gateway with the built-in provider and an example policy.
#[derive(Debug, clap::Args)]
#[command(after_help = super::serve::CLIENTS)]
pub struct Args {
    /// Listen here.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Print the example policy and end.
    #[arg(long)]
    print_policy: bool,
}

pub(super) fn run(args: Args) -> u8 {
    if args.print_policy {
        output::line(DEMO_POLICY.trim_end());
        return super::DONE;
    }
    let options = Options {
        // A configuration that lies around here is not part of the demo.
        config: Some(std::path::PathBuf::from(NO_CONFIGURATION)),
        listen: vec![args.listen],
        policy: Some(("demo".into(), DEMO_POLICY.into())),
        ..Options::default()
    };
    super::serve::start(options, welcome)
}

/// An empty file: the demo runs on defaults whatever lies in the working directory.
const NO_CONFIGURATION: &str = if cfg!(windows) { "NUL" } else { "/dev/null" };

fn welcome(running: &Running) {
    let address = running.addresses.first().map_or_else(String::new, ToString::to_string);
    output::line(format!(
        r#"
Pointsman is listening on http://{address} with the built-in provider `sim`: no key is needed and
nothing leaves this machine. The policy it follows: pointsman demo --print-policy

Paste this into another terminal:

  curl -si http://{address}/v1/chat/completions -H 'content-type: application/json' \
    -d '{{"model": "auto", "messages": [{{"role": "user", "content": "What is 17 * 23?"}}]}}'

and look at the headers: x-pointsman-model says who answered, -route and -reason why, -cost what it
cost. Then try:

  a hard question     "content": "Prove step by step that the square root of 2 is irrational."
                      (the small model gives up; x-pointsman-reason says escalated)
  the whole reasoning -H 'x-pointsman-explain: 1'
  what it would cost  the same body to http://{address}/v1/quote; nothing is sent
  a failing provider  -H 'x-sim-fault: 500'   (see x-pointsman-attempts)
  an OpenAI SDK       base_url="http://{address}/v1", api_key="unused", model="auto"
  an Anthropic SDK    base_url="http://{address}", api_key="unused", model="auto"
  Google's SDK        HttpOptions(base_url="http://{address}"), api_key="unused", model="auto"

Stop with Ctrl-C.
"#
    ));
}
