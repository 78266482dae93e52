//! From one spelling of a policy to the other.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::Path;

use super::Args;
use crate::cli::{DONE, FAULTS, output};
use crate::policy::sources::Sources;
use crate::policy::syntax::tree::File;
use crate::policy::syntax::{self, yaml};

/// The two ways to write a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Spelling {
    /// `.yaml`, `.yml`
    Yaml,
    /// `.policy`
    Policy,
}

impl Spelling {
    fn of(path: &Path) -> Option<Spelling> {
        let name = path.to_string_lossy();
        match (yaml::is_yaml(&name), name.ends_with(".policy")) {
            (true, _) => Some(Spelling::Yaml),
            (_, true) => Some(Spelling::Policy),
            _ => None,
        }
    }

    /// A policy in this spelling.
    pub(super) fn print(self, policy: &File) -> String {
        match self {
            Spelling::Yaml => yaml::format(policy),
            Spelling::Policy => syntax::format(policy),
        }
    }
}

/// Whether a file is a policy, and not some other gateway's configuration.
pub(super) fn is_policy(file: &Path, text: &str) -> bool {
    let name = file.to_string_lossy();
    [".policy", ".policy.yaml", ".policy.yml"].iter().any(|ending| name.ends_with(ending))
        || yaml::is_policy(text)
}

/// The spelling to write: as it was said, as the ending of the file says, or this one.
pub(super) fn spelling(args: &Args, otherwise: Spelling) -> Result<Spelling, String> {
    let named = args.target().and_then(Spelling::of);
    match (args.to, named, args.target()) {
        (Some(said), Some(named), Some(file)) if said != named => {
            Err(format!("`--to` and the ending of {} say different things", file.display()))
        }
        (Some(spelling), ..) | (None, Some(spelling), _) => Ok(spelling),
        (None, None, None) => Ok(otherwise),
        (None, None, Some(file)) => Err(format!(
            "{}: end the name in `.policy` or `.yaml`, or say `--to policy` or `--to yaml`",
            file.display()
        )),
    }
}

pub(super) fn run(args: &Args, text: &str) -> Result<u8, String> {
    let from = args.file.display().to_string();
    let (parsed, other) = match Spelling::of(&args.file) {
        Some(Spelling::Policy) => (syntax::parse(text), Spelling::Yaml),
        _ => (yaml::parse(text), Spelling::Policy),
    };
    if !parsed.is_ok() {
        let sources = Sources::of(&from, text);
        for finding in &parsed.diagnostics {
            output::problem(syntax::render(finding, &sources, false));
        }
        return Ok(FAULTS);
    }
    let written = spelling(args, other)?.print(&parsed.file);
    match args.target() {
        Some(file) => write(file, &written, args.force)?,
        None => output::line(written.trim_end_matches('\n')),
    }
    Ok(DONE)
}

/// Writes a policy, and over another one only if that is wanted.
pub(super) fn write(path: &Path, text: &str, force: bool) -> Result<(), String> {
    let shown = path.display();
    let mut options = OpenOptions::new();
    match force {
        true => options.write(true).create(true).truncate(true),
        false => options.write(true).create_new(true),
    };
    let told = |error: std::io::Error| match error.kind() {
        ErrorKind::AlreadyExists => format!("{shown} is there already; `--force` writes over it"),
        _ => format!("{shown}: {error}"),
    };
    options.open(path).and_then(|mut file| file.write_all(text.as_bytes())).map_err(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = "# why\npool p = [sim/tiny]\ndefault -> p {\n  cache off  # new\n}\n";

    fn args(from: &Path, to: &Path, force: bool) -> Args {
        Args {
            file: from.to_owned(),
            to_file: Some(to.to_owned()),
            from: None,
            output: None,
            to: None,
            force,
            config_out: None,
            json: false,
        }
    }

    fn convert(args: &Args) -> Result<u8, String> {
        run(args, &std::fs::read_to_string(&args.file).unwrap())
    }

    #[test]
    fn there_and_back_is_the_same_text() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("a.policy"), POLICY).unwrap();
        assert_eq!(convert(&args(&at("a.policy"), &at("a.yaml"), false)), Ok(DONE));
        let yaml = std::fs::read_to_string(at("a.yaml")).unwrap();
        assert!(yaml.starts_with("# why\npools:\n") && yaml.contains("# new"), "{yaml}");
        let refused = convert(&args(&at("a.yaml"), &at("a.policy"), false)).unwrap_err();
        assert!(refused.contains("--force"), "{refused}");
        std::fs::write(at("a.policy"), "something longer than the policy".repeat(9)).unwrap();
        assert_eq!(convert(&args(&at("a.yaml"), &at("a.policy"), true)), Ok(DONE));
        assert_eq!(std::fs::read_to_string(at("a.policy")).unwrap(), POLICY);
    }

    #[test]
    fn what_cannot_be_read_or_named_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("a.policy"), POLICY).unwrap();
        assert!(!is_policy(Path::new("config.yaml"), "model_list:\n- model_name: a\n"));
        assert!(is_policy(Path::new("p.policy.yaml"), "{"));
        assert!(is_policy(Path::new("p.yaml"), "routes:\n"));
        std::fs::write(at("broken.yaml"), "routes:\n  default: p\n").unwrap();
        assert_eq!(convert(&args(&at("broken.yaml"), &at("b.policy"), false)), Ok(FAULTS));
        assert!(convert(&args(&at("a.policy"), &at("b.txt"), false)).is_err());
        let said =
            Args { to: Some(Spelling::Policy), ..args(&at("a.policy"), &at("b.yml"), false) };
        assert!(convert(&said).is_err());
        assert!(!at("b.policy").exists() && !at("b.txt").exists() && !at("b.yml").exists());
        let said = Args { to: Some(Spelling::Yaml), ..args(&at("a.policy"), &at("b.txt"), false) };
        assert_eq!(convert(&said), Ok(DONE));
        assert!(std::fs::read_to_string(at("b.txt")).unwrap().contains("routes:"));
    }
}
