//! Writing.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use cofferdam_proto::file::v1::write_precondition::Precondition;
use cofferdam_proto::file::v1::{FileWrite, FileWritten, WritePrecondition};

use super::*;

fn request(path: &str, data: &str) -> FileWrite {
    FileWrite { path: path.into(), data: data.into(), ..FileWrite::default() }
}

fn when(precondition: Precondition) -> WritePrecondition {
    WritePrecondition { precondition: Some(precondition) }
}

fn write(workspace: &Path, request: FileWrite) -> Answer {
    ask(workspace, Operation::Write(request))
}

fn written(answer: Answer) -> FileWritten {
    match answer {
        Answer::Written(written) => written,
        other => panic!("not written: {other:?}"),
    }
}

/// The directory holds these names and no draft.
fn holds(dir: &Path, names: &[&str]) {
    let mut found: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    assert_eq!(found, names);
}

#[test]
fn a_new_file_is_made_and_an_old_one_replaced_with_its_mode_kept() {
    let dir = tempfile::tempdir().unwrap();
    let first = written(write(dir.path(), request("a", "one")));
    assert!(first.created && first.size == 3 && first.sha256.len() == 32);
    let path = dir.path().join("a");
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o644);
    fs::set_permissions(&path, Permissions::from_mode(0o750)).unwrap();
    assert!(!written(write(dir.path(), request("a", "two"))).created);
    assert_eq!(fs::read(&path).unwrap(), b"two");
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o750);
    holds(dir.path(), &["a"]);
}

#[test]
fn preconditions_hold_or_nothing_changes() {
    let dir = tempfile::tempdir().unwrap();
    let new = FileWrite {
        precondition: Some(when(Precondition::MustNotExist(true))),
        ..request("a", "one")
    };
    let digest = written(write(dir.path(), new.clone())).sha256;
    assert_eq!(kind(write(dir.path(), new)), FileErrorKind::PreconditionFailed);
    let changed = |data| FileWrite {
        precondition: Some(when(Precondition::Sha256(digest.clone()))),
        ..request("a", data)
    };
    written(write(dir.path(), changed("two")));
    assert_eq!(kind(write(dir.path(), changed("three"))), FileErrorKind::PreconditionFailed);
    assert_eq!(fs::read(dir.path().join("a")).unwrap(), b"two");
    let gone = FileWrite {
        precondition: Some(when(Precondition::Sha256(vec![0; 32]))),
        ..request("b", "")
    };
    assert_eq!(kind(write(dir.path(), gone)), FileErrorKind::PreconditionFailed);
    let short = FileWrite {
        precondition: Some(when(Precondition::Sha256(vec![0; 3]))),
        ..request("a", "")
    };
    assert_eq!(kind(write(dir.path(), short)), FileErrorKind::Invalid);
    holds(dir.path(), &["a"]);
}

#[test]
fn a_link_is_written_through_and_stays() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("target"), "old").unwrap();
    symlink("target", dir.path().join("link")).unwrap();
    written(write(dir.path(), request("link", "new")));
    assert_eq!(fs::read(dir.path().join("target")).unwrap(), b"new");
    assert!(dir.path().join("link").is_symlink());
    symlink("nowhere", dir.path().join("dangling")).unwrap();
    assert_eq!(kind(write(dir.path(), request("dangling", ""))), FileErrorKind::NotFound);
}

#[test]
fn parents_are_made_only_when_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(kind(write(dir.path(), request("x/y/a", ""))), FileErrorKind::NotFound);
    written(write(dir.path(), FileWrite { make_parents: true, ..request("x/y/a", "deep") }));
    assert_eq!(fs::read(dir.path().join("x/y/a")).unwrap(), b"deep");
}

#[test]
fn appending_adds_at_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let add = |data| FileWrite { append: true, ..request("log", data) };
    assert!(written(write(dir.path(), add("one\n"))).created);
    let second = written(write(dir.path(), add("two\n")));
    assert_eq!((second.created, second.size), (false, 8));
    assert_eq!(fs::read(dir.path().join("log")).unwrap(), b"one\ntwo\n");
}

#[test]
fn fifos_directories_setuid_modes_and_too_many_bytes_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    fifo(&dir.path().join("fifo"));
    fs::create_dir(dir.path().join("dir")).unwrap();
    for path in ["fifo", "dir"] {
        assert_eq!(kind(write(dir.path(), request(path, "x"))), FileErrorKind::WrongKind);
        let append = FileWrite { append: true, ..request(path, "x") };
        assert_eq!(kind(write(dir.path(), append)), FileErrorKind::WrongKind);
    }
    let setuid = FileWrite { mode: 0o4755, ..request("a", "x") };
    assert_eq!(kind(write(dir.path(), setuid)), FileErrorKind::Invalid);
    let large = FileWrite { data: vec![0; (4 << 20) + 1], ..request("a", "") };
    assert_eq!(kind(write(dir.path(), large)), FileErrorKind::TooLarge);
    assert_eq!(kind(write(dir.path(), request("..", "x"))), FileErrorKind::Invalid);
    holds(dir.path(), &["dir", "fifo"]);
}

#[test]
fn a_full_file_system_leaves_the_old_content() {
    // /dev/full stands in for the disk: it is no regular file and is refused
    // before a byte is lost; the draft's own failure is the kernel's to give.
    assert_eq!(kind(write(Path::new("/"), request("/dev/full", "x"))), FileErrorKind::WrongKind);
    assert_eq!(kind(write(Path::new("/"), request("/proc/version", "x"))), FileErrorKind::NotFound);
}
