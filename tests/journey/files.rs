//! The file tools, in a session and without one.

use cofferdam_tests::dev::Dev;
use serde_json::json;

use crate::{content, refusal, text};

#[test]
fn a_file_is_edited_by_replacements_and_by_a_diff() {
    let dev = Dev::start();
    let path = dev.workspace.join("a.txt");
    std::fs::write(&path, "one\ntwo\nthree\n").unwrap();
    let edit = json!({ "path": "a.txt", "edits": [{ "old_text": "two", "new_text": "2" }] });
    let edited = dev.tool("edit_file", &edit);
    assert_eq!(content(&edited)["diff"], "@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n", "{edited:#}");
    assert!(text(&edited).contains("+2"), "{edited:#}");
    let digest = content(&edited)["sha256"].as_str().unwrap().to_owned();
    let diff = "--- a.txt\n+++ a.txt\n@@ -1,2 +1,2 @@\n-one\n+1\n 2\n";
    let patched = dev
        .tool("edit_file", &json!({ "path": "a.txt", "patch": diff, "expected_sha256": digest }));
    assert_eq!(content(&patched)["hunks"][0]["offset"], 0, "{patched:#}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "1\n2\nthree\n");
    let stale = dev
        .tool("edit_file", &json!({ "path": "a.txt", "patch": diff, "expected_sha256": digest }));
    assert!(refusal(&stale).contains("was changed since it was read"), "{stale:#}");
    let dry = json!({
        "path": "a.txt", "dry_run": true, "edits": [{ "old_text": "three", "new_text": "3" }],
    });
    assert_eq!(content(&dev.tool("edit_file", &dry))["written"], false);
    let missing = json!({ "path": "a.txt", "edits": [{ "old_text": "thre e", "new_text": "" }] });
    assert!(refusal(&dev.tool("edit_file", &missing)).contains("does not have the old text"));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "1\n2\nthree\n");
}

#[test]
fn names_that_are_not_utf_8_are_shown_in_a_form_that_is_taken() {
    use std::os::unix::ffi::OsStrExt;
    let dev = Dev::start();
    let name = std::ffi::OsStr::from_bytes(b"caf\xe9.txt");
    std::fs::write(dev.workspace.join(name), "inside").unwrap();
    let listed = dev.tool("list_directory", &json!({}));
    let shown = content(&listed)["entries"][0]["path"].as_str().unwrap().to_owned();
    assert_eq!(shown, "caf\\xe9.txt");
    let read = dev.tool("read_file", &json!({ "path": shown }));
    assert_eq!(content(&read)["content"], "inside", "{read:#}");
    let moved = dev.tool("move_file", &json!({ "from": shown, "to": "plain.txt" }));
    assert_eq!(content(&moved)["from"], shown, "{moved:#}");
    assert!(dev.workspace.join("plain.txt").exists());
    let made = dev.tool("make_directory", &json!({ "path": "a/b", "make_parents": true }));
    assert_eq!(content(&made)["created"], true, "{made:#}");
    let moved = dev.tool("move_file", &json!({ "from": "plain.txt", "to": "a/b/c" }));
    assert_eq!(content(&moved)["replaced"], false, "{moved:#}");
    assert!(dev.workspace.join("a/b/c").exists());
}

#[test]
fn pages_of_a_listing_and_of_a_search_show_everything_once() {
    let dev = Dev::start();
    for number in 0..30 {
        std::fs::write(dev.workspace.join(format!("{number:02}.rs")), "needle\n").unwrap();
    }
    let (mut seen, mut after) = (Vec::new(), json!(null));
    loop {
        let page = dev.tool("list_directory", &json!({ "max_entries": 7, "after": after }));
        let page = content(&page);
        seen.extend(page["entries"].as_array().unwrap().iter().map(|it| it["path"].clone()));
        if page["next"].is_null() {
            break;
        }
        after = page["next"].clone();
    }
    assert_eq!(seen.len(), 30);
    let (mut found, mut skip) = (0, 0);
    loop {
        let asked =
            json!({ "content": "needle", "types": ["rust"], "max_matches": 8, "skip": skip });
        let page = dev.tool("search_files", &asked);
        let page = content(&page);
        found += page["matches"].as_array().unwrap().len();
        match page["next"].as_u64() {
            Some(next) => skip = next,
            None => break,
        }
    }
    assert_eq!(found, 30);
}

#[test]
fn a_copy_out_of_the_workspace_is_refused_by_the_rules() {
    let dev = Dev::start();
    for (from, to) in [("a", "/etc/a"), ("/etc/passwd", "a"), ("a", "../a")] {
        for tool in ["copy_file", "move_file"] {
            let refused = dev.tool(tool, &json!({ "from": from, "to": to }));
            assert_eq!(refused["result"]["isError"], true, "{tool} {from} {to}: {refused:#}");
        }
    }
}

#[test]
fn a_file_worker_that_dies_is_replaced_and_nothing_is_lost() {
    let dev = Dev::start();
    std::fs::write(dev.workspace.join("a"), "content").unwrap();
    for _ in 0..3 {
        let read = dev.tool("read_file", &json!({ "path": "a" }));
        assert_eq!(content(&read)["content"], "content", "{read:#}");
        let killed = workers(&dev).into_iter().filter(|pid| kill(*pid)).count();
        // Who is not root may not signal another user's.
        assert!(killed > 0 || !rustix::process::geteuid().is_root());
    }
}

/// pids of file workers in cells of this one.
fn workers(dev: &Dev) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains("cofferdam-files\0--resident")
            && is_beneath(*pid, dev.pid())
    })
    .collect()
}

/// Whether `ancestor` started it, or one who did.
fn is_beneath(mut pid: u32, ancestor: u32) -> bool {
    while pid > 1 && pid != ancestor {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
        pid = parent.and_then(|pid| pid.trim().parse().ok()).unwrap_or(0);
    }
    pid == ancestor
}

fn kill(pid: u32) -> bool {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).is_ok()
}
