//! What a cell must withstand, line by line of the checklist
//! (`agent/abilities/data/checklist.toml`), through the real agent: gRPC, agent,
//! warden, cell. Each test's name says what it proves; `checklist` proves that
//! no line is without one.
//!
//! A command is tried in the ways in which it can get a cell: in a session with
//! the profile `default`, in one with `build`, and alone in a cell of its own.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod checklist;
mod crowd;
mod cves;
mod damage;
mod denials;
mod disks;
mod execution;
mod files;
mod isolation;
mod kernel;
mod loopback;
mod network;
mod oversized;
mod probes;
mod processes;
mod protected;
mod proxied;
mod setup;
mod signals;
mod upgrades;
mod workspaces;

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};

use cofferdam_tests::caller::Caller;
use cofferdam_tests::host::Host;

/// A host, and a caller with a workspace of its own there.
struct Bench {
    host: Arc<Host>,
    caller: Caller,
}

impl Bench {
    /// On the host that tests share.
    fn new(name: &str) -> Self {
        Self::on(shared_host(), name)
    }

    fn on(host: impl Into<Arc<Host>>, name: &str) -> Self {
        let host = host.into();
        let caller = Caller::of(&host, name);
        Self { host, caller }
    }

    /// The workspace, as the host sees it.
    fn path(&self, name: &str) -> PathBuf {
        self.caller.workspace().join(name)
    }

    /// Every way in which a command gets a cell, each with a workspace of its own.
    fn ways(&self) -> [(&'static str, Caller); 3] {
        let at = |name: &str| {
            let workspace = self.host.workspace(&format!("{}-{name}", self.caller.user));
            self.caller.clone().at(&workspace)
        };
        [
            ("in a session", at("session")),
            ("in a session that builds", at("build").profile("build")),
            ("alone", at("alone").one_shot()),
        ]
    }
}

/// One host for all tests that need no other. It ends with this process, and
/// somebody else then takes its files away.
fn shared_host() -> Arc<Host> {
    static SHARED: OnceLock<(Arc<Host>, Child)> = OnceLock::new();
    let (host, _) = SHARED.get_or_init(|| {
        let host = Host::start();
        let script = "cat >/dev/null; while [ -d /proc/$1 ]; do sleep 0.1; done; rm -rf \"$2\"";
        let janitor = Command::new("/bin/sh")
            .args(["-c", script, "sh", &host.agent_pid().to_string()])
            .arg(host.place())
            .stdin(Stdio::piped())
            .spawn();
        (Arc::new(host), janitor.expect("a shell"))
    });
    Arc::clone(host)
}

/// Whether a process with this among its arguments lives on the host.
fn lives(argument: &str) -> bool {
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        std::fs::read(entry.path().join("cmdline"))
            .is_ok_and(|line| line.split(|&byte| byte == 0).any(|word| word == argument.as_bytes()))
    })
}

/// A number that no other test uses, for a `sleep` that can be found.
fn marker() -> String {
    static LAST: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = LAST.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    format!("{}.{number}", 100_000 + std::process::id())
}
