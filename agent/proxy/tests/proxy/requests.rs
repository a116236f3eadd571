//! Requests of runs: malformed, slow, oversized, two in one; and plain HTTP.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use cofferdam_proxy_protocol::{Protocol, RefusalKind, Verdict};
use cofferdam_tests::servers::Server;

use crate::dns::Dns;
use crate::harness::{Entry, Proxy, ask, connect, tunnel};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\nhi\n";

/// A proxy, and a listener that reaches `server` as `a.test` only.
fn proxy_to(server: &Server) -> (Proxy, Entry, Dns) {
    let dns = Dns::start();
    dns.set("a.test", &[&["127.0.0.1"]]);
    let proxy = Proxy::start(dns.address);
    let port = server.port();
    let entry = proxy.serve(&[&format!("a.test:{port}"), &format!("127.0.0.1:{port}")]);
    (proxy, entry, dns)
}

#[test]
fn a_plain_request_is_forwarded_and_counted() {
    let (server, came) = Server::scripted(OK);
    let (proxy, entry, _dns) = proxy_to(&server);
    let host = format!("a.test:{}", server.port());
    let request = format!(
        "POST http://{host}/x?y HTTP/1.1\r\nHost: {host}\r\nContent-Length: 4\r\nProxy-Connection: keep-alive\r\n\r\nbody"
    );
    let mut stream = connect(entry);
    stream.write_all(request.as_bytes()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nhi\n");
    let expected = format!(
        "POST /x?y HTTP/1.1\r\nHost: {host}\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody"
    );
    assert_eq!(String::from_utf8_lossy(&came.lock().unwrap()), expected);
    let report = proxy.report(entry);
    assert_eq!((report.protocol, report.verdict), (Protocol::Http, Verdict::Allowed));
    assert_eq!(report.sent, expected.len() as u64);
    assert_eq!(report.received, answer.len() as u64);
}

#[test]
fn a_second_request_behind_the_first_reaches_nobody() {
    for length in [
        "Content-Length: 4\r\n\r\nbody",
        "Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
        "\r\n",
    ] {
        let (server, came) = Server::scripted(OK);
        let (proxy, entry, _dns) = proxy_to(&server);
        let host = format!("a.test:{}", server.port());
        let first = format!("POST http://{host}/first HTTP/1.1\r\nHost: {host}\r\n{length}");
        let second = "GET /second HTTP/1.1\r\nHost: other.test\r\n\r\n";
        let mut stream = connect(entry);
        stream.write_all(format!("{first}{second}").as_bytes()).unwrap();
        stream.write_all(second.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        proxy.report(entry);
        let came = String::from_utf8_lossy(&came.lock().unwrap()).into_owned();
        assert!(came.contains("/first") && !came.contains("second"), "{came}");
    }
}

#[test]
fn what_two_readers_could_understand_in_two_ways_reaches_nobody() {
    let (server, _) = Server::scripted(OK);
    let (proxy, entry, _dns) = proxy_to(&server);
    let host = format!("a.test:{}", server.port());
    for fields in [
        "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc",
        "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "X: a\r\n b\r\n\r\n",
        "X: a\nY: b\r\n\r\n",
        "X: a\rY: b\r\n\r\n",
        "X: \0\r\n\r\n",
        "Host: other.test\r\n\r\n",
        "Content-Length : 3\r\n\r\nabc",
    ] {
        let request = format!("POST http://{host}/ HTTP/1.1\r\nHost: {host}\r\n{fields}");
        let answer = ask(entry, request.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 400"), "{fields:?}: {answer}");
        assert_eq!(proxy.refusal(entry).0, RefusalKind::Malformed);
    }
    assert_eq!(server.reached(), 0);
}

#[test]
fn chunks_that_are_malformed_are_not_sent_on() {
    let (server, came) = Server::scripted(OK);
    let (proxy, entry, _dns) = proxy_to(&server);
    let host = format!("a.test:{}", server.port());
    let head = format!(
        "POST http://{host}/ HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    ask(entry, format!("{head}3;x\r\nsecret\r\n0\r\n\r\n").as_bytes());
    proxy.report(entry);
    assert!(!String::from_utf8_lossy(&came.lock().unwrap()).contains("secret"));
}

#[test]
fn an_oversized_head_is_refused_before_it_is_all_here() {
    let (server, _) = Server::scripted(OK);
    let (proxy, entry, _dns) = proxy_to(&server);
    let request = format!("GET http://a.test/ HTTP/1.1\r\nX: {}", "a".repeat(1 << 20));
    let answer = ask(entry, request.as_bytes());
    assert!(answer.is_empty() || answer.contains("longer than"), "{answer}");
    assert!(proxy.refusal(entry).1.contains("longer than"));
    let many = format!("GET http://a.test/ HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(200));
    assert!(ask(entry, many.as_bytes()).contains("more than 100 fields"));
}

#[test]
fn a_request_that_drips_in_is_ended() {
    let (server, _) = Server::scripted(OK);
    let (proxy, entry, _dns) = proxy_to(&server);
    let started = Instant::now();
    let mut stream = connect(entry);
    stream.write_all(b"GET http://a.test/ HTTP/1.1\r\n").unwrap();
    while stream.write_all(b"X").is_ok() && started.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(200));
    }
    let elapsed = started.elapsed();
    assert!(elapsed > Duration::from_secs(9) && elapsed < Duration::from_secs(15), "{elapsed:?}");
    assert_eq!(proxy.refusal(entry).0, RefusalKind::TimedOut);
}

#[test]
fn what_is_neither_http_nor_socks_is_refused() {
    let dns = Dns::start();
    let proxy = Proxy::start(dns.address);
    let entry = proxy.serve(&["*:443"]);
    for bytes in [
        &b"\x16\x03\x01\x00\x05hello"[..],
        b"\x04\x01\x00\x50\x7f\x00\x00\x01\x00",
        b"get / http/1.1\r\n\r\n",
        b"\0",
    ] {
        assert_eq!(ask(entry, bytes), "", "{}", bytes.escape_ascii());
        assert_eq!(proxy.refusal(entry).0, RefusalKind::Malformed);
    }
    assert!(ask(entry, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").contains("this is a proxy"));
    assert!(ask(entry, b"GET https://a/ HTTP/1.1\r\nHost: a\r\n\r\n").contains("use CONNECT"));
}

#[test]
fn a_connection_without_a_request_is_not_told() {
    let dns = Dns::start();
    let proxy = Proxy::start(dns.address);
    let entry = proxy.serve(&["*:443"]);
    drop(connect(entry));
    let (_, status) = tunnel(entry, "nowhere.test:443");
    assert!(status.starts_with("HTTP/1.1 502"));
    assert_eq!(proxy.report(entry).name, "nowhere.test");
    let totals = proxy.stop(entry);
    assert_eq!((totals.allowed, totals.refused), (0, 1));
}
