//! A worker that stays, as a process.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use cofferdam_proto::file::v1::{
    FileRead, FileSearch, FileWatch, ResidentRequest, ResidentResponse, WorkerResponse,
};
use prost::Message;

use super::*;

struct Worker {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: ChildStdout,
}

impl Worker {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_cofferdam-files"))
            .arg("--resident")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take().unwrap());
        Self { child, stdin, stdout }
    }

    fn send(&mut self, id: u64, workspace: &Path, operation: Operation) {
        let workspace = workspace.to_str().unwrap().into();
        let request = WorkerRequest { workspace, operation: Some(operation) };
        let body = ResidentRequest { id, request: Some(request) }.encode_to_vec();
        let length = u32::try_from(body.len()).unwrap().to_le_bytes();
        self.stdin.as_mut().unwrap().write_all(&[&length[..], &body].concat()).unwrap();
    }

    fn receive(&mut self) -> (u64, Answer) {
        let mut length = [0; 4];
        self.stdout.read_exact(&mut length).unwrap();
        let mut body = vec![0; u32::from_le_bytes(length) as usize];
        self.stdout.read_exact(&mut body).unwrap();
        match ResidentResponse::decode(body.as_slice()).unwrap() {
            ResidentResponse { id, response: Some(WorkerResponse { result: Some(answer) }) } => {
                (id, answer)
            }
            other => panic!("{other:?}"),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.stdin.take());
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

fn read(path: &str) -> Operation {
    Operation::Read(FileRead { path: path.into(), ..FileRead::default() })
}

#[test]
fn many_requests_are_answered_and_the_end_of_input_ends_it() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a"), "content").unwrap();
    let mut worker = Worker::start();
    for id in 1..=500 {
        worker.send(id, dir.path(), read(if id % 2 == 0 { "a" } else { "missing" }));
    }
    for id in 1..=500 {
        let (of, answer) = worker.receive();
        assert_eq!(of, id);
        assert_eq!(matches!(answer, Answer::Content(_)), id % 2 == 0);
    }
    drop(worker.stdin.take());
    assert!(worker.child.wait().unwrap().success());
}

#[test]
fn what_takes_its_time_holds_up_no_read() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a"), "needle").unwrap();
    let mut worker = Worker::start();
    let wait =
        FileWatch { path: b".".to_vec(), recursive: false, wait_millis: 1500, settle_millis: 1 };
    worker.send(1, dir.path(), Operation::Watch(wait));
    let search =
        FileSearch { path: b".".to_vec(), content: "needle".into(), ..FileSearch::default() };
    worker.send(2, dir.path(), Operation::Search(search));
    worker.send(3, dir.path(), read("a"));
    let mut order: Vec<u64> = (0..3).map(|_| worker.receive().0).collect();
    assert_eq!(order.pop(), Some(1));
}

#[test]
fn what_is_no_request_ends_it() {
    for bytes in [&b"\xff\xff\xff\xff"[..], &b"\x02\0\0\0\xff\xff"[..]] {
        let mut worker = Worker::start();
        worker.stdin.as_mut().unwrap().write_all(bytes).unwrap();
        assert!(!worker.child.wait().unwrap().success());
    }
}
