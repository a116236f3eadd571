//! Every way to change a journal, tried at every record.

use std::fs;

use cofferdam_journal::{Broken, Fault, read, verify};
use cofferdam_trust::sha256;

use crate::desk::{Desk, lines, write_lines};

/// Tries `change` on a fresh copy of the lines for each position and gives what
/// verifying says.
fn tamper(change: impl Fn(&mut Vec<String>, usize)) -> Vec<(usize, Broken)> {
    let desk = Desk::filled(4, u64::MAX);
    let file = desk.segments().remove(0);
    let original = lines(&file);
    verify(&desk.path(), None).unwrap();
    (0..original.len())
        .map(|at| {
            let mut changed = original.clone();
            change(&mut changed, at);
            write_lines(&file, &changed);
            let broken = verify(&desk.path(), None).expect_err(&format!("line {at}"));
            assert!(desk.try_open(desk.options()).is_err(), "opened in spite of line {at}");
            (at, broken)
        })
        .collect()
}

fn at(index: usize) -> u64 {
    u64::try_from(index).unwrap() + 1
}

#[test]
fn an_edited_record_is_found_at_its_line() {
    for (index, broken) in tamper(|lines, at| lines[at] = lines[at].replacen("20", "21", 1)) {
        assert!(matches!(broken.fault, Fault::Edited | Fault::NotARecord { .. }), "{broken}");
        assert_eq!((broken.line, broken.sequence), (at(index), at(index)), "{broken}");
    }
}

#[test]
fn an_edited_record_with_a_new_hash_is_found_at_the_record_that_follows() {
    let change = |lines: &mut Vec<String>, at: usize| {
        let start = lines[at].find(r#","hash":""#).unwrap();
        let (body, rest) = (lines[at][..start].to_owned(), &lines[at][start + 74..]);
        let rest = rest.replacen("Z\"}", "1Z\"}", 1);
        let hash = cofferdam_trust::hex(&sha256(format!("{body}{rest}").as_bytes()));
        lines[at] = format!(r#"{body},"hash":"{hash}"{rest}"#);
    };
    for (index, broken) in tamper(change) {
        let expected = match broken.fault {
            Fault::Unlinked { .. } => at(index) + 1,
            // The last record is the one that the head names.
            Fault::OtherHead { .. } => at(index),
            _ => panic!("{broken}"),
        };
        assert_eq!(broken.line, expected, "{broken}");
    }
}

#[test]
fn a_removed_record_is_found_where_it_is_missing() {
    for (index, broken) in tamper(|lines, at| drop(lines.remove(at))) {
        match broken.fault {
            Fault::Missing { found } => assert_eq!(found, at(index) + 1),
            Fault::Truncated { head } => assert_eq!(head, at(index)),
            _ => panic!("{broken}"),
        }
        assert_eq!(broken.sequence, at(index), "{broken}");
    }
}

#[test]
fn a_duplicated_record_is_found_at_its_second_line() {
    for (index, broken) in tamper(|lines, at| lines.insert(at, lines[at].clone())) {
        assert!(matches!(broken.fault, Fault::OutOfOrder { found } if found == at(index)));
        assert_eq!(broken.line, at(index) + 1, "{broken}");
    }
}

#[test]
fn reordered_records_are_found_at_the_first_of_them() {
    let change = |lines: &mut Vec<String>, at: usize| {
        let other = (at + 1) % lines.len();
        lines.swap(at, other);
    };
    for (index, broken) in tamper(change) {
        assert!(matches!(broken.fault, Fault::Missing { .. }), "{broken}");
        let first = if broken.line == 1 { 1 } else { at(index) };
        assert_eq!(broken.line, first, "{broken}");
    }
}

#[test]
fn an_inserted_record_is_found_at_its_line() {
    let stranger = Desk::filled(6, u64::MAX);
    let foreign = lines(&stranger.segments()[0]);
    let change = move |lines: &mut Vec<String>, at: usize| lines.insert(at, foreign[at].clone());
    for (index, broken) in tamper(change) {
        let found = matches!(
            broken.fault,
            Fault::Unlinked { .. } | Fault::OutOfOrder { .. } | Fault::OtherHead { .. }
        );
        assert!(found, "{broken}");
        // A whole foreign first record is only out of place for the next one.
        assert!(broken.line == at(index) || broken.line == 2, "{broken}");
    }
}

#[test]
fn a_journal_cut_short_at_any_record_is_found() {
    for (index, broken) in tamper(Vec::truncate) {
        if index > 0 {
            assert!(matches!(broken.fault, Fault::Truncated { .. }), "{broken}");
            assert_eq!(broken.sequence, at(index), "{broken}");
        }
    }
}

#[test]
fn a_missing_or_forged_head_is_found() {
    let desk = Desk::filled(2, u64::MAX);
    let head = desk.path().join("journal.head");
    let text = fs::read_to_string(&head).unwrap();
    fs::write(&head, text.replacen(r#""signature":""#, r#""signature":"AAAA"#, 1)).unwrap();
    assert!(matches!(verify(&desk.path(), None).unwrap_err().fault, Fault::Signature { .. }));
    fs::write(&head, "{}").unwrap();
    assert!(matches!(verify(&desk.path(), None).unwrap_err().fault, Fault::BadHead(_)));
    fs::remove_file(&head).unwrap();
    assert!(matches!(verify(&desk.path(), None).unwrap_err().fault, Fault::NoHead));
}

#[test]
fn a_chain_made_anew_from_some_record_fails_at_the_next_checkpoint() {
    let desk = Desk::filled(3, u64::MAX);
    let file = desk.segments().remove(0);
    let mut changed = lines(&file);
    assert!(changed[4].contains("\"ada\""));
    changed[4] = changed[4].replace("\"ada\"", "\"eve\"");
    let mut previous = String::new();
    for line in &mut changed {
        let start = line.find(r#","hash":""#).unwrap();
        let mut rest = line[start + 74..].to_owned();
        if !previous.is_empty() {
            let place = rest.find(r#""prev":""#).unwrap() + 8;
            rest.replace_range(place..place + 64, &previous);
        }
        let body = &line[..start];
        previous = cofferdam_trust::hex(&sha256(format!("{body}{rest}").as_bytes()));
        *line = format!(r#"{body},"hash":"{previous}"{rest}"#);
    }
    write_lines(&file, &changed);
    let broken = verify(&desk.path(), None).unwrap_err();
    assert!(matches!(broken.fault, Fault::Signature { what: "checkpoint" }), "{broken}");
    assert_eq!(broken.line, at(changed.len() - 1), "{broken}");
}

#[test]
fn segments_keep_the_chain_and_a_removed_one_is_found() {
    let desk = Desk::filled(20, 4096);
    let segments = desk.segments();
    assert!(segments.len() > 3, "{segments:?}");
    let records = verify(&desk.path(), None).unwrap().records;
    assert_eq!(read(&desk.path()).unwrap().map(Result::unwrap).count() as u64, records);
    for segment in &segments {
        let kept = fs::read(segment).unwrap();
        assert!(kept.len() <= 4096);
        fs::remove_file(segment).unwrap();
        let broken = verify(&desk.path(), None).unwrap_err();
        let missing = matches!(broken.fault, Fault::Missing { .. } | Fault::Truncated { .. });
        assert!(missing, "{broken}");
        fs::write(segment, kept).unwrap();
    }
    let moved = segments[1].with_file_name("journal-00000000000000000099.jsonl");
    fs::rename(&segments[1], moved).unwrap();
    assert!(verify(&desk.path(), None).is_err());
}

#[test]
fn what_was_read_is_written_as_it_was_read() {
    let desk = Desk::filled(3, u64::MAX);
    let written = lines(&desk.segments()[0]);
    let read: Vec<_> = read(&desk.path()).unwrap().map(|it| it.unwrap().to_json()).collect();
    assert_eq!(read, written);
}
