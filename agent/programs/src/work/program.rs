//! What a program's own file says: its loader, its interpreter.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Found, Object, Work};
use crate::bounds;
use crate::elf::Elf;
use crate::error::TooMuch;
use crate::need::{Rights, Why};
use crate::reading::{Content, Place};
use crate::script::Script;

/// What rules call a program that is linked with all that it needs.
const STATIC: &str = "(static)";

impl Work<'_> {
    /// Gives a program the right to be executed, and finds what it names.
    pub(super) fn program(&mut self, found: Found) -> Result<(), TooMuch> {
        let Found { place, content, asked, why, depth } = found;
        let real = place.real;
        let known = self.executes(&real);
        self.need(&real, Rights::Execute, false, &why)?;
        // A second name may mean other helpers: rustup is cargo and rustc.
        self.rules_for_program(&real, &asked, depth)?;
        self.virtual_environment(&real, &place.links, depth)?;
        if known {
            return Ok(());
        }
        match &*content {
            Content::Elf(elf) => self.loader_and_libraries(&real, elf),
            Content::Script(script) => self.interpreter(&real, script, depth),
            Content::Other | Content::Unreadable(_) => Ok(()),
        }
    }

    fn loader_and_libraries(&mut self, real: &Path, elf: &Elf) -> Result<(), TooMuch> {
        if let Some(loader) = &elf.interpreter {
            match self.elf_at(loader)? {
                Some((place, found)) if found.is_library_for(elf.machine) => {
                    self.links.extend(place.links);
                    let why = Why::Loader { of: real.to_owned() };
                    self.need(&place.real, Rights::Execute, false, &why)?;
                }
                _ => {
                    self.notes.insert(format!(
                        "{} names the dynamic loader {}, which is not there",
                        real.display(),
                        loader.display()
                    ));
                }
            }
        }
        if elf.interpreter.is_none() {
            self.rules_for_library(STATIC.as_ref(), real)?;
        }
        let (path, elf) = (real.to_owned(), Arc::new(elf.clone()));
        self.libraries.push_back(Object { path, elf, inherited: Vec::new() });
        Ok(())
    }

    fn interpreter(
        &mut self,
        real: &Path,
        script: &Script,
        (scripts, helpers): (usize, usize),
    ) -> Result<(), TooMuch> {
        if scripts == bounds::INTERPRETERS {
            self.notes.insert(format!(
                "{} is the {scripts}th script that is the interpreter of a script: the kernel gives up there",
                real.display()
            ));
            return Ok(());
        }
        let depth = (scripts + 1, helpers);
        let why = Why::Interpreter { of: real.to_owned() };
        self.queue(&script.interpreter, why, depth)?;
        if let Some(started) = &script.started {
            let why = Why::Started { of: real.to_owned() };
            match self.on_search_path(started, None) {
                Some(path) => self.queue(&path, why, depth)?,
                None => {
                    self.notes.insert(format!(
                        "{} is started by `{}`, which is not on the search path",
                        real.display(),
                        started.display()
                    ));
                }
            }
        }
        Ok(())
    }

    /// Takes the program at `path` for one that is needed. What cannot be one is
    /// noted.
    pub(super) fn queue(
        &mut self,
        path: &Path,
        why: Why,
        depth: (usize, usize),
    ) -> Result<(), TooMuch> {
        let Some(place) = self.reading.follow(path).filter(Place::is_file) else {
            self.notes.insert(format!("{} is not there ({why})", path.display()));
            return Ok(());
        };
        let content = self.reading.content(&place)?;
        if let Content::Unreadable(kind) = *content {
            self.notes.insert(format!("{} cannot be read: {kind} ({why})", path.display()));
            return Ok(());
        }
        if *content == Content::Other {
            self.notes.insert(format!("{} is no program ({why})", path.display()));
            return Ok(());
        }
        self.links.extend(place.links.iter().cloned());
        let asked = path.file_name().unwrap_or_default().to_owned();
        self.programs.push_back(Found { place, content, asked, why, depth });
        Ok(())
    }

    /// The first executable file of this name beside a program or on the search
    /// path; an absolute path as it is.
    pub(super) fn on_search_path(
        &mut self,
        name: &OsStr,
        beside: Option<&Path>,
    ) -> Option<PathBuf> {
        if Path::new(name).is_absolute() {
            return Some(PathBuf::from(name));
        }
        if name.as_encoded_bytes().contains(&b'/') {
            return None;
        }
        let directories = beside.into_iter().chain(self.setting.search_path.iter().map(|it| &**it));
        let candidates: Vec<PathBuf> = directories.map(|directory| directory.join(name)).collect();
        candidates.into_iter().find(|path| {
            let place = self.reading.follow(path);
            place.is_some_and(|place| place.is_file() && place.has_execute_bit())
        })
    }

    /// The ELF file that `path` leads to.
    pub(super) fn elf_at(&mut self, path: &Path) -> Result<Option<(Place, Arc<Elf>)>, TooMuch> {
        let Some(place) = self.reading.follow(path).filter(Place::is_file) else { return Ok(None) };
        let content = self.reading.content(&place)?;
        let Content::Elf(elf) = &*content else { return Ok(None) };
        Ok(Some((place, Arc::new(elf.clone()))))
    }
}
