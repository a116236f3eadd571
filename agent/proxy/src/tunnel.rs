//! Tunnels: bytes both ways, after a look at the TLS greeting where TLS must be
//! spoken. Nothing is decrypted.

use std::io;
use std::time::Duration;

use cofferdam_proxy_protocol::{HostName, Place, Refusal, RefusalKind, Speech, Target};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};

use crate::account::{Account, Direction};
use crate::client_hello::{Hello, HelloError, HelloReader};
use crate::dial::Dialled;
use crate::refuse;

/// Bytes that a direction holds at once, while it moves.
const BUFFER: usize = 32 * 1024;
/// A greeting is here in whole after this long, or never.
const HELLO_TIME: Duration = Duration::from_secs(10);
/// «access_denied», a fatal alert (RFC 8446, section 6): clients show it.
const ALERT: [u8; 7] = [21, 3, 3, 0, 2, 2, 49];

/// A tunnel that is about to carry.
pub(crate) struct Tunnel<'a> {
    pub(crate) target: &'a Target,
    pub(crate) dialled: Dialled,
    /// What the run sent behind its request.
    pub(crate) early: Vec<u8>,
}

impl Tunnel<'_> {
    /// Carries bytes until both sides have ended, one breaks, or nothing moves
    /// for `idle`.
    ///
    /// # Errors
    /// The greeting was refused; the target has seen none of it.
    pub(crate) async fn carry(
        self,
        client: &mut TcpStream,
        idle: Duration,
        account: &Account,
    ) -> Result<(), Refusal> {
        let Self { target, dialled: Dialled { mut stream, speech, .. }, early } = self;
        let first = match speech {
            Speech::Any => early,
            Speech::Tls => match greeting(client, target, early).await {
                Ok(first) => first,
                Err(refusal) => {
                    // A run that is gone is not waited for.
                    let _ = client.write_all(&ALERT).await;
                    let _ = client.shutdown().await;
                    return Err(refusal);
                }
            },
        };
        let (mut from_run, mut to_run) = client.split();
        let (mut from_target, mut to_target) = stream.split();
        let out = async {
            to_target.write_all(&first).await?;
            account.moved(Direction::Out, first.len());
            drop(first);
            pump(&mut from_run, &mut to_target, Direction::Out, account).await
        };
        let back = pump(&mut from_target, &mut to_run, Direction::In, account);
        tokio::select! {
            // A side that broke ends the tunnel, as it would without a proxy.
            _ = async { tokio::try_join!(out, back) } => {}
            () = account.idle(idle) => {}
        }
        Ok(())
    }
}

/// Moves bytes until the source ends, then ends the sink. A direction that
/// rests holds no buffer.
pub(crate) async fn pump(
    from: &mut ReadHalf<'_>,
    to: &mut WriteHalf<'_>,
    direction: Direction,
    account: &Account,
) -> io::Result<()> {
    loop {
        from.readable().await?;
        let mut buffer = vec![0; BUFFER];
        loop {
            match from.try_read(&mut buffer) {
                Ok(0) => return to.shutdown().await,
                Ok(read) => {
                    to.write_all(&buffer[..read]).await?;
                    account.moved(direction, read);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
    }
}

/// Reads the greeting and checks its server name; all bytes that it took.
async fn greeting(
    client: &mut TcpStream,
    target: &Target,
    early: Vec<u8>,
) -> Result<Vec<u8>, Refusal> {
    let reading = async {
        let mut reader = HelloReader::default();
        let mut buffer = early;
        loop {
            match reader.feed(&buffer).map_err(|error| refused(target, error))? {
                Some(hello) => return Ok((hello, reader)),
                None => buffer.clear(),
            }
            match client.read_buf(&mut buffer).await {
                Ok(read) if read > 0 => {}
                _ => return Err(refuse::not_tls(target, "nothing like it came")),
            }
        }
    };
    let (hello, reader) = tokio::time::timeout(HELLO_TIME, reading)
        .await
        .unwrap_or_else(|_| Err(refuse::not_tls(target, "no greeting came")))?;
    check_name(target, &hello)?;
    Ok(reader.into_bytes())
}

fn refused(target: &Target, error: HelloError) -> Refusal {
    match error {
        HelloError::Name => {
            Refusal::new(RefusalKind::ServerName, format!("{error}: `{target}` was connected to."))
        }
        HelloError::NotTls | HelloError::Malformed | HelloError::TooLong => {
            refuse::not_tls(target, &error.to_string())
        }
    }
}

/// The server name must be the target's: many names share an address, and the
/// lists speak of names. An address has none, and lends itself to no other.
fn check_name(target: &Target, hello: &Hello) -> Result<(), Refusal> {
    let asked = hello.server_name.as_deref();
    let right = match (&target.place, asked) {
        (Place::Name(name), Some(asked)) => asked.parse::<HostName>().is_ok_and(|a| a == *name),
        (Place::Address(address), Some(asked)) => {
            asked.parse().is_ok_and(|a: std::net::IpAddr| a == *address)
        }
        (Place::Address(_), None) => true,
        (Place::Name(_), None) => false,
    };
    if right { Ok(()) } else { Err(refuse::server_name(target, asked)) }
}
