//! What a crash leaves behind, and how a journal opens after it.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use cofferdam_journal::{Body, Ending, Entry, Fault, Journal, OpenError, Options, read, verify};
use cofferdam_trust::{SigningKey, sha256};

use crate::desk::{Desk, OWNER, intent, keep, outcome};

#[test]
fn a_record_torn_at_any_byte_is_cut_and_told() {
    let desk = Desk::filled(1, u64::MAX);
    let file = desk.segments().remove(0);
    let head = desk.path().join("journal.head");
    let (whole, whole_head) = (fs::read(&file).unwrap(), fs::read(&head).unwrap());
    let record = whole.split(|byte| *byte == b'\n').nth(2).unwrap();
    for torn in (1..record.len()).step_by(17).chain([record.len()]) {
        let tail = &record[..torn];
        fs::write(&file, [&whole[..], tail].concat()).unwrap();
        fs::write(&head, &whole_head).unwrap();
        assert_eq!(verify(&desk.path(), None).unwrap().torn, tail.len() as u64);
        let (journal, recovery) = desk.open();
        let cut = recovery.cut.unwrap();
        assert_eq!((cut.bytes, cut.digest.0), (tail.len() as u64, sha256(tail)));
        drop(journal);
        let told = read(&desk.path())
            .unwrap()
            .filter_map(Result::ok)
            .any(|record| matches!(record.body, Body::Opened(opened) if opened.cut == Some(cut)));
        assert!(told, "no `opened` record tells of the cut");
        verify(&desk.path(), None).unwrap();
    }
}

const INSIDE: &str = "COFFERDAM_TEST_KILLED";
const KILLED: &str = "crash::after_a_kill_every_record_that_was_promised_is_there";

#[test]
fn after_a_kill_every_record_that_was_promised_is_there() {
    if let Some(directory) = std::env::var_os(INSIDE) {
        return promise_until_killed(directory.as_ref());
    }
    let desk = Desk::new();
    for round in 0..5_u32 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", KILLED, "--nocapture"])
            .env(INSIDE, desk.directory.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let promised = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok)
            .filter_map(|line| line.strip_prefix("durable ").map(str::to_owned))
            .take(usize::try_from(round * 7 + 1).unwrap());
        let promised: Vec<String> = promised.collect();
        child.kill().unwrap();
        child.wait().unwrap();
        drop(desk.open());
        let kept: Vec<_> = read(&desk.path())
            .unwrap()
            .map(|record| cofferdam_trust::hex(&record.unwrap().hash.0))
            .collect();
        assert!(promised.iter().all(|hash| kept.contains(hash)), "round {round}");
    }
}

/// Runs in the child: says which records are durable, as fast as it can.
fn promise_until_killed(directory: &std::path::Path) {
    let key = SigningKey::load(&directory.join("signing.key")).unwrap();
    let (journal, _) = Journal::open(&directory.join("journal"), Options::new(OWNER, key)).unwrap();
    loop {
        let (_, hash) = keep(&journal, intent("run"));
        let mut out = std::io::stdout().lock();
        writeln!(out, "\ndurable {}", cofferdam_trust::hex(&hash)).unwrap();
    }
}

#[test]
fn zeroes_after_the_last_record_are_cut() {
    let desk = Desk::filled(1, u64::MAX);
    let file = desk.segments().remove(0);
    let mut end = OpenOptions::new().append(true).open(&file).unwrap();
    end.write_all(b"{\"body\":").unwrap();
    end.write_all(&[0; 5000]).unwrap();
    let (_journal, recovery) = desk.open();
    assert_eq!(recovery.cut.unwrap().bytes, 5008);
}

#[test]
fn a_broken_record_in_the_middle_refuses_to_open_and_names_the_place() {
    let desk = Desk::filled(2, u64::MAX);
    let file = desk.segments().remove(0);
    let before = fs::read(&file).unwrap();
    for damage in [&b"\n"[..], b"\0", b"x"] {
        let middle = before.iter().position(|byte| *byte == b'\n').unwrap() + 40;
        let mut changed = before.clone();
        changed.splice(middle..=middle, damage.iter().copied());
        fs::write(&file, &changed).unwrap();
        let error = desk.try_open(desk.options()).unwrap_err();
        let OpenError::Broken(broken) = &error else { panic!("{error}") };
        assert_eq!((broken.line, broken.sequence), (2, 2), "{error}");
        assert_eq!(fs::read(&file).unwrap(), changed, "a broken journal was changed");
    }
}

#[test]
fn a_tail_lost_after_it_was_signed_is_no_crash() {
    let desk = Desk::filled(2, u64::MAX);
    let file = desk.segments().remove(0);
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..whole.len() - 30]).unwrap();
    let error = desk.try_open(desk.options()).unwrap_err();
    let truncated =
        matches!(&error, OpenError::Broken(it) if matches!(it.fault, Fault::Truncated { .. }));
    assert!(truncated, "{error}");
}

#[test]
fn an_intent_without_outcome_is_told_until_it_is_lost() {
    let desk = Desk::new();
    let (journal, recovery) = desk.open();
    assert!(recovery.unfinished.is_empty());
    let (_, ended) = keep(&journal, intent("ended"));
    let (sequence, hash) = keep(&journal, intent("open"));
    keep(&journal, outcome("ended", ended));
    drop(journal);

    let (journal, recovery) = desk.open();
    let [open] = &recovery.unfinished[..] else { panic!("{recovery:?}") };
    assert_eq!((open.run_id.as_str(), open.sequence, open.hash), ("open", sequence, hash));
    let lost = open.lost("the agent was restarted");
    assert!(matches!(lost.ending, Ending::Lost { .. }));
    keep(&journal, Entry::Outcome(lost));
    drop(journal);
    assert!(desk.open().1.unfinished.is_empty());
}
