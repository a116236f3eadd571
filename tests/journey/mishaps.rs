//! What goes wrong while somebody works: what a call needs is gone, is no file, has no
//! end or no room, or was lost with its agent. Each is told in words, harms nothing
//! else and holds nobody up.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use cofferdam_tests::dev::{Dev, until};
use cofferdam_tests::host::{Host, Setup};
use cofferdam_tests::warden::is_root;
use cofferdam_tests::{skip_unless_owners_map_on_tmpfs, skip_unless_root};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::gateways::{Gateway, field};
use crate::{content, refusal};

fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

/// Whether a program with this argument runs on this machine, in whatever cell.
fn runs(argument: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|it| std::fs::read(it.path().join("cmdline")).ok());
    lines.into_iter().any(|line| line.split(|byte| *byte == 0).any(|it| it == argument.as_bytes()))
}

#[test]
fn a_process_that_was_lost_with_its_agent_says_so_and_nothing_of_it_lives() {
    let mut host = Host::start();
    let gateway = Gateway::of(&host, "one");
    let ann = gateway.token("ann");
    let mark = (700_000 + std::process::id()).to_string();
    let line = format!("echo begun; setsid sleep {mark} & exec sleep {mark}");
    let begin = json!({ "command": line, "project": "shop" });
    let started = gateway.call(&ann, "start_process", &begin);
    let process = field(&started, "process").as_str().unwrap_or_else(|| panic!("{started:#}"));
    until("it runs", || runs(&mark));
    kill(host.agent_pid());
    until("nothing of it lives", || !runs(&mark));
    let read = json!({ "process": process, "until": "end", "wait_seconds": 5 });
    let unheard = gateway.call(&ann, "read_process", &read);
    assert_eq!(field(&unheard, "error")["reason"], "HOST_UNREACHABLE", "{unheard:#}");
    host.stop();
    host.start_again();
    let mut lost = Value::Null;
    until("the host is there again", || {
        lost = gateway.call(&ann, "read_process", &read);
        field(&lost, "error").is_null()
    });
    assert_eq!(field(&lost, "state"), "ended", "{lost:#}");
    let outcome = field(&lost, "outcome");
    assert_eq!(outcome["kind"], "lost", "{lost:#}");
    assert!(outcome["detail"].as_str().is_some_and(|it| it.contains("agent")), "{lost:#}");
    let write = json!({ "process": process, "text": "x" });
    let write = gateway.call(&ann, "write_process", &write);
    assert!(field(&write, "error")["message"].is_string(), "{write:#}");
    let arguments = json!({ "command": "echo on", "project": "shop" });
    let next = gateway.call(&ann, "execute_command", &arguments);
    assert_eq!(field(&next, "stdout"), "on\n", "{next:#}");
}

#[test]
fn a_process_that_ended_longer_ago_than_its_host_keeps_is_unknown() {
    let host = Host::start_with(Setup { kept_seconds: 1, ..Setup::default() });
    let gateway = Gateway::of(&host, "one");
    let ann = gateway.token("ann");
    let ran = json!({ "command": "echo once", "project": "shop" });
    let ran = gateway.call(&ann, "execute_command", &ran);
    let process = field(&ran, "process").as_str().unwrap_or_else(|| panic!("{ran:#}")).to_owned();
    until("it is forgotten", || {
        let read = gateway.call(&ann, "read_process", &json!({ "process": process }));
        field(&read, "error")["reason"] == "UNKNOWN_PROCESS"
    });
}

#[test]
fn a_directory_that_was_deleted_is_named_and_the_session_goes_on() {
    let dev = Dev::start();
    let directory = dev.workspace.join("sub");
    std::fs::create_dir(&directory).unwrap();
    let opened = dev.tool("open_session", &json!({ "working_directory": "sub" }));
    let session = content(&opened)["session"].as_str().unwrap().to_owned();
    let run = json!({ "command": "pwd", "session": session });
    assert!(
        content(&dev.tool("execute_command", &run))["stdout"].as_str().unwrap().ends_with("sub\n")
    );
    let inside = json!({ "command": "echo here; read line; echo $line", "session": session, "stdin_open": true });
    let inside = dev.tool("start_process", &inside);
    let process = content(&inside)["process"].as_str().unwrap().to_owned();
    std::fs::remove_dir(&directory).unwrap();

    let gone = dev.tool("execute_command", &run);
    let outcome = &gone["result"]["structuredContent"]["outcome"];
    assert_eq!(outcome["kind"], "failed_to_start", "{gone:#}");
    assert!(crate::text(&gone).contains("/sub"), "{gone:#}");
    let read = json!({ "path": "file", "session": session });
    assert!(refusal(&dev.tool("read_file", &read)).contains("sub/file"));
    // What was there before goes on without its directory.
    content(&dev.tool("write_process", &json!({ "process": process, "text": "still\n" })));
    let ended = dev.tool("wait_process", &json!({ "process": process }));
    assert_eq!(content(&ended)["outcome"], json!({ "kind": "exited", "code": 0 }), "{ended:#}");

    std::fs::create_dir(&directory).unwrap();
    assert!(
        content(&dev.tool("execute_command", &run))["stdout"].as_str().unwrap().ends_with("sub\n")
    );
}

#[test]
fn a_workspace_that_was_deleted_is_named_and_works_again_once_it_is_made_anew() {
    let dev = Dev::start();
    let run = json!({ "command": "pwd && touch made" });
    content(&dev.tool("execute_command", &run));
    content(&dev.tool("list_directory", &json!({})));
    std::fs::remove_dir_all(&dev.workspace).unwrap();
    let workspace = dev.workspace.display().to_string();
    for (tool, arguments) in [
        ("execute_command", run.clone()),
        ("read_file", json!({ "path": "made" })),
        ("write_file", json!({ "path": "made", "content": "x" })),
        ("list_directory", json!({})),
    ] {
        let answer = dev.tool(tool, &arguments);
        let words = refusal(&answer);
        assert!(words.contains(&workspace), "{tool}: {answer:#}");
    }
    std::fs::create_dir(&dev.workspace).unwrap();
    let again = dev.tool("execute_command", &run);
    assert_eq!(content(&again)["outcome"], json!({ "kind": "exited", "code": 0 }), "{again:#}");
    assert!(dev.workspace.join("made").exists());
    let listed = dev.tool("list_directory", &json!({}));
    assert_eq!(content(&listed)["entries"][0]["path"], "made", "{listed:#}");
}

/// What is no regular file, by name.
fn odd_files(dev: &Dev) -> Vec<&'static str> {
    let at = |name: &str| dev.workspace.join(name);
    std::fs::create_dir(at("directory")).unwrap();
    UnixListener::bind(at("socket")).unwrap();
    symlink("loop-b", at("loop-a")).unwrap();
    symlink("loop-a", at("loop-b")).unwrap();
    symlink("nowhere", at("dangling")).unwrap();
    content(&dev.tool("execute_command", &json!({ "command": "mkfifo fifo" })));
    let mut names = vec!["directory", "socket", "loop-a", "fifo"];
    if is_root() {
        let device = rustix::fs::makedev(1, 5);
        let (kind, mode) = (rustix::fs::FileType::CharacterDevice, rustix::fs::Mode::from(0o666));
        rustix::fs::mknodat(rustix::fs::CWD, at("zero"), kind, mode, device).unwrap();
        names.push("zero");
    }
    names
}

#[test]
fn what_is_no_file_is_refused_by_name_wherever_a_file_is_meant_and_holds_nobody_up() {
    let dev = Dev::start();
    for name in odd_files(&dev) {
        let edits = json!([{ "old_text": "a", "new_text": "b" }]);
        for (tool, arguments) in [
            ("read_file", json!({ "path": name })),
            ("write_file", json!({ "path": name, "content": "x" })),
            ("write_file", json!({ "path": name, "content": "x", "append": true })),
            ("edit_file", json!({ "path": name, "edits": edits })),
        ] {
            let began = Instant::now();
            let answer = dev.tool(tool, &arguments);
            assert!(began.elapsed() < Duration::from_secs(5), "{tool} {name}");
            assert!(refusal(&answer).contains(name), "{tool} {name}: {answer:#}");
        }
        let several = dev.tool("read_files", &json!({ "paths": [name] }));
        let error = &several["result"]["structuredContent"]["files"][0]["error"];
        assert!(!error.is_null(), "{name}: {several:#}");
    }
    let dangling = dev.tool("read_file", &json!({ "path": "dangling" }));
    assert!(refusal(&dangling).contains("dangling"));
    // Trees with all of it are walked past it.
    for (tool, arguments) in [
        ("list_directory", json!({ "depth": 5 })),
        ("search_files", json!({ "content": "needle" })),
        ("stat_file", json!({ "path": "fifo" })),
        ("stat_file", json!({ "path": "loop-a" })),
    ] {
        let began = Instant::now();
        content(&dev.tool(tool, &arguments));
        assert!(began.elapsed() < Duration::from_secs(5), "{tool}");
    }
}

#[test]
fn a_file_that_is_too_large_is_read_in_parts_and_never_edited() {
    let dev = Dev::start();
    let path = dev.workspace.join("large");
    std::fs::File::create(&path).unwrap().set_len(20 << 30).unwrap();
    let began = Instant::now();
    let read =
        dev.tool("read_file", &json!({ "path": "large", "offset": 19_u64 << 30, "length": 100 }));
    assert_eq!(content(&read)["size"], 20_u64 << 30, "{read:#}");
    assert!(dev.tool("read_file", &json!({ "path": "large" })).to_string().len() < 400_000);
    let edit = json!({ "path": "large", "edits": [{ "old_text": "a", "new_text": "b" }] });
    for (tool, arguments) in
        [("edit_file", edit), ("copy_file", json!({ "from": "large", "to": "copy" }))]
    {
        let words = refusal(&dev.tool(tool, &arguments));
        assert!(words.contains("large") && words.contains("at most"), "{tool}: {words}");
    }
    let much = "x".repeat((4 << 20) + 1);
    let words = refusal(&dev.tool("write_file", &json!({ "path": "more", "content": much })));
    assert!(words.contains("4194304"), "{words}");
    assert!(!dev.workspace.join("more").exists() && !dev.workspace.join("copy").exists());
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}

#[test]
fn a_file_that_a_run_changed_since_it_was_read_is_neither_written_nor_edited() {
    let dev = Dev::start();
    std::fs::write(dev.workspace.join("shared"), "one\ntwo\n").unwrap();
    let read = dev.tool("read_file", &json!({ "path": "shared" }));
    let digest = content(&read)["sha256"].clone();
    content(&dev.tool("execute_command", &json!({ "command": "echo three >> shared" })));
    let edits = json!([{ "old_text": "two", "new_text": "2" }]);
    for (tool, arguments) in [
        ("write_file", json!({ "path": "shared", "content": "mine", "expected_sha256": digest })),
        ("edit_file", json!({ "path": "shared", "edits": edits, "expected_sha256": digest })),
    ] {
        let words = refusal(&dev.tool(tool, &arguments));
        assert!(words.contains("changed"), "{tool}: {words}");
    }
    let now = std::fs::read_to_string(dev.workspace.join("shared")).unwrap();
    assert_eq!(now, "one\ntwo\nthree\n");
}

#[test]
fn names_that_are_not_utf_8_are_worked_with_by_every_tool_that_takes_a_path() {
    let dev = Dev::start();
    std::fs::write(dev.workspace.join(OsStr::from_bytes(b"a\xffb")), "old\n").unwrap();
    let name = "a\\xffb";
    let edits = json!([{ "old_text": "old", "new_text": "new" }]);
    content(&dev.tool("edit_file", &json!({ "path": name, "edits": edits })));
    content(&dev.tool("copy_file", &json!({ "from": name, "to": "copy" })));
    let found = dev.tool("search_files", &json!({ "content": "^new$" }));
    assert_eq!(content(&found)["matches"][0]["path"], name, "{found:#}");
    assert_eq!(content(&dev.tool("stat_file", &json!({ "path": name })))["path"], name);
    content(&dev.tool("delete_file", &json!({ "path": name })));
    let left = std::fs::read_dir(&dev.workspace).unwrap().count();
    assert_eq!(left, 1, "the copy alone");
}

#[test]
fn a_disk_that_is_full_in_the_middle_of_a_write_leaves_the_old_content() {
    let test = "a_disk_that_is_full_in_the_middle_of_a_write_leaves_the_old_content";
    if skip_unless_root(test) || skip_unless_owners_map_on_tmpfs(test) {
        return;
    }
    let directory = TempDir::new().unwrap();
    let root = directory.path().canonicalize().unwrap();
    std::fs::set_permissions(&root, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::create_dir(root.join("workspace")).unwrap();
    let small = format!(
        "mount -t tmpfs -o size=1m,mode=755 none {} && exec \"$@\"",
        root.join("workspace").display()
    );
    let apart = ["unshare", "--mount", "--propagation", "private", "sh", "-c", &small, "sh"];
    let dev = Dev::start_in(directory, &apart, &[]);
    let old = "old\n".repeat(100_000);
    content(&dev.tool("write_file", &json!({ "path": "file", "content": old })));
    let before =
        content(&dev.tool("stat_file", &json!({ "path": "file", "digest": true }))).clone();
    let much = "new\n".repeat(200_000);
    let edits = json!([{ "old_text": "old", "new_text": "new and longer", "replace_all": true }]);
    for (tool, arguments) in [
        ("write_file", json!({ "path": "file", "content": much })),
        ("write_file", json!({ "path": "file", "content": much, "append": true })),
        ("edit_file", json!({ "path": "file", "edits": edits })),
        ("write_file", json!({ "path": "other", "content": much })),
    ] {
        let words = refusal(&dev.tool(tool, &arguments)).to_lowercase();
        assert!(words.contains("no space") || words.contains("full"), "{tool}: {words}");
        let now = dev.tool("stat_file", &json!({ "path": "file", "digest": true }));
        assert_eq!(content(&now)["sha256"], before["sha256"], "{tool}");
        let listed = dev.tool("list_directory", &json!({}));
        assert_eq!(content(&listed)["entries"].as_array().unwrap().len(), 1, "{listed:#}");
    }
}
