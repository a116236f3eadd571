//! Gives everything up: groups, user, capabilities, the right to gain any back.

use caps::CapSet;
use cofferdam_plan::{BuildStep, Layer, LayerReport};
use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Gid, Uid, set_dumpable_behavior};
use rustix::thread::{set_no_new_privs, set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use super::{BuildError, During, Ids, degraded, effective};
use crate::sys;

const STEP: BuildStep = BuildStep::Privileges;

/// After this the process is the cell's user, holds no capability, and cannot
/// gain one by any execve. Proves it by asking the kernel.
pub(crate) fn drop_all(user: Ids, rootless: bool) -> Result<[LayerReport; 2], BuildError> {
    let Ids { uid, gid } = user;
    sys::join_new_keyring().during(STEP, "cannot make a keyring")?;
    clear(CapSet::Ambient)?;
    clear(CapSet::Bounding)?;
    if !rootless {
        let (user, group) = (Uid::from_raw(uid), Gid::from_raw(gid));
        set_thread_groups(&[]).during(STEP, "cannot drop the groups")?;
        set_thread_res_gid(group, group, group).during(STEP, "cannot change the group")?;
        set_thread_res_uid(user, user, user).during(STEP, "cannot change the user")?;
    }
    clear(CapSet::Effective)?;
    clear(CapSet::Permitted)?;
    clear(CapSet::Inheritable)?;
    set_no_new_privs(true).during(STEP, "cannot set no_new_privs")?;
    // Commands share the user: PID 1 must not be theirs to look into.
    set_dumpable_behavior(DumpableBehavior::NotDumpable).during(STEP, "cannot hide PID 1")?;
    verify(uid)?;
    let user = if rootless {
        let own = format!("uid {uid}, the calling user's own: an ordinary user has no other");
        degraded(Layer::User, own)
    } else {
        effective(Layer::User, format!("uid {uid}, of this cell only, no groups"))
    };
    let privileges = "no capabilities, empty bounding set, no_new_privs, own keyring";
    Ok([user, effective(Layer::Privileges, privileges)])
}

fn clear(set: CapSet) -> Result<(), BuildError> {
    caps::clear(None, set).map_err(|error| failed(&format!("cannot clear {set:?}: {error}")))
}

fn verify(uid: u32) -> Result<(), BuildError> {
    use CapSet::{Ambient, Bounding, Effective, Inheritable, Permitted};
    for set in [Effective, Permitted, Inheritable, Bounding, Ambient] {
        let left = caps::read(None, set).map_err(|error| failed(&error.to_string()))?;
        if !left.is_empty() {
            return Err(failed(&format!("{} capabilities are left in {set:?}", left.len())));
        }
    }
    if rustix::process::getuid().as_raw() != uid || rustix::process::geteuid().as_raw() != uid {
        return Err(failed("the user was not changed"));
    }
    Ok(())
}

fn failed(detail: &str) -> BuildError {
    BuildError::new(STEP, Errno::PERM, detail)
}
