//! The agent's connection: which sockets are served, and who may bring them.

use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::time::{Duration, Instant};

use cofferdam_proxy_protocol::{ListenerId, ProxyEvent, ServeLimits};

use crate::dns::Dns;
use crate::harness::{NOBODY, Proxy, is_root, program, serve_request, tunnel};

fn refusal(proxy: &Proxy, id: u64, sockets: &[BorrowedFd<'_>]) -> String {
    let request = serve_request(ListenerId(id), &[&["a.test:443"]], ServeLimits::default());
    proxy.send(&request, sockets);
    proxy.event(|event| match event {
        ProxyEvent::Refused { listener, reason } if listener.0 == id => Some(reason.clone()),
        _ => None,
    })
}

#[test]
fn only_a_listening_tcp_socket_on_loopback_is_served() {
    let dns = Dns::start();
    let proxy = Proxy::start(dns.address);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let everywhere = TcpListener::bind("0.0.0.0:0").unwrap();
    let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (unix, _) = UnixStream::pair().unwrap();
    let file = std::fs::File::open("/dev/null").unwrap();
    assert!(refusal(&proxy, 1, &[]).contains("takes one"));
    assert!(refusal(&proxy, 2, &[listener.as_fd(), listener.as_fd()]).contains("takes one"));
    assert!(refusal(&proxy, 3, &[stream.as_fd()]).contains("not a listening TCP socket"));
    assert!(refusal(&proxy, 4, &[datagrams.as_fd()]).contains("not a listening TCP socket"));
    assert!(refusal(&proxy, 5, &[unix.as_fd()]).contains("not a listening TCP socket"));
    assert!(refusal(&proxy, 6, &[everywhere.as_fd()]).contains("not on loopback"));
    assert!(refusal(&proxy, 7, &[file.as_fd()]).contains("cannot look at the socket"));
    let entry = proxy.serve(&["a.test:443"]);
    assert!(refusal(&proxy, entry.id.0, &[listener.as_fd()]).contains("is served already"));
}

#[test]
fn a_listener_whose_lists_are_empty_reaches_nothing() {
    let dns = Dns::start();
    let proxy = Proxy::start(dns.address);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let entry = proxy.serve_with(&listener, &[], ServeLimits::default());
    assert!(tunnel(entry, "a.test:443").1.starts_with("HTTP/1.1 403"));
}

#[test]
fn nonsense_from_the_agent_ends_the_proxy() {
    use std::io::Write;
    let dns = Dns::start();
    for bytes in [&[0xff; 64][..], &[1, 0, 0, 0, 9], &[2, 0, 0, 0, 1, 77]] {
        let mut proxy = Proxy::start(dns.address);
        (&proxy.link).write_all(bytes).unwrap();
        assert!(!proxy.child.wait().unwrap().success());
    }
}

#[test]
fn at_a_path_only_the_agents_user_is_served() {
    let directory = tempfile::tempdir().unwrap();
    // The proxy's user makes the socket.
    if is_root() {
        std::os::unix::fs::chown(directory.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let path = directory.path().join("proxy.sock");
    let own = rustix::process::geteuid().as_raw();
    for (agent, welcome) in [(own, true), (own + 1, false)] {
        let mut command = program();
        command.args(["--name-server", "127.0.0.1:9"]).arg("--socket").arg(&path);
        let mut child = command.args(["--agent-uid", &agent.to_string()]).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        let link = loop {
            match UnixStream::connect(&path) {
                Ok(link) => break link,
                Err(_) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(error) => panic!("{error}"),
            }
        };
        if welcome {
            let proxy = Proxy::over(child, link);
            let entry = proxy.serve(&["a.test:443"]);
            assert!(tunnel(entry, "b.test:443").1.starts_with("HTTP/1.1 403"));
        } else {
            use std::io::Read;
            assert!(matches!((&link).read(&mut [0]), Ok(0) | Err(_)), "turned away");
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

#[test]
fn a_file_at_the_sockets_path_is_not_touched() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("proxy.sock");
    std::fs::write(&path, "mine").unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_cofferdam-proxy"));
    if is_root() {
        std::os::unix::fs::chown(directory.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        command.uid(NOBODY);
    }
    let output = command.args(["--agent-uid", "1"]).arg("--socket").arg(&path).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("is not a socket"));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
}
