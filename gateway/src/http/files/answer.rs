//! Answers to requests for files, and refusals with a status and one JSON object.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cofferdam_proto::file::v1::{FileDownloaded, FileUploaded};
use cofferdam_trust::hex;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_body::Frame;
use serde_json::json;
use tokio::sync::mpsc;

use crate::fault::Fault;
use crate::hosts::HostError;
use crate::pipeline::transfer::{Begun, Passed};
use crate::tools::Provenance;

/// RFC 9530: of what was sent.
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");
/// RFC 9530: of the whole file.
const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");
/// Bytes of the whole file.
const SIZE: HeaderName = HeaderName::from_static("cofferdam-size");
/// Where in it the body begins.
const OFFSET: HeaderName = HeaderName::from_static("cofferdam-offset");
/// Its permission bits, in octal digits.
const MODE: HeaderName = HeaderName::from_static("cofferdam-mode");
/// The call's id in both journals.
const RUN: HeaderName = HeaderName::from_static("cofferdam-run-id");

/// A file's content, as it comes.
struct Content(mpsc::Receiver<Passed>, bool);

/// It broke off: the connection closes, so that nobody takes it for all.
#[derive(Debug, thiserror::Error)]
#[error("the file broke off")]
struct BrokenOff;

impl HttpBody for Content {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        if self.1 {
            return Poll::Ready(None);
        }
        self.0.poll_recv(context).map(|moved| match moved {
            Some(Passed::Bytes(bytes)) => Some(Ok(Frame::data(bytes))),
            Some(Passed::Sent(downloaded)) => {
                self.1 = true;
                Some(Ok(Frame::trailers(trailers(&downloaded))))
            }
            None => {
                self.1 = true;
                Some(Err(BrokenOff))
            }
        })
    }
}

/// A file, or the part of it that begins at an offset and has a length (0: to the end).
pub(super) fn content(run_id: &str, (offset, length): (u64, u64), begun: Begun) -> Response {
    let Begun { opened, moved } = begun;
    let info = opened.info.unwrap_or_default();
    let end = match length {
        0 => info.size,
        length => info.size.min(offset.saturating_add(length)),
    };
    let mut response = Response::new(Body::new(Content(moved, false)));
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, text: String| {
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(name, value);
        }
    };
    set(header::CONTENT_TYPE, "application/octet-stream".to_owned());
    set(header::CACHE_CONTROL, "no-store".to_owned());
    set(header::ETAG, format!("\"{}\"", hex(&opened.version)));
    set(header::TRAILER, format!("{CONTENT_DIGEST}, {REPR_DIGEST}"));
    set(SIZE, info.size.to_string());
    set(OFFSET, offset.to_string());
    set(MODE, format!("{:o}", info.mode & 0o777));
    set(RUN, run_id.to_owned());
    if (offset, end) != (0, info.size) && offset < end {
        set(header::CONTENT_RANGE, format!("bytes {offset}-{}/{}", end - 1, info.size));
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    response
}

fn trailers(downloaded: &FileDownloaded) -> HeaderMap {
    let FileDownloaded { sha256, file_sha256, .. } = downloaded;
    let digest =
        |bytes: &[u8]| HeaderValue::try_from(format!("sha-256=:{}:", STANDARD.encode(bytes)));
    let mut trailers = HeaderMap::new();
    for (name, bytes) in [(CONTENT_DIGEST, sha256), (REPR_DIGEST, file_sha256)] {
        if !bytes.is_empty()
            && let Ok(value) = digest(bytes)
        {
            trailers.insert(name, value);
        }
    }
    trailers
}

/// What came of an upload.
pub(super) fn uploaded(path: &str, uploaded: FileUploaded, provenance: &Provenance) -> Response {
    let FileUploaded { created, size, sha256, version, notes } = uploaded;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    let mut value = json!(provenance);
    value["path"] = json!(path);
    value["created"] = json!(created);
    value["size"] = json!(size);
    value["sha256"] = json!(hex(&sha256));
    value["version"] = json!(hex(&version));
    value["notes"] = json!(notes);
    (status, axum::Json(value)).into_response()
}

/// Why not.
pub(super) fn refused(fault: &Fault, run_id: &str) -> Response {
    let error = json!({ "error": fault.told(run_id) });
    let mut response = (status(fault), axum::Json(error)).into_response();
    if let Fault::Busy(_) = fault {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// A browser has no business here.
pub(super) fn browser() -> Response {
    let message = "requests with an `Origin` are refused: browsers have no business here";
    let error = json!({ "error": { "reason": "FOREIGN_ORIGIN", "message": message } });
    (StatusCode::FORBIDDEN, axum::Json(error)).into_response()
}

fn status(fault: &Fault) -> StatusCode {
    match fault {
        Fault::Input(bad) => match bad.reason {
            "UNKNOWN_PROJECT" | "UNKNOWN_HOST" => StatusCode::NOT_FOUND,
            "TOO_LARGE" => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::BAD_REQUEST,
        },
        Fault::Busy(_) => StatusCode::TOO_MANY_REQUESTS,
        Fault::Consent(lacking) if lacking.reason() == "APPROVAL_PENDING" => StatusCode::CONFLICT,
        Fault::Refused(_) | Fault::Consent(_) => StatusCode::FORBIDDEN,
        Fault::Unrecorded(_) | Fault::Undurable(_) => StatusCode::SERVICE_UNAVAILABLE,
        Fault::Host(error) => of_host(error),
        Fault::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// What the host said is the caller's to change, or it is the gateway's trouble.
fn of_host(error: &HostError) -> StatusCode {
    let HostError::Refused(refused) = error else {
        return match error {
            HostError::Timeout { .. } => StatusCode::GATEWAY_TIMEOUT,
            _ => StatusCode::BAD_GATEWAY,
        };
    };
    match refused.reason.as_str() {
        "FILE_NOT_FOUND" => StatusCode::NOT_FOUND,
        "FILE_PERMISSION_DENIED" | "ABOVE_CEILING" | "WORKSPACE_READ_ONLY" => StatusCode::FORBIDDEN,
        "FILE_PRECONDITION_FAILED" => StatusCode::PRECONDITION_FAILED,
        "FILE_TOO_LARGE" => StatusCode::PAYLOAD_TOO_LARGE,
        "FILE_NO_SPACE" => StatusCode::INSUFFICIENT_STORAGE,
        "FILE_INVALID" | "FILE_WRONG_KIND" | "INVALID_ARGUMENT" | "INVALID_PART" => {
            StatusCode::BAD_REQUEST
        }
        "UPLOAD_INCOMPLETE" => StatusCode::CONFLICT,
        _ => StatusCode::BAD_GATEWAY,
    }
}
