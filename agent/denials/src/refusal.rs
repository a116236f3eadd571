//! What a run was refused, each different refusal once, with its count.

use crate::blocker::Blocker;
use crate::plain::shorten;
use crate::record::{Access, Object, Seccomp};

/// Something that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// By Landlock.
    Access {
        /// What of the domain refused.
        blockers: Vec<Blocker>,
        /// What was to be accessed; long names are shortened.
        object: Object,
    },
    /// By seccomp.
    Call {
        /// The number of the call.
        syscall: u32,
        /// In which ABI: an `AUDIT_ARCH_*`.
        architecture: u32,
        /// What killed the caller; 0 for nothing: it got an error.
        signal: u32,
        /// The caller's name.
        comm: Vec<u8>,
    },
}

impl Refused {
    pub(crate) fn access(access: Access) -> Self {
        let object = match access.object {
            // Device and inode tell apart what is one path; the path is enough.
            Object::Path { path, request, .. } => {
                Object::Path { path: shorten(path), device: None, inode: None, request }
            }
            Object::Mount { name } => Object::Mount { name: shorten(name) },
            Object::AbstractSocket { name } => Object::AbstractSocket { name: shorten(name) },
            Object::Process { pid, name } => Object::Process { pid, name: shorten(name) },
            other @ (Object::Address { .. } | Object::None) => other,
        };
        Self::Access { blockers: access.blockers, object }
    }

    pub(crate) fn call(call: Seccomp) -> Self {
        Self::Call {
            syscall: call.syscall,
            architecture: call.architecture,
            signal: call.signal,
            comm: shorten(call.comm),
        }
    }
}

/// A refusal and how often it was met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What.
    pub what: Refused,
    /// How often; at least once.
    pub count: u64,
}

/// Different refusals in the order of their first, of a bounded number.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) refusals: Vec<Refusal>,
    /// Records that found no room.
    pub(crate) more: u64,
}

impl Tally {
    /// Counts `what`; one that is new only where fewer than `room` are kept.
    pub(crate) fn add(&mut self, what: Refused, count: u64, room: usize) {
        if let Some(known) = self.refusals.iter_mut().find(|known| known.what == what) {
            known.count = known.count.saturating_add(count);
        } else if self.refusals.len() < room {
            self.refusals.push(Refusal { what, count });
        } else {
            self.more = self.more.saturating_add(count);
        }
    }

    /// Adds all of another.
    pub(crate) fn absorb(&mut self, other: Self, room: usize) {
        self.more = self.more.saturating_add(other.more);
        for Refusal { what, count } in other.refusals {
            self.add(what, count, room);
        }
    }

    /// Records counted.
    pub(crate) fn total(&self) -> u64 {
        let counts = self.refusals.iter().map(|refusal| refusal.count);
        counts.fold(self.more, u64::saturating_add)
    }
}
