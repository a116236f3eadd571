//! A host's next certificate, by its signing key.
//!
//! In time it costs nothing; after the last one lapsed a host gets one a bounded
//! number of times in a row. Every renewal carries a counter that the host keeps and
//! that only grows: where it does not, two have the key, and that is an alarm. What
//! comes a second time word for word is told apart from that: the newest is answered
//! as before, an older one is refused and nothing else.

use std::time::SystemTime;

use cofferdam_journal::PeerStep;
use cofferdam_proto::join::v1::{RenewRequest, Renewal};
use cofferdam_trust::Claim;
use rusqlite::Connection;

use super::Registrar;
use super::certify::{Judged, check_clock};
use super::enrol::{Answer, check_version};
use crate::event::event;
use crate::host::{self, Standing};
use crate::refusal::Refusal;
use crate::state::{HostRow, Moment, Renewals};

/// Bytes of a nonce.
pub(super) const NONCE: usize = 16;
/// Renewals of one host within the lifetime of one certificate; it needs two.
const OFTEN: u64 = 12;

impl Registrar {
    /// Answers a host that asks for its next certificate. May wait for the disk.
    pub(crate) fn renew(&self, request: &RenewRequest, now: SystemTime) -> Result<Answer, Refusal> {
        let claim = Claim::renewal(request)?;
        let now = Moment::of(now);
        let key = self.key_of(claim.host())?;
        let digest = claim.digest();
        let said = claim.proved_by(&key)?;
        self.check_meant(&said.authority, &said.nonce)?;
        check_clock(said.at.as_ref(), now)?;
        host::address(&said.address)?;
        check_version(&said.agent_version)?;
        let judged = self.state.change(|it| self.judge_renewal(it, &said, digest, now))?;
        self.settle()?;
        judged
    }

    fn judge_renewal(
        &self,
        it: &Connection,
        said: &Renewal,
        digest: [u8; 32],
        now: Moment,
    ) -> Judged<Answer> {
        let Some(mut host) = HostRow::find(it, &said.host)? else {
            return Ok(Err(Refusal::UnknownHost));
        };
        if host.standing != Standing::Joined {
            return Ok(Err(not_joined(host.standing)));
        }
        if let Some(alarm) = host.alarm {
            return Ok(Err(Refusal::Alarm(alarm)));
        }
        let answered = host.chain.clone().filter(|_| host.last_renewal == Some(digest));
        if let Some(chain) = answered {
            return Ok(self.host_name(&host.name).map(|host| Answer::Certified { host, chain }));
        }
        if Renewals(it).has(&digest)? {
            return Ok(Err(Refusal::Replayed));
        }
        if said.counter <= host.counter {
            return copied(it, host, now);
        }
        let lifetime = self.settings.certificate_lifetime.as_secs();
        let since = now.seconds().saturating_sub(lifetime);
        if Renewals(it).since(&host.name, since, now.seconds())? >= OFTEN {
            return Ok(Err(Refusal::TooOften));
        }
        let step = match self.reattested(&host, now) {
            Err(refusal) => return Ok(Err(refusal)),
            Ok(0) => PeerStep::Renewed,
            Ok(_) => PeerStep::Reattested,
        };
        host.reattested = self.reattested(&host, now).unwrap_or_default();
        if let Err(refusal) = self.certify(it, &mut host, &said.request, now)? {
            return Ok(Err(refusal));
        }
        Renewals(it).add(&digest, &host.name, now.seconds())?;
        host.counter = said.counter;
        host.last_renewal = Some(digest);
        if let Ok(Some(address)) = host::address(&said.address) {
            host.reported_address = Some(address);
        }
        host.agent_version.clone_from(&said.agent_version);
        host.save(it)?;
        event(&host.name, step, String::new(), now).note(it)?;
        let chain = host.chain.unwrap_or_default();
        Ok(self.host_name(&host.name).map(|host| Answer::Certified { host, chain }))
    }

    /// How many certificates in a row the host will have got after the last one lapsed;
    /// none if it is in time.
    fn reattested(&self, host: &HostRow, now: Moment) -> Result<u32, Refusal> {
        let ended = host.certificate_ends_at.unwrap_or_default();
        if now.seconds() < ended {
            return Ok(0);
        }
        if now.seconds() - ended > self.settings.reattest_within.as_secs() {
            return Err(Refusal::Lapsed("too long ago"));
        }
        if host.reattested >= self.settings.reattestations {
            return Err(Refusal::Lapsed("too often in a row"));
        }
        Ok(host.reattested + 1)
    }

    /// The request names this authority and is like no other.
    pub(super) fn check_meant(&self, authority: &str, nonce: &[u8]) -> Result<(), Refusal> {
        if nonce.len() != NONCE {
            return Err(Refusal::Malformed("its nonce has not 16 bytes"));
        }
        if authority != self.name.to_string() {
            let asked = authority.chars().filter(char::is_ascii_graphic).take(128).collect();
            return Err(Refusal::OtherAuthority { asked, here: self.name.to_string() });
        }
        Ok(())
    }
}

/// Two have the host's key.
fn copied(it: &Connection, mut host: HostRow, now: Moment) -> Judged<Answer> {
    let alarm = "its signing key is used by two: a renewal came out of turn";
    host.alarm = Some(alarm.to_owned());
    host.save(it)?;
    event(&host.name, PeerStep::Alarmed, alarm, now).note(it)?;
    tracing::warn!(host = host.name, "ALARM: two renew with the same host's key");
    Ok(Err(Refusal::Alarm(alarm.to_owned())))
}

/// Why a host that did not join, or has gone, gets nothing.
pub(super) fn not_joined(standing: Standing) -> Refusal {
    match standing {
        Standing::Revoked => Refusal::Revoked,
        Standing::Refused => Refusal::Refused,
        Standing::Invited | Standing::Pending | Standing::Approved | Standing::Joined => {
            Refusal::UnknownHost
        }
    }
}
