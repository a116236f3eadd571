//! Editing.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use cofferdam_proto::file::v1::{FileEdit, FileEdited, Replacement, TextEncoding};

use super::*;

fn swap(old: &str, new: &str) -> Replacement {
    Replacement { old: old.to_owned(), new: new.to_owned(), replace_all: false }
}

fn edits(replacements: Vec<Replacement>) -> FileEdit {
    FileEdit { path: b"a".to_vec(), replacements, ..FileEdit::default() }
}

fn patch(patch: &str) -> FileEdit {
    FileEdit { path: b"a".to_vec(), patch: patch.to_owned(), ..FileEdit::default() }
}

fn edit(workspace: &Path, request: FileEdit) -> Answer {
    ask(workspace, Operation::Edit(request))
}

fn edited(answer: Answer) -> FileEdited {
    match answer {
        Answer::Edited(edited) => edited,
        other => panic!("not edited: {other:?}"),
    }
}

fn file(content: &[u8]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a"), content).unwrap();
    dir
}

fn content(dir: &tempfile::TempDir) -> Vec<u8> {
    fs::read(dir.path().join("a")).unwrap()
}

/// Nothing but the file is there: no draft is left.
fn is_tidy(dir: &tempfile::TempDir) -> bool {
    fs::read_dir(dir.path()).unwrap().count() == 1
}

#[test]
fn several_edits_take_effect_together_and_the_diff_shows_them() {
    let dir = file(b"one\ntwo\nthree\n");
    let done = edited(edit(dir.path(), edits(vec![swap("two", "2"), swap("2\nthree", "2\n3")])));
    assert_eq!(content(&dir), b"one\n2\n3\n");
    assert_eq!(done.diff, "@@ -1,3 +1,3 @@\n one\n-two\n-three\n+2\n+3\n");
    assert!(done.written && done.changed && is_tidy(&dir));
    assert_eq!((done.added_lines, done.removed_lines, done.size), (2, 2, 8));
    assert_eq!(done.replaced.iter().map(|it| it.lines.clone()).collect::<Vec<_>>(), [[2], [2]]);
}

#[test]
fn one_edit_that_does_not_fit_leaves_everything_as_it_was() {
    let dir = file(b"one\ntwo\n");
    let refused = refusal(edit(dir.path(), edits(vec![swap("one", "1"), swap("four", "4")])));
    assert_eq!(refused.kind(), FileErrorKind::Unmatched);
    assert!(refused.message.contains("(edit 2)"), "{}", refused.message);
    assert_eq!(content(&dir), b"one\ntwo\n");
}

#[test]
fn a_text_that_stands_there_twice_is_told_with_its_lines() {
    let dir = file(b"x = 1\ny\nx = 1\n");
    let refused = refusal(edit(dir.path(), edits(vec![swap("x = 1", "x = 2")])));
    assert!(refused.message.contains("2 times, at lines 1, 3"), "{}", refused.message);
    let all = Replacement { replace_all: true, ..swap("x = 1", "x = 2") };
    assert_eq!(edited(edit(dir.path(), edits(vec![all]))).replaced[0].count, 2);
    assert_eq!(content(&dir), b"x = 2\ny\nx = 2\n");
}

#[test]
fn a_dry_run_shows_and_writes_nothing() {
    let dir = file(b"one\n");
    let dry = FileEdit { dry_run: true, ..edits(vec![swap("one", "1")]) };
    let shown = edited(edit(dir.path(), dry));
    assert!(shown.changed && !shown.written);
    assert_eq!(
        (shown.diff.as_str(), content(&dir)),
        ("@@ -1 +1 @@\n-one\n+1\n", b"one\n".to_vec())
    );
}

#[test]
fn a_file_that_changed_since_it_was_read_is_not_edited() {
    let dir = file(b"one\n");
    let first = edited(edit(dir.path(), edits(vec![swap("one", "1")])));
    let expecting = |digest: &[u8], old, new| FileEdit {
        expected_sha256: digest.to_vec(),
        ..edits(vec![swap(old, new)])
    };
    let stale = edit(dir.path(), expecting(&first.sha256_before, "1", "2"));
    assert_eq!(kind(stale), FileErrorKind::PreconditionFailed);
    assert_eq!(content(&dir), b"1\n");
    edited(edit(dir.path(), expecting(&first.sha256, "1", "2")));
    assert_eq!(content(&dir), b"2\n");
}

#[test]
fn line_ends_mode_links_and_a_missing_last_newline_stay() {
    let dir = file(b"one\r\ntwo\r\nthree");
    let path = dir.path().join("a");
    fs::set_permissions(&path, Permissions::from_mode(0o751)).unwrap();
    symlink("a", dir.path().join("link")).unwrap();
    let request = FileEdit { path: b"link".to_vec(), ..edits(vec![swap("one\ntwo\n", "1\n2\n")]) };
    edited(edit(dir.path(), request));
    assert_eq!(content(&dir), b"1\r\n2\r\nthree");
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o751);
    assert!(dir.path().join("link").is_symlink());
}

#[test]
fn latin_1_is_edited_as_bytes_and_shown_as_text() {
    let dir = file(b"caf\xe9\n\xff\n");
    let latin = |edit| FileEdit { encoding: TextEncoding::Latin1.into(), ..edit };
    let done = edited(edit(dir.path(), latin(edits(vec![swap("café", "thé")]))));
    assert_eq!(content(&dir), b"th\xe9\n\xff\n");
    assert!(done.diff.contains("-café\n+thé\n ÿ\n"), "{}", done.diff);
    let refused = refusal(edit(dir.path(), edits(vec![swap("th", "x")])));
    assert!(refused.message.contains("is not utf-8 (byte 2, in line 1)"), "{}", refused.message);
    assert_eq!(kind(edit(dir.path(), latin(edits(vec![swap("t", "Ω")])))), FileErrorKind::Invalid);
}

#[test]
fn a_diff_is_applied_where_its_lines_are() {
    let dir = file(b"0\na\nb\nc\n");
    let done = edited(edit(dir.path(), patch("@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n")));
    assert_eq!(content(&dir), b"0\na\nB\nc\n");
    assert_eq!((done.hunks[0].line, done.hunks[0].offset), (2, 1));
}

#[test]
fn what_is_no_text_file_is_never_edited() {
    let dir = file(b"one\n");
    fifo(&dir.path().join("fifo"));
    fs::create_dir(dir.path().join("dir")).unwrap();
    symlink("loop", dir.path().join("loop")).unwrap();
    let at = |path: &str| FileEdit { path: path.into(), ..edits(vec![swap("one", "1")]) };
    let kinds = ["fifo", "dir", "loop", "missing", "/dev/null"]
        .map(|path| kind(edit(dir.path(), at(path))));
    let wrong = FileErrorKind::WrongKind;
    let (circle, missing) = (FileErrorKind::Invalid, FileErrorKind::NotFound);
    assert_eq!(kinds, [wrong, wrong, circle, missing, wrong]);
    let both = FileEdit { patch: "@@".into(), ..edits(vec![swap("one", "1")]) };
    assert_eq!(kind(edit(dir.path(), both)), FileErrorKind::Invalid);
    let large = fs::File::create(dir.path().join("large")).unwrap();
    large.set_len(17 << 20).unwrap();
    assert_eq!(kind(edit(dir.path(), at("large"))), FileErrorKind::TooLarge);
}

#[test]
fn whoever_writes_while_it_is_edited_is_never_overwritten() {
    let dir = file(b"0\n");
    let path = dir.path().join("a");
    let replace = |text: String| {
        let fresh = dir.path().join("fresh");
        fs::write(&fresh, text).unwrap();
        fs::rename(&fresh, &path).unwrap();
    };
    std::thread::scope(|scope| {
        // Counts on by whole replacements; an edit only ever adds a mark.
        scope.spawn(|| (0..400).for_each(|count| replace(format!("{count}\n"))));
        scope.spawn(|| {
            for _ in 0..400 {
                let answer = edit(dir.path(), edits(vec![swap("\n", " marked\n")]));
                let fine = matches!(&answer, Answer::Edited(_))
                    || matches!(
                        kind(answer),
                        FileErrorKind::PreconditionFailed | FileErrorKind::Unmatched
                    );
                assert!(fine);
            }
        });
    });
    let last = String::from_utf8(content(&dir)).unwrap();
    assert!(last.starts_with("399"), "{last}");
    let left: Vec<_> =
        fs::read_dir(dir.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(left, ["a"]);
}
