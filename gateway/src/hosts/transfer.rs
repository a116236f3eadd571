//! Large files from and to a host, chunk by chunk, and the receipt at the end.
//!
//! Invariant: what is passed on is what the receipt is over. Of a download the
//! digest is made here, from the bytes as they arrive; of an upload the host's word
//! names the digest that the intent was about.

use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use axum::body::Bytes;
use cofferdam_proto::file::v1::download_file_response::Event;
use cofferdam_proto::file::v1::upload_file_request::Part;
use cofferdam_proto::file::v1::{
    DownloadFileRequest, DownloadFileResponse, FileChunk, FileDownload, FileDownloaded, FileOpened,
    FileSent, FileUpload, FileUploaded, UploadBegin, UploadFileRequest, UploadFileResponse,
};
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Response, Streaming};

use super::question::Proven;
use super::receipt::digest_of;
use super::{Host, HostError};
use crate::record::RecordedIntent;

/// The longest wait for one chunk, a little more than the host's own.
const PATIENCE: Duration = Duration::from_secs(150);
/// The longest that a host may take once it has the last chunk: its disk may be slow.
const LAST: Duration = Duration::from_mins(10);

/// A file that a host sends.
pub(crate) struct Download {
    events: Streaming<DownloadFileResponse>,
    opened: FileOpened,
    begun: u64,
    at: u64,
    digest: Context,
}

/// What comes next of it.
pub(crate) enum Piece {
    /// Bytes of it.
    Bytes(Bytes),
    /// That was all.
    Sent(Box<Proven<FileDownloaded>>),
}

impl Host {
    /// Has it send what `intent` allows.
    pub(crate) async fn download(
        &self,
        intent: &RecordedIntent<FileDownload>,
    ) -> Result<Download, HostError> {
        let download = intent.action().clone();
        let begun = download.offset;
        let request =
            DownloadFileRequest { intent: Some(intent.signed().clone()), download: Some(download) };
        let asked = self.within(PATIENCE, self.large_files().download_file(request)).await?;
        let events = asked.map_err(|status| self.refusal(intent, &status))?.into_inner();
        let opened = FileOpened::default();
        let mut download =
            Download { events, opened, begun, at: begun, digest: Context::new(&SHA256) };
        match self.event(intent, &mut download).await? {
            Event::Opened(opened) => Ok(Download { opened, ..download }),
            Event::Chunk(_) | Event::Sent(_) => Err(self.strange()),
        }
    }

    /// What comes next of `download`.
    pub(crate) async fn next(
        &self,
        intent: &RecordedIntent<FileDownload>,
        download: &mut Download,
    ) -> Result<Piece, HostError> {
        match self.event(intent, download).await? {
            Event::Chunk(FileChunk { offset, data }) if offset == download.at => {
                download.digest.update(&data);
                download.at += data.len() as u64;
                Ok(Piece::Bytes(data))
            }
            Event::Sent(FileSent { downloaded: Some(answer), receipt }) => {
                let Download { begun, at, digest, .. } = download;
                let arrived = digest.clone().finish();
                if (answer.offset, answer.length) != (*begun, *at - *begun)
                    || answer.sha256 != arrived.as_ref()
                {
                    let reason = "its digest is not that of the file that arrived".to_owned();
                    return Err(HostError::Receipt { host: self.name().to_owned(), reason });
                }
                let receipt = self.check_receipt(intent, receipt, Some(digest_of(&answer)))?;
                Ok(Piece::Sent(Box::new(Proven { answer, receipt })))
            }
            Event::Opened(_) | Event::Chunk(_) | Event::Sent(_) => Err(self.strange()),
        }
    }

    async fn event(
        &self,
        intent: &RecordedIntent<FileDownload>,
        download: &mut Download,
    ) -> Result<Event, HostError> {
        let next = self.within(PATIENCE, download.events.message()).await?;
        match next.map_err(|status| self.refusal(intent, &status))? {
            Some(DownloadFileResponse { event: Some(event) }) => Ok(event),
            Some(DownloadFileResponse { event: None }) | None => Err(self.strange()),
        }
    }

    /// Has it take what `intent` allows: `chunks` of it, which begin at `offset`. They
    /// may end early; what came is kept there then.
    pub(crate) async fn upload(
        &self,
        intent: &RecordedIntent<FileUpload>,
        offset: u64,
        chunks: mpsc::Receiver<FileChunk>,
        longest: Duration,
    ) -> Result<Proven<FileUploaded>, HostError> {
        let upload = intent.action().clone();
        let (size, sha256) = (upload.size, upload.sha256.clone());
        let begin =
            UploadBegin { intent: Some(intent.signed().clone()), upload: Some(upload), offset };
        let part = |part| UploadFileRequest { part: Some(part) };
        let parts = tokio_stream::once(part(Part::Begin(begin)))
            .chain(ReceiverStream::new(chunks).map(move |chunk| part(Part::Chunk(chunk))));
        let asked = self.within(longest + LAST, self.large_files().upload_file(parts)).await?;
        let answered = asked.map(Response::into_inner);
        let UploadFileResponse { uploaded, receipt } =
            answered.map_err(|status| self.refusal(intent, &status))?;
        let answer = uploaded.filter(|it| it.size == size && it.sha256 == sha256);
        let answer = answer.ok_or_else(|| self.strange())?;
        let receipt = self.check_receipt(intent, receipt, Some(digest_of(&answer)))?;
        Ok(Proven { answer, receipt })
    }

    async fn within<T>(
        &self,
        patience: Duration,
        asked: impl Future<Output = T>,
    ) -> Result<T, HostError> {
        let host = || self.name().to_owned();
        tokio::time::timeout(patience, asked)
            .await
            .map_err(|_| HostError::Timeout { host: host(), seconds: patience.as_secs() })
    }

    fn strange(&self) -> HostError {
        HostError::Incomplete { host: self.name().to_owned(), missing: "what belongs there" }
    }
}

impl Download {
    /// What it is of.
    pub(crate) fn opened(&self) -> &FileOpened {
        &self.opened
    }
}
