//! What bounds the use of disks by workspaces, root by root, and how the host's owner
//! sets such a bound.

use std::path::{Path, PathBuf};

use cofferdam_abilities::{Ability, Need, State};
use cofferdam_ceiling::Ceiling;

use crate::disks::Disk;

/// Directories of a root that are looked at.
const ENTRIES: usize = 1000;

/// One line for all roots; none where there is no root.
pub(super) fn bounds(ceiling: &Ceiling) -> Vec<Ability> {
    let roots = &ceiling.workspaces.roots;
    let looked: Vec<_> = roots.iter().map(|root| look(root.as_path())).collect();
    if looked.is_empty() {
        return Vec::new();
    }
    let words: Vec<_> = looked.iter().map(|(words, _)| words.as_str()).collect();
    let open = looked.iter().find_map(|(_, fix)| fix.clone());
    let state = if open.is_some() { State::Partial } else { State::Full };
    let line = Ability::new("agent.disk", Need::Wished, state, words.join("; "));
    vec![match open {
        Some(fix) => line.means("a run can fill the disk that its workspace is on").fix(fix),
        None => line.means("no run can fill the disk that its workspace is on"),
    }]
}

/// How a root's workspaces stand, and how one that nothing bounds could be bounded.
fn look(root: &Path) -> (String, Option<String>) {
    let shown = root.display();
    let workspaces = workspaces(root);
    let all = workspaces.len();
    let mut other = None;
    let mut bounded = 0;
    for workspace in workspaces {
        let disk = Disk::of(&workspace);
        match disk.room() {
            Ok(now) if now.is_bounded() => bounded += 1,
            Ok(now) => other = other.or(Some((disk, workspace, now.in_words()))),
            Err(error) => {
                let why = format!("`{}` cannot be asked: {error}", workspace.display());
                other = other.or(Some((disk, workspace, why)));
            }
        }
    }
    match other {
        None => (format!("`{shown}`: a limit holds each of {all}"), None),
        Some((disk, workspace, why)) => {
            let words =
                format!("`{shown}`: a limit holds {bounded} of {all}; the first other: {why}");
            (words, Some(remedy(&disk, &workspace)))
        }
    }
}

/// The directories of a root, any of which may be a workspace; the root itself where it
/// has none, or shows none.
fn workspaces(root: &Path) -> Vec<PathBuf> {
    let entries = root.read_dir().into_iter().flatten().take(ENTRIES).flatten();
    let directories = entries.filter(|entry| entry.file_type().is_ok_and(|it| it.is_dir()));
    let found: Vec<_> = directories.map(|entry| entry.path()).collect();
    if found.is_empty() { vec![root.to_owned()] } else { found }
}

/// The commands for a bound of 10 GiB, by the kind of file system.
fn remedy(disk: &Disk, workspace: &Path) -> String {
    let at = workspace.display();
    match disk.mount() {
        Some((mount, "ext4")) => {
            let mount = mount.display();
            format!(
                "once, with `{mount}` unmounted: tune2fs -O project,quota -Q prjquota DEVICE, and \
                 mount it with -o prjquota; then for each workspace a number of its own: \
                 chattr -R -p 1001 +P {at} && setquota -P 1001 0 10G 0 0 {mount}"
            )
        }
        Some((mount, "xfs")) => {
            let mount = mount.display();
            format!(
                "mount `{mount}` with -o prjquota; then for each workspace a number of its own: \
                 xfs_quota -x -c 'project -s -p {at} 1001' -c 'limit -p bhard=10g 1001' {mount}"
            )
        }
        _ => format!(
            "give the workspace a file system of its own: fallocate -l 10G IMAGE && mkfs.ext4 \
             IMAGE && mount -o loop,nosuid,nodev IMAGE {at}"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CEILING: &str = include_str!("../../../../packaging/config/ceiling.toml");

    #[test]
    fn a_root_on_a_shared_disk_is_told_with_the_commands_that_would_bound_it() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("project")).unwrap();
        let roots = format!("roots = [{:?}]", dir.path().to_str().unwrap());
        let ceiling = CEILING.replace("roots = [\"/srv/cofferdam\"]", &roots);
        let lines = bounds(&Ceiling::parse(&ceiling).unwrap());
        let [line] = &lines[..] else { panic!("{lines:?}") };
        assert_eq!(line.state, State::Partial);
        assert!(line.detail.contains("0 of 1"), "{line:?}");
        let fix = line.fix.as_ref().unwrap();
        assert!(fix.contains("project") && fix.contains("10"), "{fix}");
    }

    #[test]
    fn a_root_that_is_not_there_is_told_and_nothing_panics() {
        let (words, fix) = look(Path::new("/not/there"));
        assert!(words.contains("cannot be asked"), "{words}");
        assert!(fix.is_some());
    }
}
