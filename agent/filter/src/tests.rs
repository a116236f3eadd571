//! The filters do what their data says: an evaluator of classic BPF runs them.

use std::collections::BTreeMap;

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};

use crate::tree;

const EPERM: u32 = tree::ERRNO | 0x01;
const ENOSYS: u32 = tree::ERRNO | 0x26;
const I386: u32 = 0x4000_0003;

/// What the kernel hands to a filter: `struct seccomp_data`.
#[derive(Clone, Copy)]
struct Syscall {
    architecture: u32,
    number: u32,
    arguments: [u64; 6],
}

fn call(number: u32, arguments: &[u64]) -> Syscall {
    let mut all = [0; 6];
    all[..arguments.len()].copy_from_slice(arguments);
    Syscall { architecture: tree::X86_64, number, arguments: all }
}

fn word(syscall: &Syscall, offset: u32) -> u32 {
    let argument = |o: u32| syscall.arguments[(o as usize - 16) / 8];
    #[allow(clippy::cast_possible_truncation, reason = "the low word is what is asked for")]
    match offset {
        0 => syscall.number,
        4 => syscall.architecture,
        o if o % 8 == 0 => argument(o) as u32,
        o => (argument(o - 4) >> 32) as u32,
    }
}

/// Runs one program; panics on an instruction that no filter of ours has.
fn evaluate(program: &[(u16, u8, u8, u32)], syscall: &Syscall) -> u32 {
    let (mut pc, mut accumulator) = (0, 0);
    loop {
        let (code, jt, jf, k) = program[pc];
        pc += 1;
        let jump = |holds: bool| usize::from(if holds { jt } else { jf });
        match code {
            0x20 => accumulator = word(syscall, k),
            0x54 => accumulator &= k,
            0x05 => pc += k as usize,
            0x15 => pc += jump(accumulator == k),
            0x25 => pc += jump(accumulator > k),
            0x35 => pc += jump(accumulator >= k),
            0x06 => return k,
            other => panic!("instruction {other:#x}"),
        }
    }
}

fn decode(program: &[[u8; 8]]) -> Vec<(u16, u8, u8, u32)> {
    program
        .iter()
        .map(|&[c0, c1, jt, jf, k0, k1, k2, k3]| {
            (u16::from_le_bytes([c0, c1]), jt, jf, u32::from_le_bytes([k0, k1, k2, k3]))
        })
        .collect()
}

/// The strictest verdict of all programs, as the kernel takes it: actions are
/// ordered as signed numbers.
fn verdict(syscall: &Syscall) -> u32 {
    let filter = crate::by_name("cell").unwrap();
    filter
        .programs
        .iter()
        .map(|program| evaluate(&decode(program.code), syscall))
        .min_by_key(|verdict| verdict.cast_signed())
        .unwrap()
}

#[test]
fn the_search_tree_gives_the_same_verdicts_as_seccompiler() {
    let refused = [3_u32, 4, 5, 17, 100, 101, 299, 460];
    let mut verdicts = vec![tree::ALLOW; 470];
    for n in refused {
        verdicts[n as usize] = EPERM;
    }
    let ours: Vec<_> = tree::compile(tree::X86_64, &verdicts, tree::ALLOW)
        .iter()
        .map(|i| (i.code, i.jump_true, i.jump_false, i.operand))
        .collect();
    let rules: BTreeMap<i64, _> = refused.iter().map(|&n| (n.into(), vec![])).collect();
    let oracle = SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        SeccompAction::Errno(1),
        TargetArch::x86_64,
    );
    let oracle: BpfProgram = oracle.unwrap().try_into().unwrap();
    let oracle: Vec<_> = oracle.iter().map(|i| (i.code, i.jt, i.jf, i.k)).collect();
    for number in 0..600 {
        let syscall = call(number, &[]);
        assert_eq!(evaluate(&ours, &syscall), evaluate(&oracle, &syscall), "number {number}");
    }
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
