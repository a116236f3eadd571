//! A run without its cell's loopback: it listens to nobody by TCP and connects
//! to its own listener of the proxy or to nothing. The rest goes on as before.

use std::io::Write;
use std::num::NonZeroU16;

use cofferdam_plan::run::{Loopback, LoopbackHold};
use cofferdam_tests::warden::{Cell, Ran, run_plan};

use crate::Bench;

/// Tries each of `TRIED` and prints its name with `done` or the error's.
const TRY: &str = r#"
import errno, os, socket, sys
def bind(family, address):
    socket.socket(family).bind(address)
def connect(family, address):
    s = socket.socket(family); s.settimeout(5); s.connect(address); s.recv(1)
def tried(name, act, *given):
    try: act(*given); print(name, "done")
    except OSError as error: print(name, errno.errorcode.get(error.errno, error))
"#;

/// What a run that reaches this says to `TRY` and `script`; none where this
/// kernel cannot hold it to that, and it says so.
fn said(bench: &Bench, cell: &Cell, loopback: Loopback, script: &str) -> Option<String> {
    let mut plan = run_plan(bench.path(), &["python3", "-c", &format!("{TRY}\n{script}")]);
    plan.loopback = loopback;
    let run = plan.run;
    let mut running = cell.start(plan).unwrap();
    let mut said = String::new();
    for stream in [&mut running.stdout, &mut running.stderr] {
        std::io::Read::read_to_string(stream, &mut said).unwrap();
    }
    cell.wait(run);
    match running.loopback {
        LoopbackHold::Full => Some(said),
        LoopbackHold::Lacking { abi } => {
            assert!(abi < 4 && loopback != Loopback::Open, "ABI {abi}");
            println!("skipped: this kernel's Landlock, ABI {abi}, has no rights on TCP");
            None
        }
    }
}

#[test]
fn a_run_without_loopback_neither_listens_nor_connects() {
    let mut bench = Bench::new();
    let cell = bench.cell();
    let (port, listener) = cell.listen();
    let script = format!(
        "tried('bind', bind, socket.AF_INET, ('127.0.0.1', 8080))
tried('any', bind, socket.AF_INET, ('0.0.0.0', 0))
tried('bind6', bind, socket.AF_INET6, ('::1', 8080))
tried('connect', connect, socket.AF_INET, ('127.0.0.1', {port}))
tried('connect6', connect, socket.AF_INET6, ('::ffff:127.0.0.1', {port}))
if os.fork() == 0: tried('child', connect, socket.AF_INET, ('127.0.0.1', {port}))
else: os.wait()"
    );
    let serving = std::thread::spawn(move || {
        let (mut caller, _) = listener.accept().unwrap();
        caller.write_all(b"x").unwrap();
    });
    let Some(closed) = said(&bench, &cell, Loopback::Closed, &script) else { return };
    let refused = |name: &str| format!("{name} EACCES\n");
    let names = ["bind", "any", "bind6", "connect", "connect6"];
    for line in names.iter().chain(&["child"]) {
        assert!(closed.contains(&refused(line)), "{line}: {closed}");
    }
    // The next run in the same cell has what its own plan says.
    let open = format!(
        "tried('bind', bind, socket.AF_INET, ('127.0.0.1', 8080))
tried('connect', connect, socket.AF_INET, ('127.0.0.1', {port}))"
    );
    let open = said(&bench, &cell, Loopback::Open, &open).unwrap();
    assert_eq!(open, "bind done\nconnect done\n");
    serving.join().unwrap();
    bench.warden.end(cell);
}

#[test]
fn a_run_reaches_its_own_listener_and_no_other() {
    let mut bench = Bench::new();
    let cell = bench.cell();
    let ((own, listener), (other, _sibling)) = (cell.listen(), cell.listen());
    let serving = std::thread::spawn(move || {
        let (mut caller, _) = listener.accept().unwrap();
        caller.write_all(b"x").unwrap();
    });
    let script = format!(
        "tried('own', connect, socket.AF_INET, ('127.0.0.1', {own}))
tried('other', connect, socket.AF_INET, ('127.0.0.1', {other}))
tried('bind', bind, socket.AF_INET, ('127.0.0.2', {own}))"
    );
    let own = NonZeroU16::new(own).unwrap();
    let Some(said) = said(&bench, &cell, Loopback::Only(own), &script) else { return };
    assert_eq!(said, "own done\nother EACCES\nbind EACCES\n");
    serving.join().unwrap();
    bench.warden.end(cell);
}

#[test]
fn a_run_without_loopback_moves_files_and_uses_unix_sockets_as_any_other() {
    let mut bench = Bench::new();
    let cell = bench.cell();
    let script = "
os.makedirs('a'); os.makedirs('b'); open('a/file', 'w').close()
tried('move', os.rename, 'a/file', 'b/file')
tried('pair', socket.socketpair)
at = socket.socket(socket.AF_UNIX)
tried('bind', at.bind, '/tmp/socket'); at.listen()
tried('connect', socket.socket(socket.AF_UNIX).connect, '/tmp/socket')";
    let Some(said) = said(&bench, &cell, Loopback::Closed, script) else { return };
    assert_eq!(said, "move done\npair done\nbind done\nconnect done\n");
    bench.warden.end(cell);
}

#[test]
fn a_server_that_listens_without_a_port_of_its_own_choice_is_reached_by_nobody() {
    let mut bench = Bench::new();
    let cell = bench.cell();
    // listen(2) without bind(2) takes a free port, and Landlock has no right on it.
    let script = "
server = socket.socket(); server.listen()
tried('connect', connect, socket.AF_INET, server.getsockname())
fast = socket.socket()
tried('fast open', fast.sendto, b'x', socket.MSG_FASTOPEN, server.getsockname())";
    let Some(said) = said(&bench, &cell, Loopback::Closed, script) else { return };
    assert_eq!(said, "connect EACCES\nfast open EPERM\n");
    bench.warden.end(cell);
}

#[test]
fn bash_is_refused_as_well() {
    let mut bench = Bench::new();
    let cell = bench.cell();
    let (port, _listener) = cell.listen();
    let line = format!("exec 3<>/dev/tcp/127.0.0.1/{port}");
    let mut plan = run_plan(bench.path(), &["bash", "-c", &line]);
    plan.loopback = Loopback::Closed;
    let Ran { stderr, .. } = cell.run_plan(plan).unwrap();
    if said(&bench, &cell, Loopback::Closed, "").is_some() {
        assert!(stderr.contains("Permission denied"), "{stderr}");
    }
    bench.warden.end(cell);
}
