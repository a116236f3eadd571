//! The calling end: a tonic channel over our own TLS.
//!
//! The channel connects when it is first used and again after it broke; each
//! connection is verified from the start. An idle one is kept alive and a dead
//! one noticed within seconds.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint};

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
/// Bytes of one frame.
const FRAME: u32 = 256 << 10;

/// The address cannot be connected to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an address; write HOST:PORT, such as 10.0.0.7:8461 or [::1]:8461")]
pub struct AddressError(String);

/// A channel to `address` (HOST:PORT). It connects lazily, so that a peer that
/// is down shows at the first call.
pub fn connect(address: &str, config: Arc<ClientConfig>) -> Result<Channel, AddressError> {
    connect_with(address, config, |endpoint| endpoint)
}

/// The same for large files, with room for what is under way.
pub fn connect_for_streams(
    address: &str,
    config: Arc<ClientConfig>,
) -> Result<Channel, AddressError> {
    connect_with(address, config, |endpoint| endpoint.max_frame_size(FRAME))
}

fn connect_with(
    address: &str,
    config: Arc<ClientConfig>,
    with: impl FnOnce(Endpoint) -> Endpoint,
) -> Result<Channel, AddressError> {
    let wrong = || AddressError(address.to_owned());
    // The scheme says nothing about TLS: the connector below always uses it.
    let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(|_| wrong())?;
    let uri = endpoint.uri();
    if uri.port_u16().is_none() || uri.authority().is_none_or(|it| it.as_str() != address) {
        return Err(wrong());
    }
    let connector = TlsConnector::from(config);
    let address: Arc<str> = address.into();
    let dial = tower::service_fn(move |_: http::Uri| dial(Arc::clone(&address), connector.clone()));
    Ok(with(endpoint)
        .connect_timeout(CONNECT_TIMEOUT)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .connect_with_connector_lazy(dial))
}

async fn dial(
    address: Arc<str>,
    connector: TlsConnector,
) -> io::Result<TokioIo<TlsStream<TcpStream>>> {
    let stream = TcpStream::connect(&*address).await?;
    stream.set_nodelay(true)?;
    // A name must be given; the verifier looks at the peer's URI alone.
    let anyone = ServerName::IpAddress(IpAddr::V4(Ipv4Addr::UNSPECIFIED).into());
    Ok(TokioIo::new(connector.connect(anyone, stream).await?))
}
