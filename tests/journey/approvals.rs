//! A call that waits for a person, the whole way: `cofferdam approve` in, a file
//! made by a real command in a real cell out.

use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

use cofferdam_tests::dev::Dev;
use serde_json::{Value, json};

use crate::content;

/// Dev that asks before `touch`, and the file with its approver's credential.
fn start() -> (Dev, String) {
    let prepare = |workspace: &Path| std::fs::create_dir(workspace).unwrap();
    let dev = Dev::start_with(prepare, &["--ask", "touch"]);
    let credential = dev.told("approver_file").to_owned();
    (dev, credential)
}

fn approve(dev: &Dev, credential: &str, arguments: &[&str]) -> Output {
    dev.cofferdam(&[&["approve", "--credential-file", credential], arguments].concat())
}

fn listed(dev: &Dev, credential: &str) -> Vec<Value> {
    let output = dev.cofferdam(&["approve", "list", "--json", "--credential-file", credential]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    told["approvals"].as_array().unwrap().clone()
}

fn waiting(dev: &Dev, credential: &str) -> Value {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(request) = listed(dev, credential).pop() {
            return request;
        }
        assert!(Instant::now() < deadline, "nothing waits");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn what_a_person_agrees_to_runs_and_every_step_is_shown_in_the_journal() {
    let (dev, credential) = start();
    let made = dev.workspace.join("made");
    let arguments = json!({ "program": "touch", "arguments": ["made"] });
    let answer = std::thread::scope(|scope| {
        let call = scope.spawn(|| dev.tool("execute_command", &arguments));
        let request = waiting(&dev, &credential);
        assert_eq!(request["action"], "run `touch made`", "{request:#}");
        assert!(!made.exists(), "nothing runs while it waits");
        let id = request["id"].as_str().unwrap();
        // Without a terminal to look at it in, nobody agrees by accident.
        let output = approve(&dev, &credential, &[id]);
        assert!(!output.status.success());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("--yes"), "{said}");
        let output = approve(&dev, &credential, &[id, "--rule", "--yes"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let rule = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(rule.contains(r#"{ name = "touch", args = ["made"] }"#), "{rule}");
        call.join().unwrap()
    });
    assert_eq!(content(&answer)["outcome"]["code"], 0, "{answer:#}");
    assert!(made.exists());
    assert!(listed(&dev, &credential).is_empty());
    let journal = dev.state().join("gateway/journal");
    let shown = dev.cofferdam(&["audit", "show", "--kind", "approval", journal.to_str().unwrap()]);
    assert!(shown.status.success());
    let shown = String::from_utf8(shown.stdout).unwrap();
    for step in ["requested", "approved", "used"] {
        assert!(shown.contains(step), "{step} in\n{shown}");
    }
}

#[test]
fn what_a_person_refuses_does_not_run_and_a_clients_token_refuses_and_agrees_to_nothing() {
    let (dev, credential) = start();
    let arguments = json!({ "program": "touch", "arguments": ["made"] });
    let answer = std::thread::scope(|scope| {
        let call = scope.spawn(|| dev.tool("execute_command", &arguments));
        let request = waiting(&dev, &credential);
        let id = request["id"].as_str().unwrap();
        let token = dev.state().join("token");
        let output = approve(&dev, token.to_str().unwrap(), &[id, "--yes"]);
        assert!(!output.status.success());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("lets call and not agree"), "{said}");
        let output = approve(&dev, &credential, &[id, "--refuse", "--note", "not today"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        call.join().unwrap()
    });
    let error = &answer["result"]["structuredContent"]["error"];
    assert_eq!(error["reason"], "APPROVAL_REFUSED", "{answer:#}");
    assert!(error["message"].as_str().unwrap().contains("not today"), "{answer:#}");
    assert!(!dev.workspace.join("made").exists());
}
