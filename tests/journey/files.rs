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
    let patch = "--- a.txt\n+++ a.txt\n@@ -1,2 +1,2 @@\n-one\n+1\n 2\n";
    let patched = dev.tool(
        "edit_file",
        &json!({ "path": "a.txt", "patch": patch, "expected_sha256": digest }),
    );
    assert_eq!(content(&patched)["hunks"][0]["offset"], 0, "{patched:#}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "1\n2\nthree\n");
    let stale = dev.tool(
        "edit_file",
        &json!({ "path": "a.txt", "patch": patch, "expected_sha256": digest }),
    );
    assert!(refusal(&stale).contains("was changed since it was read"), "{stale:#}");
    let dry = json!({
        "path": "a.txt", "dry_run": true, "edits": [{ "old_text": "three", "new_text": "3" }],
    });
    assert_eq!(content(&dev.tool("edit_file", &dry))["written"], false);
    let missing = json!({ "path": "a.txt", "edits": [{ "old_text": "thre e", "new_text": "" }] });
    assert!(refusal(&dev.tool("edit_file", &missing)).contains("does not have the old text"));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "1\n2\nthree\n");
}
