//! What it costs to make a record durable on the disk that holds the journals:
//! no call that records durably can be faster.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;

/// As long as a short record.
const RECORD: [u8; 1024] = [b'x'; 1024];

/// A file beside the journals.
pub(crate) struct Disk(File);

impl Disk {
    pub(crate) fn beside(directory: &Path) -> anyhow::Result<Self> {
        let path = directory.join("appended");
        let file = File::options().create(true).append(true).open(&path);
        Ok(Self(file.with_context(|| format!("cannot make `{}`", path.display()))?))
    }

    /// Appends a record and waits until it is on the disk.
    pub(crate) fn append(&self) -> anyhow::Result<Duration> {
        let began = Instant::now();
        (&self.0).write_all(&RECORD)?;
        self.0.sync_data()?;
        Ok(began.elapsed())
    }
}
