//! A host for one test: PKI, ceiling, warden and agent on loopback.

use std::fs;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cofferdam_trust::{Authority, Lifetime, SigningKey};
use rustix::io::FdFlags;
use tempfile::TempDir;

/// The agent's user, where the test runs as root.
pub(crate) const AGENT: u32 = 61_001;
/// The workspace's owner, where the test runs as root.
pub(crate) const OWNER: u32 = 61_002;

pub(crate) const AGENT_NAME: &str = "spiffe://cofferdam/agent/test";
pub(crate) const GATEWAY_NAME: &str = "spiffe://cofferdam/gateway/main";

/// A warden and an agent, and what a gateway needs to call it.
pub(crate) struct Host {
    warden: Child,
    agent: Child,
    lifeline: Option<OwnedFd>,
    pub(crate) address: String,
    pub(crate) directory: TempDir,
    pub(crate) workspace: PathBuf,
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

impl Host {
    pub(crate) fn start() -> Self {
        Self::start_with(|_| {})
    }

    /// Lets the test change the files beneath `agent` and `host` of the directory
    /// before anything starts.
    pub(crate) fn start_with(change: impl FnOnce(&Path)) -> Self {
        let directory = Self::prepare(change);
        let workspace = directory.path().canonicalize().unwrap().join("work");
        let (warden, agent, lifeline, address) = launch(directory.path());
        let lifeline = Some(lifeline);
        Self { warden, agent, lifeline, address, directory, workspace }
    }

    /// The same, and starts nothing.
    pub(crate) fn prepare(change: impl FnOnce(&Path)) -> TempDir {
        let directory = TempDir::new().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let workspace = directory.path().canonicalize().unwrap().join("work");
        fs::create_dir(&workspace).unwrap();
        make_pki(directory.path());
        let state = directory.path().join("agent");
        fs::write(state.join("agent.toml"), agent_toml(directory.path())).unwrap();
        make_profiles(&state.join("profiles"));
        fs::create_dir(directory.path().join("host")).unwrap();
        fs::write(directory.path().join("host/ceiling.toml"), ceiling_toml(&workspace)).unwrap();
        change(directory.path());
        if is_root() {
            chown(&workspace, Some(OWNER), Some(OWNER)).unwrap();
            own(&state, AGENT);
        }
        directory
    }

    /// Kills agent and warden as a crash would, and starts both again.
    pub(crate) fn crash_and_restart(&mut self) {
        self.agent.kill().unwrap();
        self.agent.wait().unwrap();
        self.warden.wait().unwrap();
        let (warden, agent, lifeline, address) = launch(self.directory.path());
        (self.warden, self.agent, self.address) = (warden, agent, address);
        self.lifeline = Some(lifeline);
    }

    /// Asks the agent to stop and waits until it has.
    pub(crate) fn stop(&mut self) {
        self.lifeline.take();
        assert!(self.agent.wait().unwrap().success());
    }

    /// Kills the warden as a crash would.
    pub(crate) fn kill_warden(&mut self) {
        self.warden.kill().unwrap();
        self.warden.wait().unwrap();
    }

    /// The PID 1s of the warden's cells.
    pub(crate) fn pids_of_cells(&self) -> Vec<i32> {
        let file = format!("/proc/{0}/task/{0}/children", self.warden.id());
        let children = fs::read_to_string(file).unwrap();
        children.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
    }

    pub(crate) fn agent_pid(&self) -> u32 {
        self.agent.id()
    }

    /// Waits until the journal has `count` records of `kind`, and no more.
    pub(crate) fn expect_records(&self, kind: &str, count: usize) {
        let key = format!("\"kind\":\"{kind}\",\"prev\"");
        let found = || self.journal().matches(&key).count();
        for _ in 0..100 {
            if found() >= count {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(found(), count, "{kind}: {}", self.journal());
    }

    /// The agent's journal, as text.
    pub(crate) fn journal(&self) -> String {
        let mut text = String::new();
        for file in fs::read_dir(self.directory.path().join("agent/journal")).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "jsonl") {
                text.push_str(&fs::read_to_string(path).unwrap());
            }
        }
        text
    }

    /// Writes a file into the workspace as its owner.
    pub(crate) fn put(&self, name: &str, content: &str) {
        let path = self.workspace.join(name);
        fs::write(&path, content).unwrap();
        if is_root() {
            chown(path, Some(OWNER), Some(OWNER)).unwrap();
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Both end when the lifeline does; killing is for those that do not.
        self.lifeline.take();
        for _ in 0..300 {
            let gone = |child: &mut Child| child.try_wait().is_ok_and(|ended| ended.is_some());
            if gone(&mut self.agent) && gone(&mut self.warden) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        _ = self.agent.kill();
        _ = self.warden.kill();
        let failed = std::thread::panicking();
        assert!(failed, "agent and warden did not end with the lifeline");
    }
}

fn make_pki(directory: &Path) {
    for name in ["agent", "gateway"] {
        fs::create_dir(directory.join(name)).unwrap();
    }
    let authority = Authority::create(&directory.join("ca")).unwrap();
    let hour = Lifetime::from_now(Duration::from_hours(1));
    for (name, place) in [(AGENT_NAME, "agent"), (GATEWAY_NAME, "gateway")] {
        let issued = authority.issue(&name.parse().unwrap(), hour).unwrap();
        let place = directory.join(place);
        issued.write(&place).unwrap();
        fs::write(place.join("ca.crt"), authority.certificate_pem()).unwrap();
        SigningKey::generate().unwrap().save(&place.join("signing.key")).unwrap();
    }
}

/// The built-in profiles; an ordinary user's host cannot give all that they ask
/// for, so there the one that the others inherit from takes less.
fn make_profiles(directory: &Path) {
    fs::create_dir(directory).unwrap();
    let built_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("../profile/profiles");
    for file in fs::read_dir(built_in).unwrap() {
        let path = file.unwrap().path();
        let mut text = fs::read_to_string(&path).unwrap();
        if !text.contains("inherits =") && !is_root() {
            text.push_str("\n[enforcement]\nmay_lack = \"all\"\n");
        }
        fs::write(directory.join(path.file_name().unwrap()), text).unwrap();
    }
    let base = "version = 1\ninherits = \"default\"\n";
    let short = format!("{base}limits.idle = \"1s\"\nsession.idle = \"1s\"\n");
    fs::write(directory.join("short.toml"), short).unwrap();
    let alone = format!("{base}session.background = false\n");
    fs::write(directory.join("alone.toml"), alone).unwrap();
}

fn agent_toml(directory: &Path) -> String {
    let gateway = SigningKey::load(&directory.join("gateway/signing.key")).unwrap();
    format!(
        r#"
name = "test"
listen = "127.0.0.1:0"
ceiling = "../host/ceiling.toml"
profiles = "profiles"
control = "control.sock"
worker = "{worker}"
[identity]
certificate = "test.crt"
key = "test.key"
authorities = "ca.crt"
[signing]
key = "signing.key"
[gateways]
keys = ["{key}"]
[journal]
directory = "journal"
[limits]
runs = 4
spool = "128KiB"
"#,
        worker = program("cofferdam-files").display(),
        key = gateway.public_key(),
    )
}

fn ceiling_toml(workspace: &Path) -> String {
    let worker = program("cofferdam-files");
    format!(
        r#"
version = 1
[peers]
gateways = ["{GATEWAY_NAME}"]
[workspaces]
roots = ["{workspace}"]
allow_root_owned = false
allow_execute = true
[view]
read = ["/usr", "/etc", "{worker}"]
[programs]
execute = ["/usr", "{worker}"]
[profiles]
allow = ["readonly", "default", "build", "short", "alone"]
[limits]
cells = 32
memory = "1GiB"
processes = 128
cpu_millis = 2000
wall = "1m"
output = "1MiB"
file_size = "64MiB"
open_files = 1024
scratch = "1GiB"
[enforcement]
allow_degraded = true
"#,
        workspace = workspace.display(),
        worker = worker.display(),
    )
}

/// One launch at a time: while it lasts, descriptors can be inherited.
static LAUNCH: Mutex<()> = Mutex::new(());

/// Starts both, connected; gives the address that the agent told.
fn launch(directory: &Path) -> (Child, Child, OwnedFd, String) {
    let _alone = LAUNCH.lock().unwrap_or_else(PoisonError::into_inner);
    let (ours, theirs) = UnixStream::pair().unwrap();
    let uid = if is_root() { AGENT } else { rustix::process::geteuid().as_raw() };
    let warden = Command::new(program("cofferdam-warden"))
        .arg("--ceiling")
        .arg(directory.join("host/ceiling.toml"))
        .args(["--agent-uid", &uid.to_string()])
        .args(["--connected-fd", &inherited(&theirs)])
        .spawn()
        .unwrap();
    // The agent must not hold the warden's end, too.
    drop(theirs);
    let (ready, tell) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let (hold, lifeline) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_cofferdam-agent"));
    command
        .arg("--config")
        .arg(directory.join("agent/agent.toml"))
        .args(["--warden-fd", &inherited(&ours)])
        .args(["--ready-fd", &inherited(&tell)])
        .args(["--lifeline-fd", &inherited(&hold)]);
    if is_root() {
        command.uid(uid).gid(uid);
    }
    let agent = command.spawn().unwrap();
    drop((ours, tell, hold));
    let mut line = String::new();
    fs::File::from(ready).read_to_string(&mut line).unwrap();
    let address = line.strip_prefix("{\"address\":\"").and_then(|rest| rest.split('"').next());
    (warden, agent, lifeline, address.expect("the agent became ready").to_owned())
}

/// Lets a descriptor be inherited and says its number.
fn inherited(descriptor: &(impl AsFd + AsRawFd)) -> String {
    rustix::io::fcntl_setfd(descriptor, FdFlags::empty()).unwrap();
    descriptor.as_raw_fd().to_string()
}

pub(crate) fn own(path: &Path, uid: u32) {
    chown(path, Some(uid), Some(uid)).unwrap();
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            own(&entry.unwrap().path(), uid);
        }
    }
}

/// A program of another package of the workspace.
fn program(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_cofferdam-agent")).with_file_name(name);
    assert!(path.exists(), "`{}` is not built: `cargo build -p {name}`", path.display());
    path
}
