//! Audit: whether refusals reach a log from which they can be explained.
//!
//! The kernel answers `AUDIT_GET` only to CAP_AUDIT_CONTROL in the initial
//! namespaces (audit.h, netlink(7)); for anybody else the state is unknown, and
//! said to be. Nothing is changed.

mod netlink;

use std::path::Path;

use serde::Serialize;

use crate::ability::{Ability, Need, State};
use crate::read::text;

pub use netlink::Status;

/// What is known about audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// The kernel has it: /proc/self/loginuid is there.
    pub built: bool,
    /// The kernel was started with `audit=0`.
    pub off_at_boot: bool,
    /// What the kernel answered.
    pub answer: Answer,
    /// The Landlock of this kernel writes records.
    pub landlock_logs: bool,
}

/// The answer to the question for audit's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// The state, and whether the stream of records may be read.
    Status {
        /// The state.
        status: Status,
        /// Whether this process may listen to records.
        readable: bool,
    },
    /// The question needs CAP_AUDIT_CONTROL in the initial namespaces.
    Forbidden,
    /// Nobody answers, as in a network namespace of a container.
    Silent(String),
}

impl Answer {
    /// Asks the kernel.
    pub(crate) fn ask() -> Self {
        match netlink::status() {
            Ok(status) => Self::Status { status, readable: netlink::may_listen() },
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Self::Forbidden,
            Err(error) => Self::Silent(error.to_string()),
        }
    }
}

impl Audit {
    pub(crate) fn ask(answer: Option<Answer>, landlock_abi: u32) -> Self {
        let line = text("/proc/cmdline").unwrap_or_default();
        Self {
            built: Path::new("/proc/self/loginuid").exists(),
            off_at_boot: line
                .split_whitespace()
                .any(|word| word == "audit=0" || word == "audit=off"),
            answer: answer.unwrap_or_else(Answer::ask),
            landlock_logs: landlock_abi >= 7,
        }
    }

    pub(crate) fn lines(&self) -> Vec<Ability> {
        vec![self.enabled_line(), self.failure_line(), self.records_line()]
    }

    /// The state, where audit is there and it was told.
    fn status(&self) -> Option<&Status> {
        match &self.answer {
            Answer::Status { status, .. } if self.built => Some(status),
            _ => None,
        }
    }

    fn enabled_line(&self) -> Ability {
        let name = "audit.enabled";
        let unseen = "outcomes say that refusals cannot be seen, and not which they were";
        if !self.built || self.off_at_boot {
            let detail = if self.built { "switched off at boot (audit=0)" } else { "not built in" };
            return Ability::new(name, Need::Wished, State::Missing, detail)
                .means(unseen)
                .fix("boot a kernel with CONFIG_AUDIT=y CONFIG_AUDITSYSCALL=y, without audit=0");
        }
        match &self.answer {
            Answer::Status { status, .. } if status.enabled == 0 => {
                Ability::new(name, Need::Wished, State::Missing, "built in, switched off")
                    .means(unseen)
                    .fix("auditctl -e 1 (it logs to the kernel log where auditd does not run)")
            }
            Answer::Status { status, .. } => {
                let detail = format!(
                    "on; backlog of {}, {} records lost",
                    status.backlog_limit, status.lost
                );
                Ability::new(name, Need::Wished, State::Full, detail)
                    .means("the kernel writes a record of each refusal")
            }
            Answer::Forbidden => {
                let detail = "built in; only CAP_AUDIT_CONTROL in the initial namespaces may ask \
                              whether it is on";
                Ability::new(name, Need::Wished, State::Unknown, detail)
                    .means("refusals are explained where audit is on")
                    .fix("sudo cofferdam-agent doctor")
            }
            Answer::Silent(why) => Ability::new(name, Need::Wished, State::Unknown, why.as_str())
                .means(unseen)
                .fix("ask on the host itself, in its initial network namespace"),
        }
    }

    /// Where audit panics over a lost record, a flood of refusals would end the
    /// host.
    fn failure_line(&self) -> Ability {
        let name = "audit.failure";
        let fix = "auditctl -f 1 and -f 1 in /etc/audit/rules.d, or let refusals go unexplained";
        match self.status() {
            Some(status) if status.failure == 2 => {
                Ability::new(name, Need::Wished, State::Missing, "2: panic when records are lost")
                    .means("cells do not log: a flood of refusals could take the host down")
                    .fix(fix)
            }
            Some(status) => {
                let word = if status.failure == 0 { "silent" } else { "printk" };
                let detail = format!("{}: {word} when records are lost", status.failure);
                Ability::new(name, Need::Wished, State::Full, detail)
                    .means("a flood of refusals cannot take the host down")
            }
            None => {
                let detail = "only CAP_AUDIT_CONTROL in the initial namespaces may ask";
                Ability::new(name, Need::Wished, State::Unknown, detail)
                    .means("whether logging refusals is safe for the host is not known")
                    .fix("sudo cofferdam-agent doctor")
            }
        }
    }

    fn records_line(&self) -> Ability {
        let name = "audit.records";
        let readable = match &self.answer {
            Answer::Status { readable, .. } => *readable,
            Answer::Forbidden | Answer::Silent(_) => false,
        };
        let on = self.status().is_some_and(|status| status.enabled != 0);
        let (state, detail, fix) = match (self.landlock_logs, on, readable) {
            (true, true, true) => (State::Full, "seccomp's and Landlock's can be read", ""),
            (false, true, true) => (
                State::Partial,
                "seccomp's can be read; this Landlock writes none (ABI 7 does)",
                "boot Linux 6.15 or later",
            ),
            (_, true, false) => (
                State::Missing,
                "the stream of records cannot be opened",
                "give the warden CAP_AUDIT_READ in the initial network namespace",
            ),
            (_, false, _) if self.status().is_none() => {
                (State::Unknown, "not known without root", "sudo cofferdam-agent doctor")
            }
            (_, false, _) => (State::Missing, "audit is off: there are none", "auditctl -e 1"),
        };
        Ability::new(name, Need::Wished, state, detail)
            .means(match state {
                State::Full => "each outcome tells what was refused and which setting governs it",
                _ => "outcomes say what of a refusal cannot be seen",
            })
            .fix(fix)
            .since("6.15")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn audit(enabled: u32, failure: u32, landlock_logs: bool) -> Audit {
        let status = Status { enabled, failure, backlog_limit: 64, lost: 3 };
        let answer = Answer::Status { status, readable: true };
        Audit { built: true, off_at_boot: false, answer, landlock_logs }
    }

    fn states(audit: &Audit) -> Vec<State> {
        audit.lines().iter().map(|line| line.state).collect()
    }

    #[test]
    fn audit_that_is_on_explains_refusals() {
        assert_eq!(states(&audit(1, 1, true)), [State::Full; 3]);
        assert_eq!(states(&audit(1, 1, false))[2], State::Partial);
        assert_eq!(states(&audit(0, 1, true))[0], State::Missing);
    }

    #[test]
    fn a_host_that_panics_over_lost_records_is_told_not_to_log() {
        let line = &audit(1, 2, true).lines()[1];
        assert_eq!(line.state, State::Missing);
        assert!(line.fix.as_ref().unwrap().contains("auditctl -f 1"));
    }

    #[test]
    fn what_may_not_be_asked_is_unknown() {
        let unasked = Audit { answer: Answer::Forbidden, ..audit(0, 0, true) };
        assert_eq!(states(&unasked), [State::Unknown; 3]);
        let absent = Audit { built: false, ..audit(1, 1, true) };
        assert_eq!(absent.lines()[0].state, State::Missing);
    }
}
