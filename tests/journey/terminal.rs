//! The person's terminal: `shell`, `run`, `attach`, `logs`, `ps`, `top`, on a real
//! pseudo-terminal and in pipes, through a real gateway and host.

mod broken;
mod pipes;
mod seat;

use std::time::{Duration, Instant};

use cofferdam_tests::dev::{Dev, until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::content;
use seat::Seat;

fn host_of(dev: &Dev) -> String {
    let hosts = dev.tool("list_hosts", &json!({}));
    content(&hosts)["hosts"][0]["name"].as_str().unwrap().to_owned()
}

/// The newest run of a command that has this in it, as `ps --all --json` tells it.
fn newest(dev: &Dev, command: &str) -> Value {
    let listed = dev.cofferdam(&["ps", "--all", "--json"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    let mut all = listed["processes"].as_array().unwrap().iter();
    all.find(|run| run["command"].as_str().unwrap().contains(command)).unwrap().clone()
}

#[test]
fn a_shell_is_typed_into_resized_interrupted_left_and_joined_again() {
    let dev = Dev::start();
    let host = host_of(&dev);
    let mut seat = Seat::take(&dev, &["shell", &host]);
    seat.see(&format!("bash on {host}, by rule `dev-run`"));
    seat.see("$ ");
    seat.press("echo size-$(stty size)\r");
    seat.see("size-30 100");
    assert!(seat.is_raw());
    seat.resize(40, 120);
    // The host hears of it in its own time.
    let deadline = Instant::now() + Duration::from_secs(20);
    while !seat.seen().contains("size-40 120") {
        assert!(Instant::now() < deadline, "{:?}", seat.seen());
        seat.press("echo size-$(stty size)\r");
        std::thread::sleep(Duration::from_millis(300));
    }
    seat.press("echo begun-$((40+1)); sleep 300\r");
    seat.see("begun-41");
    seat.press("\x03");
    seat.press("echo back-$((40+2))\r");
    seat.see("back-42");
    seat.press("~?");
    seat.see("~.   leave");
    seat.press("~.");
    let left = seat.see("it goes on");
    assert!(left.contains("left "), "{left:?}");
    assert_eq!(seat.leave(), 0);

    let run = newest(&dev, "bash");
    assert_eq!((&run["state"], &run["terminal"]["columns"]), (&json!("running"), &json!(120)));
    let short = &run["process"].as_str().unwrap().rsplit_once('/').unwrap().1[..8];
    let mut seat = Seat::take(&dev, &["attach", short, "--tail", "3"]);
    seat.press("echo again-$((1+1))-$(stty size)\r");
    seat.see("again-2-30 100");
    assert!(!seat.seen().contains("size-30"), "only the last lines: {:?}", seat.seen());
    seat.press("exit 7\r");
    assert_eq!(seat.leave(), 7);
}

#[test]
fn a_terminal_is_set_back_when_this_program_is_told_to_end_and_the_run_goes_on() {
    let dev = Dev::start();
    let mut seat = Seat::take(&dev, &["run", "-t", "--", "cat"]);
    until("the terminal is raw", || seat.is_raw());
    seat.press("hello\r");
    // Once as it is typed, once as `cat` has it.
    seat.see("hello");
    seat.see("hello");
    // A program that switched modes of the terminal is still there.
    seat.press("\x1b[?1049h\x1b[?25l\r");
    seat.see("\u{1b}[?25l");
    // Nobody else leads its session: it is the program itself.
    kill_process(Pid::from_child(&seat.process), Signal::TERM).unwrap();
    assert_eq!(seat.leave(), 143);
    assert!(
        seat.seen().contains("\u{1b}[?25h\u{1b}[?1049l"),
        "modes are undone: {:?}",
        seat.seen()
    );
    let run = newest(&dev, "cat");
    assert_eq!(run["state"], "running");
    let handle = run["process"].as_str().unwrap().to_owned();
    let mut seat = Seat::take(&dev, &["attach", &handle]);
    seat.see("hello");
    seat.press("\r~k");
    assert_eq!(seat.leave(), 137);
}

#[test]
fn a_screen_of_runs_shows_what_goes_on_ends_one_and_leaves_the_terminal_as_it_was() {
    let dev = Dev::start();
    let line = "while :; do :; done # \u{1b}[2J\u{1b}]0;owned\u{7}";
    let spinning =
        dev.tool("start_process", &json!({ "program": "bash", "arguments": ["-c", line] }));
    let handle = content(&spinning)["process"].as_str().unwrap().to_owned();
    let mut seat = Seat::take(&dev, &["top", "--every", "1"]);
    seat.see("\u{1b}[?1049h");
    seat.see("1 running");
    // How busy it is, is known from the second look on, where runs have cgroups.
    let deadline = Instant::now() + Duration::from_secs(20);
    while rustix::process::geteuid().is_root() {
        let shown = seat.see("of memory");
        let busy = shown.rsplit(", ").find_map(|part| part.split('%').next()?.parse::<u64>().ok());
        if busy.is_some_and(|busy| busy > 20) {
            break;
        }
        assert!(Instant::now() < deadline, "not busy: {:?}", seat.seen());
    }
    seat.see("while :; do :; done #");
    assert!(!seat.seen().contains("\u{1b}]0;owned"));
    seat.press("k");
    seat.see(&format!("end {handle}?"));
    seat.press("n");
    seat.press("k");
    seat.see(&format!("end {handle}?"));
    seat.press("K");
    seat.see("0 running");
    assert_eq!(newest(&dev, "while")["outcome"]["kind"], "cancelled");
    seat.press("q");
    assert_eq!(seat.leave(), 0);
    assert!(seat.seen().trim_end().ends_with("\u{1b}[?1049l"), "{:?}", seat.seen());
}
