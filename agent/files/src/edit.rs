//! Edits a text file: exact replacements in order, or a unified diff. All of it
//! takes effect, at once, or nothing does.
//!
//! The file is read through one descriptor, changed in memory, and put in the
//! old one's place only if that is still what was read
//! ([`crate::write::replace`]). Bytes that no edit names stay as they are: line
//! ends, a missing last newline, mode and owner.

mod diff;
mod nearest;
mod patch;
mod replace;

use std::fs::OpenOptions;
use std::io::Read;

use cofferdam_proto::file::v1::{FileEdit, FileEdited, HunkPlaced, ReplacementDone};
use sha2::{Digest, Sha256};

use crate::bounds;
use crate::encoding::Encoding;
use crate::fault::FileFault;
use crate::lines::line_at;
use crate::place::{Place, Workspace};
use crate::write::{self, Expected, Target};

/// What is asked, checked.
enum Change {
    Replacements(Vec<replace::Replacement>),
    Patch(patch::Patch),
}

/// What a change made of a file.
#[derive(Default)]
struct Changed {
    after: Vec<u8>,
    replaced: Vec<ReplacementDone>,
    hunks: Vec<HunkPlaced>,
}

/// Edits, or shows what an edit would do.
pub(crate) fn edit(workspace: &Workspace, request: FileEdit) -> Result<FileEdited, FileFault> {
    let FileEdit { path, replacements, patch, encoding, expected_sha256, dry_run } = request;
    let encoding = Encoding::from_wire(encoding)?;
    let change = match (replacements.is_empty(), patch.is_empty()) {
        (false, true) => Change::Replacements(replace::check(replacements, encoding)?),
        (true, false) => Change::Patch(patch::parse(&encoding.encode("patch", patch)?)?),
        _ => return Err(invalid("an edit is either replacements or a patch, and one of them")),
    };
    let target = Target::existing(workspace.place(path)?)?;
    let before = read(&target, encoding)?;
    let digest: [u8; 32] = Sha256::digest(&before).into();
    if !expected_sha256.is_empty() && expected_sha256 != digest {
        return Err(target.changed());
    }
    let Changed { after, replaced, hunks } = match change {
        Change::Replacements(list) => replace::apply(&before, list, target.shown())?,
        Change::Patch(patch) => patch.apply(&before, target.shown())?,
    };
    if after.len() > bounds::EDIT {
        return Err(too_large(target.place(), after.len() as u64));
    }
    let diff::Diff { text, added, removed, truncated } = diff::unified(&before, &after, encoding);
    let changed = before != after;
    let notes = if dry_run || !changed {
        Vec::new()
    } else {
        write::replace(&target, &after, Some(Expected::Digest(digest)))?
    };
    Ok(FileEdited {
        changed,
        written: changed && !dry_run,
        diff: text,
        diff_truncated: truncated,
        added_lines: added,
        removed_lines: removed,
        size: after.len() as u64,
        sha256: Sha256::digest(&after).to_vec(),
        sha256_before: digest.to_vec(),
        replaced,
        hunks,
        notes,
    })
}

/// All of a file that is text of this encoding.
fn read(target: &Target, encoding: Encoding) -> Result<Vec<u8>, FileFault> {
    let (file, metadata) = target.open(OpenOptions::new().read(true))?;
    if metadata.len() > bounds::EDIT as u64 {
        return Err(too_large(target.place(), metadata.len()));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    file.take(bounds::EDIT as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(FileFault::io("read", target.shown()))?;
    if bytes.len() > bounds::EDIT {
        return Err(too_large(target.place(), bytes.len() as u64));
    }
    match encoding.first_wrong(&bytes) {
        None => Ok(bytes),
        Some(position) => Err(FileFault::Unmatched {
            path: target.shown().to_owned(),
            problem: format!(
                "is not {} (byte {position}, in line {}); name its encoding, or use write_file",
                encoding.name(),
                line_at(&bytes, position)
            ),
        }),
    }
}

fn too_large(place: &Place, actual: u64) -> FileFault {
    FileFault::TooLarge {
        operation: "an edit",
        path: place.asked().to_owned(),
        actual,
        limit: bounds::EDIT as u64,
    }
}

fn invalid(message: &str) -> FileFault {
    FileFault::Invalid(message.to_owned())
}
