//! Certifies a host, within the transaction that lets it have the certificate.

use cofferdam_trust::{Authority, AuthorityError, CLOCK_SKEW, Lifetime, Peer, PeerName, Role};
use prost_types::Timestamp;
use rusqlite::Connection;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::Registrar;
use crate::refusal::Refusal;
use crate::state::{Certificates, HostRow, Moment, StateError};

/// A judgement inside of a transaction: a refusal is written down, too.
pub(super) type Judged<T> = Result<Result<T, Refusal>, StateError>;

impl Registrar {
    /// The URI name of a host.
    pub(super) fn host_name(&self, host: &str) -> Result<PeerName, Refusal> {
        PeerName::new(self.name.trust_domain(), Role::Agent, host)
            .map_err(|_| Refusal::Malformed("the host's name cannot be one"))
    }

    /// Certifies the key of `request` for `host`, and keeps the chain in its row.
    pub(super) fn certify(
        &self,
        it: &Connection,
        host: &mut HostRow,
        request: &[u8],
        now: Moment,
    ) -> Judged<()> {
        let ends_at = now.after(self.settings.certificate_lifetime);
        let lifetime = Lifetime { not_before: now.time() - CLOCK_SKEW, not_after: ends_at.time() };
        let generations = self.generations.load();
        let Some(authority) = generations.issuing(now) else {
            return Ok(Err(Refusal::NoAuthority));
        };
        let name = match self.host_name(&host.name) {
            Ok(name) => name,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let answered = authority
            .answer(request, &name, lifetime)
            .and_then(|chain| Ok((Authority::request_key(request)?, chain)));
        let (key, chain) = match answered {
            Ok(answered) => answered,
            Err(error @ AuthorityError::Request(_)) => return Ok(Err(Refusal::Request(error))),
            Err(error) => return Ok(Err(Refusal::Certify(error))),
        };
        Certificates(it).issued(&host.name, fingerprint(&chain)?, ends_at.seconds())?;
        host.request_key = Some(key);
        host.chain = Some(chain);
        host.certified_at = Some(now.seconds());
        host.certificate_ends_at = Some(ends_at.seconds());
        Ok(Ok(()))
    }
}

/// Of the first certificate of a chain.
fn fingerprint(chain: &str) -> Result<[u8; 32], StateError> {
    let damaged = || StateError::Damaged("a chain begins with no certificate".to_owned());
    let der = CertificateDer::from_pem_slice(chain.as_bytes()).map_err(|_| damaged())?;
    Peer::from_certificate(&der).map(|peer| peer.fingerprint).map_err(|_| damaged())
}

/// Refuses a host whose clock is too far from this one.
pub(super) fn check_clock(theirs: Option<&Timestamp>, now: Moment) -> Result<(), Refusal> {
    let Some(theirs) = theirs else {
        return Err(Refusal::Malformed("it does not say when it was made"));
    };
    let ours = i64::try_from(now.seconds()).unwrap_or(i64::MAX);
    if theirs.seconds.abs_diff(ours) <= CLOCK_SKEW.as_secs() {
        return Ok(());
    }
    let shown = |seconds| {
        jiff::Timestamp::from_second(seconds)
            .map_or_else(|_| "beyond the calendar".to_owned(), |it| it.to_string())
    };
    Err(Refusal::Clock { theirs: shown(theirs.seconds), ours: shown(ours) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_minutes_either_way_are_forgiven_and_a_day_is_told_in_full() {
        let now = Moment::from_seconds(1_000_000);
        let at = |seconds| Some(Timestamp { seconds, nanos: 0 });
        for close in [1_000_000 - 300, 1_000_000, 1_000_000 + 300] {
            check_clock(at(close).as_ref(), now).unwrap();
        }
        for far in [0, -1, 1_000_000 - 301, 1_000_000 + 301, i64::MIN, i64::MAX] {
            assert!(check_clock(at(far).as_ref(), now).is_err(), "{far}");
        }
        let told = check_clock(at(1_086_400).as_ref(), now).unwrap_err().to_string();
        assert!(told.contains("the host's clock says 1970-01-13T13:46:40Z"), "{told}");
        assert!(check_clock(None, now).is_err());
    }
}
