//! Control groups: which layout the host has, which limits can be kept, and
//! whether this user has a part of the tree to itself.

mod layout;

use std::path::PathBuf;

use rustix::fs::{Access, access};
use serde::Serialize;

use crate::ability::{Ability, Need, State};
use crate::mount_table::Mount;
use crate::read::text;

pub use layout::{Controller, Layout};

/// What is known about control groups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cgroups {
    /// The layout.
    pub layout: Layout,
    /// The controllers that cells use, and where each is.
    pub controllers: Vec<(Controller, Option<u8>)>,
    /// Where this process sits in the v2 tree, if that part belongs to its user.
    pub delegated: Option<PathBuf>,
    /// This process is root.
    pub is_root: bool,
}

impl Cgroups {
    pub(crate) fn ask(mounts: &[Mount]) -> Self {
        let own = text("/proc/self/cgroup").unwrap_or_default();
        let layout = Layout::of(mounts);
        let unified = layout::unified(mounts);
        let listed =
            unified.and_then(|point| text(point.join("cgroup.controllers"))).unwrap_or_default();
        let find = |controller: Controller| (controller, controller.find(mounts, &listed));
        let own_directory = unified.and_then(|point| Some(point.join(layout::unified_path(&own)?)));
        let is_own = |directory: &PathBuf| {
            let writable = |name: &str| access(directory.join(name), Access::WRITE_OK).is_ok();
            writable("cgroup.procs") && writable("cgroup.subtree_control")
        };
        Self {
            layout,
            controllers: Controller::ALL.map(find).to_vec(),
            delegated: own_directory.filter(is_own),
            is_root: rustix::process::geteuid().is_root(),
        }
    }

    pub(crate) fn lines(&self) -> Vec<Ability> {
        let controllers = self.controllers.iter().copied().map(controller_line);
        [self.layout_line()]
            .into_iter()
            .chain(controllers)
            .chain([self.delegation_line()])
            .collect()
    }

    fn layout_line(&self) -> Ability {
        let name = "cgroup.layout";
        let fix = "boot with systemd.unified_cgroup_hierarchy=1 for cgroup v2 alone";
        match self.layout {
            Layout::V2 => Ability::new(name, Need::Required, State::Full, "v2")
                .means("a run starts inside its limits and is killed with its whole tree at once"),
            Layout::V1 | Layout::Hybrid => {
                let detail = if self.layout == Layout::V1 { "v1" } else { "v1 beside a v2 tree" };
                Ability::new(name, Need::Required, State::Partial, detail)
                    .means(
                        "limits hold; a run joins them itself before it starts, and peaks and \
                            out-of-memory events are told less exactly",
                    )
                    .fix(fix)
            }
            Layout::None => Ability::new(name, Need::Required, State::Missing, "none is mounted")
                .means("no limits can be kept: no cell starts, unless degraded ones are allowed")
                .fix("mount -t cgroup2 cgroup2 /sys/fs/cgroup"),
        }
        .since("5.14")
    }

    /// What counts is the warden's place; this tells whether an ordinary user
    /// could be one.
    fn delegation_line(&self) -> Ability {
        let name = "cgroup.delegation";
        if self.is_root {
            return Ability::new(name, Need::Noted, State::Full, "root may make cgroups")
                .means("the warden makes a cgroup for each cell");
        }
        match &self.delegated {
            Some(directory) => {
                let detail = format!("{} is this user's", directory.display());
                Ability::new(name, Need::Noted, State::Full, detail)
                    .means("rootless cells keep their limits too")
            }
            None => Ability::new(
                name,
                Need::Noted,
                State::Missing,
                "no part of the tree is an ordinary user's to change",
            )
            .means("rootless cells have no limits but those of setrlimit(2)")
            .fix("only if you want rootless cells: systemd-run --user --scope -p Delegate=yes …"),
        }
    }
}

fn controller_line((controller, found): (Controller, Option<u8>)) -> Ability {
    let need = if controller == Controller::Io { Need::Wished } else { Need::Required };
    let detail = match found {
        Some(version) => format!("in the v{version} tree"),
        None => "no such controller".to_owned(),
    };
    Ability::there(controller.ability(), need, found.is_some(), detail)
        .means(if found.is_some() { controller.held() } else { controller.open() })
        .fix(controller.remedy())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mount_table::parse;

    const HYBRID: &str = "\
33 26 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu
34 26 0:29 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
35 26 0:30 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids
42 26 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
";

    fn of(table: &str, listed: &str) -> Cgroups {
        let mounts = parse(table);
        let find = |it: Controller| (it, it.find(&mounts, listed));
        Cgroups {
            layout: Layout::of(&mounts),
            controllers: Controller::ALL.map(find).to_vec(),
            delegated: None,
            is_root: false,
        }
    }

    fn line(cgroups: &Cgroups, name: &str) -> Ability {
        cgroups.lines().into_iter().find(|line| line.name == name).unwrap()
    }

    #[test]
    fn a_hybrid_host_keeps_its_limits_in_v1() {
        let cgroups = of(HYBRID, "hugetlb");
        assert_eq!(cgroups.layout, Layout::Hybrid);
        assert_eq!(line(&cgroups, "cgroup.memory").detail, "in the v1 tree");
        assert_eq!(line(&cgroups, "cgroup.io").state, State::Missing);
        assert!(!line(&cgroups, "cgroup.io").stops_cells());
        assert_eq!(line(&cgroups, "cgroup.layout").state, State::Partial);
    }

    #[test]
    fn a_v2_host_lists_its_controllers() {
        let table = "29 23 0:26 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw,nsdelegate";
        let cgroups = of(table, "cpuset cpu io memory hugetlb pids rdma misc\n");
        assert!(cgroups.controllers.iter().all(|(_, found)| *found == Some(2)));
        assert_eq!(line(&cgroups, "cgroup.layout").state, State::Full);
        assert_eq!(line(&cgroups, "cgroup.delegation").state, State::Missing);
    }

    #[test]
    fn a_host_without_any_stops_cells() {
        let cgroups = of("", "");
        assert!(line(&cgroups, "cgroup.layout").stops_cells());
        assert!(line(&cgroups, "cgroup.memory").stops_cells());
    }
}
