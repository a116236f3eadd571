//! A journal that is open for writing.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use cofferdam_trust::SigningKey;

use crate::broken::Broken;
use crate::digest::Digest;
use crate::directory::{Directory, DirectoryError, failed};
use crate::durable::Durable;
use crate::entry::{Body, Cut, Entry, Opened};
use crate::measures::{self, Measures};
use crate::recovery::{Found, Unfinished, recover};
use crate::redact::redact_entry;
use crate::segment::Segment;
use crate::shared::{AppendError, Hurry, Shared};
use crate::writer::Writer;

/// How a journal is kept.
#[derive(Debug)]
pub struct Options {
    /// Whose it is: the peer's URI name.
    pub owner: String,
    /// Signs checkpoints and the head.
    pub key: SigningKey,
    /// A segment is closed before it grows beyond this many bytes.
    pub max_segment_bytes: u64,
    /// A checkpoint is made after this many records.
    pub checkpoint_records: u64,
    /// And when nothing was appended for this long.
    pub checkpoint_idle: Duration,
}

/// A journal that this process writes. Clones share it; the last one that goes
/// away closes it.
#[derive(Debug, Clone)]
pub struct Journal(Arc<Open>);

#[derive(Debug)]
struct Open {
    directory: PathBuf,
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// What opening found.
#[derive(Debug)]
pub struct Recovery {
    /// Intents without an outcome, oldest first. The caller appends one for
    /// each.
    pub unfinished: Vec<Unfinished>,
    /// What was cut off because a crash had torn it.
    pub cut: Option<Cut>,
    /// How many records there were.
    pub records: u64,
}

/// A record that was appended: its place is fixed, the disk may not have it yet.
#[derive(Debug)]
pub struct Appended {
    /// Its sequence.
    pub sequence: u64,
    /// Its hash.
    pub hash: [u8; 32],
    /// The wait for the disk.
    pub durable: Durable,
}

/// Why a journal could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory or a file in it cannot be used.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The journal is broken.
    #[error(
        "{0}; nothing was changed: look at it with `cofferdam audit verify`, keep a copy, and begin a new journal in an empty directory"
    )]
    Broken(#[from] Broken),
    /// Another key signs this journal.
    #[error(
        "the journal is signed by the key {expected}, not by {given}; configure the old key, or begin a new journal in an empty directory"
    )]
    AnotherKey {
        /// Id of the journal's key.
        expected: String,
        /// Id of the key that was given.
        given: String,
    },
    /// It is another peer's journal.
    #[error(
        "the journal belongs to `{expected}`, not to `{given}`; configure a directory of its own"
    )]
    AnotherOwner {
        /// Whose it is.
        expected: String,
        /// Who wanted to open it.
        given: String,
    },
    /// The first record could not be written.
    #[error(transparent)]
    Append(#[from] AppendError),
}

impl Options {
    /// Segments of 64 MiB, a checkpoint after 1024 records or 5 idle seconds.
    pub fn new(owner: &str, key: SigningKey) -> Self {
        Self {
            owner: owner.to_owned(),
            key,
            max_segment_bytes: 64 * 1024 * 1024,
            checkpoint_records: 1024,
            checkpoint_idle: Duration::from_secs(5),
        }
    }
}

impl Journal {
    /// Opens the journal in `directory`, or begins it. Reads all of it first;
    /// waits for the disk, so call it before serving.
    pub fn open(directory: &Path, options: Options) -> Result<(Self, Recovery), OpenError> {
        let directory = Directory::lock(directory)?;
        let Found { chain, unfinished, cut, last_segment } = recover(&directory)?;
        admit(&chain.owner, chain.key.map(|key| key.key_id()), &options)?;

        let Options { owner, key, max_segment_bytes, checkpoint_records, checkpoint_idle } =
            options;
        let opened = Body::Opened(Opened {
            owner: owner.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            key: key.public_key(),
            cut,
        });
        let path = directory.path().to_owned();
        let segment = Segment::open(&directory, last_segment.unwrap_or(chain.next))
            .map_err(failed("open the last segment in", &path))?;
        let place = (chain.next, chain.last);
        let shared = Shared::new(owner, key, place, (checkpoint_records, checkpoint_idle));
        let shared = Arc::new(shared);
        let files = (directory, segment);
        let writer = Writer::new(files, max_segment_bytes, Arc::clone(&shared), chain.next - 1);
        let thread = std::thread::Builder::new().name("journal".to_owned());
        let thread = thread
            .spawn(move || writer.run())
            .map_err(failed("start the thread that writes", &path))?;
        let journal =
            Self(Arc::new(Open { directory: path, shared, writer: Mutex::new(Some(thread)) }));

        journal.0.shared.append(&opened, Hurry::AtOnce)?;
        journal.checkpoint()?.wait_blocking()?;
        Ok((journal, Recovery { unfinished, cut, records: place.0 - 1 }))
    }

    /// Appends an entry. Its secrets are replaced, and its sequence and hash
    /// fixed, before this returns; the disk follows at once.
    pub fn append(&self, entry: Entry) -> Result<Appended, AppendError> {
        self.take(entry, Hurry::AtOnce)
    }

    /// Appends an entry that nobody waits for the disk to have: it is written at once,
    /// and durable within 50 ms (where an fdatasync(2) takes less than 15), together
    /// with all that is appended meanwhile. Who waits all the same does not wait longer
    /// than after [`Self::append`].
    pub fn append_in_time(&self, entry: Entry) -> Result<Appended, AppendError> {
        self.take(entry, Hurry::InTime)
    }

    fn take(&self, entry: Entry, hurry: Hurry) -> Result<Appended, AppendError> {
        let (sequence, hash) = self.0.shared.append(&redact_entry(entry).into(), hurry)?;
        Ok(self.appended(sequence, hash))
    }

    /// Signs everything so far.
    pub fn checkpoint(&self) -> Result<Durable, AppendError> {
        let sequence = self.0.shared.checkpoint()?;
        Ok(Durable::new(sequence, &self.0.shared))
    }

    /// Signs with `key` from here on. The old key signs the change.
    pub fn change_key(&self, key: SigningKey) -> Result<Appended, AppendError> {
        let (sequence, hash) = self.0.shared.change_key(key)?;
        Ok(self.appended(sequence, hash))
    }

    /// How often the disk was made to keep records: group commit keeps this far
    /// below the number of records under load.
    pub fn syncs(&self) -> u64 {
        self.0.shared.progress().borrow().syncs.count()
    }

    /// How it does now. Looks at the directory, so it may wait for the disk.
    #[must_use]
    pub fn measures(&self) -> Measures {
        let bytes = measures::bytes(&self.0.directory).ok();
        let progress = self.0.shared.progress();
        let progress = progress.borrow();
        Measures {
            written: progress.written,
            durable: progress.durable,
            syncs: progress.syncs.clone(),
            bytes,
            has_failed: progress.failed.is_some(),
        }
    }

    /// Where its segments are.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.0.directory
    }

    /// Why the journal takes nothing more, if so.
    pub fn failure(&self) -> Option<AppendError> {
        self.0.shared.progress().borrow().failed.clone()
    }

    /// Takes no more entries, signs what there is and waits for the disk.
    pub fn close(&self) -> Result<(), AppendError> {
        self.0.close();
        self.failure().map_or(Ok(()), Err)
    }

    fn appended(&self, sequence: u64, Digest(hash): Digest) -> Appended {
        let durable = Durable::new(sequence, &self.0.shared);
        Appended { sequence, hash, durable }
    }
}

impl Open {
    fn close(&self) {
        self.shared.close();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if writer.is_some_and(|writer| writer.join().is_err()) {
            self.shared.fail("its thread panicked");
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.close();
    }
}

/// Only the journal's own owner and key go on with it.
fn admit(owner: &str, key: Option<String>, options: &Options) -> Result<(), OpenError> {
    let Some(expected) = key else { return Ok(()) };
    let given = options.key.key_id();
    if expected != given {
        return Err(OpenError::AnotherKey { expected, given });
    }
    if owner != options.owner {
        let (expected, given) = (owner.to_owned(), options.owner.clone());
        return Err(OpenError::AnotherOwner { expected, given });
    }
    Ok(())
}
