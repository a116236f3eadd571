//! Reads a resource: by a call of the tool that gives the same to a model.

use std::sync::Arc;

use cofferdam_proto::file::v1::{DirectoryListing, FileInfo, FileKind};
use rmcp::model::{ErrorData, ReadResourceResult, ResourceContents};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::contents::{Piece, placed, read_on};
use super::output::{Bytes, MOST, Printed, ReadOutput, has_ended};
use super::raw::{Raw, Told};
use super::uri::{Part, Streams, Uri, What};
use super::{call, error};
use crate::call::Origin;
use crate::fault::Fault;
use crate::gateway::Gateway;
use crate::pipeline::{ask, looked};
use crate::process::handle;
use crate::tools::{ListDirectory, ReadFile, path_text};

/// Bytes of one file or stream that one reading gives.
const PAGE: usize = 1024 * 1024;
/// Entries of a directory that one reading gives.
const ENTRIES: u64 = 1000;

/// Reads what `text` names, for the caller.
pub(crate) async fn read(
    gateway: &Arc<Gateway>,
    origin: &Origin,
    text: &str,
    cancelled: &CancellationToken,
) -> Result<ReadResourceResult, ErrorData> {
    let user = &origin.caller.user;
    let _held = gateway.readings().admit(user).await.map_err(|busy| {
        gateway.recorder().failure(origin, "BUSY", &busy.to_string());
        error::told(&busy.into(), &origin.run_id, text)
    })?;
    let reading = Reading { gateway, origin, text, cancelled };
    let uri = match Uri::parse(text) {
        Ok(uri) => uri,
        Err(bad) => {
            gateway.recorder().failure(origin, "UNKNOWN_RESOURCE", &bad.to_string());
            return Err(error::told(&bad.into(), &origin.run_id, text));
        }
    };
    let contents = match &uri.what {
        What::File { project, path, part } => reading.file(&uri, project, path, *part).await,
        What::Directory { project, path, after } => {
            reading.directory(&uri, project, path, after).await
        }
        What::Output { run, streams, part } => reading.output(&uri, run, *streams, *part).await,
    };
    contents.map(ReadResourceResult::new)
}

struct Reading<'a> {
    gateway: &'a Arc<Gateway>,
    origin: &'a Origin,
    /// The URI as it was sent, which the contents bear.
    text: &'a str,
    cancelled: &'a CancellationToken,
}

impl Reading<'_> {
    async fn file(
        &self,
        uri: &Uri,
        project: &str,
        path: &[u8],
        part: Part,
    ) -> Result<Vec<ResourceContents>, ErrorData> {
        let arguments = json!({
            "path": path_text(path), "host": uri.host, "project": project,
            "offset": part.offset, "length": part.length.unwrap_or(MOST), "encoding": "base64",
        });
        let Told(content) = self.ask::<Raw<ReadFile>>("read_file", arguments, PAGE).await?;
        let (size, offset) = (content.size, content.offset);
        let more = offset.saturating_add(content.data.len() as u64) < size;
        let (uri_text, name, data) = (self.text.to_owned(), path.to_vec(), content.data);
        let (contents, length) = Piece { uri: uri_text, name, data, offset, more }.contents();
        let end = offset.saturating_add(length);
        let next = (end < size && length > 0).then(|| {
            let part = Part { offset: end, length: part.length };
            let (project, path) = (project.to_owned(), path.to_vec());
            Uri { host: uri.host.clone(), what: What::File { project, path, part } }.to_string()
        });
        let place = [("offset", json!(offset)), ("size", json!(size))];
        let mut all = vec![placed(contents, &place, next.as_deref())];
        if let Some(next) = next {
            all.push(read_on(
                &next,
                &format!("the file has {size} bytes, of which {end} are read"),
            ));
        }
        Ok(all)
    }

    async fn directory(
        &self,
        uri: &Uri,
        project: &str,
        path: &[u8],
        after: &[u8],
    ) -> Result<Vec<ResourceContents>, ErrorData> {
        let shown = if path.is_empty() { ".".to_owned() } else { path_text(path) };
        let mut arguments = json!({
            "path": shown, "host": uri.host, "project": project, "max_entries": ENTRIES,
        });
        if !after.is_empty() {
            arguments["after"] = json!(path_text(after));
        }
        let Told(listing) =
            self.ask::<Raw<ListDirectory>>("list_directory", arguments, PAGE).await?;
        let DirectoryListing { entries, truncated: _, next } = listing;
        let next = (!next.is_empty()).then(|| {
            let (project, path) = (project.to_owned(), path.to_vec());
            let what = What::Directory { project, path, after: next };
            Uri { host: uri.host.clone(), what }.to_string()
        });
        let entries: Vec<Value> =
            entries.iter().map(|entry| described(&uri.host, project, entry)).collect();
        let text = json!({ "path": shown, "entries": entries, "next": next }).to_string();
        let contents = ResourceContents::text(text, self.text).with_mime_type("application/json");
        Ok(vec![placed(contents, &[], next.as_deref())])
    }

    async fn output(
        &self,
        uri: &Uri,
        run: &str,
        streams: Streams,
        part: Part,
    ) -> Result<Vec<ResourceContents>, ErrorData> {
        // Two streams share what one reading gives.
        let most = if streams == Streams::Both { MOST / 2 } else { MOST };
        let mut arguments = json!({
            "process": handle(&uri.host, run), "length": part.length.unwrap_or(most).min(most),
        });
        for (name, other) in
            [("stdout_offset", Streams::Stderr), ("stderr_offset", Streams::Stdout)]
        {
            if streams != other {
                arguments[name] = json!(part.offset);
            }
        }
        let call = call(self.origin, "read_process", arguments, PAGE, self.cancelled);
        let run_id = call.origin.run_id.clone();
        let printed = looked::<ReadOutput>(self.gateway, call).await;
        let Told(printed) = printed.map_err(|fault| self.told(&fault, &run_id))?;
        let Printed { summary, streams: read } = printed;
        let state = if has_ended(&summary) { "ended" } else { "running" };
        let mut all = Vec::new();
        for (bytes, stream) in read.into_iter().zip([Streams::Stdout, Streams::Stderr]) {
            let Some(bytes) = bytes else { continue };
            // What was asked for by name is there, and may be empty.
            if streams == Streams::Both && bytes.data.is_empty() && stream == Streams::Stderr {
                continue;
            }
            all.extend(printed_contents(&uri.host, run, stream, bytes, state));
        }
        if all.is_empty() {
            // A terminal has no standard error.
            let own = Uri::output(&uri.host, run, streams, part.offset).to_string();
            all.push(ResourceContents::text("", own));
        }
        Ok(all)
    }

    async fn ask<T: crate::tools::HostTool + 'static>(
        &self,
        tool: &str,
        arguments: Value,
        budget: usize,
    ) -> Result<T::Output, ErrorData> {
        let call = call(self.origin, tool, arguments, budget, self.cancelled);
        let run_id = call.origin.run_id.clone();
        ask::<T>(self.gateway, call).await.map_err(|fault| self.told(&fault, &run_id))
    }

    fn told(&self, fault: &Fault, run_id: &str) -> ErrorData {
        error::told(fault, run_id, self.text)
    }
}

fn printed_contents(
    host: &str,
    run: &str,
    stream: Streams,
    bytes: Bytes,
    state: &str,
) -> Vec<ResourceContents> {
    let Bytes { data, offset, next, lost, end, .. } = bytes;
    let begin = next - data.len() as u64;
    let own = Uri::output(host, run, stream, offset).to_string();
    let more = next < end;
    let piece =
        Piece { uri: own, name: Vec::new(), data, offset: begin, more: more || state != "ended" };
    let (contents, length) = piece.contents();
    let next = begin + length;
    let is_all = next >= end && state == "ended";
    let further = (!is_all).then(|| Uri::output(host, run, stream, next).to_string());
    let place = [("offset", json!(begin)), ("lost_bytes", json!(lost)), ("state", json!(state))];
    let mut all = vec![placed(contents, &place, further.as_deref())];
    if let Some(further) = further.filter(|_| more) {
        all.push(read_on(&further, &format!("{} has {end} bytes by now", stream.name())));
    }
    all
}

/// An entry of a directory, with the URI that names it.
fn described(host: &str, project: &str, entry: &FileInfo) -> Value {
    let (project, path) = (project.to_owned(), entry.path.clone());
    let what = match entry.kind() {
        FileKind::Directory => What::Directory { project, path, after: Vec::new() },
        _ => What::File { project, path, part: Part::default() },
    };
    let kind = crate::tools::kind_name(entry.kind());
    let name = path_text(entry.path.rsplit(|byte| *byte == b'/').next().unwrap_or_default());
    let uri = Uri { host: host.to_owned(), what }.to_string();
    json!({ "name": name, "uri": uri, "kind": kind, "size": entry.size })
}
