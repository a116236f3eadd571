//! Lines 31 to 40: what uses too much, or will not end.

use std::time::{Duration, Instant};

use cofferdam_proto::exec::v1::Command;
use cofferdam_proto::exec::v1::outcome::Ending;
use cofferdam_proto::intent::v1::Limits;
use cofferdam_tests::caller::sh;
use cofferdam_tests::{skip_unless_root, warden};

use crate::{Bench, lives, marker};

fn gone(argument: &str) {
    cofferdam_tests::dev::until("it is gone", || !lives(argument));
}

#[test]
fn a_fork_bomb_stops_at_the_process_limit_and_dies_whole() {
    let bench = Bench::new("bomb");
    // What an ordinary user may start counts all of his processes, the tests' too.
    let processes = if warden::is_root() { 60 } else { 0 };
    let limits = Limits { processes, wall_millis: 2_500, ..Limits::default() };
    for (way, caller) in bench.ways() {
        let mark = marker();
        let bomb = format!("sleep {mark} & b() {{ b | b & }}; b; wait; sleep {mark}");
        let began = Instant::now();
        let ran = caller.clone().limits(limits).run(sh(&bomb)).unwrap();
        assert!(began.elapsed() < Duration::from_secs(30), "{way}");
        assert!(matches!(ran.ending(), Ending::TimedOut(_) | Ending::Exited(_)), "{way}: {ran:?}");
        assert!(!lives(&mark), "{way}: something of it lives on");
        if warden::is_root() {
            assert!(ran.said().contains("fork"), "{way}: no limit was hit: {}", ran.said());
        }
        // Host and session are as they were.
        assert_eq!(caller.sh("true").code(), 0, "{way}");
    }
}

/// An ordinary user to whom no cgroup was delegated has nobody to count memory and
/// processors: then every outcome says so, whatever way the cell came.
fn is_told_to_have_no_cgroup(bench: &Bench) -> bool {
    if warden::is_root() {
        return false;
    }
    for (way, caller) in bench.ways() {
        let ran = caller.sh("true");
        let cgroup = ran.layer("cgroup");
        if cgroup.effective {
            return false;
        }
        assert!(cgroup.detail.contains("cgroup"), "{way}: {cgroup:?}");
    }
    true
}

#[test]
fn twice_the_memory_limit_ends_the_whole_tree_and_the_outcome_tells_the_peak() {
    let bench = Bench::new("hungry");
    if is_told_to_have_no_cgroup(&bench) {
        return;
    }
    let limits = Limits { memory_bytes: 64 << 20, ..Limits::default() };
    for (way, caller) in bench.ways() {
        let mark = marker();
        let line = format!("sleep {mark} & exec perl -e '$x = \"a\" x (1 << 27); sleep 60'");
        let ran = caller.limits(limits).run(sh(&line)).unwrap();
        match ran.ending() {
            Ending::OutOfMemory(out) => {
                assert_eq!(out.limit_bytes, 64 << 20, "{way}");
                assert!(out.peak_bytes > 60 << 20 && out.peak_bytes < 80 << 20, "{way}: {out:?}");
            }
            other => panic!("{way}: {other:?}"),
        }
        assert!(!lives(&mark), "{way}: something of it lives on");
    }
}

#[test]
fn memory_in_scratch_places_counts_as_memory() {
    if skip_unless_root("memory_in_scratch_places_counts_as_memory") {
        return;
    }
    let bench = Bench::new("shm");
    let limits = Limits { memory_bytes: 32 << 20, ..Limits::default() };
    let fill = sh("exec dd if=/dev/zero of=/tmp/big bs=1M count=200");
    let ran = bench.caller.clone().one_shot().limits(limits).run(fill).unwrap();
    assert!(matches!(ran.ending(), Ending::OutOfMemory(_)), "{:?}: {}", ran.ending(), ran.said());
}

#[test]
fn a_spin_on_every_processor_is_throttled_and_ends_in_time() {
    let bench = Bench::new("spin");
    let unthrottled = is_told_to_have_no_cgroup(&bench);
    let limits = Limits { cpu_millis: 200, wall_millis: 2_000, ..Limits::default() };
    for (way, caller) in bench.ways() {
        let began = Instant::now();
        let ran =
            caller.limits(limits).run(sh("while :; do :; done & while :; do :; done")).unwrap();
        assert!(matches!(ran.ending(), Ending::TimedOut(_)), "{way}: {:?}", ran.ending());
        assert!(began.elapsed() < Duration::from_secs(12), "{way}: {:?}", began.elapsed());
        let usage = ran.finished.unwrap().usage.unwrap();
        let micros = |time: Option<prost_types::Duration>| {
            time.map_or(0, |time| time.seconds * 1_000_000 + i64::from(time.nanos) / 1000)
        };
        let used = micros(usage.cpu_user) + micros(usage.cpu_system);
        let wall = micros(usage.wall);
        assert!(unthrottled || used <= wall * 2 / 5, "{way}: {used} of {wall} µs");
    }
}

#[test]
fn what_forked_twice_and_left_the_session_is_dead_before_the_outcome() {
    let bench = Bench::new("daemon");
    for (way, caller) in bench.ways() {
        let mark = marker();
        let line = format!(
            "(setsid sh -c 'sleep {mark} & sleep {mark}' >/dev/null 2>&1 </dev/null &); sleep 0.2"
        );
        let ran = caller.sh(&line);
        assert_eq!(ran.code(), 0, "{way}: {}", ran.said());
        assert!(!lives(&mark), "{way}");
    }
}

#[test]
fn what_ignores_sigterm_is_killed_and_what_forks_meanwhile_too() {
    let bench = Bench::new("stubborn");
    let limits = Limits { wall_millis: 700, ..Limits::default() };
    let mark = marker();
    let script = format!(
        "import os, signal, subprocess, sys\n\
         for it in range(1, 32):\n try: signal.signal(it, signal.SIG_IGN)\n except OSError: pass\n\
         while True:\n try:\n  if os.fork() == 0: os.execv('/bin/sleep', ['sleep', '{mark}'])\n \
         except OSError: pass\n"
    );
    for (way, caller) in bench.ways() {
        let began = Instant::now();
        let ran = caller.limits(limits).python(&script);
        assert!(matches!(ran.ending(), Ending::TimedOut(_)), "{way}: {:?}", ran.ending());
        assert!(began.elapsed() < Duration::from_secs(20), "{way}: {:?}", began.elapsed());
        assert!(!lives(&mark), "{way}: something of it lives on");
    }
}

#[test]
fn output_that_a_child_holds_open_does_not_hold_the_run_up() {
    let bench = Bench::new("open-output");
    for (way, caller) in bench.ways() {
        let mark = marker();
        let began = Instant::now();
        let ran = caller.sh(&format!("setsid sleep {mark} & echo done"));
        assert_eq!((ran.code(), ran.out().as_str()), (0, "done"), "{way}");
        assert!(began.elapsed() < Duration::from_secs(10), "{way}: {:?}", began.elapsed());
        gone(&mark);
    }
}

#[test]
fn a_background_run_ends_while_its_child_holds_the_output_and_the_session_keeps_the_child() {
    let test =
        "a_background_run_ends_while_its_child_holds_the_output_and_the_session_keeps_the_child";
    if skip_unless_root(test) {
        return;
    }
    let mut bench = Bench::on(cofferdam_tests::host::Host::start(), "background");
    let mark = marker();
    let began = Instant::now();
    let command = Command { background: true, ..sh(&format!("setsid sleep {mark} & echo done")) };
    let ran = bench.caller.run(command).unwrap();
    assert_eq!((ran.code(), ran.out().as_str()), (0, "done"));
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert!(lives(&mark));
    // With the host, or the session, it ends.
    std::sync::Arc::get_mut(&mut bench.host).unwrap().stop();
    gone(&mark);
}

#[test]
fn a_crash_leaves_no_core_dump() {
    let bench = Bench::new("crash");
    let caller = bench.caller.clone();
    for (way, caller) in bench.ways() {
        let ran =
            caller.sh("ulimit -c unlimited; cd /tmp && sh -c 'kill -SEGV $$'; ls -a /tmp . ~");
        assert!(!ran.said().contains("core"), "{way}: {}", ran.said());
    }
    let ran = caller.run(sh("exec perl -e 'kill SEGV => $$; sleep 9'")).unwrap();
    assert!(matches!(ran.ending(), Ending::Signalled(it) if it.name == "SIGSEGV"), "{ran:?}");
    let mut made = std::fs::read_dir(caller.workspace()).unwrap().flatten();
    assert!(made.all(|entry| !entry.file_name().to_string_lossy().contains("core")));
}

#[test]
fn a_run_cannot_raise_its_own_limits() {
    let bench = Bench::new("limits");
    let script = r#"
import os, resource
for name in "CORE", "NPROC", "NOFILE", "FSIZE":
    kind = getattr(resource, "RLIMIT_" + name)
    soft, hard = resource.getrlimit(kind)
    if hard == resource.RLIM_INFINITY:
        print(name, "has no limit")
    else:
        try:
            resource.setrlimit(kind, (soft, hard + 1))
            print(name)
        except (OSError, ValueError):
            pass
try:
    os.nice(-1)
    print("nice")
except OSError:
    pass
"#;
    for (way, caller) in bench.ways() {
        let ran = caller.python(script);
        assert_eq!((ran.code(), ran.out()), (0, String::new()), "{way}: {}", ran.said());
    }
}
