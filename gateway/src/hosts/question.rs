//! Everything that a host is asked besides runs: one question, one answer, one
//! receipt.

mod file;

use std::future::Future;
use std::time::Duration;

use cofferdam_proto::exec::v1::{FindProgramRequest, FindProgramResponse, ProgramQuery};
use cofferdam_proto::file::v1::{
    DirectoryList, DirectoryListing, EditFileRequest, EditFileResponse, FileContent, FileEdit,
    FileEdited, FileRead, FileSearch, FileWrite, FileWritten, ListDirectoryRequest,
    ListDirectoryResponse, ReadFileRequest, ReadFileResponse, SearchFilesRequest,
    SearchFilesResponse, SearchResult, WriteFileRequest, WriteFileResponse,
};
use cofferdam_proto::host::v1::{
    GetHostRequest, GetHostResponse, Host as HostFacts, HostQuery, ReadServiceRequest,
    ReadServiceResponse, ServiceQuery, ServiceReport,
};
use cofferdam_proto::intent::v1::{SignedIntent, SignedReceipt};
use prost::Message;
use tokio_util::sync::CancellationToken;
use tonic::{Response, Status};

use super::receipt::{CheckedReceipt, digest_of};
use super::{Host, HostError};
use crate::record::RecordedIntent;

/// The longest that such an operation may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// An answer that its receipt proves.
pub(crate) struct Proven<T> {
    /// What the host said.
    pub(crate) answer: T,
    /// The proof.
    pub(crate) receipt: CheckedReceipt,
}

/// A question that a host answers: how it is sent, and what comes back.
pub(crate) trait Question: Clone + Send + Sync {
    /// What comes back.
    type Answer: Message + Send;

    /// Sends it. The answer is missing only where a host forgot it.
    fn send(
        self,
        host: &Host,
        intent: SignedIntent,
    ) -> impl Future<Output = Result<(Option<Self::Answer>, Option<SignedReceipt>), Status>> + Send;
}

impl Host {
    /// Asks what `intent` allows, and checks the receipt.
    pub(crate) async fn ask<Q: Question>(
        &self,
        intent: &RecordedIntent<Q>,
        cancelled: &CancellationToken,
    ) -> Result<Proven<Q::Answer>, HostError> {
        let host = || self.name().to_owned();
        let sent = intent.action().clone().send(self, intent.signed().clone());
        let answered = tokio::select! {
            answered = tokio::time::timeout(PATIENCE, sent) => answered,
            () = cancelled.cancelled() => return Err(HostError::Cancelled { host: host() }),
        };
        let timeout = |_| HostError::Timeout { host: host(), seconds: PATIENCE.as_secs() };
        let (answer, receipt) =
            answered.map_err(timeout)?.map_err(|status| self.refusal(intent, &status))?;
        let answer =
            answer.ok_or_else(|| HostError::Incomplete { host: host(), missing: "a result" })?;
        let receipt = self.check_receipt(intent, receipt, Some(digest_of(&answer)))?;
        Ok(Proven { answer, receipt })
    }
}

impl Question for FileRead {
    type Answer = FileContent;

    async fn send(
        self,
        host: &Host,
        intent: SignedIntent,
    ) -> Result<(Option<FileContent>, Option<SignedReceipt>), Status> {
        let request = ReadFileRequest { intent: Some(intent), read: Some(self) };
        let ReadFileResponse { content, receipt } =
            host.files().read_file(request).await.map(Response::into_inner)?;
        Ok((content, receipt))
    }
}

impl Question for FileWrite {
    type Answer = FileWritten;

    async fn send(
        self,
        host: &Host,
        intent: SignedIntent,
    ) -> Result<(Option<FileWritten>, Option<SignedReceipt>), Status> {
        let request = WriteFileRequest { intent: Some(intent), write: Some(self) };
        let WriteFileResponse { written, receipt } =
            host.files().write_file(request).await.map(Response::into_inner)?;
        Ok((written, receipt))
    }
}

impl Question for FileEdit {
    type Answer = FileEdited;

    async fn send(
        self,
        host: &Host,
        intent: SignedIntent,
    ) -> Result<(Option<FileEdited>, Option<SignedReceipt>), Status> {
        let request = EditFileRequest { intent: Some(intent), edit: Some(self) };
        let EditFileResponse { edited, receipt } =
            host.files().edit_file(request).await.map(Response::into_inner)?;
        Ok((edited, receipt))
    }
}

impl Question for DirectoryList {
    type Answer = DirectoryListing;

    async fn send(
        self,
        host: &Host,
        intent: SignedIntent,
    ) -> Result<(Option<DirectoryListing>, Option<SignedReceipt>), Status> {
        let request = ListDirectoryRequest { intent: Some(intent), list: Some(self) };
        let ListDirectoryResponse { listing, receipt } =
            host.files().list_directory(request).await.map(Response::into_inner)?;
        Ok((listing, receipt))
    }
}

impl Question for FileSearch {
    type Answer = SearchResult;

    async fn send(
        self,
        host: &Host,
        intent: SignedIntent,
    ) -> Result<(Option<SearchResult>, Option<SignedReceipt>), Status> {
        let request = SearchFilesRequest { intent: Some(intent), search: Some(self) };
        let SearchFilesResponse { result, receipt } =
            host.files().search_files(request).await.map(Response::into_inner)?;
        Ok((result, receipt))
    }
}

impl Question for ProgramQuery {
    /// Without its receipt, as the receipt's digest covers it.
    type Answer = FindProgramResponse;

    async fn send(
        self,
        host: &Host,
        intent: SignedIntent,
    ) -> Result<(Option<FindProgramResponse>, Option<SignedReceipt>), Status> {
        let request = FindProgramRequest { intent: Some(intent), query: Some(self) };
        let FindProgramResponse { path, executable, receipt } =
            host.runs().find_program(request).await.map(Response::into_inner)?;
        Ok((Some(FindProgramResponse { path, executable, receipt: None }), receipt))
    }
}

impl Question for HostQuery {
    type Answer = HostFacts;

    async fn send(
        self,
        host: &Host,
        intent: SignedIntent,
    ) -> Result<(Option<HostFacts>, Option<SignedReceipt>), Status> {
        let request = GetHostRequest { intent: Some(intent), query: Some(self) };
        let GetHostResponse { host, receipt } =
            host.facts().get_host(request).await.map(Response::into_inner)?;
        Ok((host, receipt))
    }
}

impl Question for ServiceQuery {
    type Answer = ServiceReport;

    async fn send(
        self,
        host: &Host,
        intent: SignedIntent,
    ) -> Result<(Option<ServiceReport>, Option<SignedReceipt>), Status> {
        let request = ReadServiceRequest { intent: Some(intent), query: Some(self) };
        let ReadServiceResponse { report, receipt } =
            host.facts().read_service(request).await.map(Response::into_inner)?;
        Ok((report, receipt))
    }
}
