//! What of the file system the agent itself needs. No workspace is among it:
//! files are touched in cells only.

use std::path::PathBuf;

use cofferdam_ceiling::Ceiling;
use cofferdam_profile::trees::intersection;
use cofferdam_profile::{Profiles, Tree};
use cofferdam_services::MachineId;

use crate::ceiling::Services;
use crate::config::{Config, ServicePlaces};
use crate::services::MACHINE_ID;

/// A file or directory, and what the agent may do there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Where.
    pub path: PathBuf,
    /// What.
    pub reach: Reach,
}

/// What the agent may do at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Read files and list directories.
    Read,
    /// Read and write what is there.
    Write,
    /// Read, write, make and remove files.
    Keep,
}

/// All of it. Without profiles there are no plans either.
pub(super) fn places(
    config: &Config,
    ceiling: Option<&Ceiling>,
    profiles: Option<&Profiles>,
) -> Vec<Place> {
    let beside = |path: &PathBuf| path.parent().map(PathBuf::from);
    // Files that are replaced by renaming are reached through their directory.
    let by_hand = config.identity.files.iter();
    let by_hand = by_hand.flat_map(|files| [&files.certificate, &files.key, &files.authorities]);
    let directories = [&config.ceiling, &config.signing_key].into_iter().chain(by_hand);
    // Facts about the host, usage of cells, programs of the plans.
    let system = ["/proc", "/sys/fs/cgroup", "/etc/os-release", "/usr/lib/os-release"];
    let programs = ceiling.into_iter().flat_map(|c| c.programs.execute.iter());
    // And what those need: libraries, data, where the loader finds both.
    let shown = ceiling.zip(profiles).map(|(ceiling, profiles)| shown(ceiling, profiles));
    let names = if config.dials_names() { name_service() } else { Vec::new() };
    let read = directories
        .filter_map(beside)
        .chain(system.map(PathBuf::from))
        .chain(config.profiles.clone())
        .chain(programs.map(|root| root.as_path().to_owned()))
        .chain(shown.into_iter().flatten())
        .chain(names)
        .map(|path| Place { path, reach: Reach::Read });
    // Renewed, and replaced by renaming.
    let enrolled = config.identity.directory.clone().into_iter();
    read.chain([
        Place { path: "/dev/null".into(), reach: Reach::Write },
        Place { path: config.journal.clone(), reach: Reach::Keep },
    ])
    .chain(enrolled.map(|path| Place { path, reach: Reach::Keep }))
    .collect()
}

/// What getaddrinfo(3) reads to find a gateway by its name: resolv.conf(5), hosts(5),
/// nsswitch.conf(5), gai.conf(5). Where a service keeps resolv.conf it replaces the
/// file, so that its directory is what has to be read. Where that cannot be found out,
/// the agent is allowed less and not more: names may not be found, and dialling says so.
fn name_service() -> Vec<PathBuf> {
    let files = ["resolv.conf", "hosts", "nsswitch.conf", "gai.conf", "host.conf"];
    let files = files.map(|file| PathBuf::from("/etc").join(file));
    let kept = files[0].canonicalize().ok();
    let kept = kept.and_then(|path| path.parent().map(PathBuf::from));
    let kept = kept.filter(|directory| directory.starts_with("/run"));
    files.into_iter().chain(kept).collect()
}

/// This machine's journals, where the ceiling shows them. Those of other machines,
/// which stand beside them, stay closed; the bus needs no place, because a
/// connection to a socket is none that this Landlock holds.
pub(super) fn journals(places: &ServicePlaces, shown: &Services) -> Vec<Place> {
    if !shown.is_something() || !shown.has_journal() {
        return Vec::new();
    }
    // Without an id no journal is opened, and `read_service` says why.
    let id = std::fs::read_to_string(MACHINE_ID).unwrap_or_default();
    let Some(id) = MachineId::parse(id.trim_end()) else { return Vec::new() };
    let own = places.journals.iter().map(|root| root.join(id.as_str()));
    let all = own.chain([PathBuf::from(MACHINE_ID)]);
    all.map(|path| Place { path, reach: Reach::Read }).collect()
}

/// What cells of some profile see of the host.
fn shown(ceiling: &Ceiling, profiles: &Profiles) -> Vec<PathBuf> {
    let view = ceiling.view.read.iter().map(|root| Tree::beneath(root.as_path()));
    let view: Vec<Tree> = view.collect();
    let shown: Vec<Tree> = profiles.iter().flat_map(|profile| profile.show.clone()).collect();
    intersection(&shown, &view).into_iter().map(|tree| tree.path).collect()
}
