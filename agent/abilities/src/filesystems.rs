//! The mount interface, and what the file systems of workspaces can do: map
//! owners, count a directory's use of the disk.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::ability::{Ability, Need, State};
use crate::mount_table::{Mount, mount_of};
use crate::read::text;
use crate::sys;
use crate::trial::{Outcome, Trial, Trials};

/// What is known about mounts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileSystems {
    /// open_tree(2) and its kin are there.
    pub trees: bool,
    /// mount_setattr(2) is there.
    pub attributes: bool,
    /// Whether an overlay can be had.
    pub overlay: Outcome,
    /// /proc/filesystems lists overlay.
    pub overlay_listed: bool,
    /// Each workspace root, and what it is on.
    pub workspaces: Vec<Workspace>,
}

/// A workspace root and its file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Workspace {
    /// The directory.
    pub path: PathBuf,
    /// The file system's type; empty where it is not known.
    pub kind: String,
    /// What is mounted, such as a device.
    pub source: String,
    /// Project quotas are switched on.
    pub quota: bool,
    /// Whether its owners can be mapped.
    pub owners: Outcome,
}

impl FileSystems {
    pub(crate) fn ask(
        mounts: &[Mount],
        workspaces: &[PathBuf],
        owners: &[(PathBuf, Outcome)],
        trials: Option<&Trials>,
    ) -> Self {
        let tried = |path: &Path| owners.iter().find(|(known, _)| known == path);
        let of = |path: &PathBuf| Workspace {
            owners: tried(path).map_or(Outcome::Untried, |(_, outcome)| outcome.clone()),
            ..Workspace::on(mounts, path)
        };
        let listed = text("/proc/filesystems").unwrap_or_default();
        Self {
            trees: sys::has_open_tree(),
            attributes: sys::has_mount_setattr(),
            overlay: trials.map_or(Outcome::Untried, |it| it.make(Trial::Overlay, None)),
            overlay_listed: listed.split_whitespace().any(|word| word == "overlay"),
            workspaces: workspaces.iter().map(of).collect(),
        }
    }

    pub(crate) fn lines(&self) -> Vec<Ability> {
        let mut lines = vec![self.calls_line(), self.owners_line(), self.overlay_line()];
        lines.push(self.quota_line());
        lines
    }

    fn calls_line(&self) -> Ability {
        let name = "mounts.view";
        let (there, missing) = match (self.trees, self.attributes) {
            (true, true) => (true, "open_tree and mount_setattr"),
            (false, _) => (false, "open_tree(2) is not there"),
            (true, false) => (false, "mount_setattr(2) is not there"),
        };
        Ability::there(name, Need::Required, there, missing)
            .means(if there {
                "a cell's view is read-only with everything beneath it, nosuid, nodev, noexec"
            } else {
                "a read-only view with sub-mounts cannot be built: no cell starts"
            })
            .fix("boot Linux 5.12 or later")
            .since("5.12")
    }

    fn owners_line(&self) -> Ability {
        let name = "mounts.owners";
        let failed: Vec<String> = self
            .workspaces
            .iter()
            .filter_map(|at| match &at.owners {
                Outcome::Fails(why) => Some(format!("{} on {}: {why}", at.path.display(), at.kind)),
                Outcome::Works | Outcome::Untried => None,
            })
            .collect();
        let untried = self.workspaces.iter().all(|at| at.owners == Outcome::Untried);
        if !self.attributes {
            Ability::new(name, Need::Required, State::Missing, "mount_setattr(2) is not there")
                .means("no cell starts: a workspace's owner cannot be mapped to a cell's user")
                .fix("boot Linux 5.12 or later")
        } else if !failed.is_empty() {
            Ability::new(name, Need::Required, State::Missing, failed.join("; "))
                .means("no cell starts in these workspaces: files could not keep their owner")
                .fix(
                    "put workspaces on ext4, xfs, btrfs or f2fs; or boot a newer kernel: xfs and \
                      overlay can from 5.19, tmpfs from 6.3",
                )
        } else if untried {
            let (why, fix) = if self.workspaces.is_empty() {
                ("no workspace is known", "give the configuration by --config")
            } else {
                ("only root can try it", "sudo cofferdam-agent doctor")
            };
            Ability::new(name, Need::Required, State::Unknown, why)
                .means("whether files of a workspace keep their owner depends on its file system")
                .fix(fix)
        } else {
            let paths: Vec<_> =
                self.workspaces.iter().map(|at| at.path.display().to_string()).collect();
            Ability::new(
                name,
                Need::Required,
                State::Full,
                format!("tried on {}", paths.join(", ")),
            )
            .means("what a cell writes in a workspace belongs to the workspace's owner")
        }
        .since("5.12")
    }

    fn overlay_line(&self) -> Ability {
        let name = "mounts.overlay";
        let (state, detail) = match &self.overlay {
            Outcome::Works => (State::Full, "tried"),
            Outcome::Fails(why) => (State::Missing, why.as_str()),
            Outcome::Untried if self.overlay_listed => (State::Full, "the kernel lists it"),
            Outcome::Untried => (State::Unknown, "not loaded; not tried"),
        };
        Ability::new(name, Need::Noted, state, detail)
            .means("only for profiles that lay a writable layer over a read-only tree")
            .fix("modprobe overlay")
    }

    fn quota_line(&self) -> Ability {
        let name = "mounts.quota";
        let without: Vec<&Workspace> = self.workspaces.iter().filter(|at| !at.quota).collect();
        let Some(first) = without.first() else {
            let state = if self.workspaces.is_empty() { State::Unknown } else { State::Full };
            return Ability::new(
                name,
                Need::Wished,
                state,
                match state {
                    State::Full => "project quotas are on",
                    _ => "no workspace is known",
                },
            )
            .means("how much of the disk a workspace may use can be limited where it is")
            .fix("give the configuration by --config");
        };
        let listed: Vec<String> =
            without.iter().map(|at| format!("{} ({})", at.path.display(), at.kind)).collect();
        let some = without.len() < self.workspaces.len();
        let state = if some { State::Partial } else { State::Missing };
        Ability::new(
            name,
            Need::Wished,
            state,
            format!("no project quota on {}", listed.join(", ")),
        )
        .means("a run can fill the disk of its workspace, but for single files over the limit")
        .fix(first.remedy())
    }
}

impl Workspace {
    /// What the mount table says of the directory at `path`.
    pub(crate) fn on(mounts: &[Mount], path: &Path) -> Self {
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let mount = mount_of(mounts, &real);
        let text = |of: fn(&Mount) -> &String| mount.map(of).cloned().unwrap_or_default();
        let quota = mount.is_some_and(|mount| mount.has("prjquota") || mount.has("pquota"));
        Self {
            path: path.to_owned(),
            kind: text(|mount| &mount.kind),
            source: text(|mount| &mount.source),
            quota,
            owners: Outcome::Untried,
        }
    }

    fn remedy(&self) -> String {
        match self.kind.as_str() {
            "ext4" => format!(
                "unmounted: tune2fs -O project,quota -Q prjquota {}; then mount with `prjquota` in \
                 /etc/fstab",
                self.source
            ),
            "xfs" => "mount with `prjquota` in /etc/fstab (for the root file system: \
                      rootflags=prjquota)"
                .to_owned(),
            _ => "put workspaces on ext4 or xfs with the mount option `prjquota`".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mount_table::parse;

    fn with(table: &str, paths: &[&str]) -> FileSystems {
        let mounts = parse(table);
        FileSystems {
            trees: true,
            attributes: true,
            overlay: Outcome::Untried,
            overlay_listed: true,
            workspaces: paths.iter().map(|path| Workspace::on(&mounts, path.as_ref())).collect(),
        }
    }

    const TABLE: &str = "\
27 1 254:0 / / rw - ext4 /dev/vda rw
31 27 8:1 / /nowhere/quota rw - xfs /dev/sdb rw,pquota";

    #[test]
    fn a_file_system_without_project_quotas_is_named_with_its_remedy() {
        let line = with(TABLE, &["/nowhere/a"]).quota_line();
        assert_eq!(line.state, State::Missing);
        assert!(line.fix.unwrap().contains("tune2fs -O project,quota -Q prjquota /dev/vda"));
        assert_eq!(with(TABLE, &["/nowhere/quota/x"]).quota_line().state, State::Full);
        let both = with(TABLE, &["/nowhere/a", "/nowhere/quota"]).quota_line();
        assert_eq!(both.state, State::Partial);
        assert_eq!(with(TABLE, &[]).quota_line().state, State::Unknown);
    }

    #[test]
    fn owners_that_could_not_be_mapped_stop_cells() {
        let mut systems = with(TABLE, &["/nowhere/a"]);
        assert_eq!(systems.owners_line().state, State::Unknown);
        systems.workspaces[0].owners = Outcome::Fails("cannot map its owners: EINVAL".to_owned());
        assert!(systems.owners_line().stops_cells());
        systems.workspaces[0].owners = Outcome::Works;
        assert_eq!(systems.owners_line().state, State::Full);
    }

    #[test]
    fn a_path_on_no_known_mount_is_no_panic() {
        let lines = with("", &["/nowhere"]).lines();
        assert_eq!(lines.len(), 4);
    }
}
