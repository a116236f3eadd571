//! The plan of a cell, and how the warden reads it. `ARCHITECTURE.md` has a
//! table of every field here with the warden's check of it.

use crate::codec::{Decode, DecodeError, Frame, Reader};
use crate::path::AbsolutePath;
use crate::report::LayerSet;

mod encode;

/// Names a cell: random, chosen by the agent, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CellId(pub [u8; 16]);

impl std::fmt::Display for CellId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl CellId {
    /// The cell of that name, as it is shown; `None` where it is none's.
    #[must_use]
    pub fn named(text: &str) -> Option<Self> {
        let id = Self(u128::from_str_radix(text, 16).ok()?.to_be_bytes());
        (id.to_string() == text).then_some(id)
    }
}

/// What may be done with a workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Read only.
    Read,
    /// Read and change.
    Write,
}

/// The one tree of the host that the cell may change, at its own path. Who
/// owns it on disk is not said here: the builder asks the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkspacePlan {
    /// Without a symlink in any component; the builder opens it that way.
    pub path: AbsolutePath,
    /// Read, or read and write.
    pub access: Access,
    /// Programs in it may be executed (mounted without `noexec`).
    pub execute: bool,
    /// What in it stays read-only whatever `access` says, if it is there; none
    /// has a symlink in its path.
    pub protected: Vec<AbsolutePath>,
    /// Names of Unix sockets of the host: what of them is a socket is covered with
    /// nothing. Strangers can make any name appear here.
    pub sockets: Vec<AbsolutePath>,
}

/// A file or directory of the host, shown at its own path, read-only, with all
/// mounts beneath, `nosuid` and `nodev`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BindPlan {
    /// Without a symlink in any component.
    pub path: AbsolutePath,
    /// Programs in it may be executed (mounted without `noexec`).
    pub execute: bool,
}

/// A symbolic link in the cell's root, such as `/bin` to `usr/bin`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkPlan {
    /// Where it stands.
    pub path: AbsolutePath,
    /// What it holds, at most 4095 bytes, without NUL.
    pub target: Vec<u8>,
}

/// A private tmpfs, writable, empty at start, gone with the cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScratchPlan {
    /// Where it is mounted.
    pub path: AbsolutePath,
    /// Its size limit in bytes; at least one page.
    pub bytes: u64,
    /// Programs in it may be executed.
    pub execute: bool,
}

/// What Landlock allows on a path and all beneath it. Names in a directory may
/// always be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rights {
    /// Open for reading, list.
    pub read: bool,
    /// Create, change, remove, rename.
    pub write: bool,
    /// execve(2).
    pub execute: bool,
}

/// One Landlock rule. The path is resolved in the finished root of the cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LandlockPlan {
    /// A file or directory in the cell's view; where there is none the rule is
    /// left out.
    pub path: AbsolutePath,
    /// What is allowed there.
    pub rights: Rights,
}

/// What the cell sees of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// A network namespace of its own with nothing but loopback.
    None,
    /// The host's.
    Host,
}

/// Limits of a cell, or of one run in it, kept by cgroups. Zero means: not
/// limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Bytes of memory, page cache included.
    pub memory_bytes: u64,
    /// Bytes of swap on top.
    pub swap_bytes: u64,
    /// Tasks at the same time.
    pub processes: u32,
    /// Thousandths of one CPU.
    pub cpu_millis: u32,
    /// Share of the CPU where others want it too: 1 to 10,000; 100 is usual.
    pub cpu_weight: u32,
    /// Bytes a second read from, and as many written to, `io_device`.
    pub io_bytes: u64,
    /// Major and minor number of a disk.
    pub io_device: (u32, u32),
}

/// SHA-256 of a compiled seccomp filter; names one of those in the warden.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FilterDigest(pub [u8; 32]);

/// One cell, completely.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellPlan {
    /// Its name; must be new.
    pub cell: CellId,
    /// Who asked, as the gateway claims; for the warden's log only.
    pub subject: String,
    /// The profile it was made from; must be one that the ceiling names.
    pub profile: String,
    /// The cell's host name: 1 to 63 letters, digits and hyphens.
    pub hostname: String,
    /// The tree that may be changed.
    pub workspace: WorkspacePlan,
    /// What else of the host is seen. A path here or in `scratch` may lie
    /// beneath an earlier one and then covers it.
    pub binds: Vec<BindPlan>,
    /// Links in the root.
    pub links: Vec<LinkPlan>,
    /// Private writable places.
    pub scratch: Vec<ScratchPlan>,
    /// The home directory that the cell's passwd entry names; one of `scratch`.
    pub home: AbsolutePath,
    /// Landlock's rules.
    pub landlock: Vec<LandlockPlan>,
    /// The network.
    pub network: Network,
    /// The seccomp filter.
    pub filter: FilterDigest,
    /// Limits.
    pub limits: Limits,
    /// Layers that the kernel or the privileges at hand need not give in full:
    /// they are reported as degraded instead of refusing to build.
    pub may_lack: LayerSet,
}

/// Bounds of the lists in a plan.
pub mod bounds {
    /// Binds.
    pub const BINDS: usize = 256;
    /// Links.
    pub const LINKS: usize = 64;
    /// Scratch places.
    pub const SCRATCH: usize = 16;
    /// Paths of the workspace that stay read-only.
    pub const PROTECTED: usize = 256;
    /// Names of sockets in the workspace.
    pub const SOCKETS: usize = 1024;
    /// Landlock rules.
    pub const LANDLOCK: usize = 4096;
    /// Bytes of a label (subject, profile, host name).
    pub const LABEL: usize = 256;
}

impl Frame for CellPlan {
    const MAX_FRAME: usize = 512 * 1024;
}

impl Decode for CellPlan {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            cell: CellId(r.array("cell")?),
            subject: r.text("subject", bounds::LABEL)?,
            profile: r.text("profile", bounds::LABEL)?,
            hostname: r.text("hostname", bounds::LABEL)?,
            workspace: WorkspacePlan::decode(r)?,
            binds: r.list("binds", bounds::BINDS, |r| {
                Ok(BindPlan { path: r.path("bind.path")?, execute: r.bool("bind.execute")? })
            })?,
            links: r.list("links", bounds::LINKS, |r| {
                Ok(LinkPlan {
                    path: r.path("link.path")?,
                    target: r.c_bytes("link.target", crate::path::MAX_PATH)?,
                })
            })?,
            scratch: r.list("scratch", bounds::SCRATCH, |r| {
                Ok(ScratchPlan {
                    path: r.path("scratch.path")?,
                    bytes: r.u64("scratch.bytes")?,
                    execute: r.bool("scratch.execute")?,
                })
            })?,
            home: r.path("home")?,
            landlock: r.list("landlock", bounds::LANDLOCK, LandlockPlan::decode)?,
            network: if r.bool("network")? { Network::Host } else { Network::None },
            filter: FilterDigest(r.array("filter")?),
            limits: Limits::decode(r)?,
            may_lack: LayerSet::decode(r)?,
        })
    }
}

impl LandlockPlan {
    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { path: r.path("landlock.path")?, rights: Rights::decode(r)? })
    }
}

impl WorkspacePlan {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            path: r.path("workspace.path")?,
            access: if r.bool("workspace.access")? { Access::Write } else { Access::Read },
            execute: r.bool("workspace.execute")?,
            protected: r.list("workspace.protected", bounds::PROTECTED, |r| {
                r.path("workspace.protected")
            })?,
            sockets: r.list("workspace.sockets", bounds::SOCKETS, |r| r.path("a socket"))?,
        })
    }
}

impl Rights {
    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match r.u8("landlock.rights")? {
            bits @ 0..=7 => {
                Ok(Self { read: bits & 1 != 0, write: bits & 2 != 0, execute: bits & 4 != 0 })
            }
            other => Err(DecodeError::Unknown("landlock.rights", other.into())),
        }
    }
}

impl Limits {
    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            memory_bytes: r.u64("limits.memory_bytes")?,
            swap_bytes: r.u64("limits.swap_bytes")?,
            processes: r.u32("limits.processes")?,
            cpu_millis: r.u32("limits.cpu_millis")?,
            cpu_weight: r.u32("limits.cpu_weight")?,
            io_bytes: r.u64("limits.io_bytes")?,
            io_device: (r.u32("limits.io_device")?, r.u32("limits.io_device")?),
        })
    }
}
