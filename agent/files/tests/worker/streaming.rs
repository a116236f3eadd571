//! Large files through pipes, with a worker that stays, as a process.

use std::fs::{self, File};
use std::io::{IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use cofferdam_proto::file::v1::write_precondition::Precondition;
use cofferdam_proto::file::v1::{
    FileDownload, FileOpened, FileReceive, FileUpload, FileUploaded, ResidentRequest,
    ResidentResponse, UploadKept, WorkerResponse, WritePrecondition,
};
use prost::Message;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::pipe::{PipeFlags, pipe_with};
use sha2::{Digest, Sha256};

use super::*;

struct Worker {
    child: Child,
    socket: UnixStream,
    stdout: ChildStdout,
    workspace: tempfile::TempDir,
}

impl Worker {
    fn start() -> Self {
        let program = Command::new(env!("CARGO_BIN_EXE_cofferdam-files"));
        Self::by(program, tempfile::tempdir().unwrap())
    }

    /// On a disk of 256 KiB of its own; none where the host lets nobody mount one.
    fn on_a_small_disk() -> Option<Self> {
        let workspace = tempfile::tempdir().unwrap();
        let script =
            "mount -t tmpfs -o size=256k none \"$1\" 2>/dev/null || exit 77; exec \"$2\" $3";
        let mut program = Command::new("unshare");
        program.args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"]);
        program.args([workspace.path().as_os_str()]);
        program.arg(env!("CARGO_BIN_EXE_cofferdam-files"));
        let mut worker = Self::by(program, workspace);
        std::thread::sleep(std::time::Duration::from_millis(300));
        if worker.child.try_wait().unwrap().is_some() {
            eprintln!("skipped: this host lets nobody mount a file system in a namespace");
            return None;
        }
        Some(worker)
    }

    fn by(mut program: Command, workspace: tempfile::TempDir) -> Self {
        let (socket, theirs) = UnixStream::pair().unwrap();
        let mut child = program
            .arg("--resident")
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        Self { child, socket, stdout, workspace }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.workspace.path().join(name)
    }

    fn ask(&self, operation: Operation, pipe: Option<OwnedFd>) {
        let workspace = self.workspace.path().to_str().unwrap().into();
        let request = WorkerRequest { workspace, operation: Some(operation) };
        let body = ResidentRequest { id: 1, request: Some(request) }.encode_to_vec();
        let length = u32::try_from(body.len()).unwrap().to_le_bytes();
        let frame = [&length[..], &body].concat();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let pipes: Vec<_> = pipe.iter().map(AsFd::as_fd).collect();
        if !pipes.is_empty() {
            assert!(control.push(SendAncillaryMessage::ScmRights(&pipes)));
        }
        let parts = [IoSlice::new(&frame)];
        let sent = sendmsg(&self.socket, &parts, &mut control, SendFlags::empty()).unwrap();
        assert_eq!(sent, frame.len());
        // The worker has the only end on that side now.
        drop(pipe);
    }

    fn answer(&mut self) -> Answer {
        let mut length = [0; 4];
        self.stdout.read_exact(&mut length).unwrap();
        let mut body = vec![0; u32::from_le_bytes(length) as usize];
        self.stdout.read_exact(&mut body).unwrap();
        match ResidentResponse::decode(body.as_slice()).unwrap().response {
            Some(WorkerResponse { result: Some(answer) }) => answer,
            other => panic!("{other:?}"),
        }
    }

    /// What it says first, what it sends, and what it says last.
    fn download(&mut self, download: FileDownload) -> (Answer, Vec<u8>, Option<Answer>) {
        let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        self.ask(Operation::Send(download), Some(theirs));
        let first = self.answer();
        let mut sent = Vec::new();
        File::from(ours).read_to_end(&mut sent).unwrap();
        let last = matches!(first, Answer::Opened(_)).then(|| self.answer());
        (first, sent, last)
    }

    fn upload(&mut self, upload: FileUpload, offset: u64, data: &[u8]) -> Answer {
        let (theirs, ours) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        self.ask(Operation::Receive(FileReceive { upload: Some(upload), offset }), Some(theirs));
        // Who is refused does not read it.
        drop(File::from(ours).write_all(data));
        self.answer()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

fn download(path: &str) -> FileDownload {
    FileDownload { path: path.into(), ..FileDownload::default() }
}

fn upload(path: &str, data: &[u8]) -> FileUpload {
    let (size, sha256) = (data.len() as u64, Sha256::digest(data).to_vec());
    FileUpload { path: path.into(), size, sha256, ..FileUpload::default() }
}

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from(at * 31 % 251).unwrap()).collect()
}

fn opened(answer: &Answer) -> &FileOpened {
    match answer {
        Answer::Opened(opened) => opened,
        other => panic!("{other:?}"),
    }
}

fn uploaded(answer: Answer) -> FileUploaded {
    match answer {
        Answer::Uploaded(uploaded) => uploaded,
        other => panic!("{other:?}"),
    }
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_file_is_sent_whole_or_from_an_offset_and_tells_one_version() {
    let mut worker = Worker::start();
    let data = bytes(3 << 20);
    fs::write(worker.path("a"), &data).unwrap();
    let (first, sent, last) = worker.download(download("a"));
    assert!(sent == data);
    assert_eq!(opened(&first).info.as_ref().unwrap().size, 3 << 20);
    let Some(Answer::Sent(after)) = last else { panic!("{last:?}") };
    assert_eq!(after.version, opened(&first).version);
    let version = after.version;
    let part = FileDownload { offset: 1 << 20, length: 10, version, ..download("a") };
    let (_, sent, _) = worker.download(part.clone());
    assert!(sent == data[1 << 20..(1 << 20) + 10]);
    let (_, sent, _) = worker.download(FileDownload { offset: 3 << 20, length: 0, ..part });
    assert!(sent.is_empty());
}

#[test]
fn a_file_that_was_changed_since_is_not_gone_on_with() {
    let mut worker = Worker::start();
    fs::write(worker.path("a"), "one").unwrap();
    let (first, _, _) = worker.download(download("a"));
    let version = opened(&first).version.clone();
    std::thread::sleep(std::time::Duration::from_millis(20));
    fs::write(worker.path("a"), "two").unwrap();
    let (refused, sent, _) = worker.download(FileDownload { version, ..download("a") });
    assert_eq!(kind(refused), FileErrorKind::PreconditionFailed);
    assert!(sent.is_empty());
}

#[test]
fn a_file_that_is_changed_while_it_is_sent_is_told() {
    let mut worker = Worker::start();
    let data = bytes(8 << 20);
    fs::write(worker.path("a"), &data).unwrap();
    let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    worker.ask(Operation::Send(download("a")), Some(theirs));
    let first = worker.answer();
    assert!(matches!(first, Answer::Opened(_)), "{first:?}");
    fs::write(worker.path("a"), "short").unwrap();
    let mut sent = Vec::new();
    File::from(ours).read_to_end(&mut sent).unwrap();
    assert_eq!(kind(worker.answer()), FileErrorKind::PreconditionFailed);
}

#[test]
fn what_is_no_regular_file_or_begins_beyond_its_end_is_refused() {
    let mut worker = Worker::start();
    fs::create_dir(worker.path("dir")).unwrap();
    fifo(&worker.path("fifo"));
    fs::write(worker.path("a"), "one").unwrap();
    std::os::unix::fs::symlink("loop", worker.path("loop")).unwrap();
    for (path, expected) in [
        ("dir", FileErrorKind::WrongKind),
        ("fifo", FileErrorKind::WrongKind),
        ("missing", FileErrorKind::NotFound),
        ("loop", FileErrorKind::Invalid),
        ("", FileErrorKind::Invalid),
    ] {
        assert_eq!(kind(worker.download(download(path)).0), expected, "{path}");
        if path != "missing" {
            assert_eq!(kind(worker.upload(upload(path, b"x"), 0, b"x")), expected, "{path}");
        }
    }
    let beyond = FileDownload { offset: 4, ..download("a") };
    assert_eq!(kind(worker.download(beyond).0), FileErrorKind::Invalid);
    let kernel = worker.download(download("/proc/self/status")).0;
    assert_eq!(kind(kernel), FileErrorKind::Invalid);
}

#[test]
fn an_upload_is_seen_once_all_of_it_is_there() {
    let mut worker = Worker::start();
    let data = bytes(5 << 20);
    let name = std::ffi::OsStr::from_bytes(b"caf\xe9");
    let it = FileUpload { path: name.as_bytes().to_vec(), mode: 0o750, ..upload("", &data) };
    let done = uploaded(worker.upload(it.clone(), 0, &data));
    assert!(done.created && done.size == 5 << 20);
    let path = worker.workspace.path().join(name);
    assert!(fs::read(&path).unwrap() == data);
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o750);
    // It is the version that a download tells.
    let asked = FileDownload { path: it.path.clone(), version: done.version, ..download("") };
    assert!(matches!(worker.download(asked).0, Answer::Opened(_)));
    let empty = FileUpload { path: it.path, ..upload("", b"") };
    assert!(!uploaded(worker.upload(empty, 0, b"")).created);
    assert!(fs::read(&path).unwrap().is_empty());
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o750, "it keeps its own");
}

#[test]
fn what_is_announced_wrong_leaves_the_old_content() {
    let mut worker = Worker::start();
    fs::write(worker.path("a"), "old").unwrap();
    let data = bytes(1 << 20);
    let other = FileUpload { sha256: vec![7; 32], ..upload("a", &data) };
    let refused = refusal(worker.upload(other, 0, &data));
    assert_eq!(refused.kind(), FileErrorKind::PreconditionFailed);
    assert!(refused.message.contains("another SHA-256"), "{}", refused.message);
    let short = FileUpload { size: 10, ..upload("a", &data) };
    assert_eq!(kind(worker.upload(short, 0, &data)), FileErrorKind::Invalid);
    let no_digest = FileUpload { sha256: vec![7; 31], ..upload("a", &data) };
    assert_eq!(kind(worker.upload(no_digest, 0, &data)), FileErrorKind::Invalid);
    let set_uid = FileUpload { mode: 0o4755, ..upload("a", &data) };
    assert_eq!(kind(worker.upload(set_uid, 0, &data)), FileErrorKind::Invalid);
    assert_eq!(fs::read(worker.path("a")).unwrap(), b"old");
    assert_eq!(names(worker.workspace.path()), ["a"]);
}

#[test]
fn a_precondition_holds_when_the_upload_begins_and_when_it_ends() {
    let mut worker = Worker::start();
    fs::write(worker.path("a"), "old").unwrap();
    let only = |it| Some(WritePrecondition { precondition: Some(it) });
    let new =
        FileUpload { precondition: only(Precondition::MustNotExist(true)), ..upload("a", b"new") };
    let refused = worker.upload(new.clone(), 0, b"new");
    assert_eq!(kind(refused), FileErrorKind::PreconditionFailed);
    assert!(uploaded(worker.upload(FileUpload { path: b"b".to_vec(), ..new }, 0, b"new")).created);
    let (first, _, _) = worker.download(download("a"));
    let version = opened(&first).version.clone();
    let same =
        FileUpload { precondition: only(Precondition::Version(version)), ..upload("a", b"new") };
    assert!(!uploaded(worker.upload(same.clone(), 0, b"new")).created);
    let again = worker.upload(same, 0, b"new");
    assert_eq!(kind(again), FileErrorKind::PreconditionFailed);
    // Somebody writes while the bytes come.
    let digest = Sha256::digest(b"new").to_vec();
    let held =
        FileUpload { precondition: only(Precondition::Sha256(digest)), ..upload("a", b"newer") };
    let (theirs, ours) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    let receive = FileReceive { upload: Some(held), offset: 0 };
    worker.ask(Operation::Receive(receive), Some(theirs));
    let mut pipe = File::from(ours);
    pipe.write_all(b"ne").unwrap();
    std::thread::sleep(std::time::Duration::from_millis(100));
    fs::write(worker.path("a"), "theirs").unwrap();
    pipe.write_all(b"wer").unwrap();
    drop(pipe);
    assert_eq!(kind(worker.answer()), FileErrorKind::PreconditionFailed);
    assert_eq!(fs::read(worker.path("a")).unwrap(), b"theirs");
    assert_eq!(names(worker.workspace.path()), ["a", "b"]);
}

#[test]
fn an_upload_that_broke_off_goes_on_from_what_was_kept_and_shows_nothing_meanwhile() {
    let mut worker = Worker::start();
    let data = bytes(4 << 20);
    let it = upload("a", &data);
    let kept = |answer| match answer {
        Answer::Kept(UploadKept { bytes, .. }) => bytes,
        other => panic!("{other:?}"),
    };
    assert_eq!(kept(worker.upload(it.clone(), 0, &data[..1 << 20])), 1 << 20);
    assert!(names(worker.workspace.path()).is_empty());
    // Whoever asks with nothing to send learns how far it came.
    assert_eq!(kept(worker.upload(it.clone(), 4 << 20, b"")), 1 << 20);
    // Bytes that are there already are left out.
    assert_eq!(kept(worker.upload(it.clone(), 1 << 19, &data[1 << 19..2 << 20])), 2 << 20);
    // Another content, another size and another path are another upload.
    let other = FileUpload { sha256: vec![1; 32], ..it.clone() };
    assert_eq!(kept(worker.upload(other, 2 << 20, &data[2 << 20..])), 0);
    let elsewhere = FileUpload { path: b"b".to_vec(), ..it.clone() };
    assert_eq!(kept(worker.upload(elsewhere, 2 << 20, &data[2 << 20..])), 0);
    assert!(uploaded(worker.upload(it.clone(), 2 << 20, &data[2 << 20..])).created);
    assert!(fs::read(worker.path("a")).unwrap() == data);
    // It is kept no more.
    assert_eq!(kept(worker.upload(it, 2 << 20, b"")), 0);
}

#[test]
fn few_uploads_are_kept_and_none_outlives_its_worker() {
    let mut worker = Worker::start();
    let data = bytes(1 << 16);
    for number in 0..6 {
        worker.upload(upload(&number.to_string(), &data), 0, &data[..100]);
    }
    let still: Vec<u64> = (0..6)
        .map(|number| {
            let end = data.len() as u64;
            match worker.upload(upload(&number.to_string(), &data), end, b"") {
                Answer::Kept(UploadKept { bytes, .. }) => bytes,
                other => panic!("{other:?}"),
            }
        })
        .collect();
    assert_eq!(still, [0, 0, 100, 100, 100, 100]);
    worker.child.kill().unwrap();
    worker.child.wait().unwrap();
    assert!(names(worker.workspace.path()).is_empty());
}

#[test]
fn a_reader_that_is_slow_holds_up_no_other_request() {
    let mut worker = Worker::start();
    fs::write(worker.path("large"), bytes(8 << 20)).unwrap();
    fs::write(worker.path("small"), "small").unwrap();
    let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    worker.ask(Operation::Send(download("large")), Some(theirs));
    assert!(matches!(worker.answer(), Answer::Opened(_)));
    // Nobody reads it.
    let (_, sent, _) = worker.download(download("small"));
    assert_eq!(sent, b"small");
    drop(ours);
    let broken = refusal(worker.answer());
    assert!(broken.message.contains("large"), "{}", broken.message);
}

#[test]
fn a_request_without_its_pipe_is_refused() {
    let mut worker = Worker::start();
    worker.ask(Operation::Send(download("a")), None);
    assert_eq!(kind(worker.answer()), FileErrorKind::Invalid);
}

#[test]
fn a_full_disk_leaves_the_old_content_and_keeps_nothing_of_the_new() {
    let Some(mut worker) = Worker::on_a_small_disk() else { return };
    uploaded(worker.upload(upload("a", b"old"), 0, b"old"));
    let data = bytes(1 << 20);
    let refused = worker.upload(upload("a", &data), 0, &data);
    assert_eq!(kind(refused), FileErrorKind::NoSpace);
    let (_, old, _) = worker.download(download("a"));
    assert_eq!(old, b"old");
    let list = cofferdam_proto::file::v1::DirectoryList {
        path: b".".to_vec(),
        include_hidden: true,
        ..Default::default()
    };
    worker.ask(Operation::List(list), None);
    let Answer::Listing(listing) = worker.answer() else { panic!("a listing") };
    assert_eq!(listing.entries.len(), 1, "{listing:?}");
    // All of the room is there again.
    let fits = bytes(200 << 10);
    assert!(uploaded(worker.upload(upload("b", &fits), 0, &fits)).created);
}
