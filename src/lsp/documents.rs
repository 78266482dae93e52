//! The texts that editors have open, and the policies they are parts of.
//!
//! A policy may be made of several files. Each is read from the editor if it is open there, else
//! from the disk. An open file belongs to every policy known that is made of it; one that no policy
//! names is a policy of its own.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use lsp_types::{Location, Position, Range, TextDocumentContentChangeEvent, Uri};

use super::index::Index;
use super::position::Lines;
use crate::catalog::Catalog;
use crate::gateway::policy_files::policies_of;
use crate::ids::PolicyName;
use crate::policy::diagnostic::Diagnostic;
use crate::policy::load::{Loaded, joined, load};
use crate::policy::program::Program;
use crate::policy::syntax::MAX_FILE_BYTES;
use crate::policy::syntax::tree::Span;
use crate::policy::{Surroundings, compile};

/// The most policies of a folder that are looked through for one that names an opened file.
const MOST_CANDIDATES: usize = 200;
/// How far above an opened file policies are looked for when the editor names no folder.
const FOLDERS_ABOVE: usize = 2;

/// A text that is open in the editor.
#[derive(Debug)]
pub struct Document {
    /// What the editor calls it.
    pub uri: Uri,
    /// The editor's count of its changes.
    pub version: i32,
    /// The text as it is now.
    pub text: String,
    /// Its lines.
    pub lines: Lines,
}

/// A policy with all its files.
#[derive(Debug)]
pub struct Policy {
    /// Its files, as they were read last.
    pub loaded: Loaded,
    /// The lines of each of its files.
    lines: Vec<Lines>,
    /// Its names.
    pub index: Index,
    /// What was found when it was checked; `None` before that.
    pub findings: Option<Vec<Diagnostic>>,
    /// The last program that could be compiled, maybe of an earlier text.
    pub program: Option<Arc<Program>>,
    /// All files that were asked for, found or not.
    reads: BTreeSet<String>,
    /// A file has changed since it was read.
    stale: bool,
}

/// Everything that is open.
#[derive(Debug)]
pub struct Workspace {
    /// The models there are.
    pub catalog: Arc<Catalog>,
    /// By path.
    pub open: BTreeMap<String, Document>,
    /// By the path of the policy's own file.
    policies: BTreeMap<String, Policy>,
    /// The folders the editor works in.
    folders: Vec<String>,
    /// The policies of the configuration.
    configured: Vec<String>,
}

impl Workspace {
    /// Nothing open yet.
    pub fn new(catalog: Arc<Catalog>, configured: Vec<String>) -> Workspace {
        Workspace {
            catalog,
            open: BTreeMap::new(),
            policies: BTreeMap::new(),
            folders: Vec::new(),
            configured,
        }
    }

    /// Which folders the editor works in.
    pub fn set_folders(&mut self, folders: Vec<String>) {
        self.folders = folders;
    }

    /// A text was opened.
    pub fn open(&mut self, uri: Uri, version: i32, text: String) {
        let path = path_of(&uri);
        let lines = Lines::of(&text);
        self.open.insert(path.clone(), Document { uri, version, text, lines });
        self.changed(&path);
    }

    /// A text was changed. Changes of a text that is not open are ignored.
    pub fn change(
        &mut self,
        uri: &Uri,
        version: i32,
        changes: Vec<TextDocumentContentChangeEvent>,
    ) {
        let path = path_of(uri);
        let Some(document) = self.open.get_mut(&path) else { return };
        document.version = version;
        for change in changes {
            match change {
                TextDocumentContentChangeEvent::TextDocumentContentChangePartial(change) => {
                    let start = document.lines.byte(&document.text, change.range.start);
                    let end = document.lines.byte(&document.text, change.range.end).max(start);
                    document.text.replace_range(start..end, &change.text);
                }
                TextDocumentContentChangeEvent::TextDocumentContentChangeWholeDocument(change) => {
                    document.text = change.text;
                }
            }
            document.lines = Lines::of(&document.text);
        }
        self.changed(&path);
    }

    /// A text was closed: what is on the disk counts again.
    pub fn close(&mut self, uri: &Uri) {
        let path = path_of(uri);
        if self.open.remove(&path).is_some() {
            self.changed(&path);
        }
    }

    /// A file is another than it was.
    pub fn changed(&mut self, path: &str) {
        for (root, policy) in &mut self.policies {
            policy.stale |= root == path || policy.reads.contains(path);
        }
    }

    /// Reads anew what has changed, and finds a policy for every open text.
    pub fn refresh(&mut self) {
        let stale: Vec<String> =
            self.policies.iter().filter(|(_, it)| it.stale).map(|(root, _)| root.clone()).collect();
        for root in stale {
            self.read(&root);
        }
        let paths: Vec<String> = self.open.keys().cloned().collect();
        for path in &paths {
            if self.of(path).next().is_some() {
                continue;
            }
            for candidate in self.candidates(path) {
                // Those that are known have just been asked.
                if self.policies.contains_key(&candidate) {
                    continue;
                }
                // Reading it may take long; it stays only if it names the file.
                self.read(&candidate);
                if self.policies.get(&candidate).is_some_and(|it| it.unit(path).is_none()) {
                    self.policies.remove(&candidate);
                }
            }
            if self.of(path).next().is_none() {
                self.read(path);
            }
        }
        self.prune();
    }

    /// Forgets policies of which nothing is open, and parts that were policies of their own before
    /// the whole was known.
    fn prune(&mut self) {
        let superfluous = |(root, policy): (&String, &Policy)| {
            let is_open = self.open.keys().any(|path| policy.unit(path).is_some());
            let is_part = self.policies.iter().any(|(other, whole)| {
                other != root
                    && whole.unit(root).is_some()
                    && (policy.unit(other).is_none() || other < root)
            });
            (!is_open || is_part).then(|| root.clone())
        };
        let forgotten: Vec<String> = self.policies.iter().filter_map(superfluous).collect();
        forgotten.iter().for_each(|root| _ = self.policies.remove(root));
    }

    fn read(&mut self, root: &str) {
        let Some(text) = self.text(root) else {
            self.policies.remove(root);
            return;
        };
        let reads = RefCell::new(BTreeSet::new());
        let files = |name: &str| self.file(root, name, &reads);
        let surroundings = Surroundings::new(&self.catalog, &files);
        let loaded = load(root, &text, &surroundings);
        let index = Index::of(&loaded);
        let mut reads = reads.into_inner();
        let mut program = None;
        if let Some(before) = self.policies.remove(root) {
            // What only the check reads (prompts, scripts) is still of interest.
            reads.extend(before.reads);
            program = before.program;
        }
        let sources = &loaded.sources;
        let lines = (0..loaded.units.len()).map(|it| Lines::of(sources.file_text(it))).collect();
        let policy = Policy { loaded, lines, index, findings: None, program, reads, stale: false };
        self.policies.insert(root.to_owned(), policy);
    }

    /// Checks one policy that was read since it was checked; whether there was one.
    pub fn check_next(&mut self) -> bool {
        let next = self.policies.iter().find(|(_, policy)| policy.findings.is_none());
        let Some(root) = next.map(|(root, _)| root.clone()) else { return false };
        let text = self.text(&root).unwrap_or_default();
        let reads = RefCell::new(BTreeSet::new());
        let files = |name: &str| self.file(&root, name, &reads);
        let surroundings = Surroundings::new(&self.catalog, &files);
        let stem = Path::new(&root).file_stem().unwrap_or_default().to_string_lossy();
        let compiled = compile(&PolicyName::new(&*stem), &root, &text, &surroundings);
        if let Some(policy) = self.policies.get_mut(&root) {
            policy.findings = Some(compiled.diagnostics);
            policy.program = compiled.program.or(policy.program.take());
            policy.reads.extend(reads.into_inner());
        }
        true
    }

    /// A file's text: the editor's, else the disk's.
    fn text(&self, path: &str) -> Option<String> {
        match self.open.get(path) {
            Some(document) => Some(document.text.clone()),
            None => read_file(path).ok(),
        }
    }

    /// What a policy reads when it names a file.
    fn file(
        &self,
        root: &str,
        name: &str,
        reads: &RefCell<BTreeSet<String>>,
    ) -> Result<String, String> {
        let path = joined(folder_of(root), name);
        let found = match self.open.get(&path) {
            Some(document) => Ok(document.text.clone()),
            None => read_file(&path),
        };
        reads.borrow_mut().insert(path);
        found
    }

    /// The policies that are made of a file.
    pub fn of<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a Policy> {
        self.policies.values().filter(move |policy| policy.unit(path).is_some())
    }

    /// All policies.
    pub fn policies(&self) -> impl Iterator<Item = &Policy> {
        self.policies.values()
    }

    /// Policies that may be made of a file: the configuration's, and those in its folder and above
    /// that say its name.
    fn candidates(&self, path: &str) -> Vec<String> {
        let file = path.rsplit('/').next().unwrap_or(path);
        let mut found = self.configured.clone();
        let inside = self
            .folders
            .iter()
            .any(|it| path.strip_prefix(it.as_str()).is_some_and(|it| it.starts_with('/')));
        let mut folder = folder_of(path);
        let mut left = FOLDERS_ABOVE;
        while !folder.is_empty() && (inside || left > 0) {
            found.extend(policies_in(folder));
            left = left.saturating_sub(1);
            if self.folders.iter().any(|top| top == folder) {
                break;
            }
            folder = folder_of(folder);
        }
        found.retain(|candidate| {
            let says_it = |text: String| text.contains(file);
            candidate != path && self.text(candidate).is_some_and(says_it)
        });
        found.truncate(MOST_CANDIDATES);
        found
    }

    /// What the editor calls a file.
    pub fn uri(&self, path: &str) -> Uri {
        self.open.get(path).map_or_else(|| uri_of(path), |document| document.uri.clone())
    }

    /// A place of a policy as editors name it.
    pub fn location(&self, policy: &Policy, span: Span) -> Location {
        let place = policy.loaded.sources.locate(span);
        Location { uri: self.uri(place.file), range: policy.range(span) }
    }

    /// Every policy that a file is part of, with the byte of a position in it.
    pub fn cursors<'a>(&'a self, path: &'a str, position: Position) -> Vec<Cursor<'a>> {
        let Some(document) = self.open.get(path) else { return Vec::new() };
        let byte = document.lines.byte(&document.text, position) as u32;
        let cursor = |policy: &'a Policy| {
            let unit = policy.unit(path)?;
            Some(Cursor { policy, unit, byte: policy.loaded.sources.base(unit) + byte })
        };
        self.of(path).filter_map(cursor).collect()
    }
}

/// A position in a policy.
#[derive(Debug, Clone, Copy)]
pub struct Cursor<'a> {
    /// The policy.
    pub policy: &'a Policy,
    /// Which of its files.
    pub unit: usize,
    /// Where in the policy's texts.
    pub byte: u32,
}

impl Policy {
    /// Which of its files has this path.
    pub fn unit(&self, path: &str) -> Option<usize> {
        self.loaded.sources.files().position(|file| **file == *path)
    }

    /// A place in the file that it is in.
    pub fn range(&self, span: Span) -> Range {
        let place = self.loaded.sources.locate(span);
        let lines = self.unit(place.file).and_then(|unit| self.lines.get(unit));
        lines.map_or_else(Range::default, |lines| lines.range(place.text, place.span))
    }
}

fn policies_in(folder: &str) -> Vec<String> {
    let found = policies_of(Path::new(folder)).unwrap_or_default();
    found.iter().take(MOST_CANDIDATES).map(|path| slashes(path)).collect()
}

/// What is in a folder, by name, each with whether it is a folder; not what is hidden.
pub fn listing(folder: &str) -> Vec<(String, bool)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<(String, bool)> = entries
        .map(|it| (it.file_name().to_string_lossy().into_owned(), it.path().is_dir()))
        .filter(|(name, _)| !name.starts_with('.'))
        .take(MOST_CANDIDATES)
        .collect();
    found.sort();
    found
}

fn read_file(path: &str) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > 4 * MAX_FILE_BYTES as u64 {
        return Err(format!("{size} bytes are too many"));
    }
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}

/// The folder of a path; empty where it has none.
pub fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// A path with `/` between its parts, as policies write them.
pub fn slashes(path: &Path) -> String {
    let path = path.to_string_lossy();
    if std::path::MAIN_SEPARATOR == '/' { path.into() } else { path.replace('\\', "/") }
}

/// The path of a file; of anything else its address, which no file has.
pub fn path_of(uri: &Uri) -> String {
    let file = url::Url::parse(&uri.0).ok().and_then(|url| url.to_file_path().ok());
    file.map_or_else(|| uri.0.clone(), |path| slashes(&path))
}

fn uri_of(path: &str) -> Uri {
    Uri(url::Url::from_file_path(path).map_or_else(|()| path.to_owned(), String::from))
}
