//! Where the agent listens and whom it connects to, tried from here: its own port, the
//! gateways that it dials, its authority.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::time::Duration;

use cofferdam_abilities::Ability;

use super::prerequisites::{missing, partial, there};
use crate::config::Config;
use crate::enrolment;

/// How long somebody may take to take a connection.
const PATIENCE: Duration = Duration::from_secs(3);

/// One line each.
pub(super) fn lines(config: &Config) -> Vec<Ability> {
    let authority = enrolment::address(config);
    let authority = authority.map(|address| {
        reaches("agent.authority", &address)
            .means("the certificate renews, and revocations come from the authority itself")
    });
    let dialled = config.dial.iter().map(|address| {
        reaches("agent.dial", address).means("the gateway there calls by connections of this host")
    });
    config.listen.map(listens).into_iter().chain(dialled).chain(authority).collect()
}

/// The port is the agent's, or free for it.
fn listens(address: SocketAddr) -> Ability {
    let name = "agent.listen";
    match TcpListener::bind(address) {
        Ok(_) => there(name, format!("{address} is free: no agent listens yet"))
            .means("gateways can connect once the agent serves"),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            there(name, format!("somebody listens at {address}"))
                .means("where that is the agent (`cofferdam-agent status`), gateways can connect")
        }
        Err(error) => missing(name, format!("nobody can listen at {address}: {error}"))
            .means("the agent does not start")
            .fix("give `listen` of the configuration an address of this host"),
    }
}

fn reaches(name: &'static str, address: &str) -> Ability {
    let fix = "see to names, routes and firewalls between here and there";
    let places = match address.to_socket_addrs() {
        Ok(places) => places,
        Err(error) => return partial(name, format!("{address} is no place: {error}")).fix(fix),
    };
    let mut why = "it has no address".to_owned();
    for place in places {
        match TcpStream::connect_timeout(&place, PATIENCE) {
            Ok(_) => return there(name, format!("{address} takes connections")),
            Err(error) => why = format!("{place}: {error}"),
        }
    }
    partial(name, format!("{address} takes no connections: {why}")).fix(fix)
}

#[cfg(test)]
mod tests {
    use cofferdam_abilities::State;

    use super::*;

    #[test]
    fn a_port_is_free_taken_or_nobodys_and_an_address_answers_or_not() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        assert!(listens(address).detail.contains("somebody listens"));
        assert_eq!(reaches("agent.dial", &address.to_string()).state, State::Full);
        drop(taken);
        assert!(listens(address).detail.contains("is free"));
        let refused = reaches("agent.dial", &address.to_string());
        assert_eq!(refused.state, State::Partial);
        assert!(refused.detail.contains("refused"), "{}", refused.detail);
        // Documentation addresses are nobody's (RFC 5737).
        assert_eq!(listens("192.0.2.1:1".parse().unwrap()).state, State::Missing);
    }
}
