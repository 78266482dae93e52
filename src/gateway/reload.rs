//! Noticing that configuration or policies have changed.
//!
//! The system's events make it fast: folders are watched rather than files, because editors and
//! Kubernetes replace files instead of writing them. A comparison of what is there decides whether
//! anything changed, so that no order of events has to be understood; a slow poll makes it certain
//! where events get lost (network file systems, watch limits).

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use futures_util::Stream;
use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

/// How long it has to be quiet before a change counts as complete.
const QUIET: Duration = Duration::from_millis(100);

/// How long a change may go on before it is looked at all the same.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often is looked without an event.
const POLL: Duration = Duration::from_secs(5);

/// How deep folders are read.
const DEPTH: usize = 4;

/// Why something should be read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// One of the files, or something in one of the folders, is not what it was.
    Files,
    /// SIGHUP: the operator says so.
    Signal,
}

/// Watches files and folders, also ones that do not exist yet.
#[derive(Debug)]
pub struct Watcher {
    paths: Vec<PathBuf>,
    /// What was there when it was last looked at.
    seen: Snapshot,
    /// The folders under watch and which folder that was: a new one of the same name is another.
    folders: HashMap<PathBuf, Option<Stamp>>,
    system: Option<RecommendedWatcher>,
    events: mpsc::Receiver<()>,
    hangup: Hangup,
}

impl Watcher {
    /// Begins to watch. What happens from here on is noticed, so begin before the files are read.
    ///
    /// # Errors
    /// A working directory that is gone, or a system that lets no handler for SIGHUP be installed.
    /// A system that refuses to watch is no error; changes are then noticed within seconds.
    pub fn new(paths: impl IntoIterator<Item = PathBuf>) -> io::Result<Watcher> {
        let paths = paths.into_iter().map(std::path::absolute).collect::<io::Result<Vec<_>>>()?;
        // One waiting word is enough: it says "look again", not what happened.
        let (tell, events) = mpsc::channel(1);
        let system = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if event.is_ok_and(|event| !is_harmless(event.kind)) {
                let _ = tell.try_send(());
            }
        });
        let system = system.inspect_err(warn_slow).ok();
        let hangup = Hangup::new()?;
        let mut watcher = Watcher {
            seen: Snapshot::default(),
            paths,
            folders: HashMap::new(),
            system,
            events,
            hangup,
        };
        watcher.watch_folders();
        watcher.seen = Snapshot::of(&watcher.paths);
        Ok(watcher)
    }

    /// Waits for the next change. Dropping the future loses no change, only time.
    pub async fn next(&mut self) -> Change {
        loop {
            tokio::select! {
                () = self.hangup.next() => {
                    self.look();
                    return Change::Signal;
                }
                event = self.events.recv() => match event {
                    Some(()) => self.settle().await,
                    // No watcher, so nobody will ever tell.
                    None => sleep(POLL).await,
                },
                () = sleep(POLL) => {}
            }
            if self.look() {
                return Change::Files;
            }
        }
    }

    /// The changes as a stream without an end.
    pub fn into_stream(self) -> impl Stream<Item = Change> {
        futures_util::stream::unfold(self, |mut watcher| async move {
            let change = watcher.next().await;
            Some((change, watcher))
        })
    }

    /// Waits until it is quiet.
    async fn settle(&mut self) {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            match timeout(QUIET, self.events.recv()).await {
                Ok(Some(())) => {}
                Ok(None) | Err(_) => return,
            }
        }
    }

    /// Whether something is not what it was. Reads a few inodes, so it may do so in place.
    fn look(&mut self) -> bool {
        // In this order, so that what happens in between is an event on the new watch.
        self.watch_folders();
        let now = Snapshot::of(&self.paths);
        let changed = now != self.seen;
        self.seen = now;
        changed
    }

    fn watch_folders(&mut self) {
        let Some(system) = &mut self.system else { return };
        let mut wanted = HashMap::new();
        for path in &self.paths {
            // A link and what it leads to may change in two places.
            for path in [Some(path.clone()), fs::canonicalize(path).ok()].into_iter().flatten() {
                if path.is_dir() {
                    wanted.insert(path.clone(), RecursiveMode::Recursive);
                }
                if let Some(parent) = path.ancestors().skip(1).find(|folder| folder.is_dir()) {
                    wanted.entry(parent.to_owned()).or_insert(RecursiveMode::NonRecursive);
                }
            }
        }
        let gone: Vec<_> = (self.folders.iter())
            .filter(|(folder, stamp)| !wanted.contains_key(*folder) || identity(folder) != **stamp)
            .map(|(folder, _)| folder.clone())
            .collect();
        for folder in gone {
            // A folder that was deleted is not watched any more; then there is nothing to undo.
            let _ = system.unwatch(&folder);
            self.folders.remove(&folder);
        }
        for (folder, mode) in wanted {
            if self.folders.contains_key(&folder) {
                continue;
            }
            let stamp = identity(&folder);
            match system.watch(&folder, mode) {
                Ok(()) => drop(self.folders.insert(folder, stamp)),
                Err(error) => warn_slow(&error),
            }
        }
    }
}

/// Reading is not changing. (And our own reading would wake us for ever.)
fn is_harmless(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => false,
        EventKind::Access(_) => true,
        _ => false,
    }
}

fn warn_slow(error: &notify::Error) {
    tracing::warn!(%error, "cannot watch for changes; looking every {} s instead", POLL.as_secs());
}

/// What was there: every file with its stamp, in a fixed order.
#[derive(Debug, Default, PartialEq, Eq)]
struct Snapshot(Vec<(PathBuf, Option<Stamp>)>);

impl Snapshot {
    fn of(paths: &[PathBuf]) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for path in paths {
            snapshot.add(path, DEPTH);
        }
        snapshot.0.sort_unstable();
        snapshot
    }

    fn add(&mut self, path: &Path, depth: usize) {
        match fs::metadata(path) {
            Ok(meta) if meta.is_dir() => {
                let entries = fs::read_dir(path).into_iter().flatten().flatten();
                // Hidden files are editors' and Kubernetes' own business.
                for entry in
                    entries.filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."))
                {
                    if depth > 0 {
                        self.add(&entry.path(), depth - 1);
                    }
                }
            }
            meta => self.0.push((path.to_owned(), meta.ok().map(|meta| Stamp::of(&meta)))),
        }
    }
}

/// What changes when a file does: it is another file, or it was written, or its rights were changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Stamp {
    inode: (u64, u64),
    changed: (i64, i64),
    modified: Option<SystemTime>,
    length: u64,
}

impl Stamp {
    #[cfg(unix)]
    fn of(meta: &Metadata) -> Stamp {
        use std::os::unix::fs::MetadataExt;
        Stamp {
            inode: (meta.dev(), meta.ino()),
            changed: (meta.ctime(), meta.ctime_nsec()),
            modified: meta.modified().ok(),
            length: meta.len(),
        }
    }

    #[cfg(not(unix))]
    fn of(meta: &Metadata) -> Stamp {
        let modified = meta.modified().ok();
        Stamp { inode: (0, 0), changed: (0, 0), modified, length: meta.len() }
    }
}

/// Which folder this is, whatever is in it.
fn identity(folder: &Path) -> Option<Stamp> {
    let Stamp { inode, .. } = Stamp::of(&fs::metadata(folder).ok()?);
    Some(Stamp { inode, changed: (0, 0), modified: None, length: 0 })
}

/// SIGHUP, where there is such a thing.
#[derive(Debug)]
struct Hangup {
    #[cfg(unix)]
    signal: tokio::signal::unix::Signal,
}

impl Hangup {
    #[cfg(unix)]
    fn new() -> io::Result<Hangup> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Hangup { signal: signal(SignalKind::hangup())? })
    }
    #[cfg(unix)]
    async fn next(&mut self) {
        if self.signal.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
    #[cfg(not(unix))]
    fn new() -> io::Result<Hangup> {
        Ok(Hangup {})
    }
    #[cfg(not(unix))]
    async fn next(&mut self) {
        std::future::pending::<()>().await;
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// Well below the poll, so that it is the events that are tested.
    const SOON: Duration = Duration::from_secs(3);
    const CALM: Duration = Duration::from_millis(700);

    /// The next change of the files; SIGHUP, which another test sends to the process, aside.
    async fn files(watcher: &mut Watcher) {
        while watcher.next().await == Change::Signal {}
    }

    async fn changes(watcher: &mut Watcher, what: &str) {
        timeout(SOON, files(watcher)).await.unwrap_or_else(|_| panic!("not noticed: {what}"));
    }

    async fn is_calm(watcher: &mut Watcher, what: &str) {
        assert!(timeout(CALM, files(watcher)).await.is_err(), "noticed: {what}");
    }

    #[tokio::test]
    async fn files_are_watched_however_they_are_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pointsman.yaml");
        fs::write(&path, "a").unwrap();
        let mut watcher = Watcher::new([path.clone()]).unwrap();
        is_calm(&mut watcher, "nothing").await;
        fs::write(&path, "b").unwrap();
        changes(&mut watcher, "a write").await;
        let new = folder.path().join("new");
        fs::write(&new, "c").unwrap();
        is_calm(&mut watcher, "a neighbour").await;
        fs::rename(&new, &path).unwrap();
        changes(&mut watcher, "a rename over it").await;
        fs::write(&path, "d").unwrap();
        changes(&mut watcher, "a write to the new file").await;
        fs::remove_file(&path).unwrap();
        changes(&mut watcher, "its removal").await;
        fs::write(&path, "e").unwrap();
        changes(&mut watcher, "its return").await;
        let _ = fs::read(&path).unwrap();
        is_calm(&mut watcher, "a read").await;
    }

    #[tokio::test]
    async fn a_burst_is_one_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pointsman.yaml");
        let mut watcher = Watcher::new([path.clone()]).unwrap();
        for n in 0..5 {
            fs::write(&path, format!("{n}")).unwrap();
            sleep(Duration::from_millis(20)).await;
        }
        changes(&mut watcher, "the burst").await;
        is_calm(&mut watcher, "the rest of the burst").await;
    }

    #[tokio::test]
    async fn a_kubernetes_volume_is_followed() {
        let volume = tempfile::tempdir().unwrap();
        let at = |name: &str| volume.path().join(name);
        for (version, text) in [("..1", "one"), ("..2", "two"), ("..3", "three")] {
            fs::create_dir(at(version)).unwrap();
            fs::write(at(version).join("pointsman.yaml"), text).unwrap();
        }
        symlink("..1", at("..data")).unwrap();
        symlink("..data/pointsman.yaml", at("pointsman.yaml")).unwrap();
        let mut watchers =
            [Watcher::new([at("pointsman.yaml")]).unwrap(), Watcher::new([at("")]).unwrap()];
        for version in ["..2", "..3"] {
            symlink(version, at("..data_tmp")).unwrap();
            fs::rename(at("..data_tmp"), at("..data")).unwrap();
            for watcher in &mut watchers {
                changes(watcher, "the swap").await;
            }
        }
    }

    #[tokio::test]
    async fn folders_are_watched_with_what_is_in_them() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("policies");
        let mut watcher = Watcher::new([folder.clone()]).unwrap();
        fs::create_dir_all(folder.join("teams")).unwrap();
        fs::write(folder.join("a.policy"), "a").unwrap();
        changes(&mut watcher, "the folder's creation").await;
        fs::write(folder.join("teams/b.policy"), "b").unwrap();
        changes(&mut watcher, "a file in a folder in it").await;
        fs::write(folder.join(".a.policy.swp"), "x").unwrap();
        is_calm(&mut watcher, "an editor's own file").await;
        // The whole folder is replaced.
        let other = parent.path().join("other");
        fs::create_dir(&other).unwrap();
        fs::write(other.join("c.policy"), "c").unwrap();
        fs::rename(&folder, parent.path().join("old")).unwrap();
        fs::rename(&other, &folder).unwrap();
        changes(&mut watcher, "the new folder").await;
        fs::write(folder.join("c.policy"), "d").unwrap();
        changes(&mut watcher, "a write in the new folder").await;
    }

    #[tokio::test]
    async fn a_hangup_is_a_change() {
        use futures_util::StreamExt;
        let folder = tempfile::tempdir().unwrap();
        let watcher = Watcher::new([folder.path().join("x")]).unwrap();
        let pid = std::process::id().to_string();
        std::process::Command::new("kill").args(["-HUP", &pid]).status().unwrap();
        let mut changes = std::pin::pin!(watcher.into_stream());
        assert_eq!(timeout(SOON, changes.next()).await.unwrap(), Some(Change::Signal));
    }
}
