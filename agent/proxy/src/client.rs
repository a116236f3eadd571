//! A run's connection: which protocol it speaks, told by its first byte.

use std::time::Duration;

use cofferdam_proxy_protocol::{Protocol, Refusal, RefusalKind};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::account::Account;
use crate::listener::Served;
use crate::{forward, socks, tunnel};

/// A request is here in whole after this long, or never.
const REQUEST_TIME: Duration = Duration::from_secs(10);

mod http;
mod socks5;

pub(crate) use http::Failure;

/// Serves one connection to its end.
///
/// # Errors
/// Why nothing was carried; the run has been answered.
pub(crate) async fn serve(
    client: TcpStream,
    served: &Served,
    account: &Account,
) -> Result<(), Refusal> {
    // Small answers leave at once; where it cannot be set, they are slower.
    let _ = client.set_nodelay(true);
    let mut first = [0];
    match tokio::time::timeout(REQUEST_TIME, client.peek(&mut first)).await {
        Ok(Ok(1)) => {}
        // Opened and closed: nothing was asked, so there is nothing to tell.
        _ => return Ok(()),
    }
    match first {
        [socks::VERSION] => {
            account.spoke(Protocol::Socks5);
            socks5::serve(client, served, account).await
        }
        [byte] if byte.is_ascii_uppercase() => {
            account.spoke(Protocol::Http);
            http::serve(client, served, account).await
        }
        [byte] => {
            account.spoke(Protocol::Unknown);
            Err(Refusal::new(
                RefusalKind::Malformed,
                format!(
                    "the request begins with byte {byte:#04x}; the proxy speaks HTTP (without TLS to itself) and SOCKS 5"
                ),
            ))
        }
    }
}

/// Reads more of a request.
async fn more(client: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<(), Refusal> {
    match client.read_buf(buffer).await {
        Ok(read) if read > 0 => Ok(()),
        _ => Err(Refusal::new(RefusalKind::Malformed, "the request ended half-way")),
    }
}

fn too_slow() -> Refusal {
    Refusal::new(
        RefusalKind::TimedOut,
        format!("the request was not here after {} seconds", REQUEST_TIME.as_secs()),
    )
}
