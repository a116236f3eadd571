//! Random kills and cuts of a small installation while many callers work: three hosts
//! that joined a gateway, certificates that live for seconds, and for a bounded time
//! somebody who kills, stops and starts what there is, and cuts what is between. Then
//! what must hold whatever happened is looked for: in the journals of both sides, in
//! what the callers were told, at the authority, and on the machine.
//!
//! `make test-chaos` gives it ten minutes (`COFFERDAM_CHAOS_SECONDS`). It prints its
//! seed, which `COFFERDAM_CHAOS_SEED` gives back: the order of what is done is the same
//! then, the moments are not.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use cofferdam_tests::dev::until;
use cofferdam_tests::host::{Host, Setup};
use cofferdam_tests::programs::program;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::gateways::{Gateway, field};
use crate::joined::Joined;
use crate::joined::wire::Wire;

/// Names of the hosts.
const HOSTS: [&str; 3] = ["test", "twin", "third"];
/// Callers at the same time.
const CALLERS: usize = 6;
/// Short enough that renewals are under way at any time, and that whoever is stopped
/// for long wakes up to a certificate that has ended; a new root follows quickly.
const AUTHORITY: &str = "approval = \"none\"\ncertificate_seconds = 9\n\
                         trust_list_seconds = 60\nannounce_seconds = 3\noverlap_seconds = 12\n";
/// Each run that succeeded has its mark in there, once.
const LEDGER: &str = "ledger";

/// What is done to the installation.
#[derive(Debug, Clone, Copy)]
enum Fault {
    KillAgent,
    KillWarden,
    KillCell,
    KillGateway,
    /// A host that answers nothing for a while, as behind a cut.
    StopAgent,
    StopGateway,
    /// Everything of a host ends as it should and starts anew.
    RestartHost,
    /// Connections that end in the middle of whatever is under way: between the gateway
    /// and a host, between hosts and the authority.
    CutHost,
    CutAuthority,
    /// Connections that lead nowhere, of which nobody is told.
    ForgetHost,
    ForgetAuthority,
    /// A network on which nothing moves for a while.
    HoldHostUp,
    /// A new root follows the one there is, if that has been long enough.
    Rotate,
}

const FAULTS: [Fault; 13] = [
    Fault::KillAgent,
    Fault::KillWarden,
    Fault::KillCell,
    Fault::KillGateway,
    Fault::StopAgent,
    Fault::StopGateway,
    Fault::RestartHost,
    Fault::CutHost,
    Fault::CutAuthority,
    Fault::ForgetHost,
    Fault::ForgetAuthority,
    Fault::HoldHostUp,
    Fault::Rotate,
];

/// Numbers that the seed decides (xorshift64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn milliseconds(&mut self, least: u64, most: u64) -> Duration {
        let span = usize::try_from(most - least).unwrap();
        Duration::from_millis(least + self.below(span) as u64)
    }
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}: {text}")))
}

fn signal(pid: u32, signal: Signal) {
    // Who has gone needs none.
    _ = kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal);
}

/// What a caller was told of its calls.
#[derive(Debug, Default)]
struct Told {
    /// Marks of runs that ended with code 0.
    succeeded: BTreeSet<String>,
    /// All marks that were asked for.
    asked: BTreeSet<String>,
    /// How often each reason was told, or none because nobody was there to tell it.
    reasons: BTreeMap<String, usize>,
}

/// One caller: call after call until the end, each with a mark of its own.
fn work(caller: usize, seed: u64, at: &Target, over: &AtomicBool) -> Told {
    let mut chance = Chance(seed ^ (caller as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut told = Told::default();
    while !over.load(Ordering::Relaxed) {
        let mark = format!("{}-{caller}-{}", at.mark, told.asked.len());
        let host = HOSTS[chance.below(HOSTS.len())];
        let naps = ["0", "0.05", "0.4"];
        // The mark is an argument of the sleep, too, by which a survivor is found.
        let line = format!(
            "echo {mark} >> {LEDGER}; exec -a {mark} sleep {}",
            naps[chance.below(naps.len())]
        );
        let arguments = json!({
            "program": "bash", "arguments": ["-c", line], "project": "shop", "host": host,
            "one_shot": chance.below(4) == 0,
        });
        told.asked.insert(mark.clone());
        let answer = at.call("execute_command", &arguments);
        let code = answer.as_ref().map(|answer| field(answer, "outcome")["code"].clone());
        if code == Some(json!(0)) {
            told.succeeded.insert(mark);
        } else {
            *told.reasons.entry(reason(answer.as_ref())).or_default() += 1;
        }
        if chance.below(8) == 0 {
            let path = format!("file-{caller}");
            let arguments =
                json!({ "path": path, "content": "x", "project": "shop", "host": host });
            at.call("write_file", &arguments);
        }
    }
    told
}

/// Why a call did not succeed.
fn reason(answer: Option<&Value>) -> String {
    let Some(answer) = answer else { return "no gateway".to_owned() };
    let words = [&field(answer, "error")["reason"], &field(answer, "outcome")["kind"]];
    words.into_iter().find_map(Value::as_str).unwrap_or("no reason").to_owned()
}

/// Where callers call, and as whom.
struct Target {
    url: String,
    token: String,
    mark: String,
}

impl Target {
    /// The answer, unless the gateway was not there to give it.
    fn call(&self, tool: &str, arguments: &Value) -> Option<Value> {
        let called = Command::new("timeout")
            .arg("90")
            .arg(program("cofferdam"))
            .args(["call", "--json", "--url", &self.url, tool, "--args", &arguments.to_string()])
            .env("COFFERDAM_TOKEN", &self.token)
            .output()
            .unwrap();
        assert_ne!(called.status.code(), Some(124), "a call has no end: {arguments}");
        serde_json::from_slice(&called.stdout).ok()
    }
}

/// Does something to the installation, and says what, and to which host if to one;
/// notes the pid of each warden that was.
fn disturb(
    joined: &mut Joined,
    chance: &mut Chance,
    wardens: &mut BTreeSet<u32>,
) -> (Fault, &'static str) {
    let fault = FAULTS[chance.below(FAULTS.len())];
    let index = chance.below(joined.hosts.len());
    let (host, wire, gateway) =
        (&mut joined.hosts[index], &joined.wires[index], &mut joined.gateway);
    match fault {
        Fault::KillAgent => signal(host.agent_pid(), Signal::KILL),
        Fault::KillWarden => signal(host.warden_pid(), Signal::KILL),
        Fault::KillCell => {
            let cells = host.cells();
            if !cells.is_empty() {
                signal(cells[chance.below(cells.len())], Signal::KILL);
            }
        }
        Fault::KillGateway => {
            gateway.kill();
            std::thread::sleep(chance.milliseconds(0, 500));
            joined.start_gateway();
        }
        Fault::StopAgent | Fault::StopGateway => {
            let stopped = matches!(fault, Fault::StopAgent);
            let pid = if stopped { host.agent_pid() } else { gateway.pid() };
            signal(pid, Signal::STOP);
            std::thread::sleep(chance.milliseconds(100, 2500));
            signal(pid, Signal::CONT);
        }
        Fault::RestartHost => {}
        Fault::CutHost => wire.cut(),
        Fault::CutAuthority => joined.authority.cut(),
        Fault::ForgetHost => wire.forget(),
        Fault::ForgetAuthority => joined.authority.forget(),
        Fault::HoldHostUp => hold_up(wire, chance),
        // Refused while one follows another.
        Fault::Rotate => drop(gateway.cofferdam(&["authority", "rotate"])),
    }
    let host = &mut joined.hosts[index];
    if matches!(fault, Fault::KillAgent | Fault::KillWarden | Fault::RestartHost) {
        std::thread::sleep(chance.milliseconds(0, 500));
        // Of a host by hand, agent and warden start together.
        host.stop();
        host.start_again();
        wardens.insert(host.warden_pid());
    }
    (fault, HOSTS[index])
}

fn hold_up(wire: &Wire, chance: &mut Chance) {
    wire.hold_up(true);
    std::thread::sleep(chance.milliseconds(100, 2500));
    wire.hold_up(false);
}

/// What each caller is given.
fn targets(gateway: &Gateway, mark: &str) -> Vec<Target> {
    let target = |caller| Target {
        url: gateway.url().to_owned(),
        token: gateway.token(&format!("caller-{caller}")),
        mark: mark.to_owned(),
    };
    (0..CALLERS).map(target).collect()
}

#[test]
#[ignore = "takes minutes and the whole machine: make test-chaos"]
fn nothing_is_lost_or_doubled_or_left_whatever_is_killed_at_whatever_moment() {
    let seconds = variable("COFFERDAM_CHAOS_SECONDS").unwrap_or(600);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let seed = variable("COFFERDAM_CHAOS_SEED").unwrap_or(now.as_secs()) | 1;
    println!("chaos: {seconds} s, seed {seed}");
    let mut joined = Joined::start(AUTHORITY);
    for name in HOSTS {
        joined.join(Setup { name: name.to_owned(), ..Setup::default() });
    }
    let mut wardens: BTreeSet<u32> = joined.hosts.iter().map(Host::warden_pid).collect();
    let workspace = joined.hosts[0].workspace("shop");
    let mark = format!("chaos-{}", std::process::id());
    let over = AtomicBool::new(false);
    let done = AtomicUsize::new(0);
    let targets = targets(&joined.gateway, &mark);
    let mut faults: BTreeMap<String, usize> = BTreeMap::new();
    let told: Vec<Told> = std::thread::scope(|scope| {
        let (over, done) = (&over, &done);
        let callers: Vec<_> = targets
            .iter()
            .enumerate()
            .map(|(caller, target)| {
                scope.spawn(move || {
                    let told = work(caller, seed, target, over);
                    done.fetch_add(1, Ordering::Relaxed);
                    told
                })
            })
            .collect();
        let mut chance = Chance(seed);
        let begun = Instant::now();
        let end = begun + Duration::from_secs(seconds);
        while Instant::now() < end && done.load(Ordering::Relaxed) == 0 {
            std::thread::sleep(chance.milliseconds(300, 2500));
            let at = begun.elapsed().as_millis();
            let (fault, host) = disturb(&mut joined, &mut chance, &mut wardens);
            println!("chaos: after {at} ms {fault:?} ({host})");
            *faults.entry(format!("{fault:?}")).or_default() += 1;
        }
        over.store(true, Ordering::Relaxed);
        callers.into_iter().map(|caller| caller.join().unwrap()).collect()
    });
    let asked: BTreeSet<String> = told.iter().flat_map(|told| told.asked.clone()).collect();
    let succeeded: BTreeSet<String> = told.iter().flat_map(|told| told.succeeded.clone()).collect();
    println!("chaos: {} calls, {} succeeded, {faults:?}", asked.len(), succeeded.len());
    println!("chaos: the others: {:?}", reasons(&told));
    assert!(succeeded.len() >= CALLERS, "nobody got anything done");

    all_ran_once(&mark, &workspace, &joined.hosts, &asked, &succeeded);
    all_are_members(&joined);
    let journals: Vec<PathBuf> =
        joined.hosts.iter().map(|host| host.place().join("agent/journal")).collect();
    let own = joined.gateway.place.join("journal");
    all_agree(&own, &journals);
    for host in &mut joined.hosts {
        host.stop();
    }
    joined.gateway.kill();
    for journal in journals.iter().chain([&own]) {
        audit(&["verify"], &[journal]).unwrap_or_else(|said| panic!("{said}"));
    }
    nothing_is_left(&mark, &wardens, &joined.hosts);
}

/// Why calls did not succeed, of all callers.
fn reasons(told: &[Told]) -> BTreeMap<&str, usize> {
    let mut reasons = BTreeMap::new();
    for (reason, count) in told.iter().flat_map(|told| &told.reasons) {
        *reasons.entry(reason.as_str()).or_default() += count;
    }
    reasons
}

/// Certificates were renewed all along, and nobody was taken for two.
fn all_are_members(joined: &Joined) {
    for (index, host) in joined.hosts.iter().enumerate() {
        let known = joined.known(index);
        assert_eq!(known["standing"], "joined", "{known:#}");
        assert!(known["alarm"].is_null(), "{known:#}");
        until("its certificate counts", || {
            host.status()["certificate"]["seconds_left"].as_i64().is_some_and(|left| left > 0)
        });
    }
    let [renewed, reattested, rotated] =
        ["renewed", "reattested", "rotated"].map(|step| joined.steps(step));
    println!("chaos: {renewed} renewals, {reattested} after the end, {rotated} roots");
    assert!(renewed > 0, "nothing was renewed");
}

/// All marks that begin with this and stand in a text, in one pass: journals are long.
fn marks<'t>(mark: &'t str, text: &'t str) -> impl Iterator<Item = &'t str> {
    let end =
        |rest: &str| rest.find(|it: char| !it.is_ascii_digit() && it != '-').unwrap_or(rest.len());
    text.match_indices(mark).map(move |(at, _)| {
        let rest = &text[at + mark.len()..];
        &text[at..at + mark.len() + end(rest)]
    })
}

/// What was told as done was done, once, for somebody who asked, and is on record.
fn all_ran_once(
    mark: &str,
    workspace: &Path,
    hosts: &[Host],
    asked: &BTreeSet<String>,
    succeeded: &BTreeSet<String>,
) {
    let ledger = std::fs::read_to_string(workspace.join(LEDGER)).unwrap();
    let mut entries: BTreeMap<&str, usize> = BTreeMap::new();
    for line in ledger.lines() {
        *entries.entry(line).or_default() += 1;
    }
    let doubled: Vec<_> = entries.iter().filter(|(_, count)| **count > 1).collect();
    assert!(doubled.is_empty(), "ran twice: {doubled:?}");
    let lost: Vec<_> = succeeded.iter().filter(|it| !entries.contains_key(it.as_str())).collect();
    assert!(lost.is_empty(), "told as done and not done: {lost:?}");
    let nobodys: Vec<_> = entries.keys().filter(|it| !asked.contains(**it)).collect();
    assert!(nobodys.is_empty(), "nobody asked for: {nobodys:?}");
    let journals: Vec<String> = hosts.iter().map(Host::journal).collect();
    let recorded: BTreeSet<&str> = journals.iter().flat_map(|it| marks(mark, it)).collect();
    let unrecorded: Vec<_> = entries.keys().filter(|it| !recorded.contains(**it)).collect();
    assert!(unrecorded.is_empty(), "ran without a record: {unrecorded:?}");
}

/// The gateway's journal and each host's say the same, once the last record is there.
fn all_agree(gateway: &Path, journals: &[PathBuf]) {
    for journal in journals {
        let end = Instant::now() + Duration::from_secs(30);
        while let Err(said) = reconciled(gateway, journal) {
            assert!(Instant::now() < end, "the journals do not agree: {said}");
            std::thread::sleep(Duration::from_millis(500));
        }
    }
}

fn nothing_is_left(mark: &str, wardens: &BTreeSet<u32>, hosts: &[Host]) {
    until("no process of a run is left", || !alive(mark));
    let left: Vec<_> = wardens.iter().flat_map(|warden| cgroups(*warden)).collect();
    assert!(left.is_empty(), "cgroups are left: {left:?}");
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    for host in hosts {
        let place = host.place().display().to_string();
        assert!(!mounts.contains(&place), "a mount is left beneath {place}");
    }
}

fn reconciled(gateway: &Path, agent: &Path) -> Result<(), String> {
    audit(&["reconcile", "--gateway"], &[gateway, "--agent".as_ref(), agent])
}

fn audit(words: &[&str], paths: &[&Path]) -> Result<(), String> {
    let output =
        Command::new(program("cofferdam")).arg("audit").args(words).args(paths).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&said).into_owned()) }
}

/// Whether a process whose name begins with the mark is there.
fn alive(mark: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|it| std::fs::read(it.path().join("cmdline")).ok());
    lines.into_iter().any(|line| line.starts_with(mark.as_bytes()))
}

/// Cgroups that a warden of this pid made.
fn cgroups(warden: u32) -> Vec<PathBuf> {
    let roots = ["", "memory", "pids", "cpu", "blkio", "unified"];
    let all = roots.map(|root| Path::new("/sys/fs/cgroup").join(root));
    let all = all.map(|root| root.join(format!("cofferdam-{warden}")));
    all.into_iter().filter(|path| path.exists()).collect()
}
