//! What the compiler makes of the data: how much, and for which machines.

use std::fmt::Write as _;
use std::path::Path;

use super::interpreter::{Syscall, call, decode, evaluate};
use super::{ENOSYS, EPERM};
use crate::data::{AARCH64, Architecture, Data, Numbers, X86_64};
use crate::{compile, tree};

fn programs(name: &str, architecture: Architecture) -> [compile::Compiled; 2] {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    let data = Data::read(&directory, name).unwrap();
    let numbers = Numbers::read(&directory, architecture).unwrap();
    compile::programs(&data, &numbers, architecture).unwrap()
}

fn hex(digest: &[u8]) -> String {
    digest.iter().fold(String::new(), |mut text, byte| {
        _ = write!(text, "{byte:02x}");
        text
    })
}

#[test]
fn what_was_built_is_what_the_data_says() {
    for filter in crate::FILTERS {
        assert_eq!(
            compile::digest(&programs(filter.name, X86_64)),
            filter.digest,
            "{}",
            filter.name
        );
    }
}

/// Nobody has built a cell on aarch64: whoever changes the data sees here that
/// filters for it change, too, and looks at them.
#[test]
fn the_filters_for_aarch64_are_those_that_were_looked_at() {
    for (name, golden) in [
        ("cell", "96b968aabda1c9d24f94189a60c0e3f453349353b0e8f209e9433246a0774e53"),
        ("strict", "6a8aa4d225a92b0e1a5bf8eb7371dc883e8ddddc7e5ecf11c9b1e4d6185deea9"),
    ] {
        assert_eq!(hex(&compile::digest(&programs(name, AARCH64))), golden, "{name}");
    }
}

#[test]
fn the_filters_for_aarch64_refuse_the_same_by_its_own_numbers() {
    for name in ["cell", "strict"] {
        let programs = programs(name, AARCH64).map(|it| decode(&it.code));
        let verdict = |architecture: u32, number, arguments: &[u64]| {
            let syscall = Syscall { architecture, ..call(number, arguments) };
            let all = programs.iter().map(|program| evaluate(program, &syscall));
            all.min_by_key(|verdict| verdict.cast_signed()).unwrap()
        };
        let own = AARCH64.audit;
        for (call, number, arguments, expected) in [
            ("read", 63, &[][..], tree::ALLOW),
            ("mount", 40, &[], EPERM),
            ("unshare", 97, &[], EPERM),
            ("clone3", 435, &[], ENOSYS),
            ("unknown", 600, &[], ENOSYS),
            ("TIOCSTI", 29, &[0, 0x5412], EPERM),
            ("a new user namespace", 220, &[0x1000_0011], EPERM),
            ("setuid by openat", 56, &[0, 0, 0o100, 0o4755], EPERM),
        ] {
            assert_eq!(verdict(own, number, arguments), expected, "{name}: {call}");
        }
        let fork = if name == "strict" { EPERM } else { tree::ALLOW };
        assert_eq!(verdict(own, 220, &[0x11]), fork, "{name}: fork");
        assert_eq!(verdict(X86_64.audit, 63, &[]), tree::KILL_PROCESS, "{name}: foreign");
    }
}

/// The kernel checks and translates every instruction when a cell is built.
#[test]
fn filters_stay_small() {
    for filter in crate::FILTERS {
        let length: usize = filter.programs.iter().map(|program| program.code.len()).sum();
        assert!(length < 500, "{}: {length} instructions", filter.name);
    }
}
