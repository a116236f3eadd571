//! HTTP from a run: CONNECT becomes a tunnel, everything else is forwarded.

use cofferdam_proxy_protocol::{Protocol, Refusal, RefusalKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Account, REQUEST_TIME, Served, forward, more, too_slow, tunnel};
use crate::refuse;
use crate::request::{Asks, MAX_HEAD, Request, head_length};

const ESTABLISHED: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";

/// Serves one request; the connection ends with it.
pub(super) async fn serve(
    mut client: TcpStream,
    served: &Served,
    account: &Account,
) -> Result<(), Refusal> {
    let reading = tokio::time::timeout(REQUEST_TIME, read(&mut client));
    let end = match reading.await.unwrap_or_else(|_| Err(too_slow())) {
        Ok((request, early)) => act(&mut client, request, early, served, account).await,
        Err(refusal) => Err(Failure::Answerable(refusal)),
    };
    match end {
        Ok(()) => Ok(()),
        Err(Failure::Said(refusal)) => Err(refusal),
        Err(Failure::Answerable(refusal)) => {
            answer(&mut client, &refusal).await;
            Err(refusal)
        }
    }
}

/// A refusal, and whether the run can still be told by HTTP.
pub(crate) enum Failure {
    /// Nothing was answered yet.
    Answerable(Refusal),
    /// An answer is on its way already.
    Said(Refusal),
}

/// The request, and what came behind its head.
async fn read(client: &mut TcpStream) -> Result<(Request, Vec<u8>), Refusal> {
    let mut buffer = Vec::with_capacity(2048);
    let length = loop {
        match head_length(&buffer) {
            Some(length) => break length,
            None if buffer.len() > MAX_HEAD => {
                return Err(Refusal::new(
                    RefusalKind::Malformed,
                    format!("the request's head is longer than {MAX_HEAD} bytes"),
                ));
            }
            None => more(client, &mut buffer).await?,
        }
    };
    let early = buffer.split_off(length);
    let request = Request::parse(&buffer)
        .map_err(|error| Refusal::new(RefusalKind::Malformed, error.to_string()))?;
    Ok((request, early))
}

async fn act(
    client: &mut TcpStream,
    request: Request,
    early: Vec<u8>,
    served: &Served,
    account: &Account,
) -> Result<(), Failure> {
    let Request { target, asks } = request;
    let protocol = match asks {
        Asks::Tunnel => Protocol::Connect,
        Asks::Forward { .. } => Protocol::Http,
    };
    account.asked_for(protocol, &target);
    let dialled =
        served.dialer().dial(&served.lists, &target).await.map_err(Failure::Answerable)?;
    account.connected(dialled.address);
    match asks {
        Asks::Tunnel => {
            if client.write_all(ESTABLISHED).await.is_err() {
                return Ok(());
            }
            let tunnel = tunnel::Tunnel { target: &target, dialled, early };
            tunnel.carry(client, served.idle(), account).await.map_err(Failure::Said)
        }
        Asks::Forward { head, body } => {
            let exchange = forward::Exchange { target: &target, dialled, head, body, early };
            exchange.carry(client, served.idle(), account).await
        }
    }
}

/// Answers a refusal in words, and reads what is still under way for a moment:
/// closing on unread bytes would make the kernel take the answer back.
async fn answer(client: &mut TcpStream, refusal: &Refusal) {
    let answering = async {
        client.write_all(&refuse::http(refusal)).await?;
        client.shutdown().await?;
        let mut rest = [0; 4096];
        for _ in 0..64 {
            if client.read(&mut rest).await? == 0 {
                break;
            }
        }
        std::io::Result::Ok(())
    };
    // A run that is gone or does not read is not waited for.
    let _ = tokio::time::timeout(std::time::Duration::from_secs(2), answering).await;
}
