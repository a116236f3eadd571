//! A service manager for one agent: it keeps the descriptors that the agent gives it,
//! as sd_notify(3) says, and hands them to the next one. What the manager does with its
//! socket is what systemd does; nothing of the agent or the warden is another than
//! packages install.

use std::fs;
use std::io::{IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use rustix::process::{Pid, Signal, kill_process};

use crate::host::{AGENT, Host, is_root};

/// Inherited descriptors are numbered from here on until a shell moves them.
const HIGH: i32 = 1000;

/// What is kept, by name.
type Kept = Arc<Mutex<Vec<(String, OwnedFd)>>>;

/// A host whose agent is restarted.
pub(crate) struct Keeper {
    pub(crate) host: Host,
    kept: Kept,
    warden: Child,
    agent: Option<Child>,
}

impl Keeper {
    pub(crate) fn start() -> Self {
        let mut host = Host::start_with(|directory| {
            let file = directory.join("agent/agent.toml");
            let text = fs::read_to_string(&file).unwrap();
            let socket = directory.join("warden.sock");
            fs::write(file, format!("warden = \"{}\"\n{text}", socket.display())).unwrap();
        });
        // Its files are what is wanted.
        host.stop();
        let directory = host.directory.path().to_owned();
        let notify = UnixDatagram::bind(directory.join("notify.sock")).unwrap();
        let listener = UnixListener::bind(directory.join("warden.sock")).unwrap();
        let mode = |name: &str| {
            let mode = fs::Permissions::from_mode(0o666);
            fs::set_permissions(directory.join(name), mode).unwrap();
        };
        ["notify.sock", "warden.sock"].into_iter().for_each(mode);
        if is_root() {
            chown(directory.join("warden.sock"), Some(AGENT), Some(AGENT)).unwrap();
        }
        let uid = if is_root() { AGENT } else { rustix::process::geteuid().as_raw() };
        let program = std::path::Path::new(env!("CARGO_BIN_EXE_cofferdam-agent"));
        let warden = Command::new(program.with_file_name("cofferdam-warden"))
            .arg("--ceiling")
            .arg(directory.join("host/ceiling.toml"))
            .args(["--agent-uid", &uid.to_string(), "--listening-fd", "0"])
            .stdin(Stdio::from(OwnedFd::from(listener)))
            .spawn()
            .unwrap();
        let kept = Kept::default();
        let keeping = Arc::clone(&kept);
        std::thread::spawn(move || while keep(&notify, &keeping) {});
        let mut keeper = Self { host, kept, warden, agent: None };
        keeper.start_agent();
        keeper
    }

    /// Ends the agent as systemd would, or as a crash does, and starts the next one;
    /// how long there was none.
    pub(crate) fn restart(&mut self, signal: Signal) -> Duration {
        self.end_agent(signal);
        let began = Instant::now();
        self.start_agent();
        began.elapsed()
    }

    pub(crate) fn end_agent(&mut self, signal: Signal) {
        let mut agent = self.agent.take().unwrap();
        kill_process(Pid::from_child(&agent), signal).unwrap();
        agent.wait().unwrap();
        // What it had sent is in the socket before its end is seen.
        std::thread::sleep(Duration::from_millis(5));
    }

    pub(crate) fn start_agent(&mut self) {
        let directory = self.host.directory.path();
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let given: Vec<(String, OwnedFd)> = kept
            .iter()
            .map(|(name, it)| {
                let copy = fcntl_dupfd_cloexec(it, HIGH).unwrap();
                fcntl_setfd(&copy, FdFlags::empty()).unwrap();
                (name.clone(), copy)
            })
            .collect();
        drop(kept);
        let (ready, tell) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        let tell = fcntl_dupfd_cloexec(tell, HIGH).unwrap();
        fcntl_setfd(&tell, FdFlags::empty()).unwrap();
        let number = |it: &OwnedFd| std::os::fd::AsRawFd::as_raw_fd(it).to_string();
        let moves: Vec<String> = (given.iter().enumerate())
            .map(|(at, (_, it))| format!("exec {}<&{n} {n}<&-", at + 3, n = number(it)))
            .collect();
        let script = format!("export LISTEN_PID=$$\n{}\nexec \"$@\"", moves.join("\n"));
        let names: Vec<_> = given.iter().map(|(name, _)| name.as_str()).collect();
        let mut command = Command::new("/bin/bash");
        command
            .args(["-c", &script, "bash", env!("CARGO_BIN_EXE_cofferdam-agent"), "--config"])
            .arg(directory.join("agent/agent.toml"))
            .args(["--descriptor-store", "--ready-fd", &number(&tell)])
            .env("NOTIFY_SOCKET", directory.join("notify.sock"));
        if !given.is_empty() {
            command.env("LISTEN_FDS", given.len().to_string());
            command.env("LISTEN_FDNAMES", names.join(":"));
        }
        if is_root() {
            command.uid(AGENT).gid(AGENT);
        }
        let agent = command.spawn().unwrap();
        drop((given, tell));
        let mut line = String::new();
        fs::File::from(ready).read_to_string(&mut line).unwrap();
        let address = line.strip_prefix("{\"address\":\"").and_then(|rest| rest.split('"').next());
        address.expect("the agent became ready").clone_into(&mut self.host.address);
        self.agent = Some(agent);
    }

    /// Names of what is kept.
    pub(crate) fn names(&self) -> Vec<String> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().map(|(name, _)| name.clone()).collect()
    }

    /// Waits until as few are kept.
    pub(crate) fn expect_kept(&self, most: usize) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.names().len() > most {
            assert!(Instant::now() < deadline, "kept: {:?}", self.names());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Adds something to what is kept.
    pub(crate) fn put(&self, name: &str, descriptor: OwnedFd) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(known, _)| known != name);
        kept.push((name.to_owned(), descriptor));
    }

    /// Takes all that is kept away, as when the service is stopped.
    pub(crate) fn let_all_go(&self) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The PID 1s of the warden's cells.
    pub(crate) fn cells(&self) -> usize {
        let file = format!("/proc/{0}/task/{0}/children", self.warden.id());
        fs::read_to_string(file).unwrap().split_whitespace().count()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if let Some(mut agent) = self.agent.take() {
            _ = agent.kill();
            _ = agent.wait();
        }
        self.let_all_go();
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.cells() > 0 && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        let left = self.cells();
        _ = self.warden.kill();
        _ = self.warden.wait();
        assert!(left == 0 || std::thread::panicking(), "{left} cells outlive their sockets");
    }
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
    let name = text.lines().find_map(|line| line.strip_prefix("FDNAME=")).unwrap_or("stored");
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    if text.lines().any(|line| line == "FDSTOREREMOVE=1") {
        kept.retain(|(known, _)| known != name);
    } else if text.lines().any(|line| line == "FDSTORE=1") {
        assert!(text.lines().any(|line| line == "FDPOLL=0"), "{text}");
        kept.extend(given.into_iter().map(|it| (name.to_owned(), it)));
    }
    true
}
