//! How much memory each process holds, as the kernel counts it.

use anyhow::{Context, ensure};
use cofferdam_tests::dev::{Dev, children_of};

use crate::cells::Cells;

/// One process's memory, in KiB.
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    /// The program.
    pub(crate) name: String,
    /// Resident, shared pages included (`VmRSS`).
    pub(crate) rss: u64,
    /// The most that was ever resident (`VmHWM`).
    pub(crate) peak: u64,
    /// Resident, each shared page divided by those who share it (`Pss`); only
    /// root is told of a process that is not dumpable.
    pub(crate) pss: Option<u64>,
}

impl Memory {
    /// Of `cofferdam dev` and what it started.
    pub(crate) fn of_parts(dev: &Dev) -> anyhow::Result<Vec<Self>> {
        let mut pids: Vec<u32> = dev.children().into_iter().map(|(pid, _)| pid).collect();
        ensure!(!pids.is_empty(), "`cofferdam dev` has no parts");
        pids.push(dev.pid());
        let mut parts = pids.into_iter().map(Self::of).collect::<Result<Vec<_>, _>>()?;
        parts.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(parts)
    }

    /// Of PID 1 of a cell in which nothing runs.
    pub(crate) fn of_idle_cell(cells: &Cells) -> anyhow::Result<Self> {
        let beneath = children_of(cells.warden_pid());
        let [(pid, _)] = beneath.as_slice() else {
            anyhow::bail!("one idle cell has one process, not {beneath:?}");
        };
        Ok(Self { name: "PID 1 of an idle cell".to_owned(), ..Self::of(*pid)? })
    }

    fn of(pid: u32) -> anyhow::Result<Self> {
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

/// The number of a line such as `VmRSS:     1234 kB`.
fn kibibytes(text: &str, key: &str) -> anyhow::Result<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(':')?.trim().strip_suffix(" kB"))
        .and_then(|number| number.parse().ok())
        .with_context(|| format!("the kernel does not say `{key}`"))
}
