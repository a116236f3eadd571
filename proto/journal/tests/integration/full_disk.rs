//! A disk that is really full: a small tmpfs in a mount namespace of its own.

use std::path::Path;
use std::process::Command;

use cofferdam_journal::{AppendError, Journal, Options, verify};
use cofferdam_trust::SigningKey;

use crate::desk::{OWNER, intent, keep};

const INSIDE: &str = "COFFERDAM_TEST_FULL_DISK";
const NAME: &str = "full_disk::a_full_disk_stops_new_records_and_not_the_process";

#[test]
fn a_full_disk_stops_new_records_and_not_the_process() {
    if let Some(disk) = std::env::var_os(INSIDE) {
        return fill(Path::new(&disk));
    }
    let disk = tempfile::tempdir().unwrap();
    let program = std::env::current_exe().unwrap();
    let script =
        format!("mount -t tmpfs -o size=512k none {0} && exec \"$@\"", disk.path().display());
    // As an ordinary user a user namespace lends the right to mount.
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount"]);
        command
    };
    if !unshare().arg("true").status().is_ok_and(|status| status.success()) {
        let reason = format!("{NAME}: user namespaces are not allowed here");
        eprintln!("skipped: {reason}");
        // Where `make test` counts what was skipped.
        if let Some(list) = std::env::var_os("COFFERDAM_SKIPPED") {
            let mut list =
                std::fs::OpenOptions::new().append(true).create(true).open(list).unwrap();
            std::io::Write::write_all(&mut list, format!("{reason}\n").as_bytes()).unwrap();
        }
        return;
    }
    let output = unshare()
        .args(["sh", "-c", &script, "sh"])
        .arg(program)
        .args(["--exact", NAME, "--nocapture"])
        .env(INSIDE, disk.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}\n{errors}");
}

/// Runs inside the namespace, where `disk` is 512 KiB large.
fn fill(disk: &Path) {
    let directory = disk.join("journal");
    let ballast = disk.join("ballast");
    std::fs::write(&ballast, vec![1; 128 * 1024]).unwrap();
    let key = disk.join("signing.key");
    SigningKey::generate().unwrap().save(&key).unwrap();
    let open = || Journal::open(&directory, Options::new(OWNER, SigningKey::load(&key).unwrap()));
    let (journal, _) = open().unwrap();
    let mut kept = 0;
    let error = loop {
        let appended = journal.append(intent("fills the disk")).unwrap();
        match appended.durable.wait_blocking() {
            Ok(()) => kept += 1,
            Err(error) => break error,
        }
        assert!(kept < 10_000, "the disk never filled");
    };
    assert!(matches!(&error, AppendError::Failed(it) if it.contains("space")), "{error}");
    assert_eq!(journal.append(intent("late")).unwrap_err(), error, "it took more after it failed");
    assert_eq!(journal.failure(), Some(error.clone()));
    assert_eq!(journal.close(), Err(error));
    drop(journal);

    // What was promised is there, and room makes the journal open again.
    assert!(verify(&directory, None).unwrap().records > kept);
    assert!(open().is_err(), "an `opened` record found room on a full disk");
    std::fs::remove_file(&ballast).unwrap();
    let (journal, recovery) = open().unwrap();
    assert!(recovery.records > kept);
    keep(&journal, intent("again"));
}
