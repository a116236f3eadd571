//! The machine that was measured.

use anyhow::Context;

/// What a reader needs to compare.
#[derive(Debug)]
pub struct Machine {
    /// The day, in words.
    pub date: String,
    /// The model of the processor.
    pub cpu: String,
    /// Processors that this process may use.
    pub cpus: usize,
    /// All memory, in GiB.
    pub memory_gib: u64,
    /// The kernel's release.
    pub kernel: String,
    /// Which hierarchies are mounted.
    pub cgroups: String,
    /// Who measures.
    pub user: &'static str,
}

impl Machine {
    /// Looks around; `date` in place of today's.
    pub fn look(date: Option<String>) -> anyhow::Result<Self> {
        let read = |path: &str| {
            std::fs::read_to_string(path).with_context(|| format!("cannot read `{path}`"))
        };
        let today = || jiff::Timestamp::now().strftime("%Y-%m-%d (UTC)").to_string();
        Ok(Self {
            date: date.unwrap_or_else(today),
            cpu: value(&read("/proc/cpuinfo")?, "model name").unwrap_or("unknown").to_owned(),
            cpus: std::thread::available_parallelism()?.get(),
            memory_gib: value(&read("/proc/meminfo")?, "MemTotal")
                .and_then(|text| text.strip_suffix(" kB")?.parse::<u64>().ok())
                .map_or(0, |kib| kib.div_ceil(1 << 20)),
            kernel: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            cgroups: cgroups(&read("/proc/self/mountinfo")?),
            user: if crate::warden::is_root() { "root" } else { "an ordinary user" },
        })
    }
}

/// The value of the first line that begins with `key`.
fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let line = text.lines().find(|line| line.starts_with(key))?;
    Some(line.split_once(':')?.1.trim())
}

/// Which hierarchies are mounted, from mountinfo (proc_pid_mountinfo(5)).
fn cgroups(mounts: &str) -> String {
    let mut first = Vec::new();
    let mut second = false;
    for line in mounts.lines() {
        let Some((place, kind)) = line.split_once(" - ") else { continue };
        match kind.split(' ').next() {
            Some("cgroup2") => second = true,
            Some("cgroup") => {
                let point = place.split(' ').nth(4).unwrap_or_default();
                first.push(point.rsplit('/').next().unwrap_or_default());
            }
            _ => {}
        }
    }
    first.sort_unstable();
    match (first.is_empty(), second) {
        (true, true) => "v2".to_owned(),
        (false, true) => format!("v1 ({}) beside a v2 tree", first.join("; ")),
        (false, false) => format!("v1 ({})", first.join("; ")),
        (true, false) => "none".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_are_told_apart() {
        let second = "30 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        let first = "31 24 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
        assert_eq!(cgroups(second), "v2");
        assert_eq!(cgroups(first), "v1 (memory)");
        assert_eq!(cgroups(&(second.to_owned() + first)), "v1 (memory) beside a v2 tree");
    }
}
