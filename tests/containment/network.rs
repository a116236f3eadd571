//! Lines 43 to 45: without a grant no protocol leads out.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};

use crate::Bench;

/// Tries each protocol towards the host's loopback, outside, and a name server;
/// prints what was possible. TEST-NET-1 and 2001:db8::/32 lead nowhere
/// (RFC 5737, RFC 3849).
pub(crate) const OUT: &str = r#"
import os, socket, struct
STREAM, DGRAM, RAW, SEQ = socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET
V4, V6 = socket.AF_INET, socket.AF_INET6
kinds = {
    "tcp": (V4, STREAM, 0), "udp": (V4, DGRAM, 0), "udplite": (V4, DGRAM, 136),
    "icmp": (V4, DGRAM, 1), "raw icmp": (V4, RAW, 1), "raw": (V4, RAW, 255),
    "sctp": (V4, STREAM, 132), "sctp one-to-many": (V4, SEQ, 132), "mptcp": (V4, STREAM, 262),
    "dccp": (V4, 6, 33), "packet": (17, RAW, 0x300),
    "tcp6": (V6, STREAM, 0), "udp6": (V6, DGRAM, 0), "icmp6": (V6, DGRAM, 58), "mptcp6": (V6, STREAM, 262),
}
for name, (family, kind, protocol) in kinds.items():
    if family == V4:
        targets = [("192.0.2.1", 9), ("127.0.0.1", TCP), ("127.0.0.1", UDP), ("192.0.2.53", 53), ("255.255.255.255", 9)]
    elif family == V6:
        targets = [("2001:db8::1", 9), ("::1", TCP), ("fe80::1%lo", 9), ("::ffff:192.0.2.1", 9)]
    else:
        targets = [("lo", 0)]
    for target in targets:
        try:
            with socket.socket(family, kind, protocol) as s:
                s.settimeout(0.3)
                if kind in (STREAM, SEQ, 6):
                    s.connect(target)
                elif target[0] in ("127.0.0.1", "::1"):
                    # A datagram to nobody is answered on the next call.
                    s.connect(target); s.send(b"x"); s.send(b"x"); s.recv(1)
                else:
                    s.sendto(b"x", target)
            print(name, target)
        except (OSError, OverflowError):
            pass
"#;

#[test]
fn no_protocol_leads_out_of_a_cell_without_a_grant() {
    let bench = Bench::new("out");
    let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    tcp.set_nonblocking(true).unwrap();
    udp.set_nonblocking(true).unwrap();
    let script = OUT
        .replace("TCP", &tcp.local_addr().unwrap().port().to_string())
        .replace("UDP", &udp.local_addr().unwrap().port().to_string());
    for (way, caller) in bench.ways() {
        let ran = caller.python(&script);
        assert_eq!((ran.code(), ran.out()), (0, String::new()), "{way}: {}", ran.said());
        assert_eq!(caller.sh("cut -d: -f1 /proc/net/dev | tail -n +3").out().trim(), "lo", "{way}");
    }
    assert!(tcp.accept().is_err(), "a connection arrived");
    assert!(udp.recv(&mut [0; 8]).is_err(), "a datagram arrived");
}

#[test]
fn a_cell_has_a_loopback_of_its_own() {
    // Without this the test above would pass with a broken script.
    let bench = Bench::new("loopback");
    for (way, caller) in bench.ways() {
        let ran = caller.python(
            "import socket\ns = socket.create_server(('127.0.0.1', 8080))\n\
             c = socket.create_connection(('127.0.0.1', 8080)); s.accept()[0].send(b'hello')\n\
             print(c.recv(9))",
        );
        assert_eq!(ran.out(), "b'hello'", "{way}: {}", ran.said());
    }
}

#[test]
fn no_name_is_resolved_without_a_grant() {
    let bench = Bench::new("names");
    let script = r#"
import socket
for name in "example.com", "localhost.example.com", "_http._tcp.debian.org":
    try:
        print(socket.getaddrinfo(name, 80))
    except OSError:
        pass
query = b"\0\1\1\0\0\1\0\0\0\0\0\0\7example\3com\0\0\1\0\1"
for server in "127.0.0.53", "192.0.2.53", "1.1.1.1":
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(0.3)
        try:
            s.connect((server, 53)); s.send(query); s.recv(512)
            print(server)
        except OSError:
            pass
"#;
    for (way, caller) in bench.ways() {
        let ran = caller.python(script);
        assert_eq!((ran.code(), ran.out()), (0, String::new()), "{way}: {}", ran.said());
    }
}

#[test]
fn routing_can_be_looked_at_and_not_changed() {
    let bench = Bench::new("routes");
    let script = r#"
import socket, struct
# RTM_NEWROUTE and RTM_NEWLINK: whoever has no capability gets EPERM.
for kind in 24, 16:
    try:
        with socket.socket(16, socket.SOCK_RAW, 0) as s:
            s.settimeout(0.5)
            s.send(struct.pack("=LHHLL", 28, kind, 0x405, 1, 0) + bytes(12))
            answer = s.recv(4096)
            if struct.unpack("=i", answer[16:20])[0] == 0:
                print(kind)
    except OSError:
        pass
"#;
    for (way, caller) in bench.ways() {
        let ran = caller.python(script);
        assert_eq!((ran.code(), ran.out()), (0, String::new()), "{way}: {}", ran.said());
    }
}

#[test]
fn sockets_are_of_unix_internet_and_route_families_and_of_no_other() {
    let bench = Bench::new("families");
    let script = r#"
import socket
made = set()
for family in range(0, 64):
    for kind in 1, 2, 3, 4, 5, 6, 10:
        for protocol in range(0, 32) if family == 16 else (0, 1, 132, 136, 262):
            try:
                socket.socket(family, kind, protocol).close()
                made.add(f"{family}:{protocol}" if family == 16 else str(family))
            except (OSError, OverflowError):
                pass
print(*sorted(made))
"#;
    for (way, caller) in bench.ways() {
        let ran = caller.python(script);
        assert_eq!((ran.code(), ran.out().as_str()), (0, "1 10 16:0 2"), "{way}: {}", ran.said());
    }
}
