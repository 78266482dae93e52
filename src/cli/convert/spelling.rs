//! From one spelling of a policy to the other.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::super::{DONE, FAILED, FAULTS, output};
use crate::policy::sources::Sources;
use crate::policy::syntax::{self, yaml};

/// Which policy, and where to.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The policy; its ending says how it is spelt.
    #[arg(value_name = "FROM")]
    from: PathBuf,
    /// The file to write, whose ending says how; `-` is standard output.
    #[arg(value_name = "TO", default_value = "-")]
    to_file: PathBuf,
    /// The spelling to write; without it, the ending of TO says so, or it is the other one.
    #[arg(long, value_enum, value_name = "SPELLING")]
    to: Option<Spelling>,
    /// Write over a file that is there.
    #[arg(long)]
    force: bool,
}

/// The two ways to write a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Spelling {
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
}

pub(super) fn run(args: &Args) -> u8 {
    match convert(args) {
        Ok(code) => code,
        Err(problem) => {
            output::problem(problem);
            FAILED
        }
    }
}

fn convert(args: &Args) -> Result<u8, String> {
    let from = args.from.display().to_string();
    let text = std::fs::read_to_string(&args.from).map_err(|error| format!("{from}: {error}"))?;
    let parsed = syntax::parse_file(&from, &text);
    if !parsed.is_ok() {
        let sources = Sources::of(&from, &text);
        for finding in &parsed.diagnostics {
            output::problem(syntax::render(finding, &sources, output::colors()));
        }
        return Ok(FAULTS);
    }
    let to_terminal = args.to_file.as_os_str() == "-";
    let named = Spelling::of(&args.to_file);
    let spelling = match (args.to, named) {
        (Some(said), Some(named)) if said != named => {
            return Err(format!(
                "`--to` and the ending of {} say different things",
                args.to_file.display()
            ));
        }
        (Some(spelling), _) | (None, Some(spelling)) => spelling,
        (None, None) if to_terminal && yaml::is_yaml(&from) => Spelling::Policy,
        (None, None) if to_terminal => Spelling::Yaml,
        (None, None) => {
            return Err(format!(
                "{}: end the name in `.policy` or `.yaml`, or say `--to policy` or `--to yaml`",
                args.to_file.display()
            ));
        }
    };
    let written = match spelling {
        Spelling::Yaml => yaml::format(&parsed.file),
        Spelling::Policy => syntax::format(&parsed.file),
    };
    if to_terminal {
        output::line(written.trim_end_matches('\n'));
        return Ok(DONE);
    }
    write(&args.to_file, &written, args.force)?;
    Ok(DONE)
}

fn write(path: &Path, text: &str, force: bool) -> Result<(), String> {
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
        Args { from: from.to_owned(), to_file: to.to_owned(), to: None, force }
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
