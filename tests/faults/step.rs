//! How far a call has come. What holds it there is a process that was stopped, a
//! file system that does not answer, or the command itself.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use cofferdam_tests::dev::{children_of, until};
use rustix::process::Signal;
use serde_json::json;

use crate::household::{Household, exists, signal, with_argument};

/// How far the call has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// It is recorded, and the warden has not been heard yet.
    BeforeBuilding,
    /// The builder waits for a file system that does not answer.
    WhileBuilding,
    /// A cell is ready, and has not been heard yet.
    Ready,
    /// The run is under way.
    Running,
    /// The run was told to end and takes its time.
    Ending,
    /// There is no call; its cell is kept.
    Idle,
    /// The file worker is under way.
    Searching,
    /// A part of a large file has come, and its sender is silent.
    Uploading,
    /// A part of a large file was sent, and its reader does not read.
    Downloading,
}

/// Bytes of a large file, more than pipes and windows hold; and of a part of it.
const LARGE: usize = 64 << 20;
const PART: usize = 8 << 20;
/// What is downloaded.
pub(crate) const SOURCE: &str = "source";

/// What is there once a step is reached.
pub(crate) struct Reached {
    /// The call, unless its caller has left.
    pub(crate) call: Option<TcpStream>,
    /// Processes that were stopped.
    pub(crate) stopped: Vec<u32>,
    /// The run's first process, or the file worker.
    pub(crate) first: Option<u32>,
    /// The first process of the cell; of each that the call could be given.
    pub(crate) pid_1: Vec<u32>,
    /// What does not answer until this is closed.
    pub(crate) silent: Option<File>,
    /// All processes that belong to this household.
    pub(crate) all: Vec<u32>,
    /// The warden's pid, which names its cgroups.
    pub(crate) warden: u32,
}

impl Step {
    pub(crate) fn reach(self, household: &Household) -> Reached {
        let warden = household.program("cofferdam-warden");
        let mut reached = Reached {
            call: None,
            stopped: Vec::new(),
            first: None,
            pid_1: Vec::new(),
            silent: None,
            all: Vec::new(),
            warden,
        };
        match self {
            Self::BeforeBuilding => reached.before_building(household),
            Self::WhileBuilding => reached.while_building(household),
            Self::Ready => reached.ready(household),
            Self::Running => reached.running(household),
            Self::Ending => reached.ending(household),
            Self::Idle => reached.idle(household),
            Self::Searching => reached.searching(household),
            Self::Uploading => reached.uploading(household),
            Self::Downloading => reached.downloading(household),
        }
        reached.all = descendants(household.dev.pid());
        reached
    }
}

impl Reached {
    fn stop(&mut self, pid: u32) {
        signal(pid, Signal::STOP);
        self.stopped.push(pid);
    }

    fn before_building(&mut self, household: &Household) {
        without_cells(household);
        self.stop(self.warden);
        self.call = Some(household.run("sleep MARK"));
        recorded(household);
    }

    fn while_building(&mut self, household: &Household) {
        without_cells(household);
        self.silent = Some(silence(household));
        self.call = Some(household.run("sleep MARK"));
        recorded(household);
        until("a builder waits for the file system", || {
            household.cells().into_iter().any(is_held_up)
        });
        self.pid_1 = household.cells();
    }

    fn ready(&mut self, household: &Household) {
        self.idle(household);
        for pid in self.pid_1.clone() {
            self.stop(pid);
        }
        self.call = Some(household.run("sleep MARK"));
        recorded(household);
    }

    fn running(&mut self, household: &Household) {
        self.call = Some(household.run("setsid sleep MARK & exec sleep MARK"));
        self.takes_over(household);
    }

    fn ending(&mut self, household: &Household) {
        // Not the shell, which waits for what it started before it looks up.
        let call = household
            .run("trap 'touch ending' TERM; setsid sleep MARK & while :; do sleep 0.05; done");
        self.takes_over(household);
        // The caller leaves, and the run is told to end.
        drop(call);
        until("the run is told", || household.dev.workspace.join("ending").exists());
        // On a slow machine the time that it is given is over before anybody is killed.
        for pid in self.pid_1.clone() {
            self.stop(pid);
        }
    }

    fn idle(&mut self, household: &Household) {
        let ran = household.dev.tool("execute_command", &json!({ "program": "true" }));
        assert_ne!(ran["result"]["isError"], true, "{ran:#}");
        self.pid_1 = household.cells();
        assert!(!self.pid_1.is_empty(), "no cell is kept");
    }

    fn searching(&mut self, household: &Household) {
        // So many that the worker is not done before it is seen.
        let many = household.dev.workspace.join("many");
        std::fs::create_dir(&many).unwrap();
        for number in 0..20_000 {
            std::fs::write(many.join(number.to_string()), "hay\n").unwrap();
        }
        let search = json!({ "path": ".", "content": "needle|nadel" });
        self.call = Some(household.call("search_files", &search));
        self.has_worker(household);
        self.first.into_iter().for_each(|worker| self.stop(worker));
    }

    fn uploading(&mut self, household: &Household) {
        let digest = "repr-digest: sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:\r\n";
        let head = format!("{digest}content-length: {LARGE}\r\n");
        let mut call = household.files("PUT /files?path=half", &head);
        // More than is on the way anywhere: the worker has some of it.
        call.write_all(&vec![7; PART]).unwrap();
        self.has_worker(household);
        self.call = Some(call);
    }

    fn downloading(&mut self, household: &Household) {
        let source = File::create(household.dev.workspace.join(SOURCE)).unwrap();
        source.set_len(LARGE as u64).unwrap();
        let mut call = household.files(&format!("GET /files?path={SOURCE}"), "");
        call.read_exact(&mut vec![0; 64 * 1024]).unwrap();
        self.has_worker(household);
        self.call = Some(call);
    }

    /// Waits until the file worker is there, and notes it.
    fn has_worker(&mut self, household: &Household) {
        let mut worker = None;
        until("the worker is there", || {
            let beneath = descendants(household.dev.pid());
            worker = beneath.into_iter().find(|pid| name(*pid) == "cofferdam-files");
            worker.is_some()
        });
        self.first = worker;
        self.pid_1 = worker.and_then(parent).into_iter().collect();
    }

    /// Waits until the run with the mark is there, and notes its processes.
    fn takes_over(&mut self, household: &Household) {
        // Kept as it is found: for a moment in execve(2) a process has no arguments.
        let mut one = None;
        until("the run is under way", || {
            one = with_argument(&household.mark);
            one.is_some()
        });
        let is_cell = |pid: &u32| parent(*pid) == Some(self.warden);
        let line = std::iter::successors(one, |pid| parent(*pid));
        let mut line: Vec<u32> = line.take_while(|pid| *pid != self.warden).collect();
        self.pid_1 = line.iter().copied().filter(is_cell).collect();
        // What stands right below PID 1: the run's first process, or one that
        // left it, which is as good a victim.
        line.pop();
        self.first = line.last().copied();
    }
}

/// Ends the cells that are kept, so that a call has one built.
fn without_cells(household: &Household) {
    let cells = household.cells();
    for pid in cells {
        signal(pid, Signal::KILL);
    }
    until("the cells are gone", || household.cells().is_empty());
    // The agent hears of it right after the warden has reaped them.
    std::thread::sleep(Duration::from_millis(50));
}

/// Whether a process waits in the kernel for the file system's other end; where
/// the kernel does not tell where, whether it waits at all.
fn is_held_up(pid: u32) -> bool {
    let place = std::fs::read_to_string(format!("/proc/{pid}/wchan")).unwrap_or_default();
    place.contains("fuse") || (place.len() < 2 && exists(pid))
}

/// Waits until the agent has recorded the call.
fn recorded(household: &Household) {
    until("the call is recorded", || household.journal("agent").contains(&household.mark));
}

/// Mounts a file system over the workspace, in the household's own namespace,
/// whose other end never answers.
fn silence(household: &Household) -> File {
    let fuse = File::options().read(true).write(true).open("/dev/fuse").unwrap();
    let place = household.dev.workspace.display().to_string();
    // The descriptor is the mount's as its standard input.
    let mounted = Command::new("nsenter")
        .args(["--target", &household.dev.pid().to_string(), "--mount"])
        .args(["mount", "-i", "-t", "fuse", "-o"])
        .arg("fd=0,rootmode=040000,user_id=0,group_id=0,allow_other")
        .args(["silent", &place])
        .stdin(fuse.try_clone().unwrap())
        .status()
        .unwrap();
    assert!(mounted.success());
    fuse
}

/// All processes beneath one, and itself.
fn descendants(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    for (child, _) in children_of(pid) {
        all.extend(descendants(child));
    }
    all
}

fn parent(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

fn name(pid: u32) -> String {
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    name.trim_end().to_owned()
}
