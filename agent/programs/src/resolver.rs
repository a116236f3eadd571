//! Resolves programs, and remembers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::combined::Combined;
use crate::error::ResolveError;
use crate::memory::Memory;
use crate::need::Resolution;
use crate::reading::{Place, Reading, Seen};
use crate::root::Root;
use crate::rules::Rules;
use crate::work::{Setting, Work};

/// Finds what programs need. One for the life of the agent: it remembers.
#[derive(Debug)]
pub struct Resolver {
    root: Root,
    search_path: Vec<PathBuf>,
    rules: Rules,
    variables: BTreeMap<String, PathBuf>,
    trust: Duration,
    memory: Mutex<Memory>,
}

impl Resolver {
    /// A resolver for programs beneath `root`. Names in `#!/usr/bin/env` lines and
    /// rules are looked for in `search_path`, which must be that of the cell.
    #[must_use]
    pub fn new(root: Root, search_path: Vec<PathBuf>, rules: Rules) -> Self {
        let (variables, memory) = (BTreeMap::new(), Mutex::default());
        Self { root, search_path, rules, variables, trust: Duration::ZERO, memory }
    }

    /// The same with a directory for a variable of helper rules, such as
    /// `RUSTUP_HOME`.
    #[must_use]
    pub fn with_variable(mut self, name: &str, directory: PathBuf) -> Self {
        self.variables.insert(name.to_owned(), directory);
        self
    }

    /// The same, but a grant that was looked at less than `trust` ago is not looked at
    /// again, but for [`Self::doubt`].
    #[must_use]
    pub fn looking_again_after(mut self, trust: Duration) -> Self {
        self.trust = trust;
        self
    }

    /// Something was replaced: looks again at every grant, whenever it did so last.
    pub fn doubt(&self) {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).doubt();
    }

    /// What `program` needs. May ask file systems, and take its time.
    ///
    /// # Errors
    /// See [`ResolveError`].
    pub fn resolve(&self, program: &Path) -> Result<Resolution, ResolveError> {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let (granted, _) = self.granted(&mut memory, &[program.to_owned()]);
        Ok(self.resolve_among(&mut memory, program, &granted)?.0)
    }

    /// What a grant of these programs comes to. The order does not matter. What is
    /// not installed, or is no program, is noted and granted nothing.
    ///
    /// # Errors
    /// [`ResolveError::TooMuch`] only.
    pub fn resolve_all(&self, programs: &[PathBuf]) -> Result<Arc<Combined>, ResolveError> {
        let programs: BTreeSet<PathBuf> = programs.iter().cloned().collect();
        let programs: Vec<PathBuf> = programs.into_iter().collect();
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = memory.grant(&self.root, &programs, self.trust) {
            return Ok(known);
        }
        let start = Instant::now();
        let (granted, mut seen) = self.granted(&mut memory, &programs);
        let mut resolutions = Vec::new();
        let mut notes = BTreeSet::new();
        for program in &programs {
            match self.resolve_among(&mut memory, program, &granted) {
                Ok((resolution, looked_at)) => {
                    seen.extend(looked_at);
                    resolutions.push(resolution);
                }
                Err(error @ ResolveError::TooMuch { .. }) => return Err(error),
                Err(error) => _ = notes.insert(error.to_string()),
            }
        }
        let combined = Arc::new(Combined::new(resolutions, notes)?);
        memory.keep_grant(&programs, Arc::clone(&combined), seen, start);
        Ok(combined)
    }

    /// The real files of the programs, and what was looked at to know them.
    fn granted(&self, memory: &mut Memory, programs: &[PathBuf]) -> (BTreeSet<PathBuf>, Seen) {
        let mut reading = Reading::new(&self.root, memory);
        let places = programs.iter().filter_map(|program| reading.follow(program));
        let real = places.filter(Place::is_file).map(|place| place.real).collect();
        (real, reading.into_seen())
    }

    fn resolve_among(
        &self,
        memory: &mut Memory,
        program: &Path,
        granted: &BTreeSet<PathBuf>,
    ) -> Result<(Resolution, Seen), ResolveError> {
        let setting = Setting {
            search_path: &self.search_path,
            rules: &self.rules,
            variables: &self.variables,
            granted,
        };
        Work::new(setting, Reading::new(&self.root, memory)).resolve(program)
    }
}
