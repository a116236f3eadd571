//! `run`, `attach`, `logs` and `ps` where nobody sits at a terminal.

use std::io::{Read, Write};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use cofferdam_tests::dev::{Dev, until};
use cofferdam_tests::programs::program;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::newest;
use crate::content;

fn command(dev: &Dev, arguments: &[&str]) -> Command {
    let mut command = Command::new(program("cofferdam"));
    command
        .args(arguments)
        .env("COFFERDAM_URL", dev.told("mcp_url"))
        .env("COFFERDAM_TOKEN", dev.told("token"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn run_line(dev: &Dev, line: &str) -> Output {
    command(dev, &["run", "-c", line]).output().unwrap()
}

/// With this input.
fn fed(dev: &Dev, arguments: &[&str], input: &[u8]) -> Output {
    let mut child = command(dev, arguments).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

#[test]
fn the_exit_code_says_how_a_run_ended() {
    let dev = Dev::start();
    for (line, code, said) in [
        ("exit 0", 0, ""),
        ("exit 3", 3, ""),
        ("kill -SEGV $$", 139, "ended by signal 11"),
        ("kill -TERM $$", 143, "ended by signal 15"),
        ("no-such-program-at-all", 127, ""),
    ] {
        let done = run_line(&dev, line);
        let told = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(code), "{line}: {told}");
        assert!(told.contains(said), "{line}: {told}");
    }
    let late = command(&dev, &["run", "--timeout", "1", "--", "sleep", "60"]).output().unwrap();
    assert_eq!(late.status.code(), Some(124), "{late:?}");
    assert!(String::from_utf8_lossy(&late.stderr).contains("timed out"), "{late:?}");
    let missing = command(&dev, &["run", "--", "no-such-program-at-all"]).output().unwrap();
    assert_eq!(missing.status.code(), Some(126), "{missing:?}");
    let nobody = command(&dev, &["run", "--", "true"])
        .env("COFFERDAM_URL", "http://127.0.0.1:1/mcp")
        .output()
        .unwrap();
    assert_eq!(nobody.status.code(), Some(125), "{nobody:?}");
    let nowhere = command(&dev, &["run", "-H", "nowhere", "--", "true"]).output().unwrap();
    assert_eq!(nowhere.status.code(), Some(125), "{nowhere:?}");
}

#[test]
fn output_error_and_input_pass_as_they_are() {
    let dev = Dev::start();
    let both = run_line(&dev, "echo out; echo err >&2");
    assert_eq!((both.stdout.as_slice(), both.stderr.as_slice()), (&b"out\n"[..], &b"err\n"[..]));
    let bytes: Vec<u8> =
        (0..300_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for (input, what) in [(&b"text"[..], "text"), (&bytes, "bytes"), (b"", "nothing")] {
        let same = fed(&dev, &["run", "--", "cat"], input);
        assert_eq!(same.status.code(), Some(0), "{what}: {:?}", same.stderr);
        assert!(same.stdout == input, "{what}: {} of {}", same.stdout.len(), input.len());
    }
}

#[test]
fn a_run_that_prints_more_than_its_host_keeps_loses_nothing_to_who_reads_on() {
    const BYTES: usize = 12 * 1024 * 1024;
    let dev = Dev::start();
    // What is printed in the moment before its first reader comes may be a gap.
    let line = format!("sleep 1; head -c {BYTES} /dev/zero | tr '\\0' x");
    let all = run_line(&dev, &line);
    let told = String::from_utf8_lossy(&all.stderr).into_owned();
    assert_eq!((all.status.code(), all.stdout.len(), told.as_str()), (Some(0), BYTES, ""));
    // A reader that goes away ends it.
    let mut child = command(&dev, &["run", "--", "yes"]).spawn().unwrap();
    let mut some = [0; 64];
    child.stdout.take().unwrap().read_exact(&mut some).unwrap();
    let code = child.wait().unwrap().code();
    assert_eq!(code, Some(141));
    until("it has ended", || newest(&dev, "yes")["state"] == "ended");
}

#[test]
fn signals_reach_the_run_and_a_second_one_kills_it() {
    let dev = Dev::start();
    let started = |line: &str| {
        let mut child = command(&dev, &["run", "-c", line]).spawn().unwrap();
        let mut ready = [0; 6];
        child.stdout.as_mut().unwrap().read_exact(&mut ready).unwrap();
        child
    };
    let mut child = started("echo ready; exec sleep 300");
    signal(&child, Signal::INT);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let mut child = started("trap '' INT; echo ready; sleep 300");
    signal(&child, Signal::INT);
    let mut told = String::new();
    let mut stderr = std::io::BufReader::new(child.stderr.take().unwrap());
    std::io::BufRead::read_line(&mut stderr, &mut told).unwrap();
    assert!(told.contains("once more kills it"), "{told}");
    signal(&child, Signal::INT);
    assert_eq!(child.wait().unwrap().code(), Some(137));
    let mut child = started("echo ready; exec sleep 300");
    signal(&child, Signal::TERM);
    assert_eq!(child.wait().unwrap().code(), Some(143));
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

#[test]
fn what_was_left_running_is_listed_read_followed_and_joined() {
    let dev = Dev::start();
    let line = "echo begun; for i in 1 2 3; do echo \"error $i\"; echo fine; sleep 1; done; exit 4";
    let left = command(&dev, &["run", "-d", "-c", line]).output().unwrap();
    let handle = String::from_utf8(left.stdout).unwrap().trim().to_owned();
    let listed = command(&dev, &["ps"]).output().unwrap();
    let table = String::from_utf8(listed.stdout).unwrap();
    let (host, id) = handle.rsplit_once('/').unwrap();
    assert!(table.contains(&format!("{host}/{}", &id[..8])), "{table}");
    let follow = command(&dev, &["logs", "-f", "--grep", "^error", &id[..8]]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&follow.stdout), "error 1\nerror 2\nerror 3\n");
    let tail = command(&dev, &["logs", "--tail", "2", &handle]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&tail.stdout), "error 3\nfine\n");
    let since = command(&dev, &["logs", "--raw", "--since", "6", &handle]).output().unwrap();
    assert!(String::from_utf8_lossy(&since.stdout).starts_with("error 1\nfine\n"));
    let joined = command(&dev, &["attach", &handle]).output().unwrap();
    assert_eq!(joined.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&joined.stdout).starts_with("begun\nerror 1\n"));
    let unknown = command(&dev, &["attach", "ffffffff-nothing"]).output().unwrap();
    assert_eq!(unknown.status.code(), Some(125));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("cofferdam ps --all"));
}

#[test]
fn scripts_get_one_document_on_a_line() {
    let dev = Dev::start();
    let done = command(&dev, &["run", "--json", "-c", "echo a; exit 5"]).output().unwrap();
    assert_eq!(done.status.code(), Some(5));
    let text = String::from_utf8(done.stdout).unwrap();
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events[0]["event"], "started");
    assert_eq!((&events[1]["stream"], &events[1]["text"]), (&json!("stdout"), &json!("a\n")));
    assert_eq!((&events[2]["event"], &events[2]["outcome"]["code"]), (&json!("ended"), &json!(5)));
    let handle = events[0]["process"].as_str().unwrap();
    let logs = command(&dev, &["logs", "--json", handle]).output().unwrap();
    let first: Value =
        serde_json::from_str(String::from_utf8(logs.stdout).unwrap().lines().next().unwrap())
            .unwrap();
    assert_eq!(first["text"], "a\n");
    let top = command(&dev, &["top", "--once", "--json", "--all"]).output().unwrap();
    let top: Value = serde_json::from_slice(&top.stdout).unwrap();
    let mut all = top["processes"].as_array().unwrap().iter();
    assert!(all.any(|run| run["process"] == handle), "{top}");
}

#[test]
fn what_a_hostile_run_says_acts_on_no_table_and_no_log() {
    let dev = Dev::start();
    let name = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{202e}\nfake";
    let arguments = json!({ "program": "printf", "arguments": ["%s\\n", name] });
    content(&dev.tool("start_process", &arguments));
    let handle = newest(&dev, "printf")["process"].as_str().unwrap().to_owned();
    for arguments in [
        &["ps", "--all", "--color", "never"][..],
        &["top", "--once", "--all", "--color", "never"],
        &["logs", &handle],
    ] {
        let shown = command(&dev, arguments).output().unwrap();
        let shown = String::from_utf8(shown.stdout).unwrap();
        assert!(!shown.contains('\u{1b}') && !shown.contains('\u{202e}'), "{shown:?}");
        assert!(shown.contains("fake"), "{shown:?}");
    }
    let raw = command(&dev, &["logs", "--raw", &handle]).output().unwrap();
    assert_eq!(raw.stdout, format!("{name}\n").as_bytes());
}

#[test]
fn a_session_carries_host_and_directory_and_lists_its_own_runs_only() {
    let dev = Dev::start();
    std::fs::create_dir(dev.workspace.join("sub")).unwrap();
    let opened = dev.tool("open_session", &json!({ "working_directory": "sub" }));
    let session = content(&opened)["session"].as_str().unwrap().to_owned();
    let there = command(&dev, &["run", "--session", &session, "--", "pwd"]).output().unwrap();
    assert!(String::from_utf8_lossy(&there.stdout).trim().ends_with("/sub"), "{there:?}");
    run_line(&dev, "true");
    let count = |arguments: &[&str]| {
        let listed = command(&dev, arguments).output().unwrap();
        let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
        listed["processes"].as_array().unwrap().len()
    };
    assert!(count(&["ps", "--all", "--json"]) >= 2);
    assert_eq!(count(&["ps", "--all", "--json", "--session", &session]), 1);
}

#[test]
fn a_key_comes_back_soon() {
    // Not a promise: what is measured is printed, and only what is unusable fails.
    let dev = Dev::start();
    let mut child =
        command(&dev, &["run", "-i", "--", "cat"]).stdin(Stdio::piped()).spawn().unwrap();
    let (mut input, mut output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut took = Vec::new();
    for round in 0..40 {
        let began = Instant::now();
        input.write_all(b"k").unwrap();
        output.read_exact(&mut [0]).unwrap();
        if round > 4 {
            took.push(began.elapsed());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    took.sort();
    let median = took[took.len() / 2];
    println!("from a key to its echo: median {median:?}, slowest {:?}", took[took.len() - 1]);
    assert!(median < Duration::from_secs(1), "{median:?}");
    drop(input);
    assert!(child.wait().unwrap().success());
}
