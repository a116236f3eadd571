//! The service manager's descriptor store: sd_notify(3) with descriptors.
//!
//! Names say what a descriptor is; see [`super::left`], which reads them again.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

/// The store, or that there is none.
#[derive(Debug, Clone, Default)]
pub struct Store(Option<Arc<Open>>);

#[derive(Debug)]
struct Open {
    socket: UnixDatagram,
    /// This process ends, and leaves everything as it is.
    leaving: AtomicBool,
}

impl Store {
    /// That of the service manager that `NOTIFY_SOCKET` leads to.
    ///
    /// # Errors
    /// Where it names no socket, or none that can be reached.
    pub fn of_service_manager() -> io::Result<Self> {
        let name = std::env::var_os("NOTIFY_SOCKET").ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, "NOTIFY_SOCKET is not set: no service manager")
        })?;
        let bytes = name.as_encoded_bytes();
        let address = match bytes.strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(&name)?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.connect_addr(&address)?;
        Ok(Self(Some(Arc::new(Open { socket, leaving: AtomicBool::new(false) }))))
    }

    /// Whether there is one.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.0.is_some()
    }

    /// Puts a descriptor there. It is not watched: a pipe whose writer is gone still
    /// has bytes in it.
    ///
    /// # Errors
    /// Where the service manager takes nothing.
    pub fn keep(&self, name: &str, descriptor: BorrowedFd<'_>) -> io::Result<()> {
        let Some(open) = &self.0 else { return Ok(()) };
        open.tell(&format!("FDSTORE=1\nFDPOLL=0\nFDNAME={name}"), Some(descriptor))
    }

    /// Takes what has this name out of it; nothing once this process [ends](Self::leave).
    pub fn let_go(&self, name: &str) {
        let Some(open) = &self.0 else { return };
        if open.leaving.load(Ordering::SeqCst) {
            return;
        }
        if let Err(error) = open.tell(&format!("FDSTOREREMOVE=1\nFDNAME={name}"), None) {
            tracing::warn!(%error, name, "the service manager cannot be told to let go of it");
        }
    }

    /// From now on everything stays there as it is.
    pub fn leave(&self) {
        if let Some(open) = &self.0 {
            open.leaving.store(true, Ordering::SeqCst);
        }
    }

    /// Whether this process has begun to end.
    #[must_use]
    pub fn is_left(&self) -> bool {
        self.0.as_ref().is_some_and(|open| open.leaving.load(Ordering::SeqCst))
    }
}

impl Open {
    fn tell(&self, words: &str, descriptor: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let given: Vec<_> = descriptor.into_iter().collect();
        if !given.is_empty() && !control.push(SendAncillaryMessage::ScmRights(&given)) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        loop {
            let parts = [IoSlice::new(words.as_bytes())];
            match sendmsg(self.socket.as_fd(), &parts, &mut control, SendFlags::NOSIGNAL) {
                Err(rustix::io::Errno::INTR) => {}
                other => return Ok(other.map(drop)?),
            }
        }
    }
}
