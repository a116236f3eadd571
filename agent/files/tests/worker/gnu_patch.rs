//! Diffs, held to GNU patch: whatever it makes of a diff without fuzz, the worker
//! makes of it, too.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use cofferdam_proto::file::v1::FileEdit;
use proptest::prelude::*;

use super::*;

/// What GNU patch makes of `before`; nothing where it refuses.
fn by_gnu_patch(dir: &Path, before: &str, diff: &str) -> Option<Vec<u8>> {
    fs::write(dir.join("theirs"), before).unwrap();
    fs::write(dir.join("diff"), diff).unwrap();
    let ran = Command::new("patch")
        .args(["--fuzz=0", "--batch", "--force", "--silent", "--binary", "--reject-file=-"])
        .args(["--no-backup-if-mismatch", "theirs", "diff"])
        .current_dir(dir)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    ran.success().then(|| fs::read(dir.join("theirs")).unwrap())
}

/// What the worker makes of it.
fn by_worker(dir: &Path, before: &str, diff: &str) -> Option<Vec<u8>> {
    fs::write(dir.join("ours"), before).unwrap();
    let edit = FileEdit { path: b"ours".to_vec(), patch: diff.to_owned(), ..FileEdit::default() };
    match ask(dir, Operation::Edit(edit)) {
        Answer::Edited(_) => Some(fs::read(dir.join("ours")).unwrap()),
        _ => None,
    }
}

fn diff(dir: &Path, before: &str, after: &str, context: usize) -> String {
    fs::write(dir.join("one"), before).unwrap();
    fs::write(dir.join("two"), after).unwrap();
    let ran = Command::new("diff")
        .arg(format!("-U{context}"))
        .args(["one", "two"])
        .current_dir(dir)
        .output()
        .unwrap();
    String::from_utf8(ran.stdout).unwrap()
}

/// Few different lines, so that contexts are alike in several places.
fn text() -> impl Strategy<Value = String> {
    let line = prop::sample::select(vec!["a", "b", "c", "", "d e", "f"]);
    (prop::collection::vec(line, 0..40), any::<bool>()).prop_map(|(lines, newline)| {
        let mut text = lines.join("\n");
        if newline && !text.is_empty() {
            text.push('\n');
        }
        text
    })
}

/// A text and some of its lines changed.
fn changed() -> impl Strategy<Value = (String, String)> {
    let edits = prop::collection::vec((0..45_usize, 0..3_u8, "[a-f]"), 1..6);
    (text(), edits).prop_map(|(before, edits)| {
        let mut lines: Vec<String> = before.split('\n').map(str::to_owned).collect();
        for (at, how, new) in edits {
            let at = at.min(lines.len() - 1);
            match how {
                0 => lines.insert(at, new),
                1 if lines.len() > 1 => drop(lines.remove(at)),
                _ => lines[at] = new,
            }
        }
        (before, lines.join("\n"))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_worker_and_gnu_patch_make_the_same_of_a_diff(
        (before, after) in changed(),
        context in 0..4_usize,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let diff = diff(dir.path(), &before, &after, context);
        prop_assume!(!diff.is_empty() && !before.is_empty());
        let theirs = by_gnu_patch(dir.path(), &before, &diff);
        prop_assert_eq!(theirs.as_deref(), Some(after.as_bytes()));
        prop_assert_eq!(by_worker(dir.path(), &before, &diff), theirs);
    }

    #[test]
    fn what_gnu_patch_accepts_elsewhere_the_worker_accepts_there(
        (before, after) in changed(),
        other in text(),
        above in 0..12_usize,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let diff = diff(dir.path(), &before, &after, 3);
        prop_assume!(!diff.is_empty() && !before.is_empty());
        // The file grew since the diff was made.
        let grown = format!("{}{before}", "x\n".repeat(above));
        for there in [grown, other] {
            if let Some(theirs) = by_gnu_patch(dir.path(), &there, &diff) {
                prop_assert_eq!(by_worker(dir.path(), &there, &diff), Some(theirs));
            }
        }
    }

    #[test]
    fn the_worker_s_own_diffs_are_good_for_gnu_patch((before, after) in changed()) {
        let dir = tempfile::tempdir().unwrap();
        prop_assume!(!before.is_empty() && before != after);
        fs::write(dir.path().join("ours"), &before).unwrap();
        let whole = cofferdam_proto::file::v1::Replacement {
            old: before.clone(),
            new: after.clone(),
            replace_all: false,
        };
        let edit = FileEdit {
            path: b"ours".to_vec(),
            replacements: vec![whole],
            dry_run: true,
            ..FileEdit::default()
        };
        let Answer::Edited(edited) = ask(dir.path(), Operation::Edit(edit)) else {
            return Err(TestCaseError::fail("not edited"));
        };
        let diff = format!("--- a\n+++ a\n{}", edited.diff);
        let theirs = by_gnu_patch(dir.path(), &before, &diff);
        prop_assert_eq!(theirs.as_deref(), Some(after.as_bytes()), "{}", diff);
    }
}
