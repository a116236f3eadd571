//! What a whole grant comes to, for the planner; and why something is not in it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::bounds;
use crate::error::{ResolveError, TooMuch};
use crate::need::{Resolution, Rights};

/// What all programs of a grant need together. No place lies beneath another of
/// the same rights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Combined {
    /// The programs, each on its own.
    pub resolutions: Vec<Resolution>,
    /// Files that may be read and executed.
    pub execute: BTreeSet<PathBuf>,
    /// Places that may be read.
    pub read: Vec<ReadPlace>,
    /// Directories whose names may be listed, and those of all directories beneath.
    pub list: BTreeSet<PathBuf>,
    /// Links that lead to the programs: where each stands, what it holds.
    pub links: BTreeMap<PathBuf, PathBuf>,
    /// Programs that are kept out of what may be read, and why.
    pub left_out: BTreeMap<PathBuf, String>,
    /// What could not be known or is not there.
    pub notes: BTreeSet<String>,
}

/// A place that may be read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReadPlace {
    /// Without a link in it.
    pub path: PathBuf,
    /// A directory, with all beneath it.
    pub directory: bool,
}

impl Combined {
    pub(crate) fn new(
        resolutions: Vec<Resolution>,
        notes: BTreeSet<String>,
    ) -> Result<Self, ResolveError> {
        let mut combined = Self {
            resolutions: Vec::new(),
            execute: BTreeSet::new(),
            read: Vec::new(),
            list: BTreeSet::new(),
            links: BTreeMap::new(),
            left_out: BTreeMap::new(),
            notes,
        };
        let mut read = BTreeMap::new();
        for resolution in &resolutions {
            for need in &resolution.needs {
                match need.rights {
                    Rights::Execute => _ = combined.execute.insert(need.path.clone()),
                    Rights::Read => _ = read.insert(need.path.clone(), need.directory),
                    Rights::List => _ = combined.list.insert(need.path.clone()),
                }
            }
            combined.links.extend(resolution.links.iter().cloned());
            combined.left_out.extend(resolution.left_out.clone());
            combined.notes.extend(resolution.notes.iter().cloned());
        }
        combined.take_read(&read);
        let count = combined.execute.len() + combined.read.len() + combined.list.len();
        TooMuch::check("places for one grant", count, bounds::NEEDS).map_err(|too_much| {
            let last = resolutions.last().map(|last| last.asked.clone());
            too_much.resolving(last.unwrap_or_default())
        })?;
        combined.resolutions = resolutions;
        Ok(combined)
    }

    /// Takes the places that no directory above covers. In the order of paths,
    /// directories come before what they hold.
    fn take_read(&mut self, read: &BTreeMap<PathBuf, bool>) {
        let is_tree = |path: &Path| read.get(path) == Some(&true);
        let is_covered = |path: &Path| path.ancestors().skip(1).any(is_tree);
        let (execute, list) = (&self.execute, &mut self.list);
        list.retain(|path| !is_tree(path) && !is_covered(path));
        let all = list.clone();
        list.retain(|path| !path.ancestors().skip(1).any(|above| all.contains(above)));
        let places = read.iter().filter(|(path, _)| !is_covered(path) && !execute.contains(*path));
        self.read =
            places.map(|(path, &directory)| ReadPlace { path: path.clone(), directory }).collect();
        let covers = |path: &Path| is_tree(path) || is_covered(path) || read.contains_key(path);
        self.left_out.retain(|path, _| !execute.contains(path) && !covers(path));
    }

    /// Whether the file at the real path may be executed.
    #[must_use]
    pub fn executes(&self, path: &Path) -> bool {
        self.execute.contains(path)
    }

    /// Whether the file at the real path may be read.
    #[must_use]
    pub fn reads(&self, path: &Path) -> bool {
        self.executes(path)
            || self.read.iter().any(|place| {
                if place.directory { path.starts_with(&place.path) } else { path == place.path }
            })
    }

    /// Says why the program list refuses to execute or read `path`, a real path, and
    /// what would allow it.
    #[must_use]
    pub fn why_not(&self, path: &Path) -> String {
        let shown = path.display();
        let granted = self.granted();
        if self.executes(path) {
            return format!("`{shown}` may be executed: the list of programs does not refuse it");
        }
        if let Some(reason) = self.left_out.get(path) {
            return format!(
                "`{shown}` is left out of what the granted programs ({granted}) bring along: {reason}; grant it as a program if it is wanted"
            );
        }
        if self.reads(path) {
            return format!(
                "`{shown}` may be read, as data of the granted programs ({granted}), and not executed; grant it as a program if it is wanted"
            );
        }
        let name = path.file_name().map_or(path, Path::new).display();
        format!(
            "`{shown}` is not among the granted programs ({granted}), and none of them needs it; a grant whose `programs` name `{shown}` would allow {name}"
        )
    }

    /// The granted programs in a few words.
    #[must_use]
    pub fn granted(&self) -> String {
        const SHOWN: usize = 12;
        let names = self.resolutions.iter().filter_map(|it| it.asked.file_name());
        let names: BTreeSet<String> =
            names.map(|name| name.to_string_lossy().into_owned()).collect();
        let more = names.len().saturating_sub(SHOWN);
        let mut words = names.into_iter().take(SHOWN).collect::<Vec<_>>().join(", ");
        if words.is_empty() {
            "none".clone_into(&mut words);
        } else if more > 0 {
            words = format!("{words} and {more} more");
        }
        words
    }
}
