//! How much memory a process holds, as the kernel counts it.

use anyhow::Context;

/// One process's memory, in KiB (proc_pid_status(5), proc_pid_smaps(5)).
#[derive(Debug, Clone)]
pub struct Memory {
    /// The program.
    pub name: String,
    /// Resident, shared pages included (`VmRSS`).
    pub rss: u64,
    /// The most that was ever resident (`VmHWM`).
    pub peak: u64,
    /// Resident, each shared page divided by those who share it (`Pss`); only
    /// root is told of a process that is not dumpable.
    pub pss: Option<u64>,
}

impl Memory {
    /// Of one process.
    pub fn of(pid: u32) -> anyhow::Result<Self> {
        let read = |file: &str| {
            let path = format!("/proc/{pid}/{file}");
            std::fs::read_to_string(&path).with_context(|| format!("cannot read `{path}`"))
        };
        let (status, command) = (read("status")?, read("cmdline")?);
        let program = command.split('\0').next().unwrap_or_default();
        Ok(Self {
            name: program.rsplit('/').next().unwrap_or_default().to_owned(),
            rss: kibibytes(&status, "VmRSS")?,
            peak: kibibytes(&status, "VmHWM")?,
            pss: read("smaps_rollup").and_then(|rollup| kibibytes(&rollup, "Pss")).ok(),
        })
    }
}

/// The number of a line such as `VmRSS:     1234 kB`, in KiB.
pub fn kibibytes(text: &str, key: &str) -> anyhow::Result<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(':')?.trim().strip_suffix(" kB"))
        .and_then(|number| number.parse().ok())
        .with_context(|| format!("the kernel does not say `{key}`"))
}
