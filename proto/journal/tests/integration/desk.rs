//! A place to keep a journal, and entries to keep in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cofferdam_journal::{
    Appended, Call, Digest, Ending, Entry, Intent, Journal, OpenError, Options, Outcome, Recovery,
    Subject,
};
use cofferdam_trust::SigningKey;
use serde_json::json;
use tempfile::TempDir;

pub(crate) const OWNER: &str = "spiffe://cofferdam/agent/one";

/// A directory and a key that journals are opened with again and again.
pub(crate) struct Desk {
    pub(crate) directory: TempDir,
    owner: String,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self::of(OWNER)
    }

    pub(crate) fn of(owner: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        SigningKey::generate().unwrap().save(&directory.path().join("signing.key")).unwrap();
        Self { directory, owner: owner.to_owned() }
    }

    pub(crate) fn key(&self) -> SigningKey {
        SigningKey::load(&self.directory.path().join("signing.key")).unwrap()
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("journal")
    }

    /// No idle checkpoints, so that tests know what is where.
    pub(crate) fn options(&self) -> Options {
        let checkpoint_idle = Duration::from_hours(1);
        Options { checkpoint_idle, ..Options::new(&self.owner, self.key()) }
    }

    pub(crate) fn try_open(&self, options: Options) -> Result<(Journal, Recovery), OpenError> {
        Journal::open(&self.path(), options)
    }

    pub(crate) fn open(&self) -> (Journal, Recovery) {
        // A child of another test holds the lock from its fork to its exec.
        for _ in 0..200 {
            match self.try_open(self.options()) {
                Err(error) if error.to_string().contains("open in another process") => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                opened => return opened.unwrap(),
            }
        }
        panic!("the journal stays locked")
    }

    /// A journal of `runs` runs in segments of `segment` bytes, cleanly closed.
    pub(crate) fn filled(runs: usize, segment: u64) -> Self {
        let desk = Self::new();
        let options = Options { max_segment_bytes: segment, ..desk.options() };
        let (journal, _) = desk.try_open(options).unwrap();
        for run in 0..runs {
            let begun = journal.append(intent(&format!("run-{run}"))).unwrap();
            keep(&journal, outcome(&format!("run-{run}"), begun.hash));
        }
        journal.close().unwrap();
        desk
    }

    pub(crate) fn segments(&self) -> Vec<PathBuf> {
        let mut files: Vec<_> = fs::read_dir(self.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|it| it == "jsonl"))
            .collect();
        files.sort();
        files
    }
}

/// Appends and waits for the disk.
pub(crate) fn keep(journal: &Journal, entry: Entry) -> (u64, [u8; 32]) {
    let Appended { sequence, hash, durable } = journal.append(entry).unwrap();
    durable.wait_blocking().unwrap();
    (sequence, hash)
}

pub(crate) fn call(run_id: &str) -> Call {
    Call {
        run_id: run_id.to_owned(),
        subject: Some(Subject { user: "ada".to_owned(), ..Subject::default() }),
        project: "lock".to_owned(),
        host: "one".to_owned(),
        tool: "execute_command".to_owned(),
        action: json!({"program": "/usr/bin/git", "arguments": ["status", "é\n\u{0}"]}),
        action_digest: Some(Digest([7; 32])),
        ..Call::default()
    }
}

pub(crate) fn intent(run_id: &str) -> Entry {
    let rules = vec!["developers may build".to_owned()];
    Entry::Intent(Intent { call: call(run_id), rules, ..Intent::default() })
}

pub(crate) fn outcome(run_id: &str, intent: [u8; 32]) -> Entry {
    let ending = Ending::Exited { code: 0 };
    let output_digest = Some(Digest([9; 32]));
    Entry::Outcome(Outcome { output_digest, ..Outcome::new(run_id, intent, ending) })
}

pub(crate) fn lines(file: &Path) -> Vec<String> {
    fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect()
}

pub(crate) fn write_lines(file: &Path, lines: &[String]) {
    let mut text = lines.join("\n");
    text.push('\n');
    fs::write(file, text).unwrap();
}
