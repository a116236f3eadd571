//! The plan of a run: the command, and what surrounds it.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::time::Duration;

use cofferdam_plan::run::Loopback;
use cofferdam_plan::{AbsolutePath, LandlockPlan, Leaf, RunId, RunLimits, RunPlan, TerminalSize};

use crate::cap::Capped;

/// Between SIGTERM and SIGKILL.
pub const GRACE: Duration = Duration::from_secs(2);
/// How much more address space than memory a run gets where no memory
/// controller counts: runtimes reserve far more than they use.
const ADDRESS_SPACE_FACTOR: u64 = 16;

/// What a run with a terminal takes it for, unless it says otherwise.
const TERM: &str = "xterm-256color";

/// A command, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// A name, or an absolute path.
    pub program: Vec<u8>,
    /// Arguments after the program's own name.
    pub arguments: Vec<Vec<u8>>,
    /// Where it starts.
    pub working_directory: AbsolutePath,
    /// Variables of the request.
    pub environment: Vec<(String, Vec<u8>)>,
    /// What it reads.
    pub stdin: Vec<u8>,
    /// What it leaves running lives on with its session.
    pub background: bool,
    /// It has a cell of its own that ends with it.
    pub one_shot: bool,
    /// Its standard input stays open.
    pub stdin_open: bool,
    /// It has a terminal of this size.
    pub terminal: Option<TerminalSize>,
}

/// Where in its cell a run is.
#[derive(Debug, Clone, Default)]
pub struct Berth {
    /// Its cgroup leaf, if there are cgroups: a memory controller then keeps
    /// the cell's limit.
    pub leaf: Option<Leaf>,
    /// Landlock's rules of its own grant; empty: the cell's.
    pub landlock: Vec<LandlockPlan>,
    /// The port on the cell's loopback of its own listener of the proxy, if its
    /// network leads through one.
    pub proxy: Option<NonZeroU16>,
}

/// Plans a run of `command`.
#[must_use]
pub fn plan_run(run: RunId, command: &Command, capped: &Capped, berth: Berth) -> RunPlan {
    let Command { program, arguments, working_directory, .. } = command;
    let Berth { leaf, landlock, proxy } = berth;
    let counted = leaf.is_some();
    let limits = &capped.limits;
    let address_space = limits.memory_bytes.saturating_mul(ADDRESS_SPACE_FACTOR);
    RunPlan {
        run,
        program: program.clone(),
        search_path: capped.profile.search_path.clone(),
        arguments: [program].into_iter().chain(arguments).cloned().collect(),
        environment: variables(capped, proxy, command),
        working_directory: working_directory.clone(),
        limits: RunLimits {
            wall_millis: limits.wall_millis,
            grace_millis: u64::try_from(GRACE.as_millis()).unwrap_or(u64::MAX),
            file_size_bytes: limits.file_size_bytes,
            open_files: limits.open_files,
            // The kernel counts a user's processes in all of its runs.
            processes: if counted { 0 } else { limits.processes },
            address_space_bytes: if counted { 0 } else { address_space },
        },
        leaf: leaf.map_or(0, |leaf| leaf.number),
        landlock,
        loopback: match (capped.profile.loopback, proxy) {
            (true, _) => Loopback::Open,
            (false, Some(port)) => Loopback::Only(port),
            (false, None) => Loopback::Closed,
        },
        background: command.background && counted,
        terminal: command.terminal,
    }
}

/// `NAME=value` of the cell's own, the profile's, the proxy's and the request's
/// variables; later ones win, and the request was checked to set none that it
/// may not.
fn variables(capped: &Capped, proxy: Option<NonZeroU16>, command: &Command) -> Vec<Vec<u8>> {
    let profile = &capped.profile;
    let path = profile.search_path.iter().map(AbsolutePath::as_bytes).collect::<Vec<_>>();
    let own = [
        ("HOME", profile.home.as_bytes().to_vec()),
        ("USER", b"cell".to_vec()),
        ("LOGNAME", b"cell".to_vec()),
        ("SHELL", b"/bin/sh".to_vec()),
        ("PATH", path.join(&b':')),
    ];
    let mut all = std::collections::BTreeMap::new();
    all.extend(own.map(|(name, value)| (name, value)));
    all.extend(profile.environment.iter().map(|(n, v)| (n.as_str(), v.as_bytes().to_vec())));
    // What profiles say is meant for runs without one.
    all.extend(command.terminal.map(|_| ("TERM", TERM.as_bytes().to_vec())));
    let proxy = proxy.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port.get())));
    let proxy = proxy.into_iter().flat_map(cofferdam_proxy_protocol::environment);
    all.extend(proxy.map(|(name, value)| (name, value.into_bytes())));
    all.extend(command.environment.iter().map(|(name, value)| (name.as_str(), value.clone())));
    all.into_iter().map(|(name, value)| [name.as_bytes(), b"=", &value].concat()).collect()
}
