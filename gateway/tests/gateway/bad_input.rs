//! Bad input gets a clear error and a record, and moves nothing.

use serde_json::{Value, json};

use crate::refusal;
use crate::service::{Served, answer};

/// Tool, arguments, reason, and a word that the message must have.
fn table() -> Vec<(&'static str, Value, &'static str, &'static str)> {
    let run = "execute_command";
    vec![
        (run, json!({}), "INVALID_ARGUMENT", "neither"),
        (run, json!({ "command": "" }), "INVALID_ARGUMENT", "empty"),
        (run, json!({ "program": "a\u{0}b" }), "INVALID_ARGUMENT", "NUL"),
        (run, json!({ "program": "true", "timeout_seconds": 0 }), "INVALID_ARGUMENT", "86400"),
        (
            run,
            json!({ "program": "true", "timeout_seconds": 1_000_000_000_000_u64 }),
            "INVALID_ARGUMENT",
            "86400",
        ),
        (run, json!({ "program": "true", "host": "nowhere" }), "UNKNOWN_HOST", "down"),
        (run, json!({ "program": "true", "project": "nothing" }), "UNKNOWN_PROJECT", "site"),
        (run, json!({ "program": "true", "surprise": 1 }), "INVALID_ARGUMENT", "surprise"),
        (run, json!({ "program": 7 }), "INVALID_ARGUMENT", "`program`"),
        (run, json!({ "program": "sudo", "arguments": ["id"] }), "DENIED", "no-sudo"),
        (run, json!({ "command": "ls | sudo tee /etc/x" }), "DENIED", "no-sudo"),
        ("read_file", json!({}), "INVALID_ARGUMENT", "path"),
        ("read_file", json!({ "path": "../x" }), "INVALID_ARGUMENT", "`..`"),
        ("read_file", json!({ "path": "a", "length": 0 }), "INVALID_ARGUMENT", "4194304"),
        ("read_file", json!({ "path": "/etc/shadow" }), "DENIED", "/etc/shadow"),
        ("write_file", json!({ "path": "a" }), "INVALID_ARGUMENT", "content"),
        (
            "write_file",
            json!({ "path": "a", "content": "?", "encoding": "base64" }),
            "INVALID_ARGUMENT",
            "base64",
        ),
        (
            "write_file",
            json!({ "path": "a", "content": "", "expected_sha256": "x" }),
            "INVALID_ARGUMENT",
            "64",
        ),
        ("edit_file", json!({ "path": "a" }), "INVALID_ARGUMENT", "either `edits`"),
        ("edit_file", json!({ "path": "/etc/x", "patch": "@@" }), "DENIED", "/etc/x"),
        ("read_file", json!({ "path": "a", "tail": 1, "lines": 1 }), "INVALID_ARGUMENT", "tail"),
        ("read_files", json!({ "paths": [] }), "INVALID_ARGUMENT", "1 to 64"),
        ("read_files", json!({ "paths": ["a", "/etc/x"] }), "DENIED", "/etc/x"),
        ("move_file", json!({ "from": "a", "to": "/etc/x" }), "DENIED", "changes `/etc/x`"),
        ("copy_file", json!({ "from": "/etc/x", "to": "a" }), "DENIED", "reads `/etc/x`"),
        ("delete_file", json!({ "path": "\\x2e\\x2e/x" }), "INVALID_ARGUMENT", "escape"),
        ("watch_files", json!({ "timeout_seconds": 51 }), "INVALID_ARGUMENT", "1 to 50"),
        ("list_directory", json!({ "depth": 33 }), "INVALID_ARGUMENT", "1 to 32"),
        ("search_files", json!({}), "INVALID_ARGUMENT", "neither"),
        ("check_command_exists", json!({ "program": "ls -l" }), "INVALID_ARGUMENT", "spaces"),
        ("get_system_info", json!({ "verbose": true }), "INVALID_ARGUMENT", "verbose"),
        ("read_service", json!({ "what": "start", "unit": "nginx" }), "INVALID_ARGUMENT", "start"),
        ("read_service", json!({ "what": "status" }), "INVALID_ARGUMENT", "name one unit"),
        ("read_service", json!({ "what": "status", "unit": "a/b" }), "DENIED", "no name of a unit"),
        ("read_service", json!({ "what": "list", "unit": "*" }), "DENIED", "*.service"),
        ("list_hosts", json!({ "all": true }), "INVALID_ARGUMENT", "all"),
        ("describe_access", json!({ "user": "bob" }), "INVALID_ARGUMENT", "user"),
    ]
}

#[tokio::test]
async fn every_bad_input_is_refused_with_its_reason_and_recorded() {
    let mut served = Served::start().await;
    for (tool, arguments, reason, word) in table() {
        let answer = served.call(tool, arguments.clone()).await;
        let error = refusal(&answer);
        assert_eq!(error["reason"], reason, "{tool} {arguments}: {error:#}");
        assert!(error["message"].as_str().unwrap().contains(word), "{tool} {arguments}: {error:#}");
    }
    served.stop().await;
    let mut recorded = crate::records::bodies(&served, "failure");
    recorded.extend(crate::records::bodies(&served, "denial"));
    assert_eq!(recorded.len(), table().len());
    for (tool, _, _, _) in table() {
        assert!(recorded.iter().any(|record| record["call"]["tool"] == tool), "{tool}");
    }
    assert!(crate::records::bodies(&served, "intent").is_empty());
}

#[tokio::test]
async fn a_denial_tells_the_rule_and_what_is_allowed() {
    let served = Served::start().await;
    let answer = served.call("execute_command", json!({ "program": "sudo" })).await;
    let error = refusal(&answer);
    assert_eq!(error["rules"], json!(["no-sudo"]), "{error:#}");
    assert!(error["message"].as_str().unwrap().contains("nobody becomes root"), "{error:#}");
    assert!(error["allowed"].is_array(), "{error:#}");
}

#[tokio::test]
async fn what_is_not_a_message_is_refused_with_a_json_rpc_error_and_recorded() {
    let mut served = Served::start().await;
    let table: [(&[u8], u16, &str); 6] = [
        (b"{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\":", 400, "MALFORMED_JSON"),
        (b"", 400, "MALFORMED_JSON"),
        (b"\xff\xfe", 400, "MALFORMED_JSON"),
        (b"[]", 400, "PROTOCOL"),
        (b"{}", 400, "PROTOCOL"),
        (b"{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"tools/list\"}", 400, "PROTOCOL"),
    ];
    for (body, status, reason) in table {
        let response = served.post(body.to_vec()).send().await.unwrap();
        let (got, told) = answer(response).await;
        assert_eq!(got, status, "{}: {told}", String::from_utf8_lossy(body));
        assert_eq!(told["error"]["data"]["reason"], reason, "{told}");
    }
    served.stop().await;
    assert_eq!(crate::records::bodies(&served, "failure").len(), table.len());
}

#[tokio::test]
async fn a_call_of_a_wrong_shape_and_an_unknown_tool_are_protocol_errors_and_recorded() {
    let mut served = Served::start().await;
    let table = [
        (json!({ "name": "no_such_tool", "arguments": {} }), "no_such_tool"),
        (json!({ "name": "execute_command", "arguments": "ls" }), "must be an object"),
        (json!({ "name": 7, "arguments": {} }), "must be a string"),
        (json!({ "arguments": {} }), "missing"),
    ];
    for (params, word) in &table {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        let (_, told) = answer(served.post(body.to_string()).send().await.unwrap()).await;
        assert_eq!(told["error"]["code"], -32602, "{told:#}");
        assert!(told["error"]["message"].as_str().unwrap().contains(word), "{told:#}");
    }
    served.stop().await;
    assert_eq!(crate::records::bodies(&served, "failure").len(), table.len());
}

#[tokio::test]
async fn ten_megabytes_are_refused_by_name_and_more_by_size() {
    let served = Served::start().await;
    let long = "x".repeat(10 << 20);
    let arguments = json!({ "program": "echo", "arguments": [long] });
    let answer_to = served.call("execute_command", arguments).await;
    assert_eq!(refusal(&answer_to)["field"], "arguments[0]");
    let (status, told) = answer(served.post("x".repeat(13 << 20)).send().await.unwrap()).await;
    assert_eq!((status, &told["error"]["data"]["reason"]), (413, &json!("TOO_LARGE")));
}
