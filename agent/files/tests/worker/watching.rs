//! Waiting for changes.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use cofferdam_proto::file::v1::{FileChanges, FileWatch};

use super::*;

fn watch(workspace: &Path, path: &str, wait_millis: u32) -> FileChanges {
    // Longer than a busy machine keeps whoever makes the changes waiting.
    let settle_millis = 1000;
    let watch = FileWatch { path: path.into(), recursive: true, wait_millis, settle_millis };
    match ask(workspace, Operation::Watch(watch)) {
        Answer::Changes(changes) => changes,
        other => panic!("no changes: {other:?}"),
    }
}

/// What is told of what `change` does while somebody watches.
fn seen(workspace: &Path, path: &str, change: impl FnOnce() + Send) -> FileChanges {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(300));
            change();
        });
        watch(workspace, path, 20_000)
    })
}

fn paths(changes: &FileChanges) -> Vec<String> {
    changes.changes.iter().map(|it| String::from_utf8(it.path.clone()).unwrap()).collect()
}

#[test]
fn changes_beneath_are_told_together_once_it_is_quiet() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("src")).unwrap();
    let began = Instant::now();
    let told = seen(dir.path(), ".", || {
        fs::write(dir.path().join("src/a"), "a").unwrap();
        fs::write(dir.path().join("b"), "b").unwrap();
        fs::remove_file(dir.path().join("b")).unwrap();
    });
    assert_eq!(paths(&told), ["b", "src/a"]);
    assert!(told.changes[0].removed && told.changes[1].created && told.changes[1].modified);
    assert!(!told.timed_out && !told.overflow);
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_file_is_watched_through_its_replacement() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a"), "old").unwrap();
    let told = seen(dir.path(), "a", || {
        fs::write(dir.path().join("new"), "new").unwrap();
        fs::rename(dir.path().join("new"), dir.path().join("a")).unwrap();
    });
    assert_eq!(paths(&told), ["a"]);
}

#[test]
fn directories_that_come_to_be_are_watched_with_what_is_in_them() {
    let dir = tempfile::tempdir().unwrap();
    let told = seen(dir.path(), ".", || {
        fs::create_dir_all(dir.path().join("x/y")).unwrap();
        fs::write(dir.path().join("x/y/z"), "").unwrap();
    });
    assert!(paths(&told).contains(&"x/y/z".to_owned()), "{told:?}");
}

#[test]
fn nothing_is_said_after_the_time() {
    let dir = tempfile::tempdir().unwrap();
    let told = watch(dir.path(), ".", 200);
    assert!(told.timed_out && told.changes.is_empty());
}

#[test]
fn more_changes_than_are_told_are_declared() {
    let dir = tempfile::tempdir().unwrap();
    let told = seen(dir.path(), ".", || {
        (0..2000).for_each(|number| fs::write(dir.path().join(format!("{number}")), "").unwrap());
    });
    assert!(told.overflow && told.changes.len() <= 1000, "{}", told.changes.len());
}
