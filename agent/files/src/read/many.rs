//! Several files at once. Each is read by itself, and why one cannot be read is
//! told in its place; all contents share one bound.

use cofferdam_proto::file::v1::content_or_error::Result as Either;
use cofferdam_proto::file::v1::{ContentOrError, FileRead, FilesContent, FilesRead};

use super::{checked_length, read};
use crate::bounds;
use crate::fault::FileFault;
use crate::place::Workspace;

/// Reads each file; what is left of the bound is shared evenly among those that
/// are still to come.
pub(crate) fn read_files(
    workspace: &Workspace,
    request: FilesRead,
) -> Result<FilesContent, FileFault> {
    let FilesRead { reads, length } = request;
    if reads.is_empty() || reads.len() > bounds::FILES {
        return Err(FileFault::Invalid(format!(
            "{} files were asked for; at least 1 and at most {} at a time",
            reads.len(),
            bounds::FILES
        )));
    }
    let mut left = checked_length(length)?;
    let mut coming = reads.len() as u64;
    let mut files = Vec::with_capacity(reads.len());
    for one in reads {
        let share = (left / coming).max(1);
        let own = checked_length(one.length)?;
        let result = match read(workspace, FileRead { length: own.min(share), ..one }) {
            Ok(content) => {
                left = left.saturating_sub(content.data.len() as u64);
                Either::Content(content)
            }
            Err(fault) => Either::Error(fault.into()),
        };
        coming = coming.saturating_sub(1).max(1);
        files.push(ContentOrError { result: Some(result) });
    }
    Ok(FilesContent { files })
}
