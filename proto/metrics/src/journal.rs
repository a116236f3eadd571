//! How a journal does.

use cofferdam_journal::{Journal, Measures};
use rustix::fs::statvfs;

use crate::readings::{Labels, Readings, number};

/// Reads the journal. May wait for the disk.
pub fn read_journal(journal: &Journal, into: &mut Readings) {
    let Measures { written, durable, syncs, bytes, has_failed } = journal.measures();
    let sequence = |state: &str, value| (vec![("state", state.to_owned())], value);
    into.gauges(
        "journal_sequence",
        "Sequence of the journal's last record that is written, and that is durable",
        [sequence("written", number(written)), sequence("durable", number(durable))],
    );
    into.flag(
        "journal_failed",
        "The journal cannot be written, so that nothing new starts until a restart",
        has_failed,
    );
    into.histogram(
        "journal_sync_seconds",
        "How long the disk took to keep records (fdatasync)",
        (syncs.seconds(), syncs.count()),
        syncs.spans(),
    );
    let one = |bytes: u64| (Labels::new(), number(bytes));
    into.gauges("journal_size_bytes", "Bytes of all of the journal's segments", bytes.map(one));
    let free = statvfs(journal.directory()).ok();
    let free = free.map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize));
    into.gauges("journal_free_bytes", "Bytes that are free where the journal is", free.map(one));
}
