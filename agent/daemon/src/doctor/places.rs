//! Files and directories that the agent needs: the file worker, the journal's
//! directory, the roots of workspaces.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use cofferdam_abilities::Ability;
use cofferdam_ceiling::{Ceiling, covers};
use rustix::fs::{Access, access, statvfs};

use super::prerequisites::{missing, partial, there};

/// Below this much free space the journal's disk is told.
const COMFORTABLE: u64 = 1 << 30;
/// Below this much, runs will soon be refused.
const SCARCE: u64 = 64 << 20;
/// Entries of a root that are looked at for workspaces.
const ENTRIES: usize = 1000;

/// The file worker must be there, and the ceiling must let cells have it.
pub(super) fn worker(path: &Path, ceiling: Option<&Ceiling>) -> Ability {
    let name = "agent.worker";
    let shown = path.display();
    let real = match path.canonicalize() {
        Ok(real) if real.is_file() && access(&real, Access::EXEC_OK).is_ok() => real,
        Ok(_) => {
            return missing(name, format!("`{shown}` is no program"))
                .means("file tools do not work")
                .fix("set `worker` in the configuration to the installed cofferdam-files");
        }
        Err(error) => {
            return missing(name, format!("cannot find the file worker `{shown}`: {error}"))
                .means("file tools do not work")
                .fix("set `worker` in the configuration to the installed cofferdam-files");
        }
    };
    let Some(ceiling) = ceiling else {
        return there(name, shown.to_string()).means("file tools have their worker");
    };
    let lists =
        [("view.read", &ceiling.view.read), ("programs.execute", &ceiling.programs.execute)];
    let without: Vec<&str> =
        lists.iter().filter(|(_, roots)| !covers(roots, &real)).map(|(key, _)| *key).collect();
    if without.is_empty() {
        there(name, shown.to_string()).means("cells can be given it for file tools")
    } else {
        missing(name, format!("`{}` is not beneath {}", real.display(), without.join(" and ")))
            .means("file tools do not work: the ceiling does not let cells have their worker")
            .fix(format!("add \"{}\" to {} of the ceiling", real.display(), without.join(" and ")))
    }
}

/// The journal must be writable and have space: without a record nothing runs.
pub(super) fn journal(path: &Path) -> Ability {
    let name = "agent.journal";
    let shown = path.display();
    // The agent makes the directory itself where it may.
    let place = path.ancestors().find(|place| place.exists()).unwrap_or(path);
    let uid = rustix::process::geteuid().as_raw();
    if !place.is_dir() || access(place, Access::WRITE_OK | Access::EXEC_OK).is_err() {
        return missing(name, format!("uid {uid} cannot write `{shown}`"))
            .means("nothing runs without a record")
            .fix(format!("install -d -m 700 -o {uid} {shown}"));
    }
    let Ok(disk) = statvfs(place) else {
        return partial(name, format!("`{shown}`: the disk does not say how much is free"))
            .means("a full disk stops new runs");
    };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let detail = format!("`{shown}`: writable, {} MiB free", free >> 20);
    let fix = format!("make room on the disk of `{shown}`");
    if free < SCARCE {
        missing(name, detail).means("runs are refused when the disk is full").fix(fix)
    } else if free < COMFORTABLE {
        partial(name, detail).means("runs are refused when the disk is full").fix(fix)
    } else {
        there(name, detail).means("each call can leave its record")
    }
}

/// One line for all roots; the first that is wrong is told.
pub(super) fn workspaces(ceiling: &Ceiling) -> Vec<Ability> {
    let roots = &ceiling.workspaces.roots;
    let name = "agent.workspaces";
    if roots.is_empty() {
        return vec![
            missing(name, "`workspaces.roots` of the ceiling is empty")
                .means("no session has a workspace")
                .fix("workspaces.roots = [\"/srv/cofferdam\"] in the ceiling"),
        ];
    }
    let wrong = roots.iter().find_map(|root| problem(root.as_path(), ceiling));
    vec![wrong.unwrap_or_else(|| {
        let shown: Vec<_> = roots.iter().map(|root| root.as_path().display().to_string()).collect();
        there(name, shown.join(", ")).means("sessions can work there")
    })]
}

/// What is wrong with a root, if anything is.
fn problem(root: &Path, ceiling: &Ceiling) -> Option<Ability> {
    let name = "agent.workspaces";
    let shown = root.display();
    let metadata = match root.symlink_metadata() {
        Ok(metadata) => metadata,
        Err(error) => {
            return Some(
                missing(name, format!("cannot look at `{shown}`: {error}"))
                    .means("no session can work there")
                    .fix(format!("install -d {shown}")),
            );
        }
    };
    if metadata.is_symlink() || root.canonicalize().is_ok_and(|real| real != root) {
        return Some(
            missing(name, format!("`{shown}` leads through a symlink"))
                .means("cells refuse it: a link could be turned elsewhere")
                .fix("name the real path in `workspaces.roots` of the ceiling"),
        );
    }
    if !metadata.is_dir() {
        return Some(
            missing(name, format!("`{shown}` is no directory"))
                .means("no session can work there")
                .fix("name a directory in `workspaces.roots` of the ceiling"),
        );
    }
    let roots_own = metadata.uid() == 0 && !ceiling.workspaces.allow_root_owned;
    (roots_own && !has_workspace(root)).then(|| {
        partial(name, format!("`{shown}` is root's, and nothing beneath it is another user's"))
            .means("a workspace of root's is refused: what cells write would be root's")
            .fix(format!("install -d -o USER {shown}/PROJECT"))
    })
}

/// Whether a directory in `root` belongs to somebody other than root.
fn has_workspace(root: &Path) -> bool {
    let Ok(entries) = root.read_dir() else { return false };
    entries
        .take(ENTRIES)
        .flatten()
        .any(|entry| entry.metadata().is_ok_and(|it| it.is_dir() && it.uid() != 0))
}

#[cfg(test)]
mod tests {
    use cofferdam_abilities::State;

    use super::*;

    const CEILING: &str = include_str!("../../../../packaging/config/ceiling.toml");

    fn ceiling(root: &Path) -> Ceiling {
        let roots = format!("roots = [{:?}]", root.to_str().unwrap());
        Ceiling::parse(&CEILING.replace("roots = [\"/srv/cofferdam\"]", &roots)).unwrap()
    }

    fn state(root: &Path) -> State {
        workspaces(&ceiling(root))[0].state
    }

    #[test]
    fn roots_that_cannot_be_workspaces_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().canonicalize().unwrap();
        std::fs::write(real.join("file"), "").unwrap();
        std::os::unix::fs::symlink(&real, real.join("link")).unwrap();
        for wrong in ["missing", "file", "link"] {
            assert_eq!(state(&real.join(wrong)), State::Missing, "{wrong}");
        }
    }

    #[test]
    fn a_root_of_roots_is_fine_once_somebody_has_a_directory_there() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: only root can give a directory away");
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().canonicalize().unwrap();
        assert_eq!(state(&real), State::Partial);
        std::fs::create_dir(real.join("project")).unwrap();
        std::os::unix::fs::chown(real.join("project"), Some(1234), None).unwrap();
        assert_eq!(state(&real), State::Full);
    }

    #[test]
    fn a_worker_that_the_ceiling_does_not_cover_is_told_with_the_keys() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().canonicalize().unwrap().join("cofferdam-files");
        std::fs::copy("/bin/true", &file).unwrap();
        let line = worker(&file, Some(&ceiling(dir.path())));
        assert_eq!(line.state, State::Missing);
        assert!(line.fix.unwrap().contains("view.read and programs.execute"));
        assert_eq!(
            worker(Path::new("/usr/bin/env"), Some(&ceiling(dir.path()))).state,
            State::Full
        );
        assert_eq!(worker(Path::new("/nowhere"), None).state, State::Missing);
        assert_eq!(worker(dir.path(), None).state, State::Missing);
    }

    #[test]
    fn a_journal_may_be_made_later_but_not_beneath_a_file() {
        let dir = tempfile::tempdir().unwrap();
        assert_ne!(journal(&dir.path().join("a/b")).state, State::Missing);
        std::fs::write(dir.path().join("file"), "").unwrap();
        assert_eq!(journal(&dir.path().join("file/b")).state, State::Missing);
    }
}
