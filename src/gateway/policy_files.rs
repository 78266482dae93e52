//! Which files are policies, and what they are called.

use std::path::{Path, PathBuf};

use crate::ids::PolicyName;
use crate::policy::syntax::yaml::is_yaml;

/// What the policy in a file is called: `support` for `support.policy`, `support.policy.yaml` and
/// `support.yaml`.
pub fn name_of(path: &Path) -> PolicyName {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = match name.rsplit_once('.').filter(|_| is_yaml(&name)) {
        Some((stem, _)) => stem,
        None => &name,
    };
    PolicyName::new(name.strip_suffix(".policy").unwrap_or(name))
}

/// The policies of a folder, by name: `NAME.policy`, `NAME.policy.yaml`, `NAME.policy.yml`. Other
/// YAML may lie beside them.
///
/// # Errors
/// A folder that cannot be read.
pub fn policies_of(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let is_policy = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let endings = [".policy", ".policy.yaml", ".policy.yml"];
        endings.iter().any(|ending| name.strip_suffix(ending).is_some_and(|name| !name.is_empty()))
    };
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(is_policy)
        .collect();
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_called_like_its_file() {
        for (file, name) in [
            ("a/support.policy", "support"),
            ("support.policy.yaml", "support"),
            ("support.policy.YML", "support"),
            ("support.yaml", "support"),
            ("v1.2.policy", "v1.2"),
            ("plain", "plain"),
        ] {
            assert_eq!(name_of(Path::new(file)).as_str(), name, "{file}");
        }
    }

    #[test]
    fn a_folder_may_hold_other_yaml() {
        let folder = tempfile::tempdir().unwrap();
        for file in
            ["b.policy.yaml", "a.policy", "c.policy.yml", "pointsman.yaml", ".policy", "x.md"]
        {
            std::fs::write(folder.path().join(file), "").unwrap();
        }
        let found = policies_of(folder.path()).unwrap();
        let names: Vec<_> = found.iter().map(|path| name_of(path).to_string()).collect();
        assert_eq!(names, ["a", "b", "c"]);
    }
}
