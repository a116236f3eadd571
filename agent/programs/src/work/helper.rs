//! Applies the helper rules: puts a program's own places into their paths, and
//! takes what is there.

use std::ffi::{OsStr, OsString};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::{Object, Wanted, Work};
use crate::bounds;
use crate::error::TooMuch;
use crate::need::{Rights, Why};
use crate::reading::{Content, Place};
use crate::rules::pattern::Pattern;
use crate::rules::{Captures, Rule, Scripts, fill};
use crate::script::Script;

impl Work<'_> {
    /// The rules for a program by its real file name.
    pub(super) fn rules_for_program(
        &mut self,
        real: &Path,
        asked: &OsStr,
        (scripts, helpers): (usize, usize),
    ) -> Result<(), TooMuch> {
        // Helpers may start one another.
        if !self.ruled.insert((real.to_owned(), asked.to_owned())) {
            return Ok(());
        }
        let name = real.file_name().unwrap_or_default();
        if helpers > bounds::HELPERS {
            self.notes.insert(format!("helpers of {} are not looked for", real.display()));
            return Ok(());
        }
        let rules = self.setting.rules;
        for rule in &rules.rules {
            if let Some(mut captures) = rule.for_program(name) {
                add_places(&mut captures, real, asked);
                self.apply(rule, captures, real, (scripts, helpers + 1))?;
            }
        }
        Ok(())
    }

    /// The rules for a library by the name that somebody needs it by.
    pub(super) fn rules_for_library(&mut self, name: &OsStr, of: &Path) -> Result<(), TooMuch> {
        let rules = self.setting.rules;
        for rule in &rules.rules {
            if let Some(captures) = rule.for_library(name) {
                self.apply(rule, captures, of, (0, 1))?;
            }
        }
        Ok(())
    }

    fn apply(
        &mut self,
        rule: &Rule,
        mut captures: Captures,
        of: &Path,
        depth: (usize, usize),
    ) -> Result<(), TooMuch> {
        for (name, value) in self.setting.variables {
            captures.insert(name.clone(), value.to_string_lossy().into_owned());
        }
        let why =
            Why::Rule { rule: rule.name.clone(), reason: rule.reason.clone(), of: of.to_owned() };
        self.notes.extend(rule.note.clone());
        for template in &rule.execute {
            for path in self.expand(template, &captures)? {
                self.helper(rule, &path, &why, depth)?;
            }
        }
        for choice in &rule.start {
            self.start(choice, &captures, of, &why, depth)?;
        }
        for template in &rule.read {
            for path in self.expand(template, &captures)? {
                self.data(&path, &why)?;
            }
        }
        for template in &rule.list {
            for path in self.expand(template, &captures)? {
                self.names(&path, &why)?;
            }
        }
        for template in &rule.trees {
            for path in self.expand(template, &captures)? {
                self.want_tree(&path, &why, rule.scripts);
            }
        }
        Ok(())
    }

    /// A helper that the rule names by path: a program, not a directory or data.
    fn helper(
        &mut self,
        rule: &Rule,
        path: &Path,
        why: &Why,
        depth: (usize, usize),
    ) -> Result<(), TooMuch> {
        let name = path.file_name().unwrap_or_default();
        let Some(place) = self.reading.follow(path).filter(Place::is_file) else { return Ok(()) };
        if !place.has_execute_bit() {
            return Ok(());
        }
        if rule.excepts(name) {
            // A further name of a program that may be executed anyway.
            if self.is_granted_file(&place) {
                return Ok(());
            }
            self.left_out.insert(place.real, format!("rule {} leaves it out", rule.name));
            return Ok(());
        }
        let content = self.reading.content(&place)?;
        if let Content::Script(script) = &*content {
            let names = interpreter_names(script);
            let is_env = |name: &OsString| script.started.is_some() && name == "env";
            let brought = names.iter().all(|name| is_env(name) || rule.brings_interpreter(name));
            if !brought && !self.grants(script.started.as_deref(), &script.interpreter) {
                let words = format!(
                    "a helper of rule {} whose interpreter `{}` is not granted",
                    rule.name,
                    names.first().map_or(OsStr::new(""), |name| name).display()
                );
                self.left_out.insert(place.real, words);
                return Ok(());
            }
        }
        self.queue(path, why.clone(), depth)
    }

    /// Whether the file is, by another name, one that may be executed: Landlock's
    /// rules are for files, not for names.
    fn is_granted_file(&mut self, place: &Place) -> bool {
        let id = |metadata: &Metadata| (metadata.dev(), metadata.ino());
        let executes = self.needs.values().filter(|need| need.rights == Rights::Execute);
        let mut metadata = executes.filter_map(|need| self.reading.root.look(&need.path).ok());
        metadata.any(|granted| id(&granted) == id(&place.metadata))
    }

    /// Whether the grant has a script's interpreter.
    fn grants(&mut self, started: Option<&OsStr>, interpreter: &Path) -> bool {
        let path = match started {
            Some(name) => self.on_search_path(name, None),
            None => Some(interpreter.to_owned()),
        };
        let place = path.and_then(|path| self.reading.follow(&path));
        place.is_some_and(|place| self.setting.granted.contains(&place.real))
    }

    /// A helper that the rule names by file name: the first choice that is there.
    fn start(
        &mut self,
        choice: &str,
        captures: &Captures,
        of: &Path,
        why: &Why,
        depth: (usize, usize),
    ) -> Result<(), TooMuch> {
        let names = choice.split('|').filter_map(|name| fill(name, captures));
        for name in names.filter(|name| !name.contains('*')) {
            if let Some(path) = self.on_search_path(name.as_ref(), of.parent()) {
                return self.queue(&path, why.clone(), depth);
            }
        }
        Ok(())
    }

    /// A file of data. A program among the data is left out.
    pub(super) fn data(&mut self, path: &Path, why: &Why) -> Result<(), TooMuch> {
        let Some(place) = self.reading.follow(path).filter(Place::is_file) else { return Ok(()) };
        let content = self.reading.content(&place)?;
        match &*content {
            Content::Elf(elf) if elf.is_program(place.has_execute_bit()) => {
                if !self.needs.contains_key(&place.real) {
                    self.left_out.insert(place.real, "a program among data".to_owned());
                }
                return Ok(());
            }
            Content::Unreadable(_) => return Ok(()),
            Content::Elf(elf) if elf.is_dynamic() && !self.needs.contains_key(&place.real) => {
                let (path, elf) = (place.real.clone(), Arc::new(elf.clone()));
                self.libraries.push_back(Object { path, elf, inherited: Vec::new() });
            }
            Content::Elf(_) | Content::Script(_) | Content::Other => {}
        }
        self.need(&place.real, Rights::Read, false, why)
    }

    /// A directory that is listed.
    fn names(&mut self, path: &Path, why: &Why) -> Result<(), TooMuch> {
        let place = self.reading.follow(path).filter(|place| place.metadata.is_dir());
        place.map_or(Ok(()), |place| self.need(&place.real, Rights::List, true, why))
    }

    pub(super) fn want_tree(&mut self, path: &Path, why: &Why, scripts: Scripts) {
        let place = self.reading.follow(path).filter(|place| place.metadata.is_dir());
        if let Some(place) = place {
            self.links.extend(place.links);
            let wanted = Wanted { why: why.clone(), scripts, tree: None };
            self.trees.entry(place.real).or_insert(wanted);
        }
    }

    /// The paths that a rule's path stands for on this host.
    fn expand(&mut self, template: &str, captures: &Captures) -> Result<Vec<PathBuf>, TooMuch> {
        let Some(filled) = fill(template, captures) else { return Ok(Vec::new()) };
        let mut paths = vec![PathBuf::from("/")];
        for component in Path::new(&filled).components() {
            match component {
                Component::Normal(name) if name.as_encoded_bytes().contains(&b'*') => {
                    let pattern = Pattern::new(&name.to_string_lossy());
                    let mut matching = Vec::new();
                    for directory in paths {
                        matching.extend(self.matching(&directory, &pattern));
                        TooMuch::check("paths of one rule", matching.len(), bounds::MATCHES)?;
                    }
                    paths = matching;
                }
                Component::Normal(_) | Component::ParentDir => {
                    for path in &mut paths {
                        path.push(component);
                    }
                }
                _ => {}
            }
        }
        Ok(paths)
    }

    fn matching(&mut self, directory: &Path, pattern: &Pattern) -> Vec<PathBuf> {
        let place = self.reading.follow(directory).filter(|place| place.metadata.is_dir());
        let listed = place.and_then(|place| self.reading.list(&place.real));
        let entries = listed.map(|(_, entries)| entries).unwrap_or_default();
        let names = entries.into_iter().map(|entry| entry.name);
        let fits =
            |name: &OsString| name.to_str().is_some_and(|name| pattern.captures(name).is_some());
        names.filter(fits).map(|name| directory.join(name)).collect()
    }
}

/// The interpreters that a script names, as file names.
fn interpreter_names(script: &Script) -> Vec<OsString> {
    let started = script.started.iter().map(Path::new);
    let paths = started.chain([script.interpreter.as_path()]);
    paths.filter_map(Path::file_name).map(OsStr::to_owned).collect()
}

/// `{dir}`, `{prefix}`, `{name}`, `{asked}`.
fn add_places(captures: &mut Captures, real: &Path, asked: &OsStr) {
    let directory = real.parent().unwrap_or(Path::new("/"));
    let prefix = directory.parent().unwrap_or(Path::new("/"));
    let name = real.file_name().unwrap_or_default();
    let places = [
        ("dir", directory.as_os_str()),
        ("prefix", prefix.as_os_str()),
        ("name", name),
        ("asked", asked),
    ];
    for (place, value) in places {
        // A path that is not UTF-8, or holds what a pattern means, matches nothing.
        let value = value.to_str().filter(|value| !value.contains('*')).unwrap_or("\0");
        captures.insert(place.to_owned(), value.to_owned());
    }
}
