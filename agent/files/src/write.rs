//! Writes a regular file: whole and at once, or at its end.
//!
//! A replacement is written beside its target, made durable and put in its
//! place, so that a reader sees the old content or the new, and a full disk
//! leaves the old. It keeps the permission bits and the owner of what it
//! replaces; a symbolic link is followed, so that its target changes and the link
//! stays.
//!
//! «Must not exist» is held by the kernel. «Has this digest» is looked at before
//! anything is written and once more after both files have changed places
//! (renameat2(2), RENAME_EXCHANGE): what somebody wrote in between is put back.
//! Only on a file system that cannot exchange, a write in the last moment is not
//! noticed.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

use cofferdam_proto::file::v1::write_precondition::Precondition;
use cofferdam_proto::file::v1::{FileWrite, FileWritten, WritePrecondition};
use rustix::fs::Mode;
use sha2::{Digest, Sha256};

use crate::bounds;
use crate::fault::FileFault;
use crate::place::Workspace;
use crate::version::Version;

mod draft;
mod expected;
mod target;

pub(crate) use draft::Draft;
use draft::Exchanged;
pub(crate) use expected::Expected;
pub(crate) use target::Target;

/// What must hold of a target, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    None,
    MustNotExist,
    Is(Expected),
}

/// Writes, if the precondition holds.
pub(crate) fn write(workspace: &Workspace, request: FileWrite) -> Result<FileWritten, FileFault> {
    let FileWrite { path, data, precondition, make_parents, mode, append } = request;
    let place = workspace.place(path)?;
    if data.len() > bounds::WRITE {
        return Err(FileFault::TooLarge {
            operation: "a write",
            path: place.asked().to_owned(),
            actual: data.len() as u64,
            limit: bounds::WRITE as u64,
        });
    }
    let mode = new_mode(mode)?;
    let condition = condition(precondition)?;
    if make_parents && let Some(parent) = place.full().parent() {
        fs::create_dir_all(parent)
            .map_err(FileFault::io("make the parent directories of", place.asked()))?;
    }
    let target = Target::find(place)?;
    check(&target, condition)?;
    if append {
        return add(&target, &data, mode);
    }
    let created = target.metadata().is_none();
    let notes = if created || condition == Condition::MustNotExist {
        make(&target, &data, mode, condition)?;
        Vec::new()
    } else {
        replace(&target, &data, condition.expected())?
    };
    let sha256 = Sha256::digest(&data).to_vec();
    Ok(FileWritten { created, size: data.len() as u64, sha256, notes })
}

/// Puts a draft that has all of its content in the place of its target, as far as
/// the condition holds. Says whether there was nothing, and what could not be kept.
pub(crate) fn put(
    target: &Target,
    draft: Draft,
    mode: u32,
    condition: Condition,
) -> Result<(bool, Vec<String>), FileFault> {
    check(target, condition)?;
    let fault = || FileFault::io("write", target.shown());
    match target.metadata() {
        Some(existing) if condition != Condition::MustNotExist => {
            let notes = keep_owner(target, existing, &draft)?;
            draft.settle(Mode::from_raw_mode(existing.mode() & 0o777)).map_err(fault())?;
            take_place(target, draft, condition.expected())?;
            Ok((false, notes))
        }
        _ => {
            draft.settle(Mode::from_raw_mode(mode)).map_err(fault())?;
            come_to_be(target, draft, condition)?;
            Ok((true, Vec::new()))
        }
    }
}

impl Condition {
    fn expected(self) -> Option<Expected> {
        match self {
            Self::Is(expected) => Some(expected),
            Self::None | Self::MustNotExist => None,
        }
    }
}

pub(crate) fn new_mode(mode: u32) -> Result<u32, FileFault> {
    match mode {
        0 => Ok(0o644),
        mode if mode & !0o777 == 0 => Ok(mode),
        mode => Err(FileFault::Invalid(format!(
            "mode {mode:o} is not taken: only permission bits up to 777, without setuid, setgid and sticky"
        ))),
    }
}

pub(crate) fn condition(precondition: Option<WritePrecondition>) -> Result<Condition, FileFault> {
    match precondition.and_then(|p| p.precondition) {
        None | Some(Precondition::MustNotExist(false)) => Ok(Condition::None),
        Some(Precondition::MustNotExist(true)) => Ok(Condition::MustNotExist),
        Some(Precondition::Sha256(digest)) => match digest.try_into() {
            Ok(digest) => Ok(Condition::Is(Expected::Digest(digest))),
            Err(_) => Err(FileFault::Invalid("a SHA-256 has 32 bytes".to_owned())),
        },
        Some(Precondition::Version(version)) => {
            Ok(Condition::Is(Expected::Version(Version::read(&version)?)))
        }
    }
}

pub(crate) fn check(target: &Target, condition: Condition) -> Result<(), FileFault> {
    match (condition, target.metadata()) {
        (Condition::MustNotExist, Some(_)) => Err(target.exists()),
        (Condition::Is(Expected::Digest(_)), None) => {
            Err(target.unmet("does not exist, although its SHA-256 is expected"))
        }
        (Condition::Is(Expected::Version(_)), None) => {
            Err(target.unmet("does not exist, although a version of it is expected"))
        }
        (Condition::Is(expected), Some(_)) if !expected.is_met_by(target)? => Err(target.changed()),
        _ => Ok(()),
    }
}

/// Makes a file where there is none; one that came to be meanwhile is replaced,
/// unless it must not exist.
fn make(target: &Target, data: &[u8], mode: u32, condition: Condition) -> Result<(), FileFault> {
    let fault = || FileFault::io("write", target.shown());
    let mut draft = Draft::beside(target.path()).map_err(fault())?;
    draft.fill(data, Mode::from_raw_mode(mode)).map_err(fault())?;
    come_to_be(target, draft, condition)
}

fn come_to_be(target: &Target, draft: Draft, condition: Condition) -> Result<(), FileFault> {
    let fault = || FileFault::io("write", target.shown());
    if condition != Condition::MustNotExist {
        return draft.publish(target.path()).map_err(fault());
    }
    match draft.publish_new(target.path()) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(target.exists()),
        published => published.map_err(fault()),
    }
}

/// Replaces the content of a file that is there, at once; where `expected` is
/// given, only if that is the digest of what is replaced. Says what could not be
/// kept.
pub(crate) fn replace(
    target: &Target,
    data: &[u8],
    expected: Option<Expected>,
) -> Result<Vec<String>, FileFault> {
    let Some(existing) = target.metadata() else { return Err(target.changed()) };
    let fault = || FileFault::io("write", target.shown());
    let mut draft = Draft::beside(target.path()).map_err(fault())?;
    let notes = keep_owner(target, existing, &draft)?;
    draft.fill(data, Mode::from_raw_mode(existing.mode() & 0o777)).map_err(fault())?;
    take_place(target, draft, expected)?;
    Ok(notes)
}

fn take_place(target: &Target, draft: Draft, expected: Option<Expected>) -> Result<(), FileFault> {
    let fault = || FileFault::io("write", target.shown());
    let Some(expected) = expected else {
        return draft.publish(target.path()).map_err(fault());
    };
    match draft.exchange(target.path(), expected) {
        Ok(Exchanged::Done) => Ok(()),
        Ok(Exchanged::Undone) => Err(target.changed()),
        Ok(Exchanged::Cannot(draft)) => {
            if !expected.is_met_by(target)? {
                return Err(target.changed());
            }
            draft.publish(target.path()).map_err(fault())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(target.changed()),
        Err(error) => Err(fault()(error)),
    }
}

/// Gives the draft the owner of what it replaces. Another user's file would
/// change hands, which is refused; a group that cannot be given is told.
pub(crate) fn keep_owner(
    target: &Target,
    existing: &fs::Metadata,
    draft: &Draft,
) -> Result<Vec<String>, FileFault> {
    let fault = || FileFault::io("write", target.shown());
    let own = draft.metadata().map_err(fault())?;
    if (own.uid(), own.gid()) == (existing.uid(), existing.gid()) {
        return Ok(Vec::new());
    }
    if draft.give(existing.uid(), existing.gid()).is_ok() {
        return Ok(Vec::new());
    }
    if own.uid() != existing.uid() {
        return Err(target.unmet(
            "belongs to another user than the workspace, whom a replacement would take it from",
        ));
    }
    Ok(vec!["its group could not be kept: it has the workspace's now".to_owned()])
}

fn add(target: &Target, data: &[u8], mode: u32) -> Result<FileWritten, FileFault> {
    let fault = || FileFault::io("append to", target.shown());
    let mut options = OpenOptions::new();
    options.append(true);
    let created = target.metadata().is_none();
    let mut file = if created {
        options.create_new(true).mode(mode).open(target.path()).map_err(fault())?
    } else {
        target.open(&mut options)?.0
    };
    let before = file.metadata().map_err(fault())?.len();
    if let Err(error) = file.write_all(data).and_then(|()| file.sync_all()) {
        // What was added is in part there; as it was is better than in between.
        drop(file.set_len(before));
        return Err(fault()(error));
    }
    let size = file.metadata().map_err(fault())?.len();
    let sha256 = if size <= bounds::HASHED { target.digest()?.to_vec() } else { Vec::new() };
    Ok(FileWritten { created, size, sha256, notes: Vec::new() })
}
