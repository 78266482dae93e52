//! The command line: one file per command, no logic of its own.
//!
//! Exit codes: 0 done; 1 the thing looked at has faults; 2 the command could not be carried out.

mod check;
mod convert;
mod counterexamples;
mod demo;
mod diff;
mod explain;
mod fmt;
mod formats;
mod lsp;
mod models;
mod output;
mod policy;
mod schema;
mod serve;
mod simulate;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Everything went well.
pub const DONE: u8 = 0;
/// What was looked at has faults.
pub const FAULTS: u8 = 1;
/// The command could not be carried out.
pub const FAILED: u8 = 2;

/// One gateway in front of every LLM provider: clients speak OpenAI's, Anthropic's or Google's API, and
/// a policy that people can read decides which model answers.
#[derive(Debug, Parser)]
#[command(name = "pointsman", version, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 done, 1 the thing looked at has faults, 2 could not be carried \
out.\nStart with `pointsman demo`: it needs no key and no configuration."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway.
    Serve(serve::Args),
    /// Run it with the built-in provider and an example policy: no key, no configuration.
    Demo(demo::Args),
    /// Check policies, and say all that is wrong with them.
    Check(check::Args),
    /// Run the tests of policies.
    Test(test::Args),
    /// Say which requests fare otherwise under a new version of a policy.
    Diff(diff::Args),
    /// Say why a request goes where it goes; or what a code like P2003 means.
    Explain(explain::Args),
    /// List the models of the catalogue.
    Models(models::Args),
    /// List the attributes that policies can look at.
    Schema(schema::Args),
    /// Say what a policy would have done with the requests of a decision log.
    Simulate(simulate::Args),
    /// Stage, compare, activate and roll back the policies of a running gateway.
    Policy(policy::Args),
    /// Lay policies out in the one canonical way.
    Fmt(fmt::Args),
    /// Serve an editor: findings, completion, hover, renaming and more in VS Code, Neovim, Helix …
    Lsp(lsp::Args),
    /// Write a policy in its other spelling, or make one of another gateway's configuration.
    Convert(convert::Args),
}

/// How a command ends that looked at something: `Ok` says whether all was well, an error is printed.
fn ended(done: Result<bool, String>) -> u8 {
    match done {
        Ok(true) => DONE,
        Ok(false) => FAULTS,
        Err(error) => {
            output::problem(error);
            FAILED
        }
    }
}

/// Runs the command line.
pub fn main() -> ExitCode {
    let command = Cli::parse().command;
    let code = match command {
        Command::Serve(args) => serve::run(args),
        Command::Demo(args) => demo::run(args),
        Command::Check(args) => check::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Models(args) => models::run(&args),
        Command::Simulate(args) => simulate::run(&args),
        Command::Policy(args) => policy::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Fmt(args) => fmt::run(&args),
        Command::Lsp(args) => lsp::run(&args),
        Command::Convert(args) => convert::run(&args),
    };
    ExitCode::from(code)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
