//! `cofferdam.file.v1.FileService`: files of a workspace.

use std::pin::Pin;
use std::sync::Arc;

use cofferdam_proto::file::v1::file_service_server::FileService;
use cofferdam_proto::file::v1::worker_request::Operation;
use cofferdam_proto::file::v1::worker_response::Result as Answer;
use cofferdam_proto::file::v1::{
    CopyFileRequest, CopyFileResponse, DeleteFileRequest, DeleteFileResponse, DownloadFileRequest,
    DownloadFileResponse, EditFileRequest, EditFileResponse, ListDirectoryRequest,
    ListDirectoryResponse, MakeDirectoryRequest, MakeDirectoryResponse, MoveFileRequest,
    MoveFileResponse, ReadFileRequest, ReadFileResponse, ReadFilesRequest, ReadFilesResponse,
    SearchFilesRequest, SearchFilesResponse, StatFileRequest, StatFileResponse, UploadFileRequest,
    UploadFileResponse, WatchFilesRequest, WatchFilesResponse, WriteFileRequest, WriteFileResponse,
};
use cofferdam_trust::action_digest;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::fault::{Fault, NoAnswer};
use crate::peers::gateway;
use crate::pipeline::{self, Agent, file_call};

/// The service.
#[derive(Debug, Clone)]
pub struct File(pub Arc<Agent>);

/// The same five steps for each RPC: who asks, what for, do it, is the answer
/// of the right kind, answer.
macro_rules! call {
    ($self:ident, $request:ident, $method:literal, $field:ident, $operation:ident, $answer:ident,
     $response:ident { $result:ident }) => {{
        let gateway = gateway(&$request)?;
        let request = $request.into_inner();
        let action = request.$field.unwrap_or_default();
        let digest = action_digest(&action);
        let operation = Operation::$operation(action);
        let called =
            file_call(&$self.0, &gateway, $method, request.intent, operation, digest).await;
        match called.map_err(Fault::into_status)? {
            (Answer::$answer(result), receipt) => {
                Ok(Response::new($response { $result: Some(result), receipt: Some(receipt) }))
            }
            _ => Err(Fault::from(NoAnswer("it answered something else".into())).into_status()),
        }
    }};
}

#[tonic::async_trait]
impl FileService for File {
    type DownloadFileStream =
        Pin<Box<dyn Stream<Item = Result<DownloadFileResponse, Status>> + Send>>;

    async fn download_file(
        &self,
        request: Request<DownloadFileRequest>,
    ) -> Result<Response<Self::DownloadFileStream>, Status> {
        let gateway = gateway(&request)?;
        let events = pipeline::download(&self.0, &gateway, request.into_inner());
        let events = events.map_err(Fault::into_status)?;
        Ok(Response::new(Box::pin(ReceiverStream::new(events))))
    }

    async fn upload_file(
        &self,
        request: Request<Streaming<UploadFileRequest>>,
    ) -> Result<Response<UploadFileResponse>, Status> {
        let gateway = gateway(&request)?;
        let uploaded = pipeline::upload(&self.0, &gateway, request.into_inner()).await;
        let (uploaded, receipt) = uploaded.map_err(Fault::into_status)?;
        let uploaded = Some(uploaded);
        Ok(Response::new(UploadFileResponse { uploaded, receipt: Some(receipt) }))
    }

    async fn read_file(
        &self,
        request: Request<ReadFileRequest>,
    ) -> Result<Response<ReadFileResponse>, Status> {
        call!(
            self,
            request,
            "FileService.ReadFile",
            read,
            Read,
            Content,
            ReadFileResponse { content }
        )
    }

    async fn write_file(
        &self,
        request: Request<WriteFileRequest>,
    ) -> Result<Response<WriteFileResponse>, Status> {
        call!(
            self,
            request,
            "FileService.WriteFile",
            write,
            Write,
            Written,
            WriteFileResponse { written }
        )
    }

    async fn edit_file(
        &self,
        request: Request<EditFileRequest>,
    ) -> Result<Response<EditFileResponse>, Status> {
        call!(
            self,
            request,
            "FileService.EditFile",
            edit,
            Edit,
            Edited,
            EditFileResponse { edited }
        )
    }

    async fn list_directory(
        &self,
        request: Request<ListDirectoryRequest>,
    ) -> Result<Response<ListDirectoryResponse>, Status> {
        call!(
            self,
            request,
            "FileService.ListDirectory",
            list,
            List,
            Listing,
            ListDirectoryResponse { listing }
        )
    }

    async fn search_files(
        &self,
        request: Request<SearchFilesRequest>,
    ) -> Result<Response<SearchFilesResponse>, Status> {
        call!(
            self,
            request,
            "FileService.SearchFiles",
            search,
            Search,
            Search,
            SearchFilesResponse { result }
        )
    }

    async fn stat_file(
        &self,
        request: Request<StatFileRequest>,
    ) -> Result<Response<StatFileResponse>, Status> {
        call!(self, request, "FileService.StatFile", stat, Stat, Info, StatFileResponse { info })
    }

    async fn read_files(
        &self,
        request: Request<ReadFilesRequest>,
    ) -> Result<Response<ReadFilesResponse>, Status> {
        call!(
            self,
            request,
            "FileService.ReadFiles",
            read,
            ReadFiles,
            Contents,
            ReadFilesResponse { contents }
        )
    }

    async fn make_directory(
        &self,
        request: Request<MakeDirectoryRequest>,
    ) -> Result<Response<MakeDirectoryResponse>, Status> {
        call!(
            self,
            request,
            "FileService.MakeDirectory",
            make,
            MakeDirectory,
            Made,
            MakeDirectoryResponse { made }
        )
    }

    async fn move_file(
        &self,
        request: Request<MoveFileRequest>,
    ) -> Result<Response<MoveFileResponse>, Status> {
        call!(
            self,
            request,
            "FileService.MoveFile",
            r#move,
            Move,
            Moved,
            MoveFileResponse { moved }
        )
    }

    async fn copy_file(
        &self,
        request: Request<CopyFileRequest>,
    ) -> Result<Response<CopyFileResponse>, Status> {
        call!(
            self,
            request,
            "FileService.CopyFile",
            copy,
            Copy,
            Copied,
            CopyFileResponse { copied }
        )
    }

    async fn delete_file(
        &self,
        request: Request<DeleteFileRequest>,
    ) -> Result<Response<DeleteFileResponse>, Status> {
        call!(
            self,
            request,
            "FileService.DeleteFile",
            delete,
            Delete,
            Deleted,
            DeleteFileResponse { deleted }
        )
    }

    async fn watch_files(
        &self,
        request: Request<WatchFilesRequest>,
    ) -> Result<Response<WatchFilesResponse>, Status> {
        call!(
            self,
            request,
            "FileService.WatchFiles",
            watch,
            Watch,
            Changes,
            WatchFilesResponse { changes }
        )
    }
}
