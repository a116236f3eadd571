//! The proxy gives up what it does not need, before it has a runtime or
//! strangers' bytes: capabilities, new privileges, the file system but for the
//! resolver's files and the ceiling, making processes and threads, most system calls.
//!
//! `main` calls [`confine`] once. What a captured proxy could still do: connect
//! to the network as this host does, and look names up. It reaches no file, no
//! process, no Unix socket but the agent's connection.

use std::io;
use std::path::{Path, PathBuf};

use caps::CapSet;
use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use rustix::process::{DumpableBehavior, Resource, Rlimit};

use crate::ceiling::CeilingFile;
use crate::names::FILES;

include!(concat!(env!("OUT_DIR"), "/seccomp.rs"));

/// The newest Landlock whose rights are asked for.
const NEWEST: ABI = ABI::V7;
/// Open descriptors at most; two for each connection.
const MAX_DESCRIPTORS: u64 = 65_536;
/// Descriptors that are not for connections: listeners, name servers, log.
const RESERVED: u64 = 512;

/// How far the confinement got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confinement {
    /// Every layer holds all that was asked for.
    Full,
    /// The kernel's Landlock knows less than was asked for.
    OlderLandlock,
    /// The kernel has no Landlock, and whoever started the proxy takes that.
    NoLandlock,
}

/// What the proxy is left with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Confined {
    /// How far the confinement got.
    pub confinement: Confinement,
    /// Connections that there are descriptors for.
    pub connections: usize,
}

/// Why the proxy could not confine itself. It does not go on.
#[derive(Debug, thiserror::Error)]
pub enum ConfineError {
    /// Started as root.
    #[error(
        "the proxy does not run as root: start it as its own user (the packages make `cofferdam-proxy`)"
    )]
    Root,
    /// A capability is left.
    #[error("capabilities are left in the {set} set: {left}; start the proxy without")]
    Capabilities {
        /// Which set.
        set: &'static str,
        /// Which.
        left: String,
    },
    /// Reading or dropping capabilities failed.
    #[error("cannot drop capabilities: {0}")]
    Drop(#[from] caps::errors::CapsError),
    /// A system call failed.
    #[error("cannot {step}: {source}")]
    System {
        /// What.
        step: &'static str,
        /// Why.
        source: io::Error,
    },
    /// Landlock failed.
    #[error("cannot set Landlock up: {0}")]
    Landlock(#[from] RulesetError),
    /// There is no Landlock.
    #[error(
        "this kernel has no Landlock: enable it (`lsm=landlock,…`, Linux 5.13 or later), or start the proxy with `--allow-degraded`"
    )]
    NoLandlock,
    /// The filter cannot be installed.
    #[error("cannot install the seccomp filter: {0}")]
    Filter(#[from] seccompiler::Error),
}

/// Confines this process for good. Must run before the first thread.
/// `allow_degraded` takes a kernel without Landlock.
///
/// # Errors
/// See [`ConfineError`].
pub fn confine(
    ceiling: Option<&CeilingFile>,
    allow_degraded: bool,
) -> Result<Confined, ConfineError> {
    if rustix::process::geteuid().is_root() || rustix::process::getuid().is_root() {
        return Err(ConfineError::Root);
    }
    drop_capabilities()?;
    let connections = limit()?;
    let step =
        |step| move |errno: rustix::io::Errno| ConfineError::System { step, source: errno.into() };
    rustix::thread::set_no_new_privs(true).map_err(step("set no_new_privs"))?;
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(step("make the process not dumpable"))?;
    let confinement = match restrict_files(ceiling)? {
        RulesetStatus::FullyEnforced => Confinement::Full,
        RulesetStatus::PartiallyEnforced => Confinement::OlderLandlock,
        RulesetStatus::NotEnforced if allow_degraded => Confinement::NoLandlock,
        RulesetStatus::NotEnforced => return Err(ConfineError::NoLandlock),
    };
    for program in PROGRAMS {
        seccompiler::apply_filter(&instructions(program))?;
    }
    Ok(Confined { confinement, connections })
}

fn drop_capabilities() -> Result<(), ConfineError> {
    let sets = [
        ("ambient", CapSet::Ambient),
        ("inheritable", CapSet::Inheritable),
        ("effective", CapSet::Effective),
        ("permitted", CapSet::Permitted),
    ];
    for (name, set) in sets {
        caps::clear(None, set)?;
        let left = caps::read(None, set)?;
        if !left.is_empty() {
            let left = left.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            return Err(ConfineError::Capabilities { set: name, left });
        }
    }
    Ok(())
}

/// Sets the limits; how many connections the descriptors are enough for.
fn limit() -> Result<usize, ConfineError> {
    let set = |resource, limit: u64| {
        let limit = Rlimit { current: Some(limit), maximum: Some(limit) };
        rustix::process::setrlimit(resource, limit)
            .map_err(|errno| ConfineError::System { step: "set a limit", source: errno.into() })
    };
    set(Resource::Core, 0)?;
    set(Resource::Memlock, 0)?;
    let given = rustix::process::getrlimit(Resource::Nofile).maximum.unwrap_or(MAX_DESCRIPTORS);
    let descriptors = given.min(MAX_DESCRIPTORS);
    set(Resource::Nofile, descriptors)?;
    let left = descriptors.saturating_sub(RESERVED.min(descriptors / 2));
    Ok(usize::try_from(left / 2).unwrap_or(usize::MAX).max(1))
}

/// Lets the resolver's files and the ceiling be read and nothing else. Connecting is free:
/// where to is what the lists say.
fn restrict_files(ceiling: Option<&CeilingFile>) -> Result<RulesetStatus, ConfineError> {
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::BindTcp)?
        .scope(Scope::from_all(NEWEST))?
        .create()?;
    let beside = ceiling.and_then(CeilingFile::directory).map(Path::to_owned);
    for path in places().into_iter().chain(beside) {
        // What is not there needs no rule.
        if let Ok(descriptor) = PathFd::new(&path) {
            ruleset = ruleset.add_rule(PathBeneath::new(descriptor, AccessFs::ReadFile))?;
        }
    }
    Ok(ruleset.restrict_self()?.ruleset)
}

/// The resolver's files. One that is a link to another directory, as
/// systemd-resolved and NetworkManager make it, is replaced by renaming there:
/// then all of that directory can be read.
fn places() -> Vec<PathBuf> {
    let place = |file: &str| match std::fs::canonicalize(file) {
        Ok(real) if real.starts_with("/run") => real.parent().map(Path::to_owned),
        Ok(real) => Some(real),
        Err(_) => None,
    };
    FILES.into_iter().filter_map(place).collect()
}

fn instructions(program: &[[u8; 8]]) -> seccompiler::BpfProgram {
    let instruction = |&[c0, c1, jt, jf, k0, k1, k2, k3]: &[u8; 8]| seccompiler::sock_filter {
        code: u16::from_le_bytes([c0, c1]),
        jt,
        jf,
        k: u32::from_le_bytes([k0, k1, k2, k3]),
    };
    program.iter().map(instruction).collect()
}
