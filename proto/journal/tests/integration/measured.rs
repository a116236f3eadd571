//! What the owner of a journal watches.

use std::fs;

use cofferdam_journal::{Ending, Entry, Journal, Options, Outcome, clock_offsets};
use cofferdam_proto::intent::v1::{Receipt, SignedReceipt};
use prost::Message;

use crate::desk::{Desk, intent};

/// The end of a run on `host`, whose receipt says that it was signed now.
fn outcome(host: &str) -> Entry {
    let now = std::time::SystemTime::now();
    let receipt = Receipt {
        host: format!("spiffe://cofferdam/agent/{host}"),
        issued_at: Some(now.into()),
        ..Receipt::default()
    };
    let receipt = SignedReceipt { receipt: receipt.encode_to_vec(), ..SignedReceipt::default() };
    Entry::Outcome(Outcome {
        receipt: Some(receipt),
        ..Outcome::new("a run", [0; 32], Ending::Completed)
    })
}

#[test]
fn a_journal_tells_how_far_it_is_how_much_there_is_and_how_the_disk_does() {
    let desk = Desk::new();
    let (journal, _) = desk.open();
    let before = journal.measures();
    journal.append(intent("a")).unwrap().durable.wait_blocking().unwrap();
    let after = journal.measures();
    assert_eq!((after.written, after.durable), (before.written + 1, before.durable + 1));
    assert!(after.bytes > before.bytes && !after.has_failed);
    assert!(after.syncs.count() > before.syncs.count() && after.syncs.seconds() > 0.0);
    let spans = after.syncs.spans();
    assert_eq!(spans.iter().map(|(_, count)| count).sum::<u64>(), after.syncs.count());
}

#[test]
fn clocks_are_told_by_the_newest_segment_alone() {
    let desk = Desk::new();
    let key = cofferdam_trust::SigningKey::generate().unwrap();
    let options = Options { max_segment_bytes: 2000, ..Options::new("gateway", key) };
    let (journal, _) = Journal::open(&desk.path(), options).unwrap();
    journal.append(outcome("old")).unwrap();
    for _ in 0..10 {
        journal.append(outcome("new")).unwrap().durable.wait_blocking().unwrap();
    }
    journal.close().unwrap();
    let segments = fs::read_dir(desk.path()).unwrap().filter(|file| {
        file.as_ref().unwrap().path().extension().is_some_and(|kind| kind == "jsonl")
    });
    assert!(segments.count() > 1);
    let offsets = clock_offsets(&desk.path()).unwrap();
    assert_eq!(offsets.keys().collect::<Vec<_>>(), ["new"]);
    assert!(offsets["new"].abs() <= 1, "{offsets:?}");
}
