//! Reading and describing.

use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;

use cofferdam_proto::file::v1::{FileContent, FileKind, FileRead, FileStat, ProgramLookup};

use super::*;

fn read(workspace: &Path, path: impl Into<Vec<u8>>, offset: u64, length: u64) -> Answer {
    ask(workspace, Operation::Read(FileRead { path: path.into(), offset, length }))
}

fn content(answer: Answer) -> FileContent {
    match answer {
        Answer::Content(content) => content,
        other => panic!("no content: {other:?}"),
    }
}

#[test]
fn a_whole_file_comes_with_its_digest_and_a_range_without() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a"), b"hello\xff\n").unwrap();
    let whole = content(read(dir.path(), "a", 0, 0));
    assert_eq!((whole.data.as_slice(), whole.size), (&b"hello\xff\n"[..], 7));
    assert_eq!(whole.sha256.len(), 32);
    let range = content(read(dir.path(), "a", 1, 3));
    assert_eq!((range.data.as_slice(), range.size), (&b"ell"[..], 7));
    assert!(range.sha256.is_empty());
    assert!(content(read(dir.path(), "a", 100, 3)).data.is_empty());
}

#[test]
fn fifos_sockets_devices_and_directories_are_named_and_never_block() {
    let dir = tempfile::tempdir().unwrap();
    fifo(&dir.path().join("fifo"));
    let _socket = UnixListener::bind(dir.path().join("socket")).unwrap();
    for (path, word) in [
        ("fifo", "a FIFO"),
        ("socket", "a socket"),
        ("/dev/null", "a character device"),
        (".", "a directory"),
    ] {
        let error = refusal(read(dir.path(), path, 0, 0));
        assert_eq!(error.kind(), FileErrorKind::WrongKind, "{path}");
        assert!(error.message.contains(word), "{}", error.message);
    }
}

#[test]
fn a_huge_sparse_file_is_read_in_bounded_pieces() {
    let dir = tempfile::tempdir().unwrap();
    File::create(dir.path().join("sparse")).unwrap().set_len(1 << 40).unwrap();
    let piece = content(read(dir.path(), "sparse", 0, 0));
    assert_eq!((piece.data.len(), piece.size), (1 << 20, 1 << 40));
    assert!(piece.sha256.is_empty());
    assert_eq!(kind(read(dir.path(), "sparse", 0, u64::MAX)), FileErrorKind::Invalid);
}

#[test]
fn a_circle_of_links_and_a_missing_file_are_clear_errors() {
    let dir = tempfile::tempdir().unwrap();
    symlink("b", dir.path().join("a")).unwrap();
    symlink("a", dir.path().join("b")).unwrap();
    let circle = refusal(read(dir.path(), "a", 0, 0));
    assert_eq!(circle.kind(), FileErrorKind::Invalid);
    assert!(circle.message.contains("circle"), "{}", circle.message);
    assert_eq!(kind(read(dir.path(), "none", 0, 0)), FileErrorKind::NotFound);
    assert_eq!(kind(read(dir.path(), [b'a'; 300], 0, 0)), FileErrorKind::Invalid);
}

#[test]
fn names_that_are_not_utf8_survive() {
    let dir = tempfile::tempdir().unwrap();
    let name = b"caf\xe9".to_vec();
    fs::write(dir.path().join(std::ffi::OsStr::from_bytes(&name)), "x").unwrap();
    let found = content(read(dir.path(), name.clone(), 0, 0));
    assert_eq!(found.info.unwrap().path, name);
}

#[test]
fn a_link_is_described_itself() {
    let dir = tempfile::tempdir().unwrap();
    symlink("nowhere", dir.path().join("link")).unwrap();
    let asked = Operation::Stat(FileStat { path: b"link".to_vec() });
    let Answer::Info(info) = ask(dir.path(), asked) else { panic!("no info") };
    assert_eq!(info.kind(), FileKind::Symlink);
    assert_eq!(info.symlink_target, b"nowhere");
}

#[test]
fn a_program_is_found_as_execvp_would() {
    let lookup = |program: &str| {
        let directories = vec![b"/nonexistent".to_vec(), b"/usr/bin".to_vec(), b"/bin".to_vec()];
        let lookup = ProgramLookup { program: program.into(), directories };
        match ask(Path::new("/"), Operation::FindProgram(lookup)) {
            Answer::Program(found) => (found.path, found.executable),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(lookup("env"), (b"/usr/bin/env".to_vec(), true));
    assert_eq!(lookup("/etc/passwd"), (b"/etc/passwd".to_vec(), false));
    assert_eq!(lookup("no-such-program"), (Vec::new(), false));
    assert_eq!(lookup("/usr/bin"), (Vec::new(), false));
}
