//! Measures everything that is compared, one after the other in each round.

use std::time::Duration;

use anyhow::Context;
use cofferdam_tests::measure::{Samples, spawn};

use crate::agent;
use crate::cells::{Cells, OneShot};
use crate::disk::Disk;
use crate::mcp;

/// Rounds before the first that counts.
const WARM_UP: usize = 20;

/// Times of each thing.
pub(crate) struct Turns {
    /// The yardstick.
    pub(crate) bare: Samples,
    /// A durable record of 1 KiB.
    pub(crate) disk: Samples,
    /// A run in a warm cell.
    pub(crate) warm: Samples,
    /// A one-shot run at the warden, until the run ended.
    pub(crate) one_shot: Samples,
    /// The same until nothing of the cell was left.
    pub(crate) gone: Samples,
    /// A one-shot run through gRPC.
    pub(crate) grpc: Samples,
    /// A one-shot run through MCP.
    pub(crate) mcp: Samples,
    /// A call that the gateway answers by itself.
    pub(crate) list_hosts: Samples,
    /// A call that a host answers without a cell.
    pub(crate) empty: Samples,
    /// A small read.
    pub(crate) read_file: Samples,
}

/// What one round measured.
struct Round {
    bare: Duration,
    disk: Duration,
    warm: Duration,
    one_shot: OneShot,
    grpc: Duration,
    mcp: Duration,
    list_hosts: Duration,
    empty: Duration,
    read_file: Duration,
}

/// Takes so many rounds.
pub(crate) fn take(
    rounds: usize,
    cells: &mut Cells,
    agent: &mut agent::Client,
    mcp: &mut mcp::Client,
    disk: &Disk,
) -> anyhow::Result<Turns> {
    let (run, list_hosts) = (mcp.run(), mcp.list_hosts());
    let (empty, read_file) = (mcp.empty(), mcp.read_file());
    let mut taken = Vec::with_capacity(rounds);
    for number in 0..WARM_UP + rounds {
        let round = Round {
            bare: spawn::bare()?,
            warm: cells.warm().context("a run in the warm cell")?,
            one_shot: cells.one_shot().context("a one-shot run at the warden")?,
            grpc: agent.run().context("a run through the agent")?,
            mcp: mcp.timed(&run).context("a run through the gateway")?,
            list_hosts: mcp.timed(&list_hosts).context("list_hosts")?,
            empty: mcp.timed(&empty).context("get_system_info")?,
            read_file: mcp.timed(&read_file).context("read_file")?,
            disk: disk.append().context("a record on the disk")?,
        };
        if number >= WARM_UP {
            taken.push(round);
        }
    }
    let all = |of: fn(&Round) -> Duration| taken.iter().map(of).collect();
    Ok(Turns {
        bare: all(|round| round.bare),
        disk: all(|round| round.disk),
        warm: all(|round| round.warm),
        one_shot: all(|round| round.one_shot.ended),
        gone: all(|round| round.one_shot.gone),
        grpc: all(|round| round.grpc),
        mcp: all(|round| round.mcp),
        list_hosts: all(|round| round.list_hosts),
        empty: all(|round| round.empty),
        read_file: all(|round| round.read_file),
    })
}
