//! Which paths an action uses, and how: what rules on paths judge one by one.
//!
//! A path that is missing here would be used without a rule, so every action that
//! names a file is written out.

use super::Action;

/// A path that an action uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileUse<'a> {
    /// As it was asked for.
    pub path: &'a [u8],
    /// It is changed, not only read.
    pub writes: bool,
    /// So is what lies beneath.
    pub recursive: bool,
}

impl<'a> FileUse<'a> {
    fn read(path: &'a [u8], recursive: bool) -> Self {
        Self { path, writes: false, recursive }
    }

    fn write(path: &'a [u8], recursive: bool) -> Self {
        Self { path, writes: true, recursive }
    }
}

impl Action {
    /// The paths that a file action uses, all of which have to be permitted. None
    /// of any other action.
    #[must_use]
    pub fn files(&self) -> Vec<FileUse<'_>> {
        match self {
            Self::ReadFile { path } | Self::StatFile { path } => vec![FileUse::read(path, false)],
            Self::ReadFiles { paths } => {
                paths.iter().map(|path| FileUse::read(path, false)).collect()
            }
            Self::WriteFile { path } | Self::EditFile { path } | Self::MakeDirectory { path } => {
                vec![FileUse::write(path, false)]
            }
            // What is moved is gone from where it was.
            Self::MoveFile { from, to, recursive } => {
                vec![FileUse::write(from, *recursive), FileUse::write(to, *recursive)]
            }
            Self::CopyFile { from, to, recursive } => {
                vec![FileUse::read(from, *recursive), FileUse::write(to, *recursive)]
            }
            Self::DeleteFile { path, recursive } => vec![FileUse::write(path, *recursive)],
            Self::ListDirectory { path, recursive } => vec![FileUse::read(path, *recursive)],
            Self::SearchFiles { path } | Self::WatchFiles { path } => {
                vec![FileUse::read(path, true)]
            }
            _ => Vec::new(),
        }
    }

    /// What a tool does with one path, or with one path and another, at its
    /// plainest; `None` where it takes other things.
    #[must_use]
    pub fn on_file(tool: &str, path: Vec<u8>, to: Option<Vec<u8>>) -> Option<Self> {
        let recursive = false;
        Some(match (tool, to) {
            ("read_file" | "download_file", None) => Self::ReadFile { path },
            ("read_files", None) => Self::ReadFiles { paths: vec![path] },
            ("write_file" | "upload_file", None) => Self::WriteFile { path },
            ("edit_file", None) => Self::EditFile { path },
            ("stat_file", None) => Self::StatFile { path },
            ("make_directory", None) => Self::MakeDirectory { path },
            ("move_file", Some(to)) => Self::MoveFile { from: path, to, recursive },
            ("copy_file", Some(to)) => Self::CopyFile { from: path, to, recursive },
            ("delete_file", None) => Self::DeleteFile { path, recursive },
            ("list_directory", None) => Self::ListDirectory { path, recursive },
            ("search_files", None) => Self::SearchFiles { path },
            ("watch_files", None) => Self::WatchFiles { path },
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_move_changes_both_of_its_ends_and_a_copy_reads_the_first() {
        let act = |tool: &str| Action::on_file(tool, b"a".to_vec(), Some(b"b".to_vec())).unwrap();
        let writes =
            |action: &Action| action.files().iter().map(|it| it.writes).collect::<Vec<_>>();
        assert_eq!(writes(&act("move_file")), [true, true]);
        assert_eq!(writes(&act("copy_file")), [false, true]);
        assert_eq!(Action::on_file("move_file", b"a".to_vec(), None), None);
        assert_eq!(Action::on_file("read_file", b"a".to_vec(), Some(b"b".to_vec())), None);
    }
}
