//! What is read is what journalctl reads.

use std::time::{Duration, SystemTime};

use cofferdam_services::{Entry, Gap, Grep, JournalError, MachineId, Priority, Query};

use crate::fixtures::{Machine, Shown, all_of, shown};

/// An entry as journalctl would show it.
pub(crate) fn as_shown(entry: &Entry) -> Shown {
    let since = entry.realtime.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    Shown {
        cursor: entry.cursor.to_string(),
        realtime: u64::try_from(since.as_micros()).expect("in range"),
        priority: entry.priority.map(Priority::number),
        identifier: entry.identifier.clone(),
        pid: entry.pid,
        message: entry.message.clone(),
    }
}

fn read(machine: &Machine, query: &Query) -> Vec<Shown> {
    let page = machine.journal().read(query).expect("a page");
    assert_eq!(page.gaps, Vec::new());
    assert!(page.complete() && page.next.is_none());
    page.entries.iter().map(as_shown).collect()
}

fn at(microseconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_micros(microseconds)
}

#[test]
fn files_of_every_kind_read_as_journalctl_reads_them() {
    for name in ["regular", "compact", "jenkins", "plain", "lz4"] {
        let machine = Machine::with(&[name]);
        assert_eq!(read(&machine, &all_of("web.service")), shown(name), "{name}");
    }
}

#[test]
fn a_slice_has_what_is_logged_within_it() {
    let machine = Machine::with(&["regular"]);
    // The golden file was made of the same entries; the file's ids differ by each making.
    assert_eq!(read(&machine, &all_of("web.slice")), shown("slice"));
}

#[test]
fn rotated_files_and_boots_are_merged_as_journalctl_merges_them() {
    let machine = Machine::with(&["first", "second", "third"]);
    assert_eq!(read(&machine, &all_of("web.service")), shown("merged"));
}

#[test]
fn the_same_file_twice_shows_each_entry_once() {
    let machine = Machine::with(&["regular"]);
    let again = crate::fixtures::file("regular");
    machine.put("copy.journal~", &again);
    assert_eq!(read(&machine, &all_of("web.service")), shown("regular"));
}

#[test]
fn a_message_packed_with_xz_is_told_as_not_read() {
    let machine = Machine::with(&["xz"]);
    let page = machine.journal().read(&all_of("web.service")).expect("a page");
    let expected = shown("xz");
    assert_eq!(page.entries.len(), expected.len());
    for (entry, shown) in page.entries.iter().zip(&expected) {
        let unread = shown.message.starts_with("long: ");
        assert_eq!(entry.unread_fields, u32::from(unread));
        assert_eq!(entry.message == shown.message, !unread);
    }
    assert!(!page.complete());
    let [Gap::FieldsUnread { count: 1, reason, .. }] = page.gaps.as_slice() else {
        panic!("{:?}", page.gaps)
    };
    assert!(reason.contains("XZ"), "{reason}");
}

#[test]
fn a_file_that_ends_where_its_entries_end_is_read_whole() {
    // What the file system had allocated beyond is all that is missing.
    let mut bytes = crate::fixtures::file("compact");
    let used = bytes.iter().rposition(|byte| *byte != 0).expect("it holds something") + 1;
    assert!(used < bytes.len());
    bytes.truncate(used.next_multiple_of(8));
    let machine = Machine::new();
    machine.put("cut.journal", &bytes);
    assert_eq!(read(&machine, &all_of("web.service")), shown("compact"));
}

#[test]
fn only_what_is_at_least_as_urgent_is_shown() {
    let machine = Machine::with(&["compact"]);
    let query = Query { priority: Some(Priority::Warning), ..all_of("web.service") };
    let urgent = |entry: &Shown| entry.priority.is_some_and(|priority| priority <= 4);
    let expected: Vec<_> = shown("compact").into_iter().filter(urgent).collect();
    assert!(expected.len() > 50);
    assert_eq!(read(&machine, &query), expected);
}

#[test]
fn only_what_was_logged_in_time_is_shown() {
    let machine = Machine::with(&["first", "second", "third"]);
    let all = shown("merged");
    let (from, to) = (all[40].realtime, all[250].realtime);
    let query = Query { since: Some(at(from)), until: Some(at(to)), ..all_of("web.service") };
    let within = |entry: &Shown| (from..=to).contains(&entry.realtime);
    let expected: Vec<_> = all.into_iter().filter(within).collect();
    assert_eq!(expected.len(), 211);
    assert_eq!(read(&machine, &query), expected);
    let never = Query { since: Some(at(to)), until: Some(at(from)), ..all_of("web.service") };
    assert_eq!(read(&machine, &never), Vec::new());
    let before = Query { until: Some(SystemTime::UNIX_EPOCH), ..all_of("web.service") };
    assert_eq!(read(&machine, &before), Vec::new());
}

#[test]
fn only_messages_that_the_expression_finds_are_shown() {
    let machine = Machine::with(&["regular"]);
    let grep = Grep::new("took 9[0-9] ms$").expect("an expression");
    let query = Query { grep: Some(grep), ..all_of("web.service") };
    let found = |entry: &Shown| {
        entry.message.contains("took 9")
            && entry.message.len() == entry.message.rfind(" ms").expect("it is there") + 3
            && !entry.message.contains("took 9 ms")
    };
    let expected: Vec<_> = shown("regular").into_iter().filter(found).collect();
    assert!(expected.len() > 5);
    assert_eq!(read(&machine, &query), expected);
}

#[test]
fn a_unit_that_logged_nothing_has_an_empty_page() {
    let machine = Machine::with(&["regular", "compact"]);
    assert_eq!(read(&machine, &all_of("absent.service")), Vec::new());
}

#[test]
fn journals_of_other_machines_and_namespaces_are_left_alone() {
    let machine = Machine::with(&["first"]);
    let other = machine.root().join("fedcba9876543210fedcba9876543210");
    std::fs::create_dir(&other).expect("a directory");
    std::fs::copy(machine.directory().join("first.journal"), other.join("x.journal"))
        .expect("copied");
    let before = read(&machine, &all_of("web.service")).len();
    assert!(before > 0);
    std::fs::remove_file(machine.directory().join("first.journal")).expect("removed");
    let error = machine.journal().read(&all_of("web.service")).expect_err("nothing is left");
    assert!(matches!(error, JournalError::None { .. }), "{error}");
}

#[test]
fn where_there_is_no_journal_the_error_says_so() {
    let machine = Machine::new();
    let error = machine.journal().read(&all_of("web.service")).expect_err("there is none");
    assert!(error.to_string().contains("systemd-journald does not run here"), "{error}");
    let missing = MachineId::read(&machine.root().join("machine-id")).expect_err("no file");
    assert!(missing.to_string().contains("machine-id"), "{missing}");
}

#[test]
fn a_long_message_is_cut_and_says_by_how_much() {
    let machine = Machine::with(&["regular"]);
    let query = Query {
        lines: 1,
        bytes: 10,
        grep: Some(Grep::new("^long").expect("an expression")),
        ..all_of("web.service")
    };
    let page = machine.journal().read(&query).expect("a page");
    let [entry] = page.entries.as_slice() else { panic!("{:?}", page.entries) };
    assert_eq!(entry.message, "long: abcd");
    assert_eq!(entry.left_out, 4_000);
    assert!(page.next.is_some());
}

#[test]
fn what_others_forge_about_a_unit_does_not_count_and_what_root_says_does() {
    let machine = Machine::with(&["compact"]);
    let told = |message: &str| {
        let entries = read(&machine, &all_of("web.service"));
        entries.iter().filter(|entry| entry.message.contains(message)).count()
    };
    assert_eq!(told("forged"), 0);
    assert_eq!(told("Started web.service."), 1);
    assert_eq!(told("dumped core"), 1);
    assert_eq!(told("said by root"), 1);
}

#[test]
fn what_is_veiled_is_neither_shown_nor_found() {
    let machine = Machine::with(&["regular"]);
    let veil = |message: &str| message.replace("another process", "[hidden]");
    let shown = |expression: &str| {
        let grep = Some(Grep::new(expression).expect("an expression"));
        let query = Query { veil: Some(veil), grep, ..all_of("web.service") };
        read(&machine, &query).into_iter().map(|entry| entry.message).collect::<Vec<_>>()
    };
    assert_eq!(shown("another process"), Vec::<String>::new());
    assert_eq!(shown("hidden"), ["[hidden]"]);
}
