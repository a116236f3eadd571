//! The tools that look at, make, move, copy and remove whole files: one file each.

mod copy_file;
mod delete_file;
mod make_directory;
mod move_file;
mod read_files;
mod stat_file;
mod watch_files;

pub(crate) use copy_file::CopyFile;
pub(crate) use delete_file::DeleteFile;
pub(crate) use make_directory::MakeDirectory;
pub(crate) use move_file::MoveFile;
pub(crate) use read_files::ReadFiles;
pub(crate) use stat_file::StatFile;
pub(crate) use watch_files::WatchFiles;
