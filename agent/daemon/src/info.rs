//! Facts about the host, read from /proc, os-release and statvfs(3).

use std::fs;
use std::time::{Duration, SystemTime};

use cofferdam_ceiling::Ceiling;
use cofferdam_profile::Profiles;
use cofferdam_proto::exec::v1::Layer;
use cofferdam_proto::host::v1::{Disk, Host};
use cofferdam_proto::intent::v1::Limits;

use crate::clock;

/// Disks that are told of, at most.
const DISKS: usize = 32;

/// Describes this host. `layers` are those of the last cell that was built.
#[must_use]
pub fn host(name: &str, profiles: &Profiles, ceiling: &Ceiling, layers: Vec<Layer>) -> Host {
    let release = read("/etc/os-release");
    let kernel = rustix::system::uname();
    let memory = read("/proc/meminfo");
    let kib = |key| field(&memory, key).and_then(|v| v.trim_end_matches(" kB").parse().ok());
    let bytes = |key| kib(key).unwrap_or(0_u64).saturating_mul(1024);
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Host {
        name: name.to_owned(),
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        os_name: release_value(&release, "NAME"),
        os_version: release_value(&release, "VERSION_ID"),
        kernel: kernel.release().to_string_lossy().into_owned(),
        architecture: kernel.machine().to_string_lossy().into_owned(),
        cpu_model: field(&read("/proc/cpuinfo"), "model name").unwrap_or_default().to_owned(),
        cpus: u32::try_from(cpus).unwrap_or(u32::MAX),
        memory_total_bytes: bytes("MemTotal"),
        memory_available_bytes: bytes("MemAvailable"),
        load_hundredths: load(&read("/proc/loadavg")),
        disks: disks(ceiling),
        booted_at: booted(&read("/proc/uptime")),
        layers,
        profiles: allowed_profiles(profiles, ceiling),
        limits: Some(limits(ceiling)),
        workspace_roots: ceiling
            .workspaces
            .roots
            .iter()
            .map(|root| root.as_path().display().to_string())
            .collect(),
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// The value behind `key:` in lines of `key: value`.
fn field<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let mut fields = text.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(name, _)| name.trim_end() == key).map(|(_, value)| value.trim())
}

/// A value of os-release(5), without its quotes.
fn release_value(text: &str, key: &str) -> String {
    let mut values = text.lines().filter_map(|line| line.split_once('='));
    let value = values.find(|(name, _)| *name == key).map_or("", |(_, value)| value);
    value.trim_matches(['"', '\'']).to_owned()
}

fn load(text: &str) -> Vec<u32> {
    let hundredths = |word: &str| {
        let (whole, part) = word.split_once('.')?;
        Some(whole.parse::<u32>().ok()?.saturating_mul(100) + part.parse::<u32>().ok()?)
    };
    text.split(' ').take(3).filter_map(hundredths).collect()
}

fn booted(uptime: &str) -> Option<prost_types::Timestamp> {
    let seconds = uptime.split('.').next()?.parse().ok()?;
    SystemTime::now().checked_sub(Duration::from_secs(seconds)).map(clock::timestamp)
}

/// The file systems that hold the root and the workspaces.
fn disks(ceiling: &Ceiling) -> Vec<Disk> {
    let roots = ceiling.workspaces.roots.iter().map(|root| root.as_path().to_owned());
    let mut disks: Vec<Disk> = Vec::new();
    for path in ["/".into()].into_iter().chain(roots).take(DISKS) {
        if let Ok(stat) = rustix::fs::statvfs(&path) {
            disks.push(Disk {
                mount_point: path.display().to_string(),
                total_bytes: stat.f_blocks.saturating_mul(stat.f_frsize),
                available_bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
            });
        }
    }
    disks
}

fn allowed_profiles(profiles: &Profiles, ceiling: &Ceiling) -> Vec<String> {
    let allowed = |name: &&str| ceiling.profiles.allow.iter().any(|allowed| allowed == name);
    profiles.names().filter(allowed).map(str::to_owned).collect()
}

fn limits(ceiling: &Ceiling) -> Limits {
    let most = &ceiling.limits;
    Limits {
        memory_bytes: most.memory.0,
        processes: most.processes,
        cpu_millis: most.cpu_millis,
        wall_millis: most.wall.0,
        output_bytes: most.output.0,
        file_size_bytes: most.file_size.0,
        open_files: most.open_files,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_can_be_described() {
        let ceiling =
            Ceiling::parse(include_str!("../../../packaging/config/ceiling.toml")).unwrap();
        let host = host("h", &Profiles::load(None).unwrap(), &ceiling, Vec::new());
        assert!(host.memory_total_bytes > host.memory_available_bytes);
        assert_eq!(host.load_hundredths.len(), 3);
        assert!(host.cpus > 0 && !host.kernel.is_empty() && !host.os_name.is_empty());
        assert!(host.booted_at.is_some() && host.disks[0].total_bytes > 0);
        assert_eq!(host.profiles, ["build", "default", "readonly", "strict"]);
    }

    #[test]
    fn odd_files_give_nothing_rather_than_nonsense() {
        assert_eq!(load("1.5"), [105]);
        assert!(load("").is_empty() && load("x y z").is_empty());
        assert_eq!(release_value("NAME=\"A B\"\n", "NAME"), "A B");
        assert_eq!(field("model name\t: X\n", "model name"), Some("X"));
    }
}
