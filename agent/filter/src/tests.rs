//! The filters do what their data says: an evaluator of classic BPF runs them.

use crate::Filter;
use crate::tree;

mod compiled;
mod interpreter;
mod oracle;

use interpreter::{Syscall, call, decode, evaluate};

const EPERM: u32 = tree::ERRNO | 0x01;
const ENOSYS: u32 = tree::ERRNO | 0x26;
const I386: u32 = 0x4000_0003;

/// The strictest verdict of all programs, as the kernel takes it: actions are
/// ordered as signed numbers.
fn verdict_of(filter: &Filter, syscall: &Syscall) -> u32 {
    filter
        .programs
        .iter()
        .map(|program| evaluate(&decode(program.code), syscall))
        .min_by_key(|verdict| verdict.cast_signed())
        .unwrap()
}

fn verdict(syscall: &Syscall) -> u32 {
    verdict_of(crate::by_name("cell").unwrap(), syscall)
}

fn strict(syscall: &Syscall) -> u32 {
    verdict_of(crate::by_name("strict").unwrap(), syscall)
}

#[test]
fn foreign_abis_are_killed() {
    let read = call(0, &[]);
    assert_eq!(verdict(&read), tree::ALLOW);
    assert_eq!(verdict(&Syscall { architecture: I386, ..read }), tree::KILL_PROCESS);
    assert_eq!(verdict(&call(tree::X32_BIT, &[])), tree::KILL_PROCESS);
    assert_eq!(verdict(&call(tree::X32_BIT | 0x3b, &[])), tree::KILL_PROCESS);
    assert_eq!(verdict(&call(u32::MAX, &[])), tree::KILL_PROCESS);
}

#[test]
fn unknown_system_calls_do_not_exist() {
    for number in [335, 400, 468, 500, 1_000, 0x3fff_ffff] {
        assert_eq!(verdict(&call(number, &[])), ENOSYS, "number {number}");
    }
}

#[test]
fn only_what_programs_do_not_expect_is_logged() {
    for program in crate::by_name("cell").unwrap().programs {
        let verdicts = (0..500).map(|number| evaluate(&decode(program.code), &call(number, &[])));
        let refusals = verdicts.filter(|verdict| *verdict != tree::ALLOW).collect::<Vec<_>>();
        let expected = if program.logged { EPERM } else { ENOSYS };
        assert!(refusals.iter().all(|verdict| *verdict == expected), "{refusals:x?}");
    }
}

#[test]
fn what_the_data_refuses_is_refused() {
    for (name, number, expected) in [
        ("mount", 165, EPERM),
        ("pivot_root", 155, EPERM),
        ("unshare", 272, EPERM),
        ("setns", 308, EPERM),
        ("memfd_create", 319, EPERM),
        ("bpf", 321, EPERM),
        ("keyctl", 250, EPERM),
        ("clone3", 435, ENOSYS),
        ("openat2", 437, ENOSYS),
        ("io_uring_setup", 425, ENOSYS),
        ("open_tree_attr", 467, EPERM),
    ] {
        assert_eq!(verdict(&call(number, &[])), expected, "{name}");
    }
}

#[test]
fn terminal_injection_is_refused_whatever_the_high_bits_say() {
    for request in [0x5412, 0x541C, 0xdead_beef_0000_5412, 1 << 32 | 0x541C] {
        assert_eq!(verdict(&call(16, &[0, request])), EPERM, "{request:#x}");
    }
    assert_eq!(verdict(&call(16, &[0, 0x5401])), tree::ALLOW, "TCGETS");
}

#[test]
fn setuid_bits_are_refused_wherever_a_mode_travels() {
    let (create, tmpfile) = (0o100, 0o20_000_000 | 0o200_000);
    for mode in [0o4755, 0o2755, 0o6755] {
        for (name, syscall) in [
            ("chmod", call(90, &[0, mode])),
            ("fchmod", call(91, &[0, mode])),
            ("creat", call(85, &[0, mode])),
            ("mknod", call(133, &[0, mode])),
            ("fchmodat", call(268, &[0, 0, mode])),
            ("fchmodat2", call(452, &[0, 0, mode])),
            ("mknodat", call(259, &[0, 0, mode])),
            ("open", call(2, &[0, create, mode])),
            ("openat", call(257, &[0, 0, create | 1, mode])),
            ("openat O_TMPFILE", call(257, &[0, 0, tmpfile, mode])),
        ] {
            assert_eq!(verdict(&syscall), EPERM, "{name} {mode:o}");
        }
    }
    assert_eq!(verdict(&call(90, &[0, 0o1755])), tree::ALLOW, "sticky");
    assert_eq!(verdict(&call(2, &[0, 0, 0o6755])), tree::ALLOW, "open without O_CREAT");
}

#[test]
fn only_four_socket_families_are_left() {
    for family in 0..64 {
        let expected = if [1, 2, 10, 16].contains(&family) { tree::ALLOW } else { EPERM };
        assert_eq!(verdict(&call(41, &[family, 1, 0])), expected, "family {family}");
    }
    assert_eq!(verdict(&call(41, &[16, 3, 9])), EPERM, "NETLINK_AUDIT");
    assert_eq!(verdict(&call(41, &[2, 1, 262])), EPERM, "MPTCP");
}

#[test]
fn no_connection_is_made_by_its_first_bytes() {
    const FAST_OPEN: u64 = 0x2000_0000;
    const NO_SIGNAL: u64 = 0x4000;
    for (flags, expected) in [(FAST_OPEN | NO_SIGNAL, EPERM), (NO_SIGNAL, tree::ALLOW)] {
        assert_eq!(verdict(&call(44, &[3, 0, 1, flags])), expected, "sendto");
        assert_eq!(verdict(&call(307, &[3, 0, 1, flags])), expected, "sendmmsg");
        assert_eq!(verdict(&call(46, &[3, 0, flags])), expected, "sendmsg");
    }
}

#[test]
fn threads_work_and_namespaces_do_not() {
    let thread = 0x003d_0f00;
    assert_eq!(verdict(&call(56, &[thread])), tree::ALLOW);
    for flag in [
        0x0002_0000,
        0x0200_0000,
        0x0400_0000,
        0x0800_0000,
        0x1000_0000,
        0x2000_0000,
        0x4000_0000_u64,
    ] {
        assert_eq!(verdict(&call(56, &[flag | 0x11])), EPERM, "{flag:#x}");
    }
}

#[test]
fn pid_1_is_out_of_reach_and_the_own_process_is_not() {
    for number in [302, 203, 144, 142, 314] {
        assert_eq!(verdict(&call(number, &[1])), EPERM, "{number}");
        assert_eq!(verdict(&call(number, &[0])), tree::ALLOW, "{number}");
    }
    assert_eq!(verdict(&call(141, &[2, 0])), EPERM, "setpriority by user");
    assert_eq!(verdict(&call(141, &[0, 0])), tree::ALLOW, "setpriority of oneself");
}

#[test]
fn a_strict_cell_starts_threads_and_no_processes() {
    let thread = 0x003d_0f00;
    assert_eq!(strict(&call(56, &[thread])), tree::ALLOW);
    let (fork, posix_spawn) = (0x0120_0011, 0x4111);
    for (name, syscall) in [
        ("fork", call(57, &[])),
        ("vfork", call(58, &[])),
        ("libc's fork", call(56, &[fork])),
        ("libc's posix_spawn", call(56, &[posix_spawn])),
    ] {
        assert_eq!(strict(&syscall), EPERM, "{name}");
        assert_eq!(verdict(&syscall), tree::ALLOW, "{name}");
    }
    assert_eq!(strict(&call(435, &[])), ENOSYS, "clone3");
    assert_eq!(strict(&call(59, &[])), tree::ALLOW, "execve");
}

#[test]
fn a_strict_cell_makes_no_code_and_loads_libraries() {
    let (read, write, execute) = (1, 2, 4);
    let (private, anonymous) = (2, 0x20);
    for (name, syscall) in [
        ("mmap, all rights", call(9, &[0, 4096, read | write | execute, private, 3])),
        ("mmap, anonymous", call(9, &[0, 4096, read | execute, private | anonymous])),
        ("mprotect", call(10, &[0, 4096, read | execute])),
        ("pkey_mprotect", call(329, &[0, 4096, execute, 0])),
        ("shmat", call(30, &[0, 0, 0o100_000])),
    ] {
        assert_eq!(strict(&syscall), EPERM, "{name}");
        assert_eq!(verdict(&syscall), tree::ALLOW, "{name}");
    }
    for (name, syscall) in [
        ("a library's code", call(9, &[0, 4096, read | execute, private, 3])),
        ("memory", call(9, &[0, 4096, read | write, private | anonymous])),
        ("a library's data", call(10, &[0, 4096, read])),
        ("shared memory", call(30, &[0, 0, 0])),
    ] {
        assert_eq!(strict(&syscall), tree::ALLOW, "{name}");
    }
}

#[test]
fn only_a_filter_that_extends_another_refines_it() {
    let of = |name| crate::by_name(name).unwrap();
    assert!(of("strict").refines(of("cell")) && of("cell").refines(of("cell")));
    assert!(!of("cell").refines(of("strict")));
}
