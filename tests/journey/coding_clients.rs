//! Real coding clients, headless, call the real tools: OpenCode and Claude Code, with
//! a stand-in for their model (`tests/clients/coding_client.py`), which says what to
//! call and is shown what came of it.
//!
//! Everything is in a network namespace that has nothing but loopback, where root can
//! make one, so that no client reaches anything else.

use std::process::Command;

use cofferdam_tests::dev::Dev;
use cofferdam_tests::programs::program;
use cofferdam_tests::warden::is_root;
use tempfile::TempDir;

use crate::clients::clients;

/// Starts what follows with loopback alone.
const ALONE: [&str; 6] = ["unshare", "--net", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh"];

/// A workspace, and all of Cofferdam with it where the client will be.
fn start() -> Dev {
    let directory = TempDir::new().unwrap();
    let root = directory.path().canonicalize().unwrap();
    std::fs::set_permissions(&root, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::create_dir(root.join("workspace")).unwrap();
    Dev::start_in(directory, if is_root() { &ALONE } else { &[] }, &[])
}

fn drive(test: &str, client: &str, transport: &str, scenario: &str) {
    let Some(folder) = clients(test) else { return };
    let dev = start();
    let mut words = vec![];
    if is_root() {
        words.extend(["nsenter".to_owned(), format!("--net=/proc/{}/ns/net", dev.pid())]);
    }
    words.push(folder.join("venv/bin/python").display().to_string());
    let output = Command::new(&words[0])
        .args(&words[1..])
        .arg(folder.join("coding_client.py"))
        .args([client, transport, scenario, dev.told("mcp_url")])
        .args([&dev.workspace, &program("cofferdam")])
        .env("COFFERDAM_TOKEN", dev.told("token"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

macro_rules! drives {
    ($($test:ident: $client:literal, $transport:literal, $scenario:literal;)*) => {
        $(#[test] fn $test() { drive(stringify!($test), $client, $transport, $scenario); })*
    };
}

drives! {
    claude_code_shows_its_model_tools_results_and_refusals: "claude", "http", "work";
    opencode_shows_its_model_tools_results_and_refusals: "opencode", "http", "work";
    claude_code_works_over_stdio: "claude", "stdio", "work";
    opencode_works_over_stdio: "opencode", "stdio", "work";
    claude_code_waits_for_a_run_of_more_than_a_minute: "claude", "http", "long";
    opencode_waits_for_a_run_of_more_than_a_minute: "opencode", "http", "long";
    claude_code_interrupted_ends_its_run: "claude", "http", "cancel";
    opencode_interrupted_ends_its_run: "opencode", "http", "cancel";
    claude_code_interrupted_over_stdio_ends_its_run: "claude", "stdio", "cancel";
    opencode_interrupted_over_stdio_ends_its_run: "opencode", "stdio", "cancel";
}
