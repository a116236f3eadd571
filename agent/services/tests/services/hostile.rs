//! Files that were damaged, cut or made to harm.

use std::time::{Duration, Instant};

use cofferdam_services::{Bounds, Gap, JournalError, Page};
use proptest::prelude::*;

use crate::fixtures::{Machine, all_of, file, shown};

fn read(machine: &Machine) -> Page {
    let bounds = Bounds { bytes: 16 << 20, time: Duration::from_secs(5), ..Bounds::default() };
    machine.journal().with_bounds(bounds).read(&all_of("web.service")).expect("a page")
}

/// A machine with this one file.
fn machine(bytes: &[u8]) -> Machine {
    let machine = Machine::new();
    machine.put("hostile.journal", bytes);
    machine
}

#[test]
fn what_is_no_journal_is_told_beside_what_is() {
    let machine = Machine::with(&["compact"]);
    machine.put("empty.journal", b"");
    machine.put("text.journal", &[b'x'; 4096]);
    std::fs::create_dir(machine.directory().join("directory.journal")).expect("a directory");
    std::os::unix::fs::symlink("/etc/passwd", machine.directory().join("link.journal"))
        .expect("a link");
    let fifo = machine.directory().join("fifo.journal");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .expect("a FIFO");
    let page = read(&machine);
    assert_eq!(page.entries.len(), shown("compact").len());
    assert_eq!(page.gaps.len(), 5, "{:?}", page.gaps);
    assert!(page.gaps.iter().all(|gap| matches!(gap, Gap::FileSkipped { .. })));
}

#[test]
fn a_file_with_features_of_a_newer_systemd_is_skipped_and_named() {
    let mut bytes = file("compact");
    bytes[12] |= 1 << 6;
    let page = read(&machine(&bytes));
    let [Gap::FileSkipped { reason, .. }] = page.gaps.as_slice() else { panic!("{:?}", page.gaps) };
    assert!(reason.contains("newer systemd"), "{reason}");
}

#[test]
fn a_file_that_may_not_be_read_is_an_error_that_names_the_group() {
    use std::os::unix::fs::PermissionsExt;
    let machine = Machine::with(&["compact"]);
    let path = machine.directory().join("compact.journal");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o0)).expect("closed");
    // Root reads it all the same.
    match machine.journal().read(&all_of("web.service")) {
        Ok(page) => assert!(rustix::process::geteuid().is_root() && page.complete()),
        Err(error) => {
            assert!(matches!(error, JournalError::Closed { .. }));
            assert!(error.to_string().contains("systemd-journal"), "{error}");
        }
    }
}

/// Where the objects of a file are that have this type.
fn objects(bytes: &[u8], kind: u8) -> Vec<usize> {
    let number = |at: usize| {
        let eight = bytes[at..at + 8].try_into().expect("eight bytes");
        usize::try_from(u64::from_le_bytes(eight)).expect("in range")
    };
    let (mut at, tail) = (number(88), number(136));
    let mut found = Vec::new();
    while at <= tail {
        if bytes[at] == kind {
            found.push(at);
        }
        at += number(at + 8).next_multiple_of(8);
    }
    found
}

#[test]
fn lists_of_entries_that_lead_in_circles_end_and_are_told() {
    let mut bytes = file("regular");
    let arrays = objects(&bytes, 6);
    for &array in &arrays {
        // Each says that it itself comes next, and holds little.
        bytes[array + 8..array + 16].copy_from_slice(&32_u64.to_le_bytes());
        bytes[array + 16..array + 24].copy_from_slice(&(array as u64).to_le_bytes());
    }
    let page = read(&machine(&bytes));
    assert!(page.entries.len() < shown("regular").len());
    assert!(matches!(page.gaps.as_slice(), [Gap::FileDamaged { .. }]), "{:?}", page.gaps);
}

#[test]
fn chains_of_the_hash_table_that_lead_in_circles_end_and_are_told() {
    let mut bytes = file("regular");
    for data in objects(&bytes, 1) {
        bytes[data + 16] ^= 1;
        bytes[data + 24..data + 32].copy_from_slice(&(data as u64).to_le_bytes());
    }
    let page = read(&machine(&bytes));
    assert!(page.entries.is_empty() && !page.complete());
}

#[test]
fn lists_that_say_they_are_endless_end_and_are_told() {
    let mut bytes = file("regular");
    for array in objects(&bytes, 6) {
        bytes[array + 8..array + 16].copy_from_slice(&(u64::MAX / 2).to_le_bytes());
    }
    for data in objects(&bytes, 1) {
        bytes[data + 56..data + 64].copy_from_slice(&u64::MAX.to_le_bytes());
    }
    let started = Instant::now();
    let page = read(&machine(&bytes));
    assert!(!page.complete());
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[test]
fn entries_that_point_nowhere_are_counted_and_the_others_read() {
    let mut bytes = file("regular");
    let entries = objects(&bytes, 3);
    for &entry in entries.iter().skip(10).take(20) {
        bytes[entry] = 1;
    }
    let page = read(&machine(&bytes));
    let [Gap::EntriesDamaged { count, .. }] = page.gaps.as_slice() else {
        panic!("{:?}", page.gaps)
    };
    let missing = u64::try_from(shown("regular").len() - page.entries.len()).expect("small");
    assert!(*count == missing && missing > 5, "{count} told, {missing} missing");
}

#[test]
fn a_file_cut_anywhere_is_read_as_far_as_it_goes() {
    let bytes = file("regular");
    let used = bytes.iter().rposition(|byte| *byte != 0).expect("it holds something");
    let whole = shown("regular").len();
    for part in 1..16 {
        let page = read(&machine(&bytes[..used * part / 16]));
        assert!(page.entries.len() < whole && !page.complete(), "{part}: {:?}", page.gaps);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Whatever bytes are changed, there is an answer in time, and what it shows was
    /// bounded.
    #[test]
    fn a_file_changed_anywhere_gives_an_answer(
        name in prop::sample::select(vec!["regular", "compact", "jenkins", "lz4"]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..60),
    ) {
        let mut bytes = file(name);
        let used = bytes.iter().rposition(|byte| *byte != 0).expect("it holds something");
        bytes.truncate(used + 1);
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let started = Instant::now();
        let page = read(&machine(&bytes));
        prop_assert!(started.elapsed() < Duration::from_secs(10));
        prop_assert!(page.entries.len() <= 1_000);
        let length: usize = page.entries.iter().map(|entry| entry.message.len()).sum();
        prop_assert!(length <= 1 << 20);
    }
}
