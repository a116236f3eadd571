//! Line 39: whatever is killed, nothing is left. The faults of whole processes at
//! each step of a call are in `tests/faults`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cofferdam_proto::exec::v1::Sender;
use cofferdam_proto::exec::v1::outcome::Ending;
use cofferdam_tests::caller::sh;
use cofferdam_tests::dev::until;
use cofferdam_tests::host::{Host, Setup};
use rustix::process::{Pid, Signal, kill_process};

use crate::{Bench, lives, marker};

fn kill(pid: u32) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::KILL).unwrap();
}

/// This warden's cgroup directories.
pub(crate) fn cgroups(warden: u32) -> Vec<PathBuf> {
    let roots = ["", "memory", "pids", "cpu", "blkio", "unified"];
    let name = format!("cofferdam-{warden}");
    let all = roots.map(|root| Path::new("/sys/fs/cgroup").join(root).join(&name));
    all.into_iter().filter(|path| path.exists()).collect()
}

/// Directories of cells beneath them.
pub(crate) fn cells_with_cgroups(warden: u32) -> usize {
    let beneath = |path: PathBuf| std::fs::read_dir(path).unwrap();
    let cells = cgroups(warden).into_iter().flat_map(beneath).flatten();
    cells.filter(|entry| entry.path().is_dir()).count()
}

#[test]
fn a_pid_1_that_is_killed_takes_its_cell_along_and_the_next_call_has_another() {
    let bench = Bench::on(Host::start_with(Setup { stock: 0, ..Setup::default() }), "pid-1");
    let mark = marker();
    let both = format!("setsid sleep {mark} & echo begun; sleep {mark}");
    let mut live = bench.caller.start(sh(&both)).unwrap();
    live.until_says("begun");
    let [pid_1] = bench.host.cells()[..] else { panic!("{:?}", bench.host.cells()) };
    kill(pid_1);
    let ran = live.finish().unwrap();
    let Ending::Lost(lost) = ran.ending() else { panic!("{:?}", ran.ending()) };
    assert!(lost.reason.contains("PID 1 of its cell ended"), "{lost:?}");
    assert!(lost.reason.contains("root on the host killed PID 1"), "{lost:?}");
    assert!(!lives(&mark));
    until("its cgroups are gone", || cells_with_cgroups(bench.host.warden_pid()) == 0);
    assert_eq!(bench.caller.sh("echo again").out(), "again");
}

#[test]
fn a_run_that_is_killed_from_outside_ends_like_any_other() {
    let bench = Bench::new("killed");
    for (way, caller) in bench.ways() {
        let mark = marker();
        let mut live = caller.start(sh(&format!("echo begun; exec sleep {mark}"))).unwrap();
        live.until_says("begun");
        until("it sleeps", || lives(&mark));
        for process in std::fs::read_dir("/proc").unwrap().flatten() {
            let command = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
            if command == format!("sleep\0{mark}\0").into_bytes() {
                kill(process.file_name().to_str().unwrap().parse().unwrap());
            }
        }
        let ran = live.finish().unwrap();
        let Ending::Signalled(told) = ran.ending() else { panic!("{way}: {ran:?}") };
        assert_eq!(told.signal, 9, "{way}");
        assert!(
            matches!(told.sender(), Sender::Process | Sender::Unknown | Sender::KernelOrProcess),
            "{way}: {told:?}"
        );
        assert!(told.evidence.contains("on the host"), "{way}: {told:?}");
        assert!(!lives(&mark));
    }
}

#[test]
fn a_host_that_stops_leaves_no_process_cgroup_or_mount() {
    let mut host = Host::start();
    let place = host.place();
    let mark = marker();
    let bench = Bench::on(host, "stopped");
    for (_, caller) in bench.ways() {
        assert_eq!(caller.sh("true").code(), 0);
    }
    let mut live = bench.caller.start(sh(&format!("echo begun; sleep {mark}"))).unwrap();
    live.until_says("begun");
    let (warden, cells) = (bench.host.warden_pid(), bench.host.cells());
    assert!(!cells.is_empty());
    let Bench { host: shared, caller: _ } = bench;
    host = Arc::into_inner(shared).unwrap();
    host.stop();
    drop(live);
    assert!(!lives(&mark));
    for pid in cells {
        assert!(!Path::new(&format!("/proc/{pid}")).exists(), "{pid}");
    }
    assert_eq!(cgroups(warden), Vec::<PathBuf>::new());
    // What held the place of protected files is gone with the cells.
    for workspace in std::fs::read_dir(place.join("work")).unwrap().flatten() {
        let left: Vec<_> = std::fs::read_dir(workspace.path()).unwrap().flatten().collect();
        assert!(left.is_empty(), "{left:?}");
    }
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(place.to_str().unwrap()), "{mounts}");
}
