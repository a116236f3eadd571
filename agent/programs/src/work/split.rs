//! Trees: looked through once, given in parts when all programs are known.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Object, Wanted, Work};
use crate::bounds;
use crate::error::TooMuch;
use crate::need::{Rights, Why};
use crate::rules::Scripts;
use crate::tree::Tree;

impl Work<'_> {
    /// Looks through one tree that nobody looked through yet; false when there is
    /// none. Its libraries and the ends of its links come into the queues.
    pub(super) fn look_through_a_tree(&mut self) -> Result<bool, TooMuch> {
        let next = self.trees.iter().find(|(_, wanted)| wanted.tree.is_none());
        let Some((path, scripts)) = next.map(|(path, wanted)| (path.clone(), wanted.scripts))
        else {
            return Ok(false);
        };
        let Some(tree) = self.tree(&path)? else {
            self.notes.insert(format!(
                "{} cannot be read or is too large, and is left out",
                path.display()
            ));
            self.trees.remove(&path);
            return Ok(true);
        };
        for (path, elf) in &tree.libraries {
            let (path, elf) = (path.clone(), Arc::clone(elf));
            self.libraries.push_back(Object { path, elf, inherited: Vec::new() });
        }
        for (link, real) in &tree.leading_out {
            self.led_out(link, real, scripts)?;
        }
        if let Some(wanted) = self.trees.get_mut(&path) {
            wanted.tree = Some(tree);
        }
        Ok(true)
    }

    /// What a link in a tree leads to: a file is data, a directory a tree.
    fn led_out(&mut self, link: &Path, real: &Path, scripts: Scripts) -> Result<(), TooMuch> {
        let why = Why::LinkedFrom { link: link.to_owned() };
        let Some(place) = self.reading.follow(real) else { return Ok(()) };
        if place.is_file() {
            return self.data(real, &why);
        }
        // Links to places such as /usr or /etc would give all of them.
        let is_deep = real.components().count() > 3;
        let is_known = self.trees.keys().any(|tree| real.starts_with(tree));
        if is_deep && !is_known && place.metadata.is_dir() {
            self.trees.insert(place.real, Wanted { why, scripts, tree: None });
        }
        Ok(())
    }

    fn tree(&mut self, path: &Path) -> Result<Option<Arc<Tree>>, TooMuch> {
        if let Some(tree) = self.reading.memory.tree(self.reading.root, path) {
            for (directory, stamp) in &tree.directories {
                self.reading.saw(directory, Some(*stamp));
            }
            return Ok(Some(tree));
        }
        let tree = Tree::scan(&mut self.reading, path)?.map(Arc::new);
        if let Some(tree) = &tree {
            self.reading.memory.keep_tree(path, Arc::clone(tree));
        }
        Ok(tree)
    }

    /// Gives what may be read of each tree, now that all programs are known.
    pub(super) fn give_trees(&mut self) -> Result<(), TooMuch> {
        let executes = self.needs.values().filter(|need| need.rights == Rights::Execute);
        let libraries = self.needs.values().filter(|need| matches!(need.why, Why::Library { .. }));
        let granted: BTreeSet<PathBuf> = executes
            .chain(libraries)
            .map(|need| need.path.clone())
            .chain(self.setting.granted.iter().cloned())
            .collect();
        for (path, wanted) in std::mem::take(&mut self.trees) {
            let Some(tree) = wanted.tree else { continue };
            let Some(parts) = tree.parts(&granted, wanted.scripts) else {
                self.notes.insert(format!(
                    "{} is left out: programs stand among its files, and it would take more than {} parts to give it without them",
                    path.display(),
                    bounds::SPLIT
                ));
                continue;
            };
            if parts.directories != [path.clone()] {
                self.need(&path, Rights::List, true, &wanted.why)?;
            }
            for directory in &parts.directories {
                self.need(directory, Rights::Read, true, &wanted.why)?;
            }
            for file in &parts.files {
                self.need(file, Rights::Read, false, &wanted.why)?;
            }
            self.left_out.extend(parts.left_out);
        }
        self.drop_covered();
        Ok(())
    }

    /// A directory covers what is read beneath it.
    fn drop_covered(&mut self) {
        let trees: BTreeSet<PathBuf> = self
            .needs
            .values()
            .filter(|need| need.directory && need.rights == Rights::Read)
            .map(|need| need.path.clone())
            .collect();
        self.needs.retain(|path, need| {
            let above = path.ancestors().skip(1).any(|above| trees.contains(above));
            need.rights == Rights::Execute || !above
        });
        self.left_out.retain(|path, _| !self.needs.contains_key(path));
    }
}
