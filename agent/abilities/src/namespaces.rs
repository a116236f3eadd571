//! Namespaces: which the kernel has, and whether they may be made here, by root
//! for the warden and by an ordinary user for rootless cells.

use std::path::Path;

use serde::Serialize;

use crate::ability::{Ability, Need, State};
use crate::read::number;
use crate::trial::{Outcome, Trial, Trials};

/// The kinds that a cell has, as named under /proc/self/ns.
const KINDS: [&str; 6] = ["mnt", "pid", "ipc", "uts", "net", "cgroup"];

/// What is known about namespaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Namespaces {
    /// Kinds that the kernel lacks.
    pub lacking: Vec<&'static str>,
    /// The kernel has user namespaces.
    pub user: bool,
    /// `user.max_user_namespaces`.
    pub most: Option<i64>,
    /// Debian's `kernel.unprivileged_userns_clone`.
    pub debian: Option<i64>,
    /// `kernel.apparmor_restrict_unprivileged_userns`.
    pub apparmor: Option<i64>,
    /// Whether root could make a cell's; untried by others.
    pub as_root: Outcome,
    /// Whether an ordinary user could make a user namespace and a cell's inside.
    pub as_user: Outcome,
}

impl Namespaces {
    pub(crate) fn ask(trials: Option<&Trials>) -> Self {
        let there = |kind: &str| Path::new("/proc/self/ns").join(kind).exists();
        // Root would be tried as root: only an ordinary user shows what one may do.
        let is_root = rustix::process::geteuid().is_root();
        let as_user = trials.filter(|_| !is_root);
        Self {
            lacking: KINDS.into_iter().filter(|kind| !there(kind)).collect(),
            user: there("user"),
            most: number("/proc/sys/user/max_user_namespaces"),
            debian: number("/proc/sys/kernel/unprivileged_userns_clone"),
            apparmor: number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
            as_root: Outcome::Untried,
            as_user: as_user.map_or(Outcome::Untried, |it| it.make(Trial::Rootless, None)),
        }
    }

    pub(crate) fn lines(&self) -> Vec<Ability> {
        vec![self.kinds_line(), self.network_line(), self.user_line(), self.rootless_line()]
    }

    fn kinds_line(&self) -> Ability {
        let name = "namespaces.kinds";
        if !self.lacking.is_empty() {
            let detail = format!("the kernel lacks {}", self.lacking.join(", "));
            return Ability::new(name, Need::Required, State::Missing, detail)
                .means("no cell starts")
                .fix("boot a kernel with CONFIG_NAMESPACES=y and each kind of them");
        }
        let kinds = KINDS.join(", ");
        match &self.as_root {
            Outcome::Works => {
                Ability::new(name, Need::Required, State::Full, format!("{kinds}: tried"))
            }
            Outcome::Untried => {
                let detail = format!("{kinds}: the kernel has them; not tried without root");
                Ability::new(name, Need::Required, State::Full, detail)
            }
            Outcome::Fails(why) => {
                return Ability::new(name, Need::Required, State::Missing, why.as_str())
                    .means("root cannot make a cell's namespaces here: no cell starts")
                    .fix("run the warden outside of a container that forbids CAP_SYS_ADMIN");
            }
        }
        .means("a cell sees processes, mounts and IPC objects of its own only")
    }

    fn network_line(&self) -> Ability {
        let there = !self.lacking.contains(&"net");
        let detail = if there { "the kernel has them" } else { "CONFIG_NET_NS is not set" };
        Ability::there("namespaces.network", Need::Required, there, detail)
            .means(if there {
                "a cell has a network of its own with nothing but loopback"
            } else {
                "no cell starts: the host's network would be open to it"
            })
            .fix("boot a kernel with CONFIG_NET_NS=y")
    }

    fn user_line(&self) -> Ability {
        let name = "namespaces.user";
        let there = self.user && self.most != Some(0);
        let detail = match (self.user, self.most) {
            (false, _) => "the kernel has none".to_owned(),
            (true, Some(most)) => format!("user.max_user_namespaces = {most}"),
            (true, None) => "the kernel has them".to_owned(),
        };
        Ability::there(name, Need::Required, there, detail)
            .means(if there {
                "files of a workspace keep their owner, and rootless cells are possible"
            } else {
                "the owner of a workspace cannot be mapped to a cell's user: no cell starts"
            })
            .fix(if self.user {
                "sysctl -w user.max_user_namespaces=16384, and in /etc/sysctl.d to keep it"
            } else {
                "boot a kernel with CONFIG_USER_NS=y"
            })
    }

    /// For hosts that want cells without root; others may well forbid it.
    fn rootless_line(&self) -> Ability {
        let name = "namespaces.rootless";
        let forbidden = self.forbidden();
        let (state, detail) = match (&self.as_user, &forbidden) {
            (Outcome::Works, _) => (State::Full, "an ordinary user made one: tried".to_owned()),
            (Outcome::Fails(why), _) => (State::Missing, why.clone()),
            (Outcome::Untried, Some((setting, _))) => {
                (State::Missing, format!("{setting} forbids them to ordinary users"))
            }
            (Outcome::Untried, None) => {
                (State::Unknown, "no setting forbids them; not tried".to_owned())
            }
        };
        let line = Ability::new(name, Need::Noted, state, detail).means(match state {
            State::Full => "an ordinary user can have cells too, weaker ones, without root",
            _ => "only the warden as root builds cells here",
        });
        match forbidden {
            Some((_, fix)) => line.fix(format!("only if you want rootless cells: {fix}")),
            None => line,
        }
    }

    /// The setting that forbids user namespaces to ordinary users, and its remedy.
    fn forbidden(&self) -> Option<(&'static str, &'static str)> {
        if self.most == Some(0) {
            let fix = "sysctl -w user.max_user_namespaces=16384";
            Some(("user.max_user_namespaces = 0", fix))
        } else if self.debian == Some(0) {
            let fix = "sysctl -w kernel.unprivileged_userns_clone=1";
            Some(("kernel.unprivileged_userns_clone = 0", fix))
        } else if self.apparmor.is_some_and(|value| value != 0) {
            let fix = "an AppArmor profile with `userns,` for /usr/lib/cofferdam/cofferdam-warden, \
                       or sysctl -w kernel.apparmor_restrict_unprivileged_userns=0";
            Some(("kernel.apparmor_restrict_unprivileged_userns", fix))
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn debian_12() -> Namespaces {
        Namespaces {
            lacking: vec![],
            user: true,
            most: Some(63_000),
            debian: Some(1),
            apparmor: None,
            as_root: Outcome::Untried,
            as_user: Outcome::Untried,
        }
    }

    #[test]
    fn what_was_not_tried_is_not_taken_for_there() {
        let lines = debian_12().lines();
        assert_eq!(lines[3].state, State::Unknown);
        let tried = Namespaces { as_user: Outcome::Works, ..debian_12() };
        assert_eq!(tried.rootless_line().state, State::Full);
    }

    #[test]
    fn a_setting_that_forbids_is_named_with_its_remedy() {
        let ubuntu = Namespaces { debian: None, apparmor: Some(1), ..debian_12() };
        let line = ubuntu.rootless_line();
        assert_eq!(line.state, State::Missing);
        assert!(line.detail.contains("apparmor") && line.fix.unwrap().contains("userns,"));
        let none = Namespaces { most: Some(0), ..debian_12() };
        assert!(none.user_line().stops_cells());
        assert!(none.rootless_line().fix.unwrap().contains("max_user_namespaces"));
    }

    #[test]
    fn a_kernel_without_a_kind_stops_cells() {
        let lines = Namespaces { lacking: vec!["net"], ..debian_12() }.lines();
        assert!(lines[0].stops_cells() && lines[1].stops_cells(), "{lines:?}");
    }

    #[test]
    fn a_failed_trial_of_root_is_no_cell() {
        let why = Outcome::Fails("cannot make namespaces: Operation not permitted".to_owned());
        let line = Namespaces { as_root: why, ..debian_12() }.kinds_line();
        assert!(line.stops_cells() && line.detail.contains("not permitted"), "{line:?}");
    }
}
