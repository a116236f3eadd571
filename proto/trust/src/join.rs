//! Join tokens: with one of them a host proves, once, that it may become a host
//! of this gateway, and recognises the gateway.
//!
//! Its text is one line, `cofferdam-join-1.HOST.BODY`. The body is base64url of a
//! secret, the digest of the authority's root certificate, and a check over all of
//! it, so that a token that was cut or mistyped is told from one that is unknown.
//! An authority keeps only [`JoinToken::digest`].

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::rand;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use zeroize::{Zeroize, Zeroizing};

use crate::digest::sha256;
use crate::name::{DEFAULT_TRUST_DOMAIN, NameError, PeerName, Role};

const PREFIX: &str = "cofferdam-join-1";
const CHECK: usize = 4;
const BODY: usize = 32 + 32 + CHECK;
/// The longest text, in bytes: prefix, a name of 63 characters, the body.
const MAX_TEXT: usize = 256;

/// A join token. It is a secret: its text is only for the host that it is for.
#[derive(Clone)]
pub struct JoinToken {
    host: String,
    secret: [u8; 32],
    authority: [u8; 32],
}

/// Why a text is no join token, or none can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JoinTokenError {
    /// Something else altogether.
    #[error("this is no join token; `cofferdam host invite NAME` makes one")]
    Form,
    /// Part of it is missing or changed.
    #[error(
        "the join token is cut or mistyped: copy all of it, one line beginning `cofferdam-join-1.`"
    )]
    Damaged,
    /// The host's name cannot be one.
    #[error(transparent)]
    Host(#[from] NameError),
    /// The system gave no randomness.
    #[error("cannot make a join token: the system gave no randomness")]
    Random,
}

impl JoinToken {
    /// A new token for `host`, of the authority whose root certificate has this
    /// SHA-256.
    pub fn generate(host: &str, authority: [u8; 32]) -> Result<Self, JoinTokenError> {
        PeerName::new(DEFAULT_TRUST_DOMAIN, Role::Agent, host)?;
        let mut secret = [0; 32];
        rand::fill(&mut secret).map_err(|_| JoinTokenError::Random)?;
        Ok(Self { host: host.to_owned(), secret, authority })
    }

    /// The host that it is for.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// SHA-256 of the root certificate (DER) by which the gateway is recognised.
    #[must_use]
    pub fn authority(&self) -> [u8; 32] {
        self.authority
    }

    /// What proves that one has the token.
    #[must_use]
    pub fn secret(&self) -> &[u8; 32] {
        &self.secret
    }

    /// What an authority keeps of it: SHA-256 of the secret.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        sha256(&self.secret)
    }

    /// The text, to be given to the host.
    #[must_use]
    pub fn text(&self) -> Zeroizing<String> {
        let mut body = Zeroizing::new([0; BODY]);
        body[..32].copy_from_slice(&self.secret);
        body[32..64].copy_from_slice(&self.authority);
        let check = check(&self.host, &body[..64]);
        body[64..].copy_from_slice(&check);
        let body = Zeroizing::new(BASE64_URL_SAFE_NO_PAD.encode(*body));
        Zeroizing::new(format!("{PREFIX}.{}.{}", self.host, &*body))
    }
}

fn check(host: &str, body: &[u8]) -> [u8; CHECK] {
    let all = Zeroizing::new([PREFIX.as_bytes(), b"\0", host.as_bytes(), b"\0", body].concat());
    let mut check = [0; CHECK];
    check.copy_from_slice(&sha256(&all)[..CHECK]);
    check
}

impl FromStr for JoinToken {
    type Err = JoinTokenError;

    fn from_str(text: &str) -> Result<Self, JoinTokenError> {
        let text = text.trim();
        let rest = text.strip_prefix(PREFIX).and_then(|rest| rest.strip_prefix('.'));
        let rest = rest.ok_or(JoinTokenError::Form)?;
        // A host's name may have dots, the body has none.
        let (host, encoded) = rest.rsplit_once('.').ok_or(JoinTokenError::Damaged)?;
        if text.len() > MAX_TEXT {
            return Err(JoinTokenError::Damaged);
        }
        let body = BASE64_URL_SAFE_NO_PAD.decode(encoded).map(Zeroizing::new);
        let body = body.ok().filter(|body| body.len() == BODY).ok_or(JoinTokenError::Damaged)?;
        if check(host, &body[..64]) != body[64..] {
            return Err(JoinTokenError::Damaged);
        }
        PeerName::new(DEFAULT_TRUST_DOMAIN, Role::Agent, host)?;
        let mut token = Self { host: host.to_owned(), secret: [0; 32], authority: [0; 32] };
        token.secret.copy_from_slice(&body[..32]);
        token.authority.copy_from_slice(&body[32..64]);
        Ok(token)
    }
}

impl Drop for JoinToken {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinToken").field("host", &self.host).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_as_it_was_written() {
        let token = JoinToken::generate("web-1.example", [7; 32]).unwrap();
        let read: JoinToken = token.text().parse().unwrap();
        assert_eq!(
            (read.host(), read.authority(), read.digest()),
            ("web-1.example", [7; 32], token.digest())
        );
        let with_line_end: JoinToken = format!("{}\n", &*token.text()).parse().unwrap();
        assert_eq!(with_line_end.digest(), token.digest());
    }

    #[test]
    fn a_token_that_is_cut_or_changed_anywhere_is_told_so() {
        let text = JoinToken::generate("web-1", [7; 32]).unwrap().text();
        for length in 0..text.len() {
            assert!(text[..length].parse::<JoinToken>().is_err(), "{length} characters");
        }
        for at in PREFIX.len() + 1..text.len() {
            let mut changed = text.as_bytes().to_vec();
            changed[at] = if changed[at] == b'a' { b'b' } else { b'a' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(changed.parse::<JoinToken>().unwrap_err(), JoinTokenError::Damaged, "{at}");
        }
    }

    #[test]
    fn what_is_no_token_is_told_so_and_nothing_shows_the_secret() {
        for text in ["", "hello", "cofferdam-join-2.web-1.AAAA"] {
            assert_eq!(text.parse::<JoinToken>().unwrap_err(), JoinTokenError::Form, "{text}");
        }
        let token = JoinToken::generate("web-1", [7; 32]).unwrap();
        let body = token.text().rsplit_once('.').unwrap().1.to_owned();
        assert!(!format!("{token:?}").contains(&body[..8]));
        assert!(JoinToken::generate("two words", [7; 32]).is_err());
    }
}
