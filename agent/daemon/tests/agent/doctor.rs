//! `cofferdam-agent doctor`, on this very host.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::host::{AGENT, Host, is_root};

fn doctor(arguments: &[&str], config: &Path) -> Output {
    command(arguments, config).output().unwrap()
}

fn command(arguments: &[&str], config: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cofferdam-agent"));
    command.arg("doctor").arg("--config").arg(config).args(arguments).env("COLUMNS", "80");
    command
}

fn findings(config: &Path) -> Value {
    let output = doctor(&["--json"], config);
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The line of this name, of either table.
fn line<'a>(found: &'a Value, name: &str) -> &'a Value {
    let tables = ["host", "agent"].map(|table| found[table].as_array().unwrap());
    tables.into_iter().flatten().find(|line| line["name"] == name).unwrap()
}

#[test]
fn doctor_looks_at_everything_that_the_configuration_names() {
    let host = Host::start();
    let config = host.directory.path().join("agent/agent.toml");
    let found = findings(&config);
    let whole = "configuration ceiling profiles certificate signing-key journal workspaces";
    for name in whole.split(' ') {
        let line = line(&found, &format!("agent.{name}"));
        assert!(line["state"] == "full", "{line}");
    }
    // The test's agent inherits its warden.
    assert_eq!(line(&found, "agent.warden")["state"], "partial");
    let output = doctor(&[], &config);
    let text = String::from_utf8(output.stdout).unwrap();
    // A word that is longer than a row, such as a path or a key, stays whole.
    for row in text.lines().filter(|row| row.split_whitespace().count() > 1) {
        assert!(row.chars().count() <= 80, "{row}");
    }
    assert_eq!(output.status.success(), found["cells"] == true, "{text}");
}

#[test]
fn doctor_started_as_root_asks_roots_questions_and_is_root_no_more() {
    if !is_root() {
        eprintln!("skipped: only root can stop being root");
        return;
    }
    let host = Host::start();
    let found = findings(&host.directory.path().join("agent/agent.toml"));
    assert_eq!(found["asked_as_root"], true);
    assert_ne!(found["asked_as"], 0);
    assert_ne!(line(&found, "mounts.owners")["state"], "unknown");
    assert_eq!(found["facts"]["namespaces"]["as_root"], "works");
}

#[test]
fn an_ordinary_user_is_told_what_was_not_tried() {
    let host = Host::start();
    let config = host.directory.path().join("agent/agent.toml");
    let mut command = command(&[], &config);
    if is_root() {
        command.uid(AGENT).gid(AGENT);
    }
    let text = String::from_utf8(command.output().unwrap().stdout).unwrap();
    assert!(text.contains("not as root"), "{text}");
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("unknown owners only root can try it"), "{text}");
}

#[test]
fn each_mistake_is_named_and_ends_with_exit_code_1() {
    let host = Host::start();
    let state = host.directory.path().join("agent");
    let config = state.join("agent.toml");
    fs::set_permissions(state.join("test.key"), fs::Permissions::from_mode(0o644)).unwrap();
    let output = doctor(&[], &config);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("MISSING") && text.contains("0644"), "{text}");
    fs::write(&config, "name = \"web\"\nlisten = 7\n").unwrap();
    let output = doctor(&["--json"], &config);
    assert_eq!(output.status.code(), Some(1));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(line(&found, "agent.configuration")["detail"].as_str().unwrap().contains("listen"));
}

#[test]
fn odd_configurations_are_told_and_never_panic() {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let path = dir.path().join("agent.toml");
    let long = vec![b'['; 100_000];
    for odd in [&b""[..], b"\xff\xfe\x00", &long] {
        fs::write(&path, odd).unwrap();
        let output = doctor(&[], &path);
        assert_eq!(output.status.code(), Some(1));
        assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"));
    }
    assert_eq!(doctor(&[], dir.path()).status.code(), Some(1));
    assert_eq!(doctor(&[], Path::new("/nowhere\x1b[31m")).status.code(), Some(1));
}
