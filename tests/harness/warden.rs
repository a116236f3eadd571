//! A warden and cells, driven as the agent drives them, without the agent.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use cofferdam_plan::channel::{receive, send};
use cofferdam_plan::run::{Loopback, LoopbackHold};
use cofferdam_plan::{
    AbsolutePath, Access, BindPlan, BuildFailure, CellEvent, CellId, CellPlan, CellRequest,
    FilterDigest, LandlockPlan, LayerReport, LayerSet, Leaf, Limits, LinkPlan, Network, Rights,
    RunEnding, RunId, RunLimits, RunPlan, RunStep, ScratchPlan, WardenEvent, WardenRequest,
    WorkspacePlan,
};
use tempfile::TempDir;

use crate::programs::program;

/// Cells at the same time, where a test says no other number.
const CELLS: u32 = 64;

/// A running warden with its ceiling.
pub struct Warden {
    socket: UnixStream,
    process: Child,
    /// Where it is connected to, and by whom.
    listener: Option<(UnixListener, u32)>,
    /// Holds the ceiling's file.
    pub directory: TempDir,
}

/// A cell that is ready.
pub struct Cell {
    /// Its name.
    pub id: CellId,
    /// The agent's end of its control socket.
    pub control: UnixStream,
    /// The layers it reported.
    pub layers: Vec<LayerReport>,
    /// Its cgroup, relative to each hierarchy; empty: none.
    pub cgroup: String,
    /// The uid it runs under.
    pub uid: u32,
    ended: RefCell<Vec<(RunId, RunEnding)>>,
    /// The ways into leaves that no run was started in yet, by their numbers.
    ways: RefCell<Vec<(u32, Vec<OwnedFd>)>>,
}

/// A run that goes on.
#[derive(Debug)]
pub struct Running {
    /// Its standard output.
    pub stdout: std::io::PipeReader,
    /// Its standard error.
    pub stderr: std::io::PipeReader,
    /// A pidfd of its first process.
    pub process: OwnedFd,
    /// The other end of its terminal.
    pub terminal: Option<OwnedFd>,
    /// How far the kernel holds it to its plan's loopback.
    pub loopback: LoopbackHold,
}

/// What a run said and how it ended.
#[derive(Debug)]
pub struct Ran {
    /// All of its standard output.
    pub stdout: String,
    /// All of its standard error.
    pub stderr: String,
    /// How it ended.
    pub ending: RunEnding,
}

impl Ran {
    /// The exit code, if it exited.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        let status = self.ending.wait_status;
        libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status))
    }
}

/// Whether the test runs as root.
#[must_use]
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// An absolute path.
///
/// # Panics
/// When it is not absolute and normal.
#[must_use]
pub fn path(path: impl AsRef<Path>) -> AbsolutePath {
    AbsolutePath::new(path.as_ref().as_os_str().as_bytes()).expect("an absolute, normal path")
}

impl Warden {
    /// Starts a warden whose ceiling allows workspaces beneath `root`.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(root: &Path) -> Self {
        Self::start_logging(root, Stdio::inherit())
    }

    /// The same with another place for what the warden tells of its work.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start_logging(root: &Path, log: Stdio) -> Self {
        Self::connected(root, &[], CELLS, log)
    }

    /// The same with a ceiling that allows to show and execute `more` of the host.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start_showing(root: &Path, more: &[PathBuf]) -> Self {
        Self::connected(root, more, CELLS, Stdio::inherit())
    }

    /// The same with a ceiling that allows so many cells at the same time.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start_holding(root: &Path, cells: u32, log: Stdio) -> Self {
        Self::connected(root, &[], cells, log)
    }

    fn connected(root: &Path, more: &[PathBuf], cells: u32, log: Stdio) -> Self {
        let directory = TempDir::new().expect("a directory for the ceiling");
        let ceiling = directory.path().join("ceiling.toml");
        std::fs::write(&ceiling, ceiling_text(root, more, cells)).expect("the ceiling is written");
        let (socket, warden_end) = UnixStream::pair().expect("a socket pair");
        // The child gets it as its standard input, so that no descriptor has to be inherited.
        // Signals are ignored as a shell or a supervisor may leave them.
        let process = Command::new("env")
            .args(["--ignore-signal=INT,QUIT,PIPE,USR1"])
            .arg(program("cofferdam-warden"))
            .args(["--ceiling".as_ref(), ceiling.as_os_str()])
            .args(["--agent-uid", "0", "--connected-fd", "0"])
            .stdin(Stdio::from(OwnedFd::from(warden_end)))
            .stderr(log)
            .spawn()
            .expect("cofferdam-warden starts");
        Self { socket, process, listener: None, directory }
    }

    /// Starts a warden that waits for agents of `agent_uid` on a socket, as
    /// systemd starts it, and connects to it.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start_listening(root: &Path, agent_uid: u32) -> Self {
        let directory = TempDir::new().expect("a directory for the ceiling");
        let ceiling = directory.path().join("ceiling.toml");
        std::fs::write(&ceiling, ceiling_text(root, &[], CELLS)).expect("the ceiling is written");
        let path = directory.path().join("warden.sock");
        let listener = UnixListener::bind(&path).expect("a listening socket");
        let process = listening(&ceiling, agent_uid, &path, listener.as_fd(), None);
        let socket = UnixStream::connect(&path).expect("a connection");
        Self { socket, process, directory, listener: Some((listener, agent_uid)) }
    }

    /// Kills the warden, which does nothing about that, and starts the next one where
    /// `program` is another; then comes again.
    ///
    /// # Panics
    /// When it is not one that listens, or cannot be started.
    pub fn kill_and_start(&mut self, program: Option<&Path>) {
        _ = self.process.kill();
        _ = self.process.wait();
        let (listener, uid) = self.listener.as_ref().expect("it listens");
        let place = self.directory.path();
        let (ceiling, path) = (place.join("ceiling.toml"), place.join("warden.sock"));
        self.process = listening(&ceiling, *uid, &path, listener.as_fd(), program);
        self.reconnect();
    }

    /// Leaves the warden and comes again, as a restarted agent does.
    ///
    /// # Panics
    /// When it does not listen.
    pub fn reconnect(&mut self) {
        let path = self.directory.path().join("warden.sock");
        self.socket = UnixStream::connect(path).expect("a connection");
    }

    /// Where the cells of one that listens have their cgroups, in each hierarchy that
    /// there is.
    #[must_use]
    pub fn cgroups(&self) -> Vec<PathBuf> {
        let name = cgroup_of(&self.directory.path().join("warden.sock"));
        let mounts = ["memory", "pids", "cpu", "blkio", ""].into_iter();
        let all = mounts.map(|mount| Path::new("/sys/fs/cgroup").join(mount).join(&name));
        all.filter(|place| place.exists()).collect()
    }

    /// Whether the warden hangs up without taking a request.
    #[must_use]
    pub fn hangs_up(&mut self) -> bool {
        matches!(self.socket.read(&mut [0]), Ok(0) | Err(_))
    }

    /// The socket once more, for one who asks and listens by himself.
    ///
    /// # Panics
    /// When there is no descriptor left.
    #[must_use]
    pub fn socket(&self) -> UnixStream {
        self.socket.try_clone().expect("a descriptor")
    }

    /// The warden's pid.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Asks for a cell; the answer of the warden or of the builder if there is
    /// to be none.
    ///
    /// # Errors
    /// What was refused or failed, in words.
    ///
    /// # Panics
    /// When the warden breaks the protocol.
    pub fn build(&mut self, plan: CellPlan) -> Result<Cell, String> {
        let id = plan.cell;
        let (control, cell_end) = UnixStream::pair().expect("a socket pair");
        send(&self.socket, &WardenRequest::Build(plan), &[cell_end.as_fd()]).expect("a request");
        drop(cell_end);
        let (uid, cgroup) = loop {
            match receive::<WardenEvent>(&self.socket).expect("the warden answers").0 {
                WardenEvent::Building { cell, uid, cgroup } if cell == id => break (uid, cgroup),
                WardenEvent::Refused { cell, refusal, detail } if cell == id => {
                    return Err(format!("{refusal:?}: {detail}"));
                }
                _ => {}
            }
        };
        match receive::<CellEvent>(&control).map_err(|error| error.to_string())?.0 {
            CellEvent::Ready(layers) => {
                let (ended, ways) = (RefCell::default(), RefCell::default());
                Ok(Cell { id, control, layers, cgroup, uid, ended, ways })
            }
            CellEvent::BuildFailed(BuildFailure { step, errno, detail }) => {
                Err(format!("{}: {detail} (errno {errno})", step.name()))
            }
            other => panic!("a builder does not say {other:?}"),
        }
    }

    /// Ends a cell and waits until nothing of it is left.
    ///
    /// # Panics
    /// When the warden breaks the protocol.
    pub fn end(&mut self, cell: Cell) {
        let id = cell.id;
        drop(cell);
        self.wait_gone(id);
    }

    /// Goes on with a cell of an earlier agent: whether the warden has it.
    ///
    /// # Panics
    /// When the warden breaks the protocol.
    pub fn adopt(&mut self, id: CellId) -> bool {
        self.user_of(id).is_some()
    }

    /// The uid that is a cell's, if the warden has that cell; goes on with it.
    ///
    /// # Panics
    /// When the warden breaks the protocol.
    pub fn user_of(&mut self, id: CellId) -> Option<u32> {
        send(&self.socket, &WardenRequest::Adopt(id), &[]).expect("a request");
        loop {
            match receive::<WardenEvent>(&self.socket).expect("the warden answers").0 {
                WardenEvent::Building { cell, uid, .. } if cell == id => return Some(uid),
                WardenEvent::Gone { cell } if cell == id => return None,
                _ => {}
            }
        }
    }

    /// Waits for the word that nothing of a cell is left.
    ///
    /// # Panics
    /// When the warden breaks the protocol.
    pub fn wait_gone(&mut self, id: CellId) {
        loop {
            let (event, _) = receive::<WardenEvent>(&self.socket).expect("the warden answers");
            if event == (WardenEvent::Gone { cell: id }) {
                return;
            }
        }
    }

    /// Has a cgroup leaf made for a run of `cell`.
    ///
    /// # Errors
    /// Why there is none, in words.
    ///
    /// # Panics
    /// When the warden breaks the protocol.
    pub fn leaf(&mut self, cell: &Cell, number: u32, limits: Limits) -> Result<u32, String> {
        let leaf = Leaf { cell: cell.id, number };
        send(&self.socket, &WardenRequest::MakeLeaf(leaf, limits), &[]).expect("a request");
        loop {
            match receive::<WardenEvent>(&self.socket).expect("the warden answers") {
                (WardenEvent::Leaf { leaf: it, there, detail }, ways) if it == leaf => {
                    cell.ways.borrow_mut().push((number, ways));
                    return if there { Ok(number) } else { Err(detail) };
                }
                _ => {}
            }
        }
    }

    /// Has the leaf of a run removed that is over, and what is left in it ended.
    ///
    /// # Panics
    /// When the warden is gone.
    pub fn remove_leaf(&mut self, cell: &Cell, number: u32) {
        self.leaf_is_left(cell, number, true);
    }

    /// Has a leaf removed, and what is left in it ended if it is to `end`; whether
    /// something lives in it.
    ///
    /// # Panics
    /// When the warden is gone.
    pub fn leaf_is_left(&mut self, cell: &Cell, number: u32, end: bool) -> bool {
        let leaf = Leaf { cell: cell.id, number };
        send(&self.socket, &WardenRequest::RemoveLeaf(leaf, end), &[]).expect("a request");
        loop {
            match receive::<WardenEvent>(&self.socket).expect("the warden answers").0 {
                WardenEvent::Leaf { leaf: it, there, .. } if it == leaf => return there,
                _ => {}
            }
        }
    }

    /// Asks the warden to end a cell.
    ///
    /// # Panics
    /// When the warden is gone.
    pub fn destroy(&mut self, id: CellId) {
        send(&self.socket, &WardenRequest::Destroy(id), &[]).expect("a request");
    }
}

impl Drop for Warden {
    fn drop(&mut self) {
        // The warden ends with its agent; wait for it, so that tests leave nothing behind.
        _ = self.socket.shutdown(std::net::Shutdown::Both);
        if self.directory.path().join("warden.sock").exists() {
            // One that listens goes on until its service manager ends it.
            _ = self.process.kill();
        }
        _ = self.process.wait();
        self.cgroups().iter().for_each(|place| _ = std::fs::remove_dir(place));
    }
}

impl Cell {
    /// Runs a program to its end.
    ///
    /// # Errors
    /// The step and errno when it did not start.
    ///
    /// # Panics
    /// When PID 1 breaks the protocol.
    pub fn run(&self, workspace: &Path, argv: &[&str]) -> Result<Ran, (RunStep, i32)> {
        self.run_plan(run_plan(workspace, argv))
    }

    /// The same with a plan of one's own.
    ///
    /// # Errors
    /// The step and errno when it did not start.
    ///
    /// # Panics
    /// When PID 1 breaks the protocol.
    pub fn run_plan(&self, plan: RunPlan) -> Result<Ran, (RunStep, i32)> {
        let run = plan.run;
        let Running { mut stdout, mut stderr, .. } = self.start(plan)?;
        let reader = std::thread::spawn(move || {
            let mut text = Vec::new();
            stderr.read_to_end(&mut text).expect("stderr is read");
            String::from_utf8_lossy(&text).into_owned()
        });
        let mut text = Vec::new();
        stdout.read_to_end(&mut text).expect("stdout is read");
        Ok(Ran {
            ending: self.wait(run),
            stdout: String::from_utf8_lossy(&text).into_owned(),
            stderr: reader.join().expect("the reader ends"),
        })
    }

    /// Starts a run and lets it go on.
    ///
    /// # Errors
    /// The step and errno when it did not start.
    ///
    /// # Panics
    /// When PID 1 breaks the protocol.
    pub fn start(&self, plan: RunPlan) -> Result<Running, (RunStep, i32)> {
        let null = std::fs::File::open("/dev/null").expect("/dev/null");
        let (stdout, stdout_end) = std::io::pipe().expect("a pipe");
        let (stderr, stderr_end) = std::io::pipe().expect("a pipe");
        let streams = [null.as_fd(), stdout_end.as_fd(), stderr_end.as_fd()];
        let run = plan.run;
        let mut given = if plan.terminal.is_some() { Vec::new() } else { streams.to_vec() };
        let mut all = self.ways.borrow_mut();
        let ways: Vec<_> = all.extract_if(.., |(number, _)| *number == plan.leaf).collect();
        given.extend(ways.iter().flat_map(|(_, ways)| ways).map(AsFd::as_fd));
        send(&self.control, &CellRequest::Start(plan), &given).expect("a request");
        drop((stdout_end, stderr_end, ways, all));
        loop {
            match self.event() {
                (CellEvent::Started { run: it, loopback }, mut given) if it == run => {
                    let terminal = (given.len() > 1).then(|| given.swap_remove(1));
                    let process = given.remove(0);
                    return Ok(Running { stdout, stderr, process, terminal, loopback });
                }
                (CellEvent::FailedToStart { run: it, step, errno }, _) if it == run => {
                    return Err((step, errno));
                }
                (CellEvent::Ended { run, ending }, _) => {
                    self.ended.borrow_mut().push((run, ending));
                }
                other => panic!("PID 1 does not answer a start with {other:?}"),
            }
        }
    }

    /// Waits for the end of a run that was started.
    ///
    /// # Panics
    /// When PID 1 breaks the protocol.
    pub fn wait(&self, run: RunId) -> RunEnding {
        loop {
            let mut ended = self.ended.borrow_mut();
            if let Some(index) = ended.iter().position(|(it, _)| *it == run) {
                return ended.swap_remove(index).1;
            }
            let (CellEvent::Ended { run, ending }, _) = self.event() else { panic!("no end") };
            ended.push((run, ending));
        }
    }

    /// Has a listening socket made in the cell's network namespace.
    ///
    /// # Panics
    /// When PID 1 makes none.
    #[must_use]
    pub fn listen(&self) -> (u16, std::net::TcpListener) {
        send(&self.control, &CellRequest::Listen, &[]).expect("a request");
        let (CellEvent::Listening { port }, mut given) = self.event() else { panic!("no socket") };
        (port, given.remove(0).into())
    }

    /// Tells PID 1 something that has no answer.
    ///
    /// # Panics
    /// When it is gone.
    pub fn tell(&self, request: &CellRequest) {
        send(&self.control, request, &[]).expect("a request");
    }

    fn event(&self) -> (CellEvent, Vec<OwnedFd>) {
        receive(&self.control).expect("PID 1 answers")
    }

    /// The raw descriptor of the control socket.
    #[must_use]
    pub fn control_fd(&self) -> i32 {
        self.control.as_raw_fd()
    }
}

/// The cgroup that a warden of a test is started with, time and again.
fn cgroup_of(socket: &Path) -> String {
    let place = socket.parent().and_then(Path::file_name).expect("its directory's name");
    format!("cofferdam-test{}", place.to_string_lossy())
}

/// A warden that listens as systemd starts it, in a cgroup of that name.
fn listening(
    ceiling: &Path,
    agent_uid: u32,
    path: &Path,
    listener: BorrowedFd<'_>,
    other: Option<&Path>,
) -> Child {
    let listener = listener.try_clone_to_owned().expect("a descriptor");
    Command::new(other.map_or_else(|| program("cofferdam-warden"), Path::to_owned))
        .args(["--ceiling".as_ref(), ceiling.as_os_str()])
        .args(["--agent-uid", &agent_uid.to_string(), "--listening-fd", "0", "--cgroup"])
        .arg(cgroup_of(path))
        .stdin(Stdio::from(listener))
        .spawn()
        .expect("cofferdam-warden starts")
}

/// A plan of a cell with the host's /usr and /etc, one writable workspace, and
/// every program of /usr.
#[must_use]
pub fn cell_plan(workspace: &Path) -> CellPlan {
    let mut id = [0; 16];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut id))
        .expect("random bytes");
    let probe = program("cofferdam-probe").canonicalize().expect("the probe");
    let bind = |at: &Path| BindPlan { path: path(at), execute: !at.starts_with("/etc") };
    let rule = |text: &Path, rights| LandlockPlan { path: path(text), rights };
    CellPlan {
        cell: CellId(id),
        subject: "test".to_owned(),
        profile: "test".to_owned(),
        hostname: "cell".to_owned(),
        workspace: WorkspacePlan {
            path: path(workspace),
            access: Access::Write,
            execute: false,
            protected: Vec::new(),
            sockets: Vec::new(),
        },
        binds: vec![bind("/usr".as_ref()), bind("/etc".as_ref()), bind(&probe)],
        links: host_links(),
        scratch: ["/tmp", "/dev/shm", "/home/cell"]
            .map(|at| ScratchPlan { path: path(at), bytes: 16 << 20, execute: false })
            .to_vec(),
        home: path("/home/cell"),
        landlock: vec![
            rule("/usr".as_ref(), Rights::EXECUTE),
            rule(&probe, Rights::EXECUTE),
            rule("/etc".as_ref(), Rights::READ),
            rule("/tmp".as_ref(), Rights::WRITE),
            rule("/dev/shm".as_ref(), Rights::WRITE),
            rule("/home/cell".as_ref(), Rights::WRITE),
            rule(workspace, Rights::WRITE),
        ],
        network: Network::None,
        filter: FilterDigest(cofferdam_filter::by_name("cell").expect("the filter").digest),
        limits: Limits {
            memory_bytes: 256 << 20,
            swap_bytes: 0,
            processes: 64,
            cpu_millis: 2000,
            ..Limits::default()
        },
        may_lack: if is_root() { LayerSet::NONE } else { LayerSet::ALL },
    }
}

/// The links at the host's root that lead into /usr, and those of /dev.
fn host_links() -> Vec<LinkPlan> {
    let link =
        |at: &str, target: &OsStr| LinkPlan { path: path(at), target: target.as_bytes().to_vec() };
    let of_root = ["/bin", "/sbin", "/lib", "/lib64", "/lib32"]
        .into_iter()
        .filter_map(|at| Some(link(at, std::fs::read_link(at).ok()?.as_os_str())));
    let of_devices = [("ptmx", "pts/ptmx"), ("fd", "/proc/self/fd")]
        .map(|(name, target)| link(&format!("/dev/{name}"), target.as_ref()));
    of_root.chain(of_devices).collect()
}

/// A plan of a run: the arguments, the workspace, ten seconds.
#[must_use]
pub fn run_plan(workspace: &Path, argv: &[&str]) -> RunPlan {
    let bytes = |text: &&str| text.as_bytes().to_vec();
    RunPlan {
        run: RunId([7; 16]),
        program: argv.first().map(bytes).unwrap_or_default(),
        search_path: ["/usr/local/bin", "/usr/bin", "/bin"].map(path).to_vec(),
        arguments: argv.iter().map(bytes).collect(),
        environment: vec![b"PATH=/usr/bin:/bin".to_vec(), b"HOME=/home/cell".to_vec()],
        working_directory: path(workspace),
        limits: RunLimits {
            wall_millis: 10_000,
            grace_millis: 500,
            open_files: 1024,
            ..RunLimits::default()
        },
        leaf: 0,
        landlock: Vec::new(),
        loopback: Loopback::Open,
        background: false,
        terminal: None,
    }
}

/// A workspace in a fresh directory without a symlink in its path.
///
/// # Panics
/// When it cannot be made.
#[must_use]
pub fn workspace() -> (TempDir, PathBuf) {
    let directory = TempDir::new().expect("a directory");
    let root = directory.path().canonicalize().expect("its real path");
    let workspace = root.join("workspace");
    std::fs::create_dir(&workspace).expect("the workspace");
    (directory, workspace)
}

fn ceiling_text(root: &Path, more: &[PathBuf], cells: u32) -> String {
    let more: Vec<_> = more.iter().map(|path| format!("\"{}\"", path.display())).collect();
    let more = [", ", &more.join(", ")].concat();
    let more = if more == ", " { "" } else { &more };
    format!(
        r#"
version = 1
peers.gateways = []
workspaces = {{ roots = ["{}"], allow_root_owned = true, allow_execute = true }}
view.read = ["/usr", "/etc", "{probe}"{more}]
programs.execute = ["/usr", "{probe}"{more}]
profiles.allow = ["test"]
enforcement.allow_degraded = {}

[limits]
cells = {cells}
memory = "1GiB"
processes = 512
cpu_millis = 4000
wall = "1h"
output = "64MiB"
file_size = "4GiB"
open_files = 4096
scratch = "1GiB"
"#,
        root.display(),
        !is_root(),
        probe = program("cofferdam-probe").canonicalize().expect("the probe").display(),
    )
}
