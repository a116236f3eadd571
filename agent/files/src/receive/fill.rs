//! Moves what comes through a pipe into an upload.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use rustix::pipe::fcntl_setpipe_size;
use sha2::Digest;

use super::Partial;
use crate::bounds;

/// Bytes after which the disk is told to begin.
const STRIDE: u64 = 32 << 20;

/// How much of it came.
pub(super) enum Came {
    /// All that was announced.
    All,
    /// The pipe closed before.
    Part,
    /// More than was announced.
    TooMuch,
}

/// Takes what comes up to `size` bytes in all; the first `known` bytes are there
/// already.
///
/// The disk writes meanwhile, so that there is little left to wait for at the end.
pub(super) fn fill(
    partial: &mut Partial,
    pipe: OwnedFd,
    known: u64,
    size: u64,
) -> io::Result<Came> {
    let file = partial.draft.file().try_clone()?;
    let (wake, woken) = sync_channel(1);
    thread::scope(|scope| {
        let disk = || -> io::Result<()> {
            for () in woken {
                // An error is told once, to whoever asks first.
                file.sync_data()?;
            }
            Ok(())
        };
        let syncing = thread::Builder::new().stack_size(64 * 1024).spawn_scoped(scope, disk)?;
        let came = take(partial, File::from(pipe), known, size, &wake);
        drop(wake);
        let synced = syncing.join().unwrap_or_else(|_| Err(io::Error::other("the thread ended")));
        let came = came?;
        synced?;
        Ok(came)
    })
}

fn take(
    partial: &mut Partial,
    mut pipe: File,
    mut known: u64,
    size: u64,
    wake: &SyncSender<()>,
) -> io::Result<Came> {
    // What it holds by itself serves as well, only slower.
    _ = fcntl_setpipe_size(&pipe, bounds::STREAMED);
    let mut buffer = vec![0; bounds::STREAMED];
    let mut unsynced = 0;
    loop {
        let read = match pipe.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let skipped = usize::try_from(known).map_or(read, |known| known.min(read));
        known -= skipped as u64;
        let new = &buffer[skipped..read];
        if new.len() as u64 > size - partial.bytes {
            return Ok(Came::TooMuch);
        }
        partial.draft.file().write_all(new)?;
        partial.digest.update(new);
        partial.bytes += new.len() as u64;
        unsynced += new.len() as u64;
        if unsynced >= STRIDE {
            // Where it is still at it, it takes these along later.
            _ = wake.try_send(());
            unsynced = 0;
        }
    }
    Ok(if partial.bytes == size && known == 0 { Came::All } else { Came::Part })
}
