//! Denials in words: what was refused, which setting governs it, and what would
//! allow it.
//!
//! The reader is a model that has to decide what to do next, or a person who
//! has to change a profile or rule. So each denial names a key of the profile
//! and a grant, and says «none» where nothing would allow it. Most refusals are
//! no failures: programs look for files that they can do without. What only
//! looks has a lower [`Rank`], and a run that succeeded tells briefly.
//!
//! Invariant: names that a command chose are escaped before they are shown.

mod context;
mod landlock;
mod seccomp;
mod told;
mod unseen;

use std::fmt;

use crate::attribution::{Found, Loss};
use crate::refusal::{Refusal, Refused};

pub use context::{Context, HostFiles, Network, Place, Remedy, Tried};
pub use unseen::Unseen;

/// Which layer of the sandbox refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// Rules on paths, ports and processes.
    Landlock,
    /// Rules on system calls.
    Seccomp,
}

impl fmt::Display for Layer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Landlock => "Landlock",
            Self::Seccomp => "seccomp",
        })
    }
}

/// How likely a refusal is to be why a program failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// Programs do not try this in vain: to change, execute, connect, signal.
    Telling,
    /// Programs often try this and go on without: to read, list, ask a device.
    Usual,
}

/// One thing that was refused, explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// Who refused.
    pub layer: Layer,
    /// What was tried, as in «read the file».
    pub operation: String,
    /// On what: a path, address and port, process or system call; escaped.
    pub object: Option<String>,
    /// How often.
    pub count: u64,
    /// The key of the profile that governs it, as in `view.read`.
    pub setting: String,
    /// What would allow it.
    pub grant: String,
    /// How telling it is.
    pub rank: Rank,
}

/// `execute the program `/usr/bin/curl` (2 times): refused by Landlock; …`
impl fmt::Display for Denial {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { layer, operation, object, count, setting, grant, rank: _ } = self;
        out.write_str(operation)?;
        if let Some(object) = object {
            write!(out, " `{object}`")?;
        }
        if *count > 1 {
            write!(out, " ({count} times)")?;
        }
        write!(out, ": refused by {layer}, governed by `{setting}`. What would allow it: {grant}.")
    }
}

/// All that a run was refused, explained.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Explained {
    /// The telling ones first; at most 64.
    pub denials: Vec<Denial>,
    /// Refusals that are not among them.
    pub more: u64,
    /// Refusals of sandboxes that the run's programs made themselves.
    pub own: u64,
    /// The system call for which seccomp last ended a process of the run.
    pub killing: Option<KillingCall>,
    /// What did not arrive.
    pub loss: Loss,
}

/// A system call that seccomp answered by ending its caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KillingCall {
    /// Its name or number, and its ABI: «`getpid` of the x32 ABI».
    pub call: String,
    /// It is of another ABI than x86-64, which every cell's filter ends. Else a
    /// filter that the program set for itself did it: those of cells answer calls
    /// of this ABI with an error.
    pub foreign: bool,
    /// By which signal its caller ended: SIGSYS, or SIGKILL in seccomp's strict mode
    /// (seccomp(2)).
    pub signal: u32,
}

/// Explains what a run met with.
#[must_use]
pub fn explain(found: &Found, context: &Context) -> Explained {
    let Found { refusals, more, own, loss } = found;
    let mut denials: Vec<Denial> = Vec::new();
    for Refusal { what, count } in refusals {
        let Meaning { operation, object, setting, grant, rank } = match what {
            Refused::Access { blockers, object } => landlock::meaning(blockers, object, context),
            Refused::Call { syscall, architecture, signal, comm } => {
                seccomp::meaning(*syscall, *architecture, *signal, comm, context)
            }
        };
        let layer = match what {
            Refused::Access { .. } => Layer::Landlock,
            Refused::Call { .. } => Layer::Seccomp,
        };
        let new = Denial { layer, operation, object, count: *count, setting, grant, rank };
        // Different rights of one object can mean the same.
        let same = |known: &&mut Denial| Denial { count: *count, ..(**known).clone() } == new;
        match denials.iter_mut().find(same) {
            Some(known) => known.count = known.count.saturating_add(*count),
            None => denials.push(new),
        }
    }
    denials.sort_by_key(|denial| denial.rank);
    let killing = refusals.iter().rev().find_map(|refusal| match refusal.what {
        Refused::Call { syscall, architecture, signal, comm: _ } if signal != 0 => {
            Some(KillingCall::of(syscall, architecture, signal))
        }
        _ => None,
    });
    Explained { denials, more: *more, own: *own, killing, loss: *loss }
}

/// What a refusal means; a [`Denial`] without layer and count.
struct Meaning {
    operation: String,
    object: Option<String>,
    setting: String,
    grant: String,
    rank: Rank,
}

#[cfg(test)]
mod tests;
