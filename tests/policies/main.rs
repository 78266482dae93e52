//! Policies as people write them: broken ones and what they are told, sound ones and what they do.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod broken;
mod codes;
mod docs;
mod examples;
mod failing;
mod fuzz;
mod limits;
mod situation;
mod spellings;

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use pointsman::catalog::Catalog;
use pointsman::ids::PolicyName;
use pointsman::policy::{Compiled, Surroundings, compile};

static CATALOG: LazyLock<Arc<Catalog>> = LazyLock::new(|| Arc::new(Catalog::embedded()));

/// Compiles against the built-in catalogue; the only file a policy can name is `house-style.md`.
fn compiled(file: &str, text: &str) -> Compiled {
    let files = |name: &str| match name {
        "house-style.md" => Ok("Be brief.".to_owned()),
        _ => {
            std::fs::read_to_string(path("policies").join(name)).map_err(|_| "no such file".into())
        }
    };
    let surroundings = Surroundings::new(&CATALOG, &files);
    compile(&PolicyName::new("test"), file, text, &surroundings)
}

/// The policies of a folder of the repository: name and text, in the order of their names.
fn policies(folder: &str) -> Vec<(String, String)> {
    let mut found: Vec<_> = std::fs::read_dir(path(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension().is_some_and(|ending| ending == "policy" || ending == "yaml")
        })
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(&path).unwrap())
        })
        .collect();
    found.sort();
    found
}

fn path(inside: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(inside)
}
