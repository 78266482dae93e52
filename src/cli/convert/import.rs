//! `pointsman convert --from KIND FILE`: another gateway's configuration.

use std::io::{Read, Write};
use std::path::Path;

use serde_json::json;

use super::Args;
use crate::catalog::Catalog;
use crate::cli::{DONE, FAILED, output};
use crate::convert::{Converted, Kind, Severity, convert};
use crate::policy::syntax;

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

pub(super) fn run(args: &Args) -> u8 {
    let shown = args.file.display();
    let text = match read(&args.file) {
        Ok(text) => text,
        Err(error) => {
            output::problem(format!("{shown}: {error}"));
            return FAILED;
        }
    };
    let converted = match convert(args.from.kind(), &text, &Catalog::embedded()) {
        Ok(converted) => converted,
        Err(error) => {
            output::problem(format!("{shown}: {error}"));
            return FAILED;
        }
    };
    let policy = syntax::format(&converted.policy);
    if let Err(error) = write(args, &converted, &policy) {
        output::problem(error);
        return FAILED;
    }
    if args.json {
        let told = json!({
            "from": converted.kind.name(),
            "policy": policy,
            "config": converted.config,
            "report": converted.report,
        });
        output::line(told.to_string());
        return DONE;
    }
    if args.output.is_none() {
        output::line(policy.trim_end_matches('\n'));
    }
    report(&converted, args.config_out.is_some());
    DONE
}

fn read(file: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let read = if file.as_os_str() == "-" {
        std::io::stdin().read_to_end(&mut bytes).map(drop)
    } else {
        std::fs::read(file).map(|found| bytes = found)
    };
    read.map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|error| format!("this is no text: {}", error.utf8_error()))
}

fn write(args: &Args, converted: &Converted, policy: &str) -> Result<(), String> {
    if let (Some(file), Some(config)) = (&args.config_out, &converted.config) {
        // It may hold the settings of a gateway that runs.
        std::fs::File::create_new(file)
            .and_then(|mut out| out.write_all(config.as_bytes()))
            .map_err(|error| format!("{}: {error}", file.display()))?;
    }
    if let Some(file) = &args.output {
        std::fs::write(file, policy).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    Ok(())
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
