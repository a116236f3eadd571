//! File operations, through the worker in a cell.

use cofferdam_proto::exec::v1::{FindProgramRequest, ProgramQuery};
use cofferdam_proto::file::v1::{
    DeleteFileRequest, DirectoryList, EditFileRequest, FileDelete, FileEdit, FileKind, FileMove,
    FileRead, FileSearch, FileStat, FileWrite, ListDirectoryRequest, MoveFileRequest,
    ReadFileRequest, Replacement, SearchFilesRequest, StatFileRequest, WriteFileRequest,
};
use cofferdam_proto::host::v1::{GetHostRequest, HostQuery};
use cofferdam_trust::{sha256, verify_receipt};
use prost::Message;
use tonic::Code;

use crate::gateway::{Gateway, profile, reason};
use crate::host::{Host, OWNER, is_root};

fn read(gateway: &Gateway, path: &str) -> ReadFileRequest {
    let read = FileRead { path: path.into(), ..FileRead::default() };
    ReadFileRequest { intent: Some(gateway.signed(&read, |_| {})), read: Some(read) }
}

fn write(gateway: &Gateway, path: &str, data: &[u8]) -> WriteFileRequest {
    let write = FileWrite { path: path.into(), data: data.to_vec(), ..FileWrite::default() };
    WriteFileRequest { intent: Some(gateway.signed(&write, |_| {})), write: Some(write) }
}

#[tokio::test]
async fn a_file_is_written_read_listed_searched_and_described() {
    use std::os::unix::fs::MetadataExt;
    let host = Host::start();
    let gateway = Gateway::of(&host);
    let mut files = gateway.files();
    let data = vec![b'x'; 3 << 20];
    let written = files.write_file(write(&gateway, "a", &data)).await.unwrap().into_inner();
    assert!(written.written.unwrap().created);
    let owner = if is_root() { OWNER } else { rustix::process::geteuid().as_raw() };
    assert_eq!(std::fs::metadata(host.workspace.join("a")).unwrap().uid(), owner);
    host.put("b", "a needle\n");
    let answer = files.read_file(read(&gateway, "b")).await.unwrap().into_inner();
    let content = answer.content.unwrap();
    assert_eq!(content.data, b"a needle\n");
    let receipt = verify_receipt(&gateway.receipts, &answer.receipt.unwrap()).unwrap();
    assert_eq!(receipt.output_digest, sha256(&content.encode_to_vec()));
    let list = DirectoryList { path: b".".to_vec(), ..DirectoryList::default() };
    let request =
        ListDirectoryRequest { intent: Some(gateway.signed(&list, |_| {})), list: Some(list) };
    let listing = files.list_directory(request).await.unwrap().into_inner().listing.unwrap();
    let regular = listing.entries.iter().filter(|entry| entry.kind() == FileKind::Regular);
    assert_eq!(regular.count(), 2, "{listing:?}");
    let search =
        FileSearch { path: b".".to_vec(), content: "needle".into(), ..FileSearch::default() };
    let intent = gateway.signed(&search, |_| {});
    let request = SearchFilesRequest { intent: Some(intent), search: Some(search) };
    let result = files.search_files(request).await.unwrap().into_inner().result.unwrap();
    assert_eq!(result.matches[0].path, b"b");
    let stat = FileStat { path: b"a".to_vec(), digest: false };
    let request = StatFileRequest { intent: Some(gateway.signed(&stat, |_| {})), stat: Some(stat) };
    let info = files.stat_file(request).await.unwrap().into_inner().info.unwrap();
    assert_eq!(info.size, 3 << 20);
}

#[tokio::test]
async fn what_lies_outside_is_not_reached() {
    let host = Host::start();
    let gateway = Gateway::of(&host);
    let mut files = gateway.files();
    std::fs::write(host.directory.path().join("secret"), "secret").unwrap();
    std::os::unix::fs::symlink("../secret", host.workspace.join("link")).unwrap();
    for path in ["/etc/shadow", "/root/.bashrc", "../secret", "link", "/proc/1/environ"] {
        let refused = files.read_file(read(&gateway, path)).await.unwrap_err();
        let codes = [Code::NotFound, Code::PermissionDenied];
        assert!(codes.contains(&refused.code()), "{path}: {refused:?}");
        assert!(reason(&refused).starts_with("FILE_"), "{refused:?}");
    }
    let refused = files.write_file(write(&gateway, "/usr/made", b"")).await.unwrap_err();
    assert_eq!(reason(&refused), "FILE_PERMISSION_DENIED");
    assert!(!std::path::Path::new("/usr/made").exists());
}

#[tokio::test]
async fn a_failed_operation_is_recorded_and_has_a_receipt() {
    let host = Host::start();
    let gateway = Gateway::of(&host);
    let refused = gateway.files().read_file(read(&gateway, "missing")).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::NotFound, "FILE_NOT_FOUND"));
    let receipt = refused.metadata().get_bin("cofferdam-receipt-bin").unwrap().to_bytes().unwrap();
    let receipt = cofferdam_proto::intent::v1::SignedReceipt::decode(receipt).unwrap();
    verify_receipt(&gateway.receipts, &receipt).unwrap();
    host.expect_records("outcome", 1);
    assert!(host.journal().contains("FILE_NOT_FOUND"));
}

#[tokio::test]
async fn a_profile_or_grant_that_reads_does_not_write() {
    let host = Host::start();
    let gateway = Gateway::of(&host);
    let action = FileWrite { path: b"a".to_vec(), ..FileWrite::default() };
    let intent = gateway.signed(&action, |intent| profile(intent, "readonly"));
    let request = WriteFileRequest { intent: Some(intent), write: Some(action) };
    let refused = gateway.files().write_file(request).await.unwrap_err();
    assert_eq!(reason(&refused), "WORKSPACE_READ_ONLY");
    assert!(!host.workspace.join("a").exists());
    host.expect_records("denial", 1);
}

#[tokio::test]
async fn a_request_is_taken_once() {
    let host = Host::start();
    let gateway = Gateway::of(&host);
    let request = write(&gateway, "a", b"1");
    gateway.files().write_file(request.clone()).await.unwrap();
    let refused = gateway.files().write_file(request).await.unwrap_err();
    assert_eq!(reason(&refused), "RUN_EXISTS");
}

#[tokio::test]
async fn what_the_profile_protects_is_neither_moved_nor_removed_nor_edited() {
    let host = Host::start();
    let gateway = Gateway::of(&host);
    let mut files = gateway.files();
    std::fs::create_dir_all(host.workspace.join(".git/hooks")).unwrap();
    host.put(".git/hooks/pre-commit", "hook");
    host.put(".git/HEAD", "ref");
    if is_root() {
        for directory in [".git/hooks", ".git"] {
            let path = host.workspace.join(directory);
            std::os::unix::fs::chown(path, Some(OWNER), Some(OWNER)).unwrap();
        }
    }
    let delete = FileDelete { path: b".git".to_vec(), recursive: true };
    let intent = gateway.signed(&delete, |_| {});
    let request = DeleteFileRequest { intent: Some(intent), delete: Some(delete) };
    let refused = files.delete_file(request).await.unwrap_err();
    assert_eq!(reason(&refused), "FILE_PERMISSION_DENIED", "{refused:?}");
    let it =
        FileMove { from: b".git".to_vec(), to: b"g".to_vec(), recursive: true, overwrite: false };
    let request = MoveFileRequest { intent: Some(gateway.signed(&it, |_| {})), r#move: Some(it) };
    let refused = files.move_file(request).await.unwrap_err();
    assert_eq!(reason(&refused), "FILE_PERMISSION_DENIED", "{refused:?}");
    let replacement = Replacement { old: "hook".into(), new: "evil".into(), replace_all: false };
    let edit = FileEdit {
        path: b".git/hooks/pre-commit".to_vec(),
        replacements: vec![replacement],
        ..FileEdit::default()
    };
    let intent = gateway.signed(&edit, |_| {});
    let request = EditFileRequest { intent: Some(intent), edit: Some(edit) };
    let refused = files.edit_file(request).await.unwrap_err();
    assert_eq!(reason(&refused), "FILE_PERMISSION_DENIED", "{refused:?}");
    let hook = std::fs::read_to_string(host.workspace.join(".git/hooks/pre-commit")).unwrap();
    assert_eq!((hook.as_str(), host.workspace.join(".git/HEAD").exists()), ("hook", true));
}

#[tokio::test]
async fn many_reads_of_a_session_at_once_are_each_answered_and_recorded() {
    let host = Host::start();
    let gateway = Gateway::of(&host);
    for number in 0..40 {
        host.put(&format!("{number}"), &format!("content {number}"));
    }
    let reading = (0..40).map(|number| {
        let (mut files, request) = (gateway.files(), read(&gateway, &number.to_string()));
        tokio::spawn(async move { files.read_file(request).await.unwrap().into_inner() })
    });
    for (number, reading) in reading.collect::<Vec<_>>().into_iter().enumerate() {
        let answer = reading.await.unwrap();
        let content = answer.content.unwrap();
        assert_eq!(content.data, format!("content {number}").into_bytes());
        let receipt = verify_receipt(&gateway.receipts, &answer.receipt.unwrap()).unwrap();
        assert_eq!(receipt.output_digest, sha256(&content.encode_to_vec()));
    }
    host.expect_records("outcome", 40);
}

#[tokio::test]
async fn programs_are_found_as_the_cell_would() {
    let host = Host::start();
    let gateway = Gateway::of(&host);
    let find = async |program: &str| {
        let query = ProgramQuery { program: program.to_owned() };
        let request =
            FindProgramRequest { intent: Some(gateway.signed(&query, |_| {})), query: Some(query) };
        let found = gateway.exec().find_program(request).await.unwrap().into_inner();
        (found.path, found.executable)
    };
    assert_eq!(find("env").await, ("/usr/bin/env".to_owned(), true));
    assert_eq!(find("no-such-program").await, (String::new(), false));
}

#[tokio::test]
async fn the_host_describes_itself() {
    let host = Host::start();
    let gateway = Gateway::of(&host);
    let query = HostQuery {};
    let request =
        GetHostRequest { intent: Some(gateway.signed(&query, |_| {})), query: Some(query) };
    let answer = gateway.hosts().get_host(request).await.unwrap().into_inner();
    let described = answer.host.unwrap();
    assert_eq!(described.name, "test");
    assert!(described.memory_total_bytes > 0 && !described.kernel.is_empty());
    let profiles = ["build", "default", "readonly"].map(str::to_owned);
    assert!(profiles.iter().all(|it| described.profiles.contains(it)), "{described:?}");
    verify_receipt(&gateway.receipts, &answer.receipt.unwrap()).unwrap();
}
