//! Processes that are talked to while they run, through a real client's requests:
//! what goes on when a call's time is over, what is typed, read, searched, ended.

use std::time::{Duration, Instant};

use cofferdam_tests::dev::Dev;
use serde_json::{Value, json};

use crate::{content, refusal, text};

/// Starts a process and gives its handle.
fn start(dev: &Dev, arguments: &Value) -> String {
    let answer = dev.tool("start_process", arguments);
    let started = content(&answer);
    assert_eq!(started["outcome"]["kind"], "running", "{answer:#}");
    started["process"].as_str().unwrap().to_owned()
}

fn read(dev: &Dev, process: &str, more: &Value) -> Value {
    let mut arguments = json!({ "process": process });
    for (key, value) in more.as_object().unwrap() {
        arguments[key] = value.clone();
    }
    let answer = dev.tool("read_process", &arguments);
    content(&answer).clone()
}

fn press(dev: &Dev, process: &str, text: &str, keys: &[&str]) {
    let arguments = json!({ "process": process, "text": text, "keys": keys });
    content(&dev.tool("write_process", &arguments));
}

#[test]
fn a_command_that_takes_longer_than_its_caller_waits_goes_on_and_is_read_to_its_end() {
    let dev = Dev::start();
    let began = Instant::now();
    let arguments = json!({
        "command": "echo begun; sleep 4; echo done; exit 3", "wait_seconds": 1,
    });
    let answer = dev.tool("execute_command", &arguments);
    assert!(began.elapsed() < Duration::from_millis(3500), "{:?}", began.elapsed());
    let result = content(&answer);
    assert_eq!(
        (&result["outcome"]["kind"], &result["stdout"]),
        (&json!("running"), &json!("begun\n"))
    );
    let process = result["process"].as_str().unwrap().to_owned();
    for said in [text(&answer), result["read_on"].as_str().unwrap().to_owned()] {
        assert!(said.contains("read_process") && said.contains(&process), "{said}");
    }
    // What was shown is not shown again, and nothing is missing.
    let next = read(&dev, &process, &json!({ "stdout_offset": 6, "until": "end" }));
    assert_eq!((&next["stdout"], &next["state"]), (&json!("done\n"), &json!("ended")), "{next:#}");
    assert_eq!(next["outcome"], json!({ "kind": "exited", "code": 3 }), "{next:#}");
    assert_eq!(read(&dev, &process, &json!({}))["stdout"], "begun\ndone\n");
    // Its end is in both journals, with the host's receipt.
    let (gateway, agent) = (dev.state().join("gateway/journal"), dev.state().join("agent/journal"));
    cofferdam_tests::dev::until("the journals agree", || {
        let agree = dev.cofferdam(&[
            "audit",
            "reconcile",
            "--gateway",
            gateway.to_str().unwrap(),
            "--agent",
            agent.to_str().unwrap(),
        ]);
        agree.status.success()
    });
}

#[test]
fn what_was_left_out_of_a_long_output_is_paged_searched_and_cut() {
    let dev = Dev::start();
    let line = "for i in $(seq 1 20000); do echo \"line $i of many\"; done";
    let answer = dev.tool("execute_command", &json!({ "command": line }));
    let result = content(&answer);
    assert!(result["truncated"]["stdout_omitted_bytes"].as_u64().unwrap() > 100_000);
    let process = result["process"].as_str().unwrap().to_owned();
    let found = read(&dev, &process, &json!({ "grep": "line 1234[0-9] ", "context": 1 }));
    let lines: Vec<&str> = found["stdout"].as_str().unwrap().lines().collect();
    assert_eq!((lines.len(), lines[0]), (12, "line 12339 of many"), "{found:#}");
    let last = read(&dev, &process, &json!({ "tail": 2 }));
    assert_eq!(last["stdout"], "line 19999 of many\nline 20000 of many\n");
    // Page by page every line comes once.
    let (mut offset, mut next) = (0, 1);
    loop {
        let page = read(&dev, &process, &json!({ "stdout_offset": offset, "stream": "stdout" }));
        for line in page["stdout"].as_str().unwrap().lines() {
            assert_eq!(line, format!("line {next} of many"));
            next += 1;
        }
        offset = page["next_stdout_offset"].as_u64().unwrap();
        if page["more"] == false {
            break;
        }
    }
    assert_eq!((next, offset), (20_001, result["stdout_bytes"].as_u64().unwrap()));
}

#[test]
fn an_interpreter_on_a_terminal_is_talked_to_interrupted_and_ended() {
    let dev = Dev::start();
    let arguments = json!({
        "program": "python3", "arguments": ["-q"], "terminal": { "rows": 30, "columns": 100 },
    });
    let process = start(&dev, &arguments);
    let prompt = json!({ "pattern": "^>>> $", "wait_seconds": 30 });
    assert_eq!(read(&dev, &process, &prompt)["matched"], ">>> ");
    press(&dev, &process, "import os; print('size', os.get_terminal_size())", &["enter"]);
    let sized = read(&dev, &process, &json!({ "pattern": "^size.*100.*30" }));
    assert!(sized["matched"].is_string() && !text_of(&sized).contains('\u{1b}'), "{sized:#}");
    let resize = json!({ "process": process, "rows": 40, "columns": 120 });
    assert_eq!(content(&dev.tool("resize_process", &resize))["terminal"]["columns"], 120);
    let at = sized["next_stdout_offset"].clone();
    press(&dev, &process, "print('size', os.get_terminal_size())", &["enter"]);
    let resized =
        read(&dev, &process, &json!({ "stdout_offset": at, "pattern": "^size.*120.*40" }));
    assert!(resized["matched"].is_string(), "{resized:#}");
    press(&dev, &process, "import time; time.sleep(300)", &["enter"]);
    std::thread::sleep(Duration::from_millis(300));
    press(&dev, &process, "", &["ctrl-c"]);
    let at = resized["next_stdout_offset"].clone();
    let stopped =
        read(&dev, &process, &json!({ "stdout_offset": at, "pattern": "KeyboardInterrupt" }));
    assert!(stopped["matched"].is_string(), "{stopped:#}");
    let raw = read(&dev, &process, &json!({ "ansi": true }));
    assert!(text_of(&raw).contains('\u{1b}') || text_of(&raw).contains('\r'), "{raw:#}");
    content(&dev.tool("write_process", &json!({ "process": process, "end": true })));
    let ended = content(&dev.tool("wait_process", &json!({ "process": process }))).clone();
    // How Python ends after an interrupt is its own matter.
    assert_eq!(ended["state"], "ended", "{ended:#}");
    assert!(text_of(&ended).contains("KeyboardInterrupt"), "{ended:#}");
}

fn text_of(read: &Value) -> &str {
    read["stdout"].as_str().unwrap()
}

#[test]
fn a_filter_reads_what_is_written_and_ends_with_its_input() {
    let dev = Dev::start();
    let process = start(&dev, &json!({ "command": "cat -v; echo over", "stdin_open": true }));
    let bytes = json!({ "process": process, "base64": "YQFiCg==", "offset": 0 });
    let first = content(&dev.tool("write_process", &bytes)).clone();
    assert_eq!((&first["written"], &first["next_offset"]), (&json!(4), &json!(4)));
    // The same again, as after an answer that got lost, is not written twice.
    assert_eq!(content(&dev.tool("write_process", &bytes))["next_offset"], 4);
    content(&dev.tool("write_process", &json!({ "process": process, "text": "c\n", "end": true })));
    let all = read(&dev, &process, &json!({ "until": "end" }));
    assert_eq!(all["stdout"], "a^Ab\nc\nover\n", "{all:#}");
    let late = dev.tool("write_process", &json!({ "process": process, "text": "d" }));
    assert!(refusal(&late).contains("end of its input"), "{late:#}");
    let journal = dev.state().join("gateway/journal");
    let shown = dev.cofferdam(&["audit", "show", "--json", journal.to_str().unwrap()]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(
        shown.contains("write_process") && !shown.contains("YQFiCg"),
        "what is typed is recorded"
    );
}

#[test]
fn a_server_is_awaited_by_what_it_says_and_ended_with_its_tree() {
    let dev = Dev::start();
    let line = "echo starting; sleep 2; echo 'listening on 7'; (sleep 300; touch survived) & wait";
    let process = start(&dev, &json!({ "command": line, "wait_seconds": 0 }));
    let began = Instant::now();
    let ready = read(&dev, &process, &json!({ "pattern": r"listening on \d+" }));
    assert_eq!(ready["matched"], "listening on 7", "{ready:#}");
    assert!(began.elapsed() < Duration::from_secs(15));
    let quiet = json!({ "stdout_offset": ready["next_stdout_offset"], "wait_seconds": 1 });
    let nothing = read(&dev, &process, &quiet);
    assert_eq!((&nothing["stdout"], &nothing["more"]), (&json!(""), &json!(true)), "{nothing:#}");
    let listed = dev.tool("list_processes", &json!({ "state": "running" }));
    let processes = content(&listed)["processes"].as_array().unwrap();
    assert_eq!((processes.len(), &processes[0]["process"]), (1, &json!(process)), "{listed:#}");
    content(&dev.tool("signal_process", &json!({ "process": process, "signal": "SIGKILL" })));
    let ended = content(&dev.tool("wait_process", &json!({ "process": process }))).clone();
    assert_eq!(ended["outcome"]["kind"], "cancelled", "{ended:#}");
    let again = dev.tool("signal_process", &json!({ "process": process, "signal": "TERM" }));
    assert!(refusal(&again).contains("it has ended"), "{again:#}");
    let listed = dev.tool("list_processes", &json!({ "state": "ended" }));
    let is_it = |it: &Value| it["process"] == json!(process);
    assert!(content(&listed)["processes"].as_array().unwrap().iter().any(is_it), "{listed:#}");
}

#[test]
fn a_process_that_there_is_not_is_answered_alike_whatever_the_handle_says() {
    let dev = Dev::start();
    let process = start(&dev, &json!({ "command": "sleep 60" }));
    let (host, run) = process.split_once('/').unwrap();
    let others = [
        format!("{host}/00000000-0000-4000-8000-000000000000"),
        format!("elsewhere/{run}"),
        format!("{host}/nothing"),
        "nothing".to_owned(),
    ];
    for handle in others {
        for (tool, more) in [
            ("read_process", json!({})),
            ("wait_process", json!({})),
            ("write_process", json!({ "text": "x" })),
            ("signal_process", json!({ "signal": "TERM" })),
            ("resize_process", json!({ "rows": 1, "columns": 1 })),
        ] {
            let mut arguments = more;
            arguments["process"] = json!(handle);
            let answer = dev.tool(tool, &arguments);
            let error = &answer["result"]["structuredContent"]["error"];
            assert_eq!(error["reason"], "UNKNOWN_PROCESS", "{tool}: {answer:#}");
            let said = error["message"].as_str().unwrap().replace(&handle, "");
            assert!(said.starts_with("you have no process ``"), "{said}");
        }
    }
    let stdin = dev.tool("write_process", &json!({ "process": process, "text": "x" }));
    assert!(refusal(&stdin).contains("without open standard input"), "{stdin:#}");
}

#[test]
fn what_nobody_follows_is_read_later_and_its_end_is_seen_to() {
    let dev = Dev::start();
    let process =
        start(&dev, &json!({ "command": "for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 1; done" }));
    let first = read(&dev, &process, &json!({}));
    assert!(text_of(&first).starts_with("1\n"), "{first:#}");
    // Its end is seen to, though nobody reads.
    let ended = content(&dev.tool("wait_process", &json!({ "process": process }))).clone();
    assert_eq!(ended["outcome"], json!({ "kind": "exited", "code": 0 }), "{ended:#}");
    let rest = json!({ "stdout_offset": first["next_stdout_offset"] });
    let rest = read(&dev, &process, &rest);
    assert_eq!(format!("{}{}", text_of(&first), text_of(&rest)), "1\n2\n3\n4\n5\n6\n7\n8\n");
}
