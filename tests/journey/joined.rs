//! A gateway with its own authority, and hosts that joined it by `cofferdam-agent
//! enroll`: real processes on both sides, over wires that can be cut, with certificates
//! that live for seconds. What a fault at one end makes of the other end is tried here;
//! each end by itself is in its own crate.

mod clocks;
mod disks;
mod files;
mod kills;
mod renewals;
mod root;
pub(crate) mod wire;

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

use cofferdam_tests::host::{Host, Setup};
use cofferdam_tests::machine::slowness;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::gateways::{Gateway, field};
use wire::Wire;

/// A gateway and the hosts that joined it.
pub(crate) struct Joined {
    pub(crate) gateway: Gateway,
    /// The way of hosts to the authority.
    pub(crate) authority: Wire,
    pub(crate) hosts: Vec<Host>,
    /// The ways of the gateway to them.
    pub(crate) wires: Vec<Wire>,
    /// Where the gateway is.
    pub(crate) directory: TempDir,
}

/// How the authority of a test is: certificates of a day, and nobody has to approve.
pub(crate) const PLAIN: &str = "approval = \"none\"\ncertificate_seconds = 86400\n";

/// One whose certificates live so long, and old roots as long as that.
pub(crate) fn lives(seconds: u64) -> String {
    let seconds = seconds * slowness();
    format!("approval = \"none\"\ncertificate_seconds = {seconds}\noverlap_seconds = {seconds}\n")
}

/// An address that nobody listens on a moment ago.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Waits for what takes longer than a moment.
pub(crate) fn within(seconds: u64, what: &str, mut is_so: impl FnMut() -> bool) {
    let seconds = seconds * slowness();
    let end = Instant::now() + Duration::from_secs(seconds);
    while !is_so() {
        assert!(Instant::now() < end, "waited {seconds} s: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// All that a program said.
pub(crate) fn said(output: &Output) -> String {
    let both = [output.stdout.clone(), output.stderr.clone()].concat();
    String::from_utf8_lossy(&both).into_owned()
}

impl Joined {
    /// A gateway with an authority like this, that serves and knows no host.
    pub(crate) fn start(authority: &str) -> Self {
        let mut joined = Self::prepare(authority);
        let made = joined.gateway.cofferdam(&["authority", "init"]);
        assert!(made.status.success(), "{}", said(&made));
        joined.start_gateway();
        joined
    }

    /// Starts the gateway, and waits until its authority serves.
    pub(crate) fn start_gateway(&mut self) {
        self.gateway.start();
        within(20, "the authority serves", || self.authority.leads_somewhere());
    }

    /// The same without its authority's files, and not started.
    pub(crate) fn prepare(authority: &str) -> Self {
        Self::prepare_on(authority, |_| {})
    }

    /// The same, where something is done to its directory first.
    pub(crate) fn prepare_on(authority: &str, on: impl FnOnce(&Path)) -> Self {
        let directory = TempDir::new().unwrap();
        let listen = free();
        let place = directory.path().canonicalize().unwrap();
        on(&place);
        let lines = format!(
            "signing = {{ key = \"signing.key\" }}\n[authority]\nlisten = \"{listen}\"\n\
             directory = \"authority\"\n{authority}"
        );
        let gateway = Gateway::prepare(place.join("gateway"), &lines);
        let authority = Wire::to(listen);
        Self { gateway, authority, hosts: Vec::new(), wires: Vec::new(), directory }
    }

    /// Prepares a host that has not joined yet; its place in the list.
    pub(crate) fn add(&mut self, setup: Setup) -> usize {
        let setup = Setup { joins: true, listen: free(), ..setup };
        let wire = Wire::to(setup.listen);
        let host = match self.hosts.first() {
            None => Host::prepare(setup),
            Some(first) => first.prepared_beside(setup),
        };
        self.hosts.push(host);
        self.wires.push(wire);
        self.hosts.len() - 1
    }

    /// A token for it, with the workspace that it shares with the others.
    pub(crate) fn invite(&self, index: usize) -> String {
        let host = &self.hosts[index];
        let project = format!("shop={}", host.workspace("shop").display());
        let words = ["host", "invite", host.name(), "--label", "kind=real", "--project", &project];
        let invited = self.gateway.cofferdam(&words);
        assert!(invited.status.success(), "{}", said(&invited));
        String::from_utf8(invited.stdout).unwrap().trim().to_owned()
    }

    /// Has it ask to join by this token.
    pub(crate) fn enroll(&self, index: usize, token: &str, more: &[&str]) -> Output {
        let (authority, address) = (self.authority.address(), self.wires[index].address());
        self.hosts[index].enroll(&authority, token, &address).args(more).output().unwrap()
    }

    /// A host that joined and serves; its place in the list.
    pub(crate) fn join(&mut self, setup: Setup) -> usize {
        let index = self.add(setup);
        let token = self.invite(index);
        let enrolled = self.enroll(index, &token, &[]);
        assert!(enrolled.status.success(), "{}", said(&enrolled));
        self.hosts[index].start_again();
        index
    }

    /// Runs a line on a host; the answer.
    pub(crate) fn run(&self, token: &str, index: usize, line: &str) -> Value {
        let name = self.hosts[index].name();
        let arguments = json!({ "command": line, "project": "shop", "host": name });
        self.gateway.call(token, "execute_command", &arguments)
    }

    /// Whether that went well.
    pub(crate) fn works(&self, token: &str, index: usize) -> bool {
        let answer = self.run(token, index, "true");
        field(&answer, "outcome")["code"] == json!(0)
    }

    /// What the authority knows of a host.
    pub(crate) fn known(&self, index: usize) -> Value {
        let shown = self.gateway.cofferdam(&["--json", "host", "show", self.hosts[index].name()]);
        serde_json::from_slice(&shown.stdout).unwrap_or_default()
    }

    /// The gateway's journal, as text.
    pub(crate) fn journal(&self) -> String {
        let files = std::fs::read_dir(self.gateway.place.join("journal")).unwrap().flatten();
        files.map(|it| std::fs::read_to_string(it.path()).unwrap_or_default()).collect()
    }

    /// How often a step of a host is in the gateway's journal.
    pub(crate) fn steps(&self, step: &str) -> usize {
        self.journal().matches(&format!("\"step\":\"{step}\"")).count()
    }
}
