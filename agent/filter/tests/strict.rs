//! The strict filter on the real kernel: real programs load and run under it, and
//! make neither processes nor code.
//!
//! A filter cannot be taken off again, so each test starts this program anew with
//! a part to play, and that child confines itself.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output};

use rustix::io::Errno;
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags};
use seccompiler::sock_filter;

/// The variable that names a child's filter and part.
const PART: &str = "FILTER_TEST_PART";

/// Confines this thread, as the warden confines a cell.
fn confine(filter: &str) {
    for program in cofferdam_filter::by_name(filter).expect("a filter's name").programs {
        let instruction = |&[c0, c1, jt, jf, k0, k1, k2, k3]: &[u8; 8]| sock_filter {
            code: u16::from_le_bytes([c0, c1]),
            jt,
            jf,
            k: u32::from_le_bytes([k0, k1, k2, k3]),
        };
        let program: Vec<_> = program.code.iter().map(instruction).collect();
        seccompiler::apply_filter(&program).expect("the kernel has seccomp");
    }
}

/// Plays `part` under `filter` in a child, and gives what came of it.
fn play(filter: &str, part: &str) -> Output {
    Command::new(std::env::current_exe().expect("this program has a path"))
        .args(["--exact", "a_part_is_played", "--nocapture"])
        .env(PART, format!("{filter} {part}"))
        .output()
        .expect("this program starts")
}

#[test]
fn a_part_is_played() {
    let Ok(role) = std::env::var(PART) else { return };
    let (filter, part) = role.split_once(' ').unwrap();
    confine(filter);
    match part {
        "thread" => std::thread::spawn(|| ()).join().unwrap(),
        "process" => refused(Command::new("/bin/true").status().map(drop)),
        "code" => refused(make_code()),
        line => panic!("{}", Command::new("/bin/sh").args(["-c", line]).exec()),
    }
    println!("as expected");
}

/// What a strict filter refuses; what ends the child otherwise.
fn refused(result: io::Result<()>) {
    let error = result.expect_err("it was not refused");
    assert_eq!(error.raw_os_error(), Some(Errno::PERM.raw_os_error()), "{error}");
}

/// Writes code into memory and makes it executable, in every way at once: the
/// first that works is a success.
fn make_code() -> io::Result<()> {
    let (read, write, execute) = (ProtFlags::READ, ProtFlags::WRITE, ProtFlags::EXEC);
    let map = |rights| {
        // SAFETY: a new mapping wherever the kernel likes; nothing else is touched.
        unsafe { rustix::mm::mmap_anonymous(std::ptr::null_mut(), 4096, rights, MapFlags::PRIVATE) }
    };
    let memory = map(read | write)?;
    if map(read | write | execute).is_ok() || map(read | execute).is_ok() {
        return Ok(());
    }
    // SAFETY: the mapping is ours alone, and nothing refers into it.
    Ok(unsafe { rustix::mm::mprotect(memory, 4096, MprotectFlags::READ | MprotectFlags::EXEC) }?)
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

#[test]
fn a_dynamically_linked_program_loads_and_runs() {
    for line in ["echo $((6 * 7))", "exec cat /proc/self/status", "exec ls -l /usr/bin"] {
        let output = play("strict", line);
        assert!(output.status.success(), "{line}: {}", text(&output));
    }
    assert!(text(&play("strict", "exec cat /proc/self/status")).contains("Seccomp:\t2"));
}

#[test]
fn threads_start_and_processes_do_not() {
    for part in ["thread", "process"] {
        let output = play("strict", part);
        assert!(text(&output).contains("as expected"), "{part}: {}", text(&output));
    }
    let shell = play("strict", "/bin/true & wait; /bin/true && echo forked");
    assert!(!text(&shell).contains("forked"), "{}", text(&shell));
}

#[test]
fn no_code_is_made_at_run_time() {
    let output = play("strict", "code");
    assert!(text(&output).contains("as expected"), "{}", text(&output));
}

#[test]
fn a_cells_own_filter_lets_all_of_that_be() {
    for part in ["process", "code"] {
        let output = play("cell", part);
        assert!(text(&output).contains("it was not refused"), "{part}: {}", text(&output));
    }
    let shell = play("cell", "/bin/true & wait; /bin/true && echo forked");
    assert!(text(&shell).contains("forked"), "{}", text(&shell));
}
