//! Shared libraries, found as the dynamic loader finds them (ld.so(8)):
//! DT_RPATH of the object and of those that loaded it, DT_RUNPATH, the loader's
//! cache, the default directories.
//!
//! Of a library that is built several times for processors of different age all
//! are taken: the loader chooses. LD_LIBRARY_PATH is not looked at: it is the
//! command's own, and a profile that sets it names what it needs.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use object::elf::{EM_386, EM_AARCH64, EM_X86_64};

use super::{Object, Work};
use crate::bounds;
use crate::elf::{Elf, Machine};
use crate::error::TooMuch;
use crate::loader_cache::LoaderCache;
use crate::need::{Rights, Why};
use crate::reading::Place;
use crate::root::Stamp;

/// The one with the name service.
const C_LIBRARY: &str = "libc.so.6";
const LOADER_CACHE: &str = "/etc/ld.so.cache";

impl Work<'_> {
    /// Finds the libraries that an object names, and lets their rules apply.
    pub(super) fn libraries_of(&mut self, object: &Object) -> Result<(), TooMuch> {
        let origin = object.path.parent().unwrap_or(Path::new("/"));
        let machine = object.elf.machine;
        let own = expand(&object.elf.rpath, origin, machine);
        // A DT_RUNPATH makes the loader ignore every DT_RPATH for this object.
        let (inherited, searched) = if let Some(runpath) = &object.elf.runpath {
            (object.inherited.clone(), expand(runpath, origin, machine))
        } else {
            let all = [own, object.inherited.clone()].concat();
            (all.clone(), all)
        };
        for name in &object.elf.needed {
            let found = self.search(name, machine, &searched)?;
            if found.is_empty() {
                self.notes.insert(format!(
                    "the library {} that {} names is not there",
                    name.display(),
                    object.path.display()
                ));
            }
            let why = Why::Library { name: name.clone(), of: object.path.clone() };
            self.take_libraries(found, &why, &inherited)?;
            if self.names.insert(name.clone()) {
                self.rules_for_library(name, &object.path)?;
                if name == C_LIBRARY {
                    self.name_service(machine)?;
                }
            }
        }
        Ok(())
    }

    /// Takes the library `name` as a program on `machine` would open it.
    pub(super) fn open_library(
        &mut self,
        name: &OsStr,
        machine: Machine,
        why: &Why,
    ) -> Result<(), TooMuch> {
        let found = self.search(name, machine, &[])?;
        self.take_libraries(found, why, &[])
    }

    fn take_libraries(
        &mut self,
        found: Vec<(Place, Arc<Elf>)>,
        why: &Why,
        inherited: &[PathBuf],
    ) -> Result<(), TooMuch> {
        for (place, elf) in found {
            let is_new = !self.needs.contains_key(&place.real);
            self.need(&place.real, Rights::Read, false, why)?;
            if is_new || self.executes(&place.real) && !self.names.contains(place.real.as_os_str())
            {
                // A loader is a library of the C library too: look into it once.
                self.names.insert(place.real.clone().into_os_string());
                let inherited = inherited.to_vec();
                self.libraries.push_back(Object { path: place.real, elf, inherited });
            }
        }
        Ok(())
    }

    /// The files that a loader may take for the library `name`.
    fn search(
        &mut self,
        name: &OsStr,
        machine: Machine,
        directories: &[PathBuf],
    ) -> Result<Vec<(Place, Arc<Elf>)>, TooMuch> {
        if name.as_bytes().contains(&b'/') {
            let path = PathBuf::from(name);
            return if path.is_absolute() { self.fitting(vec![path], machine) } else { Ok(vec![]) };
        }
        for directory in directories {
            let found = self.in_directory(directory, name, machine)?;
            if !found.is_empty() {
                return Ok(found);
            }
        }
        let cached = self.loader_cache()?.files(name).to_vec();
        let found = self.fitting(cached, machine)?;
        if !found.is_empty() {
            return Ok(found);
        }
        for directory in default_directories(machine) {
            let found = self.in_directory(&directory, name, machine)?;
            if !found.is_empty() {
                return Ok(found);
            }
        }
        Ok(Vec::new())
    }

    /// The library in one directory, and those for newer processors beneath it.
    fn in_directory(
        &mut self,
        directory: &Path,
        name: &OsStr,
        machine: Machine,
    ) -> Result<Vec<(Place, Arc<Elf>)>, TooMuch> {
        let mut paths = vec![directory.join(name)];
        let newer = directory.join("glibc-hwcaps");
        if let Some(place) = self.reading.follow(&newer).filter(|place| place.metadata.is_dir())
            && let Some((_, entries)) = self.reading.list(&place.real)
        {
            paths.extend(entries.into_iter().map(|entry| newer.join(entry.name).join(name)));
        }
        self.fitting(paths, machine)
    }

    /// Those of the paths that are libraries for `machine`.
    fn fitting(
        &mut self,
        paths: Vec<PathBuf>,
        machine: Machine,
    ) -> Result<Vec<(Place, Arc<Elf>)>, TooMuch> {
        let mut fitting = Vec::new();
        for path in paths {
            let found = self.elf_at(&path)?.filter(|(_, elf)| elf.is_library_for(machine));
            fitting.extend(found);
        }
        Ok(fitting)
    }

    fn loader_cache(&mut self) -> Result<Arc<LoaderCache>, TooMuch> {
        let path = Path::new(LOADER_CACHE);
        let Some(place) = self.reading.follow(path) else { return Ok(Arc::default()) };
        let stamp = Stamp::of(&place.metadata);
        if let Some(cache) = self.reading.memory.loader_cache(stamp) {
            return Ok(cache);
        }
        let bytes = self.reading.bytes(path, bounds::LOADER_CACHE)?.unwrap_or_default();
        let cache = Arc::new(LoaderCache::parse(&bytes));
        self.reading.memory.keep_loader_cache(stamp, Arc::clone(&cache));
        Ok(cache)
    }
}

/// Puts directories for the tokens of ld.so(8). `$PLATFORM` is left out: nothing
/// that is packaged uses it.
fn expand(run_path: &[OsString], origin: &Path, machine: Machine) -> Vec<PathBuf> {
    let mut directories = Vec::new();
    for entry in run_path {
        let origin = replace(entry.as_bytes(), "ORIGIN", origin.as_os_str().as_bytes());
        for lib in lib_names(machine) {
            let expanded = replace(&origin, "LIB", lib.as_bytes());
            let path = PathBuf::from(OsString::from_vec(expanded));
            let is_whole = path.is_absolute() && !path.as_os_str().as_bytes().contains(&b'$');
            if is_whole && !directories.contains(&path) {
                directories.push(path);
            }
        }
    }
    directories
}

fn replace(text: &[u8], token: &str, value: &[u8]) -> Vec<u8> {
    let forms = [format!("${{{token}}}"), format!("${token}")];
    let mut replaced = Vec::new();
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        let form = forms.iter().find(|form| rest.starts_with(form.as_bytes()));
        if let Some(form) = form {
            replaced.extend_from_slice(value);
            rest = &rest[form.len()..];
        } else {
            replaced.push(first);
            rest = after;
        }
    }
    replaced
}

/// What `$LIB` stands for, by distribution.
fn lib_names(machine: Machine) -> Vec<String> {
    let wide = if machine.wide { "lib64" } else { "lib" };
    let architecture = multiarch(machine).map(|name| format!("lib/{name}"));
    architecture.into_iter().chain([wide.to_owned(), "lib".to_owned()]).collect()
}

/// Debian's name for a machine's libraries.
fn multiarch(machine: Machine) -> Option<&'static str> {
    match machine.number {
        EM_X86_64 if machine.wide => Some("x86_64-linux-gnu"),
        EM_386 => Some("i386-linux-gnu"),
        EM_AARCH64 => Some("aarch64-linux-gnu"),
        _ => None,
    }
}

/// Where loaders look last: glibc's of several distributions, and musl's.
fn default_directories(machine: Machine) -> Vec<PathBuf> {
    let names = lib_names(machine);
    let all = names.iter().flat_map(|name| ["/", "/usr/"].map(|top| format!("{top}{name}")));
    all.chain(["/usr/local/lib".to_owned()]).map(PathBuf::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_of_a_run_path_are_replaced_and_relative_ones_dropped() {
        let machine = Machine { number: EM_X86_64, wide: true };
        let expanded = |entry: &str| expand(&[entry.into()], Path::new("/opt/x/bin"), machine);
        assert_eq!(expanded("$ORIGIN/../lib"), [PathBuf::from("/opt/x/bin/../lib")]);
        assert_eq!(expanded("${ORIGIN}"), [PathBuf::from("/opt/x/bin")]);
        assert_eq!(expanded("/a/$LIB").len(), 3);
        assert!(expanded("lib").is_empty());
        assert!(expanded("/a/$PLATFORM").is_empty());
    }
}
