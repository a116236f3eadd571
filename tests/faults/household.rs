//! A whole Cofferdam, in a mount namespace of its own where that is possible, so
//! that nothing of it can stay mounted.

use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cofferdam_tests::dev::{Dev, children_of};
use cofferdam_tests::warden::is_root;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

/// It, and a number that names the one run that matters.
pub(crate) struct Household {
    pub(crate) dev: Dev,
    pub(crate) mark: String,
}

impl Household {
    pub(crate) fn start() -> Self {
        static LAST: AtomicU32 = AtomicU32::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let directory = TempDir::new().unwrap();
        let root = directory.path().canonicalize().unwrap();
        std::fs::set_permissions(&root, std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .unwrap();
        std::fs::create_dir(root.join("workspace")).unwrap();
        Self { dev: start(directory), mark: format!("{}.{number}", 200_000 + std::process::id()) }
    }

    /// The same place with new processes, once the old ones have ended.
    pub(crate) fn start_again(self) -> Self {
        Self { dev: start(self.dev.into_directory()), mark: self.mark }
    }

    /// Calls a tool and leaves the answer to be read.
    pub(crate) fn call(&self, tool: &str, arguments: &Value) -> TcpStream {
        let body = json!({
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": { "name": tool, "arguments": arguments },
        });
        let token = format!("Authorization: Bearer {}\r\n", self.dev.told("token"));
        self.dev.open(&body.to_string(), &token)
    }

    /// Asks the endpoint of files, with header lines of one's own; what belongs to it
    /// is left to be written or read.
    pub(crate) fn files(&self, line: &str, headers: &str) -> TcpStream {
        let url = self.dev.told("mcp_url").strip_prefix("http://").unwrap();
        let (address, _) = url.split_once('/').unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        let token = self.dev.told("token");
        let head = format!(
            "{line} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\nauthorization: Bearer \
             {token}\r\n{headers}\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream
    }

    /// Starts a shell line whose words have the mark.
    pub(crate) fn run(&self, line: &str) -> TcpStream {
        let line = line.replace("MARK", &self.mark);
        self.call("execute_command", &json!({ "program": "sh", "arguments": ["-c", line] }))
    }

    /// pid of one of the programs.
    pub(crate) fn program(&self, name: &str) -> u32 {
        let children = self.dev.children();
        // The kernel keeps 15 bytes of a name.
        let found = children.iter().find(|(_, it)| name.starts_with(it.as_str()) && it.len() > 9);
        found.unwrap_or_else(|| panic!("no {name} in {children:?}")).0
    }

    /// pids of the first processes of cells.
    pub(crate) fn cells(&self) -> Vec<u32> {
        let warden = self.program("cofferdam-warden");
        children_of(warden).into_iter().map(|(pid, _)| pid).collect()
    }

    /// A journal's records.
    pub(crate) fn journal(&self, side: &str) -> String {
        let files = std::fs::read_dir(self.dev.state().join(side).join("journal")).unwrap();
        let records = files.flatten().map(|file| file.path());
        let records = records.filter(|path| path.extension().is_some_and(|it| it == "jsonl"));
        records.map(|path| std::fs::read_to_string(path).unwrap_or_default()).collect()
    }
}

fn start(directory: TempDir) -> Dev {
    let apart = ["unshare", "--mount", "--propagation", "private"];
    Dev::start_in(directory, if is_root() { &apart } else { &[] }, &[])
}

/// Whether a process is there and no zombie.
pub(crate) fn exists(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// The host's pid of a process with this among its arguments; the innermost of
/// them, where a shell has it, too.
pub(crate) fn with_argument(argument: &str) -> Option<u32> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let of = |path: PathBuf| {
        let line = std::fs::read(path.join("cmdline")).ok()?;
        let mut words = line.split(|&byte| byte == 0);
        words.any(|word| word == argument.as_bytes()).then_some(())?;
        path.file_name()?.to_str()?.parse().ok()
    };
    processes.filter_map(|process| of(process.path())).max()
}

/// Sends a signal; one who is gone needs none.
pub(crate) fn signal(pid: u32, signal: Signal) {
    _ = kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal);
}

/// Cgroups that a warden of this pid made.
pub(crate) fn cgroups(warden: u32) -> Vec<PathBuf> {
    let name = format!("cofferdam-{warden}");
    let roots = ["", "memory", "pids", "cpu", "blkio", "unified"];
    let all = roots.map(|root| Path::new("/sys/fs/cgroup").join(root).join(&name));
    all.into_iter().filter(|path| path.exists()).collect()
}
