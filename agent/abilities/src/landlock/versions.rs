//! What each version of Landlock adds, as data. Sources: landlock(7) and the
//! kernel's `Documentation/userspace-api/landlock.rst`.

use crate::ability::Need;

/// One version and what it adds.
#[derive(Debug)]
pub struct Version {
    /// The ABI's number.
    pub abi: u32,
    /// The first kernel that has it.
    pub kernel: &'static str,
    /// The ability's name.
    pub name: &'static str,
    /// What cells need it for.
    pub need: Need,
    /// What it adds.
    pub adds: &'static str,
    /// What cells have of it.
    pub held: &'static str,
    /// What is open without.
    pub open: &'static str,
}

/// All versions, the oldest first.
pub const VERSIONS: &[Version] = &[
    Version {
        abi: 1,
        kernel: "5.13",
        name: "landlock.files",
        need: Need::Required,
        adds: "rights to read, write, execute, make and remove files",
        held: "a second wall behind the mount view, and the program allowlist",
        open: "no program allowlist in the kernel: no cell starts, unless degraded ones are allowed",
    },
    Version {
        abi: 2,
        kernel: "5.19",
        name: "landlock.refer",
        need: Need::Wished,
        adds: "renaming and linking between directories",
        held: "files can be moved between directories of a workspace, and not out of it",
        open: "rename and link between directories of a workspace fail with EXDEV",
    },
    Version {
        abi: 3,
        kernel: "6.2",
        name: "landlock.truncate",
        need: Need::Wished,
        adds: "truncating files",
        held: "a file that may not be written cannot be cut off either",
        open: "truncating is held by read-only mounts and file owners alone",
    },
    Version {
        abi: 4,
        kernel: "6.7",
        name: "landlock.network",
        need: Need::Wished,
        adds: "TCP bind and connect by port",
        held: "profiles with `network.loopback = false` keep runs from TCP on their cell's own \
               loopback",
        open: "`network.loopback = false` is not held, and each outcome says so; the network \
               namespace holds what leads out of a cell",
    },
    Version {
        abi: 5,
        kernel: "6.10",
        name: "landlock.devices",
        need: Need::Wished,
        adds: "ioctl on device files",
        held: "a second wall behind the few devices of a cell",
        open: "ioctls on devices are held by the few device files of a cell and the filter",
    },
    Version {
        abi: 6,
        kernel: "6.12",
        name: "landlock.scopes",
        need: Need::Wished,
        adds: "scopes for signals and abstract Unix sockets",
        held: "a run cannot signal its siblings or reach abstract sockets outside",
        open: "sibling runs of one cell can signal each other; namespaces hold the rest",
    },
    Version {
        abi: 7,
        kernel: "6.15",
        name: "landlock.log",
        need: Need::Wished,
        adds: "audit records of what was refused",
        held: "refusals can be explained to the caller, where audit is enabled",
        open: "outcomes say that refusals by Landlock cannot be seen",
    },
    Version {
        abi: 8,
        kernel: "7.0",
        name: "landlock.threads",
        need: Need::Noted,
        adds: "restricting all threads of a process at once",
        held: "nothing more: cells and agent restrict themselves before they have threads",
        open: "nothing less: cells and agent restrict themselves before they have threads",
    },
    Version {
        abi: 9,
        kernel: "7.1",
        name: "landlock.sockets",
        need: Need::Wished,
        adds: "connecting to pathname Unix sockets",
        held: "sockets in a cell's view are out of reach unless granted",
        open: "a cell can connect to any socket file that it sees: those of the host are not in \
               its view, but one that is made in its workspace later is",
    },
];

/// A mistake of a version that some kernels have mended.
pub(super) struct Erratum {
    /// As the kernel numbers it.
    pub(super) number: u32,
    /// The version whose feature it is about.
    pub(super) abi: u32,
    /// What is wrong.
    pub(super) what: &'static str,
}

/// The known ones.
pub(super) const ERRATA: &[Erratum] = &[
    Erratum { number: 1, abi: 4, what: "TCP rules also refuse other stream sockets" },
    Erratum { number: 2, abi: 6, what: "signals between threads of one process are refused" },
    Erratum { number: 3, abi: 1, what: "rename beneath a moved bind mount can widen rights" },
];
