//! Reading a policy and all files that it names: `import` and `delegate`.

use std::collections::HashMap;

use super::Surroundings;
use super::codes;
use super::diagnostic::Diagnostic;
use super::sources::Sources;
use super::syntax::spans::shift;
use super::syntax::tree::{File, Item, Span, Text};
use super::syntax::{Parsed, parse_file};

/// The most files that one policy may be made of.
const MOST_FILES: usize = 64;

/// All files of a policy, read.
pub struct Loaded {
    /// Their texts.
    pub sources: Sources,
    /// Their trees; the first is the policy's own.
    pub units: Vec<Unit>,
    /// What was wrong with their syntax, and with finding them.
    pub diagnostics: Vec<Diagnostic>,
}

/// One file.
pub struct Unit {
    /// What stands in it, at places in [`Loaded::sources`].
    pub tree: File,
    /// Names of statements that could not be read.
    pub broken: Vec<String>,
    /// Whose file it is.
    pub role: Role,
    /// The units that its statements name, by the place of the path.
    pub links: HashMap<Span, usize>,
    /// What its names begin with, for people: `shared.`, `search.`, or nothing.
    pub prefix: String,
    /// Its folder, from that of the policy.
    pub folder: String,
}

/// Why a file is part of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It is the policy.
    Root,
    /// Another file takes its names.
    Library,
    /// Another file hands requests to it.
    Delegated,
}

/// Reads a policy and everything it names. Total: what cannot be read is a finding.
pub fn load(file: &str, text: &str, surroundings: &Surroundings<'_>) -> Loaded {
    let loaded = Loaded { sources: Sources::default(), units: Vec::new(), diagnostics: Vec::new() };
    let shown_folder = file.rsplit_once(['/', '\\']).map_or("", |(folder, _)| folder).to_owned();
    let mut loader =
        Loader { loaded, surroundings, shown_folder, libraries: HashMap::new(), open: Vec::new() };
    loader.unit(file, "", text, Role::Root, String::new());
    loader.loaded
}

struct Loader<'a> {
    loaded: Loaded,
    surroundings: &'a Surroundings<'a>,
    /// The folder of the policy, as people know it.
    shown_folder: String,
    /// Imported files by their path: each is read once.
    libraries: HashMap<String, usize>,
    /// The paths of the files that are being read, from the policy inwards.
    open: Vec<String>,
}

impl Loader<'_> {
    fn unit(&mut self, file: &str, folder: &str, text: &str, role: Role, prefix: String) -> usize {
        let base = self.loaded.sources.add(file, text);
        let Parsed { file: mut tree, mut diagnostics, broken } = parse_file(file, text);
        shift(&mut tree, base);
        diagnostics.iter_mut().for_each(|diagnostic| diagnostic.shift(base));
        self.loaded.diagnostics.extend(diagnostics);
        let paths: Vec<(Text, Role, String)> = tree
            .items
            .iter()
            .filter_map(|line| match &line.node {
                Item::Import { path, alias } => {
                    let prefix =
                        alias.as_ref().map_or_else(String::new, |it| format!("{}.", it.node));
                    Some((path.clone(), Role::Library, prefix))
                }
                Item::Delegate { name, to, .. } => {
                    Some((to.clone(), Role::Delegated, format!("{}.", name.node)))
                }
                _ => None,
            })
            .collect();
        let index = self.loaded.units.len();
        let folder = folder.to_owned();
        let prefix_here = prefix.clone();
        self.loaded.units.push(Unit { tree, broken, role, links: HashMap::new(), prefix, folder });
        for (path, role, prefix) in paths {
            let prefix = format!("{prefix_here}{prefix}");
            if let Some(linked) = self.link(index, &path, role, prefix) {
                self.loaded.units[index].links.insert(path.span, linked);
            }
        }
        index
    }

    fn link(&mut self, from: usize, path: &Text, role: Role, prefix: String) -> Option<usize> {
        let inside = joined(&self.loaded.units[from].folder, &path.node);
        if let (Role::Library, Some(known)) = (role, self.libraries.get(&inside)) {
            return Some(*known);
        }
        if self.open.contains(&inside) {
            self.loaded.diagnostics.push(
                Diagnostic::error(
                    codes::CYCLE,
                    path.span,
                    format!("`{}` leads back to itself", path.node),
                    "this file is being read already",
                )
                .note(format!("the way: {} → {inside}", self.open.join(" → "))),
            );
            return None;
        }
        if self.loaded.units.len() >= MOST_FILES {
            self.loaded.diagnostics.push(Diagnostic::error(
                codes::TOO_LARGE,
                path.span,
                format!("the policy is made of more than {MOST_FILES} files"),
                "not read",
            ));
            return None;
        }
        let text = match (self.surroundings.files)(&inside) {
            Ok(text) => text,
            Err(reason) => {
                self.loaded.diagnostics.push(
                    Diagnostic::error(
                        codes::UNREADABLE_FILE,
                        path.span,
                        format!("cannot read `{}`", path.node),
                        reason,
                    )
                    .help("the path is relative to the folder of the file that names it"),
                );
                return None;
            }
        };
        let folder = inside.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
        self.open.push(inside.clone());
        let shown = joined(&self.shown_folder, &inside);
        let unit = self.unit(&shown, &folder, &text, role, prefix);
        self.open.pop();
        if role == Role::Library {
            self.libraries.insert(inside, unit);
        }
        Some(unit)
    }
}

/// A path from a folder, without `.` and with `..` resolved as far as the folders are known.
pub fn joined(folder: &str, path: &str) -> String {
    if path.starts_with('/') {
        return path.to_owned();
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split(['/', '\\']) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => _ = parts.pop(),
            part => parts.push(part),
        }
    }
    let absolute = if folder.starts_with('/') { "/" } else { "" };
    format!("{absolute}{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::joined;

    #[test]
    fn paths_are_joined() {
        for (folder, path, expected) in [
            ("", "shared/pools.policy", "shared/pools.policy"),
            ("teams", "../shared/pools.policy", "shared/pools.policy"),
            ("", "../x.policy", "../x.policy"),
            ("/etc/p", "./a.policy", "/etc/p/a.policy"),
            ("a", "/b.policy", "/b.policy"),
        ] {
            assert_eq!(joined(folder, path), expected, "{folder} {path}");
        }
    }
}
