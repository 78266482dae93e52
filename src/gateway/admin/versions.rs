//! Versions of policies on disk: every text that ever decided, and a line on when and why it did.
//!
//! `policies/NAME/GENERATION.policy` is a text, `policies/NAME/index.jsonl` has a line for each time
//! one became active, `policies/NAME/staged.policy` waits to become it. Files are replaced in one
//! step and reach the disk before they count, so a crash leaves the old state or the new one.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::ids::PolicyName;

/// Why a version became active.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The file said so: at the start, or after it was changed by other hands.
    Loaded,
    /// It was staged and activated.
    Activated,
    /// What came after it was taken back.
    RolledBack,
}

/// One line of the index: a version became active.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub at: jiff::Timestamp,
    /// Which.
    pub generation: String,
    /// Why.
    pub why: Why,
    /// Who did it, by their own word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// What they said about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The BLAKE3 hashes of the other files that belong to it, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, String>,
}

/// The versions of all policies. One process at a time writes them.
#[derive(Debug, Clone)]
pub struct Versions {
    folder: PathBuf,
}

impl Versions {
    /// Those in a state directory, which need not exist yet.
    pub fn at(state: &Path) -> Versions {
        Versions { folder: state.join("policies") }
    }

    /// The policies that something is known of.
    pub fn names(&self) -> Vec<PolicyName> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<PolicyName> = names.map(PolicyName::new).collect();
        names.sort();
        names
    }

    /// What became active, oldest first.
    ///
    /// # Errors
    /// When the index cannot be read. A line that is none is passed over.
    pub fn history(&self, name: &PolicyName) -> io::Result<Vec<Entry>> {
        let index = read_if_there(&self.file(name, INDEX))?.unwrap_or_default();
        Ok(index.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
    }

    /// The text of a version.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn text(&self, name: &PolicyName, generation: &str) -> io::Result<Option<String>> {
        if !is_generation(generation) {
            return Ok(None);
        }
        read_if_there(&self.file(name, &format!("{generation}.policy")))
    }

    /// Keeps a text, so that it can be gone back to. What is there already stays.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep(&self, name: &PolicyName, generation: &str, text: &str) -> io::Result<()> {
        if self.text(name, generation)?.is_some_and(|known| known == text) {
            return Ok(());
        }
        self.put(name, &format!("{generation}.policy"), text)
    }

    /// Notes that a version became active.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note(&self, name: &PolicyName, entry: &Entry) -> io::Result<()> {
        let mut index = read_if_there(&self.file(name, INDEX))?.unwrap_or_default();
        if !index.is_empty() && !index.ends_with('\n') {
            index.push('\n');
        }
        index += &serde_json::to_string(entry)?;
        index.push('\n');
        self.put(name, INDEX, &index)
    }

    /// The text that waits to become active.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn staged(&self, name: &PolicyName) -> io::Result<Option<String>> {
        read_if_there(&self.file(name, STAGED))
    }

    /// Lets a text wait, in place of the one that did.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn stage(&self, name: &PolicyName, text: &str) -> io::Result<()> {
        self.put(name, STAGED, text)
    }

    /// Nothing waits any more; whether anything did.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn unstage(&self, name: &PolicyName) -> io::Result<bool> {
        match fs::remove_file(self.file(name, STAGED)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn put(&self, name: &PolicyName, file: &str, text: &str) -> io::Result<()> {
        fs::create_dir_all(self.folder.join(name.as_str()))?;
        replace(&self.file(name, file), text)
    }

    fn file(&self, name: &PolicyName, file: &str) -> PathBuf {
        self.folder.join(name.as_str()).join(file)
    }
}

const INDEX: &str = "index.jsonl";
const STAGED: &str = "staged.policy";

/// Whether this can be a generation; nothing else becomes part of a path.
fn is_generation(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn read_if_there(path: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Replaces a file in one step: whoever reads it finds the old text or the new one, also after a
/// crash. What a link leads to is replaced, not the link; its permissions stay.
///
/// # Errors
/// When the file or its folder cannot be written.
pub fn replace(path: &Path, text: &str) -> io::Result<()> {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // Hidden and with an ending of its own, so that nobody takes it for a policy.
    let aside = folder.join(format!(".{name}.new"));
    let known = fs::metadata(&path).ok();
    // A folder may let us replace what its owner meant to keep.
    if known.as_ref().is_some_and(|meta| meta.permissions().readonly()) {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the file is read-only"));
    }
    let written = write_through(&aside, text, known).and_then(|()| fs::rename(&aside, &path));
    if written.is_err() {
        // It may not even have come into being.
        let _ = fs::remove_file(&aside);
    }
    written?;
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    Ok(())
}

fn write_through(path: &Path, text: &str, like: Option<fs::Metadata>) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(text.as_bytes())?;
    if let Some(like) = like {
        file.set_permissions(like.permissions())?;
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(generation: &str, why: Why) -> Entry {
        Entry {
            at: jiff::Timestamp::from_second(1_000).unwrap(),
            generation: generation.into(),
            why,
            by: Some("ada".into()),
            note: None,
            files: BTreeMap::from([("more.policy".into(), "ff00".into())]),
        }
    }

    #[test]
    fn what_was_kept_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let versions = Versions::at(folder.path());
        let name = PolicyName::new("main");
        assert_eq!(versions.history(&name).unwrap(), []);
        assert_eq!(versions.staged(&name).unwrap(), None);
        assert!(!versions.unstage(&name).unwrap());
        versions.keep(&name, "0123456789ab", "one").unwrap();
        versions.keep(&name, "0123456789ab", "one").unwrap();
        versions.note(&name, &entry("0123456789ab", Why::Loaded)).unwrap();
        versions.note(&name, &entry("ba9876543210", Why::Activated)).unwrap();
        assert_eq!(versions.text(&name, "0123456789ab").unwrap().as_deref(), Some("one"));
        assert_eq!(versions.text(&name, "ba9876543210").unwrap(), None);
        assert_eq!(
            versions.history(&name).unwrap(),
            [entry("0123456789ab", Why::Loaded), entry("ba9876543210", Why::Activated)]
        );
        versions.stage(&name, "two").unwrap();
        assert_eq!(versions.staged(&name).unwrap().as_deref(), Some("two"));
        assert!(versions.unstage(&name).unwrap());
        assert_eq!(versions.names(), [name]);
    }

    #[test]
    fn a_line_that_broke_off_costs_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let versions = Versions::at(folder.path());
        let name = PolicyName::new("main");
        versions.note(&name, &entry("0123456789ab", Why::Loaded)).unwrap();
        let index = folder.path().join("policies/main/index.jsonl");
        let torn = fs::read_to_string(&index).unwrap() + "{\"at\":\"2026";
        fs::write(&index, torn).unwrap();
        versions.note(&name, &entry("ba9876543210", Why::RolledBack)).unwrap();
        assert_eq!(versions.history(&name).unwrap().len(), 2);
    }

    #[test]
    fn only_generations_become_part_of_a_path() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("policies/main")).unwrap();
        fs::write(folder.path().join("secret.policy"), "secret").unwrap();
        let versions = Versions::at(folder.path());
        for name in ["../../secret", "staged", "", "0123456789a/"] {
            assert_eq!(versions.text(&PolicyName::new("main"), name).unwrap(), None, "{name}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_file_behind_a_link_is_replaced_and_a_read_only_one_is_not() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("real.policy"), folder.path().join("link.policy"));
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        symlink("real.policy", &link).unwrap();
        replace(&link, "new").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o440)).unwrap();
        let refused = replace(&link, "newer").unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left lying about");
    }
}
