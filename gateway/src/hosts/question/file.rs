//! Questions about files.

use cofferdam_proto::file::v1::{
    CopyFileRequest, CopyFileResponse, DeleteFileRequest, DeleteFileResponse, DirectoryMade,
    DirectoryMake, FileChanges, FileCopied, FileCopy, FileDelete, FileDeleted, FileInfo, FileMove,
    FileMoved, FileStat, FileWatch, FilesContent, FilesRead, MakeDirectoryRequest,
    MakeDirectoryResponse, MoveFileRequest, MoveFileResponse, ReadFilesRequest, ReadFilesResponse,
    StatFileRequest, StatFileResponse, WatchFilesRequest, WatchFilesResponse,
};
use cofferdam_proto::intent::v1::{SignedIntent, SignedReceipt};
use tonic::{Response, Status};

use super::Question;
use crate::hosts::Host;

/// One question: its request and field, its response and field, its method.
macro_rules! question {
    ($wire:ident, $request:ident { $field:ident }, $response:ident { $result:ident: $answer:ident }, $method:ident) => {
        impl Question for $wire {
            type Answer = $answer;

            async fn send(
                self,
                host: &Host,
                intent: SignedIntent,
            ) -> Result<(Option<$answer>, Option<SignedReceipt>), Status> {
                let request = $request { intent: Some(intent), $field: Some(self) };
                let $response { $result, receipt } =
                    host.files().$method(request).await.map(Response::into_inner)?;
                Ok(($result, receipt))
            }
        }
    };
}

question!(
    FilesRead,
    ReadFilesRequest { read },
    ReadFilesResponse { contents: FilesContent },
    read_files
);
question!(FileStat, StatFileRequest { stat }, StatFileResponse { info: FileInfo }, stat_file);
question!(
    DirectoryMake,
    MakeDirectoryRequest { make },
    MakeDirectoryResponse { made: DirectoryMade },
    make_directory
);
question!(FileMove, MoveFileRequest { r#move }, MoveFileResponse { moved: FileMoved }, move_file);
question!(FileCopy, CopyFileRequest { copy }, CopyFileResponse { copied: FileCopied }, copy_file);
question!(
    FileDelete,
    DeleteFileRequest { delete },
    DeleteFileResponse { deleted: FileDeleted },
    delete_file
);
question!(
    FileWatch,
    WatchFilesRequest { watch },
    WatchFilesResponse { changes: FileChanges },
    watch_files
);
