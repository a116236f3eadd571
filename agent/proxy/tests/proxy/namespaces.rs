//! Listeners in network namespaces of their own, as cells have them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use cofferdam_proxy_protocol::ServeLimits;
use cofferdam_tests::servers::Server;

use crate::dns::Dns;
use crate::harness::{Entry, Proxy, is_root, tunnel};

type Job = Box<dyn FnOnce() + Send>;

/// A thread that lives in a network namespace with nothing but loopback.
struct Namespace {
    jobs: mpsc::Sender<Job>,
}

impl Namespace {
    fn new() -> Self {
        let (jobs, waiting) = mpsc::channel::<Job>();
        let (ready, is_ready) = mpsc::channel();
        std::thread::spawn(move || {
            // `unshare` of a thread has no safe wrapper; a namespace that a
            // process holds can be joined safely.
            let mut holder = Command::new("unshare")
                .args(["--net", "sh", "-c", "ip link set lo up && echo up && read end"])
                .stdin(std::process::Stdio::piped())
                .stdout(std::process::Stdio::piped())
                .spawn()
                .unwrap();
            holder.stdout.as_mut().unwrap().read_exact(&mut [0; 3]).unwrap();
            let namespace = std::fs::File::open(format!("/proc/{}/ns/net", holder.id())).unwrap();
            rustix::thread::move_into_link_name_space(
                std::os::fd::AsFd::as_fd(&namespace),
                Some(rustix::thread::LinkNameSpaceType::Network),
            )
            .unwrap();
            ready.send(()).unwrap();
            for job in waiting {
                job();
            }
            drop(holder.stdin.take());
            let _ = holder.wait();
        });
        is_ready.recv().unwrap();
        Self { jobs }
    }

    fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        let (tell, told) = mpsc::channel();
        self.jobs.send(Box::new(move || tell.send(job()).unwrap())).unwrap();
        told.recv_timeout(Duration::from_mins(1)).unwrap()
    }

    fn listener(&self) -> TcpListener {
        self.run(|| TcpListener::bind("127.0.0.1:0").unwrap())
    }
}

#[test]
fn a_cell_reaches_its_own_listener_and_nothing_else() {
    let test = "a_cell_reaches_its_own_listener_and_nothing_else";
    if !is_root() {
        cofferdam_tests::skip(test, "needs root");
        return;
    }
    let dns = Dns::start();
    dns.set("a.test", &[&["127.0.0.1"]]);
    let server = Server::echo();
    let port = server.port();
    let allowed = [format!("a.test:{port}"), format!("127.0.0.1:{port}")];
    let allowed = allowed.each_ref().map(String::as_str);
    let proxy = Proxy::start(dns.address);
    let (first, second) = (Namespace::new(), Namespace::new());
    let rich = proxy.serve_with(&first.listener(), &[&allowed], ServeLimits::default());
    let second_listener = second.listener();
    let poor = proxy.serve_with(&second_listener, &[&["b.test:443"]], ServeLimits::default());
    let target = format!("a.test:{port}");
    let through = move |entry: Entry| {
        let target = target.clone();
        move || {
            let (mut stream, status) = tunnel(entry, &target);
            if status.starts_with("HTTP/1.1 200") {
                stream.write_all(b"x").unwrap();
                stream.read_exact(&mut [0]).unwrap();
            }
            status
        }
    };
    assert!(first.run(through(rich)).starts_with("HTTP/1.1 200"));
    assert!(second.run(through(poor)).starts_with("HTTP/1.1 403"));
    let reach = |address: SocketAddr| {
        move || TcpStream::connect_timeout(&address, Duration::from_secs(2)).is_ok()
    };
    assert!(!first.run(reach(server.address)), "the server, without the proxy");
    assert!(!first.run(reach(dns.address)), "the name server");
    if rich.address != poor.address {
        assert!(!second.run(reach(rich.address)), "another cell's listener");
    }
    assert!(!reach(rich.address)(), "a cell's listener, from the host");
    assert_eq!(server.reached(), 1);
    proxy.stop(rich);
    assert!(!first.run(reach(rich.address)), "a stopped listener");
}
