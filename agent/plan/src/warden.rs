//! What the agent asks of the warden, what the warden answers, and the warden's
//! half of both.

use crate::cell::{CellId, CellPlan, Limits};
use crate::codec::{Decode, DecodeError, Encode, Frame, Reader, Writer};

mod client;

/// What the agent asks of the warden.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "one request lives at a time, for a moment")]
pub enum WardenRequest {
    /// Build a cell; descriptor: the cell's end of its control socket.
    Build(CellPlan),
    /// End a cell, whatever it is doing.
    Destroy(CellId),
    /// Make a cgroup leaf for a run.
    MakeLeaf(Leaf, Limits),
    /// Remove a leaf whose run is over. With `true`, what is left in it is to end:
    /// nothing forks there from then on.
    RemoveLeaf(Leaf, bool),
    /// Hand over the kernel's records of what the sandbox refused.
    Records,
    /// Keep a cell that was built for an agent before this one. The answer is that of
    /// [`Self::Build`], or that it is gone.
    Adopt(CellId),
}

/// A cgroup leaf of a cell. Numbers start at 1 and are not used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Leaf {
    /// The cell.
    pub cell: CellId,
    /// Its number; the directory is called `run-NUMBER`.
    pub number: u32,
}

/// What the warden says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WardenEvent {
    /// The plan was admitted and its builder is at work; the cell itself says
    /// over its control socket when it is ready.
    Building {
        /// Which.
        cell: CellId,
        /// The uid and gid it runs under, in the warden's user namespace.
        uid: u32,
        /// Its cgroup, relative to each hierarchy's mount; empty: none.
        cgroup: String,
    },
    /// The plan was refused; nothing was made.
    Refused {
        /// Which.
        cell: CellId,
        /// Why.
        refusal: Refusal,
        /// On what, and what to do; at most 1024 bytes of text.
        detail: String,
    },
    /// The cell's processes, cgroup and uid lease are gone.
    Gone {
        /// Which.
        cell: CellId,
    },
    /// A leaf was to be made or removed. Descriptors of one that was made, for the cell's
    /// PID 1: on cgroup v2 the directory, on v1 the `tasks` file of each hierarchy. They
    /// let nobody move a process that is not of the cell's user.
    Leaf {
        /// Which.
        leaf: Leaf,
        /// Whether it is there: made, or not removed because something lives in it.
        there: bool,
        /// Why none was made; at most 1024 bytes of text.
        detail: String,
    },
    /// A socket with the kernel's records travels as a descriptor; with text,
    /// there is none, and why.
    Records(String),
}

/// Why the warden refused a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Above the ceiling, or the ceiling cannot be read.
    Ceiling,
    /// Contradicts itself: a cell id in use, no descriptor, an unknown filter.
    Plan,
    /// No lease, descriptor or process was to be had.
    Exhausted,
    /// A protection is missing that the plan requires.
    Protection,
    /// The kernel said no.
    System,
}

impl Frame for WardenRequest {
    const MAX_FRAME: usize = CellPlan::MAX_FRAME + 1;
}

impl Frame for WardenEvent {
    const MAX_FRAME: usize = 4 * 1024;
}

impl Leaf {
    fn encode(self, w: &mut Writer) {
        w.array(&self.cell.0);
        w.u32(self.number);
    }

    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { cell: CellId(r.array("cell")?), number: r.u32("leaf")? })
    }
}

impl Decode for WardenRequest {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match r.u8("warden request")? {
            1 => Ok(Self::Build(CellPlan::decode(r)?)),
            2 => Ok(Self::Destroy(CellId(r.array("cell")?))),
            3 => Ok(Self::MakeLeaf(Leaf::decode(r)?, Limits::decode(r)?)),
            4 => Ok(Self::RemoveLeaf(Leaf::decode(r)?, r.bool("end")?)),
            5 => Ok(Self::Records),
            6 => Ok(Self::Adopt(CellId(r.array("cell")?))),
            other => Err(DecodeError::Unknown("warden request", other.into())),
        }
    }
}

impl Encode for WardenEvent {
    fn encode(&self, w: &mut Writer) {
        match self {
            Self::Building { cell, uid, cgroup } => {
                w.u8(1);
                w.array(&cell.0);
                w.u32(*uid);
                w.bytes(cgroup.as_bytes());
            }
            Self::Refused { cell, refusal, detail } => {
                w.u8(2);
                w.array(&cell.0);
                w.u8(*refusal as u8);
                w.bytes(detail.as_bytes());
            }
            Self::Gone { cell } => {
                w.u8(3);
                w.array(&cell.0);
            }
            Self::Leaf { leaf, there, detail } => {
                w.u8(4);
                leaf.encode(w);
                w.bool(*there);
                w.bytes(detail.as_bytes());
            }
            Self::Records(why) => {
                w.u8(5);
                w.bytes(why.as_bytes());
            }
        }
    }
}
