//! One resolution while it is made: what is found leads to more, until nothing
//! new comes.
//!
//! Programs first (each brings its loader, interpreter, rules), then libraries,
//! then trees, whose modules name libraries again. Trees are split last, when all
//! programs are known.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::bounds;
use crate::elf::Elf;
use crate::error::{ResolveError, TooMuch};
use crate::need::{Kind, Need, Resolution, Rights, Why};
use crate::reading::{Content, Place, Reading, Seen};
use crate::rules::{Rules, Scripts};
use crate::tree::Tree;

mod helper;
mod library;
mod name_service;
mod program;
mod split;
mod virtual_environment;

/// What the resolver knows beside the file system.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting<'a> {
    pub(crate) search_path: &'a [PathBuf],
    pub(crate) rules: &'a Rules,
    pub(crate) variables: &'a BTreeMap<String, PathBuf>,
    /// All programs of the grant, as real files: helper scripts may use them as
    /// interpreters.
    pub(crate) granted: &'a BTreeSet<PathBuf>,
}

/// A resolution in the making.
pub(crate) struct Work<'a> {
    setting: Setting<'a>,
    reading: Reading<'a>,
    needs: BTreeMap<PathBuf, Need>,
    links: BTreeMap<PathBuf, PathBuf>,
    programs: VecDeque<Found>,
    libraries: VecDeque<Object>,
    /// Libraries by name that were searched for, so that each rule and each
    /// search happens once.
    names: BTreeSet<OsString>,
    /// Programs, by the names they were found by, whose rules were applied.
    ruled: BTreeSet<(PathBuf, OsString)>,
    trees: BTreeMap<PathBuf, Wanted>,
    left_out: BTreeMap<PathBuf, String>,
    notes: BTreeSet<String>,
    /// Programs, libraries, in that order, that were looked into.
    counts: (usize, usize),
}

/// A program that was found and not yet looked into.
struct Found {
    place: Place,
    content: Arc<Content>,
    /// The name that it was found by.
    asked: OsString,
    why: Why,
    /// Scripts, and helpers, on the way to it.
    depth: (usize, usize),
}

/// An ELF file whose libraries are to be found.
struct Object {
    path: PathBuf,
    elf: Arc<Elf>,
    /// DT_RPATH of those that loaded it, nearest first.
    inherited: Vec<PathBuf>,
}

/// A tree that something needs.
struct Wanted {
    why: Why,
    scripts: Scripts,
    tree: Option<Arc<Tree>>,
}

impl<'a> Work<'a> {
    pub(crate) fn new(setting: Setting<'a>, reading: Reading<'a>) -> Self {
        Self {
            setting,
            reading,
            needs: BTreeMap::new(),
            links: BTreeMap::new(),
            programs: VecDeque::new(),
            libraries: VecDeque::new(),
            names: BTreeSet::new(),
            ruled: BTreeSet::new(),
            trees: BTreeMap::new(),
            left_out: BTreeMap::new(),
            notes: BTreeSet::new(),
            counts: (0, 0),
        }
    }

    /// Resolves the program that was asked for.
    pub(crate) fn resolve(mut self, asked: &Path) -> Result<(Resolution, Seen), ResolveError> {
        let (place, content) = self.locate(asked)?;
        let kind = match &*content {
            Content::Elf(_) => Kind::Elf,
            Content::Script(script) => Kind::Script { interpreter: script.interpreter.clone() },
            Content::Other | Content::Unreadable(_) => Kind::Other,
        };
        if kind == Kind::Other {
            self.notes.insert(format!(
                "{} is neither an ELF file nor a script with an absolute interpreter",
                place.real.display()
            ));
        }
        let real = place.real.clone();
        let name = asked.file_name().unwrap_or_default().to_owned();
        self.links.extend(place.links.iter().cloned());
        self.programs.push_back(Found {
            place,
            content,
            asked: name,
            why: Why::Asked,
            depth: (0, 0),
        });
        let found = self.follow_all().and_then(|()| self.give_trees());
        found.map_err(|too_much| too_much.resolving(asked.to_owned()))?;
        let Self { needs, links, left_out, notes, reading, .. } = self;
        let resolution = Resolution {
            asked: asked.to_owned(),
            real,
            links: links.into_iter().collect(),
            kind,
            needs: needs.into_values().collect(),
            left_out,
            notes: notes.into_iter().collect(),
        };
        Ok((resolution, reading.into_seen()))
    }

    fn locate(&mut self, asked: &Path) -> Result<(Place, Arc<Content>), ResolveError> {
        if !asked.is_absolute() {
            return Err(ResolveError::NotAbsolute(asked.to_owned()));
        }
        let unreadable = |kind| ResolveError::Unreadable { path: asked.to_owned(), kind };
        let place = self.reading.try_follow(asked).map_err(unreadable)?;
        let place = place.ok_or_else(|| ResolveError::Missing(asked.to_owned()))?;
        if !place.is_file() {
            let (program, real) = (asked.to_owned(), place.real);
            return Err(ResolveError::NotAFile { program, real });
        }
        let content = self.reading.content(&place);
        let content = content.map_err(|too_much| too_much.resolving(asked.to_owned()))?;
        match *content {
            Content::Unreadable(kind) => Err(unreadable(kind)),
            _ => Ok((place, content)),
        }
    }

    fn follow_all(&mut self) -> Result<(), TooMuch> {
        loop {
            if let Some(found) = self.programs.pop_front() {
                self.counts.0 += 1;
                TooMuch::check("programs", self.counts.0, bounds::PROGRAMS)?;
                self.program(found)?;
            } else if let Some(object) = self.libraries.pop_front() {
                self.counts.1 += 1;
                TooMuch::check("libraries", self.counts.1, bounds::LIBRARIES)?;
                self.libraries_of(&object)?;
            } else if !self.look_through_a_tree()? {
                return Ok(());
            }
        }
    }

    /// Adds a need, or raises the rights of one that is there.
    fn need(
        &mut self,
        path: &Path,
        rights: Rights,
        directory: bool,
        why: &Why,
    ) -> Result<(), TooMuch> {
        let new = || Need { path: path.to_owned(), rights, directory, why: why.clone() };
        let need = self.needs.entry(path.to_owned()).or_insert_with(new);
        if need.rights < rights {
            *need = new();
        }
        TooMuch::check("places", self.needs.len(), bounds::NEEDS)
    }

    /// Whether `path` may be executed, as far as is known.
    fn executes(&self, path: &Path) -> bool {
        self.needs.get(path).is_some_and(|need| need.rights == Rights::Execute)
    }
}
