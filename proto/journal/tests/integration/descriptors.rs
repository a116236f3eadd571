//! A process that has no descriptor left, for a while.

use std::fs::File;
use std::process::Command;
use std::time::Duration;

use cofferdam_journal::{Journal, Options, verify};
use cofferdam_trust::SigningKey;

use crate::desk::{OWNER, intent, keep};

const INSIDE: &str = "COFFERDAM_TEST_DESCRIPTORS";
const NAME: &str = "descriptors::a_passing_lack_of_descriptors_stops_records_only_while_it_lasts";

#[test]
fn a_passing_lack_of_descriptors_stops_records_only_while_it_lasts() {
    if std::env::var_os(INSIDE).is_some() {
        return lack();
    }
    let output = Command::new("sh")
        .args(["-c", "ulimit -n 32; exec \"$@\"", "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", NAME, "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}\n{errors}");
}

/// Runs in a process of its own, which may have 32 descriptors open.
fn lack() {
    let disk = tempfile::tempdir().unwrap();
    let key = disk.path().join("signing.key");
    SigningKey::generate().unwrap().save(&key).unwrap();
    let mut options = Options::new(OWNER, SigningKey::load(&key).unwrap());
    // Each record has its checkpoint, and so its head.
    options.checkpoint_records = 1;
    let (journal, _) = Journal::open(&disk.path().join("journal"), options).unwrap();
    let mut hoard = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        hoard.push(file);
    }
    let first = journal.append(intent("while nothing is left")).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert!(journal.failure().is_none());
    drop(hoard);
    first.durable.wait_blocking().unwrap();
    keep(&journal, intent("afterwards"));
    journal.close().unwrap();
    verify(&disk.path().join("journal"), None).unwrap();
}
