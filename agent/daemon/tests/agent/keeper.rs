//! A host whose agent is restarted under a service manager that keeps its descriptors;
//! nothing of the agent or the warden is another than packages install.

use std::fs;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cofferdam_tests::service_manager::ServiceManager;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::host::{AGENT, Host, is_root};

/// A host whose agent is restarted.
pub(crate) struct Keeper {
    pub(crate) host: Host,
    manager: ServiceManager,
    warden: Child,
    listener: UnixListener,
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
        let manager = ServiceManager::at(&directory);
        let socket = directory.join("warden.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        fs::set_permissions(&socket, PermissionsExt::from_mode(0o666)).unwrap();
        if is_root() {
            chown(&socket, Some(AGENT), Some(AGENT)).unwrap();
        }
        let warden = start_warden(&directory, &listener);
        let mut keeper = Self { host, manager, warden, listener, agent: None };
        keeper.start_agent();
        keeper
    }

    /// Kills the warden, which is what its end by systemd comes to, too, and starts the
    /// next one after a while.
    pub(crate) fn restart_warden(&mut self, away: Duration) {
        self.end_warden();
        std::thread::sleep(away);
        self.start_warden();
    }

    pub(crate) fn end_warden(&mut self) {
        self.warden.kill().unwrap();
        self.warden.wait().unwrap();
    }

    pub(crate) fn start_warden(&mut self) {
        self.warden = start_warden(self.host.directory.path(), &self.listener);
    }

    /// Has the warden do nothing (`STOP`), or go on (`CONT`).
    pub(crate) fn signal_warden(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.warden), signal).unwrap();
    }

    /// What the agent answers its host's owner, who waits for so long.
    pub(crate) fn ask(&self, request: &str, patience: Duration) -> Value {
        let socket = self.host.directory.path().join("agent/control.sock");
        let mut stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(patience)).unwrap();
        writeln!(stream, "{request}").unwrap();
        let mut answer = String::new();
        let read = stream.read_to_string(&mut answer);
        read.unwrap_or_else(|error| panic!("{request} is not answered in time: {error}"));
        serde_json::from_str(&answer).unwrap()
    }

    /// Where the cgroups of its cells are, in all hierarchies.
    pub(crate) fn places(&self) -> Vec<PathBuf> {
        places(self.host.directory.path()).filter(|place| place.is_dir()).collect()
    }

    /// The cgroups of cells, in all hierarchies.
    pub(crate) fn cgroups(&self) -> Vec<PathBuf> {
        let places = self.places().into_iter();
        let entries = places.filter_map(|place| fs::read_dir(place).ok()).flatten().flatten();
        entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
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
        let configuration = self.host.directory.path().join("agent/agent.toml");
        let arguments =
            ["--config".as_ref(), configuration.as_os_str(), "--descriptor-store".as_ref()];
        let program = Path::new(env!("CARGO_BIN_EXE_cofferdam-agent"));
        let started = self.manager.start(program, arguments, |command| {
            if is_root() {
                command.uid(AGENT).gid(AGENT);
            }
        });
        let (agent, line) = started.unwrap();
        let address = line.strip_prefix("{\"address\":\"").and_then(|rest| rest.split('"').next());
        address.expect("the agent became ready").clone_into(&mut self.host.address);
        self.agent = Some(agent);
    }

    /// Names of what is kept.
    pub(crate) fn names(&self) -> Vec<String> {
        self.manager.names()
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
        self.manager.put(name, descriptor);
    }

    /// Takes all that is kept away, as when the service is stopped.
    pub(crate) fn let_all_go(&self) {
        self.manager.let_all_go();
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
        // Those of a killed warden are not the next one's children.
        let left = || self.cells().max(self.cgroups().len());
        while left() > 0 && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        let left = left();
        _ = self.warden.kill();
        _ = self.warden.wait();
        // What is in the way of this was told above, or is another test's.
        places(self.host.directory.path()).for_each(|place| drop(fs::remove_dir(place)));
        assert!(left == 0 || std::thread::panicking(), "{left} cells outlive their sockets");
    }
}

/// A warden as systemd starts it.
fn start_warden(directory: &Path, listener: &UnixListener) -> Child {
    let uid = if is_root() { AGENT } else { rustix::process::geteuid().as_raw() };
    let program = Path::new(env!("CARGO_BIN_EXE_cofferdam-agent"));
    Command::new(program.with_file_name("cofferdam-warden"))
        .arg("--ceiling")
        .arg(directory.join("host/ceiling.toml"))
        .args(["--agent-uid", &uid.to_string(), "--listening-fd", "0"])
        .args(["--cgroup", &cgroup(directory)])
        .stdin(Stdio::from(OwnedFd::from(listener.try_clone().unwrap())))
        .spawn()
        .unwrap()
}

fn cgroup(directory: &Path) -> String {
    format!("cofferdam-test{}", directory.file_name().unwrap().to_string_lossy())
}

/// Where the cells' cgroups are, in each hierarchy that there is.
fn places(directory: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let name = cgroup(directory);
    let mounts = ["memory", "pids", "cpu", "blkio", ""].into_iter();
    mounts.map(move |mount| Path::new("/sys/fs/cgroup").join(mount).join(&name))
}
