//! What was done stands in both journals, and the journals can be trusted.

use std::collections::BTreeSet;

use cofferdam_tests::dev::{Dev, until};
use serde_json::{Value, json};

use crate::content;

/// Arguments with which each tool works. A tool that is not here fails the test.
fn arguments_for(tool: &str, process: &str, session: &str) -> Value {
    match tool {
        "read_process" | "wait_process" => json!({ "process": process, "wait_seconds": 0 }),
        "write_process" => json!({ "process": process, "text": "x" }),
        "resize_process" => json!({ "process": process, "rows": 10, "columns": 10 }),
        "signal_process" => json!({ "process": process, "signal": "CONT" }),
        "read_file" | "stat_file" => json!({ "path": "there" }),
        "read_files" => json!({ "paths": ["there"] }),
        "edit_file" => json!({
            "path": "there", "edits": [{ "old_text": "x", "new_text": "y" }], "dry_run": true,
        }),
        "make_directory" => json!({ "path": "directory" }),
        "move_file" => json!({ "from": "to-move", "to": "moved" }),
        "copy_file" => json!({ "from": "there", "to": "copied" }),
        "delete_file" => json!({ "path": "to-delete" }),
        "watch_files" => json!({ "timeout_seconds": 1 }),
        "write_file" => json!({ "path": "made", "content": "x" }),
        "list_directory" => json!({ "path": "." }),
        "search_files" => json!({ "path": ".", "content": "x" }),
        "get_system_info" | "list_hosts" | "describe_access" | "list_processes"
        | "open_session" | "list_sessions" => json!({}),
        "read_service" => json!({ "what": "list" }),
        "close_session" => json!({ "session": session }),
        "check_approval" => json!({ "approval": "ap-000000000000" }),
        "execute_command" | "start_process" | "check_command_exists" => {
            json!({ "program": "true" })
        }
        other => panic!("no arguments for the tool `{other}`"),
    }
}

/// The records of a journal, as `cofferdam audit show --json` prints them.
fn shown(dev: &Dev, journal: &str) -> Vec<Value> {
    let output =
        dev.cofferdam(&["audit", "show", "--json", dev.state().join(journal).to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn run_ids(records: &[Value], kind: &str, tool: &str) -> BTreeSet<String> {
    let of_tool: BTreeSet<String> = records
        .iter()
        .filter(|record| {
            record["kind"] == "intent" && record.to_string().contains(&format!("\"{tool}\""))
        })
        .filter_map(|record| find(record, "run_id"))
        .collect();
    records
        .iter()
        .filter(|record| record["kind"] == kind)
        .filter_map(|record| find(record, "run_id"))
        .filter(|id| of_tool.contains(id))
        .collect()
}

/// The first string under this key, at any depth.
fn find(value: &Value, key: &str) -> Option<String> {
    match value {
        Value::Object(map) => map
            .get(key)
            .and_then(Value::as_str)
            .map(str::to_owned)
            .or_else(|| map.values().find_map(|inner| find(inner, key))),
        Value::Array(items) => items.iter().find_map(|inner| find(inner, key)),
        _ => None,
    }
}

#[test]
fn every_tool_leaves_an_intent_and_an_outcome_in_both_journals() {
    let dev = Dev::start();
    for name in ["there", "to-move", "to-delete"] {
        std::fs::write(dev.workspace.join(name), "x").unwrap();
    }
    let (_, listed) = dev.post(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
    let tools: Vec<String> = listed["result"]["tools"]
        .as_array()
        .unwrap_or_else(|| panic!("{listed:#}"))
        .iter()
        .map(|tool| tool["name"].as_str().unwrap().to_owned())
        .collect();
    assert!(tools.len() >= 8, "{tools:?}");
    let terminal = json!({ "program": "cat", "terminal": {} });
    let started = dev.tool("start_process", &terminal);
    let process = content(&started)["process"].as_str().unwrap().to_owned();
    let opened = dev.tool("open_session", &json!({}));
    let session = content(&opened)["session"].as_str().unwrap().to_owned();
    for tool in &tools {
        let answer = dev.tool(tool, &arguments_for(tool, &process, &session));
        // Nobody was asked anything here; that is on record, too.
        if tool != "check_approval" {
            content(&answer);
        }
    }
    // What goes on has no outcome at the agent before it ends.
    content(&dev.tool("signal_process", &json!({ "process": process, "signal": "KILL" })));
    content(&dev.tool("wait_process", &json!({ "process": process, "wait_seconds": 10 })));
    until("every process has ended", || {
        let agent = shown(&dev, "agent/journal");
        run_ids(&agent, "outcome", "start_process") == run_ids(&agent, "intent", "start_process")
    });
    let (gateway, agent) = (shown(&dev, "gateway/journal"), shown(&dev, "agent/journal"));
    for tool in &tools {
        for kind in ["intent", "outcome"] {
            // `dev` itself asks once, to see whether all is well.
            let recorded = run_ids(&gateway, kind, tool);
            assert!(!recorded.is_empty(), "{tool}: no {kind} at the gateway");
            // These ask no host to do anything.
            let only_looks = ["read_process", "wait_process", "list_processes"];
            let own = ["list_hosts", "check_approval", "describe_access"];
            // A session that nothing was done in has no host to close it.
            let of_sessions = ["open_session", "list_sessions", "close_session"];
            if ![only_looks, own, of_sessions].concat().contains(&tool.as_str()) {
                assert_eq!(run_ids(&agent, kind, tool), recorded, "{tool}: {kind} at the agent");
            }
        }
    }
}

#[test]
fn both_journals_verify_and_agree_with_each_other() {
    let dev = Dev::start();
    for _ in 0..3 {
        content(&dev.tool("execute_command", &json!({ "program": "true" })));
    }
    let (gateway, agent) = (dev.state().join("gateway/journal"), dev.state().join("agent/journal"));
    for journal in [&gateway, &agent] {
        let verified = dev.cofferdam(&["audit", "verify", journal.to_str().unwrap()]);
        assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    }
    let reconciled = dev.cofferdam(&[
        "audit",
        "reconcile",
        "--gateway",
        gateway.to_str().unwrap(),
        "--agent",
        agent.to_str().unwrap(),
    ]);
    let said = String::from_utf8_lossy(&reconciled.stdout).into_owned()
        + &String::from_utf8_lossy(&reconciled.stderr);
    assert!(reconciled.status.success(), "{said}");
}

#[test]
fn an_edited_record_is_found_and_located() {
    let mut dev = Dev::start();
    content(&dev.tool("execute_command", &json!({ "program": "true" })));
    let journal = dev.state().join("gateway/journal");
    let copy = dev.directory.path().join("copy");
    dev.end(libc::SIGTERM);
    std::fs::create_dir(&copy).unwrap();
    for entry in std::fs::read_dir(&journal).unwrap().flatten() {
        std::fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
    }
    let segment = std::fs::read_dir(&copy)
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|kind| kind == "jsonl"))
        .unwrap();
    let text = std::fs::read_to_string(&segment).unwrap();
    assert!(text.contains("execute_command"), "{text}");
    std::fs::write(&segment, text.replacen("execute_command", "read_file_xxxxx", 1)).unwrap();
    let verified = dev.cofferdam(&["audit", "verify", copy.to_str().unwrap()]);
    assert_eq!(verified.status.code(), Some(1));
    let said = String::from_utf8_lossy(&verified.stderr).into_owned()
        + &String::from_utf8_lossy(&verified.stdout);
    assert!(said.contains("line"), "{said}");
}

#[test]
fn a_secret_in_a_command_reaches_no_journal() {
    let dev = Dev::start();
    let secret = "ghp_abcdefghijklmnopqrstuvwxyz0123456789";
    let arguments = json!({
        "program": "sh",
        "arguments": ["-c", "true", secret],
        "environment": { "API_TOKEN": "hunter2-hunter2" },
    });
    content(&dev.tool("execute_command", &arguments));
    for journal in ["gateway/journal", "agent/journal"] {
        for entry in std::fs::read_dir(dev.state().join(journal)).unwrap().flatten() {
            let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
            assert!(!text.contains(secret), "{}", entry.path().display());
            assert!(!text.contains("hunter2"), "{}", entry.path().display());
        }
    }
}
