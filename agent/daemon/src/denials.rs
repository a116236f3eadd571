//! What the kernel tells of the sandbox's refusals, run by run.
//!
//! The warden hands over a socket that shows audit's records of Landlock and
//! seccomp and nothing else. A task reads it and gives each record to the run
//! it belongs to. Where there is no such socket, every outcome says why.

use std::collections::HashMap;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use cofferdam_denials::{Attribution, Context, Explained, RunKey, Started, drain, explain};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

mod host_files;

pub use host_files::FilesOfRun;

/// Processes that are looked up in /proc in one turn of reading, at most: a
/// flood of forks must not keep the agent busy.
const LOOK_UPS: usize = 256;
/// Turns of reading at the end of a run, at most: a flood goes on for as long as
/// somebody likes.
const TURNS: usize = 64;
/// How long to wait for the records of a run that failed, again and again while
/// there is none: a thread of the kernel passes them on (`kauditd`), and on a busy
/// host it takes its turn after the run has ended.
const LATE: [Duration; 3] =
    [Duration::from_millis(1), Duration::from_millis(4), Duration::from_millis(10)];
/// How long to wait for the kernel's own count where records may be lost.
const COUNTED: Duration = Duration::from_millis(100);

/// Denials of this host's cells.
#[derive(Debug)]
pub struct Denials {
    /// The socket; or why there is none; not set before the warden was asked.
    source: OnceLock<Result<AsyncFd<OwnedFd>, String>>,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    attribution: Attribution,
    /// Runs by the end of their cgroup's path.
    leaves: HashMap<String, RunKey>,
    last: u64,
}

/// A run whose denials are looked for.
#[derive(Debug)]
pub struct Watched {
    key: RunKey,
    leaf: String,
}

impl Denials {
    /// `warden`: its program, which is that of every PID 1.
    #[must_use]
    pub fn new(warden: PathBuf) -> Self {
        let attribution = Attribution::new(warden.into_os_string().into_encoded_bytes());
        let known = Known { attribution, leaves: HashMap::new(), last: 0 };
        Self { source: OnceLock::new(), known: Mutex::new(known) }
    }

    /// Takes what the warden answered.
    pub fn set_source(self: &Arc<Self>, records: Result<OwnedFd, String>) {
        let source = records.and_then(|socket| {
            readable(socket)
                .map_err(|error| format!("the socket of audit cannot be waited for: {error}"))
        });
        match &source {
            Ok(_) => tracing::info!("denials are read from the kernel's audit records"),
            Err(why) => tracing::info!(why, "denials cannot be seen"),
        }
        if self.source.set(source).is_ok() {
            tokio::spawn(Arc::clone(self).listen());
        }
    }

    /// Why denials cannot be seen; empty: they can.
    #[must_use]
    pub fn unseen(&self) -> String {
        match self.source.get() {
            Some(Ok(_)) => String::new(),
            Some(Err(why)) => why.clone(),
            None => "the warden was not yet asked for them".to_owned(),
        }
    }

    /// A run has started: its first process, its user where no other cell has
    /// it, the cgroup leaf that it is in (empty: none), and when it was asked
    /// for. `None` where nothing can be seen of it.
    pub fn started(
        &self,
        process: &OwnedFd,
        uid: Option<u32>,
        leaf: &str,
        since: Instant,
    ) -> Option<Watched> {
        self.source.get()?.as_ref().ok()?;
        let pid = pid_of(process);
        let mut known = self.lock();
        known.last += 1;
        let key = RunKey(known.last);
        if !leaf.is_empty() {
            known.leaves.insert(leaf.to_owned(), key);
        }
        known.attribution.run_started(Started { key, pid, uid, since });
        Some(Watched { key, leaf: leaf.to_owned() })
    }

    /// A run has ended, and nothing of it is left: what it was refused.
    pub async fn ended(&self, watched: Watched, failed: bool, context: &Context) -> Explained {
        self.catch_up().await;
        for late in LATE.into_iter().filter(|_| failed) {
            tokio::time::sleep(late).await;
            self.catch_up().await;
            if self.lock().attribution.has_met(watched.key) {
                break;
            }
        }
        if self.lock().attribution.may_have_lost(watched.key) {
            tokio::time::sleep(COUNTED).await;
            self.catch_up().await;
        }
        let mut known = self.lock();
        known.leaves.remove(&watched.leaf);
        let found = known.attribution.run_ended(watched.key);
        drop(known);
        explain(&found, context)
    }

    /// Reads for as long as the agent lives.
    async fn listen(self: Arc<Self>) {
        let Some(Ok(socket)) = self.source.get() else { return };
        while let Ok(mut ready) = socket.readable().await {
            match self.read() {
                Some(true) => tokio::task::yield_now().await,
                Some(false) => ready.clear_ready(),
                None => {
                    tracing::error!("audit's socket is of no use any more; denials are not seen");
                    return;
                }
            }
        }
    }

    /// Reads what is there. Where that does not end, the rest counts as lost.
    async fn catch_up(&self) {
        for _ in 0..TURNS {
            if self.read() != Some(true) {
                return;
            }
            tokio::task::yield_now().await;
        }
        self.lock().attribution.overrun(Instant::now());
    }

    /// Reads one turn of what is there, and says whether there is more; `None` when
    /// the socket is of no use any more.
    fn read(&self) -> Option<bool> {
        let socket = self.source.get()?.as_ref().ok()?;
        let mut known = self.lock();
        let Known { attribution, leaves, .. } = &mut *known;
        let (now, mut look_ups) = (Instant::now(), LOOK_UPS);
        let drained = drain(socket.get_ref(), |record| {
            attribution.record(record, now, |pid| {
                look_ups = look_ups.checked_sub(1)?;
                run_of(leaves, pid)
            });
        });
        let drained = drained.ok()?;
        for _ in 0..drained.overruns {
            attribution.overrun(now);
        }
        Some(drained.more)
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[allow(deprecated, reason = "sound for an owned descriptor, which is all that this is")]
fn readable(socket: OwnedFd) -> std::io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(socket, Interest::READABLE)
}

/// The run in whose cgroup leaf a process is.
fn run_of(leaves: &HashMap<String, RunKey>, pid: u32) -> Option<RunKey> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let mut paths = text.lines().filter_map(|line| line.rsplit_once(":/"));
    paths.find_map(|(_, path)| leaves.get(path).copied())
}

/// The number of a process, as this PID namespace counts (`pidfd_open(2)`,
/// «fdinfo»).
fn pid_of(process: &OwnedFd) -> Option<u32> {
    let text =
        std::fs::read_to_string(format!("/proc/self/fdinfo/{}", process.as_raw_fd())).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pid:"))?;
    // -1 where it has ended already.
    line.trim().parse().ok()
}
