//! Sessions that are opened: what they carry reaches the host, they outlive a gateway
//! that is killed, and whoever closes one ends all that runs in it.

use std::process::Command;

use cofferdam_tests::dev::until;
use cofferdam_tests::host::{Host, give};
use cofferdam_tests::programs::program;
use cofferdam_tests::warden::is_root;
use serde_json::{Value, json};

use crate::gateways::{Gateway, field};

fn text<'a>(answer: &'a Value, name: &str) -> &'a str {
    field(answer, name).as_str().unwrap_or_else(|| panic!("{name}: {answer:#}"))
}

/// Whether a program with this argument runs on this machine, in whatever cell.
fn runs(argument: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|it| std::fs::read(it.path().join("cmdline")).ok());
    lines.into_iter().any(|line| line.split(|byte| *byte == 0).any(|it| it == argument.as_bytes()))
}

#[test]
fn a_session_outlives_its_gateway_and_ends_with_all_that_runs_in_it() {
    let host = Host::start();
    let mut gateway = Gateway::of(&host, "one");
    let (ann, bob) = (gateway.token("ann"), gateway.token("bob"));
    let directory = host.workspace("shop").join("sub");
    std::fs::create_dir(&directory).unwrap();
    give(&directory);
    let carried = json!({
        "project": "shop", "working_directory": "sub", "environment": { "WHO": "ann" },
    });
    let opened = gateway.call(&ann, "open_session", &carried);
    let session = text(&opened, "session").to_owned();
    let run = |gateway: &Gateway, line: &str| {
        let answer =
            gateway.call(&ann, "execute_command", &json!({ "command": line, "session": session }));
        text(&answer, "stdout").to_owned()
    };
    let said = run(&gateway, "pwd; echo $WHO; echo here > /tmp/mine");
    assert_eq!(said, format!("{}\nann\n", directory.display()));
    let own = json!({
        "command": "pwd; echo $WHO", "session": session, "working_directory": ".",
        "environment": { "WHO": "me" },
    });
    let own = gateway.call(&ann, "execute_command", &own);
    assert_eq!(text(&own, "stdout"), format!("{}\nme\n", host.workspace("shop").display()));
    let note = json!({ "path": "note", "content": "x", "session": session });
    gateway.call(&ann, "write_file", &note);
    assert_eq!(std::fs::read(directory.join("note")).unwrap(), b"x");
    let long = json!({ "program": "sleep", "arguments": ["86397"], "session": session });
    let started = gateway.call(&ann, "start_process", &long);
    assert_eq!(field(&started, "outcome")["kind"], "running", "{started:#}");
    assert!(runs("86397"));

    gateway.kill();
    gateway.start();
    // Without cgroups a run is alone in its cell, and this call has one of its own.
    let kept = if is_root() { "here\n" } else { "" };
    assert_eq!(run(&gateway, "cat /tmp/mine"), kept, "the same sandbox");

    // For anybody else there is no such session, and it stays what it was.
    for handle in [session.as_str(), "cfs_nothing"] {
        let refused = gateway.call(&bob, "close_session", &json!({ "session": handle }));
        assert_eq!(field(&refused, "error")["reason"], "UNKNOWN_SESSION", "{refused:#}");
    }
    assert!(runs("86397"));
    let closed = gateway.call(&ann, "close_session", &json!({ "session": session }));
    assert_eq!(text(&closed, "state"), "closed", "{closed:#}");
    let on_host = &field(&closed, "hosts")[0];
    assert_eq!((&on_host["host"], &on_host["runs"]), (&json!("test"), &json!(1)), "{closed:#}");
    assert!(on_host["cells"].as_u64().unwrap() >= 1, "{closed:#}");
    until("its process is gone", || !runs("86397"));
    let late = json!({ "program": "true", "session": session });
    let late = gateway.call(&ann, "execute_command", &late);
    assert_eq!(field(&late, "error")["reason"], "UNKNOWN_SESSION", "{late:#}");
    assert!(host.journal().contains("close_session"), "the host has it on record");
    until("the journals agree", || {
        let reconciled = Command::new(program("cofferdam"))
            .args(["audit", "reconcile", "--gateway"])
            .arg(gateway.place.join("journal"))
            .arg("--agent")
            .arg(host.place().join("agent/journal"))
            .output()
            .unwrap();
        reconciled.status.success()
    });
}

#[test]
fn one_host_that_cannot_be_reached_fails_for_itself_alone() {
    let host = Host::start();
    let gateway = Gateway::of(&host, "one");
    let ann = gateway.token("ann");
    let arguments = json!({ "command": "echo here", "project": "shop", "hosts": ["away", "test"] });
    let answer = gateway.call(&ann, "execute_command", &arguments);
    let results = field(&answer, "results");
    assert_eq!(results[0]["is_error"], true, "{answer:#}");
    assert_eq!(results[0]["result"]["error"]["host"], "away", "{answer:#}");
    assert_eq!(results[1]["result"]["stdout"], "here\n", "{answer:#}");
    assert_eq!(field(&answer, "failed"), 1);
}
