//! How much memory each process of Cofferdam holds.

use anyhow::ensure;
use cofferdam_tests::dev::{Dev, children_of};
use cofferdam_tests::measure::Memory;

use crate::cells::Cells;

/// Of `cofferdam dev` and what it started.
pub(crate) fn of_parts(dev: &Dev) -> anyhow::Result<Vec<Memory>> {
    let mut pids: Vec<u32> = dev.children().into_iter().map(|(pid, _)| pid).collect();
    ensure!(!pids.is_empty(), "`cofferdam dev` has no parts");
    pids.push(dev.pid());
    let mut parts = pids.into_iter().map(Memory::of).collect::<Result<Vec<_>, _>>()?;
    parts.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(parts)
}

/// Of PID 1 of a cell in which nothing runs.
pub(crate) fn of_idle_cell(cells: &Cells) -> anyhow::Result<Memory> {
    let beneath = children_of(cells.warden_pid());
    let [(pid, _)] = beneath.as_slice() else {
        anyhow::bail!("one idle cell has one process, not {beneath:?}");
    };
    Ok(Memory { name: "PID 1 of an idle cell".to_owned(), ..Memory::of(*pid)? })
}
