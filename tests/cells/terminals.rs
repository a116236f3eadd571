//! Terminals: a run's own is no way out, and another cell's is not there.

use std::fs::File;
use std::io::Read;

use cofferdam_plan::{RunId, RunPlan, TerminalSize};
use cofferdam_tests::warden::run_plan;

use crate::Bench;

fn on_terminal(bench: &Bench, number: u8, script: &str) -> RunPlan {
    let mut plan = run_plan(bench.path(), &["python3", "-c", script]);
    plan.run = RunId([number; 16]);
    plan.terminal = Some(TerminalSize { rows: 24, columns: 80 });
    plan
}

/// All that a run says on its terminal.
fn said(terminal: Option<std::os::fd::OwnedFd>) -> String {
    let mut said = Vec::new();
    // Ends with EIO when the other end is closed.
    _ = File::from(terminal.unwrap()).read_to_end(&mut said);
    String::from_utf8_lossy(&said).into_owned()
}

#[test]
fn nothing_can_be_typed_into_ones_own_terminal() {
    let mut bench = Bench::new();
    let cell = bench.cell();
    // TIOCSTI, TIOCLINUX, and TIOCSETD, by which a line discipline is loaded.
    let script = r#"
import ctypes, os
assert os.isatty(0) and os.ttyname(0) == "/dev/pts/0"
libc = ctypes.CDLL(None, use_errno=True)
buffer = ctypes.create_string_buffer(b"\x02x")
for call in 0x5412, 0x541c, 0x5412 | 1 << 32, 0x541c | 0xffffffff00000000:
    assert libc.syscall(16, 0, ctypes.c_uint64(call), buffer) == -1 and ctypes.get_errno() == 1, hex(call)
print("refused")
"#;
    let plan = on_terminal(&bench, 1, script);
    let running = cell.start(plan).unwrap();
    let told = said(running.terminal);
    assert!(told.contains("refused"), "{told}");
    cell.wait(RunId([1; 16]));
    bench.warden.end(cell);
}

#[test]
fn a_terminal_of_another_cell_is_not_there() {
    let mut bench = Bench::new();
    let (one, other) = (bench.cell(), bench.cell());
    let held = one.start(on_terminal(&bench, 1, "import time; time.sleep(60)")).unwrap();
    let script = "import os; print(os.listdir('/dev/pts'), os.path.exists('/dev/pts/0'))";
    let ran = other.run(bench.path(), &["python3", "-c", script]).unwrap();
    assert_eq!(ran.stdout, "['ptmx'] False\n", "{}", ran.stderr);
    drop(held);
    bench.warden.end(one);
    bench.warden.end(other);
}
