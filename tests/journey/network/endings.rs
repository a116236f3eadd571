//! How a way out ends: with the cell that it belongs to, or with the proxy.

use std::io::Write;
use std::time::Duration;

use cofferdam_tests::dev::{Dev, until};
use cofferdam_tests::servers::Server;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::{AWAY, Net, missing};

#[test]
fn what_is_left_running_keeps_its_way_out_until_its_cell_ends() {
    let test = "what_is_left_running_keeps_its_way_out_until_its_cell_ends";
    if missing(test, "curl") {
        return;
    }
    let mut net = Net::start();
    net.files.put("/a", "there");
    let fetch = format!("curl -sS {}/a >>fetched 2>&1", net.http());
    let line = format!("while sleep 0.2; do {fetch}; done >/dev/null 2>&1 &");
    let left = net.run_with(&line, json!({ "background": true }));
    left.output();
    if left.lacks("cgroup") {
        cofferdam_tests::skip(test, "without cgroups nothing can be left running");
        return;
    }
    let before = net.plain.reached();
    until("it goes on fetching", || net.plain.reached() >= before + 3);
    // Other runs of the session come and go.
    net.run("true").output();
    let before = net.plain.reached();
    until("it still goes on", || net.plain.reached() >= before + 3);
    let fetched = std::fs::read_to_string(net.dev.workspace.join("fetched")).unwrap();
    assert!(fetched.replace("there", "").is_empty(), "{fetched}");
    net.dev.end(libc::SIGTERM);
    let after = net.plain.reached();
    std::thread::sleep(Duration::from_millis(600));
    assert_eq!(net.plain.reached(), after);
}

#[test]
fn when_the_proxy_dies_the_download_fails_and_the_next_call_says_why() {
    if missing("when_the_proxy_dies_the_download_fails_and_the_next_call_says_why", "curl") {
        return;
    }
    let endless = Server::start_at(AWAY, |mut stream| {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n";
        let mut sent = stream.write_all(head);
        while sent.is_ok() {
            std::thread::sleep(Duration::from_millis(10));
            sent = stream.write_all(b"more\n");
        }
    });
    let mut net = Net::start_with(&[endless.address.to_string()]);
    let proxy = child(&net.dev, "cofferdam-proxy");
    // Stopped, `dev` cannot end everything because one program is gone.
    let dev = Pid::from_raw(net.dev.pid().cast_signed()).unwrap();
    let line = format!("curl -sS -o /dev/null http://{}/", endless.address);
    let (broken, following) = std::thread::scope(|scope| {
        let download = scope.spawn(|| net.run(&line));
        until("the download has begun", || endless.reached() == 1);
        kill_process(dev, Signal::STOP).unwrap();
        kill_process(proxy, Signal::KILL).unwrap();
        let broken = download.join().unwrap();
        let following = net.run("true");
        kill_process(dev, Signal::CONT).unwrap();
        (broken, following)
    });
    assert!(broken.failure().contains("curl: ("), "{:#}", broken.0);
    assert_eq!(following.0["outcome"]["kind"], "failed_to_start", "{:#}", following.0);
    let why = following.0["outcome"]["detail"].as_str().unwrap();
    assert!(why.contains("the proxy is gone"), "{why}");
    // `dev` does not go on without it.
    assert!(net.dev.wait().is_some_and(|code| code != 0));
}

/// A program that `dev` started.
fn child(dev: &Dev, name: &str) -> Pid {
    let children = dev.children();
    let (pid, _) = children.iter().find(|(_, its)| name.starts_with(its)).expect("it runs");
    Pid::from_raw(pid.cast_signed()).unwrap()
}
