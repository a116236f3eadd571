//! The child's side of a trial. One thread, short-lived; all that it makes ends
//! with it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::Child;

use rustix::fs::CWD;
use rustix::mount::{FsOpenFlags, OpenTreeFlags, fsopen, open_tree};
use rustix::process::{getegid, geteuid};
use rustix::thread::UnshareFlags;

use super::{Trial, start};
use crate::sys;

/// A uid that cells are leased, as the map's other end.
const CELL_USER: u32 = 1_900_000_000;

/// What did not work.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// No such trial, or its argument is missing.
    #[error("there is no such trial; this argument is for the program's own use")]
    Unknown,
    /// A step failed.
    #[error("cannot {step}: {source}")]
    Step {
        /// What.
        step: &'static str,
        /// Why.
        source: io::Error,
    },
}

fn step<E: Into<io::Error>>(step: &'static str) -> impl FnOnce(E) -> TrialError {
    move |error| TrialError::Step { step, source: error.into() }
}

/// Performs the trial that the arguments name; `main` prints an error to
/// standard output and exits with 1. Must run in the only thread.
///
/// # Errors
/// Where the trial shows that something does not work.
pub fn perform(arguments: &[OsString]) -> Result<(), TrialError> {
    let name = arguments.first().ok_or(TrialError::Unknown)?;
    match Trial::by_name(name).ok_or(TrialError::Unknown)? {
        Trial::Rootless => rootless(),
        Trial::Namespaces => sys::unshare(cell_namespaces()).map_err(step("make namespaces")),
        Trial::MapOwners => map_owners(arguments.get(1).ok_or(TrialError::Unknown)?.as_ref()),
        Trial::HoldNamespace => hold_namespace(),
        Trial::Overlay => overlay(),
    }
}

/// All of a cell's but the user namespace.
fn cell_namespaces() -> UnshareFlags {
    UnshareFlags::NEWNS
        | UnshareFlags::NEWPID
        | UnshareFlags::NEWIPC
        | UnshareFlags::NEWUTS
        | UnshareFlags::NEWNET
        | UnshareFlags::NEWCGROUP
}

/// Some hosts allow the user namespace and then no capability in it: only a
/// second namespace shows whether it is of any use.
fn rootless() -> Result<(), TrialError> {
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    sys::unshare(UnshareFlags::NEWUSER).map_err(step("make a user namespace"))?;
    fs::write("/proc/self/setgroups", "deny").map_err(step("refuse setgroups"))?;
    fs::write("/proc/self/uid_map", format!("{uid} {uid} 1")).map_err(step("map the user"))?;
    fs::write("/proc/self/gid_map", format!("{gid} {gid} 1")).map_err(step("map the group"))?;
    sys::unshare(cell_namespaces()).map_err(step("make namespaces in the user namespace"))
}

/// An idmapped mount that is never attached anywhere.
fn map_owners(directory: &Path) -> Result<(), TrialError> {
    let (mut holder, namespace) = held_namespace()?;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let mapped = open_tree(CWD, directory, flags)
        .map_err(step("open the directory as a mount"))
        .and_then(|mount| {
            sys::map_owners(mount.as_fd(), namespace.as_fd()).map_err(step("map its owners"))
        });
    // It ends when its input does; killed, it is gone at once.
    _ = holder.kill();
    _ = holder.wait();
    mapped
}

/// A process in a user namespace with one user, and the namespace.
fn held_namespace() -> Result<(Child, OwnedFd), TrialError> {
    let mut holder = start("/proc/self/exe".as_ref(), Trial::HoldNamespace, &[])
        .map_err(step("start a process for a user namespace"))?;
    let mut word = [0; 1];
    if let Some(answer) = &mut holder.stdout {
        answer.read_exact(&mut word).map_err(step("make a user namespace"))?;
    }
    let of = |file: &str| format!("/proc/{}/{file}", holder.id());
    let map = format!("0 {CELL_USER} 1");
    fs::write(of("uid_map"), &map).map_err(step("map a user"))?;
    fs::write(of("gid_map"), &map).map_err(step("map a group"))?;
    let namespace = File::open(of("ns/user")).map_err(step("open the user namespace"))?;
    Ok((holder, namespace.into()))
}

/// Makes a user namespace, says so, and waits for the end of its input.
fn hold_namespace() -> Result<(), TrialError> {
    sys::unshare(UnshareFlags::NEWUSER).map_err(step("make a user namespace"))?;
    let mut output = io::stdout();
    output.write_all(b"!").and_then(|()| output.flush()).map_err(step("say so"))?;
    io::stdin().read_to_end(&mut Vec::new()).map(drop).map_err(step("wait"))
}

/// Opening the file system is enough: it loads the module and asks for the
/// right to mount it.
fn overlay() -> Result<(), TrialError> {
    if !geteuid().is_root() {
        rootless()?;
    }
    fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).map(drop).map_err(step("open an overlay"))
}
