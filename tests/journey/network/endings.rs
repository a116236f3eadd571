//! How a way out ends: with the cell that it belongs to, or with the proxy.

use std::io::Write;
use std::time::Duration;

use cofferdam_tests::dev::{Dev, until};
use cofferdam_tests::servers::Server;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::{AWAY, Net, missing};

#[test]
fn what_is_left_running_has_no_way_out_once_its_run_has_ended() {
    let test = "what_is_left_running_has_no_way_out_once_its_run_has_ended";
    if missing(test, "curl") {
        return;
    }
    let net = Net::start();
    net.files.put("/a", "there");
    let fetch = format!("curl -sS {}/a >>fetched 2>&1", net.http());
    let line =
        format!("(while sleep 0.1; do {fetch}; date >lives; done) >/dev/null 2>&1 & sleep 1");
    let left = net.run_with(&line, json!({ "background": true }));
    if left.lacks("cgroup") {
        cofferdam_tests::skip(test, "without cgroups nothing can be left running");
        return;
    }
    left.output();
    let reached = net.plain.reached();
    assert!(reached >= 3, "{reached}");
    let lives = net.dev.workspace.join("lives");
    std::fs::remove_file(&lives).unwrap();
    until("it lives on", || lives.exists());
    assert_eq!(net.plain.reached(), reached, "what is in no record goes nowhere");
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
