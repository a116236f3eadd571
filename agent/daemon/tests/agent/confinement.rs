//! What the agent's own process can no longer do, tried in a process of its own.

use std::fs;
use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use cofferdam_agent::ceiling::Ceilings;
use cofferdam_agent::config::Config;
use cofferdam_agent::confine::{Confinement, confine};

use crate::host::{Host, is_root};

/// Where the confined process finds its configuration.
const DIRECTORY: &str = "COFFERDAM_TEST_CONFINE";

#[test]
fn a_confined_agent_runs_nothing_reaches_nobody_and_reads_little() {
    if let Some(directory) = std::env::var_os(DIRECTORY) {
        return try_everything(directory.as_ref());
    }
    let host = Host::start();
    let name = "confinement::a_confined_agent_runs_nothing_reaches_nobody_and_reads_little";
    let mut itself = Command::new(std::env::current_exe().unwrap());
    itself.args(["--exact", name, "--nocapture", "--test-threads", "1"]);
    itself.env(DIRECTORY, host.directory.path());
    if is_root() {
        itself.uid(crate::host::AGENT).gid(crate::host::AGENT);
    }
    let output = itself.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// In the other process. The test harness has started threads already, so this
/// thread is bound by all layers and they only by seccomp.
fn try_everything(directory: &Path) {
    let config = Config::load(&directory.join("agent/agent.toml")).unwrap();
    let ceilings = Ceilings::new(config.ceiling.clone(), rustix::process::geteuid().as_raw());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let confinement = confine(&config, &ceilings).unwrap();

    // Its work is possible.
    ceilings.current().unwrap();
    fs::read_to_string(&config.signing_key).unwrap();
    fs::write(config.journal.join("probe"), "").unwrap();
    fs::remove_file(config.journal.join("probe")).unwrap();
    std::thread::spawn(|| {}).join().unwrap();

    let denied = |result: std::io::Result<()>, what: &str| {
        let kind = result.expect_err(what).kind();
        assert_eq!(kind, ErrorKind::PermissionDenied, "{what}");
    };
    denied(Command::new("/bin/true").spawn().map(drop), "start a program");
    denied(rustix::thread::set_thread_uid(rustix::process::getuid()).map_err(Into::into), "setuid");
    // No workspace is the agent's to touch, nor its own configuration to change.
    if confinement != Confinement::NoLandlock {
        denied(fs::read_dir(directory.join("work")).map(drop), "list the workspace");
        denied(fs::write(directory.join("agent/agent.toml"), ""), "change its configuration");
        denied(fs::write("/tmp/cofferdam-probe", ""), "write to /tmp");
        denied(fs::read_to_string("/etc/passwd").map(drop), "read /etc/passwd");
    }
    if confinement == Confinement::Full {
        denied(TcpStream::connect(listener.local_addr().unwrap()).map(drop), "connect");
    }
}
