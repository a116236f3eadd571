//! A run that ends by a signal: its outcome says who sent it, as far as the kernel
//! tells, and does not pretend to know more.

use cofferdam_proto::exec::v1::outcome::Ending;
use cofferdam_proto::exec::v1::{Command, Sender, Signalled};
use cofferdam_tests::caller::{Ran, command, python, sh};
use cofferdam_tests::skip_unless_root;

use crate::Bench;

fn perl(script: &str) -> Command {
    command(&["/usr/bin/perl", "-e", script])
}

fn signalled(ran: &Ran) -> Signalled {
    match ran.ending() {
        Ending::Signalled(signalled) => signalled,
        other => panic!("{other:?}"),
    }
}

/// Why denials cannot be seen; empty: they can.
fn unseen(ran: &Ran) -> String {
    let finished = ran.finished.as_ref().unwrap();
    finished.sandbox.as_ref().unwrap().denials_unseen.clone()
}

/// Whom a signal is put down to that somebody has to send: root and only root can
/// give a cell a user of its own.
fn somebody() -> Sender {
    if rustix::process::geteuid().is_root() { Sender::Process } else { Sender::Unknown }
}

#[test]
fn a_run_that_signals_itself_was_ended_by_a_process_of_its_cell_or_by_root() {
    let bench = Bench::new("signals-itself");
    for (way, caller) in bench.ways() {
        for signal in ["TERM", "USR1", "ABRT"] {
            let ran = caller.run(perl(&format!("kill {signal} => $$; sleep 9"))).unwrap();
            let told = signalled(&ran);
            assert_eq!(told.name, format!("SIG{signal}"), "{way}");
            assert_eq!(told.sender(), somebody(), "{way}: {told:?}");
            assert!(told.evidence.contains("Cofferdam"), "{way}: {told:?}");
        }
    }
}

#[test]
fn a_run_that_another_run_of_its_session_kills_says_so() {
    let test = "a_run_that_another_run_of_its_session_kills_says_so";
    // Without cgroups two runs are never in one cell.
    if skip_unless_root(test) {
        return;
    }
    let bench = Bench::new("siblings");
    let mut live = bench.caller.start(sh("echo pid $$ here; exec sleep 60")).unwrap();
    live.until_says("here");
    let said = live.ran.said();
    let pid = said.split_whitespace().nth(1).unwrap();
    assert_eq!(bench.caller.sh(&format!("kill -9 {pid}")).code(), 0);
    let ran = live.finish().unwrap();
    let told = signalled(&ran);
    assert_eq!((told.signal, told.sender()), (9, Sender::Process));
    assert!(told.evidence.contains("processes of the cell"), "{told:?}");
    assert!(told.evidence.contains("root on the host"), "{told:?}");
}

#[test]
fn a_fault_is_the_kernels_or_a_processs_and_nobody_claims_to_know_which() {
    let bench = Bench::new("fault");
    for (way, caller) in bench.ways() {
        for (signal, script) in [
            ("SIGSEGV", r#"unpack "p", pack "Q", 1"#),
            ("SIGSEGV", "kill SEGV => $$; sleep 9"),
            ("SIGPIPE", "pipe A, B; close A; syswrite B, 1"),
        ] {
            let ran = caller.run(perl(script)).unwrap();
            let told = signalled(&ran);
            assert_eq!(told.name, signal, "{way}: {script}");
            assert_eq!(told.sender(), Sender::KernelOrProcess, "{way}: {told:?}");
            assert!(told.evidence.contains("nothing tells"), "{way}: {told:?}");
        }
    }
}

/// Calls by `int 0x80`, and by a number of the x32 ABI.
const FOREIGN: [(&str, &str); 2] = [
    (
        "number 20 of the 32-bit ABI",
        r#"
import ctypes, mmap
code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
code.write(b"\xb8\x14\0\0\0\xcd\x80\xc3")
ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()
"#,
    ),
    ("`getpid` of the x32 ABI", "import ctypes; ctypes.CDLL(None).syscall(0x40000000 | 39)"),
];

#[test]
fn a_call_of_another_abi_is_named_with_the_filter_that_ended_the_run() {
    let bench = Bench::new("foreign");
    for (way, caller) in bench.ways() {
        for (call, script) in FOREIGN {
            let ran = caller.run(python(script)).unwrap();
            let Ending::DeniedBySandbox(denied) = ran.ending() else { panic!("{way}: {ran:?}") };
            assert!(denied.detail.contains("syscalls.filter"), "{way}: {denied:?}");
            let unseen = unseen(&ran);
            if unseen.is_empty() {
                assert!(denied.detail.contains(call), "{way}: {denied:?}");
            } else {
                assert!(denied.detail.contains(unseen.as_str()), "{way}: {denied:?}");
            }
        }
    }
}

#[test]
fn sigsys_that_a_process_sent_is_not_put_down_to_the_sandbox() {
    let bench = Bench::new("sent-sys");
    let ran = bench.caller.run(perl("kill SYS => $$; sleep 9")).unwrap();
    match ran.ending() {
        Ending::Signalled(told) => assert_eq!(told.sender(), somebody(), "{told:?}"),
        // Where no record can be seen, nobody can tell.
        Ending::DeniedBySandbox(denied) => {
            assert!(!unseen(&ran).is_empty(), "{ran:?}");
            assert!(denied.detail.contains("cannot be told"), "{denied:?}");
        }
        other => panic!("{other:?}"),
    }
}

/// A filter of the program's own that ends it for `getppid`, and that call.
const OWN_FILTER: &str = r#"
import ctypes, struct
LOAD, JUMP_IF_EQUAL, RETURN, KILL, ALLOW = 0x20, 0x15, 0x06, 0x80000000, 0x7fff0000
code = struct.pack("<" + "HBBI" * 4, LOAD, 0, 0, 0, JUMP_IF_EQUAL, 0, 1, 110, RETURN, 0, 0, KILL,
                   RETURN, 0, 0, ALLOW)
code = ctypes.create_string_buffer(code)
program = ctypes.create_string_buffer(struct.pack("<HxxxxxxQ", 4, ctypes.addressof(code)))
libc = ctypes.CDLL(None)
PR_SET_SECCOMP, FILTER = 22, 2
assert libc.prctl(PR_SET_SECCOMP, FILTER, program, 0, 0) == 0
libc.getppid()
"#;

#[test]
fn what_seccomp_does_for_a_filter_of_the_programs_own_is_the_kernels() {
    let bench = Bench::new("own-filter");
    let ran = bench.caller.run(python(OWN_FILTER)).unwrap();
    if !unseen(&ran).is_empty() {
        // Then nobody can tell whose filter it was.
        assert!(matches!(ran.ending(), Ending::DeniedBySandbox(_)), "{ran:?}");
        return;
    }
    let told = signalled(&ran);
    assert_eq!((told.name.as_str(), told.sender()), ("SIGSYS", Sender::Kernel), "{told:?}");
    assert!(told.evidence.contains("`getppid` of x86-64"), "{told:?}");
    assert!(told.evidence.contains("set for itself"), "{told:?}");
}
