//! The eyes of one resolution: everything that it looks at goes through here,
//! is counted against [`bounds`], and is written down, so that the next one can
//! tell by looking again whether its result still holds.
//!
//! [`bounds`]: crate::bounds

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::bounds;
use crate::elf::{self, Elf};
use crate::error::TooMuch;
use crate::memory::Memory;
use crate::root::{Entry, Root, Stamp};
use crate::script::{self, Script};

/// Bytes of a file that tell what it is.
const HEAD: usize = bounds::SCRIPT_LINE;

/// What was looked at, and what was there.
pub(crate) type Seen = BTreeMap<PathBuf, Option<Stamp>>;

/// Where a path leads.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The end of the way, without a link in it.
    pub(crate) real: PathBuf,
    /// The links on the way: where each stands and what it holds.
    pub(crate) links: Vec<(PathBuf, PathBuf)>,
    /// What is there: never a link.
    pub(crate) metadata: Metadata,
}

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    /// An ELF file.
    Elf(Elf),
    /// Begins with `#!` and an absolute path.
    Script(Script),
    /// Neither.
    Other,
    /// It cannot be read, or claims to be an ELF file and makes no sense: nobody
    /// knows what the kernel would make of it.
    Unreadable(ErrorKind),
}

/// One resolution's view of the file system.
pub(crate) struct Reading<'a> {
    pub(crate) root: &'a Root,
    pub(crate) memory: &'a mut Memory,
    seen: Seen,
    /// Directories known to be no links.
    directories: BTreeSet<PathBuf>,
    files: usize,
    bytes: u64,
}

impl Place {
    /// A regular file.
    pub(crate) fn is_file(&self) -> bool {
        self.metadata.is_file()
    }

    /// Somebody may execute it.
    pub(crate) fn has_execute_bit(&self) -> bool {
        self.metadata.mode() & 0o111 != 0
    }
}

impl<'a> Reading<'a> {
    pub(crate) fn new(root: &'a Root, memory: &'a mut Memory) -> Self {
        let (seen, directories) = (Seen::new(), BTreeSet::new());
        Self { root, memory, seen, directories, files: 0, bytes: 0 }
    }

    /// All that was looked at.
    pub(crate) fn into_seen(self) -> Seen {
        self.seen
    }

    /// Writes down that `path` was looked at.
    pub(crate) fn saw(&mut self, path: &Path, stamp: Option<Stamp>) {
        if !self.seen.contains_key(path) {
            self.seen.insert(path.to_owned(), stamp);
        }
    }

    /// Follows every link in `path`. `None` where nothing is; an error where it
    /// may not be looked at.
    pub(crate) fn try_follow(&mut self, path: &Path) -> Result<Option<Place>, ErrorKind> {
        let mut links = Vec::new();
        let mut real = PathBuf::from("/");
        let mut left = components(path);
        let mut metadata = None;
        while let Some(name) = left.pop() {
            metadata = None;
            if name.as_os_str() == ".." {
                real.pop();
                continue;
            }
            real.push(&name);
            if !left.is_empty() && self.directories.contains(&real) {
                continue;
            }
            let found = match self.root.look(&real) {
                Ok(found) => found,
                Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                    return Err(error.kind());
                }
                Err(_) => {
                    self.saw(&real, None);
                    return Ok(None);
                }
            };
            if found.is_symlink() {
                self.saw(&real, Some(Stamp::of(&found)));
                let target = self.root.link(&real).map_err(|error| error.kind())?;
                links.push((real.clone(), target.clone()));
                if links.len() > bounds::LINKS {
                    return Ok(None);
                }
                real.pop();
                if target.is_absolute() {
                    real = PathBuf::from("/");
                }
                left.extend(components(&target));
            } else if found.is_dir() {
                self.directories.insert(real.clone());
                metadata = Some(found);
            } else if left.is_empty() {
                metadata = Some(found);
            } else {
                return Ok(None);
            }
        }
        // After a `..`, or for `/` itself.
        let metadata = match metadata {
            Some(metadata) => metadata,
            None => self.root.look(&real).map_err(|error| error.kind())?,
        };
        if !metadata.is_dir() {
            self.saw(&real, Some(Stamp::of(&metadata)));
        }
        Ok(Some(Place { real, links, metadata }))
    }

    /// The same, where a place that may not be looked at is none.
    pub(crate) fn follow(&mut self, path: &Path) -> Option<Place> {
        self.try_follow(path).ok().flatten()
    }

    /// What the regular file at `place` is.
    pub(crate) fn content(&mut self, place: &Place) -> Result<Arc<Content>, TooMuch> {
        let stamp = Stamp::of(&place.metadata);
        if let Some(known) = self.memory.file(&place.real, stamp) {
            return Ok(known);
        }
        let content = Arc::new(self.examine(&place.real)?);
        self.memory.keep_file(&place.real, stamp, Arc::clone(&content));
        Ok(content)
    }

    /// The same for a real path, without remembering it: most files in a tree
    /// are data.
    pub(crate) fn examine(&mut self, real: &Path) -> Result<Content, TooMuch> {
        self.files += 1;
        TooMuch::check("files to open", self.files, bounds::FILES)?;
        let file = match self.root.open(real) {
            Ok(file) => file,
            Err(error) => return Ok(Content::Unreadable(error.kind())),
        };
        let mut head = [0; HEAD];
        let length = match file.read_at(&mut head, 0) {
            Ok(length) => length,
            Err(error) => return Ok(Content::Unreadable(error.kind())),
        };
        self.count(length as u64)?;
        let head = &head[..length];
        if head.starts_with(elf::MAGIC) {
            // Tables are small; what they take at most is counted.
            self.count(bounds::SCRIPT_LINE as u64)?;
            let malformed = Content::Unreadable(ErrorKind::InvalidData);
            return Ok(Elf::read(file).map_or(malformed, Content::Elf));
        }
        Ok(script::parse(head).map_or(Content::Other, Content::Script))
    }

    /// The bytes of a small file; `None` if it is not there or larger.
    pub(crate) fn bytes(&mut self, path: &Path, limit: u64) -> Result<Option<Vec<u8>>, TooMuch> {
        use std::io::Read;
        let Some(place) = self.follow(path).filter(Place::is_file) else { return Ok(None) };
        let Ok(file) = self.root.open(&place.real) else { return Ok(None) };
        let mut bytes = Vec::new();
        let read = file.take(limit + 1).read_to_end(&mut bytes);
        self.count(bytes.len() as u64)?;
        Ok(read.ok().filter(|_| bytes.len() as u64 <= limit).map(|_| bytes))
    }

    /// The entries of a real directory, and its stamp; `None` if it cannot be read
    /// or holds too many.
    pub(crate) fn list(&mut self, directory: &Path) -> Option<(Stamp, Vec<Entry>)> {
        let stamp = Stamp::of(&self.root.look(directory).ok()?);
        self.seen.insert(directory.to_owned(), Some(stamp));
        Some((stamp, self.root.list(directory).ok()??))
    }

    fn count(&mut self, bytes: u64) -> Result<(), TooMuch> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > bounds::BYTES {
            return Err(TooMuch { what: "bytes to read", limit: bounds::BYTES });
        }
        Ok(())
    }
}

/// The components of a path, the last one first.
fn components(path: &Path) -> Vec<PathBuf> {
    let keep = |c: &Component<'_>| matches!(c, Component::Normal(_) | Component::ParentDir);
    path.components().filter(keep).rev().map(|c| PathBuf::from(c.as_os_str())).collect()
}
