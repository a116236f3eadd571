//! Starts the proxy and speaks to it as an agent, and as a run.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use cofferdam_plan::channel;
use cofferdam_proxy_protocol::{
    AllowList, ConnectionReport, ListenerId, Lists, ProxyEvent, ProxyRequest, RefusalKind,
    ServeLimits, Totals, Verdict,
};

/// Nobody's uid: the proxy does not run as root.
pub(crate) const NOBODY: u32 = 65534;
/// Longer than any limit of the proxy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A running proxy, and the agent's end of its connection.
pub(crate) struct Proxy {
    pub(crate) child: Child,
    pub(crate) link: UnixStream,
    events: Receiver<ProxyEvent>,
    /// Reports that came while something else was waited for.
    early: RefCell<Vec<ProxyEvent>>,
}

/// A listener that the proxy serves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) id: ListenerId,
    pub(crate) address: SocketAddr,
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The proxy's program, as an ordinary user.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cofferdam-proxy"));
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

impl Proxy {
    /// With this name server, and more arguments.
    pub(crate) fn start_with(name_server: SocketAddr, arguments: &[&str]) -> Self {
        let server = ["--name-server", &name_server.to_string()].map(str::to_owned);
        Self::spawn(program().args(server).args(arguments))
    }

    /// With the name servers of this host.
    pub(crate) fn start_as_the_host() -> Self {
        Self::spawn(&mut program())
    }

    fn spawn(program: &mut Command) -> Self {
        let (link, theirs) = UnixStream::pair().unwrap();
        let child =
            program.arg("--connected").stdin(Stdio::from(OwnedFd::from(theirs))).spawn().unwrap();
        Self::over(child, link)
    }

    pub(crate) fn start(name_server: SocketAddr) -> Self {
        Self::start_with(name_server, &[])
    }

    pub(crate) fn over(child: Child, link: UnixStream) -> Self {
        let (tell, events) = channel();
        let reading = link.try_clone().unwrap();
        std::thread::spawn(move || {
            while let Ok((event, _)) = channel::receive::<ProxyEvent>(&reading) {
                if tell.send(event).is_err() {
                    break;
                }
            }
        });
        Self { child, link, events, early: RefCell::default() }
    }

    pub(crate) fn send(&self, request: &ProxyRequest, socket: &[impl AsFd]) {
        let sockets: Vec<_> = socket.iter().map(AsFd::as_fd).collect();
        channel::send(&self.link, request, &sockets).unwrap();
    }

    /// The first event that `wanted` takes; others wait for who asks for them.
    pub(crate) fn event<T>(&self, wanted: impl Fn(&ProxyEvent) -> Option<T>) -> T {
        let found = self.early.borrow().iter().position(|event| wanted(event).is_some());
        if let Some(place) = found {
            return wanted(&self.early.borrow_mut().remove(place)).unwrap();
        }
        loop {
            let event = self.events.recv_timeout(PATIENCE).expect("an event in time");
            match wanted(&event) {
                Some(value) => return value,
                None => self.early.borrow_mut().push(event),
            }
        }
    }

    /// Serves a new listener of this namespace for these destinations.
    pub(crate) fn serve(&self, destinations: &[&str]) -> Entry {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        self.serve_with(&listener, &[destinations], ServeLimits::default())
    }

    pub(crate) fn serve_with(
        &self,
        listener: &TcpListener,
        lists: &[&[&str]],
        limits: ServeLimits,
    ) -> Entry {
        let address = listener.local_addr().unwrap();
        let id = ListenerId(address.port().into());
        self.send(&serve_request(id, lists, limits), &[listener]);
        self.event(|event| {
            matches!(event, ProxyEvent::Serving { listener } if *listener == id).then_some(())
        });
        Entry { id, address }
    }

    /// The next report of a listener.
    pub(crate) fn report(&self, entry: Entry) -> ConnectionReport {
        self.event(|event| match event {
            ProxyEvent::Connection(report) if report.listener == entry.id => Some(report.clone()),
            _ => None,
        })
    }

    /// The next report, which must be a refusal.
    pub(crate) fn refusal(&self, entry: Entry) -> (RefusalKind, String) {
        match self.report(entry).verdict {
            Verdict::Refused(refusal) => (refusal.kind, refusal.detail),
            Verdict::Allowed => panic!("it was allowed"),
        }
    }

    pub(crate) fn stop(&self, entry: Entry) -> Totals {
        self.send(&ProxyRequest::Stop { listener: entry.id }, &[] as &[TcpListener]);
        self.event(|event| match event {
            ProxyEvent::Stopped { listener, totals } if *listener == entry.id => Some(*totals),
            _ => None,
        })
    }

    /// A number of its /proc/PID/status, such as `VmRSS` in KiB.
    pub(crate) fn status(&self, field: &str) -> String {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(field)).unwrap();
        line.split_once(':').unwrap().1.trim().trim_end_matches(" kB").to_owned()
    }

    pub(crate) fn memory_kib(&self) -> u64 {
        self.status("VmRSS").parse().unwrap()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn serve_request(
    id: ListenerId,
    lists: &[&[&str]],
    limits: ServeLimits,
) -> ProxyRequest {
    let list = |texts: &&[&str]| AllowList {
        setting: "`network.allow` of profile `test`".to_owned(),
        destinations: texts.iter().map(|text| text.parse().unwrap()).collect(),
    };
    ProxyRequest::Serve { listener: id, lists: Lists(lists.iter().map(list).collect()), limits }
}

/// A run's connection.
pub(crate) fn connect(entry: Entry) -> TcpStream {
    let stream = TcpStream::connect(entry.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends bytes and reads until the proxy closes.
pub(crate) fn ask(entry: Entry, bytes: &[u8]) -> String {
    let mut stream = connect(entry);
    // A proxy that has seen enough may have closed already.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// A CONNECT tunnel, with the answer's status.
pub(crate) fn tunnel(entry: Entry, target: &str) -> (TcpStream, String) {
    let mut stream = connect(entry);
    write!(stream, "CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n").unwrap();
    let status = read_head(&mut stream);
    (stream, status)
}

/// Reads one head, byte by byte, and nothing behind it.
pub(crate) fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// A SOCKS 5 tunnel to a name, with the reply's code.
pub(crate) fn socks(entry: Entry, name: &[u8], port: u16) -> (TcpStream, Option<u8>) {
    let mut stream = connect(entry);
    let length = u8::try_from(name.len()).unwrap();
    let request = [&[5, 1, 0, 5, 1, 0, 3, length], name, &port.to_be_bytes()].concat();
    stream.write_all(&request).unwrap();
    let mut replies = [0; 12];
    let code = stream.read_exact(&mut replies).ok().map(|()| replies[3]);
    (stream, code)
}

/// A ceiling that the proxy's user can read.
pub(crate) struct Ceiling {
    _directory: tempfile::TempDir,
    pub(crate) path: std::path::PathBuf,
}

impl Ceiling {
    /// With these destinations in `network.proxy`.
    pub(crate) fn new(destinations: &[&str]) -> Self {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let all = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(directory.path(), all).unwrap();
        let path = directory.path().join("ceiling.toml");
        let ceiling = Self { _directory: directory, path };
        ceiling.write(destinations);
        ceiling
    }

    /// Replaces it, as an editor does: by renaming.
    pub(crate) fn write(&self, destinations: &[&str]) {
        let example = include_str!("../../../../packaging/config/ceiling.toml");
        let text = example.replace("\nproxy = []\n", &format!("\nproxy = {destinations:?}\n"));
        let new = self.path.with_extension("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, &self.path).unwrap();
    }
}
