//! The calling end: a tonic channel over our own TLS.
//!
//! The channel connects when it is first used and again after it broke; each
//! connection is verified from the start. An idle one is kept alive and a dead
//! one noticed within seconds. Who made the TCP connection is another matter: a
//! host that dials out is called on the connection that it made.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};

use crate::connection::PeerConnection;

/// The longest wait for TCP and TLS together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of one stream that the other end may send before they are read.
const STREAM_WINDOW: u32 = 1 << 20;
/// The same of all streams together. Whoever does not read keeps their part of it for
/// as long, so it holds that of as many streams as a connection has: with the usual
/// few MiB, three of them stop everybody else's answers.
const CONNECTION_WINDOW: u32 = 1 << 30;
/// Bytes of one frame, and of one of large files. TLS takes 64 KiB at a time: smaller
/// frames are a call of the kernel each.
const FRAME: u32 = 64 << 10;
const LARGE_FRAME: u32 = 256 << 10;

/// The address cannot be connected to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an address; write HOST:PORT, such as 10.0.0.7:8461 or [::1]:8461")]
pub struct AddressError(String);

/// A channel to `address` (HOST:PORT). It connects lazily, so that a peer that
/// is down shows at the first call.
pub fn connect(address: &str, config: Arc<ClientConfig>) -> Result<Channel, AddressError> {
    check_address(address)?;
    Ok(channel(dialling(address, config)))
}

/// The same for large files, with room for what is under way.
pub fn connect_for_streams(
    address: &str,
    config: Arc<ClientConfig>,
) -> Result<Channel, AddressError> {
    check_address(address)?;
    Ok(channel_for_streams(dialling(address, config)))
}

/// Whether `address` is one (HOST:PORT).
///
/// # Errors
/// Where it is not.
pub fn check_address(address: &str) -> Result<(), AddressError> {
    let uri: Result<http::Uri, _> = format!("http://{address}").parse();
    let authority = uri.as_ref().ok().and_then(http::Uri::authority);
    match authority {
        // No user before the host: nobody signs in there.
        Some(it) if it.as_str() == address && it.port_u16().is_some() && !address.contains('@') => {
            Ok(())
        }
        _ => Err(AddressError(address.to_owned())),
    }
}

/// A channel whose connections `next` makes, one whenever there is none.
pub fn channel<F, C>(next: F) -> Channel
where
    F: FnMut() -> C + Send + 'static,
    C: Future<Output = io::Result<PeerConnection>> + Send + 'static,
{
    channel_with(next, |endpoint| endpoint.max_frame_size(FRAME))
}

/// The same for large files, with room for what is under way.
pub fn channel_for_streams<F, C>(next: F) -> Channel
where
    F: FnMut() -> C + Send + 'static,
    C: Future<Output = io::Result<PeerConnection>> + Send + 'static,
{
    channel_with(next, |endpoint| endpoint.max_frame_size(LARGE_FRAME))
}

fn channel_with<F, C>(mut next: F, with: impl FnOnce(Endpoint) -> Endpoint) -> Channel
where
    F: FnMut() -> C + Send + 'static,
    C: Future<Output = io::Result<PeerConnection>> + Send + 'static,
{
    // Neither says anything: the peer is known by its certificate, and the
    // connections always have TLS.
    let endpoint = Endpoint::from_static("http://peer");
    let connect = tower::service_fn(move |_: http::Uri| {
        let connection = next();
        async move { connection.await.map(TokioIo::new) }
    });
    with(endpoint)
        .connect_timeout(CONNECT_TIMEOUT)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .connect_with_connector_lazy(connect)
}

fn dialling(
    address: &str,
    config: Arc<ClientConfig>,
) -> impl FnMut() -> Pin<Box<dyn Future<Output = io::Result<PeerConnection>> + Send>> + Send + 'static
{
    let address: Arc<str> = address.into();
    move || {
        let (address, config) = (Arc::clone(&address), Arc::clone(&config));
        Box::pin(async move { PeerConnection::dial(&address, config).await })
    }
}

impl PeerConnection {
    /// Dials `address` and authenticates who answers. The caller bounds the time.
    pub async fn dial(address: &str, config: Arc<ClientConfig>) -> io::Result<Self> {
        Self::over(TcpStream::connect(address).await?, config).await
    }

    /// Authenticates who is at the other end of `stream`, which either side may have
    /// made. The caller bounds the time.
    pub async fn over(stream: TcpStream, config: Arc<ClientConfig>) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        // A name must be given; the verifier looks at the peer's URI alone.
        let anyone = ServerName::IpAddress(IpAddr::V4(Ipv4Addr::UNSPECIFIED).into());
        let stream = TlsConnector::from(config).connect(anyone, stream).await?;
        Self::met(stream)
    }
}
