//! What the messages of file tools ask.

use cofferdam_policy::Action;
use cofferdam_proto::file::v1::{
    DirectoryMake, FileCopy, FileDelete, FileDownload, FileMove, FileStat, FileUpload, FileWatch,
    FilesRead,
};

use super::WireAction;

impl WireAction for FilesRead {
    fn action(&self) -> Action {
        let Self { reads, length: _ } = self;
        Action::ReadFiles { paths: reads.iter().map(|read| read.path.clone()).collect() }
    }
}

impl WireAction for FileStat {
    fn action(&self) -> Action {
        let Self { path, digest } = self;
        // A digest tells of the content.
        match digest {
            true => Action::ReadFile { path: path.clone() },
            false => Action::StatFile { path: path.clone() },
        }
    }
}

impl WireAction for DirectoryMake {
    fn action(&self) -> Action {
        let Self { path, make_parents: _, mode: _ } = self;
        Action::MakeDirectory { path: path.clone() }
    }
}

impl WireAction for FileMove {
    fn action(&self) -> Action {
        let Self { from, to, overwrite: _, recursive } = self;
        Action::MoveFile { from: from.clone(), to: to.clone(), recursive: *recursive }
    }
}

impl WireAction for FileCopy {
    fn action(&self) -> Action {
        let Self { from, to, overwrite: _, recursive } = self;
        Action::CopyFile { from: from.clone(), to: to.clone(), recursive: *recursive }
    }
}

impl WireAction for FileDelete {
    fn action(&self) -> Action {
        let Self { path, recursive } = self;
        Action::DeleteFile { path: path.clone(), recursive: *recursive }
    }
}

impl WireAction for FileWatch {
    fn action(&self) -> Action {
        let Self { path, recursive: _, wait_millis: _, settle_millis: _ } = self;
        Action::WatchFiles { path: path.clone() }
    }
}

impl WireAction for FileDownload {
    fn action(&self) -> Action {
        let Self { path, offset: _, length: _, version: _, whole_digest: _ } = self;
        Action::ReadFile { path: path.clone() }
    }
}

impl WireAction for FileUpload {
    fn action(&self) -> Action {
        let Self { path, size: _, sha256: _, mode: _, precondition: _, make_parents: _ } = self;
        Action::WriteFile { path: path.clone() }
    }
}
