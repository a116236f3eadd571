//! A directory that is read with all beneath it, and what in it is a program.
//!
//! A readable program is a runnable one: the dynamic loader runs whatever it can
//! read. So a tree is looked through to its last file, and given in parts, or
//! not at all, when a program stands in it that nobody granted.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::bounds;
use crate::elf::Elf;
use crate::error::TooMuch;
use crate::reading::{Content, Reading};
use crate::root::Stamp;
use crate::rules::Scripts;

/// A tree as it was when it was looked through.
#[derive(Debug)]
pub(crate) struct Tree {
    /// Its directories, each with the stamp of its listing.
    pub(crate) directories: Vec<(PathBuf, Stamp)>,
    /// Libraries and modules: what they need must be readable too.
    pub(crate) libraries: Vec<(PathBuf, Arc<Elf>)>,
    /// Links of the system's owner that lead out of the tree, and their real ends.
    pub(crate) leading_out: Vec<(PathBuf, PathBuf)>,
    top: Branch,
}

/// A directory in a tree. One without programs is told by its path alone.
#[derive(Debug)]
struct Branch {
    path: PathBuf,
    /// Programs directly in it.
    programs: Vec<(PathBuf, Program)>,
    /// All else that is directly in it, if there is a program in it or below.
    files: Vec<PathBuf>,
    branches: Vec<Branch>,
    mixed: bool,
}

/// What makes a file in a tree a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Program {
    Elf,
    Script,
    /// Nobody can tell: it cannot be read, or the tree is too large.
    Unknown,
}

/// The parts of a tree that may be read.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    /// Directories with all beneath them.
    pub(crate) directories: Vec<PathBuf>,
    /// Single files.
    pub(crate) files: Vec<PathBuf>,
    /// Programs that are kept out, and why.
    pub(crate) left_out: BTreeMap<PathBuf, String>,
}

impl Tree {
    /// Looks through the real directory `path`. `None` if it cannot be read or holds
    /// more than the bounds allow.
    pub(crate) fn scan(reading: &mut Reading<'_>, path: &Path) -> Result<Option<Self>, TooMuch> {
        let mut scan = Scan {
            root: path,
            entries: 0,
            directories: Vec::new(),
            libraries: Vec::new(),
            leading_out: Vec::new(),
        };
        let Some(top) = scan.branch(reading, path, 0)? else { return Ok(None) };
        let Scan { directories, libraries, leading_out, .. } = scan;
        Ok(Some(Self { directories, libraries, leading_out, top }))
    }

    /// What of it may be read where `granted` are the programs; `None` if it would
    /// have to be split into more than [`bounds::SPLIT`] parts.
    pub(crate) fn parts(&self, granted: &BTreeSet<PathBuf>, scripts: Scripts) -> Option<Parts> {
        let mut parts = Parts::default();
        self.top.give(granted, scripts, &mut parts);
        let count = parts.directories.len() + parts.files.len();
        (count <= bounds::SPLIT).then_some(parts)
    }
}

impl Branch {
    /// Adds what of this branch may be read.
    fn give(&self, granted: &BTreeSet<PathBuf>, scripts: Scripts, parts: &mut Parts) {
        if !self.holds_foreign(granted, scripts) {
            parts.directories.push(self.path.clone());
            return;
        }
        parts.files.extend(self.files.iter().cloned());
        for (path, program) in &self.programs {
            if is_foreign(path, *program, granted, scripts) {
                parts.left_out.insert(path.clone(), program.words().to_owned());
            } else {
                parts.files.push(path.clone());
            }
        }
        for branch in &self.branches {
            branch.give(granted, scripts, parts);
        }
    }

    /// Whether a program that nobody granted is in it or below.
    fn holds_foreign(&self, granted: &BTreeSet<PathBuf>, scripts: Scripts) -> bool {
        let mut programs = self.programs.iter();
        self.mixed
            && (programs.any(|(path, program)| is_foreign(path, *program, granted, scripts))
                || self.branches.iter().any(|branch| branch.holds_foreign(granted, scripts)))
    }
}

fn is_foreign(
    path: &Path,
    program: Program,
    granted: &BTreeSet<PathBuf>,
    scripts: Scripts,
) -> bool {
    !(granted.contains(path) || program == Program::Script && scripts == Scripts::Modules)
}

impl Program {
    fn words(self) -> &'static str {
        match self {
            Self::Elf => "a program among data, which is not granted",
            Self::Script => "a script with an execute bit among data, which is not granted",
            Self::Unknown => {
                "it cannot be read, or the tree is too large, so that nobody knows what it holds"
            }
        }
    }
}

/// Looking through one tree.
struct Scan<'p> {
    root: &'p Path,
    entries: usize,
    directories: Vec<(PathBuf, Stamp)>,
    libraries: Vec<(PathBuf, Arc<Elf>)>,
    leading_out: Vec<(PathBuf, PathBuf)>,
}

impl Scan<'_> {
    fn branch(
        &mut self,
        reading: &mut Reading<'_>,
        path: &Path,
        depth: usize,
    ) -> Result<Option<Branch>, TooMuch> {
        let Some((stamp, entries)) = reading.list(path) else { return Ok(None) };
        self.directories.push((path.to_owned(), stamp));
        self.entries += entries.len();
        if depth > bounds::TREE_DEPTH || self.entries > bounds::TREE_ENTRIES {
            return Ok(None);
        }
        let mut branch = Branch::new(path);
        for entry in entries {
            let at = path.join(&entry.name);
            if entry.kind.is_dir() {
                match self.branch(reading, &at, depth + 1)? {
                    Some(below) => branch.branches.push(below),
                    // Who cannot look into it cannot vouch for it.
                    None => branch.programs.push((at, Program::Unknown)),
                }
            } else if entry.kind.is_file() {
                match self.program(reading, &at)? {
                    Some(program) => branch.programs.push((at, program)),
                    None => branch.files.push(at),
                }
            } else if entry.kind.is_symlink() {
                self.link(reading, &at);
            }
        }
        branch.forget_what_is_plain();
        Ok(Some(branch))
    }

    /// What makes the file a program, if it is one.
    fn program(
        &mut self,
        reading: &mut Reading<'_>,
        path: &Path,
    ) -> Result<Option<Program>, TooMuch> {
        let execute_bit = |reading: &Reading<'_>| {
            reading.root.look(path).is_ok_and(|metadata| metadata.mode() & 0o111 != 0)
        };
        Ok(match reading.examine(path)? {
            Content::Unreadable(_) => Some(Program::Unknown),
            Content::Script(_) => execute_bit(reading).then_some(Program::Script),
            Content::Elf(elf) => {
                let is_program = elf.is_program(execute_bit(reading));
                if elf.is_dynamic() && !is_program {
                    self.libraries.push((path.to_owned(), Arc::new(elf)));
                }
                is_program.then_some(Program::Elf)
            }
            Content::Other => None,
        })
    }

    /// Remembers a link of the system's owner that leads out of the tree. Links of
    /// others could lead to anything of theirs.
    fn link(&mut self, reading: &mut Reading<'_>, path: &Path) {
        // Most links stay in their tree; what they say is enough to know.
        let Ok(target) = reading.root.link(path) else { return };
        let directory = path.parent().unwrap_or(self.root);
        if plain(&directory.join(target)).starts_with(self.root) {
            return;
        }
        let owner = reading.root.owner();
        let is_owners = reading.root.look(path).is_ok_and(|metadata| metadata.uid() == owner);
        if !is_owners {
            return;
        }
        if let Some(place) = reading.follow(path) {
            let known = place.real.starts_with(self.root) || self.root.starts_with(&place.real);
            if !known && (place.is_file() || place.metadata.is_dir()) {
                self.leading_out.push((path.to_owned(), place.real));
            }
        }
    }
}

impl Branch {
    fn new(path: &Path) -> Self {
        let (programs, files, branches) = (Vec::new(), Vec::new(), Vec::new());
        Self { path: path.to_owned(), programs, files, branches, mixed: false }
    }

    /// Keeps the names of files and directories only where a program is among them.
    fn forget_what_is_plain(&mut self) {
        self.mixed = !self.programs.is_empty() || self.branches.iter().any(|below| below.mixed);
        if !self.mixed {
            self.files = Vec::new();
            self.branches = Vec::new();
        }
    }
}

/// The path without `..`, taken by its letters.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => _ = plain.pop(),
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    plain
}
