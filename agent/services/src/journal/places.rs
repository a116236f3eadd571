//! Where the files of a machine's journal are.
//!
//! `/var/log/journal/<machine id>/*.journal` and the same below `/run/log/journal`
//! (systemd-journald.service(8), «Files»), with those that journald put aside as damaged
//! (`.journal~`). Other directories there belong to other machines, containers among
//! them, or to journal namespaces. Called by `journal.rs`.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::page::Gap;
use super::{JournalError, MachineId};

/// The most names of a directory that are looked at.
const MAX_NAMES: usize = 10_000;

/// A file, and when it was last written.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    written: SystemTime,
}

/// The files to look into, those written last first, and what is left aside.
#[derive(Debug, Default)]
pub(super) struct Files {
    pub(super) files: Vec<Found>,
    pub(super) gaps: Vec<Gap>,
}

/// Finds at most so many files.
pub(super) fn find(
    roots: &[PathBuf],
    machine: &MachineId,
    most: usize,
) -> Result<Files, JournalError> {
    let mut found = Files::default();
    for root in roots {
        let directory = root.join(machine.as_str());
        match list(&directory, &mut found) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                found.gaps.push(Gap::FileSkipped { path: directory, reason: error.to_string() });
            }
        }
    }
    if found.files.is_empty() {
        return Err(nothing(roots, &found.gaps));
    }
    // Of the same age, the one whose name comes first, so that order never depends on
    // how a directory lists.
    found.files.sort_by(|one, other| {
        other.written.cmp(&one.written).then_with(|| one.path.cmp(&other.path))
    });
    let count = found.files.len().saturating_sub(most);
    if count > 0 {
        found.files.truncate(most);
        found.gaps.push(Gap::FilesNotLooked { count });
    }
    Ok(found)
}

fn list(directory: &Path, found: &mut Files) -> io::Result<()> {
    for (index, entry) in std::fs::read_dir(directory)?.enumerate() {
        if index >= MAX_NAMES {
            let reason = format!("it has more than {MAX_NAMES} files");
            found.gaps.push(Gap::FileSkipped { path: directory.to_owned(), reason });
            break;
        }
        let path = entry?.path();
        let journal = path
            .extension()
            .is_some_and(|extension| extension == "journal" || extension == "journal~");
        if !journal {
            continue;
        }
        match std::fs::symlink_metadata(&path).and_then(|metadata| metadata.modified()) {
            Ok(written) => found.files.push(Found { path, written }),
            // It was rotated away meanwhile, and has another name now.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                found.gaps.push(Gap::FileSkipped { path, reason: error.to_string() });
            }
        }
    }
    Ok(())
}

fn nothing(roots: &[PathBuf], gaps: &[Gap]) -> JournalError {
    if let Some(gap) = gaps.first() {
        return JournalError::Closed { reason: gap.to_string() };
    }
    let looked: Vec<_> = roots.iter().map(|root| root.display().to_string()).collect();
    JournalError::None { looked: looked.join(" and ") }
}
