//! `pointsman lsp`

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lsp_server::Connection;

use super::{DONE, FAILED, FAULTS, output};
use crate::catalog::Catalog;
use crate::lsp::documents::slashes;
use crate::lsp::{Start, serve};

/// Serve an editor over standard input and output, by the Language Server Protocol.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration whose models and policies are meant.
    #[arg(long, short, env = "POINTSMAN_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Standard input and output: what editors say that know other ways too. There is no other.
    #[arg(long, hide = true)]
    stdio: bool,
}

pub(super) fn run(args: &Args) -> u8 {
    let start = match super::check::catalog_of(args.config.clone()) {
        Ok((catalog, policies)) => {
            let files = super::check::files_of(&policies).unwrap_or_default();
            Start {
                catalog,
                policies: files.iter().map(|it| absolute(it)).collect(),
                warning: None,
            }
        }
        // Policies can be written without a configuration, so a bad one must not leave the editor
        // without help.
        Err(problems) => Start {
            catalog: Arc::new(Catalog::embedded()),
            policies: Vec::new(),
            warning: Some(format!(
                "the configuration cannot be used, only built-in models are known: {problems}"
            )),
        },
    };
    let (connection, threads) = Connection::stdio();
    let ended = serve(&connection, start);
    // The writer ends when nobody can send any more.
    drop(connection);
    match ended {
        Ok(in_order) => {
            // A broken pipe at this point is an editor that is gone.
            let _ = threads.join();
            if in_order { DONE } else { FAULTS }
        }
        Err(error) => {
            output::problem(format!("the editor does not speak the protocol: {error}"));
            FAILED
        }
    }
}

fn absolute(path: &Path) -> String {
    slashes(&std::path::absolute(path).unwrap_or_else(|_| path.to_owned()))
}
