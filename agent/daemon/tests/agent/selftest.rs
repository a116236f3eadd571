//! `cofferdam-agent selftest`, in real cells of this very host.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::host::is_root;

fn selftest(warden: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cofferdam-agent"))
        .arg("selftest")
        .arg("--spawn-warden")
        .arg(warden)
        .args(arguments)
        .env("COLUMNS", "80")
        .output()
        .unwrap()
}

fn warden() -> std::path::PathBuf {
    let beside = Path::new(env!("CARGO_BIN_EXE_cofferdam-agent"));
    let warden = beside.with_file_name("cofferdam-warden");
    let probe = beside.with_file_name("cofferdam-probe");
    assert!(warden.exists() && probe.exists(), "`cargo build --workspace` builds both");
    warden
}

#[test]
fn selftest_tries_the_checklist_in_real_cells() {
    let output = selftest(&warden(), &["--json"]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    let report: Value = serde_json::from_slice(&output.stdout).expect(&error);
    let lines = report["lines"].as_array().unwrap();
    assert_eq!(lines.len(), 50);
    assert_eq!(report["control"], true);
    let with = |verdict: &str| -> Vec<u64> {
        let lines = lines.iter().filter(|line| line["verdict"] == verdict);
        lines.map(|line| line["number"].as_u64().unwrap()).collect()
    };
    assert!(with("held").len() >= 40, "{report}");
    if is_root() {
        assert!(with("not-held").is_empty(), "{report}");
        assert!(output.status.success());
    } else {
        // Without a cgroup nothing limits processes and memory, and selftest must say so.
        assert!(with("not-held").iter().all(|number| [32, 33].contains(number)), "{report}");
        assert!(!report["degraded"].as_array().unwrap().is_empty());
    }
}

#[test]
fn what_cannot_be_tested_is_an_error_and_not_a_verdict() {
    for warden in ["/nowhere", "/bin/true", "/etc/passwd"] {
        let output = selftest(Path::new(warden), &[]);
        assert_eq!(output.status.code(), Some(1), "{warden}");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(error.contains("cofferdam-agent: ") && !error.contains("panicked"), "{error}");
        assert!(output.stdout.is_empty());
    }
    let output = selftest(&warden(), &["--profile", "nothing"]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("no profile `nothing`"), "{error}");
}
