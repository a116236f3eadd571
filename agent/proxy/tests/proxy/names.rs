//! Names and addresses: what is refused, and that what was checked is what is
//! connected to.

use cofferdam_proxy_protocol::{ListenerId, ProxyEvent, RefusalKind, ServeLimits, Verdict};
use cofferdam_tests::servers::Server;

use crate::dns::Dns;
use crate::harness::{Ceiling, Proxy, ask, serve_request, socks, tunnel};

#[test]
fn a_name_that_no_destination_names_is_refused_in_words() {
    let dns = Dns::start();
    dns.set("other.test", &[&["127.0.0.1"]]);
    let proxy = Proxy::start(dns.address);
    let entry = proxy.serve(&["registry.test:443", "*.files.test:443", "10.0.0.0/8:443"]);
    let answer = ask(entry, b"CONNECT other.test:443 HTTP/1.1\r\n\r\n");
    assert!(
        answer.starts_with("HTTP/1.1 403 cofferdam: `other.test:443` is not allowed"),
        "{answer}"
    );
    for words in ["`network.allow` of profile `test`", "registry.test:443, *.files.test:443."] {
        assert!(answer.contains(words), "{words}: {answer}");
    }
    assert!(!answer.contains("10.0.0.0"), "addresses are not told: {answer}");
    let report = proxy.report(entry);
    assert_eq!((report.name.as_str(), report.port), ("other.test", 443));
    assert_eq!(dns.asked("other.test"), 0, "a refused name is not looked up");
}

#[test]
fn addresses_in_strange_spellings_are_refused_whatever_the_protocol() {
    let dns = Dns::start();
    let server = Server::echo();
    let port = server.port();
    let proxy = Proxy::start(dns.address);
    let entry = proxy.serve(&["*:1-65535", "0.0.0.0/0:1-65535", "[::/0]:1-65535"]);
    let spellings = [
        "127.0.0.1",
        "127.1",
        "0x7f.1",
        "0x7f000001",
        "2130706433",
        "0177.0.0.1",
        "017700000001",
        "127.0.0.1.",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[2002:7f00:1::]",
        "0.0.0.0",
        "0",
        "[::]",
        "169.254.169.254",
        "[fe80::1%25lo]",
        "[::1%lo]",
    ];
    for spelling in spellings {
        let (_, status) = tunnel(entry, &format!("{spelling}:{port}"));
        assert!(status.starts_with("HTTP/1.1 40"), "CONNECT {spelling}: {status}");
        let host = format!("{spelling}:{port}");
        let answer =
            ask(entry, format!("GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes());
        assert!(answer.starts_with("HTTP/1.1 40"), "GET {spelling}: {answer}");
        let (_, code) = socks(entry, spelling.as_bytes(), port);
        assert!(matches!(code, Some(1 | 2)), "SOCKS {spelling}: {code:?}");
    }
    assert_eq!(server.reached(), 0);
}

#[test]
fn names_that_could_be_read_in_two_ways_are_refused() {
    let dns = Dns::start();
    dns.set("a.test", &[&["127.0.0.1"]]);
    let server = Server::echo();
    let proxy = Proxy::start(dns.address);
    let entry = proxy.serve(&["*:1-65535", "127.0.0.1:1-65535"]);
    let port = server.port();
    let names: [&[u8]; 8] = [
        b"a.test.",
        b"a.test\0.b.test",
        b"a..test",
        b"\xc3\xa4.test",
        b"a.test ",
        b"a.test%00",
        b"user@a.test",
        b"-a.test",
    ];
    for name in names {
        let shown = name.escape_ascii();
        let (_, code) = socks(entry, name, port);
        assert_eq!(code, Some(1), "{shown}");
        let target = [name, format!(":{port}").as_bytes()].concat();
        let request = [b"CONNECT ", &target[..], b" HTTP/1.1\r\n\r\n"].concat();
        let answer = ask(entry, &request);
        assert!(answer.starts_with("HTTP/1.1 400"), "{shown}: {answer}");
    }
    assert_eq!(server.reached(), 0);
    assert!(tunnel(entry, &format!("a.test:{port}")).1.starts_with("HTTP/1.1 200"));
}

#[test]
fn a_name_must_not_resolve_to_what_is_not_public() {
    let dns = Dns::start();
    let proxy = Proxy::start(dns.address);
    let entry = proxy.serve(&["*:1-65535", "0.0.0.0/0:1-65535", "[::/0]:1-65535"]);
    let addresses = [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",
        "10.0.0.1",
        "100.64.0.1",
        "169.254.1.1",
        "169.254.169.254",
        "172.16.0.1",
        "192.168.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "::ffff:127.0.0.1",
        "fe80::1",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "64:ff9b::7f00:1",
        "2002:a00:1::",
        "2001:db8::1",
    ];
    for (number, address) in addresses.iter().enumerate() {
        let name = format!("n{number}.test");
        dns.set(&name, &[&[address]]);
        let (_, status) = tunnel(entry, &format!("{name}:8080"));
        assert!(status.starts_with("HTTP/1.1 403"), "{address}: {status}");
        let (kind, words) = proxy.refusal(entry);
        assert_eq!(kind, RefusalKind::Address, "{address}: {words}");
        assert!(words.contains("would have to name"), "{words}");
    }
}

#[test]
fn a_name_is_looked_up_once_and_its_answer_is_kept_for_the_connection() {
    let dns = Dns::start();
    let server = Server::echo();
    let port = server.port();
    // The second answer, of a server that changes its mind, is not named.
    dns.set("rebinding.test", &[&["127.0.0.1"], &["127.0.0.2"]]);
    let proxy = Proxy::start(dns.address);
    let entry = proxy.serve(&[&format!("rebinding.test:{port}"), &format!("127.0.0.1:{port}")]);
    let target = format!("rebinding.test:{port}");
    let (stream, status) = tunnel(entry, &target);
    assert!(status.starts_with("HTTP/1.1 200"), "{status}");
    assert_eq!(dns.asked("rebinding.test"), 1);
    drop(stream);
    let report = proxy.report(entry);
    assert_eq!(report.address, Some("127.0.0.1".parse().unwrap()));
    let (_, status) = tunnel(entry, &target);
    assert!(status.starts_with("HTTP/1.1 403"), "{status}");
    assert_eq!(proxy.refusal(entry).0, RefusalKind::Address);
    assert_eq!(server.reached(), 1);
}

#[test]
fn of_several_answers_only_allowed_ones_are_connected_to() {
    let dns = Dns::start();
    let server = Server::echo();
    let port = server.port();
    dns.set("mixed.test", &[&["10.0.0.1", "127.0.0.1", "169.254.169.254", "::1"]]);
    let proxy = Proxy::start(dns.address);
    let entry = proxy.serve(&[&format!("mixed.test:{port}"), &format!("127.0.0.1:{port}")]);
    let (stream, status) = tunnel(entry, &format!("mixed.test:{port}"));
    assert!(status.starts_with("HTTP/1.1 200"), "{status}");
    drop(stream);
    assert_eq!(proxy.report(entry).address, Some("127.0.0.1".parse().unwrap()));
}

#[test]
fn every_list_must_allow_also_the_ceiling_that_the_proxy_reads_itself() {
    let dns = Dns::start();
    let server = Server::echo();
    let port = server.port();
    for name in ["a.test", "b.test", "c.test"] {
        dns.set(name, &[&["127.0.0.1"]]);
    }
    let loopback = format!("127.0.0.1:{port}");
    let allow = |name: &str| format!("{name}.test:{port}");
    let ceiling = Ceiling::new(&[&allow("b"), &allow("c"), &loopback]);
    let proxy = Proxy::start_with(dns.address, &["--ceiling", ceiling.path.to_str().unwrap()]);
    let lists: [&[&str]; 2] = [&[&allow("a"), &allow("b"), &loopback], &["*:1-65535", &loopback]];
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let entry = proxy.serve_with(&listener, &lists, ServeLimits::default());
    let status = |name: &str| tunnel(entry, &allow(name)).1;
    assert!(status("b").starts_with("HTTP/1.1 200"));
    assert!(status("c").starts_with("HTTP/1.1 403"), "the first list does not name it");
    assert!(status("a").starts_with("HTTP/1.1 403"), "the ceiling does not name it");
    let report = || proxy.report(entry).verdict;
    let words = [report(), report(), report()].map(|verdict| match verdict {
        Verdict::Refused(refusal) => refusal.detail,
        Verdict::Allowed => String::new(),
    });
    assert!(
        words.iter().any(|words| words.contains("of the host's ceiling does not")),
        "{words:?}"
    );
    // An edit counts for the next listener.
    ceiling.write(&[&allow("a"), &loopback]);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let entry = proxy.serve_with(&listener, &lists, ServeLimits::default());
    assert!(tunnel(entry, &allow("a")).1.starts_with("HTTP/1.1 200"));
    assert!(tunnel(entry, &allow("b")).1.starts_with("HTTP/1.1 403"));
}

#[test]
fn without_a_readable_ceiling_no_listener_is_served() {
    let dns = Dns::start();
    let ceiling = Ceiling::new(&[]);
    let proxy = Proxy::start_with(dns.address, &["--ceiling", ceiling.path.to_str().unwrap()]);
    let refusal = |id: u64| {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let lists: [&[&str]; 1] = [&["*:443"]];
        proxy.send(&serve_request(ListenerId(id), &lists, ServeLimits::default()), &[listener]);
        proxy.event(|event| match event {
            ProxyEvent::Refused { listener, reason } if listener.0 == id => Some(reason.clone()),
            _ => None,
        })
    };
    ceiling.write(&["not a destination"]);
    assert!(refusal(1).contains("`network.proxy` of the ceiling has \"not a destination\""));
    std::fs::write(&ceiling.path, "nonsense").unwrap();
    assert!(refusal(2).contains("is not a ceiling"));
    std::fs::remove_file(&ceiling.path).unwrap();
    assert!(refusal(3).contains("cannot read the ceiling file"));
}

#[test]
fn a_name_that_does_not_exist_says_so() {
    let dns = Dns::start();
    let proxy = Proxy::start(dns.address);
    let entry = proxy.serve(&["*:443"]);
    let (_, status) = tunnel(entry, "nowhere.test:443");
    assert!(
        status.starts_with("HTTP/1.1 502 cofferdam: `nowhere.test` cannot be resolved"),
        "{status}"
    );
    assert_eq!(proxy.refusal(entry).0, RefusalKind::Unresolved);
}

#[test]
fn an_address_of_this_host_must_be_named_by_itself() {
    let test = "an_address_of_this_host_must_be_named_by_itself";
    // The address from which this host would send to a network outside.
    let own = std::net::UdpSocket::bind("0.0.0.0:0")
        .and_then(|socket| socket.connect("192.0.2.1:9").and_then(|()| socket.local_addr()));
    let Ok(own) = own.map(|address| address.ip()) else {
        cofferdam_tests::skip(test, "this host has no address but loopback");
        return;
    };
    let listener = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let dns = Dns::start();
    dns.set("own.test", &[&[&own.to_string()]]);
    let proxy = Proxy::start(dns.address);
    let status = |destinations: &[&str]| {
        let entry = proxy.serve(destinations);
        [format!("own.test:{port}"), format!("{own}:{port}")].map(|target| tunnel(entry, &target).1)
    };
    let private = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "0.0.0.0/0"];
    let mut blocks = private.map(|block| format!("{block}:{port}")).to_vec();
    blocks.push(format!("own.test:{port}"));
    for refused in status(&blocks.iter().map(String::as_str).collect::<Vec<_>>()) {
        assert!(refused.starts_with("HTTP/1.1 403"), "{refused}");
    }
    for allowed in status(&[&format!("own.test:{port}"), &format!("{own}:{port}")]) {
        assert!(allowed.starts_with("HTTP/1.1 200"), "{allowed}");
    }
}

#[test]
fn without_a_given_server_names_come_from_this_host() {
    let test = "without_a_given_server_names_come_from_this_host";
    if !std::path::Path::new("/etc/resolv.conf").exists() {
        cofferdam_tests::skip(test, "this host has no /etc/resolv.conf");
        return;
    }
    let server = Server::echo();
    let port = server.port();
    let proxy = Proxy::start_as_the_host();
    let entry = proxy.serve(&[&format!("localhost:{port}"), &format!("127.0.0.1:{port}")]);
    let (_, status) = tunnel(entry, &format!("localhost:{port}"));
    assert!(status.starts_with("HTTP/1.1 200"), "{status}");
    let refused = proxy.serve(&[&format!("localhost:{port}")]);
    let (_, status) = tunnel(refused, &format!("localhost:{port}"));
    assert!(status.starts_with("HTTP/1.1 403"), "{status}");
}
