//! Paths as the documentation has them: absolute, or relative to a directory,
//! and never out of the workspace when they started in it.

use std::path::{Component, Path, PathBuf};

use toml::Table;

use super::Sure;

/// Where something is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    At(PathBuf),
    /// Somewhere beneath the workspace: after `cd`.
    Inside,
    /// Not known: what a word of a command line may name.
    Anywhere,
}

/// Where a path leads from a directory; `None` for one that is not taken.
pub(crate) fn place(path: &[u8], directory: Option<&Path>, workspace: &Path) -> Option<Place> {
    let text = std::str::from_utf8(path).ok()?;
    if text.is_empty() || text.contains('\0') {
        return None;
    }
    let (mut at, floor) = match directory {
        _ if text.starts_with('/') => (PathBuf::from("/"), PathBuf::from("/")),
        None => (PathBuf::from("/"), PathBuf::from("/")),
        Some(directory) if directory.starts_with(workspace) => {
            (directory.to_owned(), workspace.to_owned())
        }
        Some(directory) => (directory.to_owned(), directory.to_owned()),
    };
    for part in Path::new(text).components() {
        match part {
            Component::Normal(name) => at.push(name),
            Component::ParentDir if at != floor => drop(at.pop()),
            Component::ParentDir => return None,
            _ => {}
        }
    }
    let known = text.starts_with('/') || directory.is_some();
    Some(if known { Place::At(at) } else { Place::Inside })
}

/// What `beneath` means in this workspace.
pub(crate) fn root(beneath: &str, workspace: &Path) -> PathBuf {
    match beneath.strip_prefix("workspace") {
        Some("") => workspace.to_owned(),
        Some(rest) => workspace.join(rest.trim_start_matches('/')),
        None => PathBuf::from(beneath),
    }
}

/// Whether a place is beneath a root.
pub(crate) fn beneath(place: &Place, root: &Path, workspace: &Path) -> Sure {
    match place {
        Place::At(path) => Sure::when(path.starts_with(root)),
        Place::Inside if workspace.starts_with(root) => Sure::Yes,
        Place::Inside if root.starts_with(workspace) => Sure::Perhaps,
        Place::Inside => Sure::No,
        Place::Anywhere if root == Path::new("/") => Sure::Yes,
        Place::Anywhere => Sure::Perhaps,
    }
}

/// A use of a path.
#[derive(Debug, Clone)]
pub(crate) struct Use {
    pub(crate) place: Place,
    pub(crate) writes: bool,
    /// All that is beneath, too.
    pub(crate) deep: bool,
}

/// Whether a path of an allow rule covers a use: whoever may write may read.
pub(crate) fn permits(path: &Table, used: &Use, workspace: &Path) -> Sure {
    let writes = path["mode"].as_str().unwrap() == "write";
    let root = root(path["beneath"].as_str().unwrap(), workspace);
    if used.writes && !writes { Sure::No } else { beneath(&used.place, &root, workspace) }
}

/// Whether a path of a deny or ask rule covers a use: who may not read may not
/// write, and a search from above looks into it.
pub(crate) fn guards(path: &Table, used: &Use, workspace: &Path) -> Sure {
    let writes = path["mode"].as_str().unwrap() == "write";
    let root = root(path["beneath"].as_str().unwrap(), workspace);
    if writes && !used.writes {
        return Sure::No;
    }
    let from_above = used.deep
        && match &used.place {
            Place::At(at) => root.starts_with(at),
            Place::Inside => root.starts_with(workspace),
            Place::Anywhere => true,
        };
    let above = if from_above { Sure::Perhaps } else { Sure::No };
    beneath(&used.place, &root, workspace).max(above)
}
