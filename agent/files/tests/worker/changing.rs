//! Making, moving, copying and removing.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use cofferdam_proto::file::v1::{DirectoryMake, FileCopy, FileDelete, FileMove};

use super::*;

fn make(workspace: &Path, path: &str, make_parents: bool) -> Answer {
    let make = DirectoryMake { path: path.into(), make_parents, mode: 0 };
    ask(workspace, Operation::MakeDirectory(make))
}

fn rename(workspace: &Path, from: &str, to: &str, overwrite: bool, recursive: bool) -> Answer {
    let (from, to) = (from.into(), to.into());
    ask(workspace, Operation::Move(FileMove { from, to, overwrite, recursive }))
}

fn copy(workspace: &Path, from: &str, to: &str, overwrite: bool, recursive: bool) -> Answer {
    let (from, to) = (from.into(), to.into());
    ask(workspace, Operation::Copy(FileCopy { from, to, overwrite, recursive }))
}

fn delete(workspace: &Path, path: &str, recursive: bool) -> Answer {
    ask(workspace, Operation::Delete(FileDelete { path: path.into(), recursive }))
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn with(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    dir
}

#[test]
fn a_directory_is_made_once_and_its_parents_when_asked_for() {
    let dir = with(&[("file", "")]);
    assert!(matches!(make(dir.path(), "a", false), Answer::Made(made) if made.created));
    assert_eq!(fs::metadata(dir.path().join("a")).unwrap().mode() & 0o7777, 0o755);
    assert_eq!(kind(make(dir.path(), "a", false)), FileErrorKind::PreconditionFailed);
    assert_eq!(kind(make(dir.path(), "x/y/z", false)), FileErrorKind::NotFound);
    assert!(matches!(make(dir.path(), "x/y/z", true), Answer::Made(made) if made.created));
    assert!(matches!(make(dir.path(), "x/y/z", true), Answer::Made(made) if !made.created));
    assert_eq!(kind(make(dir.path(), "file", true)), FileErrorKind::WrongKind);
}

#[test]
fn a_move_replaces_nothing_unless_told_to_and_never_a_directory() {
    let dir = with(&[("a", "a"), ("b", "b"), ("d/in", ""), ("e/in", "")]);
    let at = dir.path();
    assert_eq!(kind(rename(at, "a", "b", false, false)), FileErrorKind::PreconditionFailed);
    assert_eq!(fs::read(at.join("b")).unwrap(), b"b");
    assert!(matches!(rename(at, "a", "b", true, false), Answer::Moved(moved) if moved.replaced));
    assert_eq!(fs::read(at.join("b")).unwrap(), b"a");
    assert_eq!(kind(rename(at, "b", "d", true, false)), FileErrorKind::WrongKind);
    assert_eq!(kind(rename(at, "d", "f", false, false)), FileErrorKind::WrongKind);
    assert_eq!(kind(rename(at, "d", "e", true, true)), FileErrorKind::WrongKind);
    assert_eq!(kind(rename(at, "d", "d/in/x", false, true)), FileErrorKind::WrongKind);
    assert_eq!(kind(rename(at, "d", "d/x", false, true)), FileErrorKind::Invalid);
    assert!(matches!(rename(at, "d", "f", false, true), Answer::Moved(_)));
    assert_eq!(names(at), ["b", "e", "f"]);
    assert_eq!(kind(rename(at, "missing", "x", false, false)), FileErrorKind::NotFound);
    assert_eq!(kind(rename(at, ".", "x", false, true)), FileErrorKind::Invalid);
}

#[test]
fn a_link_is_moved_copied_and_removed_itself() {
    let dir = with(&[("target", "x"), ("d/in", "")]);
    let at = dir.path();
    symlink("target", at.join("link")).unwrap();
    symlink("d", at.join("dirlink")).unwrap();
    assert!(matches!(rename(at, "link", "moved", false, false), Answer::Moved(_)));
    assert!(at.join("moved").is_symlink());
    assert!(
        matches!(copy(at, "moved", "copied", false, false), Answer::Copied(it) if it.links == 1)
    );
    assert!(at.join("copied").is_symlink());
    for link in ["moved", "copied", "dirlink"] {
        assert!(matches!(delete(at, link, true), Answer::Deleted(it) if it.entries == 1));
    }
    assert_eq!(names(at), ["d", "target"]);
    assert_eq!(names(&at.join("d")), ["in"]);
}

#[test]
fn a_file_is_copied_with_its_mode_and_a_tree_as_it_is() {
    let dir = with(&[("a", "content"), ("tree/one", "1"), ("tree/deep/two", "22")]);
    let at = dir.path();
    fs::set_permissions(at.join("a"), Permissions::from_mode(0o755)).unwrap();
    symlink("/etc/passwd", at.join("tree/link")).unwrap();
    fifo(&at.join("tree/fifo"));
    assert!(matches!(copy(at, "a", "b", false, false), Answer::Copied(it) if it.bytes == 7));
    assert_eq!(fs::metadata(at.join("b")).unwrap().mode() & 0o7777, 0o755);
    assert_eq!(kind(copy(at, "a", "b", false, false)), FileErrorKind::PreconditionFailed);
    assert_eq!(kind(copy(at, "tree", "t", false, false)), FileErrorKind::WrongKind);
    let answer = copy(at, "tree", "t", false, true);
    let Answer::Copied(copied) = answer else { panic!("{answer:?}") };
    let counts = (copied.files, copied.directories, copied.links, copied.bytes);
    assert_eq!(counts, (2, 2, 1, 3));
    assert_eq!((copied.left_out_count, copied.left_out), (1, vec![b"tree/fifo".to_vec()]));
    assert_eq!(fs::read_link(at.join("t/link")).unwrap(), Path::new("/etc/passwd"));
    assert_eq!(fs::read(at.join("t/deep/two")).unwrap(), b"22");
    assert_eq!(kind(copy(at, "tree", "tree/deep/x", false, true)), FileErrorKind::Invalid);
    assert_eq!(kind(copy(at, "tree/fifo", "f", false, false)), FileErrorKind::WrongKind);
    assert_eq!(names(at), ["a", "b", "t", "tree"]);
}

#[test]
fn a_file_larger_than_a_copy_or_the_cells_files_may_be_is_refused_before_a_byte_is_copied() {
    let dir = with(&[("tree/small", "1")]);
    let at = dir.path();
    for place in ["a", "tree/large"] {
        fs::File::create(at.join(place)).unwrap().set_len(20 << 30).unwrap();
    }
    for (from, recursive) in [("a", false), ("tree", true)] {
        assert_eq!(kind(copy(at, from, "copy", false, recursive)), FileErrorKind::TooLarge);
        assert_eq!(names(at), ["a", "tree"]);
    }
}

#[test]
fn a_directory_goes_only_when_empty_or_told_to_and_the_count_is_told() {
    let dir = with(&[("full/a", ""), ("full/deep/b", ""), ("file", "")]);
    let at = dir.path();
    fs::create_dir(at.join("empty")).unwrap();
    assert!(matches!(delete(at, "empty", false), Answer::Deleted(it) if it.entries == 1));
    assert_eq!(kind(delete(at, "full", false)), FileErrorKind::PreconditionFailed);
    assert!(matches!(delete(at, "full", true), Answer::Deleted(it) if it.entries == 4));
    assert!(matches!(delete(at, "file", false), Answer::Deleted(it) if it.entries == 1));
    assert!(names(at).is_empty());
    assert_eq!(kind(delete(at, "file", false)), FileErrorKind::NotFound);
    assert_eq!(kind(delete(Path::new("/"), "proc", true)), FileErrorKind::PermissionDenied);
}

#[test]
fn a_tree_without_end_is_an_error_and_not_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let mut deep = std::path::PathBuf::from("d");
    for _ in 0..300 {
        fs::create_dir_all(dir.path().join(&deep)).unwrap();
        deep.push("d");
    }
    assert_eq!(kind(delete(dir.path(), "d", true)), FileErrorKind::TooLarge);
    assert_eq!(kind(copy(dir.path(), "d", "e", false, true)), FileErrorKind::TooLarge);
    assert_eq!(names(dir.path()), ["d"]);
}
