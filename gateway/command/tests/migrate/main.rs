//! `cofferdam migrate`, as a person runs it on the files of earlier systems.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use cofferdam_ceiling::Ceiling;
use serde_json::Value;
use tempfile::TempDir;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/migrate/fixtures").join(name)
}

fn cofferdam(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cofferdam")).args(arguments).output().unwrap()
}

/// Both fixtures into a directory, with the report.
fn migrated() -> (TempDir, Value) {
    let place = TempDir::new().unwrap();
    let (agent, servers) = (fixture("host-agent.json"), fixture("servers.json"));
    let out = place.path().join("out");
    let done = cofferdam(&[
        "migrate",
        "--json",
        "--agent",
        agent.to_str().unwrap(),
        "--servers",
        servers.to_str().unwrap(),
        "--out",
        out.to_str().unwrap(),
    ]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    (place, serde_json::from_slice(&done.stdout).unwrap())
}

fn written(place: &TempDir, name: &str) -> String {
    std::fs::read_to_string(place.path().join("out").join(name)).unwrap()
}

/// What became of what stands at a key.
fn became<'a>(report: &'a Value, key: &str) -> &'a Value {
    let lines = report["lines"].as_array().unwrap();
    let line = lines.iter().find(|line| line["key"] == key);
    &line.unwrap_or_else(|| panic!("nothing is said of {key}: {report:#}"))["became"]
}

#[test]
fn what_was_allowed_is_allowed_and_nothing_more() {
    let (place, _) = migrated();
    let rules = place.path().join("out/rules.toml");
    let decide = |call: &[&str]| {
        let mut words = vec![
            "policy",
            "explain",
            "--json",
            "--workspace",
            "/srv/shop",
            rules.to_str().unwrap(),
            "--",
        ];
        words.extend(call);
        let told = cofferdam(&words);
        let told: Value = serde_json::from_slice(&told.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&told.stderr)));
        told["effect"].as_str().unwrap_or_else(|| panic!("{told:#}")).to_owned()
    };
    for allowed in [
        &["ls", "-l"][..],
        &["git", "status"],
        &["git", "log", "--oneline"],
        &["npm", "test"],
        &["/usr/bin/systemctl", "status", "nginx"],
    ] {
        assert_eq!(decide(allowed), "allow", "{allowed:?}");
    }
    for denied in [
        &["git", "push"][..],
        &["rm", "-rf", "x"],
        &["sudo", "ls"],
        &["curl", "x"],
        &["systemctl", "restart", "nginx"],
        &["wc", "-l"],
    ] {
        assert_eq!(decide(denied), "deny", "{denied:?}");
    }
}

#[test]
fn the_ceiling_has_the_directories_and_limits() {
    let (place, _) = migrated();
    let ceiling = Ceiling::parse(&written(&place, "ceiling.toml")).unwrap();
    let roots: Vec<_> =
        ceiling.workspaces.roots.iter().map(cofferdam_ceiling::RootPath::as_path).collect();
    assert_eq!(roots, [Path::new("/srv/shop"), Path::new("/srv/website")]);
    assert_eq!(ceiling.limits.memory.0, 512 << 20);
    assert_eq!(ceiling.limits.processes, 64);
    assert_eq!(ceiling.limits.cpu_millis, 1500);
    assert_eq!(ceiling.limits.output.0, 1 << 20);
}

#[test]
fn everything_that_was_read_is_told_and_what_has_no_equivalent_says_why() {
    let (_place, report) = migrated();
    for key in [
        "allowed_commands[6]",
        "allowed_commands[7]",
        "blocked_commands[2]",
        "path_restrictions.allowed_paths[1]",
        "resource_limits.max_disk_mb",
        "telemetry",
        "port",
        "auth_token",
        "bearer_token",
        "servers[0].token",
        "servers[1].headers",
        "servers[3]",
    ] {
        assert_eq!(*became(&report, key), Value::Null, "{key}");
    }
    for key in [
        "allowed_commands[0]",
        "blocked_commands[0]",
        "path_restrictions.read_only[0]",
        "timeout",
        "max_timeout",
        "audit_log",
        "servers[0]",
        "servers[1]",
        "servers[2]",
        "hot_reload",
    ] {
        assert!(became(&report, key).is_string(), "{key}");
    }
    let lines = report["lines"].as_array().unwrap();
    for line in lines.iter().filter(|line| line["became"].is_null()) {
        assert!(!line["note"].as_str().unwrap().is_empty(), "{line:#}");
    }
}

#[test]
fn no_secret_is_copied_or_shown() {
    let (place, report) = migrated();
    let mut all = report.to_string();
    for name in ["rules.toml", "ceiling.toml", "gateway-hosts.toml"] {
        all.push_str(&written(&place, name));
    }
    for secret in ["old-secret", "manager-secret", "server-secret", "header-secret"] {
        assert!(!all.contains(secret), "{secret}");
    }
}

#[test]
fn hosts_and_projects_are_those_of_the_servers() {
    let (place, _) = migrated();
    let hosts: toml::Table = written(&place, "gateway-hosts.toml").parse().unwrap();
    let names = |kind: &str| -> Vec<String> {
        let list = hosts[kind].as_array().unwrap();
        list.iter().map(|it| it["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("host"), ["this-host", "web-1.example.org"]);
    assert_eq!(names("project"), ["shop", "the-web-site", "nowhere"]);
    assert_eq!(hosts["project"][1]["workspace"].as_str(), Some("/srv/website"));
}

#[test]
fn nothing_is_overwritten() {
    let (place, _) = migrated();
    let before = written(&place, "rules.toml");
    let (agent, out) = (fixture("host-agent.json"), place.path().join("out"));
    let again =
        cofferdam(&["migrate", "--agent", agent.to_str().unwrap(), "--out", out.to_str().unwrap()]);
    assert_eq!(again.status.code(), Some(1));
    let said = String::from_utf8(again.stderr).unwrap();
    assert!(said.contains("rules.toml") && said.contains("nothing is overwritten"), "{said}");
    assert_eq!(written(&place, "rules.toml"), before);
}

#[test]
fn what_is_no_such_file_is_refused_in_words() {
    let place = TempDir::new().unwrap();
    let out = place.path().join("out");
    for (content, says) in [
        ("", "is not JSON"),
        ("[]", "it is no object"),
        ("{\"a\": 1}", "it has none of allowed_commands"),
        ("{\"allowed_commands\": [", "line 1 column"),
    ] {
        let file = place.path().join("old.json");
        std::fs::write(&file, content).unwrap();
        let done = cofferdam(&[
            "migrate",
            "--agent",
            file.to_str().unwrap(),
            "--out",
            out.to_str().unwrap(),
        ]);
        assert_eq!(done.status.code(), Some(1), "{content}");
        let said = String::from_utf8(done.stderr).unwrap();
        assert!(said.contains(says) && said.contains("old.json"), "{said}");
        assert!(!out.exists());
    }
}

#[test]
fn hostile_values_stay_within_their_strings() {
    let place = TempDir::new().unwrap();
    let (file, out) = (place.path().join("old.json"), place.path().join("out"));
    let hostile = serde_json::json!({
        "allowed_commands": ["ls\u{7f}", "a\u{0}b", "x\u{202e}y", "ls\\\"]\n[[rule]]"],
        "blocked_commands": {"git": ["push\" }] #"], "rm": [1, null], "x": false},
        "path_restrictions": ["/srv/a\"b\n[[rule]]", "relative", "/", 7],
        "resource_limits": {"max_memory_mb": -1, "max_processes": 1e300, "timeout": "soon"},
    });
    std::fs::write(&file, hostile.to_string()).unwrap();
    let done =
        cofferdam(&["migrate", "--agent", file.to_str().unwrap(), "--out", out.to_str().unwrap()]);
    let said = String::from_utf8(done.stderr).unwrap();
    assert!(done.status.success(), "{said}");
    let rules = std::fs::read_to_string(out.join("rules.toml")).unwrap();
    let rules: toml::Table = rules.parse().unwrap();
    assert!(rules["rule"].as_array().unwrap().len() <= 4, "{rules:#?}");
    let shown = String::from_utf8(done.stdout).unwrap();
    assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
}

#[test]
fn what_no_rule_could_name_is_told_and_keeps_nothing_else_from_being_written() {
    let place = TempDir::new().unwrap();
    let path = |name: &str| place.path().join(name).to_str().unwrap().to_owned();
    let agent = r#"{
        "allowed_commands": ["ls", "/usr//bin/make", "/usr/bin/"],
        "path_restrictions": { "allowed": ["/srv/shop", "/srv/../etc"] },
        "resource_limits": { "max_processes": 1e12, "max_open_files": 64 }
    }"#;
    let servers = r#"{ "servers": [
        { "name": "shop", "path": "/srv/shop" }, { "name": "-shop-", "path": "/srv/other" }
    ] }"#;
    std::fs::write(path("agent.json"), agent).unwrap();
    std::fs::write(path("servers.json"), servers).unwrap();
    let done = cofferdam(&[
        "migrate",
        "--json",
        "--agent",
        &path("agent.json"),
        "--servers",
        &path("servers.json"),
        "--out",
        &path("out"),
    ]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let report: Value = serde_json::from_slice(&done.stdout).unwrap();
    for key in
        ["allowed_commands[0]", "path_restrictions.allowed[0]", "resource_limits.max_open_files"]
    {
        assert!(became(&report, key).is_string(), "{key}");
    }
    for key in [
        "allowed_commands[1]",
        "path_restrictions.allowed[1]",
        "resource_limits.max_processes",
        "servers[1]",
    ] {
        assert!(became(&report, key).is_null(), "{key}");
    }
    assert_eq!(written(&place, "gateway-hosts.toml").matches("name = \"shop\"").count(), 1);
}
