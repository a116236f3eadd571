//! Reading and describing.

use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;

use cofferdam_proto::file::v1::content_or_error::Result as Either;
use cofferdam_proto::file::v1::{
    ContentOrError, FileContent, FileKind, FileRead, FileStat, FilesRead, LineRange, ProgramLookup,
};

use super::*;

fn read(workspace: &Path, path: impl Into<Vec<u8>>, offset: u64, length: u64) -> Answer {
    let path = path.into();
    ask(workspace, Operation::Read(FileRead { path, offset, length, ..FileRead::default() }))
}

fn content(answer: Answer) -> FileContent {
    match answer {
        Answer::Content(content) => content,
        other => panic!("no content: {other:?}"),
    }
}

#[test]
fn a_file_and_a_range_of_it_come_with_the_digest_of_the_whole() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a"), b"hello\xff\n").unwrap();
    let whole = content(read(dir.path(), "a", 0, 0));
    assert_eq!((whole.data.as_slice(), whole.size), (&b"hello\xff\n"[..], 7));
    assert_eq!(whole.sha256.len(), 32);
    let range = content(read(dir.path(), "a", 1, 3));
    assert_eq!((range.data.as_slice(), range.size), (&b"ell"[..], 7));
    assert_eq!((range.sha256, range.total_lines), (whole.sha256, Some(1)));
    assert!(content(read(dir.path(), "a", 100, 3)).data.is_empty());
}

#[test]
fn lines_come_from_both_ends_of_small_and_large_files() {
    let dir = tempfile::tempdir().unwrap();
    let lines = |path: &str, first, count, from_end| {
        let lines = Some(LineRange { first, count, from_end });
        let read = FileRead { path: path.into(), lines, ..FileRead::default() };
        let FileContent { data, first_line, total_lines, .. } =
            content(ask(dir.path(), Operation::Read(read)));
        (String::from_utf8(data).unwrap(), first_line, total_lines)
    };
    fs::write(dir.path().join("small"), "one\ntwo\nthree\n").unwrap();
    assert_eq!(lines("small", 2, 1, false), ("two\n".into(), 2, Some(3)));
    assert_eq!(lines("small", 0, 2, true), ("two\nthree\n".into(), 2, Some(3)));
    let numbers: Vec<String> = (1..=1_000_000).map(|number| number.to_string()).collect();
    fs::write(dir.path().join("large"), numbers.join("\n") + "\n").unwrap();
    assert_eq!(
        lines("large", 700_000, 2, false),
        ("700000\n700001\n".into(), 700_000, Some(1_000_000))
    );
    assert_eq!(lines("large", 0, 1, true), ("1000000\n".into(), 1_000_000, Some(1_000_000)));
    let both = FileRead {
        path: b"small".to_vec(),
        offset: 1,
        lines: Some(LineRange { first: 1, ..LineRange::default() }),
        ..FileRead::default()
    };
    assert_eq!(kind(ask(dir.path(), Operation::Read(both))), FileErrorKind::Invalid);
}

#[test]
fn a_small_image_comes_as_a_whole() {
    let dir = tempfile::tempdir().unwrap();
    let image = [b"\x89PNG\r\n\x1a\n".to_vec(), vec![7; 5000]].concat();
    fs::write(dir.path().join("a.png"), &image).unwrap();
    let read = |whole_image| FileRead {
        path: b"a.png".to_vec(),
        length: 100,
        whole_image,
        ..FileRead::default()
    };
    let whole = content(ask(dir.path(), Operation::Read(read(10_000))));
    assert_eq!(whole.data, image);
    assert_eq!(content(ask(dir.path(), Operation::Read(read(1000)))).data.len(), 100);
}

#[test]
fn several_files_share_one_bound_and_fail_one_by_one() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a"), "aaaa").unwrap();
    fs::write(dir.path().join("b"), "b".repeat(1000)).unwrap();
    let one = |path: &str| FileRead { path: path.into(), ..FileRead::default() };
    let reads = vec![one("a"), one("missing"), one("b")];
    let answer = ask(dir.path(), Operation::ReadFiles(FilesRead { reads, length: 100 }));
    let Answer::Contents(contents) = answer else { panic!("{answer:?}") };
    let [a, missing, b] = contents.files.as_slice() else { panic!("{contents:?}") };
    let data = |file: &ContentOrError| match &file.result {
        Some(Either::Content(content)) => content.data.clone(),
        other => panic!("no content: {other:?}"),
    };
    assert_eq!((data(a).len(), data(b).len()), (4, 96));
    assert!(
        matches!(&missing.result, Some(Either::Error(error)) if error.kind() == FileErrorKind::NotFound)
    );
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
    let asked = Operation::Stat(FileStat { path: b"link".to_vec(), digest: false });
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
