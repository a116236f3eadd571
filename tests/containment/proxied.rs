//! Line 46: with a grant only the proxy leads out, to nothing but what is named.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};

use cofferdam_tests::host::{Host, Proxied, Setup};

use crate::Bench;
use crate::network::OUT;

/// Answers each question for an address with what a hostile server would say.
fn name_server() -> SocketAddr {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut question = [0; 512];
        while let Ok((length, asker)) = socket.recv_from(&mut question) {
            _ = socket.send_to(&answer(&question[..length]), asker);
        }
    });
    address
}

/// Names of the shipped profiles, and the private places that they turn into.
const LIES: &[(&str, [u8; 4])] = &[
    ("crates.io", [127, 0, 0, 1]),
    ("index.crates.io", [127, 9, 9, 9]),
    ("pypi.org", [169, 254, 169, 254]),
    ("github.com", [10, 0, 0, 1]),
    ("gitlab.com", [192, 168, 1, 1]),
    ("codeberg.org", [100, 64, 0, 1]),
    ("bitbucket.org", [0, 0, 0, 0]),
    ("rubygems.org", [172, 16, 0, 1]),
];

/// RFC 1035: the question again, and one A record where there is a lie to tell.
fn answer(question: &[u8]) -> Vec<u8> {
    let mut labels = Vec::new();
    let mut at = 12;
    while let Some(&length) = question.get(at).filter(|&&length| length > 0) {
        let end = at + 1 + usize::from(length);
        labels.push(String::from_utf8_lossy(&question[at + 1..end]).to_lowercase());
        at = end;
    }
    let is_a = question.get(at + 1..at + 3) == Some(&[0, 1]);
    let name = labels.join(".");
    let lie = LIES.iter().find(|(lied, _)| *lied == name).filter(|_| is_a);
    let mut told = question[..2].to_vec();
    told.extend([0x81, 0x80, 0, 1, 0, u8::from(lie.is_some()), 0, 0, 0, 0]);
    told.extend(&question[12..at + 5]);
    if let Some((_, address)) = lie {
        told.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        told.extend(address);
    }
    told
}

/// A host whose ceiling lets through what the shipped profiles name, and a
/// profile `own` that names one server of this machine.
fn host_with_proxy(own: SocketAddr) -> Host {
    let mut destinations: Vec<String> =
        LIES.iter().map(|(name, _)| format!("{name}:443")).collect();
    destinations.push(own.to_string());
    let widest = include_str!("../../agent/profile/profiles/build-network.toml");
    let start = widest.find("allow = [\n    # Rust").unwrap();
    let end = start + widest[start..].find("\n]\n").unwrap() + 3;
    let text = format!("{}allow = [\"{own}\"]\n{}", &widest[..start], &widest[end..]);
    let degraded = "\n[enforcement]\nmay_lack = \"all\"\n";
    let text = if cofferdam_tests::warden::is_root() { text } else { text + degraded };
    let closed = "version = 1\ninherits = \"own\"\nnetwork.loopback = false\n";
    let profiles = vec![("own".to_owned(), text), ("closed".to_owned(), closed.to_owned())];
    let proxy = Some(Proxied { name_server: name_server(), destinations });
    Host::start_with(Setup { profiles, proxy, stock: 0, ..Setup::default() })
}

/// Asks the proxy for each target and prints those that it led to.
const ASK: &str = r#"
import os, socket, sys
host, port = os.environ["HTTPS_PROXY"].split("//")[1].split(":")
def ask(head):
    with socket.create_connection((host, int(port)), 5) as s:
        s.sendall(head)
        s.settimeout(5)
        return s.recv(400)
for target in TARGETS:
    for head in b"CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (target, target), b"GET http://%s/ HTTP/1.1\r\nHost: x\r\n\r\n" % target:
        try:
            if ask(head).split(b" ")[1] in (b"200", b"301", b"302"):
                print(target)
        except (OSError, IndexError):
            pass
"#;

#[test]
fn the_proxy_leads_to_nothing_that_a_trick_with_names_or_addresses_asks_for() {
    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = server.local_addr().unwrap();
    server.set_nonblocking(true).unwrap();
    let bench = Bench::on(host_with_proxy(address), "tricks");
    let port = address.port();
    let mut targets: Vec<String> = LIES.iter().map(|(name, _)| format!("{name}:443")).collect();
    for (name, _) in LIES {
        targets.extend([format!("{name}.:443"), format!("{name}:{port}"), format!("{name}:80")]);
    }
    for host in [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "0",
        "0.0.0.0",
        "127.1",
        "2130706433",
        "0x7f000001",
        "017700000001",
        "[::ffff:127.0.0.1]",
        "169.254.169.254",
        "crates.io\\x00.evil.example",
        "crates.io@127.0.0.1",
        "127.0.0.1#crates.io",
        "crates.io%2eevil.example",
        "CRATES.IO",
        "evil.example",
        "xn--80ak6aa92e.com",
        "crat\\xe9s.io",
        " crates.io",
        "crates.io:443@127.0.0.1",
    ] {
        targets.extend([format!("{host}:443"), format!("{host}:{port}")]);
    }
    let list: Vec<String> = targets.iter().map(|target| format!("b\"{target}\"")).collect();
    let script = ASK.replace("TARGETS", &format!("[{}]", list.join(", ")));
    for profile in ["default-network", "build-network"] {
        let ran = bench.caller.clone().profile(profile).python(&script);
        assert_eq!((ran.code(), ran.out()), (0, String::new()), "{profile}: {}", ran.said());
    }
    assert!(server.accept().is_err(), "somebody connected");
    // The proxy is the only way: by itself a run reaches no more than without.
    let out = OUT.replace("TCP", &port.to_string()).replace("UDP", &port.to_string());
    let ran = bench.caller.clone().profile("default-network").python(&out);
    assert_eq!((ran.code(), ran.out()), (0, String::new()), "{}", ran.said());
}

/// Answers every connection with `hello`.
fn greeter() -> SocketAddr {
    // Not 127.0.0.1, which programs ask for without the proxy.
    let server = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 2), 0)).unwrap();
    let address = server.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in server.incoming().flatten() {
            _ = stream.read(&mut [0; 1024]);
            _ = stream.write_all(
                b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
            );
        }
    });
    address
}

#[test]
fn without_loopback_a_run_reaches_its_own_listener_of_the_proxy_and_no_other_port() {
    let address = greeter();
    let bench = Bench::on(host_with_proxy(address), "closed-proxied");
    let closed = bench.caller.clone().profile("closed");
    let script = format!(
        "import os, socket, urllib.request
proxy = os.environ['HTTP_PROXY']
opener = urllib.request.build_opener(urllib.request.ProxyHandler({{'http': proxy}}))
print(opener.open('http://{address}/').read().decode(), flush=True)
own = int(proxy.rsplit(':', 1)[1])
for port in (own - 1, own + 1, 1):
    try: socket.create_connection(('127.0.0.1', port), 5); print(port, 'reached')
    except PermissionError: pass
try: socket.create_server(('127.0.0.1', 0)); print('listens')
except PermissionError: pass"
    );
    let ran = closed.python(&script);
    let sandbox = crate::loopback::sandbox(&ran);
    let layer = crate::loopback::layer(&sandbox).unwrap();
    if !layer.effective {
        println!("skipped: {}", layer.detail);
        return;
    }
    assert!(layer.detail.contains("own listener of the proxy only"), "{layer:?}");
    assert_eq!(ran.out(), "hello", "{}", ran.said());
    assert_eq!(sandbox.connections.len(), 1, "{:?}", sandbox.connections);
}

#[test]
fn what_is_named_is_reached_through_the_proxy_and_no_other_cells_proxy_helps() {
    let address = greeter();
    let bench = Bench::on(host_with_proxy(address), "named");
    let own = bench.caller.clone().profile("own");
    let fetch = format!(
        "import os, urllib.request\nprint(os.environ['HTTP_PROXY'])\n\
         opener = urllib.request.build_opener(urllib.request.ProxyHandler({{'http': os.environ['HTTP_PROXY']}}))\n\
         print(opener.open('http://{address}/').read().decode(), flush=True)\nimport time; time.sleep(WAIT)"
    );
    let mut live =
        own.start(cofferdam_tests::caller::python(&fetch.replace("WAIT", "60"))).unwrap();
    live.until_says("hello");
    let proxy = String::from_utf8_lossy(&live.ran.stdout).lines().next().unwrap().to_owned();
    // Neither a cell without a way out nor one with another finds it there.
    let borrow =
        fetch.replace("WAIT", "0").replace("os.environ['HTTP_PROXY']", &format!("'{proxy}'"));
    for other in
        [bench.caller.clone(), bench.caller.clone().session("other").profile("default-network")]
    {
        let ran = other.python(&borrow);
        assert!(!ran.said().contains("hello"), "{}", ran.said());
    }
    live.cancel();
    live.finish().unwrap();
}
