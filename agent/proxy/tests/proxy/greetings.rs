//! The look at the TLS greeting: nothing reaches a server that the greeting
//! does not name.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use cofferdam_proxy_protocol::{RefusalKind, Verdict};
use cofferdam_tests::servers::Server;

use crate::dns::Dns;
use crate::harness::{Entry, Proxy, socks, tunnel};

fn greeting(name: &str) -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let name = name.to_owned().try_into().unwrap();
    let mut client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

fn proxy_to(server: &Server) -> (Proxy, Entry, Dns) {
    let dns = Dns::start();
    dns.set("a.test", &[&["127.0.0.1"]]);
    let proxy = Proxy::start(dns.address);
    let port = server.port();
    let entry = proxy.serve(&[&format!("tls://a.test:{port}"), &format!("tls://127.0.0.1:{port}")]);
    (proxy, entry, dns)
}

/// What the run hears after its greeting.
fn heard(mut stream: TcpStream, greeting: &[u8]) -> Vec<u8> {
    stream.write_all(greeting).unwrap();
    let mut heard = Vec::new();
    let mut buffer = [0; 4096];
    while heard.len() < 7 {
        match stream.read(&mut buffer) {
            Ok(read @ 1..) => heard.extend(&buffer[..read]),
            _ => break,
        }
    }
    heard
}

#[test]
fn a_greeting_to_another_server_or_to_none_reaches_nobody() {
    let server = Server::echo();
    let (proxy, entry, _dns) = proxy_to(&server);
    let target = format!("a.test:{}", server.port());
    let alert = [21, 3, 3, 0, 2, 2, 49];
    for (name, kind) in [
        ("b.test", RefusalKind::ServerName),
        ("a.test.b.test", RefusalKind::ServerName),
        ("127.0.0.1", RefusalKind::ServerName),
    ] {
        let (stream, status) = tunnel(entry, &target);
        assert!(status.starts_with("HTTP/1.1 200"), "{status}");
        assert_eq!(heard(stream, &greeting(name)), alert, "{name}");
        assert_eq!(proxy.refusal(entry).0, kind, "{name}");
        let (stream, _) = socks(entry, b"a.test", server.port());
        assert_eq!(heard(stream, &greeting(name)), alert, "{name}");
        assert_eq!(proxy.refusal(entry).0, kind, "{name}");
    }
    assert_eq!(server.bytes(), 0);
}

#[test]
fn what_is_not_tls_reaches_nobody() {
    let server = Server::echo();
    let (proxy, entry, _dns) = proxy_to(&server);
    let target = format!("a.test:{}", server.port());
    let (stream, _) = tunnel(entry, &target);
    heard(stream, b"SSH-2.0-OpenSSH\r\n");
    let (kind, words) = proxy.refusal(entry);
    assert_eq!(kind, RefusalKind::NotTls);
    assert!(words.contains(&format!("`tcp://{target}`")), "{words}");
    let (stream, _) = tunnel(entry, &target);
    drop(stream);
    assert_eq!(proxy.refusal(entry).0, RefusalKind::NotTls);
    assert_eq!(server.bytes(), 0);
}

#[test]
fn the_right_greeting_passes_as_it_is_in_one_piece_or_in_many() {
    let server = Server::echo();
    let (proxy, entry, _dns) = proxy_to(&server);
    let target = format!("a.test:{}", server.port());
    let greeting = greeting("A.test");
    let (mut stream, _) = tunnel(entry, &target);
    for part in greeting.chunks(7) {
        stream.write_all(part).unwrap();
    }
    let mut echo = vec![0; greeting.len()];
    stream.read_exact(&mut echo).unwrap();
    assert_eq!(echo, greeting);
    drop(stream);
    let report = proxy.report(entry);
    assert_eq!(report.verdict, Verdict::Allowed);
    assert_eq!((report.sent, report.received), (greeting.len() as u64, greeting.len() as u64));
}

#[test]
fn an_address_needs_no_server_name_and_lends_itself_to_no_other() {
    let server = Server::echo();
    let (proxy, entry, _dns) = proxy_to(&server);
    let target = format!("127.0.0.1:{}", server.port());
    let own = greeting("127.0.0.1");
    let (mut stream, _) = tunnel(entry, &target);
    stream.write_all(&own).unwrap();
    let mut echo = vec![0; own.len()];
    stream.read_exact(&mut echo).unwrap();
    drop(stream);
    assert_eq!(proxy.report(entry).verdict, Verdict::Allowed);
    let (stream, _) = tunnel(entry, &target);
    heard(stream, &greeting("b.test"));
    assert_eq!(proxy.refusal(entry).0, RefusalKind::ServerName);
}
