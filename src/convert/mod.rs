//! Other gateways' configurations as Pointsman policies: text in, a policy's tree, a `pointsman.yaml`
//! and a report out. Pure.
//!
//! `source` reads the text and knows which of its values were read; `registry` finds the providers and
//! models; `plan` is what all kinds have in common (who is asked, in which order, under which
//! condition) and makes routes of it; `write` builds pieces of the tree. One module per kind does the
//! rest. What a kind neither reads nor mentions is reported as left out, so nothing is lost unseen.

mod catalogue;
mod cloudflare;
mod condition;
mod litellm;
mod openrouter;
mod plan;
mod portkey;
mod providers;
mod registry;
mod report;
mod source;
mod write;

#[cfg(test)]
mod tests;

use std::fmt;

pub use report::{Note, Severity};

use crate::catalog::Catalog;
use crate::policy::syntax::tree::File;
use registry::Registry;
use report::Report;
use source::{Node, Source};

/// A configuration longer than this is refused unread, in bytes.
pub const MAX_BYTES: usize = 4 << 20;

/// Whose configuration it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The proxy's `config.yaml`.
    LiteLlm,
    /// A gateway config.
    Portkey,
    /// A request's body, or a preset.
    OpenRouter,
    /// A universal endpoint's array, a dynamic route, or the settings of an AI Gateway.
    Cloudflare,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 4] = [Kind::LiteLlm, Kind::Portkey, Kind::OpenRouter, Kind::Cloudflare];

    /// The word of the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::LiteLlm => "litellm",
            Kind::Portkey => "portkey",
            Kind::OpenRouter => "openrouter",
            Kind::Cloudflare => "cloudflare",
        }
    }

    /// The name for people.
    pub const fn title(self) -> &'static str {
        match self {
            Kind::LiteLlm => "LiteLLM",
            Kind::Portkey => "Portkey",
            Kind::OpenRouter => "OpenRouter",
            Kind::Cloudflare => "Cloudflare AI Gateway",
        }
    }

    /// What such a file looks like, for messages.
    const fn looks(self) -> &'static str {
        match self {
            Kind::LiteLlm => "a map with `model_list`",
            Kind::Portkey => "a map with `strategy` and `targets`, or with one `provider`",
            Kind::OpenRouter => "a request's body or a preset: a map with `model` or `models`",
            Kind::Cloudflare => {
                "a list of `provider`, `endpoint` and `query`, a route with `elements`, or an AI \
                 Gateway's settings"
            }
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A configuration, converted.
#[derive(Debug)]
pub struct Converted {
    /// Whose it was.
    pub kind: Kind,
    /// The policy; [`crate::policy::syntax::format`] prints it.
    pub policy: File,
    /// The text of a `pointsman.yaml`, where providers, models or keys belong there. It names
    /// environment variables and holds no secret.
    pub config: Option<String>,
    /// What became of the source, in its order; what was left out of it for certain.
    pub report: Vec<Note>,
}

/// Why nothing was converted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConvertError {
    /// Neither JSON nor YAML, or more of it than is read.
    #[error("{0}")]
    Unreadable(String),
    /// It is of another kind than was said.
    #[error("this is no {said} configuration ({}), it looks like {found}; use --from {found}", said.looks())]
    OtherKind {
        /// What was said.
        said: Kind,
        /// What it looks like.
        found: Kind,
    },
    /// It is of no known kind, or not of the one that was said.
    #[error("{0}")]
    Unknown(String),
}

/// Converts a configuration. Without a kind it is told from the content.
///
/// # Errors
/// A text that cannot be read, or whose content is not of the kind.
pub fn convert(
    kind: Option<Kind>,
    text: &str,
    catalog: &Catalog,
) -> Result<Converted, ConvertError> {
    let source = Source::parse(text).map_err(ConvertError::Unreadable)?;
    let root = source.root();
    let found = detect(&root);
    let kind = match (kind, found) {
        (Some(said), Some(found)) if said != found => {
            return Err(ConvertError::OtherKind { said, found });
        }
        (Some(said), None) => {
            let looks = said.looks();
            let message = format!("this is no {said} configuration: expected {looks}");
            return Err(ConvertError::Unknown(message));
        }
        (_, Some(found)) => found,
        (None, None) => {
            let kinds: Vec<String> =
                Kind::ALL.iter().map(|kind| format!("{kind}: {}", kind.looks())).collect();
            return Err(ConvertError::Unknown(format!(
                "this is no configuration that can be converted; those are\n  {}",
                kinds.join("\n  ")
            )));
        }
    };
    let mut work = Work { report: Report::default(), registry: Registry::new(catalog) };
    let policy = match kind {
        Kind::LiteLlm => litellm::convert(&root, &mut work),
        Kind::Portkey => portkey::convert(&root, &mut work),
        Kind::OpenRouter => openrouter::convert(&root, &mut work),
        Kind::Cloudflare => cloudflare::convert(&root, &mut work),
    };
    for path in source.unread() {
        work.report.left(
            &path,
            "not understood",
            "this converter does not know it, and nothing in the policy stands for it",
        );
    }
    let config = work.registry.config(kind, &work.report);
    Ok(Converted { kind, policy, config, report: work.report.notes() })
}

/// What every conversion works with.
struct Work<'a> {
    report: Report,
    registry: Registry<'a>,
}

/// Whose configuration this is, by the keys that only one of them has.
fn detect(root: &Node<'_>) -> Option<Kind> {
    let has = |key: &str| root.get(key).is_some();
    let any = |keys: &[&str]| keys.iter().any(|key| has(key));
    if any(&["model_list", "litellm_settings", "router_settings"]) {
        return Some(Kind::LiteLlm);
    }
    if let Some(first) = root.items().first() {
        let both = first.get("provider").is_some() && first.get("query").is_some();
        return (both || first.get("endpoint").is_some()).then_some(Kind::Cloudflare);
    }
    let inner = cloudflare::inner(root);
    if inner.get("elements").is_some()
        || cloudflare::SETTINGS.iter().any(|key| inner.get(key).is_some())
        || root.entries().iter().any(|(key, _)| key.to_lowercase().starts_with("cf-aig-"))
        || root.get("headers").is_some_and(|headers| {
            headers.entries().iter().any(|(key, _)| key.to_lowercase().starts_with("cf-aig-"))
        })
    {
        return Some(Kind::Cloudflare);
    }
    let provider_is_text = root.get("provider").is_some_and(|provider| provider.is_text());
    let portkey = ["targets", "strategy", "virtual_key", "virtualKey", "override_params"];
    if any(&portkey) || has("overrideParams") || provider_is_text {
        return Some(Kind::Portkey);
    }
    if any(&["models", "model", "preset"]) || openrouter::is_preset(root) {
        return Some(Kind::OpenRouter);
    }
    let portkey = ["retry", "cache", "input_guardrails", "output_guardrails", "request_timeout"];
    any(&portkey).then_some(Kind::Portkey)
}
