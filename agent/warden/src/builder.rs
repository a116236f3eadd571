//! The builder: the warden's forked child that builds a cell from inside and
//! then becomes its PID 1.
//!
//! It starts in fresh namespaces with all the warden's rights and gives them up
//! step by step; the order is the kernel's: mounts while capable, then user and
//! capabilities, then Landlock, seccomp last. Only the builder touches paths
//! that others can change, so that a file system that hangs holds up one cell
//! and never the warden.
//!
//! Every failure goes over the control socket to the agent, with its step.

mod devices;
mod privileges;
mod view;
mod workspace;

use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};

use cofferdam_init::Beginning;
use cofferdam_plan::{
    BuildFailure, BuildStep, CellPlan, Layer, LayerReport, Network, channel, plain,
};
use rustix::io::Errno;

use crate::admit::Admitted;
use crate::cgroup::{CellCgroup, Entry};
use crate::lease::Ids;
use crate::sys;

/// What a cell is made from.
pub(crate) struct Material {
    pub(crate) admitted: Admitted,
    /// The cell's end of its control socket.
    pub(crate) control: OwnedFd,
    /// The cgroup, or why there is none.
    pub(crate) cgroup: Result<CellCgroup, String>,
    pub(crate) user: Ids,
    /// Started by an ordinary user: the cell gets a user namespace of its own.
    pub(crate) rootless: bool,
}

/// Why a cell could not be built.
pub(crate) struct BuildError {
    step: BuildStep,
    errno: Errno,
    detail: String,
}

impl BuildError {
    pub(crate) fn new(step: BuildStep, errno: Errno, detail: impl Into<String>) -> Self {
        Self { step, errno, detail: detail.into() }
    }
}

/// Says at which step, and on what, a system call failed.
pub(crate) trait During<T> {
    fn during(self, step: BuildStep, what: &str) -> Result<T, BuildError>;
}

impl<T, E: Into<std::io::Error>> During<T> for Result<T, E> {
    fn during(self, step: BuildStep, what: &str) -> Result<T, BuildError> {
        self.map_err(|error| {
            let error = error.into();
            let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
            BuildError::new(step, errno, format!("{what}: {error}"))
        })
    }
}

/// The namespaces of a cell. The cgroup namespace follows later: its root is
/// the cgroup that the process is in when it is made.
pub(crate) fn namespaces(plan: &CellPlan, rootless: bool) -> libc::c_int {
    let base = libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;
    let user = if rootless { libc::CLONE_NEWUSER } else { 0 };
    let network = match plan.network {
        Network::None => libc::CLONE_NEWNET,
        Network::Host => 0,
    };
    base | user | network
}

/// Builds the cell and gives every right up; what follows is PID 1's, which
/// closes `built` when it has confined itself. Never returns into the warden's
/// code: its descriptors and state are not this process's to use.
pub(crate) fn enter(material: Material, built: OwnedFd) -> ! {
    match material.build(&built) {
        Ok(layers) => {
            let Material { admitted, control, cgroup, .. } = material;
            // Its descriptors are closed already; see `close_all_but`.
            _ = std::mem::ManuallyDrop::new(cgroup);
            let filter = admitted.filter();
            let CellPlan { landlock, may_lack, .. } = admitted.plan().clone();
            cofferdam_init::begin(Beginning { control, built, layers, landlock, filter, may_lack })
        }
        Err(BuildError { step, errno, detail }) => {
            let (errno, detail) = (errno.raw_os_error(), plain(&detail));
            let failed = BuildFailure { step, errno, detail };
            // Should this fail, the agent sees the socket close without a word.
            _ = channel::send(&material.control, &failed, &[]);
            sys::exit_now(1)
        }
    }
}

impl Material {
    fn plan(&self) -> &CellPlan {
        self.admitted.plan()
    }

    fn build(&self, built: &OwnedFd) -> Result<Vec<LayerReport>, BuildError> {
        let mut layers = Vec::new();
        if self.rootless {
            map_own_user(self.user).during(BuildStep::UserNamespace, "cannot map the user")?;
        }
        layers.push(self.join_cgroup()?);
        // After the last use of what was inherited, and before any foreign path is opened.
        close_all_but([&self.control, built])
            .during(BuildStep::Privileges, "cannot close inherited descriptors")?;
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));

        layers.extend(view::build(self)?);
        layers.push(self.enter_network()?);

        layers.push(privileges::drop_all(self.user, self.rootless)?);
        Ok(layers)
    }

    fn join_cgroup(&self) -> Result<LayerReport, BuildError> {
        let report = match &self.cgroup {
            Ok(CellCgroup { entry, lacking, .. }) => {
                if let Entry::Join(tasks) = entry {
                    tasks
                        .iter()
                        .try_for_each(|file| rustix::io::write(file, b"0").map(drop))
                        .during(BuildStep::Cgroup, "cannot join the cell's cgroup")?;
                }
                let without = format!("this host does not limit {}", lacking.join(", "));
                if lacking.is_empty() {
                    LayerReport::effective(Layer::Cgroup, "all limits of the plan")
                } else {
                    LayerReport::degraded(Layer::Cgroup, without)
                }
            }
            Err(reason) => LayerReport::degraded(Layer::Cgroup, reason),
        };
        // Where systemd mounted cgroup v2, nothing moves out of a namespace of its own, and a
        // run's leaf is not beneath that of PID 1: then the host's holds (`nsdelegate`).
        if !matches!(self.cgroup, Ok(CellCgroup { entry: Entry::Clone(_), .. })) {
            sys::enter_cgroup_namespace()
                .during(BuildStep::Cgroup, "cannot make a cgroup namespace")?;
        }
        Ok(report)
    }

    fn enter_network(&self) -> Result<LayerReport, BuildError> {
        rustix::system::sethostname(self.plan().hostname.as_bytes())
            .during(BuildStep::Network, "cannot set the host name")?;
        if self.plan().network == Network::Host {
            return Ok(LayerReport::effective(Layer::Network, "the host's, as the ceiling allows"));
        }
        let socket = rustix::net::socket_with(
            rustix::net::AddressFamily::INET,
            rustix::net::SocketType::DGRAM,
            rustix::net::SocketFlags::CLOEXEC,
            None,
        );
        socket
            .and_then(|socket| sys::raise_loopback(&socket))
            .during(BuildStep::Network, "cannot bring loopback up")?;
        Ok(LayerReport::effective(Layer::Network, "a namespace of its own with loopback only"))
    }
}

/// The only map that an ordinary user may write: oneself onto oneself
/// (user_namespaces(7)).
fn map_own_user(user: Ids) -> std::io::Result<()> {
    let Ids { uid, gid } = user;
    std::fs::write("/proc/self/setgroups", "deny")?;
    std::fs::write("/proc/self/uid_map", format!("{uid} {uid} 1"))?;
    std::fs::write("/proc/self/gid_map", format!("{gid} {gid} 1"))
}

/// Leaves nothing open but the standard streams (which are the warden's, and
/// replaced by /dev/null here), PID 1's socket and the builder's pipe. The
/// owners of the closed descriptors are never dropped: this process ends by
/// `_exit` or as PID 1 without returning to them.
fn close_all_but(kept: [&OwnedFd; 2]) -> rustix::io::Result<()> {
    let null = rustix::fs::openat(
        rustix::fs::CWD,
        c"/dev/null",
        rustix::fs::OFlags::RDWR | rustix::fs::OFlags::CLOEXEC,
        rustix::fs::Mode::empty(),
    )?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    // Closed with the rest; to drop it would be to close it twice.
    _ = null.into_raw_fd();
    sys::close_all_but(kept.map(AsRawFd::as_raw_fd))
}
