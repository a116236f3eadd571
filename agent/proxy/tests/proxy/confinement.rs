//! What the running proxy is left with.

use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use cofferdam_proxy::confine::{Confinement, confine};

use crate::dns::Dns;
use crate::harness::{NOBODY, Proxy, is_root, tunnel};

/// Where the process that confines itself may write before it does.
const CONFINED: &str = "COFFERDAM_TEST_CONFINE";

#[test]
fn a_confined_proxy_runs_nothing_opens_nothing_and_connects_to_tcp_only() {
    if let Some(directory) = std::env::var_os(CONFINED) {
        return try_everything(directory.as_ref());
    }
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let name = "confinement::a_confined_proxy_runs_nothing_opens_nothing_and_connects_to_tcp_only";
    let mut itself = Command::new(std::env::current_exe().unwrap());
    itself
        .args(["--exact", name, "--nocapture", "--test-threads", "1"])
        .env(CONFINED, directory.path());
    if is_root() {
        itself.uid(NOBODY).gid(NOBODY);
    }
    let output = itself.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// In the other process. The test harness has started threads already; this one
/// is bound by all layers.
fn try_everything(directory: &Path) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let unix = directory.join("unix");
    let _unix = UnixListener::bind(&unix).unwrap();
    let confined = confine(None, false).unwrap();

    // Its work is possible.
    TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    UdpSocket::bind("127.0.0.1:0").unwrap();
    std::fs::read_to_string("/etc/hosts").unwrap();

    let denied = |result: std::io::Result<()>, what: &str| {
        let kind = result.expect_err(what).kind();
        assert_eq!(kind, ErrorKind::PermissionDenied, "{what}");
    };
    denied(Command::new("/bin/true").spawn().map(drop), "start a program");
    denied(std::thread::Builder::new().spawn(|| {}).map(drop), "start a thread");
    denied(UnixStream::connect(&unix).map(drop), "connect to a Unix socket");
    denied(TcpListener::bind("127.0.0.1:0").map(drop), "listen");
    denied(std::fs::read_to_string("/etc/passwd").map(drop), "read /etc/passwd");
    denied(std::fs::read_dir("/tmp").map(drop), "list /tmp");
    denied(std::fs::write(directory.join("file"), ""), "write a file");
    denied(std::fs::remove_file(&unix), "remove a file");
    denied(rustix::thread::set_thread_uid(rustix::process::getuid()).map_err(Into::into), "setuid");
    denied(
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::CONT)
            .map_err(Into::into),
        "signal",
    );
    assert_ne!(confined.confinement, Confinement::NoLandlock);
    assert!(confined.connections > 0);
}

#[test]
fn the_proxy_holds_no_right_that_it_does_not_need() {
    let dns = Dns::start();
    let proxy = Proxy::start(dns.address);
    let entry = proxy.serve(&["a.test:443"]);
    assert!(tunnel(entry, "b.test:443").1.starts_with("HTTP/1.1 403"));
    assert_eq!(proxy.status("NoNewPrivs"), "1");
    assert_eq!(proxy.status("Seccomp"), "2");
    assert_eq!(proxy.status("Threads"), "1");
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(proxy.status(set), "0000000000000000", "{set}");
    }
}

#[test]
fn the_proxy_does_not_run_as_root() {
    if !is_root() {
        cofferdam_tests::skip("the_proxy_does_not_run_as_root", "needs root");
        return;
    }
    let (_ours, theirs) = UnixStream::pair().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_cofferdam-proxy"))
        .arg("--connected")
        .stdin(std::process::Stdio::from(std::os::fd::OwnedFd::from(theirs)))
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("does not run as root"));
}

#[test]
fn an_idle_proxy_is_small() {
    let dns = Dns::start();
    let proxy = Proxy::start(dns.address);
    let _served = proxy.serve(&["a.test:443"]);
    let anonymous: u64 = proxy.status("RssAnon").parse().unwrap();
    eprintln!("idle: {} KiB resident, {anonymous} KiB of its own", proxy.memory_kib());
    assert!(anonymous < 3 * 1024, "{anonymous} KiB");
}
