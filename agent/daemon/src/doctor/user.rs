//! From root to the service user, for good.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::io::Errno;
use rustix::process::{Gid, Uid, geteuid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, set_capabilities, set_no_new_privs, set_thread_groups,
    set_thread_res_gid, set_thread_res_uid,
};

/// The user that packages make.
const NAME: &str = "cofferdam-agent";
/// Nobody's.
const OVERFLOW: u32 = 65_534;

/// The group that may read the journal (systemd-journald.service(8)).
const JOURNAL: &str = "systemd-journal";

/// Whom root becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceUser {
    uid: u32,
    gid: u32,
    /// The journal's group, where the service is a member of it.
    journal: Option<u32>,
}

/// Why root was not given up; nothing has been connected to then.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// A system call failed.
    #[error("cannot {step} to become uid {uid}: {source}; start this as an ordinary user instead")]
    System {
        /// What.
        step: &'static str,
        /// Whom.
        uid: u32,
        /// Why.
        source: std::io::Error,
    },
    /// Root can be had back.
    #[error("root could be had back after giving it up; not going on")]
    Left,
}

impl ServiceUser {
    /// Whom root becomes for the configuration at `config`: the packages' user,
    /// else the configuration's owner, else nobody. `None` for anybody but root,
    /// who stays.
    #[must_use]
    pub fn of(config: &Path) -> Option<Self> {
        if !geteuid().is_root() {
            return None;
        }
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let owner = || {
            let metadata = config.metadata().ok()?;
            let owner = Self { uid: metadata.uid(), gid: metadata.gid(), journal: None };
            (owner.uid != 0 && owner.gid != 0).then_some(owner)
        };
        let nobody = Self { uid: OVERFLOW, gid: OVERFLOW, journal: None };
        let groups = std::fs::read_to_string("/etc/group").unwrap_or_default();
        let member = |user| Self { journal: joined(&groups, JOURNAL, NAME), ..user };
        Some(named(&passwd, NAME).map(member).or_else(owner).unwrap_or(nobody))
    }

    /// Its uid.
    #[must_use]
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// Its gid.
    #[must_use]
    pub fn gid(&self) -> u32 {
        self.gid
    }

    /// Gives root up for good, and makes sure. Must run in the only thread.
    ///
    /// # Errors
    /// See [`UserError`].
    pub fn become_it(&self) -> Result<(), UserError> {
        let failed = |step| {
            move |errno: Errno| UserError::System { step, uid: self.uid, source: errno.into() }
        };
        let (user, group) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        let groups: Vec<Gid> = self.journal.iter().map(|group| Gid::from_raw(*group)).collect();
        set_thread_groups(&groups).map_err(failed("leave the groups"))?;
        set_thread_res_gid(group, group, group).map_err(failed("change the group"))?;
        set_thread_res_uid(user, user, user).map_err(failed("change the user"))?;
        let none = CapabilitySet::empty();
        let none = CapabilitySets { effective: none, permitted: none, inheritable: none };
        set_capabilities(None, none).map_err(failed("drop the capabilities"))?;
        set_no_new_privs(true).map_err(failed("set no_new_privs"))?;
        match set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT) {
            Err(_) if !geteuid().is_root() => Ok(()),
            _ => Err(UserError::Left),
        }
    }
}

/// Uid and gid of a user, from the text of passwd(5); never root's.
fn named(passwd: &str, name: &str) -> Option<ServiceUser> {
    let mut fields = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then_some(fields)
    })?;
    let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
    (uid != 0 && gid != 0).then_some(ServiceUser { uid, gid, journal: None })
}

/// The number of a group that has `user` as a member, from the text of group(5);
/// never root's.
fn joined(group: &str, name: &str, user: &str) -> Option<u32> {
    group.lines().find_map(|line| {
        let mut fields = line.split(':');
        let gid = fields.next().filter(|it| *it == name).and_then(|_| fields.nth(1))?;
        let gid: u32 = gid.parse().ok().filter(|gid| *gid != 0)?;
        fields.next()?.split(',').any(|member| member == user).then_some(gid)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_its_whole_name_and_is_never_root() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\n\
                      cofferdam-agent2:x:7:7::/:/bin/false\n\
                      cofferdam-agent:x:998:997::/:/usr/sbin/nologin\n\
                      odd:x:many:1\nshort";
        assert_eq!(named(passwd, NAME), Some(ServiceUser { uid: 998, gid: 997, journal: None }));
        for none in ["root", "odd", "short", "nobody", ""] {
            assert_eq!(named(passwd, none), None, "{none}");
        }
    }

    #[test]
    fn the_journals_group_is_kept_by_a_member_only() {
        let group = "root:x:0:\nsystemd-journal2:x:7:cofferdam-agent\n\
                     systemd-journal:x:101:adm,cofferdam-agent\nadm:x:4:cofferdam-agent\nodd:x";
        assert_eq!(joined(group, JOURNAL, NAME), Some(101));
        for (name, user) in [(JOURNAL, "cofferdam"), ("root", ""), ("odd", NAME), ("none", NAME)] {
            assert_eq!(joined(group, name, user), None, "{name} {user}");
        }
        assert_eq!(joined("systemd-journal:x:0:cofferdam-agent", JOURNAL, NAME), None);
    }
}
