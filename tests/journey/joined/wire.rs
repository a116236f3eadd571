//! A stretch of network that can be cut: whatever connects to its address is passed on to
//! another one, until something happens to it. Nothing is looked at on the way.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How often a connection looks whether something happened to it.
const GLANCE: Duration = Duration::from_millis(20);

/// What became of one connection.
const PASSES: u8 = 0;
/// Both ends were told.
const CUT: u8 = 1;
/// Bytes are swallowed and nobody is told, as when a router forgot it.
const DEAD: u8 = 2;

/// The stretch. It is gone with this value.
pub(crate) struct Wire {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    target: SocketAddr,
    /// Nothing passes for now.
    silent: AtomicBool,
    over: AtomicBool,
    connections: Mutex<Vec<Arc<AtomicU8>>>,
}

impl Wire {
    /// One that leads to `target`.
    pub(crate) fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            target,
            silent: AtomicBool::new(false),
            over: AtomicBool::new(false),
            connections: Mutex::default(),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || accepting.accept(&listener));
        Self { address, shared }
    }

    /// Where to connect.
    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// Whether somebody is at its end.
    pub(crate) fn leads_somewhere(&self) -> bool {
        TcpStream::connect(self.shared.target).is_ok()
    }

    /// Ends every connection in the middle of whatever is under way.
    pub(crate) fn cut(&self) {
        self.shared.happens(CUT);
    }

    /// Every connection that is there leads nowhere from now on; new ones pass.
    pub(crate) fn forget(&self) {
        self.shared.happens(DEAD);
    }

    /// Holds up whatever is on its way, or lets it go on.
    pub(crate) fn hold_up(&self, silent: bool) {
        self.shared.silent.store(silent, Ordering::SeqCst);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        self.shared.happens(CUT);
        // It waits for somebody.
        _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn happens(&self, what: u8) {
        for connection in self.connections.lock().unwrap().drain(..) {
            connection.store(what, Ordering::SeqCst);
        }
    }

    fn accept(self: Arc<Self>, listener: &TcpListener) {
        for near in listener.incoming() {
            if self.over.load(Ordering::SeqCst) {
                return;
            }
            // Nobody there is told as the other end would tell it: by an end.
            let (Ok(near), Ok(far)) = (near, TcpStream::connect(self.target)) else { continue };
            let connection = Arc::new(AtomicU8::new(PASSES));
            self.connections.lock().unwrap().push(Arc::clone(&connection));
            let back = (far.try_clone().unwrap(), near.try_clone().unwrap());
            for (from, to) in [(near, far), back] {
                let (shared, connection) = (Arc::clone(&self), Arc::clone(&connection));
                std::thread::spawn(move || shared.carry(from, to, &connection));
            }
        }
    }

    /// Carries bytes one way until something ends it.
    fn carry(&self, mut from: TcpStream, mut to: TcpStream, connection: &AtomicU8) {
        from.set_read_timeout(Some(GLANCE)).unwrap();
        _ = to.set_nodelay(true);
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let state = connection.load(Ordering::SeqCst);
            if state == CUT || self.over.load(Ordering::SeqCst) {
                break;
            }
            if self.silent.load(Ordering::SeqCst) {
                std::thread::sleep(GLANCE);
                continue;
            }
            let read = match from.read(&mut buffer) {
                Ok(0) => 0,
                Ok(count) => count,
                Err(error) if is_pause(&error) => continue,
                Err(_) => 0,
            };
            match (read, connection.load(Ordering::SeqCst)) {
                // The other end is not told, and goes on waiting.
                (0, DEAD) => return,
                (0, _) => break,
                (_, DEAD) => {}
                (count, _) => {
                    if to.write_all(&buffer[..count]).is_err() {
                        break;
                    }
                }
            }
        }
        _ = from.shutdown(Shutdown::Both);
        _ = to.shutdown(Shutdown::Both);
    }
}

fn is_pause(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}
