//! Trials: lines of the checklist that take more than the probe's word.

mod bounds;
mod given;

use std::os::unix::process::ExitStatusExt;

use super::bench::Bench;
use super::verdict::{Evidence, Result};

/// Memory of the cell that is to run out of it, in bytes.
const LITTLE_MEMORY: u64 = 64 << 20;
/// Wall time of what never ends by itself, in milliseconds.
const LITTLE_TIME: u64 = 300;

/// Makes every trial.
pub(super) async fn all(bench: &Bench) -> Vec<Evidence> {
    let made = [
        ("workspace-through-a-link", &[6][..], workspace_through_a_link(bench).await),
        ("protected-path", &[9], given::change_what_is_protected(bench).await),
        ("full-scratch", &[15], bounds::fill_a_scratch_place(bench).await),
        ("written-program", &[30], written_program(bench).await),
        ("process-limit", &[32], bounds::fork_without_end(bench).await),
        ("memory-limit", &[33], memory_limit(bench).await),
        ("wall-time", &[34, 36], wall_time(bench).await),
        ("double-fork", &[35], double_fork(bench).await),
        ("open-output", &[37], bounds::hold_the_output_open(bench).await),
        ("two-cells", &[16, 48], two_cells(bench).await),
        ("environment", &[47], given::inherit_the_environment(bench).await),
        ("nul-argument", &[49], given::give_an_argument_with_nul(bench).await),
        ("layers", &[50], layers(bench)),
    ];
    let evidence = |(name, numbers, result): (&str, &[u8], _)| Evidence {
        name: name.to_owned(),
        numbers: numbers.to_vec(),
        result: match result {
            Ok(result) => result,
            Err(why) => Result::Untried(why),
        },
    };
    made.into_iter().map(evidence).collect()
}

type Tried = std::result::Result<Result, String>;

fn refused_if(refused: bool, otherwise: impl Into<String>) -> Result {
    if refused { Result::Refused } else { Result::Possible(otherwise.into()) }
}

/// A cell whose workspace is a link must not be built.
async fn workspace_through_a_link(bench: &Bench) -> Tried {
    let link = bench.place_of("link");
    let made = bench.once(bench.workspace(), &["ln", "-sfn", ".", &link.to_string()]).await?;
    if !made.status.success() {
        return Err(made.said());
    }
    let real = bench.workspace();
    let lead_astray = |plan: &mut cofferdam_plan::CellPlan| {
        let rules = plan.landlock.iter_mut().filter(|rule| rule.path == *real);
        rules.for_each(|rule| rule.path = link.clone());
        plan.workspace.protected.clear();
        plan.workspace.path = link;
    };
    match bench.cell(lead_astray).await {
        // Another reason would say nothing about links.
        Err(why) if why.contains("symlink") => Ok(Result::Refused),
        Err(why) => Err(why),
        Ok(cell) => {
            bench.end(cell).await;
            Ok(Result::Possible("a cell was built".to_owned()))
        }
    }
}

/// A program that a run writes into the workspace must not start.
async fn written_program(bench: &Bench) -> Tried {
    if bench.executes() {
        return Err("the profile allows it".to_owned());
    }
    let line = "printf '#!/bin/sh\necho started\n' > \"$0\" && chmod 755 \"$0\" && \"$0\"; exit 0";
    let path = bench.place_of("written").to_string();
    let ran = bench.once(bench.workspace(), &["sh", "-c", line, &path]).await?;
    Ok(refused_if(!ran.text.contains("started"), "it started"))
}

/// tail(1) keeps a line without an end in memory. Where nothing would stop it,
/// the host is spared.
async fn memory_limit(bench: &Bench) -> Tried {
    let cell = bench.cell(|plan| plan.limits.memory_bytes = LITTLE_MEMORY).await?;
    if cell.cgroup().is_empty() {
        bench.end(cell).await;
        return Ok(Result::Possible("the cell has no cgroup that limits its memory".to_owned()));
    }
    let ran = bench.run(&cell, bench.workspace(), &["tail", "/dev/zero"]).await;
    bench.end(cell).await;
    let ran = ran?;
    let killed = ran.status.signal() == Some(libc::SIGKILL) && !ran.timed_out;
    Ok(refused_if(killed, format!("it was not ended for its memory: {}", ran.said())))
}

/// It spins and ignores SIGTERM.
async fn wall_time(bench: &Bench) -> Tried {
    let cell = bench.cell(|_| {}).await?;
    let line = ["sh", "-c", "trap '' TERM; while :; do :; done"];
    let ran = bench.run_for(&cell, bench.workspace(), &line, LITTLE_TIME).await;
    bench.end(cell).await;
    let ran = ran?;
    Ok(refused_if(ran.timed_out, format!("it ended otherwise: {}", ran.said())))
}

/// What a run left must be gone when the run has ended.
async fn double_fork(bench: &Bench) -> Tried {
    let cell = bench.cell(|_| {}).await?;
    let line = ["sh", "-c", "(setsid sleep 60 </dev/null >/dev/null 2>&1 &); exit 0"];
    let first = bench.run(&cell, bench.workspace(), &line).await;
    let count = ["sh", "-c", "set -- /proc/[0-9]*; echo $#"];
    let second = bench.run(&cell, bench.workspace(), &count).await;
    bench.end(cell).await;
    let (first, second) = (first?, second?);
    if !first.status.success() || !second.status.success() {
        return Err(format!("{}; {}", first.said(), second.said()));
    }
    // PID 1 and the shell.
    let left = second.text.trim();
    Ok(refused_if(left == "2", format!("{left} processes were there")))
}

/// What one cell leaves in its private places, another must not see.
async fn two_cells(bench: &Bench) -> Tried {
    let first = bench.cell(|_| {}).await?;
    let leave = ["sh", "-c", "echo secret > /tmp/left && echo secret > ~/left"];
    let left = bench.run(&first, bench.workspace(), &leave).await;
    let look = ["sh", "-c", "cat /tmp/left ~/left 2>/dev/null; exit 0"];
    let looked = bench.once(bench.workspace(), &look).await;
    bench.end(first).await;
    let (left, looked) = (left?, looked?);
    if !left.status.success() {
        return Err(left.said());
    }
    Ok(refused_if(!looked.text.contains("secret"), "another cell's file was read"))
}

/// Every layer as it was asked for, or the cell says which is not.
fn layers(bench: &Bench) -> Tried {
    let layers = bench.layers();
    let said = |it: &&cofferdam_plan::LayerReport| !it.effective && it.detail.is_empty();
    match layers.iter().find(said) {
        Some(silent) => {
            Ok(Result::Possible(format!("{} is missing, silently", silent.layer.name())))
        }
        None if layers.is_empty() => Err("the cell reported no layer".to_owned()),
        None => Ok(Result::Refused),
    }
}
