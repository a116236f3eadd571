//! What one run of a cell does to another: they share a user, and reach each other
//! by signals.

use std::time::{Duration, Instant};

use cofferdam_plan::{CellRequest, Limits, RunId, RunPlan, RunStep};
use cofferdam_tests::skip_unless_root;
use cofferdam_tests::warden::{Cell, run_plan};

use crate::Bench;

fn script(bench: &mut Bench, cell: &Cell, number: u8, script: &str) -> RunPlan {
    let leaf = bench.warden.leaf(cell, number.into(), Limits::default()).expect("a leaf");
    let mut plan = run_plan(bench.path(), &["bash", "-c", script]);
    plan.run = RunId([number; 16]);
    plan.leaf = leaf;
    plan.limits.wall_millis = 120_000;
    plan
}

#[test]
fn a_run_that_is_stopped_before_it_is_executed_holds_up_nobody_for_ever() {
    if skip_unless_root("a_run_that_is_stopped_before_it_is_executed_holds_up_nobody_for_ever") {
        return;
    }
    let mut bench = Bench::new();
    let cell = bench.cell();
    let plan = script(&mut bench, &cell, 1, "echo; while :; do kill -STOP -1; done");
    let hostile = cell.start(plan).unwrap();
    let begun = Instant::now();
    // Some are executed before the signal comes.
    let stopped = (2..60).any(|number| {
        let plan = script(&mut bench, &cell, number, "exit 3");
        let run = plan.run;
        match cell.start(plan) {
            Ok(_) => {
                cell.tell(&CellRequest::Kill(run));
                cell.wait(run);
                false
            }
            Err(refused) => {
                assert_eq!(refused, (RunStep::Execute, libc::ETIMEDOUT));
                true
            }
        }
    });
    assert!(stopped, "none was stopped in time");
    assert!(begun.elapsed() < Duration::from_mins(1), "{:?}", begun.elapsed());
    // PID 1 listens again.
    cell.tell(&CellRequest::Kill(RunId([1; 16])));
    assert!(cell.wait(RunId([1; 16])).cancelled);
    let plan = script(&mut bench, &cell, 60, "exit 3");
    assert_eq!(cell.run_plan(plan).unwrap().code(), Some(3));
    drop(hostile);
    bench.warden.end(cell);
}

#[test]
fn a_leaf_that_something_lives_in_is_said_to_be_there_and_nothing_forks_in_it() {
    if skip_unless_root(
        "a_leaf_that_something_lives_in_is_said_to_be_there_and_nothing_forks_in_it",
    ) {
        return;
    }
    let mut bench = Bench::new();
    let cell = bench.cell();
    let mut plan = script(&mut bench, &cell, 1, "setsid sleep 1000 >&- 2>&- & exit 0");
    plan.background = true;
    assert_eq!(cell.run_plan(plan).unwrap().code(), Some(0));
    // It may go on: nothing is done to it.
    assert!(bench.warden.leaf_is_left(&cell, 1, false));
    assert!(bench.warden.leaf_is_left(&cell, 1, false));
    let most = format!("/sys/fs/cgroup/pids/{}/run-1/pids.max", cell.cgroup);
    let most = || std::fs::read_to_string(&most).unwrap_or_default();
    assert_ne!(most().trim(), "0");
    // It may not: where the kernel can kill what is there, it is gone soon.
    assert!(bench.warden.leaf_is_left(&cell, 1, true));
    let v2 = !std::path::Path::new("/sys/fs/cgroup/pids").exists();
    assert!(v2 || most().trim() == "0");
    let gone_soon = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        !bench.warden.leaf_is_left(&cell, 1, true)
    });
    assert_eq!(gone_soon, v2);
    bench.warden.end(cell);
}
