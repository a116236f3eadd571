//! Whoever else connects where hosts dial in.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use cofferdam_tests::fleet::Fleet;
use cofferdam_trust::{Identity, ServerConfigHandle, server_config};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// What a stranger gets to read, and how long the connection lasts.
fn greet(address: SocketAddr, sent: &[u8]) -> (Vec<u8>, Duration) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let began = Instant::now();
    // It may be closed before all of it is sent.
    _ = stream.write_all(sent);
    let mut answer = Vec::new();
    _ = stream.read_to_end(&mut answer);
    (answer, began.elapsed())
}

fn preface(name: &str) -> Vec<u8> {
    format!("COFFERDAM-HOST/1 spiffe://cofferdam/agent/{name}\n").into_bytes()
}

#[test]
fn strangers_learn_nothing_where_hosts_dial_in_and_keep_no_host_out() {
    let mut fleet = Fleet::prepare(2);
    fleet.start_gateway();
    let address = fleet.hosts_address;
    let long = [b"COFFERDAM-HOST/1 ".as_slice(), &[b'a'; 4096]].concat();
    let trailing = [preface("host-0"), b"x".to_vec()].concat();
    for hostile in [
        b"GET / HTTP/1.1\r\n\r\n".as_slice(),
        b"\x16\x03\x01\x00\x05hello",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\n",
        &[0; 4096],
        &long,
        &trailing,
        &preface("host-77"),
        &preface("../../etc"),
        b"COFFERDAM-HOST/1 spiffe://cofferdam/gateway/main\n",
        b"COFFERDAM-HOST/1 spiffe://elsewhere/agent/host-0\n",
    ] {
        let (answer, lasted) = greet(address, hostile);
        assert_eq!(answer, b"", "{:?}", hostile.escape_ascii().to_string());
        assert!(lasted < Duration::from_secs(3), "{lasted:?}");
    }
    // Who names a host of the gateway's is asked to prove it, by a greeting of TLS.
    let silent = std::thread::spawn(move || greet(address, &preface("host-1")));
    let mute = std::thread::spawn(move || greet(address, b""));
    // Half of the places of this address are taken by those who say nothing.
    let idle: Vec<_> = (0..60).map(|_| TcpStream::connect(address).unwrap()).collect();
    fleet.start_agent(0);
    fleet.until_ready(1, Duration::from_secs(20));
    drop(idle);
    let (greeting, lasted) = silent.join().unwrap();
    assert_eq!(greeting.first(), Some(&0x16), "a TLS handshake record");
    assert!(lasted < Duration::from_secs(8), "{lasted:?}");
    let (nothing, lasted) = mute.join().unwrap();
    assert!(nothing.is_empty() && lasted < Duration::from_secs(8), "{lasted:?}");
    assert_eq!(fleet.host("host-1")["state"], "unreachable");
}

/// Says that it is `claimed`, and proves by TLS that it is host-0; whether that is
/// taken.
async fn impersonate(fleet: &Fleet, claimed: &str) -> bool {
    let own = fleet.place().join("host-0");
    let [certificate, key, authorities] =
        ["host-0.crt", "host-0.key", "ca.crt"].map(|file| own.join(file));
    let identity = Identity::load(&certificate, &key, &authorities).unwrap();
    let tls = ServerConfigHandle::new(server_config(&identity).unwrap());
    let mut stream = tokio::net::TcpStream::connect(fleet.hosts_address).await.unwrap();
    stream.write_all(&preface(claimed)).await.unwrap();
    let Ok(mut connection) = tls.authenticate(stream).await else { return false };
    // Whoever is taken is called on, or waits to be.
    let mut called = [0; 1];
    let read = connection.read(&mut called);
    !matches!(tokio::time::timeout(Duration::from_secs(1), read).await, Ok(Ok(0) | Err(_)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_is_not_believed_as_another_one() {
    let mut fleet = Fleet::prepare(2);
    fleet.start_gateway();
    assert!(impersonate(&fleet, "host-0").await, "as itself it is taken");
    assert!(!impersonate(&fleet, "host-1").await);
    let answer = fleet.tool("get_system_info", &json!({ "host": "host-1" }));
    let reason = &answer["result"]["structuredContent"]["error"]["reason"];
    assert_eq!(reason, "HOST_UNREACHABLE", "{answer:#}");
}
