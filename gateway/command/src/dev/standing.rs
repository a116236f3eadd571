//! As whom `cofferdam dev` goes on: started as root, it becomes a service user
//! for good before any socket opens; started by an ordinary user, it stays.
//!
//! The only part of the command that runs with privilege is before
//! [`Standing::settle`], and it parses nothing from strangers.

use std::fs;

use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, set_capabilities, set_no_new_privs, set_thread_groups,
    set_thread_res_gid, set_thread_res_uid,
};

/// The user that packages make.
const SERVICE_USER: &str = "cofferdam-agent";

/// Where there is none: the last of the uids that are kept for cells.
const LAST_LEASE: u32 = 1_900_065_535;

/// Uids for cells: several wardens at once take different ones as a rule.
const FIRST_LEASE: u32 = 1_900_000_000;
const LEASES: u32 = 1_000;
const RANGES: u32 = 65;

/// Whom agent and gateway run as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Root now; this service user from [`Standing::settle`] on.
    Root {
        /// The service user.
        uid: u32,
        /// Its group.
        gid: u32,
    },
    /// Whoever started it.
    Ordinary {
        /// The user.
        uid: u32,
    },
}

/// Root, and yet not able to become the service user.
#[derive(Debug, thiserror::Error)]
#[error(
    "started as root of a container whose users end before {0}: neither agent nor cells could have \
     a user of their own; start `cofferdam dev` as an ordinary user, or give the container more users"
)]
pub(crate) struct TooFewUsers(u32);

/// Why root was not given up. Nothing has been opened to the network then.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettleError {
    /// A system call failed.
    #[error("cannot {step}: {source}")]
    System {
        /// What.
        step: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// Something of root is left.
    #[error("after giving up root, {0}; not going on")]
    Left(String),
}

impl Standing {
    /// As it is now.
    pub(super) fn now() -> Result<Self, TooFewUsers> {
        let uid = rustix::process::geteuid();
        if !uid.is_root() {
            return Ok(Self::Ordinary { uid: uid.as_raw() });
        }
        let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
        if !maps(&map, LAST_LEASE) {
            return Err(TooFewUsers(LAST_LEASE));
        }
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let (uid, gid) = user_in(&passwd, SERVICE_USER).unwrap_or((LAST_LEASE, LAST_LEASE));
        Ok(Self::Root { uid, gid })
    }

    /// Whom agent and gateway run as.
    pub(super) fn uid(self) -> u32 {
        match self {
            Self::Root { uid, .. } | Self::Ordinary { uid } => uid,
        }
    }

    /// Cells run as other users than the caller.
    pub(super) fn is_root(self) -> bool {
        matches!(self, Self::Root { .. })
    }

    /// Uids for the cells of one warden.
    pub(super) fn leases() -> String {
        let first = FIRST_LEASE + std::process::id() % RANGES * LEASES;
        format!("{first}-{}", first + LEASES - 1)
    }

    /// Gives root up for good, and makes sure. Must run in the only thread.
    pub(super) fn settle(self) -> Result<(), SettleError> {
        let failed = |step| move |errno: Errno| SettleError::System { step, source: errno.into() };
        if let Self::Root { uid, gid } = self {
            let (user, group) = (Uid::from_raw(uid), Gid::from_raw(gid));
            set_thread_groups(&[]).map_err(failed("leave the groups"))?;
            set_thread_res_gid(group, group, group).map_err(failed("change the group"))?;
            set_thread_res_uid(user, user, user).map_err(failed("change the user"))?;
            let none = CapabilitySet::empty();
            let none = CapabilitySets { effective: none, permitted: none, inheritable: none };
            set_capabilities(None, none).map_err(failed("drop the capabilities"))?;
        }
        set_no_new_privs(true).map_err(failed("set no_new_privs"))?;
        match self {
            Self::Root { uid, gid } => make_sure(uid, gid),
            Self::Ordinary { .. } => Ok(()),
        }
    }
}

/// Asks the kernel, and tries to go back.
fn make_sure(uid: u32, gid: u32) -> Result<(), SettleError> {
    let status = fs::read_to_string("/proc/self/status")
        .map_err(|source| SettleError::System { step: "read /proc/self/status", source })?;
    check_status(&status, uid, gid).map_err(SettleError::Left)?;
    match set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT) {
        Err(Errno::PERM) => Ok(()),
        _ => Err(SettleError::Left("root could be had again".to_owned())),
    }
}

/// What proc_pid_status(5) must say of a process that gave up root.
fn check_status(status: &str, uid: u32, gid: u32) -> Result<(), String> {
    let nothing = "0000000000000000".to_owned();
    for (name, expected) in [
        ("Uid", [uid; 4].map(|id| id.to_string()).join("\t")),
        ("Gid", [gid; 4].map(|id| id.to_string()).join("\t")),
        ("Groups", String::new()),
        ("Threads", "1".to_owned()),
        ("CapPrm", nothing.clone()),
        ("CapEff", nothing.clone()),
        ("CapInh", nothing.clone()),
        ("CapAmb", nothing),
        ("NoNewPrivs", "1".to_owned()),
    ] {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let found = line.unwrap_or("missing").trim();
        if found != expected {
            return Err(format!("{name} is `{found}` instead of `{expected}`"));
        }
    }
    Ok(())
}

/// Uid and gid of a user in the text of passwd(5); root is nobody here.
fn user_in(passwd: &str, name: &str) -> Option<(u32, u32)> {
    let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut ids = line.split(':').skip(2).map(str::parse);
    let (uid, gid) = (ids.next()?.ok()?, ids.next()?.ok()?);
    (uid != 0 && gid != 0).then_some((uid, gid))
}

/// Whether a uid_map (user_namespaces(7)) has a user of this number.
fn maps(map: &str, uid: u32) -> bool {
    map.lines().any(|line| {
        let mut numbers = line.split_whitespace().map(str::parse::<u64>);
        let (first, _, count) = (numbers.next(), numbers.next(), numbers.next());
        match (first, count) {
            (Some(Ok(first)), Some(Ok(count))) => {
                (first..first.saturating_add(count)).contains(&u64::from(uid))
            }
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_with_few_users_is_told_from_a_host() {
        assert!(maps("         0          0 4294967295\n", LAST_LEASE));
        assert!(!maps("         0     100000      65536\n", LAST_LEASE));
        assert!(maps("0 1000 1\n1 100000 1999999999\n", LAST_LEASE));
        assert!(!maps("", LAST_LEASE));
    }

    const STATUS: &str = "Name:\tcofferdam\nUid:\t7\t7\t7\t7\nGid:\t8\t8\t8\t8\nGroups:\t \n\
        Threads:\t1\nCapInh:\t0000000000000000\nCapPrm:\t0000000000000000\n\
        CapEff:\t0000000000000000\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1\n";

    #[test]
    fn whatever_is_left_of_root_is_found() {
        assert_eq!(check_status(STATUS, 7, 8), Ok(()));
        for (from, to) in [
            ("Uid:\t7\t7\t7\t7", "Uid:\t7\t7\t0\t7"),
            ("Gid:\t8\t8\t8\t8", "Gid:\t0\t0\t0\t0"),
            ("Groups:\t ", "Groups:\t0 "),
            ("Threads:\t1", "Threads:\t2"),
            ("CapInh:\t00", "CapInh:\t20"),
            ("CapPrm:\t00", "CapPrm:\t20"),
            ("NoNewPrivs:\t1", "NoNewPrivs:\t0"),
            ("CapEff", "Cap"),
        ] {
            assert!(check_status(&STATUS.replace(from, to), 7, 8).is_err(), "{from}");
        }
    }

    #[test]
    fn the_service_user_is_found_by_its_whole_name_and_is_never_root() {
        let passwd = "root:x:0:0::/root:/bin/sh\nx-cofferdam-agent:x:1:1::/:\n\
            cofferdam-agent:x:990:991::/:/usr/sbin/nologin\nevil:x:0:5::/:\n";
        assert_eq!(user_in(passwd, SERVICE_USER), Some((990, 991)));
        assert_eq!(user_in(passwd, "evil"), None);
        assert_eq!(user_in(passwd, "nobody"), None);
    }

    #[test]
    fn leases_stay_within_what_is_kept_for_cells_and_clear_of_the_service_user() {
        let leases = Standing::leases();
        let (first, last) = leases.split_once('-').unwrap();
        let (first, last): (u32, u32) = (first.parse().unwrap(), last.parse().unwrap());
        assert!(FIRST_LEASE <= first && first < last && last < LAST_LEASE);
    }
}
