//! Bad input gets a clear error that says what is wrong, is recorded, and harms
//! nothing.

use std::time::{Duration, Instant};

use cofferdam_tests::dev::{Dev, until};
use serde_json::{Value, json};

use crate::{content, refusal, text};

/// Tool, arguments, and a word that the error must have.
fn table() -> Vec<(&'static str, Value, &'static str)> {
    vec![
        ("execute_command", json!({}), "program"),
        ("execute_command", json!({ "command": "" }), "empty"),
        ("execute_command", json!({ "program": "" }), "empty"),
        ("execute_command", json!({ "program": "a\u{0}b" }), "NUL"),
        ("execute_command", json!({ "program": "true", "arguments": ["x\u{0}"] }), "NUL"),
        ("execute_command", json!({ "program": "true", "command": "true" }), "both"),
        ("execute_command", json!({ "program": "true", "timeout_seconds": 0 }), "timeout"),
        (
            "execute_command",
            json!({ "program": "true", "timeout_seconds": 1_000_000_000 }),
            "timeout",
        ),
        ("execute_command", json!({ "program": "true", "host": "nowhere" }), "nowhere"),
        ("execute_command", json!({ "program": "true", "working_directory": "/etc" }), "workspace"),
        (
            "execute_command",
            json!({ "program": "true", "working_directory": "../.." }),
            "workspace",
        ),
        (
            "execute_command",
            json!({ "program": "true", "environment": { "LD_PRELOAD": "x" } }),
            "LD_PRELOAD",
        ),
        ("execute_command", json!({ "program": "true", "surprise": 1 }), "surprise"),
        ("execute_command", json!({ "program": 7 }), "program"),
        ("execute_command", json!({ "program": "true", "arguments": "not a list" }), "arguments"),
        ("read_file", json!({ "path": "" }), "path"),
        ("read_file", json!({ "path": "/etc/shadow" }), "workspace"),
        ("read_file", json!({ "path": "../../etc/passwd" }), "workspace"),
        ("read_file", json!({ "path": "missing" }), "missing"),
        ("read_file", json!({ "path": "." }), "directory"),
        ("write_file", json!({ "path": "/usr/x", "content": "" }), "workspace"),
        ("write_file", json!({ "path": "no/such/dir", "content": "" }), "no/such"),
        ("list_directory", json!({ "path": "missing" }), "missing"),
        ("search_files", json!({ "path": ".", "content": "(" }), "("),
        ("check_command_exists", json!({ "program": "" }), "program"),
    ]
}

#[test]
fn every_bad_input_is_refused_in_words_and_recorded() {
    let dev = Dev::start();
    for (tool, arguments, word) in table() {
        let answer = dev.tool(tool, &arguments);
        let words = refusal(&answer);
        let about = words.to_lowercase().contains(&word.to_lowercase());
        assert!(about, "{tool} {arguments}: no «{word}» in {words}");
    }
    let journal = dev.state().join("gateway/journal");
    // A refusal is answered at once; its record may come a moment later.
    until("each refusal is recorded", || {
        let shown = dev.cofferdam(&["audit", "show", "--json", journal.to_str().unwrap()]);
        let shown = String::from_utf8(shown.stdout).unwrap();
        let is_refusal = |line: &&str| {
            line.contains("\"denial\"") || line.contains("\"failure\"") || line.contains("failed")
        };
        shown.lines().filter(is_refusal).count() >= table().len()
    });
}

#[test]
fn a_missing_program_and_a_directory_as_a_program_are_outcomes_with_their_step() {
    let dev = Dev::start();
    for program in ["no-such-program", "/usr/bin"] {
        let answer = dev.tool("execute_command", &json!({ "program": program }));
        let outcome = &answer["result"]["structuredContent"]["outcome"];
        assert_eq!(outcome["kind"], "failed_to_start", "{answer:#}");
        assert!(text(&answer).contains(program), "{answer:#}");
    }
}

#[test]
fn malformed_json_and_unknown_tools_are_protocol_errors() {
    let dev = Dev::start();
    let (status, answer) = dev.post("{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\":");
    assert!((400..500).contains(&status), "{status} {answer}");
    let answer = dev.tool("no_such_tool", &json!({}));
    assert!(refusal(&answer).contains("no_such_tool"), "{answer:#}");
}

#[test]
fn ten_megabytes_of_arguments_are_refused_and_the_gateway_goes_on() {
    let dev = Dev::start();
    let large = "x".repeat(10 << 20);
    let body = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": { "name": "execute_command", "arguments": { "program": "true", "arguments": [large] } },
    });
    let (status, answer) = dev.post(&body.to_string());
    let refused =
        status == 413 || answer["result"]["isError"] == true || answer["error"].is_object();
    assert!(refused, "{status} {}", answer.to_string().chars().take(300).collect::<String>());
    content(&dev.tool("execute_command", &json!({ "program": "true" })));
}

#[test]
fn without_a_token_or_with_a_wrong_one_nothing_is_answered() {
    let dev = Dev::start();
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    for headers in ["", "Authorization: Bearer wrong\r\n", "Authorization: Basic eDp5\r\n"] {
        let (status, answer) = dev.post_with(body, headers);
        assert_eq!(status, 401, "{headers}: {answer}");
    }
}

#[test]
fn a_foreign_origin_is_refused() {
    let dev = Dev::start();
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let token = format!("Authorization: Bearer {}\r\n", dev.told("token"));
    let (status, answer) = dev.post_with(body, &format!("{token}Origin: https://evil.example\r\n"));
    assert!((400..500).contains(&status), "{status} {answer}");
}

#[test]
fn binary_output_is_shown_and_said_to_be_binary() {
    let dev = Dev::start();
    let answer = dev.tool("execute_command", &json!({ "command": "printf '\\377\\376\\000ok'" }));
    assert!(content(&answer)["stdout"].as_str().unwrap().contains("ok"), "{answer:#}");
    assert_eq!(content(&answer)["stdout_bytes"], 5, "{answer:#}");
}

#[test]
fn endless_output_is_stopped_and_its_head_and_tail_are_kept() {
    let dev = Dev::start();
    let answer = dev.tool("execute_command", &json!({ "program": "yes", "timeout_seconds": 300 }));
    let outcome = &answer["result"]["structuredContent"]["outcome"];
    assert_eq!(outcome["kind"], "limit_hit", "{outcome}");
    assert!(answer.to_string().len() < 400_000);
}

#[test]
fn names_that_are_not_utf8_are_listed_and_read() {
    use std::os::unix::ffi::OsStrExt;
    let dev = Dev::start();
    let name = std::ffi::OsStr::from_bytes(b"odd-\xff-name");
    std::fs::write(dev.workspace.join(name), "x").unwrap();
    let answer = dev.tool("list_directory", &json!({ "path": "." }));
    assert!(text(&answer).contains("odd-"), "{answer:#}");
}

#[test]
fn a_fifo_does_not_hold_a_read_up() {
    let dev = Dev::start();
    let made = dev.tool("execute_command", &json!({ "program": "mkfifo", "arguments": ["pipe"] }));
    content(&made);
    let start = Instant::now();
    let answer = dev.tool("read_file", &json!({ "path": "pipe" }));
    assert!(start.elapsed() < Duration::from_secs(5));
    refusal(&answer);
}

#[test]
fn a_client_that_disconnects_ends_its_run() {
    let dev = Dev::start();
    let body = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": { "name": "execute_command", "arguments": { "command": "touch started; sleep 987" } },
    });
    let headers = format!("Authorization: Bearer {}\r\n", dev.told("token"));
    let stream = dev.open(&body.to_string(), &headers);
    until("the run starts", || dev.workspace.join("started").exists());
    drop(stream);
    until("the run ends", || !runs_somewhere("987"));
}

/// Whether a process has this argument.
fn runs_somewhere(argument: &str) -> bool {
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        std::fs::read(entry.path().join("cmdline"))
            .is_ok_and(|line| line.split(|&byte| byte == 0).any(|word| word == argument.as_bytes()))
    })
}
