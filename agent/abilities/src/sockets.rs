//! Unix sockets of the host that anybody may connect to.
//!
//! Landlock covers connecting to a socket file from ABI 9 on. Before, what
//! holds is the mount view: /run and /tmp of the host are not in it. A socket
//! that lies in a workspace, or in a directory that a profile shows, is.

mod walk;

use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::ability::{Ability, Need, State};
use crate::read::text;

/// Where services leave their sockets.
const PLACES: [&str; 3] = ["/run", "/var/run", "/tmp"];
/// Sockets that are listed, at most.
const MOST: usize = 1000;
/// Sockets that are named in a line, at most.
const NAMED: usize = 6;

/// Names of sockets through which one becomes root, or nearly.
const POWERFUL: [&str; 8] = [
    "docker.sock",
    "containerd.sock",
    "podman.sock",
    "crio.sock",
    "snapd.socket",
    "system_bus_socket",
    "io.systemd.Manager",
    "lxd.socket",
];

/// Sockets that were found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Sockets {
    /// In the places where services leave them.
    pub outside: Vec<PathBuf>,
    /// In workspaces, whoever may connect: a cell runs as the workspace's owner
    /// as far as files are concerned.
    pub inside: Vec<PathBuf>,
    /// Workspaces were looked at.
    pub looked: bool,
    /// Landlock covers them.
    pub covered: bool,
}

impl Sockets {
    pub(crate) fn ask(workspaces: &[PathBuf], landlock_abi: u32) -> Self {
        let bound = bound(&text("/proc/net/unix").unwrap_or_default());
        let beneath = |roots: &[PathBuf]| {
            let known = bound.iter().filter(|path| roots.iter().any(|root| path.starts_with(root)));
            let walked = roots.iter().flat_map(|root| walk::sockets(root));
            let mut found: Vec<PathBuf> = known.cloned().chain(walked).take(MOST).collect();
            found.sort();
            found.dedup();
            found
        };
        let mut places: Vec<PathBuf> =
            PLACES.iter().filter_map(|place| Path::new(place).canonicalize().ok()).collect();
        places.sort();
        places.dedup();
        let inside = beneath(workspaces);
        let mut outside = beneath(&places);
        outside.retain(|path| is_anybodys(path) && !inside.contains(path));
        Self { outside, inside, looked: !workspaces.is_empty(), covered: landlock_abi >= 9 }
    }

    pub(crate) fn lines(&self) -> Vec<Ability> {
        vec![self.outside_line(), self.inside_line()]
    }

    fn outside_line(&self) -> Ability {
        let name = "sockets.host";
        let means = "not in a cell's view; a profile must not show these places";
        if self.outside.is_empty() {
            return Ability::new(
                name,
                Need::Noted,
                State::Full,
                "none that anybody may connect to",
            )
            .means(means);
        }
        let powerful: Vec<PathBuf> =
            self.outside.iter().filter(|path| is_powerful(path)).cloned().collect();
        let state = if powerful.is_empty() { State::Full } else { State::Partial };
        let line = Ability::new(
            name,
            Need::Noted,
            state,
            format!("open to anybody: {}", names(&self.outside)),
        )
        .means(means);
        match powerful.first() {
            Some(path) => line.fix(format!("chmod o-rw {}", path.display())),
            None => line,
        }
    }

    fn inside_line(&self) -> Ability {
        let name = "sockets.workspaces";
        if !self.looked {
            return Ability::new(name, Need::Noted, State::Unknown, "no workspace is known")
                .means("a socket in a workspace can be connected to from its cells")
                .fix("give the configuration by --config");
        }
        if self.inside.is_empty() {
            return Ability::new(name, Need::Noted, State::Full, "none in a workspace").means(
                if self.covered {
                    "one that appears later is covered by Landlock"
                } else {
                    "one that a service makes there later could be connected to from a cell"
                },
            );
        }
        let detail = format!("in workspaces: {}", names(&self.inside));
        let state = if self.covered { State::Full } else { State::Partial };
        Ability::new(name, Need::Noted, state, detail)
            .means(if self.covered {
                "covered by Landlock"
            } else {
                "a cell in that workspace can connect, unless the socket was masked at its start"
            })
            .fix("move these sockets out of the workspace; Linux 7.1 (Landlock ABI 9) covers them")
            .since("7.1")
    }
}

/// Paths of `/proc/net/unix` (proc_pid_net(5)) that are socket files still.
fn bound(text: &str) -> Vec<PathBuf> {
    text.lines()
        .skip(1)
        .filter_map(|line| line.find(" /").map(|at| &line[at + 1..]))
        .map(PathBuf::from)
        .filter(|path| walk::is_socket(path))
        .take(MOST)
        .collect()
}

/// Whether others may connect: writing is what connect(2) asks for.
fn is_anybodys(path: &Path) -> bool {
    let Ok(metadata) = path.symlink_metadata() else { return false };
    let open = |at: &Path| at.metadata().is_ok_and(|it| it.permissions().mode() & 0o001 != 0);
    metadata.file_type().is_socket()
        && metadata.permissions().mode() & 0o002 != 0
        && path.ancestors().skip(1).all(open)
}

fn is_powerful(path: &Path) -> bool {
    path.file_name().is_some_and(|name| POWERFUL.iter().any(|known| name == *known))
}

/// The first few, powerful ones before others, and how many more.
fn names(paths: &[PathBuf]) -> String {
    let mut paths: Vec<&PathBuf> = paths.iter().collect();
    paths.sort_by_key(|path| (!is_powerful(path), path.as_os_str().len()));
    let shown: Vec<String> =
        paths.iter().take(NAMED).map(|path| path.display().to_string()).collect();
    let more = paths.len().saturating_sub(NAMED);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    shown.join(", ") + &rest
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_socket_in_a_workspace_is_found_however_it_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("deep")).unwrap();
        let path = root.join("deep/docker.sock");
        let _listener = UnixListener::bind(&path).unwrap();
        let found = Sockets::ask(std::slice::from_ref(&root), 7);
        assert_eq!(found.inside, [path]);
        assert_eq!(found.inside_line().state, State::Partial);
        assert_eq!(Sockets { covered: true, ..found }.inside_line().state, State::Full);
    }

    #[test]
    fn powerful_sockets_are_named_first() {
        let paths: Vec<PathBuf> = (0..9)
            .map(|n| PathBuf::from(format!("/run/{n}")))
            .chain(["/run/docker.sock".into()])
            .collect();
        let text = names(&paths);
        assert!(
            text.starts_with("/run/docker.sock, /run/0") && text.ends_with("and 4 more"),
            "{text}"
        );
        let sockets = Sockets { outside: paths, ..Sockets::default() };
        assert_eq!(sockets.outside_line().fix.as_deref(), Some("chmod o-rw /run/docker.sock"));
    }

    #[test]
    fn odd_lines_of_the_kernels_list_are_left_out() {
        let text = "Num RefCount Protocol Flags Type St Inode Path\n\
                    0000000000000000: 00000002 00000000 00010000 0001 01 1 @abstract\n\
                    0000000000000000: 00000002 00000000 00010000 0001 01 1 /nowhere/at/all\n\n /\n";
        assert!(bound(text).is_empty());
        assert!(bound("").is_empty());
    }
}
