//! Many callers, one disk, one writer.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use cofferdam_journal::{
    AppendError, Body, DirectoryError, Entry, Intent, OpenError, Options, read, verify,
};

use crate::desk::{Desk, call, intent, keep};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn callers_at_the_same_time_share_the_disk() {
    let desk = Desk::new();
    let (journal, _) = desk.open();
    let before = journal.syncs();
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..64 {
        let journal = journal.clone();
        callers.spawn(async move {
            for run in 0..16 {
                let appended = journal.append(intent(&format!("{caller}-{run}"))).unwrap();
                appended.durable.wait().await.unwrap();
            }
        });
    }
    callers.join_all().await;
    let syncs = journal.syncs() - before;
    assert!(syncs > 0 && syncs < 64 * 16, "{syncs} syncs for {} records", 64 * 16);
    journal.close().unwrap();
    let intents = read(&desk.path())
        .unwrap()
        .filter(|record| matches!(record.as_ref().unwrap().body, Body::Intent(_)))
        .count();
    assert_eq!(intents, 64 * 16);
    verify(&desk.path(), None).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_waits_for_shares_the_disk_and_is_durable_soon_all_the_same() {
    const RECORDS: u64 = 200;
    let desk = Desk::new();
    let (journal, _) = desk.open();
    let before = journal.syncs();
    let began = Instant::now();
    for run in 0..RECORDS {
        let mut durable = journal.append_in_time(intent(&run.to_string())).unwrap().durable;
        durable.written().await.unwrap();
    }
    let taken = began.elapsed();
    let syncs = journal.syncs() - before;
    // One for each 20 ms, and one that was about to come.
    let most = u64::try_from(taken.as_millis()).unwrap() / 20 + 1;
    assert!(syncs <= most, "{syncs} syncs for {RECORDS} records in {taken:?}");
    let shared = journal.syncs();
    drop(journal.append_in_time(intent("the last")).unwrap());
    let idle = async {
        while journal.syncs() == shared {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), idle).await.unwrap();
}

#[test]
fn who_waits_for_a_record_that_has_time_is_not_kept_waiting() {
    let desk = Desk::new();
    let (journal, _) = desk.open();
    // Neither alone, nor behind a stream of others that have time.
    for crowd in [0, 50] {
        let before = journal.syncs();
        for run in 0..crowd {
            drop(journal.append_in_time(intent(&run.to_string())).unwrap());
        }
        let waited = journal.append_in_time(intent("wanted")).unwrap();
        waited.durable.wait_blocking().unwrap();
        assert!(journal.syncs() > before);
        let kept = read(&desk.path()).unwrap().last().unwrap().unwrap();
        assert_eq!(kept.hash.0, waited.hash);
    }
    // And closing leaves nothing behind.
    drop(journal.append_in_time(intent("last")).unwrap());
    journal.close().unwrap();
    assert_eq!(verify(&desk.path(), None).unwrap().unsigned, 0);
}

#[test]
fn what_is_durable_is_in_the_file_with_the_hash_that_was_given() {
    let desk = Desk::new();
    let (journal, _) = desk.open();
    let (sequence, hash) = keep(&journal, intent("run"));
    let record = read(&desk.path()).unwrap().last().unwrap().unwrap();
    assert_eq!((record.sequence, record.hash.0), (sequence, hash));
    assert!(matches!(record.body, Body::Intent(_)));
    // Beside the writer, without its lock.
    assert_eq!(verify(&desk.path(), None).unwrap().unsigned, 1);
}

#[test]
fn a_second_writer_is_refused_until_the_first_is_gone() {
    let desk = Desk::new();
    let (journal, _) = desk.open();
    let second = journal.clone();
    let error = desk.try_open(desk.options()).unwrap_err();
    assert!(matches!(error, OpenError::Directory(DirectoryError::Locked(_))), "{error}");
    drop(journal);
    keep(&second, intent("the clone still writes"));
    drop(second);
    desk.open();
}

#[test]
fn a_closed_journal_takes_nothing_and_is_signed_to_its_end() {
    let desk = Desk::new();
    let (journal, _) = desk.open();
    drop(journal.append(intent("nobody waited")).unwrap());
    journal.close().unwrap();
    assert_eq!(journal.append(intent("late")).unwrap_err(), AppendError::Closed);
    let verified = verify(&desk.path(), None).unwrap();
    assert_eq!(verified.unsigned, 0);
    assert_eq!(verified.records, 4, "opened, checkpoint, intent, checkpoint");
}

#[test]
fn checkpoints_come_by_count_and_by_idleness() {
    let desk = Desk::new();
    let (journal, _) = desk.try_open(Options { checkpoint_records: 4, ..desk.options() }).unwrap();
    for run in 0..9 {
        keep(&journal, intent(&run.to_string()));
    }
    let checkpoints = || {
        read(&desk.path())
            .unwrap()
            .filter(|record| matches!(record.as_ref().unwrap().body, Body::Checkpoint(_)))
            .count()
    };
    assert_eq!(checkpoints(), 3);
    drop(journal);

    let idle = Duration::from_millis(20);
    let (journal, _) = desk.try_open(Options { checkpoint_idle: idle, ..desk.options() }).unwrap();
    keep(&journal, intent("and then silence"));
    for _ in 0..500 {
        if verify(&desk.path(), None).is_ok_and(|verified| verified.unsigned == 0) {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("no checkpoint after {idle:?} of silence");
}

#[test]
fn files_are_for_their_owner_alone() {
    let desk = Desk::filled(1, u64::MAX);
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&desk.path()), 0o700);
    for entry in fs::read_dir(desk.path()).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    fs::set_permissions(desk.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let error = desk.try_open(desk.options()).unwrap_err();
    assert!(matches!(error, OpenError::Directory(DirectoryError::Exposed { .. })), "{error}");
}

#[test]
fn a_huge_action_is_cut_and_an_endless_record_refused() {
    let desk = Desk::new();
    let (journal, _) = desk.open();
    let mut deep = serde_json::Value::from("bottom");
    for _ in 0..1000 {
        deep = serde_json::Value::Array(vec![deep]);
    }
    for action in [
        serde_json::Value::from("x".repeat(10 << 20)),
        serde_json::Value::from(vec!["y".repeat(10_000); 1000]),
        serde_json::Value::from(vec![0; 100_000]),
        deep,
    ] {
        let call = cofferdam_journal::Call { action, ..call("big") };
        keep(&journal, Entry::Intent(Intent { call, ..Intent::default() }));
    }
    let rules = vec!["r".repeat(2 << 20)];
    let endless = Entry::Intent(Intent { call: call("big"), rules, ..Intent::default() });
    assert!(matches!(journal.append(endless), Err(AppendError::TooLong(_))));
    drop(journal);
    verify(&desk.path(), None).unwrap();
}
