//! A certificate authority in a temporary directory, and two parties that try
//! to talk.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cofferdam_trust::{
    Authority, CertificateFiles, Identity, Lifetime, Peer, PeerName, TlsListener, client_config,
    server_config,
};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_stream::StreamExt;

pub(crate) const HOUR: Duration = Duration::from_hours(1);

/// An authority and the files of those it certified.
pub(crate) struct Office {
    pub(crate) directory: TempDir,
    pub(crate) authority: Authority,
}

impl Office {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::create(directory.path()).unwrap();
        Self { directory, authority }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn files(&self, name: &str, lifetime: Lifetime) -> CertificateFiles {
        let issued = self.authority.issue(&self::name(name), lifetime).unwrap();
        let place = tempfile::tempdir_in(self.path()).unwrap().keep();
        issued.write(&place).unwrap()
    }

    pub(crate) fn identity_for(&self, name: &str, lifetime: Lifetime) -> Identity {
        let files = self.files(name, lifetime);
        Identity::load(&files.certificate, &files.key, &self.path().join("ca.crt")).unwrap()
    }

    pub(crate) fn identity(&self, name: &str) -> Identity {
        self.identity_for(name, Lifetime::from_now(HOUR))
    }
}

pub(crate) fn name(short: &str) -> PeerName {
    format!("spiffe://cofferdam/{short}").parse().unwrap()
}

pub(crate) fn past() -> Lifetime {
    let now = SystemTime::now();
    Lifetime { not_before: now - 2 * HOUR, not_after: now - HOUR }
}

pub(crate) fn future() -> Lifetime {
    let now = SystemTime::now();
    Lifetime { not_before: now + HOUR, not_after: now + 2 * HOUR }
}

/// One try: a byte from server to client over TLS. Gives whom the server saw,
/// or what the client was told.
pub(crate) async fn meet(server: &Identity, client: Arc<ClientConfig>) -> Result<Peer, String> {
    let config = server_config(server).unwrap();
    let mut listener = TlsListener::bind("127.0.0.1:0".parse().unwrap(), config).await.unwrap();
    let address = listener.local_addr();
    let (seen, mut peers) = tokio::sync::mpsc::unbounded_channel();
    let serving = tokio::spawn(async move {
        while let Some(connection) = listener.next().await {
            let mut connection = connection.unwrap();
            seen.send(connection.peer().clone()).unwrap();
            connection.write_all(b"!").await.unwrap();
            connection.shutdown().await.unwrap();
        }
    });
    let stream = TcpStream::connect(address).await.unwrap();
    let answer = receive(stream, client).await;
    serving.abort();
    let peer = peers.try_recv().ok();
    match answer {
        Ok(()) => Ok(peer.unwrap()),
        Err(reason) => {
            assert_eq!(peer, None, "the client was refused, yet the server took it");
            Err(reason)
        }
    }
}

async fn receive(stream: TcpStream, config: Arc<ClientConfig>) -> Result<(), String> {
    let anyone = ServerName::try_from("nobody.invalid").unwrap();
    let mut stream =
        TlsConnector::from(config).connect(anyone, stream).await.map_err(|e| e.to_string())?;
    let byte = stream.read_u8().await.map_err(|e| e.to_string())?;
    assert_eq!(byte, b'!');
    Ok(())
}

pub(crate) fn client(identity: &Identity, expected: &str) -> Arc<ClientConfig> {
    client_config(identity, &name(expected)).unwrap()
}
