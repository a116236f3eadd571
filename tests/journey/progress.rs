//! Every tool that takes its time tells how it goes on, with the last line of output,
//! to whoever asks for it, in both eras of the protocol and over stdio.

use std::collections::BTreeMap;
use std::path::Path;

use cofferdam_tests::dev::Dev;
use serde_json::{Value, json};

use crate::content;
use crate::stdio::Stdio;

/// Longer than the time between two notifications.
const SECONDS: u64 = 8;

/// Calls each long tool at once; gives the messages of each, by its name.
fn told(dev: &Dev, stateless: bool) -> BTreeMap<String, Vec<String>> {
    let (url, token) = (dev.told("mcp_url"), dev.told("token"));
    let mut client = if stateless { Stdio::of(url, token) } else { Stdio::in_session(url, token) };
    client.capabilities = json!({});
    let ticks = "for i in $(seq 1 40); do echo tick $i; sleep 1; done";
    let started = dev.tool("start_process", &json!({ "command": ticks }));
    let process = content(&started)["process"].clone();
    let waiting = json!({ "program": "touch", "arguments": ["never"] });
    // As a task, so that nobody waits for long.
    let asked = Stdio::of(url, token).task("execute_command", &waiting);
    let approval = asked["taskId"].as_str().unwrap().trim_start_matches("approval:").to_owned();
    let calls = [
        ("execute_command", json!({ "command": ticks, "wait_seconds": SECONDS })),
        (
            "start_process",
            json!({ "command": format!("sleep 9; {ticks}"), "wait_seconds": SECONDS }),
        ),
        ("read_process", json!({ "process": process, "until": "end", "wait_seconds": SECONDS })),
        ("wait_process", json!({ "process": process, "wait_seconds": SECONDS })),
        ("watch_files", json!({ "timeout_seconds": SECONDS })),
        ("check_approval", json!({ "approval": approval, "wait_seconds": SECONDS })),
    ];
    // Among them the first request of the connection.
    let mut ids = Vec::new();
    for (tool, arguments) in calls {
        let meta = json!({ "progressToken": tool });
        let params = json!({ "name": tool, "arguments": arguments, "_meta": meta });
        ids.push(if stateless {
            client.meta = meta;
            client.send("tools/call", params)
        } else {
            client.send_plain("tools/call", &params)
        });
    }
    for id in ids {
        content(&client.answer(id));
    }
    let mut told = BTreeMap::<String, Vec<String>>::new();
    for message in client.told.iter().filter(|it| it["method"] == "notifications/progress") {
        let text = |name: &str| message["params"][name].as_str().unwrap().to_owned();
        told.entry(text("progressToken")).or_default().push(text("message"));
    }
    told
}

fn every_long_tool_tells(stateless: bool) {
    let prepare = |workspace: &Path| std::fs::create_dir(workspace).unwrap();
    let dev = Dev::start_with(prepare, &["--ask", "touch"]);
    let told = told(&dev, stateless);
    for tool in [
        "execute_command",
        "start_process",
        "read_process",
        "wait_process",
        "watch_files",
        "check_approval",
    ] {
        assert!(told.contains_key(tool), "{tool}: {told:#?}");
    }
    for tool in ["execute_command", "read_process", "wait_process"] {
        assert!(told[tool].iter().any(|it| it.contains(": tick ")), "{tool}: {told:#?}");
    }
}

#[test]
fn long_tools_tell_how_they_go_on_statelessly() {
    every_long_tool_tells(true);
}

#[test]
fn long_tools_tell_how_they_go_on_in_a_session() {
    every_long_tool_tells(false);
}

/// A progress token that is none is passed over.
#[test]
fn who_asks_for_no_progress_is_told_of_none() {
    let dev = Dev::start();
    let mut client = Stdio::of(dev.told("mcp_url"), dev.told("token"));
    client.capabilities = json!({});
    content(&client.call("watch_files", &json!({ "timeout_seconds": SECONDS })));
    assert_eq!(client.told, Vec::<Value>::new());
}
