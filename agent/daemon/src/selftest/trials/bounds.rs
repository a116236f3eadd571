//! Trials that take more and more of something until they are stopped.

use super::{Tried, refused_if};
use crate::selftest::bench::Bench;
use crate::selftest::verdict::Result;

/// Processes of the cell that is to run out of them, its PID 1 among them.
const FEW_PROCESSES: u32 = 16;
/// Bytes of the place that is to be filled.
const LITTLE_SPACE: u64 = 1 << 20;
/// Milliseconds for what must not wait for anybody.
const SHORT: u64 = 5_000;

/// A shell starts twice as many processes as its cell may have.
pub(super) async fn fork_without_end(bench: &Bench) -> Tried {
    let cell = bench.cell(|plan| plan.limits.processes = FEW_PROCESSES).await?;
    if cell.cgroup().is_empty() {
        bench.end(cell).await;
        return Ok(Result::Possible("the cell has no cgroup that counts its processes".to_owned()));
    }
    let line = format!(
        "for n in $(seq {}); do sleep 60 & done 2>&1; echo made all of them",
        2 * FEW_PROCESSES
    );
    let ran = bench.run_for(&cell, bench.workspace(), &["sh", "-c", &line], SHORT).await;
    bench.end(cell).await;
    let ran = ran?;
    Ok(refused_if(!ran.text.contains("made all"), "it had more processes than its limit"))
}

/// A file in /tmp that is larger than /tmp. Of the disk beneath a workspace this
/// says nothing.
pub(super) async fn fill_a_scratch_place(bench: &Bench) -> Tried {
    let little = |plan: &mut cofferdam_plan::CellPlan| {
        plan.scratch.iter_mut().for_each(|place| place.bytes = LITTLE_SPACE);
    };
    let cell = bench.cell(little).await?;
    let line = format!("head -c {} /dev/zero >/tmp/large", 4 * LITTLE_SPACE);
    let ran = bench.run(&cell, bench.workspace(), &["sh", "-c", &line]).await;
    bench.end(cell).await;
    let ran = ran?;
    Ok(refused_if(!ran.status.success(), "more was written than the place has room for"))
}

/// A child that keeps the output open must not keep its run from ending.
pub(super) async fn hold_the_output_open(bench: &Bench) -> Tried {
    let cell = bench.cell(|_| {}).await?;
    let line = ["sh", "-c", "setsid sleep 60 & exit 0"];
    let ran = bench.run_for(&cell, bench.workspace(), &line, SHORT).await;
    bench.end(cell).await;
    let ran = ran?;
    let ended = ran.status.success() && !ran.timed_out;
    Ok(refused_if(ended, format!("the run went on: {}", ran.said())))
}
