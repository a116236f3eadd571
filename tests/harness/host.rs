//! A host with the profiles as they are shipped: a warden and an agent of a
//! test's own, on loopback, for callers whom the test signs for
//! ([`crate::caller`]).
//!
//! All of it ends with the process that started it, however that ends.

use std::fs;
use std::io::Read;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use cofferdam_trust::SigningKey;
use tempfile::TempDir;

use crate::programs::{copy_program, program};
use crate::warden::is_root;

mod beside;
mod files;
mod join;
mod setup;

pub use setup::{Proxied, Setup};

/// Whom the agent runs as where root starts it.
pub const SERVICE: u32 = 61_001;
/// Whom workspaces belong to where root makes them.
pub const OWNER: u32 = 61_002;
/// The only gateway that the ceiling names.
pub const GATEWAY: &str = "spiffe://cofferdam/gateway/main";

/// A running warden and agent.
#[derive(Debug)]
pub struct Host {
    processes: Option<Processes>,
    setup: Setup,
    /// Where workspaces are.
    work: PathBuf,
    directory: TempDir,
}

#[derive(Debug)]
struct Processes {
    warden: Child,
    agent: Child,
    proxy: Option<Child>,
    /// The agent ends when this closes.
    lifeline: OwnedFd,
    address: String,
}

impl Host {
    /// Starts the usual one.
    ///
    /// # Panics
    /// When it does not become ready.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(Setup::default())
    }

    /// Starts one.
    ///
    /// # Panics
    /// When it does not become ready.
    #[must_use]
    pub fn start_with(setup: Setup) -> Self {
        let mut host = Self::prepare(setup);
        host.start_again();
        host
    }

    /// Makes its files and starts nothing.
    ///
    /// # Panics
    /// When a file cannot be made.
    #[must_use]
    pub fn prepare(setup: Setup) -> Self {
        Self::prepare_beside(setup, None)
    }

    /// Makes its files, with those that hosts beside each other share.
    fn prepare_beside(setup: Setup, first: Option<&Self>) -> Self {
        let directory = TempDir::new().expect("a directory");
        let place = directory.path().canonicalize().expect("its real path");
        let work = first.map_or_else(|| place.join("work"), |first| first.work.clone());
        let host = Self { processes: None, setup, work, directory };
        fs::set_permissions(&place, PermissionsExt::from_mode(0o755)).expect("its mode");
        for name in ["work", "agent", "agent/profiles", "gateway", "probe", "programs"] {
            fs::create_dir(place.join(name)).expect("a directory");
        }
        // The checkout may be out of a cell's user's reach.
        copy_program("cofferdam-probe", &host.probe());
        match first {
            // It makes its own.
            _ if host.setup.joins => {}
            None => host.make_keys(),
            Some(first) => host.share_keys(first),
        }
        host.make_profiles();
        fs::write(place.join("ceiling.toml"), host.ceiling()).expect("the ceiling");
        fs::write(place.join("agent/agent.toml"), host.configuration()).expect("its configuration");
        if is_root() {
            own(&place.join("agent"), SERVICE);
        }
        host
    }

    /// Starts warden and agent.
    ///
    /// # Panics
    /// When the agent does not become ready; what it said is told.
    pub fn start_again(&mut self) {
        let (agent_end, warden_end) = UnixStream::pair().expect("a socket pair");
        let warden = self.spawn_warden(warden_end.into());
        let proxy = self.setup.proxy.as_ref().map(|proxy| self.spawn_proxy(proxy.name_server));
        match self.spawn_agent(agent_end.into()) {
            Ok((agent, lifeline, address)) => {
                self.listen_there_again(&address);
                self.processes = Some(Processes { warden, agent, proxy, lifeline, address });
            }
            Err(said) => panic!("the agent does not become ready: {said}"),
        }
    }

    /// Whoever knows the address finds it there, also once it was started anew.
    fn listen_there_again(&self, address: &str) {
        let path = self.place().join("agent/agent.toml");
        let text = fs::read_to_string(&path).expect("its configuration");
        fs::write(&path, text.replace("127.0.0.1:0", address)).expect("its configuration");
    }

    /// What the agent says when it cannot start.
    ///
    /// # Panics
    /// When it starts.
    #[must_use]
    pub fn refusal_to_start(&self) -> String {
        let (agent_end, _warden_end) = UnixStream::pair().expect("a socket pair");
        self.spawn_agent(agent_end.into()).expect_err("it starts")
    }

    fn spawn_warden(&self, socket: OwnedFd) -> Child {
        let place = self.place();
        let script = "exec 2>>\"$LOG\"; eval \"$MOUNTS\" && exec \"$@\"";
        let mut command = if self.setup.mounts.is_empty() {
            Command::new("/bin/sh")
        } else {
            let mut command = Command::new("unshare");
            command.args(["--mount", "--propagation", "private", "/bin/sh"]);
            command
        };
        command
            .args(["-ec", script, "sh"])
            // Beside the agent, which knows PID 1 by this program's path.
            .arg(self.reachable("cofferdam-warden"))
            .args(["--ceiling".as_ref(), place.join("ceiling.toml").as_os_str()])
            .args(["--agent-uid", "0", "--connected-fd", "0"])
            .env("LOG", place.join("warden.log"))
            .env("MOUNTS", &self.setup.mounts)
            .env("WORK", &self.work)
            .env(&self.setup.variable.0, &self.setup.variable.1)
            .stdin(Stdio::from(socket));
        if !self.setup.leases.is_empty() {
            command.args(["--leases", &self.setup.leases]);
        }
        command.spawn().expect("cofferdam-warden starts")
    }

    /// Starts the proxy and waits until it listens.
    fn spawn_proxy(&self, name_server: SocketAddr) -> Child {
        let place = self.place();
        let socket = place.join("agent/proxy.sock");
        let user = if is_root() { SERVICE } else { rustix::process::geteuid().as_raw() };
        let mut command = Command::new(self.reachable("cofferdam-proxy"));
        command
            .args(["--socket".as_ref(), socket.as_os_str()])
            .args(["--ceiling".as_ref(), place.join("ceiling.toml").as_os_str()])
            .args(["--agent-uid", &user.to_string()])
            .args(["--name-server", &name_server.to_string(), "--allow-degraded"])
            .env("COFFERDAM_LOG", "error")
            .stdin(Stdio::null());
        if is_root() {
            command.uid(user).gid(user);
        }
        let proxy = command.spawn().expect("cofferdam-proxy starts");
        crate::dev::until("the proxy listens", || socket.exists());
        proxy
    }

    /// Each gets its descriptors as standard streams, so that no other child
    /// inherits them; the agent wants them elsewhere, and a shell moves them.
    fn spawn_agent(&self, warden: OwnedFd) -> Result<(Child, OwnedFd, String), String> {
        let place = self.place();
        let (hold, lifeline) =
            rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).expect("a pipe");
        let script = "exec 3<&0 4>&1 5<&2 </dev/null >/dev/null 2>>\"$LOG\" && exec \"$@\"";
        let mut command = Command::new("/bin/sh");
        command
            .args(["-ec", script, "sh"])
            .arg(self.reachable("cofferdam-agent"))
            .args(["--config".as_ref(), place.join("agent/agent.toml").as_os_str()])
            .args(["--warden-fd", "3", "--ready-fd", "4", "--lifeline-fd", "5"])
            .env("LOG", place.join("agent/log"))
            .env("COFFERDAM_LOG", "warn")
            .env(&self.setup.variable.0, &self.setup.variable.1)
            .stdin(Stdio::from(warden))
            .stdout(Stdio::piped())
            .stderr(Stdio::from(hold));
        if is_root() {
            command.uid(SERVICE).gid(SERVICE);
        }
        let mut agent = command.spawn().expect("a shell starts");
        // Its copies of the descriptors are the agent's to hold.
        drop(command);
        let mut line = String::new();
        let mut stdout = agent.stdout.take().expect("its standard output");
        stdout.read_to_string(&mut line).expect("a line");
        let address = line.strip_prefix("{\"address\":\"").and_then(|rest| rest.split('"').next());
        if let Some(address) = address {
            return Ok((agent, lifeline, address.to_owned()));
        }
        _ = agent.wait();
        Err(self.agent_log())
    }

    /// Where all of it lies: `ceiling.toml`, `work`, `agent`, `gateway`.
    ///
    /// # Panics
    /// When it is gone.
    #[must_use]
    pub fn place(&self) -> PathBuf {
        self.directory.path().canonicalize().expect("its real path")
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.setup.name
    }

    /// The agent's URI name.
    #[must_use]
    pub fn agent(&self) -> String {
        format!("spiffe://cofferdam/agent/{}", self.setup.name)
    }

    /// The probe, where cells see it.
    #[must_use]
    pub fn probe(&self) -> PathBuf {
        self.place().join("probe/cofferdam-probe")
    }

    /// Where the agent listens.
    ///
    /// # Panics
    /// When it does not run.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.processes().address
    }

    /// pid of the agent.
    ///
    /// # Panics
    /// When it does not run.
    #[must_use]
    pub fn agent_pid(&self) -> u32 {
        self.processes().agent.id()
    }

    /// pid of the warden.
    ///
    /// # Panics
    /// When it does not run.
    #[must_use]
    pub fn warden_pid(&self) -> u32 {
        self.processes().warden.id()
    }

    /// pids of the first processes of its cells, as the host numbers them.
    #[must_use]
    pub fn cells(&self) -> Vec<u32> {
        crate::dev::children_of(self.warden_pid()).into_iter().map(|(pid, _)| pid).collect()
    }

    /// A directory that calls may have for their workspace.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn workspace(&self, name: &str) -> PathBuf {
        let path = self.work.join(name);
        fs::create_dir_all(&path).expect("a workspace");
        give(&path);
        path
    }

    /// The key that the agent signs receipts with.
    ///
    /// # Panics
    /// When it cannot be read.
    #[must_use]
    pub fn signing_key(&self) -> SigningKey {
        SigningKey::load(&self.place().join("agent/signing.key")).expect("the agent's key")
    }

    /// What the agent logged.
    #[must_use]
    pub fn agent_log(&self) -> String {
        fs::read_to_string(self.place().join("agent/log")).unwrap_or_default()
    }

    /// What the warden logged.
    #[must_use]
    pub fn warden_log(&self) -> String {
        fs::read_to_string(self.place().join("warden.log")).unwrap_or_default()
    }

    /// The agent's journal, as text.
    ///
    /// # Panics
    /// When it cannot be read.
    #[must_use]
    pub fn journal(&self) -> String {
        let mut text = String::new();
        for file in fs::read_dir(self.place().join("agent/journal")).expect("the journal") {
            let path = file.expect("a file").path();
            if path.extension().is_some_and(|extension| extension == "jsonl") {
                text.push_str(&fs::read_to_string(path).expect("a journal's file"));
            }
        }
        text
    }

    /// Has it end as it ends by itself, and waits until it has.
    ///
    /// # Panics
    /// When it does not within 20 seconds.
    pub fn stop(&mut self) -> Option<[ExitStatus; 2]> {
        let Processes { mut warden, mut agent, proxy, lifeline, .. } = self.processes.take()?;
        drop(lifeline);
        if let Some(mut proxy) = proxy {
            _ = proxy.kill();
            _ = proxy.wait();
        }
        Some([&mut agent, &mut warden].map(|child| {
            let deadline = Instant::now() + Duration::from_secs(20);
            loop {
                if let Some(status) = child.try_wait().expect("its end") {
                    return status;
                }
                if Instant::now() > deadline {
                    _ = child.kill();
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        }))
    }

    fn processes(&self) -> &Processes {
        self.processes.as_ref().expect("the host runs")
    }

    /// The program itself, or for the service user, who may not reach the
    /// checkout, a copy.
    fn reachable(&self, name: &str) -> PathBuf {
        if !is_root() {
            return program(name);
        }
        let copy = self.place().join("programs").join(name);
        if !copy.exists() {
            copy_program(name, &copy);
        }
        copy
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.stop();
        if std::thread::panicking() {
            eprintln!("agent: {}\nwarden: {}", self.agent_log(), self.warden_log());
        }
    }
}

/// Gives a file to whom workspaces belong to.
///
/// # Panics
/// When that cannot be done.
pub fn give(path: &Path) {
    if is_root() {
        std::os::unix::fs::lchown(path, Some(OWNER), Some(OWNER)).expect("another owner");
    }
}

/// Gives what is at `to`, if something is, to whom `from` belongs.
///
/// # Panics
/// When that cannot be done.
pub fn keep_owner(from: &Path, to: &Path) {
    use std::os::unix::fs::MetadataExt;
    let owner = from.metadata().expect("an owner");
    if is_root() && to.exists() {
        chown(to, Some(owner.uid()), Some(owner.gid())).expect("another owner");
    }
}

fn own(path: &Path, uid: u32) {
    chown(path, Some(uid), Some(uid)).expect("another owner");
    if path.is_dir() {
        for entry in fs::read_dir(path).expect("a directory") {
            own(&entry.expect("an entry").path(), uid);
        }
    }
}
