//! How a run or a file operation ended, as records say it.
//!
//! Gateway and agent make it from the same wire message, so that reconciling
//! compares like with like.

use cofferdam_proto::exec::v1 as wire;
use serde::{Deserialize, Serialize};

/// Bytes of one text in an ending from the wire: a host's words must not be more than a
/// record takes, or nothing would be recorded of it.
const TEXT: usize = 4096;

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Ending {
    /// The command exited by itself.
    Exited {
        /// 0 to 255.
        code: u32,
    },
    /// A signal ended the command.
    Signalled {
        /// Its number.
        signal: u32,
        /// Its name, such as `SIGSEGV`.
        name: String,
        /// Who sent it.
        #[serde(default, skip_serializing_if = "Sender::is_unsaid")]
        sender: Sender,
        /// Why that sender, in words.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        evidence: String,
    },
    /// Ended at the limit of wall time.
    TimedOut {
        /// The limit.
        limit_millis: u64,
    },
    /// Ended at the limit of memory.
    OutOfMemory {
        /// The limit.
        limit_bytes: u64,
        /// The most that was used.
        peak_bytes: u64,
    },
    /// Ended at another limit.
    LimitHit {
        /// `output`, `processes`, …
        limit: String,
        /// Its value.
        value: u64,
    },
    /// Ended because the sandbox refused something.
    DeniedBySandbox {
        /// What was refused and which setting governs it.
        detail: String,
    },
    /// Ended because somebody asked for it.
    Cancelled {
        /// `caller`, `host owner`, `agent stopped`, …
        by: String,
    },
    /// Never started.
    FailedToStart {
        /// The step that failed.
        step: String,
        /// errno(3); 0 where none applies.
        errno: i32,
        /// Why.
        detail: String,
    },
    /// Nobody knows: a process or a machine went down in between.
    Lost {
        /// What went down.
        reason: String,
    },
    /// It has not ended: the caller was answered, and the run goes on on its host.
    /// Another outcome of the same intent follows.
    GoesOn,
    /// An operation other than a run was carried out.
    Completed,
    /// An operation other than a run was not carried out, or the host never
    /// took the request.
    Failed {
        /// A stable reason, such as `FILE_NOT_FOUND` or `HOST_UNREACHABLE`.
        reason: String,
        /// In words.
        detail: String,
    },
}

/// Who sent the signal that ended a run, as far as it can be known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sender {
    /// The host does not say: it has an older version.
    #[default]
    Unsaid,
    /// The kernel, by a record of its own.
    Kernel,
    /// The kernel for what the program did, or a process: nothing tells which.
    KernelOrProcess,
    /// A process of the same cell, or one with root's rights outside of it.
    Process,
    /// Any process of the cell's user: the cell has no user of its own.
    Unknown,
    /// Whoever started the run asked for it.
    Caller,
}

/// What a run used. Zero where the host cannot tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Usage {
    /// Microseconds from start to end.
    pub wall_micros: u64,
    /// Microseconds of CPU in user mode.
    pub cpu_user_micros: u64,
    /// Microseconds of CPU in the kernel.
    pub cpu_system_micros: u64,
    /// The most memory at one time.
    pub peak_memory_bytes: u64,
    /// Bytes read from disks.
    pub read_bytes: u64,
    /// Bytes written to disks.
    pub written_bytes: u64,
}

impl Ending {
    /// As records name it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Exited { .. } => "exited",
            Self::Signalled { .. } => "signalled",
            Self::TimedOut { .. } => "timed_out",
            Self::OutOfMemory { .. } => "out_of_memory",
            Self::LimitHit { .. } => "limit_hit",
            Self::DeniedBySandbox { .. } => "denied_by_sandbox",
            Self::Cancelled { .. } => "cancelled",
            Self::FailedToStart { .. } => "failed_to_start",
            Self::Lost { .. } => "lost",
            Self::GoesOn => "goes_on",
            Self::Completed => "completed",
            Self::Failed { .. } => "failed",
        }
    }

    /// From the wire; a message that names no ending is `lost`. Texts are cut after 4 KiB.
    pub fn from_wire(outcome: wire::Outcome) -> Self {
        use wire::outcome::Ending as Wire;
        let wire::Outcome { ending } = outcome;
        match ending {
            Some(Wire::Exited(wire::Exited { code })) => Self::Exited { code },
            Some(Wire::Signalled(wire::Signalled { signal, name, sender, evidence })) => {
                let (name, evidence) = (bounded(name), bounded(evidence));
                Self::Signalled { signal, name, sender: Sender::from_wire(sender), evidence }
            }
            Some(Wire::TimedOut(wire::TimedOut { limit })) => {
                Self::TimedOut { limit_millis: micros(limit) / 1000 }
            }
            Some(Wire::OutOfMemory(wire::OutOfMemory { limit_bytes, peak_bytes })) => {
                Self::OutOfMemory { limit_bytes, peak_bytes }
            }
            Some(Wire::LimitHit(wire::LimitHit { limit, value })) => {
                Self::LimitHit { limit: bounded(limit), value }
            }
            Some(Wire::DeniedBySandbox(wire::DeniedBySandbox { detail })) => {
                Self::DeniedBySandbox { detail: bounded(detail) }
            }
            Some(Wire::Cancelled(wire::Cancelled { by })) => Self::Cancelled { by: bounded(by) },
            Some(Wire::FailedToStart(wire::FailedToStart { step, errno, detail })) => {
                Self::FailedToStart { step: bounded(step), errno, detail: bounded(detail) }
            }
            Some(Wire::Lost(wire::Lost { reason })) => Self::Lost { reason: bounded(reason) },
            None => Self::Lost { reason: "the host named no ending".to_owned() },
        }
    }
}

impl Sender {
    /// From the wire; a number that this version does not know says nothing.
    #[must_use]
    pub fn from_wire(sender: i32) -> Self {
        match wire::Sender::try_from(sender) {
            Ok(wire::Sender::Kernel) => Self::Kernel,
            Ok(wire::Sender::KernelOrProcess) => Self::KernelOrProcess,
            Ok(wire::Sender::Process) => Self::Process,
            Ok(wire::Sender::Unknown) => Self::Unknown,
            Ok(wire::Sender::Caller) => Self::Caller,
            Ok(wire::Sender::Unspecified) | Err(_) => Self::Unsaid,
        }
    }

    /// As records and answers name it; `None` where the host does not say.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Unsaid => None,
            Self::Kernel => Some("kernel"),
            Self::KernelOrProcess => Some("kernel_or_process"),
            Self::Process => Some("process"),
            Self::Unknown => Some("unknown"),
            Self::Caller => Some("caller"),
        }
    }

    /// For a sentence: «sent by …».
    #[must_use]
    pub fn in_words(self) -> Option<&'static str> {
        match self {
            Self::Unsaid => None,
            Self::Kernel => Some("the kernel"),
            Self::KernelOrProcess => {
                Some("the kernel for what the program did, or a process of the cell")
            }
            Self::Process => Some("a process of the cell, or root on the host"),
            Self::Unknown => Some("an unknown process of the same user"),
            Self::Caller => Some("the caller"),
        }
    }

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_unsaid(&self) -> bool {
        *self == Self::Unsaid
    }
}

impl Usage {
    /// From the wire.
    pub fn from_wire(usage: wire::Usage) -> Self {
        let wire::Usage {
            wall,
            cpu_user,
            cpu_system,
            peak_memory_bytes,
            read_bytes,
            written_bytes,
        } = usage;
        Self {
            wall_micros: micros(wall),
            cpu_user_micros: micros(cpu_user),
            cpu_system_micros: micros(cpu_system),
            peak_memory_bytes,
            read_bytes,
            written_bytes,
        }
    }
}

/// The beginning of a text, whole characters.
fn bounded(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(TEXT));
    text
}

/// Microseconds of a duration; 0 where there is none or it is negative.
fn micros(duration: Option<prost_types::Duration>) -> u64 {
    let Some(prost_types::Duration { seconds, nanos }) = duration else { return 0 };
    let seconds = u64::try_from(seconds).unwrap_or(0);
    let nanos = u64::try_from(nanos).unwrap_or(0);
    seconds.saturating_mul(1_000_000).saturating_add(nanos / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_before_senders_were_told_is_read_and_written_as_it_was() {
        let old = r#"{"kind":"signalled","signal":9,"name":"SIGKILL"}"#;
        let ending: Ending = serde_json::from_str(old).unwrap();
        let Ending::Signalled { sender, .. } = &ending else { panic!("{ending:?}") };
        assert_eq!(*sender, Sender::Unsaid);
        assert_eq!(serde_json::to_string(&ending).unwrap(), old);
    }

    #[test]
    fn a_hosts_words_never_outgrow_a_record_and_are_cut_at_a_character() {
        let detail = "ä".repeat(1 << 20);
        let ending = wire::outcome::Ending::DeniedBySandbox(wire::DeniedBySandbox { detail });
        let ending = Ending::from_wire(wire::Outcome { ending: Some(ending) });
        assert_eq!(ending, Ending::DeniedBySandbox { detail: "ä".repeat(2048) });
    }

    #[test]
    fn a_sender_of_a_later_version_says_nothing() {
        assert_eq!(Sender::from_wire(2), Sender::KernelOrProcess);
        assert_eq!(Sender::from_wire(99), Sender::Unsaid);
    }
}
