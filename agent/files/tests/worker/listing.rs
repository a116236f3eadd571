//! Listing.

use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;

use cofferdam_proto::file::v1::{DirectoryList, DirectoryListing, FileKind};

use super::*;

fn list(workspace: &Path, request: DirectoryList) -> Answer {
    ask(workspace, Operation::List(request))
}

fn request(path: &str, depth: u32) -> DirectoryList {
    DirectoryList { path: path.into(), depth, ..DirectoryList::default() }
}

fn listing(answer: Answer) -> DirectoryListing {
    match answer {
        Answer::Listing(listing) => listing,
        other => panic!("no listing: {other:?}"),
    }
}

fn names(listing: &DirectoryListing) -> Vec<String> {
    listing.entries.iter().map(|e| String::from_utf8_lossy(&e.path).into_owned()).collect()
}

fn tree() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for path in ["src/deep", "target", ".git"] {
        fs::create_dir_all(dir.path().join(path)).unwrap();
    }
    for path in ["src/main.rs", "src/deep/a.rs", "target/out", ".hidden", "z"] {
        fs::write(dir.path().join(path), path).unwrap();
    }
    fs::write(dir.path().join(".gitignore"), "target/\n").unwrap();
    dir
}

#[test]
fn levels_come_one_after_the_other_and_sorted() {
    let dir = tree();
    assert_eq!(names(&listing(list(dir.path(), request(".", 0)))), ["src", "target", "z"]);
    let two = listing(list(dir.path(), request(".", 2)));
    assert_eq!(names(&two), ["src", "target", "z", "src/deep", "src/main.rs", "target/out"]);
    let beneath = listing(list(dir.path(), request("src", 3)));
    assert_eq!(names(&beneath), ["src/deep", "src/main.rs", "src/deep/a.rs"]);
    assert_eq!(beneath.entries[0].kind(), FileKind::Directory);
}

#[test]
fn ignore_files_and_hidden_names_count_when_asked_for() {
    let dir = tree();
    let ignoring = DirectoryList { respect_ignore_files: true, ..request(".", 2) };
    let found = names(&listing(list(dir.path(), ignoring)));
    assert_eq!(found, ["src", "z", "src/deep", "src/main.rs"]);
    let hidden = DirectoryList { include_hidden: true, ..request(".", 1) };
    let found = names(&listing(list(dir.path(), hidden)));
    assert_eq!(found, [".git", ".gitignore", ".hidden", "src", "target", "z"]);
}

#[test]
fn a_hundred_thousand_entries_are_cut_and_said_to_be() {
    let dir = tempfile::tempdir().unwrap();
    for number in 0..100_000 {
        File::create(dir.path().join(format!("f{number}"))).unwrap();
    }
    let cut = listing(list(dir.path(), DirectoryList { max_entries: 10, ..request(".", 1) }));
    assert_eq!((cut.entries.len(), cut.truncated), (10, true));
    let most = listing(list(dir.path(), DirectoryList { max_entries: 10_000, ..request(".", 9) }));
    assert_eq!((most.entries.len(), most.truncated), (10_000, true));
    let above = DirectoryList { max_entries: 10_001, ..request(".", 1) };
    assert_eq!(kind(list(dir.path(), above)), FileErrorKind::Invalid);
}

#[test]
fn links_are_shown_and_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    symlink(".", dir.path().join("loop")).unwrap();
    let found = listing(list(dir.path(), request(".", 32)));
    assert_eq!(found.entries.len(), 1);
    assert_eq!(found.entries[0].kind(), FileKind::Symlink);
    assert_eq!(found.entries[0].symlink_target, b".");
}

#[test]
fn names_that_are_not_utf8_are_listed_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let name = [vec![0xff; 254], vec![b'x']].concat();
    fs::write(dir.path().join(std::ffi::OsStr::from_bytes(&name)), "").unwrap();
    assert_eq!(listing(list(dir.path(), request(".", 1))).entries[0].path, name);
}

#[test]
fn what_is_no_directory_is_said_to_be_none() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    fifo(&dir.path().join("fifo"));
    assert_eq!(kind(list(dir.path(), request("file", 1))), FileErrorKind::WrongKind);
    assert_eq!(kind(list(dir.path(), request("fifo", 1))), FileErrorKind::WrongKind);
    assert_eq!(kind(list(dir.path(), request("none", 1))), FileErrorKind::NotFound);
    assert_eq!(kind(list(dir.path(), request(".", 33))), FileErrorKind::Invalid);
}

#[test]
fn a_very_deep_tree_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let mut path = dir.path().to_owned();
    for _ in 0..100 {
        path.push("d");
    }
    fs::create_dir_all(&path).unwrap();
    assert_eq!(listing(list(dir.path(), request(".", 32))).entries.len(), 32);
}

#[test]
fn pages_show_every_entry_once() {
    let dir = tree();
    let mut seen = Vec::new();
    let mut after = Vec::new();
    loop {
        let page = DirectoryList { max_entries: 2, after, ..request(".", 3) };
        let page = listing(list(dir.path(), page));
        seen.extend(names(&page));
        if page.next.is_empty() {
            break;
        }
        after = page.next;
    }
    assert_eq!(seen, names(&listing(list(dir.path(), request(".", 3)))));
    let gone = DirectoryList { after: b"gone".to_vec(), ..request(".", 1) };
    assert!(refusal(list(dir.path(), gone)).message.contains("not there any more"));
}
