//! Real MCP clients drive real git, grep and a compiler in a real repository.

use std::path::Path;
use std::process::Command;

use cofferdam_tests::dev::Dev;
use cofferdam_tests::programs::program;
use serde_json::Value;

/// The folder of the clients; `None`, and noted, when they cannot be had.
pub(crate) fn clients(test: &str) -> Option<std::path::PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients");
    let installed =
        folder.join("venv/.installed").exists() && folder.join("node_modules/.installed").exists();
    // An ordinary user may not reach the interpreter that root installed.
    let usable = Command::new(folder.join("venv/bin/python")).arg("--version").output().is_ok();
    if !installed || !usable {
        cofferdam_tests::skip(test, "the MCP clients are not installed (tests/scripts/clients)");
        return None;
    }
    Some(folder)
}

/// A clone of this very repository as the workspace.
fn repository(workspace: &Path) {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    // The checkout may belong to another user than the one who runs the tests.
    let trusting = workspace.with_file_name("gitconfig");
    std::fs::write(&trusting, "[safe]\n\tdirectory = *\n").unwrap();
    let cloned = Command::new("git")
        .env("GIT_CONFIG_GLOBAL", trusting)
        .args(["clone", "--quiet", "--no-hardlinks"])
        .args([checkout, workspace])
        .status()
        .unwrap();
    assert!(cloned.success());
}

fn drive(test: &str, mode: &str, stdio: bool) {
    let Some(folder) = clients(test) else { return };
    let dev = Dev::start_with(repository, &[]);
    let output = Command::new(folder.join("venv/bin/python"))
        .arg(folder.join("drive.py"))
        .args([mode, dev.told("mcp_url")])
        .arg(&dev.workspace)
        .args(stdio.then(|| program("cofferdam")))
        .env("COFFERDAM_TOKEN", dev.told("token"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

#[test]
fn the_python_sdk_calls_every_tool_statelessly() {
    drive("the_python_sdk_calls_every_tool_statelessly", "auto", false);
}

#[test]
fn the_python_sdk_calls_every_tool_after_initialize() {
    drive("the_python_sdk_calls_every_tool_after_initialize", "legacy", false);
}

#[test]
fn the_python_sdk_calls_every_tool_statelessly_over_stdio() {
    drive("the_python_sdk_calls_every_tool_statelessly_over_stdio", "auto", true);
}

#[test]
fn the_python_sdk_calls_every_tool_after_initialize_over_stdio() {
    drive("the_python_sdk_calls_every_tool_after_initialize_over_stdio", "legacy", true);
}

#[test]
fn the_inspector_lists_and_calls_tools() {
    let Some(folder) = clients("the_inspector_lists_and_calls_tools") else { return };
    let dev = Dev::start_with(repository, &[]);
    let inspect = |arguments: &[&str]| -> Value {
        let path = std::env::var("PATH").unwrap_or_default();
        let node = folder.join("node_modules/.bin");
        let output = Command::new(node.join("mcp-inspector"))
            .env("PATH", format!("{}:{path}", node.display()))
            .env("HOME", dev.directory.path())
            .args(["--cli", dev.told("mcp_url"), "--transport", "http"])
            .args(["--header", &format!("Authorization: Bearer {}", dev.told("token"))])
            .args(arguments)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        serde_json::from_str(&said).unwrap_or_else(|error| {
            panic!("{error}: {said}{}", String::from_utf8_lossy(&output.stderr))
        })
    };
    let listed = inspect(&["--method", "tools/list"]);
    assert!(listed["tools"].as_array().unwrap().len() >= 8, "{listed:#}");
    let called = inspect(&[
        "--method",
        "tools/call",
        "--tool-name",
        "execute_command",
        "--tool-arg",
        "command=git log -1 --format=%H",
    ]);
    let head = Command::new("git")
        .args(["-C", dev.workspace.to_str().unwrap(), "rev-parse", "HEAD"])
        .output()
        .unwrap();
    let head = String::from_utf8(head.stdout).unwrap();
    assert_eq!(called["structuredContent"]["stdout"], head.as_str(), "{called:#}");
}
