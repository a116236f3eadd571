//! What the running proxy is left with.

use crate::harness::{Proxy, is_root, tunnel};
use crate::servers::Dns;

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
    let (_ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_cofferdam-proxy"))
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
