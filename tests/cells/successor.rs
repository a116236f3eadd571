//! A warden that is killed, and the one after it, which finds its cells again in their
//! cgroups: nothing is lost, what is no cell is ended, and nothing is left.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use cofferdam_plan::{Limits, WardenRequest, channel};
use cofferdam_tests::warden::{Cell, Warden, cell_plan, run_plan};
use cofferdam_tests::{programs::copy_program, skip_unless_root};

use crate::Bench;

fn listening(bench: &Bench) -> Warden {
    let root = bench.path().parent().unwrap().to_owned();
    Warden::start_listening(&root, rustix::process::geteuid().as_raw())
}

/// Waits until it is so.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !is_so() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The directories of cells.
fn cells(warden: &Warden) -> Vec<PathBuf> {
    let entries = warden.cgroups().into_iter().flat_map(|it| std::fs::read_dir(it).unwrap());
    entries.map(|it| it.unwrap().path()).filter(|it| it.is_dir()).collect()
}

/// Runs a line in a leaf of its own; its output.
fn say(warden: &mut Warden, cell: &Cell, bench: &Bench, number: u32, line: &str) -> String {
    let leaf = warden.leaf(cell, number, Limits::default()).expect("a leaf");
    let mut plan = run_plan(bench.path(), &["sh", "-c", line]);
    plan.leaf = leaf;
    let ran = cell.run_plan(plan).unwrap();
    warden.remove_leaf(cell, leaf);
    ran.stdout
}

#[test]
fn a_run_prints_every_line_though_its_warden_is_killed_and_its_cell_goes_on() {
    if skip_unless_root("a_run_prints_every_line_though_its_warden_is_killed_and_its_cell_goes_on")
    {
        return;
    }
    let bench = Bench::new();
    let mut warden = listening(&bench);
    let other = warden.directory.path().join("cofferdam-warden");
    copy_program("cofferdam-warden", &other);
    let cell = warden.build(cell_plan(bench.path())).unwrap();
    assert_eq!(say(&mut warden, &cell, &bench, 1, "echo kept >/tmp/file; echo 1"), "1\n");
    let mut plan = run_plan(
        bench.path(),
        &[
            "sh",
            "-c",
            "i=0; while [ $i -lt 300 ]; do echo $i; i=$((i+1)); sleep 0.01; done; exit 7",
        ],
    );
    plan.leaf = warden.leaf(&cell, 2, Limits::default()).unwrap();
    // Where each instruction is emulated it takes its time.
    plan.limits.wall_millis = 120_000;
    let run = plan.run;
    let going = cell.start(plan).unwrap();
    let mut lines = BufReader::new(going.stdout).lines();
    for round in 0..3_usize {
        for number in round * 60..(round + 1) * 60 {
            assert_eq!(lines.next().unwrap().unwrap(), number.to_string());
        }
        // An upgrade, and then the first one again.
        warden.kill_and_start((round % 2 == 0).then_some(other.as_path()));
        assert!(warden.adopt(cell.id), "the next warden does not know it");
    }
    for number in 180..300 {
        assert_eq!(lines.next().unwrap().unwrap(), number.to_string());
    }
    assert!(lines.next().is_none());
    assert_eq!(cell.wait(run).wait_status >> 8, 7);
    warden.remove_leaf(&cell, 2);
    // Its places, its limits and its leaves are what they were.
    assert_eq!(say(&mut warden, &cell, &bench, 3, "cat /tmp/file"), "kept\n");
    let another = warden.build(cell_plan(bench.path())).unwrap();
    assert_ne!(another.uid, cell.uid, "a uid is leased twice");
    warden.end(cell);
    warden.end(another);
    assert_eq!(cells(&warden), Vec::<PathBuf>::new());
}

#[test]
fn a_cell_that_ends_while_there_is_no_warden_is_buried_by_the_next() {
    if skip_unless_root("a_cell_that_ends_while_there_is_no_warden_is_buried_by_the_next") {
        return;
    }
    let bench = Bench::new();
    let mut warden = listening(&bench);
    let cell = warden.build(cell_plan(bench.path())).unwrap();
    let (id, adopted) = (cell.id, warden.build(cell_plan(bench.path())).unwrap());
    assert!(!cells(&warden).is_empty());
    drop(cell);
    warden.kill_and_start(None);
    until("it is buried", || !warden.adopt(id));
    // One that it did not make it can end all the same.
    assert!(warden.adopt(adopted.id));
    warden.destroy(adopted.id);
    warden.wait_gone(adopted.id);
    assert_eq!(cells(&warden), Vec::<PathBuf>::new());
}

#[test]
fn a_uid_is_its_cells_as_long_as_something_of_that_is_left_also_for_the_next_warden() {
    if skip_unless_root("a_uid_is_its_cells_as_long_as_something_of_that_is_left") {
        return;
    }
    let bench = Bench::new();
    let mut warden = listening(&bench);
    let cell = warden.build(cell_plan(bench.path())).unwrap();
    let (id, uid) = (cell.id, cell.uid);
    // What a process does that sleeps in the kernel: it stays when its PID 1 has ended.
    let mut stays = Command::new("sleep").arg("1000").spawn().unwrap();
    let places: Vec<_> =
        cells(&warden).into_iter().filter(|it| is_called(it, &id.to_string())).collect();
    let leaf = if places.len() == 1 { "init" } else { "" };
    for place in &places {
        let list = place.join(leaf).join("cgroup.procs");
        std::fs::write(list, stays.id().to_string()).unwrap();
    }
    drop(cell);
    warden.kill_and_start(None);
    assert_eq!(warden.user_of(id), Some(uid));
    let other = warden.build(cell_plan(bench.path())).unwrap();
    assert_ne!(other.uid, uid);
    stays.kill().unwrap();
    stays.wait().unwrap();
    until("it is buried", || warden.user_of(id).is_none());
    warden.end(other);
    assert_eq!(cells(&warden), Vec::<PathBuf>::new());
}

#[test]
fn a_cell_that_was_being_built_leaves_nothing() {
    if skip_unless_root("a_cell_that_was_being_built_leaves_nothing") {
        return;
    }
    let bench = Bench::new();
    let mut warden = listening(&bench);
    for pause in [0, 1, 2, 5, 10, 20] {
        let (control, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let request = WardenRequest::Build(cell_plan(bench.path()));
        let given = [std::os::fd::AsFd::as_fd(&theirs)];
        channel::send(warden.socket(), &request, &given).unwrap();
        drop(theirs);
        std::thread::sleep(Duration::from_millis(pause));
        warden.kill_and_start(None);
        drop(control);
        until("nothing is left", || cells(&warden).is_empty());
    }
}

#[test]
fn what_is_no_cell_of_its_own_is_ended_or_left_alone() {
    if skip_unless_root("what_is_no_cell_of_its_own_is_ended_or_left_alone") {
        return;
    }
    let bench = Bench::new();
    let mut warden = listening(&bench);
    let cell = warden.build(cell_plan(bench.path())).unwrap();
    let places = warden.cgroups();
    // PID 1 of a namespace in a cgroup that is called as a cell's, under no user of cells.
    let leaf = if places.len() == 1 { "init" } else { "" };
    let into: Vec<_> = places.iter().map(|it| it.join("0b".repeat(16)).join(leaf)).collect();
    let mut stranger = Command::new("unshare")
        .args(["--pid", "--fork", "--kill-child", "sleep", "100"])
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let children = format!("/proc/{0}/task/{0}/children", stranger.id());
    until("it is PID 1", || !std::fs::read_to_string(&children).unwrap().is_empty());
    let first = std::fs::read_to_string(&children).unwrap();
    for place in into {
        std::fs::create_dir_all(&place).unwrap();
        std::fs::write(place.join("cgroup.procs"), first.trim()).unwrap();
    }
    // Nobody is in this one, and this is no cell's.
    for place in &places {
        std::fs::create_dir(place.join("0d".repeat(16))).unwrap();
        std::fs::create_dir(place.join("0E".repeat(16))).unwrap();
    }
    warden.kill_and_start(None);
    assert!(warden.adopt(cell.id));
    until("it is ended", || stranger.try_wait().unwrap().is_some());
    let left = || cells(&warden);
    until("their cgroups are removed", || {
        left()
            .iter()
            .all(|it| is_called(it, &cell.id.to_string()) || is_called(it, &"0E".repeat(16)))
    });
    for place in &places {
        std::fs::remove_dir(place.join("0E".repeat(16))).unwrap();
    }
    warden.end(cell);
    assert_eq!(cells(&warden), Vec::<PathBuf>::new());
}

fn is_called(path: &Path, name: &str) -> bool {
    path.file_name().is_some_and(|it| it == name)
}

#[test]
fn without_cgroups_a_cell_is_over_with_its_warden() {
    if rustix::process::geteuid().is_root() {
        return;
    }
    let bench = Bench::new();
    let mut warden = listening(&bench);
    let cell = warden.build(cell_plan(bench.path())).unwrap();
    let has_cgroup = !cell.cgroup.is_empty();
    warden.kill_and_start(None);
    assert_eq!(warden.adopt(cell.id), has_cgroup);
}
