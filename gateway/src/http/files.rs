//! Files of any size over plain HTTP, for people's commands; agents of models have the
//! file tools.
//!
//! - `GET /files?path=…[&host=…][&project=…]`: the content, as it comes. `Range:
//!   bytes=A-` or `A-B` asks for a part, `If-Match: "VERSION"` for the same file as
//!   before. The answer says version (`ETag`), size, mode and, in trailers, digests:
//!   `Content-Digest` of what was sent, `Repr-Digest` of the whole file.
//! - `PUT /files?path=…[&host=…][&project=…][&mode=644][&make_parents=true]` with
//!   `Repr-Digest` (RFC 9530, SHA-256) of the whole content, which takes the file's
//!   place once all of it has come. `&offset=A&size=N` sends the rest of what broke
//!   off. `If-None-Match: *`: only a new file; `If-Match: "VERSION"` or `"SHA256"`:
//!   only in the place of this one.
//!
//! In `path` any byte may be written `%HH`. It takes the tokens of callers, and each
//! request is a call like any other: the rules know it as `download_file` and
//! `upload_file`. A body is passed on as it comes and bounded by what it is given for,
//! so it counts in no share of memory. Refusals are JSON.

mod answer;
mod asked;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use cofferdam_proto::file::v1::{FileDownload, FileUpload};
use http::{HeaderMap, header};
use rmcp::ServerHandler;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::Endpoint;
use super::refusal::Refusal;
use crate::call::{Call, Origin};
use crate::caller::Caller;
use crate::fault::Fault;
use crate::input::BadInput;
use crate::pipeline::transfer::{self, Target};
use crate::progress::Progress;
use crate::tools::path_text;
use asked::Query;

/// Characters of a client's name that are kept.
const CLIENT: usize = 128;

/// `GET`: a file from a host.
pub(super) async fn download<H: ServerHandler>(
    State(endpoint): State<Arc<Endpoint<H>>>,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    let caller = match endpoint.enter(&parts.headers) {
        Ok(caller) => caller,
        Err(response) => return response,
    };
    let origin = origin(&caller, &parts.headers, "download_file");
    let run_id = origin.run_id.clone();
    let asked = asked::download(parts.uri.query().unwrap_or_default(), &parts.headers);
    let (query, wire) = match asked {
        Ok(asked) => asked,
        Err(bad) => return endpoint.refuse_input(&origin, bad),
    };
    let FileDownload { path, offset, length, version, whole_digest } = &wire;
    let arguments = json!({
        "path": path_text(path), "offset": offset, "length": length,
        "version": cofferdam_trust::hex(version), "whole_digest": whole_digest,
    });
    let part = (*offset, *length);
    let call = endpoint.call(origin, arguments, &query);
    let target = Target { project: query.project, host: query.host };
    match transfer::download(&endpoint.gateway, call, target, wire).await {
        Ok(begun) => answer::content(&run_id, part, begun),
        Err(fault) => answer::refused(&fault, &run_id),
    }
}

/// `PUT`: a file to a host.
pub(super) async fn upload<H: ServerHandler>(
    State(endpoint): State<Arc<Endpoint<H>>>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let caller = match endpoint.enter(&parts.headers) {
        Ok(caller) => caller,
        Err(response) => return response,
    };
    let origin = origin(&caller, &parts.headers, "upload_file");
    let run_id = origin.run_id.clone();
    let asked = asked::upload(parts.uri.query().unwrap_or_default(), &parts.headers);
    let (query, wire, offset) = match asked {
        Ok(asked) => asked,
        Err(bad) => return endpoint.refuse_input(&origin, bad),
    };
    let FileUpload { path, size, sha256, mode, precondition, make_parents } = &wire;
    let arguments = json!({
        "path": path_text(path), "size": size, "sha256": cofferdam_trust::hex(sha256),
        "mode": format!("{mode:o}"), "make_parents": make_parents, "offset": offset,
        "precondition": asked::shown(precondition.as_ref()),
    });
    let path = path_text(path);
    let call = endpoint.call(origin, arguments, &query);
    let target = Target { project: query.project, host: query.host };
    match transfer::upload(&endpoint.gateway, call, target, wire, offset, body).await {
        Ok((uploaded, provenance)) => answer::uploaded(&path, uploaded, &provenance),
        Err(fault) => answer::refused(&fault, &run_id),
    }
}

impl<H: ServerHandler> Endpoint<H> {
    /// Who it is comes before what they send.
    #[allow(clippy::result_large_err, reason = "the answer is made once")]
    fn enter(&self, headers: &HeaderMap) -> Result<Arc<Caller>, Response> {
        let refuse = |caller: Option<&Arc<Caller>>, refusal: &Refusal| {
            self.record(caller, refusal);
            refusal.to_plain_response()
        };
        if headers.contains_key(header::ORIGIN) {
            return Err(answer::browser());
        }
        let caller = match self.authenticate(headers) {
            Ok(caller) => Arc::new(caller),
            Err(refusal) => return Err(refuse(None, &refusal)),
        };
        match self.fair.count(&caller.user) {
            Ok(()) => Ok(caller),
            Err(too_much) => Err(refuse(Some(&caller), &too_much.into())),
        }
    }

    fn refuse_input(&self, origin: &Origin, bad: BadInput) -> Response {
        self.gateway.recorder().failure(origin, bad.reason, &bad.message);
        answer::refused(&Fault::from(bad), &origin.run_id)
    }

    fn call(&self, origin: Origin, arguments: Value, query: &Query) -> Call {
        let mut arguments = match arguments {
            Value::Object(arguments) => arguments,
            _ => Map::new(),
        };
        let named = [("host", &query.host), ("project", &query.project)];
        let named = named.into_iter().filter_map(|(name, value)| Some((name, value.clone()?)));
        arguments.extend(named.map(|(name, value)| (name.to_owned(), json!(value))));
        arguments.retain(|_, value| is_said(value));
        Call {
            origin,
            arguments: Some(arguments),
            profile: None,
            budget: self.gateway.config().limits.result_bytes.get(),
            cancelled: CancellationToken::new(),
            progress: Progress::silent(),
            person: None,
            takes_task: false,
        }
    }
}

/// Whether an argument says anything: records and people get no more of it.
fn is_said(value: &Value) -> bool {
    *value != json!("") && *value != json!(0) && *value != json!(false) && !value.is_null()
}

/// Who calls, as which client.
fn origin(caller: &Arc<Caller>, headers: &HeaderMap, tool: &str) -> Origin {
    let client = headers.get(header::USER_AGENT).and_then(|name| name.to_str().ok());
    let client = client.unwrap_or_default().chars().filter(|c| !c.is_control()).take(CLIENT);
    Origin {
        run_id: uuid::Uuid::new_v4().to_string(),
        caller: Arc::clone(caller),
        client: client.collect(),
        session: format!("token/{}", caller.token_id),
        tool: tool.to_owned(),
        trace: None,
    }
}
