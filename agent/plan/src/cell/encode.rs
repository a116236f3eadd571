//! How the agent writes the plan of a cell. Never runs as root.

use super::{Access, CellPlan, LandlockPlan, Limits, Network, Rights, WorkspacePlan};
use crate::codec::{Encode, Writer};

/// What no message of root's holds.
impl Writer {
    /// Eight bytes.
    pub fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }
    /// Count and items.
    pub fn list<T>(&mut self, items: &[T], mut item: impl FnMut(&mut Self, &T)) {
        self.u32(u32::try_from(items.len()).unwrap_or(u32::MAX));
        for i in items {
            item(self, i);
        }
    }
}

impl Encode for CellPlan {
    fn encode(&self, w: &mut Writer) {
        w.array(&self.cell.0);
        w.bytes(self.subject.as_bytes());
        w.bytes(self.profile.as_bytes());
        w.bytes(self.hostname.as_bytes());
        self.workspace.encode(w);
        w.list(&self.binds, |w, bind| {
            w.bytes(bind.path.as_bytes());
            w.bool(bind.execute);
        });
        w.list(&self.links, |w, link| {
            w.bytes(link.path.as_bytes());
            w.bytes(&link.target);
        });
        w.list(&self.scratch, |w, scratch| {
            w.bytes(scratch.path.as_bytes());
            w.u64(scratch.bytes);
            w.bool(scratch.execute);
        });
        w.bytes(self.home.as_bytes());
        w.list(&self.landlock, |w, rule| rule.encode(w));
        w.u8(match self.network {
            Network::None => 0,
            Network::Host => 1,
        });
        w.array(&self.filter.0);
        self.limits.encode(w);
        self.may_lack.encode(w);
    }
}

impl WorkspacePlan {
    fn encode(&self, w: &mut Writer) {
        w.bytes(self.path.as_bytes());
        w.bool(self.access == Access::Write);
        w.bool(self.execute);
        w.list(&self.protected, |w, path| w.bytes(path.as_bytes()));
        w.list(&self.sockets, |w, path| w.bytes(path.as_bytes()));
    }
}

impl LandlockPlan {
    pub(crate) fn encode(&self, w: &mut Writer) {
        w.bytes(self.path.as_bytes());
        self.rights.encode(w);
    }
}

impl Rights {
    /// List names, and nothing else.
    pub const LIST: Self = Self { read: false, write: false, execute: false };
    /// Read.
    pub const READ: Self = Self { read: true, write: false, execute: false };
    /// Read and execute.
    pub const EXECUTE: Self = Self { read: true, write: false, execute: true };
    /// Read and write.
    pub const WRITE: Self = Self { read: true, write: true, execute: false };

    fn encode(self, w: &mut Writer) {
        w.u8(u8::from(self.read) | u8::from(self.write) << 1 | u8::from(self.execute) << 2);
    }
}

impl Limits {
    pub(crate) fn encode(&self, w: &mut Writer) {
        w.u64(self.memory_bytes);
        w.u64(self.swap_bytes);
        w.u32(self.processes);
        w.u32(self.cpu_millis);
        w.u32(self.cpu_weight);
        w.u64(self.io_bytes);
        w.u32(self.io_device.0);
        w.u32(self.io_device.1);
    }
}
