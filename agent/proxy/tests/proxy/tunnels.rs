//! Tunnels: half-closed, slow, idle, stopped, many.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::time::{Duration, Instant};

use cofferdam_proxy_protocol::{Protocol, ServeLimits, Verdict};
use cofferdam_tests::servers::Server;

use crate::dns::Dns;
use crate::harness::{Entry, PATIENCE, Proxy, connect, read_head, socks, tunnel};

fn proxy_to(server: &Server, limits: ServeLimits) -> (Proxy, Entry, Dns) {
    let dns = Dns::start();
    dns.set("a.test", &[&["127.0.0.1"]]);
    let proxy = Proxy::start(dns.address);
    let port = server.port();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let list = [format!("a.test:{port}"), format!("127.0.0.1:{port}")];
    let list = list.each_ref().map(String::as_str);
    let entry = proxy.serve_with(&listener, &[&list], limits);
    (proxy, entry, dns)
}

#[test]
fn a_side_that_ends_its_half_still_hears_the_other() {
    let server = Server::start(|mut stream| {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        all.reverse();
        stream.write_all(&all).unwrap();
    });
    let (proxy, entry, _dns) = proxy_to(&server, ServeLimits::default());
    let (mut stream, code) = socks(entry, b"a.test", server.port());
    assert_eq!(code, Some(0));
    stream.write_all(b"abc").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "cba");
    let report = proxy.report(entry);
    assert_eq!((report.protocol, report.sent, report.received), (Protocol::Socks5, 3, 3));
}

#[test]
fn bytes_behind_the_request_are_not_lost() {
    let server = Server::echo();
    let (_proxy, entry, _dns) = proxy_to(&server, ServeLimits::default());
    let mut stream = connect(entry);
    write!(stream, "CONNECT a.test:{} HTTP/1.1\r\n\r\nearly", server.port()).unwrap();
    assert!(read_head(&mut stream).starts_with("HTTP/1.1 200"));
    let mut early = [0; 5];
    stream.read_exact(&mut early).unwrap();
    assert_eq!(&early, b"early");
}

#[test]
fn a_run_that_does_not_read_makes_the_server_wait_not_the_proxy_grow() {
    let server = Server::start(|mut stream| {
        let block = vec![7; 65536];
        while stream.write_all(&block).is_ok() {}
    });
    let (proxy, entry, _dns) = proxy_to(&server, ServeLimits::default());
    let before = proxy.memory_kib();
    let streams: Vec<_> =
        (0..50).map(|_| tunnel(entry, &format!("a.test:{}", server.port())).0).collect();
    std::thread::sleep(Duration::from_secs(1));
    let grown = proxy.memory_kib().saturating_sub(before);
    assert!(grown < 8 * 1024, "{grown} KiB for {} tunnels that nobody reads", streams.len());
}

#[test]
fn an_idle_tunnel_ends() {
    let server = Server::echo();
    let limits = ServeLimits { idle_seconds: 1, ..ServeLimits::default() };
    let (proxy, entry, _dns) = proxy_to(&server, limits);
    let started = Instant::now();
    let (mut stream, _) = tunnel(entry, &format!("a.test:{}", server.port()));
    std::thread::sleep(Duration::from_millis(600));
    stream.write_all(b"x").unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"x");
    let elapsed = started.elapsed();
    assert!(
        elapsed > Duration::from_millis(1500) && elapsed < Duration::from_secs(4),
        "{elapsed:?}"
    );
    assert_eq!(proxy.report(entry).verdict, Verdict::Allowed);
}

#[test]
fn stopping_a_listener_ends_its_tunnels_and_tells_what_they_moved() {
    let server = Server::echo();
    let (proxy, entry, _dns) = proxy_to(&server, ServeLimits::default());
    let other = proxy.serve(&["*:1-65535", &format!("127.0.0.1:{}", server.port())]);
    let target = format!("a.test:{}", server.port());
    let (mut stream, _) = tunnel(entry, &target);
    let (mut kept, _) = tunnel(other, &target);
    stream.write_all(b"four").unwrap();
    let mut echo = [0; 4];
    stream.read_exact(&mut echo).unwrap();
    let totals = proxy.stop(entry);
    assert_eq!((totals.allowed, totals.sent, totals.received, totals.unreported), (1, 4, 4, 0));
    assert_eq!(proxy.report(entry).sent, 4);
    assert!(matches!(stream.read(&mut echo), Ok(0) | Err(_)));
    assert!(std::net::TcpStream::connect(entry.address).is_err(), "nobody listens any more");
    kept.write_all(b"kept").unwrap();
    kept.read_exact(&mut echo).unwrap();
    assert_eq!(&echo, b"kept");
}

#[test]
fn when_the_agent_is_gone_the_proxy_ends_with_all_its_tunnels() {
    let server = Server::echo();
    let (mut proxy, entry, _dns) = proxy_to(&server, ServeLimits::default());
    let (mut stream, _) = tunnel(entry, &format!("a.test:{}", server.port()));
    proxy.link.shutdown(Shutdown::Both).unwrap();
    assert!(matches!(stream.read(&mut [0]), Ok(0) | Err(_)));
    assert!(proxy.child.wait().unwrap().success());
}

#[test]
fn later_connections_are_counted_when_there_are_too_many_to_tell() {
    let dns = Dns::start();
    let proxy = Proxy::start(dns.address);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let limits = ServeLimits { reports: 2, ..ServeLimits::default() };
    let entry = proxy.serve_with(&listener, &[&["a.test:443"]], limits);
    for _ in 0..5 {
        assert!(tunnel(entry, "b.test:443").1.starts_with("HTTP/1.1 403"));
    }
    let totals = proxy.stop(entry);
    assert_eq!((totals.refused, totals.unreported), (5, 3));
}

#[test]
fn thousands_of_connections_wait_their_turn_and_disturb_no_other_run() {
    let server = Server::echo();
    let limits = ServeLimits { connections: 64, ..ServeLimits::default() };
    let (proxy, crowded, _dns) = proxy_to(&server, limits);
    let quiet = proxy.serve(&["*:1-65535", &format!("127.0.0.1:{}", server.port())]);
    let target = format!("a.test:{}", server.port());
    let before = proxy.memory_kib();
    // More than may be open: the kernel's queue holds some, the rest are refused
    // by it or wait.
    let mut open = Vec::new();
    for _ in 0..3000 {
        match std::net::TcpStream::connect_timeout(&crowded.address, Duration::from_millis(20)) {
            Ok(stream) => open.push(stream),
            Err(_) => break,
        }
    }
    assert!(open.len() > 64, "{}", open.len());
    let started = Instant::now();
    let (mut stream, status) = tunnel(quiet, &target);
    assert!(status.starts_with("HTTP/1.1 200") && started.elapsed() < Duration::from_secs(2));
    stream.write_all(b"x").unwrap();
    stream.read_exact(&mut [0]).unwrap();
    let grown = proxy.memory_kib().saturating_sub(before);
    assert!(grown < 4 * 1024, "{grown} KiB for {} connections", open.len());
    drop(open);
    let deadline = Instant::now() + PATIENCE;
    while !tunnel(crowded, &target).1.starts_with("HTTP/1.1 200") {
        assert!(Instant::now() < deadline);
    }
}

#[test]
fn a_thousand_tunnels_at_once_cost_little_memory() {
    let server = Server::echo();
    let limits = ServeLimits { connections: 1000, ..ServeLimits::default() };
    let (proxy, entry, _dns) = proxy_to(&server, limits);
    let before = proxy.memory_kib();
    let target = format!("a.test:{}", server.port());
    let mut tunnels: Vec<_> = (0..400).map(|_| tunnel(entry, &target).0).collect();
    for stream in &mut tunnels {
        stream.write_all(b"ping").unwrap();
        stream.read_exact(&mut [0; 4]).unwrap();
    }
    let each = proxy.memory_kib().saturating_sub(before) / 400;
    assert!(each < 16, "{each} KiB for each open tunnel");
    drop(tunnels);
    for _ in 0..400 {
        assert_eq!(proxy.report(entry).sent, 4);
    }
}
