//! The authority's listening end: TCP in, TLS connections of strangers out.
//!
//! Nobody shows a certificate here, so whoever connects is a **stranger** until
//! something that they say is believed. Strangers have a place each, of all and of one
//! address, and a deadline: who proves nothing within it is cut off, so that the
//! places of hosts are not held by who is none.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use cofferdam_trust::{Beside, Connection};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, Sleep};
use tokio_rustls::TlsAcceptor;
use tokio_stream::Stream;

use crate::registrar::Registrar;

/// Strangers at the same time: of all, and from one address (of IPv6: one network of
/// 64 bits). Many hosts may stand behind one address.
const STRANGERS: usize = 256;
const STRANGERS_OF_ADDRESS: usize = 64;
/// How long somebody may be a stranger, with the handshake.
const DEADLINE: Duration = Duration::from_secs(20);
/// Connections that have proved something.
const GUESTS: usize = 4096;
/// How long the listener rests after the system refused it a connection.
const PAUSE: Duration = Duration::from_millis(100);

/// Connections, as a stream for tonic's `serve_with_incoming`.
#[derive(Debug)]
pub(crate) struct Listener {
    address: SocketAddr,
    ready: mpsc::Receiver<Connection<Visit>>,
    accepting: JoinHandle<()>,
}

/// What stands beside a connection's bytes: who is there, and until when as a stranger.
#[derive(Debug)]
pub(crate) struct Visit {
    guest: Guest,
    deadline: Pin<Box<Sleep>>,
}

/// Who is at the other end; in the extensions of each request.
#[derive(Debug, Clone)]
pub(crate) struct Guest(Arc<Mutex<Seat>>);

#[derive(Debug)]
enum Seat {
    /// Nothing is known of them.
    Stranger { _place: Place, guests: Arc<Semaphore> },
    /// They proved to be somebody.
    Guest { _place: OwnedSemaphorePermit },
}

/// A stranger's place.
#[derive(Debug)]
struct Place {
    _of_all: OwnedSemaphorePermit,
    of_address: Arc<Mutex<HashMap<IpAddr, usize>>>,
    address: IpAddr,
}

impl Listener {
    /// Listens on `address`. Must be called within a tokio runtime.
    pub(crate) async fn bind(address: SocketAddr, registrar: Arc<Registrar>) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let (sender, ready) = mpsc::channel(STRANGERS);
        let accepting = tokio::spawn(accept(listener, registrar, sender));
        Ok(Self { address, ready, accepting })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Stream for Listener {
    type Item = io::Result<Connection<Visit>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.ready.poll_recv(cx).map(|connection| connection.map(Ok))
    }
}

/// Accepts until the stream's reader is gone.
async fn accept(
    listener: TcpListener,
    registrar: Arc<Registrar>,
    ready: mpsc::Sender<Connection<Visit>>,
) {
    let strangers = Arc::new(Semaphore::new(STRANGERS));
    let guests = Arc::new(Semaphore::new(GUESTS));
    let of_address = Arc::new(Mutex::default());
    while let Ok(of_all) = Arc::clone(&strangers).acquire_owned().await {
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let Some(place) = Place::take(of_all, &of_address, network(address.ip())) else {
            tracing::warn!(%address, "a stranger is sent away: too many from there");
            continue;
        };
        let guest = Guest(Arc::new(Mutex::new(Seat::Stranger {
            _place: place,
            guests: Arc::clone(&guests),
        })));
        let acceptor = TlsAcceptor::from(registrar.own().joining());
        let ready = ready.clone();
        tokio::spawn(async move {
            match greet(acceptor, stream, guest).await {
                Ok(connection) => drop(ready.send(connection).await),
                Err(error) => tracing::debug!(%address, %error, "a stranger left"),
            }
        });
    }
}

async fn greet(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    guest: Guest,
) -> io::Result<Connection<Visit>> {
    let end = Instant::now() + DEADLINE;
    stream.set_nodelay(true)?;
    let stream = tokio::time::timeout_at(end, acceptor.accept(stream)).await??;
    let deadline = Box::pin(tokio::time::sleep_until(end));
    Ok(Connection::new(stream, Visit { guest, deadline }))
}

/// What of an address counts as one place.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(six) => {
            let [a, b, c, d, ..] = six.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        four @ IpAddr::V4(_) => four,
    }
}

impl Place {
    /// None: too many are there from this address.
    fn take(
        of_all: OwnedSemaphorePermit,
        of_address: &Arc<Mutex<HashMap<IpAddr, usize>>>,
        address: IpAddr,
    ) -> Option<Self> {
        let mut all = of_address.lock().unwrap_or_else(PoisonError::into_inner);
        let count = all.entry(address).or_default();
        if *count >= STRANGERS_OF_ADDRESS {
            return None;
        }
        *count += 1;
        Some(Self { _of_all: of_all, of_address: Arc::clone(of_address), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.of_address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = all.get_mut(&self.address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                all.remove(&self.address);
            }
        }
    }
}

impl Guest {
    /// What they said was believed. False where no more can be taken in.
    pub(crate) fn proved(&self) -> bool {
        let mut seat = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Seat::Stranger { guests, .. } = &*seat else { return true };
        let Ok(place) = Arc::clone(guests).try_acquire_owned() else { return false };
        *seat = Seat::Guest { _place: place };
        true
    }

    fn is_stranger(&self) -> bool {
        let seat = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(*seat, Seat::Stranger { .. })
    }
}

impl Beside for Visit {
    type Info = Guest;

    fn info(&self) -> Guest {
        self.guest.clone()
    }

    fn may_go_on(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if !self.deadline.is_elapsed() {
            let _ = self.deadline.as_mut().poll(cx);
        }
        if self.deadline.is_elapsed() && self.guest.is_stranger() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_ipv6_address_its_network_counts() {
        let of = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(of("::ffff:10.0.0.7"), "10.0.0.7");
        assert_eq!(of("10.0.0.7"), "10.0.0.7");
    }

    #[tokio::test]
    async fn one_address_takes_no_more_than_its_share_and_gives_it_back() {
        let all = Arc::new(Semaphore::new(STRANGERS));
        let of_address = Arc::new(Mutex::default());
        let take = |address: &str| {
            let of_all = Arc::clone(&all).try_acquire_owned().unwrap();
            Place::take(of_all, &of_address, address.parse().unwrap())
        };
        let places: Vec<_> = (0..STRANGERS_OF_ADDRESS).map(|_| take("10.0.0.1").unwrap()).collect();
        assert!(take("10.0.0.1").is_none());
        assert!(take("10.0.0.2").is_some());
        drop(places);
        assert!(take("10.0.0.1").is_some());
        assert_eq!(all.available_permits(), STRANGERS);
    }
}
