//! Cells begin, end, and leave nothing behind.

use std::time::{Duration, Instant};

use cofferdam_plan::{FilterDigest, Layer, RunStep};
use cofferdam_tests::warden::{Warden, cell_plan, is_root, run_plan};

use crate::Bench;

#[test]
fn a_command_runs_in_a_cell_and_reports_its_end() {
    let mut bench = Bench::new();
    let cell = bench.cell();
    let ran = cell.run(bench.path(), &["sh", "-c", "echo out; echo err >&2; exit 3"]).unwrap();
    assert_eq!((ran.code(), ran.stdout.as_str(), ran.stderr.as_str()), (Some(3), "out\n", "err\n"));
    bench.warden.end(cell);
}

#[test]
fn a_run_ignores_and_blocks_no_signal_whoever_started_the_warden() {
    let mut bench = Bench::new();
    let cell = bench.cell();
    let ran =
        cell.run(bench.path(), &["grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"]).unwrap();
    assert_eq!(ran.stdout.lines().count(), 2, "{}", ran.stdout);
    for line in ran.stdout.lines() {
        let set = line.split_whitespace().last().map(|set| u64::from_str_radix(set, 16)).unwrap();
        // Of 32 and 33 the C library disposes, for itself.
        assert_eq!(set.unwrap() & !(0b11 << 31), 0, "{}", ran.stdout);
    }
    bench.warden.end(cell);
}

/// Major and minor version of the running kernel.
fn kernel() -> (u32, u32) {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers = release.split(['.', '-']).map(|part| part.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[test]
fn as_root_every_layer_is_effective() {
    if cofferdam_tests::skip_unless_root("as_root_every_layer_is_effective") {
        return;
    }
    let mut bench = Bench::new();
    let cell = bench.cell();
    for report in &cell.layers {
        // Landlock has all the rights on files from Linux 6.10 on; before, the layer must say
        // that it is weaker.
        let expected = report.layer != Layer::Landlock || kernel() >= (6, 10);
        assert_eq!(report.effective, expected, "{report:?}");
    }
    assert_eq!(cell.layers.len(), 9);
    bench.warden.end(cell);
}

#[test]
fn a_program_that_is_not_there_is_named_as_the_step_that_failed() {
    let mut bench = Bench::new();
    let cell = bench.cell();
    let missing = cell.run(bench.path(), &["no-such-program"]).unwrap_err();
    assert_eq!(missing, (RunStep::FindProgram, 2));
    let directory = cell.run(bench.path(), &["/usr"]).unwrap_err();
    assert_eq!(directory, (RunStep::Execute, 13));
    let mut plan = run_plan(bench.path(), &["true"]);
    plan.working_directory = cofferdam_tests::warden::path("/nowhere");
    assert_eq!(cell.run_plan(plan).unwrap_err(), (RunStep::WorkingDirectory, 2));
    bench.warden.end(cell);
}

#[test]
fn the_wall_time_ends_a_run_that_ignores_sigterm() {
    let mut bench = Bench::new();
    let cell = bench.cell();
    let mut plan = run_plan(bench.path(), &["sh", "-c", "trap '' TERM; while :; do sleep 1; done"]);
    plan.limits.wall_millis = 300;
    plan.limits.grace_millis = 200;
    let start = Instant::now();
    let ran = cell.run_plan(plan).unwrap();
    assert!(ran.ending.timed_out);
    assert!(start.elapsed() < Duration::from_secs(3));
    bench.warden.end(cell);
}

#[test]
fn a_double_forked_child_does_not_outlive_its_run() {
    let mut bench = Bench::new();
    let cell = bench.cell();
    let line = "(setsid sleep 1000 </dev/null >/dev/null 2>&1 &) ; exit 0";
    let ran = cell.run(bench.path(), &["sh", "-c", line]).unwrap();
    assert_eq!(ran.code(), Some(0));
    let left = cell.run(bench.path(), &["sh", "-c", "set -- /proc/[0-9]*; echo $#"]).unwrap();
    // PID 1 and the shell.
    assert_eq!(left.stdout.trim(), "2");
    bench.warden.end(cell);
}

#[test]
fn a_cell_ends_when_its_control_socket_closes() {
    let mut bench = Bench::new();
    let cell = bench.cell();
    let id = cell.id;
    drop(cell);
    bench.warden.wait_gone(id);
}

#[test]
fn a_cell_that_is_destroyed_while_it_runs_leaves_nothing() {
    let mut bench = Bench::new();
    let cell = bench.cell();
    let cgroup = format!("/sys/fs/cgroup/pids/{}", cell.cgroup);
    bench.warden.destroy(cell.id);
    bench.warden.wait_gone(cell.id);
    assert!(cell.cgroup.is_empty() || !std::path::Path::new(&cgroup).exists());
}

#[test]
fn a_strict_cell_starts_runs_and_these_start_nothing() {
    let mut bench = Bench::new();
    let mut plan = cell_plan(bench.path());
    plan.filter = FilterDigest(cofferdam_filter::by_name("strict").unwrap().digest);
    let cell = bench.warden.build(plan).unwrap();
    for _ in 0..2 {
        let script = "import os\nprint('started')\ntry: os.fork(); print('forked')\nexcept OSError as it: print(it.errno)";
        let ran = cell.run(bench.path(), &["python3", "-c", script]).unwrap();
        assert_eq!(ran.stdout, "started\n1\n", "{}", ran.stderr);
    }
    bench.warden.end(cell);
}

#[test]
fn a_second_cell_of_the_same_name_is_refused() {
    let mut bench = Bench::new();
    let plan = cell_plan(bench.path());
    let cell = bench.warden.build(plan.clone()).unwrap();
    let refused = bench.warden.build(plan).err().unwrap();
    assert!(refused.contains("in use"), "{refused}");
    bench.warden.end(cell);
}

#[test]
fn a_plan_above_the_ceiling_builds_nothing() {
    let mut bench = Bench::new();
    let mut plan = cell_plan(bench.path());
    plan.workspace.path = cofferdam_tests::warden::path("/etc");
    let refused = bench.warden.build(plan).err().unwrap();
    assert!(refused.contains("workspaces.roots"), "{refused}");
}

#[test]
fn files_in_the_workspace_keep_their_owner() {
    use std::os::unix::fs::MetadataExt;
    let mut bench = Bench::new();
    if is_root() {
        std::os::unix::fs::chown(bench.path(), Some(1234), Some(4321)).unwrap();
    }
    let (code, output) = bench.shell("echo hello > made && stat -c %u:%g made && id -u");
    assert_eq!(code, Some(0), "{output}");
    let made = std::fs::metadata(bench.path().join("made")).unwrap();
    let workspace = std::fs::metadata(bench.path()).unwrap();
    assert_eq!((made.uid(), made.gid()), (workspace.uid(), workspace.gid()));
}

#[test]
fn a_listening_warden_serves_one_agent_after_the_other() {
    let bench = Bench::new();
    let root = bench.path().parent().unwrap().to_owned();
    let mut warden = Warden::start_listening(&root, rustix::process::geteuid().as_raw());
    for _ in 0..2 {
        let cell = warden.build(cell_plan(bench.path())).unwrap();
        assert_eq!(cell.run(bench.path(), &["true"]).unwrap().code(), Some(0));
        warden.end(cell);
        warden.reconnect();
    }
}

#[test]
fn a_cell_whose_socket_is_held_outlives_its_agent_and_is_the_next_ones() {
    let bench = Bench::new();
    let root = bench.path().parent().unwrap().to_owned();
    let mut warden = Warden::start_listening(&root, rustix::process::geteuid().as_raw());
    let kept = warden.build(cell_plan(bench.path())).unwrap();
    let closed = warden.build(cell_plan(bench.path())).unwrap();
    let gone = closed.id;
    warden.reconnect();
    drop(closed);
    assert!(warden.adopt(kept.id));
    assert_eq!(kept.run(bench.path(), &["true"]).unwrap().code(), Some(0));
    // Once it is buried nobody knows it, and one that never was is answered alike.
    let deadline = Instant::now() + Duration::from_secs(5);
    while warden.adopt(gone) {
        assert!(Instant::now() < deadline, "it outlives its control socket");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(!warden.adopt(cofferdam_plan::CellId([9; 16])));
    warden.end(kept);
}

#[test]
fn a_listening_warden_hangs_up_on_anybody_but_the_agent() {
    let bench = Bench::new();
    let root = bench.path().parent().unwrap().to_owned();
    let mut warden = Warden::start_listening(&root, 4242);
    assert!(warden.hangs_up());
}

#[test]
fn a_run_sees_nothing_of_how_its_pid_1_was_started() {
    let mut bench = Bench::new();
    let (code, output) = bench.shell("tr '\\0' ' ' < /proc/1/cmdline; cat /proc/1/comm");
    assert_eq!(code, Some(0), "{output}");
    assert_eq!(output.trim(), "cofferdam-init", "{output}");
}
