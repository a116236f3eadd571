//! Where the gateway listens: whether it does, or could.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use cofferdam_gateway::Config;

use super::Finding;

/// How long somebody on this machine may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

pub(super) fn look(config: &Config) -> Vec<Finding> {
    let more = [
        ("port.hosts", config.hosts_listen.as_ref().map(|it| it.address)),
        ("port.authority", config.authority.as_ref().map(|it| it.listen)),
        ("port.metrics", config.metrics_listen),
    ];
    let serves = health(config.listen, config.tls.is_some());
    // Silence may be its own: somebody is there, and nothing tells that it is another.
    let runs = !matches!(serves, Serves::Nobody(_) | Serves::Else);
    let others = more.into_iter().filter_map(|(name, at)| Some(other(name, at?, runs)));
    std::iter::once(front(config.listen, &serves)).chain(others).collect()
}

/// What is at the address for clients.
enum Serves {
    /// Nobody.
    Nobody(io::Error),
    /// A gateway that says it is well.
    Well,
    /// A gateway that says what is wrong.
    Badly(String),
    /// Somebody, behind TLS.
    Somebody,
    /// Somebody who answers nothing in time.
    Silent,
    /// Somebody else.
    Else,
}

fn front(address: SocketAddr, serves: &Serves) -> Finding {
    let name = "port.clients";
    match serves {
        Serves::Well => Finding::good(name, format!("{address}: a gateway serves")),
        Serves::Badly(why) => Finding::wrong(
            name,
            format!("{address}: the gateway says: {why}"),
            "its log says more: journalctl -u cofferdam-gateway",
        ),
        Serves::Somebody => {
            Finding::good(name, format!("{address}: somebody listens (TLS: not asked)"))
        }
        Serves::Silent => Finding::wrong(
            name,
            format!(
                "{address}: it takes connections, and answers nothing within {} s",
                PATIENCE.as_secs()
            ),
            "where it is the gateway, its log says more: journalctl -u cofferdam-gateway",
        ),
        Serves::Else => Finding::wrong(
            name,
            format!("{address}: something else answers there"),
            "stop it, or choose another `listen`",
        ),
        Serves::Nobody(error) => match TcpListener::bind(address) {
            Ok(_) => Finding::see_to(
                name,
                format!("{address}: no gateway serves ({error})"),
                "systemctl start cofferdam-gateway",
            ),
            Err(error) => Finding::wrong(
                name,
                format!("{address}: no gateway serves, and none could: {error}"),
                "choose another `listen`, or stop what uses it",
            ),
        },
    }
}

fn other(name: &str, address: SocketAddr, runs: bool) -> Finding {
    let answers = TcpStream::connect_timeout(&near(address), PATIENCE);
    match (answers, runs) {
        (Ok(_), true) => Finding::good(name, format!("{address}: somebody listens")),
        (Ok(_), false) => Finding::wrong(
            name,
            format!("{address}: something listens there, and it is not this gateway"),
            "stop it, or choose another address",
        ),
        (Err(error), true) => Finding::wrong(
            name,
            format!("{address}: nobody listens, though a gateway serves clients: {error}"),
            "restart it after the configuration was changed: systemctl restart cofferdam-gateway",
        ),
        (Err(_), false) => match TcpListener::bind(address) {
            Ok(_) => Finding::good(name, format!("{address}: free for the gateway")),
            Err(error) => Finding::wrong(
                name,
                format!("{address}: the gateway could not listen: {error}"),
                "choose another address, or stop what uses it",
            ),
        },
    }
}

/// Asks a gateway how it is; behind TLS, whether somebody is there.
fn health(address: SocketAddr, tls: bool) -> Serves {
    let stream = match TcpStream::connect_timeout(&near(address), PATIENCE) {
        Ok(stream) => stream,
        Err(error) => return Serves::Nobody(error),
    };
    if tls {
        return Serves::Somebody;
    }
    let answer = match ask(stream) {
        Ok(answer) => answer,
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            return Serves::Silent;
        }
        Err(_) => return Serves::Else,
    };
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { return Serves::Else };
    match head.split(' ').nth(1) {
        Some("200") if body.trim_end() == "ok" => Serves::Well,
        Some("200" | "503") => Serves::Badly(body.trim().replace('\n', "; ")),
        _ => Serves::Else,
    }
}

/// What it answers within [`PATIENCE`].
fn ask(mut stream: TcpStream) -> io::Result<String> {
    const MOST: u64 = 4096;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let request = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request)?;
    let mut answer = Vec::new();
    let read = stream.take(MOST).read_to_end(&mut answer);
    // One that greets and then waits has answered.
    if answer.is_empty() {
        read?;
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// The address as it is reached from this machine.
fn near(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::State;

    #[test]
    fn a_gateway_that_hangs_is_not_taken_for_something_else() {
        let hangs = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = hangs.local_addr().unwrap();
        let serves = health(address, false);
        let found = front(address, &serves);
        assert!(matches!(serves, Serves::Silent), "{}", found.detail);
        assert_eq!(found.state, State::Wrong, "{}", found.detail);
        let fix = found.fix.unwrap();
        assert!(fix.contains("journalctl -u cofferdam-gateway"), "{fix}");
        // Behind TLS nobody is asked, and nobody is said to be a gateway.
        let found = front(address, &health(address, true));
        assert!(found.detail.contains("TLS: not asked"), "{}", found.detail);
    }

    #[test]
    fn who_greets_and_waits_is_something_else() {
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = other.local_addr().unwrap();
        let greeting = std::thread::spawn(move || {
            let (mut stream, _) = other.accept().unwrap();
            stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").unwrap();
            // Until the other side has gone.
            while stream.read(&mut [0; 64]).is_ok_and(|read| read > 0) {}
        });
        assert!(matches!(health(address, false), Serves::Else));
        greeting.join().unwrap();
    }

    #[test]
    fn an_address_is_free_taken_or_answered_by_something_else() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let found = other("port.metrics", address, false);
        assert_eq!(found.state, State::Wrong, "{}", found.detail);
        assert_eq!(other("port.metrics", address, true).state, State::Good);
        let else_there = std::thread::spawn(move || {
            loop {
                let (mut stream, _) = taken.accept().unwrap();
                // A glance says nothing.
                if stream.read(&mut [0; 256]).is_ok_and(|read| read > 0) {
                    return stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").unwrap();
                }
            }
        });
        let found = front(address, &health(address, false));
        assert_eq!(found.state, State::Wrong, "{}", found.detail);
        else_there.join().unwrap();
        assert_eq!(other("port.metrics", address, false).state, State::Good);
        assert_eq!(other("port.metrics", address, true).state, State::Wrong);
        let found = front(address, &health(address, false));
        assert_eq!(found.state, State::SeeTo, "{}", found.detail);
    }
}
