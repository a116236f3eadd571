//! What is not allowed is refused in words, and there is no way but the proxy.

use std::net::{TcpListener, UdpSocket};
use std::time::Duration;

use cofferdam_tests::dev::{Dev, until};
use cofferdam_tests::servers::Server;
use serde_json::{Value, json};

use super::{AWAY, Net, missing, run};

/// Prints `open` if a TCP connection can be made, without a proxy.
fn connect(host: &str, port: u16) -> String {
    format!("(exec 3<>/dev/tcp/{host}/{port}) 2>/dev/null && echo open || echo closed; ")
}

#[test]
fn what_is_not_allowed_is_refused_in_words_and_recorded() {
    if missing("what_is_not_allowed_is_refused_in_words_and_recorded", "curl") {
        return;
    }
    let net = Net::start();
    let other = Server::start_at(AWAY, drop);
    let plain = net.run(&format!("curl -sS -w '%{{http_code}}' http://{}/", other.address));
    let said = plain.output();
    assert!(said.ends_with("403") && said.contains(&format!("`{}` is not", other.address)));
    refused(&plain.0, &other);
    let connect = net.run(&format!("curl -sS https://{}/", other.address));
    assert!(connect.failure().contains("403"), "{:#}", connect.0);
    refused(&connect.0, &other);
    let socks = "--proxy \"socks5h://${http_proxy#http://}\"";
    let socks = net.run(&format!("curl -sS {socks} https://{}/", other.address));
    assert!(socks.failure().contains("SOCKS5"), "{:#}", socks.0);
    refused(&socks.0, &other);
    assert_eq!(other.reached(), 0);
    let recorded = std::fs::read_to_string(journal(&net.dev)).unwrap();
    let outcomes = recorded.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let connections = outcomes
        .filter_map(|record| record.pointer("/body/sandbox/connections").cloned())
        .flat_map(|connections| connections.as_array().cloned().unwrap_or_default());
    let words = connections.filter_map(|connection| connection["refused"].as_str().map(str::len));
    assert_eq!(words.filter(|length| *length > 0).count(), 3, "{recorded}");
}

/// The file of the agent's journal.
fn journal(dev: &Dev) -> std::path::PathBuf {
    let directory = dev.state().join("agent/journal");
    let mut files: Vec<_> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "jsonl"));
    assert_eq!(files.len(), 1, "{files:?}");
    files.remove(0)
}

fn refused(ran: &Value, server: &Server) {
    let network = &ran["network"];
    assert_eq!(network[0]["destination"], server.address.to_string(), "{ran:#}");
    assert_eq!((&network[0]["connections"], &network[1]), (&json!(1), &Value::Null), "{ran:#}");
    let why = network[0]["refused"].as_str().unwrap_or_default();
    assert!(why.contains("is not allowed: "), "{ran:#}");
}

#[test]
fn a_name_that_is_not_allowed_is_not_even_looked_up() {
    if missing("a_name_that_is_not_allowed_is_not_even_looked_up", "curl") {
        return;
    }
    let net = Net::start();
    // RFC 6761: never a real name.
    let ran = net.run("curl -sS -w '%{http_code}' http://files.invalid/");
    assert!(ran.output().ends_with("403"), "{:#}", ran.0);
    assert_eq!(ran.network()[0]["destination"], "files.invalid:80", "{:#}", ran.0);
}

#[test]
fn a_loopback_name_does_not_lead_to_the_hosts_loopback() {
    if missing("a_loopback_name_does_not_lead_to_the_hosts_loopback", "curl") {
        return;
    }
    // Every name is allowed, and of addresses only the servers'.
    let net = Net::start_with(&["*:1-65535".to_owned()]);
    let hosts = Server::start(drop);
    let port = hosts.port();
    for host in ["localhost", "127.0.0.1", "127.1", "2130706433", "[::ffff:127.0.0.1]", "0.0.0.0"] {
        let ran = net.run(&format!("curl -sS --noproxy '' http://{host}:{port}/"));
        let why = ran.network()[0]["refused"].as_str().unwrap_or_default();
        assert!(!why.is_empty(), "{host}: {:#}", ran.0);
    }
    assert_eq!(hosts.reached(), 0);
}

#[test]
fn without_the_proxys_variables_there_is_no_way() {
    let net = Net::start();
    let host = Server::start(drop);
    let mut line = connect(&AWAY.to_string(), net.plain.port());
    line += &connect("127.0.0.1", host.port());
    // TEST-NET-1 (RFC 5737), and the documentation prefix (RFC 3849).
    line += &connect("192.0.2.1", 443);
    line += &connect("2001:db8::1", 443);
    let ran = net.run(&line);
    assert_eq!(ran.output(), "closed\n".repeat(4), "{:#}", ran.0);
    assert_eq!((net.plain.reached(), host.reached()), (0, 0));
    assert!(ran.network().is_empty(), "{:#}", ran.0);
}

#[test]
fn datagrams_and_lookups_lead_nowhere() {
    let net = Net::start();
    let host = UdpSocket::bind((AWAY, 0)).unwrap();
    host.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let port = host.local_addr().unwrap().port();
    let ran = net.run(&format!(
        "echo x >/dev/udp/{AWAY}/{port}; echo x >/dev/udp/192.0.2.1/53 || echo unreachable; \
         getent hosts example.org || echo unknown"
    ));
    assert_eq!(ran.output(), "unreachable\nunknown\n", "{:#}", ran.0);
    assert!(host.recv(&mut [0; 8]).is_err(), "a datagram of a cell came to the host");
}

#[test]
fn without_a_network_there_are_no_variables_and_no_way() {
    let server = Server::start_at(AWAY, drop);
    let dev = Dev::start();
    let ran = run(
        &dev,
        &format!("env | grep -i prox; {}", connect("127.0.0.2", server.port())),
        json!({}),
    );
    assert_eq!(ran.output(), "closed\n", "{:#}", ran.0);
    assert_eq!(server.reached(), 0);
}

#[test]
fn servers_of_the_cell_itself_are_reached_directly() {
    let test = "servers_of_the_cell_itself_are_reached_directly";
    if missing(test, "curl") || missing(test, "python3") {
        return;
    }
    let net = Net::start();
    std::fs::write(net.dev.workspace.join("own"), "from the cell").unwrap();
    let ran = net.run(
        "python3 -m http.server --bind 127.0.0.1 8000 >/dev/null 2>&1 &
         until (exec 3<>/dev/tcp/127.0.0.1/8000) 2>/dev/null; do sleep 0.1; done
         curl -sS http://127.0.0.1:8000/own http://localhost:8000/own",
    );
    assert_eq!(ran.output(), "from the cell".repeat(2), "{:#}", ran.0);
    assert!(ran.network().is_empty(), "{:#}", ran.0);
}

#[test]
fn the_way_out_of_another_cell_cannot_be_reached() {
    let net = Net::start();
    let told = net.dev.workspace.join("port");
    std::thread::scope(|scope| {
        let held = scope.spawn(|| net.run("echo ${http_proxy##*:} >port; sleep 4"));
        let port = || -> Option<u16> { std::fs::read_to_string(&told).ok()?.trim().parse().ok() };
        until("the run tells its port", || port().is_some());
        let port = port().unwrap();
        let foreign = net.run_with(
            &format!("[ ${{http_proxy##*:}} != {port} ] || exit 9; {}", connect("127.0.0.1", port)),
            json!({ "one_shot": true }),
        );
        assert_eq!(foreign.output(), "closed\n", "{:#}", foreign.0);
        // Nor is it a port of the host's.
        assert!(TcpListener::bind(("127.0.0.1", port)).is_ok());
        held.join().unwrap().output();
    });
}

#[test]
fn a_run_that_ended_takes_its_way_out_along() {
    let net = Net::start();
    let port: u16 = net.run("echo ${http_proxy##*:}").output().trim().parse().unwrap();
    until("it is closed", || net.run(&connect("127.0.0.1", port)).output() == "closed\n");
}
