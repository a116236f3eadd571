//! How wire messages look in answers. Every message is taken apart completely,
//! so that a new field does not build before it has a place here.

use std::fmt::Write;

use cofferdam_journal::{Ending, Sender, Usage};
use cofferdam_proto::exec::v1 as exec;
use cofferdam_proto::file::v1 as file;
use schemars::JsonSchema;
use serde::Serialize;

/// Where a call acted and by whose leave; part of every host's answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Provenance {
    /// The host that acted.
    pub(crate) host: String,
    /// The project that it acted in.
    pub(crate) project: String,
    /// The run's id, which also stands in both journals.
    pub(crate) run_id: String,
    /// Why it was allowed.
    pub(crate) decision: Decision,
}

/// By whose leave.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Decision {
    /// Ids of the rules that allowed it.
    pub(crate) rules: Vec<String>,
    /// The sandbox profile that they gave.
    pub(crate) profile: String,
}

/// How a run ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct OutcomeView {
    /// exited, signalled, timed_out, out_of_memory, limit_hit,
    /// denied_by_sandbox, cancelled, failed_to_start or lost.
    pub(super) kind: &'static str,
    /// The exit code, of `exited`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<u32>,
    /// The signal's name, of `signalled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) signal: Option<String>,
    /// Who sent the signal: kernel, kernel_or_process (the kernel raises such a signal for
    /// what the program did; a process can send it too), process (of the same cell, or root
    /// on the host), or unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sender: Option<&'static str>,
    /// In words, of everything but `exited`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) detail: Option<String>,
}

/// What a run used; 0 where the host cannot tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct UsageView {
    /// Milliseconds of CPU in user mode.
    pub(super) cpu_user_ms: u64,
    /// Milliseconds of CPU in the kernel.
    pub(super) cpu_system_ms: u64,
    /// The most memory at one time, in bytes.
    pub(super) peak_memory_bytes: u64,
    /// Bytes read from disks.
    pub(super) read_bytes: u64,
    /// Bytes written to disks.
    pub(super) written_bytes: u64,
}

/// A layer of the sandbox that is weaker than asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct WeakLayer {
    /// Its name.
    pub(super) layer: String,
    /// Why it is weaker.
    pub(super) detail: String,
}

/// A file, directory or other entry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct Entry {
    /// The path. Bytes that are not UTF-8 are written `\xHH`, and taken so.
    pub(super) path: String,
    /// regular, directory, symlink, fifo, socket, block_device,
    /// character_device or unknown.
    pub(super) kind: &'static str,
    /// Bytes.
    pub(super) size: u64,
    /// Permission bits in octal.
    pub(super) mode: String,
    /// When it was last changed (RFC 3339, UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) modified_at: Option<String>,
    /// Where a symlink points.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) symlink_target: Option<String>,
}

impl From<Ending> for OutcomeView {
    fn from(ending: Ending) -> Self {
        let told = |kind, detail: String| Self { kind, detail: Some(detail), ..Self::default() };
        match ending {
            Ending::Exited { code } => Self { kind: "exited", code: Some(code), ..Self::default() },
            Ending::Signalled { signal, name, sender, evidence } => Self {
                kind: "signalled",
                detail: Some(signalled(signal, &name, sender, &evidence)),
                signal: Some(name),
                sender: sender.name(),
                code: None,
            },
            Ending::TimedOut { limit_millis } => told(
                "timed_out",
                format!("ended after its {limit_millis} ms; give a larger timeout_seconds"),
            ),
            Ending::OutOfMemory { limit_bytes, peak_bytes } => told(
                "out_of_memory",
                format!("ended at its limit of {limit_bytes} bytes (most used: {peak_bytes})"),
            ),
            Ending::LimitHit { limit, value } => {
                told("limit_hit", format!("ended at its limit of {limit}: {value}"))
            }
            Ending::DeniedBySandbox { detail } => told("denied_by_sandbox", detail),
            Ending::Cancelled { by } => told("cancelled", format!("cancelled by {by}")),
            Ending::FailedToStart { step, errno, detail } => told(
                "failed_to_start",
                match errno {
                    0 => format!("{step}: {detail}"),
                    errno => format!("{step}: {detail} (errno {errno})"),
                },
            ),
            Ending::Lost { reason } => {
                told("lost", format!("{reason}; it may have run, in part or completely"))
            }
            Ending::GoesOn => Self { kind: "running", ..Self::default() },
            Ending::Completed => Self { kind: "completed", ..Self::default() },
            Ending::Failed { reason, detail } => told("failed", format!("{reason}: {detail}")),
        }
    }
}

fn signalled(signal: u32, name: &str, sender: Sender, evidence: &str) -> String {
    let by = sender.in_words().map_or(String::new(), |sender| format!(", sent by {sender}"));
    let why = if evidence.is_empty() { String::new() } else { format!(": {evidence}") };
    format!("ended by signal {signal} ({name}){by}{why}")
}

impl From<Usage> for UsageView {
    fn from(usage: Usage) -> Self {
        let Usage {
            wall_micros: _,
            cpu_user_micros,
            cpu_system_micros,
            peak_memory_bytes,
            read_bytes,
            written_bytes,
        } = usage;
        Self {
            cpu_user_ms: cpu_user_micros / 1000,
            cpu_system_ms: cpu_system_micros / 1000,
            peak_memory_bytes,
            read_bytes,
            written_bytes,
        }
    }
}

/// Splits layers into the names of those that hold and those that are weaker.
pub(super) fn layers(layers: Vec<exec::Layer>) -> (Vec<String>, Vec<WeakLayer>) {
    let mut effective = Vec::new();
    let mut weak = Vec::new();
    for exec::Layer { name, effective: holds, detail } in layers {
        if holds { effective.push(name) } else { weak.push(WeakLayer { layer: name, detail }) }
    }
    (effective, weak)
}

impl From<file::FileInfo> for Entry {
    fn from(info: file::FileInfo) -> Self {
        let kind = kind_name(info.kind());
        let file::FileInfo { path, kind: _, size, mode, modified_at, symlink_target, sha256: _ } =
            info;
        Self {
            path: path_text(&path),
            kind,
            size,
            mode: format!("{mode:04o}"),
            modified_at: modified_at.as_ref().and_then(timestamp),
            symlink_target: (!symlink_target.is_empty()).then(|| lossy(&symlink_target)),
        }
    }
}

/// The name of a kind in answers.
pub(crate) fn kind_name(kind: file::FileKind) -> &'static str {
    match kind {
        file::FileKind::Unspecified => "unknown",
        file::FileKind::Regular => "regular",
        file::FileKind::Directory => "directory",
        file::FileKind::Symlink => "symlink",
        file::FileKind::Fifo => "fifo",
        file::FileKind::Socket => "socket",
        file::FileKind::BlockDevice => "block_device",
        file::FileKind::CharacterDevice => "character_device",
    }
}

/// A path as text that can be given as a path again: see [`super::file_input`].
pub(crate) fn path_text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        let mut valid = chunk.valid();
        while let Some(at) = valid.find('\\') {
            let (before, from) = valid.split_at(at);
            text.push_str(before);
            // A backslash that would be read as an escape is escaped itself.
            let is_escape = super::file_input::escape(from.as_bytes()).is_some();
            text.push_str(if is_escape { "\\x5c" } else { "\\" });
            valid = &from[1..];
        }
        text.push_str(valid);
        for byte in chunk.invalid() {
            // Writing to a text never fails.
            _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// Bytes as text, with U+FFFD for what is not UTF-8.
pub(super) fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// RFC 3339 in UTC; none where the time is out of range.
pub(crate) fn timestamp(time: &prost_types::Timestamp) -> Option<String> {
    let prost_types::Timestamp { seconds, nanos } = *time;
    rfc3339(jiff::Timestamp::new(seconds, nanos).ok()?)
}

/// To the second; finer does not help a reader.
pub(super) fn rfc3339(time: jiff::Timestamp) -> Option<String> {
    time.round(jiff::Unit::Second).ok().map(|time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_told_with_its_sender_and_why_and_without_where_the_host_does_not_say() {
        let told = |sender, evidence: &str| {
            OutcomeView::from(Ending::Signalled {
                signal: 9,
                name: "SIGKILL".to_owned(),
                sender,
                evidence: evidence.to_owned(),
            })
        };
        let view = told(Sender::Process, "the kernel keeps no record of which");
        assert_eq!(view.sender, Some("process"));
        assert_eq!(
            view.detail.unwrap(),
            "ended by signal 9 (SIGKILL), sent by a process of the cell, or root on the host: \
             the kernel keeps no record of which"
        );
        let view = told(Sender::Unsaid, "");
        assert_eq!(view.sender, None);
        assert_eq!(view.detail.unwrap(), "ended by signal 9 (SIGKILL)");
    }
}
