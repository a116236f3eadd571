//! A service manager for one service: it keeps the descriptors that the service gives
//! it, as sd_notify(3) says, and hands them to its next process, as
//! sd_listen_fds_with_names(3) says. What it does with its socket is what systemd does;
//! nothing of the service is another than packages install.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use rustix::pipe::{PipeFlags, pipe_with};

/// Inherited descriptors are numbered from here on until a shell moves them.
const HIGH: i32 = 1000;

/// What is kept, by name.
type Kept = Arc<Mutex<Vec<(String, OwnedFd)>>>;

/// It keeps until it is dropped.
#[derive(Debug)]
pub struct ServiceManager {
    socket: PathBuf,
    kept: Kept,
}

impl ServiceManager {
    /// One whose socket is `notify.sock` in `directory`.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn at(directory: &Path) -> Self {
        let socket = directory.join("notify.sock");
        let bound = UnixDatagram::bind(&socket).expect("a socket");
        fs::set_permissions(&socket, PermissionsExt::from_mode(0o666)).expect("its mode");
        let kept = Kept::default();
        let keeping = Arc::clone(&kept);
        std::thread::spawn(move || while keep(&bound, &keeping) {});
        Self { socket, kept }
    }

    /// Starts a process of the service with all that is kept, as `change` wants it, and
    /// waits until it is ready: what it says then at `--ready-fd`.
    ///
    /// # Errors
    /// Where it does not start.
    pub fn start<A: AsRef<OsStr>>(
        &self,
        program: &Path,
        arguments: impl IntoIterator<Item = A>,
        change: impl FnOnce(&mut Command),
    ) -> io::Result<(Child, String)> {
        let kept = self.lock();
        let given: Vec<(String, OwnedFd)> = kept
            .iter()
            .map(|(name, it)| Ok((name.clone(), inheritable(it)?)))
            .collect::<io::Result<_>>()?;
        drop(kept);
        let (ready, tell) = pipe_with(PipeFlags::CLOEXEC)?;
        let tell = inheritable(tell)?;
        let moves: Vec<String> = (given.iter().enumerate())
            .map(|(at, (_, it))| format!("exec {}<&{n} {n}<&-", at + 3, n = it.as_raw_fd()))
            .collect();
        let script = format!("export LISTEN_PID=$$\n{}\nexec \"$@\"", moves.join("\n"));
        let names: Vec<_> = given.iter().map(|(name, _)| name.as_str()).collect();
        let mut command = Command::new("/bin/bash");
        command
            .args(["-c", &script, "bash"])
            .arg(program)
            .args(arguments)
            .args(["--ready-fd", &tell.as_raw_fd().to_string()])
            .env("NOTIFY_SOCKET", &self.socket);
        if !given.is_empty() {
            command.env("LISTEN_FDS", given.len().to_string());
            command.env("LISTEN_FDNAMES", names.join(":"));
        }
        change(&mut command);
        let process = command.spawn()?;
        drop((given, tell));
        let mut line = String::new();
        File::from(ready).read_to_string(&mut line)?;
        Ok((process, line))
    }

    /// Names of what is kept.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.lock().iter().map(|(name, _)| name.clone()).collect()
    }

    /// Keeps something by this name, and nothing else by it.
    pub fn put(&self, name: &str, descriptor: OwnedFd) {
        let mut kept = self.lock();
        kept.retain(|(known, _)| known != name);
        kept.push((name.to_owned(), descriptor));
    }

    /// Takes all that is kept away, as when the service is stopped.
    pub fn let_all_go(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(String, OwnedFd)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A copy that the next process inherits.
fn inheritable(descriptor: impl AsFd) -> io::Result<OwnedFd> {
    let copy = fcntl_dupfd_cloexec(descriptor, HIGH)?;
    fcntl_setfd(&copy, FdFlags::empty())?;
    Ok(copy)
}

/// Takes one message; false where the socket is of no use any more.
fn keep(socket: &UnixDatagram, kept: &Kept) -> bool {
    let mut text = [0; 4096];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(16))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut parts = [IoSliceMut::new(&mut text)];
    let flags = RecvFlags::CMSG_CLOEXEC;
    let Ok(received) = recvmsg(socket.as_fd(), &mut parts, &mut control, flags) else {
        return false;
    };
    let mut given = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            given.extend(descriptors);
        }
    }
    let text = String::from_utf8_lossy(&text[..received.bytes]).into_owned();
    let says = |line: &str| text.lines().any(|it| it == line);
    let name = text.lines().find_map(|line| line.strip_prefix("FDNAME=")).unwrap_or("stored");
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    if says("FDSTOREREMOVE=1") {
        kept.retain(|(known, _)| known != name);
    } else if says("FDSTORE=1") {
        assert!(says("FDPOLL=0"), "a pipe whose writer is gone would be let go: {text}");
        kept.extend(given.into_iter().map(|it| (name.to_owned(), it)));
    }
    true
}
