//! Rules by the paths that they name: those above a path, and those beneath it.
//!
//! A path is a key with a slash at the end of each component, so that every
//! directory above it is a head of it, and everything beneath begins with it.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path};

use super::bits::{Bits, Table};
use crate::path::Location;
use crate::rules::place::{PathPattern, PathUse, Root};

/// Rules by path.
#[derive(Debug, Clone)]
pub(super) struct Paths {
    /// Those that name any path.
    all: Bits,
    absolute: Tree,
    /// Relative to the workspace of whatever call.
    workspace: Tree,
}

#[derive(Debug, Clone)]
struct Tree {
    table: Table,
    /// The keys of the table, sorted.
    sorted: Vec<Box<[u8]>>,
}

impl Paths {
    pub(super) fn new(rules: usize) -> Self {
        let tree = || Tree { table: Table::new(rules), sorted: Vec::new() };
        Self { all: Bits::none(rules), absolute: tree(), workspace: tree() }
    }

    pub(super) fn insert(&mut self, rule: u32, pattern: &PathPattern) {
        self.all.insert(rule);
        match &pattern.root {
            Root::Workspace(inner) => self.workspace.table.insert(&key(inner), rule),
            Root::Absolute(path) => self.absolute.table.insert(&key(path), rule),
        }
    }

    /// To be called when all rules are in.
    pub(super) fn sort(&mut self) {
        self.absolute.sort();
        self.workspace.sort();
    }

    /// Adds those that may be about this use of a path.
    pub(super) fn add(&self, used: &PathUse, workspace: &Path, bits: &mut Bits) {
        match &used.location {
            Location::At(path) => {
                self.absolute.add_above(&key(path), bits);
                let inner = path.strip_prefix(workspace).map(key);
                if let Ok(inner) = &inner {
                    self.workspace.add_above(inner, bits);
                }
                if !used.recursive {
                    return;
                }
                self.absolute.add_beneath(&key(path), bits);
                match inner {
                    Ok(inner) => self.workspace.add_beneath(&inner, bits),
                    Err(_) if workspace.starts_with(path) => self.workspace.add_beneath(b"", bits),
                    Err(_) => {}
                }
            }
            Location::InWorkspace => {
                self.absolute.add_above(&key(workspace), bits);
                self.absolute.add_beneath(&key(workspace), bits);
                self.workspace.add_beneath(b"", bits);
            }
            Location::Anywhere => bits.unite(&self.all),
        }
    }
}

impl Tree {
    fn sort(&mut self) {
        self.sorted = self.table.keys().map(Box::from).collect();
        self.sorted.sort_unstable();
    }

    fn add_above(&self, path: &[u8], bits: &mut Bits) {
        self.table.add(b"", bits);
        for at in (0..path.len()).filter(|at| path[*at] == b'/') {
            self.table.add(&path[..=at], bits);
        }
    }

    fn add_beneath(&self, path: &[u8], bits: &mut Bits) {
        let from = self.sorted.partition_point(|key| **key < *path);
        for key in self.sorted[from..].iter().take_while(|key| key.starts_with(path)) {
            self.table.add(key, bits);
        }
    }
}

fn key(path: &Path) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.as_os_str().len() + 1);
    for part in path.components() {
        if part != Component::RootDir {
            out.extend_from_slice(part.as_os_str().as_bytes());
        }
        out.push(b'/');
    }
    out
}
