//! Configurations as people of other gateways write them, and what becomes of them.
//!
//! Beside each stands `NAME.policy`, `NAME.pointsman.yaml` and `NAME.report`; `UPDATE=1 cargo test`
//! writes them anew.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod anything;
mod command;

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use pointsman::catalog::Catalog;
use pointsman::config::Config;
use pointsman::convert::{Converted, Kind, Severity, convert};
use pointsman::gateway::world;
use pointsman::ids::PolicyName;
use pointsman::policy::diagnostic::Severity as Finding;
use pointsman::policy::syntax::{self, render};
use pointsman::policy::{Surroundings, compile};

static CATALOG: LazyLock<Arc<Catalog>> = LazyLock::new(|| Arc::new(Catalog::embedded()));

/// What an example's literal secrets hold, so that they can be looked for.
const SECRET: &str = "NEVER-TO-BE-SEEN";
/// Statements that are part of the language but not carried out yet.
const NOT_YET: &str = "P3900";

fn examples(kind: Kind) -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/convert").join(kind.name());
    let mut found: Vec<(PathBuf, String)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            !name.ends_with(".pointsman.yaml")
                && (name.ends_with(".yaml") || name.ends_with(".json"))
        })
        .map(|path| (path.clone(), std::fs::read_to_string(&path).unwrap()))
        .collect();
    found.sort();
    found
}

fn shown(converted: &Converted) -> String {
    let mut text = String::new();
    for severity in [Severity::LeftOut, Severity::Changed, Severity::TakenOver] {
        let notes = converted.report.iter().filter(|note| note.severity == severity);
        for (index, note) in notes.enumerate() {
            if index == 0 {
                text += &format!("{}\n", severity.title());
            }
            text += &format!("  {note}\n");
        }
    }
    text
}

fn same_as_before(path: &Path, ending: &str, text: &str) -> Result<(), String> {
    let snapshot = path.with_extension(ending);
    if std::env::var_os("UPDATE").is_some() {
        if text.is_empty() {
            let _ = std::fs::remove_file(&snapshot);
        } else {
            std::fs::write(&snapshot, text).unwrap();
        }
        return Ok(());
    }
    let before = std::fs::read_to_string(&snapshot).unwrap_or_default();
    if before == text {
        return Ok(());
    }
    Err(format!("{ending} has changed (UPDATE=1 takes it over):\n{text}"))
}

/// The catalogue of a configuration, read as the gateway reads it.
fn catalog_of(config: Option<&str>) -> Result<Arc<Catalog>, String> {
    let Some(text) = config else { return Ok(CATALOG.clone()) };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pointsman.yaml");
    std::fs::write(&file, text).unwrap();
    let env = |name: &str| {
        let address = ["URL", "BASE", "HOST", "ENDPOINT"].iter().any(|part| name.contains(part));
        Some(if address { "https://example.test/v1" } else { "a-value-long-enough" }.to_owned())
    };
    let config = Config::load(Some(&file), &env).map_err(|error| error.to_string())?;
    let mut problems = Vec::new();
    let catalog = world::catalog(&config, &mut problems);
    let kinds = config.providers.values().filter_map(|provider| provider.kind.as_deref());
    let unknown = kinds.filter(|kind| pointsman::provider::table::entry(kind).is_none());
    problems.extend(unknown.map(|kind| format!("no kind `{kind}`")));
    if problems.is_empty() { Ok(catalog) } else { Err(problems.join("\n")) }
}

/// Whether the result is a policy that would load; all that speaks against it.
fn sound(converted: &Converted) -> Result<(), String> {
    let text = syntax::format(&converted.policy);
    let catalog = catalog_of(converted.config.as_deref())
        .map_err(|error| format!("{error}\n{}", converted.config.as_deref().unwrap_or_default()))?;
    let files = |_: &str| Err("no such file".to_owned());
    let surroundings = Surroundings::new(&catalog, &files);
    let compiled = compile(&PolicyName::new("test"), "converted.policy", &text, &surroundings);
    let errors: Vec<String> = compiled
        .diagnostics
        .iter()
        .filter(|one| one.severity == Finding::Error && one.code.0 != NOT_YET)
        .map(|one| render(one, &compiled.sources, false))
        .collect();
    if !errors.is_empty() {
        return Err(format!("{}\n{text}", errors.join("\n\n")));
    }
    let parsed = syntax::parse(&text);
    if parsed.file != converted.policy || syntax::format(&parsed.file) != text {
        return Err(format!("it reads otherwise than it was built:\n{text}"));
    }
    Ok(())
}

fn every(kind: Kind) {
    let all = examples(kind);
    assert!(all.len() >= 8, "only {}", all.len());
    let mut wrong = Vec::new();
    for (path, text) in &all {
        let name = path.file_name().unwrap().to_str().unwrap();
        let converted = match convert(Some(kind), text, &CATALOG) {
            Ok(converted) => converted,
            Err(error) => {
                wrong.push(format!("{name}: {error}"));
                continue;
            }
        };
        assert_eq!(convert(None, text, &CATALOG).map(|it| it.kind).ok(), Some(kind), "{name}");
        let policy = syntax::format(&converted.policy);
        let (config, report) = (converted.config.clone().unwrap_or_default(), shown(&converted));
        for part in [&policy, &config, &report] {
            if part.contains(SECRET) {
                wrong.push(format!("{name}: a secret is in the result"));
            }
        }
        let same = [("policy", &policy), ("pointsman.yaml", &config), ("report", &report)];
        wrong.extend(same.iter().filter_map(|(ending, text)| {
            same_as_before(path, ending, text).err().map(|why| format!("{name}: {why}"))
        }));
        wrong.extend(sound(&converted).err().map(|why| format!("{name}: {why}")));
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), all.len(), wrong.join("\n\n"));
}

#[test]
fn litellm() {
    every(Kind::LiteLlm);
}

#[test]
fn portkey() {
    every(Kind::Portkey);
}

#[test]
fn openrouter() {
    every(Kind::OpenRouter);
}

#[test]
fn cloudflare() {
    every(Kind::Cloudflare);
}
