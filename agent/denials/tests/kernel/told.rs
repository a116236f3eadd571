//! What the kernel tells of the child, and what becomes of it.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cofferdam_denials::{
    Attribution, Blocker, Found, Loss, Object, Refusal, Refused, RunKey, Started, drain,
};

use crate::audit;

const ONE: RunKey = RunKey(1);
const TWO: RunKey = RunKey(2);

/// What the agent has: the socket and the attribution.
struct Agent {
    socket: OwnedFd,
    attribution: Attribution,
    records: usize,
    reading: Duration,
}

impl Agent {
    fn new() -> Self {
        use std::os::unix::ffi::OsStringExt;
        let maker = std::env::current_exe().unwrap().into_os_string().into_vec();
        let attribution = Attribution::new(maker);
        Self { socket: audit::handed_over(), attribution, records: 0, reading: Duration::ZERO }
    }

    fn start(&mut self, key: RunKey, arguments: &[&str]) -> Child {
        let since = Instant::now();
        let child = Command::new(std::env::current_exe().unwrap())
            .arg("child")
            .args(arguments)
            .env_clear()
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let started = Started { key, pid: Some(child.id()), uid: Some(0), since };
        self.attribution.run_started(started);
        child
    }

    fn read(&mut self) {
        loop {
            let begin = Instant::now();
            let drained = drain(&self.socket, |record| {
                self.attribution.record(record, Instant::now(), |_| None);
            })
            .unwrap();
            self.reading += begin.elapsed();
            self.records += drained.records;
            for _ in 0..drained.overruns {
                self.attribution.overrun(Instant::now());
            }
            assert_eq!(drained.malformed, 0);
            if !drained.more {
                return;
            }
        }
    }

    /// Reads on until the end of every domain must have been told.
    fn settle(&mut self) {
        let end = Instant::now() + Duration::from_millis(300);
        while Instant::now() < end {
            self.read();
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn run(&mut self, arguments: &[&str]) -> (Found, Option<i32>) {
        let status = self.start(ONE, arguments).wait().unwrap();
        self.settle();
        (self.attribution.run_ended(ONE), status.code())
    }
}

fn here() -> String {
    std::env::current_exe().unwrap().to_str().unwrap().to_owned()
}

fn access(blockers: &[Blocker], path: &str) -> Refused {
    let path = path.into();
    let object = Object::Path { path, device: None, inode: None, request: None };
    Refused::Access { blockers: blockers.to_vec(), object }
}

fn one(what: Refused) -> Found {
    Found { refusals: vec![Refusal { what, count: 1 }], ..Found::default() }
}

pub(crate) fn a_refusal_after_exec_is_its_run_s() {
    let (found, _) = Agent::new().run(&["run", "log", &here(), "read", "/etc/shadow"]);
    assert_eq!(found, one(access(&[Blocker::ReadFile], "/etc/shadow")));
}

pub(crate) fn without_the_flag_nothing_is_told() {
    let (found, _) = Agent::new().run(&["run", "quiet", &here(), "read", "/etc/shadow"]);
    assert_eq!(found, Found::default());
}

pub(crate) fn a_refused_exec_is_told() {
    let program = Path::new("/usr/bin/env").canonicalize().unwrap();
    let program = program.to_str().unwrap();
    let (found, code) = Agent::new().run(&["run", "log", program]);
    assert_eq!(code, Some(13));
    assert_eq!(found, one(access(&[Blocker::Execute, Blocker::ReadFile], program)));
}

pub(crate) fn runs_at_the_same_time_are_told_apart() {
    let mut agent = Agent::new();
    let mut first = agent.start(ONE, &["run", "log", &here(), "connect", "1111"]);
    let mut second = agent.start(TWO, &["run", "log", &here(), "connect", "2222"]);
    first.wait().unwrap();
    second.wait().unwrap();
    agent.settle();
    for (key, port) in [(ONE, 1111), (TWO, 2222)] {
        let object = Object::Address { address: "127.0.0.1".parse().ok(), port: Some(port) };
        let refused = Refused::Access { blockers: vec![Blocker::ConnectTcp], object };
        assert_eq!(agent.attribution.run_ended(key), one(refused));
    }
}

pub(crate) fn a_refused_call_is_told() {
    let (found, _) = Agent::new().run(&["filtered", &here(), "unshare"]);
    let Refused::Call { syscall, architecture, signal, .. } = found.refusals[0].what else {
        panic!("{found:?}")
    };
    assert_eq!(i64::from(syscall), libc::SYS_unshare);
    assert_eq!((architecture, signal, found.refusals[0].count), (0xc000_003e, 0, 1));
}

pub(crate) fn own_sandboxes_are_only_counted() {
    // Another program than the maker's, in a place where it may be executed.
    let program = format!("{}-other", here());
    std::fs::copy(here(), &program).unwrap();
    let (found, _) = Agent::new().run(&["run", "log", &program, "own"]);
    std::fs::remove_file(&program).unwrap();
    assert_eq!(found, Found { own: 1, ..Found::default() });
}

pub(crate) fn nothing_else_of_the_host_comes_through() {
    let socket = audit::handed_over();
    // Binding to the group is itself told: AUDIT_EVENT_LISTENER, type 1335.
    let other = audit::handed_over();
    std::thread::sleep(Duration::from_millis(20));
    let drained = drain(&socket, |record| panic!("{record:?}")).unwrap();
    assert_eq!((drained.records, drained.malformed), (0, 0));
    let detached = audit::set(&other, libc::SO_DETACH_FILTER, &0_i32);
    assert_eq!(detached.unwrap_err().raw_os_error(), Some(libc::EPERM));
}

pub(crate) fn what_a_flood_loses_is_counted() {
    const FLOOD: u64 = 50_000;
    let mut agent = Agent::new();
    let mut child = agent.start(ONE, &["run", "log", &here(), "flood", &FLOOD.to_string()]);
    let begin = Instant::now();
    while child.try_wait().unwrap().is_none() {
        agent.read();
        std::thread::sleep(Duration::from_millis(1));
    }
    let took = begin.elapsed();
    agent.settle();
    let found = agent.attribution.run_ended(ONE);
    let arrived: u64 = found.refusals.iter().map(|it| it.count).sum();
    let Loss { landlock, .. } = found.loss;
    assert_eq!(arrived + found.more + landlock, FLOOD, "{found:?}");
    let each = agent.reading.as_nanos() / u128::try_from(agent.records.max(1)).unwrap();
    println!("a flood of {FLOOD} in {took:?}: {landlock} lost; {each} ns to read one record");
}
