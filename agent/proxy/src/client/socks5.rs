//! SOCKS 5 from a run (RFC 1928): no authentication, CONNECT only.

use cofferdam_proxy_protocol::{Protocol, Refusal, RefusalKind};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::{Account, REQUEST_TIME, Served, more, too_slow, tunnel};
use crate::socks::{self, Read, SocksError};

/// Serves one connection to its end.
pub(super) async fn serve(
    mut client: TcpStream,
    served: &Served,
    account: &Account,
) -> Result<(), Refusal> {
    let reading = tokio::time::timeout(REQUEST_TIME, read(&mut client));
    let (target, early) = reading.await.unwrap_or_else(|_| Err(too_slow()))?;
    account.asked_for(Protocol::Socks5, &target);
    let dialled = match served.dialer().dial(&served.lists, &target).await {
        Ok(dialled) => dialled,
        Err(refusal) => {
            say(&mut client, &socks::reply(code(refusal.kind))).await;
            return Err(refusal);
        }
    };
    account.connected(dialled.address);
    say(&mut client, &socks::reply(socks::SUCCEEDED)).await;
    let tunnel = tunnel::Tunnel { target: &target, dialled, early };
    tunnel.carry(&mut client, served.idle(), account).await
}

/// The target, and what came behind the request.
async fn read(
    client: &mut TcpStream,
) -> Result<(cofferdam_proxy_protocol::Target, Vec<u8>), Refusal> {
    let mut buffer = Vec::with_capacity(socks::MAX_REQUEST);
    step(client, &mut buffer, socks::greeting).await?;
    say(client, &socks::NO_AUTHENTICATION).await;
    let target = step(client, &mut buffer, socks::request).await?;
    Ok((target, buffer))
}

/// Reads until `parse` has what it wants, and takes that off the buffer.
async fn step<T>(
    client: &mut TcpStream,
    buffer: &mut Vec<u8>,
    parse: impl Fn(&[u8]) -> Result<Read<T>, SocksError>,
) -> Result<T, Refusal> {
    loop {
        match parse(buffer) {
            Ok(Read::Whole(value, length)) => {
                buffer.drain(..length);
                return Ok(value);
            }
            Ok(Read::More) => more(client, buffer).await?,
            Err(error) => {
                say(client, &error.reply()).await;
                return Err(Refusal::new(RefusalKind::Malformed, error.to_string()));
            }
        }
    }
}

fn code(kind: RefusalKind) -> u8 {
    if kind.is_denial() { socks::NOT_ALLOWED } else { socks::UNREACHABLE }
}

/// A run that is gone hears nothing; reading or carrying finds that out.
async fn say(client: &mut TcpStream, bytes: &[u8]) {
    let _ = client.write_all(bytes).await;
}
