//! A host's first certificate, by a join token.
//!
//! A token belongs to the first pair of keys that shows it: the key of the request and
//! the signing key. The same pair gets the same answer as often as it asks, so that a
//! host that was killed in the middle goes on where it was. Another pair is an alarm:
//! somebody has the token who should not, and nobody can tell which of the two. Then
//! the token is dead; a host without certificate is refused, and for one that has its
//! certificate nothing more is certified until the owner says so.

use cofferdam_journal::PeerStep;
use cofferdam_proto::join::v1::{EnrolRequest, Enrolment};
use cofferdam_trust::{Authority, Claim, PeerName, VerifyingKey, sha256};
use prost_types::Timestamp;
use rusqlite::Connection;
use std::time::SystemTime;

use super::Registrar;
use super::certify::{Judged, check_clock};
use crate::event::event;
use crate::host::{self, Standing};
use crate::refusal::Refusal;
use crate::settings::Approval;
use crate::state::{HostRow, Moment, TokenRow, TokenState};

/// Bytes of what an agent says its version is.
const MAX_VERSION: usize = 64;

/// What a host is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Its owner has to approve it first.
    Pending,
    /// Its certificate, with what stands between it and a root, PEM.
    Certified {
        /// Who it is now.
        host: PeerName,
        /// The chain.
        chain: String,
    },
}

/// An enrolment that says what it must, by whoever has the keys that it names.
#[derive(Debug)]
struct Asked {
    host: String,
    /// Digest of the token's secret.
    token: [u8; 32],
    request: Vec<u8>,
    signing_key: VerifyingKey,
    /// Digest of both keys.
    keys: [u8; 32],
    address: Option<String>,
    agent_version: String,
    at: Option<Timestamp>,
}

impl Asked {
    fn read(said: Enrolment, signing_key: VerifyingKey) -> Result<Self, Refusal> {
        let Enrolment { host, token, request, signing_key: _, address, agent_version, at } = said;
        host::check_name(&host).map_err(|_| Refusal::Malformed("the host's name cannot be one"))?;
        if token.len() != 32 {
            return Err(Refusal::Malformed("the token's secret has not 32 bytes"));
        }
        let request_key = Authority::request_key(&request).map_err(Refusal::Request)?;
        let address = host::address(&address)?;
        check_version(&agent_version)?;
        let both = [request_key.as_slice(), signing_key.to_string().as_bytes()].concat();
        let (token, keys) = (sha256(&token), sha256(&both));
        Ok(Self { host, token, request, signing_key, keys, address, agent_version, at })
    }
}

/// What an agent calls its version stands in lists.
pub(super) fn check_version(text: &str) -> Result<(), Refusal> {
    if text.len() > MAX_VERSION || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Refusal::Malformed("the agent's version cannot be one"));
    }
    Ok(())
}

impl Registrar {
    /// Answers a host that asks for its first certificate. May wait for the disk.
    pub(crate) fn enrol(&self, request: &EnrolRequest, now: SystemTime) -> Result<Answer, Refusal> {
        let (said, key) = Claim::enrolment(request)?.proved()?;
        let asked = Asked::read(said, key)?;
        let now = Moment::of(now);
        let judged = self.state.change(|it| self.judge(it, &asked, now))?;
        self.settle()?;
        judged
    }

    fn judge(&self, it: &Connection, asked: &Asked, now: Moment) -> Judged<Answer> {
        let token = TokenRow::find(it, &asked.token)?.filter(|token| token.host == asked.host);
        let Some(token) = token else {
            if self.flood.admits(now) {
                let why = "an unknown join token";
                event(&asked.host, PeerStep::TurnedAway, why, now).note(it)?;
            }
            return Ok(Err(Refusal::UnknownToken));
        };
        if let Err(refusal) = check_clock(asked.at.as_ref(), now) {
            return Ok(Err(refusal));
        }
        let Some(host) = HostRow::find(it, &token.host)? else {
            return Ok(Err(Refusal::TokenWithdrawn));
        };
        match (token.state, token.keys) {
            (TokenState::Alarmed, _) => Ok(Err(Refusal::TokenTwice)),
            (TokenState::Used | TokenState::Withdrawn, Some(keys)) if keys == asked.keys => {
                self.go_on(it, host, asked, now)
            }
            (TokenState::Used | TokenState::Withdrawn, Some(_)) => {
                shown_twice(it, token, host, now)
            }
            (TokenState::Open, None) => self.first_use(it, token, host, asked, now),
            _ => Ok(Err(Refusal::TokenWithdrawn)),
        }
    }

    /// Somebody shows a token that nobody showed before.
    fn first_use(
        &self,
        it: &Connection,
        token: TokenRow,
        mut host: HostRow,
        asked: &Asked,
        now: Moment,
    ) -> Judged<Answer> {
        if token.expires_at <= now.seconds() {
            return Ok(Err(Refusal::TokenExpired(now.seconds() - token.expires_at)));
        }
        if host.standing != Standing::Invited {
            return Ok(Err(Refusal::NameTaken));
        }
        TokenRow { state: TokenState::Used, keys: Some(asked.keys), ..token }.save(it)?;
        host.standing = match self.settings.approval {
            Approval::Required => Standing::Pending,
            Approval::None => Standing::Approved,
        };
        host.signing_key = Some(asked.signing_key);
        host.reported_address.clone_from(&asked.address);
        host.agent_version.clone_from(&asked.agent_version);
        host.enrolled_at = Some(now.seconds());
        host.save(it)?;
        let detail = format!("signs with {}", asked.signing_key);
        event(&host.name, PeerStep::Enrolled, detail, now).note(it)?;
        self.go_on(it, host, asked, now)
    }

    /// The host whose token it is asks, for the first time or again.
    fn go_on(
        &self,
        it: &Connection,
        mut host: HostRow,
        asked: &Asked,
        now: Moment,
    ) -> Judged<Answer> {
        match host.standing {
            Standing::Invited => return Ok(Err(Refusal::TokenWithdrawn)),
            Standing::Pending => return Ok(Ok(Answer::Pending)),
            Standing::Refused => return Ok(Err(Refusal::Refused)),
            Standing::Revoked => return Ok(Err(Refusal::Revoked)),
            Standing::Approved => {
                if let Err(refusal) = self.certify(it, &mut host, &asked.request, now)? {
                    return Ok(Err(refusal));
                }
                host.standing = Standing::Joined;
                host.save(it)?;
                event(&host.name, PeerStep::Certified, String::new(), now).note(it)?;
            }
            Standing::Joined => {}
        }
        if let Some(alarm) = host.alarm {
            return Ok(Err(Refusal::Alarm(alarm)));
        }
        let current = host.certificate_ends_at.is_some_and(|end| now.seconds() < end);
        let (Some(chain), true) = (host.chain, current) else {
            return Ok(Err(Refusal::Lapsed("before the host took it: it has to renew now")));
        };
        Ok(self.host_name(&host.name).map(|host| Answer::Certified { host, chain }))
    }
}

/// Somebody else shows a token that was shown before.
fn shown_twice(it: &Connection, token: TokenRow, mut host: HostRow, now: Moment) -> Judged<Answer> {
    let alarm = "its join token was shown by somebody else, too";
    TokenRow { state: TokenState::Alarmed, ..token }.save(it)?;
    host.alarm = Some(alarm.to_owned());
    if matches!(host.standing, Standing::Invited | Standing::Pending | Standing::Approved) {
        host.standing = Standing::Refused;
    }
    host.save(it)?;
    event(&host.name, PeerStep::Alarmed, alarm, now).note(it)?;
    tracing::warn!(host = host.name, "ALARM: a join token was shown with two different keys");
    Ok(Err(Refusal::TokenTwice))
}
