//! What of Cofferdam's host side is on this host, and what takes it away.

use std::fs;
use std::path::Path;

use serde::Serialize;

use super::{cells, processes_of_cells};
use crate::ceiling::Current;
use crate::config::Config;
use crate::doctor::Page;

/// Something that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Remain {
    /// What.
    pub what: &'static str,
    /// Where, or which.
    pub place: String,
    /// What is known of it.
    pub detail: String,
    /// What takes it away.
    pub remove: String,
}

/// Directories that packages make, or those who use them, with what takes each away.
const PACKAGED: [(&str, &str, &str); 6] = [
    ("programs", "/usr/lib/cofferdam", "apt remove cofferdam-agent, or rpm -e cofferdam-agent"),
    (
        "configuration",
        "/etc/cofferdam",
        "apt purge cofferdam-agent, or rpm -e, which keeps what was changed as .rpmsave, and keys; \
         rm -r what is left there",
    ),
    (
        "keys, journal",
        "/var/lib/cofferdam-agent",
        "apt purge cofferdam-agent deletes all of it but the journal, rpm -e nothing; rm -r",
    ),
    ("owner's socket", "/run/cofferdam-agent", "it goes with the package"),
    ("sockets", "/run/cofferdam", "they go with the package"),
    ("workspaces", "/srv/cofferdam", KEEP),
];
const KEEP: &str = "nothing of Cofferdam's is in it: it is yours to keep";
/// Names in passwd(5) and group(5).
const USERS: [&str; 2] = ["cofferdam-agent", "cofferdam-proxy"];
/// Where units are, and links to them; those of packages and those of the owner.
const UNIT_DIRECTORIES: [&str; 7] = [
    "/usr/lib/systemd/system",
    "/usr/lib/systemd/system-preset",
    "/etc/systemd/system",
    "/etc/systemd/system/multi-user.target.wants",
    "/etc/systemd/system/sockets.target.wants",
    "/run/systemd/system",
    "/run/systemd/transient",
];
/// What Debian's packages remember of units, for as long as they are not purged.
const REMEMBERED: [&str; 6] = [
    "/var/lib/systemd/deb-systemd-helper-enabled",
    "/var/lib/systemd/deb-systemd-helper-enabled/multi-user.target.wants",
    "/var/lib/systemd/deb-systemd-helper-enabled/sockets.target.wants",
    "/var/lib/systemd/deb-systemd-helper-masked",
    "/var/lib/systemd/deb-systemd-user-helper-enabled",
    "/var/lib/systemd/deb-systemd-user-helper-masked",
];
const UNITS: [&str; 5] = [
    "cofferdam-agent",
    "cofferdam-warden",
    "cofferdam-cells",
    "cofferdam-proxy",
    "cofferdam-kill-all",
];

/// All of it. Without a configuration, what packages make.
#[must_use]
pub fn installed(config: Option<&Config>) -> Vec<Remain> {
    let mut found = Vec::new();
    for (cell, processes) in cells() {
        let place = cell.display().to_string();
        let detail = format!("a cell with {processes} processes");
        found.push(remain("cell", place, detail, "cofferdam-agent kill-all"));
    }
    for pid in processes_of_cells() {
        let detail = "a process of a cell's user".to_owned();
        found.push(remain("process", pid.to_string(), detail, "cofferdam-agent kill-all"));
    }
    found.extend(mounts());
    for (what, place, remove) in PACKAGED {
        found.extend(directory(what, Path::new(place), remove));
    }
    if let Some(config) = config {
        found.extend(configured(config));
    }
    found.extend(units(&UNIT_DIRECTORIES, "systemctl disable --now it, then remove the package"));
    found.extend(units(&REMEMBERED, "apt purge cofferdam-agent"));
    for (file, what, tool) in
        [("/etc/passwd", "user", "userdel"), ("/etc/group", "group", "groupdel")]
    {
        let text = fs::read_to_string(file).unwrap_or_default();
        for name in USERS.into_iter().filter(|name| names(&text).any(|it| it == *name)) {
            let remove = format!("{tool} {name}, once no file belongs to it");
            found.push(remain(what, name.to_owned(), format!("in {file}"), &remove));
        }
    }
    found
}

/// As a person reads it.
#[must_use]
pub fn print(found: &[Remain], mut page: Page) -> String {
    const TEXT: usize = 20;
    if found.is_empty() {
        page.line("", 0, "Nothing of Cofferdam's host side is here.");
    }
    for Remain { what, place, detail, remove } in found {
        let detail = if detail.is_empty() { String::new() } else { format!(" ({detail})") };
        page.line(what, TEXT, &format!("{place}{detail}"));
        page.line("", TEXT, &format!("away: {remove}"));
    }
    page.into_text()
}

/// What the configuration names outside of the directories of packages.
fn configured(config: &Config) -> Vec<Remain> {
    let packaged = |path: &Path| PACKAGED.iter().any(|(_, place, _)| path.starts_with(place));
    let journal = (!packaged(&config.journal)).then(|| {
        let remove = "rm -r, once nobody needs the record of what was done here";
        directory("journal", &config.journal, remove)
    });
    let ceiling = Current::load(&config.ceiling, rustix::process::geteuid().as_raw());
    let roots = ceiling.into_iter().flat_map(|current| current.ceiling.workspaces.roots);
    let roots = roots.filter(|root| !packaged(root.as_path()));
    let roots = roots.filter_map(|root| directory("workspaces", root.as_path(), KEEP));
    let identity = config.identity.directory.iter().filter(|it| !packaged(it));
    let revoke = "rm -r, once its gateway's owner has revoked this host";
    let identity = identity.filter_map(|it| directory("identity", it, revoke));
    journal.flatten().into_iter().chain(identity).chain(roots).collect()
}

fn directory(what: &'static str, path: &Path, remove: &str) -> Option<Remain> {
    let detail = match fs::read_dir(path) {
        Ok(entries) => format!("{} entries", entries.count()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => format!("cannot be looked into: {error}"),
    };
    Some(remain(what, path.display().to_string(), detail, remove))
}

/// Files and links of these directories that are named after our units. Presets have a
/// number before the name.
fn units(directories: &[&str], remove: &str) -> Vec<Remain> {
    let entries = directories.iter().flat_map(|it| fs::read_dir(it).into_iter().flatten());
    let is_ours = |name: &str| {
        let name = name.trim_start_matches(|it: char| it.is_ascii_digit() || it == '-');
        UNITS.iter().any(|unit| name.starts_with(unit))
    };
    let ours = entries.flatten().filter(|entry| entry.file_name().to_str().is_some_and(is_ours));
    let line = |entry: fs::DirEntry| {
        remain("unit", entry.path().display().to_string(), "systemd".to_owned(), remove)
    };
    ours.map(line).collect()
}

/// Cells mount in namespaces of their own; a mount that is seen here is none of
/// theirs, or a fault.
fn mounts() -> Vec<Remain> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points = table.lines().filter_map(|line| line.split(' ').nth(4));
    let ours = points.filter(|it| it.contains("/cofferdam")).map(str::to_owned);
    ours.map(|it| remain("mount", it.clone(), String::new(), &format!("umount {it}"))).collect()
}

fn names(table: &str) -> impl Iterator<Item = &str> {
    table.lines().filter_map(|line| line.split(':').next())
}

fn remain(what: &'static str, place: String, detail: String, remove: &str) -> Remain {
    Remain { what, place, detail, remove: remove.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_is_not_there_does_not_remain() {
        let directory_of_test = tempfile::tempdir().unwrap();
        fs::write(directory_of_test.path().join("file"), "").unwrap();
        let found = directory("state", directory_of_test.path(), "rm -r").unwrap();
        assert_eq!(found.detail, "1 entries");
        assert_eq!(directory("state", Path::new("/nowhere/at/all"), "rm -r"), None);
    }

    #[test]
    fn what_is_named_after_a_unit_remains_whoever_wrote_it() {
        let place = tempfile::tempdir().unwrap();
        let own =
            ["85-cofferdam-agent.preset", "cofferdam-agent.service.d", "cofferdam-kill-all.path"];
        let others = ["85-cofferdam-gateway.preset", "cofferdam-gateway.service", "ssh.service"];
        for name in own.into_iter().chain(others) {
            fs::write(place.path().join(name), "").unwrap();
        }
        let mut found = units(&[place.path().to_str().unwrap(), "/nowhere"], "rm");
        found.sort_by(|one, other| one.place.cmp(&other.place));
        let found: Vec<_> = found.iter().map(|it| Path::new(&it.place)).collect();
        assert_eq!(found, own.map(|name| place.path().join(name)));
    }
}
