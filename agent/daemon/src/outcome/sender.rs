//! Who sent the signal that ended a run, as far as anything tells.
//!
//! The kernel keeps no sender: wait(2) gives the signal, and nothing else. What is
//! left is to rule out. Cofferdam's own signals have endings of their own
//! ([`Ended`](super::Ended), the wall time), the out-of-memory killer counts in the
//! run's cgroup, seccomp writes a record; and a cell with a user of its own can be
//! signalled by its own processes and by root only. What then remains is said as
//! what it is: an inference. Nothing here guesses further.
//!
//! The pipeline calls [`attributed`] when a run has ended and its records are in.

use cofferdam_denials::KillingCall;
use cofferdam_proto::exec::v1::{
    DeniedBySandbox, Outcome, Sandbox, Sender, Signalled, outcome::Ending,
};
use rustix::process::Signal;

/// What there is to know a sender by.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// The call for which the kernel says that seccomp ended a process of the run.
    pub killing: Option<KillingCall>,
    /// Why records of the kernel may be missing; empty: they are all there.
    pub unseen: String,
    /// Nobody else on the host has the cell's user.
    pub own_user: bool,
    /// The run's cgroup counts what the out-of-memory killer does.
    pub memory_counted: bool,
    /// The signals that the caller had it sent, by number.
    pub asked_for: Vec<i32>,
}

impl Evidence {
    /// `records`: what the kernel's records of the run say of a call that ended one of
    /// its processes; `None` where no record could be told from others'. `counted_by`:
    /// the version of the cgroups that count its memory.
    #[must_use]
    pub fn new(
        records: Option<Option<KillingCall>>,
        sandbox: &Sandbox,
        own_uid: Option<u32>,
        counted_by: Option<u8>,
    ) -> Self {
        let unseen = match (&records, sandbox.denials_unseen.as_str()) {
            (None, "") => "it ended before its records could be told from others'",
            (_, unseen) => unseen,
        };
        Self {
            unseen: unseen.to_owned(),
            killing: records.flatten(),
            own_user: own_uid.is_some(),
            memory_counted: counted_by.is_some(),
            asked_for: Vec::new(),
        }
    }
}

/// The outcome with the sender of its signal; one that tells of none stays as it is.
#[must_use]
pub fn attributed(outcome: Outcome, evidence: &Evidence) -> Outcome {
    match outcome.ending {
        Some(Ending::Signalled(Signalled { signal, name, .. })) => {
            let recorded = evidence.killing.as_ref().filter(|call| call.signal == signal);
            let ending = match (recorded, i32::try_from(signal).unwrap_or_default()) {
                (Some(call), _) => of_seccomp(call),
                (None, number) if evidence.asked_for.contains(&number) => {
                    let why = "the caller had it sent this signal before it ended";
                    Attributed::Sent(Sender::Caller, why.to_owned())
                }
                (None, number) if number == Signal::SYS.as_raw() => of_sigsys(evidence),
                (None, number) => of_signal(number, evidence),
            };
            let ending = match ending {
                Attributed::Refused(detail) => Ending::DeniedBySandbox(DeniedBySandbox { detail }),
                Attributed::Sent(sender, evidence) => {
                    let sender = sender.into();
                    Ending::Signalled(Signalled { signal, name, sender, evidence })
                }
            };
            Outcome { ending: Some(ending) }
        }
        _ => outcome,
    }
}

enum Attributed {
    /// The sandbox did it: what it refused.
    Refused(String),
    /// Who did it, and why that is thought.
    Sent(Sender, String),
}

/// Seccomp's, by the kernel's record. Cells' filters end a process for nothing but a
/// call of another ABI.
fn of_seccomp(KillingCall { call, foreign, signal: _ }: &KillingCall) -> Attributed {
    if *foreign {
        Attributed::Refused(format!(
            "it made the system call {call}, which the profile's seccomp filter \
             (`syscalls.filter`) answers with SIGSYS, as the kernel's audit record says: a cell \
             runs programs of the x86-64 ABI only"
        ))
    } else {
        let why = format!(
            "the kernel's audit record says that seccomp ended it for the system call {call}; \
             the cell's filter answers those with an error, so it was a filter that the program \
             set for itself"
        );
        Attributed::Sent(Sender::Kernel, why)
    }
}

/// SIGSYS without a record.
fn of_sigsys(evidence: &Evidence) -> Attributed {
    if evidence.unseen.is_empty() {
        let (sender, why) = by_a_process(evidence);
        let why = format!("no audit record of the kernel says that seccomp sent it; {why}");
        return Attributed::Sent(sender, why);
    }
    Attributed::Refused(format!(
        "it ended by SIGSYS, as the profile's seccomp filter (`syscalls.filter`) ends a program \
         that makes a system call of another ABI than x86-64; which call it was, or whether a \
         process sent the signal, cannot be told: {}",
        evidence.unseen
    ))
}

fn of_signal(signal: i32, evidence: &Evidence) -> Attributed {
    let (sender, why) = match raised_for(signal) {
        Some(what) => (
            Sender::KernelOrProcess,
            format!(
                "the kernel raises it for {what}; a process can send it too, and nothing tells"
            ),
        ),
        // Counted, it would be an outcome of its own.
        None if signal == Signal::KILL.as_raw() && !evidence.memory_counted => {
            let (_, why) = by_a_process(evidence);
            let why =
                format!("no cgroup counts what the kernel's out-of-memory killer does; {why}");
            (Sender::KernelOrProcess, why)
        }
        None => by_a_process(evidence),
    };
    Attributed::Sent(sender, why)
}

/// What is left when neither the kernel nor Cofferdam sent it.
fn by_a_process(evidence: &Evidence) -> (Sender, String) {
    if evidence.own_user {
        let why = "neither Cofferdam nor the kernel sent it of themselves, and only processes of \
                   the cell (itself among them) and root on the host may signal it; the kernel \
                   keeps no record of which";
        (Sender::Process, why.to_owned())
    } else {
        let why = "Cofferdam did not send it; the cell has no user of its own, so any process of \
                   that user on the host may have";
        (Sender::Unknown, why.to_owned())
    }
}

/// For what of a program's own doing the kernel raises a signal (signal(7)); `None`
/// for one that somebody has to send.
fn raised_for(signal: i32) -> Option<&'static str> {
    const RAISED: [(Signal, &str); 12] = [
        (Signal::ILL, "an instruction that the processor does not know"),
        (Signal::TRAP, "a breakpoint or trap in the program"),
        (Signal::BUS, "an access to memory that is not there, such as beyond a mapped file's end"),
        (Signal::FPE, "a faulty calculation, such as a division by zero"),
        (Signal::SEGV, "an access to memory that the program may not make"),
        (Signal::PIPE, "writing to a pipe or socket that nobody reads any more"),
        (Signal::ALARM, "a timer that the program set"),
        (Signal::VTALARM, "a timer that the program set"),
        (Signal::PROF, "a timer that the program set"),
        (Signal::XCPU, "a limit of CPU time that the program set for itself"),
        (Signal::XFSZ, "a limit of file size that the program set for itself"),
        (Signal::HUP, "a terminal that was closed"),
    ];
    RAISED.iter().find(|(known, _)| known.as_raw() == signal).map(|(_, what)| *what)
}

#[cfg(test)]
mod tests;
