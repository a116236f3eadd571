//! A disk that is full in the middle of a write.
//!
//! In a user and mount namespace of its own, where anybody may mount a small file
//! system. Where the host allows none, the test says so and ends.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use cofferdam_proto::file::v1::{FileCopy, FileEdit, FileWrite, Replacement, WorkerResponse};
use prost::Message;

use super::*;

/// What the worker answers on a disk of 256 KiB on which `a` is one third; then
/// what is on the disk.
fn on_a_small_disk(operation: Operation) -> Option<(Answer, Vec<String>, Vec<u8>)> {
    let dir = tempfile::tempdir().unwrap();
    let disk = dir.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let request =
        WorkerRequest { workspace: disk.to_str().unwrap().into(), operation: Some(operation) };
    let script = "mount -t tmpfs -o size=256k none \"$1\" 2>/dev/null || exit 77
        head -c 87040 /dev/zero | tr '\\0' x > \"$1/a\"
        \"$2\"; ls -A \"$1\" > \"$1.names\"; cp \"$1/a\" \"$1.a\"";
    let mut child = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"])
        .args([disk.as_os_str(), env!("CARGO_BIN_EXE_cofferdam-files").as_ref()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // A host that refuses the namespace does not read it.
    drop(child.stdin.take().unwrap().write_all(&request.encode_to_vec()));
    let output = child.wait_with_output().unwrap();
    let beside = |end: &str| Path::new(&format!("{}{end}", disk.display())).to_owned();
    let Ok(names) = fs::read_to_string(beside(".names")) else {
        eprintln!("skipped: this host lets nobody mount a file system in a namespace");
        return None;
    };
    let answer = WorkerResponse::decode(output.stdout.as_slice()).unwrap().result.unwrap();
    let names = names.lines().map(str::to_owned).collect();
    Some((answer, names, fs::read(beside(".a")).unwrap()))
}

fn leaves_the_old_content(operation: Operation) {
    let Some((answer, names, content)) = on_a_small_disk(operation) else { return };
    assert_eq!(kind(answer), FileErrorKind::NoSpace);
    assert_eq!(names, ["a"]);
    assert_eq!(content, "x".repeat(87_040).into_bytes());
}

#[test]
fn a_write_leaves_the_old_content() {
    let data = vec![b'y'; 200 << 10];
    leaves_the_old_content(Operation::Write(FileWrite {
        path: b"a".to_vec(),
        data,
        ..FileWrite::default()
    }));
}

#[test]
fn an_append_leaves_the_old_content() {
    let data = vec![b'y'; 200 << 10];
    leaves_the_old_content(Operation::Write(FileWrite {
        path: b"a".to_vec(),
        data,
        append: true,
        ..FileWrite::default()
    }));
}

#[test]
fn an_edit_leaves_the_old_content() {
    let replacement = Replacement { old: "x".to_owned(), new: "yyy".to_owned(), replace_all: true };
    leaves_the_old_content(Operation::Edit(FileEdit {
        path: b"a".to_vec(),
        replacements: vec![replacement],
        ..FileEdit::default()
    }));
}

#[test]
fn a_copy_leaves_nothing_half_way() {
    // Two copies of a third fit beside it only once.
    let copy =
        |from: &str, to: &str| FileCopy { from: from.into(), to: to.into(), ..FileCopy::default() };
    let Some((answer, names, _)) = on_a_small_disk(Operation::Copy(copy("a", "b"))) else { return };
    assert!(matches!(answer, Answer::Copied(_)), "{answer:?}");
    assert_eq!(names, ["a", "b"]);
}
