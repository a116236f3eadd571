//! A whole Cofferdam on loopback, as `cofferdam dev` starts it.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::machine::slowness;
use crate::programs::program;

/// A running `cofferdam dev`.
pub struct Dev {
    process: Child,
    /// What it printed when it was ready.
    pub ready: Value,
    /// The directory that sessions may change.
    pub workspace: PathBuf,
    /// Holds workspace and state.
    pub directory: TempDir,
}

impl Dev {
    /// Starts with an empty workspace.
    ///
    /// # Panics
    /// When it does not become ready.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(|workspace| std::fs::create_dir(workspace).expect("the workspace"), &[])
    }

    /// Starts with a workspace that `prepare` makes, and more arguments.
    ///
    /// # Panics
    /// When it does not become ready.
    #[must_use]
    pub fn start_with(prepare: impl FnOnce(&Path), arguments: &[&str]) -> Self {
        let directory = TempDir::new().expect("a directory");
        let root = directory.path().canonicalize().expect("its real path");
        // The service user of a `dev` that root started must be able to enter.
        std::fs::set_permissions(&root, std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .expect("its mode");
        prepare(&root.join("workspace"));
        Self::start_in(directory, &[], arguments)
    }

    /// Starts in a directory that has a workspace already, and perhaps the state
    /// of one before it. `wrapper`: the start of a command line that starts it.
    ///
    /// # Panics
    /// When it does not become ready.
    #[must_use]
    pub fn start_in(directory: TempDir, wrapper: &[&str], arguments: &[&str]) -> Self {
        let root = directory.path().canonicalize().expect("its real path");
        let workspace = root.join("workspace");
        let log = root.join("dev.log");
        let mut words: Vec<_> = wrapper.iter().map(PathBuf::from).collect();
        words.push(program("cofferdam"));
        let (first, rest) = words.split_first().expect("at least the program");
        let mut process = Command::new(first)
            .args(rest)
            .args(["dev", "--json", "--port", "0", "--dir"])
            .args([root.join("state").as_os_str(), "--workspace".as_ref(), workspace.as_os_str()])
            .args(arguments)
            .current_dir(&workspace)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).expect("a file for its errors"))
            .spawn()
            .expect("cofferdam starts");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("its output");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let ready = serde_json::from_str(&line).unwrap_or_else(|error| {
            let told = std::fs::read_to_string(&log).unwrap_or_default();
            panic!("not ready: {error}: {line:?}: {told}")
        });
        Self { process, ready, workspace, directory }
    }

    /// A string of the ready line.
    ///
    /// # Panics
    /// When it is not there.
    #[must_use]
    pub fn told(&self, key: &str) -> &str {
        self.ready[key].as_str().unwrap_or_else(|| panic!("no `{key}` in {}", self.ready))
    }

    /// Where the state is: journals, logs, configuration.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.told("state_dir").into()
    }

    /// pid of `cofferdam dev`.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// pids of the programs that it started, by name.
    #[must_use]
    pub fn children(&self) -> Vec<(u32, String)> {
        children_of(self.pid())
    }

    /// Runs `cofferdam` with the URL and the token in its environment.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn cofferdam(&self, arguments: &[&str]) -> Output {
        Command::new(program("cofferdam"))
            .args(arguments)
            .env("COFFERDAM_URL", self.told("mcp_url"))
            .env("COFFERDAM_TOKEN", self.told("token"))
            .output()
            .expect("cofferdam runs")
    }

    /// Calls a tool over raw HTTP, as a client of 2025-11-25 without a session
    /// would, and gives the whole result of `tools/call`.
    ///
    /// # Panics
    /// When the answer is no JSON-RPC result.
    #[must_use]
    pub fn tool(&self, name: &str, arguments: &Value) -> Value {
        let body = json!({
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": { "name": name, "arguments": arguments },
        });
        let (status, answer) = self.post(&body.to_string());
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// Posts a body to the MCP endpoint with the token; status and the JSON of
    /// the answer (the last event where it is a stream).
    ///
    /// # Panics
    /// When the connection fails.
    #[must_use]
    pub fn post(&self, body: &str) -> (u16, Value) {
        self.post_with(body, &format!("Authorization: Bearer {}\r\n", self.told("token")))
    }

    /// The same with header lines of one's own.
    ///
    /// # Panics
    /// When the connection fails.
    #[must_use]
    pub fn post_with(&self, body: &str, headers: &str) -> (u16, Value) {
        let mut stream = self.open(body, headers);
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        parse_answer(&String::from_utf8_lossy(&answer))
    }

    /// Posts a body and leaves the answer to be read.
    ///
    /// # Panics
    /// When the connection fails.
    #[must_use]
    pub fn open(&self, body: &str, headers: &str) -> TcpStream {
        let url = self.told("mcp_url").strip_prefix("http://").expect("a plain URL on loopback");
        let (address, path) = url.split_once('/').expect("a path");
        let mut stream = TcpStream::connect(address).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_mins(1))).expect("a timeout");
        let length = body.len();
        let head = format!(
            "POST /{path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
             {headers}Content-Length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).expect("the head is sent");
        // A server that refuses a large body may close before all of it is read.
        _ = stream.write_all(body.as_bytes());
        stream
    }

    /// Sends a signal and waits for the end; the exit code if it exited.
    ///
    /// # Panics
    /// When it does not end within 20 seconds.
    pub fn end(&mut self, signal: i32) -> Option<i32> {
        let pid = rustix::process::Pid::from_child(&self.process);
        let signal = rustix::process::Signal::from_named_raw(signal).expect("a signal");
        rustix::process::kill_process(pid, signal).expect("it is there");
        self.wait()
    }

    /// Where it was, for another one; it must have ended.
    ///
    /// # Panics
    /// When it goes on.
    #[must_use]
    pub fn into_directory(mut self) -> TempDir {
        assert!(self.process.try_wait().expect("its end").is_some(), "it goes on");
        std::mem::replace(&mut self.directory, TempDir::new().expect("a directory"))
    }

    /// Waits for the end; the exit code if it exited.
    ///
    /// # Panics
    /// When it does not end within 20 seconds.
    pub fn wait(&mut self) -> Option<i32> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            match self.process.try_wait().expect("its end") {
                Some(status) => return status.code(),
                None if Instant::now() > deadline => panic!("it does not end"),
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        }
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(None)) {
            self.end(libc::SIGTERM);
        }
    }
}

/// Every process whose parent is `pid`, with its name.
#[must_use]
pub fn children_of(pid: u32) -> Vec<(u32, String)> {
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    processes
        .flatten()
        .filter_map(|entry| {
            let child: u32 = entry.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
            let (head, rest) = stat.rsplit_once(')')?;
            let parent: u32 = rest.split_whitespace().nth(1)?.parse().ok()?;
            (parent == pid).then(|| (child, head.split_once('(').unwrap_or_default().1.to_owned()))
        })
        .collect()
}

/// Waits until a condition holds.
///
/// # Panics
/// When it does not hold within 20 seconds.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let patience = Duration::from_secs(20 * slowness());
    let deadline = Instant::now() + patience;
    while !condition() {
        assert!(Instant::now() < deadline, "waited {patience:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Status and JSON of an HTTP answer; of an event stream the last message.
#[must_use]
pub fn parse_answer(text: &str) -> (u16, Value) {
    let status = text.split_whitespace().nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
    let body = if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        unchunk(body)
    } else {
        body.to_owned()
    };
    let message = body
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("data:"))
        .map_or(body.as_str(), str::trim);
    (status, serde_json::from_str(message).unwrap_or_else(|_| Value::String(body.clone())))
}

fn unchunk(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let Ok(size) = usize::from_str_radix(size.trim(), 16) else { break };
        if size == 0 {
            break;
        }
        whole.push_str(rest.get(..size).unwrap_or(rest));
        body = rest.get(size + 2..).unwrap_or("");
    }
    whole
}
