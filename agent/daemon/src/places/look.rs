//! Looks whether paths of a workspace are there, without a cell: stat(2) needs no
//! more than that the directories on the way can be searched, and often the
//! agent's user may.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use cofferdam_plan::AbsolutePath;

/// How long a file system may take to answer before nothing is known.
const PATIENCE: Duration = Duration::from_millis(500);

/// What was seen at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Something, with its device and inode.
    There(u64, u64),
    /// Nothing; a directory to make it in is there.
    Missing,
    /// Nothing, and nowhere to make it.
    Homeless,
}

/// Looks at every path; `None` where the agent may not, or gets no answer.
pub(super) async fn at(workspace: &AbsolutePath, paths: &[String]) -> Option<Vec<(String, Look)>> {
    if paths.is_empty() {
        return Some(Vec::new());
    }
    let (workspace, paths) = (workspace.as_path().to_owned(), paths.to_vec());
    let looking = tokio::task::spawn_blocking(move || {
        let look = |path: String| look(&workspace, &path).map(|look| (path, look));
        paths.into_iter().map(look).collect()
    });
    tokio::time::timeout(PATIENCE, looking).await.ok()?.ok()?
}

fn look(workspace: &Path, path: &str) -> Option<Look> {
    let full = workspace.join(path);
    match full.symlink_metadata().map_err(|error| error.kind()) {
        Ok(found) => Some(Look::There(found.dev(), found.ino())),
        Err(ErrorKind::NotFound) => {
            let parent = full.parent()?.symlink_metadata();
            let home = parent.is_ok_and(|parent| parent.is_dir());
            Some(if home { Look::Missing } else { Look::Homeless })
        }
        Err(ErrorKind::NotADirectory) => Some(Look::Homeless),
        Err(_) => None,
    }
}
