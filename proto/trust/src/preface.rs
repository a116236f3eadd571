//! The first bytes on a connection that a host makes to its gateway: which host it
//! says it is, in one line, before TLS.
//!
//! It is a claim and nothing else. The gateway looks by it which certificate it has
//! to be shown, and the handshake that follows proves or disproves it. Whoever sends
//! anything else is nobody's host. The line is
//! `COFFERDAM-HOST/1 spiffe://TRUST-DOMAIN/agent/NAME`, ended by a line feed; the
//! host sends nothing behind it until the gateway has begun with TLS.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

use crate::name::{NameError, PeerName, Role};

/// What every preface begins with.
const BEGINNING: &str = "COFFERDAM-HOST/1 ";
/// Bytes of the longest one, its line feed included: a name has at most 253 bytes of
/// trust domain and 63 of its own.
pub const MAX_PREFACE: usize = BEGINNING.len() + "spiffe:///agent/".len() + 253 + 63 + 1;

/// Which host somebody says to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preface(PeerName);

/// Why bytes are no preface.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PrefaceError {
    /// Something else was sent.
    #[error("what was sent is not the preface of a host: it does not begin with `{BEGINNING}`")]
    Stranger,
    /// There is no end.
    #[error("the preface has no end within {MAX_PREFACE} bytes")]
    TooLong,
    /// Something stands behind it.
    #[error("something was sent behind the preface, before TLS began")]
    Trailing,
    /// It names nobody.
    #[error("the preface names no host: {0}")]
    Name(#[from] NameError),
    /// It names somebody else than an agent.
    #[error("the preface names {0}; only agents dial gateways")]
    NotAnAgent(PeerName),
}

impl Preface {
    /// The preface of this agent.
    ///
    /// # Errors
    /// Where it is no agent.
    pub fn of(agent: &PeerName) -> Result<Self, PrefaceError> {
        if agent.role() != Role::Agent {
            return Err(PrefaceError::NotAnAgent(agent.clone()));
        }
        Ok(Self(agent.clone()))
    }

    /// Who it says it is.
    #[must_use]
    pub fn claimed(&self) -> &PeerName {
        &self.0
    }

    /// As it is sent.
    #[must_use]
    pub fn line(&self) -> String {
        format!("{BEGINNING}{}\n", self.0)
    }

    /// Reads one from all bytes that came so far; none: it goes on.
    ///
    /// # Errors
    /// Where no further byte could make it one.
    pub fn parse(came: &[u8]) -> Result<Option<Self>, PrefaceError> {
        let begins = came.len().min(BEGINNING.len());
        if came[..begins] != BEGINNING.as_bytes()[..begins] {
            return Err(PrefaceError::Stranger);
        }
        let Some(end) = came.iter().position(|byte| *byte == b'\n') else {
            return if came.len() < MAX_PREFACE { Ok(None) } else { Err(PrefaceError::TooLong) };
        };
        if end >= MAX_PREFACE {
            return Err(PrefaceError::TooLong);
        }
        if end + 1 != came.len() {
            return Err(PrefaceError::Trailing);
        }
        let name = came.get(BEGINNING.len()..end).ok_or(PrefaceError::Stranger)?;
        let name: PeerName = String::from_utf8_lossy(name).parse()?;
        Self::of(&name).map(Some)
    }

    /// Reads one from the beginning of a connection, and not a byte further than a
    /// host would send. The caller bounds the time.
    ///
    /// # Errors
    /// Where the connection fails or ends, or says something else.
    pub async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Self> {
        let mut came = [0; MAX_PREFACE + 1];
        let mut length = 0;
        loop {
            let read = stream.read(&mut came[length..]).await?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            length += read;
            if let Some(preface) = Self::parse(&came[..length]).map_err(io::Error::other)? {
                return Ok(preface);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent() -> PeerName {
        "spiffe://cofferdam/agent/web-1".parse().unwrap()
    }

    #[test]
    fn a_preface_is_read_as_it_was_sent_whatever_pieces_it_comes_in() {
        let preface = Preface::of(&agent()).unwrap();
        let line = preface.line();
        for end in 0..line.len() {
            assert_eq!(Preface::parse(&line.as_bytes()[..end]), Ok(None), "{end}");
        }
        assert_eq!(Preface::parse(line.as_bytes()), Ok(Some(preface)));
    }

    #[test]
    fn the_longest_name_fits() {
        let name = PeerName::new(&"d".repeat(253), Role::Agent, &"n".repeat(63)).unwrap();
        let line = Preface::of(&name).unwrap().line();
        assert_eq!(line.len(), MAX_PREFACE);
        assert!(Preface::parse(line.as_bytes()).unwrap().is_some());
    }

    #[test]
    fn what_is_no_preface_is_refused_as_soon_as_that_is_clear() {
        for (sent, why) in [
            (&b"G"[..], PrefaceError::Stranger),
            (b"\x16\x03\x01\x02\x00", PrefaceError::Stranger),
            (b"COFFERDAM-HOST/2 ", PrefaceError::Stranger),
            (b"\n", PrefaceError::Stranger),
            (&[b"COFFERDAM-HOST/1 ".as_slice(), &[b'a'; 400]].concat(), PrefaceError::TooLong),
            (b"COFFERDAM-HOST/1 spiffe://cofferdam/agent/web-1\nmore", PrefaceError::Trailing),
        ] {
            assert_eq!(Preface::parse(sent), Err(why), "{sent:?}");
        }
        for line in [
            "COFFERDAM-HOST/1 \n",
            "COFFERDAM-HOST/1 web-1\n",
            "COFFERDAM-HOST/1 spiffe://cofferdam/gateway/main\n",
            "COFFERDAM-HOST/1 spiffe://cofferdam/agent/web-1\r\n",
            "COFFERDAM-HOST/1 spiffe://cofferdam/agent/\0\n",
        ] {
            assert!(Preface::parse(line.as_bytes()).is_err(), "{line:?}");
        }
        assert!(Preface::parse(b"COFFERDAM-HOST/1 spiffe://c/agent/\xff\n").is_err());
    }

    #[tokio::test]
    async fn reading_takes_no_byte_that_a_host_would_not_send() {
        let line = Preface::of(&agent()).unwrap().line();
        let mut sent = line.as_bytes();
        assert_eq!(Preface::read(&mut sent).await.unwrap().claimed(), &agent());
        let mut cut = &line.as_bytes()[..20];
        assert_eq!(Preface::read(&mut cut).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        let mut endless = tokio::io::repeat(b'C');
        assert!(Preface::read(&mut endless).await.is_err());
    }
}
