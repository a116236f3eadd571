//! Each tool does what it says, on a real host.

use cofferdam_tests::dev::Dev;
use serde_json::json;

use crate::{content, refusal, text};

#[test]
fn a_command_runs_and_its_outcome_is_typed() {
    let dev = Dev::start();
    let arguments =
        json!({ "program": "sh", "arguments": ["-c", "echo out; echo err >&2; exit 3"] });
    let answer = dev.tool("execute_command", &arguments);
    let result = content(&answer);
    assert_eq!(result["outcome"], json!({ "kind": "exited", "code": 3 }), "{answer:#}");
    assert_eq!((&result["stdout"], &result["stderr"]), (&json!("out\n"), &json!("err\n")));
    assert!(text(&answer).contains("out") && text(&answer).contains("err"), "{answer:#}");
}

#[test]
fn a_shell_line_runs_as_a_shell_runs_it() {
    let dev = Dev::start();
    let answer = dev.tool(
        "execute_command",
        &json!({ "command": "printf 'b\\na\\n' | sort && echo $((6*7))" }),
    );
    assert_eq!(content(&answer)["stdout"], "a\nb\n42\n", "{answer:#}");
}

#[test]
fn environment_directory_and_standard_input_arrive() {
    let dev = Dev::start();
    std::fs::create_dir(dev.workspace.join("sub")).unwrap();
    let arguments = json!({
        "command": "pwd; echo $GREETING; cat",
        "working_directory": "sub",
        "environment": { "GREETING": "hello" },
        "stdin": "typed",
    });
    let answer = dev.tool("execute_command", &arguments);
    let expected = format!("{}\nhello\ntyped", dev.workspace.join("sub").display());
    assert_eq!(content(&answer)["stdout"], expected, "{answer:#}");
}

#[test]
fn files_are_written_read_listed_and_searched() {
    let dev = Dev::start();
    let written = dev.tool(
        "write_file",
        &json!({ "path": "a/b.txt", "content": "one\ntwo\nthree\n", "make_parents": true }),
    );
    content(&written);
    assert_eq!(
        std::fs::read_to_string(dev.workspace.join("a/b.txt")).unwrap(),
        "one\ntwo\nthree\n"
    );
    let read = dev.tool("read_file", &json!({ "path": "a/b.txt" }));
    assert!(text(&read).contains("two"), "{read:#}");
    let listed = dev.tool("list_directory", &json!({ "path": "a" }));
    assert!(text(&listed).contains("b.txt"), "{listed:#}");
    let found = dev.tool("search_files", &json!({ "path": ".", "content": "^thr" }));
    assert!(text(&found).contains("b.txt"), "{found:#}");
}

#[test]
fn a_file_that_exists_is_not_replaced_when_it_must_not_be() {
    let dev = Dev::start();
    std::fs::write(dev.workspace.join("there"), "old").unwrap();
    let answer = dev
        .tool("write_file", &json!({ "path": "there", "content": "new", "must_not_exist": true }));
    assert!(refusal(&answer).contains("exist"), "{answer:#}");
    assert_eq!(std::fs::read_to_string(dev.workspace.join("there")).unwrap(), "old");
}

#[test]
fn the_host_tells_about_itself_and_its_programs() {
    let dev = Dev::start();
    let info = dev.tool("get_system_info", &json!({}));
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    assert!(text(&info).contains(kernel.trim()), "{info:#}");
    let git = dev.tool("check_command_exists", &json!({ "program": "sh" }));
    assert_eq!(content(&git)["exists"], true, "{git:#}");
    let missing = dev.tool("check_command_exists", &json!({ "program": "no-such-program" }));
    assert_eq!(content(&missing)["exists"], false, "{missing:#}");
    let hosts = dev.tool("list_hosts", &json!({}));
    assert_eq!(content(&hosts)["hosts"].as_array().unwrap().len(), 1, "{hosts:#}");
}

#[test]
fn a_version_is_told_where_it_is_asked_for_and_the_rules_permit_to_run_that() {
    let dev = Dev::start();
    let git = dev.tool("check_command_exists", &json!({ "program": "git", "version": true }));
    let told = content(&git);
    assert!(told["version"].as_str().unwrap_or_default().starts_with("git version"), "{git:#}");
    assert_eq!(told["may_run"], "permitted", "{git:#}");
    let unasked = dev.tool("check_command_exists", &json!({ "program": "git" }));
    assert!(content(&unasked)["version"].is_null(), "{unasked:#}");
    let shell = dev.tool("check_command_exists", &json!({ "program": "sh", "version": true }));
    let note = content(&shell)["version_note"].as_str().unwrap_or_default().to_owned();
    assert!(note.contains("`sh --version` did not tell"), "{shell:#}");
}

#[test]
fn what_the_workspace_built_runs_and_the_network_is_closed() {
    let dev = Dev::start();
    let script = "printf '#!/bin/sh\\necho built\\n' > run && chmod +x run && ./run";
    let built = dev.tool("execute_command", &json!({ "command": script }));
    assert_eq!(content(&built)["stdout"], "built\n", "{built:#}");
    // TEST-NET-1 (RFC 5737): without a route nothing leaves the cell.
    let reach = "exec 3<>/dev/tcp/192.0.2.1/9";
    let closed = dev.tool("execute_command", &json!({ "command": reach }));
    assert_ne!(content(&closed)["outcome"]["code"], 0, "{closed:#}");
}

#[test]
fn files_are_moved_and_linked_from_directory_to_directory() {
    let dev = Dev::start();
    // mv would copy where the kernel does not move.
    let script = "import os; os.makedirs('a'); os.makedirs('b'); open('a/x', 'w').close(); \
        os.link('a/x', 'b/y'); os.rename('a/x', 'b/z'); print(sorted(os.listdir('b')))";
    let arguments = json!({ "program": "python3", "arguments": ["-c", script] });
    let moved = dev.tool("execute_command", &arguments);
    assert_eq!(content(&moved)["stdout"], "['y', 'z']\n", "{moved:#}");
}

#[test]
fn the_command_line_client_gives_the_exit_code_of_the_run() {
    let dev = Dev::start();
    let ran = dev.cofferdam(&["call", "execute_command", "--", "sh", "-c", "echo hi; exit 5"]);
    assert_eq!(ran.status.code(), Some(5), "{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(String::from_utf8_lossy(&ran.stdout), "hi\n");
}
