//! What rules for the host's files are pinned to.
//!
//! Landlock keeps a rule by inode, not by name. A package manager replaces a file by
//! renaming another onto it, and then a cell that is there already refuses the new
//! one, as would a run's own rules that its PID 1 keeps. So a survey notes which
//! inodes its rules stood for; [`Pins::moved`] looks whether that is still so, before
//! a cell is used again ([`crate::cells`]).
//!
//! It asks for the directories first, for an entry cannot be replaced without its
//! directory being written: some ten stat(2), about 10 µs, on the way of every run.
//! A file that is overwritten in place keeps its inode, and its rule.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cofferdam_plan::LandlockPlan;

use crate::restart::cell::Pin;

/// The inodes of some rules, and the links that led to them.
#[derive(Debug, Default)]
pub struct Pins {
    /// Of each rule, in the order of rules; `None` where nothing was.
    inodes: Vec<Option<Inode>>,
    directories: Vec<Directory>,
    looks: Looks,
}

/// Looks whether something moved, which calls at the same time share.
#[derive(Debug, Default)]
struct Looks {
    /// How many began.
    begun: AtomicU64,
    /// The number of the last one that ended, and what it saw.
    last: tokio::sync::Mutex<(u64, bool)>,
}

/// Device and number of an inode; of a link the time of its making, too. The inode of
/// a rule is held by the kernel for as long as its cell is there, so its number is not
/// given again; that of a link that was removed is.
type Inode = (u64, u64, Option<(i64, i64)>);

/// A directory and what is looked at in it.
#[derive(Debug)]
struct Directory {
    path: PathBuf,
    written: Option<Written>,
    entries: Vec<(PathBuf, Option<Inode>)>,
}

/// Tells whether entries came or went: inode, times of the last change of content and
/// of anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Written {
    inode: Inode,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Pins {
    /// Looks at what the rules stand for now, and at the links that led there. Asks
    /// file systems.
    pub fn of<'a>(rules: &[LandlockPlan], links: impl Iterator<Item = &'a Path>) -> Self {
        let mut directories: BTreeMap<PathBuf, Directory> = BTreeMap::new();
        let mut note = |path: &Path| {
            let parent = path.parent().unwrap_or(path);
            let directory = directories.entry(parent.to_owned()).or_insert_with(|| Directory {
                // Before its entries: one that changes meanwhile is seen to have changed.
                written: look(parent).as_ref().map(Written::of),
                path: parent.to_owned(),
                entries: Vec::new(),
            });
            let inode = look(path).as_ref().map(inode);
            directory.entries.push((path.to_owned(), inode));
            inode
        };
        let inodes = rules.iter().map(|rule| note(rule.path.as_path())).collect();
        links.for_each(|link| _ = note(link));
        let directories = directories.into_values().collect();
        Self { inodes, directories, looks: Looks::default() }
    }

    /// What the rules stood for, for a log.
    #[must_use]
    pub fn kept(&self) -> Vec<Pin> {
        let pin = |inode: &Option<Inode>| {
            let (device, inode, made) = (*inode)?;
            let (seconds, nanos) = made.unzip();
            Some(Pin { there: true, device, inode, seconds, nanos: nanos.unwrap_or_default() })
        };
        self.inodes.iter().map(|inode| pin(inode).unwrap_or_default()).collect()
    }

    /// Those of a log. They can be [compared](Self::agree), and have no directories to
    /// look at.
    #[must_use]
    pub fn again(kept: &[Pin]) -> Self {
        let inode = |pin: &Pin| {
            let made = pin.seconds.map(|seconds| (seconds, pin.nanos));
            pin.there.then_some((pin.device, pin.inode, made))
        };
        Self { inodes: kept.iter().map(inode).collect(), ..Self::default() }
    }

    /// Whether another inode is now where one of them was. Asks file systems, for
    /// about ten directories.
    #[must_use]
    pub fn moved(&self) -> bool {
        self.directories.iter().any(Directory::has_moved)
    }

    /// As [`Self::moved`], on a thread that may wait for a file system. Of calls at the
    /// same time one looks for all that came before it began, so that each is told by
    /// a look that began after it asked.
    pub async fn have_moved(self: &Arc<Self>) -> bool {
        let wanted = self.looks.begun.load(Ordering::SeqCst) + 1;
        let mut last = self.looks.last.lock().await;
        if last.0 < wanted {
            let number = self.looks.begun.fetch_add(1, Ordering::SeqCst) + 1;
            let pins = Arc::clone(self);
            // Where nobody could look, nobody knows.
            let moved = tokio::task::spawn_blocking(move || pins.moved()).await;
            *last = (number, moved.unwrap_or(true));
        }
        last.1
    }

    /// Whether rules that are alike stand for the same inodes here and there.
    #[must_use]
    pub fn agree(&self, other: &Self) -> bool {
        self.inodes == other.inodes
    }
}

impl Directory {
    fn has_moved(&self) -> bool {
        // Some are written all the time, such as /proc: what counts is the entries.
        look(&self.path).as_ref().map(Written::of) != self.written
            && self.entries.iter().any(|(path, was)| look(path).as_ref().map(inode) != *was)
    }
}

impl Written {
    fn of(metadata: &Metadata) -> Self {
        Self {
            inode: inode(metadata),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

fn inode(metadata: &Metadata) -> Inode {
    let made = metadata.is_symlink().then(|| (metadata.mtime(), metadata.mtime_nsec()));
    (metadata.dev(), metadata.ino(), made)
}

/// A link is not followed: it is one of the things that can be replaced.
fn look(path: &Path) -> Option<Metadata> {
    fs::symlink_metadata(path).ok()
}

#[cfg(test)]
mod tests {
    use cofferdam_plan::{AbsolutePath, Rights};

    use super::*;

    fn rule(path: &Path) -> LandlockPlan {
        let path = AbsolutePath::new(path.as_os_str().as_encoded_bytes()).unwrap();
        LandlockPlan { path, rights: Rights::EXECUTE }
    }

    fn pins(paths: &[&Path], link: &Path) -> Pins {
        let rules: Vec<_> = paths.iter().map(|path| rule(path)).collect();
        Pins::of(&rules, [link].into_iter())
    }

    /// A program, a link to it, and a directory with something in it.
    fn place() -> (tempfile::TempDir, PathBuf, PathBuf, PathBuf) {
        let place = tempfile::tempdir().unwrap();
        let [program, link, tree] = ["tool", "link", "tree"].map(|name| place.path().join(name));
        fs::write(&program, "one").unwrap();
        std::os::unix::fs::symlink("tool", &link).unwrap();
        fs::create_dir(&tree).unwrap();
        (place, program, link, tree)
    }

    #[test]
    fn what_is_replaced_by_rename_has_moved_and_what_is_written_in_place_has_not() {
        let (place, program, link, tree) = place();
        let before = pins(&[&program, &tree], &link);
        assert!(!before.moved());
        fs::write(&program, "overwritten").unwrap();
        fs::write(tree.join("new"), "").unwrap();
        fs::write(place.path().join("beside"), "").unwrap();
        assert!(!before.moved(), "the directory was written, its entries are the same");
        fs::write(place.path().join("next"), "two").unwrap();
        fs::rename(place.path().join("next"), &program).unwrap();
        assert!(before.moved());
        let after = pins(&[&program, &tree], &link);
        assert!(!after.moved() && !after.agree(&before));
    }

    #[test]
    fn a_link_or_directory_that_is_exchanged_and_a_file_that_is_gone_have_moved() {
        let (place, program, link, tree) = place();
        let all = || pins(&[&program, &tree], &link);
        let before = all();
        fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink("tree", &link).unwrap();
        assert!(before.moved());
        // No rule names the link: what the rules stand for is the same.
        assert!(all().agree(&before));
        let before = all();
        fs::rename(&tree, place.path().join("old")).unwrap();
        fs::create_dir(&tree).unwrap();
        assert!(before.moved());
        let before = all();
        fs::remove_file(&program).unwrap();
        assert!(before.moved() && !all().agree(&before));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn calls_at_the_same_time_share_looks_and_none_is_told_by_one_from_before_it_asked() {
        const CALLS: u64 = 200;
        let (place, program, link, tree) = place();
        let pins = Arc::new(pins(&[&program, &tree], &link));
        // As the kernel does for a rule: so its number is not given again.
        let _held = fs::File::open(&program).unwrap();
        let mut calls = tokio::task::JoinSet::new();
        for _ in 0..CALLS {
            let pins = Arc::clone(&pins);
            calls.spawn(async move { pins.have_moved().await });
        }
        assert!(calls.join_all().await.into_iter().all(|moved| !moved));
        assert!(pins.looks.begun.load(Ordering::SeqCst) <= CALLS);
        for turn in 0..20 {
            // Whoever looks meanwhile may have looked before.
            let busy = {
                let pins = Arc::clone(&pins);
                tokio::spawn(async move { pins.have_moved().await })
            };
            fs::write(place.path().join("next"), turn.to_string()).unwrap();
            fs::rename(place.path().join("next"), &program).unwrap();
            assert!(pins.have_moved().await, "turn {turn}");
            busy.await.unwrap();
        }
    }
}
