//! Waits for changes of files, by inotify(7).
//!
//! A change is a hint, never a proof: one that was made before the first watch is
//! set is not seen, and where the kernel's queue runs over or a tree is too large
//! that is said. Whoever waits looks for themselves.

mod events;

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cofferdam_proto::file::v1::{FileChanges, FileWatch};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;

use crate::bounds;
use crate::fault::FileFault;
use crate::place::{Place, Workspace};
use crate::walk::{self, Selection};
use events::Events;

const OPERATION: &str = "watch";
/// How long to wait where the request says nothing.
const WAIT: u32 = 30_000;
/// How long to wait for quiet where the request says nothing.
const SETTLE: u32 = 100;

/// A watch that is set.
struct Watch {
    inotify: OwnedFd,
    place: Place,
    /// The directory of each watch descriptor.
    directories: HashMap<i32, PathBuf>,
    /// Only this file of the directory.
    only: Option<PathBuf>,
    recursive: bool,
    events: Events,
}

/// Waits until something changes and it is quiet again, or the time is over.
pub(crate) fn watch(workspace: &Workspace, request: FileWatch) -> Result<FileChanges, FileFault> {
    let FileWatch { path, recursive, wait_millis, settle_millis } = request;
    let wait = bounded("wait_millis", wait_millis, WAIT, bounds::WAIT_MILLIS)?;
    let settle = bounded("settle_millis", settle_millis, SETTLE, bounds::SETTLE_MILLIS)?;
    let place = workspace.place(path)?;
    let mut watch = Watch::set(place, recursive)?;
    let end = Instant::now() + wait;
    let mut quiet_at = end;
    while !watch.events.is_full() {
        let now = Instant::now();
        if now >= quiet_at.min(end) {
            break;
        }
        if !watch.wait(quiet_at.min(end) - now)? {
            continue;
        }
        if watch.take()? {
            quiet_at = Instant::now() + settle;
        }
    }
    let Watch { events, place, .. } = watch;
    Ok(events.finish(&place))
}

fn bounded(field: &str, value: u32, default: u32, most: u32) -> Result<Duration, FileFault> {
    match value {
        0 => Ok(Duration::from_millis(default.into())),
        value if value <= most => Ok(Duration::from_millis(value.into())),
        _ => Err(FileFault::Invalid(format!("`{field}` is above {most}"))),
    }
}

impl Watch {
    fn set(place: Place, recursive: bool) -> Result<Self, FileFault> {
        let fault = |errno| FileFault::errno(OPERATION, place.asked())(errno);
        let metadata =
            std::fs::metadata(place.full()).map_err(FileFault::io(OPERATION, place.asked()))?;
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).map_err(fault)?;
        // Editors put another file in a file's place: its directory sees that.
        let (top, only) = if metadata.is_dir() {
            (place.full().to_owned(), None)
        } else {
            let parent = place.full().parent().unwrap_or(Path::new("/"));
            (parent.to_owned(), Some(place.full().to_owned()))
        };
        let recursive = recursive && only.is_none();
        let mut watch = Self {
            inotify,
            place,
            directories: HashMap::new(),
            only,
            recursive,
            events: Events::default(),
        };
        watch
            .add(top.clone())
            .map_err(|errno| FileFault::errno(OPERATION, watch.place.asked())(errno))?;
        if recursive {
            watch.add_beneath(&top);
        }
        Ok(watch)
    }

    fn add(&mut self, directory: PathBuf) -> rustix::io::Result<()> {
        if self.directories.len() >= bounds::WATCHES {
            self.events.overflow();
            return Ok(());
        }
        let flags = WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MODIFY
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::ATTRIB
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::ONLYDIR;
        let number = inotify::add_watch(&self.inotify, &directory, flags)?;
        self.directories.insert(number, directory);
        Ok(())
    }

    fn add_beneath(&mut self, top: &Path) {
        let selection = Selection { respect_ignore_files: true, include_hidden: false };
        for entry in walk::entries(top, bounds::SEARCH_DEPTH, selection) {
            if entry.file_type().is_some_and(|kind| kind.is_dir())
                && self.add(entry.into_path()).is_err()
            {
                self.events.overflow();
            }
            if self.events.is_over() {
                return;
            }
        }
    }

    /// Whether something happened in time.
    fn wait(&self, time: Duration) -> Result<bool, FileFault> {
        let time = Timespec {
            tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: time.subsec_nanos().into(),
        };
        match poll(&mut [PollFd::new(&self.inotify, PollFlags::IN)], Some(&time)) {
            Ok(ready) => Ok(ready > 0),
            Err(Errno::INTR) => Ok(false),
            Err(errno) => Err(FileFault::errno(OPERATION, self.place.asked())(errno)),
        }
    }

    /// Takes what happened; whether any of it matters.
    fn take(&mut self) -> Result<bool, FileFault> {
        let mut buffer = [std::mem::MaybeUninit::uninit(); 16 * 1024];
        let mut fresh = Vec::new();
        let mut matters = false;
        // The reader borrows the descriptor for as long as it lives.
        let inotify = rustix::io::dup(&self.inotify)
            .map_err(FileFault::errno(OPERATION, self.place.asked()))?;
        let mut reader = inotify::Reader::new(&inotify, &mut buffer);
        loop {
            let event = match reader.next() {
                Ok(event) => event,
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => continue,
                Err(errno) => {
                    return Err(FileFault::errno(OPERATION, self.place.asked())(errno));
                }
            };
            let flags = event.events();
            if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
                self.events.overflow();
                matters = true;
                continue;
            }
            let Some(directory) = self.directories.get(&event.wd()) else { continue };
            let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
            let path = name.map_or_else(|| directory.clone(), |name| directory.join(name));
            if self.only.as_ref().is_some_and(|only| *only != path) {
                continue;
            }
            let made = flags.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO);
            if self.recursive && made && flags.contains(ReadFlags::ISDIR) {
                fresh.push(path.clone());
            }
            if flags.contains(ReadFlags::IGNORED) {
                self.directories.remove(&event.wd());
                continue;
            }
            matters |= self.events.add(path, flags);
        }
        for directory in fresh {
            self.join(&directory);
        }
        Ok(matters)
    }

    /// A directory came to be: what is in it by now was not seen coming.
    fn join(&mut self, directory: &Path) {
        if self.add(directory.to_owned()).is_err() {
            // Gone again.
            return;
        }
        self.add_beneath(directory);
        let selection = Selection { respect_ignore_files: true, include_hidden: true };
        for entry in walk::entries(directory, bounds::SEARCH_DEPTH, selection) {
            self.events.add(entry.into_path(), ReadFlags::CREATE);
            if self.events.is_full() {
                return;
            }
        }
    }
}
