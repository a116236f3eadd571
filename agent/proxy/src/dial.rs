//! From a target to a connection: ask the lists, resolve, check each answer,
//! connect to exactly an address that was checked.
//!
//! Invariant: [`Dialled`] is made here only, so that nothing else in the proxy
//! can hold a connection that was not allowed.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use cofferdam_proxy_protocol::{HostName, Lists, Place, Refusal, RefusalKind, Speech, Target};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::names::Names;
use crate::refuse;

/// All tries together.
const CONNECT_TIME: Duration = Duration::from_secs(10);
/// After this long without an answer the next address is tried too (RFC 8305).
const NEXT_TRY: Duration = Duration::from_millis(250);
/// Addresses of one name that are tried.
const MAX_TRIES: usize = 8;

/// Makes connections to targets.
#[derive(Debug)]
pub struct Dialer {
    names: Names,
}

/// A connection that every list allows.
#[derive(Debug)]
pub(crate) struct Dialled {
    pub(crate) stream: TcpStream,
    pub(crate) address: IpAddr,
    /// What must be spoken on it.
    pub(crate) speech: Speech,
}

impl Dialer {
    /// With this source of addresses.
    #[must_use]
    pub fn new(names: Names) -> Self {
        Self { names }
    }

    /// Connects to `target`, if `lists` allow it and what it resolves to.
    pub(crate) async fn dial(&self, lists: &Lists, target: &Target) -> Result<Dialled, Refusal> {
        let permission =
            lists.permit(target).map_err(|list| refuse::not_allowed(target, list, lists))?;
        let addresses = match &target.place {
            Place::Address(address) => {
                // Its services are not those of the network around it.
                lists
                    .permit_answer(*address, target.port, is_own(*address))
                    .map_err(|list| refuse::address(target, *address, list))?;
                vec![*address]
            }
            Place::Name(name) => self.resolve(lists, target, name).await?,
        };
        let (stream, address) = connect(target, &addresses).await?;
        // Where it cannot be set, small writes are slower.
        let _ = stream.set_nodelay(true);
        Ok(Dialled { stream, address, speech: permission.speech })
    }

    /// The addresses of `name` that may be used; at least one.
    async fn resolve(
        &self,
        lists: &Lists,
        target: &Target,
        name: &HostName,
    ) -> Result<Vec<IpAddr>, Refusal> {
        let answers = self.names.addresses(name).await.map_err(|error| {
            let words = format!("`{name}` cannot be resolved: {error}");
            Refusal::new(RefusalKind::Unresolved, words)
        })?;
        let mut allowed = Vec::new();
        let mut refused = None;
        for address in answers {
            match lists.permit_answer(address, target.port, is_own(address)) {
                Ok(()) => allowed.push(address),
                Err(list) => {
                    refused.get_or_insert_with(|| refuse::address(target, address, list));
                }
            }
        }
        match (allowed.is_empty(), refused) {
            (false, _) => Ok(interleave(&allowed)),
            (true, Some(refusal)) => Err(refusal),
            (true, None) => {
                Err(Refusal::new(RefusalKind::Unresolved, format!("`{name}` has no address")))
            }
        }
    }
}

/// Whether `address` is one of this host's: the kernel would then send from the
/// same address. Connecting a UDP socket asks its routes and sends nothing.
fn is_own(address: IpAddr) -> bool {
    let any = match address {
        IpAddr::V4(_) => SocketAddr::from(([0; 4], 0)),
        IpAddr::V6(_) => SocketAddr::from(([0; 16], 0)),
    };
    let from = || {
        let socket = UdpSocket::bind(any)?;
        socket.connect((address, 9))?;
        socket.local_addr()
    };
    // Without a route nothing is reached at all.
    from().is_ok_and(|from| from.ip() == address)
}

/// IPv6 and IPv4 in turn (RFC 8305, section 4), not too many.
fn interleave(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let mut six = addresses.iter().filter(|address| address.is_ipv6());
    let mut four = addresses.iter().filter(|address| address.is_ipv4());
    let mut order = Vec::new();
    loop {
        match (six.next(), four.next()) {
            (None, None) => break,
            pair => order.extend([pair.0, pair.1].into_iter().flatten().copied()),
        }
    }
    order.truncate(MAX_TRIES);
    order
}

/// The first of the addresses that answers.
async fn connect(target: &Target, addresses: &[IpAddr]) -> Result<(TcpStream, IpAddr), Refusal> {
    let deadline = Instant::now() + CONNECT_TIME;
    let mut tries = JoinSet::new();
    let mut left = addresses.iter().copied();
    let mut last = None;
    loop {
        if let Some(address) = left.next() {
            let port = target.port;
            tries.spawn(async move { (TcpStream::connect((address, port)).await, address) });
        }
        let patience = if left.len() > 0 { Instant::now() + NEXT_TRY } else { deadline };
        match tokio::time::timeout_at(patience.min(deadline), tries.join_next()).await {
            Ok(Some(Ok((Ok(stream), address)))) => return Ok((stream, address)),
            Ok(Some(Ok((Err(error), _)))) => last = Some(error),
            Ok(Some(Err(_))) => {}
            Err(_) if Instant::now() < deadline => {}
            Ok(None) | Err(_) => break,
        }
    }
    let why = match last {
        Some(error) => error.to_string(),
        None => format!("no answer within {} seconds", CONNECT_TIME.as_secs()),
    };
    Err(Refusal::new(RefusalKind::Unreachable, format!("`{target}` cannot be reached: {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_both_families_are_tried_in_turn_and_not_too_many() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let order = interleave(&[address("1.1.1.1"), address("1.1.1.2"), address("2606::1")]);
        assert_eq!(order, [address("2606::1"), address("1.1.1.1"), address("1.1.1.2")]);
        assert_eq!(interleave(&[address("1.1.1.1"); 100]).len(), MAX_TRIES);
    }

    #[test]
    fn an_address_of_this_host_is_known_without_sending_anything() {
        assert!(is_own("127.0.0.1".parse().unwrap()));
        assert!(!is_own("192.0.2.1".parse().unwrap()));
    }
}
