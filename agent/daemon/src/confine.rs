//! The agent gives up what it does not need, before it has threads, sockets or
//! strangers' bytes: capabilities, new privileges, most of the file system, TCP
//! but for its own port and those of gateways that it dials, most system calls.
//!
//! `main` calls [`confine`] once, right after the configuration is read. What a
//! captured agent could still do is told in `ARCHITECTURE.md`.

mod places;

use std::io;

use caps::CapSet;
use cofferdam_profile::Profiles;
use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, NetPort, PathBeneath, PathFd,
    Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use rustix::process::{DumpableBehavior, Resource, Rlimit};

use crate::ceiling::Ceilings;
use crate::config::Config;
use crate::sys;

pub use places::{Place, Reach};

include!(concat!(env!("OUT_DIR"), "/seccomp.rs"));

/// The newest Landlock whose rights are asked for.
const NEWEST: ABI = ABI::V7;

/// How far the confinement got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confinement {
    /// Every layer holds all that was asked for.
    Full,
    /// The kernel's Landlock knows less than was asked for.
    OlderLandlock,
    /// The kernel has no Landlock, and the ceiling takes that.
    NoLandlock,
}

/// Why the agent could not confine itself. It does not go on.
#[derive(Debug, thiserror::Error)]
pub enum ConfineError {
    /// Started as root.
    #[error(
        "the agent does not run as root: start it as its own user (the packages make `cofferdam-agent`)"
    )]
    Root,
    /// The journal's directory cannot be made.
    #[error("cannot make the journal's directory `{path}`: {source}")]
    Journal {
        /// Which.
        path: std::path::PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A capability is left.
    #[error("capabilities are left in the {set} set: {left}; start the agent without")]
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
        "this kernel has no Landlock: enable it (`lsm=landlock,…`, Linux 5.13 or later), or set `enforcement.allow_degraded` in the ceiling"
    )]
    NoLandlock,
}

/// Confines this process for good. Must run before the first thread.
///
/// # Errors
/// See [`ConfineError`].
pub fn confine(config: &Config, ceilings: &Ceilings) -> Result<Confinement, ConfineError> {
    if rustix::process::geteuid().is_root() || rustix::process::getuid().is_root() {
        return Err(ConfineError::Root);
    }
    make_journal_directory(config)?;
    drop_capabilities()?;
    let step =
        |step| move |errno: rustix::io::Errno| ConfineError::System { step, source: errno.into() };
    rustix::thread::set_no_new_privs(true).map_err(step("set no_new_privs"))?;
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(step("make the process not dumpable"))?;
    rustix::process::setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })
        .map_err(step("switch core dumps off"))?;
    let confinement = landlock(config, ceilings)?;
    for program in PROGRAMS {
        sys::install_filter(program).map_err(|source| ConfineError::System {
            step: "install the seccomp filter",
            source,
        })?;
    }
    Ok(confinement)
}

fn make_journal_directory(config: &Config) -> Result<(), ConfineError> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&config.journal)
        .map_err(|source| ConfineError::Journal { path: config.journal.clone(), source })
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

fn landlock(config: &Config, ceilings: &Ceilings) -> Result<Confinement, ConfineError> {
    let current = ceilings.current().ok();
    let ceiling = current.as_deref().map(|current| &current.ceiling);
    let services = current.as_deref().map(|current| &current.services);
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()?;
    let profiles = Profiles::load(config.profiles.as_deref());
    for place in places::places(config, ceiling, profiles.as_ref().ok()) {
        ruleset = allow(ruleset, &place)?;
    }
    for place in services.into_iter().flat_map(|shown| places::journals(&config.services, shown)) {
        ruleset = allow(ruleset, &place)?;
    }
    if let Some(listen) = config.listen {
        ruleset = ruleset.add_rule(NetPort::new(listen.port(), AccessNet::BindTcp))?;
    }
    for port in config.dialled_ports() {
        ruleset = ruleset.add_rule(NetPort::new(port, AccessNet::ConnectTcp))?;
    }
    match ruleset.restrict_self()?.ruleset {
        RulesetStatus::FullyEnforced => Ok(Confinement::Full),
        RulesetStatus::PartiallyEnforced => Ok(Confinement::OlderLandlock),
        RulesetStatus::NotEnforced if ceiling.is_some_and(|c| c.enforcement.allow_degraded) => {
            Ok(Confinement::NoLandlock)
        }
        RulesetStatus::NotEnforced => Err(ConfineError::NoLandlock),
    }
}

fn allow(ruleset: RulesetCreated, place: &Place) -> Result<RulesetCreated, ConfineError> {
    // What is not there needs no rule; what comes later is out of reach.
    let Ok(descriptor) = PathFd::new(&place.path) else { return Ok(ruleset) };
    let mut access = match place.reach {
        Reach::Read => AccessFs::ReadFile | AccessFs::ReadDir,
        Reach::Write => AccessFs::ReadFile | AccessFs::WriteFile,
        Reach::Keep => {
            AccessFs::ReadFile
                | AccessFs::ReadDir
                | AccessFs::WriteFile
                | AccessFs::Truncate
                | AccessFs::MakeReg
                | AccessFs::RemoveFile
                | AccessFs::Refer
        }
    };
    if !place.path.is_dir() {
        access &= AccessFs::from_file(NEWEST);
    }
    Ok(ruleset.add_rule(PathBeneath::new(descriptor, access))?)
}
