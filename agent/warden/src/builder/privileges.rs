//! Gives everything up that only root or capabilities give: groups, user,
//! capabilities, the bounding set. What needs no right follows in PID 1.

use caps::CapSet;
use cofferdam_plan::{BuildStep, Layer, LayerReport};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use super::{BuildError, During, Ids};

const STEP: BuildStep = BuildStep::Privileges;

/// After this the process is the cell's user and holds no capability.
pub(crate) fn drop_all(user: Ids, rootless: bool) -> Result<LayerReport, BuildError> {
    let Ids { uid, gid } = user;
    clear(CapSet::Ambient)?;
    clear(CapSet::Bounding)?;
    if !rootless {
        let (user, group) = (Uid::from_raw(uid), Gid::from_raw(gid));
        set_thread_groups(&[]).during(STEP, "cannot drop the groups")?;
        set_thread_res_gid(group, group, group).during(STEP, "cannot change the group")?;
        set_thread_res_uid(user, user, user).during(STEP, "cannot change the user")?;
    }
    [CapSet::Effective, CapSet::Permitted, CapSet::Inheritable].into_iter().try_for_each(clear)?;
    Ok(if rootless {
        let own = format!("uid {uid}, the calling user's own: an ordinary user has no other");
        LayerReport::degraded(Layer::User, own)
    } else {
        LayerReport::effective(Layer::User, format!("uid {uid}, of this cell only, no groups"))
    })
}

fn clear(set: CapSet) -> Result<(), BuildError> {
    caps::clear(None, set).map_err(|error| {
        BuildError::new(STEP, Errno::PERM, format!("cannot clear {set:?}: {error}"))
    })
}
