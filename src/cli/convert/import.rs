//! `pointsman convert --from KIND FILE`: another gateway's configuration.

use std::io::{Read, Write};
use std::path::Path;

use serde_json::json;

use super::Args;
use super::spelling::{Spelling, spelling};
use crate::catalog::Catalog;
use crate::cli::{DONE, output};
use crate::convert::{Converted, Kind, Severity, convert};

/// Whose configuration it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum From {
    /// Told from the content.
    Auto,
    /// LiteLLM's `config.yaml`.
    Litellm,
    /// A Portkey gateway config.
    Portkey,
    /// An OpenRouter request or preset.
    Openrouter,
    /// A Cloudflare AI Gateway's universal endpoint, dynamic route or settings.
    Cloudflare,
}

impl From {
    fn kind(self) -> Option<Kind> {
        match self {
            From::Auto => None,
            From::Litellm => Some(Kind::LiteLlm),
            From::Portkey => Some(Kind::Portkey),
            From::Openrouter => Some(Kind::OpenRouter),
            From::Cloudflare => Some(Kind::Cloudflare),
        }
    }
}

pub(super) fn run(args: &Args, text: &str) -> Result<u8, String> {
    let kind = args.from.unwrap_or(From::Auto).kind();
    let converted = convert(kind, text, &Catalog::embedded())
        .map_err(|error| format!("{}: {error}", args.file.display()))?;
    let policy = spelling(args, Spelling::Policy)?.print(&converted.policy);
    write(args, &converted, &policy)?;
    if args.json {
        let told = json!({
            "from": converted.kind.name(),
            "policy": policy,
            "config": converted.config,
            "report": converted.report,
        });
        output::line(told.to_string());
        return Ok(DONE);
    }
    if args.target().is_none() {
        output::line(policy.trim_end_matches('\n'));
    }
    report(&converted, args.config_out.is_some());
    Ok(DONE)
}

/// The text of a file, or of standard input.
pub(super) fn read(file: &Path) -> Result<String, String> {
    let shown = file.display();
    let mut bytes = Vec::new();
    let read = if file.as_os_str() == "-" {
        std::io::stdin().read_to_end(&mut bytes).map(drop)
    } else {
        std::fs::read(file).map(|found| bytes = found)
    };
    read.map_err(|error| format!("{shown}: {error}"))?;
    String::from_utf8(bytes)
        .map_err(|error| format!("{shown}: this is no text: {}", error.utf8_error()))
}

fn write(args: &Args, converted: &Converted, policy: &str) -> Result<(), String> {
    if let (Some(file), Some(config)) = (&args.config_out, &converted.config) {
        // It may hold the settings of a gateway that runs.
        std::fs::File::create_new(file)
            .and_then(|mut out| out.write_all(config.as_bytes()))
            .map_err(|error| format!("{}: {error}", file.display()))?;
    }
    match args.target() {
        Some(file) => super::spelling::write(file, policy, args.force),
        None => Ok(()),
    }
}

/// The report for people, the bad news last, where they are read.
fn report(converted: &Converted, config_written: bool) {
    for severity in [Severity::TakenOver, Severity::Changed, Severity::LeftOut] {
        let notes: Vec<_> =
            converted.report.iter().filter(|note| note.severity == severity).collect();
        if notes.is_empty() {
            continue;
        }
        output::problem(format!("\n{} ({})", severity.title(), notes.len()));
        notes.iter().for_each(|note| output::problem(format!("  {note}")));
    }
    if let Some(config) = converted.config.as_ref().filter(|_| !config_written) {
        output::problem(
            "\nproviders, models and keys for pointsman.yaml (--config-out FILE writes them):\n",
        );
        output::problem(config.trim_end());
    }
    output::problem(
        "\ncheck the result with `pointsman check --config pointsman.yaml FILE.policy`",
    );
}
