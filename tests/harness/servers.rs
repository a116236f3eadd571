//! Servers at the other side of the network: they count what reaches them, and
//! give files over HTTP and HTTPS as package registries and forges do.
//!
//! Started by the tests of the network proxy and by those that go through cells.

mod authority;
mod http;

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

pub use authority::Authority;
pub use http::{Files, http, https};

/// The stack of a thread that serves one connection.
const STACK: usize = 128 * 1024;

/// A TCP server that counts what reached it. It serves until the process ends.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    connections: Arc<AtomicU64>,
    bytes: Arc<AtomicU64>,
}

impl Server {
    /// On 127.0.0.1; each connection is given to `serve` in a thread of its own.
    ///
    /// # Panics
    /// When it cannot listen.
    #[must_use]
    pub fn start(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        Self::start_at(Ipv4Addr::LOCALHOST.into(), serve)
    }

    /// The same on another address of this host.
    ///
    /// # Panics
    /// When it cannot listen.
    #[must_use]
    pub fn start_at(at: IpAddr, serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((at, 0)).expect("a listener");
        let address = listener.local_addr().expect("its address");
        let connections = Arc::new(AtomicU64::new(0));
        let (counter, serve) = (Arc::clone(&connections), Arc::new(serve));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                counter.fetch_add(1, Ordering::SeqCst);
                let serve = Arc::clone(&serve);
                let thread = std::thread::Builder::new().stack_size(STACK);
                thread.spawn(move || serve(stream)).expect("a thread");
            }
        });
        Self { address, connections, bytes: Arc::default() }
    }

    /// Sends everything back.
    #[must_use]
    pub fn echo() -> Self {
        let bytes = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&bytes);
        let server = Self::start(move |mut stream| {
            let mut buffer = [0; 16384];
            while let Ok(read @ 1..) = stream.read(&mut buffer) {
                counter.fetch_add(read as u64, Ordering::SeqCst);
                if stream.write_all(&buffer[..read]).is_err() {
                    break;
                }
            }
        });
        Self { bytes, ..server }
    }

    /// Answers the first bytes of each connection with `answer`, and keeps all
    /// that came.
    ///
    /// # Panics
    /// When it cannot listen.
    #[must_use]
    pub fn scripted(answer: &'static [u8]) -> (Self, Arc<Mutex<Vec<u8>>>) {
        let came = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&came);
        let server = Self::start(move |mut stream| {
            let mut buffer = [0; 16384];
            let mut answered = false;
            while let Ok(read @ 1..) = stream.read(&mut buffer) {
                kept.lock().expect("nobody panicked").extend(&buffer[..read]);
                if !answered {
                    answered = true;
                    // Whoever has gone needs no answer.
                    _ = stream.write_all(answer);
                }
            }
        });
        (server, came)
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Connections so far.
    #[must_use]
    pub fn reached(&self) -> u64 {
        self.connections.load(Ordering::SeqCst)
    }

    /// Bytes that an echo server has read so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::SeqCst)
    }
}
