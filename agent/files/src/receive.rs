//! Receives a file through a pipe and puts it in its place once all of it is there
//! and has the digest that was announced.
//!
//! Until then it has no name, so that nobody sees it and nothing of it is left,
//! however this process ends. What came before the pipe closed early is kept for a
//! while ([`Kept`]), and the same upload can go on from there.

mod fill;
mod kept;

use std::fs;
use std::os::fd::OwnedFd;

use cofferdam_proto::file::v1::worker_response::Result as Answer;
use cofferdam_proto::file::v1::{FileReceive, FileUpload, FileUploaded, UploadKept};
use sha2::{Digest, Sha256};

use crate::fault::FileFault;
use crate::place::Workspace;
use crate::version::Version;
use crate::write::{self, Draft, Target, check, keep_owner, new_mode, put};
use fill::{Came, fill};
pub(crate) use kept::Kept;
use kept::Which;

/// An upload that is not complete.
#[derive(Debug)]
pub(crate) struct Partial {
    draft: Draft,
    digest: Sha256,
    bytes: u64,
}

/// Receives what comes through `pipe`.
pub(crate) fn receive(
    workspace: &Workspace,
    request: FileReceive,
    pipe: OwnedFd,
    kept: &Kept,
) -> Result<Answer, FileFault> {
    let FileReceive { upload, offset } = request;
    let FileUpload { path, size, sha256, mode, precondition, make_parents } =
        upload.unwrap_or_default();
    let place = workspace.place(path)?;
    let mode = new_mode(mode)?;
    let condition = write::condition(precondition)?;
    let sha256: [u8; 32] =
        sha256.try_into().map_err(|_| FileFault::Invalid("a SHA-256 has 32 bytes".to_owned()))?;
    if make_parents && let Some(parent) = place.full().parent() {
        fs::create_dir_all(parent)
            .map_err(FileFault::io("make the parent directories of", place.asked()))?;
    }
    let target = Target::find(place.clone())?;
    check(&target, condition)?;
    let which = Which { path: target.path().to_owned(), size, sha256 };
    let mut partial = match (kept.take(&which), offset) {
        (Some(partial), 1..) if offset <= partial.bytes => partial,
        (Some(partial), 1..) => {
            let bytes = partial.bytes;
            kept.put(which, partial);
            return Ok(incomplete(bytes));
        }
        (None, 1..) => return Ok(incomplete(0)),
        // It begins anew, and what was kept goes.
        (_, 0) => Partial::begin(&target)?,
    };
    if let Some(existing) = target.metadata() {
        // Refused now rather than when all of it has come.
        keep_owner(&target, existing, &partial.draft)?;
    }
    let known = partial.bytes - offset;
    match fill(&mut partial, pipe, known, size).map_err(FileFault::io("write", target.shown()))? {
        Came::All => {}
        Came::TooMuch => {
            return Err(FileFault::Invalid(format!("more than the announced {size} bytes came")));
        }
        Came::Part => {
            let bytes = partial.bytes;
            // One that has a name would be left behind.
            if bytes == 0 || !partial.draft.is_unnamed() {
                return Ok(incomplete(0));
            }
            kept.put(which, partial);
            return Ok(incomplete(bytes));
        }
    }
    if <[u8; 32]>::from(partial.digest.finalize()) != sha256 {
        return Err(target.unmet("was to get a content with another SHA-256 than what came has"));
    }
    // It may be another one by now.
    let target = Target::find(place)?;
    let (created, notes) = put(&target, partial.draft, mode, condition)?;
    let metadata = fs::metadata(target.path()).map_err(FileFault::io("look at", target.shown()))?;
    let version = Version::of(&metadata).to_bytes();
    Ok(Answer::Uploaded(FileUploaded { created, size, sha256: sha256.to_vec(), version, notes }))
}

impl Partial {
    fn begin(target: &Target) -> Result<Self, FileFault> {
        let draft =
            Draft::unnamed(target.path()).map_err(FileFault::io("write", target.shown()))?;
        Ok(Self { draft, digest: Sha256::new(), bytes: 0 })
    }
}

fn incomplete(bytes: u64) -> Answer {
    Answer::Kept(UploadKept { bytes, problem: String::new() })
}
