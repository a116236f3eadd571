//! A gateway that goes away in the middle of a stream, and comes back.

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::Duration;

use cofferdam_tests::host::Host;
use cofferdam_tests::programs::program;

use crate::gateways::Gateway;

#[test]
fn a_gateway_that_is_killed_and_started_again_in_mid_stream_loses_and_doubles_nothing() {
    let host = Host::start();
    let mut gateway = Gateway::of(&host, "terminal");
    let line = "for i in $(seq 1 4000); do echo \"line $i\"; sleep 0.002; done; read answer; \
                echo \"heard $answer\"; exit 6";
    let mut child = Command::new(program("cofferdam"))
        .args(["run", "-i", "-H", "test", "--project", "shop", "-c", line])
        .env("COFFERDAM_URL", gateway.url())
        .env("COFFERDAM_TOKEN", gateway.token("ann"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = child.stdout.take().unwrap();
    // It runs once it prints: a gateway that is gone before is another matter.
    let mut first = [0; 1];
    stdout.read_exact(&mut first).unwrap();
    let reader = std::thread::spawn(move || {
        let mut all = String::from_utf8(first.to_vec()).unwrap();
        stdout.read_to_string(&mut all).unwrap();
        all
    });
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(1500));
        gateway.kill();
        std::thread::sleep(Duration::from_millis(700));
        gateway.start();
    }
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"yes\n").unwrap();
    let code = child.wait().unwrap().code();
    let all = reader.join().unwrap();
    let expected: String =
        (1..=4000).map(|i| format!("line {i}\n")).chain(["heard yes\n".to_owned()]).collect();
    let mut told = String::new();
    child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    assert!(all == expected, "{} of {} bytes; {told}", all.len(), expected.len());
    assert_eq!(code, Some(6), "{told}");
}
